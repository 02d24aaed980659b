"""Trained networks on disk: weights in safetensors, and beside them a JSON card that says where they come from.

``load("bijection-v20")`` takes a checkpoint that ships with the library; ``load("runs/mine")`` takes yours. A
checkpoint is two files of one name, ``NAME.safetensors`` and ``NAME.json``; the card holds the hash of the
weights, so damage is noticed. A save that is cut short, by a kill or a full disk, leaves the old checkpoint or
the new one, never a mixture.
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

from tutorlib.files import PART, write_whole
from tutorlib.models import SequenceModel, build, count_parameters
from tutorlib.tunnels import TUNNELS, Tunnel

__all__ = ["Checkpoint", "CheckpointError", "available", "load", "read_card", "save"]

FORMAT = 1  # of the card; a card without a format is of the first


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
    """Write ``path.safetensors`` and ``path.json``, in place of an older pair if there is one.

    Both are written beside it first and then renamed, the weights before the card. Stopped at any moment,
    :func:`load` gives the old pair or the new one: between the two renames it takes the card from
    ``path.json.part``. What the model and the tunnel say of themselves goes into the card too, and stands above ``card``.

    Args:
        path: folder and name, without an ending.
        model: its ``state_dict`` is written.
        tunnel: named in the card, so that ``load`` can build it.
        card: JSON-ready facts about the run.

    Returns:
        The path of the weights.

    Raises:
        CheckpointError: if the card is not JSON-ready or a weight is not a number; nothing is written then.
        SaveError: if the disk is full or the folder cannot be written; the old pair is whole then.

    >>> from tutorlib.models import TokenMLP
    >>> from tutorlib.tunnels import Bijection
    >>> save("runs/mine", TokenMLP(6, 5), Bijection(3), {"note": "untrained"}).name
    'mine.safetensors'
    """
    base = Path(path)
    tensors: dict[str, Tensor] = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    if spoilt := [name for name, value in tensors.items() if not value.isfinite().all()]:
        raise CheckpointError(f"weights: expected finite numbers, got others in {', '.join(spoilt)}")
    blob = safetensors.torch.save(tensors)
    about = {
        "format": FORMAT,
        "model": {"name": model.name, **model.config()},
        "tunnel": {"name": tunnel.name, **tunnel.config()},
        "parameters": count_parameters(model),
        "sha256": hashlib.sha256(blob).hexdigest(),
    }
    try:
        text = json.dumps(about | card | about, indent=2, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"card: expected JSON-ready facts, got others ({error})") from error
    weights_path, card_path = (base.with_name(base.name + end) for end in (".safetensors", ".json"))
    if (current := _card_in_force(weights_path, card_path)) != card_path:
        os.replace(current, card_path)  # an earlier save was cut between its renames; this one may fail too
    write_whole({weights_path: blob, card_path: text.encode()})
    return weights_path


def _card_in_force(weights_path: Path, card_path: Path) -> Path:
    """The card that belongs to the weights: its ``.part`` if a save was cut between its two renames."""
    part = card_path.with_name(card_path.name + PART)
    if not (part.exists() and weights_path.exists()):
        return card_path
    found = hashlib.sha256(weights_path.read_bytes()).hexdigest()
    return part if _said(card_path) != found and _said(part) == found else card_path


def _said(card_path: Path) -> object:
    """The hash of the weights that a card states; None if it cannot be read."""
    try:
        return json.loads(card_path.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_card(name: str | Path) -> dict[str, Any]:
    """The JSON card of a checkpoint.

    Raises:
        CheckpointError: if there is none, it is not readable, or it is of a format that this version does not know.

    >>> read_card("bijection-v8")["parameters"]
    12800
    """
    card_path = _card_in_force(*_paths(name))
    if not card_path.exists():
        shipped = ", ".join(available()) or "none"
        raise CheckpointError(f"checkpoint {name}: no file {card_path.name}; those that ship are {shipped}")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"checkpoint {name}: the card is damaged ({error})") from error
    card = card if isinstance(card, dict) else {}
    if (written := card.get("format", FORMAT)) != FORMAT:
        raise CheckpointError(
            f"checkpoint {name}: format: expected {FORMAT}, got {written!r}; a newer tutorlib may know it"
        )
    if not {"model", "tunnel", "sha256"} <= card.keys():
        raise CheckpointError(f"checkpoint {name}: the card is damaged (it lacks model, tunnel or sha256)")
    if not isinstance(card["sha256"], str):
        raise CheckpointError(
            f"checkpoint {name}: the card is damaged (sha256: expected text, got {card['sha256']!r})"
        )
    return card


def _known_tunnel(name: object) -> str:
    if not isinstance(name, str) or name not in TUNNELS:
        raise ValueError(
            f"tunnel: expected one of {', '.join(TUNNELS)}, got {name!r}; one of your own needs tunnels.register first"
        )
    return name


def load(name: str | Path) -> Checkpoint:
    """Load a checkpoint by the name of one that ships, or by its path without an ending.

    A tunnel of your own has to be known first, by :func:`tutorlib.tunnels.register`.

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
        tunnel = TUNNELS[_known_tunnel(about_tunnel.pop("name"))](**about_tunnel)
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
