"""How each checkpoint that ships was trained: ``tutorlib train NAME`` repeats it.

Trained on sampled answers unless the plan says otherwise.
"""

from tutorlib.recipes.architectures import ARCHITECTURES
from tutorlib.recipes.base import Recipe, changed
from tutorlib.recipes.dissection import DISSECTION
from tutorlib.recipes.flagships import FLAGSHIPS

__all__ = ["RECIPES", "Recipe", "changed"]

RECIPES: dict[str, Recipe] = {**FLAGSHIPS, **ARCHITECTURES, **DISSECTION}
