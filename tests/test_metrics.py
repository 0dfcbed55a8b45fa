import numpy as np
import pytest
from keras import Variable, ops
from scipy import linalg, ndimage, stats

from gan_utils import autodiff, data, metrics

CENTERS = data.ring_centers()


@pytest.fixture(scope="module")
def frogs():
    return data.load_frogs("test")[0][:, ::2, ::2]


def test_real_samples_cover_all_modes():
    points, _ = data.sample_modes(2000, CENTERS, scale=0.05, seed=0)
    covered, good = metrics.covered_modes(points, CENTERS, radius=0.15)
    assert covered == 8
    assert good == pytest.approx(
        1 - np.exp(-4.5), abs=0.01
    )  # share of a round Gaussian within three deviations


def test_stray_points_do_not_cover_a_mode():
    points = np.concatenate([np.repeat(CENTERS[:1], 999, axis=0), CENTERS[1:2]])
    assert metrics.covered_modes(points, CENTERS, radius=0.1)[0] == 1


def test_points_between_the_modes_are_bad():
    assert metrics.covered_modes(np.zeros((10, 2)), CENTERS, radius=0.1) == (0, 0.0)


def test_nearest_neighbors_agree_with_the_full_distance_matrix():
    rng = np.random.default_rng(0)
    samples, references = (rng.uniform(-1, 1, size=(n, 4, 4, 1)) for n in (7, 50))
    matrix = np.sqrt(((samples[:, None] - references[None]) ** 2).sum(axis=(2, 3, 4)))
    indices, distances = metrics.nearest_neighbors(samples, references)
    np.testing.assert_array_equal(indices, matrix.argmin(axis=1))
    np.testing.assert_allclose(distances, matrix.min(axis=1), rtol=1e-6)


def test_a_copy_has_distance_zero():
    references = np.random.default_rng(0).normal(size=(20, 3))
    indices, distances = metrics.nearest_neighbors(references[[4, 11]], references)
    assert indices.tolist() == [4, 11] and distances.tolist() == [0.0, 0.0]


def test_nearest_neighbors_of_many_parts_are_those_of_one(monkeypatch):
    random = np.random.default_rng(0)
    samples, references = (
        random.normal(size=(40, 5)).astype("float32"),
        random.normal(size=(60, 5)).astype("float32"),
    )
    whole = metrics.nearest_neighbors(samples, references)
    monkeypatch.setattr(
        metrics,
        "_parts",
        lambda array, columns=0: [array[i : i + 7] for i in range(0, len(array), 7)],
    )
    for part, expected in zip(metrics.nearest_neighbors(samples, references), whole):
        np.testing.assert_array_equal(part, expected)


# Classes counted by a classifier


def one_hot(labels, confidence=1.0):
    probabilities = np.full((len(labels), 10), (1 - confidence) / 9)
    probabilities[np.arange(len(labels)), labels] = confidence
    return probabilities


def test_covered_classes_counts_clear_classes():
    labels = np.arange(200) % 10
    assert metrics.covered_classes(one_hot(labels)) == (10, 1.0)
    assert metrics.covered_classes(one_hot(labels % 3)) == (3, 1.0)
    assert metrics.covered_classes(one_hot(labels, confidence=0.5)) == (0, 0.0)
    assert metrics.covered_classes(one_hot(labels, confidence=0.8), confidence=0.9) == (0, 0.0)
    stray = np.zeros(1000, int)
    stray[:19] = 1  # below a fifth of the fair share of 100
    assert metrics.covered_classes(one_hot(stray))[0] == 1


# Fréchet distance


def test_frechet_distance_is_the_closed_form_on_a_line():
    # Scaled so that mean and deviation of the samples are exactly 0, 1 and 3, 2.
    x = np.random.default_rng(0).normal(size=500)
    x = (x - x.mean()) / x.std(ddof=1)
    assert metrics.frechet_distance(x[:, None], (3 + 2 * x)[:, None]) == pytest.approx(10.0)


@pytest.mark.parametrize("n", [200, 5])  # more and fewer samples than features
def test_frechet_distance_is_that_of_scipys_matrix_root(n):
    random = np.random.default_rng(1)
    x, y = random.normal(size=(n, 8)) @ random.normal(size=(8, 8)), 0.3 + random.normal(size=(n, 8))
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    with np.errstate(all="ignore"):
        root = np.real(linalg.sqrtm(a @ b))
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(a + b - 2 * root)
    assert metrics.frechet_distance(x, y) == pytest.approx(expected, rel=1e-4)


def test_frechet_distance_of_a_set_with_itself_is_zero_and_falls_with_n():
    random = np.random.default_rng(2)
    x = random.normal(size=(300, 16))
    assert abs(metrics.frechet_distance(x, x)) < 1e-8
    values = [
        metrics.frechet_distance(random.normal(size=(n, 16)), random.normal(size=(n, 16)))
        for n in (50, 200, 800, 3200)
    ]
    assert values == sorted(values, reverse=True) and values[-1] > 0


