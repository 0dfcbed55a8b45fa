"""The rules that every notebook keeps; nbval runs the notebooks themselves."""

import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
TAGS = {"nbval-ignore-output", "raises-exception"}


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_folder_holds_notebooks_and_nothing_else():
    files = [path for path in FOLDER.iterdir() if path.name not in ("runs", ".ipynb_checkpoints")]
    assert sorted(path.name[:3] for path in files) == [f"0{number}_" for number in range(1, 9)]
    assert all(re.fullmatch(r"\d\d_[a-z_]+\.ipynb", path.name) for path in files)


def test_notebooks_are_valid_small_and_named(notebook):
    nbformat.validate(notebook)
    assert len(nbformat.writes(notebook)) <= 1.5e6
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}


def test_outputs_are_those_of_one_run_from_top_to_bottom(notebook):
    assert [cell.execution_count for cell in code_cells(notebook)] == list(range(1, len(code_cells(notebook)) + 1))
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}
        assert set(cell.metadata.get("tags", [])) <= TAGS
    for cell in code_cells(notebook):
        assert not any(output.get("name") == "stderr" for output in cell.outputs)
        shown_on_purpose = "raises-exception" in cell.metadata.get("tags", [])
        assert shown_on_purpose or not any(output.output_type == "error" for output in cell.outputs)


def test_stored_outputs_are_of_a_classroom_run_or_longer(notebook):
    text = "".join(output.get("text", "") for cell in code_cells(notebook) for output in cell.outputs)
    assert re.search(r"budget (classroom|full)", text)


def test_length_of_lesson_and_cells(notebook):
    cells = code_cells(notebook)
    assert 12 <= len(cells) <= 35
    prose = " ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    prose = re.sub(r"\$\$.*?\$\$|\$[^$]*\$", " formula ", prose, flags=re.S)  # an equation is one word, and so is 0.05
    assert 1000 <= len(re.findall(r"\w+(?:[-.,'’]\w+)*", prose)) <= 3500
    lines = sorted(len([line for line in cell.source.splitlines() if line.strip()]) for cell in cells)
    assert 0 < lines[0] and lines[len(lines) // 2] <= 12 and lines[int(0.9 * (len(lines) - 1))] <= 20 and lines[-1] <= 30


def test_prose_before_code_and_after_figures(notebook):
    for before, cell in zip(notebook.cells, notebook.cells[1:]):
        if cell.cell_type == "code":
            assert before.cell_type == "markdown", cell.source
        if before.cell_type == "code" and any("image/png" in output.get("data", {}) for output in before.outputs):
            assert cell.cell_type == "markdown", before.source


def test_first_cells_title_question_imports_budget(notebook):
    first = notebook.cells[0].source
    assert first.startswith("# ") and "What you will see" in first and "What you need before" in first and "arXiv" in first
    assert "@" not in first
    imports = code_cells(notebook)[0].source
    assert imports.startswith("from gan_utils import") and len(imports.splitlines()) <= 12
    assert all(line.startswith(("from ", "import ", "    ", ")")) or not line for line in imports.splitlines())
    assert any('lesson.choose_budget("classroom")' in cell.source for cell in code_cells(notebook))


def test_last_sections(notebook):
    headings = [
        line for cell in notebook.cells if cell.cell_type == "markdown" for line in cell.source.splitlines() if line[:3] == "## "
    ]
    assert headings[-3:] == ["## Summary", "## Exercises", "## Next"]


def test_exercises_are_open_and_check_themselves(notebook):
    exercises = [cell for cell in code_cells(notebook) if "check_answer(" in cell.source]
    assert 3 <= len(exercises) <= 5
    for cell in exercises:
        assert "answer = None" in cell.source
        assert cell.outputs[-1].text.endswith("Open: replace None by your answer and run this cell again.\n")


def test_ignored_outputs_are_few_and_followed_by_a_check(notebook):
    cells = code_cells(notebook)
    ignored = [i for i, cell in enumerate(cells) if "nbval-ignore-output" in cell.metadata.get("tags", [])]
    assert len(ignored) <= len(cells) / 3
    checks = [i for i, cell in enumerate(cells) if "lesson.check(" in cell.source]
    assert len(checks) >= 5
    for i in ignored:
        # The line about the machine needs no check; a training is announced, run and shown before what it must reach is checked.
        if "lesson.start(" not in cells[i].source:
            assert any(i < check <= i + 4 for check in checks), cells[i].source


def test_no_magics_paths_or_leftovers(notebook):
    for cell in notebook.cells:
        assert cell.source.strip(), "an empty cell"
        assert "TODO" not in cell.source
        if cell.cell_type == "markdown":
            assert not re.search(r"!\[\]\(", cell.source), "a picture without alt text"
            continue
        assert not re.search(r"^\s*[%!]", cell.source, re.M), cell.source
        assert not re.search(r"import \*|plt\.show|['\"]/(tmp|home|root|work)|https?://", cell.source), cell.source
        assert "import tensorflow" not in cell.source and "import jax" not in cell.source


def test_the_readme_links_every_notebook():
    readme = (FOLDER.parent / "README.md").read_text()
    for path in PATHS:
        assert f"notebooks/{path.name}" in readme
