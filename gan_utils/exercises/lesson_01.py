"""Exercises of 01_intuition: the best judge, drawing, a judge that stands still, extragradient."""

import warnings

import numpy as np

from gan_utils.exercises.engine import Exercise, Open, compare, expect

SETUP = """\
from gan_utils import data, plotting
from gan_utils.exercises import check, hint, predict, solution, submit
import keras
from keras import layers, ops
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

plotting.use_style()
"""


# 01.1


def best_judge(p, q):
    total = p + q
    return np.where(total > 0, p / np.where(total > 0, total, 1.0), 0.5)


def test_judge(candidate):
    p, q = np.array([0.3, 0.1, 0.0, 0.25]), np.array([0.1, 0.3, 0.2, 0.25])
    got = candidate(p, q)
    yield compare("p = .3, .1, 0, .25 and q = .1, .3, .2, .25", got, [0.75, 0.25, 0.0, 0.5])
    p, q = np.array([0.3, 0.0]), np.array([0.1, 0.0])
    # `judge` silences NumPy; here its warnings are counted.
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn"):
        warnings.simplefilter("always")
        got = candidate(p, q)
    yield compare("p = .3, 0 and q = .1, 0", got, [0.75, 0.5])
    yield expect("warnings at p = q = 0", len(caught), not caught, 0)


JUDGE = Exercise(
    "the best judge",
    "write",
    6,
    test_judge,
    (
        "Of equally many real points and fakes near x, which share is real?",
        "D* = p / (p + q). Where p + q is zero, divide by something else.",
        "total = p + q; divide by np.where(total > 0, total, 1.0), then choose with np.where.",
    ),
    best_judge,
    {
        "share of fakes": (
            lambda p, q: best_judge(q, p),
            "That is the share of fakes. D(x) is the probability that x is real.",
        ),
        "ratio": (
            lambda p, q: p / q,
            "That is the ratio of both densities; a probability ends at 1: divide by p + q.",
        ),
        "nothing is divided by nothing": (
            lambda p, q: p / (p + q),
            "0 / 0 is nan. Where there are neither data nor fakes, answer 1/2.",
        ),
        "a small number in the divisor": (
            lambda p, q: p / (p + q + 1e-8),
            "A small number in the divisor makes 0 out of 0 / 0; the answer there is 1/2.",
        ),
        "np.where alone": (
            lambda p, q: np.where(p + q > 0, p / (p + q), 0.5),
            "The values are right, but np.where computes both branches, 0 / 0 too: hence the "
            "warning. Divide by a copy of the sum without zeros.",
        ),
    },
)


# 01.2


def draw_laplace(u):
    left = np.log(2.0 * np.minimum(u, 1.0 - u))
    return np.where(u < 0.5, left, -left)


def test_laplace(candidate):
    u = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
    got = candidate(u)
    expected = [-1.6094, -0.6931, 0.0, 0.6931, 1.6094]
    yield compare("u = .1, .25, .5, .75, .9", got, expected, atol=1e-6)
    u = (np.arange(20_000) + 0.5) / 20_000
    x = np.asarray(candidate(u), "float64")
    yield compare("share of draws below 0", np.mean(x < 0), 0.5)
    places = np.sort(x)
    shares = np.where(places < 0, np.exp(-np.abs(places)) / 2, 1 - np.exp(-np.abs(places)) / 2)
    gap = np.abs(shares - u).max()
    words = "below .02"
    yield expect("largest gap between the shares below x and the formula's", gap, gap < 0.02, words)
    grows = bool(np.all(np.diff(x) > 0))
    words = "Each x must come from its u alone, and a larger u must give a larger x."
    yield expect("a larger u gives a larger x", grows, grows, True, hint=words)


_POSITIVE = (
    "All your draws are positive: this density has two sides. Let u below 1/2 make the left one."
)

LAPLACE = Exercise(
    "draw from a two-sided density",
    "write",
    8,
    test_laplace,
    (
        "Which share of the points lies below x? Call it u, and solve for x.",
        "For x below 0 this share is e^x / 2. The right side is the mirror image.",
        "x = log(2 u) where u < 1/2, and -log(2 (1 - u)) elsewhere: np.where.",
    ),
    draw_laplace,
    {
        "the lesson's exponential": (lambda u: -np.log(1 - u), _POSITIVE),
        "sign lost": (lambda u: np.abs(draw_laplace(u)), _POSITIVE),
        "u and 1 - u exchanged": (
            lambda u: draw_laplace(1 - u),
            "The density is right, but your x falls where u grows: u and 1 - u are exchanged.",
        ),
        "half forgotten": (
            lambda u: np.where(u < 0.5, np.log(u), -np.log(1 - u)),
            "No draw falls near 0: each side holds half of the points, so solve e^x / 2 = u.",
        ),
        "half used twice": (
            lambda u: np.where(u < 0.5, np.log(4 * u), -np.log(4 * (1 - u))),
            "The share left of 0 is 1/2, so the logarithm must be 0 at u = 1/2.",
        ),
    },
)


