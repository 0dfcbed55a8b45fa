import importlib
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from gan_utils import networks, results

FOLDER = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(FOLDER))

import classic_frogs  # noqa: E402
import dcgan_switches  # noqa: E402
import frog_recipes  # noqa: E402
import frog_search  # noqa: E402
import modern_frogs  # noqa: E402
import preview  # noqa: E402
import quality_ladder  # noqa: E402
import training_speed  # noqa: E402
import wgan_equal_time  # noqa: E402


def test_the_stored_report_is_that_of_the_stored_numbers():
    results = json.loads((FOLDER / "training_speed.json").read_text())
    assert training_speed.render(results) == (FOLDER / "training_speed.md").read_text()


def test_operations_are_counted():
    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(
                4, 3, strides=2, padding="same"
            ),  # 4 x 4 outputs of 4 channels, each from 3 x 3 x 3 numbers
            layers.Conv2DTranspose(
                5, 2, strides=2
            ),  # each of 4 x 4 inputs of 4 channels reaches 2 x 2 x 5 numbers
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    expected = 2 * (16 * 4 * 27 + 16 * 4 * 20 + 8 * 8 * 5 * 2)
    assert training_speed.count_flops(network, 10) == 10 * expected


CONTESTANTS = [
    pytest.param(c, marks=[pytest.mark.slow] * c.__name__.endswith("XLA"), id=c.__name__)
    for c in training_speed.CONTESTANTS
]


@pytest.mark.parametrize("contestant", CONTESTANTS)
def test_every_loop_of_the_comparison_runs(contestant):
    settings = {**training_speed.describe_networks()["narrow_frog"], "batch_size": 4, "updates": 2}
    try:
        loop = contestant({**settings, "images": settings["images"][:64]})
    except NotImplementedError as reason:
        pytest.skip(str(reason))
    assert training_speed.time_updates(loop, 2) > 0.0


def test_the_stored_search_and_ladder_are_those_of_the_stored_numbers():
    trials = json.loads((FOLDER / "frog_search.json").read_text())
    assert frog_search.render_table(trials) == (FOLDER / "frog_search.md").read_text()
    records = json.loads((FOLDER / "quality_ladder.json").read_text())
    assert quality_ladder.render_table(records) == (FOLDER / "quality_ladder.md").read_text()
    assert quality_ladder.collect_facts(records) == json.loads(
        (quality_ladder.SHIPPED / "results.json").read_text()
    )


def test_what_lesson_04_shows_is_what_was_measured_at_equal_time():
    records = json.loads((FOLDER / "wgan_equal_time.json").read_text())
    ladder = json.loads((FOLDER / "quality_ladder.json").read_text())
    stored = json.loads((quality_ladder.SHIPPED / "wgan_equal_time.json").read_text())
    assert wgan_equal_time.collect(records, ladder) == stored
    for record in records:  # a run ends with the first steps after its time
        spent = record["moments"]["cpu_seconds"][-1]
        assert record["budget"] <= spent + 0.1 < 1.05 * record["budget"]


def test_what_lesson_06_shows_is_what_was_measured():
    files = ("dcgan_switches", "wgan_equal_time", "quality_ladder", "frog_search")
    records = [json.loads((FOLDER / f"{name}.json").read_text()) for name in files]
    stored = json.loads((quality_ladder.SHIPPED / "dcgan_switches.json").read_text())
    assert dcgan_switches.collect(*records) == stored
    for name, values in stored["switches"].items():
        assert (
            len(values) == (5 if name in dcgan_switches.FOUR else 3) and np.isfinite(values).all()
        )
    for runs in stored["equal_time"].values():
        assert len(runs) >= 3 and all(95 < run["cpu_seconds"][-1] < 102 for run in runs)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="runs the lesson's cells")
def test_a_switch_of_lesson_06_is_trained_and_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(quality_ladder, "SHIPPED", tmp_path)
    monkeypatch.setattr(quality_ladder, "NUM_JUDGED", {"digits": 40})
    scope = dcgan_switches.lesson_scope()
    record = dcgan_switches.train(scope, dcgan_switches.SETTINGS[1], 0, num_updates=2)
    assert record["setting"] == "up-sampling in G" and 0 < record["kernel_distance"] < 20
    (sheet,) = tmp_path.iterdir()
    with Image.open(sheet) as picture:
        assert picture.size == (280, 28 * 16)
        row = np.array(picture.convert("L"))[28:56]
    assert row.std() > 0
    timed = dcgan_switches.train_timed(scope, "the recipe", 0, seconds=0.5, num_moments=1)
    assert timed["updates"] >= 10 and len(timed["moments"]["steps"]) == 2


