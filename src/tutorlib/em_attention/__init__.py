"""Attention as EM: where it is literal, where it is a likeness, and the experiment that compares the two in speed.

``pools``: positions give distributions over outcomes, and weights average them. If probabilities are averaged, this is a
mixture, and EM is literal. If their logarithms are averaged, it is attention with a softmax at its end. One number leads
from one to the other, and one law gives the gradients for all of them.

``chain``, ``head``, ``study``: the sticky Markov chain of arXiv 2512.22473, one attention head on it, and how fast it
learns under different rates.
"""

from tutorlib.em_attention import pools
from tutorlib.em_attention.chain import (
    ChainData,
    draw_chain,
    entropy_rate_nats,
    filter_loss_nats,
    known_symbol_loss_nats,
    transition_matrix,
)
from tutorlib.em_attention.head import RULES, SEEDS, Rule, Run, first_weights, head_loss_nats, train_head
from tutorlib.em_attention.study import paired, rule_names, steps_to, stored_run

__all__ = [
    "RULES",
    "SEEDS",
    "ChainData",
    "Rule",
    "Run",
    "draw_chain",
    "entropy_rate_nats",
    "filter_loss_nats",
    "first_weights",
    "head_loss_nats",
    "known_symbol_loss_nats",
    "paired",
    "pools",
    "rule_names",
    "steps_to",
    "stored_run",
    "train_head",
    "transition_matrix",
]
