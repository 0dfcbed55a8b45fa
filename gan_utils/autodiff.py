"""Gradients, and the one place that knows which backend runs (TensorFlow by default, JAX as well).

The rest of the package is written once, as plain Keras code that changes variables in place. On TensorFlow it runs under
a gradient tape. JAX differentiates pure functions only, so there the same code runs inside `keras.StatelessScope`: reads and
writes of variables go to a mapping, and what was written is handed out at the end.
"""

import contextlib
import os
import sys

from gan_utils import checks


@contextlib.contextmanager
def _quiet_stderr():
    """Hide what the C++ side of TensorFlow prints while it starts; no log level silences all of it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        sys.stderr.flush()
        saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # no real standard error here: nothing to hide
        yield
        return
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


with _quiet_stderr():
    import keras

    BACKEND = keras.config.backend()
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tf.config.list_physical_devices()  # the search for a GPU prints as well
        # This pass fails on a convolution followed by LeakyReLU and prints an error for each traced step. It gains nothing here.
        tf.config.optimizer.set_experimental_options({"remapping": False})
        BACKEND_VERSION = tf.__version__
    elif BACKEND == "jax":
        import jax

        BACKEND_VERSION = jax.__version__
    else:
        remedy = "Set the environment variable KERAS_BACKEND before Python starts."
        raise checks.error(f"The Keras backend is {BACKEND!r}.", "gan_utils runs on 'tensorflow' or 'jax'.", remedy)

LIST = checks.instance((list, tuple), "a list", "Write [value] for one, and network.trainable_variables for a network.")
VARIABLE = checks.instance(keras.Variable, "a list of keras.Variable", "Take the list network.trainable_variables.")
TENSOR = checks.array("...", floats=True, tensor=True)
MODEL = checks.instance(keras.Model, "a keras.Model", "Build one with the functions of networks, or with keras.Sequential.")


@checks.arguments(function=checks.FUNCTION, variables=LIST)
def value_and_gradients(function, variables):
    """Value of a scalar function and its gradients with respect to variables.

    Args:
        function: `() -> (scalar, aux)`. It may read and write Keras variables, and draw random numbers.
        variables: list of `keras.Variable`.

    Returns:
        `(scalar, aux, gradients)`. One gradient a variable, zero where the scalar does not depend on it. For `v = 3` and
        `function = lambda: (v * v, None)` it is `(9, None, [6])`. On n replicas of a TensorFlow strategy each gradient is
        divided by n: Keras's optimizers add up the gradients of all replicas, and the sum is then the mean.

    Raises:
        ValueError: if a variable is none, or the function does not return `(scalar, aux)`.

    Taught in: `02_vanilla_gan`.
    """
    values = _read("value_and_gradients()", "variables", variables)
    (value,), aux, (gradients,) = _differentiate(lambda _: _check_result(function()), [values], variables)
    return value, aux, _shares(gradients)


@checks.arguments(function=checks.FUNCTION)
def joint_gradients(function, *variable_lists):
    """Values of several scalars of one function, and the gradient of each with respect to its own variables.

    The function runs once, so that what the scalars have in common is computed once.

    Args:
        function: `() -> (scalars, aux)`, as many scalars as lists.
        *variable_lists: lists of `keras.Variable`; list i belongs to scalar i.

    Returns:
        `(scalars, aux, gradients)` with one list of gradients for each scalar. For `v = 3`, `w = 2` and
        `function = lambda: ((v * w, v * w * w), None)` with the lists `[v], [w]` it is `((6, 12), None, [[2], [12]])`.

    Raises:
        ValueError: if a variable is none, or the function does not return one scalar for each list.

    Taught in: `02_vanilla_gan`.
    """
    lists = [_read("joint_gradients()", "variable_lists", variables) for variables in variable_lists]
    variables = [variable for part in variable_lists for variable in part]
    scalars, aux, gradients = _differentiate(lambda _: _check_result(function(), len(lists)), lists, variables)
    return scalars, aux, [_shares(part) for part in gradients]


@checks.arguments(function=checks.FUNCTION, inputs=checks.array("batch, ...", floats=True, tensor=True))
def input_gradients(function, inputs):
    """Gradient of a batch of scalars with respect to the inputs: `d f(x_i) / d x_i` for each sample i.

    Args:
        function: inputs -> tensor `(batch, 1)`; sample i depends on input i only (no batch normalisation).
        inputs: `(batch, ...)`, float.

    Returns:
        Tensor of the shape of `inputs`. It can be differentiated once more, as gradient penalties do. For
        `f(x) = x * x` at 3 it is 6.

    Raises:
        ValueError: if the inputs are no floats, or the function does not return a tensor.

    Taught in: `04_wgan`.
    """
    _, _, gradients = _differentiate(lambda lists: ([_total(function(lists[0][0]))], None), [[inputs]])
    return gradients[0][0]


@checks.arguments(function=checks.FUNCTION, values=LIST)
def gradients_at(function, values):
    """Value of a scalar function of tensors and its gradients, which can be differentiated once more.

    Args:
        function: list of tensors -> scalar.
        values: list of float tensors.

    Returns:
        `(scalar, gradients)`, one gradient a tensor. For `function = lambda v: v[0] * v[0]` at [3] it is `(9, [6])`. On
        several replicas they are shares of the mean, as in `value_and_gradients`.

    Raises:
        ValueError: if a value is no float, or the function does not return a scalar.

    Taught in: `05_training_failures`.
    """
    values = [TENSOR("gradients_at()", "values", value) for value in values]
    (value,), _, (gradients,) = _differentiate(lambda lists: _check_result((function(lists[0]), None)), [values])
    return value, _shares(gradients)


@checks.arguments(model=MODEL, step=checks.FUNCTION)
def run_train_step(model, step, *args):
    """Run `step(data) -> logs` the way the backend's trainer calls `train_step`.

    Args:
        model: the `keras.Model` whose variables, and whose optimizer's and metrics' variables, the step may change.
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
    return logs, tuple([scope.get_current_value(variable) for variable in group] for group in groups)


