import itertools
import os
import signal
import threading
import types

import keras
import numpy as np
import pytest
from keras import layers, ops

from gan_utils import (
    autodiff,
    data,
    images,
    latents,
    losses,
    metrics,
    networks,
    penalties,
    training,
)

POINTS = data.sample_modes(640, data.ring_centers(), seed=0)[0]
FROGS = images.normalize(np.random.default_rng(0).integers(0, 256, (48, 8, 8, 3), dtype="uint8"))


def point_networks(units=(16,)):
    generator = networks.build_mlp_generator(3, (2,), units=units, activation=None)
    return generator, networks.build_mlp_discriminator((2,), units=units, dropout=0.0)


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


def compiled(generator, discriminator, learning_rate=1e-2, seed=0, **kwargs):
    gan = training.GAN(generator, discriminator, seed=seed)
    gan.compile(
        keras.optimizers.Adam(learning_rate, beta_1=0.5),
        keras.optimizers.Adam(learning_rate, beta_1=0.5),
        **kwargs,
    )
    return gan


def weights(model):
    return [np.array(ops.convert_to_numpy(v)) for v in model.weights]


def moved(before, model):
    return [not np.array_equal(old, new) for old, new in zip(before, weights(model))]


# --- who learns in which half-step -------------------------------------------------------------------------------------------


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
    before = training.gradient_weights(gan.discriminator)
    gan.generator_step(ops.convert_to_tensor(FROGS[:8]))
    for old, new in zip(before, training.gradient_weights(gan.discriminator)):
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


@pytest.mark.parametrize("order", training.ORDERS)
def test_both_networks_learn_in_fit(order):
    gan = compiled(*image_networks(), order=order)
    before = training.gradient_weights(gan.discriminator) + training.gradient_weights(gan.generator)
    gan.fit(FROGS, batch_size=16, epochs=1, verbose=0)
    after = training.gradient_weights(gan.discriminator) + training.gradient_weights(gan.generator)
    assert all(not np.array_equal(old, new) for old, new in zip(before, after))


@pytest.mark.parametrize(
    ("order", "steps", "expected"),
    [
        ("discriminator_first", 1, "dg"),
        ("generator_first", 1, "gd"),
        ("discriminator_first", 3, "dddg"),
        ("generator_first", 3, "gddd"),
        ("simultaneous", 1, "b"),
        ("simultaneous", 3, "ddb"),
    ],
)
def test_order_and_number_of_half_steps(order, steps, expected):
    gan = compiled(*point_networks(), order=order, discriminator_steps=steps)
    called, parts = [], []
    discriminator_step, generator_step = gan.discriminator_step, gan.generator_step
    gan.discriminator_step = lambda x: (
        called.append("d"),
        parts.append(np.asarray(x)),
        discriminator_step(x),
    )[-1]
    gan.generator_step = lambda x: (called.append("g"), generator_step(x))[-1]
    simultaneous_step = gan.simultaneous_step
    gan.simultaneous_step = lambda x: (
        called.append("b"),
        parts.append(np.asarray(x)),
        simultaneous_step(x),
    )[-1]
    gan.adversarial_step(ops.convert_to_tensor(POINTS[: 4 * steps]))
    assert "".join(called) == expected
    np.testing.assert_array_equal(
        np.concatenate(parts), POINTS[: 4 * steps]
    )  # each D step has data of its own


