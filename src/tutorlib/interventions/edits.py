"""What to put in place of an activation: its mean, another run's state, or itself without some directions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tutorlib.arguments import instance, real_tensor
from tutorlib.interventions.hooks import Edit, activations
from tutorlib.models.stack import ResidualStack
from tutorlib.tunnels import Batch

__all__ = ["basis", "mean_states", "transplant", "without"]


def mean_states(model: ResidualStack, batch: Batch, sites: Sequence[str]) -> dict[str, Tensor]:
    """The mean over sequences of each site, position by position: what a site says before it has read anything.

    Put in place of the site, it takes away what tells one sequence from another and keeps what is the same in all. Zero
    takes away both, so damage by zero can be the loss of a constant.

    Args:
        model: any network with a residual stream.
        batch: sequences to average over, best others than those that are tested.
        sites: names of sites.

    Returns:
        For each site ``[1, positions, features]``.

    >>> from tutorlib.models import Transformer
    >>> from tutorlib.tunnels import Bijection
    >>> batch = Bijection(4).sample(9, torch.Generator().manual_seed(0))
    >>> mean_states(Transformer(vocab=8, context=7, width=4), batch, ["residual1"])["residual1"].shape
    torch.Size([1, 7, 4])
    """
    return {name: x.mean(0, keepdim=True) for name, x in activations(model, batch, sites).items()}


def basis(directions: Tensor) -> Tensor:
    """Orthonormal rows ``[directions, features]`` that span the same space as the rows given.

    Args:
        directions: ``[directions, features]``, not more than features; rows may depend on each other.

    >>> basis(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    rows = real_tensor("directions", directions, "[directions, features]")
    if not rows.numel() or not rows.isfinite().all():
        raise ValueError(f"directions: expected finite numbers, at least one row, got {tuple(rows.shape)}")
    _, sizes, right = torch.linalg.svd(rows, full_matrices=False)
    kept = right[sizes > 1e-6 * sizes.max().clamp(min=1e-30)]  # [rank, features]
    return kept * torch.where((kept @ rows.mT).sum(-1, keepdim=True) < 0, -1.0, 1.0)


def without(directions: Tensor, centre: Tensor) -> Edit:
    """An edit that moves every state onto the centre along some directions, so that nothing can be read there.

    Args:
        directions: ``[directions, features]``.
        centre: ``[features]``, or anything that stretches to the state's shape; the mean state as a rule.

    >>> without(torch.tensor([[1.0, 0.0]]), torch.tensor([0.5, 0.0]))(torch.tensor([[3.0, 4.0]]))
    tensor([[0.5000, 4.0000]])
    """
    rows = basis(directions)  # [rank, features]
    instance("centre", centre, Tensor)

    def edit(x: Tensor) -> Tensor:
        return x - (x - centre) @ rows.mT @ rows

    return edit


def transplant(directions: Tensor, donor: Tensor) -> Edit:
    """An edit that takes the donor's place along some directions and keeps the rest of the state.

    Args:
        directions: ``[directions, features]``.
        donor: states of the other run, of the same shape as those edited.

    >>> transplant(torch.tensor([[1.0, 0.0]]), torch.tensor([[7.0, 8.0]]))(torch.tensor([[3.0, 4.0]]))
    tensor([[7., 4.]])
    """
    return without(directions, donor)
