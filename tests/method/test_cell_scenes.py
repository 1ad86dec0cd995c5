"""Cells are counted at least as well as by what was left of them after an erosion, and as by the published rule."""

import numpy as np
import pytest

from cell_scenes import KINDS, RULES, Scene, apart, by_ours, errors, scenes
from incmask.method.cells import count_cells

NUM_SCENES = 60


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_rule_is_right_more_often(kind):
    made = scenes(kind, NUM_SCENES)
    right = {rule: int((errors(count, made) == 0).sum()) for rule, count in RULES.items()}
    assert right["ours"] == max(right.values())
    if kind in ("clean", "border", "specks", "rings", "thick_rings"):
        assert right["ours"] == NUM_SCENES


@pytest.mark.parametrize("kind", ["specks", "rings", "everything"])
def test_what_either_rule_gets_wrong_is_got_right(kind):
    made = scenes(kind, NUM_SCENES)
    mean = {rule: errors(count, made).mean() for rule, count in RULES.items()}
    assert 3 * mean["ours"] < min(mean["every part"], mean["outlines"])


@pytest.mark.parametrize("side_px", range(1, 9))
def test_marks_of_less_than_five_pixels_a_side_are_specks(side_px):
    label = np.ones((20, 20, 2), np.uint8)
    label[..., 1] = 0
    label[6 : 6 + side_px, 6 : 6 + side_px, 1] = 1
    assert count_cells(label, position=1, cell_classes=[0]).counts.tolist() == [int(side_px >= 5)]


def test_a_ring_is_one_cell_and_a_circle_of_cells_is_not():
    rng = np.random.default_rng(0)
    ring = Scene(rng, [(40, 40, 8)])
    rows, columns = np.ogrid[:128, :128]
    ring.label[(rows - 40) ** 2 + (columns - 40) ** 2 <= 36, 2] = 0  # its wall is of 2 pixels, and an erosion breaks it
    assert sum(by_ours(ring.label)) == 1
    # Four discs of radius 4 about a gap; their neighbours' centres are 9 pixels apart.
    circle = Scene(rng, [(40, 40, 4), (40, 49, 4), (49, 40, 4), (49, 49, 4)])
    assert by_ours(circle.label) == circle.counts


def test_scenes_are_what_they_say():
    for kind in KINDS:
        first, again = scenes(kind, 2), scenes(kind, 2)
        assert all(np.array_equal(one.label, other.label) for one, other in zip(first, again, strict=True))
        assert not np.array_equal(first[0].label, first[1].label)
        assert all(sum(scene.counts) == len(scene.discs) for scene in first)
    discs = apart(np.random.default_rng(1))
    for place, (y, x, radius) in enumerate(discs):
        assert all(np.hypot(y - b, x - a) >= radius + other + 6 for b, a, other in discs[:place])
