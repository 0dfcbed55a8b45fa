"""The steps of lesson 09, each measured on the frogs: equal CPU time on one thread, three seeds.

    python benchmarks/frog_recipes.py NAME --seconds 300 --seed 0    one training, added to data/results/frog_recipes.json

A trial trains until it has used its seconds of CPU time, counted without the judging. Over the second half both rates fall
to zero on a cosine; "two stages" does so in the first four fifths, and goes on with other settings and rates that fall at once;
"constant second stage" in the first three quarters, and its later rates do not fall: the average does the settling.
The generator is judged twice, with its weights and with their moving average: kernel distance of 5,000 samples to 5,000 frogs.
At each third of the time 1,000 samples are judged. It runs on TensorFlow.

"Shared fakes" and the trials with two stages are no steps of the lesson. The first has one pass of G an update: the fakes that D
has just judged are those that move G. The others go on from there with mild augmentations and lower rates.
"""

import argparse
import math
import os
import time
from pathlib import Path

import numpy as np

from quality_ladder import ONE_THREAD, locked, read_records, write_records

RESULTS = Path(__file__).parent.parent / "data" / "results" / "frog_recipes.json"
PLAIN = {"networks": "dcgan", "rates": (2e-4, 4e-4), "augmentations": (), "shift": 4, "average": 0.999}
RELATIVISTIC = {"networks": "no batch norm", "loss": "relativistic", "weight": 0.1, "rates": (4e-4, 4e-4)}
ALL = {"augmentations": ("translation", "colour", "cutout")}
TRIALS = {"plain": PLAIN, "translation, colour, cutout": PLAIN | ALL, "relativistic, R1 and R2": PLAIN | RELATIVISTIC}
TRIALS["shared fakes"] = PLAIN | {"shared": True}
MILD = ALL | {"rates": (1e-4, 1.5e-4), "average": 0.9995, "colour": 0.3, "cutout": 10}
TRIALS["two stages"] = TRIALS["shared fakes"] | {"then": MILD, "turn": 0.8}
TRIALS["constant second stage"] = TRIALS["shared fakes"] | {"then": MILD, "turn": 0.75, "fall": False}
BATCH, LATENT_DIM = 32, 100


def augment(images, kinds, shift, seed, colour=1.0, cutout=16):
    """Random changes of each image, with a gradient to it: translation, colour, cutout.

    Source: Zhao et al. 2020, arXiv:2006.10738; by default their strengths, but for the translation.
    """
    import keras
    import tensorflow as tf

    count, side = tf.shape(images)[0], images.shape[1]

    def uniform(shape, low, high):
        return keras.random.uniform((count, *shape), low, high, seed=seed)

    if "colour" in kinds:
        images = images + colour * uniform((1, 1, 1), -0.5, 0.5)  # brightness
        grey = tf.reduce_mean(images, axis=3, keepdims=True)
        images = (images - grey) * uniform((1, 1, 1), 1.0 - colour, 1.0 + colour) + grey  # saturation
        mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
        images = (images - mean) * uniform((1, 1, 1), 1.0 - 0.5 * colour, 1.0 + 0.5 * colour) + mean  # contrast
    places = tf.range(side)[None]
    if "translation" in kinds:
        padded = tf.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
        down, right = (tf.cast(uniform((1,), 0, 2 * shift + 1), "int32") + places for _ in range(2))
        images = tf.gather(tf.gather(padded, down, batch_dims=1), right, axis=2, batch_dims=1)
    if "cutout" in kinds:
        down, right = (tf.cast(uniform((1,), 0, side + 1), "int32") - cutout // 2 for _ in range(2))
        hidden = [(places >= start) & (places < start + cutout) for start in (down, right)]
        images = images * tf.cast(~(hidden[0][:, :, None, None] & hidden[1][:, None, :, None]), images.dtype)
    return images


def without_batch_norm(network):
    """The same layers without batch normalisation, with biases and He's start, LeakyReLU in both networks."""
    import keras
    from keras import layers

    new = keras.Sequential([keras.Input(network.input_shape[1:])], name=network.name)
    for layer in network.layers:
        config = layer.get_config()
        if isinstance(layer, (layers.Conv2D, layers.Conv2DTranspose, layers.Dense)):
            config |= {"use_bias": True, "kernel_initializer": "he_normal"}
            new.add(layer.__class__.from_config(config))
        elif isinstance(layer, layers.ReLU):
            new.add(layers.LeakyReLU(negative_slope=0.2))
        elif not isinstance(layer, layers.BatchNormalization):
            new.add(layer.__class__.from_config(config))
    return new


class Training:
    """Networks, optimizers, the average of G's weights, and one compiled update."""

    def __init__(self, settings, seed):
        import keras
        import tensorflow as tf

        import discriminators
        from gan_utils import networks

        keras.utils.set_random_seed(seed)
        filters = settings.get("filters", 32)
        self.generator = networks.build_dcgan_generator(LATENT_DIM, base_filters=filters)
        self.discriminator = discriminators.build_dcgan_discriminator(base_filters=filters)
        if settings["networks"] == "no batch norm":
            self.generator, self.discriminator = map(without_batch_norm, (self.generator, self.discriminator))
        self.average = keras.models.clone_model(self.generator)
        self.average.set_weights(self.generator.get_weights())
        if settings.get("loss") == "relativistic":
            self.optimizers = [keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99) for rate in settings["rates"]]
        else:
            self.optimizers = [keras.optimizers.RMSprop(rate, clipvalue=1.0) for rate in settings["rates"]]
        for optimizer, network in zip(self.optimizers, (self.generator, self.discriminator)):
            optimizer.build(network.trainable_variables)
        self.seeds, self.count = keras.random.SeedGenerator(seed), tf.Variable(0.0)
        self.update = self.make_update(settings)

    def variables(self):
        """All that a run needs to go on."""
        networks = self.generator, self.discriminator, self.average
        weights = [weight for network in networks for weight in network.weights]
        return [*weights, *self.optimizers[0].variables, *self.optimizers[1].variables, self.seeds.state, self.count]

    def make_update(self, settings):
        """One compiled update by these settings: real images -> the losses of D and G."""
        import keras
        import tensorflow as tf

        discriminator, seeds, relativistic = self.discriminator, self.seeds, settings.get("loss") == "relativistic"
        strength = {name: settings[name] for name in ("colour", "cutout") if name in settings}

        def changed(images):
            return augment(images, settings["augmentations"], settings["shift"], seeds, **strength)

        def look(images):
            return discriminator(changed(images), training=True)

        def look_and_slope(images):
            images = changed(images)
            with tf.GradientTape() as tape:
                tape.watch(images)
                logits = discriminator(images, training=True)
            squares = tape.gradient(logits, images) ** 2
            return logits, 0.5 * tf.reduce_mean(tf.reduce_sum(squares, axis=(1, 2, 3)))

        @tf.function
        def update(real):
            latents = keras.random.normal((BATCH, LATENT_DIM), seed=seeds)
            with tf.GradientTape() as drawing:
                fakes = self.generator(latents, training=True)
            with tf.GradientTape() as tape:
                if relativistic:
                    (on_real, r1), (on_fakes, r2) = look_and_slope(real), look_and_slope(fakes)
                    d_loss = tf.reduce_mean(tf.nn.softplus(on_fakes - on_real)) + settings["weight"] * (r1 + r2)
                else:
                    on_real, on_fakes = look(real), look(fakes)
                    d_loss = tf.reduce_mean(tf.nn.softplus(-on_real)) + tf.reduce_mean(tf.nn.softplus(on_fakes))
            variables = discriminator.trainable_variables
            self.optimizers[1].apply(tape.gradient(d_loss, variables), variables)
            if not settings.get("shared"):
                latents = keras.random.normal((BATCH, LATENT_DIM), seed=seeds)
                with tf.GradientTape() as drawing:
                    fakes = self.generator(latents, training=True)
            with tf.GradientTape() as tape:
                tape.watch(fakes)
                on_fakes = look(fakes)
                margin = on_fakes - look(real) if relativistic else on_fakes
                g_loss = tf.reduce_mean(tf.nn.softplus(-margin))
            variables = self.generator.trainable_variables
            slopes = tape.gradient(g_loss, fakes)  # through the D that has just moved
            self.optimizers[0].apply(drawing.gradient(fakes, variables, output_gradients=slopes), variables)
            momentum = tf.minimum(settings["average"], (1.0 + self.count) / (10.0 + self.count))
            for average, weight in zip(self.average.weights, self.generator.weights):
                average.assign(momentum * average + (1.0 - momentum) * weight)
            self.count.assign_add(1.0)
            return d_loss, g_loss

        return update


