"""What a lesson defines and what the package offers must agree on random input."""

import ast
import json
import re
import sys
import types
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
from keras import layers, ops
from scipy import linalg, spatial

from gan_utils import autodiff, doctor, losses, metrics, networks, training

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import discriminators

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
                        "metrics": metrics,
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
        ("03_frog_dcgan", "build_narrow_generator", networks.build_frog_generator),
        ("03_frog_dcgan", "build_narrow_discriminator", discriminators.build_frog_discriminator),
    ],
)
def test_networks_are_the_same_function(lesson, name, ours):
    used = [defined_in(lesson, "small")] if lesson == "03_frog_dcgan" else []
    theirs, ours = defined_in(lesson, name, *used)(), ours()
    kinds = [  # a tanh may stand in a layer of its own
        [type(layer) for layer in model.layers if not isinstance(layer, layers.Activation)]
        for model in (theirs, ours)
    ]
    assert kinds[0] == kinds[1]
    ours.set_weights(theirs.get_weights())
    x = RNG.uniform(-1, 1, (5, *ours.input_shape[1:])).astype("float32")
    outputs = [np.asarray(model(x, training=False)) for model in (theirs, ours)]
    np.testing.assert_allclose(*outputs, atol=1e-6)
    rates = [
        [layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)]
        for model in (theirs, ours)
    ]
    assert rates[0] == rates[1]


def test_the_recipe_is_the_pair_of_the_shipped_trainings():
    """But for biases before a batch normalisation, which are zero at first and do nothing."""
    start = defined_in("06_dcgan_recipe", "start")
    ours = (
        networks.build_dcgan_generator(100, (28, 28, 1)),
        discriminators.build_dcgan_discriminator((28, 28, 1)),
    )
    for own in ours:
        theirs = defined_in("06_dcgan_recipe", f"build_{own.name}", start)(filters=32)
        pairs = [[layer for layer in model.layers if layer.weights] for model in (theirs, own)]
        for other, layer in zip(*pairs, strict=True):
            layer.set_weights(other.get_weights()[: len(layer.weights)])
        x = RNG.uniform(-1, 1, (5, *own.input_shape[1:])).astype("float32")
        outputs = [np.asarray(model(x, training=True)) for model in (theirs, own)]
        np.testing.assert_allclose(*outputs, atol=1e-5)


def test_losses_of_the_vanilla_gan():
    discriminator_loss = defined_in("02_vanilla_gan", "discriminator_loss")
    generator_loss = defined_in("02_vanilla_gan", "generator_loss")
    ours = losses.get("non_saturating")
    assert float(discriminator_loss(REAL, FAKE)) == pytest.approx(
        float(ours[0](REAL, FAKE)), rel=1e-6
    )
    assert float(generator_loss(FAKE)) == pytest.approx(float(ours[1](REAL, FAKE)), rel=1e-6)


def vanilla_gan(**scope):
    """What the cells of lesson 02 that make up its GAN define, without `gan_utils`."""
    scope = {"keras": keras, "layers": layers, "ops": ops, "np": np, **scope}
    for cell in nbformat.read(FOLDER / "02_vanilla_gan.ipynb", as_version=4).cells:
        if any(
            name in cell.source for name in ("def build_", "def discriminator_", "g_adam, d_adam =")
        ):
            exec(cell.source, scope)
        if "for update in range(3):" in cell.source:
            return scope
    raise LookupError("02_vanilla_gan has no first three updates")


def test_the_vanilla_gan_runs_in_an_empty_file():
    tf = pytest.importorskip("tensorflow")
    images = RNG.uniform(-1, 1, (128, 28, 28, 1)).astype("float32")
    lesson = vanilla_gan(tf=tf, draw_batch=lambda: images)
    assert np.isfinite([lesson["d_loss"], lesson["g_loss"]]).all()
    fakes = lesson["generator"](np.zeros((2, 100), "float32"), training=False)
    assert fakes.shape == (2, 28, 28, 1)


def test_the_half_steps_of_the_vanilla_gan_are_those_of_the_package():
    tf = pytest.importorskip("tensorflow")
    images = RNG.uniform(-1, 1, (3, 128, 28, 28, 1)).astype("float32")
    seeds = keras.random.SeedGenerator(8)
    # Uncompiled, so that the latents are those that the package draws.
    draw = types.SimpleNamespace(normal=lambda shape: keras.random.normal(shape, seed=seeds))
    uncompiled = types.SimpleNamespace(
        function=lambda step: step, GradientTape=tf.GradientTape, random=draw
    )
    lesson = vanilla_gan(tf=uncompiled, draw_batch=lambda: images[0])
    build = networks.build_mlp_discriminator
    mine = lesson["build_generator"](), build((28, 28, 1), dropout=0)
    theirs = lesson["build_generator"](), build((28, 28, 1), dropout=0)
    for network, other in zip(mine, theirs):
        other.set_weights(network.get_weights())
    adams = [lesson["new_adam"](network) for network in (*mine, *theirs)]
    gan = training.GAN(*theirs, seed=8)
    gan.compile(*adams[2:])
    seeds.state.assign(keras.random.SeedGenerator(8).state)
    for batch in images:
        lesson["discriminator_step"](*mine, adams[1], batch)
        lesson["generator_step"](*mine, adams[0])
        gan.train_step(ops.convert_to_tensor(batch))
    for network, other in zip(mine, theirs):
        for weight, expected in zip(network.get_weights(), other.get_weights()):
            np.testing.assert_allclose(weight, expected, atol=1e-4)


