import functools

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy import stats

from gan_utils import autodiff, losses

REAL = np.array([[2.0], [-1.0], [0.5]], "float32")
FAKE = np.array([[-3.0], [0.25], [1.0]], "float32")


def cross_entropy(logits, label, **kwargs):
    return float(
        keras.losses.BinaryCrossentropy(from_logits=True, **kwargs)(
            np.full_like(logits, label), logits
        )
    )


def test_discriminator_loss_is_binary_cross_entropy_with_real_one_and_fake_zero():
    expected = cross_entropy(REAL, 1.0) + cross_entropy(FAKE, 0.0)
    assert float(losses.non_saturating_discriminator_loss(REAL, FAKE)) == pytest.approx(
        expected, rel=1e-6
    )


@pytest.mark.parametrize("smoothing", [0.05, 0.2])
def test_label_smoothing_is_that_of_keras(smoothing):
    pairs = ((REAL, 1.0), (FAKE, 0.0))
    expected = sum(cross_entropy(*pair, label_smoothing=smoothing) for pair in pairs)
    found = float(losses.non_saturating_discriminator_loss(REAL, FAKE, label_smoothing=smoothing))
    assert found == pytest.approx(expected, rel=1e-6)


def test_generator_losses_by_their_definition():
    d_fake = 1.0 / (1.0 + np.exp(-FAKE.astype("float64")))
    found = float(losses.non_saturating_generator_loss(REAL, FAKE))
    assert found == pytest.approx(-np.log(d_fake).mean(), rel=1e-6)


def test_wasserstein_losses_by_hand():
    real, fake = np.full((4, 1), 3.0), np.full((4, 1), 1.0)
    assert float(losses.wasserstein_discriminator_loss(real, fake)) == pytest.approx(-2.0)
    assert float(losses.wasserstein_generator_loss(real, 1.5 * fake)) == pytest.approx(-1.5)


def test_values_at_the_start_and_at_equilibrium():
    zeros = np.zeros((5, 1), "float32")
    for loss, value in (
        (losses.non_saturating_discriminator_loss, 2 * np.log(2)),
        (losses.non_saturating_generator_loss, np.log(2)),
    ):
        assert float(loss(zeros, zeros)) == pytest.approx(value, rel=1e-6)


def slope(loss, variable):
    """Value of `loss()` and its gradient."""
    value, _, (gradient,) = autodiff.value_and_gradients(lambda: (loss(), None), [variable])
    return float(value), np.asarray(gradient)


@pytest.mark.parametrize("family", losses.FAMILIES)
@pytest.mark.parametrize("logit", [-500.0, 500.0])
def test_extreme_logits_stay_finite_with_finite_gradients(family, logit):
    logits = keras.Variable(np.full((3, 1), logit, "float32"))
    for loss in losses.get(family):
        value, gradient = slope(lambda f=loss: f(logits.value, -logits.value), logits)
        assert np.isfinite(value) and np.isfinite(gradient).all()


def test_gradient_of_the_discriminator_loss_agrees_with_finite_differences():
    logits = keras.Variable(REAL)
    loss = losses.non_saturating_discriminator_loss
    _, gradient = slope(lambda: loss(logits.value, FAKE), logits)
    real, step = REAL.astype("float64"), 1e-5
    moved = (np.log1p(np.exp(-(real + sign * step))) for sign in (1, -1))
    expected = np.subtract(*moved) / (2 * step) / len(REAL)
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("family", losses.FAMILIES)
@pytest.mark.parametrize(
    "shapes", [((3,), (3, 1)), ((3, 1), (3,)), ((3, 2), (3, 2)), ((3, 1), (4, 1)), ((), ())]
)
def test_nothing_is_broadcast_in_silence(family, shapes):
    for loss in losses.get(family):
        with pytest.raises(ValueError, match=r"Both must be floats of one shape, \(batch, 1\)"):
            loss(*(np.zeros(shape, "float32") for shape in shapes))


@pytest.mark.parametrize("family", losses.FAMILIES)
def test_two_precisions_are_compared_in_one(family):
    for loss in losses.get(family):
        expected = float(loss(REAL, FAKE))
        for pair in (
            (REAL.astype("float64"), FAKE),
            (REAL, ops.convert_to_tensor(FAKE.astype("float64"))),
        ):
            assert float(loss(*pair)) == pytest.approx(expected, rel=1e-6)
        with pytest.raises(ValueError, match="received int64 of shape"):
            loss(REAL.astype("int64"), FAKE)


