"""Whether disagreement tells where the models are wrong, where ``error_vs_disagreement.csv`` says so."""

from incmask.base.errors import IncmaskError
from incmask.base.intact import DamagedError, intact
from incmask.base.tables import read_rows
from incmask.experiment.paths import ERRORS, IMAGE_RELIABILITY
from incmask.experiment.record.run import RunRecord
from incmask.insight.reliability.rows import ErrorRow, ImageReliability, read_sentence
from incmask.insight.report.page import (
    Block,
    Figures,
    Link,
    Table,
    TableCell,
    Text,
    number,
    percent,
    plain_cell,
    whole,
)
from incmask.insight.report.picture import Drawing
from incmask.insight.report.plots_reliability import reliability_pictures

_COLUMNS = {
    "split": "images",
    "class": "predicted as",
    "num_pixels": "pixels",
    "num_wrong": "wrong pixels",
    "error_rate": "share wrong",
    "low": "from",
    "high": "to",
    "num_images": "number of images",
}
_SHARES = ("disagreement", "error_rate", "low", "high")
_COUNTS = ("num_pixels", "num_wrong", "num_images")
_PARTS = {"val": "validation"}


def reliability_blocks(record: RunRecord) -> list[Block]:
    """Write how often pixels are wrong given their disagreement, where that was measured.

    Raises:
        IncmaskError: a table is damaged, or matplotlib is not installed.
    """
    errors = record.table(ERRORS)
    if not errors:
        return []
    blocks: list[Block] = []
    if sentence := read_sentence(record.root):
        blocks.append(Text(f"{sentence[:1].upper()}{sentence[1:]}.", "answer"))
    blocks.append(Figures(tuple(_pictures(record)), on_white=True))
    header = tuple(errors[0])
    blocks.append(
        Table(
            name="reliability-table",
            title="Wrong pixels by disagreement, on images with true masks",
            header=tuple(_COLUMNS.get(name, name.replace("_", " ")) for name in header),
            rows=tuple(tuple(_cell(name, line[name]) for name in header) for line in errors),
            note="Disagreement: the share of the models that are off the majority. Pixels are counted at the networks' "
            "size. From and to: the 95 % interval of the share that is wrong, for other such images.",
            rest=Link(ERRORS, ERRORS),
        )
    )
    return blocks


def _cell(column: str, value: str) -> TableCell:
    """Write a value as people read it: shares in percent, parts by their names."""
    if column in _SHARES and value:
        return number(float(value), percent(float(value)))
    if column in _COUNTS and value:
        return whole(float(value))
    return plain_cell(_PARTS.get(value, value) if column == "split" else value)


def _pictures(record: RunRecord) -> list[Drawing]:
    """Draw what the tables hold; nothing where they have other columns."""
    root = record.root
    try:
        errors = read_rows(intact(root / ERRORS), ErrorRow)
        path = intact(root / IMAGE_RELIABILITY)
        images = read_rows(path, ImageReliability) if path.exists() else []
    except DamagedError:
        raise
    except IncmaskError:
        return []
    return reliability_pictures(errors, images, score_name=record.scoring.name)
