"""Gradients, and the one place that knows which backend runs (TensorFlow by default, JAX as well).

The rest of the package is written once, as plain Keras code that changes variables in place. On
TensorFlow it runs under a gradient tape. JAX differentiates pure functions only, so there the same
code runs inside `keras.StatelessScope`: reads and writes of variables go to a mapping, and what was
written is handed out at the end.
"""

import contextlib
import faulthandler
import os
import warnings


@contextlib.contextmanager
def _quiet_stderr():
    """Hide what TensorFlow's C++ side prints while it starts; no log level silences all of it.

    The last words of a crash still come through, on a processor that is too old for example.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # below 3 it prints lines that are no errors
    try:
        saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # no real standard error here: nothing to hide
        yield
        return
    was_enabled = faulthandler.is_enabled()
    faulthandler.enable(saved)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        faulthandler.enable(2) if was_enabled else faulthandler.disable()
        os.close(saved)
        os.close(null)


with _quiet_stderr():
    import keras

    BACKEND = keras.config.backend()
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tf.config.list_physical_devices()  # the search for a GPU prints as well
        BACKEND_VERSION = tf.__version__
    elif BACKEND == "jax":
        import jax

        BACKEND_VERSION = jax.__version__
    else:
        raise ValueError(
            f"The Keras backend is {BACKEND!r}. gan_utils runs on 'tensorflow' or 'jax'. "
            "Set the environment variable KERAS_BACKEND before Python starts."
        )
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
        on it. For `v = 3` and `function = lambda: (v * v, None)` it is `(9, None, [6])`. On n
        replicas of a TensorFlow strategy each gradient is divided by n: Keras's optimizers add up
        those of all replicas, and the sum is then the mean.

    Taught in: `02_vanilla_gan`.
    """
    values = [variable.value for variable in variables]
    value, aux, gradients = _differentiate(lambda _: function(), values, variables)
    if context := _replica_context():
        gradients = [gradient / context.num_replicas_in_sync for gradient in gradients]
    return value, aux, gradients


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
    inputs = keras.ops.convert_to_tensor(inputs)
    _, _, (gradient,) = _differentiate(
        lambda values: (keras.ops.sum(function(*values)), None), [inputs]
    )
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


def map_dataset(dataset, select, look):
    """A `tf.data.Dataset` whose batches pass through a function of Python.

    Args:
        dataset: `tf.data.Dataset`.
        select: function that takes the images out of a batch.
        look: function `(number of the batch, images as NumPy array) -> float32 array`.

    Returns:
        `tf.data.Dataset` of what `look` returns.
    """
    import tensorflow

    def run(number, batch):
        images = tensorflow.numpy_function(look, (number, select(batch)), "float32")
        return tensorflow.ensure_shape(images, select(batch).shape)

    return dataset.enumerate().map(run)


def num_replicas(model):
    """How many times TensorFlow runs a step of `model`, each on its part of the batch; 1 on JAX."""
    return model.distribute_strategy.num_replicas_in_sync if BACKEND == "tensorflow" else 1


def num_devices(model):
    """On how many devices of this host `model` trains; ValueError on several hosts."""
    distribution = keras.distribution.distribution()
    if getattr(distribution, "num_processes", 1) > 1:
        raise ValueError("fit() runs on several hosts: start it on one, a GAN trains there only.")
    return distribution.device_mesh.shape[0] if distribution else num_replicas(model)


def draw_rows(draw, num_rows):
    """Random rows for the data of this replica.

    Each replica of a TensorFlow strategy has the same seeds. So each draws for the batch of all
    replicas and takes its own rows: what one device would draw. Elsewhere it is `draw(num_rows)`.

    Args:
        draw: number of rows -> tensor `(rows, ...)`.
        num_rows: int or scalar tensor, the rows of this replica.

    Returns:
        Tensor `(num_rows, ...)`.
    """
    if not (context := _replica_context()):
        return draw(num_rows)
    start = context.replica_id_in_sync_group * num_rows
    return draw(num_rows * context.num_replicas_in_sync)[start : start + num_rows]


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


def _replica_context():
    """TensorFlow's context of a step that runs on several replicas; None elsewhere."""
    context = tf.distribute.get_replica_context() if BACKEND == "tensorflow" else None
    return context if context and context.num_replicas_in_sync > 1 else None


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
        zero = tf.UnconnectedGradients.ZERO
        return scalar, aux, tape.gradient(scalar, values, unconnected_gradients=zero)
    written = []

    def pure(values):
        with _NestedScope(list(zip(variables, values))) as scope:
            scalar, aux = function(values)
        written[:] = [variable for variable, _ in scope.updates.values()]
        return scalar, (aux, [new_value for _, new_value in scope.updates.values()])

    (scalar, (aux, new_values)), gradients = jax.value_and_grad(pure, has_aux=True)(values)
    for variable, new_value in zip(written, new_values):
        variable.assign(new_value)  # what was written inside is written again outside
    return scalar, aux, gradients
