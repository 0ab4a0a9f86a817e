"""The pictures in `demo-output/`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D

from . import style
from .data import SIDE, Digits
from .results import Run

__all__ = ["draw"]


def draw(runs: list[Run], digits: Digits, folder: Path) -> list[Path]:
    """Every picture; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "circle": circle(runs, digits),
        "latents": latents(runs, digits),
        "reconstructions": reconstructions(runs, digits),
        "elbo-curves": elbo_curves(runs),
        "gradient-variance": gradient_variance(runs),
    }
    return [style.save(picture, folder / f"{name}.png") for name, picture in pictures.items()]


def libraries(runs: list[Run]) -> list[str]:
    return list(dict.fromkeys(run.library for run in runs))


def thumbnail(ax, image: np.ndarray, x: float, y: float, half: float) -> None:
    """An image whose centre lies at (x, y) of the data."""
    extent = (x - half, x + half, y - half, y + half)
    ax.imshow(image.reshape(SIDE, SIDE), cmap="gray_r", vmin=0, vmax=1, extent=extent, zorder=1)


def circle(runs: list[Run], digits: Digits, count: int = 32):
    """Decoded images around the circle; inside it, a track for each digit with the test images at their angles."""
    circles = [run for run in runs if run.latent == "von Mises, circle"]
    picture, axes = style.figure(1, len(circles), (12.4, 6.4))
    for run, ax in zip(circles, axes[0]):
        angles = np.linspace(0, 2 * np.pi, count, endpoint=False, dtype=np.float32)
        for angle, image in zip(angles, run.decode(angles[:, None])):
            thumbnail(ax, image, 1.30 * np.cos(angle), 1.30 * np.sin(angle), 0.105)
        around = np.linspace(0, 2 * np.pi, 200)
        for digit, colour in enumerate(style.DIGITS):
            radius = 0.32 + 0.075 * digit
            angle = run.centres[digits.test_labels == digit, 0]
            ax.plot(radius * np.cos(around), radius * np.sin(around), color=style.RULE, lw=0.7, zorder=0)
            ax.scatter(radius * np.cos(angle), radius * np.sin(angle), color=colour, s=20, alpha=0.7, lw=0)
        for k, label in enumerate(("0", "π/2", "±π", "−π/2")):
            ax.text(1.1 * np.cos(k * np.pi / 2), 1.1 * np.sin(k * np.pi / 2), label, ha="center", va="center")
        ax.set(xlim=(-1.45, 1.45), ylim=(-1.45, 1.45), aspect="equal", title=run.library)
        style.bare(ax)
    picture.legend(handles=style.digit_handles(), title="digit", loc="outside right center")
    picture.suptitle(
        "The learned circle (angles in radians)\n"
        "outside: what an angle decodes to; inside: test images at their mean angle, a track for each digit"
    )
    return picture


def latents(runs: list[Run], digits: Digits):
    """Where the guides put the test images: plane, torus and triangle."""
    flat = [run for run in runs if run.latent in MAPS]
    names, kinds = libraries(flat), list(dict.fromkeys(run.latent for run in flat))
    picture, axes = style.figure(len(names), len(kinds), (4.0 * len(kinds) + 0.6, 4.0 * len(names)))
    for run in flat:
        ax = axes[names.index(run.library), kinds.index(run.latent)]
        MAPS[run.latent](ax, run, [style.DIGITS[k] for k in digits.test_labels])
        ax.set(title=f"{run.library}: {run.latent}", aspect="equal")
    picture.legend(handles=style.digit_handles(), title="digit", loc="outside right center")
    picture.suptitle(
        "Centre of the guide's distribution for each test image (dashed sides: left is right, top is bottom)"
    )
    return picture


def plane(ax, run: Run, colours) -> None:
    ax.scatter(*run.centres.T, c=colours, s=12)
    limit = 1.1 * np.abs(run.centres).max()
    ax.set(xlabel="first number", ylabel="second number", xlim=(-limit, limit), ylim=(-limit, limit))


def torus(ax, run: Run, colours) -> None:
    ax.scatter(*run.centres.T, c=colours, s=12)
    ticks, labels = [-np.pi, 0, np.pi], ["−π", "0", "π"]
    ax.set(xlabel="first angle (radians)", ylabel="second angle (radians)", xlim=(-np.pi, np.pi), ylim=(-np.pi, np.pi))
    ax.set_xticks(ticks, labels)
    ax.set_yticks(ticks, labels)
    ax.spines[:].set(visible=True, ls=(0, (4, 3)))  # opposite sides are one and the same


