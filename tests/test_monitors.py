import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from gan_utils import data, latents, monitors, networks, training

POINTS = data.sample_modes(640, data.ring_centers(), seed=0)[0]


def small_gan(steps_per_execution=1):
    generator = networks.build_mlp_generator(3, (2,), units=(8,), activation=None)
    gan = training.GAN(
        generator, networks.build_mlp_discriminator((2,), units=(8,), dropout=0.0), seed=0
    )
    gan.compile(
        keras.optimizers.Adam(1e-2),
        keras.optimizers.Adam(1e-2),
        steps_per_execution=steps_per_execution,
    )
    return gan


def test_every_update_is_logged_and_samples_are_taken_on_time():
    recorder = monitors.Recorder(latents.sample_latents(5, 3, seed=1), every=8)
    gan = small_gan()
    history = gan.fit(POINTS, batch_size=64, epochs=2, verbose=0, callbacks=[recorder]).history
    assert recorder.steps == list(range(1, 21))
    assert recorder.sample_steps == [0, 8, 16, 20]
    assert all(len(values) == 20 for values in recorder.logs.values())
    assert np.mean(recorder.logs["d_fake"][10:]) == pytest.approx(history["d_fake"][1], rel=1e-4)
    np.testing.assert_array_equal(recorder.samples[-1], gan.generate(recorder.latents))
    assert not np.array_equal(recorder.samples[0], recorder.samples[-1])


def test_several_steps_at_once_are_counted():
    recorder = monitors.Recorder(latents.sample_latents(5, 3, seed=1), every=10)
    small_gan(steps_per_execution=4).fit(
        POINTS, batch_size=64, epochs=2, verbose=0, callbacks=[recorder]
    )
    assert recorder.steps == [4, 8, 10, 14, 18, 20]
    assert recorder.sample_steps == [0, 10, 20]


def test_watching_changes_nothing():
    final = []
    for callbacks in ([], [monitors.Recorder(np.ones((2, 3), "float32"), every=3)]):
        keras.utils.set_random_seed(0)
        gan = small_gan()
        gan.fit(POINTS, batch_size=64, epochs=2, verbose=0, callbacks=callbacks)
        final.append(gan.sample(4, seed=1))
    np.testing.assert_array_equal(*final)


def test_latents_that_do_not_fit_are_refused_before_training():
    gan = small_gan()
    with pytest.raises(ValueError, match=r"takes \(n, 3\)"):
        gan.fit(POINTS, batch_size=64, verbose=0, callbacks=[monitors.Recorder(np.zeros((5, 4)))])
    assert int(gan.generator_optimizer.iterations) == 0


def test_grids_are_saved_beside_real_images(tmp_path):
    generator = keras.Sequential(
        [keras.Input((3,)), layers.Dense(48, activation="tanh"), layers.Reshape((4, 4, 3))],
        name="generator",
    )
    discriminator = networks.build_mlp_discriminator((4, 4, 3), units=(8,))
    gan = training.GAN(generator, discriminator, seed=0)
    gan.compile(keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2))
    real = np.random.default_rng(0).uniform(-1, 1, (32, 4, 4, 3)).astype("float32")
    recorder = monitors.Recorder(
        np.ones((4, 3), "float32"), every=2, folder=tmp_path / "grids", real=real
    )
    gan.fit(real, batch_size=8, verbose=0, callbacks=[recorder])
    names = sorted(path.name for path in (tmp_path / "grids").iterdir())
    assert names == ["step_000000.png", "step_000002.png", "step_000004.png"]
    with Image.open(tmp_path / "grids" / names[0]) as picture:
        assert picture.size == (9 + 8 + 9, 9)


def test_times_are_told_in_words():
    assert monitors.format_time(45.2) == "45 s"
    assert monitors.format_time(200) == "3 min 20 s"
