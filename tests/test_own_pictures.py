import io

import numpy as np
import pytest
from PIL import Image

from gan_utils.exercises import own_pictures


def noise(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype="uint8")


@pytest.fixture
def pictures(tmp_path):
    """A folder of 30 good pictures, with letters that are not ASCII in its name."""
    folder = tmp_path / "Fotos ñ 図"
    (folder / "below").mkdir(parents=True)
    for i in range(30):
        Image.fromarray(noise(40, 50, seed=i)).save(folder / "below" / f"{i:02d}.png")
    return folder


def load(folder, **options):
    return own_pictures.load_folder(folder, smallest=20, **options)


def test_own_pictures_become_squares_of_a_training_and_a_held_out_part(pictures, capsys):
    train, held_out, left_out, similar = load(pictures)
    assert train.shape == (27, 32, 32, 3) and held_out.shape == (3, 32, 32, 3)
    assert train.dtype == np.float32 and -1.0 <= train.min() < -0.8 and train.max() <= 1.0
    assert left_out == similar == []
    assert "30 of 30 files" in capsys.readouterr().out
    again = load(pictures)
    assert np.array_equal(again.train, train)
    assert not np.array_equal(load(pictures, seed=1).train, train)
    assert load(pictures, size=16).train.shape == (27, 16, 16, 3)


def test_every_file_is_used_or_listed_with_a_reason(pictures):
    first = pictures / "below" / "00.png"
    (pictures / "copy.png").write_bytes(first.read_bytes())
    buffer = io.BytesIO()
    Image.fromarray(noise(300, 300)).save(buffer, "JPEG")
    (pictures / "truncated.jpg").write_bytes(buffer.getvalue()[:5000])
    (pictures / "empty.png").write_bytes(b"")
    (pictures / "notes.txt").write_text("no picture")
    (pictures / ".hidden").write_text("of the system")
    Image.fromarray(noise(20, 60)).save(pictures / "small.png")
    Image.new("L", (10_000, 9_500)).save(pictures / "huge.png")
    found = load(pictures)
    assert len(found.train) + len(found.held_out) == 30
    reasons = dict(found.left_out)
    assert reasons["copy.png"] == "the same picture as below/00.png"
    assert reasons["small.png"] == "smaller than 32 x 32: 60 x 20"
    assert reasons["huge.png"] == "too large: 10000 x 9500"
    for name in ("truncated.jpg", "empty.png", "notes.txt"):
        assert reasons[name].startswith("cannot be read"), name


KINDS = {
    "grey.png": Image.fromarray(noise(40, 40)).convert("L"),
    "one_bit.png": Image.fromarray(noise(40, 40)).convert("1"),
    "palette.gif": Image.fromarray(noise(40, 40)).convert("P"),
    "cmyk.jpg": Image.fromarray(noise(40, 40)).convert("CMYK"),
    "rgba.png": Image.fromarray(noise(40, 40, 4)),
    "sixteen.png": Image.fromarray(noise(40, 40, 1)[..., 0].astype("uint16") * 256),
}


@pytest.mark.parametrize("name", KINDS)
def test_other_kinds_of_pictures_become_colour(name, pictures):
    KINDS[name].save(pictures / name)
    found = load(pictures)
    assert not found.left_out and len(found.train) + len(found.held_out) == 31


def square(path, size=8):
    return own_pictures._read_square(path, size).astype(int)


def test_a_picture_is_turned_upright_cut_and_filled_with_white(tmp_path):
    left_red = np.zeros((40, 80, 3), "uint8")
    left_red[:, :40, 0] = 255
    exif = Image.Exif()
    exif[274] = 6  # turn by a quarter, clockwise: what was left comes to the top
    Image.fromarray(left_red).save(tmp_path / "turned.png", exif=exif)
    turned = square(tmp_path / "turned.png")
    assert turned[0, :, 0].min() > 250 and turned[-1, :, 0].max() < 5
    Image.new("RGBA", (40, 40), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert square(tmp_path / "clear.png").min() == 255
    grey = Image.fromarray(np.full((40, 40), 128 * 256, "uint16"))
    grey.save(tmp_path / "sixteen.png")
    assert np.all(square(tmp_path / "sixteen.png") == 128)
    frames = [Image.new("RGB", (40, 40), color) for color in ("blue", "red")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert np.all(square(tmp_path / "moving.gif")[..., 2] > 250)
    stripes = np.zeros((64, 64, 3), "uint8")
    stripes[:, ::2] = 255  # finer than the small picture can show
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    assert np.abs(square(tmp_path / "stripes.png") - 127.5).max() < 30


def test_pictures_that_look_alike_stay_on_one_side(tmp_path):
    for i in range(20):
        big = np.kron(noise(8, 8, seed=i), np.ones((5, 5, 1), "uint8"))
        brighter = np.clip(big.astype(int) + 6, 0, 255).astype("uint8")
        Image.fromarray(big).save(tmp_path / f"{i:02d}_a.png")
        Image.fromarray(brighter).save(tmp_path / f"{i:02d}_b.png")
    for seed in range(5):
        found = load(tmp_path, seed=seed, held_out=0.2)
        assert found.similar == [(f"{i:02d}_a.png", f"{i:02d}_b.png") for i in range(20)]
        assert len(found.held_out) == 8
        gaps = np.abs(found.train[:, None] - found.held_out[None]).mean(axis=(2, 3, 4))
        assert gaps.min() > 0.3


def test_a_folder_with_too_few_pictures_is_refused(pictures, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match="0 different pictures.*200 are needed.*were: none"):
        own_pictures.load_folder(empty)
    (pictures / "notes.txt").write_text("")
    with pytest.raises(ValueError, match="30 different pictures.*notes.txt: cannot be read"):
        own_pictures.load_folder(pictures)
    with pytest.raises(ValueError, match="is no folder"):
        own_pictures.load_folder(tmp_path / "missing")
