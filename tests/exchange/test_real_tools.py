"""Exported labels opened by the tools' own code, compared to the pixel, and taken back from what the tools write.

Each test skips where its tool is not installed; none of them is needed to use or to develop the package.
"""

import json
import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from exchange import SCHEMES, expected, make_loop, submit
from incmask.data.folder.scan import load_dataset
from incmask.data.images.readers import read_label
from incmask.exchange.corrections.export import export_labels
from incmask.exchange.corrections.take_back import import_labels
from incmask.exchange.formats import coco, cvat, label_studio
from incmask.exchange.formats.sheets import IMAGES, LabelSheet
from incmask.exchange.names import UNSURE

# What the tools warn of, and what they leave open, is their own affair.
pytestmark = pytest.mark.filterwarnings("ignore")

TASKS = ["binary", "multiclass", "multilabel"]


def tool(name):
    """Import a tool's module, or skip the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=f"{name.partition('.')[0]} is not installed", exc_type=ImportError)


class Loop:
    """An export of a run for a tool, and the masks that it holds."""

    def __init__(self, root, task, target):
        self.task, self.target = task, target
        self.data, self.run, self.pseudo = make_loop(root, task)
        self.out = root / "out"
        export_labels(self.run, self.out, target=target, least_px=None if target in ("napari", "png") else 1)

    def truth(self, name):
        """The masks of an image by the names of the classes, and the unsure pixels."""
        each = self.pseudo[name]
        sheet = LabelSheet(name, f"{name}.png", each.label, each.inconsistent)
        return {layer.name: layer.mask for layer in sheet.layers(SCHEMES[self.task])}

    def compare(self, found):
        """Compare masks by (image, class); what was not found is empty."""
        assert {name for name, _ in found} == set(self.pseudo)
        for name in self.pseudo:
            truth = self.truth(name)
            assert {in_class for image, in_class in found if image == name} <= set(truth)
            for in_class, mask in truth.items():
                np.testing.assert_array_equal(found.get((name, in_class), np.zeros_like(mask)), mask, (name, in_class))

    def take_back(self, source, target=None):
        """Import what a tool wrote, and compare the labels with those that were exported."""
        target = target or self.target
        done = import_labels(self.run, source, target=target, unchanged="confirm")
        assert set(done.round.names) == set(self.pseudo)
        dataset = load_dataset(self.data)
        labels = {item.name: read_label(item, dataset) for item in dataset.labelled}
        for name, each in self.pseudo.items():
            np.testing.assert_array_equal(labels[f"{done.round.folder.split('/')[-1]}/{name}"], expected(each), name)


def add(found, key, mask):
    found[key] = found[key] | mask if key in found else mask


def polygon_mask(points, size):
    """Fill a polygon as pycocotools does, which CVAT's server and Datumaro use."""
    masks = tool("pycocotools.mask")
    return masks.decode(masks.merge(masks.frPyObjects([np.ravel(points).tolist()], *size))) > 0


@pytest.mark.parametrize("task", TASKS)
def test_pycocotools(tmp_path, task):
    module = tool("pycocotools.coco")
    loop = Loop(tmp_path, task, "coco")
    api = module.COCO(str(loop.out / coco.ANNOTATIONS))
    classes = {each["id"]: each["name"] for each in api.loadCats(api.getCatIds())}
    found = {}
    for image in api.loadImgs(api.getImgIds()):
        name = image["file_name"].removesuffix(".png")
        assert (loop.out / IMAGES / image["file_name"]).is_file()
        for each in api.loadAnns(api.getAnnIds(imgIds=image["id"])):
            add(found, (name, classes[each["category_id"]]), api.annToMask(each) > 0)
            # As most tools write masks back: packed.
            packed = api.annToRLE(each)
            each["segmentation"] = packed | {"counts": packed["counts"].decode()}
    loop.compare(found)
    (loop.out / coco.ANNOTATIONS).write_text(json.dumps(api.dataset))
    loop.take_back(loop.out)


