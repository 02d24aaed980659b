"""Is uncertainty a direction inside a language model? The question at toy scale, where the answer is known, and on SmolLM2.

``grammar`` and ``toy``: a generated language whose next-word entropy is exact, and a small transformer that learns it.
``study``: the measurements on the real model, with their controls; the results are kept in ``study.json``.
"""

from tutorlib.entropy_axis.grammar import Grammar
from tutorlib.entropy_axis.present import NotInstalledError, language_model
from tutorlib.entropy_axis.study import (
    SKIPPED,
    layer_row,
    prompts_of_75,
    random_ranks,
    seventy_five,
    sink_shares,
    stored,
    token_only,
    token_scores,
    untrained_twin,
)
from tutorlib.entropy_axis.toy import (
    FIRST,
    axis_scores,
    set_first_axis,
    toy_model,
    toy_rows,
    toy_vectors,
    train_toy,
)

__all__ = [
    "FIRST",
    "SKIPPED",
    "Grammar",
    "NotInstalledError",
    "axis_scores",
    "language_model",
    "layer_row",
    "prompts_of_75",
    "random_ranks",
    "set_first_axis",
    "seventy_five",
    "sink_shares",
    "stored",
    "token_only",
    "token_scores",
    "toy_model",
    "toy_rows",
    "toy_vectors",
    "train_toy",
    "untrained_twin",
]
