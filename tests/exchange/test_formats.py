"""Each format: what is written is what its tool reads, comes back as it was, and broken files are told."""

import base64
import copy
import io
import json
import re
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from pycocotools.coco import COCO
from pydantic import BaseModel, ConfigDict

from exchange import SCHEMES, SIZE, expected, packed_mask, pseudo_label, submit
from incmask.base.errors import IncmaskError
from incmask.data.dataset import ClassInfo, Scheme
from incmask.exchange.formats import coco, cvat, label_studio, labelme, napari, png
from incmask.exchange.formats.sheets import IMAGES, Known, LabelSheet
from incmask.exchange.formats.table import LABEL_FORMATS
from incmask.exchange.names import TARGETS, UNSURE
from incmask.exchange.sources.archives import SourceFile
from incmask.experiment.record.images import PredictedMask

MODULES = {
    "coco": coco,
    "cvat": cvat,
    "label-studio": label_studio,
    "labelme": labelme,
    "napari": napari,
    "png": png,
}
NAMES = ("a.b", "slide/c")


def write(folder, target, task, pseudo):
    """Write images with these pseudo-labels and give what they hold."""
    sheets = []
    for name, each in zip(NAMES, pseudo, strict=False):
        path = folder / IMAGES / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros(each.inconsistent.shape, np.uint8)).save(path)
        sheets.append(LabelSheet(name, f"{name}.png", each.label, each.inconsistent))
    MODULES[target].write(sheets, folder, SCHEMES[task])
    return sheets


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): SourceFile(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }


def read(folder, target, task="binary", names=NAMES):
    return MODULES[target].read(files_of(folder), Known(SCHEMES[task], names))


def refused(folder, target, task="binary"):
    with pytest.raises(IncmaskError) as caught:
        read(folder, target, task)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    """A folder for two images of each format."""
    return tmp_path / "out"


def two(task="binary"):
    return [pseudo_label(1, task), pseudo_label(2, task, (30, 17))]


def test_there_is_a_module_for_each_name():
    assert tuple(MODULES) == tuple(LABEL_FORMATS) == TARGETS


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@given(
    ids=arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 2)),
    task=st.sampled_from([*SCHEMES]),
    seed=st.integers(0, 99),
)
def test_any_mask_comes_back_to_the_pixel(target, ids, task, seed):
    labels = {
        "binary": (ids == 1).astype(np.uint8),
        "multiclass": ids,
        "multilabel": np.stack([ids == 1, ids > 0], 2).astype(np.uint8),
    }
    pseudo = PredictedMask(labels[task], np.random.default_rng(seed).random(ids.shape) < 0.2)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(folder, target, task, [pseudo])
        if target == "label-studio":
            submit(folder)
        found = read(folder, target, task)
        np.testing.assert_array_equal(found.labels[NAMES[0]].make(*ids.shape), expected(pseudo))


# pycocotools 2.0.11 has not followed NumPy 2 yet.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_is_what_pycocotools_reads(folder):
    sheets = write(folder, "coco", "multilabel", two("multilabel"))
    api = COCO(folder / coco.ANNOTATIONS)
    assert [each["name"] for each in api.loadCats(api.getCatIds())] == ["bright", "dark", UNSURE]
    for image_id, sheet in zip(api.getImgIds(), sheets, strict=True):
        (image,) = api.loadImgs(image_id)
        assert (folder / IMAGES / image["file_name"]).exists()
        for category_id, layer in enumerate(sheet.layers(SCHEMES["multilabel"]), start=1):
            annotations = api.loadAnns(api.getAnnIds(imgIds=image_id, catIds=category_id, iscrowd=False))
            masks = [api.annToMask(each) > 0 for each in annotations]
            np.testing.assert_array_equal(np.sum(masks, axis=0), layer.mask)
            assert [each["area"] for each in annotations] == [mask.sum() for mask in masks]
            for each, mask in zip(annotations, masks, strict=True):
                left, top, width, height = each["bbox"]
                assert mask[top : top + height, left : left + width].sum() == mask.sum()
    kinds = {type(each["segmentation"]) for each in api.dataset["annotations"]}
    assert kinds == {list, dict}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PolygonValue(Strict):
    """As the reference of the tag PolygonLabels has it."""

    points: list[list[float]]
    closed: bool
    polygonlabels: list[str]


