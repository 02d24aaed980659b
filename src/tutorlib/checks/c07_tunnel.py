"""The check of exercise 07-f: a tunnel written by the reader, held against a list of all jukeboxes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from tutorlib.checks import Check, Verdict, right, wrong
from tutorlib.tunnels import Batch, Tunnel
from tutorlib.tunnels.draws import permutations, recent

__all__ = ["TUNNEL"]

SIZES = {"songs": 6, "records": 3, "plays": 5}
GAMES = 2000


def listed(heard: Sequence[int], songs: int, records: int, repeats: bool) -> list[float]:
    """Chances of the next song, from a list of all jukeboxes; ``heard`` is what the observer saw, in order."""
    total = [0.0] * songs
    for inside in itertools.combinations(range(songs), records):
        if not set(heard) <= set(inside):
            continue
        playable = [song for song in inside if repeats or not heard or song != heard[-1]]
        for song in playable:  # every jukebox that fits is equally likely
            total[song] += 1 / len(playable)
    return [share / sum(total) for share in total]


def _sampler(batch: Batch) -> Verdict | None:
    """What is wrong with the games drawn."""
    songs, records, plays = SIZES["songs"], SIZES["records"], SIZES["plays"]
    tokens, targets = batch.tokens, batch.targets
    if tuple(targets.shape) != (GAMES, plays) or tuple(tokens.shape) != (GAMES, plays):
        return wrong(
            f"sample({GAMES}, generator): expected tokens and targets of shape ({GAMES}, {plays}), got "
            f"{tuple(tokens.shape)} and {tuple(targets.shape)}."
        )
    if (
        int(targets.min()) < 0
        or int(targets.max()) >= songs
        or not torch.equal(tokens[:, 1:], targets[:, :-1])
    ):
        return wrong(
            "sample: expected songs 0 to 5 as targets, and tokens that show each song one place later."
        )
    if bool((tokens[:, 0] != songs).any()):
        return wrong(f"sample: expected the start token {songs} at position 0, as in Jukebox.")
    if bool((targets[:, 1:] == targets[:, :-1]).any()):
        return wrong("sample: some song is played twice running.")
    different = one_hot(targets, songs).amax(1).sum(-1)  # [games]
    if int(different.max()) > records:
        return wrong(
            f"sample: {int(different.max())} different songs in a game, from a jukebox with {records} records."
        )
    # With three records the song after next is the first one again in half of all cases.
    again = float((targets[:, 2:] == targets[:, :-2]).double().mean())
    if abs(again - 1 / (records - 1)) > 0.04:
        return wrong(
            f"sample: after A, B comes A in {100 * again:.0f} % of all cases. The next song is drawn evenly from the "
            f"{records - 1} records that were not just played, so it should be 50 %."
        )
    common = one_hot(targets, songs).double().mean((0, 1))  # [songs]
    if float((common - 1 / songs).abs().max()) > 0.03:
        return wrong(
            "sample: some songs are more common than others. Draw the records of each jukebox afresh."
        )
    return None


def _predictive(found: Tensor, batch: Batch, steps: int, name: str) -> Verdict | None:
    """What is wrong with an observer's predictive ``[games, plays, vocab]``."""
    songs, records, plays = SIZES["songs"], SIZES["records"], SIZES["plays"]
    if tuple(found.shape) != (len(batch), plays, songs + 1):
        return wrong(f"{name}: expected shape {(len(batch), plays, songs + 1)}, got {tuple(found.shape)}.")
    if bool(found.isnan().any()) or bool((found < 0).any()) or float((found.sum(-1) - 1).abs().max()) > 1e-6:
        return wrong(
            f"{name}: expected distributions, at least 0 and with the sum 1. If the sum is short, one song got nothing "
            "and the others still share as if it had."
        )
    for row, game in enumerate(batch.targets.tolist()):
        for place in range(plays):
            heard = game[max(0, place - steps) : place]
            expected = torch.tensor([*listed(heard, songs, records, repeats=False), 0.0], dtype=torch.float64)
            got = found[row, place]
            if torch.allclose(got, expected, atol=1e-6):
                continue
            case = f"{name}, after {heard or 'nothing'}"
            if heard and float(got[heard[-1]]) > 1e-9:
                return wrong(
                    f"{case}: the song just played gets {float(got[heard[-1]]):.3f}. It cannot come next."
                )
            known = sorted(set(heard[:-1]) - set(heard[-1:]))
            if known and abs(float(got[known[0]] - expected[known[0]])) > 1e-6:
                return wrong(
                    f"{case}: song {known[0]} gets {float(got[known[0]]):.3f}, and a list of all jukeboxes says "
                    f"{float(expected[known[0]]):.3f}. Among how many records is the next one drawn?"
                )
            return wrong(
                f"{case}: {[round(x, 3) for x in got.tolist()]}, and a list of all jukeboxes says "
                f"{[round(x, 3) for x in expected.tolist()]}. What do the songs not heard share?"
            )
    return None


