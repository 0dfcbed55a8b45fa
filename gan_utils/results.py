"""What the course ships of its own trainings: generators, recordings of how they learned, and the spread over seeds."""

import functools
import io
import json

import matplotlib.pyplot as plt
import numpy as np
from keras import ops
from matplotlib import ticker
from PIL import Image

from gan_utils import autodiff, checks, data, images, networks, plotting

# The generator of each image lesson. `benchmarks/quality_ladder.py` trains them and writes all files that are read here.
DIGIT = (28, 28, 1)
GENERATORS = {
    "matching_digits": functools.partial(networks.build_mlp_generator, 16, DIGIT, units=(128, 256, 512)),
    "vanilla_digits": functools.partial(networks.build_mlp_generator, 100, DIGIT),
    "narrow_frogs": networks.build_frog_generator,
    "dcgan_digits": functools.partial(networks.build_dcgan_generator, 100, DIGIT),
    "dcgan_frogs": networks.build_dcgan_generator,
    "wgan_gp_digits": functools.partial(networks.build_mlp_generator, 64, DIGIT, units=(256, 512)),
    "wgan_gp_frogs": networks.build_frog_generator,
}
NAME = checks.choice(GENERATORS, "They say the lesson and what it draws.")


@checks.arguments(name=NAME)
def load_generator(name):
    """A generator that was trained beforehand; `benchmarks/quality_ladder.md` says with which settings.

    Args:
        name: number of the lesson and what it draws: `"vanilla_digits"`, `"narrow_frogs"`; all are keys of `GENERATORS`.

    Returns:
        `keras.Model`, latents `(batch, latent_dim)` -> images in [-1, 1]. Its weights were stored as float16.

    Raises:
        ValueError: for an unknown name or a damaged file; FileNotFoundError without the file.

    Taught in: `07_generative_matching`.
    """
    generator = GENERATORS[name]()
    with np.load(io.BytesIO(_read(name, "weights.npz")), allow_pickle=False) as arrays:
        generator.set_weights([arrays[f"arr_{i}"].astype("float32") for i in range(len(generator.weights))])
    return generator


@checks.arguments(generator=autodiff.MODEL, num_images=checks.whole(1, 10**6), seed=checks.seed())
def draw(generator, num_images, *, seed=0):
    """Images of a generator at latents from NumPy, the same for one seed on every backend.

    Args:
        generator: `keras.Model`, latents `(batch, latent_dim)` -> images.
        num_images: how many.
        seed: int or None, of the latents.

    Returns:
        `(num_images, height, width, channels)`, float32.

    Raises:
        ValueError: if an argument does not fit.

    Taught in: `07_generative_matching`.
    """
    latents = np.random.default_rng(seed).standard_normal((num_images, generator.input_shape[-1])).astype("float32")
    parts = [generator(latents[i : i + 250], training=False) for i in range(0, num_images, 250)]
    return np.concatenate([ops.convert_to_numpy(part) for part in parts])


