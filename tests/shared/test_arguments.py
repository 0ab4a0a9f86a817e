"""Arguments of the wrong kind: each error names the argument, what was given and what is allowed."""

import jax
import numpy as np
import pytest
import torch

from tests.adapters import over
from tests.families import FAMILIES

NOTHING = {
    "Implicit: base must be a distribution, got None": lambda a: a.dist.Implicit(None),
    "Implicit: base must be a distribution, got the class Gamma": lambda a: a.dist.Implicit(a.host.Gamma),
    "GaussianCopula: marginal_dist must be a distribution": lambda a: a.dist.GaussianCopula(None, a.array(np.eye(2))),
    "implicit_gradients: distribution must be a distribution": lambda a: a.irg.implicit_gradients(None, a.array(1.0)),
    "implicit_twin: fn must be a distribution": lambda a: a.irg.implicit_twin(None),
    "ImplicitDensity: log_prob must be a function": lambda a: a.dist.ImplicitDensity(None, a.constraints.real),
    "ImplicitDensity: support must be a constraint, such as constraints.real, got 'real'": lambda a: (
        a.dist.ImplicitDensity(lambda x: -x * x, "real")
    ),
    "ConditionalChain: conditionals must be a list of functions": lambda a: a.dist.ConditionalChain(None),
    "check_reparameterized: guide must be a model or guide": lambda a: a.irg.check_reparameterized(None),
    "Gamma: quantile must be a real number or": lambda a: a.dist.Gamma(1.0, 1.0).icdf("a"),
    "Gamma: value must be a real number or": lambda a: a.dist.Gamma(1.0, 1.0).cdf(None),
    "get_state: svi(_state)? must be .*, got None": lambda a: a.irg.infer.get_state(None),
    "set_state: svi must be an SVI, got None": lambda a: a.irg.infer.set_state(None, {}),
}


@pytest.mark.parametrize("message", NOTHING)
def test_the_argument_is_named(adapter, message):
    with pytest.raises(TypeError, match=message):
        NOTHING[message](adapter)


@over(FAMILIES)
def test_complex_parameters(adapter, family):
    """Their imaginary part would be dropped."""
    name, *others = family.points[0]
    value = np.asarray(family.points[0][name]) + 1j
    value = torch.tensor(value) if adapter.eager else jax.numpy.asarray(value)
    good = adapter.arrays({other: family.points[0][other] for other in others})
    with pytest.raises(ValueError, match=f"{family.name}: {name} must be (a )?real, .*got .*dtype .*complex"):
        getattr(adapter.dist, family.name)(**{name: value}, **good)


@pytest.mark.parametrize("value", [torch.ones(2, device="meta"), torch.ones(2).to_sparse()], ids=["meta", "sparse"])
def test_tensors_without_values(value):
    dist = pytest.importorskip("pyro_irg.distributions")
    with pytest.raises(ValueError, match=r"Gamma: rate must be a real, dense tensor with values, got .* on (meta|cpu)"):
        dist.Gamma(1.0, value)


@pytest.mark.parametrize("value", [torch.tensor(1.0 + 1.0j), torch.ones(2).to_sparse()], ids=["complex", "sparse"])
def test_values_that_are_not_real_and_dense(value):
    gamma = pytest.importorskip("pyro_irg.distributions").Gamma(torch.tensor(2.0), 1.0)
    with pytest.raises(ValueError, match=r"Gamma: value must be a real, dense tensor, got one of dtype"):
        gamma.log_prob(value)
    for name, argument in (("cdf", "value"), ("icdf", "quantile")):
        with pytest.raises(TypeError, match=rf"Gamma: {argument} must be a real number or a real, dense tensor, got"):
            getattr(gamma, name)(value)


def test_an_angle_that_is_no_tensor():
    """It is wrapped before the host looks at it."""
    with pytest.raises(ValueError, match="value argument to log_prob must be a Tensor"):
        pytest.importorskip("pyro_irg.distributions").VonMises(0.0, 1.0).log_prob([1.0])


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
@over([family for family in FAMILIES if not family.of_vectors])
def test_half_precision(adapter, family, half):
    """Draws of the parameters' dtype, though torch's own samplers have no half."""
    dtype = getattr(adapter.xp, half)
    params = {name: adapter.cast(value, dtype) for name, value in adapter.arrays(family.points[0], (3,)).items()}
    x = adapter.draw(getattr(adapter.dist, family.name)(**params), adapter.key(0))
    assert x.dtype == dtype and np.isfinite(adapter.numpy(adapter.cast(x, adapter.xp.float32))).all()


@over(FAMILIES, when=lambda adapter, family: not adapter.eager)
def test_constants_are_validated_inside_jit(adapter, family):
    """As the host validates what is known when it traces."""
    for name, value in family.points[0].items():
        if name != "loc":
            params = {**family.points[0], name: np.full(np.shape(value) or (2,), -1.0)}
            with pytest.raises(ValueError, match=f"invalid {name} parameter"):
                adapter.jit(lambda x: getattr(adapter.dist, family.name)(**params).mean + x)(0.0)  # noqa: B023
