"""Figures from arrays. Real is blue, fake is orange. Nothing here trains, samples or saves."""

import re
import sys

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import ticker
from matplotlib.transforms import ScaledTranslation

from gan_utils import checks
from gan_utils import images as image_arrays

REAL, FAKE, NEUTRAL = "#0072B2", "#E69F00", "#555555"
FIGURE = {"figure.figsize": (7.0, 3.2), "figure.dpi": 80, "figure.constrained_layout.use": True}
AXES = {"axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left"}
CYCLE = {"axes.prop_cycle": plt.cycler(color=[REAL, FAKE, "#009E73", "#CC79A7", NEUTRAL])}
LETTERS = {"font.size": 10.0, "axes.titlesize": "medium", "legend.frameon": False}
STYLE = FIGURE | AXES | CYCLE | LETTERS | {"hatch.linewidth": 0.4, "lines.linewidth": 1.6}
PROJECTOR = {"figure.dpi": 110, "font.size": 14.0, "hatch.linewidth": 0.8, "lines.linewidth": 2.4}
# The look of a log's curve: color, line, name in the legend.
LOOKS = {
    "discriminator_loss": (REAL, "-", "loss of D"),
    "generator_loss": (FAKE, "--", "loss of G"),
    "d_real": (REAL, "-", "D on real"),
    "d_fake": (FAKE, "--", "D on fake"),
    "kernel_distance": (FAKE, "-", "kernel distance"),
}
LOSSES, OUTPUTS = tuple(LOOKS)[:2], tuple(LOOKS)[2:4]


def use_style(projector=False):
    """Set the course's style for all later figures; in a notebook, show them with alt text.

    A kernel that was started with MPLBACKEND=Agg, or with a backend that opens windows, would show
    no figure in the page.

    Args:
        projector: larger letters and thicker lines, for slides.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        # Not through the formatter of PNG: the inline backend replaces what is registered there.
        bundle = shell.display_formatter.mimebundle_formatter
        bundle.for_type(plt.Figure, lambda own, **_: ({}, {"image/png": {"alt": alt_text(own)}}))
    pages = ("inline", "ipympl", "nbagg", "notebook", "widget")
    if hasattr(shell, "kernel") and not any(page in plt.get_backend().lower() for page in pages):
        shell.run_line_magic("matplotlib", "inline")
    plt.rcParams.update(STYLE | (PROJECTOR if projector else {}))


def alt_text(figure):
    """The text that stands for a figure where it is not seen.

    Args:
        figure: of matplotlib.

    Returns:
        What `figure.set_label` has set; otherwise titles, names in the legend and labels of the
        axes: `"Losses. Drawn are loss of D, loss of G. Horizontal axis: updates"`.
    """
    sentences = [figure.get_suptitle(), *(sentence for ax in figure.axes for sentence in _tell(ax))]
    sentences = [re.sub(r"[$\\{}]", "", " ".join(words.split())).rstrip(".") for words in sentences]
    return figure.get_label() or ". ".join(dict.fromkeys(filter(None, sentences)))


def _tell(ax):
    """What is drawn on one axes, in sentences."""
    names = ax.get_legend_handles_labels()[1]
    places = {"Horizontal": ax.get_xlabel(), "Vertical": ax.get_ylabel()} if ax.axison else {}
    titles = [ax.get_title(loc=place) for place in ("left", "center", "right")]
    labels = [f"{place} axis: {label}" for place, label in places.items() if label]
    return [*titles, *[f"Drawn are {', '.join(names)}"] * bool(names), *labels]


def legend_outside(ax):
    """Put the legend where no curve can run behind it: beside the title, else below the axes.

    Args:
        ax: axes with labelled marks and its title.
    """
    names, letter = ax.get_legend_handles_labels()[1], plt.rcParams["font.size"] / 10.0
    if not names:
        return
    # In inches; the layout will stretch the axes by about this factor.
    width = 1.15 * ax.get_position().width * ax.figure.get_figwidth()
    needed = letter * sum(0.42 + 0.063 * len(name) for name in names)
    look = {"fontsize": "small", "columnspacing": 1.0, "borderpad": 0.2, "borderaxespad": 0.2}
    look["markerscale"] = 2.0
    if needed + letter * 0.07 * len(ax.get_title(loc="left")) <= width:
        ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(names), **look)
        return
    # Below the ticks and their label.
    below = ScaledTranslation(0.0, -0.5 * letter, ax.figure.dpi_scale_trans)
    look |= {"bbox_to_anchor": (0.5, 0.0), "bbox_transform": ax.transAxes + below}
    rows = int(np.ceil(needed / width))
    ax.legend(loc="upper center", ncols=-(-len(names) // rows), **look)


def set_log_scale(ax):
    """A logarithmic vertical axis with plain numbers, 0.05 and 6. Comes after the curves."""
    ax.set(yscale="log")
    low, high = ax.get_ylim()
    ax.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if high < 300.0 * low else (1,)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(ticker.NullLocator())


def show_grid(images, title="", *, num_columns=None, ax=None):
    """A grid of images on one axes.

    Args:
        images: `(n, height, width, channels)`, float in [-1, 1].
        title: what the reader should see.
        num_columns: images in a row; by default the grid is square, with ten in a row at most.
        ax: axes to draw on; by default a new figure, whose images are at least 64 screen pixels
            wide.

    Returns:
        The axes.

    Raises:
        ValueError: if the images do not fit, as in `images.make_grid`.

    Taught in: `01_intuition`.
    """
    num_columns = num_columns or min(10, int(np.ceil(np.sqrt(len(images)))))
    grid = image_arrays.make_grid(images, num_columns)
    width = 0.82 * max(num_columns, grid.shape[1] / 33.0)
    height = width * grid.shape[0] / grid.shape[1]
    ax = ax or plt.subplots(figsize=(width + 0.1, height + 0.35))[1]
    ax.imshow((grid + 1) / 2, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    ax.set_title(title)
    ax.set_axis_off()
    return ax


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

    Taught in: `04_wgan`.
    """
    ax = ax or plt.subplots(figsize=(3.6, 3.6))[1]
    for points, color, label, marker in ((real, REAL, "real", "o"), (fake, FAKE, "fake", "^")):
        if points is not None:
            x, y = checks.as_numpy(points).T
            ax.scatter(x, y, s=6, color=color, alpha=0.5, label=label, marker=marker, linewidths=0)
    ax.set(title=title, aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    if limit is not None:
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit))
    legend_outside(ax)
    return ax


