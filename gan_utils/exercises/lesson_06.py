"""Exercises of 06_dcgan_recipe: a crowd experiment, a verdict, and averages that stand still."""

import functools
import json
import math

import keras
import numpy as np

from gan_utils import data, features, results
from gan_utils.exercises.engine import Exercise, Open, compare

SETUP = """\
from gan_utils import data, features, plotting, training
from gan_utils.exercises import check, hint, predict, solution, submit
import json
import keras
import numpy as np
from keras import layers

stored = json.loads(data.read_file("results/dcgan_switches.json"))
scores = {name: np.array(x) for name, x in stored["switches"].items()}
recipe = scores["the recipe"]  # kernel distances of five seeds
"""


@functools.cache
def load_scores():
    """The lesson's stored runs: setting -> kernel distance of each seed."""
    stored = json.loads(data.read_file("results/dcgan_switches.json"))
    return {name: np.array(x) for name, x in stored["switches"].items()}


# 06.1


def choose_run(k):
    """Setting and seed of student k; the lesson's own seeds were 0 to 4."""
    names = [name for name in load_scores() if name != "the recipe"]
    return names[k % len(names)], 5 + k // len(names)


def count_seeds(errors=3.0, ddof=1, add=False, both=1):
    """Smallest number of seeds with which dropout in D would stand out, if nothing else changes."""
    x, recipe = load_scores()["dropout in D"], load_scores()["the recipe"]
    s, t = x.std(ddof=ddof), recipe.std(ddof=ddof)
    variance = (s + t) ** 2 if add else s**2 + t**2
    return both * (math.floor(errors**2 * variance / (x.mean() - recipe.mean()) ** 2) + 1)


CAN_BE = (
    "After 400 updates the distance lies between 0.5 and 20; real digits have 0.02. Is yours one?"
)


def test_crowd(candidate):
    if any(value is None or value is ... for value in candidate.values()):
        raise Open
    words = "features.kernel_distance gives an estimate and an interval: take the first, [0]."
    single = np.size(candidate["distance"]) == 1
    yield compare("your distance is one number", single, True, hint=words)
    k, distance = int(candidate["k"]), float(np.ravel(candidate["distance"])[0])
    setting, seed = choose_run(k)
    own = str(candidate["setting"]).strip() == setting
    yield compare(f"setting of number {k}", own, True, hint=f"Number {k} runs: {setting}.")
    words = "Seeds 0 to 4 are the lesson's own; a run with one of them tells nothing new."
    yield compare(f"seed of number {k}", candidate["seed"], seed, rel=0.0, hint=words)
    yield compare(f"a distance of {distance:.2f} can be", 0.5 < distance < 20.0, True, hint=CAN_BE)
    recipe = load_scores()["the recipe"]
    side = "left" if distance < recipe.min() else "right" if distance > recipe.max() else "inside"
    found = str(candidate["side"]).strip().lower() == side
    words = f"The seeds of the recipe reach from {recipe.min():.2f} to {recipe.max():.2f}."
    yield compare(f"{distance:.2f} lies {candidate['side']}", found, True, hint=words)
    yield compare("seeds of each, for dropout in D", candidate["seeds"], count_seeds(), rel=0.0)


