"""Image arrays: value ranges and grids.

Images are `(batch, height, width, channels)`. On disk they are uint8 in [0, 255]; in training they
are float32 in [-1, 1], the range of the generator's tanh.
"""

import numpy as np

from gan_utils import checks

RESCALE = (
    "Use images.normalize() on uint8 arrays, x / 127.5 - 1 on 0..255, 2 * x - 1 on 0..1; "
    "on a data set .map(lambda x: tf.cast(x, 'float32') / 127.5 - 1.0)."
)
REPAIR = "End G with tanh, or cut off: np.clip(x, -1.0, 1.0); NaN comes from a division by zero."


def normalize(images):
    """Images scaled from [0, 255] to [-1, 1]: `x / 127.5 - 1`.

    Args:
        images: array of any shape, uint8.

    Returns:
        Array of the same shape, float32, in [-1, 1]. `normalize(255)` is 1, `normalize(0)` is -1.

    Raises:
        ValueError: if `images` is not uint8.

    Taught in: `01_intuition`.
    """
    pixels = checks.as_numpy(images)
    passed = f"normalize() received {type(images).__name__} of {getattr(images, 'dtype', '?')}."
    remedy = "Scale others by keras.ops.cast(x, 'float32') / 127.5 - 1, [0, 1] by 2 * x - 1."
    checks.require(pixels.dtype == np.uint8, passed, "It expects an array of uint8.", remedy)
    return pixels.astype("float32") / 127.5 - 1.0


def denormalize(images):
    """Images scaled from [-1, 1] to [0, 255]: `round((x + 1) * 127.5)`.

    Args:
        images: array of any shape, float, in [-1, 1]; what rounding adds (1e-4) is clipped.

    Returns:
        Array of the same shape, uint8. `denormalize(normalize(x))` is `x`.

    Raises:
        ValueError: if a value is NaN or outside [-1, 1].

    Taught in: `01_intuition`.
    """
    images = check_range(images, "denormalize()").clip(-1.0, 1.0)
    return np.rint((images + 1.0) * 127.5).astype("uint8")


def check_range(images, caller, *, whole_set=False):
    """The images themselves, once they are known to be finite floats in [-1, 1].

    Args:
        images: array of any shape; rounding may carry a value 1e-4 outside.
        caller: the name that starts the error message.
        whole_set: these are many images. Then they are also refused if no value is negative: they
            are images in [0, 1].

    Returns:
        The images as a NumPy array, unchanged.

    Raises:
        ValueError: if the dtype is not a float, or a value is NaN, infinite or outside [-1, 1].

    Taught in: `01_intuition`.
    """
    array = checks.as_numpy(images)
    fits, found, remedy = array.dtype.kind == "f", f"of dtype {array.dtype}", RESCALE
    if fits and array.size:
        low, high = array.min(), array.max()
        fits = -1.0001 <= low and high <= 1.0001 and (low < 0.0 or not whole_set)
        found = f"with values from {low:.4g} to {high:.4g}"
        remedy = RESCALE if low >= 0.0 else REPAIR
    expected = "It expects finite floats in [-1, 1]."
    checks.require(fits, f"{caller} received images {found}.", expected, remedy)
    return array


def make_grid(images, num_columns=None):
    """One large image with the given images side by side, row by row.

    Args:
        images: `(n, height, width, channels)`, float in [-1, 1], of 1, 3 or 4 channels.
        num_columns: images in a row; by default the square root of n, rounded up.

    Returns:
        `(rows * (height + 1) - 1, columns * (width + 1) - 1, channels)`, float32, with a white
        pixel between two images. Sixteen 28 x 28 digits give a grid of 115 x 115. Empty places are
        white.

    Raises:
        ValueError: if `images` has not four dimensions, is empty, or leaves [-1, 1].
    """
    images = np.clip(check_range(images, "make_grid()"), -1.0, 1.0).astype("float32")
    fits = images.ndim == 4 and images.size and images.shape[-1] in (1, 3, 4)
    advice = "It expects (1 or more, height, width, 1 or 3 or 4). Add axes: images[None] for one."
    checks.require(fits, f"make_grid() received images of shape {images.shape}.", advice)
    columns = num_columns or int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    margins = ((0, rows * columns - len(images)), (0, 1), (0, 1), (0, 0))
    tiles = np.pad(images, margins, constant_values=1.0)
    grid = np.vstack([np.hstack(row) for row in tiles.reshape(rows, columns, *tiles.shape[1:])])
    return grid[:-1, :-1]
