"""The Hamiltonian guide with leapfrog steps: exact where theory is exact; its guard; its errors."""

import numpy as np
import pytest

from irg_kernels.inference import hamiltonian
from tests.hamiltonian import CASES, DATA, assert_mean_weight, check_mean_weight, local, shared


@pytest.fixture(autouse=True)
def quick(adapter):
    with adapter.quick():
        yield


# A bound so tight that many steps are rejected: if a start could end where another does, the mean would not be right.
@pytest.mark.parametrize("name", CASES)
def test_mean_weight_with_steps_rejected(adapter, name, monkeypatch):
    monkeypatch.setattr(hamiltonian, "MAX_ENERGY_CHANGE", 0.01)
    monkeypatch.setattr(hamiltonian, "OBSERVED_COUNTS", 1.0)
    case, x = CASES[name](adapter), adapter.array(DATA)
    guide = adapter.irg.infer.HVAE(case.model, case.base, num_steps=4, step_size=0.45, tempering="free")
    params = adapter.started(case.model, guide, x)
    options = {"num_samples": 20_000, "batch_size": 20_000, "plate": case.plate}
    weights, rejected = adapter.weights_and_rejected(case.model, guide, params, x, **options)
    assert_mean_weight(weights, case.evidence(DATA))
    assert 0.1 < rejected < 0.9


def test_plates_side_by_side_are_one_system(adapter):
    """Of two sizes, on one dimension: nothing is shared by all sites."""
    dist, exact = adapter.dist, 0.0

    def program(x, distribution):
        for name, size in (("a", 2), ("b", 4)):
            with adapter.plate(f"{name}_plate", size):
                distribution(name, x[-size:])

    def joint(name, x):
        z = adapter.sample(name, dist.Normal(0.0, 1.0))
        adapter.sample(f"{name}_data", dist.Normal(z, 0.5), obs=x)

    def base(name, x):
        adapter.sample(name, dist.Normal(0.7 * x, 0.6))

    model, guide = (lambda x, distribution=distribution: program(x, distribution) for distribution in (joint, base))
    hvae, x = adapter.irg.infer.HVAE(model, guide, num_steps=3, step_size=0.3, tempering="free"), adapter.array(DATA)
    for size in (2, 4):
        exact = exact - 0.5 * np.sum(DATA[-size:] ** 2 / 1.25 + np.log(2.0 * np.pi * 1.25))
    check_mean_weight(adapter, model, hvae, adapter.started(model, hvae, x), x, exact=exact)


def test_small_steps_change_nothing_and_none_is_the_base(adapter):
    with adapter.double():
        case, x = local(adapter), adapter.array(DATA)
        make = adapter.irg.infer.HVAE
        small = make(case.model, case.base, num_steps=4, step_size=1e-7)
        none = make(case.model, case.base, num_steps=0, tempering="free")
        params = adapter.started(case.model, small, x)
        (base,) = adapter.losses(case.model, case.base, params, x, elbos=("Trace",), seed=1)
        (found,) = adapter.losses(case.model, small, params, x, elbos=("Trace",), seed=1)
        assert found == pytest.approx(base, abs=1e-5)
        assert adapter.losses(case.model, none, params, x, elbos=("Trace",), seed=1) == [base]
        sites = [adapter.sites_of(guide, params, x) for guide in (none, case.base)]
        ours, theirs = ([name for name, site in of.items() if site["type"] == "sample"] for of in sites)
        assert ours == theirs
        assert adapter.diagnostics(none, params, x) == {}


def test_energy_error_is_of_second_order(adapter):
    """Along z of a banana, from the same draw and momentum: half the step, a quarter of the error."""

    def model(x):
        z = adapter.sample("z", adapter.dist.Normal(adapter.array(np.zeros(3)), 1.0).to_event(1))
        adapter.sample("x", adapter.dist.Normal(z[..., 0] + z[..., 1] ** 2 * z[..., 2], 0.5), obs=x)

    def base(x):
        adapter.sample("z", adapter.dist.Normal(adapter.array(np.zeros(3)), adapter.array([0.5, 0.8, 1.2])).to_event(1))

    errors = []
    with adapter.double():
        x = adapter.array(1.0)
        for steps, size in ((20, 0.05), (40, 0.025)):
            adapter.fresh()
            options = {"num_steps": steps, "step_size": size, "step_size_shape": "scalar"}
            guide = adapter.irg.infer.HVAE(model, base, **options)
            params = adapter.started(model, guide, x)
            adapter.fresh()
            errors.append(abs(float(adapter.diagnostics(guide, params, x)["energy_errors"].sum())))
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.15)


