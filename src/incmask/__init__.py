"""Semi-supervised image segmentation with inconsistency masks.

A few labelled images and many unlabelled ones in; a model, masks for all images and the pixels where
the models disagree out. Everything public is named here and imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incmask import nets
    from incmask.api import Result, compare, load, run
    from incmask.arrays import ArrayData, write_data
    from incmask.cells import Cells, count_cells
    from incmask.ensemble import Ensemble, Prediction
    from incmask.errors import IncmaskError, Problem
    from incmask.recipes import RECIPES, Blocking, Recipe, Vote
    from incmask.terminal import show_progress
    from incmask.vote import Inconsistency, continuous_inconsistency, inconsistency

_HOME = {
    "ArrayData": "arrays",
    "Blocking": "recipes",
    "Cells": "cells",
    "Ensemble": "ensemble",
    "IncmaskError": "errors",
    "Inconsistency": "vote",
    "Prediction": "ensemble",
    "Problem": "errors",
    "RECIPES": "recipes",
    "Recipe": "recipes",
    "Result": "api",
    "Vote": "recipes",
    "compare": "api",
    "continuous_inconsistency": "vote",
    "count_cells": "cells",
    "inconsistency": "vote",
    "load": "api",
    "run": "api",
    "show_progress": "terminal",
    "write_data": "arrays",
}

__all__ = [  # noqa: RUF022 - the main entries first
    "run",
    "compare",
    "load",
    "inconsistency",
    "continuous_inconsistency",
    "count_cells",
    "ArrayData",
    "write_data",
    "show_progress",
    "RECIPES",
    "nets",
    "Blocking",
    "Cells",
    "Ensemble",
    "IncmaskError",
    "Inconsistency",
    "Prediction",
    "Problem",
    "Recipe",
    "Result",
    "Vote",
]


def __getattr__(name: str) -> Any:
    if name == "nets":
        return importlib.import_module("incmask.nets")
    if name not in _HOME:
        raise AttributeError(f"module 'incmask' has no attribute {name!r}")
    return getattr(importlib.import_module(f"incmask.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
