"""Adversarial training: `GAN`, a `keras.Model` for `compile()` and `fit()`, and the guard that watches who learns."""

import contextlib

import keras
import numpy as np
from keras import ops

from gan_utils import autodiff, images, latents, losses

ORDERS = ("discriminator_first", "generator_first")
LOGS = ("discriminator_loss", "generator_loss", "d_real", "d_fake")
GRADIENT_LOGS = ("discriminator_gradient", "generator_gradient")


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

    Source: Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1. Taught in: `03_vanilla_gan`, `04_frog_dcgan`.
    """

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
            order: `"discriminator_first"` or `"generator_first"`.
            unrolled_steps: k of an unrolled GAN: G is judged by the D that k further updates would make, see `look_ahead`.
            log_gradients: also log the length of each network's gradient, `discriminator_gradient` and `generator_gradient`.
            **kwargs: `steps_per_execution`, `jit_compile`, `run_eagerly` of `keras.Model.compile`. `jit_compile` is True on JAX
                and False on TensorFlow by default: on two CPU cores XLA made convolutional steps two to four times slower.

        Raises:
            ValueError: if an argument does not fit.
        """
        _check_compile(generator_optimizer, discriminator_optimizer, discriminator_steps, order)
        _check_unrolled_steps(unrolled_steps, discriminator_optimizer)
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
        self.guarded = False

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
        """
        if not self.compiled:
            raise ValueError(
                "fit() was called before compile(). A GAN needs two optimizers first. "
                "Call gan.compile(generator_optimizer, discriminator_optimizer)."
            )
        if y is not None:
            raise ValueError(
                "fit() received labels y. This GAN learns from images alone. Call fit(images, batch_size=...) without y."
            )
        if isinstance(x, np.ndarray):
            self._check_images(x, "fit()")
            x = ShuffledBatches(x, 32 if batch_size is None else batch_size, self.discriminator_steps, seed=self.seed)
        first_batch = _first_batch(x)
        if batch_size is not None and not isinstance(x, ShuffledBatches):
            raise ValueError(
                f"fit() received batch_size={batch_size} and a data set of type {type(x).__name__}. "
                "A batch size goes with a NumPy array only. "
                "Leave it out: the data set makes its own batches."
            )
        self._check_images(first_batch, "fit()")
        if len(first_batch) % self.discriminator_steps:
            raise ValueError(
                f"fit() received batches of {len(first_batch)} images for {self.discriminator_steps} discriminator steps. "
                "The batch is split between them, so its size must be a multiple. "
                f"Use .batch({self.discriminator_steps * (len(first_batch) // self.discriminator_steps + 1)})."
            )
        _check_devices(len(first_batch) // self.discriminator_steps, autodiff.num_devices(self))
        if isinstance(x, ShuffledBatches):
            x.replicas, x.host, x.hosts = autodiff.num_replicas(self), *autodiff.place_among_hosts()
        if not self.guarded:
            self._guard_half_steps(first_batch[:8])
            self.guarded = True
        # The data sets bring their own order; Keras would shuffle whole batches and warn.
        return super().fit(x, **{"shuffle": False, **kwargs})

    def train_step(self, *args):
        return autodiff.run_train_step(self, self.adversarial_step, *args)

    def adversarial_step(self, data):
        """One update of G and `discriminator_steps` of D. `data` is a batch of images, or a tuple that starts with one."""
        real_images = data[0] if isinstance(data, (tuple, list)) else data
        part = ops.shape(real_images)[0] // self.discriminator_steps
        logs = {}
        if self.order == "generator_first":
            logs.update(self.generator_step(real_images[:part]))
        for i in range(self.discriminator_steps):
            logs.update(self.discriminator_step(real_images[i * part : (i + 1) * part]))
        if self.order == "discriminator_first":
            logs.update(self.generator_step(real_images[:part]))
        for tracker in self.metrics:
            tracker.update_state(logs[tracker.name])
        return logs

    def discriminator_step(self, real_images):
        """One update of D: G only draws. Returns the logs `discriminator_loss`, `d_real`, `d_fake`."""
        z = autodiff.draw_rows(self._draw_latents, ops.shape(real_images)[0])
        fake_images = ops.stop_gradient(self.generator(z, training=True))

        def loss():
            real_logits = self.discriminator(real_images, training=True)
            fake_logits = self.discriminator(fake_images, training=True)
            value = self.discriminator_loss(real_logits, fake_logits)
            if self.penalty is not None:
                value += self.penalty(self.discriminator, real_images, fake_images, seed=self.seed_generator)
            return value, (real_logits, fake_logits)

        variables = self.discriminator.trainable_variables
        value, outputs, gradients = autodiff.value_and_gradients(loss, variables)
        self.discriminator_optimizer.apply(gradients, variables)
        d_real, d_fake = (ops.mean(o if self.log_scores else ops.sigmoid(o)) for o in outputs)
        logs = {"discriminator_loss": value, "d_real": d_real, "d_fake": d_fake}
        return {**logs, "discriminator_gradient": _length(gradients)} if self.log_gradients else logs

    def generator_step(self, real_images):
        """One update of G through a D that stays as it is. Returns the log `generator_loss`."""
        z = autodiff.draw_rows(self._draw_latents, ops.shape(real_images)[0])

        def loss():
            fake_images = self.generator(z, training=True)
            discriminator = self.look_ahead(real_images, fake_images) if self.unrolled_steps else self.discriminator
            fake_logits = discriminator(fake_images, training=True)
            # The families of `losses` judge G by its fakes alone; a loss of your own may compare with the real images.
            compares = self.generator_loss not in [pair[1] for pair in losses.FAMILIES.values()]
            real_logits = discriminator(real_images, training=True) if compares else fake_logits
            return self.generator_loss(real_logits, fake_logits), None

        variables = self.generator.trainable_variables
        value, _, gradients = autodiff.value_and_gradients(loss, variables)
        self.generator_optimizer.apply(gradients, variables)
        logs = {"generator_loss": value}
        return {**logs, "generator_gradient": _length(gradients)} if self.log_gradients else logs

    def _draw_latents(self, num_latents):
        return latents.sample_latents(num_latents, self.latent_dim, seed=self.seed_generator)

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

        Source: Metz et al. 2016, arXiv:1611.02163, equations 7 to 9. Taught in: `06_training_failures`.
        """
        network, optimizer = self.discriminator, self.discriminator_optimizer
        state = [ops.convert_to_tensor(variable) for variable in network.non_trainable_variables]

        def discriminator(weights):
            return lambda images, training: network.stateless_call(weights, state, images, training=training)[0]

        def loss(weights):
            judge = discriminator(weights)
            value = self.discriminator_loss(judge(real_images, training=True), judge(fake_images, training=True))
            if self.penalty is not None:
                value += self.penalty(judge, real_images, fake_images, seed=self.seed_generator)
            return value

        weights = [ops.convert_to_tensor(variable) for variable in network.trainable_variables]
        averages = _adam_averages(optimizer)
        for step in range(self.unrolled_steps):
            _, gradients = autodiff.gradients_at(loss, weights)
            gradients = autodiff.sum_over_replicas(gradients)
            weights, averages = _next_weights(optimizer, step, weights, gradients, averages)
        return discriminator(weights)

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
        return self.generate(latents.sample_latents(num_images, self.latent_dim, seed=seed))

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
        parts = [
            ops.convert_to_numpy(self.generator(latents[i : i + 256], training=False)) for i in range(0, latents.shape[0], 256)
        ]
        return np.concatenate(parts)

    def check_latents(self, latents):
        """Raise ValueError unless `latents` has the shape `(n, latent_dim)` of this generator, n at least 1."""
        shape = tuple(latents.shape)
        if len(shape) != 2 or shape[1] != self.latent_dim or shape[0] < 1:
            raise ValueError(
                f"The latents have the shape {shape}. "
                f"The generator {self.generator.name!r} takes (n, {self.latent_dim}). "
                f"Draw them with latents.sample_latents(n, {self.latent_dim})."
            )

    @contextlib.contextmanager
    def restored(self):
        """Put every variable back at the end of the `with` block: both networks, both optimizers, seeds and metrics."""
        variables = self.variables + self.generator_optimizer.variables + self.discriminator_optimizer.variables
        saved = [np.array(ops.convert_to_numpy(variable)) for variable in variables]
        try:
            yield
        finally:
            for variable, value in zip(variables, saved):
                variable.assign(value)

    def _check_images(self, x, caller):
        expected = tuple(self.discriminator.input_shape[1:])
        if len(x) == 0 or tuple(x.shape[1:]) != expected:
            raise ValueError(
                f"{caller} received data of shape {tuple(x.shape)}. "
                f"The discriminator {self.discriminator.name!r} takes (n, {', '.join(map(str, expected))}) with n at least 1. "
                "Reshape the data, or build the networks for its size."
            )
        if len(expected) == 3:
            images.check_range(x, caller)
            if x.min() >= 0.0:
                raise ValueError(
                    f"{caller} received images from {x.min():.3g} to {x.max():.3g}, with no negative value. "
                    "It expects [-1, 1], the range of the generator's tanh. "
                    "Use images.normalize() on the uint8 pixels, or x * 2 - 1 on images in [0, 1]."
                )
        elif not np.issubdtype(x.dtype, np.floating) or not np.isfinite(x).all():
            raise ValueError(
                f"{caller} received points of dtype {x.dtype} with {np.size(x) - np.isfinite(x).sum()} NaN or infinite values. "
                "It expects finite floats. "
                "Remove the broken points and convert with x.astype('float32')."
            )

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

    Args:
        images: `(n, ...)`, float32.
        batch_size: images in one update of D.
        discriminator_steps: D's updates in one step of `fit`; a batch holds `batch_size * discriminator_steps` images.
        seed: int or None.

    Raises:
        ValueError: if the data does not fill one batch.
    """

    def __init__(self, images, batch_size, discriminator_steps=1, *, seed=None):
        super().__init__()
        self.images = images.astype("float32", copy=False)
        self.size, self.discriminator_steps = batch_size * discriminator_steps, discriminator_steps
        if batch_size < 1 or self.size > len(images):
            raise ValueError(
                f"fit() received batch_size={batch_size} for {len(images)} images and discriminator_steps={discriminator_steps}. "
                "The batch size must be at least 1, and the data must fill a batch for each discriminator step. "
                f"Use a batch size of at most {len(images) // discriminator_steps}, or more data."
            )
        self.generator = np.random.default_rng(seed)
        self.order = self.generator.permutation(len(images))
        self.replicas, self.host, self.hosts = 1, 0, 1

    def __len__(self):
        return len(self.images) // self.size

    def __getitem__(self, index):
        rows = self.order[index * self.size : (index + 1) * self.size]
        # A replica gets one run of rows and splits it between D's updates: its rows of each update must lie together.
        rows = rows.reshape(self.discriminator_steps, self.replicas, -1).swapaxes(0, 1)
        return self.images[rows.reshape(self.hosts, -1)[self.host]]

    def on_epoch_end(self):
        self.order = self.generator.permutation(len(self.images))


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

    Taught in: `04_frog_dcgan`.
    """
    before = {network: gradient_weights(network) for network in (learning, frozen)}
    yield
    moved = {}
    for network, old_weights in before.items():
        new_weights = gradient_weights(network)
        moved[network] = max((np.abs(new - old).max() for old, new in zip(old_weights, new_weights)), default=0.0)
    if np.isnan(moved[learning]) or np.isnan(moved[frozen]):
        name = (learning if np.isnan(moved[learning]) else frozen).name
        raise RuntimeError(
            f"A weight of the network {name!r} became NaN in this half-step. "
            "All weights must stay finite. "
            "Lower the learning rate, or look for a broken image or a logarithm of zero."
        )
    if moved[learning] == 0.0:
        raise RuntimeError(
            f"The network {learning.name!r} stands still in the half-step in which it should learn. "
            "Keras 3 reads `trainable` when a training step is first traced, not at compile(). "
            f"Set `{learning.name}.trainable = True` before its half-step, or give its optimizer its own list of variables."
        )
    if moved[frozen] > 0.0:
        raise RuntimeError(
            f"The network {frozen.name!r} moves by up to {moved[frozen]:.3g} in the half-step of {learning.name!r}. "
            "It must stay as it is there. "
            f"Set `{frozen.name}.trainable = False` for this half-step, "
            f"or give the optimizer the variables of {learning.name!r} only."
        )


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


