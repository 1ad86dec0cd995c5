"""Situations in which values of images or masks were read wrongly."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from situations import Outcome, Right, situation

SIDE = 64
NAMES = ("a0", "a1", "a2", "a3")


def disc(number: int) -> np.ndarray:
    """Give a mask with one disc: (64, 64) of 0 and 1."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return ((y - 20 - 3 * number) ** 2 + (x - 24) ** 2 <= 81).astype(np.uint8)


def grey(number: int) -> np.ndarray:
    """Give an image of the disc on a weak pattern: (64, 64) uint8, not symmetric in any way."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return (60 + 90 * disc(number) + (x + y) % 7 + y // 4).astype(np.uint8)


def save(path: Path, array: np.ndarray, **options: object) -> None:
    """Write an array by its ending: tifffile for TIFF without options of Pillow's, Pillow for others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif" and not options:
        tifffile.imwrite(path, array)
    else:
        Image.fromarray(array).save(path, **options)


Save = Callable[[Path, int], None]


def folder(root: Path, *, image: Save | None = None, mask: Save | None = None, ending: str = "png") -> None:
    """Write four images with masks; what is not given is grey(number), and disc(number) as 0 and 255."""
    for number, name in enumerate(NAMES):
        at = root / "labelled" / "images" / f"{name}.{ending if image else 'png'}"
        (image or (lambda path, number: save(path, grey(number))))(at, number)
        (mask or (lambda path, number: save(path, disc(number) * 255)))(root / f"labelled/masks/{name}.png", number)


def labels() -> dict[str, np.ndarray]:
    """Give the labels of ``folder``."""
    return {name: disc(number) for number, name in enumerate(NAMES)}


@situation("check", "stack", "prepare", "predict", "python")
def plain(root: Path) -> Outcome:
    """As it should be."""
    folder(root)
    images = {name: grey(number) for number, name in enumerate(NAMES)}
    return Right(labels(), {name: image[..., None] for name, image in images.items()}, within=0, arrays=images)
