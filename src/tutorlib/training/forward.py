"""The forward pass of a training step: plain, in mixed precision, compiled, or both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tutorlib.models import SequenceModel
from tutorlib.training.plan import TrainingPlan

__all__ = ["forward_pass"]

Forward = Callable[[Tensor, Tensor, Tensor | None], Tensor]

MOST_SIZES = 8  # torch.compile gives up, without an error, after this many shapes of one function


def forward_pass(model: SequenceModel, plan: TrainingPlan, device: torch.device) -> Forward:
    """The function from tokens, positions ``[scored]`` and a header to float32 logits ``[batch, scored, vocab]``.

    It reads the weights of ``model`` itself, so those keep their names and stay in float32 whatever the plan says.

    Raises:
        ValueError: if the device has no autocast in the plan's precision, or nothing here can compile; the second
            may be noticed only when the function is first called.

    >>> from tutorlib.models import TokenMLP
    >>> from tutorlib.training import TrainingPlan
    >>> forward = forward_pass(TokenMLP(6, 5), TrainingPlan(precision="bfloat16"), torch.device("cpu"))
    >>> forward(torch.tensor([[0, 4, 1]]), torch.tensor([0, 2]), None).dtype
    torch.float32
    """
    call = _compiled(model, plan, device) if plan.compile else _plain(model)
    if plan.precision == "float32":
        return call
    context = _autocast(device)

    def mixed(tokens: Tensor, at: Tensor, header: Tensor | None) -> Tensor:
        with context:
            logits = call(tokens, at, header)
        return logits.float()

    return mixed


def _plain(model: SequenceModel) -> Forward:
    def call(tokens: Tensor, at: Tensor, header: Tensor | None) -> Tensor:
        logits: Tensor = model(tokens, at, header=header)
        return logits

    return call


def _autocast(device: torch.device) -> torch.autocast:
    refusal = f"precision: expected float32 on {device.type}, which has no autocast to bfloat16 here"
    try:
        context = torch.autocast(device.type, torch.bfloat16)
    except (RuntimeError, ValueError) as error:
        raise ValueError(refusal) from error
    with context:
        on = torch.is_autocast_enabled(device.type)
    if not on:  # some devices only warn, and go on in float32
        raise ValueError(refusal)
    return context


def _compiled(model: SequenceModel, plan: TrainingPlan, device: torch.device) -> Forward:
    sizes = set(plan.batch) if isinstance(plan.batch, tuple) else {plan.batch}
    if len(sizes) > MOST_SIZES:
        raise ValueError(f"compile: expected at most {MOST_SIZES} sizes of batch, got {len(sizes)}")
    torch.compiler.reset()  # the limit counts every model of the process
    needs = "Triton" if device.type == "cuda" else "a C++ compiler such as g++ or clang (CXX names it)"
    refusal = f"compile: torch.compile cannot work here; on {device.type} it needs {needs}. PyTorch says: "
    try:
        # Each size of batch gets its own code. One code for all sizes would depend on which size came first,
        # and a run that is resumed in the middle would then end in other bits.
        compiled: Callable[..., Any] = torch.compile(model, dynamic=False)
    except RuntimeError as error:
        raise ValueError(refusal + _gist(error)) from error

    def call(tokens: Tensor, at: Tensor, header: Tensor | None) -> Tensor:
        try:
            logits: Tensor = compiled(tokens, at, header=header)
        except RuntimeError as error:
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise
            raise ValueError(refusal + _gist(error)) from error
        return logits

    return call


def _gist(error: Exception) -> str:
    """The first line of the error's first cause."""
    lines = str(error).strip().splitlines()
    said = next((line for line in lines if line.strip() and not line.startswith("backend=")), "")
    return said.strip() or type(error).__name__
