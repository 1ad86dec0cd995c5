"""Masks in files: values, palettes, colours and their noise, class folders, numbers of objects."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from incmask.base.errors import IncmaskError
from incmask.exchange.formats.masks.instances import layers_of
from own_data import examples_of, labels_of, parts_of, plan_of, write_image

RED, BLUE, BLACK = (255, 0, 0), (0, 0, 255), (0, 0, 0)


def told_of(root: Path, layout: str | None = None) -> str:
    with pytest.raises(IncmaskError) as caught:
        examples_of(plan_of(root, layout=layout))
    return str(caught.value)


def grey(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.uint8)


@pytest.mark.parametrize("mask", ["masks/x.png", "x_mask.png", "x_segmentation.png", "Labels/x_label.png"])
def test_names_tell_masks_from_images(tmp_path: Path, mask: str) -> None:
    image = "images/x.jpg" if "/" in mask else "x.jpg"
    write_image(tmp_path / image, size=(2, 2))
    write_image(tmp_path / mask, grey([0, 255], [255, 0]))
    made = plan_of(tmp_path)
    assert (made.task, made.classes[0].value) == ("binary", 255)
    assert labels_of(made) == {"x": [[0, 1], [1, 0]]}


def test_ids_and_ignored_pixels_are_kept_and_images_without_a_mask_are_unlabelled(tmp_path: Path) -> None:
    for name in ("x", "y"):
        write_image(tmp_path / "images" / f"{name}.png", size=(1, 4))
    write_image(tmp_path / "masks" / "x.png", grey([0, 1, 2, 255]))
    made = plan_of(tmp_path)
    assert (made.task, made.ignored) == ("multiclass", True)
    assert [info.value for info in made.classes] == [0, 1, 2]
    assert labels_of(made) == {"x": [[0, 1, 2, 255]], "y": None}
    assert parts_of(made)["y"] == "unlabelled"


def test_values_with_gaps_become_ids_side_by_side(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "x.png", size=(1, 3))
    write_image(tmp_path / "masks" / "x.png", grey([0, 100, 200]))
    made = plan_of(tmp_path)
    assert [(info.name, info.value) for info in made.classes] == [("background", 0), ("class_100", 1), ("class_200", 2)]
    assert labels_of(made) == {"x": [[0, 1, 2]]}


def test_a_palette_gives_ids_and_colours(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "x.png", size=(1, 3))
    mask = Image.fromarray(grey([0, 1, 2]))
    mask.putpalette([0, 0, 0, *RED, *BLUE])
    (tmp_path / "masks").mkdir()
    mask.save(tmp_path / "masks" / "x.png")
    made = plan_of(tmp_path)
    assert [info.colour for info in made.classes] == [BLACK, RED, BLUE]
    assert labels_of(made) == {"x": [[0, 1, 2]]}


def test_exact_colours_become_ids(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "x.png", size=(1, 3))
    write_image(tmp_path / "masks" / "x.png", np.array([[RED, BLACK, BLUE]], np.uint8))
    made = plan_of(tmp_path)
    assert [(info.colour, info.value) for info in made.classes] == [(BLACK, 0), (BLUE, 1), (RED, 2)]
    assert labels_of(made) == {"x": [[2, 0, 1]]}


def areas() -> np.ndarray:
    """Ids 0 to 2 in areas: 0, with a disc of 1 and a box of 2."""
    ids = np.zeros((96, 96), np.uint8)
    cv2.circle(ids, (30, 40), 20, 1, cv2.FILLED)
    ids[60:90, 50:90] = 2
    return ids


def test_jpeg_colours_become_the_nearest_that_fills_areas(tmp_path: Path) -> None:
    ids = areas()
    colours = np.array([BLACK, BLUE, RED], np.uint8)[ids]  # ids go by the packed colour: blue before red
    write_image(tmp_path / "images" / "x.png", size=ids.shape)
    path = tmp_path / "masks" / "x.jpg"
    path.parent.mkdir()
    Image.fromarray(colours).save(path, quality=85)
    assert len(np.unique(np.asarray(Image.open(path)).reshape(-1, 3), axis=0)) > 64, "there is noise to be mended"
    made = plan_of(tmp_path)
    assert len(made.classes) == 3
    label = examples_of(made)["x"].label
    assert label is not None
    edge = cv2.dilate(ids, np.ones((5, 5))) != cv2.erode(ids, np.ones((5, 5)))
    assert (label == ids)[~edge].all()
    assert (label == ids).mean() > 0.97
    assert any("blurred" in note for note in made.notes)


def test_a_grey_mask_that_was_scaled_is_binary_again(tmp_path: Path) -> None:
    mask = (areas() > 0).astype(np.uint8) * 255
    smooth = cv2.resize(mask, (64, 64), interpolation=cv2.INTER_LINEAR)
    assert len(np.unique(smooth)) > 4, "there are values in between"
    write_image(tmp_path / "images" / "x.png", size=(64, 64))
    write_image(tmp_path / "masks" / "x.png", smooth)
    made = plan_of(tmp_path)
    assert made.task == "binary"
    assert np.array_equal(labels_of(made)["x"], smooth >= 128)


def noisy(colour: tuple[int, int, int], generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    values = np.array(colour) + generator.integers(-4, 5, (*size, 3))
    return np.clip(values, 0, 255).astype(np.uint8)


def test_colours_too_near_for_their_noise_are_told(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    halves = [noisy(colour, generator, (64, 64)) for colour in ((100, 100, 100), (100, 135, 100))]
    write_image(tmp_path / "images" / "x.png", size=(64, 128))
    write_image(tmp_path / "masks" / "x.png", np.concatenate(halves, axis=1))
    assert "may be two classes, or one with noise" in told_of(tmp_path)


def test_named_colours_decide_and_a_mask_of_other_colours_is_told(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    for name, right in (("x", (100, 135, 100)), ("y", (250, 10, 250))):
        halves = [noisy(colour, generator, (64, 64)) for colour in ((100, 100, 100), right)]
        write_image(tmp_path / "images" / f"{name}.png", size=(64, 128))
        write_image(tmp_path / "masks" / f"{name}.png", np.concatenate(halves, axis=1))
    (tmp_path / "incmask.toml").write_text(
        '[data]\nclasses = [{name = "a", value = [100, 100, 100]}, {name = "b", value = [100, 135, 100]}]\n'
    )
    made = plan_of(tmp_path)
    (x, y) = made.works
    (example,) = x.make()
    assert example.label is not None
    halves = np.hsplit(example.label, 2)
    assert [np.unique(half).tolist() for half in halves] == [[0], [1]]
    with pytest.raises(IncmaskError, match=r"masks/y.png: has 4096 pixels far from every class's colour"):
        list(y.make())


def test_class_folders_that_overlap_are_multilabel_else_multiclass(tmp_path: Path) -> None:
    for case, left in (("apart", 4), ("over", 1)):
        root = tmp_path / case
        write_image(root / "images" / "x.png", size=(4, 8))
        for name, start, end in (("cell", 0, 4), ("dead", left, 8)):
            mask = np.zeros((4, 8), np.uint8)
            mask[:, start:end] = 255
            write_image(root / "masks" / name / "x.png", mask)
    made = plan_of(tmp_path / "apart")
    assert (made.task, [info.name for info in made.classes]) == ("multiclass", ["background", "cell", "dead"])
    assert labels_of(made) == {"x": [[1] * 4 + [2] * 4] * 4}
    made = plan_of(tmp_path / "over")
    assert (made.task, [info.value for info in made.classes]) == ("multilabel", ["cell", "dead"])
    assert labels_of(made)["x"][0] == [[1, 0]] + [[1, 1]] * 3 + [[0, 1]] * 4


def test_class_folders_may_lie_beside_the_images_and_lack_masks(tmp_path: Path) -> None:
    for name in ("x", "y", "z"):
        write_image(tmp_path / "images" / f"{name}.png", size=(1, 2))
    write_image(tmp_path / "alive" / "x.png", grey([255, 0]))
    write_image(tmp_path / "position" / "y.png", grey([0, 255]))
    made = plan_of(tmp_path)
    assert labels_of(made) == {"x": [[1, 0]], "y": [[0, 2]], "z": None}
    (tmp_path / "incmask.toml").write_text('[data]\ntask = "multilabel"\n')
    made = plan_of(tmp_path)
    assert made.position_class == "position"
    assert labels_of(made)["y"] == [[[0, 0], [0, 1]]]


def test_parts_as_folders_tell_with_masks_in_each(tmp_path: Path) -> None:
    for part, name in (("train", "a"), ("train", "b"), ("test", "c")):
        write_image(tmp_path / part / "images" / f"{name}.png", size=(1, 2))
        write_image(tmp_path / part / "masks" / "cell" / f"{name}.png", grey([0, 255]))
    assert parts_of(plan_of(tmp_path, val_fraction=0.5)) == {"a": "labelled", "b": "labelled", "c": "test"}


def two_cells() -> np.ndarray:
    """Two objects of 6×6 side by side."""
    instances = np.zeros((8, 16), np.uint16)
    instances[1:7, 1:7] = 300
    instances[1:7, 7:13] = 70
    return instances


def test_layers_of_two_cells_worked_by_hand() -> None:
    layers = layers_of(two_cells())
    assert layers[..., 0].sum() == 72
    # Each border is the ring of its 6×6 pixels: 36 - 16.
    assert layers[..., 1].sum() == 40
    assert not layers[2:6, 2:6, 1].any()
    # Centroids are 6 apart, so the radius is the least, 3; discs lie about (4, 4) and (4, 10), rounded from
    # 3.5 and 9.5, so the first reaches from 1 to 7.
    assert layers[4, :, 2].tolist() == [0] + [1] * 13 + [0] * 2
    assert layers[:, 4, 2].tolist() == [0] + [1] * 7
    assert not layers_of(np.zeros((4, 4), np.uint8)).any()


def many_objects() -> np.ndarray:
    """100 objects of 2×2, with gaps."""
    instances = np.zeros((30, 30), np.uint16)
    for number in range(100):
        row, column = divmod(number, 10)
        instances[3 * row : 3 * row + 2, 3 * column : 3 * column + 2] = number + 1
    return instances


def test_numbers_of_objects_are_recognised_and_may_be_foreground_alone(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "x.png", size=(30, 30))
    (tmp_path / "labels").mkdir()
    tifffile.imwrite(tmp_path / "labels" / "x.tif", many_objects())
    made = plan_of(tmp_path)
    assert (made.task, made.position_class) == ("multilabel", "centre")
    assert [info.value for info in made.classes] == ["body", "border", "centre"]
    assert any("number for each object" in note for note in made.notes)
    made = plan_of(tmp_path, layout="instances-binary")
    assert made.task == "binary"
    assert np.array_equal(labels_of(made)["x"], many_objects() > 0)


def test_32_bit_and_float_numbers_are_read_and_fractions_are_not(tmp_path: Path) -> None:
    for name, values in (("x", two_cells().astype(np.uint32) * 100_000), ("y", two_cells().astype(np.float32))):
        write_image(tmp_path / "images" / f"{name}.png", size=(8, 16))
        (tmp_path / "masks").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "masks" / f"{name}.tif", values)
    made = plan_of(tmp_path, layout="instances")
    assert labels_of(made)["x"] == labels_of(made)["y"] == layers_of(two_cells()).tolist()
    tifffile.imwrite(tmp_path / "masks" / "y.tif", two_cells() / np.float32(7))
    assert "y.tif: holds values that are no whole numbers" in told_of(tmp_path, "instances")


def test_masks_that_do_not_fit_are_told(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "x.png", size=(2, 2))
    write_image(tmp_path / "masks" / "x.png", grey([0, 255]))
    for layout in ("pairs", "instances"):
        assert "masks/x.png: has 2×1 pixels for an image of 2×2" in told_of(tmp_path, layout)
    assert "holds no folder of masks for each class" in told_of(tmp_path, "class-folders")
    (tmp_path / "masks" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    assert "masks/x.png: is broken" in told_of(tmp_path)


def test_a_mask_without_image_and_an_image_twice_are_told(tmp_path: Path) -> None:
    for path in ("images/x.png", "images/x.jpg", "masks/x.png", "masks/z.png"):
        write_image(tmp_path / path, size=(1, 1))
    told = told_of(tmp_path)
    assert "images/x.png: has the same name as x.jpg" in told
    assert "masks/z.png: is a mask without an image" in told


def test_no_images_and_no_masks_are_told(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing")
    assert "holds no images" in told_of(tmp_path)
    write_image(tmp_path / "a" / "x.png")
    assert "holds 1 image but no masks" in told_of(tmp_path)


def test_uncertain_values_ask_and_the_answer_is_read(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "x.png", size=(1, 2))
    write_image(tmp_path / "masks" / "x.png", grey([0, 3]))
    assert "3 may be the foreground" in told_of(tmp_path)
    (tmp_path / "incmask.toml").write_text('[data]\nclasses = [{name = "vessel", value = 3}]\n')
    made = plan_of(tmp_path)
    assert (made.task, made.classes[0].name, made.classes[0].value) == ("binary", "vessel", 255)
    assert labels_of(made) == {"x": [[0, 1]]}
