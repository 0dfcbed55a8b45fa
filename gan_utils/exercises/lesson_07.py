"""Exercises of 07_generative_matching: squared MMD, a loss that falls in vain, other bandwidths."""

import functools

import numpy as np
import tensorflow as tf
from keras import ops

from gan_utils.exercises.engine import Exercise, Open, compare, expect

SETUP = """\
from gan_utils import data, images, metrics, networks, plotting, results
from gan_utils.exercises import check, hint, predict, solution, submit
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import ops

plotting.use_style()
"""


# 07.1


def squared_mmd(x, y, s):
    def kernel(a, b):
        squared = np.sum((a[:, None] - b) ** 2, axis=2)
        return np.exp(-squared / (2 * s**2))

    n, m = len(x), len(y)
    within_x = (kernel(x, x).sum() - n) / (n * (n - 1))
    within_y = (kernel(y, y).sum() - m) / (m * (m - 1))
    return within_x + within_y - 2 * kernel(x, y).mean()


def _points(*rows):
    return np.array(rows, "float64")


PLANE = (
    _points((0.0, 0.3), (-0.3, -0.9), (-0.5, -1.0), (0.1, 1.3)),
    _points((0.5, 0.4), (1.5, 1.4), (1.1, 0.1), (1.0, 1.7), (-0.3, 0.5), (-0.9, -0.3)),
)


def test_mmd(candidate):
    got = candidate(_points([0], [1]), _points([0], [2], [4]), 1.0)
    yield compare("x = {0, 1}, y = {0, 2, 4}, s = 1", got, -0.08975)
    # By hand, with loops over the pairs.
    yield compare("4 and 6 points of a plane, s = 0.7", candidate(*PLANE, 0.7), 0.04484)


def _near(a, b, s):
    return np.exp(-np.sum((a[:, None] - b) ** 2, axis=2) / (2 * s**2))


def _others(nearness):
    """Sum over the pairs of two different points."""
    return nearness.sum() - np.trace(nearness)


def _means(xx, yy):
    return sum(_others(each) / (len(each) * (len(each) - 1)) for each in (xx, yy))


def _make_mmd(near=_near, within=_means, mixed=2):
    """An answer with another kernel, other terms within the clouds, or another mixed term."""
    return lambda x, y, s: within(near(x, x, s), near(y, y, s)) - mixed * np.mean(near(x, y, s))


def _n_for_both(xx, yy, left_out):
    n = len(xx)
    return (_others(xx) + yy.sum() - left_out) / (n * (n - 1))


_DIVISORS = "Both clouds got the number of points of x: y has its own, m."

MMD = Exercise(
    "unbiased squared MMD",
    "write",
    12,
    test_mmd,
    (
        "Three matrices of kernels: x with x, y with y, x with y. A mean of each, with care.",
        "Within a cloud leave out the pairs of a point with itself: n (n - 1) ordered pairs stay.",
        "Off the diagonal: (kernel(x, x).sum() - n) / (n * (n - 1)), the same for y and m, minus "
        "2 * kernel(x, y).mean(), with kernel exp(-|a - b|^2 / (2 s^2)).",
    ),
    squared_mmd,
    {
        "self-pairs kept": (
            _make_mmd(within=lambda xx, yy: xx.mean() + yy.mean()),
            "You kept the pairs of a point with itself: that is the biased estimate.",
        ),
        "divisor n^2": (
            _make_mmd(within=lambda xx, yy: sum(_others(k) / len(k) ** 2 for k in (xx, yy))),
            "You left out the self-pairs but divide by n^2: only n (n - 1) pairs are left.",
        ),
        "mixed term once": (
            _make_mmd(mixed=1),
            "The mixed term counts twice: otherwise equal clouds would not give 0.",
        ),
        "s^2 for 2 s^2": (
            _make_mmd(lambda a, b, s: _near(a, b, s) ** 2),
            "The kernel divides by 2 s^2, not by s^2.",
        ),
        "s for s^2": (
            _make_mmd(lambda a, b, s: _near(a, b, np.sqrt(s))),
            "The bandwidth enters as a square: 2 s^2. At s = 1 that does not show.",
        ),
        "distance for its square": (
            _make_mmd(lambda a, b, s: np.exp(-_distances(a, b) / (2 * s**2))),
            "The kernel takes the squared distance; you took the distance.",
        ),
        "times s^2": (
            _make_mmd(lambda a, b, s: np.exp(-(_distances(a, b) ** 2) / 2 * s**2)),
            "/ 2 * s**2 multiplies by s^2: brackets around 2 * s**2. At s = 1 that does not show.",
        ),
        "mixed with a plus": (
            _make_mmd(mixed=-2),
            "The mixed term is subtracted: clouds that are near each other differ little.",
        ),
        "n points left out of both": (
            _make_mmd(within=lambda xx, yy: _n_for_both(xx, yy, len(xx))),
            _DIVISORS,
        ),
        "divisor of x for both": (
            _make_mmd(within=lambda xx, yy: _n_for_both(xx, yy, len(yy))),
            _DIVISORS,
        ),
        "root": (
            lambda x, y, s: np.sqrt(np.abs(squared_mmd(x, y, s))),
            "No root: the squared MMD is asked for, and its estimate may be negative.",
        ),
    },
)


