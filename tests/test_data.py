import subprocess
import sys

import keras
import numpy as np
import pytest
from scipy import stats

from gan_utils import data, images


def test_digits_are_those_of_mnist():
    digits, labels = data.load_mnist()
    assert digits.shape == (60000, 28, 28, 1) and digits.dtype == np.float32
    assert digits.min() == -1.0 and digits.max() == 1.0
    assert labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    unit = (digits + 1.0) / 2.0
    assert (unit.mean(), unit.std()) == pytest.approx((0.1307, 0.3081), abs=1e-4)
    assert data.load_mnist("test")[0].shape == (10000, 28, 28, 1)


def test_frogs_are_those_of_cifar10():
    frogs, labels = data.load_frogs()
    assert frogs.shape == (5000, 32, 32, 3) and frogs.dtype == np.float32
    assert frogs.min() == -1.0 and frogs.max() == 1.0
    assert set(labels) == {6} and labels.shape == (5000,)
    assert data.load_frogs("test")[0].shape == (1000, 32, 32, 3)


ARRAYS = {
    (data.load_mnist, "train"): (
        "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
        "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    ),
    (data.load_mnist, "test"): (
        "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
        "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    ),
    (data.load_frogs, "train"): (
        "d8b1313e05274c402d1ba8725a64eb5e57860061bf57f87cbcfb3c81cfa7d1f5",
    ),
    (data.load_frogs, "test"): (
        "ae57c331b535e4b88c51a104c5c57bd593f9327ea7ad002af17266987872cd7e",
    ),
}


@pytest.mark.parametrize("load, split", ARRAYS)
def test_every_pixel_is_that_of_the_source(load, split):
    pictures, labels = load(split)
    found = data.sha256(images.denormalize(pictures)), data.sha256(labels)
    assert found[: len(ARRAYS[load, split])] == ARRAYS[load, split]
    readme = (data.find_folder() / "README.md").read_text()
    assert all(expected in readme for expected in (*ARRAYS[load, split], *data.SHA256.values()))


@pytest.mark.parametrize("load", [data.load_mnist, data.load_frogs])
def test_unknown_splits_are_refused(load):
    with pytest.raises(ValueError, match="one of 'train', 'test'"):
        load("validation")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the data folder's small part, which a test may damage."""
    monkeypatch.setenv("GAN_UTILS_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "load"), [("mnist.npz", data.load_mnist), ("cifar10_frogs.webp", data.load_frogs)]
)
def test_a_truncated_file_is_refused(folder, monkeypatch, name, load):
    source = data.Path(data.__file__).parent.parent / "data" / name
    (folder / name).write_bytes(source.read_bytes()[:100_000])
    with pytest.raises(ValueError, match=f"{name} is damaged.*{data.SHA256[name]}.*git checkout"):
        load()


def test_a_changed_pixel_is_refused(folder):
    source = np.load(data.Path(data.__file__).parent.parent / "data" / "mnist.npz")
    arrays = {name: source[name] for name in ("x_test", "y_test")}
    arrays["x_test"][0, 0, 0] ^= 1
    np.savez(folder / "mnist.npz", **arrays)
    with pytest.raises(ValueError, match="mnist.npz is damaged"):
        data.load_mnist("test")


def test_without_file_the_loader_says_what_to_do(folder):
    for load in (data.load_mnist, data.load_frogs):
        with pytest.raises(FileNotFoundError, match="git checkout -- data"):
            load()


def test_data_is_found_from_any_folder(tmp_path):
    code = "from gan_utils import data; print(data.load_frogs('test')[0].shape)"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.stdout == "(1000, 32, 32, 3)\n", result.stderr


def test_ring_by_hand():
    ring = data.ring_centers(4, radius=3.0)
    np.testing.assert_allclose(ring, [[3, 0], [0, 3], [-3, 0], [0, -3]], atol=1e-6)


def test_points_surround_their_centers():
    centers = data.ring_centers()
    points, labels = data.sample_modes(8000, centers, scale=0.1, seed=1)
    assert points.dtype == np.float32
    assert stats.kstest(((points - centers[labels]) / 0.1).ravel(), "norm").pvalue > 1e-3
    assert stats.chisquare(np.bincount(labels)).pvalue > 1e-3
    np.testing.assert_array_equal(points, data.sample_modes(8000, centers, scale=0.1, seed=1)[0])


def test_density_integrates_to_one_and_describes_the_points():
    x = np.linspace(-8, 8, 4001)
    density = data.mixture_density_1d(x)
    assert np.trapezoid(density, x) == pytest.approx(1.0, abs=1e-9)
    cumulative = np.cumsum(density) * (x[1] - x[0])
    points = data.sample_mixture_1d(5000, seed=0)
    assert points.shape == (5000, 1) and points.dtype == np.float32
    assert stats.kstest(points[:, 0], lambda q: np.interp(q, x, cumulative)).pvalue > 1e-3


def test_bundled_files_are_small():
    files = list((data.Path(data.__file__).parent.parent / "data").iterdir())
    assert sum(file.stat().st_size for file in files) < 29e6  # 25 MB of images, 4 MB of weights
    assert {"mnist.npz", "cifar10_frogs.webp", "README.md"} <= {file.name for file in files}


def test_checksum_is_that_of_the_bytes_and_of_the_values():
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of FIPS 180-2
    assert data.sha256(b"abc") == known
    assert data.sha256(np.frombuffer(b"abc", "uint8").repeat(2).reshape(3, 2)[:, 0]) == known


def test_latents_are_standard_normal():
    drawn = np.asarray(data.sample_latents(4000, 5, seed=3))
    assert drawn.shape == (4000, 5) and drawn.dtype == np.float32
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-3


def test_same_seed_same_latents():
    first, second, other = (np.asarray(data.sample_latents(4, 3, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_seed_generator_moves_on():
    seed = keras.random.SeedGenerator(0)
    first, second = (data.sample_latents(4, 3, seed=seed) for _ in range(2))
    assert not np.array_equal(first, second)


def test_interpolation_follows_the_circle():
    path = data.interpolate([1.0, 0.0], [0.0, 1.0], 5)
    angles = np.linspace(0, np.pi / 2, 5)
    np.testing.assert_allclose(path, np.stack([np.cos(angles), np.sin(angles)], 1), atol=1e-6)


def test_interpolation_keeps_its_ends_and_the_typical_length():
    start, end = np.asarray(data.sample_latents(2, 100, seed=1))
    path = data.interpolate(start, end, 9)
    np.testing.assert_allclose(path[[0, -1]], [start, end], rtol=1e-5)
    straight = 0.5 * (start + end)
    assert np.linalg.norm(path[4]) > 1.2 * np.linalg.norm(straight)


def test_interpolation_between_equal_directions_is_straight():
    np.testing.assert_allclose(data.interpolate(np.ones(3), np.ones(3), 3), np.ones((3, 3)))
    np.testing.assert_allclose(data.interpolate([1.0, 1.0], [3.0, 3.0], 3)[1], [2.0, 2.0])
