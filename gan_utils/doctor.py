"""The GAN doctor: names what is wrong with a run from its log and samples, by readable rules."""

import collections
import itertools
import types

import numpy as np
from scipy import stats

from gan_utils import checks, metrics

LOGS = ("discriminator_loss", "generator_loss", "d_real", "d_fake")
GRADIENTS = ("discriminator_gradient", "generator_gradient")
MIN_LOGS, MIN_RECORDS, MIN_SAMPLES = 20, 4, 10

# The thresholds; each comment gives what planted runs on rings, a blob and small images showed
# (tests/test_doctor.py). Hundreds of real images in [-1, 1] hold pixels beyond 0.75 on both sides;
# images in [0, 1] or [-0.5, 0.5] do not.
FILLS_RANGE = 0.75
# Share of the real range by which fakes may leave it: rounding, and few real images.
OVERSHOOT = 0.05
# A tanh that should reach 1.5 and more gives values above 0.9.
PILED_UP, BEYOND = 0.9, 1.5
# Way of the samples in units of their first spread: 1 and more in runs that learn, below 0.0001 at
# a learning rate of 1e-9.
STILL = 0.01
# A cut connection gives a gradient of exactly 0; that of a learning network was above 1e-4.
NO_GRADIENT = 1e-10
# G's first gradient where a trained D and the saturating loss hold it still: 0.002; else 0.05 and
# up.
SHORT_GRADIENT = 0.02
# D(x) of a D that stands still jumps from batch to batch like noise (roughness 1), by less than
# 0.01, and goes nowhere.
ROUGHNESS, CALM, NO_DRIFT = 0.8, 0.015, 0.005
# D(x) - D(G(z)): up to 0.4 in healthy runs, 0.85 and more where D wins.
WINS = 0.7
# The same of a D that is wrong on average; healthy and collapsed runs stay above -0.02.
FOOLED = -0.1
# Distance of the fakes to the nearest real sample, in units of the real spread: healthy 0.1 to 0.9,
# runaways 2 and more.
FAR = 1.5
# Movement of the centre of the fakes, in the same unit: healthy up to 0.25, waves 0.43 and more.
SWAY = 0.3
# Standard deviation of D(x) - D(G(z)): up to 0.037 where only a heap hops about, 0.064 and more
# where D swings too.
SWING = 0.045
# Width of the cloud of fakes over that of the real data: above it the fakes are not few kinds,
# wherever they are at the moment.
WIDE = 0.9
# Cells in use, as a share of those that real samples use: healthy 0.37 and more, collapsed 0.05 to
# 0.2.
FEW_CELLS = 0.3
# Some cells for each of ten digits; real samples that are enough for the distances.
NUM_CELLS, MAX_REAL = 32, 1000

# The section of the course that treats each illness.
SECTIONS = {
    "wrong scale of images": "03_frog_dcgan, 6. What was repaired",
    "a network does not learn": "03_frog_dcgan, 4. The freeze lab",
    "discriminator too strong": "05_training_failures, 1. Vanishing gradients",
    "generator too strong": "05_training_failures, 4. Remedies",
    "oscillation": "05_training_failures, 3. Past the equilibrium",
    "mode collapse": "05_training_failures, 2. Mode collapse",
    "healthy": "05_training_failures, 5. Reading a log",
}
ILLNESSES = tuple(SECTIONS)


# What `diagnose` returns: one of `ILLNESSES`, the measured numbers in words, and the section.
Diagnosis = collections.namedtuple("Diagnosis", "illness evidence section")


