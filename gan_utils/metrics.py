"""Numbers that judge samples without a person looking at them, and distances between two clouds."""

import collections
import numbers

import numpy as np
from keras import ops
from scipy import stats
from scipy.spatial import cKDTree

from gan_utils import checks, images

BANDWIDTH = "Take one from metrics.median_bandwidth(x, y)."


def covered_modes(points, centers, *, radius):
    """Modes that a generator reaches, and the share of its good samples.

    A point is good when its nearest centre lies within `radius`. A mode is covered when at least a
    fifth of its fair share of all points, `0.2 * n / num_modes`, are good and belong to it.

    Args:
        points: `(n, d)`, float.
        centers: `(num_modes, d)`, float.
        radius: distance up to which a point belongs to a mode; three standard deviations of the
            modes is usual.

    Returns:
        `(covered, good_share)`: an int in 0..num_modes and a float in [0, 1].

    Raises:
        ValueError: if shapes do not fit, there are no points, or a coordinate is NaN.

    Differs from the paper: Metz et al. 2016, arXiv:1611.02163, count a mode from its first good
    sample on; one stray point in thousands should not count. Taught in: `05_training_failures`.
    """
    caller = "covered_modes()"
    _check_number(caller, "radius", radius, 0.0, numbers.Real)
    centers = checks.check_array(caller, "centers", centers, (None, None))
    points = checks.check_array(caller, "points", points, (None, centers.shape[1]))
    distances, nearest = cKDTree(centers).query(points)
    return _count_covered(nearest, distances <= radius, len(centers))


def covered_classes(probabilities, *, confidence=0.6):
    """Classes that a generator reaches, counted by a classifier, and its share of clear samples.

    A sample is clear when the classifier gives one class at least `confidence`. A class is covered
    when at least a fifth of its fair share of all samples, `0.2 * n / num_classes`, are clear and
    belong to it. The course's digit classifier was trained with softened labels and is seldom sure:
    99 % of real test digits are clear with 0.6, 79 % with 0.9.

    Args:
        probabilities: `(n, num_classes)`, float, of a classifier; the rows add up to 1.
        confidence: in (0, 1).

    Returns:
        `(covered, clear_share)`: an int in 0..num_classes and a float in [0, 1].

    Raises:
        ValueError: if the rows are no probabilities.

    Source: the count of Metz et al. 2016, arXiv:1611.02163, section 3.3, with a threshold as in
    `covered_modes`. Taught in: `05_training_failures`.
    """
    caller, remedy = "covered_classes()", "Use what features.classify(images, name) returns."
    _check_number(caller, "confidence", confidence, 0.0, numbers.Real)
    rows = checks.check_array(caller, "probabilities", probabilities, (None, None), remedy=remedy)
    fits = rows.min() >= 0.0 and np.allclose(rows.sum(axis=1), 1.0, atol=1e-3)
    passed = f"{caller} received rows that do not add up to 1, or a value below 0."
    checks.require(fits, passed, "It expects probabilities (n, num_classes).", remedy)
    return _count_covered(rows.argmax(axis=1), rows.max(axis=1) >= confidence, rows.shape[1])


def _count_covered(modes, good, num_modes):
    """Modes with a fifth of their fair share of good samples, and the share of good ones."""
    counts = np.bincount(modes[good], minlength=num_modes)
    return int((counts >= 0.2 * len(good) / num_modes).sum()), float(good.mean())


def squared_mmd(x, y, bandwidths, *, unbiased=True):
    """Squared maximum mean discrepancy: `mean k(x, x') + mean k(y, y') - 2 mean k(x, y)`.

    The kernel is a mean of Gaussians, `k(a, b) = mean over s of exp(-|a - b|^2 / (2 s^2))`.

    Args:
        x: `(n, ...)`, float; images are taken as flat vectors.
        y: `(m, ...)`, float, of the same inner shape.
        bandwidths: the widths s, a float or several, in the unit of the samples.
        unbiased: leave out the pairs of a sample with itself. The estimate is right on average
            then, and can be below 0.

    Returns:
        Scalar tensor that can be differentiated. For x = (0), y = (1), bandwidth 1 and
        `unbiased=False` it is `2 - 2 exp(-1/2) = 0.7869`.

    Raises:
        ValueError: if the inner shapes differ, a bandwidth is not positive, or a cloud has fewer
            samples than the estimate needs. Outside of a compiled step the unbiased one is also
            refused if no two samples are near at these bandwidths: it then says nothing.

    Source: Gretton et al. 2012, Journal of Machine Learning Research 13, equations 3 and 5. Taught
    in: `07_generative_matching`.
    """
    x, y = _check_clouds("squared_mmd()", x, y, 2 if unbiased else 1)
    xx, yy, xy = (_kernel(*pair, bandwidths) for pair in ((x, x), (y, y), (x, y)))
    # The kernel of a sample with itself is 1. Sizes may be unknown until a compiled step runs.
    n, m = (ops.cast(ops.shape(cloud)[0], "float32") for cloud in (x, y))
    within_x, within_y, between = ops.sum(xx) - n, ops.sum(yy) - m, ops.sum(xy)
    if unbiased:
        _check_near("squared_mmd()", within_x + within_y + between)
        within = within_x / (n * (n - 1.0)) + within_y / (m * (m - 1.0))
    else:
        within = ops.mean(xx) + ops.mean(yy)
    return within - 2.0 * between / (n * m)


