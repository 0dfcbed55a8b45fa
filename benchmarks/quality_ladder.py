"""The quality ladder: every generator of the course, trained as in its lesson and measured in one way.

    python benchmarks/quality_ladder.py train NAME --seed 0    one training, added to quality_ladder.json
    python benchmarks/quality_ladder.py missing                all that the table still lacks, two at a time
    python benchmarks/quality_ladder.py frame                  the first and the last row: held-out images and noise
    python benchmarks/quality_ladder.py rescore                more scores of the shipped generators
    python benchmarks/quality_ladder.py render                 table, figures and data/results/results.json, without training

A training runs on one thread. It is judged at about 41 moments, denser at its start, by the kernel distance of 500 images, and at
its end by `features.evaluate`; judging is left out of the seconds. The longest training with the first seed is the one that is
shipped, whatever it gave: its generator goes to data/results as float16, with what it drew at 16 fixed latents.
"""

import argparse
import concurrent.futures
import contextlib
import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).with_suffix(".json")
SHIPPED = Path(__file__).parent.parent / "data" / "results"
NUM_MOMENTS, NUM_JUDGED_ON_THE_WAY = 40, 500
NUM_JUDGED = {"digits": 2_000, "frogs": 1_000}
EQUAL_SECONDS = {"digits": 100, "frogs": 580}  # so many has every training, but for those that take hours
CURVES = ("discriminator_loss", "generator_loss", "d_real", "d_fake")
FRAME = ("real", "noise")
LATER_SCORES = ("coverage", "nearest_train", "nearest_expected", "nearest_low", "nearest_high")  # younger than some trainings
ONE_THREAD = {name: "1" for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")}
ONE_THREAD["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

# Title; updates of G in the budgets classroom and full; how many seeds. A band of normal curves needs five.
TRAININGS = {
    "matching_digits": ("matching network", (2_000, 20_000), 2),
    "vanilla_digits": ("vanilla GAN", (9_360, 46_800), 5),
    "dcgan_digits": ("DCGAN", (3_748, 23_425), 5),
    "wgan_clipped_digits": ("WGAN, clipped", (985, 9_000), 1),
    "wgan_gp_digits": ("WGAN-GP", (581, 9_000), 3),
    "classic_frogs": ("classic networks", (5_000, 31_200), 1),  # classic_frogs.py trains them
    "narrow_frogs": ("narrow networks", (12_480, 31_200), 5),
    "narrow_frogs_loop": ("narrow networks, classic loop", (5_000, 31_200), 2),
    "dcgan_frogs": ("DCGAN", (14_976, 46_800), 5),
    "modern_frogs": ("residual networks, GPU", (63_900, 63_900), 1),  # modern_frogs.py trains them
    "wgan_gp_frogs": ("WGAN-GP", (2_468, 12_000), 1),
}
# Of wgan_equal_time.py, whose runs ended by the clock: data set, method, rate, steps of the critic.
EQUAL_TIME = {
    "wgan_clipped_digits": ("digits", "clipped RMSprop", 5e-5, 5),
    "wgan_gp_digits": ("digits", "WGAN-GP", 1e-3, 5),
    "wgan_gp_frogs": ("frogs", "WGAN-GP", 5e-4, 5),
}


# --- the trainings, as the lessons write them: each returns (model, what fit() takes) ------------------------------------


def adam(rate, beta_1, beta_2=0.999):
    import keras

    return [keras.optimizers.Adam(rate, beta_1, beta_2) for _ in range(2)]


def rmsprop(*rates, **options):
    import keras

    return [keras.optimizers.RMSprop(rate, **options) for rate in rates]


def falling(rate, num_updates):
    """The rate stays for half of the updates and then falls to 0 on half a wave of a cosine."""
    import keras

    half = num_updates // 2
    return keras.optimizers.schedules.CosineDecay(rate, half, warmup_target=rate, warmup_steps=half)


def adversarial(generator, discriminator, optimizers, seed, *, images, batch_size=64, **options):
    from gan_utils import training

    gan = training.GAN(generator, discriminator, seed=seed)
    gan.compile(*optimizers, steps_per_execution=10, **options)
    return gan, {"x": images, "batch_size": batch_size}


def matching(generator, digits, seed, num_updates, batch_size):
    import keras
    from keras import ops

    class LatentsAndReal(keras.utils.PyDataset):
        def __init__(self):
            super().__init__()
            self.rng = np.random.default_rng(seed)

        def __len__(self):
            return num_updates

        def __getitem__(self, index):
            z = self.rng.standard_normal((batch_size, 16)).astype("float32")
            return z, digits[self.rng.integers(len(digits), size=batch_size)]

    def squared_distances(x, y):
        squares = ops.sum(ops.square(x), axis=1)[:, None] + ops.sum(ops.square(y), axis=1)
        return ops.maximum(squares - 2.0 * ops.matmul(x, ops.transpose(y)), 0.0)

    def kernel(x, y):
        squared = squared_distances(x, y)
        return sum(ops.exp(-squared / (2.0 * s**2)) for s in bandwidths) / len(bandwidths)

    flat = digits[:1000].reshape(1000, -1)
    distances = np.sqrt(ops.convert_to_numpy(squared_distances(flat, flat)))
    median = float(np.median(distances[np.triu_indices(1000, k=1)]))
    bandwidths = [median * factor for factor in (0.25, 0.5, 1.0)]
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, num_updates), beta_1=0.5)

    def loss(real, fake):
        """Unbiased squared MMD; the kernel of a sample with itself, left out, is 1."""
        n, (x, y) = batch_size, (ops.reshape(cloud, (batch_size, -1)) for cloud in (real, fake))
        within = (ops.sum(kernel(x, x)) + ops.sum(kernel(y, y)) - 2.0 * n) / (n * (n - 1.0))
        return within - 2.0 * ops.mean(kernel(x, y))

    generator.compile(optimizer, loss=loss, jit_compile=True, steps_per_execution=10)
    return generator, {"x": LatentsAndReal()}


