"""Known bugs of published GAN code and of this package's past, planted one at a time.

The module is executed again with a wrong line, in this process; the test named must fail. What the
module held is put back afterwards.
"""

import importlib
import inspect
import zipfile
from pathlib import Path

import keras
import pytest

import gan_utils
from gan_utils import networks

BUGS = {
    "D frozen for ever": (
        "autodiff",
        "optimizer.apply(gradients, variables)",
        "pass",
        "test_training.test_each_half_step_changes_exactly_its_network",
    ),
    "G's half-step moves D": (
        "training",
        "autodiff.learn(self.generator, self.generator_optimizer, loss)",
        "autodiff.learn(self.discriminator, self.discriminator_optimizer, loss)",
        "test_training.test_each_half_step_changes_exactly_its_network",
    ),
    "G learns on the images of all updates of D": (
        "training",
        "self.generator_step(real_images[:part])",
        "self.generator_step(real_images)",
        "test_training.test_g_learns_once_after_the_updates_of_d_each_on_data_of_its_own",
        {"steps": 3},
    ),
    "every update of D on the same images": (
        "training",
        "real_images[i * part : (i + 1) * part]",
        "real_images[:part]",
        "test_training.test_g_learns_once_after_the_updates_of_d_each_on_data_of_its_own",
        {"steps": 3},
    ),
    "flipped labels": (
        "losses",
        "ops.softplus(-real_logits) + shift * real_logits",
        "ops.softplus(real_logits) - shift * real_logits",
        "test_losses.test_discriminator_loss_is_binary_cross_entropy_with_real_one_and_fake_zero",
    ),
    "loader gives images in [0, 1]": (
        "images",
        '.astype("float32") / 127.5 - 1.0',
        '.astype("float32") / 255.0',
        "test_images.test_normalize_maps_black_to_minus_one_and_white_to_one",
    ),
    "images in [0, 1] accepted against tanh": (
        "training",
        'images.check_range(x, "fit()", whole_set=True)',
        'images.check_range(x, "fit()")',
        "test_training.test_bad_data_is_refused_before_any_training",
        {"row": 0},
    ),
    "broken data sets": (
        "training",
        "self._check_images(first)",
        "pass",
        "test_training.test_a_broken_first_batch_of_a_data_set_is_named_with_a_remedy",
        {"name": "NaN", "source": "Batches"},
    ),
    "missing training=True": (
        "training",
        "network(inputs, training=True)",
        "network(inputs)",
        "test_training.test_every_call_of_a_half_step_is_a_training_call",
    ),
    "no stop-gradient on fakes": (
        "training",
        "ops.stop_gradient(self.draw(ops.shape(real_images)[0]))",
        "self.draw(ops.shape(real_images)[0])",
        "test_training.test_fakes_in_the_discriminators_step_carry_no_gradient",
    ),
    "sigmoid at the end of D": (
        "training",
        "np.min(outputs) < low or np.max(outputs) > 1.0",
        "True",
        "test_training.test_a_discriminator_with_bounded_outputs_is_refused",
        {"name": "convolution"},
    ),
    "D that starts at zero refused": (
        "training",
        "_disturb(self.discriminator, 0.05)",
        "pass",
        "test_training.test_a_discriminator_with_logits_trains",
        {"name": "starts at zero"},
    ),
    "order of the first epoch in every epoch": (
        "training",
        "np.random.default_rng((self.seed, epoch))",
        "np.random.default_rng((self.seed, 0))",
        "test_training.test_an_epoch_shows_each_sample_once_in_the_order_of_seed_and_epoch",
    ),
    "N(0, 1) interpolation in WGAN-GP": (
        "losses",
        "keras.random.uniform(",
        "keras.random.normal(",
        "test_losses.test_interpolation_weights_stay_in_the_segment_by_their_effect",
    ),
    "batch norm in the critic": (
        "losses",
        "refused = (layers.BatchNormalization, layers",
        "refused = (layers.LayerNormalization, layers",
        "test_losses.test_which_normalisation_is_refused",
        {"name": "Batch", "place": "plain"},
    ),
    "mean over the wrong axis": (
        "losses",
        "axis=range(1, len(slopes.shape))",
        "axis=1",
        "test_losses.test_penalty_norm_runs_over_all_pixels_of_each_sample",
    ),
    "momentum 0.99 of the DCGAN generator": (
        "networks",
        '"momentum": 0.9,',
        '"momentum": 0.99,',
        "test_networks.test_moving_variance_takes_this_share_of_a_batch",
        {"build": lambda **size: networks.build_dcgan_generator(**size), "share": 0.1},
    ),
    "scores of a critic through a sigmoid": (
        "training",
        "self.discriminator_loss is losses.wasserstein_discriminator_loss",
        'loss == "wasserstein"',
        "test_monitors.test_scores_of_a_critic_are_logged_as_they_are",
        {"row": 1},
    ),
    "live figure never drawn": (
        "monitors",
        "if self.live and self.steps:",
        "if False:",
        "test_monitors.test_the_live_figure_tells_progress_and_the_time_left",
    ),
    "time left counts all updates": (
        "monitors",
        "max(1, self.made) * (self.total - self.step)",
        "max(1, self.made) * self.total",
        "test_monitors.test_the_live_figure_tells_progress_and_the_time_left",
    ),
    "time left from the updates of earlier fits": (
        "monitors",
        "seconds / max(1, self.made)",
        "seconds / max(1, self.step)",
        "test_monitors.test_the_time_left_counts_the_updates_of_this_fit_only",
    ),
    "no record before training": (
        "monitors",
        "if not self.samples:",
        "if False:",
        "test_monitors.test_every_update_is_logged_and_samples_are_taken_on_time",
    ),
    "a picture that fails ends the training": (
        "monitors",
        "except Exception as error:  # a picture",
        "except KeyError as error:  # a picture",
        "test_monitors.test_a_picture_that_fails_is_told_once_and_ends_no_training",
        {"row": 0},
    ),
    "no figure style": (
        "lesson",
        "plotting.use_style()",
        "pass",
        "test_lesson.test_start_seeds_everything_and_sets_the_style",
    ),
    "recording on a linear axis": (
        "results",
        "plotting.set_log_scale(curve)",
        "pass",
        "test_results.test_a_recording_is_shown_as_two_figures_a_sentence_and_a_slider",
    ),
    "strip shows other latents": (
        "results",
        "samples[i, :10] for i in chosen",
        "samples[i, -10:] for i in chosen",
        "test_results.test_a_recording_is_shown_as_two_figures_a_sentence_and_a_slider",
    ),
    "legend without names": (
        "plotting",
        "color=color, label=name)",
        "color=color, label=label)",
        "test_plotting.test_progress_shows_samples_losses_and_outputs",
    ),
    "a damaged checkpoint is loaded": (
        "monitors",
        "if data.sha256(content)[:16] in path.name:",
        "if True:",
        "test_checkpoint.test_with_damaged_checkpoints_only_training_starts_anew_and_says_so",
    ),
    "a foreign checkpoint goes on": (
        "monitors",
        "checks.require(not names, passed",
        "checks.require(True, passed",
        "test_checkpoint.test_a_seed_that_was_drawn_must_be_drawn_again",
        {"drawn_with": 99},
    ),
}


