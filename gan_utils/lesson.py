"""What every lesson needs: its budget, its seed, and checks that say what must hold."""

import os
import time
from pathlib import Path

import keras
import numpy as np

from gan_utils import autodiff, checks, monitors, plotting, training

BUDGETS = ("ci", "classroom", "full")
BUDGET = checks.choice(BUDGETS, "Change it in the notebook, or unset the environment variable GAN_UTILS_BUDGET.")
COMPILED = checks.instance(training.GAN, "a training.GAN", "Make it with training.GAN(generator, discriminator).")
SCORES = "kernel_distance kernel_low kernel_high frechet_distance precision recall nearest_train nearest_expected".split()


@checks.arguments(default=BUDGET)
def choose_budget(default="classroom"):
    """The budget of this run: `ci` (seconds), `classroom` (minutes on two CPU cores) or `full` (a GPU).

    Args:
        default: used when the environment variable `GAN_UTILS_BUDGET` is not set.

    Returns:
        The name of the budget.

    Raises:
        ValueError: for an unknown name.
    """
    return BUDGET("choose_budget()", "budget", os.environ.get("GAN_UTILS_BUDGET", default))


def pick(budget, *, ci, classroom, full):
    """The value that belongs to a budget: `pick("ci", ci=1, classroom=20, full=100)` is 1."""
    return {"ci": ci, "classroom": classroom, "full": full}[choose_budget(budget)]


@checks.arguments(seed=checks.whole(0, 2**32 - 1), budget=BUDGET)
def start(seed, budget):
    """Seed every random generator, set the figures' style and print one line about this machine."""
    keras.utils.set_random_seed(seed)
    plotting.use_style()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"Keras {keras.__version__} on {autodiff.BACKEND}, {autodiff.describe_device()}, {cores} CPU cores, budget {budget}")


@checks.arguments(gan=COMPILED, images=checks.array("n, ..."), batch_size=checks.whole(1), epochs=checks.whole(1))
def announce_time(gan, images, *, batch_size, epochs):
    """Time a few updates, undo them, and print how long the whole training will take on this machine.

    Args:
        gan: a compiled `training.GAN`.
        images: what it will be trained on.
        batch_size: as in `fit`.
        epochs: as in `fit`.

    Raises:
        ValueError: if an argument does not fit.
    """
    images_per_step = batch_size * gan.discriminator_steps
    sample = images[: images_per_step * max(10, 2 * gan.steps_per_execution)]
    with gan.restored():
        gan.fit(sample, batch_size=batch_size, epochs=1, verbose=0)  # traces and compiles
        began = time.perf_counter()
        gan.fit(sample, batch_size=batch_size, epochs=1, verbose=0)
        seconds = (time.perf_counter() - began) / (len(sample) // images_per_step)
    num_steps = epochs * (len(images) // images_per_step)
    total = monitors.format_time(num_steps * seconds)
    print(f"{num_steps:,} updates of about {1000 * seconds:.0f} ms: about {total} on this machine")


@checks.arguments(lesson_name=checks.TEXT, budget=BUDGET)
def run_folder(lesson_name, budget):
    """Folder for what a lesson writes, `runs/<lesson>/<budget>` under the working directory; git ignores it."""
    fits = lesson_name.strip() and Path(lesson_name).name == lesson_name
    passed = f"run_folder() received lesson_name={lesson_name!r}."
    checks.require(fits, passed, "It must be the name of one folder.", "Write the lesson's name, '02_vanilla_gan'.")
    folder = Path("runs") / lesson_name / budget
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is_one_bool(value):
    array = checks.as_numpy(value)
    return array.dtype == bool and array.size == 1


ONE_BOOL = checks.rule(_is_one_bool, "True or False", "Compare, or make one bool of an array with all() or any().")


@checks.arguments(claim=checks.TEXT, holds=ONE_BOOL)
def check(claim, holds):
    """Print a claim that holds, or stop the lesson.

    Args:
        claim: what must be true, in words.
        holds: a bool, or an array or a tensor with one.

    Raises:
        AssertionError: if it does not hold.
        ValueError: if the claim is no string, or `holds` no bool.
    """
    if not holds:
        raise AssertionError(f"Expected, but not true in this run: {claim}")
    print(f"{claim}: True")


@checks.arguments(table=checks.MAPPING)
def print_scores(table):
    """Print what `features.evaluate` measured, one row a generator.

    Args:
        table: mapping from a generator's name to its scores.

    Raises:
        ValueError: if the table is empty, or a score is missing or no number.
    """
    checks.whole(1, remedy="Pass the results of features.evaluate().")("print_scores()", "length of table", len(table))
    number = checks.number(remedy="Pass the results of features.evaluate().")
    for name, scores in table.items():
        checks.TEXT("print_scores()", "name in table", name)
        for score in SCORES:
            number("print_scores()", f"{score} of {name} in table", checks.MAPPING("print_scores()", name, scores).get(score))
    titles = ("kernel distance", "(95 % interval)   ", " Fréchet", "precision", "recall", "nearest is training", "modes")
    width = max(len(name) for name in table)
    print("  ".join([" " * width, *titles]))
    for name, scores in table.items():
        cells = (
            f"{scores['kernel_distance']:.3f}",
            f"({scores['kernel_low']:.3f} to {scores['kernel_high']:.3f})",
            f"{scores['frechet_distance']:.2f}",
            f"{scores['precision']:.2f}",
            f"{scores['recall']:.2f}",
            f"{scores['nearest_train']:.3f} (new: {scores['nearest_expected']:.3f})",
            f"{scores['covered_classes']:.0f}" if "covered_classes" in scores else "-",
        )
        print("  ".join([name.ljust(width), *(cell.rjust(len(title)) for cell, title in zip(cells, titles))]))


@checks.arguments(hint=checks.TEXT, tolerance=checks.number(0.0))
def check_answer(answer, expected, *, hint, tolerance=1e-3):
    """Tell a student whether the answer to an exercise is right.

    Args:
        answer: None while it is open; else a number, an array, a string or a bool.
        expected: the right one.
        hint: shown with a wrong answer.
        tolerance: largest allowed difference of numbers, relative and absolute.

    Raises:
        ValueError: if the answer is of another kind than the right one.
    """
    if answer is None:
        print("Open: replace None by your answer and run this cell again.")
        return
    if isinstance(expected, (str, bool, np.bool_)):
        rule = checks.TEXT if isinstance(expected, str) else checks.FLAG
        right = rule("check_answer()", "answer", answer) == expected
    else:
        rule = checks.array("...", remedy="Replace None by a number, or by as many numbers as the exercise asks for.")
        answer, expected = rule("check_answer()", "answer", answer), rule("check_answer()", "expected", expected)
        right = answer.shape == expected.shape and np.allclose(answer, expected, rtol=tolerance, atol=tolerance)
    print("Right." if right else f"Not yet. {hint}")
