import numpy as np
import pytest

from incmask.data.dataset import ClassInfo
from incmask.prediction.overlays import DISPUTED_COLOUR, OUTLINE_COLOUR, disputed_colour, draw_overlay, outlines

RED, BLACK = ClassInfo("red", (255, 0, 0), 1), ClassInfo("ground", (0, 0, 0), 0)
GREEN = ClassInfo("green", (0, 255, 0), 2)


def test_outlines_by_hand():
    label = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]], np.uint8)
    expected = [[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]]
    assert outlines(label, None).astype(int).tolist() == expected
    assert outlines(label[2:], label[1]).astype(int).tolist() == expected[2:]
    assert not outlines(np.ones((3, 3), np.uint8), None).any()


def test_disputed_pixels_are_tinted_and_the_rest_stays():
    image = np.full((4, 4, 1), 100, np.uint8)
    inconsistent = np.zeros((4, 4), bool)
    inconsistent[0, 0] = True
    drawn = draw_overlay(image, np.zeros((4, 4), np.uint8), inconsistent, task="binary", classes=[RED])
    assert drawn[0, 0].tolist() == [50 + value // 2 for value in DISPUTED_COLOUR]
    assert (drawn.reshape(-1, 3)[1:] == 100).all()
    assert (image == 100).all()


def test_outlines_have_the_colour_of_the_class_unless_it_is_black_or_white():
    label = np.array([[0, 1], [0, 1]], np.uint8)
    nothing = np.zeros((2, 2), bool)
    for colour, drawn in (((255, 255, 255), OUTLINE_COLOUR), ((0, 200, 9), (0, 200, 9))):
        info = ClassInfo("cell", colour, 1)
        found = draw_overlay(np.zeros((2, 2, 1), np.uint8), label, nothing, task="binary", classes=[info])
        assert found.tolist() == [[[0, 0, 0], list(drawn)]] * 2
    found = draw_overlay(np.zeros((2, 2, 3), np.uint8), label, nothing, task="multiclass", classes=[BLACK, GREEN])
    assert found.tolist() == [[[0, 0, 0], [0, 255, 0]]] * 2


@pytest.mark.parametrize("usual", [DISPUTED_COLOUR, (213, 94, 0)])
def test_disputed_pixels_have_no_class_s_colour(usual):
    generator = np.random.default_rng(0)
    assert disputed_colour([GREEN], usual) == usual
    assert disputed_colour([], usual) == usual
    for _ in range(50):
        classes = [ClassInfo(str(number), tuple(generator.integers(0, 256, 3).tolist()), number) for number in range(3)]
        # A class that looks like the usual colour.
        classes.append(ClassInfo("alike", tuple(min(255, part + 9) for part in usual), 4))
        found = disputed_colour(classes, usual)
        assert found != usual
        distances = [np.linalg.norm(np.subtract(found, info.colour)) for info in classes]
        assert min(distances) > 60
    # What is drawn for a black class counts, not the black.
    assert disputed_colour([BLACK], OUTLINE_COLOUR) != OUTLINE_COLOUR


def test_a_tint_keeps_clear_of_the_classes():
    lips = ClassInfo("lips", DISPUTED_COLOUR, 1)
    image, nothing = np.zeros((2, 2, 1), np.uint8), np.zeros((2, 2), np.uint8)
    drawn = draw_overlay(image, nothing, np.ones((2, 2), bool), task="binary", classes=[lips])
    assert drawn[0, 0].tolist() == [value // 2 for value in disputed_colour([lips])]
    assert drawn[0, 0].tolist() != [value // 2 for value in DISPUTED_COLOUR]


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_rows_are_drawn_as_the_whole(task):
    generator = np.random.default_rng(0)
    num = {"binary": 2, "multiclass": 3, "multilabel": 2}[task]
    classes = {"binary": [RED], "multiclass": [BLACK, RED, GREEN], "multilabel": [RED, BLACK]}[task]
    shape = (12, 9, 2) if task == "multilabel" else (12, 9)
    label = generator.integers(0, num, shape).astype(np.uint8)
    image, inconsistent = generator.integers(0, 256, (12, 9, 5), dtype=np.uint8), generator.random((12, 9)) < 0.3
    whole = draw_overlay(image, label, inconsistent, task=task, classes=classes)
    assert (whole.shape, whole.dtype) == ((12, 9, 3), np.uint8)
    above, parts = None, []
    for rows in (slice(0, 5), slice(5, 6), slice(6, 12)):
        part = draw_overlay(image[rows], label[rows], inconsistent[rows], task=task, classes=classes, above=above)
        above = label[rows][-1]
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