def test_the_order_of_half_steps_is_told_as_measured():
    records = json.loads((FOLDER.parent / "benchmarks" / "half_step_order.json").read_text())
    cells = nbformat.read(FOLDER / "02_vanilla_gan.ipynb", as_version=4).cells
    text = " ".join(cell.source.replace("\n", " ") for cell in cells)

    def told(order, name, digits):
        values = [record[name] for record in records if record["order"] == order]
        assert len(values) == 10
        return f"{np.mean(values):.{digits}f} +- {np.std(values, ddof=1):.{digits}f}"

    d_first, g_first = (told(order, "good", 2) for order in ("D first", "G first"))
    assert f"{d_first} with D first and {g_first} with G first" in text
    d_first, g_first = (told(order, "fluctuation", 3) for order in ("D first", "G first"))
    assert f"fluctuated by {d_first} and {g_first}" in text
    assert {record["updates"] for record in records} == {3_000} and "after 3,000 updates" in text


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


def matching_definitions():
    """`squared_mmd` and `median_distance`, as lesson 07 writes them."""
    lesson = "07_generative_matching"
    squared_distances = defined_in(lesson, "squared_distances")
    kernel = defined_in(lesson, "kernel", squared_distances)
    median_distance = defined_in(lesson, "median_distance", squared_distances)
    return defined_in(lesson, "squared_mmd", kernel), median_distance


def column(*values):
    return np.array(values, "float32")[:, None]


