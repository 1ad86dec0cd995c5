"""What the page of a run says whose targets are numbers: how good it is, on which images, and where it is unsure."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from incmask.base.errors import IncmaskError
from incmask.base.intact import DamagedError
from incmask.base.npy_rows import Rows
from incmask.base.shards import is_file
from incmask.base.words import counted
from incmask.data.images.files import read_raster
from incmask.experiment.paths import stack_folder
from incmask.experiment.record.images import picture_path
from incmask.experiment.record.run import RunRecord
from incmask.experiment.record.stages import ENSEMBLE
from incmask.experiment.student import Student
from incmask.insight.report.page import Block, Gallery, Table, Text, Thumbnail, number, percent
from incmask.insight.report.picture import as_rgb
from incmask.insight.report.run_page.curves import draw_curves
from incmask.insight.report.run_page.scoring import kind_of_held_out, load_members, part_name
from incmask.insight.report.run_page.thumbnails import StackPictures, to_jpeg
from incmask.insight.report.run_page.volume_pictures import pictures_of
from incmask.insight.report.slices import slice_sheet
from incmask.method.labels import labels_of
from incmask.method.values import ValueRange
from incmask.nets.forward import predict_probabilities
from incmask.prediction.value_layers import PREDICTIONS, in_colours

_NUM_SHOWN, _MOST_LISTED = 6, 1000
_PANEL_PX = 240
_ERROR_SHARE = 0.2
"""Of the targets' range: the error that is brightest in an error map."""
_NAMES = {
    "rmse": "RMSE, in the targets' unit",
    "mae": "mean absolute error, in the targets' unit",
    "abs_rel": "AbsRel: mean absolute error as a share of the true number",
    "delta_1": "δ<1.25: share of pixels right within a factor of 1.25",
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
}
_CURVES = "what goes in, the target, the prediction and what is disputed, as far as there are"
_SIGNALS = "Grey is what goes in, green the target, blue the prediction, and magenta where that is disputed."
_GONE = "The images at the networks' size (stacks/) are gone, so there are no pictures here."


def value_quality_blocks(record: RunRecord, target: ValueRange) -> list[Block]:
    """Write what the models reach, in scores and in pictures.

    Raises:
        IncmaskError: a model is missing or damaged.
    """
    split = "test" if record.part("test") else "val"
    scored, on = _scored(record, split), "test" if split == "test" else "validation"
    main = f"{record.scoring.full_name} {scored[record.scoring.name]:.3f} on the {on} images, 1 being perfect."
    caveat = "These images chose epochs, models and generation, which flatters a little."
    rows = tuple((_NAMES[name], number(scored[name])) for name in _NAMES if name in scored)
    table = Table(
        f"Scores on the {on} images",
        ("score", "mean over images"),
        rows,
        f"PSNR and SSIM take the range of the labelled targets, {target.low:g} to {target.high:g}.",
        name="scores",
    )
    warning: list[Block] = [] if split == "test" else [Text(caveat, "warning")]
    return [Text(main, "answer"), *warning, table, *_galleries(record, target)]


def _scored(record: RunRecord, split: str) -> dict[str, float]:
    """Give the scores of the handed-over models together, or of several folds the mean of its students."""
    together = record.score_of(record.chosen, ENSEMBLE, split)
    rows = (
        [together] if together else [row for row in record.scores if (row.stage, row.split) == (record.chosen, split)]
    )
    names = rows[0].details
    found = {name: float(np.mean([row.details[name] for row in rows])) for name in names}
    return {**found, record.scoring.name: float(np.mean([row.score for row in rows]))}


