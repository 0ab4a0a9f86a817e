"""docs/elbos.md: the table of what the tests check under the hosts' inference.

    python -m benchmarks.matrix [--write]

It takes its cells from `tests/matrix.py`, as the tests do: a tick is a test that `pyro/test_matrix.py` or
`numpyro/test_matrix.py` runs and that must pass.
"""

from __future__ import annotations

from benchmarks.tables import markdown, publish
from tests.matrix import ELBOS, GAPS, HOSTS, MODELS, SETTINGS, cells


def table() -> str:
    """A row for each family in each library; in a cell one mark for each setting, a number being that of a note."""
    notes = {gap: str(number) for number, gap in enumerate(GAPS.values(), start=1)}
    header = ["family", "library", *ELBOS]
    rows = []
    passing = {host: {cell.values for cell in cells(host) if not cell.marks} for host in HOSTS}
    for family in MODELS:
        for host in HOSTS:

            def mark(elbo: str, setting: str, family=family, host=host) -> str:
                return "✓" if (family, elbo, setting) in passing[host] else f"({notes[GAPS[host, elbo, setting]]})"

            rows.append([family.name, host, *(" ".join(mark(elbo, setting) for setting in SETTINGS) for elbo in ELBOS)])
    foot = [f"({number}) {gap.reason}{' (expected to fail)' if gap.fault else ''}." for gap, number in notes.items()]
    return "\n\n".join([markdown(header, rows), f"In each cell, in this order: {', '.join(SETTINGS)}.", *foot])


if __name__ == "__main__":
    publish("matrix", table())
