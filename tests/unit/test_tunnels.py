"""What holds for every tunnel: the interface, determinism, the ladder, and targets that follow the exact answer."""

import json
import math

import pytest
import torch

from tutorlib import bits
from tutorlib.evaluation import Evaluation, equivalent_window, evaluate, ladder
from tutorlib.models import Transformer
from tutorlib.training import TrainingPlan, train
from tutorlib.tunnels import (
    HMM,
    TUNNELS,
    Batch,
    Bijection,
    Coin,
    Diversity,
    Markov,
    Mess3,
    ModelSelection,
    Recall,
    TaskTunnel,
)
from tutorlib.tunnels.base import COARSE
from tutorlib.tunnels.draws import categorical, dirichlet

SMALL = {
    "bijection": Bijection(4),
    "hmm": HMM(3, 4, 5),
    "hmm next": HMM(3, 4, 5, law="sticky", target="next"),
    "hmm tokens": HMM(3, 4, 5, law="coded", header="tokens"),
    "recall": Recall(4, 2, 6, 5, filler=2, gap=1),
    "coin": Coin(6, 2, 0.5),
    "markov": Markov(3, 6, 0.5),
    "mess3": Mess3(5),
    "mess3 belief": Mess3(5, target="belief"),
    "model selection": ModelSelection(6),
    "diversity coin": Diversity("coin", {"tosses": 6}, tasks=3),
    "diversity bijection": Diversity("bijection", {"symbols": 4}, tasks=3, seed=1),
    "diversity hmm": Diversity("hmm", {"observations": 4}, tasks=2),
}
small = pytest.mark.parametrize("tunnel", SMALL.values(), ids=SMALL)


def test_every_tunnel_is_here():
    assert {tunnel.name for tunnel in SMALL.values()} == set(TUNNELS)
    assert all(name == kind.name for name, kind in TUNNELS.items())


@small
def test_interface(tunnel, seeded):
    before = torch.get_rng_state()
    batch, again = (tunnel.sample(4, seeded(5)) for _ in range(2))
    other = tunnel.sample(64, seeded(6))
    assert torch.equal(before, torch.get_rng_state()), "the global generator was used"
    for name in ("tokens", "targets", "header", "tasks"):
        one, two = getattr(batch, name), getattr(again, name)
        assert (one is None) == (two is None) and (one is None or torch.equal(one, two)), name
    assert not torch.equal(other.targets, tunnel.sample(64, seeded(7)).targets)
    assert batch.tokens.shape == (4, tunnel.length) and batch.tokens.dtype == torch.int64
    assert batch.targets.shape == (4, len(tunnel.scored)) and batch.targets.dtype == torch.int64
    assert int(other.tokens.min()) >= 0 and int(other.tokens.max()) < tunnel.vocab
    assert torch.isin(other.targets, tunnel.answers).all()
    assert tunnel.scored.tolist() == sorted(set(tunnel.scored.tolist()) & set(range(tunnel.length)))
    shape = None if batch.header is None else tuple(batch.header.shape[1:])
    assert shape == tunnel.header_shape
    assert batch.header is None or batch.header.dtype == torch.float64


@small
def test_config_builds_it_again(tunnel, seeded):
    again = TUNNELS[tunnel.name](**json.loads(json.dumps(tunnel.config())))
    assert again.config() == tunnel.config()
    batch = tunnel.sample(3, seeded())
    assert torch.equal(again.sample(3, seeded()).tokens, batch.tokens)
    assert torch.equal(again.exact(batch), tunnel.exact(batch))


@small
def test_every_reference_is_a_distribution_over_the_answers(tunnel, seeded):
    batch = tunnel.sample(5, seeded(2))
    never = [token for token in range(tunnel.vocab) if token not in tunnel.answers.tolist()]
    references = tunnel.references()
    for name, predictor in references.items():
        p = predictor(batch)
        assert p.shape == (5, len(tunnel.scored), tunnel.vocab) and p.dtype == torch.float64, name
        torch.testing.assert_close(p.sum(-1), torch.ones_like(p[..., 0]), rtol=0, atol=1e-12)
        assert p.min() >= 0 and p[..., never].sum() == 0, name
    assert list(references)[-1] == "exact"
    torch.testing.assert_close(tunnel.window(batch, tunnel.max_window), tunnel.exact(batch))
    torch.testing.assert_close(tunnel.window(batch, tunnel.max_window + 3), tunnel.exact(batch))
    with pytest.raises(ValueError, match="steps: expected an integer of at least 0, got -1"):
        tunnel.window(batch, -1)


