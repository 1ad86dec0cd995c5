"""The examples in docstrings are true, and the method's functions have one."""

import ast
import doctest
import importlib
import inspect
import re
import shutil

import numpy as np
import pytest
import torch

import incmask
from docs_blocks import ROOT
from docs_folder import tiny_and_here

SOURCES = sorted((ROOT / "src").rglob("*.py"))
METHOD = [path for path in SOURCES if path.parent.name == "method"]
WITH_EXAMPLES = [path for path in SOURCES if ">>> " in path.read_text(encoding="utf-8")]
API = [path for path in WITH_EXAMPLES if path.parent.name == "api"]
"""Whose examples need a folder with data and a run."""


def docstrings(path):
    """Read the docstrings from the source, since tests wrap the method's functions: by name."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    defined = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return {node.name: ast.get_docstring(node) or "" for node in defined}


def run_examples(text, name, known):
    test = doctest.DocTestParser().get_doctest(text, dict(known), name, None, 0)
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0
    return len(test.examples)


@pytest.mark.parametrize(
    "path", [path for path in WITH_EXAMPLES if path not in API], ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_examples_in_docstrings_are_true(path):
    """``np`` and ``torch`` are known to each, as in NumPy's own."""
    module = importlib.import_module(".".join(path.relative_to(ROOT / "src").with_suffix("").parts))
    known = vars(module) | {"np": np, "torch": torch}
    assert sum(run_examples(text, name, known) for name, text in docstrings(path).items()) > 0


@pytest.mark.parametrize("path", METHOD, ids=lambda path: path.stem)
def test_functions_of_the_method_have_an_example(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
    texts = docstrings(path)
    assert [name for name in public if ">>> " not in texts[name]] == []


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("path", API, ids=lambda path: path.stem)
def test_examples_of_functions_for_folders_are_true(path, finished_run, tmp_path, monkeypatch):
    """Each module finds the folder as it is at first; its examples follow each other."""
    monkeypatch.chdir(shutil.copytree(finished_run("of the pages"), tmp_path / "folder"))
    tiny_and_here(monkeypatch)
    known = {"incmask": incmask, "np": np}
    assert sum(run_examples(text, name, known) for name, text in docstrings(path).items()) > 0


PUBLIC = [name for name in incmask.__all__ if callable(getattr(incmask, name))]
METHODS = [
    (name, method)
    for name in PUBLIC
    if isinstance(found := getattr(incmask, name), type) and found.__module__.startswith("incmask.")
    for method, value in vars(found).items()
    if method[0] != "_" and callable(getattr(found, method)) and value.__doc__
]


def returns_something(function):
    return inspect.signature(function).return_annotation not in (None, "None", inspect.Signature.empty)


@pytest.mark.parametrize("name", PUBLIC)
def test_help_shows_an_example_and_what_is_returned(name):
    found = getattr(incmask, name)
    told = inspect.getdoc(found)
    assert "Examples:\n    >>> " in told
    if not isinstance(found, type) and returns_something(found):
        assert "Returns:\n" in told


@pytest.mark.parametrize(("name", "method"), METHODS, ids=".".join)
def test_help_of_methods_shows_what_is_returned(name, method):
    function = inspect.unwrap(getattr(getattr(incmask, name), method))
    if returns_something(function):
        assert re.search(r"Returns:\n|^(Give|Tell) ", inspect.getdoc(function))


@pytest.mark.parametrize("name", ["inconsistency", "continuous_inconsistency", "count_cells"])
def test_public_functions_have_an_example_that_stands_alone(name):
    found = getattr(incmask, name)
    assert run_examples(found.__doc__, name, {name: found}) > 0
