"""GAN and WGAN-GP at equal computing time, each at its best rate; and weight clipping on digits.

    python benchmarks/wgan_equal_time.py run       every run that wgan_equal_time.json still lacks, one after the other
    python benchmarks/wgan_equal_time.py render    the table and curves of lesson 04, in data/results/wgan_equal_time.json

A run ends after a number of CPU seconds of training on one thread; compiling and judging are left out. Rates are compared with
seed 0; the best one of each method then gets three seeds and more time. The networks are those of lessons 02 and 03. A critic
has neither dropout nor batch normalisation. Digits come in batches of 64, frogs and their mirror images in batches of 32.
"""

import itertools
import json
import os
import sys
from pathlib import Path

import numpy as np
import quality_ladder

RESULTS = Path(__file__).with_suffix(".json")
RATES = {"GAN": (1e-4, 3e-4, 6e-4), "WGAN-GP": (1e-4, 3e-4, 5e-4, 1e-3)}  # the last one only where the one before it is the best
SEARCH, FINAL, CLIPPED = 100, 150, 100  # CPU seconds, digits
FROG_RATES, FROG_SEARCH, FROG_FINAL = (2e-4, 5e-4), 250, 720  # the narrow GAN pair of lesson 03 took 685 to 717
COLUMNS = "data", "method", "rate", "n_critic", "CPU s", "updates", "seeds", "kernel distance", "recall", "classes"
FORMAT = "{:7}{:16}{:>6}{:>9}{:>6}{:>8}{:>6}  {:25}{:>6}{:>8}"


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


def build(dataset, method, rate, critic_steps, seed):
    """`(gan, what fit() takes)`."""
    import keras

    from gan_utils import data, losses, networks

    keras.utils.set_random_seed(seed)
    images, size = data.load_mnist()[0], 64
    pair = [networks.build_mlp_generator(100, (28, 28, 1)), networks.build_mlp_discriminator((28, 28, 1))]
    optimizers, options = quality_ladder.adam(rate, 0.5), {}
    if method != "GAN":
        pair[1] = networks.build_mlp_discriminator((28, 28, 1), dropout=0)
        options = {"loss": "wasserstein", "discriminator_steps": critic_steps}
    if method == "WGAN-GP":
        optimizers, options["penalty"] = quality_ladder.adam(rate, 0.5, 0.9), losses.gradient_penalty
    elif method.startswith("clipped"):
        pair[1] = quality_ladder.clipped_critic(units=(1024, 512, 256))
        optimizers = quality_ladder.adam(rate, 0.9) if "Adam" in method else quality_ladder.rmsprop(rate, rate)
    if dataset == "frogs":
        frogs, size = data.load_frogs()[0], 32
        images = np.concatenate([frogs, frogs[:, :, ::-1]])
        critic = networks.build_frog_discriminator(dropout=0.0, batch_norm=False)
        pair = [networks.build_frog_generator(), critic]
    return quality_ladder.adversarial(*pair, optimizers, seed, images=images, batch_size=size, **options)


