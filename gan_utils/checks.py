"""Checks of arguments, and the one form of their messages: what was passed, what is expected, how to fix it.

A function says in front of its name what its arguments must be:

    @checks.arguments(num_points=checks.whole(1), centers=checks.array("num_modes, d"))
    def sample_modes(num_points, centers, ...):

Each rule is a function `(caller, name, value) -> value` that raises ValueError if the value does not fit. NumPy numbers are
numbers, True and False are not, NaN never fits. Of a tensor only shape and dtype are looked at: both are known while a compiled
step is traced, the values are not.
"""

import collections.abc
import functools
import inspect
import math
import numbers
import reprlib

import numpy as np

# A typing error such as 10**12 is refused before it fills the memory: 100 million numbers take 400 MB as float32.
MANY = 10**8


def error(passed, expected, remedy):
    """The ValueError of the package, for the caller to raise.

    Args:
        passed: what was passed, a sentence that names the function or the argument.
        expected: what is expected instead, a sentence.
        remedy: how to fix it, a sentence.
    """
    return ValueError(f"{passed} {expected} {remedy}")


def require(fits, *sentences, kind=ValueError):
    """Raise an exception of this kind, unless `fits`: what was passed, what is expected, the remedy."""
    if not fits:
        raise kind(" ".join(sentences))


def check_array(caller, name, value, shape, *, smallest=1, remedy="Look for NaN in it."):
    """A value as a NumPy array of finite numbers, once it is known to have the right shape.

    Args:
        caller: what the message begins with, `"evaluate()"`.
        name: of the argument.
        value: anything.
        shape: lengths of the axes; None is any length, an ellipsis at the end any further axes.
        smallest: least length of the first axis.
        remedy: last sentence of the message.

    Raises:
        ValueError: for another shape or dtype, NaN, infinite or no values.
    """
    array = as_numpy(value)
    axes = shape[:-1] if shape[-1:] == (...,) else shape
    pairs = zip(array.shape, axes)
    fits = array.ndim == len(axes) or (array.ndim > len(axes) < len(shape))
    fits = fits and all(size and size == (axis or size) for size, axis in pairs) and array.size
    fits = fits and array.dtype.kind in "fiu" and len(array) >= smallest
    described = f"an array of shape {array.shape} and dtype {array.dtype}"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        fits, described = False, f"{described} with NaN or infinite values"
    wanted = ", ".join("any" if size is None else "..." if size is ... else str(size) for size in shape)
    expected = f"It expects finite numbers of shape ({wanted}), at least {smallest} along the first axis."
    require(fits, f"{caller} received {name} as {described}.", expected, remedy)
    return array


def check_choice(caller, name, value, names):
    """A value, once it is known to be one of some names.

    Raises:
        ValueError: for any other value.
    """
    fits = isinstance(value, str) and value in names
    expected = f"It must be one of {', '.join(map(repr, names))}."
    require(fits, f"{caller} received {name}={value!r}.", expected, "Write one of them.")
    return value


def arguments(**rules):
    """Decorator that applies a rule to each named argument before the function runs.

    A default always fits, so None is allowed where it is the default. Arrays of one call share the lengths of axes of one name.
    """

    def decorate(function):
        signature = inspect.signature(function)
        defaults = {name: signature.parameters[name].default for name in rules}
        caller = function.__qualname__.removesuffix(".__init__").split(".")[-1] + "()"

        @functools.wraps(function)
        def checked(*args, **kwargs):
            bound, lengths = signature.bind(*args, **kwargs), {}
            for name, rule in rules.items():
                if name in bound.arguments and bound.arguments[name] is not defaults[name]:
                    extra = (lengths,) if hasattr(rule, "form") else ()
                    bound.arguments[name] = rule(caller, name, bound.arguments[name], *extra)
            return function(*bound.args, **bound.kwargs)

        return checked

    return decorate


def rule(fits, expected, remedy):
    """Rule from a test `value -> bool`; `expected` completes the sentence "It must be"."""

    def check(caller, name, value):
        if not fits(value):
            raise error(f"{caller} received {name}={describe(value)}.", f"It must be {expected}.", remedy)
        return value

    return check


def is_number(value, kind=numbers.Real):
    """Whether a value is a finite number, from Python or NumPy, and no bool."""
    return isinstance(value, kind) and not isinstance(value, bool) and abs(value) < math.inf


def number(low=-math.inf, high=math.inf, remedy=None):
    """Rule for finite numbers in [low, high]."""
    bounds = f"from {low} to {high}" if high < math.inf else f"of at least {low}" if low > -math.inf else "of any size"
    remedy = remedy or f"Write for example {max(low, min(high, 1))}."
    return rule(lambda value: is_number(value) and low <= value <= high, f"a finite number {bounds}", remedy)


def whole(low, high=MANY, remedy=None):
    """Rule for ints in [low, high]."""
    remedy = remedy or f"Write an int, for example {max(low, 1)}."
    expected = f"an int of at least {low} and at most {high}"
    return rule(lambda value: is_number(value, numbers.Integral) and low <= value <= high, expected, remedy)


def sizes(total=MANY, remedy="Write a tuple of ints, for example (64, 64)."):
    """Rule for shapes and widths: sequences of ints from 1 to 4,096 whose product is at most `total`."""

    def fits(value):
        ints = isinstance(value, (tuple, list)) and all(is_number(size, numbers.Integral) and 1 <= size <= 4096 for size in value)
        return ints and math.prod(value) <= total

    bound = f" whose product is at most {total}" if total < math.inf else ""
    return rule(fits, f"a tuple of ints from 1 to 4096{bound}", remedy)


