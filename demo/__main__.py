"""Train the guides in both libraries, print the table, draw the pictures: `make demo`, or `python -m demo --smoke`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from time import perf_counter

from . import data, numpyro_vae, pyro_vae
from .report import table
from .settings import FULL, SMOKE

__all__ = ["main"]

NOTES = """\
Normal, HVAE is Normal, plane with three Hamiltonian steps after each draw.  NLL: {draws} importance samples each.
Gradients are the encoder's, from one draw per image on {batch} test images, {estimates} times at the trained weights.
Pathwise is what Trace_ELBO takes for a reparameterized guide: the usual gradient for Normal, the implicit one for von
Mises and Dirichlet.  Score function is the library's own estimator for a guide that is not reparameterized (Pyro:
Trace_ELBO, has_rsample False; NumPyro: TraceGraph_ELBO), as it is [a], with the minibatch's mean ELBO as a baseline
[b], and with each image's own ELBO, for which thousands of further draws were spent on each image [c].
Variance: trace of the covariance.  Mean: along the mean pathwise gradient, with its standard error; 1 if both agree.
"""


def main() -> None:
    arguments = parse()
    smoke = arguments.smoke or os.environ.get("SMOKE", "0") not in ("", "0")
    settings = SMOKE if smoke else FULL
    start = perf_counter()
    digits = data.load()
    print(f"{len(digits.train)} training and {len(digits.test)} test images; {settings.steps} steps per guide.")
    print("Without this package,")
    print(f"  Pyro:    {pyro_vae.before()}")
    print(f"  NumPyro: {numpyro_vae.before()}\n", flush=True)
    runs = [*pyro_vae.runs(digits, settings), *numpyro_vae.runs(digits, settings)]
    print(table(runs))
    print(NOTES.format(**settings._asdict()))

    from .figures import draw  # matplotlib loads while nothing else waits for it

    for path in draw(runs, digits, arguments.output):
        print(path)
    print(f"{perf_counter() - start:.0f} s")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few steps only, as with SMOKE=1: does it run at all?")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder of the pictures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
