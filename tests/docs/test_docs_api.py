"""``docs/api.md`` is what the docstrings of the public names say."""

import inspect
import logging
import re

import griffe
import pytest

import incmask
from docs_blocks import ROOT, load_script

PAGE = ROOT / "docs" / "api.md"


@pytest.fixture(scope="module")
def made():
    return load_script("make_api")


@pytest.fixture(scope="module")
def told():
    """What the parser of docstrings warns of."""
    records = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: records.append(record.getMessage())
    logging.getLogger("griffe").addHandler(handler)
    yield records
    logging.getLogger("griffe").removeHandler(handler)


@pytest.fixture(scope="module")
def page(made, told):
    return made.api_page()


def section(page, name):
    """What stands below the heading of a public name."""
    return re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", page, re.M | re.S)[1]


def test_the_page_is_up_to_date(page):
    assert PAGE.read_text(encoding="utf-8") == page, "run `python docs/make_api.py`"


def test_the_docstrings_are_read_without_a_warning(page, told):
    assert told == []


def test_a_docstring_with_a_mistake_is_told(told):
    function = griffe.visit(
        "m", filepath=None, code='def f(a: int):\n    """F.\n\n    Args:\n        b: none.\n    """\n'
    )["f"]
    griffe.parse_google(function.docstring)
    assert any("'b' does not appear" in line for line in told)
    told.clear()


def test_everything_public_has_its_place(page):
    assert re.findall(r"^## (.*)$", page, re.M) == [*incmask.__all__, "Other types"]
    for name in incmask.nets.__all__:
        assert f"### {name}\n" in section(page, "nets")


def test_every_argument_is_described(page):
    """By ``inspect``, which does not read the sources as the generator does."""
    for name in incmask.__all__:
        found, text = getattr(incmask, name), section(page, name)
        if callable(found):
            arguments = inspect.signature(found).parameters
            assert [each for each in arguments if f"\n- `{each}`: " not in text] == [], name


def test_methods_and_properties_are_there(page):
    assert "### Result.predict\n" in section(page, "Result")
    assert "- `needs_truth` (`bool`): Whether it takes" in section(page, "Recipe")
    assert "### Ensemble.load\n" in section(page, "Ensemble")


def test_recipes_are_a_table(page):
    rows = re.findall(r"^\| `(.*)` \| (.*) \|$", section(page, "RECIPES"), re.M)
    assert rows == [(name, recipe.title) for name, recipe in incmask.RECIPES.items()]


def test_links_lead_to_files(page):
    for link in re.findall(r"\]\(([^)]+)\)", page):
        assert (PAGE.parent / link).is_file(), link
