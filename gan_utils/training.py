"""Adversarial training: `GAN`, a `keras.Model`."""

import random

import keras
import numpy as np
from keras import ops

from gan_utils import autodiff, checks, data, images, losses, monitors

ONE_OPTIMIZER = {"LearningRateScheduler", "ReduceLROnPlateau", "SwapEMAWeights"}
LOGS = ("discriminator_loss", "generator_loss", "d_real", "d_fake")


class GAN(keras.Model):
    """A generator and a discriminator that are trained against each other.

    Example:

        gan = GAN(generator, discriminator, seed=1)
        gan.compile(keras.optimizers.Adam(2e-4, 0.5), keras.optimizers.Adam(2e-4, 0.5))
        gan.fit(images, batch_size=64, epochs=20)
        fake_images = gan.sample(16)

    Callbacks and `save_weights` are those of `keras.Model`. Save the networks with
    `gan.generator.save(path)`, a run that should go on with `monitors.Checkpoint`.

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
        self.seed = checks.check_int("GAN()", "seed", seed, 0)
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
        steps_per_execution=1,
        run_eagerly=False,
        jit_compile=None,
    ):
        """Configure training.

        Args:
            generator_optimizer: `keras.optimizers.Optimizer`.
            discriminator_optimizer: another one.
            loss: a family of `losses.FAMILIES`, or a pair `(discriminator_loss, generator_loss)`.
            penalty: function `(discriminator, real_images, fake_images, *, seed) -> scalar`, added
                to D's loss.
            discriminator_steps: D's updates for one of G; each takes its own part of the data.
            steps_per_execution, run_eagerly: of `keras.Model.compile`.
            jit_compile: of `keras.Model.compile`; by default True on JAX and False on TensorFlow:
                on two CPU cores XLA made convolutional steps two to four times slower.

        Raises:
            ValueError: if an argument does not fit.
        """
        optimizers = [generator_optimizer, discriminator_optimizer]
        _check_compile(self, optimizers)
        steps = checks.check_int("compile()", "discriminator_steps", discriminator_steps)
        self.discriminator_steps, self.penalty = steps, penalty
        self.discriminator_loss, self.generator_loss = losses.get(loss)
        # Critics give scores, not probabilities: they are logged as they are.
        self.log_scores = self.discriminator_loss is losses.wasserstein_discriminator_loss
        for optimizer, network in zip(optimizers, (self.generator, self.discriminator)):
            optimizer.build(network.trainable_variables)
        jit = autodiff.BACKEND == "jax" and not run_eagerly if jit_compile is None else jit_compile
        options = {"steps_per_execution": steps_per_execution, "run_eagerly": run_eagerly}
        super().compile(optimizers[0], jit_compile=jit, **options)
        self.generator_optimizer, self.discriminator_optimizer = optimizers
        self.checked, self.trained = False, [id(v) for v in self.trainable_variables]

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

        Before the first update the data is checked, and whether each network can learn. Of a data
        set only the first batch is checked.

        Args:
            x: array `(n, height, width, channels)`, float in [-1, 1], or points `(n, d)`; or a
                `tf.data.Dataset` or `keras.utils.PyDataset` of such batches (labels beside the
                images are left aside). An array is shuffled anew each epoch, and what does not
                fill a batch at its end is left out.
            y: must stay None.
            batch_size: images in one update of D, 32 by default; with an array only. A step of
                `fit` is one update of G and `discriminator_steps` of D. A batch of a data set is
                split evenly between D's updates instead, and a remainder is left out.
            epochs, verbose, callbacks: of `keras.Model.fit`.
            **kwargs: `initial_epoch`; with a data set `steps_per_epoch`.

        Returns:
            `keras.callbacks.History` with the means over each epoch of `discriminator_loss`,
            `generator_loss`, `d_real` (mean D(x), or mean score) and `d_fake` (mean D(G(z))).

        Raises:
            ValueError: if an argument or the data does not fit, or a network cannot learn.
            FloatingPointError: if a loss becomes NaN or infinite. Both networks and optimizers are
                back where they were when an epoch began; of short epochs one a second is kept.
        """
        callbacks, watch = keras.tree.flatten(callbacks or []), monitors.Watch()
        options = {"y": y, "batch_size": batch_size, **kwargs}
        _check_fit(self, callbacks, options, isinstance(x, np.ndarray))
        autodiff.check_one_device(self)
        self.batches, first_batch = self._prepare(x, batch_size)
        self._check_learning(first_batch[:8])
        for callback in callbacks:
            if isinstance(callback, monitors.Checkpoint):
                first_epoch = callback.resume(self, epochs, kwargs.get("initial_epoch", 0))
                kwargs["initial_epoch"] = first_epoch
        if isinstance(self.batches, ShuffledBatches):
            callbacks.append(keras.callbacks.LambdaCallback(on_epoch_begin=self.batches.start))
        options = {"verbose": verbose, "callbacks": [watch, *callbacks], "shuffle": False, **kwargs}
        try:
            return super().fit(self.batches, epochs=epochs, **options)
        except BaseException as error:
            # JAX has given the old weights away while an update runs.
            if isinstance(error, FloatingPointError) or autodiff.BACKEND == "jax":
                autodiff.assign(watch.saved)
            raise

    def evaluate(self, *args, **kwargs):
        raise NotImplementedError("A GAN has no loss that measures it: use features.evaluate().")

    def get_config(self):  # saving, copying and cloning ask for it
        what = "gan.generator.save(path) and gan.discriminator.save(path)"
        raise NotImplementedError(f"Save {what}; for a run that goes on use monitors.Checkpoint.")

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
        latents = data.sample_latents(num_images, self.latent_dim, seed=self.seed_generator)
        return _outputs(self.generator, latents)

    def judge(self, real_images, fake_images):
        """D's loss with its penalty, and the logits `(real, fake)`."""
        discriminator, batches = self.discriminator, (real_images, fake_images)
        logits = [_outputs(discriminator, batch) for batch in batches]
        value = self.discriminator_loss(*logits)
        if self.penalty is not None:
            value += self.penalty(discriminator, *batches, seed=self.seed_generator)
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
        return self.generate(data.sample_latents(num_images, self.latent_dim, seed=seed))

    def generate(self, latents):
        """Fake images for given latents, in inference mode.

        Args:
            latents: `(n, latent_dim)`, float.

        Returns:
            NumPy array `(n, ...)`, float32.

        Raises:
            ValueError: if the latents do not fit the generator.
        """
        shape, remedy = (None, self.latent_dim), "Draw them with data.sample_latents()."
        latents = checks.check_array("generate()", "latents", latents, shape, remedy=remedy)
        autodiff.sync_variables(self)  # a callback may ask in the middle of an epoch
        return autodiff.run_in_parts(self.generator, latents)[0].astype("float32")

    def copy_variables(self):
        """Pairs of each variable of networks, optimizers and seeds with a copy of its value."""
        optimizers = self.generator_optimizer, self.discriminator_optimizer
        variables = self.variables + optimizers[0].variables + optimizers[1].variables
        return [(v, np.array(ops.convert_to_numpy(v))) for v in variables]

    def _prepare(self, x, batch_size):
        """The batches for `fit`, and the first one, once the data is known to fit."""
        if isinstance(x, np.ndarray):
            self._check_images(x)
            size = checks.check_int("fit()", "batch_size", 32 if batch_size is None else batch_size)
            batches = ShuffledBatches(x, size, self.discriminator_steps, seed=self.seed)
            return batches, batches[0]
        is_sequence = isinstance(x, keras.utils.PyDataset)
        passed = f"fit() received data of type {type(x).__name__}."
        expected = "It takes a NumPy array, a tf.data.Dataset or a keras.utils.PyDataset."
        remedy = "Convert lists and tensors with numpy.asarray()."
        checks.require(is_sequence or hasattr(x, "element_spec"), passed, expected, remedy)
        first = np.asarray(_first(x[0] if is_sequence else next(iter(x), np.empty(0))))
        self._check_images(first)
        return x, first.astype("float32")

    def _check_images(self, x):
        """Raise ValueError unless D can be trained on `x`, a batch or all of the data."""
        shape = self.discriminator.input_shape[1:]
        remedy = f"D takes {('n', *shape)}: reshape the data, or build the networks for its size."
        checks.check_array("fit()", "data", x, (None, *shape), remedy=remedy)
        if len(shape) == 3:
            images.check_range(x, "fit()", whole_set=True)

    def _check_learning(self, real):
        """Refuse a network that no gradient reaches, and a D with bounded outputs."""
        message = "The `trainable` flags have changed since compile(): call compile() again."
        checks.require(self.trained == [id(v) for v in self.trainable_variables], message)
        if self.checked:
            return
        saved, n = self.copy_variables(), len(real)
        try:
            # A last layer that starts at zero would hide G from every gradient.
            _disturb(self.discriminator, 0.05)
            _check_gradient(self.discriminator, lambda: self.judge(real, self.draw(n))[0])
            _check_gradient(self.generator, lambda: self.judge_generator(real, self.draw(n)))
            _check_bounds(self.discriminator, real, 0.0 if self.log_scores else -1.0)
        finally:
            autodiff.assign(saved)
        self.checked = True


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
        self.size = batch_size * discriminator_steps
        passed = f"fit() received {batch_size=} for {len(images)} images, {discriminator_steps=}."
        remedy = f"The data must fill a batch: use at most {len(images) // discriminator_steps}."
        checks.require(self.size <= len(images), passed, remedy)
        self.seed = seed
        self.start(0)

    def __len__(self):
        return len(self.images) // self.size

    def __getitem__(self, index):
        return self.images[self.order[index * self.size : (index + 1) * self.size]]

    def start(self, epoch, logs=None):
        """Use the order of this epoch."""
        self.order = np.random.default_rng((self.seed, epoch)).permutation(len(self.images))


