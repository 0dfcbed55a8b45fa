"""Adversarial training: `GAN`, a `keras.Model`, and the guard that watches who learns."""

import contextlib
import copy
import numbers
import random

import keras
import numpy as np
from keras import ops

from gan_utils import autodiff, checks, data, images, losses, monitors

ONE_OPTIMIZER = ("LearningRateScheduler", "ReduceLROnPlateau", "SwapEMAWeights")
LOGS = ("discriminator_loss", "generator_loss", "d_real", "d_fake")


@keras.saving.register_keras_serializable("gan_utils")
class GAN(keras.Model):
    """A generator and a discriminator that are trained against each other.

    Example:

        gan = GAN(generator, discriminator, seed=1)
        gan.compile(keras.optimizers.Adam(2e-4, 0.5), keras.optimizers.Adam(2e-4, 0.5))
        gan.fit(images, batch_size=64, epochs=20)
        fake_images = gan.sample(16)

    Callbacks, `steps_per_execution`, `jit_compile`, `save` and `load_model` are those of
    `keras.Model`. For the networks alone use `gan.generator.save(path)`.

    Args:
        generator: model, latents `(batch, latent_dim)` -> images in [-1, 1], or points.
        discriminator: model, images -> logits `(batch, 1)`, without a sigmoid.
        seed: int or None, for latents, penalties and the order of the data. None takes one from
            Python's random numbers, which `keras.utils.set_random_seed` sets.

    Raises:
        ValueError: if the shapes of the two networks do not fit.

    Source: Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1. Taught in: `02_vanilla_gan`,
    `03_frog_dcgan`.
    """

    def __init__(self, generator, discriminator, *, seed=None, name="gan"):
        super().__init__(name=name)
        _check_networks(generator, discriminator)
        seed = random.randrange(2**31) if seed is None else seed
        self.generator, self.discriminator = generator, discriminator
        self.latent_dim = generator.input_shape[-1]
        self.seed = _check_int("seed", seed, 0)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.trackers = [keras.metrics.Mean(name=name) for name in LOGS]
        self.built = True

    def compile(
        self,
        generator_optimizer,
        discriminator_optimizer,
        loss="non_saturating",
        *,
        penalty=None,
        discriminator_steps=1,
        **kwargs,
    ):
        """Configure training.

        Args:
            generator_optimizer: `keras.optimizers.Optimizer`.
            discriminator_optimizer: another one.
            loss: a family of `losses.FAMILIES`, or a pair `(discriminator_loss, generator_loss)`.
            penalty: function `(discriminator, real_images, fake_images, *, seed) -> scalar`, added
                to D's loss.
            discriminator_steps: D's updates for one of G; each takes its own part of the data.
            **kwargs: `steps_per_execution`, `jit_compile`, `run_eagerly` of `keras.Model.compile`.
                `jit_compile` is True on JAX and False on TensorFlow by default: on two CPU cores
                XLA made convolutional steps two to four times slower.

        Raises:
            ValueError: if an argument does not fit.
        """
        optimizers = [generator_optimizer, discriminator_optimizer]
        _check_compile(self, optimizers, penalty, kwargs)
        self.discriminator_steps = _check_int("discriminator_steps", discriminator_steps)
        self.discriminator_loss, self.generator_loss = losses.get(loss)
        # Critics give scores, not probabilities: they are logged as they are.
        self.log_scores = self.discriminator_loss is losses.wasserstein_discriminator_loss
        for optimizer, network in zip(optimizers, (self.generator, self.discriminator)):
            optimizer.build(network.trainable_variables)
        jit = autodiff.BACKEND == "jax" and not kwargs.get("run_eagerly")
        super().compile(optimizers[0], **{"jit_compile": jit, **kwargs})
        self.generator_optimizer, self.discriminator_optimizer = optimizers
        self.arguments = {"optimizers": optimizers, "loss": loss, "penalty": penalty, **kwargs}
        self.arguments["discriminator_steps"] = self.discriminator_steps
        self.penalty, self.flags, self.checked = penalty, self._read_flags(), False

    @property
    def metrics(self):
        return self.trackers

    @property
    def non_trainable_variables(self):
        # Keras's JAX trainer carries the variables of one optimizer; the second one travels here.
        optimizer = getattr(self, "discriminator_optimizer", None)
        return super().non_trainable_variables + (optimizer.variables if optimizer else [])

    def call(self, inputs, training=False):
        """Fake images for latents `inputs`."""
        return self.generator(inputs, training=training)

    def fit(
        self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, **kwargs
    ):
        """Train on real images.

        Before the first update the data is checked, and whether each network can learn. The
        batches of a data set are checked as they come.

        Args:
            x: array `(n, height, width, channels)`, float in [-1, 1], or points `(n, d)`; or a
                `tf.data.Dataset` or `keras.utils.PyDataset` of such batches (labels beside the
                images are left aside). An array is shuffled anew each epoch, and what does not
                fill a batch at its end is left out.
            y: must stay None.
            batch_size: images in one update of D, 32 by default; with an array only. A step of
                `fit` is one update of G and `discriminator_steps` of D. A batch of a data set is
                split between D's updates instead.
            epochs, verbose, callbacks: of `keras.Model.fit`.
            **kwargs: `initial_epoch`; with a data set `steps_per_epoch` and `shuffle`.

        Returns:
            `keras.callbacks.History` with the means over each epoch of `discriminator_loss`,
            `generator_loss`, `d_real` (mean D(x), or mean score) and `d_fake` (mean D(G(z))).

        Raises:
            ValueError: if an argument or the data does not fit, or a network cannot learn.
            FloatingPointError: if a loss becomes NaN or infinite. Both networks and optimizers are
                back where they were when an epoch began; of short epochs one a second is kept.
        """
        is_list = isinstance(callbacks, keras.callbacks.CallbackList)
        callbacks = keras.tree.flatten((callbacks.callbacks if is_list else callbacks) or [])
        options = {"y": y, "batch_size": batch_size, **kwargs}
        _check_fit(self, callbacks, options, isinstance(x, np.ndarray))
        self.problem, watch = None, monitors.Watch()
        self.batches, first_batch = self._prepare(x, batch_size)
        _check_split(len(first_batch), self.discriminator_steps, autodiff.num_devices(self))
        self._check_learning(first_batch[:8])
        for callback in callbacks:
            if isinstance(callback, monitors.Checkpoint):
                first_epoch = callback.resume(self, epochs, kwargs.get("initial_epoch", 0))
                kwargs["initial_epoch"] = first_epoch
        if start := getattr(self.batches, "start", None):
            callbacks.append(keras.callbacks.LambdaCallback(on_epoch_begin=lambda e, _: start(e)))
        options = {"callbacks": [watch, *callbacks], "verbose": verbose, "shuffle": False, **kwargs}
        try:
            return super().fit(self.batches, epochs=epochs, **options)
        except BaseException as error:
            # JAX has given the old weights away while an update runs.
            if isinstance(error, FloatingPointError) or autodiff.BACKEND == "jax":
                watch.restore()
            raise (self.problem or error) from None

    def evaluate(self, *args, **kwargs):
        raise NotImplementedError("A GAN has no loss that measures it: use features.evaluate().")

    def train_step(self, *args):
        return autodiff.run_train_step(self, self._train_on, *args)

    def _train_on(self, real_images):
        logs = self.update(ops.cast(_first(real_images), "float32"))
        for tracker in self.trackers:
            tracker.update_state(logs[tracker.name])
        return logs

    def update(self, real_images):
        """One update of G after `discriminator_steps` of D. Returns the logs.

        A subclass may change the order:
        `return {**self.generator_step(real_images), **self.discriminator_step(real_images)}`.
        """
        part = ops.shape(real_images)[0] // self.discriminator_steps
        for i in range(self.discriminator_steps):
            logs = self.discriminator_step(real_images[i * part : (i + 1) * part])
        return {**logs, **self.generator_step(real_images[:part])}

    def discriminator_step(self, real_images):
        """One update of D: G only draws. Returns its loss, `d_real` and `d_fake`."""
        fake_images = ops.stop_gradient(self.draw(ops.shape(real_images)[0]))

        def loss():
            return self.judge(real_images, fake_images)

        value, logits = autodiff.learn(self.discriminator, self.discriminator_optimizer, loss)
        d_real, d_fake = (ops.mean(s if self.log_scores else ops.sigmoid(s)) for s in logits)
        return {"discriminator_loss": value, "d_real": d_real, "d_fake": d_fake}

    def generator_step(self, real_images):
        """One update of G through a D that stays as it is. Returns the log `generator_loss`."""

        def loss():
            return self.judge_generator(real_images, self.draw(ops.shape(real_images)[0])), None

        value, _ = autodiff.learn(self.generator, self.generator_optimizer, loss)
        return {"generator_loss": value}

    def draw(self, num_images):
        """Fake images for new latents, as G makes them in training."""
        latents = autodiff.draw_rows(
            lambda n: data.sample_latents(n, self.latent_dim, seed=self.seed_generator), num_images
        )
        return _outputs(self.generator, latents)

    def judge(self, real_images, fake_images):
        """D's loss with its penalty, and the logits `(real, fake)`."""
        logits = (
            _outputs(self.discriminator, real_images),
            _outputs(self.discriminator, fake_images),
        )
        value = self.discriminator_loss(*logits)
        if self.penalty is not None:
            value += self.penalty(
                self.discriminator, real_images, fake_images, seed=self.seed_generator
            )
        return value, logits

    def judge_generator(self, real_images, fake_images):
        """G's loss."""
        fake_logits = real_logits = _outputs(self.discriminator, fake_images)
        # The families of `losses` judge G by its fakes alone; a loss of your own may compare.
        if self.generator_loss not in [pair[1] for pair in losses.FAMILIES.values()]:
            real_logits = _outputs(self.discriminator, real_images)
        return self.generator_loss(real_logits, fake_logits)

    def sample(self, num_images, *, seed=None):
        """Fake images for newly drawn latents, without training.

        Args:
            num_images: how many.
            seed: int; the same seed draws the same latents.

        Returns:
            NumPy array `(num_images, ...)`, float32, in [-1, 1] for a tanh generator.
        """
        _check_int("num_images", num_images)
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
        latents = checks.as_numpy(latents)
        remedy = f"Draw them with data.sample_latents(n, {self.latent_dim})."
        checks.check_array("generate()", "latents", latents, (None, self.latent_dim), remedy=remedy)
        autodiff.sync_variables(self)  # a callback may ask in the middle of an epoch
        latents = latents.astype("float32")
        starts = range(0, len(latents), 256)
        parts = [self.generator(latents[i : i + 256], training=False) for i in starts]
        return np.concatenate([ops.convert_to_numpy(part) for part in parts]).astype("float32")

    @contextlib.contextmanager
    def restored(self):
        """Put every variable back at the end of the `with` block: networks, optimizers, seeds."""
        saved = self.copy_variables()
        try:
            yield
        finally:
            for variable, value in saved:
                variable.assign(value)

    def copy_variables(self):
        """Pairs of each variable of networks, optimizers and seeds with a copy of its value."""
        optimizers = self.generator_optimizer, self.discriminator_optimizer
        variables = self.variables + optimizers[0].variables + optimizers[1].variables
        return [(v, np.array(ops.convert_to_numpy(v))) for v in variables]

    def _seeds(self):
        return [v for v in self.variables if v.path.endswith("seed_generator_state")]

    def save_own_variables(self, store):  # Keras saves no states of seeds
        store["seeds"] = np.array([ops.convert_to_numpy(seed) for seed in self._seeds()])

    def load_own_variables(self, store):
        for seed, value in zip(self._seeds(), store["seeds"]):
            seed.assign(value)

    def get_config(self):
        pack = keras.saving.serialize_keras_object
        networks = {"generator": pack(self.generator), "discriminator": pack(self.discriminator)}
        return {**networks, "seed": self.seed, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**keras.saving.deserialize_keras_object(config, custom_objects))

    def get_compile_config(self):
        return keras.saving.serialize_keras_object(self.arguments)

    def compile_from_config(self, config):
        config = keras.saving.deserialize_keras_object(config)
        self.compile(*config.pop("optimizers"), **config)

    def check_images(self, x, caller="fit()"):
        """Raise ValueError unless D can be trained on `x`, a batch or all of the data."""
        shape = self.discriminator.input_shape[1:]
        remedy = f"D takes {('n', *shape)}: reshape the data, or build the networks for its size."
        if len(shape) < 3:
            checks.check_array(caller, "points", x, (None, *shape), remedy=remedy)
            return
        passed = f"{caller} received images of shape {x.shape}, D takes {('n', *shape)}."
        checks.require(x.size and x.shape[1:] == shape, passed, remedy)
        images.check_range(x, caller, whole_set=True)

    def _prepare(self, x, batch_size):
        """The batches for `fit`, each checked before it is used, and the first one."""
        if isinstance(x, np.ndarray):
            self.check_images(x)
            size = _check_int("batch_size", 32 if batch_size is None else batch_size)
            batches = ShuffledBatches(x, size, self.discriminator_steps, seed=self.seed)
            first = batches[0]  # which may not split between replicas
            batches.replicas = autodiff.num_replicas(self)
            return batches, first
        if isinstance(x, keras.utils.PyDataset):

            class Watched(type(x)):
                def __getitem__(dataset, index):
                    return self._look(index, _first(super().__getitem__(index)))

            batches = copy.copy(x)
            batches.__class__ = Watched
            return batches, batches[0]
        passed = (
            f"fit() received data of type {type(x).__name__}, not a NumPy array, tf.data.Dataset "
        )
        remedy = "or keras.utils.PyDataset. Convert lists and tensors with numpy.asarray()."
        checks.require(hasattr(x, "element_spec"), passed + remedy)
        first = [self._look(0, np.asarray(_first(batch))) for batch in x.take(1)]
        return autodiff.map_dataset(x, _first, self._look), first[0] if first else ()

    def _look(self, number, batch):
        """A batch as float32, once it is known to fit."""
        place = f"fit(), in batch {number + 1},"
        try:
            _check_split(len(batch), self.discriminator_steps, 1, place)
            passed = (
                f"{place} received {batch.dtype} up to {np.max(batch):.4g}, not floats in [-1, 1]."
            )
            remedy = "Use .map(lambda x: tf.cast(x, 'float32') / 127.5 - 1.0) on the data set."
            pixels = batch.dtype.kind != "f" or (batch.ndim > 2 and np.max(batch) > 2.0)
            checks.require(not pixels, passed, remedy)
            self.check_images(batch, place)
        except ValueError as error:
            self.problem = self.problem or error  # the backend raises its own error in its place
            raise
        return batch.astype("float32", copy=False)

    def _check_learning(self, real):
        """Refuse a network that no gradient reaches, and a D with bounded outputs."""
        message = "The `trainable` flags of a network have changed since compile(), which gave its "
        message += "optimizer a list of variables: call compile() again."
        checks.require(self.flags == self._read_flags(), message)
        if self.checked or autodiff.num_replicas(self) > 1:
            return
        with self.restored():
            fakes = self.draw(len(real))
            # A last layer that starts at zero would hide G from every gradient.
            _disturb(self.discriminator, 0.05)
            _check_gradient(self.discriminator, lambda: self.judge(real, fakes))
            judge_fakes = self.judge_generator
            _check_gradient(self.generator, lambda: (judge_fakes(real, self.draw(len(real))), None))
            _check_bounds(self.discriminator, real, 0.0 if self.log_scores else -1.0)
        self.checked = True

    def _read_flags(self):
        variables = self.generator.trainable_variables, self.discriminator.trainable_variables
        return [[id(variable) for variable in part] for part in variables]


