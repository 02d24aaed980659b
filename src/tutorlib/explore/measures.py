"""The explorer of chapter 07: two games of a small jukebox, an answer to set by sliders, and what each measure says of it.

The first state is drawn here with the numbers and marks that ``measures.js`` draws.
"""

from __future__ import annotations

import math
from typing import Any

from tutorlib.explore.base import Explorer, asset

__all__ = ["FoolTheMeasure"]

SONGS = "ABCDEF"
RECORDS = 3
GAMES = ("ABC", "AAA")  # what was heard before the question
EVEN = [50] * len(SONGS)
# An answer is a whole number from 0 to 100 for each song of each game; its shares are what is believed.
EXACT = [[100, 100, 100, 0, 0, 0], [100, 40, 40, 40, 40, 40]]
CLOCK = [10, 100, 10, 100, 10, 100]
PRESETS: dict[str, list[list[int]]] = {
    "Exact": EXACT,
    "Uniform": [EVEN, EVEN],
    "One song": [[100, 0, 0, 0, 0, 0]] * 2,
    "Clock": [CLOCK, CLOCK],
}
START = "Uniform"
MEASURES = ("entropy error", "KL", "TV", "impossible")
TASKS = (
    "Game 1: entropy error below 0.05 bit, impossible mass above 0.9.",
    "Mean TV below 0.1, and infinite KL.",
    "Averaged first: below 0.05 bit. Mean entropy error: above 0.5 bit.",
    "No impossible mass, entropy error below 0.05 bit in each game, mean KL above 0.1 bit.",
)
LEFT, BASE, STEP, TALL, BAR = 30, 150, 48, 130, 16  # the picture of one game, in its units
WIDE, HIGH = LEFT + STEP * len(SONGS) + 6, 176


def shares(weights: list[int]) -> list[float]:
    """What is believed: the weights' shares, and equal ones if all are 0."""
    total = sum(weights)
    return [weight / total if total else 1 / len(weights) for weight in weights]


def exact(heard: str) -> list[float]:
    """Posterior predictive of each song after the songs heard; see the theorem of chapter 07."""
    known = set(heard)
    left = (RECORDS - len(known)) / (len(SONGS) - len(known))
    return [(1.0 if song in known else left) / RECORDS for song in SONGS]


def entropy(p: list[float]) -> float:
    """Entropy in bits."""
    return sum(-x * math.log2(x) for x in p if x > 0)


def measures(p: list[float], q: list[float]) -> list[float]:
    """The numbers named in ``MEASURES`` of an answer q where p is exact; bits, bits, and two shares."""
    kl = sum(a * math.log2(a / b) if b > 0 else math.inf for a, b in zip(p, q, strict=True) if a > 0)
    apart = sum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2
    impossible = sum(b for a, b in zip(p, q, strict=True) if a == 0)
    return [abs(entropy(q) - entropy(p)), abs(kl), apart, impossible]


def averaged_first(answers: list[list[int]]) -> float:
    """Difference of the mean entropies over games, in bits, without its sign."""
    gaps = [entropy(shares(w)) - entropy(exact(heard)) for w, heard in zip(answers, GAMES, strict=True)]
    return abs(sum(gaps) / len(gaps))


def solved(answers: list[list[int]]) -> list[bool]:
    """Which of ``TASKS`` these answers solve."""
    one, two = (measures(exact(heard), shares(w)) for heard, w in zip(GAMES, answers, strict=True))
    mean = [(a + b) / 2 for a, b in zip(one, two, strict=True)]
    near = max(one[0], two[0]) < 0.05
    return [
        one[0] < 0.05 and one[3] > 0.9,
        mean[2] < 0.1 and mean[1] == math.inf,
        averaged_first(answers) < 0.05 and mean[0] > 0.5,
        mean[3] == 0 and near and mean[1] > 0.1,
    ]


def _number(x: float) -> str:
    return "∞" if math.isinf(x) else f"{x:.3f}"


def _bar(kind: str, x: float, share: float) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{BASE - TALL * share:.1f}" width="{BAR}" '
        f'height="{TALL * share:.1f}"></rect>'
    )


def _bars(p: list[float], q: list[float]) -> str:
    """What ``bars`` in measures.js draws: for each song the exact answer and, beside it, the reader's."""
    parts = []
    for i, (a, b) in enumerate(zip(p, q, strict=True)):
        middle = LEFT + STEP * (i + 0.5)
        parts.append(_bar("exact", middle - BAR - 1, a) + _bar("answer", middle + 1, b))
        parts.append(f'<text x="{middle:.1f}" y="{BASE + 17}" text-anchor="middle">{SONGS[i]}</text>')
    return "".join(parts)