def no_repeat_tunnel(answer: Any) -> Verdict:
    """Judge the reader's class ``NoRepeat``."""
    if not isinstance(answer, type) or not issubclass(answer, Tunnel):
        return wrong("expected your class of tunnels: pass NoRepeat itself, without brackets.")
    try:
        tunnel = answer(**SIZES)
        batch = tunnel.sample(GAMES, torch.Generator().manual_seed(707))
        fault = _sampler(batch)
        if fault is not None:
            return fault
        few = Batch(batch.tokens[:40].clone(), batch.targets[:40].clone())
        hidden = Batch(few.tokens, few.targets.clone())
        hidden.targets[:, -1] = (hidden.targets[:, -1] + 1) % SIZES["songs"]  # the last song is never shown
        for steps, name in (
            (tunnel.max_window, "exact(batch)"),
            (2, "window(batch, 2)"),
            (1, "window(batch, 1)"),
        ):
            found = tunnel.exact(few) if name.startswith("exact") else tunnel.window(few, steps)
            again = tunnel.exact(hidden) if name.startswith("exact") else tunnel.window(hidden, steps)
            if torch.is_tensor(found) and torch.is_tensor(again) and not torch.equal(found, again):
                return wrong(
                    f"{name}: changes with the last target, which nobody has heard yet. Read the tokens."
                )
            fault = _predictive(
                torch.as_tensor(found).detach().double(), few, min(steps, SIZES["plays"]), name
            )
            if fault is not None:
                return fault
    except Exception as error:  # the reader's code may raise anything
        return wrong(f"it stopped with {type(error).__name__}: {error}")
    return right("Right: games and answers agree with a list of all jukeboxes, for every memory tried.")


class Plain(Tunnel):
    """The jukebox of chapter 07, and by its switches the variant of the exercise and its typical slips."""

    name = "plain-jukebox"
    repeats, keeps_last, old_share, whole_past = True, True, False, False

    def __init__(self, songs: int = 24, records: int = 6, plays: int = 20) -> None:
        self.songs, self.records, self.plays = songs, records, plays
        self.vocab, self.length = songs + 1, plays
        self.scored, self.answers = torch.arange(plays), torch.arange(songs)
        self.max_window = plays - 1

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        """Draw jukeboxes and what they play."""
        inside = permutations(batch, self.songs, generator)[:, : self.records]  # [batch, records]
        step = torch.randint(0 if self.repeats else 1, self.records, (batch, self.plays), generator=generator)
        which = step if self.repeats else step.cumsum(1) % self.records  # [batch, plays]
        played = inside.gather(1, which)
        return Batch(pad(played[:, :-1], (1, 0), value=self.songs), played)

    def window(self, batch: Batch, steps: int) -> Tensor:
        """Predictive from the last ``steps`` songs, ``[batch, plays, vocab]``."""
        songs = one_hot(batch.tokens[:, 1:], self.songs).double()  # [batch, plays - 1, songs]

        def heard(steps: int) -> Tensor:
            return (recent(self.plays, steps, songs.device)[:, :-1] @ songs).clamp(max=1)

        known, last = heard(self.plays if self.whole_past else steps), heard(min(steps, 1))
        count = known.sum(-1, keepdim=True)
        weight = known + (1 - known) * (self.records - count) / (self.songs - count)
        if not self.keeps_last:
            weight = weight - last
        total = self.records if self.old_share else weight.sum(-1, keepdim=True)
        return pad(weight / total, (0, 1))

    def config(self) -> dict[str, object]:
        """The arguments that build this tunnel again."""
        return {"songs": self.songs, "records": self.records, "plays": self.plays}


def _kind(base: type[Plain] = Plain, **switches: Any) -> type[Plain]:
    return type("NoRepeat", (base,), switches)


NO_REPEAT = _kind(repeats=False, keeps_last=False)


class _Cycle(NO_REPEAT):  # type: ignore[misc, valid-type]
    """Plays its records in a fixed order."""

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        inside = permutations(batch, self.songs, generator)[:, : self.records]
        played = inside[:, torch.arange(self.plays) % self.records]
        return Batch(pad(played[:, :-1], (1, 0), value=self.songs), played)


class _Any(NO_REPEAT):  # type: ignore[misc, valid-type]
    """Draws from all songs, whatever is inside."""

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        step = torch.randint(1, self.songs, (batch, self.plays), generator=generator)
        played = step.cumsum(1) % self.songs
        return Batch(pad(played[:, :-1], (1, 0), value=self.songs), played)


class _Peeks(NO_REPEAT):  # type: ignore[misc, valid-type]
    """Reads the answer."""

    def window(self, batch: Batch, steps: int) -> Tensor:
        return one_hot(batch.targets, self.vocab).double()


class _Even(NO_REPEAT):  # type: ignore[misc, valid-type]
    """Takes all songs but the last as equally likely."""

    def window(self, batch: Batch, steps: int) -> Tensor:
        last = one_hot(batch.tokens, self.vocab)[..., : self.songs].double()  # [batch, plays, songs]
        return pad((1 - last) / (1 - last).sum(-1, keepdim=True), (0, 1))


def _give(value: Any) -> Callable[[], Any]:
    return lambda: value


# fmt: off
TUNNEL = Check("07-f", no_repeat_tunnel, _give(NO_REPEAT), (
    (_give(Plain), "twice running"),
    (_give(_kind(repeats=False)), "It cannot come next"),
    (_give(_kind(repeats=False, keeps_last=False, old_share=True)), "If the sum is short"),
    (_give(_kind(repeats=False, keeps_last=False, whole_past=True)), "window(batch, 2)"),
    (_give(_Cycle), "after A, B comes A in 0 %"),
    (_give(_Any), "different songs in a game"),
    (_give(_Peeks), "changes with the last target"),
    (_give(_Even), "a list of all jukeboxes"),
    (_give(NO_REPEAT()), "without brackets"),
    (_give("jukebox"), "expected your class"),
))
# fmt: on
