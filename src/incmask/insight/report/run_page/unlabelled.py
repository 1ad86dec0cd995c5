"""Where the model is unsure, and which images to label next."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from incmask.base.errors import IncmaskError, fail
from incmask.data.images.writers import path_inside
from incmask.experiment.record import RunRecord, ShareRow, read_table
from incmask.insight.report.page import (
    Block,
    Command,
    Gallery,
    Link,
    Outline,
    PageSection,
    Table,
    TableCell,
    Text,
    Thumbnail,
    number,
    percent,
)
from incmask.insight.report.run_page.thumbnails import (
    SIDE_PX,
    StackPictures,
    crop_outline,
    disputed_layer,
    to_jpeg,
)
from incmask.prediction.files import MASK_SHARES
from incmask.prediction.layers import DISAGREEMENT, MASKS

RANKING = "ranking.csv"
MAX_ROWS, MAX_THUMBNAILS, _NUM_NEXT, _NUM_NAMED = 1_000, 48, 12, 5
"""Lines of a table and pictures of a gallery at most, whatever the number of images."""

_LAYER = "disputed pixels"
_MOST_CLASSES = 4
"""Links to the masks of an image."""
_CROP = ("x", "y", "width", "height")


class UnlabelledPictures:
    """The unlabelled images of a run as pictures, as far as they are still there.

    Args:
        record: of the run.
    """

    def __init__(self, record: RunRecord):
        self._record = record
        self._items = record.part("unlabelled")
        try:
            self._pictures: StackPictures | None = StackPictures(record.root / "stacks" / "unlabelled")
        except (OSError, ValueError, KeyError):
            self._pictures = None

    @property
    def has_pictures(self) -> bool:
        """Whether there are any images to show."""
        return self._pictures is not None

    def thumbnail(self, name: str, text: str, *, crop: tuple[int, int, int, int] | None = None) -> Thumbnail:
        """Draw an image with its disputed pixels.

        Args:
            name: of the image.
            text: what is said of it.
            crop: x, y, width and height of the part that is meant; None: all of it.
        """
        item = self._items.get(name)
        picture = None
        if item and self._pictures:
            picture = self._pictures.image(name, tuple(item["size"]))
        if item is None or picture is None:
            return Thumbnail(name, text, f"{name}: the image is gone.", b"", 0, 0, links=self.links(name))
        outlines: tuple[Outline, ...] = ()
        if crop:
            left, top, width, height = crop
            outlines = (crop_outline(top, left, height, width, scale=SIDE_PX / max(item["size"])),)
        return Thumbnail(
            title=name,
            text=text,
            alt=f"{name}, {text}; disputed pixels are covered in orange.",
            jpeg=to_jpeg(picture),
            width=picture.shape[1],
            height=picture.shape[0],
            layer=self._layer(name, picture.shape[:2]),
            outlines=outlines,
            links=self.links(name),
        )

    def links(self, name: str) -> tuple[Link, ...]:
        """Give the files of an image that there are, relative to the run folder."""
        root = self._record.root
        found = []
        masks = [("mask", root / MASKS)]
        if self._record.task == "multilabel":
            folders = {each["name"]: each["value"] for each in self._record.data["classes"][:_MOST_CLASSES]}
            masks = [
                (each, root / MASKS / (value if isinstance(value, str) else each)) for each, value in folders.items()
            ]
        for text, folder in (*masks, ("disagreement", root / DISAGREEMENT)):
            path = _inside(folder, name)
            # A name from a table may be none that the disk allows.
            if path is not None and os.path.isfile(path):
                found.append(Link(text, quote(path.relative_to(root).as_posix())))
        return tuple(found)

    def _layer(self, name: str, size: tuple[int, int]) -> bytes:
        try:
            return disputed_layer(self._record.root, name, size)
        except IncmaskError:
            # A file that was changed by hand costs its own picture alone.
            return b""


def unsure_section(record: RunRecord, images: UnlabelledPictures) -> PageSection:
    """Show the unlabelled images, the most disputed first."""
    if not record.shares:
        return PageSection("unsure", "Where is it unsure?", ())
    mean = sum(row.inconsistent_fraction for row in record.shares) / len(record.shares)
    blocks: list[Block] = [
        Text(
            f"The models disagree on {percent(mean)} of the pixels of the {len(record.shares):,} unlabelled images; "
            f"most on {record.shares[0].name}, with {percent(record.shares[0].inconsistent_fraction)}. Do not trust "
            "the masks there.",
            "answer",
        )
    ]
    blocks += _gallery(
        images,
        "most-disputed",
        "Most disputed images",
        [(row.name, f"{percent(row.inconsistent_fraction)} disputed", None) for row in record.shares[:MAX_THUMBNAILS]],
    )
    rows = tuple(_share_cells(row, images) for row in record.shares[:MAX_ROWS])
    blocks.append(
        Table(
            name="shares",
            title="All unlabelled images",
            header=("image", "disputed", *record.class_names, "files"),
            rows=rows,
            num_rows=len(record.shares),
            rest=Link(MASK_SHARES, MASK_SHARES),
            note="Shares of each image's pixels: those that the models dispute, and those of each class in the mask.",
            sorted_by=(1, "descending"),
        )
    )
    return PageSection("unsure", "Where is it unsure?", tuple(blocks))


def next_section(record: RunRecord, images: UnlabelledPictures) -> PageSection:
    """Show which images to label next: as ``incmask rank`` says or, without it, the most disputed ones."""
    heading = "What to label next?"
    ranking = read_table(record.root / RANKING)
    if ranking:
        return PageSection("next", heading, tuple(_ranked(record, images, ranking)))
    if not record.shares:
        return PageSection("next", heading, ())
    chosen = record.shares[:_NUM_NAMED]
    return PageSection(
        "next",
        heading,
        (
            Text(
                "By the disputed share alone, these come first: "
                + ", ".join(row.name for row in chosen)
                + ". Neighbours in this list may look alike.",
                "answer",
            ),
            Command(
                "A better order, with a reason for each image and no near-duplicates:",
                shlex.join(["incmask", "rank", str(record.root)]),
            ),
        ),
    )


def _ranked(record: RunRecord, images: UnlabelledPictures, ranking: Sequence[dict[str, str]]) -> list[Block]:
    path = record.root / RANKING
    if not {"rank", "name", "score", "reason"} <= ranking[0].keys():
        raise fail(path, "has no columns rank, name, score and reason", "run `incmask rank` again")
    try:
        of_crops = set(_CROP) <= ranking[0].keys()
        rows: list[tuple[str | TableCell, ...]] = []
        shown = []
        for place, line in enumerate(ranking[:MAX_ROWS]):
            where = tuple(int(float(line[key])) for key in _CROP) if of_crops and line["x"] else None
            cells: list[str | TableCell] = [number(int(line["rank"]), line["rank"]), line["name"]]
            if of_crops:
                cells.append("{2}×{3} at x {0}, y {1}".format(*where) if where else "–")
            cells += [
                number(float(line["score"])),
                line["reason"],
                TableCell("", links=images.links(line["name"])),
            ]
            rows.append(tuple(cells))
            if place < _NUM_NEXT:
                shown.append((line["name"], f"{line['rank']}. {line['reason']}", where))
    except (ValueError, TypeError) as error:
        raise fail(path, f"is no readable ranking ({error})", "run `incmask rank` again") from error
    return [
        Text(f"Label these first: {', '.join(dict.fromkeys(name for name, _, _ in shown[:_NUM_NAMED]))}.", "answer"),
        *_gallery(images, "label-next", "The first to label", shown),  # type: ignore[arg-type]
        Table(
            name="ranking",
            title="In which order to label",
            header=("rank", "image", *(["part"] if of_crops else []), "score", "reason", "files"),
            rows=tuple(rows),
            num_rows=len(ranking),
            rest=Link(RANKING, RANKING),
            sorted_by=(0, "ascending"),
        ),
    ]


def _gallery(
    images: UnlabelledPictures,
    name: str,
    title: str,
    shown: Sequence[tuple[str, str, tuple[int, int, int, int] | None]],
) -> list[Block]:
    if not images.has_pictures:
        return [Text("The images at the networks' size (stacks/) are gone, so there are no pictures here.", "note")]
    thumbnails = tuple(images.thumbnail(image, text, crop=crop) for image, text, crop in shown)
    return [Gallery(name, title, _LAYER, thumbnails, "Orange: pixels on which the models disagree.")]


def _share_cells(row: ShareRow, images: UnlabelledPictures) -> tuple[str | TableCell, ...]:
    shares = (row.inconsistent_fraction, *row.class_fractions)
    return (
        row.name,
        *(number(share, percent(share)) for share in shares),
        TableCell("", links=images.links(row.name)),
    )


def _inside(folder: Path, name: str) -> Path | None:
    try:
        return path_inside(folder, name)
    except IncmaskError:
        return None
