"""The course's data: bundled digits and frogs, and densities of one and two dimensions.

The loaders verify a SHA-256 checksum over the raw pixels, so that nobody trains on a damaged file.
"""

import contextlib
import hashlib
import os
from pathlib import Path

import keras
import numpy as np

from gan_utils import checks, images

SHA256 = {
    "MNIST train images": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "MNIST train labels": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "MNIST test images": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "MNIST test labels": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    "CIFAR-10 frogs train": "d8b1313e05274c402d1ba8725a64eb5e57860061bf57f87cbcfb3c81cfa7d1f5",
    "CIFAR-10 frogs test": "ae57c331b535e4b88c51a104c5c57bd593f9327ea7ad002af17266987872cd7e",
}
RESTORE = "Get the file again with: git checkout -- data"
NUM_TRAIN_FROGS, FROG_LABEL, SHEET_COLUMNS = 5000, 6, 100


def find_folder():
    """The folder of the bundled files: `GAN_UTILS_DATA` if set, else beside the package, else inside the installed package."""
    package = Path(__file__).resolve().parent
    beside = package.parent / "data"
    default = beside if (beside / "README.md").exists() else package / "bundled"
    return Path(os.environ.get("GAN_UTILS_DATA", default))


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
    passed = f"The bundled file {path.name} is missing in {path.parent.name}/."
    checks.require(path.exists(), passed, "It must lie in the repository's folder of data.", RESTORE, FileNotFoundError)
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    passed = f"The bundled file {path.name} is damaged: its SHA-256 is {found}."
    checks.require(expected in (None, found), passed, f"Expected is {expected}.", RESTORE)
    return content


SPLIT = checks.choice(("train", "test"), "Use 'train' to train, 'test' to measure.")


@checks.arguments(split=SPLIT)
def load_mnist(split="train"):
    """MNIST digits (LeCun, Cortes, Burges).

    Args:
        split: `"train"` (60,000) or `"test"` (10,000).

    Returns:
        `(images, labels)`: `(n, 28, 28, 1)`, float32 in [-1, 1], and `(n,)`, uint8 in 0..9. The first ten training labels are
        5 0 4 1 9 2 1 3 1 4.

    Raises:
        ValueError: for an unknown split or a damaged file; FileNotFoundError without the file and without a network.

    Taught in: `01_intuition`.
    """
    path = find_folder() / "mnist.npz"
    if path.exists():
        with _reading(path), open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            digits, labels = arrays[f"x_{split}"], arrays[f"y_{split}"]
    else:
        digits, labels = _download(path, keras.datasets.mnist)[split == "test"]
    _verify(digits, f"MNIST {split} images", path)
    _verify(labels, f"MNIST {split} labels", path)
    return images.normalize(digits)[..., None], labels


@checks.arguments(split=SPLIT)
def load_frogs(split="train"):
    """The frogs of CIFAR-10 (Krizhevsky 2009), in their original order.

    Args:
        split: `"train"` (5,000) or `"test"` (1,000).

    Returns:
        `(images, labels)`: `(n, 32, 32, 3)`, float32 in [-1, 1], and `(n,)`, uint8, all 6, the frogs' class.

    Raises:
        ValueError: for an unknown split or a damaged file; FileNotFoundError without the file and without a network.

    Taught in: `03_frog_dcgan`.
    """
    path = find_folder() / "cifar10_frogs.webp"
    if path.exists():
        sheet = _read_sheet(path)
        frogs = sheet[:NUM_TRAIN_FROGS] if split == "train" else sheet[NUM_TRAIN_FROGS:]
    else:
        pictures, labels = _download(path, keras.datasets.cifar10)[split == "test"]
        frogs = pictures[labels.ravel() == FROG_LABEL]
    _verify(frogs, f"CIFAR-10 frogs {split}", path)
    return images.normalize(frogs), np.full(len(frogs), FROG_LABEL, "uint8")


