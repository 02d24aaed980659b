"""Rules from measured numbers to verdicts. The words of a rule are made from the same numbers as the rule."""

from __future__ import annotations

from typing import Any

from tutorlib.scorecard.judge import HOLDS, IN_PART, NOT, Evidence, Finding, Rule
from tutorlib.scorecard.text import about, percent, short, spread

__all__ = [
    "beats",
    "carries_over",
    "every_or_one",
    "fails_beside",
    "measure_sees",
    "reaches",
    "tracks_nothing",
]

Row = dict[str, Any]


def mae(row: Row, end: str = "mean") -> float:
    """Entropy MAE of a row, bits; ``end`` may be ``low`` or ``high``."""
    return float(row["measures"]["entropy_error"][end])


def accuracy(row: Row, end: str = "mean") -> float:
    """Share of right answers of a row."""
    return float(row["measures"]["accuracy"][end])


def runs_of(row: Row, measure: str) -> list[float]:
    """A measure of each run of a row; of one run its mean."""
    found = row["measures"][measure]
    return [float(value) for value in found.get("runs", [found["mean"]])]


def every_or_one(need: str, bound: float) -> Rule:
    """All of the rows reach a precision, or at least one does.

    >>> every_or_one("network", 0.01).verdicts
    ('holds', 'holds in part', 'does not hold here')
    """

    def decide(evidence: Evidence) -> Finding:
        rows = evidence.rows[need]
        reached = [mae(row, "high") <= bound for row in rows]
        best, worst = evidence.best(need), max(rows, key=mae)
        verdict = HOLDS if all(reached) else IN_PART if any(reached) else NOT
        here = f"MAE {about(best)}, KL {spread(best['measures']['kl'])} bit"
        if len(rows) > 1:
            here += f"; the least precise of {len(rows)}: MAE {about(worst)}"
        return Finding(verdict, here, {"reached": f"{sum(reached)} of {len(rows)}", "all": len(rows)})

    words = (
        f"Holds if every {need} here has an entropy MAE of at most {bound:g} bit, at the upper end of its interval; in "
        "part if one has; otherwise it does not hold."
    )
    return Rule(words, decide)


def reaches(need: str, bound: float, partly: float | None = None, share: float | None = None) -> Rule:
    """The best of the rows reaches a precision, or comes within ``partly`` bits or a share of the uniform answer's error.

    >>> reaches("network", 0.01, share=0.1).verdicts
    ('holds', 'holds in part', 'does not hold here')
    """
    if (partly is None) == (share is None):
        raise ValueError(f"partly and share: expected one of them, got {partly} and {share}")

    def decide(evidence: Evidence) -> Finding:
        best = evidence.best(need)
        uniform = float(evidence.rungs(best["tunnel"])["uniform"]["entropy_error"])
        limit = partly if partly is not None else (share or 0) * uniform
        verdict = HOLDS if mae(best, "high") <= bound else IN_PART if mae(best) <= limit else NOT
        here = f"MAE {about(best)}, KL {spread(best['measures']['kl'])} bit"
        return Finding(verdict, here, {"uniform": short(uniform), "limit": short(limit)})

    near = (
        f"at most {partly:g} bit"
        if partly is not None
        else f"at most {percent(share or 0)} of the uniform answer's"
    )
    words = (
        f"Holds if the best {need} here has an entropy MAE of at most {bound:g} bit, at the upper end of its interval; "
        f"in part if the mean is {near}; otherwise it does not hold."
    )
    return Rule(words, decide)


def carries_over(need: str, flat: float, bound: float) -> Rule:
    """The error on longer sequences: as flat as ``flat`` times, or at least within ``bound`` bits.

    >>> carries_over("network", 1.2, 0.01).verdicts
    ('holds', 'holds in part', 'does not hold here')
    """

    def decide(evidence: Evidence) -> Finding:
        best = min(evidence.rows[need], key=lambda row: float(row["lengths"][-1]["entropy_error"]["mean"]))
        trained, longest = mae(best), best["lengths"][-1]
        ratio = float(longest["beyond"]) / float(longest["within"])
        near = float(longest["entropy_error"]["high"]) <= bound
        verdict = HOLDS if ratio <= flat and near else IN_PART if near or ratio <= flat else NOT
        here = f"MAE {short(trained)} at the training length, " + ", ".join(
            f"{spread(x['entropy_error'])} at {x['steps']}" for x in best["lengths"]
        )
        facts = {
            "ratio": f"{ratio:.2f}",
            "steps": longest["steps"],
            "positions": best["model"].get("positions", "none"),
        }
        here += f"; beyond the trained positions {ratio:.2f} times that within ({best['name']})"
        return Finding(verdict, here, facts)

    words = (
        f"Of the {need} with the smallest error on the longest sequences: holds if the entropy MAE at positions beyond "
        f"those trained is at most {flat:g} times that within, and that of the whole sequence at most {bound:g} bit, "
        "upper end; in part if one of the two; otherwise it does not hold."
    )
    return Rule(words, decide)