def _first(batch):
    """The images of a batch `images` or `(images, labels)`."""
    if isinstance(batch, dict):
        keys = ", ".join(map(repr, batch))
        remedy = f"use .map(lambda batch: batch[{next(iter(batch))!r}]) on the data set."
        raise ValueError(f"fit() received mappings with the keys {keys}. It takes images: {remedy}")
    return batch[0] if isinstance(batch, (tuple, list)) else batch


def _outputs(network, inputs):
    """Outputs in training, in float32 also in mixed precision, as a loss needs them."""
    return ops.cast(network(inputs, training=True), "float32")


def _check_networks(generator, discriminator):
    for network in (generator, discriminator):
        shapes = [getattr(network, name, None) for name in ("input_shape", "output_shape")]
        fits = isinstance(network, keras.Model) and all(isinstance(s, tuple) for s in shapes)
        passed = f"GAN() received {network!r:.80}, not a keras.Model with one input and one output."
        checks.require(fits, passed, "Start it with keras.Input(shape).")
    (_, *latents), (_, *made) = generator.input_shape, generator.output_shape
    (_, *taken), (_, *logits) = discriminator.input_shape, discriminator.output_shape
    passed = f"The generator makes {made} of {latents}, the discriminator {logits} of {taken}."
    remedy = "Latents are (batch, n), both take one image size, D ends with Flatten() and Dense(1)."
    checks.require(len(latents) == 1 and made == taken and logits == [1], passed, remedy)


