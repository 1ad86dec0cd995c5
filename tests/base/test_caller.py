"""Messages name options as whoever called gives them."""

import ast
import re

import light_jobs
import pytest
import typer

from docs_blocks import ROOT
from incmask.base.caller import is_command_line, on_command_line
from incmask.base.errors import IncmaskError, fail
from incmask.base.local_pool import LocalPool
from incmask.commands.cli import app
from incmask.experiment.choices import resolve as resolve_choices
from incmask.experiment.named import Choices
from runs import make_data

PACKAGE = ROOT / "src" / "incmask"
FOR_EVERYBODY = ("commands/", "insight/report/", "insight/card.py", "base/caller.py")
"""What a page or a file says is for whoever reads it, wherever it was made."""
WRITTEN = {
    "base/slurm_commands.py": "script.sh",
    "base/slurm_pool.py": "script.sh",
    "exchange/corrections/export.py": "README.txt",
    "exchange/prepare/prepare.py": "README.md",
}
"""Modules that also write a file that names commands; beside that they name none."""


def options():
    """All options of the command line, such as ``--top`` and ``-o``."""
    commands = typer.main.get_command(app).commands.values()
    return {name for each in commands for one in each.params for name in one.opts if name.startswith("-")}


def texts(path):
    """The strings of a module that are neither docstrings nor worded for both callers, with their lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    left_out = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "either":
            left_out |= {id(each) for each in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node.lineno, node.value


def test_no_message_names_an_option_or_a_command_of_one_caller_alone():
    known = "|".join(sorted(map(re.escape, options()), key=len, reverse=True))
    named = re.compile(rf"(?<![\w-])(?:{known})(?![\w-])|`incmask [a-z]")
    found, written = [], set()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith(FOR_EVERYBODY):
            continue
        for line, text in texts(path):
            if named.search(text):
                written.add(name) if name in WRITTEN else found.append(f"{name}:{line}: {text}")
    assert found == []
    assert written == set(WRITTEN)


def test_the_test_above_sees_options(tmp_path):
    assert {"--set", "--top", "-o", "--time", "--from"} <= options()
    module = tmp_path / "module.py"
    module.write_text('"""Docs of --top."""\nfail("x", f"use --top {1}", either("--set", "settings"))\n')
    assert [text for _, text in texts(module)] == ["x", "use --top "]


def test_the_caller_is_known_inside_alone():
    with on_command_line():
        assert is_command_line()
    assert not is_command_line()


def test_a_mistake_inside_leaves_nothing_behind():
    with pytest.raises(IncmaskError), on_command_line():
        raise fail("here", "is wrong", "mend it")
    assert not is_command_line()


@pytest.mark.parametrize("worded", [True, False])
def test_workers_word_as_their_parent_does(worded, monkeypatch):
    monkeypatch.setattr("incmask.base.caller._on_command_line", worded)
    with LocalPool(1, networks=False) as pool:
        told = [told for _, told in pool.run(light_jobs.say_option, [3], lambda amount: None)]
    assert told == ["--top 3" if worded else "top=3"]


WRONG = [
    ({"settings": {"epocs": 3}}, "settings: unknown name 'epocs'; did you mean epochs", "--set: unknown name 'epocs'"),
    ({"settings": {"epochs": 0}}, "settings: epochs = 0: ", "--set: epochs = 0: "),
    ({"time": "20m", "effort": "quick"}, "time: effort and", "--time: effort and"),
    (
        {"settings": {"num_members": 9}},
        'num_members: 9 voting members, but only 3 models to take them from; use settings={"num_members": 3}, or',
        "use --set num_members=3, or",
    ),
]


@pytest.mark.parametrize(("choices", "in_python", "at_the_command_line"), WRONG)
def test_choices_are_named_as_they_were_given(tmp_path, choices, in_python, at_the_command_line):
    data = make_data(tmp_path / "data", "binary")
    with pytest.raises(IncmaskError) as error:
        resolve_choices(data, Choices(**choices))
    assert in_python in str(error.value)
    with on_command_line(), pytest.raises(IncmaskError) as error:
        resolve_choices(data, Choices(**choices))
    assert at_the_command_line in str(error.value)
