"""A small run with `monitors.Checkpoint`. As a script, which tests kill: folder or "", epochs, largest file in bytes."""

import hashlib
import sys

import keras
import numpy as np
from keras import layers, ops

from gan_utils import latents, monitors, networks, training

POINTS = np.random.default_rng(0).normal(size=(160, 2)).astype("float32")


def build(
    first_weights=1,
    *,
    seed=3,
    learning_rate=1e-2,
    dropout=0.3,
    use_ema=True,
    order="discriminator_first",
):
    """A GAN with batch normalisation, dropout, Adam and RMSprop, both with averaged weights."""
    keras.utils.set_random_seed(first_weights)
    hidden = [layers.Dense(8), layers.BatchNormalization(), layers.LeakyReLU(0.2), layers.Dense(2)]
    generator = keras.Sequential([keras.Input((3,)), *hidden], name="generator")
    gan = training.GAN(
        generator, networks.build_mlp_discriminator((2,), units=(8,), dropout=dropout), seed=seed
    )
    adam = keras.optimizers.Adam(learning_rate, beta_1=0.5, use_ema=use_ema)
    gan.compile(keras.optimizers.RMSprop(1e-2, use_ema=use_ema), adam, order=order)
    return gan


def record():
    return monitors.Recorder(latents.sample_latents(4, 3, seed=1), every=7)


def train(gan, recorder, folder=None, epochs=6, callbacks=(), images=POINTS, **kwargs):
    """Train and give back the history; with a folder, the run saves there and goes on there."""
    checkpoints = [] if folder is None else [monitors.Checkpoint(folder, recorder)]
    callbacks = [recorder, *checkpoints, *callbacks]
    return gan.fit(
        images, **{"batch_size": 32, **kwargs}, epochs=epochs, verbose=0, callbacks=callbacks
    )


def digest(gan, recorder, history):
    """SHA-256 of every bit of the end of a run: variables, recordings, history."""
    variables = (
        gan.variables + gan.generator_optimizer.variables + gan.discriminator_optimizer.variables
    )
    arrays = [ops.convert_to_numpy(variable) for variable in variables]
    arrays += [values for _, values in sorted(recorder.state().items())]
    arrays += [np.array(history.epoch)] + [
        np.array(values) for _, values in sorted(history.history.items())
    ]
    return hashlib.sha256(
        b"".join(f"{array.dtype} {array.shape}".encode() + array.tobytes() for array in arrays)
    ).hexdigest()


class Teller(keras.callbacks.Callback):
    """Prints what was saved, and after the third epoch sets a limit to the bytes of a file, if one is given."""

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
    gan, recorder = build(), record()
    teller = Teller(int(sys.argv[3]) if len(sys.argv) > 3 else None)
    history = train(gan, recorder, sys.argv[1] or None, int(sys.argv[2]), [teller])
    print("digest", digest(gan, recorder, history), flush=True)