def _distances(a, b):
    return np.sqrt(np.sum((a[:, None] - b) ** 2, axis=2))


# 07.2


def largest_slope(term, real, fakes):
    fakes = tf.constant(fakes)
    with tf.GradientTape() as tape:
        tape.watch(fakes)
        value = term(real, fakes)
    return float(ops.max(ops.abs(tape.gradient(value, fakes))))


def repaired(pixels):
    real = pixels[..., None].astype("float32") / 127.5 - 1.0
    return real, (5.0, 10.0, 20.0)


def _mixed(real, fakes, bandwidths):
    """The mixed term of the loss."""
    real, fakes = (ops.reshape(ops.convert_to_tensor(c), (c.shape[0], -1)) for c in (real, fakes))
    squares = ops.sum(real**2, axis=1)[:, None] + ops.sum(fakes**2, axis=1)
    squared = squares - 2.0 * ops.matmul(real, ops.transpose(fakes))
    kernels = [ops.mean(ops.exp(-squared / (2.0 * s**2))) for s in bandwidths]
    return -2.0 * sum(kernels) / len(kernels)


def test_vain(candidate):
    yield compare("the term that convicts", candidate["term"], "mixed", aliases=("mixed term",))
    slope, prepare = candidate["largest_slope"], candidate["prepare"]
    narrow = functools.partial(_mixed, bandwidths=(1.0, 1.0, 1.0))
    real, fakes = np.float32([[0], [1]]), np.float32([[-1], [3]])
    # By hand: (2 / 4) sum of (b - a) exp(-(b - a)^2 / 2) over the real a: -.4386 at -1, .1520 at 3.
    yield compare(
        "largest slope, real {0, 1}, fakes {-1, 3}, s = 1", slope(narrow, real, fakes), 0.4386
    )
    rng = np.random.default_rng(0)
    pixels = np.where(rng.uniform(size=(20, 28, 28)) < 0.2, 255, 0).astype("uint8")
    pixels[:, 0, :3] = 0, 51, 255
    prepared = prepare(pixels)
    if prepared is None or prepared is ...:
        raise Open
    real, bandwidths = prepared
    real = np.asarray(real)
    shape = f"{real.dtype} {real.shape}"
    words = "float32 (20, 28, 28, 1)"
    hint = "Images are float32, with one channel: the networks of this notebook expect that."
    yield expect("20 images prepared", shape, shape == words, words, hint=hint)
    got = np.ravel(real)[:3].astype("float64")
    words = "Fakes end in tanh, from -1 to 1: real pixels must fill the same range."
    yield compare("pixels 0, 51, 255 become", got, [-1.0, -0.6, 1.0], atol=1e-6, hint=words)
    fakes = rng.uniform(-0.1, 0.1, (10, 28, 28, 1)).astype("float32")
    words = "make_terms goes through the bandwidths: give a tuple, of one number too."
    yield compare("bandwidths are a tuple", np.ndim(bandwidths) == 1, True, hint=words)
    bandwidths = tuple(float(s) for s in np.ravel(bandwidths))
    mixed = functools.partial(_mixed, real.astype("float32"), bandwidths=bandwidths)
    pull = largest_slope(lambda _, made: mixed(made), real, fakes)
    words = "No fake is pulled: the kernel of every pair is still 0."
    if float(mixed(fakes)) < -1.9:
        words = "No fake is pulled: the kernel of every pair is nearly 1. Smaller bandwidths."
    yield expect("the mixed term now pulls: its slope", pull, pull > 1e-6, "above 0", hint=words)


def _vain(**changes):
    right = {"term": "mixed", "largest_slope": largest_slope, "prepare": repaired}
    return right | changes


def _prepare(factor=1 / 127.5, shift=-1.0, widths=(5.0, 10.0, 20.0), kind="float32"):
    return lambda pixels: ((pixels[..., None] * factor + shift).astype(kind), widths)


def _mean_slope(term, real, fakes):
    return _slope(term, real, fakes, lambda gradient: ops.mean(ops.abs(gradient)))


def _signed_slope(term, real, fakes):
    return _slope(term, real, fakes, ops.max)


