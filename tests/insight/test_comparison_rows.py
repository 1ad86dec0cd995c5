import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.errors import IncmaskError
from incmask.insight.report.comparison_page.rows import (
    FrequencyRow,
    ImageScoreRow,
    ModelRow,
    PseudoRow,
    RunRow,
    from_csv,
    read_rows,
    to_csv,
)

KINDS = [ModelRow, RunRow, ImageScoreRow, PseudoRow, FrequencyRow]

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
    assert from_csv(to_csv(rows), kind) == rows


def image(**changes):
    row = ImageScoreRow(recipe="im", setting="", budget="own", repeat=1, generation=2, name="a.png", score=0.1 + 0.2)
    return dataclasses.replace(row, **changes)


def test_the_table_reads_like_one():
    assert to_csv([image()]) == (
        "recipe,setting,budget,repeat,generation,name,score\nim,,own,1,2,a.png,0.30000000000000004\n"
    )


def test_scores_that_one_row_lacks_are_empty_and_stay_away():
    row = ModelRow("im", "", "own", 1, 1, "1", True, "val", 0.5, 10, 5, 1.5, 1e9, {"iou": 0.5})
    other = dataclasses.replace(row, details={"dice": 0.6})
    text = to_csv([row, other])
    assert text.splitlines()[0].endswith(",flops,iou,dice")
    assert [line.split(",")[-2:] for line in text.splitlines()[1:]] == [["0.5", ""], ["", "0.6"]]
    assert from_csv(text, ModelRow) == [row, other]


def test_nan_comes_back_as_nan():
    assert math.isnan(from_csv(to_csv([image(score=math.nan)]), ImageScoreRow)[0].score)


def test_no_rows_make_an_empty_file(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(to_csv([]))
    assert read_rows(path, ImageScoreRow) == []


@pytest.mark.parametrize(
    "text",
    [
        None,
        "recipe,setting\nim,\n",
        "recipe,setting,budget,repeat,generation,name,score\nim,,own,one,2,a,0.5\n",
        "recipe,setting,budget,repeat,generation,name,score\nim,,own,1\n",
    ],
)
def test_no_such_file_or_another_table_is_said_in_one_line(tmp_path, text):
    path = tmp_path / "rows.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(IncmaskError, match=r"rows\.csv: is no table of a comparison .*`incmask compare` again$"):
        read_rows(path, ImageScoreRow)


def test_a_bool_is_true_or_false_alone(tmp_path):
    row = PseudoRow("im", "", "own", 1, 1, "a", True, 2, 0.1, 0.2, 0.3, None)
    path = tmp_path / "rows.csv"
    path.write_text(to_csv([row]).replace("True", "yes"))
    with pytest.raises(IncmaskError, match="is no table"):
        read_rows(path, PseudoRow)
