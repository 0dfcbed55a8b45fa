"""The GAN doctor: names what is wrong with a run from its log and its samples, by rules that can be read."""

import types
import typing

import numpy as np
from scipy import stats

from gan_utils import checks

LOGS = ("discriminator_loss", "generator_loss", "d_real", "d_fake")
GRADIENTS = ("discriminator_gradient", "generator_gradient")
MIN_LOGS, MIN_RECORDS, MIN_SAMPLES = 20, 4, 10

# The thresholds; each comment gives what planted runs on rings, a blob and small images showed (tests/test_doctor.py).
# Hundreds of real images in [-1, 1] hold pixels beyond 0.75 on both sides; images in [0, 1] or [-0.5, 0.5] do not.
FILLS_RANGE = 0.75
# Share of the real range by which fakes may leave it: rounding, and few real images.
OVERSHOOT = 0.05
# A tanh that should reach 1.5 and more gives values above 0.9.
PILED_UP, BEYOND = 0.9, 1.5
# Way of the samples in units of their first spread: 1 and more in runs that learn, below 0.0001 at a learning rate of 1e-9.
STILL = 0.01
# A cut connection gives a gradient of exactly 0; that of a learning network was above 1e-4.
NO_GRADIENT = 1e-10
# G's first gradient where a trained D and the saturating loss hold it still: 0.002; in other runs 0.05 and more.
SHORT_GRADIENT = 0.02
# D(x) of a D that stands still jumps from batch to batch like noise (roughness 1), by less than 0.01, and goes nowhere.
ROUGHNESS, CALM, NO_DRIFT = 0.8, 0.015, 0.005
# D(x) - D(G(z)): up to 0.4 in healthy runs, 0.85 and more where D wins.
WINS = 0.7
# The same of a D that is wrong on average; healthy and collapsed runs stay above -0.02.
FOOLED = -0.1
# Distance of the fakes to the nearest real sample, in units of the real spread: healthy 0.1 to 0.9, runaways 2 and more.
FAR = 1.5
# Movement of the centre of the fakes, in the same unit: healthy up to 0.25, waves 0.43 and more.
SWAY = 0.3
# Standard deviation of D(x) - D(G(z)): up to 0.037 where only a heap hops about, 0.064 and more where D swings too.
SWING = 0.045
# Width of the cloud of fakes over that of the real data: above it the fakes are not few kinds, wherever they are at the moment.
WIDE = 0.9
# Cells in use, as a share of the cells that real samples use: healthy 0.37 and more, collapsed 0.05 to 0.2.
FEW_CELLS = 0.3
# Some cells for each of ten digits; real samples that are enough for the distances.
NUM_CELLS, MAX_REAL = 32, 1000


class Diagnosis(typing.NamedTuple):
    """What `diagnose` returns: one of `ILLNESSES`, the measured numbers in words, and the section of the course."""

    illness: str
    evidence: str
    section: str


RECORDS = checks.instance((list, tuple, np.ndarray), "a list of arrays", "Pass recorder.samples of a monitors.Recorder.")
ANY = checks.array("...", finite=False, smallest=0)


