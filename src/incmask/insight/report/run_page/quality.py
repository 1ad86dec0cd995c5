"""How good the handed-over models are: scores with intervals, and the images that they do worst and best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from incmask.base.npy_rows import Rows
from incmask.experiment.record import ENSEMBLE, RunRecord
from incmask.experiment.student import Student
from incmask.insight.report.page import Block, Gallery, PageSection, Table, Text, Thumbnail, decimal, number, whole
from incmask.insight.report.run_page.scoring import (
    HeldOut,
    Kind,
    ScoredPart,
    ScoreLine,
    count_pixels,
    device_of,
    held_out,
    score_lines,
    whole_part,
)
from incmask.insight.report.run_page.thumbnails import StackPictures, outlines_of, to_jpeg
from incmask.method.labels import labels_of
from incmask.method.metrics import Counts, main_scores
from incmask.nets.forward import chunk_images, forward
from incmask.nets.spec import load_model

_NUM_SHOWN = 6
_ON: dict[Kind | str, str] = {
    "test": "On the {num} test images, which no choice has seen,",
    "val": "On the {num} validation images,",
    "split": "On the {num} labelled images that were set aside for validation,",
    "folds": "On your {num} labelled images, each by the best model that was trained without it,",
    "same": "On the single labelled image, which was trained on,",
}
_CAVEATS: dict[Kind | str, str] = {
    "test": "",
    "val": "These images chose epochs, models and generation, which flatters a little; with images and masks in "
    "test/ the next run gives an honest score.",
    "split": "These images chose epochs, models and generation, which flatters a little; with images and masks in "
    "test/ the next run gives an honest score.",
    "folds": "These images chose epochs and models, which flatters a little; the models together may be better than "
    "each alone. With images and masks in test/ the next run gives an honest score.",
    "same": "This says nothing about other images: label some more.",
}


@dataclass(frozen=True)
class RatedPart:
    """Labelled images, and the models that are judged by them.

    Attributes:
        kind: where the images come from: "test" or a ``Kind`` of validation.
        parts: of the images, one or one a fold.
        members: models of each part, which predict together.
        counts: of all parts' rows, one after the other.
    """

    kind: Kind | str
    parts: tuple[ScoredPart, ...]
    members: tuple[tuple[Student, ...], ...]
    counts: Counts

    @property
    def names(self) -> tuple[str, ...]:
        """The image of each row."""
        return tuple(name for part in self.parts for name in part.names)


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
    if record.part("test"):
        return _judge(record, "test", (whole_part(record, "test"),), (stage.members,))
    held = held_out(record)
    members = tuple(_members_of_fold(record, held, fold) for fold in range(len(held.parts)))
    return _judge(record, held.kind, held.parts, members)


def quality_section(record: RunRecord, judged: RatedPart) -> PageSection:
    """Write what the models reach, in scores and in pictures."""
    lines = score_lines(record, judged.counts, judged.names)
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
    return PageSection("quality", "How good is the model?", tuple(blocks))


def quality_without_images(record: RunRecord) -> PageSection:
    """Write what ``scores.csv`` alone tells, where the images at the networks' size are gone."""
    stage, split = record.chosen, "test" if record.part("test") else "val"
    scored = record.score_of(stage, ENSEMBLE, split)
    blocks: list[Block] = []
    if scored:
        on = "test" if split == "test" else "validation"
        blocks.append(Text(f"{record.score_name} {scored.score:.3f} on the {on} images, 1 being perfect.", "answer"))
    blocks.append(
        Text(
            "The folder stacks/ is gone, so there are no intervals and no pictures; `incmask run` makes it anew.",
            "note",
        )
    )
    return PageSection("quality", "How good is the model?", tuple(blocks))


def quality_sentence(judged: RatedPart, lines: Sequence[ScoreLine]) -> str:
    """Say in a sentence how good the models are."""
    main = lines[0]
    interval = "" if np.isnan(main.low) else f", 95 % interval {decimal(main.low)} to {decimal(main.high)}"
    on = _ON[judged.kind].format(num=main.num_images)
    return f"{on} the models' outlines overlap with yours by {main.mean:.3f} ({main.name}, 1 being perfect{interval})."


def predict_labels(record: RunRecord, members: Sequence[Student], images: np.ndarray) -> np.ndarray:
    """Predict labels with models together, as they are scored.

    Args:
        record: of the run.
        members: models.
        images: uint8, (N, H, W, C) at the networks' size.

    Returns:
        uint8, (N, H, W) or (N, H, W, K).
    """
    device = device_of(record)
    networks = [load_model(member.model).to(device) for member in members]
    num = chunk_images(len(record.class_names) + 1, images.shape)
    labels = []
    for first in range(0, len(images), num):
        with torch.inference_mode():
            logits = forward(networks, images[first : first + num], precision=record.settings.precision)
            mean = torch.stack([labels_of(record.task).probabilities(each) for each in logits]).mean(0).cpu().numpy()
        labels.append(labels_of(record.task).decode(mean))
    return np.concatenate(labels)


def _members_of_fold(record: RunRecord, held: HeldOut, fold: int) -> tuple[Student, ...]:
    stage = record.handed_over
    if held.kind != "folds":
        return stage.members
    return (next(student for student in stage.students if student.fold == fold),)


def _judge(
    record: RunRecord, kind: Kind | str, parts: tuple[ScoredPart, ...], members: tuple[tuple[Student, ...], ...]
) -> RatedPart:
    counts = [count_pixels(record, each, part.images) for part, each in zip(parts, members, strict=True)]
    return RatedPart(kind, parts, members, Counts.join(counts))


def _rows(record: RunRecord, judged: RatedPart) -> list[_Row]:
    scores = iter(main_scores(judged.counts, task=record.task, empty=record.settings.empty_iou).tolist())
    return [
        _Row(part, members, row, next(scores))
        for part, members in zip(judged.parts, judged.members, strict=True)
        for row in (part.images.rows if part.images.rows is not None else range(len(part.names)))
    ]


def _thumbnail(record: RunRecord, row: _Row) -> Thumbnail:
    pictures = StackPictures(row.part.images.images.parent)
    tile = pictures.tiles[row.row]
    picture = pictures.tile(tile)
    size = picture.shape[:2]
    true = Rows(row.part.images.labels)[row.row]
    predicted = predict_labels(record, row.members, pictures.row(row.row)[None])[0]
    outlines = tuple(
        outlines_of(label, kind=kind, task=record.task, num_classes=len(record.class_names), size=size)
        for label, kind in ((true, "true"), (predicted, "predicted"))
    )
    place = f", from x {tile.left}, y {tile.top}" if record.settings.fit == "tile" else ""
    text = f"{record.score_name} {row.score:.3f}{place}"
    return Thumbnail(
        title=tile.name,
        text=text,
        alt=f"{tile.name}, {text}: true outline solid, predicted outline dashed.",
        jpeg=to_jpeg(picture),
        width=size[1],
        height=size[0],
        outlines=outlines,
    )


def _score_table(record: RunRecord, lines: Sequence[ScoreLine], kind: Kind | str) -> Block:
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
    note = "Means over images, at the networks' size; the interval comes from drawing the images anew (bootstrap)."
    if lines[0].num_images < 10:
        note += " With so few images it is rough itself."
    if record.settings.fit == "tile":
        note += " Tiles of an image are averaged first, so that these differ a little from scores.csv."
    return Table(title, ("score", "mean", "95 % interval", "images"), rows, note, name="scores")
