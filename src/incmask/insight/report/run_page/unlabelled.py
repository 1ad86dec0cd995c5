"""Where the model is unsure, and which images to label next."""

import heapq
import math
import shlex
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from incmask.base.caller import command
from incmask.base.errors import fail
from incmask.base.words import counted
from incmask.data.images.tiles import Window
from incmask.experiment.paths import RANKING
from incmask.experiment.record.images import ShareRow
from incmask.experiment.record.order import correction_order
from incmask.experiment.record.run import RunRecord
from incmask.insight.ranking.rows import NOT_SHOWN
from incmask.insight.report.page import (
    Block,
    Command,
    Gallery,
    Link,
    Table,
    TableCell,
    TableRow,
    Text,
    Thumbnail,
    number,
    percent,
)
from incmask.insight.report.run_page.unlabelled_pictures import UnlabelledPictures
from incmask.prediction.shares import MASK_SHARES

MAX_ROWS, MAX_THUMBNAILS, _NUM_NEXT, _NUM_NAMED = 1_000, 24, 12, 5
"""Lines of a table and pictures of a gallery at most, whatever the number of images."""

_LAYER = "disputed pixels"
_CROP = ("y", "x", "height", "width")


def unsure_blocks(record: RunRecord, images: UnlabelledPictures) -> list[Block]:
    """Show the unlabelled images, the most disputed first."""
    shares = record.shares
    if not shares:
        return []
    mean = sum(row.inconsistent_fraction for row in shares) / len(shares)
    by_foreground = heapq.nsmallest(MAX_THUMBNAILS, shares, key=_by_foreground)
    told = f"most on {shares[0].name}, with {percent(shares[0].inconsistent_fraction)}"
    blocks: list[Block] = [
        Text(
            f"The models disagree on {percent(mean)} of the pixels of the {counted(len(shares), 'unlabelled image')}; "
            f"{told}. Do not trust the masks there.",
            "answer",
        )
    ]
    if not math.isnan(shares[0].disputed_of_foreground):
        blocks.append(
            _gallery(
                images,
                "disputed-foreground",
                "Worst masks: most of their own foreground is disputed",
                [
                    images.thumbnail(row.name, f"{percent(row.disputed_of_foreground)} of its foreground disputed")
                    for row in by_foreground
                ],
                note="In steps of 10 %; of those alike, the one with the larger disputed area comes first.",
            )
        )
    by_area = [
        images.thumbnail(row.name, f"{percent(row.inconsistent_fraction)} disputed") for row in shares[:MAX_THUMBNAILS]
    ]
    blocks.append(_gallery(images, "most-disputed", "Largest disputed areas", by_area))
    if images.has_pictures:
        blocks.append(_masks(shares, images))
    return [*blocks, _share_table(record, images)]


def _by_foreground(row: ShareRow) -> tuple[float, float, str]:
    """Order masks by the disputed share of their own foreground, rounded, so that specks do not come before objects."""
    return (-round(row.disputed_of_foreground, 1), -row.inconsistent_fraction, row.name)


def _masks(shares: Sequence[ShareRow], images: UnlabelledPictures) -> Gallery:
    """Show masks of images that are spread evenly over all, from the least disputed to the most."""
    num = min(_NUM_NEXT, len(shares))
    chosen = [shares[-1 - round(place * (len(shares) - 1) / max(1, num - 1))] for place in range(num)]
    thumbnails = [
        images.thumbnail(row.name, f"{percent(row.inconsistent_fraction)} disputed", outlined=True) for row in chosen
    ]
    note = f"{num} of {len(shares):,}, spread evenly from the least disputed to the most."
    return Gallery(
        "predictions",
        "Masks of unlabelled images",
        "masks and disputed pixels",
        tuple(thumbnails),
        note,
        images.legend,
    )


