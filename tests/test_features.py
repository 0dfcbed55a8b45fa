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


@pytest.mark.parametrize("name, least", [("digits", 0.99), ("cifar10", 0.90)])
def test_the_stored_classifiers_are_those_that_were_measured(name, least):
    measured = json.loads((ROOT / "benchmarks" / "feature_networks.json").read_text())[name]
    assert measured["held-out accuracy"] >= least and measured["held-out images"] == 10000
    assert measured["sha256"] == features.CLASSIFIERS[name][-1]


def test_the_shipped_features_are_those_of_real_images_and_half_precision_is_enough(digits):
    network = features.load_classifier("digits")
    exact = features.extract(network, data.load_mnist()[0][: features.NUM_REFERENCES])
    shipped = features.load_references("digits")
    assert shipped.shape == (5000, 64) and features.load_references("frogs").shape == (5000, 192)
    np.testing.assert_allclose(shipped, exact, atol=0.003)
    blurred = 0.7 * features.extract(network, digits[0][:1000])
    one, other = (
        metrics.kernel_distance(references, blurred)[0] for references in (exact, shipped)
    )
    assert one > 0.1 and other == pytest.approx(one, rel=1e-3)


def test_weights_are_at_most_four_megabytes():
    assert (
        sum(path.stat().st_size for path in data.find_folder().glob("*_classifier.weights.h5"))
        <= 4e6
    )


def test_held_out_digits_are_recognised(digits):
    probabilities = features.classify(digits[0], "digits")
    assert probabilities.shape == (10000, 10) and probabilities.dtype == "float32"
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    assert np.mean(probabilities.argmax(axis=1) == digits[1]) >= 0.99
    sure = probabilities.max(axis=1)  # softened labels: 90 % is a strict threshold
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


def test_real_images_are_near_and_noise_is_far(digits):
    real = features.evaluate(digits[0][:500], "digits")
    noise = features.evaluate(np.random.default_rng(0).uniform(-1, 1, (500, 28, 28, 1)), "digits")
    assert real["kernel_low"] <= 0.01 and real["covered_classes"] == 10
    assert min(real["precision"], real["recall"]) > 0.7
    assert noise["kernel_distance"] > 100 * abs(real["kernel_distance"])
    assert noise["frechet_distance"] > 10 * real["frechet_distance"]
    assert noise["precision"] == 0 and noise["covered_classes"] <= 2
    assert noise["nearest_expected"] == pytest.approx(6 / 7)
    assert real["nearest_expected"] == pytest.approx(
        60000 / 69999
    )  # each held-out digit against the others
    assert abs(real["nearest_train"] - real["nearest_expected"]) < 0.06


def test_mirrored_copies_of_training_frogs_are_named():
    copies = features.evaluate(data.load_frogs("train")[0][:200, :, ::-1], "frogs")
    assert copies["nearest_train"] == 1.0 > copies["nearest_high"] > copies["nearest_low"]
    assert copies["nearest_expected"] == pytest.approx(5 / 6)
    assert "covered_classes" not in copies


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


def test_a_missing_or_damaged_classifier_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_UTILS_DATA", str(tmp_path))
    features.load_classifier.cache_clear()
    with pytest.raises(FileNotFoundError, match="git checkout"):
        features.load_classifier("digits")
    (tmp_path / "digits_classifier.weights.h5").write_bytes(b"not a network")
    with pytest.raises(ValueError, match="is damaged"):
        features.load_classifier("digits")


def test_a_classifier_is_built_once_and_digits_in_the_unit_range_are_refused(digits):
    assert features.load_classifier("digits") is features.load_classifier("digits")
    unit = (digits[0][:40] + 1) / 2
    calls = (
        lambda: features.classify(unit, "digits"),
        lambda: features.evaluate(unit, "digits"),
        lambda: features.extract(features.load_classifier("digits"), unit),
    )
    for call in calls:
        with pytest.raises(
            ValueError, match=r"received images with values from 0 to 1.*2 \* x - 1"
        ):
            call()
