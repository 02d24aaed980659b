"""The scorecard on tiny checkpoints: groups, numbers, rules, page; and the one in the book beside what ships."""

import copy
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch

from tutorlib import checkpoints, cli
from tutorlib.evaluation import evaluate, interval_over_seeds, ladder, permutation_gap
from tutorlib.models import build
from tutorlib.scorecard import CLAIMS, SEED, grouped, judge, measure_all, page, write
from tutorlib.scorecard.groups import Group
from tutorlib.scorecard.judge import HOLDS, IN_PART, NOT, UNTESTED, Need, Rule, gather
from tutorlib.scorecard.rows import number
from tutorlib.scorecard.text import ends, percent, short, spread
from tutorlib.tunnels import HMM, Bijection, Coin, Recall
from tutorlib.verdicts import CardRow, card_table

SEQUENCES = 40


def save(folder, name, tunnel, seed=0, card=None, model="transformer", **config):
    if tunnel.header_shape is not None:
        config["header"] = tunnel.header_shape
    weights = torch.Generator().manual_seed(seed + 1)
    net = build(
        model, **{"vocab": tunnel.vocab, "context": tunnel.length, "width": 8, "generator": weights, **config}
    )
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=weights))
    facts = {"plan": {"seed": seed, "steps": 5, "targets": "sampled"}, "core_seconds": 7 + seed}
    checkpoints.save(folder / name, net, tunnel, facts | (card or {}))
    return folder / name


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    hmm = HMM(3, 3, 4, law="printed")
    return [
        save(folder, "pairs", Bijection(4), positions="learned"),
        save(folder, "filter-seed1", hmm, seed=1, positions="distance", context=10),
        save(folder, "filter-seed0", hmm, seed=0, positions="distance", context=10),
        save(folder, "toss", Coin(6)),
        save(folder, "look", Recall(3, 2, 5, 5)),
        save(folder, "wrong", Coin(5, sampled_from=(5, 2))),
    ]


@pytest.fixture(scope="module")
def card(names):
    return measure_all(names, sequences=SEQUENCES)


def row_of(card, name):
    return next(row for row in card["rows"] if row["name"] == name)


# ---------------------------------------------------------------- groups


def test_runs_that_differ_in_the_seed_make_one_row(names):
    groups = grouped(names)
    assert [group.name for group in groups] == ["filter", "look", "pairs", "toss", "wrong"]
    assert groups[0].names == ("filter-seed0", "filter-seed1") and len(groups[2].names) == 1
    assert groups[0].tunnel.name == "hmm" and isinstance(groups[0], Group)


def test_groups_that_make_no_sense_are_named(tmp_path, names):
    with pytest.raises(ValueError, match="expected at least one checkpoint, got none"):
        grouped([])
    with pytest.raises(ValueError, match="expected each name once, got pairs, pairs"):
        grouped([names[0], names[0]])
    save(tmp_path, "x-seed0", Bijection(4))
    save(tmp_path, "x-seed1", Bijection(4), width=4)
    with pytest.raises(ValueError, match="set x: expected one model under all seeds"):
        grouped([tmp_path / "x-seed0", tmp_path / "x-seed1"])
    save(tmp_path, "x-seed1", Bijection(5), context=9)
    with pytest.raises(ValueError, match="set x: expected one"):
        grouped([tmp_path / "x-seed0", tmp_path / "x-seed1"])
    save(tmp_path, "x", Bijection(4))
    with pytest.raises(ValueError, match="expected each name once, got x, x-seed0"):
        grouped([tmp_path / "x-seed0", tmp_path / "x"])
    with pytest.raises(checkpoints.CheckpointError, match=r"no file no-such\.json"):
        grouped([tmp_path / "no-such"])


@pytest.mark.parametrize("facts", [{"plan": {"seed": SEED}}, {"measured": {"seed": SEED}}])
def test_a_network_that_has_met_the_sequences_is_refused(tmp_path, facts):
    with pytest.raises(ValueError, match="checkpoint seen: it has seen the scorecard's seed"):
        grouped([save(tmp_path, "seen", Bijection(4), card=facts)])