class Region(Strict):
    id: str
    type: str
    from_name: str
    to_name: str
    original_width: int
    original_height: int
    image_rotation: int
    value: PolygonValue


class Prediction(Strict):
    model_version: str
    result: list[Region]


class Data(Strict):
    name: str
    image: str


class Task(Strict):
    """As the guide to importing predictions has it."""

    data: Data
    predictions: list[Prediction]


def test_label_studio_takes_the_tasks_with_its_configuration(folder):
    sheets = write(folder, "label-studio", "multiclass", two("multiclass"))
    config = ElementTree.fromstring((folder / label_studio.CONFIG).read_text())
    assert [(each.tag, each.get("value")) for each in config.iter("Image")] == [("Image", "$image")]
    tags = {each.get("name"): each for each in config if each.tag.endswith("Labels")}
    for content, sheet in zip(json.loads((folder / label_studio.TASKS).read_text()), sheets, strict=True):
        task = Task.model_validate(content)
        (prediction,) = task.predictions
        assert len({each.id for each in prediction.result}) == len(prediction.result)
        assert task.data.name == sheet.file
        image = base64.b64decode(task.data.image.removeprefix("data:image/png;base64,"))
        assert Image.open(io.BytesIO(image)).size == sheet.size[::-1]
        for region in prediction.result:
            tag = tags[region.from_name]
            assert region.type == tag.tag.lower()
            assert (region.original_height, region.original_width) == sheet.size
            assert region.to_name == tag.get("toName") == "image"
            known = {each.get("value") for each in tag}
            assert known == {"class_1", "class_2", UNSURE}
            assert {*region.value.polygonlabels} <= known
            assert all(0 <= value <= 100 for point in region.value.points for value in point)


def test_many_images_are_served_by_label_studio_from_the_folder(folder, monkeypatch):
    monkeypatch.setattr(label_studio, "EMBEDDED_BYTES", 10)
    write(folder, "label-studio", "binary", two())
    addresses = [task["data"]["image"] for task in json.loads((folder / label_studio.TASKS).read_text())]
    assert addresses == ["/data/local-files/?d=images/a.b.png", "/data/local-files/?d=images/slide/c.png"]
    # A project that lost the name still has the address.
    submit(folder)
    tasks = json.loads((folder / label_studio.TASKS).read_text())
    for task in tasks:
        del task["data"]["name"]
    (folder / label_studio.TASKS).write_text(json.dumps(tasks))
    assert {*read(folder, "label-studio").labels} == {*NAMES}


# What the page "XML annotation format" tells of images: the attributes of each element.
_NUMBER = r"\d+"
_SHAPE = {"label": ".+", "source": "manual|auto|semi-auto|file", "occluded": "0|1", "z_order": r"-?\d+"}
ATTRIBUTES = {
    "image": {"id": _NUMBER, "name": ".+", "width": _NUMBER, "height": _NUMBER},
    "polygon": _SHAPE | {"points": r"-?\d+\.\d\d,-?\d+\.\d\d(;-?\d+\.\d\d,-?\d+\.\d\d){2,}"},
    "mask": _SHAPE | {"rle": r"\d+(, \d+)*", "left": _NUMBER, "top": _NUMBER, "width": _NUMBER, "height": _NUMBER},
}


