"""Exercises of 03_frog_dcgan: a generator, six ways to freeze, label noise, a script with bugs."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from gan_utils.exercises.engine import Exercise, Open, compare, expect

SETUP = """\
from gan_utils import data, networks, plotting
from gan_utils.exercises import check, hint, predict, solution, submit
import warnings
import keras
import numpy as np
import tensorflow as tf
from keras import layers

warnings.filterwarnings("ignore", "The model does not")  # it tells answers
tf.get_logger().setLevel("ERROR")  # no hints about many small models
cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)


def build_pair():
    generator = keras.Sequential([keras.Input((32,)), layers.Dense(16, "tanh")])
    generator.add(layers.Dense(4))
    discriminator = keras.Sequential([keras.Input((4,)), layers.Dense(16, "tanh")])
    discriminator.add(layers.Dense(1))
    return generator, discriminator


def largest_change(network, half_step):
    before = network.get_weights()
    half_step()
    pairs = zip(before, network.get_weights())
    return max(float(np.abs(a - b).max()) for a, b in pairs)
"""


# 03.1


def build_generator():
    def small():
        return keras.initializers.RandomNormal(0.0, 0.02)

    stack = [keras.Input((48,)), layers.Dense(8 * 8 * 64, kernel_initializer=small())]
    stack += [layers.Reshape((8, 8, 64))]
    for filters in 32, 3:  # 8 -> 16 -> 32 pixels a side
        options = {"strides": 2, "padding": "same", "kernel_initializer": small()}
        stack += [layers.BatchNormalization(), layers.LeakyReLU(0.2)]
        stack += [layers.Conv2DTranspose(filters, 4, **options)]
    return keras.Sequential([*stack, layers.Activation("tanh")])


def _build(kernel=4, end="tanh", norm=True, start=0.02, act=None, norm_at_end=False, filters=32):
    """The generator with one mistake."""

    def small():
        return keras.initializers.RandomNormal(0.0, start) if start else "glorot_uniform"

    stack = [keras.Input((48,)), layers.Dense(8 * 8 * 64, kernel_initializer=small())]
    stack += [layers.Reshape((8, 8, 64))]
    for width in filters, 3:
        options = {"strides": 2, "padding": "same", "kernel_initializer": small()}
        stack += [layers.BatchNormalization()] if norm else []
        stack += [act() if act else layers.LeakyReLU(0.2)]
        stack += [layers.Conv2DTranspose(width, kernel, **options)]
    stack += [layers.BatchNormalization()] if norm_at_end else []
    return keras.Sequential([*stack, layers.Activation(end)])


def _all_layers(network):
    return [x for x in network.layers for x in (_all_layers(x) if hasattr(x, "layers") else [x])]


def _weights_for(shapes):
    """Random weights, so large that a tanh is felt."""
    rng = np.random.default_rng(0)
    return [rng.normal(0.0, 0.3, shape) for shape in shapes]


def test_generator(candidate):
    keras.utils.set_random_seed(0)
    network = candidate()
    if network is None or network is ...:
        raise Open
    shapes = f"{network.input_shape[1:]} -> {network.output_shape[1:]}"
    yield compare("shapes", shapes, "(48,) -> (32, 32, 3)")
    words = "Dense, two transposed convolutions with kernel 4, two batch normalisations."
    yield compare("parameters", network.count_params(), 235_427, rel=0.0, hint=words)
    found = [x for x in _all_layers(network) if isinstance(x, layers.Conv2DTranspose)]
    sizes = [x.kernel_size[0] % x.strides[0] for x in found]
    yield expect("rest of kernel size / stride", str(sizes), sizes == [0, 0], "[0, 0]")
    spread = [float(np.std(x.kernel)) for x in _all_layers(network) if hasattr(x, "kernel")]
    fits = np.allclose(spread, 0.02, rtol=0.05)
    yield expect("deviation of the kernels", np.array(spread), fits, "0.02 in each layer")
    if shapes != "(48,) -> (32, 32, 3)":
        return
    latents = np.random.default_rng(1).standard_normal((8, 48)).astype("float32")
    # Seed 0: 0.089 with batch normalisation, 0.005 without.
    drawn = float(np.std(network(latents, training=True), axis=0).mean())
    yield expect("deviation of eight fakes at the start", drawn, 0.05 < drawn < 0.5, "0.05 to 0.5")
    reference = build_generator()
    weights = [w.shape for w in reference.weights]
    if [w.shape for w in network.weights] != weights:
        yield expect("fakes at given weights", "other weights", False, "those of a solution")
        return
    for net in network, reference:
        net.set_weights([np.abs(w) if "variance" in v.path else w
                         for v, w in zip(net.weights, _weights_for(weights))])  # fmt: skip
    fakes, wanted = (np.array(net(latents, training=True)) for net in (network, reference))
    lowest, off = float(fakes.min()), float(np.abs(fakes - wanted).max())
    yield expect("lowest pixel at given weights", lowest, -1.0 <= lowest < -0.9, "-1 to -0.9")
    words = "0: every layer as in the sentence"
    yield expect("largest distance from a solution's fakes", off, off < 1e-3, words)


GENERATOR = Exercise(
    "a generator from a sentence",
    "write",
    12,
    test_generator,
    (
        "Start from the lesson's build_narrow_generator: what differs?",
        "Dense(8 * 8 * 64), Reshape, then twice: norm, LeakyReLU, transposed convolution.",
        "Conv2DTranspose(filters, 4, strides=2, padding='same', kernel_initializer=...), filters "
        "32 and 3, and layers.Activation('tanh') at the end.",
    ),
    build_generator,
    {
        "odd kernel": (
            lambda: _build(kernel=5),
            "A kernel of 5 with stride 2 lays down more terms on some pixels than on others: a "
            "built-in checkerboard. Take 4.",
        ),
        "kernel 3": (
            lambda: _build(kernel=3),
            "3 is not divisible by the stride 2: a built-in checkerboard. Take 4.",
        ),
        "sigmoid": (
            lambda: _build(end="sigmoid"),
            "A sigmoid gives pixels from 0 to 1. Real images lie in [-1, 1]: end with tanh.",
        ),
        "no tanh": (
            lambda: _build(end="linear"),
            "Nothing bounds the pixels: end with tanh.",
        ),
        "no batch norm": (
            lambda: _build(norm=False),
            "Without batch normalisation such small weights shrink the signal to one grey.",
        ),
        "norm at the end": (
            lambda: _build(norm_at_end=True),
            "No batch normalisation after the last convolution: only before each LeakyReLU.",
        ),
        "Keras's start": (
            lambda: _build(start=None),
            "The kernels have Keras's own start. Give each a RandomNormal(0, 0.02).",
        ),
        "ReLU": (
            lambda: _build(act=layers.ReLU),
            "ReLU stops the gradient at negative inputs: take LeakyReLU(0.2).",
        ),
        "Keras's slope": (
            lambda: _build(act=layers.LeakyReLU),
            "LeakyReLU without a number has slope 0.3 in Keras: take 0.2.",
        ),
    },
)


# 03.2

# One digit each: D's half-step moves D, moves G, G's half-step moves D, moves G. Measured by
# `measure_ways`, Keras 3 on TensorFlow; no draw of weights or data changes a digit.
WAYS = {"e": "1001", "f": "0001", "g": "0001", "h": "0011", "i": "0001", "j": "1011"}


def make_way(letter):
    """The half-steps of one way, after what comes before them: `(pair, train_d, train_g)`."""
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    generator = keras.Sequential([keras.Input((32,)), layers.Dense(16, "tanh"), layers.Dense(4)])
    discriminator = keras.Sequential([keras.Input((4,)), layers.Dense(16, "tanh"), layers.Dense(1)])
    discriminator.compile(keras.optimizers.Adam(2e-3), entropy)
    combined = keras.Sequential([generator, discriminator])
    rng = np.random.default_rng(0)
    points = rng.standard_normal((64, 4)).astype("float32")
    latents = rng.standard_normal((64, 32)).astype("float32")
    optimizer_d, optimizer_g = keras.optimizers.Adam(2e-3), keras.optimizers.Adam(1e-3)

    def train_d(n=64):
        mixed = np.concatenate([points[:n], np.array(generator(latents[:n]))])
        discriminator.train_on_batch(mixed, np.repeat([[1.0], [0.0]], n, axis=0))

    def train_g(n=64):
        combined.train_on_batch(latents[:n], np.ones((n, 1)))

    def tape_d():
        with tf.GradientTape() as tape:
            real, fake = discriminator(points), discriminator(generator(latents))
            loss = ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))
        variables = discriminator.trainable_variables
        optimizer_d.apply(tape.gradient(loss, variables), variables)

    def tape_g():
        with tf.GradientTape() as tape:
            loss = ops.mean(ops.softplus(-discriminator(generator(latents))))
        variables = (combined if letter == "j" else generator).trainable_variables
        optimizer_g.apply(tape.gradient(loss, variables), variables)

    if letter in "efg":
        train_d()
    if letter in "efghi":
        discriminator.trainable = False
    combined.compile(keras.optimizers.Adam(1e-3), entropy)
    if letter == "f":
        discriminator.compile(keras.optimizers.Adam(2e-3), entropy)
    if letter == "h":
        train_d()
        discriminator.trainable = True
    pair = discriminator, generator
    if letter == "g":
        return pair, lambda: train_d(40), lambda: train_g(40)
    return (pair, tape_d, tape_g) if letter in "ij" else (pair, train_d, train_g)


def measure_ways():
    """`WAYS` anew; nine seconds."""
    found = {}
    for letter in WAYS:
        pair, *half_steps = make_way(letter)
        digits = ""
        for step in half_steps:
            before = [network.get_weights() for network in pair]
            step()
            digits += "".join(str(int(_moved(*both))) for both in zip(pair, before))
        found[letter] = digits
    return found


def _moved(network, before):
    return any(np.any(a != b) for a, b in zip(network.get_weights(), before))


def _as_digits(answer):
    """Also a list of 0 and 1, and digits with spaces between them, are an answer."""
    if answer is None or answer is ...:
        return None
    if isinstance(answer, (list, tuple, np.ndarray)):
        return "".join(str(int(x)) for x in answer)
    return str(answer).replace(" ", "").replace(",", "")


WHY = {
    "h": "(h): D's half-step was traced frozen and stays so; which flag does the first call of G's "
    "half-step see?",
    "j": "(j): the tape obeys the list alone. Which networks stand on each of the two lists?",
}


def test_ways(candidate):
    for letter, expected in WAYS.items():
        digits = _as_digits(candidate.get(letter))
        yield compare(f"({letter})", digits, expected, hint=WHY.get(letter, ""))


FREEZING = Exercise(
    "six ways to freeze",
    "predict",
    10,
    test_ways,
    (
        "For train_on_batch one moment counts: the first call, in which the step is traced.",
        "What did the flag say when the step that is used now was traced? compile() and a batch "
        "of another size make a new trace. The tape has no trace: look at the lists.",
        "D's half-step moves D in (e) and (j) only; G's half-step moves D in (h) and (j) only; "
        "and the tape does not mind which weights a gradient passes.",
    ),
    WAYS,
    {
        "the flag works at once": (
            WAYS | {"e": "0001", "h": "1011"},
            "You took the flag as read at each call. train_on_batch reads it when it is traced.",
        ),
        "compile decides": (
            WAYS | {"g": "1001", "h": "1001"},
            "That is Keras 2, where compile() fixed what moves. Keras 3 looks at the first call.",
        ),
        "size forgotten": (
            WAYS | {"g": "1001"},
            "(g): a batch of another size is traced anew, by the flag of that moment.",
        ),
        "compile forgotten": (
            WAYS | {"f": "1001"},
            "(f): compile() throws the traced step away.",
        ),
        "empty list forgotten": (
            WAYS | {"i": "1001"},
            "(i): a frozen network has an empty trainable_variables, so nothing of D is moved.",
        ),
        "a gradient moves": (
            WAYS | {"i": "0101", "j": "1111"},
            "A gradient passes through G in D's half-step and moves nothing: only an optimizer "
            "moves, and only the variables on its list.",
        ),
    },
)


# 03.3


def noisy_targets(n):
    real = 1.0 - np.random.default_rng().uniform(0.0, 0.05, (n, 1))
    return np.concatenate([real, np.zeros((n, 1))])


def test_targets(candidate):
    drawn = [candidate(n) for n in [50] * 100]
    if any(x is None or x is ... for x in drawn):
        raise Open
    drawn = [np.asarray(x) for x in drawn]
    yield compare("shape of noisy_targets(50)", str(drawn[0].shape), "(100, 1)")
    flat = [x.reshape(-1) for x in drawn]
    real, fake = (np.array([x[part] for x in flat]) for part in (slice(50), slice(50, None)))
    lowest, highest = float(real.min()), float(real.max())
    # Two decimals: so also one number a call, 100 in all, gives the same values each time.
    fits = 0.9499 <= lowest < 0.955
    yield expect("lowest real target of 5,000", round(lowest, 2), fits, "0.95")
    fits = 0.995 < highest <= 1.0
    yield expect("highest real target of 5,000", round(highest, 2), fits, "just below 1")
    both = np.array([fake.min(), fake.max()]).round(3)
    yield compare("lowest and highest fake target", both, np.zeros(2))
    different = all(len(np.unique(x)) == 50 for x in real)
    yield compare("real targets of one call differ", different, True)
    yield compare("two calls differ", bool(np.any(real[0] != real[1])), True)


def _targets(draw, fakes=None):
    return lambda n: np.concatenate([draw(n), (fakes or (lambda n: np.zeros((n, 1))))(n)])


def _noise(n):
    return np.random.default_rng().uniform(0.0, 0.05, (n, 1))


def _seeded(n):
    return 1.0 - np.random.default_rng(0).uniform(0.0, 0.05, (n, 1))


def _one_for_all(n):
    return np.full((n, 1), 1.0 - np.random.default_rng().uniform(0.0, 0.05))


NOISE = Exercise(
    "label noise that points inwards",
    "write",
    5,
    test_targets,
    (
        "Which targets make the loss of a sure D rise, and which let it fall without end?",
        "Real targets lie a little below 1; each image has its own number. Fakes stay at 0.",
        "default_rng().uniform(0.0, 0.05, (n, 1)) gives n numbers; take them from 1.",
    ),
    noisy_targets,
    {
        "above 1": (
            _targets(lambda n: 1.0 + _noise(n)),
            "Targets above 1 point outwards: the loss falls without end as the logit grows.",
        ),
        "both ways": (
            _targets(lambda n: 1.025 - _noise(n)),
            "Half of your real targets lie above 1. All of them must lie below.",
        ),
        "one number": (
            _targets(_one_for_all),
            "One number for the whole batch: draw one for each image, shape (n, 1).",
        ),
        "fakes too": (
            _targets(lambda n: 1.0 - _noise(n), _noise),
            "Leave the fakes at 0: with a target above 0 they have little reason to move.",
        ),
        "seed inside": (
            _targets(_seeded),
            "Each call draws the same numbers: no seed inside the function.",
        ),
        "no noise": (
            _targets(lambda n: np.full((n, 1), 0.975)),
            "0.975 is the mean. The exercise asks for a number of its own for each image.",
        ),
        "flat": (
            lambda n: noisy_targets(n)[:, 0],
            "Shape (2n,) is not (2n, 1), the shape of the logits.",
        ),
        "fakes first": (
            lambda n: noisy_targets(n)[::-1],
            "The n real images come first, then the fakes.",
        ),
    },
)


# 03.4


def repaired_batch(pixels, fake_images):
    n = len(pixels)
    images = np.concatenate([pixels / 127.5 - 1.0, fake_images])
    real = 1.0 - np.random.default_rng().uniform(0.0, 0.05, (n, 1))
    return images, np.concatenate([real, np.zeros((n, 1))])


def repaired_steps(generator, discriminator):
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    discriminator.compile(keras.optimizers.RMSprop(8e-4, clipvalue=1.0), entropy)
    combined = keras.Sequential([generator, discriminator])
    combined.compile(keras.optimizers.RMSprop(4e-4, clipvalue=1.0), entropy)

    def train_d(images, targets):
        discriminator.trainable = True
        return discriminator.train_on_batch(images, targets)

    def train_g(latents):
        discriminator.trainable = False
        return combined.train_on_batch(latents, np.ones((len(latents), 1)))

    return train_d, train_g


def test_script(candidate):
    numbers = [candidate.get(name) for name in ("change", "pixel", "target")]
    parts = candidate["batch"], candidate["steps"]
    if any(x is None or x is ... for x in numbers):
        raise Open
    change, pixel, target = (float(x) for x in numbers)
    # The numbers stand in the words: those of two students differ, their mistakes may not.
    words = "One half-step of D. Which number must be above 0?"
    yield compare(f"{change:.3g} convicts D's half-step", change == 0.0, True, hint=words)
    words = "If black is -1, how low must some pixel of twenty photographs come out?"
    yield compare(f"{pixel:.3g} convicts the images", -0.1 < pixel < 0.2, True, hint=words)
    words = "Which target can no probability reach?"
    yield compare(f"{target:.4g} convicts the targets", 1.0 < target < 1.06, True, hint=words)
    yield from _test_batch(parts[0])
    yield from _test_steps(parts[1])


def _test_batch(make_batch):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2_000, 2, 2, 3)).astype("uint8")
    fakes = rng.uniform(-1.0, 1.0, pixels.shape).astype("float32")
    made = make_batch(pixels, fakes)
    if made is None or made is ...:
        raise Open
    images, targets = (np.asarray(x) for x in made)
    real, fake = np.split(images, 2)
    bounds = np.array([real.min(), real.max()])
    yield compare("lowest and highest real pixel", bounds, np.array([-1.0, 1.0]), atol=0.01)
    yield compare("fakes in the batch, largest change", float(np.abs(fake - fakes).max()), 0.0)
    bounds = np.array([targets.min(), targets.max()]).round(3)
    fits = bounds[0] >= 0.0 and 0.94 < bounds[1] <= 1.0
    yield expect("lowest and highest target", bounds, fits, "within [0, 1]")
    words = "As in 03.3: leave the fakes at 0."
    highest = float(targets[2_000:].max().round(2))  # noise of a student has no seed
    yield compare("highest target of a fake", highest, 0.0, hint=words)
    noisy = len(np.unique(targets[:2_000])) > 1_000
    yield compare("real targets differ", noisy, True, hint="Keep the noise, and turn it inwards.")


def _test_steps(make_steps):
    keras.utils.set_random_seed(0)
    generator = keras.Sequential([keras.Input((3,)), layers.Dense(8, "tanh"), layers.Dense(2)])
    discriminator = keras.Sequential([keras.Input((2,)), layers.Dense(8, "tanh"), layers.Dense(1)])
    steps = make_steps(generator, discriminator)
    if steps is None or steps is ...:
        raise Open
    train_d, train_g = steps
    rng = np.random.default_rng(0)

    def run_d(n):
        train_d(rng.normal(size=(2 * n, 2)).astype("float32"), np.repeat([[1.0], [0.0]], n, axis=0))

    def run_g(n):
        train_g(rng.normal(size=(n, 3)).astype("float32"))

    # Each twice, then with a batch of another size: a flag set once holds until the next trace.
    rounds = ("", run_d, run_g, 8), (", second round", run_d, run_g, 8)
    rounds += ((", batch of another size", run_d, run_g, 12),)
    for when, *halves, n in rounds:
        for name, half, first in zip("DG", halves, ((1, 0), (0, 1))):
            before = [network.get_weights() for network in (discriminator, generator)]
            half(n)
            pairs = zip((discriminator, generator), before)
            moved = tuple(int(_moved(*pair)) for pair in pairs)
            words = ["nobody", "G", "D", "D and G"]
            got = words[2 * moved[0] + moved[1]]
            yield compare(f"{name}'s half-step{when} moves", got, words[2 * first[0] + first[1]])


def _by_hand(*flags):
    """Half-steps that change weights without learning: flags of D and G, for D's first size, for
    D's other sizes, for G. For known mistakes."""

    def make_steps(generator, discriminator):
        sizes = []

        def move(which):
            for network, moves in zip((discriminator, generator), which):
                if moves:
                    network.set_weights([w + 0.01 for w in network.get_weights()])

        def train_d(images, targets):
            sizes.append(len(images))
            move(flags[0] if sizes[-1] == sizes[0] else flags[1])

        return train_d, lambda latents: move(flags[2])

    return make_steps


