"""The modern recipe on the frogs: residual networks without normalisation, relativistic loss, R1 and R2, augmentation, average.

    KERAS_BACKEND=jax python benchmarks/modern_frogs.py train FOLDER RECIPE SECONDS    on one GPU; the best moment is kept

A chunk of updates is one compiled call; the frogs lie on the device. At fifty moments 1,000 samples of the averaged generator are
judged by the kernel distance; the moment with the smallest one is kept, and a run that has collapsed is given up. Sources:
Huang et al. 2024, arXiv:2501.05441 (loss, penalties, no normalisation, Adam without momentum); Zhao et al. 2020, arXiv:2006.10738
(augmentation).
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

LATENT_DIM, CHUNK = 128, 100
R3 = {"networks": "residual", "widths": (256, 192, 128, 96), "weight": (0.05, 0.005), "batch": 64, "rate": (2e-4, 5e-5)}
R3 |= {"betas": (0.0, 0.99), "average": 0.9995, "policy": "mixed_bfloat16", "colour": 1.0, "cutout": True, "shift": 4}
RECIPES = {
    "weak": R3,  # 80 s of an H200 that four programs shared: 6,600 updates, kernel distance 0.0061
    "falling": R3 | {"weight": (0.5, 0.05)},  # the same: 6,500 updates, 0.0044
    "long": R3 | {"weight": (0.5, 0.05), "batch": 128},  # 500 s alone: collapsed before update 43,600; 0.3428 after 61,700
    "steady": R3 | {"weight": (0.5, 0.5)},
    "firm": R3 | {"weight": (2.0, 2.0)},
    "slow": R3 | {"weight": (0.5, 0.5), "rate": (1e-4, 2e-5)},
    "dcgan": R3 | {"networks": "dcgan", "widths": 96, "loss": "non_saturating", "rate": (2e-4, 2e-5), "betas": (0.5, 0.99)},
}


def build_generator(widths, latent_dim=LATENT_DIM):
    """Dense to 4 x 4, a residual block at each size, nearest-neighbour up-sampling and a 1 x 1 convolution between them."""
    import keras
    from keras import layers

    latents = keras.Input((latent_dim,))
    x = layers.Dense(4 * 4 * widths[0], kernel_initializer="he_normal")(latents)
    x = layers.Reshape((4, 4, widths[0]))(x)
    for i, width in enumerate(widths):
        if i:
            x = layers.UpSampling2D()(layers.Conv2D(width, 1, use_bias=False)(x))
        x = residual(x, width)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    return keras.Model(latents, layers.Conv2D(3, 3, padding="same", activation="tanh", dtype="float32")(x), name="generator")


def build_discriminator(widths):
    """The mirror image: a residual block at each size, 2 x 2 averages and a 1 x 1 convolution between them, one logit."""
    import keras
    from keras import layers

    images = keras.Input((32, 32, 3))
    x = layers.Conv2D(widths[-1], 3, padding="same", kernel_initializer="he_normal")(images)
    for i, width in enumerate(reversed(widths)):
        if i:
            x = layers.Conv2D(width, 1, use_bias=False)(layers.AveragePooling2D(2)(x))
        x = residual(x, width)
    x = layers.Flatten()(layers.LeakyReLU(negative_slope=0.2)(x))
    return keras.Model(images, layers.Dense(1, dtype="float32")(x), name="discriminator")


def residual(x, width):
    """`x` plus two 3 x 3 convolutions of it, the second of which starts at zero."""
    from keras import layers

    y = layers.LeakyReLU(negative_slope=0.2)(x)
    y = layers.Conv2D(width, 3, padding="same", kernel_initializer="he_normal")(y)
    y = layers.LeakyReLU(negative_slope=0.2)(y)
    return layers.Add()([x, layers.Conv2D(width, 3, padding="same", kernel_initializer="zeros")(y)])


def build_networks(recipe):
    """`(generator, discriminator)` of a recipe."""
    if recipe["networks"] == "residual":
        return build_generator(recipe["widths"]), build_discriminator(recipe["widths"])
    import discriminators
    from gan_utils import networks

    width = recipe["widths"]
    return networks.build_dcgan_generator(LATENT_DIM, base_filters=width), discriminators.build_dcgan_discriminator(
        base_filters=width
    )


def augment(images, key, recipe):
    """Random colours, translation and cutout of each image."""
    import jax
    import jax.numpy as jnp

    count, side, keys = len(images), images.shape[1], jax.random.split(key, 7)

    def uniform(i, low, high):
        return jax.random.uniform(keys[i], (count, 1, 1, 1), minval=low, maxval=high)

    def places(i, low, high):
        return jax.random.randint(keys[i], (count, 1), low, high) + jnp.arange(side)[None]

    c = recipe["colour"]
    images = images + uniform(0, -0.5 * c, 0.5 * c)
    grey = images.mean(axis=3, keepdims=True)
    images = (images - grey) * uniform(1, 1.0 - c, 1.0 + c) + grey
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    images = (images - mean) * uniform(2, 1.0 - 0.5 * c, 1.0 + 0.5 * c) + mean
    s = recipe["shift"]
    padded = jnp.pad(images, ((0, 0), (s, s), (s, s), (0, 0)))
    down, right = places(3, 0, 2 * s + 1), places(4, 0, 2 * s + 1)
    images = padded[jnp.arange(count)[:, None, None], down[:, :, None], right[:, None, :]]
    if recipe["cutout"]:
        down, right = places(5, 1 - side, 1), places(6, 1 - side, 1)
        hidden = ((down >= -(side // 4)) & (down < side // 4))[:, :, None] & ((right >= -(side // 4)) & (right < side // 4))[
            :, None, :
        ]
        images = images * ~hidden[..., None]
    return images


def values_of(network):
    """`(trainable, other)` values of a network, as `stateless_call` takes them."""
    return [v.value for v in network.trainable_variables], [v.value for v in network.non_trainable_variables]


class Training:
    """Networks, optimizers, the average of G's weights, and a compiled chunk of updates."""

    def __init__(self, recipe, seed=0):
        import jax
        import jax.numpy as jnp
        import keras

        from gan_utils import data, features

        keras.utils.set_random_seed(seed)
        keras.mixed_precision.set_global_policy(recipe["policy"])
        self.recipe = recipe
        self.generator, self.discriminator = build_networks(recipe)
        keras.mixed_precision.set_global_policy("float32")  # of the judge
        self.optimizers = [keras.optimizers.Adam(1.0, *recipe["betas"]) for _ in range(2)]
        for optimizer, network in zip(self.optimizers, (self.generator, self.discriminator)):
            optimizer.build(network.trainable_variables)
        frogs = data.load_frogs()[0]
        self.frogs = jnp.asarray(np.concatenate([frogs, frogs[:, :, ::-1]]))
        g, d = values_of(self.generator), values_of(self.discriminator)
        slots = [[v.value for v in optimizer.variables] for optimizer in self.optimizers]
        self.state = g, d, slots[0], slots[1], g, jax.random.key(seed), jnp.float32(0)
        self.chunk = jax.jit(self._chunk)
        # Compiled as a whole: one operation at a time would wait behind the training.
        self._draw = jax.jit(lambda average, latents: self.generator.stateless_call(*average, latents, training=False)[0])
        classifier = features.load_classifier("cifar10")
        values = values_of(classifier)
        self._look = jax.jit(lambda images: classifier.stateless_call(*values, images, training=False)[0][0])
        self.real_features = features.load_references("frogs")

    def _chunk(self, state, rate, weight):
        import jax

        def body(state, _):
            return self._update(state, rate, weight)

        state, logs = jax.lax.scan(body, state, None, CHUNK)
        return state, jax.tree.map(lambda log: log.mean(), logs)

    def _update(self, state, rate, weight):
        import jax
        import jax.numpy as jnp

        recipe, (g, d, g_slots, d_slots, average, key, count) = self.recipe, state
        key, *keys = jax.random.split(key, 8)
        real = self.frogs[jax.random.randint(keys[0], (recipe["batch"],), 0, len(self.frogs))]

        def draw(g, key):
            return self.generator.stateless_call(*g, jax.random.normal(key, (recipe["batch"], LATENT_DIM)), training=True)

        fakes, _ = draw(g, keys[1])
        fakes = fakes.astype("float32")
        changed = augment(real, keys[2], recipe), augment(fakes, keys[3], recipe)

        def logits_and_slope(trained, rest, images):
            def total(images):
                logits, new = self.discriminator.stateless_call(trained, rest, images, training=True)
                return logits.astype("float32").sum(), (logits.astype("float32"), new)

            slope, (logits, new) = jax.grad(total, has_aux=True)(images)
            return logits, new, jnp.mean(jnp.sum(slope.astype("float32") ** 2, axis=(1, 2, 3)))

        def d_loss(trained):
            rest = d[1]
            if recipe.get("loss") == "non_saturating":
                on_real, rest = self.discriminator.stateless_call(trained, rest, changed[0], training=True)
                on_fakes, rest = self.discriminator.stateless_call(trained, rest, changed[1], training=True)
                return jnp.mean(jax.nn.softplus(-on_real)) + jnp.mean(jax.nn.softplus(on_fakes)), (rest, on_real, on_fakes, 0.0)
            on_real, rest, r1 = logits_and_slope(trained, rest, changed[0])
            on_fakes, rest, r2 = logits_and_slope(trained, rest, changed[1])
            loss = jnp.mean(jax.nn.softplus(on_fakes - on_real)) + 0.5 * weight * (r1 + r2)
            return loss, (rest, on_real, on_fakes, r1 + r2)

        (loss_d, (rest, on_real, on_fakes, slope)), gradients = jax.value_and_grad(d_loss, has_aux=True)(d[0])
        d_slots = self._set_rate(1, d_slots, rate)
        trained, d_slots = self.optimizers[1].stateless_apply(d_slots, gradients, d[0])
        d = trained, rest

        def g_loss(trained):
            made, rest = draw((trained, g[1]), keys[4])
            judged, _ = self.discriminator.stateless_call(*d, augment(made.astype("float32"), keys[5], recipe), training=True)
            if recipe.get("loss") != "non_saturating":
                judged = judged - self.discriminator.stateless_call(*d, augment(real, keys[6], recipe), training=True)[0]
            return jnp.mean(jax.nn.softplus(-judged)), rest

        (loss_g, rest), gradients = jax.value_and_grad(g_loss, has_aux=True)(g[0])
        g_slots = self._set_rate(0, g_slots, rate)
        trained, g_slots = self.optimizers[0].stateless_apply(g_slots, gradients, g[0])
        g = trained, rest
        momentum = jnp.minimum(recipe["average"], (1.0 + count) / (10.0 + count))
        average = jax.tree.map(lambda a, w: momentum * a + (1.0 - momentum) * w, average, g)
        logs = loss_d, loss_g, jnp.mean(jax.nn.sigmoid(on_real - on_fakes)), slope
        return (g, d, g_slots, d_slots, average, key, count + 1.0), logs

    def _set_rate(self, i, slots, rate):
        names = [v is self.optimizers[i]._learning_rate for v in self.optimizers[i].variables]
        return [rate if is_rate else slot for slot, is_rate in zip(slots, names)]

    def averaged(self):
        """The averaged weights of G, in the order of `get_weights()`."""
        (trained, rest), generator = self.state[4], self.generator
        of = dict(zip([v.path for v in generator.trainable_variables], trained))
        of |= zip([v.path for v in generator.non_trainable_variables], rest)
        return [of[v.path] for v in generator.weights]

    def draw(self, num_images, seed):
        """Images of the averaged generator, float32."""
        latents = np.random.default_rng(seed).standard_normal((num_images, LATENT_DIM)).astype("float32")
        parts = [self._draw(self.state[4], part) for part in np.split(latents, max(1, num_images // 250))]
        return np.concatenate([np.asarray(part, "float32") for part in parts])

    def look(self, images):
        """Features of images, from the course's classifier."""
        return np.concatenate([np.asarray(self._look(part)) for part in np.split(images, max(1, len(images) // 250))])


def train(folder, name, seconds):
    """Train for some seconds of wall time; writes best and last weights, samples of the moments, and a log."""
    from gan_utils import images, metrics

    recipe, seconds = RECIPES[name], float(seconds)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.time()
    training = Training(recipe)
    log, samples, best = [], [], np.inf

    def judge(spent, updates, logs):
        nonlocal best
        distance = float(metrics.kernel_distance(training.real_features, training.look(training.draw(1_000, 2)))[0])
        log.append([round(spent, 1), updates, round(distance, 5), *[round(float(value), 4) for value in logs]])
        samples.append(images.denormalize(training.draw(16, 1)))
        print(name, log[-1], flush=True)
        weights = [np.asarray(weight, "float16") for weight in training.averaged()]
        if distance < best:
            best = distance
            np.savez(folder / "best.npz", *weights)
        np.savez(folder / "last.npz", *weights)
        np.savez(folder / "samples.npz", samples=np.array(samples))
        (folder / "log.json").write_text(json.dumps({"recipe": name, "settings": recipe, "seconds": seconds, "moments": log}))
        return distance

    judge(0.0, 0, ())  # compiles
    chunks, start = 0, None
    while True:
        spent = 0.0 if start is None else time.time() - start
        used = spent / seconds
        mix = 0.5 - 0.5 * np.cos(np.pi * min(1.0, 1.5 * used))  # from the first value of a pair to the second
        rate, weight = ((1.0 - mix) * pair[0] + mix * pair[1] for pair in (recipe["rate"], recipe["weight"]))
        rate *= min(1.0, max(0.05, (1.0 - used) / 0.15))  # and down to nothing at the end
        training.state, logs = training.chunk(training.state, np.float32(rate), np.float32(weight))
        logs = [float(value) for value in logs]  # waits for the device
        chunks += 1
        if start is None:
            start = time.time()
            seconds -= start - began
            print(f"{name}: compiled after {start - began:.0f} s", flush=True)
        elif used >= len(log) / 50 or used >= 1.0:
            if judge(spent, chunks * CHUNK, logs) > 10 * best or used >= 1.0:  # a collapsed run is given up
                break


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
