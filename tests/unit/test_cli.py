"""The command line, called as a function and once as a program."""

import subprocess
import sys

import pytest
import torch

import tutorlib
from tutorlib import checkpoints, cli, doctor
from tutorlib.evaluation import GAP_MEASURES, evaluate
from tutorlib.models import Transformer
from tutorlib.recipes import RECIPES
from tutorlib.report import arguments
from tutorlib.tunnels import HMM, Coin, Diversity

SMALL = [
    "--set",
    "plan.steps=20",
    "--set",
    "plan.batch=8",
    "--set",
    "tunnel.symbols=4",
    "--set",
    "model.width=8",
]


def refused(capsys, *arguments):
    """The one line on stderr of a call that must return 2."""
    assert cli.main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert err.startswith("tutorlib: ") and err.count("\n") == 1 and "Traceback" not in out + err
    return err


def test_train_goes_on_then_evaluate_by_path(tmp_path, capsys, monkeypatch):
    command = ["train", "bijection-v8", "--out", str(tmp_path), "--device", "cpu", *SMALL]
    assert cli.main(command) == 0
    first = (tmp_path / "bijection-v8.safetensors").read_bytes()
    assert "kl" in capsys.readouterr().out
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", None)  # a finished run takes no step again
    assert cli.main(command) == 0
    assert (tmp_path / "bijection-v8.safetensors").read_bytes() == first
    assert (tmp_path / "bijection-v8.state" / "log.jsonl").exists()

    card = checkpoints.read_card(tmp_path / "bijection-v8")
    assert card["command"] == "tutorlib train bijection-v8 " + " ".join(SMALL)
    assert card["plan"]["steps"] == 20 and card["tunnel"]["symbols"] == 4 and card["model"]["width"] == 8
    point = checkpoints.load(tmp_path / "bijection-v8")
    generator = torch.Generator().manual_seed(card["measured"]["seed"])
    again = evaluate(point.model, point.tunnel, sequences=card["measured"]["sequences"], generator=generator)
    assert again.mean("kl") == pytest.approx(card["measured"]["kl"], rel=1e-3)

    capsys.readouterr()
    assert cli.main(["evaluate", str(tmp_path / "bijection-v8"), "--sequences", "64"]) == 0
    out = capsys.readouterr().out
    for words in (
        "64 fresh sequences",
        "KL(exact || model)",
        "last 2 pairs",
        "position look-up",
        "uniform",
        "inf",
    ):
        assert words in out


@pytest.fixture(scope="module")
def filter_path(tmp_path_factory):
    """An untrained HMM filter that can read ten observations, of a tunnel with four."""
    tunnel = HMM(3, 3, 4)
    model = Transformer(6, 10, width=8, positions="distance", header=tunnel.header_shape)
    path = tmp_path_factory.mktemp("filter") / "filter"
    checkpoints.save(path, model, tunnel, {"measured": {}})
    return str(path)


def test_evaluate_on_longer_sequences_and_under_another_law(capsys, filter_path, seeded):
    few = ["--sequences", "32"]
    assert cli.main(["evaluate", filter_path, *few, "--length", "10", "--law", "law=sticky,stick=0.5"]) == 0
    out = capsys.readouterr().out
    assert "observations: 10; it was trained on 4" in out
    assert "sequences from law=sticky, stick=0.5" in out and "under the sampling law" in out
    assert "as good as an exact observer" not in out, "the ladder is that of the tunnel's own law"
    point = checkpoints.load(filter_path)
    tunnel = HMM(3, 3, 10)
    law = HMM(3, 3, 10, law="sticky", stick=0.5)
    generator = seeded(cli.EVALUATION_SEED)
    found = evaluate(point.model, tunnel, sequences=32, generator=generator, law=law)
    assert f"{found.mean('kl'):.5f} [" in out and f"{found.mean('law_entropy'):.5f} [" in out
    assert cli.main(["evaluate", filter_path, *few]) == 0
    plain = capsys.readouterr().out
    assert "(4 is all)" in plain and "under the sampling law" not in plain and "gap" not in plain


