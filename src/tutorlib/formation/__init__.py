"""How a network comes about: when its parts settle, what a part of one moment is worth at another, which phases it passes.

``tutorlib.snapshots`` keeps the weights of a run; the functions here compare them. ``study()`` gives the small study of
chapter 15, many runs measured once by ``tools/write_formation.py``.
"""

from tutorlib.formation.measures import induction_places, measure_bijection, measure_markov
from tutorlib.formation.runs import SEEDS, TASKS, markov, run_bijection, run_markov, study
from tutorlib.formation.settle import done, nearest, settled
from tutorlib.formation.swap import answers_with, attention_maps, value_cosines

__all__ = [
    "SEEDS",
    "TASKS",
    "answers_with",
    "attention_maps",
    "done",
    "induction_places",
    "markov",
    "measure_bijection",
    "measure_markov",
    "nearest",
    "run_bijection",
    "run_markov",
    "settled",
    "study",
    "value_cosines",
]