# ---------------------------------------------------------------- numbers


def test_numbers_are_those_of_the_evaluation(card, names, seeded):
    row = row_of(card, "pairs")
    point = checkpoints.load(names[0])
    found = evaluate(point.model, point.tunnel, sequences=SEQUENCES, generator=seeded(SEED))
    for measure, spread_ in row["measures"].items():
        interval = interval_over_seeds([found], measure, seeded(SEED))
        expected = {key: number(getattr(interval, key)) for key in ("mean", "low", "high")}
        assert spread_ == expected, measure
    assert row["averaged_first"] == number(found.entropy_mae_averaged_first())
    assert row["checkpoints"] == [
        {"name": "pairs", "sha256": point.card["sha256"], "seed": 0, "core_seconds": 7}
    ]
    assert (row["window_of"], row["parameters"], row["core_seconds"]) == (3, point.card["parameters"], 7)
    assert 0 <= row["window"] <= 3 and row["lengths"] == [] and row["laws"] == []
    gap = permutation_gap(point.model, point.tunnel, sequences=SEQUENCES, generator=seeded(SEED))
    assert row["gaps"].keys() == {"permutation_kl", "permutation_tv"}
    assert row["gaps"]["permutation_kl"]["mean"] == number(gap.mean("permutation_kl")) > 0
    rungs = ladder(point.tunnel, sequences=SEQUENCES, generator=seeded(SEED))
    on_card = next(x for x in card["ladders"] if x["tunnel"] == row["tunnel"])
    assert list(on_card["rungs"]) == list(rungs) and (on_card["steps"], on_card["most"]) == ("pairs", 3)
    assert on_card["rungs"]["position look-up"]["kl"] == "inf"
    assert on_card["rungs"]["last 1 pairs"]["kl"] == number(rungs["last 1 pairs"].mean("kl"))


def test_a_set_has_each_run_on_sequences_of_its_own(card, names, seeded):
    row = row_of(card, "filter")
    points = [checkpoints.load(name) for name in (names[2], names[1])]
    found = [
        evaluate(p.model, p.tunnel, sequences=SEQUENCES, generator=seeded(SEED + i))
        for i, p in enumerate(points)
    ]
    kl = row["measures"]["kl"]
    assert kl["runs"] == [number(one.mean("kl")) for one in found]
    assert kl["mean"] == number(sum(one.mean("kl") for one in found) / 2)
    assert kl["low"] <= min(kl["runs"]) * 1.001 and kl["high"] >= max(kl["runs"]) * 0.999
    assert [point["seed"] for point in row["checkpoints"]] == [0, 1] and row["core_seconds"] == 15


def test_longer_sequences_where_the_context_allows_them(card, names, seeded):
    row = row_of(card, "filter")
    assert [found["steps"] for found in row["lengths"]] == [6, 10]
    longest = row["lengths"][1]
    tunnel = HMM(3, 3, 10, law="printed")
    errors = [
        evaluate(
            checkpoints.load(n).model, tunnel, sequences=SEQUENCES, generator=seeded(SEED + i)
        ).per_position("entropy_error")
        for i, n in enumerate((names[2], names[1]))
    ]
    mean = sum(errors) / 2
    assert longest["within"] == pytest.approx(float(mean[:4].mean()), rel=1e-3)
    assert longest["beyond"] == pytest.approx(float(mean[4:].mean()), rel=1e-3)
    assert longest["entropy_error"]["mean"] == pytest.approx(float(mean.mean()), rel=1e-3)
    assert longest["window_of"] == 10
    assert all(row_of(card, name)["lengths"] == [] for name in ("toss", "look", "pairs"))


