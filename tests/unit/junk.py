"""Arguments that do not fit, for the tests of bad input: Hypothesis strategies, and what every call must do with them."""

import math

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from tutorlib.evaluation import Evaluation
from tutorlib.tunnels import Batch

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
DTYPES = (*FLOATS, torch.int64, torch.int32, torch.uint8, torch.bool, torch.complex64)
HUGE = 10**12  # as a size it would fill any memory
VALUES = (0.0, 1.0, -1.0, 0.5, 1e30, math.nan, math.inf, -math.inf)


def tensor_of(shape, dtype, value):
    """A full tensor; numbers that the dtype does not hold become 1."""
    floating = dtype.is_floating_point or dtype.is_complex
    if not floating and not (value == int(value) if math.isfinite(value) else False):
        value = 1
    if not floating and (abs(value) > 100 or (value < 0 and dtype in (torch.uint8, torch.bool))):
        value = 1
    return torch.full(shape, value, dtype=torch.float64 if floating else dtype).to(dtype)


tensors = st.builds(
    tensor_of,
    st.lists(st.integers(0, 4), max_size=4).map(tuple),
    st.sampled_from(DTYPES),
    st.sampled_from(VALUES),
)
scalars = st.sampled_from([
    None, True, False, "", "1", "coin", b"x", 0, 1, 2, 3, -1, HUGE, -HUGE, 2**63, 10**400, 0.5, 1.5, -0.5, 1e308, -1e308,
    5e-324, math.nan, math.inf, -math.inf, 1j, ...,
])  # fmt: skip
shapes = st.sampled_from([
    (), [], {}, [None], ["a"], [[1, 2], [3]], [1, [2]], {"a": 1}, {1: 2, 3: 4}, (1, 2, 3), [0.5, 0.5], [2, 3], range(3),
    np.zeros(0), np.array(["0.5", "0.5"]), np.array([1 + 2j]), np.array([None]), np.full(3, 1 / 3), [torch.ones(2)],
    torch.Generator(), np.float32(0.5), np.datetime64("2026-01-01"),
])  # fmt: skip
anything = scalars | shapes | tensors


@st.composite
def damaged(draw, good):
    """A good tensor with one thing changed: a number, the dtype, an axis."""
    value = good.clone()
    if value.is_floating_point() and value.numel() and draw(st.booleans()):
        value.flatten()[draw(st.integers(0, value.numel() - 1))] = draw(st.sampled_from(VALUES))
        place = draw(st.integers(0, value.numel() - 1))
        value.view(-1)[place] = draw(st.sampled_from(VALUES))
        return value
    if value.dtype == torch.int64 and value.numel() and draw(st.booleans()):
        value.view(-1)[draw(st.integers(0, value.numel() - 1))] = draw(
            st.sampled_from([-1, 0, 1, 99, -(2**62)])
        )
        return value
    how = draw(st.sampled_from(["dtype", "drop", "empty", "add", "flat", "double", "turn"]))
    if how == "dtype":
        return value.to(draw(st.sampled_from(DTYPES)))
    if how == "add":
        return value[None]
    if how == "flat":
        return value.flatten()
    if how == "turn":
        return value.movedim(0, -1) if value.ndim else value
    if not value.ndim:
        return value
    axis = draw(st.integers(0, value.ndim - 1))
    if how == "double":
        return torch.cat((value, value), axis)
    return value.narrow(axis, 0, max(value.shape[axis] - 1, 0) if how == "drop" else 0)


def junk_for(good):
    """Anything, and for a tensor or a batch also itself with one thing changed."""
    if isinstance(good, Tensor):
        return anything | damaged(good)
    if isinstance(good, Batch):
        parts = {name: getattr(good, name) for name in ("tokens", "targets", "header", "tasks")}
        named = [name for name, part in parts.items() if part is not None]
        return anything | st.sampled_from(named).flatmap(
            lambda name: (damaged(parts[name]) | anything).map(lambda part: Batch(**{**parts, name: part}))
        )
    return anything


def has_a_shape(value):
    """Whether a value may fail to fit another argument, so that the error may name either of the two."""
    return isinstance(value, Tensor | np.ndarray | list | tuple | range | Batch)


def numbers(result):
    """Every tensor and number in what a call gave back."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, float):
        yield torch.tensor(result)
    elif isinstance(result, nn.Module):
        yield from (p.detach() for p in result.parameters())
    elif isinstance(result, Batch):
        yield from numbers([result.tokens, result.targets])
    elif isinstance(result, Evaluation):
        yield from numbers(result.values)
    elif isinstance(result, dict):
        yield from numbers(list(result.values()))
    elif isinstance(result, list | tuple):
        for part in result:
            yield from numbers(part)


def holds(call, names, nan_is_kept=False):
    """The call works, with no NaN in its answer, or raises a ValueError with one of the names in it.

    Anything else it raises goes through and fails the test. Returns the answer, or None.
    """
    try:
        result = call()
    except ValueError as error:
        assert any(name and name in str(error) for name in names), f"none of {names} in: {error}"
        return None
    for tensor in numbers(result):
        assert nan_is_kept or not tensor.isnan().any(), f"NaN in {result}"
    return result
