"""Guides that are made or called wrongly: each error names the argument and the remedy."""

import numpy as np
import pytest

X = np.array([0.5, -1.0, 2.0])


@pytest.fixture
def model(adapter):
    def model(x):
        mu = adapter.sample("mu", adapter.host.Normal(0.0, 1.0))
        with adapter.plate("data", len(x)):
            adapter.sample("x", adapter.host.Normal(mu, 1.0), obs=x)

    return model


@pytest.fixture
def guide(adapter):
    def guide(x):
        adapter.sample("mu", adapter.host.Normal(0.3, 0.5))

    return guide


def test_a_class_in_place_of_an_instance(adapter, model, guide):
    normal = adapter.autoguide.AutoNormal
    with pytest.raises(
        TypeError, match=r"guide must be an instance, got the class AutoNormal; write AutoNormal\(model\)"
    ):
        adapter.irg.infer.HVAE(model, normal, num_steps=1)
    with pytest.raises(TypeError, match=r"model must be an instance, got the class dict; write dict\(\.\.\.\)"):
        adapter.irg.infer.HVAE(dict, guide, num_steps=1)


def test_an_instance_in_place_of_a_class(adapter, model):
    base = adapter.autoguide.AutoNormal(model)
    with pytest.raises(
        TypeError, match=r"base must be a class .* instance of AutoNormal; .* write HVAE\(model, guide\)"
    ):
        adapter.irg.infer.AutoHVAE(model, num_steps=1, base=base)


def test_arguments_of_the_base(adapter, model):
    with pytest.raises(
        TypeError, match=r"takes no argument 'init_scale'; write base_options=\{'init_scale': ...\}, for"
    ):
        adapter.irg.infer.AutoHVAE(model, num_steps=1, init_scale=0.1)
    with pytest.raises(TypeError, match=r"takes no argument 'steps'; write \[.*'step_size'"):
        adapter.irg.infer.AutoHVAE(model, num_steps=1, steps=0.1)


def test_nothing_to_call(adapter, model, guide):
    infer = adapter.irg.infer
    for make in (lambda: infer.HVAE(None, guide, num_steps=1), lambda: infer.AutoHVAE(None, num_steps=1)):
        with pytest.raises(TypeError, match="HVAE: model must be a model or guide, a callable, got NoneType"):
            make()
    with pytest.raises(TypeError, match="HVAE: guide must be a model or guide, a callable, got NoneType"):
        infer.HVAE(model, None, num_steps=1)
    with pytest.raises(TypeError, match="AutoMixture: model must be a model or guide, a callable, got NoneType"):
        infer.AutoMixture(None, 2)
    with pytest.raises(TypeError, match="log_weights: guide must be a model or guide, a callable, got NoneType"):
        adapter.log_weights(model, None, {}, adapter.array(X), num_samples=2)


def test_model_and_guide_swapped(adapter, model, guide):
    x, auto = adapter.array(X), adapter.autoguide.AutoNormal(model)
    with pytest.raises(TypeError, match=r"model is a guide, of class AutoNormal; write HVAE\(model, guide\)"):
        adapter.irg.infer.HVAE(auto, model, num_steps=1)
    with pytest.raises(ValueError, match=r"guide observes \['x'\] and the model nothing; write HVAE\(model, guide, "):
        adapter.called(adapter.irg.infer.HVAE(guide, model, num_steps=1), x)


def test_autoguides_of_a_model_without_latents(adapter):
    def observed(x):
        adapter.sample("x", adapter.host.Normal(0.0, 1.0), obs=x)

    infer, x = adapter.irg.infer, adapter.array(1.0)
    for who, guide in (("AutoHVAE", infer.AutoHVAE(observed)), ("AutoMixture", infer.AutoMixture(observed, 2))):
        with pytest.raises(RuntimeError, match=f"{who}: the model has no latent sample site, .* use an empty guide"):
            adapter.called(guide, x)


def test_errors_begin_with_the_name_that_was_written(adapter):
    infer, auto = adapter.irg.infer, adapter.autoguide

    def observed():
        adapter.sample("y", adapter.dist.Normal(0.0, 1.0), obs=adapter.array(1.0))

    def latent():
        adapter.sample("z", adapter.dist.Normal(0.0, 1.0))

    with pytest.raises(ValueError, match=r"^AutoHVAE: the model has no latent sample site to move"):
        adapter.called(infer.AutoHVAE(observed, base=lambda model: lambda: None))
    with pytest.raises(ValueError, match=r"^AutoHVAE: the base guide's sites \['z'\] are points"):
        adapter.called(infer.AutoHVAE(latent, base=auto.AutoDelta))
    with pytest.raises(ValueError, match=r"^AutoHVAE: transition must be one of"):
        infer.AutoHVAE(latent, transition="straight")
    with pytest.raises(ValueError, match=r"^HVAE: transition must be one of"):
        infer.HVAE(latent, auto.AutoNormal(latent), num_steps=1, transition="straight")


