import copy
import os
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from keras import layers, ops

from gan_utils import autodiff, data, images, losses, metrics, monitors, networks, training

POINTS = data.sample_modes(640, data.ring_centers(), seed=0)[0]
FROGS = images.normalize(np.random.default_rng(0).integers(0, 256, (48, 8, 8, 3), dtype="uint8"))
GRAY = np.random.default_rng(0).uniform(-1, 1, (200, 8, 8, 1)).astype("float32")
ON_TENSORFLOW = pytest.mark.skipif(autodiff.BACKEND != "tensorflow", reason="needs TensorFlow")
Adam, SGD = keras.optimizers.Adam, keras.optimizers.SGD


def point_networks(units=(16,)):
    generator = networks.build_mlp_generator(3, (2,), units=units, activation=None)
    return generator, networks.build_mlp_discriminator((2,), units=units, dropout=0.0)


def gray_networks(*stack):
    """A generator of 8 x 8 gray images, and a discriminator, of these layers if there are any."""
    generator = networks.build_mlp_generator(4, (8, 8, 1), units=(8,))
    if not stack:
        return generator, networks.build_mlp_discriminator((8, 8, 1), units=(8,))
    return generator, keras.Sequential([keras.Input((8, 8, 1)), *stack], name="discriminator")


def image_networks(latent_dim=5):
    """Small networks with batch normalisation in both and dropout in D."""
    generator = keras.Sequential(
        [
            keras.Input((latent_dim,)),
            layers.Dense(4 * 4 * 4),
            layers.Reshape((4, 4, 4)),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh"),
        ],
        name="generator",
    )
    discriminator = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 4, strides=2, padding="same"),
            layers.BatchNormalization(),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ],
        name="discriminator",
    )
    return generator, discriminator


def compiled(generator, discriminator, learning_rate=1e-2, *, seed=0, kind=None, **options):
    make = options.pop("make", lambda: Adam(learning_rate, beta_1=0.5))
    gan = (kind or training.GAN)(generator, discriminator, seed=seed)
    gan.compile(make(), make(), **options)
    return gan


def quick(*stack, **options):
    """A compiled GAN of gray images whose steps are not compiled: for few updates."""
    options = {"make": lambda: SGD(1e-2), "run_eagerly": True, **options}
    return compiled(*gray_networks(*stack), **options)


def weights(model):
    return [np.array(ops.convert_to_numpy(v)) for v in model.weights]


def gradient_weights(network):
    """Copies of the weights that gradients train."""
    return [np.array(ops.convert_to_numpy(v)) for v in network.trainable_variables]


def state(gan):
    return [value for _, value in gan.copy_variables()]


def equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def moved(before, model):
    return [not np.array_equal(old, new) for old, new in zip(before, weights(model))]


# --- who learns in which half-step ---


def test_each_half_step_changes_exactly_its_network():
    gan = compiled(*point_networks())
    for step, learns, rests in (
        (gan.discriminator_step, gan.discriminator, gan.generator),
        (gan.generator_step, gan.generator, gan.discriminator),
    ):
        learning, resting = weights(learns), weights(rests)
        step(ops.convert_to_tensor(POINTS[:32]))
        assert all(moved(learning, learns)), "every weight of the learning network moves"
        assert not any(moved(resting, rests))


def test_only_moving_averages_of_the_resting_network_move():
    gan = compiled(*image_networks())
    before = gradient_weights(gan.discriminator)
    gan.generator_step(ops.convert_to_tensor(FROGS[:8]))
    for old, new in zip(before, gradient_weights(gan.discriminator)):
        np.testing.assert_array_equal(old, new)
    statistics = [v for v in gan.generator.non_trainable_variables if "moving_mean" in v.path]
    assert any(np.abs(np.array(v)).max() > 0 for v in statistics), (
        "the networks are called with training=True"
    )


def training_spy(calls):
    """A layer that passes its input through and notes in `calls` in which mode it was called."""

    class Spy(layers.Layer):
        def call(self, x, training=None):
            calls.append(training)
            return x

    return Spy()


def test_every_call_of_a_half_step_is_a_training_call():
    calls = []
    generator = keras.Sequential(
        [keras.Input((3,)), training_spy(calls), layers.Dense(2)], name="generator"
    )
    discriminator = keras.Sequential(
        [keras.Input((2,)), training_spy(calls), layers.Dense(1)], name="discriminator"
    )
    gan = compiled(generator, discriminator)
    calls.clear()
    gan.discriminator_step(ops.convert_to_tensor(POINTS[:4]))
    gan.generator_step(ops.convert_to_tensor(POINTS[:4]))
    assert calls == [True] * 5  # G, D on real, D on fake; then G, D on fake
    calls.clear()
    gan.sample(4)
    assert calls == [False]


