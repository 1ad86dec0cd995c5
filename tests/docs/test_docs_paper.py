"""What ``docs/paper.md`` names must be there, and its numbers must be those of the paper preset."""

import importlib
import re
import tomllib

import pytest

import incmask
from docs_blocks import ROOT, check_command
from incmask.base.choosing import resolve_settings
from incmask.base.config import Settings
from incmask.base.presets import PRESETS

PAGE = ROOT / "docs" / "paper.md"
TEXT = PAGE.read_text(encoding="utf-8")
CODE = re.findall(r"`([^`\n]+)`", TEXT)


def tables():
    """The tables of the page by their heading: rows of cells, without header and rule."""
    found = {}
    for part in TEXT.split("\n## ")[1:]:
        rows = [row.strip("|").split("|") for row in part.splitlines() if row.startswith("|")]
        found[part.splitlines()[0]] = [[cell.strip() for cell in row] for row in rows[2:]]
    return found


def named(path):
    """Import a dotted name."""
    words = path.split(".")
    for length in range(len(words), 0, -1):
        try:
            found = importlib.import_module(".".join(words[:length]))
        except ModuleNotFoundError:
            continue
        for word in words[length:]:
            found = getattr(found, word)
        return found
    raise AssertionError(f"no module in {path}")


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)#]+)(#[\w-]+)?\)", TEXT)
    assert len(links) > 30
    assert not [link for link, _ in links if not (PAGE.parent / link).is_file()]


def test_names_can_be_imported():
    names = {code for code in CODE if re.fullmatch(r"incmask(\.\w+)+", code) and not code.endswith(".toml")}
    assert len(names) > 40
    for name in names:
        assert named(name) is not None


def test_sources_hold_what_stands_beside_them():
    for heading in ("Equations and algorithms", "Tables", "Figures", "Approaches"):
        for row in tables()[heading]:
            text = "".join((PAGE.parent / link).read_text("utf-8") for link in re.findall(r"\]\(([^)]+)\)", row[-1]))
            for name in re.findall(r"`incmask\.([\w.]+)`", row[-2]):
                assert re.search(rf"^(def |class )?{name.split('.')[-1]}\b", text, re.M), row


def test_commands_are_there():
    commands = {code for code in CODE if re.match(r"incmask [a-z]", code)}
    assert commands
    for command in commands:
        assert "no such command" not in check_command(tuple(command.split()[1:]))


def test_everything_numbered_is_named():
    firsts = " ".join(
        row[0] for heading in ("Equations and algorithms", "Tables", "Figures") for row in tables()[heading]
    )
    for name in (
        "equation 1",
        "equation A1",
        "algorithm 1",
        "algorithm 2",
        "table 1",
        "table 2",
        "table 3",
        "A.1 and A.2",
    ):
        assert name in firsts
    figures = " ".join(row[0].partition(":")[0] for row in tables()["Figures"])
    spans = [range(int(low), int(high) + 1) for low, high in re.findall(r"A\.(\d+) to A\.(\d+)", figures)]
    assert {number for span in spans for number in span} | {1, 2, 3} == set(range(1, 12))
    assert set(map(int, re.findall(r"(?<![.\d])\d+(?!\.)", figures.replace("section 3.11", "")))) == set(range(1, 13))


def test_every_recipe_of_the_paper_is_named():
    recipes = {code for row in tables()["Approaches"] for code in re.findall(r"`([^`]+)`", row[1])} & set(
        incmask.RECIPES
    )
    ours = {name for name, recipe in incmask.RECIPES.items() if recipe.is_online} | {"strong-ldt"}
    assert recipes == set(incmask.RECIPES) - ours


def test_settings_are_those_of_the_paper_preset():
    paper, told = resolve_settings(preset="paper"), {}
    for _, name, value in tables()["Settings"]:
        if name.strip("`") in Settings.model_fields:
            told[name.strip("`")] = value
    assert len(told) > 20
    for name, value in told.items():
        there = getattr(paper, name)
        assert value == (str(there).lower() if isinstance(there, bool) else str(there)), name
    assert set(PRESETS["paper"]) - {"precision"} <= set(told)


def test_differences_are_those_of_the_presets():
    default, paper = resolve_settings(), resolve_settings(preset="paper")
    differ = {name for name in Settings.model_fields if getattr(default, name) != getattr(paper, name)}
    rows = {}
    for names, of_paper, of_default, _ in tables()["What the default preset does otherwise"]:
        for name in re.findall(r"`(\w+)`", names):
            rows[name] = (names, of_paper, of_default)
    assert set(rows) == differ
    for name, (names, of_paper, of_default) in rows.items():
        if "," not in names:
            for value, text in ((getattr(paper, name), of_paper), (getattr(default, name), of_default)):
                assert text.split(",")[0] == (str(value).lower() if isinstance(value, bool) else str(value))
    efforts = next(row for row in tables()["What the default preset does otherwise"] if "`epochs`" in row[0])
    names = re.findall(r"`(\w+)`", efforts[0])
    for settings, text in ((paper, efforts[1]), (default, efforts[2])):
        assert tomllib.loads(f"values = [{text}]")["values"] == [getattr(settings, name) for name in names]


def test_a_wrong_name_is_found():
    with pytest.raises(AttributeError):
        named("incmask.method.agreement.nothing")