def diagnose(steps, logs, samples, real):
    """Name the illness of a GAN's run, with the evidence and the section that treats it.

    The first rule that holds names the illness. The rules read the second half of the run, except
    where they look for something that never moved. Causes come before effects: images of a wrong
    scale or a network that does not learn make the other network win, so they are looked for first.
    A critic with the Wasserstein loss is not read.

    Args:
        steps: numbers of the logged updates, as in `monitors.Recorder.steps`; at least 20.
        logs: mapping from `discriminator_loss`, `generator_loss`, `d_real`, `d_fake` (means of D(x)
            and D(G(z)), in [0, 1]) to sequences as long as `steps`, as in `monitors.Recorder.logs`.
            Lengths of gradients, `discriminator_gradient` and `generator_gradient`, may be added:
            they show two more signs of a network that does not learn.
        samples: arrays `(n, ...)` of images or points at the same latents through the run, the
            first one before training, as in `monitors.Recorder.samples`; at least 4 records of 10
            samples.
        real: real images or points, of the same inner shape, in the range in which they were
            trained on; 100 or more.

    Returns:
        `Diagnosis(illness, evidence, section)`, three strings. A run whose D(x) is 0.99 and D(G(z))
        0.01 in its second half has `illness == "discriminator too strong"`, if G moves.

    Raises:
        ValueError: if a log is too short, of another length, NaN or infinite, if D's outputs are
        scores
            (a Wasserstein critic), or if the samples do not fit the real ones; KeyError without a
            log.

    Taught in: `05_training_failures`.
    """
    logs = {name: np.asarray(logs[name], "float64") for name in LOGS + GRADIENTS if name in logs}
    samples, real = np.asarray(samples, "float64"), np.asarray(real, "float64")
    _check(len(steps), logs, samples, real)
    signs = types.SimpleNamespace(**_read_logs(logs), **_look_at_samples(samples, real))
    illness, evidence = next(itertools.chain(_find_causes(signs), _find_effects(signs)))
    return Diagnosis(illness, evidence, SECTIONS[illness])


