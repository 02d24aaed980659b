"""Figures of chapter 06: edges to guests, kernel regression, one layer of a transformer, a curve drawn by bends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from torch import Tensor

from tutorlib.bits import ArrayLike, as_tensor, probabilities
from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["bent_curve", "guests", "kernel_curves", "layer", "weights_by_position"]

DASHES = ("-", "--", ":")
CURVES = (COLOURS["exact"], COLOURS["model"], COLOURS["good"])


def guests(
    seatings: Sequence[Sequence[int]],
    weights: ArrayLike,
    names: Sequence[str],
    shirts: Sequence[str],
    titles: Sequence[str],
) -> Figure:
    """Guests on numbered seats, each with an edge from the one who looks, as thick as its weight.

    Args:
        seatings: for each panel the guest on each seat, as an index into ``names``.
        weights: ``[guests]``, one weight a guest, summing to 1.
        names: of the guests; the first letter is written on the shirt.
        shirts: a colour for each guest.
        titles: one a panel.

    Raises:
        ValueError: if the weights are no distribution, or a seating is no order of all guests.

    >>> len(guests([[0, 1], [1, 0]], [0.9, 0.1], ["Ada", "Ben"], ["#0072B2", "#D55E00"], ["before", "after"]).axes)
    2
    """
    share = probabilities(weights, name="weights")
    if share.shape != (len(names),) or any(sorted(seats) != list(range(len(names))) for seats in seatings):
        raise ValueError(
            f"weights, seatings: expected {len(names)} weights and orders of as many guests, got shape "
            f"{tuple(share.shape)} and {[list(seats) for seats in seatings]}"
        )
    fig, axes = new_figure(4.4 * len(titles), 2.9, columns=len(titles), squeeze=False)
    for ax, seats, title in zip(axes[0], seatings, titles, strict=True):
        middle = (len(seats) - 1) / 2
        for seat, guest in enumerate(seats):
            weight = float(share[guest])
            ax.plot([middle, seat], [0, 2], color=COLOURS["exact"], lw=0.5 + 14 * weight, zorder=0)
            ax.add_patch(Circle((seat, 2), 0.33, facecolor=shirts[guest], edgecolor=COLOURS["ink"], lw=1.2))
            ax.text(seat, 2, names[guest][0], ha="center", va="center", color="white", weight="bold")
            ax.text(seat, 2.46, f"{100 * weight:.0f} %", ha="center", va="bottom", fontsize=10)
            ax.text(seat, 2.98, f"seat {seat + 1}", ha="center", va="bottom", fontsize=9)
        ax.plot(middle, 0, "o", color=COLOURS["ink"], ms=9)
        ax.text(middle + 0.2, -0.12, "“red shirt”", ha="left", va="top")
        ax.set(title=title, xlim=(-0.6, len(seats) - 0.4), ylim=(-0.55, 3.4), aspect="equal")
        ax.axis("off")
    return fig


def kernel_curves(x: ArrayLike, y: ArrayLike, grid: ArrayLike, curves: Mapping[str, Tensor]) -> Figure:
    """Points, and curves through them.

    Args:
        x: places of the points, ``[points]``.
        y: their heights, ``[points]``.
        grid: where the curves are drawn, ``[places]``.
        curves: at most three; name -> heights ``[places]``.

    Raises:
        ValueError: if the lengths do not fit or there are more than three curves.

    >>> len(kernel_curves([0, 1], [0, 1], [0.0, 0.5, 1.0], {"straight": torch.tensor([0.0, 0.5, 1.0])}).axes)
    1
    """
    x, y, grid = as_tensor(x, "x"), as_tensor(y, "y"), as_tensor(grid, "grid")
    if x.ndim != 1 or x.shape != y.shape or any(curve.shape != grid.shape for curve in curves.values()):
        raise ValueError(
            f"x, y, curves: expected points in pairs and curves of {len(grid)} places, got {tuple(x.shape)}, "
            f"{tuple(y.shape)} and {[tuple(curve.shape) for curve in curves.values()]}"
        )
    if len(curves) > len(CURVES):
        raise ValueError(f"curves: expected at most {len(CURVES)}, got {len(curves)}")
    fig, ax = new_figure(6.8, 3.4)
    ax.plot(x, y, "o", color=COLOURS["reference"], ms=5, label="points")
    for (name, curve), colour, dashes in zip(curves.items(), CURVES, DASHES, strict=False):
        ax.plot(grid, curve, color=colour, ls=dashes, label=name)
    ax.set(xlabel="where it is asked (query), and where points lie (keys)", ylabel="value")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return fig


def _box(ax: Axes, x: float, y: float, words: str, fill: str = "white") -> None:
    ax.add_patch(
        FancyBboxPatch(
            (x - 0.62, y - 0.2),
            1.24,
            0.4,
            boxstyle="round,pad=0,rounding_size=0.1",
            facecolor=fill,
            edgecolor=COLOURS["ink"],
            zorder=3,
        )
    )
    ax.text(x, y, words, ha="center", va="center", fontsize=10, zorder=4)


def layer(tokens: Sequence[str]) -> Figure:
    """One layer of a transformer: a stream that runs upwards at each position, and what reads and adds to it.

    >>> len(layer(["k1", "v1", "k2"]).axes)
    1
    """
    if not tokens:
        raise ValueError("tokens: expected at least one, got none")
    fig, ax = new_figure(7.0, 4.4)
    ink, last = COLOURS["ink"], len(tokens) - 1
    arrow = {"arrowstyle": "-|>", "color": ink, "lw": 1.4, "shrinkA": 0, "shrinkB": 0}
    for place, token in enumerate(tokens):
        x = 2.4 * place
        stream = {"arrowstyle": "-|>", "color": COLOURS["exact"], "lw": 4, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (x, 4.75), (x, 0.55), arrowprops=stream)
        ax.text(x, -0.15, token, ha="center", va="center", weight="bold")
        ax.annotate("", (x, 0.2), (x, 0.02), arrowprops=arrow)
        _box(ax, x, 0.4, "embedding")
        _box(ax, x, 4.95, "head")
        for y, words in ((1.7, "attention"), (3.5, "feed-forward")):
            box = x + 1.1
            ax.annotate("", (box - 0.1, y - 0.2), (x, y - 0.55), arrowprops=arrow)
            ax.annotate("", (x, y + 0.6), (box - 0.1, y + 0.2), arrowprops=arrow)
            ax.text(x - 0.1, y + 0.6, "+", ha="right", va="center", fontsize=13)
            _box(ax, box, y, words, COLOURS["light"])
        if place < last:
            for later in range(place + 1, last + 1):
                end = (2.4 * later + 0.55, 1.52)
                bend = {
                    "arrowstyle": "-|>",
                    "color": COLOURS["model"],
                    "lw": 1.4,
                    "connectionstyle": "arc3,rad=0.12",
                }
                ax.annotate("", end, (x, 1.0), arrowprops=bend)
    ax.set(xlim=(-0.9, 2.4 * last + 2.0), ylim=(-0.4, 5.3))
    ax.axis("off")
    return fig


def bent_curve(q: ArrayLike, wanted: ArrayLike, drawn: Mapping[str, Tensor]) -> Figure:
    """A curve, and below it how far the curves that feed-forward units draw are off, on a logarithmic scale.

    Args:
        q: ``[places]``.
        wanted: ``[places]``.
        drawn: at most three; name -> ``[places]``. The first is drawn beside the wanted curve.

    Raises:
        ValueError: if the lengths do not fit or there are more than three.

    >>> len(bent_curve([0.0, 1.0], [0.0, 1.0], {"two knots": torch.tensor([0.1, 0.9])}).axes)
    2
    """
    q, wanted = as_tensor(q, "q"), as_tensor(wanted, "wanted")
    if not 1 <= len(drawn) <= len(CURVES) or any(curve.shape != wanted.shape for curve in drawn.values()):
        raise ValueError(
            f"drawn: expected one to {len(CURVES)} curves of shape {tuple(wanted.shape)}, got "
            f"{[tuple(curve.shape) for curve in drawn.values()]}"
        )
    fig, (left, right) = new_figure(8.6, 3.3, columns=2)
    left.plot(q, wanted, color=COLOURS["exact"], label="wanted", lw=4, alpha=0.45)
    colours = (COLOURS["model"], COLOURS["good"], COLOURS["second"])
    for number, ((name, curve), colour) in enumerate(zip(drawn.items(), colours, strict=False)):
        if number == 0:
            left.plot(q, curve, color=colour, ls="--", label=name)
        error = (curve - wanted).abs().clamp(min=1e-7)
        right.semilogy(q, error, color=colour, ls=DASHES[number], lw=1.3, label=name)
    left.set(title="Log-odds", xlabel="estimate less one half", ylabel="nats")
    right.set(title="Error", xlabel="estimate less one half", ylabel="nats, logarithmic")
    left.legend()
    right.legend(fontsize=9)
    return fig


def weights_by_position(panels: Mapping[str, Tensor], labels: Sequence[Sequence[str]]) -> Figure:
    """Attention weights of one asking position, a panel for each network.

    Args:
        panels: title -> weights ``[positions]``.
        labels: for each panel the names of its positions.

    >>> len(weights_by_position({"one head": torch.tensor([0.9, 0.1])}, [["k1", "v1"]]).axes)
    1
    """
    fig, axes = new_figure(4.3 * len(panels), 2.5, columns=len(panels), sharey=True, squeeze=False)
    for ax, (title, weights), names in zip(axes[0], panels.items(), labels, strict=True):
        share = probabilities(weights.detach(), name="weights")
        places = torch.arange(len(share))
        ax.bar(places, share, color=COLOURS["model"], width=0.75)
        for place, height in zip(places.tolist(), share.tolist(), strict=True):
            ax.text(place, height, f"{height:.3f}", ha="center", va="bottom", fontsize=8)
        ax.set_xticks(places.tolist(), names)
        ax.set_title(title)
    axes[0, 0].set(ylabel="weight", ylim=(0, 1.18 * max(float(weights.max()) for weights in panels.values())))
    return fig
