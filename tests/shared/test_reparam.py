"""`implicit`, the host's reparameterizers of ours, and `check_reparameterized`: stock programs, exchanged or named."""

import re

import numpy as np
import pytest

from tests.adapters import over

# values of the sites of `angles` and of the guides below, so that no sampler is compiled without need
VALUES = {
    "direction": 0.25, "rate": np.ones(3), "level": 0.5, "shares": [0.5, 0.75], "x": 0.5, "z": 0.5
}  # fmt: skip


def trace(adapter, program, *args):
    return adapter.trace_at(program, {name: adapter.array(v) for name, v in VALUES.items()}, *args)


def types(adapter, program, *args):
    """Site -> class of its distribution, without its batch wrappers."""
    sites = trace(adapter, program, *args).items()
    found = {name: site["fn"] for name, site in sites if site["type"] == "sample"}
    return {name: type(getattr(fn, "base_dist", fn)) for name, fn in found.items()}


def angles_of(adapter):
    def angles():
        """Stock: a von Mises, a Gamma in a plate, a normal, an event of Betas, an observed Gamma."""
        host = adapter.host
        adapter.sample("direction", host.VonMises(0.5, 2.0))
        with adapter.plate("rows", 10, subsample_size=3):
            adapter.sample("rate", host.Gamma(2.0, 1.0))
            adapter.sample("seen", host.Gamma(2.0, 1.0), obs=adapter.array(np.ones(3)))
        adapter.sample("level", host.Normal(0.0, 1.0))
        return adapter.sample("shares", host.Beta(adapter.array(np.ones(2)), 2.0).to_event(1))

    return angles


def ours(adapter):
    dist, host = adapter.dist, adapter.host
    return {"direction": dist.VonMises, "rate": dist.Gamma, "level": host.Normal, "shares": dist.Beta}


EXCHANGED = ("direction", "rate", "shares")


def context(irg, fn):
    def program(*args):
        with irg.implicit():
            return fn(*args)

    return program


WAYS = {
    "function": lambda a, fn: a.irg.implicit(fn),
    "context manager": lambda a, fn: context(a.irg, fn),
    "decorator": lambda a, fn: a.irg.implicit()(fn),
    "strict": lambda a, fn: a.irg.implicit(fn, strict=True),
    "twice": lambda a, fn: a.irg.implicit(a.irg.implicit(fn)),
    "strategy": lambda a, fn: a.reparam(fn, config=a.irg.AutoImplicit()),
    "callable config": lambda a, fn: a.reparam(
        fn, config=lambda site: a.irg.ImplicitReparam() if site["name"] in EXCHANGED else None
    ),
    "dict config": lambda a, fn: a.reparam(fn, config={name: a.irg.ImplicitReparam() for name in EXCHANGED}),
}


@pytest.mark.parametrize("way", WAYS)
def test_latent_sites_are_exchanged(adapter, way):
    """Names, shapes and densities stay; what is observed stays as it is."""
    angles = angles_of(adapter)
    program = WAYS[way](adapter, angles)
    before, after = trace(adapter, angles), trace(adapter, program)
    assert list(after) == list(before)
    found = types(adapter, program)
    assert {name: found[name] for name in ours(adapter)} == ours(adapter)
    if "strategy" not in way:  # a strategy takes every site that has a twin
        assert found["seen"] is adapter.host.Gamma
    for name in ours(adapter):
        old, new, value = before[name]["fn"], after[name]["fn"], adapter.array(VALUES[name])
        assert new.shape() == old.shape()
        densities = (adapter.numpy(fn.log_prob(value)) for fn in (new, old))
        np.testing.assert_allclose(*densities, rtol=2e-5, atol=1e-6)
    assert types(adapter, angles)["direction"] is adapter.host.VonMises  # nothing stays behind


def test_what_is_no_program(adapter):
    with pytest.raises(TypeError, match="implicit: fn must be a model or guide, a callable, got int"):
        adapter.irg.implicit(3)


