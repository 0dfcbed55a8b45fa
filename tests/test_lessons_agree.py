"""What a lesson defines and what the package offers must agree on random input."""

import ast
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
from keras import layers, ops
from scipy import linalg, spatial

from gan_utils import autodiff, losses, metrics, networks

FOLDER = Path(__file__).parent.parent / "notebooks"
RNG = np.random.default_rng(0)
REAL, FAKE = RNG.normal(size=(2, 16, 1)).astype("float32")


def defined_in(lesson, name, *used):
    """The function `name` as the notebook defines it; it calls `used`, of the same notebook."""
    for cell in nbformat.read(FOLDER / f"{lesson}.ipynb", as_version=4).cells:
        if cell.cell_type == "code":
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    scope = {
                        "keras": keras,
                        "layers": layers,
                        "ops": ops,
                        "np": np,
                        "autodiff": autodiff,
                    }
                    scope |= {"linalg": linalg, "spatial": spatial} | {
                        other.__name__: other for other in used
                    }
                    exec(compile(ast.Module([node], []), lesson, "exec"), scope)
                    return scope[name]
    raise LookupError(f"{lesson} does not define {name}()")


@pytest.mark.parametrize(
    ("lesson", "name", "ours"),
    [
        (
            "02_vanilla_gan",
            "build_generator",
            lambda: networks.build_mlp_generator(100, (28, 28, 1)),
        ),
        (
            "02_vanilla_gan",
            "build_discriminator",
            lambda: networks.build_mlp_discriminator((28, 28, 1)),
        ),
        ("03_frog_dcgan", "build_frog_generator", networks.build_frog_generator),
        ("03_frog_dcgan", "build_frog_discriminator", networks.build_frog_discriminator),
    ],
)
def test_networks_are_the_same_function(lesson, name, ours):
    theirs, ours = defined_in(lesson, name)(), ours()
    assert [type(layer) for layer in theirs.layers] == [type(layer) for layer in ours.layers]
    ours.set_weights(theirs.get_weights())
    x = RNG.uniform(-1, 1, (5, *ours.input_shape[1:])).astype("float32")
    outputs = [np.asarray(model(x, training=False)) for model in (theirs, ours)]
    np.testing.assert_allclose(*outputs, atol=1e-6)
    rates = [
        [layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)]
        for model in (theirs, ours)
    ]
    assert rates[0] == rates[1]


def test_losses_of_the_vanilla_gan():
    discriminator_loss = defined_in("02_vanilla_gan", "discriminator_loss")
    generator_loss = defined_in("02_vanilla_gan", "generator_loss")
    ours = losses.get("non_saturating")
    assert float(discriminator_loss(REAL, FAKE)) == pytest.approx(
        float(ours[0](REAL, FAKE)), rel=1e-6
    )
    assert float(generator_loss(FAKE)) == pytest.approx(float(ours[1](REAL, FAKE)), rel=1e-6)


def test_loss_and_penalty_of_the_wasserstein_gan():
    tf = pytest.importorskip("tensorflow")
    critic_loss = defined_in("04_wgan", "critic_loss")
    ours = losses.get("wasserstein")
    assert float(critic_loss(REAL, FAKE)) == pytest.approx(float(ours[0](REAL, FAKE)), rel=1e-6)
    penalty = defined_in("04_wgan", "gradient_penalty")
    penalty.__globals__["tf"] = tf
    linear = keras.Sequential([keras.Input((5, 5, 1)), layers.Flatten(), layers.Dense(1)])
    real, fake = tf.zeros((4, 5, 5, 1)), tf.ones((4, 5, 5, 1))
    expected = losses.gradient_penalty(linear, real, fake, weight=1.0)  # the same at any point
    assert float(penalty(linear, real, fake)) == pytest.approx(float(expected), rel=1e-4)
    bowl = keras.Sequential([keras.Input((1,)), layers.Lambda(lambda x: x * x / 2)])
    real, fake = tf.ones((100_000, 1)), -tf.ones((100_000, 1))
    for value in (penalty(bowl, real, fake), losses.gradient_penalty(bowl, real, fake, weight=1.0)):
        assert float(value) == pytest.approx(1 / 3, abs=0.01)


def test_distance_of_generative_matching():
    kernel = defined_in("07_generative_matching", "kernel")
    squared_mmd = defined_in("07_generative_matching", "squared_mmd", kernel)
    x, y = RNG.normal(size=(2, 20, 3)).astype("float32")
    for unbiased in (False, True):
        ours = float(metrics.squared_mmd(x, y, 0.7, unbiased=unbiased))
        assert squared_mmd(x, y, 0.7, unbiased) == pytest.approx(ours, abs=1e-5)
    median_distance = defined_in("07_generative_matching", "median_distance")
    assert median_distance(x, y) == pytest.approx(metrics.median_bandwidth(x, y), rel=1e-5)


def test_metrics_of_measuring_gans():
    real, fake = RNG.normal(size=(2, 50, 5)) + np.array([0.0, 0.3])[:, None, None]
    frechet = defined_in("08_measuring_gans", "frechet_distance")(real, fake)
    assert frechet == pytest.approx(metrics.frechet_distance(real, fake), rel=1e-6)
    estimate = defined_in("08_measuring_gans", "kernel_estimate")(real, fake)
    assert estimate == pytest.approx(metrics.kernel_distance(real, fake)[0])
    share_inside = defined_in("08_measuring_gans", "share_inside")
    shares = share_inside(fake, real)[0], share_inside(real, fake)[0]
    assert shares == pytest.approx(metrics.precision_recall(real, fake))
