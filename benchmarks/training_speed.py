"""How fast the engine trains, beside the loops that people write by hand.

    python benchmarks/training_speed.py            # all parts, about 20 minutes on two CPU cores
    python benchmarks/training_speed.py --parts loops --networks mlp
    python benchmarks/training_speed.py --render   # the Markdown table again from the stored JSON, nothing is run

Results go to `training_speed.json`, one entry for each backend and device, and to `training_speed.md`. PyTorch is optional:
`pip install torch==2.13.0` adds its column. Run it on a machine that does nothing else.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent
ROUNDS = 5


# --- networks and their training -----------------------------------------------------------------------------------------


def describe_networks():
    """Settings of each comparison: builders, optimizer, batch size, and how many updates one timing holds."""
    import discriminators
    from gan_utils import data, networks

    digits, frogs = data.load_mnist("train")[0], data.load_frogs("train")[0]

    def adam(rate, beta_1, beta_2=0.999):
        return {"name": "adam", "rates": (rate, rate), "betas": (beta_1, beta_2)}

    rmsprop = {"name": "rmsprop", "rates": (4e-4, 8e-4)}
    wgan = {"critic_steps": 5, "wasserstein": True}
    return {
        "mlp": {
            "title": "MLP of lesson 02, batch 128",
            "build": lambda: (networks.build_mlp_generator(100, (28, 28, 1)), networks.build_mlp_discriminator((28, 28, 1))),
            **{"images": digits, "batch_size": 128, "optimizer": adam(3e-4, 0.5), "updates": 60},
        },
        "classic_frog": {
            "title": "classic frog network of lesson 03, batch 20",
            "build": lambda: (build_classic_generator(), build_classic_discriminator()),
            **{"images": frogs, "batch_size": 20, "optimizer": rmsprop, "updates": 3},
        },
        "narrow_frog": {
            "title": "narrow frog network of lesson 03, batch 20",
            "build": lambda: (networks.build_frog_generator(32), discriminators.build_frog_discriminator()),
            **{"images": frogs, "batch_size": 20, "optimizer": rmsprop, "updates": 40},
        },
        "dcgan": {
            "title": "DCGAN of lesson 06, batch 64",
            "build": lambda: (networks.build_dcgan_generator(), discriminators.build_dcgan_discriminator()),
            **{"images": frogs, "batch_size": 64, "optimizer": adam(2e-4, 0.5), "updates": 20},
        },
        "wgan_gp": {
            "title": "WGAN-GP of lesson 04, frogs, 5 critic steps of 32",
            "build": lambda: (
                networks.build_frog_generator(32),
                discriminators.build_frog_discriminator(batch_norm=False, dropout=0.0),
            ),
            **{"images": frogs, "batch_size": 32, "optimizer": adam(2e-4, 0.0, 0.9), "updates": 10, **wgan},
        },
    }


def build_classic_generator(latent_dim=32):
    import keras
    from keras import layers

    def activation():
        return layers.LeakyReLU(negative_slope=0.3)

    return keras.Sequential(
        [
            *(keras.Input((latent_dim,)), layers.Dense(128 * 16 * 16), activation(), layers.Reshape((16, 16, 128))),
            *(layers.Conv2D(256, 5, padding="same"), activation()),
            *(layers.Conv2DTranspose(256, 4, strides=2, padding="same"), activation()),
            *(layers.Conv2D(256, 5, padding="same"), activation()),
            *(layers.Conv2D(256, 5, padding="same"), activation()),
            layers.Conv2D(3, 7, padding="same", activation="tanh"),
        ]
    )


def build_classic_discriminator():
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input((32, 32, 3)), layers.Conv2D(128, 3), layers.LeakyReLU(negative_slope=0.3)])
    for _ in range(3):
        model.add(layers.Conv2D(128, 4, strides=2))
        model.add(layers.LeakyReLU(negative_slope=0.3))
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.4))
    model.add(layers.Dense(1))
    return model


def new_optimizers(settings):
    """Optimizers of G and D in Keras."""
    import keras

    optimizer = settings["optimizer"]
    if optimizer["name"] == "rmsprop":
        return [keras.optimizers.RMSprop(rate, clipvalue=1.0) for rate in optimizer["rates"]]
    return [keras.optimizers.Adam(rate, *optimizer["betas"]) for rate in optimizer["rates"]]


# --- the contestants: `run(n)` makes n updates of G ----------------------------------------------------------------------


def time_updates(contestant, num_updates):
    """Seconds an update. What `fit()` does before its first updates is left out: it happens once a training."""
    began = time.perf_counter()
    left_out = contestant.run(num_updates)
    if left_out is None:
        return (time.perf_counter() - began) / num_updates
    seconds, updates = left_out
    return seconds / updates


class ClassicLoop:
    """(a) The classic notebook loop, with D's flag switched around each half-step so that it learns under Keras 3."""

    title = "(a) classic loop: predict, train_on_batch"

    def __init__(self, settings):
        import keras

        if settings.get("wasserstein"):
            raise NotImplementedError("a gradient penalty cannot be written with train_on_batch")
        self.settings = settings
        self.generator, self.discriminator = settings["build"]()
        generator_optimizer, discriminator_optimizer = new_optimizers(settings)
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        smoothing = settings.get("label_smoothing", 0.0)
        smooth_loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing)
        self.discriminator.compile(discriminator_optimizer, smooth_loss)
        latents = keras.Input(self.generator.input_shape[1:])
        self.discriminator.trainable = False
        self.combined = keras.Model(latents, self.discriminator(self.generator(latents)))
        self.combined.compile(generator_optimizer, loss)
        self.random = np.random.default_rng(settings.get("seed", 0))

    def run(self, num_updates):
        size, real_images = self.settings["batch_size"], self.settings["images"]
        ones, zeros = np.ones((size, 1), "float32"), np.zeros((size, 1), "float32")
        for _ in range(num_updates):
            z = self.random.normal(size=(size, self.generator.input_shape[-1])).astype("float32")
            fake_images = self.generator.predict(z, verbose=0)
            batch = real_images[self.random.integers(0, len(real_images), size)]
            self.discriminator.trainable = True
            self.discriminator.train_on_batch(np.concatenate([batch, fake_images]), np.concatenate([ones, zeros]))
            self.discriminator.trainable = False
            z = self.random.normal(size=z.shape).astype("float32")
            self.combined.train_on_batch(z, ones)


