"""What every lesson needs: its budget, its seed and a folder for what it writes."""

import contextlib
import os
import tempfile
from pathlib import Path

import keras

from gan_utils import autodiff, checks, plotting

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
