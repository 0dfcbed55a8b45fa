"""Thousands of generated bad arguments: each one must be refused at once, in three sentences that name it."""

import ast
import re
import time
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gan_utils import (
    autodiff,
    data,
    distances,
    doctor,
    features,
    images,
    latents,
    lesson,
    losses,
    metrics,
    monitors,
    networks,
    penalties,
    plotting,
    results,
    training,
)

NUM_EXAMPLES, SECONDS = 40, 5.0  # for each function; for each call
PACKAGE = Path(__file__).parent.parent / "gan_utils"

# What no argument takes, except where a rule below says so.
LISTS = st.lists(st.one_of(st.text(max_size=3), st.none()), min_size=1, max_size=3)
TEXTS = st.text(max_size=8)
OBJECTS = st.one_of(
    st.sampled_from([object(), print, int, {1, 2}, b"bytes", [[1.0], [1.0, 2.0]], {}]),
    st.dictionaries(TEXTS, st.integers(), max_size=2),
    st.complex_numbers(allow_nan=False, allow_infinity=False),
    LISTS,
)
NAN = st.sampled_from([float("nan"), float("inf"), float("-inf"), np.float32("nan"), np.float64("inf")])
SCALARS = st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.none())
HUGE = st.integers(min_value=10**12, max_value=10**18)


def number(low=None, high=None, none=False):
    """Values that are no number in [low, high]."""
    wrong = [OBJECTS, TEXTS, st.booleans(), NAN, st.just(np.ones(3))] + [st.none()] * (not none)
    if low is not None:
        wrong.append(st.floats(max_value=low, exclude_max=True, allow_infinity=False))
    if high is not None:
        wrong.append(st.floats(min_value=high, exclude_min=True, allow_infinity=False))
    return st.one_of(*wrong)


def whole(low=1, high=None, none=False):
    """Values that are no int from `low` on; 10^12 is too much for everything."""
    more = HUGE if high is None else st.integers(min_value=high + 1)
    return st.one_of(number(none=none), st.integers(max_value=low - 1), more, st.floats())


def seed(required=False):
    return whole(0, 2**32 - 1, none=not required)


def choice(*names):
    return st.one_of(OBJECTS, SCALARS, TEXTS.filter(lambda text: text not in names))


def sizes():
    bad = st.one_of(st.integers(max_value=0), st.integers(min_value=10**9), st.floats(), st.none(), TEXTS, st.booleans())
    return st.one_of(
        OBJECTS.filter(lambda x: not isinstance(x, list)), SCALARS, LISTS, st.tuples(bad), st.tuples(st.just(8), bad)
    )


FLAG = st.one_of(OBJECTS, TEXTS, st.integers(), st.floats(), st.none())
TEXT = st.one_of(OBJECTS, SCALARS)
TITLE = TEXT
AXES = st.one_of(OBJECTS, TEXTS, st.integers(), st.floats())
PATH = st.one_of(OBJECTS, st.integers(), st.floats(), st.booleans())
FUNCTION = st.one_of(OBJECTS.filter(lambda x: not callable(x)), TEXTS, SCALARS)
OPTION = st.one_of(OBJECTS.filter(lambda x: not callable(x)), TEXTS, st.integers(), st.floats(), st.booleans())
MODEL = st.one_of(OBJECTS, TEXTS, SCALARS)
SHIPPED = choice("narrow_frogs", "vanilla_digits")
BAND = st.one_of(
    OBJECTS.filter(lambda value: value != {}),
    TEXTS,
    SCALARS.filter(lambda value: value is not None),
    st.sampled_from([{"d_real": [[1], [2]]}, {"d_real": [[1, 2], [1], [2]]}, {"d_real": "abc"}, {"d_real": [["a"]] * 3}]),
)


@st.composite
def broken(draw, good):
    """The array with NaN or an infinite value at one place."""
    array = np.array(good, "float32")
    array.flat[draw(st.integers(0, array.size - 1))] = draw(NAN)
    return array


