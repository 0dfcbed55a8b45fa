"""GAN and WGAN-GP at equal computing time, each at its best rate; and weight clipping on digits.

    python benchmarks/wgan_equal_time.py run       every run that wgan_equal_time.json still lacks, one after the other
    python benchmarks/wgan_equal_time.py render    the table and curves of lesson 04, data/results/wgan_equal_time.json

A run ends after a number of CPU seconds of training on one thread; compiling and judging are left out. Rates are compared with
seed 0; on digits the best one of each method, and WGAN-GP's lowest, get three seeds. The networks are those of lessons 02 and 03;
a critic has neither dropout nor batch normalisation. Digits come in batches of 64, frogs and their mirror images in batches of
32. The GAN's frogs are those of lesson 03, from quality_ladder.json.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

import quality_ladder

RESULTS = Path(__file__).with_suffix(".json")
RATES = {"GAN": (1e-4, 3e-4, 6e-4), "WGAN-GP": (1e-4, 3e-4, 5e-4, 1e-3)}  # the fourth where the third is the best
DIGITS, FROGS_SEARCH, FROGS = 100, 150, 720  # CPU seconds; the narrow GAN pair of lesson 03 took 685 to 717
SETTINGS = "dataset", "method", "rate", "critic_steps", "seed", "budget"
COLUMNS = "data", "method", "rate", "steps", "CPU s", "updates", "seeds", "kernel distance", "recall", "classes"
FORMAT = "{:7}{:13}{:>8}{:>6}{:>6}{:>8}{:>6}  {:23}{:>7}{:>8}"


class TimedJudge(quality_ladder.Judge):
    """Judges at fixed moments of computing time instead of numbers of updates."""

    def __init__(self, dataset, generator, seconds, num_moments):
        super().__init__(dataset, generator, 1)
        self.times = list(seconds * np.linspace(0.0, 1.0, num_moments + 1) ** 1.5)

    def look(self, step, logs=()):
        spent = (self.now() - self.began - self.left_out)[1]
        self.due = [step if spent >= self.times[0] else step + 1]
        self.times = [moment for moment in self.times if moment > spent]
        super().look(step, logs)


def fit_timed(gan, options, judge):
    """Train until the judge has seen its last moment."""
    import keras

    class Follow(keras.callbacks.Callback):
        offset = last = 0

        def on_epoch_begin(self, epoch, logs=None):
            self.offset = self.last

        def on_train_batch_end(self, batch, logs=None):
            if not self.last:  # the step has just been compiled
                judge.began, judge.left_out = judge.now(), np.zeros(2)
            self.last = self.offset + min(batch + 1, self.params["steps"])
            judge.look(self.last, logs)
            self.model.stop_training = not judge.times

    gan.fit(**options, epochs=1_000_000, callbacks=[Follow()], verbose=0)


def build(dataset, method, rate, critic_steps, seed):
    """`(gan, what fit() takes)`."""
    import keras

    import discriminators
    from gan_utils import data, losses, networks

    keras.utils.set_random_seed(seed)
    images, size = data.load_mnist()[0], 64
    dropout = 0.3 if method == "GAN" else 0
    pair = [networks.build_mlp_generator(100, (28, 28, 1)), networks.build_mlp_discriminator((28, 28, 1), dropout=dropout)]
    optimizers, options = quality_ladder.adam(rate, 0.5), {"loss": "wasserstein", "discriminator_steps": critic_steps}
    if method == "GAN":
        options = {}
    elif method == "WGAN-GP":
        optimizers, options["penalty"] = quality_ladder.adam(rate, 0.5, 0.9), losses.gradient_penalty
    else:
        pair[1] = quality_ladder.clipped_critic(units=(1024, 512, 256))
        optimizers = quality_ladder.adam(rate, 0.9) if "Adam" in method else quality_ladder.rmsprop(rate, rate)
    if dataset == "frogs":
        frogs, size = data.load_frogs()[0], 32
        images = np.concatenate([frogs, frogs[:, :, ::-1]])
        pair = networks.build_frog_generator(), discriminators.build_frog_discriminator(dropout=0.0, batch_norm=False)
    return quality_ladder.adversarial(*pair, optimizers, seed, images=images, batch_size=size, **options)


def train(*settings, num_moments=12):
    """One run with these settings, added to the results unless they have it with as many moments."""
    from gan_utils import autodiff, features, results

    same = [record for record in quality_ladder.read_records(RESULTS) if identify(record) == settings]
    if same and len(same[0]["moments"]["steps"]) > num_moments:
        return same[0]
    dataset, seconds = settings[0], settings[-1]
    gan, options = build(*settings[:-1])
    judge = TimedJudge(dataset, gan.generator, seconds, num_moments)
    judge.look(0)

    fit_timed(gan, options, judge)
    scores = features.evaluate(results.draw(gan.generator, quality_ladder.NUM_JUDGED[dataset], seed=0), dataset)
    record = {**dict(zip(SETTINGS, settings)), "updates": judge.record["steps"][-1], "device": autodiff.describe_device()}
    record["parameters"] = [network.count_params() for network in (gan.generator, gan.discriminator)]
    record |= {"scores": {name: round(value, 5) for name, value in scores.items()}, "moments": judge.record}
    others = [other for other in quality_ladder.read_records(RESULTS) if identify(other) != settings]
    quality_ladder.write_records(RESULTS, [*others, record])
    print(*settings, f"{record['updates']} updates, kernel distance {kernel(record):.4f}", flush=True)
    if folder := os.environ.get("WGAN_KEEP"):  # generator and pictures, for data/results
        quality_ladder.SHIPPED = Path(folder)
        quality_ladder.ship("_".join(map(str, settings)), gan.generator, judge.samples)
    return record


def identify(record):
    return tuple(record[name] for name in SETTINGS)


def kernel(record):
    return record["scores"]["kernel_distance"]


def run():
    """Rates, critic steps, three seeds of the best, clipping, frogs, the critic's curve at the lowest rate."""
    for method, rates in RATES.items():
        steps = 1 if method == "GAN" else 5
        tried = [train("digits", method, rate, steps, 0, DIGITS) for rate in rates[:3]]
        if tried[-1] is min(tried, key=kernel) and len(rates) > 3:
            tried.append(train("digits", method, rates[3], steps, 0, DIGITS))
        rate = min(tried, key=kernel)["rate"]
        if method == "WGAN-GP":
            fewer = train("digits", method, rate, 2, 0, DIGITS)
            steps = 2 if kernel(fewer) < 0.9 * min(map(kernel, tried)) else 5
        for seed in range(3):
            train("digits", method, rate, steps, seed, DIGITS, num_moments=40 if (method, seed) == ("WGAN-GP", 0) else 12)
    for optimizer in ("RMSprop", "Adam"):
        train("digits", f"clipped {optimizer}", 5e-5, 5, 0, DIGITS)
    tried = [train("frogs", "WGAN-GP", rate, steps, 0, FROGS_SEARCH) for rate in (2e-4, 5e-4, 1e-3)]
    rate = min(tried, key=kernel)["rate"]
    train("frogs", "WGAN-GP", rate, 2, 0, FROGS_SEARCH)
    train("frogs", "WGAN-GP", rate, steps, 0, FROGS, num_moments=40)
    for seed in (1, 2):
        train("digits", "WGAN-GP", RATES["WGAN-GP"][0], 5, seed, DIGITS)


