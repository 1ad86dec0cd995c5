"""Blocks and commands of the documentation are read as a shell and the commands would read them."""

import pytest

from docs_blocks import Block, check_command, check_config, read_blocks, read_lines
from incmask.base.choosing import read_config
from incmask.base.errors import IncmaskError


def test_blocks_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n```sh\na\nb\n```\n<!-- fresh folder -->\n\ntext\n\n* item\n  ```python\n  1\n  ```\n", "utf-8"
    )
    assert read_blocks(page) == [Block("sh", "a\nb\n", 3), Block("python", "1\n", 12, fresh=True)]


def test_lines_are_read():
    text = "a b 'c d' # e\n\nx \\\n  y | z -\nv && .venv/bin/w\n# only this\n"
    found = read_lines(Block("sh", text, 10))
    assert [line.programs for line in found] == [
        (("a", "b", "c d"),),
        (("x", "y"), ("z", "-")),
        (("v",),),
        ((".venv/bin/w",),),
    ]
    assert [line.number for line in found] == [10, 12, 14, 14]
    with pytest.raises(ValueError, match="> is for a shell"):
        read_lines(Block("sh", "a > b", 1))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("run mydata -o myrun --set epochs=3", ""),
        ("compare mydata --recipes im,im+ --set num_members=2,3 --set erode_px=0,3", ""),
        ("run --help", ""),
        ("rum mydata", "no such command"),
        ("run mydata --recip im", "--recip"),
        ("run mydata --recipe imm", "imm"),
        ("run mydata --preset papers", "papers"),
        ("run mydata --profile sea", "sea"),
        ("run mydata --set epoch=3", "epoch"),
        ("compare mydata --recipes im,mi", "mi"),
        ("compare mydata --set erode_px=3,4", "erode_px"),
        ("compare mydata --repeats 0", "greater than or equal to 1"),
        ("predict myrun newimages", "out"),
    ],
)
def test_a_wrong_command_is_found(words, problem):
    found = check_command(tuple(words.split()))
    assert problem in found
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('recipe = "in"', "in"),
        ("[settings]\nepoch = 3", "epoch"),
        ("[data]\ntask = 'bin'", "task"),
        ("[other]", "other"),
    ],
)
def test_a_wrong_file_is_found(text, match, tmp_path):
    (tmp_path / "incmask.toml").write_text(text, encoding="utf-8")
    with pytest.raises(IncmaskError, match=match):
        check_config(read_config(tmp_path))
