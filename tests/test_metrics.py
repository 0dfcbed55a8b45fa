"""Metrics against independent forms, values by hand, and the levels of the two tests."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import linalg, ndimage, stats
from scipy.spatial import distance

from gan_utils import autodiff, data, metrics

CENTERS = data.ring_centers()


# Modes and classes


def test_real_samples_cover_all_modes():
    points, _ = data.sample_modes(2000, CENTERS, scale=0.05, seed=0)
    covered, good = metrics.covered_modes(points, CENTERS, radius=0.15)
    assert covered == 8
    # Share of a round Gaussian within three deviations.
    assert good == pytest.approx(1 - np.exp(-4.5), abs=0.01)


def test_a_collapsed_cloud_covers_one_mode():
    points = np.repeat(CENTERS[:1], 100, axis=0)
    assert metrics.covered_modes(points, CENTERS, radius=0.1) == (1, 1.0)


def test_stray_points_do_not_cover_a_mode():
    points = np.concatenate([np.repeat(CENTERS[:1], 999, axis=0), CENTERS[1:2]])
    assert metrics.covered_modes(points, CENTERS, radius=0.1)[0] == 1


def test_points_between_the_modes_are_bad():
    assert metrics.covered_modes(np.zeros((10, 2)), CENTERS, radius=0.1) == (0, 0.0)


def one_hot(labels, confidence=1.0):
    probabilities = np.full((len(labels), 10), (1 - confidence) / 9)
    probabilities[np.arange(len(labels)), labels] = confidence
    return probabilities


def test_covered_classes_counts_clear_classes():
    labels = np.arange(200) % 10
    assert metrics.covered_classes(one_hot(labels)) == (10, 1.0)
    assert metrics.covered_classes(one_hot(labels % 3)) == (3, 1.0)
    assert metrics.covered_classes(one_hot(labels, confidence=0.5)) == (0, 0.0)
    unsure = one_hot(labels, confidence=0.8)
    assert metrics.covered_classes(unsure, confidence=0.9) == (0, 0.0)
    stray = np.zeros(1000, int)
    stray[:19] = 1  # below a fifth of the fair share of 100
    assert metrics.covered_classes(one_hot(stray))[0] == 1


@pytest.mark.parametrize("rows", [np.ones((5, 10)), [[1.5, -0.5]]])
def test_covered_classes_refuses_what_is_no_probability(rows):
    with pytest.raises(ValueError, match="received rows.*It expects probabilities.*Use the prob"):
        metrics.covered_classes(rows)


# Maximum mean discrepancy


def clouds(n=40, m=30, d=3, shift=0.5, seed=0):
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(n, d)), shift + random.normal(size=(m, d))
    return x.astype("float32"), y.astype("float32")


def naive_squared_mmd(x, y, bandwidths, unbiased):
    def kernel(a, b):
        return np.mean([np.exp(-np.sum((a - b) ** 2) / (2 * s * s)) for s in bandwidths])

    def mean_kernel(a, b, same):
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b))]
        kept = [(i, j) for i, j in pairs if not (same and unbiased and i == j)]
        return np.mean([kernel(a[i], b[j]) for i, j in kept])

    x, y = x.astype("float64"), y.astype("float64")
    return mean_kernel(x, x, True) + mean_kernel(y, y, True) - 2 * mean_kernel(x, y, False)


def gaussian_squared_mmd(var_x, var_y, shift, width, d):
    """Squared MMD of N(0, var_x I) and N(shift, var_y I) with a Gaussian kernel, in closed form."""

    def expected_kernel(shift, variance):
        total = width**2 + variance
        return (width**2 / total) ** (d / 2) * np.exp(-d * shift**2 / (2 * total))

    within = expected_kernel(0.0, 2 * var_x) + expected_kernel(0.0, 2 * var_y)
    return within - 2 * expected_kernel(shift, var_x + var_y)


def test_squared_mmd_by_hand():
    value = metrics.squared_mmd(np.array([[0.0]]), np.array([[1.0]]), 1.0, unbiased=False)
    assert float(value) == pytest.approx(2 - 2 * np.exp(-0.5), abs=1e-6)


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("bandwidths", [0.7, (0.3, 1.0, 3.0)])
def test_squared_mmd_is_the_naive_double_loop(unbiased, bandwidths):
    x, y = clouds()
    expected = naive_squared_mmd(x, y, np.ravel(bandwidths), unbiased)
    found = metrics.squared_mmd(x, y, bandwidths, unbiased=unbiased)
    assert float(found) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("unbiased", [True, False])
def test_squared_mmd_agrees_with_the_closed_form_of_two_gaussians(unbiased):
    n, width = 200, 1.0
    closed = gaussian_squared_mmd(1.0, 1.5, 0.6, width, 2)
    if not unbiased:  # the kernel of a sample with itself, 1, enters each mean once in n
        closed += sum((1 - width**2 / (width**2 + 2 * v)) / n for v in (1.0, 1.5))
    random, values = np.random.default_rng(0), []
    for _ in range(100):
        x, y = random.normal(size=(2, n, 2))
        y = 0.6 + np.sqrt(1.5) * y
        values.append(float(metrics.squared_mmd(x, y, width, unbiased=unbiased)))
    assert abs(np.mean(values) - closed) < 3 * np.std(values) / 10


def test_of_equal_clouds_the_biased_estimate_is_positive_the_unbiased_one_zero_on_average():
    values = {True: [], False: []}
    for seed in range(60):
        pair = clouds(50, 50, shift=0.0, seed=seed)
        for unbiased in values:
            values[unbiased].append(float(metrics.squared_mmd(*pair, 1.0, unbiased=unbiased)))
    assert min(values[False]) > 0
    assert abs(np.mean(values[True])) < 3 * np.std(values[True]) / np.sqrt(60)


def test_the_gradient_of_squared_mmd_is_that_of_finite_differences():
    x, y = clouds(6, 5)
    cloud = keras.Variable(x)
    _, _, (gradient,) = autodiff.value_and_gradients(
        lambda: (metrics.squared_mmd(cloud, y, (0.5, 1.5)), None), [cloud]
    )
    gradient, step = ops.convert_to_numpy(gradient), 1e-4
    for i, j in ((0, 0), (3, 2), (5, 1)):
        moved = [x.astype("float64").copy() for _ in range(2)]
        moved[0][i, j] -= step
        moved[1][i, j] += step
        ends = [naive_squared_mmd(v, y, (0.5, 1.5), True) for v in moved]
        assert gradient[i, j] == pytest.approx((ends[1] - ends[0]) / (2 * step), abs=1e-4)


def test_images_are_flat_vectors():
    images = np.random.default_rng(0).uniform(-1, 1, size=(8, 4, 4, 1))
    flat = images.reshape(8, 16)
    found = metrics.squared_mmd(images[:4], images[4:], 1.0)
    assert float(found) == pytest.approx(float(metrics.squared_mmd(flat[:4], flat[4:], 1.0)))


def test_distant_clouds_stay_finite():
    x, y = np.zeros((3, 2)), np.full((3, 2), 1e6)
    assert float(metrics.squared_mmd(x, y, 1.0)) == pytest.approx(2.0)


def test_median_bandwidth_of_an_odd_and_an_even_number_of_distances():
    assert metrics.median_bandwidth(np.array([[0.0], [1.0]]), np.array([[3.0]])) == 2.0
    # Distances 1, 2, 2, 3, 4, 5: the mean of the middle two. Of their squares it would be 2.55.
    x, y = np.array([[0.0], [1.0]]), np.array([[3.0], [5.0]])
    assert metrics.median_bandwidth(x, y) == pytest.approx(2.5)
    x, y = clouds(7, 5)
    expected = np.median(distance.pdist(np.concatenate([x, y])))
    assert metrics.median_bandwidth(x, y) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("x, y", [(np.zeros((5, 2)), np.zeros((5, 2))), ([[0.0]] * 9, [[3.0]])])
def test_median_bandwidth_refuses_clouds_of_copies(x, y):
    with pytest.raises(ValueError, match="half of all pairs are equal"):
        metrics.median_bandwidth(np.array(x), np.array(y))


def test_permutation_test_is_calibrated_under_equality():
    rejected = 0
    for trial in range(400):
        pair = clouds(25, 25, d=2, shift=0.0, seed=trial)
        p_value = metrics.permutation_test(*pair, 1.0, num_permutations=99, seed=trial)
        rejected += p_value <= 0.05
    assert 0.03 <= rejected / 400 <= 0.07


def test_permutation_test_finds_a_difference_and_repeats_with_its_seed():
    pair = clouds(40, 40, shift=1.0)
    assert metrics.permutation_test(*pair, 1.0, num_permutations=199, seed=0) == 1 / 200
    pair = clouds(40, 40, shift=0.1)
    first, second = (metrics.permutation_test(*pair, 1.0, seed=3) for _ in range(2))
    assert first == second


def test_a_bandwidth_at_which_no_pair_is_near_is_refused():
    x, y = clouds(20, 20, d=10, shift=10.0)
    for function in (metrics.squared_mmd, metrics.permutation_test):
        with pytest.raises(ValueError, match="no two different samples are near.*median_bandwidth"):
            function(x, y, 0.02)
        assert float(function(x, y, metrics.median_bandwidth(x, y))) <= 2.0


def test_a_training_step_with_such_a_bandwidth_runs():
    x, y = clouds(8, 8, d=10, shift=10.0)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(10)])
    model.compile("sgd", loss=lambda real, fake: metrics.squared_mmd(real, fake, 0.02))
    history = model.fit(x, y, batch_size=4, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("bandwidths", [0.0, -1.0, (1.0, np.nan), (), None, True, "wide"])
@pytest.mark.parametrize("function", [metrics.squared_mmd, metrics.permutation_test])
def test_bad_bandwidths_are_refused(function, bandwidths):
    with pytest.raises(ValueError, match="received bandwidths"):
        function(*clouds(), bandwidths)


# Fréchet distance


def test_frechet_distance_is_the_closed_form_on_a_line():
    # Scaled so that mean and deviation of the samples are exactly 0, 1 and 3, 2.
    x = np.random.default_rng(0).normal(size=500)
    x = (x - x.mean()) / x.std(ddof=1)
    assert metrics.frechet_distance(x[:, None], (3 + 2 * x)[:, None]) == pytest.approx(10.0)


@pytest.mark.parametrize("n, m", [(200, 200), (5, 5), (200, 5), (5, 8)])  # more or fewer than the 8
def test_frechet_distance_is_that_of_scipys_matrix_root(n, m):
    random = np.random.default_rng(1)
    x, y = random.normal(size=(n, 8)) @ random.normal(size=(8, 8)), random.normal(size=(m, 8))
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    with np.errstate(all="ignore"):
        root = np.real(linalg.sqrtm(a @ b))
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(a + b - 2 * root)
    assert metrics.frechet_distance(x, y) == pytest.approx(expected, rel=1e-4)


def test_frechet_distance_of_a_set_with_itself_is_zero_and_falls_with_n():
    random = np.random.default_rng(2)
    x = random.normal(size=(300, 16))
    assert abs(metrics.frechet_distance(x, x)) < 1e-8
    pairs = (random.normal(size=(2, n, 16)) for n in (50, 200, 800, 3200))
    values = [metrics.frechet_distance(*pair) for pair in pairs]
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
    pairs = (random.normal(size=(2, 200, 8)) for _ in range(200))
    estimates, lows, highs = np.transpose([metrics.kernel_distance(*pair) for pair in pairs])
    assert abs(estimates.mean()) < 3 * estimates.std() / np.sqrt(200)
    assert np.mean((lows <= 0) & (0 <= highs)) >= 0.93
    assert (estimates < 0).any()


def test_the_interval_holds_the_true_distance_at_its_level():
    random = np.random.default_rng(1)

    def draw(n):
        return random.normal(size=(n, 4)), 0.5 + random.normal(size=(n, 4))

    true = np.mean([metrics.kernel_distance(*draw(4000), num_subsets=2)[0] for _ in range(10)])
    results = np.array([metrics.kernel_distance(*draw(300)) for _ in range(200)])
    assert np.mean((results[:, 1] <= true) & (true <= results[:, 2])) >= 0.9


def test_the_split_of_the_interval_follows_its_seed():
    x, y = np.random.default_rng(0).normal(size=(2, 60, 4))
    assert metrics.kernel_distance(x, y, seed=1) == metrics.kernel_distance(x, y, seed=1)
    assert metrics.kernel_distance(x, y, seed=1)[1] != metrics.kernel_distance(x, y, seed=2)[1]


def test_distances_grow_with_noise_and_blur():
    digits = data.load_mnist("test")[0][:2000]
    digits, other = digits[:1000], digits[1000:].reshape(1000, -1)[:, ::7]
    noise = np.random.default_rng(0).normal(size=digits.shape)
    noisy = [digits + sigma * noise for sigma in (0.0, 0.2, 0.4, 0.8)]
    widths = (0.0, 0.7, 1.4, 2.8)
    blurred = [ndimage.gaussian_filter(digits, (0, sigma, sigma, 0)) for sigma in widths]
    for worse in (noisy, blurred):
        features = [images.reshape(1000, -1)[:, ::7] for images in worse]
        kernels = [metrics.kernel_distance(other, f)[0] for f in features]
        for values in (kernels, [metrics.frechet_distance(other, f) for f in features]):
            assert values == sorted(values) and values[-1] > 2 * values[0]


@pytest.mark.parametrize("num_subsets", [1, 0, 2.5, None, "ten"])
def test_bad_numbers_of_subsets_are_refused(num_subsets):
    with pytest.raises(ValueError, match=f"num_subsets={num_subsets!r}.*Write num_subsets=10"):
        metrics.kernel_distance(*clouds(50, 50), num_subsets=num_subsets)


def test_too_few_samples_for_the_parts_name_the_parts():
    with pytest.raises(ValueError, match="20 or more along.*use fewer parts: num_subsets is 10"):
        metrics.kernel_distance(*clouds(6, 6))
    assert len(metrics.kernel_distance(*clouds(6, 6), num_subsets=3)) == 3


# Precision and recall


def naive_share_inside(points, region, k):
    radii = [np.sort(np.linalg.norm(region - center, axis=1))[k] for center in region]
    apart = distance.cdist(points, region)
    return np.mean([any(row <= radii) for row in apart])


def test_precision_and_recall_are_the_naive_form():
    random = np.random.default_rng(0)
    real, fake = random.normal(size=(60, 3)), 0.5 + 1.3 * random.normal(size=(60, 3))
    precision, recall = metrics.precision_recall(real, fake, num_neighbors=2)
    assert precision == pytest.approx(naive_share_inside(fake, real, 2))
    assert recall == pytest.approx(naive_share_inside(real, fake, 2))
    assert precision != recall


def test_precision_falls_for_strays_and_recall_for_a_missing_half():
    random = np.random.default_rng(0)
    sides = 20 * (np.arange(500) % 2)[:, None]
    real, same = random.normal(size=(2, 500, 2)) + sides
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


# Nearest neighbours and copies


def test_nearest_neighbors_agree_with_the_full_distance_matrix():
    random = np.random.default_rng(0)
    samples = random.uniform(-1, 1, size=(7, 4, 4, 1))
    references = random.uniform(-1, 1, size=(50, 4, 4, 1))
    matrix = distance.cdist(samples.reshape(7, 16), references.reshape(50, 16))
    indices, distances = metrics.nearest_neighbors(samples, references)
    np.testing.assert_array_equal(indices, matrix.argmin(axis=1))
    np.testing.assert_allclose(distances, matrix.min(axis=1), rtol=1e-6)


def test_a_copy_has_distance_zero():
    references = np.random.default_rng(0).normal(size=(20, 3))
    indices, distances = metrics.nearest_neighbors(references[[4, 11]], references)
    assert indices.tolist() == [4, 11] and distances.tolist() == [0.0, 0.0]


def test_nearest_neighbors_of_many_parts_are_those_of_one(monkeypatch):
    random = np.random.default_rng(0)
    samples, references = random.normal(size=(40, 5)), random.normal(size=(60, 5))
    whole = metrics.nearest_neighbors(samples, references)

    def sevens(array, columns=0):
        return [array[i : i + 7] for i in range(0, len(array), 7)]

    monkeypatch.setattr(metrics, "_parts", sevens)
    for part, expected in zip(metrics.nearest_neighbors(samples, references), whole):
        np.testing.assert_array_equal(part, expected)


def test_all_copies_are_found_and_the_values_have_names():
    random = np.random.default_rng(0)
    train, held_out = random.normal(size=(800, 6)), random.normal(size=(200, 6))
    found = metrics.memorization_test(train[:100] + 1e-3, train, held_out)
    assert found._fields == ("share", "expected", "low", "high", "p_value")
    assert found.share == 1.0 and found.expected == 0.8 and found.p_value == 1 / 1001
    # Each copy has a nearest image of its own, so a deal is a draw without putting back.
    ends = stats.hypergeom.ppf((0.025, 0.975), 1000, 800, 100) / 100
    assert (found.low, found.high) == pytest.approx(ends, abs=0.011)


def test_a_fifth_of_copies_is_found():
    random = np.random.default_rng(1)
    train, held_out = random.normal(size=(800, 6)), random.normal(size=(400, 6))
    fakes = np.concatenate([train[:100] + 1e-3, random.normal(size=(400, 6))])
    assert metrics.memorization_test(fakes, train, held_out).p_value < 0.01


def test_honest_fakes_that_share_neighbors_are_accused_at_the_level():
    random, p_values, tosses = np.random.default_rng(0), [], []
    for _ in range(300):
        train, held_out = random.normal(size=(100, 2)), random.normal(size=(50, 2))
        fakes = 0.4 * random.normal(size=(200, 2))  # 200 fakes among about 20 real points
        found = metrics.memorization_test(fakes, train, held_out, num_relabellings=199)
        p_values.append(found.p_value)
        tosses.append(stats.binom.sf(round(200 * found.share) - 1, 200, found.expected))
    assert 0.01 <= np.mean(np.array(p_values) <= 0.05) <= 0.1
    # As if each fake were drawn apart: what this test replaces.
    assert np.mean(np.array(tosses) <= 0.05) > 0.15


def small_frogs():
    train, held_out = (data.load_frogs(split)[0] for split in ("train", "test"))
    return train[:400, ::4, ::4], held_out[:200, ::4, ::4]


def test_mirrored_copies_are_found_with_mirrors_and_missed_without():
    train, held_out = small_frogs()
    copies = train[:100, :, ::-1]
    plain = metrics.memorization_test(copies, train, held_out)
    found = metrics.memorization_test(copies, train, held_out, mirror=True)
    assert plain.share < 0.85 and plain.p_value > 0.01
    assert found.share == 1.0 and found.p_value == 1 / 1001


@pytest.mark.parametrize("mirror", [False, True])
def test_held_out_images_are_compared_with_the_others(mirror):
    train, held_out = small_frogs()
    found = metrics.memorization_test(held_out, train, held_out, mirror=mirror)
    assert found.expected == pytest.approx(400 / 599)  # each frog against the others
    sides = (lambda x: x), (lambda x: x[:, :, ::-1])
    flat = [side(held_out).reshape(200, -1) for side in sides[: 1 + mirror]]
    others = np.min([distance.cdist(flat[0], f) for f in flat], axis=0) + 1e9 * np.eye(200)
    flat_train = [side(train).reshape(400, -1) for side in sides[: 1 + mirror]]
    nearest = np.min([distance.cdist(flat[0], f).min(axis=1) for f in flat_train], axis=0)
    assert found.share == pytest.approx(np.mean(nearest < others.min(axis=1)), abs=0.006)
    assert found.p_value > 0.01


PICTURES = np.random.default_rng(0).uniform(-1, 1, (6, 4, 4, 1)).astype("float32")


@pytest.mark.parametrize(
    "wrong, words",
    [
        (np.zeros((6, 4, 4, 1), "uint8"), "of dtype uint8.*normalize"),
        (PICTURES * 255, "with values from"),
        (PICTURES + 0.2, "with values from"),
    ],
)
def test_images_of_another_range_are_refused(wrong, words):
    for pair in ((wrong, PICTURES), (PICTURES, wrong)):
        with pytest.raises(ValueError, match=f"nearest_neighbors.*{words}"):
            metrics.nearest_neighbors(*pair)
    for trio in ((wrong, PICTURES, PICTURES), (PICTURES, wrong, PICTURES)):
        with pytest.raises(ValueError, match=f"memorization_test.*{words}"):
            metrics.memorization_test(*trio)
    with pytest.raises(ValueError, match=f"memorization_test.*as held_out.*{words}"):
        metrics.memorization_test(PICTURES, PICTURES, wrong)


# Bad input of all


GOOD = np.random.default_rng(0).normal(size=(40, 3))
CALLS = {
    "covered_modes": lambda x: metrics.covered_modes(x, GOOD, radius=0.1),
    "covered_classes": metrics.covered_classes,
    "squared_mmd": lambda x: metrics.squared_mmd(x, GOOD, 1.0),
    "median_bandwidth": lambda x: metrics.median_bandwidth(GOOD, x),
    "permutation_test": lambda x: metrics.permutation_test(x, GOOD, 1.0),
    "frechet_distance": lambda x: metrics.frechet_distance(GOOD, x),
    "kernel_distance": lambda x: metrics.kernel_distance(x, GOOD),
    "precision_recall": lambda x: metrics.precision_recall(GOOD, x),
    "memorization_test": lambda x: metrics.memorization_test(GOOD, GOOD, x),
    "nearest_neighbors": lambda x: metrics.nearest_neighbors(x, GOOD),
}
BAD = {
    "wider": GOOD[:, :2],
    "flat": GOOD[0],
    "NaN": np.where(GOOD > 2, np.nan, GOOD),
    "infinite": np.full((40, 3), np.inf),
    "empty": np.zeros((0, 3)),
    "strings": np.full((40, 3), "a"),
    "string": "digits",
    "None": None,
    "bools": GOOD > 0,
    "bool": True,
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", CALLS)
def test_what_does_not_fit_is_refused_in_three_parts(name, bad):
    if (name, bad) == ("covered_classes", "wider"):
        pytest.skip("any number of classes fits")
    with pytest.raises(ValueError) as caught:
        CALLS[name](BAD[bad])
    message = str(caught.value)
    assert message.startswith(f"{name}() received ") and "It expects" in message
    assert len(message.split("It expects")[1].split(". ")) >= 2, "a remedy follows"


@pytest.mark.parametrize(
    "name, smallest", [("frechet_distance", 2), ("precision_recall", 4), ("squared_mmd", 2)]
)
def test_too_few_samples_are_refused(name, smallest):
    with pytest.raises(ValueError, match=rf"{name}\(\) received.*{smallest} or more .*draw more"):
        CALLS[name](GOOD[: smallest - 1])
