"""The code blocks of the documentation: found, read as commands, and checked against what the commands take."""

import importlib.util
import shlex
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
from markdown_it import MarkdownIt

from incmask.base.choosing import ConfigFile, resolve_settings
from incmask.base.presets import EFFORTS, PRESETS
from incmask.base.validation import choose, validated
from incmask.commands import cli
from incmask.commands.assignments import parse_grid
from incmask.data.dataset import DataOptions
from incmask.experiment.ladder import seconds_from
from incmask.experiment.named import DEFAULT_TIME
from incmask.method.profiles import PROFILES
from incmask.method.recipes import RECIPES

ROOT = Path(__file__).parents[1]


def load_script(name: str) -> ModuleType:
    """Give the module of a program in ``docs``, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

RUN = ("sh", "python", "toml")
"""Blocks that are run."""

FRESH = "<!-- fresh folder -->"
"""Stands in a page where blocks begin anew, with data and run as they were before its first block."""

SHOWN = ("", "text", "console", "py", "pycon", "json", "csv", "bibtex")
"""Blocks that are only shown: listings, output, signatures, examples, and commands for a person's own machine."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        language: the word behind the fence.
        text: its content.
        line: of its first line in the page, counted from 1.
        fresh: ``FRESH`` stands between it and the block before.
    """

    language: str
    text: str
    line: int
    fresh: bool = False


@dataclass(frozen=True)
class Line:
    """A command line: programs whose output the next one reads.

    Attributes:
        programs: the words of each.
        number: line in the page.
    """

    programs: tuple[tuple[str, ...], ...]
    number: int

    def __str__(self) -> str:
        return " | ".join(map(shlex.join, self.programs))


def read_blocks(page: Path) -> list[Block]:
    """Find the fenced blocks of a page in order."""
    blocks, fresh = [], False
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "fence" and token.map:
            blocks.append(Block(token.info.strip(), token.content, token.map[0] + 2, fresh))
            fresh = False
        fresh = fresh or (token.type == "html_block" and FRESH in token.content)
    return blocks


def read_lines(block: Block) -> list[Line]:
    """Read a block of commands: ``#`` begins a comment, ``\\`` at the end goes on, ``&&`` ends a line, too.

    Raises:
        ValueError: something that only a shell understands.
    """
    lines: list[Line] = []
    text, start = "", block.line
    for number, row in enumerate(block.text.splitlines(), block.line):
        start = start if text else number
        if row.endswith("\\"):
            text += row[:-1]
            continue
        lines += [Line(programs, start) for programs in _programs(text + row)]
        text = ""
    return lines


def _programs(text: str) -> list[tuple[tuple[str, ...], ...]]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    found: list[list[list[str]]] = [[[]]]
    for word in lexer:
        if word == "&&":
            found.append([[]])
        elif word == "|":
            found[-1].append([])
        elif set(word) <= set("|&;<>"):
            raise ValueError(f"{text.strip()!r}: {word} is for a shell")
        else:
            found[-1][-1].append(word)
    return [tuple(map(tuple, line)) for line in found if line != [[]]]


def check_command(words: tuple[str, ...]) -> str:
    """Say what is wrong with the words after ``incmask``, without doing anything; "" if nothing is."""
    commands = typer.main.get_command(cli.app).commands
    if not words or words[0] not in commands:
        return f"no such command; there are {', '.join(commands)}"
    if "--help" in words:
        return ""
    try:
        given = commands[words[0]].make_context(words[0], list(words[1:])).params
        _check_values(given)
    except Exception as error:
        return str(error)
    return ""


def _check_values(given: dict[str, Any]) -> None:
    """Check what a command checks only when it is run."""
    grid = parse_grid(given.get("assignments") or [])
    alone = [grid.single, *({name: value} for name, values in grid.several.items() for value in values)]
    for values in alone:
        # A setting may be right only beside others, such as num_judges beside num_evalnets.
        resolve_settings(
            preset=given.get("preset") or "default", effort=given.get("effort"), overrides=grid.single | values
        )
    recipes = [*(given.get("recipes") or "all").split(","), given.get("recipe") or "all"]
    for name in recipes:
        if name.strip() != "all":
            choose(RECIPES, name.strip(), option="recipe")
    if given.get("time"):
        seconds_from(given["time"])
    if given.get("profile"):
        choose(PROFILES, given["profile"], option="profile")


def check_config(config: ConfigFile) -> None:
    """Check what ``incmask.toml`` says as a run does.

    Raises:
        IncmaskError: an unknown name, or a value outside its range.
    """
    for known, name in ((RECIPES, config.recipe), (PROFILES, config.profile)):
        if name is not None:
            choose(known, name, option="incmask.toml")
    assert {config.preset} <= {None, *PRESETS}
    assert {config.effort} <= {None, *EFFORTS}
    seconds_from(config.time or DEFAULT_TIME)
    resolve_settings(preset=config.preset or "default", effort=config.effort, from_file=config.settings)
    validated(DataOptions, config.data, where="[data]")