def plot_curves(steps, curves, title="", *, ax=None, ylabel="", smooth=1, band=None):
    """Curves over training. NaN is drawn as a gap: it shows where a run broke down.

    Args:
        steps: `(n,)`, number of updates.
        curves: mapping from a label to `(n,)` values. `d_real` and `discriminator_loss` are drawn
            blue, `d_fake` and `generator_loss` orange and dashed.
        title: what the reader should see.
        ax: axes to draw on; by default a new figure.
        ylabel: label of the vertical axis.
        smooth: length of a moving mean; the raw values stay visible behind it.
        band: where the curves of normal runs lie, hatched behind the curve of the same label, as
            `results.load_band` gives it: mapping from labels to `(steps, low, high)`. Only its part
            up to the last step is shown.

    Returns:
        The axes.

    Taught in: `02_vanilla_gan`.
    """
    ax, steps, colors = ax or plt.subplots()[1], np.asarray(steps), {}
    for label, values in curves.items():
        color, line, name = LOOKS.get(label, (None, "-", label))
        width = max(1, min(smooth, len(values)))
        mean = np.convolve(values, np.ones(width) / width, mode="valid") if width > 1 else values
        (drawn,) = ax.plot(steps[width - 1 :], mean, line, color=color, label=name)
        colors[label] = drawn.get_color()
        if width > 1:
            ax.plot(steps, values, color=colors[label], alpha=0.2, linewidth=0.6)
    for i, label in enumerate(label for label in curves if label in (band or {})):
        corners, hatch = np.asarray(band[label]), ("////", "\\\\\\\\")[i % 2]
        look = {"facecolor": (colors[label], 0.08), "edgecolor": colors[label], "linewidth": 0.7}
        corners = corners[:, corners[0] <= steps.max()]
        name = None if i else "normal runs"  # one entry of the legend for all
        ax.fill_between(*corners, **look, hatch=hatch, label=name, zorder=1.5)
    ax.set(title=title, xlabel="updates", ylabel=ylabel)
    legend_outside(ax)
    return ax


