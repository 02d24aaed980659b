"""What all explorers share: one box of HTML, its data, its script, and words for those who see none of it."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib import resources
from typing import Any

import torch

from tutorlib.models import SequenceModel, Transformer

__all__ = ["Explorer", "pack_weights"]

LARGEST = 200_000  # bytes of HTML; more makes a notebook slow to open


def asset(name: str) -> str:
    """The text of a file in this folder."""
    return resources.files("tutorlib.explore").joinpath(name).read_text(encoding="utf-8")


class Explorer:
    """HTML for a notebook's output.

    The box carries ``data-explorer="ID"``; the identity is a hash of its content, so it is the same on every
    run. Each script must define ``mount(root, data)``, which is called once for each box on the page, however
    often the page runs the script.

    Args:
        name: short name, used as the class ``explorer-NAME``.
        label: accessible name of the region.
        data: JSON-ready; handed to ``mount``.
        scripts: files in this folder, in order; the last defines ``mount``.
        body: HTML of the first state, drawn by Python.
        text: what a reader without HTML gets: the first state in a sentence or two.

    Raises:
        ValueError: if the whole is over 200 kB, or a number in the data is not finite.

    >>> Explorer("toy", "A toy", {"x": 1}, (), "<p>x is 1</p>", "x is 1").text
    'x is 1'
    """

    def __init__(
        self, name: str, label: str, data: Any, scripts: tuple[str, ...], body: str, text: str
    ) -> None:
        self.name, self.label, self.data, self.text = name, label, data, text
        self.scripts, self.body = scripts, body
        size = len(self.html().encode())
        if size > LARGEST:
            raise ValueError(f"explorer {name}: expected at most {LARGEST} bytes, got {size}")

    def html(self) -> str:
        """The self-contained box."""
        # "</" would end the script element early; "<!--" would begin a comment in it.
        data = json.dumps(self.data, sort_keys=True, separators=(",", ":"), allow_nan=False)
        data = data.replace("<", "\\u003c")
        code = "\n".join(asset(script) for script in self.scripts)
        css = asset("style.css")
        identity = hashlib.sha256("".join((self.name, data, code, self.body, css)).encode()).hexdigest()[:12]
        return (
            f'<section class="explorer explorer-{self.name}" data-explorer="{identity}"'
            f' aria-label="{escape(self.label)}">\n'
            f"<style>{css}</style>\n"
            # JupyterLab would take the arrow keys and Enter for itself: older versions look at this attribute,
            # newer ones listen at the page, so plain keys are kept inside the box below.
            f'<div class="explorer-body" data-lm-suppress-shortcuts="true">{self.body}</div>\n'
            f'<script type="application/json">{data}</script>\n'
            "</section>\n"
            '<script type="module">\n'
            f"{code}\n"
            f"for (const root of document.querySelectorAll('[data-explorer=\"{identity}\"]:not([data-mounted])')) {{\n"
            "  root.dataset.mounted = 'yes';\n"
            "  root.addEventListener('keydown', (event) => {\n"
            "    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();\n"
            "  });\n"
            "  mount(root, JSON.parse(root.querySelector('script[type=\"application/json\"]').textContent));\n"
            "}\n"
            "</script>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": self.text}


def pack_weights(model: SequenceModel) -> dict[str, Any]:
    """A model for ``transformer.js``: its configuration, and its weights as float32 in base64.

    Returns:
        ``{"config": ..., "tensors": [[name, shape], ...], "weights": base64}``, tensors in this order.

    Raises:
        ValueError: if it is a model that ``transformer.js`` does not compute.

    >>> from tutorlib.models import Transformer
    >>> pack_weights(Transformer(8, 7, width=4))["tensors"][0]
    ['embedding.weight', [8, 4]]
    """
    if not isinstance(model, Transformer):
        raise ValueError(f"model: expected a transformer, got {model.name}")
    if model.positions not in ("none", "learned"):
        raise ValueError(
            f"positions: expected 'none' or 'learned', got {model.positions!r}, which the page cannot compute"
        )
    if model.header is not None or not model.end_norms or not model.tied:
        raise ValueError("model: expected the plain frame (no header, normed ends, a tied head), got another")
    state = {name: tensor.detach().cpu().float() for name, tensor in model.state_dict().items()}
    flat = torch.cat([tensor.flatten() for tensor in state.values()])
    blob = flat.numpy().astype("<f4").tobytes()
    return {
        "config": model.config(),
        "tensors": [[name, list(tensor.shape)] for name, tensor in state.items()],
        "weights": base64.b64encode(blob).decode(),
    }
