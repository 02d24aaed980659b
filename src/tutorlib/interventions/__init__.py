"""Take a trained network apart while it runs: switch parts off, put other states in, and compare with the exact answer.

Everything works on any network with a residual stream (:class:`~tutorlib.models.stack.ResidualStack`) through hooks, and
leaves it as it was.
"""

from tutorlib.interventions.ablation import INTACT, ablate, damage
from tutorlib.interventions.edits import basis, mean_states, transplant, without
from tutorlib.interventions.hooks import Edit, activations, intervene, zero
from tutorlib.interventions.patching import CONTROLS, answers_under, patch_effects, spliced
from tutorlib.interventions.sites import Site, all_sites, find_site
from tutorlib.interventions.specimens import specimen

__all__ = [
    "CONTROLS",
    "INTACT",
    "Edit",
    "Site",
    "ablate",
    "activations",
    "all_sites",
    "answers_under",
    "basis",
    "damage",
    "find_site",
    "intervene",
    "mean_states",
    "patch_effects",
    "specimen",
    "spliced",
    "transplant",
    "without",
    "zero",
]
