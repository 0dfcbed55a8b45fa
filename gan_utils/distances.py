"""Distances between two clouds of samples, without a network that judges."""

import numpy as np
from keras import ops

from gan_utils import checks

MORE = "Use 200 for a level of 5 %: the p-value cannot be below 1 / (num_permutations + 1)."


@checks.arguments(unbiased=checks.FLAG)
def squared_mmd(x, y, bandwidths, *, unbiased=True):
    """Squared maximum mean discrepancy (MMD): `mean k(x, x') + mean k(y, y') - 2 mean k(x, y)`.

    The kernel is a mean of Gaussians, `k(a, b) = mean over s of exp(-|a - b|^2 / (2 s^2))`.

    Args:
        x: `(n, ...)`, float; images are taken as flat vectors.
        y: `(m, ...)`, float, of the same inner shape.
        bandwidths: the widths s, a float or several, in the unit of the samples.
        unbiased: leave out the pairs of a sample with itself. The estimate is right on average then, and can be below 0.

    Returns:
        Scalar tensor that can be differentiated. For x = (0), y = (1), bandwidth 1 and `unbiased=False` it is
        `2 - 2 exp(-1/2) = 0.7869`.

    Raises:
        ValueError: if the inner shapes differ, a bandwidth is not positive, or a cloud has fewer samples than the estimate needs.

    Source: Gretton et al. 2012, Journal of Machine Learning Research 13, equations 3 and 5. Taught in: `07_generative_matching`.
    """
    x, y, bandwidths = _check_clouds("squared_mmd()", x, y, bandwidths, 2 if unbiased else 1)
    xx, yy, xy = (_kernel(*pair, bandwidths) for pair in ((x, x), (y, y), (x, y)))
    if unbiased:
        # The kernel of a sample with itself is 1. Sizes may be unknown until a compiled step runs.
        n, m = (ops.cast(ops.shape(cloud)[0], "float32") for cloud in (x, y))
        within = (ops.sum(xx) - n) / (n * (n - 1.0)) + (ops.sum(yy) - m) / (m * (m - 1.0))
    else:
        within = ops.mean(xx) + ops.mean(yy)
    return within - 2.0 * ops.mean(xy)


def median_bandwidth(x, y):
    """Median distance between different samples of the two clouds together, a usual bandwidth of a Gaussian kernel.

    Args:
        x: `(n, ...)`, float.
        y: `(m, ...)`, float, of the same inner shape.

    Returns:
        A float, in the unit of the samples. For x = (0, 1) and y = (3) it is 2.

    Raises:
        ValueError: if the inner shapes differ, a cloud is empty, or more than half of all samples are equal.

    Source: Gretton et al. 2012, section 8. Taught in: `07_generative_matching`.
    """
    x, y, _ = _check_clouds("median_bandwidth()", x, y, 1.0, 1)
    both = ops.concatenate([x, y])
    squared = ops.convert_to_numpy(_squared_distances(both, both))
    median = float(np.sqrt(np.median(squared[np.triu_indices(len(squared), k=1)])))
    passed = "median_bandwidth() received clouds in which most samples are equal: the median distance is 0."
    remedy = "Give a bandwidth of your own, or look why the samples are copies."
    checks.require(median != 0.0, passed, "It expects samples that differ.", remedy)
    return median


@checks.arguments(num_permutations=checks.whole(1, 100_000, MORE), seed=checks.seed())
def permutation_test(x, y, bandwidths, *, num_permutations=200, seed=None):
    """Two-sample test: could both clouds come from one distribution?

    The unbiased squared MMD of the clouds is compared with its values after the samples were dealt out anew at random.

    Args:
        x: `(n, ...)`, float, n at least 2.
        y: `(m, ...)`, float, of the same inner shape, m at least 2.
        bandwidths: as in `squared_mmd`; chosen without looking at which sample belongs to which cloud.
        num_permutations: how often the samples are dealt out.
        seed: int or None.

    Returns:
        The p-value, a float in (0, 1]: the share of deals, the real one counted, with at least the measured distance.

    Raises:
        ValueError: as `squared_mmd`, or if `num_permutations` is below 1.

    Source: Gretton et al. 2012, section 5; the count that includes the real deal: Phipson and Smyth 2010, arXiv:1603.05766.
    Taught in: `07_generative_matching`.
    """
    x, y, bandwidths = _check_clouds("permutation_test()", x, y, bandwidths, 2)
    both, n = ops.concatenate([x, y]), x.shape[0]
    kernel = np.asarray(ops.convert_to_numpy(_kernel(both, both, bandwidths)), "float64")
    np.fill_diagonal(kernel, 0.0)
    total, random = len(kernel), np.random.default_rng(seed)
    # One row a deal: 1 where a sample is dealt to x. The first row is the real deal.
    dealt = np.zeros((num_permutations + 1, total))
    dealt[0, :n] = 1.0
    for row in dealt[1:]:
        row[random.permutation(total)[:n]] = 1.0
    rest, m = 1.0 - dealt, total - n
    xx, yy, xy = (np.sum((a @ kernel) * b, axis=1) for a, b in ((dealt, dealt), (rest, rest), (dealt, rest)))
    values = xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2.0 * xy / (n * m)
    # The tolerance counts deals that only rounding makes smaller, among them the real one.
    return float(np.mean(values >= values[0] - 1e-12))


def _squared_distances(x, y):
    # |x - y|^2 = |x|^2 + |y|^2 - 2 x.y: one matrix product instead of n m differences in memory.
    squares = ops.sum(ops.square(x), axis=1)[:, None] + ops.sum(ops.square(y), axis=1)[None, :]
    return ops.maximum(squares - 2.0 * ops.matmul(x, ops.transpose(y)), 0.0)


def _kernel(x, y, bandwidths):
    squared = _squared_distances(x, y)
    return sum(ops.exp(-squared / (2.0 * width**2)) for width in bandwidths) / len(bandwidths)


def _check_clouds(caller, x, y, bandwidths, smallest):
    remedy = "Both clouds must have one inner shape: reshape one of them, or look for NaN if the shapes are right."
    x_rule, y_rule = (checks.array(f"{n}, ...", smallest=smallest, tensor=True, remedy=remedy) for n in "nm")
    x, y = (ops.convert_to_tensor(cloud, "float32") for cloud in checks.arrays(caller, x=(x, x_rule), y=(y, y_rule)))
    positive = checks.number(1e-12, remedy="Take a bandwidth from distances.median_bandwidth(x, y).")
    bandwidths = np.ravel(checks.array("...")(caller, "bandwidths", bandwidths)).tolist()
    bandwidths = [float(positive(caller, "bandwidths", width)) for width in bandwidths]
    length = int(np.prod(x.shape[1:]))
    return *(ops.reshape(cloud, (-1, length)) for cloud in (x, y)), bandwidths
