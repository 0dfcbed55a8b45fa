"""Keras callbacks that watch a `training.GAN` while it learns."""

import io
import json
import os
import time
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np

from gan_utils import autodiff, checks, data, plotting


class Watch(keras.callbacks.Callback):
    """Stops a run whose losses are not finite; `GAN.fit` uses it in every run.

    Raises:
        FloatingPointError: after the update that gave a NaN or infinite loss.
    """

    def __init__(self):
        super().__init__()
        self.async_safe = True  # Keras need not wait for the losses of each update
        self.saved, self.saved_at, self.epoch = [], -np.inf, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1
        if time.monotonic() - self.saved_at > 1.0:  # epochs of milliseconds need no copy each
            state = self.model.copy_variables()
            if all(np.isfinite(value).all() for _, value in state):  # the last update broke none
                self.saved, self.saved_at = state, time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        broken = [name for name, value in logs.items() if not np.isfinite(value)]
        if broken:
            optimizers = self.model.generator_optimizer, self.model.discriminator_optimizer
            rates = " and ".join(f"{float(o.learning_rate):.3g}" for o in optimizers)
            where = f"by update {batch + 1} of epoch {self.epoch}"
            passed = f"{' and '.join(broken)} became NaN or infinite {where}."
            data_set = "Look first at its images: of a data set only the first batch was checked."
            remedy = f"Else lower the rates, which are {rates}, or penalise a critic."
            back = "The networks are back where an epoch began."
            raise FloatingPointError(f"{passed} {data_set} {remedy} {back}")


class Recorder(keras.callbacks.Callback):
    """Keeps the logs of every update, and samples at fixed latents every few updates.

    Args:
        latents: `(n, latent_dim)`, the same through the whole run, to compare pictures.
        every: updates between two records of samples.
        live: show a figure in the notebook that is redrawn at each record, with the time left.

    Attributes:
        steps: number of each logged update; with `steps_per_execution = n` each n-th is logged.
        logs: mapping from `discriminator_loss`, `generator_loss`, `d_real`, `d_fake` to lists.
        sample_steps: number of updates at each record of samples; the first is 0, before training.
        samples: list of arrays, one for each record.

    Raises:
        ValueError: if latents or `every` do not fit.

    Taught in: `02_vanilla_gan`.
    """

    def __init__(self, latents, *, every=250, live=False):
        super().__init__()
        shape, remedy = (None, None), "Draw them with data.sample_latents(16, latent_dim)."
        self.latents = checks.check_array("Recorder()", "latents", latents, shape, remedy=remedy)
        self.every = checks.check_int("Recorder()", "every", every)
        self.live = live
        self.step, self.steps, self.logs = 0, [], {}
        self.sample_steps, self.samples = [], []

    def on_train_begin(self, logs=None):
        self.start_time, self.made, self.total, self.display = time.perf_counter(), 0, None, None

    def on_epoch_begin(self, epoch, logs=None):
        steps, self.seen = self.params["steps"], 0
        if not self.samples:
            self._record()
        if steps:  # Keras does not know the length of every data set
            self.total = self.step + (self.params["epochs"] - epoch) * steps

    def on_train_batch_end(self, batch, logs=None):
        seen = min(batch + 1, self.params["steps"] or np.inf)
        before, self.step = self.step, self.step + int(seen - self.seen)
        self.made, self.seen = self.made + self.step - before, seen
        self.steps.append(self.step)
        for name, value in logs.items():
            self.logs.setdefault(name, []).append(float(value))
        if self.step // self.every > before // self.every:
            self._record()

    def on_train_end(self, logs=None):
        if self.sample_steps[-1:] != [self.step]:
            self._record()

    def state(self):
        """What was recorded so far beside `samples`, as numbers and lists for JSON."""
        return {name: getattr(self, name) for name in ("step", "steps", "logs", "sample_steps")}

    def restore(self, state, samples):
        """Go on recording after these; what was recorded since then is forgotten."""
        vars(self).update(state, samples=list(samples))

    def _record(self):
        self.sample_steps.append(self.step)
        self.samples.append(self.model.generate(self.latents))
        try:
            if self.live and self.steps:
                self._draw()
        except Exception as error:  # a picture must not end a training
            print(f"The recorder goes on without pictures ({type(error).__name__}: {error}).")
            self.live = False

    def _draw(self):
        from IPython.display import display

        seconds = time.perf_counter() - self.start_time
        title = f"{self.step:,} updates in {format_time(seconds)}"
        if self.total and self.step < self.total:
            left = format_time(seconds / max(1, self.made) * (self.total - self.step))
            title = f"{self.step:,} of {self.total:,} updates, {left} left"
        figure = plotting.plot_progress(self.steps, self.logs, self.samples[-1], title)
        if self.display is None:
            self.display = display(figure, display_id=True)
        else:
            self.display.update(figure)
        plt.close(figure)


