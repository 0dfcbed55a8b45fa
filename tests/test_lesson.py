import os
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from gan_utils import lesson, plotting, results


def test_the_environment_goes_before_the_notebook(monkeypatch):
    monkeypatch.delenv("GAN_UTILS_BUDGET", raising=False)
    assert lesson.choose_budget("full") == "full"
    monkeypatch.setenv("GAN_UTILS_BUDGET", "ci")
    assert lesson.choose_budget("full") == "ci"


def test_an_unknown_budget_is_refused(monkeypatch):
    monkeypatch.setenv("GAN_UTILS_BUDGET", "huge")
    with pytest.raises(ValueError, match="GAN_UTILS_BUDGET='huge'.*'ci', 'classroom', 'full'"):
        lesson.choose_budget()
    monkeypatch.delenv("GAN_UTILS_BUDGET")
    with pytest.raises(ValueError, match="received default='small'"):
        lesson.pick("small", ci=1, classroom=2, full=3)


def test_pick_takes_the_value_of_the_budget(monkeypatch):
    monkeypatch.delenv("GAN_UTILS_BUDGET", raising=False)
    picked = [lesson.pick(budget, ci=1, classroom=2, full=3) for budget in lesson.BUDGETS]
    assert picked == [1, 2, 3]


def test_start_seeds_everything_and_sets_the_style(capsys):
    plotting.plt.rcdefaults()
    drawn = []
    for _ in range(2):
        lesson.start(seed=7, budget="ci")
        numpy = np.random.random()  # noqa: NPY002 (the global state is what is tested)
        drawn.append((numpy, float(keras.random.uniform(()))))
    assert drawn[0] == drawn[1]
    assert plotting.plt.rcParams["figure.dpi"] == plotting.STYLE["figure.dpi"]
    assert "budget ci" in capsys.readouterr().out


CELLS = (
    "from gan_utils import lesson, plotting, results",
    "lesson.start(seed=1, budget='ci'); print(lesson.run_folder('a_lesson', 'ci'))",
    "plotting.plot_curves(range(3), {'d_real': [1, 2, 3]}, 'Output of D');",
    "figure = plotting.plot_curves(range(3), {'d_real': [1, 2, 3]}).figure\n"
    "handle = display(figure, display_id=True)\n"
    "figure.set_label('D goes up.')\n"
    "handle.update(figure)\n"
    "plotting.plt.close(figure)",
    "results.show_recording('narrow_frogs', 'Frogs')",
)


def test_a_lesson_in_a_kernel_without_a_writable_folder_or_a_window(tmp_path, monkeypatch):
    """Figures appear with alt text whatever MPLBACKEND says, and the files go elsewhere."""
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir(), home.mkdir()
    (here / "runs").touch()  # as in a folder that cannot be written, no folder can be made there
    for name, value in {"MPLBACKEND": "agg", "HOME": home, "USERPROFILE": home}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("PYTHONPATH", str(Path(lesson.__file__).parents[1]), prepend=os.pathsep)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    resources = {"metadata": {"path": str(here)}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    _, start, curves, updated, recording = (cell.outputs for cell in notebook.cells)
    assert str(home / "gans_in_keras" / "runs" / "a_lesson" / "ci") in start[0].text
    assert (home / "gans_in_keras" / "runs" / "a_lesson" / "ci").is_dir()
    alt = "Output of D. Drawn are D on real. Horizontal axis: updates"
    for (output,), expected in ((curves, alt), (updated, "D goes up.")):
        assert "image/png" in output.data and output.metadata["image/png"]["alt"] == expected
    strip, curve, sentence, slider = recording
    assert strip.metadata["image/png"]["alt"].startswith("Frogs")
    assert sentence.data["text/markdown"] == results.SLIDER
    assert "application/vnd.jupyter.widget-view+json" in slider.data


def test_run_folder_is_below_the_working_directory(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = lesson.run_folder("02_vanilla_gan", "ci")
    assert folder.is_dir() and (tmp_path / "runs/02_vanilla_gan/ci").is_dir()
    assert capsys.readouterr().out == ""
