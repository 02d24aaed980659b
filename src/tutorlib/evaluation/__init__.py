"""A predictor beside the exact answer, and the yardsticks that give its error a meaning.

All measures are in bits except where named. Each is first computed for every sequence and scored position,
then averaged, so that errors of opposite sign cannot cancel. The paper's own average, which takes the mean
entropy over sequences *before* the difference, is reported under its own name.
"""

from tutorlib.evaluation.gaps import GAP_MEASURES, martingale_gap, permutation_gap
from tutorlib.evaluation.measures import LAW_MEASURES, MEASURES, Evaluation, Interval, interval_over_seeds
from tutorlib.evaluation.references import equivalent_window, ladder
from tutorlib.evaluation.scoring import evaluate, model_predictor

__all__ = [
    "GAP_MEASURES",
    "LAW_MEASURES",
    "MEASURES",
    "Evaluation",
    "Interval",
    "equivalent_window",
    "evaluate",
    "interval_over_seeds",
    "ladder",
    "martingale_gap",
    "model_predictor",
    "permutation_gap",
]