def test_diagnostics_of_what_takes_no_steps(adapter, model):
    for given in (model, adapter.autoguide.AutoNormal(model), adapter.irg.infer.AutoHVAE):
        with pytest.raises(
            TypeError, match=r"diagnostics: guide must be an HVAE or AutoHVAE, got .*; other guides take"
        ):
            adapter.diagnostics(given, {}, adapter.array(X))


def test_a_posterior_before_the_first_call(adapter, model):
    mixture = adapter.irg.infer.AutoMixture(model, 2)
    with pytest.raises(RuntimeError, match=r"AutoMixture.get_posterior: .* write guide.setup\(\*args\) first"):
        adapter.posterior(mixture, {})


def test_quantiles_take_the_last_calls_arguments(adapter, model):
    guide, x = adapter.irg.infer.AutoHVAE(model, num_steps=1), adapter.array(X)
    for method in (lambda: adapter.quantiles(guide, {}, [0.5]), lambda: adapter.median(guide, {})):
        with pytest.raises(
            TypeError, match="sample_posterior: pass the model's arguments after those of sample_posterior"
        ):
            method()
    params = adapter.fitted(model, guide, x, steps=2, rate=0.01)
    found = adapter.quantiles(guide, params, [0.1, 0.9], num_samples=50)
    assert found["mu"].shape == (2,) and found["mu"][0] < found["mu"][1]
    assert adapter.median(guide, params, num_samples=50)["mu"].shape == ()


def test_counts_and_sizes(adapter, model, guide):
    """NumPy's integers count; what is no number, or several, is refused with the argument's name."""
    infer = adapter.irg.infer
    infer.AutoHVAE(model, num_steps=np.int64(2), step_size=np.float32(0.1))
    infer.PathGradientELBO(num_importance=np.int64(2))
    adapter.dist.SphericalUniform(np.int64(3))
    for value in ("a", None, 1.5, True, 0):
        with pytest.raises(ValueError, match="PathGradientELBO: num_importance must be an integer >= 1, got "):
            infer.PathGradientELBO(num_importance=value)
    for value in ("a", None, np.full(2, 0.1), adapter.array([0.1, 0.2]), np.nan):
        with pytest.raises(ValueError, match=r"HVAE: step_size must lie between 0 and max_step_size = .*, got "):
            infer.HVAE(model, guide, num_steps=1, step_size=value)
        with pytest.raises(ValueError, match="AutoMixture: init_scale must be positive and finite, got "):
            infer.AutoMixture(model, 2, init_scale=value)


def test_weights_that_do_not_match_their_components(adapter):
    dist = adapter.dist
    of_three, of_two = dist.Categorical(logits=adapter.array(X)), dist.Gamma(adapter.array([1.0, 2.0]), 1.0)
    with pytest.raises(ValueError, match=r"has 3 components, .* batch shape \(2,\)"):
        dist.MixtureSameFamily(of_three, of_two)
    with pytest.raises(ValueError, match=r"has 3 components, .* batch shape \(\)"):
        dist.MixtureSameFamily(of_three, dist.Gamma(1.0, 1.0))
    with pytest.raises(ValueError, match=r"mix\w+_distribution must be a Categorical of this library, got Gamma of "):
        dist.MixtureSameFamily(of_two, of_three)
    with pytest.raises(ValueError, match=r"must be a Categorical of this library, got \[0.5, 0.5\] \(list\)"):
        dist.MixtureSameFamily([0.5, 0.5], of_two)
    with pytest.raises(TypeError, match=r"component_distribution must be a distribution, got \[.*\(list\)"):
        dist.MixtureSameFamily(of_three, [of_two, of_two, of_two])


class Foreign:
    """As a distribution of another library looks."""

    batch_shape = event_shape = ()

    def log_prob(self, value):
        raise NotImplementedError


def test_what_is_no_distribution_of_the_library(adapter):
    """A class, and a distribution of another library under the same name, are called so."""
    dist = adapter.dist
    with pytest.raises(
        ValueError, match=r"base_dist must be a distribution, got the class Gamma; write Gamma\(\.\.\.\)"
    ):
        dist.Truncated(dist.Gamma, low=1.0)
    with pytest.raises(ValueError, match=r"base_dist must be a distribution, got Foreign of \w+, another library's"):
        dist.Truncated(Foreign(), low=1.0)
    with pytest.raises(TypeError, match=r"must be a distribution, got Foreign of \w+, another library's"):
        adapter.irg.from_uniform(Foreign(), 0.5)
    with pytest.raises(ValueError, match=r"Gamma: rate must be a number or .*, got Foreign; write"):
        dist.Gamma(1.0, Foreign())


def test_a_constraint_of_another_library(adapter):
    class Constraint:
        is_discrete = False

    with pytest.raises(TypeError, match=r"support must be a constraint, such as constraints.real, got .*Constraint"):
        adapter.dist.ImplicitDensity(lambda x: -x, Constraint())


def test_discrete_ones(adapter):
    dist = adapter.dist
    with pytest.raises(ValueError, match="Truncated: base_dist must be continuous, but Poisson is discrete"):
        dist.Truncated(dist.Poisson(2.0), low=1.0)
    with pytest.raises(NotImplementedError, match="does not take Poisson, which is discrete"):
        adapter.irg.implicit_gradients(dist.Poisson(2.0), adapter.array(1.0))


