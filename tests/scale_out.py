"""Small GANs, on this device or, as a script, on virtual CPU devices: DEVICES CASE...

`test_scale_out.py` starts it, because the number of devices must be chosen before a backend starts.
It prints what came of the cases as JSON.
"""

import json
import os
import sys

if __name__ == "__main__":
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={sys.argv[1]}"

from gan_utils import autodiff, data, losses, monitors, training  # isort: skip
import keras
import numpy as np
from keras import layers

BATCH_NORM = layers.BatchNormalization
# For each case: the layer of normalisation, the rate of dropout, and the arguments of compile().
CASES = {
    "plain": (None, 0.0, {}),
    "two_steps": (None, 0.0, {"discriminator_steps": 2}),
    "execution": (None, 0.0, {"steps_per_execution": 5}),
    "penalty": (None, 0.0, {"loss": "wasserstein", "penalty": losses.gradient_penalty}),
    "batch_norm": (BATCH_NORM, 0.0, {}),
    "synchronized": (lambda: BATCH_NORM(synchronized=True), 0.0, {}),
    "dropout": (None, 0.3, {}),
}


def make_scope(devices):
    """What surrounds building, compiling and training on several devices."""
    if autodiff.BACKEND == "jax":
        return keras.distribution.DataParallel().scope()
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * devices
    tf.config.set_logical_device_configuration(cpu, logical)
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(devices)]).scope()


def build_networks(norm, dropout):
    """A generator and a discriminator of 8 x 8 images."""
    norms = [norm(), norm()] if norm else []
    generator = [keras.Input((5,)), layers.Dense(64), layers.Reshape((4, 4, 4)), *norms[:1]]
    generator += [layers.ReLU()]
    generator += [layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh")]
    discriminator = [keras.Input((8, 8, 1)), layers.Conv2D(8, 4, strides=2, padding="same")]
    discriminator += [*norms[1:], layers.LeakyReLU(negative_slope=0.2)]
    discriminator += [layers.Dropout(dropout, seed=3), layers.Flatten(), layers.Dense(1)]
    return keras.Sequential(generator), keras.Sequential(discriminator)


def run(name, devices):
    """Logs of 20 updates, their means over the epochs, and samples before and after."""
    norm, dropout, options = CASES[name]
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).uniform(-1.0, 1.0, (160, 8, 8, 1)).astype("float32")
    images[:, :4] = np.abs(images[:, :4])
    gan = training.GAN(*build_networks(norm, dropout), seed=1)
    gan.compile(*(keras.optimizers.Adam(5e-3, beta_1=0.5) for _ in range(2)), **options)
    recorder = monitors.Recorder(data.sample_latents(4, 5, seed=0), every=100)
    epochs = 2 * options.get("discriminator_steps", 1)
    history = gan.fit(images, batch_size=16, epochs=epochs, verbose=0, callbacks=[recorder])
    error = ""
    try:
        gan.fit(images, batch_size=4 * devices + 1, verbose=0, epochs=0)
    except ValueError as caught:
        error = str(caught)
    samples = np.stack(recorder.samples).ravel().tolist()
    result = {"steps": recorder.steps, "logs": recorder.logs, "history": history.history}
    return {**result, "samples": samples, "error": error}


if __name__ == "__main__":
    devices = int(sys.argv[1])
    with make_scope(devices):
        print(json.dumps({name: run(name, devices) for name in sys.argv[2:]}))
