"""Keras callbacks that watch a `training.GAN` while it learns."""

import time
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from gan_utils import autodiff, checks, images, plotting

LATENTS, REAL = checks.array("n, latent_dim", tensor=True), checks.array("m, ...")
PATH = checks.instance((str, Path), "a path", "Write a string or a pathlib.Path.")


class Recorder(keras.callbacks.Callback):
    """Keeps the logs of every update, and samples at fixed latents every few updates.

    Args:
        latents: `(n, latent_dim)`, the same through the whole run, so that pictures can be compared.
        every: updates between two records of samples.
        live: show a figure in the notebook that is redrawn at each record, with the time left.
        folder: where to save each record of images as `step_000250.png`; None saves nothing.
        real: for each saved picture, real images to put on its left; for points, real points behind the live figure.

    Attributes:
        steps: number of each logged update. With `steps_per_execution = n` only each n-th update is logged.
        logs: mapping from `discriminator_loss`, `generator_loss`, `d_real`, `d_fake` to lists of floats.
        sample_steps: number of updates at each record of samples; the first is 0, before training.
        samples: list of arrays, one for each record.

    Raises:
        ValueError: if an argument does not fit; at the start of training, if the latents do not fit the generator.

    Taught in: `03_vanilla_gan`.
    """

    @checks.arguments(latents=LATENTS, every=checks.whole(1), live=checks.FLAG, folder=PATH, real=REAL)
    def __init__(self, latents, *, every=250, live=False, folder=None, real=None):
        super().__init__()
        self.latents = latents
        self.every = every
        self.live = live
        self.folder = Path(folder) if folder is not None else None
        self.real = real
        self.step, self.steps, self.logs = 0, [], {}
        self.sample_steps, self.samples = [], []
        self.display = None

    def on_train_begin(self, logs=None):
        self.model.check_latents(self.latents)
        self.start_time, self.start_step = time.perf_counter(), None
        if not self.samples:
            self._record()

    def on_epoch_begin(self, epoch, logs=None):
        # A resumed run starts at a later epoch than 0.
        self.step = self.epoch_start = max(self.step, epoch * self.params["steps"])
        if self.start_step is None:
            self.start_step = self.step

    def on_train_batch_end(self, batch, logs=None):
        before = self.step
        self.step = self.epoch_start + min(batch + 1, self.params["steps"])
        self.steps.append(self.step)
        for name, value in logs.items():
            self.logs.setdefault(name, []).append(float(value))
        if self.step // self.every > before // self.every:
            self._record()

    def on_train_end(self, logs=None):
        if self.sample_steps[-1] != self.step:
            self._record()

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
        left = seconds / max(1, self.step - self.start_step) * (total - self.step)
        title = f"{self.step:,} of {total:,} updates, {format_time(left)} left"
        if fraction == 1.0:
            title = f"{self.step:,} updates in {format_time(seconds)}"
        real = self.real if fakes.ndim == 2 else None
        figure = plotting.plot_progress(self.steps, self.logs, fakes, title, fraction=fraction, real=real)
        if self.display is None:
            self.display = display(figure, display_id=True)
        else:
            self.display.update(figure)
        plt.close(figure)


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
