import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.tables import parse_rows, rows_text
from incmask.insight.report.comparison_page.rows import (
    DataFrequencyRow,
    FrequencyRow,
    ImageScoreRow,
    ModelRow,
    PseudoRow,
    RunRow,
)

KINDS = [ModelRow, RunRow, ImageScoreRow, PseudoRow, FrequencyRow, DataFrequencyRow]

# What a CSV file can hold: text without lone surrogates, nulls and line ends, which no name here has.
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12)
floats = st.floats(allow_nan=False)
names = st.sampled_from(["iou", "miou_ad", "dice", "iou/a, b", 'iou/"c"'])
VALUES = {
    str: texts,
    int: st.integers(),
    float: floats,
    bool: st.booleans(),
    float | None: st.none() | floats,
    dict[str, float]: st.dictionaries(names, floats),
}


def rows_of(kind):
    row = st.builds(kind, **{field.name: VALUES[field.type] for field in dataclasses.fields(kind)})
    return st.lists(row, min_size=1, max_size=4)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_what_is_written_is_read_again(kind, data):
    rows = data.draw(rows_of(kind))
    assert parse_rows(rows_text(rows, kind), kind) == rows


def image(**changes):
    row = ImageScoreRow(
        "im", "", "own", 1, generation=2, name="a.png", group="slide 3", score=0.1 + 0.2, all_students=0.25
    )
    return dataclasses.replace(row, **changes)


def test_the_table_reads_like_one():
    assert rows_text([image()], ImageScoreRow) == (
        "recipe,setting,budget,repeat,generation,name,group,score,all_students\n"
        "im,,own,1,2,a.png,slide 3,0.30000000000000004,0.25\n"
    )


def test_scores_that_one_row_lacks_are_empty_and_stay_away():
    row = ModelRow("im", "", "own", 1, 1, "1", True, "val", 0.5, 10, 5, 1.5, 1e9, {"iou": 0.5})
    other = dataclasses.replace(row, details={"dice": 0.6})
    text = rows_text([row, other], ModelRow)
    assert text.splitlines()[0].endswith(",flops,iou,dice")
    assert [line.split(",")[-2:] for line in text.splitlines()[1:]] == [["0.5", ""], ["", "0.6"]]
    assert parse_rows(text, ModelRow) == [row, other]


def test_nan_comes_back_as_nan():
    assert math.isnan(parse_rows(rows_text([image(score=math.nan)], ImageScoreRow), ImageScoreRow)[0].score)


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_without_rows_has_its_header(kind):
    (header,) = rows_text([], kind).splitlines()
    assert header.split(",") == [field.name for field in dataclasses.fields(kind) if field.name != "details"]
    assert parse_rows(rows_text([], kind), kind) == []
