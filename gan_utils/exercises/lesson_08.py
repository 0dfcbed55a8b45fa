"""Exercises of 08_measuring_gans: the Fréchet distance, its bias, and a broken evaluation."""

import numpy as np
from scipy import linalg

from gan_utils.exercises.engine import Exercise, Open, compare, expect

SETUP = """\
from gan_utils import data, features, metrics, plotting, results
from gan_utils.exercises import check, hint, predict, solution, submit
import keras
import matplotlib.pyplot as plt
import numpy as np
from scipy import linalg
"""


# 08.1


def frechet_distance(real_mean, real_covariance, fake_mean, fake_covariance):
    shift = real_mean - fake_mean
    root = linalg.sqrtm(real_covariance @ fake_covariance).real
    traces = np.trace(real_covariance + fake_covariance - 2 * root)
    return shift @ shift + traces


C_REAL, C_FAKE = np.diag([4.0, 1.0]), np.array([[4.0, 3.0], [3.0, 4.0]])
ORIGIN = np.zeros(2)


def _real(value):
    """A complex number without an imaginary part, as roots of eigenvalues are, as a real one."""
    return np.real_if_close(value) if np.iscomplexobj(value) else value


def test_frechet(candidate):
    line = np.array([0.0]), np.array([[1.0]]), np.array([3.0]), np.array([[4.0]])
    yield compare("N(0, 1) and N(3, 4)", _real(candidate(*line)), 10.0)
    found = _real(candidate(np.array([2.0, 0.0]), C_REAL, ORIGIN, C_FAKE))
    yield compare("diag(4, 1) and [[4, 3], [3, 4]], means (2, 0) apart", found, 5.9396)
    found = _real(candidate(ORIGIN, C_FAKE, ORIGIN, C_REAL))
    yield compare("the same covariances exchanged, equal means", found, 1.9396)
    found = _real(candidate(ORIGIN, C_FAKE, ORIGIN, C_FAKE))
    yield compare("a Gaussian and itself", found, 0.0, atol=1e-6)


def _variant(*, shift=lambda s: s @ s, root=linalg.sqrtm, factor=2, end=lambda x: x):
    """The distance with one part replaced."""

    def frechet_distance(real_mean, real_covariance, fake_mean, fake_covariance):
        mixed = np.trace(root(real_covariance @ fake_covariance).real)
        traces = np.trace(real_covariance) + np.trace(fake_covariance) - factor * mixed
        return end(shift(real_mean - fake_mean) + traces)

    return frechet_distance


def _roots_apart(real_mean, real_covariance, fake_mean, fake_covariance):
    shift = real_mean - fake_mean
    mixed = linalg.sqrtm(real_covariance) @ linalg.sqrtm(fake_covariance)
    return shift @ shift + np.trace(real_covariance + fake_covariance - 2 * mixed)


def _entries(real_mean, real_covariance, fake_mean, fake_covariance):
    shift = real_mean - fake_mean
    root = linalg.sqrtm(real_covariance * fake_covariance).real
    return shift @ shift + np.trace(real_covariance + fake_covariance - 2 * root)


# In the second test 5.000, 2.437, 1.940, 11.470, 3.940, 6.063 and -23.
FRECHET = Exercise(
    "Fréchet distance of two Gaussians",
    "write",
    12,
    test_frechet,
    (
        "Two parts: how far the means are apart, and how different the covariances are.",
        "The root is that of a matrix: a matrix which, times itself, gives the product.",
        "shift @ shift + np.trace(C_r + C_f - 2 * linalg.sqrtm(C_r @ C_f).real)",
    ),
    frechet_distance,
    {
        "elementwise root": (
            _variant(root=np.sqrt),
            "You took the root of each entry. A matrix root R has R @ R = C: linalg.sqrtm.",
        ),
        "root taken": (
            _variant(end=lambda x: np.sqrt(np.maximum(x, 0.0))),
            "That is the root of it. The FID is the squared distance.",
        ),
        "means forgotten": (
            _variant(shift=lambda s: 0.0),
            "The means are forgotten: two equal clouds far apart would have distance 0.",
        ),
        "factor 2": (
            _variant(factor=1),
            "The factor 2 of the root is missing: a Gaussian is at distance 0 from itself.",
        ),
        "norm not squared": (
            _variant(shift=np.linalg.norm),
            "The distance of the means is to be squared, like the rest of the formula.",
        ),
        "roots apart": (
            _roots_apart,
            "You multiplied two roots. That is the root of the product only if the covariances "
            "commute; these do not.",
        ),
        "root added": (
            _variant(factor=-2),
            "The root is subtracted: a Gaussian is at distance 0 from itself.",
        ),
        "products of entries": (
            _entries,
            "You multiplied entry by entry. The product of two matrices is @.",
        ),
        "no root": (
            _variant(root=lambda c: c),
            "The root is missing: a squared distance cannot be below 0.",
        ),
    },
)