def median_bandwidth(x, y):
    """Median distance between two samples of the clouds together, a usual bandwidth of a kernel.

    Args:
        x: `(n, ...)`, float.
        y: `(m, ...)`, float, of the same inner shape.

    Returns:
        A float, in the unit of the samples. For x = (0, 1) and y = (3) it is 2.

    Raises:
        ValueError: if the inner shapes differ, a cloud is empty, or more than half of all pairs are
            pairs of equal samples.

    Source: Gretton et al. 2012, section 8. Taught in: `07_generative_matching`.
    """
    x, y = (ops.convert_to_numpy(cloud) for cloud in _check_clouds("median_bandwidth()", x, y, 1))
    both = np.concatenate([x, y])
    distances = np.sqrt(squared_distances(both, both))[np.triu_indices(len(both), k=1)]
    passed = "median_bandwidth() received clouds in which most pairs are equal."
    remedy = "Give a bandwidth of your own, or look why the samples are copies."
    median = float(np.median(distances)) if distances.size else 0.0
    checks.require(median > 1e-6, passed, "It expects samples that differ.", remedy)
    return median


def permutation_test(x, y, bandwidths, *, num_permutations=200, seed=None):
    """Two-sample test: could both clouds come from one distribution?

    The unbiased squared MMD of the clouds is compared with its values after the samples were dealt
    out anew at random.

    Args:
        x: `(n, ...)`, float, n at least 2.
        y: `(m, ...)`, float, of the same inner shape, m at least 2.
        bandwidths: as in `squared_mmd`; chosen without looking at which sample is of which cloud.
        num_permutations: how often the samples are dealt out.
        seed: int or None.

    Returns:
        The p-value, a float in (0, 1]: the share of deals, the real one counted, with at least the
        measured distance.

    Raises:
        ValueError: as `squared_mmd`.

    Source: Gretton et al. 2012, section 5; the count that includes the real deal: Phipson and Smyth
    2010, arXiv:1603.05766. Taught in: `07_generative_matching`.
    """
    _check_number("permutation_test()", "num_permutations", num_permutations, 1)
    x, y = _check_clouds("permutation_test()", x, y, 2)
    both, n = ops.concatenate([x, y]), x.shape[0]
    kernel = np.array(ops.convert_to_numpy(_kernel(both, both, bandwidths)), "float64")
    np.fill_diagonal(kernel, 0.0)
    _check_near("permutation_test()", kernel.sum())
    total, random = len(kernel), np.random.default_rng(seed)
    # One row a deal: 1 where a sample is dealt to x. The first row is the real deal.
    dealt = np.zeros((num_permutations + 1, total))
    dealt[0, :n] = 1.0
    for row in dealt[1:]:
        row[random.permutation(total)[:n]] = 1.0
    rest, m = 1.0 - dealt, total - n
    pairs = (dealt, dealt), (rest, rest), (dealt, rest)
    xx, yy, xy = (np.sum((a @ kernel) * b, axis=1) for a, b in pairs)
    values = xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2.0 * xy / (n * m)
    # The tolerance counts deals that only rounding makes smaller, among them the real one.
    return float(np.mean(values >= values[0] - 1e-12))


def _kernel(x, y, bandwidths):
    # |x - y|^2 = |x|^2 + |y|^2 - 2 x.y: one matrix product instead of n m differences in memory.
    squares = ops.sum(ops.square(x), axis=1)[:, None] + ops.sum(ops.square(y), axis=1)[None, :]
    squared = ops.maximum(squares - 2.0 * ops.matmul(x, ops.transpose(y)), 0.0)
    widths = checks.check_array("squared_mmd()", "bandwidths", np.ravel(bandwidths), (None,))
    passed = f"squared_mmd() received bandwidths={bandwidths}."
    checks.require(widths.min() > 0.0, passed, "They must be above 0.", BANDWIDTH)
    return sum(ops.exp(-squared / (2.0 * float(s) ** 2)) for s in widths) / len(widths)