class ShuffledBatches(keras.utils.PyDataset):
    """Batches of an array in a new random order each epoch, without the incomplete last one.

    The order of epoch e, counted from 0, is the permutation of
    `numpy.random.default_rng((seed, e))`.

    Args:
        images: `(n, ...)`, float.
        batch_size: images in one update of D.
        discriminator_steps: D's updates in one step; a batch holds images for all of them.
        seed: int.

    Raises:
        ValueError: if the data does not fill one batch.
    """

    def __init__(self, images, batch_size, discriminator_steps=1, *, seed=0):
        super().__init__()
        self.images = images.astype("float32", copy=False)
        self.steps, self.size = discriminator_steps, batch_size * discriminator_steps
        message = f"fit() received {batch_size=} for {len(images)} images, {discriminator_steps=}: "
        message += f"the data must fill a batch, use at most {len(images) // discriminator_steps}."
        checks.require(self.size <= len(images), message)
        self.seed, self.replicas = seed, 1
        self.start(0)

    def __len__(self):
        return len(self.images) // self.size

    def __getitem__(self, index):
        rows = self.order[index * self.size : (index + 1) * self.size]
        # A replica gets one run of rows and splits it between D's updates: its rows of each update
        # must lie together.
        return self.images[rows.reshape(self.steps, self.replicas, -1).swapaxes(0, 1).ravel()]

    def start(self, epoch):
        """Use the order of this epoch."""
        self.order = np.random.default_rng((self.seed, epoch)).permutation(len(self.images))