def num_replicas(model):
    """How many times TensorFlow runs a step of `model`, each on its part of the batch. JAX runs one program: 1."""
    return model.distribute_strategy.num_replicas_in_sync if BACKEND == "tensorflow" else 1


def num_devices(model):
    """On how many devices `model` trains: the replicas of a TensorFlow strategy, or those of the Keras distribution."""
    distribution = keras.distribution.distribution()
    return distribution.num_model_replicas if distribution else num_replicas(model)


def place_among_hosts():
    """Number of this host and how many there are, `(0, 1)` on one. JAX takes from each its part; TensorFlow cuts by itself."""
    distribution = keras.distribution.distribution()
    return (distribution.data_shard_id, distribution.num_processes) if distribution else (0, 1)


def run_on_replicas(model, step, data):
    """Run `step(data)` once outside of `fit()`, where it may change the variables of a model on several devices."""
    if num_replicas(model) > 1:
        model.distribute_strategy.run(step, args=(data,))
    else:
        step(data)


def draw_rows(draw, num_rows):
    """Random rows for the data of this replica.

    Each replica of a TensorFlow strategy has the same seeds. So each draws for the batch of all replicas and takes its own
    rows: what one device would draw. JAX splits one program over its devices; there, and on one device, it is `draw(num_rows)`.

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


def sum_over_replicas(tensors):
    """Sums of a list of tensors over all replicas of a TensorFlow strategy; elsewhere the tensors themselves."""
    context = _replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tensors) if context else tensors


@checks.arguments(model=MODEL)
def sync_variables(model):
    """Write the state of a running `fit()` back into the model's variables.

    On JAX the weights live outside the variables during an epoch; a callback that draws samples calls this first. On
    TensorFlow there is nothing to do.
    """
    if BACKEND == "jax":
        model.jax_state_sync()


def describe_device():
    """The device that Keras computes on, in words: `"CPU"`, or `"GPU"` with its name where the backend tells it."""
    if BACKEND == "jax":
        device = jax.devices()[0]
        return "CPU" if device.platform == "cpu" else f"{device.platform.upper()} ({device.device_kind})"
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    return f"GPU ({tf.config.experimental.get_device_details(gpus[0]).get('device_name', 'unnamed')})"


def _total(outputs):
    return keras.ops.sum(TENSOR("The function to differentiate", "outputs", outputs))


def _read(caller, name, variables):
    """What variables hold, once they are known to be a list of variables."""
    return [VARIABLE(caller, name, variable).value for variable in LIST(caller, name, variables)]


def _check_result(result, num_scalars=None):
    """`(scalars, aux)` of what a function returned: `((scalar, ...), aux)`, or `(scalar, aux)` where `num_scalars` is None."""
    scalars, aux = result if isinstance(result, (tuple, list)) and len(result) == 2 else ((), None)
    scalars = [scalars] if num_scalars is None else scalars
    fits = isinstance(scalars, (tuple, list)) and num_scalars in (None, len(scalars))
    if not fits or not all(checks.is_tensor(scalar) and not tuple(scalar.shape) for scalar in scalars):
        passed = f"The function to differentiate returned {checks.describe(result)}."
        expected = "It must be a scalar tensor: (scalar, aux) in value_and_gradients(), one for each list in joint_gradients()."
        remedy = "Take the mean or the sum of what it computes."
        raise checks.error(passed, expected, remedy)
    return scalars, aux


def _replica_context():
    """TensorFlow's context of a step that runs on several replicas; None elsewhere."""
    context = tf.distribute.get_replica_context() if BACKEND == "tensorflow" else None
    return context if context and context.num_replicas_in_sync > 1 else None


def _shares(gradients):
    """The part of this replica in the mean gradient; the gradients themselves on one device."""
    context = _replica_context()
    return [gradient / context.num_replicas_in_sync for gradient in gradients] if context else gradients


class _NestedScope(keras.StatelessScope):
    """A stateless scope that reads through to the scope around it and remembers what was written."""

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


def _differentiate(function, lists, variables=()):
    """`(scalars, aux, gradients)` of `function(lists) -> (scalars, aux)`: scalar i belongs to list i.

    The lists hold the values of `variables`, or, if there are none, tensors.
    """
    if BACKEND == "tensorflow":
        with tf.GradientTape(persistent=True) as tape:
            if not variables:
                lists = [[tf.convert_to_tensor(value) for value in part] for part in lists]  # of a variable: what it holds now
                tape.watch(lists)
            scalars, aux = function(lists)
        zero = tf.UnconnectedGradients.ZERO
        return scalars, aux, [tape.gradient(*pair, unconnected_gradients=zero) for pair in zip(scalars, lists)]
    written = []

    def pure(lists):
        with _NestedScope(list(zip(variables, jax.tree.leaves(lists)))) as scope:
            scalars, aux = function(lists)
        written[:] = [variable for variable, _ in scope.updates.values()]
        return list(scalars), (aux, [new_value for _, new_value in scope.updates.values()])

    scalars, pullback, (aux, new_values) = jax.vjp(pure, lists, has_aux=True)
    # What was written into variables is written again outside.
    for variable, new_value in zip(written, new_values):
        variable.assign(new_value)
    units = [[jax.numpy.full_like(scalar, i == j) for j, scalar in enumerate(scalars)] for i in range(len(scalars))]
    return scalars, aux, [pullback(unit)[0][i] for i, unit in enumerate(units)]