def _length(gradients):
    """Euclidean length of all gradients together."""
    return ops.sqrt(sum(ops.sum(ops.square(gradient)) for gradient in autodiff.sum_over_replicas(gradients)))


def gradient_weights(network):
    """Copies of all weights of a network that gradients can train, frozen or not, as a list of NumPy arrays."""
    # `trainable_weights` would leave out what a flag has frozen, which is just what the guard looks for.
    layers = network._flatten_layers(include_self=True, recursive=True)
    return [np.array(ops.convert_to_numpy(weight)) for layer in layers for weight in layer._trainable_variables]


def _first_batch(x):
    """The images of the first batch of a data set, as a NumPy array; the data set itself is not used up."""
    if isinstance(x, keras.utils.PyDataset):
        batch = x[0] if len(x) else None
    elif type(x).__module__.startswith("tensorflow.") and hasattr(x, "element_spec"):
        batch = next(iter(x), None)
    else:
        raise ValueError(
            f"fit() received data of type {type(x).__name__}. "
            "It takes a NumPy array, a tf.data.Dataset or a keras.utils.PyDataset. "
            "Convert a list or a tensor with numpy.asarray(); wrap a generator in a PyDataset."
        )
    if batch is None:
        raise ValueError(
            "fit() received a data set without a batch. It needs at least one batch of images. Check its filter and its source."
        )
    batch = batch[0] if isinstance(batch, (tuple, list)) else batch
    return np.asarray(batch)


