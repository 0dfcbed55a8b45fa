"""Data-parallel training: 2 and 4 virtual CPU devices against one, the batch of one update kept.

The devices are made when a backend starts, so `scale_out.py` runs in processes of its own.
"""

import functools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gan_utils import autodiff

FOLDER = Path(__file__).parent
# TensorFlow runs the step once per device: batch normalisation and dropout see its rows alone. JAX splits one program.
# Keras 3.15 itself fails under a TensorFlow strategy with steps_per_execution above 1, whatever the model is.
MATCHING = {
    "tensorflow": ["plain", "two_steps", "synchronized"],
    "jax": ["plain", "two_steps", "batch_norm", "dropout"],
}
MATCHING_ON_TWO = {
    "tensorflow": ["penalty", "unrolled", "simultaneous"],
    "jax": ["penalty", "execution", "simultaneous"],
}
DIFFERING_ON_TWO = {"tensorflow": ["batch_norm", "dropout"], "jax": []}


def cases(devices):
    on_two = MATCHING_ON_TWO[autodiff.BACKEND] + DIFFERING_ON_TWO[autodiff.BACKEND]
    return MATCHING[autodiff.BACKEND] + (on_two if devices < 4 else [])


def start(devices, names, **variables):
    # The package beside this file, whatever is installed.
    environment = {
        **os.environ,
        "KERAS_BACKEND": autodiff.BACKEND,
        "PYTHONPATH": str(FOLDER.parent),
        **variables,
    }
    command = [sys.executable, str(FOLDER / "scale_out.py"), str(devices), *names]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def read(process):
    try:
        output, errors = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 0, errors[-4000:]
    return json.loads(output.splitlines()[-1])


@functools.cache
def results(devices):
    return read(start(devices, cases(devices)))


def largest_difference(one, several, kind):
    one, several = one[kind], several[kind]
    if isinstance(one, list):
        one, several = {"": one}, {"": several}
    assert one.keys() == several.keys()
    return max(np.abs(np.array(one[name]) - np.array(several[name])).max() for name in one)


@pytest.mark.parametrize(
    ("case", "devices"),
    [
        (case, devices)
        for devices in (2, 4)
        for case in cases(devices)
        if case not in DIFFERING_ON_TWO[autodiff.BACKEND]
    ],
)
def test_several_devices_learn_what_one_learns(case, devices):
    run = results(devices)[case]
    assert run["steps"][-1] == 50 and np.isfinite(run["logs"]["discriminator_loss"]).all()
    for kind in ("logs", "history", "samples"):
        assert largest_difference(results(1)[case], run, kind) < 1e-4, kind


@pytest.mark.parametrize("case", DIFFERING_ON_TWO[autodiff.BACKEND])
def test_statistics_and_dropout_of_one_device_differ_a_little(case):
    assert 1e-3 < largest_difference(results(1)[case], results(2)[case], "logs") < 0.5


def test_the_losses_move_far_more_than_the_tolerance():
    losses = results(1)["plain"]["logs"]["discriminator_loss"]
    assert max(losses) - min(losses) > 0.1


@pytest.mark.parametrize("devices", [2, 4])
def test_a_batch_that_does_not_split_is_refused(devices):
    assert results(1)["plain"]["error"] == ""
    assert (
        f"{4 * devices + 1} images for each update of D and {devices} devices"
        in results(devices)["plain"]["error"]
    )


@pytest.mark.skipif(autodiff.BACKEND != "jax", reason="several hosts were tried on JAX alone")
def test_two_hosts_of_two_devices_learn_what_one_device_learns():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    shared = {"KERAS_DISTRIBUTION_JOB_ADDRESSES": address, "KERAS_DISTRIBUTION_NUM_PROCESSES": "2"}
    hosts = [
        start(2, ["two_steps"], KERAS_DISTRIBUTION_PROCESS_ID=str(i), **shared) for i in range(2)
    ]
    for host in [read(process)["two_steps"] for process in hosts]:
        for kind in ("logs", "history", "samples"):
            assert largest_difference(results(1)["two_steps"], host, kind) < 1e-4, kind
