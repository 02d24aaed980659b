"""Any Hugging Face causal language model: load it, look inside while it reads, change what is there, ask it for evidence.

``load("EleutherAI/pythia-410m")`` takes a model from the hub, ``smollm()`` a small one out of a Python package, without a
network, and ``tiny("phi")`` makes a random one in a moment. ``tutorlib llm-report MODEL`` runs the whole protocol of
arXiv 2512.23752 on any of them. transformers is imported when a model is made, and not before.
"""

from tutorlib.llm.asking import Asked, ask, baselines, score
from tutorlib.llm.axes import (
    EntropyAxes,
    covariance_direction,
    entropy_axes,
    first_direction,
    probe_direction,
)
from tutorlib.llm.damage import Damage, damage
from tutorlib.llm.erasure import Eraser, leace, matched_directions, variance_along
from tutorlib.llm.evidence import Evidence, beta_sequences, sula
from tutorlib.llm.families import FAMILIES, Family, ModelError, family_of
from tutorlib.llm.interventions import Edit, cut, edited, erase, keep_only, shift
from tutorlib.llm.keys import KeyOrthogonality, attention_focus, key_orthogonality
from tutorlib.llm.load import load, smollm, smollm_file
from tutorlib.llm.model import LanguageModel, wrap
from tutorlib.llm.protocol import FULL, QUICK, Settings, protocol
from tutorlib.llm.record import Recording, as_tokens, check_values, record, stream
from tutorlib.llm.texts import Paragraph, matched_prompts, paragraphs, prompts
from tutorlib.llm.tiny import TINY, tiny

__all__ = [
    "FAMILIES",
    "FULL",
    "QUICK",
    "TINY",
    "Asked",
    "Damage",
    "Edit",
    "EntropyAxes",
    "Eraser",
    "Evidence",
    "Family",
    "KeyOrthogonality",
    "LanguageModel",
    "ModelError",
    "Paragraph",
    "Recording",
    "Settings",
    "as_tokens",
    "ask",
    "attention_focus",
    "baselines",
    "beta_sequences",
    "check_values",
    "covariance_direction",
    "cut",
    "damage",
    "edited",
    "entropy_axes",
    "erase",
    "family_of",
    "first_direction",
    "keep_only",
    "key_orthogonality",
    "leace",
    "load",
    "matched_directions",
    "matched_prompts",
    "paragraphs",
    "probe_direction",
    "prompts",
    "protocol",
    "record",
    "score",
    "shift",
    "smollm",
    "smollm_file",
    "stream",
    "sula",
    "tiny",
    "variance_along",
    "wrap",
]
