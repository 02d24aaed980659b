"""The HMM tunnel: track a hidden state through noisy symbols, with fresh matrices in every sequence.

Source: arXiv 2512.22471 (all versions), task 2, and the authors' released code. There S = V = 5, the start is
uniform and the matrices stand in front of the observations. Under Dirichlet(1) rows a chain forgets within about
four steps, so that a filter cannot be told from a short window; the sticky law is our dial for that.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tutorlib.arguments import choice, device_of, integer, is_real, shown
from tutorlib.bayes import normalise
from tutorlib.bits import probabilities
from tutorlib.tunnels.base import Batch, Predictor, TaskTunnel
from tutorlib.tunnels.draws import categorical, dirichlet, ids_between
from tutorlib.tunnels.filtering import stationary_law, window_filter

__all__ = ["HMM"]

LAWS = ("printed", "coded", "sticky")
FLOOR = 5  # hundredths: the smallest probability in the authors' code
TRANS, EMIT, SEP, OBS, FIRST_SYMBOL = 96, 97, 98, 99, 100  # their tokens after 96 probabilities 0.05 .. 1.00


class HMM(TaskTunnel):
    """Sequences ``o1 o2 ... oK`` of symbols from a hidden Markov model whose matrices the observer is given.

    Token ids with ``header="rows"``: symbols ``0 .. V-1``, states ``V .. V+S-1`` (answers only). The matrices
    are in ``Batch.header``, float64 ``[batch, S, S+V]``: row i is ``T[i, :]``, then ``E[i, :]``.
    With ``header="tokens"``, the authors' layout, the tokens say all: ``[TRANS]`` S*S probabilities ``[EMIT]``
    S*V probabilities ``[SEP]``, then ``[OBS] o`` K times. A probability of c hundredths is the token c - 5,
    symbols start at 100 and states after them; for S = V = 5 the header has 53 tokens.

    Args:
        states: S, at least 2.
        symbols: V, at least 2.
        observations: K, how many symbols a sequence shows; longer than in training is a test of length.
        law: of the rows of T and E. ``printed``: Dirichlet(1). ``coded``: Dirichlet(1), clipped at 0.05,
            renormalised, rounded to hundredths with sum 1 and none below 0.05, as the authors' code does.
            ``sticky``: ``T = stick * I + (1 - stick) * Dirichlet(1)``, E as printed.
        stick: for the sticky law, from 0 (printed) to below 1.
        target: ``belief`` asks for the state at each observation, so that the exact answer is the filter and a
            sampled target is the true state; ``next`` asks for the symbol after it.
        header: ``rows`` or ``tokens``; the latter needs the coded law.

    Raises:
        ValueError: if an argument does not fit.

    >>> tunnel = HMM(states=2, symbols=2, observations=3)
    >>> batch = tunnel.sample(1, torch.Generator().manual_seed(0))
    >>> batch.header[0]
    tensor([[0.6705, 0.3295, 0.3527, 0.6473],
            [0.4875, 0.5125, 0.4689, 0.5311]], dtype=torch.float64)
    >>> batch.tokens, tunnel.exact(batch)[0, :, 2:]
    (tensor([[1, 1, 1]]), tensor([[0.5493, 0.4507],
            [0.6350, 0.3650],
            [0.6500, 0.3500]], dtype=torch.float64))
    """

    name = "hmm"
    symbols_name = "observations"
    steps_argument = "observations"
    coarse_ladder = True
    shows_task = True

    def __init__(
        self,
        states: int = 5,
        symbols: int = 5,
        observations: int = 20,
        law: str = "printed",
        stick: float = 0.9,
        target: str = "belief",
        header: str = "rows",
    ) -> None:
        self.law = choice("law", law, LAWS)
        self.target = choice("target", target, ("belief", "next"))
        self.header = choice("header", header, ("rows", "tokens"))
        if header == "tokens" and law != "coded":
            raise ValueError(f"header: 'tokens' writes hundredths, so it needs law 'coded', got {law!r}")
        most = 10 if law == "coded" else None  # rows of more entries cannot all keep 0.05 and their order
        self.states, self.symbols = integer("states", states, 2, most), integer("symbols", symbols, 2, most)
        self.observations = integer("observations", observations, 1)
        if not is_real(stick) or not 0 <= stick < 1:
            raise ValueError(f"stick: expected a number from 0 to below 1, got {shown(stick)}")
        self.stick = float(stick)
        self.first_symbol = FIRST_SYMBOL if header == "tokens" else 0
        first_state = self.first_symbol + symbols
        self.vocab = first_state + (states if target == "belief" else 0)
        self.answers = torch.arange(
            *((first_state, self.vocab) if target == "belief" else (self.first_symbol, first_state))
        )
        self.prefix = 3 + states * (states + symbols) if header == "tokens" else 0  # tokens of the header
        step = 2 if header == "tokens" else 1  # tokens an observation
        self.length = self.prefix + step * observations
        self.scored = torch.arange(self.prefix + step - 1, self.length, step)  # [observations]
        self.header_shape = (states, states + symbols) if header == "rows" else None
        self.max_window = observations
        self.task_shape = (states, states + symbols)

    def sample_tasks(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw matrices, float64 ``[count, states, states + symbols]``: row i is ``T[i, :]``, then ``E[i, :]``."""
        ones = torch.ones(integer("count", count, 1), self.states, max(self.states, self.symbols))
        T = dirichlet(ones[..., : self.states], generator)  # [count, states, states]
        E = dirichlet(ones[..., : self.symbols], generator)  # [count, states, symbols]
        if self.law == "coded":
            T, E = hundredths(T), hundredths(E)
        if self.law == "sticky":
            T = self.stick * torch.eye(self.states, dtype=T.dtype, device=T.device) + (1 - self.stick) * T
        return torch.cat((T, E), -1)

    def sample_given(self, tasks: Tensor, generator: torch.Generator) -> Batch:
        """Draw a path of states from a uniform start, and a symbol from each."""
        self._check_tasks(tasks)
        T, E = tasks.split((self.states, self.symbols), -1)
        batch, device = len(tasks), device_of(generator)
        rows = torch.arange(batch, device=device)
        state = torch.randint(self.states, (batch,), generator=generator, device=device)
        path = [state]
        for _ in range(self.observations):  # one state more than is shown
            state = categorical(T[rows, state], generator)
            path.append(state)
        states = torch.stack(path, -1)  # [batch, observations + 1]
        seen = self.first_symbol + categorical(E[rows[:, None], states], generator)
        targets = (
            self.first_symbol + self.symbols + states[:, :-1] if self.target == "belief" else seen[:, 1:]
        )
        symbols = seen[:, :-1]  # [batch, observations]
        if self.header == "rows":
            return Batch(symbols, targets, header=tasks)
        marked = torch.stack((torch.full_like(symbols, OBS), symbols), -1).flatten(
            1
        )  # [batch, 2 * observations]
        cents = [(100 * matrix).round().long().flatten(1) - FLOOR for matrix in (T, E)]
        mark = symbols.new_ones(batch, 1)
        parts = (TRANS * mark, cents[0], EMIT * mark, cents[1], SEP * mark, marked)
        return Batch(torch.cat(parts, -1), targets)

    def parameters(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The matrices in the header: T ``[batch, states, states]`` and E ``[batch, states, symbols]``, float64."""
        self._check(batch)
        if self.header == "tokens":
            a, b = 1 + self.states**2, self.prefix - 1  # where EMIT and SEP stand
            marks = batch.tokens[:, [0, a, b]]
            if (marks != torch.tensor([TRANS, EMIT, SEP], device=marks.device)).any():
                raise ValueError(f"tokens: expected {TRANS}, {EMIT}, {SEP} at positions 0, {a}, {b}")
            values = torch.cat((batch.tokens[:, 1:a], batch.tokens[:, a + 1 : b]), -1)
            ids_between("tokens: probabilities", values, 0, TRANS - 1)
            split = values.split((self.states**2, self.states * self.symbols), -1)
            T, E = (((part.double() + FLOOR) / 100).unflatten(-1, (self.states, -1)) for part in split)
            return probabilities(T, name="header T"), probabilities(E, name="header E")
        expected = (len(batch), self.states, self.states + self.symbols)
        header = batch.header
        if not isinstance(header, Tensor) or tuple(header.shape) != expected or header.is_complex():
            raise ValueError(f"header: expected {expected}, got {shown(header)}")
        T, E = header.double().split((self.states, self.symbols), -1)
        return probabilities(T, name="header T"), probabilities(E, name="header E")

    def window(self, batch: Batch, steps: int) -> Tensor:
        """Exact filter that restarts from the marginal law and uses the last ``steps`` observations."""
        T, E = self.parameters(batch)
        likelihood = self._likelihood(batch, E)  # [batch, observations, states]
        return self._answer(window_filter(self._start(T), T, likelihood, steps), T, E)

    def stationary(self, batch: Batch) -> Tensor:
        """The observer who reads the header and no symbol: the long-run law of the chain at every position."""
        T, E = self.parameters(batch)
        return self._answer(stationary_law(T)[:, None].expand(-1, self.observations, -1), T, E)

    def emission_only(self, batch: Batch) -> Tensor:
        """The observer who weighs the states by the current symbol alone, all equally likely before it."""
        T, E = self.parameters(batch)
        return self._answer(normalise(self._likelihood(batch, E)), T, E)

    def one_step_targets(self, batch: Batch) -> Tensor:
        """Law of each state given the true state before it and the current symbol, ``[batch, scored, vocab]``.

        It needs the drawn path and one Bayes step, never the filter. Its mean given the observations is the
        exact belief, as for a sampled state, with a smaller variance (Rao-Blackwell).
        """
        if self.target != "belief":
            raise ValueError(f"one_step_targets: expected a tunnel with target 'belief', got {self.target!r}")
        T, E = self.parameters(batch)
        first = self.first_symbol + self.symbols
        ids_between("targets", batch.targets, first, first + self.states - 1)
        before = batch.targets[:, :-1] - self.first_symbol - self.symbols  # [batch, observations - 1]
        prior = torch.cat((self._start(T)[:, None], functional.one_hot(before, self.states).double() @ T), 1)
        return self._answer(normalise(prior * self._likelihood(batch, E)), T, E)

    def landmarks(self) -> dict[str, Predictor]:
        """The header alone, and the current symbol alone."""
        return {"stationary law": self.stationary, "emission only": self.emission_only}

    def config(self) -> dict[str, object]:
        """The arguments that build this tunnel again."""
        names = ("states", "symbols", "observations", "law", "stick", "target", "header")
        return {name: getattr(self, name) for name in names}

    def _check_task_values(self, tasks: Tensor) -> None:
        for matrix in tasks.split((self.states, self.symbols), -1):
            probabilities(matrix, name="tasks")

    def _start(self, T: Tensor) -> Tensor:
        return torch.full_like(T[:, 0], 1 / self.states)  # [batch, states]

    def _likelihood(self, batch: Batch, E: Tensor) -> Tensor:
        ids = batch.tokens[:, self.scored.to(batch.tokens.device)]  # [batch, observations]
        ids_between("tokens: observations", ids, self.first_symbol, self.first_symbol + self.symbols - 1)
        rows = torch.arange(len(ids), device=ids.device)[:, None]  # [batch, 1]
        return E.mT[rows, ids - self.first_symbol]  # [batch, observations, states]

    def _answer(self, belief: Tensor, T: Tensor, E: Tensor) -> Tensor:
        answer = belief if self.target == "belief" else belief @ T @ E  # [batch, observations, answers]
        first = int(self.answers[0])
        return functional.pad(answer, (first, self.vocab - first - answer.shape[-1]))


def hundredths(p: Tensor) -> Tensor:
    """Clip distributions ``[..., n]`` at 0.05, renormalise, round to hundredths; sum 1, none below 0.05.

    What rounding leaves over goes to the largest entry, which is our choice.
    """
    cents = (100 * normalise(p.clamp(min=FLOOR / 100))).round().clamp(min=FLOOR)  # [..., n]
    largest = functional.one_hot(cents.argmax(-1), p.shape[-1])
    return (cents + (100 - cents.sum(-1, keepdim=True)) * largest) / 100