def _read_logs(logs):
    d_real, n = logs["d_real"], len(logs["d_real"])
    gap = (d_real - logs["d_fake"])[n // 2 :]
    return dict(
        **{name: values[n // 2 :].mean() for name, values in logs.items()},
        **{f"first_{name}": values[: n // 20].mean() for name, values in logs.items()},
        noise=d_real.std(),
        roughness=_roughness(d_real),
        drift=abs(d_real[: n // 3].mean() - d_real[-(n // 3) :].mean()),
        gap=gap.mean(),
        swing=gap.std(),
    )


def _look_at_samples(samples, real):
    clouds, flat = samples.reshape(*samples.shape[:2], -1), real.reshape(len(real), -1)[:MAX_REAL]
    late, spread = clouds[len(clouds) // 2 :], _spread(flat)
    far, cells = np.mean([_place(cloud, flat) for cloud in late], axis=0)
    ways = np.sqrt(np.mean(np.sum((clouds - clouds[0]) ** 2, axis=2), axis=1))
    return dict(
        is_image=real.ndim > 2,
        real_range=(real.min(), real.max()),
        fake_range=(samples.min(), samples.max()),
        real_reach=np.quantile(np.abs(flat), 0.95),
        piled_up=np.mean(np.abs(clouds[-1]).max(axis=1) > PILED_UP),
        way=ways.max() / max(_spread(clouds[0]), 1e-12),
        far=far / spread,
        cells=cells,
        sway=_spread(late.mean(axis=1)) / spread,
        width=np.mean([_spread(cloud) for cloud in late]) / spread,
    )


def _place(cloud, real):
    """Median distance to the nearest real sample; cells in use over those of real ones."""
    # Random real samples as centres of cells: no clustering that could fail, more in dense regions.
    landmarks = np.random.default_rng(0).permutation(len(real))[:NUM_CELLS]
    squared = metrics.squared_distances(cloud, real)
    cells = squared[:, landmarks], metrics.squared_distances(real, real[landmarks])
    used, by_real = (_effective_number(distances.argmin(axis=1)) for distances in cells)
    return np.median(np.sqrt(squared.min(axis=1))), used / by_real


def _roughness(values):
    """Jumps between neighbours over the spread: 1 for white noise, near 0 for a slow curve."""
    spread = np.std(values)
    return np.std(np.diff(values)) / (np.sqrt(2.0) * spread) if spread > 1e-9 else 1.0


def _effective_number(labels):
    """exp(entropy) of the shares of the labels: k for k equally frequent labels."""
    return np.exp(stats.entropy(np.bincount(labels)))


def _spread(points):
    """Root of the mean squared distance to the centre."""
    return np.sqrt(np.sum(np.var(points, axis=0)))


def _find_causes(s):
    """Illnesses and their evidence: a wrong scale of the data, a network that stands still."""
    (low, high), (fake_low, fake_high) = s.real_range, s.fake_range
    fakes = f"fakes in [{fake_low:.3g}, {fake_high:.3g}]"
    ranges = f"Real values lie in [{low:.3g}, {high:.3g}], {fakes}"
    margin, fits = OVERSHOOT * (high - low), low < -FILLS_RANGE and high > FILLS_RANGE
    overshoots = fake_low < low - margin or fake_high > high + margin
    if s.is_image and (min(low, -high) < -1.0 - OVERSHOOT or (not fits and overshoots)):
        yield ILLNESSES[0], f"{ranges}: images must fill [-1, 1], the range of tanh."
    at_edge = max(-fake_low, fake_high) <= 1.0 and s.piled_up > 0.5
    if not s.is_image and at_edge and s.real_reach > BEYOND:
        edge = f"{100 * s.piled_up:.0f} % of the last fakes near their edge"
        yield ILLNESSES[0], f"{ranges}, {edge}: the generator's tanh cannot reach the data."
    # A gradient that vanished before the first update explains why the samples stand; then treat D.
    vanished = 0.0 < getattr(s, "first_generator_gradient", 1.0) < SHORT_GRADIENT
    if s.way < STILL and not vanished:
        way = f"The samples moved by {s.way:.2g} of their spread in all"
        yield ILLNESSES[1], f"{way}: the generator stands still."
    if getattr(s, "discriminator_gradient", 1.0) < NO_GRADIENT:
        length = f"{s.discriminator_gradient:.1g} in the second half of the run"
        yield ILLNESSES[1], f"The discriminator's gradient is {length}."
    if s.roughness > ROUGHNESS and s.noise < CALM and s.drift < NO_DRIFT and s.gap < WINS:
        noise = f"D(x) changed by {s.drift:.2g}, its noise of {s.noise:.2g} has no trend"
        yield ILLNESSES[1], f"{noise}, and G moved: the discriminator stands still."


def _find_effects(s):
    """Illnesses and their evidence: which player wins, and what the samples look like."""
    outputs = f"In the second half D(x) is {s.d_real:.3f} and D(G(z)) {s.d_fake:.3f}"
    if s.gap > WINS:
        yield ILLNESSES[2], f"{outputs}: D wins."
    if s.gap < FOOLED:
        yield ILLNESSES[3], f"{outputs}: D takes fakes for real more often than real samples."
    if s.far > FAR and s.gap < -FOOLED:
        away = f"{s.far:.1f} times the real spread away from the nearest real sample"
        yield ILLNESSES[3], f"{outputs}, though the fakes lie {away}."
    centre = f"the centre of the fakes moves by {s.sway:.2f} of the real spread"
    if s.sway > SWAY and (s.swing > SWING or s.cells > FEW_CELLS or s.width > WIDE):
        yield ILLNESSES[4], f"{outputs}, and {centre}: the pair circles instead of settling."
    cells = f"the fakes use {100 * s.cells:.0f} % of the cells that real samples use"
    if s.cells < FEW_CELLS:
        kinds = f"and are {s.width:.2f} times as spread: the generator draws few kinds of samples"
        yield ILLNESSES[5], f"{outputs}, {cells}, {kinds}."
    yield ILLNESSES[6], f"{outputs}, {cells}, and {centre}."


def _check(num_steps, logs, samples, real):
    lengths = {len(values) for values in logs.values()}
    fits = num_steps >= MIN_LOGS and lengths == {num_steps} and len(samples) >= MIN_RECORDS
    fits = fits and samples.ndim > 2 and samples.shape[2:] == real.shape[1:]
    fits = fits and min(len(real), samples.shape[1]) >= MIN_SAMPLES
    passed = f"diagnose() received {num_steps} steps, logs of {lengths}, samples of shape "
    passed += f"{samples.shape}, real ones of shape {real.shape}."
    expected = (
        f"It expects {MIN_LOGS} logs, {MIN_RECORDS} records of {MIN_SAMPLES} samples or more: "
    )
    checks.require(fits, passed, expected + "pass what one recorder holds, train longer.")
    finite = all(np.isfinite(array).all() for array in (*logs.values(), samples, real))
    remedy = "Lower the learning rates, or look for broken images."
    checks.require(finite, "diagnose() received NaN or infinite values.", remedy)
    outputs = [logs["d_real"], logs["d_fake"]]
    passed = "diagnose() received d_real or d_fake outside [0, 1], not probabilities."
    remedy = "A Wasserstein critic gives scores: judge it by its loss, as in 04_wgan."
    checks.require(np.min(outputs) >= 0.0 and np.max(outputs) <= 1.0, passed, remedy)
