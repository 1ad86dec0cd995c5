"""Objects that vanish at the networks' size are told, by class, with the size that mends it."""

from pathlib import Path

import numpy as np
import pytest
from trees import picture, save

from incmask.data.dataset import Item
from incmask.data.doctor.tiny import Sides, object_sides, scale_of, tiny_finding
from incmask.data.folder.scan import load_dataset
from incmask.experiment.checked import check_data


def squares(*sides: int, shape: tuple[int, int] = (64, 64), value: int = 255) -> np.ndarray:
    """Give a mask with a square of each side, 16 pixels apart."""
    mask = np.zeros(shape, np.uint8)
    for place, side in enumerate(sides):
        row, column = divmod(place, shape[1] // 16)
        mask[16 * row : 16 * row + side, 16 * column : 16 * column + side] = value
    return mask


def folder(root: Path, mask: np.ndarray, *, toml: str = "") -> Path:
    for number in range(2):
        save(root / f"labelled/images/{number}.png", picture(number, height=len(mask), width=mask.shape[1]))
        save(root / f"labelled/masks/{number}.png", mask)
    (root / "incmask.toml").write_text(toml)
    return root


def tiny(root: Path):
    return [each for each in check_data(root).findings if each.kind == "tiny_objects"]


def test_sides_are_roots_of_areas_and_objects_touch_at_corners(tmp_path):
    mask = squares(3, 4)
    mask[3, 3] = 255
    (sides,) = object_sides(mask // 255, load_dataset(folder(tmp_path, mask)))
    assert sorted(sides.tolist()) == pytest.approx([10**0.5, 4])


def test_the_ground_of_several_classes_is_no_object(tmp_path):
    dataset = load_dataset(folder(tmp_path, squares(3, value=1) + np.roll(squares(5, value=2), 20, 0)))
    sides = object_sides(squares(3, value=1), dataset)
    assert [each.tolist() for each in sides] == [[], [3], []]


def test_an_object_vanishes_where_less_than_two_pixels_are_left():
    item = Item("a", Path("a.png"), None, 1024, 512)
    assert scale_of(item, (256, 128)) == 0.25
    assert Sides(item, np.array([1.9, 2.0, 7.9, 8.0]), 0.25).is_tiny.tolist() == [False, True, True, False]


@pytest.mark.parametrize(("sides", "told"), [((3, 3, 3, 12), True), ((9, 9, 9, 9, 9, 9, 12), False), ((1,) * 9, False)])
def test_check_tells_of_them_at_the_size_that_is_trained_at(tmp_path, sides, told):
    mask = squares(*sides, shape=(64, 64)).repeat(1, 0)
    found = tiny(folder(tmp_path, mask, toml="[settings]\nsize = [32, 32]\n"))
    assert bool(found) is told


def test_the_finding_says_how_many_where_and_what_mends_it(tmp_path):
    (finding,) = tiny(folder(tmp_path, squares(3, 3, 3, 12), toml="[settings]\nsize = [32, 32]\n"))
    assert finding.amount == 0.75
    assert finding.files == ("labelled/0", "labelled/1")
    assert "6 of 8 objects of class foreground (75 %) are smaller than 2×2 pixels at 32×32" in finding.what
    assert 'settings={"size": [48, 48]}, or cut tiles' in finding.remedy  # 3 · 48/64 > 2
    text = "[settings]\nsize = [48, 48]\n"
    assert tiny(folder(tmp_path, squares(3, 3, 3, 12), toml=text)) == [], "what is advised mends it"


def test_tiles_leave_objects_as_large_as_they_are(tmp_path):
    toml = '[settings]\nsize = [32, 32]\nfit = "tile"\n'
    assert tiny(folder(tmp_path, squares(3, 3, 3, 12), toml=toml)) == []


def test_where_no_size_would_do_tiles_are_advised():
    item = Item("a", Path("a.png"), None, 4096, 4096)
    finding = tiny_finding("cell", [Sides(item, np.full(20, 4.0), 512 / 4096)], (512, 512))
    assert finding.remedy == 'cut tiles at full resolution: settings={"fit": "tile"}'
