import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from incmask.base.errors import IncmaskError
from incmask.method.copies import Band, band_of, num_copies

ISIC = Band(0.72, 0.75)
PAPER = [ISIC, Band(0.59, 0.62), Band(0.43, 0.51), Band(0.372, 0.453)]
BANDS = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted).map(lambda bounds: Band(*bounds))


def copies_of(*quality, band=ISIC):
    return num_copies(np.array(quality), band=band).tolist()


def test_by_hand():
    assert copies_of(0.0, 0.7, 0.72, 0.723, 0.727, 0.734, 0.737, 0.741, 0.749, 0.75, 0.9, 1.0) == [
        *[1, 1, 1, 1],
        *[2, 3, 3, 4, 5],
        *[5, 5, 5],
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("band", PAPER)
def test_edges_belong_to_the_interval_above(band, dtype):
    # In exact decimals; as floats most of them lie a little beside the edge, 0.726 of 0.72..0.75 among them.
    low, high = Fraction(str(band.low)), Fraction(str(band.high))
    edges = [float(low + (high - low) * step / 5) for step in range(6)]
    assert num_copies(np.array(edges, dtype), band=band).tolist() == [1, 2, 3, 4, 5, 5]
    below = np.array(edges, np.float64) - 1e-5
    assert num_copies(below, band=band).tolist() == [1, 1, 2, 3, 4, 5]


def test_the_formula_as_it_stands_would_fall_short():
    assert 1 + math.floor((0.726 - 0.72) / ((0.75 - 0.72) / 5)) == 2
    assert 1 + math.floor((0.744 - 0.72) / ((0.75 - 0.72) / 5)) == 5
    assert 1 + math.floor((np.float32(0.738).item() - 0.72) / ((0.75 - 0.72) / 5)) == 3
    assert copies_of(0.726, 0.744, np.float32(0.738)) == [2, 5, 4]


def test_a_band_of_no_extent():
    assert copies_of(0.0, 0.4, 0.5, 0.6, band=Band(0.5, 0.5)) == [1, 1, 5, 5]
    assert copies_of(0.0, 1.0, band=Band(0, 0)) == [5, 5]


def test_any_shape():
    assert num_copies(np.array([[0.1, 0.9]]), band=ISIC).tolist() == [[1, 5]]
    assert num_copies(np.empty(0), band=ISIC).shape == (0,)
    assert num_copies(np.array(0.9), band=ISIC).shape == ()
    assert num_copies(np.array([0.1]), band=ISIC).dtype == np.int64


@given(BANDS, st.lists(st.floats(0, 1), min_size=1))
def test_more_quality_never_gives_fewer_copies(band, quality):
    copies = num_copies(np.sort(quality), band=band)
    assert copies.min() >= 1
    assert copies.max() <= 5
    assert (np.diff(copies) >= 0).all()


@given(BANDS, st.floats(0, 1))
@example(Band(0.0, 1.0), 0.5)
def test_as_the_formula_says_away_from_the_edges(band, quality):
    low, high, exact = (Fraction(value) for value in (band.low, band.high, quality))
    if any(abs(exact - (low + (high - low) * step / 5)) < Fraction(1, 10**6) for step in range(6)):
        return
    expected = 1 if exact < low else 5 if exact > high else 1 + math.floor((exact - low) / ((high - low) / 5))
    assert copies_of(quality, band=band) == [expected]


def test_no_number_is_refused():
    for function in (lambda scores: num_copies(scores, band=ISIC), band_of):
        with pytest.raises(IncmaskError, match="not a number"):
            function(np.array([0.7, math.nan]))


@pytest.mark.parametrize("bounds", [(0.6, 0.5), (-0.1, 0.5), (0.5, 1.1), (math.nan, 0.5), (0.5, math.nan)])
def test_bands_out_of_order_are_refused(bounds):
    with pytest.raises(IncmaskError, match="quality band"):
        Band(*bounds)


def test_band_of_scores_by_hand():
    # Of 0, 0.1, ... 1 the quantiles fall on scores; of two they lie a fifth of the way inside.
    for scores, expected in (
        (np.arange(11) / 10, (0.2, 0.8)),
        (np.array([0.9, 0.5], np.float32), (0.58, 0.82)),
        (np.array([0.3]), (0.3, 0.3)),
    ):
        band = band_of(scores)
        assert (band.low, band.high) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=50))
def test_about_a_fifth_lies_on_either_side_of_the_band(scores):
    band, values = band_of(np.array(scores, np.float32)), np.array(scores)
    fifth = 0.2 * (len(scores) - 1)
    for outside, not_inside in ((values < band.low, values <= band.low), (values > band.high, values >= band.high)):
        assert outside.sum() <= fifth + 1
        assert not_inside.sum() >= fifth


def test_no_scores_are_refused():
    with pytest.raises(IncmaskError, match="no scores"):
        band_of(np.empty(0))


def test_scores_outside_their_range_give_no_band():
    with pytest.raises(IncmaskError, match="quality band"):
        band_of(np.array([1.5, 2.0]))
