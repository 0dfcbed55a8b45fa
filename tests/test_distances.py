import numpy as np
import pytest
from keras import ops

from gan_utils import autodiff, distances


def clouds(n=40, m=30, d=3, shift=0.5, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(n, d)).astype("float32"), (
        shift + random.normal(size=(m, d))
    ).astype("float32")


def naive_squared_mmd(x, y, bandwidths, unbiased):
    def mean_kernel(a, b, same):
        values = []
        for i, left in enumerate(a.astype("float64")):
            for j, right in enumerate(b.astype("float64")):
                if not (same and unbiased and i == j):
                    values.append(
                        np.mean(
                            [np.exp(-np.sum((left - right) ** 2) / (2 * s * s)) for s in bandwidths]
                        )
                    )
        return np.mean(values)

    return mean_kernel(x, x, True) + mean_kernel(y, y, True) - 2 * mean_kernel(x, y, False)


def gaussian_squared_mmd(mean_x, var_x, mean_y, var_y, width, d):
    """Squared MMD of N(mean_x, var_x I) and N(mean_y, var_y I) with a Gaussian kernel, in closed form."""

    def expected_kernel(shift, variance):
        total = width**2 + variance
        return (width**2 / total) ** (d / 2) * np.exp(-d * shift**2 / (2 * total))

    within = expected_kernel(0.0, 2 * var_x) + expected_kernel(0.0, 2 * var_y)
    return within - 2 * expected_kernel(mean_x - mean_y, var_x + var_y)


def test_a_value_by_hand():
    value = distances.squared_mmd(np.array([[0.0]]), np.array([[1.0]]), 1.0, unbiased=False)
    assert float(value) == pytest.approx(2 - 2 * np.exp(-0.5), abs=1e-6)


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("bandwidths", [0.7, (0.3, 1.0, 3.0)])
def test_squared_mmd_is_the_naive_double_loop(unbiased, bandwidths):
    x, y = clouds()
    expected = naive_squared_mmd(x, y, np.ravel(bandwidths), unbiased)
    assert float(distances.squared_mmd(x, y, bandwidths, unbiased=unbiased)) == pytest.approx(
        expected, abs=1e-5
    )


@pytest.mark.parametrize("unbiased", [True, False])
def test_squared_mmd_agrees_with_the_closed_form_of_two_gaussians(unbiased):
    n, d, width = 200, 2, 1.0
    closed = gaussian_squared_mmd(0.0, 1.0, 0.6, 1.5, width, d)
    if not unbiased:  # the kernel of a sample with itself, 1, enters each mean once in n
        closed += sum((1 - (width**2 / (width**2 + 2 * v)) ** (d / 2)) / n for v in (1.0, 1.5))
    random = np.random.default_rng(0)
    values = [
        float(
            distances.squared_mmd(
                random.normal(size=(n, d)),
                0.6 + np.sqrt(1.5) * random.normal(size=(n, d)),
                width,
                unbiased=unbiased,
            )
        )
        for _ in range(100)
    ]
    assert abs(np.mean(values) - closed) < 3 * np.std(values) / 10


def test_the_biased_estimate_of_equal_clouds_is_positive_and_the_unbiased_one_zero_on_average():
    values = {True: [], False: []}
    for seed in range(60):
        x, y = clouds(50, 50, shift=0.0, seed=seed)
        for unbiased in values:
            values[unbiased].append(float(distances.squared_mmd(x, y, 1.0, unbiased=unbiased)))
    assert min(values[False]) > 0
    assert abs(np.mean(values[True])) < 3 * np.std(values[True]) / np.sqrt(60)


def test_the_gradient_is_that_of_finite_differences():
    x, y = clouds(6, 5)
    _, (gradient,) = autodiff.gradients_at(
        lambda v: distances.squared_mmd(v[0], y, (0.5, 1.5)), [ops.convert_to_tensor(x)]
    )
    gradient, step = ops.convert_to_numpy(gradient), 1e-4
    for i, j in ((0, 0), (3, 2), (5, 1)):
        moved = [x.astype("float64").copy() for _ in range(2)]
        moved[0][i, j] += step
        moved[1][i, j] -= step
        slope = np.diff([naive_squared_mmd(v, y, (0.5, 1.5), True) for v in moved[::-1]])[0] / (
            2 * step
        )
        assert gradient[i, j] == pytest.approx(slope, abs=1e-4)


def test_images_are_flat_vectors_and_far_clouds_stay_finite():
    images = np.random.default_rng(0).uniform(-1, 1, size=(8, 4, 4, 1))
    flat = distances.squared_mmd(images[:4].reshape(4, 16), images[4:].reshape(4, 16), 1.0)
    assert float(distances.squared_mmd(images[:4], images[4:], 1.0)) == pytest.approx(float(flat))
    assert float(
        distances.squared_mmd(np.zeros((3, 2)), np.full((3, 2), 1e6), 1.0)
    ) == pytest.approx(2.0)


def test_median_bandwidth():
    assert distances.median_bandwidth(np.array([[0.0], [1.0]]), np.array([[3.0]])) == pytest.approx(
        2.0
    )
    with pytest.raises(ValueError, match="most samples are equal"):
        distances.median_bandwidth(np.zeros((5, 2)), np.zeros((5, 2)))


def test_permutation_test_is_calibrated_under_equality():
    rejected = 0
    for trial in range(400):
        x, y = clouds(25, 25, d=2, shift=0.0, seed=trial)
        rejected += distances.permutation_test(x, y, 1.0, num_permutations=99, seed=trial) <= 0.05
    assert 0.03 <= rejected / 400 <= 0.07


def test_permutation_test_finds_a_difference_and_repeats_with_its_seed():
    x, y = clouds(40, 40, shift=1.0)
    assert distances.permutation_test(x, y, 1.0, num_permutations=199, seed=0) == 1 / 200
    x, y = clouds(40, 40, shift=0.1)
    assert distances.permutation_test(x, y, 1.0, seed=3) == distances.permutation_test(
        x, y, 1.0, seed=3
    )


@pytest.mark.parametrize(
    "x, y, bandwidths",
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), 1.0),
        (np.zeros((1, 2)), np.zeros((3, 2)), 1.0),
        (np.zeros((3, 2)), np.zeros((3, 2)), 0.0),
        (np.zeros((3, 2)), np.zeros((3, 2)), (1.0, np.nan)),
        (np.zeros((3, 2)), np.zeros((3, 2)), ()),
    ],
)
def test_bad_clouds_are_refused(x, y, bandwidths):
    with pytest.raises(
        ValueError, match="Both clouds must have one inner shape|received bandwidths"
    ):
        distances.squared_mmd(x, y, bandwidths)
    with pytest.raises(
        ValueError, match="Both clouds must have one inner shape|received bandwidths"
    ):
        distances.permutation_test(x, y, bandwidths)


def test_permutation_test_needs_a_permutation():
    with pytest.raises(ValueError, match="num_permutations=0"):
        distances.permutation_test(*clouds(), 1.0, num_permutations=0)
