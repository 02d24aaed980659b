"""Figures of chapter 12: damage by part and network, patched states beside their controls, errors over positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["damage_by_part", "error_by_position", "patched_states"]

MARKERS = "osD^v"
SMALLEST = 1e-5  # bits; less is drawn here


def damage_by_part(
    panels: Mapping[str, Mapping[str, Sequence[float]]], intact: Sequence[float], blind: float
) -> Figure:
    """KL to the exact answer with one part switched off, on a logarithmic scale: a row a part, a mark a network.

    Args:
        panels: title -> part -> KL in bits of each network, at most five.
        intact: KL in bits of each network with everything on.
        blind: KL in bits of an observer who always answers uniformly.

    Raises:
        ValueError: if there are more than five networks, or a part lacks some.

    >>> len(damage_by_part({"zero": {"head 0": [0.5, 0.1]}}, [0.01, 0.02], 1.0).axes)
    1
    """
    parts = [values for panel in panels.values() for values in panel.values()]
    if not 1 <= len(intact) <= len(MARKERS) or any(len(values) != len(intact) for values in parts):
        raise ValueError(
            f"panels, intact: expected one number for each of one to {len(MARKERS)} networks, got {len(intact)} "
            f"and {[len(values) for values in parts]}"
        )
    rows = max(len(panel) for panel in panels.values())
    fig, axes = new_figure(
        4.4 * len(panels) + 0.6, 0.42 * rows + 1.5, columns=len(panels), sharey=True, squeeze=False
    )
    for axis, (title, panel) in zip(axes[0], panels.items(), strict=True):
        names = list(panel)
        band = axis.axvspan(max(min(intact), SMALLEST), max(intact), color=COLOURS["light"], zorder=0)
        line = axis.axvline(blind, color=COLOURS["reference"], ls="--", lw=1.2)
        band.set_label("everything on")
        line.set_label("always uniform")
        for network, marker in zip(range(len(intact)), MARKERS, strict=False):
            shift = 0.15 * (network - (len(intact) - 1) / 2)
            values = [max(panel[name][network], SMALLEST) for name in names]
            rows_at = [row + shift for row in range(len(names))]
            axis.plot(
                values, rows_at, marker, color=COLOURS["model"], ms=5, mec="white", label=f"seed {network}"
            )
        axis.set_yticks(range(len(names)), names)
        axis.set(title=title, xscale="log", xlabel="KL to the exact answer, bits")
        axis.grid(visible=True, axis="both")
    axes[0, 0].invert_yaxis()
    axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    return fig


def patched_states(effects: Mapping[str, Mapping[str, float]]) -> Figure:
    """KL to the exact counterfactual answer after a state was put in, beside the controls: a group of bars a place.

    Args:
        effects: place -> control -> KL in bits; the controls of all places in the same order.

    >>> len(patched_states({"after layer 0": {"patched": 0.7, "not patched": 5.3}}).axes)
    1
    """
    names = list(next(iter(effects.values())))
    tones = [
        COLOURS["model"],
        COLOURS["ink"],
        COLOURS["second"],
        COLOURS["third"],
        COLOURS["reference"],
        COLOURS["light"],
    ]
    hatches = ["", "", "//", "..", "xx", ""]
    fig, axis = new_figure(7.6, 3.4)
    width = 0.8 / len(names)
    for number, name in enumerate(names):
        places = [group + width * (number - (len(names) - 1) / 2) for group in range(len(effects))]
        heights = [controls[name] for controls in effects.values()]
        style = {"hatch": hatches[number % 6], "edgecolor": COLOURS["ink"], "linewidth": 0.6}
        axis.bar(places, heights, width, color=tones[number % 6], label=name, **style)
    axis.set_xticks(range(len(effects)), list(effects))
    axis.set(ylabel="bits", title="KL to the exact counterfactual answer")
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    return fig


def _curves(axis: Axes, x: Sequence[int], curves: Mapping[str, Tensor], log: bool) -> None:
    styles = [
        ("model", "o-"),
        ("ink", "s--"),
        ("good", "D:"),
        ("second", "^-."),
        ("third", "v-"),
        ("reference", "x--"),
    ]
    for (name, values), (colour, style) in zip(curves.items(), styles, strict=False):
        drawn = values.clamp(min=SMALLEST).tolist() if log else values.tolist()
        axis.plot(list(x), drawn, style, color=COLOURS[colour], ms=4, lw=1.5, label=name)


def error_by_position(
    x: Sequence[int],
    curves: Mapping[str, Tensor],
    title: str,
    xlabel: str,
    log: bool = True,
    boundary: float | None = None,
) -> Figure:
    """KL in bits by position, a curve for each network or intervention.

    Args:
        x: the positions, ``[positions]``.
        curves: at most six; name -> KL in bits ``[positions]``.
        title: of the figure.
        xlabel: what is counted.
        log: whether the axis is logarithmic; less than 1e-5 bit is then drawn at 1e-5.
        boundary: a dashed vertical line, for instance at the training length.

    Raises:
        ValueError: if there are more than six curves, or their lengths do not fit.

    >>> len(error_by_position([1, 2], {"net": torch.tensor([0.1, 0.2])}, "KL", "observation").axes)
    1
    """
    if not 1 <= len(curves) <= 6 or any(len(values) != len(x) for values in curves.values()):
        raise ValueError(
            f"curves: expected one to six of {len(x)} positions, got {[len(values) for values in curves.values()]}"
        )
    fig, axis = new_figure(7.4, 3.4)
    _curves(axis, x, curves, log)
    if boundary is not None:
        axis.axvline(boundary, color=COLOURS["reference"], ls="--", lw=1.2)
    axis.set(title=title, xlabel=xlabel, ylabel="bits" + (", logarithmic" if log else ""))
    if log:
        axis.set_yscale("log")
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    return fig
