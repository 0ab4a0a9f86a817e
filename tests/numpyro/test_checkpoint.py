"""What a saved training refuses."""

import jax
import jax.numpy as jnp
import numpyro
import pytest
from numpyro.infer import SVI, Trace_ELBO

import numpyro_irg.distributions as dist
from numpyro_irg.infer import get_state, set_state


def model():
    numpyro.sample("z", dist.Normal(0.0, 1.0))


def guide(name="scale", size=()):
    scale = numpyro.param(name, jnp.full(size, 0.3), constraint=dist.constraints.positive)
    numpyro.sample("z", dist.Normal(0.0, scale.sum()))


def started(program=guide):
    return SVI(model, program, numpyro.optim.Adam(0.1), Trace_ELBO())


@pytest.mark.parametrize("other", [lambda: guide(size=(3,)), lambda: guide("width")], ids=["shape", "name"])
def test_another_guides_state_is_refused(other):
    state = get_state(started().init(jax.random.key(0)))
    set_state(started(), state)
    with pytest.raises(ValueError, match=r"set_state: the parameters .* make svi as the one that was saved"):
        set_state(started(other), state)
