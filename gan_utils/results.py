"""What the course ships of its trainings: generators, recordings and the spread over seeds."""

import functools
import io
import json

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from gan_utils import autodiff, checks, data, images, networks, plotting

# Of each image lesson. `benchmarks/quality_ladder.py` trains them and writes all files that are
# read here.
DIGIT = (28, 28, 1)
MLP = networks.build_mlp_generator
GENERATORS = {
    "matching_digits": functools.partial(MLP, 16, DIGIT, units=(128, 256, 512)),
    "vanilla_digits": functools.partial(MLP, 100, DIGIT),
    "narrow_frogs": networks.build_frog_generator,
    "dcgan_digits": functools.partial(networks.build_dcgan_generator, 100, DIGIT),
    "dcgan_frogs": networks.build_dcgan_generator,
    "modern_frogs": functools.partial(checks.require, False, "Pass generator= of lesson 09."),
    "wgan_gp_digits": functools.partial(MLP, 100, DIGIT),
    "wgan_gp_frogs": networks.build_frog_generator,
}
RECORDED = [*GENERATORS, "classic_frogs"]  # of the latter nothing else is shipped
SLIDER = "Below: a slider. If there is none, run this cell again to move through the recording."


def load_generator(name, generator=None):
    """A generator that was trained beforehand; `benchmarks/quality_ladder.md` has the settings.

    Args:
        name: one of `GENERATORS`, for example `"vanilla_digits"` or `"narrow_frogs"`.
        generator: `keras.Model` to load the weights into; by default a new one. Needed for
            `"modern_frogs"`, which lesson 09 builds.

    Returns:
        `keras.Model`, latents `(batch, latent_dim)`, of `"modern_frogs"` with a label, -> images in
        [-1, 1]; its weights were stored as float16.

    Raises:
        ValueError: for an unknown name or a damaged file, or without a needed generator;
            FileNotFoundError without the file.

    Taught in: `07_generative_matching`.
    """
    with np.load(io.BytesIO(_read(name, "weights.npz"))) as arrays:
        weights = [arrays[f"arr_{i}"].astype("float32") for i in range(len(arrays))]
    generator = GENERATORS[name]() if generator is None else generator
    generator.set_weights(weights)
    return generator


def draw(generator, num_images, *, seed=0):
    """Images of a generator at latents from NumPy, the same for one seed on every backend.

    Args:
        generator: `keras.Model`, latents `(batch, latent_dim)` -> images.
        num_images: how many.
        seed: int or None, of the latents.

    Returns:
        `(num_images, height, width, channels)`, float32.

    Taught in: `07_generative_matching`.
    """
    shape = (num_images, generator.input_shape[-1])
    latents = np.random.default_rng(seed).standard_normal(shape).astype("float32")
    return autodiff.run_in_parts(generator, latents)[0]


