import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from gan_utils import networks

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import discriminators


def test_mlp_networks_have_the_parameters_of_the_lesson():
    assert networks.build_mlp_generator(100, (28, 28, 1)).count_params() == 1_486_352
    assert networks.build_mlp_discriminator((28, 28, 1)).count_params() == 1_460_225


def test_generator_stays_in_the_range_of_images():
    images = np.asarray(
        networks.build_mlp_generator(8, (28, 28, 1))(100.0 * np.ones((3, 8), "float32"))
    )
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
    assert discriminators.build_frog_discriminator().count_params() == 168_417


def test_frog_networks_fit_each_other():
    images = networks.build_frog_generator(8, base_filters=4)(
        np.ones((2, 8), "float32"), training=False
    )
    assert images.shape == (2, 32, 32, 3)
    assert np.abs(np.asarray(images)).max() <= 1.0
    assert discriminators.build_frog_discriminator(base_filters=4)(
        images, training=False
    ).shape == (2, 1)


def test_a_critic_can_be_built_without_batch_norm():
    critic = discriminators.build_frog_discriminator(base_filters=4, dropout=0.0, batch_norm=False)
    assert not {"BatchNormalization", "Dropout"} & {type(layer).__name__ for layer in critic.layers}


@pytest.mark.parametrize(
    ("image_shape", "parameters", "first"),
    [((32, 32, 3), (371_075, 168_225), (4, 4, 128)), ((28, 28, 1), (347_265, 36_705), (7, 7, 64))],
)
def test_dcgan_networks_have_the_parameters_of_the_lesson(image_shape, parameters, first):
    generator = networks.build_dcgan_generator(100, image_shape)
    discriminator = discriminators.build_dcgan_discriminator(image_shape)
    assert (generator.count_params(), discriminator.count_params()) == parameters
    assert generator.layers[1].output.shape == (None, *first)
    strided = [layer for layer in discriminator.layers if type(layer).__name__ == "Conv2D"]
    assert strided[-1].output.shape == (None, *first)  # the mirror image


def test_dcgan_networks_fit_each_other():
    generator = networks.build_dcgan_generator(8, (16, 24, 2), base_filters=4)
    images = generator(100.0 * np.ones((3, 8), "float32"), training=False)
    assert images.shape == (3, 16, 24, 2)
    assert np.abs(np.asarray(images)).max() <= 1.0
    logits = discriminators.build_dcgan_discriminator((16, 24, 2), base_filters=4)(
        images, training=False
    )
    assert logits.shape == (3, 1)


def kinds(model, *names):
    return [layer for layer in model.layers if type(layer).__name__ in names]


def test_dcgan_follows_the_guidelines():
    generator, discriminator = (
        networks.build_dcgan_generator(),
        discriminators.build_dcgan_discriminator(),
    )
    names = [type(layer).__name__ for layer in generator.layers + discriminator.layers]
    assert names.count("Dense") == 2
    assert not [name for name in names if "Pooling" in name or name == "UpSampling2D"]
    assert generator.layers[-1].activation is keras.activations.tanh
    slopes = [layer.negative_slope for layer in kinds(discriminator, "LeakyReLU")]
    assert slopes == pytest.approx([0.2, 0.2, 0.2])


@pytest.mark.parametrize(
    ("build", "normalised"),
    [
        (networks.build_dcgan_generator, ["Dense", "Conv2DTranspose", "Conv2DTranspose"]),
        (discriminators.build_dcgan_discriminator, ["Conv2D", "Conv2D"]),
    ],
)
def test_dcgan_normalises_all_but_the_ends_and_starts_small(build, normalised):
    model = build()  # batch normalisation but in D's first and G's last layer, no bias before it
    weighted = kinds(model, "Dense", "Conv2D", "Conv2DTranspose")
    assert [type(layer).__name__ for layer in weighted if not layer.use_bias] == normalised
    assert len(kinds(model, "BatchNormalization")) == len(normalised)
    for layer in weighted:
        kernel = np.asarray(layer.kernel)
        assert abs(kernel.mean()) < 0.005 and kernel.std() == pytest.approx(0.02, rel=0.15)


@pytest.mark.parametrize(
    ("build", "share"),
    [
        (networks.build_dcgan_generator, 0.1),
        (discriminators.build_dcgan_discriminator, 0.1),
        (networks.build_frog_generator, 0.01),
        (discriminators.build_frog_discriminator, 0.01),
    ],
)
def test_moving_variance_takes_this_share_of_a_batch(build, share):
    model = build(base_filters=4)
    x = np.random.default_rng(0).normal(size=(4, *model.input_shape[1:])).astype("float32")
    norm = kinds(model, "BatchNormalization")[0]
    before = np.asarray(norm.moving_variance).copy()
    inner = keras.Model(model.inputs[0], norm.input)
    model(x, training=True)
    batch = np.asarray(inner(x, training=True))
    batch = batch.reshape(-1, batch.shape[-1]).var(axis=0)
    expected = before + share * (batch - before)
    np.testing.assert_allclose(np.asarray(norm.moving_variance), expected, rtol=1e-4)
