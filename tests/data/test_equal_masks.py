"""Masks that are the same on all images are told, and those that are rightly alike are not."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from incmask.data.doctor.finding import Finding
from incmask.data.folder.scan import load_dataset, scan
from scenes import SIDE, blots, scene, write_pair

ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]


def view(number: int, *, wobble: float = 0.5) -> np.ndarray:
    """Give a camera's round field of view, which lies a little elsewhere in each image."""
    off = wobble * (number % 3)
    return ((ROWS - 48 + off) ** 2 + (COLUMNS - 48 - off) ** 2 < 43**2).astype(np.uint8) * 255


def folder(root: Path, mask, *, num: int = 4, image=scene, part: str = "labelled") -> Path:
    for number in range(num):
        write_pair(root / part, str(number), image(number), mask(number))
    return root


def found(root: Path) -> list[Finding]:
    return [each for each in scan(root).findings if each.kind == "equal_masks"]


@pytest.mark.parametrize("num", [2, 5])
def test_masks_that_are_equal_are_told(tmp_path, num):
    (finding,) = found(folder(tmp_path, lambda _: view(0), num=num))
    assert (finding.severity, finding.amount, len(finding.files)) == ("warning", 1, num)
    assert f"all {num} masks in labelled are equal, though their images differ" in finding.what


def test_a_field_of_view_in_one_part_is_told_by_a_run_too(tmp_path):
    folder(tmp_path, blots)
    folder(tmp_path, view, image=lambda number: scene(10 + number), part="test")
    (finding,) = found(tmp_path)
    assert "all 4 masks in test are nearly equal" in finding.what
    assert 0.95 < finding.amount < 1
    assert str(finding) in load_dataset(tmp_path).notes


def test_masks_that_are_foreground_everywhere_are_told(tmp_path):
    (finding,) = found(folder(tmp_path, lambda _: np.full((SIDE, SIDE), 255, np.uint8)))
    assert finding.amount == 1


def test_classes_in_folders_are_equal_together(tmp_path):
    for number in range(4):
        write_pair(tmp_path / "labelled", str(number), scene(number), blots(0))
        (tmp_path / "labelled/masks/view").mkdir(exist_ok=True)
        (tmp_path / f"labelled/masks/{number}.png").rename(tmp_path / f"labelled/masks/view/{number}.png")
    assert len(found(tmp_path)) == 1
    (tmp_path / "labelled/masks/cell").mkdir()
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"labelled/masks/cell/{number}.png"), blots(number))
    assert found(tmp_path) == []


def a_frame_with_a_few_cells(number: int) -> np.ndarray:
    mask = np.where(view(0) > 0, 0, 2).astype(np.uint8)
    mask[30 + 3 * number : 34 + 3 * number, 40:44] = 1
    return mask


@pytest.mark.parametrize(
    ("mask", "num"),
    [
        (blots, 4),
        (lambda number: view(number, wobble=3), 4),  # a round thing that is rightly nearly in the middle
        (view, 2),  # too few to tell
        (lambda _: view(0), 1),
        (a_frame_with_a_few_cells, 4),
        (lambda number: blots(number) if number == 0 else 0 * blots(0), 4),  # empty but for one
    ],
)
def test_other_masks_are_not(tmp_path, mask, num):
    assert found(folder(tmp_path, mask, num=num)) == []


def test_equal_masks_of_images_that_show_the_same_are_not(tmp_path):
    def film(number: int) -> np.ndarray:
        return np.clip(scene(7).astype(int) + 3 * number, 0, 255).astype(np.uint8)

    assert found(folder(tmp_path, lambda _: blots(7), image=film)) == []
