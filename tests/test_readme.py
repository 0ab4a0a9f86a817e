"""README is short, and its programs run as pasted: with ours they find the exact answer, with the host's they miss."""

import re
from collections.abc import Iterator

import pytest

from tests.pages import ROOT, blocks

README = ROOT / "README.md"
MOST_LINES = 120

PYRO, NUMPYRO, HAMILTONIAN = (code for _, code in blocks(README))


def run(code: str, names: dict | None = None) -> dict:
    names = {"__name__": "readme"} if names is None else names
    exec(compile(code, str(README), "exec"), names)
    return names


def answers(printed: str) -> dict[str, tuple[float, float]]:
    """exact, guide -> the angle and the concentration that were printed."""
    found = re.findall(r"^(\w+): +angle (-?[\d.]+), kappa ([\d.]+)$", printed, re.M)
    return {who: (float(angle), float(kappa)) for who, angle, kappa in found}


@pytest.fixture
def _pyro() -> Iterator[None]:
    pyro = pytest.importorskip("pyro")
    with pyro.get_param_store().scope():
        yield


def test_length():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.usefixtures("_pyro")
class TestPyro:
    def test_finds_the_posterior_and_its_evidence(self, capsys):
        names = run(PYRO)
        found = answers(capsys.readouterr().out)
        assert found["guide"] == pytest.approx(found["exact"], rel=0.1, abs=0.05)

        run(HAMILTONIAN.replace("range(200)", "range(40)"), names)
        (evidence,) = re.findall(r"log_evidence=tensor\((-[\d.]+)\)", capsys.readouterr().out)
        assert float(evidence) == pytest.approx(exact_evidence(names["wind"].tolist()), abs=0.05)

    def test_the_hosts_own_misses_it(self, capsys):
        run(PYRO.replace("import pyro_irg.distributions as dist", "import pyro.distributions as dist"))
        found = answers(capsys.readouterr().out)
        assert found["guide"][1] < 2.0 < found["exact"][1]


class TestNumPyro:
    @pytest.fixture(autouse=True)
    def _numpyro(self):
        pytest.importorskip("numpyro")

    def test_finds_the_posterior(self, capsys):
        run(NUMPYRO)
        found = answers(capsys.readouterr().out)
        assert found["guide"] == pytest.approx(found["exact"], rel=0.1, abs=0.05)

    def test_the_hosts_own_raises(self):
        with pytest.raises(ValueError, match="Reverse-mode differentiation does not work"):
            run(NUMPYRO.replace("import numpyro_irg.distributions as dist", "import numpyro.distributions as dist"))


def exact_evidence(angles: list[float]) -> float:
    """log p of angles ~ VonMises(direction, 4) with direction ~ VonMises(0, .1), in mpmath."""
    mp = pytest.importorskip("mpmath").mp
    x = 0.1 + 4 * mp.fsum(map(mp.cos, angles))
    y = 4 * mp.fsum(map(mp.sin, angles))
    normalizers = mp.log(mp.besseli(0, 0.1)) + len(angles) * mp.log(2 * mp.pi * mp.besseli(0, 4))
    return float(mp.log(mp.besseli(0, mp.hypot(x, y))) - normalizers)