def array(good, *, rank=True, inner=True, nan=True, empty=True, none=False, more=()):
    """Values that are no array like `good`: other things, other dtypes, other shapes, NaN; `more` are further bad arrays."""
    good = np.asarray(good)
    wrong = [good.astype(kind) for kind in ("complex64", "bool", "object", "U5", "datetime64[s]")] + list(more)
    wrong += [good[:0]] * empty
    wrong += [good[0], good[None], good[..., None], np.float64(0.5)] * rank
    wrong += [np.concatenate([good, good[..., :1]], axis=-1)] * inner + [good[..., :-1]] * (inner and good.shape[-1] > 1)
    strategies = [st.sampled_from(wrong), OBJECTS, TEXTS, st.booleans()] + [st.none()] * (not none) + [broken(good)] * nan
    return st.one_of(*strategies)


def points(n=40, d=2):
    return np.random.default_rng(0).normal(size=(n, d)).astype("float32")


IMAGES = np.random.default_rng(0).uniform(-0.9, 0.9, (24, 16, 16, 1)).astype("float32")
FROGS = np.random.default_rng(0).uniform(-0.9, 0.9, (4, 32, 32, 3)).astype("float32")
OUT_OF_RANGE = [1.2 * IMAGES / np.abs(IMAGES).max(), IMAGES - 1.0, (127 * IMAGES + 128).astype("uint8"), IMAGES.astype("int64")]
LOGITS = np.linspace(-1, 1, 6, dtype="float32")[:, None]
BAD_LOGITS = array(LOGITS, more=[LOGITS[:3], LOGITS[:, 0], LOGITS.astype("int32")])
NAMES = ("discriminator_loss", "generator_loss", "d_real", "d_fake")
LOGS = {name: np.linspace(0.4, 0.5, 30) for name in NAMES}
BAD_LOGS = st.one_of(
    TEXTS,
    SCALARS,
    st.lists(st.integers(), max_size=3),
    st.sampled_from([{**LOGS, name: bad} for name in NAMES for bad in (None, "a", LOGS["d_real"][:5], [LOGS["d_real"]], [])]),
)
RECORDS = [points(30) + i for i in range(5)]
BAD_RECORDS = st.one_of(
    OBJECTS,
    TEXTS,
    SCALARS,
    st.sampled_from(
        [RECORDS[:2], [x[:3] for x in RECORDS], [*RECORDS[1:], points(20)], [*RECORDS[1:], None], [x[0] for x in RECORDS]]
    ),
    st.lists(broken(RECORDS[0]), min_size=5, max_size=5),
)
SCORES = {
    **dict.fromkeys(("kernel_distance", "kernel_low", "kernel_high", "frechet_distance", "precision", "recall"), 0.5),
    **dict.fromkeys(("nearest_train", "nearest_expected"), 0.5),
}
BAD_TABLES = st.one_of(
    OBJECTS,
    SCALARS,
    TEXTS,
    st.sampled_from([{"a": {key: 1.0}} for key in SCORES]),
    st.builds(lambda key, bad: {"a": {**SCORES, key: bad}}, st.sampled_from(list(SCORES)), number()),
)


def mlp(inputs, outputs, **kwargs):
    return keras.Sequential([keras.Input(inputs), keras.layers.Flatten(), keras.layers.Dense(outputs, **kwargs)])


def point_generator():
    return networks.build_mlp_generator(3, (2,), units=(4,), activation=None)


def gan(**kwargs):
    pair = training.GAN(point_generator(), networks.build_mlp_discriminator((2,), units=(4,)), seed=0)
    pair.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), **kwargs)
    return pair


def guarded(learning, frozen):
    with training.freeze_guard(learning=learning, frozen=frozen):
        learning.set_weights([weight + 1.0 for weight in learning.get_weights()])


