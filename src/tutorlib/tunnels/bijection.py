"""The bijection tunnel: a secret one-to-one pairing of keys and values, revealed pair by pair.

Source: arXiv 2512.22471 (all versions), task 1. There V = 20 and the exact entropy before the k-th pair is
``log2(V - k + 1)`` bits, because each value can be used once.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from tutorlib.arguments import device_of, integer, shown
from tutorlib.tunnels.base import Batch, Predictor, TaskTunnel
from tutorlib.tunnels.draws import check_permutations, permutations, recent, reordered

__all__ = ["Bijection"]


class Bijection(TaskTunnel):
    """Sequences ``k1 v1 k2 v2 ... kL`` where ``v = f(k)`` for a fresh uniform bijection ``f``.

    Keys are the tokens ``0 .. V-1``, values the tokens ``V .. 2V-1``. The position of every key is scored:
    the question is which value follows. Keys come without replacement unless ``replacement`` is true.

    Args:
        symbols: V, the number of keys and of values, at least 2.
        pairs: how many keys are asked, L; the default is V. Without replacement at most V.
        replacement: draw each key afresh, so that one may come back (and its value is then certain).

    Raises:
        ValueError: if ``symbols < 2``, or ``pairs`` does not fit.

    >>> tunnel = Bijection(4)
    >>> batch = tunnel.sample(1, torch.Generator().manual_seed(0))
    >>> batch.tokens
    tensor([[0, 6, 2, 4, 1, 7, 3]])
    >>> tunnel.exact(batch)[0, :, 4:]
    tensor([[0.2500, 0.2500, 0.2500, 0.2500],
            [0.3333, 0.3333, 0.0000, 0.3333],
            [0.0000, 0.5000, 0.0000, 0.5000],
            [0.0000, 1.0000, 0.0000, 0.0000]], dtype=torch.float64)
    """

    name = "bijection"
    symbols_name = "pairs"
    steps_argument = "pairs"

    def __init__(self, symbols: int = 20, pairs: int | None = None, replacement: bool = False) -> None:
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement: expected True or False, got {shown(replacement)}")
        symbols = integer("symbols", symbols, 2)
        pairs = integer("pairs", symbols if pairs is None else pairs, 1)
        if not replacement and pairs > symbols:
            limit = f"from 1 to {symbols} (keys come without replacement)"
            raise ValueError(f"pairs: expected an integer {limit}, got {pairs}")
        self.symbols, self.pairs, self.replacement = symbols, pairs, replacement
        self.vocab, self.task_shape = 2 * symbols, (symbols,)
        self.length = 2 * pairs - 1
        self.scored = torch.arange(0, self.length, 2)  # [pairs]
        self.answers = torch.arange(symbols, 2 * symbols)  # [symbols]
        self.max_window = max(pairs - 1, 1)

    def sample_tasks(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``count`` uniform bijections, int64 ``[count, symbols]``: the value of key i, counted from 0."""
        return permutations(integer("count", count, 1), self.symbols, generator)

    def sample_given(self, tasks: Tensor, generator: torch.Generator) -> Batch:
        """Draw the order in which the keys of each bijection are asked."""
        self._check_tasks(tasks)
        batch, device = len(tasks), device_of(generator)
        if self.replacement:
            keys = torch.randint(self.symbols, (batch, self.pairs), generator=generator, device=device)
        else:
            keys = permutations(batch, self.symbols, generator)[:, : self.pairs]
        values = tasks.gather(-1, keys) + self.symbols  # [batch, pairs]
        tokens = torch.stack((keys, values), -1).flatten(1)[:, : self.length]  # [batch, 2 * pairs - 1]
        return Batch(tokens=tokens, targets=values, tasks=tasks)

    def known(self, tasks: Tensor, batch: Batch) -> Tensor:
        """All weight on the value that the bijection gives to the key asked."""
        keys, _ = self._pairs(batch)  # [batch, pairs]
        self._check_tasks(tasks, batch)
        table = functional.one_hot(tasks, self.symbols).double()  # [..., batch, symbols, symbols]
        answer = functional.one_hot(keys, self.symbols).double() @ table  # [..., batch, pairs, symbols]
        return functional.pad(answer, (self.symbols, 0))

    def window(self, batch: Batch, steps: int) -> Tensor:
        """Exact predictive from the key asked and the last ``steps`` pairs before it.

        A key seen in the window has its value; any other key has one of the values not seen in the window,
        each equally likely. ``steps`` at or above the number of pairs seen is the exact posterior.
        """
        keys, values = self._pairs(batch)  # [batch, pairs] each
        seen = recent(self.pairs, steps, keys.device)  # [pairs, pairs]
        is_value = functional.one_hot(values - self.symbols, self.symbols).double()  # [batch, pairs, symbols]
        used = (seen @ is_value).clamp(max=1)  # [batch, pairs, symbols]: values ruled out
        left = 1 - used
        answer = left / left.sum(-1, keepdim=True).clamp(min=1)  # [batch, pairs, symbols]
        if self.replacement:  # only then can a key come back
            same_key = (keys[:, :, None] == keys[:, None, :]) & (seen > 0)  # [batch, pairs, pairs]
            known = (same_key.double() @ is_value).clamp(
                max=1
            )  # [batch, pairs, symbols]: the value, if known
            answer = torch.where(known.sum(-1, keepdim=True) > 0, known, answer)
        return functional.pad(answer, (self.symbols, 0))  # [batch, pairs, vocab]: keys are never an answer

    def shuffle_past(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The pairs seen, in another order; the key asked last stays where it is."""
        keys, values = reordered(self._pairs(batch), generator)  # [batch, pairs] each
        tokens = torch.stack((keys, values), -1).flatten(1)[:, : self.length]  # [batch, 2 * pairs - 1]
        return replace(batch, tokens=tokens, targets=values)

    def entropy_law(self) -> Tensor:
        """Exact entropy in bits before each pair, ``log2(V - k + 1)`` for ``k = 1 .. L``, float64 ``[pairs]``.

        Raises:
            ValueError: with replacement, where the entropy depends on which keys came back.
        """
        if self.replacement:
            raise ValueError("entropy_law: holds without replacement only; use exact(batch) instead")
        return torch.log2(self.symbols - torch.arange(self.pairs, dtype=torch.float64))

    def position_lookup(self, batch: Batch) -> Tensor:
        """A fraud with the right entropy: spreads over ``V - k + 1`` values that ignore what was seen.

        It reads nothing but the position, so its entropy error is 0 while half its mass is on used values.
        """
        self._check(batch)
        if self.replacement:
            raise ValueError("position_lookup: holds without replacement only")
        allowed = torch.arange(self.symbols)[None, :] < (self.symbols - torch.arange(self.pairs))[:, None]
        p = allowed.double() / allowed.sum(-1, keepdim=True)  # [pairs, symbols]
        p = functional.pad(p, (self.symbols, 0)).to(batch.tokens.device)  # [pairs, vocab]
        return p.expand(len(batch), self.pairs, self.vocab)

    def references(self) -> dict[str, Predictor]:
        """The ladder, with the position look-up in front of it where keys come without replacement."""
        rungs = super().references()
        return rungs if self.replacement else {"position look-up": self.position_lookup, **rungs}

    def config(self) -> dict[str, object]:
        """The arguments that build this tunnel again."""
        return {"symbols": self.symbols, "pairs": self.pairs, "replacement": self.replacement}

    def _check_task_values(self, tasks: Tensor) -> None:
        check_permutations("tasks", tasks, self.symbols)

    def _pairs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        self._check(batch)
        tokens, targets = batch.tokens, batch.targets
        keys = tokens[:, 0::2]  # [batch, pairs]
        # The value of the last key is asked, not shown; it stands in no window, so the target may fill in.
        values = torch.cat((tokens[:, 1::2], targets[:, -1:]), 1)  # [batch, pairs]
        if (keys < 0).any() or (keys >= self.symbols).any():
            raise ValueError(f"tokens: expected keys 0 to {self.symbols - 1} at even positions")
        if (values < self.symbols).any() or (values >= self.vocab).any():
            raise ValueError(f"tokens: expected values {self.symbols} to {self.vocab - 1} at odd positions")
        same_key, same_value = (x[:, :, None] == x[:, None, :] for x in (keys, values))
        shown = slice(self.pairs - 1)  # the last pair is not complete
        if (same_key != same_value)[:, shown, shown].any():
            raise ValueError(
                "tokens: expected one value a key and one key a value, got a pair that breaks this"
            )
        if not self.replacement and (same_key.sum(-1) > 1).any():
            raise ValueError("tokens: expected keys without replacement, got one twice")
        return keys, values