def _check_clouds(caller, x, y, smallest):
    """Both clouds as float32 tensors `(n, d)`; the values of tensors are not looked at."""
    clouds = []
    for name, cloud in (("x", x), ("y", y)):
        if not checks.is_tensor(cloud):
            options = {"smallest": smallest, "remedy": "Look for NaN, or draw more."}
            cloud = checks.check_array(caller, name, cloud, (None, ...), **options)
        clouds.append(ops.convert_to_tensor(cloud, "float32"))
    shapes = [tuple(cloud.shape) for cloud in clouds]
    fits = shapes[0][1:] == shapes[1][1:] and all(s[0] is None or s[0] >= smallest for s in shapes)
    passed = f"{caller} received clouds of shape {shapes[0]} and {shapes[1]}."
    expected = f"It expects one inner shape and at least {smallest} samples of each."
    checks.require(fits, passed, expected, "Reshape one of them, or draw more.")
    return [ops.reshape(cloud, (-1, int(np.prod(cloud.shape[1:])))) for cloud in clouds]


def _check_near(caller, nearness):
    """Refuse bandwidths at which no two different samples are near; a compiled step cannot know."""
    try:
        nearness = float(nearness)
    except Exception:  # each backend has its own error for a value that is not known yet
        return
    passed = f"{caller} received bandwidths at which no two different samples are near."
    expected = "It expects bandwidths like the distances: this estimate holds no information."
    checks.require(nearness > 1e-6, passed, expected, BANDWIDTH)


def frechet_distance(real_features, fake_features):
    """Fréchet distance of two Gaussians: `|m_r - m_f|^2 + tr(C_r + C_f - 2 (C_r C_f)^(1/2))`.

    The Gaussians have the means and covariances of the features. The estimate is biased: with fewer
    samples it is larger, also for equal distributions. With Inception features it is the FID.

    Args:
        real_features: `(n, d)`, float, n at least 2.
        fake_features: `(m, d)`, float, m at least 2.

    Returns:
        A float, at least 0 up to rounding. Between N(0, 1) and N(3, 4) it is `9 + (2 - 1)^2 = 10`.

    Raises:
        ValueError: if the features do not fit.

    Source: Heusel et al. 2017, arXiv:1706.08500, equation 6. Taught in: `08_measuring_gans`.
    """
    real, fake = _check_features("frechet_distance()", real_features, fake_features, 2)
    shift = np.sum((real.mean(axis=0) - fake.mean(axis=0)) ** 2)
    # C = X' X of the centred features X: tr((C_r C_f)^(1/2)) is the sum of the singular values of
    # X_r X_f'. Any X with this C does, so that of more samples than features is made square.
    roots = []
    for features in (real, fake):
        root = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
        roots.append(np.linalg.qr(root, mode="r") if len(root) > root.shape[1] else root)
    mixed = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    return float(shift + sum(np.sum(root**2) for root in roots) - 2.0 * mixed)


def kernel_distance(real_features, fake_features, *, num_subsets=10, seed=0):
    """Kernel distance: unbiased squared mean discrepancy with the kernel `(x . y / d + 1)^3`.

    With Inception features it is the KID. The interval is Student's, 95 %, from the spread of the
    same estimate over `num_subsets` parts of the samples that share no sample.

    Args:
        real_features: `(n, d)`, float, n at least `2 * num_subsets`.
        fake_features: `(m, d)`, float, m at least `2 * num_subsets`.
        num_subsets: parts for the interval, at least 2.
        seed: of the split into parts.

    Returns:
        `(estimate, low, high)`, floats. For equal distributions the estimate is 0 on average, so it
        can be negative.

    Raises:
        ValueError: if the features do not fit, or there are too few for the parts.

    Source: Binkowski et al. 2018, arXiv:1801.01401, section 4. Differs from the paper: all samples
    make the estimate, and the subsets, which are disjoint here so that the interval is valid, only
    the interval. Taught in: `08_measuring_gans`.
    """
    _check_number("kernel_distance()", "num_subsets", num_subsets, 2)
    remedy = f"Measure more samples, or use fewer parts: num_subsets is {num_subsets}, at least 2."
    features = real_features, fake_features
    real, fake = _check_features("kernel_distance()", *features, 2 * num_subsets, remedy)
    random = np.random.default_rng(seed)
    real, fake = random.permutation(real), random.permutation(fake)
    pairs = zip(np.array_split(real, num_subsets), np.array_split(fake, num_subsets))
    parts = [_polynomial_mmd(*pair) for pair in pairs]
    half = stats.t.ppf(0.975, num_subsets - 1) * np.std(parts, ddof=1) / np.sqrt(num_subsets)
    estimate = _polynomial_mmd(real, fake)
    return estimate, estimate - half, estimate + half


