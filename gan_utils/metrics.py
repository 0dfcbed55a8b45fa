"""Numbers that judge samples without a person looking at them."""

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree

from gan_utils import checks

SOFTMAX = "Use the probabilities of features.classify(images, name), or a softmax of the logits."


@checks.arguments(points=checks.array("n, d"), centers=checks.array("num_modes, d"), radius=checks.number(0.0))
def covered_modes(points, centers, *, radius):
    """Modes that a generator reaches, and the share of its good samples.

    A point is good when its nearest centre lies within `radius`. A mode is covered when at least a fifth of its fair share
    of all points, `0.2 * n / num_modes`, are good and belong to it.

    Args:
        points: `(n, d)`, float.
        centers: `(num_modes, d)`, float.
        radius: distance up to which a point belongs to a mode; three standard deviations of the modes is usual.

    Returns:
        `(covered, good_share)`: an int in 0..num_modes and a float in [0, 1].

    Raises:
        ValueError: if shapes do not fit, there are no points, or a coordinate is NaN.

    Differs from the paper: Metz et al. 2016, arXiv:1611.02163, count a mode from its first good sample on; one stray point
    in thousands should not count. Taught in: `07_generative_matching`.
    """
    distances, nearest = cKDTree(centers).query(points)
    good = distances <= radius
    return _count_covered(nearest, good, len(centers))


@checks.arguments(probabilities=checks.array("n, num_classes", remedy=SOFTMAX), confidence=checks.number(0.0, 1.0))
def covered_classes(probabilities, *, confidence=0.6):
    """Modes counted by a classifier: how many classes a generator reaches, and the share of its clear samples.

    A sample is clear when the classifier gives one class at least `confidence`. A class is covered when at least a fifth of its
    fair share of all samples, `0.2 * n / num_classes`, are clear and belong to it. The course's digit classifier was trained with
    softened labels and is seldom sure: 99 % of real test digits are clear with 0.6, 79 % with 0.9.

    Args:
        probabilities: `(n, num_classes)`, float, of a classifier; the rows add up to 1.
        confidence: in (0, 1).

    Returns:
        `(covered, clear_share)`: an int in 0..num_classes and a float in [0, 1].

    Raises:
        ValueError: if the rows are no probabilities.

    Source: the count of Metz et al. 2016, arXiv:1611.02163, section 3.3, with a threshold as in `covered_modes`. Taught in:
    `05_training_failures`.
    """
    fits = probabilities.min() >= 0.0 and np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-3)
    passed = f"covered_classes() received an array of shape {probabilities.shape} whose rows do not all add up to 1."
    checks.require(fits, passed, "It expects probabilities (n, num_classes), none below 0.", SOFTMAX)
    clear = probabilities.max(axis=1) >= confidence
    return _count_covered(probabilities.argmax(axis=1), clear, probabilities.shape[1])


def _count_covered(modes, good, num_modes):
    """Modes with good samples for at least a fifth of their fair share, and the share of good samples."""
    counts = np.bincount(modes[good], minlength=num_modes)
    return int((counts >= 0.2 * len(good) / num_modes).sum()), float(good.mean())


