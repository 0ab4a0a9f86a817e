"""What the Hamiltonian guide gains and what it costs; the tables of it in docs/guides.md.

    NPROC=1 OMP_NUM_THREADS=1 python -m benchmarks.hvae [targets | gaussian | digits | cost ...] [--write]

Without a word, all four, which takes an hour on one core.  Each is a file of its own beside this one, and says there
what it measures.
"""

from __future__ import annotations

import argparse
import importlib

from benchmarks.tables import publish

PARTS = ("targets", "gaussian", "digits", "cost")

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=PARTS, metavar="|".join(PARTS))
    parser.add_argument("--write", action="store_true", help="replace the tables in docs/")
    options = parser.parse_args()
    for part in options.parts or PARTS:
        publish(f"hvae-{part}", importlib.import_module(f"benchmarks.hvae_{part}").table(), options.write)
