"""Tables as CSV: what is written is read back, and what is wrong with a file is told in one line."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from incmask.base.errors import IncmaskError
from incmask.base.tables import csv_lines, csv_text, parse_rows, read_rows, rows_text


@dataclass(frozen=True)
class Measured:
    name: str
    used: bool
    copies: int
    score: float
    rating: float | None = None
    class_name: str = field(default="", metadata={"column": "class"})


@dataclass(frozen=True)
class Scored:
    name: str
    details: dict[str, float]


def test_rows_come_back_as_they_were() -> None:
    rows = [
        Measured('a "b", c\nd', True, 3, 0.1 + 0.2, None, "cell"),
        Measured("é", False, -1, float("inf"), 1e-300, ""),
    ]
    text = rows_text(rows, Measured)
    assert text.splitlines()[0] == "name,used,copies,score,rating,class"
    assert parse_rows(text, Measured) == rows
    assert parse_rows(rows_text([], Measured), Measured) == []
    assert parse_rows("", Measured) == []


def test_numbers_may_be_cut() -> None:
    text = rows_text([Measured("a", True, 3, 1 / 3, None, "cell")], Measured, digits=3)
    assert text.splitlines()[1] == "a,True,3,0.333,,cell"


def test_columns_beyond_the_fields_are_left_out_or_are_details() -> None:
    text = "name,copies,used,score,more\na,2,False,nan,5\n"
    (row,) = parse_rows(text, Measured)
    assert (row.copies, row.used, row.rating, row.score != row.score) == (2, False, None, True)
    rows = [Scored("a", {"x": 0.5}), Scored("b", {"y": 1.0, "x": 2.0})]
    assert rows_text(rows, Scored) == "name,x,y\na,0.5,\nb,2.0,1.0\n"
    assert parse_rows(rows_text(rows, Scored), Scored) == rows


def test_a_table_of_texts() -> None:
    text = csv_text(("a", "b"), [(1, "x"), (2.5, None)])
    assert parse_rows(text, dict[str, str]) == [{"a": "1", "b": "x"}, {"a": "2.5", "b": ""}]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"name,used,copies\na,True,1\n", "has no column score"),
        (b"name,used,copies,score\na,True,1,0.5\nb,True,x,0.5\n", "row 3, copies: .*integer.*'x'"),
        (b"name,used,copies,score\na,maybe,1,0.5\n", "row 2, used: .*'maybe'"),
        (b"name,used,copies,score\na,True,1\n", "row 2, score: .*None"),
        (b"name,used,copies,score\n\xff,True,1,0.5\n", "utf-8"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(IncmaskError, match=rf"rows\.csv: is no readable table \(.*{told}.*\); make it anew$"):
        read_rows(path, Measured, mend="make it anew")


def test_an_absent_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(IncmaskError, match=r"no readable table .*restore it"):
        read_rows(tmp_path / "rows.csv", Measured)


def test_a_mark_of_the_encoding_is_no_part_of_the_header(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("name,x\nä,1\n".encode("utf-8-sig"))
    assert read_rows(tmp_path / "rows.csv", Scored) == [Scored("ä", {"x": 1.0})]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_cells_may_be_parted_as_spreadsheets_do(separator):
    text = "\n".join(
        separator.join(line) for line in (("name", "group"), ("a", "1,5" if separator != "," else "1"), ("b", "2"))
    )
    assert [row["name"] for row in parse_rows(text, dict[str, str])] == ["a", "b"]
    assert [row["group"] for row in parse_rows(text, dict[str, str])][1] == "2"


@pytest.mark.parametrize("name", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "'=1", "''-x"])
def test_no_name_is_a_formula_and_each_comes_back(name):
    text = csv_text(("name", "x"), [(name, -0.5)])
    _, (cell, number) = csv.reader(io.StringIO(text, newline=""))
    assert cell == f"'{name}"
    assert number == "-0.5"
    assert parse_rows(text, dict[str, str]) == [{"name": name, "x": "-0.5"}]
    assert csv_lines(text) == [["name", "x"], [name, "-0.5"]]


@pytest.mark.parametrize("plain", ["-0.123456", "+3", "-1e-07", "nan", "-inf", "a=b", "'tis", "", "5'"])
def test_numbers_and_other_texts_stay(plain):
    text = csv_text(("a", "b"), [(plain, "x")])
    assert csv_lines(text)[1] == [plain, "x"]
    assert list(csv.reader(io.StringIO(text)))[1] == [plain, "x"]
