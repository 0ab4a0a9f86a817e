"""The one table."""

from __future__ import annotations

from collections.abc import Callable

from .results import Run

__all__ = ["table"]

# heading in two lines, and what stands below it
COLUMNS: list[tuple[tuple[str, str], Callable[[Run], str]]] = [
    (("", "latent of the guide"), lambda run: run.latent),
    (("", "library"), lambda run: run.library),
    (("test ELBO", "(nats/image)"), lambda run: f"{run.final_elbo:.2f}"),
    (("test NLL", "(nats/image)"), lambda run: f"{run.nll:.2f}"),
    (("time per", "step (ms)"), lambda run: f"{run.step_milliseconds:.1f}"),
    (("variance", "[a]"), lambda run: f"{run.spread.plain:.0f}" if run.spread else ""),
    (("variance", "[b]"), lambda run: f"{run.spread.constant:.0f}" if run.spread else ""),
    (("variance", "[c]"), lambda run: f"{run.spread.own:.1f}" if run.spread else ""),
    (("mean", "[c]"), lambda run: f"{run.spread.slope:.2f} ± {run.spread.slope_error:.2f}" if run.spread else ""),
]
WORDS = 2  # columns of words, on the left
LAST = 4  # columns under the title
TITLE = "score-function / pathwise gradient"


def table(runs: list[Run]) -> str:
    """One row for each run, the libraries below each other."""
    latents = list(dict.fromkeys(run.latent for run in runs))
    head = [[heading[i] for heading, _ in COLUMNS] for i in range(2)]
    body = [[cell(run) for _, cell in COLUMNS] for run in sorted(runs, key=lambda run: latents.index(run.latent))]
    widths = [max(map(len, column)) for column in zip(*head, *body)]

    def line(cells: list[str]) -> str:
        words = [cell.ljust(width) for cell, width in zip(cells[:WORDS], widths)]
        numbers = [cell.rjust(width) for cell, width in zip(cells[WORDS:], widths[WORDS:])]
        return "  ".join(words + numbers).rstrip()

    whole = sum(widths) + 2 * (len(widths) - 1)
    title = f" {TITLE} ".center(sum(widths[-LAST:]) + 2 * (LAST - 1), "-").rjust(whole)
    return "\n".join([title, *map(line, head), "-" * whole, *map(line, body), "-" * whole])