def masks_of_datumaro(dataset):
    kinds = tool("datumaro.components.annotation").AnnotationType
    names = [each.name for each in dataset.categories()[kinds.label]]
    found = {}
    for item in dataset:
        for each in item.annotations:
            if each.type in (kinds.polygon, kinds.mask):
                is_polygon = each.type == kinds.polygon
                mask = polygon_mask(each.points, item.media.size) if is_polygon else each.image > 0
                add(found, (item.id, names[each.label]), mask)
    return found


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("target", "reader"), [("cvat", "cvat"), ("coco", "coco_instances")])
def test_datumaro_s_readers(tmp_path, task, target, reader):
    datasets = tool("datumaro.components.dataset").Dataset
    loop = Loop(tmp_path, task, target)
    source = loop.out / coco.ANNOTATIONS if target == "coco" else loop.out
    loop.compare(masks_of_datumaro(datasets.import_from(str(source), reader)))


@pytest.mark.parametrize("task", TASKS)
def test_cvat_sdk(tmp_path, task):
    models, masks = tool("cvat_sdk.models"), tool("cvat_sdk.masks")
    loop = Loop(tmp_path, task, "cvat")
    labels = [models.PatchedLabelRequest(**each) for each in json.loads((loop.out / "labels.json").read_text())]
    assert [each.name for each in labels] == [*(each.name for each in SCHEMES[task].foreground), UNSURE]
    found = {}
    root = ElementTree.parse(loop.out / cvat.ANNOTATIONS).getroot()
    for image in root.findall("image"):
        size = (int(image.attrib["height"]), int(image.attrib["width"]))
        for shape in image:
            if shape.tag == "mask":
                left, top, width, height = (int(shape.attrib[key]) for key in ("left", "top", "width", "height"))
                lengths = [int(text) for text in shape.attrib["rle"].split(",")]
                encoded = [*lengths, left, top, left + width - 1, top + height - 1]
                mask = masks.decode_mask(encoded, image_width=size[1], image_height=size[0])
                assert masks.encode_mask(mask) == encoded
            else:
                mask = polygon_mask([pair.split(",") for pair in shape.attrib["points"].split(";")], size)
            add(found, (image.attrib["name"].removesuffix(".png"), shape.attrib["label"]), mask)
            # As where a person has turned polygons into masks.
            *lengths, left, top, right, bottom = masks.encode_mask(mask)
            place = {"left": left, "top": top, "width": right - left + 1, "height": bottom - top + 1}
            about = {key: shape.attrib[key] for key in ("label", "source", "occluded", "z_order")}
            shape.attrib.clear()
            shape.attrib.update(about | {key: str(value) for key, value in place.items()})
            shape.set("rle", ", ".join(map(str, lengths)))
            shape.tag = "mask"
    loop.compare(found)
    (loop.out / cvat.ANNOTATIONS).write_bytes(ElementTree.tostring(root))
    loop.take_back(loop.out)


@pytest.mark.parametrize("task", TASKS)
def test_label_studio(tmp_path, task):
    interfaces = tool("label_studio_sdk.label_interface")
    loop = Loop(tmp_path, task, "label-studio")
    interface = interfaces.LabelInterface((loop.out / label_studio.CONFIG).read_text())
    interface.validate()
    found = {}
    for each in json.loads((loop.out / label_studio.TASKS).read_text()):
        (prediction,) = each["predictions"]
        assert interface.validate_prediction(prediction, return_errors=True) == []
        for region in prediction["result"]:
            size = (region["original_height"], region["original_width"])
            points = np.array(region["value"]["points"]) * (size[1] / 100, size[0] / 100)
            key = (each["data"]["name"].removesuffix(".png"), region["value"]["polygonlabels"][0])
            add(found, key, polygon_mask(points, size))
    loop.compare(found)
    submit(loop.out)
    loop.take_back(loop.out)


def test_label_studio_s_check_refuses_its_own_brush_masks(tmp_path):
    """Where this fails, brush masks may be written again."""
    brush, tags = tool("label_studio_sdk.converter.brush"), tool("label_studio_sdk.label_interface.control_tags")
    mask = np.zeros((256, 256), np.uint8)
    mask[5:15, 4:16] = 255
    assert not tags.validate_rle(brush.mask2rle(mask))


