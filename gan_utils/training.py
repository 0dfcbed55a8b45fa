"""Adversarial training: `GAN`, a `keras.Model` for `compile()` and `fit()`, and the guard that watches who learns."""

import contextlib
import signal
import threading
import time

import keras
import numpy as np
from keras import ops

from gan_utils import autodiff, checks, data, images, losses

ORDERS = ("discriminator_first", "generator_first", "simultaneous")
LOGS = ("discriminator_loss", "generator_loss", "d_real", "d_fake")
GRADIENT_LOGS = ("discriminator_gradient", "generator_gradient")
ADAM = "Write keras.optimizers.Adam(2e-4, beta_1=0.5), one for each network."
OPTIMIZER = checks.instance(keras.optimizers.Optimizer, "a keras.optimizers.Optimizer", ADAM)
ORDER = checks.choice(ORDERS, f"The common one is {ORDERS[0]!r}.")
STEPS = checks.whole(1, 1000, "Use 1 for a GAN, 5 for a Wasserstein GAN.")
UNROLLED = checks.whole(0, 100, "Use 0 for a GAN, 5 for an unrolled GAN of moderate cost.")


class GAN(keras.Model):
    """A generator and a discriminator that are trained against each other.

    Example:

        gan = GAN(generator, discriminator, seed=1)
        gan.compile(keras.optimizers.Adam(2e-4, 0.5), keras.optimizers.Adam(2e-4, 0.5))
        gan.fit(images, batch_size=64, epochs=20)
        fake_images = gan.sample(16)

    Callbacks, `steps_per_execution`, `jit_compile` and saving are those of `keras.Model`.

    Args:
        generator: model, latents `(batch, latent_dim)` -> images in [-1, 1], or points.
        discriminator: model, images -> logits `(batch, 1)`, without a sigmoid.
        seed: int or None, for latents, penalties and the order of the data.

    Raises:
        ValueError: if the shapes of the two networks do not fit, or the discriminator ends with a sigmoid.

    Source: Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1. Taught in: `02_vanilla_gan`, `03_frog_dcgan`.
    """

    @checks.arguments(generator=autodiff.MODEL, discriminator=autodiff.MODEL, seed=checks.seed(), name=checks.TEXT)
    def __init__(self, generator, discriminator, *, seed=None, name="gan"):
        super().__init__(name=name)
        _check_networks(generator, discriminator)
        self.generator = generator
        self.discriminator = discriminator
        self.latent_dim = generator.input_shape[-1]
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.trackers = [keras.metrics.Mean(name=name) for name in LOGS + GRADIENT_LOGS]
        self.log_gradients = False
        self.built = True

    @checks.arguments(
        generator_optimizer=OPTIMIZER,
        discriminator_optimizer=OPTIMIZER,
        penalty=checks.FUNCTION,
        discriminator_steps=STEPS,
        order=ORDER,
        unrolled_steps=UNROLLED,
        log_gradients=checks.FLAG,
    )
    def compile(
        self,
        generator_optimizer,
        discriminator_optimizer,
        loss="non_saturating",
        *,
        penalty=None,
        discriminator_steps=1,
        order="discriminator_first",
        unrolled_steps=0,
        log_gradients=False,
        **kwargs,
    ):
        """Configure training.

        Args:
            generator_optimizer: `keras.optimizers.Optimizer`.
            discriminator_optimizer: another one.
            loss: a family of `losses.FAMILIES`, or a pair `(discriminator_loss, generator_loss)`.
            penalty: function `(discriminator, real_images, fake_images, *, seed) -> scalar`, added to D's loss.
            discriminator_steps: D's updates for one update of G; each takes its own part of the data.
            order: `"discriminator_first"`, `"generator_first"`, or `"simultaneous"`, the fastest: one pass of G and one of D
                serve both updates, and each network is judged by the other as it was before. Differs from the paper:
                algorithm 1 draws new latents for G and judges them by the updated D.
            unrolled_steps: k of an unrolled GAN: G is judged by the D that k further updates would make, see `look_ahead`.
            log_gradients: also log the length of each network's gradient, `discriminator_gradient` and `generator_gradient`.
            **kwargs: `steps_per_execution`, `jit_compile`, `run_eagerly` of `keras.Model.compile`. `jit_compile` is True on JAX
                and False on TensorFlow by default: on two CPU cores XLA made convolutional steps two to four times slower.

        Raises:
            ValueError: if an argument does not fit.
        """
        _check_compile(generator_optimizer, discriminator_optimizer, kwargs)
        if unrolled_steps:
            _check_unrolled_steps(unrolled_steps, discriminator_optimizer, order)
        self.discriminator_loss, self.generator_loss = losses.get(loss)
        # A Wasserstein critic gives scores, not probabilities: they are logged as they are.
        self.log_scores = loss == "wasserstein"
        self.penalty = penalty
        self.discriminator_steps = discriminator_steps
        self.order = order
        self.unrolled_steps = unrolled_steps
        self.log_gradients = log_gradients
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)
        super().compile(optimizer=generator_optimizer, **{"jit_compile": autodiff.BACKEND == "jax", **kwargs})
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        generator_optimizer.finalize_variable_values = lambda _: self._take_average(generator_optimizer)
        # As compiled: a callback may change a rate later. `monitors.Checkpoint` compares them.
        pair = {"generator": generator_optimizer, "discriminator": discriminator_optimizer}
        self.optimizer_settings = {owner: {"class": type(o).__name__, **o.get_config()} for owner, o in pair.items()}
        self.guarded = False

    def _take_average(self, optimizer):
        # At the end of fit() Keras hands over the weights of both networks: an average of weights (use_ema) needs those of G.
        variables = self.generator.trainable_variables
        type(optimizer).finalize_variable_values(optimizer, variables)
        for variable in variables if optimizer.use_ema else ():
            variable.assign(ops.copy(variable))  # on JAX the next fit() cannot give away memory that is shared with the average

    @property
    def metrics(self):
        return self.trackers if self.log_gradients else self.trackers[: len(LOGS)]

    @property
    def non_trainable_variables(self):
        # Keras's JAX trainer carries the variables of one optimizer; the second one travels here.
        optimizer = getattr(self, "discriminator_optimizer", None)
        return super().non_trainable_variables + (optimizer.variables if optimizer else [])

    def call(self, inputs, training=False):
        """Fake images for latents `inputs`."""
        return self.generator(inputs, training=training)

    def fit(self, x=None, y=None, batch_size=None, **kwargs):
        """Train on real images.

        Before the first step the data is checked, and the freeze guard runs each half-step once on a few images, compares all
        weights, and puts them back.

        Args:
            x: array `(n, height, width, channels)`, float32 in [-1, 1], or points `(n, d)`; or a `tf.data.Dataset` or
                `keras.utils.PyDataset` of such batches (labels beside the images are left aside). The images of an array are
                shuffled anew each epoch, and the last part of an epoch that does not fill a batch is left out.
            y: must stay None.
            batch_size: images in one update of D; 32 by default; only with an array. One step of `fit` is one update of G
                and `discriminator_steps` of D. A batch of a data set is split between D's updates instead.
            **kwargs: of `keras.Model.fit`.

        Returns:
            `keras.callbacks.History` with the means over each epoch of `discriminator_loss`, `generator_loss`, `d_real` (mean
            D(x), or mean score) and `d_fake` (mean D(G(z))).

        Raises:
            ValueError: if the data does not fit.
            RuntimeError: if a network stands still in its half-step or moves in the other's.
            FloatingPointError: if a loss or a weight becomes NaN or infinite. The run stops, and both networks and optimizers are
                back where they were when an epoch began; the message names it. Of short epochs one a second is kept.
            KeyboardInterrupt: at the end of the running update, so that the model stays usable. A second interruption does not
                wait.
        """
        remedy = "Call gan.compile(generator_optimizer, discriminator_optimizer)."
        checks.require(self.compiled, "fit() was called before compile().", "A GAN needs two optimizers first.", remedy)
        remedy = "Call fit(images, batch_size=...) without y."
        checks.require(y is None, "fit() received labels y.", "This GAN learns from images alone.", remedy)
        # For `monitors.Checkpoint`, which changes both when it resumes. What an interrupted run left there must not count.
        self.batches, self._initial_epoch = None, kwargs.get("initial_epoch", 0)
        if isinstance(x, np.ndarray):
            self._check_images(x)
            x = ShuffledBatches(x, 32 if batch_size is None else batch_size, self.discriminator_steps, seed=self.seed)
            x.start(self._initial_epoch)
        first_batch = _first_batch(x)
        if isinstance(x, ShuffledBatches):
            x.replicas, x.host, x.hosts = autodiff.num_replicas(self), *autodiff.place_among_hosts()
            self.batches = x
        passed = f"fit() received batch_size={batch_size} and a data set of type {type(x).__name__}."
        remedy = "Leave it out: the data set makes its own batches."
        checks.require(self.batches or batch_size is None, passed, "A batch size goes with a NumPy array only.", remedy)
        self._check_images(first_batch)
        _check_split(len(first_batch), self.discriminator_steps, autodiff.num_devices(self))
        if not self.guarded:
            self._guard_half_steps(first_batch[:8])
            self.guarded = True
        watch, callbacks = _Watch(), kwargs.pop("callbacks", None)
        kwargs["callbacks"] = [watch, *keras.tree.flatten(getattr(callbacks, "callbacks", callbacks) or [])]
        with watch:
            # The data sets bring their own order; Keras would shuffle whole batches and warn.
            return super().fit(x, **{"shuffle": False, **kwargs})

    def train_step(self, *args):
        return autodiff.run_train_step(self, self.adversarial_step, *args)

    def adversarial_step(self, data):
        """One update of G and `discriminator_steps` of D. `data` is a batch of images, or a tuple that starts with one."""
        real_images = data[0] if isinstance(data, (tuple, list)) else data
        part = ops.shape(real_images)[0] // self.discriminator_steps
        logs = {}
        parts = [real_images[i * part : (i + 1) * part] for i in range(self.discriminator_steps)]
        if self.order == "generator_first":
            logs.update(self.generator_step(parts[0]))
        for images_of_step in parts[: -1 if self.order == "simultaneous" else None]:
            logs.update(self.discriminator_step(images_of_step))
        if self.order == "discriminator_first":
            logs.update(self.generator_step(parts[0]))
        if self.order == "simultaneous":
            logs.update(self.simultaneous_step(parts[-1]))
        for tracker in self.metrics:
            tracker.update_state(logs[tracker.name])
        return logs

    def discriminator_step(self, real_images):
        """One update of D: G only draws. Returns the logs `discriminator_loss`, `d_real`, `d_fake`."""
        z = autodiff.draw_rows(self._draw_latents, ops.shape(real_images)[0])
        fake_images = ops.stop_gradient(_outputs(self.generator, z))

        network = self.discriminator
        variables = network.trainable_variables
        value, logits, gradients = autodiff.value_and_gradients(lambda: self._judge(network, real_images, fake_images), variables)
        self.discriminator_optimizer.apply(gradients, variables)
        return self._discriminator_logs(value, logits, gradients)

    def _judge(self, discriminator, real_images, fake_images):
        """D's loss with its penalty, and the logits `(real, fake)`."""
        real_logits, fake_logits = (_outputs(discriminator, x) for x in (real_images, fake_images))
        value = self.discriminator_loss(real_logits, fake_logits)
        if self.penalty is not None:
            value += self.penalty(discriminator, real_images, fake_images, seed=self.seed_generator)
        return value, (real_logits, fake_logits)

    def _discriminator_logs(self, value, outputs, gradients):
        d_real, d_fake = (ops.mean(o if self.log_scores else ops.sigmoid(o)) for o in outputs)
        logs = {"discriminator_loss": value, "d_real": d_real, "d_fake": d_fake}
        return {**logs, "discriminator_gradient": _length(gradients)} if self.log_gradients else logs

    def generator_step(self, real_images):
        """One update of G through a D that stays as it is. Returns the log `generator_loss`."""
        z = autodiff.draw_rows(self._draw_latents, ops.shape(real_images)[0])

        def loss():
            fake_images = _outputs(self.generator, z)
            discriminator = self.look_ahead(real_images, fake_images) if self.unrolled_steps else self.discriminator
            fake_logits = _outputs(discriminator, fake_images)
            # The families of `losses` judge G by its fakes alone; a loss of your own may compare with the real images.
            compares = self.generator_loss not in [pair[1] for pair in losses.FAMILIES.values()]
            real_logits = _outputs(discriminator, real_images) if compares else fake_logits
            return self.generator_loss(real_logits, fake_logits), None

        variables = self.generator.trainable_variables
        value, _, gradients = autodiff.value_and_gradients(loss, variables)
        self.generator_optimizer.apply(gradients, variables)
        logs = {"generator_loss": value}
        return {**logs, "generator_gradient": _length(gradients)} if self.log_gradients else logs

    def simultaneous_step(self, real_images):
        """One update of both networks from one pass through each. Returns all logs.

        Source: Mescheder et al. 2018, arXiv:1801.04406, simultaneous gradient descent.
        """
        z = autodiff.draw_rows(self._draw_latents, ops.shape(real_images)[0])

        def losses_of_both():
            value, outputs = self._judge(self.discriminator, real_images, _outputs(self.generator, z))
            return (value, self.generator_loss(*outputs)), outputs

        variables = self.discriminator.trainable_variables, self.generator.trainable_variables
        (d_loss, g_loss), outputs, (d_gradients, g_gradients) = autodiff.joint_gradients(losses_of_both, *variables)
        self.discriminator_optimizer.apply(d_gradients, variables[0])
        self.generator_optimizer.apply(g_gradients, variables[1])
        logs = {**self._discriminator_logs(d_loss, outputs, d_gradients), "generator_loss": g_loss}
        return {**logs, "generator_gradient": _length(g_gradients)} if self.log_gradients else logs

    def _draw_latents(self, num_latents):
        return data.sample_latents(num_latents, self.latent_dim, seed=self.seed_generator)

    def look_ahead(self, real_images, fake_images):
        """The discriminator after `unrolled_steps` further updates on these images; D itself stays as it is.

        Each update is the one that D's optimizer (SGD or Adam) would make next, written as a function: the gradients of D's
        loss, the averages of Adam, and the new weights. G's loss is differentiated through all of them, because `fake_images`
        enters each update.

        Args:
            real_images: `(batch, ...)`, float.
            fake_images: same shape, as G made them.

        Returns:
            Function `(images, *, training) -> logits (batch, 1)`.

        Source: Metz et al. 2016, arXiv:1611.02163, equations 7 to 9. Taught in: `05_training_failures`.
        """
        network, optimizer = self.discriminator, self.discriminator_optimizer
        state = [ops.convert_to_tensor(variable) for variable in network.non_trainable_variables]

        def discriminator(weights):
            return lambda images, training: network.stateless_call(weights, state, images, training=training)[0]

        def loss(weights):
            return self._judge(discriminator(weights), real_images, fake_images)[0]

        weights = [ops.convert_to_tensor(variable) for variable in network.trainable_variables]
        averages = _adam_averages(optimizer)
        for step in range(self.unrolled_steps):
            _, gradients = autodiff.gradients_at(loss, weights)
            gradients = autodiff.sum_over_replicas(gradients)
            weights, averages = _next_weights(optimizer, step, weights, gradients, averages)
        return discriminator(weights)

    @checks.arguments(num_images=checks.whole(1), seed=checks.seed())
    def sample(self, num_images, *, seed=None):
        """Fake images for newly drawn latents, without training.

        Args:
            num_images: how many.
            seed: int; the same seed draws the same latents.

        Returns:
            NumPy array `(num_images, ...)`, float32, in [-1, 1] for a tanh generator.

        Raises:
            ValueError: if `num_images` is below 1.
        """
        return self.generate(data.sample_latents(num_images, self.latent_dim, seed=seed))

    def generate(self, latents):
        """Fake images for given latents, in inference mode, 256 at a time.

        Args:
            latents: `(n, latent_dim)`, float.

        Returns:
            NumPy array `(n, ...)`, float32.

        Raises:
            ValueError: if the latents do not fit the generator.
        """
        self.check_latents(latents)
        latents = ops.convert_to_tensor(latents, "float32")
        starts = range(0, latents.shape[0], 256)
        parts = [ops.convert_to_numpy(self.generator(latents[i : i + 256], training=False)) for i in starts]
        return np.concatenate(parts).astype("float32", copy=False)

    def check_latents(self, latents):
        """Raise ValueError unless `latents` has the shape `(n, latent_dim)` of this generator, n at least 1."""
        form = f"n, {self.latent_dim}"
        remedy = f"The generator {self.generator.name!r} takes ({form}): draw them with data.sample_latents({form})."
        checks.array(form, tensor=True, remedy=remedy)("generate()", "latents", latents)

    @contextlib.contextmanager
    def restored(self):
        """Put every variable back at the end of the `with` block: both networks, both optimizers, seeds and metrics."""
        saved = self._copy_variables()
        try:
            yield
        finally:
            for variable, value in saved:
                variable.assign(value)

    def is_finite(self):
        """Whether no weight, no state of an optimizer and no mean of a log is NaN or infinite."""
        return all(np.isfinite(value).all() for _, value in self._copy_variables())

    def _copy_variables(self):
        variables = self.variables + self.generator_optimizer.variables + self.discriminator_optimizer.variables
        return [(variable, np.array(ops.convert_to_numpy(variable))) for variable in variables]

    def _check_images(self, x):
        shape = tuple(self.discriminator.input_shape[1:])
        expected = f"The discriminator {self.discriminator.name!r} takes (n, {', '.join(map(str, shape))}) with n at least 1."
        remedy = "Reshape the data, or build the networks for its size."
        checks.require(x.size and tuple(x.shape[1:]) == shape, f"fit() received data of shape {x.shape}.", expected, remedy)
        if len(shape) == 3:
            images.check_range(x, "fit()")
            if x.min() >= 0.0:
                passed = f"fit() received images from {x.min():.3g} to {x.max():.3g}, with no negative value."
                remedy = "Use images.normalize() on the uint8 pixels, or x * 2 - 1 on images in [0, 1]."
                raise checks.error(passed, "It expects [-1, 1], the range of the generator's tanh.", remedy)
        else:
            remedy = "Remove the broken points and convert with x.astype('float32')."
            checks.array("n, ...", floats=True, remedy=remedy)("fit()", "x", x)

    def _guard_half_steps(self, real_images):
        """Run each half-step once, see who moved, and restore every variable."""
        real_images = ops.convert_to_tensor(real_images, "float32")
        with self.restored():
            with freeze_guard(learning=self.discriminator, frozen=self.generator):
                autodiff.run_on_replicas(self, self.discriminator_step, real_images)
            with freeze_guard(learning=self.generator, frozen=self.discriminator):
                autodiff.run_on_replicas(self, self.generator_step, real_images)


