"""Figures of chapter 16: axes of uncertainty by layer, and what a network holds word by word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["axes_by_layer", "entropy_along", "keys_and_attention", "readings", "toy_bars"]


def entropy_along(words: Sequence[str], curves: Mapping[str, Sequence[float]]) -> Figure:
    """Entropy of the next word after each word of a text, one line for each name.

    >>> len(entropy_along(["the", "dog"], {"exact": [1.0, 2.0]}).axes)
    1
    """
    fig, ax = new_figure(8.0, 3.2)
    styles = ((COLOURS["exact"], "o", "-"), (COLOURS["model"], "s", "--"))
    for (name, values), (colour, mark, line) in zip(curves.items(), styles, strict=False):
        ax.plot(range(len(words)), list(values), line, color=colour, marker=mark, ms=4.5, label=name)
    ax.set_xticks(range(len(words)), words, rotation=60, ha="right", fontsize=9.5)
    ax.set(ylabel="entropy of what follows, bits", ylim=(-0.15, None))
    ax.legend()
    return fig


def readings(panels: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """What an axis reads against the exact entropy, one panel for each title; ``[n]`` each, entropy first.

    >>> len(readings({"PC1": (torch.rand(4), torch.rand(4))}).axes)
    1
    """
    fig, axes = new_figure(3.7 * len(panels) + 0.3, 3.5, columns=len(panels), squeeze=False)
    for ax, (title, (entropy, read)) in zip(axes[0], panels.items(), strict=True):
        ax.plot(entropy, read, ".", color=COLOURS["exact"], ms=3, alpha=0.5, mew=0)
        ax.set_title(title, fontsize=10.5)
        ax.set_xlabel("exact entropy, bits")
    axes[0][0].set_ylabel("reading of the axis")
    return fig


def toy_bars(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Size of the rank correlation with the exact entropy for PC1 and probe, trained beside untrained.

    Args:
        rows: each with ``name``, ``first`` and ``rank`` (lists, one number a network) and ``untrained_first``,
            ``untrained_rank``.

    >>> row = {"name": "values", "first": [0.4], "rank": [0.9], "untrained_first": 0.3, "untrained_rank": 0.6}
    >>> len(toy_bars([row]).axes)
    1
    """
    fig, ax = new_figure(7.2, 0.62 * len(rows) + 1.5)
    sets = (("first", COLOURS["model"], "o", "PC1", -0.13), ("rank", COLOURS["exact"], "s", "probe", 0.13))
    for i, row in enumerate(rows):
        for key, colour, mark, label, shift in sets:
            named = label if i == 0 else None
            ax.plot(row[key], [i + shift] * len(row[key]), mark, color=colour, ms=7, alpha=0.8, label=named)
            control = f"{label}, untrained" if i == 0 else None
            ax.plot(row[f"untrained_{key}"], i + shift, "|", color=colour, ms=13, mew=2.2, label=control)
    ax.set_yticks(range(len(rows)), [str(row["name"]) for row in rows])
    ax.set(xlabel="size of the rank correlation with the exact entropy", xlim=(0, 1.02))
    ax.invert_yaxis()
    ax.legend(fontsize=9.5, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return fig


def axes_by_layer(panels: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Rank correlations by layer: PC1 and probe with intervals, random directions as a band, one panel a title.

    Args:
        panels: title -> ``first`` and ``rank`` (lists of ``[mean, low, high]``, sizes), ``random`` (list), ``token``
            (one number).

    >>> one = {"first": [[0.1, 0.0, 0.2]], "rank": [[0.6, 0.5, 0.7]], "random": [0.2], "token": 0.3}
    >>> len(axes_by_layer({"values": one}).axes)
    1
    """
    fig, axes = new_figure(4.3 * len(panels) + 0.4, 3.6, columns=len(panels), squeeze=False, sharey=True)
    for ax, (title, panel) in zip(axes[0], panels.items(), strict=True):
        at = range(len(panel["random"]))
        ax.fill_between(at, 0, panel["random"], color=COLOURS["light"], label="95 % of random directions")
        ax.axhline(panel["token"], color=COLOURS["reference"], ls=":", lw=1.5, label="last token alone")
        for key, colour, mark, label in (
            ("rank", COLOURS["exact"], "s", "probe, held out"),
            ("first", COLOURS["model"], "o", "PC1"),
        ):
            mean, low, high = torch.tensor(panel[key], dtype=torch.float64).T
            ax.plot(at, mean, color=colour, marker=mark, ms=4, label=label)
            ax.fill_between(at, low, high, color=colour, alpha=0.2, lw=0)
        ax.set_title(title, fontsize=10.5)
        ax.set(xlabel="layer", ylim=(0, 0.9))
    axes[0][0].set_ylabel("size of the rank correlation")
    axes[0][-1].legend(fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return fig


def keys_and_attention(
    keys: Sequence[float],
    references: Mapping[str, float],
    attention: Sequence[float],
    ratios: Mapping[str, Sequence[float]],
) -> Figure:
    """Three panels by layer: angles of key columns with references, attention entropy, participation ratios.

    >>> len(keys_and_attention([0.1], {"random": 0.03}, [2.0], {"trained": [80.0]}).axes)
    3
    """
    fig, axes = new_figure(9.6, 3.3, columns=3)
    lines = (COLOURS["exact"], COLOURS["model"], COLOURS["good"])
    axes[0].plot(list(keys), color=lines[0], marker="o", ms=4)
    for (name, value), style in zip(references.items(), ("--", ":", "-."), strict=False):
        axes[0].axhline(value, color=COLOURS["reference"], ls=style, lw=1.4, label=name)
    axes[0].legend(fontsize=9)
    axes[0].set(ylabel="mean |cos| of key columns", ylim=(0, None))
    axes[1].plot(list(attention), color=lines[0], marker="o", ms=4)
    axes[1].set(ylabel="attention entropy, bits", ylim=(0, None))
    for (name, values), colour, mark in zip(ratios.items(), lines, "os^", strict=False):
        axes[2].plot(list(values), color=colour, marker=mark, ms=4, label=name)
    axes[2].legend(fontsize=9)
    axes[2].set(ylabel="participation ratio of values", ylim=(0, None))
    for ax in axes:
        ax.set_xlabel("layer")
    return fig
