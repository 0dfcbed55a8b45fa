import numpy as np
import pytest

from gan_utils import data, metrics

CENTERS = data.ring_centers()


def test_real_samples_cover_all_modes():
    points, _ = data.sample_modes(2000, CENTERS, scale=0.05, seed=0)
    covered, good = metrics.covered_modes(points, CENTERS, radius=0.15)
    assert covered == 8
    assert good == pytest.approx(1 - np.exp(-4.5), abs=0.01)  # share of a round Gaussian within three deviations


def test_a_collapsed_cloud_covers_one_mode():
    assert metrics.covered_modes(np.repeat(CENTERS[:1], 100, axis=0), CENTERS, radius=0.1) == (1, 1.0)


def test_stray_points_do_not_cover_a_mode():
    points = np.concatenate([np.repeat(CENTERS[:1], 999, axis=0), CENTERS[1:2]])
    assert metrics.covered_modes(points, CENTERS, radius=0.1)[0] == 1


def test_points_between_the_modes_are_bad():
    assert metrics.covered_modes(np.zeros((10, 2)), CENTERS, radius=0.1) == (0, 0.0)


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.zeros((5, 3)), np.zeros(2), np.full((3, 2), np.nan)])
def test_covered_modes_refuses_bad_points(points):
    with pytest.raises(ValueError, match="It expects finite points"):
        metrics.covered_modes(points, CENTERS, radius=0.1)


def test_nearest_neighbors_agree_with_the_full_distance_matrix():
    rng = np.random.default_rng(0)
    samples, references = rng.normal(size=(7, 4, 4, 1)), rng.normal(size=(50, 4, 4, 1))
    matrix = np.sqrt(((samples[:, None] - references[None]) ** 2).sum(axis=(2, 3, 4)))
    indices, distances = metrics.nearest_neighbors(samples, references)
    np.testing.assert_array_equal(indices, matrix.argmin(axis=1))
    np.testing.assert_allclose(distances, matrix.min(axis=1), rtol=1e-6)


def test_a_copy_has_distance_zero():
    references = np.random.default_rng(0).normal(size=(20, 3))
    indices, distances = metrics.nearest_neighbors(references[[4, 11]], references)
    assert indices.tolist() == [4, 11] and distances.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("shapes", [((2, 3), (2, 4)), ((0, 3), (2, 3)), ((2, 3), (0, 3))])
def test_nearest_neighbors_refuses_what_does_not_fit(shapes):
    with pytest.raises(ValueError, match="at least one item"):
        metrics.nearest_neighbors(np.zeros(shapes[0]), np.zeros(shapes[1]))
