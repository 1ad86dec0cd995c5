"""A data set that is in memory, and the data folder that is made of it."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from incmask.base.choosing import CONFIG_NAME
from incmask.base.config import IGNORED, Task
from incmask.base.errors import IncmaskError, Problem, fail, raise_problems
from incmask.base.files import whole_folder, write_text
from incmask.base.tables import csv_text
from incmask.base.words import ShortRepr, counted
from incmask.data.array_masks import Meaning, meaning_of
from incmask.data.images.given import arrays_of, channels_first_hint
from incmask.data.images.intensity import as_intensities
from incmask.data.images.writers import write_label, write_tiff
from incmask.method.labels import labels_of

_GROUPS = "groups.csv"


@dataclass(frozen=True, eq=False, repr=False)
class ArrayData(ShortRepr):
    """What a data folder holds, as arrays of any and different sizes.

    Attributes:
        images: (H, W) or (H, W, C) each, of any integer or float type; 8-bit values as they are, others are scaled
            as those of files are. Pillow images and tensors, (C, H, W), too.
        masks: one for each image, of its height and width, bool or integers: (H, W) with 0 and 1 for binary, (H, W)
            with ids from 0 for multiclass, (H, W, K) with 0 and 1 for multilabel; 255 where a pixel has no label.
        unlabelled: images without masks.
        val_images: to choose models by; none: part of ``images`` is set aside.
        val_masks: theirs, as ``masks``.
        test_images: for the final scores.
        test_masks: theirs, as ``masks``.
        groups: of each of ``images`` the subject that it shows, where others show it, too, such as a patient; images of
            one group are never on both sides of a split. None: each stands for itself.
        val_groups: those of ``val_images``.
        test_groups: those of ``test_images``.
        task: "binary", "multiclass" or "multilabel"; None: multilabel for masks of three axes, binary for those
            of 0 and 1, else multiclass.
        class_names: of the foreground alone for binary, of all ids for multiclass, of the channels for multilabel;
            None: "foreground", or "background" and "class_1" on, or "class_1" on.

    Examples:
        >>> image, mask = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
        >>> data = ArrayData([image] * 8, [mask] * 8, unlabelled=[image] * 50, class_names=["nucleus"])
        >>> len(data.unlabelled)
        50
    """

    images: Sequence[np.ndarray]
    masks: Sequence[np.ndarray]
    unlabelled: Sequence[np.ndarray] = ()
    val_images: Sequence[np.ndarray] = ()
    val_masks: Sequence[np.ndarray] = ()
    test_images: Sequence[np.ndarray] = ()
    test_masks: Sequence[np.ndarray] = ()
    groups: Sequence[str] | None = None
    val_groups: Sequence[str] | None = None
    test_groups: Sequence[str] | None = None
    task: Task | None = None
    class_names: Sequence[str] | None = None


def write_data(data: ArrayData, folder: str | os.PathLike[str]) -> None:
    """Write arrays as a data folder with its ``incmask.toml``, whole or not at all.

    Args:
        data: the arrays; images become TIFF files as ``as_intensities`` gives them, with NaN where there is no data.
        folder: one that is not there, is empty, or holds the same data.

    Raises:
        IncmaskError: an array is no image or no mask, they do not fit each other, or the folder holds something else or
            cannot be written.

    Examples:
        >>> import tempfile
        >>> image, mask = np.zeros((16, 16), np.uint8), np.eye(16, dtype=np.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_data(ArrayData([image], [mask]), folder)
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['incmask.toml', 'labelled']
    """
    folder = Path(folder)
    data = _as_arrays(data)
    meaning = _meaning(data)
    with whole_folder(folder, mark=CONFIG_NAME) as making:
        for part, images, masks in _parts(data):
            for index, image in enumerate(images):
                _write_image(making / part / "images" / f"{_name(part, index)}.tif", image)
            for index, mask in enumerate(masks):
                label = np.ascontiguousarray(mask, np.uint8)
                write_label(
                    making / part / "masks",
                    _name(part, index),
                    label,
                    task=meaning.task,
                    classes=meaning.classes,
                    ignored=meaning.ignored,
                )
        if _has_groups(data):
            write_text(making / _GROUPS, csv_text(("name", "part", "group"), _group_rows(data)))
        write_text(making / CONFIG_NAME, _config(meaning, has_groups=_has_groups(data)))


def _as_arrays(data: ArrayData) -> ArrayData:
    """Give the same with arrays alone.

    Raises:
        IncmaskError: some are no images or masks; all of them are told.
    """
    problems: list[Problem] = []
    names = ("images", "masks", "unlabelled", "val_images", "val_masks", "test_images", "test_masks")
    arrays = {
        name: arrays_of(getattr(data, name), name, masks=name.endswith("masks"), problems=problems) for name in names
    }
    raise_problems(problems)
    return replace(data, **arrays)  # type: ignore[arg-type]


def _name(part: str, index: int) -> str:
    # Of equal length, so that their order by name is that of the arrays. The part, since images of one name in two
    # parts would be taken for the same.
    return f"{part}-{index:06d}"


def _parts(data: ArrayData) -> Iterator[tuple[str, Sequence[np.ndarray], Sequence[np.ndarray]]]:
    yield "labelled", data.images, data.masks
    yield "unlabelled", data.unlabelled, ()
    yield "val", data.val_images, data.val_masks
    yield "test", data.test_images, data.test_masks


def _groups(data: ArrayData) -> dict[str, Sequence[str] | None]:
    return {"labelled": data.groups, "val": data.val_groups, "test": data.test_groups}


def _has_groups(data: ArrayData) -> bool:
    return any(of_part is not None for of_part in _groups(data).values())


def _group_rows(data: ArrayData) -> Iterator[tuple[str, str, str]]:
    groups = _groups(data)
    for part, images, _ in _parts(data):
        names = [_name(part, index) for index in range(len(images))]
        yield from ((name, part, group) for name, group in zip(names, groups.get(part) or names, strict=True))


def _write_image(path: Path, image: np.ndarray) -> None:
    image = as_intensities(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    write_tiff(path, image)


def _config(meaning: Meaning, *, has_groups: bool) -> str:
    """Say of the masks what a scan might take otherwise."""
    classes = [{"name": info.name, "value": info.value, "colour": list(info.colour)} for info in meaning.classes]
    values: dict[str, Any] = {
        "task": meaning.task,
        "encoding": "folders" if labels_of(meaning.task).is_layered else "grey",
        "ignore": IGNORED if meaning.ignored else "none",
        "classes": classes,
        **({"group": _GROUPS} if has_groups else {}),
    }
    return tomli_w.dumps({"data": values})


def _meaning(data: ArrayData) -> Meaning:
    """Check all arrays and find out what the masks mean."""
    problems = [problem for part in _parts(data) for problem in _problems(*part)]
    if problems := [*problems, *_problems_of_groups(data)]:
        raise IncmaskError(problems)
    masks = [*data.masks, *data.val_masks, *data.test_masks]
    if not masks:
        raise fail("ArrayData.masks", "holds no masks", "give some labelled images")
    return meaning_of(masks, data.task, data.class_names)


def _problems(part: str, images: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> Iterator[Problem]:
    prefix = "" if part in ("labelled", "unlabelled") else f"{part}_"
    image_list, mask_list = ("unlabelled", "") if part == "unlabelled" else (f"{prefix}images", f"{prefix}masks")
    for index, image in enumerate(images):
        if not np.isfinite(image).any():
            what = "has no data at any pixel: NaN or infinite values alone"
            yield Problem(f"{image_list}[{index}]", what, "take it out")
    if part == "unlabelled":
        return
    if len(masks) != len(images):
        what = f"{counted(len(masks), 'mask')} for {counted(len(images), 'image')}"
        yield Problem(mask_list, what, "give one for each")
    for index, (mask, image) in enumerate(zip(masks, images, strict=False)):
        if mask.shape[:2] != image.shape[:2]:
            what = f"has shape {mask.shape[:2]} for an image of {image.shape[:2]}"
            remedy = channels_first_hint(image.shape) or "give it the image's height and width"
            yield Problem(f"{mask_list}[{index}]", what, remedy)


def _problems_of_groups(data: ArrayData) -> Iterator[Problem]:
    for part, images, _ in _parts(data):
        groups = _groups(data).get(part)
        if groups is not None and len(groups) != len(images):
            where = "groups" if part == "labelled" else f"{part}_groups"
            what = f"{counted(len(groups), 'group')} for {counted(len(images), 'image')}"
            yield Problem(where, what, "give one for each")