DONE = {"k": 7, "setting": "ReLU in D", "seed": 5, "distance": 4.0, "side": "inside"}
DONE |= {"seeds": count_seeds()}
CROWD = Exercise(
    "a crowd experiment",
    "find",
    25,
    test_crowd,
    (
        "setting, seed = choose_run(k); one run; compare your dot with the recipe's five.",
        "For the seeds: with n of each the standard error is the root of (s0^2 + s1^2) / n.",
        "Try n = 2, 3, 4, ... until abs(difference) > 3 * sqrt((s0**2 + s1**2) / n), with "
        "ddof=1 in both deviations.",
    ),
    DONE,
    {
        "another's setting": (
            DONE | {"setting": "LeakyReLU in G"},
            "Number 7 runs: ReLU in D.",
        ),
        "an old seed": (
            DONE | {"seed": 0},
            "Seeds 0 to 4 are the lesson's own; a run with one of them tells nothing new.",
        ),
        "not a number": (
            DONE | {"distance": math.nan, "side": "inside"},
            CAN_BE,
        ),
        "one error": (
            DONE | {"seeds": count_seeds(1.0)},
            "A difference of one standard error is easily luck: the lesson asks for three.",
        ),
        "two errors": (
            DONE | {"seeds": count_seeds(2.0)},
            "The lesson's rule has three standard errors, not two.",
        ),
        "divisor n": (
            DONE | {"seeds": count_seeds(ddof=0)},
            "Deviations of a few seeds divide by n - 1: ddof=1.",
        ),
        "deviations added": (
            DONE | {"seeds": count_seeds(add=True)},
            "You added the errors. Independent errors add as squares: the root of a sum.",
        ),
        "both together": (
            DONE | {"seeds": count_seeds(both=2)},
            "That is the sum of both groups. Asked is the number of seeds of each.",
        ),
    },
)


# 06.2


def verdict(a, b):
    if min(len(a), len(b)) < 2:
        return "hidden in the spread"
    error = np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))
    difference = np.mean(b) - np.mean(a)
    if abs(difference) < 3.0 * error:
        return "hidden in the spread"
    return "worse" if difference > 0.0 else "better"