def test_the_longest_training_of_the_first_seed_is_shipped():
    records = [
        {"name": "dcgan_frogs", "seed": seed, "updates": updates, "backend": backend}
        for seed, updates, backend in ((0, 10, "jax"), (0, 10, "tensorflow"), (1, 90, "jax"))
    ]
    assert quality_ladder.find_shipped(records, "dcgan_frogs") == records[1]
    records.append(records[0] | {"updates": 30})
    assert quality_ladder.find_shipped(records, "dcgan_frogs") == records[3]
    assert quality_ladder.find_shipped(records, "narrow_frogs") is None


def test_the_ladder_holds_every_image_lesson_and_a_frame():
    records = json.loads((FOLDER / "quality_ladder.json").read_text())
    for name, runs in quality_ladder.group(records).items():
        assert runs or quality_ladder.group(records, "full", "jax")[name], name
        for run in runs:
            moments = run["moments"]
            assert (
                moments["steps"][-1] == run["updates"]
                and len({len(values) for values in moments.values()}) == 1
            )
            assert (
                run["scores"]["kernel_low"]
                <= run["scores"]["kernel_distance"]
                <= run["scores"]["kernel_high"]
            ), name
    for dataset in ("digits", "frogs"):
        kernel = {
            record["name"]: record["scores"]["kernel_distance"]
            for record in records
            if "budget" not in record
        }
        runs = {}
        for record in records:
            if dataset in record["name"] and "budget" in record:
                runs.setdefault(record["name"], []).append(record["scores"]["kernel_distance"])
        assert kernel[f"real_{dataset}"] < min(min(values) for values in runs.values())
        # the classic loop may end anywhere
        learned = [max(values) for name, values in runs.items() if name != "narrow_frogs_loop"]
        assert max(learned) < kernel[f"noise_{dataset}"]


