"""The exercises: solutions pass, known mistakes get their hints, students' notebooks are stubs."""

import json
import re
import sys
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest
import tensorflow as tf

from gan_utils import exercises
from gan_utils.exercises import book, engine, grading, versions

sys.path.insert(0, str(Path(__file__).parent.parent / "docs"))

import colab

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
SOLUTIONS = sorted((NOTEBOOKS / "solutions").glob("*.ipynb"))
ALL = {number: e for name in book.chapters() for number, e in book.chapter(name).EXERCISES.items()}
MISTAKES = [(number, name) for number, exercise in ALL.items() for name in exercise.wrong]


def code(path):
    """The sources of the code cells, but for the one that docs/colab.py writes."""
    cells = colab.remove(nbformat.read(path, as_version=4)).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


@pytest.mark.parametrize("number", ALL)
def test_the_solution_passes(number):
    outcome = engine.judge(ALL[number], ALL[number].solution)
    assert outcome.state == "right", engine.describe(number, ALL[number], outcome)
    assert len(ALL[number].hints) == 3 and len(set(ALL[number].hints)) == 3
    assert ALL[number].kind in ("write", "predict", "find", "bug")
    assert ALL[number].show_solution()


@pytest.mark.parametrize("number, name", MISTAKES)
def test_a_known_mistake_gets_its_own_hint(number, name):
    candidate, hint = ALL[number].wrong[name]
    outcome = engine.judge(ALL[number], candidate)
    assert outcome.state == "wrong"
    assert outcome.hint == hint


def test_two_mistakes_in_one_answer_get_two_hints():
    exercise = ALL["03.2"]
    hints = {exercise.wrong[name][1] for name in ("size forgotten", "compile forgotten")}
    outcome = engine.judge(exercise, exercise.solution | {"f": "1001", "g": "1001"})
    assert set(outcome.hint.splitlines()) == hints
    outcome = engine.judge(exercise, exercise.solution | {"f": "1001", "h": "1011"})
    first, second = outcome.hint.splitlines()
    assert first == exercise.wrong["compile forgotten"][1] and second.startswith("(h): ")


def test_a_slip_with_the_tape_is_told_in_plain_words():
    def outside(generator, discriminator, optimizer, batch_size):
        latents = tf.random.normal((batch_size, generator.input_shape[-1]))
        with tf.GradientTape() as tape:
            fakes = generator(latents, training=True)
        loss = tf.reduce_mean(discriminator(fakes, training=True))
        variables = generator.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    outcome = engine.judge(ALL["02.2"], (ALL["02.2"].solution[0], outside))
    assert outcome.state == "broken" and "must stand under the tape" in outcome.message


@pytest.mark.parametrize("path", SOLUTIONS, ids=[path.stem for path in SOLUTIONS])
def test_students_get_the_solutions_without_solutions(path):
    given = code(NOTEBOOKS / "exercises" / path.name)
    assert given == [versions.clear(source) for source in code(path)]
    assert any(versions.BEGIN in source for source in code(path))
    assert given[0].strip() == book.chapter(path.name[:2]).SETUP.strip()
    numbers = [number for number in ALL if number.startswith(path.name[:2])]
    text = "\n".join(given)
    assert all(f'check("{number}"' in text for number in numbers)


# The set-ups are also those of the solutions, which run in each quick suite.
QUICK = {"01_intuition", "04_wgan", "09_modern_gan"}
OPEN = [
    pytest.param(path, marks=[pytest.mark.slow] * (path.stem not in QUICK), id=path.stem)
    for path in SOLUTIONS
]


