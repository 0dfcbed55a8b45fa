"""Network architectures that two or more lessons use, as plain Keras models."""

import math

import keras
from keras import layers

from gan_utils import checks


def build_mlp_generator(latent_dim, output_shape, *, units=(256, 512, 1024), activation="tanh"):
    """Fully connected generator: Dense and LeakyReLU(0.2) for each entry of `units`, then Dense.

    Args:
        latent_dim: length of a latent.
        output_shape: shape of one image, `(28, 28, 1)`, or of one point, `(2,)`.
        units: widths of the hidden layers.
        activation: of the output: `"tanh"` for images in [-1, 1], None for points.

    Returns:
        `keras.Model` named `generator`: `(batch, latent_dim)` -> `(batch, *output_shape)`. The
        defaults, for latents of 100 and digits, have 1,486,352 parameters.

    Taught in: `02_vanilla_gan`.
    """
    stack = [keras.Input((latent_dim,))]
    for width in units:
        stack += [layers.Dense(width), layers.LeakyReLU(negative_slope=0.2)]
    stack += [layers.Dense(math.prod(output_shape), activation), layers.Reshape(output_shape)]
    return keras.Sequential(stack, name="generator")


def build_mlp_discriminator(input_shape, *, units=(1024, 512, 256), dropout=0.3):
    """Fully connected discriminator: Dense, LeakyReLU(0.2), dropout for each of `units`, a logit.

    Args:
        input_shape: shape of one image, `(28, 28, 1)`, or of one point, `(2,)`.
        units: widths of the hidden layers.
        dropout: share of activations set to zero in training; 0 leaves the layers out.

    Returns:
        `keras.Model` named `discriminator`: `(batch, *input_shape)` -> `(batch, 1)`. The defaults,
        for digits, have 1,460,225 parameters.

    Taught in: `02_vanilla_gan`.
    """
    stack = [keras.Input(input_shape), layers.Flatten()]
    for width in units:
        stack += [layers.Dense(width), layers.LeakyReLU(negative_slope=0.2)]
        stack += [layers.Dropout(dropout)] if dropout else []
    return keras.Sequential([*stack, layers.Dense(1)], name="discriminator")


def build_frog_generator(latent_dim=32, *, base_filters=32):
    """Convolutional generator of 32 x 32 colour images, narrower than lesson 03's classic network.

    Dense to 4 x 4, then three transposed convolutions, kernel 4 and stride 2, with batch
    normalisation and LeakyReLU(0.2) between them, and a tanh.

    Args:
        latent_dim: length of a latent.
        base_filters: channels before the last layer; the first layer has four times as many.

    Returns:
        `keras.Model` named `generator`: `(batch, latent_dim)` -> `(batch, 32, 32, 3)` in [-1, 1].
        The defaults have 233,955 parameters.

    Taught in: `03_frog_dcgan`.
    """
    filters = (4 * base_filters, 2 * base_filters, base_filters)
    return _grow(latent_dim, (4, 4), filters, 3, lambda: layers.LeakyReLU(negative_slope=0.2))


def build_frog_discriminator(*, base_filters=32, dropout=0.2, batch_norm=True):
    """Convolutional discriminator of 32 x 32 colour images, narrower than lesson 03's classic one.

    Three convolutions, kernel 4 and stride 2, with LeakyReLU(0.2), then dropout and one logit.

    Args:
        base_filters: channels of the first layer; the last one has four times as many.
        dropout: share of features set to zero in training; 0 leaves the layer out.
        batch_norm: normalise after the second and third convolution. False for a critic under a
            gradient penalty.

    Returns:
        `keras.Model` named `discriminator`: `(batch, 32, 32, 3)` -> `(batch, 1)`. The defaults have
        168,417 parameters.

    Taught in: `03_frog_dcgan`.
    """
    filters = (base_filters, 2 * base_filters, 4 * base_filters)
    stack = _shrink((32, 32, 3), filters, batch_norm=batch_norm)
    stack += [layers.Dropout(dropout)] if dropout else []
    return keras.Sequential([*stack, layers.Dense(1)], name="discriminator")


def build_dcgan_generator(latent_dim=100, image_shape=(32, 32, 3), *, base_filters=32):
    """Generator of the DCGAN recipe: Dense to a small square, transposed convolutions, a tanh.

    The convolutions have kernel 4 and stride 2; batch normalisation and ReLU stand before each. The
    small square is the image halved while its sides stay even and at least 4: 4 x 4 for 32 pixels
    (three transposed convolutions), 7 x 7 for 28 pixels (two).

    Args:
        latent_dim: length of a latent.
        image_shape: `(height, width, channels)`, both sides multiples of 4 and at least 16.
        base_filters: channels before the last layer; each earlier layer has twice as many.

    Returns:
        `keras.Model` named `generator`: `(batch, latent_dim)` -> `(batch, *image_shape)` in
        [-1, 1]. The defaults have 371,075 parameters.

    Raises:
        ValueError: if the image cannot be halved twice.

    Differs from the paper: kernel 4 instead of 5, divisible by the stride, and fewer channels.
    Source: Radford et al. 2015, arXiv:1511.06434, section 3 and figure 1.
    Taught in: `06_dcgan_recipe`.
    """
    height, width, num_stages = _halve("build_dcgan_generator()", image_shape)
    filters = [base_filters * 2**stage for stage in reversed(range(num_stages))]
    # The shift of a batch normalisation does the work of a bias. The samples of a short run are
    # drawn with moving means that must have followed: momentum 0.9 instead of 0.99.
    options = {"momentum": 0.9, "use_bias": False}
    return _grow(latent_dim, (height, width), filters, image_shape[-1], layers.ReLU, **options)


