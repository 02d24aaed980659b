"""Every chapter's plots, in one house style.

``show(fig, alt=...)`` is the only way a figure reaches a page: opaque, colour-blind safe, and never without
words for readers who cannot see it.
"""

from tutorlib.figures.style import COLOURS, new_figure, show

__all__ = ["COLOURS", "new_figure", "show"]
