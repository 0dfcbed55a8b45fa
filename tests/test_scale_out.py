"""Data-parallel training: virtual CPU devices against one, the batch of one update kept."""

import functools
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest
import scale_out

from gan_utils import autodiff

FOLDER = Path(__file__).parent
# TensorFlow runs the step once per device: batch normalisation and dropout see its rows alone. JAX
# splits one program. Keras 3.15 itself fails under a TensorFlow strategy with steps_per_execution
# above 1, whatever the model is.
QUICK = {"tensorflow": ["two_steps", "batch_norm"], "jax": ["two_steps", "batch_norm"]}
SLOW = {
    "tensorflow": ["plain", "two_steps", "synchronized", "penalty", "batch_norm", "dropout"],
    "jax": ["plain", "two_steps", "batch_norm", "dropout", "penalty", "execution"],
}
DIFFERING = ("batch_norm", "dropout") if autodiff.BACKEND == "tensorflow" else ()


@functools.cache
def one(name):
    return scale_out.run(name, 1)


@functools.cache
def several(devices, names):
    # The package beside this file, whatever is installed.
    environment = {**os.environ, "KERAS_BACKEND": autodiff.BACKEND}
    environment["PYTHONPATH"] = str(FOLDER.parent)
    command = [sys.executable, str(FOLDER / "scale_out.py"), str(devices), *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def largest_difference(first, second, kind):
    first, second = first[kind], second[kind]
    if isinstance(first, list):
        first, second = {"": first}, {"": second}
    assert first.keys() == second.keys()
    return max(np.abs(np.array(first[name]) - np.array(second[name])).max() for name in first)


def cases():
    quick, slow = (tuple(names[autodiff.BACKEND]) for names in (QUICK, SLOW))
    rows = [pytest.param(name, 2, quick, id=f"{name}-2-quick") for name in quick]
    more = [(name, devices) for devices in (2, 4) for name in slow]
    marks = pytest.mark.slow
    return rows + [pytest.param(n, d, slow, marks=marks, id=f"{n}-{d}") for n, d in more]


@pytest.mark.parametrize(("name", "devices", "together"), cases())
def test_several_devices_learn_what_one_learns(name, devices, together):
    single, run = one(name), several(devices, together)[name]
    assert run["steps"][-1] == 20 and np.isfinite(run["logs"]["discriminator_loss"]).all()
    moves = single["logs"]["discriminator_loss"]
    assert max(moves) - min(moves) > 0.1  # far more than the tolerance
    if name in DIFFERING:  # statistics and dropout of one device differ a little
        assert 1e-3 < largest_difference(single, run, "logs") < 0.5
        return
    for kind in ("logs", "history", "samples"):
        assert largest_difference(single, run, kind) < 1e-4, kind
    steps = scale_out.CASES[name][2].get("discriminator_steps", 1)
    size = (4 * devices + 1) * steps
    assert f"a batch of {size} images for {steps} updates of D, {devices} dev" in run["error"]
    assert single["error"] == ""


def test_a_training_on_several_hosts_is_refused(monkeypatch):
    hosts = types.SimpleNamespace(num_processes=2)
    monkeypatch.setattr(keras.distribution, "distribution", lambda: hosts)
    with pytest.raises(ValueError, match="several hosts"):
        autodiff.num_devices(None)
