"""Inconsistency masks from the predictions of any models, image by image."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from incmask.base.caller import another_folder, option
from incmask.base.config import Task
from incmask.base.errors import fail
from incmask.base.files import cannot_write, write_text
from incmask.base.parse import parse_json
from incmask.base.progress import Progress
from incmask.base.store import COMPARED
from incmask.base.words import ShortRepr
from incmask.data.dataset import ClassInfo, ClassOption
from incmask.data.folder.recognise import Recognised
from incmask.data.images.readers import read_image
from incmask.data.images.writers import path_inside, write_tiff
from incmask.method.agreement import agreement, disagreement
from incmask.method.blocking import block_image, block_label
from incmask.method.labels import labels_of
from incmask.method.morphology import check_side
from incmask.prediction.ensemble import Prediction
from incmask.prediction.layers import ExtraOutputs, LayersWriter
from incmask.prediction.other_models.find import FoundMembers, find_predictions
from incmask.prediction.other_models.look import in_threads, look_through
from incmask.prediction.other_models.meaning import Meaning, find_meaning
from incmask.prediction.other_models.read import read_ids
from incmask.prediction.pictures import PictureWriter
from incmask.prediction.shares import MaskShares, shares_csv

SUMMARY, IMAGES = "summary.csv", "images"

_FORMAT = 1
_MASKED = ClassInfo("inconsistent", (128, 128, 128), 0)


@dataclass(frozen=True)
class MaskOptions:
    """What is made of the predictions.

    Attributes:
        task: None: deduced from the labels.
        classes: in the order of their ids, or channels; none: deduced.
        erode_px, dilate_px: sides of the squares that change the mask, as for ``inconsistency``.
        threshold: floating predictions are probabilities of the foreground, and foreground above it; None: class ids.
    """

    task: Task | None = None
    classes: tuple[ClassOption, ...] = ()
    erode_px: int = 0
    dilate_px: int = 0
    threshold: float | None = None


@dataclass(frozen=True, repr=False)
class MasksDone(ShortRepr):
    """What was written.

    Attributes:
        task: "binary", "multiclass" or "multilabel".
        class_names: of the ids in ``masks/``, or of the channels.
        num_images: that have a mask.
        inconsistent_fraction: share of disputed pixels, 0 to 1, mean over the images.
        notes: what must be said aloud.
    """

    task: Task
    class_names: tuple[str, ...]
    num_images: int
    inconsistent_fraction: float
    notes: tuple[str, ...]


def write_masks(
    folders: Sequence[Path], out: Path, *, images: Path | None = None, options: MaskOptions, progress: Progress
) -> MasksDone:
    """Compare the predictions of several models, and write labels and disputed pixels (paper, section 2.4.6).

    Disputed pixels are 0 in the labels and in the images. For exclusive classes 0 is a class of its own there, and
    the others move up by one; else it is the background. Nothing is written before all files were looked at.

    Args:
        folders: label images of each model, with the same names.
        out: gets ``masks/``, ``inconsistent/``, ``disagreement/``, ``summary.csv`` and ``mask.json``; with ``images``
            also ``images/``.
        images: folder of the images, with the same names.
        options: how labels are read and masks changed.
        progress: a listener.

    Raises:
        IncmaskError: files do not belong together, are broken or of other sizes, hold what is no class, or have
            several readings; or the folder holds something else, or cannot be written.
    """
    check_side(options.erode_px, option("erode"))
    check_side(options.dilate_px, option("dilate"))
    found = find_predictions(folders, out=out, images=images, task=options.task)
    num_files = sum(len(below) for member in found.members for below in member.files.values())
    progress.expect(num_files + len(found.names) * (1 if images is None else 2))
    progress.doing(f"reading {num_files} predictions")
    looked = look_through(found, threshold=options.threshold, progress=progress)
    given = [member.folder for member in found.members]
    meaning = find_meaning(looked.facts, given, task=options.task, classes=options.classes)
    classes = (_MASKED, *meaning.classes) if labels_of(meaning.task).is_exclusive else meaning.classes
    _open_out(out, _record(found, meaning, images=images, options=options, classes=classes))
    progress.doing(f"writing {len(found.names)} masks")
    work = _Work(out, found, meaning, classes, options, looked.sizes)
    shares = in_threads(work.write, found.names, progress)
    names = [info.name for info in classes]
    write_text(out / SUMMARY, shares_csv(shares, names))
    fraction = float(np.mean([share.inconsistent_fraction for share in shares]))
    return MasksDone(meaning.task, tuple(names), len(shares), fraction, (*found.notes, *meaning.notes))


@dataclass(frozen=True)
class _Work:
    out: Path
    found: FoundMembers
    meaning: Meaning
    classes: tuple[ClassInfo, ...]
    options: MaskOptions
    sizes: Mapping[str, tuple[int, int]]

    def write(self, name: str) -> MaskShares:
        """Write everything of an image."""
        task, size = self.meaning.task, self.sizes[name]
        votes = np.stack([self._votes(index, name) for index in range(len(self.found.members))])
        erode_px, dilate_px = self.options.erode_px, self.options.dilate_px
        agreed = agreement(votes[:, None], task=task, erode_px=erode_px, dilate_px=dilate_px)
        label, inconsistent = agreed.label[0], agreed.inconsistent[0]
        label = block_label(labels_of(task).with_masked(label), inconsistent, task=task)
        nothing = np.zeros(0, np.uint8)
        rows = Prediction(label, inconsistent, nothing, disagreement(votes, task=task))
        with LayersWriter(self.out, name, size, task=task, classes=self.classes, pictures=ExtraOutputs()) as writer:
            writer.add(nothing, rows)
            shares = writer.finish()
        if self.found.images is not None:
            _write_image(
                path_inside(self.out / IMAGES, name, ""), block_image(read_image(self.found.images[name]), inconsistent)
            )
        return shares

    def _votes(self, index: int, name: str) -> np.ndarray:
        """Tell what a model says of an image: uint8 (H, W) or (H, W, K); exclusive ids from 1, as 0 is for none."""
        member, spellings = self.found.members[index], self.meaning.spellings[index]
        labels = labels_of(self.meaning.task)
        if labels.is_layered:
            folders = [info.name for info in self.classes]
            return np.stack([self._ids(member.files[each].get(name), spellings[each], name) for each in folders], -1)
        ids = self._ids(member.files[""][name], spellings[""], name)
        return labels.with_masked(ids)

    def _ids(self, path: Path | None, spelling: Recognised, name: str) -> np.ndarray:
        if path is None:
            return np.zeros(self.sizes[name], np.uint8)
        return read_ids(path, spelling, threshold=self.options.threshold)


def _open_out(out: Path, record: Mapping[str, Any]) -> None:
    """Make the folder, or take up that of an earlier call with the same predictions and options."""
    path = out / COMPARED
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            _check_record(out, record)
        # A table tells that all masks are there.
        (out / SUMMARY).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from error
    write_text(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _check_record(out: Path, record: Mapping[str, Any]) -> None:
    try:
        before = dict(parse_json((out / COMPARED).read_bytes()))
        gone = sorted(set(before.pop("images")) - set(record["images"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise fail(out, "is there already and holds something else", another_folder()) from None
    now = {name: value for name, value in record.items() if name != "images"}
    if before != now:
        changed = [name for name in now if before.get(name) != now[name]]
        what = f"holds masks of a call with other {', '.join(changed) or 'options'}"
    elif gone:
        what = f"holds masks of images that have no predictions now, such as {gone[0]}"
    else:
        return
    raise fail(out, what, f"{another_folder()}, or remove this one")


def _record(
    found: FoundMembers,
    meaning: Meaning,
    *,
    images: Path | None,
    options: MaskOptions,
    classes: Sequence[ClassInfo],
) -> dict[str, Any]:
    """Everything that the masks depend on but the content of the files, as plain values."""
    return {
        "format": _FORMAT,
        "predictions": [str(member.folder.resolve()) for member in found.members],
        "images_from": None if images is None else str(images.resolve()),
        "task": meaning.task,
        "classes": [_class_record(meaning, number, info.name) for number, info in enumerate(classes)],
        "erode_px": options.erode_px,
        "dilate_px": options.dilate_px,
        "threshold": options.threshold,
        "images": list(found.names),
    }


def _class_record(meaning: Meaning, number: int, name: str) -> dict[str, Any]:
    """Give a class: what stands for it in the masks that are written, and in the predictions of each model."""
    labels = labels_of(meaning.task)
    if labels.is_exclusive:
        values = [info.value for info in meaning.classes]
        return {"name": name, "id": number, "value": values[number - 1] if number else None}
    folder = name if labels.is_layered else ""
    return {"name": name, "id": 1, "values": [each[folder].classes[0].value for each in meaning.spellings]}


def _write_image(path: Path, image: np.ndarray) -> None:
    """Write (H, W, C): as PNG what is 8-bit grey or RGB, else as TIFF of its own type."""
    png, tiff = (path.with_name(f"{path.name}{ending}") for ending in (".png", ".tif"))
    plane = image[..., 0] if image.shape[2] == 1 else image
    if image.dtype == np.uint8 and image.shape[2] in (1, 3):
        writer = PictureWriter(path, image.shape[:2])
        writer.add(plane)
        writer.write()
        return
    write_tiff(tiff, plane)
    png.unlink(missing_ok=True)