def clipped_critic(bound=0.01, units=(512, 256)):
    import keras
    from keras import layers, ops

    class Clip(keras.constraints.Constraint):
        def __call__(self, weight):
            return ops.clip(weight, -bound, bound)

    critic = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten()])
    for width in (*units, 1):
        start = keras.initializers.RandomUniform(-bound, bound)
        critic.add(layers.Dense(width, kernel_initializer=start, kernel_constraint=Clip(), bias_constraint=Clip()))
        if width > 1:
            critic.add(layers.LeakyReLU(negative_slope=0.2))
    return critic


def build(name, seed, num_updates):
    """`(model, what fit() takes)` of a training; `(loop, None)` for the classic loop."""
    import keras

    import discriminators
    from gan_utils import data, losses, networks, results
    from training_speed import ClassicLoop

    keras.utils.set_random_seed(seed)
    images, _ = data.load_mnist() if "digits" in name else data.load_frogs()
    mirrored = np.concatenate([images, images[:, :, ::-1]]) if "frogs" in name else None
    smooth = functools.partial(losses.non_saturating_discriminator_loss, label_smoothing=0.05)
    smoothed = {"loss": (smooth, losses.non_saturating_generator_loss)}

    def shipped(name=name):
        return results.GENERATORS[name]()

    if name == "matching_digits":
        return matching(shipped(), images, seed, num_updates, batch_size=1_000 if num_updates > 2_000 else 500)
    if name == "vanilla_digits":
        discriminator = networks.build_mlp_discriminator((28, 28, 1))
        return adversarial(shipped(), discriminator, adam(3e-4, 0.5), seed, images=images, batch_size=128)
    if name == "dcgan_digits":
        discriminator = discriminators.build_dcgan_discriminator((28, 28, 1))
        return adversarial(shipped(), discriminator, adam(2e-4, 0.5), seed, images=images)
    if name in EQUAL_TIME:
        import wgan_equal_time

        return wgan_equal_time.build(*EQUAL_TIME[name], seed)
    if name == "narrow_frogs":
        optimizers = rmsprop(2e-4, 4e-4, clipvalue=1.0)
        return adversarial(
            shipped(), discriminators.build_frog_discriminator(), optimizers, seed, images=mirrored, batch_size=32, **smoothed
        )
    if name == "narrow_frogs_loop":
        settings = {"build": lambda: (shipped("narrow_frogs"), discriminators.build_frog_discriminator()), "images": mirrored}
        settings |= {
            "optimizer": {"name": "rmsprop", "rates": (2e-4, 4e-4)},
            "batch_size": 32,
            "label_smoothing": 0.05,
            "seed": seed,
        }
        return ClassicLoop(settings), None
    optimizers = rmsprop(*(falling(rate, num_updates) for rate in (2e-4, 4e-4)), clipvalue=1.0)
    return adversarial(shipped(), discriminators.build_dcgan_discriminator(), optimizers, seed, images=mirrored, batch_size=32)


