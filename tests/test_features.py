"""The course's classifiers and `evaluate`, on small sets where the number does not matter."""

import gc
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from gan_utils import data, features, metrics

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def digits():
    return data.load_mnist("test")


@pytest.fixture
def few_images(monkeypatch):
    """The test for copies with 3,000 real images in place of up to 70,000."""
    for dataset, (load, name) in features.DATASETS.items():
        first = {"train": 2000, "test": 1000}

        def load_few(split, load=load, first=first):
            return tuple(part[: first[split]] for part in load(split))

        monkeypatch.setitem(features.DATASETS, dataset, (load_few, name))


# Classifiers


@pytest.mark.parametrize("name, least", [("digits", 0.99), ("cifar10", 0.90)])
def test_the_stored_classifiers_are_those_that_were_measured(name, least):
    measured = json.loads((ROOT / "benchmarks" / "feature_networks.json").read_text())[name]
    assert measured["held-out accuracy"] >= least and measured["held-out images"] == 10000
    assert measured["sha256"] == features.CLASSIFIERS[name][-1]


def test_the_bundled_weights_and_features_are_small_and_the_readme_names_them():
    readme = (ROOT / "data" / "README.md").read_text()
    files = [*data.find_folder().glob("*_classifier.weights.h5")]
    assert len(files) == 2 and sum(path.stat().st_size for path in files) <= 4e6
    references = data.find_folder() / "reference_features.npz"
    assert references.stat().st_size <= 2.5e6
    assert all(path.name in readme for path in (*files, references))


def test_held_out_digits_are_recognised_but_seldom_surely(digits):
    probabilities = features.classify(digits[0], "digits")
    assert probabilities.shape == (10000, 10) and probabilities.dtype == "float32"
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    assert np.mean(probabilities.argmax(axis=1) == digits[1]) >= 0.99
    sure = probabilities.max(axis=1)
    assert np.mean(sure >= 0.9) == pytest.approx(0.79, abs=0.02) and np.mean(sure >= 0.6) > 0.98


def test_held_out_frogs_are_recognised():
    probabilities = features.classify(data.load_frogs("test")[0], "cifar10")
    assert np.mean(probabilities.argmax(axis=1) == data.FROG_LABEL) >= 0.90


def test_features_and_logits_belong_together(digits):
    network = features.load_classifier("digits")
    found = features.extract(network, digits[0][:300])
    assert found.shape == (300, 64) and found.dtype == "float32"
    np.testing.assert_allclose(
        found[250:], features.extract(network, digits[0][250:300]), atol=1e-4
    )
    hidden, logits = network(digits[0][:5], training=False)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(hidden), found[:5], atol=1e-4)
    assert logits.shape == (5, 10)


def test_a_classifier_is_built_once():
    assert features.load_classifier("digits") is features.load_classifier("digits")


def test_features_of_an_inception_network_are_accepted():
    # Untrained: its weights are no part of the course. Small images keep the test fast.
    inception = keras.applications.InceptionV3(
        include_top=False, weights=None, pooling="avg", input_shape=(75, 75, 3)
    )
    network = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Resizing(75, 75), inception])
    frogs = data.load_frogs("test")[0]
    first, second = (features.extract(network, part) for part in (frogs[:24], frogs[24:48]))
    assert first.shape == (24, 2048)
    assert np.isfinite(metrics.frechet_distance(first, second))
    assert np.isfinite(metrics.kernel_distance(first, second)).all()


# Stored features


@pytest.mark.parametrize("dataset", features.DATASETS)
def test_stored_features_are_those_of_the_first_training_images(dataset, digits):
    load, name = features.DATASETS[dataset]
    stored = features.load_references(dataset)
    network = features.load_classifier(name)
    fresh = features.extract(network, load("train")[0][:2000])
    assert stored.shape == (5000, fresh.shape[1]) and stored.dtype == "float32"
    np.testing.assert_allclose(stored[:2000], fresh, rtol=2e-3, atol=2e-3)
    # Rounding to float16 changes no digit that the course prints.
    fakes = load("test")[0][:500]
    noisy = np.clip(fakes + 0.3 * np.random.default_rng(0).normal(size=fakes.shape), -1, 1)
    other = features.extract(network, noisy)
    pair = [metrics.kernel_distance(f, other)[0] for f in (stored[:2000], fresh)]
    assert pair[0] == pytest.approx(pair[1], rel=1e-3)


# evaluate()


def test_real_digits_are_near_and_noise_is_far(digits, few_images):
    real = features.evaluate(digits[0][:500], "digits")
    noise = features.evaluate(np.random.default_rng(0).uniform(-1, 1, (500, 28, 28, 1)), "digits")
    assert real["kernel_low"] <= 0.01 and real["covered_classes"] == 10
    assert min(real["precision"], real["recall"]) > 0.7 and real["coverage"] > 0.6
    assert noise["kernel_distance"] > 100 * abs(real["kernel_distance"])
    assert noise["frechet_distance"] > 10 * real["frechet_distance"]
    assert noise["precision"] == noise["coverage"] == 0 and noise["covered_classes"] <= 2
    assert noise["nearest_expected"] == pytest.approx(2 / 3)
    # About half of the fakes are held-out images themselves and are compared with the others.
    assert real["nearest_expected"] == pytest.approx(2000 / 2999, abs=1e-3)
    assert all(isinstance(value, float) for value in real.values())
    assert real["nearest_low"] < real["nearest_expected"] < real["nearest_high"]