@contextlib.contextmanager
def freeze_guard(*, learning, frozen):
    """Check with real numbers who learns in a half-step.

    Example:

        with freeze_guard(learning=discriminator, frozen=generator):
            discriminator.train_on_batch(images, labels)

    Only weights that gradients train are compared, whatever their `trainable` flag says. Moving
    averages may move, and so may kernels that spectral normalisation sets itself.

    Args:
        learning: network that must change inside the `with` block.
        frozen: network that must not change.

    Raises:
        RuntimeError: at the end of the block, naming the network, if `learning` stands still,
            `frozen` moves, or a weight becomes NaN.

    Taught in: `03_frog_dcgan`.
    """
    networks = learning, frozen
    before = [gradient_weights(network) for network in networks]
    yield
    pairs = [zip(old, gradient_weights(network)) for old, network in zip(before, networks)]
    moved = [max((np.abs(a - b).max() for a, b in pair), default=0.0) for pair in pairs]
    passed = "A weight became NaN in this half-step."
    remedy = "Lower the rate, or look for broken images."
    checks.require(not np.isnan(moved).any(), passed, remedy, kind=RuntimeError)
    passed = (
        f"The network {learning.name!r} stands still in the half-step in which it should learn."
    )
    remedy = "Keras 3 reads `trainable` when a step is first traced, not at compile(). Set "
    remedy += f"`{learning.name}.trainable = True` before its half-step."
    checks.require(moved[0] > 0.0, passed, remedy, kind=RuntimeError)
    passed = (
        f"The network {frozen.name!r} moves by up to {moved[1]:.3g}, where it must stay as it is."
    )
    remedy = f"Set `{frozen.name}.trainable = False`, or give the optimizer a list of variables."
    checks.require(moved[1] == 0.0, passed, remedy, kind=RuntimeError)