def load_recording(name):
    """What a recorded training drew at fixed latents, from its first weights to its last update.

    Args:
        name: as in `load_generator`, whose training it is, or `"classic_frogs"`.

    Returns:
        `(steps, samples, kernel_distances)`: number of updates at each moment; `(moments, n,
        height, width, channels)`, float32 in [-1, 1], slightly compressed; kernel distance of 500
        images at each moment, 1,000 for `"modern_frogs"`.

    Raises:
        ValueError: for an unknown name or a damaged file; FileNotFoundError without the file.

    Taught in: `07_generative_matching`.
    """
    side, channels = (28, 1) if name.endswith("digits") else (32, 3)
    # A row a moment, a column a latent.
    with Image.open(io.BytesIO(_read(name, "recording.webp"))) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))[..., :channels]
    tiles = pixels.reshape(len(pixels) // side, side, -1, side, channels).swapaxes(1, 2)
    facts = _find(name)["shipped"]
    return facts["steps"], images.normalize(tiles), facts["kernel_distances"]


def load_ladder():
    """Every generator of the course on one scale: what `benchmarks/quality_ladder.py` measured.

    Returns:
        `(trainings, frames)`. The first maps names, those of `GENERATORS` and more, to mappings
        with `title`; `parameters` of G and D; `device`; `budget`; `scores`, a list with the result
        of `features.evaluate`, without `coverage`, for each seed; and the course of the first seed:
        `steps`, `seconds` (of CPU time on a CPU) and `kernel_distances`. `shipped` describes the
        longest training of the first seed, whose generator and recording are shipped. The second
        maps `real_digits`, `noise_digits`, `real_frogs` and `noise_frogs` to scores.

    Raises:
        FileNotFoundError: without the bundled file.

    Taught in: `08_measuring_gans`.
    """
    facts = json.loads(data.read_file("results/results.json"))
    return facts["trainings"], facts["frames"]


def load_band(name):
    """Where the curves of a normal run lie: at each moment, the interval of 95 % of further runs.

    From the mean m and the standard deviation s over n seeds it is m -+ t s sqrt(1 + 1 / n), with
    Student's t for n - 1 degrees of freedom: m -+ 3.04 s for five seeds. The interval of the kernel
    distance is that of its logarithms. A loss or output is the mean over the updates since the
    moment before, so single updates are noisier; a kernel distance is that of 500 images. The
    interval holds for one moment: a healthy run of 41 moments may leave its band at a few.

    Args:
        name: as in `load_generator`, whose training it is.

    Returns:
        Mapping from `discriminator_loss`, `generator_loss`, `d_real`, `d_fake` and
        `kernel_distance` to `(steps, low, high)`, lists of equal length. Empty for a training
        without a discriminator, or with fewer than five seeds.

    Raises:
        ValueError: for an unknown name or a damaged file; FileNotFoundError without the file.

    Taught in: `02_vanilla_gan`.
    """
    return _find(name).get("band", {})


def show_recording(name, title=""):
    """Show a recorded training in a notebook: some moments and, with a kernel, a slider.

    The strip of moments has one latent in each column; a second figure has the kernel distance of
    every moment, over its band if it has one. A page without a running kernel shows the figures and
    a sentence.

    Args:
        name: as in `load_recording`.
        title: what the reader should see.

    Raises:
        ValueError: for an unknown name or a damaged file; FileNotFoundError without the file.

    Taught in: `07_generative_matching`.
    """
    from IPython.display import Markdown, display

    steps, samples, distances = load_recording(name)
    chosen = np.linspace(0, len(steps) - 1, 6).round().astype(int)
    moments = {f"{steps[i]:,}": samples[i, :10] for i in chosen}
    rows = plotting.show_rows(moments, title, ylabel="updates")
    title, band = "Kernel distance of the recorded training", load_band(name)
    curve = plotting.plot_curves(steps, {"kernel_distance": distances}, title, band=band)
    plotting.set_log_scale(curve)
    for ax in (rows, curve):
        display(ax.figure)
        plt.close(ax.figure)
    box = _build_slider(steps, samples, distances)
    display(Markdown(SLIDER))  # stays above an error in a saved notebook: widgets have no kernel
    view = {"model_id": box.model_id, "version_major": 2, "version_minor": 0}
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": ""}, raw=True)


def _build_slider(steps, samples, distances):
    """A slider over the moments, the facts of one, and its samples, each pixel three wide."""
    import ipywidgets

    slider = ipywidgets.IntSlider(len(steps) - 1, 0, len(steps) - 1, description="moment")
    picture = ipywidgets.Image(format="png", layout={"align_self": "flex-start"})
    words = ipywidgets.Label()

    def show(change=None):
        i, buffer = slider.value, io.BytesIO()
        words.value = f"{steps[i]:,} updates, kernel distance {distances[i]:.3f}"
        pixels = images.denormalize(images.make_grid(samples[i], 8)).repeat(3, 0).repeat(3, 1)
        Image.fromarray(pixels.squeeze()).save(buffer, "PNG")
        picture.value = buffer.getvalue()

    slider.observe(show, names="value")
    show()
    return ipywidgets.VBox([slider, words, picture])


def _read(name, end):
    """The content of a file of a shipped training, once its checksum is right."""
    files = _find(name)["sha256"]
    end = checks.check_choice(f"Loading {name}", "file", end, files)
    return data.read_file(f"results/{name}.{end}", files[end])


def _find(name):
    """What is known of a training whose generator is shipped."""
    return load_ladder()[0][checks.check_choice("results", "name", name, RECORDED)]
