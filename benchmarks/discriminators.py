"""The convolutional discriminators of the stored trainings; lessons 03 and 06 write theirs out."""

from keras import Input, Sequential, initializers, layers


def build_frog_discriminator(*, base_filters=32, dropout=0.2, batch_norm=True):
    """Discriminator of 32 x 32 colour images, narrower than lesson 03's classic one: 168,417 parameters.

    Three convolutions, kernel 4 and stride 2, with LeakyReLU(0.2) and, from the second on, batch normalisation (none for a
    critic under a gradient penalty); then dropout and one logit.
    """
    filters = (base_filters, 2 * base_filters, 4 * base_filters)
    stack = shrink((32, 32, 3), filters, batch_norm=batch_norm)
    stack += [layers.Dropout(dropout)] if dropout else []
    return Sequential([*stack, layers.Dense(1)], name="discriminator")


def build_dcgan_discriminator(image_shape=(32, 32, 3), *, base_filters=32):
    """Discriminator of the DCGAN recipe, the mirror image of `networks.build_dcgan_generator`: 168,225 parameters.

    Differs from the paper: kernel 4 instead of 5, fewer channels, and a logit instead of a sigmoid.
    Source: Radford et al. 2015, arXiv:1511.06434, section 3.
    """
    num_stages, sides = 0, image_shape[:2]
    while all(side % 2 == 0 and side >= 8 for side in sides):
        num_stages, sides = num_stages + 1, [side // 2 for side in sides]
    filters = [base_filters * 2**stage for stage in range(num_stages)]
    stack = shrink(image_shape, filters, momentum=0.9, use_bias=False)
    return Sequential([*stack, layers.Dense(1, kernel_initializer=small_normal())], name="discriminator")


def shrink(image_shape, filters, *, batch_norm=True, momentum=0.99, use_bias=True):
    """Layers of a discriminator before its logit: convolutions, normalised from the second on."""
    stack = [Input(image_shape)]
    for i, width in enumerate(filters):
        options = {"use_bias": use_bias or i == 0, "kernel_initializer": small_normal()}
        stack += [layers.Conv2D(width, 4, strides=2, padding="same", **options)]
        stack += [layers.BatchNormalization(momentum=momentum)] if batch_norm and i > 0 else []
        stack += [layers.LeakyReLU(negative_slope=0.2)]
    return [*stack, layers.Flatten()]


def small_normal():
    return initializers.RandomNormal(0.0, 0.02)