def test_a_distribution_in_place_of_a_guide(adapter):
    angle = adapter.host.VonMises(0.0, 1.0)
    for wrap in (adapter.irg.implicit, adapter.irg.check_reparameterized):
        with pytest.raises(TypeError, match=r"must be a model or guide, .* got the distribution VonMises; write"):
            wrap(angle)


def test_evidence_of_model_and_guide_swapped(adapter, model, guide):
    """It would be a number like any other."""
    for name in ("log_weights", "log_evidence"):
        with pytest.raises(
            ValueError, match=rf"{name}: the guide observes \['x'\] and the model nothing; write {name}"
        ):
            getattr(adapter, name)(guide, model, {}, adapter.array(X), num_samples=2)


WEIGHING = ("log_weights", "log_evidence")


@pytest.mark.parametrize("name", WEIGHING)
def test_weights_without_the_data(adapter, guide, name):
    """The model draws them then, from their prior, whose density would be counted and not taken off again."""

    def model(x=None):
        mu = adapter.sample("mu", adapter.host.Normal(0.0, 1.0))
        with adapter.plate("data", len(X)):
            adapter.sample("x", adapter.host.Normal(mu, 1.0), obs=x)

    def without(x=None):
        guide(x)

    with pytest.raises(ValueError, match=rf"{name}: the model draws \['x'\], and the guide does not; where these are"):
        getattr(adapter, name)(model, without, {}, num_samples=2)


@pytest.mark.parametrize("name", WEIGHING)
def test_weights_of_other_latents(adapter, model, name):
    def guide(x):
        adapter.sample("mu", adapter.host.Normal(0.3, 0.5))
        adapter.sample("sigma", adapter.host.Normal(0.0, 1.0))

    with pytest.raises(
        ValueError, match=rf"{name}: the guide draws \['sigma'\], which the model does not or observes;"
    ):
        getattr(adapter, name)(model, guide, {}, adapter.array(X), num_samples=2)


def test_weights_of_auxiliary_numbers(adapter, model):
    """Their density is counted in the guide's."""
    x = adapter.array(X)

    def guide(x):
        adapter.sample("mu", adapter.host.Normal(0.3, 0.5))
        adapter.sample("u", adapter.host.Uniform(0.0, 1.0), infer={"is_auxiliary": True})

    assert np.isfinite(adapter.numpy(adapter.log_weights(model, guide, {}, x, num_samples=2))).all()


def test_evidence_of_a_guide_of_points(adapter, model):
    """It would be p(x, z), and no k-hat tells that from the evidence."""
    x, points = adapter.array(X), adapter.autoguide.AutoDelta(model)

    def point(x):
        adapter.sample("mu", adapter.host.Delta(adapter.array(0.5)))

    for guide, sites in ((points, ".*mu.*"), (point, r"\['mu'\]")):
        params = adapter.started(model, guide, x)
        with pytest.raises(
            ValueError, match=rf"log_evidence: the guide's sites {sites} are points \(Delta\), without a"
        ):
            adapter.log_evidence(model, guide, params, x, num_samples=2)
        if adapter.eager:
            with pytest.raises(ValueError, match=rf"log_weights: the guide's sites {sites} are points \(Delta\)"):
                adapter.log_weights(model, guide, params, x, num_samples=2)
        else:  # compiled, where nothing raises for values
            assert np.isnan(adapter.log_weights(model, guide, params, x, num_samples=2)).all()


def test_weights_of_points_with_a_density(adapter, model):
    """As a flow of one's own has it, or draws that stand in for what made them."""
    x = adapter.array(X)

    def guide(x):
        adapter.sample("mu", adapter.host.Delta(adapter.array(0.5), log_density=adapter.array(-1.0)))

    of_prior = -0.5 * 0.5**2 - 0.5 * np.log(2.0 * np.pi)
    of_data = sum(-0.5 * (value - 0.5) ** 2 - 0.5 * np.log(2.0 * np.pi) for value in X)
    assert np.allclose(adapter.numpy(adapter.log_weights(model, guide, {}, x, num_samples=2)), of_prior + of_data + 1.0)


def test_submodules_without_an_import(adapter):
    assert adapter.irg.infer.HVAE and adapter.irg.plot.elbo
    with pytest.raises(AttributeError, match=r"module '(num)?pyro_irg' has no attribute 'inference'"):
        adapter.irg.inference  # noqa: B018


def test_a_long_argument_is_cut_short(adapter):
    with pytest.raises(ValueError, match=r"plot.elbo: losses must be numbers, got .{200}\.\.\. \(list\)$"):
        adapter.irg.plot.elbo(["a" * 1000])


def test_the_path_of_a_guide(adapter, model, guide):
    with pytest.raises(TypeError, match=r"found must be what diagnostics\(guide, \.\.\.\) returns, got .*HVAE"):
        adapter.irg.plot.path(adapter.irg.infer.HVAE(model, guide, num_steps=1))