def _disturb(network, scale):
    random = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign_add(scale * random.standard_normal(variable.shape))


def _check_gradient(network, loss):
    variables = network.trainable_variables
    gradients = autodiff.value_and_gradients(lambda: (loss(), None), variables)[2]
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


def _check_compile(gan, optimizers):
    fits = all(isinstance(optimizer, keras.optimizers.Optimizer) for optimizer in optimizers)
    passed = f"compile() received the optimizers {optimizers!r:.160}."
    remedy = "It takes two, each with averages of its own: write keras.optimizers.Adam(2e-4, 0.5)."
    checks.require(fits and optimizers[0] is not optimizers[1], passed, remedy)
    scaled = any(isinstance(o, keras.optimizers.LossScaleOptimizer) for o in optimizers)
    half = "float16" in (gan.generator.compute_dtype, gan.discriminator.compute_dtype)
    passed = "compile() received a LossScaleOptimizer or networks in float16, which need one."
    remedy = "Two losses are not scaled together: use the policy mixed_bfloat16."
    checks.require(not scaled and not half, passed, remedy)


def _check_fit(gan, callbacks, options, is_array):
    checks.require(gan.compiled, "fit() was called before gan.compile(). Give it two optimizers.")
    known = ("initial_epoch", "batch_size" if is_array else "steps_per_epoch")
    names = [name for name, value in options.items() if name not in known and value is not None]
    remedy = "A GAN has no labels and no validation loss, an array is passed through once an epoch,"
    remedy += " a data set makes its own batches: leave it out."
    checks.require(not names, f"fit() received {', '.join(names)}.", remedy)
    names = sorted({type(callback).__name__ for callback in callbacks} & ONE_OPTIMIZER)
    remedy = "It would act on G's optimizer only: use keras.optimizers.schedules in each optimizer."
    checks.require(not names, f"fit() received {', '.join(names)}.", remedy)