@small
def test_sampled_targets_follow_the_exact_answer(tunnel, seeded):
    """At each position, how often each answer comes is its mean probability, also where that was high."""
    n = 20000 if tunnel.name != "model_selection" else 6000
    batch = tunnel.sample(n, seeded(3))
    p = tunnel.exact(batch)  # [n, scored, vocab]
    excess = torch.nn.functional.one_hot(batch.targets, tunnel.vocab) - p
    assert excess[p == 0].abs().sum() == 0, "an impossible answer came"
    for weight in (torch.ones_like(p), p, bits.entropy(p)[..., None]):
        error = (excess * weight).mean(0)  # [scored, vocab]
        spread = (excess * weight).std(0) / math.sqrt(n)
        assert (error.abs() <= 4.5 * spread + 1e-12).all(), float((error / spread).abs().nan_to_num().max())


@small
def test_windows_lose_nothing_by_seeing_more(tunnel, seeded):
    rungs = ladder(tunnel, sequences=1500, generator=seeded(4))
    kl = [rungs[name].mean("kl") for name in ("uniform", *map(tunnel.window_name, tunnel.rungs), "exact")]
    assert kl == sorted(kl, reverse=True)
    assert kl[-1] == pytest.approx(0, abs=1e-12)


@small
def test_neither_the_last_answer_nor_the_hidden_task_plays_a_part(tunnel, seeded):
    batch = tunnel.sample(6, seeded(8))
    blind = Batch(batch.tokens, batch.targets.clone(), batch.header, None)
    if tunnel.name != "diversity":  # there the targets are the evidence; the last one still is not
        blind.targets[:] = batch.targets if tunnel.name == "bijection" else int(tunnel.answers[0])
    if tunnel.name != "bijection":
        blind.targets[:, -1] = int(tunnel.answers[-1])
    assert torch.equal(tunnel.exact(blind), tunnel.exact(batch))


@pytest.mark.parametrize(
    "tunnel", [Coin(5), Markov(3, 5), ModelSelection(6)], ids=["coin", "markov", "model"]
)
def test_the_oracle_needs_the_task(tunnel, seeded):
    batch = tunnel.sample(40, seeded())
    assert bits.entropy(tunnel.oracle(batch)).mean() < bits.entropy(tunnel.exact(batch)).mean()
    with pytest.raises(ValueError, match=f"tasks: expected a batch as {tunnel.name}.sample draws it"):
        tunnel.oracle(Batch(batch.tokens, batch.targets))


def test_a_tunnel_that_states_its_task_has_no_answer_given_a_hidden_one(seeded):
    hmm = HMM()
    with pytest.raises(ValueError, match="hmm: the sequence states its task, so exact"):
        hmm.known(hmm.sample_tasks(2, seeded()), hmm.sample(2, seeded()))


@small
def test_bad_batches_are_named(tunnel, seeded):
    good = tunnel.sample(2, seeded())
    for size in (0, -1, 1.5, "2"):
        with pytest.raises(ValueError, match="batch: expected "):
            tunnel.sample(size, seeded())
    cases = {
        "tokens: expected ": [
            Batch(good.tokens[0], good.targets, good.header),
            Batch(good.tokens[:, 1:], good.targets, good.header),
            Batch(good.tokens.float(), good.targets, good.header),
            Batch(torch.full_like(good.tokens, tunnel.vocab), good.targets, good.header),
            Batch(torch.full_like(good.tokens, -1), good.targets, good.header),
        ],
        "targets: expected ": [
            Batch(good.tokens, good.targets[:, 1:], good.header),
            Batch(good.tokens, good.targets.int(), good.header),
        ],
    }
    for words, batches in cases.items():
        for batch in batches:
            with pytest.raises(ValueError, match=words.replace("tokens:", "tokens[a-z: ]*:")):
                tunnel.exact(batch)


def test_long_ladders_are_coarse_and_the_equivalent_window_bridges_the_gaps(seeded):
    tunnel = Coin(30)
    assert list(tunnel.rungs) == [w for w in COARSE if w < 29] and tunnel.max_window == 29
    assert list(Bijection(20).rungs) == list(range(1, 19))
    rungs = ladder(tunnel, sequences=400, generator=seeded())
    height = {w: rungs[tunnel.window_name(w)].mean("kl") for w in tunnel.rungs}
    for w in tunnel.rungs:
        assert equivalent_window(height[w], tunnel, rungs) == pytest.approx(w)
    assert equivalent_window(0.25 * height[16] + 0.75 * height[24], tunnel, rungs) == pytest.approx(22)
    assert equivalent_window(height[24] / 2, tunnel, rungs) == pytest.approx(26.5)  # half way to 29
    assert equivalent_window(0.0, tunnel, rungs) == 29
    assert equivalent_window(9.0, tunnel, rungs) == 0
    assert all(isinstance(rung, Evaluation) for rung in rungs.values())


