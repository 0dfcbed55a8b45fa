import hashlib
import json
import shutil
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from scipy import stats

from gan_utils import data, features, plotting, results

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import modern_frogs
import quality_ladder

FOLDER = data.find_folder() / "results"
FACTS = json.loads((FOLDER / "results.json").read_text())["trainings"]


def load(name):
    """A shipped generator, latents -> images; the network of lesson 09 is not in the package."""
    if name == "modern_frogs":
        return modern_frogs.order(results.load_generator(name, modern_frogs.build_generator()))
    return results.load_generator(name)


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The shipped results in a folder of their own, where a test may break them."""
    shutil.copytree(FOLDER, tmp_path / "results")
    monkeypatch.setenv("GAN_UTILS_DATA", str(tmp_path))
    return tmp_path / "results"


def test_every_image_lesson_ships_a_generator_and_a_recording_of_bounded_size():
    recorded = {*results.GENERATORS, "classic_frogs"}
    assert {name for name, facts in FACTS.items() if facts["sha256"]} == recorded
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    measured = {"results", "wgan_equal_time", "frog_recipes", "modern_frogs", "dcgan_switches"}
    shipped = {f"{name}.weights.npz" for name in results.GENERATORS}
    shipped |= {f"{name}.recording.webp" for name in recorded} | {"dcgan_switches.webp"}
    assert set(files) == {f"{name}.json" for name in measured} | shipped
    assert sum(size for name, size in files.items() if name.endswith("npz")) <= 17e6
    assert max(size for name, size in files.items() if name.endswith("webp")) <= 1e6


def test_checksums_are_those_of_the_files_and_the_readme_names_each():
    readme = (FOLDER.parent / "README.md").read_text()
    for name in results.GENERATORS:
        facts = FACTS[name]
        for end, expected in facts["sha256"].items():
            assert hashlib.sha256((FOLDER / f"{name}.{end}").read_bytes()).hexdigest() == expected
        assert name in readme


@pytest.mark.parametrize("name", results.GENERATORS)
def test_a_shipped_generator_draws_images_in_range_that_differ(name):
    generator = load(name)
    images = results.draw(generator, 40, seed=0)
    shape = (28, 28, 1) if "digits" in name else (32, 32, 3)
    assert images.shape == (40, *shape) and images.dtype == np.float32
    assert np.abs(images).max() <= 1.0 and images.std(axis=0).mean() > 0.1
    assert np.array_equal(images, results.draw(generator, 40, seed=0))
    assert not np.allclose(images, results.draw(generator, 40, seed=1))


@pytest.mark.parametrize("name", ["vanilla_digits", "narrow_frogs", "dcgan_frogs"])
def test_the_shipped_generator_has_the_quality_that_the_ladder_states(name):
    stated = FACTS[name]["shipped"]
    dataset = "digits" if "digits" in name else "frogs"
    num_images = {"digits": 2_000, "frogs": 1_000}[dataset]
    scores = features.evaluate(results.draw(results.load_generator(name), num_images), dataset)
    for score in ("kernel_distance", "precision", "recall"):
        # float16 weights, and batch normalisation rounds differently on another backend
        assert scores[score] == pytest.approx(stated["scores"][score], rel=0.02, abs=0.002), score


@pytest.mark.parametrize("name", results.GENERATORS)
def test_a_recording_ends_with_what_the_shipped_generator_draws(name):
    steps, samples, kernel_distances = results.load_recording(name)
    assert 15 <= len(steps) == len(samples) == len(kernel_distances) <= 60
    assert steps[0] == 0 and steps == sorted(set(steps))
    assert samples.dtype == np.float32 and np.abs(samples).max() <= 1.0
    drawn = results.draw(load(name), samples.shape[1], seed=1)
    # The recording is compressed, the weights are float16.
    assert np.abs(samples[-1] - drawn).mean() < 0.05
    assert np.abs(samples[0] - drawn).mean() > 0.2
    assert kernel_distances[-1] < 0.7 * kernel_distances[0]


def load_runs(name):
    ladder = json.loads((FOLDER.parents[1] / "benchmarks" / "quality_ladder.json").read_text())
    return quality_ladder.group(ladder)[name]


@pytest.mark.parametrize("name", results.GENERATORS)
def test_there_is_a_band_from_five_runs_on(name):
    assert bool(results.load_band(name)) == (len(load_runs(name)) >= 5)


@pytest.mark.parametrize("name", ("vanilla_digits", "narrow_frogs", "dcgan_digits", "dcgan_frogs"))
@pytest.mark.parametrize(
    "label, key, scale",
    (
        ("generator_loss", "generator_loss", np.array),
        ("kernel_distance", "kernel_distances", np.log),
    ),
)
def test_the_band_is_the_prediction_interval_of_the_stored_runs(name, label, key, scale):
    last = scale([run["moments"][key][-1] for run in load_runs(name)])
    n, (_, lows, highs) = len(last), results.load_band(name)[label]
    expected = stats.t.interval(0.95, n - 1, last.mean(), last.std(ddof=1) * np.sqrt(1 + 1 / n))
    assert scale([lows[-1], highs[-1]]) == pytest.approx(expected, abs=1e-2)


def test_a_prediction_interval_of_five_runs_holds_about_95_percent_of_a_sixth():
    rng, inside = np.random.default_rng(0), []
    for _ in range(400):
        values = rng.normal(10.0, 1.0, size=6)
        runs = [
            {
                "moments": {
                    "steps": [0, 1],
                    **{key: [None, v] for key in quality_ladder.CURVES},
                    "kernel_distances": [np.exp(v)] * 2,
                }
            }
            for v in values
        ]
        band = quality_ladder.make_band(runs[:5])
        (low,), (high,) = band["generator_loss"][1:]
        inside.append(low <= values[5] <= high)
        assert band["kernel_distance"][1][0] == pytest.approx(np.exp(low), rel=1e-3)
        assert band["d_real"][2] == [1.0]  # a probability
    assert 0.92 < np.mean(inside) < 0.98
    assert quality_ladder.make_band(runs[:4]) == {}


def test_a_recording_is_shown_as_two_figures_a_sentence_and_a_slider(monkeypatch):
    plt.close("all")  # of other tests
    plotting.use_style()
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda output, **options: shown.append(output))
    results.show_recording("narrow_frogs", "Frogs through training")
    rows, curve, sentence, slider = shown
    assert "Frogs through training" in plotting.alt_text(rows)
    steps, samples, distances = results.load_recording("narrow_frogs")
    names = [label.get_text() for label in rows.axes[0].get_yticklabels()]
    assert len(names) == 6 and (names[0], names[-1]) == ("0", f"{steps[-1]:,}")
    strip = rows.axes[0].images[0].get_array()
    for row, i in ((0, 0), (5, -1)):  # the first ten latents at the first and last moment
        tiles = [strip[33 * row : 33 * row + 32, 33 * j : 33 * j + 32] for j in range(10)]
        np.testing.assert_allclose(tiles, (samples[i, :10] + 1) / 2, atol=1e-6)
    (ax,) = curve.axes
    assert ax.get_yscale() == "log" and ax.get_title(loc="left").startswith("Kernel distance")
    np.testing.assert_allclose(ax.lines[0].get_xydata(), np.transpose([steps, distances]))
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["kernel distance", "normal runs"]
    assert "run this cell again" in sentence.data
    assert "application/vnd.jupyter.widget-view+json" in slider and slider["text/plain"] == ""
    assert not plt.get_fignums()


def test_the_slider_changes_the_picture(monkeypatch):
    import ipywidgets

    shown, boxes = [], []
    monkeypatch.setattr("IPython.display.display", lambda output, **options: shown.append(output))
    original = ipywidgets.VBox
    monkeypatch.setattr(
        ipywidgets, "VBox", lambda children: boxes.append(original(children)) or boxes[-1]
    )
    results.show_recording("vanilla_digits")
    slider, words, picture = boxes[0].children
    steps, samples, _ = results.load_recording("vanilla_digits")
    last, last_words = picture.value, words.value
    assert last_words.startswith(f"{steps[-1]:,} updates")
    slider.value = 0
    assert words.value.startswith("0 updates") and picture.value != last
    slider.value = len(steps) - 1
    assert picture.value == last and words.value == last_words


def test_an_unknown_name_is_refused_with_those_that_exist():
    for read in (results.load_generator, results.load_recording, results.load_band):
        with pytest.raises(ValueError, match="name='04_frogs'.*'dcgan_frogs'"):
            read("04_frogs")


def test_a_generator_that_a_lesson_builds_must_be_passed():
    with pytest.raises(ValueError, match="generator= of lesson 09"):
        results.load_generator("modern_frogs")


def test_of_the_classic_networks_only_the_recording_is_shipped():
    assert len(results.load_recording("classic_frogs")[0]) > 15
    with pytest.raises(ValueError, match="Loading classic_frogs received file='weights.npz'"):
        results.load_generator("classic_frogs")


@pytest.mark.parametrize("end", ["weights.npz", "recording.webp"])
def test_a_damaged_or_missing_file_is_named(copy, end):
    read = results.load_generator if end == "weights.npz" else results.load_recording
    path = copy / f"narrow_frogs.{end}"
    content = path.read_bytes()
    path.write_bytes(content[:-7] + b"garbage")
    with pytest.raises(ValueError, match=f"narrow_frogs.{end} is damaged.*Expected.*git checkout"):
        read("narrow_frogs")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=f"narrow_frogs.{end} is missing.*git checkout"):
        read("narrow_frogs")


def check_picture(path):
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"), float)
    height, width = pixels.shape[:2]
    assert height > 200 and width > 2 * height - 50
    halves = pixels[:, : width // 2], pixels[:, width // 2 :]
    colours = [np.abs(half[..., 0] - half[..., 2]).mean() for half in halves]
    assert colours[0] < 1.0 < 5.0 < colours[1]  # digits are grey, frogs are not
