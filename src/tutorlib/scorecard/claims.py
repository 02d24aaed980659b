"""The claims of arXiv 2512.22471 about bijections, hidden Markov models, recall and architectures.

Numbers with the version that prints them. Versions differ: v1 has two tasks and compares a transformer with an MLP; v3
adds Mamba, LSTM and recall, and its numbers for the transformer are others than those of v1.
"""

from __future__ import annotations

from tutorlib.scorecard.judge import HOLDS, IN_PART, NOT, Claim, Need
from tutorlib.scorecard.recall_rules import counts, names_no_value, recalls
from tutorlib.scorecard.rules import (
    beats,
    carries_over,
    every_or_one,
    fails_beside,
    measure_sees,
    reaches,
    tracks_nothing,
)

__all__ = ["CLAIMS"]

V1, V3, BOTH = "arXiv 2512.22471 v1", "arXiv 2512.22471 v3", "arXiv 2512.22471 v1, v3"
TWENTY = {"symbols": (20,)}
CODED = {"law": ("coded",), "states": (5,), "symbols": (5,), "target": ("belief",)}
ITS_LAWS = {**CODED, "law": ("coded", "printed")}  # the printed law, and the one in the released code
ALL_THREE = ("bijection", "hmm", "recall")
PRIMITIVES: dict[str, tuple[str, ...]] = {
    "transformer": ALL_THREE,
    "Mamba": ALL_THREE[:2],
    "LSTM": ALL_THREE[:1],
    "MLP": (),
}

ACCUMULATES = {
    HOLDS: "It reaches the paper's number.",
    IN_PART: "It takes away more than nine tenths of the uniform answer's error of {uniform} bit. With this budget it "
    "does not reach the paper's number.",
    NOT: "With this budget its error stays above {limit} bit, a tenth of the uniform answer's.",
}

FORGETS = {
    HOLDS: "With this budget none comes nearer to the exact belief than the exact answer from the current symbol alone "
    "({blind}). The uniform answer has MAE {uniform}; the paper's number is nearer to that.",
    IN_PART: "With this budget it cannot be told from the exact answer from the current symbol alone ({blind}).",
    NOT: "It carries evidence from one observation to the next: it is nearer to the exact belief than the exact answer "
    "from the current symbol alone ({blind}). The uniform answer has MAE {uniform}; the paper's number is nearer to that.",
}

