"""The GAN doctor: names what is wrong with a run from its log and samples, by readable rules."""

import collections

import numpy as np
from scipy import stats

from gan_utils import checks, metrics

LOGS = ("discriminator_loss", "generator_loss", "d_real", "d_fake")
# Some cells for each of ten digits; real samples that are enough for the distances.
NUM_CELLS, MAX_REAL = 32, 1000

RANGES = "Real values lie in [{low:.3g}, {high:.3g}], fakes in [{fake_low:.3g}, {fake_high:.3g}]"
SCALE = RANGES + ": images must fill [-1, 1], the range of tanh."
BOUND = RANGES + ": the generator's tanh cannot reach the data."
STILL = "The samples moved by {way:.2g} of their spread in all: the generator stands still."
STANDS = "Early and late means of D(x) differ by {drift:.2g}, and G moved: D stands still."
OUTPUTS = "In the second half D(x) is {d_real:.3f} and D(G(z)) {d_fake:.3f}"
FOOLED = OUTPUTS + ": D takes fakes for real more often than real samples."
AWAY = ", though the fakes lie {far:.1f} times the real spread away from the nearest real sample."
CENTRE = ", and the centre of the fakes moves by {sway:.2f} of the real spread"
CIRCLES = OUTPUTS + CENTRE + ": the pair circles instead of settling."
CELLS = OUTPUTS + ", the fakes use {cells:.0f} % of the cells that real samples use"
FINE = CELLS + CENTRE + "."
KEEP_UP = "Let D keep up: a higher rate, more steps or more units for D, a lower rate for G."
FEW = CELLS + ", and are {width:.2f} times as spread: the generator draws few kinds of samples."

# Illness: section of the course that treats it, remedy, then its rules: conditions on the signs
# that are measured below, as Python, and evidence. The first rule that holds names the illness;
# causes come before effects. Each comment gives what planted runs on rings, a blob and small images
# showed (tests/test_doctor.py).
RULES = {
    "wrong scale of images": (
        "03_frog_dcgan, 6. The classic loop and the fast step",
        "Scale the data to the range of the generator's last layer.",
        ("is_image > 0 and limit > 1.05", SCALE),
        # Hundreds of real images in [-1, 1] hold pixels beyond 0.75 on both sides; images in [0, 1]
        # or [-0.5, 0.5] do not. The fakes may leave the real range a little: rounding, few images.
        ("is_image > 0 and reach < 0.75 and overshoot > 0.05", SCALE),
        # A tanh that should reach 1.5 and more gives values above 0.9 (piled up, in %).
        ("is_image < 1 and fake_limit < 1.001 and piled_up > 50 and radius > 1.5", BOUND),
    ),
    "a network does not learn": (
        "03_frog_dcgan, 4. The freeze lab",
        "Look at both rates, and at the variables that each half-step moves.",
        # Way of the samples in units of their first spread: 1 and more in runs that learn, below
        # 0.0001 at a learning rate of 1e-9.
        ("way < 0.01", STILL),
        # D(x) of a D that stands still jumps from batch to batch like noise (roughness 1), by less
        # than 0.01, and goes nowhere.
        ("roughness > 0.8 and noise < 0.015 and drift < 0.005 and gap < 0.7", STANDS),
    ),
    "discriminator too strong": (
        "05_training_failures, 1. Vanishing gradients",
        "Bring the rates nearer together, blur D's inputs, and take the non-saturating loss.",
        # D(x) - D(G(z)): up to 0.4 in healthy runs, 0.85 and more where D wins.
        ("gap > 0.7", OUTPUTS + ": D wins."),
    ),
    "generator too strong": (
        "05_training_failures, 4. Remedies",
        KEEP_UP,
        # The same of a D that is wrong on average; healthy and collapsed runs stay above -0.02.
        ("gap < -0.1", FOOLED),
        # Distance of the fakes to the nearest real sample, in units of the real spread: healthy 0.1
        # to 0.9, runaways 2 and more.
        ("far > 1.5 and gap < 0.1", OUTPUTS + AWAY),
    ),
    "oscillation": (
        "05_training_failures, 2. Circles",
        "Penalise D's slope at real data, lower both rates over time, or average G's weights.",
        # Movement of the centre of the fakes, in the same unit: healthy up to 0.25, waves 0.43 and
        # more. Standard deviation of D(x) - D(G(z)): up to 0.037 where only a heap hops about,
        # 0.064 and more where D swings too. Wider than 0.9 of the real data, or in many cells, the
        # fakes are not few kinds, wherever they are at the moment.
        ("sway > 0.3 and swing > 0.045", CIRCLES),
        ("sway > 0.3 and cells > 30", CIRCLES),
        ("sway > 0.3 and width > 0.9", CIRCLES),
    ),
    # Cells in use, in % of those that real samples use: healthy 37 and more, collapsed 5 to 20.
    "mode collapse": ("05_training_failures, 3. Mode collapse", KEEP_UP, ("cells < 30", FEW)),
    "healthy": ("05_training_failures, 5. Which illness is it?", "None needed.", ("True", FINE)),
}


# What `diagnose` returns: a key of `RULES`, the measured numbers in words, what helps, and where.
Diagnosis = collections.namedtuple("Diagnosis", "illness evidence remedy section")