def trace(function):
    """The compiled function; on TensorFlow for inputs of unknown lengths."""
    if autodiff.BACKEND == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, input_signature=[tf.TensorSpec((None, None))] * 2)


def test_shapes_are_checked_while_a_step_is_traced():
    loss, ones = losses.wasserstein_discriminator_loss, np.ones((3, 2), "float32")
    compiled = trace(lambda real, fake: loss(real[:, :1], fake[:, :1]))
    assert float(compiled(3.0 * ones, ones)) == -2.0
    with pytest.raises(ValueError, match="The loss received float32 of shape"):
        trace(lambda real, fake: loss(real[:, 0], fake))(ones, ones)


def test_get_takes_a_pair_and_refuses_the_rest():
    pair = losses.get("wasserstein")
    assert losses.get(pair) == pair
    for bad in ("hinge?", None, (1, 2), pair[:1]):
        with pytest.raises(ValueError, match="It must be one of"):
            losses.get(bad)


RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 2)).astype("float32")
Z = RNG.normal(size=(6, 2)).astype("float32") + 3.0


def linear(weights):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, use_bias=False)])
    model.set_weights([np.array(weights, "float32").reshape(2, 1)])
    return model


@pytest.mark.parametrize("weights", [(3.0, 4.0), (0.6, 0.8), (0.1, 0.0)])
def test_penalty_of_a_linear_critic(weights):
    expected = 10.0 * (np.hypot(*weights) - 1.0) ** 2
    assert float(losses.gradient_penalty(linear(weights), X, Z)) == pytest.approx(
        expected, abs=1e-4
    )


def test_gradient_of_the_penalty_of_a_linear_critic():
    critic = linear((3.0, 4.0))  # d/dw 10 (|w| - 1)^2 = 20 (|w| - 1) w / |w| = 80 (0.6, 0.8)
    penalty = functools.partial(losses.gradient_penalty, critic, X, Z)
    _, gradient = slope(penalty, critic.trainable_variables[0])
    np.testing.assert_allclose(gradient[:, 0], [48.0, 64.0], rtol=1e-4)


def test_penalty_stays_differentiable_where_the_slope_is_zero():
    critic = linear((0.0, 0.0))
    penalty = functools.partial(losses.gradient_penalty, critic, X, Z)
    value, gradient = slope(penalty, critic.trainable_variables[0])
    assert value == pytest.approx(10.0, rel=1e-4)
    assert np.isfinite(gradient).all()


class Spy:
    """A critic that keeps the points at which it is asked."""

    name, layers = "spy", ()

    def __call__(self, x, training):
        self.points = ops.convert_to_numpy(ops.stop_gradient(x))
        return ops.sum(x, axis=-1, keepdims=True)


@pytest.mark.skipif(
    autodiff.BACKEND == "jax", reason="the points are abstract while JAX differentiates"
)
def test_interpolation_weights_are_uniform_and_one_per_sample():
    spy, n = Spy(), 4000
    real, fake = np.ones((n, 3), "float32"), np.zeros((n, 3), "float32")
    losses.gradient_penalty(spy, real, fake, seed=1)
    epsilon = spy.points
    assert (epsilon == epsilon[:, :1]).all(), "one weight for all coordinates of a sample"
    assert epsilon.min() >= 0.0 and epsilon.max() <= 1.0, "N(0, 1) would leave the segment"
    assert stats.kstest(epsilon[:, 0], "uniform").pvalue > 1e-3


def test_interpolation_weights_stay_in_the_segment_by_their_effect():
    # D(x) = x^2 / 2 has slope x. Between fake = 0 and real = 1 the slope is e itself, so the
    # penalty is 10 E (e - 1)^2: 10 / 3 for e ~ U[0, 1], but 20 for e ~ N(0, 1).
    class Square:
        name, layers = "square", ()

        def __call__(self, x, training):
            return 0.5 * x * x

    n = 20000
    real, fake = ops.ones((n, 1)), ops.zeros((n, 1))
    found = float(losses.gradient_penalty(Square(), real, fake, seed=1))
    assert found == pytest.approx(10 / 3, abs=0.1)