@pytest.mark.parametrize("penalty", [None, penalties.gradient_penalty])
def test_simultaneous_updates_are_the_two_half_steps_from_the_same_weights(penalty):
    """With one draw of latents, each network moves as if it alone had moved."""
    gan = training.GAN(*point_networks(), seed=3)
    loss = "wasserstein" if penalty else "non_saturating"
    gan.compile(
        keras.optimizers.SGD(0.5),
        keras.optimizers.Adam(0.1),
        loss,
        penalty=penalty,
        order="simultaneous",
        log_gradients=True,
    )
    x = ops.convert_to_tensor(POINTS[:16])
    with gan.restored():
        logs_apart = gan.discriminator_step(x)
        discriminator_apart = weights(gan.discriminator)
    with gan.restored():
        logs_apart |= gan.generator_step(x)
        generator_apart = weights(gan.generator)
    logs = gan.simultaneous_step(x)
    for network, apart in (
        (gan.discriminator, discriminator_apart),
        (gan.generator, generator_apart),
    ):
        for value, expected in zip(weights(network), apart):
            np.testing.assert_allclose(value, expected, atol=1e-6)
    assert logs.keys() == logs_apart.keys()
    for name, value in logs.items():
        assert float(value) == pytest.approx(float(logs_apart[name]), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("order", training.ORDERS)
def test_mixed_precision_keeps_weights_losses_and_samples_in_float32(order):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        gan = compiled(*image_networks(), order=order)
    finally:
        keras.config.set_dtype_policy(before)
    assert gan.discriminator.compute_dtype == "bfloat16"
    logs = gan.fit(FROGS, batch_size=16, epochs=4, verbose=0).history
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
    z1, z2 = (np.asarray(latents.sample_latents(4, 1, seed=seed), "float64") for _ in range(2))
    x = np.array([[1.0], [2.0], [-1.0], [0.5]])
    sigmoid = lambda t: 1 / (1 + np.exp(-t))  # noqa: E731
    fake = 0.5 * z1
    slope_d = np.mean(-(1 - sigmoid(0.8 * x)) * x) + np.mean(sigmoid(0.8 * fake) * fake)
    d = 0.8 - 0.1 * slope_d
    slope_g = np.mean(-(1 - sigmoid(d * 0.5 * z2)) * d * z2)
    logs = gan.adversarial_step(ops.convert_to_tensor(x, "float32"))
    assert float(discriminator.get_weights()[0][0, 0]) == pytest.approx(d, rel=1e-5)
    assert float(generator.get_weights()[0][0, 0]) == pytest.approx(0.5 - 0.1 * slope_g, rel=1e-5)
    assert float(logs["d_real"]) == pytest.approx(sigmoid(0.8 * x).mean(), rel=1e-5)
    assert float(logs["d_fake"]) == pytest.approx(sigmoid(0.8 * fake).mean(), rel=1e-5)
    expected = np.mean(np.log1p(np.exp(-0.8 * x))) + np.mean(np.log1p(np.exp(0.8 * fake)))
    assert float(logs["discriminator_loss"]) == pytest.approx(expected, rel=1e-5)


def test_a_loss_of_your_own_sees_the_real_logits():
    seen = []

    def generator_loss(real_logits, fake_logits):
        seen.append((ops.convert_to_numpy(ops.stop_gradient(real_logits)), fake_logits))
        return ops.mean(ops.softplus(real_logits - fake_logits))

    if autodiff.BACKEND == "jax":
        pytest.skip("values are abstract while JAX differentiates")
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
    z = latents.sample_latents(6, 5, seed=1)
    together = gan.generate(z)
    np.testing.assert_array_equal(together, gan.generate(z))
    alone = np.concatenate([gan.generate(z[i : i + 1]) for i in range(6)])
    np.testing.assert_allclose(
        together, alone, atol=1e-5
    )  # in inference no sample depends on its batch


# --- the guard ---------------------------------------------------------------------------------------------------------------


def textbook_pair():
    """compile(D); D.trainable = False; compile(combined): the order of most published examples."""
    generator, discriminator = point_networks()
    discriminator.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    discriminator.trainable = False
    combined = keras.Sequential([keras.Input((3,)), generator, discriminator])
    combined.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    return generator, discriminator, combined


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_guard_sees_that_the_textbook_order_never_trains_the_discriminator():
    generator, discriminator, _ = textbook_pair()
    with pytest.raises(RuntimeError, match="'discriminator' stands still"):
        with training.freeze_guard(learning=discriminator, frozen=generator):
            discriminator.train_on_batch(POINTS[:16], np.ones((16, 1)))


def test_guard_sees_a_discriminator_that_learns_in_the_generators_step():
    generator, discriminator, combined = textbook_pair()
    discriminator.trainable = True
    with pytest.raises(
        RuntimeError, match="'discriminator' moves by up to .* in the half-step of 'generator'"
    ):
        with training.freeze_guard(learning=generator, frozen=discriminator):
            combined.train_on_batch(np.ones((16, 3), "float32"), np.ones((16, 1)))


def test_guard_lets_the_switched_flag_pass():
    generator, discriminator, combined = textbook_pair()
    discriminator.trainable = True
    with training.freeze_guard(learning=discriminator, frozen=generator):
        discriminator.train_on_batch(POINTS[:16], np.ones((16, 1)))
    discriminator.trainable = False
    with training.freeze_guard(learning=generator, frozen=discriminator):
        combined.train_on_batch(np.ones((16, 3), "float32"), np.ones((16, 1)))


def test_guard_names_a_network_that_became_nan():
    generator, discriminator = point_networks()
    with pytest.raises(RuntimeError, match="'discriminator' became NaN"):
        with training.freeze_guard(learning=discriminator, frozen=generator):
            discriminator.set_weights([w * np.nan for w in discriminator.get_weights()])


@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_fit_refuses_a_frozen_network_before_training(name):
    gan = compiled(*point_networks())
    getattr(gan, name).trainable = False
    before = weights(gan)
    with pytest.raises((RuntimeError, ValueError), match=name):
        gan.fit(POINTS, batch_size=32, verbose=0)
    assert not any(moved(before, gan))


def test_the_guard_of_fit_leaves_no_trace():
    gan = compiled(*image_networks())
    variables = (
        gan.variables + gan.generator_optimizer.variables + gan.discriminator_optimizer.variables
    )
    before = [np.array(v) for v in variables]
    gan._guard_half_steps(FROGS[:8])
    assert all(np.array_equal(old, v) for old, v in zip(before, variables))


# --- fit ---------------------------------------------------------------------------------------------------------------------


def run(steps_per_execution=1, seed=0, epochs=2):
    keras.utils.set_random_seed(5)
    gan = compiled(*point_networks(), seed=seed, steps_per_execution=steps_per_execution)
    history = gan.fit(POINTS, batch_size=64, epochs=epochs, verbose=0)
    return history.history, weights(gan.generator)


def test_same_seed_same_run_and_other_seed_other_run():
    (first, w1), (second, w2), (_, w3) = run(), run(), run(seed=1)
    assert first == second
    assert all(np.array_equal(a, b) for a, b in zip(w1, w2))
    assert not all(np.array_equal(a, b) for a, b in zip(w1, w3))


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


def test_an_epoch_shows_each_sample_once_in_a_new_order():
    batches = training.ShuffledBatches(np.arange(103.0)[:, None], 10, seed=1)
    epochs = []
    for _ in range(2):
        epochs.append(np.concatenate([batches[i] for i in range(len(batches))]).ravel())
        batches.on_epoch_end()
    assert len(batches) == 10
    assert all(len(np.unique(epoch)) == 100 for epoch in epochs)
    assert not np.array_equal(epochs[0], np.sort(epochs[0])) and not np.array_equal(*epochs)


class Pairs(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return POINTS[index * 32 : (index + 1) * 32], np.zeros(32)


def test_a_pydataset_with_labels_trains():
    gan = compiled(*point_networks())
    before = weights(gan.discriminator)
    gan.fit(Pairs(), verbose=0)
    assert all(moved(before, gan.discriminator))


@pytest.mark.skipif(autodiff.BACKEND != "tensorflow", reason="tf.data needs TensorFlow")
def test_a_tf_data_pipeline_trains():
    import tensorflow as tf

    gan = compiled(*point_networks())
    before = weights(gan.discriminator)
    gan.fit(tf.data.Dataset.from_tensor_slices(POINTS).batch(64), verbose=0)
    assert all(moved(before, gan.discriminator))


def test_weights_survive_saving(tmp_path):
    gan = compiled(*image_networks())
    gan.fit(FROGS, batch_size=16, verbose=0)
    gan.save_weights(tmp_path / "gan.weights.h5")
    other = compiled(*image_networks())
    other.load_weights(tmp_path / "gan.weights.h5")
    np.testing.assert_array_equal(gan.sample(3, seed=0), other.sample(3, seed=0))


def test_sample_is_seeded_and_in_range():
    gan = compiled(*image_networks())
    first = gan.sample(300, seed=1)
    assert first.shape == (300, 8, 8, 3) and np.abs(first).max() <= 1.0
    np.testing.assert_array_equal(first, gan.sample(300, seed=1))
    assert not np.array_equal(first, gan.sample(300, seed=2))


# --- it learns ---------------------------------------------------------------------------------------------------------------


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
        penalty=penalties.gradient_penalty,
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


# --- unrolled GAN ------------------------------------------------------------------------------------------------------------


def line_network(weight, name):
    """`x -> weight * x` on a line."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)], name=name)
    model.set_weights([np.array([[weight]], "float32")])
    return model


def looked_ahead_loss(theta, psi, real, optimizer, num_steps):
    """G's loss of the two-parameter GAN G(1) = theta, D(x) = psi x after updates of D, each derivative by hand."""

    def sigmoid(t):
        return 1 / (1 + np.exp(-t))

    momentum = velocity = 0.0
    for step in range(1, num_steps + 1):
        slope = -sigmoid(-psi * real) * real + sigmoid(psi * theta) * theta
        if optimizer == "sgd":
            psi -= 0.3 * slope
        else:
            momentum += 0.5 * (slope - momentum)
            velocity += 0.001 * (slope**2 - velocity)
            psi -= (
                0.1
                * np.sqrt(1 - 0.999**step)
                / (1 - 0.5**step)
                * momentum
                / (np.sqrt(velocity) + 1e-7)
            )
    return np.log1p(np.exp(-psi * theta))


@pytest.mark.parametrize("num_steps", [1, 3])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_the_look_ahead_is_differentiated_through_every_step_of_d(name, num_steps):
    optimizer = (
        keras.optimizers.SGD(0.3) if name == "sgd" else keras.optimizers.Adam(0.1, beta_1=0.5)
    )
    generator, discriminator = line_network(0.7, "generator"), line_network(0.4, "discriminator")
    gan = training.GAN(generator, discriminator, seed=0)
    gan.compile(keras.optimizers.SGD(1.0), optimizer, unrolled_steps=num_steps)
    latent, real = ops.convert_to_tensor([[1.0]]), ops.convert_to_tensor([[0.5]])

    def loss():
        fake = generator(latent, training=True)
        return ops.mean(ops.softplus(-gan.look_ahead(real, fake)(fake, training=True))), None

    value, _, (gradient,) = autodiff.value_and_gradients(loss, generator.trainable_variables)
    expected = [
        looked_ahead_loss(0.7 + shift, 0.4, 0.5, name, num_steps) for shift in (-1e-5, 0.0, 1e-5)
    ]
    assert float(value) == pytest.approx(expected[1], rel=1e-4)
    assert float(gradient[0][0]) == pytest.approx((expected[2] - expected[0]) / 2e-5, rel=1e-3)
    if (name, num_steps) == ("adam", 1):
        return  # the first step of Adam is the sign of the slope times the rate: it does not depend on theta
    # Without the path through D's updates the slope is another one.
    psi = -np.log(np.expm1(expected[1])) / 0.7
    assert float(gradient[0][0]) != pytest.approx(-psi / (1 + np.exp(psi * 0.7)), rel=1e-2)


def test_the_look_ahead_takes_the_steps_of_adam_itself():
    gan = compiled(*point_networks(), unrolled_steps=2)
    real = ops.convert_to_tensor(POINTS[:32])
    for _ in range(3):  # averages that are not zero
        gan.discriminator_step(real)
    fakes = gan.generator(latents.sample_latents(32, 3, seed=0), training=True)
    ahead = ops.convert_to_numpy(gan.look_ahead(real, fakes)(real, training=True))

    def loss():
        logits = (gan.discriminator(images, training=True) for images in (real, fakes))
        return gan.discriminator_loss(*logits), None

    with gan.restored():
        for _ in range(2):
            variables = gan.discriminator.trainable_variables
            gradients = autodiff.value_and_gradients(loss, variables)[2]
            gan.discriminator_optimizer.apply(gradients, variables)
        np.testing.assert_allclose(
            ahead, ops.convert_to_numpy(gan.discriminator(real)), rtol=1e-4, atol=1e-5
        )


def test_the_look_ahead_leaves_the_discriminator_and_its_optimizer_as_they_are():
    gan = compiled(*image_networks(), unrolled_steps=2)
    before, state = (
        weights(gan.discriminator),
        [np.array(v) for v in map(ops.convert_to_numpy, gan.discriminator_optimizer.variables)],
    )
    generator = weights(gan.generator)
    gan.generator_step(ops.convert_to_tensor(FROGS[:8]))
    assert not any(moved(before, gan.discriminator))
    assert all(
        np.array_equal(a, ops.convert_to_numpy(b))
        for a, b in zip(state, gan.discriminator_optimizer.variables)
    )
    assert any(moved(generator, gan.generator))


def test_an_unrolled_gan_trains_with_a_penalty():
    gan = compiled(*point_networks(), unrolled_steps=2, penalty=penalties.gradient_penalty)
    history = gan.fit(POINTS, batch_size=64, epochs=2, verbose=0).history
    assert np.isfinite(history["generator_loss"]).all()


@pytest.mark.parametrize("steps", [-1, 1.5])
def test_bad_unrolled_steps_are_refused(steps):
    with pytest.raises(ValueError, match="an int of at least 0"):
        compiled(*point_networks(), unrolled_steps=steps)


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.RMSprop(),
        keras.optimizers.SGD(0.1, 0.9),
        keras.optimizers.Adam(clipnorm=1.0),
    ],
)
def test_optimizers_that_the_look_ahead_does_not_know_are_refused(optimizer):
    gan = training.GAN(*point_networks())
    with pytest.raises(ValueError, match="knows the updates of plain SGD and of plain Adam"):
        gan.compile(keras.optimizers.Adam(), optimizer, unrolled_steps=1)


