"""Exercises of 02_vanilla_gan: both losses, both half-steps, a race, and a judge that is bribed."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from gan_utils.exercises.engine import Exercise, Open, compare, expect

SETUP = """\
from gan_utils import data, monitors, networks, plotting, training
from gan_utils.exercises import check, hint, predict, solution, submit
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import ops

plotting.use_style()
"""


# 02.1


def discriminator_loss(real_logits, fake_logits):
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))


def generator_loss(fake_logits):
    return ops.mean(ops.softplus(-fake_logits))


def test_losses(candidate):
    loss_of_d, loss_of_g = candidate
    pair = np.zeros((2, 1), "float32")
    for name, loss in ("D", loss_of_d(pair, pair)), ("G", loss_of_g(pair)):
        shape = () if loss is None or loss is ... else np.shape(loss)
        words = "A loss is one number: take means over the batch."
        yield expect(f"shape of {name}'s loss", str(shape), shape == (), "()", hint=words)
    real = np.array([[2.0], [0.5], [-1.0]], "float32")
    fake = np.array([[-3.0], [-0.5], [1.0]], "float32")
    sure = np.array([[200.0], [200.0]], "float32")
    yield compare(
        "D's loss, real logits 2, 0.5, -1, fake -3, -0.5, 1", loss_of_d(real, fake), 1.2501
    )
    yield compare("G's loss at the same fake logits", loss_of_g(fake), 1.4453)
    words = "A sigmoid of 200 is exactly 1 in float32: work with softplus of the logits."
    yield compare("D's loss, all logits 200", loss_of_d(sure, sure), 200.0, hint=words)
    yield compare("G's loss, all logits -200", loss_of_g(-sure), 200.0, hint=words)


def _with(d=discriminator_loss, g=generator_loss):
    return d, g


def _sum(logits):
    return ops.sum(ops.softplus(logits))


def _formula(real_logits, fake_logits):
    real, fake = ops.sigmoid(real_logits), ops.sigmoid(fake_logits)
    return -ops.mean(ops.log(real)) - ops.mean(ops.log(1.0 - fake))


def _sigmoid_twice(real_logits, fake_logits):
    return discriminator_loss(ops.sigmoid(real_logits), ops.sigmoid(fake_logits))


LOSSES = Exercise(
    "both losses from logits",
    "write",
    12,
    test_losses,
    (
        "What does D pay for a real image whose probability it gives as D(x)? And for a fake?",
        "-log D is softplus(-logit), -log(1 - D) is softplus(logit).",
        "D: the mean of softplus(-real_logits) plus the mean of softplus(fake_logits). "
        "G wants its fakes to be called real.",
    ),
    (discriminator_loss, generator_loss),
    {
        "labels exchanged": (
            _with(d=lambda r, f: discriminator_loss(f, r)),
            "D's labels are exchanged: real is 1, so a real logit of 2 must cost little.",
        ),
        "mean of halves": (
            _with(d=lambda r, f: discriminator_loss(r, f) / 2),
            "You took the mean of the two halves of D's loss. The lesson adds them: 1.386, not "
            "0.693, for an undecided D.",
        ),
        "sum": (
            (lambda r, f: _sum(-r) + _sum(f), lambda f: _sum(-f)),
            "You added over the batch. Take means, so that the rate does not depend on its size.",
        ),
        "sigmoid twice": (
            _with(d=_sigmoid_twice),
            "That is a sigmoid of a sigmoid: these losses take logits as they are.",
        ),
        "infinite": (
            _with(d=_formula),
            "A sigmoid of 200 is exactly 1 in float32: work with softplus of the logits.",
        ),
        "label 0": (
            _with(g=lambda f: ops.mean(ops.softplus(f))),
            "G's loss has the label 0: it would be paid for fakes that D sees through.",
        ),
        "saturating": (
            _with(g=lambda f: -ops.mean(ops.softplus(f))),
            "That is log(1 - D), the saturating loss: its slope vanishes where D is sure.",
        ),
    },
)


# 02.2


def discriminator_step(generator, discriminator, optimizer, real_images):
    latents = tf.random.normal((len(real_images), generator.input_shape[-1]))
    fake_images = generator(latents, training=True)
    with tf.GradientTape() as tape:
        real_logits = discriminator(real_images, training=True)
        fake_logits = discriminator(fake_images, training=True)
        loss = discriminator_loss(real_logits, fake_logits)
    variables = discriminator.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    return loss


def generator_step(generator, discriminator, optimizer, batch_size):
    latents = tf.random.normal((batch_size, generator.input_shape[-1]))
    with tf.GradientTape() as tape:
        fake_logits = discriminator(generator(latents, training=True), training=True)
        loss = generator_loss(fake_logits)
    variables = generator.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    return loss


class Probe(layers.Layer):
    """Passes its input on, and remembers it and the flag `training`."""

    def __init__(self):
        super().__init__()
        self.seen, self.flags = [], []

    def call(self, inputs, training=None):
        if hasattr(inputs, "numpy"):  # not while Keras builds
            self.seen.append(inputs)
            self.flags.append(training)
        return inputs


def _make_pair():
    """Small networks on points, with the same weights each time, and their probes."""
    probes, networks = (Probe(), Probe()), []
    for probe, sizes in zip(probes, ((3, 16, 2), (2, 16, 1))):
        first = layers.Dense(sizes[1], "tanh", kernel_initializer=_start(1))
        last = layers.Dense(sizes[2], kernel_initializer=_start(2))
        networks.append(keras.Sequential([keras.Input((sizes[0],)), probe, first, last]))
    return *networks, *probes


def _start(seed):
    return keras.initializers.RandomNormal(0.0, 0.7, seed=seed)


def _adam(network):
    optimizer = keras.optimizers.Adam(1e-2, beta_1=0.5)
    optimizer.build(network.trainable_variables)
    return optimizer


def _moved(network, before):
    return any(np.any(a != b) for a, b in zip(network.get_weights(), before))


def _replay(step, which, latents, *inputs):
    """Weights of network `which` after the lesson's step at these latents."""
    pair = _make_pair()[:2]
    normal = tf.random.normal
    tf.random.normal = lambda *_, **__: latents
    try:
        step(*pair, _adam(pair[which]), *inputs)
    finally:
        tf.random.normal = normal
    return pair[which].get_weights()


