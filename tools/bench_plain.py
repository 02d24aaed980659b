"""The step that others take: a plain training loop on the bijection tunnel, and hmmlearn on the HMM tunnel.

The loop does what the paper's released code is described to do (learned token and position embeddings, pre-norm blocks
with RMSNorm and GELU and without biases, a tied head over all positions, labels with an ignore index, AdamW with a
clipped gradient, the loss read at every step). It is written anew from that description; no line is theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from hmmlearn import _hmmc
from hmmlearn.hmm import CategoricalHMM
from torch import Tensor, nn
from torch.nn import functional

from tutorlib.tunnels import Bijection

IGNORED = -100


class PlainBlock(nn.Module):
    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = (
            nn.Linear(width, 4 * width, bias=False),
            nn.Linear(4 * width, width, bias=False),
        )
        self.register_buffer("mask", torch.tril(torch.ones(context, context)).view(1, 1, context, context))

    def forward(self, x: Tensor) -> Tensor:
        batch, time, width = x.shape
        q, k, v = self.qkv(self.norm_1(x)).split(width, dim=2)
        q, k, v = (
            y.view(batch, time, self.heads, width // self.heads).transpose(1, 2) for y in (q, k, v)
        )  # [batch, heads, time, d] each
        scores = (q @ k.transpose(-2, -1)) / math.sqrt(k.size(-1))  # [batch, heads, time, time]
        scores = scores.masked_fill(self.mask[:, :, :time, :time] == 0, float("-inf"))
        mixed = (functional.softmax(scores, dim=-1) @ v).transpose(1, 2).contiguous().view(batch, time, width)
        x = x + self.project(mixed)
        return x + self.down(functional.gelu(self.up(self.norm_2(x))))


class PlainGPT(nn.Module):
    def __init__(self, vocab: int, context: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(vocab, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(PlainBlock(width, heads, context) for _ in range(layers))
        self.norm = nn.RMSNorm(width)
        for p in self.parameters():
            if p.ndim == 2:
                nn.init.normal_(p, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token(tokens) + self.place(torch.arange(tokens.shape[1]))  # [batch, time, width]
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.token.weight.T  # [batch, time, vocab]


def drawn_in_python(tunnel: Bijection, batch: int) -> tuple[Tensor, Tensor]:
    """Tokens and labels, one sequence after another, as a data set and its collate function make them."""
    rows, labels = [], []
    for _ in range(batch):
        keys, bijection = torch.randperm(tunnel.symbols), torch.randperm(tunnel.symbols)
        row, label = [], []
        for key in keys.tolist():
            value = int(bijection[key]) + tunnel.symbols
            row += [key, value]
            label += [value, IGNORED]
        rows.append(torch.tensor(row[:-1]))
        labels.append(torch.tensor(label[:-1]))
    return torch.stack(rows), torch.stack(labels)


def plain_loop(
    tunnel: Bijection, width: int, layers: int, heads: int, batch: int, ready: bool
) -> Callable[[int], None]:
    """A function that takes so many steps; with ``ready`` the batches were drawn beforehand and cost nothing."""
    model = PlainGPT(tunnel.vocab, tunnel.length, width, layers, heads)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)
    kept = drawn_in_python(tunnel, batch)

    def run(steps: int) -> None:
        model.train()
        for _ in range(steps):
            tokens, labels = kept if ready else drawn_in_python(tunnel, batch)
            logits = model(tokens)
            loss = functional.cross_entropy(
                logits.view(-1, tunnel.vocab), labels.view(-1), ignore_index=IGNORED
            )
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            loss.item()

    return run


Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]  # symbols [batch, time], T [batch, S, S], E [batch, S, V]


def hmmlearn_models(arrays: Arrays) -> np.ndarray:
    """Beliefs ``[batch, time, S]`` by hmmlearn's public ``predict_proba``: one model a sequence, filter and smoother."""
    symbols, T, E = arrays
    states = T.shape[1]
    beliefs = []
    for row, transition, emission in zip(symbols, T, E, strict=True):
        model = CategoricalHMM(states)
        model.n_features = emission.shape[1]
        model.startprob_ = np.full(states, 1 / states)
        model.transmat_, model.emissionprob_ = transition, emission
        beliefs.append(model.predict_proba(row[:, None]))
    return np.stack(beliefs)


def hmmlearn_forward(arrays: Arrays) -> np.ndarray:
    """Beliefs by hmmlearn's compiled forward pass alone, which it does not publish: the same work as our filter."""
    symbols, T, E = arrays
    start = np.full(T.shape[1], 1 / T.shape[1])
    return np.stack(
        [
            _hmmc.forward_scaling(start, transition, emission.T[row])[1]
            for row, transition, emission in zip(symbols, T, E, strict=True)
        ]
    )