def _check_networks(generator, discriminator):
    images_out, images_in = generator.output_shape, discriminator.input_shape
    if len(generator.input_shape) != 2:
        raise ValueError(
            f"The generator {generator.name!r} takes inputs of shape {generator.input_shape}. "
            "It must take latents (batch, latent_dim). "
            "Start it with keras.Input((latent_dim,))."
        )
    if tuple(images_out[1:]) != tuple(images_in[1:]):
        raise ValueError(
            f"The generator {generator.name!r} makes {images_out[1:]}, "
            f"the discriminator {discriminator.name!r} takes {images_in[1:]}. "
            "Both must be one shape. "
            "Build both for the same image size and channels."
        )
    if tuple(discriminator.output_shape[1:]) != (1,):
        raise ValueError(
            f"The discriminator {discriminator.name!r} gives outputs of shape {discriminator.output_shape}. "
            "It must give one logit an image, (batch, 1). "
            "End it with Flatten() and Dense(1)."
        )
    last = discriminator
    while getattr(last, "layers", None):
        last = last.layers[-1]
    if getattr(last, "activation", None) is keras.activations.sigmoid:
        raise ValueError(
            f"The discriminator {discriminator.name!r} ends with a sigmoid. "
            "The losses of gan_utils take logits, which have no bounds; a sigmoid before them would be applied twice. "
            "Remove the activation of its last layer."
        )


