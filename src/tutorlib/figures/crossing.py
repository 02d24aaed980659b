"""Figures of chapter 03: a list that is crossed out, tables of pairs, coins of unknown bias, the cost of a prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from tutorlib.bits import ArrayLike, as_tensor, probabilities
from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["bias_beliefs", "costs", "list_of_dots", "marks_on_a_line", "pair_tables", "shrinking_grid"]

CURVES = (COLOURS["second"], COLOURS["exact"], COLOURS["model"], COLOURS["good"])
STYLES = ("-", "--", "-.", ":")


def list_of_dots(alive: Tensor, titles: Sequence[str], columns: int = 24) -> Figure:
    """Every hypothesis of a list as a dot, one panel for each step; those crossed out are pale.

    Args:
        alive: bool ``[steps, hypotheses]``, the hypotheses in rows of ``columns`` from the top.
        titles: one for each step.
        columns: dots in a row.

    Raises:
        ValueError: if the shapes do not fit.

    >>> len(list_of_dots(torch.tensor([[True, True], [True, False]]), ["before", "after"], columns=2).axes)
    2
    """
    if alive.ndim != 2 or alive.dtype != torch.bool or len(titles) != len(alive):
        raise ValueError(
            f"alive, titles: expected bool [steps, hypotheses] and a title a step, got {alive.dtype} "
            f"{tuple(alive.shape)} and {len(titles)} titles"
        )
    fig, axes = new_figure(2.35 * len(alive), 3.2, columns=len(alive), squeeze=False)
    places = torch.arange(alive.shape[1])
    x, y = places % columns, places // columns  # [hypotheses] each
    for ax, step, title in zip(axes[0], alive, titles, strict=True):
        ax.scatter(x[~step], y[~step], s=5, color=COLOURS["light"], linewidths=0)
        ax.scatter(x[step], y[step], s=9, color=COLOURS["exact"], linewidths=0)
        ax.set_title(title, fontsize=10)
        ax.set(xlim=(-1, columns), ylim=(int(y.max()) + 1, -1), aspect="equal")
        ax.axis("off")
    return fig


def pair_tables(
    tables: Sequence[ArrayLike], titles: Sequence[str], keys: Sequence[str], values: Sequence[str]
) -> Figure:
    """Tables ``[keys, values]`` of the belief that a key belongs to a value, with their numbers.

    Args:
        tables: probabilities, each row summing to 1.
        titles: one for each table.
        keys: names of the rows.
        values: names of the columns.

    >>> len(pair_tables([[[0.5, 0.5], [0.5, 0.5]]], ["before"], ["a", "b"], ["x", "y"]).axes)
    1
    """
    fig, axes = new_figure(
        0.62 * len(values) * len(tables), 0.5 * len(keys) + 0.7, len(tables), squeeze=False
    )
    for ax, table, title in zip(axes[0], tables, titles, strict=True):
        rows = probabilities(table, name="table")  # [keys, values]
        ax.imshow(rows, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for i, row in enumerate(rows.tolist()):
            for j, share in enumerate(row):
                ink = "white" if share > 0.6 else COLOURS["ink"]
                text = f"{share:.2f}".lstrip("0") if 0 < share < 1 else f"{share:.0f}"
                ax.text(j, i, text, ha="center", va="center", fontsize=10, color=ink)
        ax.set_xticks(range(len(values)), values)
        ax.set_yticks(range(len(keys)), keys)
        ax.tick_params(length=0, labeltop=True, labelbottom=False)
        ax.set_title(title, fontsize=10.5)
        ax.grid(visible=False)
        ax.spines[["left", "bottom"]].set_visible(False)
    axes[0, 0].set_ylabel("key")
    return fig


def bias_beliefs(biases: ArrayLike, steps: ArrayLike, titles: Sequence[str]) -> Figure:
    """Beliefs over a list of coins, one panel of bars a step.

    Args:
        biases: chance of heads of each coin, ``[coins]``.
        steps: beliefs ``[steps, coins]``.
        titles: one for each step.

    >>> len(bias_beliefs([0.2, 0.8], [[0.5, 0.5], [0.2, 0.8]], ["before", "after"]).axes)
    2
    """
    x, table = as_tensor(biases, "biases"), probabilities(steps, name="steps")
    if table.ndim != 2 or x.shape != table.shape[1:] or len(titles) != len(table):
        raise ValueError(
            f"biases, steps, titles: expected [coins], [steps, coins] and a title a step, got {tuple(x.shape)}, "
            f"{tuple(table.shape)} and {len(titles)} titles"
        )
    fig, axes = new_figure(1.95 * len(table), 2.3, columns=len(table), sharey=True, squeeze=False)
    for ax, belief, title in zip(axes[0], table, titles, strict=True):
        ax.bar(x, belief, color=COLOURS["exact"], width=0.8 / (len(x) - 1))
        ax.set_title(title, fontsize=11)
        ax.set(xlabel="chance of heads", xticks=[0, 0.5, 1])
    axes[0, 0].set(ylim=(0, 1.15 * float(table.max())), ylabel="belief")
    return fig


def shrinking_grid(sizes: Sequence[int], predictions: ArrayLike, limit: float) -> Figure:
    """The prediction from lists of more and more coins, and the number it tends to.

    >>> len(shrinking_grid([2, 4, 8], [0.7, 0.68, 0.67], limit=2 / 3).axes)
    1
    """
    y = as_tensor(predictions, "predictions")
    if len(sizes) != len(y):
        raise ValueError(f"sizes, predictions: expected as many of each, got {len(sizes)} and {len(y)}")
    fig, ax = new_figure(6.0, 2.8)
    ax.axhline(limit, color=COLOURS["reference"], ls="--", lw=1.5)
    ax.plot(sizes, y, color=COLOURS["exact"], marker="o", ms=6)
    for size, value in zip(sizes, y.tolist(), strict=True):
        ax.annotate(f"{value:.3f}", (size, value), (5, 5), textcoords="offset points", fontsize=10)
    ax.set(xscale="log", xlabel="coins on the list", ylabel="chance of heads next", ylim=(0.62, 1.06))
    ax.set_xticks(list(sizes), [f"{size:,}" for size in sizes])
    ax.minorticks_off()
    return fig


def marks_on_a_line(heads: int, tails: int) -> Figure:
    """A marker and the balls seen so far on a line, with the gaps into which the next ball may fall numbered.

    Balls left of the marker are heads. The marks are evenly spaced, since only their order counts.

    >>> len(marks_on_a_line(heads=2, tails=1).axes)
    1
    """
    if heads < 0 or tails < 0:
        raise ValueError(f"heads, tails: expected counts of at least 0, got {heads} and {tails}")
    fig, ax = new_figure(6.6, 1.75)
    gaps = heads + tails + 2
    ax.plot([0, gaps], [0, 0], color=COLOURS["ink"], lw=2, zorder=1)
    for place in range(1, gaps):
        if place == heads + 1:
            ax.plot([place, place], [-0.28, 0.42], color=COLOURS["ink"], lw=4, zorder=2)
            ax.text(place, 0.5, "marker", ha="center", va="bottom")
        else:
            fill = COLOURS["exact"] if place <= heads else "white"
            ax.scatter([place], [0], s=170, color=fill, edgecolors=COLOURS["ink"], linewidths=1.5, zorder=3)
            ax.text(
                place, 0.28, "heads" if place <= heads else "tails", ha="center", va="bottom", fontsize=10
            )
    for gap in range(gaps):
        ink = COLOURS["exact"] if gap <= heads else COLOURS["reference"]
        ax.text(gap + 0.5, -0.2, f"gap {gap + 1}", ha="center", va="top", color=ink, fontsize=10)
    ax.set(xlim=(-0.1, gaps + 0.1), ylim=(-0.6, 0.95))
    ax.axis("off")
    return fig


def costs(
    tosses: ArrayLike,
    curves: Mapping[str, ArrayLike],
    limits: Mapping[str, float] | None = None,
    top: float = 20,
) -> Figure:
    """What each wrong prior has cost by the n-th toss, in bits, the tosses on a logarithmic axis.

    Args:
        tosses: ``[moments]``, at least 1.
        curves: name -> mean cost in bits ``[moments]``; at most four.
        limits: name -> the most it can cost, drawn as a thin line in the colour of the curve.
        top: end of the axis; curves may leave the picture.

    >>> len(costs([1, 10, 100], {"stubborn": [0.5, 2.0, 3.0]}).axes)
    1
    """
    n = as_tensor(tosses, "tosses")
    if n.ndim != 1 or (n < 1).any() or len(curves) > len(CURVES):
        raise ValueError(
            f"tosses, curves: expected numbers of at least 1 and at most {len(CURVES)} curves, got {len(curves)} curves"
        )
    fig, ax = new_figure(7.0, 3.6)
    for (name, bits), colour, style in zip(curves.items(), CURVES, STYLES, strict=False):
        ax.plot(n, as_tensor(bits, name), color=colour, ls=style, label=name)
        if limits and name in limits:
            ax.axhline(limits[name], color=colour, lw=1, ls=(0, (1, 3)))
    ax.set(
        xscale="log", ylim=(-0.3, top), xlabel="tosses", ylabel="cost so far, bits", xlim=(1, float(n.max()))
    )
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    ax.legend(loc="upper left")
    return fig
