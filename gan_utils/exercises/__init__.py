"""Exercises with checks, hints and solutions: `from gan_utils.exercises import check, hint, ...`.

The expected values lie here, one module a lesson, and not in the notebooks. A student calls
`check("02.1", candidate)`; what was tried is kept in `runs/exercises.json`.
"""

import json

from gan_utils.exercises import book, engine


def check(number, candidate):
    """Test an answer and print a line for each test: what was tried, what came, what was expected.

    A mistake that is known gets its own hint.

    Args:
        number: of the exercise, `"02.1"`.
        candidate: what the exercise asks for: a function, several in a tuple, a number, a label, or
            a mapping from names to those.

    Raises:
        ValueError: if there is no exercise of this number.
    """
    exercise = book.find(number)
    outcome = engine.judge(exercise, candidate)
    print(engine.describe(number, exercise, outcome))
    if outcome.state != "open":
        engine.remember(number, outcome, candidate)


def predict(number, answer):
    """Keep a first guess, before the run that shows the answer. It is not judged, and stays.

    Args:
        number: of the exercise, `"01.3"`.
        answer: as for `check`.
    """
    exercise = book.find(number)
    if engine.judge(exercise, answer).state == "open":
        print(f"{number} Open: put your guess in place of the dots.")
        return
    engine.keep_guess(number, answer)
    print(f"{number} Noted. Now run the next cells and look; then check.")


def hint(number):
    """Print the next of the three hints of an exercise."""
    exercise, notes = book.find(number), engine.recall(number)
    shown = min(notes["hints"] + 1, len(exercise.hints))
    print(f"{number} Hint {shown} of {len(exercise.hints)}: {exercise.hints[shown - 1]}")
    engine.note(number, hints=shown)


def solution(number):
    """Print a solution, once the exercise is done or was tried three times."""
    exercise, notes = book.find(number), engine.recall(number)
    if notes["state"] == "right" or notes["tries"] >= 3:
        print(exercise.show_solution())
    else:
        left = 3 - notes["tries"]
        print(f"{number}: try {left} more time{'s' * (left > 1)} first; hint({number!r}) may help.")


def submit(name):
    """Write all answers so far into one file, `submission_<name>.json`, for the teacher.

    Args:
        name: yours; letters, digits, `-` and `_` stay.
    """
    letters = "".join(c if c.isalnum() or c in "-_" else "_" for c in str(name)) or "nobody"
    answers = {number: notes for number, notes in engine.recall_all().items() if notes["answer"]}
    text = json.dumps({"name": str(name), "answers": answers}, indent=1)
    file = engine.write(f"submission_{letters}.json", text)
    print(f"{len(answers)} answers of {str(name)!r} are in {file}.")
