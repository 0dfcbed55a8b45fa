import numpy as np
import pytest
from scipy import linalg, ndimage, stats

from gan_utils import data, metrics

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


# Coverage


def test_coverage_by_hand():
    # Balls to the nearest other: 1 around 0 and 1, 3 around 4, 6 around 10. At 2 and 3 stand fakes.
    real, fake = np.array([[0.0], [1], [4], [10]]), np.array([[2.0], [3]])
    assert metrics.coverage(real, fake, num_neighbors=1) == 0.5  # 1 and 4; a border belongs to it


def test_coverage_is_the_naive_form():
    random = np.random.default_rng(0)
    real, fake = random.normal(size=(60, 3)), 0.5 + 1.3 * random.normal(size=(40, 3))
    radii = [np.sort(np.linalg.norm(real - center, axis=1))[5] for center in real]
    hit = [np.linalg.norm(fake - c, axis=1).min() <= r for c, r in zip(real, radii)]
    assert metrics.coverage(real, fake) == pytest.approx(np.mean(hit))
    assert 0.1 < np.mean(hit) < 0.9


@pytest.mark.parametrize("num_features", [2, 100])
def test_coverage_of_equal_distributions_is_the_closed_form_on_average(num_features):
    random = np.random.default_rng(1)
    pairs = [random.normal(size=(2, 200, num_features)) for _ in range(40)]
    for k in (1, 3):
        values = [metrics.coverage(*pair, num_neighbors=k) for pair in pairs]
        assert abs(np.mean(values) - (1 - 2**-k)) < 4 * np.std(values) / np.sqrt(40) + 0.005


def test_coverage_of_itself_is_one_and_of_a_half_one_half():
    real = np.random.default_rng(2).normal(size=(300, 2)) + 20 * (np.arange(300) % 2)[:, None]
    assert metrics.coverage(real, real) == 1.0
    assert metrics.coverage(np.full((10, 3), 0.1), np.full((10, 3), 0.1)) == 1.0
    assert metrics.coverage(real, real[::2]) == 0.5


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


def test_too_few_samples_for_the_parts_are_told_of_num_subsets():
    features = np.random.default_rng(0).normal(size=(6, 3))
    with pytest.raises(ValueError, match="20 or more.* use fewer parts: num_subsets is 10"):
        metrics.kernel_distance(features, features)
