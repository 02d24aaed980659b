"""Geometry inside a network: angles, principal axes, correlations and linear probes, each with its control.

What looks like a finding is often what any vectors show: random directions in many dimensions are nearly
orthogonal, the first principal axis often carries whatever grows along the sequence, and a probe reads much out of a
network that was never trained. So a number here comes with the number that chance gives. All functions but those in
``activations`` take plain tensors of vectors, from whatever network.
"""

from tutorlib.geometry.activations import HeadVectors, head_vectors, residual_streams, untrained
from tutorlib.geometry.angles import (
    Orthogonality,
    cosines,
    expected_abs_cosine,
    mean_abs_cosine,
    orthogonality,
    random_abs_cosines,
)
from tutorlib.geometry.axes import (
    PrincipalAxes,
    participation_ratio,
    principal_axes,
    random_directions,
    remove_directions,
)
from tutorlib.geometry.correlations import (
    correlation,
    grouped_interval,
    partial_correlation,
    rank_correlation,
    ranks,
    within_groups,
)
from tutorlib.geometry.probes import LinearProbe, ProbeResult, probe, r_squared, ridge, shuffled

__all__ = [
    "HeadVectors",
    "LinearProbe",
    "Orthogonality",
    "PrincipalAxes",
    "ProbeResult",
    "correlation",
    "cosines",
    "expected_abs_cosine",
    "grouped_interval",
    "head_vectors",
    "mean_abs_cosine",
    "orthogonality",
    "partial_correlation",
    "participation_ratio",
    "principal_axes",
    "probe",
    "r_squared",
    "random_abs_cosines",
    "random_directions",
    "rank_correlation",
    "ranks",
    "remove_directions",
    "residual_streams",
    "ridge",
    "shuffled",
    "untrained",
    "within_groups",
]