def test_evaluate_agrees_with_the_metrics_that_it_gathers(few_images):
    (train, _), (held_out, _) = (features.DATASETS["frogs"][0](s) for s in ("train", "test"))
    fakes = np.clip(held_out[:60] + 0.1, -1, 1)
    scores = features.evaluate(fakes, "frogs")
    found = features.extract(features.load_classifier("cifar10"), fakes)
    real = features.load_references("frogs")
    names = "kernel_distance", "kernel_low", "kernel_high"
    expected = dict(zip(names, metrics.kernel_distance(real, found)))
    expected["frechet_distance"] = metrics.frechet_distance(real, found)
    regions = metrics.precision_recall(real[:60], found)
    expected |= dict(zip(("precision", "recall"), regions))
    expected["coverage"] = metrics.coverage(real[:60], found)
    copies = metrics.memorization_test(fakes, train, held_out, mirror=True)
    names = ("nearest_train", "nearest_expected", "nearest_low", "nearest_high")
    assert scores == pytest.approx(expected | dict(zip(names, copies)))


def test_mirrored_copies_of_training_frogs_are_named():
    copies = data.load_frogs("train")[0][:200, :, ::-1]
    scores = features.evaluate(copies, "frogs")
    assert scores["nearest_train"] == 1.0 > scores["nearest_high"]
    assert scores["nearest_expected"] == pytest.approx(5 / 6)
    assert "covered_classes" not in scores


@pytest.mark.slow
def test_evaluate_keeps_no_images(digits, few_images):
    features.evaluate(digits[0][:20], "digits")
    gc.collect()
    arrays = [each for each in gc.get_objects() if isinstance(each, np.ndarray)]
    held = [a.shape for a in arrays if a.ndim == 4 and len(a) >= 1000 and a is not digits[0]]
    assert not held
    assert (
        features.load_references("digits").nbytes + features.load_references("frogs").nbytes < 6e6
    )


# Bad input


NETWORK_CALLS = {
    "classify": lambda images: features.classify(images, "digits"),
    "extract": lambda images: features.extract(features.load_classifier("digits"), images),
    "evaluate": lambda images: features.evaluate(images, "digits"),
}
SMALL = np.random.default_rng(0).uniform(-1, 1, (30, 28, 28, 1))


@pytest.mark.parametrize("caller", NETWORK_CALLS)
@pytest.mark.parametrize(
    "images, words",
    [
        (np.zeros((30, 32, 32, 3)), r"of shape \(30, 32, 32, 3\).*It expects.*28, 28, 1"),
        (SMALL[:0], r"of shape \(0, 28, 28, 1\)"),
        (np.where(SMALL > 0.9, np.nan, SMALL), "NaN"),
        (255 * abs(SMALL), "values from .*It expects.*x / 127.5 - 1"),
        ((SMALL + 1) / 2, r"values from .*It expects.*2 \* x - 1 on 0..1"),
        (np.zeros((30, 28, 28, 1), "uint8"), r"of dtype uint8.*images.normalize"),
        (SMALL * 3, "values from .*tanh"),
        ("digits", "It expects"),
        (None, "It expects"),
        (True, "It expects"),
    ],
)
def test_images_that_do_not_fit_are_refused(caller, images, words):
    with pytest.raises(ValueError, match=rf"{caller}\(\) received images.*{words}"):
        NETWORK_CALLS[caller](images)


def test_twenty_images_are_needed():
    with pytest.raises(ValueError, match="evaluate.* the first axis 20 or more"):
        features.evaluate(SMALL[:19], "digits")


@pytest.mark.parametrize("name", ["frogs", "", None, 3])
def test_unknown_classifiers_are_refused(name):
    with pytest.raises(ValueError, match="must be one of 'digits', 'cifar10'.*Write one"):
        features.classify(SMALL, name)


@pytest.mark.parametrize("dataset", ["cifar10", "", None, 3, ["digits"]])
def test_unknown_data_sets_are_refused(dataset):
    with pytest.raises(ValueError, match="must be one of 'digits', 'frogs'.*Write one"):
        features.evaluate(SMALL, dataset)


@pytest.mark.parametrize(
    "file, load, name",
    [
        ("digits_classifier.weights.h5", features.load_classifier, "digits"),
        ("reference_features.npz", features.load_references, "frogs"),
    ],
)
def test_a_missing_or_damaged_file_is_named(file, load, name, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_UTILS_DATA", str(tmp_path))
    load = load.__wrapped__  # not what an earlier call has kept
    with pytest.raises(FileNotFoundError, match=f"{file} is missing.*git checkout"):
        load(name)
    (tmp_path / file).write_bytes(b"nothing of use")
    with pytest.raises(ValueError, match=f"{file} is damaged.*git checkout"):
        load(name)