@pytest.mark.parametrize("task", TASKS)
def test_label_studio_s_brush_masks_are_taken_back(tmp_path, task):
    brush = tool("label_studio_sdk.converter.brush")
    loop = Loop(tmp_path, task, "label-studio")
    submit(loop.out)
    path = loop.out / label_studio.TASKS
    tasks = json.loads(path.read_text())
    for each in tasks:
        truth = loop.truth(each["data"]["name"].removesuffix(".png"))
        height, width = next(iter(truth.values())).shape
        each["annotations"][0]["result"] = [
            {
                "id": name,
                "type": "brushlabels",
                "from_name": "brush",
                "to_name": "image",
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": {"format": "rle", "rle": brush.mask2rle(mask * np.uint8(255)), "brushlabels": [name]},
            }
            for name, mask in truth.items()
        ]
    path.write_text(json.dumps(tasks))
    loop.take_back(loop.out)


@pytest.mark.parametrize("task", TASKS)
def test_labelme_s_reader(tmp_path, task):
    files, utils = tool("labelme._label_file"), tool("labelme.utils")
    loop = Loop(tmp_path, task, "labelme")
    for name in loop.pseudo:
        path = loop.out / IMAGES / f"{name}.json"
        read = files.read_label_file(str(path))
        truth = loop.truth(name)
        assert {each["label"] for each in read.shapes} <= set(truth)
        assert {each["shape_type"] for each in read.shapes} == {"polygon", "mask"}
        for in_class, mask in truth.items():
            shapes = [each for each in read.shapes if each["label"] == in_class]
            drawn, _ = utils.shapes_to_label(mask.shape, shapes, {in_class: 1})
            np.testing.assert_array_equal(drawn, mask)
        shapes = [each | {"mask": mask_text(utils, each["mask"])} for each in read.shapes]
        files.write_label_file(
            str(path), shapes=shapes, image_path=read.image_path, image_height=mask.shape[0], image_width=mask.shape[1]
        )
    loop.take_back(loop.out)


def mask_text(utils, mask):
    return None if mask is None else utils.img_arr_to_b64(mask.astype(np.uint8))


@pytest.mark.parametrize("task", TASKS)
def test_labelme_itself_opens_and_saves(tmp_path, task, monkeypatch):
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.setenv("HOME", str(tmp_path))
    widgets, app = tool("PyQt5.QtWidgets"), tool("labelme.app")
    running = widgets.QApplication.instance() or widgets.QApplication([])
    loop = Loop(tmp_path, task, "labelme")
    window = app.MainWindow()
    try:
        for name in loop.pseudo:
            path = loop.out / IMAGES / f"{name}.json"
            before = json.loads(path.read_text())
            window._load_file(str(path))
            running.processEvents()
            path.unlink()
            assert window.save_labels(str(path))
            after = json.loads(path.read_text())
            assert len(after["shapes"]) == len(before["shapes"]) > 1
    finally:
        window.close()
    loop.take_back(loop.out)


@pytest.mark.parametrize("task", TASKS)
def test_napari(tmp_path, task, monkeypatch):
    monkeypatch.setenv("NAPARI_CONFIG", str(tmp_path / "napari.yaml"))
    plugins, models = tool("napari.plugins"), tool("napari.components")
    plugins._initialize_plugins()
    loop = Loop(tmp_path, task, "napari")
    viewer = models.ViewerModel()
    found = {}
    folders = SCHEMES[task].folders if task == "multilabel" else [""]
    for name in loop.pseudo:
        for folder in (*(Path("labels") / each for each in folders), Path(UNSURE)):
            path = loop.out / folder / f"{name}.tif"
            (layer,) = viewer.open(str(path), plugin="napari")
            assert type(layer).__name__ == "Labels"
            if folder == Path(UNSURE):
                found[name, UNSURE] = layer.data > 0
            elif task == "multilabel":
                found[name, folder.name] = layer.data > 0
            else:
                for number, info in enumerate(SCHEMES[task].foreground, start=1):
                    found[name, info.name] = layer.data == number
            path.unlink()
            assert layer.save(str(path), plugin="napari") == [str(path)]
        (image,) = viewer.open(str(loop.out / IMAGES / f"{name}.png"), plugin="napari")
        assert type(image).__name__ == "Image"
        assert image.data.shape == loop.pseudo[name].inconsistent.shape
    loop.compare(found)
    loop.take_back(loop.out)
