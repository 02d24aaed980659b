"""Figures of chapter 01: trees of counts, the unit square, boxes of balls, beliefs, evidence in bits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle
from torch import Tensor

from tutorlib.bits import ArrayLike, as_tensor, probabilities
from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["base_rate_curve", "beliefs", "boxes", "evidence_steps", "frequency_tree", "unit_square"]

RED = "#B3261E"  # a red ball; a white one is hollow, so that they differ without colour
HYPOTHESIS = COLOURS["exact"], "#CFE3F1"  # evidence seen, evidence not seen
OTHER = COLOURS["third"], "#FAEBCC"


def _table(table: ArrayLike) -> Tensor:
    counts = as_tensor(table, "table")
    if counts.shape != (2, 2) or (counts < 0).any():
        raise ValueError(
            f"table: expected counts of at least 0 in shape (2, 2), got shape {tuple(counts.shape)}"
        )
    return counts


def _box(ax: Axes, x: float, y: float, text: str, fill: str, ink: str) -> None:
    width, height = 2.5, 0.66
    style = "round,pad=0,rounding_size=0.12"
    corner = (x - width / 2, y - height / 2)
    ax.add_patch(
        FancyBboxPatch(corner, width, height, boxstyle=style, facecolor=fill, edgecolor=COLOURS["ink"])
    )
    ax.text(x, y, text, ha="center", va="center", fontsize=11, color=ink, linespacing=1.15)


def frequency_tree(
    table: ArrayLike, cases: str, hypotheses: Sequence[str], outcomes: Sequence[str]
) -> Figure:
    """A tree of counts: all cases, split by hypothesis, then by what is seen.

    Args:
        table: counts ``[hypotheses, outcomes]``, two by two; the first outcome is the evidence.
        cases: what is counted, such as ``"mornings"``.
        hypotheses: names of the rows.
        outcomes: names of the columns.

    Raises:
        ValueError: if the table is not two by two or a count is negative.

    >>> len(frequency_tree([[240, 60], [105, 595]], "mornings", ["rainy", "dry"], ["rain", "dry"]).axes)
    1
    """
    counts = _table(table)
    fig, ax = new_figure(6.2, 3.3)
    ink = COLOURS["ink"]
    for row, x in enumerate((2.8, 8.2)):
        ax.plot([5.5, x], [2.9, 1.9], color=COLOURS["reference"], lw=1.5, zorder=0)
        for column, shift in enumerate((-1.35, 1.35)):
            ax.plot([x, x + shift], [1.45, 0.45], color=COLOURS["reference"], lw=1.5, zorder=0)
            full, pale = (HYPOTHESIS, OTHER)[row]
            fill = pale if column else full
            colour = "white" if row == column == 0 else ink
            _box(ax, x + shift, 0.3, f"{counts[row, column]:,.0f}\n{outcomes[column]}", fill, colour)
        _box(ax, x, 1.65, f"{counts[row].sum():,.0f}\n{hypotheses[row]}", "white", ink)
    _box(ax, 5.5, 3.0, f"{counts.sum():,.0f}\n{cases}", "white", ink)
    ax.set(xlim=(0.1, 10.9), ylim=(-0.1, 3.4))
    ax.axis("off")
    return fig


def unit_square(prior: float, likelihood: ArrayLike, hypotheses: Sequence[str], evidence: str) -> Figure:
    """A square of area 1: width is the prior, height the likelihood, so each area is a probability.

    Args:
        prior: probability of the first hypothesis, between 0 and 1.
        likelihood: probability of the evidence under each of the two hypotheses.
        hypotheses: their names.
        evidence: what is seen, written into the full-coloured areas.

    Raises:
        ValueError: if a probability lies outside [0, 1] or there are not two likelihoods.

    >>> len(unit_square(0.3, [0.8, 0.15], ["rainy", "dry"], "rain announced").axes)
    1
    """
    heights = as_tensor(likelihood, "likelihood")
    if heights.shape != (2,) or ((heights < 0) | (heights > 1)).any() or not 0 <= prior <= 1:
        raise ValueError(
            f"prior, likelihood: expected one and two probabilities, got {prior} and {heights.tolist()}"
        )
    fig, ax = new_figure(4.6, 4.4)
    left = 0.0
    for name, width, height, (full, pale), ink in zip(
        hypotheses,
        (prior, 1 - prior),
        heights.tolist(),
        (HYPOTHESIS, OTHER),
        ("white", COLOURS["ink"]),
        strict=True,
    ):
        ax.add_patch(Rectangle((left, 0), width, 1, facecolor=pale, edgecolor="white", lw=2))
        ax.add_patch(Rectangle((left, 0), width, height, facecolor=full, edgecolor="white", lw=2))
        middle = left + width / 2
        ax.text(middle, height / 2, f"{evidence}\n{width * height:.3f}", ha="center", va="center", color=ink)
        ax.text(middle, (1 + height) / 2, f"{width * (1 - height):.3f}", ha="center", va="center")
        ax.text(middle, 1.02, f"{name} {width:.2f}", ha="center", va="bottom", weight="bold")
        left += width
    ax.set(xlim=(0, 1), ylim=(0, 1.1), aspect="equal", xlabel="share of mornings", yticks=[0, 0.5, 1])
    ax.set_ylabel(f"share that was announced ({evidence})")
    ax.grid(False)
    ax.spines[["left", "bottom"]].set_visible(False)
    return fig


def base_rate_curve(base_rates: ArrayLike, posteriors: ArrayLike, marked: int) -> Figure:
    """Posterior against base rate, the base rate on a logarithmic axis; the point ``marked`` is labelled.

    >>> len(base_rate_curve([0.001, 0.01, 0.1], [0.02, 0.17, 0.69], marked=0).axes)
    1
    """
    x, y = as_tensor(base_rates, "base_rates"), as_tensor(posteriors, "posteriors")
    if x.ndim != 1 or x.shape != y.shape or (x <= 0).any():
        raise ValueError(
            f"base_rates, posteriors: expected two equally long lists, rates above 0, got {tuple(x.shape)} "
            f"and {tuple(y.shape)}"
        )
    fig, ax = new_figure(6.4, 3.4)
    ax.plot(x, y, color=COLOURS["exact"], marker="o", ms=5)
    ax.plot(x, x, color=COLOURS["reference"], ls="--", lw=1.5)
    ax.annotate(
        f"1 in {1 / float(x[marked]):,.0f}: {100 * float(y[marked]):.1f} %",
        (float(x[marked]), float(y[marked])),
        xytext=(-10, 26),
        textcoords="offset points",
        ha="center",
    )
    ax.text(
        float(x[-2]) * 0.8, float(y[-2]) + 0.02, "after a positive test", ha="right", color=COLOURS["exact"]
    )
    ax.text(float(x[-2]) * 1.2, float(x[-2]) - 0.06, "before it", ha="left", color=COLOURS["reference"])
    ax.set(
        xscale="log",
        ylim=(-0.03, 1.03),
        xlabel="base rate (share of people who are sick)",
        ylabel="chance of being sick",
    )
    ax.set_xticks(x.tolist(), [f"1 in {1 / rate:,.0f}" for rate in x.tolist()], fontsize=9)
    ax.minorticks_off()
    return fig


def boxes(red: Sequence[int], balls: int) -> Figure:
    """Boxes of balls: box ``i`` holds ``red[i]`` filled and ``balls - red[i]`` hollow ones.

    >>> len(boxes([1, 2], balls=3).axes)
    1
    """
    if not all(0 <= count <= balls for count in red):
        raise ValueError(f"red: expected counts from 0 to {balls}, got {list(red)}")
    fig, ax = new_figure(6.2, 0.85)
    for box, count in enumerate(red):
        ax.add_patch(Rectangle((box * 6.4, 0), 5.6, 1.6, facecolor="white", edgecolor=COLOURS["ink"], lw=1.5))
        for ball in range(balls):
            centre = (box * 6.4 + 0.6 + ball * 4.4 / (balls - 1), 0.8)
            fill = RED if ball < count else "white"
            ax.add_patch(Circle(centre, 0.42, facecolor=fill, edgecolor=COLOURS["ink"], lw=1.2))
        ax.text(box * 6.4 + 2.8, -0.35, f"box {box}", ha="center", va="top")
    ax.set(xlim=(-0.3, 6.4 * len(red) - 0.5), ylim=(-1.5, 1.8), aspect="equal")
    ax.axis("off")
    return fig


def beliefs(steps: ArrayLike, titles: Sequence[str], name: str = "box") -> Figure:
    """One panel of bars for each belief.

    Args:
        steps: beliefs ``[step, hypotheses]``, each summing to 1.
        titles: one for each step.
        name: what a hypothesis is called on the axis.

    >>> len(beliefs([[0.5, 0.5], [0.3, 0.7]], ["before", "after"]).axes)
    2
    """
    table = probabilities(steps, name="steps")
    if table.ndim != 2 or len(titles) != table.shape[0]:
        raise ValueError(
            f"steps, titles: expected [step, hypotheses] and a title a step, got {tuple(table.shape)} "
            f"and {len(titles)} titles"
        )
    fig, axes = new_figure(6.8, 2.3, columns=len(titles), sharey=True)
    for ax, title, belief in zip(axes, titles, table, strict=True):
        ax.bar(torch.arange(len(belief)), belief, color=COLOURS["exact"], width=0.8)
        ax.set_title(title, fontsize=11)
        ax.set(xlabel=name, xticks=range(len(belief)))
    axes[0].set(ylim=(0, 1.15 * float(table.max())), ylabel="belief")
    return fig


def evidence_steps(start: float, steps: Sequence[float], names: Sequence[str]) -> Figure:
    """Arrows along a line of log-odds, with the probabilities they stand for.

    Args:
        start: log-odds before the evidence, in bits.
        steps: bits that each piece of evidence adds.
        names: one for the start, then one for each step.

    >>> len(evidence_steps(0.0, [2.0], ["start", "test"]).axes)
    1
    """
    if len(names) != len(steps) + 1:
        raise ValueError(f"names: expected {len(steps) + 1}, one more than steps, got {len(names)}")
    fig, ax = new_figure(6.2, 2.2)
    places = [start]
    for step in steps:
        places.append(places[-1] + step)
    for before, after, name in zip(places, places[1:], names[1:], strict=False):
        arrow = {"arrowstyle": "-|>", "color": COLOURS["exact"], "lw": 2.5, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (after, 0.55), (before, 0.55), arrowprops=arrow)
        ax.text(
            (before + after) / 2,
            0.68,
            f"{name}: {after - before:+.3f} bits",
            ha="center",
            color=COLOURS["exact"],
        )
    for place in (places[0], places[-1]):
        ax.plot([place, place], [0, 0.55], color=COLOURS["ink"], lw=1.2, ls=":")
    ax.text(places[0] - 0.1, 0.55, names[0], ha="right", va="center")
    low, high = int(min(places)) - 2, int(max(places)) + 2
    ticks = list(range(low, high + 1))
    share = [1 / (1 + 2.0**-bits) for bits in ticks]
    labels = [
        f"{bits:+d}\n{100 * p:.0f} %" if bits else "0\n50 %" for bits, p in zip(ticks, share, strict=True)
    ]
    ax.set_xticks(ticks, [label.replace("-", "−") for label in labels])
    ax.set(
        xlim=(low - 0.4, high + 0.4),
        ylim=(0, 1),
        yticks=[],
        xlabel="log-odds in bits, and the probability they mean",
    )
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    return fig
