"""Changing the vectors inside a language model while it reads, and leaving it as it was.

An :class:`Edit` is an affine map of the value vectors of a layer, all heads side by side, or of its residual stream. Inside
``with edited(model, [cut(11, axis), cut(12, axis)]):`` the model computes with the changed vectors, and a recording made
there holds the changed ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tutorlib.arguments import choice, finite, instance, integer, is_real, real_tensor, shown
from tutorlib.llm.erasure import Eraser
from tutorlib.llm.model import LanguageModel

__all__ = ["PLACES", "Edit", "cut", "edited", "erase", "keep_only", "shift"]

PLACES = ("values", "residual")


@dataclass(frozen=True, eq=False)
class Edit:
    """``x`` becomes ``x @ matrix + offset`` at every position of one layer.

    Attributes:
        layer: number, -1 for the last.
        matrix: ``[d, d]``.
        offset: ``[d]``.
        place: ``values``: the value vectors of all heads side by side, ``d = kv_heads * head_dim``; or ``residual``: the
            stream after the layer's block, ``d = width``.

    >>> Edit(0, torch.eye(2), torch.ones(2)).apply(torch.tensor([[1.0, 2.0]]))
    tensor([[2., 3.]])
    """

    layer: int
    matrix: Tensor
    offset: Tensor
    place: str = "values"

    def __post_init__(self) -> None:
        integer("layer", self.layer, -(2**20))
        choice("place", self.place, PLACES)
        matrix, offset = (
            real_tensor("matrix", self.matrix, "[d, d]"),
            real_tensor("offset", self.offset, "[d]"),
        )
        finite(matrix=matrix, offset=offset)
        if not matrix.shape[0] == matrix.shape[1] == len(offset):
            raise ValueError(
                f"matrix and offset: expected [d, d] and [d], got {tuple(matrix.shape)} and {tuple(offset.shape)}"
            )

    def apply(self, x: Tensor) -> Tensor:
        """The changed vectors for ``x`` ``[..., d]``, in its number format, computed in float32 or better."""
        work = torch.promote_types(x.dtype, torch.float32)
        changed = x.to(work) @ self.matrix.to(x.device, work) + self.offset.to(x.device, work)
        return changed.to(x.dtype)


def cut(layer: int, directions: Tensor, centre: Tensor | None = None, place: str = "values") -> Edit:
    """Take out what vectors hold along some directions; they need not be orthonormal.

    Args:
        layer: number, -1 for the last.
        directions: ``[count, d]`` or a single one ``[d]``.
        centre: ``[d]``; the vectors are moved onto it along the directions. Zero if left out, as in the paper. With the
            mean of the vectors there, only what varies is taken out.
        place: ``values`` or ``residual``.

    >>> cut(0, torch.tensor([2.0, 0.0])).apply(torch.tensor([[3.0, 4.0]]))
    tensor([[0., 4.]])
    """
    onto, centre = _projector(directions, centre)
    return Edit(layer, torch.eye(len(onto), dtype=onto.dtype) - onto, centre @ onto, place)


def keep_only(layer: int, directions: Tensor, centre: Tensor | None = None, place: str = "values") -> Edit:
    """Take out everything but what vectors hold along some directions; all else is put at the centre, or zero.

    >>> keep_only(0, torch.tensor([2.0, 0.0])).apply(torch.tensor([[3.0, 4.0]]))
    tensor([[3., 0.]])
    """
    onto, centre = _projector(directions, centre)
    return Edit(layer, onto, centre - centre @ onto, place)


def shift(layer: int, direction: Tensor, amount: float, place: str = "values") -> Edit:
    """Add ``amount`` times a direction, brought to length 1, to every vector.

    >>> shift(0, torch.tensor([0.0, 2.0]), 1.5).apply(torch.tensor([[3.0, 4.0]]))
    tensor([[3.0000, 5.5000]])
    """
    line = real_tensor("direction", direction, "[d]").detach()
    if not is_real(amount):
        raise ValueError(f"amount: expected a number, got {shown(amount)}")
    finite(direction=line)
    if not line.any():
        raise ValueError("direction: expected one that is not zero")
    unit = torch.nn.functional.normalize(line.double(), dim=0)
    return Edit(layer, torch.eye(len(line), dtype=torch.float64), float(amount) * unit, place)


def erase(layer: int, eraser: Eraser, place: str = "values") -> Edit:
    """Apply a fitted :class:`~tutorlib.llm.Eraser`: afterwards no linear probe does better than a constant.

    >>> from tutorlib.llm import leace
    >>> eraser = leace(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), torch.tensor([1.0, -1, 0, 0]))
    >>> erase(0, eraser).apply(torch.tensor([[3.0, 4.0]])).round(decimals=3)
    tensor([[0., 4.]])
    """
    instance("eraser", eraser, Eraser)
    return Edit(layer, eraser.matrix, eraser.mean - eraser.mean @ eraser.matrix, place)


@contextmanager
def edited(model: LanguageModel, edits: Sequence[Edit]) -> Iterator[LanguageModel]:
    """Inside the ``with`` block the model computes with changed vectors; afterwards, and after an error, as before.

    Several edits of one layer act in the order given. No weight is touched.

    Raises:
        ValueError: if a layer or a width does not fit the model.

    >>> from tutorlib.llm import record, tiny
    >>> model = tiny("gpt_neox")
    >>> with edited(model, [keep_only(1, torch.eye(32)[:1])]):
    ...     found = record(model, ["The cat sat."], positions=0).vectors("values", 1)
    >>> found.any(0).sum()
    tensor(1)
    """
    instance("model", model, LanguageModel)
    if not isinstance(edits, list | tuple):
        raise ValueError(f"edits: expected a list, got {shown(edits)}")
    for edit in edits:
        instance("edits", edit, Edit)
        d = model.value_width if edit.place == "values" else model.width
        if len(edit.offset) != d:
            raise ValueError(f"edits: expected vectors of {d} numbers ({edit.place}), got {len(edit.offset)}")
        model.layer(edit.layer)
    hooks = []
    try:
        # The last to be registered with prepend runs first; and all run before a recorder, whenever it came.
        for edit in reversed(edits):
            part = "value" if edit.place == "values" else "block"
            hook = _on_values(edit, model.columns("value")) if edit.place == "values" else _on_residual(edit)
            hooks.append(model.module(edit.layer, part).register_forward_hook(hook, prepend=True))
        yield model
    finally:
        for handle in hooks:
            handle.remove()


def _on_values(edit: Edit, columns: Tensor) -> Any:
    def change(module: nn.Module, given: Any, made: Tensor) -> Tensor:
        here = columns.to(made.device)
        changed = made.clone()  # in a fused projection queries and keys stand in the same tensor
        changed[..., here] = edit.apply(made[..., here])
        return changed

    return change


def _on_residual(edit: Edit) -> Any:
    def change(module: nn.Module, given: Any, made: Any) -> Any:
        if isinstance(made, Tensor):
            return edit.apply(made)
        return (edit.apply(made[0]), *made[1:])

    return change


def _orthonormal(directions: Tensor) -> Tensor:
    """Orthonormal rows that span the directions ``[count, d]``, float64."""
    rows = real_tensor("directions", directions, "[count, d]").detach().double().cpu()
    finite(directions=rows)
    if not rows.numel() or not rows.any(1).all():
        raise ValueError(f"directions: expected at least one and none zero, got {tuple(rows.shape)}")
    _, sizes, right = torch.linalg.svd(rows / rows.norm(dim=1, keepdim=True), full_matrices=False)
    return right[sizes > 1e-9]  # [rank, d]


def _projector(directions: Tensor, centre: Tensor | None) -> tuple[Tensor, Tensor]:
    """The projection ``[d, d]`` onto the directions, and the centre ``[d]``."""
    given = directions[None] if isinstance(directions, Tensor) and directions.ndim == 1 else directions
    rows = _orthonormal(given)
    d = rows.shape[1]
    middle = torch.zeros(d, dtype=torch.float64)
    if centre is not None:
        middle = real_tensor("centre", centre, "[d]").detach().double().cpu()
        finite(centre=middle)
        if len(middle) != d:
            raise ValueError(f"centre: expected {d} numbers, got {len(middle)}")
    return rows.mT @ rows, middle