# Scores of the recipe and of a setting, and the answer. Each mistake below fails in another set.
FAR = ((3.9, 3.4, 4.0, 4.2, 4.0), (5.9, 8.4, 6.6, 8.2, 7.9))
SPREAD = (0.0, 0.6, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
CASES = {
    "far above": (*FAR, "worse"),
    "far below": (*FAR[::-1], "better"),
    "the lesson's example": ((1.0, 1.4, 1.2), (1.3, 1.7, 1.5), "hidden in the spread"),
    # 2.5 standard errors; 3.1 with the divisor n.
    "three seeds, 2.5 errors": ((3.0, 3.4, 3.2), (3.41, 3.81, 3.61), "hidden in the spread"),
    # 2.5 standard errors, 2.6 with the divisor n.
    "twelve seeds, 2.5 errors": (
        tuple(np.linspace(3, 5, 12)), tuple(np.linspace(3.66, 5.66, 12)), "hidden in the spread",
    ),
    # 5.0 errors, 3.5 if they are added, 1.7 deviations of single runs; the groups overlap.
    "nine seeds, the groups overlap": (SPREAD, tuple(x + 3.2 for x in SPREAD), "worse"),
    # 3.6 errors, 2.6 if the two errors are added.
    "six seeds each": (
        (3.0, 3.2, 3.4, 3.6, 3.8, 4.0), (3.78, 3.98, 4.18, 4.38, 4.58, 4.78), "worse",
    ),
    # The wide group has two seeds, the narrow one nine: 1.6 errors, 3.4 with the n exchanged.
    "two wide seeds, nine narrow": (
        (3.0, 5.0), (2.4, 2.5, 2.3, 2.45, 2.35, 2.4, 2.5, 2.3, 2.4), "hidden in the spread",
    ),
    "nine narrow, two wide seeds": (
        (2.4, 2.5, 2.3, 2.45, 2.35, 2.4, 2.5, 2.3, 2.4), (3.0, 5.0), "hidden in the spread",
    ),
    "one seed each": ((3.7,), (3.4,), "hidden in the spread"),
    "a single seed of the setting": ((3.9, 4.0, 4.1), (9.0,), "hidden in the spread"),
    "a single seed of the recipe": ((9.0,), (3.9, 4.0, 4.1), "hidden in the spread"),
}  # fmt: skip


SINGLE = (
    'With one seed there is no deviation: nothing can be said, so the answer is "hidden in the '
    'spread". Comparisons with nan are false, so ask for the number of seeds first.'
)


def test_verdict(candidate):
    for name, (a, b, expected) in CASES.items():
        got = candidate(np.array(a), np.array(b))
        if min(len(a), len(b)) < 2 and got is None:
            got = "nothing"
        words = SINGLE if min(len(a), len(b)) < 2 else ""
        yield compare(name, got, expected, aliases=("hidden",), hint=words)


def _verdict(errors=3.0, ddof=1, kind="errors", alone=True):
    """The verdict with one mistake."""

    def verdict(a, b):
        if alone and min(len(a), len(b)) < 2:
            return "hidden in the spread"
        s, t, n, m = np.std(a, ddof=ddof), np.std(b, ddof=ddof), len(a), len(b)
        error = {
            "errors": np.sqrt(s**2 / n + t**2 / m),
            "deviations": np.sqrt(s**2 + t**2),
            "added": s / np.sqrt(n) + t / np.sqrt(m),
            "exchanged": np.sqrt(s**2 / m + t**2 / n),
            "means": 0.0,
            "recipe": s / np.sqrt(n),
            "no root": np.sqrt((s / n) ** 2 + (t / m) ** 2),
        }[kind]
        difference = np.mean(b) - np.mean(a)
        if abs(difference) < errors * error:
            return "hidden in the spread"
        return "worse" if difference > 0.0 else "better"

    return verdict


def _one_seed(a, b):
    if min(len(a), len(b)) < 2:  # a difference is never below nan
        return "worse" if np.mean(b) > np.mean(a) else "better"
    return verdict(a, b)


def _ranges(a, b):
    return "worse" if min(b) > max(a) else "better" if max(b) < min(a) else "hidden in the spread"


def _turned(a, b):
    return {"worse": "better", "better": "worse"}.get(verdict(a, b), "hidden in the spread")


VERDICT = Exercise(
    "a verdict",
    "write",
    10,
    test_verdict,
    (
        "How far do two means of so few seeds differ by luck alone?",
        "The standard error of the difference: the root of s0^2 / n0 + s1^2 / n1.",
        "hidden if abs(difference) < 3 * np.sqrt(np.var(a, ddof=1) / len(a) + ...); and with one "
        "seed there is no deviation at all.",
    ),
    verdict,
    {
        "turned": (_turned, "A kernel distance is better when it is smaller: b above a is worse."),
        "divisor n": (
            _verdict(ddof=0),
            "Your deviations divide by n. Few seeds ask for n - 1: ddof=1.",
        ),
        "deviation": (
            _verdict(kind="deviations"),
            "You compare with the deviation of single runs. The mean of n runs is surer than one: "
            "divide the variances by n.",
        ),
        "added": (
            _verdict(kind="added"),
            "You added the two standard errors. Independent errors add as squares.",
        ),
        "exchanged": (
            _verdict(kind="exchanged"),
            "Each variance is divided by the number of its own seeds.",
        ),
        "two errors": (_verdict(errors=2.0), "The rule has three standard errors, not two."),
        "of one side": (
            _verdict(kind="recipe"),
            "You took the error of the recipe only. The setting's mean is uncertain as well.",
        ),
        "divided twice": (
            _verdict(kind="no root"),
            "You divided deviations by n: a variance is divided by n, a deviation by its root.",
        ),
        "means only": (
            _verdict(kind="means"),
            "You compare the means only: which differences come by the luck of the seed?",
        ),
        "one seed": (
            _one_seed,
            SINGLE,
        ),
        "ranges": (
            _ranges,
            "You ask whether the dots overlap, as the eye does. With many seeds groups overlap and "
            "their means are still sure: compare with the standard error.",
        ),
    },
)


# 06.3


def repair(generator):
    norms = [x for x in generator.layers if isinstance(x, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.9
    for seed in range(60):
        latents = np.random.default_rng(seed).standard_normal((64, 100)).astype("float32")
        generator(latents, training=True)
    return generator


def make_patient():
    """A trained generator whose averages stand as at the start, as after a run with momentum 1."""
    generator = results.load_generator("dcgan_digits")
    for layer in _norms(generator):
        layer.momentum = 1.0
        layer.moving_mean.assign(np.zeros(layer.moving_mean.shape))
        layer.moving_variance.assign(np.ones(layer.moving_variance.shape))
    return generator


def _norms(generator):
    return [x for x in generator.layers if isinstance(x, keras.layers.BatchNormalization)]


CHANGED = (
    "The trainable weights are not those that you got. Only the stored averages may change; a copy "
    "needs the old weights."
)


def test_repair(candidate):
    number, repair = candidate["as in training"], candidate["repair"]
    if number is None or number is ...:
        raise Open
    # The number stands in the words: those of two students differ, their mistakes may not.
    words = "Give G the same latents with training=True, and measure the pictures."
    yield compare(f"{float(number):.2f} convicts", 2.5 < float(number) < 8.0, True, hint=words)
    generator = make_patient()
    before = [np.array(w) for w in generator.trainable_variables]
    repaired = repair(generator)
    if repaired is None or repaired is ...:
        raise Open
    latents = np.random.default_rng(1_000).standard_normal((300, 100)).astype("float32")
    images = np.array(repaired(latents, training=False))
    distance = features.kernel_distance(images, "digits")[0]
    # 10.3 before, 1.5 when the averages have arrived, 8.3 after ten batches with momentum 0.9.
    state = "low" if distance < 2.2 else "as before" if distance > 10.0 else "still high"
    after = getattr(repaired, "trainable_variables", generator.trainable_variables)
    same = len(after) == len(before) and all(np.array_equal(a, b) for a, b in zip(after, before))
    words = "The averages are still on their way: how much of the start is left after your batches?"
    words = words if same else ""
    yield compare(f"distance of a recorded G, {distance:.2f}", state, "low", hint=words)
    yield compare("trainable weights are as before", same, True, hint=CHANGED)
    alone = np.array(repaired(latents[:1], training=False))
    words = "Your images depend on their neighbours in the batch: sampling is inference."
    equal = bool(np.allclose(alone, images[:1], atol=1e-3))
    yield compare("an image alone equals itself in a batch", equal, True, hint=words)


def _as_in_training(generator):
    return lambda latents, training=False: generator(latents, training=True)


def _run(momentum, num_batches):
    def repair(generator):
        for layer in _norms(generator):
            layer.momentum = momentum
        for seed in range(num_batches):
            latents = np.random.default_rng(seed).standard_normal((64, 100)).astype("float32")
            generator(latents, training=True)
        return generator

    return repair


def _shift(generator):
    generator = _run(0.0, 1)(generator)
    for layer in _norms(generator):
        layer.beta.assign(layer.beta + 0.01)
    return generator


FOUND = 5.0  # 300 updates, seeds 0, 1, 2: 5.04, 3.89, 5.32; samples 10.61, 10.33, 10.61
AVERAGES = Exercise(
    "averages that stand still",
    "bug",
    15,
    test_repair,
    (
        "The curves are made in training, the samples in inference. What differs for a layer?",
        "With training=False batch normalisation uses its stored averages. Who renews them?",
        "Set layer.momentum = 0.9 in each BatchNormalization, then call generator(latents, "
        "training=True) on sixty batches of latents.",
    ),
    {"as in training": FOUND, "repair": repair},
    {
        "training=True": (
            {"as in training": FOUND, "repair": _as_in_training},
            "Your images depend on their neighbours in the batch: sampling is inference. Renew the "
            "stored averages instead.",
        ),
        "momentum kept": (
            {"as in training": FOUND, "repair": _run(1.0, 1)},
            "Nothing has changed: with momentum 1 an average keeps all of its old value, and with "
            "training=False nobody renews it.",
        ),
        "too few": (
            {"as in training": FOUND, "repair": _run(0.9, 10)},
            "The averages are on their way: 0.9^10, a third, of the start is left after ten "
            "batches. Take more.",
        ),
        "trained": (
            {"as in training": FOUND, "repair": _shift},
            CHANGED,
        ),
        "a copy without weights": (
            {
                "as in training": FOUND,
                "repair": lambda g: _run(0.9, 60)(keras.models.clone_model(g)),
            },
            CHANGED,
        ),
        "not convicted": (
            {"as in training": 10.6, "repair": _run(0.0, 1)},
            "Give G the same latents with training=True, and measure the pictures.",
        ),
    },
)

EXERCISES = {"06.1": CROWD, "06.2": VERDICT, "06.3": AVERAGES}
