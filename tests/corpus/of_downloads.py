"""Situations of public data sets as their owners lay them out, each in a way of its own."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tifffile
from of_objects import COUNTED, squares
from of_public import white
from of_values import NAMES, disc, grey, images, labels, save
from situations import MASKS, Outcome, Right, Told, situation

COLOURS = np.array([(64, 0, 128), (128, 64, 128)], np.uint8)
PARTS = ("labelled", "labelled", "val", "test")
AS_OBJECTS = Told(("where they number objects, `incmask prepare folder SRC DST --layout instances`",))


def colour(number: int) -> np.ndarray:
    """Give an image of grey in three channels."""
    return np.dstack([grey(number)] * 3)


def write(path: Path, text: str) -> None:
    """Write a text file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def says_prepare(words: str, prepared: Outcome) -> Mapping[str, Outcome]:
    """Give what is right where check names prepare."""
    told = Told((words, "`incmask prepare folder SRC DST` makes a data folder of them"))
    return {"check": told, "stack": told, "prepare": prepared}


@situation(*MASKS)
def cell_tracking_challenge(root: Path) -> Mapping[str, Outcome]:
    """Sequences with masks of some frames in 01_GT/SEG, numbered, and markers of tracks, which are no masks."""
    for number in range(len(NAMES)):
        save(root / f"01/t00{number}.tif", grey(number))
        save(root / f"01_GT/SEG/man_seg00{number}.tif", squares(*COUNTED[number]).astype(np.uint16))
        save(root / f"01_GT/TRA/man_track00{number}.tif", squares(*COUNTED[number]).astype(np.uint16))
    return says_prepare("masks lie as in the Cell Tracking Challenge", AS_OBJECTS)


@situation("prepare")
def cell_tracking_challenge_of_classes(root: Path) -> Outcome:
    """The same where a person says that values are classes: of two sequences, one frame of each without a mask."""
    found = {}
    for number in range(4):
        name = f"t00{number}"
        save(root / f"0{1 + number // 2}/{name}.tif", grey(number))
        save(root / f"0{1 + number // 2}_GT/TRA/man_track00{number}.tif", white(number))
        if number != 3:
            save(root / f"0{1 + number // 2}_GT/SEG/man_seg00{number}.tif", white(number))
            found[name] = disc(number)
    return Right(found, parts={"t003": "unlabelled"}, said=("left out, as markers of tracks, and no masks: 4 files",))


@situation(*MASKS)
def tnbc(root: Path) -> Mapping[str, Outcome]:
    """Slides with their masks in GT_01, GT_02 and so on."""
    found = {}
    for number in range(4):
        name = f"0{1 + number // 2}_{number}"
        save(root / f"Slide_0{1 + number // 2}/{name}.png", colour(number))
        save(root / f"GT_0{1 + number // 2}/{name}.png", white(number))
        found[name] = disc(number)
    return says_prepare("masks lie as in the Cell Tracking Challenge or in TNBC", Right(found))


@situation(*MASKS)
def love_da(root: Path) -> Mapping[str, Outcome]:
    """Towns and country in folders of their own; 0 is no label, which no file tells: asked."""
    found, parts = {}, {}
    for number, part in enumerate(("Train", "Train", "Val", "Test")):
        below = root / part / ("Urban", "Rural")[number % 2]
        save(below / f"images_png/{number}.png", colour(number))
        parts[str(number)] = {"Train": "labelled", "Val": "val", "Test": "unlabelled"}[part]
        if part != "Test":
            label = disc(number) + np.uint8(1)
            label[:5, :40] = 0
            save(below / f"masks_png/{number}.png", label + (label == 2).astype(np.uint8))
            found[str(number)] = np.where(label == 0, 255, label - np.uint8(1)).astype(np.uint8)
    told = Told(("images and masks lie in several folders: `incmask prepare folder SRC DST`",))
    right = Right(found, num_classes=2, parts=parts)
    return {
        "check": told,
        "stack": told,
        "prepare": Told(("where 0 is no label and 1 is background",), "ignore = 0", right),
    }