def frechet_distance(real_features, fake_features):
    """Fréchet distance of two Gaussians: `|m_r - m_f|^2 + tr(C_r + C_f - 2 (C_r C_f)^(1/2))`.

    The Gaussians have the means and covariances of the features. The estimate is biased: with fewer samples it is larger, also
    for equal distributions. With Inception features it is the FID.

    Args:
        real_features: `(n, d)`, float, n at least 2.
        fake_features: `(m, d)`, float, m at least 2.

    Returns:
        A float, at least 0 up to rounding. Between N(0, 1) and N(3, 4) it is `9 + (2 - 1)^2 = 10`.

    Raises:
        ValueError: if the features do not fit.

    Source: Heusel et al. 2017, arXiv:1706.08500, equation 6. Taught in: `08_measuring_gans`.
    """
    real, fake = _check_features("frechet_distance()", real_features, fake_features, smallest=2)
    real_covariance, fake_covariance = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (real, fake))
    # tr((A B)^(1/2)) is the sum of the roots of the eigenvalues of the symmetric matrix A^(1/2) B A^(1/2): no complex numbers,
    # and no trouble with fewer samples than features.
    values, vectors = np.linalg.eigh(real_covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    mixed = np.linalg.eigvalsh(root @ fake_covariance @ root)
    shift = np.sum((real.mean(axis=0) - fake.mean(axis=0)) ** 2)
    return float(shift + np.trace(real_covariance + fake_covariance) - 2.0 * np.sum(np.sqrt(np.maximum(mixed, 0.0))))


@checks.arguments(num_subsets=checks.whole(2, remedy="Use 10: each part needs two samples of each set."), seed=checks.seed())
def kernel_distance(real_features, fake_features, *, num_subsets=10, seed=0):
    """Kernel distance: unbiased squared maximum mean discrepancy with the kernel `(x . y / d + 1)^3`.

    With Inception features it is the KID. The interval is Student's, 95 %, from the spread of the same estimate over
    `num_subsets` parts of the samples that share no sample.

    Args:
        real_features: `(n, d)`, float, n at least `2 * num_subsets`.
        fake_features: `(m, d)`, float, m at least `2 * num_subsets`.
        num_subsets: parts for the interval, at least 2.
        seed: of the split into parts.

    Returns:
        `(estimate, low, high)`, floats. For equal distributions the estimate is 0 on average, so it can be negative.

    Raises:
        ValueError: if the features do not fit, or there are too few for the parts.

    Source: Binkowski et al. 2018, arXiv:1801.01401, section 4. Differs from the paper: all samples make the estimate, and the
    subsets, which are disjoint here so that the interval is valid, only the interval. Taught in: `08_measuring_gans`.
    """
    real, fake = _check_features("kernel_distance()", real_features, fake_features, smallest=2 * num_subsets)
    random = np.random.default_rng(seed)
    real, fake = random.permutation(real), random.permutation(fake)
    pairs = zip(np.array_split(real, num_subsets), np.array_split(fake, num_subsets))
    parts = [_polynomial_mmd(*pair) for pair in pairs]
    half = stats.t.ppf(0.975, num_subsets - 1) * np.std(parts, ddof=1) / np.sqrt(num_subsets)
    estimate = _polynomial_mmd(real, fake)
    return estimate, estimate - half, estimate + half


@checks.arguments(num_neighbors=checks.whole(1, remedy="Use 3, as the paper."))
def precision_recall(real_features, fake_features, *, num_neighbors=3):
    """Precision: share of fakes inside the region of the real samples. Recall: share of real samples inside that of the fakes.

    The region of a set is the union of the balls around its samples that reach to the k-th nearest other sample of the set.

    Args:
        real_features: `(n, d)`, float, n above `num_neighbors`.
        fake_features: `(m, d)`, float, m above `num_neighbors`; use n = m, the regions grow with fewer samples.
        num_neighbors: k.

    Returns:
        `(precision, recall)`, floats in [0, 1].

    Raises:
        ValueError: if the features do not fit, or `num_neighbors` is below 1.

    Source: Kynkäänniemi et al. 2019, arXiv:1904.06991, equations 1 and 2. Taught in: `08_measuring_gans`.
    """
    real, fake = _check_features("precision_recall()", real_features, fake_features, smallest=num_neighbors + 1)
    return _share_inside(fake, real, num_neighbors), _share_inside(real, fake, num_neighbors)


SAMPLES, REFERENCES = checks.array("n, ..."), checks.array("m, ...")


@checks.arguments(fakes=SAMPLES, train=REFERENCES, held_out=checks.array("k, ..."))
def memorization_test(fakes, train, held_out):
    """Test for copies: do fakes lie nearer to the training images than new images would?

    The nearest real image of each fake is looked up among training and held-out images together. New images know no
    difference, so a share of `n_train / (n_train + n_held_out)` of them has a training image nearest. A generator that copies
    has more. So may a generator whose samples are all alike, because they share one nearest image: look at recall first.

    For a fake that is itself a held-out image, as when real images are measured, the nearest other held-out image counts.

    Args:
        fakes: `(n, ...)`, float.
        train: `(n_train, ...)`, float: what the generator was trained on.
        held_out: `(n_held_out, ...)`, float: of the same distribution, never trained on.

    Returns:
        `(share, expected, p_value)`: share of fakes whose nearest real image is a training image, the share of new images, and
        the one-sided p-value of a binomial test, all in [0, 1].

    Raises:
        ValueError: if the shapes differ or a set is empty.

    Taught in: `08_measuring_gans`.
    """
    indices, held_out_distances = _nearest(fakes, held_out)
    _, train_distances = _nearest(fakes, train)
    copies = held_out_distances == 0
    if copies.any() and len(held_out) > 1:
        held_out_distances[copies] = _nearest(fakes[copies], held_out, excluded=indices[copies])[1]
    nearer = int(np.sum(train_distances < held_out_distances))
    expected = len(train) / (len(train) + len(held_out) - copies.mean())
    p_value = stats.binomtest(nearer, len(fakes), expected, alternative="greater").pvalue
    return nearer / len(fakes), expected, float(p_value)


@checks.arguments(samples=SAMPLES, references=REFERENCES)
def nearest_neighbors(samples, references):
    """The most similar reference of each sample, by Euclidean distance between all pixels.

    Args:
        samples: `(n, ...)`, float.
        references: `(m, ...)`, float, of the same inner shape.

    Returns:
        `(indices, distances)`: `(n,)`, int, into `references`, and `(n,)`, float32. A sample copied from the references has
        distance 0.

    Raises:
        ValueError: if the inner shapes differ or one of the sets is empty.

    Taught in: `02_vanilla_gan`.
    """
    return _nearest(samples, references)


def _nearest(samples, references, excluded=None):
    """`nearest_neighbors` that may leave out one reference for each sample."""
    samples, references = (array.reshape(len(array), -1).astype("float32", copy=False) for array in (samples, references))
    squares, indices = np.square(references).sum(axis=1), []
    for part in _parts(np.arange(len(samples)), len(references)):
        # The length of the sample itself is left out: it does not change which reference is nearest.
        scores = squares - 2.0 * samples[part] @ references.T
        if excluded is not None:
            scores[np.arange(len(part)), excluded[part]] = np.inf
        indices.append(scores.argmin(axis=1))
    indices = np.concatenate(indices)
    # Once more without the rounding of the sum above, so that a copy has distance 0.
    return indices, np.linalg.norm(samples - references[indices], axis=1)


def _polynomial_mmd(x, y):
    """Unbiased squared MMD with the kernel `(x . y / d + 1)^3`."""

    def total(a, b):
        bases = (part @ b.T / a.shape[1] + 1.0 for part in _parts(a, len(b)))
        return sum(np.sum(base * base * base) for base in bases)  # twice as fast as ** 3

    def itself(a):
        return np.sum((np.sum(a * a, axis=1) / a.shape[1] + 1.0) ** 3)

    n, m = len(x), len(y)
    within = (total(x, x) - itself(x)) / (n * (n - 1)) + (total(y, y) - itself(y)) / (m * (m - 1))
    return float(within - 2.0 * total(x, y) / (n * m))


def _share_inside(points, region, k):
    """Share of points inside the union of balls around `region` that reach to the k-th nearest other sample."""
    # The nearest sample of the region to itself is itself: index k counts k others.
    radii = np.concatenate([np.partition(_squared_distances(part, region), k, axis=1)[:, k] for part in _parts(region)])
    # Rounding must not push a copy out of a ball of radius 0.
    radii = radii + 1e-9 * np.mean(np.sum(region * region, axis=1))
    return float(np.mean(np.concatenate([(_squared_distances(part, region) <= radii).any(axis=1) for part in _parts(points)])))


def _squared_distances(x, y):
    squares = np.sum(x * x, axis=1)[:, None] + np.sum(y * y, axis=1)
    return np.maximum(squares - 2.0 * x @ y.T, 0.0)


def _parts(array, columns=5000):
    """Consecutive rows, few enough that a matrix with this many columns stays near 40 MB in float64."""
    rows = max(1, 5_000_000 // columns)
    return [array[i : i + rows] for i in range(0, len(array), rows)]


def _check_features(caller, real, fake, *, smallest):
    remedy = "Make both with features.extract() of one network; look for NaN in the images if the shapes are right."
    real_rule, fake_rule = (checks.array(f"{n}, d", smallest=smallest, remedy=remedy) for n in "nm")
    features = checks.arrays(caller, real_features=(real, real_rule), fake_features=(fake, fake_rule))
    return [array.astype("float64") for array in features]
