"""Adversarial losses on logits.

Every loss has the form `(real_logits, fake_logits) -> scalar` and is minimised. Logits are `(batch, 1)`, float, without a
sigmoid; `D(x) = sigmoid(logit)` is the probability that x is real. Real is 1 and fake is 0.

Softplus is the stable form of both cross-entropies: `-log D = softplus(-logit)` and `-log(1 - D) = softplus(logit)`.
"""

from keras import ops

from gan_utils import checks

# Other shapes would be broadcast without a word. A batch size that is not known while a graph is built is not compared.
REMEDY = "Both must be (batch, 1) with one batch size: let the discriminator end with Dense(1), or reshape with logits[:, None]."
LOGITS = checks.array("batch, 1", floats=True, tensor=True, remedy=REMEDY)


@checks.arguments(real_logits=LOGITS, fake_logits=LOGITS, label_smoothing=checks.number(0.0, 1.0))
def saturating_discriminator_loss(real_logits, fake_logits, *, label_smoothing=0.0):
    """Binary cross-entropy of the discriminator: `-mean log D(x) - mean log(1 - D(G(z)))`.

    Args:
        real_logits: `(batch, 1)`, float, D's logits on real images.
        fake_logits: `(batch, 1)`, float, D's logits on fake images.
        label_smoothing: s in [0, 1]: the targets become `1 - s / 2` and `s / 2`, as in
            `keras.losses.BinaryCrossentropy`. It is the mean effect of label noise drawn from U[0, s].

    Returns:
        Scalar, in nats. Two zeros give `2 log 2 = 1.386`.

    Raises:
        ValueError: if the shapes are not `(batch, 1)` and equal.

    Source: Goodfellow et al. 2014, arXiv:1406.2661, equation 1, with the sign turned. Taught in: `02_vanilla_gan`.
    """
    # softplus(x) - softplus(-x) = x, so a target of 1 - t instead of 1 adds t * logit.
    shift = label_smoothing / 2.0
    real = ops.mean(ops.softplus(-real_logits) + shift * real_logits)
    fake = ops.mean(ops.softplus(fake_logits) - shift * fake_logits)
    return real + fake


@checks.arguments(real_logits=LOGITS, fake_logits=LOGITS)
def saturating_generator_loss(real_logits, fake_logits):
    """Minimax loss of the generator: `mean log(1 - D(G(z)))`.

    Its slope vanishes when D is sure that the fakes are fake.

    Args:
        real_logits: `(batch, 1)`, not used.
        fake_logits: `(batch, 1)`, float, D's logits on fake images.

    Returns:
        Scalar, in nats, at most 0. A logit of zero gives `-log 2 = -0.693`.

    Raises:
        ValueError: if the shapes are not `(batch, 1)` and equal.

    Source: Goodfellow et al. 2014, arXiv:1406.2661, equation 1. Taught in: `02_vanilla_gan`.
    """
    return -ops.mean(ops.softplus(fake_logits))


@checks.arguments(real_logits=LOGITS, fake_logits=LOGITS, label_smoothing=checks.number(0.0, 1.0))
def non_saturating_discriminator_loss(real_logits, fake_logits, *, label_smoothing=0.0):
    """Binary cross-entropy of the discriminator, the same as `saturating_discriminator_loss`."""
    return saturating_discriminator_loss(real_logits, fake_logits, label_smoothing=label_smoothing)


@checks.arguments(real_logits=LOGITS, fake_logits=LOGITS)
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
    return ops.mean(ops.softplus(-fake_logits))


@checks.arguments(real_logits=LOGITS, fake_logits=LOGITS)
def wasserstein_discriminator_loss(real_logits, fake_logits):
    """Critic loss `mean D(G(z)) - mean D(x)`: minus the estimated earth mover's distance.

    It means something only when D is Lipschitz: see `penalties.gradient_penalty`.

    Args:
        real_logits: `(batch, 1)`, float, scores of real images, any real number.
        fake_logits: `(batch, 1)`, float, scores of fake images.

    Returns:
        Scalar. Scores of 3 on real and 1 on fake give -2.

    Raises:
        ValueError: if the shapes are not `(batch, 1)` and equal.

    Source: Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1. Taught in: `04_wgan`.
    """
    return ops.mean(fake_logits) - ops.mean(real_logits)


@checks.arguments(real_logits=LOGITS, fake_logits=LOGITS)
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
    return -ops.mean(fake_logits)


FAMILIES = {
    "saturating": (saturating_discriminator_loss, saturating_generator_loss),
    "non_saturating": (non_saturating_discriminator_loss, non_saturating_generator_loss),
    "wasserstein": (wasserstein_discriminator_loss, wasserstein_generator_loss),
}


def get(loss):
    """The pair `(discriminator_loss, generator_loss)` of a family.

    Args:
        loss: a family's name, one of `losses.FAMILIES`, or a pair of functions, which is returned as it is.

    Returns:
        Two functions `(real_logits, fake_logits) -> scalar`.

    Raises:
        ValueError: if the name is unknown or the pair is none.
    """
    if isinstance(loss, str) and loss in FAMILIES:
        return FAMILIES[loss]
    if isinstance(loss, (tuple, list)) and len(loss) == 2 and all(callable(part) for part in loss):
        return tuple(loss)
    expected = f"It must be one of {', '.join(map(repr, FAMILIES))} or a pair (discriminator_loss, generator_loss)."
    remedy = "Both functions take (real_logits, fake_logits) and return a scalar."
    raise checks.error(f"The adversarial loss is {checks.describe(loss)}.", expected, remedy)
