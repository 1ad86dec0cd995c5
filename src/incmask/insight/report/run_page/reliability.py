"""Whether disagreement tells where the models are wrong, where ``error_vs_disagreement.csv`` says so."""

from incmask.base.errors import IncmaskError
from incmask.base.tables import read_rows
from incmask.experiment.paths import ERRORS, IMAGE_RELIABILITY
from incmask.experiment.record.run import RunRecord
from incmask.insight.reliability.rows import ErrorRow, ImageReliability, read_sentence
from incmask.insight.report.page import Block, Figures, Link, Table, Text, plain_cell
from incmask.insight.report.picture import Drawing
from incmask.insight.report.plots_reliability import reliability_picture


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
    if picture := _picture(record):
        blocks.append(Figures((picture,)))
    header = tuple(errors[0])
    blocks.append(
        Table(
            name="reliability-table",
            title="Wrong pixels by disagreement, on images with true masks",
            header=tuple(name.replace("_", " ") for name in header),
            rows=tuple(tuple(plain_cell(line[name]) for name in header) for line in errors),
            rest=Link(ERRORS, ERRORS),
        )
    )
    return blocks


def _picture(record: RunRecord) -> Drawing | None:
    """Draw what the tables hold; nothing where they have other columns."""
    root = record.root
    try:
        errors = read_rows(root / ERRORS, ErrorRow)
        images = read_rows(root / IMAGE_RELIABILITY, ImageReliability) if (root / IMAGE_RELIABILITY).exists() else []
    except IncmaskError:
        return None
    return reliability_picture(errors, images, score_name=record.scoring.name)
