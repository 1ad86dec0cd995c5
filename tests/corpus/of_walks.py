"""Situations in which a walk through folders found too much, too little, or another part."""

import os
import shutil
from pathlib import Path

import numpy as np
import torch
from of_values import disc, folder, grey, labels, save
from PIL import Image
from situations import MASKS, Outcome, Right, Told, situation

SERVICE = (".ipynb_checkpoints", "__MACOSX", "@eaDir")
PASSED = "passed over, as they are hidden or of the system"


@situation()
def service_folders(root: Path) -> Outcome:
    """Copies that notebooks, macOS and network disks leave are no images."""
    folder(root)
    for name in SERVICE:
        for kind in ("images", "masks"):
            save(root / "labelled" / kind / name / "a0.png", grey(9))
    return Right(labels(), {"a0": grey(0)[..., None]}, within=0, said=(PASSED, *SERVICE))


@situation()
def linked_folder(root: Path) -> Outcome:
    """A folder on another disk is followed, and once, however many links lead to it."""
    folder(root)
    other = root.with_name("disk2")
    for kind in ("images", "masks"):
        shutil.copytree(root / "labelled" / kind, other / kind)
        for path in (other / kind).iterdir():
            path.rename(path.with_stem(path.stem.replace("a", "b")))
        os.symlink(other / kind, root / "labelled" / kind / "plate1")
        os.symlink("plate1", root / "labelled" / kind / "plate2")
        os.symlink(".", root / "labelled" / kind / "circle")
    found = labels()
    return Right(found | {name.replace("a", "b"): label for name, label in found.items()}, unsaid=(PASSED,))


@situation()
def results_inside(root: Path) -> Outcome:
    """Predictions, a run and an export that lie within the data are no data."""
    for number in range(4):
        save(root / f"a{number}.png", grey(number))
        save(root / f"a{number}_mask.png", disc(number) * 255)
    for name, records in (
        ("o1", ["predicted.jsonl"]),
        ("run", ["manifest.jsonl", "run.toml"]),
        ("back", [".incmask-export"]),
    ):
        save(root / name / "masks" / "a0.png", disc(0) * 255)
        save(root / name / "images" / "a0.png", grey(9))
        for record in records:
            (root / name / record).touch()
    return Right(labels(), {"a0": grey(0)[..., None]}, said=("they hold results of incmask: back, o1, run",))


@situation(*MASKS)
def name_not_utf8(root: Path) -> Outcome:
    """A name that is no text is one clear line."""
    folder(root)
    shutil.copy(root / "labelled/images/a0.png", os.fsencode(root / "labelled" / "images") + b"/caf\xe9.png")
    return Told(
        (r"1 file with a name that is no UTF-8 text, such as", r"caf\xe9.png; rename them, for example by: convmv")
    )


@situation()
def odd_names(root: Path) -> Outcome:
    """Dots, spaces, decomposed letters and 255 bytes are names like others."""
    names = ["a.", "b..c", "d ", "e.1", "u\u0308", "x" * 251]
    for number, name in enumerate(names):
        save(root / "labelled" / "images" / f"{name}.png", grey(number))
        save(root / "labelled" / "masks" / f"{name}.png", disc(number) * 255)
    return Right({name.replace("u\u0308", "\u00fc"): disc(number) for number, name in enumerate(names)})


@situation()
def capitals_and_prefixes(root: Path) -> Outcome:
    """A mask is found whatever its capitals, and with a prefix of its own."""
    for number, (image, mask) in enumerate((("IMG_0", "img_0"), ("image_1", "mask_1"), ("img2", "label2"))):
        save(root / "labelled" / "images" / f"{image}.png", grey(number))
        save(root / "labelled" / "masks" / f"{mask}.png", disc(number) * 255)
    return Right({"IMG_0": disc(0), "image_1": disc(1), "img2": disc(2)})


@situation()
def ome_tiff_beside_png(root: Path) -> Outcome:
    """What ends in .ome.tif has the name before it, as an image or as a mask."""
    for number in range(2):
        save(root / "labelled" / "images" / f"a{number}.ome.tif", grey(number))
        save(root / "labelled" / "masks" / f"a{number}.png", disc(number) * 255)
        save(root / "labelled" / "images" / f"b{number}.png", grey(number))
        save(root / "labelled" / "masks" / f"b{number}_mask.ome.tif", disc(number) * 255)
    names = ("a0", "a1", "b0", "b1")
    shown = {name: grey(int(name[1]))[..., None] for name in names}
    return Right({name: disc(int(name[1])) for name in names}, shown, within=0)


@situation()
def cellpose_masks(root: Path) -> Outcome:
    """Masks beside their images with cellpose's suffix."""
    for number in range(3):
        save(root / f"a{number}.tif", grey(number))
        save(root / f"a{number}_cp_masks.png", disc(number).astype(np.uint16))
    return Right({f"a{number}": disc(number) for number in range(3)})


@situation(*MASKS)
def names_that_clash(root: Path) -> Outcome:
    """Two images that one disk takes for one are refused."""
    folder(root)
    shutil.copy(root / "labelled/images/a0.png", root / "labelled/images/A0.png")
    return Told(("has the same name as", "but for capitals, which some disks do not tell"))


@situation("python")
def pillow_images_and_tensors(root: Path) -> Outcome:
    """Images as Pillow and torch give them, channels first, are what their arrays are."""
    images = {name: np.dstack([grey(number)] * 2 + [grey(9 - number)]) for number, name in enumerate(labels())}
    given = (Image.fromarray, lambda image: torch.from_numpy(image).permute(2, 0, 1))
    arrays = {name: given[number % 2](image) for number, (name, image) in enumerate(images.items())}
    return Right(labels(), images, within=0, arrays=arrays)
