import sys
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
from keras import layers

from gan_utils import data, doctor, losses, monitors, networks, training

BATCH, UPDATES = 128, 100  # of one epoch
RUNS = Path(__file__).with_name("doctor_runs.npz")
LESSONS = Path(__file__).parent.parent / "notebooks"

# --- the rules, on logs made by hand --------------------------------------------------------------


def make_run(**changes):
    """Logs and samples of a healthy run, with parts replaced."""
    random = np.random.default_rng(0)
    trend = np.linspace(0.2, 0.0, 60)
    logs = {
        "discriminator_loss": np.full(60, 1.2),
        "generator_loss": np.full(60, 0.9),
        "d_real": 0.6 + trend + 0.01 * random.standard_normal(60),
        "d_fake": 0.4 - trend + 0.01 * random.standard_normal(60),
    }
    start, real = random.standard_normal((2, 200, 2))
    samples = [
        (1 - w) * 0.1 * start + w * (start + [0.0, 0.05]) for w in np.linspace(0.0, 1.0, 12) ** 0.2
    ]
    run = {"steps": range(60), "logs": logs, "samples": samples, "real": real}
    logs.update({name: values for name, values in changes.items() if name in logs})
    run.update({name: values for name, values in changes.items() if name in run})
    return run


def images_like(points, low, high):
    """Points as images `(n, 1, 2, 1)` that fill [low, high]."""
    points = np.asarray(points)
    return (low + (high - low) * (points - points.min()) / np.ptp(points)).reshape(-1, 1, 2, 1)


HEALTHY = make_run()
SAMPLES, REAL = HEALTHY["samples"], HEALTHY["real"]
NOISE = 0.003 * np.random.default_rng(1).standard_normal(60)
WAVES = np.sin(np.arange(12))
IMAGES = [images_like(sample, -0.8, 0.8) for sample in SAMPLES]
SIGNS = {
    "healthy": ({},),
    "discriminator too strong": ({"d_real": np.full(60, 0.99), "d_fake": np.full(60, 0.01)},),
    "generator too strong": (
        {"d_fake": np.full(60, 0.9)},
        {
            "samples": [20.0 * k + SAMPLES[-1] for k in range(12)],
            "d_fake": HEALTHY["logs"]["d_real"],
        },
    ),
    "mode collapse": ({"samples": [SAMPLES[0]] + [0.05 * SAMPLES[-1] + [1.0, 0.0]] * 11},),
    "oscillation": (
        {"samples": [SAMPLES[-1] + wave for wave in WAVES]},
        {
            "samples": [0.1 * SAMPLES[-1] + wave for wave in WAVES],
            "d_fake": 0.5 + 0.2 * np.sin(np.arange(60)),
        },
    ),
    "a network does not learn": (
        {"samples": SAMPLES[-1:] * 12},
        {"d_real": 0.5 + NOISE, "d_fake": np.linspace(0.5, 0.9, 60)},
        {"d_real": np.full(60, 0.5), "d_fake": np.full(60, 0.5)},
    ),
    "wrong scale of images": (
        {"real": images_like(REAL, 0.0, 1.0), "samples": IMAGES},
        {"real": images_like(REAL, -0.5, 0.5), "samples": IMAGES},
        {"real": images_like(REAL, 0.0, 255.0), "samples": IMAGES},
        {"real": 10.0 * REAL, "samples": [np.tanh(10.0 * sample) for sample in SAMPLES]},
    ),
}


@pytest.mark.parametrize(
    "illness, changes",
    [(illness, changes) for illness, group in SIGNS.items() for changes in group],
)
def test_signs_are_named(illness, changes):
    found = doctor.diagnose(**make_run(**changes))
    assert found.illness == illness, found.evidence
    assert any(letter.isdigit() for letter in found.evidence) and found.evidence.endswith(".")
    assert found[2:] == (doctor.RULES[illness][1], doctor.RULES[illness][0])


def test_the_signs_above_are_of_all_illnesses():
    assert set(doctor.RULES) == set(SIGNS)


@pytest.mark.parametrize("illness", doctor.RULES)
def test_the_section_that_is_named_exists(illness):
    lesson, heading = doctor.RULES[illness][0].split(", ", 1)
    notebook = nbformat.read(LESSONS / f"{lesson}.ipynb", as_version=4)
    assert any(cell.source.startswith(f"## {heading}\n") for cell in notebook.cells)


def test_images_in_the_range_of_their_generator_are_not_of_a_wrong_scale():
    samples = [images_like(sample, -1.0, 1.0) for sample in SAMPLES]
    sigmoids = [(sample + 1.0) / 2.0 for sample in samples]  # instead of tanh
    for low, fakes in ((-1.0, samples), (0.0, sigmoids)):
        found = doctor.diagnose(**make_run(real=images_like(REAL, low, 1.0), samples=fakes))
        assert found.illness != "wrong scale of images"


