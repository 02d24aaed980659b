"""The recall tunnel: pairs are shown once, then some keys come back and their values are asked.

Source: the task of associative recall in arXiv 2512.22471 from version 3 on; the authors' code has 64 pairs, three
queries, 256 keys, 256 values and 32 filler tokens. Keys and values are unique in a sequence there and here. Ours:
pairs are two tokens without markers, and queries are distinct keys whose values are not shown afterwards.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from tutorlib.arguments import integer
from tutorlib.tunnels.base import Batch, Predictor, Tunnel
from tutorlib.tunnels.draws import ids_between, permutations, recent

__all__ = ["Recall"]


class Recall(Tunnel):
    """Sequences ``k1 v1 ... kN vN  F ... F  ? q1  F ... F  ? q2 ...``; the value of each query is asked.

    Keys are the tokens ``0 .. keys-1``, values follow, then the filler F and the query mark ``?``.

    Args:
        pairs: N.
        queries: Q, distinct keys among those shown, at most N.
        keys: how many keys there are, at least N.
        values: how many values there are, at least N.
        filler: filler tokens between the pairs and the first query.
        gap: filler tokens between two queries.

    Raises:
        ValueError: if an argument does not fit.

    >>> tunnel = Recall(pairs=3, queries=1, keys=4, values=4)
    >>> batch = tunnel.sample(1, torch.Generator().manual_seed(0))
    >>> batch.tokens, batch.targets, tunnel.exact(batch).argmax(-1)
    (tensor([[2, 4, 3, 6, 0, 5, 9, 0]]), tensor([[5]]), tensor([[5]]))
    """

    name = "recall"
    symbols_name = "pairs"
    steps_argument = "pairs"
    coarse_ladder = True

    def __init__(
        self,
        pairs: int = 16,
        queries: int = 3,
        keys: int = 32,
        values: int = 32,
        filler: int = 0,
        gap: int = 0,
    ) -> None:
        self.pairs = integer("pairs", pairs, 1)
        self.queries = integer("queries", queries, 1, pairs)
        self.keys, self.values = integer("keys", keys, pairs), integer("values", values, pairs)
        self.filler, self.gap = integer("filler", filler, 0), integer("gap", gap, 0)
        self.filler_token, self.query_token = keys + values, keys + values + 1
        self.vocab = keys + values + 2
        first = 2 * pairs + filler + 1
        self.scored = torch.arange(queries) * (gap + 2) + first  # [queries]
        self.length = int(self.scored[-1]) + 1
        self.answers = torch.arange(keys, keys + values)
        self.max_window = pairs

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        """Draw ``batch`` lists of pairs and the keys that come back."""
        integer("batch", batch, 1)
        keys = permutations(batch, self.keys, generator)[:, : self.pairs]  # [batch, pairs]
        values = self.keys + permutations(batch, self.values, generator)[:, : self.pairs]
        asked = permutations(batch, self.pairs, generator)[:, : self.queries]  # [batch, queries]
        tokens = torch.full((batch, self.length), self.filler_token, device=keys.device)
        tokens[:, : 2 * self.pairs] = torch.stack((keys, values), -1).flatten(1)
        tokens[:, self.scored - 1] = self.query_token
        tokens[:, self.scored] = keys.gather(-1, asked)
        return Batch(tokens, values.gather(-1, asked))

    def window(self, batch: Batch, steps: int) -> Tensor:
        """Exact answer of an observer who kept only the last ``steps`` pairs.

        A key it kept has its value; any other has one of the values it did not keep, all equally likely.
        """
        keys, values, asked = self._parts(batch)
        kept = recent(self.pairs + 1, steps, keys.device)[-1, :-1]  # [pairs]
        same = ((asked[:, :, None] == keys[:, None, :]) & (kept > 0)).double()  # [batch, queries, pairs]
        known = same @ values  # [batch, queries, values]
        left = 1 - (kept @ values)[:, None]  # [batch, 1, values]
        free = left / left.sum(-1, keepdim=True).clamp(min=1)
        return self._answer(torch.where(known.sum(-1, keepdim=True) > 0, known, free))

    def shuffle_past(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The pairs shown, in another order; the queries stay as they are."""
        self._parts(batch)
        order = permutations(len(batch), self.pairs, generator).to(batch.tokens.device)  # [batch, pairs]
        tokens = batch.tokens.clone()
        for first in (0, 1):  # keys, values
            shown = slice(first, 2 * self.pairs, 2)
            tokens[:, shown] = batch.tokens[:, shown].gather(1, order)
        return replace(batch, tokens=tokens)

    def value_shown(self, batch: Batch) -> Tensor:
        """The observer who knows which values were shown and not with which key: the plateau in training."""
        _, values, asked = self._parts(batch)
        return self._answer(values.mean(1, keepdim=True).expand(-1, asked.shape[1], -1))

    def landmarks(self) -> dict[str, Predictor]:
        """One of the values shown."""
        return {"a value shown": self.value_shown}

    def config(self) -> dict[str, object]:
        """The arguments that build this tunnel again."""
        names = ("pairs", "queries", "keys", "values", "filler", "gap")
        return {name: getattr(self, name) for name in names}

    def _answer(self, p: Tensor) -> Tensor:
        return functional.pad(p, (self.keys, 2))  # [batch, queries, vocab]

    def _parts(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Keys ``[batch, pairs]``, values as one-hot ``[batch, pairs, values]``, queries ``[batch, queries]``."""
        self._check(batch)
        shown, asked = batch.tokens[:, : 2 * self.pairs], batch.tokens[:, self.scored]
        keys, values = shown[:, 0::2], shown[:, 1::2]  # [batch, pairs]
        ids_between("tokens: keys", keys, 0, self.keys - 1)
        ids_between("tokens: values", values, self.keys, self.keys + self.values - 1)
        for name, ids in (("keys", keys), ("values", values)):
            if ((ids[:, :, None] == ids[:, None, :]).sum(-1) > 1).any():
                raise ValueError(f"tokens: expected {name} without repetition, got one twice")
        if not (asked[:, :, None] == keys[:, None, :]).any(-1).all():
            raise ValueError("tokens: expected queries among the keys shown, got another")
        return keys, functional.one_hot(values - self.keys, self.values).double(), asked
