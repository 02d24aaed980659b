"""What can go wrong in the middle of a run, said so that the reader knows what to change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from tutorlib.models import SequenceModel
from tutorlib.training.plan import TrainingPlan
from tutorlib.tunnels import Tunnel

__all__ = ["TooLargeError", "all_finite", "sizes", "within_memory"]

# What PyTorch says on a CPU, on an NVIDIA card and in its libraries, on Apple's chips, in C++, and of sizes that no
# address reaches.
SIGNS = ("allocate memory", "not enough memory", "out of memory", "alloc_failed", "bad_alloc", "storage size")
SIZES = ("width", "layers", "hidden", "state", "window", "heads")  # what makes a model large


class TooLargeError(ValueError):
    """A step needs more memory than the device has.

    >>> issubclass(TooLargeError, ValueError)
    True
    """


@contextmanager
def within_memory(what: str, advice: Callable[[], str]) -> Iterator[None]:
    """Turn an out-of-memory error inside into a TooLargeError that says what to lower.

    Raises:
        TooLargeError: if the memory of the device is exhausted.

    >>> with within_memory("step 3", lambda: "lower the batch"):
    ...     raise MemoryError
    Traceback (most recent call last):
    tutorlib.training.faults.TooLargeError: memory: step 3 does not fit; lower the batch.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # CUDA's torch.OutOfMemoryError is a RuntimeError
        words = " ".join(str(error).split())
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and not any(
            sign in words.lower() for sign in SIGNS
        ):
            raise
        said = f" PyTorch says: {words[:200]}" if words else ""
        raise TooLargeError(f"memory: {what} does not fit; {advice()}.{said}") from error


def sizes(model: SequenceModel, tunnel: Tunnel, plan: TrainingPlan, batch: int, device: torch.device) -> str:
    """What to lower, with the values that it has now.

    >>> from tutorlib.models import TokenMLP
    >>> from tutorlib.tunnels import Bijection
    >>> from tutorlib.training import TrainingPlan
    >>> plan, cpu = TrainingPlan(precision="bfloat16"), torch.device("cpu")
    >>> sizes(TokenMLP(6, 5, width=8, layers=1), Bijection(3), plan, 64, cpu).split(",")[0]
    'lower plan.batch=64'
    """
    config = model.config()
    now = [f"plan.batch={batch}", *(f"model.{key}={config[key]}" for key in SIZES if config.get(key))]
    lower = f"lower {', '.join(now)}, or the length of a sequence, now {tunnel.length} tokens"
    precision = "; precision=bfloat16 needs less" if plan.precision == "float32" else ""
    return f"{lower}{precision} (the device is {device}, the precision {plan.precision})"


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether no number in them is infinite or not a number; one wait for each device, not one for each tensor.

    >>> all_finite([torch.ones(2)]), all_finite([torch.tensor([1.0, torch.inf])])
    (True, False)
    """
    verdicts: dict[torch.device, list[Tensor]] = {}
    for tensor in tensors:
        verdicts.setdefault(tensor.device, []).append(tensor.isfinite().all())
    return all(bool(torch.stack(found).all()) for found in verdicts.values())
