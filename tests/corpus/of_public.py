"""Situations as public data sets are downloaded, and as programs call several files of one image."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from of_values import NAMES, disc, grey, images, labels, save
from situations import MASKS, Outcome, Right, Told, situation

Draw = Callable[[int], np.ndarray]


def white(number: int) -> np.ndarray:
    """Give a mask in black and white."""
    return disc(number) * np.uint8(255)


def _pairs(root: Path, image: str, mask: str, draw: Draw = white) -> None:
    """Write images and masks at paths in which {} stands for the name."""
    for number, name in enumerate(NAMES):
        save(root / image.format(name), grey(number))
        save(root / mask.format(name), draw(number))


SEEN = Right(labels(), images(grey), within=0)


@situation()
def drive(root: Path) -> Mapping[str, Outcome]:
    """Masks of the camera's field of view beside what was drawn by hand: which is meant is asked."""
    _pairs(root, "training/images/{}_training.tif", "training/1st_manual/{}_manual1.gif")
    _pairs(
        root,
        "training/images/{}_training.tif",
        "training/mask/{}_training_mask.gif",
        lambda _: white(1) + np.uint8(255),
    )
    told = Told(("holds 1st_manual and mask, which stand for the same", "keep one of them"))
    shown = {f"{name}_training": image for name, image in images(grey).items()}
    return {"check": told, "stack": told, "prepare": Told(("second mask",)), "predict": Right({}, shown, within=0)}


@situation("check")
def drive_to_test_on(root: Path) -> Outcome:
    """The camera's field of view where nothing else is: said, as all masks are nearly the same."""
    rows, columns = np.mgrid[:64, :64]

    def view(number: int) -> np.ndarray:
        return ((rows - 32) ** 2 + (columns - 31.5 + number / 4) ** 2 < 870) * np.uint8(255)

    for number, name in enumerate(NAMES):
        save(root / f"test/images/{name}_test.tif", grey(4 + number))
        save(root / f"test/mask/{name}_test_mask.gif", view(number))
    _pairs(root, "training/images/{}_training.tif", "training/1st_manual/{}_manual1.gif")
    parts = {f"{name}_training": "labelled" for name in NAMES} | {f"{name}_test": "test" for name in NAMES}
    seen = {f"{name}_training": label for name, label in labels().items()}
    seen |= {f"{name}_test": view(number) // 255 for number, name in enumerate(NAMES)}
    return Right(seen, parts=parts, said=("all 4 masks in test are nearly equal, though their images differ",))


@situation()
def drive_by_hand(root: Path) -> Outcome:
    """The same without the field of view: the number of the person behind the name."""
    _pairs(root, "training/images/{}_training.tif", "training/1st_manual/{}_manual1.gif")
    return Right({f"{name}_training": label for name, label in labels().items()})


@situation(*MASKS)
def oxford_pets(root: Path) -> Mapping[str, Outcome]:
    """Trimaps of 1, 2 and 3 in a folder of their own beside one of XML: that folder is no class, as nothing is 0."""
    _pairs(root, "images/{}.jpg", "annotations/trimaps/{}.png", lambda n: 2 - disc(n) + (np.arange(64) < 3))
    (root / "annotations" / "xmls").mkdir()
    (root / "annotations" / "xmls" / "a0.xml").write_text("<annotation/>")
    words = (
        "the folder trimaps of masks is the only one, and holds the values 1, 2, 3",
        "move its masks one folder up",
    )
    told = Told((*words, 'write under [data] in incmask.toml task = "binary"'))
    trimaps = {name: 2 - label + (np.arange(64) < 3).astype(np.uint8) for name, label in labels().items()}
    read = Right(trimaps, num_classes=4, said=("is no class: its masks leave no pixel at 0",))
    return {"check": read, "stack": read, "prepare": told}


@situation()
def any_folder_beside_that_of_masks(root: Path) -> Outcome:
    """As CVC-ClinicDB has them: Original and Ground Truth."""
    _pairs(root, "Original/{}.png", "Ground Truth/{}.png")
    return SEEN


@situation(*MASKS)
def jpeg_masks(root: Path) -> Mapping[str, Outcome]:
    """As Kvasir-SEG has them: black and white, which compression blurred."""
    _pairs(root, "images/{}.png", "masks/{}.jpg")
    (root / "kavsir_bboxes.json").write_text('{"a0": {"height": 64, "width": 64, "bbox": []}}')
    read = Right(labels(), said=("the masks are blurred, by JPEG",))
    return {"check": read, "stack": read, "prepare": read}


@situation()
def masks_with_the_whole_name(root: Path) -> Outcome:
    """As Supervisely and QuPath's scripts call them: the image's ending is in the mask's name."""
    _pairs(root, "images/{}.jpg", "masks/{}.jpg.png")
    return Right(labels())


@situation()
def masks_with_the_whole_name_beside(root: Path) -> Outcome:
    """The same in one folder, with a suffix."""
    _pairs(root, "{}.tif", "{}.tif_mask.png")
    return SEEN


@situation(*MASKS)
def several_masks_of_an_image(root: Path) -> Mapping[str, Outcome]:
    """Masks that are numbered behind their image's name: told how several are written."""
    _pairs(root, "images/{}.png", "masks/{}_mask_0.png")
    _pairs(root, "images/{}.png", "masks/{}_mask_1.png")
    told = Told(("is a mask without an image; call it as its image, a0; of several", "masks/<class>/a0.png"))
    return {"check": told, "stack": told, "prepare": told}


@situation(*MASKS)
def label_studio_pictures(root: Path) -> Mapping[str, Outcome]:
    """Label Studio's export as PNG, whose names tell of tasks and not of images."""
    for number, name in enumerate(NAMES):
        save(root / "images" / f"{name}.png", grey(number))
        save(root / "masks" / f"task-{number}-annotation-{number}-by-1-tag-cell-0.png", white(number))
    told = Told(("export from Label Studio as JSON, and not as PNG",))
    return {"check": told, "stack": told, "prepare": told}


def enter_endings() -> None:
    """Enter images in formats that are not read."""
    for ending, words in (
        ("pgm", "it holds pictures in formats that are not read: save them as PNG or TIFF"),
        ("jp2", "it holds pictures in formats that are not read: save them as PNG or TIFF"),
        ("nef", "it holds raw pictures of a camera: develop them to TIFF"),
        ("svg", "it holds drawings without pixels"),
    ):

        def write(root: Path, ending: str = ending, words: str = words) -> Mapping[str, Outcome]:
            _pairs(root, "images/{}.png", "masks/{}.png")
            for path in (root / "images").iterdir():
                path.rename(path.with_suffix(f".{ending}"))
            return dict.fromkeys(MASKS, Told((words,)))

        write.__name__ = f"images_in_{ending}"
        situation(*MASKS, about=f"Images in {ending.upper()} with masks in PNG: told once, and not mask by mask.")(
            write
        )


enter_endings()


@situation(*MASKS)
def names_with_spaces_in_lists(root: Path) -> Outcome:
    """Lists of parts whose lines are names with spaces."""
    names = [f"cat {number} of 3" for number in range(3)]
    for number, name in enumerate(names):
        save(root / "images" / f"{name}.png", grey(number))
        save(root / "masks" / f"{name}.png", white(number))
    (root / "train.txt").write_text(f"{names[0]}\n{names[1]}.png\n")
    (root / "val.txt").write_text(f"images/{names[2]}.png\n")
    parts = {names[0]: "labelled", names[1]: "labelled", names[2]: "val"}
    return Right({name: disc(number) for number, name in enumerate(names)}, parts=parts)