@checks.arguments(steps=checks.array("n", smallest=0), logs=checks.MAPPING, samples=RECORDS)
def diagnose(steps, logs, samples, real):
    """Name the illness of a GAN's run, with the evidence and the section of the course that treats it.

    The rules are asked in the order of `RULES`; the first one that holds names the illness. They read the second half of the
    run, except where they look for something that never moved. Causes come before effects: images of a wrong scale or a network
    that does not learn make the other network win, so they are looked for first. A critic with the Wasserstein loss is not read.

    Args:
        steps: numbers of the logged updates, as in `monitors.Recorder.steps`.
        logs: mapping from `discriminator_loss`, `generator_loss`, `d_real`, `d_fake` (means of D(x) and D(G(z)), in [0, 1]) to
            sequences as long as `steps`, as in `monitors.Recorder.logs`. With `discriminator_gradient` and `generator_gradient`
            (`GAN.compile(log_gradients=True)`) two more signs of a network that does not learn are seen.
        samples: arrays `(n, ...)` of images or points at the same latents through the run, the first one before training, as in
            `monitors.Recorder.samples`; at least 4 records of at least 10 samples.
        real: real images or points, of the same inner shape, in the range in which they were trained on; 100 or more.

    Returns:
        `Diagnosis(illness, evidence, section)`, three strings. A run whose D(x) is 0.99 and D(G(z)) 0.01 in its second half has
        `illness == "discriminator too strong"`, if G moves.

    Raises:
        ValueError: if a log is missing, too short, of another length, NaN or infinite, if D's outputs are scores instead of
            probabilities (a Wasserstein critic), or if the samples do not fit the real ones.

    Taught in: `05_training_failures`.
    """
    logs, (samples, real) = _check_logs(steps, logs), _check_samples(samples, real)
    signs = types.SimpleNamespace(**_read_logs(logs), **_look_at_samples(samples, real))
    found = ((illness, rule(signs), section) for illness, (rule, section) in RULES.items())
    return next(Diagnosis(*diagnosis) for diagnosis in found if diagnosis[1])


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
    clouds, flat = [array.reshape(len(array), -1) for array in samples], real.reshape(len(real), -1)[:MAX_REAL]
    late, spread = clouds[len(clouds) // 2 :], _spread(flat)
    far, cells = np.mean([_place(cloud, flat) for cloud in late], axis=0)
    return dict(
        is_image=real.ndim > 2,
        real_range=(real.min(), real.max()),
        fake_range=(np.min(samples), np.max(samples)),
        real_reach=np.quantile(np.abs(flat), 0.95),
        piled_up=np.mean(np.abs(clouds[-1]).max(axis=1) > PILED_UP),
        way=max(np.sqrt(np.mean(np.sum((cloud - clouds[0]) ** 2, axis=1))) for cloud in clouds) / max(_spread(clouds[0]), 1e-12),
        far=far / spread,
        cells=cells,
        sway=_spread(np.array([cloud.mean(axis=0) for cloud in late])) / spread,
        width=np.mean([_spread(cloud) for cloud in late]) / spread,
    )


def _place(cloud, real):
    """Median distance of the fakes to the nearest real sample, and the cells they use over those that real samples use."""
    # Random real samples as centres of cells: no clustering that could fail, and dense regions get more of them.
    landmarks = np.random.default_rng(0).permutation(len(real))[:NUM_CELLS]
    squared, among_real = _squared_distances(cloud, real), _squared_distances(real, real[landmarks])
    used = [_effective_number(distances.argmin(axis=1)) for distances in (squared[:, landmarks], among_real)]
    return np.median(np.sqrt(squared.min(axis=1))), used[0] / used[1]


def _roughness(values):
    """Jumps from one value to the next, in units of the spread: 1 for white noise and a constant, near 0 for a slow curve."""
    spread = np.std(values)
    return np.std(np.diff(values)) / (np.sqrt(2.0) * spread) if spread > 1e-9 else 1.0


def _effective_number(labels):
    """exp(entropy) of the shares of the labels: k for k equally frequent labels."""
    return np.exp(stats.entropy(np.bincount(labels)))


def _squared_distances(x, y):
    squares = np.sum(x**2, axis=1)[:, None] + np.sum(y**2, axis=1)[None, :]
    return np.maximum(squares - 2.0 * x @ y.T, 0.0)


def _spread(points):
    """Root of the mean squared distance to the centre."""
    return np.sqrt(np.sum(np.var(points, axis=0)))


def _find_wrong_scale(signs):
    (low, high), (fake_low, fake_high) = signs.real_range, signs.fake_range
    ranges = f"The real values lie in [{low:.3g}, {high:.3g}], all fakes of the run in [{fake_low:.3g}, {fake_high:.3g}]"
    if signs.is_image:
        margin = OVERSHOOT * (high - low)
        fits = low < -FILLS_RANGE and high > FILLS_RANGE
        overshoots = fake_low < low - margin or fake_high > high + margin
        if min(low, -high) < -1.0 - OVERSHOOT or (not fits and overshoots):
            return f"{ranges}: images must fill [-1, 1], the range of the generator's tanh."
    elif max(-fake_low, fake_high) <= 1.0 and signs.piled_up > 0.5 and signs.real_reach > BEYOND:
        edge = f"{100 * signs.piled_up:.0f} % of the last ones near its edge"
        return f"{ranges}, {edge}: the generator's tanh cannot reach the data."


def _find_standstill(signs):
    # A gradient that vanished before the first update explains why the samples stand; then D is to be treated.
    vanished = 0.0 < getattr(signs, "first_generator_gradient", 1.0) < SHORT_GRADIENT
    if signs.way < STILL and not vanished:
        return f"The samples at fixed latents moved by {signs.way:.2g} of their spread in all: the generator stands still."
    if getattr(signs, "discriminator_gradient", 1.0) < NO_GRADIENT:
        return f"The discriminator's gradient is {signs.discriminator_gradient:.1g} in the second half of the run."
    if signs.roughness > ROUGHNESS and signs.noise < CALM and signs.drift < NO_DRIFT and signs.gap < WINS:
        change = f"D(x) changed by {signs.drift:.2g} from the first to the last third of the run"
        return f"{change}, its noise of {signs.noise:.2g} has no trend, and G moved: the discriminator stands still."


def _find_strong_discriminator(signs):
    if signs.gap > WINS:
        length = f", G's gradient has the length {signs.generator_gradient:.2g}" if hasattr(signs, "generator_gradient") else ""
        return f"In the second half of the run D(x) is {signs.d_real:.3f} and D(G(z)) {signs.d_fake:.3f}{length}: D wins."


def _find_strong_generator(signs):
    outputs = f"In the second half of the run D(x) is {signs.d_real:.2f} and D(G(z)) {signs.d_fake:.2f}"
    if signs.gap < FOOLED:
        return f"{outputs}: D takes fakes for real more often than real samples."
    if signs.far > FAR and signs.gap < -FOOLED:
        return f"{outputs}, though the fakes lie {signs.far:.1f} times the real spread away from the nearest real sample."


def _find_oscillation(signs):
    if signs.sway > SWAY and (signs.swing > SWING or signs.cells > FEW_CELLS or signs.width > WIDE):
        waves = f"The centre of the fakes moves by {signs.sway:.2f} of the real spread, D(x) - D(G(z)) by {signs.swing:.2f}"
        return f"{waves} (standard deviations in the second half of the run): the pair circles instead of settling."


def _find_collapse(signs):
    if signs.cells < FEW_CELLS:
        cells = f"The fakes of a record use {100 * signs.cells:.0f} % of the cells that real samples use"
        return f"{cells}, and are {signs.width:.2f} times as spread: the generator draws few kinds of samples."


def _find_health(signs):
    outputs = f"D(x) is {signs.d_real:.2f} and D(G(z)) {signs.d_fake:.2f}, the fakes use {100 * signs.cells:.0f} % of the cells"
    return f"{outputs} that real samples use, and their centre moves by {signs.sway:.2f} of the real spread."


# Asked in this order; the section of the course treats the illness.
RULES = {
    "wrong scale of images": (_find_wrong_scale, "03_frog_dcgan, 6. What was repaired"),
    "a network does not learn": (_find_standstill, "03_frog_dcgan, 4. The freeze lab"),
    "discriminator too strong": (_find_strong_discriminator, "05_training_failures, 1. Vanishing gradients"),
    "generator too strong": (_find_strong_generator, "05_training_failures, 4. Remedies"),
    "oscillation": (_find_oscillation, "05_training_failures, 3. Past the equilibrium"),
    "mode collapse": (_find_collapse, "05_training_failures, 2. Mode collapse"),
    "healthy": (_find_health, "05_training_failures, 5. Reading a log"),
}
ILLNESSES = tuple(RULES)


def _check(fits, found, expected, remedy):
    checks.require(fits, f"diagnose() received {found}.", f"It expects {expected}.", remedy)


def _check_logs(steps, logs):
    missing = [name for name in LOGS if name not in logs]
    _check(not missing, f"logs without {', '.join(missing)}", ", ".join(LOGS), "Pass recorder.logs of a monitors.Recorder.")
    logs = {name: ANY("diagnose()", name, logs[name]).astype("float64") for name in LOGS + GRADIENTS if name in logs}
    shapes = {values.shape for values in logs.values()}
    fits = shapes == {(len(steps),)} and len(steps) >= MIN_LOGS
    remedy = "Pass steps and logs of one recorder; train longer, or compile with smaller steps_per_execution."
    _check(fits, f"{len(steps)} steps and logs of shape {shapes}", f"one length, at least {MIN_LOGS}", remedy)
    broken = [name for name, values in logs.items() if not np.isfinite(values).all()]
    remedy = "This run broke down: lower the learning rates, and look for broken images."
    _check(not broken, f"NaN or infinite values in {', '.join(broken)}", "finite numbers", remedy)
    outputs = np.concatenate([logs["d_real"], logs["d_fake"]])
    found = f"d_real and d_fake from {outputs.min():.3g} to {outputs.max():.3g}"
    remedy = "A Wasserstein critic gives scores: judge it by its loss, as in 04_wgan."
    _check(outputs.min() >= 0.0 and outputs.max() <= 1.0, found, "probabilities in [0, 1]", remedy)
    return logs


def _check_samples(samples, real):
    real, *samples = [ANY("diagnose()", "samples or real", array).astype("float64") for array in (real, *samples)]
    shapes = {array.shape for array in samples}
    fits = len(samples) >= MIN_RECORDS and len(shapes) == 1 and real.ndim > 1 and samples[0].shape[1:] == real.shape[1:]
    found = f"{len(samples)} records of samples of shape {shapes or '()'} and real samples of shape {real.shape}"
    expected = f"at least {MIN_RECORDS} records of one shape (n, ...), n at least {MIN_SAMPLES}, and the same inner shape of both"
    remedy = "Pass recorder.samples and the training data; lower `every` of the recorder for more records."
    _check(fits and min(len(samples[0]), len(real)) >= MIN_SAMPLES, found, expected, remedy)
    finite = all(np.isfinite(array).all() for array in [*samples, real]) and np.ptp(real) > 0.0
    found = "NaN or infinite values in the samples or the real data, or real samples that are all equal"
    _check(finite, found, "finite numbers, and real samples that differ", "Remove the broken ones, or lower the learning rates.")
    return samples, real