@pytest.mark.parametrize("path", OPEN)
def test_a_students_notebook_runs_and_everything_is_open(path, tmp_path):
    notebook = nbformat.read(NOTEBOOKS / "exercises" / path.name, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    asked, opened = 0, 0
    for cell in notebook.cells:
        texts = [output.get("text", "") for output in cell.get("outputs", ())]
        asked += len(re.findall(r"^(?:check|predict)\(", cell.source, re.M))
        opened += len(re.findall(r"^\d\d\.\d Open: ", "".join(texts), re.M))
    assert asked == opened > 0


def test_the_course_has_enough_exercises():
    kinds = [exercise.kind for exercise in ALL.values()]
    assert len(kinds) >= 27
    assert kinds.count("write") + kinds.count("bug") >= len(kinds) / 2
    assert kinds.count("bug") >= 6 and kinds.count("predict") >= 4


def test_markers_need_a_partner():
    text = f"def f():\n    {versions.BEGIN}\n    return 1\n    {versions.END}\n\n\nf()"
    assert versions.clear(text) == "def f():\n    # your code\n    ...\n\n\nf()"
    assert (
        versions.clear(f"x = ...\n{versions.BEGIN}\nx = 1\n{versions.END}\nf(x)") == "x = ...\nf(x)"
    )
    with pytest.raises(ValueError, match="no partner"):
        versions.clear(f"x = 1\n{versions.BEGIN}")


@pytest.mark.parametrize("got", ["b", "B", " b ", "(b)", "b.", ["b"], np.array(["b"])])
def test_a_label_may_be_written_in_many_ways(got):
    assert engine.compare("", got, "B").fits
    assert not engine.compare("", got, "c").fits


@pytest.mark.parametrize("got", [0.04, [0.04], np.float32(0.0402), np.array([[0.0399]])])
def test_a_number_may_be_off_by_one_percent(got):
    assert engine.compare("", got, 4 / 100).fits


@pytest.mark.parametrize("got", [4 / 99, "0.04", [0.04, 0.04], np.nan, {}, -0.04, "abc", True])
def test_another_number_is_wrong(got):
    assert not engine.compare("", got, 4 / 100).fits


def test_shapes_are_compared():
    assert engine.compare("", [1, 2], np.array([1.0, 2.0])).fits
    assert not engine.compare("", [[1, 2]], np.array([1.0, 2.0])).fits
    assert not engine.compare("", 1.0, np.array([1.0, 1.0])).fits


def test_a_stub_is_open_and_an_error_names_the_line():
    def stop(real_logits, fake_logits):
        return real_logits.no_such_thing

    def stub(*_): ...

    assert engine.judge(ALL["02.1"], (stub, stub)).state == "open"
    outcome = engine.judge(ALL["02.1"], (stop, stub))
    assert outcome.state == "broken"
    assert "return real_logits.no_such_thing" in outcome.message
    assert all(engine.judge(e, stub).state == "open" for e in ALL.values() for stub in (None, ...))


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_hints_come_one_by_one_and_the_solution_after_three_tries(desk, capsys):
    for shown in (1, 2, 3, 3):
        exercises.hint("02.3")
        assert capsys.readouterr().out.startswith(f"02.3 Hint {shown} of 3: ")
    wrong = ALL["02.3"].wrong["G wins"][0]
    for left in (3, 2, 1):
        exercises.solution("02.3")
        assert f"try {left} more time" in capsys.readouterr().out
        exercises.check("02.3", wrong)
        assert ALL["02.3"].wrong["G wins"][1][:40] in " ".join(capsys.readouterr().out.split())
    exercises.solution("02.3")
    assert "'d_real': 'higher'" in capsys.readouterr().out


def test_the_first_guess_is_kept(desk, capsys):
    names = dict.fromkeys(ALL["02.3"].solution)
    exercises.predict("02.3", names)
    assert "Open" in capsys.readouterr().out and engine.recall("02.3")["guess"] is None
    exercises.predict("02.3", dict.fromkeys(names, "lower"))
    exercises.predict("02.3", dict.fromkeys(names, "higher"))
    kept = engine.unpack(engine.recall("02.3")["guess"], {})
    assert kept == dict.fromkeys(names, "lower")


def test_an_unknown_number_is_refused(desk):
    for number in ("02.9", "77.1", "", 2):
        with pytest.raises(ValueError, match="must be one of"):
            exercises.check(number, 1)


def test_what_was_right_stays_right(desk, capsys):
    exercises.check("02.3", ALL["02.3"].solution)
    exercises.check("02.3", ALL["02.3"].wrong["G wins"][0])
    notes = engine.recall("02.3")
    assert notes["state"] == "right" and notes["tries"] == 2
    assert engine.unpack(notes["answer"], {}) == ALL["02.3"].solution


RIGHT = """
def discriminator_loss(real_logits, fake_logits):
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))

def generator_loss(fake_logits):
    return ops.mean(ops.softplus(-fake_logits))

check("02.1", (discriminator_loss, generator_loss))
"""


def inside(line):
    """The right answer with a line before each `return`."""
    return RIGHT.replace("    return", f"    {line}\n    return")


SUBMISSIONS = {
    "right": (RIGHT, "right"),
    "wrong": (RIGHT.replace("-real_logits", "real_logits"), "wrong"),
    "broken": (RIGHT.replace("ops.mean", "ops.no_such"), "broken"),
    "syntax": (RIGHT.replace("return", "retrun"), "broken"),
    "stub": (RIGHT.replace("return ops", "pass; ops"), "open"),
    "endless": (inside("while True: pass"), "stopped"),
    "stubborn": (
        inside("while True:\n        try:\n            while True: pass\n        except: pass"),
        "stopped",
    ),
    "deletes": (inside("import os; os.remove({victim!r})"), "broken"),
    "deletes outside": ("x = __import__('os').remove({victim!r})\n" + RIGHT, "right"),
    "overwrites": (inside("open({victim!r}, 'w').write('x')"), "broken"),
    "tree": (inside("import shutil; shutil.rmtree({folder!r})"), "broken"),
    "shell": (inside("import os; os.system('rm ' + {victim!r})"), "broken"),
    "process": (inside("import subprocess; subprocess.run(['rm', {victim!r}])"), "broken"),
    "network": (inside("import socket; socket.create_connection(('10.0.0.1', 80))"), "broken"),
    "foreign": (inside("import no_such_package"), "broken"),
    "memory": (inside("x = bytearray(10 ** 12)"), "broken"),
    "leaves": (inside("import sys; sys.exit(0)"), "broken"),
    "dies": (inside("import os; os._exit(0)"), "stopped"),
    "cheats": (inside("print('0' * 32 + '[\"02.1\", \"right\"]'); raise ValueError"), "broken"),
    "other cells": (
        "%matplotlib inline\nx = losses[0]\nfor i in range(10 ** 9): pass\n" + RIGHT,
        "right",
    ),
}


def hand_in(folder, name, victim):
    text = SUBMISSIONS[name][0]
    text = text.replace("{victim!r}", repr(str(victim)))
    text = text.replace("{folder!r}", repr(str(victim.parent)))
    packed = [{"function": f, "source": text} for f in ("discriminator_loss", "generator_loss")]
    content = {"name": name, "answers": {"02.1": {"answer": {"tuple": packed}}}}
    (folder / f"submission_{name}.json").write_text(json.dumps(content))


def grade(tmp_path, names):
    victim = tmp_path / "teacher" / "grades_of_last_year.csv"
    victim.parent.mkdir()
    victim.write_text("precious")
    folder = tmp_path / "submissions"
    folder.mkdir()
    for name in names:
        hand_in(folder, name, victim)
    (folder / "submission_unreadable.json").write_text("{")
    grading.grade(folder)
    rows = [line.split(",") for line in (folder / "grades.csv").read_text().splitlines()[1:]]
    assert victim.read_text() == "precious"
    assert {row[0] for row in rows} == {path.name for path in folder.glob("*.json")}
    states = {row[1]: row[3] for row in rows if row[1] != "?"}
    assert states == {name: SUBMISSIONS[name][1] for name in names}
    return rows


def test_submissions_are_graded(tmp_path):
    rows = grade(tmp_path, ["right", "wrong", "deletes"])
    assert [row[2] for row in rows if row[1] == "right"] == ["1"]


@pytest.mark.slow
def test_twenty_one_submissions_harm_nobody(tmp_path):
    assert len(grade(tmp_path, SUBMISSIONS)) == 21


def test_a_submission_holds_the_cells(desk, capsys):
    engine.run(RIGHT, namespace := dict(vars(book.chapter("02"))))
    exercises.check("02.1", (namespace["discriminator_loss"], namespace["generator_loss"]))
    exercises.submit("Ana Ñ / 3")
    (file,) = (desk / "runs").glob("submission_*.json")
    assert file.name == "submission_Ana_Ñ___3.json"
    answers = json.loads(file.read_text(encoding="utf-8"))["answers"]
    candidate = engine.unpack(answers["02.1"]["answer"], dict(vars(book.chapter("02"))))
    assert engine.judge(ALL["02.1"], candidate).state == "right"
