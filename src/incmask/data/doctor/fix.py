"""A corrected copy of a data folder: what can be mended without asking is, and each change is written down."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from incmask.base.errors import IncmaskError, fail, printable
from incmask.base.files import whole_folder, write_text
from incmask.base.machine import num_cores
from incmask.base.tables import rows_text
from incmask.base.threads import side_by_side
from incmask.data.dataset import Dataset, Item
from incmask.data.doctor.finding import label_of
from incmask.data.doctor.masks_as_images import masks_as_images
from incmask.data.doctor.near_copies import SPOILED, near_copies
from incmask.data.doctor.pairs import find_shifts, look_at_pairs
from incmask.data.doctor.rewrite import is_mendable, moved, no_label_of, write_raster
from incmask.data.folder.copies import find_copies
from incmask.data.folder.walk import walk
from incmask.data.images.decode import decode, read_bytes
from incmask.data.images.masks import decode_mask
from incmask.data.images.readers import ImageFacts

CHANGES = "changes.csv"
"""In the copy: a line a file that is not as it was."""


@dataclass(frozen=True)
class Change:
    """What was done to a file: a line of ``changes.csv``.

    Attributes:
        file: its path below the data folder, as it was.
        change: "left out", "moved" or "turned upright".
        why: the reason, in words.
    """

    file: str
    change: str
    why: str


@dataclass(frozen=True)
class _Plan:
    """What is to be done, by path: reasons to leave files out, steps to move masks by, and the files of images."""

    left_out: Mapping[Path, str]
    moves: Mapping[Path, tuple[int, int]]
    images: frozenset[Path]
    masks: frozenset[Path]


def fix_folder(dataset: Dataset, images: Mapping[Path, ImageFacts], out: Path) -> tuple[Change, ...]:
    """Write a corrected copy of a data folder, whole or not at all.

    Left out are images that are masks, and of images that show the same in two parts of which one is scored, that in
    the part before: ``test`` stays as it is. Masks that lie beside what they show are moved. Images and masks that are
    to be turned to be displayed are written upright. All other files are copied.

    Args:
        dataset: what the folder holds.
        images: what is known of its images.
        out: the folder to make; it must not be there, be empty, or hold the same copy.

    Returns:
        What was changed; without any change nothing is written.

    Raises:
        IncmaskError: the folder holds something or lies inside the data (or they in it), or nothing labelled would be
            left.
    """
    _check_target(dataset.root, out)
    with whole_folder(out, mark=CHANGES) as folder:
        plan = _plan(dataset, images)
        if not any(item.image not in plan.left_out for item in dataset.labelled):
            what = "would lose all labelled images, since all are masks, or shown in val or test, too"
            raise fail(dataset.root, what, "take them out of val or test, or put the images in their place, yourself")
        changes = tuple(_copied(dataset, plan, folder))
        if changes:
            write_text(folder / CHANGES, rows_text(changes, Change))
        else:
            shutil.rmtree(folder)
    return changes


def _check_target(root: Path, out: Path) -> None:
    inside, outside = out.resolve(), root.resolve()
    if inside.is_relative_to(outside) or outside.is_relative_to(inside):
        raise fail(out, f"lies inside the data folder {root}, or that in it", "choose a folder beside it")


def _plan(dataset: Dataset, images: Mapping[Path, ImageFacts]) -> _Plan:
    reasons: dict[Path, str] = {}
    for item, why in _left_out(dict(dataset.parts()), images):
        for path in _files(item):
            reasons.setdefault(path, why)
    moves = {
        path: shift.step_px
        for shift, pairs in find_shifts(look_at_pairs(dataset, most=None))
        for pair in pairs
        for path in _files(pair.item)[1:]
        if path not in reasons
    }
    items = [item for _, part in dataset.parts() for item in part]
    masks = frozenset(path for item in items for path in _files(item)[1:])
    return _Plan(reasons, moves, frozenset(item.image for item in items), masks)


def _files(item: Item) -> list[Path]:
    return [item.image, *(path for path in item.masks or () if path is not None)]


def _left_out(items: Mapping[str, Sequence[Item]], images: Mapping[Path, ImageFacts]) -> Iterator[tuple[Item, str]]:
    """Give the images that are no use, or spoil what is scored, and why."""
    for each in masks_as_images(items, images):
        yield each.item, "the image is its own mask" if each.is_own else "the image looks like a mask"
    for copy in near_copies(items, images):
        if copy.parts in SPOILED:
            yield copy.items[0], f"shows the same as {label_of(copy.parts[1], copy.items[1])}"
    for places in find_copies(items, {path: fact.digest for path, fact in images.items()}):
        # One of each part tells it: of thousands that are equal, as empty ones are, nobody compares all pairs.
        first_of_part = dict(reversed(places))
        for part, item in places:
            for other_part, other in first_of_part.items():
                if (part, other_part) in SPOILED:
                    yield item, f"is equal to {label_of(other_part, other)}"


def _copied(dataset: Dataset, plan: _Plan, staging: Path) -> Iterator[Change]:
    """Write the files of a folder, and tell of those that are not as they were."""
    root = dataset.root
    files = sorted({*walk(root).files, *plan.images, *plan.masks})
    taken = frozenset(staging / path.relative_to(root) for path in files)

    def write(path: Path) -> Change | None:
        below = path.relative_to(root)
        if path in plan.left_out:
            return Change(printable(below.as_posix()), "left out", plan.left_out[path])
        done = _rewritten(path, staging / below, dataset, plan, taken)
        if done is None:
            (staging / below).parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, staging / below, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(path, staging / below)
            return None
        return Change(printable(below.as_posix()), *done)

    for change in side_by_side(write, files, num_threads=min(8, num_cores())):
        if change is not None:
            yield change


def _rewritten(
    path: Path, target: Path, dataset: Dataset, plan: _Plan, taken: frozenset[Path]
) -> tuple[str, str] | None:
    """Write a file anew where it is to be moved or turned, and say what was done and why; None: it stays as it is."""
    if path in plan.moves:
        raster = decode_mask(path, read_bytes(path))
        fill = no_label_of(dataset.encoding, raster)
        write_raster(target, raster, moved(raster.values, plan.moves[path], fill=fill), taken)
        down, right = plan.moves[path]
        edge = "its edge repeated" if fill is None else "no label where it came from"
        return "moved", f"lay beside what it shows: {down:+d} pixels down, {right:+d} right, {edge}"
    if path not in plan.images and path not in plan.masks:
        return None
    try:
        raster = (decode_mask if path in plan.masks else decode)(path, read_bytes(path))
    except IncmaskError:
        return None
    if not is_mendable(raster):
        return None
    write_raster(target, raster, raster.values, taken)
    return "turned upright", f"its orientation was {raster.orientation}, which other programs may not heed"
