"""`monitors.Checkpoint`: a run that was cut ends bit for bit where the uninterrupted one ends."""

import atexit
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import checkpoint_run as run
import keras
import numpy as np
import pytest

from gan_utils import latents, monitors, training

ROOT = Path(__file__).parent.parent
UPDATES = 5  # in an epoch


class CutError(Exception):
    """Stands for the stop button."""


def cut(update):
    """Callbacks that stop the training after so many updates."""
    counter = []

    def stop(batch, logs):
        counter.append(batch)
        if len(counter) == update:
            raise CutError

    return [keras.callbacks.LambdaCallback(on_train_batch_end=stop)]


def finish(folder, gan=None, **kwargs):
    """Call the same `fit` in a new session, where the weights begin elsewhere; the digest of its end."""
    gan = run.build(99) if gan is None else gan
    recorder = run.record()
    return run.digest(gan, recorder, run.train(gan, recorder, folder, **kwargs))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def whole():
    """Digest of the uninterrupted run, without checkpoints."""
    return finish(None, run.build())


@pytest.fixture(scope="module")
def cut_run(tmp_path_factory):
    """Folder of a run that was cut in its fifth epoch. Tests copy it."""
    folder = tmp_path_factory.mktemp("cut") / "checkpoint"
    with pytest.raises(CutError):
        run.train(run.build(), run.record(), folder, callbacks=cut(4 * UPDATES + 2))
    return folder


@pytest.fixture
def folder(cut_run, tmp_path):
    return shutil.copytree(cut_run, tmp_path / "checkpoint")


def test_a_new_session_goes_on_and_says_so(folder, whole, capsys):
    assert names(folder) == ["epoch_000003", "epoch_000004"]
    gan, recorder = run.build(99), run.record()
    history = run.train(gan, recorder, folder)
    assert run.digest(gan, recorder, history) == whole
    assert history.epoch == list(range(6)) and len(history.history["d_real"]) == 6
    assert recorder.steps == list(range(1, 6 * UPDATES + 1)) and recorder.sample_steps == [
        0,
        7,
        14,
        21,
        28,
        30,
    ]
    told = f"Resumed after epoch 4 of 6 (update 20), saved in {folder}. Delete this folder to start anew.\n"
    assert capsys.readouterr().out == told
    assert not folder.exists()


@pytest.mark.parametrize("update", [2, random.Random(0).randint(UPDATES + 1, 6 * UPDATES)])
def test_the_same_session_goes_on_wherever_it_was_cut(update, tmp_path, whole):
    gan = run.build()
    with pytest.raises(CutError):
        run.train(gan, run.record(), tmp_path, callbacks=cut(update))
    assert finish(tmp_path, gan) == whole


def test_other_optimizers_come_back_too(tmp_path):
    def build(first_weights):
        gan = run.build(first_weights)
        momentum = keras.optimizers.SGD(
            keras.optimizers.schedules.ExponentialDecay(1e-2, 3, 0.9), momentum=0.9
        )
        gan.compile(
            keras.optimizers.Adam(1e-2, amsgrad=True),
            momentum,
            loss="wasserstein",
            steps_per_execution=2,
        )
        return gan

    with pytest.raises(CutError):
        run.train(build(1), run.record(), tmp_path, epochs=4, callbacks=cut(8))
    assert finish(tmp_path, build(2), epochs=4) == finish(None, build(1), epochs=4)


def test_without_a_seed_the_drawn_ones_come_back(tmp_path):
    gan = run.build(seed=None)
    with pytest.raises(CutError):
        run.train(gan, run.record(), tmp_path, epochs=2, callbacks=cut(UPDATES + 2))
    resumed = run.build(99, seed=None)
    run.train(resumed, run.record(), tmp_path, epochs=1 + 1)
    generator = np.random.default_rng(gan.batches.seed)
    orders = [generator.permutation(len(run.POINTS)) for _ in range(4)]
    # Number 0 is a look at the data, then one for each of the two epochs, and the next is drawn at the end.
    np.testing.assert_array_equal(resumed.batches.order, orders[3])


def truncate(path, rng):
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(len(content))])


def flip(path, rng):
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["gan.weights.h5", "arrays.npz", "state.json"])
@pytest.mark.parametrize("damage", [truncate, flip, lambda path, rng: path.unlink()])
def test_a_damaged_checkpoint_is_refused_and_told(file, damage, folder):
    damage(folder / "epoch_000004" / file, np.random.default_rng())
    state, arrays, problem = monitors._read_checkpoint(folder / "epoch_000004")
    assert state is None and arrays is None and "damaged" in problem
    assert monitors._read_checkpoint(folder / "epoch_000003")[2] == ""


