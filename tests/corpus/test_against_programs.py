"""What is right in the corpus, as other programs read the same files; each skips where its program is not installed."""

import json
from pathlib import Path

import numpy as np
import pytest
import table  # noqa: F401 - enters the situations
from situations import SITUATIONS, Right

# What the programs warn of is their own affair.
pytestmark = pytest.mark.filterwarnings("ignore")

COCO = (
    "coco_keypoints_beside_areas",
    "coco_keypoints_with_areas",
    "coco_without_categories",
    "coco_of_size_0",
    "coco_with_ids_as_text",
    "coco_captions_beside_polygons",
    "sam_run_lengths",
    "coco_with_two_corners",
)
"""Situations whose areas are read."""


def _decoded(segmentation: object, size: tuple[int, int]) -> np.ndarray:
    """Draw what an annotation marks as pycocotools does."""
    masks = pytest.importorskip("pycocotools.mask", exc_type=ImportError)
    if isinstance(segmentation, list):
        return masks.decode(masks.merge(masks.frPyObjects(segmentation, *size)))
    return masks.decode({**segmentation, "counts": segmentation["counts"].encode()})


@pytest.mark.parametrize("name", COCO)
def test_coco_is_read_as_pycocotools_reads_it(name: str, tmp_path: Path) -> None:
    right = SITUATIONS[name].outcomes(tmp_path)["prepare"]
    assert isinstance(right, Right)
    sheets = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("*.json"))]
    areas = [sheet for sheet in sheets if any(note.get("segmentation") for note in sheet["annotations"])]
    found: dict[str, np.ndarray] = {}
    names = {str(image["id"]): image["file_name"].removesuffix(".png") for image in areas[0]["images"]}
    for note in areas[0]["annotations"]:
        if note["segmentation"]:
            drawn, image = _decoded(note["segmentation"], (64, 64)), names[str(note["image_id"])]
            found[image] = found.get(image, np.zeros((64, 64), np.uint8)) | drawn
    assert found.keys() == right.labels.keys()
    for image, drawn in found.items():
        np.testing.assert_array_equal(drawn, right.labels[image])


LABELME = [name for name in SITUATIONS if name.startswith("labelme_") and "another_encoding" not in name]


@pytest.mark.parametrize("name", LABELME)
def test_labelme_is_read_as_its_converter_reads_it(name: str, tmp_path: Path) -> None:
    utils = pytest.importorskip("labelme.utils", exc_type=ImportError)
    right = SITUATIONS[name].outcomes(tmp_path)["prepare"]
    for path in sorted(tmp_path.glob("*.json")) if isinstance(right, Right) else ():
        areas = [each for each in json.loads(path.read_text())["shapes"] if "line" not in each.get("shape_type", "")]
        shapes = [each for each in areas if each.get("shape_type") != "point"]
        for each in shapes:
            if "mask" in each:
                each["mask"] = utils.img_b64_to_arr(each["mask"]).astype(bool)
        # Which class is which, the corpus says itself; what is drawn, and what is ignored, the program says.
        numbers = dict.fromkeys((each["label"] for each in shapes), 1) | {"__ignore__": 255, "_background_": 0}
        filled, _ = utils.shapes_to_label((64, 64), shapes, numbers)
        label = right.labels[path.stem]
        label = label.max(axis=2) if label.ndim == 3 else label
        np.testing.assert_array_equal(filled, np.where(label == 255, 255, label > 0))


def test_panoptic_pictures_are_read_as_panopticapi_reads_them(tmp_path: Path) -> None:
    """The number of a colour, as written in that program: red + 256 green + 256² blue."""
    right = SITUATIONS["coco_panoptic_of_things"].outcomes(tmp_path)["prepare"]
    assert isinstance(right, Right)
    from PIL import Image

    colours = np.array(Image.open(tmp_path / "panoptic_train" / "a0.png"), np.uint32)
    numbers = colours[..., 0] + 256 * colours[..., 1] + 256 * 256 * colours[..., 2]
    sheet = json.loads((tmp_path / "panoptic_train.json").read_text())
    places = {each["id"]: place for place, each in enumerate(sheet["categories"], start=1)}
    label = np.zeros((64, 64), np.uint8)
    for segment in sheet["annotations"][0]["segments_info"]:
        label[numbers == segment["id"]] = places[segment["category_id"]]
    np.testing.assert_array_equal(label, right.labels["a0"])