def _galleries(record: RunRecord, target: ValueRange) -> Iterator[Block]:
    kind = "test" if record.part("test") else kind_of_held_out(record)
    stored = record.image_scores if kind == "test" else record.validation_scores
    if stored is None:
        return
    part = kind if kind in ("test", "val") else "labelled"
    folder = stack_folder(record.root, part)
    try:
        pictures, labels = StackPictures(folder), Rows(folder / "labels.npy")
    except DamagedError:
        raise
    except (OSError, ValueError, IncmaskError):
        yield Text(_GONE, "note")
        return
    columns = [np.array(values) for model, values in stored.scores.items() if model.startswith(f"{record.chosen}/")]
    together = stored.scores.get(f"{record.chosen}/{ENSEMBLE}")
    scores = np.array(together) if together else np.array([_mean(each) for each in np.array(columns).T])
    order = [place for place in np.argsort(scores, kind="stable").tolist() if not np.isnan(scores[place])]
    worst = order[: min(_NUM_SHOWN, (len(order) + 1) // 2)]
    best = order[::-1][: min(_NUM_SHOWN, len(order) // 2)]
    note = (
        "Side by side: the image, the target, the prediction, and its error, dark for none and bright from "
        f"{_ERROR_SHARE * target.span:.3g} on. Numbers go from dark blue ({target.low:g}) over green to yellow "
        f"({target.high:g}); black is not known. Of an image in tiles its first, of a volume slices of its first patch."
    )
    note = _SIGNALS if pictures.images.shape[1] == 1 else note
    for name, title, chosen in (("worst", "Worst images", worst), ("best", "Best images", best)):
        thumbnails = [
            _judged(record, pictures, labels, stored.names[place], float(scores[place]), target) for place in chosen
        ]
        if thumbnails:
            yield Gallery(name, title, "", tuple(thumbnails), f"{note} {part_name(kind).capitalize()} images.")


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _judged(
    record: RunRecord, pictures: StackPictures, labels: Rows, name: str, score: float, target: ValueRange
) -> Thumbnail:
    row = pictures.numbers(name)[0]
    image, true = pictures.images[row], target.undone(labels[row])
    said = target.undone(_predicted(record, record.handed_over.members, image))
    text = f"{record.scoring.name} {score:.3f}"
    if image.shape[0] == 1:
        return _curve(name, text, draw_curves(image, said, target, true=true, disputed=None))
    if record.volumes is not None:
        image, true, said = (slice_sheet(each, record.volumes.depth) for each in (image, true, said))
    error = np.abs(said - true)
    bright = ValueRange(0, _ERROR_SHARE * target.span)
    panels = [as_rgb(image), in_colours(true, target), in_colours(said, target), _in_heat(error, bright)]
    return _side_by_side(name, text, "image, target, prediction and error", panels)


def _curve(name: str, text: str, picture: np.ndarray) -> Thumbnail:
    return Thumbnail(name, text, f"{name}, {text}: {_CURVES}", to_jpeg(picture), picture.shape[1], picture.shape[0])


def _predicted(record: RunRecord, members: Sequence[Student], image: np.ndarray) -> np.ndarray:
    networks = load_members(record, members)
    found = predict_probabilities(networks, image[None], task=record.task, precision=record.settings.precision)
    return np.asarray(labels_of(record.task).decode(found.mean(0))[0])


def _in_heat(values: np.ndarray, bright: ValueRange) -> np.ndarray:
    known = ~np.isnan(values)
    levels = np.rint(np.clip(bright.scaled(np.where(known, values, 0)), 0, 1) * 255).astype(np.uint8)
    drawn = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1].copy()
    drawn[~known] = 0
    return drawn


def _side_by_side(name: str, text: str, shown: str, panels: Sequence[np.ndarray]) -> Thumbnail:
    """Put pictures of one size beside each other, enlarged or shrunk alike."""
    height, width = panels[0].shape[:2]
    scale = _PANEL_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    drawn = [cv2.resize(np.ascontiguousarray(each), size, interpolation=cv2.INTER_AREA) for each in panels]
    picture = np.concatenate(drawn, axis=1).astype(np.uint8)
    return Thumbnail(name, text, f"{name}, {text}: {shown}", to_jpeg(picture), picture.shape[1], picture.shape[0])


def value_unsure_blocks(record: RunRecord, target: ValueRange) -> list[Block]:
    """Show the unlabelled images, the most disputed first, and what is predicted of them."""
    shares = record.shares
    if not shares:
        return []
    mean = sum(row.inconsistent_fraction for row in shares) / len(shares)
    settings = record.settings
    unit = "times the image's mean" if settings.spread_unit == "image_mean" else "of the targets' range"
    told = (
        f"The models differ on {percent(mean)} of the pixels of the {counted(len(shares), 'unlabelled image')} by more "
        f"than {settings.max_spread:g} {unit} (standard deviation); most on {shares[0].name}, with "
        f"{percent(shares[0].inconsistent_fraction)}."
    )
    blocks: list[Block] = [Text(told, "answer")]
    if settings.spread_unit == "image_mean":
        relative = (
            "The limit is a multiple of each image's own mean, so that these shares tell where in an image to doubt "
            "the numbers, and not which image to doubt; for that, disagreement/ has the deviation in the targets' unit."
        )
        blocks.append(Text(relative, "note"))
    table = Table(
        "All unlabelled images",
        ("image", "disputed"),
        tuple((row.name, number(row.inconsistent_fraction, percent(row.inconsistent_fraction)))
              for row in shares[:_MOST_LISTED]),
        name="shares",
        num_rows=len(shares),
        sorted_by=(1, "descending"),
    )  # fmt: skip
    return [*blocks, *_unsure_gallery(record, target), table]


def _unsure_gallery(record: RunRecord, target: ValueRange) -> Iterator[Block]:
    try:
        pictures = pictures_of(record, "unlabelled")
    except DamagedError:
        raise
    except (OSError, ValueError, IncmaskError):
        yield Text(_GONE, "note")
        return
    thumbnails = []
    for row in record.shares[:_NUM_SHOWN]:
        said, disputed = (_layer(record.root, folder, row.name) for folder in (PREDICTIONS, "inconsistent"))
        image, numbers = pictures.image(row.name, said.shape[:2]) if said is not None else None, said
        if image is None or numbers is None or disputed is None:
            continue
        if (grid := record.grid("unlabelled", row.name)) is not None:
            numbers, disputed = (slice_sheet(each, grid.shape[0]) for each in (numbers, disputed))
        size, text = image.shape[:2], f"{percent(row.inconsistent_fraction)} disputed"
        if size[0] == 1:
            picture = draw_curves(
                image, _fitted(numbers, size), target, true=None, disputed=_fitted(disputed, size) > 0
            )
            thumbnails.append(_curve(row.name, text, picture))
            continue
        panels = [_fitted(each, size) for each in (image, in_colours(numbers, target),
                                                   in_colours(numbers, target, disputed=disputed > 0))]  # fmt: skip
        shown = "image, prediction, and the same with disputed pixels in magenta"
        thumbnails.append(_side_by_side(row.name, text, shown, panels))
    note = "Side by side: the image, the prediction, and the same with disputed pixels in magenta."
    note = _SIGNALS if pictures.images.shape[1] == 1 else note
    if thumbnails:
        yield Gallery("most-disputed", "Largest disputed areas", "", tuple(thumbnails), note)


def _fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size[::-1], interpolation=cv2.INTER_AREA))


def _layer(root: Path, folder: str, name: str) -> np.ndarray | None:
    """Read what was written for an image; None where it is gone."""
    path = picture_path(root / folder, name)
    return read_raster(path).values if is_file(path) else None
