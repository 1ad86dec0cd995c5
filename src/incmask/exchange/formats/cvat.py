"""CVAT for images 1.1: an XML file with a polygon for each object, and a mask for those with holes."""

import json
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from incmask.base.caller import option
from incmask.base.errors import Problem, collected, fail, raise_problems
from incmask.base.files import write_bytes
from incmask.data.dataset import Scheme
from incmask.data.images.decode import MAX_PIXELS
from incmask.exchange.formats.annotations import Annotated, Annotations, Finder, corrected
from incmask.exchange.formats.coco_polygon import coco_polygon
from incmask.exchange.formats.common import Files, files_ending
from incmask.exchange.formats.objects import Object, objects_of, run_lengths
from incmask.exchange.formats.shapes import Area, NamedArea, Pixels
from incmask.exchange.formats.sheets import Corrected, Known, LabelSheet, hex_colours

ANNOTATIONS = "annotations.xml"
AGAIN = "export the task again as CVAT for images 1.1"
_NO_AREA = ("polyline", "points", "tag")

HOW_TO = f"""\
Create a task in CVAT with the files of images/ and the labels of labels.json ("Raw" in the constructor), then
"Upload annotations" with {ANNOTATIONS} as CVAT 1.1. Correct the shapes and export the task as "CVAT for images 1.1".
"""


def write(sheets: Iterable[LabelSheet], folder: Path, scheme: Scheme) -> None:
    """Write one file for all images, and the labels for CVAT's constructor."""
    told = hex_colours(scheme)
    labels = [{"name": name, "color": colour, "type": "any", "attributes": []} for name, colour in told.items()]
    write_bytes(folder / "labels.json", json.dumps(labels, ensure_ascii=False, indent=1).encode())
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    task = SubElement(SubElement(root, "meta"), "task")
    size = SubElement(task, "size")
    SubElement(task, "mode").text = "annotation"
    SubElement(task, "overlap").text = "0"
    listed = SubElement(task, "labels")
    for name, colour in told.items():
        label = SubElement(listed, "label")
        for tag, text in (("name", name), ("color", colour), ("type", "any"), ("attributes", "")):
            SubElement(label, tag).text = text
    num = 0
    for num, sheet in enumerate(sheets, start=1):
        height, width = sheet.size
        about = {"id": str(num - 1), "name": sheet.file, "width": str(width), "height": str(height)}
        image = SubElement(root, "image", about)
        for z_order, layer in enumerate(sheet.layers(scheme)):
            for each in objects_of(layer.mask, layer.ids):
                tag, where = _shape(each)
                about = {"label": layer.name, "source": "auto", "occluded": "0", "z_order": str(z_order)}
                SubElement(image, tag, about | where)
    size.text = str(num)
    ElementTree.indent(root)
    write_bytes(folder / ANNOTATIONS, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def is_cvat(content: bytes) -> bool:
    """Tell whether an XML file's content is of CVAT for images."""
    return b"<annotations>" in content and b"<image " in content


def read(files: Files, known: Known) -> Corrected:
    """Read CVAT's files for images; an image without shapes shows background only."""
    if not files_ending(files, ".xml"):
        raise fail(
            option("from", "cvat"), "found no XML file", "give annotations.xml, or the archive that CVAT exported"
        )
    return corrected(parse(files, known), known)


def parse(files: Files, finder: Finder) -> Annotations:
    """Read what CVAT's files tell of the images that they list; points, lines and tags are left out.

    Raises:
        IncmaskError: a file breaks the format, or names images that are not there; all problems are told.
    """
    problems: list[Problem] = []
    images: dict[str, Annotated] = {}
    num_flat = 0
    for path, entry in files_ending(files, ".xml").items():
        where = str(entry.where)
        for image in _images(entry.read(), where):
            told = image.get("name", "")
            at = f"{where}: image {told}"
            with collected(problems):
                name = finder.find(told, beside=path, where=at)
                if name in images:
                    raise fail(at, f"stands for {name} a second time", "keep one of the two")
                size = (_number(image, "height", at), _number(image, "width", at))
                images[name] = Annotated(at, tuple(_areas(image, size, at)), size)
            num_flat += sum(shape.tag in _NO_AREA for shape in image)
    raise_problems(problems)
    notes = (f"left out, as they have no area: {num_flat:,} points, lines and tags",) if num_flat else ()
    return Annotations(images, notes=notes)


def _shape(each: Object) -> tuple[str, dict[str, str]]:
    if each.outline is not None:
        return "polygon", {"points": ";".join(f"{x:.2f},{y:.2f}" for x, y in each.outline)}
    box = each.pixels.box
    height, width = box.size
    rle = ", ".join(map(str, run_lengths(each.pixels.mask)))
    place = {"left": box.left, "top": box.top, "width": width, "height": height}
    return "mask", {"rle": rle} | {key: str(value) for key, value in place.items()}


def _images(content: bytes, where: str) -> list[Element]:
    try:
        text = content.decode("utf-8-sig")
        # A document type may hold entities that grow beyond any memory; CVAT writes none.
        if "<!DOCTYPE" in text:
            raise fail(where, "has a document type, which CVAT does not write", AGAIN)
        root = ElementTree.fromstring(text)  # noqa: S314 - no document type, so no entity
    except (UnicodeDecodeError, ElementTree.ParseError) as error:
        raise fail(where, f"is no readable XML file ({error})", AGAIN) from error
    images = root.findall("image")
    if root.tag != "annotations" or not images:
        what = "is of a video" if root.find("track") is not None else "lists no images"
        raise fail(where, what, AGAIN)
    return images


def _areas(image: Element, size: tuple[int, int], where: str) -> list[NamedArea]:
    """Give the areas of an image, those that lie on top last."""
    areas: list[tuple[int, NamedArea]] = []
    problems: list[Problem] = []
    for index, shape in enumerate(image):
        if shape.tag in _NO_AREA:
            continue
        name = shape.get("label", "")
        at = f"{where}: {shape.tag} {index} ({name})"
        with collected(problems):
            order = _number(shape, "z_order", at) if shape.get("z_order") else 0
            areas.append((order, NamedArea(name, _area(shape, size, at))))
    raise_problems(problems)
    return [area for _, area in sorted(areas, key=lambda each: each[0])]


def _area(shape: Element, size: tuple[int, int], where: str) -> Area:
    if shape.tag == "polygon":
        corners = [_decimals(pair.split(","), where) for pair in shape.get("points", "").split(";")]
        if len(corners) < 3 or {len(corner) for corner in corners} != {2}:
            raise fail(where, "is no polygon of three or more corners", "draw it again")
        return coco_polygon(np.array(corners, np.float64))
    if shape.tag == "box" and _decimals([shape.get("rotation", "0")], where) == [0]:
        left, top, right, bottom = _decimals([shape.get(key, "") for key in ("xtl", "ytl", "xbr", "ybr")], where)
        return coco_polygon(np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64))
    if shape.tag == "mask":
        return _mask(shape, size, where)
    raise fail(where, "is no polygon, mask or upright box", "convert it to a polygon or mask in CVAT")


