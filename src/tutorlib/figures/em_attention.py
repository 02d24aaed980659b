"""Figures of chapter 14: two ways to average, what pulls a score, learning curves, and how soon each rule gets there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure

from tutorlib.bits import ArrayLike, as_tensor
from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["learning", "lines", "speed"]

STYLES = (
    (COLOURS["exact"], "-"),
    (COLOURS["model"], "--"),
    (COLOURS["good"], "-."),
    (COLOURS["second"], (0, (1, 1))),
    (COLOURS["reference"], ":"),
)


def lines(
    x: ArrayLike,
    panels: Mapping[str, Mapping[str, ArrayLike]],
    xlabel: str,
    ylabel: str,
    mark: float | None = None,
) -> Figure:
    """Named curves over one axis, a panel for each group, with shared heights.

    Args:
        x: ``[point]``.
        panels: for each title the curves by name, ``[point]`` each, at most five.
        xlabel: what ``x`` is.
        ylabel: what the curves are.
        mark: where to draw a thin vertical line.

    Raises:
        ValueError: if there is no panel, or a curve has another length.

    >>> len(lines([0.0, 1.0], {"a": {"up": [0.0, 1.0]}, "b": {}}, "x", "y").axes)
    2
    """
    at = as_tensor(x, "x")
    if not panels:
        raise ValueError("panels: expected at least one, got none")
    fig, axes = new_figure(max(5.6, 3.5 * len(panels)), 3.0, columns=len(panels), sharey=True, squeeze=False)
    for ax, (title, curves) in zip(axes[0], panels.items(), strict=True):
        for (name, values), (colour, style) in zip(curves.items(), STYLES, strict=False):
            curve = as_tensor(values, name)
            if curve.shape != at.shape:
                raise ValueError(
                    f"{name}: expected {len(at)} heights, one for each x, got {tuple(curve.shape)}"
                )
            ax.plot(at, curve, color=colour, ls=style, label=name)
        if mark is not None:
            ax.axvline(mark, color=COLOURS["ink"], lw=0.8, ls=":")
        ax.set_title(title, fontsize=11)
        ax.set(xlabel=xlabel)
        if len(curves) > 1:
            ax.legend(fontsize=9)
    axes[0, 0].set(ylabel=ylabel)
    return fig


def learning(
    panels: Mapping[str, tuple[ArrayLike, Mapping[str, ArrayLike]]], floor: float, top: float, ylabel: str
) -> Figure:
    """Losses over steps: for each rule the mean over seeds, and a band from the lowest seed to the highest.

    Args:
        panels: for each title the steps, ``[record]``, and by rule the losses, ``[seed, record]``.
        floor: the least that can be expected, drawn as a line.
        top: the highest loss shown.
        ylabel: what the losses are.

    Raises:
        ValueError: if there is no panel, or losses do not fit the steps.

    >>> len(learning({"train": ([0, 10], {"SGD": [[2.0, 1.9], [2.1, 1.8]]})}, 1.8, 2.2, "nats").axes)
    1
    """
    if not panels:
        raise ValueError("panels: expected at least one, got none")
    fig, axes = new_figure(3.6 * max(len(panels), 2), 3.6, columns=len(panels), sharey=True, squeeze=False)
    for ax, (title, (steps, rules)) in zip(axes[0], panels.items(), strict=True):
        at = as_tensor(steps, "steps")
        for (name, table), (colour, style) in zip(rules.items(), STYLES, strict=False):
            losses = as_tensor(table, name)
            if losses.ndim != 2 or losses.shape[1] != len(at):
                raise ValueError(f"{name}: expected [seed, {len(at)}] losses, got {tuple(losses.shape)}")
            ax.fill_between(at, losses.amin(0), losses.amax(0), color=colour, alpha=0.18, lw=0)
            ax.plot(at, losses.mean(0), color=colour, ls=style, label=name)
        ax.axhline(floor, color=COLOURS["ink"], lw=1, ls=":")
        ax.set_title(title, fontsize=11)
        ax.set(xlabel="steps", ylim=(min(floor - 0.1, 1.7), top))
    axes[0, 0].set(ylabel=ylabel)
    axes[0, -1].legend(fontsize=9, loc="upper right")
    return fig


def speed(rules: Mapping[str, Sequence[float]], xlabel: str, marked: Sequence[str] = ()) -> Figure:
    """A row of dots for each rule, one a seed, and a bar at their mean, on a logarithmic axis.

    Args:
        rules: by name one number a seed; one that is infinite is drawn as a cross at the right edge.
        xlabel: what the numbers are.
        marked: names in another colour.

    Raises:
        ValueError: if there is no rule, or no number is finite.

    >>> len(speed({"SGD": [10.0, 20.0], "Adam": [5.0, float("inf")]}, "steps").axes[0].get_yticks())
    2
    """
    values = torch.tensor(
        [number for numbers in rules.values() for number in numbers if math.isfinite(number)]
    )
    if not len(values):
        raise ValueError("rules: expected at least one finite number, got none")
    edge = float(values.max()) * 1.25
    fig, ax = new_figure(6.8, 0.8 + 0.3 * len(rules))
    for row, (name, numbers) in enumerate(rules.items()):
        colour = COLOURS["model"] if name in marked else COLOURS["exact"]
        reached = [number for number in numbers if math.isfinite(number)]
        ax.plot(reached, [row] * len(reached), "o", color=colour, ms=5, alpha=0.6)
        ax.plot(
            [edge] * (len(numbers) - len(reached)), [row] * (len(numbers) - len(reached)), "x", color=colour
        )
        if len(reached) == len(numbers):
            ax.plot(sum(reached) / len(reached), row, "|", color=COLOURS["ink"], ms=16, mew=2.5)
    ax.set(xscale="log", xlabel=xlabel, yticks=range(len(rules)), ylim=(len(rules) - 0.5, -0.5))
    ax.set_yticklabels(list(rules))
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")
    return fig
