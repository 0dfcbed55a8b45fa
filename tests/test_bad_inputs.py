"""What students pass by mistake is refused in three sentences: what, what instead, what helps."""

import re
from functools import partial

import keras
import numpy as np
import pytest

from gan_utils import data, features, images, losses, metrics

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(40, 2)).astype("float32")
LOGITS = np.linspace(-1, 1, 6, dtype="float32")[:, None]
PIXELS = RNG.integers(0, 256, (24, 16, 16, 1)).astype("uint8")
IMAGES = images.normalize(PIXELS)
DIGITS = RNG.uniform(-1, 1, (40, 28, 28, 1)).astype("float32")
CENTERS = data.ring_centers()
SHARES = np.full((10, 4), 0.25)


def broken(array):
    array = np.array(array)
    array.flat[3] = np.nan
    return array


def critic(*inner):
    return keras.Sequential([keras.Input((2,)), *inner, keras.layers.Dense(1)])


BAD_POINTS = [POINTS[0], POINTS[:0], broken(POINTS), POINTS.astype("U5"), [[1.0], [1.0, 2.0]], None]
BAD_LOGITS = [LOGITS[:, 0], LOGITS[:3], LOGITS[:0], np.hstack([LOGITS, LOGITS]), LOGITS > 0, None]
OUT_OF_RANGE = [PIXELS, PIXELS.astype("float32"), IMAGES * 1.1, broken(IMAGES), IMAGES > 0, None]
BAD_DIGITS = [
    DIGITS * 1.1,
    broken(DIGITS),
    DIGITS[0],
    DIGITS[:, :14],
    (127 * DIGITS).astype("int64"),
]
PAIR = (POINTS, POINTS + 1.0)
SECOND = [(POINTS, bad) for bad in [*BAD_POINTS, POINTS[:, :1]]]

# For each function: a call that fits, and calls that do not.
CASES = {
    images.normalize: ((PIXELS,), [(IMAGES,), (PIXELS.astype("int64"),), ("digits",), (None,)]),
    images.denormalize: ((IMAGES,), [(bad,) for bad in OUT_OF_RANGE]),
    images.check_range: ((IMAGES, "here()"), [(bad, "here()") for bad in OUT_OF_RANGE]),
    images.make_grid: ((IMAGES,), [(bad,) for bad in [*OUT_OF_RANGE, IMAGES[0], IMAGES[:0]]]),
    data.load_mnist: (("test",), [("validation",), (None,), (["test"],)]),
    data.load_frogs: (("test",), [("validation",), (True,)]),
    losses.get: (("wasserstein",), [("Wasserstein",), (None,), ((print, 1),)]),
    losses.gradient_penalty: (
        (critic(), *PAIR),
        [
            (critic(), POINTS, POINTS[:3]),
            (critic(keras.layers.BatchNormalization()), *PAIR),
        ],
    ),
    metrics.frechet_distance: (PAIR, [*SECOND, (POINTS, POINTS[:1])]),
    metrics.kernel_distance: (PAIR, [*SECOND, (POINTS, POINTS[:5])]),
    metrics.precision_recall: (PAIR, [*SECOND, (POINTS, POINTS[:3])]),
    metrics.coverage: (PAIR, [*SECOND, (POINTS, POINTS[:5])]),
    metrics.nearest_neighbors: (PAIR, SECOND),
    metrics.memorization_test: ((*PAIR, POINTS - 1.0), [(*bad, POINTS) for bad in SECOND]),
    partial(metrics.covered_modes, radius=0.3): (
        (POINTS, CENTERS),
        [(bad, CENTERS) for bad in BAD_POINTS] + [(POINTS, CENTERS[:, :1])],
    ),
    metrics.covered_classes: (
        (SHARES,),
        [(bad,) for bad in (broken(SHARES), SHARES[0])],
    ),
    features.classify: ((DIGITS, "digits"), [(bad, "digits") for bad in BAD_DIGITS]),
    features.load_classifier: (("digits",), [("frogs",), (None,)]),
    features.evaluate: (
        None,
        [(bad, "digits") for bad in [*BAD_DIGITS, DIGITS[:3]]] + [(DIGITS, "mnist")],
    ),
}
for family in losses.FAMILIES.values():
    for loss in family:
        pairs = [(LOGITS, bad) for bad in BAD_LOGITS] + [(bad, LOGITS) for bad in BAD_LOGITS]
        CASES[loss] = ((LOGITS, LOGITS), pairs)


@pytest.mark.parametrize("function", CASES, ids=lambda x: getattr(x, "func", x).__name__)
def test_bad_inputs_are_refused_in_three_sentences(function):
    valid, calls = CASES[function]
    if valid:
        function(*valid)
    for call in calls:
        with pytest.raises(ValueError) as caught:
            function(*call)
        message = str(caught.value)
        assert len(re.split(r"(?<=[.])\s+(?=\S)", message)) >= 3, message
        assert re.search("expect|must|takes|needs", message, re.IGNORECASE), message


def test_images_in_the_unit_range_are_named_as_such():
    with pytest.raises(ValueError, match=r"values from \S+ to 1. .* 2 \* x - 1 on 0..1"):
        images.check_range((DIGITS + 1.0) / 2.0, "evaluate()", whole_set=True)
