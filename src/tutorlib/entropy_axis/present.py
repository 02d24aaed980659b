"""The real model that the chapters on language models read, or a plain word on what to install."""

from __future__ import annotations

from collections.abc import Callable

from tutorlib.arguments import shown
from tutorlib.llm import LanguageModel, ModelError, smollm

__all__ = ["NotInstalledError", "language_model"]


class NotInstalledError(Exception):
    """Ends a chapter at this cell, with a sentence and no traceback.

    >>> NotInstalledError("Install this first.")._render_traceback_()
    ['Install this first.']
    """

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [str(self)]


def language_model(load: Callable[[], LanguageModel] | None = None) -> LanguageModel:
    """SmolLM2, which the chapters on language models read; or the end of the chapter, with what to install.

    Args:
        load: gives the model, in place of SmolLM2 on the CPU.

    Raises:
        NotInstalledError: if a package is missing.

    >>> from tutorlib.llm import tiny
    >>> language_model(tiny).layers
    3
    """
    if load is not None and not callable(load):
        raise ValueError(f"load: expected a function without arguments, got {shown(load)}")
    try:
        return smollm(device="cpu") if load is None else load()
    except ModelError as error:
        raise NotInstalledError(f"The chapter stops here. {error}") from None