class ShuffledBatches(keras.utils.PyDataset):
    """Batches of an array in a new random order each epoch; the last incomplete batch of an epoch is left out.

    The orders are the successive permutations of `numpy.random.default_rng(seed)`. `fit` uses number 0 for a look at the first
    batch, and number `e + 1` for epoch `e`.

    Args:
        images: `(n, ...)`, float32.
        batch_size: images in one update of D.
        discriminator_steps: D's updates in one step of `fit`; a batch holds `batch_size * discriminator_steps` images.
        seed: int, or None for a seed that is drawn; the attribute `seed` holds the one in use.

    Raises:
        ValueError: if the data does not fill one batch.
    """

    @checks.arguments(images=checks.array("n, ..."), batch_size=checks.whole(1), discriminator_steps=STEPS, seed=checks.seed())
    def __init__(self, images, batch_size, discriminator_steps=1, *, seed=None):
        super().__init__()
        self.images = images.astype("float32", copy=False)
        self.size, self.discriminator_steps = batch_size * discriminator_steps, discriminator_steps
        passed = f"fit() received batch_size={batch_size} for {len(images)} images and {discriminator_steps=}."
        remedy = f"Use a batch size of at most {len(images) // discriminator_steps}, or more data."
        checks.require(self.size <= len(images), passed, "The data must fill a batch for each discriminator step.", remedy)
        self.seed = int(np.random.SeedSequence(seed).entropy)
        self.replicas, self.host, self.hosts = 1, 0, 1
        self.start(0)

    def __len__(self):
        return len(self.images) // self.size

    def __getitem__(self, index):
        rows = self.order[index * self.size : (index + 1) * self.size]
        # A replica gets one run of rows and splits it between D's updates: its rows of each update must lie together.
        rows = rows.reshape(self.discriminator_steps, self.replicas, -1).swapaxes(0, 1)
        return self.images[rows.reshape(self.hosts, -1)[self.host]]

    def start(self, number):
        """Use the permutation of this number, counted from 0, and its successors after it."""
        self.generator = np.random.default_rng(self.seed)
        for _ in range(number + 1):
            self.on_epoch_end()

    def on_epoch_end(self):
        self.order = self.generator.permutation(len(self.images))