def test_squared_mmd_of_generative_matching_by_hand():
    squared_mmd, _ = matching_definitions()
    assert float(squared_mmd(column(0), column(1), 1.0, unbiased=False)) == pytest.approx(
        2 - 2 * np.exp(-0.5), abs=1e-5
    )
    x, y = column(0, 1), column(0, 2, 4)
    within = np.exp(-0.5) + (2 * np.exp(-2) + np.exp(-8)) / 3
    between = (1 + np.exp(-2) + np.exp(-8) + 2 * np.exp(-0.5) + np.exp(-4.5)) / 6
    assert within - 2 * between == pytest.approx(-0.0897, abs=5e-5)
    assert float(squared_mmd(x, y, 1.0)) == pytest.approx(within - 2 * between, abs=1e-5)
    # No two samples are near: the unbiased estimate is empty, and only self-pairs fill the other.
    assert float(squared_mmd(x, 100 + y, 1e-3)) == 0
    assert float(squared_mmd(x, 100 + y, 1e-3, unbiased=False)) == pytest.approx(1 / 2 + 1 / 3)


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("bandwidths", [0.7, (0.3, 1.0, 3.0)])
def test_squared_mmd_of_generative_matching_is_a_double_loop(unbiased, bandwidths):
    def mean_kernel(a, b, same):
        a, b = (cloud.reshape(len(cloud), -1).astype("float64") for cloud in (a, b))
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b))]
        values = [
            np.exp(-np.sum((a[i] - b[j]) ** 2) / (2 * s * s))
            for i, j in pairs
            for s in np.ravel(bandwidths)
            if not (same and unbiased and i == j)
        ]
        return np.mean(values)

    x = RNG.normal(size=(12, 2, 2, 1)).astype("float32")  # images are flat vectors
    y = 0.5 + RNG.normal(size=(9, 2, 2, 1)).astype("float32")
    expected = mean_kernel(x, x, True) + mean_kernel(y, y, True) - 2 * mean_kernel(x, y, False)
    squared_mmd, _ = matching_definitions()
    assert float(squared_mmd(x, y, bandwidths, unbiased)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("unbiased", [True, False])
def test_squared_mmd_of_generative_matching_has_the_closed_form_of_two_gaussians(unbiased):
    n, d, width, shift, variances = 100, 2, 1.0, 0.6, (1.0, 1.5)

    def expected_kernel(distance, variance):
        total = width**2 + variance
        return (width**2 / total) ** (d / 2) * np.exp(-(distance**2) / (2 * total))

    within = [expected_kernel(0.0, 2 * variance) for variance in variances]
    closed = sum(within) - 2 * expected_kernel(shift * np.sqrt(d), sum(variances))
    if not unbiased:  # a sample with itself, whose kernel is 1, enters each mean once in n
        closed += sum(1 - value for value in within) / n
    squared_mmd, _ = matching_definitions()
    x, y = np.random.default_rng(0).normal(size=(2, 60, n, d)).astype("float32")
    values = [
        float(squared_mmd(a, shift + np.sqrt(1.5, dtype="float32") * b, width, unbiased))
        for a, b in zip(x, y)
    ]
    assert abs(np.mean(values) - closed) < 3 * np.std(values, ddof=1) / np.sqrt(60)


def test_median_distance_of_generative_matching():
    _, median_distance = matching_definitions()
    # Three distances: 1, 2, 3. Six: 1, 1, 2, 3, 4, 5; the root of the median of squares is 2.55.
    assert median_distance(column(0, 1, 3)) == pytest.approx(2.0)
    assert median_distance(column(0, 1, 2, 5)) == pytest.approx(2.5)


def test_metrics_of_measuring_gans():
    real, fake = RNG.normal(size=(2, 50, 5)) + np.array([0.0, 0.3])[:, None, None]
    frechet = defined_in("08_measuring_gans", "frechet_distance")(real, fake)
    assert frechet == pytest.approx(metrics.frechet_distance(real, fake), rel=1e-6)
    estimate = defined_in("08_measuring_gans", "kernel_estimate")(real, fake)
    assert estimate == pytest.approx(metrics.kernel_distance(real, fake)[0])
    in_balls = defined_in("08_measuring_gans", "in_balls")
    shares = defined_in("08_measuring_gans", "three_shares", in_balls)(real, fake)
    assert shares[:2] == pytest.approx(metrics.precision_recall(real, fake))
    radii = [np.sort(np.linalg.norm(real - center, axis=1))[5] for center in real]
    to_fake = [np.linalg.norm(fake - center, axis=1).min() for center in real]
    assert shares[2] == np.mean(np.array(to_fake) <= radii)


def test_the_copy_test_of_measuring_gans():
    used = [defined_in("08_measuring_gans", name) for name in ("nearest_real", "copy_test")]
    train, held_out, new = RNG.uniform(-1, 1, (3, 60, 4, 4, 1)).astype("float32")
    mixed = np.concatenate([train[:30, :, ::-1], new[:30]])
    nearest = used[0](mixed, np.concatenate([train, held_out]), mirror=True)
    share, low, high, p_value = used[1](nearest, np.arange(120) < 60)
    package = metrics.memorization_test(mixed, train, held_out, mirror=True)
    assert share == package.share
    assert [low, high] == pytest.approx([package.low, package.high], abs=0.06)
    assert p_value < 0.05 and package.p_value < 0.05


def test_the_table_of_generative_matching_holds_what_was_measured():
    records = json.loads((FOLDER.parent / "benchmarks" / "matching_batches.json").read_text())
    cells = nbformat.read(FOLDER / "07_generative_matching.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells)
    for batch_size in (500, 25):
        runs = [record for record in records if record["batch_size"] == batch_size]
        columns = [
            ", ".join(f"{run[name]:.2f}" for run in runs)
            for name in ("kernel_distance", "precision", "recall")
        ]
        pattern = rf"\| {batch_size} \| about ([\d,]+) \| {' [|] '.join(columns)} \|"
        told = re.search(pattern, text)
        assert told, columns
        about = int(told[1].replace(",", ""))
        assert all(abs(run["updates"] / about - 1) < 0.1 for run in runs)


def test_lesson_05_lists_the_rules_of_the_doctor():
    cells = nbformat.read(FOLDER / "05_training_failures.ipynb", as_version=4).cells
    (aside,) = (cell.source for cell in cells if "All rules, in their order" in cell.source)
    told = re.findall(r"`([a-z_]+ [<>].*?)`", aside.split("All rules")[1])
    rules = [conditions for _, _, *rules in doctor.RULES.values() for conditions, _ in rules]
    assert told == rules[:-1] and rules[-1] == "True"  # the last is the healthy run's


def test_the_unrolled_gradient_of_lesson_05():
    """One weight of D, two gradient steps ahead, against a finite difference in NumPy."""
    tf = pytest.importorskip("tensorflow")
    loss_of_d = defined_in("05_training_failures", "discriminator_loss")
    unrolled = defined_in("05_training_failures", "unrolled", loss_of_d)
    unrolled.__globals__["tf"] = tf
    d = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    d.set_weights([np.array([[0.4]], "float32")])
    real, theta = tf.constant([[0.5]]), tf.Variable([[0.7]])
    with tf.GradientTape() as tape:
        loss = unrolled(d, real, theta, num_steps=2, rate=0.5)

    def by_hand(theta, x=0.5, psi=0.4):
        for _ in range(2):
            psi -= 0.5 * (theta / (1 + np.exp(-psi * theta)) - x / (1 + np.exp(psi * x)))
        return -np.log1p(np.exp(-psi * x)) - np.log1p(np.exp(psi * theta))

    difference = (by_hand(0.7 + 1e-5) - by_hand(0.7 - 1e-5)) / 2e-5
    assert float(loss) == pytest.approx(by_hand(0.7), rel=1e-5)
    assert float(tape.gradient(loss, theta)[0, 0]) == pytest.approx(difference, rel=1e-3)
    assert d.get_weights()[0][0, 0] == np.float32(0.4)
