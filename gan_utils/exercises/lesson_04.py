"""Exercises of 04_wgan: a distance on a line, the gradient penalty, and three critics with bugs."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from gan_utils.exercises.engine import Exercise, Open, compare, expect, label

SETUP = """\
from gan_utils import data, losses, networks, plotting, training
from gan_utils.exercises import check, hint, predict, solution, submit
from gan_utils.exercises.lesson_04 import slope_lengths
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops
"""


# 04.1


def move_earth(places, fake_pile, real_pile):
    order = np.argsort(places)
    carried = np.cumsum(np.subtract(fake_pile, real_pile)[order])  # past each place
    ways = np.diff(np.asarray(places)[order])
    return np.sum(np.abs(carried[:-1]) * ways)


def test_distance(distance):
    # By hand; the last one also by scipy.stats.wasserstein_distance.
    yield compare(
        "the lesson's piles",
        distance([0, 1, 2, 3, 4, 5], [0, 0.2, 0.5, 0.3, 0, 0], [0.4, 0, 0, 0, 0, 0.6]),
        2.1,
    )
    yield compare("half at -1, half at 1; all at 0", distance([-1, 0, 1], *_APART), 1.0)
    yield compare("the same places, named in another order", distance([0, 1, -1], *_TURNED), 1.0)
    places = np.array([3.0, 0.0, 0.5, 7.0])
    piles = [np.array(pile) for pile in ([0.1, 0.2, 0.3, 0.4], [0.25, 0.5, 0.25, 0.0])]
    yield compare("piles at 3, 0, 0.5, 7", distance(places, *piles), 2.375)


_APART = [0.5, 0.0, 0.5], [0.0, 1.0, 0.0]
_TURNED = [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]


def _compare_means(places, fake_pile, real_pile):
    return abs(np.dot(places, np.subtract(fake_pile, real_pile)))


def _count_earth(places, fake_pile, real_pile):
    return np.sum(np.abs(np.subtract(fake_pile, real_pile))) / 2


def _keep_order(places, fake_pile, real_pile):
    carried = np.cumsum(np.subtract(fake_pile, real_pile))
    return np.sum(np.abs(carried[:-1]) * np.abs(np.diff(places)))


def _equal_ways(places, fake_pile, real_pile):
    return np.sum(np.abs(np.cumsum(np.subtract(fake_pile, real_pile)[np.argsort(places)])))


def _go_twice(places, fake_pile, real_pile):
    return 2 * move_earth(places, fake_pile, real_pile)


def _square_ways(places, fake_pile, real_pile):
    order = np.argsort(places)
    carried = np.cumsum(np.subtract(fake_pile, real_pile)[order])
    return np.sum(np.abs(carried[:-1]) * np.diff(np.asarray(places)[order]) ** 2)


DISTANCE = Exercise(
    "earth mover's distance on a line",
    "write",
    8,
    test_distance,
    (
        "Walk along the street from left to right. How much earth must pass you at each moment?",
        "Between two neighbouring places it is the sum of fake minus real earth so far; left or "
        "right does not matter.",
        "Sort the places with np.argsort; np.cumsum of fake - real in this order; its absolute "
        "value times np.diff of the sorted places; the sum.",
    ),
    move_earth,
    {
        "compared means": (
            _compare_means,
            "That is the distance of the two means: earth that goes left and earth that goes "
            "right must not cancel. Take absolute values before you add.",
        ),
        "counted earth": (
            _count_earth,
            "That is how much earth must move, without the way it goes.",
        ),
        "not sorted": (
            _keep_order,
            "The places may come in any order: sort them, and both piles with them.",
        ),
        "equal ways": (
            _equal_ways,
            "Neighbours are not always 1 apart: each amount goes the way to the next place.",
        ),
        "twice": (
            _go_twice,
            "Twice too much: earth that leaves one place and comes to another goes once.",
        ),
        "squares": (_square_ways, "The cost is the way itself, not its square."),
    },
)


# 04.2


def gradient_penalty(critic, real_images, fake_images):
    shape = [len(real_images)] + [1] * (len(real_images.shape) - 1)
    epsilon = tf.random.uniform(shape)
    mixed = epsilon * real_images + (1.0 - epsilon) * fake_images
    with tf.GradientTape() as tape:
        tape.watch(mixed)
        scores = critic(mixed, training=True)
    slopes = tape.gradient(scores, mixed)
    axes = list(range(1, len(slopes.shape)))
    lengths = ops.sqrt(ops.sum(ops.square(slopes), axis=axes) + 1e-12)
    return ops.mean(ops.square(lengths - 1.0))


COLOUR, GREY = (2, 3, 2), (4, 3, 1)


def _linear(length, shape=COLOUR):
    """A linear critic whose slope has this length everywhere."""
    kernel = np.arange(1.0, 13.0)[:, None]
    critic = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(1)])
    critic.set_weights([length * kernel / np.linalg.norm(kernel), np.zeros(1)])
    return critic


class Bowl(layers.Layer):
    """Half of the squared length of an image: its slope is the image."""

    def call(self, inputs):
        return ops.sum(ops.square(inputs), axis=(1, 2, 3))[:, None] / 2


def _pairs(size, shape=COLOUR):
    """Real images of length 2.5, all alike, and fakes at 0."""
    real = tf.fill((size, *shape), tf.constant(2.5 / np.sqrt(12.0), tf.float32))
    return real, tf.zeros_like(real)


# The slope between these is 2.5 e. With e in U[0, 1] the mean of (2.5 e - 1)^2 is
# 2.5^2/3 - 2.5 + 1 = 7/12; with e in N(0, 1) that of (2.5 |e| - 1)^2 is 3.26, or 7.67 with 1 - e.
# Over 20 batches of 1,000 the mean has a deviation of 0.004, the batches one of 0.019; 0.13 and
# 0.59 with one e for a batch.
BETWEEN, NORMAL, TURNED = 7 / 12, 3.26, 7.67
ONE_EPSILON = (
    "The batches scatter too much: all images of a batch share one epsilon. Each needs its own, "
    "of shape (batch, 1, 1, 1)."
)
NORMAL_EPSILON = (
    "epsilon comes from the normal distribution: most points then lie beyond the pair. Draw it "
    "from U[0, 1]."
)
CONSTANT = "The penalty must be a tensor that an outer tape can differentiate: no .numpy() in it."
FLAT = "The root has no derivative at 0: add 1e-12 under it."


def _check_bowl(penalty, shape):
    """Rows for mean and spread of 20 batches; hints that hold for whatever numbers were drawn."""
    critic = keras.Sequential([keras.Input(shape), Bowl()])
    keras.utils.set_random_seed(0)
    values = [float(_read(penalty(critic, *_pairs(1000, shape)))) for _ in range(20)]
    mean, spread = float(np.mean(values)), float(np.std(values))
    normal = abs(mean - NORMAL) < 0.2 or abs(mean - TURNED) < 0.5
    words = NORMAL_EPSILON if normal else ONE_EPSILON if spread > 0.3 else ""
    fits = abs(mean - BETWEEN) < 0.02
    yield expect("bowl, 20 batches: mean", mean, fits, "0.583, within 0.02", hint=words)
    words = words if spread > 0.05 else ""
    yield expect("bowl, 20 batches: spread", spread, spread < 0.05, "below 0.05", hint=words)


def _read(value):
    if value is None or value is ...:
        raise Open
    return value


def _differentiate(penalty, critic):
    """The penalty's derivative by the length of a linear critic's kernel; None without one."""
    kernel = critic.trainable_variables[0]
    with tf.GradientTape() as tape:
        value = tf.convert_to_tensor(_read(penalty(critic, *_pairs(8))))
    slope = tape.gradient(value, kernel)
    return None if slope is None else float(ops.sum(slope * kernel) / 5.0)


def test_penalty(penalty):
    yield compare("linear critic of slope 5", penalty(_linear(5.0), *_pairs(256)), 16.0)
    yield from _check_bowl(penalty, COLOUR)
    slope = _differentiate(penalty, _linear(5.0))
    what = "its derivative by that slope"
    if slope is None:
        yield expect(what, "none", False, 8.0, hint=CONSTANT)
    else:
        yield compare(what, slope, 8.0)
    flat = _linear(0.0)
    finite = bool(np.isfinite(_differentiate(penalty, flat) or 0.0))
    yield expect("a number as derivative of a flat critic", finite, finite, True, hint=FLAT)


def _between(epsilon):
    """Points between the pairs, by a function that draws epsilon for a number of images."""

    def mix(real_images, fake_images):
        e = epsilon(len(real_images))
        return e * real_images + (1.0 - e) * fake_images

    return mix


_right_points = _between(lambda size: tf.random.uniform((size, 1, 1, 1)))
_normal_points = _between(lambda size: tf.random.normal((size, 1, 1, 1)))
_turned_points = _between(lambda size: 1.0 - tf.random.normal((size, 1, 1, 1)))
_shared_points = _between(lambda size: tf.random.uniform((1, 1, 1, 1)))


def _penalty(points=_right_points, measure=None, small=1e-12):
    """The penalty with one thing changed: the points, what is made of the slopes, or the 1e-12."""

    def lengths(slopes):
        return ops.sqrt(ops.sum(ops.square(slopes), axis=(1, 2, 3)) + small)

    def penalty(critic, real_images, fake_images):
        mixed = points(real_images, fake_images)
        with tf.GradientTape() as tape:
            tape.watch(mixed)
            scores = critic(mixed, training=True)
        slopes = tape.gradient(scores, mixed)
        return ops.mean(ops.square((measure or lengths)(slopes) - 1.0))

    return penalty


def _along_one_axis(slopes):
    return ops.sqrt(ops.sum(ops.square(slopes), axis=1) + 1e-12)


def _over_the_batch(slopes):
    return ops.sqrt(ops.sum(ops.square(slopes)) + 1e-12)


def _without_root(slopes):
    return ops.sum(ops.square(slopes), axis=(1, 2, 3))


def _one_sided(critic, real_images, fake_images):
    lengths = slope_lengths(critic, _right_points(real_images, fake_images))
    return ops.mean(ops.square(ops.relu(lengths - 1.0)))


def _without_square(critic, real_images, fake_images):
    lengths = slope_lengths(critic, _right_points(real_images, fake_images))
    return ops.mean(ops.abs(lengths - 1.0))


def _as_number(critic, real_images, fake_images):
    return gradient_penalty(critic, real_images, fake_images).numpy()


PENALTY = Exercise(
    "the gradient penalty with the tape",
    "write",
    20,
    test_penalty,
    (
        "Three steps: points between the pairs, the critic's slope at each, the mean of "
        "(length - 1)^2.",
        "epsilon has one number for each image: shape (batch, 1, 1, 1). The tape must be told to "
        "watch the mixed images.",
        "slopes = tape.gradient(critic(mixed, training=True), mixed); lengths = the root of the "
        "sum of their squares over all axes but the first, plus 1e-12.",
    ),
    gradient_penalty,
    {
        "normal epsilon": (_penalty(_normal_points), NORMAL_EPSILON),
        "one epsilon": (_penalty(_shared_points), ONE_EPSILON),
        "at real images": (
            _penalty(lambda real, fake: tf.identity(real)),
            "The slope is taken at the real images: take it between real and fake.",
        ),
        "at fake images": (
            _penalty(lambda real, fake: tf.identity(fake)),
            "The slope is taken at the fakes: take it between real and fake.",
        ),
        "one axis": (
            _penalty(measure=_along_one_axis),
            "The squares are added over axis 1 only: an image has three axes besides the batch.",
        ),
        "over the batch": (
            _penalty(measure=_over_the_batch),
            "That is one length for the whole batch: leave axis 0 out of the sum.",
        ),
        "no root": (
            _penalty(measure=_without_root),
            "That is the squared length: take the root before you subtract 1.",
        ),
        "one-sided": (
            _one_sided,
            "Slopes below 1 go unpunished here: the lesson's penalty asks for 1 from both sides.",
        ),
        "no square": (_without_square, "Square the difference of each length from 1."),
        "a NumPy number": (_as_number, CONSTANT),
        "no small number": (_penalty(small=0.0), FLAT),
    },
)


# 04.3


def slope_lengths(critic, images):
    """Lengths `(batch,)` of the critic's slopes at these images; a tape outside may go on."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = critic(images, training=True)
    squares = ops.square(tape.gradient(scores, images))
    return ops.sqrt(ops.sum(squares, axis=(1, 2, 3)) + 1e-12)


