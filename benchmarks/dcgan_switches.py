"""The guidelines of the DCGAN as switches, and three networks for digits at equal time: the numbers of lesson 06.

    python benchmarks/dcgan_switches.py run       every run that dcgan_switches.json still lacks, one after the other
    python benchmarks/dcgan_switches.py render    what lesson 06 shows, data/results/dcgan_switches.json

The networks, `train` and `measure` are the lesson's own, read from its cells. First each setting with three seeds, 400
updates of 64 digits, 16 filters; the four of batch normalisation and start with five. Then up-sampling in G with 32 filters,
for 100 CPU seconds on one thread, compiling and judging left out. The other two networks were measured in the same way: those
of lesson 02 in `wgan_equal_time.json`, the recipe in `quality_ladder.json`. The frogs are from `frog_search.json`. Ten
samples of seed 0 for each setting go to data/results/dcgan_switches.webp.
"""

import ast
import json
import os
import sys
from pathlib import Path

import nbformat
import numpy as np

import quality_ladder
import wgan_equal_time

RESULTS = Path(__file__).with_suffix(".json")
LESSON = Path(__file__).parent.parent / "notebooks" / "06_dcgan_recipe.ipynb"
FOUR = "the recipe", "no batch norm", "Keras's start", "no batch norm, Keras's start"
SETTINGS = "the recipe", "up-sampling in G", "pooling in D", "up-sampling in G, pooling in D", "no batch norm"
SETTINGS += "batch norm on G's output", "batch norm in D's first layer", "LeakyReLU in G", "ReLU in D", "tanh inside both"
SETTINGS += "no tanh at G's end", "hidden dense layer", "Keras's start", "Keras's Adam", "dropout in D", FOUR[-1]
UPSAMPLING, SECONDS = "up-sampling in G", 100
FROGS = "dcgan", "dcgan, up-sampling", "narrow", "narrow, up-sampling"


def lesson_scope(path=LESSON):
    """The functions of the lesson."""
    from gan_utils import data, features, training

    # isort: split
    import keras
    from keras import layers

    cells = nbformat.read(path, as_version=4).cells
    code = [node for cell in cells if cell.cell_type == "code" for node in ast.parse(cell.source).body]
    code = [node for node in code if isinstance(node, ast.FunctionDef)]
    scope = {"keras": keras, "layers": layers, "np": np, "features": features, "training": training}
    scope["train_images"] = data.load_mnist("train")[0]
    exec(compile(ast.Module(code, []), path.name, "exec"), scope)
    return scope


def train(scope, setting, seed, **options):
    """One setting at equal updates."""
    gan = scope["train"](setting, seed, **options)
    samples = np.clip(gan.sample(1_000, seed=0), -1.0, 1.0)
    if seed == 0:
        keep(setting, samples[:10])
    record = {"setting": setting, "seed": seed, "kernel_distance": round(float(scope["measure"](gan)), 4)}
    return record | {"brightness": round(float(samples.mean()), 4)}


def keep(setting, samples):
    """Put ten digits into their row of the sheet."""
    from PIL import Image

    from gan_utils import images

    file, row = quality_ladder.SHIPPED / "dcgan_switches.webp", 28 * SETTINGS.index(setting)
    sheet = np.array(Image.open(file).convert("L")) if file.exists() else np.zeros((28 * len(SETTINGS), 280), "uint8")
    sheet[row : row + 28] = images.denormalize(np.concatenate(samples, axis=1)).squeeze()
    Image.fromarray(sheet).save(file, lossless=True)


def train_timed(scope, setting, seed, seconds=SECONDS, num_moments=12):
    """One setting at equal time, judged on the way and at the end as the networks of lesson 02 were."""
    import keras

    from gan_utils import features, results

    keras.utils.set_random_seed(seed)
    pair = scope["build_generator"](setting, 32), scope["build_discriminator"](setting, 32)
    optimizers = quality_ladder.adam(2e-4, 0.5)
    gan, options = quality_ladder.adversarial(*pair, optimizers, seed, images=scope["train_images"])
    judge = wgan_equal_time.TimedJudge("digits", gan.generator, seconds, num_moments)
    judge.look(0)
    wgan_equal_time.fit_timed(gan, options, judge)
    scores = features.evaluate(results.draw(gan.generator, quality_ladder.NUM_JUDGED["digits"], seed=0), "digits")
    record = {"setting": setting, "seed": seed, "budget": seconds, "updates": judge.record["steps"][-1]}
    return record | {"scores": {name: round(value, 4) for name, value in scores.items()}, "moments": judge.record}


def run():
    scope, done = lesson_scope(), [(r["setting"], r["seed"], "budget" in r) for r in quality_ladder.read_records(RESULTS)]
    tasks = [(train, setting, seed) for seed in range(3) for setting in SETTINGS]
    tasks += [(train_timed, UPSAMPLING, seed) for seed in range(3)]
    tasks += [(train, setting, seed) for seed in (3, 4) for setting in FOUR]
    for function, setting, seed in tasks:
        if (setting, seed, function is train_timed) not in done:
            record = function(scope, setting, seed)
            quality_ladder.write_records(RESULTS, [*quality_ladder.read_records(RESULTS), record])
            print(setting, seed, record.get("kernel_distance") or record["scores"]["kernel_distance"], flush=True)


def collect(records, dense, ladder, search):
    """What lesson 06 shows, from these records and those of the three other programs."""
    short = {name: [r for r in records if r["setting"] == name and "budget" not in r] for name in SETTINGS}
    facts = {"switches": {name: [r["kernel_distance"] for r in runs] for name, runs in short.items()}}
    facts["brightness"] = {name: round(np.mean([r["brightness"] for r in runs]), 3) for name, runs in short.items()}
    timed = {"Dense": [r for r in dense if wgan_equal_time.identify(r)[:4] == ("digits", "GAN", 3e-4, 1)]}
    timed["DCGAN"] = [r for r in ladder if r["name"] == "dcgan_digits" and r["budget"] == "classroom"]
    timed["DCGAN, up-sampling"] = [r for r in records if "budget" in r]
    facts["equal_time"] = {name: [cut(r["moments"]) for r in runs] for name, runs in timed.items()}
    trials = {r["trial"]: [r["kernel_distance"][0], r["updates"]] for r in search if r["cpu_seconds"] == 200}
    return facts | {"frogs": {name: trials[name] for name in FROGS}}


def cut(moments, names=("cpu_seconds", "steps", "kernel_distances")):
    """The curves of a run, from its first judged update to the end of the time."""
    num_moments = sum(seconds < 1.02 * SECONDS for seconds in moments["cpu_seconds"])
    return {name: moments[name][1:num_moments] for name in names}


def render():
    """Write what lesson 06 shows."""
    names = RESULTS.stem, "wgan_equal_time", "quality_ladder", "frog_search"
    facts = collect(*[json.loads((RESULTS.parent / f"{name}.json").read_text()) for name in names])
    (quality_ladder.SHIPPED / RESULTS.name).write_text(json.dumps(facts) + "\n")


if __name__ == "__main__":
    os.environ |= quality_ladder.ONE_THREAD
    {"run": run, "render": render}[sys.argv[1]]()
