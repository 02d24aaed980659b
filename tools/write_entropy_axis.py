"""Measure what chapter 16 shows: python tools/write_entropy_axis.py

About ten core-minutes with SmolLM2 installed (requirements/no-deps.txt). Writes ``study.json`` in
``src/tutorlib/entropy_axis`` and ``tokens.json`` for the explorer; tests measure parts of both again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from tutorlib import entropy_axis as ea
from tutorlib.explore.uncertain import measure_tokens
from tutorlib.geometry import principal_axes
from tutorlib.llm import attention_focus, key_orthogonality, paragraphs, record, smollm

SOURCE = Path(__file__).resolve().parents[1] / "src" / "tutorlib"
TOY_SEEDS = range(3)
WHAT = ("values", "residual")


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def toy() -> dict[str, Any]:
    tunnel = ea.Grammar()
    batch = tunnel.sample(256, torch.Generator().manual_seed(1))
    found = {"untrained": ea.toy_rows(untrained(tunnel), tunnel, batch)}
    for seed in TOY_SEEDS:
        found[f"seed {seed}"] = ea.toy_rows(ea.train_toy(tunnel, seed=seed), tunnel, batch)
    return found


def untrained(tunnel: ea.Grammar) -> Any:
    from tutorlib.geometry import untrained as twin

    return twin(ea.toy_model(tunnel), torch.Generator().manual_seed(5))


def real() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    model = smollm(device="cpu")
    texts = [p.text for p in paragraphs()]
    twin = ea.untrained_twin(model)
    trained, raw = (record(m, texts, positions=ea.SKIPPED, what=WHAT) for m in (model, twin))
    layers = []
    for layer in range(model.layers):
        for what in WHAT:
            layers.append(ea.layer_row(trained, raw, what, layer))
            print(layers[-1], file=sys.stderr)
    every = record(model, texts, positions=0, what=("residual",))
    last = record(model, texts, positions="last", what=("attention_entropy",))
    generator = torch.Generator().manual_seed(0)
    keys, random_keys = (key_orthogonality(m, generator) for m in (model, twin))
    found = {
        "model": {"name": model.name, "revision": model.revision, "torch": torch.__version__.split("+")[0]},
        "tokens": len(trained.entropy),
        "paragraphs": len(texts),
        "entropy": float(trained.entropy.mean()),
        "spread": float(trained.entropy.std()),
        "surprise": float(trained.surprise.nanmean()),
        "untrained_entropy": float(raw.entropy.mean()),
        "token_only": ea.token_scores(trained),
        "layers": layers,
        "seventy_five": ea.seventy_five(model),
        "sink": [ea.sink_shares(every, layer) for layer in range(model.layers)],
        "keys": {
            "layers": keys.layers.tolist(),
            "expected": keys.expected,
            "low": keys.low,
            "high": keys.high,
            "short": keys.short,
            "untrained": random_keys.layers.tolist(),
        },
        "attention": attention_focus(last).tolist(),
        "ratio_untrained": [
            principal_axes(raw.vectors("values", n), standardise=True).participation_ratio
            for n in range(model.layers)
        ],
    }
    return found, measure_tokens(model, trained)


def main() -> None:
    measured, tokens = real()
    write(SOURCE / "entropy_axis" / "study.json", rounded({**measured, "toy": toy()}))
    write(SOURCE / "explore" / "uncertain.json", tokens)


def write(path: Path, value: Any) -> None:
    rows = value if isinstance(value, list) else None
    parts = rows if rows is not None else value.items()
    lines = [
        json.dumps(part, ensure_ascii=False)
        if rows is not None
        else f"{json.dumps(part[0])}: {json.dumps(part[1], ensure_ascii=False)}"
        for part in parts
    ]
    ends = "[]" if rows is not None else "{}"
    path.write_text(ends[0] + ",\n".join(lines) + ends[1] + "\n", encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
