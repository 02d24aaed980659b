"""What the hand-set transformers share: an empty one to write on."""

from __future__ import annotations

from tutorlib.models import Transformer
from tutorlib.models.transformer import Block

__all__ = ["blank"]


def blank(model: Transformer) -> tuple[Transformer, Block]:
    """The model with every weight at 0, ready to be written on, and its only block.

    >>> from tutorlib.models import Transformer
    >>> model, block = blank(Transformer(4, 3))
    >>> sum(int(p.count_nonzero()) for p in model.parameters())
    0
    """
    for p in model.parameters():
        p.detach().zero_()
    (block,) = model.blocks
    assert isinstance(block, Block)
    return model.eval(), block
