"""Figures of chapter 05: who said what, the bound below the log likelihood, and paths on its landscape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure

from tutorlib.bits import ArrayLike, as_tensor, probabilities
from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["bound", "landscape", "room"]

VOICES = COLOURS["exact"], COLOURS["third"], COLOURS["good"]
LINES = ((COLOURS["model"], "--"), (COLOURS["good"], "-."), (COLOURS["reference"], ":"))


def room(
    pitches: ArrayLike,
    panels: Sequence[tuple[str, ArrayLike, ArrayLike | None]],
    width: float,
) -> Figure:
    """Sentences by pitch with the voices above them, one panel for each moment.

    Args:
        pitches: ``[sentence]`` in hertz.
        panels: for each a title, the centres ``[voice]`` in hertz, at most three (none: an empty list), and
            responsibilities ``[sentence, voice]`` or None; they split the bar of each sentence.
        width: standard deviation of each voice, in hertz.

    Raises:
        ValueError: if there is no panel, or responsibilities do not fit.

    >>> len(room([110.0, 210.0], [("start", [120.0, 200.0], None)], width=20.0).axes)
    1
    """
    x = as_tensor(pitches, "pitches")
    if x.ndim != 1 or not panels:
        raise ValueError(
            f"pitches, panels: expected a list and at least one panel, got {tuple(x.shape)}, {len(panels)}"
        )
    low, high = float(x.min()) - 24, float(x.max()) + 26
    grid = torch.linspace(low, high, 200, dtype=torch.float64)
    fig, axes = new_figure(max(6.8, 2.4 * len(panels)), 2.6, columns=len(panels), sharey=True, squeeze=False)
    for ax, (title, centres, shares) in zip(axes[0], panels, strict=True):
        voices = as_tensor(centres, "centres")
        bottom = torch.zeros(len(x), dtype=torch.float64)
        if shares is None:
            ax.bar(x, torch.ones(len(x)), width=3.2, color=COLOURS["reference"], alpha=0.55)
        else:
            table = probabilities(shares, name="shares").detach()
            if table.shape != (len(x), len(voices)):
                raise ValueError(
                    f"shares: expected {(len(x), len(voices))}, one row a sentence and one column a voice, "
                    f"got {tuple(table.shape)}"
                )
            for voice, colour in zip(range(len(voices)), VOICES, strict=False):
                ax.bar(x, table[:, voice], bottom=bottom, width=3.2, color=colour)
                bottom = bottom + table[:, voice]
        for voice, (centre, colour) in enumerate(zip(voices.tolist(), VOICES, strict=False)):
            ax.plot(grid, 1.25 + torch.exp(-((grid - centre) ** 2) / (2 * width**2)), color=colour)
            ax.plot([centre, centre], [0, 2.25], color=colour, lw=1.2, ls=":")
            # Voices that sit on one spot share a label.
            here = [str(other + 1) for other, at in enumerate(voices.tolist()) if abs(at - centre) < 4]
            if here[0] == str(voice + 1):
                ax.text(centre, 2.3, ", ".join(here), ha="center", color=COLOURS["ink"], weight="bold")
        ax.set_title(title, fontsize=11)
        ax.set(xlim=(low, high), ylim=(0, 2.6), xlabel="pitch, Hz", yticks=[])
        ax.grid(False)
        ax.spines["left"].set_visible(False)
    return fig


def bound(
    grid: ArrayLike,
    log_likelihood: ArrayLike,
    bounds: Mapping[str, ArrayLike],
    touches: Sequence[tuple[float, float]],
    tops: Sequence[tuple[float, float]],
    floor: float,
) -> Figure:
    """The log likelihood along one centre, with bounds that touch it from below.

    Args:
        grid: values of the centre, ``[value]`` in hertz.
        log_likelihood: in bits, ``[value]``.
        bounds: a name and the bits along the grid for each bound, at most three.
        touches: where each bound touches the log likelihood, ``(hertz, bits)``.
        tops: the highest point of each bound.
        floor: the lowest bits shown.

    >>> top = [(120.0, -10.0)]
    >>> len(bound([100.0, 120.0], [-12.0, -10.0], {"first": [-13.0, -10.0]}, top, top, floor=-20.0).axes)
    1
    """
    x, y = as_tensor(grid, "grid"), as_tensor(log_likelihood, "log_likelihood")
    if not len(bounds) == len(touches) == len(tops):
        raise ValueError(
            f"bounds, touches, tops: expected equally many, got {len(bounds)}, {len(touches)}, {len(tops)}"
        )
    fig, ax = new_figure(6.6, 3.7)
    ax.plot(x, y, color=COLOURS["ink"], lw=2.6, label="log likelihood")
    for (name, values), touch, top, (colour, style) in zip(
        bounds.items(), touches, tops, LINES, strict=False
    ):
        ax.plot(x, as_tensor(values, name), color=colour, ls=style, label=name)
        ax.plot(*touch, "o", color=colour, ms=8)
        ax.plot(*top, "^", color=colour, ms=8)
    ax.set(ylim=(floor, float(y.max()) + 2), xlabel="centre of voice 1, Hz", ylabel="bits")
    ax.legend(fontsize=9, loc="upper right", frameon=False)
    return fig


def landscape(
    grid: ArrayLike, bits: ArrayLike, paths: Mapping[str, ArrayLike], levels: Sequence[float]
) -> Figure:
    """Contours of the log likelihood over two centres, with the paths that methods take on it.

    Args:
        grid: values of either centre, ``[value]`` in hertz.
        bits: log likelihood, ``[value of centre 1, value of centre 2]``.
        paths: a name and the centres after each step, ``[step, 2]``, for each method; at most three.
        levels: bits of the contours, rising.

    >>> bits = [[-12.0, -10.0], [-10.0, -12.0]]
    >>> len(landscape([100.0, 200.0], bits, {"EM": [[110.0, 120.0], [100.0, 200.0]]}, [-11.5, -10.5]).axes)
    1
    """
    x, z = as_tensor(grid, "grid"), as_tensor(bits, "bits")
    if z.shape != (len(x), len(x)):
        raise ValueError(f"bits: expected a square table for {len(x)} values, got {tuple(z.shape)}")
    fig, ax = new_figure(5.4, 4.8)
    ax.contour(x, x, z.T, levels=levels, colors=COLOURS["reference"], linewidths=0.8, linestyles="solid")
    ax.plot(x[[0, -1]], x[[0, -1]], color=COLOURS["ink"], lw=1, ls=":")
    marks = zip(paths.items(), ("o", "s", "^"), LINES, strict=False)
    for (name, path), mark, (colour, _) in marks:
        steps = as_tensor(path, name).detach()
        ax.plot(steps[:, 0], steps[:, 1], color=colour, marker=mark, ms=5, lw=1.6, label=name)
    ax.set(xlabel="centre of voice 1, Hz", ylabel="centre of voice 2, Hz", aspect="equal")
    ax.set(xlim=(float(x[0]), float(x[-1])), ylim=(float(x[0]), float(x[-1])))
    ax.grid(False)
    if paths:
        ax.legend(
            fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=len(paths), frameon=False
        )
    return fig