def build_dcgan_discriminator(image_shape=(32, 32, 3), *, base_filters=32):
    """Discriminator of the DCGAN recipe, the mirror image of `build_dcgan_generator`.

    Convolutions with kernel 4 and stride 2, each followed by batch normalisation (except the first)
    and LeakyReLU(0.2); then one logit. No pooling, no hidden dense layer, no dropout.

    Args:
        image_shape: `(height, width, channels)`, both sides multiples of 4 and at least 16.
        base_filters: channels of the first layer; each later layer has twice as many.

    Returns:
        `keras.Model` named `discriminator`: `(batch, *image_shape)` -> `(batch, 1)`. The defaults
        have 168,225 parameters.

    Raises:
        ValueError: if the image cannot be halved twice.

    Differs from the paper: kernel 4 instead of 5, fewer channels, and a logit instead of a sigmoid.
    Source: Radford et al. 2015, arXiv:1511.06434, section 3. Taught in: `06_dcgan_recipe`.
    """
    _, _, num_stages = _halve("build_dcgan_discriminator()", image_shape)
    filters = [base_filters * 2**stage for stage in range(num_stages)]
    stack = _shrink(image_shape, filters, momentum=0.9, use_bias=False)
    logit = layers.Dense(1, kernel_initializer=_small_normal())
    return keras.Sequential([*stack, logit], name="discriminator")


def _grow(latent_dim, size, filters, channels, activate, *, momentum=0.99, use_bias=True):
    """Generator: Dense to `filters[0]` small squares, transposed convolutions to the others."""
    start = {"use_bias": use_bias, "kernel_initializer": _small_normal()}
    stack = [keras.Input((latent_dim,)), layers.Dense(math.prod(size) * filters[0], **start)]
    stack += [layers.Reshape((*size, filters[0]))]
    for i, width in enumerate(filters):
        stack += [layers.Conv2DTranspose(width, **_convolution(use_bias=use_bias))] if i > 0 else []
        stack += [layers.BatchNormalization(momentum=momentum), activate()]
    stack += [layers.Conv2DTranspose(channels, **_convolution(activation="tanh"))]
    return keras.Sequential(stack, name="generator")


def _shrink(image_shape, filters, *, batch_norm=True, momentum=0.99, use_bias=True):
    """Layers of a discriminator before its logit: convolutions, normalised from the second on."""
    stack = [keras.Input(image_shape)]
    for i, width in enumerate(filters):
        stack += [layers.Conv2D(width, **_convolution(use_bias=use_bias or i == 0))]
        stack += [layers.BatchNormalization(momentum=momentum)] if batch_norm and i > 0 else []
        stack += [layers.LeakyReLU(negative_slope=0.2)]
    return [*stack, layers.Flatten()]


def _convolution(**options):
    """Options of a convolution that halves the sides, or of a transposed one that doubles them."""
    options |= {"kernel_size": 4, "strides": 2, "padding": "same"}
    return {**options, "kernel_initializer": _small_normal()}


def _small_normal():
    # Radford et al. 2015, arXiv:1511.06434. A new one each time: Keras warns of a shared one.
    return keras.initializers.RandomNormal(0.0, 0.02)


def _halve(caller, image_shape):
    """`(height, width, number of halvings)` of the square from which a DCGAN grows an image."""
    height, width, num_stages = *(*image_shape, 1, 1)[:2], 0
    while all(side % 2 == 0 and side >= 8 for side in (height, width)):
        height, width, num_stages = height // 2, width // 2, num_stages + 1
    passed = f"{caller} received image_shape={tuple(image_shape)}."
    remedy = "It expects 3 lengths, both sides multiples of 4 from 16 on. Pad or resize the images."
    checks.require(len(image_shape) == 3 and num_stages >= 2, passed, remedy)
    return height, width, num_stages


def build_classifier(input_shape, *, widths=(48, 96, 192), num_classes=10):
    """Convolutional classifier whose last hidden layer serves as features of images.

    A stem, then for each width two 3 x 3 convolutions with batch normalisation and ReLU, the first
    followed by 2 x 2 pooling; a global maximum gives the features, one Dense layer the logits.

    Args:
        input_shape: shape of one image, `(28, 28, 1)` or `(32, 32, 3)`.
        widths: channels of each stage; the last one is the number of features. The stem has half of
            the first.
        num_classes: number of logits.

    Returns:
        `keras.Model`: images in [-1, 1] -> logits `(batch, num_classes)`. The layer before the last
        gives `(batch, widths[-1])` features. The defaults, for colour images of 32 x 32, have
        658,546 parameters.

    Taught in: `08_measuring_gans`.
    """
    stack = [keras.Input(input_shape)]
    stages = [(width, first) for width in widths for first in (True, False)]
    for filters, pool in [(widths[0] // 2, False), *stages]:
        stack += [layers.Conv2D(filters, 3, padding="same", use_bias=False)]
        stack += [layers.MaxPooling2D()] if pool else []
        stack += [layers.BatchNormalization(), layers.ReLU()]
    # Logits in float32 also where training runs in mixed precision.
    stack += [layers.GlobalMaxPooling2D(), layers.Dense(num_classes, dtype="float32")]
    return keras.Sequential(stack, name="classifier")
