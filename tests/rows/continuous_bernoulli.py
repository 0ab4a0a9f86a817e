"""ContinuousBernoulli."""

from mpmath import mp

from tests.row import Family


def _lower(x, logits):
    return mp.expm1(logits * x) / mp.expm1(logits)


ROW = Family(
    "ContinuousBernoulli",
    points=({"probs": 0.25},),
    tails=({"logits": -3.0}, (2.0**-30, 0.25, 0.5, 0.96875)),
    apart="shared/test_continuous_bernoulli.py",
    masses=lambda x, logits: (_lower(x, logits), 1 - _lower(x, logits)),
    log_density=lambda x, logits: logits * x - mp.log(mp.expm1(logits) / logits),
    ranges={"logits": lambda rng, count: rng.choice([-1, 1], count) * 10 ** rng.uniform(-6, 3, count)},
)