# 01.3


def test_end(candidate):
    yield compare("the fakes end as in picture", candidate, "M")


# G of two hidden layers of 32 starts as 0.8 z + 2, Adam 1e-3, D is the best judge against these
# first fakes. Quantiles 1, 50, 99 % of the fakes after 300 updates, seeds 0, 1, 2: -3.53, -1.35,
# -0.97; -3.25, -1.35, -1.12; -3.63, -1.42, -0.93. A D trained for 300 half-steps does the same:
# -3.44, -1.38, -1.27; -3.79, -1.46, -1.14; -3.79, -1.45, -1.26.
FIXED = Exercise(
    "D stays fixed: where do the fakes go?",
    "predict",
    4,
    test_end,
    (
        "What does a fake know of the other fakes, and of the data?",
        "Each fake climbs D by itself. Where is D high, and what happens at the right bump?",
        "At the right bump D is only about 0.6, for many first fakes lay there; it rises to the "
        "left.",
    ),
    "M",
    {
        "spread": (
            "K",
            "Nothing spreads the fakes: each climbs D by itself, and knows of no other.",
        ),
        "the data": (
            "L",
            "That is the end of the game with a D that learns again and again. This D was best "
            "against the first fakes only; it does not ask how many stand at one place.",
        ),
        "right bump": (
            "N",
            "The nearest data, but D is only about 0.6 there, and still rises to the left.",
        ),
    },
)


# 01.4


def extragradient(push, start, num_steps, h):
    path = [np.array(start, "float64")]
    for _ in range(num_steps):
        ahead = path[-1] + h * push(path[-1])
        path.append(path[-1] + h * push(ahead))
    return np.array(path)


def _circle(point):
    return np.array([-point[1], point[0]])


def _toward(point):
    return np.array([1.0, -2.0]) - point


def test_path(candidate):
    path = candidate(_circle, (0.8, 0.0), 200, 0.1)
    if path is None or path is ...:
        raise Open
    path = np.asarray(path)
    words = "Return all points, one a row, the start first."
    fits = path.shape == (201, 2)
    yield expect("shape of the path of 200 steps", str(path.shape), fits, "(201, 2)", hint=words)
    if path.ndim != 2 or path.shape[1] != 2:
        return
    yield compare("first point", path[0], [0.8, 0.0])
    yield compare("game xy: distance from (0, 0) at the end", np.hypot(*path[-1]), 0.2958)
    end = np.asarray(candidate(_toward, (0.0, 0.0), 5, 0.2))[-1]
    yield compare("a push straight to (1, -2): end of 5 steps of .2", end, [0.5818, -1.1636])


def _make_path(step):
    """An answer that takes these steps: for known mistakes."""

    def walk(push, start, num_steps, h):
        path = [np.array(start, "float64")]
        for _ in range(num_steps):
            path.append(step(push, path[-1], h))
        return np.array(path)

    return walk


def _in_turn(push, point, h):
    new_x = point[0] + h * push(point)[0]
    return np.array([new_x, point[1] + h * push(np.array([new_x, point[1]]))[1]])


def _from_ahead(push, point, h):
    ahead = point + h * push(point)
    return ahead + h * push(ahead)


def _half_ahead(push, point, h):
    return point + h * push(point + h / 2 * push(point))


def _in_place(push, start, num_steps, h):
    return np.tile(extragradient(push, start, num_steps, h)[-1], (num_steps + 1, 1))


EXTRAGRADIENT = Exercise(
    "extragradient",
    "write",
    12,
    test_path,
    (
        "Each step asks for the push twice: here, and at the place where this push leads.",
        "The second push moves the old point; the place that was looked at is forgotten.",
        "ahead = point + h * push(point), then the next point is point + h * push(ahead).",
    ),
    extragradient,
    {
        "push at the old point": (
            _make_path(lambda push, point, h: point + h * push(point)),
            "You took the push at the old point: these are steps at once, and they lead outward.",
        ),
        "in turn": (
            _make_path(_in_turn),
            "Your players step in turn, and stay on an ellipse. Here both look ahead, then both "
            "step.",
        ),
        "from the place ahead": (
            _make_path(_from_ahead),
            "You went on from the place that was looked at: two steps at once, outward. The "
            "second push must move the old point.",
        ),
        "half ahead": (
            _make_path(_half_ahead),
            "You looked half a step ahead, or took the mean of both pushes: that follows the "
            "circle closely. Look a whole step ahead, and use only the push there.",
        ),
        "start left out": (
            lambda *inputs: extragradient(*inputs)[1:],
            "The start is missing: the path has one point more than there are steps.",
        ),
        "changed in place": (
            _in_place,
            "All points of your path are one array: += changes it in place. Make a new array in "
            "each step.",
        ),
    },
)

EXERCISES = {"01.1": JUDGE, "01.2": LAPLACE, "01.3": FIXED, "01.4": EXTRAGRADIENT}
