"""Outlines and runs to pixels, against hand-worked masks and a slow loop."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.errors import IncmaskError
from incmask.exchange.formats.shapes import (
    Box,
    DrawnLabel,
    NamedArea,
    Pixels,
    Polygon,
    Runs,
    overlap_anywhere,
)

FIELD = Box(0, 0, 6, 8)


def polygon(*rings: list[tuple[float, float]]) -> Polygon:
    return Polygon(tuple(np.array(ring, np.float64) for ring in rings))


def rectangle(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def rows(mask: np.ndarray) -> list[str]:
    return ["".join("#" if value else "." for value in row) for row in mask]


def test_a_rectangle_covers_as_many_pixels_as_its_area() -> None:
    mask = polygon(rectangle(1, 2, 5, 5)).draw(FIELD)
    assert rows(mask) == ["........", "........", ".####...", ".####...", ".####...", "........"]


def test_a_hole_is_left_out_whatever_its_direction() -> None:
    for hole in (rectangle(2, 2, 4, 4), rectangle(2, 2, 4, 4)[::-1]):
        mask = polygon(rectangle(1, 1, 6, 5), hole).draw(FIELD)
        assert rows(mask) == ["........", ".#####..", ".#..##..", ".#..##..", ".#####..", "........"]


def test_a_triangle_holds_the_pixels_whose_centre_it_encloses() -> None:
    # The slope runs from (0, 0) to (6, 6): centres on it, such as (1.5, 1.5), count as right of it.
    mask = polygon([(0, 0), (6, 0), (6, 6)]).draw(FIELD)
    assert rows(mask) == ["######..", ".#####..", "..####..", "...###..", "....##..", ".....#.."]


def test_what_reaches_beyond_is_cut_and_only_the_box_is_drawn() -> None:
    whole = polygon(rectangle(-1e300, -5, 3, 1e9))
    assert whole.draw(FIELD).tolist() == [[True] * 3 + [False] * 5] * 6
    assert whole.draw(Box(2, 2, 4, 5)).tolist() == [[True, False, False]] * 2


corners = st.lists(
    st.tuples(st.floats(-3, 12, width=32), st.floats(-3, 12, width=32)), min_size=3, max_size=8, unique=True
)


def enclosed(rings: list[list[tuple[float, float]]], x: float, y: float) -> bool:
    """Count crossings of a ray to the left, edge by edge."""
    inside = False
    for ring in rings:
        for (xa, ya), (xb, yb) in zip(ring, ring[1:] + ring[:1], strict=True):
            (x0, y0), (x1, y1) = ((xa, ya), (xb, yb)) if ya <= yb else ((xb, yb), (xa, ya))
            inside ^= y0 <= y < y1 and x0 + (y - y0) / (y1 - y0) * (x1 - x0) <= x
    return inside


@given(st.lists(corners, min_size=1, max_size=3))
def test_drawing_agrees_with_a_slow_loop(rings: list[list[tuple[float, float]]]) -> None:
    mask = polygon(*rings).draw(FIELD)
    slow = [[enclosed(rings, column + 0.5, row + 0.5) for column in range(8)] for row in range(6)]
    assert mask.tolist() == slow


@given(corners)
def test_pixels_well_inside_and_outside_agree_with_opencv(corners: list[tuple[float, float]]) -> None:
    hull = cv2.convexHull(np.array(corners, np.float32))
    if len(hull) < 3:
        return
    mask = Polygon((hull[:, 0].astype(np.float64),)).draw(FIELD)
    for row in range(6):
        for column in range(8):
            distance = cv2.pointPolygonTest(hull, (column + 0.5, row + 0.5), True)
            if abs(distance) > 1e-3:
                assert mask[row, column] == (distance > 0)


@given(*[st.tuples(st.floats(0, 8), st.floats(0, 6))] * 2)
def test_the_parts_of_a_cut_rectangle_share_no_pixel_and_leave_none(
    a: tuple[float, float], b: tuple[float, float]
) -> None:
    # A line from the upper to the lower edge by way of a and b; each side is bounded by the same points.
    cut = [(3.3, -1.0), a, b, (4.7, 7.0)]
    left = polygon([(-1.0, -1.0), *cut, (-1.0, 7.0)]).draw(FIELD).astype(int)
    right = polygon([*cut, (9.0, 7.0), (9.0, -1.0)]).draw(FIELD).astype(int)
    assert ((left + right) % 2 == 1).all()


def test_runs_go_down_the_columns() -> None:
    # 2 rows, 3 columns: 1 pixel off, 3 on, 2 off.
    runs = Runs(np.array([1, 3, 2]), 2, 3)
    assert rows(runs.draw(Box(0, 0, 2, 3))) == [".#.", "##."]
    assert rows(runs.draw(Box(1, 1, 2, 3))) == ["#."]


def shape(name: str | None, *box: float) -> NamedArea:
    return NamedArea(name, polygon(rectangle(*box)))


def test_later_shapes_lie_over_earlier_ones_and_ignored_ones_over_all() -> None:
    shapes = (shape(None, 3, 0, 4, 1), shape("a", 0, 0, 3, 1), shape("b", 2, 0, 5, 1))
    assert DrawnLabel("a.json", shapes, "multiclass", ("a", "b")).make(1, 6).tolist() == [[1, 1, 2, 255, 2, 0]]


def test_areas_of_the_background_take_away_what_lies_below() -> None:
    shapes = (shape("a", 0, 0, 4, 1), shape("_background_", 1, 0, 3, 1), shape("b", 2, 0, 3, 1))
    assert DrawnLabel("a.json", shapes, "multiclass", ("a", "b")).make(1, 5).tolist() == [[1, 0, 2, 1, 0]]
    layers = DrawnLabel("a.json", shapes, "multilabel", ("a", "b")).make(1, 5)
    assert layers[0].tolist() == [[1, 0], [0, 0], [0, 1], [1, 0], [0, 0]]


def test_layers_of_a_multilabel_drawing_may_overlap() -> None:
    shapes = (shape("a", 0, 0, 3, 1), shape("b", 2, 0, 4, 1), shape(None, 4, 0, 5, 1))
    label = DrawnLabel("a.json", shapes, "multilabel", ("a", "b")).make(1, 5)
    assert label[0].tolist() == [[1, 0], [1, 0], [1, 1], [0, 1], [255, 255]]


def test_an_image_of_another_size_and_a_shape_outside_are_told() -> None:
    with pytest.raises(IncmaskError, match=r"a.json: tells of an image of 8×6 pixels where it has 4×3"):
        DrawnLabel("a.json", (), "binary", ("a",), (6, 8)).make(3, 4)
    with pytest.raises(IncmaskError, match=r"a.json: has a shape .* outside its image of 8×6"):
        DrawnLabel("a.json", (shape("a", 20, 0, 24, 4),), "binary", ("a",)).make(6, 8)


def test_a_shape_smaller_than_a_pixel_is_nothing() -> None:
    assert not DrawnLabel("a.json", (shape("a", 1.6, 1.6, 1.9, 1.9),), "binary", ("a",)).make(6, 8).any()


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([shape("a", 0, 0, 4, 4), shape("b", 1, 1, 4, 4)], 0),  # 3×3 pixels in common
        ([shape("a", 0, 0, 4, 4), shape("b", 2, 0, 5, 4)], None),  # a stroke of 2
        ([shape("a", 0, 0, 4, 4), shape("a", 1, 1, 4, 4)], None),  # one class
        ([shape("a", 0, 0, 4, 4), shape(None, 0, 0, 4, 4)], None),
        ([shape("a", 0, 0, 4, 4), shape("background", 0, 0, 4, 4)], None),
        ([shape("a", 0, 0, 4, 4), shape("b", -9, -9, -5, -5)], None),
    ],
)
def test_classes_overlap_where_they_share_more_than_a_stroke(shapes: list[NamedArea], expected: int | None) -> None:
    assert overlap_anywhere([shapes]) == expected


def test_a_mask_is_cut_to_what_is_drawn() -> None:
    area = Pixels(np.array([[1, 0, 1], [1, 1, 1]], bool), top=4, left=-1)
    assert area.box == Box(4, -1, 6, 2)
    assert rows(area.draw(FIELD)) == [*["........"] * 4, ".#......", "##......"]
    assert area.draw(Box(5, 0, 7, 2)).tolist() == [[True, True], [False, False]]
    assert not area.draw(Box(0, 3, 2, 5)).any()
