"""Checks of chapter 8, the bijection wind tunnel."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tutorlib import bits
from tutorlib.checks import UNANSWERED, Check, Verdict, expect_number, right, wrong
from tutorlib.tunnels import Batch, Bijection

__all__ = ["CHECKS"]

V = 20


def _mean_entropy(symbols: int) -> float:
    return math.log2(math.factorial(symbols)) / symbols


def _window_mae(steps: int) -> float:
    """Entropy MAE of the observer who sees the last ``steps`` pairs, from the closed forms."""
    gaps = (math.log2(V - min(k - 1, steps)) - math.log2(V - k + 1) for k in range(1, V + 1))
    return sum(gaps) / V


def _leak(kl: float) -> float:
    return 1 - 2.0**-kl


_entropy = expect_number(
    3.0,
    "12 pairs are known, 8 values are left, and log2 8 = 3 bits.",
    {
        math.log2(
            7
        ): "log2 7 counts 13 values as used. Before the 13th pair is opened only 12 have been seen.",
        math.log2(12): "log2 12 counts the values that are used. Count those that are left.",
        math.log2(13): "log2 13 counts the pairs. The entropy is about the values that are left.",
        math.log2(20): "log2 20 is the entropy at the start: it forgets that 12 values are ruled out.",
        math.log(8): "log 8 to base e is in nats. Divide by ln 2, or use log2, to get bits.",
        8.0: "8 values are left; the entropy is the logarithm of that number.",
    },
    "How many values are still unused before the 13th pair? Take log2 of that number.",
)

_mean = expect_number(
    _mean_entropy(8),
    "log2(8!) / 8 = 1.912 bits: naming one of 8! bijections takes log2(8!) bits, shared by 8 answers.",
    {
        3.0: "3 bits is log2 8, the entropy of the first answer only. Later answers have fewer values left.",
        math.log2(math.factorial(8)): "That is the sum over all 8 positions. Divide by 8 for the mean.",
        math.log(math.factorial(8)) / 8: "That is in nats. Use log2 to get bits.",
        _mean_entropy(20): "That is the mean for V = 20. The question is about V = 8.",
        math.log2(
            4.5
        ): "You took the logarithm of the mean number of values left. Take the mean of the logarithms.",
    },
    "Add log2 of the number of values left over the 8 positions, then divide by 8.",
)

_forgetful = expect_number(
    _window_mae(2),
    "it knows that two values are gone and spreads over 18, so its entropy is too high from the fourth pair on.",
    {
        _window_mae(
            0
        ): "That is the observer who sees nothing (entropy log2 20 everywhere). This one sees two pairs.",
        _window_mae(1): "That observer sees one pair. This one sees two, once there are two.",
        _window_mae(2) * V: "That is the sum over the 20 positions. Divide by 20 for the mean.",
        _window_mae(2) * math.log(2): "That is in nats. Use log2 to get bits.",
        math.log2(18)
        - _mean_entropy(V): "At the first two questions it has seen no more than there is to see: "
        "its entropy there is log2 20 and log2 19, and right.",
    },
    "Its entropy is log2 20, log2 19, and log2 18 from the third question on. The exact one is log2(20 - k + 1).",
    tolerance=4e-3,
)

_leaking = expect_number(
    _leak(0.01),
    "KL = log2(1 / (1 - e)), so e = 1 - 2^-0.01 = 0.0069: a KL of 0.01 bit is 0.7 % of the mass in the wrong place.",
    {
        0.01: "KL is no share of mass. Write it down: every allowed value gets (1 - e) times its right probability.",
        1 - math.exp(-0.01): "You solved it in nats. KL here is in bits: the base is 2, not e.",
        2.0**-0.01: "That is the mass left on the allowed values, 1 - e. The question is about e.",
        math.log2(1 / 0.99): "That is the KL when e = 0.01. Solve for e instead.",
    },
    "If a share e leaks, each allowed value keeps (1 - e)/n instead of 1/n. So KL = log2(1/(1 - e)). Solve for e.",
    tolerance=1.5e-4,
)


def exact_values(shown: list[int], symbols: int) -> list[float]:
    """A right answer to 08-c: the posterior over values, given the values already shown."""
    left = symbols - len(set(shown))
    return [0.0 if value in shown else 1 / left for value in range(symbols)]


def _judge_posterior(answer: Any) -> Verdict:
    if not callable(answer):
        return wrong(f"expected a function of (shown, symbols), got {type(answer).__name__}.")
    for shown, symbols in (([], 4), ([2], 4), ([0, 3, 1], 5), ([1, 0, 4, 2, 3], 6)):
        before = list(shown)
        try:
            found = answer(shown, symbols)
            if found is ...:
                return UNANSWERED
            if found is None:
                return wrong("your function returns None. Does it end in return?")
            found = [float(share) for share in found]
        except Exception as error:  # the reader's code may raise anything
            return wrong(f"posterior({before}, {symbols}) raised {type(error).__name__}: {error}")
        if shown != before:
            return wrong("your function changes the list it is given. Work on a copy.")
        if len(found) != symbols:
            return wrong(f"expected one probability for each of {symbols} values, got {len(found)} numbers.")
        expected = exact_values(shown, symbols)
        case = f"posterior({shown}, {symbols})"
        if all(abs(a - b) < 1e-5 for a, b in zip(found, expected, strict=True)):
            continue
        if any(found[value] > 0 for value in shown):
            return wrong(
                f"{case} gives weight to a value that was already shown. It is ruled out: give it 0."
            )
        if abs(sum(found) - 1) > 1e-5:
            return wrong(f"{case} sums to {sum(found):.4g}. Divide by the number of values that are left.")
        return wrong(f"{case} should treat the values that are left alike; got {found}.")
    return right("shown values get 0, and the values that are left share 1 equally.")


def _judge_predictor(answer: Any) -> Verdict:
    if not callable(answer):
        return wrong(f"expected a function of a batch, got {type(answer).__name__}.")
    tunnel = Bijection(8)
    batch = tunnel.sample(64, torch.Generator().manual_seed(808))
    # The targets are hidden: whoever reads the answer of the question asked would look exact without inferring.
    first, last = (torch.full_like(batch.targets, token) for token in (tunnel.symbols, tunnel.vocab - 1))
    try:
        raw = answer(Batch(batch.tokens.clone(), first))
        again = answer(Batch(batch.tokens.clone(), last))
        if raw is ...:
            return UNANSWERED
        if raw is None:
            return wrong("your function returns None. Does it end in return?")
        found, other = (torch.as_tensor(out).detach().double() for out in (raw, again))
    except Exception as error:  # the reader's code may raise anything
        return wrong(f"your function raised {type(error).__name__}: {error}")
    expected = tunnel.exact(batch)  # [batch, scored, vocab]
    if found.shape != expected.shape:
        return wrong(
            f"expected shape [batch, scored, vocab] = {tuple(expected.shape)}, got {tuple(found.shape)}."
        )
    if bool(torch.isnan(found[:, 0]).any()):
        return wrong("NaN at the first question: nothing has been shown yet, and 0/0 has no value.")
    if not bool(torch.isfinite(found).all()):
        return wrong("some probabilities are NaN or infinite.")
    if not torch.equal(found, other):
        return wrong(
            "your answer changes with batch.targets, which are hidden here. Read the values from the tokens."
        )
    if bool((found < 0).any()) or float((found.sum(-1) - 1).abs().max()) > 1e-4:
        return wrong("each row [batch, position] has to be a distribution: at least 0, with a sum of 1.")
    if float(found[..., : tunnel.symbols].sum()) > 1e-3 * found[..., 0].numel():
        return wrong(
            "weight on keys: tokens 0 to V-1 are keys and never an answer. Only tokens V to 2V-1 are values."
        )
    kl = float(bits.kl_divergence(expected, found).mean())
    if kl < 0.01:
        return right(f"KL to the exact posterior is {kl:.4f} bit on sequences you have not seen.")
    if kl == float("inf"):
        return wrong(
            "KL is infinite: somewhere a possible value has probability 0. Rule out only what was shown."
        )
    used = torch.where(expected > 0, 0.0, found).sum(-1)  # [batch, scored]: mass on what was shown
    just_shown = found[:, 1:].gather(-1, batch.targets[:, :-1, None]).squeeze(-1)  # [batch, scored - 1]
    if float(just_shown.min()) > 0.5 / tunnel.symbols and float(used[:, 2:].mean()) < 0.5:
        return wrong(
            f"KL is {kl:.2f} bits: the value shown last keeps its weight. Move the counts one question."
        )
    if float(used[:, -1].mean()) > 0.5 * 7 / 8 and float(just_shown.min()) > 0.5 / tunnel.symbols:
        return wrong(
            f"KL is {kl:.2f} bits: values that were already shown keep their weight. Cross them out."
        )
    return wrong(
        f"KL is {kl:.2f} bits: some values that were shown long ago keep their weight. Use the whole past."
    )


def crossing_out(batch: Batch) -> Tensor:
    """A right answer to 08-f: count the values shown so far and push them down."""
    symbols = (batch.tokens.shape[1] + 1) // 2
    value = torch.nn.functional.one_hot(batch.tokens[:, 1::2], 2 * symbols)  # [batch, scored - 1, vocab]
    shown = torch.nn.functional.pad(value.cumsum(1), (0, 0, 1, 0))  # [batch, scored, vocab]
    logits = -30.0 * shown.double()
    logits[..., :symbols] = -torch.inf
    return logits.softmax(-1)


def _late(batch: Batch) -> Tensor:
    """The slip of 08-f that crosses out one question too late."""
    exact = crossing_out(batch)  # [batch, scored, vocab]
    return torch.cat((exact[:, :1], exact[:, :-1]), 1)


def _on_tunnel(method: str, *args: int) -> Callable[[Batch], Tensor]:
    return lambda batch: getattr(Bijection(8), method)(batch, *args)


CHECKS: tuple[Check, ...] = (
    Check(
        "08-a",
        _entropy,
        lambda: math.log2(20 - 12),
        (
            (lambda: math.log2(7), "only 12 have been seen"),
            (lambda: math.log(8), "nats"),
            (lambda: math.log2(20), "forgets that 12 values"),
            (lambda: 8, "the logarithm of that number"),
            (lambda: "three", "expected one number"),
        ),
    ),
    Check(
        "08-b",
        _mean,
        lambda: sum(math.log2(8 - k + 1) for k in range(1, 9)) / 8,
        (
            (lambda: 3.0, "first answer only"),
            (lambda: math.log2(math.factorial(8)), "Divide by 8"),
            (lambda: math.log(math.factorial(8)) / 8, "nats"),
            (lambda: math.log2(4.5), "mean of the logarithms"),
        ),
    ),
    Check(
        "08-c",
        _judge_posterior,
        lambda: exact_values,
        (
            (lambda: lambda shown, symbols: [1 / symbols] * symbols, "already shown"),
            (lambda: lambda shown, symbols: [float(v not in shown) for v in range(symbols)], "sums to"),
            (
                lambda: (
                    lambda shown, symbols: [
                        0.0 if v in shown else 1 / (symbols - len(shown) + 1) for v in range(symbols)
                    ]
                ),
                "sums to",
            ),
            (lambda: lambda shown, symbols: [shown.pop()] if shown else [0.25] * 4, "changes the list"),
            (lambda: lambda shown, symbols: None, "end in return"),
            (lambda: [0.25] * 4, "expected a function"),
        ),
    ),
    Check(
        "08-d",
        _forgetful,
        lambda: _window_mae(2),
        (
            (lambda: _window_mae(0), "sees nothing"),
            (lambda: _window_mae(1), "sees one pair"),
            (lambda: _window_mae(2) * V, "Divide by 20"),
            (lambda: _window_mae(2) * math.log(2), "nats"),
            (lambda: math.log2(18) - _mean_entropy(V), "At the first two questions"),
        ),
    ),
    Check(
        "08-e",
        _leaking,
        lambda: _leak(0.01),
        (
            (lambda: 0.01, "no share of mass"),
            (lambda: 1 - math.exp(-0.01), "nats"),
            (lambda: 2.0**-0.01, "mass left on the allowed"),
        ),
    ),
    Check(
        "08-f",
        _judge_predictor,
        lambda: crossing_out,
        (
            (lambda: _on_tunnel("uniform"), "Cross them out"),
            (lambda: _on_tunnel("window", 3), "Use the whole past"),
            (lambda: _on_tunnel("position_lookup"), "KL is infinite"),
            (lambda: _late, "one question"),
            (lambda: lambda batch: batch.targets[..., None] * torch.ones(16), "changes with batch.targets"),
            (lambda: lambda batch: torch.full((len(batch), 8, 16), torch.nan), "NaN at the first question"),
            (lambda: lambda batch: None, "end in return"),
            (lambda: lambda batch: torch.ones(len(batch), 8, 16) / 16, "weight on keys"),
            (lambda: lambda batch: torch.ones(len(batch), 8), "expected shape"),
            (lambda: lambda batch: torch.ones(len(batch), 8, 16), "a sum of 1"),
        ),
    ),
)