def _difference(network, weights):
    return max(float(np.abs(a - b).max()) for a, b in zip(network.get_weights(), weights))


def test_steps(candidate):
    steps = candidate
    points = np.random.default_rng(0).normal(1.0, 0.5, (8, 2)).astype("float32")
    own = (discriminator_step, points), (generator_step, 8)
    was_eager = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)  # so that the probes see numbers inside @tf.function
    try:
        for name, step, (reference, argument), which in zip("DG", steps, own, (1, 0)):
            *pair, probe, probe_d = _make_pair()
            before = [network.get_weights() for network in pair]
            optimizer = _adam(pair[which])
            loss = step(*pair, optimizer, argument)
            moved = [_moved(*both) for both in zip(pair, before)]
            if (loss is None or loss is ...) and not any(moved):
                raise Open
            given = "nothing" if loss is None else f"shape {np.shape(loss)}"
            words = "The last line of a half-step is `return loss`."
            fits = given == "shape ()"
            yield expect(f"{name}'s half-step returns", given, fits, "one number", hint=words)
            yield expect(f"{name}'s half-step moves {name}", moved[which], moved[which], True)
            other = "GD"[1 - which]
            yield expect(
                f"{name}'s half-step moves {other}", moved[1 - which], not moved[1 - which], False
            )
            flags = set(probe.flags + probe_d.flags)
            yield expect(
                f"{name}'s half-step: values of `training`", str(flags), flags == {True}, "{True}"
            )
            drawn = f"{len(probe.seen[0])} with numbers below 0: {bool(np.min(probe.seen[0]) < 0)}"
            wanted = "8 with numbers below 0: True"
            words = "As many latents as images in the batch, from a standard normal distribution."
            yield expect(f"{name}'s latents", drawn, drawn == wanted, wanted, hint=words)
            difference = _difference(
                pair[which], _replay(reference, which, probe.seen[0], argument)
            )
            words = "the lesson's weights after this half-step, to 0.0001"
            yield expect(
                f"{name}'s weights, distance from the lesson's",
                difference,
                difference < 1e-4,
                words,
            )
            step(*pair, optimizer, argument)
            differ = bool(np.any(probe.seen[0] != probe.seen[-1]))
            yield expect(f"{name}'s half-step draws new latents each time", differ, differ, True)
    finally:
        tf.config.run_functions_eagerly(was_eager)