class TwoTapes:
    """(b) A hand-written `tf.function` with two tapes, one generator pass for both, fed by `tf.data`."""

    title = "(b) tf.function with two tapes"

    def __init__(self, settings, jit_compile=False):
        import keras

        if keras.config.backend() != "tensorflow":
            raise NotImplementedError("needs the TensorFlow backend")
        import tensorflow as tf

        size, steps = settings["batch_size"], settings.get("critic_steps", 1)
        generator, discriminator = settings["build"]()
        generator_optimizer, discriminator_optimizer = new_optimizers(settings)
        generator_optimizer.build(generator.trainable_variables)
        discriminator_optimizer.build(discriminator.trainable_variables)
        cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

        def draw():
            return generator(tf.random.normal((size, generator.input_shape[-1])), training=True)

        def gan_step(real_images):
            with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
                fake_images = draw()
                real, fake = discriminator(real_images, training=True), discriminator(fake_images, training=True)
                generator_loss = cross_entropy(tf.ones_like(fake), fake)
                loss = cross_entropy(tf.ones_like(real), real) + cross_entropy(tf.zeros_like(fake), fake)
            update(generator_optimizer, generator_tape, generator_loss, generator)
            update(discriminator_optimizer, discriminator_tape, loss, discriminator)

        def wgan_step(real_images):
            for part in tf.split(real_images, steps):
                fake_images = draw()
                with tf.GradientTape() as tape:
                    weights = tf.random.uniform((size, 1, 1, 1))
                    between = part + weights * (fake_images - part)
                    with tf.GradientTape() as inner:
                        inner.watch(between)
                        total = tf.reduce_sum(discriminator(between, training=True))
                    slopes = tf.sqrt(tf.reduce_sum(inner.gradient(total, between) ** 2, axis=(1, 2, 3)) + 1e-12)
                    scores = [tf.reduce_mean(discriminator(x, training=True)) for x in (fake_images, part)]
                    loss = scores[0] - scores[1] + 10.0 * tf.reduce_mean((slopes - 1.0) ** 2)
                update(discriminator_optimizer, tape, loss, discriminator)
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(discriminator(draw(), training=True))
            update(generator_optimizer, tape, loss, generator)

        def update(optimizer, tape, loss, network):
            variables = network.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))

        self.step = tf.function(wgan_step if settings.get("wasserstein") else gan_step, jit_compile=jit_compile)
        dataset = tf.data.Dataset.from_tensor_slices(settings["images"]).shuffle(10_000).repeat()
        self.batches = iter(dataset.batch(size * steps, drop_remainder=True).prefetch(2))

    def run(self, num_updates):
        for _ in range(num_updates):
            self.step(next(self.batches))


