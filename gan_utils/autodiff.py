"""Gradients, and the one place that knows which backend runs (TensorFlow by default, JAX as well).

The rest of the package is written once, as plain Keras code that changes variables in place. On
TensorFlow it runs under a gradient tape. JAX differentiates pure functions only, so there the same
code runs inside `keras.StatelessScope`: reads and writes of variables go to a mapping, and what was
written is handed out at the end.
"""

import os
import warnings

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # below 3 it prints lines that are no errors
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # many notebooks may share a GPU
# What TensorFlow's C++ side prints while it starts is hidden; no log level silences all of it.
stderr = os.dup(2)
with open(os.devnull, "w") as null:
    os.dup2(null.fileno(), 2)
try:
    import keras

    BACKEND = keras.config.backend()
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tf.config.list_physical_devices()  # the search for a GPU prints as well
    elif BACKEND == "jax":
        import jax
    else:
        raise ValueError(
            f"The Keras backend is {BACKEND!r}. gan_utils runs on 'tensorflow' or 'jax'. "
            "Set the environment variable KERAS_BACKEND before Python starts."
        )
finally:
    os.dup2(stderr, 2)
    os.close(stderr)
if keras.config.image_data_format() != "channels_last" or keras.config.floatx() != "float32":
    print("gan_utils sets Keras to channels_last and float32, which keras.json had changed.")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
# Keras itself triggers this warning of NumPy 2; a reader can do nothing about it.
warnings.filterwarnings("ignore", ".*__array__ implementation doesn't accept a copy keyword")


def learn(network, optimizer, loss):
    """One update of `network`, and of nothing else.

    Args:
        network: `keras.Model` whose trainable variables `optimizer` changes.
        optimizer: `keras.optimizers.Optimizer`.
        loss: function `() -> (scalar, aux)`, differentiated with respect to these variables.

    Returns:
        `(scalar, aux)` from before the update.

    Taught in: `02_vanilla_gan`.
    """
    variables = network.trainable_variables
    value, aux, gradients = value_and_gradients(loss, variables)
    optimizer.apply(gradients, variables)
    return value, aux


def value_and_gradients(function, variables):
    """Value of a scalar function and its gradients with respect to variables.

    Args:
        function: `() -> (scalar, aux)`. It may read and write Keras variables, and draw numbers.
        variables: list of `keras.Variable`.

    Returns:
        `(scalar, aux, gradients)`, one gradient a variable, zero where the scalar does not depend
        on it. For `v = 3` and `function = lambda: (v * v, None)` it is `(9, None, [6])`.

    Taught in: `02_vanilla_gan`.
    """
    values = [variable.value for variable in variables]
    return _differentiate(lambda _: function(), values, variables)


def input_gradients(function, inputs):
    """Gradient of a batch of scalars with respect to the inputs: `d f(x_i) / d x_i` for each i.

    Args:
        function: inputs -> tensor `(batch, 1)`; sample i depends on input i only.
        inputs: `(batch, ...)`, float.

    Returns:
        Tensor of the shape of `inputs`. It can be differentiated once more, as gradient penalties
        do. For `f(x) = x * x` at 3 it is 6.

    Taught in: `04_wgan`.
    """

    def total(values):
        return keras.ops.sum(function(*values)), None

    _, _, (gradient,) = _differentiate(total, [keras.ops.convert_to_tensor(inputs)])
    return gradient


def run_train_step(model, step, *args):
    """Run `step(data) -> logs` the way the backend's trainer calls `train_step`.

    Args:
        model: the `keras.Model` whose variables, and whose optimizer's and metrics' variables, the
            step may change.
        step: plain Keras code that changes variables in place.
        *args: `(data,)` on TensorFlow, `(state, data)` on JAX.

    Returns:
        `logs` on TensorFlow; `(logs, new_state)` on JAX.
    """
    if BACKEND == "tensorflow":
        return step(*args)
    state, data = args
    groups = [model.trainable_variables, model.non_trainable_variables]
    groups += [model.optimizer.variables, model.metrics_variables]
    mapping = [pair for group, values in zip(groups, state) for pair in zip(group, values)]
    with keras.StatelessScope(mapping) as scope:
        logs = step(data)
    return logs, tuple([scope.get_current_value(v) for v in group] for group in groups)


def check_one_device(model):
    """ValueError if Keras would spread a step of `model` over several devices."""
    replicas = model.distribute_strategy.num_replicas_in_sync if BACKEND == "tensorflow" else 1
    if replicas > 1 or keras.distribution.distribution():
        raise ValueError("fit() runs on several devices. Leave the distribution strategy out.")


def assign(pairs):
    """Give each variable its value: `pairs` of `(keras.Variable, array)`."""
    for variable, value in pairs:
        variable.assign(value)


def run_in_parts(network, inputs, size=250):
    """All outputs of a network outside of training, as NumPy arrays, `size` inputs at a time.

    Args:
        network: `keras.Model`.
        inputs: `(n, ...)`, float.
        size: inputs in one call.

    Returns:
        List of arrays `(n, ...)`, one for each output of the network.
    """
    inputs, parts = inputs.astype("float32", copy=False), []
    for i in range(0, len(inputs), size):
        outputs = keras.tree.flatten(network(inputs[i : i + size], training=False))
        parts.append([keras.ops.convert_to_numpy(output) for output in outputs])
    return [np.concatenate(output) for output in zip(*parts)]


def sync_variables(model):
    """Write the state of a running `fit()` back into the model's variables.

    On JAX the weights live outside the variables during an epoch. On TensorFlow there is nothing to
    do.
    """
    if BACKEND == "jax":
        model.jax_state_sync()


def describe_device():
    """The kind of device that Keras computes on, `"CPU"` or `"GPU"`."""
    if BACKEND == "jax":
        return jax.default_backend().upper()
    return "GPU" if tf.config.list_physical_devices("GPU") else "CPU"


class _NestedScope(keras.StatelessScope):
    """A scope that reads through to the scope around it and remembers what was written."""

    def __init__(self, state_mapping):
        super().__init__(state_mapping)
        self.updates = {}

    def get_current_value(self, variable):
        value = super().get_current_value(variable)
        if value is None and self.original_scope is not None:
            value = self.original_scope.get_current_value(variable)
        return value

    def add_update(self, update):
        super().add_update(update)
        self.updates[id(update[0])] = update


def _differentiate(function, values, variables=()):
    """`(scalar, aux, gradients)` of `function(values) -> (scalar, aux)`.

    The values are those of `variables`, or, if there are none, tensors.
    """
    if BACKEND == "tensorflow":
        with tf.GradientTape() as tape:
            if not variables:
                tape.watch(values)
            scalar, aux = function(values)
        return scalar, aux, tape.gradient(scalar, values, unconnected_gradients="zero")
    written = []

    def pure(values):
        with _NestedScope(list(zip(variables, values))) as scope:
            scalar, aux = function(values)
        written[:] = [variable for variable, _ in scope.updates.values()]
        return scalar, (aux, [new_value for _, new_value in scope.updates.values()])

    (scalar, (aux, new_values)), gradients = jax.value_and_grad(pure, has_aux=True)(values)
    assign(zip(written, new_values))  # what was written inside is written again outside
    return scalar, aux, gradients
