"""Masks written as those of a data folder are spelt: by values, colours or folders, whatever it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from incmask.base.config import IGNORED
from incmask.base.errors import fail
from incmask.base.files import write_bytes
from incmask.data.dataset import Colour, Dataset
from incmask.data.images.masks import mask_facts
from incmask.data.images.writers import path_inside, write_indexed
from incmask.method.labels import labels_of

_FREE = (255, 128, 254, 127, 253)
_FREE_COLOURS: tuple[Colour, ...] = ((128, 128, 128), (255, 0, 255), (1, 2, 3))


@dataclass(frozen=True)
class Spelling:
    """How masks are written.

    Attributes:
        dataset: whose masks they join.
        ignore: the value or colour of pixels without a label; None: there are none.
        palette: of indexed masks; None where they are grey.
    """

    dataset: Dataset
    ignore: int | Colour | None
    palette: tuple[Colour, ...] | None


def spelling_of(dataset: Dataset, *, ignored: bool) -> Spelling:
    """Find out how the masks of a data set are written; reads its labelled ones.

    Args:
        dataset: a folder that was understood.
        ignored: whether pixels without a label are to be written; a value is chosen where the data have none.
    """
    encoding = dataset.encoding
    paths = [path for item in dataset.labelled for path in item.masks or () if path is not None]
    facts = [mask_facts(path) for path in paths]
    palette = max((fact.palette for fact in facts if fact.palette is not None), key=len, default=None)
    ignore = encoding.ignore
    if ignore is None and ignored:
        if encoding.kind == "colour":
            colours = {info.value for info in dataset.classes} | {(0, 0, 0)}
            ignore = next(colour for colour in _FREE_COLOURS if colour not in colours)
        else:
            taken = {info.value for info in dataset.classes} | {value for fact in facts for value in fact.counts}
            ignore = next(value for value in _FREE if value not in taken)
    return Spelling(dataset, ignore, palette if encoding.kind == "grey" else None)


def write_spelt(folder: Path, name: str, label: np.ndarray, spelling: Spelling) -> None:
    """Write a label, whole or not at all.

    Args:
        folder: of the masks.
        name: ``Item.name``.
        label: as ``read_label`` gives it.
        spelling: of the data.
    """
    dataset, ignore = spelling.dataset, spelling.ignore
    if dataset.encoding.kind == "folders":
        foreground = next(value for value in _FREE if value != ignore)
        channels = _spelt(label[..., None] if label.ndim == 2 else label, [0, foreground], ignore)
        for index, info in enumerate(dataset.classes):
            _write(path_inside(path_inside(folder, str(info.value), ""), name), channels[..., index])
        return
    values: list[int | Colour] = [info.value for info in dataset.classes if not isinstance(info.value, str)]
    if labels_of(dataset.task).is_one_class:
        values.insert(0, (0, 0, 0) if isinstance(values[0], tuple) else 0)
    spelt, path = _spelt(label, values, ignore), path_inside(folder, name)
    if spelling.palette is not None and spelt.dtype == np.uint8:
        highest = max(value for value in (*values, ignore) if isinstance(value, int))
        write_indexed(path, spelt, [*spelling.palette, *[(0, 0, 0)] * (highest + 1 - len(spelling.palette))])
    else:
        _write(path, spelt)


def _spelt(label: np.ndarray, values: Sequence[int | Colour], ignore: int | Colour | None) -> np.ndarray:
    """Put what stands for it in place of each id: uint8, or uint16 where it has to be."""
    first = np.array(values)
    table = np.zeros((256, *first.shape[1:]), np.int64)
    table[: len(first)] = first
    if ignore is not None:
        table[IGNORED] = ignore
    return table.astype(np.uint8 if table.max() < 256 else np.uint16)[label]


def _write(path: Path, values: np.ndarray) -> None:
    encoded, content = cv2.imencode(".png", values[..., ::-1] if values.ndim == 3 else values)
    if not encoded:
        raise fail(path, "cannot be encoded as PNG", "check its size")
    write_bytes(path, content.tobytes())