class TwoTapesXLA(TwoTapes):
    """(b) compiled with XLA."""

    title = "(b) the same with XLA"

    def __init__(self, settings):
        super().__init__(settings, jit_compile=True)


class Engine:
    """(c) `training.GAN` and `fit()`."""

    title = "(c) engine, algorithm 1"
    options = {}

    def __init__(self, settings):

        from gan_utils import losses

        self.settings = settings
        self.per_step = settings["batch_size"] * settings.get("critic_steps", 1)
        options = {"steps_per_execution": max(1, settings["updates"] // 6), **self.options}
        if settings.get("wasserstein"):
            options |= {"loss": "wasserstein", "penalty": losses.gradient_penalty, "discriminator_steps": 5}
        self.gan = self.kind()(*settings["build"](), seed=0)
        self.gan.compile(*new_optimizers(settings), **options)

    def kind(self):
        from gan_utils import training

        return training.GAN

    def run(self, num_updates):
        import keras

        class Clock(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                float(logs["generator_loss"])  # waits for the device
                moments.append((batch + 1, time.perf_counter()))

        moments = []
        per_epoch = len(self.settings["images"]) // self.per_step
        real_images = self.settings["images"][: num_updates * self.per_step]
        epochs = max(1, num_updates // per_epoch)
        self.gan.fit(real_images, batch_size=self.settings["batch_size"], epochs=epochs, verbose=0, callbacks=[Clock()])
        if len(moments) < 2:
            return None
        return moments[-1][1] - moments[0][1], moments[-1][0] - moments[0][0]


class SimultaneousEngine(Engine):
    """(c) with one pass of both networks for both updates, which is what (b) does."""

    title = "(c) engine, simultaneous"

    def kind(self):
        import simultaneous

        return simultaneous.SimultaneousGAN


class SimultaneousEngineXLA(SimultaneousEngine):
    """(c) compiled with XLA."""

    title = "(c) engine, simultaneous, XLA"
    options = {"jit_compile": True}


class MixedEngine(SimultaneousEngine):
    """(c) in bfloat16: not the same precision as the others."""

    title = "(c) engine, simultaneous, mixed bfloat16"

    def __init__(self, settings):
        import keras

        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            super().__init__(settings)
        finally:
            keras.config.set_dtype_policy("float32")


class TorchLoop:
    """(d) The loop of the usual PyTorch tutorial: one generator pass for both half-steps."""

    title = "(d) PyTorch, eager"

    def __init__(self, settings):
        try:
            import torch
        except ImportError:
            raise NotImplementedError("PyTorch is not installed") from None
        self.torch, self.settings = torch, settings
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.set_num_threads(count_cores())
        pair = settings["build"]()
        self.latent_dim = pair[0].input_shape[-1]
        self.generator, self.discriminator = (convert_to_torch(network).to(self.device) for network in pair)
        optimizer = settings["optimizer"]
        pairs = list(zip((self.generator, self.discriminator), optimizer["rates"]))
        if optimizer["name"] == "rmsprop":
            self.optimizers = [torch.optim.RMSprop(network.parameters(), rate, alpha=0.9) for network, rate in pairs]
        else:
            self.optimizers = [torch.optim.Adam(network.parameters(), rate, optimizer["betas"]) for network, rate in pairs]
        self.images = torch.tensor(np.moveaxis(settings["images"], -1, 1)).to(self.device)
        self.cross_entropy = torch.nn.BCEWithLogitsLoss()

    def run(self, num_updates):
        step = self.wgan_step if self.settings.get("wasserstein") else self.gan_step
        for _ in range(num_updates):
            step()
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()

    def draw(self):
        size = self.settings["batch_size"]
        real_images = self.images[self.torch.randint(0, len(self.images), (size,), device=self.device)]
        return real_images, self.generator(self.torch.randn(size, self.latent_dim, device=self.device))

    def apply(self, index, network):
        if self.settings["optimizer"]["name"] == "rmsprop":
            self.torch.nn.utils.clip_grad_value_(network.parameters(), 1.0)
        self.optimizers[index].step()

    def gan_step(self):
        real_images, fake_images = self.draw()
        ones = self.torch.ones(len(real_images), 1, device=self.device)
        self.optimizers[1].zero_grad()
        self.cross_entropy(self.discriminator(real_images), ones).backward()
        self.cross_entropy(self.discriminator(fake_images.detach()), ones - 1.0).backward()
        self.apply(1, self.discriminator)
        self.optimizers[0].zero_grad()
        self.cross_entropy(self.discriminator(fake_images), ones).backward()
        self.apply(0, self.generator)

    def wgan_step(self):
        for _ in range(5):
            real_images, fake_images = self.draw()
            fake_images = fake_images.detach()
            between = real_images + self.torch.rand(len(real_images), 1, 1, 1, device=self.device) * (fake_images - real_images)
            between.requires_grad_(True)
            total = self.discriminator(between).sum()
            (slopes,) = self.torch.autograd.grad(total, between, create_graph=True)
            penalty = ((slopes.flatten(1).norm(dim=1) - 1.0) ** 2).mean()
            self.optimizers[1].zero_grad()
            fake, real = self.discriminator(fake_images).mean(), self.discriminator(real_images).mean()
            (fake - real + 10.0 * penalty).backward()
            self.apply(1, self.discriminator)
        self.optimizers[0].zero_grad()
        (-self.discriminator(self.draw()[1]).mean()).backward()
        self.apply(0, self.generator)


CONTESTANTS = (
    *(ClassicLoop, TwoTapes, TwoTapesXLA),
    *(Engine, SimultaneousEngine, SimultaneousEngineXLA, MixedEngine, TorchLoop),
)


def convert_to_torch(network):
    """The same chain of layers in PyTorch, channels first; the number of parameters is compared."""
    import torch
    from torch import nn

    modules = []
    for layer in network.layers:
        kind, shape = type(layer).__name__, layer.input.shape
        if kind == "Dense":
            modules.append(nn.Linear(shape[-1], layer.units, bias=layer.use_bias))
        elif kind == "Conv2D":
            padding = 0 if layer.padding == "valid" else (layer.kernel_size[0] - 1) // 2
            modules.append(nn.Conv2d(shape[-1], layer.filters, layer.kernel_size, layer.strides, padding, bias=layer.use_bias))
        elif kind == "Conv2DTranspose":
            modules.append(nn.ConvTranspose2d(shape[-1], layer.filters, 4, 2, 1, bias=layer.use_bias))
        elif kind == "BatchNormalization":
            modules.append(nn.BatchNorm1d(shape[-1]) if len(shape) == 2 else nn.BatchNorm2d(shape[-1]))
        elif kind == "Reshape":
            target = layer.target_shape
            modules.append(nn.Unflatten(1, (target[-1], *target[:-1])))
        elif kind == "Flatten":
            modules.append(nn.Flatten())
        elif kind == "Dropout":
            modules.append(nn.Dropout(layer.rate))
        elif kind in ("LeakyReLU", "ReLU"):
            modules.append(nn.LeakyReLU(layer.negative_slope) if kind == "LeakyReLU" else nn.ReLU())
        else:
            raise NotImplementedError(f"no PyTorch layer for {kind}")
        if getattr(getattr(layer, "activation", None), "__name__", "") == "tanh":
            modules.append(nn.Tanh())
    model = nn.Sequential(*modules)
    with torch.no_grad():
        shape = network.input_shape[1:]
        shape = shape if len(shape) == 1 else (shape[-1], *shape[:-1])
        outputs = model(torch.zeros(2, *shape))
    trainable = sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
    if outputs[0].numel() != np.prod(network.output_shape[1:]) or sum(p.numel() for p in model.parameters()) != trainable:
        raise RuntimeError(f"the PyTorch copy of {network.name} differs from the original")
    return model


# --- measurements --------------------------------------------------------------------------------------------------------


def count_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def measure_loops(settings, rounds):
    """Milliseconds an update of each contestant in `settings`, interleaved: `{title: {median, min, max}}`."""
    contestants, skipped = {}, {}
    for contestant in CONTESTANTS:
        try:
            contestants[contestant.title] = contestant(settings)
            contestants[contestant.title].run(settings["updates"])
        except NotImplementedError as error:
            contestants.pop(contestant.title, None)
            skipped[contestant.title] = str(error)
    seconds = {title: [] for title in contestants}
    for _ in range(rounds):
        for title, contestant in contestants.items():
            seconds[title].append(time_updates(contestant, settings["updates"]))
    return {title: summarize(values) for title, values in seconds.items()}, skipped


def summarize(seconds):
    values = 1000.0 * np.array(seconds)
    return {"median": float(np.median(values)), "min": float(values.min()), "max": float(values.max())}


def count_flops(network, batch_size):
    """Floating-point operations of one forward pass: two for each multiply-add of dense and convolution layers."""
    total = 0
    for layer in network.layers:
        if hasattr(layer, "kernel"):
            positions = layer.output.shape[1:-1]
            if type(layer).__name__ == "Conv2DTranspose":
                positions = layer.input.shape[1:-1]
            total += 2 * int(np.prod(layer.kernel.shape)) * int(np.prod(positions or (1,)))
    return total * batch_size


def count_update_flops(settings, simultaneous):
    """Needed operations of one update. A backward pass costs two forward passes, one where no weights are trained."""
    generator, discriminator = (count_flops(network, settings["batch_size"]) for network in settings["build"]())
    if settings.get("wasserstein"):
        # A critic step: G forward, real and fake forward and backward, and the penalty, about twice forward and backward.
        return 5 * (generator + 2 * 3 * discriminator + 2 * 3 * discriminator) + 3 * generator + 2 * discriminator
    if simultaneous:
        return 3 * generator + 2 * 3 * discriminator + discriminator
    return generator + 2 * 3 * discriminator + 3 * generator + 2 * discriminator


def measure_matrix_product(side=2048):
    """FLOP/s of a float32 matrix product on this device."""
    import keras
    from keras import ops

    a = keras.random.normal((side, side))
    product = ops.matmul(a, a)
    best = np.inf
    for _ in range(10):
        began = time.perf_counter()
        product = ops.matmul(a, a)
        float(product[0, 0])
        best = min(best, time.perf_counter() - began)
    return 2.0 * side**3 / best


def measure_growth():
    """DCGAN milliseconds an update against batch size (32 pixels) and image side (batch 64), algorithm 1."""
    import discriminators
    from gan_utils import networks

    def time_dcgan(side, batch_size):
        real_images = np.random.default_rng(0).uniform(-1, 1, (20 * batch_size, side, side, 3)).astype("float32")
        shape = (side, side, 3)
        engine = Engine(
            {
                "build": lambda: (networks.build_dcgan_generator(100, shape), discriminators.build_dcgan_discriminator(shape)),
                "images": real_images,
                "batch_size": batch_size,
                "updates": 20,
                "optimizer": {"name": "adam", "rates": (2e-4, 2e-4), "betas": (0.5, 0.999)},
            }
        )
        engine.run(10)
        return summarize([time_updates(engine, 20) for _ in range(3)])

    return {
        "batch_size": {size: time_dcgan(32, size) for size in (16, 32, 64, 128, 256)},
        "image_side": {side: time_dcgan(side, 64) for side in (16, 32, 64)},
    }


def measure_quality(seeds=3, updates=500):
    """Kernel distance of a small DCGAN on digits after the same number of updates, for each way to be faster."""
    import keras

    import discriminators
    from gan_utils import data, features, networks, training
    from simultaneous import SimultaneousGAN

    digits = data.load_mnist("train")[0][: 64 * updates]
    ways = {
        "algorithm 1": (training.GAN, "float32"),
        "simultaneous": (SimultaneousGAN, "float32"),
        "mixed bfloat16": (training.GAN, "mixed_bfloat16"),
    }
    results = {}
    for name, (kind, policy) in ways.items():
        distances = []
        for seed in range(seeds):
            keras.utils.set_random_seed(seed)
            keras.config.set_dtype_policy(policy)
            pair = (
                networks.build_dcgan_generator(64, (28, 28, 1), base_filters=12),
                discriminators.build_dcgan_discriminator((28, 28, 1), base_filters=12),
            )
            keras.config.set_dtype_policy("float32")
            gan = kind(*pair, seed=seed)
            gan.compile(*(keras.optimizers.Adam(2e-4, 0.5) for _ in range(2)), steps_per_execution=10)
            gan.fit(digits, batch_size=64, epochs=1, verbose=0)
            distances.append(float(features.evaluate(gan.sample(2000, seed=99), "digits")["kernel_distance"]))
        results[name] = distances
    return results


def measure_start():
    """Seconds to import the package and to make the first update, and peak memory, each in a process of its own."""
    code = """
import sys, time
sys.path.insert(0, {folder!r})
import training_speed as speed
began = time.perf_counter()
from gan_utils import training
imported = time.perf_counter() - began
settings = speed.describe_networks()[{network!r}]
loaded = time.perf_counter()
engine = speed.Engine({{**settings, "updates": 1}})
engine.run(1)
first = time.perf_counter() - loaded
engine.run(3)
print("RESULT", imported, first, speed.peak_megabytes())
"""
    results = {}
    for network in describe_networks():
        text = subprocess.run(
            [sys.executable, "-c", code.format(folder=str(FOLDER), network=network)],
            capture_output=True,
            text=True,
            check=True,
            cwd=FOLDER.parent,
        ).stdout
        imported, first, peak = map(float, text.split("RESULT")[1].split())
        results[network] = {"import_seconds": imported, "first_update_seconds": first, "peak_megabytes": peak}
    return results


def measure_memory(updates=5000):
    """Resident megabytes through one long run of the narrow frog network at batch 20."""
    import keras

    settings = describe_networks()["narrow_frog"]
    engine = Engine(settings)
    engine.run(100)
    sizes = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            sizes.append(resident_megabytes())

    engine.gan.fit(settings["images"], batch_size=20, epochs=updates // 250, verbose=0, callbacks=[Watch()])
    return {"updates": updates, "megabytes": [round(size, 1) for size in sizes]}


def resident_megabytes():
    import resource  # not on Windows

    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * resource.getpagesize() / 2**20
    return peak_megabytes()


def peak_megabytes():
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if platform.system() == "Darwin" else peak / 2**10


# --- the report ----------------------------------------------------------------------------------------------------------


def render(results):
    """The Markdown report of all stored entries."""
    lines = [
        "# Training speed",
        "",
        "Made by `python benchmarks/training_speed.py`; do not edit. Milliseconds are for one update of G. Shares compare the",
        "operations that dense and convolution layers need (of a penalty: an estimate) with the best matrix product seen here.",
        "",
    ]
    for name, entry in results.items():
        lines += [f"## {name}", "", entry["machine"], ""]
        peak = entry.get("matrix_product_flops")
        if peak:
            lines += [f"Matrix product, 2,048 x 2,048, float32: {peak / 1e9:,.0f} GFLOP/s.", ""]
        for loop in entry.get("loops", {}).values():
            lines += render_loops(loop, peak)
        lines += render_rest(entry)
    return "\n".join(lines).rstrip() + "\n"


def render_loops(loop, peak):
    lines = [
        f"### {loop['title']}",
        "",
        "| loop | ms, median | min to max | (a) / this | (d) / this | share of matrix product |",
        "|---|---|---|---|---|---|",
    ]
    times = loop["milliseconds"]
    references = [
        next((row["median"] for title, row in times.items() if title.startswith(mark)), None) for mark in ("(a)", "(d)")
    ]
    for title, row in times.items():
        ratios = [f"{reference / row['median']:.2f}" if reference else "-" for reference in references]
        flops = loop["flops"]["algorithm 1" if "algorithm 1" in title or title.startswith("(a)") else "simultaneous"]
        share = f"{flops / (row['median'] / 1000) / peak:.0%}" if peak and "bfloat16" not in title else "-"
        lines.append(
            f"| {title} | {row['median']:,.1f} | {row['min']:,.1f} to {row['max']:,.1f} | {ratios[0]} | {ratios[1]} | {share} |"
        )
    lines += ["", *(f"{title}: skipped, {why}." for title, why in loop["skipped"].items())]
    return [*lines, ""] if loop["skipped"] else lines


def render_rest(entry):
    lines = []
    if "start" in entry:
        lines += [
            "### Start and memory",
            "",
            "| network | import, s | first update with tracing, s | peak memory, MB |",
            "|---|---|---|---|",
        ]
        for network, row in entry["start"].items():
            lines.append(
                f"| {network} | {row['import_seconds']:.1f} | {row['first_update_seconds']:.1f} | {row['peak_megabytes']:,.0f} |"
            )
        lines += [
            "",
            "The peak is that of the whole process. Equal numbers are the peak of reading the data, not of training.",
            "",
        ]
    if "memory" in entry:
        sizes = entry["memory"]["megabytes"]
        first, middle, last = sizes[0], sizes[len(sizes) // 2], sizes[-1]
        lines += [
            f"Resident memory through {entry['memory']['updates']:,} updates of the narrow frog network: {first:,.0f} MB after "
            f"the first 250, {middle:,.0f} MB in the middle, {last:,.0f} MB at the end.",
            "",
        ]
    if "growth" in entry:
        lines += [
            "### Cost of the DCGAN against batch size and image side",
            "",
            "| | ms, median | min to max | ms an image |",
            "|---|---|---|---|",
        ]
        for what, rows in entry["growth"].items():
            for value, row in rows.items():
                images = int(value) if what == "batch_size" else 64
                label = f"batch {value}, 32 pixels" if what == "batch_size" else f"batch 64, {value} pixels"
                lines.append(
                    f"| {label} | {row['median']:,.1f} | {row['min']:,.1f} to {row['max']:,.1f} | {row['median'] / images:.2f} |"
                )
        lines.append("")
    if "quality" in entry:
        lines += [
            "### Does the faster way learn as well?",
            "",
            "Kernel distance to real test digits of a DCGAN with 12 filters after 500 updates, smaller is better:",
            "",
            "| way | mean | deviation over seeds | seeds |",
            "|---|---|---|---|",
        ]
        for way, distances in entry["quality"].items():
            each = ", ".join(f"{distance:.2f}" for distance in distances)
            lines.append(f"| {way} | {np.mean(distances):.2f} | {np.std(distances, ddof=1):.2f} | {each} |")
        lines.append("")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("loops", "start", "memory", "growth", "quality")
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts)
    parser.add_argument("--networks", nargs="+", default=None, help="of the loops; all by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--render", action="store_true", help="write the Markdown from the JSON and run nothing")
    arguments = parser.parse_args()
    path = FOLDER / "training_speed.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    if not arguments.render:
        run(arguments, results, path)
    report = render(results)
    (FOLDER / "training_speed.md").write_text(report)
    print(report)


def run(arguments, results, path):
    from gan_utils import autodiff

    import keras  # isort: skip

    device = autodiff.describe_device()
    entry = results.setdefault(f"{autodiff.BACKEND}, {device}", {})
    versions = f"Keras {keras.__version__}, NumPy {np.__version__}, Python {platform.python_version()}"
    entry["machine"] = f"{device}, {count_cores()} CPU cores, {platform.system()} {platform.machine()}; {versions}."
    if "start" in arguments.parts:  # first: the child processes need the memory that the rest will hold
        entry["start"] = measure_start()
    for name, settings in describe_networks().items():
        entry["matrix_product_flops"] = max(entry.get("matrix_product_flops", 0.0), measure_matrix_product())
        if "loops" in arguments.parts and name in (arguments.networks or describe_networks()):
            times, skipped = measure_loops(settings, arguments.rounds)
            flops = {"algorithm 1": count_update_flops(settings, False), "simultaneous": count_update_flops(settings, True)}
            entry.setdefault("loops", {})[name] = {
                **{"title": settings["title"], "milliseconds": times, "skipped": skipped, "flops": flops}
            }
            print(json.dumps(entry["loops"][name], indent=1), flush=True)
            keras.utils.clear_session()
    for part, measure in (("growth", measure_growth), ("memory", measure_memory), ("quality", measure_quality)):
        if part in arguments.parts:
            entry[part] = measure()
            print(part, entry[part], flush=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