@pytest.mark.parametrize("file", ["gan.weights.h5", "arrays.npz", "state.json"])
def test_the_checkpoint_before_a_truncated_one_is_used(file, folder, whole, capsys):
    truncate(folder / "epoch_000004" / file, np.random.default_rng())
    assert finish(folder) == whole
    out = capsys.readouterr().out
    assert f"Refused {folder / 'epoch_000004'}: " in out and "Resumed after epoch 3 of 6" in out
    assert names(folder) == ["refused_epoch_000004"]


def test_with_damaged_checkpoints_only_training_starts_anew_and_says_so(folder, whole, capsys):
    for path in folder.iterdir():
        (path / "state.json").unlink()
    assert finish(folder, run.build()) == whole
    assert (
        f"No checkpoint in {folder} can be used: training starts anew." in capsys.readouterr().out
    )


def other_latents():
    return monitors.Recorder(latents.sample_latents(4, 3, seed=2), every=7)


def with_loss(loss):
    gan = run.build()
    gan.compile(gan.generator_optimizer, gan.discriminator_optimizer, loss=loss)
    return gan


FOREIGN = {
    "learning rate": (
        {"learning_rate": 1e-3},
        {},
        "discriminator's optimizer, learning_rate: 0.001 here, 0.01 there",
    ),
    "dropout": ({"dropout": 0.1}, {}, "rate: 0.1 here, 0.3 there"),
    "average": (
        {"use_ema": False},
        {},
        "discriminator's optimizer, use_ema: False here, True there",
    ),
    "order": (
        {"order": "generator_first"},
        {},
        "order: generator_first here, discriminator_first there",
    ),
    "seed": ({"seed": 4}, {}, "seed: 4 here, 3 there"),
    "batch size": ({}, {"batch_size": 40}, "batch_size: 40 here, 32 there"),
    "number of images": (
        {},
        {"images": run.POINTS[:-1]},
        r"images: \[159, 2\] here, \[160, 2\] there",
    ),
    "images": ({}, {"images": -run.POINTS}, "checksum: "),
    "epochs": ({}, {"epochs": 2}, "epochs: 2 here, 4 done there"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_checkpoint_is_refused_and_stays(name, folder, capsys):
    settings, kwargs, message = FOREIGN[name]
    with pytest.raises(ValueError, match=message):
        finish(folder, run.build(**settings), **kwargs)
    assert capsys.readouterr().out.count("Refused") == 2
    assert names(folder) == ["epoch_000003", "epoch_000004"]


def test_other_networks_losses_and_recorders_are_foreign(folder):
    with pytest.raises(ValueError, match="discriminator_loss: wasserstein_discriminator_loss here"):
        finish(folder, with_loss("wasserstein"))
    with pytest.raises(ValueError, match="latents of recorder 0: "):
        run.train(run.build(), other_latents(), folder)
    wide = run.build()
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(9), keras.layers.Dense(2)])
    gan = training.GAN(generator, wide.discriminator, seed=3)
    gan.compile(keras.optimizers.RMSprop(1e-2), wide.discriminator_optimizer)
    with pytest.raises(ValueError, match="generator's layer 1, units: 9 here, 8 there"):
        finish(folder, gan)


def test_a_foreign_checkpoint_among_the_own_is_put_aside(folder, whole, tmp_path):
    with pytest.raises(CutError):
        run.train(run.build(seed=8), run.record(), tmp_path / "other", callbacks=cut(UPDATES + 1))
    shutil.move(tmp_path / "other" / "epoch_000001", folder / "epoch_000005")
    assert finish(folder) == whole
    assert names(folder) == ["refused_epoch_000005"]


def test_layers_that_were_counted_on_are_no_other_networks(folder, whole):
    run.build()  # a cell that is run again makes `dense_5` of what was `dense_3`
    keras.layers.Dense(1)
    assert finish(folder, run.build(99)) == whole


def test_a_folder_that_cannot_be_written_stops_before_the_first_update(tmp_path):
    (tmp_path / "file").write_text("")
    gan = run.build()
    with pytest.raises(
        OSError, match="could not be written to .*file.* The folder must allow writing.* Make room"
    ):
        run.train(gan, run.record(), tmp_path / "file" / "checkpoint")
    assert int(gan.generator_optimizer.iterations) == 0


