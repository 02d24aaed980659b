"""EM for mixtures of Gaussians against arithmetic by hand, scikit-learn, SciPy and autograd."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm
from sklearn.mixture import GaussianMixture as Sklearn  # hmmlearn needs it, so it is there

from tutorlib import bits, em

PITCHES = torch.tensor([104.0, 112, 118, 127, 131, 139, 152, 168, 181, 190, 199, 214], dtype=torch.float64)


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def problem(seed, points=30, components=3, features=None):
    """Random points and a random mixture."""
    dice = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(*shape, generator=dice, dtype=torch.float64)

    tail = () if features is None else (features,)
    prior = draw(components) + 0.1
    mixture = em.GaussianMixture(draw(components, *tail) * 4, draw(components) + 0.5, prior / prior.sum())
    return draw(points, *tail) * 4, mixture


def test_responsibilities_are_bayes_rule_by_hand():
    mixture = em.GaussianMixture([130.0, 190.0], 20.0, [0.3, 0.7])
    for pitch, row in zip(PITCHES.tolist(), em.responsibilities(PITCHES, mixture).tolist(), strict=True):
        weights = [0.3 * norm.pdf(pitch, 130, 20), 0.7 * norm.pdf(pitch, 190, 20)]
        assert row == pytest.approx([w / sum(weights) for w in weights], abs=1e-12)


def test_log_joint_and_log_likelihood_against_scipy():
    points, mixture = problem(0, features=2)
    density = np.stack(
        [
            multivariate_normal.pdf(points, mean.numpy(), float(width) ** 2)
            for mean, width in zip(mixture.centres, mixture.widths, strict=True)
        ],
        -1,
    )
    joint = density * mixture.prior.numpy()
    assert np.allclose(em.log_joint_nats(points, mixture), np.log(joint), atol=1e-12)
    assert float(em.log_likelihood(points, mixture)) == pytest.approx(np.log2(joint.sum(-1)).sum(), abs=1e-10)


@pytest.mark.parametrize("features", [1, 2, 3])
@pytest.mark.parametrize("rounds", [1, 2, 7])
def test_rounds_agree_with_scikit_learn(features, rounds):
    points, start = problem(features, points=40, features=features)
    theirs = Sklearn(
        3,
        covariance_type="spherical",
        max_iter=rounds,
        tol=0.0,
        reg_covar=0.0,
        weights_init=start.prior.numpy(),
        means_init=start.centres.numpy(),
        precisions_init=(1 / start.widths**2).numpy(),
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged, on purpose
        theirs.fit(points.numpy())
    ours = em.fit(points, start, rounds=rounds, tolerance=0).mixture
    assert np.allclose(ours.centres, theirs.means_, atol=1e-8)
    assert np.allclose(ours.widths**2, theirs.covariances_, atol=1e-8)
    assert np.allclose(ours.prior, theirs.weights_, atol=1e-8)
    bits_a_point = theirs.score(points.numpy()) / math.log(2)
    assert float(em.log_likelihood(points, ours)) == pytest.approx(len(points) * bits_a_point, abs=1e-6)
    assert np.allclose(em.responsibilities(points, ours), theirs.predict_proba(points.numpy()), atol=1e-7)


def test_numbers_on_a_line_are_points_with_one_feature():
    points, mixture = problem(3)
    column = em.GaussianMixture(mixture.centres[:, None], mixture.widths, mixture.prior)
    first, second = em.step(points, mixture), em.step(points[:, None], column)
    assert torch.allclose(first.centres, second.centres[:, 0])
    assert torch.allclose(first.widths, second.widths) and torch.allclose(first.prior, second.prior)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 5),
    st.sampled_from([None, 1, 3]),
    st.sets(st.sampled_from(em.PARAMETERS), min_size=1),
)
def test_the_log_likelihood_never_falls(seed, components, features, learn):
    points, mixture = problem(seed, points=12, components=components, features=features)
    for _ in range(8):
        better = em.step(points, mixture, learn, least_width=0.05)
        assert em.log_likelihood(points, better) >= em.log_likelihood(points, mixture) - 1e-9
        mixture = better


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([None, 2]))
def test_the_gap_below_the_log_likelihood_is_a_kl_divergence(seed, features):
    points, mixture = problem(seed, features=features)
    shares = torch.rand(len(points), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    shares[0] = tensor([1.0, 0.0, 0.0])  # a term 0 log 0
    shares = shares / shares.sum(-1, keepdim=True)
    r = em.responsibilities(points, mixture)
    gap = em.log_likelihood(points, mixture) - em.lower_bound(points, mixture, shares)
    assert float(gap) == pytest.approx(float(bits.kl_divergence(shares, r).sum()), abs=1e-8) and gap > 0
    touching = em.lower_bound(points, mixture, r)
    assert float(touching) == pytest.approx(float(em.log_likelihood(points, mixture)), abs=1e-9)


@pytest.mark.parametrize("features", [None, 2])
def test_the_m_step_is_the_top_of_the_bound(features):
    """No derivative is left at the top, and a random step from it leads down."""
    points, mixture = problem(5, features=features)
    shares = em.responsibilities(points, mixture)
    top = em.maximise(points, shares, mixture)
    centres, widths = top.centres.clone().requires_grad_(), top.widths.clone().requires_grad_()
    bound = em.lower_bound(points, em.GaussianMixture(centres, widths, top.prior), shares)
    for slope in torch.autograd.grad(bound, (centres, widths)):
        assert slope.abs().max() < 1e-9
    dice = torch.Generator().manual_seed(0)
    for _ in range(50):
        moved = [
            part * (1 + 0.05 * torch.randn(part.shape, generator=dice, dtype=torch.float64))
            for part in (top.centres, top.widths, top.prior)
        ]
        moved[2] = moved[2] / moved[2].sum()
        assert em.lower_bound(points, em.GaussianMixture(*moved), shares) < bound


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([None, 1, 3]))
def test_a_step_is_a_positive_matrix_times_the_gradient(seed, features):
    """Xu and Jordan (1996), for centres, prior and variances, against autograd."""
    points, mixture = problem(seed, features=features)
    centres, prior = mixture.centres.requires_grad_(), mixture.prior.requires_grad_()
    variances = (mixture.widths**2).requires_grad_()
    mixture = em.GaussianMixture(centres, variances.sqrt(), prior)
    slopes = torch.autograd.grad(em.log_likelihood(points, mixture), (centres, prior, variances))
    count = em.responsibilities(points, mixture).sum(0)  # [components]
    p = variances * math.log(2) / count
    assert (p > 0).all()
    moved = em.step(points, mixture, "centres").centres - centres
    p_slope = p * slopes[0] if features is None else p[:, None] * slopes[0]
    assert torch.allclose(moved, p_slope, atol=1e-9)
    assert (moved * slopes[0]).sum() > 0, "uphill"
    p_prior = (torch.diag(prior) - prior[:, None] * prior) * math.log(2) / len(points)
    assert torch.allclose(em.step(points, mixture, "prior").prior - prior, p_prior @ slopes[1], atol=1e-9)
    p_variances = 2 * variances**2 * math.log(2) / (count * (features or 1))
    moved = em.step(points, mixture, "widths").widths ** 2 - variances
    assert torch.allclose(moved, p_variances * slopes[2], atol=1e-9)


def test_what_is_not_learnt_stays():
    points, mixture = problem(7)
    for name in em.PARAMETERS:
        moved = em.step(points, mixture, name)
        for other in em.PARAMETERS:
            assert torch.equal(getattr(moved, other), getattr(mixture, other)) == (other != name)


def test_fit_stops_when_it_gains_too_little():
    start = em.GaussianMixture([150.0, 170.0], 20.0)
    found = em.fit(PITCHES, start, tolerance=1e-6, learn="centres")
    gains = found.trace.diff()
    assert found.converged and gains[-1] < 1e-6 and (gains[:-1] >= 1e-6).all()
    assert float(found.trace[0]) == float(em.log_likelihood(PITCHES, start))
    assert float(found.trace[-1]) == float(em.log_likelihood(PITCHES, found.mixture))
    for factor, rounds in ((1.01, 4), (0.99, 5)):  # a little more, then a little less than round 4 gains
        stopped = em.fit(PITCHES, start, tolerance=factor * float(gains[3]), learn="centres")
        assert len(stopped.trace) - 1 == rounds
    cut = em.fit(PITCHES, start, rounds=2, learn="centres")
    assert not cut.converged and torch.equal(cut.trace, found.trace[:3])


def test_equal_components_stay_equal_on_a_saddle():
    found = em.fit(PITCHES, em.GaussianMixture([160.0, 160.0], 20.0), learn="centres").mixture
    assert found.centres.tolist() == pytest.approx([float(PITCHES.mean())] * 2, abs=1e-9)

    def value(centres):
        return em.log_likelihood(PITCHES, em.GaussianMixture(centres, 20.0))

    curvature = torch.linalg.eigvalsh(torch.autograd.functional.hessian(value, found.centres))
    assert curvature[0] < 0 < curvature[1]


def test_a_floor_under_the_widths_stops_the_collapse():
    start = em.GaussianMixture([150.0, 152.0], [30.0, 1.0])
    values = []
    for least in (1e-2, 1e-4):
        found = em.fit(PITCHES, start, least_width=least)
        assert found.mixture.widths.min() == least and found.mixture.centres[1] == pytest.approx(
            152, abs=1e-6
        )
        values.append(float(found.trace[-1]))
    assert values[1] - values[0] == pytest.approx(math.log2(100), abs=0.05)


def test_points_far_from_everything_and_components_without_points():
    mixture = em.GaussianMixture([0.0, 1e4], 1.0, [0.5, 0.5])
    r = em.responsibilities([0.0, -1e6], mixture)
    assert r.tolist() == [[1.0, 0.0], [1.0, 0.0]]
    moved = em.maximise([0.0, 2.0], r, mixture)
    assert moved.centres.tolist() == [1.0, 1e4] and moved.widths.tolist() == [1.0, 1.0]
    assert moved.prior.tolist() == [1.0, 0.0]
    again = em.step([0.0, 2.0], moved)
    assert again.centres.tolist() == [1.0, 1e4]
    assert math.isfinite(em.lower_bound([0.0, 2.0], moved, em.responsibilities([0.0, 2.0], moved)))


def test_float32_stays_float32():
    mixture = em.GaussianMixture(torch.tensor([1.0, 2.0]), torch.tensor(0.5))
    points = torch.tensor([0.5, 1.5, 2.5])
    moved = em.step(points, mixture)
    assert {moved.centres.dtype, moved.widths.dtype, moved.prior.dtype} == {torch.float32}
    assert "centres=[1.0, 2.0]" in repr(mixture)


mixture = em.GaussianMixture


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mixture(1.0, 1.0), r"centres: expected shape \[components\] or .*, got \(\)"),
        (lambda: mixture([], 1.0), r"centres: expected shape .*, got \(0,\)"),
        (lambda: mixture([1.0, math.inf], 1.0), "centres: expected finite numbers, got infinity"),
        (
            lambda: mixture([1.0, 2.0], [1.0] * 3),
            r"widths: expected one for each of 2 components, got shape \(3,\)",
        ),
        (
            lambda: mixture([1.0, 2.0], [1.0, 0.0]),
            r"widths: expected positive finite numbers, got \[1.0, 0.0\]",
        ),
        (
            lambda: mixture([1.0, 2.0], 1.0, [1.0]),
            r"prior: expected one for each of 2 components, got shape \(1,\)",
        ),
        (lambda: mixture([1.0, 2.0], 1.0, [0.5, 0.6]), "prior: expected a sum of 1"),
        (
            lambda: em.responsibilities([[1.0]], mixture([1.0], 1.0)),
            r"points: expected shape \[points\] like the centres, got \(1, 1\)",
        ),
        (
            lambda: em.responsibilities([1.0], mixture([[1.0, 2.0]], 1.0)),
            r"points: expected shape \[points, 2\] like the centres, got \(1,\)",
        ),
        (lambda: em.log_likelihood(torch.zeros(0), mixture([1.0], 1.0)), "points: expected at least one"),
        (lambda: em.log_likelihood([math.nan], mixture([1.0], 1.0)), "points: expected numbers, got NaN"),
        (
            lambda: em.lower_bound([1.0], mixture([1.0, 2.0], 1.0), [[0.7, 0.7]]),
            "shares: expected a sum of 1",
        ),
        (
            lambda: em.lower_bound([1.0], mixture([1.0, 2.0], 1.0), [[1.0]]),
            r"shares: expected shape \[points, components\] = \(1, 2\), got \(1, 1\)",
        ),
        (
            lambda: em.step([1.0], mixture([1.0], 1.0), "means"),
            "learn: expected some of centres, widths, prior, got 'means'",
        ),
        (lambda: em.step([1.0], mixture([1.0], 1.0), []), "learn: expected some of"),
        (
            lambda: em.step([1.0], mixture([1.0], 1.0), least_width=0.0),
            "least_width: expected a positive number, got 0.0",
        ),
        (
            lambda: em.fit([1.0], mixture([1.0], 1.0), rounds=0),
            "rounds, tolerance: expected at least 1 and 0, got 0",
        ),
        (lambda: em.fit([1.0], mixture([1.0], 1.0), tolerance=math.nan), "rounds, tolerance: expected"),
    ],
)
def test_errors_say_what_was_expected_and_what_came(make, message):
    with pytest.raises(ValueError, match=message):
        make()