def cases():
    """For each function: the call, arguments that fit, and for each argument what does not."""
    generator, critic, two = point_generator(), mlp((2,), 1), gan()
    digit_network = features.load_classifier("digits")
    variable, square = keras.Variable(3.0), lambda v: keras.ops.sum(v[0] * v[0])
    digits = np.zeros((20, 28, 28, 1), "float32")
    probabilities = np.full((10, 4), 0.25)
    bad_networks = st.one_of(MODEL, st.sampled_from([mlp((3,), 1), mlp((2,), 3), mlp((2,), 1, activation="sigmoid")]))
    returns = st.sampled_from([None, 1.0, "a", (), (1.0, 2.0, 3.0), np.ones(2), {}])
    bad_pairs = st.one_of(FUNCTION, returns.map(lambda value: lambda *args: value))
    ring = data.ring_centers()
    bad_widths = st.one_of(
        OBJECTS,
        TEXTS,
        st.booleans(),
        NAN,
        st.none(),
        st.floats(max_value=0.0),
        st.sampled_from([[], [1.0, 0.0], [1.0, -1.0]]),
    )
    compiling = dict(
        generator_optimizer=lambda: keras.optimizers.SGD(0.1), discriminator_optimizer=lambda: keras.optimizers.SGD(0.1)
    )
    shape = st.one_of(sizes(), st.tuples(st.integers(5000, 10**9), st.integers(5000, 10**9)))
    image_shape = st.one_of(shape, st.sampled_from([(30, 30, 1), (8, 8, 1), (32, 32), (32,), (), (32, 32, 3, 1), (32, 33, 3)]))
    activation = st.one_of(TEXTS.filter(lambda x: not hasattr(keras.activations, x)), OBJECTS, st.integers(), st.booleans())
    width, dropout = whole(1, 4096), number(0.0, 0.999)
    table = {
        "images.normalize": (
            images.normalize,
            dict(images=np.zeros((2, 2), "uint8")),
            dict(images=st.one_of(array(np.ones((2, 2)), more=OUT_OF_RANGE[:2], empty=False), SCALARS)),
        ),
        "images.denormalize": (
            images.denormalize,
            dict(images=IMAGES),
            dict(images=array(IMAGES, rank=False, inner=False, empty=False, more=OUT_OF_RANGE)),
        ),
        "images.check_range": (
            images.check_range,
            dict(images=IMAGES, caller="here"),
            dict(images=array(IMAGES, rank=False, inner=False, empty=False, more=OUT_OF_RANGE)),
        ),
        "images.make_grid": (
            images.make_grid,
            dict(images=IMAGES, num_columns=3, padding=1),
            dict(images=array(IMAGES, more=OUT_OF_RANGE), num_columns=whole(none=True), padding=whole(0)),
        ),
        "losses.get": (losses.get, dict(loss="wasserstein"), dict(loss=choice(*losses.FAMILIES))),
        "latents.sample_latents": (
            latents.sample_latents,
            dict(num_latents=3, latent_dim=2, seed=1),
            dict(num_latents=whole().filter(lambda x: not isinstance(x, np.ndarray)), latent_dim=whole(), seed=seed()),
        ),
        "latents.interpolate": (
            latents.interpolate,
            dict(start=np.array([1.0, 0.0]), end=np.array([0.0, 1.0]), num_points=4),
            dict(start=array([1.0, 2.0], more=[np.zeros(2), np.array([0.0, -2.0])]), end=array([1.0, 2.0]), num_points=whole(2)),
        ),
        "autodiff.value_and_gradients": (
            autodiff.value_and_gradients,
            dict(function=lambda: (variable * variable, None), variables=[variable]),
            dict(function=bad_pairs, variables=st.one_of(OBJECTS.filter(lambda x: x != {}), TEXTS, SCALARS, st.just([1.0]))),
        ),
        "autodiff.joint_gradients": (
            lambda function, variables: autodiff.joint_gradients(function, variables, [variable]),
            dict(function=lambda: ((variable * variable, variable * 2.0), None), variables=[variable]),
            dict(function=bad_pairs, variables=st.one_of(OBJECTS.filter(lambda x: x != {}), TEXTS, SCALARS, st.just([1.0]))),
        ),
        "autodiff.input_gradients": (
            autodiff.input_gradients,
            dict(function=lambda x: x * x, inputs=keras.ops.ones((3, 1))),
            dict(
                function=st.one_of(FUNCTION, st.sampled_from([None, "a", {}]).map(lambda value: lambda x: value)),
                inputs=array(np.ones((3, 1)), rank=False, inner=False),
            ),
        ),
        "autodiff.gradients_at": (
            autodiff.gradients_at,
            dict(function=square, values=[keras.ops.ones(3)]),
            dict(
                function=bad_pairs,
                values=st.one_of(
                    OBJECTS, TEXTS, SCALARS, st.lists(array(np.ones(2), rank=False, inner=False), min_size=1, max_size=2)
                ),
            ),
        ),
        "autodiff.sync_variables": (lambda model: None, dict(model=two), dict()),
        "autodiff.run_train_step": (lambda: None, {}, {}),
        "data.load_mnist": (data.load_mnist, dict(split="test"), dict(split=choice("train", "test"))),
        "data.load_frogs": (data.load_frogs, dict(split="test"), dict(split=choice("train", "test"))),
        "data.ring_centers": (data.ring_centers, dict(num_modes=8, radius=2.0), dict(num_modes=whole(), radius=number(0.0))),
        "data.grid_centers": (data.grid_centers, dict(side=5, spacing=1.0), dict(side=whole(), spacing=number(0.0))),
        "data.sample_modes": (
            data.sample_modes,
            dict(num_points=10, centers=ring, scale=0.1, seed=1),
            dict(num_points=whole(), centers=array(ring, inner=False), scale=number(0.0), seed=seed()),
        ),
        "data.sample_mixture_1d": (data.sample_mixture_1d, dict(num_points=9, seed=1), dict(num_points=whole(), seed=seed())),
        "data.mixture_density_1d": (
            data.mixture_density_1d,
            dict(x=np.zeros(3)),
            dict(x=array(np.zeros(3), rank=False, inner=False)),
        ),
        "networks.build_mlp_generator": (
            networks.build_mlp_generator,
            dict(latent_dim=3, output_shape=(2,), units=(4,), activation="tanh"),
            dict(
                latent_dim=width,
                output_shape=shape,
                units=sizes(),
                activation=activation.filter(lambda value: not callable(value)),
            ),
        ),
        "networks.build_mlp_discriminator": (
            networks.build_mlp_discriminator,
            dict(input_shape=(2,), units=(4,), dropout=0.1),
            dict(input_shape=shape, units=sizes(), dropout=dropout),
        ),
        "networks.build_frog_generator": (
            networks.build_frog_generator,
            dict(latent_dim=2, base_filters=1),
            dict(latent_dim=width, base_filters=width),
        ),
        "networks.build_frog_discriminator": (
            networks.build_frog_discriminator,
            dict(base_filters=1, dropout=0.1, batch_norm=True),
            dict(base_filters=width, dropout=dropout, batch_norm=FLAG),
        ),
        "networks.build_dcgan_generator": (
            networks.build_dcgan_generator,
            dict(latent_dim=2, image_shape=(16, 16, 1), base_filters=1),
            dict(latent_dim=width, image_shape=image_shape, base_filters=width),
        ),
        "networks.build_dcgan_discriminator": (
            networks.build_dcgan_discriminator,
            dict(image_shape=(16, 16, 1), base_filters=1),
            dict(image_shape=image_shape, base_filters=width),
        ),
        "networks.build_classifier": (
            networks.build_classifier,
            dict(input_shape=(8, 8, 1), widths=(2, 2), num_classes=3),
            dict(
                input_shape=st.one_of(shape, st.sampled_from([(3, 8, 1), (8, 8), ()])),
                widths=st.one_of(sizes(), st.just(())),
                num_classes=width,
            ),
        ),
        "penalties.gradient_penalty": (
            penalties.gradient_penalty,
            dict(discriminator=critic, real_images=points(), fake_images=points(), seed=1, weight=10.0),
            dict(
                discriminator=st.one_of(FUNCTION, st.just(mlp((5,), 1))),
                seed=seed(),
                weight=number(0.0),
                real_images=array(points()),
                fake_images=array(points(), more=[points(7)]),
            ),
        ),
        "distances.squared_mmd": (
            distances.squared_mmd,
            dict(x=points(), y=points(30), bandwidths=1.0, unbiased=True),
            dict(
                x=array(points(), more=[points(1)]),
                y=array(points(), more=[points(1)]),
                unbiased=FLAG,
                bandwidths=bad_widths,
            ),
        ),
        "distances.median_bandwidth": (
            distances.median_bandwidth,
            dict(x=points(), y=points(30)),
            dict(x=array(points()), y=array(points())),
        ),
        "distances.permutation_test": (
            distances.permutation_test,
            dict(x=points(), y=points(), bandwidths=1.0, num_permutations=5, seed=1),
            dict(x=array(points()), y=array(points()), bandwidths=bad_widths, num_permutations=whole(), seed=seed()),
        ),
        "metrics.covered_modes": (
            metrics.covered_modes,
            dict(points=points(), centers=ring, radius=0.3),
            dict(points=array(points()), centers=array(ring), radius=number(0.0)),
        ),
        "metrics.covered_classes": (
            metrics.covered_classes,
            dict(probabilities=probabilities, confidence=0.5),
            dict(
                probabilities=array(probabilities, more=[2 * probabilities, -probabilities, probabilities - [2, -2, 0, 0]]),
                confidence=number(0.0, 1.0),
            ),
        ),
        "metrics.frechet_distance": (
            metrics.frechet_distance,
            dict(real_features=points(), fake_features=points()),
            dict(real_features=array(points(), more=[points(1)]), fake_features=array(points(), more=[points(1)])),
        ),
        "metrics.kernel_distance": (
            metrics.kernel_distance,
            dict(real_features=points(), fake_features=points(), num_subsets=3, seed=0),
            dict(
                real_features=array(points()), fake_features=array(points(), more=[points(5)]), num_subsets=whole(2), seed=seed()
            ),
        ),
        "metrics.precision_recall": (
            metrics.precision_recall,
            dict(real_features=points(), fake_features=points(), num_neighbors=3),
            dict(real_features=array(points()), fake_features=array(points(), more=[points(3)]), num_neighbors=whole()),
        ),
        "metrics.memorization_test": (
            metrics.memorization_test,
            dict(fakes=points(9), train=points(), held_out=points()),
            dict(fakes=array(points()), train=array(points()), held_out=array(points())),
        ),
        "metrics.nearest_neighbors": (
            metrics.nearest_neighbors,
            dict(samples=points(9), references=points()),
            dict(samples=array(points()), references=array(points())),
        ),
        "plotting.show_grid": (
            plotting.show_grid,
            dict(images=IMAGES, title="t", num_columns=4, ax=None, scale=1.0),
            dict(
                images=array(IMAGES, more=OUT_OF_RANGE),
                title=TITLE,
                num_columns=whole(none=True),
                ax=AXES,
                scale=number(0.0, 10**6),
            ),
        ),
        "plotting.plot_points": (
            plotting.plot_points,
            dict(real=points(), fake=points(), title="t", ax=None, limit=1.0),
            dict(
                real=array(points(), none=True),
                fake=array(points(), none=True),
                title=TITLE,
                ax=AXES,
                limit=number(0.0, none=True),
            ),
        ),
        "plotting.plot_curves": (
            plotting.plot_curves,
            dict(steps=np.arange(30), curves=LOGS, title="t", ax=None, ylabel="y", smooth=2, band=None),
            dict(
                steps=array(np.arange(30), nan=False),
                curves=BAD_LOGS,
                title=TITLE,
                ax=AXES,
                ylabel=TEXT,
                smooth=whole(),
                band=BAND,
            ),
        ),
        "plotting.plot_progress": (
            plotting.plot_progress,
            dict(steps=np.arange(30), logs=LOGS, samples=points(), title="t", fraction=0.5, real=points(), band=None),
            dict(
                steps=array(np.arange(30), nan=False),
                logs=BAD_LOGS,
                samples=array(points(), inner=False),
                title=TITLE,
                fraction=number(0.0, 1.0),
                real=array(points(), none=True),
                band=BAND,
            ),
        ),
        "plotting.plot_samples_through_time": (
            plotting.plot_samples_through_time,
            dict(steps=[0, 5], samples=[IMAGES, IMAGES], title="t", num_moments=2, num_images=3),
            dict(
                steps=array(np.arange(2)),
                title=TITLE,
                num_moments=whole(),
                num_images=whole(),
                samples=st.one_of(
                    OBJECTS,
                    TEXTS,
                    SCALARS,
                    st.lists(array(IMAGES, inner=False, more=OUT_OF_RANGE), min_size=2, max_size=2),
                    st.just([IMAGES]),
                ),
            ),
        ),
        "doctor.diagnose": (
            doctor.diagnose,
            dict(steps=range(30), logs=LOGS, samples=RECORDS, real=points(100)),
            dict(
                steps=array(np.arange(30)),
                logs=BAD_LOGS,
                samples=BAD_RECORDS,
                real=array(points(100), more=[points(2), np.ones((100, 2))]),
            ),
        ),
        "results.load_generator": (results.load_generator, dict(name="narrow_frogs"), dict(name=SHIPPED)),
        "results.load_recording": (results.load_recording, dict(name="narrow_frogs"), dict(name=SHIPPED)),
        "results.load_band": (results.load_band, dict(name="narrow_frogs"), dict(name=SHIPPED)),
        "results.show_recording": (results.show_recording, dict(name="narrow_frogs", title="t"), dict(name=SHIPPED, title=TITLE)),
        "results.draw": (
            results.draw,
            dict(generator=generator, num_images=2, seed=1),
            dict(generator=MODEL, num_images=whole(), seed=seed()),
        ),
        "features.load_classifier": (features.load_classifier, dict(name="digits"), dict(name=choice("digits", "cifar10"))),
        "features.extract": (
            features.extract,
            dict(network=digit_network, images=digits),
            dict(network=MODEL, images=array(digits, more=[digits + 2.0, digits.astype("uint8"), FROGS])),
        ),
        "features.classify": (
            features.classify,
            dict(images=digits, name="digits"),
            dict(images=array(digits, more=[digits + 2.0, digits.astype("uint8"), FROGS]), name=choice("digits", "cifar10")),
        ),
        "features.evaluate": (
            lambda **bad: features.evaluate(**{**dict(fake_images=digits, dataset="digits"), **bad}) if bad else None,
            {},
            dict(fake_images=array(digits, more=[digits + 2.0, digits[:19], FROGS]), dataset=choice("digits", "frogs")),
        ),
        "lesson.choose_budget": (lesson.choose_budget, dict(default="ci"), dict(default=choice(*lesson.BUDGETS))),
        "lesson.pick": (lesson.pick, dict(budget="ci", ci=1, classroom=2, full=3), dict(budget=choice(*lesson.BUDGETS))),
        "lesson.start": (lesson.start, dict(seed=1, budget="ci"), dict(seed=seed(required=True), budget=choice(*lesson.BUDGETS))),
        "lesson.announce_time": (
            lesson.announce_time,
            dict(gan=two, images=points(200), batch_size=10, epochs=2),
            dict(gan=MODEL, images=array(points()), batch_size=whole(), epochs=whole()),
        ),
        "lesson.run_folder": (
            lesson.run_folder,
            dict(lesson_name="a", budget="ci"),
            dict(
                lesson_name=st.one_of(TEXT, st.sampled_from(["", " ", "..", ".", "../x", "/x", "a/b", "a\0b"])),
                budget=choice(*lesson.BUDGETS),
            ),
        ),
        "lesson.check": (lesson.check, dict(claim="a", holds=True), dict(claim=TEXT, holds=FLAG)),
        "lesson.print_scores": (lesson.print_scores, dict(table={"a": SCORES}), dict(table=BAD_TABLES)),
        "lesson.check_answer": (
            lesson.check_answer,
            dict(answer=1.0, expected=1.0, hint="h", tolerance=0.1),
            dict(answer=st.one_of(OBJECTS, TEXTS, st.booleans(), NAN), hint=TEXT, tolerance=number(0.0)),
        ),
        "monitors.Recorder": (
            monitors.Recorder,
            dict(latents=points(4, 3), every=2, live=False, folder=None, real=None, band=None),
            dict(
                latents=array(points(4, 3), inner=False),
                every=whole(),
                live=FLAG,
                folder=PATH,
                real=array(points(), rank=False, inner=False, none=True),
                band=BAND,
            ),
        ),
        "monitors.Checkpoint": (
            monitors.Checkpoint,
            dict(folder="checkpoint", recorder=None, every=2),
            dict(
                folder=st.one_of(PATH, st.none()),
                recorder=st.one_of(TEXTS.filter(bool), st.integers(), st.just([None]), st.just(object())),
                every=whole(),
            ),
        ),
        "monitors.save_grid": (
            monitors.save_grid,
            dict(fakes=IMAGES, path="a.png", real=IMAGES),
            dict(
                fakes=array(IMAGES, more=OUT_OF_RANGE),
                path=st.one_of(PATH, st.none()),
                real=array(IMAGES, none=True, more=[*OUT_OF_RANGE, IMAGES[:2]]),
            ),
        ),
        "monitors.format_time": (monitors.format_time, dict(seconds=3.0), dict(seconds=number(0.0))),
        "training.GAN": (
            training.GAN,
            dict(generator=generator, discriminator=critic, seed=1, name="gan"),
            dict(generator=bad_networks.filter(lambda x: x is not critic), discriminator=bad_networks, seed=seed(), name=TEXT),
        ),
        "training.GAN.compile": (
            lambda **kwargs: two.compile(**{**{name: make() for name, make in compiling.items()}, **kwargs}),
            dict(
                loss="wasserstein",
                penalty=None,
                discriminator_steps=1,
                order="generator_first",
                unrolled_steps=0,
                log_gradients=False,
            ),
            dict(
                generator_optimizer=MODEL,
                discriminator_optimizer=MODEL,
                loss=choice(*losses.FAMILIES),
                penalty=OPTION,
                discriminator_steps=whole(),
                order=choice(*training.ORDERS),
                unrolled_steps=whole(0),
                log_gradients=FLAG,
                steps_per_execution=whole(),
                run_eagerly=FLAG,
                jit_compile=FLAG.filter(lambda x: not isinstance(x, str) or x != "auto"),
                unknown=TEXTS,
            ),
        ),
        "training.GAN.fit": (
            lambda **kwargs: two.fit(verbose=0, **kwargs),
            dict(x=points(64), batch_size=16),
            dict(
                x=array(points(64), more=[points(64).astype("int64")]),
                y=st.one_of(TEXTS, st.integers(), st.booleans()),
                batch_size=whole(none=True),
            ),
        ),
        "training.GAN.sample": (two.sample, dict(num_images=3, seed=1), dict(num_images=whole(), seed=seed())),
        "training.GAN.generate": (two.generate, dict(latents=points(4, 3)), dict(latents=array(points(4, 3)))),
        "training.GAN.check_latents": (two.check_latents, dict(latents=points(4, 3)), dict(latents=array(points(4, 3)))),
        "training.ShuffledBatches": (
            training.ShuffledBatches,
            dict(images=points(64), batch_size=8, discriminator_steps=2, seed=1),
            dict(
                images=array(points(64), rank=False, inner=False),
                batch_size=st.one_of(whole(), st.just(33)),
                discriminator_steps=whole(),
                seed=seed(),
            ),
        ),
        "training.freeze_guard": (
            guarded,
            dict(learning=point_generator(), frozen=critic),
            dict(learning=st.one_of(MODEL, st.just(critic)), frozen=MODEL),
        ),
        "training.gradient_weights": (training.gradient_weights, dict(network=generator), dict(network=MODEL)),
    }
    table["autodiff.sync_variables"] = (autodiff.sync_variables, {}, dict(model=MODEL))
    table["autodiff.run_train_step"] = (
        lambda **bad: autodiff.run_train_step(**{**dict(model=two, step=len), **bad}),
        {},
        dict(model=MODEL, step=FUNCTION),
    )
    for name in ("saturating", "non_saturating", "wasserstein"):
        for role in ("discriminator", "generator"):
            valid, bad = dict(real_logits=LOGITS, fake_logits=LOGITS), dict(real_logits=BAD_LOGITS, fake_logits=BAD_LOGITS)
            if role == "discriminator" and name != "wasserstein":
                valid, bad = {**valid, "label_smoothing": 0.1}, {**bad, "label_smoothing": number(0.0, 1.0)}
            table[f"losses.{name}_{role}_loss"] = (getattr(losses, f"{name}_{role}_loss"), valid, bad)
    return table


