"""Situations as labelme writes them; its own converter says what is right."""

import base64
import io
import json
import zlib
from pathlib import Path

import numpy as np
from of_formats import SQUARE, foreign
from of_values import NAMES, disc, grey, save
from PIL import Image
from situations import MASKS, Outcome, Right, Told, situation

CURVED = {
    "polygon": [[10.6, 5.2], [50.9, 12.4], [41.3, 44.8], [22.7, 30.1], [5.5, 48.6]],
    "circle": [[32.4, 30.7], [40.1, 42.9]],
    "oriented_rectangle": [[20.3, 6.1], [50.2, 20.7], [43.6, 34.2], [13.7, 19.6]],
}
STORED = {
    "polygon": "c-qC#%MHRX5CqVT9N{A+gicInc4;ofCFGbx$gqP4fe=C5vXb=<{;YS*{;Z2kMXnOFM5P(P(?z0vSob9;JKArzm&3d3H*a#u{O5o"
    "<b=%afkp`5&34`}|=x=7~cT?-0sh^FMd#x|?aUw&xx{56-#*-ZF*t!D@S(+&",
    "circle": "c-muN7;wP<0YcmVfzbc|gDJ-U{~JIw^Z)+`Ks5XR{|~^*|NjSTkpKVx2QqE{|NkFky8i$Ff0WSZ=AqjMa|g^_Fn7Y-4f6-wUod|TD"
    "gXd^6jQ|",
    "oriented_rectangle": "c-rO8u@!(Y2n0~_EU<I}8O4>{z>MZ7j$oO>motIO0M^p{f_n!dUuUK(wH$62eZm97(*<tofdpXK15>lm+SDd;>~VQd1d"
    "VF!J&@y2Tr{fQ(*u>C@H3-Y!bD}Ki~MF@r;9<F",
}
"""What labelme 6.3.1's ``shape_to_mask`` fills on 64×64 pixels, packed."""


def stored(kind: str) -> np.ndarray:
    """Give what labelme fills: (64, 64) uint8."""
    return np.unpackbits(np.frombuffer(zlib.decompress(base64.b85decode(STORED[kind])), np.uint8)).reshape(64, 64)


def drawn(first: int = 8, last: int = 40) -> np.ndarray:
    """Give the mask of a square as labelme fills it: with its last column and row."""
    mask = np.zeros((64, 64), np.uint8)
    mask[first : last + 1, first : last + 1] = 1
    return mask


def shape(kind: str, points: object, name: str = "cell", **more: object) -> dict[str, object]:
    """Give a shape as labelme writes it."""
    return {"label": name, "points": points, "shape_type": kind, "group_id": None, "flags": {}, **more}


def labelme(root: Path, *shapes: dict[str, object], path: str = "{}", **more: object) -> None:
    """Write the same annotation of two images."""
    for number in range(2):
        save(root / f"a{number}.png", grey(number))
        text = {"version": "5.5.0", "flags": {}, "imageHeight": 64, "imageWidth": 64, "imageData": None}
        text |= {"shapes": [*shapes], "imagePath": path.format(f"a{number}.png"), **more}
        (root / f"a{number}.json").write_text(json.dumps(text))


def of_both(label: np.ndarray, **more: object) -> Right:
    """Give what is right where both images have one label."""
    return Right({"a0": label, "a1": label}, **more)


def enter_curved() -> None:
    """Enter shapes whose corners lie anywhere."""
    for kind in CURVED:

        def write(root: Path, kind: str = kind) -> Outcome:
            labelme(root, shape(kind, CURVED[kind]))
            return of_both(stored(kind))

        write.__name__, write.__doc__ = f"labelme_{kind}", f"A {kind} whose corners lie between pixels."
        foreign()(write)


enter_curved()


def _named(root: Path, *names: str) -> None:
    for number, name in enumerate(NAMES):
        save(root / f"{name}.png", grey(number))
        text = {"imagePath": f"{name}.png", "imageHeight": 64, "imageWidth": 64}
        text |= {"shapes": [{"label": names[number % len(names)], "points": SQUARE}]}
        (root / f"{name}.json").write_text(json.dumps(text))


@foreign()
def labelme_capitals(root: Path) -> Outcome:
    """Cell and cell are one class, and that is said with the line that keeps them apart."""
    _named(root, "Cell", "cell", "cell ", "cell")
    said = ("'Cell' as 'cell'", 'write classes = [{name = "Cell"}, {name = "cell"}, {name = "cell "}]')
    return Right(dict.fromkeys(NAMES, drawn()), said=said)


