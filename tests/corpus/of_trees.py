"""Situations in which the folders of a tool or of a public data set lie in each other otherwise than ours."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from of_values import disc, grey, save
from PIL import Image
from situations import MASKS, Outcome, Right, Told, situation


def put(image: Path, mask: Path | None, number: int, *, value: int = 255) -> None:
    """Write an image and its mask."""
    save(image, grey(number))
    if mask is not None:
        save(mask, disc(number) * value)


def right(num: int, *, parts: dict[str, str], said: tuple[str, ...] = ()) -> Right:
    """Give what is right for images a0, a1, … of which the first ``num`` have masks."""
    images = {f"a{number}": grey(number)[..., None] for number in range(len(parts))}
    return Right({f"a{number}": disc(number) for number in range(num)}, images, within=0, parts=parts, said=said)


PARTS = {"a0": "labelled", "a1": "labelled", "a2": "val"}


def _in_parts(root: Path, images: str, masks: str, *, words: tuple[str, str]) -> Outcome:
    for number, part in enumerate((words[0], words[0], words[1])):
        put(root / images.format(part) / f"a{number}.png", root / masks.format(part) / f"a{number}.png", number)
    return right(3, parts=PARTS)


@situation()
def parts_below_images(root: Path) -> Outcome:
    """As ADE20K has them."""
    return _in_parts(root, "images/{}", "annotations/{}", words=("training", "validation"))


@situation()
def mmsegmentation(root: Path) -> Outcome:
    """img_dir and ann_dir; without masks to test on."""
    put(root / "img_dir/test/a3.png", None, 3)
    _in_parts(root, "img_dir/{}", "ann_dir/{}", words=("train", "val"))
    return right(3, parts={**PARTS, "a3": "unlabelled"})


@situation()
def parts_in_names_of_folders(root: Path) -> Outcome:
    """As Kaggle's competitions have them."""
    return _in_parts(root, "{}_images", "{}_masks", words=("train", "val"))


@situation()
def carvana(root: Path) -> Outcome:
    """A folder of images alone beside one of masks."""
    return _in_parts(root, "{}", "{}_masks", words=("train", "val"))


@situation()
def camvid(root: Path) -> Outcome:
    """The same, otherwise called."""
    return _in_parts(root, "{}", "{}annot", words=("train", "val"))


@situation(*MASKS)
def one_folder_of_masks_for_all_parts(root: Path) -> Outcome:
    """Images are split, their masks are not."""
    return _in_parts(root, "images/{}", "masks", words=("train", "val"))


@situation()
def nnu_net(root: Path) -> Outcome:
    """imagesTr, labelsTr and imagesTs, with the number of the channel behind an image's name."""
    for number in range(3):
        test = number == 2
        put(root / f"images{'Ts' if test else 'Tr'}/a{number}_0000.png", None, number)
        if not test:
            save(root / f"labelsTr/a{number}.png", disc(number))
    (root / "dataset.json").write_text('{"channel_names": {"0": "grey"}, "labels": {"background": 0, "cell": 1}}')
    labels = {f"a{number}_0000": disc(number) for number in range(2)}
    parts = {"a0_0000": "labelled", "a1_0000": "labelled", "a2_0000": "unlabelled"}
    return Right(labels, {"a2_0000": grey(2)[..., None]}, within=0, parts=parts)


@situation(*MASKS)
def nnu_net_with_names(root: Path) -> Outcome:
    """Class names and the value without a label, as version 2 has them."""
    labels = {}
    for number in range(2):
        save(root / f"imagesTr/a{number}_0000.png", grey(number))
        label = disc(number) * np.uint8(1 + number)
        label[0] = 3
        save(root / f"labelsTr/a{number}.png", label)
        labels[f"a{number}_0000"] = np.where(label == 3, 255, label).astype(np.uint8)
    told = {"background": 0, "cell": 1, "nucleus": 2, "ignore": 3}
    (root / "dataset.json").write_text(json.dumps({"channel_names": {"0": "grey"}, "labels": told}))
    return Right(labels, num_classes=3, said=("dataset.json names the classes: background, cell, nucleus",))


def _channels(root: Path) -> None:
    for number in range(3):
        for channel in range(2):
            folder = f"images{'Ts' if number == 2 else 'Tr'}"
            save(root / folder / f"a{number}_000{channel}.png", grey(number + 4 * channel))
    for number in range(2):
        save(root / f"labelsTr/a{number}.png", disc(number))
    told = {"modality": {"0": "T1", "1": "T2"}, "labels": {"0": "background", "1": "cell"}}
    (root / "dataset.json").write_text(json.dumps(told))