# 08.2

# Of `vanilla_digits`, 5,000 images in parts of n = 200, 1,000 and 5,000, latents of seeds 0, 1, 2:
# kernel distance 1.05, 1.05, 1.11, at each n; Fréchet 4.01-4.23, 3.50-3.74, 3.38-3.64. Real test
# digits, two halves: 0.68 and 0.71, 0.18 and 0.19, 0.09 and 0.09.
SETS = ("kernel, GAN", "Fréchet, GAN", "Fréchet, real digits")
FLAT, LITTLE, MUCH = "about the same", "a little larger", "many times larger"
KERNEL_WORDS = "The kernel distance is unbiased: n changes its scatter, not its mean."
BIAS_WORDS = (
    "The bias is added to what the generator lacks; it does not multiply it. Here the lack is "
    "large beside the bias."
)
REAL_WORDS = "For real digits nothing is lacking: their Fréchet distance is all bias, about 1/n."


def _tell_ratio(pair):
    ratio = float(pair[0]) / max(float(pair[1]), 1e-9)
    limits = ((0.92, "smaller"), (1.08, FLAT), (2.0, LITTLE), (4.0, "some times larger"))
    return next((words for limit, words in limits if ratio < limit), MUCH)


def test_sizes(candidate):
    expected = (FLAT, KERNEL_WORDS), (LITTLE, BIAS_WORDS), (MUCH, REAL_WORDS)
    pairs = [candidate.get(name) for name in SETS]
    if any(pair is None or pair is ... or pair[0] is ... or pair[1] is ... for pair in pairs):
        raise Open
    for name, pair, (words, hint) in zip(SETS, pairs, expected):
        yield compare(f"{name}, n = 200 against 5,000", _tell_ratio(pair), words, hint=hint)


SIZES = Exercise(
    "one generator, two distances, three n",
    "predict",
    8,
    test_sizes,
    (
        "Which of the two distances is biased? What does a perfect generator get?",
        "Bias adds nearly the same to each generator, good or bad; it falls about as 1/n.",
        "The numbers of real digits are all bias: what they gain from n = 1,000 to 200, the "
        "GAN gains as well.",
    ),
    dict(zip(SETS, ((1.05, 1.05), (4.1, 3.4), (0.7, 0.09)))),
    {
        "nothing changes": (
            dict(zip(SETS, ((1.05, 1.05), (3.5, 3.5), (0.18, 0.18)))),
            "You took both distances for unbiased. The Fréchet distance is never below 0, so "
            "chance can only push it up, more so with few images.",
        ),
        "both biased": (
            dict(zip(SETS, ((5.0, 0.2), (17.5, 0.7), (0.9, 0.04)))),
            "You let n act on both distances. The kernel distance is unbiased: more images only "
            "make it surer.",
        ),
        "bias multiplies": (
            dict(zip(SETS, ((1.05, 1.05), (17.5, 0.7), (0.9, 0.04)))),
            BIAS_WORDS,
        ),
        "more is farther": (
            dict(zip(SETS, ((0.8, 1.3), (3.0, 4.0), (0.1, 0.3)))),
            "You let distances grow with n. Few images make Gaussians that fit badly, so the "
            "Fréchet distance falls with n.",
        ),
    },
)


# 08.3


def prepare(images, labels, draw):
    chosen = np.random.default_rng(0).permutation(len(images))[:5_000]
    return images[chosen], draw(5_000)


def _broken(images, labels, draw, *, by_label=True, scale=True, n=100):
    """The script with its three bugs, or some of them."""
    order = np.argsort(labels, kind="stable") if by_label else np.arange(len(images))
    fakes = draw(n)
    return images[order][:5_000], (fakes + 1) / 2 if scale else fakes


def _change(**options):
    return lambda images, labels, draw: _broken(images, labels, draw, **options)


def _both_scaled(images, labels, draw):
    real, fake = prepare(images, labels, draw)
    return (real + 1) / 2, (fake + 1) / 2


def _drawn_again(images, labels, draw):
    real, _ = prepare(images, labels, draw)
    return real, np.concatenate([draw(100) for _ in range(50)])


def _hundred_each(images, labels, draw):
    real, fake = prepare(images, labels, draw)
    return real[:100], fake[:100]


# What the script gives: 37.454 for 100 real test digits, 40.777 for `vanilla_digits`; repaired
# and with 5,000 each 0.08 and 3.36.
SCORE_OF_REAL = 37.454
RANGE_WORDS = "The network was trained on images in [-1, 1]. Print the smallest value of each side."
CLASS_WORDS = "Look at eight of the real images: the labels were sorted, and the head taken."
SIZE_WORDS = "A covariance of 64 features from few images is mostly chance: take 5,000 of each."
MARK = 0.25  # a pixel of each fake