def test_conditioned_sites_keep_their_values(adapter):
    data, angles, implicit = {"direction": 0.25, "shares": [0.5, 0.75]}, angles_of(adapter), adapter.irg.implicit
    data = {name: adapter.array(v) for name, v in data.items()}
    for program in (adapter.condition(implicit(angles, strict=True), data), implicit(adapter.condition(angles, data))):
        sites = adapter.trace_at(program, {name: adapter.array(VALUES[name]) for name in ("rate", "level")})
        assert all(sites[name]["value"] is value and sites[name]["is_observed"] for name, value in data.items())


def test_together_with_other_reparameterizers(adapter):
    def model():
        x = adapter.sample("x", adapter.host.Normal(1.0, 2.0))
        return x * adapter.sample("direction", adapter.host.VonMises(0.5, 2.0))

    inner = adapter.reparam(model, config={"x": adapter.LocScaleReparam(0.0)})
    found = types(adapter, adapter.irg.implicit(inner, strict=True))
    assert found["direction"] is adapter.dist.VonMises and "x_decentered" in found


def test_reparam_refuses_what_has_no_twin(adapter):
    normal = adapter.host.Normal(adapter.array(np.zeros(2)), 1.0).to_event(1)
    program = adapter.reparam(lambda: adapter.sample("z", normal), config={"z": adapter.irg.ImplicitReparam()})
    with pytest.raises(ValueError, match="site 'z' has a distribution without implicit twin, Indep"):
        adapter.trace(program)


# ---------------------------------------------------------------------------------------------------- no silent bias


def mixture(host, array, part):
    return host.MixtureSameFamily(host.Categorical(logits=array([0.0, 0.0])), part)


def hurdle(host, array):
    return host.HurdleLogNormal(gate=0.4, loc=1.0, scale=0.25)


def users(host, array):
    """A class that neither library knows, which declares no gradient."""
    theirs = type("Theirs", (host.Exponential,), {"reparametrized_params": []})
    return theirs(array(1.0))


EYE, SHARED = np.eye(2), "MixtureOfDiagNormalsSharedCovariance"
OF_DIRICHLETS = lambda h, a: mixture(h, a, h.Dirichlet(a(np.ones((2, 3)))))  # noqa: E731
# the distribution of a guide's latent, what is said of it, whether `implicit` cures it
FAULTS = {
    "pyro": {
        "mixture": (lambda h, a: mixture(h, a, h.Normal(a([0, 0]), 1.0)), "MixtureSameFamily; wrap the guide in", True),
        "Dirichlets": (OF_DIRICHLETS, "MixtureSameFamily; take a repara", False),
        "Bernoulli": (lambda h, a: h.Bernoulli(logits=a(0.5)), "not reparameterized: Bernoulli; enumerate", False),
        "refused": (
            lambda h, a: h.Gamma(a([1, 1]), 1.0).has_rsample_(False).to_event(1),
            "not reparameterized: Independent of Gamma; take a reparameterized distribution",
            False,
        ),
        "von Mises": (lambda h, a: h.VonMises(0.0, 1.0), "not reparameterized: VonMises; wrap the guide in", True),
        "event": (
            lambda h, a: h.VonMises(a([0, 0]), 1.0).to_event(1), "not reparameterized: Independent of VonM", True,
        ),
        "diagonal": (
            lambda h, a: h.MixtureOfDiagNormals(a(EYE), a(EYE + 1), a([0, 0])),
            "a wrong gradient: MixtureOfDiagNormals, whose gradient in component_logits is biased; wrap",
            True,
        ),
        "shared": (
            lambda h, a: h.MixtureOfDiagNormalsSharedCovariance(a(EYE), a([1, 1]), a([0, 0])),
            f"a wrong gradient: {SHARED}, whose gradient in component_logits is biased; wrap",
            True,
        ),
        "half": (
            lambda h, a: h.ContinuousBernoulli(a([0.5] * 3)).to_event(1),
            "a wrong gradient: Independent of ContinuousBernoulli, whose gradient in probs is zero near probs = 1/2; "
            "wrap",
            True,
        ),
        "Pareto": (
            lambda h, a: h.GeneralizedPareto(0.0, 1.0, a(0.0)),
            "a wrong gradient: GeneralizedPareto, whose gradient in concentration is zero at concentration = 0; wrap",
            True,
        ),
    },
    "numpyro": {
        "mixture": (OF_DIRICHLETS, "MixtureSameFamily; use TraceGraph_ELBO, or give the class a twin with", False),
        "Bernoulli": (
            lambda h, a: h.BernoulliLogits(0.5),
            "BernoulliLogits; use TraceGraph_ELBO, TraceEnum_ELBO with infer={'enumerate': 'parallel'}, or sum it out",
            False,
        ),
        "hurdle": (hurdle, "HurdleLogNormal; use TraceGraph_ELBO, or give the class a twin with", False),
        "event": (
            lambda h, a: h.BernoulliLogits(a([0, 0])).expand((3, 2)).to_event(1),
            "Independent of BernoulliLogits; use TraceGraph_ELBO, TraceEnum_ELBO",
            False,
        ),
        "Levy": (lambda h, a: h.Levy(0.0, 1.0), "not reparameterized: Levy; wrap the guide in", True),
        "user's": (users, "Theirs; use TraceGraph_ELBO, or give the class a twin with", False),
        "von Mises": (lambda h, a: h.VonMises(0.0, 1.0), "VonMises; wrap the guide in", True),
    },
}  # fmt: skip
CASES = {f"{host}-{name}": (host, *fault) for host, faults in FAULTS.items() for name, fault in faults.items()}


