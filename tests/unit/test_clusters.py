"""k-means finds what is there, and its measures agree with counting by hand."""

import itertools

import pytest
import torch

from tutorlib.clusters import k_means, rand_index, silhouette


def heaps(centres=3, each=40, spread=0.1, seed=0):
    """Points around far corners of a cube, and which corner each belongs to."""
    generator = torch.Generator().manual_seed(seed)
    corners = 5 * torch.eye(centres, dtype=torch.float64)
    owner = torch.arange(centres).repeat_interleave(each)
    noise = spread * torch.randn(centres * each, centres, generator=generator, dtype=torch.float64)
    return corners[owner] + noise, owner


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("centres", [2, 3, 6])
def test_heaps_far_apart_are_found(centres, seed):
    points, owner = heaps(centres)
    found = k_means(points, centres, torch.Generator().manual_seed(seed))
    assert rand_index(found, owner) == 1.0


def test_the_silhouette_is_highest_at_the_number_of_heaps():
    points, _ = heaps(4)
    generator = torch.Generator().manual_seed(1)
    heights = {k: silhouette(points, k_means(points, k, generator)) for k in range(2, 8)}
    assert max(heights, key=heights.get) == 4 and heights[4] > 0.9


def test_the_best_of_all_splits_of_a_few_points_is_found():
    points = torch.randn(9, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def cost(labels):
        groups = [points[labels == j] for j in (0, 1)]
        return sum(float(((group - group.mean(0)) ** 2).sum()) for group in groups)

    splits = (torch.tensor(split) for split in itertools.product((0, 1), repeat=9))
    least = min(cost(split) for split in splits if 0 < split.sum() < 9)
    found = k_means(points, 2, torch.Generator().manual_seed(0), starts=30)
    assert cost(found) == pytest.approx(least)


def test_the_silhouette_by_hand():
    points = torch.tensor([[0.0], [1.0], [4.0], [10.0]])
    labels = torch.tensor([0, 0, 1, 2])
    # first: a = 1, b = 4; second: a = 1, b = 3; the other two are alone
    assert silhouette(points, labels) == pytest.approx(((4 - 1) / 4 + (3 - 1) / 3) / 4)


def test_agreement_by_counting_pairs():
    first = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    second = torch.tensor([1, 1, 0, 0, 0, 2, 2, 1])
    pairs = list(itertools.combinations(range(8), 2))
    a = [bool(first[i] == first[j]) for i, j in pairs]
    b = [bool(second[i] == second[j]) for i, j in pairs]
    both, chance = sum(x and y for x, y in zip(a, b, strict=True)), sum(a) * sum(b) / len(pairs)
    expected = (both - chance) / ((sum(a) + sum(b)) / 2 - chance)
    assert rand_index(first, second) == pytest.approx(expected)
    assert rand_index(second, first) == pytest.approx(expected)


def test_groups_drawn_at_random_agree_by_chance_only():
    generator = torch.Generator().manual_seed(4)
    drawn = [rand_index(*torch.randint(5, (2, 400), generator=generator)) for _ in range(30)]
    assert abs(sum(drawn) / len(drawn)) < 0.005
    assert rand_index(torch.tensor([0, 0, 0]), torch.tensor([4, 4, 4])) == 1.0  # one group each


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: k_means(torch.ones(5, 2), 2, torch.Generator()), "points: expected at least 2 different ones, got 1"),
        (lambda: k_means(torch.ones(5), 1, torch.Generator()), "points: expected a tensor of real numbers"),
        (lambda: silhouette(torch.ones(3, 2), torch.tensor([0, 0, 0])), "labels: expected at least two clusters, got one"),
        (lambda: silhouette(torch.ones(3, 2), torch.tensor([0, 1])), r"labels: expected int64 \[things\]"),
        (lambda: rand_index(torch.tensor([0, 1]), torch.tensor([0, 1, 2])), r"second: expected int64 \[things\]"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
