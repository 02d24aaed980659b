"""The loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from tutorlib.bits import NATS_PER_BIT
from tutorlib.models import SequenceModel
from tutorlib.optimisers import optimisers_for
from tutorlib.training.distributed import assemble, own_device
from tutorlib.training.faults import all_finite, sizes, within_memory
from tutorlib.training.forward import forward_pass
from tutorlib.training.plan import DivergedError, TrainingPlan, TrainingRun, learning_rate_scale
from tutorlib.training.state import StateStore, last_good
from tutorlib.tunnels import Batch, Tunnel

__all__ = ["best_device", "train", "usable_device"]


def best_device() -> torch.device:
    """A GPU if there is one, else the CPU.

    >>> best_device().type in ("cpu", "cuda", "mps")
    True
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def usable_device(device: torch.device | str) -> torch.device:
    """The device of that name; where several processes share a machine, this process's own.

    Raises:
        ValueError: if there is no such device here.

    >>> usable_device("cpu")
    device(type='cpu')
    """
    try:
        chosen = own_device(torch.device(device))
        torch.rand(1, generator=torch.Generator(chosen), device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device: expected one that PyTorch can use here, got {device} ({reason})"
        ) from error
    return chosen


def train(
    model: SequenceModel,
    tunnel: Tunnel,
    plan: TrainingPlan,
    *,
    device: torch.device | str | None = None,
    folder: str | Path | None = None,
    save_every: int = 1000,
    log_every: int = 100,
    progress: bool = False,
    on_log: Callable[[int, SequenceModel], None] | None = None,
) -> TrainingRun:
    """Train ``model`` on ``tunnel`` in place.

    Started by ``torchrun`` or ``accelerate launch``, the processes share each batch and end with the same weights; see
    :mod:`tutorlib.training.distributed`.

    Args:
        model: any :class:`SequenceModel`; moved to ``device``.
        tunnel: any :class:`Tunnel` with the same vocabulary.
        plan: the run.
        device: where to train; the model's own device if None.
        folder: where to keep ``state.pt`` and ``log.jsonl``. If it holds the state of the same run, that
            run goes on from there.
        save_every: steps between two states on disk.
        log_every: steps between two entries of the history.
        progress: show a progress bar.
        on_log: called at each entry, for example to evaluate; in the main process only, and it changes nothing.

    Raises:
        ValueError: if the vocabularies or the headers differ, a sequence is longer than the model's context, the
            tunnel has no such targets, there is no such device, the device cannot do the plan's ``precision`` or
            ``compile``, or the state in ``folder`` is damaged or belongs to another run.
        DivergedError: if the loss or a weight is no longer a number. The state on disk is an earlier one, with numbers.
        TooLargeError: if a step needs more memory than there is.
        TeamError: if one of several processes has ended.
        SaveError: if the state cannot be written, for example on a full disk. The old state stays. All four are
            ValueErrors too.

    >>> from tutorlib.models import TokenMLP
    >>> from tutorlib.training import TrainingPlan
    >>> from tutorlib.tunnels import Bijection
    >>> run = train(TokenMLP(6, 5), Bijection(3), TrainingPlan(steps=20), log_every=10)
    >>> [entry["step"] for entry in run.history]
    [10, 20]
    """
    if save_every < 1 or log_every < 1:
        raise ValueError(f"save_every and log_every: expected at least 1, got {save_every} and {log_every}")
    if model.vocab != tunnel.vocab:
        raise ValueError(f"vocab: expected the tunnel's {tunnel.vocab}, got a model with {model.vocab}")
    if model.header != tunnel.header_shape:
        raise ValueError(
            f"header: expected the tunnel's {tunnel.header_shape}, got a model for {model.header}"
        )
    if tunnel.length > model.context:
        raise ValueError(
            f"context: the tunnel needs {tunnel.length} positions, the model has {model.context}"
        )
    device = usable_device(next(model.parameters()).device if device is None else device)
    team = assemble(device)
    store: StateStore | None = None

    def advice(size: int) -> str:
        return f"{sizes(model, tunnel, plan, size, device)}; {last_good(store)}"

    with within_memory("the network", partial(advice, plan.batch_at(0))):
        model.to(device).train()
        team.copy_from_main(model)
        forward, targets = forward_pass(model, plan, device), targets_for(plan, tunnel)
        generator = torch.Generator(device).manual_seed(plan.seed)
        optimisers = optimisers_for(model, plan.matrix_rate, plan.embedding_rate, plan.weight_decay)
        full_rates = [[group["lr"] for group in o.param_groups] for o in optimisers]
        run = TrainingRun(plan)
        if plan.averaging:
            run.average = {name: p.detach().clone() for name, p in model.named_parameters()}
        if folder is not None:
            store = StateStore(Path(folder), model, tunnel, run, optimisers, generator, team)
        start = store.resume() if store else 0
        at = tunnel.scored.to(device)
    losses: list[Tensor] = []  # of each step since the last entry, nats
    spent = 0.0  # processor time since the last entry
    for step in _steps(start, plan.steps, progress and team.is_main):
        clock, processor = time.perf_counter(), time.process_time()
        scale = learning_rate_scale(plan, step)
        for optimiser, rates in zip(optimisers, full_rates, strict=True):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * scale
        size = plan.batch_at(step)
        with within_memory(f"step {step + 1}", partial(advice, size)):
            batch, share = team.share(tunnel.sample(size, generator))
            logits = forward(batch.tokens, at, batch.header)  # [batch, scored, vocab]
            answers = targets(batch)  # ids [batch, scored], or probabilities [batch, scored, vocab]
            loss = share * functional.cross_entropy(logits.flatten(0, 1), answers.flatten(0, 1))
            loss.backward()
            team.sum_gradients(model.parameters())
            if plan.clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
            for optimiser in optimisers:
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
        losses.append(loss.detach())
        if run.average:
            with torch.no_grad():
                current: list[Tensor] = [p for name, p in model.named_parameters() if name in run.average]
                torch._foreach_lerp_(list(run.average.values()), current, 1 - plan.averaging)
        run.seconds += time.perf_counter() - clock
        spent += time.process_time() - processor
        done = step + 1
        if done % log_every == 0 or done == plan.steps:
            nats = team.sum(torch.stack(losses)).cpu()  # [steps since the last entry]
            run.core_seconds += float(team.sum(torch.tensor(spent, device=device)))
            losses, spent = [], 0.0
            team.on_main(partial(_check, nats, model, done, store))
            mean = float(sum(nats)) / len(nats) / NATS_PER_BIT
            run.history.append({"step": done, "loss_bits": mean, "seconds": run.seconds})
            if on_log:
                team.on_main(partial(on_log, done, model))
        # Saved at logged steps only, so that a resumed run logs the same means.
        if store and (done == plan.steps or (done % log_every == 0 and done % save_every < log_every)):
            store.save(done)
    model.eval()
    return run


