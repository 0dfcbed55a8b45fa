"""Penalties on the discriminator's slope: `(discriminator, real_images, fake_images, *, seed=None) -> scalar`."""

import keras
from keras import ops

from gan_utils import autodiff, checks

SEED = checks.seed(keras.random.SeedGenerator)
WEIGHT = checks.rule(
    lambda value: checks.is_tensor(value) or (checks.is_number(value) and value >= 0.0),
    "a finite number of at least 0, or a scalar variable",
    "Write for example weight=10.0.",
)


@checks.arguments(discriminator=checks.FUNCTION, seed=SEED, weight=WEIGHT)
def gradient_penalty(discriminator, real_images, fake_images, *, seed=None, weight=10.0):
    """WGAN-GP penalty: `weight * mean (||grad D(x_hat)|| - 1)^2`, `x_hat = e x + (1 - e) G(z)`, `e ~ U[0, 1]` per sample.

    Args:
        discriminator: network, images -> `(batch, 1)`, without batch normalisation.
        real_images: `(batch, ...)`, float.
        fake_images: same shape.
        seed: int, `keras.random.SeedGenerator` or None, for the interpolation weights e.
        weight: lambda of the paper.

    Returns:
        Scalar, at least 0. For `D(x) = w . x` it is `weight * (||w|| - 1)^2` for any images.

    Raises:
        ValueError: if the shapes differ or are not those of the discriminator, or the discriminator holds batch normalisation
            (its output for one image would depend on the others, so the slope at one image is not defined).

    Source: Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1. Taught in: `04_wgan`.
    """
    # A plain function, as `GAN.look_ahead` passes it, has no input shape.
    form = checks.form(getattr(discriminator, "input_shape", None))
    remedy = "Both must have one shape: draw as many fakes as there are real images, of the size that the discriminator takes."
    batch = checks.array(form, floats=True, tensor=True, remedy=remedy)
    pairs = {"real_images": (real_images, batch), "fake_images": (fake_images, batch)}
    real_images, fake_images = checks.arrays("gradient_penalty()", **pairs)
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in getattr(discriminator, "layers", ())):
        passed = f"gradient_penalty() received the discriminator {discriminator.name!r}, which holds batch normalisation."
        expected = "The penalty needs an output for each image that depends on that image only."
        raise checks.error(passed, expected, "Leave the normalisation out, or use layer normalisation.")
    ones = (1,) * (len(real_images.shape) - 1)
    epsilon = autodiff.draw_rows(lambda n: keras.random.uniform((n, *ones), seed=seed), ops.shape(real_images)[0])
    mixed = epsilon * real_images + (1.0 - epsilon) * fake_images
    slopes = autodiff.input_gradients(lambda x: discriminator(x, training=True), mixed)
    # The small constant keeps the square root differentiable at a slope of exactly zero.
    lengths = ops.sqrt(ops.sum(ops.square(slopes), axis=tuple(range(1, len(slopes.shape)))) + 1e-12)
    return weight * ops.mean(ops.square(lengths - 1.0))
