"""The examples in docstrings are true, and the method's functions have one."""

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import torch

import incmask
from docs_blocks import ROOT
from incmask import method

METHOD = [f"incmask.method.{module.name}" for module in pkgutil.iter_modules(method.__path__)]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
OTHERS = [
    ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
    for path in SOURCES
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", sorted({*METHOD, *OTHERS}))
def test_examples_in_docstrings_are_true(name):
    """``np`` and ``torch`` are known to each, as in NumPy's own."""
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"np": np, "torch": torch}, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


@pytest.mark.parametrize("name", METHOD)
def test_functions_of_the_method_have_an_example(name):
    module = importlib.import_module(name)
    functions = {
        each: found
        for each, found in vars(module).items()
        if inspect.isfunction(found) and found.__module__ == name and not each.startswith("_")
    }
    assert [each for each, found in functions.items() if ">>> " not in found.__doc__] == []


@pytest.mark.parametrize("name", ["inconsistency", "continuous_inconsistency", "count_cells"])
def test_public_functions_have_an_example_that_stands_alone(name):
    found = getattr(incmask, name)
    [test] = doctest.DocTestFinder(recurse=False).find(found, name, globs={name: found})
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0
