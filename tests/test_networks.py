import numpy as np
import pytest

from gan_utils import networks


def test_mlp_networks_have_the_parameters_of_the_lesson():
    assert networks.build_mlp_generator(100, (28, 28, 1)).count_params() == 1_486_352
    assert networks.build_mlp_discriminator((28, 28, 1)).count_params() == 1_460_225


def test_generator_stays_in_the_range_of_images():
    images = np.asarray(networks.build_mlp_generator(8, (28, 28, 1))(100.0 * np.ones((3, 8), "float32")))
    assert images.shape == (3, 28, 28, 1) and images.dtype == np.float32
    assert np.abs(images).max() <= 1.0


def test_discriminator_gives_unbounded_logits():
    x = np.random.default_rng(0).normal(0, 1000, (50, 2)).astype("float32")
    logits = np.asarray(networks.build_mlp_discriminator((2,))(x))
    assert logits.shape == (50, 1) and logits.dtype == np.float32
    assert logits.min() < 0.0 or logits.max() > 1.0


@pytest.mark.parametrize(("dropout", "expected"), [(0.3, True), (0.0, False)])
def test_dropout_acts_in_training_only(dropout, expected):
    model = networks.build_mlp_discriminator((2,), dropout=dropout)
    x = np.ones((8, 2), "float32")
    calls = [np.asarray(model(x, training=training)) for training in (False, False, True)]
    np.testing.assert_array_equal(calls[0], calls[1])
    assert (not np.array_equal(calls[0], calls[2])) == expected


def test_point_generator_has_no_bound():
    model = networks.build_mlp_generator(2, (2,), units=(16,), activation=None)
    assert model.output_shape == (None, 2)
    assert np.abs(np.asarray(model(1e4 * np.ones((1, 2), "float32")))).max() > 1.0


def test_frog_networks_have_the_parameters_of_the_lesson():
    assert networks.build_frog_generator().count_params() == 233_955
    assert networks.build_frog_discriminator().count_params() == 168_417


def test_frog_networks_fit_each_other():
    images = networks.build_frog_generator(8, base_filters=4)(np.ones((2, 8), "float32"), training=False)
    assert images.shape == (2, 32, 32, 3)
    assert np.abs(np.asarray(images)).max() <= 1.0
    assert networks.build_frog_discriminator(base_filters=4)(images, training=False).shape == (2, 1)


def test_a_critic_can_be_built_without_batch_norm():
    critic = networks.build_frog_discriminator(base_filters=4, dropout=0.0, batch_norm=False)
    assert not {"BatchNormalization", "Dropout"} & {type(layer).__name__ for layer in critic.layers}
