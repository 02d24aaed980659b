"""The measurements of the protocol as a page, with the paper's row beside where the paper has the model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tutorlib.arguments import instance
from tutorlib.files import write_whole

__all__ = ["PAPER", "paper_row", "report_page", "write_report"]

# Tables 1 and 2 and section 4.3 of arXiv 2512.23752 v1. Percent of variance; |cos| and the drop as printed there.
PAPER: dict[str, dict[str, str]] = {
    "pythia-410m": {
        "mixed": "79.6 / 99.7", "mathematics": "58.0 / 99.9", "rank": "-0.32 mixed, -0.14 mathematics",
        "keys": "0.11-0.13", "focus": "82 %", "sula": "0.44", "sula length": "0.86",
        "conflict": "section 5.3 gives a PC1 of 12-25 % for mixed prompts, section 6.4 84 %",
    },
    "phi-2": {
        "mixed": "46.4 / 60.6", "mathematics": "52.2 / 63.5", "rank": "0.34 mixed, 0.16 mathematics",
        "keys": "0.034-0.051", "focus": "86 %", "sula": "0.31", "sula length": "0.60",
        "conflict": "section 5.4 gives 34 % for the first two axes, mixed",
    },
    "llama-3.2-1b": {
        "mixed": "36.6 / 51.4", "mathematics": "52.5 / 73.6", "rank": "0.59 mixed, -0.51 mathematics",
        "keys": "0.15-0.18", "focus": "31 %", "sula": "0.36", "sula length": "0.32",
        "conflict": "section 5.5 gives 33.3 % for the first two axes, mixed",
    },
    "pythia-12b": {"mixed": "- / about 19", "mathematics": "- / about 90", "keys": "0.05-0.10", "focus": "not monotone"},
    "mistral-7b": {"mixed": "- / 15-20", "mathematics": "- / about 80", "keys": "0.05-0.06", "focus": "20-30 %"},
}  # fmt: skip


def paper_row(name: str) -> dict[str, str]:
    """What the paper prints for a model, by the end of its name on the hub; empty if it has none.

    >>> paper_row("EleutherAI/pythia-410m")["focus"]
    '82 %'
    """
    short = instance("name", name, str).rsplit("/", 1)[-1].lower()
    found = [key for key in PAPER if short == key or short.startswith(f"{key}-")]
    return PAPER[max(found, key=len)] if found else {}


def report_page(found: Mapping[str, Any]) -> str:
    """The page in Markdown for what :func:`tutorlib.llm.protocol` measured.

    >>> from tutorlib.llm import Settings, protocol, tiny
    >>> report_page(protocol(tiny("phi"), Settings(5, 1, 2, 1, 2, 2, 16, 5))).splitlines()[0]
    '# random-phi, measured by the protocol of arXiv 2512.23752'
    """
    parts = (_head, _prose, _domains, _keys_and_attention, _sula, _colours, _cuts)
    return "\n\n".join(part(found, paper_row(found["model"]["name"])) for part in parts) + "\n"


def write_report(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the page and the numbers, ``NAME.md`` and ``NAME.json``, into a folder; each appears whole or not at all.

    >>> from pathlib import Path
    >>> from tutorlib.llm import Settings, protocol, tiny
    >>> found = protocol(tiny("phi"), Settings(5, 1, 2, 1, 2, 2, 16, 5))
    >>> [path.name for path in write_report(found, Path("reports"))]
    ['random-phi.md', 'random-phi.json']
    """
    stem = (
        "".join(c if c.isalnum() or c in "-._" else "-" for c in found["model"]["name"]).strip("-.")
        or "model"
    )
    page, numbers = (instance("folder", folder, Path) / f"{stem}{end}" for end in (".md", ".json"))
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    write_whole({page: report_page(found).encode(), numbers: text.encode()})
    return [page, numbers]


def _number(value: Any, digits: int = 3, times: float = 1) -> str:
    """A number, or an interval as ``mean [low, high]``; a dash for what was not measured."""
    if isinstance(value, list):
        mean, low, high = (_number(each, digits, times) for each in value)
        return f"{mean} [{low}, {high}]"
    if value is None or not math.isfinite(value):
        return "-"
    value *= times
    small = value != 0 and abs(value) < 10**-digits
    return f"{value:.1e}" if small else f"{value:.{digits}f}"


