import keras
import numpy as np
import pytest

from gan_utils import lesson, networks, training


def test_the_environment_goes_before_the_notebook(monkeypatch):
    monkeypatch.delenv("GAN_UTILS_BUDGET", raising=False)
    assert lesson.choose_budget("full") == "full"
    monkeypatch.setenv("GAN_UTILS_BUDGET", "ci")
    assert lesson.choose_budget("full") == "ci"


def test_an_unknown_budget_is_refused(monkeypatch):
    monkeypatch.setenv("GAN_UTILS_BUDGET", "huge")
    with pytest.raises(ValueError, match="'ci', 'classroom', 'full'"):
        lesson.choose_budget()
    monkeypatch.delenv("GAN_UTILS_BUDGET")
    with pytest.raises(ValueError, match="received default='small'"):
        lesson.pick("small", ci=1, classroom=2, full=3)


def test_pick_takes_the_value_of_the_budget(monkeypatch):
    monkeypatch.delenv("GAN_UTILS_BUDGET", raising=False)
    assert [lesson.pick(budget, ci=1, classroom=2, full=3) for budget in lesson.BUDGETS] == [1, 2, 3]


def test_start_seeds_everything(capsys):
    drawn = []
    for _ in range(2):
        lesson.start(seed=7, budget="ci")
        drawn.append((np.random.random(), float(keras.random.uniform(()))))  # noqa: NPY002 (the global state is what is tested)
    assert drawn[0] == drawn[1]
    assert "budget ci" in capsys.readouterr().out


def test_check_prints_or_stops(capsys):
    lesson.check("two is more than one", 2 > 1)
    assert capsys.readouterr().out == "two is more than one: True\n"
    lesson.check("an array with one bool will do", np.array([[2.0]]) > 1.0)
    with pytest.raises(AssertionError, match="one is more than two"):
        lesson.check("one is more than two", 1 > 2)


@pytest.mark.parametrize(
    ("answer", "expected", "said"),
    [
        (None, 3.0, "Open"),
        (3.0004, 3.0, "Right"),
        (3.1, 3.0, "Not yet. look"),
        ([1, 2], [1, 2], "Right"),
        ([1, 2, 3], [1, 2], "Not yet"),
        ("left", "left", "Right"),
        ("right", "left", "Not yet"),
        (True, False, "Not yet"),
    ],
)
def test_check_answer(capsys, answer, expected, said):
    lesson.check_answer(answer, expected, hint="look again")
    assert capsys.readouterr().out.startswith(said)


def test_run_folder_is_below_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = lesson.run_folder("02_vanilla_gan", "ci")
    assert folder.is_dir() and (tmp_path / "runs/02_vanilla_gan/ci").is_dir()


def test_announcing_the_time_leaves_no_trace(capsys):
    x = np.random.default_rng(0).normal(size=(400, 2)).astype("float32")
    generator = networks.build_mlp_generator(2, (2,), units=(8,), activation=None)
    gan = training.GAN(generator, networks.build_mlp_discriminator((2,), units=(8,)), seed=0)
    gan.compile(keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2))
    variables = gan.variables + gan.generator_optimizer.variables + gan.discriminator_optimizer.variables
    before = [np.array(v) for v in variables]
    lesson.announce_time(gan, x, batch_size=20, epochs=3)
    assert all(np.array_equal(old, v) for old, v in zip(before, variables))
    assert "60 updates of about" in capsys.readouterr().out


def test_scores_are_printed_in_one_line_a_generator(capsys):
    scores = {
        "kernel_distance": 0.1234,
        "kernel_low": 0.1,
        "kernel_high": 0.15,
        "frechet_distance": 7.891,
        "precision": 0.5,
        "recall": 0.25,
        "nearest_train": 0.9,
        "nearest_expected": 6 / 7,
    }
    lesson.print_scores({"first": {**scores, "covered_classes": 9.0}, "second generator": scores})
    head, first, second = capsys.readouterr().out.splitlines()
    assert first.split() == "first 0.123 (0.100 to 0.150) 7.89 0.50 0.25 0.900 (new: 0.857) 9".split()
    assert second.startswith("second generator") and second.endswith("-")
    for column in ("kernel distance", "precision", "recall"):
        end = head.index(column) + len(column)
        assert first[end - 1].isdigit() and first[end] == " "
