"""The course's data: bundled digits and frogs, small densities, and the latents of generators.

The loaders verify the SHA-256 checksum of each file, so that nobody trains on a damaged one.
Latents are the random input of a generator, `(batch, latent_dim)`, float32.
"""

import collections
import hashlib
import io
import os
import warnings
from pathlib import Path

import keras
import numpy as np
from PIL import Image, ImageOps
from scipy.spatial import cKDTree

from gan_utils import checks, images

SHA256 = {
    "mnist.npz": "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64",
    "cifar10_frogs.webp": "607e7cf3e3260f511857cf037a7e76e89ce4130c9ce580237ab915211c90964e",
}
RESTORE = "Get it again with: git checkout -- data. data/README.md names its source."
NUM_TRAIN_FROGS, FROG_LABEL, SHEET_COLUMNS = 5000, 6, 100


def find_folder():
    """The folder of the bundled files.

    `GAN_UTILS_DATA` if set, else the one beside the package, else the one in the installed package.
    """
    package = Path(__file__).resolve().parent
    beside = package.parent / "data"
    default = beside if (beside / "README.md").exists() else package / "bundled"
    return Path(os.environ.get("GAN_UTILS_DATA", default))


def sha256(content):
    """SHA-256 of bytes, or of an array's values, in hexadecimal digits; `b""` gives e3b0c442..."""
    values = content if isinstance(content, bytes) else np.ascontiguousarray(content)
    return hashlib.sha256(values).hexdigest()


def read_file(name, expected=None):
    """The content of a bundled file.

    Args:
        name: path below the folder of the bundled files.
        expected: its SHA-256 in hexadecimal digits; None reads without a check.

    Returns:
        bytes.

    Raises:
        FileNotFoundError: without the file; ValueError if its checksum is another one.
    """
    path = find_folder() / name
    missing = f"The bundled file {path.name} is missing in {path.parent.name}/."
    checks.require(path.exists(), missing, RESTORE, kind=FileNotFoundError)
    content = path.read_bytes()
    found = sha256(content)
    passed = f"The bundled file {path.name} is damaged: its SHA-256 is {found}."
    checks.require(expected in (None, found), passed, f"Expected is {expected}.", RESTORE)
    return content


def load_mnist(split="train"):
    """MNIST digits (LeCun, Cortes, Burges).

    Args:
        split: `"train"` (60,000) or `"test"` (10,000).

    Returns:
        `(images, labels)`: `(n, 28, 28, 1)`, float32 in [-1, 1], and `(n,)`, uint8 in 0..9. The
        first ten training labels are 5 0 4 1 9 2 1 3 1 4.

    Raises:
        ValueError: for an unknown split or a damaged file; FileNotFoundError without the file.

    Taught in: `01_intuition`.
    """
    checks.check_choice("load_mnist()", "split", split, ("train", "test"))
    content = read_file("mnist.npz", SHA256["mnist.npz"])
    with np.load(io.BytesIO(content)) as arrays:
        return images.normalize(arrays[f"x_{split}"])[..., None], arrays[f"y_{split}"]


def load_frogs(split="train"):
    """The frogs of CIFAR-10 (Krizhevsky 2009), in their original order.

    Args:
        split: `"train"` (5,000) or `"test"` (1,000).

    Returns:
        `(images, labels)`: `(n, 32, 32, 3)`, float32 in [-1, 1], and `(n,)`, uint8, all 6, the
        frogs' class.

    Raises:
        ValueError: for an unknown split or a damaged file; FileNotFoundError without the file.

    Taught in: `03_frog_dcgan`.
    """
    checks.check_choice("load_frogs()", "split", split, ("train", "test"))
    content = read_file("cifar10_frogs.webp", SHA256["cifar10_frogs.webp"])
    with Image.open(io.BytesIO(content)) as sheet:
        tiles = np.asarray(sheet.convert("RGB")).reshape(-1, 32, SHEET_COLUMNS, 32, 3)
    frogs = tiles.swapaxes(1, 2).reshape(-1, 32, 32, 3)
    frogs = frogs[:NUM_TRAIN_FROGS] if split == "train" else frogs[NUM_TRAIN_FROGS:]
    return images.normalize(frogs), np.full(len(frogs), FROG_LABEL, "uint8")


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
            first = known.setdefault(sha256(square), name)
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


