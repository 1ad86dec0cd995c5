"""Masks and other single-channel pictures to files, so that a scan reads them back as they were."""

import io
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image

from incmask.base.config import IGNORED, Task
from incmask.base.described import callable_by_job
from incmask.base.errors import fail
from incmask.base.files import whole_file, write_bytes
from incmask.data.dataset import ClassInfo, Colour
from incmask.method.labels import labels_of

# On Windows a colon names a drive, and a backslash is a separator; elsewhere both are letters like others.
_FORBIDDEN = "\0\\:" if os.name == "nt" else "\0"
TIFF: dict[str, Any] = {"planarconfig": "contig", "compression": "zlib", "metadata": None}
"""How arrays of several channels are written, whatever program reads them."""

_IGNORED_COLOUR: Colour = (128, 128, 128)


def path_inside(folder: Path, name: str, suffix: str = ".png") -> Path:
    """Give the path of the item ``name`` below ``folder``.

    Raises:
        IncmaskError: the name is empty or absolute, or leads out of the folder.
    """
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or any(sign in name for sign in _FORBIDDEN):
        raise fail(name, f"is no name for a file inside {folder}", "rename the image or class")
    return folder / PurePosixPath(f"{name}{suffix}")


def write_png(path: Path, values: np.ndarray) -> None:
    """Write a grey (H, W) or a red, green, blue (H, W, 3) uint8 array as a PNG, whole or not at all."""
    write_bytes(path, as_png(path, values))


def as_png(path: Path, values: np.ndarray) -> bytes:
    """Give what ``write_png`` writes to a path."""
    if values.ndim not in (2, 3) or values.shape[2:] not in ((), (3,)) or values.dtype != np.uint8:
        raise ValueError(f"expected (H, W) or (H, W, 3) uint8, got {values.shape} {values.dtype}")
    encoded, content = cv2.imencode(".png", np.ascontiguousarray(values[..., ::-1]) if values.ndim == 3 else values)
    if not encoded:
        raise fail(path, "cannot be encoded as PNG", "check its size")
    return content.tobytes()


def write_indexed(path: Path, ids: np.ndarray, colours: Sequence[Colour]) -> None:
    """Write an (H, W) uint8 array of ids as an indexed PNG with their colours, whole or not at all."""
    write_bytes(path, indexed_png(ids, colours))


def write_tiff(path: Path, image: np.ndarray) -> None:
    """Write (H, W) or (H, W, C), of three channels as RGB, as a TIFF of its own type, whole or not at all."""
    with whole_file(path) as temporary:
        photometric = "rgb" if image.ndim == 3 and image.shape[2] == 3 else "minisblack"
        tifffile.imwrite(
            temporary,
            image,
            photometric=photometric,
            **(TIFF if image.ndim == 3 else TIFF | {"planarconfig": None}),
        )


@callable_by_job
def write_label(
    folder: Path, name: str, label: np.ndarray, *, task: Task, classes: Sequence[ClassInfo], ignored: bool = False
) -> tuple[Path, ...]:
    """Write a label as the masks that a scan reads back identically.

    Binary becomes a grey PNG of 0 and 255, multiclass an indexed PNG with the ids and the colours of the
    classes, multilabel a grey PNG in ``folder/<class>/`` for each class. Where labels may have ignored
    pixels, binary and multilabel files are indexed PNGs of 0, 1 and 255 instead: 255 alone could not be
    told from the foreground. (Two classes of a multiclass task read as binary unless the options name the task.)

    Args:
        folder: folder of the masks.
        name: ``Item.name``.
        label: as ``read_label`` gives it.
        task: "binary", "multiclass" or "multilabel".
        classes: as ``Dataset.classes``.
        ignored: whether any label of the folder has ignored pixels; the same for all of them.

    Returns:
        The files written.

    Raises:
        IncmaskError: the name leads out of the folder, or writing fails.
        ValueError: the label holds ids outside the classes, or ignored pixels without ``ignored``.
    """
    labels = labels_of(task)
    num_ids = len(classes) if labels.is_exclusive else 2
    _check(label, len(labels.shape((1, 1), 1)), num_ids, ignored)
    if not labels.is_layered:
        path = path_inside(folder, name)
        colours = [info.colour for info in classes] if labels.is_exclusive else [(0, 0, 0), (255, 255, 255)]
        if labels.is_exclusive or ignored:
            write_bytes(path, indexed_png(label, colours, ignored=ignored))
        else:
            write_png(path, label * np.uint8(255))
        return (path,)
    if label.shape[2] != len(classes):
        raise ValueError(f"expected {len(classes)} channels, got {label.shape[2]}")
    written: list[Path] = []
    for index, info in enumerate(classes):
        below = path_inside(folder, info.value if isinstance(info.value, str) else info.name, "")
        channel = np.ascontiguousarray(label[..., index])
        written += write_label(below, name, channel, task="binary", classes=[info], ignored=ignored)
    return tuple(written)


def _check(label: np.ndarray, ndim: int, num_ids: int, ignored: bool) -> None:
    if label.ndim != ndim or label.dtype != np.uint8:
        raise ValueError(f"expected uint8 with {ndim} dimensions, got {label.dtype} with {label.ndim}")
    outside = label >= num_ids
    if ignored:
        outside &= label != IGNORED
    if outside.any():
        raise ValueError(f"the label holds {np.unique(label[outside]).tolist()}, beyond the {num_ids} ids")


def indexed_png(label: np.ndarray, colours: Sequence[Colour], *, ignored: bool = False) -> bytes:
    """Give what ``write_indexed`` writes; with the colour of ignored pixels where they are ``ignored``."""
    palette = [*colours]
    if ignored:  # the filling repeats a colour, which tells a reader where the classes end
        palette += [colours[0]] * (IGNORED - len(palette)) + [_IGNORED_COLOUR]
    image = Image.fromarray(label)
    image.putpalette([value for colour in palette for value in colour], "RGB")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