@pytest.fixture
def plant(monkeypatch):
    """A function that executes a module again with another line; it is undone at the end."""
    saved, custom = [], keras.saving.get_custom_objects()
    registered = dict(custom)

    def execute(name, right, wrong):
        path = Path(gan_utils.__file__).with_name(f"{name}.py")
        source = path.read_text(encoding="utf-8")
        assert source.count(right) == 1, "the line to break has moved: adapt this table"
        module = importlib.import_module(f"gan_utils.{name}")
        saved.append((vars(module), dict(vars(module))))
        exec(compile(source.replace(right, wrong), str(path), "exec"), vars(module))

    yield execute
    for current, before in saved:
        current.clear()
        current.update(before)
    custom.clear()
    custom.update(registered)


def find_row(function, row):
    """The arguments in a row of the `parametrize` mark of a test that names those of the row."""
    if row is None:
        return {}
    mark = function.pytestmark[0]
    names = [mark.args[0]] if isinstance(mark.args[0], str) else list(mark.args[0])
    names = [name.strip() for part in names for name in part.split(",")]
    values = mark.args[1][row]
    values = values if len(names) > 1 else (values,)
    return dict(zip(names, values, strict=True))


@pytest.mark.parametrize("name", BUGS)
def test_the_suite_sees(name, plant, request, tmp_path):
    module, right, wrong, test, *rest = BUGS[name]
    arguments = dict(rest[0]) if rest else {}
    file, function = test.split(".")
    tests = importlib.import_module(file)
    function = getattr(tests, function)
    arguments |= find_row(function, arguments.pop("row", None))
    plant(module, right, wrong)
    for parameter in inspect.signature(function).parameters:
        if parameter == "shown":
            arguments["shown"] = tests.watch_figures(request.getfixturevalue("monkeypatch"))
        elif parameter == "source":
            arguments["source"] = getattr(tests, arguments["source"])
        elif parameter == "folder":
            arguments["folder"] = tests.make_cut_run(tmp_path / "checkpoint")
        elif parameter not in arguments:
            arguments[parameter] = request.getfixturevalue(parameter)
    # Not TypeError, which a wrong call of the test would raise.
    kinds = AssertionError, pytest.fail.Exception, ValueError, FloatingPointError
    with pytest.raises((*kinds, zipfile.BadZipFile)):
        function(**arguments)