def test_a_read_only_folder_stops_before_the_first_update(folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(
            13, "Permission denied"
        )  # root may write anywhere, so the system cannot be asked

    gan = run.build()
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OSError, match="could not be written to .*Permission denied"):
        run.train(gan, run.record(), folder)
    assert int(gan.generator_optimizer.iterations) == 0
    assert names(folder) == ["epoch_000003", "epoch_000004"]


def test_a_broken_weight_is_not_saved(tmp_path):
    gan = run.build()

    def spoil(epoch, logs):
        if epoch == 2:
            weight = gan.discriminator.weights[0]
            weight.assign(np.full(weight.shape, np.nan))

    first = keras.callbacks.LambdaCallback(on_epoch_end=spoil)
    callbacks = [first, monitors.Checkpoint(tmp_path)]
    with pytest.raises(FloatingPointError):
        gan.fit(run.POINTS, batch_size=32, epochs=9, verbose=0, callbacks=callbacks)
    assert names(tmp_path)[0] < names(tmp_path)[-1] == "epoch_000002"


def test_a_rate_that_a_callback_changed_is_no_foreign_setting(tmp_path):
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 1e-2 / (epoch + 1))

    def train(gan, *last):
        gan.fit(run.POINTS, batch_size=32, epochs=4, verbose=0, callbacks=[schedule, *last])

    gan = run.build()
    with pytest.raises(CutError):
        train(gan, monitors.Checkpoint(tmp_path), *cut(UPDATES * 2 + 1))
    rates = [float(o.learning_rate) for o in (gan.generator_optimizer, gan.discriminator_optimizer)]
    assert rates[0] != rates[1]  # the schedule changes G's
    train(gan, monitors.Checkpoint(tmp_path))  # the same session
    whole = run.build()
    train(whole)
    for value, expected in zip(
        training.gradient_weights(gan.generator), training.gradient_weights(whole.generator)
    ):
        np.testing.assert_array_equal(value, expected)
    assert gan.history.history == whole.history.history


def test_a_run_with_no_epoch_left_ends_with_a_live_figure(tmp_path):
    def recorder():
        return monitors.Recorder(latents.sample_latents(4, 3, seed=1), every=7, live=True)

    with pytest.raises(CutError):
        run.train(run.build(), recorder(), tmp_path, epochs=6, callbacks=cut(UPDATES * 3 + 1))
    history = run.train(run.build(), recorder(), tmp_path, epochs=3)
    assert history.epoch == [0, 1, 2]


def test_every_second_epoch_is_saved_and_two_are_kept(tmp_path):
    (tmp_path / "unfinished").mkdir()  # of a killed run
    (tmp_path / "notes.txt").write_text("mine")
    gan, seen = run.build(), []
    checkpoint = monitors.Checkpoint(tmp_path, every=2)
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(names(tmp_path)[:-1])
    )
    gan.fit(run.POINTS, batch_size=32, epochs=5, verbose=0, callbacks=[checkpoint, look])
    two, four = "epoch_000002", "epoch_000004"
    assert seen == [
        ["epoch_000000"],
        ["epoch_000000", two],
        ["epoch_000000", two],
        [two, four],
        [two, four],
    ]
    assert names(tmp_path) == ["notes.txt"]


def test_a_later_start_takes_the_order_of_its_epoch(tmp_path):
    seen = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(gan.batches.order)
    )
    gan = run.build()
    run.train(gan, run.record(), epochs=4, callbacks=[look])
    run.train(gan, run.record(), epochs=4, initial_epoch=2, callbacks=[look])
    with pytest.raises(CutError):
        run.train(gan, run.record(), tmp_path, epochs=4, initial_epoch=2, callbacks=cut(2))
    run.train(gan, run.record(), tmp_path, epochs=4, initial_epoch=2, callbacks=[look])
    generator = np.random.default_rng(3)
    orders = [generator.permutation(len(run.POINTS)) for _ in range(5)]
    for order, number in zip(seen, [1, 2, 3, 4, 3, 4, 3, 4], strict=True):
        np.testing.assert_array_equal(order, orders[number])


def test_a_cut_run_leaves_no_later_start_to_the_next_fit(folder):
    gan = run.build()
    with pytest.raises(CutError):
        run.train(gan, run.record(), folder, callbacks=cut(1))
    assert run.train(gan, run.record(), epochs=1).epoch == [0]


class Ordered(keras.utils.PyDataset):
    def __len__(self):
        return UPDATES

    def __getitem__(self, index):
        return run.POINTS[index * 32 : (index + 1) * 32]