@situation(*MASKS)
def love_da_of_one_kind(root: Path) -> Mapping[str, Outcome]:
    """Towns alone, which check reads: asked, too."""
    for number in range(3):
        save(root / f"images_png/{number}.png", colour(number))
        save(root / f"masks_png/{number}.png", disc(number) * np.uint8(2) + (np.arange(64) > 9).astype(np.uint8))
    told = Told(("as those of LoveDA, where 0 is no label", 'either ignore = 0 (0 is no label) or ignore = "none"'))
    return {"check": told, "stack": told, "prepare": told}


def enter_camvid() -> None:
    """Enter the folders that CamVid comes in."""
    for words, suffix in (("_labels", "_L"), ("_lab", ""), ("annot", "")):

        def camvid(root: Path, words: str = words, suffix: str = suffix) -> Outcome:
            found, parts = {}, {}
            for number, part in enumerate(("train", "train", "val", "test")):
                name = f"0001TP_{number}"
                save(root / f"{part}/{name}.png", colour(number))
                save(root / f"{part}{words}/{name}{suffix}.png", COLOURS[disc(number)])
                found[name], parts[name] = disc(number) + np.uint8(1), PARTS[number]
            write(root / "class_dict.csv", "name,r,g,b\nCar,64,0,128\nRoad,128,64,128\nVoid,0,0,0\n")
            return Right(found, num_classes=3, parts=parts, said=("class_dict.csv names the classes: Void, Car, Road",))

        camvid.__name__ = f"camvid_{words.strip('_')}"
        situation(*MASKS, about=f"train, train{words} and so on, masks in colours that class_dict.csv names.")(camvid)


enter_camvid()


@situation(*MASKS)
def cvat_camvid(root: Path) -> Outcome:
    """CVAT's export of that kind: default, defaultannot, and the colours in label_colors.txt."""
    for number, name in enumerate(NAMES):
        save(root / f"default/{name}.png", grey(number))
        save(root / f"defaultannot/{name}.png", np.array([(0, 0, 0), (128, 64, 128)], np.uint8)[disc(number)])
    write(root / "label_colors.txt", "0 0 0 Background\n128 64 128 cell\n")
    write(root / "default.txt", "".join(f"/default/{name}.png /defaultannot/{name}.png\n" for name in NAMES))
    return Right(labels(), said=("label_colors.txt names the classes: Background, cell",))


@situation(*MASKS)
def deep_globe(root: Path) -> Outcome:
    """x_sat.jpg beside x_mask.png, the colours in class_dict.csv; what is validated on has no masks."""
    found = {}
    for number in range(4):
        if number < 2:
            save(root / f"train/{number}_mask.png", np.array([(0, 255, 255), (255, 255, 0)], np.uint8)[disc(number)])
            found[f"{number}_sat"] = disc(number) + np.uint8(1)
        save(root / ("train" if number < 2 else "valid") / f"{number}_sat.jpg", colour(number))
    write(root / "class_dict.csv", "name,r,g,b\nurban,0,255,255\nfields,255,255,0\nunknown,0,0,0\n")
    named = "class_dict.csv names the classes: unknown, urban, fields"
    return Right(found, num_classes=3, parts={"2_sat": "unlabelled"}, said=(named,))


@situation(*MASKS)
def montgomery(root: Path) -> Mapping[str, Outcome]:
    """The two lungs in folders of their own."""
    found = {}
    for number, name in enumerate(NAMES):
        save(root / f"CXR_png/{name}.png", grey(number))
        save(root / f"ManualMask/leftMask/{name}.png", white(number))
        save(root / f"ManualMask/rightMask/{name}.png", np.roll(white(number), 30, 1))
        found[name] = np.dstack([disc(number), np.roll(disc(number), 30, 1)])
    read = Right(found, num_classes=2)
    as_ids = {name: (label[..., 0] + 2 * label[..., 1]).astype(np.uint8) for name, label in found.items()}
    assert all((label.sum(2) < 2).all() for label in found.values()), "they do not overlap"
    return {"check": read, "stack": read, "prepare": Right(as_ids, num_classes=3)}


