"""The model-selection tunnel: infer which kind of rule is at work while learning the rule itself.

Source: arXiv 2607.19379 (Dalal, Misra, Parekh 2026): involutions against 3-cycles, classes that are not nested. We had
its abstract and digests only; the layout of a sequence, keys without repetition and the prior of 1/2 are ours.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from tutorlib.arguments import device_of, integer, is_real, shown
from tutorlib.bayes import normalise
from tutorlib.tunnels.base import Batch, Predictor, TaskTunnel
from tutorlib.tunnels.draws import check_permutations, ids_between, permutations, recent, reordered

__all__ = ["ModelSelection"]

NONE = -math.inf  # the logarithm of no rule at all


class ModelSelection(TaskTunnel):
    """Sequences ``x1 f(x1) x2 f(x2) ... xL``; ``f`` is a uniform involution or a uniform product of 3-cycles.

    An involution without fixed points swaps symbols in couples, ``f(f(x)) = x``; a product of 3-cycles turns
    symbols in threes, ``f(f(f(x))) = x``. Keys are distinct. The position of every key is scored.

    Args:
        symbols: n, a multiple of 6, so that both classes exist; tokens are ``0 .. n-1`` for keys and values.
        pairs: L, how many keys are asked, from 1 to n; n if None.
        involution: prior probability of the first class, strictly between 0 and 1.

    Raises:
        ValueError: if an argument does not fit.

    >>> tunnel = ModelSelection(symbols=6)
    >>> batch = tunnel.sample(1, torch.Generator().manual_seed(0))
    >>> batch.tokens
    tensor([[5, 1, 3, 2, 4, 0, 1, 5, 2, 3, 0]])
    >>> tunnel.class_posterior(batch)[0, :, 0]
    tensor([0.5000, 0.5000, 0.5714, 1.0000, 1.0000, 1.0000], dtype=torch.float64)
    """

    name = "model_selection"
    symbols_name = "pairs"
    steps_argument = "pairs"

    def __init__(self, symbols: int = 12, pairs: int | None = None, involution: float = 0.5) -> None:
        self.symbols = integer("symbols", symbols, 6)
        if symbols % 6:
            raise ValueError(f"symbols: expected a multiple of 6, got {symbols}")
        self.pairs = integer("pairs", symbols if pairs is None else pairs, 1, symbols)
        if not is_real(involution) or not 0 < involution < 1:
            raise ValueError(f"involution: expected a probability between 0 and 1, got {shown(involution)}")
        self.involution = involution
        self.vocab, self.length, self.task_shape = symbols, 2 * self.pairs - 1, (symbols,)
        self.scored = torch.arange(0, self.length, 2)  # [pairs]
        self.answers = torch.arange(symbols)
        self.max_window = max(self.pairs - 1, 1)

    def sample_tasks(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw rules, int64 ``[count, symbols]``: the value of every symbol. First the class, then the rule."""
        order = permutations(integer("count", count, 1), self.symbols, generator)  # [count, symbols]
        twos, threes = (order.unflatten(-1, (-1, size)).roll(-1, -1).flatten(-2) for size in (2, 3))
        coin = torch.rand((count, 1), generator=generator, device=device_of(generator)) < self.involution
        return torch.empty_like(order).scatter(-1, order, torch.where(coin, twos, threes))

    def sample_given(self, tasks: Tensor, generator: torch.Generator) -> Batch:
        """Draw the order in which the keys are asked."""
        self._check_tasks(tasks)
        keys = permutations(len(tasks), self.symbols, generator)[:, : self.pairs]  # [batch, pairs]
        values = tasks.gather(-1, keys)
        tokens = torch.stack((keys, values), -1).flatten(1)[:, : self.length]
        return Batch(tokens, values, tasks=tasks)

    def known(self, tasks: Tensor, batch: Batch) -> Tensor:
        """All weight on the value that the rule gives to the key asked."""
        keys = functional.one_hot(self._keys(batch), self.symbols).double()  # [batch, pairs, symbols]
        self._check_tasks(tasks, batch)
        return keys @ functional.one_hot(tasks, self.symbols).double()

    def window(self, batch: Batch, steps: int) -> Tensor:
        """Predictive from the last ``steps`` pairs, the class unknown.

        By counting: the weight of a value v is ``sum_c prior_c N_c(pairs seen and x -> v) / N_c(nothing seen)``,
        where ``N_c`` is the number of rules in class c that agree.
        """
        facts, at_key = self._facts(batch, steps)
        every = torch.eye(self.symbols, dtype=facts.dtype, device=facts.device)
        answers = []
        for k in range(self.pairs):  # one position at a time keeps the tables small
            asked = torch.einsum("bi,vj->bvij", at_key[:, k], every)
            supposed = facts[:, k, None] + asked  # [batch, candidate v, symbols, symbols]
            answers.append(normalise(self._weights(supposed).sum(-1)))
        return torch.stack(answers, 1)  # [batch, pairs, symbols]

    def shuffle_past(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The pairs seen, in another order; the key asked last stays where it is."""
        keys, values = reordered((self._keys(batch), batch.targets), generator)  # [batch, pairs] each
        tokens = torch.stack((keys, values), -1).flatten(1)[:, : self.length]  # [batch, 2 * pairs - 1]
        return replace(batch, tokens=tokens, targets=values)

    def class_posterior(self, batch: Batch, steps: int | None = None) -> Tensor:
        """Belief about the class before each answer, float64 ``[batch, scored, 2]``: involution, 3-cycles."""
        facts, _ = self._facts(batch, self.max_window if steps is None else steps)
        return normalise(self._weights(facts))

    def crossing_out(self, batch: Batch) -> Tensor:
        """The observer of chapter 8, who knows only that f is one-to-one: any value not used yet."""
        facts, _ = self._facts(batch, self.max_window)
        return normalise(1 - facts.sum(-2))

    def landmarks(self) -> dict[str, Predictor]:
        """Crossing out used values without any thought of a class."""
        return {"crossing out": self.crossing_out}

    def config(self) -> dict[str, object]:
        """The arguments that build this tunnel again."""
        return {"symbols": self.symbols, "pairs": self.pairs, "involution": self.involution}

    def _check_task_values(self, tasks: Tensor) -> None:
        check_permutations("tasks", tasks, self.symbols)

    def _weights(self, facts: Tensor) -> Tensor:
        """``prior_c N_c(facts) / N_c(nothing)`` for facts ``[..., symbols, symbols]``, float64 ``[..., 2]``."""
        nothing = torch.zeros(1, 1, dtype=facts.dtype, device=facts.device).expand(self.symbols, self.symbols)
        counts = torch.stack([log_rules(facts) - log_rules(nothing) for log_rules in CLASSES], -1)
        prior = torch.tensor((self.involution, 1 - self.involution), dtype=torch.float64, device=facts.device)
        return prior * counts.exp()

    def _facts(self, batch: Batch, steps: int) -> tuple[Tensor, Tensor]:
        """The partial map seen before each key, ``[batch, pairs, from, to]``, and the keys, ``[batch, pairs, from]``."""
        keys = self._keys(batch)
        values = torch.cat((batch.tokens[:, 1::2], batch.targets[:, -1:]), 1)  # the last one is never seen
        at_key, at_value = (functional.one_hot(ids, self.symbols).double() for ids in (keys, values))
        seen = recent(self.pairs, steps, keys.device)  # [pairs, pairs]
        return torch.einsum("ks,bsi,bsj->bkij", seen, at_key, at_value), at_key

    def _keys(self, batch: Batch) -> Tensor:
        self._check(batch)
        ids_between("tokens", batch.tokens, 0, self.symbols - 1)
        ids_between("targets", batch.targets, 0, self.symbols - 1)
        keys = batch.tokens[:, 0::2]
        if ((keys[:, :, None] == keys[:, None, :]).sum(-1) > 1).any():
            raise ValueError("tokens: expected keys without repetition, got one twice")
        return keys


def log_involutions(facts: Tensor) -> Tensor:
    """Log number of involutions without fixed points that agree with a partial map.

    ``facts [..., n, n]`` has a 1 where row goes to column. If ``m`` symbols stand in known couples, the others can be
    coupled in ``(n - m - 1)!! = r! / (2^(r/2) (r/2)!)`` ways, ``r = n - m``; a contradiction leaves none.
    """
    couples = ((facts + facts.mT) > 0).double()  # [..., n, n]: f(a) = b says f(b) = a
    left = facts.shape[-1] - couples.sum((-2, -1))  # [...]
    ways = torch.lgamma(left + 1) - torch.lgamma(left / 2 + 1) - left / 2 * math.log(2)
    return torch.where(_one_to_one(couples), ways, NONE)


def log_three_cycles(facts: Tensor) -> Tensor:
    """Log number of products of 3-cycles that agree with a partial map ``[..., n, n]``.

    Two steps in a row close their cycle. With ``u`` untouched symbols and ``p`` single steps, each step takes one of
    them as its third, in ``u! / (u - p)!`` ways, and ``r = u - p`` are left, with ``r! / (3^(r/3) (r/3)!)`` ways.
    """
    closed = ((facts + (facts @ facts).mT) > 0).double()  # [..., n, n]: f(f(a)) = c says f(c) = a
    goes, comes = closed.sum(-1), closed.sum(-2)  # [..., n]
    untouched = ((goes == 0) & (comes == 0)).sum(-1).double()
    single = ((goes == 1) & (comes == 0)).sum(-1).double()
    left = untouched - single
    ways = torch.lgamma(untouched + 1) - torch.lgamma((left / 3).clamp(min=0) + 1) - left / 3 * math.log(3)
    return torch.where(_one_to_one(closed) & (left >= 0), ways, NONE)


CLASSES = (log_involutions, log_three_cycles)


def _one_to_one(facts: Tensor) -> Tensor:
    """Whether no symbol goes to two, none is reached from two, and none stays where it is."""
    at_most_one = (facts.sum(-1) <= 1).all(-1) & (facts.sum(-2) <= 1).all(-1)
    return at_most_one & (facts.diagonal(dim1=-2, dim2=-1).sum(-1) == 0)
