"""Situations in which the cause was seen and not told: formats that were not read, and folders without labels."""

from pathlib import Path

import numpy as np
from of_values import NAMES, disc, folder, grey, labels, save
from PIL import Image
from situations import Outcome, Right, Told, situation


@situation()
def gif_masks(root: Path) -> Outcome:
    """As Carvana has them."""
    for number, name in enumerate(NAMES):
        save(root / "labelled" / "images" / f"{name}.png", grey(number))
        save(root / "labelled" / "masks" / f"{name}_mask.gif", disc(number) * 255)
    return Right(labels(), {"a0": grey(0)[..., None]}, within=0)


@situation()
def webp_images(root: Path) -> Outcome:
    """Images and masks without loss, in grey that the format stores as RGB."""
    for number, name in enumerate(NAMES):
        save(root / "labelled" / "images" / f"{name}.webp", grey(number), lossless=True)
        save(root / "labelled" / "masks" / f"{name}.webp", disc(number) * 255, lossless=True)
    return Right(labels(), {"a0": np.dstack([grey(0)] * 3)}, within=0)


@situation("check", "stack")
def webp_masks_with_loss(root: Path) -> Outcome:
    """Masks whose values compression changed are refused as those in JPEG are."""
    noise = np.random.default_rng(0).integers(0, 2, (64, 64)).astype(np.uint8) * 200
    folder(root, mask=lambda path, _: save(path.with_suffix(".webp"), noise, quality=30))
    return Told(("is a WebP with loss with", "export the mask as PNG from what it was drawn with"))


@situation("check", "stack")
def moving_gif(root: Path) -> Outcome:
    """An animation is refused by name."""
    folder(root)
    first, *others = [Image.fromarray(grey(number)) for number in range(3)]
    first.save(root / "labelled" / "images" / "a0.gif", save_all=True, append_images=others)
    (root / "labelled" / "images" / "a0.png").unlink()
    return Told(("a0.gif: has 3 pictures, which follow each other; save each as a file of its own",))


@situation("check", "stack", "prepare")
def nothing_drawn(root: Path) -> Outcome:
    """A folder without a single object is not ready."""
    folder(root, mask=lambda path, number: save(path, disc(number) * 0))
    return Told(("nothing is drawn in any of their masks: all pixels are background; draw what is to be found",))