def test_gradient_lengths_are_logged_on_request():
    gan = compiled(*point_networks(), log_gradients=True)
    history = gan.fit(POINTS, batch_size=64, epochs=1, verbose=0).history
    assert history["discriminator_gradient"][0] > 0 and history["generator_gradient"][0] > 0
    real = ops.convert_to_tensor(POINTS[:64])
    gan.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5), log_gradients=True)
    before = gan.generator.get_weights()
    length = float(gan.generator_step(real)["generator_gradient"])
    change = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(before, gan.generator.get_weights())))
    assert change == pytest.approx(0.5 * length, rel=1e-4)


# --- bad input ---------------------------------------------------------------------------------------------------------------


def sigmoid_discriminator():
    return keras.Sequential(
        [keras.Input((2,)), layers.Dense(1, activation="sigmoid")], name="critic"
    )


@pytest.mark.parametrize(
    ("generator", "discriminator", "message"),
    [
        (point_networks()[0], sigmoid_discriminator(), "ends with a sigmoid"),
        (
            point_networks()[0],
            keras.Sequential([keras.Input((2,)), layers.Dense(1), layers.Activation("sigmoid")]),
            "ends with a sigmoid",
        ),
        (
            point_networks()[0],
            keras.Sequential([keras.Input((2,)), sigmoid_discriminator()], name="nested"),
            "ends with a sigmoid",
        ),
        (point_networks()[0], image_networks()[1], "Both must be one shape"),
        (
            point_networks()[0],
            keras.Sequential([keras.Input((2,)), layers.Dense(3)]),
            "one logit an image",
        ),
        (image_networks()[1], point_networks()[1], "It must take latents"),
    ],
)
def test_networks_that_do_not_fit_are_refused(generator, discriminator, message):
    with pytest.raises(ValueError, match=message):
        training.GAN(generator, discriminator)