def test_fakes_in_the_discriminators_step_carry_no_gradient():
    fakes = []

    def penalty(discriminator, real_images, fake_images, seed):
        fakes.append(fake_images)
        return 0.0

    gan = compiled(*point_networks(), penalty=penalty)

    def step():
        gan.discriminator_step(ops.convert_to_tensor(POINTS[:4]))
        return ops.sum(fakes[0]), None

    _, _, gradients = autodiff.value_and_gradients(step, gan.generator.trainable_variables)
    assert all(not np.asarray(gradient).any() for gradient in gradients)


def test_both_networks_learn_in_fit():
    gan = compiled(*image_networks())
    before = gradient_weights(gan.discriminator) + gradient_weights(gan.generator)
    gan.fit(FROGS, batch_size=16, epochs=1, verbose=0)
    after = gradient_weights(gan.discriminator) + gradient_weights(gan.generator)
    assert all(not np.array_equal(old, new) for old, new in zip(before, after))


def note_half_steps(gan):
    """A list that each half-step joins: who learns, and on which data."""
    told, first, second = [], gan.discriminator_step, gan.generator_step
    gan.discriminator_step = lambda x: (told.append(("d", np.asarray(x))), first(x))[1]
    gan.generator_step = lambda x: (told.append(("g", np.asarray(x))), second(x))[1]
    return told


@pytest.mark.parametrize("steps", [1, 3])
def test_g_learns_once_after_the_updates_of_d_each_on_data_of_its_own(steps):
    gan = compiled(*point_networks(), discriminator_steps=steps)
    told = note_half_steps(gan)
    gan.update(ops.convert_to_tensor(POINTS[: 4 * steps]))
    assert "".join(who for who, _ in told) == "d" * steps + "g"
    parts = [part for who, part in told if who == "d"]
    np.testing.assert_array_equal(np.concatenate(parts), POINTS[: 4 * steps])
    np.testing.assert_array_equal(told[-1][1], POINTS[:4])


def test_a_subclass_may_change_the_order_and_the_loss_of_g():
    class Feature(training.GAN):
        def update(self, real_images):
            return {**self.generator_step(real_images), **self.discriminator_step(real_images)}

        def judge_generator(self, real_images, fake_images):
            return ops.mean(ops.square(ops.mean(fake_images, 0) - ops.mean(real_images, 0)))

    gan = compiled(*point_networks(), kind=Feature)
    told, real = note_half_steps(gan), ops.convert_to_tensor(POINTS[:32] + 3.0)
    values = [float(gan.update(real)["generator_loss"]) for _ in range(12)]
    assert "".join(who for who, _ in told) == "gd" * 12
    assert values[-1] < 0.9 * values[0]


def test_mixed_precision_keeps_weights_losses_and_samples_in_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        gan = compiled(*image_networks(), run_eagerly=True)
    finally:
        keras.config.set_dtype_policy(before)
    assert gan.discriminator.compute_dtype == "bfloat16"
    logs = gan.fit(FROGS, batch_size=16, epochs=1, verbose=0).history
    assert gan.sample(2, seed=0).dtype == np.float32
    assert all(variable.dtype == "float32" for variable in gan.discriminator.trainable_variables)
    # A loss rounded to bfloat16 would have at most 8 bits.
    last = np.float32(logs["discriminator_loss"][-1])
    assert np.isfinite(last) and last.view(np.uint32) & 0xFFFF


def test_the_step_agrees_with_the_formula_by_hand():
    """One plain gradient step on linear networks, computed with NumPy."""
    generator = keras.Sequential(
        [keras.Input((1,)), layers.Dense(1, use_bias=False)], name="generator"
    )
    discriminator = keras.Sequential(
        [keras.Input((1,)), layers.Dense(1, use_bias=False)], name="discriminator"
    )
    generator.set_weights([np.array([[0.5]])])
    discriminator.set_weights([np.array([[0.8]])])
    gan = training.GAN(generator, discriminator, seed=3)
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    seed = keras.random.SeedGenerator(3)
    z1, z2 = (np.asarray(data.sample_latents(4, 1, seed=seed), "float64") for _ in range(2))
    x = np.array([[1.0], [2.0], [-1.0], [0.5]])
    sigmoid = lambda t: 1 / (1 + np.exp(-t))  # noqa: E731
    fake = 0.5 * z1
    slope_d = np.mean(-(1 - sigmoid(0.8 * x)) * x) + np.mean(sigmoid(0.8 * fake) * fake)
    d = 0.8 - 0.1 * slope_d
    slope_g = np.mean(-(1 - sigmoid(d * 0.5 * z2)) * d * z2)
    logs = gan.update(ops.convert_to_tensor(x, "float32"))
    assert float(discriminator.get_weights()[0][0, 0]) == pytest.approx(d, rel=1e-5)
    assert float(generator.get_weights()[0][0, 0]) == pytest.approx(0.5 - 0.1 * slope_g, rel=1e-5)
    assert float(logs["d_real"]) == pytest.approx(sigmoid(0.8 * x).mean(), rel=1e-5)
    assert float(logs["d_fake"]) == pytest.approx(sigmoid(0.8 * fake).mean(), rel=1e-5)
    expected = np.mean(np.log1p(np.exp(-0.8 * x))) + np.mean(np.log1p(np.exp(0.8 * fake)))
    assert float(logs["discriminator_loss"]) == pytest.approx(expected, rel=1e-5)


