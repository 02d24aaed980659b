"""Figures of the wind tunnels: the exact answer in blue, networks in vermilion, yardsticks in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from torch import Tensor

from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["attention_map", "belief_steps", "entropy_by_position", "measures_by_rung", "training_curve"]

MARKERS = "osD"
MODEL_COLOURS = (COLOURS["model"], COLOURS["second"], COLOURS["good"])


def belief_steps(steps: Sequence[Tensor], titles: Sequence[str], labels: Sequence[str]) -> Figure:
    """A belief over the same answers at several moments, one panel each.

    Args:
        steps: probabilities ``[answers]`` for each moment.
        titles: one a panel.
        labels: names of the answers.

    >>> len(belief_steps([torch.tensor([0.5, 0.5]), torch.tensor([0.0, 1.0])], ["before", "after"], ["x", "y"]).axes)
    2
    """
    fig, axes = new_figure(2.3 * len(steps), 2.6, columns=len(steps), sharey=True, squeeze=False)
    for axis, belief, title in zip(axes[0], steps, titles, strict=True):
        bars = axis.bar(labels, belief.tolist(), color=COLOURS["exact"], width=0.7)
        for bar, share in zip(bars, belief.tolist(), strict=True):
            text = "ruled out" if share == 0 else f"{share:.2f}"
            axis.text(bar.get_x() + 0.35, share + 0.02, text, ha="center", fontsize=8, color=COLOURS["ink"])
        axis.set(title=title, ylim=(0, 1.12))
    axes[0, 0].set_ylabel("probability")
    return fig


def entropy_by_position(
    exact: Tensor, networks: Mapping[str, tuple[Tensor, Tensor]], unit: str = "pair k"
) -> Figure:
    """Mean entropy at each scored position, and the entropy error on a logarithmic scale.

    Args:
        exact: exact entropy in bits, ``[scored]``.
        networks: name -> (mean entropy ``[scored]``, mean entropy error ``[scored]``) in bits.
        unit: label of the positions, counted from 1.

    >>> entropy, error = torch.tensor([1.0, 0.1]), torch.tensor([0.01, 0.1])
    >>> len(entropy_by_position(torch.tensor([1.0, 0.0]), {"net": (entropy, error)}).axes)
    2
    """
    fig, (left, right) = new_figure(9.0, 3.6, columns=2)
    k = range(1, len(exact) + 1)
    left.plot(k, exact.tolist(), color=COLOURS["exact"], label="exact", zorder=3)
    sizes = (9, 6, 3)  # the first is drawn largest, so that none hides another
    styles = zip(MARKERS, MODEL_COLOURS, sizes, strict=True)
    for (name, (entropy, error)), (marker, colour, size) in zip(networks.items(), styles, strict=False):
        left.plot(k, entropy.tolist(), marker, color=colour, markersize=size, label=name, zorder=4)
        right.semilogy(k, error.clamp(min=1e-6).tolist(), f"{marker}-", color=colour, label=name, linewidth=1)
    left.set(title="Entropy of the next value", xlabel=unit, ylabel="bits", ylim=(-0.15, None))
    right.set(title="Entropy error", xlabel=unit, ylabel="bits, logarithmic")
    left.legend()
    right.legend()
    return fig


def training_curve(history: Sequence[Mapping[str, float]], floor: float) -> Figure:
    """Training loss in bits above the entropy floor, on a logarithmic scale.

    Args:
        history: entries with ``step`` and ``loss_bits``.
        floor: the loss of the exact posterior in bits.

    >>> len(training_curve([{"step": 100, "loss_bits": 2.5}, {"step": 200, "loss_bits": 2.1}], floor=2.0).axes)
    1
    """
    fig, axis = new_figure(7.0, 3.2)
    steps = [entry["step"] for entry in history]
    above = [max(entry["loss_bits"] - floor, 1e-4) for entry in history]
    axis.semilogy(steps, above, color=COLOURS["model"], marker="o", markersize=4)
    axis.set(title="Training loss above the exact floor", xlabel="step", ylabel="bits, logarithmic")
    return fig


def measures_by_rung(
    rows: Mapping[str, Sequence[float]], titles: Sequence[str], networks: Sequence[str] = ()
) -> Figure:
    """Several measures beside each other for every rung of the ladder.

    Args:
        rows: name -> one number for each measure; an infinite one is written as such.
        titles: names of the measures.
        networks: the names to be drawn in the colour of networks.

    >>> len(measures_by_rung({"uniform": [1.0, 2.0], "exact": [0.0, 0.0]}, ["KL", "MAE"]).axes)
    2
    """
    fig, axes = new_figure(2.6 * len(titles), 0.36 * len(rows) + 1.2, columns=len(titles), sharey=True)
    names = list(rows)
    colours = [COLOURS["model"] if name in networks else COLOURS["reference"] for name in names]
    for column, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        values = [rows[name][column] for name in names]
        top = max(value for value in values if value != float("inf")) * 1.35 or 1.0
        axis.barh(names, [min(value, top) for value in values], color=colours, height=0.65)
        for row, value in enumerate(values):
            text = "infinite" if value == float("inf") else f"{value:.4f}" if value < 0.1 else f"{value:.3f}"
            inside = value > 0.6 * top
            place = min(value, top) + (-0.02 if inside else 0.02) * top
            side, colour = ("right", "white") if inside else ("left", COLOURS["ink"])
            axis.text(place, row, text, va="center", ha=side, color=colour, fontsize=10)
        axis.set(title=title, xlim=(0, top))
        axis.title.set_fontsize(10.5)
        axis.grid(axis="y", visible=False)
    axes[0].invert_yaxis()
    return fig


def attention_map(weights: Tensor, labels: Sequence[str], rows: Sequence[str], title: str) -> Figure:
    """Attention weights ``[rows, positions]``: who asks, down; who is looked at, across.

    >>> len(attention_map(torch.tensor([[1.0, 0.0], [0.5, 0.5]]), ["k1", "v1"], ["k1", "v1"], "Who looks where").axes)
    2
    """
    fig, axis = new_figure(8.0, 0.26 * len(rows) + 1.4)
    image = axis.imshow(weights.tolist(), cmap="Blues", vmin=0, aspect="auto")
    axis.set_xticks(range(len(labels)), labels, fontsize=8, rotation=90)
    axis.set_yticks(range(len(rows)), rows, fontsize=9)
    axis.set(title=title, xlabel="position looked at", ylabel="position asking")
    axis.grid(visible=False)
    fig.colorbar(image, ax=axis, label="weight")
    return fig