def _share_table(record: RunRecord, images: UnlabelledPictures) -> Table:
    shares = record.shares
    links = images.links_of([row.name for row in shares[:MAX_ROWS]])
    return Table(
        title="All unlabelled images",
        header=("image", "disputed", "of its foreground", *record.class_names, "files"),
        rows=tuple(
            (
                row.name,
                *(
                    number(share, percent(share))
                    for share in (row.inconsistent_fraction, row.disputed_of_foreground, *row.class_fractions)
                ),
                TableCell("", links=links[row.name]),
            )
            for row in shares[:MAX_ROWS]
        ),
        note="Shares of each image's pixels: those that the models dispute, and those of each class in the mask. Of "
        "its foreground: disputed pixels as a share of those that are foreground or disputed.",
        name="shares",
        num_rows=len(shares),
        rest=Link(MASK_SHARES, MASK_SHARES),
        sorted_by=(1, "descending"),
    )


def next_blocks(record: RunRecord, images: UnlabelledPictures) -> list[Block]:
    """Show which images to label next: as ``incmask rank`` says or, without it, the most disputed ones."""
    rows = record.each_row(RANKING)
    if ranking := list(islice(rows, MAX_ROWS)):
        num_rows = len(ranking) + sum(1 for _ in rows)
        blocks = _ranked(record.root / RANKING, images, ranking, num_rows=num_rows)
        note = correction_order(record).note if record.shares else ""
        return [*blocks, Text(f"{note}.", "warning")] if note else blocks
    if not record.shares:
        return []
    names = ", ".join(row.name for row in record.shares[:_NUM_NAMED])
    return [
        Text(
            f"By the disputed share alone, these come first: {names}. Neighbours in this list may look alike.", "answer"
        ),
        Command(
            "A better order, with a reason for each image and no near-duplicates:",
            shlex.join(["incmask", "rank", str(record.root)]),
        ),
    ]


def _ranked(path: Path, images: UnlabelledPictures, ranking: Sequence[dict[str, str]], *, num_rows: int) -> list[Block]:
    """Show the first rows of a ranking of so many."""
    if not {"rank", "name", "score", "reason"} <= ranking[0].keys():
        raise fail(path, "has no columns rank, name, score and reason", f"run {command('rank')} again")
    of_crops = set(_CROP) <= ranking[0].keys()
    links = images.links_of([line["name"] for line in ranking])
    rows: list[TableRow] = []
    crops: list[Window | None] = []
    try:
        for line in ranking:
            crop = Window(*(int(float(line[key])) for key in _CROP)) if of_crops and line["x"] else None
            part = f"{crop.width}×{crop.height} at x {crop.left}, y {crop.top}" if crop else "–"
            rows.append(
                (
                    number(int(line["rank"]), line["rank"]),
                    line["name"],
                    *([part] if of_crops else []),
                    number(float(line["score"])),
                    line["reason"],
                    TableCell("", links=links[line["name"]]),
                )
            )
            crops.append(crop)
    except (ValueError, TypeError) as error:
        raise fail(path, f"is no readable ranking ({error})", f"run {command('rank')} again") from error
    thumbnails = [
        images.thumbnail(line["name"], f"{line['rank']}. {line['reason']}", crop=crop)
        for line, crop in zip(ranking[:_NUM_NEXT], crops, strict=False)
    ]
    names = dict.fromkeys(each.title for each in thumbnails[:_NUM_NAMED])
    return [
        Text(f"Label these first: {', '.join(names)}.", "answer"),
        Text(f"They are a sensible choice, but {NOT_SHOWN}.", "note"),
        _gallery(images, "label-next", "The first to label", thumbnails),
        Table(
            title="In which order to label",
            header=("rank", "image", *(["part"] if of_crops else []), "score", "reason", "files"),
            rows=tuple(rows),
            name="ranking",
            num_rows=num_rows,
            rest=Link(RANKING, RANKING),
            sorted_by=(0, "ascending"),
        ),
    ]


def _gallery(
    images: UnlabelledPictures, name: str, title: str, thumbnails: Sequence[Thumbnail], *, note: str = ""
) -> Block:
    if not images.has_pictures:
        return Text("The images at the networks' size (stacks/) are gone, so there are no pictures here.", "note")
    return Gallery(name, title, _LAYER, tuple(thumbnails), note, images.legend[:1])
