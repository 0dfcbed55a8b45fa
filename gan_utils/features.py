"""Features of images from the course's own classifiers, and one call that measures a generator."""

import functools
import io

import keras
import numpy as np

from gan_utils import autodiff, checks, data, images, metrics, networks

# Shape of an image, widths of the stages, SHA-256 of the file of weights.
DIGITS_SHA256 = "a9bb70f8e3051030954ca25f8505b43dbe7a8cde439ab2080d8f450e92505b79"
CIFAR10_SHA256 = "cbe301320c18498fe810554390174a142a3fca7b4433f89c511cf667a3b5ee21"
CLASSIFIERS = {
    "digits": ((28, 28, 1), (16, 32, 64), DIGITS_SHA256),
    "cifar10": ((32, 32, 3), (48, 96, 192), CIFAR10_SHA256),
}
DATASETS = {"digits": (data.load_mnist, "digits"), "frogs": (data.load_frogs, "cifar10")}
NUM_REFERENCES = 5000
REFERENCES_SHA256 = "40ba33dddc7de2fd8a48b2ddff2218f6b3042dde9804e8cf68678968fc39bb0b"


@functools.cache
def load_classifier(name):
    """One of the course's two classifiers, trained by `benchmarks/train_feature_networks.py`.

    Args:
        name: `"digits"` (MNIST, 64 features) or `"cifar10"` (all ten classes, 192 features; frogs
            are class 6).

    Returns:
        `keras.Model`: images in [-1, 1] -> `[features (batch, d), logits (batch, 10)]`, the same
        object at each call.

    Raises:
        ValueError: for an unknown name or a damaged file; FileNotFoundError without the file.

    Taught in: `08_measuring_gans`.
    """
    checks.check_choice("load_classifier()", "name", name, CLASSIFIERS)
    input_shape, widths, expected = CLASSIFIERS[name]
    file = f"{name}_classifier.weights.h5"
    data.read_file(file, expected)
    network = networks.build_classifier(input_shape, widths=widths)
    network.load_weights(data.find_folder() / file)
    outputs = [network.layers[-2].output, network.outputs[0]]
    return keras.Model(network.inputs[0], outputs, name=f"{name}_classifier")


def extract(network, images):
    """Features of images.

    Args:
        network: any `keras.Model` on images; of several outputs the first is taken. For Inception
            features give `keras.applications.InceptionV3` without its top and with average pooling,
            behind a resizing layer.
        images: `(n, height, width, channels)`, float in [-1, 1].

    Returns:
        NumPy array `(n, d)`, float32.

    Raises:
        ValueError: if the images do not fit the network.

    Taught in: `08_measuring_gans`.
    """
    return _run("extract()", network, images)[0]


def classify(images, name):
    """Probabilities of the ten classes from one of the course's classifiers.

    Args:
        images: `(n, height, width, channels)`, float in [-1, 1].
        name: as in `load_classifier`.

    Returns:
        NumPy array `(n, 10)`, float32; the rows add up to 1.

    Raises:
        ValueError: if the images do not fit, or for an unknown name.

    Taught in: `08_measuring_gans`.
    """
    return _softmax(_run("classify()", load_classifier(name), images)[1])


def evaluate(fake_images, dataset):
    """The course's measurement of a generator, in features of the course's classifier.

    Args:
        fake_images: `(n, height, width, channels)`, float in [-1, 1], n at least 20. They are
            compared with 5,000 training images. Only results of one n may be compared.
        dataset: `"digits"` or `"frogs"`.

    Returns:
        Mapping to floats: `kernel_distance` with its 95 % interval `kernel_low`, `kernel_high`;
        `frechet_distance`; `precision`, `recall`, `coverage`; from `metrics.memorization_test` on
        pixels, for frogs with their mirror images, `nearest_train`, `nearest_expected`,
        `nearest_low`, `nearest_high`; for digits also `covered_classes`.

    Raises:
        ValueError: for an unknown data set, or images that do not fit.

    Taught in: `08_measuring_gans`.
    """
    load, name = DATASETS[checks.check_choice("evaluate()", "dataset", dataset, DATASETS)]
    network, real_features = load_classifier(name), load_references(dataset)
    fake_features, fake_logits = _run("evaluate()", network, fake_images, smallest=20)
    kernel, low, high = map(float, metrics.kernel_distance(real_features, fake_features))
    scores = {"kernel_distance": kernel, "kernel_low": low, "kernel_high": high}
    scores["frechet_distance"] = metrics.frechet_distance(real_features, fake_features)
    # The regions of both sets grow with fewer samples, so both have one size.
    sizes = real_features[: len(fake_features)], fake_features[:NUM_REFERENCES]
    scores["precision"], scores["recall"] = metrics.precision_recall(*sizes)
    scores["coverage"] = metrics.coverage(*sizes)
    (train, _), (held_out, _) = load("train"), load("test")
    copies = metrics.memorization_test(fake_images, train, held_out, mirror=dataset == "frogs")
    scores["nearest_train"] = copies.share
    scores |= {f"nearest_{key}": getattr(copies, key) for key in ("expected", "low", "high")}
    if dataset == "digits":
        scores["covered_classes"] = float(metrics.covered_classes(_softmax(fake_logits))[0])
    return scores


def kernel_distance(images, dataset):
    """Kernel distance of images to 5,000 training images: the first three numbers of `evaluate`.

    Args:
        images: as in `evaluate`.
        dataset: `"digits"` or `"frogs"`.

    Returns:
        `(estimate, low, high)`, floats, as from `metrics.kernel_distance`.

    Raises:
        ValueError: for an unknown data set, or images that do not fit.

    Taught in: `08_measuring_gans`.
    """
    _, name = DATASETS[checks.check_choice("kernel_distance()", "dataset", dataset, DATASETS)]
    features = extract(load_classifier(name), images)
    return metrics.kernel_distance(load_references(dataset), features)


@functools.cache
def load_references(dataset):
    """Features of the first 5,000 training images: `(5000, d)`, float32, stored as float16."""
    content = data.read_file("reference_features.npz", REFERENCES_SHA256)
    with np.load(io.BytesIO(content)) as arrays:
        return arrays[dataset].astype("float32")


def _softmax(logits):
    return keras.ops.convert_to_numpy(keras.ops.softmax(logits))


def _run(caller, network, pictures, smallest=1):
    """All outputs of a network for images, as NumPy arrays."""
    shape = (None, *network.input_shape[1:])
    pictures = checks.check_array(caller, "images", pictures, shape, smallest=smallest)
    images.check_range(pictures, caller, whole_set=True)
    return autodiff.run_in_parts(network, pictures)