WITHOUT = {
    "__main__.main": "tested in test_results.py",
    "autodiff.describe_device": "takes no argument",
    "autodiff.draw_rows": "runs inside a compiled step",
    "autodiff.num_devices": "called by fit() with itself",
    "autodiff.num_replicas": "called by fit() with itself",
    "autodiff.place_among_hosts": "takes no argument",
    "autodiff.run_on_replicas": "called by fit() with itself",
    "autodiff.sum_over_replicas": "runs inside a compiled step",
    "data.find_folder": "takes no argument",
    "data.read_file": "called by the loaders with names of their own",
    "doctor.Diagnosis": "what a function returns",
    "plotting.use_style": "takes no argument",
    "results.load_ladder": "takes no argument",
    "training.GAN.adversarial_step": "runs inside a compiled step; fit() has checked the data",
    "training.GAN.call": "called by Keras",
    "training.GAN.discriminator_step": "runs inside a compiled step; fit() has checked the data",
    "training.GAN.generator_step": "runs inside a compiled step; fit() has checked the data",
    "training.GAN.is_finite": "takes no argument",
    "training.GAN.look_ahead": "runs inside a compiled step; fit() has checked the data",
    "training.GAN.metrics": "a property",
    "training.GAN.non_trainable_variables": "a property",
    "training.GAN.restored": "takes no argument",
    "training.GAN.train_step": "called by Keras",
    "training.ShuffledBatches.on_epoch_end": "takes no argument",
    "training.GAN.simultaneous_step": "runs inside a compiled step; fit() has checked the data",
    "training.ShuffledBatches.start": "called by fit() and Checkpoint",
    "monitors.Checkpoint.on_epoch_end": "called by Keras",
    "monitors.Checkpoint.on_train_begin": "called by Keras",
    "monitors.Checkpoint.on_train_end": "called by Keras",
    "monitors.Recorder.restore": "called by Checkpoint",
    "monitors.Recorder.state": "called by Checkpoint",
    "monitors.Recorder.on_epoch_begin": "called by Keras",
    "monitors.Recorder.on_train_batch_end": "called by Keras",
    "monitors.Recorder.on_train_begin": "called by Keras",
    "monitors.Recorder.on_train_end": "called by Keras",
}
NO_VALID_CALL = {"autodiff.run_train_step", "autodiff.sync_variables"}  # need a running fit(); test_training.py calls them


