"""The examples in docstrings are true, and the method's functions have one."""

import ast
import doctest
import importlib

import numpy as np
import pytest
import torch

import incmask
from docs_blocks import ROOT

SOURCES = sorted((ROOT / "src").rglob("*.py"))
METHOD = [path for path in SOURCES if path.parent.name == "method"]
WITH_EXAMPLES = [path for path in SOURCES if ">>> " in path.read_text(encoding="utf-8")]
PUBLIC = ("inconsistency", "continuous_inconsistency", "count_cells")


def docstrings(path):
    """Read the docstrings from the source, since tests wrap the method's functions: by name."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    defined = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return {node.name: ast.get_docstring(node) or "" for node in defined}


def run_examples(text, name, known):
    test = doctest.DocTestParser().get_doctest(text, dict(known), name, None, 0)
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0
    return len(test.examples)


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
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


@pytest.mark.parametrize("name", PUBLIC)
def test_public_functions_have_an_example_that_stands_alone(name):
    found = getattr(incmask, name)
    assert run_examples(found.__doc__, name, {name: found}) > 0