def find_stage(settings, used):
    """`(settings, factor of the rates)` after this share of the time."""
    turn = settings.get("turn", 1.0)
    if used >= turn and "then" in settings:
        used, settings = (used - turn) / (1.0 - turn), settings | settings["then"]
        return settings, 0.5 * (1.0 + math.cos(math.pi * used)) if settings.get("fall", True) else 1.0
    return settings, 0.5 * (1.0 + math.cos(math.pi * max(0.0, 2.0 * used / turn - 1.0)))


def run_trial(name, seconds, seed):
    """Train and judge; returns the record of the trial."""
    import tensorflow as tf

    from gan_utils import data, features, results

    training = Training(TRIALS[name], seed)
    frogs, _ = data.load_frogs()
    images = np.concatenate([frogs, frogs[:, :, ::-1]])
    per_epoch, moments, left_out, step, stage = len(images) // BATCH, [], 0.0, 0, TRIALS[name]

    def judge(network, count):
        return round(features.kernel_distance(results.draw(network, count, seed=seed), "frogs")[0], 5)

    start = time.process_time()
    while True:
        used = (time.process_time() - start - left_out) / seconds
        if used >= (len(moments) + 1) / 3:
            began = time.process_time()
            pair = [judge(network, 1_000) for network in (training.generator, training.average)]
            moments.append([round(used * seconds), step, *pair])
            print(name, seed, moments[-1], flush=True)
            left_out += time.process_time() - began
        if used >= 1.0:
            break
        before, (stage, factor) = stage, find_stage(TRIALS[name], used)
        if stage != before:
            training.update = training.make_update(stage)
        for optimizer, rate in zip(training.optimizers, stage["rates"]):
            optimizer.learning_rate = rate * factor
        for _ in range(20):
            epoch, i = divmod(step, per_epoch)
            if i == 0:
                order = np.random.default_rng((seed, epoch)).permutation(len(images))
            training.update(tf.constant(images[order[i * BATCH : (i + 1) * BATCH]]))
            step += 1
    record = {"trial": name, "settings": TRIALS[name], "cpu_seconds": seconds, "seed": seed, "updates": step, "moments": moments}
    record["kernel_distance"], record["of_average"] = (judge(n, 5_000) for n in (training.generator, training.average))
    return record


def save(record):
    """Add a record to the results."""
    with locked(RESULTS):
        write_records(RESULTS, [*read_records(RESULTS), record])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=TRIALS)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    record = run_trial(arguments.name, arguments.seconds, arguments.seed)
    print(record)
    save(record)


if __name__ == "__main__":
    os.environ |= ONE_THREAD
    main()
