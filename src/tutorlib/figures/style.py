"""The house style, and the way a figure is shown."""

from __future__ import annotations

import io
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image  # Matplotlib needs it, so it is there

__all__ = ["COLOURS", "new_figure", "png", "show"]

# Okabe and Ito's colours: told apart with any common colour vision. The role fixes the colour in all chapters.
COLOURS = {
    "exact": "#0072B2",  # blue: Bayes, the exact answer
    "model": "#D55E00",  # vermilion: a network
    "reference": "#6B7280",  # grey: yardsticks
    "good": "#009E73",  # green: evidence for, allowed
    "second": "#CC79A7",  # purple: a second network or hypothesis
    "third": "#E69F00",  # amber
    "light": "#E5E7EB",  # ruled out, background
    "ink": "#1F2937",
}

STYLE: Any = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": COLOURS["ink"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": COLOURS["light"],
    "font.size": 11,
    "font.family": "DejaVu Sans",
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "xtick.color": COLOURS["ink"],
    "ytick.color": COLOURS["ink"],
}
MINIMUM_ALT = 30  # characters; less cannot say what is seen


def new_figure(
    width: float = 7.0, height: float = 3.6, columns: int = 1, **options: Any
) -> tuple[Figure, Any]:
    """A figure in the house style with one row of axes, in inches; ``options`` go to ``plt.subplots``.

    >>> new_figure(columns=2)[0].get_size_inches()
    array([7. , 3.6])
    """
    with plt.rc_context(STYLE):
        return plt.subplots(1, columns, figsize=(width, height), layout="constrained", **options)


def png(fig: Figure, dpi: int = 110) -> bytes:
    """The figure as PNG, the same bytes each time for one version of Matplotlib.

    >>> png(new_figure()[0])[1:4]
    b'PNG'
    """
    drawn, packed = io.BytesIO(), io.BytesIO()
    with plt.rc_context(STYLE):
        fig.savefig(drawn, format="png", dpi=dpi)
    # Flat colours need no more than a palette, which makes a notebook about a third of the size.
    image = Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    image.save(packed, format="png", optimize=True)
    return packed.getvalue()


def show(fig: Figure | Axes, alt: str) -> None:
    """Show a figure with its alternative text and close it.

    Args:
        fig: a Matplotlib figure, or axes of one.
        alt: what the figure shows and what follows from it, in a sentence or two.

    Raises:
        ValueError: if the text is shorter than 30 characters.

    >>> show(new_figure()[0], alt="An empty figure, which shows nothing at all.")
    An empty figure, which shows nothing at all.
    """
    alt = " ".join(alt.split())
    if len(alt) < MINIMUM_ALT:
        raise ValueError(
            f"alt: expected at least {MINIMUM_ALT} characters that say what is seen, got {alt!r}"
        )
    figure = fig.get_figure() if isinstance(fig, Axes) else fig
    if not isinstance(figure, Figure):
        raise ValueError(f"fig: expected a Matplotlib figure or axes, got {type(fig).__name__}")
    image = png(figure)
    plt.close(figure)
    try:
        from IPython.core.interactiveshell import InteractiveShell
        from IPython.display import display
    except ImportError:
        print(alt)
        return
    if not InteractiveShell.initialized():
        print(alt)
        return
    display({"image/png": image, "text/plain": alt}, metadata={"image/png": {"alt": alt}}, raw=True)