def _axis() -> str:
    return "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDE - 6}" y1="{BASE - TALL * x:.1f}" y2="{BASE - TALL * x:.1f}"></line>'
        f'<text x="{LEFT - 5}" y="{BASE - TALL * x + 4.5:.1f}" text-anchor="end">{x:g}</text>'
        for x in (0, 0.5, 1)
    )


def _picture(game: int, answers: list[list[int]]) -> str:
    heard = ", ".join(GAMES[game])
    return (
        f'<figure><figcaption>Game {game + 1}: heard {heard}</figcaption><svg viewBox="0 0 {WIDE} {HIGH}" role="img" '
        f'aria-label="Exact answer and yours in game {game + 1}; the table has the measures."><g class="axis">{_axis()}</g>'
        f'<g class="bars">{_bars(exact(GAMES[game]), shares(answers[game]))}</g></svg></figure>'
    )


def _rows(answers: list[list[int]]) -> str:
    """The body of the table: a row for each measure, a column for each game, and the mean."""
    columns = [measures(exact(heard), shares(w)) for heard, w in zip(GAMES, answers, strict=True)]
    rows = []
    for i, name in enumerate(MEASURES):
        values = [column[i] for column in columns]
        cells = "".join(f"<td>{_number(x)}</td>" for x in [*values, sum(values) / len(values)])
        rows.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    first = f"<td></td><td></td><td>{_number(averaged_first(answers))}</td>"
    rows.insert(1, f'<tr><th scope="row">averaged first</th>{first}</tr>')
    return "".join(rows)


def _tasks(answers: list[list[int]]) -> str:
    return "".join(
        f'<li><span class="sign" aria-hidden="true">{"✓" if done else "○"}</span><span>{task} '
        f"<b>{'Done.' if done else 'Open.'}</b></span></li>"
        for task, done in zip(TASKS, solved(answers), strict=True)
    )


def _slider(song: int, weight: int, share: float) -> str:
    words = f"{100 * share:.1f} %"
    return (
        f'<label><span class="name">{SONGS[song]}</span><input type="range" data-song="{song}" min="0" max="100" '
        f'step="1" value="{weight}" aria-label="Weight of song {SONGS[song]}" aria-valuetext="{words}">'
        f'<span class="value numbers" aria-hidden="true">{words}</span></label>'
    )


def _body() -> str:
    answers = PRESETS[START]
    presets = "".join(f'<button type="button" data-preset="{name}">{name}</button>' for name in PRESETS)
    games = "".join(
        f'<button type="button" data-game="{game}" aria-pressed="{"true" if game == 0 else "false"}">Game {game + 1}'
        "</button>"
        for game in range(len(GAMES))
    )
    believed = shares(answers[0])
    parts = {
        "presets": presets,
        "games": games,
        "pictures": "".join(_picture(game, answers) for game in range(len(GAMES))),
        "sliders": "".join(_slider(i, answers[0][i], believed[i]) for i in range(len(SONGS))),
        "rows": _rows(answers),
        "tasks": _tasks(answers),
    }
    return f"<style>{asset('measures.css')}</style>\n" + asset("measures.html").format(**parts)


class FoolTheMeasure(Explorer):
    """Two questions with their exact answers, and an answer that the reader sets song by song.

    A table shows at once what each measure says of it, and four tasks ask for answers that one measure likes and another
    does not.

    >>> FoolTheMeasure().label
    'Fool the measure'
    """

    def __init__(self) -> None:
        data: dict[str, Any] = {
            "songs": SONGS,
            "exact": [exact(heard) for heard in GAMES],
            "presets": PRESETS,
            "start": START,
            "measures": MEASURES,
            "tasks": TASKS,
        }
        one, two = (measures(exact(heard), shares(EVEN)) for heard in GAMES)
        super().__init__(
            name="measures",
            label="Fool the measure",
            data=data,
            scripts=("measures.js",),
            body=_body(),
            text=(
                "Fool the measure (needs a page with JavaScript): two games of a jukebox with three of six records. "
                f"After A, B, C the uniform answer has entropy error {one[0]:.3f} and KL {one[1]:.3f} bits, and "
                f"{one[3]:.3f} of its mass is impossible; after A, A, A entropy error {two[0]:.3f} and KL {two[1]:.3f} "
                "bits. Sliders change the answer."
            ),
        )