def test_cvat_takes_the_file(folder):
    sheets = write(folder, "cvat", "multiclass", two("multiclass"))
    root = ElementTree.fromstring((folder / cvat.ANNOTATIONS).read_bytes())
    assert root.tag == "annotations"
    assert [each.tag for each in root] == ["version", "meta", "image", "image"]
    assert root.findtext("version") == "1.1"
    assert root.findtext("meta/task/mode") == "annotation"
    assert root.findtext("meta/task/size") == "2"
    names = [each.text for each in root.findall("meta/task/labels/label/name")]
    assert names == ["class_1", "class_2", UNSURE]
    constructor = json.loads((folder / "labels.json").read_text())
    assert [each["name"] for each in constructor] == names
    assert all(re.fullmatch("#[0-9a-f]{6}", each["color"]) for each in constructor)
    for index, (image, sheet) in enumerate(zip(root.findall("image"), sheets, strict=True)):
        assert image.get("id") == str(index)
        layers = {layer.name: np.zeros_like(layer.mask) for layer in sheet.layers(SCHEMES["multiclass"])}
        for element in (image, *image):
            assert {*element.attrib} == {*ATTRIBUTES[element.tag]}
            for key, pattern in ATTRIBUTES[element.tag].items():
                assert re.fullmatch(pattern, element.attrib[key]), (key, element.attrib[key])
        for mask in image.findall("mask"):
            # Runs go along the rows of the box and begin with what is outside.
            top, left, height, width = (int(mask.attrib[key]) for key in ("top", "left", "height", "width"))
            lengths = [int(text) for text in mask.attrib["rle"].split(",")]
            values = [place % 2 > 0 for place, length in enumerate(lengths) for _ in range(length)]
            box = np.array(values).reshape(height, width)
            layers[mask.attrib["label"]][top : top + height, left : left + width] |= box
        assert image.find("mask") is not None
        for layer in sheet.layers(SCHEMES["multiclass"]):
            assert not (layers[layer.name] & ~layer.mask).any()


