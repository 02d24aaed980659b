"""``tutorlib evaluate``: one checkpoint beside the exact posterior, under its own law, another law or another length."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import torch

from tutorlib import checkpoints
from tutorlib.evaluation import (
    GAP_MEASURES,
    LAW_MEASURES,
    MEASURES,
    Evaluation,
    equivalent_window,
    evaluate,
    ladder,
    martingale_gap,
    permutation_gap,
)
from tutorlib.models import SequenceModel, count_parameters
from tutorlib.tunnels import Tunnel

__all__ = ["arguments", "report"]

SHOWN = ("entropy_error", "kl", "total_variation", "impossible", "accuracy", "loss")


def arguments(text: str) -> dict[str, Any]:
    """``"law=sticky,stick=0.95"`` as ``{"law": "sticky", "stick": 0.95}``: a value is a Python literal or a bare word.

    Raises:
        ValueError: if the text has another form.

    >>> arguments("law=sticky,stick=0.95")
    {'law': 'sticky', 'stick': 0.95}
    """
    wrong = f"expected KEY=VALUE,KEY=VALUE,..., got {text!r}"
    try:
        call = ast.parse(f"f({text})", mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ValueError(wrong) from error
    if (
        not isinstance(call, ast.Call)
        or not isinstance(call.func, ast.Name)
        or call.args
        or not call.keywords
    ):
        raise ValueError(wrong)
    values: dict[str, Any] = {}
    for keyword in call.keywords:
        value = keyword.value
        try:
            found = value.id if isinstance(value, ast.Name) else ast.literal_eval(value)
        except ValueError as error:
            raise ValueError(wrong) from error
        if keyword.arg is None:
            raise ValueError(wrong)
        values[keyword.arg] = found
    return values


def report(
    name: str | Path,
    *,
    sequences: int,
    seed: int,
    length: int | None = None,
    law: dict[str, Any] | None = None,
    gaps: bool = False,
) -> None:
    """Print the measures of a checkpoint with their intervals, and the ladder of references beside them.

    Args:
        name: of one that ships, or a path without an ending.
        sequences: how many fresh ones.
        seed: of the generator that draws them.
        length: steps of a sequence (pairs, observations, tosses), if other than in training.
        law: arguments of the tunnel that change where the sequences come from; the exact answer stays the one under
            the tunnel's own prior, and the answer under the new law is reported too.
        gaps: report the permutation gap and the martingale gap as well, where the tunnel defines them.

    Raises:
        ValueError: if an argument does not fit the tunnel or the model.

    >>> report("bijection-v8", sequences=8, seed=0)  # doctest: +ELLIPSIS
    bijection-v8: 12,800 parameters, 8 fresh sequences
    ...
    """
    point = checkpoints.load(name)
    model = point.model
    tunnel = point.tunnel if length is None else point.tunnel.at_length(length)
    source = None if law is None else tunnel.changed(**law)
    found = evaluate(model, tunnel, sequences=sequences, generator=_generator(seed), law=source)
    rungs = ladder(tunnel, sequences=min(sequences, 1024), generator=_generator(seed))
    print(f"{name}: {count_parameters(model):,} parameters, {sequences:,} fresh sequences")
    if length is not None:
        print(f"  {tunnel.steps_argument}: {length}; it was trained on {_steps(point.tunnel)}")
    if law is not None:
        print(f"  sequences from {', '.join(f'{key}={value}' for key, value in law.items())}")
    _intervals(found, SHOWN, MEASURES, seed)
    title = "entropy MAE, averaged over sequences first (the paper's released code), bits"
    print(f"  {title:78s} {found.entropy_mae_averaged_first():.5f}")
    if law is not None:
        _intervals(found, tuple(LAW_MEASURES), LAW_MEASURES, seed)
    else:
        window, most = equivalent_window(found.mean("kl"), tunnel, rungs), tunnel.max_window
        print(
            f"  as good as an exact observer of the last {window:.3f} {tunnel.symbols_name} ({most} is all)"
        )
    if gaps:
        _gaps(model, tunnel, sequences, seed)
    print(f"\n  {'reference':24s} {'entropy MAE':>12s} {'KL':>10s} {'impossible':>11s}")
    for rung_name, rung in rungs.items():
        kl = rung.mean("kl")
        error, impossible = rung.mean("entropy_error"), rung.mean("impossible")
        print(f"  {rung_name:24s} {error:12.4f} {kl:10.4f} {impossible:11.4f}")


def _steps(tunnel: Tunnel) -> object:
    return tunnel.config()[str(tunnel.steps_argument)]


def _intervals(found: Evaluation, keys: tuple[str, ...], titles: dict[str, str], seed: int) -> None:
    for key in keys:
        print(f"  {titles[key]:78s} {found.interval(key, _generator(seed)):.5f}")


def _gaps(model: SequenceModel, tunnel: Tunnel, sequences: int, seed: int) -> None:
    for name, gap, most in (("permutation", permutation_gap, 1024), ("martingale", martingale_gap, 256)):
        try:
            found = gap(model, tunnel, sequences=min(sequences, most), generator=_generator(seed))
        except ValueError as error:
            print(f"  no {name} gap: {error}")
        else:
            _intervals(found, (f"{name}_kl", f"{name}_tv"), GAP_MEASURES, seed)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
