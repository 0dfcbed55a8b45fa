"""The rules that every notebook keeps; nbval runs the notebooks themselves.

What docs/colab.py adds to them, a badge and a folded cell, counts nowhere; test_colab looks at it.
"""

import re
import sys
from pathlib import Path

import nbformat
import pytest

from conftest import lessons

sys.path.insert(0, str(Path(__file__).parent.parent / "docs"))

import colab

FOLDER = Path(__file__).parent.parent / "notebooks"
PATHS = lessons()
TAGS = {"nbval-ignore-output", "nbval-ignore-picture", "raises-exception", "check"}
every_lesson = pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])


def read(path):
    return colab.remove(nbformat.read(path, as_version=4))


def tags(cell):
    return cell.metadata.get("tags", [])


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def is_folded(cell):
    return cell.metadata.get("jupyter", {}).get("source_hidden", False)


def visible(notebook):
    return [
        cell for cell in code_cells(notebook) if "check" not in tags(cell) and not is_folded(cell)
    ]


def prose(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def code_lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def sections(cells):
    """Lists of cells; each but the first begins with a heading of the second level."""
    parts = [[]]
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            parts.append([])
        parts[-1].append(cell)
    return parts


def pictures(cell):
    return [output for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})]


def printed(cell):
    """The lines of text that a cell shows; the text that stands in for a picture is not shown."""
    for output in cell.outputs:
        text = output.get("text", "")
        if not any(kind.startswith(("image/", "text/html")) for kind in output.get("data", {})):
            text += output.get("data", {}).get("text/plain", "")
        yield from text.splitlines()


def test_the_lessons_are_numbered():
    assert [path.name[:3] for path in PATHS] == [
        f"0{number}_" for number in range(1, len(PATHS) + 1)
    ]
    assert all(re.fullmatch(r"\d\d_[a-z_]+", path.stem) for path in PATHS)


@every_lesson
def test_notebooks_are_valid_small_and_named(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert len(nbformat.writes(notebook)) <= 1.6e6
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}


@every_lesson
def test_outputs_are_those_of_one_run_from_top_to_bottom(path):
    notebook = read(path)
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(2, len(counts) + 2))  # 1 is the cell for Colab
    for cell in notebook.cells:
        folds = {"jupyter", "cellView"} if is_folded(cell) else set()
        assert set(cell.metadata) <= {"tags"} | folds
        assert set(tags(cell)) <= TAGS
    for cell in code_cells(notebook):
        # The refresh stores what a front end would show, so a library's red box is seen here.
        assert not any(output.get("name") == "stderr" for output in cell.outputs), cell.source
        on_purpose = "raises-exception" in tags(cell)
        assert on_purpose or not any(output.output_type == "error" for output in cell.outputs)


@every_lesson
def test_stored_outputs_are_of_a_classroom_run_or_longer(path):
    text = "".join(
        output.get("text", "") for cell in code_cells(read(path)) for output in cell.outputs
    )
    assert re.search(r"budget (classroom|full)", text)


def check_cells_are_folded(cells):
    """One a section, last of its code; hidden; asserts; one line of output that nbval compares."""
    for section in sections(cells):
        checks = [cell for cell in section if "check" in tags(cell)]
        assert len(checks) <= 1, [cell.source for cell in checks]
        for cell in checks:
            assert cell is [cell for cell in section if cell.cell_type == "code"][-1], cell.source
            assert tags(cell) == ["check"]
            assert cell.metadata.get("jupyter") == {"source_hidden": True}, cell.source
            assert cell.metadata.get("cellView") == "form", cell.source
            assert cell.source.startswith("# @title Checked: "), cell.source
            assert re.search(r"^ *assert ", cell.source, re.M), cell.source
            assert [output.output_type for output in cell.outputs] == ["stream"], cell.source
            assert re.fullmatch("Checked: .+\n", cell.outputs[0].text), cell.outputs[0].text


@every_lesson
def test_check_cells_are_folded(path):
    check_cells_are_folded(read(path).cells)


@every_lesson
def test_what_is_folded_and_no_check_only_draws(path):
    for cell in code_cells(read(path)):
        if is_folded(cell) and "check" not in tags(cell):
            assert cell.metadata.get("cellView") == "form", cell.source
            assert re.match("# @title .*, drawn\n", cell.source) or "draw_blocks(" in cell.source
            assert cell.source.startswith("# @title "), cell.source
            assert pictures(cell) and not tags(cell), cell.source
            assert not re.search(r"^ *(def|assert) ", cell.source, re.M), cell.source


CHECK = {
    "source": '# @title Checked: it holds.\nassert True\nprint("Checked: it holds.")',
    "metadata": {"tags": ["check"], "jupyter": {"source_hidden": True}, "cellView": "form"},
    "outputs": [nbformat.v4.new_output("stream", text="Checked: it holds.\n")],
}


@pytest.mark.parametrize(
    "fault",
    [
        {"metadata": {**CHECK["metadata"], "jupyter": {}}},
        {"metadata": {**CHECK["metadata"], "cellView": ""}},
        {"metadata": {**CHECK["metadata"], "tags": ["check", "nbval-ignore-output"]}},
        {"source": CHECK["source"].replace("# @title ", "# ")},
        {"source": CHECK["source"].replace("assert True", "")},
        {"outputs": []},
        {"outputs": [nbformat.v4.new_output("stream", text="Checked: it holds.\nAnd more.\n")]},
    ],
)
def test_a_check_cell_that_is_not_folded_is_seen(fault):
    heading = nbformat.v4.new_markdown_cell("## 1. A section")
    good, bad = (nbformat.v4.new_code_cell(**cell) for cell in (CHECK, {**CHECK, **fault}))
    other = nbformat.v4.new_code_cell("1 + 1")
    check_cells_are_folded([heading, other, good, heading, good])
    for cells in ([heading, good, other], [heading, good, good], [heading, bad]):
        with pytest.raises(AssertionError):
            check_cells_are_folded(cells)


