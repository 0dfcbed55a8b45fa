import keras
import numpy as np
import pytest
from scipy import stats

from gan_utils import latents


def test_latents_are_standard_normal():
    drawn = np.asarray(latents.sample_latents(4000, 5, seed=3))
    assert drawn.shape == (4000, 5) and drawn.dtype == np.float32
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-3


def test_same_seed_same_latents():
    first, second, other = (np.asarray(latents.sample_latents(4, 3, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_seed_generator_moves_on():
    seed = keras.random.SeedGenerator(0)
    assert not np.array_equal(latents.sample_latents(4, 3, seed=seed), latents.sample_latents(4, 3, seed=seed))


@pytest.mark.parametrize("sizes", [(0, 2), (2, 0)])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(ValueError, match="at least 1"):
        latents.sample_latents(*sizes)


def test_interpolation_follows_the_circle():
    path = latents.interpolate(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 5)
    angles = np.linspace(0, np.pi / 2, 5)
    np.testing.assert_allclose(path, np.stack([np.cos(angles), np.sin(angles)], 1), atol=1e-6)


def test_interpolation_keeps_its_ends_and_the_typical_length():
    start, end = np.asarray(latents.sample_latents(2, 100, seed=1))
    path = latents.interpolate(start, end, 9)
    np.testing.assert_allclose(path[[0, -1]], [start, end], rtol=1e-5)
    straight = 0.5 * (start + end)
    assert np.linalg.norm(path[4]) > 1.2 * np.linalg.norm(straight)


def test_interpolation_between_equal_ends_stands_still():
    np.testing.assert_allclose(latents.interpolate(np.ones(3), np.ones(3), 3), np.ones((3, 3)))


@pytest.mark.parametrize("args", [(np.ones(2), np.ones(3), 4), (np.ones((1, 2)), np.ones(2), 4), (np.ones(2), np.ones(2), 1)])
def test_interpolation_refuses_what_does_not_fit(args):
    with pytest.raises(ValueError, match="two vectors of one length|received num_points=1"):
        latents.interpolate(*args)


@pytest.mark.parametrize("end", [np.zeros(2), np.array([-2.0, 0.0])])
def test_interpolation_refuses_ends_without_a_shortest_arc(end):
    with pytest.raises(ValueError, match="one shortest arc"):
        latents.interpolate(np.array([1.0, 0.0]), end, 3)
