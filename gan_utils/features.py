"""Features of images from the course's own classifiers, and one call that measures a generator with them."""

import functools

import keras
import numpy as np

from gan_utils import autodiff, checks, data, metrics, networks

# Shape of an image, widths of the stages, SHA-256 of the file of weights.
CLASSIFIERS = {
    "digits": ((28, 28, 1), (16, 32, 64), "a9bb70f8e3051030954ca25f8505b43dbe7a8cde439ab2080d8f450e92505b79"),
    "cifar10": ((32, 32, 3), (48, 96, 192), "cbe301320c18498fe810554390174a142a3fca7b4433f89c511cf667a3b5ee21"),
}
DATASETS = {"digits": (data.load_mnist, "digits"), "frogs": (data.load_frogs, "cifar10")}
NUM_REFERENCES = 5000
NAME = checks.choice(CLASSIFIERS, "Frogs are judged by 'cifar10'.")
DATASET = checks.choice(DATASETS, "For other images call features.extract() and the functions of metrics.")


@checks.arguments(name=NAME)
def load_classifier(name):
    """One of the course's two classifiers, trained by `benchmarks/train_feature_networks.py`.

    Args:
        name: `"digits"` (MNIST, 64 features) or `"cifar10"` (all ten classes, 192 features; frogs are class 6).

    Returns:
        `keras.Model`: images in [-1, 1] -> `[features (batch, d), logits (batch, 10)]`.

    Raises:
        ValueError: for an unknown name or a damaged file; FileNotFoundError without the file.

    Taught in: `08_measuring_gans`.
    """
    input_shape, widths, expected = CLASSIFIERS[name]
    file = f"{name}_classifier.weights.h5"
    data.read_file(file, expected)
    network = networks.build_classifier(input_shape, widths=widths)
    network.load_weights(data.find_folder() / file)
    return keras.Model(network.inputs[0], [network.layers[-2].output, network.outputs[0]], name=f"{name}_classifier")


@checks.arguments(network=autodiff.MODEL)
def extract(network, images):
    """Features of images.

    Args:
        network: any `keras.Model` on images; of several outputs the first is taken. For Inception features give
            `keras.applications.InceptionV3` without its top and with average pooling, behind a resizing layer.
        images: `(n, height, width, channels)`, float in [-1, 1].

    Returns:
        NumPy array `(n, d)`, float32.

    Raises:
        ValueError: if the images do not fit the network.

    Taught in: `08_measuring_gans`.
    """
    return _run("extract()", network, images)[0]


@checks.arguments(name=NAME)
def classify(images, name):
    """Probabilities of the ten classes from one of the course's classifiers.

    Args:
        images: `(n, height, width, channels)`, float in [-1, 1].
        name: as in `load_classifier`.

    Returns:
        NumPy array `(n, 10)`, float32; the rows add up to 1.

    Raises:
        ValueError: if the images do not fit.

    Taught in: `05_training_failures`.
    """
    images = _check_images("classify()", (None, *CLASSIFIERS[name][0]), images)
    return keras.ops.convert_to_numpy(keras.ops.softmax(_run("classify()", load_classifier(name), images)[1]))


@checks.arguments(dataset=DATASET)
def evaluate(fake_images, dataset):
    """The course's measurement of a generator: fakes against 5,000 training images, in features of the course's classifier.

    Args:
        fake_images: `(n, height, width, channels)`, float in [-1, 1], n at least 20. Only results of one n may be compared.
        dataset: `"digits"` or `"frogs"`.

    Returns:
        Mapping to floats: `kernel_distance` with its 95 % interval `kernel_low`, `kernel_high`; `frechet_distance`; `precision`,
        `recall`; `nearest_train` and `nearest_expected`, the first two results of `metrics.memorization_test` on pixels; for
        digits also `covered_classes`.

    Raises:
        ValueError: for an unknown data set, or images that do not fit.

    Taught in: `08_measuring_gans`.
    """
    input_shape = (None, *CLASSIFIERS[DATASETS[dataset][1]][0])
    fake_images = _check_images("evaluate()", input_shape, fake_images, smallest=20)  # as many as the kernel distance needs
    network, train, held_out, real_features = _references(dataset)
    fake_features, fake_logits = _run("evaluate()", network, fake_images)
    kernel, low, high = metrics.kernel_distance(real_features, fake_features)
    # The regions of precision and recall grow with fewer samples, so both sets have one size.
    precision, recall = metrics.precision_recall(real_features[: len(fake_features)], fake_features[:NUM_REFERENCES])
    share, expected, _ = metrics.memorization_test(fake_images, train, held_out)
    scores = {
        "kernel_distance": kernel,
        "kernel_low": low,
        "kernel_high": high,
        "frechet_distance": metrics.frechet_distance(real_features, fake_features),
        "precision": precision,
        "recall": recall,
        "nearest_train": share,
        "nearest_expected": expected,
    }
    if dataset == "digits":
        probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(fake_logits))
        scores["covered_classes"] = float(metrics.covered_classes(probabilities)[0])
    return scores


@functools.cache  # a lesson measures several generators against the same images
def _references(dataset):
    """`(classifier, training images, held-out images, features of the reference images)` of a data set."""
    load, name = DATASETS[dataset]
    (train, _), (held_out, _) = load("train"), load("test")
    network = load_classifier(name)
    return network, train, held_out, extract(network, train[:NUM_REFERENCES])


def _check_images(caller, input_shape, images, smallest=1):
    remedy = "Use images.normalize() on uint8 pixels, np.clip(images, -1, 1) on a generator without tanh."
    rule = checks.array(checks.form(input_shape), smallest=smallest, floats=True, remedy=remedy)
    images = rule(caller, "images", images).astype("float32", copy=False)
    passed = f"{caller} received images with values from {images.min():.4g} to {images.max():.4g}."
    checks.require(np.abs(images).max() <= 1.0001, passed, "It expects values that are finite and in [-1, 1].", remedy)
    return images


def _run(caller, network, images):
    """All outputs of a network for images, as NumPy arrays, 250 images at a time."""
    images = _check_images(caller, network.input_shape, images)
    parts = []
    for i in range(0, len(images), 250):
        outputs = keras.tree.flatten(network(images[i : i + 250], training=False))
        parts.append([keras.ops.convert_to_numpy(output) for output in outputs])
    return [np.concatenate(output) for output in zip(*parts)]
