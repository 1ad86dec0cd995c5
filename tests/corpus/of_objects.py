"""Situations in which masks number objects, or only look so."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from of_values import NAMES, folder, grey, images, save
from situations import IN_COLOURS, MASKS, Outcome, Right, Told, situation

from incmask.exchange.formats.masks.instances import layers_of

WORDS = ("numbers of objects, or classes", "`incmask prepare folder SRC DST --layout instances`")
OBJECTS = Told(("objects, or classes; give masks > 0",))
LINE = 'task = "multiclass"'


def squares(*values: int) -> np.ndarray:
    """Give a mask with squares side by side: (64, 64)."""
    mask = np.zeros((64, 64), np.uint16)
    for place, value in enumerate(values):
        mask[8 : 16 + place, 4 + 12 * place :][:, :9] = value
    return mask


def _asked(root: Path, masks: Mapping[str, np.ndarray], mask: Callable[[Path, int], None]) -> Outcome:
    folder(root, mask=mask)
    values = np.unique(np.stack([*masks.values()]))
    labels = {name: np.searchsorted(values, each).astype(np.uint8) for name, each in masks.items()}
    return Told(WORDS, LINE, Right(labels, num_classes=len(values)))


def _of(*rows: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {name: squares(*row) for name, row in zip(NAMES, rows, strict=True)}


COUNTED = ((1,), (1, 2), (1, 2, 3), (1, 2, 3, 4))


def enter_counted() -> None:
    """Enter objects that are counted in each image, as programs write them."""
    for name, dtype, ending in (("uint16", np.uint16, "tif"), ("int32", np.int32, "tif"), ("uint8", np.uint8, "png")):

        def write(root: Path, dtype: type = dtype, ending: str = ending) -> Outcome:
            masks = _of(*COUNTED)
            return _asked(
                root,
                masks,
                lambda path, number: save(path.with_suffix(f".{ending}"), masks[NAMES[number]].astype(dtype)),
            )

        write.__name__ = f"few_objects_{name}"
        situation(*MASKS, python=OBJECTS, about=f"Few objects an image, numbered, in {name}.")(write)


enter_counted()


@situation(*MASKS, python=OBJECTS)
def objects_of_tiles(root: Path) -> Outcome:
    """Tiles of an image in which all objects are numbered: no number is in two of them."""
    masks = _of((3, 7), (12,), (5, 9, 14), (21,))
    return _asked(root, masks, lambda path, number: save(path.with_suffix(".tif"), masks[NAMES[number]]))


@situation(*MASKS, python=IN_COLOURS)
def objects_in_colours(root: Path) -> Outcome:
    """A colour for each object, always in the same order."""
    table = np.array([(0, 0, 0), (31, 119, 180), (44, 160, 44), (214, 39, 40), (255, 127, 14)], np.uint8)
    masks = _of(*COUNTED)
    return _asked(root, masks, lambda path, number: save(path, table[masks[NAMES[number]]]))


def _crowd(number: int) -> np.ndarray:
    mask = np.zeros((64, 64), np.uint16)
    for place in range(80 + number):
        mask[1 + 7 * (place // 9) :, 1 + 7 * (place % 9) :][:5, :5] = place + 1
    return mask


@situation(*MASKS, python=OBJECTS)
def crowds_of_objects(root: Path) -> Mapping[str, Outcome]:
    """More than there can be classes: told once, and prepare takes them for objects."""
    masks = {name: _crowd(number) for number, name in enumerate(NAMES)}
    folder(root, mask=lambda path, number: save(path.with_suffix(".tif"), masks[NAMES[number]]))
    told = Told(("the masks hold a number for each object, such as 80 in a0.tif", WORDS[1]))
    right = Right({name: layers_of(mask) for name, mask in masks.items()}, num_classes=3)
    return {"check": told, "stack": told, "prepare": right}


@situation(*MASKS, python=OBJECTS)
def many_objects(root: Path) -> Mapping[str, Outcome]:
    """More than a person has classes: asked, and prepare takes them for objects and says so."""
    masks = {name: _rows(12 + number) for number, name in enumerate(NAMES)}
    folder(root, mask=lambda path, number: save(path.with_suffix(".tif"), masks[NAMES[number]]))
    said = ("the masks hold a number for each object", "instances-binary")
    objects = Right({name: layers_of(mask) for name, mask in masks.items()}, num_classes=3, said=said)
    asked = Told(WORDS, LINE, Right({name: mask.astype(np.uint8) for name, mask in masks.items()}, num_classes=16))
    return {"check": asked, "stack": asked, "prepare": objects}


def _rows(num: int) -> np.ndarray:
    mask = np.zeros((64, 64), np.uint16)
    for place in range(num):
        mask[2 + 15 * (place // 4) :, 2 + 15 * (place % 4) :][:12, :12] = place + 1
    return mask


@situation(*MASKS, "python")
def classes_in_one_piece_each(root: Path) -> Outcome:
    """As the slices of an organ's two parts: any of them may lack."""
    masks = _of((1, 2), (2,), (1,), (1, 2))
    folder(root, mask=lambda path, number: save(path, masks[NAMES[number]].astype(np.uint8)))
    return Right({name: mask.astype(np.uint8) for name, mask in masks.items()}, num_classes=3)


@situation(*MASKS, "python")
def organ_with_tumour(root: Path) -> Outcome:
    """A class inside another, in some images."""

    def mask(number: int) -> np.ndarray:
        organ = np.zeros((64, 64), np.uint8)
        organ[10:50, 8:50] = 1
        organ[20:30, 20 : 20 + 10 * (number % 2)] = 2
        return organ

    folder(root, mask=lambda path, number: save(path, mask(number)))
    return Right({name: mask(number) for number, name in enumerate(NAMES)}, num_classes=3)


@situation("python")
def counted_in_arrays(root: Path) -> Outcome:
    """The same in Python, where the argument of the message answers."""
    shown = images(grey)
    masks = {name: mask.astype(np.uint8) for name, mask in _of(*COUNTED).items()}
    right = Right(masks, shown, num_classes=5, arrays=shown, options={"task": "multiclass"})
    return Told(("objects, or classes",), 'task="multiclass"', right)
