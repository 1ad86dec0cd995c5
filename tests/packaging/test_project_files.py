"""What the project's own files say agrees with one another."""

import re
import runpy
import tomllib

import pytest
from markdown_it import MarkdownIt
from packaging.requirements import Requirement
from packaging.version import Version

from docs_blocks import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
INDEX_PAGE = runpy.run_path(str(ROOT / "setup.py"))["index_page"]


def requirements(*extras):
    listed = [*PROJECT["dependencies"], *(each for name in extras for each in EXTRAS[name])]
    return [Requirement(each) for each in listed if not each.startswith("incmask[")]


def pins(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def lowest(requirement):
    return next(Version(each.version) for each in requirement.specifier if each.operator == ">=")


def test_tested_versions_are_within_the_ranges():
    pinned = pins("constraints.txt")
    for each in requirements(*EXTRAS):
        assert pinned[each.name] in each.specifier, each


@pytest.mark.parametrize("requirement", requirements("report", "export", "test"), ids=lambda each: each.name)
def test_oldest_versions_are_the_lower_bounds(requirement):
    bound, pinned = lowest(requirement), Version(pins("constraints-oldest.txt")[requirement.name])
    assert pinned in requirement.specifier
    assert pinned.release[: len(bound.release)] == bound.release


def relative_in(page):
    """Give what a page links to or shows that lies beside it, and any markup of its own that could."""
    inline = [child for token in MarkdownIt().parse(page) for child in token.children or ()]
    targets = [value for each in inline for name, value in each.attrs.items() if name in ("href", "src")]
    markup = [each.content for each in inline if each.type == "html_inline"]
    return [each for each in targets if not re.match(r"https?:|#", each)] + markup


def test_the_page_of_a_package_index_links_to_nothing_beside_it():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = INDEX_PAGE(readme)
    assert relative_in(readme)
    assert relative_in(page) == []
    for name in ("guide", "for-labs"):
        assert f"(`docs/{name}.md`)" in page
    code = [[token.content for token in MarkdownIt().parse(text) if token.type == "fence"] for text in (readme, page)]
    assert code[0] == code[1]


def test_links_become_names_of_files_and_pictures_what_they_show():
    readme = (
        "[A guide\nto all](docs/guide.md#recipes), [here](#here) or [there](https://example.org/a.md)\n"
        "![A mask](docs/mask.svg), ![a badge](https://example.org/badge.svg)"
    )
    page = (
        "A guide\nto all (`docs/guide.md`), [here](#here) or [there](https://example.org/a.md)\n"
        "A mask, ![a badge](https://example.org/badge.svg)"
    )
    assert relative_in(readme) == ["docs/guide.md#recipes", "docs/mask.svg"]
    assert INDEX_PAGE(readme) == page


def test_the_citation_is_of_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", text, re.M)[1] == PROJECT["version"]
    assert re.search(r"^license: (.*)$", text, re.M)[1] == PROJECT["license"]


def test_ci_tests_every_python_that_the_package_names():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    tested = re.findall(r'"(\d\.\d+)"', re.search(r"python: \[(.*)\]", text)[1])
    named = [each.rpartition(" :: ")[2] for each in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", each)]
    assert tested == named
    assert PROJECT["requires-python"] == f">={tested[0]}"


def test_nothing_asks_the_clock_on_the_wall_but_for_what_people_are_told_of_other_machines():
    """It may jump, by any time on a cluster; durations are of a clock that goes forward alone."""
    asks = re.compile(
        r"\btime\.time(_ns)?\(|\.(utc)?now\(|\btime\.(localtime|gmtime|ctime)\(|from time import .*\btime\b"
    )
    found = {path.name: len(asks.findall(path.read_text())) for path in (ROOT / "src").rglob("*.py")}
    assert {name: num for name, num in found.items() if num} == {"take_back.py": 1, "run_log.py": 1, "status.py": 2}


def test_the_folders_are_the_layers_and_those_on_disk():
    """In ``CONTRIBUTING.md``, as the linter of imports knows them and as they lie there; beside them single modules."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \|", text, re.M)
    layers = re.search(r"^layers =\n((?:    .*\n)+)", (ROOT / ".importlinter").read_text(encoding="utf-8"), re.M)[1]
    package = ROOT / "src" / "incmask"
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    assert told == [layer for layer in reversed(re.findall(r"\w+", layers)) if layer in folders]
    assert set(told) == folders
    assert {*re.findall(r"\w+", layers)} - folders == {path.stem for path in package.glob("*.py")} - {"__init__"}