@ON_TENSORFLOW  # values are abstract while JAX differentiates
def test_a_loss_of_your_own_sees_the_real_logits():
    seen = []

    def generator_loss(real_logits, fake_logits):
        seen.append((ops.convert_to_numpy(ops.stop_gradient(real_logits)), fake_logits))
        return ops.mean(ops.softplus(real_logits - fake_logits))

    gan = compiled(
        *point_networks(), loss=(losses.non_saturating_discriminator_loss, generator_loss)
    )
    gan.generator_step(ops.convert_to_tensor(POINTS[:4]))
    np.testing.assert_allclose(
        seen[0][0], np.asarray(gan.discriminator(POINTS[:4], training=True)), rtol=1e-5
    )


def test_an_unchanged_batch_norm_network_predicts_the_same_twice():
    gan = compiled(*image_networks())
    gan.fit(FROGS, batch_size=16, verbose=0)
    z = data.sample_latents(6, 5, seed=1)
    together = gan.generate(z)
    np.testing.assert_array_equal(together, gan.generate(z))
    alone = np.concatenate([gan.generate(z[i : i + 1]) for i in range(6)])
    np.testing.assert_allclose(
        together, alone, atol=1e-5
    )  # in inference no sample depends on its batch


@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_fit_refuses_a_frozen_network_before_training(name):
    gan = quick()
    getattr(gan, name).trainable = False
    gan.compile(SGD(0.1), SGD(0.1))
    before = state(gan)
    with pytest.raises(ValueError, match=f"reaches the network '{name}'.* `trainable = True`"):
        gan.fit(GRAY, verbose=0)
    assert equal(before, state(gan))


def test_a_flag_that_changed_after_compile_is_refused_until_the_next_compile():
    gan = quick()
    gan.fit(GRAY[:32], verbose=0)
    gan.discriminator.layers[1].trainable = False
    with pytest.raises(ValueError, match="have changed since compile.* call compile"):
        gan.fit(GRAY[:32], verbose=0)
    gan.compile(SGD(0.1), SGD(0.1), run_eagerly=True)
    before = weights(gan.discriminator)
    gan.fit(GRAY[:32], verbose=0)
    assert moved(before, gan.discriminator) == [False, False, True, True]


def test_a_generator_that_no_gradient_reaches_is_refused():
    generator = keras.Sequential([keras.Input((4,)), layers.Dense(64), layers.Reshape((8, 8, 1))])
    generator.add(layers.Lambda(ops.stop_gradient))
    with pytest.raises(ValueError, match="No gradient reaches the network"):
        compiled(generator, gray_networks()[1]).fit(GRAY, verbose=0)


def test_looking_whether_the_networks_learn_leaves_no_trace():
    gan = compiled(*image_networks())
    before = state(gan)
    gan._check_learning(FROGS[:8])
    assert equal(before, state(gan))


BOUNDED = {
    "activation": lambda: [layers.Flatten(), layers.Dense(1), layers.Activation("sigmoid")],
    "function": lambda: [layers.Flatten(), layers.Dense(1), layers.Lambda(ops.sigmoid)],
    "hard": lambda: [layers.Flatten(), layers.Dense(1, activation="hard_sigmoid")],
    "convolution": lambda: [layers.Conv2D(1, 8, activation="sigmoid"), layers.Flatten()],
    "nested": lambda: [
        keras.Sequential([layers.Flatten(), layers.Dense(1, activation="sigmoid")]),
    ],
    "tanh": lambda: [layers.Flatten(), layers.Dense(1, activation="tanh")],
}


