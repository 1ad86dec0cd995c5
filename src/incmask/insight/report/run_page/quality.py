"""How good the handed-over models are: scores with intervals, and the images that they do worst and best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from incmask.base.errors import IncmaskError
from incmask.base.intact import GONE, DamagedError
from incmask.base.npy_rows import Rows
from incmask.base.words import counted
from incmask.experiment.record.run import RunRecord
from incmask.experiment.record.stages import ENSEMBLE
from incmask.experiment.student import Student
from incmask.insight.report.differences import LEAST_SUBJECTS
from incmask.insight.report.page import Block, Gallery, Swatch, Table, Text, Thumbnail, decimal, number, whole
from incmask.insight.report.run_page.counting import counting_blocks
from incmask.insight.report.run_page.scoring import (
    Kind,
    ScoreLine,
    kind_of_held_out,
    load_members,
    part_name,
    score_lines,
    subjects_of,
)
from incmask.insight.report.run_page.thumbnails import (
    PREDICTED_COLOUR,
    TRUE_COLOUR,
    class_swatches,
    outlines_of,
    to_jpeg,
)
from incmask.insight.report.run_page.volume_pictures import pictures_of
from incmask.method.labels import labels_of
from incmask.method.metrics import Counts
from incmask.method.object_scores import ObjectMatch
from incmask.nets.forward import chunk_images, predict_probabilities

_NUM_SHOWN = 6
_ON: dict[Kind, str] = {
    "test": "On the {images}, which no choice has seen,",
    "val": "On the {images},",
    "split": "On the {images}, set aside for validation,",
    "folds": "On {images}, each by the best model that was trained without it,",
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
class Judged:
    """Whole labelled images, and the models that are judged by them.

    Attributes:
        kind: what the images are for.
        names: of N images.
        counts: of their pixels.
        members: of each image, the models that predict it together.
        objects: that they find in each; none where no class marks centres.
    """

    kind: Kind
    names: tuple[str, ...]
    counts: Counts
    members: tuple[tuple[Student, ...], ...]
    objects: tuple[ObjectMatch, ...] = ()


def judge(record: RunRecord) -> Judged | None:
    """Tell what the handed-over models reach on test images or, for want of them, on those that chose.

    Raises:
        ValueError, IndexError: the table of counts is damaged.

    Returns:
        None where an earlier version did not write it down.
    """
    stage = record.handed_over
    kind: Kind = "test" if record.part("test") else kind_of_held_out(record)
    together: list[tuple[str, tuple[Student, ...]]] = [(ENSEMBLE, stage.members)]
    if kind == "folds":
        # Of each fold the best model, since students are in that order.
        best = {student.fold: student for student in reversed(stage.students)}
        together = [(str(best[fold].number), (best[fold],)) for fold in sorted(best)]
    split = "test" if kind == "test" else "val"
    found = [(record.image_counts(stage.name, model, split), members) for model, members in together]
    parts = [(part, members) for part, members in found if part is not None and part.names]
    if len(parts) < len(found):
        return None
    return Judged(
        kind,
        tuple(name for part, _ in parts for name in part.names),
        Counts.join([part.counts for part, _ in parts]),
        tuple(members for part, members in parts for _ in part.names),
        tuple(match for model, _ in together for match in record.image_objects(stage.name, model, split)),
    )


def quality_blocks(record: RunRecord, judged: Judged | None) -> list[Block]:
    """Write what the models reach, in scores and in pictures.

    Raises:
        IncmaskError: a model is missing or damaged.
    """
    if judged is None:
        return _of_scores_alone(record)
    lines = score_lines(record, judged.counts, judged.names, subjects_of(record, judged.kind))
    blocks: list[Block] = [Text(quality_sentence(judged, lines), "answer")]
    if caveat := _CAVEATS[judged.kind]:
        blocks.append(Text(caveat, "warning"))
    table = _score_table(record, lines, judged.kind)
    return [*blocks, table, *counting_blocks(judged.objects), *_galleries(record, judged)]


def _of_scores_alone(record: RunRecord) -> list[Block]:
    """Write what ``scores.csv`` alone tells, where single images were not counted."""
    stage, split = record.chosen, "test" if record.part("test") else "val"
    scored = record.score_of(stage, ENSEMBLE, split)
    note = Text("This run is of an earlier version, which did not count single images; a new run does.", "note")
    if not scored:
        return [note]
    on = "test" if split == "test" else "validation"
    return [Text(f"{record.scoring.full_name} {scored.score:.3f} on the {on} images, 1 being perfect.", "answer"), note]


def _galleries(record: RunRecord, judged: Judged) -> list[Block]:
    """Show the worst and the best images, none of which is empty as long as there are others."""
    part = judged.kind if judged.kind in ("test", "val") else "labelled"
    try:
        pictures = LabelPictures(record, part)
    except DamagedError:
        raise
    except (*GONE, ValueError, IncmaskError):
        return [Text("The images at the networks' size (stacks/) are gone, so there are no pictures here.", "note")]
    scores = record.scoring.by_image(judged.counts)
    objects = list(labels_of(record.task).object_classes(len(record.class_names)))
    seen = np.flatnonzero(judged.counts.union[:, objects].any(1))
    places = seen if seen.size else np.arange(len(scores))
    shown = places[np.argsort(scores[places], kind="stable")].tolist()
    worst, best = shown[: min(_NUM_SHOWN, (len(shown) + 1) // 2)], shown[::-1][: min(_NUM_SHOWN, len(shown) // 2)]
    note = "Whole images. Solid: your outline; dashed: the models'."
    legend = class_swatches(record.scheme) or (
        Swatch("your outline", TRUE_COLOUR),
        Swatch("the models'", PREDICTED_COLOUR),
    )
    if labels_of(record.task).is_exclusive:
        note += f" Outside all outlines is {record.class_names[0]}."
    if left_out := len(scores) - len(shown):
        note += f" Left out: {counted(left_out, 'image')} on which neither you nor the models see anything."
    return [
        Gallery(
            name,
            title,
            "outlines",
            tuple(
                pictures.thumbnail(
                    judged.names[place], judged.members[place], f"{record.scoring.name} {scores[place]:.3f}"
                )
                for place in chosen
            ),
            note,
            legend,
        )
        for name, title, chosen in (("worst", "Worst images", worst), ("best", "Best images", best))
        if chosen
    ]


class LabelPictures:
    """Labelled images of a run with the outlines of their labels, and of what models predict.

    Args:
        record: of the run.
        part: "labelled", "val" or "test".

    Raises:
        FileNotFoundError, ValueError, IncmaskError: the images at the networks' size are gone or damaged.
    """

    def __init__(self, record: RunRecord, part: str):
        self._record, self._items = record, record.part(part)
        stack = record.stack(part)
        self._pictures, self._labels = pictures_of(record, part), Rows(stack.labels)

    def thumbnail(self, name: str, members: Sequence[Student], text: str) -> Thumbnail:
        """Draw an image, and over it both outlines.

        Raises:
            IncmaskError: a model is missing or damaged.
        """
        size = tuple(self._items[name]["size"])
        picture, rows = self._pictures.image(name, size), self._pictures.numbers(name)
        assert picture is not None
        true = [self._labels[row] for row in rows]
        predicted = predict_labels(self._record, members, self._pictures.images[np.array(rows)])
        return Thumbnail(
            title=name,
            text=text,
            alt=f"{name}, {text}: true outline solid, predicted outline dashed.",
            jpeg=to_jpeg(picture),
            width=picture.shape[1],
            height=picture.shape[0],
            outlines=tuple(
                outline
                for labels, kind in ((true, "true"), (list(predicted), "predicted"))
                for outline in outlines_of(
                    self._pictures.label(name, size, labels),
                    kind=kind,
                    scheme=self._record.scheme,
                    size=picture.shape[:2],
                )
            ),
        )


def quality_sentence(judged: Judged, lines: Sequence[ScoreLine]) -> str:
    """Say in a sentence how good the models are."""
    main = lines[0]
    if np.isnan(main.low):
        interval = f"; {_too_few(main)}"
    else:
        interval = f", 95 % interval {decimal(main.low)} to {decimal(main.high)}"
    on = _ON[judged.kind].format(images=counted(main.num_images, f"{part_name(judged.kind)} image"))
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
        images: uint8, (N, H, W, C) at the networks' size: those of one image.

    Returns:
        uint8, (N, H, W) or (N, H, W, K).
    """
    networks, labels, precision = load_members(record, members), labels_of(record.task), record.settings.precision
    num = chunk_images(labels.num_outputs(len(record.class_names)), images.shape)
    chunks = [images[first : first + num] for first in range(0, len(images), num)]
    found = [predict_probabilities(networks, chunk, task=record.task, precision=precision) for chunk in chunks]
    return np.concatenate([labels.decode(each.mean(0)) for each in found])


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
    note = "Means over whole images at their own size; the interval is for these models on other such images."
    if num_subjects < num_images:
        note = (
            "Means over whole images at their own size; the interval is for these models on other subjects, of which "
            f"there are {num_subjects}."
        )
    if num_subjects < LEAST_SUBJECTS:
        note += f" There is none for these: {_too_few(lines[0])}."
    if record.scoring.note:
        note += f" {record.scoring.note}"
    return Table(title, ("score", "mean", "95 % interval", "images"), rows, note, name="scores")
