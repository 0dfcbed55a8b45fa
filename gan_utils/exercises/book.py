"""All exercises, by number."""

import functools
import importlib
import pkgutil

from gan_utils import checks, exercises


@functools.cache
def chapters():
    """Mapping from the number of a lesson, `"02"`, to its module; each is imported when used."""
    names = [found.name for found in pkgutil.iter_modules(exercises.__path__)]
    return {name.removeprefix("lesson_"): name for name in names if name.startswith("lesson_")}


def chapter(number):
    """The module with the exercises of a lesson: `SETUP` and `EXERCISES`."""
    checks.check_choice("exercises", "lesson", number, chapters())
    return importlib.import_module(f"gan_utils.exercises.{chapters()[number]}")


def find(number):
    """The exercise of a number, `"02.1"`.

    Raises:
        ValueError: if there is none.
    """
    begin = str(number).split(".")[0]
    known = chapter(begin).EXERCISES if begin in chapters() else dict.fromkeys(chapters())
    return known[checks.check_choice("exercises", "number", number, known)]
