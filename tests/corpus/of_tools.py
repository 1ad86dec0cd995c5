"""Situations as annotation tools and programs write them."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tifffile
from of_formats import SQUARE, foreign, square
from of_objects import COUNTED, LINE, WORDS, squares
from of_values import NAMES, disc, folder, grey, images, labels, path_of, save
from PIL import Image
from situations import MASKS, Outcome, Right, Told, situation


@foreign()
def cvat_for_images(root: Path) -> Outcome:
    """CVAT's XML: polygons, boxes and masks; a tag has no area."""
    for number in range(2):
        save(root / f"images/a{number}.png", grey(number))
    polygon = ";".join(f"{x}.00,{y}.00" for x, y in SQUARE)
    shape = {
        0: f'<polygon label="cell" points="{polygon}" z_order="0"/><tag label="good"/>',
        1: '<mask label="cell" rle="0, 1024" left="8" top="8" width="32" height="32" z_order="0"/>',
    }
    pictures = "".join(f'<image id="{n}" name="a{n}.png" width="64" height="64">{shape[n]}</image>' for n in shape)
    (root / "annotations.xml").write_text(f"<annotations><version>1.1</version>{pictures}</annotations>")
    return Right({"a0": square(), "a1": square()}, said=("left out, as they have no area: 1 points, lines and tags",))


@foreign()
def voc_boxes(root: Path) -> Outcome:
    """XML of boxes is named, as boxes are no masks."""
    for number in range(2):
        save(root / f"a{number}.png", grey(number))
        box = "<bndbox><xmin>8</xmin><ymin>8</ymin><xmax>40</xmax><ymax>40</ymax></bndbox>"
        (root / f"a{number}.xml").write_text(f"<annotation><object><name>cell</name>{box}</object></annotation>")
    return Told(("is of Pascal VOC, which tells of boxes alone",))


@foreign()
def label_studio_tasks(root: Path) -> Outcome:
    """The export as JSON, whose images have the name that they were given when they were uploaded."""
    corners = [[x / 0.64, y / 0.64] for x, y in SQUARE]
    tasks = []
    for number in range(2):
        save(root / f"a{number}.png", grey(number))
        value = {"points": corners, "closed": True, "polygonlabels": ["cell"]}
        result = {"type": "polygonlabels", "original_width": 64, "original_height": 64, "value": value}
        data = {"image": f"/data/upload/1/0a1b2c3{number}-a{number}.png"}
        tasks.append({"id": number, "data": data, "annotations": [{"result": [result], "was_cancelled": False}]})
    (root / "project-1.json").write_text(json.dumps(tasks))
    return Right({"a0": square(), "a1": square()})


@foreign()
def label_studio_without_annotations(root: Path) -> Outcome:
    """Tasks that nobody submitted."""
    save(root / "a0.png", grey(0))
    (root / "project-1.json").write_text(json.dumps([{"id": 1, "data": {"image": "a0.png"}, "annotations": []}]))
    return Told(("holds 1 task, none of them annotated",))


@foreign()
def qupath_geojson(root: Path) -> Outcome:
    """QuPath's GeoJSON, a polygon with its classification."""
    for number in range(2):
        save(root / f"a{number}.png", grey(number))
        about = {"objectType": "annotation", "classification": {"name": "Tumor", "color": [200, 0, 0]}}
        shape = {"type": "Polygon", "coordinates": [[*SQUARE, SQUARE[0]]]}
        features = [{"type": "Feature", "id": "x", "geometry": shape, "properties": about}]
        (root / f"a{number}.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return Right({"a0": square(), "a1": square()})


@situation()
def qupath_tiles(root: Path) -> Outcome:
    """QuPath's exported tiles: places in names, and -labelled behind those of masks."""
    found = {}
    for number in range(3):
        name = f"slide 1 [x={64 * number},y=0,w=64,h=64]"
        save(root / f"{name}.png", grey(number))
        save(root / f"{name}-labelled.png", disc(number) * 255)
        found[name] = disc(number)
    return Right(found)


@situation(*MASKS, "python")
def imagej_inverting_table(root: Path) -> Outcome:
    """ImageJ's masks in PNG, whose table shows 255, the object, in black."""

    def mask(path: Path, number: int) -> None:
        picture = Image.fromarray(disc(number))
        picture.putpalette([255, 255, 255, 0, 0, 0])
        picture.save(path_of(path))

    folder(root, mask=mask)
    return Right(labels())


@situation()
def imagej_channels(root: Path) -> Outcome:
    """ImageJ's file of several channels is an image of so many."""

    def image(path: Path, number: int) -> None:
        planes = np.stack([grey(number), grey(number + 4)])
        tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "CYX"})

    (root / "labelled" / "images").mkdir(parents=True)
    folder(root, image=image, ending="tif")
    return Right(labels(), images(lambda number: np.dstack([grey(number), grey(number + 4)])), within=0)


