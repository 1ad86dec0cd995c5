import cv2
import numpy as np
import pytest

import incmask
from incmask.base.errors import IncmaskError
from incmask.method.cells import (
    count_cells,
    mean_cell_count_error,
    redraw_cells,
    redraw_positions,
)


def cells_label():
    """Channels alive, dead, position: an alive cell, a dead one, an unclear one, and a speck that erosion removes."""
    label = np.zeros((40, 60, 3), dtype=np.uint8)
    for y, x in ((10, 10), (10, 30), (30, 10), (0, 50)):
        label[max(y - 3, 0) : y + 4, x - 3 : x + 4, 2] = 1
    label[30, 40:42, 2] = 1
    label[5:15, 5:15, 0] = 1
    label[5:15, 25:35, 1] = 1
    label[5:8, 25:28, 0] = 1  # less of the other type
    label[27:30, 5:15, 0] = 1  # 3 of the window's 6 rows, 27..32
    label[30:33, 5:15, 1] = 1
    label[0:2, 47:54, 1] = 1
    return label


def test_cells_by_hand():
    cells = count_cells(cells_label(), position=2, cell_classes=[0, 1])
    order = np.lexsort((cells.centres_yx[:, 1], cells.centres_yx[:, 0]))
    # At the upper border rows 0..3 are eroded from below alone: rows 0..2, centre 1.
    assert cells.centres_yx[order].tolist() == [[1, 50], [10, 10], [10, 30], [30, 10]]
    assert cells.types[order].tolist() == [1, 0, 1, -1]
    assert cells.counts.tolist() == [1, 2]


def test_cells_equal_opencv():
    rng = np.random.default_rng(5)
    label = np.zeros((80, 90, 2), dtype=np.uint8)
    for y, x in rng.integers(0, 80, (12, 2)):
        cv2.circle(channel := label[..., 1].copy(), (int(x), int(y)), 5, 1, -1)
        label[..., 1] = channel
    label[..., 0] = 1
    eroded = cv2.erode(label[..., 1].copy(), np.ones((3, 3), np.uint8))
    num, _, _, centroids = cv2.connectedComponentsWithStats(eroded, connectivity=4)
    cells = count_cells(label, position=1, cell_classes=[0])
    assert cells.counts.tolist() == [num - 1]
    np.testing.assert_allclose(sorted(cells.centres_yx.tolist()), sorted(centroids[1:, ::-1].tolist()))


def test_no_cells():
    cells = count_cells(np.zeros((8, 8, 3), np.uint8), position=2, cell_classes=[0, 1])
    assert cells.centres_yx.shape == (0, 2)
    assert cells.counts.tolist() == [0, 0]


def test_mean_cell_count_error_by_hand():
    truth = cells_label()
    prediction = truth.copy()
    prediction[5:15, 5:15, :2] = [0, 1]  # the alive cell becomes a dead one: |1 - 0| + |2 - 3|
    stack, truths = np.stack([truth, prediction]), np.stack([truth, truth])
    assert mean_cell_count_error(stack, truths, position=2, cell_classes=[0, 1]) == 1
    assert mean_cell_count_error(truths, truths, position=2, cell_classes=[0, 1]) == 0


def test_an_ignored_cell_is_in_neither_count():
    truth = cells_label()
    ignored = truth.copy()
    ignored[:20, 20:40] = 255  # the dead cell at (10, 30)
    assert count_cells(ignored, position=2, cell_classes=[0, 1]).counts.tolist() == [1, 1]
    prediction = truth.copy()
    prediction[:20, 20:40, :2] = [1, 0]
    assert mean_cell_count_error(prediction[None], truth[None], position=2, cell_classes=[0, 1]) == 2
    assert mean_cell_count_error(prediction[None], ignored[None], position=2, cell_classes=[0, 1]) == 0