class _Watch(keras.callbacks.Callback):
    """Stops a run whose losses or weights are not finite, and lets an interruption wait for the end of an update."""

    def __enter__(self):
        self.saved, self.saved_at, self.epoch, self.last_logs, self.interrupted = [], -np.inf, None, {}, False
        self.in_main = threading.current_thread() is threading.main_thread()  # others get no signals
        self.handler = signal.signal(signal.SIGINT, self._interrupt) if self.in_main else None

    def __exit__(self, kind, error, trace):
        if self.in_main:
            signal.signal(signal.SIGINT, self.handler or signal.SIG_DFL)
        if kind is FloatingPointError:
            for variable, value in self.saved:
                variable.assign(value)
        if kind is None and self.interrupted:  # after the last update
            raise KeyboardInterrupt

    def _interrupt(self, number, frame):
        # On JAX the weights of a running update are nowhere: an interruption there would lose them.
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def on_epoch_begin(self, epoch, logs=None):
        if time.monotonic() - self.saved_at < 1.0:  # epochs of milliseconds need no copy each
            return
        copy = self.model._copy_variables()
        for variable, value in copy:
            if not np.isfinite(value).all():
                self._stop(variable.path, "a NaN or infinite value")
        self.saved, self.saved_at, self.epoch = copy, time.monotonic(), epoch

    def on_train_batch_end(self, batch, logs=None):
        # The logs of the call before are there already: to read the newest would make the device wait for Python.
        self._check(self.last_logs)
        self.last_logs = logs
        if self.interrupted:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        for part in (self.last_logs, logs):
            self._check(part)

    def _check(self, logs):
        for name, value in logs.items():
            if not np.isfinite(float(value)):
                self._stop(name, float(value))

    def _stop(self, name, value):
        rates = [float(o.learning_rate) for o in (self.model.generator_optimizer, self.model.discriminator_optimizer)]
        back = "are broken from the start" if self.epoch is None else f"are back where they were before epoch {self.epoch + 1}"
        raise FloatingPointError(
            f"{name} became {value} in this training. "
            f"Losses and weights must stay finite; both networks and optimizers {back}. "
            f"Likely causes are learning rates that are too high (here {rates[0]:.3g} for G and {rates[1]:.3g} for D), a "
            "Wasserstein loss without clipping or penalty, a logarithm, root or quotient at zero in a loss or layer of your own, "
            "and float16: lower the rates first, compile again, and call fit() again, with a Checkpoint in a new folder."
        )


