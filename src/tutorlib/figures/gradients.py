"""Figures of chapter 13: the plane in which routing is decided, how routing freezes, rows of a network, a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from tutorlib.bits import ArrayLike, as_tensor, probabilities
from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["freezing", "over_training", "routing_plane", "row_of_network"]

REACH = 3.0  # the plane is drawn from -REACH to REACH
LINES = ((COLOURS["exact"], "-", "o"), (COLOURS["model"], "--", "s"), (COLOURS["good"], ":", "^"))


def _half_planes(ax: Axes, mixed: Tensor, slope: Tensor) -> None:
    """Shade the side of the line through the output, across the gradient, where looking is cheap."""
    grid = torch.linspace(-REACH, REACH, 121, dtype=torch.float64)  # [places]
    x, y = torch.meshgrid(grid, grid, indexing="xy")  # [places, places] each
    dearer = slope[0] * (x - mixed[0]) + slope[1] * (y - mixed[1])  # [places, places]
    ax.contourf(x, y, dearer, levels=[-1e9, 0], colors=[COLOURS["good"]], alpha=0.16)
    ax.contour(x, y, dearer, levels=[0], colors=[COLOURS["ink"]], linewidths=1, linestyles="--")


def routing_plane(
    panels: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]], steps: Mapping[str, float] | None = None
) -> Figure:
    """Values, their weighted mean and the target, with the line that parts cheap from dear.

    The loss is half the squared distance of the mean from the target, so its gradient at the mean points away from it.

    Args:
        panels: at least one; title -> values ``[positions, 2]``, weights ``[positions]``, target ``[2]``.
        steps: title -> size; arrows in that panel show where such a step against the gradient takes each value.

    Raises:
        ValueError: if there is no panel or the shapes do not fit.

    >>> len(routing_plane({"start": ([[0.0, 1.0], [1.0, 0.0]], [0.5, 0.5], [2.0, 2.0])}).axes)
    1
    """
    if not panels:
        raise ValueError("panels: expected at least one, got none")
    fig, axes = new_figure(4.3 * len(panels), 4.2, columns=len(panels), squeeze=False)
    steps = dict(steps or {})
    if set(steps) - set(panels):
        raise ValueError(f"steps: expected titles of panels, got {sorted(set(steps) - set(panels))}")
    arrow = {"arrowstyle": "-|>", "lw": 2, "shrinkA": 0, "shrinkB": 0}
    for ax, (title, given) in zip(axes[0], panels.items(), strict=True):
        value, weight, target = (
            as_tensor(given[0], "values"),
            probabilities(given[1], name="weights"),
            given[2],
        )
        aim = as_tensor(target, "target")
        if value.shape != (len(weight), 2) or aim.shape != (2,):
            raise ValueError(
                f"panels: expected values [positions, 2], weights [positions] and a target [2], got "
                f"{tuple(value.shape)}, {tuple(weight.shape)} and {tuple(aim.shape)}"
            )
        mixed = weight @ value  # [2]
        slope = mixed - aim  # [2]
        _half_planes(ax, mixed, slope)
        for place, (point, share) in enumerate(zip(value.tolist(), weight.tolist(), strict=True)):
            ax.scatter(*point, s=120 + 1300 * share, color=COLOURS["exact"], zorder=3)
            ax.text(*point, str(place + 1), ha="center", va="center", color="white", weight="bold", zorder=7)
            if title in steps:
                end = (torch.tensor(point, dtype=torch.float64) - steps[title] * share * slope).tolist()
                ax.annotate("", end, point, arrowprops=arrow | {"color": COLOURS["exact"]}, zorder=5)
        ax.annotate(
            "", (mixed + slope / 2).tolist(), mixed.tolist(), arrowprops=arrow | {"color": COLOURS["model"]}
        )
        ax.scatter(*mixed.tolist(), marker="D", s=70, color=COLOURS["model"], zorder=4)
        ax.text(*(mixed + 0.14).tolist(), "$g$", color=COLOURS["ink"], fontsize=13, zorder=6)
        ax.text(
            *(mixed + slope / 2 + torch.tensor([-0.3, 0.1])).tolist(),
            "$u$",
            color=COLOURS["ink"],
            fontsize=13,
            zorder=6,
        )
        ax.scatter(*aim.tolist(), marker="x", s=90, lw=3, color=COLOURS["ink"], zorder=4)
        ax.text(aim[0], aim[1] + 0.2, "treasure", ha="center", fontsize=10)
        ax.set(title=title, xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")
        ax.grid(False)
    return fig


def freezing(gaps: ArrayLike, curves: Mapping[str, Tensor]) -> Figure:
    """Sizes of gradients against a gap between scores, on a logarithmic scale.

    Args:
        gaps: ``[places]``.
        curves: at most three; name -> ``[places]``, above 0.

    Raises:
        ValueError: if the lengths do not fit, there are more than three curves, or one is not above 0.

    >>> len(freezing([0.0, 1.0], {"score": torch.tensor([0.25, 0.2])}).axes)
    1
    """
    gap = as_tensor(gaps, "gaps")
    fig, ax = new_figure(6.6, 3.3)
    _lines(ax, gap, curves, markers=False)
    ax.set(xlabel="score of the wrong position above the right one, nats", ylabel="gradient", yscale="log")
    return fig


def _lines(ax: Axes, x: Tensor, curves: Mapping[str, Tensor], markers: bool) -> None:
    if not 1 <= len(curves) <= len(LINES) or any(curve.shape != x.shape for curve in curves.values()):
        raise ValueError(
            f"curves: expected one to {len(LINES)} of shape {tuple(x.shape)}, got "
            f"{[tuple(curve.shape) for curve in curves.values()]}"
        )
    for (name, curve), (colour, dashes, marker) in zip(curves.items(), LINES, strict=False):
        if not (curve > 0).all():
            raise ValueError(
                f"curves: expected numbers above 0 for a logarithmic scale, got others in {name!r}"
            )
        ax.plot(x, curve, color=colour, ls=dashes, marker=marker if markers else None, ms=5, label=name)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))


def over_training(steps: Sequence[int], curves: Mapping[str, Tensor], ylabel: str) -> Figure:
    """Sizes over a training run, both axes logarithmic.

    Args:
        steps: ``[moments]``, above 0.
        curves: at most three; name -> ``[moments]``, above 0.
        ylabel: what is drawn, with its unit.

    Raises:
        ValueError: as :func:`freezing`.

    >>> len(over_training([1, 10], {"scores": torch.tensor([0.1, 0.2])}, "gradient").axes)
    1
    """
    x = as_tensor(steps, "steps")
    fig, ax = new_figure(7.4, 3.5)
    _lines(ax, x, curves, markers=True)
    ax.set(xlabel="step of training", ylabel=ylabel, xscale="log", yscale="log")
    return fig


def row_of_network(panels: Mapping[str, Mapping[str, Tensor]], labels: Sequence[str]) -> Figure:
    """What one asking position sees in the past: a column of bars for each moment of training, a row for each quantity.

    Args:
        panels: moment -> quantity -> ``[positions]``; the same quantities for each moment.
        labels: names of the positions; those that begin with "v" are values, in blue and named, the others grey.

    Raises:
        ValueError: if there is no panel, or the moments have different quantities or lengths.

    >>> panels = {"step 10": {"weight": torch.tensor([0.4, 0.6])}, "step 20": {"weight": torch.tensor([0.1, 0.9])}}
    >>> len(row_of_network(panels, ["k1", "v1"]).axes)
    2
    """
    names = [list(quantities) for quantities in panels.values()]
    sizes = {tuple(bar.shape) for quantities in panels.values() for bar in quantities.values()}
    if not names or any(name != names[0] for name in names) or sizes != {(len(labels),)}:
        raise ValueError(
            f"panels: expected the same quantities of shape ({len(labels)},) at each moment, got {names}, {sorted(sizes)}"
        )
    fig, first = new_figure(3.3 * len(panels), 1.9 * len(names[0]))
    first.remove()
    axes = fig.subplots(len(names[0]), len(panels), squeeze=False, sharex=True)
    places = torch.arange(len(labels))
    is_value = torch.tensor([label.startswith("v") for label in labels])
    for column, (moment, quantities) in enumerate(panels.items()):
        for row, (name, bars) in enumerate(quantities.items()):
            ax = axes[row, column]
            for chosen, colour in ((is_value, COLOURS["exact"]), (~is_value, COLOURS["reference"])):
                ax.bar(places[chosen], bars[chosen], color=colour, width=0.8)
            ax.axhline(0, color=COLOURS["ink"], lw=0.8)
            for side in ("top", "right"):
                ax.spines[side].set_visible(False)
            if row == 0:
                ax.set_title(moment, loc="left", weight="bold", fontsize=11)
            if column == 0:
                ax.set_ylabel(name)
            ax.set_xticks(
                places[is_value].tolist(), [label for label in labels if label.startswith("v")], fontsize=9
            )
    return fig
