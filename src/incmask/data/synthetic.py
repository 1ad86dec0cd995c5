"""Made-up data with a known truth: cells as arrays or as a folder like a user's, leaves as such a folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from incmask.base.choosing import CONFIG_NAME
from incmask.base.config import Task
from incmask.base.errors import fail
from incmask.base.files import write_text
from incmask.data.dataset import ClassInfo, default_colour
from incmask.data.images.writers import write_label, write_png
from incmask.data.synthetic_field import Field, draw_field
from incmask.data.synthetic_leaves import Drawn, draw_leaves
from incmask.method.labels import labels_of

CLASS_NAMES: dict[str, tuple[str, ...]] = {
    "multilabel": ("alive", "dead", "position"),
    "multiclass": ("background", "alive", "dead", "debris"),
    "binary": ("cell",),
}
"""The classes of each task, in the order of their channels or ids."""

_LEAVES: tuple[ClassInfo, ...] = (ClassInfo("leaf", default_colour(1), 255),)

SMALLEST_SIDE_PX = 32


@dataclass(frozen=True)
class Fields:
    """Images with their labels.

    Attributes:
        images: ``(N, H, W, 1)`` uint8.
        labels: uint8; multilabel ``(N, H, W, 3)`` of 0 and 1, multiclass ``(N, H, W)`` of 0 to 3, binary
            ``(N, H, W)`` of 0 and 1. ``CLASS_NAMES`` tells what they mean.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def make_fields(num: int, *, seed: int, size: tuple[int, int] = (96, 96), task: Task = "multilabel") -> Fields:
    """Make ``num`` fields of cells; each depends on the seed, the size and its own index alone.

    The fields are like those of the paper's HeLa set (section 2.2): alive cells spread out, dead ones round and
    bright, with fragments and things out of focus between them, and light, focus, contrast and noise that
    differ from one field to the next.

    Args:
        num: 1 or more.
        seed: 0 or more.
        size: height and width in pixels, 32 or more.
        task: "multilabel", "multiclass" or "binary"; the images are the same for all.

    Raises:
        IncmaskError: an argument outside its range.
    """
    _check(num, seed=seed, size=size, task=task)
    fields = [draw_field(size, np.random.default_rng([seed, index])) for index in range(num)]
    return Fields(
        images=np.stack([field.image for field in fields])[..., None],
        labels=np.stack([_label(field, task) for field in fields]),
    )


def write_dataset(
    root: Path,
    *,
    num_labelled: int,
    num_unlabelled: int,
    num_val: int,
    num_test: int,
    seed: int,
    size: tuple[int, int] = (96, 96),
    task: Task = "multilabel",
    of: Literal["cells", "leaves"] = "cells",
) -> None:
    """Write a folder such as a user has: ``labelled``, ``unlabelled``, ``val`` and ``test``, images and masks.

    ``unlabelled`` has its truth too, which only a comparison with full training may read. Cells are the fields of
    ``make_fields`` in this order, leaves lie in photographs in colour, with binary masks whatever the ``task``; every
    part but ``labelled`` may have none. ``incmask.toml``, which names the classes, is written last: where it stands,
    the folder is whole.

    Raises:
        IncmaskError: a number outside its range, or a folder that cannot be written to.
    """
    parts = {"labelled": num_labelled, "unlabelled": num_unlabelled, "val": num_val, "test": num_test}
    _check(min(num_labelled, 1 + min(parts.values())), seed=seed, size=size, task=task)
    if of == "leaves":
        task, classes, kind, draw = "binary", _LEAVES, "photo", draw_leaves
    else:
        classes, kind, draw = _classes(task), "field", partial(_draw_cells, task=task)
    for index, part in enumerate(_places(parts)):
        image, label = draw(size, np.random.default_rng([seed, index]))
        name = f"{kind}_{index:05d}"
        write_png(root / part / "images" / f"{name}.png", image)
        write_label(root / part / "masks", name, label, task=task, classes=classes)
    write_text(root / CONFIG_NAME, _options(of, task, classes))


def _places(parts: dict[str, int]) -> Iterator[str]:
    for part, num in parts.items():
        yield from [part] * num


def _draw_cells(size: tuple[int, int], generator: np.random.Generator, *, task: Task) -> Drawn:
    field = draw_field(size, generator)
    return field.image, _label(field, task)


def _label(field: Field, task: Task) -> NDArray[np.uint8]:
    if labels_of(task).is_layered:
        return np.stack([field.alive, field.dead, field.position], axis=-1)
    if labels_of(task).is_exclusive:
        return field.alive + 2 * field.dead + 3 * field.debris
    return field.alive | field.dead


def _classes(task: Task) -> tuple[ClassInfo, ...]:
    names = CLASS_NAMES[task]
    if labels_of(task).is_exclusive:
        return tuple(ClassInfo(name, default_colour(index), index) for index, name in enumerate(names))
    return tuple(
        ClassInfo(name, default_colour(index), name if labels_of(task).is_layered else 255)
        for index, name in enumerate(names, 1)
    )


def _options(of: str, task: Task, classes: tuple[ClassInfo, ...]) -> str:
    lines = [f"# Made-up images of {of}.", "[data]", f'task = "{task}"', "classes = ["]
    for info in classes:
        value = f'"{info.value}"' if isinstance(info.value, str) else info.value
        lines.append(f'  {{ name = "{info.name}", value = {value} }},')
    return "\n".join([*lines, "]", ""])


def _check(num: int, *, seed: int, size: tuple[int, int], task: str) -> None:
    if task not in CLASS_NAMES:
        raise fail("task", f"{task!r} is unknown", f"choose one of {', '.join(CLASS_NAMES)}")
    if num < 1:
        raise fail("made-up data", "there must be a labelled field, and no number below 0", "choose other numbers")
    if seed < 0:
        raise fail("seed", f"{seed} is below 0", "choose 0 or more")
    if min(size) < SMALLEST_SIDE_PX:
        raise fail("size", f"{size} is too small", f"choose a height and width of {SMALLEST_SIDE_PX} pixels or more")
