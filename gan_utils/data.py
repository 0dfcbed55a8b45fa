"""The course's data: bundled digits and frogs, small densities, and the latents of generators.

The loaders verify the SHA-256 checksum of each file, so that nobody trains on a damaged one.
Latents are the random input of a generator, `(batch, latent_dim)`, float32.
"""

import hashlib
import io
import os
from pathlib import Path

import keras
import numpy as np
from PIL import Image

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
    found = sha256(content := path.read_bytes())
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