def triangle(ax, run: Run, colours) -> None:
    corners = np.array([[0, 0], [1, 0], [0.5, np.sqrt(0.75)]])
    ax.plot(*corners[[0, 1, 2, 0]].T, color=style.INK, lw=0.8)
    ax.scatter(*(run.centres @ corners).T, c=colours, s=12)
    outwards = corners + 0.19 * (corners - corners.mean(0))
    pure = run.decode(np.eye(3, dtype=np.float32))
    for (x, y), image in zip(outwards, pure):
        thumbnail(ax, image, x, y, 0.09)
    style.bare(ax)
    ax.set(xlim=(-0.3, 1.3), ylim=(-0.22, 1.12), xlabel="corners: one proportion is 1, decoded")


MAPS = {"Normal, plane": plane, "von Mises, torus": torus, "Dirichlet, triangle": triangle}


def reconstructions(runs: list[Run], digits: Digits, each: int = 2):
    """Some test images of each digit above what their latents decode to."""
    chosen = [i for k in range(10) for i in np.flatnonzero(digits.test_labels == k)[:each]]
    rows = [("test image", digits.test[chosen])]
    rows += [
        (f"{run.library}: {run.latent}", run.decode(run.centres[chosen])) for run in runs if run.centres is not None
    ]
    picture, axes = style.figure(len(rows), 1, (12.4, 0.56 * len(rows) + 0.5))
    for (label, images), ax in zip(rows, axes[:, 0]):
        ax.imshow(strip(images), cmap="gray_r", vmin=0, vmax=1)
        style.bare(ax)
        ax.set_ylabel(label, rotation=0, ha="right", va="center")
    picture.suptitle("Test images, and what the centre of the guide's distribution decodes to")
    return picture


def strip(images: np.ndarray, gap: int = 2) -> np.ndarray:
    """Images of shape (n, 64) side by side."""
    tiles = [np.pad(image.reshape(SIDE, SIDE), ((0, 0), (0, gap))) for image in images]
    return np.concatenate(tiles, 1)[:, :-gap]


def elbo_curves(runs: list[Run]):
    names = libraries(runs)
    picture, axes = style.figure(1, len(names), (12.4, 4.6), sharey=True)
    for name, ax in zip(names, axes[0]):
        for run in (run for run in runs if run.library == name):
            colour = style.LATENTS[run.latent]
            ax.plot(run.steps, run.train_elbo, color=colour, lw=1.0, alpha=0.5)
            ax.plot(run.steps, run.test_elbo, color=colour, label=run.latent)
        ax.set(title=name, xlabel="optimizer step")
    curves = np.array([run.test_elbo for run in runs])
    # the first stretch of the training would flatten all else
    axes[0, 0].set_ylim(curves.min() - 1.0, max(max(run.train_elbo) for run in runs) + 0.5)
    axes[0, 0].set_ylabel("ELBO (nats per image), higher is better")
    handles = axes[0, 0].get_legend_handles_labels()[0]
    handles += [
        Line2D([], [], color=style.INK, label="on test images"),
        Line2D([], [], color=style.INK, lw=1.0, alpha=0.5, label="on training minibatches"),
    ]
    axes[0, -1].legend(handles=handles, loc="lower right", ncols=2)
    picture.suptitle("ELBO during training")
    return picture


def gradient_variance(runs: list[Run]):
    runs = [run for run in runs if run.spread]
    names, kinds = libraries(runs), list(dict.fromkeys(run.latent for run in runs))
    picture, axes = style.figure(1, len(names), (12.4, 4.0), sharex=True, sharey=True)
    for name, ax in zip(names, axes[0]):
        for run in (run for run in runs if run.library == name):
            y = kinds.index(run.latent)
            ax.plot([1, run.spread.plain], [y, y], color=style.RULE, zorder=1)
            for value, colour in zip((run.spread.plain, run.spread.constant, run.spread.own), style.SCORES):
                ax.scatter(value, y, color=colour, s=60, zorder=2)
                text = f"{value:.1f}" if value < 10 else f"{value:.0f}"
                ax.annotate(text, (value, y), (0, 7), textcoords="offset points", ha="center")
        ax.axvline(1, color=style.INK, lw=1)
        ax.set(xscale="log", title=name, xlabel="total variance of the encoder's gradient, pathwise = 1 (log scale)")
        ax.set_yticks(range(len(kinds)), kinds)
        ax.grid(False, axis="y")
    axes[0, 0].set(xlim=(0.4, 3 * max(run.spread.plain for run in runs)), ylim=(len(kinds) - 0.6, -0.6))
    labels = "score function", "minus the mean ELBO", "minus each image's own ELBO"
    handles = [Line2D([], [], ls="", marker="o", ms=8, color=c, label=label) for c, label in zip(style.SCORES, labels)]
    handles.append(Line2D([], [], color=style.INK, lw=1, label="pathwise"))
    picture.legend(handles=handles, loc="outside lower center", ncols=4)
    picture.suptitle("How far the score-function gradient scatters, against the pathwise one")
    return picture
