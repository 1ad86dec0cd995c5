"""Pseudo-labels of a run for a labelling tool: images, masks and the regions that are unsure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from incmask.base.caller import option
from incmask.base.errors import IncmaskError, fail
from incmask.base.files import check_folder_name, holds_something, whole_folder, write_bytes, write_text
from incmask.base.progress import Progress, Silent
from incmask.base.store import EXPORTED
from incmask.base.validation import choose
from incmask.base.words import ShortRepr
from incmask.data.images.writers import path_inside
from incmask.exchange.corrections.archives import whole_archive
from incmask.exchange.corrections.shown import find_images, shown_image
from incmask.exchange.corrections.specks import Merged, SpeckMerger
from incmask.exchange.corrections.unchanged import ExportedLabels, digest_of
from incmask.exchange.formats.sheets import IMAGES, LabelSheet
from incmask.exchange.formats.table import LABEL_FORMATS, LabelFormat
from incmask.exchange.names import LEAST_PX, UNSURE
from incmask.experiment.record.images import read_mask
from incmask.experiment.record.order import correction_order
from incmask.experiment.record.run import RunRecord, read_record
from incmask.experiment.volumes import refuse_volumes
from incmask.method.instances import check_can_grow, find_objects, object_channels, split_objects
from incmask.method.labels import check_classes, labels_of


@dataclass(frozen=True, repr=False)
class Exported(ShortRepr):
    """What was written.

    Attributes:
        out: the folder or archive.
        target: a name of ``TARGETS``.
        names: of the images, those that are most worth correcting first.
        ranked_by: the file of the run that told the order.
        notes: what a person should be told.
        merged: what merging specks changed; None: nothing was to be merged.
    """

    out: Path
    target: str
    names: tuple[str, ...]
    ranked_by: str
    notes: tuple[str, ...]
    merged: Merged | None = None


def export_labels(
    run: Path,
    out: Path,
    *,
    target: str,
    top: int | None = None,
    least_px: int | None = None,
    split: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write the pseudo-labels of a run, and the images, so that a labelling tool can open and correct them.

    Args:
        run: a finished run folder.
        out: folder to make, or a file that ends in ``.zip``.
        target: a name of ``TARGETS``.
        top: as many of the first images of ``ranking.csv``, or without one of the most disputed; None: all.
        least_px: where shapes are written, regions of fewer pixels are merged into what surrounds them, and unsure ones
            of fewer than ``UNSURE_TIMES`` as many; None: ``LEAST_PX``; 1: all stay. Painted pixels always stay.
        split: objects that touch are shapes of their own: by centres and borders where a class marks centres, else at
            their waists; which pixels have which label stays the same.
        progress: a listener.

    Raises:
        IncmaskError: the run or its images are not there, the target is unknown, ``out`` has a name for a file, or
            something is there already; just what would be written may be, and stays.
    """
    form: LabelFormat = choose(LABEL_FORMATS, target, option=option("to"))
    refuse_volumes(run, f"export to {target}")
    check_folder_name(out, f"an export to {target}")
    _check_counts(target, top=top, least_px=least_px, split=split, of_shapes=form.of_shapes)
    progress = progress or Silent()
    record = read_record(run)
    check_classes(record.task, "export of labels to correct")
    scheme = record.scheme
    if any(each.name == UNSURE for each in scheme.foreground):
        raise fail(run, f"has a class named {UNSURE}, as what the models do not agree on is called", "rename the class")
    order = correction_order(record)
    names = tuple(order.names[:top])
    images = find_images(record, names)
    progress.doing("writing pseudo-labels")
    progress.expect(len(names))
    merger = SpeckMerger(scheme, (least_px or LEAST_PX) if form.of_shapes else 1)
    digests: dict[str, str] = {}
    is_archive, again = out.suffix.casefold() == ".zip", holds_something(out)
    with whole_archive(out) if is_archive else whole_folder(out, mark=EXPORTED) as folder:
        sheets = _sheets(record, images, folder, merger, digests, progress=progress)
        form.write((_parted(sheet, record) for sheet in sheets) if split else sheets, folder, scheme)
        write_text(folder / "README.txt", form.how_to + _back(run, target))
        if not is_archive:
            write_text(folder / EXPORTED, "images and masks of a run, to be corrected\n")
    merged = merger.merged()
    there = "it was there already, the same to the byte" if again else ""
    notes = (there, order.note, str(merged) if merged else "", _remember(run, digests))
    return Exported(out, target, names, order.source, tuple(filter(None, notes)), merged)


def _check_counts(target: str, *, top: int | None, least_px: int | None, split: bool, of_shapes: bool) -> None:
    if top is not None and top < 1:
        raise fail(option("top"), f"is {top}; at least one image is expected", "give a number such as 20")
    if least_px is not None and least_px < 1:
        raise fail(
            option("least-px"), f"is {least_px}; at least one pixel is expected", f"give a number such as {LEAST_PX}"
        )
    for name, is_given in (("least-px", (least_px or 1) > 1), ("split", split)):
        if is_given and not of_shapes:
            raise fail(option(name), f"is for shapes, and {target} is painted pixel by pixel", "leave it out")
    if split:
        check_can_grow()


def _sheets(
    run: RunRecord,
    images: Mapping[str, Path],
    folder: Path,
    merger: SpeckMerger,
    digests: dict[str, str],
    *,
    progress: Progress,
) -> Iterator[LabelSheet]:
    """Put the images into the folder and give what the run says of each; enter the digests of what is given."""
    for name, path in images.items():
        mask = read_mask(run.root, name, run.scheme)
        file = _show(path, folder / IMAGES, name, size=mask.inconsistent.shape)
        sheet = merger.merge(LabelSheet(name, file, mask.label, mask.inconsistent))
        digests[name] = digest_of(sheet.uncorrected())
        yield sheet
        progress.advance(1)


def _parted(sheet: LabelSheet, run: RunRecord) -> LabelSheet:
    """Number the objects of each class, those that touch apart."""
    labels = labels_of(run.task)
    channels = object_channels(run.class_names, run.data.get("position_class"))
    if channels is not None:
        ids = find_objects(sheet.label, channels).ids
        found = {number: np.where(labels.class_pixels(sheet.label, number), ids, 0) for number in channels.bodies}
    else:
        numbers = labels.object_classes(len(run.class_names))
        found = {number: split_objects(labels.class_pixels(sheet.label, number)).ids for number in numbers}
    return replace(sheet, object_ids=found)


def _remember(run: Path, digests: Mapping[str, str]) -> str:
    """Write down what was exported; where that cannot be, say so."""
    try:
        ExportedLabels(run, anew=True).add(digests)
    except IncmaskError as error:
        return f"images that come back unchanged will not be noticed: {error}"
    return ""


def _show(path: Path, folder: Path, name: str, *, size: tuple[int, ...]) -> str:
    """Put an image into the folder as every tool shows it, and give its path there."""
    content, ending = shown_image(path, size=size)
    write_bytes(path_inside(folder, name, ending), content)
    return f"{name}{ending}"


def _back(run: Path, target: str) -> str:
    return (
        f"\nOn regions of the class {UNSURE} the models do not agree: settle and remove them; what is left of them\n"
        f"counts as not labelled. Then: incmask import {run.name} CORRECTED --from {target}\n"
        f"Images that come back just as they are here are asked about, as nobody may have looked at them.\n"
    )
