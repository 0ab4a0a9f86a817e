"""Bad input: NumPyro's own switch and behaviour, and messages that name the argument."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as host
import pytest

import numpyro_irg.distributions as dist
from tests.laws import LAWS
from tests.numpyro.draws import arrays

REAL = ("loc",)  # the arguments that may be negative
laws = pytest.mark.parametrize("law", LAWS, ids=str)
arguments = pytest.mark.parametrize(
    ("law", "name"), [(law, name) for law in LAWS for name in law.points[0]], ids=lambda v: str(v)
)


def with_bad(law, name, value, **options):
    """The distribution with one argument replaced; of a Dirichlet's concentration, one component."""
    bad = jnp.array(value)
    if law.name == "Dirichlet" and bad.ndim == 0:
        bad = jnp.stack([jnp.array(1.0), bad, jnp.array(2.0)])
    return getattr(dist, law.name)(**{**arrays(law.points[0]), name: bad}, **options)


@arguments
@pytest.mark.parametrize("value", [-1.0, 0.0, jnp.nan])
def test_outside_the_constraint(law, name, value):
    if name in REAL and value == value:
        with_bad(law, name, value)  # allowed
    else:
        with pytest.raises(ValueError, match=rf"distribution got invalid {name} parameter"):
            with_bad(law, name, value)


@arguments
def test_infinite(law, name):
    """Which some of the host's constraints let through."""
    with pytest.raises(ValueError, match=rf"{law.name} distribution got invalid {name} parameter"):
        with_bad(law, name, jnp.inf)


@arguments
def test_one_bad_member_of_a_batch(law, name):
    value = [[1.0, 2.0, jnp.nan]] if law.name == "Dirichlet" else [1.0, jnp.nan]
    with pytest.raises(ValueError, match=rf"distribution got invalid {name} parameter"):
        with_bad(law, name, value)


@arguments
@pytest.mark.parametrize("value", ["1.0", [1.0, 2.0], None], ids=["str", "list", "None"])
def test_neither_number_nor_array(law, name, value):
    with pytest.raises(ValueError, match=rf"{law.name}: {name} must be .*, got {type(value).__name__}; write .*{name}"):
        getattr(dist, law.name)(**{**law.points[0], name: value})


@pytest.mark.parametrize("law", [law for law in LAWS if len(law.points[0]) > 1], ids=str)
def test_shapes_that_do_not_broadcast(law):
    wrong = {name: jnp.ones(2 + i) for i, name in enumerate(law.points[0])}
    first, second = list(wrong)[:2]
    message = rf"{law.name}: {first} of shape \(2,\) and {second} of shape \(3,\).* cannot be broadcast together"
    with pytest.raises(ValueError, match=message):
        getattr(dist, law.name)(**wrong)


def test_dirichlet_without_axes():
    for concentration in (2.0, jnp.array(2.0)):
        with pytest.raises(ValueError, match="`concentration` parameter must be at least one-dimensional"):
            dist.Dirichlet(concentration)


@laws
def test_missing_argument(law):
    first = next(iter(law.points[0]))
    rest = {name: value for name, value in law.points[0].items() if name != first}
    with pytest.raises(TypeError, match=f"missing 1 required positional argument: '{first}'"):
        getattr(dist, law.name)(**rest)


# ------------------------------------------------------------------------------------------------------- the switch


@arguments
def test_validate_args_false(law, name, request):
    """Upstream: some of NumPyro's classes keep a distribution inside that validates all the same."""
    if law.name in ("Beta", "InverseGamma") or (law.name, name) == ("StudentT", "df"):
        with pytest.raises(ValueError, match="got invalid"):
            getattr(host, law.name)(**{**law.points[0], name: -1.0}, validate_args=False)
        request.applymarker(pytest.mark.xfail(raises=ValueError, strict=True, reason="NumPyro's class does the same"))
    for value in (-1.0, jnp.inf):
        with_bad(law, name, value, validate_args=False)


@arguments
def test_hosts_switch(law, name):
    with numpyro.validation_enabled(False):
        with_bad(law, name, -1.0)
        with_bad(law, name, jnp.inf)
        if name not in REAL:
            with pytest.raises(ValueError, match=rf"distribution got invalid {name} parameter"):
                with_bad(law, name, -1.0, validate_args=True)
    with numpyro.validation_enabled(True), pytest.raises(ValueError, match=rf"distribution got invalid {name} param"):
        with_bad(law, name, jnp.nan)


@laws
def test_strict_validation_inside_jit(law):
    """The host's: quiet when a traced distribution is made, an error when asked for."""

    def build(found):
        d = getattr(dist, law.name)(**found)
        d.validate_args()
        return d

    with pytest.raises(RuntimeError, match="Cannot validate arguments inside jitted code"):
        jax.eval_shape(build, arrays(law.points[0]))


def test_sampling_bad_parameters_under_jit_ends():
    """Nobody validates traced parameters: a rejection sampler must give NaN, not run for ever.  In a process that can
    be ended."""
    code = """
import jax, jax.numpy as jnp, numpyro_irg.samplers as samplers
good, bad = jnp.array([2.0, 0.5]), jnp.array([-10.0, -1.0, -1e-3, jnp.nan, jnp.inf, -jnp.inf])
x = jnp.concatenate([good, bad])

@jax.jit
def draw(key, x):
    one = jnp.ones_like(x)
    logits = samplers.standard_beta_logit(key, x, one), samplers.standard_beta_logit(key, one, x)
    gamma, t = samplers.standard_gamma(key, x), samplers.standard_student_t(key, x)
    return samplers.standard_von_mises(key, x), gamma[0], gamma[1], t[1], *logits

angle, *others = draw(jax.random.key(0), x)
assert jnp.isfinite(angle[:2]).all() and jnp.isnan(angle[5:]).all(), angle
for found in others:
    assert jnp.isfinite(found[:2]).all() and not jnp.isfinite(found[2:]).any(), found
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


# ----------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(("law", "value"), [(law, v) for law in LAWS for v in law.outside], ids=str)
def test_value_outside_the_support(law, value):
    """A warning and -inf, as the host's class."""
    value = jnp.array(value)
    modules = [dist, host] if hasattr(host, law.name) else [dist]
    for module in modules:
        d = getattr(module, law.name)(**arrays(law.points[0]))
        with pytest.warns(UserWarning, match="Out-of-support values provided to log prob method"):
            assert d.log_prob(value) == -jnp.inf
    with numpyro.validation_enabled(False):
        d = getattr(dist, law.name)(**arrays(law.points[0]))
        assert d.log_prob(value).shape == ()


def test_von_mises_outside_the_circle():
    with pytest.warns(UserWarning, match="Out-of-support values"):
        assert dist.VonMises(0.0, 1.0).log_prob(4.0) == -jnp.inf
