"""Latent vectors: the random input of a generator, `(batch, latent_dim)`, float32."""

import keras
import numpy as np

from gan_utils import checks

LENGTH = checks.whole(1, remedy="Take it from the generator: generator.input_shape[-1].")


@checks.arguments(latent_dim=LENGTH, seed=checks.seed(keras.random.SeedGenerator))
def sample_latents(num_latents, latent_dim, *, seed=None):
    """Latents drawn from a standard normal distribution.

    Args:
        num_latents: how many; an int, or a scalar tensor inside a compiled step.
        latent_dim: length of each.
        seed: an int (same seed, same latents, on one backend), a `keras.random.SeedGenerator`, or None.

    Returns:
        Tensor `(num_latents, latent_dim)`, float32, mean 0 and deviation 1.

    Raises:
        ValueError: if a size is below 1, or there would be more than 10^8 numbers.

    Taught in: `02_vanilla_gan`.
    """
    if not checks.is_tensor(num_latents):
        checks.whole(1, checks.MANY // latent_dim)("sample_latents()", "num_latents", num_latents)
    return keras.random.normal((num_latents, latent_dim), seed=seed)


VECTOR = checks.array("latent_dim", remedy="Take two vectors of one length: interpolate(latents[0], latents[1], 8).")


@checks.arguments(start=VECTOR, end=VECTOR, num_points=checks.whole(2, 10_000))
def interpolate(start, end, num_points):
    """Latents on the great circle from `start` to `end` (spherical linear interpolation).

    A straight line would pass near the origin, where a normal distribution in many dimensions has almost no mass; the
    arc keeps the length typical.

    Args:
        start: `(latent_dim,)`, float.
        end: `(latent_dim,)`, float.
        num_points: how many latents, both ends included.

    Returns:
        Array `(num_points, latent_dim)`, float32. Half-way between (1, 0) and (0, 1) lies (0.7071, 0.7071).

    Raises:
        ValueError: if the ends are not vectors of one length, one is zero, they point in opposite directions (no shortest
            arc), or `num_points` is below 2.

    Source: White 2016, arXiv:1609.04468. Taught in: `02_vanilla_gan`.
    """
    start, end = start.astype("float64"), end.astype("float64")
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    cosine = np.dot(start, end) / (lengths[0] * lengths[1]) if min(lengths) > 0 else -1.0
    passed = "interpolate() received a zero vector or two opposite vectors."
    expected = "It expects ends with one shortest arc."
    checks.require(cosine >= -1.0 + 1e-12, passed, expected, "Draw one of the two ends again.")
    angle = np.arccos(min(cosine, 1.0))
    t = np.linspace(0.0, 1.0, num_points)[:, None]
    if angle < 1e-6:  # the arc is a straight line to within rounding
        return (start + t * (end - start)).astype("float32")
    arc = (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)
    return arc.astype("float32")
