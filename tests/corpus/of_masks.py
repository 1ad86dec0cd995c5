"""Situations in which the classes of masks were counted or read wrongly."""

from pathlib import Path

import numpy as np
import tifffile
from of_values import NAMES, disc, folder, grey, labels, path_of, save
from PIL import Image
from situations import IN_COLOURS, MASKS, WHITE, Outcome, Right, Told, situation


def enter_alpha() -> None:
    """Enter masks that are drawn in the alpha channel, in each way: the alpha is the mask."""
    for name, fill, channels in (("black", 0, 3), ("white", 255, 3), ("red", (255, 0, 0), 3), ("grey_la", 7, 1)):

        def write(root: Path, fill: object = fill, channels: int = channels) -> Outcome:
            def mask(path: Path, number: int) -> None:
                save(path, np.dstack([np.full((64, 64, channels), fill, np.uint8), disc(number) * 255]))

            folder(root, mask=mask)
            return Right(labels())

        write.__name__ = f"alpha_{name}"
        python = Told(("multilabel masks 0 to 1",)) if channels == 1 else IN_COLOURS
        situation(*MASKS, python=python, about=f"Masks drawn in alpha, their colour constant ({name}).")(write)


enter_alpha()


@situation(*MASKS, python=IN_COLOURS)
def alpha_with_soft_edges(root: Path) -> Outcome:
    """Edges that fade: what is more than half there is foreground."""
    folder(root, mask=lambda path, number: save(path, np.dstack([np.zeros((64, 64, 3), np.uint8), soft(number)])))
    return Right(soft_labels())


@situation(*MASKS, python=IN_COLOURS)
def alpha_over_other_colours(root: Path) -> Outcome:
    """Transparency that only repeats what the colours say."""

    def mask(path: Path, number: int) -> None:
        red = np.where(disc(number)[..., None] > 0, np.array([255, 0, 0]), 0).astype(np.uint8)
        save(path, np.dstack([red, disc(number) * 255]))

    folder(root, mask=mask)
    return Right(labels())


@situation(*MASKS, python=IN_COLOURS)
def alpha_beside_colours(root: Path) -> Outcome:
    """White objects on transparent white, and a red one: neither alpha nor colour alone is the mask."""

    def mask(path: Path, number: int) -> None:
        white = np.full((64, 64, 3), 255, np.uint8)
        white[40:50, 40:50] = (255, 0, 0)
        save(path, np.dstack([white, disc(number) * 255]))

    folder(root, mask=mask)
    return Told(("a0.png: is transparent at pixels that have the colour of others that are seen",))


@situation(*MASKS, python=IN_COLOURS)
def alpha_beside_none(root: Path) -> Outcome:
    """One mask that is opaque everywhere, among those that are drawn in alpha: all foreground, or none."""

    def mask(path: Path, number: int) -> None:
        alpha = disc(number) * 255 if number else np.full((64, 64), 255, np.uint8)
        save(path, np.dstack([np.zeros((64, 64, 3), np.uint8), alpha]))

    folder(root, mask=mask)
    return Told(("a0.png: is not drawn in its alpha channel, as others are",))


@situation(*MASKS, python=WHITE)
def white_is_zero(root: Path) -> Outcome:
    """A TIFF in which 0 is white: read as it is shown."""

    def mask(path: Path, number: int) -> None:
        tifffile.imwrite(path_of(path).with_suffix(".tif"), 255 - disc(number) * 255, photometric="miniswhite")

    folder(root, mask=mask)
    return Right(labels())


@situation(*MASKS, python=Told(("2 may be the foreground, or an id",)))
def white_is_zero_with_ids(root: Path) -> Outcome:
    """The same with ids, which may be meant as they are stored."""

    def mask(path: Path, number: int) -> None:
        tifffile.imwrite(path_of(path).with_suffix(".tif"), disc(number) * 2, photometric="miniswhite")

    folder(root, mask=mask)
    return Told(("a0.tif: is a file in which 0 is white (MINISWHITE), and has more values than black and white",))


def large(number: int) -> np.ndarray:
    """Give a disc of four times the size: (256, 256) of 0 and 1."""
    y, x = np.mgrid[:256, :256]
    return ((y - 80 - 12 * number) ** 2 + (x - 96) ** 2 <= 36**2).astype(np.uint8)


def soft(number: int) -> np.ndarray:
    """Shrink it by means: (64, 64) uint8 from 0 to 255."""
    return (large(number) * 255.0).reshape(64, 4, 64, 4).mean((1, 3)).astype(np.uint8)


def soft_labels() -> dict[str, np.ndarray]:
    """Give what more than half is there."""
    return {name: (soft(number) >= 128).astype(np.uint8) for number, name in enumerate(NAMES)}


@situation(*MASKS, python=Told(("have soft edges; give masks > 127",)))
def soft_grey(root: Path) -> Outcome:
    """Grey masks with soft edges."""
    folder(root, mask=lambda path, number: save(path, soft(number)))
    return Right(soft_labels(), said=("soft edges",))


@situation(*MASKS, python=Told(("have soft edges; give masks > 32767",)))
def soft_16_bit(root: Path) -> Outcome:
    """The same in 16 bits."""
    folder(root, mask=lambda path, number: save(path, soft(number).astype(np.uint16) * 257))
    return Right(soft_labels(), said=("soft edges",))


@situation(*MASKS, python=IN_COLOURS)
def soft_red(root: Path) -> Outcome:
    """The same in red."""
    folder(root, mask=lambda path, number: save(path, np.dstack([soft(number), 0 * soft(number), 0 * soft(number)])))
    return Right(soft_labels(), said=("soft edges",))


