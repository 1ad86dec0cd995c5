"""What ``pip install`` takes: built from the files of the repository, looked into, and used without a checkout."""

import email
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from test_project_files import EXTRAS, INDEX_PAGE, PROJECT, relative_in, requirements
from try_package import check_names, names_in

from docs_blocks import ROOT

pytestmark = pytest.mark.slow

CALL = """
import sys
from incmask.commands.cli import main
sys.argv = ["incmask", *{words!r}]
main()
"""

EACH_WITHOUT = """
import contextlib, io, json, sys
from incmask.commands.cli import main
for missing, words in {cases!r}:
    sys.modules.update(dict.fromkeys(missing))
    sys.argv, said, code = ["incmask", *words], io.StringIO(), 0
    with contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as end:
            code = end.code
    for name in missing:
        del sys.modules[name]
    print(json.dumps([code, said.getvalue()]))
"""
"""One process for all, which loads torch but once."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that nothing is left in the checkout; setuptools is there, as torch needs it."""
    work = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in", "CHANGELOG.md", "CITATION.cff"):
        shutil.copy(ROOT / name, work)
    shutil.copy(ROOT / "constraints.txt", work)
    shutil.copytree(ROOT / "src", work / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    options = ("-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", work / "dist")
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, work], check=True, capture_output=True)
    (built,) = (work / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Its files in a folder, as in an environment, with all that this environment has beside it."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(installed, code, folder):
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_it_holds_the_package_and_nothing_else(wheel):
    names = names_in(wheel)
    check_names(names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"incmask"}
    assert not [name for name in names if "__pycache__" in name]


def test_it_says_what_the_project_says(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (about,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        told = email.message_from_bytes(archive.read(about))
        (licence,) = (name for name in archive.namelist() if name.endswith("/licenses/LICENSE"))
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert (told["Name"], told["Version"]) == (PROJECT["name"], PROJECT["version"])
    assert (told["License-Expression"], told["Requires-Python"]) == (PROJECT["license"], PROJECT["requires-python"])
    assert set(told.get_all("Classifier")) == set(PROJECT["classifiers"])
    assert set(told.get_all("Provides-Extra")) == set(EXTRAS)
    needed = [Requirement(each) for each in told.get_all("Requires-Dist")]
    assert {str(each) for each in needed if each.marker is None} == {str(each) for each in requirements()}
    assert told["Description-Content-Type"] == "text/markdown"
    page = told.get_payload(decode=True).decode()
    assert page == INDEX_PAGE((ROOT / "README.md").read_text(encoding="utf-8"))
    assert relative_in(page) == []


def test_the_commands_come_from_it_and_have_their_templates(installed, tmp_path):
    code = "import incmask; print(incmask.__file__, incmask.__version__)"
    told = run(installed, code, tmp_path)
    path, version = told.stdout.split()
    assert Path(path).is_relative_to(installed), told.stderr
    assert version == PROJECT["version"]
    for words in (["--version"], ["--help"], ["-h"], ["settings"]):
        done = run(installed, CALL.format(words=words), tmp_path)
        assert done.returncode == 0, done.stderr
    page = run(
        installed,
        "from incmask.insight.report.page import Page; from incmask.insight.report.render import render; "
        "print(render(Page(title='A title', summary=(), sections=())).decode())",
        tmp_path,
    )
    assert "A title" in page.stdout, page.stderr


NEEDS = [
    (["matplotlib", "matplotlib.figure"], ["report", "run"], "report"),
    (["jinja2"], ["report", "run"], "report"),
    (["onnx"], ["export", "run", "--to", "onnx", "-o", "x.onnx"], "export"),
    (["onnxruntime"], ["export", "run", "--to", "bioimageio", "-o", "x.zip"], "export"),
    (["onnxscript"], ["export", "run", "--to", "onnx", "-o", "x.onnx"], "export"),
]


def test_what_an_extra_lacks_is_named_with_the_line_that_installs_it(installed, finished_run, tmp_path):
    shutil.copytree(finished_run("binary"), tmp_path / "run")
    done = run(installed, EACH_WITHOUT.format(cases=[case[:2] for case in NEEDS]), tmp_path)
    assert not done.returncode, done.stderr
    ends = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    for (missing, _, extra), (code, said) in zip(NEEDS, ends, strict=True):
        assert code == 1
        assert f"{missing[0]} is not installed; pip install 'incmask[{extra}]'" in said
        assert "Traceback" not in said
