"""How good the handed-over models are: scores with intervals, and the images that they do worst and best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from incmask.base.npy_rows import Rows
from incmask.base.words import counted
from incmask.experiment.record.run import RunRecord
from incmask.experiment.record.stages import ENSEMBLE
from incmask.experiment.student import Student
from incmask.insight.report.differences import LEAST_SUBJECTS
from incmask.insight.report.page import Block, Gallery, Table, Text, Thumbnail, decimal, number, whole
from incmask.insight.report.run_page.scoring import (
    HeldOut,
    Kind,
    ScoredPart,
    ScoreLine,
    count_pixels,
    held_out,
    load_members,
    score_lines,
    subjects_of,
    whole_part,
)
from incmask.insight.report.run_page.thumbnails import StackPictures, outlines_of, to_jpeg
from incmask.method.labels import labels_of
from incmask.method.metrics import Counts
from incmask.nets.forward import predict_probabilities

_NUM_SHOWN = 6
_ON: dict[Kind, str] = {
    "test": "On the {num} test images, which no choice has seen,",
    "val": "On the {num} validation images,",
    "split": "On the {num} labelled images that were set aside for validation,",
    "folds": "On your {num} labelled images, each by the best model that was trained without it,",
    "same": "On the single labelled image, which was trained on,",
}
_CHOSE = (
    "These images chose epochs, models and generation, which flatters a little; with images and masks in test/ the "
    "next run gives an honest score."
)
_CAVEATS: dict[Kind, str] = {
    "test": "",
    "val": _CHOSE,
    "split": _CHOSE,
    "folds": "These images chose epochs and models, which flatters a little; the models together may be better than "
    "each alone. With images and masks in test/ the next run gives an honest score.",
    "same": "This says nothing about other images: label some more.",
}


@dataclass(frozen=True)
class RatedPart(HeldOut):
    """Labelled images, and the models that are judged by them.

    Attributes:
        members: models of each part, which predict together.
        counts: of all parts' rows, one after the other.
    """

    members: tuple[tuple[Student, ...], ...]
    counts: Counts


@dataclass(frozen=True)
class _Row:
    """A row of a stack, its score, and the models that predict it."""

    part: ScoredPart
    members: tuple[Student, ...]
    row: int
    score: float


def judge(record: RunRecord) -> RatedPart:
    """Score the handed-over models on test images or, for want of them, on those that chose.

    Raises:
        IncmaskError: a model is missing or damaged.
    """
    stage = record.handed_over
    held = whole_part(record, "test") if record.part("test") else held_out(record)
    members: tuple[tuple[Student, ...], ...] = (stage.members,)
    if held.kind == "folds":
        # Of each fold the best model, since students are in that order.
        best = {student.fold: student for student in reversed(stage.students)}
        members = tuple((best[fold],) for fold in range(len(held.parts)))
    counts = [count_pixels(record, each, part.images) for part, each in zip(held.parts, members, strict=True)]
    return RatedPart(held.kind, held.parts, members, Counts.join(counts))


def quality_blocks(record: RunRecord, judged: RatedPart) -> list[Block]:
    """Write what the models reach, in scores and in pictures."""
    lines = score_lines(record, judged.counts, judged.names, subjects_of(record, judged.kind))
    blocks: list[Block] = [Text(quality_sentence(judged, lines), "answer")]
    if caveat := _CAVEATS[judged.kind]:
        blocks.append(Text(caveat, "warning"))
    blocks.append(_score_table(record, lines, judged.kind))
    rows = sorted(_rows(record, judged), key=lambda row: row.score)
    worst = rows[: min(_NUM_SHOWN, (len(rows) + 1) // 2)]
    best = rows[::-1][: min(_NUM_SHOWN, len(rows) // 2)]
    note = "Solid blue: your outline; dashed orange: the models'."
    for name, title, chosen in (("worst", "Worst images", worst), ("best", "Best images", best)):
        if chosen:
            thumbnails = tuple(_thumbnail(record, row) for row in chosen)
            blocks.append(Gallery(name, title, "outlines", thumbnails, note))
    return blocks


def quality_without_images(record: RunRecord) -> list[Block]:
    """Write what ``scores.csv`` alone tells, where the images at the networks' size are gone."""
    stage, split = record.chosen, "test" if record.part("test") else "val"
    scored = record.score_of(stage, ENSEMBLE, split)
    blocks: list[Block] = []
    if scored:
        on = "test" if split == "test" else "validation"
        said = f"{record.scoring.full_name} {scored.score:.3f} on the {on} images, 1 being perfect."
        blocks.append(Text(said, "answer"))
    blocks.append(
        Text(
            "The folder stacks/ is gone, so there are no intervals and no pictures; `incmask run` makes it anew.",
            "note",
        )
    )
    return blocks