@situation(*MASKS, python=IN_COLOURS)
def soft_named(root: Path) -> Outcome:
    """The same with classes that a person names."""
    soft_red(root)
    line = 'classes = [{name = "none", value = [0, 0, 0]}, {name = "cell", value = [255, 0, 0]}]'
    (root / "incmask.toml").write_text(f"[data]\n{line}\n")
    return Right(soft_labels())


@situation(*MASKS, python=IN_COLOURS)
def soft_three_colours(root: Path) -> Outcome:
    """Soft edges between background and red, and between red and green."""

    def shares(number: int) -> np.ndarray:
        inner = np.roll(large(number), 20, 0) * large(number)
        drawn = np.zeros((256, 256, 3))
        drawn[large(number) > 0] = (255, 0, 0)
        drawn[inner > 0] = (0, 255, 0)
        return drawn.reshape(64, 4, 64, 4, 3).mean((1, 3)).round().astype(np.uint8)

    def label(number: int) -> np.ndarray:
        colours = np.array([(0, 0, 0), (0, 255, 0), (255, 0, 0)], float)
        return np.linalg.norm(shares(number)[:, :, None] - colours, axis=3).argmin(2).astype(np.uint8)

    folder(root, mask=lambda path, number: save(path, shares(number)))
    right = {name: label(number) for number, name in enumerate(NAMES)}
    return Right(right, num_classes=3, said=("soft edges",))


@situation(*MASKS, "python")
def thin_classes(root: Path) -> Outcome:
    """Ids of which one is a line of a pixel between two others: all are classes."""
    folder(root, mask=lambda path, number: save(path, ringed(number)))
    return Right({name: ringed(number) for number, name in enumerate(NAMES)}, num_classes=3)


def ringed(number: int) -> np.ndarray:
    """Give a disc of 2 with an outline of 1."""
    ring = disc(number)
    inner = ring & np.roll(ring, 1, 0) & np.roll(ring, -1, 0) & np.roll(ring, 1, 1) & np.roll(ring, -1, 1)
    return (ring + inner).astype(np.uint8)


@situation(*MASKS, python=IN_COLOURS)
def one_step_along_edges(root: Path) -> Outcome:
    """Black, red, and a line of dark red between them: soft edges, or a class: asked."""
    reds = np.array([(0, 0, 0), (127, 0, 0), (255, 0, 0)], np.uint8)
    folder(root, mask=lambda path, number: save(path, reds[ringed(number)]))
    line = (
        'classes = [{name = "background", value = [0, 0, 0]}, {name = "class_1", value = [127, 0, 0]}, '
        '{name = "class_2", value = [255, 0, 0]}]'
    )
    right = Right({name: ringed(number) for number, name in enumerate(NAMES)}, num_classes=3)
    return Told(("lie along edges between others alone",), line, right)


@situation(*MASKS, python=IN_COLOURS)
def near_equal_colours(root: Path) -> Outcome:
    """#FF0000 and #FE0000 are one class."""
    folder(root, mask=lambda path, number: save(path, red_of(255 - number % 2, number)))
    return Right(labels(), said=("near-equal colours",))


def red_of(value: int, number: int) -> np.ndarray:
    """Give a disc in some red."""
    return np.dstack([disc(number) * np.uint8(value), disc(number) * 0, disc(number) * 0])


@situation(*MASKS, python=IN_COLOURS)
def rather_near_colours(root: Path) -> Outcome:
    """#FF0000 and #F80000 may be one class, or two: asked."""
    folder(root, mask=lambda path, number: save(path, red_of(248 if number % 2 else 255, number)))
    one = 'classes = [{name = "background", value = [0, 0, 0]}, {name = "class_1", value = [255, 0, 0]}]'
    return Told(("nearly equal each other",), one, Right(labels()))


@situation(*MASKS)
def soft_class_folders(root: Path) -> Outcome:
    """A folder of masks for each class, with soft edges: more than half is foreground."""
    for number, name in enumerate(NAMES):
        save(root / "labelled" / "images" / f"{name}.png", grey(number))
        save(root / "labelled" / "masks" / "cell" / f"{name}.png", soft(number))
        save(root / "labelled" / "masks" / "all" / f"{name}.png", np.full((64, 64), 255, np.uint8))
    return Right({name: np.dstack([np.ones_like(one), one]) for name, one in soft_labels().items()}, num_classes=2)


@situation(*MASKS)
def empty_class_folders(root: Path) -> Outcome:
    """A folder of masks for each class, in which nothing is drawn."""
    for number, name in enumerate(NAMES):
        save(root / "labelled" / "images" / f"{name}.png", grey(number))
        for folder_name in ("cell", "nucleus"):
            save(root / "labelled" / "masks" / folder_name / f"{name}.png", disc(number) * 0)
    return Told(("nothing is drawn in any of their masks",))


def enter_palettes() -> None:
    """Enter palettes of two colours that are filled up, in each way: two classes."""
    fillings = {
        "black": [0] * 762,
        "white": [255] * 762,
        "last": [255, 0, 0] * 254,
        "greys": [value for grey in range(2, 256) for value in (grey,) * 3],
    }
    for name, filling in fillings.items():

        def write(root: Path, filling: list[int] = filling) -> Outcome:
            def mask(path: Path, number: int) -> None:
                image = Image.fromarray(disc(number))
                image.putpalette([0, 0, 255, 255, 0, 0, *filling])
                image.save(path_of(path))

            folder(root, mask=mask)
            return Right(labels())

        write.__name__ = f"palette_filled_{name}"
        about = f"Palettes of two colours that are filled up with {name}."
        situation(*MASKS, "python", about=about)(write)


enter_palettes()
