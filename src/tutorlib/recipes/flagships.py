"""The networks that the chapters look at closely, each trained for minutes to an hour of two cores."""

from __future__ import annotations

from tutorlib.recipes.base import Recipe
from tutorlib.snapshots import spread
from tutorlib.training import TrainingPlan

__all__ = ["FLAGSHIPS"]

LONG = TrainingPlan(steps=80_000, batch=(64, 128, 256, 512), decay=0.6, averaging=0.998)
MEDIUM = TrainingPlan(steps=12_000, batch=(64, 128, 256), decay=0.6, averaging=0.998)
SHORT = TrainingPlan(steps=6_000, batch=(32, 64, 128), decay=0.6, averaging=0.998)

# Bayes' rule on a header: the stream keeps its size, so that logarithms can be added, and positions are distances, so
# that what is learned on 20 symbols can be tried on 50.
FILTER = {
    "width": 48,
    "layers": 5,
    "heads": 4,
    "positions": "distance",
    "columns": 5,
    "end_norms": False,
    "context": 100,
}


def filtering(steps: int, batch: int | tuple[int, ...] = 64, targets: str = "exact") -> TrainingPlan:
    """A plan for an HMM; with exact targets, as the papers' code trains, unless said otherwise."""
    return TrainingPlan(
        steps=steps,
        batch=batch,
        matrix_rate=0.012,
        embedding_rate=0.06,
        decay=0.8,
        averaging=0.998,
        targets=targets,
    )


def looking_up(steps: int) -> TrainingPlan:
    """A plan for tasks in which a token must find its partner: at higher rates of the embeddings that is not learnt."""
    return TrainingPlan(steps=steps, matrix_rate=0.01, embedding_rate=0.003, decay=0.6, averaging=0.998)


# For chapter 9: the shape of "hmm-watched" with one thing changed, the targets or the positions.
SMALL_FILTER = FILTER | {"width": 32, "layers": 3}
HOT = TrainingPlan(steps=4_000, batch=32, matrix_rate=0.03, embedding_rate=0.06, decay=0.0)

SAMPLED = TrainingPlan(
    steps=6_000, batch=(64, 128), matrix_rate=0.02, embedding_rate=0.03, decay=0.6, averaging=0.998
)

V20, V8 = {"symbols": 20}, {"symbols": 8}
FLAGSHIPS = {
    "bijection-v20": Recipe("bijection", V20, "transformer", {"width": 32}, LONG),
    "bijection-v8": Recipe("bijection", V8, "transformer", {"width": 32}, MEDIUM),
    "bijection-v20-deep": Recipe(
        "bijection",
        V20,
        "transformer",
        {"width": 64, "layers": 2, "heads": 2},
        TrainingPlan(steps=12_000, batch=(32, 64, 128), decay=0.6, averaging=0.998),
    ),
    "bijection-v20-mlp-token": Recipe("bijection", V20, "mlp-token", {"width": 32, "layers": 1}, SHORT),
    "bijection-v20-mlp-window": Recipe(
        "bijection", V20, "mlp-window", {"width": 32, "layers": 1, "window": 9}, SHORT
    ),
    "bijection-v20-mlp-prefix": Recipe("bijection", V20, "mlp-prefix", {"width": 32, "layers": 1}, MEDIUM),
    "bijection-v20-mlp-sum": Recipe("bijection", V20, "mlp-sum", {"width": 32, "layers": 1}, MEDIUM),
    "hmm-coded": Recipe("hmm", {"law": "coded"}, "transformer", FILTER, filtering(40_000, (32, 64, 128))),
    "hmm-printed": Recipe("hmm", {"law": "printed"}, "transformer", FILTER, filtering(12_000)),
    "hmm-sticky": Recipe("hmm", {"law": "sticky"}, "transformer", FILTER, filtering(12_000)),
    "hmm-coded-sampled": Recipe(
        "hmm", {"law": "coded"}, "transformer", FILTER, filtering(9_000, (64, 128), targets="sampled")
    ),
    # With 16 pairs this network was still at "one of the values shown" after 6,000 steps; 8 pairs it learns.
    "recall": Recipe(
        "recall",
        {"pairs": 8, "queries": 8, "keys": 16, "values": 16},
        "transformer",
        {"width": 64, "layers": 2, "heads": 2, "positions": "rotary"},
        looking_up(4_000),
    ),
    # The LSTMs of the comparison of architectures, with its rates, at ten and five times its steps: chapter 10 asks whether
    # what these networks lack there is room or time.
    "recall-lstm-long": Recipe(
        "recall",
        {"pairs": 8, "queries": 8, "keys": 16, "values": 16},
        "lstm",
        {"width": 58},
        TrainingPlan(steps=20_000, matrix_rate=0.01, embedding_rate=0.003, decay=0.6, averaging=0.99),
    ),
    "bijection-lstm-long": Recipe(
        "bijection",
        V20,
        "lstm",
        {"width": 44},
        TrainingPlan(steps=10_000, matrix_rate=0.01, embedding_rate=0.03, decay=0.6, averaging=0.99),
    ),
    "coin": Recipe("coin", {}, "transformer", {"width": 32, "layers": 2}, SAMPLED),
    "mess3": Recipe(
        "mess3",
        {},
        "transformer",
        {"width": 32, "layers": 4, "heads": 2, "positions": "distance", "context": 64},
        SAMPLED,
    ),
    "model-selection": Recipe(
        "model_selection",
        {},
        "transformer",
        {"width": 64, "layers": 3, "heads": 2, "positions": "rotary"},
        looking_up(16_000),
    ),
    "bijection-v20-watched": Recipe(
        "bijection", V20, "transformer", {"width": 32}, SHORT, snapshots=tuple(spread(6_000))
    ),
    "hmm-watched": Recipe(
        "hmm",
        {"law": "coded"},
        "transformer",
        SMALL_FILTER,
        filtering(4_000),
        snapshots=tuple(spread(4_000, each=4)),
    ),
    "hmm-learned": Recipe(
        "hmm", {"law": "coded"}, "transformer", SMALL_FILTER | {"positions": "learned"}, filtering(4_000)
    ),
    "hmm-sampled-hot": Recipe("hmm", {"law": "coded"}, "transformer", SMALL_FILTER, HOT),
    "hmm-sampled-cooled": Recipe(
        "hmm", {"law": "coded"}, "transformer", SMALL_FILTER, filtering(4_000, targets="sampled")
    ),
    "hmm-next": Recipe(
        "hmm",
        {"law": "coded", "target": "next"},
        "transformer",
        SMALL_FILTER,
        filtering(2_000, targets="sampled"),
    ),
    "hmm-sticky-next": Recipe(
        "hmm",
        {"law": "sticky", "target": "next"},
        "transformer",
        SMALL_FILTER,
        filtering(2_000, targets="sampled"),
    ),
}