def test_a_data_set_in_fixed_order_goes_on_exactly(tmp_path):
    kwargs = {"images": Ordered(), "batch_size": None, "epochs": 3}
    with pytest.raises(CutError):
        run.train(run.build(), run.record(), tmp_path, callbacks=cut(UPDATES + 2), **kwargs)
    assert finish(tmp_path, **kwargs) == finish(None, run.build(), **kwargs)


def test_arguments_that_do_not_fit_are_refused(tmp_path):
    for kwargs in (
        {"every": 0},
        {"every": 1.5},
        {"recorder": 3},
        {"recorder": [run.record(), "x"]},
    ):
        with pytest.raises(ValueError, match=r"Checkpoint\(\) received (recorder|every)="):
            monitors.Checkpoint(tmp_path, **kwargs)
    with pytest.raises(ValueError, match="steps_per_epoch=2 of 5 batches"):
        run.train(run.build(), run.record(), tmp_path, steps_per_epoch=2)


# Real processes from here on.


CACHE = tempfile.mkdtemp()
atexit.register(shutil.rmtree, CACHE, ignore_errors=True)


def start(folder, epochs, *arguments):
    """A process that trains, with its output as text."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TF_NUM_INTRAOP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    # JAX keeps what it has compiled from one process to the next: most of the time of a restart.
    environment |= {
        "JAX_COMPILATION_CACHE_DIR": CACHE,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    environment |= {"JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
    command = [
        sys.executable,
        ROOT / "tests" / "checkpoint_run.py",
        str(folder),
        str(epochs),
        *map(str, arguments),
    ]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def read_end(process):
    """The last line that a process prints."""
    try:
        out, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    return out.splitlines()[-1]


def test_a_full_disk_stops_with_a_clear_error_and_leaves_the_last_checkpoint(tmp_path, whole):
    for limit in (0, random.Random(0).randrange(1, 50_000)):
        with start(tmp_path / "checkpoint", 6, limit) as process:
            _, errors = process.communicate(timeout=300)
        assert process.returncode == 1, errors
        assert (
            "OSError: A checkpoint could not be written to" in errors and "File too large" in errors
        )
        assert names(tmp_path / "checkpoint") == ["epoch_000002", "epoch_000003"]
        shutil.copytree(tmp_path / "checkpoint", tmp_path / f"limit_{limit}")
        shutil.rmtree(tmp_path / "checkpoint")
        assert finish(tmp_path / f"limit_{limit}") == whole


NUM_KILLS, NUM_EPOCHS = 20, 200


def kill_somewhere(process, chance):
    """Kill a process at a random moment of its training, between or in its epochs and saves; everything it printed."""
    output, word = "", chance.choice(["begins", "saves"])
    with process:
        for _ in range(chance.randrange(1, 6)):
            line = "-"
            while line and not line.startswith(word):
                line = process.stdout.readline()
                output += line
        time.sleep(chance.uniform(0.0, 0.03))
        process.send_signal(signal.SIGKILL)
        output += process.stdout.read()
        errors = process.stderr.read()
    assert process.returncode == -signal.SIGKILL, errors
    return output


def numbers(output, word):
    """The numbers behind a word at the begin of the lines; the last line may be cut."""
    return [int(line.split()[1]) for line in output.split("\n")[:-1] if line.startswith(word)]


def test_killed_twenty_times_a_run_ends_as_the_uninterrupted_one(tmp_path):
    chance, saved, torn = random.Random(0), 0, 0
    for _ in range(NUM_KILLS):
        output = kill_somewhere(start(tmp_path / "killed", NUM_EPOCHS), chance)
        begun = numbers(output, "begins")
        assert begun and "digest" not in output  # the kill hit a process that trains
        # Nothing before the last save is lost, and a save may be done before it is told.
        assert saved <= begun[0] <= saved + 1
        saved = max(numbers(output, "saved"), default=begun[0])
        torn += (tmp_path / "killed" / "unfinished").exists()
    print(f"{torn} of {NUM_KILLS} kills hit a save; {saved} epochs were done")
    end = read_end(start(tmp_path / "killed", NUM_EPOCHS))
    # Two more processes: the same seed gives the same bits, with checkpoints and without.
    assert end.startswith("digest") and end == read_end(start(tmp_path / "whole", NUM_EPOCHS))
    assert end == read_end(start("", NUM_EPOCHS))
    assert not (tmp_path / "killed").exists()
