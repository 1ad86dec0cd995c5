"""Where the model is unsure, and which images to label next."""

import math
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from incmask.base.caller import command
from incmask.base.errors import IncmaskError, fail
from incmask.base.intact import GONE, DamagedError, intact
from incmask.base.words import counted
from incmask.data.images.tiles import Window, scale_label
from incmask.experiment.paths import RANKING
from incmask.experiment.record.images import ShareRow, mask_folders, picture_path, read_mask
from incmask.experiment.record.order import correction_order
from incmask.experiment.record.run import RunRecord
from incmask.insight.ranking.rows import NOT_SHOWN
from incmask.insight.report.page import (
    Block,
    Command,
    Gallery,
    Link,
    Outline,
    Swatch,
    Table,
    TableCell,
    TableRow,
    Text,
    Thumbnail,
    number,
    percent,
)
from incmask.insight.report.run_page.thumbnails import (
    SIDE_PX,
    TRUE_COLOUR,
    StackPictures,
    class_swatches,
    crop_outline,
    disputed_layer,
    disputed_swatch,
    outlines_of,
    to_jpeg,
)
from incmask.insight.report.run_page.volume_pictures import pictures_of
from incmask.insight.report.slices import slice_sheet
from incmask.prediction.layers import DISAGREEMENT
from incmask.prediction.shares import MASK_SHARES

MAX_ROWS, MAX_THUMBNAILS, _NUM_NEXT, _NUM_NAMED = 1_000, 24, 12, 5
"""Lines of a table and pictures of a gallery at most, whatever the number of images."""

_LAYER = "disputed pixels"
_MASK_SIDE_PX = 1024
"""Masks are traced at this size at most."""
_MOST_CLASSES = 4
"""Links to the masks of an image."""
_CROP = ("y", "x", "height", "width")


class UnlabelledPictures:
    """The unlabelled images of a run as pictures, as far as they are still there.

    Args:
        record: of the run.
    """

    def __init__(self, record: RunRecord):
        self._record = record
        self._items = record.part("unlabelled")
        try:
            self._pictures: StackPictures | None = pictures_of(record, "unlabelled")
        except DamagedError:
            raise
        except (*GONE, ValueError, IncmaskError):
            self._pictures = None

    @property
    def has_pictures(self) -> bool:
        """Whether there are any images to show."""
        return self._pictures is not None

    def thumbnail(self, name: str, text: str, *, crop: Window | None = None, outlined: bool = False) -> Thumbnail:
        """Draw an image with its disputed pixels.

        Args:
            name: of the image.
            text: what is said of it.
            crop: the part that is meant; None: all of it.
            outlined: with the outlines of its mask, too.
        """
        item = self._items.get(name)
        picture = None
        if item and self._pictures:
            picture = self._pictures.image(name, tuple(item["size"]))
        if item is None or picture is None:
            return Thumbnail(name, text, f"{name}: the image is gone.", b"", 0, 0, links=self.links(name))
        try:
            layer = disputed_layer(
                self._record.root, name, picture.shape[:2], scheme=self._record.scheme, depth=self._depth(name)
            )
        except DamagedError:
            raise
        except IncmaskError:
            # A file that is no image costs its own picture alone.
            layer = b""
        return Thumbnail(
            title=name,
            text=text,
            alt=f"{name}, {text}; disputed pixels are covered{', the mask is outlined' if outlined else ''}.",
            jpeg=to_jpeg(picture),
            width=picture.shape[1],
            height=picture.shape[0],
            layer=layer,
            outlines=(
                *(self._mask(name, picture.shape[:2]) if outlined else ()),
                *([crop_outline(crop, scale=SIDE_PX / max(item["size"]))] if crop else []),
            ),
            links=self.links(name),
        )

    def _mask(self, name: str, size: tuple[int, int]) -> tuple[Outline, ...]:
        try:
            label = read_mask(self._record.root, name, self._record.scheme).label
        except DamagedError:
            raise
        except IncmaskError:
            return ()
        if (depth := self._depth(name)) is not None:
            label = slice_sheet(label, depth)
        scale = min(1.0, _MASK_SIDE_PX / max(label.shape[:2]))
        if scale < 1:
            label = scale_label(label, (round(label.shape[0] * scale) or 1, round(label.shape[1] * scale) or 1))
        return outlines_of(label, kind="mask", scheme=self._record.scheme, size=size)

    def _depth(self, name: str) -> int | None:
        """Give the slices of a volume; None: it is an image."""
        grid = self._record.grid("unlabelled", name)
        return None if grid is None else grid.shape[0]

    @property
    def legend(self) -> tuple[Swatch, ...]:
        """What the colours of disputed pixels and of outlines mean."""
        scheme = self._record.scheme
        outlines = class_swatches(scheme) or (Swatch(f"outline of {scheme.classes[0].name}", TRUE_COLOUR),)
        return (disputed_swatch(scheme), *outlines)

    def links(self, name: str) -> tuple[Link, ...]:
        """Give the files of an image that there are, relative to the run folder."""
        root, found = self._record.root, []
        folders = list(mask_folders(root, self._record.scheme).items())[:_MOST_CLASSES]
        for text, folder in (*folders, ("disagreement", root / DISAGREEMENT)):
            try:
                path = picture_path(folder, name)
            except IncmaskError:
                continue
            # A name from a table may be none that the disk allows.
            if os.path.isfile(intact(path)):
                found.append(Link(text, quote(path.relative_to(root).as_posix())))
        return tuple(found)


def unsure_blocks(record: RunRecord, images: UnlabelledPictures) -> list[Block]:
    """Show the unlabelled images, the most disputed first."""
    shares = record.shares
    if not shares:
        return []
    mean = sum(row.inconsistent_fraction for row in shares) / len(shares)
    by_foreground = sorted(shares, key=_by_foreground)
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
                    for row in by_foreground[:MAX_THUMBNAILS]
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
                TableCell("", links=images.links(row.name)),
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
    if ranking := record.table(RANKING):
        blocks = _ranked(record.root / RANKING, images, ranking)
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


def _ranked(path: Path, images: UnlabelledPictures, ranking: Sequence[dict[str, str]]) -> list[Block]:
    if not {"rank", "name", "score", "reason"} <= ranking[0].keys():
        raise fail(path, "has no columns rank, name, score and reason", f"run {command('rank')} again")
    of_crops = set(_CROP) <= ranking[0].keys()
    rows: list[TableRow] = []
    crops: list[Window | None] = []
    try:
        for line in ranking[:MAX_ROWS]:
            crop = Window(*(int(float(line[key])) for key in _CROP)) if of_crops and line["x"] else None
            part = f"{crop.width}×{crop.height} at x {crop.left}, y {crop.top}" if crop else "–"
            rows.append(
                (
                    number(int(line["rank"]), line["rank"]),
                    line["name"],
                    *([part] if of_crops else []),
                    number(float(line["score"])),
                    line["reason"],
                    TableCell("", links=images.links(line["name"])),
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
            num_rows=len(ranking),
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
