import types

import IPython.display
import keras
import numpy as np
import pytest
from keras import layers

from gan_utils import data, losses, monitors, networks, plotting, training

POINTS = data.sample_modes(640, data.ring_centers(), seed=0)[0]
LATENTS = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")


def small_gan(loss="non_saturating", **kwargs):
    keras.utils.set_random_seed(0)
    generator = networks.build_mlp_generator(3, (2,), units=(8,), activation=None)
    discriminator = networks.build_mlp_discriminator((2,), units=(8,), dropout=0.0)
    gan = training.GAN(generator, discriminator, seed=0)
    kwargs = {"run_eagerly": "steps_per_execution" not in kwargs, **kwargs}
    gan.compile(keras.optimizers.SGD(1e-2), keras.optimizers.SGD(1e-2), loss, **kwargs)
    return gan


def record(gan, recorder, **kwargs):
    options = {"batch_size": 64, "epochs": 2, "verbose": 0, **kwargs}
    return gan.fit(POINTS, callbacks=[recorder], **options).history


def test_every_update_is_logged_and_samples_are_taken_on_time():
    recorder, gan = monitors.Recorder(LATENTS, every=8), small_gan()
    before = gan.generate(LATENTS)
    history = record(gan, recorder)
    assert recorder.steps == list(range(1, 21))
    assert recorder.sample_steps == [0, 8, 16, 20]
    assert all(len(values) == 20 for values in recorder.logs.values())
    assert np.mean(recorder.logs["d_fake"][10:]) == pytest.approx(history["d_fake"][1], rel=1e-4)
    np.testing.assert_array_equal(recorder.samples[0], before)
    np.testing.assert_array_equal(recorder.samples[-1], gan.generate(LATENTS))
    assert not np.array_equal(recorder.samples[0], recorder.samples[-1])


def test_several_steps_at_once_are_counted():
    recorder = monitors.Recorder(LATENTS, every=10)
    record(small_gan(steps_per_execution=4), recorder)
    assert recorder.steps == [4, 8, 10, 14, 18, 20]
    assert recorder.sample_steps == [0, 10, 20]


@pytest.mark.parametrize("loss", ["wasserstein", losses.get("wasserstein")], ids=["name", "pair"])
def test_scores_of_a_critic_are_logged_as_they_are(loss):
    gan = small_gan(loss)
    gan.discriminator.set_weights([np.full(w.shape, 5.0) for w in gan.discriminator.get_weights()])
    recorder = monitors.Recorder(LATENTS)
    record(gan, recorder, epochs=1)
    logs = {name: np.array(values) for name, values in recorder.logs.items()}
    assert logs["d_real"].max() > 1.0  # no probability
    difference = logs["d_fake"] - logs["d_real"]
    np.testing.assert_allclose(logs["discriminator_loss"], difference, rtol=1e-3, atol=1e-3)


def test_watching_changes_nothing():
    final = []
    for callbacks in ([], [monitors.Recorder(LATENTS, every=3)]):
        gan = small_gan()
        gan.fit(POINTS, batch_size=64, epochs=1, verbose=0, callbacks=callbacks)
        final.append(gan.sample(4, seed=1))
    np.testing.assert_array_equal(*final)


def test_a_second_fit_goes_on_counting():
    recorder, gan = monitors.Recorder(LATENTS, every=6), small_gan()
    record(gan, recorder, epochs=1)
    record(gan, recorder, epochs=1)
    assert recorder.steps == list(range(1, 21)) and recorder.sample_steps == [0, 6, 10, 12, 18, 20]


@pytest.mark.parametrize(
    "latents", [[1, 2], np.zeros((0, 3)), None, "a", np.full((2, 3), np.nan), np.zeros((2, 3, 1))]
)
def test_latents_that_are_none_are_refused(latents):
    with pytest.raises(ValueError, match=r"Recorder\(\) received latents.*data.sample_latents"):
        monitors.Recorder(latents)


@pytest.mark.parametrize("every", [0, 1.5, True, "3"])
def test_a_bad_distance_of_records_is_refused(every):
    with pytest.raises(ValueError, match=r"Recorder\(\) received every="):
        monitors.Recorder(LATENTS, every=every)


def test_latents_that_do_not_fit_are_refused_before_training():
    gan = small_gan()
    with pytest.raises(ValueError, match=r"of shape \(any, 3\)"):
        record(gan, monitors.Recorder(np.zeros((5, 4))))
    assert int(gan.generator_optimizer.iterations) == 0


