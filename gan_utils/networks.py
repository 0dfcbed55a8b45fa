"""Network architectures that two or more lessons use, as plain Keras models."""

import keras
from keras import layers


def build_mlp_generator(latent_dim, output_shape, *, units=(256, 512, 1024), activation="tanh"):
    """Fully connected generator: Dense and LeakyReLU(0.2) for each entry of `units`, then a Dense output.

    Args:
        latent_dim: length of a latent.
        output_shape: shape of one image, `(28, 28, 1)`, or of one point, `(2,)`.
        units: widths of the hidden layers.
        activation: of the output: `"tanh"` for images in [-1, 1], None for points.

    Returns:
        `keras.Model` named `generator`: `(batch, latent_dim)` -> `(batch, *output_shape)`. The defaults, for
        latents of 100 and digits, have 1,486,352 parameters.

    Taught in: `03_vanilla_gan`.
    """
    size = 1
    for length in output_shape:
        size *= length
    model = keras.Sequential([keras.Input((latent_dim,))], name="generator")
    for width in units:
        model.add(layers.Dense(width))
        model.add(layers.LeakyReLU(negative_slope=0.2))
    model.add(layers.Dense(size, activation=activation))
    model.add(layers.Reshape(output_shape))
    return model


def build_mlp_discriminator(input_shape, *, units=(1024, 512, 256), dropout=0.3):
    """Fully connected discriminator: Dense, LeakyReLU(0.2) and dropout for each entry of `units`, then one logit.

    Args:
        input_shape: shape of one image, `(28, 28, 1)`, or of one point, `(2,)`.
        units: widths of the hidden layers.
        dropout: share of activations set to zero in training; 0 leaves the layers out.

    Returns:
        `keras.Model` named `discriminator`: `(batch, *input_shape)` -> `(batch, 1)`. The defaults, for digits, have 1,460,225
        parameters.

    Taught in: `03_vanilla_gan`.
    """
    model = keras.Sequential([keras.Input(input_shape), layers.Flatten()], name="discriminator")
    for width in units:
        model.add(layers.Dense(width))
        model.add(layers.LeakyReLU(negative_slope=0.2))
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    return model