@checks.arguments(learning=autodiff.MODEL, frozen=autodiff.MODEL)
@contextlib.contextmanager
def freeze_guard(*, learning, frozen):
    """Check with real numbers who learns in a half-step.

    Example:

        with freeze_guard(learning=discriminator, frozen=generator):
            discriminator.train_on_batch(images, labels)

    Only weights that gradients train are compared, whatever their `trainable` flag says; the moving averages of batch
    normalisation may move.

    Args:
        learning: network that must change inside the `with` block.
        frozen: network that must not change.

    Raises:
        RuntimeError: at the end of the block, naming the network, if `learning` stands still, `frozen` moves, or a weight
            becomes NaN.

    Taught in: `03_frog_dcgan`.
    """
    passed = f"freeze_guard() received the network {learning.name!r} as learning and as frozen."
    checks.require(learning is not frozen, passed, "It expects two networks.", "Pass D as one of them and G as the other.")
    before = {network: gradient_weights(network) for network in (learning, frozen)}
    yield
    moved = {}
    for network, old_weights in before.items():
        new_weights = gradient_weights(network)
        moved[network] = max((np.abs(new - old).max() for old, new in zip(old_weights, new_weights)), default=0.0)
        passed = f"A weight of the network {network.name!r} became NaN in this half-step."
        remedy = "Lower the learning rate, or look for a broken image or a logarithm of zero."
        checks.require(not np.isnan(moved[network]), passed, "All weights must stay finite.", remedy, RuntimeError)
    passed = f"The network {learning.name!r} stands still in the half-step in which it should learn."
    expected = "Keras 3 reads `trainable` when a training step is first traced, not at compile()."
    remedy = f"Set `{learning.name}.trainable = True` before its half-step, or give its optimizer its own list of variables."
    checks.require(moved[learning] > 0.0, passed, expected, remedy, RuntimeError)
    passed = f"The network {frozen.name!r} moves by up to {moved[frozen]:.3g} in the half-step of {learning.name!r}."
    remedy = f"Set `{frozen.name}.trainable = False` for this half-step, "
    remedy += f"or give the optimizer the variables of {learning.name!r} only."
    checks.require(moved[frozen] == 0.0, passed, "It must stay as it is there.", remedy, RuntimeError)