@pytest.mark.parametrize("particles", [1, 4])
def test_diverging_steps_stay_finite(adapter, particles):
    """exp(exp(z)) overflows one step away: the steps are rejected, counted, and poison no gradient."""
    xp, dist = adapter.xp, adapter.dist

    def steep(x):
        with adapter.plate("data", len(x)):
            z = adapter.sample("z", dist.Normal(0.0, 1.0))
            adapter.sample("x", dist.Normal(xp.exp(xp.exp(z)), 1.0), obs=x)

    def wild(x):
        loc = adapter.param("loc", adapter.array([0.0, 0.0, 0.0, 0.0, 2.0, 2.0]))
        with adapter.plate("data", len(x)):
            adapter.sample("z", dist.Normal(loc, 0.1))

    guide = adapter.irg.infer.HVAE(steep, wild, num_steps=4, step_size=0.4, step_size_shape="scalar")
    x = adapter.array(DATA)
    params = adapter.started(steep, guide, x)
    value, slopes = adapter.value_and_slopes_of_loss(steep, guide, params, x, particles=particles)
    assert np.isfinite(value).all() and all(np.isfinite(s).all() for s in slopes) and len(slopes) >= 2
    told = adapter.diagnostics(guide, params, x)
    assert 0.2 < told["rejected"] < 0.5 and np.isfinite(adapter.numpy(told["energy_errors"])).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_steps": -1}, "num_steps must be an integer >= 0, got -1"),
        ({"num_steps": 2, "step_size": -0.1}, "step_size must lie between 0 and max_step_size"),
        ({"num_steps": 2, "step_size": 0.0}, "step_size must lie between 0 and max_step_size"),
        ({"num_steps": 2, "max_step_size": 0.0}, "max_step_size must be positive"),
        ({"num_steps": 2, "max_step_size": -1.0}, "max_step_size must be positive"),
        ({"num_steps": 2, "step_size_shape": "row"}, "step_size_shape must be one of"),
        ({"num_steps": 2, "tempering": "slow"}, "tempering must be one of"),
        ({"num_steps": 2, "initial_temperature": 0.5}, "initial_temperature must be greater than 1"),
        ({"num_steps": 2, "initial_temperature": 1.0}, "initial_temperature must be greater than 1"),
    ],
)
def test_bad_settings(adapter, settings, message):
    case = shared(adapter)
    with pytest.raises(ValueError, match=message):
        adapter.irg.infer.HVAE(case.model, case.base, **settings)


def normal(adapter):
    return adapter.dist.Normal(0.0, 1.0)


# sites of the model, those of the base guide, what is said; distributions by functions of the adapter
MISFITS = [
    ({"z": normal, "w": normal}, {"z": normal}, "'w' has no site in the base guide; add .*sample"),
    ({"z": normal}, {"z": normal, "w": normal}, r"\['w'\] are not latents of the model; remove them"),
    ({"z": normal, "k": lambda a: a.dist.Bernoulli(0.5)}, {"z": normal}, "'k' is discrete .*; sum it out"),
    (
        {"z": normal},
        {"z": lambda a: a.host.Poisson(1.0)},
        "'z' has a distribution without reparameterized draws, Poisson; take its",
    ),
    (
        {"z": normal},
        {"z": lambda a: a.host.VonMises(0.0, 1.0)},
        "'z' has a distribution without reparameterized draws, VonMises; take its",
    ),
    ({}, {}, "no latent sample site to move; use the base guide alone"),
]


@pytest.mark.parametrize("i", range(len(MISFITS)))
def test_misfits(adapter, i):
    model, guide, message = MISFITS[i]
    programs = (
        lambda sites=sites: [adapter.sample(name, make(adapter)) for name, make in sites.items()]
        for sites in (model, guide)
    )
    with pytest.raises(ValueError, match=message):
        adapter.called(adapter.irg.infer.HVAE(*programs, num_steps=1))


def test_a_schedule_of_another_length(adapter):
    case = shared(adapter)
    guide = adapter.irg.infer.HVAE(case.model, case.base, num_steps=2, tempering=lambda num_steps: [2.0])
    with pytest.raises(ValueError, match="must return 2 factors"):
        adapter.called(guide, adapter.array(DATA))


def test_attributes(adapter):
    """They agree in both libraries, but that NumPyro's guide keeps no parameters: they are given."""
    case, x = local(adapter), adapter.array(DATA)
    guide = adapter.irg.infer.HVAE(case.model, case.base, num_steps=4, step_size=0.25, step_size_shape="scalar")
    params = adapter.started(case.model, guide, x)
    if adapter.eager:
        guide.setup(x)
    given = () if adapter.eager else (params,)
    assert guide.base is case.base and guide.initial_step_size == 0.25
    np.testing.assert_allclose(adapter.numpy(guide.step_size("z", *given)), 0.25, rtol=1e-6)
    with pytest.raises(ValueError, match="HVAE: no step size"):
        guide.step_size("other", *given)
