"""Trained networks on disk: weights in safetensors, and beside them a JSON card that says where they come from.

``load("bijection-v20")`` takes a checkpoint that ships with the library; ``load("runs/mine")`` takes yours. A
checkpoint is two files of one name, ``NAME.safetensors`` and ``NAME.json``; the card holds the hash of the
weights, so damage is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from tutorlib.models import SequenceModel, build, count_parameters
from tutorlib.tunnels import TUNNELS, Tunnel

__all__ = ["Checkpoint", "CheckpointError", "available", "load", "read_card", "save"]


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, or does not fit.

    >>> load("no-such")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    tutorlib.checkpoints.CheckpointError: checkpoint no-such: no file no-such.json; ...
    """


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint.

    Attributes:
        model: the network, in evaluation mode, on the CPU.
        tunnel: the tunnel it was trained on.
        card: where it comes from: plan, seed, steps, seconds, measured errors.

    >>> point = load("bijection-v8")
    >>> point.model.name, point.tunnel.symbols, point.card["recipe"]
    ('transformer', 8, 'bijection-v8')
    """

    model: SequenceModel
    tunnel: Tunnel
    card: dict[str, Any]


def _shipped() -> Path:
    return Path(str(resources.files("tutorlib"))) / "weights"


def available() -> list[str]:
    """Names of the checkpoints that ship with the library.

    >>> "bijection-v8" in available()
    True
    """
    return sorted(path.stem for path in _shipped().glob("*.safetensors"))


def _paths(name: str | Path) -> tuple[Path, Path]:
    base = Path(name)
    if len(base.parts) == 1 and not base.with_name(base.name + ".json").exists():
        base = _shipped() / base
    return base.with_name(base.name + ".safetensors"), base.with_name(base.name + ".json")


def save(path: str | Path, model: SequenceModel, tunnel: Tunnel, card: dict[str, Any]) -> Path:
    """Write ``path.safetensors`` and ``path.json``; each appears whole or not at all.

    What the model and the tunnel say of themselves goes into the card too, and stands above ``card``.

    Args:
        path: folder and name, without an ending.
        model: its ``state_dict`` is written.
        tunnel: named in the card, so that ``load`` can build it.
        card: JSON-ready facts about the run.

    Returns:
        The path of the weights.

    Raises:
        CheckpointError: if the card is not JSON-ready; nothing is written then.

    >>> from tutorlib.models import TokenMLP
    >>> from tutorlib.tunnels import Bijection
    >>> save("runs/mine", TokenMLP(6, 5), Bijection(3), {"note": "untrained"}).name
    'mine.safetensors'
    """
    base = Path(path)
    tensors: dict[str, Tensor] = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    blob = safetensors.torch.save(tensors)
    about = {
        "model": {"name": model.name, **model.config()},
        "tunnel": {"name": tunnel.name, **tunnel.config()},
        "parameters": count_parameters(model),
        "sha256": hashlib.sha256(blob).hexdigest(),
    }
    try:
        text = json.dumps(about | card | about, indent=2, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"card: expected JSON-ready facts, got others ({error})") from error
    base.parent.mkdir(parents=True, exist_ok=True)
    weights_path = base.with_name(base.name + ".safetensors")
    for target, data in ((weights_path, blob), (base.with_name(base.name + ".json"), text.encode())):
        partial = target.with_name(target.name + ".part")
        partial.write_bytes(data)
        os.replace(partial, target)
    return weights_path


def read_card(name: str | Path) -> dict[str, Any]:
    """The JSON card of a checkpoint.

    Raises:
        CheckpointError: if there is none, or it is not readable.

    >>> read_card("bijection-v8")["parameters"]
    12800
    """
    _, card_path = _paths(name)
    if not card_path.exists():
        shipped = ", ".join(available()) or "none"
        raise CheckpointError(f"checkpoint {name}: no file {card_path.name}; those that ship are {shipped}")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        if not isinstance(card, dict) or not {"model", "tunnel", "sha256"} <= card.keys():
            raise ValueError("it lacks model, tunnel or sha256")
        if not isinstance(card["sha256"], str):
            raise ValueError(f"sha256: expected text, got {card['sha256']!r}")
    except ValueError as error:
        raise CheckpointError(f"checkpoint {name}: the card is damaged ({error})") from error
    return card


def load(name: str | Path) -> Checkpoint:
    """Load a checkpoint by the name of one that ships, or by its path without an ending.

    Raises:
        CheckpointError: if it is missing or damaged, or its weights do not fit the model its card names.

    >>> load("bijection-v8").tunnel.config()
    {'symbols': 8, 'pairs': 8, 'replacement': False}
    """
    weights_path, _ = _paths(name)
    card = read_card(name)
    if not weights_path.exists():
        raise CheckpointError(f"checkpoint {name}: no file {weights_path.name} beside its card")
    blob = weights_path.read_bytes()
    found = hashlib.sha256(blob).hexdigest()
    if found != card["sha256"]:
        raise CheckpointError(
            f"checkpoint {name}: the weights are damaged; expected sha256 {card['sha256'][:12]}, got {found[:12]}"
        )
    try:
        about_model, about_tunnel = dict(card["model"]), dict(card["tunnel"])
        model = build(about_model.pop("name"), **about_model)
        tunnel = TUNNELS[about_tunnel.pop("name")](**about_tunnel)
        model.load_state_dict(safetensors.torch.load(blob))
    except (KeyError, TypeError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"checkpoint {name}: the card does not fit the weights ({error})") from error
    if model.vocab != tunnel.vocab or model.context < tunnel.length:
        raise CheckpointError(
            f"checkpoint {name}: expected a model for {tunnel.vocab} tokens and {tunnel.length} positions, as its "
            f"tunnel has, got one for {model.vocab} and {model.context}"
        )
    model.eval()
    return Checkpoint(model, tunnel, card)
