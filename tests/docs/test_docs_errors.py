"""``docs/errors.md`` has every error that the source makes, and each says where, what and how to mend it."""

import ast
import re

import pytest

from docs_blocks import ROOT, load_script

PAGE = ROOT / "docs" / "errors.md"

PASSED_ON = {
    "base/errors.py",
    "base/intact.py",
    "base/limits.py",
    "base/local_pool.py",
    "base/ray_pool.py",
    "base/tables.py",
    "data/folder/part_files.py",
    "data/folder/numbered.py",
    "data/from_arrays.py",
    "data/images/decode.py",
    "exchange/formats/common.py",
    "exchange/formats/naming.py",
    "exchange/formats/sheets.py",
    "experiment/record/verify.py",
    "prediction/given.py",
}
"""Modules that pass on a mend which others have worded."""


@pytest.fixture(scope="module")
def made():
    return load_script("make_errors")


@pytest.fixture(scope="module")
def messages(made):
    return list(made.messages())


def is_open(text):
    return not text.strip(" …")


def test_the_page_is_up_to_date(made, messages):
    assert made.page(messages) == PAGE.read_text(encoding="utf-8"), "python docs/make_errors.py"


def test_no_error_is_missed(made, messages):
    """As many as there are calls, but for those whose arguments another call has made."""
    calls = [
        node
        for path in made.SOURCE.rglob("*.py")
        if re.search(r"\b(fail|Problem)\(", text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("fail", "Problem")
    ]
    whole = [call for call in calls if not any(isinstance(each, ast.Starred) for each in call.args)]
    assert len(messages) == len(whole) > 400
    assert len(calls) - len(whole) <= 5


def test_each_says_what_is_wrong_and_how_to_mend_it(messages):
    wrong = [
        f"{each.path}:{each.line}"
        for each in messages
        for part in (each.what, each.remedy)
        for text in part
        # A line goes on after the colon and the semicolon, so neither part begins or ends a sentence.
        if not text
        or text.endswith(".")
        or re.match(r"[A-Z][a-z]+ [a-z]", text)
        or (len(text) < 4 and not is_open(text))
    ]
    assert wrong == []


def test_each_says_where(messages):
    nowhere = [each.path.as_posix() for each in messages if not all(each.where)]
    # Of many problems the number of those that are not told.
    assert nowhere == ["base/errors.py"]


def test_mends_are_worded_where_the_error_is_made(messages):
    assert {each.path.as_posix() for each in messages if any(map(is_open, each.remedy))} == PASSED_ON


def test_alternatives_and_options_are_told(made, tmp_path):
    (tmp_path / "module.py").write_text(
        "MEND = 'remove it'\n"
        "def read(path, num):\n"
        "    what = f'holds {num} rows' if num else 'is empty'\n"
        "    raise fail(path, what, f'use {option(\"rows\", 3)}, or {MEND}')\n"
    )
    (found,) = made.messages(tmp_path)
    assert (found.where, found.what, found.remedy) == (
        ("…",),
        ("holds … rows", "is empty"),
        ("use `--rows 3`, or remove it",),
    )