def _both_move(generator, discriminator, optimizer, real_images):
    latents = tf.random.normal((len(real_images), generator.input_shape[-1]))
    with tf.GradientTape() as tape:
        fake_images = generator(latents, training=True)
        real_logits = discriminator(real_images, training=True)
        loss = discriminator_loss(real_logits, discriminator(fake_images, training=True))
    variables = discriminator.trainable_variables + generator.trainable_variables
    keras.optimizers.Adam(1e-2, 0.5).apply_gradients(zip(tape.gradient(loss, variables), variables))
    return loss


def _nobody_moves(generator, discriminator, optimizer, batch_size):
    latents = tf.random.normal((batch_size, generator.input_shape[-1]))
    return generator_loss(discriminator(generator(latents, training=True), training=True))


def _seed_inside(generator, discriminator, optimizer, batch_size):
    tf.random.set_seed(1)
    return generator_step(generator, discriminator, optimizer, batch_size)


def _no_flag(generator, discriminator, optimizer, batch_size):
    latents = tf.random.normal((batch_size, generator.input_shape[-1]))
    with tf.GradientTape() as tape:
        loss = generator_loss(discriminator(generator(latents)))
    variables = generator.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    return loss


def _moves_d(generator, discriminator, optimizer, batch_size):
    latents = tf.random.normal((batch_size, generator.input_shape[-1]))
    with tf.GradientTape() as tape:
        loss = generator_loss(discriminator(generator(latents, training=True), training=True))
    variables = discriminator.trainable_variables
    optimizer = keras.optimizers.Adam(1e-2, beta_1=0.5)
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    return loss


def _wrong_sign(generator, discriminator, optimizer, batch_size):
    latents = tf.random.normal((batch_size, generator.input_shape[-1]))
    with tf.GradientTape() as tape:
        fake_logits = discriminator(generator(latents, training=True), training=True)
        loss = -generator_loss(fake_logits)
    variables = generator.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    return loss


STEPS = Exercise(
    "the two half-steps",
    "write",
    20,
    test_steps,
    (
        "Draw latents; make fakes; under the tape ask D and compute the loss; one gradient.",
        "Only one network may move: ask the tape for the gradient of that network's variables.",
        "tape.gradient(loss, network.trainable_variables), then optimizer.apply_gradients of the "
        "pairs; every call of a network has training=True.",
    ),
    (discriminator_step, generator_step),
    {
        "both move": (
            (_both_move, generator_step),
            "D's half-step moves both networks: ask for the gradient of D's variables only.",
        ),
        "nobody moves": (
            (discriminator_step, _nobody_moves),
            "No weight of G changes: the gradient must be applied by the optimizer.",
        ),
        "the wrong network moves": (
            (discriminator_step, _moves_d),
            "G's half-step moves D: D would then learn to call fakes real.",
        ),
        "seed inside": (
            (discriminator_step, _seed_inside),
            "A seed is set inside the step: it would draw the same latents in every update.",
        ),
        "no flag": (
            (discriminator_step, _no_flag),
            "Without training=True Keras takes a call for inference: dropout and batch "
            "normalisation do not work as in training.",
        ),
        "wrong sign": (
            (discriminator_step, _wrong_sign),
            "G climbs where it should descend: look at the sign of its loss.",
        ),
    },
)

# 02.3

CURVES = ("discriminator_loss", "generator_loss", "d_real", "d_fake")
# 300 updates of this notebook's pair, means of the last 100, seeds 0, 1, 2: D's loss 1.06-1.10 and
# 0.57-0.72, G's 0.91-1.00 and 1.52-2.15, D(x) 0.70-0.71 and 0.84-0.87, D(G(z)) 0.48-0.49 and
# 0.22-0.30, at the usual rate and at ten times this rate.
ENDS = dict(zip(CURVES, ("lower", "higher", "higher", "lower")))