@pytest.mark.parametrize("name", BOUNDED)
def test_a_discriminator_with_bounded_outputs_is_refused(name):
    gan = quick(*BOUNDED[name]())
    before = state(gan)
    with pytest.raises(ValueError, match="ends with a sigmoid.*no activation"):
        gan.fit(GRAY, verbose=0)
    assert equal(before, state(gan))


LEGAL = {
    "convolution": lambda: [layers.Conv2D(1, 8), layers.Flatten()],
    "starts at zero": lambda: [
        layers.Flatten(),
        layers.Dense(16),
        layers.Dense(1, kernel_initializer="zeros"),
    ],
    "spectral": lambda: [layers.Flatten(), layers.SpectralNormalization(layers.Dense(1))],
}


@pytest.mark.parametrize("name", LEGAL)
def test_a_discriminator_with_logits_trains(name):
    gan = quick(*LEGAL[name]())
    before = gradient_weights(gan.discriminator)
    gan.fit(GRAY, verbose=0)
    assert not equal(before, gradient_weights(gan.discriminator))


def test_a_critic_may_end_with_tanh_but_not_with_a_sigmoid():
    quick(*BOUNDED["tanh"](), loss="wasserstein").fit(GRAY, verbose=0)
    with pytest.raises(ValueError, match="ends with a sigmoid"):
        quick(*BOUNDED["hard"](), loss="wasserstein").fit(GRAY, verbose=0)


# --- optimizers ---


def with_optimizers(make, **kwargs):
    keras.utils.set_random_seed(0)
    gan = training.GAN(*gray_networks(), seed=0)
    gan.compile(make(), make(), run_eagerly=True, **kwargs)
    gan.start = gan.discriminator.get_weights()
    gan.fit(GRAY[:128], verbose=0)
    return gan


def test_a_rate_that_warms_up_from_zero_trains():
    warm = keras.optimizers.schedules.PolynomialDecay(0.0, 4, 1e-2)
    gan = with_optimizers(lambda: Adam(warm))
    assert not equal(gan.start, gan.discriminator.get_weights())


def test_accumulated_gradients_train():
    gan = with_optimizers(lambda: SGD(1.0, gradient_accumulation_steps=2))
    assert int(gan.discriminator_optimizer.iterations) == 2  # of four steps
    assert not equal(gan.start, gan.discriminator.get_weights())


def test_scaled_losses_are_refused():
    wrap = keras.optimizers.LossScaleOptimizer
    with pytest.raises(ValueError, match="LossScaleOptimizer.*use the policy mixed_bfloat16"):
        with_optimizers(lambda: wrap(SGD(0.1)))
    keras.config.set_dtype_policy("mixed_float16")
    try:
        pair = gray_networks()
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.raises(ValueError, match="float16.*use the policy mixed_bfloat16"):
        compiled(*pair)


# --- fit ---


def run(steps_per_execution, *, seed=0, epochs=2, **options):
    keras.utils.set_random_seed(5)
    options["steps_per_execution"] = steps_per_execution
    gan = compiled(*point_networks(), seed=seed, **options)
    history = gan.fit(POINTS, batch_size=64, epochs=epochs, verbose=0)
    return history.history, weights(gan.generator)


def test_same_seed_same_run_and_other_seed_other_run():
    options = {"steps_per_execution": 1, "run_eagerly": True, "epochs": 1, "make": SGD}
    (first, w1), (second, w2), (_, w3) = (run(seed=seed, **options) for seed in (0, 0, 1))
    assert first == second and equal(w1, w2) and not equal(w1, w3)


def test_steps_per_execution_changes_nothing_but_speed():
    (one, w1), (five, w5) = run(1), run(5)
    for name in one:
        np.testing.assert_allclose(one[name], five[name], rtol=1e-4)
    for a, b in zip(w1, w5):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_history_holds_the_means_of_an_epoch_and_batch_logs_the_step():
    seen = []
    callback = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(float(logs["d_real"]))
    )
    gan = compiled(*point_networks())
    history = gan.fit(POINTS, batch_size=64, verbose=0, callbacks=[callback])
    assert set(history.history) == {"discriminator_loss", "generator_loss", "d_real", "d_fake"}
    assert len(seen) == 10
    assert history.history["d_real"][0] == pytest.approx(np.mean(seen), rel=1e-4)


def test_an_epoch_shows_each_sample_once_in_the_order_of_seed_and_epoch():
    batches = training.ShuffledBatches(np.arange(103.0)[:, None], 10, seed=1)
    assert len(batches) == 10
    for epoch in (0, 1, 0):
        batches.start(epoch)
        shown = np.concatenate([batches[i] for i in range(10)]).ravel()
        np.testing.assert_array_equal(
            shown, np.random.default_rng((1, epoch)).permutation(103)[:100]
        )


