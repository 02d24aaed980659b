"""Figures of chapter 04: where evenings go in one step, beliefs in a triangle, filter and smoother, forgetting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from tutorlib.bits import ArrayLike, as_tensor, probabilities
from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["belief_cloud", "belief_trail", "flow", "forgetting", "over_time", "window_cost"]

STATES = COLOURS["exact"], COLOURS["third"], COLOURS["second"]
CORNERS = torch.tensor([[0.5, 3**0.5 / 2], [0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)  # [states, xy]
MARKERS = "osD^v"


def flow(counts: ArrayLike, names: Sequence[str], unit: str) -> Figure:
    """Where the cases of each state go in one step, as bands as wide as their number.

    Args:
        counts: ``[from, to]``, at least 0.
        names: of the states.
        unit: what is counted.

    Raises:
        ValueError: if the table is not square or a count is negative.

    >>> len(flow([[90, 10], [20, 80]], ["at home", "out"], "evenings").axes)
    1
    """
    table = as_tensor(counts, "counts").double()
    if table.ndim != 2 or table.shape != (len(names), len(names)) or (table < 0).any():
        raise ValueError(
            f"counts: expected [{len(names)}, {len(names)}] of at least 0, got shape {tuple(table.shape)}"
        )
    fig, ax = new_figure(6.4, 3.8)
    total, gap = float(table.sum()), 0.12
    bottoms = []  # of each block, before and after
    for sums in (table.sum(1), table.sum(0)):
        tops = 1 - torch.cat((torch.zeros(1), (sums / total).cumsum(0)[:-1])) - gap * torch.arange(len(names))
        bottoms.append((tops - sums / total).tolist())
    left = [bottom + float(s) / total for bottom, s in zip(bottoms[0], table.sum(1), strict=True)]
    right = [bottom + float(s) / total for bottom, s in zip(bottoms[1], table.sum(0), strict=True)]
    ease = torch.linspace(0, 1, 40, dtype=torch.float64)
    curve = ease * ease * (3 - 2 * ease)  # level at both ends
    for i in range(len(names)):
        for j in range(len(names)):
            width = float(table[i, j]) / total
            upper = left[i] + (right[j] - left[i]) * curve
            ax.fill_between(ease, upper - width, upper, color=STATES[i % 3], alpha=0.45, lw=0)
            left[i], right[j] = left[i] - width, right[j] - width
    for side, sums, x, align in ((0, table.sum(1), -0.02, "right"), (1, table.sum(0), 1.02, "left")):
        for i, name in enumerate(names):
            height = float(sums[i]) / total
            middle = bottoms[side][i] + height / 2
            colour = STATES[i % 3]
            ax.plot([side, side], [bottoms[side][i], bottoms[side][i] + height], color=colour, lw=5)
            ax.text(x, middle, f"{name}\n{float(sums[i]):,.0f}", ha=align, va="center")
    ax.set_title(f"now ({unit})", loc="left")
    ax.set_title("ten minutes later", loc="right")
    ax.set(xlim=(-0.28, 1.28))
    ax.axis("off")
    return fig


def _triangle(ax: Axes, names: Sequence[str]) -> None:
    outline = torch.cat((CORNERS, CORNERS[:1]))
    ax.plot(outline[:, 0], outline[:, 1], color=COLOURS["ink"], lw=1.2, zorder=1)
    sides = (("center", "bottom", 0.03), ("left", "top", -0.03), ("right", "top", -0.03))
    for name, (x, y), (ha, va, shift) in zip(names, CORNERS.tolist(), sides, strict=True):
        ax.text(x, y + shift, name, ha=ha, va=va, weight="bold")
    ax.set(xlim=(-0.05, 1.05), ylim=(-0.1, 0.97), aspect="equal")
    ax.axis("off")


def _three(beliefs: ArrayLike, name: str) -> Tensor:
    table = probabilities(beliefs, name=name)
    if table.ndim != 2 or table.shape[1] != 3:
        raise ValueError(f"{name}: expected [beliefs, 3], got shape {tuple(table.shape)}")
    return table.double()


def belief_trail(beliefs: ArrayLike, names: Sequence[str], labels: Sequence[str]) -> Figure:
    """Beliefs over three states one after another in the triangle.

    Args:
        beliefs: ``[time, 3]``, each summing to 1.
        names: of the three corners: top, left, right.
        labels: one for each belief; they are listed, and the dots carry their numbers from 0.

    >>> len(belief_trail([[0.6, 0.2, 0.2]], ["home", "asleep", "out"], ["start"]).axes)
    1
    """
    table = _three(beliefs, "beliefs")
    if len(labels) != len(table):
        raise ValueError(f"labels: expected {len(table)}, one a belief, got {len(labels)}")
    fig, ax = new_figure(6.0, 5.2)
    _triangle(ax, names)
    at = table @ CORNERS  # [time, xy]
    ax.plot(at[:, 0], at[:, 1], color=COLOURS["exact"], lw=1.2, alpha=0.6, zorder=2)
    ax.scatter(at[:, 0], at[:, 1], color=COLOURS["exact"], s=150, zorder=3)
    for t, point in enumerate(at.tolist()):
        ax.text(
            *point, str(t), color="white", ha="center", va="center", fontsize=8.5, weight="bold", zorder=4
        )
    key = "\n".join(f"{t}  {label}" for t, label in enumerate(labels))
    ax.text(-0.03, 0.9, key, va="top", fontsize=9.5, linespacing=1.35)
    return fig


def belief_cloud(beliefs: ArrayLike, last: Tensor, names: Sequence[str], title: str) -> Figure:
    """Many beliefs over three states as dots in the triangle, coloured by the last symbol.

    Args:
        beliefs: ``[beliefs, 3]``.
        last: int64 ``[beliefs]``, the last symbol, from 0 to 2.
        names: of the three corners: top, left, right.
        title: of the figure.

    >>> len(belief_cloud([[0.6, 0.2, 0.2]], torch.tensor([0]), ["A", "B", "C"], "One belief").axes)
    1
    """
    table = _three(beliefs, "beliefs")
    if tuple(last.shape) != (len(table),):
        raise ValueError(f"last: expected [{len(table)}], got {tuple(last.shape)}")
    fig, ax = new_figure(5.6, 5.2)
    _triangle(ax, names)
    at = table @ CORNERS  # [beliefs, xy]
    for symbol, colour in enumerate(STATES):
        chosen = at[last == symbol]
        ax.plot(
            chosen[:, 0], chosen[:, 1], ".", color=colour, ms=1.6, mew=0, label=f"last symbol {names[symbol]}"
        )
    ax.legend(loc="upper right", markerscale=7, fontsize=9.5)
    ax.set_title(title)
    return fig


def over_time(
    curves: Mapping[str, Tensor], truth: Sequence[int], symbols: Sequence[str], state: str
) -> Figure:
    """Probability of one state over time under several observers, with what was heard below and the truth shaded.

    Args:
        curves: name -> probabilities ``[time]``; the first is drawn in the colour of the exact answer.
        truth: 1 where the state was the true one, ``[time]``.
        symbols: what was heard at each time.
        state: its name.

    >>> len(over_time({"exact": torch.tensor([0.5, 0.9])}, [0, 1], ["quiet", "steps"], "home").axes)
    1
    """
    fig, ax = new_figure(7.6, 3.2)
    times = torch.arange(len(symbols))
    for t, true in enumerate(truth):
        if true:
            ax.axvspan(t - 0.5, t + 0.5, color=COLOURS["light"], zorder=0, lw=0)
    styles = ((COLOURS["exact"], "o-"), (COLOURS["second"], "s--"))
    for (name, curve), (colour, style) in zip(curves.items(), styles, strict=False):
        ax.plot(times, curve, style, color=colour, ms=5, label=name)
    ax.set_xticks(times.tolist(), symbols, rotation=90, fontsize=9)
    ax.set(ylim=(-0.03, 1.03), ylabel=f"chance: {state}", xlim=(-0.5, len(symbols) - 0.5))
    ax.set_title(f"Shaded: he really {state}", fontsize=10.5, weight="normal")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return fig


def forgetting(distances: Mapping[str, ArrayLike]) -> Figure:
    """Distance of two observers over the steps, in bits on a logarithmic scale, one line for each chain.

    >>> len(forgetting({"sticky": [1.0, 0.5, 0.25]}).axes)
    1
    """
    fig, ax = new_figure(6.6, 3.4)
    colours = (COLOURS["exact"], COLOURS["third"], COLOURS["second"])
    for (name, values), colour, marker in zip(distances.items(), colours, MARKERS, strict=False):
        ax.semilogy(as_tensor(values, name), color=colour, marker=marker, ms=4, label=name)
    ax.set(xlabel="sounds heard by both", ylabel="distance in bits, logarithmic")
    ax.legend()
    return fig


def window_cost(curves: Mapping[str, Mapping[int, float]], threshold: float) -> Figure:
    """KL to the exact belief in bits against the window, one line for each law, and the threshold.

    Args:
        curves: name -> {window: KL in bits, above 0}.
        threshold: in bits, drawn as a grey line.

    >>> len(window_cost({"sticky": {1: 0.3, 2: 0.1}}, threshold=0.05).axes)
    1
    """
    fig, ax = new_figure(7.0, 3.8)
    colours = (COLOURS["exact"], COLOURS["good"], COLOURS["third"], COLOURS["model"], COLOURS["second"])
    for (name, curve), colour, marker in zip(curves.items(), colours, MARKERS, strict=False):
        ax.plot(list(curve), list(curve.values()), color=colour, marker=marker, ms=4, label=name)
    ax.axhline(threshold, color=COLOURS["reference"], ls="--", lw=1.2)
    ax.text(1, threshold * 0.8, f"{threshold:g} bit", color=COLOURS["reference"], va="top", fontsize=9.5)
    ax.set(
        xscale="log",
        yscale="log",
        ylim=(1e-4, 1.5),
        xlabel="window: last w symbols",
        ylabel="KL(exact ‖ window), bits",
    )
    ax.set_xticks([1, 2, 4, 8, 16, 32], ["1", "2", "4", "8", "16", "32"])
    ax.minorticks_off()
    ax.legend(title="stickiness", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return fig