def diagnose(steps, logs, samples, real):
    """Name the illness of a GAN's run, with the evidence, a remedy and the section on it.

    The first rule that holds names the illness. The rules read the second half of the run, except
    where they look for something that never moved. Causes come before effects: images of a wrong
    scale or a network that does not learn make the other network win, so they are looked for first.
    A critic with the Wasserstein loss is not read.

    Args:
        steps: numbers of the logged updates, as in `monitors.Recorder.steps`; at least 20.
        logs: mapping from `discriminator_loss`, `generator_loss`, `d_real`, `d_fake` (means of D(x)
            and D(G(z)), in [0, 1]) to sequences as long as `steps`, as in `monitors.Recorder.logs`.
        samples: arrays `(n, ...)` of images or points at the same latents through the run, the
            first one before training, as in `monitors.Recorder.samples`; at least 4 records of 10
            samples.
        real: real images or points, of the same inner shape, in the range in which they were
            trained on; 100 or more.

    Returns:
        `Diagnosis(illness, evidence, remedy, section)`, four strings. A run whose D(x) is 0.99 and
        D(G(z)) 0.01 in its second half has `illness == "discriminator too strong"`, if G moves.

    Raises:
        ValueError: if a log is too short, of another length, NaN or infinite, if D's outputs are
            scores (a Wasserstein critic), or if the samples do not fit the real ones; KeyError
            without a log.

    Taught in: `05_training_failures`.
    """
    logs = {name: np.asarray(logs[name], "float64") for name in LOGS}
    samples, real = np.asarray(samples, "float64"), np.asarray(real, "float64")
    _check(len(steps), logs, samples, real)
    signs = _read_logs(logs) | _look_at_samples(samples, real)
    for illness, (section, remedy, *rules) in RULES.items():
        for conditions, evidence in rules:
            if eval(conditions, {}, signs):
                return Diagnosis(illness, evidence.format(**signs), remedy, section)


def _read_logs(logs):
    d_real, n = logs["d_real"], len(logs["d_real"])
    gap = (d_real - logs["d_fake"])[n // 2 :]
    late = {name: values[n // 2 :].mean() for name, values in logs.items()}
    drift = abs(d_real[: n // 3].mean() - d_real[-(n // 3) :].mean())
    noise = {"noise": d_real.std(), "roughness": _roughness(d_real), "drift": drift}
    return late | noise | {"gap": gap.mean(), "swing": gap.std()}


def _look_at_samples(samples, real):
    low, high, fake_low, fake_high = real.min(), real.max(), samples.min(), samples.max()
    signs = {"low": low, "high": high, "limit": max(-low, high), "reach": min(-low, high)}
    signs |= {"fake_low": fake_low, "fake_high": fake_high, "fake_limit": max(-fake_low, fake_high)}
    clouds, flat = samples.reshape(*samples.shape[:2], -1), real.reshape(len(real), -1)[:MAX_REAL]
    late, spread = clouds[len(clouds) // 2 :], _spread(flat)
    far, cells = np.mean([_place(cloud, flat) for cloud in late], axis=0)
    ways = np.sqrt(np.mean(np.sum((clouds - clouds[0]) ** 2, axis=2), axis=1))
    return signs | dict(
        is_image=real.ndim > 2,
        overshoot=max(low - fake_low, fake_high - high) / max(high - low, 1e-12),
        radius=np.quantile(np.abs(flat), 0.95),
        piled_up=100 * np.mean(np.abs(clouds[-1]).max(axis=1) > 0.9),
        way=ways.max() / max(_spread(clouds[0]), 1e-12),
        far=far / spread,
        cells=100 * cells,
        sway=_spread(late.mean(axis=1)) / spread,
        width=np.mean([_spread(cloud) for cloud in late]) / spread,
    )


def _place(cloud, real):
    """Median distance to the nearest real sample; cells in use over those of real ones."""
    # Random real samples as centres of cells: no clustering that could fail, more in dense regions.
    landmarks = np.random.default_rng(0).permutation(len(real))[:NUM_CELLS]
    squared = metrics.squared_distances(cloud, real)
    cells = squared[:, landmarks], metrics.squared_distances(real, real[landmarks])
    # exp(entropy) is k for k equally frequent cells.
    counts = (np.bincount(distances.argmin(axis=1)) for distances in cells)
    used, by_real = (np.exp(stats.entropy(count)) for count in counts)
    return np.median(np.sqrt(squared.min(axis=1))), used / by_real


def _roughness(values):
    """Jumps between neighbours over the spread: 1 for white noise, near 0 for a slow curve."""
    spread = np.std(values)
    return np.std(np.diff(values)) / (np.sqrt(2.0) * spread) if spread > 1e-9 else 1.0


def _spread(points):
    """Root of the mean squared distance to the centre."""
    return np.sqrt(np.sum(np.var(points, axis=0)))


def _check(num_steps, logs, samples, real):
    short = "Pass what one recorder holds: train longer, or lower `every` or steps_per_execution."
    for name, values in logs.items():
        checks.check_array("diagnose()", name, values, (num_steps,), smallest=20, remedy=short)
    checks.check_array("diagnose()", "real", real, (None, ...), smallest=10)
    shape = (None, None, *real.shape[1:])
    checks.check_array("diagnose()", "samples", samples, shape, smallest=4, remedy=short)
    checks.require(samples.shape[1] > 9, "diagnose() expects 10 samples a record or more.", short)
    outputs = np.concatenate([logs["d_real"], logs["d_fake"]])
    passed = f"diagnose() received D's outputs from {outputs.min():.3g} to {outputs.max():.3g}."
    remedy = "It expects probabilities. Judge a Wasserstein critic by its loss, as in 04_wgan."
    checks.require(outputs.min() >= 0.0 and outputs.max() <= 1.0, passed, remedy)
