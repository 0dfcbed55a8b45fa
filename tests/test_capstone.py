"""The capstone: the notebook runs as it is given, and with a folder of a student's pictures."""

import re
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest
from PIL import Image

from gan_utils import data
from gan_utils.exercises import versions

FOLDER = Path(__file__).parent.parent / "notebooks"
PATH = FOLDER / "exercises" / "10_your_images.ipynb"
MARKS = {"data": 15, "run": 20, "experiment": 30, "measurement": 20, "failure analysis": 10}
MARKS |= {"ethics": 5, "beauty": 0}
SENTENCE = "With dropout 0.5 the distance falls, because D learns fewer pictures by heart."
NUMBER = r" *-?\d\.\d{4}"


def read():
    return nbformat.read(PATH, as_version=4)


def run(notebook, folder):
    """What the notebook prints, and its number of pictures."""
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not any(output.output_type == "error" for output in outputs)
    assert not any(output.get("name") == "stderr" for output in outputs)
    texts = [output.text for output in outputs if output.output_type == "stream"]
    return "".join(texts), sum("image/png" in output.get("data", {}) for output in outputs)


def replace(notebook, old, new):
    cells = [c for c in notebook.cells if c.cell_type == "code" and old in c.source]
    assert len(cells) == 1
    cells[0].source = cells[0].source.replace(old, new)


def check_measurements(text):
    interval = rf"kernel distance {NUMBER} \({NUMBER} to {NUMBER}\), coverage \d\.\d\d"
    for name, times in {"floor": 2, "ceiling": 2, "average": 1, "your run": 1}.items():
        assert len(re.findall(rf"^{name} +{interval}$", text, re.M)) == times
    assert "The ruler sees the difference: True" in text
    for name in ("illness", "evidence", "remedy", "section"):
        assert re.search(rf"^{name}: \S", text, re.M)
    p_values = dict(re.findall(r"^(your run|a third copied) +share.*p-value (.*)$", text, re.M))
    assert float(p_values["a third copied"]) < 0.05
    assert "your run" in p_values


def test_the_capstone_runs_as_it_is_given(tmp_path):
    notebook = read()
    assert not any(cell.get("outputs") for cell in notebook.cells)
    text, num_pictures = run(notebook, tmp_path)
    assert re.search(r"^1001 of 1004 files in .* are used, 3 left out\.$", text, re.M)
    assert "frog_0000_again.png: the same picture as frog_0000.png" in text
    assert "('frog_0001.png', 'frog_0001_nearly.png')" in text
    assert text.count(": Open\n") == 4 and "Open: write the sentence" in text
    check_measurements(text)
    assert num_pictures == 6
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.slow
def test_the_capstone_runs_with_a_students_folder(tmp_path):
    folder = tmp_path / "meine Bilder ñ"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    frogs = np.uint8(np.round(127.5 * (data.load_frogs()[0][:160] + 1.0)))
    for i, frog in enumerate(frogs):
        Image.fromarray(frog).resize((48, 40)).save(folder / f"{i}.png")
    for i in range(60):
        coarse = rng.integers(0, 256, (8, 8, 3), dtype="uint8")
        Image.fromarray(coarse).resize((40, 50)).save(folder / "more" / f"{i}.png")
    notebook = read()
    replace(notebook, "FOLDER = None", f"FOLDER = {str(folder)!r}")
    replace(notebook, "MIRROR = True", "MIRROR = False")
    replace(notebook, "sentence = ...  #", f"sentence = {SENTENCE!r}  #")
    given = "    # your code\n    ..."
    replace(notebook, given, "    return build_gan(seed, dropout=0.5)")
    text, num_pictures = run(notebook, tmp_path)
    assert re.search(r"^220 of 220 files in .* are used, 0 left out\.$", text, re.M)
    check_measurements(text)
    assert SENTENCE in text
    assert re.search(r"^verdict: (worse|better|hidden in the spread)$", text, re.M)
    assert num_pictures == 7
    assert len(list(folder.rglob("*.png"))) == 220


def test_too_few_pictures_are_named_to_the_student(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "one.png")
    notebook = read()
    replace(notebook, "FOLDER = None", f"FOLDER = {str(tmp_path)!r}")
    notebook.cells = notebook.cells[:9]
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="At least 200 are needed"):
        run(notebook, tmp_path)


def test_the_marks_are_those_of_the_course():
    found = re.findall(r"^\| (\d+) \| ([a-z]+(?: analysis)?)", read().cells[0].source, re.M)
    assert {name: int(number) for number, name in found} == MARKS
    assert sum(MARKS.values()) == 100


def test_the_capstone_is_written_by_hand(tmp_path):
    """`versions.write_all` makes the students' notebooks from solutions, and leaves this one."""
    folder = tmp_path / "exercises"
    folder.mkdir()
    (tmp_path / "solutions").mkdir()
    (folder / PATH.name).write_bytes(PATH.read_bytes())
    versions.write_all(tmp_path)
    assert (folder / PATH.name).read_bytes() == PATH.read_bytes()
    assert not (FOLDER / "solutions" / PATH.name).exists()
