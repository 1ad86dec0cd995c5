"""Tables as CSV files: a row is a dataclass, whose fields are the columns, or a mapping of texts."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import chain, islice
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from incmask.base.errors import fail
from incmask.base.intact import GONE, cannot_read

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row")

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*(e[+-]?\d+)?|nan|inf)")

_ROWS_A_PART = 1_000

DETAILS = "details"
"""Name of the field, a ``dict[str, float]``, that takes all columns that no other field has."""


def read_rows(path: Path, kind: type[Row], *, mend: str = "restore it, or remove it") -> list[Row]:
    """Read a CSV file in UTF-8, with a line for its header.

    Args:
        path: the file.
        kind: as for ``parse_rows``.
        mend: what to do about a file that cannot be read.

    Raises:
        DamagedError: it is there and cannot be read.
        IncmaskError: it is not there, is no table, lacks a column, or has a value of another type.
    """
    return list(rows_of(path, kind, mend=mend))


def rows_of(path: Path, kind: type[Row], *, mend: str = "restore it, or remove it") -> Iterator[Row]:
    """Do the same row by row, see ``each_row``."""
    try:
        # Line by line, as the text of a million rows takes more than they do.
        with open(path, encoding="utf-8-sig", newline="") as handle:
            yield from _rows(handle, kind)
    except (*GONE, ValueError) as error:
        raise fail(path, f"is no readable table ({error})", mend) from error
    except OSError as error:
        raise cannot_read(path, error) from error


def parse_rows(text: str, kind: type[Row]) -> list[Row]:
    """Read what ``rows_text`` wrote, or any other table as CSV.

    Args:
        text: with a line for its header; cells are parted by commas, semicolons or tabs.
        kind: ``dict[str, str]``; or a dataclass, whose fields may have the metadata ``column`` where that has another
            name. Fields with a default may lack; blank cells are None where a field may be; other columns are left out,
            unless there is a field ``details``, which takes those that are not blank.

    Raises:
        ValueError: it is no table, lacks a column, or has a value of another type; the message is one line.
    """
    return list(each_row(text, kind))


def each_row(text: str, kind: type[Row]) -> Iterator[Row]:
    """Do the same row by row, since a row as a mapping takes ten times as much memory as its text."""
    return _rows(io.StringIO(text, newline=""), kind)


def _rows(lines: Iterable[str], kind: type[Row]) -> Iterator[Row]:
    adapter, as_values = TypeAdapter(kind), _values_of(kind)
    for number, line in enumerate(_lines(lines), start=2):
        values = as_values(line)
        try:
            yield adapter.validate_python(values)
        except ValidationError as error:
            wrong = error.errors()[0]
            what = f"{wrong['msg'].lower()}, got {wrong['input']!r}"
            raise ValueError(f"row {number}, {'.'.join(map(str, wrong['loc']))}: {what}") from error


def _lines(text: Iterable[str]) -> Iterator[dict[Any, Any]]:
    """Give the cells of each line by their columns."""
    lines = iter(text)
    header = next(lines, "")
    # Spreadsheets write semicolons where numbers have a decimal comma.
    reader = csv.DictReader(chain([header], lines), delimiter=max(",;\t", key=header.count))
    try:
        for line in reader:
            yield {name: _unquoted(cell) for name, cell in line.items()}
    except csv.Error as error:
        raise ValueError(str(error)) from error


def _values_of(kind: type) -> Callable[[dict[Any, Any]], dict[Any, Any]]:
    """Give what turns the cells of a line into the fields of a row."""
    if not is_dataclass(kind):
        return lambda line: line
    columns = {each.name: _column(each) for each in fields(kind) if each.name != DETAILS}
    needed = {columns[each.name] for each in fields(kind) if each.name in columns and each.default is MISSING}
    hints = get_type_hints(kind)
    optional = {name for name in columns if NoneType in get_args(hints[name])}

    def as_values(line: dict[Any, Any]) -> dict[Any, Any]:
        if missing := needed - line.keys():
            raise ValueError(f"it has no column {', '.join(sorted(missing))}")
        values = {name: line.pop(column) for name, column in columns.items() if column in line}
        values |= {name: None for name in optional & values.keys() if values[name] == ""}
        return values | {DETAILS: {name: text for name, text in line.items() if text}}

    return as_values


def rows_text(
    rows: Iterable["DataclassInstance"], kind: "type[DataclassInstance]", *, digits: int | None = None
) -> str:
    """Write rows as CSV, with a line for the header, see ``rows_parts``."""
    return "".join(rows_parts(rows, kind, digits=digits))


def rows_parts(
    rows: Iterable["DataclassInstance"], kind: "type[DataclassInstance]", *, digits: int | None = None
) -> Iterator[str]:
    """Do the same in parts, of some rows each.

    Args:
        rows: of ``kind``.
        kind: a dataclass, as for ``parse_rows``.
        digits: of numbers that are not whole, after the point; None: all that they have.
    """
    rows = rows if isinstance(rows, Sequence) else list(rows)
    plain = [each for each in fields(kind) if each.name != DETAILS]
    names = list(dict.fromkeys(name for row in rows for name in getattr(row, DETAILS, ())))

    def cell(value: object) -> object:
        return f"{value:.{digits}f}" if digits is not None and isinstance(value, float) else value

    return csv_parts(
        (*map(_column, plain), *names),
        (
            [
                cell(value)
                for value in (
                    *(getattr(row, field.name) for field in plain),
                    *(getattr(row, DETAILS).get(name) for name in names),
                )
            ]
            for row in rows
        ),
    )


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table as CSV, with a line for its header."""
    return "".join(csv_parts(header, rows))


def csv_parts(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Do the same in parts, of some rows each."""
    lines = chain([header], rows)
    while some := [*islice(lines, _ROWS_A_PART)]:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows([_quoted(cell) for cell in row] for row in some)
        yield buffer.getvalue()


def csv_lines(text: str) -> list[list[str]]:
    """Read the cells of what ``csv_text`` wrote, the header's first."""
    return [[_unquoted(cell) for cell in line] for line in csv.reader(io.StringIO(text, newline=""))]


def _quoted(cell: object) -> object:
    """Write a text that a spreadsheet would take for a formula as one that it takes for text."""
    is_formula = isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def _unquoted(cell: Any) -> Any:
    return cell[1:] if isinstance(cell, str) and cell.startswith("'") and _FORMULA.match(cell) else cell


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table as Markdown.

    Args:
        header: a name a column.
        rows: as many cells each, of one line; "|" in them is escaped by the caller.
    """
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *rows))


def _column(field: Field[Any]) -> str:
    return str(field.metadata.get("column", field.name))