def test_evaluate_with_gaps(capsys, filter_path, tmp_path):
    assert cli.main(["evaluate", filter_path, "--sequences", "16", "--gaps"]) == 0
    out = capsys.readouterr().out
    assert "no permutation gap: hmm: the order of its evidence matters" in out
    assert "no martingale gap: hmm: successive positions ask different questions" in out
    checkpoints.save(tmp_path / "toss", Transformer(3, 5, width=8), Coin(5), {})
    assert cli.main(["evaluate", str(tmp_path / "toss"), "--sequences", "16", "--gaps"]) == 0
    out = capsys.readouterr().out
    for title in GAP_MEASURES.values():
        assert title in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--law", "sticky"], "--law: expected KEY=VALUE,KEY=VALUE,..., got 'sticky'"),
        (["--law", ""], "--law: expected KEY=VALUE"),
        (["--law", "law="], "--law: expected KEY=VALUE"),
        (["--law", "law=open('x')"], "--law: expected KEY=VALUE"),
        (["--law", "**{'law': 1}"], "--law: expected KEY=VALUE"),
        (["--law", "law=sticky) or g(a=1"], "--law: expected KEY=VALUE"),
        (["--law", "law=cheese"], "law: expected one of printed, coded, sticky, got 'cheese'"),
        (["--law", "size=3"], "tunnel hmm: "),
        (["--law", "states=4"], "law: expected the tunnel's vocab 6, got 7"),
        (["--law", "observations=5"], "law: expected the tunnel's length 4, got 5"),
        (["--length", "11"], "a context of at least 11, got 6 and 10"),
        (["--length", "0"], "observations: expected an integer of at least 1, got 0"),
    ],
)
def test_bad_evaluations_are_one_line(capsys, filter_path, arguments, words):
    assert words in refused(capsys, "evaluate", filter_path, "--sequences", "4", *arguments)


def test_a_length_that_does_not_fit_is_one_line(capsys, tmp_path):
    long = ["--sequences", "4", "--length", "9"]
    words = "pairs: expected an integer from 1 to 8 (keys come without replacement), got 9"
    assert words in refused(capsys, "evaluate", "bijection-v8", *long)
    few = Diversity("coin", {"tosses": 4}, tasks=2)
    checkpoints.save(tmp_path / "few", Transformer(3, 4, width=8), few, {})
    words = "tunnel diversity: no argument says how many steps a sequence has"
    assert words in refused(capsys, "evaluate", str(tmp_path / "few"), *long)


def test_laws_are_python_literals_or_bare_words():
    assert arguments("law=sticky,stick=0.95") == {"law": "sticky", "stick": 0.95}
    assert arguments("sampled_from=(5, 2), tosses=3") == {"sampled_from": (5, 2), "tosses": 3}
    assert arguments("sampled_from=None,replacement=True") == {"sampled_from": None, "replacement": True}


def test_a_changed_recipe_does_not_go_on_from_another_state(tmp_path, capsys):
    command = ["train", "bijection-v8", "--out", str(tmp_path), "--device", "cpu", *SMALL]
    assert cli.main(command) == 0
    capsys.readouterr()
    err = refused(capsys, *command, "--set", "plan.steps=21")
    assert "belongs to another run" in err


def test_a_sweep_goes_on_and_marks_the_best(tmp_path, capsys, monkeypatch):
    command = ["sweep", "bijection-v8", "--out", str(tmp_path), "--device", "cpu", *SMALL]
    command += ["--rate", "matrix_rate=0.01,0.03", "--rate", "embedding_rate=0.05", "--seeds", "0,1"]
    assert cli.main(command) == 0
    first = (tmp_path / "bijection-v8.sweep" / "sweep.jsonl").read_text()
    assert len(first.splitlines()) == 4
    out = capsys.readouterr().out
    assert all(line in out for line in first.splitlines()), "each run is printed when it is done"
    table = out[out.index("KL, bits") :]
    assert table.count("\n* ") == 1 and "(2 seeds)" in table and "matrix_rate: the best value" in table
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", None)  # finished runs take no step again
    assert cli.main(command) == 0
    assert (tmp_path / "bijection-v8.sweep" / "sweep.jsonl").read_text() == first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rate", "width=1"], "rates: expected matrix_rate or embedding_rate, got width"),
        (["--rate", "matrix_rate"], "--rate: expected numbers with commas between, got ''"),
        (["--rate", "matrix_rate=a,b"], "--rate: expected numbers with commas between, got 'a,b'"),
        (["--rate", "matrix_rate=-1"], "matrix_rate: expected at least 0, got -1.0"),
        (
            ["--rate", "matrix_rate=1,1"],
            "matrix_rate: expected values that differ, at least one, got [1.0, 1.0]",
        ),
        (
            ["--rate", "matrix_rate=1", "--rate", "matrix_rate=2"],
            "--rate: expected each name once, got matrix_rate",
        ),
        (
            ["--rate", "matrix_rate=1", "--seeds", "0.5"],
            "--seeds: expected numbers with commas between, got '0.5'",
        ),
    ],
)
def test_a_bad_sweep_is_one_line(tmp_path, capsys, arguments, words):
    where = ["--out", str(tmp_path / "runs"), "--device", "cpu"]
    assert words in refused(capsys, "sweep", "bijection-v8", *where, *arguments)
    assert not (tmp_path / "runs").exists()