@foreign()
def labelme_capitals_apart(root: Path) -> Outcome:
    """Two classes, where a person names both."""
    _named(root, "Cell", "cell")
    (root / "incmask.toml").write_text('[data]\nclasses = [{name = "Cell"}, {name = "cell"}]\n')
    return Right({name: drawn() * (1 + number % 2) for number, name in enumerate(NAMES)}, num_classes=3)


@foreign()
def labelme_on_windows(root: Path) -> Outcome:
    """Paths of images as Windows writes them, in another folder."""
    labelme(root, shape("polygon", SQUARE), path="..\\pictures\\{}")
    return of_both(drawn())


@foreign()
def labelme_rectangles_and_points(root: Path) -> Outcome:
    """Two corners in any order are a rectangle; points and lines have no area and are told."""
    lines = shape("line", [[1, 1], [60, 3]]), shape("linestrip", [[1, 1], [60, 3], [3, 60]])
    labelme(root, shape("rectangle", [[40.9, 8.2], [8.1, 40.3]]), shape("point", [[3, 3]]), *lines)
    return of_both(drawn(), said=("left out, as they have no area: 6 points and lines",))


@foreign()
def labelme_lines_alone(root: Path) -> Outcome:
    """Nothing but what has no area."""
    labelme(root, shape("linestrip", [[1, 1], [60, 3], [3, 60]]))
    return Told(("holds no annotated areas of any class (left out, as they have no area: 2 points and lines)",))


@foreign()
def labelme_with_the_image_inside(root: Path) -> Outcome:
    """Files that hold their images, which lie nowhere else."""
    labelme(root, shape("polygon", SQUARE), imageData="iVBORw0KGgo=")
    for number in range(2):
        (root / f"a{number}.png").unlink()
    return Told(("names the image a0, which is not there", "write out the copy that the file holds"))


@foreign()
def labelme_mask_that_was_moved(root: Path) -> Outcome:
    """A mask whose box lies between pixels, since it was moved: the pixels in which its corners lie."""
    file = io.BytesIO()
    Image.fromarray(disc(0)[11:30, 15:34] > 0).save(file, format="PNG")
    pixels = base64.b64encode(file.getvalue()).decode()
    labelme(root, shape("mask", [[15.7, 12.9], [33.7, 30.9]], mask=pixels))
    return of_both(np.roll(disc(0), 1, 0))


@foreign()
def labelme_ignored(root: Path) -> Outcome:
    """What is called __ignore__ has no label."""
    labelme(root, shape("polygon", SQUARE), shape("polygon", [[0, 0], [64, 0], [64, 3], [0, 3]], "__ignore__"))
    label = drawn()
    label[:4] = 255
    return of_both(label)


@foreign()
def labelme_background(root: Path) -> Outcome:
    """What is called _background_ takes away what was drawn before."""
    labelme(root, shape("polygon", SQUARE), shape("polygon", [[8, 8], [20, 8], [20, 20], [8, 20]], "_background_"))
    return of_both(drawn() - drawn(8, 20))


@foreign()
def labelme_holes_by_order(root: Path) -> Outcome:
    """A class that lies over another takes its pixels."""
    labelme(root, shape("polygon", SQUARE), shape("polygon", [[8, 8], [20, 8], [20, 20], [8, 20]], "hole"))
    return of_both(np.dstack([drawn(), drawn(8, 20)]), num_classes=2, said=("classes overlap",))


@situation(*MASKS)
def labelme2voc(root: Path) -> Outcome:
    """The folders of labelme's own script: masks as PNG beside copies as arrays and drawings."""
    labels = {}
    for number in range(2):
        label = disc(number) * np.uint8(1 + number)
        save(root / f"JPEGImages/a{number}.jpg", grey(number))
        picture = Image.fromarray(label)
        picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [7, 8, 9] * 253)
        (root / "SegmentationClass").mkdir(exist_ok=True)
        picture.save(root / f"SegmentationClass/a{number}.png")
        np.save(root / f"SegmentationClass/a{number}.npy", label)
        save(root / f"SegmentationClassVisualization/a{number}.jpg", grey(number))
        labels[f"a{number}"] = label
    (root / "class_names.txt").write_text("_background_\ncell\nnucleus\n")
    return Right(labels, num_classes=3)
