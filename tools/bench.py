"""Tokens per second of the training loop beside a plain loop of the nanoGPT kind, at the same shape, in one run.

    python tools/bench.py [--width 64 --layers 2 --heads 4 --batch 64 --symbols 20 --rounds 7 --steps 12 --threads 1]

The two loops take turns, so that whatever else the machine does falls on both. The plain loop is what one would
write first: learned positions, LayerNorm, biases, GELU, dropout, attention with its mask spelt out, an untied
head over all positions, labels with an ignore index, batches built in Python, clipping, unfused AdamW, and the
loss read at every step.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from tutorlib.models import Transformer
from tutorlib.optimisers import optimisers_for
from tutorlib.tunnels import Bijection


class PlainBlock(nn.Module):
    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.drop_attention, self.drop_1, self.drop_2 = nn.Dropout(0.1), nn.Dropout(0.1), nn.Dropout(0.1)
        self.register_buffer("mask", torch.tril(torch.ones(context, context)).view(1, 1, context, context))

    def forward(self, x: Tensor) -> Tensor:
        batch, time_, width = x.shape
        q, k, v = self.qkv(self.norm_1(x)).split(width, dim=2)
        k = k.view(batch, time_, self.heads, width // self.heads).transpose(1, 2)  # [batch, heads, time, d]
        q = q.view(batch, time_, self.heads, width // self.heads).transpose(1, 2)
        v = v.view(batch, time_, self.heads, width // self.heads).transpose(1, 2)
        scores = (q @ k.transpose(-2, -1)) / math.sqrt(k.size(-1))  # [batch, heads, time, time]
        scores = scores.masked_fill(self.mask[:, :, :time_, :time_] == 0, float("-inf"))
        y = self.drop_attention(functional.softmax(scores, dim=-1)) @ v
        y = y.transpose(1, 2).contiguous().view(batch, time_, width)
        x = x + self.drop_1(self.project(y))
        return x + self.drop_2(self.down(functional.gelu(self.up(self.norm_2(x)))))


class PlainGPT(nn.Module):
    def __init__(self, vocab: int, context: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(vocab, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(PlainBlock(width, heads, context) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocab, bias=False)
        self.drop = nn.Dropout(0.1)

    def forward(self, tokens: Tensor, labels: Tensor) -> Tensor:
        x = self.drop(self.token(tokens) + self.place(torch.arange(tokens.shape[1])))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        return functional.cross_entropy(logits.view(-1, logits.size(-1)), labels.view(-1), ignore_index=-1)


def plain_loop(tunnel: Bijection, width: int, layers: int, heads: int, batch: int) -> Callable[[int], None]:
    model = PlainGPT(tunnel.vocab, tunnel.length, width, layers, heads)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
    symbols = tunnel.symbols

    def one_batch() -> tuple[Tensor, Tensor]:
        rows, labels = [], []
        for _ in range(batch):
            keys, bijection = torch.randperm(symbols), torch.randperm(symbols)
            row, label = [], []
            for key in keys.tolist():
                value = int(bijection[key]) + symbols
                row += [key, value]
                label += [value, -1]
            rows.append(torch.tensor(row[:-1]))
            labels.append(torch.tensor(label[:-1]))
        return torch.stack(rows), torch.stack(labels)

    def run(steps: int) -> None:
        model.train()
        for _ in range(steps):
            tokens, labels = one_batch()
            loss = model(tokens, labels)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            loss.item()

    return run


def our_loop(tunnel: Bijection, width: int, layers: int, heads: int, batch: int) -> Callable[[int], None]:
    """The body of tutorlib.training.train, with its model, sampler and optimisers."""
    from tutorlib.training import TrainingPlan, train

    model = Transformer(tunnel.vocab, tunnel.length, width, layers, heads)

    def run(steps: int) -> None:
        train(model, tunnel, TrainingPlan(steps=steps, batch=batch), log_every=steps)

    return run


def sgemm_peak(size: int = 1024, repeats: int = 6) -> float:
    """Best rate of a large float32 matrix product, in GFLOP/s."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in {"width": 64, "layers": 2, "heads": 4, "batch": 64, "symbols": 20}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=12, help="steps of each loop in a round")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    tunnel = Bijection(options.symbols)
    shape = (options.width, options.layers, options.heads, options.batch)
    loops = {"plain": plain_loop(tunnel, *shape), "ours": our_loop(tunnel, *shape)}
    for loop in loops.values():
        loop(3)  # warm up
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(options.rounds):
        for name, loop in loops.items():
            start = time.perf_counter()
            loop(options.steps)
            seconds = time.perf_counter() - start
            rates[name].append(options.steps * options.batch * tunnel.length / seconds)
    ratios = sorted(ours / plain for ours, plain in zip(rates["ours"], rates["plain"], strict=True))
    model = Transformer(tunnel.vocab, tunnel.length, *shape[:3])
    matrices = sum(p.numel() for p in model.blocks.parameters())
    # Forward and backward cost 6 floating-point operations a weight and token; attention adds 12 time width.
    per_token = 6 * matrices + 12 * options.layers * tunnel.length * options.width / 2
    print(
        f"width {options.width}, {options.layers} layers, {options.heads} heads, batch {options.batch}, "
        f"{tunnel.length} tokens, {options.threads} threads, torch {torch.__version__}"
    )
    for name in loops:
        print(
            f"  {name:6s} {statistics.median(rates[name]):10,.0f} tokens/s (median of {options.rounds} rounds)"
        )
    print(f"  ratio  {statistics.median(ratios):10.2f} (rounds: {ratios[0]:.2f} to {ratios[-1]:.2f})")
    share = statistics.median(rates["ours"]) * per_token / 1e9 / sgemm_peak()
    print(f"  ours, nominal arithmetic as a share of this machine's sgemm peak: {share:.2f}")
    groups = optimisers_for(model, 0.03, 0.05)
    print(f"  ours trains with {' and '.join(type(o).__name__ for o in groups)}")


if __name__ == "__main__":
    main()
