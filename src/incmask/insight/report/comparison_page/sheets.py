"""Picture sheets of a comparison: what students saw and learnt, beside the truth (paper figures 7, 11 and 12).

What is masked is black in an input, white in a mask and grey in a label; grey in a truth has no label.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from incmask.base.caller import command
from incmask.base.config import IGNORED
from incmask.base.errors import fail
from incmask.base.npy_rows import Rows
from incmask.data.dataset import Colour
from incmask.data.stack import read_stack
from incmask.experiment.paths import INCONSISTENT, LABEL
from incmask.insight.report.picture import PictureSheet, Pixels, as_rgb, slug
from incmask.insight.report.slices import slice_sheet
from incmask.method.blocking import block_image
from incmask.method.labels import labels_of
from incmask.method.metrics import count
from incmask.method.scoring import Scoring

GREY: Colour = (128, 128, 128)
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)

_CELL_SIDES_PX = (160, 120, 80)
"""About how long the longer side of a picture is; the shorter ones are for sheets that would be too large."""
_LARGEST_BYTES = 600_000
_GUTTER_PX, _LINE_PX, _FONT_PX, _LEAST_WIDTH_PX = 8, 16, 12, 108


@dataclass(frozen=True)
class PseudoSource:
    """An approach's pseudo-labels in one run; all stacks have the same rows.

    Attributes:
        title: the approach as people know it, such as "IM++".
        images: ``images.npy`` of the unlabelled stack, uint8 (N, H, W, C), with its ``index.csv`` beside it.
        labels: the true ones, uint8 (N, H, W) or (N, H, W, K), 255 where there is no label; None where unknown.
        generations: the folder of each generation's pseudo-labels, from generation 1; empty where there are none.
        scoring: how to read labels, and how they are scored.
        class_colours: of each class, RGB; of a binary task the foreground's, which is drawn white all the same.
        blocked: whether students saw and learnt nothing where members disagreed (IM), or everything (ME).
        setting: what a sweep changed, and how it was chosen; empty without a sweep.
        depth: slices of volumes, some of which are drawn side by side; None: these are images.
    """

    title: str
    images: Path
    labels: Path | None
    generations: tuple[Path, ...]
    scoring: Scoring
    class_colours: tuple[Colour, ...]
    blocked: bool
    setting: str = ""
    depth: int | None = None

    @property
    def full_title(self) -> str:
        """The approach with its setting."""
        return f"{self.title} ({self.setting})" if self.setting else self.title


def choose_images(inconsistent_fractions: ArrayLike, *, num: int) -> tuple[int, ...]:
    """Choose images by the sizes of their masks, evenly over the quantiles, so that nobody picks the pretty ones.

    Args:
        inconsistent_fractions: (N,), 0 to 1.
        num: how many; all N where there are no more.

    Returns:
        rows, from the smallest mask to the largest; the same for the same fractions.
    """
    order = np.argsort(np.asarray(inconsistent_fractions, dtype=np.float64), kind="stable")
    num = min(num, order.size)
    return tuple(int(order[(2 * place + 1) * order.size // (2 * num)]) for place in range(num))


def over_generations(source: PseudoSource, *, row: int) -> PictureSheet | None:
    """Draw one image's input, mask and pseudo-label in each generation, and its truth (paper figure 12).

    Args:
        source: of any approach; without pseudo-labels there is no sheet.
        row: of the image.

    Raises:
        IncmaskError: a file lacks or is damaged.
    """
    if not source.generations:
        return None
    pseudo = [_Pseudo.read(source, folder, row) for folder in source.generations]
    headings = [f"generation {number}" for number in range(1, len(pseudo) + 1)]
    inputs = [_Cell(each.image, "input") for each in pseudo]
    masks = [_Cell(each.mask, f"mask {each.fraction:.1%}") for each in pseudo]
    labels = [_Cell(each.label, "pseudo-label") for each in pseudo]
    if source.labels:
        headings.append("truth")
        inputs.append(_Cell(_image(source, row), "image"))
        labels.append(_Cell(_truth(source, row), "truth"))
    name, sizes = read_stack(source.images.parent).names[row], ", ".join(f"{each.fraction:.1%}" for each in pseudo)
    return PictureSheet(
        name=f"over-generations-{slug(source.title)}-{row}",
        title=f"{source.full_title} over generations: {name}",
        alt=f"{'Input, mask' if source.blocked else 'Input'} and pseudo-label of {name} in each generation of "
        f"{source.title}{', and the truth' if source.labels else ''}{f'; masked: {sizes}' if source.blocked else ''}.",
        png=_draw(headings, [inputs, masks, labels] if source.blocked else [inputs, labels], depth=source.depth),
    )


def masks_against_votes(
    masks: PseudoSource, votes: PseudoSource, *, rows: Sequence[int], other_vote: Pixels
) -> PictureSheet | None:
    """Draw what students of generation 1 get with and without inconsistency masks (paper figure 11).

    Args:
        masks: of IM.
        votes: of ME, on the same images; unless both have pseudo-labels there is no sheet. They are unanimous (hard)
            for a binary task, else soft.
        rows: of the images, one a line.
        other_vote: labels by the kind of vote that is not ME's here, (rows, H, W) or (rows, H, W, K).

    Raises:
        IncmaskError: a file lacks or is damaged.
    """
    if not (masks.generations and votes.generations and rows):
        return None
    names, ours, theirs = read_stack(masks.images.parent).names, masks.title, votes.title
    headings = [f"{ours}\n{kind}" for kind in ("input", "pseudo-label", "mask")]
    headings += [f"{theirs}\n{kind}" for kind in ("input", "hard vote", "soft vote")]
    if masks.labels:
        headings.append("\ntruth")
    grid, is_hard = [], labels_of(votes.scoring.task).always_unanimous
    for place, row in enumerate(rows):
        im, me = (_Pseudo.read(source, source.generations[0], row) for source in (masks, votes))
        line = [_Cell(im.image, names[row]), _Cell(im.label), _Cell(im.mask, f"{im.fraction:.1%}")]
        own, other = _Cell(me.label, "pseudo-label"), _Cell(_to_rgb(other_vote[place], votes), "for comparison")
        line += [_Cell(me.image), *((own, other) if is_hard else (other, own))]
        grid.append([*line, _Cell(_truth(masks, row))] if masks.labels else line)
    return PictureSheet(
        name=f"masks-against-votes-{slug(ours)}-{slug(theirs)}",
        title=f"{masks.full_title} against {votes.full_title} in generation 1",
        alt=f"Input, pseudo-label and mask of {ours} beside input, hard and soft vote of {theirs} in generation 1"
        f"{', and the truth' if masks.labels else ''}, of {', '.join(names[row] for row in rows)}.",
        png=_draw(headings, grid, depth=masks.depth),
    )


def truth_against_pseudo(source: PseudoSource, *, rows: Sequence[int]) -> PictureSheet | None:
    """Draw the last generation's pseudo-labels beside the truth, with their IoU (paper figure 7).

    The IoU is that of the blocked label with the whole truth: the main score.

    Args:
        source: of any approach; without pseudo-labels or truth there is no sheet.
        rows: of the images, one a line.

    Raises:
        IncmaskError: a file lacks or is damaged.
    """
    if not (source.generations and source.labels and rows):
        return None
    names = read_stack(source.images.parent).names
    scoring, grid, said = source.scoring, [], []
    for row in rows:
        pseudo, truth = _Pseudo.read(source, source.generations[-1], row), _row(source.labels, row)
        counts = count(pseudo.prediction[None], truth[None], task=scoring.task, num_classes=len(source.class_colours))
        value = f"{scoring.name} {scoring.by_image(counts)[0]:.2f}"
        image = _Cell(_image(source, row), names[row])
        grid.append([image, _Cell(_to_rgb(truth, source)), _Cell(pseudo.label, value)])
        said.append(f"{names[row]}, {value}")
    last = len(source.generations)
    return PictureSheet(
        name=f"truth-against-pseudo-{slug(source.title)}",
        title=f"The truth against pseudo-labels of {source.full_title} in generation {last}",
        alt=f"Image, truth and pseudo-label of {source.title} in generation {last}: {'; '.join(said)}.",
        png=_draw(["image", "truth", "pseudo-label"], grid, depth=source.depth),
    )


@dataclass(frozen=True)
class _Pseudo:
    """A pseudo-label: pictures (H, W, 3), the label as it is scored, and the share of masked pixels."""

    image: Pixels
    mask: Pixels
    label: Pixels
    prediction: Pixels
    fraction: float

    @staticmethod
    def read(source: PseudoSource, folder: Path, row: int) -> "_Pseudo":
        label = _row(folder / LABEL, row)
        # A vote writes down where members disagree as well, but its students use every pixel.
        masked = _row(folder / INCONSISTENT, row).astype(bool) if source.blocked else np.zeros(label.shape[:2], bool)
        prediction, picture = label.copy(), _to_rgb(label, source)
        prediction[masked] = IGNORED if labels_of(source.scoring.task).is_exclusive else 0  # id 0 would be a guess
        picture[masked] = GREY
        mask = masked[..., None] * np.full(3, 255, np.uint8)
        return _Pseudo(block_image(_image(source, row), masked), mask, picture, prediction, float(masked.mean()))


@dataclass(frozen=True)
class _Cell:
    """A picture (H, W, 3) and a line below it."""

    picture: Pixels
    caption: str = ""


def _row(path: Path, row: int) -> Pixels:
    """Read one row of a stack, which may be larger than memory."""
    try:
        return Rows(path)[row]
    except (OSError, ValueError) as error:
        raise fail(path, f"cannot be read ({error})", f"let {command('compare')} go on") from error


def _image(source: PseudoSource, row: int) -> Pixels:
    return as_rgb(_row(source.images, row))


def _truth(source: PseudoSource, row: int) -> Pixels:
    assert source.labels is not None
    return _to_rgb(_row(source.labels, row), source)


def _to_rgb(label: Pixels, source: PseudoSource) -> Pixels:
    """Draw a label (H, W) or (H, W, K) as (H, W, 3); overlapping classes show the mean of their colours."""
    if labels_of(source.scoring.task).is_layered:
        present = label == 1
        mixed = present @ np.array(source.class_colours, dtype=np.float64)
        picture = (mixed / np.maximum(present.sum(-1, keepdims=True), 1)).round().astype(np.uint8)
        picture[(label == IGNORED).any(-1) & ~present.any(-1)] = GREY
        return picture
    colours = (_BLACK, _WHITE) if labels_of(source.scoring.task).is_one_class else source.class_colours
    palette = np.full((256, 3), GREY, np.uint8)
    palette[: len(colours)] = colours
    return palette[label]


def _draw(headings: Sequence[str], grid: Sequence[Sequence[_Cell]], *, depth: int | None) -> bytes:
    """Draw a grid with a heading a column, as a PNG that is not too large; of volumes some of their slices."""
    if depth is not None:
        grid = [[replace(cell, picture=slice_sheet(cell.picture, depth)) for cell in cells] for cells in grid]
    for side_px in _CELL_SIDES_PX:
        buffer = io.BytesIO()
        _arrange(headings, grid, side_px).save(buffer, "PNG", optimize=True)
        if len(buffer.getvalue()) <= _LARGEST_BYTES:
            break
    return buffer.getvalue()


def _arrange(headings: Sequence[str], grid: Sequence[Sequence[_Cell]], side_px: int) -> Image.Image:
    pictures = [[_scaled(cell.picture, side_px) for cell in cells] for cells in grid]
    sizes = [picture.size for line in pictures for picture in line]
    width, height = max(_LEAST_WIDTH_PX, *(size[0] for size in sizes)), max(size[1] for size in sizes) + _LINE_PX
    top = _GUTTER_PX + _LINE_PX * max(heading.count("\n") + 1 for heading in headings)
    step_x, step_y = width + _GUTTER_PX, height + _GUTTER_PX
    sheet = Image.new("RGB", (_GUTTER_PX + step_x * len(headings), top + step_y * len(grid)), _WHITE)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT_PX)

    def write(text: str, x: int, y: int) -> None:
        kept, shown = len(text), text
        while kept > 1 and font.getlength(shown) > width:  # names differ at their ends, so the middle goes
            kept -= 1
            shown = f"{text[: kept // 2]}…{text[kept // 2 - kept :]}"
        draw.text((x, y), shown, fill=_BLACK, font=font)

    for column, heading in enumerate(headings):
        for number, text in enumerate(heading.split("\n")):
            write(text, _GUTTER_PX + column * step_x, _GUTTER_PX // 2 + number * _LINE_PX)
    for line, cells in enumerate(grid):
        for column, (cell, picture) in enumerate(zip(cells, pictures[line], strict=True)):
            x, y = _GUTTER_PX + column * step_x, top + line * step_y
            sheet.paste(picture, (x, y))
            write(cell.caption, x, y + picture.height + 1)
    return sheet


def _scaled(picture: Pixels, side_px: int) -> Image.Image:
    """Enlarge by a whole factor, or make smaller what is far too large."""
    image = Image.fromarray(picture)
    longest = max(image.size)
    if longest > 1.5 * side_px:
        width, height = (max(1, round(side * side_px / longest)) for side in image.size)
        return image.resize((width, height), Image.Resampling.BOX)
    factor = max(1, round(side_px / longest))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
