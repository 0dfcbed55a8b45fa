"""Keras callbacks that watch a `training.GAN` while it learns."""

import contextlib
import functools
import hashlib
import io
import json
import os
import shutil
import time
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops
from PIL import Image

from gan_utils import autodiff, checks, images, plotting

LATENTS, REAL = checks.array("n, latent_dim", tensor=True), checks.array("m, ...")
PATH = checks.instance((str, Path), "a path", "Write a string or a pathlib.Path.")

VERSIONS = {"Keras": keras.__version__, autodiff.BACKEND: autodiff.BACKEND_VERSION}
WEIGHTS, ARRAYS, STATE = "gan.weights.h5", "arrays.npz", "state.json"  # the files of a checkpoint


class Recorder(keras.callbacks.Callback):
    """Keeps the logs of every update, and samples at fixed latents every few updates.

    Args:
        latents: `(n, latent_dim)`, the same through the whole run, so that pictures can be compared.
        every: updates between two records of samples.
        live: show a figure in the notebook that is redrawn at each record, with the time left.
        folder: where to save each record of images as `step_000250.png`; None saves nothing.
        real: for each saved picture, real images to put on its left; for points, real points behind the live figure.
        band: where the curves of normal runs lie, drawn behind those of the live figure; see `results.load_band`.

    Attributes:
        steps: number of each logged update. With `steps_per_execution = n` only each n-th update is logged.
        logs: mapping from `discriminator_loss`, `generator_loss`, `d_real`, `d_fake` to lists of floats.
        sample_steps: number of updates at each record of samples; the first is 0, before training.
        samples: list of arrays, one for each record.

    Raises:
        ValueError: if an argument does not fit; at the start of training, if the latents do not fit the generator.

    Taught in: `02_vanilla_gan`.
    """

    @checks.arguments(latents=LATENTS, every=checks.whole(1), live=checks.FLAG, folder=PATH, real=REAL, band=plotting.BAND)
    def __init__(self, latents, *, every=250, live=False, folder=None, real=None, band=None):
        super().__init__()
        self.latents = latents
        self.every = every
        self.live = live
        self.folder = Path(folder) if folder is not None else None
        self.real = real
        self.band = band
        self.step, self.steps, self.logs = 0, [], {}
        self.sample_steps, self.samples = [], []
        self.display = None

    def on_train_begin(self, logs=None):
        self.model.check_latents(self.latents)
        self.start_time, self.made = time.perf_counter(), 0

    def on_epoch_begin(self, epoch, logs=None):
        # A resumed run starts at a later epoch than 0.
        self.step = self.epoch_start = max(self.step, epoch * self.params["steps"])
        # Not in on_train_begin(): a checkpoint may bring other weights and the samples of the run before the cut.
        if not self.samples:
            self._record()

    def on_train_batch_end(self, batch, logs=None):
        before = self.step
        self.step = self.epoch_start + min(batch + 1, self.params["steps"])
        self.made += self.step - before
        self.steps.append(self.step)
        for name, value in logs.items():
            self.logs.setdefault(name, []).append(float(value))
        if self.step // self.every > before // self.every:
            self._record()

    def on_train_end(self, logs=None):
        if self.sample_steps[-1:] != [self.step]:
            self._record()

    def state(self):
        """What was recorded so far, as a mapping from names to arrays; `restore` takes it back."""
        logs = {f"logs/{name}": np.array(values) for name, values in self.logs.items()}
        return {name: np.array(getattr(self, name)) for name in ("step", "steps", "sample_steps", "samples")} | logs

    def restore(self, state):
        """Go on recording after what `state` holds; what was recorded since then is forgotten."""
        self.step, self.samples = int(state["step"]), list(state["samples"])
        self.steps, self.sample_steps = state["steps"].tolist(), state["sample_steps"].tolist()
        self.logs = {name[len("logs/") :]: values.tolist() for name, values in state.items() if name.startswith("logs/")}

    def _record(self):
        autodiff.sync_variables(self.model)
        fakes = self.model.generate(self.latents)
        self.sample_steps.append(self.step)
        self.samples.append(fakes)
        if self.folder is not None and fakes.ndim == 4:
            save_grid(fakes, self.folder / f"step_{self.step:06d}.png", real=self.real)
        if self.live and self.steps:
            self._draw(fakes)

    def _draw(self, fakes):
        from IPython.display import display

        total = self.params["epochs"] * self.params["steps"]
        fraction = min(1.0, self.step / total)
        seconds = time.perf_counter() - self.start_time
        left = seconds / max(1, self.made) * (total - self.step)
        title = f"{self.step:,} of {total:,} updates, {format_time(left)} left"
        if fraction == 1.0:
            title = f"{self.step:,} updates in {format_time(seconds)}"
        real = self.real if fakes.ndim == 2 else None
        figure = plotting.plot_progress(self.steps, self.logs, fakes, title, fraction=fraction, real=real, band=self.band)
        if self.display is None:
            self.display = display(figure, display_id=True)
        else:
            self.display.update(figure)
        plt.close(figure)