def test_evaluation(candidate):
    function, score = candidate.get("prepare"), candidate.get("distance of real digits")
    # Constant images: the value tells the class, from -1 for 0 to 1 for 9.
    labels = np.random.default_rng(3).permutation(np.arange(60_000) % 10).astype("uint8")
    images = np.repeat(labels / 4.5 - 1.0, 4).reshape(-1, 2, 2, 1).astype("float32")
    asked = []

    def draw(n):
        asked.append(n)
        fakes = np.resize(images[:500], (n, 2, 2, 1))
        fakes[:, 1, 1] = MARK
        return fakes

    sets = function(images, labels, draw)
    if sets is None or sets is ... or score is None or score is ...:
        raise Open
    words = "The script's distance with draw_real in the generator's place."
    yield compare("the script's distance of real digits", score, SCORE_OF_REAL, hint=words)
    real, fake = (np.asarray(x) for x in sets)
    yield compare("smallest value of the fakes", fake.min(), -1.0, hint=RANGE_WORDS)
    yield compare("smallest value of the real images", real.min(), -1.0, hint=RANGE_WORDS)
    kinds, counts = np.unique(real, return_counts=True)
    yield compare("classes among the real images", len(kinds), 10, hint=CLASS_WORDS)
    share = counts.max() / counts.sum()
    yield expect("share of the commonest", round(share, 1), share < 0.15, "0.1", hint=CLASS_WORDS)
    words = "The fakes must come from draw: is a real image among them?"
    marked = bool(np.isin(np.round(fake[:, 1, 1], 3), (MARK, (MARK + 1) / 2)).all())
    yield compare("the fakes are what draw gave", marked, True, hint=words)
    words = "draw gives the same images each time: ask it once, for all."
    yield expect("calls of draw", len(asked), len(asked) < 2, "1", hint=words)
    smaller = min(len(real), len(fake))
    yield expect("images of the smaller set", smaller, smaller >= 2_000, "5000", hint=SIZE_WORDS)
    larger = max(len(real), len(fake))
    words = "Take as many real images as fakes: at another n the distance has another bias."
    even = larger <= 1.1 * smaller or smaller < 2_000
    yield expect("images of the larger set", larger, even, "as many", hint=words)


def _repaired(function, score=SCORE_OF_REAL):
    return {"distance of real digits": score, "prepare": function}


EVALUATION = Exercise(
    "a terrible generator?",
    "bug",
    15,
    test_evaluation,
    (
        "Measure real against real first. Then look at both sets as the network gets them.",
        "Print of each set its size, its smallest and largest value, and show eight images.",
        "Drop the rescaling, take 5,000 real images at random, and draw 5,000 fakes.",
    ),
    _repaired(prepare),
    {
        "the generator's number": (
            _repaired(prepare, 40.777),
            "That is the generator's distance. It may be a bad generator: which images cannot "
            "be bad?",
        ),
        "the repaired number": (
            _repaired(prepare, 0.0829),
            "That is the zero mark of your repair. The number that convicts comes from the "
            "faulty script.",
        ),
        "nothing repaired": (
            _repaired(_change()),
            "All three bugs are still there: values, kinds of real images, number of fakes.",
        ),
        "range only": (
            _repaired(_change(scale=False)),
            "The values are right now. Two bugs are left: what do the real images show, and how "
            "many fakes are there?",
        ),
        "number only": (
            _repaired(_change(n=5_000)),
            "The number is right now. Two bugs are left: look at the values of the fakes and at "
            "eight real images.",
        ),
        "classes only": (
            _repaired(_change(by_label=False)),
            "All classes are there now. Two bugs are left: the values of the fakes and their "
            "number.",
        ),
        "range left": (_repaired(_change(by_label=False, n=5_000)), RANGE_WORDS),
        "classes left": (_repaired(_change(scale=False, n=5_000)), CLASS_WORDS),
        "number left": (_repaired(_change(scale=False, by_label=False)), SIZE_WORDS),
        "the same fakes again": (
            _repaired(_drawn_again),
            "draw gives the same images each time: ask it once, for all.",
        ),
        "all real images": (
            _repaired(lambda images, labels, draw: (images, draw(5_000))),
            "Take as many real images as fakes: at another n the distance has another bias.",
        ),
        "both rescaled": (
            _repaired(_both_scaled),
            "Both are rescaled: alike, but this network has never seen such images. It was trained "
            "in [-1, 1].",
        ),
        "a hundred each": (
            _repaired(_hundred_each),
            "Equal numbers are right, but 100 images are few for 64 features: the bias is larger "
            "than the distance of good generators.",
        ),
    },
)

EXERCISES = {"08.1": FRECHET, "08.2": SIZES, "08.3": EVALUATION}
