"""The classic frog networks of lesson 03, trained for thousands of updates of 20 frogs.

    python benchmarks/classic_frogs.py train FOLDER UPDATES    goes on from FOLDER/state.npz; may be stopped at any time
    python benchmarks/classic_frogs.py judge FOLDER UPDATES    judges the moments kept so far, and adds what is missing
    python benchmarks/classic_frogs.py ship FOLDER UPDATES     record of the ladder, recording in data/results

It computes in bfloat16: one update takes 2.4 seconds of a core that has AVX-512 BF16. The update is that of lesson 03's fast
step: RMSprop, rates 4e-4 and 8e-4, gradients clipped at 1, label noise on the real side only, frogs and their mirror images.
Both half-steps share the fakes, which saves a quarter of the time. Seed 0; no other seed was tried.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

import quality_ladder
import training_speed

NAME, BATCH, EVERY, LATENT_DIM = "classic_frogs", 20, 125, 32


class Training:
    """Networks, optimizers and one compiled update; all variables in `state`."""

    def __init__(self):
        import keras
        import tensorflow as tf

        keras.utils.set_random_seed(0)
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
        self.generator = training_speed.build_classic_generator(LATENT_DIM)
        discriminator = training_speed.build_classic_discriminator()
        discriminator.layers[-1].dtype_policy = "float32"
        optimizers = quality_ladder.rmsprop(4e-4, 8e-4, clipvalue=1.0)
        pairs = list(zip(optimizers, (self.generator, discriminator)))
        for optimizer, network in pairs:
            optimizer.build(network.trainable_variables)
        seeds = keras.random.SeedGenerator(0)
        dropout = [layer.seed_generator.state for layer in discriminator.layers if isinstance(layer, keras.layers.Dropout)]
        networks = self.generator.trainable_variables + discriminator.trainable_variables
        self.state = [*networks, *optimizers[0].variables, *optimizers[1].variables, seeds.state, *dropout]

        def cross_entropy(targets, logits):
            return tf.reduce_mean(tf.nn.softplus(logits) - targets * logits)

        @tf.function
        def update(real):
            with tf.GradientTape() as of_generator:
                fakes = self.generator(keras.random.normal((BATCH, LATENT_DIM), seed=seeds), training=True)
            targets = 1.0 - keras.random.uniform((BATCH, 1), 0.0, 0.05, seed=seeds)
            with tf.GradientTape() as tape:
                on_real = discriminator(real, training=True)
                on_fakes = discriminator(tf.stop_gradient(fakes), training=True)
                d_loss = cross_entropy(targets, on_real) + cross_entropy(0.0, on_fakes)
            variables = discriminator.trainable_variables
            optimizers[1].apply(tape.gradient(d_loss, variables), variables)
            images = tf.stop_gradient(fakes)
            with tf.GradientTape() as tape:
                tape.watch(images)
                g_loss = cross_entropy(1.0, discriminator(images, training=True))
            variables = self.generator.trainable_variables
            to_images = tape.gradient(g_loss, images)
            optimizers[0].apply(of_generator.gradient(fakes, variables, output_gradients=to_images), variables)
            return d_loss, g_loss, tf.reduce_mean(tf.sigmoid(on_real)), tf.reduce_mean(tf.sigmoid(on_fakes))

        self.update = update


def train(folder, num_updates):
    """Go on from the stored state; every 125 updates keep it and the generator, in float16."""
    import tensorflow as tf

    from gan_utils import data

    training, (frogs, _) = Training(), data.load_frogs()
    frogs = np.concatenate([frogs, frogs[:, :, ::-1]])
    logs, cpu, path = [], 0.0, folder / "state.npz"
    if path.exists():
        stored = np.load(path)
        for i, variable in enumerate(training.state):
            variable.assign(stored[f"v{i}"])
        logs, cpu = stored["logs"].tolist(), float(stored["cpu"])
    began, per_epoch = time.process_time(), len(frogs) // BATCH
    for step in range(len(logs), num_updates):
        epoch, i = divmod(step, per_epoch)
        order = np.random.default_rng((0, epoch)).permutation(len(frogs))
        logs.append([float(value) for value in training.update(tf.constant(frogs[order[i * BATCH : (i + 1) * BATCH]]))])
        if (step + 1) % EVERY == 0:
            weights = [weight.astype("float16") for weight in training.generator.get_weights()]
            np.savez(folder / f"g_{step + 1:05d}.npz", *weights)
            arrays = {f"v{i}": variable.numpy() for i, variable in enumerate(training.state)}
            spent = cpu + time.process_time() - began
            np.savez(folder / "unfinished.npz", logs=logs, cpu=spent, **arrays)
            (folder / "unfinished.npz").replace(path)
            print(f"{step + 1} updates, {spent:.0f} s", np.round(np.mean(logs[-EVERY:], axis=0), 3), flush=True)


def judge(folder, num_updates):
    """Kernel distance of 500 images and 16 samples of each kept moment, added to FOLDER/judged.json."""
    import keras

    from gan_utils import data, features, images, metrics, results

    generator, path = Training().generator, folder / "judged.json"
    keras.mixed_precision.set_global_policy("float32")  # of the classifier
    judged = json.loads(path.read_text()) if path.exists() else {}
    classifier = features.load_classifier("cifar10")
    real = features.extract(classifier, data.load_frogs()[0][:5_000])
    moments = {0: None} | {int(kept.stem[2:]): kept for kept in sorted(folder.glob("g_*.npz"))}
    for step, kept in moments.items():
        if step > num_updates or str(step) in judged:
            continue
        if kept is not None:
            set_weights(generator, kept)
        drawn, shown = (
            results.draw(generator, n, seed=seed).astype("float32")
            for n, seed in ((quality_ladder.NUM_JUDGED_ON_THE_WAY, 2), (16, 1))
        )
        distance = metrics.kernel_distance(real, features.extract(classifier, drawn))[0]
        np.save(folder / f"drawn_{step:05d}.npy", images.denormalize(shown))
        judged[str(step)] = round(distance, 5)
        path.write_text(json.dumps(judged))
        print(f"{step} updates: kernel distance {distance:.4f}", flush=True)


def set_weights(generator, path):
    with np.load(path) as arrays:
        generator.set_weights([arrays[name].astype("float32") for name in arrays.files])


def ship(folder, num_updates):
    """Write the generator and the recording, and its record in the ladder."""
    from gan_utils import autodiff, features, images, results

    judged = {int(step): distance for step, distance in json.loads((folder / "judged.json").read_text()).items()}
    steps = sorted(step for step in judged if step <= num_updates)
    assert steps[-1] == num_updates, "judge first"
    with np.load(folder / "state.npz") as stored:
        logs, cpu = stored["logs"], float(stored["cpu"])
    moments = {"steps": steps, "seconds": [], "cpu_seconds": [round(cpu * step / len(logs), 1) for step in steps]}
    moments["seconds"] = moments["cpu_seconds"]  # wall time was not kept: the run was stopped and resumed
    moments["kernel_distances"] = [judged[step] for step in steps]
    for i, name in enumerate(quality_ladder.CURVES):
        means = [float(np.mean(logs[a:b, i])) for a, b in zip(steps, steps[1:])]
        moments[name] = [None, *(round(value, 4) for value in means)]
    generator = training_speed.build_classic_generator(LATENT_DIM)  # float32, as readers load it
    set_weights(generator, folder / f"g_{num_updates:05d}.npz")
    samples = [images.normalize(np.load(folder / f"drawn_{step:05d}.npy")) for step in steps]
    scores = features.evaluate(results.draw(generator, quality_ladder.NUM_JUDGED["frogs"], seed=0), "frogs")
    record = {"name": NAME, "budget": "classroom", "seed": 0, "backend": "tensorflow", "device": autodiff.describe_device()}
    record["updates"] = num_updates
    record["parameters"] = [generator.count_params(), training_speed.build_classic_discriminator().count_params()]
    record |= {"scores": {name: round(value, 5) for name, value in scores.items()}, "moments": moments}
    quality_ladder.save(record)
    quality_ladder.ship(NAME, None, samples)  # 6 million weights that no lesson needs
    print(record["scores"])


if __name__ == "__main__":
    os.environ |= quality_ladder.ONE_THREAD
    {"train": train, "judge": judge, "ship": ship}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
