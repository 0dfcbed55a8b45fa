"""A small run with `monitors.Checkpoint`.

As a script, which tests kill: folder or "", epochs, largest file in bytes.
"""

import hashlib
import sys

import keras
import numpy as np
from keras import layers

from gan_utils import data, monitors, networks, training

POINTS = np.random.default_rng(0).normal(size=(96, 2)).astype("float32")


def build(first_weights=1, *, seed=3, learning_rate=1e-2, **options):
    """A GAN with batch normalisation, dropout, Adam and RMSprop, whose steps are not compiled."""
    keras.utils.set_random_seed(first_weights)
    hidden = [layers.Dense(8), layers.BatchNormalization(), layers.LeakyReLU(0.2), layers.Dense(2)]
    generator = keras.Sequential([keras.Input((3,)), *hidden], name="generator")
    discriminator = networks.build_mlp_discriminator((2,), units=(8,))
    gan = training.GAN(generator, discriminator, seed=seed)
    adam = keras.optimizers.Adam(learning_rate, beta_1=0.5)
    gan.compile(keras.optimizers.RMSprop(1e-2), adam, **{"run_eagerly": True, **options})
    return gan


def record():
    return monitors.Recorder(data.sample_latents(4, 3, seed=1), every=4)


def train(gan, recorder, folder=None, epochs=4, callbacks=(), images=POINTS, **kwargs):
    """Train and give back the history; with a folder, the run saves there and goes on there."""
    checkpoints = [] if folder is None else [monitors.Checkpoint(folder, recorder)]
    callbacks = [recorder, *checkpoints, *callbacks]
    return gan.fit(
        images, **{"batch_size": 32, **kwargs}, epochs=epochs, verbose=0, callbacks=callbacks
    )


def digest(gan, recorder, history):
    """SHA-256 of every bit of the end of a run: variables, recordings, history."""
    arrays = [value for _, value in gan.copy_variables()]
    arrays += [np.array(recorder.samples)]
    arrays += [np.array(history.epoch), *(np.array(v) for _, v in sorted(history.history.items()))]
    parts = [f"{array.dtype} {array.shape}".encode() + array.tobytes() for array in arrays]
    parts += [repr(sorted(recorder.state().items())).encode()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


class Teller(keras.callbacks.Callback):
    """Prints what was saved; may set a limit to the bytes of a file after the third epoch."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def on_epoch_begin(self, epoch, logs=None):
        print(f"begins {epoch}", flush=True)

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 == self.params["steps"]:
            print("saves", flush=True)  # comes next

    def on_epoch_end(self, epoch, logs=None):
        print(f"saved {epoch + 1}", flush=True)
        if self.limit is not None and epoch == 2:
            import resource  # not on Windows

            resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, resource.RLIM_INFINITY))


if __name__ == "__main__":
    gan, recorder = build(run_eagerly=False), record()
    teller = Teller(int(sys.argv[3]) if len(sys.argv) > 3 else None)
    history = train(gan, recorder, sys.argv[1] or None, int(sys.argv[2]), [teller])
    print("digest", digest(gan, recorder, history), flush=True)