# Kernel distance


def naive_kernel_distance(x, y):
    def kernel(a, b):
        return (np.dot(a, b) / len(a) + 1) ** 3

    xx = np.mean([kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    yy = np.mean([kernel(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    return xx + yy - 2 * np.mean([kernel(a, b) for a in x for b in y])


def test_kernel_distance_is_the_naive_double_loop():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(40, 6)), 0.4 + random.normal(size=(30, 6))
    estimate, low, high = metrics.kernel_distance(x, y, num_subsets=5)
    assert estimate == pytest.approx(naive_kernel_distance(x, y))
    assert low < estimate < high


def test_kernel_distance_of_equal_distributions_is_zero_on_average_and_within_the_interval():
    random = np.random.default_rng(0)
    results = np.array(
        [
            metrics.kernel_distance(random.normal(size=(200, 8)), random.normal(size=(200, 8)))
            for _ in range(200)
        ]
    )
    estimates, lows, highs = results.T
    assert abs(estimates.mean()) < 3 * estimates.std() / np.sqrt(200)
    assert np.mean((lows <= 0) & (0 <= highs)) >= 0.93
    assert (estimates < 0).any()


def test_the_interval_holds_the_true_distance_at_its_level():
    random = np.random.default_rng(1)

    def draw(n):
        return random.normal(size=(n, 4)), 0.5 + random.normal(size=(n, 4))

    # Differences of the first three moments: 3/4 |mu|^2 + 3/16 |mu|^4 + 1/64 * 25, |mu|^2 = 1.
    true = 3 / 4 + 3 / 16 + 25 / 64
    results = np.array([metrics.kernel_distance(*draw(300)) for _ in range(200)])
    assert np.mean((results[:, 1] <= true) & (true <= results[:, 2])) >= 0.9


def test_the_split_of_the_interval_follows_its_seed():
    x, y = np.random.default_rng(0).normal(size=(2, 60, 4))
    assert metrics.kernel_distance(x, y, seed=1) == metrics.kernel_distance(x, y, seed=1)
    assert metrics.kernel_distance(x, y, seed=1)[1] != metrics.kernel_distance(x, y, seed=2)[1]


def test_distances_grow_with_noise_and_blur():
    digits, other = np.split(data.load_mnist("test")[0][:1000], 2)
    other = other.reshape(500, -1)[:, ::14]
    noise = np.random.default_rng(0).normal(size=digits.shape)
    noisy = [digits + sigma * noise for sigma in (0.0, 0.3, 0.8)]
    blurred = [ndimage.gaussian_filter(digits, (0, sigma, sigma, 0)) for sigma in (0.0, 1.0, 2.8)]
    for worse in (noisy, blurred):
        features = [images.reshape(500, -1)[:, ::14] for images in worse]
        for distance in (metrics.frechet_distance, lambda a, b: metrics.kernel_distance(a, b)[0]):
            values = [distance(other, f) for f in features]
            assert values == sorted(values) and values[-1] > 2 * values[0]


# Precision and recall


def naive_share_inside(points, region, k):
    radii = [np.sort(np.linalg.norm(region - center, axis=1))[k] for center in region]
    return np.mean(
        [any(np.linalg.norm(point - c) <= r for c, r in zip(region, radii)) for point in points]
    )


def test_precision_and_recall_are_the_naive_form():
    random = np.random.default_rng(0)
    real, fake = random.normal(size=(60, 3)), 0.5 + 1.3 * random.normal(size=(60, 3))
    precision, recall = metrics.precision_recall(real, fake, num_neighbors=2)
    assert precision == pytest.approx(naive_share_inside(fake, real, 2))
    assert recall == pytest.approx(naive_share_inside(real, fake, 2))
    assert precision != recall


def test_precision_falls_for_strays_and_recall_for_a_missing_half():
    random = np.random.default_rng(0)
    real = random.normal(size=(500, 2)) + 20 * (np.arange(500) % 2)[:, None]
    same = random.normal(size=(500, 2)) + 20 * (np.arange(500) % 2)[:, None]
    half = random.normal(size=(500, 2))
    strays = np.concatenate([same[:250], random.uniform(-300, -100, size=(250, 2))])
    assert min(metrics.precision_recall(real, same)) > 0.9
    precision, recall = metrics.precision_recall(real, half)
    assert precision > 0.9 and recall == pytest.approx(0.5, abs=0.05)
    precision, recall = metrics.precision_recall(real, strays)
    assert precision == pytest.approx(0.5, abs=0.05) and recall > 0.9


def test_equal_sets_have_precision_and_recall_one_even_when_all_samples_are_equal():
    features = np.random.default_rng(0).normal(size=(50, 4))
    assert metrics.precision_recall(features, features) == (1.0, 1.0)
    same = np.full((10, 3), 0.1)
    assert metrics.precision_recall(same, same) == (1.0, 1.0)


# Memorisation


def shared_neighbours(random):
    """Honest samples of a narrow generator, and real ones of which they share the nearest."""
    real = random.normal(size=(80, 2))
    return 0.3 * random.normal(size=(60, 2)) + 0.5, real[:60], real[60:]


def test_memorization_test_keeps_its_level_where_fakes_share_neighbours():
    random, rejected, binomial = np.random.default_rng(0), [], []
    for seed in range(400):
        result = metrics.memorization_test(
            *shared_neighbours(random), num_relabellings=199, seed=seed
        )
        assert result.expected == 0.75 and 0.0 <= result.low <= 0.75 <= result.high <= 1.0
        rejected.append(result.p_value <= 0.05)
        binomial.append(stats.binom.sf(round(60 * result.share) - 1, 60, 0.75) <= 0.05)
    assert 0.02 <= np.mean(rejected) <= 0.08
    assert np.mean(binomial) > 0.15  # what a binomial test would make of the same fakes


def test_memorization_test_finds_planted_copies():
    random = np.random.default_rng(0)
    real = random.normal(size=(1300, 6))
    fakes, train, held_out = real[:300], real[300:800], real[800:]
    result = metrics.memorization_test(train[:300], train, held_out)
    assert (result.share, result.p_value) == (1.0, 1 / 1001)
    mix = np.concatenate([train[:60] + 1e-3, fakes[60:]])  # 20 % copies
    assert metrics.memorization_test(mix, train, held_out).p_value < 0.05
    assert metrics.memorization_test(fakes, train, held_out).p_value > 0.05


def test_mirrored_copies_are_found_with_mirrors_only():
    images = np.random.default_rng(0).uniform(-1, 1, size=(1000, 8, 8, 1))
    train, held_out = images[:600], images[600:]
    copies = train[:200, :, ::-1]
    result = metrics.memorization_test(copies, train, held_out, mirror=True)
    assert result.share == 1.0 and result.p_value < 0.01
    assert metrics.memorization_test(copies, train, held_out).p_value > 0.05
    with pytest.raises(ValueError, match="received mirror=True and samples of shape"):
        metrics.memorization_test(*[copies.reshape(200, -1)] * 3, mirror=True)


@pytest.mark.parametrize("mirror", [False, True])
def test_a_held_out_image_counts_its_nearest_other_and_not_its_own_mirror(mirror, frogs):
    frogs = frogs[:100]
    train, held_out = frogs[:60], frogs[60:]
    result = metrics.memorization_test(held_out, train, held_out, mirror=mirror)
    flips = (frogs, frogs[:, :, ::-1]) if mirror else (frogs,)
    matrix = np.min(
        [np.linalg.norm((held_out[:, None] - side).reshape(40, 100, -1), axis=2) for side in flips],
        axis=0,
    )
    matrix[np.arange(40), 60 + np.arange(40)] = np.inf
    assert result.share == pytest.approx(np.mean(matrix.argmin(axis=1) < 60))
    assert result.expected == pytest.approx(60 / 99)


def test_images_of_another_range_are_refused(frogs):
    frogs = frogs[:40]
    for other in (np.rint(127.5 * (frogs + 1)).astype("uint8"), (frogs + 1) / 2):
        for sets in ((other, frogs, frogs), (frogs, other, frogs), (frogs, frogs, other)):
            with pytest.raises(ValueError, match="as .*, received images"):
                metrics.memorization_test(*sets)
        with pytest.raises(ValueError, match="as references, received images"):
            metrics.nearest_neighbors(frogs, other)


# Distances of two clouds


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
    """Squared MMD of N(mean_x, var_x I) and N(mean_y, var_y I) in closed form."""

    def expected_kernel(shift, variance):
        total = width**2 + variance
        return (width**2 / total) ** (d / 2) * np.exp(-d * shift**2 / (2 * total))

    within = expected_kernel(0.0, 2 * var_x) + expected_kernel(0.0, 2 * var_y)
    return within - 2 * expected_kernel(mean_x - mean_y, var_x + var_y)


def test_a_value_by_hand():
    value = metrics.squared_mmd(np.array([[0.0]]), np.array([[1.0]]), 1.0, unbiased=False)
    assert float(value) == pytest.approx(2 - 2 * np.exp(-0.5), abs=1e-6)


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("bandwidths", [0.7, (0.3, 1.0, 3.0)])
def test_squared_mmd_is_the_naive_double_loop(unbiased, bandwidths):
    x, y = clouds()
    expected = naive_squared_mmd(x, y, np.ravel(bandwidths), unbiased)
    assert float(metrics.squared_mmd(x, y, bandwidths, unbiased=unbiased)) == pytest.approx(
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
            metrics.squared_mmd(
                random.normal(size=(n, d)),
                0.6 + np.sqrt(1.5) * random.normal(size=(n, d)),
                width,
                unbiased=unbiased,
            )
        )
        for _ in range(50)
    ]
    assert abs(np.mean(values) - closed) < 3 * np.std(values) / np.sqrt(50)


def test_the_gradient_is_that_of_finite_differences():
    x, y = clouds(6, 5)
    moving = Variable(x)
    _, _, (gradient,) = autodiff.value_and_gradients(
        lambda: (metrics.squared_mmd(moving.value, y, (0.5, 1.5)), None), [moving]
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
    flat = metrics.squared_mmd(images[:4].reshape(4, 16), images[4:].reshape(4, 16), 1.0)
    assert float(metrics.squared_mmd(images[:4], images[4:], 1.0)) == pytest.approx(float(flat))
    assert float(metrics.squared_mmd(np.zeros((3, 2)), np.full((3, 2), 1e6), 1.0)) == pytest.approx(
        2.0
    )


def test_permutation_test_is_calibrated_under_equality():
    rejected = 0
    for trial in range(400):
        x, y = clouds(25, 25, d=2, shift=0.0, seed=trial)
        rejected += metrics.permutation_test(x, y, 1.0, num_permutations=99, seed=trial) <= 0.05
    assert 0.03 <= rejected / 400 <= 0.07


def test_permutation_test_finds_a_difference_and_repeats_with_its_seed():
    x, y = clouds(40, 40, shift=1.0)
    assert metrics.permutation_test(x, y, 1.0, num_permutations=199, seed=0) == 1 / 200
    x, y = clouds(40, 40, shift=0.1)
    assert metrics.permutation_test(x, y, 1.0, seed=3) == metrics.permutation_test(
        x, y, 1.0, seed=3
    )


def test_median_bandwidth_is_the_median_of_distances():
    assert metrics.median_bandwidth(np.array([[0.0], [1.0]]), np.array([[3.0]])) == pytest.approx(
        2.0
    )
    # Six distances, 1, 1, 2, 3, 4 and 5: their median is 2.5, the root of that of squares 2.55.
    assert metrics.median_bandwidth(
        np.array([[0.0], [1.0]]), np.array([[2.0], [5.0]])
    ) == pytest.approx(2.5)
    with pytest.raises(ValueError, match="most pairs are equal"):
        metrics.median_bandwidth(np.array([[0.0]] * 4), np.array([[1.0]]))  # six of ten pairs
    copies = (
        np.array([[0.0]] * 3),
        np.array([[1.0]] * 2),
    )  # most samples are equal, but four of ten pairs only
    assert metrics.median_bandwidth(*copies) == pytest.approx(1.0)


def test_bandwidths_at_which_nothing_is_near_are_refused():
    x, y = clouds(d=10, shift=10.0)
    for test in (metrics.squared_mmd, metrics.permutation_test):
        with pytest.raises(ValueError, match="no two different samples are near.*median_bandwidth"):
            test(x, y, 0.02)
    assert metrics.permutation_test(x, y, metrics.median_bandwidth(x, y), seed=0) < 0.01
    # With the pairs of a sample with itself it is a distance still, though one that pulls nowhere.
    far = metrics.squared_mmd(np.array([[0.0]]), np.array([[9.0]]), 0.02, unbiased=False)
    assert float(far) == pytest.approx(2.0)


# Settings


@pytest.mark.parametrize(
    "name, value, call",
    [
        (
            "radius",
            np.nan,
            lambda points, **setting: metrics.covered_modes(points, points, **setting),
        ),
        (
            "confidence",
            None,
            lambda points, **setting: metrics.covered_classes(one_hot(np.arange(10)), **setting),
        ),
        (
            "num_subsets",
            1,
            lambda points, **setting: metrics.kernel_distance(points, points, **setting),
        ),
        (
            "num_neighbors",
            True,
            lambda points, **setting: metrics.precision_recall(points, points, **setting),
        ),
        (
            "num_permutations",
            0,
            lambda points, **setting: metrics.permutation_test(points, points, 1.0, **setting),
        ),
        (
            "num_relabellings",
            0.5,
            lambda points, **setting: metrics.memorization_test(points, points, points, **setting),
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(name, value, call):
    with pytest.raises(ValueError, match=f"received {name}={value}. It must be .* Leave out"):
        call(np.random.default_rng(0).normal(size=(50, 3)), **{name: value})


def test_too_few_samples_for_the_parts_are_told_of_num_subsets():
    features = np.random.default_rng(0).normal(size=(6, 3))
    with pytest.raises(ValueError, match="20 or more .* use fewer parts: num_subsets is 10"):
        metrics.kernel_distance(features, features)