def gradient_weights(network):
    """Copies of all weights that gradients can train, frozen or not, as a list of NumPy arrays."""
    # Not `trainable_weights`: it leaves out what a flag has frozen, which the guard looks for.
    spectral = keras.layers.SpectralNormalization
    own = [layer.kernel for layer in losses._walk(network) if isinstance(layer, spectral)]
    own = {id(kernel) for kernel in own}  # set by the layer itself at each call in training
    states = ("moving_mean", "moving_variance", "vector_u")
    weights = [w for w in network.weights if not w.path.endswith(states) and id(w) not in own]
    return [np.array(ops.convert_to_numpy(weight)) for weight in weights]


def _first(batch):
    """The images of a batch `images` or `(images, labels)`."""
    keys = ", ".join(map(repr, batch)) if isinstance(batch, dict) else ""
    passed = f"fit() received batches that are mappings with the keys {keys}, not images."
    remedy = f"Use .map(lambda batch: batch[{keys.split(', ')[0]}]) on the data set."
    checks.require(not keys, passed, remedy)
    return batch[0] if isinstance(batch, (tuple, list)) else batch


def _outputs(network, inputs):
    """Outputs in training, in float32 also in mixed precision, as a loss needs them."""
    return ops.cast(network(inputs, training=True), "float32")


