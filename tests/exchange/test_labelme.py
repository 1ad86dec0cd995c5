"""labelme files: shapes, images that were moved, and what is wrong with them."""

import base64
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from incmask.base.errors import IncmaskError
from own_data import examples_of, labels_of, parts_of, plan_of, write_image, write_json


def shape(label: str, kind: str, *points: tuple[float, float]) -> dict[str, Any]:
    return {"label": label, "points": [list(point) for point in points], "shape_type": kind, "group_id": None}


def sheet(image: str, *shapes: dict[str, Any], size: tuple[int, int] = (6, 8)) -> dict[str, Any]:
    return {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": image,
        "imageData": "bm90IHJlYWQ=",
        "imageHeight": size[0],
        "imageWidth": size[1],
    }


def test_shapes_are_drawn_and_what_has_no_area_is_left_out(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    content = sheet(
        "a.jpg",
        shape("cell", "polygon", (0.2, 0), (1.9, 0), (1, 1), (0, 1.5)),
        shape("dirt", "rectangle", (5.9, 3), (4, 2)),  # corners in any order
        shape("__ignore__", "rectangle", (7, 0), (8, 0.5)),
        shape("cell", "point", (7, 5)),
    )
    write_json(tmp_path / "a.json", content)
    made = plan_of(tmp_path)
    assert made.task == "multiclass"
    assert made.ignored
    assert [info.name for info in made.classes] == ["background", "cell", "dirt"]
    assert labels_of(made)["a"] == [
        [1, 1, 0, 0, 0, 0, 0, 255],
        [1, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 2, 2, 0, 0],
        [0, 0, 0, 0, 2, 2, 0, 0],
        [0] * 8,
        [0] * 8,
    ]
    assert any(note == "left out, as they have no area: 1 points and lines" for note in made.notes)


def test_a_circle_is_its_centre_and_a_point_on_it(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", size=(9, 9))
    write_json(tmp_path / "a.json", sheet("a.png", shape("cell", "circle", (4.5, 4.5), (4.5, 6.6)), size=(9, 9)))
    label = examples_of(plan_of(tmp_path))["a"].label
    assert label is not None
    # Radius 2.1: from pixel 2 to pixel 6, as 2.4 and 6.6 lie in these.
    assert label[2:7, 2:7].tolist() == [
        [0, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1],
        [0, 1, 1, 1, 0],
    ]
    assert label.sum() == 21


def test_areas_called_background_are_none(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    cell = shape("cell", "rectangle", (0, 0), (5, 3))
    write_json(tmp_path / "a.json", sheet("a.png", cell, shape("_background_", "rectangle", (1, 1), (7, 5))))
    made = plan_of(tmp_path)
    assert made.task == "binary"
    assert labels_of(made)["a"] == [[1] * 6 + [0] * 2, *[[1] + [0] * 7] * 3, *[[0] * 8] * 2]


def test_a_file_without_shapes_tells_of_background_and_an_image_without_a_file_is_unlabelled(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_image(tmp_path / f"{name}.png")
    write_json(tmp_path / "a.json", sheet("a.png", shape("cell", "rectangle", (0, 0), (1, 1))))
    write_json(tmp_path / "b.json", sheet("b.png"))
    made = plan_of(tmp_path)
    assert parts_of(made) == {"a": "labelled", "b": "labelled", "c": "unlabelled"}
    assert labels_of(made)["b"] == [[0] * 8] * 6


def test_an_image_that_was_moved_or_renamed_is_found(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "new.png")
    content = sheet("..\\somewhere\\old.png", shape("cell", "rectangle", (0, 0), (0, 0)))
    write_json(tmp_path / "jsons" / "new.json", content)
    assert sum(map(sum, labels_of(plan_of(tmp_path))["new"])) == 1


def test_all_that_is_wrong_is_told(tmp_path: Path) -> None:
    for name in ("a", "b", "d"):
        write_image(tmp_path / f"{name}.png")
    bad = sheet(
        "a.png",
        shape("cell", "polygon", (0, 0), (1, 1)),
        shape("cell", "mask", (0, 0), (1, 1)),
        shape("dirt", "circle", (1, 1), (1, 1)),
    )
    write_json(tmp_path / "a.json", bad)
    write_json(tmp_path / "b.json", sheet("b.png") | {"shapes": [{"label": "cell", "points": [[0, "x"]]}]})
    write_json(tmp_path / "c.json", sheet("c.png"))
    (tmp_path / "d.json").write_text("{")
    with pytest.raises(IncmaskError) as caught:
        plan_of(tmp_path)
    told = str(caught.value)
    assert "a.json: shape 0 (cell): is a polygon of 2 points; 3 or more are expected" in told
    assert "a.json: shape 1 (cell): is a mask without pixels, or without the two corners of its box" in told
    assert "a.json: shape 2 (dirt): is a circle of no size" in told
    assert "b.json: has a wrong shapes.0.points.0.1" in told
    assert "c.json: names the image c, which is not there" in told
    assert "d.json: is no readable JSON file" in told


def test_masks_are_drawn_where_they_lie(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    pixels = np.array([[1, 0, 1], [1, 1, 1]], np.uint8)
    coded = base64.b64encode(cv2.imencode(".png", pixels)[1].tobytes()).decode()
    # The second point is the last pixel; a mask may reach beyond the image.
    # Where a person moved it, its corners lie between pixels.
    inside = shape("cell", "mask", (2.6, 1.9), (4.6, 2.9)) | {"mask": coded}
    beyond = shape("cell", "mask", (7, 5), (9, 6)) | {"mask": coded}
    write_json(tmp_path / "a.json", sheet("a.png", inside, beyond))
    assert labels_of(plan_of(tmp_path))["a"] == [
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 1, 0, 0, 0],
        [0, 0, 1, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 1],
    ]
    broken = shape("cell", "mask", (2, 1), (4, 2)) | {"mask": "?"}
    write_json(tmp_path / "a.json", sheet("a.png", inside, broken))
    with pytest.raises(IncmaskError, match=r"a.json: shape 1 \(cell\): is a mask whose pixels cannot be read"):
        plan_of(tmp_path)


def test_an_image_of_another_size_is_told(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_json(tmp_path / "a.json", sheet("a.png", shape("cell", "rectangle", (0, 0), (1, 1)), size=(60, 80)))
    with pytest.raises(IncmaskError, match=r"a.json: tells of an image of 80×60 pixels where it has 8×6"):
        examples_of(plan_of(tmp_path))