def _rescaled(pixels, fake_images):
    images, targets = repaired_batch(pixels, fake_images)
    return (images + 1.0) / 2.0, targets


def _only_batch(scale=lambda x: x / 127.5 - 1.0, targets=None):
    def make_batch(pixels, fake_images):
        _, own = repaired_batch(pixels, fake_images)
        images = np.concatenate([scale(pixels), fake_images])
        return images, own if targets is None else targets(len(pixels))

    return make_batch


def _outwards(n):
    return np.repeat([[1.0], [0.0]], n, axis=0) + 0.05 * np.random.default_rng().random((2 * n, 1))


FOUND = {"change": 0.0, "pixel": 0.0, "target": 1.05}


def _answer(batch=repaired_batch, steps=repaired_steps, **numbers):
    return FOUND | numbers | {"batch": batch, "steps": steps}


# What `repaired_steps` moves, without its two seconds of tracing.
RIGHT = _by_hand((1, 0), (1, 0), (0, 1))
SCRIPT = Exercise(
    "the script from the book",
    "bug",
    25,
    test_script,
    (
        "Measure, before you read: D's largest change, the lowest real pixel, the highest target.",
        "When is D's flag read? Where do the pixels of tanh lie? Which way does the noise point?",
        "Set the flag before each half-step, or use the tape and two lists; pixels / 127.5 - 1; "
        "noise of the real images only, taken from 1.",
    ),
    _answer(),
    {
        "trainable=True only": (
            _answer(steps=_by_hand((1, 0), (1, 0), (1, 1))),
            "Now D moves in G's half-step too, and is paid for calling fakes real. Let it stand "
            "still there.",
        ),
        "an early step": (
            _answer(steps=_by_hand((1, 0), (0, 0), (0, 1))),
            "One step of D before the freezing holds until a batch has another size: that is "
            "traced anew, with D frozen.",
        ),
        "still frozen": (
            _answer(steps=_by_hand((0, 0), (0, 0), (0, 1))),
            "D still does not move in its own half-step: its flag is off when the step is traced.",
        ),
        "rescaling the fakes": (
            _answer(batch=_rescaled, steps=RIGHT),
            "You brought the fakes to [0, 1] as well. In G's half-step they reach D as tanh makes "
            "them, in [-1, 1]: change the real images.",
        ),
        "images left": (
            _answer(batch=_only_batch(lambda x: x / 255.0), steps=RIGHT),
            "The real images still have no negative pixel: any negative pixel gives a fake away.",
        ),
        "noise left": (
            _answer(batch=_only_batch(targets=_outwards), steps=RIGHT),
            "Some real targets still lie above 1: the loss of a sure D falls without end.",
        ),
        "noise removed": (
            _answer(
                batch=_only_batch(targets=lambda n: np.repeat([[1.0], [0.0]], n, axis=0)),
                steps=RIGHT,
            ),
            "All real targets are equal. Keep the noise, and turn it inwards.",
        ),
    },
)

EXERCISES = {"03.1": GENERATOR, "03.2": FREEZING, "03.3": NOISE, "03.4": SCRIPT}