def critic_loss(critic, real_images, fake_images):
    epsilon = tf.random.uniform([len(real_images), 1, 1, 1])
    mixed = epsilon * real_images + (1.0 - epsilon) * fake_images
    penalty = ops.mean((slope_lengths(critic, mixed) - 1.0) ** 2)
    real_scores = critic(real_images, training=True)
    fake_scores = critic(fake_images, training=True)
    return ops.mean(fake_scores) - ops.mean(real_scores) + 10.0 * penalty


BACKWARDS = "The signs of the gap are exchanged: the critic would learn to score fakes high."
REWARD = "The penalty is subtracted: the critic is paid for steep slopes."
NO_WEIGHT = "The penalty's weight is 10, as in the three scripts."


LINEAR = "A linear critic has the same slope everywhere: it cannot tell where you took it."
LUCK = "B's mean is that of 20 draws, and may be near by luck. What is not near?"
FALLS = "What does C's critic pay in the end? Is that a distance on a ring of radius 2?"


def test_critics(candidate):
    a, b, c, repaired = (_read(candidate.get(name)) for name in ("A", "B", "C", "critic_loss"))
    others = "the mean", "bowl mean", "spread", "the spread"  # A's points scatter widely, too
    words = LINEAR if label(a) == "linear" else ""
    yield compare("what convicts A", a, "mean", aliases=others, hint=words)
    words = LINEAR if label(b) == "linear" else LUCK
    yield compare("what convicts B", b, "spread", aliases=("the spread",), hint=words)
    # C: means of updates 151 to 200, seeds 0, 1, 2: -1668, -1618, -1514; with the signs right -0.1.
    yield expect("C's loss in the end", c, c < -20.0, "far below 0", hint=FALLS)
    critic, pairs = _linear(5.0, GREY), _pairs(256, GREY)
    gap = float(ops.mean(critic(pairs[0])))
    loss = float(_read(repaired(critic, *pairs)))
    known = {160 + gap: BACKWARDS, -160 - gap: REWARD, 16 - gap: NO_WEIGHT}
    words = next((words for value, words in known.items() if abs(loss - value) < 0.5), "")
    yield compare("repaired loss, linear critic of slope 5", loss, 160 - gap, hint=words)
    # The bowl's gap is 2.5^2 / 2.
    yield from _check_bowl(lambda *inputs: (repaired(*inputs) + 3.125) / 10.0, GREY)


