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


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros(3, "int64")])
def test_normalize_refuses_other_dtypes(bad):
    with pytest.raises(ValueError, match="It expects uint8"):
        images.normalize(bad)


@pytest.mark.parametrize("bad", [[1.01], [-1.01], [np.nan], [np.inf]])
def test_denormalize_clips_nothing(bad):
    with pytest.raises(ValueError, match="It expects finite floats|It expects floats"):
        images.denormalize(np.array(bad))


def test_check_range_refuses_integers():
    with pytest.raises(ValueError, match="dtype uint8"):
        images.check_range(np.zeros(3, "uint8"), "here")


def test_grid_places_images_row_by_row():
    tiles = np.stack([np.full((2, 3, 1), value, "float32") for value in (-1.0, -0.5, 0.0, 0.5, 1.0)])
    grid = images.make_grid(tiles, 2, padding=1)
    assert grid.shape == (3 * 3 - 1, 2 * 4 - 1, 1)
    assert grid[0, 0, 0] == -1.0 and grid[0, 4, 0] == -0.5 and grid[3, 0, 0] == 0.0 and grid[6, 0, 0] == 1.0
    assert (grid[2] == 1.0).all(), "padding is white"
    assert (grid[6:, 4:] == 1.0).all(), "an empty place is white"


def test_grid_is_square_by_default():
    assert images.make_grid(np.zeros((16, 28, 28, 1), "float32")).shape == (115, 115, 1)


@pytest.mark.parametrize("shape", [(0, 4, 4, 1), (4, 4, 1)])
def test_grid_refuses_wrong_shapes(shape):
    with pytest.raises(ValueError, match="It expects"):
        images.make_grid(np.zeros(shape))