def _adam_averages(optimizer):
    """Adam's running means of the gradients and of their squares, as tensors; empty for SGD."""
    if isinstance(optimizer, keras.optimizers.SGD):
        return []
    pairs = zip(optimizer._momentums, optimizer._velocities)
    return [(ops.convert_to_tensor(momentum), ops.convert_to_tensor(velocity)) for momentum, velocity in pairs]


def _next_weights(optimizer, step, weights, gradients, averages):
    """What one update would make of the weights, `step` updates from now, without changing a variable."""
    rate = ops.cast(optimizer.learning_rate, "float32")
    if isinstance(optimizer, keras.optimizers.SGD):
        return [weight - rate * gradient for weight, gradient in zip(weights, gradients)], averages
    count = ops.cast(ops.convert_to_tensor(optimizer.iterations) + step + 1, "float32")
    rate = rate * ops.sqrt(1.0 - optimizer.beta_2**count) / (1.0 - optimizer.beta_1**count)
    new_weights, new_averages = [], []
    for weight, gradient, (momentum, velocity) in zip(weights, gradients, averages):
        momentum = momentum + (1.0 - optimizer.beta_1) * (gradient - momentum)
        velocity = velocity + (1.0 - optimizer.beta_2) * (ops.square(gradient) - velocity)
        # The slope of the root at zero is infinite: the small constant keeps weights without a gradient from giving NaN.
        new_weights.append(weight - rate * momentum / (ops.sqrt(velocity + 1e-20) + optimizer.epsilon))
        new_averages.append((momentum, velocity))
    return new_weights, new_averages


