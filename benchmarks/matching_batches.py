"""Batches of 500 and of 25 for the matching network of digits, at equal computing time: the table of lesson 07.

    python benchmarks/matching_batches.py

runs the lesson's own `train_digits` for 60 CPU seconds on one thread, three seeds for each size, and writes the numbers
beside this file, to `matching_batches.json`. A test compares the lesson's table with them.
"""

import ast
import json
import time
from pathlib import Path

# First: it starts Keras without its start-up messages.
from gan_utils import data, features, metrics, networks, results

# isort: split
import keras
import nbformat
import numpy as np
import tensorflow as tf
from keras import ops

FOLDER = Path(__file__).parent
LESSON = FOLDER.parent / "notebooks" / "07_generative_matching.ipynb"
RESULTS = FOLDER / "matching_batches.json"
NUM_SECONDS, NUM_JUDGED = 60, 2000


def lesson_functions():
    """Every function that the lesson defines, and the names that they use."""
    cells = nbformat.read(LESSON, as_version=4).cells
    code = [node for cell in cells if cell.cell_type == "code" for node in ast.parse(cell.source).body]
    functions = ast.Module([node for node in code if isinstance(node, ast.FunctionDef)], [])
    images, _ = data.load_mnist("train")
    scope = {"keras": keras, "networks": networks, "np": np, "ops": ops, "tf": tf, "time": time}
    exec(compile(functions, LESSON.name, "exec"), scope)
    median = scope["median_distance"](images[:500], images[500:1000])
    scope.update(real_images=images, digit_median=median, num_seconds=NUM_SECONDS)
    return scope


def measure(scope, batch_size, seed):
    """Train one network, and judge it by features of the digit classifier."""
    generator, num_updates = scope["train_digits"](batch_size, seed)
    images = results.draw(generator, NUM_JUDGED, seed=4)
    found = features.extract(features.load_classifier("digits"), images)
    real = features.load_references("digits")[:NUM_JUDGED]
    precision, recall = metrics.precision_recall(real, found)
    scores = {"kernel_distance": features.kernel_distance(images, "digits")[0]}
    scores |= {"precision": precision, "recall": recall}
    return {"batch_size": batch_size, "seed": seed, "updates": num_updates, **scores}


if __name__ == "__main__":
    tf.get_logger().setLevel("ERROR")  # the source of functions that a notebook defines is not found
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    scope, records = lesson_functions(), []
    for seed in range(3):
        for batch_size in (500, 25):
            records.append(measure(scope, batch_size, seed))
            print(records[-1], flush=True)
            RESULTS.write_text(json.dumps(records, indent=1) + "\n")