# --- one training --------------------------------------------------------------------------------------------------------


class Judge:
    """Follows a training: its logs between moments, and what the generator draws at each moment."""

    def __init__(self, dataset, generator, num_updates):
        from gan_utils import data, features

        name, load = {"digits": ("digits", data.load_mnist), "frogs": ("cifar10", data.load_frogs)}[dataset]
        self.classifier = features.load_classifier(name)
        self.real = features.extract(self.classifier, load()[0][:5_000])
        self.generator, self.num_updates = generator, num_updates
        self.due = list(np.unique(np.rint(num_updates * np.linspace(0.0, 1.0, NUM_MOMENTS + 1) ** 1.5).astype(int)))
        self.record = {name: [] for name in ("steps", "seconds", "cpu_seconds", "kernel_distances", *CURVES)}
        self.samples, self.logs, self.left_out = [], [], np.zeros(2)
        self.began = self.now()

    @staticmethod
    def now():
        return np.array([time.perf_counter(), time.process_time()])

    def look(self, step, logs=()):
        """Note the logs of an update, and judge if a moment is due."""
        self.logs.append(dict(logs))
        if step < self.due[0]:
            return
        began = self.now()
        for name, seconds in zip(("seconds", "cpu_seconds"), began - self.began - self.left_out):
            self.record[name].append(round(float(seconds), 1))
        self.due = [moment for moment in self.due if moment > step]
        self.record["steps"].append(int(step))
        self.record["kernel_distances"].append(round(self.measure(), 5))
        for name in CURVES:
            values = [float(logs[name]) for logs in self.logs if name in logs]
            self.record[name].append(round(float(np.mean(values)), 4) if values else None)
        self.logs = []
        self.left_out += self.now() - began

    def measure(self):
        from gan_utils import features, metrics, results

        self.samples.append(results.draw(self.generator, 16, seed=1))
        fakes = results.draw(self.generator, NUM_JUDGED_ON_THE_WAY, seed=2)
        return metrics.kernel_distance(self.real, features.extract(self.classifier, fakes))[0]