CLAIMS = (
    Claim(
        "bijection-precision",
        "A small transformer reproduces the posterior of the bijection to 0.001 to 0.0001 bit",
        "MAE 0.003 bit (v1), 0.007 bit (v3) with 2.67 million parameters; 0.001 to 0.0001 bit in the abstract",
        BOTH,
        {"transformer": Need("bijection", "transformer", TWENTY)},
        every_or_one("transformer", 0.001),
        {
            HOLDS: "Each of the {all} reaches the precision of the abstract.",
            IN_PART: "{reached} here reach the precision of the abstract. The paper's own figures for this task "
            "in v1 and v3 do not.",
            NOT: "None here is that precise. The paper's own figures for this task in v1 and v3 are not either.",
        },
    ),
    Claim(
        "entropy-mae",
        "Entropy MAE measures how well a posterior is reproduced",
        "the main measure, with curves of single sequences",
        V1,
        {"network": Need("bijection", "", TWENTY)},
        measure_sees("network", 1e-6, 0.1),
        {
            HOLDS: "No reference here has a small entropy error and a wrong answer.",
            NOT: "The {fraud} reads nothing that was shown. Entropy says how spread out an answer is, and nothing about "
            "where its mass lies. So KL and impossible mass stand beside it in every table here.",
        },
    ),
    Claim(
        "bijection-mlp",
        "Capacity-matched MLPs fail on the bijection by orders of magnitude",
        "MAE 1.85 bits, 618 times the transformer's (v1); 1.85 beside 0.007 bit (v3)",
        BOTH,
        {"transformer": Need("bijection", "transformer", TWENTY), "MLP": Need("bijection", "mlp", TWENTY)},
        fails_beside("transformer", "MLP", factor=100, reach=0.007),
        {
            HOLDS: "No MLP here comes near: the nearest has {ratio} times the error of the best transformer.",
            IN_PART: "The nearest MLP has {ratio} times the error of the best transformer.",
            NOT: "{nearest} reaches the precision that the paper's transformer has in v3, without attention, with {ratio} "
            "times the error of the best transformer; {worst} does not. What an MLP is shown of the past decides. 1.85 bits "
            "are more than the {uniform} of the uniform answer, so that number says something about one run or its input.",
        },
    ),
    Claim(
        "bijection-lstm",
        "An LSTM accumulates evidence: it solves the bijection",
        "MAE 0.009 bit",
        V3,
        {"LSTM": Need("bijection", "lstm", TWENTY)},
        reaches("LSTM", 0.009, share=0.1),
        ACCUMULATES,
    ),
    Claim(
        "bijection-mamba",
        "Mamba accumulates evidence: it solves the bijection",
        "MAE 0.010 bit",
        V3,
        {"Mamba": Need("bijection", "mamba", TWENTY)},
        reaches("Mamba", 0.010, share=0.1),
        ACCUMULATES,
    ),
    Claim(
        "hmm-precision",
        "A transformer filters a hidden Markov model to 0.001 to 0.0001 bit",
        "MAE 0.000075 bit (v1), 0.049 bit (comparison of v3)",
        BOTH,
        {"transformer": Need("hmm", "transformer", CODED)},
        reaches("transformer", 0.001, partly=0.049),
        {
            HOLDS: "It reaches the precision of the abstract.",
            IN_PART: "It reaches the number of v3 and not the precision of the abstract. The paper's two numbers differ by "
            "a factor of 650, and we have seen no text that says why.",
            NOT: "It reaches neither number.",
        },
    ),
    Claim(
        "hmm-length",
        "What a transformer learned on 20 observations carries over smoothly to 30 and 50",
        "MAE 0.012 bit at 30 and 0.029 bit at 50, after 0.000075 bit at 20",
        V1,
        {"transformer": Need("hmm", "transformer", CODED, longer=True)},
        carries_over("transformer", flat=1.2, bound=0.029),
        {
            HOLDS: "The error is flat to {steps} observations, in a network whose positions are of the kind "
            "“{positions}”. The paper's network has learned absolute positions, and by this rule its own numbers would hold "
            "in part at most: a mean of 0.012 over 30 positions, after 0.000075 over the first 20, is a jump behind them.",
            IN_PART: "At {steps} observations the error beyond the trained positions is {ratio} times that within.",
            NOT: "At {steps} observations the error beyond the trained positions is {ratio} times that within.",
        },
    ),
    Claim(
        "hmm-mamba",
        "Mamba filters a hidden Markov model better than a transformer",
        "MAE 0.024 bit beside 0.049 bit",
        V3,
        {
            "Mamba": Need("hmm", "mamba", ITS_LAWS, seeds=2),
            "transformer": Need("hmm", "transformer", ITS_LAWS, seeds=2),
        },
        beats("Mamba", "transformer"),
        {
            HOLDS: "Their intervals over seeds and sequences do not touch.",
            IN_PART: "Undecided: the intervals overlap, and {ahead} of {all} Mamba runs are better than every run of the "
            "transformer.",
            NOT: "With this budget the transformer is ahead.",
        },
    ),
    Claim(
        "hmm-lstm",
        "An LSTM cannot carry a belief along: it fails on the hidden Markov model",
        "MAE 0.411 bit",
        V3,
        {"LSTM": Need("hmm", "lstm", ITS_LAWS)},
        tracks_nothing("LSTM"),
        FORGETS,
    ),
    Claim(
        "hmm-mlp",
        "MLPs fail on the hidden Markov model",
        "MAE 0.409 bit (v1), 0.40 bit (v3)",
        BOTH,
        {"MLP": Need("hmm", "mlp", ITS_LAWS)},
        tracks_nothing("MLP"),
        FORGETS,
    ),
    Claim(
        "recall-transformer",
        "A transformer binds: it recalls every pair",
        "100 % right",
        V3,
        {"transformer": Need("recall", "transformer")},
        recalls("transformer", 0.999, 0.9),
        {
            HOLDS: "It does, for {pairs} pairs; the default of the authors' code is 64.",
            IN_PART: "It misses some answers: {solved} of {all} runs recall {pairs} pairs.",
            NOT: "With this budget it misses more than one answer in ten, for {pairs} pairs.",
        },
    ),
    Claim(
        "recall-mamba",
        "Mamba binds: it recalls nearly every pair, after long training",
        "97.8 % right",
        V3,
        {"Mamba": Need("recall", "mamba")},
        recalls("Mamba", 0.978, 0.5),
        {
            HOLDS: "It does, for {pairs} pairs. How slowly it learns to is not measured here.",
            IN_PART: "{solved} of {all} runs recall, for {pairs} pairs; the others are right in {failed} of their answers. "
            "After {steps} steps the seed decides.",
            NOT: "With this budget no run does, for {pairs} pairs: {failed} right after {steps} steps.",
        },
    ),
    Claim(
        "recall-lstm",
        "An LSTM cannot bind: it fails at recall",
        "0.5 % right of 256 values, where chance is 0.39 %",
        V3,
        {"LSTM": Need("recall", "lstm")},
        names_no_value("LSTM", 0.9),
        {
            HOLDS: "With this budget it is about where an observer is who names one of the values shown ({guess}). That it "
            "cannot learn more is a stronger statement than a run can show.",
            IN_PART: "It is ahead of an observer who names one of the values shown ({guess}).",
            NOT: "It recalls. An observer who names one of the values shown is right in {guess}.",
        },
    ),
    Claim(
        "primitives",
        "Three primitives: a transformer has all three, Mamba two, an LSTM one, an MLP none",
        "all of accumulation, transport and binding; the first two (binding counts half); the first; none",
        V3,
        {
            f"{kind} on {tunnel}": Need(tunnel, kind.lower(), config, seeds=2)
            for kind in PRIMITIVES
            for tunnel, config in (("bijection", TWENTY), ("hmm", ITS_LAWS), ("recall", {}))
        },
        counts(PRIMITIVES, bijection=0.010, hmm=0.049, recall=0.99),
        {
            HOLDS: "All agree.",
            IN_PART: "{right} of {all} agree; not so {other}. What a kind of network lacks here it may still learn with a "
            "larger budget; what it has, it has.",
            NOT: "None agrees. What a kind of network lacks here it may still learn with a larger budget; what it has, it "
            "has.",
        },
    ),
)