def _check_int(name, value, smallest=1):
    fits = isinstance(value, numbers.Integral) and not isinstance(value, bool) and value >= smallest
    remedy = (
        f"It must be an int of at least {smallest}: write for example {name}={max(1, smallest)}."
    )
    checks.require(fits, f"GAN received {name}={value!r:.80}.", remedy)
    return int(value)


def _check_networks(generator, discriminator):
    for network in (generator, discriminator):
        shapes = [getattr(network, name, None) for name in ("input_shape", "output_shape")]
        fits = isinstance(network, keras.Model) and all(isinstance(s, tuple) for s in shapes)
        passed = f"GAN() received {network!r:.80}, not a keras.Model with one input and one output."
        checks.require(fits, passed, "Start it with keras.Input(shape).")
    latents, made = generator.input_shape, generator.output_shape[1:]
    taken, logits = discriminator.input_shape[1:], discriminator.output_shape[1:]
    passed = f"The generator takes {latents}, not latents (batch, n)."
    checks.require(len(latents) == 2, passed, "Start it with keras.Input((n,)).")
    passed = f"The generator makes {made}, the discriminator takes {taken}."
    checks.require(made == taken, passed, "Both must be one shape: build both for one image size.")
    passed = f"The discriminator gives {logits} an image, not one logit."
    checks.require(logits == (1,), passed, "End it with Flatten() and Dense(1).")