def _mask(shape: Element, size: tuple[int, int], where: str) -> Pixels:
    top, left, height, width = (_number(shape, key, where) for key in ("top", "left", "height", "width"))
    lengths = [_whole(text, where) for text in shape.get("rle", "").split(",")]
    # Memory is taken for no more than the image has.
    if top + height > size[0] or left + width > size[1] or sum(lengths) != height * width:
        what = f"has run lengths of {sum(lengths)} pixels in a box of {width}×{height} at column {left}, row {top}"
        raise fail(where, f"{what}, in an image of {size[1]}×{size[0]}", AGAIN)
    values = np.repeat(np.arange(len(lengths)) % 2 > 0, lengths)
    return Pixels(values.reshape(height, width), top, left)


def _number(element: Element, key: str, where: str) -> int:
    return _whole(element.get(key, ""), f"{where}: {key}")


def _whole(text: str, where: str) -> int:
    if not (text.strip().isascii() and text.strip().isdigit()) or len(text) > 12 or int(text) > MAX_PIXELS:
        raise fail(where, f"is {text[:40]!r} where a whole number is expected", AGAIN)
    return int(text)


def _decimals(texts: list[str], where: str) -> list[float]:
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        numbers = [float("nan")]
    if not np.isfinite(numbers).all():
        raise fail(where, "has coordinates that are no numbers", AGAIN)
    return numbers
