"""Adversarial losses on logits, and the gradient penalty of a critic.

Every loss has the form `(real_logits, fake_logits) -> scalar` and is minimised. Logits are
`(batch, 1)`, float, without a sigmoid; `D(x) = sigmoid(logit)` is the probability that x is real.
Real is 1 and fake is 0. A penalty is
`(discriminator, real_images, fake_images, *, seed) -> scalar`.

Softplus is the stable form of both cross-entropies: `-log D = softplus(-logit)` and
`-log(1 - D) = softplus(logit)`.
"""

import keras
from keras import layers, ops

from gan_utils import autodiff, checks

RESHAPE = "Let the discriminator end with Dense(1), or reshape with logits[:, None]."


def non_saturating_discriminator_loss(real_logits, fake_logits, *, label_smoothing=0.0):
    """Binary cross-entropy of the discriminator: `-mean log D(x) - mean log(1 - D(G(z)))`.

    Args:
        real_logits: `(batch, 1)`, float, D's logits on real images.
        fake_logits: `(batch, 1)`, float, D's logits on fake images.
        label_smoothing: s in [0, 1]: the targets become `1 - s / 2` and `s / 2`, as in
            `keras.losses.BinaryCrossentropy`: the mean effect of label noise drawn from U[0, s].

    Returns:
        Scalar, in nats. Two zeros give `2 log 2 = 1.386`.

    Raises:
        ValueError: if the shapes are not `(batch, 1)` and equal.

    Source: Goodfellow et al. 2014, arXiv:1406.2661, equation 1, with the sign turned.
    Taught in: `02_vanilla_gan`.
    """
    real_logits, fake_logits = _check_pair(real_logits, fake_logits)
    # softplus(x) - softplus(-x) = x, so a target of 1 - t instead of 1 adds t * logit.
    shift = label_smoothing / 2.0
    real = ops.softplus(-real_logits) + shift * real_logits
    fake = ops.softplus(fake_logits) - shift * fake_logits
    return ops.mean(real) + ops.mean(fake)


def non_saturating_generator_loss(real_logits, fake_logits):
    """Cross-entropy of the fakes against the label "real": `-mean log D(G(z))`.

    Args:
        real_logits: `(batch, 1)`, not used.
        fake_logits: `(batch, 1)`, float, D's logits on fake images.

    Returns:
        Scalar, in nats, at least 0. A logit of zero gives `log 2 = 0.693`.

    Raises:
        ValueError: if the shapes are not `(batch, 1)` and equal.

    Source: Goodfellow et al. 2014, arXiv:1406.2661, section 3. Taught in: `02_vanilla_gan`.
    """
    return ops.mean(ops.softplus(-_check_pair(real_logits, fake_logits)[1]))


def wasserstein_discriminator_loss(real_logits, fake_logits):
    """Critic loss `mean D(G(z)) - mean D(x)`: minus the estimated earth mover's distance.

    It means something only when D is Lipschitz: see `gradient_penalty`.

    Args:
        real_logits: `(batch, 1)`, float, scores of real images, any real number.
        fake_logits: `(batch, 1)`, float, scores of fake images.

    Returns:
        Scalar. Scores of 3 on real and 1 on fake give -2.

    Raises:
        ValueError: if the shapes are not `(batch, 1)` and equal.

    Source: Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1. Taught in: `04_wgan`.
    """
    real_logits, fake_logits = _check_pair(real_logits, fake_logits)
    return ops.mean(fake_logits) - ops.mean(real_logits)


def wasserstein_generator_loss(real_logits, fake_logits):
    """Generator loss against a critic: `-mean D(G(z))`.

    Args:
        real_logits: `(batch, 1)`, not used.
        fake_logits: `(batch, 1)`, float, scores of fake images.

    Returns:
        Scalar. A score of 1 on every fake gives -1.

    Raises:
        ValueError: if the shapes are not `(batch, 1)` and equal.

    Source: Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1. Taught in: `04_wgan`.
    """
    return -ops.mean(_check_pair(real_logits, fake_logits)[1])


FAMILIES = {
    "non_saturating": (non_saturating_discriminator_loss, non_saturating_generator_loss),
    "wasserstein": (wasserstein_discriminator_loss, wasserstein_generator_loss),
}


