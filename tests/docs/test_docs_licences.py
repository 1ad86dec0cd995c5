"""``docs/licences.md`` lists every package that the project asks for, and none that an open project cannot take."""

import re
from email.message import Message
from importlib.metadata import PackageNotFoundError, distribution

import pytest

from docs_blocks import ROOT, load_script

PERMISSIVE = {
    *("MIT", "MIT-CMU", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "ISC", "PSF-2.0", "0BSD", "Zlib", "CC0-1.0"),
    *("BSL-1.0", "MPL-2.0", "LLVM-exception", "BSD-3-Clause-Open-MPI", "HPND", "Unlicense"),
}
"""None of these asks that what uses it be under the same licence; all go together with the GPL."""


@pytest.fixture(scope="module")
def made():
    return load_script("make_licences")


@pytest.fixture(scope="module")
def listed():
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| ([\w.-]+) \| [^|]+ \| ([^|]+) \|$", page, re.M)[1:])


def parts(expression):
    return set(re.split(r" (?:AND|OR|WITH) |[()]", expression)) - {""}


def test_every_package_is_listed(made, listed):
    assert list(listed) == [name for name, _ in made.requirements()]
    assert len(listed) > 30


def test_each_may_be_used_by_an_open_project(listed):
    assert {name: licence for name, licence in listed.items() if not parts(licence) <= PERMISSIVE} == {}


def test_what_is_installed_may_be_used_too(made):
    """Newer versions may have other licences."""
    found = {}
    for name, _ in made.requirements():
        try:
            found[name] = made.licence_of(distribution(name))
        except PackageNotFoundError:
            continue
    assert len(found) > 20
    assert {name: licence for name, licence in found.items() if not licence or not parts(licence) <= PERMISSIVE} == {}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"License-Expression": "MIT AND Zlib", "License": "BSD"}, "MIT AND Zlib"),
        ({"License": "Apache 2.0"}, "Apache-2.0"),
        ({"License": "FreeBSD"}, "BSD-2-Clause"),
        ({"License": "Copyright 2001", "Classifier": "License :: OSI Approved :: BSD License"}, "BSD-3-Clause"),
        ({"License": "GPL-3.0"}, None),
        ({}, None),
    ],
)
def test_what_packages_call_their_licence(made, told, expected):
    class Installed:
        metadata = Message()
        files = ()

    for name, value in told.items():
        Installed.metadata[name] = value
    assert made.licence_of(Installed()) == expected