def _check(nats: Tensor, model: SequenceModel, done: int, store: StateStore | None) -> None:
    """Raise a DivergedError if one of the last losses ``[steps]`` or a weight after ``done`` steps is no number."""
    if not all_finite([nats]):
        bad = done - len(nats) + 1 + int(nats.isfinite().long().argmin())
        what = f"loss: not a number at step {bad}"
    elif not all_finite(model.parameters()):
        what = f"weights: not a number after step {done}"
    else:
        return
    raise DivergedError(f"{what}; a lower learning rate may help; {last_good(store)}")


def targets_for(plan: TrainingPlan, tunnel: Tunnel) -> Callable[[Batch], Tensor]:
    """What a batch is scored against: sampled ids ``[batch, scored]`` or probabilities ``[batch, scored, vocab]``.

    Raises:
        ValueError: if the tunnel has no such targets.
    """
    if plan.targets == "sampled":
        return lambda batch: batch.targets
    if plan.targets == "exact":
        return lambda batch: tunnel.exact(batch).float()
    one_step = getattr(tunnel, "one_step_targets", None)
    if one_step is None:
        raise ValueError(f"targets: the tunnel {tunnel.name} has no targets of one step")
    return lambda batch: one_step(batch).float()


def _steps(start: int, end: int, progress: bool) -> Iterator[int]:
    steps = range(start, end)
    if not progress:
        return iter(steps)
    from tqdm.auto import tqdm  # only when asked for: it is slow to import

    return iter(tqdm(steps, initial=start, total=end, unit="step"))
