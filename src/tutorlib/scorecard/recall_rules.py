"""Rules on recall, and on which tunnels a kind of network solves at all."""

from __future__ import annotations

from tutorlib.scorecard.judge import HOLDS, IN_PART, NOT, Evidence, Finding, Rule
from tutorlib.scorecard.rules import accuracy, runs_of
from tutorlib.scorecard.text import about, percent, short

__all__ = ["counts", "names_no_value", "recalls"]


def recalls(need: str, bound: float, partly: float) -> Rule:
    """The share of right answers of the best network of a kind, and of its single runs.

    >>> recalls("network", 0.999, 0.9).words[:44]
    'Holds if the best network here gives at leas'
    """

    def decide(evidence: Evidence) -> Finding:
        rows = evidence.rows[need]
        best, worst = max(rows, key=accuracy), min(rows, key=accuracy)
        runs = runs_of(best, "accuracy")
        solved = [run for run in runs if run >= bound]
        some = accuracy(best) >= partly or bool(solved)
        verdict = HOLDS if accuracy(best, "low") >= bound else IN_PART if some else NOT
        here = f"accuracy {about(best, 'accuracy')}"
        if worst is not best:
            here += f"; the worst of {len(rows)}: {about(worst, 'accuracy')}"
        failed = ", ".join(percent(run) for run in runs if run < bound) or "none"
        facts = {
            "pairs": best["tunnel"].get("pairs"),
            "solved": len(solved),
            "all": len(runs),
            "failed": failed,
        }
        return Finding(verdict, here, facts | {"steps": f"{best['training_steps'] or 0:,}"})

    words = (
        f"Holds if the best {need} here gives at least {percent(bound)} of the answers right, at the lower end of its "
        f"interval; in part if at least {percent(partly)} in the mean, or if one run gives {percent(bound)}; otherwise it "
        "does not hold."
    )
    return Rule(words, decide)


def names_no_value(need: str, bound: float) -> Rule:
    """No network of a kind does better than naming one of the values shown, or one recalls after all.

    >>> names_no_value("LSTM", 0.9).verdicts
    ('holds', 'holds in part', 'does not hold here')
    """

    def decide(evidence: Evidence) -> Finding:
        best = max(evidence.rows[need], key=accuracy)
        guess = float(evidence.rungs(best["tunnel"])["a value shown"]["accuracy"])
        low, high = accuracy(best, "low"), accuracy(best, "high")
        verdict = NOT if low >= bound else HOLDS if high <= 2 * guess else IN_PART
        return Finding(verdict, f"accuracy {about(best, 'accuracy')}", {"guess": short(guess)})

    words = (
        f"Does not hold if the best {need} here gives at least {percent(bound)} of the answers right, at the lower end of "
        "its interval; holds if it gives at most twice as many as an observer who names one of the values shown, at the "
        "upper end; otherwise in part."
    )
    return Rule(words, decide)


def counts(kinds: dict[str, tuple[str, ...]], bijection: float, hmm: float, recall: float) -> Rule:
    """Which of the three tunnels each kind of network solves with some seed. Needs are named ``kind on tunnel``.

    >>> counts({"LSTM": ("bijection",)}, 0.01, 0.01, 0.9).verdicts
    ('holds', 'holds in part', 'does not hold here')
    """
    limits = {"bijection": bijection, "hmm": hmm}

    def solved(evidence: Evidence, kind: str, tunnel: str) -> bool:
        rows = evidence.rows[f"{kind} on {tunnel}"]
        if tunnel == "recall":
            return any(max(runs_of(row, "accuracy")) >= recall for row in rows)
        return any(min(runs_of(row, "entropy_error")) <= limits[tunnel] for row in rows)

    def decide(evidence: Evidence) -> Finding:
        found = {kind: [t for t in (*limits, "recall") if solved(evidence, kind, t)] for kind in kinds}
        right = [set(found[kind]) == set(expected) for kind, expected in kinds.items()]
        verdict = HOLDS if all(right) else IN_PART if any(right) else NOT
        here = "; ".join(f"{kind}: {', '.join(ts) or 'none'}" for kind, ts in found.items())
        other = ", ".join(kind for kind, agrees in zip(kinds, right, strict=True) if not agrees)
        return Finding(verdict, here, {"right": sum(right), "all": len(right), "other": other or "none"})

    table = "; ".join(f"{kind}: {', '.join(tunnels) or 'none'}" for kind, tunnels in kinds.items())
    words = (
        f"A kind of network has a primitive if one run of it here has an entropy MAE of at most {bijection:g} bit "
        f"(bijection: accumulation) or {hmm:g} bit (HMM: transport), the largest errors that the paper counts as a success, "
        f"or at least {percent(recall)} right answers (recall: binding). The paper has {table}. Holds if all four agree, in "
        "part if some do; otherwise it does not hold."
    )
    return Rule(words, decide)
