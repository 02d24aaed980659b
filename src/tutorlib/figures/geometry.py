"""Figures of chapter 11: angles, clouds and what a probe reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from tutorlib.figures.style import COLOURS, new_figure
from tutorlib.figures.tracking import CORNERS, STATES, _triangle

__all__ = [
    "abs_cosines",
    "angles_by_network",
    "cosine_maps",
    "over_training",
    "probe_by_layer",
    "repeated_pairs",
    "scores_and_entropy",
    "simplexes",
]

LINES = (COLOURS["exact"], COLOURS["model"], COLOURS["good"], COLOURS["reference"], COLOURS["second"])
MARKS = ("o", "s", "^", "D", "v")


def abs_cosines(samples: Mapping[str, Tensor]) -> Figure:
    """How often each size of ``|cos|`` comes up: one outline for each name, of numbers ``[pairs]`` from 0 to 1.

    >>> len(abs_cosines({"2 dimensions": torch.tensor([0.1, 0.9])}).axes)
    1
    """
    fig, ax = new_figure(7.0, 3.4)
    for (name, values), colour, style in zip(
        samples.items(), LINES, ("-", "--", "-.", ":", "-"), strict=False
    ):
        counts = torch.histc(values.double(), 40, 0, 1) / len(values)
        ax.stairs(100 * counts, torch.linspace(0, 1, 41), color=colour, ls=style, lw=2, label=name)
    ax.set(xlabel="|cos| of two random directions", ylabel="pairs, %", xlim=(0, 1))
    ax.legend()
    return fig


def cosine_maps(maps: Mapping[str, Tensor], name: str) -> Figure:
    """Tables of cosines ``[n, n]`` side by side, from -1 (violet) over 0 (white) to 1 (brown).

    >>> len(cosine_maps({"keys": torch.eye(3)}, "token").axes)
    2
    """
    fig, axes = new_figure(2.7 * len(maps) + 0.6, 3.0, columns=len(maps), squeeze=False)
    for ax, (title, table) in zip(axes[0], maps.items(), strict=True):
        image = ax.imshow(table.double(), vmin=-1, vmax=1, cmap="PuOr_r")
        ax.set_title(title, fontsize=10.5)
        ax.set(xlabel=name, xticks=(), yticks=())
        ax.grid(False)
    fig.colorbar(image, ax=axes[0], label="cosine", shrink=0.8)
    return fig


def angles_by_network(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Mean ``|cos|`` of keys and of values for each network, on the band of random vectors.

    Args:
        rows: each with ``name``, ``keys``, ``values``, ``untrained`` (low and high), ``random`` (low and high).

    >>> row = {"name": "a", "keys": 0.9, "values": 0.1, "untrained": (0.2, 0.3), "random": (0.1, 0.2)}
    >>> len(angles_by_network([row]).axes)
    1
    """
    fig, ax = new_figure(7.4, 0.42 * len(rows) + 1.4)
    for i, row in enumerate(rows):
        first = i == 0
        for key, colour, half in (("random", COLOURS["light"], 0.42), ("untrained", COLOURS["third"], 0.12)):
            low, high = row[key]
            ax.barh(i, high - low, 2 * half, low, color=colour, label=key if first else None, zorder=2)
        for key, colour, mark in (("keys", COLOURS["model"], "o"), ("values", COLOURS["exact"], "s")):
            ax.plot(row[key], i, mark, color=colour, ms=8, label=key if first else None, zorder=3)
    ax.set_yticks(range(len(rows)), [row["name"] for row in rows])
    ax.grid(False)
    ax.set(xlabel="mean |cos| over all pairs", xlim=(0, 1.03))
    ax.invert_yaxis()
    ax.legend(loc="center", bbox_to_anchor=(0.56, 0.5))
    return fig


def over_training(
    steps: Sequence[int],
    angles: Mapping[str, Sequence[float]],
    reference: float,
    others: Mapping[str, Sequence[float]],
) -> Figure:
    """Two panels over the steps of a training run, on a logarithmic axis: angles, and what else changes.

    Args:
        steps: of the snapshots; 0 is drawn at half the first step after it.
        angles: name -> mean ``|cos|`` at each step.
        reference: what random vectors have.
        others: name -> numbers at each step.

    >>> len(over_training([0, 10], {"keys": [0.2, 0.9]}, 0.14, {"error": [1.0, 0.1]}).axes)
    2
    """
    fig, axes = new_figure(8.2, 3.4, columns=2)
    at = [step or steps[1] / 2 for step in steps]
    sets = ((angles, (COLOURS["model"], COLOURS["exact"])), (others, (COLOURS["good"], COLOURS["ink"])))
    for ax, (curves, colours) in zip(axes, sets, strict=True):
        for (name, values), colour, mark in zip(curves.items(), colours, MARKS, strict=False):
            ax.plot(at, values, color=colour, marker=mark, ms=4.5, label=name)
        ax.set(xscale="log", xlabel="training step")
        ax.legend(fontsize=9.5)
    axes[0].axhline(reference, color=COLOURS["reference"], ls="--", lw=1.2)
    axes[0].text(at[-1], reference + 0.02, "random", color=COLOURS["reference"], fontsize=9.5, ha="right")
    axes[0].set_ylabel("mean |cos|")
    return fig


