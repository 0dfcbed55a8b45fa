"""The few checks that all modules share, and the one form of their messages.

A message has three parts: what was passed, what is expected, how to fix it. Of a tensor in a
compiled step only shape and dtype are known, so values are checked outside of it.
"""

import numbers

import numpy as np


def require(fits, *sentences, kind=ValueError):
    """Raise an exception of this kind with these sentences, unless `fits`."""
    if not fits:
        raise kind(" ".join(sentences))


def check_array(caller, name, value, shape, *, smallest=1, remedy="Look for NaN in it."):
    """A value as a NumPy array of finite numbers, once it is known to have the right shape.

    Args:
        caller: what the message begins with, `"evaluate()"`.
        name: of the argument.
        value: anything.
        shape: lengths of the axes; None is any length, an ellipsis at the end any further axes.
        smallest: least length of the first axis; the others have at least 1.
        remedy: last sentence of the message.

    Returns:
        NumPy array of the dtype that the value has.

    Raises:
        ValueError: for another shape or dtype, NaN, infinite or no values.
    """
    array = as_numpy(value)
    axes = shape[:-1] if shape[-1:] == (...,) else shape
    fits = array.ndim == len(axes) or (array.ndim > len(axes) < len(shape))
    fits = fits and all(axis in (None, size) for size, axis in zip(array.shape, axes))
    fits = fits and array.dtype.kind in "fiu" and array.size > 0 and len(array) >= smallest
    broken = array.dtype.kind == "f" and not np.isfinite(array).all()
    with_nan = " with NaN or infinite values" * broken
    passed = f"{caller} received {name} of shape {array.shape} and dtype {array.dtype}{with_nan}."
    wanted = ", ".join({None: "any", ...: "..."}.get(size, str(size)) for size in shape)
    expected = f"It expects finite numbers of shape ({wanted}), the first axis {smallest} or more."
    require(fits and not broken, passed, expected, remedy)
    return array


def check_choice(caller, name, value, names):
    """A value, once it is known to be one of some names; ValueError for any other."""
    fits = isinstance(value, str) and value in names
    expected = f"It must be one of {', '.join(map(repr, names))}."
    require(fits, f"{caller} received {name}={value!r:.80}.", expected, "Write one of them.")
    return value


def check_int(caller, name, value, smallest=1):
    """An int, once it is known to be at least `smallest`; ValueError for anything else."""
    fits = isinstance(value, numbers.Integral) and not isinstance(value, bool) and value >= smallest
    expected = f"It must be an int of at least {smallest}: write for example {name}={smallest}."
    require(fits, f"{caller} received {name}={value!r:.80}.", expected)
    return int(value)


def as_numpy(value):
    """A value as a NumPy array; if it cannot be converted, an array of dtype object."""
    try:
        return np.asarray(value)
    except Exception:  # each backend has its own error for a tensor without values
        return np.empty((), object)