def test_labelme_reads_a_file_beside_each_image(folder):
    sheets = write(folder, "labelme", "binary", two())
    assert (folder / "labels.txt").read_text().split() == ["foreground", UNSURE]
    for sheet in sheets:
        path = folder / IMAGES / f"{sheet.name}.json"
        content = json.loads(path.read_text())
        assert {*content} == {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"}
        assert (path.parent / content["imagePath"]).exists()
        masks = [each for each in content["shapes"] if each["shape_type"] == "mask"]
        assert masks
        for each in content["shapes"]:
            assert {*each} == {"label", "points", "group_id", "description", "shape_type", "flags", "mask"}
        for each in masks:
            # The second point is the last pixel of the mask.
            (left, top), (right, bottom) = each["points"]
            values = np.array(Image.open(io.BytesIO(base64.b64decode(each["mask"])))) > 0
            assert values.shape == (bottom - top + 1, right - left + 1)
            layer = {layer.name: layer.mask for layer in sheet.layers(SCHEMES["binary"])}[each["label"]]
            assert layer[top : bottom + 1, left : right + 1][values].all()


def test_napari_opens_label_images_as_labels(folder):
    sheets = write(folder, "napari", "multilabel", two("multilabel"))
    for sheet in sheets:
        for path, values in (
            (f"labels/bright/{sheet.name}.tif", sheet.label[..., 0]),
            (f"labels/dark/{sheet.name}.tif", sheet.label[..., 1]),
            (f"unsure/{sheet.name}.tif", sheet.unsure),
        ):
            image = tifffile.imread(folder / path)
            # Integers of 32 bits are what napari takes for labels.
            assert image.dtype == np.uint32
            np.testing.assert_array_equal(image, values)


def test_masks_are_taken_back_from_programs_that_change_their_kind(folder):
    (pseudo, _) = two("multiclass")
    write(folder, "png", "multiclass", [pseudo])
    path = folder / "masks" / f"{NAMES[0]}.png"
    Image.open(path).convert("RGB").save(path)
    (folder / "unsure" / f"{NAMES[0]}.png").unlink()
    label = read(folder, "png", "multiclass").labels[NAMES[0]].make(*SIZE)
    np.testing.assert_array_equal(label, pseudo.label)

    write(folder, "napari", "multiclass", [pseudo])
    path = folder / "labels" / f"{NAMES[0]}.tif"
    tifffile.imwrite(path, tifffile.imread(path).astype(np.int64))
    label = read(folder, "napari", "multiclass").labels[NAMES[0]].make(*SIZE)
    np.testing.assert_array_equal(label, expected(pseudo))


def test_masks_that_cannot_be_meant_are_told(folder):
    (pseudo, _) = two("multiclass")
    write(folder, "png", "multiclass", [pseudo])
    path = folder / "masks" / f"{NAMES[0]}.png"
    Image.fromarray(np.full(SIZE, 7, np.uint8)).save(path)
    with pytest.raises(IncmaskError, match="holds 7, which is the id of no class"):
        read(folder, "png", "multiclass").labels[NAMES[0]].make(*SIZE)
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(path)
    with pytest.raises(IncmaskError, match=r"has 4×3 pixels, but its image 20×24"):
        read(folder, "png", "multiclass").labels[NAMES[0]].make(*SIZE)
    write(folder, "png", "binary", two())
    Image.fromarray(np.arange(SIZE[0] * SIZE[1], dtype=np.uint8).reshape(SIZE)).save(path)
    with pytest.raises(IncmaskError, match=r"values .* where 0 and one other belong"):
        read(folder, "png").labels[NAMES[0]].make(*SIZE)
    path.rename(path.with_name("stranger.png"))
    assert "names the image stranger.png, of which the run has no mask" in refused(folder, "png")
    assert "found no pictures below a folder labels/" in refused(folder, "napari")
    assert "lies in no folder of a class; they are bright, dark" in refused(folder, "png", "multilabel")


def test_what_was_painted_in_label_studio_is_read(folder):
    folder.mkdir()
    mask = pseudo_label(3, "binary").label > 0
    value = {"format": "rle", "rle": list(packed_mask(mask, 256)), "brushlabels": ["foreground"]}
    content = tasks(region(type="brushlabels", value=value))
    (folder / "export.json").write_text(json.dumps(content))
    np.testing.assert_array_equal(read(folder, "label-studio").labels[NAMES[0]].make(*SIZE), mask)


SQUARE = [[0, 0], [100, 0], [100, 100]]


def region(**changes):
    value = {"points": SQUARE, "polygonlabels": ["foreground"]}
    return {"id": "r", "type": "polygonlabels", "original_width": 20, "original_height": 24, "value": value} | changes


def tasks(*regions, **changes):
    return [{"id": 5, "data": {"name": NAMES[0]}, "annotations": [{"result": [*regions]} | changes]}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"id": 5, "data": {"name": "x"}}], "holds 1 task, none of them annotated; submit the corrections"),
        (tasks(was_cancelled=True), "holds 1 task, none of them annotated"),
        ([], "found no tasks"),
        ([7], "task 1: has a wrong"),
        (tasks(region(value={"points": [["x", 1]]})), "task 5: region r: has a wrong value.points.0.0"),
        (tasks(region(type="ellipselabels")), "is of the type ellipselabels; polygons and brush masks are read"),
        (tasks(region(value={"points": SQUARE[:2], "polygonlabels": ["a"]})), "fewer than three corners"),
        (tasks(region(image_rotation=90)), "is on an image that was turned"),
        (tasks(region(), region(original_width=7)), "tells of several sizes of its image"),
        (tasks(region(type="brushlabels", value={"rle": [1, 2], "brushlabels": ["a"]})), "is a brush mask that cannot"),
        (tasks(region(value={"points": SQUARE, "polygonlabels": ["cat"]})), "a.b has areas of the class cat; the run"),
        (tasks(region()) * 2, "stands for a.b a second time"),
    ],
)
def test_what_is_wrong_with_tasks_is_told(content, message, folder):
    folder.mkdir()
    (folder / "export.json").write_text(json.dumps(content))
    assert message in refused(folder, "label-studio")


def test_of_several_annotations_the_last_counts(folder):
    folder.mkdir()
    content = tasks(region())
    later = copy.deepcopy(content[0]["annotations"][0]) | {"result": [], "updated_at": "2026-01-02T00:00:00Z"}
    content[0]["annotations"] = [later, content[0]["annotations"][0] | {"updated_at": "2026-01-01T00:00:00Z"}]
    content.append({"id": 6, "data": {"name": NAMES[1]}})
    (folder / "export.json").write_text(json.dumps(content))
    found = read(folder, "label-studio")
    assert found.notes == ("1 task is left out, for want of being submitted",)
    assert not found.labels[NAMES[0]].make(24, 20).any()


