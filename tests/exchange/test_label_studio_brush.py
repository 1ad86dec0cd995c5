"""Label Studio's code of brush masks, against masks that are packed here."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from exchange import HEADER, packed, packed_mask
from incmask.exchange.formats.label_studio import decode_brush


def test_a_mask_of_three_pixels_is_read_as_worked_out_by_hand() -> None:
    # 0 1 1: a run of 4 zeros and one of 8 times 255, both with counts of 3 bits.
    by_hand = packed((12, 32), *HEADER, (1, 1), (0, 2), (3, 3), (0, 8), (1, 1), (0, 2), (7, 3), (255, 8))
    assert decode_brush(by_hand, (1, 3)).tolist() == [[False, True, True]]


def test_values_one_by_one_and_half_covered_pixels_are_read() -> None:
    # Two pixels, each value for itself: alpha 128 counts, 127 does not.
    code = packed(
        (8, 32), *HEADER, (0, 1), (0, 2), (7, 3), *((value, 8) for value in (0, 0, 0, 128, 255, 255, 255, 127))
    )
    assert decode_brush(code, (1, 2)).tolist() == [[True, False]]


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=20)), st.sampled_from([8, 16, 256, 1 << 16]))
def test_what_is_packed_comes_back(mask: np.ndarray, longest: int) -> None:
    np.testing.assert_array_equal(decode_brush(packed_mask(mask, longest), mask.shape), mask)


def test_long_runs_come_in_several() -> None:
    mask = np.ones((300, 300), bool)
    mask[0, 0] = False
    np.testing.assert_array_equal(decode_brush(packed_mask(mask, 1 << 16), mask.shape), mask)


@given(st.binary(max_size=40), st.integers(1, 4))
def test_broken_codes_are_refused(code: bytes, side: int) -> None:
    with contextlib.suppress(ValueError):
        assert decode_brush(code, (side, side)).shape == (side, side)


def test_why_a_code_is_refused() -> None:
    code = packed_mask(np.ones((2, 3), bool), 8)
    with pytest.raises(ValueError, match="it is of 6 pixels"):
        decode_brush(code, (2, 2))
    with pytest.raises(ValueError, match="it ends too early"):
        decode_brush(code[:8], (2, 3))
    with pytest.raises(ValueError, match="longer than the image"):
        decode_brush(packed((4, 32), *HEADER, (1, 1), (0, 2), (7, 3), (0, 8)), (1, 1))
    with pytest.raises(ValueError, match="its values are no bytes"):
        decode_brush(packed((4, 32), (3, 5), *HEADER[1:]), (1, 1))
