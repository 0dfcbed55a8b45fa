"""Numbers that judge samples without a person looking at them."""

import numpy as np
from scipy.spatial import cKDTree


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
    in thousands should not count. Taught in: `07_wgan`.
    """
    points, centers = np.asarray(points), np.asarray(centers)
    if points.ndim != 2 or len(points) == 0 or points.shape[1:] != centers.shape[1:] or not np.isfinite(points).all():
        raise ValueError(
            f"covered_modes() received points of shape {points.shape} and centers of shape {centers.shape}. "
            "It expects finite points (n, d), n at least 1, and centers (num_modes, d). "
            "If the shapes are right, look for NaN in the points."
        )
    distances, nearest = cKDTree(centers).query(points)
    good = distances <= radius
    counts = np.bincount(nearest[good], minlength=len(centers))
    return int((counts >= 0.2 * len(points) / len(centers)).sum()), float(good.mean())


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

    Taught in: `03_vanilla_gan`.
    """
    samples, references = np.asarray(samples), np.asarray(references)
    if samples.shape[1:] != references.shape[1:] or not len(samples) or not len(references):
        raise ValueError(
            f"nearest_neighbors() received samples of shape {samples.shape} and references of shape {references.shape}. "
            "Both must hold at least one item, of one shape. "
            "Reshape one of them, or check the slice that made it."
        )
    references = references.reshape(len(references), -1)
    indices, distances = [], []
    for sample in samples.reshape(len(samples), -1):
        # One row at a time: exact, and no n x m matrix in memory.
        squared = np.square(references - sample).sum(axis=1)
        indices.append(squared.argmin())
        distances.append(np.sqrt(squared.min()))
    return np.array(indices), np.array(distances, "float32")
