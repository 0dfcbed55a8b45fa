"""What every lesson needs: its budget, its seed, and checks that say what must hold."""

import contextlib
import os
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from gan_utils import autodiff, checks, monitors, plotting

BUDGETS = ("ci", "classroom", "full")


def choose_budget(default="classroom"):
    """The budget of this run: `ci` (seconds), `classroom` (minutes on two cores) or `full` (a GPU).

    Args:
        default: used when the environment variable `GAN_UTILS_BUDGET` is not set.

    Returns:
        The name of the budget.

    Raises:
        ValueError: for an unknown name.
    """
    name = "GAN_UTILS_BUDGET" if "GAN_UTILS_BUDGET" in os.environ else "default"
    return checks.check_choice("choose_budget()", name, os.environ.get(name, default), BUDGETS)


def pick(budget, *, ci, classroom, full):
    """The value that belongs to a budget: `pick("ci", ci=1, classroom=20, full=100)` is 1."""
    return {"ci": ci, "classroom": classroom, "full": full}[choose_budget(budget)]


def start(seed, budget):
    """Seed every random generator, set the figures' style and print one line about this machine."""
    keras.utils.set_random_seed(seed)
    plotting.use_style()
    place = f"{autodiff.BACKEND}, {autodiff.describe_device()}, {os.cpu_count()} CPU cores"
    print(f"Keras {keras.__version__} on {place}, budget {budget}")


def announce_time(gan, images, *, batch_size, epochs):
    """Time a few updates, undo them, and print how long the whole training will take here.

    Args:
        gan: a compiled `training.GAN`.
        images: what it will be trained on.
        batch_size: as in `fit`.
        epochs: as in `fit`.
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


def progress(items, label):
    """Go through items, and count them and the time left in one line: for cells of many runs.

    Args:
        items: iterable of known length, or one that ends.
        label: what is counted; `"runs"` ends as "runs: 20 of 20".
    """
    from IPython.display import DisplayHandle

    items, line, began = list(items), DisplayHandle(), time.perf_counter()
    line.display({"text/plain": f"{label}: 0 of {len(items)}"}, raw=True)
    for done, item in enumerate(items, 1):
        yield item
        seconds = (len(items) - done) * (time.perf_counter() - began) / done
        left = f", about {monitors.format_time(seconds)} left" if done < len(items) else ""
        line.update({"text/plain": f"{label}: {done} of {len(items)}{left}"}, raw=True)


def run_folder(lesson_name, budget):
    """Folder for what a lesson writes: `runs/<lesson>/<budget>` under the working directory.

    Git ignores it. Where nothing can be written, the same under `gans_in_keras` in the home or in
    the temporary folder of the system, which a line of print says.

    Raises:
        OSError: if none of them can be written.
    """
    places = Path(), Path.home() / "gans_in_keras", Path(tempfile.gettempdir()) / "gans_in_keras"
    for folder in (place / "runs" / lesson_name / budget for place in places):
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                if folder.is_absolute():
                    print(f"This folder cannot be written; the run writes to {folder}.")
                return folder
    raise OSError(f"A lesson needs one writable folder of {', '.join(map(str, places))}.")


def check(claim, holds):
    """Print a claim that holds, or stop the lesson.

    Args:
        claim: what must be true, in words.
        holds: a bool, or an array of them.

    Raises:
        AssertionError: if it does not hold.
    """
    checks.require(np.all(holds), f"Not true in this run: {claim}", kind=AssertionError)
    print(f"{claim}: True")


def print_scores(table):
    """Print the scores of several generators, a line each, in 95 columns for names of 19 letters.

    Args:
        table: mapping from a name to the result of `features.evaluate`. KD is the kernel distance;
            "nearest train" the share of samples whose nearest image is a training image, with the
            interval in which it lies for new images.
    """
    width = max(map(len, table))
    titles = f"{'KD (95 % interval)':>23} Fréchet precision recall  nearest train (new) modes"
    print(" " * width, titles)
    for name, scores in table.items():
        digits = ".3f" if scores["kernel_high"] < 10.0 else ".2f"
        kernel = [format(scores[f"kernel_{key}"], digits) for key in ("distance", "low", "high")]
        nearest = [
            f"{scores.get(f'nearest_{key}', np.nan):.2f}" for key in ("train", "low", "high")
        ]
        shares = "{frechet_distance:7.2f} {precision:9.2f} {recall:6.2f}".format(**scores)
        tell, modes = "{} ({} to {})".format, f"{scores.get('covered_classes', np.nan):.0f}"
        row = f" {tell(*kernel):>23} {shares} {tell(*nearest):>20} {modes:>5}"
        print(f"{name:{width}}" + row.replace("nan", "  -"))


def check_answer(answer, expected, *, hint, tolerance=5e-3):
    """Tell a student whether the answer to an exercise is right.

    Args:
        answer: None while it is open; else a number, an array, a string or a bool. Small letters
            are as good as large ones.
        expected: the right one.
        hint: shown with a wrong answer.
        tolerance: largest allowed difference of numbers, as a share of the right one: three digits
            of it are enough. Where the right one is zero, the difference itself.
    """
    if answer is None:
        print("Open: replace None by your answer and run this cell again.")
        return
    given, right = map(checks.as_numpy, (answer, expected))
    if right.dtype.kind in "fiu":
        limits = {"rtol": tolerance, "atol": tolerance * (right == 0)}
        same = given.dtype.kind in "fiu" and given.shape == right.shape
        same = same and np.isclose(given, right, **limits).all()
    else:
        same = str(answer).strip().casefold() == str(expected).strip().casefold()
    print("Right." if same else f"Not yet. {hint}")