def test_draws(seeded):
    """Dirichlet moments (mean a/A, variance m (1 - m) / (A + 1)) and shares of categorical draws."""
    a = torch.tensor([0.5, 1.0, 2.5], dtype=torch.float64)
    n = 40000
    p = dirichlet(a.expand(n, 3), seeded())
    mean, total = a / a.sum(), float(a.sum())
    torch.testing.assert_close(p.sum(-1), torch.ones(n, dtype=torch.float64))
    assert ((p.mean(0) - mean).abs() < 4.5 * p.std(0) / n**0.5).all()
    torch.testing.assert_close(p.var(0), mean * (1 - mean) / (total + 1), rtol=0.03, atol=0)
    tiny = dirichlet(torch.full((1000, 3), 1e-3), seeded())  # a gamma variable would be 0 in float64
    assert tiny.isfinite().all() and (tiny.amax(-1) > 0.99).double().mean() > 0.95
    q = torch.tensor([0.0, 0.2, 0.0, 0.8], dtype=torch.float64)
    drawn = categorical(q.expand(n, 4), seeded()).bincount(minlength=4) / n
    assert drawn[0] == drawn[2] == 0 and abs(float(drawn[1]) - 0.2) < 4.5 * 0.4 / n**0.5


@pytest.mark.parametrize("name", [name for name, tunnel in SMALL.items() if tunnel.header_shape is None])
def test_the_loop_and_the_evaluation_take_it(name, seeded):
    tunnel = SMALL[name]
    model = Transformer(tunnel.vocab, tunnel.length, width=8, layers=1, heads=1, generator=seeded())
    before = evaluate(model, tunnel, sequences=64, generator=seeded()).mean("kl")
    train(model, tunnel, TrainingPlan(steps=60, batch=32, warmup=5))
    assert evaluate(model, tunnel, sequences=64, generator=seeded()).mean("kl") < before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@small
def test_on_a_gpu(tunnel):
    batch = tunnel.sample(8, torch.Generator("cuda").manual_seed(0))
    assert batch.tokens.is_cuda and batch.targets.is_cuda
    parts = (batch.tokens, batch.targets, batch.header, batch.tasks)
    home = Batch(*(None if x is None else x.cpu() for x in parts))
    for name, predictor in tunnel.references().items():
        torch.testing.assert_close(predictor(batch).cpu(), predictor(home), msg=name)
    evaluate(tunnel.exact, tunnel, sequences=8, generator=torch.Generator("cuda").manual_seed(0))
    assert not isinstance(tunnel, TaskTunnel) or tunnel.sample_tasks(2, torch.Generator("cuda")).is_cuda


@pytest.mark.parametrize("name", [name for name, tunnel in SMALL.items() if tunnel.steps_argument])
def test_a_tunnel_at_another_length_is_the_same_law(name, seeded):
    """At its own length it is itself; at another one only the number of scored positions differs."""
    tunnel = SMALL[name]
    own = tunnel.config()[tunnel.steps_argument]
    same, other = tunnel.at_length(own), tunnel.at_length(own - 1)
    assert same.config() == tunnel.config() and type(same) is type(tunnel)
    assert torch.equal(same.sample(3, seeded()).tokens, tunnel.sample(3, seeded()).tokens)
    assert {**other.config(), tunnel.steps_argument: own} == tunnel.config()
    assert other.length < tunnel.length and other.vocab == tunnel.vocab


def test_changed_arguments():
    assert HMM(3, 4, 5).changed(law="sticky", stick=0.5).config() == HMM(3, 4, 5, "sticky", 0.5).config()
    with pytest.raises(ValueError, match=r"tunnel coin: .*unexpected keyword argument 'heads'"):
        Coin(3).changed(heads=2)
    with pytest.raises(ValueError, match="tosses: expected an integer of at least 1, got 0"):
        Coin(3).at_length(0)
    with pytest.raises(ValueError, match="tunnel diversity: no argument says"):
        SMALL["diversity coin"].at_length(3)
