"""Numbers that judge samples without a person looking at them."""

import collections

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree

from gan_utils import checks, images


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
        ValueError: if the shape does not fit, there are no rows, or a value is NaN.

    Source: the count of Metz et al. 2016, arXiv:1611.02163, section 3.3, with a threshold as in
    `covered_modes`. Taught in: `08_measuring_gans`.
    """
    rows = checks.check_array("covered_classes()", "probabilities", probabilities, (None, None))
    return _count_covered(rows.argmax(axis=1), rows.max(axis=1) >= confidence, rows.shape[1])


def _count_covered(modes, good, num_modes):
    """Modes with a fifth of their fair share of good samples, and the share of good ones."""
    counts = np.bincount(modes[good], minlength=num_modes)
    return int((counts >= 0.2 * len(good) / num_modes).sum()), float(good.mean())


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
    features = real_features, fake_features
    real, fake = _check_features("precision_recall()", *features, num_neighbors + 1)
    return _share_inside(fake, real, num_neighbors), _share_inside(real, fake, num_neighbors)


def coverage(real_features, fake_features, *, num_neighbors=5):
    """Share of the balls around real samples, up to the k-th nearest other one, that hold a fake.

    Args:
        real_features: `(n, d)`, float, n above `num_neighbors`.
        fake_features: `(m, d)`, float, m above `num_neighbors`; use n = m.
        num_neighbors: k.

    Returns:
        A float in [0, 1]. For equal distributions and m = n large it is `1 - 2 ** -k`: 0.97 for 5.

    Raises:
        ValueError: if the features do not fit.

    Source: Naeem et al. 2020, arXiv:2002.09797, equation 5. Taught in: `08_measuring_gans`.
    """
    real, fake = _check_features("coverage()", real_features, fake_features, num_neighbors + 1)
    to_fake = [squared_distances(part, fake).min(axis=1) for part in _parts(real)]
    return float(np.mean(np.concatenate(to_fake) <= _squared_radii(real, num_neighbors)))


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
    pool = np.concatenate([references, references[:, :, ::-1]]) if mirror else references
    pool, flat = pool.reshape(len(pool), -1), samples.reshape(len(samples), -1)
    squares, indices = np.square(pool).sum(axis=1), []
    for part in _parts(np.arange(len(flat)), len(pool)):
        # The length of the sample itself does not change which reference is nearest.
        scores = squares - 2.0 * flat[part] @ pool.T
        if excluded is not None:
            of_sides = scores.reshape(len(part), -1, len(references))
            of_sides[np.arange(len(part)), :, excluded[part]] = np.inf
        indices.append(scores.argmin(axis=1))
    indices = np.concatenate(indices)
    # Once more without the rounding of the sum above, so that a copy has distance 0.
    return indices % len(references), np.linalg.norm(flat - pool[indices], axis=1)


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
    radii = _squared_radii(region, k)
    inside = [(squared_distances(part, region) <= radii).any(axis=1) for part in _parts(points)]
    return float(np.mean(np.concatenate(inside)))


def _squared_radii(samples, k):
    """Squared distance of each sample to its k-th nearest other one."""
    # The nearest sample of a sample is itself: index k counts k others.
    radii = [np.partition(squared_distances(part, samples), k)[:, k] for part in _parts(samples)]
    # Rounding must not push a copy out of a ball of radius 0.
    return np.concatenate(radii) + 1e-9 * np.mean(np.sum(samples * samples, axis=1))


def squared_distances(x, y):
    """Squared Euclidean distances between rows: `(n, d)`, `(m, d)` -> `(n, m)`, NumPy arrays."""
    squares = np.sum(x * x, axis=1)[:, None] + np.sum(y * y, axis=1)
    return np.maximum(squares - 2.0 * x @ y.T, 0.0)


def _parts(array, columns=5000):
    """Consecutive rows, so few that a float64 matrix with this many columns stays near 40 MB."""
    rows = max(1, 5_000_000 // columns)
    return [array[i : i + rows] for i in range(0, len(array), rows)]


def _check_features(caller, real, fake, smallest, remedy="Use one network, or draw more."):
    shape, options = (None, None), {"smallest": smallest, "remedy": remedy}
    real = checks.check_array(caller, "real_features", real, shape, **options)
    fake = checks.check_array(caller, "fake_features", fake, (None, real.shape[1]), **options)
    return real.astype("float64"), fake.astype("float64")