def precision_recall(real_features, fake_features, *, num_neighbors=3):
    """Precision: share of fakes in the region of the real samples. Recall: the other way round.

    The region of a set is the union of the balls around its samples that reach to the k-th nearest
    other sample of the set.

    Args:
        real_features: `(n, d)`, float, n above `num_neighbors`.
        fake_features: `(m, d)`, float, m above `num_neighbors`; use n = m, the regions grow with
            fewer samples.
        num_neighbors: k.

    Returns:
        `(precision, recall)`, floats in [0, 1].

    Raises:
        ValueError: if the features do not fit.

    Source: Kynkäänniemi et al. 2019, arXiv:1904.06991, equations 1 and 2. Taught in:
    `08_measuring_gans`.
    """
    _check_number("precision_recall()", "num_neighbors", num_neighbors, 1)
    features = real_features, fake_features
    real, fake = _check_features("precision_recall()", *features, num_neighbors + 1)
    return _share_inside(fake, real, num_neighbors), _share_inside(real, fake, num_neighbors)


# What `memorization_test` returns: share of fakes whose nearest real image is a training image, the
# same of new images, the interval of 95 % of the relabellings, share of those with as much.
Memorization = collections.namedtuple("Memorization", "share expected low high p_value")


def memorization_test(fakes, train, held_out, *, mirror=False, num_relabellings=1000, seed=0):
    """Test for copies: do fakes lie nearer to the training images than new images would?

    The nearest real image of each fake is looked up among training and held-out images together.
    New images know no difference between both, so the share is compared with those after the
    labels "training" and "held-out" were dealt out anew at random over all real images, which is
    right also where many fakes share one nearest image. It finds many copies only: of 1,000 digits
    against 42,000 training and 7,000 held-out ones, 20 % copies gave a p-value below 0.05 in 5 of 8
    trials, 10 % in 1, 5 % in none. It is not the test of Meehan et al. 2020 (arXiv:2004.05675).

    For a fake that is itself a held-out image, as when real images are measured, the nearest other
    image counts.

    Args:
        fakes: `(n, ...)`, float; images in [-1, 1].
        train: `(n_train, ...)`, float: what the generator was trained on.
        held_out: `(n_held_out, ...)`, float: of the same distribution, never trained on.
        mirror: compare with the left-right mirror of each real image too, for a generator that was
            trained on both.
        num_relabellings: how often the labels are dealt out anew.
        seed: of the deals.

    Returns:
        `Memorization`.

    Raises:
        ValueError: if the shapes differ, a set is empty or images leave [-1, 1].

    Taught in: `08_measuring_gans`.
    """
    sets = {"fakes": fakes, "train": train, "held_out": held_out}
    fakes, train, held_out = _check_samples("memorization_test()", sets)
    _check_number("memorization_test()", "num_relabellings", num_relabellings, 1)
    passed = f"memorization_test() received mirror={mirror} and samples of shape {fakes.shape}."
    expected = "It expects images (n, height, width, channels) to mirror."
    checks.require(not mirror or fakes.ndim == 4, passed, expected, "Leave mirror out.")
    pool, n = np.concatenate([train, held_out]), len(train)
    nearest, distances = _nearest_of(fakes, pool, mirror)
    itself = (distances == 0) & (nearest >= n)
    if itself.any():
        nearest[itself], _ = _nearest_of(fakes[itself], pool, mirror, nearest[itself])
    images_hit, counts = np.unique(nearest, return_counts=True)
    share = counts[images_hit < n].sum() / len(fakes)
    # The labels of the images that were hit, dealt out from those of the whole pool.
    random, num_others = np.random.default_rng(seed), len(held_out) - round(itself.mean())
    ranks = random.random((num_relabellings, len(counts))).argsort(axis=1).argsort(axis=1)
    num_hit = random.hypergeometric(n, num_others, len(counts), num_relabellings)
    dealt = (ranks < num_hit[:, None]) @ counts / len(fakes)
    p_value = (1 + np.sum(dealt >= share - 1e-12)) / (num_relabellings + 1)
    low, high = np.quantile(dealt, (0.025, 0.975))
    return Memorization(*map(float, (share, n / (n + num_others), low, high, p_value)))


