import keras
import numpy as np
import pytest

from gan_utils import autodiff, losses

REAL = np.array([[2.0], [-1.0], [0.5]], "float32")
FAKE = np.array([[-3.0], [0.25], [1.0]], "float32")


def cross_entropy(logits, label, **kwargs):
    return float(keras.losses.BinaryCrossentropy(from_logits=True, **kwargs)(np.full_like(logits, label), logits))


def test_discriminator_loss_is_binary_cross_entropy_with_real_one_and_fake_zero():
    expected = cross_entropy(REAL, 1.0) + cross_entropy(FAKE, 0.0)
    assert float(losses.non_saturating_discriminator_loss(REAL, FAKE)) == pytest.approx(expected, rel=1e-6)
    assert float(losses.saturating_discriminator_loss(REAL, FAKE)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.05, 0.2])
def test_label_smoothing_is_that_of_keras(smoothing):
    expected = cross_entropy(REAL, 1.0, label_smoothing=smoothing) + cross_entropy(FAKE, 0.0, label_smoothing=smoothing)
    found = float(losses.non_saturating_discriminator_loss(REAL, FAKE, label_smoothing=smoothing))
    assert found == pytest.approx(expected, rel=1e-6)


def test_generator_losses_by_their_definition():
    d_fake = 1.0 / (1.0 + np.exp(-FAKE.astype("float64")))
    assert float(losses.non_saturating_generator_loss(REAL, FAKE)) == pytest.approx(-np.log(d_fake).mean(), rel=1e-6)
    assert float(losses.saturating_generator_loss(REAL, FAKE)) == pytest.approx(np.log(1 - d_fake).mean(), rel=1e-6)


def test_wasserstein_losses_by_hand():
    assert float(losses.wasserstein_discriminator_loss(np.full((4, 1), 3.0), np.full((4, 1), 1.0))) == pytest.approx(-2.0)
    assert float(losses.wasserstein_generator_loss(np.zeros((4, 1)), np.full((4, 1), 1.5))) == pytest.approx(-1.5)


def test_values_at_the_start_and_at_equilibrium():
    zeros = np.zeros((5, 1), "float32")
    assert float(losses.non_saturating_discriminator_loss(zeros, zeros)) == pytest.approx(2 * np.log(2), rel=1e-6)
    assert float(losses.non_saturating_generator_loss(zeros, zeros)) == pytest.approx(np.log(2), rel=1e-6)
    assert float(losses.saturating_generator_loss(zeros, zeros)) == pytest.approx(-np.log(2), rel=1e-6)


@pytest.mark.parametrize("family", losses.FAMILIES)
@pytest.mark.parametrize("logit", [-500.0, 500.0])
def test_extreme_logits_stay_finite_with_finite_gradients(family, logit):
    for loss in losses.get(family):
        logits = keras.Variable(np.full((3, 1), logit, "float32"))
        value, _, (gradient,) = autodiff.value_and_gradients(lambda f=loss, v=logits: (f(v.value, -v.value), None), [logits])
        assert np.isfinite(float(value))
        assert np.isfinite(np.asarray(gradient)).all()


def test_saturating_slope_vanishes_where_the_other_does_not():
    fake = keras.Variable(np.full((1, 1), -10.0, "float32"))  # D is sure that it is fake
    real = np.zeros((1, 1), "float32")
    slopes = []
    for loss in (losses.saturating_generator_loss, losses.non_saturating_generator_loss):
        slopes.append(float(autodiff.value_and_gradients(lambda f=loss: (f(real, fake.value), None), [fake])[2][0][0, 0]))
    assert slopes == pytest.approx([-4.54e-5, -1.0], rel=1e-3)


def test_gradient_of_the_discriminator_loss_agrees_with_finite_differences():
    logits = keras.Variable(REAL)
    _, _, (gradient,) = autodiff.value_and_gradients(
        lambda: (losses.non_saturating_discriminator_loss(logits.value, FAKE), None), [logits]
    )
    softplus = lambda x: np.log1p(np.exp(x))  # noqa: E731
    step = 1e-5
    expected = (softplus(-(REAL + step)) - softplus(-(REAL - step))) / (2 * step) / len(REAL)
    np.testing.assert_allclose(np.asarray(gradient), expected, atol=2e-3)


@pytest.mark.parametrize("family", losses.FAMILIES)
@pytest.mark.parametrize("shapes", [((3,), (3, 1)), ((3, 1), (3,)), ((3, 2), (3, 2)), ((3, 1), (4, 1)), ((), ())])
def test_nothing_is_broadcast_in_silence(family, shapes):
    for loss in losses.get(family):
        with pytest.raises(ValueError, match=r"Both must be \(batch, 1\)"):
            loss(np.zeros(shapes[0], "float32"), np.zeros(shapes[1], "float32"))


def test_get_takes_a_pair_and_refuses_the_rest():
    pair = losses.get("wasserstein")
    assert losses.get(pair) == pair
    for bad in ("hinge?", None, (1, 2), pair[:1]):
        with pytest.raises(ValueError, match="It must be one of"):
            losses.get(bad)