def test_fit_takes_the_order_of_each_epoch_also_from_a_later_one_on():
    gan = quick(seed=5)
    seen = []
    look = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(gan.batches.order)
    )
    for first in (0, 1):
        gan.fit(GRAY, batch_size=200, epochs=3, verbose=0, callbacks=look, initial_epoch=first)
    for order, epoch in zip(seen, (0, 1, 2, 1, 2), strict=True):
        expected = np.random.default_rng((5, epoch)).permutation(200)
        np.testing.assert_array_equal(order, expected)


def test_without_a_seed_the_global_one_makes_a_run_repeatable():
    ends = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        gan = quick(seed=None)
        gan.fit(GRAY, verbose=0)
        ends.append(state(gan))
    assert equal(*ends) and quick(seed=None).seed != gan.seed


class Batches(keras.utils.PyDataset):
    """Batches of an array, and what `wrap` makes of them."""

    def __init__(self, array, size=40, wrap=lambda batch: batch):
        super().__init__()
        self.array, self.size, self.wrap = array, size, wrap

    def __len__(self):
        return -(-len(self.array) // self.size)

    def __getitem__(self, index):
        return self.wrap(self.array[index * self.size : (index + 1) * self.size])


def pipeline(array, size=40, wrap=None):
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices(array).batch(size)
    return batches.map(wrap) if wrap else batches


SOURCES = [Batches, pytest.param(pipeline, marks=ON_TENSORFLOW)]


def with_label(batch):
    return batch, ops.zeros(40)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_data_set_with_labels_trains_as_its_images_do(source, dtype):
    ends = []
    for wrap in (with_label, lambda batch: batch):
        keras.utils.set_random_seed(0)
        gan = quick()
        gan.fit(source(GRAY[:80].astype(dtype), wrap=wrap), verbose=0)
        ends.append(state(gan))
    assert equal(*ends)


@ON_TENSORFLOW
def test_float64_images_train_under_a_penalty_in_a_compiled_step():
    gan = compiled(*gray_networks(), loss="wasserstein", penalty=losses.gradient_penalty)
    history = gan.fit(pipeline(GRAY.astype("float64")), verbose=0).history
    assert np.isfinite(history["discriminator_loss"]).all()


def spoil(image):
    array = GRAY.copy()
    array[image] = np.nan
    return array


CAST = r"\.map\(lambda x: tf.cast\(x, 'float32'\) / 127.5 - 1.0\)"
BROKEN = {
    "NaN": (spoil(5), 20, "received data .* with NaN"),
    "uint8": (((GRAY + 1) * 127.5).astype("uint8"), 40, f"received images of dtype uint8.*{CAST}"),
    "in 0..255": (GRAY * 127.5 + 127.5, 40, f"values from .* to 25.*{CAST}"),
    "in [0, 1]": ((GRAY + 1) / 2, 40, r"values from .*2 \* x - 1"),
    "mapping": ({"image": GRAY, "label": GRAY[:, 0, 0, 0]}, 40, r"'image', 'label'.*\['image'\]"),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_first_batch_of_a_data_set_is_named_with_a_remedy(name, source):
    array, size, message = BROKEN[name]
    if source is Batches and name == "mapping":
        array, source = GRAY, lambda x, n: Batches(x, n, lambda b: {"image": b, "label": b})
    with pytest.raises(ValueError, match=f"(?s){message}"):
        quick().fit(source(array, size), verbose=0)


@pytest.mark.parametrize("source", SOURCES)
def test_a_later_broken_batch_is_the_first_cause_that_is_named(source):
    with pytest.raises(
        FloatingPointError, match="by update 8 of epoch 1. Look first at its images"
    ):
        quick().fit(source(spoil(150), 20), verbose=0)


def test_of_each_batch_of_a_data_set_the_updates_of_d_take_equal_parts():
    gan = quick(discriminator_steps=3)
    told = note_half_steps(gan)
    gan.fit(Batches(GRAY, 91), verbose=0)
    assert [len(part) for who, part in told if who == "d"] == [30] * 6 + [6] * 3


@ON_TENSORFLOW
def test_the_remedies_for_data_sets_work():
    import tensorflow as tf

    pixels = ((GRAY + 1) * 127.5).astype("uint8")
    quick().fit(pipeline(pixels).map(lambda x: tf.cast(x, "float32") / 127.5 - 1.0), verbose=0)
    both = {"image": GRAY, "label": GRAY[:, 0, 0, 0]}
    quick().fit(pipeline(both).map(lambda batch: batch["image"]), verbose=0)
    quick().fit(pipeline(GRAY).repeat(), steps_per_epoch=3, epochs=2, verbose=0)


def test_positional_arguments_are_those_of_keras():
    assert quick().fit(GRAY, None, 64, 2, 0).epoch == [0, 1]


def test_callbacks_come_in_every_form_of_keras_and_all_are_called():
    class Counter(keras.callbacks.Callback):
        callbacks, count = ["mine"], 0

        def on_epoch_end(self, epoch, logs=None):
            Counter.count += 1
            self.shape = self.model.sample(2).shape

    counter = Counter()
    for given in (counter, [counter], (counter,), [[counter]], None):
        quick().fit(GRAY[:32], verbose=0, callbacks=given)
    assert Counter.count == 4 and counter.shape == (2, 8, 8, 1)


def test_sample_is_seeded_and_in_range():
    gan = compiled(*image_networks())
    first = gan.sample(300, seed=1)
    assert first.shape == (300, 8, 8, 3) and np.abs(first).max() <= 1.0
    np.testing.assert_array_equal(first, gan.sample(300, seed=1))
    assert not np.array_equal(first, gan.sample(300, seed=2))


def test_the_package_sets_what_a_keras_json_has_changed(tmp_path):
    (tmp_path / "keras.json").write_text(
        '{"image_data_format": "channels_first", "floatx": "float16"}'
    )
    code = "import gan_utils.training, keras; print(keras.config.image_data_format()"
    code += ", keras.config.floatx(), keras.layers.Dense(1).dtype_policy.name)"
    told, result = run_python(code, KERAS_HOME=str(tmp_path), KERAS_BACKEND=autodiff.BACKEND)
    assert "sets Keras to channels_last and float32" in told
    assert result == "channels_last float32 float32"


def run_python(code, **environment):
    environment = {**os.environ, **environment}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


# --- what keras.Model promises ---


def test_weights_are_saved_and_a_whole_gan_is_refused(tmp_path):
    gan = quick()
    latents = np.ones((3, 4), "float32")
    expected = gan.generate(latents)
    np.testing.assert_allclose(gan.predict(latents, verbose=0), expected, atol=1e-6)
    weights = tmp_path / "gan.weights.h5"
    save = keras.callbacks.ModelCheckpoint(weights, save_weights_only=True)
    gan.fit(GRAY, verbose=0, callbacks=[save])
    other = quick()
    other.load_weights(weights)
    np.testing.assert_array_equal(other.generate(latents), gan.generate(latents))
    for refused in (
        lambda: gan.save(tmp_path / "gan.keras"),
        lambda: keras.models.clone_model(gan),
        lambda: copy.deepcopy(gan),
        lambda: gan.fit(
            GRAY, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(tmp_path / "gan.keras")]
        ),
    ):
        with pytest.raises(NotImplementedError, match=r"Save gan.generator.save\(path\)"):
            refused()


@ON_TENSORFLOW
def test_the_generator_is_exported(tmp_path):
    import tensorflow as tf

    gan = quick()
    gan.generator.export(tmp_path / "generator", verbose=False)
    latents = np.ones((3, 4), "float32")
    loaded = tf.saved_model.load(tmp_path / "generator")
    np.testing.assert_allclose(loaded.serve(latents), gan.generate(latents), atol=1e-6)


def test_what_has_no_meaning_for_a_gan_is_refused():
    gan = quick()
    with pytest.raises(NotImplementedError, match=r"use features.evaluate\(\)"):
        gan.evaluate(GRAY, verbose=0)
    for name in ("validation_data", "validation_split", "class_weight", "sample_weight"):
        with pytest.raises(ValueError, match=f"received {name}"):
            gan.fit(GRAY, verbose=0, **{name: 0.5})
    for callback in (
        keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3),
        keras.callbacks.ReduceLROnPlateau(monitor="d_real"),
        keras.callbacks.SwapEMAWeights(),
    ):
        with pytest.raises(ValueError, match=f"{type(callback).__name__}.*G's optimizer only"):
            gan.fit(GRAY, verbose=0, callbacks=[callback])
    with pytest.raises(ValueError, match="received steps_per_epoch.*passed through once an epoch"):
        gan.fit(GRAY, verbose=0, steps_per_epoch=3)