class Checkpoint(keras.callbacks.Callback):
    """Saves everything a run needs, and goes on there when the same `fit` is called after a cut.

    A resumed run ends bit for bit where the uninterrupted one ends, on a CPU with the same versions
    of the software. Saved are all variables of networks, optimizers and seed generators, the
    history and the recordings; first before training, then after each epoch. The order of an
    array's images follows from the seed and the epoch. A finished run removes its checkpoints.

    Each checkpoint is one file, `epoch_000007_<checksum>.npz`, written under another name and then
    renamed, so a killed run leaves those before as they are; the two newest are kept. A damaged
    file is refused with a printed reason and renamed, and the one before is used.

    Not saved are the states of other callbacks, and the order of a data set of your own. A folder
    of a run with another seed, data, optimizers, sizes of networks or names of losses is refused;
    what layers, losses and the penalty hold inside is not compared.

    Example:

        recorder = monitors.Recorder(fixed_latents)
        checkpoint = monitors.Checkpoint(folder / "checkpoint", recorder)
        gan.fit(images, batch_size=64, epochs=20, callbacks=[recorder, checkpoint])

    Args:
        folder: where the checkpoints lie; each run needs its own.
        recorder: the `Recorder` of the same `fit`, if there is one.

    Raises:
        ValueError: if the folder holds another run.
        OSError: if a checkpoint cannot be written. The last one stays.

    Taught in: `03_frog_dcgan`.
    """

    def __init__(self, folder, recorder=None):
        super().__init__()
        self.folder, self.recorder = Path(folder), recorder

    def resume(self, gan, epochs, initial_epoch):
        """Load the newest checkpoint into `gan`, if there is one; `GAN.fit` calls it.

        Returns:
            The epoch to start from, an int.
        """
        self.set_model(gan)
        self.epochs, self.history = [], {}
        self.marks = _fingerprint(gan, self.recorder)
        for path in sorted(self.folder.glob("epoch_*.npz"), reverse=True):
            content = path.read_bytes()
            if data.sha256(content)[:16] in path.name:
                return self._load(content, epochs)
            print(f"Refused {path}: it is damaged.")
            path.replace(path.with_name(f"refused_{path.name}"))
        self._save(initial_epoch)
        return initial_epoch

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        self._save(epoch + 1)

    def on_train_end(self, logs=None):
        self.model.history.epoch, self.model.history.history = self.epochs, self.history
        for path in [*self.folder.glob("epoch_*.npz"), self.folder / "unfinished"]:
            path.unlink(missing_ok=True)

    def _save(self, epoch):
        autodiff.sync_variables(self.model)
        arrays = {f"variable/{i}": v for i, (_, v) in enumerate(self.model.copy_variables())}
        if not all(np.isfinite(array).all() for array in arrays.values()):
            return  # the last update of an epoch broke a weight; its losses do not show it yet
        state = {"epoch": epoch, "epochs": self.epochs, "history": self.history}
        if self.recorder is not None:
            state["recorder"] = self.recorder.state()
            arrays["samples"] = np.array(self.recorder.samples)
        buffer = io.BytesIO()
        np.savez(buffer, state=json.dumps(state | {"marks": self.marks}), **arrays)
        content = buffer.getvalue()
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "unfinished", "wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        name = f"epoch_{epoch:06d}_{data.sha256(content)[:16]}.npz"
        os.replace(self.folder / "unfinished", self.folder / name)
        for path in sorted(self.folder.glob("epoch_*.npz"))[:-2]:
            path.unlink(missing_ok=True)

    def _load(self, content, epochs):
        with np.load(io.BytesIO(content)) as file:
            arrays = dict(file)
        state = json.loads(str(arrays.pop("state")))
        names = sorted({name for name, _ in self.marks.items() ^ state["marks"].items()})
        names += ["epochs"] * (state["epoch"] > epochs)
        passed = f"{self.folder} holds a run that differs from this one in: {', '.join(names)}."
        checks.require(not names, passed, "Choose another folder, or delete this one.")
        variables = [variable for variable, _ in self.model.copy_variables()]
        autodiff.assign((v, arrays[f"variable/{i}"]) for i, v in enumerate(variables))
        if self.recorder is not None:
            self.recorder.restore(state["recorder"], arrays["samples"])
        self.epochs, self.history = state["epochs"], state["history"]
        print(f"Resumed after epoch {state['epoch']} of {epochs}, saved in {self.folder}.", end=" ")
        print("Delete it to start anew; changes inside losses, layers, data sets go unseen.")
        return state["epoch"]


def _fingerprint(gan, recorder):
    """What must be the same in the run that goes on: a mapping from words to text."""
    functions = gan.discriminator_loss, gan.generator_loss, gan.penalty
    marks = {
        "backend": autodiff.BACKEND,
        "seed": gan.seed,
        "shapes of weights": [variable.shape for variable in gan.variables],
        "losses or penalty": [getattr(f, "__qualname__", type(f).__name__) for f in functions],
        "updates of D": gan.discriminator_steps,
    }
    if hasattr(gan.batches, "images"):
        marks |= {"data": data.sha256(gan.batches.images), "batch_size": gan.batches.size}
    for name in ("generator_optimizer", "discriminator_optimizer"):
        optimizer = getattr(gan, name)
        marks[name] = {**optimizer.get_config(), "name": type(optimizer).__name__}
    if recorder is not None:
        marks["recorder"] = data.sha256(recorder.latents), recorder.every
    return {name: str(mark) for name, mark in marks.items()}


def format_time(seconds):
    """Seconds in words: `"45 s"`, `"3 min 20 s"`."""
    seconds = int(round(max(0.0, seconds)))
    return f"{seconds} s" if seconds < 100 else f"{seconds // 60} min {seconds % 60:02d} s"
