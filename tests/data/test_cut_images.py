"""Images that are cut out of others are found, and others are not."""

import cv2
import numpy as np
import pytest

from incmask.data.doctor.crops import cut_copies
from incmask.data.folder.scan import scan
from incmask.data.images.sketch import SIDE_PX, sketch_of, small_grey
from scenes import blots, scene, write_pair

SIDE = 192
NUM = 12


def cut(image: np.ndarray, top: float, bottom: float, left: float, right: float) -> np.ndarray:
    rows, columns = image.shape[:2]
    return image[
        round(top * rows) : rows - round(bottom * rows), round(left * columns) : columns - round(right * columns)
    ]


def found(images) -> dict:
    pictures = np.stack([sketch_of(image).grey for image in images])
    return cut_copies(pictures, ["test"] * len(images), {("test", "test")}, lambda place: small_grey(images[place]))


@pytest.mark.parametrize(
    "sides", [(0.04, 0, 0.04, 0), (0.1, 0, 0.1, 0), (0.05, 0.05, 0.05, 0.05), (0.2, 0, 0, 0.2), (0, 0.13, 0.07, 0)]
)
def test_cut_images_are_found_and_no_others(sides):
    originals = [scene(seed, side=SIDE) for seed in range(NUM)]
    pairs = found([*originals, *(cut(image, *sides) for image in originals)])
    assert pairs.keys() <= {(place, place + NUM) for place in range(NUM)}
    assert len(pairs) >= 0.8 * NUM
    assert all(0.9 <= likeness <= 1 for likeness in pairs.values())


def test_a_cut_image_saved_anew_is_found():
    originals = [scene(seed, side=SIDE) for seed in range(4)]
    small = cv2.resize(cut(originals[2], 0.1, 0.05, 0, 0.15), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    assert [*found([*originals, np.clip(small * 1.1 + 10, 0, 255).astype(np.uint8)])] == [(2, 4)]


def test_what_is_not_asked_for_is_not_found_and_none_is_no_trouble():
    image = scene(0, side=SIDE)
    pictures = np.stack([sketch_of(each).grey for each in (image, cut(image, 0.1, 0, 0.1, 0))])
    assert cut_copies(pictures, ["a", "b"], {("a", "a"), ("a", "c")}, lambda place: small_grey(image)) == {}
    assert [
        *cut_copies(pictures, ["a", "b"], {("b", "a")}, lambda place: small_grey((image, image[19:, 19:])[place]))
    ] == [(0, 1)]
    flat = np.zeros((3, SIDE_PX, SIDE_PX), np.uint8)
    assert cut_copies(flat, ["a"] * 3, {("a", "a")}, lambda place: flat[place].astype(np.float32)) == {}


@pytest.mark.parametrize(("part", "kinds"), [("test", {"warning"}), ("unlabelled", set())])
def test_check_warns_where_scores_are_spoiled(tmp_path, part, kinds):
    for seed in range(4):
        write_pair(tmp_path / "labelled", str(seed), scene(seed, side=SIDE), blots(seed, side=SIDE))
        write_pair(tmp_path / "test", str(seed), scene(20 + seed, side=SIDE), blots(20 + seed, side=SIDE))
    sides = 0.1, 0, 0.1, 0
    write_pair(tmp_path / part, "copy", cut(scene(0, side=SIDE), *sides), cut(blots(0, side=SIDE), *sides))
    copies = [each for each in scan(tmp_path).findings if each.kind == "near_copies"]
    assert {each.severity for each in copies} == kinds
    assert all(each.files == ("labelled/0 ~ test/copy",) for each in copies)
