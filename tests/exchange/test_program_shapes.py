"""Shapes filled as the programs do that they come from, to the pixel, and outlines that these fill back."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageDraw

from incmask.exchange.formats import pillow_shapes
from incmask.exchange.formats.coco_polygon import CocoPolygon, coco_polygon
from incmask.exchange.formats.objects import objects_of
from incmask.exchange.formats.shapes import Area, Box, Polygon

FIELD = Box(0, 0, 17, 20)

numbers = st.one_of(st.floats(-9, 30, width=32), st.integers(-9, 30).map(float))
points = st.tuples(numbers, numbers)
corners = st.lists(points, min_size=3, max_size=9).map(np.array)


def whole(area: Area) -> np.ndarray:
    """Draw an area where it lies in the field, as labels are drawn."""
    drawn, box = np.zeros(FIELD.size, bool), area.box.within(FIELD)
    if not box.is_empty:
        drawn[box.seen_from(FIELD)] = area.draw(box)
    return drawn


def filled(kind: str, places: list[tuple[float, float]]) -> np.ndarray:
    """Fill a shape in the whole image by Pillow, as labelme's converter does."""
    canvas = Image.new("L", FIELD.size[::-1])
    getattr(ImageDraw.Draw(canvas), kind)(places, fill=1, outline=1)
    return np.asarray(canvas) > 0


@given(corners)
def test_polygons_are_filled_as_by_pillow(corners: np.ndarray) -> None:
    found = whole(pillow_shapes.polygon(corners))
    np.testing.assert_array_equal(found, filled("polygon", [*map(tuple, corners.tolist())]))


@given(points, points)
def test_rectangles_and_circles_are_filled_as_by_pillow(a: tuple[float, float], b: tuple[float, float]) -> None:
    box = [(min(a[0], b[0]), min(a[1], b[1])), (max(a[0], b[0]), max(a[1], b[1]))]
    np.testing.assert_array_equal(whole(pillow_shapes.rectangle(np.array([a, b]))), filled("rectangle", box))
    (x, y), radius = a, float(np.hypot(a[0] - b[0], a[1] - b[1]))
    round_about = [(x - radius, y - radius), (x + radius, y + radius)]
    np.testing.assert_array_equal(whole(pillow_shapes.circle(np.array(a), radius)), filled("ellipse", round_about))


def test_a_rectangle_holds_its_last_column_and_row() -> None:
    area = pillow_shapes.rectangle(np.array([[6.9, 4.2], [2.3, 3.0]]))
    assert area.box == Box(3, 2, 5, 7)
    assert whole(area).sum() == 2 * 5


masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(masks)
def test_outlines_are_filled_back_to_the_pixel(mask: np.ndarray) -> None:
    for each in objects_of(mask):
        outline = pillow_shapes.outline_of(each.pixels)
        assert outline is not None or each.outline is None, "there are holes"
        if outline is not None:
            drawn = pillow_shapes.polygon(outline).draw(each.pixels.box)
            np.testing.assert_array_equal(drawn, each.pixels.mask)
            assert len(outline) >= 3, "labelme takes no less"


def test_an_outline_has_few_corners_for_its_length() -> None:
    rows, columns = np.mgrid[:200, :200]
    (disc,) = objects_of((rows - 100) ** 2 + (columns - 100) ** 2 < 60**2)
    outline = pillow_shapes.outline_of(disc.pixels)
    assert outline is not None
    assert len(outline) < 0.45 * 2 * np.pi * 60


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@given(corners)
def test_polygons_are_filled_as_by_pycocotools(corners: np.ndarray) -> None:
    masks = pytest.importorskip("pycocotools.mask", exc_type=ImportError)
    coded = masks.merge(masks.frPyObjects([corners.ravel().tolist()], *FIELD.size))
    np.testing.assert_array_equal(whole(coco_polygon(corners)), masks.decode(coded) > 0)


def test_a_corner_between_fifths_is_moved() -> None:
    # 1.55 becomes 1.6, so that the centre at 1.5 lies outside; 1.45 becomes 1.4, or 7 fifths, and it lies inside.
    square = np.array([[0, 0], [9, 0], [9, 4], [0, 4]], np.float64)
    for left, first in ((1.55, 2), (1.45, 1)):
        found = whole(coco_polygon(np.where(square == [0, -1], [left, 0], square)))
        assert np.flatnonzero(found[0]).tolist() == [*range(first, 9)]


def test_what_leads_far_off_takes_no_memory() -> None:
    area = coco_polygon(np.array([[-1e300, -5], [3, -5], [3, 1e9], [-1e300, 1e9]]))
    assert isinstance(area, Polygon)
    assert whole(area).tolist() == [[True] * 3 + [False] * 17] * 17


@given(masks)
def test_outlines_for_coco_are_filled_back_to_the_pixel(mask: np.ndarray) -> None:
    for each in objects_of(cv2.resize(mask.astype(np.uint8), None, fx=3, fy=2) > 0):
        if each.outline is not None:
            drawn = CocoPolygon(each.outline).draw(each.pixels.box)
            np.testing.assert_array_equal(drawn, each.pixels.mask)