@checks.arguments(num_modes=checks.whole(1), radius=checks.number(0.0))
def ring_centers(num_modes=8, radius=2.0):
    """Centres of equal Gaussians on a circle: `(num_modes, 2)`, float32. The first one is (radius, 0)."""
    angles = 2.0 * np.pi * np.arange(num_modes) / num_modes
    return (radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype("float32")


@checks.arguments(side=checks.whole(1, 5000), spacing=checks.number(0.0))
def grid_centers(side=5, spacing=1.0):
    """Centres of equal Gaussians on a square grid around the origin: `(side * side, 2)`, float32."""
    axis = spacing * (np.arange(side) - (side - 1) / 2.0)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2).astype("float32")


CENTERS = checks.array("num_modes, d", remedy="Make them with data.ring_centers() or data.grid_centers().")


@checks.arguments(num_points=checks.whole(1), centers=CENTERS, scale=checks.number(0.0), seed=checks.seed())
def sample_modes(num_points, centers, *, scale=0.05, seed=None):
    """Points from a mixture of equal round Gaussians, one at each centre.

    Args:
        num_points: how many.
        centers: `(num_modes, d)`, as from `ring_centers()` or `grid_centers()`.
        scale: standard deviation of each Gaussian.
        seed: int or None.

    Returns:
        `(points, labels)`: `(num_points, d)`, float32, and the mode of each point, `(num_points,)`, int64.

    Raises:
        ValueError: if `num_points` is below 1, `scale` is negative or the centres do not fit.

    Taught in: `07_generative_matching`.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(centers), size=num_points)
    noise = scale * rng.standard_normal((num_points, centers.shape[1]))
    return (centers[labels] + noise).astype("float32"), labels


MIXTURE_1D = {"weights": (0.4, 0.6), "means": (-1.5, 1.0), "scales": (0.4, 0.6)}


@checks.arguments(num_points=checks.whole(1), seed=checks.seed())
def sample_mixture_1d(num_points, *, seed=None):
    """Points of the course's density on a line, two Gaussian bumps (`MIXTURE_1D`): `(num_points, 1)`, float32."""
    rng = np.random.default_rng(seed)
    modes = rng.choice(2, size=num_points, p=MIXTURE_1D["weights"])
    means, scales = np.array(MIXTURE_1D["means"]), np.array(MIXTURE_1D["scales"])
    return (means[modes] + scales[modes] * rng.standard_normal(num_points)).astype("float32")[:, None]


@checks.arguments(x=checks.array("..."))
def mixture_density_1d(x):
    """Density of `sample_mixture_1d` at `x`, an array of any shape. It integrates to 1."""
    x = x.astype("float64")
    parts = zip(MIXTURE_1D["weights"], MIXTURE_1D["means"], MIXTURE_1D["scales"])
    return sum(w * np.exp(-0.5 * ((x - m) / s) ** 2) / (s * np.sqrt(2.0 * np.pi)) for w, m, s in parts)


@contextlib.contextmanager
def _reading(path):
    """Turns any failure while a file is read into the message of a damaged file."""
    try:
        yield
    except Exception as error:
        passed = f"The data file {path.name} cannot be read ({type(error).__name__})."
        raise checks.error(passed, "It must be the file of the repository.", RESTORE) from error


def _read_sheet(path):
    from PIL import Image

    with _reading(path), Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
        tiles = pixels.reshape(-1, 32, SHEET_COLUMNS, 32, 3).swapaxes(1, 2)
        return tiles.reshape(-1, 32, 32, 3)


def _verify(array, name, path):
    found = hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
    passed = f"{name} in {path.name} are damaged: their SHA-256 is {found}."
    checks.require(found == SHA256[name], passed, f"Expected is {SHA256[name]}.", RESTORE)


def _download(path, dataset):
    """`((images, labels) for train, (images, labels) for test)` of a set of keras.datasets."""
    try:
        return dataset.load_data()
    except Exception as error:
        raise FileNotFoundError(
            f"The bundled file {path.name} is missing in {path.parent.name}/, and keras.datasets could not download the set. "
            "The course expects the files of the repository's data folder. "
            "Get them again with: git checkout -- data, or set GAN_UTILS_DATA to the folder that holds them."
        ) from error
