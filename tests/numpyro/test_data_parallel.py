"""SVI on several devices gives what one gives (`benchmarks/data_parallel_numpyro.py`)."""

import socket
from types import SimpleNamespace

import jax
import numpy as np
import numpyro
import pytest
from numpyro.infer import Trace_ELBO

from benchmarks import data_parallel_numpyro as script
from tests.launch import launch, table

# In float64 both sides differ by the order of sums: 2e-14 is usual; another seed or batch gives 1e-2 or more.
ROUNDING = 1e-11
SCRIPT = "benchmarks.data_parallel_numpyro"


def check_guides(rows):
    for name, row in rows.items():
        assert row["devices"] == "4"
        for part in ("loss", "gradients", "parameters after 5 steps"):
            assert float(row[f"{part}: max rel. difference"]) < ROUNDING, (name, part)
        assert row["batch arrays moved"] == "0", name
        assert 1.0 < float(row["loss per image"]) / (64 * np.log(2.0)) < 1.5, name  # and the KL divergence


@pytest.mark.slow
def test_four_devices_give_what_one_gives():
    (output,) = launch([SCRIPT, "--smoke", "--distributions", "VonMises", "Gamma"])
    guides, draws = table(output, "guide"), table(output, "distribution")
    assert list(guides) == ["von Mises", "HVAE"]
    check_guides(guides)
    assert list(draws) == ["VonMises", "Gamma"]
    for name, row in draws.items():
        assert row["draws equal"] == "yes", name  # bit for bit
        assert float(row["gradients: max rel. difference"]) < ROUNDING, name
        assert row["batch arrays moved"] == "0", name


@pytest.mark.slow
def test_two_processes_of_two_devices_give_what_one_gives():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    several = [SCRIPT, "--smoke", "--guides", "HVAE", "--distributions", "--host-devices", "2", "--address", address]
    several += ["--processes", "2", "--process"]
    output, _ = launch([*several, "0"], [*several, "1"], PYTHONHASHSEED="0")
    rows = table(output, "guide")
    assert list(rows) == ["HVAE"]
    check_guides(rows)


def test_processes_with_different_orders_of_sets_are_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [SCRIPT, "--address", "localhost:1", "--processes", "2", "--process", "0"])
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    with pytest.raises(SystemExit):
        script.main()
    assert "set PYTHONHASHSEED=0 for each of them" in capsys.readouterr().err


@pytest.mark.xfail(reason="NumPyro 0.22: Trace_ELBO goes through a set of names; once fixed, no PYTHONHASHSEED needed")
def test_trace_elbo_adds_sites_in_their_order():
    def model(*terms):
        for i, term in enumerate(terms):
            numpyro.factor(f"site_{i}", term)

    def loss(*terms):
        return Trace_ELBO().loss(jax.random.key(0), {}, model, lambda *terms: None, *terms)

    equations = jax.make_jaxpr(loss)(*[1.0] * 12).jaxpr.eqns
    sites = [e.outvars[0] for e in equations if e.primitive.name == "reduce_sum"]
    added = [e.invars[0] for e in equations if e.primitive.name == "sub"]  # of the guide's log-density, 0
    assert len(sites) == 12  # by chance in order: once in 12! times
    assert added == sites


@pytest.mark.parametrize(
    ("line", "moved"),
    [
        ("  %all-reduce.1 = pred[] all-reduce(%done), channel_id=1", 0),
        ("  %all-reduce.2 = (f64[64,8]{1,0}, /*index=5*/f64[]) all-reduce(%dot, %sum), channel_id=2", 0),
        ("  %all-reduce.3 = (f64[], f64[100,8]{1,0}) all-reduce(%a, %b), channel_id=2", 1),
        # seen with jax_threefry_partitionable=False: random bits for the whole batch on each device
        ("  %all-gather.4 = u32[1500]{0} all-gather(%bits), channel_id=3", 1),
        ("  %collective-permute.5 = u32[375]{0} collective-permute(%bits), channel_id=4", 1),
    ],
)
def test_what_counts_as_moved(line, moved):
    assert script.batch_arrays_moved(SimpleNamespace(as_text=lambda: line)) == moved


def test_uneven_shards_are_refused():
    layout = script.Layout(jax.devices()[:1])
    layout.size = 3
    with pytest.raises(
        ValueError, match=r"a batch of 100 images cannot be split evenly over 3 devices; .* divides 100"
    ):
        layout.batch(np.zeros((100, 64)))
