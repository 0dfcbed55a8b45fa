"""Image arrays: value ranges and grids.

Images are `(batch, height, width, channels)`. On disk they are uint8 in [0, 255]; in training they are float32 in
[-1, 1], the range of the generator's tanh.
"""

import numpy as np

from gan_utils import checks


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
    images = checks.as_numpy(images)
    passed = f"normalize() received images of dtype {images.dtype}."
    remedy = "If the images are floats already, scale them yourself so that black is -1 and white is 1."
    checks.require(images.dtype == np.uint8, passed, "It expects uint8 pixel values in [0, 255].", remedy)
    return images.astype("float32") / 127.5 - 1.0


def denormalize(images):
    """Images scaled from [-1, 1] to [0, 255]: `round((x + 1) * 127.5)`.

    Args:
        images: array of any shape, float, in [-1, 1].

    Returns:
        Array of the same shape, uint8. `denormalize(normalize(x))` is `x`.

    Raises:
        ValueError: if a value is NaN or outside [-1, 1]; nothing is clipped.

    Taught in: `01_intuition`.
    """
    images = check_range(images, "denormalize()")
    return np.rint((images + 1.0) * 127.5).astype("uint8")


def check_range(images, caller):
    """The images themselves, once they are known to be finite floats in [-1, 1].

    Args:
        images: array of any shape.
        caller: the name that starts the error message.

    Returns:
        The images as a NumPy array, unchanged.

    Raises:
        ValueError: if the dtype is not a float, or a value is NaN, infinite or outside [-1, 1].
    """
    images = checks.as_numpy(images)
    found, remedy = None, "Use images.normalize() on the uint8 pixels."
    if not np.issubdtype(images.dtype, np.floating):
        found = f"images of dtype {images.dtype}"
    elif not np.isfinite(images).all():
        found, remedy = "images with NaN or infinite values", "Remove them, or look for a division by zero before this call."
    elif images.size and (images.min() < -1.0 or images.max() > 1.0):
        found = f"images with values from {images.min():.4g} to {images.max():.4g}"
    checks.require(not found, f"{caller} received {found}.", "It expects finite floats in [-1, 1].", remedy)
    return images


@checks.arguments(num_columns=checks.whole(1, 1000), padding=checks.whole(0, 1000))
def make_grid(images, num_columns=None, *, padding=1):
    """One large image with the given images side by side, row by row.

    Args:
        images: `(n, height, width, channels)`, float in [-1, 1], of 1, 3 or 4 channels.
        num_columns: images in a row; by default the square root of n, rounded up.
        padding: white pixels between two images.

    Returns:
        `(rows * (height + padding) - padding, columns * (width + padding) - padding, channels)`, float32. Sixteen
        28 x 28 digits give a grid of 115 x 115. Empty places are white.

    Raises:
        ValueError: if `images` has not four dimensions, is empty, or leaves [-1, 1], or if a number does not fit.
    """
    images = check_range(images, "make_grid()").astype("float32")
    fits = images.ndim == 4 and images.size and images.shape[-1] in (1, 3, 4)
    expected = "It expects (n, height, width, channels) with n at least 1 and 1, 3 or 4 channels."
    remedy = "Add the missing axes with images[None] or images[..., None]."
    checks.require(fits, f"make_grid() received images of shape {images.shape}.", expected, remedy)
    n, height, width, channels = images.shape
    columns = num_columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    step_y, step_x = height + padding, width + padding
    grid = np.ones((rows * step_y - padding, columns * step_x - padding, channels), "float32")
    for i, image in enumerate(images):
        top, left = i // columns * step_y, i % columns * step_x
        grid[top : top + height, left : left + width] = image
    return grid
