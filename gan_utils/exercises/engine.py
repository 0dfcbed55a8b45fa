"""How an answer is judged, and what is kept of it."""

import ast
import collections
import contextlib
import dataclasses
import inspect
import json
import linecache
import os
import re
import textwrap
import traceback
from pathlib import Path

import numpy as np

# One test: what was tried, what came, what was expected, whether it fits, a hint if it does not.
Row = collections.namedtuple("Row", "what got expected fits hint")
# What a check found: "right", "wrong", "open" or "broken", with rows or the words of an error.
Outcome = collections.namedtuple("Outcome", "state rows message hint")
WATCH = "A gradient is None: a tape must be told of tensors that are no variables, by tape.watch."
# Words of an error that TensorFlow or Keras raises for a common slip, and what the slip is.
SLIPS = {
    "_unique_id": "apply_gradients takes pairs: zip(gradients, variables).",
    "No gradients provided": "No gradient reaches these variables: each call of a network, and the "
    "loss, must stand under the tape, without predict(), numpy() or float().",
    "has no attribute '_id'": "Give the tape a list of variables: network.trainable_variables.",
    "to a TensorFlow DType": "The tape lost the loss: no float() and no numpy() under it.",
    "'NoneType' and 'int'": WATCH,
    "None values not supported": WATCH,
    "Unknown variable": "This optimizer was built for the other network: whose variables may this "
    "half-step move?",
}
EMPTY = {"state": "open", "tries": 0, "hints": 0, "guess": None, "answer": None}


@dataclasses.dataclass
class Exercise:
    """One exercise: how it is tested, and the mistakes that are known.

    Args:
        title: a few words.
        kind: "write", "predict", "find" or "bug".
        minutes: planned.
        tests: function `candidate -> rows`, of `compare` and `expect`.
        hints: three sentences, from vague to plain.
        solution: a candidate that passes: functions, or values.
        wrong: mapping from a mistake's name to `(candidate, hint)`. A candidate that gives the same
            values in the tests gets this hint.
    """

    title: str
    kind: str
    minutes: int
    tests: object
    hints: tuple
    solution: object
    wrong: dict = dataclasses.field(default_factory=dict)
    known: dict = dataclasses.field(default_factory=dict, init=False)

    def rows_of(self, mistake):
        """What the tests say of a known mistake, worked out once; nothing if they stop."""
        if mistake not in self.known:
            self.known[mistake] = []
            with contextlib.suppress(Exception), np.errstate(all="ignore"):
                self.known[mistake] = list(self.tests(self.wrong[mistake][0]))
        return self.known[mistake]

    def show_solution(self):
        """Source of the solution's functions, or the values in words."""
        parts = self.solution
        if isinstance(parts, dict) and any(map(callable, parts.values())):
            parts = tuple(parts.values())
        parts = parts if isinstance(parts, tuple) else (parts,)
        texts = [inspect.getsource(p) if callable(p) else repr(p) for p in parts]
        return "\n\n".join(textwrap.dedent(text).rstrip() for text in texts)


class Open(Exception):
    """The answer is still a stub."""


def compare(what, got, expected, *, rel=0.01, atol=1e-9, hint="", aliases=()):
    """A test of a number, an array, a label or a truth value.

    Args:
        what: what was tried, in words.
        got: the student's value. None is a stub.
        expected: number, array, bool or str.
        rel: relative tolerance of numbers.
        atol: absolute tolerance, for expected zeros.
        hint: printed if it does not fit.
        aliases: other labels that are right too.

    Returns:
        `Row`.
    """
    if got is None or got is ...:
        raise Open
    if isinstance(expected, str):
        fits = label(got) in {label(word) for word in (expected, *aliases)}
    else:
        got = plain(got)
        wanted, found = np.asarray(expected), np.asarray(got)
        fits = found.dtype.kind in "fiub" and found.shape == wanted.shape
        fits = fits and bool(np.allclose(found, wanted, rtol=rel, atol=atol))
    return Row(what, got, expected, fits, hint)


def expect(what, got, fits, expected, *, hint=""):
    """A test of a property: `fits` says whether `got` has what the words `expected` ask for."""
    return Row(what, plain(got), expected, bool(fits), hint)


def label(value):
    """A label without case, spaces around, a final full stop or brackets."""
    value = plain(value)
    return str(value).strip().strip("[]().'\"").strip().lower()


def plain(value):
    """Tensors as NumPy arrays; arrays and lists of one element as this element."""
    if isinstance(value, (str, bool, int, float, type(None))) or callable(value):
        return value
    with contextlib.suppress(Exception):
        array = np.asarray(value)
        if array.dtype.kind in "fiub":
            return array.reshape(())[()] if array.size == 1 else array
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def judge(exercise, candidate):
    """The `Outcome` of a candidate."""
    if candidate is None or candidate is ...:
        return Outcome("open", [], "", "")
    try:
        with np.errstate(all="ignore"):
            rows = list(exercise.tests(candidate))
    except (Open, NotImplementedError):
        return Outcome("open", [], "", "")
    except Exception as error:  # of the student's code, whatever it is
        return Outcome("broken", [], _tell(error), "")
    if all(row.fits for row in rows):
        return Outcome("right", rows, "", "")
    return Outcome("wrong", rows, "", "\n".join(_find_hints(exercise, rows)))