@over(CASES, "fault", when=lambda adapter, fault: fault[0] == adapter.name)
def test_faults_are_named(adapter, fault):
    _, make, text, cured = fault
    implicit, check = adapter.irg.implicit, adapter.irg.check_reparameterized

    def guide():
        return adapter.sample("z", make(adapter.host, adapter.array))

    with pytest.raises(ValueError, match=re.escape("check_reparameterized: site 'z' ") + ".*" + re.escape(text)):
        check(guide)
    if cured:
        check(implicit(guide, strict=True))
        return
    with pytest.raises(ValueError, match=r"implicit\(strict=True\): site 'z' .*" + re.escape(text)):
        adapter.trace(implicit(guide, strict=True))
    trace(adapter, implicit(guide))  # left alone


def test_enumerated_sites_pass_strict(adapter):
    """Whichever of `implicit` and `config_enumerate` is outside."""

    def guide():
        k = adapter.sample("k", adapter.host.Bernoulli(probs=adapter.array(0.3)))
        adapter.sample("x", adapter.host.Gamma(2.0 + k, 1.0))

    implicit, enumerated = adapter.irg.implicit, adapter.config_enumerate
    for wrapped in (enumerated(implicit(guide, strict=True)), implicit(enumerated(guide), strict=True)):
        assert trace(adapter, wrapped)["k"]["infer"]["enumerate"] == "parallel"
        adapter.irg.check_reparameterized(wrapped)
    with pytest.raises(ValueError, match="site 'k' is not reparameterized"):
        trace(adapter, implicit(guide, strict=True))


def test_check_names_every_site_and_leaves_no_trace(adapter):
    def guide(shift):
        adapter.sample("a", adapter.host.VonMises(shift, 1.0))
        adapter.sample("b", adapter.host.Bernoulli(probs=adapter.array(0.5)))
        with adapter.plate("rows", 5, subsample_size=2):
            adapter.sample("c", adapter.host.Normal(0.0, 1.0))

    check = adapter.irg.check_reparameterized
    with adapter.tracing() as nodes, pytest.raises(ValueError, match=r"(?s)site 'a' .*site 'b' ") as error:
        check(guide, shift=0.5)
    assert not nodes() and "'c'" not in str(error.value) and "'rows'" not in str(error.value)
    check(adapter.irg.implicit(angles_of(adapter), strict=True))