@situation()
def imagej_slices(root: Path) -> Outcome:
    """A stack of slices with masks of one slice is refused by name, with what to do."""
    (root / "labelled" / "images").mkdir(parents=True)
    planes = np.stack([grey(0), grey(1), grey(2)])
    folder(
        root, image=lambda path, _: tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "ZYX"}), ending="tif"
    )
    pages = Told(("is a TIFF of 3 pages; one page a file is read", "save each page as a file of its own"))
    flat = Told(("a0.png: is an image, but a0.tif a volume; export the mask on the grid of its image",))
    return {"check": flat, "stack": flat, "prepare": pages, "predict": pages}


@situation(*MASKS)
def imagej_regions(root: Path) -> Outcome:
    """Regions of ImageJ without masks: told how to draw them."""
    for number in range(2):
        save(root / f"a{number}.tif", grey(number))
        (root / f"a{number}.roi").write_bytes(b"Iout")
    told = Told(("regions of ImageJ: draw them as masks, with Edit > Selection > Create Mask",))
    return {"check": told, "stack": told, "prepare": Told(("holds 2 images but no masks for them",))}


@situation(*MASKS, "python")
def napari_labels(root: Path) -> Outcome:
    """napari's layer of labels, whole numbers of 64 bits, beside its image."""
    (root / "labelled" / "masks").mkdir(parents=True)
    folder(root, mask=lambda path, number: tifffile.imwrite(path.with_suffix(".tif"), disc(number).astype(np.int64)))
    return Right(labels())


@situation(*MASKS)
def cellpose_folder(root: Path) -> Outcome:
    """All that cellpose leaves beside images: masks with a number for each cell, outlines, and its own arrays."""
    masks = {name: squares(*row) for name, row in zip(NAMES, COUNTED, strict=True)}
    for number, (name, mask) in enumerate(masks.items()):
        save(root / f"{name}.tif", grey(number))
        save(root / f"{name}_cp_masks.png", mask)
        (root / f"{name}_cp_outlines.txt").write_text("1,2,3,4\n")
        np.save(root / f"{name}_seg.npy", mask)
    return Told(WORDS, LINE, Right({name: mask.astype(np.uint8) for name, mask in masks.items()}, num_classes=5))


@situation(*MASKS)
def micro_sam_objects(root: Path) -> Outcome:
    """micro-sam's committed objects in 32 bits, in folders of their own."""
    masks = {name: squares(*row) for name, row in zip(NAMES, COUNTED, strict=True)}
    folder(root, mask=lambda path, number: save(path.with_suffix(".tif"), masks[NAMES[number]].astype(np.uint32)))
    return Told(WORDS, LINE, Right({name: mask.astype(np.uint8) for name, mask in masks.items()}, num_classes=5))


def _gdal(root: Path, value: int, dtype: type) -> None:
    (root / "labelled" / "masks").mkdir(parents=True)

    def mask(path: Path, number: int) -> None:
        array = disc(number).astype(dtype)
        array[:6] = value
        tifffile.imwrite(path.with_suffix(".tif"), array, extratags=[(42113, "s", 0, str(value), True)])

    folder(root, mask=mask)


def _unlabelled_above() -> dict[str, np.ndarray]:
    found = labels()
    for label in found.values():
        label[:6] = 255
    return found


@situation(*MASKS)
def gdal_labels_without_data(root: Path) -> Outcome:
    """Label rasters of 16 bits whose tag names -9999: no label there."""
    _gdal(root, -9999, np.int16)
    return Right(_unlabelled_above())


@situation(*MASKS)
def gdal_labels_with_255(root: Path) -> Outcome:
    """The same in bytes, with 255."""
    _gdal(root, 255, np.uint8)
    return Right(_unlabelled_above())


@situation(*MASKS)
def gdal_labels_with_0(root: Path) -> Outcome:
    """A tag that names 0, as gdal_rasterize writes it: background, as in all masks."""
    _gdal(root, 0, np.uint8)
    return Right(labels())


