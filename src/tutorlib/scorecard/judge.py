"""A claim of a paper and how it is judged: by a rule that reads the measured numbers and says itself in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tutorlib.tunnels import TUNNELS
from tutorlib.verdicts import VERDICTS

__all__ = ["HOLDS", "IN_PART", "NOT", "UNTESTED", "Claim", "Evidence", "Finding", "Need", "Rule", "judge"]

HOLDS = VERDICTS[0]
IN_PART = VERDICTS[1]
NOT = VERDICTS[2]
UNTESTED = VERDICTS[3]

NAMES = {"": "network", "lstm": "LSTM", "gru": "GRU", "mamba": "Mamba", "mlp": "MLP", "deltanet": "DeltaNet"}

Row = dict[str, Any]


@dataclass(frozen=True)
class Need:
    """The rows of the scorecard that a claim speaks of.

    Attributes:
        tunnel: name of their tunnel.
        model: name of their network, or its beginning.
        config: for some arguments of the tunnel the values allowed.
        longer: whether they must have been asked on longer sequences than in training.
        seeds: the smallest number of training runs; more than one for comparisons between kinds of networks, because
            such sets are trained with equal budgets.

    >>> print(Need("bijection", "lstm", seeds=3))
    LSTM on Bijection, trained with 3 seeds or more
    """

    tunnel: str
    model: str
    config: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    longer: bool = False
    seeds: int = 1

    def fits(self, row: Row) -> bool:
        """Whether a row is one of them."""
        tunnel = row["tunnel"]
        named = tunnel["name"] == self.tunnel and row["model"]["name"].startswith(self.model)
        enough = len(row["checkpoints"]) >= self.seeds and (not self.longer or row["lengths"])
        return bool(named and enough) and all(tunnel.get(k) in allowed for k, allowed in self.config.items())

    def __str__(self) -> str:
        laws = ", ".join(f"{key} {' or '.join(map(str, allowed))}" for key, allowed in self.config.items())
        words = f"{NAMES.get(self.model, self.model)} on {TUNNELS[self.tunnel].__name__}"
        words += f" ({laws})" if laws else ""
        words += f", trained with {self.seeds} seeds or more" if self.seeds > 1 else ""
        return words + (", able to read longer sequences" if self.longer else "")


@dataclass(frozen=True)
class Evidence:
    """What a rule reads.

    Attributes:
        rows: for each need of the claim the rows that fit it, at least one.
        ladders: of the scorecard.

    >>> row = {"measures": {"entropy_error": {"mean": 0.01}}}
    >>> Evidence({"LSTM": [row]}, []).best("LSTM") is row
    True
    """

    rows: Mapping[str, list[Row]]
    ladders: list[Row]

    def rungs(self, tunnel: Mapping[str, Any]) -> dict[str, Row]:
        """The ladder of a tunnel: measures by name of the reference."""
        found: dict[str, Row] = next(x["rungs"] for x in self.ladders if x["tunnel"] == tunnel)
        return found

    def best(self, need: str) -> Row:
        """Of the rows of a need the one with the smallest entropy MAE."""
        return min(self.rows[need], key=lambda row: float(row["measures"]["entropy_error"]["mean"]))


@dataclass(frozen=True)
class Finding:
    """A verdict, what it rests on in words, and numbers that the reason may name.

    >>> Finding(HOLDS, "MAE 0.01").verdict
    'holds'
    """

    verdict: str
    here: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """From measured numbers to a verdict.

    Attributes:
        words: the same rule for a reader.
        decide: the rule.
        verdicts: those that it can give.

    >>> Rule("Always holds.", lambda evidence: Finding(HOLDS, "nothing")).verdicts
    ('holds', 'holds in part', 'does not hold here')
    """

    words: str
    decide: Callable[[Evidence], Finding]
    verdicts: tuple[str, ...] = (HOLDS, IN_PART, NOT)


@dataclass(frozen=True)
class Claim:
    """One claim of a paper.

    Attributes:
        key: its anchor on the page.
        claim: in a few words.
        paper: the number reported, with its unit.
        version: which paper and version reports it.
        needs: the rows it speaks of, each under the name that its rule uses. Needs in one tunnel are compared with
            each other, so they must be met with equal arguments of the tunnel.
        rule: how it is judged.
        reasons: for each verdict of the rule why, or why the numbers differ. ``{name}`` is filled in from
            the finding.

    >>> rule = Rule("Always holds.", lambda evidence: Finding(HOLDS, "nothing"), (HOLDS,))
    >>> Claim("x", "exact", "0.007", "v1", {}, rule, {HOLDS: "So it is."}).key
    'x'
    """

    key: str
    claim: str
    paper: str
    version: str
    needs: Mapping[str, Need]
    rule: Rule
    reasons: Mapping[str, str]

    def __post_init__(self) -> None:
        if set(self.reasons) != set(self.rule.verdicts):
            expected, got = (", ".join(sorted(names)) for names in (self.rule.verdicts, self.reasons))
            raise ValueError(f"reasons: expected one for each of {expected}, got {got}")


def judge(claim: Claim, card: Mapping[str, Any]) -> dict[str, str]:
    """A claim beside the rows and ladders of a scorecard.

    Args:
        claim: the claim.
        card: with ``rows`` and ``ladders``.

    Returns:
        ``key``, ``claim``, ``paper``, ``version``, ``rule``, ``here``, ``verdict`` and ``reason``.

    >>> rule = Rule("Always holds.", lambda evidence: Finding(HOLDS, "nothing"), (HOLDS,))
    >>> claim = Claim("x", "exact", "0.007", "v1", {}, rule, {HOLDS: "So it is."})
    >>> judge(claim, {"rows": [], "ladders": []})["reason"]
    'So it is.'
    """
    rows, missing = gather(claim, card["rows"])
    if missing:
        few = "; ".join(missing[:3]) + (f"; and {len(missing) - 3} more" if len(missing) > 3 else "")
        here, verdict, reason = "nothing", UNTESTED, f"It needs checkpoints that do not ship: {few}."
    else:
        finding = claim.rule.decide(Evidence(rows, card["ladders"]))
        here, verdict = finding.here, finding.verdict
        reason = claim.reasons[verdict].format(**finding.facts)
    names = ("key", "claim", "paper", "version")
    return {
        **{name: getattr(claim, name) for name in names},
        "rule": claim.rule.words,
        "here": here,
        "verdict": verdict,
        "reason": reason,
    }


def gather(claim: Claim, rows: list[Row]) -> tuple[dict[str, list[Row]], list[str]]:
    """The rows that fit each need, and the needs that cannot be met.

    Where several needs share a tunnel, its arguments are those under which most rows fit among those under which every
    need is met.
    """
    found: dict[str, list[Row]] = {}
    for tunnel in dict.fromkeys(need.tunnel for need in claim.needs.values()):
        needs = {name: need for name, need in claim.needs.items() if need.tunnel == tunnel}
        fits = {name: [row for row in rows if need.fits(row)] for name, need in needs.items()}
        if len(needs) > 1 and all(fits.values()):
            by_config: dict[str, dict[str, list[Row]]] = {}
            for name, members in fits.items():
                for row in members:
                    key = json.dumps(row["tunnel"], sort_keys=True)
                    by_config.setdefault(key, {}).setdefault(name, []).append(row)
            complete = [part for part in by_config.values() if len(part) == len(needs)]
            # max takes the first of equals, so the order of the rows decides and nothing else.
            fits = max(complete, key=lambda part: sum(map(len, part.values())), default={})
        found |= fits
    missing = [str(need) for name, need in claim.needs.items() if not found.get(name)]
    return found, missing
