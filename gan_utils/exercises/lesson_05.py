"""Exercises of 05_training_failures: six patients, a cure, and the unrolled gradient."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from gan_utils import doctor
from gan_utils.exercises.engine import Exercise, Open, compare, expect, label

SETUP = """\
from gan_utils import data, doctor, metrics, networks, plotting, training
from gan_utils.exercises import check, hint, predict, solution, submit
from gan_utils.exercises.lesson_05 import load_patients
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import ops
"""


# 05.1

LETTERS = "ABCDEF"


def load_patients():
    """Six runs of 500 updates on points in the plane.

    Returns:
        Mapping from `"A"` to `"F"` to the arguments of `doctor.diagnose`: `steps`, `logs` (100
        values each), `samples` (11 clouds of 128 fakes at the same latents) and `real`.
    """
    arrays, patients = np.load(Path(__file__).with_name("patients.npz")), {}
    for letter in LETTERS:
        steps, *logs = arrays[f"{letter}/logs"]
        samples = arrays[f"{letter}/samples"].astype("float32")
        real = arrays[f"{letter}/real"].astype("float32")
        logs = dict(zip(doctor.LOGS, logs))
        patients[letter] = {"steps": steps, "logs": logs, "samples": samples, "real": real}
    return patients


# What was planted: A, rates of G and D 0.02 and 0.001; B, a tanh and data three times as wide; C,
# one number a coordinate in G, one slope in D, Adam with momentum 0.9; D, a rate of 0 for G; E, two
# hidden units in D; F, rates 2e-5 and 0.01. The doctor agrees with all six.
ILLNESSES = dict(
    zip(
        LETTERS,
        (
            "mode collapse",
            "wrong scale",
            "oscillation",
            "a network does not learn",
            "G too strong",
            "D too strong",
        ),
    )
)
NAMES = {
    "mode collapse": ("collapse", "mode collapse of G"),
    "wrong scale": ("wrong scale of images", "wrong scale of data", "scale", "wrong range"),
    "oscillation": ("circles", "circles, oscillation", "oscillations", "circling"),
    "a network does not learn": (
        "does not learn",
        "network does not learn",
        "g does not learn",
        "a network doesn't learn",
        "not learning",
    ),
    "G too strong": ("generator too strong", "the generator is too strong", "g is too strong"),
    "D too strong": (
        "discriminator too strong",
        "the discriminator is too strong",
        "d is too strong",
    ),
}
SIGNS = {
    "A": "D's outputs say nothing here. How much of the data do the fakes cover, and do they stay?",
    "B": "That D wins is the effect. Compare the places that the fakes reach with the data's.",
    "C": "The fakes are as broad as the data. What does their centre do?",
    "D": "That D wins is the effect. Compare the four clouds, point by point.",
    "E": "D(G(z)) lies above D(x): who is being fooled?",
    "F": "D is sure from early on, and the fakes do move, though not far.",
}


KNOWN = {label(word) for name, aliases in NAMES.items() for word in (name, *aliases)}
UNKNOWN = "The names are: " + ", ".join(NAMES) + "."


def test_names(candidate):
    if not isinstance(candidate, dict):
        candidate = dict(zip(LETTERS, candidate))
    for letter, illness in ILLNESSES.items():
        name = candidate.get(letter)
        words = SIGNS[letter] if label(name) in KNOWN else UNKNOWN
        yield compare(f"patient {letter}", name, illness, aliases=NAMES[illness], hint=words)


PATIENTS = Exercise(
    "six patients",
    "predict",
    8,
    test_names,
    (
        "Look at the clouds before the curves: where, how broad, do they move?",
        "A cause comes before its effect: D wins easily if G stands still or cannot reach the "
        "data.",
        "A is a heap that jumps, B is fenced in, C goes round as a whole; patient D's fakes do not "
        "move at all, patient F's do.",
    ),
    ILLNESSES,
    {
        "curves only": (
            {**ILLNESSES, "B": "D too strong", "D": "D too strong"},
            "B, D and F have the same curves, and D wins in all three. In two of them it has no "
            "choice: look at where the fakes can be, and whether they move at all.",
        ),
        "B and F exchanged": (
            {**ILLNESSES, "B": "D too strong", "F": "wrong scale"},
            "Compare B and F: in which of the two can the fakes not get to the data?",
        ),
        "B and D exchanged": (
            {**ILLNESSES, "B": "a network does not learn", "D": "wrong scale"},
            "B's fakes move, up to the edge of a square; D's stay where they are.",
        ),
        "A and C exchanged": (
            {**ILLNESSES, "A": "oscillation", "C": "mode collapse"},
            "Both wander. In which of the two are the fakes as broad as the data?",
        ),
        "D and F exchanged": (
            {**ILLNESSES, "D": "D too strong", "F": "a network does not learn"},
            "In one of D and F no fake moves by a hair: this one's G does not learn.",
        ),
        "D and E exchanged": (
            {**ILLNESSES, "D": "G too strong", "E": "a network does not learn"},
            "In E both learn: D(x) changes and the fakes run. But D(G(z)) is above D(x) mostly.",
        ),
        "A is E": (
            {**ILLNESSES, "A": "G too strong", "E": "mode collapse"},
            "G is faster in both. In which of the two does D call fakes real, far from the data?",
        ),
    },
)


# 05.2

# Modes that `cover_ring` of the notebook covered with seeds 0 to 7, one CPU core:
#   D's rate 1e-3: 0 1 1 1 1 1 7 5     D's rate 5e-3: 4 8 7 8 8 7 7 8     0.03: 7 5 4 4 8 8 6 5
#   D's rate 2e-3: 1 1 8 0 1 1 1 1     D's rate 1e-2: 8 8 7 8 6 8 8 8     0.06: 6 4 5 1 8 6 4 5
#   D's rate 3e-3: 1 8 8 1 7 0 8 0     D's rate 4e-3: 7 8 0 1 0 8 8 6     0.1:  5 6 3 5 4 7 5 7
# D's steps at D's rate 5e-4:
#   two: 4 8 0 1 6 0 1 0     three: 7 8 6 1 8 7 1 8     four: 8 5 8 8 8 7 7 3
#   five: 6 8 7 8 8 5 8 6     ten: 8 8 8 6 4 6 6 8
USUAL = {"rate_of_d": 5e-4, "steps_of_d": 1}
CURES = {"rate_of_d": (2.5e-3, 0.04), "steps_of_d": (3, np.inf)}
ONE_NUMBER = "Change one number only, else you do not know which of the two helped."
SLOW = "D's rate is still far below G's 1e-2: D cannot follow."
FAST = "At such a rate D oversteps: its own weights jump about. Go back by factors."
UNLIKELY = (
    "With such a number one or two of eight seeds covered seven modes: these three were lucky, or "
    "the counts are those of another run."
)
THREE = "Report the counts of all three seeds, as the cell printed them."
FEW = "Fewer than two of the three seeds cover seven modes."


def test_cure(candidate):
    values = {name: candidate.get(name) for name in (*USUAL, "modes")}
    if any(value is None or value is ... for value in values.values()):
        raise Open
    modes = np.atleast_1d(np.asarray(values.pop("modes"), "float64"))
    changed = [name for name in USUAL if not np.isclose(values[name], USUAL[name])]
    if not changed:
        raise Open
    yield compare("numbers of D that were changed", len(changed), 1, hint=ONE_NUMBER)
    good = modes.shape == (3,) and np.isin(modes, range(9)).all()
    yield expect("counts of modes", modes, good, "three, from 0 to 8", hint=THREE)
    able = [CURES[name][0] <= values[name] <= CURES[name][1] for name in changed]
    rate, cured = values["rate_of_d"], int(np.sum(modes >= 7))
    way = FAST if rate > 0.04 else SLOW if changed == ["rate_of_d"] else FEW
    got = f"{cured} (rate {rate:g}, {values['steps_of_d']} steps)"
    yield expect("seeds that cover 7 modes or more", got, cured >= 2, "2 or 3", hint=way)
    what = "with this number half of all seeds are cured"
    yield expect(what, any(able), any(able), True, hint=UNLIKELY if cured >= 2 else "")


def _report(rate=5e-4, steps=1, modes=(8, 8, 8)):
    return {"rate_of_d": rate, "steps_of_d": steps, "modes": list(modes)}


CURE = Exercise(
    "cure it with one number",
    "find",
    15,
    test_cure,
    (
        "The illness is a G that is twenty times faster than D. Which numbers make D faster?",
        "Twice the rate changes little. Try steps by factors, not by small additions.",
        "D's rate of G's size, or several steps of D for each of G.",
    ),
    _report(rate=1e-2),
    {
        # Counts of seeds 0, 1, 2 from the table above.
        "four times the rate": (_report(rate=2e-3, modes=(1, 1, 8)), SLOW),
        "a rate of 0.1": (_report(rate=0.1, modes=(5, 6, 3)), FAST),
        "both": (_report(rate=1e-2, steps=5), ONE_NUMBER),
        "invented": (_report(rate=1e-3, modes=(8, 8, 8)), UNLIKELY),
        "the best seed": (_report(rate=1e-2, modes=(8,)), THREE),
    },
)


# 05.3


def loss_of_d(theta, psi, x):
    return tf.nn.softplus(-psi * x) + tf.nn.softplus(psi * theta)


def unrolled_slope(theta, psi, x, eta, num_steps=1):
    theta, psi = tf.constant(theta), tf.constant(psi)
    with tf.GradientTape() as outer:
        outer.watch(theta)
        for _ in range(num_steps):
            with tf.GradientTape() as inner:
                inner.watch(psi)
                loss = loss_of_d(theta, psi, x)
            psi = psi - eta * inner.gradient(loss, psi)
        loss_of_g = -loss_of_d(theta, psi, x)
    return outer.gradient(loss_of_g, theta)


CASES = {
    "theta 0.7, psi 0.4, x 0.5, eta 0.3": (0.7, 0.4, 0.5, 0.3),
    "the same without a look-ahead, eta 0": (0.7, 0.4, 0.5, 0.0),
    "theta -1.2, psi 0.9, x 0.3, eta 0.5": (-1.2, 0.9, 0.3, 0.5),
    "the first case, five steps": (0.7, 0.4, 0.5, 0.3, 5),
}
# By central differences of the formula in float64.
SLOPES = (-0.16362, -0.22782, -0.24090, 0.017735)


def test_slopes(slope):
    for (name, inputs), expected in zip(CASES.items(), SLOPES):
        theta, psi, x, *rest = inputs
        got = slope(*map(tf.constant, (theta, psi, x)), *rest)
        if got is None or got is ...:
            raise Open
        yield compare(name, got, expected)


def _unrolled(
    theta, psi, x, eta, num_steps=1, *, loss=None, watched=True, sign=1.0, part="late", by="theta"
):
    """The unrolled slope with one thing changed."""
    theta, psi = tf.constant(theta), tf.constant(psi)
    first = psi
    with tf.GradientTape() as outer:
        outer.watch([theta, psi])
        for _ in range(num_steps):
            with tf.GradientTape() as inner:
                at = first if part == "first" else psi
                inner.watch(at)
                value = loss_of_d(theta, at, x)
            slope = inner.gradient(value, at)
            psi = psi - sign * eta * (slope if watched else tf.stop_gradient(slope))
        value = (loss or (lambda *inputs: -loss_of_d(*inputs)))(theta, psi, x)
    return outer.gradient(value, {"theta": theta, "psi": first}[by]) if by else value


def _change(**changes):
    return lambda *inputs: _unrolled(*inputs, **changes)


UNROLLED = Exercise(
    "the unrolled gradient of two numbers",
    "write",
    15,
    test_slopes,
    (
        "Write the number that G minimises as a function of theta: theta enters in two places.",
        "theta moves the fakes, and it moves the psi that D will have: the outer tape must see "
        "both.",
        "Inside the outer tape: an inner tape gives dL/dpsi, psi = psi - eta * slope (a new "
        "tensor, no variable), then -loss_of_d(theta, psi, x); the outer tape's gradient.",
    ),
    unrolled_slope,
    {
        "cut": (
            _change(watched=False),
            "theta reaches the loss on one way only: D's update depends on theta as well, so it "
            "must happen inside the outer tape, without stop_gradient or .numpy().",
        ),
        "non-saturating": (
            _change(loss=lambda theta, psi, x: tf.nn.softplus(-psi * theta)),
            "That is the non-saturating loss at the later psi. The paper's G minimises -L of D.",
        ),
        "fakes only": (
            _change(loss=lambda theta, psi, x: -tf.nn.softplus(psi * theta)),
            "The part on real points is missing: the later psi depends on theta there, too.",
        ),
        "one step only": (
            lambda theta, psi, x, eta, num_steps=1: _unrolled(theta, psi, x, eta),
            "num_steps is not used: D looks ahead by so many steps.",
        ),
        "no look-ahead": (
            lambda theta, psi, x, eta, num_steps=1: _unrolled(theta, psi, x, 0.0),
            "D takes no step: eta times its slope must change psi before G is judged.",
        ),
        "by psi": (
            lambda *inputs: _unrolled(*inputs, by="psi"),
            "That is the slope by psi. G moves theta.",
        ),
        "the value": (
            lambda *inputs: _unrolled(*inputs, by=None),
            "That is the loss itself. Return its slope by theta.",
        ),
        "sign of the objective": (
            _change(loss=loss_of_d),
            "The sign is turned: G minimises minus D's loss.",
        ),
        "D climbs": (
            _change(sign=-1.0),
            "D must go down its own loss: psi minus eta times the slope.",
        ),
        "all steps from the first psi": (
            _change(part="first"),
            "Each look-ahead step starts where the last one ended; take D's slope there.",
        ),
    },
)

EXERCISES = {"05.1": PATIENTS, "05.2": CURE, "05.3": UNROLLED}