def nearest_neighbors(samples, references):
    """The most similar reference of each sample, by Euclidean distance between all pixels.

    Args:
        samples: `(n, ...)`, float; images in [-1, 1].
        references: `(m, ...)`, float, of the same inner shape.

    Returns:
        `(indices, distances)`: `(n,)`, int, into `references`, and `(n,)`, float32. A sample copied
        from the references has distance 0.

    Raises:
        ValueError: if the inner shapes differ, one of the sets is empty or images leave [-1, 1].

    Taught in: `02_vanilla_gan`.
    """
    sets = {"samples": samples, "references": references}
    return _nearest_of(*_check_samples("nearest_neighbors()", sets), False)


def _nearest_of(samples, references, mirror, excluded=None):
    """`nearest_neighbors` among references and their mirror images, without one for each sample."""
    flat = samples.reshape(len(samples), -1)
    found = []
    for side in (references, references[:, :, ::-1]) if mirror else (references,):
        side, indices = side.reshape(len(side), -1), []
        squares = np.square(side).sum(axis=1)
        for part in _parts(np.arange(len(flat)), len(side)):
            # The length of the sample itself does not change which reference is nearest.
            scores = squares - 2.0 * flat[part] @ side.T
            if excluded is not None:
                scores[np.arange(len(part)), excluded[part]] = np.inf
            indices.append(scores.argmin(axis=1))
        indices = np.concatenate(indices)
        # Once more without the rounding of the sum above, so that a copy has distance 0.
        found.append((indices, np.linalg.norm(flat - side[indices], axis=1)))
    nearer = np.argmin([distances for _, distances in found], axis=0)
    return tuple(np.choose(nearer, pair) for pair in zip(*found))


def _check_samples(caller, sets):
    """Float32 arrays of one inner shape; of images (four axes) the range is checked too."""
    shape, arrays = (None, ...), []
    for name, value in sets.items():
        array = checks.check_array(caller, name, value, shape)
        if array.ndim == 4:
            images.check_range(array, f"{caller}, as {name},", whole_set=True)
        shape = (None, *array.shape[1:])
        arrays.append(array.astype("float32", copy=False))
    return arrays


def _polynomial_mmd(x, y):
    """Unbiased squared MMD with the kernel `(x . y / d + 1)^3`."""

    def total(a, b):
        bases = (part @ b.T / a.shape[1] + 1.0 for part in _parts(a, len(b)))
        return sum(np.sum(base * base * base) for base in bases)  # twice as fast as ** 3

    def itself(a):
        return np.sum((np.sum(a * a, axis=1) / a.shape[1] + 1.0) ** 3)

    n, m = len(x), len(y)
    within_x, within_y = ((total(a, a) - itself(a)) / (len(a) * (len(a) - 1)) for a in (x, y))
    return float(within_x + within_y - 2.0 * total(x, y) / (n * m))


def _share_inside(points, region, k):
    """Share of points in the balls around `region` that reach to its k-th nearest other sample."""
    # The nearest sample of the region to itself is itself: index k counts k others.
    parts = [squared_distances(part, region) for part in _parts(region)]
    radii = np.concatenate([np.partition(part, k, axis=1)[:, k] for part in parts])
    # Rounding must not push a copy out of a ball of radius 0.
    radii = radii + 1e-9 * np.mean(np.sum(region * region, axis=1))
    inside = [(squared_distances(part, region) <= radii).any(axis=1) for part in _parts(points)]
    return float(np.mean(np.concatenate(inside)))


def squared_distances(x, y):
    """Squared Euclidean distances between rows: `(n, d)`, `(m, d)` -> `(n, m)`, NumPy arrays."""
    squares = np.sum(x * x, axis=1)[:, None] + np.sum(y * y, axis=1)
    return np.maximum(squares - 2.0 * x @ y.T, 0.0)


def _parts(array, columns=5000):
    """Consecutive rows, so few that a float64 matrix with this many columns stays near 40 MB."""
    rows = max(1, 5_000_000 // columns)
    return [array[i : i + rows] for i in range(0, len(array), rows)]


def _check_number(caller, name, value, least, kind=numbers.Integral):
    fits = isinstance(value, kind) and not isinstance(value, bool) and value >= least
    expected = f"It must be {'an int' if kind is numbers.Integral else 'a number'} from {least} up."
    passed, remedy = f"{caller} received {name}={value!r:.80}.", "Leave out what has a default."
    checks.require(fits, passed, expected, remedy)


def _check_features(caller, real, fake, smallest, remedy="Use one network, or draw more."):
    shape, options = (None, None), {"smallest": smallest, "remedy": remedy}
    real = checks.check_array(caller, "real_features", real, shape, **options)
    fake = checks.check_array(caller, "fake_features", fake, (None, real.shape[1]), **options)
    return real.astype("float64"), fake.astype("float64")
