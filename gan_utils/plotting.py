"""Figures from arrays. Real is blue and fake is orange everywhere. Nothing here trains, samples, saves or shows."""

import matplotlib.pyplot as plt
import numpy as np

from gan_utils import checks
from gan_utils import images as image_arrays


def _is_band(value):
    arrays = map(checks.as_numpy, value.values()) if isinstance(value, dict) else [np.empty(0)]
    return all(array.ndim == 2 and len(array) == 3 and array.dtype.kind in "if" for array in arrays)


BAND = checks.rule(_is_band, "a dict from labels to (steps, low, high)", "Pass results.load_band('vanilla_digits').")
AXES = checks.instance(plt.Axes, "axes of matplotlib", "Make them with plt.subplots(), or leave ax out.")

REAL, FAKE, NEUTRAL = "#0072B2", "#E69F00", "#555555"
STYLE = {
    "figure.figsize": (7.0, 3.2),
    "figure.dpi": 80,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=[REAL, FAKE, "#009E73", "#CC79A7", NEUTRAL]),
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "image.cmap": "viridis",
}


def use_style():
    """Set the course's style for all later figures."""
    plt.rcParams.update(STYLE)


@checks.arguments(title=checks.TEXT, ax=AXES, scale=checks.number(0.01, 100.0))
def show_grid(images, title="", *, num_columns=None, ax=None, scale=1.0):
    """A grid of images on one axes.

    Args:
        images: `(n, height, width, channels)`, float in [-1, 1].
        title: what the reader should see.
        num_columns: images in a row; by default the grid is square.
        ax: axes to draw on; by default a new figure.
        scale: size of a new figure; 1.0 makes an image of 32 pixels 0.55 inch wide.

    Returns:
        The axes.

    Raises:
        ValueError: if the images do not fit, as in `images.make_grid`.

    Taught in: `01_intuition`.
    """
    images = checks.as_numpy(images)
    if np.issubdtype(images.dtype, np.floating) and np.abs(images).max(initial=0.0) < 1.0001:
        images = np.clip(images, -1.0, 1.0)  # rounding
    grid = image_arrays.make_grid(images, num_columns)
    if ax is None:
        height, width = (scale * 0.55 * side / 33.0 for side in grid.shape[:2])
        _, ax = plt.subplots(figsize=(max(width, 2.0), height + 0.3))
    ax.imshow((grid + 1.0) / 2.0, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    ax.set_title(title)
    ax.set_axis_off()
    return ax


@checks.arguments(real=checks.array("n, 2"), fake=checks.array("m, 2"), title=checks.TEXT, ax=AXES, limit=checks.number(1e-6))
def plot_points(real=None, fake=None, title="", *, ax=None, limit=None):
    """Clouds of two-dimensional points: real ones blue, fake ones orange.

    Args:
        real: `(n, 2)`, or None.
        fake: `(m, 2)`, or None.
        title: what the reader should see.
        ax: axes to draw on; by default a new figure.
        limit: half the width of the shown square.

    Returns:
        The axes.

    Raises:
        ValueError: if the points are not `(n, 2)` and finite.

    Taught in: `04_wgan`.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(3.4, 3.4))
    for points, color, label, marker in ((real, REAL, "real", "o"), (fake, FAKE, "fake", "^")):
        if points is not None:
            ax.scatter(points[:, 0], points[:, 1], s=6, color=color, alpha=0.5, label=label, marker=marker, linewidths=0)
    ax.set(title=title, aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    if limit is not None:
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit))
    ax.legend(loc="upper right", markerscale=2)
    return ax


@checks.arguments(curves=checks.MAPPING, title=checks.TEXT, ax=AXES, ylabel=checks.TEXT, smooth=checks.whole(1), band=BAND)
def plot_curves(steps, curves, title="", *, ax=None, ylabel="", smooth=1, band=None):
    """Curves over training.

    Args:
        steps: `(n,)`, number of updates.
        curves: mapping from a label to `(n,)` values. `d_real` and `discriminator_loss` are drawn blue, `d_fake` and
            `generator_loss` orange and dashed.
        title: what the reader should see.
        ax: axes to draw on; by default a new figure.
        ylabel: label of the vertical axis.
        smooth: length of a moving mean; the raw values stay visible behind it.
        band: where the curves of normal runs lie, drawn pale behind the curve of the same label, as `results.load_band` gives it:
            mapping from labels to `(steps, low, high)`. Only its part up to the last of the drawn steps is shown.

    Returns:
        The axes.

    Raises:
        ValueError: if a curve has not as many values as there are steps. NaN is drawn as a gap: it shows where a run broke down.

    Taught in: `02_vanilla_gan`.
    """
    line = checks.array("n", finite=False, remedy="Pass recorder.steps and recorder.logs of one monitors.Recorder.")
    pairs = {f"the curve {label!r}": (values, line) for label, values in curves.items()}
    steps, *lines = checks.arrays("plot_curves()", steps=(steps, line), **pairs)
    if ax is None:
        _, ax = plt.subplots()
    looks = {
        "discriminator_loss": (REAL, "-", "loss of D"),
        "generator_loss": (FAKE, "--", "loss of G"),
        "d_real": (REAL, "-", "D on real"),
        "d_fake": (FAKE, "--", "D on fake"),
        "kernel_distance": (FAKE, "-", "kernel distance"),
    }
    for label, values in zip(curves, lines):
        color, line, name = looks.get(label, (None, "-", label))
        width = min(smooth, len(values))
        if width > 1:
            mean = np.convolve(values, np.ones(width) / width, mode="valid")
            drawn = ax.plot(steps[width - 1 :], mean, line, color=color, label=name)
            ax.plot(steps, values, color=drawn[0].get_color(), alpha=0.2, linewidth=0.6)
        else:
            drawn = ax.plot(steps, values, line, color=color, label=name)
        if label in (band or {}):
            lines_of_band = np.asarray(band[label])
            ax.fill_between(
                *lines_of_band[:, lines_of_band[0] <= steps.max()], color=drawn[0].get_color(), alpha=0.15, linewidth=0
            )
    ax.set(title=title, xlabel="updates", ylabel=ylabel)
    if curves:
        ax.legend(loc="best")
    return ax


@checks.arguments(steps=checks.array("n"), logs=checks.MAPPING, title=checks.TEXT, fraction=checks.number(0.0, 1.0), band=BAND)
def plot_progress(steps, logs, samples, title="", *, fraction=1.0, real=None, band=None):
    """One picture of a run: samples at fixed latents, losses, and D's output on real and fake.

    Args:
        steps: `(n,)`, number of updates.
        logs: mapping with `discriminator_loss`, `generator_loss`, `d_real`, `d_fake`, each `(n,)`.
        samples: the newest fake images `(m, height, width, channels)`, or points `(m, 2)` or `(m, 1)`.
        title: shown over the figure.
        fraction: finished share of the run in [0, 1], drawn as a bar.
        real: real points drawn behind fake points.
        band: as in `plot_curves`.

    Returns:
        The figure.

    Raises:
        ValueError: if an argument does not fit, as in `plot_curves`, `show_grid` and `plot_points`.

    Taught in: `02_vanilla_gan`.
    """
    samples = checks.as_numpy(samples)
    if samples.ndim != 4:
        checks.array("m, 1" if samples.shape[1:] == (1,) else "m, 2")("plot_progress()", "samples", samples)
    figure, axes = plt.subplot_mosaic("SL;SD", figsize=(8.0, 3.8), width_ratios=(1.0, 1.1))
    if samples.ndim == 4:
        show_grid(samples, ax=axes["S"])
    elif samples.shape[1] == 1:
        axes["S"].hist(samples[:, 0], bins=50, color=FAKE, label="fake")
        axes["S"].set(xlabel="$x$", ylabel="samples")
    else:
        plot_points(real, samples, ax=axes["S"])
    smooth = max(1, len(steps) // 50)
    losses = {name: logs[name] for name in ("discriminator_loss", "generator_loss") if name in logs}
    outputs = {name: logs[name] for name in ("d_real", "d_fake") if name in logs}
    plot_curves(steps, losses, "Losses", ax=axes["L"], smooth=smooth, band=band)
    plot_curves(steps, outputs, "Output of D", ax=axes["D"], smooth=smooth, band=band)
    for name in "LD":  # beside the title, where no curve can run behind it
        axes[name].legend(loc="lower right", bbox_to_anchor=(1.02, 0.97), ncols=2, fontsize="small", columnspacing=1.0)
    axes["L"].set_xlabel("")
    figure.suptitle(title, x=0.01, y=0.97, ha="left", fontsize="medium")
    if fraction < 1.0:
        figure.add_artist(plt.Rectangle((0, 0.99), fraction, 0.01, color=NEUTRAL, transform=figure.transFigure))
    return figure


MOMENT = checks.array("n, height, width, channels", remedy="Pass recorder.sample_steps and recorder.samples.")


@checks.arguments(steps=checks.array("moments"), title=checks.TEXT, num_moments=checks.whole(1), num_images=checks.whole(1))
def plot_samples_through_time(steps, samples, title="", *, num_moments=6, num_images=8):
    """The same latents at several moments of a run: a row for each moment, a column for each latent.

    Args:
        steps: number of updates of each recorded moment.
        samples: one array of images `(n, height, width, channels)` for each moment.
        title: what the reader should see.
        num_moments: rows, evenly spread over the recording, first and last included.
        num_images: columns.

    Returns:
        The axes.

    Raises:
        ValueError: if there is not one array of images for each moment, or the arrays differ in shape.

    Taught in: `02_vanilla_gan`.
    """
    fits = isinstance(samples, (list, tuple, np.ndarray)) and len(samples) == len(steps)
    passed = f"plot_samples_through_time() received {len(steps)} steps and samples={checks.describe(samples)}."
    checks.require(fits, passed, "It must be one array of images a step.", "Pass recorder.sample_steps and recorder.samples.")
    samples = checks.arrays("plot_samples_through_time()", **{f"samples[{i}]": (x, MOMENT) for i, x in enumerate(samples)})
    chosen = np.unique(np.linspace(0, len(steps) - 1, min(num_moments, len(steps))).round().astype(int))
    rows = np.concatenate([samples[i][:num_images] for i in chosen])
    columns = len(rows) // len(chosen)
    _, ax = plt.subplots(figsize=(0.7 * columns + 0.8, 0.7 * len(chosen) + 0.3))
    show_grid(rows, title, num_columns=columns, ax=ax)
    ax.set_axis_on()
    pitch = samples[0].shape[1] + 1
    ax.set_yticks([pitch * (i + 0.5) for i in range(len(chosen))], [f"{steps[i]:,}" for i in chosen])
    ax.set(xticks=[], ylabel="updates")
    ax.tick_params(left=False)
    ax.spines[:].set_visible(False)
    return ax