@situation(*MASKS)
def roboflow_yolo(root: Path) -> Mapping[str, Outcome]:
    """Roboflow's polygons of YOLO: folders of parts above those of images and labels, names in a line."""
    corners = " ".join(f"{value / 64:.6f}" for point in SQUARE for value in point)
    for number, part in enumerate(("train", "train", "valid")):
        save(root / part / "images" / f"a{number}_jpg.rf.12.jpg", np.dstack([grey(number)] * 3))
        path = root / part / "labels" / f"a{number}_jpg.rf.12.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number % 2} {corners}\n")
    (root / "data.yaml").write_text("train: ../train/images\nval: ../valid/images\n\nnc: 2\nnames: ['cell', 'other']\n")
    told = Told(("if the .txt files are polygons of YOLO",))
    found = {f"a{number}_jpg.rf.12": square() * (1 + number % 2) for number in range(3)}
    parts = {"a0_jpg.rf.12": "labelled", "a2_jpg.rf.12": "val"}
    return {"check": told, "stack": told, "prepare": Right(found, num_classes=3, parts=parts)}


@situation(*MASKS)
def yolo_boxes(root: Path) -> Mapping[str, Outcome]:
    """Boxes alone are named, as they are no masks."""
    save(root / "images" / "a0.png", grey(0))
    (root / "labels").mkdir()
    (root / "labels" / "a0.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    told = Told(("if the .txt files are polygons of YOLO",))
    return {"check": told, "stack": told, "prepare": Told(("has boxes, where polygons are expected",))}


@situation(*MASKS)
def kaggle_run_lengths(root: Path) -> Mapping[str, Outcome]:
    """Run lengths in a table, whose order of pixels differs between competitions: told."""
    save(root / "train" / "a0.png", grey(0))
    (root / "train.csv").write_text("ImageId,EncodedPixels\na0.png,1 3 10 5\n")
    told = Told(("run lengths, as Kaggle has them, have to be drawn as masks",))
    return {"check": told, "stack": told, "prepare": Told(("holds 1 image but no masks for them",))}


@foreign()
def sam_run_lengths(root: Path) -> Outcome:
    """Run lengths of COCO as text, which SAM and pycocotools write; pycocotools reads the same."""
    label = disc(2)
    text = _compressed(label)
    for number in range(2):
        save(root / f"a{number}.png", grey(number))
    areas = [{"id": n, "image_id": n, "category_id": 1, "segmentation": text} for n in range(2)]
    listed = [{"id": n, "file_name": f"a{n}.png", "height": 64, "width": 64} for n in range(2)]
    sheet = {"images": listed, "annotations": areas, "categories": [{"id": 1, "name": "cell"}]}
    (root / "sam.json").write_text(json.dumps(sheet))
    return Right({"a0": label, "a1": label})


def _compressed(label: np.ndarray) -> dict[str, object]:
    """Write run lengths as text, worked out by itself: columns first, groups of 5 bits, differences from the third."""
    flat = label.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff([0, *edges, len(flat)]).tolist()
    text = ""
    for index, length in enumerate(lengths):
        value = length - (lengths[index - 2] if index > 2 else 0)
        while True:
            group, value = value & 31, value >> 5
            is_last = value == (-1 if group & 16 else 0)
            text += chr(48 + group + (0 if is_last else 32))
            if is_last:
                break
    return {"size": [64, 64], "counts": text}


def enter_unknown() -> None:
    """Enter what tools write in other ways than those that are read."""
    track = '<track id="0" label="cell"><polygon frame="0" points="8,8;40,8;40,40"/></track>'
    region = '<Annotation Id="1"><Regions><Region Id="1"><Vertices><Vertex X="1" Y="1"/></Vertices></Region></Regions>'
    flat = [float(value) for point in SQUARE for value in point]
    listed = [{"id": 0, "file_name": "a0.png", "height": 64, "width": 64}]
    area = {"0": {"id": 0, "image_id": 0, "category_id": 1, "segmentation": [flat]}}
    for name, about, file, text in (
        (
            "cvat_for_video",
            "CVAT's XML of a video, with tracks",
            "annotations.xml",
            f"<annotations>{track}</annotations>",
        ),
        (
            "aperio_regions",
            "Regions of Aperio's ImageScope",
            "a0.xml",
            f"<Annotations>{region}</Annotation></Annotations>",
        ),
        (
            "livecell",
            "COCO whose annotations are a mapping, as LIVECell has them",
            "livecell.json",
            json.dumps({"images": listed, "annotations": area, "categories": [{"id": 1, "name": "cell"}]}),
        ),
        (
            "label_studio_min",
            "Label Studio's JSON-MIN",
            "project.json",
            json.dumps([{"id": 0, "image": "/data/upload/1/0a-a0.png", "label": [{"points": SQUARE}], "annotator": 1}]),
        ),
    ):

        def write(root: Path, file: str = file, text: str = text) -> Outcome:
            save(root / "a0.png", grey(0))
            (root / file).write_text(text)
            return Told(("annotations of no kind that is read: export them as COCO",))

        write.__name__, write.__doc__ = name, f"{about}: named, with what to export."
        foreign()(write)


enter_unknown()