def test_bad_arguments_of_compile_are_refused():
    gan = training.GAN(*point_networks())
    one, two = keras.optimizers.Adam(), keras.optimizers.Adam()
    for args, kwargs, message in (
        (("adam", two), {}, "generator_optimizer='adam'"),
        ((one, one), {}, "needs its own"),
        ((one, two), {"discriminator_steps": 0}, "at least 1"),
        ((one, two), {"order": "both"}, "It must be one of"),
        ((one, two), {"loss": "unknown"}, "It must be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            gan.compile(*args, **kwargs)
    with pytest.raises(ValueError, match="before compile"):
        gan.fit(POINTS)


@pytest.mark.parametrize(
    ("x", "kwargs", "message"),
    [
        ((FROGS + 1) / 2, {}, "no negative value"),
        (((FROGS + 1) * 127.5).astype("uint8"), {}, "dtype uint8"),
        (FROGS * 127.5, {}, r"floats in \[-1, 1\]"),
        (np.where(FROGS > 0.9, np.nan, FROGS), {}, "NaN or infinite"),
        (FROGS[:0], {}, "n at least 1"),
        (FROGS[:, :4], {}, r"takes \(n, 8, 8, 3\)"),
        (FROGS, {"batch_size": 49}, "batch size of at most 48"),
        (FROGS, {"batch_size": 0}, "at least 1"),
        (FROGS.tolist(), {}, "It takes a NumPy array"),
        (FROGS, {"y": np.zeros(48)}, "learns from images alone"),
    ],
)
def test_bad_data_is_refused_before_any_training(x, kwargs, message):
    gan = compiled(*image_networks())
    before = weights(gan)
    with pytest.raises(ValueError, match=message):
        gan.fit(x, **{"batch_size": 16, "verbose": 0, **kwargs})
    assert not any(moved(before, gan))


@pytest.mark.parametrize("points", [np.full((50, 2), np.inf), np.zeros((50, 2), "int64")])
def test_bad_points_are_refused(points):
    with pytest.raises(ValueError, match="It must hold finite floats"):
        compiled(*point_networks()).fit(points, batch_size=10, verbose=0)


def test_bad_data_sets_are_refused():
    class Empty(Pairs):
        def __len__(self):
            return 0

    for x, steps, kwargs, message in (
        (Empty(), 1, {}, "at least one batch"),
        (Pairs(), 3, {}, "must be a multiple"),
        (Pairs(), 1, {"batch_size": 8}, "goes with a NumPy array only"),
    ):
        with pytest.raises(ValueError, match=message):
            compiled(*point_networks(), discriminator_steps=steps).fit(x, verbose=0, **kwargs)


def test_data_must_fill_a_batch_for_each_discriminator_step():
    gan = compiled(*point_networks(), discriminator_steps=5)
    with pytest.raises(ValueError, match="at most 20, or more data"):
        gan.fit(POINTS[:100], batch_size=32)


@pytest.mark.parametrize("shape", [(4, 4), (4,), (0, 3)])
def test_latents_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=r"takes \(n, 3\)"):
        compiled(*point_networks()).generate(np.zeros(shape, "float32"))


def test_after_fit_the_generator_holds_the_average_of_its_weights():
    gan = training.GAN(*point_networks(), seed=0)
    averaging = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    gan.compile(averaging, keras.optimizers.SGD(0.1))
    seen = []

    class Remember(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            autodiff.sync_variables(gan)
            seen.append(training.gradient_weights(gan.generator))

    gan.fit(POINTS[:192], batch_size=64, verbose=0, callbacks=[Remember()])
    expected = seen[0]  # Keras begins with the weights after the first update
    for weights_then in seen[1:]:
        expected = [0.5 * average + 0.5 * weight for average, weight in zip(expected, weights_then)]
    for value, average in zip(training.gradient_weights(gan.generator), expected):
        np.testing.assert_allclose(value, average, atol=1e-6)


# --- faults ------------------------------------------------------------------------------------------------------------------


class After(keras.callbacks.Callback):
    """Calls a function once, at the end of a given update of a given epoch."""

    def __init__(self, epoch, batch, function):
        super().__init__()
        self.when, self.function, self.epoch = (epoch, batch), function, 0
        self.batches_seen = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.batches_seen += 1
        if (self.epoch, batch) == self.when:
            self.function()


@pytest.mark.parametrize("order", training.ORDERS)
def test_a_loss_that_explodes_stops_the_run_and_keeps_the_weights_of_before(order):
    gan = training.GAN(*point_networks(), seed=0)
    gan.compile(keras.optimizers.SGD(1e-2), keras.optimizers.SGD(1e30), "wasserstein", order=order)
    before = weights(gan.discriminator) + weights(gan.generator)
    gan.guarded = True  # the guard would see it already
    seen = After(0, 10**9, None)
    with pytest.raises(
        FloatingPointError,
        match=r"(?s)must stay finite.*learning rates.*1e\+30 for D.*fit\(\) again",
    ):
        gan.fit(POINTS, batch_size=16, epochs=3, verbose=0, callbacks=[seen])
    assert seen.batches_seen < 10  # of 40 in the first epoch
    for old, new in zip(before, weights(gan.discriminator) + weights(gan.generator)):
        np.testing.assert_array_equal(old, new)
    assert np.isfinite(gan.sample(4)).all()


def test_a_broken_weight_is_found_at_the_next_epoch_and_training_can_go_on(monkeypatch):
    gan = compiled(*point_networks())
    clock = types.SimpleNamespace(monotonic=itertools.count(0, 2).__next__)  # a copy at each epoch
    monkeypatch.setattr(training, "time", clock)

    class Spoil(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                weight = gan.discriminator.weights[0]
                weight.assign(np.full(weight.shape, np.nan))

    with pytest.raises(FloatingPointError, match="before epoch 2"):
        gan.fit(POINTS, batch_size=64, epochs=4, verbose=0, callbacks=[Spoil()])
    assert all(np.isfinite(value).all() for value in weights(gan.discriminator))
    logs = gan.fit(POINTS, batch_size=64, epochs=1, verbose=0).history
    assert np.isfinite(logs["discriminator_loss"]).all()


def test_an_interruption_waits_for_the_end_of_the_update_and_leaves_a_usable_model():
    gan = compiled(*image_networks())
    gan.fit(FROGS, batch_size=16, epochs=1, verbose=0)
    before, handler = gan.sample(4, seed=1), signal.getsignal(signal.SIGINT)
    first = int(gan.generator_optimizer.iterations)
    after = After(2, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        gan.fit(FROGS, batch_size=16, epochs=50, verbose=0, callbacks=[after])
    assert signal.getsignal(signal.SIGINT) is handler
    # The callback saw the update in which the signal came and raised at the end of the next one.
    assert int(gan.generator_optimizer.iterations) - first == after.batches_seen + 1 == 3 * 2 + 3
    assert not np.array_equal(gan.sample(4, seed=1), before)
    assert np.isfinite(
        gan.fit(FROGS, batch_size=16, epochs=1, verbose=0).history["generator_loss"]
    ).all()


def test_an_interruption_at_any_moment_leaves_a_usable_model():
    gan = compiled(*image_networks())
    gan.fit(FROGS, batch_size=16, epochs=1, verbose=0)
    for delay in np.random.default_rng(0).uniform(0.05, 0.3, size=5):
        timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            gan.fit(FROGS, batch_size=16, epochs=100_000, verbose=0)
        timer.join()
        assert np.isfinite(gan.sample(4)).all()