def _beside(root: Path, image: str, mask: str) -> None:
    for number, name in enumerate(NAMES):
        save(root / image.format(name), grey(number))
        save(root / mask.format(name), white(number))


@situation()
def fiji_mask_of(root: Path) -> Outcome:
    """Fiji's Create Mask calls it "Mask of" its image."""
    _beside(root, "{}.tif", "Mask of {}.tif")
    return Right(labels(), images(grey), within=0)


@situation()
def msk_before_names(root: Path) -> Outcome:
    """img_x and msk_x."""
    _beside(root, "images/img_{}.png", "masks/msk_{}.png")
    return Right({f"img_{name}": label for name, label in labels().items()})


@situation()
def supervisely_masks(root: Path) -> Outcome:
    """What Supervisely exports as masks: those for machines count, those for people are left alone."""
    _beside(root, "img/{}.jpg", "masks_machine/{}.jpg.png")
    for number, name in enumerate(NAMES):
        save(root / f"masks_human/{name}.jpg.png", colour(number))
    return Right(labels())


@situation()
def isic_superpixels(root: Path) -> Outcome:
    """Superpixels among the images are no images."""
    _beside(root, "images/{}.jpg", "masks/{}_segmentation.png")
    for number, name in enumerate(NAMES):
        save(root / f"images/{name}_superpixels.png", colour(number + 4))
    return Right(labels(), said=("made by programs of the images beside them: 4 files",))


@situation(*MASKS)
def ade20k_in_full(root: Path) -> Outcome:
    """Masks and those of parts lie beside images, in the folder of images."""
    _beside(root, "images/training/a/abbey/{}.jpg", "images/training/a/abbey/{}_seg.png")
    for number, name in enumerate(NAMES):
        save(root / f"images/training/a/abbey/{name}_parts_1.png", colour(number + 4))
    return Right(labels(), said=("made by programs of the images beside them: 4 files",))


@situation(*MASKS)
def consep(root: Path) -> Mapping[str, Outcome]:
    """Labels of MATLAB beside drawings on the images: the drawings are no masks."""
    for number in range(2):
        save(root / f"Images/a{number}.png", colour(number))
        save(root / f"Overlay/a{number}.png", colour(number + 4))
        write(root / f"Labels/a{number}.mat", "MATLAB 5.0 MAT-file")
    told = Told(("files of MATLAB: save them as PNG, with imwrite",))
    return {"check": told, "stack": told, "prepare": told}


@situation(*MASKS)
def busi(root: Path) -> Outcome:
    """A second mask of an image, numbered, is no image: told how several are written."""
    _beside(root, "benign/benign ({}).png", "benign/benign ({})_mask.png")
    save(root / "benign/benign (a0)_mask_1.png", white(5))
    return Told(("benign (a0)_mask_1.png: is a mask without an image; call it as its image, benign (a0)",))


@situation()
def chase_db1(root: Path) -> Mapping[str, Outcome]:
    """Masks of two people beside each image: which are meant is asked."""
    for number, name in enumerate(NAMES):
        save(root / f"{name}.tif", grey(number))
        save(root / f"{name}_1stHO.png", white(number))
        save(root / f"{name}_2ndHO.png", white(number + 1))
    told = Told(("is a second mask, beside a0_1stHO.png",), 'mask_suffix = "_1stHO"', Right(labels()))
    return dict.fromkeys(MASKS, told) | {"predict": Right(labels(), images(grey), within=0)}


@situation("prepare")
def mapillary(root: Path) -> Outcome:
    """Labels and instances both stand for masks: asked, and none is taken in silence."""
    _beside(root, "training/images/{}.png", "training/labels/{}.png")
    for number, name in enumerate(NAMES):
        save(root / f"training/instances/{name}.png", disc(number) * np.uint16(256))
    return Told(("stands for the same as training/", "take one of the two folders out of the source"))