def scores_and_entropy(panels: Mapping[str, tuple[Tensor, Tensor, Tensor]]) -> Figure:
    """The first principal coordinate against the exact entropy, each point coloured by its position.

    Args:
        panels: title -> coordinate, entropy in bits and position, each ``[n]``.

    >>> len(scores_and_entropy({"a": (torch.rand(4), torch.rand(4), torch.arange(4))}).axes)
    2
    """
    fig, axes = new_figure(4.0 * len(panels) + 0.6, 3.6, columns=len(panels), squeeze=False)
    for ax, (title, (scores, entropy, position)) in zip(axes[0], panels.items(), strict=True):
        dots = ax.scatter(entropy, scores / scores.double().std(), c=position, s=7, cmap="viridis", lw=0)
        ax.set_title(title, fontsize=10.5)
        ax.set_xlabel("exact entropy, bits")
    axes[0][0].set_ylabel("PC1, in its standard deviations")
    fig.colorbar(dots, ax=axes[0], label="position")
    return fig


def repeated_pairs(pairs: Sequence[int], curves: Mapping[str, Sequence[float]]) -> Figure:
    """A coordinate against the number of pairs in the sequence, for usual games and for repeated pairs.

    >>> len(repeated_pairs([3, 6], {"new pairs": [0.0, 1.0], "the same three": [0.0, 0.0]}).axes)
    1
    """
    fig, ax = new_figure(6.6, 3.4)
    for (name, values), colour, mark in zip(curves.items(), LINES, MARKS, strict=False):
        ax.plot(list(pairs), values, color=colour, marker=mark, label=name)
    ax.set(xlabel="pairs shown", ylabel="PC1, share of the usual way", xticks=list(pairs))
    ax.legend()
    return fig


def probe_by_layer(panels: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Held-out R2 of a probe after each layer, one panel for each target; every second line dashed, as a control.

    Args:
        panels: title -> network -> R2 after 0, 1, ... blocks; each network is followed by its control.

    >>> len(probe_by_layer({"belief": {"trained": [0.5, 0.9], "untrained": [0.4, 0.4]}}).axes)
    1
    """
    fig, axes = new_figure(3.4 * len(panels) + 2.0, 3.4, columns=len(panels), squeeze=False, sharey=True)
    for ax, (title, curves) in zip(axes[0], panels.items(), strict=True):
        for i, (name, values) in enumerate(curves.items()):
            colour, style = LINES[i // 2 % len(LINES)], "--" if i % 2 else "-"
            ax.plot(range(len(values)), values, style, color=colour, marker=MARKS[i % len(MARKS)], label=name)
        ax.set_title(title, fontsize=10.5)
        ax.set(xlabel="blocks passed", xticks=range(len(values)), ylim=(-0.08, 1.02))
    axes[0][0].set_ylabel("held-out R²")
    axes[0][-1].legend(fontsize=9.5, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return fig


def simplexes(panels: Mapping[str, Tensor], colour_by: Tensor, names: Sequence[str]) -> Figure:
    """Beliefs over three states as dots in triangles, side by side. A probe's may lie outside.

    Args:
        panels: title -> ``[beliefs, 3]``.
        colour_by: int64 ``[beliefs]``, a symbol from 0 to 2.
        names: of the corners: top, left, right.

    >>> len(simplexes({"exact": torch.tensor([[0.6, 0.2, 0.2]])}, torch.tensor([0]), ["A", "B", "C"]).axes)
    1
    """
    fig, axes = new_figure(3.4 * len(panels), 3.5, columns=len(panels), squeeze=False)
    for ax, (title, beliefs) in zip(axes[0], panels.items(), strict=True):
        _triangle(ax, names)
        at = beliefs.double() @ CORNERS  # [beliefs, xy]
        for symbol, colour in enumerate(STATES):
            here = colour_by == symbol
            ax.plot(at[here, 0], at[here, 1], ".", color=colour, ms=2.2, mew=0)
        ax.set_title(title, fontsize=10.5)
    return fig
