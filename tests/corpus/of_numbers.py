"""Situations of numbers with a meaning that only a person, or the file, can tell."""

from pathlib import Path

import numpy as np
from of_values import NAMES, disc, folder, grey, labels, path_of, save, tiffs
from PIL import Image
from situations import MASKS, Outcome, Right, Told, situation


@situation()
def moving_png(root: Path) -> Outcome:
    """An animation in PNG is refused by name, as one in GIF."""

    def image(path: Path, number: int) -> None:
        first, second = Image.fromarray(grey(number)), Image.fromarray(grey(number + 1))
        first.save(path_of(path), save_all=True, append_images=[second])

    folder(root, image=image)
    return Told(("a0.png: has 2 pictures, which follow each other; save each as a file of its own",))


@situation(*MASKS)
def mask_without_numbers(root: Path) -> Outcome:
    """Rasters of floating numbers whose NaN, without a tag, is no label."""

    def mask(path: Path, number: int) -> None:
        values = disc(number).astype(np.float32)
        values[:6] = np.nan
        save(path.with_suffix(".tif"), values)

    folder(root, mask=mask)
    found = labels()
    for label in found.values():
        label[:6] = 255
    return Right(found)


@situation(*MASKS)
def one_and_255(root: Path) -> Outcome:
    """1 and 255, and nowhere 0: 255 may be the foreground, or no label."""
    folder(root, mask=lambda path, number: save(path, disc(number) * np.uint8(254) + np.uint8(1)))
    line = 'classes = [{name = "background", value = 1}, {name = "foreground", value = 255}]'
    return Told(("nowhere 0: 255 may be the foreground, or no label",), line, Right(labels(), num_classes=2))


@situation(*MASKS)
def two_values_without_0(root: Path) -> Outcome:
    """Numbers from 1 on, as MATLAB has them: the commoner is background, and that is said."""
    folder(root, mask=lambda path, number: save(path, disc(number) + np.uint8(1)))
    return Right(labels(), num_classes=2, said=("no pixel is 0, so 1, the commoner of the two values",))


@situation("check")
def full_16_bits(root: Path) -> Outcome:
    """65535 far above all else leaves few shades to it: no data, or saturated, which only a person knows."""

    def image(number: int) -> np.ndarray:
        values = grey(number).astype(np.uint16) * 4
        values[:9] = 65535
        return values

    tiffs(root, image)
    low, high = (int(of([grey(number)[9:].astype(int) * 4 for number in range(len(NAMES))])) for of in (np.min, np.max))
    said = ("4 images have 65535 far above all other intensities", f"intensity = [{low}, {high}] under [data]")
    return Right(labels(), said=said)
