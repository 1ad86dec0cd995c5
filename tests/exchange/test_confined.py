"""Annotations name images by any path: none outside the source is opened, and those inside are found by their names."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from incmask.base.errors import IncmaskError
from own_data import examples_of, plan_of, write_image

BOX = [0, 0, 2, 0, 2, 2, 0, 2]


def coco(name: str) -> str:
    image = {"id": 1, "file_name": name, "height": 6, "width": 8}
    area = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [BOX]}
    return json.dumps({"images": [image], "annotations": [area], "categories": [{"id": 1, "name": "cell"}]})


def labelme(name: str) -> str:
    area = {"label": "cell", "points": [[0, 0], [2, 2]], "shape_type": "rectangle", "group_id": None}
    about = {"version": "5.4.1", "flags": {}, "imageData": None, "imageHeight": 6, "imageWidth": 8}
    return json.dumps(about | {"shapes": [area], "imagePath": name})


def via(name: str) -> str:
    area = {"shape_attributes": {"name": "rect", "x": 0, "y": 0, "width": 2, "height": 2}}
    entry = {"filename": name, "size": -1, "regions": [area | {"region_attributes": {"class": "cell"}}]}
    return json.dumps({f"{name}-1": entry | {"file_attributes": {}}})


def cvat(name: str) -> str:
    return (
        f'<annotations><image id="0" name="{name}" width="8" height="6">'
        '<polygon label="cell" points="0,0;2,0;2,2;0,2"/></image></annotations>'
    )


FILES: dict[str, tuple[str, Callable[[str], str]]] = {
    "coco": ("instances.json", coco),
    "labelme": ("sheet.json", labelme),
    "via": ("via.json", via),
    "cvat": ("annotations.xml", cvat),
}


def source(root: Path, kind: str, named: str) -> Path:
    """Write an image beside a source, another one in it, and annotations of an image ``named`` so."""
    write_image(root / "secret.png", 200)
    write_image(root / "source" / "inside.png", 7)
    file, text_of = FILES[kind]
    (root / "source" / file).write_text(text_of(named.format(root=root.as_posix())))
    return root / "source"


@pytest.mark.parametrize("named", ["../secret.png", "..\\secret.png", "{root}/secret.png", "x/../../secret.png"])
@pytest.mark.parametrize("kind", FILES)
def test_an_image_outside_is_not_there(tmp_path: Path, kind: str, named: str) -> None:
    with pytest.raises(IncmaskError, match=r"names the image .*, which is not there"):
        plan_of(source(tmp_path, kind, named))


@pytest.mark.parametrize("named", ["../inside.png", "/etc/inside.png", "C:\\data\\inside.png"])
@pytest.mark.parametrize("kind", FILES)
def test_an_image_inside_is_found_whatever_path_it_had(tmp_path: Path, kind: str, named: str) -> None:
    write_image(tmp_path / "inside.png", 200)
    (example,) = examples_of(plan_of(source(tmp_path, kind, named))).values()
    assert np.unique(example.image).tolist() == [7]
