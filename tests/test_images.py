import re

import keras
import numpy as np
import pytest

from gan_utils import images


def test_normalize_maps_black_to_minus_one_and_white_to_one():
    scaled = images.normalize(np.array([0, 255], "uint8"))
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, [-1.0, 1.0])


def test_every_pixel_value_survives_the_round_trip():
    pixels = np.arange(256, dtype="uint8").reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(images.denormalize(images.normalize(pixels)), pixels)


def test_rounding_is_clipped_and_nothing_else():
    pixels = images.denormalize(np.array([-1.00009, 1.00009], "float32"))
    np.testing.assert_array_equal(pixels, [0, 255])


def test_normalize_refuses_other_dtypes_and_its_remedies_help():
    pixels = np.array([0, 51, 255])
    for bad in (pixels, pixels.astype("float32"), keras.ops.convert_to_tensor(pixels, "float32")):
        with pytest.raises(
            ValueError, match=r"uint8. .* keras.ops.cast\(x, 'float32'\) / 127.5 - 1"
        ):
            images.normalize(bad)
        helped = keras.ops.cast(bad, "float32") / 127.5 - 1
        np.testing.assert_allclose(np.asarray(helped), [-1.0, -0.6, 1.0], atol=1e-6)


def test_normalize_names_the_type_of_a_tensor_without_values():
    class Abstract:
        shape, dtype = (2,), "uint8"

        def __array__(self, *args, **kwargs):
            raise TypeError("no values while a graph is built")

    with pytest.raises(ValueError, match="received Abstract of uint8"):
        images.normalize(Abstract())


@pytest.mark.parametrize(
    ("bad", "remedy"),
    [
        ([1.01], "2 \\* x - 1"),
        ([0.0, 255.0], "x / 127.5 - 1"),
        ([-1.01], "np.clip"),
        ([-1.0, np.nan], "division by zero"),
        ([-np.inf, np.inf], "division by zero"),
        (np.zeros(3, "uint8"), "images.normalize"),
        (["a"], "dtype <U1"),
    ],
)
def test_what_is_out_of_range_is_refused(bad, remedy):
    for function in (images.denormalize, lambda x: images.check_range(x, "here()")):
        with pytest.raises(ValueError, match="expects finite floats") as caught:
            function(np.array(bad))
        assert re.search(remedy, str(caught.value))


def test_check_range_hands_the_images_on():
    x = np.array([-1.0, 0.5], "float32")
    assert images.check_range(x, "here()") is x
    assert isinstance(images.check_range(keras.ops.convert_to_tensor(x), "here()"), np.ndarray)


def test_a_whole_set_without_a_negative_value_is_one_in_unit_range():
    x = np.linspace(0, 1, 8, dtype="float32")
    images.check_range(x, "here()")
    with pytest.raises(ValueError, match="values from 0 to 1. .* 2 \\* x - 1 on 0..1"):
        images.check_range(x, "here()", whole_set=True)
    images.check_range(2 * x - 1, "here()", whole_set=True)


def test_grid_places_images_row_by_row():
    tiles = np.stack(
        [np.full((2, 3, 1), value, "float32") for value in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    )
    grid = images.make_grid(tiles, 2)
    assert grid.shape == (3 * 3 - 1, 2 * 4 - 1, 1)
    assert (
        grid[0, 0, 0] == -1.0
        and grid[0, 4, 0] == -0.5
        and grid[3, 0, 0] == 0.0
        and grid[6, 0, 0] == 1.0
    )
    assert (grid[2] == 1.0).all(), "padding is white"
    assert (grid[6:, 4:] == 1.0).all(), "an empty place is white"


def test_grid_is_square_by_default():
    assert images.make_grid(np.zeros((16, 28, 28, 1), "float32")).shape == (115, 115, 1)


@pytest.mark.parametrize("shape", [(0, 4, 4, 1), (4, 4, 1)])
def test_grid_refuses_wrong_shapes(shape):
    with pytest.raises(ValueError, match="It expects"):
        images.make_grid(np.zeros(shape))