# --- it learns ---


@pytest.mark.slow
def test_training_on_the_ring_covers_the_modes():
    keras.utils.set_random_seed(0)
    centers = data.ring_centers()
    points, _ = data.sample_modes(20_000, centers, seed=0)
    generator = networks.build_mlp_generator(2, (2,), units=(128, 128), activation=None)
    discriminator = networks.build_mlp_discriminator((2,), units=(128, 128), dropout=0.0)
    gan = compiled(generator, discriminator, learning_rate=1e-3, steps_per_execution=26)
    before = metrics.covered_modes(gan.sample(2000, seed=1), centers, radius=0.15)
    gan.fit(points, batch_size=256, epochs=20, verbose=0)
    covered, good = metrics.covered_modes(gan.sample(2000, seed=1), centers, radius=0.15)
    assert before[0] == 0 and before[1] < 0.05
    assert covered >= 6
    assert good > 0.4


def test_a_wasserstein_gan_moves_towards_the_data():
    keras.utils.set_random_seed(0)
    points, _ = data.sample_modes(6400, data.ring_centers(1, radius=3.0), scale=0.2, seed=0)
    gan = compiled(
        *point_networks((32, 32)),
        learning_rate=2e-3,
        loss="wasserstein",
        penalty=losses.gradient_penalty,
        discriminator_steps=5,
        steps_per_execution=10,
    )
    before = np.linalg.norm(gan.sample(500, seed=0).mean(0) - [3.0, 0.0])
    history = gan.fit(points, batch_size=64, epochs=10, verbose=0).history
    after = np.linalg.norm(gan.sample(500, seed=0).mean(0) - [3.0, 0.0])
    assert before > 2.0 and after < 0.3 * before
    assert (
        abs(history["d_real"][-1] - history["d_fake"][-1]) < 1.0
    )  # the estimated distance shrinks as well


