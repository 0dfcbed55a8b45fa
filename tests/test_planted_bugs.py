"""Known bugs of published GAN code, planted one at a time into a copy of the package: the tests must turn red."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

BUGS = {
    "D frozen for ever": (
        "training.py",
        "self.discriminator_optimizer.apply(gradients, variables)",
        "pass",
        "test_training.py::test_each_half_step_changes_exactly_its_network",
    ),
    "flipped labels": (
        "losses.py",
        "ops.softplus(-real_logits) + shift * real_logits",
        "ops.softplus(real_logits) - shift * real_logits",
        "test_losses.py::test_discriminator_loss_is_binary_cross_entropy_with_real_one_and_fake_zero",
    ),
    "loader gives images in [0, 1]": (
        "images.py",
        '.astype("float32") / 127.5 - 1.0',
        '.astype("float32") / 255.0',
        "test_images.py::test_normalize_maps_black_to_minus_one_and_white_to_one",
    ),
    "images in [0, 1] accepted against tanh": (
        "training.py",
        "if x.min() >= 0.0:",
        "if False:",
        "test_training.py::test_bad_data_is_refused_before_any_training",
    ),
    "missing training=True": (
        "training.py",
        "network(inputs, training=True)",
        "network(inputs)",
        "test_training.py::test_every_call_of_a_half_step_is_a_training_call",
    ),
    "N(0, 1) interpolation in WGAN-GP": (
        "penalties.py",
        "keras.random.uniform(",
        "keras.random.normal(",
        "test_penalties.py::test_interpolation_weights_stay_in_the_segment_by_their_effect",
    ),
    "batch norm in the critic": (
        "penalties.py",
        "if any(isinstance(layer, keras.layers.BatchNormalization)",
        "if False and any(isinstance(layer, keras.layers.BatchNormalization)",
        "test_penalties.py::test_batch_norm_and_wrong_shapes_are_refused",
    ),
    "no stop-gradient on fakes": (
        "training.py",
        "ops.stop_gradient(_outputs(self.generator, z))",
        "_outputs(self.generator, z)",
        "test_training.py::test_fakes_in_the_discriminators_step_carry_no_gradient",
    ),
    "mean over the wrong axis": (
        "penalties.py",
        "axis=tuple(range(1, len(slopes.shape)))",
        "axis=1",
        "test_penalties.py::test_penalty_norm_runs_over_all_pixels_of_each_sample",
    ),
}


@pytest.mark.parametrize("name", BUGS)
def test_the_suite_sees(name, tmp_path):
    file, right, wrong, test = BUGS[name]
    shutil.copytree(
        ROOT / "gan_utils", tmp_path / "gan_utils", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(
        ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__")
    )
    source = (tmp_path / "gan_utils" / file).read_text()
    assert source.count(right) == 1, "the line to break has moved: adapt this test"
    (tmp_path / "gan_utils" / file).write_text(source.replace(right, wrong))
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            f"tests/{test}",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 1, (
        result.stdout + result.stderr
    )  # 1 means that tests ran and failed