def test_other_laws_and_gaps_where_the_tunnel_has_them(card):
    assert [found["changes"] for found in row_of(card, "filter")["laws"]] == [
        {"law": "coded"},
        {"law": "sticky"},
    ]
    coins = row_of(card, "toss")["laws"]
    assert [found["changes"]["sampled_from"] for found in coins] == [[5.0, 2.0], [0.5, 0.5]]
    assert all(found["prior_cost"]["mean"] > 0.001 for found in coins)
    own, *others = row_of(card, "wrong")["laws"]
    assert own["changes"] == {} and own["prior_cost"]["mean"] > 0.001
    assert own["kl"] == row_of(card, "wrong")["measures"]["kl"], "the same sequences, the same exact answer"
    assert {"sampled_from": None} in [found["changes"] for found in others]
    assert "the law of training" in page(card) and "sampled from the prior" in page(card)
    gaps = row_of(card, "toss")["gaps"]
    assert gaps.keys() == {"permutation_kl", "permutation_tv", "martingale_kl", "martingale_tv"}
    assert all(found["mean"] > 0 for found in gaps.values())
    assert row_of(card, "filter")["gaps"] == {}


def test_ladders_are_of_the_tunnels_that_have_a_row(card):
    tunnels = [row["tunnel"] for row in card["rows"]]
    assert [ladder["tunnel"] for ladder in card["ladders"]] == tunnels
    assert "knows the bias" in next(x for x in card["ladders"] if x["tunnel"]["name"] == "coin")["rungs"]


def test_twice_the_same_and_the_text_survives_json(card, names, tmp_path):
    told = []
    again = measure_all(list(reversed(names)), sequences=SEQUENCES, say=told.append)
    assert again == card and page(again) == page(card)
    assert [line.split(":")[0] for line in told] == [row["name"] for row in card["rows"]]
    paths = write(card, tmp_path / "new")
    assert [path.name for path in paths] == ["scorecard.json", "scorecard.md"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["scorecard.json", "scorecard.md"]
    assert json.loads(paths[0].read_text("utf-8")) == card
    assert page(json.loads(paths[0].read_text("utf-8"))) == paths[1].read_text("utf-8")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.123456, 0.1235), (6.0241e-5, 6.024e-05), (9e-7, 0.0), (math.inf, "inf"), (0, 0.0)],
)
def test_numbers_keep_four_digits(value, expected):
    assert number(value) == expected


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0123456, "0.0123"),
        (0.05, "0.0500"),
        (6.0241e-5, "6.02·10⁻⁵"),
        (9.999e-4, "1.00·10⁻³"),
        (18.92, "18.9"),
        (123.4, "123"),
        (0, "0"),
        ("inf", "infinite"),
    ],
)
def test_numbers_in_words(value, words):
    assert short(value) == words


def test_intervals_in_words():
    found = {"mean": 6.02e-5, "low": 5.9e-5, "high": 6.13e-5}
    assert ends(found) == "[5.90, 6.13]·10⁻⁵"
    assert spread({"mean": 0.5, "low": 0.4, "high": 0.6, "runs": [0.61, 0.4]}) == (
        "0.500 [0.400, 0.600], 2 seeds from 0.400 to 0.610"
    )
    assert ends({"mean": "inf", "low": 1, "high": "inf"}) == "[1.00, infinite]"
    assert percent(0.975) == "97.5 %"


