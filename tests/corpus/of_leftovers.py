"""Situations in which programs left more beside images than their masks."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
from of_values import NAMES, disc, grey, images, labels, save
from situations import MASKS, Outcome, Right, Told, situation

BY_PROGRAMS = "left out, as made by programs of the images beside them"


def _beside(root: Path, mask: str, *others: str, value: int = 1) -> None:
    """Write images, their masks with a suffix, and pictures with others that look like images."""
    for number, name in enumerate(NAMES):
        save(root / f"{name}.tif", grey(number))
        save(root / f"{name}{mask}", disc(number) * np.uint16(value))
        for other in others:
            save(root / f"{name}{other}", np.dstack([grey(number)] * 3))


def _right(*said: str, **more: object) -> Right:
    return Right(labels(), images(grey), within=0, said=said, **more)


@situation()
def cellpose_outputs(root: Path) -> Outcome:
    """What cellpose's window and command line write: flows, outlines and drawings are no images."""
    others = "_flows.tif", "_cp_output.png", "_cp_flows.png", "_outlines_cp.png", "_cp_dP.tif"
    _beside(root, "_cp_masks.tif", *others)
    for number, name in enumerate(NAMES):
        tifffile.imwrite(root / f"{name}_flows.tif", np.zeros((5, 64, 64), np.float32) + grey(number))
        np.save(root / f"{name}_seg.npy", {"masks": disc(number)}, allow_pickle=True)
        (root / f"{name}_rois.zip").write_bytes(b"PK")
    return _right(f"{BY_PROGRAMS}: 20 files, such as a0_cp_dP.tif")


@situation(*MASKS)
def cellpose_arrays_alone(root: Path) -> Mapping[str, Outcome]:
    """Its own arrays can run code and are never loaded: named, with what to save instead."""
    for number, name in enumerate(NAMES):
        save(root / f"{name}.tif", grey(number))
        np.save(root / f"{name}_seg.npy", {"masks": disc(number)}, allow_pickle=True)
    told = Told(("never loaded: in cellpose, save the masks as PNG or TIFF",))
    return {"check": told, "stack": told, "prepare": Told(("never loaded: in cellpose, save the masks",))}


@situation()
def ilastik_exports(root: Path) -> Mapping[str, Outcome]:
    """ilastik's exports beside images: the segmentation is the mask, numbered from 1; the others are no images."""
    others = "_Probabilities.tif", "_Uncertainty.tif", "_Object Predictions.png", "_Object Identities.tif"
    _beside(root, "_Simple Segmentation.tif", *others)
    for number, name in enumerate(NAMES):
        save(root / f"{name}_Simple Segmentation.tif", disc(number) + np.uint8(1))
        (root / f"{name}_Probabilities.h5").write_bytes(b"\x89HDF")
    told = 'write under [data] in incmask.toml classes = [{name = "background", value = 2}, {name = "foreground", value'
    seen = _right(f"{BY_PROGRAMS}: 16 files")
    said = (*seen.said, "no pixel is 0", told)
    return dict.fromkeys(MASKS, replace(seen, num_classes=2, said=said)) | {"predict": seen}


@situation()
def fiji_leftovers(root: Path) -> Outcome:
    """Fiji's masks beside tables, regions and logs, and what Windows and macOS put there."""
    _beside(root, "_mask.tif", value=255)
    leftovers = ("Results.csv", "Log.txt", "RoiSet.zip", "Thumbs.db", ".DS_Store", "desktop.ini")
    for name in (*leftovers, "._a0.tif", "._a0_mask.tif"):
        (root / name).write_bytes(b"\x00\x05\x16\x07")
    return _right()


def enter_suffixes() -> None:
    """Enter what programs call masks that lie beside their images."""
    for program, suffix in (
        ("stardist", "_label.tif"),
        ("labkit", ".labels.tif"),
        ("micro_sam", "_seg.tif"),
        ("glas", "_anno.png"),
        ("cell_tracking", "_lbl.png"),
        ("weka", "_segmented.png"),
        ("binary_masks", "_binary_mask.png"),
    ):

        def write(root: Path, suffix: str = suffix) -> Outcome:
            _beside(root, suffix)
            return _right()

        write.__name__ = f"suffix_{program}"
        situation(about=f"Masks beside their images that end in {suffix}.")(write)


enter_suffixes()


def _derived(root: Path, ending: Callable[[int], str]) -> None:
    for number, name in enumerate(NAMES):
        save(root / "images" / f"{name}.png", grey(number))
        save(root / "masks" / f"{name}.png", disc(number) * 255)
        save(root / "images" / f"{name}{ending(number)}.png", grey(number + 4))


@situation()
def drawings_in_the_folder_of_images(root: Path) -> Outcome:
    """Overlays and predictions that a script put among the images."""
    _derived(root, lambda number: ("_overlay", "_pred", "-contours", "_heatmap")[number])
    return _right(f"{BY_PROGRAMS}: 4 files")
