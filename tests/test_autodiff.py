import os
import runpy
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from gan_utils import autodiff


def test_gradient_of_a_square():
    v, unused = keras.Variable(3.0), keras.Variable([1.0, 2.0])
    value, aux, gradients = autodiff.value_and_gradients(lambda: (v * v, "aux"), [v, unused])
    assert (float(value), aux, float(gradients[0])) == (9.0, "aux", 6.0)
    np.testing.assert_array_equal(np.asarray(gradients[1]), [0.0, 0.0])


def test_what_the_function_writes_stays_written():
    v, counter = keras.Variable(2.0), keras.Variable(0.0)

    def function():
        counter.assign_add(1.0)
        return v * counter, None

    for expected in (1.0, 2.0):
        _, _, (gradient,) = autodiff.value_and_gradients(function, [v])
        assert float(gradient) == expected
    assert float(counter) == 2.0


def test_batch_norm_and_dropout_move_their_state_in_training():
    model = keras.Sequential(
        [keras.Input((3,)), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(1)]
    )
    x = np.random.default_rng(0).normal(5.0, 2.0, (64, 3)).astype("float32")
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in model.non_trainable_variables]
    autodiff.value_and_gradients(
        lambda: (keras.ops.mean(model(x, training=True)), None), model.trainable_variables
    )
    after = [np.array(keras.ops.convert_to_numpy(v)) for v in model.non_trainable_variables]
    assert all(not np.array_equal(old, new) for old, new in zip(before, after))


def test_input_gradient_of_a_linear_function_is_its_weight():
    w = np.array([[1.0], [-2.0]], "float32")
    x = keras.ops.ones((5, 2))
    np.testing.assert_allclose(autodiff.input_gradients(lambda x: x @ w, x), np.tile(w.T, (5, 1)))


def test_input_gradient_can_be_differentiated_again():
    v = keras.Variable(3.0)
    x = keras.ops.ones((1, 1))

    def function():  # d/dx v x^2 = 2 v x, so its square is 4 v^2 at x = 1
        return keras.ops.sum(autodiff.input_gradients(lambda x: v * x * x, x) ** 2), None

    value, _, (gradient,) = autodiff.value_and_gradients(function, [v])
    assert (float(value), float(gradient)) == (36.0, 24.0)


def test_input_gradient_agrees_with_finite_differences():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(16, activation="tanh"), layers.Dense(1)]
    )
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    found = np.asarray(
        autodiff.input_gradients(lambda x: model(x, training=False), keras.ops.convert_to_tensor(x))
    )
    step = 1e-2
    for axis in range(4):
        shift = step * np.eye(4, dtype="float32")[axis]
        difference = (np.asarray(model(x + shift)) - np.asarray(model(x - shift))) / (2 * step)
        np.testing.assert_allclose(found[:, axis], difference[:, 0], atol=2e-3)


def test_learn_changes_its_network_by_the_slope_from_before_the_update():
    network = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    other = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    network.set_weights([np.array([[3.0]])])
    other.set_weights([np.array([[2.0]])])
    one, optimizer = keras.ops.ones((1, 1)), keras.optimizers.SGD(0.1)

    def loss():  # w^2 v, with the slope 2 w v = 12
        return keras.ops.sum(network(one) ** 2 * other(one)), "aux"

    value, aux = autodiff.learn(network, optimizer, loss)
    assert (float(value), aux) == (18.0, "aux")
    assert float(network.get_weights()[0][0, 0]) == pytest.approx(3.0 - 0.1 * 12.0)
    assert float(other.get_weights()[0][0, 0]) == 2.0
    network.trainable = False
    optimizer = keras.optimizers.SGD(0.1)
    assert autodiff.learn(other, optimizer, loss)[1] == "aux"
    assert float(network.get_weights()[0][0, 0]) == pytest.approx(1.8)


def test_device_is_named():
    assert autodiff.describe_device().startswith(("CPU", "GPU"))


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_an_unknown_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(ValueError, match="gan_utils runs on 'tensorflow' or 'jax'"):
        runpy.run_path(autodiff.__file__)


def test_import_is_quiet_and_jax_needs_no_tensorflow():
    result = run_python("import gan_utils.lesson", KERAS_BACKEND=keras.config.backend())
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    pytest.importorskip("jax")
    block = "import sys; sys.modules['tensorflow'] = None; import gan_utils.lesson; print('ok')"
    result = run_python(block, KERAS_BACKEND="jax")
    assert result.stdout == "ok\n", result.stderr