def train(name, seed, budget):
    """Train, judge and store; seed 0 is also shipped."""
    import keras

    from gan_utils import autodiff, features, results

    title, updates, _ = TRAININGS[name]
    num_updates = updates[budget == "full"]
    dataset = "digits" if "digits" in name else "frogs"
    model, options = build(name, seed, num_updates)
    generator = getattr(model, "generator", model)
    judge = Judge(dataset, generator, num_updates)
    if options is None:
        judge.look(0)
        for start in range(0, num_updates, 10):
            model.run(10)
            judge.look(start + 10)
    else:

        class Follow(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                self.start = epoch * self.params["steps"]

            def on_train_batch_end(self, batch, logs=None):
                step = self.start + min(batch + 1, self.params["steps"])
                self.model.stop_training = step >= num_updates
                if step >= judge.due[0]:
                    autodiff.sync_variables(self.model)
                judge.look(step, logs)

        judge.look(0)
        model.fit(**options, epochs=1_000_000, callbacks=[Follow()], verbose=0)
    networks = [generator, *([model.discriminator] if name != "matching_digits" else [])]
    record = {"name": name, "budget": budget, "seed": seed, "backend": autodiff.BACKEND, "device": autodiff.describe_device()}
    record |= {"updates": judge.record["steps"][-1], "parameters": [network.count_params() for network in networks]}
    scores = features.evaluate(results.draw(generator, NUM_JUDGED[dataset], seed=0), dataset)
    record["scores"] = {name: round(value, 5) for name, value in scores.items()}
    record |= {"moments": judge.record}
    save(record)
    if name in results.GENERATORS and identify(record) == identify(find_shipped(read_records(RESULTS), name) or {}):
        ship(name, generator, judge.samples)
    print(f"{name}, seed {seed}: {record['updates']:,} updates, kernel distance {scores['kernel_distance']:.4f}", flush=True)


def find_shipped(records, name):
    """The longest training with the lowest seed, of equal ones that on TensorFlow; None without one."""
    runs = [record for record in records if record["name"] == name and "seed" in record]
    first = [run for run in runs if run["seed"] == min(run["seed"] for run in runs)]
    return max(first, key=lambda record: (record["updates"], record["backend"] == "tensorflow"), default=None)


def ship(name, generator, samples):
    """Write a generator, if it is not None, and what it drew to data/results."""
    from PIL import Image

    from gan_utils import images

    SHIPPED.mkdir(exist_ok=True)
    if generator is not None:
        np.savez_compressed(SHIPPED / f"{name}.weights.npz", *(w.astype("float16") for w in generator.get_weights()))
    rows = [np.concatenate(list(moment), axis=1) for moment in samples]
    sheet = images.denormalize(np.concatenate(rows))
    sheet = sheet.repeat(3, axis=-1) if sheet.shape[-1] == 1 else sheet
    Image.fromarray(sheet).save(SHIPPED / f"{name}.recording.webp", quality=90, method=6)


def frame():
    """Measure held-out images and noise, the first and the last row."""
    from gan_utils import data, features

    for dataset, load in (("digits", data.load_mnist), ("frogs", data.load_frogs)):
        real, _ = load("test")
        n = NUM_JUDGED[dataset]
        noise = np.random.default_rng(0).uniform(-1.0, 1.0, (n, *real.shape[1:])).astype("float32")
        for kind, images in zip(FRAME, (real[:n], noise)):
            scores = features.evaluate(images, dataset)
            save({"name": f"{kind}_{dataset}", "scores": {name: round(value, 5) for name, value in scores.items()}})


def rescore():
    """What `features.evaluate` says of each shipped generator today, beside the scores of its training."""
    import modern_frogs
    from gan_utils import features, results

    with locked(RESULTS):
        records = read_records(RESULTS)
    for name in set(results.GENERATORS) & set(TRAININGS):
        if name == "modern_frogs":
            generator = results.load_generator(name, modern_frogs.build_generator())
            generator = modern_frogs.order(generator)
        else:
            generator = results.load_generator(name)
        dataset = "digits" if "digits" in name else "frogs"
        scores = features.evaluate(results.draw(generator, NUM_JUDGED[dataset], seed=0), dataset)
        record = find_shipped(records, name)
        save(record | {"scores": record["scores"] | {key: round(scores[key], 5) for key in LATER_SCORES}})


def save(record):
    """Add a record to the results, in place of an older one of the same training."""
    with locked(RESULTS):
        records = [old for old in read_records(RESULTS) if identify(old) != identify(record)]
        write_records(RESULTS, sorted([*records, record], key=identify))


def identify(record):
    return [str(record.get(part, "")) for part in ("name", "budget", "backend", "seed")]


@contextlib.contextmanager
def locked(path):
    """Let one process at a time change a file of results; on Windows nothing is locked."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(Path(tempfile.gettempdir()) / f"{path.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_records(path):
    return json.loads(path.read_text()) if path.exists() else []


def write_records(path, records):
    """One record a line; a process that is killed here leaves the old file."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text("[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n")
    unfinished.replace(path)


def train_missing(names, seeds, budget):
    """Run what the table lacks, first seeds first, each training in a process of its own."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    done = [identify(record) for record in read_records(RESULTS)]
    jobs = [(name, str(seed)) for seed in range(seeds) for name in names if seed < TRAININGS[name][2]]
    jobs = [(name, seed) for name, seed in jobs if [name, budget, backend, seed] not in done]

    def run(job):
        command = [sys.executable, __file__, "train", job[0], "--seed", job[1], "--budget", budget]
        return subprocess.run(command).returncode

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        failed = [job for job, code in zip(jobs, pool.map(run, jobs)) if code]
    if failed:
        sys.exit(f"These trainings failed and are missing in the table: {failed}")


# --- what is made of the stored numbers ----------------------------------------------------------------------------------


def group(records, budget="classroom", backend="tensorflow"):
    """Records of each training in one budget on one backend, in the order of the table and of their seeds."""
    chosen = [record for record in records if (record.get("budget"), record.get("backend")) == (budget, backend)]
    return {name: [record for record in chosen if record["name"] == name] for name in TRAININGS}


def group_both(records):
    """`(name, budget, records)` of each training, that of the budget full, if there is one, after the other."""
    kinds = {("classroom", "tensorflow"): "classroom", ("full", "tensorflow"): "full", ("full", "jax"): "full"}
    groups = [(budget, group(records, *kind)) for kind, budget in kinds.items()]
    return [(name, budget, runs[name]) for name in TRAININGS for budget, runs in groups if runs[name]]


def render_table(records):
    """The report as Markdown."""
    frames = {record["name"]: record["scores"] for record in records if "budget" not in record}
    lines = [HEAD.format(**NUM_JUDGED, **{f"seconds_{name}": n for name, n in EQUAL_SECONDS.items()}).strip()]
    for dataset, digits in (("digits", 3), ("frogs", 4)):
        lines += ["", f"## {dataset.capitalize()}", "", "| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
        lines.append(render_row("real, held out", [frames[f"real_{dataset}"]], digits=digits))
        kinds = {(record["budget"], record["backend"]) for record in records if "budget" in record} | {
            ("classroom", "tensorflow")
        }
        for name, runs in [pair for kind in sorted(kinds) for pair in group(records, *kind).items()]:
            if dataset in name and (runs or len(kinds) == 1):
                lines.append(render_row(TRAININGS[name][0], [run["scores"] for run in runs], runs, digits))
        lines.append(render_row("noise", [frames[f"noise_{dataset}"]], digits=digits))
    return "\n".join(lines) + "\n"


def render_row(title, scores, runs=(), digits=3):
    if not scores:
        return f"| {title} |" + " not run |" * (len(COLUMNS) - 1)

    def mean(values, digits):
        ends = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""
        return f"{np.mean(values):.{digits}f}{ends}"

    def mean_of(name, digits):
        return mean([score[name] for score in scores], digits)

    facts = ["", "", "", "", "", ""]
    if runs:
        size = " + ".join(f"{n / 1e6:.2f} M" for n in runs[0]["parameters"])
        facts = [size, f"{runs[0]['updates']:,}", f"{measure_seconds(runs):,.0f}"]
        facts += [f"{runs[0]['device']}, {runs[0]['backend']}, {runs[0]['budget']}", str(len(runs))]
        at_equal_time = measure_at_equal_time(runs)
        facts.append(mean(at_equal_time, digits) if at_equal_time else "not judged")
    first = scores[0]
    cells = [
        title,
        *facts,
        mean_of("kernel_distance", digits),
        f"{first['kernel_low']:.{digits}f} to {first['kernel_high']:.{digits}f}",
    ]
    cells += [mean_of("frechet_distance", 2), mean_of("precision", 2), mean_of("recall", 2)]
    copies = "{coverage:.2f} | {nearest_train:.3f} ({nearest_low:.3f} to {nearest_high:.3f})"
    cells.append(copies.format(**first) if "coverage" in first else " | ")  # of shipped generators
    return "| " + " | ".join(cells) + " |"


def measure_at_equal_time(runs):
    """Kernel distances of 500 images at EQUAL_SECONDS, on a straight line between two moments; none if these are far apart."""
    seconds, values = EQUAL_SECONDS["digits" if "digits" in runs[0]["name"] else "frogs"], []
    for run in runs:
        times = np.array(run["moments"]["cpu_seconds"])
        near = times[np.abs(times - seconds) <= 0.4 * seconds]
        if near.size and near[0] <= seconds <= near[-1]:
            values.append(np.interp(seconds, times, run["moments"]["kernel_distances"]))
    return values


COLUMNS = ["generator", "parameters, G + D", "updates of G", "seconds", "device, backend, budget", "seeds"]
COLUMNS += ["at equal time", "kernel distance", "its 95 % interval, first seed", "Fréchet distance", "precision", "recall"]
COLUMNS += ["coverage", "nearest is a training image"]
FRAME_LABELS = {"real": "real images, held out (left: upper end of the 95 % interval)", "noise": "images of noise"}
MARK_LABELS = ("at equal time; bar: lowest to highest seed", "at the end of training; bar as above")
HEAD = """
# The quality ladder

Written by `python benchmarks/quality_ladder.py render` from `quality_ladder.json`. The generators of lessons 02 to 07 and
lesson 09's frogs, measured by `features.evaluate`: {digits:,} digits or {frogs:,} frogs against 5,000 training images, in
features of the course's classifiers. Digits and frogs have different rulers: compare within a table.

![Kernel distance of every generator at equal time and at the end, and coverage; digits above, frogs below.](quality_ladder.png)

A line joins the kernel distance at equal time with that at the end of the training. Smaller is better; lesson 08 explains the
measure. Where the bars of two trainings overlap, no winner is known. Among the digits the DCGAN leads at equal time, and at the
end the vanilla GAN, trained three times as long. Among the frogs the bars of the DCGAN and of the narrow networks overlap both
times. The residual networks are ahead of both; they had a GPU, and five other animals beside the frogs. The WGANs of the digits
end at the equal time: their two marks differ by the samples drawn.

The generators that the course ships have seed 0. The WGANs are those of `wgan_equal_time.py`, which ended by the clock. The
settings of the frogs of lessons 03 and 06 come from a [search](frog_search.md) at equal computing time, which used seed 0 too:
the lowest of the DCGAN's five values is that of the shipped seed. The residual networks, by `modern_frogs.py`, are those of
second 355 of 545 on an NVIDIA H200, the moment with the smallest distance of sixty; nothing else ran on a GPU.

The trainings have the settings of their lessons, with four exceptions. The DCGAN of the digits is the recipe of lesson 06 with 32
filters, trained for its recording and for the comparison at equal time there. "WGAN, clipped" has RMSprop, 5e-5, as in the table
of lesson 04. "Classic networks" are those of lesson 03, trained by `classic_frogs.py`: in bfloat16, 5,000 updates of 20 frogs,
stopped and resumed, a third of them on two threads. "Classic loop" trains lesson 03's narrow networks with `predict` and
`train_on_batch`. It is not `fit()` made slow: a frozen D uses its moving averages, D sees real and fake images in one batch and
its loss is a mean of both halves, the fakes come from G in inference mode, and images are drawn with replacement.

Seconds are CPU seconds of training on one thread, without judging; of a GPU they are seconds. Two trainings at a time shared two
cores, at last three of the DCGAN's frogs (945 to 955 s in place of 876 and 879). With several seeds a cell shows the mean and, in
brackets, the lowest and the highest. The interval of the kernel distance comes from the samples of the first seed
alone and says nothing about the spread over seeds. "At equal time" is the kernel distance of 500 images after {seconds_digits}
CPU seconds for digits and {seconds_frogs} for frogs, on a straight line between the judged moments before and after. The classic
networks were judged at 0 s and then at 1,184 s, too far apart for that, and a GPU has no CPU seconds. Read no column
alone: noise has a precision of 0.99 among frogs, but a recall of 0, and a coverage of 0.13. Coverage and
the last column are of the shipped generator. The
last column is the share of fakes whose nearest real image, in pixels, is a training image, and where 95 % of
random relabellings lie: a share above them would mean copies. Noise shows nothing there: few images are nearest to all of it.
"""


def measure_seconds(runs):
    """Mean seconds of training: of CPU time on a CPU."""
    return np.mean([run["moments"]["cpu_seconds" if run["device"] == "CPU" else "seconds"][-1] for run in runs])


def draw_ladder(records, path):
    """Kernel distances at equal time and at the end, and coverage: a row for each generator, nothing told by color alone."""
    import matplotlib.pyplot as plt

    from gan_utils import plotting

    plotting.use_style()
    frames = {record["name"]: record["scores"] for record in records if "budget" not in record}
    figure, axes = plt.subplots(2, 2, figsize=(9.0, 7.4), width_ratios=(3, 1), sharey="row")
    for (left, right), (dataset, seconds) in zip(axes, EQUAL_SECONDS.items()):
        shown = [each for each in group_both(records) if dataset in each[0]]
        names = [TRAININGS[name][0] + ", full" * ((budget, runs[0]["device"]) == ("full", "CPU")) for name, budget, runs in shown]
        names = [f"{name}\n{measure_seconds(runs):,.0f} s, seeds: {len(runs)}" for name, (_, _, runs) in zip(names, shown)]
        left.set(yticks=range(len(shown)), yticklabels=names, ylim=(len(shown) - 0.5, -0.5))
        for row, (_, _, runs) in enumerate(shown):
            draw_row(left, right, row, runs)
        for kind, style in (("real", ":"), ("noise", "--")):
            scores, look = frames[f"{kind}_{dataset}"], {"color": plotting.REAL, "linestyle": style, "zorder": 0}
            left.axvline(scores["kernel_high" if kind == "real" else "kernel_distance"], **look, label=FRAME_LABELS[kind])
            right.axvline(scores["coverage"], **look)
        left.set(title=f"{dataset.capitalize()} (equal time: {seconds} CPU seconds)", xscale="log")
        left.set_xlabel("kernel distance (smaller is better)")
        left.xaxis.set(major_locator=plt.LogLocator(subs=(1, 2, 5)), minor_locator=plt.NullLocator())
        left.xaxis.set_major_formatter("{x:g}")
        right.set(title="Coverage at the end", xlabel="larger is better", xlim=(-0.05, 1.05))
        right.tick_params(axis="y", left=False)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    plt.savefig(path, dpi=110)
    plt.close()


def draw_row(left, right, row, runs):
    """A hollow mark at equal time and a full one at the end, joined; bars from the lowest to the highest seed; coverage."""
    scores, ends, small = [run["scores"] for run in runs], [], {"va": "center", "fontsize": "small"}
    for ax in (left, right):
        ax.axhspan(row - 0.5, row + 0.5, color="0.95" if row % 2 else "white", zorder=-1)
    marks = [(measure_at_equal_time(runs), -0.17, "white"), ([each["kernel_distance"] for each in scores], 0.17, "black")]
    for (values, offset, face), label in zip(marks, MARK_LABELS):
        if values:
            mean = np.mean(values)
            spread = [[mean - min(values)], [max(values) - mean]] if len(values) > 1 else None
            look = {"fmt": "o", "color": "black", "markerfacecolor": face, "capsize": 3, "elinewidth": 1}
            left.errorbar(mean, row + offset, xerr=spread, label="_" * (row > 0) + label, **look)
            ends.append((mean, row + offset))
    left.plot(*zip(*ends), color="black", linewidth=0.8, zorder=1)
    if len(ends) == 1:
        left.text(mean, row - 0.17, "not judged at equal time", ha="left" if mean < 0.01 else "right", **small)
    if "coverage" in scores[0]:
        right.plot(scores[0]["coverage"], row, "o", color="black")
    else:
        right.text(0.44, row, "not measured", ha="center", **small)


def draw_time_to_quality(records, path):
    """Kernel distance of one pair of networks against the time of training, for the classic loop and for the engine."""
    import matplotlib.pyplot as plt

    from gan_utils import plotting

    plotting.use_style()
    _, ax = plt.subplots(figsize=(6.4, 3.4))
    lines = (
        ("narrow_frogs_loop", "predict and train_on_batch", plotting.NEUTRAL, "--"),
        ("narrow_frogs", "gan.fit()", plotting.FAKE, "-"),
    )
    for name, label, color, line in lines:
        for record in group(records)[name][:2]:
            moments = record["moments"]
            minutes = np.array(moments["cpu_seconds"]) / 60.0
            ax.plot(minutes, moments["kernel_distances"], line, color=color, label=label, marker=".", markersize=3)
            label = None
    ax.set(xlabel="CPU minutes of training, one thread", ylabel="kernel distance", yscale="log")
    ax.set_title("The same frogs, networks and optimizers, trained in two ways")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend()
    plt.savefig(path, dpi=110)
    plt.close()


def make_band(runs):
    """For each curve the interval that holds 95 % of further runs: `(steps, low, high)`; empty with fewer than five runs."""
    from scipy import stats

    if len(runs) < 5:
        return {}
    n, steps, band = len(runs), runs[0]["moments"]["steps"], {}
    factor = stats.t.ppf(0.975, n - 1) * np.sqrt(1.0 + 1.0 / n)
    for label, key in {**{name: name for name in CURVES}, "kernel_distance": "kernel_distances"}.items():
        start = 1 if key in CURVES else 0  # before training nothing is logged
        curves = [run["moments"][key][start:] for run in runs]
        if None in curves[0]:
            continue  # no discriminator
        logarithmic = key == "kernel_distances"  # their spread is proportional to them
        curves = np.log(curves) if logarithmic else np.array(curves)
        mean, reach = curves.mean(axis=0), factor * curves.std(axis=0, ddof=1)
        ends = np.array([mean - reach, mean + reach])
        highest = 1.0 if key in ("d_real", "d_fake") else np.inf  # probabilities; the other curves are at least 0
        ends = np.exp(ends) if logarithmic else np.clip(ends, 0.0, highest)
        band[label] = [steps[start:], *(np.round(end, 4).tolist() for end in ends)]
    return band


def collect_facts(records):
    """What `gan_utils.results` knows of the trainings: the ladder, the band of normal curves, checksums of the files."""
    facts = {}
    for name, runs in group(records).items():
        runs = runs or [record for record in records if record["name"] == name]  # on a GPU
        if runs:
            first, moments = runs[0], runs[0]["moments"]
            fact = {"title": TRAININGS[name][0]} | {key: first[key] for key in ("parameters", "device", "budget")}
            fact |= {key: moments[key] for key in ("steps", "kernel_distances")}
            fact["seconds"] = moments["cpu_seconds" if first["device"] == "CPU" else "seconds"]
            fact |= {"scores": [run["scores"] for run in runs], "band": make_band(runs), "sha256": {}}
            longest = find_shipped(records, name)
            fact["shipped"] = {key: longest[key] for key in ("budget", "updates", "scores")}
            fact["shipped"] |= {key: longest["moments"][key] for key in ("steps", "kernel_distances")}
            for path in sorted([*SHIPPED.glob(f"{name}.recording.*"), *SHIPPED.glob(f"{name}.weights.*")]):  # not its logs
                fact["sha256"][path.name.removeprefix(f"{name}.")] = hashlib.sha256(path.read_bytes()).hexdigest()
            facts[name] = fact
    frames = {record["name"]: record["scores"] for record in records if "budget" not in record}
    return {"trainings": facts, "frames": frames}


def render():
    records = read_records(RESULTS)
    RESULTS.with_suffix(".md").write_text(render_table(records))
    draw_ladder(records, RESULTS.with_suffix(".png"))
    draw_time_to_quality(records, RESULTS.with_name("time_to_quality.png"))
    (SHIPPED / "results.json").write_text(json.dumps(collect_facts(records)) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("train", "missing", "frame", "rescore", "render"))
    parser.add_argument("names", nargs="*", help="trainings; for `missing` all of them by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=5, help="at most so many seeds, for `missing`")
    parser.add_argument("--budget", choices=("classroom", "full"), default="classroom")
    arguments = parser.parse_args()
    os.environ |= ONE_THREAD  # before a backend starts
    if arguments.command == "train":
        for name in arguments.names or parser.error("name the trainings: " + ", ".join(TRAININGS)):
            train(name, arguments.seed, arguments.budget)
    elif arguments.command == "missing":
        train_missing(arguments.names or list(TRAININGS), arguments.seeds, arguments.budget)
    elif arguments.command == "frame":
        frame()
    elif arguments.command == "rescore":
        rescore()
    else:
        render()
