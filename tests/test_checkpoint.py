"""`monitors.Checkpoint`: a run that was cut ends bit for bit where the uninterrupted one ends."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import checkpoint_run as run
import keras
import numpy as np
import pytest
from keras import layers

from gan_utils import losses, monitors, training

ROOT = Path(__file__).parent.parent
UPDATES = 3  # in an epoch


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
    """Digest of the end of the same `fit` in a new session, where the weights begin elsewhere."""
    gan = run.build(99) if gan is None else gan
    recorder = run.record()
    return run.digest(gan, recorder, run.train(gan, recorder, folder, **kwargs))


def resume(folder, gan, recorder=None, *, images=run.POINTS, batch_size=32, epochs=4):
    """What `fit` does with a checkpoint before the first update."""
    gan.batches = training.ShuffledBatches(images, batch_size, gan.discriminator_steps)
    return monitors.Checkpoint(folder, recorder or run.record()).resume(gan, epochs, 0)


def names(folder):
    return sorted(path.name[:12] for path in folder.iterdir())


@pytest.fixture(scope="module")
def whole():
    """Digest of the uninterrupted run, without checkpoints."""
    return finish(None, run.build())


def make_cut_run(folder):
    """Folder of a run that was cut in its fourth epoch."""
    with pytest.raises(CutError):
        run.train(run.build(), run.record(), folder, callbacks=cut(3 * UPDATES + 2))
    return folder


@pytest.fixture(scope="module")
def cut_run(tmp_path_factory):
    """Tests copy it."""
    return make_cut_run(tmp_path_factory.mktemp("cut") / "checkpoint")


@pytest.fixture
def folder(cut_run, tmp_path):
    return shutil.copytree(cut_run, tmp_path / "checkpoint")


def test_a_new_session_goes_on_and_says_so(folder, whole, capsys):
    assert names(folder) == ["epoch_000002", "epoch_000003"]
    gan, recorder = run.build(99), run.record()
    history = run.train(gan, recorder, folder)
    assert run.digest(gan, recorder, history) == whole
    assert history.epoch == [0, 1, 2, 3] and len(history.history["d_real"]) == 4
    assert recorder.steps == list(range(1, 13)) and recorder.sample_steps == [0, 4, 8, 12]
    told = f"Resumed after epoch 3 of 4, saved in {folder}. Delete it to start anew; "
    told += "changes inside losses, layers, data sets go unseen.\n"
    assert capsys.readouterr().out == told
    assert names(folder) == []


@pytest.mark.parametrize("update", [2, random.Random(0).randint(UPDATES + 1, 4 * UPDATES)])
def test_the_same_session_goes_on_wherever_it_was_cut(update, tmp_path, whole):
    gan = run.build()
    with pytest.raises(CutError):
        run.train(gan, run.record(), tmp_path, callbacks=cut(update))
    assert finish(tmp_path, gan) == whole


def test_other_optimizers_and_a_penalty_come_back_too(tmp_path):
    def build(first_weights):
        gan = run.build(first_weights)
        falling = keras.optimizers.schedules.ExponentialDecay(1e-2, 3, 0.9)
        momentum = keras.optimizers.SGD(falling, momentum=0.9)
        gan.compile(
            keras.optimizers.Adam(1e-2, amsgrad=True),
            momentum,
            loss="wasserstein",
            penalty=losses.gradient_penalty,
            run_eagerly=True,
        )
        return gan

    with pytest.raises(CutError):
        run.train(build(1), run.record(), tmp_path, epochs=3, callbacks=cut(UPDATES + 2))
    assert finish(tmp_path, build(2), epochs=3) == finish(None, build(1), epochs=3)


@pytest.mark.parametrize("drawn_with", [1, 99])
def test_a_seed_that_was_drawn_must_be_drawn_again(drawn_with, tmp_path):
    resume(tmp_path, run.build(1, seed=None))
    if drawn_with == 1:
        assert resume(tmp_path, run.build(1, seed=None)) == 0
        return
    with pytest.raises(ValueError, match="differs from this one in: seed"):
        resume(tmp_path, run.build(99, seed=None))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, flip, empty])
def test_the_checkpoint_before_a_damaged_one_is_used(damage, folder, whole, capsys):
    last = max(folder.iterdir())
    damage(last)
    assert resume(folder, run.build()) == 2
    told = capsys.readouterr().out
    assert f"Refused {last}: it is damaged." in told and "Resumed after epoch 2 of 4" in told
    if damage is flip:
        assert finish(folder) == whole
        assert names(folder) == ["refused_epoc"]


def test_with_damaged_checkpoints_only_training_starts_anew_and_says_so(folder, capsys):
    for path in folder.iterdir():
        truncate(path)
    assert resume(folder, run.build()) == 0
    assert capsys.readouterr().out.count("Refused") == 2
    assert names(folder) == ["epoch_000000", "refused_epoc", "refused_epoc"]


def with_options(**options):
    gan = run.build()
    optimizers = gan.generator_optimizer, gan.discriminator_optimizer
    return (
        run.build(**options) if "rate" in options else (gan.compile(*optimizers, **options), gan)[1]
    )


def with_generator(units):
    wide = run.build()
    generator = keras.Sequential([keras.Input((3,)), layers.Dense(units), layers.Dense(2)])
    gan = training.GAN(generator, wide.discriminator, seed=3)
    gan.compile(keras.optimizers.RMSprop(1e-2), wide.discriminator_optimizer)
    return gan


def other_recorder():
    return monitors.Recorder(np.ones((4, 3), "float32"), every=4)


FOREIGN = {
    "learning rate": (lambda: run.build(learning_rate=1e-3), {}, "discriminator_optimizer"),
    "seed": (lambda: run.build(seed=4), {}, "seed"),
    "loss": (lambda: with_options(loss="wasserstein"), {}, "losses or penalty"),
    "penalty": (lambda: with_options(penalty=losses.gradient_penalty), {}, "losses or penalty"),
    "updates of D": (
        lambda: with_options(discriminator_steps=2),
        {"batch_size": 16},
        "updates of D",
    ),
    "generator": (lambda: with_generator(9), {}, "shapes of weights"),
    "batch size": (run.build, {"batch_size": 40}, "batch_size"),
    "number of images": (run.build, {"images": run.POINTS[:-1]}, "data"),
    "images": (run.build, {"images": -run.POINTS}, "data"),
    "recorder": (run.build, {"recorder": other_recorder()}, "recorder"),
    "epochs": (run.build, {"epochs": 2}, "epochs"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_checkpoint_is_refused_and_stays(name, folder):
    build, kwargs, different = FOREIGN[name]
    with pytest.raises(ValueError, match=rf"differs from this one in: {different}\. Choose"):
        resume(folder, build(), **kwargs)
    assert names(folder) == ["epoch_000002", "epoch_000003"]


def test_layers_that_were_counted_on_are_no_other_networks(folder):
    run.build()  # a cell that is run again makes `dense_5` of what was `dense_3`
    layers.Dense(1)
    assert resume(folder, run.build(99)) == 3


def test_a_folder_that_cannot_be_written_stops_before_the_first_update(tmp_path):
    (tmp_path / "file").write_text("")
    gan = run.build()
    with pytest.raises(OSError, match=re.escape(str(tmp_path / "file"))):
        run.train(gan, run.record(), tmp_path / "file" / "checkpoint")
    assert int(gan.generator_optimizer.iterations) == 0


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_disk_that_refuses_stops_the_run_and_leaves_the_last_checkpoint(
    function, folder, whole, monkeypatch
):
    def refuse(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, function, refuse)
        with pytest.raises(OSError, match="No space left"):
            run.train(run.build(), run.record(), folder)
    assert [n for n in names(folder) if n != "unfinished"] == ["epoch_000002", "epoch_000003"]
    if function == "fsync":
        assert finish(folder) == whole and names(folder) == []


def test_a_broken_weight_is_not_saved(tmp_path):
    gan = run.build()

    def spoil(epoch, logs):
        if epoch == 2:
            weight = gan.discriminator.weights[0]
            weight.assign(np.full(weight.shape, np.nan))

    first = keras.callbacks.LambdaCallback(on_epoch_end=spoil)
    with pytest.raises(FloatingPointError):
        gan.fit(run.POINTS, verbose=0, epochs=9, callbacks=[first, monitors.Checkpoint(tmp_path)])
    assert names(tmp_path) == ["epoch_000001", "epoch_000002"]


def test_a_run_with_no_epoch_left_ends(folder):
    history = run.train(run.build(), run.record(), folder, epochs=3)
    assert history.epoch == [0, 1, 2] and names(folder) == []


def test_two_checkpoints_are_kept_and_other_files_stay(tmp_path):
    (tmp_path / "unfinished").write_text("of a killed run")
    (tmp_path / "notes.txt").write_text("mine")
    gan, seen = run.build(), []
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(names(tmp_path)[:-1])
    )
    callbacks = [monitors.Checkpoint(tmp_path), look]
    gan.fit(run.POINTS, batch_size=48, epochs=3, verbose=0, callbacks=callbacks)
    epochs = [f"epoch_00000{epoch}" for epoch in range(4)]
    assert seen == [epochs[:2], epochs[1:3], epochs[2:]]
    assert names(tmp_path) == ["notes.txt"]


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


def test_a_data_set_in_fixed_order_goes_on_exactly_and_says_what_was_not_compared(tmp_path, capsys):
    kwargs = {"images": Ordered(), "batch_size": None, "epochs": 2}
    with pytest.raises(CutError):
        run.train(run.build(), run.record(), tmp_path, callbacks=cut(UPDATES + 2), **kwargs)
    assert finish(tmp_path, **kwargs) == finish(None, run.build(), **kwargs)
    assert "data sets go unseen." in capsys.readouterr().out


# Real processes from here on.


def start(folder, epochs, *arguments):
    """A process that trains, with its output as text."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_NUM_INTRAOP_THREADS": "1"}
    script = ROOT / "tests" / "checkpoint_run.py"
    command = [sys.executable, script, str(folder), str(epochs), *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def read_end(process):
    """The last line that a process prints."""
    try:
        out, errors = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    return out.splitlines()[-1]


@pytest.mark.slow
def test_a_full_disk_stops_a_process_with_a_clear_error(tmp_path):
    for limit in (0, random.Random(0).randrange(1, 10_000)):
        with start(tmp_path / f"limit_{limit}", 6, limit) as process:
            _, errors = process.communicate(timeout=600)
        assert process.returncode == 1, errors
        assert "OSError: [Errno 27] File too large" in errors
        left = names(tmp_path / f"limit_{limit}")
        assert [n for n in left if n != "unfinished"] == ["epoch_000002", "epoch_000003"]


def kill_somewhere(process, chance):
    """Kill a process in its training, between or in its epochs and saves; all that it printed."""
    output, word = "", chance.choice(["begins", "saves"])
    with process:
        for _ in range(chance.randrange(1, 6)):
            line = "-"
            while line and not line.startswith(word):
                line = process.stdout.readline()
                output += line
        process.send_signal(signal.SIGKILL)
        output += process.stdout.read()
        errors = process.stderr.read()
    assert process.returncode == -signal.SIGKILL, errors
    return output


def numbers(output, word):
    """The numbers behind a word at the begin of the lines; the last line may be cut."""
    return [int(line.split()[1]) for line in output.split("\n")[:-1] if line.startswith(word)]


@pytest.mark.parametrize("num_kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_run_ends_as_the_uninterrupted_one(num_kills, tmp_path):
    chance, saved, num_epochs = random.Random(0), 0, 10 + 10 * num_kills
    for _ in range(num_kills):
        output = kill_somewhere(start(tmp_path / "killed", num_epochs), chance)
        begun = numbers(output, "begins")
        assert begun and "digest" not in output  # the kill hit a process that trains
        # Nothing before the last save is lost, and a save may be done before it is told.
        assert saved <= begun[0] <= saved + 1
        saved = max(numbers(output, "saved"), default=begun[0])
    end = read_end(start(tmp_path / "killed", num_epochs))
    assert end.startswith("digest") and names(tmp_path / "killed") == []
    # Without checkpoints, in this process.
    gan = run.build(run_eagerly=False)
    assert end == f"digest {finish(None, gan, epochs=num_epochs)}"