class Tags(HTMLParser):
    """Opened and closed tags in balance, and the ids."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.cells = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.ids += [value for key, value in attributes if key == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_says_everything(card):
    text = page(card)
    tags = Tags(text)
    assert not [tag for tag in tags.open if tag != "br"]
    assert len(tags.ids) == len(set(tags.ids))
    assert set(tags.ids) == {f"claim-{claim.key}" for claim in CLAIMS} | {
        f"network-{row['name']}" for row in card["rows"]
    }
    for block in re.findall(r"<div.*?</div>", text, re.DOTALL):
        assert "\n\n" not in block, "Markdown ends an HTML block at an empty line"
    labels = re.findall(r'aria-label="([^"]*)"', text)
    assert len(labels) == len(set(labels)) and text.count("<style>") == 1
    assert f"{SEQUENCES} freshly drawn sequences" in text and "(scorecard.json)" in text
    for words in (
        "### Bijection, symbols 4",
        "### HMM, states 3",
        "filter (2 seeds)",
        "in all",
        "Longer",
        "infinite",
    ):
        assert words in text
    assert "probability 0.50, not 0.95" in text, "two seeds"
    assert "4 of the 5 rows are one training run." in text
    for kind in ("Permutation gap", "Martingale gap", "Price of the prior", "right answers"):
        assert kind in text
    for claim in card["claims"]:
        assert claim["rule"].split(";")[0].replace("'", "&#x27;") in text
    assert str(math.inf) not in re.sub(r"infinite", "", text)


def test_no_text_about_sets_without_sets(names):
    text = page(measure_all(names[:1], sequences=4))
    assert "Each of the 1 rows is one training run." in text and "draw seeds" not in text


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="rows: expected at least one, got none"):
        card_table(("a",), [], label="x")
    with pytest.raises(ValueError, match="cells: expected 2, one a column, got 1"):
        card_table(("a", "b"), [CardRow(["1"])], label="x")


# ---------------------------------------------------------------- rules


BIJECTION = {"name": "bijection", "symbols": 20}
HMM_CODED = {"name": "hmm", "law": "coded", "states": 5, "symbols": 5, "target": "belief"}
HONEST = {"name": "bijection", "symbols": 20, "note": "a ladder without a fraud on it"}
RECALL = {"name": "recall", "pairs": 16}
LADDERS = [
    {"tunnel": HONEST, "rungs": {"uniform": {"entropy_error": 1.27, "impossible": 0.47, "kl": 1.27}}},
    {
        "tunnel": BIJECTION,
        "rungs": {
            "position look-up": {"entropy_error": 0.0, "impossible": 0.47, "kl": "inf"},
            "uniform": {"entropy_error": 1.27, "impossible": 0.47, "kl": 1.27},
        },
    },
    {
        "tunnel": HMM_CODED,
        "rungs": {
            "uniform": {"entropy_error": 0.43, "kl": 0.43},
            "last 1 observations": {"entropy_error": 0.08, "kl": 0.03},
        },
    },
    {"tunnel": RECALL, "rungs": {"uniform": {}, "a value shown": {"accuracy": 0.0625}}},
]


def measured(model, tunnel, mae=0.5, half=0.0, seeds=1, window=1.0, accuracy=0.5, lengths=(), runs=()):
    """A row with these numbers; the intervals have the half-width ``half``. ``runs`` are the accuracies of single runs."""

    def ends_of(mean, of_runs=()):
        single = list(of_runs) or [mean] * seeds
        return {"mean": mean, "low": mean - half, "high": mean + half} | (
            {"runs": single} if seeds > 1 else {}
        )

    return {
        "name": f"{tunnel['name']}-{model}-{mae}",
        "checkpoints": [{}] * seeds,
        "model": {"name": model},
        "tunnel": tunnel,
        "parameters": 1000,
        "core_seconds": 100 * seeds,
        "training_steps": 2000,
        "window": window,
        "measures": {"entropy_error": ends_of(mae), "kl": ends_of(mae), "accuracy": ends_of(accuracy, runs)},
        "lengths": list(lengths),
    }


def at_50(mae, within, beyond):
    spread_ = {"mean": mae, "low": mae, "high": mae}
    return {"steps": 50, "entropy_error": spread_, "within": within, "beyond": beyond}


def transformer(**facts):
    return measured("transformer", **facts)


CASES = {
    "bijection-precision": [
        (HOLDS, [transformer(tunnel=BIJECTION, mae=0.0009), transformer(tunnel=BIJECTION, mae=0.0003)]),
        (IN_PART, [transformer(tunnel=BIJECTION, mae=0.0009), transformer(tunnel=BIJECTION, mae=0.003)]),
        (NOT, [transformer(tunnel=BIJECTION, mae=0.0009, half=0.0002)]),
    ],
    "entropy-mae": [(NOT, [transformer(tunnel=BIJECTION)]), (HOLDS, [transformer(tunnel=HONEST)])],
    "bijection-mlp": [
        (HOLDS, [transformer(tunnel=BIJECTION, mae=0.001), measured("mlp-sum", BIJECTION, 0.2)]),
        (IN_PART, [transformer(tunnel=BIJECTION, mae=0.003), measured("mlp-sum", BIJECTION, 0.2)]),
        (
            NOT,
            [
                transformer(tunnel=BIJECTION, mae=0.00003),
                measured("mlp-sum", BIJECTION, 0.006),
                measured("mlp-token", BIJECTION, 1.27),
            ],
        ),
    ],
    "bijection-lstm": [
        (HOLDS, [measured("lstm", BIJECTION, 0.008), measured("lstm", BIJECTION, 0.5)]),
        (IN_PART, [measured("lstm", BIJECTION, 0.008, half=0.002)]),
        (NOT, [measured("lstm", BIJECTION, 0.2)]),
    ],
    "bijection-mamba": [
        (HOLDS, [measured("mamba", BIJECTION, 0.0095)]),
        (IN_PART, [measured("mamba", BIJECTION, 0.05)]),
        (NOT, [measured("mamba", BIJECTION, 1)]),
    ],
    "hmm-precision": [
        (HOLDS, [transformer(tunnel=HMM_CODED, mae=0.0005)]),
        (IN_PART, [transformer(tunnel=HMM_CODED, mae=0.003), transformer(tunnel=HMM_CODED, mae=0.3)]),
        (NOT, [transformer(tunnel=HMM_CODED, mae=0.05)]),
    ],
    "hmm-length": [
        (HOLDS, [transformer(tunnel=HMM_CODED, lengths=[at_50(0.005, 0.005, 0.0055)])]),
        (IN_PART, [transformer(tunnel=HMM_CODED, lengths=[at_50(0.028, 0.005, 0.044)])]),
        (IN_PART, [transformer(tunnel=HMM_CODED, lengths=[at_50(0.04, 0.04, 0.041)])]),
        (NOT, [transformer(tunnel=HMM_CODED, lengths=[at_50(0.04, 0.005, 0.07)])]),
        (UNTESTED, [transformer(tunnel=HMM_CODED, mae=0.005)]),
    ],
    "hmm-mamba": [
        (
            HOLDS,
            [
                measured("mamba", HMM_CODED, 0.02, 0.004, 3),
                transformer(tunnel=HMM_CODED, mae=0.03, half=0.004, seeds=3),
            ],
        ),
        (
            IN_PART,
            [
                measured("mamba", HMM_CODED, 0.02, 0.006, 3),
                transformer(tunnel=HMM_CODED, mae=0.03, half=0.006, seeds=3),
            ],
        ),
        (
            NOT,
            [
                measured("mamba", HMM_CODED, 0.04, 0.004, 3),
                transformer(tunnel=HMM_CODED, mae=0.03, half=0.004, seeds=3),
            ],
        ),
        (UNTESTED, [measured("mamba", HMM_CODED, 0.04, 0.004, 3), transformer(tunnel=HMM_CODED, mae=0.03)]),
    ],
    "hmm-lstm": [
        (HOLDS, [measured("lstm", HMM_CODED, 0.4)]),
        (HOLDS, [measured("lstm", HMM_CODED, 0.05), measured("lstm", HMM_CODED, 0.04, half=0.005)]),
        (IN_PART, [measured("lstm", HMM_CODED, 0.032, half=0.005)]),
        (NOT, [measured("lstm", HMM_CODED, 0.01)]),
    ],
    "hmm-mlp": [
        (HOLDS, [measured("mlp-sum", HMM_CODED, 0.4), measured("mlp-token", HMM_CODED, 0.031)]),
        (
            IN_PART,
            [measured("mlp-sum", HMM_CODED, 0.4), measured("mlp-prefix", HMM_CODED, 0.029, half=0.002)],
        ),
        (NOT, [measured("mlp-sum", HMM_CODED, 0.4), measured("mlp-prefix", HMM_CODED, 0.02)]),
    ],
    "recall-transformer": [
        (HOLDS, [transformer(tunnel=RECALL, accuracy=0.9995)]),
        (IN_PART, [transformer(tunnel=RECALL, accuracy=0.9995, half=0.001)]),
        (NOT, [transformer(tunnel=RECALL, accuracy=0.8)]),
    ],
    "recall-mamba": [
        (HOLDS, [measured("mamba", RECALL, accuracy=0.98)]),
        (IN_PART, [measured("mamba", RECALL, accuracy=0.6)]),
        (IN_PART, [measured("mamba", RECALL, accuracy=0.38, half=0.3, seeds=3, runs=(0.07, 0.07, 1.0))]),
        (NOT, [measured("mamba", RECALL, accuracy=0.38, half=0.3, seeds=3, runs=(0.3, 0.4, 0.44))]),
    ],
    "recall-lstm": [
        (HOLDS, [measured("lstm", RECALL, accuracy=0.07)]),
        (IN_PART, [measured("lstm", RECALL, accuracy=0.2)]),
        (NOT, [measured("lstm", RECALL, accuracy=0.97)]),
    ],
}


@pytest.mark.parametrize(
    ("key", "verdict", "rows"),
    [(key, verdict, rows) for key, cases in CASES.items() for verdict, rows in cases],
)
def test_every_verdict_of_a_rule_comes_from_numbers(key, verdict, rows):
    claim = next(claim for claim in CLAIMS if claim.key == key)
    found = judge(claim, {"rows": rows, "ladders": LADDERS})
    assert found["verdict"] == verdict
    assert "{" not in found["reason"] + found["here"] and found["reason"]


@pytest.mark.parametrize(
    "claim", [claim for claim in CLAIMS if claim.key in CASES], ids=lambda claim: claim.key
)
def test_every_verdict_of_every_rule_is_tried(claim):
    assert {verdict for verdict, _ in CASES[claim.key]} >= set(claim.rule.verdicts)


def test_every_claim_is_tried():
    assert {claim.key for claim in CLAIMS} == {*CASES, "primitives"}
    assert all(claim.version.startswith("arXiv 2512.22471 v") for claim in CLAIMS)


def primitives(**changed):
    """Rows of all kinds that do what the paper says, but for the changes."""
    good = {"bijection": {"mae": 0.005}, "hmm": {"mae": 0.01}, "recall": {"accuracy": 1.0}}
    bad = {"bijection": {"mae": 1.2}, "hmm": {"mae": 0.4}, "recall": {"accuracy": 0.06}}
    does = {
        "transformer": ("bijection", "hmm", "recall"),
        "mamba": ("bijection", "hmm"),
        "lstm": ("bijection",),
        "mlp-sum": (),
    } | changed
    tunnels = {"bijection": BIJECTION, "hmm": HMM_CODED, "recall": RECALL}
    return [
        measured(kind, tunnel, seeds=2, **(good if name in solves else bad)[name])
        for kind, solves in does.items()
        for name, tunnel in tunnels.items()
    ]


def test_primitives_are_counted():
    claim = next(claim for claim in CLAIMS if claim.key == "primitives")

    def verdict(**changed):
        return judge(claim, {"rows": primitives(**changed), "ladders": LADDERS})

    assert verdict()["verdict"] == HOLDS
    for lstm in (("bijection", "hmm"), ("hmm",)):  # one too many; as many, but another one
        found = verdict(lstm=lstm)
        assert found["verdict"] == IN_PART and "3 of 4 agree; not so LSTM" in found["reason"]
        assert f"LSTM: {', '.join(lstm)}" in found["here"]
    others = {"transformer": (), "mamba": (), "lstm": (), "mlp-sum": ("bijection",)}
    assert verdict(**others)["verdict"] == NOT
    short_of = judge(claim, {"rows": primitives()[:-1], "ladders": LADDERS})
    assert short_of["verdict"] == UNTESTED and "MLP on Recall" in short_of["reason"]


def test_a_claim_is_tested_once_its_network_ships(card):
    claim = next(claim for claim in CLAIMS if claim.key == "recall-lstm")
    assert judge(claim, card)["verdict"] == UNTESTED
    grown = copy.deepcopy(card)
    row = copy.deepcopy(row_of(card, "look"))
    grown["rows"].append({**row, "name": "recall-lstm", "model": {"name": "lstm"}})
    assert judge(claim, grown)["verdict"] in (HOLDS, IN_PART, NOT)


def test_needs_of_one_tunnel_are_met_on_one_law():
    printed = {**HMM_CODED, "law": "printed"}
    claim = next(claim for claim in CLAIMS if claim.key == "hmm-mamba")
    apart = [measured("mamba", printed, seeds=3), measured("transformer", HMM_CODED, seeds=3)]
    assert gather(claim, apart)[1], "each on another law: nothing to compare"
    rows, missing = gather(claim, [*apart, measured("transformer", printed, 0.1, seeds=3)])
    assert not missing and rows["transformer"][0]["tunnel"] == printed == rows["Mamba"][0]["tunnel"]
    assert Need("hmm", "mamba", seeds=2, longer=True).fits(apart[0]) is False


def test_a_claim_has_a_reason_for_each_verdict():
    claim = CLAIMS[0]
    with pytest.raises(ValueError, match="reasons: expected one for each of"):
        replace(claim, reasons={HOLDS: "so"})
    with pytest.raises(ValueError, match="reasons: expected one for each of"):
        replace(claim, rule=Rule("always", claim.rule.decide, (HOLDS,)))


# ---------------------------------------------------------------- the one in the book


@pytest.fixture(scope="module")
def committed(root):
    return json.loads((root / "book" / "scorecard.json").read_text("utf-8"))


def test_the_books_page_agrees_with_its_json(root, committed):
    assert (root / "book" / "scorecard.md").read_text("utf-8") == page(committed), "run make scorecard"


def test_the_books_verdicts_follow_from_its_numbers(committed):
    assert committed["claims"] == [judge(claim, committed) for claim in CLAIMS], "run make scorecard"


def test_the_json_agrees_with_the_checkpoints_that_ship(committed):
    """Names, hashes, and errors near those that the cards report from other sequences."""
    found = {p["name"]: p["sha256"] for row in committed["rows"] for p in row["checkpoints"]}
    cards = {name: checkpoints.read_card(name) for name in checkpoints.available()}
    assert found == {name: card["sha256"] for name, card in cards.items()}, "run make scorecard"
    for row in committed["rows"]:
        said = [cards[point["name"]] for point in row["checkpoints"]]
        assert (row["model"], row["tunnel"]) == (said[0]["model"], said[0]["tunnel"])
        for measure in ("kl", "entropy_error"):
            mean = sum(card["measured"][measure] for card in said) / len(said)
            here = row["measures"][measure]
            width = max(
                here["high"] - here["low"], 1e-5
            )  # where errors are rare, the interval is what is known
            assert here["mean"] == pytest.approx(mean, rel=0.25, abs=width), row["name"]


def test_the_json_can_be_measured_again(committed):
    """One small network from the start, at the committed number of sequences."""
    again = measure_all(["bijection-v8"], sequences=committed["sequences"])["rows"][0]
    then = row_of(committed, "bijection-v8")
    for measure in ("kl", "entropy_error", "total_variation"):
        for key in ("mean", "low", "high"):
            assert again["measures"][measure][key] == pytest.approx(then["measures"][measure][key], rel=2e-3)


def test_the_book_links_the_page(root):
    assert "- file: book/scorecard\n" in (root / "book" / "_toc.yml").read_text("utf-8")


# ---------------------------------------------------------------- the command


def test_the_command_writes_both_files(tmp_path, capsys, monkeypatch, names):
    monkeypatch.setattr(checkpoints, "available", lambda: names[:1])
    assert cli.main(["scorecard", "--sequences", "8", "--out", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert out == f"wrote {tmp_path / 'scorecard.json'}\nwrote {tmp_path / 'scorecard.md'}\n"
    assert re.search(r"pairs: \d+\.\d core-seconds\n", err) and re.search(r"core-seconds: \d+\n$", err)
    card = json.loads((tmp_path / "scorecard.json").read_text("utf-8"))
    assert card["sequences"] == 8 and "core-seconds: " not in (tmp_path / "scorecard.md").read_text("utf-8")
    for bad, words in ((["--sequences", "0"], "sequences: expected a positive integer, got 0"),):
        assert cli.main(["scorecard", "--out", str(tmp_path / "no"), *bad]) == 2
        assert words in capsys.readouterr().err and not (tmp_path / "no").exists()
    monkeypatch.setattr(checkpoints, "available", lambda: [])
    assert cli.main(["scorecard", "--out", str(tmp_path / "no")]) == 2