def _outputs(network, inputs):
    """Outputs in training, in float32 also in mixed precision: eight bits are too few for a loss and its mean."""
    return ops.cast(network(inputs, training=True), "float32")


def _length(gradients):
    """Euclidean length of all gradients together."""
    return ops.sqrt(sum(ops.sum(ops.square(gradient)) for gradient in autodiff.sum_over_replicas(gradients)))


@checks.arguments(network=autodiff.MODEL)
def gradient_weights(network):
    """Copies of all weights of a network that gradients can train, frozen or not, as a list of NumPy arrays."""
    # `trainable_weights` would leave out what a flag has frozen, which is just what the guard looks for.
    layers = network._flatten_layers(include_self=True, recursive=True)
    return [np.array(ops.convert_to_numpy(weight)) for layer in layers for weight in layer._trainable_variables]


def _first_batch(x):
    """The images of the first batch of a data set, as a NumPy array; the data set itself is not used up."""
    if isinstance(x, keras.utils.PyDataset):
        batch = x[0] if len(x) else None
    else:
        is_dataset = type(x).__module__.startswith("tensorflow.") and hasattr(x, "element_spec")
        expected = "It takes a NumPy array, a tf.data.Dataset or a keras.utils.PyDataset."
        remedy = "Convert a list or a tensor with numpy.asarray(); wrap a generator in a PyDataset."
        checks.require(is_dataset, f"fit() received data of type {type(x).__name__}.", expected, remedy)
        batch = next(iter(x), None)
    passed, expected = "fit() received a data set without a batch.", "It needs at least one batch of images."
    checks.require(batch is not None, passed, expected, "Check its filter and its source.")
    batch = batch[0] if isinstance(batch, (tuple, list)) else batch
    return checks.as_numpy(batch)


