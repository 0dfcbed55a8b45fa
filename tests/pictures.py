"""How much two renderings of one figure differ, to an eye that does not care about fonts."""

import base64
import io

import numpy as np
from PIL import Image
from scipy import ndimage

REACH = 12  # pixels by which another font or release may move a thing
NOISE = 0.1  # a paler or darker shade than this is no difference
WINDOW = 80  # pixels; a legend or a piece of a curve fits in
# Largest differences of both kinds that count as the same picture. In 77 figures of the lessons
# serif letters reach 0.63 of them, letters 5 % larger or smaller 0.94; a hidden legend exceeds them
# in 37 of 39, a hidden image in 49 of 49. A curve that lies on another one is not missed.
WINDOW_INK, COLOURED_INK = 80, 70


def decode(png):
    """The picture in a base64 PNG, on white paper."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def channels(picture):
    """Ink of each pixel, (h, w, 3): grey from 0 (paper) to 1, and two of colour, 0 for grey."""
    red, green, blue = np.moveaxis(1 - np.asarray(picture, "float32") / 255, -1, 0)
    return np.stack([(red + green + blue) / 3, red - blue, green - (red + blue) / 2], axis=-1)


def unmatched(ink, other):
    """By how much each pixel lies outside all that the other picture shows within reach."""
    size = (2 * REACH + 1, 2 * REACH + 1, 1)
    low, high = ndimage.minimum_filter(other, size), ndimage.maximum_filter(other, size)
    return np.maximum(np.maximum(low - ink, ink - high) - NOISE, 0)


def placements(drawn, size):
    """The picture brought to another size: stretched, or put corner on corner."""
    yield drawn.resize(size, Image.BOX)
    for x in {0, size[0] - drawn.width}:
        for y in {0, size[1] - drawn.height}:
            paper = Image.new("RGB", size, "white")
            paper.paste(drawn, (x, y))
            yield paper


def difference(stored, drawn):
    """Above 1: a curve, a legend, an image or a number of panels is another one.

    Args:
        stored: a PNG in base64.
        drawn: another one. It may be larger or smaller by some pixels, as a longer title makes it.

    Returns:
        Ink that has no counterpart in the other picture, in units of what is tolerated: the most in
        one window, or all of the coloured ink, whichever is more.
    """
    stored, drawn = decode(stored), decode(drawn)
    if max(abs(1 - drawn.width / stored.width), abs(1 - drawn.height / stored.height)) > 0.15:
        return np.inf
    ink = channels(stored)
    return min(_difference(ink, channels(picture)) for picture in placements(drawn, stored.size))


def _difference(ink, other):
    lost = np.maximum(unmatched(ink, other), unmatched(other, ink))
    in_window = ndimage.uniform_filter(lost.max(axis=-1), WINDOW, mode="constant").max() * WINDOW**2
    return max(in_window / WINDOW_INK, lost[..., 1:].max(axis=-1).sum() / COLOURED_INK)
