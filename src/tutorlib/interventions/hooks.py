"""Change what a network computes while it computes it, and leave the network as it was.

Hooks are the mechanism: PyTorch calls them before or after a module runs, and lets them put another tensor in place of
the module's input or output. No weight is touched, so leaving the ``with`` block undoes everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tutorlib.arguments import instance, shown
from tutorlib.interventions.sites import Site, find_site, mixer_of
from tutorlib.models.stack import ResidualStack
from tutorlib.tunnels import Batch

__all__ = ["Edit", "activations", "intervene", "zero"]

Edit = Callable[[Tensor], Tensor]


def zero(x: Tensor) -> Tensor:
    """Nothing in place of what was there.

    >>> zero(torch.ones(1, 2))
    tensor([[0., 0.]])
    """
    return torch.zeros_like(instance("x", x, Tensor))


@contextmanager
def intervene(
    model: ResidualStack, edits: Mapping[str, Edit | Tensor], positions: Sequence[int] | None = None
) -> Iterator[ResidualStack]:
    """Inside the ``with`` block the network computes with changed activations; after it, as before.

    Several blocks may be nested. Inside, every position is computed even if few are asked for, so that a site always has
    all positions: the tokens', and before them the header's rows where there is a header (in the last layer only the
    tokens'). That is slower, and the answer is the same.

    Args:
        model: any network with a residual stream.
        edits: for each site (see :mod:`tutorlib.interventions.sites`) a function from the activation to another of the
            same shape, or a tensor that is put in its place and is stretched to its shape if need be. Edits of one
            network do not see each other's order: an edit below changes what an edit above is given.
        positions: the token positions to change, each from 0; all of them, and the header's rows, if None.

    Raises:
        ValueError: if a site is unknown, or while the network runs, if an edit gives another shape.

    >>> from tutorlib.models import Transformer
    >>> model, tokens = Transformer(vocab=8, context=7), torch.tensor([[0, 5, 1]])
    >>> with intervene(model, {"residual1": zero}):
    ...     model(tokens).abs().max().item()
    0.0
    >>> model(tokens).abs().max().item() > 0
    True
    """
    instance("model", model, ResidualStack)
    sites = [(find_site(model, name), edit) for name, edit in instance("edits", edits, Mapping).items()]
    for site, edit in sites:
        if not callable(edit) and not isinstance(edit, Tensor):
            raise ValueError(f"edits: expected a function or a tensor for {site.name}, got {shown(edit)}")
    run = _Run(None if positions is None else _whole_numbers(positions))
    handles = [
        model.register_forward_pre_hook(run.ask_for_all, with_kwargs=True),
        model.register_forward_hook(run.give_what_was_asked),
    ]
    try:
        handles += [run.attach(model, site, edit) for site, edit in sites]
        yield model
    finally:
        for handle in handles:
            handle.remove()


def activations(model: ResidualStack, batch: Batch, sites: Sequence[str]) -> dict[str, Tensor]:
    """What a network computes at some sites, at all positions.

    Args:
        model: any network with a residual stream.
        batch: what it reads.
        sites: names of sites.

    Returns:
        For each site ``[batch, positions, features]``, without a graph.

    >>> from tutorlib.models import Transformer
    >>> from tutorlib.tunnels import Bijection
    >>> batch = Bijection(4).sample(2, torch.Generator().manual_seed(0))
    >>> activations(Transformer(vocab=8, context=7, width=4), batch, ["residual1"])["residual1"].shape
    torch.Size([2, 7, 4])
    """
    kept: dict[str, Tensor] = {}

    def keep(name: str) -> Edit:
        def edit(x: Tensor) -> Tensor:
            kept[name] = x
            return x

        return edit

    if isinstance(sites, str) or not isinstance(sites, Sequence):
        raise ValueError(f"sites: expected a list of names, got {shown(sites)}")
    instance("batch", batch, Batch)
    with torch.no_grad(), intervene(model, {name: keep(name) for name in sites}):
        model(batch.tokens, header=batch.header)
    return kept


def _whole_numbers(positions: Sequence[int]) -> list[int]:
    if isinstance(positions, Tensor):
        positions = positions.tolist()
    if not isinstance(positions, Sequence) or not all(
        type(place) is int and place >= 0 for place in positions
    ):
        raise ValueError(f"positions: expected integers of at least 0, got {shown(positions)}")
    return list(positions)


class _Run:
    """What the hooks of one ``with`` block share: how many tokens there are, and which positions were asked for."""

    def __init__(self, positions: list[int] | None) -> None:
        self.positions = positions
        self.time = 0
        self.asked: Tensor | None = None

    def ask_for_all(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        names = ("tokens", "at", "record", "header")
        given = dict(zip(names, args, strict=False)) | kwargs
        self.asked = given.pop("at", None)
        tokens = given["tokens"]
        if isinstance(tokens, Tensor) and tokens.ndim == 2:  # what else it may be, the network itself refuses
            self.time = tokens.shape[1]
            if self.asked is not None:
                model.check_tokens(tokens, self.asked)  # type: ignore[operator]
            if self.positions and max(self.positions) >= self.time:
                raise ValueError(f"positions: expected at most {self.time - 1}, got {max(self.positions)}")
        return (), given

    def give_what_was_asked(self, model: nn.Module, args: Any, logits: Tensor) -> Tensor:
        return logits if self.asked is None else logits[:, self.asked.to(logits.device)]

    def attach(self, model: ResidualStack, site: Site, edit: Edit | Tensor) -> Any:
        def changed(x: Tensor) -> Tensor:
            return self._apply(site, edit, x)

        if site.kind == "residual" and site.layer < model.layers:
            return model.blocks[site.layer].register_forward_pre_hook(
                lambda block, args: (changed(args[0]), *args[1:])
            )
        if site.kind == "residual":
            return model.blocks[-1].register_forward_hook(lambda block, args, out: changed(out))
        block = model.blocks[site.layer]
        if site.kind == "layer":

            def add_changed(block: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> Tensor:
                before = args[0][
                    :, args[0].shape[1] - out.shape[1] :
                ]  # the last layer drops the header's rows
                return before + changed(out - before)

            return block.register_forward_hook(add_changed)
        if site.kind == "head":
            mixer: Any = mixer_of(block)
            size = model.width // mixer.heads
            part = slice(site.head * size, (site.head + 1) * size)  # type: ignore[operator]

            def change_head(output: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
                mixed = args[0].clone()  # [batch, positions, width]
                mixed[..., part] = changed(mixed[..., part])
                return (mixed,)

            return mixer.output.register_forward_pre_hook(change_head)
        module: Any = mixer_of(block) if site.kind == "attention" else block.feed_forward
        return module.register_forward_hook(lambda module, args, out: changed(out))

    def _apply(self, site: Site, edit: Edit | Tensor, x: Tensor) -> Tensor:
        where = (
            None if self.positions is None else [x.shape[1] - self.time + place for place in self.positions]
        )
        part = x if where is None else x[:, where]  # [batch, positions, features]
        new = edit(part) if callable(edit) else edit
        if not isinstance(new, Tensor):
            raise ValueError(f"{site.name}: expected an edit to give a tensor, got {shown(new)}")
        try:
            new = new.to(part).expand_as(part)
        except RuntimeError as error:
            raise ValueError(
                f"{site.name}: expected {tuple(part.shape)} from an edit, got {tuple(new.shape)}"
            ) from error
        if where is None:
            return new
        x = x.clone()
        x[:, where] = new
        return x