def _disturb(network, scale):
    random = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign_add(scale * random.standard_normal(variable.shape))


def _check_gradient(network, loss):
    gradients = autodiff.value_and_gradients(loss, network.trainable_variables)[2]
    passed = f"No gradient reaches the network {network.name!r}, which would stand still."
    remedy = "Set `trainable = True` before compile(), or look for what cuts its path."
    learns = any(np.any(ops.convert_to_numpy(gradient)) for gradient in gradients)
    checks.require(learns, passed, remedy)


def _check_bounds(discriminator, real_images, low):
    """Refuse outputs that stay in [low, 1] whatever the weights are. Changes the weights."""
    outputs = []
    for _ in range(3):
        _disturb(discriminator, 10.0)
        outputs.append(ops.convert_to_numpy(_outputs(discriminator, real_images)))
    passed = "The discriminator ends with a sigmoid or another bounded function; the losses take "
    remedy = "logits, which have no bounds. End it with Dense(1) and no activation."
    checks.require(np.min(outputs) < low or np.max(outputs) > 1.0, passed + remedy)


def _check_split(size, steps, devices, caller="fit()"):
    parts = steps * devices
    passed = (
        f"{caller} received a batch of {size} images for {steps} updates of D, {devices} devices."
    )
    remedy = f"Each takes an equal part: make it a multiple of {parts}, with drop_remainder=True."
    checks.require(size and size % parts == 0, passed, remedy)


def _check_compile(gan, optimizers, penalty, options):
    fits = all(isinstance(optimizer, keras.optimizers.Optimizer) for optimizer in optimizers)
    passed = f"compile() received the optimizers {optimizers!r:.160}."
    remedy = "It takes two, each with averages of its own: write keras.optimizers.Adam(2e-4, 0.5)."
    checks.require(fits and optimizers[0] is not optimizers[1], passed, remedy)
    known = ("steps_per_execution", "run_eagerly", "jit_compile")
    names = [name for name in options if name not in known]
    names += ["use_ema"] * any(getattr(optimizer, "use_ema", False) for optimizer in optimizers)
    names += [f"penalty={penalty!r:.80}"] * (penalty is not None and not callable(penalty))
    remedy = f"It takes a function as penalty, and of Keras's options {', '.join(known)} only."
    checks.require(not names, f"compile() received {', '.join(names)}.", remedy)
    scaled = [isinstance(o, keras.optimizers.LossScaleOptimizer) for o in optimizers]
    passed = "compile() received a LossScaleOptimizer or networks in float16, which need one."
    remedy = "Two losses are not scaled together: use the policy mixed_bfloat16."
    half = "float16" in (gan.generator.compute_dtype, gan.discriminator.compute_dtype)
    checks.require(not any(scaled) and not half, passed, remedy)


def _check_fit(gan, callbacks, options, is_array):
    message = "fit() was called before gan.compile(generator_optimizer, discriminator_optimizer)."
    checks.require(gan.compiled, message, "Call it first.")
    known = ("initial_epoch", "shuffle", "batch_size" if is_array else "steps_per_epoch")
    names = [name for name, value in options.items() if name not in known and value is not None]
    passed = f"fit() received {', '.join(names)}. A GAN has no labels and no validation loss; an "
    remedy = (
        "array is passed through once an epoch, and a data set makes its own batches: leave it out."
    )
    checks.require(not names, passed + remedy)
    kinds = tuple(getattr(keras.callbacks, name) for name in ONE_OPTIMIZER)
    names = [type(callback).__name__ for callback in callbacks if isinstance(callback, kinds)]
    remedy = "It would act on G's optimizer only: use keras.optimizers.schedules in each optimizer."
    checks.require(not names, f"fit() received {', '.join(names)}.", remedy)