def test_penalty_norm_runs_over_all_pixels_of_each_sample():
    # Slope 1 in each of 3 * 4 pixels: length sqrt(12). A wrong axis would give sqrt(3), 2 or 1.
    dense = layers.Dense(1, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((3, 4, 1)), layers.Flatten(), dense])
    images = np.zeros((5, 3, 4, 1), "float32")
    found = float(losses.gradient_penalty(model, images, images + 1.0))
    assert found == pytest.approx(10.0 * (np.sqrt(12.0) - 1.0) ** 2, rel=1e-4)


def test_same_seed_same_penalty():
    keras.utils.set_random_seed(0)
    critic = keras.Sequential(
        [keras.Input((2,)), layers.Dense(8, activation="tanh"), layers.Dense(1)]
    )
    draws = (losses.gradient_penalty(critic, X, Z, seed=seed) for seed in (1, 1, 2))
    first, second, other = map(float, draws)
    assert first == second != other


def test_penalty_takes_two_precisions():
    expected = float(losses.gradient_penalty(linear((1.0, 2.0)), X, Z, seed=1))
    found = losses.gradient_penalty(linear((1.0, 2.0)), X.astype("float64"), Z, seed=1)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("fakes", [Z[:, :1], Z[:5], np.zeros((6, 3), "float32"), Z > 0])
def test_penalty_refuses_images_that_do_not_fit(fakes):
    for pair in ((X, fakes), (fakes, X)):
        with pytest.raises(ValueError, match="floats of one shape, .*as many fakes"):
            losses.gradient_penalty(linear((1.0, 1.0)), *pair)


def test_second_derivative_through_rms_normalisation_is_that_of_pytorch():
    stack = [layers.Dense(3, "tanh"), layers.RMSNormalization(), layers.Dense(1)]
    critic = keras.Sequential([keras.Input((2,)), *stack])
    weights = [[[0.5, -1.0, 0.25], [1.5, 0.75, -0.5]], [0.1, -0.2, 0.3], [1.0, 0.5, -1.5]]
    weights += [[[1.0], [-2.0], [0.5]], [0.0]]
    critic.set_weights([np.array(value) for value in weights])
    x = np.array([[1.0, -0.5], [0.25, 2.0], [-1.5, 0.75]], "float32")
    value, _, gradients = autodiff.value_and_gradients(
        lambda: (losses.gradient_penalty(critic, x, x), None), critic.trainable_variables
    )
    expected = [  # PyTorch 2.13.0, in float64
        [[64.01128, 2.7182663, -41.769147], [0.11717036, 4.1957741, 3.1560895]],
        [-18.149214, 5.3148906, 1.1600847],
        [38.507048, 21.286775, -1.07824],
        [[38.507048], [-5.3216938], [3.23472]],
        [0.0],
    ]
    assert float(value) == pytest.approx(16.641694, rel=1e-5)
    for found, value in zip(gradients, expected):
        np.testing.assert_allclose(np.asarray(found), value, rtol=1e-4, atol=1e-4)


class Block(layers.Layer):
    """A layer that holds others in an attribute and in a list."""

    def __init__(self, inner):
        super().__init__()
        self.first, self.others = layers.Dense(4), [inner]

    def build(self, input_shape):
        self.built = True

    def call(self, x):
        return self.others[0](self.first(x))


WRAPPED = {
    "plain": lambda norm: norm,
    "in a model": lambda norm: keras.Sequential([layers.Dense(4), norm]),
    "in a wrapper": lambda norm: layers.TimeDistributed(norm),
    "in a layer": lambda norm: Block(norm),
    "deeper": lambda norm: keras.Sequential([Block(keras.Sequential([norm]))]),
}


@pytest.mark.parametrize("place", WRAPPED)
@pytest.mark.parametrize("name", ["Batch", "Layer", "Group", "RMS"])
def test_which_normalisation_is_refused(name, place):
    options = {"groups": 2} if name == "Group" else {}
    norm = getattr(layers, f"{name}Normalization")(**options)
    critic = keras.Sequential([layers.Dense(4), WRAPPED[place](norm), layers.Dense(1)])
    x = np.ones((3, 2, 4), "float32") if place == "in a wrapper" else np.ones((3, 4), "float32")
    if name == "RMS" or (name != "Batch" and autodiff.BACKEND == "jax"):
        losses._check_normalization(critic)
    else:
        with pytest.raises(
            ValueError, match=f"with {name}Normalization. .* expects no batch .*RMSNormalization"
        ):
            losses.gradient_penalty(critic, x, x)