@situation()
def nnu_net_of_two_channels(root: Path) -> Mapping[str, Outcome]:
    """A file for each channel, and names as version 1 has them: prepare joins them, and so does predict."""
    _channels(root)
    told = Told(("has a file for each channel of an image, as nnU-Net; `incmask prepare folder SRC DST`",))
    images = {f"a{number}": np.dstack([grey(number), grey(number + 4)]) for number in range(3)}
    parts = {"a0": "labelled", "a1": "labelled", "a2": "unlabelled"}
    joined = Right({f"a{number}": disc(number) for number in range(2)}, images, within=0, parts=parts)
    predicted = Right({}, images, within=0, said=("3 images of 2 files each, one a channel, such as",))
    return {"check": told, "stack": told, "prepare": joined, "predict": predicted}


@situation("prepare")
def nnu_net_without_a_channel(root: Path) -> Outcome:
    """An image lacks one."""
    _channels(root)
    (root / "imagesTr" / "a1_0001.png").unlink()
    return Told(("a1_0000.png: lacks channel 0001 beside it; add its file",))


@situation(*MASKS)
def cvat_segmentation_mask(root: Path) -> Outcome:
    """CVAT's export: masks in colours, objects in other colours, names of the colours in labelmap.txt."""
    labels = {}
    for number in range(2):
        save(root / f"JPEGImages/a{number}.png", grey(number))
        labels[f"a{number}"] = disc(number) * np.uint8(1 + number)
        table = np.array([(0, 0, 0), (250, 50, 83), (51, 221, 255)], np.uint8)
        save(root / f"SegmentationClass/a{number}.png", table[labels[f"a{number}"]])
        save(root / f"SegmentationObject/a{number}.png", np.roll(table, 1, 1)[labels[f"a{number}"]])
    names = "# label:color_rgb:parts:actions\ncell:250,50,83::\nbackground:0,0,0::\nnucleus:51,221,255::\n"
    (root / "labelmap.txt").write_text(names)
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "default.txt").write_text("a0\na1\n")
    return Right(labels, num_classes=3, said=("labelmap.txt names the classes: background, cell, nucleus",))


@situation(*MASKS)
def roboflow_semantic_masks(root: Path) -> Outcome:
    """Roboflow's export: x.rf.HASH.jpg beside x.rf.HASH_mask.png in each part, names in _classes.csv."""
    labels, parts = {}, {}
    for number, part in enumerate(("train", "train", "valid", "test")):
        name = f"a{number}_png.rf.0{number}ab12"
        save(root / part / f"{name}.jpg", grey(number))
        labels[name] = disc(number) * np.uint8(1 + number % 2)
        save(root / part / f"{name}_mask.png", labels[name])
        (root / part / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, cell\n2, nucleus\n")
        parts[name] = {"train": "labelled", "valid": "val", "test": "test"}[part]
    (root / "README.roboflow.txt").write_text("exported")
    return Right(
        labels, num_classes=3, parts=parts, said=("_classes.csv names the classes: background, cell, nucleus",)
    )


@situation()
def pascal_voc(root: Path) -> Outcome:
    """Indexed masks in SegmentationClass, borders that are ignored, parts in lists; most images have no mask."""
    palette = np.random.default_rng(0).integers(0, 256, (256, 3)).tolist()
    labels = {}
    for number in range(4):
        save(root / f"JPEGImages/a{number}.png", grey(number))
        if number == 3:
            continue
        label = disc(number) * np.uint8(1 + number % 2)
        label[5, 5:20] = 255
        labels[f"a{number}"] = label
        for folder in ("SegmentationClass", "SegmentationObject"):
            mask = Image.fromarray(label)
            mask.putpalette([value for colour in palette for value in colour])
            (root / folder).mkdir(exist_ok=True)
            mask.save(root / folder / f"a{number}.png")
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for name, names in {"train": "a0 a1", "val": "a2", "trainval": "a0 a1 a2"}.items():
        (lists / f"{name}.txt").write_text("\ufeff" + "\r\n".join(names.split()) + "\r\n", encoding="utf-8")
    (root / "ImageSets" / "Main").mkdir()
    (root / "ImageSets" / "Main" / "val.txt").write_text("a0\na1\na3\n")
    return Right(labels, num_classes=3, parts={**PARTS, "a3": "unlabelled"})
