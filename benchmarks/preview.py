"""The README's picture: 64 digits and 64 frogs of shipped generators, seed 0, none picked.

    python benchmarks/preview.py

writes `data/preview.png`. The latents of the frogs are multiplied by 0.7, as in lesson 09.
"""

from pathlib import Path

# First: it starts Keras without its start-up messages.
from gan_utils import results

# isort: split
import numpy as np
from PIL import Image

import modern_frogs

PICTURE = Path(__file__).parent.parent / "data" / "preview.png"
SIDE, GAP, BETWEEN, FROG = 64, 2, 16, np.eye(6)[4]
METHODS = Image.Resampling.NEAREST, Image.Resampling.BICUBIC


def draw():
    """Digits `(64, 28, 28, 1)` and frogs `(64, 32, 32, 3)`, in [-1, 1]."""
    digits = results.draw(results.load_generator("vanilla_digits"), 64, seed=0)
    latents = 0.7 * np.random.default_rng(0).standard_normal((64, 100))
    generator = results.load_generator("modern_frogs", modern_frogs.build_generator())
    labelled = np.hstack([latents, np.tile(FROG, (64, 1))])
    return digits, generator.predict(labelled, verbose=0)


def paste(sheets):
    """One picture: each sheet eight images a row, enlarged to 64 pixels."""
    width = 8 * SIDE + 7 * GAP
    picture = Image.new("RGB", (len(sheets) * width + (len(sheets) - 1) * BETWEEN, width), "white")
    for i, images in enumerate(sheets):
        pixels = np.clip(np.rint(127.5 * (np.array(images) + 1)), 0, 255).astype("uint8")
        for j, image in enumerate(pixels):
            tile = Image.fromarray(image.squeeze()).convert("RGB").resize((SIDE, SIDE), METHODS[i])
            row, column = divmod(j, 8)
            left = i * (width + BETWEEN) + column * (SIDE + GAP)
            picture.paste(tile, (left, row * (SIDE + GAP)))
    return picture


if __name__ == "__main__":
    paste(draw()).save(PICTURE, optimize=True)