def get(loss):
    """The pair `(discriminator_loss, generator_loss)` of a family.

    Args:
        loss: a family's name, one of `losses.FAMILIES`, or a pair of functions, which is returned.

    Returns:
        Two functions `(real_logits, fake_logits) -> scalar`.

    Raises:
        ValueError: if the name is unknown or the pair is none.
    """
    pair = FAMILIES.get(loss) if isinstance(loss, str) else loss
    fits = isinstance(pair, (tuple, list)) and len(pair) == 2 and all(map(callable, pair))
    expected = f"It must be one of {', '.join(map(repr, FAMILIES))} or a pair of functions."
    checks.require(fits, f"The adversarial loss is {loss!r}.", expected, "Both take logits.")
    return tuple(pair)


def gradient_penalty(discriminator, real_images, fake_images, *, seed=None, weight=10.0):
    """Penalty of WGAN-GP on the slope of D: `weight * mean (||grad D(x_hat)|| - 1)^2`.

    `x_hat = e x + (1 - e) G(z)` lies between a real image and a fake one, `e ~ U[0, 1]` for each.

    Args:
        discriminator: network, images -> `(batch, 1)`, without batch normalisation.
        real_images: `(batch, ...)`, float.
        fake_images: same shape.
        seed: int, `keras.random.SeedGenerator` or None, for the interpolation weights e.
        weight: lambda of the paper.

    Returns:
        Scalar, at least 0. For `D(x) = w . x` it is `weight * (||w|| - 1)^2` for any images.

    Raises:
        ValueError: if the shapes differ, or the discriminator holds batch normalisation (its output
            for one image would depend on the others, so the slope at one image is not defined), or
            on TensorFlow layer or group normalisation (Keras stops the gradient through the mean
            inside their variance, so second derivatives are wrong by some percent).

    Source: Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1. Taught in: `04_wgan`.
    """
    remedy = "Draw as many fakes as there are real images, of the size of the discriminator."
    shape = (None, *real_images.shape[1:])
    real, fake = _check_pair(real_images, fake_images, shape, "gradient_penalty()", remedy)
    _check_normalization(discriminator)
    shape = (ops.shape(real)[0], *(1,) * (len(real.shape) - 1))  # one number a sample
    epsilon = keras.random.uniform(shape, dtype=real.dtype, seed=seed)
    mixed = epsilon * real + (1.0 - epsilon) * fake
    slopes = autodiff.input_gradients(lambda x: discriminator(x, training=True), mixed)
    # The small constant keeps the square root differentiable at a slope of exactly zero.
    lengths = ops.sqrt(ops.sum(ops.square(slopes), axis=range(1, len(slopes.shape))) + 1e-12)
    return weight * ops.mean(ops.square(lengths - 1.0))


def _check_pair(real, fake, shape=(None, 1), caller="The loss", remedy=RESHAPE):
    """Two batches as float tensors of one dtype and of one shape; nothing is broadcast in silence.

    None in a shape stands for a length that is not known while a graph is built.
    """
    pair = [batch if hasattr(batch, "dtype") else checks.as_numpy(batch) for batch in (real, fake)]
    shapes = [*(tuple(x.shape) for x in pair), shape]
    dtypes = [getattr(x.dtype, "name", str(x.dtype)) for x in pair]
    fits = len({*map(len, shapes)}) == 1 and all("float" in dtype for dtype in dtypes)
    fits = fits and all(0 not in axis and len({*axis} - {None}) <= 1 for axis in zip(*shapes))
    passed = f"{caller} received {dtypes[0]} of shape {shapes[0]} and {dtypes[1]} of {shapes[1]}."
    size = str(("batch", *shape[1:])).replace("'", "")
    checks.require(fits, passed, f"Both must be floats of one shape, {size}.", remedy)
    pair = [ops.convert_to_tensor(x) for x in pair]
    return [ops.cast(x, keras.backend.result_type(*(x.dtype for x in pair))) for x in pair]


def _check_normalization(network):
    """Refuse these layers at any depth: of models, of wrappers, in attributes of layers."""
    # Keras computes two variances around a stopped mean: TensorFlow's second derivatives are wrong.
    refused = (layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization)
    refused, found = refused[: 3 if autodiff.BACKEND == "tensorflow" else 1], [network]
    for layer in found:  # the list grows meanwhile
        parts = keras.tree.flatten(getattr(layer, "__dict__", {}))
        found += [part for part in parts if isinstance(part, layers.Layer) and part not in found]
    names = ", ".join(type(layer).__name__ for layer in found if isinstance(layer, refused))
    passed = f"gradient_penalty() received a discriminator with {names}."
    remedy = "It expects no batch normalisation, on TensorFlow RMSNormalization only. Leave it out."
    checks.require(not names, passed, remedy)
