"""Masks taken apart: outlines that enclose exactly the pixels, and run lengths."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from incmask.exchange.formats.objects import objects_of, outlines_of, run_lengths
from incmask.exchange.formats.shapes import Box, Polygon

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


def rebuilt(mask: np.ndarray) -> np.ndarray:
    """Draw all objects: by their outline where they have one."""
    image = Box(0, 0, *mask.shape)
    drawn = np.zeros(mask.shape, int)
    for each in objects_of(mask):
        drawn += each.pixels.draw(image) if each.outline is None else Polygon((each.outline,)).draw(image)
    return drawn


@given(masks)
def test_objects_hold_every_pixel_of_a_mask_once(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(rebuilt(mask), mask)
    for each in objects_of(mask):
        has_holes = (
            cv2.connectedComponents(
                np.pad(~each.pixels.mask, 1, constant_values=True).astype(np.uint8), connectivity=4
            )[0]
            > 2
        )
        assert (each.outline is None) == has_holes


@given(masks)
def test_outlines_alone_hold_every_pixel_of_a_mask_once(mask: np.ndarray) -> None:
    image = Box(0, 0, *mask.shape)
    drawn = [Polygon((outline,)).draw(image) for outline in outlines_of(mask)]
    np.testing.assert_array_equal(np.sum([np.zeros(mask.shape, int), *drawn], axis=0), mask)


def test_a_ring_is_two_outlines_and_a_net_hardly_more_than_it_has_holes() -> None:
    ring = np.ones((5, 9), bool)
    ring[2, 2:7] = False
    left, right = outlines_of(ring)
    assert {left[:, 0].max(), right[:, 0].max()} == {5, 9}
    net = np.ones((41, 41), bool)
    net[1::4, 1::4] = False
    assert len([*outlines_of(net)]) <= 101


def test_a_pixel_is_a_diamond_and_a_slope_needs_two_corners() -> None:
    (pixel,) = objects_of(np.eye(1, dtype=bool))
    assert pixel.outline is not None
    assert {*map(tuple, pixel.outline)} == {(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)}
    # Pixels that touch by their corners are one object.
    (slope,) = objects_of(np.eye(9, dtype=bool))
    assert slope.outline is not None
    assert {*map(tuple, slope.outline)} == {(0.5, 0), (9, 8.5), (8.5, 9), (0, 0.5)}


def test_a_hole_is_kept_as_pixels() -> None:
    mask = np.ones((5, 6), bool)
    mask[2, 3] = False
    (ring,) = objects_of(np.pad(mask, ((1, 0), (2, 0))))
    assert ring.outline is None
    assert ring.pixels.box == Box(1, 2, 6, 8)
    np.testing.assert_array_equal(ring.pixels.mask, mask)


def test_an_outline_has_few_corners_for_its_length() -> None:
    rows, columns = np.mgrid[:200, :200]
    (disc,) = objects_of((rows - 100) ** 2 + (columns - 100) ** 2 < 60**2)
    assert disc.outline is not None
    assert len(disc.outline) < 0.5 * 2 * np.pi * 60


@given(masks)
def test_run_lengths_repeat_to_the_mask(mask: np.ndarray) -> None:
    lengths = run_lengths(mask)
    values = [index % 2 > 0 for index, length in enumerate(lengths) for _ in range(length)]
    assert values == mask.ravel().tolist()
    assert all(lengths[1:])


@pytest.mark.parametrize(("row", "lengths"), [([0, 0], [2]), ([1, 1, 0], [0, 2, 1]), ([0, 1, 0], [1, 1, 1])])
def test_run_lengths_begin_with_what_is_not_marked(row: list[int], lengths: list[int]) -> None:
    assert run_lengths(np.array([row], bool)) == lengths
