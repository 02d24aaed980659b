"""Figures of chapter 15: what parts of one moment are worth at another, when they are done, phases, few tasks or all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.figure import Figure

from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["done_steps", "few_or_all", "phases", "swaps"]

Curves = Mapping[str, Sequence[float]]
SWAPS = (
    ("kl", "the network as it is", COLOURS["model"], "-", "o"),
    ("with_late_maps", "finished attention in it", COLOURS["good"], ":", "^"),
    ("with_these_maps", "its attention in the finished network", COLOURS["exact"], "--", "s"),
)


def _places(steps: Sequence[float]) -> list[float]:
    """Steps for a logarithmic axis: 0 stands at half the first step after it."""
    return [step or steps[1] / 2 for step in steps]


def swaps(panels: Mapping[str, Curves]) -> Figure:
    """KL to exact of a network at each moment, and of the two mixtures of it and the finished one.

    Args:
        panels: title -> ``step``, ``kl``, ``with_late_maps`` and ``with_these_maps``.

    >>> curves = {"step": [0, 10], "kl": [1.0, 0.1], "with_late_maps": [1.0, 0.1], "with_these_maps": [1.0, 0.1]}
    >>> len(swaps({"a": curves}).axes)
    1
    """
    fig, axes = new_figure(4.2 * len(panels) + 0.4, 3.5, columns=len(panels), squeeze=False, sharey=True)
    for ax, (title, curves) in zip(axes[0], panels.items(), strict=True):
        at = _places(curves["step"])
        for key, label, colour, style, mark in SWAPS:
            ax.plot(at, curves[key], color=colour, ls=style, marker=mark, ms=4, label=label)
        ax.set(xscale="log", yscale="log", xlabel="training step")
        ax.set_title(title, fontsize=11)
    axes[0][0].set_ylabel("KL to exact, bits")
    axes[0][0].legend(fontsize=8.5, loc="lower left")
    return fig


def done_steps(panels: Mapping[str, Mapping[str, Mapping[float, Sequence[float]]]]) -> Figure:
    """For each tolerance the steps at which each seed's parts are done.

    Args:
        panels: title -> part -> tolerance in bits -> one step a seed.

    >>> len(done_steps({"a": {"attention": {0.1: [100, 200]}}}).axes)
    1
    """
    fig, axes = new_figure(4.2 * len(panels) + 0.4, 3.4, columns=len(panels), squeeze=False, sharey=True)
    looks = ((COLOURS["exact"], "s", -0.12), (COLOURS["good"], "^", 0.12))
    for ax, (title, parts) in zip(axes[0], panels.items(), strict=True):
        tolerances = list(next(iter(parts.values())))
        for (name, found), (colour, mark, shift) in zip(parts.items(), looks, strict=False):
            for i, tolerance in enumerate(tolerances):
                steps = found[tolerance]
                spread = [i + shift + 0.03 * (k - (len(steps) - 1) / 2) for k in range(len(steps))]
                ax.plot(spread, steps, mark, color=colour, ms=5, label=name if i == 0 else None)
        ax.set_xticks(range(len(tolerances)), [f"{t:g}" for t in tolerances])
        ax.set(yscale="log", xlabel="tolerance, bits")
        ax.set_title(title, fontsize=11)
    axes[0][0].set_ylabel("done at step")
    axes[0][0].legend(fontsize=9)
    return fig


def phases(steps: Sequence[float], distances: Curves, looks: Curves, chance: float) -> Figure:
    """Distances from exact observers over the steps of a run, and where attention looks meanwhile.

    Args:
        steps: of the moments.
        distances: observer -> KL in bits from it to the network.
        looks: name -> attention weight at each moment.
        chance: attention weight that an even look gives to the second of them.

    >>> len(phases([0, 10], {"uniform": [1.0, 0.1]}, {"previous": [0.1, 0.2]}, 0.3).axes)
    2
    """
    fig, axes = new_figure(8.4, 3.5, columns=2)
    at = _places(steps)
    looks_of = (
        (COLOURS["reference"], "-", "o"),
        (COLOURS["third"], "--", "s"),
        (COLOURS["exact"], "-.", "^"),
    )
    for (name, values), (colour, style, mark) in zip(distances.items(), looks_of, strict=False):
        axes[0].plot(at, values, color=colour, ls=style, marker=mark, ms=4, label=name)
    axes[0].set(
        xscale="log", yscale="log", xlabel="training step", ylabel="KL from observer to network, bits"
    )
    axes[0].legend(fontsize=9)
    for (name, values), (colour, style, mark) in zip(
        looks.items(), ((COLOURS["good"], "-", "o"), (COLOURS["model"], "--", "s")), strict=False
    ):
        axes[1].plot(at, values, color=colour, ls=style, marker=mark, ms=4, label=name)
    axes[1].axhline(chance, color=COLOURS["reference"], ls=":", lw=1.4)
    axes[1].text(at[1], chance - 0.06, "even look at followers", color=COLOURS["reference"], fontsize=9)
    axes[1].set(xscale="log", xlabel="training step", ylabel="attention weight", ylim=(0, 1))
    axes[1].legend(fontsize=9, loc="upper left")
    return fig


def few_or_all(
    tasks: Sequence[int],
    steps: Sequence[float],
    shares: Sequence[Sequence[float]],
    last: Mapping[str, Sequence[float]],
) -> Figure:
    """Left, a table of shares over steps and numbers of tasks; right, the shares at the end beside their control.

    Args:
        tasks: M, one a row.
        steps: one a column.
        shares: ``[tasks][steps]`` from 0 (as if all tasks were possible) to 1 (as if only the M were).
        last: name -> share for each M.

    >>> len(few_or_all([2, 4], [100, 200], [[0.5, 0.9], [0.5, 0.7]], {"trained": [0.9, 0.7]}).axes)
    3
    """
    fig, axes = new_figure(8.6, 3.5, columns=2)
    image = axes[0].imshow(
        shares,
        vmin=0,
        vmax=1,
        cmap=matplotlib.colormaps["PuOr_r"].resampled(11),
        aspect="auto",
        origin="lower",
    )
    axes[0].set_yticks(range(len(tasks)), [str(m) for m in tasks])
    every = max(1, len(steps) // 6)
    axes[0].set_xticks(range(0, len(steps), every), [f"{steps[i]:.0f}" for i in range(0, len(steps), every)])
    axes[0].set(xlabel="training step", ylabel="tasks in training, M")
    axes[0].grid(False)
    fig.colorbar(image, ax=axes[0], label="share, 1 = knows the M")
    looks = ((COLOURS["model"], "-", "o"), (COLOURS["good"], "-", "s"), (COLOURS["reference"], "--", "^"))
    for (name, values), (colour, style, mark) in zip(last.items(), looks, strict=False):
        axes[1].plot(range(len(tasks)), values, color=colour, ls=style, marker=mark, label=name)
    axes[1].axhline(0.5, color=COLOURS["ink"], lw=0.8)
    axes[1].set_xticks(range(len(tasks)), [str(m) for m in tasks])
    axes[1].set(xlabel="tasks in training, M", ylabel="share at the end", ylim=(0, 1))
    axes[1].legend(fontsize=9)
    return fig