def fails_beside(good: str, bad: str, factor: float, reach: float) -> Rule:
    """Every network of one kind is ``factor`` times worse than the best of another, and none comes to ``reach`` bits.

    >>> fails_beside("network", "MLP", 10, 0.01).verdicts
    ('holds', 'holds in part', 'does not hold here')
    """

    def decide(evidence: Evidence) -> Finding:
        best, others = evidence.best(good), evidence.rows[bad]
        nearest = evidence.best(bad)
        worst, ratio = max(others, key=mae), mae(nearest) / mae(best)
        verdict = NOT if mae(nearest, "high") <= reach else HOLDS if ratio >= factor else IN_PART
        here = (
            f"the best of {len(others)} {bad}s: MAE {about(nearest)}, KL {spread(nearest['measures']['kl'])} bit; the "
            f"worst: {short(mae(worst))} ({worst['name']}); best {good}: {about(best)}"
        )
        uniform = short(evidence.rungs(best["tunnel"])["uniform"]["entropy_error"])
        return Finding(
            verdict,
            here,
            {
                "ratio": f"{ratio:.3g}",
                "uniform": uniform,
                "nearest": nearest["name"],
                "worst": worst["name"],
            },
        )

    words = (
        f"Does not hold if one {bad} here has an entropy MAE of at most {reach:g} bit, upper end; holds if each has at "
        f"least {factor:g} times that of the best {good} on the same tunnel; otherwise in part."
    )
    return Rule(words, decide)


def tracks_nothing(need: str) -> Rule:
    """No network of a kind comes nearer than the exact answer from the current symbol alone, or one does.

    >>> tracks_nothing("MLP").verdicts
    ('holds', 'holds in part', 'does not hold here')
    """
    memoryless = "last 1 observations"

    def decide(evidence: Evidence) -> Finding:
        rows = evidence.rows[need]
        best = min(rows, key=lambda row: float(row["measures"]["kl"]["mean"]))

        def beside(row: Row, end: str) -> float:
            """KL of a network less that of the observer without a memory, on the same law."""
            blind = float(evidence.rungs(row["tunnel"])[memoryless]["kl"])
            return float(row["measures"]["kl"][end]) - blind

        ahead = any(beside(row, "high") < 0 for row in rows)
        behind = all(beside(row, "low") >= 0 for row in rows)
        verdict = NOT if ahead else HOLDS if behind else IN_PART
        rungs = evidence.rungs(best["tunnel"])
        here = (
            f"MAE {about(best)}, KL {spread(best['measures']['kl'])} bit, by KL worth the last "
            f"{float(best['window']):.2f} observations"
        )
        facts = {
            "blind": f"MAE {short(rungs[memoryless]['entropy_error'])}, KL {short(rungs[memoryless]['kl'])} bit",
            "uniform": short(rungs["uniform"]["entropy_error"]),
        }
        return Finding(verdict, here, facts)

    words = (
        f"Does not hold if the KL of one {need} here lies below that of the exact observer of the current symbol alone, "
        f"upper end; holds if that of each is at least as high, lower end; otherwise in part."
    )
    return Rule(words, decide)


def beats(first: str, second: str) -> Rule:
    """The intervals of the best row of each kind, beside each other.

    >>> beats("Mamba", "LSTM").words[:50]
    "Holds if the interval of the best Mamba's entropy "
    """

    def decide(evidence: Evidence) -> Finding:
        a, b = evidence.best(first), evidence.best(second)
        apart, turned = mae(a, "high") < mae(b, "low"), mae(b, "high") < mae(a, "low")
        verdict = HOLDS if apart else NOT if turned else IN_PART
        limit = min(runs_of(b, "entropy_error"))
        runs = runs_of(a, "entropy_error")
        facts = {"ahead": sum(run < limit for run in runs), "all": len(runs)}
        return Finding(verdict, f"MAE {about(a)}; {about(b)}", facts)

    words = (
        f"Holds if the interval of the best {first}'s entropy MAE lies below that of the best {second} on the same tunnel; "
        "does not hold if it lies above; in part if they overlap."
    )
    return Rule(words, decide)


def measure_sees(need: str, error: float, mass: float) -> Rule:
    """Whether a reference of the ladder has no entropy error although much of its mass is on impossible answers.

    >>> measure_sees("network", 1e-3, 0.1).verdicts
    ('holds', 'does not hold here')
    """

    def decide(evidence: Evidence) -> Finding:
        rungs = evidence.rungs(evidence.rows[need][0]["tunnel"])
        frauds = {
            name: rung
            for name, rung in rungs.items()
            if float(rung["entropy_error"]) <= error and float(rung["impossible"]) >= mass
        }
        if not frauds:
            return Finding(HOLDS, "no reference on the ladder does so")
        name, rung = next(iter(frauds.items()))
        here = (
            f"{name}: MAE {short(rung['entropy_error'])}, impossible mass {short(rung['impossible'])}, "
            f"KL {short(rung['kl'])}"
        )
        return Finding(NOT, here, {"fraud": name})

    words = (
        f"Does not hold if a reference on the ladder has an entropy MAE of at most {error:f} bit with at least "
        f"{percent(mass)} of its mass on impossible answers; otherwise it holds."
    )
    return Rule(words, decide, (HOLDS, NOT))