def _check_networks(generator, discriminator):
    for network in (generator, discriminator):
        shapes = [getattr(network, name, None) for name in ("input_shape", "output_shape")]
        passed = f"The network {network.name!r} has inputs of shape {shapes[0]} and outputs of shape {shapes[1]}."
        fits = all(isinstance(shape, tuple) for shape in shapes)
        checks.require(fits, passed, "It must have one input and one output.", "Start it with keras.Input(shape).")
    latents_in, images_out = generator.input_shape, generator.output_shape[1:]
    images_in, logits_out = discriminator.input_shape[1:], discriminator.output_shape
    g, d = f"The generator {generator.name!r}", f"The discriminator {discriminator.name!r}"
    passed = f"{g} takes inputs of shape {latents_in}."
    remedy = "Start it with keras.Input((latent_dim,))."
    checks.require(len(latents_in) == 2, passed, "It must take latents (batch, latent_dim).", remedy)
    passed = f"{g} makes {images_out}, the discriminator {discriminator.name!r} takes {images_in}."
    remedy = "Build both for the same image size and channels."
    checks.require(images_out == images_in, passed, "Both must be one shape.", remedy)
    passed = f"{d} gives outputs of shape {logits_out}."
    remedy = "End it with Flatten() and Dense(1)."
    checks.require(logits_out[1:] == (1,), passed, "It must give one logit an image, (batch, 1).", remedy)
    last = discriminator
    while getattr(last, "layers", None):
        last = last.layers[-1]
    fits = getattr(last, "activation", None) is not keras.activations.sigmoid
    expected = "The losses of gan_utils take logits, which have no bounds; a sigmoid before them would be applied twice."
    checks.require(fits, f"{d} ends with a sigmoid.", expected, "Remove the activation of its last layer.")