IMAGE = '<image id="0" name="a.b.png" width="20" height="24">{}</image>'
MASK = '<mask label="foreground" rle="{}" left="{}" top="0" width="2" height="2"/>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations>", "is no readable XML file"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "has a document type, which CVAT does not write"),
        ("<annotations><track/></annotations>", "is of a video; export the task again as CVAT for images 1.1"),
        ("<annotations/>", "lists no images"),
        (IMAGE.format("") * 2, "stands for a.b a second time"),
        (IMAGE.replace("20", "wide"), "width: is 'wide' where a whole number is expected"),
        (IMAGE.format('<polygon label="foreground" points="0,0;1,1"/>'), "is no polygon of three or more corners"),
        (IMAGE.format('<polygon label="foreground" points="0,0;1,nan;2,2"/>'), "has coordinates that are no numbers"),
        (IMAGE.format('<ellipse label="foreground"/>'), "ellipse 0 (foreground): is no polygon, mask or upright box"),
        (IMAGE.format('<box label="foreground" rotation="30"/>'), "is no polygon, mask or upright box"),
        (IMAGE.format(MASK.format("1, 2", 0)), "has run lengths of 3 pixels in a box of 2×2"),
        (IMAGE.format(MASK.format("1, 3", 19)), "at column 19, row 0, in an image of 20×24"),
        (IMAGE.format(MASK.format("-1, 5", 0)), "is '-1' where a whole number"),
        (IMAGE.format(MASK.format("9" * 30, 0)), "where a whole number is expected"),
        (IMAGE.format('<polygon label="cat" points="0,0;1,0;1,1"/>'), "a.b has areas of the class cat"),
        (IMAGE.replace("a.b", "z").format(""), "names the image z.png, of which the run has no mask"),
    ],
)
def test_what_is_wrong_with_a_file_of_cvat_is_told(text, message, folder):
    folder.mkdir()
    text = text if text.startswith(("<annotations", "<!")) else f"<annotations>{text}</annotations>"
    (folder / "annotations.xml").write_text(text)
    assert message in refused(folder, "cvat")


def test_boxes_count_and_what_lies_on_top_is_drawn_last(folder):
    folder.mkdir()
    shapes = (
        '<box label="class_1" xtl="1" ytl="1" xbr="4" ybr="3" z_order="1"/>'
        '<polygon label="class_2" points="0,0;20,0;20,2;0,2" z_order="0"/>'
        '<polyline label="class_2" points="0,0;9,9"/>'
    )
    (folder / "annotations.xml").write_text(f"<annotations>{IMAGE.format(shapes)}</annotations>")
    found = read(folder, "cvat", "multiclass")
    assert found.notes == ("left out, as they have no area: 1 points, lines and tags",)
    label = found.labels["a.b"].make(24, 20)
    assert label[:4, :6].tolist() == [[2] * 6, [2, 1, 1, 1, 2, 2], [0, 1, 1, 1, 0, 0], [0] * 6]


@pytest.mark.parametrize("target", ["coco", "labelme", "cvat"])
def test_a_source_without_a_file_of_the_format_is_told(target, folder):
    folder.mkdir()
    (folder / "note.txt").write_text("x")
    assert "found no" in refused(folder, target)


@pytest.mark.parametrize(
    ("told", "beside", "found"),
    [
        ("images/slide/c.png", "annotations.json", "slide/c"),
        ("C:\\out\\images\\slide\\c.jpg", "", "slide/c"),
        ("A.B.TIFF", "", "a.b"),
        ("a.b", "", "a.b"),
        ("x.png", "images/one/x.json", "one/x"),
        ("x.png", "images/x.json", "x"),
        ("two/x.png", "", "two/x"),
        ("default/two/x.png", "", "two/x"),
    ],
)
def test_images_are_found_by_what_tools_call_them(told, beside, found):
    known = Known(SCHEMES["binary"], (*NAMES, "x", "one/x", "two/x"))
    assert known.find(told, beside=beside, where="here") == found


def test_a_name_that_may_be_several_images_is_told():
    known = Known(SCHEMES["binary"], ("one/x", "two/x"))
    with pytest.raises(IncmaskError, match="which may be any of one/x, two/x"):
        known.find("x.png", where="here")


def test_classes_have_folders_of_their_own():
    classes = tuple(ClassInfo(name, (0, 0, 0), name) for name in ("a/b", "a_b"))
    assert Scheme("multilabel", classes).folders == ("a_b", "a_b_2")
