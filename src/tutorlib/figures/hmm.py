"""Figures of chapter 09: networks beside the exact filter and its short-sighted relatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from torch import Tensor

from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["errors_by_position", "learning_runs", "nearest_window", "number_line", "old_symbols", "tables"]

MARKERS = "osD^vP"
LINES = (COLOURS["model"], COLOURS["exact"], COLOURS["good"], COLOURS["second"], COLOURS["third"])


def tables(T: Tensor, E: Tensor, letters: Sequence[str]) -> Figure:
    """The header of one sequence: both tables as shaded squares with their numbers.

    Args:
        T: transitions ``[states, states]``.
        E: emissions ``[states, symbols]``.
        letters: names of the symbols.

    >>> len(tables(torch.eye(2), torch.eye(2), "ab").axes)
    2
    """
    fig, axes = new_figure(7.2, 3.1, columns=2)
    states = [str(i + 1) for i in range(len(T))]
    for axis, table, names, title in (
        (axes[0], T, states, "T: next state"),
        (axes[1], E, list(letters), "E: symbol"),
    ):
        axis.imshow(table.tolist(), cmap="Blues", vmin=0, vmax=1.2)
        for i, row in enumerate(table.tolist()):
            for j, p in enumerate(row):
                axis.text(j, i, f"{p:.2f}", ha="center", va="center", fontsize=8.5, color=COLOURS["ink"])
        axis.set_xticks(range(len(names)), names)
        axis.set_yticks(range(len(states)), states)
        axis.set(title=title, ylabel="state now")
        axis.grid(visible=False)
    return fig


def learning_runs(
    runs: Mapping[str, Mapping[int, float]], yardsticks: Mapping[str, float], start: float
) -> Figure:
    """KL to the exact belief during several short runs that begin at one network, on a logarithmic scale.

    Args:
        runs: name -> {sequences seen: KL in bits}.
        yardsticks: name -> KL in bits, drawn across.
        start: KL of the network they begin with.

    >>> len(learning_runs({"hot": {10: 0.1, 20: 0.08}}, {"last symbol": 0.03}, 0.001).axes)
    1
    """
    fig, axis = new_figure(8.4, 3.9)
    for (name, run), colour, marker in zip(runs.items(), (*LINES, COLOURS["ink"]), MARKERS, strict=False):
        axis.semilogy(
            [0, *run], [start, *run.values()], color=colour, marker=marker, ms=4, lw=1.5, label=name
        )
    for name, value in yardsticks.items():
        axis.axhline(value, color=COLOURS["reference"], ls="--", lw=1)
        axis.text(0, value * 1.08, name, color=COLOURS["reference"], fontsize=9, va="bottom")
    axis.set(xlabel="sequences seen", ylabel="KL(exact ‖ network), bits")
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9.5)
    return fig


def errors_by_position(curves: Mapping[str, Tensor], trained: int, ylabel: str) -> Figure:
    """An error at each position on a logarithmic scale, with the training length marked.

    Args:
        curves: name -> error ``[positions]``, above 0.
        trained: positions in training.
        ylabel: what the error is, with its unit.

    >>> len(errors_by_position({"net": torch.tensor([0.1, 0.2])}, 1, "KL, bits").axes)
    1
    """
    fig, axis = new_figure(8.4, 3.8)
    for (name, curve), colour, marker in zip(curves.items(), LINES, MARKERS, strict=False):
        times = range(1, len(curve) + 1)
        axis.semilogy(times, curve.tolist(), color=colour, marker=marker, ms=3, lw=1.3, label=name)
    axis.axvline(trained + 0.5, color=COLOURS["reference"], ls="--", lw=1.2)
    axis.text(trained + 0.8, 0.98, "beyond training", color=COLOURS["reference"], va="top", fontsize=9.5,
              transform=axis.get_xaxis_transform())  # fmt: skip
    axis.set(xlabel="position in the sequence", ylabel=ylabel)
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9.5)
    return fig


def nearest_window(curves: Mapping[str, Mapping[int, float]], to_exact: Mapping[str, float]) -> Figure:
    """How far a network is from each window observer, and from the exact filter, one panel each.

    Args:
        curves: title -> {window: KL(window || network) in bits}.
        to_exact: title -> KL(exact || network) in bits.

    >>> len(nearest_window({"coded": {1: 0.1, 2: 0.01}}, {"coded": 0.001}).axes)
    1
    """
    fig, axes = new_figure(4.4 * len(curves), 3.5, columns=len(curves), squeeze=False)
    for axis, (title, curve) in zip(axes[0], curves.items(), strict=True):
        axis.loglog(
            list(curve), list(curve.values()), color=COLOURS["model"], marker="o", ms=4, label="to a window"
        )
        axis.axhline(to_exact[title], color=COLOURS["exact"], ls="--", lw=1.5, label="to the exact filter")
        axis.set(title=title, xlabel="window w", ylabel="KL(observer ‖ network), bits")
        axis.set_xticks(list(curve), [str(w) for w in curve], fontsize=9)
        axis.minorticks_off()
        axis.legend(fontsize=9.5)
    return fig


def old_symbols(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """How far a belief moves when one old symbol is changed, against how old it is, one panel a law.

    Args:
        curves: title -> name -> total variation at each age, the first age being 0.

    >>> len(old_symbols({"coded": {"exact": [0.5, 0.1], "network": [0.5, 0.1]}}).axes)
    1
    """
    fig, axes = new_figure(4.4 * len(curves), 3.5, columns=len(curves), squeeze=False, sharey=True)
    styles = (
        (COLOURS["exact"], "o-"),
        (COLOURS["model"], "s--"),
        (COLOURS["second"], "D:"),
        (COLOURS["reference"], "^:"),
    )
    for axis, (title, lines) in zip(axes[0], curves.items(), strict=True):
        for (name, values), (colour, style) in zip(lines.items(), styles, strict=False):
            ages = [age for age, value in enumerate(values) if value > 0]
            axis.semilogy(ages, [values[a] for a in ages], style, color=colour, ms=4, lw=1.3, label=name)
        axis.set(title=title, xlabel="steps ago", ylim=(1e-5, 1))
    axes[0, 0].set_ylabel("belief moves by (total variation)")
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9.5)
    return fig


def number_line(rows: Mapping[str, float], kinds: Mapping[str, str], xlabel: str) -> Figure:
    """Numbers as dots on one logarithmic line, one row each, coloured by kind.

    Args:
        rows: name -> number above 0.
        kinds: name -> a key of ``COLOURS``.
        xlabel: what the numbers are, with their unit.

    >>> len(number_line({"uniform": 0.42, "net": 0.004}, {"uniform": "reference", "net": "model"}, "MAE").axes)
    1
    """
    fig, axis = new_figure(7.6, 0.29 * len(rows) + 1.0)
    names = sorted(rows, key=lambda name: -rows[name])
    for i, name in enumerate(names):
        axis.plot(rows[name], i, "o", color=COLOURS[kinds[name]], ms=7)
        axis.text(rows[name] * 1.25, i, f"{rows[name]:.2g}", va="center", fontsize=9, color=COLOURS["ink"])
    axis.set(xscale="log", xlabel=xlabel, xlim=(min(rows.values()) / 2, max(rows.values()) * 3))
    axis.set_yticks(range(len(names)), names, fontsize=9)
    axis.invert_yaxis()
    axis.grid(axis="x", visible=True)
    return fig
