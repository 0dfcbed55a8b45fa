import functools
import time

import keras
import numpy as np
import pytest
from keras import ops

from gan_utils import autodiff, checks, losses


@checks.arguments(count=checks.whole(1), share=checks.number(0.0, 1.0), x=checks.array("n, d"), y=checks.array("m, d"))
def example(count=1, *, share=None, x=None, y=None):
    """What the function saw."""
    return count, share, x, y


def test_a_message_has_three_parts_that_name_function_and_argument():
    with pytest.raises(ValueError) as caught:
        example(0)
    assert str(caught.value) == (
        "example() received count=0. It must be an int of at least 1 and at most 100000000. Write an int, for example 1."
    )


@pytest.mark.parametrize("bad", [True, 1.0, "1", None, float("nan"), 10**12, np.ones(1), np.True_])
def test_what_is_no_whole_number(bad):
    with pytest.raises(ValueError, match=r"example\(\) received count="):
        example(bad)


@pytest.mark.parametrize("good", [1, np.int64(3), np.uint8(3)])
def test_what_is_a_whole_number(good):
    assert example(good)[0] is good


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, 1.5, np.float32("nan"), "0.5", 1j, False])
def test_what_is_no_number_in_the_range(bad):
    with pytest.raises(ValueError, match=r"share=.* from 0.0 to 1.0"):
        example(share=bad)


def test_a_default_always_fits_and_the_function_keeps_its_name():
    assert example() == (1, None, None, None)
    assert example.__name__ == "example" and example.__doc__ == "What the function saw."


def test_lists_become_arrays_and_names_stand_for_one_length():
    _, _, x, y = example(x=[[1, 2]], y=np.zeros((3, 2)))
    assert isinstance(x, np.ndarray) and x.shape == (1, 2) and y.shape == (3, 2)
    with pytest.raises(ValueError, match=r"y of shape \(3, 4\) .* of shape \(m, 2\)"):
        example(x=[[1, 2]], y=np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("form", "shape", "fits"),
    [
        ("n, 28, d", (5, 28, 1), True),
        ("n, 28, d", (5, 27, 1), False),
        ("n, 28, d", (5, 28), False),
        ("n, 28, d", (0, 28, 1), False),
        ("n, ...", (5,), True),
        ("n, ...", (5, 0), False),
        ("...", (), True),
    ],
)
def test_forms(form, shape, fits):
    rule = checks.array(form)
    if fits:
        assert rule("f()", "x", np.zeros(shape)).shape == shape
    else:
        with pytest.raises(ValueError, match=r"f\(\) received x of shape"):
            rule("f()", "x", np.zeros(shape))


def test_free_axes_are_the_same_in_all_arrays():
    rule = checks.array("n, ...")
    checks.arrays("f()", x=(np.zeros((2, 3, 4)), rule), y=(np.zeros((2, 3, 4)), rule))
    for shape in ((2, 3), (2, 3, 5), (2, 3, 4, 1), (1, 3, 4)):
        with pytest.raises(ValueError, match="received y"):
            checks.arrays("f()", x=(np.zeros((2, 3, 4)), rule), y=(np.zeros(shape), rule))


def test_the_form_of_a_network():
    assert checks.form((None, 28, 28, 1)) == "n, 28, 28, 1"
    assert checks.form((None, None, 3)) == "n, axis1, 3"
    assert checks.form(None) == "n, ..."


def test_tensors_stay_tensors_and_are_not_read():
    nan = ops.convert_to_tensor([[np.nan]])
    assert checks.array("n, 1", tensor=True)("f()", "x", nan) is nan
    with pytest.raises(ValueError, match="NaN"):
        checks.array("n, 1")("f()", "x", nan)


def test_rules_hold_while_a_step_is_traced():
    if autodiff.BACKEND == "jax":
        import jax as backend

        trace = backend.jit
    else:
        import tensorflow as backend

        trace = functools.partial(backend.function, input_signature=[backend.TensorSpec((None, None), "float32")] * 2)
    compiled = trace(lambda real, fake: losses.wasserstein_discriminator_loss(real[:, :1], fake[:, :1]))
    assert float(compiled(np.full((3, 2), 3.0, "float32"), np.ones((3, 2), "float32"))) == -2.0
    with pytest.raises(ValueError, match=r"real_logits of shape"):
        trace(lambda real, fake: losses.wasserstein_discriminator_loss(real[:, 0], fake))(*np.ones((2, 3, 2), "float32"))


def test_values_in_few_words():
    assert checks.describe(np.zeros((2, 3))) == "an array of shape (2, 3) and dtype float64"
    assert checks.describe(keras.Variable(1.0)) == "an array of shape () and dtype float32"
    assert len(checks.describe(list(range(10**6)))) < 100


def test_a_check_of_logits_is_fast():
    checked = checks.arguments(real_logits=losses.LOGITS, fake_logits=losses.LOGITS)(lambda real_logits, fake_logits: None)
    logits, times = ops.ones((64, 1)), []
    for _ in range(200):
        began = time.perf_counter()
        checked(logits, logits)
        times.append(time.perf_counter() - began)
    print(f"{1e6 * np.median(times):.1f} microseconds")
    assert np.median(times) < 2e-4  # 20 microseconds on an idle core; the bound leaves room for a busy one