@every_lesson
def test_checks_are_folded_only_and_follow_what_nbval_ignores(path):
    notebook = read(path)
    assert sum("check" in tags(cell) for cell in notebook.cells) >= 3
    assert not any(
        re.search(r"lesson\.check\(|^ *assert ", cell.source, re.M) for cell in visible(notebook)
    )
    ignored = [cell for cell in visible(notebook) if "nbval-ignore-output" in tags(cell)]
    assert len(ignored) <= len(visible(notebook)) / 3
    for section in sections(notebook.cells):
        unseen = [
            cell for cell in section if cell in ignored and "lesson.start(" not in cell.source
        ]
        assert not unseen or any("check" in tags(cell) for cell in section), unseen[0].source


@every_lesson
def test_a_lesson_fits_one_sitting(path):
    notebook = read(path)
    asides = re.findall(r"<details>.*?</details>", prose(notebook), flags=re.S)
    assert sum(len(re.findall(r"\w+", aside)) for aside in asides) <= 600
    words = re.findall(r"\w+", re.sub(r"<details>.*?</details>", "", prose(notebook), flags=re.S))
    assert len(words) <= 2200
    cells = visible(notebook)
    lines = sorted(len(code_lines(cell)) for cell in cells)
    assert len(lines) <= 24 and sum(lines) <= 230 and lines[len(lines) // 2] <= 8
    for cell in cells:  # a network or a training step may be longer
        long_form = re.search(r"^class |^def build_|GradientTape", cell.source, re.M)
        assert len(code_lines(cell)) <= (30 if long_form else 20), cell.source


@every_lesson
def test_lines_do_not_scroll_sideways(path):
    for cell in code_cells(read(path)):
        assert max(map(len, cell.source.splitlines())) <= 88, cell.source
        assert max(map(len, printed(cell)), default=0) <= 95, cell.source


@every_lesson
def test_every_figure_has_an_alternative_text(path):
    for cell in code_cells(read(path)):
        for output in pictures(cell):
            assert len(output.metadata.get("image/png", {}).get("alt", "")) >= 20, cell.source


@every_lesson
def test_prose_before_code_and_after_figures(path):
    cells = [cell for cell in read(path).cells if "check" not in tags(cell)]
    for before, cell in zip(cells, cells[1:]):
        if cell.cell_type == "code":
            assert before.cell_type == "markdown", cell.source
        if before.cell_type == "code" and pictures(before):
            assert cell.cell_type == "markdown", before.source


@every_lesson
def test_first_cells_title_question_imports_budget(path):
    notebook = read(path)
    first = notebook.cells[0].source
    assert (
        first.startswith("# ") and "What you will see" in first and "What you need before" in first
    )
    assert "@" not in first
    imports = code_cells(notebook)[0].source
    assert imports.startswith("from gan_utils import") and len(imports.splitlines()) <= 12
    assert all(
        line.startswith(("from ", "import ", "    ", ")")) or not line
        for line in imports.splitlines()
    )
    assert any('lesson.choose_budget("classroom")' in cell.source for cell in code_cells(notebook))


@every_lesson
def test_the_first_cell_says_how_long(path):
    first = read(path).cells[0].source
    assert re.search(r"\d+ minutes to read and do", first) and re.search(
        r"\d+ minutes? of computing", first
    )


@every_lesson
def test_last_sections(path):
    headings = re.findall(r"^## (.*)$", prose(read(path)), flags=re.M)
    assert headings[-1] == "Next" and "Summary" in headings


@every_lesson
def test_next_is_a_lesson(path):
    last = read(path).cells[-1].source
    links = re.findall(r"\]\((\d\d_\w+\.ipynb)\)", last)
    assert path == PATHS[-1] or any((FOLDER / link).exists() for link in links), last


@every_lesson
def test_links_lead_to_what_exists(path):
    text = prose(read(path))
    targets = re.findall(r"\]\(([^)\s]+)", text) + re.findall(r"(?:href|src)=[\"']([^\"']+)", text)
    for target in targets:
        if not re.match(r"https?:|mailto:|#", target):
            assert (FOLDER / target.split("#")[0]).exists(), target


@every_lesson
def test_no_magics_paths_or_leftovers(path):
    for cell in read(path).cells:
        assert cell.source.strip(), "an empty cell"
        assert "TODO" not in cell.source
        if cell.cell_type == "markdown":
            assert not re.search(r"!\[\]\(", cell.source), "a picture without alt text"
            continue
        assert not re.search(r"^\s*[%!]", cell.source, re.M), cell.source
        assert not re.search(
            r"import \*|plt\.show|['\"]/(tmp|home|root|work)|https?://", cell.source
        ), cell.source


@every_lesson
def test_the_readme_gives_the_minutes_of_the_lesson(path):
    told = re.findall(r"(\d+) minutes? (?:to read and do|of computing)", read(path).cells[0].source)
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^.*notebooks/{path.name}.*$", readme, re.M)
    assert re.findall(r"\| (\d+) (?=\|)", row) == told


def test_the_readme_links_every_notebook():
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    for path in PATHS:
        assert f"notebooks/{path.name}" in readme