def _tell(error):
    """An error with the line of the student's code that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    libraries = str(Path(__file__).parent), "site-packages", "dist-packages"
    own = [f for f in frames if f.line and not any(part in f.filename for part in libraries)]
    place = f' In the line "{own[-1].line.strip()}".' if own else ""
    words = " ".join(re.sub(r"\x1b\[\d*m", "", str(error)).split())
    slip = "".join(f" {told}" for part, told in SLIPS.items() if part in words)
    return f"{type(error).__name__}: {words[:200].rstrip('.')}.{place}{slip}"


def _find_hints(exercise, rows):
    """Two hints at most: of known mistakes, and of wrong rows that none of them explains.

    A mistake explains the rows in which it is wrong itself, if all of these have its values; one
    that has the values of all rows comes first.
    """
    wrong, known = {row.what: row for row in rows if not row.fits}, []
    for mistake, (_, words) in exercise.wrong.items():
        others = exercise.rows_of(mistake)
        own = [row for row in others if not row.fits]
        if own and all(row.what in wrong and _same(wrong[row.what], row) for row in own):
            alike = len(others) == len(rows) and all(map(_same, rows, others))
            known.append(((alike, len(own)), {row.what for row in own}, words))
            if alike:
                break
    hints = []
    for _, explained, words in sorted(known, key=lambda mistake: mistake[0], reverse=True):
        if explained <= wrong.keys():
            hints.append(words)
            wrong = {what: row for what, row in wrong.items() if what not in explained}
    return [*hints, *filter(None, (row.hint for row in wrong.values()))][:2]


def _same(row, other):
    a, b = plain(row.got), plain(other.got)
    with contextlib.suppress(Exception):
        return bool(np.allclose(a, b, rtol=2e-3, atol=1e-6, equal_nan=True))
    return label(a) == label(b)


def describe(number, exercise, outcome):
    """What `check` prints."""
    name = f"{number} {exercise.title}"
    if outcome.state == "open":
        return f"{number} Open: {exercise.title}, {exercise.minutes} minutes."
    if outcome.state == "broken":
        return f"{name}\n  Your code stopped. {outcome.message}"
    lines = [name]
    for row in outcome.rows:
        verdict = "right" if row.fits else "wrong"
        wanted = "" if row.fits else f"; expected: {_words(row.expected)}"
        lines.append(f"  {verdict}  {row.what}: {_words(row.got)}{wanted}")
    for hint in outcome.hint.splitlines():
        lines += textwrap.wrap(f"Hint: {hint}", 88, initial_indent="  ", subsequent_indent="  ")
    done = sum(row.fits for row in outcome.rows)
    all_right = outcome.state == "right"
    lines.append(
        f"{number} Right." if all_right else f"{number} {done} of {len(outcome.rows)} right."
    )
    return "\n".join(lines)


def _words(value):
    value = plain(value)
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    if isinstance(value, np.ndarray):
        text = np.array2string(value, precision=4, threshold=12, edgeitems=3)
        return " ".join(text.split())
    return str(value)[:100]


def folder():
    """Where answers are kept, below the working directory."""
    path = Path("runs")
    path.mkdir(exist_ok=True)
    return path


def write(name, text):
    """Write a file whole or not at all; returns its path."""
    path = folder() / name
    new = path.with_name(f"{name}.unfinished")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)
    return path


def recall_all():
    """What is kept of each exercise that was tried."""
    try:
        notes = json.loads((folder() / "exercises.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {number: {**EMPTY, **kept} for number, kept in notes.items()}


def recall(number):
    """What is kept of one exercise."""
    return recall_all().get(number, dict(EMPTY))


def note(number, **changes):
    """Change what is kept of one exercise."""
    notes = recall_all()
    notes[number] = {**EMPTY, **notes.get(number, {}), **changes}
    write("exercises.json", json.dumps(notes))


def remember(number, outcome, candidate):
    """Keep the outcome of a check. What was right once stays so."""
    before = recall(number)
    state = "right" if "right" in (outcome.state, before["state"]) else outcome.state
    answer = before["answer"] if before["state"] == "right" != outcome.state else pack(candidate)
    note(number, state=state, tries=before["tries"] + 1, answer=answer)


def keep_guess(number, answer):
    """Keep a guess, unless there is one."""
    if recall(number)["guess"] is None:
        note(number, guess=pack(answer))


def pack(candidate):
    """A candidate as JSON holds it: values, and functions with the source of their cell."""
    if isinstance(candidate, tuple):
        return {"tuple": [pack(part) for part in candidate]}
    if isinstance(candidate, dict):
        return {"mapping": {str(key): pack(part) for key, part in candidate.items()}}
    if callable(candidate):
        code = getattr(
            inspect.unwrap(getattr(candidate, "python_function", candidate)), "__code__", None
        )
        source = "".join(linecache.getlines(code.co_filename)) if code else ""
        return {"function": getattr(candidate, "__name__", "?"), "source": source}
    value = plain(None if candidate is ... else candidate)
    return {"value": value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value}


def unpack(packed, namespace):
    """The candidate again; `namespace` is the set-up in which sources are run."""
    if "tuple" in packed:
        return tuple(unpack(part, namespace) for part in packed["tuple"])
    if "mapping" in packed:
        return {key: unpack(part, namespace) for key, part in packed["mapping"].items()}
    if "function" in packed:
        run(packed["source"], namespace)
        return namespace[packed["function"]]
    return packed["value"]


def run(source, namespace):
    """Run of a cell what an answer may need: imports, definitions and assignments.

    An assignment that fails, because another cell made what it reads, is left out.
    """
    lines = ["pass" if line.lstrip()[:1] in ("%", "!") else line for line in source.splitlines()]
    name = f"<answer {hash(source):x}>"
    linecache.cache[name] = (len(source), None, [line + "\n" for line in lines], name)
    definitions = ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef
    for node in ast.parse("\n".join(lines), name).body:
        if isinstance(node, (*definitions, ast.Assign, ast.AugAssign, ast.AnnAssign)):
            with contextlib.suppress(Exception):
                exec(compile(ast.Module([node], []), name, "exec"), namespace)
