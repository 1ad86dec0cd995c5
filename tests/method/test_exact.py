import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from incmask.method.exact import mean_of_image, mean_of_members, square_root


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_roots_are_the_nearest_numbers_in_every_library(dtype):
    generator = np.random.default_rng(0)
    values = (generator.random(2000) * 10.0 ** generator.integers(-6, 7, 2000)).astype(dtype)
    values[:3] = 0, 1, 4
    roots = square_root(values)
    np.testing.assert_array_equal(square_root(torch.from_numpy(values)).numpy(), roots)
    assert roots.dtype == dtype
    assert roots[:3].tolist() == [0, 1, 2]
    for value, root in zip(values[1:].tolist(), roots[1:], strict=True):
        # The nearest number: its midpoints with both neighbours enclose the root; whole-number arithmetic is exact.
        below, above = (Fraction(float(np.nextafter(root, dtype(end)))) for end in (0, math.inf))
        middle = Fraction(float(root))
        assert ((below + middle) / 2) ** 2 <= Fraction(value) <= ((above + middle) / 2) ** 2


@given(values=hnp.arrays(np.float32, hnp.array_shapes(min_dims=3, max_dims=4), elements=st.floats(-9, 9, width=32)))
def test_means_equal_numpy_s_and_torch_bit_for_bit(values):
    for ours, expected in (
        (mean_of_members, values.astype(np.float64).mean(0)),
        (lambda given: mean_of_image(given, 2), values.astype(np.float64).mean((-2, -1), keepdims=True)),
    ):
        np.testing.assert_allclose(ours(values), expected, atol=1e-5)
        np.testing.assert_array_equal(ours(torch.from_numpy(values)).numpy(), ours(values))
