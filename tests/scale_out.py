"""Trains small GANs on virtual CPU devices and prints what came of it as JSON: `python tests/scale_out.py DEVICES CASE...`.

`test_scale_out.py` starts it, because the number of devices must be chosen before a backend starts.
"""

import contextlib
import json
import os
import sys

DEVICES = int(sys.argv[1])
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={DEVICES}"

from gan_utils import autodiff, latents, monitors, penalties, training  # noqa: E402, I001
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402

BATCH_NORM = layers.BatchNormalization
# For each case: the layer of normalisation, the rate of dropout, and the arguments of compile().
CASES = {
    "plain": (None, 0.0, {"log_gradients": True}),
    "two_steps": (None, 0.0, {"discriminator_steps": 2, "order": "generator_first"}),
    "execution": (None, 0.0, {"steps_per_execution": 5}),
    "penalty": (None, 0.0, {"loss": "wasserstein", "penalty": penalties.gradient_penalty}),
    "unrolled": (None, 0.0, {"unrolled_steps": 2}),
    "simultaneous": (None, 0.0, {"order": "simultaneous", "log_gradients": True}),
    "batch_norm": (BATCH_NORM, 0.0, {}),
    "synchronized": (lambda: BATCH_NORM(synchronized=True), 0.0, {}),
    "dropout": (None, 0.3, {}),
}


def make_scope():
    """What surrounds building, compiling and training on several devices."""
    if autodiff.BACKEND == "jax":
        return keras.distribution.DataParallel(
            auto_shard_dataset=False
        ).scope()  # matters with several hosts only
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * DEVICES
    )
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(DEVICES)]).scope()


def build_networks(norm, dropout):
    """A generator and a discriminator of 8 x 8 images."""
    norms = [norm(), norm()] if norm else []
    generator = [
        keras.Input((5,)),
        layers.Dense(64),
        layers.Reshape((4, 4, 4)),
        *norms[:1],
        layers.ReLU(),
    ]
    generator += [layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh")]
    discriminator = [
        keras.Input((8, 8, 1)),
        layers.Conv2D(8, 4, strides=2, padding="same"),
        *norms[1:],
    ]
    discriminator += [
        layers.LeakyReLU(negative_slope=0.2),
        layers.Dropout(dropout, seed=3),
        layers.Flatten(),
        layers.Dense(1),
    ]
    return keras.Sequential(generator, name="generator"), keras.Sequential(
        discriminator, name="discriminator"
    )


def run(norm, dropout, options):
    """Logs of 50 updates, their means over the epochs, and samples before and after."""
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).uniform(-1.0, 1.0, (160, 8, 8, 1)).astype("float32")
    images[:, :4] = np.abs(images[:, :4])
    gan = training.GAN(*build_networks(norm, dropout), seed=1)
    gan.compile(*(keras.optimizers.Adam(2e-3, beta_1=0.5) for _ in range(2)), **options)
    recorder = monitors.Recorder(latents.sample_latents(4, 5, seed=0), every=100)
    epochs = 5 * options.get("discriminator_steps", 1)
    history = gan.fit(images, batch_size=16, epochs=epochs, verbose=0, callbacks=[recorder])
    try:
        gan.fit(images, batch_size=4 * DEVICES + 1, verbose=0)
        error = ""
    except ValueError as caught:
        error = str(caught)
    samples = np.stack(recorder.samples).ravel().tolist()
    return {
        "steps": recorder.steps,
        "logs": recorder.logs,
        "history": history.history,
        "samples": samples,
        "error": error,
    }


hosts = int(os.environ.get("KERAS_DISTRIBUTION_NUM_PROCESSES", 1))
if hosts > 1:
    keras.distribution.initialize()
with make_scope() if DEVICES * hosts > 1 else contextlib.nullcontext():
    results = {case: run(*CASES[case]) for case in sys.argv[2:]}
print(json.dumps(results))
