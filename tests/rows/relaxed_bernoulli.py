"""RelaxedBernoulli, of which NumPyro's class has another name; draws are tested with RelaxedOneHotCategorical's."""

from mpmath import mp

from tests.row import Family


def _at(x, temperature, logits):
    return temperature * mp.log(x / (1 - x)) - logits


def _masses(x, temperature, logits):
    e = _at(x, temperature, logits)
    return 1 / (1 + mp.exp(-e)), 1 / (1 + mp.exp(e))


def _log_density(x, temperature, logits):
    e = _at(x, temperature, logits)
    return mp.log(temperature / (x * (1 - x))) - mp.log1p(mp.exp(e)) - mp.log1p(mp.exp(-e))


ROW = Family(
    "RelaxedBernoulli",
    points=({"temperature": 0.5, "logits": 0.75},),
    outside=(-0.5, 1.5),
    ends=(0.0, 1.0),
    tails=({"temperature": 0.5, "logits": 0.75}, (2.0**-30, 0.25, 0.5, 0.96875)),
    truncations=(
        ({"temperature": 0.5, "logits": 0.75}, 0.25, 0.875),
        ({"temperature": 0.5, "logits": -0.75}, 0.25, None, 0.26, 0.5, 0.96875),
        ({"temperature": 0.03125, "logits": 0.75}, 0.25, 0.875),
        ({"temperature": 8.0, "logits": -4.0}, None, 0.3, 0.1, 0.2, 0.29),
        ({"temperature": 2.0, "logits": 8.0}, 0.25, 0.75),
        ({"temperature": 2.0, "logits": 0.0}, 0.25, 0.75, 0.5),
    ),
    narrow=(({"temperature": 0.5, "logits": 0.75}, 0.25, 0.25 + 2.0**-21),),
    masses=_masses,
    log_density=_log_density,
    ranges={
        "temperature": lambda rng, count: 10 ** rng.uniform(-2, 1, count),
        "logits": lambda rng, count: rng.uniform(-5.0, 5.0, count),
    },
    apart="shared/test_relaxed.py",
)
