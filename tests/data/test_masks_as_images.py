"""Images that are masks are told, and drawings that are meant are not."""

import numpy as np
from trees import save

from incmask.data.folder.scan import scan
from scenes import blots, scene


def folder(root, *, num: int = 4, image=scene):
    for number in range(num):
        save(root / f"labelled/images/{number}.png", image(number))
        save(root / f"labelled/masks/{number}.png", blots(number))
        save(root / f"unlabelled/{number}.png", image(50 + number))
    return root


def findings(root):
    return [each for each in scan(root).findings if each.kind == "masks_as_images"]


def test_a_folder_of_images_has_none(tmp_path):
    assert findings(folder(tmp_path)) == []


def test_masks_in_place_of_all_images_are_told(tmp_path):
    (finding,) = findings(folder(tmp_path, image=lambda seed: blots(seed) // 2))
    assert finding.severity == "warning"
    assert len(finding.files) == 4, "the others are no masks of their own, and as flat as all"
    assert "4 images of 8 look like masks" in finding.what
    assert "4 of them equal to their own masks" in finding.what


def test_single_masks_among_images_are_told(tmp_path):
    root = folder(tmp_path)
    save(root / "labelled/images/3.png", np.repeat(blots(3)[..., None], 3, 2))
    save(root / "unlabelled/1.png", blots(99))
    (finding,) = findings(root)
    assert finding.files == ("labelled/3", "unlabelled/1"), "first that which is its own mask"
    assert finding.amount == 2 / 8


def test_drawings_that_are_meant_are_not_told(tmp_path):
    def letters(seed: int) -> np.ndarray:
        return 255 - blots(200 + seed)  # not where the masks are

    assert findings(folder(tmp_path, image=letters)) == []


def test_masks_of_classes_in_folders_are_compared(tmp_path):
    for number in range(6):
        save(tmp_path / f"labelled/images/{number}.png", scene(number) if number else blots(0))
        for name, shift in (("a", 0), ("b", 300)):
            save(tmp_path / f"labelled/masks/{name}/{number}.png", blots(number + shift))
    (finding,) = findings(tmp_path)
    assert finding.files == ("labelled/0",)