def ring_centers(num_modes=8, radius=2.0):
    """Centres of equal Gaussians on a circle: `(num_modes, 2)`, float32, from (radius, 0) on."""
    angles = 2.0 * np.pi * np.arange(num_modes) / num_modes
    return (radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype("float32")


def sample_modes(num_points, centers, *, scale=0.05, seed=None):
    """Points from a mixture of equal round Gaussians, one at each centre.

    Args:
        num_points: how many.
        centers: `(num_modes, d)`, as from `ring_centers()`.
        scale: standard deviation of each Gaussian.
        seed: int or None.

    Returns:
        `(points, labels)`: `(num_points, d)`, float32, and the mode of each point, `(num_points,)`,
        int64.

    Taught in: `07_generative_matching`.
    """
    rng, centers = np.random.default_rng(seed), np.asarray(centers)
    labels = rng.integers(len(centers), size=num_points)
    noise = scale * rng.standard_normal((num_points, centers.shape[1]))
    return (centers[labels] + noise).astype("float32"), labels


MIXTURE_1D = np.array([(0.4, 0.6), (-1.5, 1.0), (0.4, 0.6)])  # weights, means, scales


def sample_mixture_1d(num_points, *, seed=None):
    """Points of two Gaussian bumps on a line (`MIXTURE_1D`): `(num_points, 1)`, float32."""
    rng, (weights, means, scales) = np.random.default_rng(seed), MIXTURE_1D
    modes = rng.choice(2, size=num_points, p=weights)
    points = means[modes] + scales[modes] * rng.standard_normal(num_points)
    return points.astype("float32")[:, None]


def mixture_density_1d(x):
    """Density of `sample_mixture_1d` at `x`, an array of any shape. It integrates to 1."""
    x, (weights, means, scales) = np.asarray(x, "float64")[..., None], MIXTURE_1D
    return np.exp(-0.5 * ((x - means) / scales) ** 2) @ (weights / scales) / np.sqrt(2.0 * np.pi)


def sample_latents(num_latents, latent_dim, *, seed=None):
    """Latents drawn from a standard normal distribution.

    Args:
        num_latents: how many; an int, or a scalar tensor inside a compiled step.
        latent_dim: length of each.
        seed: an int (same seed, same latents, on one backend), a `keras.random.SeedGenerator`, or
            None.

    Returns:
        Tensor `(num_latents, latent_dim)`, float32, mean 0 and deviation 1.

    Taught in: `02_vanilla_gan`.
    """
    return keras.random.normal((num_latents, latent_dim), seed=seed)


def interpolate(start, end, num_points):
    """Latents on the great circle from `start` to `end` (spherical linear interpolation).

    A straight line would pass near the origin, where a normal distribution in many dimensions has
    almost no mass; the arc keeps the length typical.

    Args:
        start: `(latent_dim,)`, float, not zero.
        end: `(latent_dim,)`, float, not zero and not opposite to `start`.
        num_points: how many latents, both ends included.

    Returns:
        Array `(num_points, latent_dim)`, float32. Half-way between (1, 0) and (0, 1) lies
        (0.7071, 0.7071).

    Source: White 2016, arXiv:1609.04468. Taught in: `02_vanilla_gan`.
    """
    start, end = np.asarray(start, "float64"), np.asarray(end, "float64")
    cosine = np.dot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(min(cosine, 1.0))
    t = np.linspace(0.0, 1.0, num_points)[:, None]
    # sin(t a) / sin(a), written with sin(x) / x so that an angle of zero needs no case of its own.
    to_end, to_start = (u * np.sinc(u * angle / np.pi) for u in (t, 1.0 - t))
    return ((to_start * start + to_end * end) / np.sinc(angle / np.pi)).astype("float32")


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
