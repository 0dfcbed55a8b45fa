"""Network architectures that two or more lessons use, as plain Keras models."""

import math

import keras
from keras import layers


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

    Differs from the paper: kernel 4 instead of 5, divisible by the stride, and fewer channels.
    Source: Radford et al. 2015, arXiv:1511.06434, section 3 and figure 1.
    Taught in: `06_dcgan_recipe`.
    """
    height, width, channels = image_shape
    num_stages = 0
    while height % 2 == width % 2 == 0 and min(height, width) >= 8:
        height, width, num_stages = height // 2, width // 2, num_stages + 1
    filters = [base_filters * 2**stage for stage in reversed(range(num_stages))]
    # The shift of a batch normalisation does the work of a bias. The samples of a short run are
    # drawn with moving means that must have followed: momentum 0.9 instead of 0.99.
    options = {"momentum": 0.9, "use_bias": False}
    return _grow(latent_dim, (height, width), filters, channels, layers.ReLU, **options)


def _grow(latent_dim, size, filters, channels, activate, *, momentum=0.99, use_bias=True):
    """Generator: Dense to `filters[0]` small squares, transposed convolutions to the others."""
    start = {"use_bias": use_bias, "kernel_initializer": _small_normal()}
    stack = [keras.Input((latent_dim,)), layers.Dense(math.prod(size) * filters[0], **start)]
    stack += [layers.Reshape((*size, filters[0]))]
    for width in filters[1:]:
        stack += [layers.BatchNormalization(momentum=momentum), activate()]
        stack += [_double(width, use_bias=use_bias)]
    stack += [layers.BatchNormalization(momentum=momentum), activate()]
    stack += [_double(channels, activation="tanh")]
    return keras.Sequential(stack, name="generator")


def _double(filters, **options):
    """A transposed convolution to twice the sides."""
    options |= {"strides": 2, "padding": "same", "kernel_initializer": _small_normal()}
    return layers.Conv2DTranspose(filters, 4, **options)


def _small_normal():
    # Radford et al. 2015, arXiv:1511.06434. A new one each time: Keras warns of a shared one.
    return keras.initializers.RandomNormal(0.0, 0.02)


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
