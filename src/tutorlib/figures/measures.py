"""Figures of chapter 07: how far back an observer must see, which measures bound which, and entropies of single games."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from tutorlib.arguments import real_tensor
from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["entropies_of_games", "memory_needed", "who_bounds_whom"]


def memory_needed(rows: Mapping[str, tuple[int, int, str]]) -> Figure:
    """For each task a bar as long as its past, filled as far back as an observer must see.

    Args:
        rows: name of the task -> (steps needed, steps there are, what a step is called).

    Raises:
        ValueError: if there is no task, or more is needed than there is.

    >>> len(memory_needed({"coin": (48, 49, "tosses")}).axes[0].patches)
    2
    """
    if not rows:
        raise ValueError("rows: expected at least one task, got none")
    fig, axis = new_figure(7.0, 0.5 * len(rows) + 1.1)
    for place, (name, (needed, there, unit)) in enumerate(rows.items()):
        if not 0 <= needed <= there or there < 1:
            raise ValueError(f"rows: expected 0 to {there} steps for {name}, got {needed}")
        axis.barh(place, 1, color=COLOURS["light"], height=0.62)
        axis.barh(place, needed / there, color=COLOURS["exact"], height=0.62)
        axis.text(1.02, place, f"{needed} of {there} {unit}", va="center", color=COLOURS["ink"], fontsize=10)
    axis.set_yticks(range(len(rows)), list(rows))
    axis.set(title="How much of the past is needed", xlim=(0, 1.45), xlabel="share of the past")
    axis.set_xticks([0, 0.5, 1], ["0", "half", "all"])
    axis.grid(visible=False)
    axis.invert_yaxis()
    return fig


def who_bounds_whom(
    kl: Tensor,
    tv: Tensor,
    entropy_error: Tensor,
    named: Mapping[str, tuple[float, float, float]],
    outcomes: int,
) -> Figure:
    """Answers as points: total variation against KL, and entropy error against total variation, with both bounds.

    Args:
        kl: bits, ``[answers]``; infinite ones stand at the right edge.
        tv: ``[answers]``.
        entropy_error: bits, ``[answers]``.
        named: answers to label, name -> (KL, TV, entropy error).
        outcomes: over how many outcomes the answers are.

    Raises:
        ValueError: if the tensors are not of one length.

    >>> some = torch.tensor([0.1, 0.2])
    >>> len(who_bounds_whom(some, some, some, {"look-up": (torch.inf, 0.5, 0.0)}, 4).axes)
    2
    """
    points = [
        real_tensor(name, x, "[answers]")
        for name, x in (("kl", kl), ("tv", tv), ("entropy_error", entropy_error))
    ]
    if len({len(x) for x in points}) != 1 or outcomes < 2:
        raise ValueError(f"kl, tv, entropy_error: expected one length, got {[len(x) for x in points]}")
    fig, (left, right) = new_figure(9.0, 3.9, columns=2)
    edge = 4.0  # bits, the right edge of the left panel
    grid = torch.linspace(0, edge, 200)
    left.scatter(
        kl.clamp(max=edge).tolist(), tv.tolist(), s=5, color=COLOURS["reference"], alpha=0.4, linewidths=0
    )
    left.plot(
        grid, (grid * math.log(2) / 2).sqrt().clamp(max=1), color=COLOURS["exact"], label="bound, part 3"
    )
    inside = torch.linspace(1e-6, 1 - 1 / outcomes, 200)
    binary = -inside * inside.log2() - (1 - inside) * (1 - inside).log2()
    bound = inside * math.log2(outcomes - 1) + binary
    right.scatter(
        tv.tolist(), entropy_error.tolist(), s=5, color=COLOURS["reference"], alpha=0.4, linewidths=0
    )
    right.plot(inside, bound, color=COLOURS["exact"], label="bound, part 4")
    for name, (k, t, e) in named.items():
        far = k >= edge
        for axis, x, y in ((left, min(k, edge), t), (right, t, e)):
            axis.plot(x, y, "D", color=COLOURS["model"], markersize=6, clip_on=False)
            words = f"{name} (infinite)" if far and axis is left else name
            turned = x > 0.55 * (edge if axis is left else 1)
            axis.annotate(words, (x, y), xytext=(-8 if turned else 8, 6), textcoords="offset points",
                          ha="right" if turned else "left", fontsize=9, color=COLOURS["ink"])  # fmt: skip
    left.set(
        title="A small KL forces a small TV", xlabel="KL, bits", ylabel="TV", xlim=(0, edge), ylim=(0, 1.08)
    )
    right.set(
        title="A small TV, a small entropy error", xlabel="TV", ylabel="entropy error, bits", xlim=(0, 1.02)
    )
    right.set_ylim(-0.08, math.log2(outcomes) + 0.15)
    for axis in (left, right):
        axis.title.set_fontsize(11)
    left.legend(loc="lower right")
    right.legend(loc=(0.52, 0.62))
    return fig


def entropies_of_games(
    exact: Tensor, fraud: Sequence[float] | Tensor, name: str, unit: str = "song"
) -> Figure:
    """Exact entropies of single games as thin lines, and beside them the one curve of a fraud who saw none of them.

    Args:
        exact: bits, ``[games, positions]``.
        fraud: the fraud's entropy at each position, bits, ``[positions]``.
        name: what the fraud is called.
        unit: label of the positions, counted from 1.

    Raises:
        ValueError: if the shapes do not fit.

    >>> len(entropies_of_games(torch.rand(3, 4), [1.0, 0.5, 0.2, 0.1], "clock").axes[0].lines)
    4
    """
    real_tensor("exact", exact, "[games, positions]")
    if exact.shape[1] != len(fraud):
        raise ValueError(f"fraud: expected {exact.shape[1]} positions, got {len(fraud)}")
    fig, axis = new_figure(7.0, 3.4)
    positions = range(1, exact.shape[1] + 1)
    for row, game in enumerate(exact.tolist()):
        label = None if row else "exact, one game"
        axis.plot(
            positions,
            game,
            color=COLOURS["exact"],
            linewidth=1,
            alpha=0.55,
            drawstyle="steps-mid",
            label=label,
        )
    axis.plot(
        positions,
        list(map(float, fraud)),
        "o--",
        color=COLOURS["model"],
        markersize=4,
        label=f"{name}, every game",
    )
    axis.set(title="Entropy of the next song", xlabel=unit, ylabel="bits")
    axis.set_xticks([1, *range(5, exact.shape[1] + 1, 5)])
    axis.legend()
    return fig
