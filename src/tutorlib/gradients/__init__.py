"""How the loss reaches attention: the two gradient laws in closed form, and the same gradients taken from a network.

A head answers query ``i`` with ``g_i = sum_j a_ij v_j``, where ``a_i = softmax(s_i)``. Let ``u_i`` be the gradient of the
loss at ``g_i``. Looking at position ``j`` has the *cost* ``b_ij = u_i . v_j``, and

* the score's gradient is ``a_ij (b_ij - sum_k a_ik b_ik)`` (:func:`score_gradient`);
* the value's gradient is ``sum_i a_ij u_i`` (:func:`value_gradient`).

Both are the chain rule, exact for any loss that reaches the scores and values through the outputs ``g`` only; if it
reaches them in other ways too, they are that share of the gradient. The laws are those of arXiv 2512.22473. Its word
"advantage" has the sign here that reinforcement learning gives it: an advantage above 0 is good, and descent raises that
score. Losses are in nats, as in training; gradients are nats per unit of what they are taken at.
"""

from tutorlib.gradients.laws import (
    advantages,
    costs,
    key_gradient,
    matrix_gradient,
    query_gradient,
    score_gradient,
    score_gradient_bound,
    value_gradient,
)
from tutorlib.gradients.observed import Observed, observe

__all__ = [
    "Observed",
    "advantages",
    "costs",
    "key_gradient",
    "matrix_gradient",
    "observe",
    "query_gradient",
    "score_gradient",
    "score_gradient_bound",
    "value_gradient",
]