@situation(*MASKS)
def bbbc039(root: Path) -> Outcome:
    """Numbers of objects in the red channel of RGBA, parts in lists."""
    for number, name in enumerate(NAMES):
        red = squares(*COUNTED[number]).astype(np.uint8)
        save(root / f"images/{name}.tif", grey(number).astype(np.uint16) * 9)
        save(root / f"masks/{name}.png", np.dstack([red, red * 0, red * 0, red * 0 + 255]))
    write(root / "metadata/training.txt", "a0.png\na1.png\na2.png\n")
    write(root / "metadata/validation.txt", "a3.png\n")
    return AS_OBJECTS


@situation(*MASKS)
def carla(root: Path) -> Outcome:
    """Ids in the red channel, which seem black."""
    for number, name in enumerate(NAMES):
        ids = disc(number) * np.uint8(6) + np.uint8(1)
        save(root / f"images/{name}.png", colour(number))
        save(root / f"masks/{name}.png", np.dstack([ids, ids * 0, ids * 0]))
    return Right(labels(), num_classes=2)


def enter_files() -> None:
    """Enter files that are no masks, beside images: told once, with what to do."""
    tellings: Mapping[str, tuple[str, ...]] = {
        "volumes, such as 3D Slicer's": ("seg.nrrd", "mha"),
        "microscopes' own files": ("lsm", "vsi"),
        "whole slides": ("mrxs",),
        "tables of pictures": ("parquet",),
        "files that can run code and are never loaded": ("pkl",),
        "shapes on a map: draw them as masks with gdal_rasterize": ("gpkg",),
        "annotations of no kind that is read: export them as COCO": ("ndjson",),
        "arrays in folders": ("n5",),
    }
    for words, endings in tellings.items():
        for ending in endings:

            def beside(root: Path, ending: str = ending, words: str = words) -> Mapping[str, Outcome]:
                save(root / "a0.tif", grey(0))
                write(root / f"a0.{ending}" / "0/0/0" if ending == "n5" else root / f"a0.{ending}", "x")
                return dict.fromkeys(MASKS, Told((f"it holds {words}",)))

            beside.__name__ = f"beside_{ending.replace('.', '_')}"
            situation(*MASKS, about=f"Files that end in .{ending} and no masks: told what to save instead.")(beside)


enter_files()


@situation(*MASKS)
def probabilities_of_noise(root: Path) -> Outcome:
    """Probabilities in bytes are neither classes nor numbers of objects."""
    noise = np.random.default_rng(0).integers(0, 120, (64, 64))
    for number, name in enumerate(NAMES):
        save(root / f"images/{name}.png", grey(number))
        save(root / f"masks/{name}.png", (disc(number) * 120 + noise).astype(np.uint8))
    return Told(("values, which looks like JPEG noise or a photo",))


@situation(*MASKS)
def smooth_probabilities(root: Path) -> Outcome:
    """The same without noise: a value is one ring, but no object."""
    rows, columns = np.mgrid[:64, :64]
    for number, name in enumerate(NAMES):
        save(root / f"images/{name}.png", grey(number))
        far = np.hypot(rows - 20 - 3 * number, columns - 24)
        save(root / f"masks/{name}.png", np.clip(250 - 6 * far, 0, 255).astype(np.uint8))
    return Told(("values, which looks like JPEG noise or a photo",))


@situation(*MASKS)
def folders_of_the_same_meaning(root: Path) -> Mapping[str, Outcome]:
    """masks and labels: which are meant is asked."""
    _beside(root, "images/{}.png", "masks/{}.png")
    for number, name in enumerate(NAMES):
        save(root / f"labels/{name}.png", white(number + 1))
    prepared = Told(("stands for the same as", "take one of the two folders out of the source"))
    told = Told(("holds labels and masks, which stand for the same",))
    return {"check": told, "stack": told, "prepare": prepared}


@situation(*MASKS)
def isbi_stacks(root: Path) -> Outcome:
    """Volumes in pages of one file, and their labels."""
    tifffile.imwrite(root / "train-volume.tif", np.stack([grey(number) for number in range(5)]))
    tifffile.imwrite(root / "train-labels.tif", np.stack([white(number) for number in range(5)]))
    return Told(("is a TIFF of 5 pages; one page a file is read", "save each page as a file of its own"))
