import numpy as np
import pytest
from keras import ops

from gan_utils import checks


def test_require_says_what_was_passed_what_is_expected_and_what_helps():
    checks.require(True, "a.", "b.", "c.")
    with pytest.raises(OSError, match="^It received 3. It takes 2. Write 2.$"):
        checks.require(False, "It received 3.", "It takes 2.", "Write 2.", kind=OSError)


NAN = np.full((2, 3), np.nan)


BAD = [
    (NAN[:1], (1, 2)),
    (NAN, (None, 3)),
    (NAN[0], (None, 3, ...)),
    (["a"], (1,)),
    ([[1], 2], (2,)),
]


@pytest.mark.parametrize(("value", "shape"), BAD)
def test_what_is_no_array_of_this_shape(value, shape):
    with pytest.raises(
        ValueError, match=r"f\(\) received x of shape .* It expects finite numbers of"
    ):
        checks.check_array("f()", "x", value, shape)
    with pytest.raises(ValueError, match="the first axis 3 or more"):
        checks.check_array("f()", "x", np.ones((2, 3)), (None, 3), smallest=3)


@pytest.mark.parametrize("value", [[[1, 2]], np.ones((1, 2)), ops.ones((1, 2))])
def test_lists_and_tensors_become_arrays(value):
    for shape in ((None, 2), (1, None), (None, ...)):
        found = checks.check_array("f()", "x", value, shape)
        assert isinstance(found, np.ndarray) and found.shape == (1, 2)


def test_a_choice_is_one_of_the_names():
    assert checks.check_choice("f()", "split", "test", ("train", "test")) == "test"
    for bad in ("Test", None, 1, ["test"]):
        with pytest.raises(ValueError, match=r"f\(\) received split=.* one of 'train', 'test'"):
            checks.check_choice("f()", "split", bad, ("train", "test"))


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", True, None, float("nan")])
def test_what_is_no_int_is_refused_with_an_example(value):
    with pytest.raises(ValueError, match=r"f\(\) received n=.*int of at least 1.*write .* n=1"):
        checks.check_int("f()", "n", value)
    assert checks.check_int("f()", "n", np.int64(7)) == 7