def plot_progress(steps, logs, samples, title="", *, band=None):
    """One picture of a run: samples at fixed latents, losses, and D's output on real and fake.

    Args:
        steps: `(n,)`, number of updates.
        logs: mapping with `discriminator_loss`, `generator_loss`, `d_real`, `d_fake`, each `(n,)`.
        samples: the newest fake images `(m, height, width, channels)`, of which the first 16 are
            shown, or points `(m, 2)`.
        title: shown over the figure.
        band: as in `plot_curves`.

    Returns:
        The figure.

    Raises:
        ValueError: if the images do not fit, as in `images.make_grid`.

    Taught in: `02_vanilla_gan`.
    """
    size = {"figsize": (9.0, 4.2), "width_ratios": (1.0, 1.25), "layout": "constrained"}
    figure, axes = plt.subplot_mosaic("SL;SD", **size)
    if samples.ndim == 4:
        show_grid(samples[:16], ax=axes["S"])
    else:
        plot_points(None, samples, ax=axes["S"])
    for panel, name, labels in ("L", "Losses", LOSSES), ("D", "Output of D", OUTPUTS):
        curves = {label: logs[label] for label in labels if label in logs}
        plot_curves(steps, curves, name, ax=axes[panel], smooth=len(steps) // 50, band=band)
    axes["L"].set_xlabel("")
    figure.suptitle(title, x=0.01, ha="left", fontsize="medium")
    return figure


def show_rows(rows, title="", *, ylabel=""):
    """Rows of images, each with its name on its left.

    Args:
        rows: mapping from a name to images `(n, height, width, channels)`; the same n in each row.
        title: what the reader should see.
        ylabel: what the names have in common.

    Returns:
        The axes.

    Raises:
        ValueError: if the images do not fit, as in `images.make_grid`.

    Taught in: `01_intuition`.
    """
    stacked, columns = np.concatenate(list(rows.values())), len(next(iter(rows.values())))
    _, ax = plt.subplots(figsize=(0.83 * columns + 1.3, 0.83 * len(rows) + 0.35))
    show_grid(stacked, title, num_columns=columns, ax=ax).set_axis_on()
    places = (stacked.shape[1] + 1) * (np.arange(len(rows)) + 0.5)
    ax.set(xticks=[], yticks=places, yticklabels=rows, ylabel=ylabel, frame_on=False)
    ax.tick_params(left=False)
    ax.figure.set_label(f"{title}. Rows of images, from above: {', '.join(rows)}")
    return ax


def draw_blocks(blocks, arrows, title=""):
    """A block diagram: boxes, arrows for data, broken arrows for gradients.

    Args:
        blocks: mapping from the text of each box to its centre `(x, y)`, in inches. A text in
            brackets, `"[z]"`, stands without a frame.
        arrows: list of `(from, to, label, kind)`; kind is `"data"` or `"gradient"`. A gradient
            drawn from B to A runs beside the data from A to B.
        title: above the diagram.

    Returns:
        The axes.

    Taught in: `02_vanilla_gan`.
    """
    places, boxes = np.array(list(blocks.values()), "float64"), {}
    low, high = places.min(axis=0) - (0.8, 0.4), places.max(axis=0) + (0.8, 0.4)
    width, height = high - low
    _, ax = plt.subplots(figsize=(width, height + 0.3), layout="none")
    for text, (x, y) in blocks.items():
        edge = "none" if text.startswith("[") else NEUTRAL
        look = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": edge}
        boxes[text] = ax.text(x, y, text.strip("[]"), ha="center", va="center", bbox=look)
    for start, end, label, kind in arrows:
        ends = np.array([blocks[start], blocks[end]], "float64")
        way = ends[1] - ends[0]
        normal = np.array([-way[1], way[0]]) / np.hypot(*way)
        color, line = (NEUTRAL, "-") if kind == "data" else (FAKE, "--")
        patches = {"patchA": boxes[start].get_bbox_patch(), "patchB": boxes[end].get_bbox_patch()}
        look = {"arrowstyle": "-|>", "color": color, "linestyle": line, "mutation_scale": 13}
        ends += 0.09 * normal
        ax.annotate("", ends[1], ends[0], arrowprops=look | patches | {"shrinkA": 0, "shrinkB": 0})
        place = ends.mean(axis=0) + 0.14 * normal
        ha = "center" if abs(normal[0]) < 0.5 else ("left" if normal[0] > 0 else "right")
        ax.text(*place, label, color=color, ha=ha, va="center", fontsize="small")
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), title=title)
    ax.set_position((0, 0, 1, height / (height + 0.3)))
    ax.set_axis_off()
    return ax
