"""Figures of chapter 02: a tree of questions, words on a line, areas of surprise, log loss, a loss above its floor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tutorlib.bits import ArrayLike, probabilities
from tutorlib.figures.style import COLOURS, new_figure

__all__ = ["code_line", "floor_and_kl", "log_loss_curves", "question_tree", "surprise_areas"]

BLUE, PALE = COLOURS["exact"], "#CFE3F1"
TALLEST = 6.0  # bits; a column that is infinitely high is cut here


def _words(words: Mapping[str, str]) -> dict[str, str]:
    for first in words:
        for second in words:
            if first != second and words[second].startswith(words[first]):
                raise ValueError(
                    f"words: expected none that begins another, got {words[first]!r} ({first}) and "
                    f"{words[second]!r} ({second})"
                )
    if not all(set(word) <= {"0", "1"} for word in words.values()):
        raise ValueError(f"words: expected words of 0 and 1, got {list(words.values())}")
    return dict(words)


def question_tree(
    words: Mapping[str, str], counts: Mapping[str, int], questions: Mapping[str, str]
) -> Figure:
    """A tree of yes/no questions whose answers spell the words: yes, 1, goes left, and no, 0, goes right.

    Args:
        words: outcome -> its word, such as ``{"sun": "1", "rain": "01"}``.
        counts: outcome -> how often it occurs, written below its leaf.
        questions: beginning of a word -> the question asked there, such as ``{"": "sun?"}``.

    Raises:
        ValueError: if a word begins another, or has other letters than 0 and 1.

    >>> len(question_tree({"sun": "1", "rain": "0"}, {"sun": 3, "rain": 1}, {"": "sun?"}).axes)
    1
    """
    words = _words(words)
    depth = max(len(word) for word in words.values())
    leaves = sorted(words, key=lambda name: words[name], reverse=True)  # left to right
    place = {words[name]: (float(i), -float(len(words[name]))) for i, name in enumerate(leaves)}
    for level in range(depth - 1, -1, -1):
        for stem in {word[:level] for word in place if len(word) == level + 1}:
            ends = [place[stem + letter] for letter in "10" if stem + letter in place]
            place[stem] = (sum(x for x, _ in ends) / len(ends), -float(level))
    fig, ax = new_figure(6.4, 3.4)
    for word, (x, y) in place.items():
        if word:
            left, top = place[word[:-1]]
            ax.plot([left, x], [top, y], color=COLOURS["reference"], lw=1.5, zorder=0)
            answer = "yes 1" if word[-1] == "1" else "no 0"
            side = "right" if x < left else "left"
            ax.text(
                (left + x) / 2 + (-0.06 if x < left else 0.06), (top + y) / 2, answer, ha=side, fontsize=10
            )
    box = {"boxstyle": "round,pad=0.35", "edgecolor": COLOURS["ink"]}
    for stem, question in questions.items():
        ax.text(*place[stem], question, ha="center", va="center", bbox=box | {"facecolor": "white"})
    for name in leaves:
        x, y = place[words[name]]
        ax.text(x, y, name, ha="center", va="center", color="white", bbox=box | {"facecolor": BLUE})
        ax.text(x, y - 0.34, f"{counts[name]} of {sum(counts.values())}", ha="center", va="top", fontsize=10)
    ax.set(xlim=(-0.6, len(leaves) - 0.4), ylim=(-depth - 0.75, 0.35))
    ax.axis("off")
    return fig


def code_line(words: Mapping[str, str]) -> Figure:
    """Each word as its piece of the line from 0 to 1: a word of length l owns a piece of length ``2 ** -l``.

    Raises:
        ValueError: if a word begins another, or has other letters than 0 and 1.

    >>> len(code_line({"sun": "1", "rain": "0"}).axes)
    1
    """
    fig, ax = new_figure(6.6, 1.5)
    for name, word in _words(words).items():
        start, width = int("0" + word, 2) / 2 ** len(word), 2.0 ** -len(word)
        ax.add_patch(Rectangle((start, 0), width, 1, facecolor=PALE, edgecolor=BLUE, lw=1.5))
        ax.text(start + width / 2, 0.64, name, ha="center", va="center")
        ax.text(start + width / 2, 0.3, word, ha="center", va="center", family="DejaVu Sans Mono")
    ticks = [0, 0.125, 0.25, 0.5, 1]
    ax.set_xticks(ticks, ["0", "1/8", "1/4", "1/2", "1"])
    ax.set(xlim=(-0.02, 1.02), ylim=(0, 1.05), yticks=[])
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    return fig


def _columns(ax: Axes, names: Sequence[str], p: Sequence[float], q: Sequence[float], top: float) -> None:
    """Columns of width p; blue up to the surprise under p, then what believing q adds or saves."""
    left = 0.0
    for name, share, belief in zip(names, p, q, strict=True):
        own = math.log2(1 / share)
        paid = min(math.log2(1 / belief), TALLEST) if belief else TALLEST
        ax.add_patch(Rectangle((left, 0), share, min(own, paid), facecolor=BLUE, edgecolor="white", lw=1))
        if paid > own:
            ax.add_patch(
                Rectangle(
                    (left, own),
                    share,
                    paid - own,
                    facecolor=COLOURS["third"],
                    hatch="//",
                    edgecolor="white",
                    lw=1,
                )
            )
        elif own > paid:
            ax.add_patch(
                Rectangle((left, paid), share, own - paid, facecolor="white", edgecolor=BLUE, ls="--", lw=1.5)
            )
        ax.text(left + share / 2, -0.05 * top, name, ha="center", va="top")
        label = f"{paid:.3g}" if belief else "∞"
        ax.text(left + share / 2, paid + 0.02 * top, label, ha="center", va="bottom")
        left += share


def surprise_areas(names: Sequence[str], p: ArrayLike, beliefs: Mapping[str, ArrayLike]) -> Figure:
    """Mean surprise as an area, one panel for each belief.

    A column is as wide as the outcome is frequent and as high as its surprise. Blue is what the truth itself costs;
    hatched amber is what the belief adds, a dashed outline what it saves.

    Args:
        names: of the outcomes.
        p: the truth, ``[outcomes]``, above 0.
        beliefs: title of the panel -> belief ``[outcomes]``.

    >>> len(surprise_areas(["sun", "rain"], [0.75, 0.25], {"even": [0.5, 0.5]}).axes)
    1
    """
    truth = probabilities(p, name="p")
    if truth.ndim != 1 or len(names) != len(truth) or (truth == 0).any():
        raise ValueError(f"p: expected {len(names)} probabilities above 0, got {truth.tolist()}")
    tables = {title: probabilities(q, name=title) for title, q in beliefs.items()}
    for title, q in tables.items():
        if q.shape != truth.shape:
            raise ValueError(f"{title}: expected shape {tuple(truth.shape)}, got {tuple(q.shape)}")
    shares = truth.tolist()
    highest = max(
        min(math.log2(1 / x), TALLEST) if x else TALLEST
        for q in [truth, *tables.values()]
        for x in q.tolist()
    )
    top = 1.15 * highest
    fig, axes = new_figure(4.1 * len(tables), 3.4, columns=len(tables), sharey=True, squeeze=False)
    for ax, (title, q) in zip(axes[0], tables.items(), strict=True):
        _columns(ax, names, shares, q.tolist(), top)
        ax.set(title=title, xlim=(-0.01, 1.01), ylim=(0, top))
        ax.set_xticks([])
        ax.spines["bottom"].set_visible(False)
    axes[0, 0].set_ylabel("surprise, bits")
    return fig


def log_loss_curves(predictives: Mapping[str, float]) -> Figure:
    """Mean log loss against the stated chance, one curve for each context; its lowest point is marked.

    Args:
        predictives: name of the context -> true chance of the event in that context.

    >>> len(log_loss_curves({"after rain": 0.7}).axes)
    1
    """
    for name, chance in predictives.items():
        if not 0 < chance < 1:
            raise ValueError(f"{name}: expected a chance between 0 and 1, got {chance}")
    fig, ax = new_figure(6.4, 3.6)
    stated = torch.linspace(0.02, 0.98, 193, dtype=torch.float64)  # [193]
    colours = (BLUE, COLOURS["model"], COLOURS["good"])
    plate = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    for (name, chance), colour, style in zip(predictives.items(), colours, ("-", "--", "-."), strict=False):
        loss = -(chance * stated.log2() + (1 - chance) * (1 - stated).log2())  # [193]
        least = -(chance * math.log2(chance) + (1 - chance) * math.log2(1 - chance))
        ax.plot(stated, loss, color=colour, ls=style, label=name)
        ax.plot([chance], [least], "o", color=colour, ms=8, zorder=4)
        ax.annotate(
            f"{chance:.3f}",
            (chance, least),
            xytext=(0, -19),
            textcoords="offset points",
            ha="center",
            bbox=plate,
        )
    ax.set(xlabel="stated chance of red", ylabel="mean surprise, bits", xlim=(0, 1), ylim=(0.25, 3))
    ax.legend(loc="upper center")
    return fig


def floor_and_kl(
    curves: Mapping[str, Sequence[tuple[int, float]]],
    floors: Mapping[str, float],
    sampled: Sequence[tuple[int, float]] = (),
) -> Figure:
    """Exact loss against the training step, and the floors it may settle on; what lies far above them is cut off.

    Args:
        curves: name of a network -> pairs of step and exact loss in bits.
        floors: name of a floor -> bits; drawn as level lines.
        sampled: step and mean loss on the sampled batches, drawn as dots.

    >>> len(floor_and_kl({"attention": [(10, 2.0), (100, 1.1)]}, {"exact": 1.0}).axes)
    1
    """
    fig, ax = new_figure(7.0, 3.6)
    every = [step for points in curves.values() for step, _ in points]
    start, last = min(every), max(every)
    ticks = [step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if start <= step <= last]
    for name, bits in floors.items():
        ax.axhline(bits, color=COLOURS["ink"], lw=1.2, ls="--")
        ax.text(last * 1.03, bits, f"{name}\n{bits:.3f}", va="center", fontsize=10)
    colours = (COLOURS["model"], COLOURS["second"])
    for (name, points), colour in zip(curves.items(), colours, strict=False):
        ax.plot(*zip(*points, strict=True), color=colour, label=name)
    if sampled:
        steps, losses = zip(*sampled, strict=True)
        ax.plot(steps, losses, "o", ms=3.5, color=COLOURS["reference"], label="loss on the sampled games")
    first, *others = (points for points in curves.values())
    if not others:
        ax.fill_between(
            *zip(*first, strict=True), min(floors.values()), color=COLOURS["third"], alpha=0.35, lw=0
        )
    ax.set(xlabel="training step, logarithmic", ylabel="loss, bits a draw", xscale="log", xlim=(start, last))
    ax.set_ylim(min(floors.values()) - 0.04, max(floors.values()) + 0.25)
    ax.set_xticks(ticks, [str(step) for step in ticks])
    ax.minorticks_off()
    ax.legend(loc="upper right")
    return fig
