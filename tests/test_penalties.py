import keras
import numpy as np
import pytest
from keras import layers, ops

from gan_utils import autodiff, penalties

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(6, 2)).astype("float32")
FAKE = RNG.normal(size=(6, 2)).astype("float32") + 3.0


def linear(weights):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, use_bias=False)])
    model.set_weights([np.array(weights, "float32").reshape(2, 1)])
    return model


@pytest.mark.parametrize("weights", [(3.0, 4.0), (0.6, 0.8), (0.1, 0.0)])
def test_penalty_of_a_linear_critic(weights):
    expected = 10.0 * (np.hypot(*weights) - 1.0) ** 2
    assert float(penalties.gradient_penalty(linear(weights), REAL, FAKE)) == pytest.approx(expected, abs=1e-4)


def test_gradient_of_the_penalty_of_a_linear_critic():
    critic = linear((3.0, 4.0))  # d/dw 10 (|w| - 1)^2 = 20 (|w| - 1) w / |w| = 80 (0.6, 0.8)
    _, _, (gradient,) = autodiff.value_and_gradients(
        lambda: (penalties.gradient_penalty(critic, REAL, FAKE), None), critic.trainable_variables
    )
    np.testing.assert_allclose(np.asarray(gradient)[:, 0], [48.0, 64.0], rtol=1e-4)


def test_penalty_stays_differentiable_where_the_slope_is_zero():
    critic = linear((0.0, 0.0))
    value, _, (gradient,) = autodiff.value_and_gradients(
        lambda: (penalties.gradient_penalty(critic, REAL, FAKE), None), critic.trainable_variables
    )
    assert float(value) == pytest.approx(10.0, rel=1e-4)
    assert np.isfinite(np.asarray(gradient)).all()


class Spy:
    """A critic that keeps the points at which it is asked."""

    name, layers = "spy", ()

    def __call__(self, x, training):
        self.points = ops.convert_to_numpy(ops.stop_gradient(x))
        return ops.sum(x, axis=-1, keepdims=True)


@pytest.mark.skipif(autodiff.BACKEND == "jax", reason="the points are abstract while JAX differentiates")
def test_interpolation_weights_are_uniform_and_one_per_sample():
    spy, n = Spy(), 4000
    real, fake = np.ones((n, 3), "float32"), np.zeros((n, 3), "float32")
    penalties.gradient_penalty(spy, ops.convert_to_tensor(real), ops.convert_to_tensor(fake), seed=1)
    epsilon = spy.points
    assert (epsilon == epsilon[:, :1]).all(), "one weight for all coordinates of a sample"
    assert epsilon.min() >= 0.0 and epsilon.max() <= 1.0, "N(0, 1) would leave the segment"
    from scipy import stats

    assert stats.kstest(epsilon[:, 0], "uniform").pvalue > 1e-3


def test_interpolation_weights_stay_in_the_segment_by_their_effect():
    # D(x) = x^2 / 2 has slope x. Between fake = 0 and real = 1 the slope is e itself, so the penalty is 10 E (e - 1)^2:
    # 10 / 3 for e ~ U[0, 1], but 20 for e ~ N(0, 1).
    class Square:
        name, layers = "square", ()

        def __call__(self, x, training):
            return 0.5 * x * x

    n = 20000
    real, fake = ops.ones((n, 1)), ops.zeros((n, 1))
    assert float(penalties.gradient_penalty(Square(), real, fake, seed=1)) == pytest.approx(10 / 3, abs=0.1)


def test_penalty_norm_runs_over_all_pixels_of_each_sample():
    # Slope 1 in each of 3 * 4 pixels: length sqrt(12). A norm over the wrong axis would give sqrt(3), 2 or 1.
    model = keras.Sequential([keras.Input((3, 4, 1)), layers.Flatten(), layers.Dense(1, kernel_initializer="ones")])
    images = np.zeros((5, 3, 4, 1), "float32")
    found = float(penalties.gradient_penalty(model, images, images + 1.0))
    assert found == pytest.approx(10.0 * (np.sqrt(12.0) - 1.0) ** 2, rel=1e-4)


def test_same_seed_same_penalty():
    keras.utils.set_random_seed(0)
    critic = keras.Sequential([keras.Input((2,)), layers.Dense(8, activation="tanh"), layers.Dense(1)])
    first, second, other = (float(penalties.gradient_penalty(critic, REAL, FAKE, seed=seed)) for seed in (1, 1, 2))
    assert first == second != other


def test_batch_norm_and_wrong_shapes_are_refused():
    critic = keras.Sequential([keras.Input((2,)), layers.BatchNormalization(), layers.Dense(1)])
    with pytest.raises(ValueError, match="batch normalisation"):
        penalties.gradient_penalty(critic, REAL, FAKE)
    with pytest.raises(ValueError, match="one shape"):
        penalties.gradient_penalty(linear((1.0, 1.0)), REAL, FAKE[:, :1])
