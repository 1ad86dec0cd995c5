"""Tiny finished runs that many tests look at, each made once; tests leave them as they are."""

import shutil
from functools import cache
from pathlib import Path

from runs import make_data, run_tiny

EVIL = "<script>alert(1)<!-- &\"'"
"""A name that a page must not take for anything but text."""


@cache
def with_validation(root: Path) -> Path:
    """Binary, with val/ and test/, two generations of growing networks, and an unlabelled image named ``EVIL``."""
    data = make_data(root / "report binary" / "data", "binary", truth=False)
    images = data / "unlabelled" / "images"
    (images / "unlabelled 0.png").rename(images / f"{EVIL}.png")
    return _run(data, recipe="im+", num_generations=2)


@cache
def cross_validated(root: Path) -> Path:
    """Multilabel, of four labelled images alone, which are two folds."""
    parts = {"labelled": 4, "unlabelled": 5}
    data = make_data(root / "report folds" / "data", "multilabel", parts, truth=False)
    return _run(data, recipe="im", num_base=2, num_students=3)


@cache
def in_tiles(root: Path) -> Path:
    """Multiclass, cut into tiles, with a fifth of ten labelled images set aside."""
    parts = {"labelled": 10, "unlabelled": 4}
    data = make_data(root / "report tiles" / "data", "multiclass", parts, truth=False)
    return _run(data, recipe="im", fit="tile", size=[16, 32])


@cache
def of_labels_alone(root: Path) -> Path:
    """Binary, LDT: without anything unlabelled to learn from."""
    return _run(make_data(root / "report ldt" / "data", "binary", truth=False), recipe="ldt")


def copy_of(run: Path, folder: Path) -> Path:
    """Give a copy that a test may change."""
    return Path(shutil.copytree(run, folder / "run"))


def _run(data: Path, *, recipe: str, **values: object) -> Path:
    run_tiny(data, data.with_name("run"), recipe, **values)
    return data.with_name("run")