def _table(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [list(heads), ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _head(found: Mapping[str, Any], paper: Mapping[str, str]) -> str:
    m, s = found["model"], found["settings"]
    versions = ", ".join(f"{name} {number}" for name, number in m["versions"].items())
    rows = [
        ["revision", str(m["revision"])],
        [
            "family",
            f"{m['family']}, {m['parameters']:,} parameters, {m['layers']} layers, width {m['width']}",
        ],
        ["heads", f"{m['heads']} query heads, {m['kv_heads']} value heads of {m['head_dim']}"],
        [
            "run",
            f"{m['dtype']} on {m['device']}, seed {s['seed']}, {m['seconds']} s, {m['core_seconds']} core-seconds",
        ],
        ["versions", versions],
        ["settings", ", ".join(f"{key} {value}" for key, value in s.items() if key != "seed")],
        ["largest error of attention x values, relative", _number(m["value_check"], 6)],
    ]
    known = (
        "The paper has this model: its numbers, from version 1, stand beside."
        if paper
        else "The paper has no row for this model."
    )
    return (
        f"# {m['name']}, measured by the protocol of arXiv 2512.23752\n\n{_table(('', ''), rows)}\n\n"
        f"Entropies and KL are in bits, brackets are 95 % intervals, layers count from 0. {known}"
    )


def _prose(found: Mapping[str, Any], paper: Mapping[str, str]) -> str:
    p = found["prose"]
    rows = []
    for row in p["axes"]:
        if "not measured" in row:
            rows.append([str(row["layer"]), row["what"], row["not measured"], *[""] * 5])
            continue
        rows.append([
            str(row["layer"]),
            row["what"],
            _number(row["first_share"], 1, 100),
            _number(row["participation_ratio"], 1),
            _number(row["first_rank"], 2),
            _number(row["probe_r2"], 2),
            _number(row["probe_rank"], 2),
            _number(row["shuffled_r2"], 2),
        ])  # fmt: skip
    heads = (
        "layer",
        "vectors",
        "PC1, % of variance",
        "participation ratio",
        "rank correlation of PC1 with entropy",
        "probe, held-out R2",
        "probe, rank correlation",
        "R2, entropies shuffled",
    )
    return (
        "## Mixed prose: where is the entropy?\n\n"
        f"Mean entropy of the next token {_number(p['entropy'], 2)}, mean surprise "
        f"{_number(p['surprise'], 2)}; the first 8 "
        "positions of each paragraph are left out, and folds are by paragraph. The sign of PC1 is arbitrary.\n\n"
        + _table(heads, rows)
    )


def _domains(found: Mapping[str, Any], paper: Mapping[str, str]) -> str:
    rows = []
    for kind, row in found["domains"].items():
        if "not measured" in row:
            rows.append([kind, row["not measured"], "", "", "", ""])
            continue
        rows.append([
            kind,
            _number(row["first_share"], 1, 100),
            _number(row["two_share"], 1, 100),
            _number(row["participation_ratio"], 1),
            _number(row["first_rank"], 2),
            paper.get(kind, "-"),
        ])  # fmt: skip
    heads = (
        "prompts",
        "PC1, %",
        "PC1+2, %",
        "participation ratio",
        "rank correlation with entropy",
        "paper: PC1 / PC1+2, %",
    )
    extra = f" The paper's rank correlations: {paper['rank']}." if "rank" in paper else ""
    extra += f" The paper disagrees with itself: {paper['conflict']}." if "conflict" in paper else ""
    count = found["domains"]["mixed"].get("rows", "-")
    return (
        "## One domain against mixed prompts\n\n"
        f"Values of the last layer at the last token, standardised. {count} prompts of each kind, of "
        f"the same length and with "
        "the same last token. The templates are four sentences with other numbers in them: they show "
        "what few templates do, "
        f"which is easily taken for what a domain does.{extra}\n\n" + _table(heads, rows)
    )


def _keys_and_attention(found: Mapping[str, Any], paper: Mapping[str, str]) -> str:
    k, a = found["keys"], found["attention"]
    rows = [
        [str(i), _number(cos), _number(bits, 2)]
        for i, (cos, bits) in enumerate(zip(k["layers"], a["layers"], strict=True))
    ]
    below = sum(cos < k["low"] for cos in k["layers"])
    return (
        "## Keys and attention\n\n"
        f"Mean |cos| between the columns of each head's key matrix. As many random columns of the same length have "
        f"{_number(k['expected'])} [{_number(k['low'])}, {_number(k['high'])}]; {below} of "
        f"{len(k['layers'])} layers lie below, "
        f"that is, are more orthogonal than random. Random vectors as short as a head, a reference "
        f"that does not fit, would "
        f"have {_number(k['short'])}. The paper: {paper.get('keys', '-')}.\n\n"
        f"Attention entropy at the last token of each paragraph, of each head first. From the first "
        f"layer to the last it falls "
        f"by {_number(a['drop_to_last'], 0, 100)} %, to the lowest layer, {a['lowest_layer']}, by "
        f"{_number(a['drop_to_lowest'], 0, 100)} %. The paper: {paper.get('focus', '-')}.\n\n"
        + _table(("layer", "mean abs. cosine of keys", "attention entropy"), rows)
    )


def _scores(names: dict[str, Mapping[str, Any]]) -> str:
    rows = [
        [name, _number(row["entropy_mae"]), _number(row["mae"]), _number(row["correlation"], 2)]
        for name, row in names.items()
    ]
    return _table(
        ("who answers", "entropy MAE", "MAE of the probability", "correlation with the exact answer"), rows
    )


def _sula(found: Mapping[str, Any], paper: Mapping[str, str]) -> str:
    s = found["sula"]
    names = {
        "the model": s["model against posterior"],
        **s["simple rules against posterior"],
        "the model, labels shuffled": s["control shuffled"],
        "the model, labels masked": s["control masked"],
    }
    given = s.get("first_rank_exact_given_length")
    return (
        "## In-context evidence of growing length (SULA)\n\n"
        f"{s['prompts']} prompts with 0 to 8 examples; the two labels have {_number(s['mass'], 2)} of "
        f"the probability. Errors are "
        f"against the posterior of the label, as in the paper (entropy MAE there: "
        f"{paper.get('sula', '-')}); against the law of the "
        f"next label shown the model's entropy MAE is {_number(s['model against predictive']['entropy_mae'])}.\n\n"
        + _scores(names)
        + f"\n\nPC1 of the last layer's values and the exact entropy: rank correlation "
        f"{_number(s.get('first_rank_exact'), 2)}. "
        f"PC1 and the number of examples: {_number(s.get('first_rank_length'), 2)} (paper: "
        f"{paper.get('sula length', '-')}). "
        f"PC1 and the exact entropy, given the number of examples: {_number(given, 2)}. What the "
        f"length tells is no belief."
    )


def _colours(found: Mapping[str, Any], paper: Mapping[str, str]) -> str:
    c = found["colours"]
    names = {
        "the model": c["model against posterior"],
        "the model, averaged over orders": c["averaged over orders"],
        **c["simple rules against posterior"],
    }
    return (
        "## In-context evidence of fixed length\n\n"
        f"{c['prompts']} sequences of 16 colours; the exact answer is (n + 1) / 18. The two colours have "
        f"{_number(c['mass'], 2)} of the probability.\n\n"
        + _scores(names)
        + f"\n\nA probe of the last layer's values reads the exact entropy, for counts that it never "
        f"saw, with rank correlation "
        f"{_number(c['probe_rank'], 2)}. On a small random model of the family the same probe has "
        f"{_number(c['probe_rank random model'], 2)}; PC1 of the values has {_number(c.get('first_rank_exact'), 2)}."
    )


def _cuts(found: Mapping[str, Any], paper: Mapping[str, str]) -> str:
    c = found["cuts"]
    rows = [
        [name, _number(row["kl"], 4), _number(row.get("variance"), 2, 100), _number(row.get("probe_r2"), 2)]
        for name, row in c.items()
        if isinstance(row, dict)
    ]
    return (
        "## Cutting axes out of the values\n\n"
        f"In the last layer, or in each of the layers {', '.join(map(str, c['layers']))}. KL from the "
        f"model as it is; for random "
        "axes the mean, the lowest and the highest of the draws. The probe is fitted anew after the "
        "cut, for along the axis itself "
        "nothing is left. The axes of the same variance match the covariance axis.\n\n"
        + _table(("cut", "KL, bits", "variance removed, % of the layer's", "probe R2 after it"), rows)
    )
