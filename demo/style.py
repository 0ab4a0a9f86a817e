"""The demo's colours, and helpers, over the project's style sheet."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # files only: no window, no display

from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

__all__ = ["DIGITS", "INK", "LATENTS", "RULE", "SCORES", "bare", "digit_handles", "figure", "save"]

INK, RULE = "#222222", "#e4e4e4"
SCORES = "#d1495b", "#edae49", "#66a182"  # score-function gradients without and with baselines
LATENTS = {
    "Normal, plane": "#7f7f7f",
    "Normal, HVAE": "#66a182",
    "von Mises, circle": "#edae49",
    "von Mises, torus": "#d1495b",
    "Dirichlet, triangle": "#2e7fa8",
}
DIGITS = [colormaps["tab10"](k) for k in range(10)]

plt.style.use(Path(__file__).parent.parent / "tutorials" / "irg.mplstyle")


def figure(rows: int, columns: int, size: tuple[float, float], **options):
    """(figure, 2-D array of axes), laid out so that no text overlaps."""
    return plt.subplots(rows, columns, figsize=size, squeeze=False, **options)


def bare(axes) -> None:
    """No ticks, frame or grid: for images."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def digit_handles() -> list[Line2D]:
    return [Line2D([], [], ls="", marker="o", ms=6, color=colour, label=str(k)) for k, colour in enumerate(DIGITS)]


def save(figure, path: Path) -> Path:
    figure.savefig(path)
    plt.close(figure)
    return path
