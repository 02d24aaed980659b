"""The table of speeds is made, with a number in every line. What the numbers are is not a matter for a test."""

import math

import pytest
import torch

import bench

PARTS = {"training": 12, "filter": 2, "share": 4, "evaluation": 1, "import": 3}


@pytest.fixture(scope="module")
def table():
    return bench.main(["--quick", "--rounds", "2"])


def test_every_part_has_its_lines(table):
    assert bench.PARTS.keys() == PARTS.keys()
    assert len(table) == sum(PARTS.values())
    for line in table:
        assert line.found and all(math.isfinite(x) and x > 0 for x in line.found), line
        assert line.what.strip() and (line.met in ("met", "MISSED")) == (line.target is not None), line
    assert sum(line.target is not None for line in table) == 3 + 1 + 4 + 1 + 2


def test_a_part_alone_is_printed_and_threads_are_given_back(capsys):
    before = torch.get_num_threads()
    lines = bench.main(["--quick", "--only", "filter", "--rounds", "1", "--threads", "1"])
    printed = capsys.readouterr().out
    assert all(str(line) in printed for line in lines) and "a model a sequence" in printed
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("arguments", [["--only", "speed"], ["--rounds", "0"], ["--threads", "0"]])
def test_bad_options_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        bench.main(arguments)
    assert "expected" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("found", "target", "least", "met"),
    [
        ((1.6, 1.4, 9.0), 1.5, True, "met"),  # the median counts
        ((1.6, 1.4, 0.1), 1.5, True, "MISSED"),
        ((2.0,), 3, False, "met"),
        ((4.0,), 3, False, "MISSED"),
        ((4.0,), None, False, ""),
    ],
)
def test_a_line_says_whether_the_median_meets_the_target(found, target, least, met):
    assert bench.Line("x", found, target, least).met == met


def test_the_plain_loop_learns(seeded):
    """It is a fair opponent: it lowers its loss on the same task."""
    from tutorlib.tunnels import Bijection

    from bench_plain import IGNORED, PlainGPT, drawn_in_python, plain_loop

    torch.manual_seed(0)
    tunnel = Bijection(3)
    tokens, labels = drawn_in_python(tunnel, 16)
    assert tokens.shape == (16, 5) and labels.shape == (16, 5)
    assert torch.equal(labels[:, 1::2], torch.full((16, 2), IGNORED))
    assert torch.equal(tokens[:, 1::2], labels[:, 0:4:2]), "the value that follows a key is its label"
    assert PlainGPT(6, 5, 8, 1, 2)(tokens).shape == (16, 5, 6)
    losses = []
    real = torch.nn.functional.cross_entropy

    def heard(*args, **kwargs):
        losses.append(real(*args, **kwargs))
        return losses[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "cross_entropy", heard)
        plain_loop(tunnel, 16, 1, 2, 32, ready=False)(120)
    assert float(losses[-1].detach()) < float(losses[0].detach()) - 0.3
