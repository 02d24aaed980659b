"""One run at many moments: the weights at chosen steps, in one file, so that a chapter can watch a circuit form.

``load("bijection-v20")`` takes a run that ships, ``load("runs/mine")`` yours. A run is two files of one name,
``NAME.snapshots.safetensors`` and ``NAME.snapshots.json``; tensors are called ``step/parameter``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from tutorlib.checkpoints import CheckpointError
from tutorlib.files import write_whole
from tutorlib.models import SequenceModel, build
from tutorlib.tunnels import TUNNELS, Tunnel

__all__ = ["Snapshots", "available", "load", "recorder", "save", "spread"]

WEIGHTS = Path(str(resources.files("tutorlib"))) / "weights" / "snapshots"
ENDING = ".snapshots"


@dataclass(frozen=True)
class Snapshots:
    """The weights of a run at several steps.

    Attributes:
        model: the network; :meth:`at` puts weights into it.
        tunnel: the tunnel it was trained on.
        weights: the state of the model by step, in rising order; step 0 is before training.
        card: where they come from.

    >>> run = load("bijection-v20-watched")
    >>> run.steps[:4], run.at(10).name
    ([0, 10, 20, 30], 'transformer')
    """

    model: SequenceModel
    tunnel: Tunnel
    weights: dict[int, dict[str, Tensor]]
    card: dict[str, Any]

    @property
    def steps(self) -> list[int]:
        """The steps that were kept, in rising order."""
        return list(self.weights)

    def at(self, step: int) -> SequenceModel:
        """The network as it was after ``step`` updates. It is one object: the next call changes it.

        Raises:
            ValueError: if that step was not kept.
        """
        if step not in self.weights:
            raise ValueError(f"step: expected one of {', '.join(map(str, self.weights))}, got {step!r}")
        self.model.load_state_dict(self.weights[step])
        return self.model.eval()

    def __iter__(self) -> Iterator[tuple[int, SequenceModel]]:
        """Each step with the network at it, from the first to the last."""
        return ((step, self.at(step)) for step in self.weights)


def spread(last: int, first: int = 10, each: int = 5) -> list[int]:
    """About ``each`` steps a factor of ten from ``first`` to ``last``, evenly on a logarithmic scale, and 0.

    Every one but ``last`` is a multiple of ``first``.

    Raises:
        ValueError: if not ``1 <= first <= last``, or ``each`` is below 1.

    >>> spread(1000, first=10, each=2)
    [0, 10, 30, 100, 320, 1000]
    """
    if not 1 <= first <= last or each < 1:
        raise ValueError(
            f"first, last, each: expected 1 <= first <= last and 1 <= each, got {first}, {last}, {each}"
        )
    steps, exponent = {0, last}, 0
    while (step := round(10 ** (exponent / each)) * first) < last:
        steps.add(step)
        exponent += 1
    return sorted(steps)


def recorder(folder: str | Path, steps: Sequence[int]) -> Callable[[int, SequenceModel], None]:
    """A function for the ``on_log`` of :func:`tutorlib.training.train` that writes the weights at ``steps``.

    Each step is a file of its own in ``folder``, so that a run can be killed and resumed; :func:`save` packs them. Call it
    once with step 0 before training.

    >>> import os
    >>> from tutorlib.models import TokenMLP
    >>> recorder("runs/mine.steps", [0, 10])(0, TokenMLP(8, 7))
    >>> os.listdir("runs/mine.steps")
    ['00000000.safetensors']
    """
    folder, wanted = Path(folder), set(steps)

    def record(step: int, model: SequenceModel) -> None:
        if step not in wanted:
            return
        path = folder / f"{step:08d}.safetensors"
        blob = safetensors.torch.save(
            {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
        )
        write_whole({path: blob})

    return record


def save(
    path: str | Path, folder: str | Path, model: SequenceModel, tunnel: Tunnel, card: dict[str, Any]
) -> Path:
    """Pack what a recorder wrote into one file with a card.

    Args:
        path: folder and name of the run, without an ending.
        folder: where the recorder wrote.
        model: of the same kind; its weights are not written.
        tunnel: what it was trained on.
        card: JSON-ready facts about the run.

    Returns:
        The path of the weights.

    Raises:
        CheckpointError: if nothing was recorded, or the card is not JSON-ready.

    >>> from tutorlib.models import TokenMLP
    >>> from tutorlib.tunnels import Bijection
    >>> model = TokenMLP(8, 7)
    >>> recorder("runs/mine.steps", [0])(0, model)
    >>> save("runs/mine", "runs/mine.steps", model, Bijection(4), {}).name
    'mine.snapshots.safetensors'
    """
    files = sorted(Path(folder).glob("*.safetensors"))
    if not files:
        raise CheckpointError(f"snapshots {path}: nothing was recorded in {folder}")
    tensors = {
        f"{int(file.stem)}/{name}": tensor
        for file in files
        for name, tensor in safetensors.torch.load_file(file).items()
    }
    blob = safetensors.torch.save(tensors)
    about = {
        "model": {"name": model.name, **model.config()},
        "tunnel": {"name": tunnel.name, **tunnel.config()},
        "steps": [int(file.stem) for file in files],
        "sha256": hashlib.sha256(blob).hexdigest(),
    }
    try:
        text = json.dumps(about | card | about, indent=2, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"card: expected JSON-ready facts, got others ({error})") from error
    weights_path, card_path = _paths(path, shipped=False)
    write_whole({weights_path: blob, card_path: text.encode()})
    return weights_path


def available() -> list[str]:
    """Names of the runs whose snapshots ship with the library.

    >>> available()
    ['bijection-v20-watched', 'hmm-watched']
    """
    return sorted(path.name.removesuffix(f"{ENDING}.json") for path in WEIGHTS.glob(f"*{ENDING}.json"))


def load(name: str | Path) -> Snapshots:
    """Load the snapshots of a run by the name of one that ships, or by its path without an ending.

    Raises:
        CheckpointError: if they are missing or damaged, or do not fit the model that the card names.

    >>> load("bijection-v20-watched").steps[:4]
    [0, 10, 20, 30]
    """
    weights_path, card_path = _paths(name, shipped=True)
    for path in (card_path, weights_path):
        if not path.exists():
            shipped = ", ".join(available()) or "none"
            raise CheckpointError(f"snapshots {name}: no file {path.name}; those that ship are {shipped}")
    blob = weights_path.read_bytes()
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        found, said = hashlib.sha256(blob).hexdigest(), card["sha256"]
        if found != said:
            raise ValueError(f"the weights are damaged; expected sha256 {str(said)[:12]}, got {found[:12]}")
        about_model, about_tunnel = dict(card["model"]), dict(card["tunnel"])
        model = build(about_model.pop("name"), **about_model)
        tunnel = TUNNELS[about_tunnel.pop("name")](**about_tunnel)
        weights: dict[int, dict[str, Tensor]] = {int(step): {} for step in card["steps"]}
        for key, tensor in safetensors.torch.load(blob).items():
            step, _, parameter = key.partition("/")
            weights[int(step)][parameter] = tensor
        for state in weights.values():
            model.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"snapshots {name}: {error}") from error
    return Snapshots(model.eval(), tunnel, weights, card)


def _paths(name: str | Path, shipped: bool) -> tuple[Path, Path]:
    base = Path(name)
    if shipped and len(base.parts) == 1 and not base.with_name(f"{base.name}{ENDING}.json").exists():
        base = WEIGHTS / base
    weights, card = (base.with_name(f"{base.name}{ENDING}{end}") for end in (".safetensors", ".json"))
    return weights, card
