"""Label Studio's code of brush masks, against one written by hand and a decoder that reads bit by bit."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from incmask.labels.brush import decode, encode


def packed(*fields: tuple[int, int]) -> bytes:
    """Pack numbers of so many bits each."""
    text = "".join(f"{value:0{bits}b}" for value, bits in fields)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


HEADER = ((7, 5), (2, 4), (3, 4), (7, 4), (15, 4))


def test_a_mask_of_three_pixels_is_packed_as_worked_out_by_hand() -> None:
    # 0 1 1: a run of 4 zeros and one of 8 times 255, both with counts of 3 bits.
    by_hand = packed((12, 32), *HEADER, (1, 1), (0, 2), (3, 3), (0, 8), (1, 1), (0, 2), (7, 3), (255, 8))
    assert bytes(encode(np.array([[False, True, True]]))) == by_hand


def test_values_one_by_one_and_half_covered_pixels_are_read() -> None:
    # Two pixels, each value for itself: alpha 128 counts, 127 does not.
    code = packed(
        (8, 32), *HEADER, (0, 1), (0, 2), (7, 3), *((value, 8) for value in (0, 0, 0, 128, 255, 255, 255, 127))
    )
    assert decode(code, (1, 2)).tolist() == [[True, False]]


@settings(max_examples=100, deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_what_is_packed_comes_back(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(decode(bytes(encode(mask)), mask.shape), mask)


def test_runs_longer_than_a_count_are_split() -> None:
    mask = np.ones((300, 300), bool)
    mask[0, 0] = False
    np.testing.assert_array_equal(decode(bytes(encode(mask)), mask.shape), mask)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40), st.integers(1, 4))
def test_broken_codes_are_refused(code: bytes, side: int) -> None:
    with contextlib.suppress(ValueError):
        assert decode(code, (side, side)).shape == (side, side)


def test_why_a_code_is_refused() -> None:
    code = bytes(encode(np.ones((2, 3), bool)))
    with pytest.raises(ValueError, match="it is of 6 pixels"):
        decode(code, (2, 2))
    with pytest.raises(ValueError, match="it ends too early"):
        decode(code[:8], (2, 3))
    with pytest.raises(ValueError, match="longer than the image"):
        decode(packed((4, 32), *HEADER, (1, 1), (0, 2), (7, 3), (0, 8)), (1, 1))
    with pytest.raises(ValueError, match="its values are no bytes"):
        decode(packed((4, 32), (3, 5), *HEADER[1:]), (1, 1))
