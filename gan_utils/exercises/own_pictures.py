"""The reader's own pictures, for the capstone: a folder of any files becomes training images."""

import collections
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy.spatial import cKDTree

from gan_utils import checks, data, images

LARGEST = 80_000_000  # pixels; 240 MB of memory
SIMILAR = 0.05  # mean difference of two pictures of 8 x 8 pixels, of 1
Folder = collections.namedtuple("Folder", "train held_out left_out similar")


def load_folder(folder, size=32, *, held_out=0.1, smallest=200, seed=0):
    """Your own pictures, ready for training: turned upright, cut to a square, made small.

    The central square of each picture is taken. Transparent places become white, grey pictures
    colour, and of an animation the first picture counts. What is left out is listed in `left_out`
    and counted in a printed line. The files stay as they are.

    Args:
        folder: path; its pictures, and those in folders below it.
        size: side of the square in pixels, a multiple of 8; no smaller picture is enlarged.
        held_out: share of the pictures that is kept for measuring, at least one.
        smallest: with fewer pictures than this a GAN learns them by heart: an error.
        seed: of the split.

    Returns:
        `Folder` of `train` and `held_out`, `(n, size, size, 3)`, float32 in [-1, 1];
        `left_out`, pairs `(file, reason)`: what cannot be read, is too small, or repeats another
        file; and `similar`, pairs of files that look alike (mean difference below 0.05 at 8 x 8
        pixels): both are kept, and on the same side of the split.

    Raises:
        ValueError: if the folder is missing or gives fewer than `smallest` pictures.

    Taught in: `10_your_images`.
    """
    folder = Path(folder)
    passed = f"load_folder() received {str(folder)!r}, which is no folder."
    checks.require(folder.is_dir(), passed, "Give the folder that holds your pictures.")
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    squares, files, left_out, known = [], [], [], {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            square = _read_square(path, size)
            first = known.setdefault(data.sha256(square), name)
            checks.require(first == name, f"the same picture as {first}")
            squares.append(square)
            files.append(name)
        except ValueError as error:
            left_out.append((name, str(error)))
        except Exception as error:  # Pillow has many kinds for broken files
            left_out.append((name, f"cannot be read ({type(error).__name__})"))
    print(f"{len(files)} of {len(paths)} files in {folder} are used, {len(left_out)} left out.")
    passed = f"load_folder() found {len(files)} different pictures in {str(folder)!r}."
    reasons = [f"{name}: {reason}" for name, reason in left_out[:3]]
    remedy = f"At least {smallest} are needed. Left out were: {'; '.join(reasons) or 'none'}."
    checks.require(len(files) >= max(smallest, 2), passed, remedy)
    train, held_out, similar = _split(np.stack(squares), held_out, seed)
    similar = [(files[i], files[j]) for i, j in similar]
    return Folder(images.normalize(train), images.normalize(held_out), left_out, similar)


def _split(squares, share, seed):
    """Pictures for training and for measuring; those that look alike stay together."""
    small = squares.reshape(len(squares), 8, squares.shape[1] // 8, 8, -1, 3).mean(axis=(2, 4))
    # As a sum of absolute differences in 0..255.
    radius = SIMILAR * 255 * 8 * 8 * 3
    similar = sorted(cKDTree(small.reshape(len(small), -1)).query_pairs(radius, p=1))
    groups = np.arange(len(squares))
    for i, j in similar:
        groups[groups == groups[j]] = groups[i]
    order = np.random.default_rng(seed).permutation(np.unique(groups))
    filled = np.cumsum([np.sum(groups == group) for group in order])
    chosen = order[: 1 + np.searchsorted(filled, share * len(squares))]
    apart = np.isin(groups, chosen)
    return squares[~apart], squares[apart], similar


def _read_square(path, size):
    """The central square of a picture, `(size, size, 3)`, uint8."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, and of size
        with Image.open(path) as picture:
            large = f"too large: {picture.width} x {picture.height}"
            checks.require(picture.width * picture.height <= LARGEST, large)
            picture.draft("RGB", (2 * size, 2 * size))  # reads a large JPEG in a smaller size
            picture = ImageOps.exif_transpose(picture)
            if picture.mode.startswith("I"):  # 16 bits a pixel
                picture = Image.fromarray((np.asarray(picture) // 256).astype("uint8"))
            picture = picture.convert("RGBA")
    reason = f"smaller than {size} x {size}: {picture.width} x {picture.height}"
    checks.require(min(picture.size) >= size, reason)
    white = Image.new("RGBA", picture.size, "white")
    picture = Image.alpha_composite(white, picture).convert("RGB")
    return np.asarray(ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS))
