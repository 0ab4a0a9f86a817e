"""The pictures show what they are given: read back from matplotlib's axes."""

import math
import sys
from importlib import import_module

import numpy as np
import pytest

from irg_kernels.adapter.arviz import Draws
from irg_kernels.adapter.plots import coordinates, running_mean

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture
def plot(adapter):
    from matplotlib import pyplot

    with matplotlib.rc_context({"backend": "agg"}):
        yield import_module(f"{adapter.irg.__name__}.plot")
        pyplot.close("all")


def test_running_mean():
    assert running_mean([1.0, 2.0, 6.0, 4.0], 2) == [1.0, 1.5, 4.0, 5.0]
    assert running_mean([1.0, math.inf, 3.0], 2) == [1.0, 1.0, 3.0]
    assert math.isnan(running_mean([math.nan], 1)[0])


def test_coordinates():
    assert coordinates("x", ()) == ["x"]
    assert coordinates("x", (2,)) == ["x[0]", "x[1]"]
    assert coordinates("x", (2, 2)) == ["x[0,0]", "x[0,1]", "x[1,0]", "x[1,1]"]


def test_elbo(adapter, plot):
    ax = plot.elbo(adapter.array([3.0, 2.0, 1.0, 1.0]), window=2)
    each, mean = (line.get_ydata() for line in ax.get_lines())
    assert list(each) == [-3.0, -2.0, -1.0, -1.0] and list(mean) == [-3.0, -2.5, -1.5, -1.0]
    assert plot.elbo([1.0], ax=ax) is ax
    assert plot.elbo([1.0] * 30).get_lines()[1].get_label() == "mean of 6 steps"
    assert plot.elbo([1.0, math.nan, math.inf]).get_title() == "2 of 3 losses are not finite"
    with pytest.raises(ValueError, match=r"plot\.elbo: losses must hold at least one number"):
        plot.elbo([])
    with pytest.raises(ValueError, match=r"plot\.elbo: window must be an integer >= 1, got 0"):
        plot.elbo([1.0], window=0)


def test_weights_of_draws(adapter, plot):
    rng = np.random.default_rng(0)
    good, bad = rng.normal(0.0, 0.3, 500), rng.normal(0.0, 8.0, 500)
    ax = plot.weights(adapter.array(good))
    (line,) = ax.get_lines()
    np.testing.assert_allclose(line.get_ydata(), np.sort(np.exp(good) / np.exp(good).mean())[::-1], rtol=1e-5)
    assert ax.get_title().endswith(": reliable") and plot.weights(adapter.array(bad)).get_title().endswith(
        "not reliable"
    )
    assert plot.weights(adapter.array(good[:20])).get_title() == "k-hat is not known of 20 draws"
    assert plot.weights(adapter.array(1e4 * good)).get_title() == "k-hat inf: not reliable"
    with pytest.raises(ValueError, match=r"plot\.weights: log_weights must have a finite largest value, got -inf"):
        plot.weights(adapter.array([-math.inf] * 30))


def test_weights_of_data(adapter, plot):
    rng = np.random.default_rng(0)
    both = np.stack([rng.normal(0.0, 0.3, 500), rng.normal(0.0, 8.0, 500)], 1)
    assert plot.weights(adapter.array(both)).get_title() == "1 of 2 not reliable"


@pytest.mark.parametrize("transition", ["leapfrog", "refreshed"])
def test_path(adapter, plot, transition):
    def model():
        x = adapter.sample("x", adapter.host.Normal(0.0, 1.0))
        adapter.sample("y", adapter.host.Normal(x, 1.0), obs=adapter.array(1.0))

    guide = adapter.irg.infer.AutoHVAE(model, num_steps=2, base=adapter.autoguide.AutoNormal, transition=transition)
    found = adapter.diagnostics(guide, adapter.started(model, guide))
    left, right = plot.path(found)
    np.testing.assert_allclose([bar.get_height() for bar in left.patches], adapter.numpy(found["energy_errors"]))
    assert right.get_ylabel() == ("inverse temperature" if transition == "leapfrog" else "share")
    assert len(right.get_lines()[0].get_ydata()) == 3
    weights = adapter.array(np.random.default_rng(0).normal(size=200))
    axes = plot.path(found, weights)
    assert len(axes) == 3 and axes[2].get_title() == plot.weights(weights).get_title() != ""
    with pytest.raises(ValueError, match=r"plot\.path: the guide takes no steps"):
        plot.path({})
    with pytest.raises(ValueError, match=r"plot\.path: axes must be 3, got 2"):
        plot.path(found, weights, axes=[left, right])


def test_pairs(adapter, plot):
    draws = {"x": adapter.array(np.arange(10.0)), "y": adapter.array(np.arange(20.0).reshape(10, 2))}
    figure = plot.pairs(draws, draws)
    assert len(figure.axes) == 9
    below = figure.axes[3]
    assert below.get_ylabel() == "y[0]" and len(below.get_lines()) == 2
    np.testing.assert_array_equal(below.get_lines()[0].get_ydata(), np.arange(0.0, 20.0, 2.0))
    assert len(plot.pairs(draws, sites=["x"]).axes) == 1
    with pytest.raises(ValueError, match=r"plot\.pairs: from 1 to 6 coordinates, got 9; name some with `sites`"):
        plot.pairs({"x": adapter.array(np.zeros((4, 9)))})
    with pytest.raises(ValueError, match=r"plot\.pairs: reference has no draws of \['y\[0\]', 'y\[1\]'\]"):
        plot.pairs(draws, {"x": draws["x"]})


def test_what_is_no_picture(adapter, plot):
    """Each error names the argument."""
    one, none = adapter.array([1.0]), adapter.array([])
    with pytest.raises(ValueError, match=r"plot\.elbo: losses must be numbers, got 'abc'"):
        plot.elbo("abc")
    with pytest.raises(ValueError, match=r"plot\.weights: log_weights must be numbers, got None"):
        plot.weights(None)
    for given in ([math.nan, 1.0], [1.0, math.nan]):
        with pytest.raises(ValueError, match=r"plot\.weights: 1 of 2 log_weights are NaN"):
            plot.weights(adapter.array(given))
    for draws, sites, message in (
        (None, None, "the draws of guide must be a dictionary, site -> draws, got None$"),
        (Draws({"x": one}, one, {}), None, r"must be a dictionary, site -> draws, got Draws.*; write its \.latents$"),
        ({"x": one}, ["y"], r"guide has no draws of \['y'\], but of \['x'\]"),
        ({"x": one, "xy": one}, "y", r"guide has no draws of \['y'\]"),
        ({"x": none}, None, r"guide must have one draw or more along the first axis of \['x'\]"),
        ({"x": adapter.array(1.0)}, None, "one draw or more along the first axis"),
        ({"x": one, "y": adapter.array([1.0, 2.0])}, None, "guide must have as many draws of each site, got {'x': 1"),
    ):
        with pytest.raises(ValueError, match=message):
            plot.pairs(draws, sites=sites)


def test_without_matplotlib_the_extra_is_named(plot, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'plot\.elbo needs matplotlib .*pip install "pyro-irg\[plot\]"'):
        plot.elbo([1.0])
