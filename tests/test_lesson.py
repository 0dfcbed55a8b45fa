import os
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from gan_utils import lesson, networks, plotting, results, training


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
    "for i in lesson.progress(range(3), 'runs'):\n    pass",
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
    _, start, curves, updated, progress, recording = (cell.outputs for cell in notebook.cells)
    assert str(home / "gans_in_keras" / "runs" / "a_lesson" / "ci") in start[0].text
    assert (home / "gans_in_keras" / "runs" / "a_lesson" / "ci").is_dir()
    alt = "Output of D. Drawn are D on real. Horizontal axis: updates"
    for (output,), expected in ((curves, alt), (updated, "D goes up.")):
        assert "image/png" in output.data and output.metadata["image/png"]["alt"] == expected
    assert [output.data for output in progress] == [{"text/plain": "runs: 3 of 3"}]
    strip, curve, sentence, slider = recording
    assert strip.metadata["image/png"]["alt"].startswith("Frogs")
    assert sentence.data["text/markdown"] == results.SLIDER
    assert "application/vnd.jupyter.widget-view+json" in slider.data


def test_check_prints_or_stops(capsys):
    lesson.check("two is more than one", 2 > 1)
    assert capsys.readouterr().out == "two is more than one: True\n"
    with pytest.raises(AssertionError, match="one is more than two"):
        lesson.check("one is more than two", 1 > 2)


@pytest.mark.parametrize(
    ("answer", "expected", "said"),
    [
        (None, 3.0, "Open"),
        (3.0004, 3.0, "Right"),
        (3.1, 3.0, "Not yet. look"),
        (float("nan"), 3.0, "Not yet"),
        (4 / 99, 4 / 100, "Not yet"),
        (1e-4, 0.0, "Right"),
        (0.01, 0, "Not yet"),
        ([1, 2], [1, 2], "Right"),
        ([1, 2, 3], [1, 2], "Not yet"),
        ("left", "left", "Right"),
        ("b ", " B", "Right"),
        ("right", "left", "Not yet"),
        (True, False, "Not yet"),
        ("three", 3.0, "Not yet"),
        (np.True_, True, "Right"),
    ],
)
def test_check_answer(capsys, answer, expected, said):
    lesson.check_answer(answer, expected, hint="look again")
    assert capsys.readouterr().out.startswith(said)


def test_run_folder_is_below_the_working_directory(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = lesson.run_folder("02_vanilla_gan", "ci")
    assert folder.is_dir() and (tmp_path / "runs/02_vanilla_gan/ci").is_dir()
    assert capsys.readouterr().out == ""


def test_announcing_the_time_leaves_no_trace(capsys):
    x = np.random.default_rng(0).normal(size=(400, 2)).astype("float32")
    generator = networks.build_mlp_generator(2, (2,), units=(8,), activation=None)
    gan = training.GAN(generator, networks.build_mlp_discriminator((2,), units=(8,)), seed=0)
    gan.compile(keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2))
    variables = gan.generator_optimizer.variables + gan.discriminator_optimizer.variables
    variables += gan.variables
    before = [np.array(v) for v in variables]
    lesson.announce_time(gan, x, batch_size=20, epochs=3)
    assert all(np.array_equal(old, v) for old, v in zip(before, variables))
    assert "60 updates of about" in capsys.readouterr().out


def test_scores_are_printed_in_one_line_a_generator(capsys):
    scores = {
        "kernel_distance": 0.1234,
        "kernel_low": -0.1,
        "kernel_high": 0.15,
        "frechet_distance": 7.891,
        "precision": 0.5,
        "recall": 0.25,
    }
    nearest = {"nearest_train": 0.9, "nearest_low": 0.834, "nearest_high": 0.88}
    far = {"kernel_distance": 12.345, "kernel_low": 11.9, "kernel_high": 12.8}
    table = {
        "first": {**scores, **nearest, "covered_classes": 9.0},
        "untrained generator": {**scores, **far},
    }
    lesson.print_scores(table)
    head, first, second = capsys.readouterr().out.splitlines()
    expected = "first 0.123 (-0.100 to 0.150) 7.89 0.50 0.25 0.90 (0.83 to 0.88) 9"
    assert first.split() == expected.split()
    expected = "untrained generator 12.35 (11.90 to 12.80) 7.89 0.50 0.25 - ( - to   -) -"
    assert second.replace("12.34 ", "12.35 ").split() == expected.split()  # rounding to even
    assert {len(line) for line in (head, first, second)} == {95}
    for column in ("KD (95 % interval)", "precision", "recall", "nearest train (new)", "modes"):
        end = head.index(column) + len(column)
        assert first[end - 1] != " " and first[end : end + 1] in (" ", "")
