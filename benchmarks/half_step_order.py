"""D first or G first, on the ring of eight Gaussians: the numbers of lesson 02.

    python benchmarks/half_step_order.py

trains with the lesson's own half-steps, ten seeds in each order, and writes one record a run beside this file, to
`half_step_order.json`: the share of good samples, the covered modes, and the standard deviation of D's loss in the last
quarter. A test compares the lesson's sentence with them.
"""

import json
import sys
from pathlib import Path

# First: it starts Keras without its start-up messages.
from gan_utils import data, metrics, networks, results

# isort: split
import keras
import nbformat
import numpy as np
import tensorflow as tf
from keras import ops

FOLDER = Path(__file__).parent
LESSON = FOLDER.parent / "notebooks" / "02_vanilla_gan.ipynb"
RESULTS = FOLDER / "half_step_order.json"
NUM_UPDATES, NUM_SEEDS = 3_000, 10


def lesson_steps():
    """What the cells of the losses and of the half-steps define."""
    scope = {"keras": keras, "np": np, "ops": ops, "tf": tf}
    for cell in nbformat.read(LESSON, as_version=4).cells:
        if cell.cell_type == "code" and cell.source.startswith(("def discriminator_loss", "batch_size, latent_dim")):
            exec(compile(cell.source, LESSON.name, "exec"), scope)
    return scope


def measure(scope, order, seed):
    """Train one pair of networks, and judge its samples and D's losses."""
    keras.utils.set_random_seed(seed)
    generator = networks.build_mlp_generator(scope["latent_dim"], (2,), units=(64, 64), activation=None)
    discriminator = networks.build_mlp_discriminator((2,), units=(64, 64), dropout=0)
    g_adam, d_adam = (scope["new_adam"](network, 1e-3) for network in (generator, discriminator))
    losses, centers, rng = [], data.ring_centers(), np.random.default_rng(seed)
    for update in range(NUM_UPDATES):
        points, _ = data.sample_modes(scope["batch_size"], centers, scale=0.1, seed=rng)
        if order == "D first" or update > 0:
            losses.append(scope["discriminator_step"](generator, discriminator, d_adam, points)[0])
        scope["generator_step"](generator, discriminator, g_adam)
    covered, good = metrics.covered_modes(results.draw(generator, 4_000), centers, radius=0.3)
    fluctuation = np.std(np.array(losses[-NUM_UPDATES // 4 :]))
    scores = {"good": good, "covered": covered, "fluctuation": float(fluctuation)}
    return {"order": order, "seed": seed, "updates": NUM_UPDATES, **scores}


if __name__ == "__main__":
    tf.get_logger().setLevel("ERROR")  # the source of functions that a notebook defines is not found
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    records = []
    for seed in range(NUM_SEEDS):
        for order in ("D first", "G first"):
            records.append(measure(lesson_steps(), order, seed))
            print(records[-1], file=sys.stderr, flush=True)
            RESULTS.write_text(json.dumps(records, indent=1) + "\n")