def test_discs_are_counted_by_type_and_their_error_by_hand():
    """Five discs of radius 4 far apart; the prediction misses an alive one and takes a dead one for alive."""
    places = ((12, 12), (12, 40), (12, 68), (40, 12), (40, 40))
    truth, prediction = np.zeros((2, 56, 80, 3), np.uint8)
    for index, (y, x) in enumerate(places):
        rows, columns = np.ogrid[:56, :80]
        disc = (rows - y) ** 2 + (columns - x) ** 2 <= 16
        truth[disc] = (1, 0, 1) if index < 3 else (0, 1, 1)
        if index > 0:
            prediction[disc] = (1, 0, 1) if index < 4 else (0, 1, 1)
    found = incmask.count_cells(truth, position=2, cell_classes=[0, 1])
    assert isinstance(found, incmask.Cells)
    assert [tuple(centre) for centre in found.centres_yx.tolist()] == list(places)
    assert found.counts.tolist() == [3, 2]
    assert count_cells(prediction, position=2, cell_classes=[0, 1]).counts.tolist() == [3, 1]
    assert count_cells(truth, position=2, cell_classes=[1, 0]).counts.tolist() == [2, 3]
    # |3 - 3| + |2 - 1| = 1 in one image, |3 - 0| + |2 - 0| = 5 in the other.
    predictions, truths = np.stack([prediction, np.zeros_like(truth)]), np.stack([truth, truth])
    assert mean_cell_count_error(predictions, truths, position=2, cell_classes=[0, 1]) == 3


IMAGE = np.zeros((1, 4, 4), dtype=np.uint8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count_cells(IMAGE, position=4, cell_classes=[0]), "count_cells"),
        (lambda: count_cells(IMAGE[0], position=0, cell_classes=[0]), "count_cells"),
        (lambda: count_cells(IMAGE, position=0, cell_classes=[]), "no cell type"),
        (lambda: mean_cell_count_error(IMAGE[:0], IMAGE[:0], position=0, cell_classes=[0]), "equal stacks"),
    ],
)
def test_cells_refuse(call, message):
    with pytest.raises(IncmaskError, match=message):
        call()


def test_redrawn_discs():
    def radius(mask, y, x):
        return int(mask[y, x:].argmin()) - 1

    lone = redraw_positions(np.array([[20.0, 20.0]]), (41, 41))
    assert lone.dtype == np.uint8
    y, x = np.mgrid[:41, :41]
    np.testing.assert_array_equal(lone, (y - 20) ** 2 + (x - 20) ** 2 <= 64)
    # Neighbours at 23 → 5; at 9 → 2, raised to 3; at 100 → 25, lowered to 8.
    centres = np.array([[20, 20], [43, 20], [100, 20], [100, 29], [20, 120]])
    mask = redraw_positions(centres.astype(float), (140, 160))
    assert [radius(mask, *centre) for centre in centres.tolist()] == [5, 5, 3, 3, 8]


def test_redrawn_discs_at_the_border_and_none():
    corner = redraw_positions(np.array([[0.0, 0.0]]), (10, 12))
    y, x = np.mgrid[:10, :12]
    np.testing.assert_array_equal(corner, y**2 + x**2 <= 64)
    assert not redraw_positions(np.empty((0, 2)), (10, 12)).any()


def test_cells_are_drawn_anew_wherever_they_were_found():
    """Two patches of different size and form 23 pixels apart, a speck that is no cell, a cell alone, and nothing."""
    places = np.zeros((3, 60, 60), np.uint8)
    places[0, 18:23, 17:24] = places[0, 38:49, 19:22] = places[0, 2:4, 50:52] = 1
    places[1, 29:34, 39:44] = 1
    redrawn = redraw_cells(places)
    y, x = np.mgrid[:60, :60]
    expected = [((y - 20) ** 2 + (x - 20) ** 2 <= 25) | ((y - 43) ** 2 + (x - 20) ** 2 <= 25)]
    expected += [(y - 31) ** 2 + (x - 41) ** 2 <= 64, np.zeros((60, 60))]
    assert redrawn.dtype == np.uint8
    np.testing.assert_array_equal(redrawn, expected)


def test_cells_survive_redrawing():
    centres = np.array([[12.0, 15.0], [40.0, 20.0], [30.0, 60.0]])
    label = np.stack([np.ones((64, 80), np.uint8), redraw_positions(centres, (64, 80))], axis=-1)
    found = count_cells(label, position=1, cell_classes=[0])
    assert sorted(found.centres_yx.tolist()) == sorted(centres.tolist())


@pytest.mark.parametrize(("row", "type_"), [(7, -1), (8, 0), (13, 0), (14, -1)])
def test_the_window_lies_evenly_about_a_centre_between_pixels(row, type_):
    label = np.zeros((24, 24, 2), dtype=np.uint8)
    label[7:15, 7:15, 1] = 1  # eroded to 8..13: the centre is 10.5
    label[row, 10, 0] = 1
    cells = count_cells(label, position=1, cell_classes=[0])
    assert cells.centres_yx.tolist() == [[10.5, 10.5]]
    assert cells.types.tolist() == [type_]