def public_names():
    """Functions, classes and their methods of all modules, but of `checks`, which has tests of its own."""
    for path in sorted(PACKAGE.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if path.stem in ("checks", "__init__") or not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                continue
            inner = node.body if isinstance(node, ast.ClassDef) else []
            names = [node.name] + [f"{node.name}.{method.name}" for method in inner if isinstance(method, ast.FunctionDef)]
            yield from (f"{path.stem}.{name}" for name in names if not any(part.startswith("_") for part in name.split(".")))


@pytest.fixture(scope="module")
def table():
    return cases()


NAMES_IN_TABLE = sorted(set(public_names()) - set(WITHOUT))


def test_every_public_function_is_sent_bad_inputs(table):
    assert set(table) == set(NAMES_IN_TABLE)
    assert set(WITHOUT) <= set(public_names())
    assert NUM_EXAMPLES * len(NAMES_IN_TABLE) >= 2000


def complaint(function, name, call):
    """What is wrong with the way in which a call is refused; None if nothing is."""
    began = time.perf_counter()
    try:
        function(**call)
    except (ValueError, TypeError) as error:
        message = str(error)
        if len(re.split(r"(?<=[.])\s+(?=\S)", message)) < 3:
            return f"not three sentences: {message}"
        if not any(word in message for word in (*call, f"{name.split('.')[-1]}()", "The ", "fit()", "make_grid()")):
            return f"names neither the function nor the argument: {message}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    else:
        return "accepted"
    seconds = time.perf_counter() - began
    return f"took {seconds:.1f} s" if seconds > SECONDS else None


@pytest.mark.parametrize("name", NAMES_IN_TABLE)
def test_bad_inputs_are_refused(name, table, tmp_path, monkeypatch):
    function, valid, bad = table[name]
    monkeypatch.chdir(tmp_path)
    if name not in NO_VALID_CALL:
        function(**valid)
        plt.close("all")
    sent = []

    @settings(max_examples=NUM_EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(sorted(bad)).flatmap(lambda argument: st.tuples(st.just(argument), bad[argument])))
    def send(pair):
        argument, value = pair
        sent.append(argument)
        found = complaint(function, name, {**valid, argument: value})
        assert found is None, f"{name}({argument}={value!r:.300}): {found}"

    send()
    plt.close("all")
    assert len(sent) >= NUM_EXAMPLES