def collect(records, ladder):
    """What lesson 04 shows: a table, one line for equal settings, and the critic's curves of the runs on digits."""
    groups, curves = {}, []
    for record in records:
        dataset, method, rate, steps, seed, budget = identify(record)
        groups.setdefault((dataset, method, f"{rate:g}", steps, budget), []).append(record)
        if (dataset, method) == ("digits", "WGAN-GP"):
            moments = {name: values[1:] for name, values in record["moments"].items()}
            gap = [round(real - fake, 3) for real, fake in zip(moments["d_real"], moments["d_fake"])]
            curve = {"rate": rate, "critic_steps": steps, "seed": seed, "steps": moments["steps"], "gap": gap}
            curves.append(curve | {"kernel_distances": moments["kernel_distances"]})
    groups["frogs", "GAN", "0.0002", 1, FROGS] = [record for record in ladder if record["name"] == "narrow_frogs"]
    lines = [FORMAT.format(*COLUMNS)]
    for (dataset, *settings, _), runs in sorted(groups.items(), key=lambda item: (item[0][0], item[0][-1], item[0])):
        values, form = [kernel(run) for run in runs], ".2f" if dataset == "digits" else ".4f"
        spread = f" ({min(values):{form}}-{max(values):{form}})" if len(runs) > 1 else ""
        recall, classes = (np.mean([run["scores"].get(key, 0) for run in runs]) for key in ("recall", "covered_classes"))
        seconds, updates = np.mean([(run["moments"]["cpu_seconds"][-1], run["updates"]) for run in runs], axis=0)
        cells = [f"{seconds:.0f}", f"{updates:,.0f}", len(runs), f"{np.mean(values):{form}}" + spread, f"{recall:.2f}"]
        settings[0] = settings[0].replace("clipped", "clip")
        lines.append(FORMAT.format(dataset, *settings, *cells, f"{classes:.1f}" if classes else "-"))
    return {"table": lines, "curves": curves}


def render():
    """Write table and curves to data/results."""
    facts = collect(*map(quality_ladder.read_records, (RESULTS, quality_ladder.RESULTS)))
    (quality_ladder.SHIPPED / "wgan_equal_time.json").write_text(json.dumps(facts) + "\n")
    print(*facts["table"], sep="\n")


if __name__ == "__main__":
    os.environ |= quality_ladder.ONE_THREAD
    {"run": run, "render": render}[sys.argv[1]]()