# --- bad input ---


@pytest.mark.parametrize(
    ("generator", "discriminator", "message"),
    [
        ("points", "images", r"makes \[2\] of \[3\], .* of \[8, 8, 3\].*one image size"),
        (
            "points",
            keras.Sequential([keras.Input((2,)), layers.Dense(3)]),
            r"\[3\] of .*Dense\(1\)",
        ),
        ("wrong", "points", r"Latents are \(batch, n\)"),
        ("points", lambda x: x, "not a keras.Model"),
        (None, "points", "not a keras.Model"),
        (keras.Sequential([layers.Dense(2)]), "points", "Start it with keras.Input"),
    ],
)
def test_networks_that_do_not_fit_are_refused(generator, discriminator, message):
    pairs = {"points": point_networks(), "images": image_networks()}
    pairs["wrong"] = [image_networks()[1], None]
    generator = pairs[generator][0] if isinstance(generator, str) else generator
    discriminator = pairs[discriminator][1] if isinstance(discriminator, str) else discriminator
    with pytest.raises(ValueError, match=message):
        training.GAN(generator, discriminator)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(ValueError, match=r"GAN\(\) received seed="):
        training.GAN(*point_networks(), seed=seed)


def test_bad_arguments_of_compile_are_refused():
    gan = training.GAN(*point_networks())
    one, two = Adam(), Adam()
    for args, kwargs, message in (
        (("adam", two), {}, r"received the optimizers \['adam'"),
        ((one, one), {}, "It takes two"),
        ((one, two), {"discriminator_steps": 0}, "at least 1"),
        ((one, two), {"loss": "unknown"}, "It must be one of"),
        ((one, two), {"loss": (np.mean,)}, "pair of functions"),
    ):
        with pytest.raises(ValueError, match=message):
            gan.compile(*args, **kwargs)
    with pytest.raises(ValueError, match="before gan.compile"):
        gan.fit(POINTS)


@pytest.mark.parametrize(
    ("x", "kwargs", "message"),
    [
        ((FROGS + 1) / 2, {}, r"2 \* x - 1 on 0..1"),
        (((FROGS + 1) * 127.5).astype("uint8"), {}, "dtype uint8"),
        (FROGS * 127.5, {}, r"floats in \[-1, 1\]"),
        (np.where(FROGS > 0.9, np.nan, FROGS), {}, "NaN or infinite"),
        (FROGS.astype(object), {}, "dtype object"),
        (FROGS[:0], {}, r"data of shape \(0, 8, 8, 3\)"),
        (FROGS[:, :4], {}, r"D takes \('n', 8, 8, 3\)"),
        (FROGS, {"batch_size": 49}, "use at most 48"),
        (FROGS, {"batch_size": 0}, "at least 1"),
        (FROGS, {"batch_size": 2.5}, "at least 1"),
        (FROGS.tolist(), {"batch_size": None}, "takes a NumPy array.*numpy.asarray"),
        (None, {"batch_size": None}, "takes a NumPy array"),
        (iter(FROGS), {"batch_size": None}, "takes a NumPy array.*PyDataset"),
        (FROGS, {"y": np.zeros(48)}, "received .*y.*no labels"),
    ],
)
def test_bad_data_is_refused_before_any_training(x, kwargs, message):
    gan = compiled(*image_networks())
    before = weights(gan)
    with pytest.raises(ValueError, match=message):
        gan.fit(x, **{"batch_size": 16, "verbose": 0, **kwargs})
    assert not any(moved(before, gan))