def _evidence(loss=critic_loss, **answers):
    return {"A": "mean", "B": "spread", "C": -1668.0, "critic_loss": loss, **answers}


def _loss(penalty=gradient_penalty, sign=1.0, weight=10.0):
    def loss(critic, real_images, fake_images):
        gap = ops.mean(critic(real_images)) - ops.mean(critic(fake_images))
        return weight * penalty(critic, real_images, fake_images) - sign * gap

    return loss


CRITICS = Exercise(
    "three faulty critics",
    "bug",
    15,
    test_critics,
    (
        "Each critic fails one test only. Which number is not what a pencil gives?",
        "Look at how A and B draw epsilon: from which distribution, and how many numbers for a "
        "batch of 1,000 grey images? Which way does C's critic pull?",
        "A: normal instead of uniform. B: one number for each channel, that is one for all. C: "
        "mean(real) - mean(fake) where the critic should pay mean(fake) - mean(real).",
    ),
    _evidence(),
    {
        "A stays": (_evidence(_loss(_penalty(_turned_points))), NORMAL_EPSILON),
        "B stays": (_evidence(_loss(_penalty(_shared_points))), ONE_EPSILON),
        "C stays": (_evidence(_loss(sign=-1.0)), BACKWARDS),
        "penalty subtracted": (_evidence(_loss(weight=-10.0)), REWARD),
        "no weight": (_evidence(_loss(weight=1.0)), NO_WEIGHT),
        "16 convicts A": (_evidence(A="linear"), LINEAR),
        "the mean convicts B": (_evidence(B="mean"), LUCK),
        "C as it begins": (_evidence(C=-4.7), FALLS),
    },
)

EXERCISES = {"04.1": DISTANCE, "04.2": PENALTY, "04.3": CRITICS}
