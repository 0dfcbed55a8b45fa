"""Remedies for the hurried recipe of lesson 05, on the ring, over the same seeds: the dots of a figure there.

    python benchmarks/ring_remedies.py [remedy ...]

plays the lesson's own games, those that its dictionary `remedies` names: 1,200 updates, 20 seeds of the recipe and 10 of
each remedy. All seeds of a remedy are played at once, by networks that hold one matrix for each seed; no seed sees
another. It takes some minutes of one core, and writes modes and good points at four moments, and the price of an
update, to `data/ring_remedies.json`, which the lesson draws. The rate of the unrolled steps, 0.05, was the best of four
tried on these seeds (sums of modes: 0.005 gave 49, 0.02 gave 63, 0.05 gave 69; at 0.1 a run overflowed).
"""

import ast
import json
import sys
import time
from pathlib import Path

# First: it starts Keras without its start-up messages.
from gan_utils import data, doctor, metrics, networks

# isort: split
import keras
import nbformat
import numpy as np
import tensorflow as tf
from keras import layers, ops

FOLDER = Path(__file__).parent.parent
LESSON = FOLDER / "notebooks" / "05_training_failures.ipynb"
RESULTS = FOLDER / "data" / "ring_remedies.json"
NUM_UPDATES, NUM_SEEDS, NUM_RECIPE_SEEDS, RECIPE = 1200, 10, 20, "hurried recipe"
# What the games need besides functions.
NAMES = {"centers", "hurried", "balanced", "least_squares", "hinge", "smoothed"}
NAMES |= {"mean", "relu", "wasserstein", "gp", "strong_gp", "remedies"}


class Dice:
    """Random numbers as the lesson asks for them, for each of several seeds."""

    def __init__(self, num_seeds):
        self.num_seeds, self.generator = num_seeds, tf.random.Generator.from_seed(0)

    def normal(self, shape):
        return self.generator.normal((self.num_seeds, *shape))

    def uniform(self, shape, **options):
        return self.generator.uniform((self.num_seeds, *shape), **options)

    def reset_from_seed(self, seed):
        self.generator.reset_from_seed(seed)


class StackedDense(layers.Layer):
    """`Dense` layers side by side: `(seeds, batch, inputs)` -> `(seeds, batch, outputs)`."""

    def __init__(self, dense):
        super().__init__()
        kernels, biases = ([np.array(layer.weights[i]) for layer in dense] for i in (0, 1))
        for name, values in (("kernel", np.stack(kernels)), ("bias", np.stack(biases)[:, None])):
            start = keras.initializers.Constant(values)
            setattr(self, name, self.add_weight(shape=values.shape, initializer=start, name=name))

    def call(self, x):
        return ops.matmul(x, self.kernel) + self.bias


def stack(models):
    """One network that is all these, which have one architecture of `Dense` and LeakyReLU."""
    parts = [keras.Input((None, models[0].input_shape[-1]), batch_size=len(models))]
    for same in zip(*(model.layers for model in models)):
        if isinstance(same[0], layers.Dense):
            parts.append(StackedDense(same))
        elif isinstance(same[0], layers.LeakyReLU):
            parts.append(layers.LeakyReLU(negative_slope=same[0].negative_slope))
    return keras.Sequential(parts)


def lesson_games(num_seeds):
    """Functions and settings of the lesson's games, for several seeds at once."""
    scope = {"data": data, "doctor": doctor, "networks": networks, "keras": keras}
    scope |= {"layers": layers, "np": np, "ops": ops, "tf": tf}
    for cell in nbformat.read(LESSON, as_version=4).cells:
        for node in ast.parse(cell.source).body if cell.cell_type == "code" else ():
            targets = [name for target in getattr(node, "targets", ()) for name in ast.walk(target)]
            targets += [node.target] if isinstance(node, ast.AugAssign) else []
            names = {name.id for name in targets if isinstance(name, ast.Name)}
            if isinstance(node, ast.FunctionDef) or names & NAMES:
                exec(compile(ast.Module([node], []), LESSON.name, "exec"), scope)
    # Losses are means over the seeds too, so plain gradient steps are smaller by their number.
    num_steps, rate = scope["unrolled"].__defaults__
    scope["unrolled"].__defaults__ = num_steps, rate * num_seeds
    build_one = scope["build_pair"]

    def build_pair():
        pairs = []
        for seed in range(num_seeds):
            keras.utils.set_random_seed(seed)
            pairs.append(build_one())
        return [stack(models) for models in zip(*pairs)]

    def new_adam(network, rate):
        # For the same reason.
        adam = keras.optimizers.Adam(rate, beta_1=0.5, epsilon=1e-7 / num_seeds)
        adam.build(network.trainable_variables)
        return adam

    latents = np.repeat(data.sample_latents(1000, 2, seed=1)[None], num_seeds, axis=0)
    own = {"build_pair": build_pair, "new_adam": new_adam, "fixed_latents": latents}
    scope.update(own, dice=Dice(num_seeds))
    return scope


def measure(name, num_seeds, num_updates=NUM_UPDATES):
    """Modes covered and share of good points after each quarter of a run, for each seed."""
    scope = lesson_games(num_seeds)
    game = scope["start_game"](**scope["remedies"][name])
    game[-1](tf.constant(1.0))  # compiles; one update more
    began = time.process_time()
    samples = np.array(scope["play"](game, num_updates)["samples"])[[10, 20, 30, 40]]
    spent = 1000 * (time.process_time() - began) / num_updates / num_seeds
    for seed in range(num_seeds):
        counts = [metrics.covered_modes(x, scope["centers"], radius=0.3) for x in samples[:, seed]]
        modes, good = [int(c[0]) for c in counts], [round(float(c[1]), 3) for c in counts]
        yield {"remedy": name, "seed": seed, "modes": modes, "good": good, "ms": round(spent, 2)}


if __name__ == "__main__":
    tf.get_logger().setLevel("ERROR")  # the source of functions that a notebook defines is not found
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    records = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for name in sys.argv[1:] or lesson_games(1)["remedies"]:
        new = list(measure(name, NUM_RECIPE_SEEDS if name == RECIPE else NUM_SEEDS))
        print(name, *(record["modes"][-1] for record in new), new[0]["ms"], flush=True)
        records = [record for record in records if record["remedy"] != name] + new
        RESULTS.write_text("[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n")
