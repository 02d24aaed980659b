"""Transformers whose weights are set by hand: what the architecture can do, before any training.

All are ordinary :class:`~tutorlib.models.Transformer` objects with one layer. Nothing is fitted; each weight is
written down for a reason, and the functions say which weight does what.
"""

from tutorlib.handset.bijection import bijection_eliminator
from tutorlib.handset.coin import coin_counter, spline_units
from tutorlib.handset.hmm import hmm_window_filter, window_table

__all__ = ["bijection_eliminator", "coin_counter", "hmm_window_filter", "spline_units", "window_table"]