def _check_split(size, steps, devices):
    parts = steps * devices
    enough = parts * (size // parts + 1)
    passed = f"fit() received batches of {size} images for {steps} discriminator steps, "
    passed += f"{size / steps:g} images for each update of D and {devices} devices."
    expected = f"Each update and each device takes an equal part, so the size must be a multiple of {parts}."
    remedy = f"Use .batch({enough}) in a data set, batch_size={enough // steps} with an array."
    checks.require(size % parts == 0, passed, expected, remedy)


def _check_compile(generator_optimizer, discriminator_optimizer, options):
    passed = "compile() received generator_optimizer and discriminator_optimizer as one object."
    expected = "Each network needs its own, because an optimizer keeps averages of the gradients of its variables."
    checks.require(generator_optimizer is not discriminator_optimizer, passed, expected, "Create two.")
    jit_compile = checks.FLAG if options.get("jit_compile") != "auto" else checks.TEXT
    rules = {"steps_per_execution": checks.whole(1), "run_eagerly": checks.FLAG, "jit_compile": jit_compile}
    for name, value in options.items():
        checks.choice(rules, "The others of keras.Model.compile() do not apply to a GAN.")("compile()", "option", name)
        rules[name]("compile()", name, value)


def _check_unrolled_steps(unrolled_steps, optimizer, order):
    passed = f"compile() received unrolled_steps={unrolled_steps} and order='simultaneous'."
    remedy = "Use order='discriminator_first'."
    checks.require(order != "simultaneous", passed, "The look-ahead needs a half-step of G alone.", remedy)
    plain = type(optimizer) in (keras.optimizers.SGD, keras.optimizers.Adam)
    settings = ("momentum", "amsgrad", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema")
    extras = [name for name in settings if getattr(optimizer, name, None)]
    passed = f"unrolled_steps={unrolled_steps} received the discriminator optimizer {optimizer.name!r} "
    passed += f"with {extras or 'a rule of its own'}."
    remedy = "Use keras.optimizers.Adam(2e-4, beta_1=0.5) or keras.optimizers.SGD(0.01) without further settings."
    fits = plain and not extras
    checks.require(fits, passed, "The look-ahead knows the updates of plain SGD and of plain Adam.", remedy)
