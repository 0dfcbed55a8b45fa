"""nbval and the refresh program see what a student sees, in any environment and folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).parent.parent
FIGURE = """import matplotlib.pyplot as plt
_, ax = plt.subplots(figsize=(6, 3))
ax.plot([0, 1, 2], [0, 1, 0], label="real")
ax.plot([0, 1, 2], [1, 0, 1], label="fake")
ax.legend(loc="upper center");"""
ALT = """from IPython.display import display
data, _ = get_ipython().display_formatter.format(ax.figure)
display(data, raw=True, metadata={"image/png": {"alt": "two lines", "width": 400}})"""
CHECK = '# @title Checked: one is one.\nassert 1 == 1\nprint("Checked: one is one.")'
FOLDED = {"tags": ["check"], "jupyter": {"source_hidden": True}, "cellView": "form"}
SEEN = 'import os\nprint([os.environ.get(name) for name in ("MPLBACKEND", "PYTHONWARNINGS")])'
HOSTILE = {"MPLBACKEND": "Agg", "PYTHONWARNINGS": "default"}


def run(*command, cwd):
    environment = {**os.environ, **HOSTILE, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course of one lesson, refreshed: a figure, a folded check, a library's red box."""
    folder = tmp_path_factory.mktemp("course")
    for name in ("conftest.py", "pyproject.toml", "tests/pictures.py", "tests/nbval_sanitize.cfg"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "notebooks").mkdir()
    path = folder / "notebooks" / "01_lesson.ipynb"
    cells = [new_code_cell(source) for source in (SEEN, FIGURE, ALT, 'os.write(2, b"red box\\n");')]
    cells[0].metadata["collapsed"] = False
    cells.append(new_code_cell(CHECK, metadata=FOLDED))
    notebook = new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )
    nbformat.write(notebook, path)
    done = run(ROOT / "tests" / "refresh_outputs.py", path, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_refresh_sees_figures_and_red_boxes_and_keeps_folds_and_alt_texts(course):
    cells = nbformat.read(course / "notebooks" / "01_lesson.ipynb", as_version=4).cells
    assert cells[0].metadata == {} and cells[4].metadata == FOLDED
    assert cells[0].outputs[0].text == "['module://matplotlib_inline.backend_inline', None]\n"
    assert "image/png" in cells[1].outputs[0].data
    assert cells[2].outputs[0].metadata == {"image/png": {"alt": "two lines"}}
    assert cells[3].outputs[0].name == "stderr"  # test_notebooks refuses it in a lesson
    assert cells[4].outputs[0].text == "Checked: one is one.\n"


def test_nbval_compares_pictures_from_any_folder_and_looks_at_lessons_only(course):
    notebook = nbformat.read(course / "notebooks" / "01_lesson.ipynb", as_version=4)
    path = course / "notebooks" / "02_pictures.ipynb"
    environment, figure, _, _, check = notebook.cells
    changes = {
        "curve": FIGURE.replace(
            'ax.plot([0, 1, 2], [1, 0, 1], label="fake")', 'ax.plot([], [], label="fake")'
        ),
        "legend": FIGURE.replace('ax.legend(loc="upper center");', ""),
        "font": FIGURE.replace("_, ax", 'plt.rcParams["font.family"] = "DejaVu Serif"\n_, ax'),
    }
    figures = [figure, *({**figure, "source": source} for source in changes.values())]
    unlike = {**figure, "source": changes["curve"], "metadata": {"tags": ["nbval-ignore-picture"]}}
    notebook.cells = [environment, *map(nbformat.from_dict, [*figures, unlike]), check]
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    nbformat.write(notebook, path)
    (path.parent / "Untitled.ipynb").write_text("somebody's notes")
    (path.parent / "01_lesson-Copy1.ipynb").write_text("and copies")
    done = run(
        "-m",
        "pytest",
        "-n0",
        "--junitxml=report.xml",
        "--ignore=01_lesson.ipynb",
        ".",
        cwd=path.parent,
    )
    report = ElementTree.parse(path.parent / "report.xml").iter("testcase")
    outcomes = [(case.get("classname"), "red" if len(case) else "green") for case in report]
    ends = ["green", "green", "red", "red", "green", "green", "green"]
    assert outcomes == [("notebooks.02_pictures.ipynb", end) for end in ends], (
        done.stdout + done.stderr
    )
