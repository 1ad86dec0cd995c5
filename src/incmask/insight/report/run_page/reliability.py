"""Whether disagreement tells where the models are wrong, where ``error_vs_disagreement.csv`` says so."""

import json
from collections.abc import Sequence
from pathlib import Path

from incmask.experiment.record import RunRecord, read_table
from incmask.insight.report.page import Block, Figures, Link, PageSection, Table, Text, plain_cell
from incmask.insight.report.picture import Drawing
from incmask.insight.report.plots_reliability import ErrorCurve, SplitPanel, reliability_picture
from incmask.insight.report.statistics import correlation

ERRORS, IMAGES, SUMMARY = "error_vs_disagreement.csv", "image_reliability.csv", "reliability.json"

_SPLITS = {"val": "validation", "test": "test"}
_ALL = "(all)"
"""The class of every pixel in the table."""

Line = dict[str, str]


def reliability_section(record: RunRecord) -> PageSection:
    """Write how often pixels are wrong given their disagreement, where that was measured.

    Raises:
        IncmaskError: a table is damaged, or matplotlib is not installed.
    """
    heading = "Does disagreement tell where it is wrong?"
    errors = read_table(record.root / ERRORS)
    if not errors:
        return PageSection("reliability", heading, ())
    blocks: list[Block] = []
    if sentence := _sentence(record.root / SUMMARY):
        blocks.append(Text(sentence, "answer"))
    if picture := _picture(errors, read_table(record.root / IMAGES), score_name=record.score_name):
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
    return PageSection("reliability", heading, tuple(blocks))


def _sentence(path: Path) -> str:
    try:
        text = str(json.loads(path.read_text(encoding="utf-8"))["sentence"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return f"{text[:1].upper()}{text[1:]}."


def _picture(errors: Sequence[Line], images: Sequence[Line], *, score_name: str) -> Drawing | None:
    """Draw what the tables hold; nothing where they have other columns."""
    panels = []
    try:
        for split, title in _SPLITS.items():
            of_split = [line for line in errors if line["split"] == split]
            curves = tuple(_curve(name, of_split) for name in dict.fromkeys(line["class"] for line in of_split))
            known = [line for line in images if line["split"] == split]
            shares = tuple(float(line["disputed_of_foreground"]) for line in known)
            scores = tuple(float(line["score"]) for line in known)
            if curves:
                panels.append(SplitPanel(title, curves, shares, scores, correlation(shares, scores)))
    except (KeyError, ValueError):
        return None
    return reliability_picture(panels, score_name=score_name) if panels else None


def _curve(name: str, lines: Sequence[Line]) -> ErrorCurve:
    rows = [line for line in lines if line["class"] == name]

    def values(column: str) -> tuple[float, ...]:
        return tuple(float(line[column] or "nan") for line in rows)

    return ErrorCurve(
        label="all pixels" if name == _ALL else f"predicted {name}",
        disagreement=values("disagreement"),
        error_rate=values("error_rate"),
        low=values("low"),
        high=values("high"),
        num_pixels=sum(int(line["num_pixels"]) for line in rows),
        is_main=name == _ALL,
    )
