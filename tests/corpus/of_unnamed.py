"""Situations in which no name of a folder or file says what are images and what masks."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from of_downloads import COLOURS
from of_public import white
from of_values import NAMES, disc, grey, save
from situations import MASKS, Outcome, Right, situation

SAID = ("no name tells images from masks; by what goes together and is in them, ",)
GROUND = np.array([(0, 0, 0), (128, 64, 128)], np.uint8)


def photo(number: int) -> np.ndarray:
    """Give an image of more colours than a mask has: (64, 64, 3) uint8."""
    noise = np.random.default_rng(number).integers(0, 60, (64, 64, 3), dtype=np.uint8)
    return np.dstack([grey(number)] * 3) // np.uint8(2) + noise


@situation(*MASKS)
def sat_and_map(root: Path) -> Outcome:
    """Aerial photographs of Massachusetts: sat and map in each part."""
    parts = {"a0": "train", "a1": "train", "a2": "valid", "a3": "test"}
    for number, (name, part) in enumerate(parts.items()):
        save(root / f"{part}/sat/{name}.tiff", photo(number))
        save(root / f"{part}/map/{name}.tif", white(number))
    found = {name: disc(number) for number, name in enumerate(NAMES)}
    told = {name: {"train": "labelled", "valid": "val"}.get(part, part) for name, part in parts.items()}
    return Right(found, parts=told, said=(*SAID, "images: sat, masks: map"))


@situation(*MASKS)
def rgb_and_label(root: Path) -> Outcome:
    """Plants of the CVPPP: x_rgb.png beside x_label.png, in a folder below; an image has no mask."""
    for number, name in enumerate(NAMES):
        save(root / f"A1/plant_{name}_rgb.png", photo(number))
        if number:
            save(root / f"A1/plant_{name}_label.png", white(number))
    found = {f"plant_{name}_rgb": disc(number) for number, name in enumerate(NAMES) if number}
    return Right(found, parts={"plant_a0_rgb": "unlabelled"}, said=(*SAID, "images: *_rgb, masks: *_label"))


@situation(*MASKS)
def isic_as_downloaded(root: Path) -> Mapping[str, Outcome]:
    """Skin lesions of ISIC 2018 as the archives are called; those to validate on have no masks."""
    for number, name in enumerate(NAMES):
        save(root / f"ISIC2018_Task1-2_Training_Input/ISIC_{name}.jpg", photo(number))
        save(root / f"ISIC2018_Task1_Training_GroundTruth/ISIC_{name}_segmentation.png", white(number))
        save(root / f"ISIC2018_Task1-2_Validation_Input/ISIC_{name}v.jpg", photo(9 + number))
    found = {f"ISIC_{name}": disc(number) for number, name in enumerate(NAMES)}
    read = Right(found, parts={f"ISIC_{name}v": "unlabelled" for name in NAMES}, said=SAID)
    return {"check": read, "stack": read, "prepare": Right(found, said=SAID)}


@situation(*MASKS)
def camvid_as_downloaded(root: Path) -> Outcome:
    """Frames of CamVid as its archives are called, with L behind the names of the masks, of some frames."""
    found = {}
    for number in range(5):
        save(root / f"701_StillsRaw_full/0001TP_{number:04}.png", photo(number))
        if number < 3:
            save(root / f"LabeledApproved_full/0001TP_{number:04}_L.png", GROUND[disc(number)])
            found[f"0001TP_{number:04}"] = disc(number)
    return Right(found, parts={"0001TP_0003": "unlabelled"}, said=(*SAID, "masks: LabeledApproved_full/*_L"))


@situation(*MASKS)
def cityscapes_as_downloaded(root: Path) -> Outcome:
    """Streets of Cityscapes with ids, colours and numbers of objects of each image: ids are the masks."""
    found = {}
    for number, part in enumerate(("train", "train", "val", "val")):
        name = f"ulm_00000{number}_000019"
        save(root / f"leftImg8bit/{part}/ulm/{name}_leftImg8bit.png", photo(number))
        below = root / f"gtFine/{part}/ulm"
        save(below / f"{name}_gtFine_labelIds.png", disc(number))
        save(below / f"{name}_gtFine_color.png", COLOURS[disc(number)])
        save(below / f"{name}_gtFine_instanceIds.png", disc(number) * np.uint16(26000))
        found[f"{name}_leftImg8bit"] = disc(number)
    said = (*SAID, "masks: gtFine/*_gtFine_labelIds (and not gtFine/*_gtFine_color, gtFine/*_gtFine_instanceIds)")
    return Right(found, parts={"ulm_000003_000019_leftImg8bit": "val"}, said=said)


@situation(*MASKS)
def halves_of_names(root: Path) -> Outcome:
    """A pair of folders that no list of words knows, the masks with a word of their own before the name."""
    for number, name in enumerate(NAMES):
        save(root / f"fotos/celula {name}.png", photo(number))
        save(root / f"dibujos/trazo celula {name}.png", white(number))
    return Right({f"celula {name}": disc(number) for number, name in enumerate(NAMES)}, said=SAID)


@situation(*MASKS)
def told_apart_by_endings(root: Path) -> Outcome:
    """x.jpg with the mask x.png beside it."""
    for number, name in enumerate(NAMES):
        save(root / f"{name}.jpg", photo(number))
        save(root / f"{name}.png", white(number))
    return Right({name: disc(number) for number, name in enumerate(NAMES)}, said=SAID)


@situation(*MASKS)
def kitti_as_downloaded(root: Path) -> Outcome:
    """Streets of KITTI: those to test on have the names of those to train on, and masks are there in three forms."""
    for number, name in enumerate(NAMES[:3]):
        save(root / f"training/image_2/{name}.png", photo(number))
        save(root / f"testing/image_2/{name}.png", photo(9 + number))
        save(root / f"training/semantic/{name}.png", disc(number))
        save(root / f"training/semantic_rgb/{name}.png", COLOURS[disc(number)])
        save(root / f"training/instance/{name}.png", disc(number) * np.uint16(26000))
    return Right({name: disc(number) for number, name in enumerate(NAMES[:3])}, said=SAID)


@situation(*MASKS)
def bdd_as_downloaded(root: Path) -> Outcome:
    """Streets of BDD100K: two and three folders above the parts, and colours beside the ids."""
    found = {}
    for number, (name, part) in enumerate(zip(NAMES, ("train", "train", "val", "test"), strict=True)):
        save(root / f"images/10k/{part}/{name}.jpg", photo(number))
        if part != "test":
            save(root / f"labels/sem_seg/masks/{part}/{name}.png", disc(number))
            save(root / f"labels/sem_seg/colormaps/{part}/{name}.png", COLOURS[disc(number)])
            found[name] = disc(number)
    return Right(found, parts={"a2": "val", "a3": "unlabelled"}, said=SAID)


@situation(*MASKS)
def two_annotators(root: Path) -> Outcome:
    """Eyes of CHASE-DB1: each image beside the masks of a first and a second observer; the first one's count."""
    for number, name in enumerate(NAMES):
        save(root / f"Image_{name}.jpg", photo(number))
        save(root / f"Image_{name}_1stHO.png", white(number))
        save(root / f"Image_{name}_2ndHO.png", white(number + 9))
    said = (*SAID, "images: *, masks: *_1stHO (and not *_2ndHO)")
    return Right({f"Image_{name}": disc(number) for number, name in enumerate(NAMES)}, said=said)