def seed(*generators):
    """Rule for None, an int from 0 to 2^32 - 1 or an instance of one of the classes `generators`."""
    fits = whole(0, 2**32 - 1, "Write for example seed=1, or None for another draw each time.")
    return lambda caller, name, value: value if isinstance(value, (type(None), *generators)) else fits(caller, name, value)


def choice(names, remedy):
    """Rule for one of some names."""
    return rule(lambda value: isinstance(value, str) and value in names, f"one of {', '.join(map(repr, names))}", remedy)


def instance(types, expected, remedy):
    """Rule for instances of one or several classes."""
    return rule(lambda value: isinstance(value, types), expected, remedy)


FLAG = instance((bool, np.bool_), "True or False", "Leave it out, or write True or False.")
TEXT = instance(str, "a string", "Write it in quotes.")
FUNCTION = instance(collections.abc.Callable, "a function or a network", "Pass it without parentheses after its name.")
MAPPING = instance(collections.abc.Mapping, "a mapping", "Pass a dict, for example recorder.logs.")


def array(form, *, smallest=1, floats=False, finite=True, tensor=False, remedy="Reshape it, or look for NaN in it."):
    """Rule for arrays of numbers; the value becomes a NumPy array.

    Args:
        form: names or lengths of the axes. `"n, 28, d"` asks for three axes, the second of length 28; a name stands for one
            length in all arrays of a call. `"n, ..."` leaves the other axes free, the same ones in all arrays.
        smallest: least length of the first axis; the others have at least 1.
        floats: refuse whole numbers.
        finite: refuse NaN and infinite values of what is no tensor.
        tensor: hand tensors on as they are, so that they can be differentiated.
        remedy: last sentence of the message.
    """

    def check(caller, name, value, lengths=None):
        array = value if tensor and is_tensor(value) else as_numpy(value)
        lengths, shape, dtype = {} if lengths is None else lengths, _shape(array), _dtype(array)
        axes = _axes(form, lengths)
        right = "float" in dtype or (not floats and "int" in dtype)
        broken = right and finite and isinstance(array, np.ndarray) and not np.isfinite(array).all()
        if not right or broken or not _matches(shape, axes, lengths, smallest):
            found = f"={describe(value)}" if dtype == "object" else f" of shape {shape} and dtype {dtype}"
            kind = f"{'finite ' if finite else ''}{'floats' if floats else 'numbers'}"
            raise error(
                f"{caller} received {name}{found}{' with NaN or infinite values' if broken else ''}.",
                f"It must hold {kind} of shape ({', '.join(map(str, axes))}), at least {smallest} along the first axis.",
                remedy,
            )
        return array

    check.form = form
    return check


def arrays(caller, **pairs):
    """The arrays of one call, each given as `name=(value, rule)`, with one length for each name of an axis."""
    lengths = {}
    return [rule(caller, name, value, lengths) for name, (value, rule) in pairs.items()]


def form(shape):
    """The form of a batch, from the input shape of a network: `(None, 28, 28, 1)` gives `"n, 28, 28, 1"`, None `"n, ..."`."""
    return ", ".join(["n"] + [str(size or f"axis{i}") for i, size in enumerate(shape)][1:]) if shape else "n, ..."


def describe(value):
    """A value in few words: arrays and tensors by shape and dtype, everything else by a shortened `repr`."""
    if isinstance(value, np.ndarray) or is_tensor(value):
        return f"an array of shape {_shape(value)} and dtype {_dtype(value)}"
    return reprlib.repr(value)


def is_tensor(value):
    """Whether a value is a tensor or a Keras variable: it has a shape and a dtype and does not come from NumPy."""
    return hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, (np.ndarray, np.generic))


def as_numpy(value):
    """A value as a NumPy array; if it cannot be converted, an array of dtype object, which every check refuses."""
    try:
        return np.asarray(value)
    except Exception:  # each backend raises its own error for a tensor without values, NumPy another one for a ragged list
        return np.empty((), object)


def _axes(form, lengths):
    """The axes of a form, with what earlier arrays of the call say about them: a list of lengths and names."""
    axes = form.split(", ")
    if axes[-1] == "..." and "..." in lengths:
        axes[-1:] = lengths["..."]
    return [int(axis) if str(axis).isdigit() else lengths.get(axis, axis) for axis in axes]


def _matches(shape, axes, lengths, smallest):
    """Whether a shape fits the axes; unknown lengths do. Writes into `lengths` what the names stand for."""
    if shape is None:
        return True
    if axes[-1:] == ["..."]:
        lengths["..."] = [size or f"axis{i}" for i, size in enumerate(shape)][len(axes) - 1 :]
        axes = axes[:-1] + lengths["..."]
    known = [(size, axis) for size, axis in zip(shape, axes) if size is not None]
    lengths.update({axis: size for size, axis in known if isinstance(axis, str)})
    fits = all(size > 0 and (isinstance(axis, str) or axis == size) for size, axis in known)
    return fits and len(shape) == len(axes) and (not shape or shape[0] is None or shape[0] >= smallest)


def _shape(array):
    """The shape as a tuple, None for an unknown length; None if not even the number of axes is known."""
    return None if getattr(array.shape, "rank", 0) is None else tuple(array.shape)


def _dtype(array):
    return getattr(array.dtype, "name", str(array.dtype))