def test_ends(candidate):
    words = {"lower": ("down", "falls"), "higher": ("up", "rises")}
    for name, expected in ENDS.items():
        yield compare(f"{name} ends", candidate.get(name), expected, aliases=words[expected])


RACE = Exercise(
    "D's rate times ten",
    "predict",
    8,
    test_ends,
    (
        "Adam moves each weight by about its rate in every update. Who runs ahead?",
        "A D that runs ahead tells more real images from fakes. What does it then pay?",
        "D(x) goes toward 1 and D(G(z)) toward 0; G pays -log D(G(z)).",
    ),
    ENDS,
    {
        "G wins": (
            dict(zip(CURVES, ("higher", "lower", "lower", "higher"))),
            "You let D overstep and lose. It does not: at this rate it keeps ahead of G.",
        ),
        "D weak, G pays": (
            dict(zip(CURVES, ("lower", "lower", "higher", "lower"))),
            "Both losses cannot fall: G pays -log D(G(z)), and D(G(z)) falls.",
        ),
    },
)


# 02.4


def half_steps(generator, discriminator):
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    discriminator.compile(keras.optimizers.Adam(3e-4, 0.5), entropy)
    optimizer = keras.optimizers.Adam(3e-4, 0.5)
    optimizer.build(generator.trainable_variables)

    def train_d(real_images):
        latents = tf.random.normal((len(real_images), generator.input_shape[-1]))
        images = np.concatenate([real_images, generator(latents)])
        labels = np.repeat([[1.0], [0.0]], len(real_images), axis=0)
        return discriminator.train_on_batch(images, labels)

    def train_g(batch_size):
        return generator_step(generator, discriminator, optimizer, batch_size)

    return train_d, train_g


def _make_half_steps(learn_d, learn_g):
    """Half-steps that change weights by hand: for known mistakes."""

    def half_steps(generator, discriminator):
        def step(flags):
            for network, moves in zip((generator, discriminator), flags):
                if moves:
                    network.set_weights([weight + 0.01 for weight in network.get_weights()])
            return 0.5

        return lambda real_images: step(learn_d), lambda batch_size: step(learn_g)

    return half_steps


def test_bribe(candidate):
    number = candidate.get("mean loss of D")
    if number is None or number is ...:
        raise Open
    words = "Which number says that the judge does worse than one who always says 1/2?"
    yield expect(
        "mean loss of D in the faulty run", number, 1.386 < number < 20.0, "above 1.386", hint=words
    )
    *pair, _, _ = _make_pair()
    half_steps = candidate["half_steps"](*pair)
    if half_steps is None or half_steps is ...:
        raise Open
    points = np.random.default_rng(0).normal(1.0, 0.5, (8, 2)).astype("float32")
    for name, step, argument in zip("DG", half_steps, (points, 8)):
        for _ in range(2):
            before = [network.get_weights() for network in pair]
            step(argument)
        for other, network, weights in zip("GD", pair, before):
            moved = _moved(network, weights)
            fits = moved == (name == other)
            yield expect(f"{name}'s half-step moves {other}", moved, fits, name == other)


BRIBE = Exercise(
    "the bribed judge",
    "bug",
    15,
    test_bribe,
    (
        "G's half-step trains `combined`. Which weights does combined.trainable_variables hold?",
        "In G's half-step D learns as well, to call fakes real. Its own loss shows it.",
        "Write G's half-step with the tape and with generator.trainable_variables only.",
    ),
    {"mean loss of D": 3.4, "half_steps": half_steps},
    {
        "not repaired": (
            {"mean loss of D": 3.4, "half_steps": _make_half_steps((0, 1), (1, 1))},
            "D still moves in G's half-step: it is paid for calling fakes real.",
        ),
        "frozen for both": (
            {"mean loss of D": 3.4, "half_steps": _make_half_steps((0, 0), (1, 0))},
            "Now D never learns: it must move in its own half-step.",
        ),
        "lower rates": (
            {"mean loss of D": 0.9, "half_steps": _make_half_steps((0, 1), (1, 1))},
            "Other rates make the bribe slower. Find which weights G's half-step moves.",
        ),
    },
)

EXERCISES = {"02.1": LOSSES, "02.2": STEPS, "02.3": RACE, "02.4": BRIBE}