RECORDER = checks.instance(Recorder, "a monitors.Recorder or a list of them", "Pass the recorder of the same fit().")


class Checkpoint(keras.callbacks.Callback):
    """Saves everything a run needs to go on, and goes on there when the same `fit` is called again after a cut.

    A resumed run ends bit for bit where the uninterrupted one ends, on a CPU with the same versions of the software. Saved are
    both networks, both optimizers with their averages, the states of all seed generators, the order of the data, the history and
    the recordings; first before training, then at the end of epochs. A finished run removes its checkpoints.

    Each checkpoint is a folder `epoch_000007`. It is written under another name and then renamed, so a run that is killed while
    it saves leaves the checkpoints before as they are; the two newest are kept. Training starts from the newest one. One with a
    damaged file, or of a run with other settings, is refused with a printed reason and renamed `refused_epoch_000007`, and the
    one before is used.

    Put it last among the callbacks: what later ones add to the logs of an epoch is not saved. Not saved are the states of other
    callbacks, random generators outside of the GAN, and the order of a `tf.data.Dataset` or `PyDataset` of your own: there a
    resumed run is exact if the batches of an epoch do not depend on the epochs before.

    Example:

        recorder = monitors.Recorder(fixed_latents)
        checkpoint = monitors.Checkpoint(folder / "checkpoint", recorder)
        gan.fit(images, batch_size=64, epochs=20, callbacks=[recorder, checkpoint])

    Args:
        folder: where the checkpoints lie; each run needs its own.
        recorder: the `Recorder` of the same `fit`, or a list of them. Their pictures and lists are restored.
        every: epochs between two checkpoints.

    Raises:
        ValueError: if an argument does not fit; at the start of training, if the folder holds only another run.
        OSError: if a checkpoint cannot be written. The last one stays.

    Taught in: `03_frog_dcgan`.
    """

    @checks.arguments(folder=PATH, every=checks.whole(1))
    def __init__(self, folder, recorder=None, *, every=1):
        super().__init__()
        self.folder, self.every = Path(folder), every
        recorders = list(recorder) if isinstance(recorder, (list, tuple)) else [recorder] * (recorder is not None)
        self.recorders = [RECORDER("Checkpoint()", "recorder", one) for one in recorders]

    def on_train_begin(self, logs=None):
        passed, expected = "Checkpoint received a fit() on several hosts.", "It saves runs of one host."
        remedy = "Leave it out, or save the weights at the end."
        checks.require(autodiff.place_among_hosts()[1] == 1, passed, expected, remedy)
        steps, batches = self.params["steps"], self.model.batches
        num_batches = len(batches) if batches else steps
        passed = f"Checkpoint received a fit() with steps_per_epoch={steps} of {num_batches} batches."
        expected = "An epoch that is cut short leaves batches for the next one, whose order a resumed run cannot know."
        checks.require(steps == num_batches, passed, expected, "Leave steps_per_epoch out, or give fit() fewer images.")
        self.epochs, self.history, self.marks = [], {}, self._fingerprint()
        with self._writing():
            pass  # a folder that cannot be written is found before the first update
        found, refused = self._find()
        for path in refused:
            aside = path.with_name(f"refused_{path.name}")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
        if found:
            self._load(*found)
            return
        if refused:
            print(f"No checkpoint in {self.folder} can be used: training starts anew.")
        self._save(self.model._initial_epoch)

    def _find(self):
        """`(path, state, arrays)` of the newest checkpoint of this run, or None, and the paths that were refused before it."""
        refused, foreign = [], ""
        for path in sorted(self.folder.glob("epoch_*"), reverse=True):
            state, arrays, problem = _read_checkpoint(path)
            differences = "" if problem else self._differences(state)
            if not problem and not differences:
                return (path, state, arrays), refused
            print(f"Refused {path}: {problem or 'it belongs to another run; ' + differences}.")
            refused, foreign = [*refused, path], foreign or differences
        passed = f"{self.folder} holds checkpoints of another run ({foreign})."
        expected = "A run goes on only with the networks, settings and data it began with, and another would overwrite it."
        checks.require(not foreign, passed, expected, "Choose another folder for this run, or delete this one.")
        return None, refused

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        # The last update of an epoch may have broken a weight, which its losses do not show yet.
        if (epoch + 1) % self.every == 0 and self.model.is_finite():
            self._save(epoch + 1)

    def on_train_end(self, logs=None):
        self.model.history.epoch, self.model.history.history = self.epochs, self.history
        for path in self.folder.glob("epoch_*"):
            self._remove(path)
        with contextlib.suppress(OSError):  # something else lies there
            self.folder.rmdir()

    def _save(self, epoch):
        arrays = {f"seed/{i}": ops.convert_to_numpy(variable) for i, variable in enumerate(self._seed_states())}
        for i, recorder in enumerate(self.recorders):
            arrays |= {f"recorder_{i}/{name}": values for name, values in recorder.state().items()}
        state = {"epoch": epoch, "epochs": self.epochs, "history": self.history, "marks": self.marks, "versions": VERSIONS}
        state["updates"] = int(ops.convert_to_numpy(self.model.generator_optimizer.iterations))
        state["order_seed"] = self.model.batches.seed if self.model.batches else None
        with self._writing() as temporary:
            weights = _MemoryFile()
            self.model.save_weights(weights)
            (temporary / WEIGHTS).write_bytes(weights.getbuffer())
            np.savez(temporary / ARRAYS, **arrays)
            checksums = {name: _checksum((temporary / name).read_bytes()) for name in (WEIGHTS, ARRAYS)}
            checksums[STATE] = _checksum(json.dumps(state).encode())
            (temporary / STATE).write_text(json.dumps({"state": state, "checksums": checksums}))
            for path in [*temporary.iterdir(), temporary]:
                _sync(path)
            temporary.rename(self.folder / f"epoch_{epoch:06d}")
            _sync(self.folder)
            for path in sorted(self.folder.glob("epoch_*"))[:-2]:
                self._remove(path)

    def _load(self, path, state, arrays):
        self.model.load_weights(path / WEIGHTS)
        for i, variable in enumerate(self._seed_states()):
            variable.assign(arrays[f"seed/{i}"])
        for i, recorder in enumerate(self.recorders):
            begin = f"recorder_{i}/"
            recorder.restore({name[len(begin) :]: values for name, values in arrays.items() if name.startswith(begin)})
        self.epochs, self.history = state["epochs"], state["history"]
        self.model._initial_epoch = state["epoch"]  # where the loop of Keras begins, as in its BackupAndRestore
        if self.model.batches:
            self.model.batches.seed = state["order_seed"]
            self.model.batches.start(state["epoch"] + 1)
        print(
            f"Resumed after epoch {state['epoch']} of {self.params['epochs']} (update {state['updates']:,}), "
            f"saved in {self.folder}. Delete this folder to start anew."
        )
        if state["versions"] != VERSIONS:
            print(f"It was saved with {state['versions']} and goes on with {VERSIONS}: the last digits may differ.")

    def _seed_states(self):
        # Keras leaves them out of a weights file.
        return [variable for variable in self.model.variables if variable.name == "seed_generator_state"]

    @contextlib.contextmanager
    def _writing(self):
        """An empty temporary folder for the block, which fills and renames it. What is left of it is removed at the end."""
        temporary = self.folder / "unfinished"
        try:
            shutil.rmtree(temporary, ignore_errors=True)  # of a run that was killed
            temporary.mkdir(parents=True)
            yield temporary
        except OSError as error:
            raise OSError(
                f"A checkpoint could not be written to {self.folder} ({error}). "
                "The folder must allow writing, and the disk needs room for three checkpoints. "
                "Make room and run fit() again, which goes on with the last good checkpoint, or choose another folder."
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _remove(self, path):
        # Renamed first: a run that is killed here leaves no half of a checkpoint.
        shutil.rmtree(path.rename(self.folder / "unfinished"))

    def _differences(self, state):
        """The first settings in which the run of a checkpoint differs from this one, in words."""
        here, there = self.marks, state["marks"]
        names = [name for name in here | there if here.get(name) != there.get(name)]
        differences = [f"{name}: {here.get(name, 'nothing')} here, {there.get(name, 'nothing')} there" for name in names]
        if state["epoch"] > self.params["epochs"]:
            differences.append(f"epochs: {self.params['epochs']} here, {state['epoch']} done there")
        return "; ".join(differences[:3])

    def _fingerprint(self):
        """What must be the same in the run that goes on, as a mapping from words to text."""
        gan = self.model
        marks = {"backend": autodiff.BACKEND, "steps in an epoch": self.params["steps"], "recorders": len(self.recorders)}
        names = ["seed", "order", "discriminator_steps", "unrolled_steps", "log_gradients", "steps_per_execution"]
        names += ["discriminator_loss", "generator_loss", "penalty"]
        marks |= {name: getattr(gan, name) for name in names}
        if gan.batches:
            x = gan.batches.images
            marks |= {"batch_size": gan.batches.size // gan.discriminator_steps, "images": x.shape, "checksum": _checksum(x)}
        for i, recorder in enumerate(self.recorders):
            latents = _checksum(ops.convert_to_numpy(recorder.latents))
            marks |= {f"latents of recorder {i}": latents, f"every of recorder {i}": recorder.every}
        for owner, network in (("generator", gan.generator), ("discriminator", gan.discriminator)):
            parts = {"optimizer": gan.optimizer_settings[owner]}
            parts |= {f"layer {i}": _settings(layer) for i, layer in enumerate(network._flatten_layers(include_self=False))}
            for part, settings in parts.items():
                marks |= {f"{owner}'s {part}, {name}": value for name, value in settings.items() if name not in ("name", "seed")}
            # Names like `dense_3` count the layers built in this session: only the last part of a path says something.
            marks[f"{owner}'s weights"] = [(v.name, str(v.dtype), v.shape) for v in network.weights]
        return {name: _tell(value) for name, value in marks.items()}


class _MemoryFile(io.BytesIO):
    """A weights file in memory: HDF5 ends the whole process when a disk is full, Python raises an error."""

    def __str__(self):
        return ".weights.h5"  # Keras takes the format from the end of the name


def _read_checkpoint(path):
    """`(state, arrays, problem)` of a checkpoint; the problem is empty if all files are as they were written."""
    try:
        stored = json.loads((path / STATE).read_text())
        files = {name: (path / name).read_bytes() for name in (WEIGHTS, ARRAYS)}
        files[STATE] = json.dumps(stored["state"]).encode()
        broken = [name for name, content in files.items() if _checksum(content) != stored["checksums"][name]]
        if broken:
            return None, None, f"{' and '.join(broken)} is damaged: the checksum is wrong"
        with np.load(io.BytesIO(files[ARRAYS]), allow_pickle=False) as arrays:
            return stored["state"], dict(arrays), ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, None, f"a file is missing or damaged ({type(error).__name__}: {error})"


def _checksum(content):
    """SHA-256 of bytes or of the values of an array, in hexadecimal digits."""
    return hashlib.sha256(content if isinstance(content, bytes) else np.ravel(content)).hexdigest()


def _sync(path):
    """Wait until a file or a folder lies on the disk, not only in the memory of the system."""
    # Some systems cannot do this with a folder.
    with contextlib.suppress(OSError) if path.is_dir() else contextlib.nullcontext():
        handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _settings(layer):
    """Class and configuration of a layer."""
    config = {}
    if not layer._layers:  # else it repeats those of the layers inside, with their names
        with contextlib.suppress(NotImplementedError):  # a class of your own may have none
            config = layer.get_config()
    return {"class": type(layer).__name__, **config}


def _tell(value):
    """A setting as text that is the same in each process: a function by its name and what `functools.partial` gave it."""
    if isinstance(value, functools.partial):
        return f"{_tell(value.func)} with {_tell(value.args)} {_tell(value.keywords)}"
    if callable(value):
        return getattr(value, "__qualname__", type(value).__name__)
    if isinstance(value, float):
        return f"{value:.7g}"
    return json.dumps(value, default=lambda v: type(v).__name__) if isinstance(value, (dict, list, tuple)) else str(value)


@checks.arguments(fakes=checks.array("n, height, width, channels", finite=False), path=PATH)
def save_grid(fakes, path, *, real=None):
    """Save a grid of fake images as PNG, with a grid of as many real ones on its left if given. Makes the folder."""
    path, grid = Path(path), images.make_grid(images.check_range(fakes, "save_grid()"))
    if real is not None:
        form = checks.form((None, *np.shape(fakes)[1:]))
        real = checks.array(form, smallest=len(fakes))("save_grid()", "real", real)
        gap = np.ones((grid.shape[0], 8, grid.shape[2]), "float32")
        grid = np.concatenate([images.make_grid(real[: len(fakes)]), gap, grid], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = images.denormalize(grid)
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path, "PNG")


@checks.arguments(seconds=checks.number(0.0))
def format_time(seconds):
    """Seconds in words: `"45 s"`, `"3 min 20 s"`."""
    seconds = int(round(seconds))
    return f"{seconds} s" if seconds < 100 else f"{seconds // 60} min {seconds % 60:02d} s"
