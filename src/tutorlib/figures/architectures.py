"""Figures of chapter 10: many networks on three tasks, memories that fill up, and whether points fall into clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["recall_by_pairs", "seeds_and_rates", "silhouettes"]

LEAST = 1e-6  # bits; what is smaller is drawn there
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
LINES = (COLOURS["exact"], COLOURS["model"], COLOURS["good"], COLOURS["second"], COLOURS["reference"])


def seeds_and_rates(
    seeds: Mapping[str, Mapping[str, Sequence[float]]],
    rates: Mapping[str, Mapping[str, Sequence[float]]],
    lines: Mapping[str, Mapping[str, float]],
) -> Figure:
    """A panel a task, a row a network: the seeds as dots, the other learning rates as open circles.

    Args:
        seeds: task -> network -> KL in bits of each run; every task has the same networks.
        rates: the same for the runs of the sweep.
        lines: task -> name of an observer -> KL in bits, drawn as a vertical line.

    Raises:
        ValueError: if a task lacks a network that another has.

    >>> runs = {"recall": {"lstm": [2.2, 1.8], "gru": [2.5, 3.1]}}
    >>> len(seeds_and_rates(runs, runs, {"recall": {"uniform": 4.0}}).axes)
    1
    """
    names = list(next(iter(seeds.values()), {}))
    if not names or any(list(panel) != names for panel in (*seeds.values(), *rates.values())):
        raise ValueError(f"seeds, rates: expected the networks {', '.join(names) or '(some)'} in every task")
    fig, axes = new_figure(9.4, 0.32 * len(names) + 1.7, columns=len(seeds), sharey=True, squeeze=False)
    for axis, (task, panel) in zip(axes[0], seeds.items(), strict=True):
        for row, name in enumerate(names):
            tried, runs = ([max(kl, LEAST) for kl in part[name]] for part in (rates[task], panel))
            axis.plot(
                tried, [row] * len(tried), "o", color=COLOURS["reference"], fillstyle="none", markersize=7
            )
            axis.plot(runs, [row] * len(runs), "o", color=COLOURS["model"], markersize=5)
        for name, kl in lines[task].items():
            axis.axvline(kl, color=COLOURS["exact"], linestyle="--", linewidth=1.2)
            axis.text(kl, -0.75, name, ha="right", va="bottom", fontsize=8, color=COLOURS["exact"])
        axis.set(title=f"{task}\n", xscale="log", xlabel="KL, bits", xlim=(LEAST / 2, 9))
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.7)
        axis.grid(axis="x", visible=True)
    axes[0, 0].plot([], [], "o", color=COLOURS["model"], markersize=5, label="seed")
    axes[0, 0].plot(
        [], [], "o", color=COLOURS["reference"], fillstyle="none", markersize=7, label="rates tried, seed 0"
    )
    fig.legend(loc="outside lower center", ncols=2, fontsize=9)
    return fig


def recall_by_pairs(curves: Mapping[str, Sequence[float]], width: int) -> Figure:
    """Share of look-ups that are right against the number of pairs stored, one line a memory.

    Args:
        curves: memory -> share for 1, 2, ... pairs, from 0 to 1.
        width: of the keys; a vertical line marks as many pairs.

    Raises:
        ValueError: if there are more lines than styles.

    >>> len(recall_by_pairs({"softmax": [1.0, 1.0], "sum": [1.0, 0.5]}, 2).axes[0].lines)
    3
    """
    if not 0 < len(curves) <= len(LINES):
        raise ValueError(f"curves: expected 1 to {len(LINES)} memories, got {len(curves)}")
    fig, axis = new_figure(7.4, 3.4)
    for (name, shares), dash, colour in zip(curves.items(), DASHES, LINES, strict=False):
        axis.plot(range(1, len(shares) + 1), list(shares), linestyle=dash, color=colour, label=name)
    axis.axvline(width, color=COLOURS["reference"], linewidth=1)
    axis.text(width + 0.3, 0.03, f"{width} pairs", fontsize=9, color=COLOURS["reference"])
    axis.set(title="Look-ups that are right", xlabel="pairs stored", ylabel="share", ylim=(0, 1.05))
    axis.legend()
    return fig


def silhouettes(curves: Mapping[str, Sequence[float]], ks: Sequence[int]) -> Figure:
    """Mean silhouette against the number of clusters, one line for each set of points.

    Args:
        curves: name -> silhouette for each number of clusters.
        ks: the numbers of clusters.

    Raises:
        ValueError: if there are more lines than styles.

    >>> len(silhouettes({"beliefs": [0.2, 0.3], "network": [0.1, 0.1]}, [2, 3]).axes[0].lines)
    2
    """
    if not 0 < len(curves) <= len(LINES):
        raise ValueError(f"curves: expected 1 to {len(LINES)} sets of points, got {len(curves)}")
    fig, axis = new_figure(7.4, 3.4)
    for (name, values), dash, colour in zip(curves.items(), DASHES, LINES, strict=False):
        axis.plot(list(ks), list(values), "o", linestyle=dash, color=colour, markersize=4, label=name)
    axis.set(
        title="Are there clusters?", xlabel="number of clusters", ylabel="mean silhouette", ylim=(0, None)
    )
    axis.set_xticks(list(ks))
    fig.legend(loc="outside right upper", fontsize=9)
    return fig
