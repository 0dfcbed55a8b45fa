"""Train a small GAN on virtual CPU devices and print its losses as JSON: `python tests/scale_out.py CASE DEVICES`.

`test_scale_out.py` starts it, because the number of devices must be known before a backend starts.
"""

import contextlib
import json
import os
import sys

CASE, DEVICES = sys.argv[1], int(sys.argv[2])
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={DEVICES}"

from gan_utils import autodiff, penalties, training  # noqa: E402, I001
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402


def distributed():
    """The scope in which a GAN is built and compiled: data parallel on all devices."""
    if autodiff.BACKEND == "jax":
        return keras.distribution.DataParallel().scope() if DEVICES > 1 else contextlib.nullcontext()
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * DEVICES)
    if DEVICES == 1:
        return contextlib.nullcontext()
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(DEVICES)]).scope()


def networks(norm=None, dropout=0.0):
    """A generator and a discriminator of 8 x 8 images, with a normalisation layer in both if `norm` makes one."""
    normalise = [norm] if norm else []
    generator = [keras.Input((5,)), layers.Dense(64), layers.Reshape((4, 4, 4))]
    generator += [make() for make in normalise]
    generator += [layers.ReLU(), layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh")]
    discriminator = [keras.Input((8, 8, 1)), layers.Conv2D(8, 4, strides=2, padding="same")]
    discriminator += [make() for make in normalise]
    discriminator += [layers.LeakyReLU(negative_slope=0.2), layers.Dropout(dropout, seed=3), layers.Flatten(), layers.Dense(1)]
    return keras.Sequential(generator, name="generator"), keras.Sequential(discriminator, name="discriminator")


BATCH_NORM = {"norm": layers.BatchNormalization}
SYNCHRONIZED = {"norm": lambda: layers.BatchNormalization(synchronized=True)}
CASES = {
    "plain": ({}, {"log_gradients": True}),
    "two_steps": ({}, {"discriminator_steps": 2}),
    "generator_first": ({}, {"discriminator_steps": 2, "order": "generator_first"}),
    "execution": ({}, {"steps_per_execution": 5}),
    "penalty": ({}, {"loss": "wasserstein", "penalty": penalties.gradient_penalty}),
    "unrolled": ({}, {"unrolled_steps": 2}),
    "batch_norm": (BATCH_NORM, {}),
    "synchronized": (SYNCHRONIZED, {}),
    "dropout": ({"dropout": 0.3}, {}),
}


class Losses(keras.callbacks.Callback):
    """All logs of each update."""

    def __init__(self):
        super().__init__()
        self.logs = {}

    def on_train_batch_end(self, batch, logs=None):
        for name, value in logs.items():
            self.logs.setdefault(name, []).append(float(value))


def main():
    network_options, compile_options = CASES[CASE]
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).uniform(-1.0, 1.0, (208, 8, 8, 1)).astype("float32")
    images[:, :4] = np.abs(images[:, :4])
    with distributed():
        gan = training.GAN(*networks(**network_options), seed=1)
        optimizers = [keras.optimizers.Adam(2e-3, beta_1=0.5) for _ in range(2)]
        gan.compile(*optimizers, **compile_options)
        losses = Losses()
        steps = compile_options.get("discriminator_steps", 1)
        history = gan.fit(images, batch_size=16, epochs=-(-50 // (208 // (16 * steps))), verbose=0, callbacks=[losses])
        samples = gan.sample(4, seed=0)
    print("COUNT", gan.trackers[0].count.numpy() if autodiff.BACKEND == "tensorflow" else "", file=sys.stderr)
    print(json.dumps({"logs": losses.logs, "history": history.history, "samples": samples.ravel()[:32].tolist()}))


main()
