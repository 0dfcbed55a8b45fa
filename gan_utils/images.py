"""Image arrays: value ranges and grids.

Images are `(batch, height, width, channels)`. On disk they are uint8 in [0, 255]; in training they are float32 in
[-1, 1], the range of the generator's tanh.
"""

import numpy as np


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
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise ValueError(
            f"normalize() received images of dtype {images.dtype}. "
            "It expects uint8 pixel values in [0, 255]. "
            "If the images are floats already, scale them yourself so that black is -1 and white is 1."
        )
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
    images = np.asarray(images)
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"{caller} received images of dtype {images.dtype}. "
            "It expects floats in [-1, 1]. "
            "Use images.normalize() to scale uint8 pixels."
        )
    if not np.isfinite(images).all():
        raise ValueError(
            f"{caller} received images with NaN or infinite values. "
            "It expects finite floats in [-1, 1]. "
            "Remove the broken images, or look for a division by zero before this call."
        )
    if images.size and (images.min() < -1.0 or images.max() > 1.0):
        raise ValueError(
            f"{caller} received values from {images.min():.4g} to {images.max():.4g}. "
            "It expects floats in [-1, 1]. "
            "Use images.normalize() on the uint8 pixels."
        )
    return images


def make_grid(images, num_columns=None, *, padding=1):
    """One large image with the given images side by side, row by row.

    Args:
        images: `(n, height, width, channels)`, float in [-1, 1].
        num_columns: images in a row; by default the square root of n, rounded up.
        padding: white pixels between two images.

    Returns:
        `(rows * (height + padding) - padding, columns * (width + padding) - padding, channels)`, float32. Sixteen
        28 x 28 digits give a grid of 115 x 115. Empty places are white.

    Raises:
        ValueError: if `images` has not four dimensions, is empty, or leaves [-1, 1].
    """
    images = check_range(images, "make_grid()").astype("float32")
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(
            f"make_grid() received an array of shape {images.shape}. "
            "It expects (n, height, width, channels) with n at least 1. "
            "Add the missing axes with images[None] or images[..., None]."
        )
    n, height, width, channels = images.shape
    columns = num_columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    step_y, step_x = height + padding, width + padding
    grid = np.ones((rows * step_y - padding, columns * step_x - padding, channels), "float32")
    for i, image in enumerate(images):
        top, left = i // columns * step_y, i % columns * step_x
        grid[top : top + height, left : left + width] = image
    return grid