@situation(*MASKS)
def unnamed_with_lists(root: Path) -> Mapping[str, Outcome]:
    """Tiles of LandCover.ai: x.jpg beside x_m.png, and lists of the parts."""
    parts = dict(zip(NAMES, ("train", "train", "val", "test"), strict=True))
    for number, (name, part) in enumerate(parts.items()):
        save(root / f"output/{name}.jpg", photo(number))
        save(root / f"output/{name}_m.png", white(number))
        with (root / f"{part}.txt").open("a") as file:
            file.write(f"{name}\n")
    # Listed, and without a mask.
    save(root / "output/b0.jpg", photo(30))
    with (root / "train.txt").open("a") as file:
        file.write("b0\n")
    found = {name: disc(number) for number, name in enumerate(NAMES)}
    parts = {"a2": "val", "a3": "test", "b0": "unlabelled"}
    read = Right(found, parts=parts, said=(*SAID, "parts as lists tell"))
    return {"check": read, "stack": read, "prepare": replace(read, parts={"a2": "val", "a3": "test"})}


@situation(*MASKS)
def a_folder_of_images_alone(root: Path) -> Mapping[str, Outcome]:
    """Images and masks in folders of no known name, more images in a third, and overlays in a fourth."""
    for number, name in enumerate(NAMES):
        save(root / f"Bilder/{name}.png", photo(number))
        save(root / f"Masken/{name}.png", white(number))
        save(root / f"Ansichten/{name}_bunt.png", photo(number + 20))
        save(root / f"Bilder ohne Masken/neu {number}.png", photo(number + 40))
    parts = {f"neu {number}": "unlabelled" for number in range(4)}
    said = (*SAID, "also all in Bilder ohne Masken", "left alone, as neither these images nor these masks: Ansichten")
    read = Right({name: disc(number) for number, name in enumerate(NAMES)}, parts=parts, said=said)
    return {"check": read, "stack": read, "prepare": replace(read, said=(*SAID, "images alone: Bilder ohne Masken"))}