def quality_sentence(judged: RatedPart, lines: Sequence[ScoreLine]) -> str:
    """Say in a sentence how good the models are."""
    main = lines[0]
    if np.isnan(main.low):
        interval = f"; {_too_few(main)}"
    else:
        interval = f", 95 % interval {decimal(main.low)} to {decimal(main.high)}"
    on = _ON[judged.kind].format(num=main.num_images)
    return f"{on} the models' outlines overlap with yours by {main.mean:.3f}: {main.name}, 1 being perfect{interval}."


def _too_few(line: ScoreLine) -> str:
    """Say why a mean has no interval."""
    unit = "image" if line.num_images == line.num_subjects else "subject"
    missing = LEAST_SUBJECTS - line.num_subjects
    return f"how far it may be off takes {counted(missing, f'more {unit}')} to tell"


def predict_labels(record: RunRecord, members: Sequence[Student], images: np.ndarray) -> np.ndarray:
    """Predict labels with models together, as a person gets them.

    Args:
        record: of the run.
        members: models.
        images: uint8, (N, H, W, C) at the networks' size; few.

    Returns:
        uint8, (N, H, W) or (N, H, W, K).
    """
    networks = load_members(record, members)
    found = predict_probabilities(networks, images, task=record.task, precision=record.settings.precision)
    return labels_of(record.task).decode(found.mean(0))


def _rows(record: RunRecord, judged: RatedPart) -> list[_Row]:
    scores = iter(record.scoring.by_image(judged.counts).tolist())
    return [
        _Row(part, members, row, next(scores))
        for part, members in zip(judged.parts, judged.members, strict=True)
        for row in (part.images.rows if part.images.rows is not None else range(len(part.names)))
    ]


def _thumbnail(record: RunRecord, row: _Row) -> Thumbnail:
    pictures = StackPictures(row.part.images.images.parent)
    tile, picture = pictures.rows[row.row], pictures.tile(row.row)
    size = picture.shape[:2]
    true = Rows(row.part.images.labels)[row.row]
    predicted = predict_labels(record, row.members, pictures.images[row.row][None])[0]
    outlines = tuple(
        outlines_of(label, kind=kind, task=record.task, num_classes=len(record.class_names), size=size)
        for label, kind in ((true, "true"), (predicted, "predicted"))
    )
    place = f", from x {tile.left}, y {tile.top}" if record.settings.fit == "tile" else ""
    text = f"{record.scoring.name} {row.score:.3f}{place}"
    return Thumbnail(
        title=tile.name,
        text=text,
        alt=f"{tile.name}, {text}: true outline solid, predicted outline dashed.",
        jpeg=to_jpeg(picture),
        width=size[1],
        height=size[0],
        outlines=outlines,
    )


def _score_table(record: RunRecord, lines: Sequence[ScoreLine], kind: Kind) -> Block:
    rows = tuple(
        (
            line.name,
            number(line.mean),
            number(line.low, f"{decimal(line.low)} to {decimal(line.high)}"),
            whole(line.num_images),
        )
        for line in lines
    )
    title = "Scores on test images" if kind == "test" else "Scores on the images that chose"
    num_images, num_subjects = lines[0].num_images, lines[0].num_subjects
    note = "Means over images, at the networks' size; the interval is for these models on other such images."
    if num_subjects < num_images:
        note = (
            f"Means over {num_subjects} subjects, at the networks' size; each counts alike, whatever the number of its "
            "images. The interval is for these models on other subjects."
        )
    if num_subjects < LEAST_SUBJECTS:
        note += f" There is none for these: {_too_few(lines[0])}."
    if record.settings.fit == "tile":
        note += " Tiles of an image are averaged first, so that these differ a little from scores.csv."
    if record.scoring.note:
        note += f" {record.scoring.note}"
    return Table(title, ("score", "mean", "95 % interval", "images"), rows, note, name="scores")