def test_arguments_stay_as_they_are():
    run = make_run()
    doctor.diagnose(**run)
    np.testing.assert_array_equal(run["samples"][3], SAMPLES[3])
    np.testing.assert_array_equal(run["logs"]["d_real"], HEALTHY["logs"]["d_real"])


def test_places_of_real_samples_among_themselves():
    far, cells = doctor._place(REAL, REAL)
    assert far == pytest.approx(0.0, abs=1e-6) and cells == pytest.approx(1.0)
    far, cells = doctor._place(REAL[:1] + np.zeros((5, 1)), REAL)
    assert far == pytest.approx(0.0, abs=1e-6) and cells < 1 / 8


def test_roughness_of_noise_and_of_a_slow_wave():
    assert doctor._roughness(np.random.default_rng(0).standard_normal(2000)) == pytest.approx(
        1.0, abs=0.05
    )
    angle = 2 * np.pi * np.arange(100) / 100
    assert doctor._roughness(np.sin(angle)) == pytest.approx(
        np.sqrt(2.0) * np.sin(np.pi / 100), rel=0.02
    )
    assert doctor._roughness(np.ones(9)) == 1.0


SHORT = {name: values[:5] for name, values in HEALTHY["logs"].items()}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"d_fake": np.full(59, 0.4)}, "received d_fake of shape .59,. .* shape .60."),
        ({"steps": range(61)}, "loss of shape .60,. .* shape .61."),
        ({"steps": range(5), "logs": SHORT}, "20 or more"),
        ({"generator_loss": np.where(np.arange(60) > 50, np.nan, 0.9)}, "NaN or infinite"),
        ({"d_real": np.full(60, 3.0)}, "Wasserstein critic"),
        ({"samples": SAMPLES[:3]}, "samples of shape .3, 200, 2. .* 4 or more"),
        ({"samples": [sample[:5] for sample in SAMPLES]}, "10 samples a record"),
        ({"samples": []}, "samples of shape .0,."),
        ({"real": np.zeros((200, 3))}, "numbers of shape .any, any, 3."),
        ({"samples": [np.full((200, 2), np.nan)] * 12}, "NaN or infinite"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        doctor.diagnose(**make_run(**changes))


# --- planted runs: real trainings -----------------------------------------------------------------
# A plant is a run with a known cause: a rate of 0, images in [0, 1], a hurried generator. Five of
# each illness. `python tests/test_doctor.py` trains them and stores doctor_runs.npz.


class Shift(layers.Layer):
    """x / 2 + theta: a cloud as wide as the blob, which can only move, as in the Dirac GAN."""

    def build(self, input_shape):
        self.theta = self.add_weight(
            shape=(input_shape[-1],), initializer=keras.initializers.Constant(1.0)
        )

    def call(self, x):
        return 0.5 * x + self.theta


def build_networks(size=2, latent_dim=4, activation=None, judge=(64, 64)):
    generator = networks.build_mlp_generator(
        latent_dim, (size,), units=(64, 64), activation=activation
    )
    return generator, networks.build_mlp_discriminator((size,), units=judge, dropout=0)


def build_dirac():
    return keras.Sequential([keras.Input((2,)), Shift()]), keras.Sequential(
        [keras.Input((2,)), layers.Dense(1)]
    )


def build_flat(latent_dim=16):
    return build_networks(size=64, latent_dim=latent_dim, activation="tanh")


def adam(beta_1=0.5):
    return keras.optimizers.Adam(1e-3, beta_1=beta_1)


def saturating(real_logits, fake_logits):
    """Mean log(1 - D(G(z))), as in the paper of 2014."""
    return -keras.ops.mean(keras.ops.softplus(fake_logits))


SATURATING = losses.non_saturating_discriminator_loss, saturating
# name: networks, optimizers of G and D, loss
PAIRS = {
    "ring": (build_networks, lambda: (adam(), adam()), "non_saturating"),
    "images": (build_flat, lambda: (adam(), adam()), "non_saturating"),
    "saturating": (build_networks, lambda: (keras.optimizers.SGD(1e-2), adam()), SATURATING),
    "small D": (lambda: build_networks(judge=(2,)), lambda: (adam(), adam()), "non_saturating"),
    "Dirac": (build_dirac, lambda: (adam(0.9), adam(0.9)), "non_saturating"),
    "momentum": (build_networks, lambda: (adam(0.9), adam(0.9)), "non_saturating"),
    "tanh": (lambda: build_networks(activation="tanh"), lambda: (adam(), adam()), "non_saturating"),
}


def shrink(images, factor):
    """Images of 8 x 8 as flat vectors, means over factor x factor pixels and the colours."""
    n = len(images)
    return (
        images.reshape(n, 8, factor, 8, factor, -1)
        .mean(axis=(2, 4, 5))
        .reshape(n, 64)
        .astype("float32")
    )


def load_real():
    """The data of all plants."""
    digits = data.load_mnist()[0][:, 2:26, 2:26]
    ring = data.sample_modes(BATCH * UPDATES, data.ring_centers(), scale=0.1, seed=0)[0]
    five = data.sample_modes(BATCH * UPDATES, data.ring_centers(5, 1.5), scale=0.1, seed=1)[0]
    frogs = shrink(data.load_frogs()[0], 4)
    first, later = (
        shrink(digits[: BATCH * UPDATES], 3),
        shrink(digits[BATCH * UPDATES : 2 * BATCH * UPDATES], 3),
    )
    blob = 0.5 * np.random.default_rng(0).standard_normal(ring.shape).astype("float32")
    return {
        "ring": ring,
        "five modes": five,
        "blob": blob,
        "digits": first,
        "other digits": later,
        "frogs": np.concatenate([frogs, frogs, frogs])[
            : BATCH * UPDATES
        ],  # as many updates as on the others
        "digits in [-0.5, 0.5]": first / 2,
        "digits in [0, 1]": (first + 1) / 2,
        "ring x 3": 3 * ring,
        "ring x 10": 10 * ring,
    }


# illness, pair, data, rate of G, rate of D, seed
PLANTS = (
    ("healthy", "ring", "ring", 1e-3, 1e-3, 10),
    ("healthy", "ring", "five modes", 1e-3, 1e-3, 11),
    ("healthy", "ring", "five modes", 1e-3, 1e-3, 12),
    ("healthy", "images", "other digits", 3e-4, 1e-3, 10),
    ("healthy", "images", "frogs", 3e-4, 1e-3, 11),
    ("discriminator too strong", "saturating", "ring", 2e-3, 1e-3, 10),
    ("discriminator too strong", "saturating", "ring", 2e-3, 1e-3, 11),
    ("discriminator too strong", "images", "digits", 1e-4, 2e-3, 10),
    ("discriminator too strong", "images", "digits", 1e-4, 2e-3, 11),
    ("discriminator too strong", "ring", "ring", 1e-5, 1e-2, 10),
    ("generator too strong", "small D", "ring", 3e-3, 1e-3, 10),
    ("generator too strong", "small D", "ring", 3e-3, 1e-3, 11),
    ("generator too strong", "small D", "five modes", 3e-3, 1e-3, 12),
    ("generator too strong", "images", "digits", 1e-3, 1e-5, 10),
    ("generator too strong", "images", "other digits", 1e-3, 1e-5, 11),
    ("mode collapse", "ring", "ring", 2e-2, 1e-3, 10),
    ("mode collapse", "ring", "ring", 1e-2, 3e-4, 11),
    ("mode collapse", "ring", "five modes", 2e-2, 1e-3, 12),
    ("mode collapse", "images", "digits", 1e-2, 1e-3, 10),
    ("mode collapse", "images", "other digits", 1e-2, 1e-3, 11),
    ("oscillation", "Dirac", "blob", 1e-2, 1e-2, 10),
    ("oscillation", "Dirac", "blob", 1e-2, 1e-2, 11),
    ("oscillation", "ring", "blob", 1e-3, 1e-3, 12),
    ("oscillation", "momentum", "ring", 1e-2, 1e-2, 10),
    ("oscillation", "momentum", "ring", 5e-3, 5e-3, 11),
    ("a network does not learn", "ring", "ring", 0.0, 1e-3, 10),
    ("a network does not learn", "ring", "ring", 1e-3, 1e-9, 11),
    ("a network does not learn", "ring", "five modes", 1e-3, 1e-7, 12),
    ("a network does not learn", "images", "digits", 1e-9, 1e-3, 10),
    ("a network does not learn", "images", "other digits", 1e-3, 0.0, 11),
    ("wrong scale of images", "images", "digits in [-0.5, 0.5]", 1e-3, 1e-3, 10),
    ("wrong scale of images", "images", "digits in [0, 1]", 1e-3, 1e-3, 11),
    ("wrong scale of images", "images", "digits in [0, 1]", 1e-3, 1e-3, 12),
    ("wrong scale of images", "tanh", "ring x 3", 1e-3, 1e-3, 10),
    ("wrong scale of images", "tanh", "ring x 10", 1e-3, 1e-3, 11),
)


def compile_pair(name):
    build, optimizers, loss = PAIRS[name]
    gan = training.GAN(*build())
    gan.compile(*optimizers(), loss, jit_compile=True, steps_per_execution=5)
    return gan


def restart(gan, build, seed, rates):
    """Initial weights and empty optimizers, so that one compiled step serves all seeds."""
    keras.utils.set_random_seed(seed)
    for network, fresh in zip((gan.generator, gan.discriminator), build()):
        network.set_weights(fresh.get_weights())
    for optimizer, rate in zip((gan.generator_optimizer, gan.discriminator_optimizer), rates):
        for variable in optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        optimizer.learning_rate = rate
    gan.seed = seed
    gan.seed_generator.state.assign(keras.random.SeedGenerator(seed).state)


def train(gan, pair, real, rates, seed, epochs=5):
    """Arguments of `diagnose` for one run of 500 updates, or 100 an epoch."""
    restart(gan, PAIRS[pair][0], seed, rates)
    if pair == "saturating":  # D is trained first
        gan.generator_optimizer.learning_rate, gan.discriminator_optimizer.learning_rate = 0.0, 1e-2
        gan.fit(real, batch_size=BATCH, epochs=2, verbose=0)
        gan.generator_optimizer.learning_rate, gan.discriminator_optimizer.learning_rate = rates
    latents = np.random.default_rng(1).standard_normal((256, gan.latent_dim)).astype("float32")
    recorder = monitors.Recorder(latents, every=50)
    gan.fit(real, batch_size=BATCH, epochs=epochs, callbacks=[recorder], verbose=0)
    samples, real = recorder.samples, real[:1000]
    if pair == "images":
        samples, real = [array.reshape(-1, 8, 8, 1) for array in samples], real.reshape(-1, 8, 8, 1)
    return recorder.steps, recorder.logs, samples, real


def run_plants(plants):
    """`(plant, arguments of diagnose)` for plants as in `PLANTS`, pair by pair."""
    sets = load_real()
    for pair in PAIRS:
        chosen = [plant for plant in plants if plant[1] == pair]
        gan = compile_pair(pair) if chosen else None
        for plant in chosen:
            # Images are not yet healthy after 500 updates.
            epochs = 8 if plant[:2] == ("healthy", "images") else 5
            yield plant, train(gan, pair, sets[plant[2]], plant[3:5], plant[5], epochs)


def store_runs():
    """Train all plants and write what `load_runs` reads: half of the samples, in few bits."""
    arrays = {}
    for i, (_, (steps, logs, samples, _)) in enumerate(run_plants(PLANTS)):
        samples = np.array(samples)[:, :128]
        kind, factor = ("int8", 127) if samples.ndim == 5 else ("float16", 1)
        arrays[f"{i}/samples"] = (np.rint(factor * samples) if factor > 1 else samples).astype(kind)
        arrays[f"{i}/logs"] = np.array([steps, *(logs[name] for name in doctor.LOGS)], "float32")
    np.savez_compressed(RUNS, **arrays)


def load_runs():
    """`(plant, arguments of diagnose)` as `run_plants` gives them, from the stored file."""
    sets, arrays = load_real(), np.load(RUNS)
    plants = [plant for pair in PAIRS for plant in PLANTS if plant[1] == pair]
    for i, plant in enumerate(plants):
        (steps, *logs), samples = arrays[f"{i}/logs"], arrays[f"{i}/samples"]
        real = sets[plant[2]][:1000].reshape(-1, *samples.shape[2:])
        samples = samples / np.float32(127 if samples.ndim == 5 else 1)
        yield plant, (steps, dict(zip(doctor.LOGS, logs)), samples, real)


def check_verdicts(runs, share):
    counts, illnesses = np.zeros((7, 7), int), list(doctor.RULES)
    for plant, arguments in runs:
        found = doctor.diagnose(*arguments)
        counts[illnesses.index(plant[0]), illnesses.index(found.illness)] += 1
        if found.illness != plant[0]:
            print(plant, found)
    print(counts)
    assert (counts.sum(axis=1) == 5).all()
    assert counts.trace() >= share * counts.sum()
    assert counts.diagonal().min() >= 3


def test_stored_planted_runs_are_recognised():
    """Seeds 10 to 12.

    The thresholds were set on seeds 0 to 2 and 100 to 108. Frogs, other digits and the ring of five
    modes were seen with seeds 0 to 2 only, in a first test that was 32 of 35 right.
    """
    check_verdicts(load_runs(), share=1.0)


@pytest.mark.slow
def test_planted_runs_trained_anew_are_recognised():
    check_verdicts(run_plants(PLANTS), share=0.9)


if __name__ == "__main__":
    store_runs()
    print(f"{RUNS.name}: {RUNS.stat().st_size / 1e6:.1f} MB", file=sys.stderr)