def train(dataset, method, rate, critic_steps, seed, seconds, *, num_moments=12):
    """One run, added to the results."""
    import keras

    from gan_utils import autodiff, features, results

    settings = {"dataset": dataset, "method": method, "rate": rate, "critic_steps": critic_steps, "seed": seed, "budget": seconds}
    records = quality_ladder.read_records(RESULTS)
    for record in records:
        if {name: record[name] for name in settings} == settings:
            return record
    gan, options = build(dataset, method, rate, critic_steps, seed)
    judge = TimedJudge(dataset, gan.generator, seconds, num_moments)
    judge.look(0)

    class Follow(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.offset = self.last = 0

        def on_epoch_begin(self, epoch, logs=None):
            self.offset = self.last

        def on_train_batch_end(self, batch, logs=None):
            if not self.last:  # the step has just been compiled
                judge.began, judge.left_out = judge.now(), np.zeros(2)
            self.last = self.offset + min(batch + 1, self.params["steps"])
            judge.look(self.last, logs)
            self.model.stop_training = not judge.times

    gan.fit(**options, epochs=1_000_000, callbacks=[Follow()], verbose=0)
    scores = features.evaluate(results.draw(gan.generator, quality_ladder.NUM_JUDGED[dataset], seed=0), dataset)
    record = {**settings, "updates": judge.record["steps"][-1], "device": autodiff.describe_device()}
    record["parameters"] = [network.count_params() for network in (gan.generator, gan.discriminator)]
    record |= {"scores": {name: round(value, 5) for name, value in scores.items()}, "moments": judge.record}
    quality_ladder.write_records(RESULTS, [*records, record])
    print({**settings, "updates": record["updates"], "kernel": round(scores["kernel_distance"], 4)}, flush=True)
    if folder := os.environ.get("WGAN_KEEP"):  # generator and pictures, for data/results
        quality_ladder.SHIPPED = Path(folder)
        quality_ladder.ship(f"{dataset}_{method.replace(' ', '_')}_{rate}_{critic_steps}_{seed}_{seconds}", gan.generator, judge.samples)
    return record


def kernel(record):
    return record["scores"]["kernel_distance"]


def run():
    """All runs: rates, critic steps, three seeds of the best, clipping, frogs, the critic's curve at a low rate."""
    best = {}
    for method, rates in RATES.items():
        steps = 1 if method == "GAN" else 5
        tried = [train("digits", method, rate, steps, 0, SEARCH) for rate in rates[:3]]
        if tried[-1] is min(tried, key=kernel) and len(rates) > 3:
            tried.append(train("digits", method, rates[3], steps, 0, SEARCH))
        best[method] = min(tried, key=kernel)
    fewer = train("digits", "WGAN-GP", best["WGAN-GP"]["rate"], 2, 0, SEARCH)
    if kernel(fewer) < 0.9 * kernel(best["WGAN-GP"]):
        best["WGAN-GP"] = fewer
    for seed, method in itertools.product(range(3), best):
        train("digits", method, best[method]["rate"], best[method]["critic_steps"], seed, FINAL, num_moments=40)
    for optimizer in ("RMSprop", "Adam"):
        train("digits", f"clipped {optimizer}", 5e-5, 5, 0, CLIPPED)
    steps = best["WGAN-GP"]["critic_steps"]
    tried = [train("frogs", "WGAN-GP", rate, steps, 0, FROG_SEARCH) for rate in FROG_RATES]
    train("frogs", "WGAN-GP", min(tried, key=kernel)["rate"], steps, 0, FROG_FINAL, num_moments=40)
    for seed in (1, 2):
        train("digits", "WGAN-GP", RATES["WGAN-GP"][0], 5, seed, SEARCH)


def collect(records, ladder):
    """What lesson 04 shows: a table, one line for equal settings, and the critic's curve of each WGAN-GP run on digits."""
    groups = {}
    for record in records:
        key = [record[name] for name in ("dataset", "method", "rate", "critic_steps", "budget")]
        groups.setdefault((*key[:2], f"{key[2]:g}", *key[3:]), []).append(record)
    groups["frogs", "GAN", "2e-04", 1, 720] = [record for record in ladder if record["name"] == "narrow_frogs"]
    lines = [FORMAT.format(*COLUMNS)]
    for (dataset, method, rate, steps, _), runs in sorted(groups.items(), key=lambda item: (item[0][0], -item[0][4], item[0][1:3])):
        digits, distances = {"digits": 2, "frogs": 4}[dataset], [kernel(run) for run in runs]
        distance = f"{np.mean(distances):.{digits}f}"
        if len(runs) > 1:
            distance += f" ({min(distances):.{digits}f} to {max(distances):.{digits}f})"
        means = [np.mean([run["scores"].get(name, np.nan) for run in runs]) for name in ("recall", "covered_classes")]
        updates, seconds = np.mean([(run["updates"], run["moments"]["cpu_seconds"][-1]) for run in runs], axis=0)
        classes = "-" if np.isnan(means[1]) else f"{means[1]:.1f}"
        row = [dataset, method, rate, steps, f"{seconds:.0f}", f"{updates:,.0f}", len(runs), distance, f"{means[0]:.2f}", classes]
        lines.append(FORMAT.format(*row).rstrip())
    curves = []
    for record in records:
        if (record["dataset"], record["method"]) == ("digits", "WGAN-GP"):
            moments = record["moments"]
            gap = [round(real - fake, 3) for real, fake in zip(moments["d_real"][1:], moments["d_fake"][1:])]
            settings = {name: record[name] for name in ("rate", "critic_steps", "seed", "budget")}
            curves.append({**settings, "steps": moments["steps"][1:], "gap": gap, "kernel_distances": moments["kernel_distances"][1:]})
    return {"table": lines, "curves": curves}


def render():
    """Write the table and the curves to data/results."""
    facts = collect(*map(quality_ladder.read_records, (RESULTS, quality_ladder.RESULTS)))
    (quality_ladder.SHIPPED / "wgan_equal_time.json").write_text(json.dumps(facts) + "\n")
    print(*facts["table"], sep="\n")


if __name__ == "__main__":
    os.environ |= quality_ladder.ONE_THREAD
    {"run": run, "render": render}[sys.argv[1]]()