@pytest.mark.parametrize("points", [np.full((50, 2), np.inf), np.zeros((50, 3), "float32")])
def test_bad_points_are_refused(points):
    with pytest.raises(ValueError, match="fit().* data .*It expects finite numbers"):
        compiled(*point_networks()).fit(points, batch_size=10, verbose=0)


def test_bad_data_sets_are_refused():
    for x, kwargs, message in (
        (Batches(POINTS[:0]), {}, r"data of shape \(0, 2\)"),
        (Batches(POINTS), {"batch_size": 8}, "received batch_size"),
    ):
        with pytest.raises(ValueError, match=message):
            compiled(*point_networks()).fit(x, verbose=0, **kwargs)


def test_data_must_fill_a_batch_for_each_discriminator_step():
    gan = compiled(*point_networks(), discriminator_steps=5)
    with pytest.raises(ValueError, match="use at most 20"):
        gan.fit(POINTS[:100], batch_size=32)


@pytest.mark.parametrize("shape", [(4, 4), (4,), (0, 3)])
def test_latents_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=r"numbers of shape \(any, 3\)"):
        compiled(*point_networks()).generate(np.zeros(shape, "float32"))


# --- faults ---


@pytest.mark.parametrize("source", [lambda x: x, lambda x: Batches(x, 16)])
def test_a_loss_that_explodes_stops_the_run_and_keeps_the_state_of_before(source):
    gan = training.GAN(*point_networks(), seed=0)
    gan.compile(SGD(1e-2), SGD(1e30), "wasserstein")
    before = [np.array(v) for v in gan.trainable_variables]
    count = []
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_: count.append(1))
    message = r"(?s)NaN or infinite by.*at its images.*are 0.01 and 1e\+30.*an epoch began"
    with pytest.raises(FloatingPointError, match=message):
        gan.fit(source(POINTS), epochs=3, verbose=0, callbacks=[callback])
    assert len(count) < 10  # of 20 and more in the first epoch
    assert equal(before, [np.array(v) for v in gan.trainable_variables])
    assert int(gan.generator_optimizer.iterations) == 0
    assert np.isfinite(gan.sample(4)).all()


def test_after_a_broken_weight_the_last_whole_state_is_back_and_training_goes_on(monkeypatch):
    gan, clock = quick(), iter(range(0, 1000, 2))  # a copy at each epoch
    monkeypatch.setattr(monitors.time, "monotonic", lambda: next(clock))
    kept = []

    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            kept.append([np.array(v) for v in gan.trainable_variables])

        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                weight = gan.discriminator.weights[0]
                weight.assign(np.full(weight.shape, np.nan))

    with pytest.raises(FloatingPointError, match="by update 1 of epoch 3"):
        gan.fit(GRAY, batch_size=100, epochs=4, verbose=0, callbacks=[Spoil()])
    assert equal(kept[1], [np.array(v) for v in gan.trainable_variables])
    logs = gan.fit(GRAY, verbose=0).history
    assert np.isfinite(logs["discriminator_loss"]).all()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_after_an_interruption_the_model_can_be_used(error):
    def stop(batch, logs):
        if batch == 2:
            raise error

    gan = quick()
    with pytest.raises(error):
        gan.fit(GRAY, verbose=0, callbacks=keras.callbacks.LambdaCallback(on_train_batch_end=stop))
    assert np.isfinite(gan.sample(4)).all()
    assert np.isfinite(gan.fit(GRAY, verbose=0).history["generator_loss"]).all()


@ON_TENSORFLOW
def test_replicas_of_a_strategy_are_refused():
    strategy = types.SimpleNamespace(num_replicas_in_sync=2)
    with pytest.raises(ValueError, match="several devices"):
        autodiff.check_one_device(types.SimpleNamespace(distribute_strategy=strategy))


def test_several_devices_are_refused(monkeypatch):
    monkeypatch.setattr(keras.distribution, "distribution", lambda: object())
    with pytest.raises(ValueError, match="several devices.*Leave the distribution strategy out"):
        quick().fit(GRAY, batch_size=32, verbose=0)
