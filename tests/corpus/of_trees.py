"""Situations in which the folders of a tool or of a public data set lie in each other otherwise than ours."""

from pathlib import Path

import numpy as np
from of_values import disc, grey, save
from PIL import Image
from situations import Outcome, Right, situation


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


@situation("check", "stack", "prepare")
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


@situation("check", "stack", "prepare")
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
