import json
import sys
from pathlib import Path

import keras
import pytest
from keras import layers

FOLDER = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(FOLDER))

import training_speed  # noqa: E402


def test_the_stored_report_is_that_of_the_stored_numbers():
    results = json.loads((FOLDER / "training_speed.json").read_text())
    assert training_speed.render(results) == (FOLDER / "training_speed.md").read_text()


def test_operations_are_counted():
    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, strides=2, padding="same"),  # 4 x 4 outputs of 4 channels, each from 3 x 3 x 3 numbers
            layers.Conv2DTranspose(5, 2, strides=2),  # each of 4 x 4 inputs of 4 channels reaches 2 x 2 x 5 numbers
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    expected = 2 * (16 * 4 * 27 + 16 * 4 * 20 + 8 * 8 * 5 * 2)
    assert training_speed.count_flops(network, 10) == 10 * expected


@pytest.mark.parametrize("contestant", training_speed.CONTESTANTS, ids=lambda c: c.__name__)
def test_every_loop_of_the_comparison_runs(contestant):
    settings = {**training_speed.describe_networks()["narrow_frog"], "batch_size": 4, "updates": 2}
    try:
        loop = contestant({**settings, "images": settings["images"][:64]})
    except NotImplementedError as reason:
        pytest.skip(str(reason))
    assert training_speed.time_updates(loop, 2) > 0.0