def _check_devices(batch_size, num_devices):
    if batch_size % num_devices:
        raise ValueError(
            f"fit() received {batch_size} images for each update of D and {num_devices} devices. "
            "Each device takes an equal part, so the number must be a multiple. "
            f"Use {num_devices * (batch_size // num_devices + 1)} images for each update."
        )


def _check_compile(generator_optimizer, discriminator_optimizer, discriminator_steps, order):
    for name, optimizer in (("generator", generator_optimizer), ("discriminator", discriminator_optimizer)):
        if not isinstance(optimizer, keras.optimizers.Optimizer):
            raise ValueError(
                f"{name}_optimizer is {optimizer!r}. It must be a keras.optimizers.Optimizer. "
                "Write keras.optimizers.Adam(2e-4, beta_1=0.5), one for each network."
            )
    if generator_optimizer is discriminator_optimizer:
        raise ValueError(
            "Both networks were given one optimizer object. Each needs its own, because an optimizer keeps averages of "
            "the gradients of its variables. Create two."
        )
    if not isinstance(discriminator_steps, int) or discriminator_steps < 1:
        raise ValueError(
            f"discriminator_steps is {discriminator_steps!r}. It must be an int of at least 1. "
            "Use 1 for a GAN, 5 for a Wasserstein GAN."
        )
    if order not in ORDERS:
        raise ValueError(
            f"order is {order!r}. It must be one of {', '.join(map(repr, ORDERS))}. The common one is {ORDERS[0]!r}."
        )


def _check_unrolled_steps(unrolled_steps, optimizer):
    if not isinstance(unrolled_steps, int) or unrolled_steps < 0:
        raise ValueError(
            f"unrolled_steps is {unrolled_steps!r}. It must be an int of at least 0. "
            "Use 0 for a GAN, 5 for an unrolled GAN of moderate cost."
        )
    plain = type(optimizer) in (keras.optimizers.SGD, keras.optimizers.Adam)
    settings = ("momentum", "amsgrad", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema")
    extras = [name for name in settings if getattr(optimizer, name, None)]
    if unrolled_steps and (not plain or extras):
        raise ValueError(
            f"unrolled_steps={unrolled_steps} received the discriminator optimizer {optimizer.name!r} "
            f"with {extras or 'a rule of its own'}. "
            "The look-ahead knows the updates of plain SGD and of plain Adam. "
            "Use keras.optimizers.Adam(2e-4, beta_1=0.5) or keras.optimizers.SGD(0.01) without further settings."
        )