# --- the live figure ---


def watch_figures(monkeypatch):
    """The titles of a live figure and its number of logs, on a clock of a second each look."""
    told, clock = types.SimpleNamespace(figures=[], updates=0, begun=0), iter(range(10**6))
    monkeypatch.setattr(monitors.time, "perf_counter", lambda: float(next(clock)))
    real = plotting.plot_progress

    def plot(steps, logs, fakes, title, **options):
        told.figures.append((title, len(steps)))
        return real(steps, logs, fakes, title, **options)

    def display(figure, display_id):
        told.begun += 1
        return types.SimpleNamespace(
            update=lambda figure: setattr(told, "updates", told.updates + 1)
        )

    monkeypatch.setattr(plotting, "plot_progress", plot)
    monkeypatch.setattr(IPython.display, "display", display)
    return told


@pytest.fixture
def shown(monkeypatch):
    return watch_figures(monkeypatch)


def test_the_live_figure_tells_progress_and_the_time_left(shown):
    """With one second at each look at the clock: 5 updates in 1 s, then 10 in 2 s, and so on."""
    recorder = monitors.Recorder(LATENTS, every=5, live=True)
    record(small_gan(), recorder)
    assert shown.figures == [
        ("5 of 20 updates, 3 s left", 5),
        ("10 of 20 updates, 2 s left", 10),
        ("15 of 20 updates, 1 s left", 15),
        ("20 updates in 4 s", 20),
    ]
    assert (shown.begun, shown.updates) == (1, 3)


def test_the_time_left_counts_the_updates_of_this_fit_only(shown):
    recorder, gan = monitors.Recorder(LATENTS, every=5, live=True), small_gan()
    record(gan, recorder)
    shown.figures.clear()
    record(gan, recorder)
    assert shown.figures[0] == ("25 of 40 updates, 3 s left", 25)
    assert shown.figures[-1][0] == "40 updates in 4 s"


def endless(draw):
    """A data set of ten batches whose length Keras does not know."""
    import tensorflow as tf

    form = tf.TensorSpec((None, 2), "float32")
    return tf.data.Dataset.from_generator(draw, output_signature=form)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="needs tf.data")
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_data_set_of_unknown_length_is_counted_without_a_time_left(shown):
    recorder = monitors.Recorder(LATENTS, every=5, live=True)
    batches = endless(lambda: (POINTS[i : i + 64] for i in range(0, 640, 64)))
    small_gan().fit(batches, epochs=2, verbose=0, callbacks=[recorder])
    assert recorder.steps == list(range(1, 21)) and recorder.sample_steps == [0, 5, 10, 15, 20]
    assert shown.figures[0] == ("5 updates in 1 s", 5)


@pytest.mark.parametrize("error", [ValueError("no"), RuntimeError("no"), OSError("no")])
def test_a_picture_that_fails_is_told_once_and_ends_no_training(error, monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(plotting, "plot_progress", fail)
    recorder = monitors.Recorder(LATENTS, every=5, live=True)
    record(small_gan(), recorder, epochs=1)
    assert len(recorder.steps) == 10
    told = f"The recorder goes on without pictures ({type(error).__name__}: no).\n"
    assert capsys.readouterr().out == told


def test_of_a_generator_without_tanh_samples_are_kept_and_the_reason_is_told(capsys):
    stack = [keras.Input((3,)), layers.Dense(48), layers.Reshape((4, 4, 3)), layers.Rescaling(50.0)]
    discriminator = networks.build_mlp_discriminator((4, 4, 3), units=(8,))
    gan = training.GAN(keras.Sequential(stack, name="generator"), discriminator, seed=0)
    gan.compile(keras.optimizers.SGD(1e-2), keras.optimizers.SGD(1e-2), run_eagerly=True)
    real = np.random.default_rng(0).uniform(-1, 1, (32, 4, 4, 3)).astype("float32")
    recorder = monitors.Recorder(np.ones((4, 3), "float32"), every=2, live=True)
    gan.fit(real, batch_size=8, verbose=0, callbacks=[recorder])
    assert np.abs(recorder.samples[1]).max() > 1.0
    told = capsys.readouterr().out
    assert "goes on without pictures" in told and "End G with tanh" in told


def test_times_are_told_in_words():
    assert monitors.format_time(45.2) == "45 s"
    assert monitors.format_time(200) == "3 min 20 s"
    assert monitors.format_time(-0.03) == "0 s"
