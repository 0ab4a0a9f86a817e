"""AutoHVAE with the methods of the hosts' autoguides: draws, quantiles, medians, arguments of its base."""

import numpy as np
import pytest

from tests.hamiltonian import DATA, leapfrog, mixed, shared


@pytest.fixture(autouse=True)
def quick(adapter):
    with adapter.quick():
        yield


def test_draws_quantiles_and_median(adapter):
    guide = adapter.irg.infer.AutoHVAE(mixed(adapter).model, num_steps=2, tempering="free", **leapfrog(adapter))
    x = adapter.array(DATA)
    params = adapter.started(mixed(adapter).model, guide, x)
    draws = adapter.sample_posterior(guide, params, x, n=7)
    assert draws["mu"].shape == (7,) and draws["z"].shape == (7, 6) and len(np.unique(draws["mu"])) == 7
    options = {"num_samples": 500, **({"batch_size": 500} if adapter.eager else {})}
    levels = adapter.quantiles(guide, params, [0.1, 0.5, 0.9], x, **options)
    median = adapter.median(guide, params, x, **options)
    assert levels["z"].shape == (3, 6) and levels["mu"].shape == (3,)
    assert median["z"].shape == (6,) and median["mu"].shape == ()
    assert (np.diff(levels["z"], axis=0) > 0.0).all()
    assert (levels["z"][0] < median["z"]).all() and (median["z"] < levels["z"][2]).all()
    with pytest.raises(NotImplementedError, match=r"in closed form; draw from it with sample_posterior"):
        adapter.posterior(guide, params, x)


def test_options_that_the_base_does_not_take(adapter):
    auto = adapter.autoguide

    def plain(model):
        return auto.AutoNormal(model)

    cases = [
        (plain, {"create_plates": lambda x: []}, "base plain does not take 'create_plates'; it takes"),
        (plain, {"init_loc_fn": adapter.init_to_value}, "base plain does not take 'init_loc_fn'; it takes"),
        (auto.AutoNormal, {"base_options": {"rank": 2}}, "AutoNormal does not take 'rank'; it takes .*'init_loc_fn'"),
    ]
    if adapter.eager:  # NumPyro's takes it
        cases.append(
            (auto.AutoGuideList, {"init_loc_fn": adapter.init_to_value}, "AutoGuideList does not take 'init_loc")
        )
    for base, options, message in cases:
        with pytest.raises(TypeError, match=message):
            adapter.irg.infer.AutoHVAE(shared(adapter).model, num_steps=2, base=base, transition="leapfrog", **options)
    made = adapter.irg.infer.AutoHVAE(shared(adapter).model, num_steps=2, base=plain, transition="leapfrog")
    assert made.prefix == "auto"


@pytest.mark.parametrize("transition", ["leapfrog", "refreshed"])
def test_a_base_of_points_is_refused(adapter, transition):
    model = shared(adapter).model
    guide = adapter.irg.infer.HVAE(model, adapter.autoguide.AutoDelta(model), num_steps=2, transition=transition)
    with pytest.raises(ValueError, match=r"sites \['mu'\] are points \(Delta\), without a density; take"):
        adapter.log_weights(model, guide, adapter.started(model, guide, adapter.array(DATA)), adapter.array(DATA))


def test_hidden_latents_are_told(adapter):
    """The bound would be valid, but of a guide that follows a density given random values."""
    host, infer, x = adapter.host, adapter.irg.infer, adapter.array([0.5, 1.0, 2.0])

    def model():
        z = adapter.sample("z", host.Normal(0.0, 1.0))
        with adapter.plate("data", 3):
            k = adapter.sample("k", host.Bernoulli(adapter.array(0.3)))
            adapter.sample("x", host.Normal(z + k, 1.0), obs=x)

    known = adapter.condition(model, {"k": adapter.array([0.0, 1.0, 1.0])})
    plain = {"num_starts": 0}
    inside = adapter.condition(adapter.block(model, hide=["k"]), {})
    guide = infer.AutoHVAE(inside, num_steps=1, base_options=plain)
    with pytest.warns(UserWarning, match=r"AutoHVAE: the model hides its latent sites \['k'\] by block.*MixtureSame"):
        guide.setup()
    guide.setup()  # told once; a warning would be an error
    with pytest.warns(UserWarning, match=r"AutoMixture: the model hides its latent sites \['k'\]"):
        adapter.started_guide(infer.AutoMixture(inside, 1, num_starts=2), inside)
    infer.AutoMixture(inside, 1, **plain).setup()  # no search, no density
    for told in (known, adapter.block(known, hide=["k"])):
        infer.AutoHVAE(told, num_steps=1, base_options=plain).setup()