def _slope(term, real, fakes, summary):
    fakes = tf.constant(fakes)
    with tf.GradientTape() as tape:
        tape.watch(fakes)
        value = term(real, fakes)
    return float(summary(tape.gradient(value, fakes)))


VAIN = Exercise(
    "the loss falls in vain",
    "bug",
    15,
    test_vain,
    (
        "Which of the three terms knows of real points and of fakes? What does it tell the fakes?",
        "How far is a real image from any fake, counted in bandwidths? Look at smallest and "
        "largest pixels of both.",
        "Fakes end in tanh, from -1 to 1. Scale the pixels to that range: x / 127.5 - 1.",
    ),
    _vain(),
    {
        "term of the fakes": (
            _vain(term="fakes"),
            "This term works: it pushes fakes apart, and the loss falls. Which one should pull?",
        ),
        "term of the real": (
            _vain(term="real"),
            "The term among real points never has a slope at the fakes, in a right run neither.",
        ),
        "mean": (
            _vain(largest_slope=_mean_slope),
            "You took a mean; asked is the largest absolute value.",
        ),
        "sign": (
            _vain(largest_slope=_signed_slope),
            "A slope may be negative: take absolute values before the maximum.",
        ),
        "not repaired": (
            _vain(prepare=_prepare(1.0, 0.0)),
            "Pixels still run from 0 to 255, and every fake is some 2,400 away from every real "
            "image.",
        ),
        "larger bandwidth": (
            _vain(prepare=_prepare(1.0, 0.0, (640.0, 1275.0, 2550.0))),
            "Larger bandwidths make a pull, but toward images that no tanh can make: pixels up to "
            "255. Scale the pixels.",
        ),
        "bandwidths too large": (
            _vain(prepare=_prepare(widths=(640.0, 1275.0, 2550.0))),
            "The pixels are right; so large bandwidths see all images as equal. Keep the lesson's.",
        ),
        "zero to one": (
            _vain(prepare=_prepare(1 / 255, 0.0)),
            "Pixels from 0 to 1 leave half of tanh unused: black is -1 here.",
        ),
        "zero to two": (
            _vain(prepare=_prepare(1 / 127.5, 0.0)),
            "Pixels from 0 to 2: subtract 1 after the division.",
        ),
        "double": (
            _vain(prepare=_prepare(kind="float64")),
            "NumPy made float64 out of the division; the networks take float32.",
        ),
    },
)


# 07.3

# 800 updates of 128 points, rate 1e-2 falling to 0: modes covered and share of good points. As in
# the lesson, seeds 0, 1, 2: 8, 8, 8 and .52, .45, .51; times ten 8, 8, 8 and .32, .31, .33 (.38
# if even on the circle); a tenth, seeds 0, 1: 2, 4 and .22, .27.
ENDS = {"ten times larger": "circle", "ten times smaller": "part"}


def test_widths(candidate):
    for name, expected in ENDS.items():
        yield compare(f"bandwidths {name}", candidate.get(name), expected)


WIDTHS = Exercise(
    "other bandwidths on the ring",
    "predict",
    5,
    test_widths,
    (
        "Stretch or squeeze the lesson's figure of the pulls sideways by ten.",
        "The modes are 1.5 apart and 0.1 wide. Which bandwidths see a single mode, which see a "
        "fake that is far from all?",
        "The narrowest of the large ones is 1: too coarse for a mode. The widest of the small ones "
        "is 0.2: blind beyond a mode.",
    ),
    ENDS,
    {
        "exchanged": (
            dict(zip(ENDS, ("part", "circle"))),
            "Exchanged: wide kernels reach every fake but blur, narrow ones are sharp but blind.",
        ),
        "larger is better": (
            dict(zip(ENDS, ("modes", "part"))),
            "A kernel of bandwidth 1 or more hardly sees a gap between modes that are 1.5 apart.",
        ),
        "smaller is better": (
            dict(zip(ENDS, ("circle", "modes"))),
            "Narrow kernels are sharp, but a fake beyond their reach feels no pull at all.",
        ),
        "no matter": (
            dict(zip(ENDS, ("modes", "modes"))),
            "Several bandwidths help only if some fit the modes and some reach across the gaps.",
        ),
        "both on the circle": (
            dict(zip(ENDS, ("circle", "circle"))),
            "Narrow kernels do not blur: they see sharply near by, and nothing of far modes.",
        ),
        "both a part": (
            dict(zip(ENDS, ("part", "part"))),
            "Wide kernels reach all fakes from everywhere, so no part of the circle stays empty.",
        ),
    },
)

EXERCISES = {"07.1": MMD, "07.2": VAIN, "07.3": WIDTHS}
