"""A toy language whose next-word law is known exactly: a subject to be remembered, told by a plain or a wild teller.

The grammar makes a law of the next word for every state and teller, and each word leads to one next state. Who tells the
story is never said, so the exact law of the next word is Bayes' rule: a mixture over the two tellers, weighed by the
evidence of all words so far.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tutorlib.arguments import device_of, integer
from tutorlib.tunnels.base import Batch, Tunnel
from tutorlib.tunnels.draws import categorical, ids_between

__all__ = ["Grammar"]

NOUNS = ("dog", "cat", "bird", "clock", "king")
VERBS = ("sees", "likes", "hears", "finds", "calls", "wants")
WORDS = (".", "the", "then", "old", "small", "that", *NOUNS, *VERBS)
CLAUSE, ADJECTIVE, THEN = 0.25, 0.3, 0.2
# Of how many verbs and objects a subject chooses; a plain teller takes the first one most of the time.
CHOICES = dict(zip(NOUNS, (2, 3, 4, 5, 6), strict=True))
PLAIN, WILD = 0.95, 0.0  # the share that goes to the first choice on top of an even split
TELLERS = ("plain", "wild")

State = tuple[str, ...]


def _choice(words: tuple[str, ...], favour: float) -> dict[str, float]:
    """An even split with some of it moved to the first word."""
    even = (1 - favour) / len(words)
    return {word: even + (favour if i == 0 else 0.0) for i, word in enumerate(words)}


def _verbs(noun: str, favour: float) -> dict[str, float]:
    start = NOUNS.index(noun)
    return _choice(tuple(VERBS[(start + i) % len(VERBS)] for i in range(CHOICES[noun])), favour)


def _rule(state: State, favour: float) -> dict[str, tuple[float, State]]:
    """What can follow in a state: probability and next state of each word."""
    kind, *who = state
    if kind == "start":
        return {"the": (1 - THEN, ("subject",)), "then": (THEN, ("then",))}
    if kind == "then":
        return {"the": (1.0, ("subject",))}
    if kind in ("subject", "adjective"):
        nouns = 1.0 if kind == "adjective" else 1 - ADJECTIVE
        found: dict[str, tuple[float, State]] = {noun: (nouns / len(NOUNS), ("noun", noun)) for noun in NOUNS}
        if kind == "subject":
            found |= {word: (ADJECTIVE / 2, ("adjective",)) for word in ("old", "small")}
        return found
    if kind == "noun":
        verbs = {verb: ((1 - CLAUSE) * p, ("verb", *who)) for verb, p in _verbs(who[0], favour).items()}
        return {"that": (CLAUSE, ("that", *who)), **verbs}
    if kind == "that":
        return {"the": (1.0, ("inner", *who))}
    if kind == "inner":
        return {noun: (1 / len(NOUNS), ("inner noun", *who, noun)) for noun in NOUNS}
    if kind == "inner noun":
        return {verb: (p, ("after clause", who[0])) for verb, p in _verbs(who[1], favour).items()}
    if kind == "after clause":
        return {verb: (p, ("verb", *who)) for verb, p in _verbs(who[0], favour).items()}
    if kind == "verb":
        return {"the": (1.0, ("object", *who))}
    if kind == "object":
        first = NOUNS.index(who[0])
        nouns_ = tuple(NOUNS[(first + 1 + i) % len(NOUNS)] for i in range(CHOICES[who[0]] - 1))
        return {noun: (p, ("end",)) for noun, p in _choice(nouns_, favour).items()}
    return {".": (1.0, ("start",))}  # the end


def _tables() -> tuple[list[State], Tensor, Tensor]:
    """States, laws ``[tellers, states, words]`` and next states ``[states, words]`` (0 where a word cannot follow)."""
    states: list[State] = [("start",)]
    for state in states:  # grows while it is walked through
        states += [after for _, after in _rule(state, WILD).values() if after not in states]
        states[:] = list(dict.fromkeys(states))
    law = torch.zeros(len(TELLERS), len(states), len(WORDS), dtype=torch.float64)
    after = torch.zeros(len(states), len(WORDS), dtype=torch.int64)
    for s, state in enumerate(states):
        for teller, favour in enumerate((PLAIN, WILD)):
            for word, (p, following) in _rule(state, favour).items():
                law[teller, s, WORDS.index(word)] = p
                after[s, WORDS.index(word)] = states.index(following)
    return states, law, after


class Grammar(Tunnel):
    """Texts ``. w1 w2 ...`` in the toy language, each by one teller who is not named; each next word is asked.

    Attributes:
        words: the vocabulary; a token is the number of its word.
        states: names of the grammar's states.
        law: of the next word for each teller and state, float64 ``[2, states, words]``.

    Args:
        length: words in a text, the full stop in front included.

    >>> tunnel = Grammar(12)
    >>> batch = tunnel.sample(1, torch.Generator().manual_seed(0))
    >>> tunnel.text(batch.tokens[0])
    '. the old dog that the cat likes sees the cat .'
    """

    name = "grammar"
    symbols_name = "words"
    steps_argument = "length"
    coarse_ladder = True

    def __init__(self, length: int = 48) -> None:
        self.length = integer("length", length, 2)
        self.words, self.vocab = WORDS, len(WORDS)
        self.states, self.law, self.after = _tables()
        self.scored = torch.arange(length)
        self.answers = torch.arange(self.vocab)
        self.max_window = length - 1

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        """Draw ``batch`` texts; ``tasks`` says who tells them, 0 plain and 1 wild, int64 ``[batch]``."""
        device = device_of(generator)
        law, after = self.law.to(device), self.after.to(device)
        teller = torch.randint(2, (integer("batch", batch, 1),), generator=generator, device=device)
        state, text = torch.zeros_like(teller), [torch.zeros_like(teller)]
        for _ in range(self.length):
            word = categorical(law[teller, state], generator)  # [batch]
            text.append(word)
            state = after[state, word]
        tokens = torch.stack(text, -1)  # [batch, length + 1]
        return Batch(tokens[:, :-1], tokens[:, 1:], tasks=teller)

    def window(self, batch: Batch, steps: int) -> Tensor:
        """Exact law of the next word for an observer of the last ``steps`` words, float64 ``[batch, scored, words]``.

        All but the last ``steps`` words are replaced by what is true of a text at a random place.
        """
        belief = self._belief(batch, integer("steps", steps, 0))  # [batch, scored, tellers, states]
        return torch.einsum("nths,hsw->ntw", belief, self.law.to(belief.device))

    def teller_belief(self, batch: Batch) -> Tensor:
        """Exact probability that the teller is the wild one after each word, float64 ``[batch, scored]``."""
        return self._belief(batch, self.max_window)[..., 1, :].sum(-1)

    def text(self, tokens: Tensor) -> str:
        """The words of a text, from int64 ``[time]``."""
        ids_between("tokens", tokens, 0, self.vocab - 1)
        return " ".join(self.words[number] for number in tokens.tolist())

    def config(self) -> dict[str, object]:
        """The arguments that build this tunnel again."""
        return {"length": self.length}

    def _belief(self, batch: Batch, steps: int) -> Tensor:
        """About teller and state after each word, float64 ``[batch, scored, tellers, states]``."""
        self._check(batch)
        tokens = batch.tokens
        ids_between("tokens", tokens, 0, self.vocab - 1)
        law, after = self.law.to(tokens.device), self.after.to(tokens.device)
        start = torch.zeros(2, len(self.states), dtype=law.dtype, device=law.device)
        start[:, 0] = 0.5  # after the full stop in front
        lands = functional.one_hot(after, len(self.states)).double()  # [states, words, states after]
        belief, found = start.expand(len(batch), *start.shape), []
        for t in range(self.length):
            first = t - steps + 1  # the first word that this observer sees
            if first <= 1:  # all of them so far
                seen = range(t, t + 1) if t else range(0)
            else:
                belief, seen = self._anywhere().expand(len(batch), *start.shape), range(first, t + 1)
            for i in seen:
                word = tokens[:, i]  # [batch]
                weighed = belief * law[:, :, word].permute(2, 0, 1)  # [batch, tellers, states]
                belief = torch.einsum("nhs,snz->nhz", weighed, lands[:, word])
                total = belief.sum((1, 2), keepdim=True)
                if (total <= 0).any():
                    raise ValueError("tokens: expected a text of this grammar, got a word that cannot follow")
                belief = belief / total
            found.append(belief)
        return torch.stack(found, 1)

    def _anywhere(self) -> Tensor:
        """Teller and state at a random place of a long text, float64 ``[tellers, states]``."""
        step = torch.einsum(
            "hsw,swz->hsz", self.law, functional.one_hot(self.after, len(self.states)).double()
        )  # [tellers, states, states after]
        return 0.5 * torch.linalg.matrix_power((step + torch.eye(len(self.states))) / 2, 4096)[:, 0]
