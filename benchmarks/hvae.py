"""What the Hamiltonian guide gains and what it costs; the tables of it in docs/guides.md.

    NPROC=1 OMP_NUM_THREADS=1 python -m benchmarks.hvae [targets | weights | others | ...] [--write]

Without a word, all of them, which takes an hour on one core.  Each is a file of its own beside this one, and says there
what it measures; the first five are tables of the results that `hvae_targets` has written.
"""

from __future__ import annotations

import importlib

from benchmarks.tables import command_line, publish

PARTS = {
    "targets": "hvae_targets.table",
    "weights": "hvae_targets.weights_table",
    "others": "hvae_targets.others_table",
    "ablation": "hvae_targets.ablation_table",
    "coupled": "hvae_targets.coupled_table",
    "gaussian": "hvae_gaussian.table",
    "digits": "hvae_digits.table",
    "cost": "hvae_cost.table",
}

if __name__ == "__main__":
    parser = command_line(__doc__)
    parser.add_argument("parts", nargs="*", choices=list(PARTS), metavar="|".join(PARTS))
    options = parser.parse_args()
    for part in options.parts or PARTS:
        module, function = PARTS[part].split(".")
        publish(f"hvae-{part}", getattr(importlib.import_module(f"benchmarks.{module}"), function)(), options.write)