@pytest.mark.parametrize(
    "name",
    [
        "dcgan_digits",
        "matching_digits",
        pytest.param("wgan_clipped_digits", marks=pytest.mark.slow),
        pytest.param("narrow_frogs_loop", marks=pytest.mark.slow),
    ],
)
def test_a_training_of_the_ladder_is_judged_and_stored(name, tmp_path, monkeypatch):
    monkeypatch.setattr(quality_ladder, "RESULTS", tmp_path / "ladder.json")
    monkeypatch.setattr(quality_ladder, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setattr(quality_ladder, "NUM_MOMENTS", 2)
    monkeypatch.setattr(quality_ladder, "NUM_JUDGED", {"digits": 40, "frogs": 40})
    monkeypatch.setattr(quality_ladder, "NUM_JUDGED_ON_THE_WAY", 20)
    monkeypatch.setitem(quality_ladder.TRAININGS, name, ("short", (20, 20), 1))
    quality_ladder.train(name, 0, "classroom")
    (record,) = json.loads((tmp_path / "ladder.json").read_text())
    assert record["updates"] == 20 and record["moments"]["steps"] == [0, 10, 20]
    has_logs = name not in ("matching_digits", "narrow_frogs_loop")
    assert all(
        (record["moments"][curve][-1] is not None) == has_logs for curve in ("d_real", "d_fake")
    )
    ships = name in ("dcgan_digits", "matching_digits")
    shipped = sorted(path.name for path in tmp_path.glob("shipped/*"))
    assert shipped == ([f"{name}.recording.webp", f"{name}.weights.npz"] if ships else [])


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="uses the tape")
def test_the_classic_frogs_go_on_after_a_stop_and_are_judged_and_stored(tmp_path, monkeypatch):
    def build(latent_dim):
        stack = [keras.Input((latent_dim,)), keras.layers.Dense(3072, activation="tanh")]
        return keras.Sequential([*stack, keras.layers.Reshape((32, 32, 3))])

    monkeypatch.setattr(training_speed, "build_classic_generator", build)
    monkeypatch.setattr(classic_frogs, "EVERY", 2)
    monkeypatch.setattr(quality_ladder, "RESULTS", tmp_path / "ladder.json")
    monkeypatch.setattr(quality_ladder, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setattr(quality_ladder, "NUM_JUDGED", {"frogs": 40})
    monkeypatch.setattr(quality_ladder, "NUM_JUDGED_ON_THE_WAY", 20)
    once, twice = tmp_path / "once", tmp_path / "twice"
    try:
        for folder, stops in ((once, (4,)), (twice, (2, 4))):
            folder.mkdir()
            for num_updates in stops:
                classic_frogs.train(folder, num_updates)
        states = [np.load(folder / "state.npz") for folder in (once, twice)]
        for name in set(states[0].files) - {"cpu"}:
            np.testing.assert_array_equal(states[0][name], states[1][name])
        classic_frogs.judge(once, 4)
        classic_frogs.ship(once, 4)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    (record,) = json.loads((tmp_path / "ladder.json").read_text())
    assert record["updates"] == 4 and record["moments"]["steps"] == [0, 2, 4]
    shipped = [path.name for path in (tmp_path / "shipped").iterdir()]
    assert shipped == ["classic_frogs.recording.webp"]


@pytest.mark.parametrize("kind", ["translation", "colour", "cutout"])
def test_augmentations_change_images_and_let_the_gradient_through(kind):
    tf = pytest.importorskip("tensorflow")
    seeds = keras.random.SeedGenerator(0)
    images = tf.Variable(
        np.random.default_rng(0).uniform(-1.0, 1.0, (64, 32, 32, 3)).astype("float32")
    )
    with tf.GradientTape() as tape:
        changed = frog_recipes.augment(images, (kind,), 4, seeds)
        total = tf.reduce_sum(changed)
    slope = tape.gradient(total, images).numpy()
    kept = (slope != 0).mean(axis=(1, 2, 3))
    if kind == "translation":  # at most 4 rows and 4 columns leave; what stays is only moved
        assert kept.min() >= (28 / 32) ** 2 - 1e-6 and kept.min() < 0.9 < kept.max()
        assert {*np.unique(slope)} == {0.0, 1.0}
        assert np.isin(changed.numpy(), [*images.numpy().ravel(), 0.0]).all()
    if kind == "cutout":  # a square of 16 pixels, cut by the border
        assert kept.min() == 0.75 and kept.max() <= 1 - 64 / 1024
        np.testing.assert_array_equal(changed.numpy(), images.numpy() * slope)
    if kind == "colour":  # brightness alone changes the mean, by at most 0.5
        moved = changed.numpy().mean(axis=(1, 2, 3)) - images.numpy().mean(axis=(1, 2, 3))
        assert 0.4 < np.abs(moved).max() <= 0.5 and kept.min() == 1.0


def test_a_trial_of_the_recipes_is_judged(monkeypatch):
    pytest.importorskip("tensorflow")
    monkeypatch.setattr(frog_recipes, "BATCH", 2)
    settings = frog_recipes.TRIALS["relativistic, R1 and R2"]
    training = frog_recipes.Training(settings | {"augmentations": ("translation",)}, 0)
    real = np.zeros((2, 32, 32, 3), "float32")
    weights = training.generator.get_weights(), training.average.get_weights()
    for _ in range(2):
        losses = [float(loss) for loss in training.update(real)]
    assert np.isfinite(losses).all()
    after = training.generator.get_weights(), training.average.get_weights()
    for before, now in zip(weights, after):
        assert not np.array_equal(before[0], now[0])
    assert not any("normalization" in layer.name for layer in training.generator.layers)


def few_samples(monkeypatch):
    draw = results.draw
    monkeypatch.setattr(results, "draw", lambda network, count, seed: draw(network, 40, seed=seed))
    monkeypatch.setattr(frog_recipes, "BATCH", 2)


def test_a_trial_of_shared_fakes_runs_until_its_seconds_are_used(monkeypatch):
    pytest.importorskip("tensorflow")
    few_samples(monkeypatch)
    record = frog_recipes.run_trial("shared fakes", 0.1, 0)
    assert record["settings"]["shared"] and record["updates"] >= 20
    assert record["moments"] and 0 < record["kernel_distance"] < 1


def test_the_second_stage_has_other_settings_and_rates_that_fall_anew():
    settings = frog_recipes.TRIALS["two stages"]
    for used, factor in ((0.0, 1.0), (0.4, 1.0), (0.6, 0.5), (0.7999, 0.0)):
        stage, found = frog_recipes.find_stage(settings, used)
        assert stage is settings and found == pytest.approx(factor, abs=1e-3)
    for used, factor in ((0.8, 1.0), (0.9, 0.5), (1.0, 0.0)):
        stage, found = frog_recipes.find_stage(settings, used)
        assert stage["augmentations"] and stage["rates"] == (1e-4, 1.5e-4)
        assert found == pytest.approx(factor, abs=1e-6)
    constant = frog_recipes.TRIALS["constant second stage"]
    assert [frog_recipes.find_stage(constant, used)[1] for used in (0.75, 0.9, 1.0)] == [1.0] * 3


def test_the_stored_recipes_are_three_seeds_of_equal_time():
    records = json.loads(frog_recipes.RESULTS.read_text())
    for name in ("plain", "translation, colour, cutout", "relativistic, R1 and R2"):
        found = [r for r in records if r["trial"] == name and r["cpu_seconds"] == 300.0]
        assert sorted(r["seed"] for r in found) == [0, 1, 2], name
        assert all(
            r["settings"] == json.loads(json.dumps(frog_recipes.TRIALS[name])) for r in found
        )


def test_the_modern_networks_start_at_the_skip_and_have_a_logit_for_each_kind():
    narrow = modern_frogs.build_discriminator((8, 8, 8, 8))
    assert narrow(np.zeros((2, 32, 32, 3), "float32")).shape == (2, len(modern_frogs.KINDS))
    for layer in narrow.layers:
        if isinstance(layer, layers.Add):  # the second convolution of each block starts at zero
            assert not np.any(layer.input[1]._keras_history.operation.get_weights()[0])


def test_an_order_is_the_conditional_generator_with_its_label():
    keras.utils.set_random_seed(0)
    generator = modern_frogs.build_generator((8, 8, 8, 8))
    latents = np.random.default_rng(0).standard_normal((3, modern_frogs.LATENT_DIM))
    labels = np.tile(np.eye(6)[modern_frogs.FROG], (3, 1))
    expected = generator(np.hstack([latents, labels]).astype("float32"))
    frogs = modern_frogs.order(generator)(latents.astype("float32"))
    assert np.allclose(frogs, expected, atol=1e-6)
    assert not np.allclose(modern_frogs.order(generator, "cat")(latents), expected, atol=1e-4)


def test_results_are_replaced_by_training_and_survive_a_broken_writer(tmp_path, monkeypatch):
    monkeypatch.setattr(quality_ladder, "RESULTS", tmp_path / "ladder.json")
    key = {"name": "a", "budget": "classroom", "backend": "jax", "seed": 0}
    for record in ({**key, "value": 1}, {**key, "seed": 1}, {**key, "value": 2}):
        quality_ladder.save(record)
    assert [
        (r["seed"], r.get("value")) for r in quality_ladder.read_records(tmp_path / "ladder.json")
    ] == [(0, 2), (1, None)]
    with pytest.raises(TypeError):
        quality_ladder.save({**key, "value": object()})
    assert len(quality_ladder.read_records(tmp_path / "ladder.json")) == 2


@pytest.fixture
def ring_remedies():
    """The lessons are TensorFlow, and so are their games."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("needs TensorFlow")
    return importlib.import_module("ring_remedies")


def test_stacked_networks_are_the_networks_side_by_side(ring_remedies):
    models = [networks.build_mlp_generator(2, (2,), units=(8, 8), activation=None) for _ in "ab"]
    x = np.random.default_rng(0).normal(size=(2, 5, 2)).astype("float32")
    outputs = [model(points, training=False) for model, points in zip(models, x)]
    stacked = ring_remedies.stack(models)(x, training=False)
    np.testing.assert_allclose(stacked, np.stack(outputs), atol=1e-6)


def test_the_games_of_the_remedies_play_and_the_stored_counts_are_complete(ring_remedies):
    (first, second) = ring_remedies.measure("R1", 2, num_updates=40)
    assert first["seed"] == 0 and second["seed"] == 1 and len(first["modes"]) == 4
    records = json.loads(ring_remedies.RESULTS.read_text())
    names = list(ring_remedies.lesson_games(1)["remedies"])
    assert len(names) == 14 and names[0] == ring_remedies.RECIPE
    for name in names:
        seeds = [record["seed"] for record in records if record["remedy"] == name]
        number = "NUM_RECIPE_SEEDS" if name == ring_remedies.RECIPE else "NUM_SEEDS"
        assert seeds == list(range(getattr(ring_remedies, number))), name


def test_the_readmes_picture_is_that_of_the_shipped_generators():
    stored = np.array(Image.open(preview.PICTURE)).astype(int)
    drawn = np.array(preview.paste(preview.draw())).astype(int)
    assert drawn.shape == stored.shape and np.abs(drawn - stored).mean() < 0.5