@checks.arguments(name=NAME)
def load_recording(name):
    """What a recorded training drew at fixed latents, from its first weights to its last update.

    Args:
        name: as in `load_generator`, whose training it is.

    Returns:
        `(steps, samples, kernel_distances)`: number of updates at each moment; `(moments, n, height, width, channels)`, float32
        in [-1, 1], slightly compressed; kernel distance of 500 images at each moment.

    Raises:
        ValueError: for an unknown name or a damaged file; FileNotFoundError without the file.

    Taught in: `07_generative_matching`.
    """
    side, channels = (28, 1) if name.endswith("digits") else (32, 3)
    with Image.open(io.BytesIO(_read(name, "recording.webp"))) as sheet:  # a row a moment, a column a latent
        pixels = np.asarray(sheet.convert("RGB"))[..., :channels]
    tiles = pixels.reshape(len(pixels) // side, side, -1, side, channels).swapaxes(1, 2)
    facts = load_ladder()[0][name]["shipped"]
    return facts["steps"], images.normalize(tiles), facts["kernel_distances"]


def load_ladder():
    """Every generator of the course on one scale: what `benchmarks/quality_ladder.py` measured.

    Returns:
        `(trainings, frames)`. The first maps names, those of `GENERATORS` and more, to mappings with `title`; `parameters` of G
        and D; `device`; `budget`; `scores`, a list with the result of `features.evaluate` for each seed; and the course of the
        first seed: `steps`, `seconds` (of CPU time on a CPU) and `kernel_distances`. `shipped` describes the longest training of
        the first seed, whose generator and recording are shipped. The second maps `real_digits`,
        `noise_digits`, `real_frogs` and `noise_frogs` to scores.

    Raises:
        FileNotFoundError: without the bundled file.

    Taught in: `08_measuring_gans`.
    """
    facts = json.loads(data.read_file("results/results.json"))
    return facts["trainings"], facts["frames"]


@checks.arguments(name=NAME)
def load_band(name):
    """Where the curves of a normal run lie: at each moment, the interval that holds 95 % of further runs.

    From the mean m and the standard deviation s over n seeds it is m -+ t s sqrt(1 + 1 / n), with Student's t for n - 1 degrees
    of freedom: m -+ 3.04 s for five seeds. The interval of the kernel distance is that of its logarithms. A loss or output is
    the mean over the updates since the moment before, so single updates are noisier; a kernel distance is that of 500 images.
    The interval holds for one moment: a healthy run of 41 moments may leave its band at a few.

    Args:
        name: as in `load_generator`, whose training it is.

    Returns:
        Mapping from `discriminator_loss`, `generator_loss`, `d_real`, `d_fake` and `kernel_distance` to `(steps, low, high)`,
        lists of equal length. Empty for a training without a discriminator, or with fewer than five seeds.

    Raises:
        ValueError: for an unknown name or a damaged file; FileNotFoundError without the file.

    Taught in: `02_vanilla_gan`.
    """
    return load_ladder()[0].get(name, {"band": {}})["band"]


@checks.arguments(name=NAME)
def show_recording(name, title=""):
    """Show a recorded training in a notebook: a strip of some moments and, where widgets run, a slider through all of them.

    The strip has one latent in each column; a second figure has the kernel distance of every moment, over its band if it has
    one. A page without a running kernel shows the figures alone.

    Args:
        name: as in `load_generator`.
        title: what the reader should see.

    Raises:
        ValueError: for an unknown name or a damaged file; FileNotFoundError without the file.

    Taught in: `07_generative_matching`.
    """
    from IPython.display import display

    steps, samples, kernel_distances = load_recording(name)
    rows = plotting.plot_samples_through_time(steps, samples, title, num_images=10)
    title = "Kernel distance of the recorded training"
    curve = plotting.plot_curves(steps, {"kernel_distance": kernel_distances}, title, ylabel="distance", band=load_band(name))
    curve.get_legend().remove()
    curve.set_yscale("log")
    curve.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    curve.yaxis.set_major_formatter("{x:g}")
    curve.minorticks_off()
    for ax in (rows, curve):
        display(ax.figure)
        plt.close(ax.figure)
    try:
        import ipywidgets
    except ImportError:  # the strip says the same in fewer moments
        return
    slider = ipywidgets.IntSlider(len(steps) - 1, 0, len(steps) - 1, description="moment")
    picture, words = ipywidgets.Image(format="png", layout={"align_self": "flex-start"}), ipywidgets.Label()

    def show(change=None):
        i = slider.value
        words.value = f"{steps[i]:,} updates, kernel distance {kernel_distances[i]:.3f}"
        picture.value = _encode_png(images.make_grid(samples[i], 8))

    slider.observe(show, names="value")
    show()
    view = {"model_id": ipywidgets.VBox([slider, words, picture]).model_id, "version_major": 2, "version_minor": 0}
    text = "In a running notebook a slider through all moments stands here."
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": text}, raw=True)


def _encode_png(grid):
    """A grid in [-1, 1] as the bytes of a PNG, each pixel three screen pixels wide."""
    pixels = images.denormalize(grid).repeat(3, axis=0).repeat(3, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _read(name, end):
    """The content of a file of a shipped training, once its checksum is right."""
    sums = load_ladder()[0].get(name, {}).get("sha256", {})
    return data.read_file(f"results/{name}.{end}", sums.get(end, "none: the training is not shipped"))