BAD_CHANGES = [
    ("steps=20", "--set: expected tunnel.KEY=VALUE, model.KEY=VALUE or plan.KEY=VALUE, got 'steps=20'"),
    ("plan.steps", "got 'plan.steps'"),
    ("cake.steps=3", "got 'cake.steps=3'"),
    ("plan.stepz=20", "unexpected keyword argument 'stepz'"),
    ("plan.steps=0", "steps: expected a positive integer, got 0"),
    ("plan.steps=many", "steps: expected a positive integer, got 'many'"),
    ("plan.matrix_rate=fast", "matrix_rate: expected at least 0, got 'fast'"),
    ("plan.precision=float16", "precision: expected 'float32' or 'bfloat16', got 'float16'"),
    ("plan.compile=yes", "compile: expected True or False, got 'yes'"),
    ("plan.seed=zero", "seed: expected an integer, got 'zero'"),
    ("tunnel.symbols=1", "symbols: expected an integer of at least 2, got 1"),
    ("tunnel.size=4", "tunnel bijection: "),
    ("model.heads=3", "heads: expected a divisor of the width 32, got 3"),
    ("model.depth=3", "model transformer: "),
    ("model.context=3", "context: the tunnel needs 15 positions, the model has 3"),
]


@pytest.mark.parametrize(("change", "words"), BAD_CHANGES, ids=[change for change, _ in BAD_CHANGES])
def test_bad_changes_are_one_line(tmp_path, capsys, change, words):
    err = refused(
        capsys, "train", "bijection-v8", "--out", str(tmp_path / "runs"), "--device", "cpu", "--set", change
    )
    assert words in err
    assert not (tmp_path / "runs").exists(), "nothing half-written"


def test_other_bad_input_is_one_line(tmp_path, capsys):
    train = ["train", "bijection-v8", "--out", str(tmp_path)]
    assert "device: expected one that PyTorch can use here, got teapot" in refused(
        capsys, *train, "--device", "teapot"
    )
    assert "--threads: expected at least 1, got 0" in refused(capsys, *train, "--threads", "0")
    assert "no file no-such.json" in refused(capsys, "evaluate", "no-such")
    assert "expected positive numbers, got 0" in refused(
        capsys, "evaluate", "bijection-v8", "--sequences", "0"
    )
    (tmp_path / "bad.json").write_text("{")
    assert "the card is damaged" in refused(capsys, "evaluate", str(tmp_path / "bad"))


@pytest.mark.parametrize(
    "arguments", [[], ["teach"], ["train"], ["train", "no-such"], ["evaluate", "x", "--seed", "a"]]
)
def test_bad_usage_exits_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: tutorlib" in capsys.readouterr().err


def test_checkpoints_lists_those_that_ship(capsys):
    assert cli.main(["checkpoints"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == checkpoints.available()


def test_doctor_prints_versions_and_passes(capsys):
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    for words in (
        tutorlib.__version__,
        torch.__version__.split("+")[0],
        "numpy",
        "device",
        "0 failed",
        "learns a bijection",
    ):
        assert words in out
    for name in checkpoints.available():
        assert f"{name}: KL" in out


def test_doctor_says_what_is_wrong(capsys, monkeypatch):
    def damaged(name):
        raise checkpoints.CheckpointError(f"checkpoint {name}: the weights are damaged")

    monkeypatch.setattr(checkpoints, "load", damaged)
    monkeypatch.setattr(doctor, "train", lambda *a, **k: None)
    assert cli.main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "FAILED" in out and "bijection-v8: the weights are damaged" in out
    assert f"{len(checkpoints.available()) + 1} failed" in out
    assert doctor.version("no-such-package") == "missing"


def test_without_git_the_revision_is_unknown(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert cli._revision() == "unknown"


def test_every_recipe_builds():
    for name, recipe in RECIPES.items():
        model, tunnel = recipe.build()
        assert model.vocab == tunnel.vocab and model.context >= tunnel.length, name


def test_as_a_program():
    found = subprocess.run(
        [sys.executable, "-m", "tutorlib", "--version"], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == f"tutorlib {tutorlib.__version__}"


def test_a_misspelt_recipe_is_told_its_neighbours(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["train", "bijection-v2"])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "did you mean: bijection-v20" in said and "mlp-token-seed2" not in said  # near ones, not all
