"""Semi-supervised image segmentation with inconsistency masks.

A few labelled images and many unlabelled ones in; a model, masks for all images and the pixels where
the models disagree out. Everything public is named here and imported when it is first used.
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from incmask import nets
    from incmask.api.comparing import compare
    from incmask.api.correcting import correct
    from incmask.api.exchanging import export, import_labels, prepare
    from incmask.api.folders import check, rank, report
    from incmask.api.images import mask, predict
    from incmask.api.looping import loop
    from incmask.api.result import Result, load
    from incmask.api.training import run
    from incmask.api.tuning import tune
    from incmask.api.watching import status, verify
    from incmask.base.errors import IncmaskError, Problem
    from incmask.base.terminal import show_progress
    from incmask.data.from_arrays import ArrayData, write_data
    from incmask.experiment.executor import executor_on
    from incmask.method.agreement import Inconsistency, continuous_inconsistency, inconsistency
    from incmask.method.cells import Cells, count_cells
    from incmask.method.recipe import Blocking, Online, Recipe, Vote
    from incmask.method.recipes import RECIPES
    from incmask.prediction.ensemble import Ensemble
    from incmask.prediction.values import Prediction

_HOME = {
    "ArrayData": "data.from_arrays",
    "Blocking": "method.recipe",
    "Cells": "method.cells",
    "Ensemble": "prediction.ensemble",
    "IncmaskError": "base.errors",
    "Inconsistency": "method.agreement",
    "Online": "method.recipe",
    "Prediction": "prediction.values",
    "Problem": "base.errors",
    "RECIPES": "method.recipes",
    "Recipe": "method.recipe",
    "Result": "api.result",
    "Vote": "method.recipe",
    "check": "api.folders",
    "compare": "api.comparing",
    "continuous_inconsistency": "method.agreement",
    "correct": "api.correcting",
    "count_cells": "method.cells",
    "executor_on": "experiment.executor",
    "export": "api.exchanging",
    "import_labels": "api.exchanging",
    "inconsistency": "method.agreement",
    "load": "api.result",
    "loop": "api.looping",
    "mask": "api.images",
    "predict": "api.images",
    "prepare": "api.exchanging",
    "rank": "api.folders",
    "report": "api.folders",
    "run": "api.training",
    "show_progress": "base.terminal",
    "status": "api.watching",
    "tune": "api.tuning",
    "verify": "api.watching",
    "write_data": "data.from_arrays",
}

__all__ = [  # noqa: RUF022 - the main entries first
    "check",
    "run",
    "load",
    "predict",
    "rank",
    "export",
    "import_labels",
    "correct",
    "loop",
    "report",
    "status",
    "verify",
    "compare",
    "tune",
    "mask",
    "prepare",
    "inconsistency",
    "continuous_inconsistency",
    "count_cells",
    "ArrayData",
    "write_data",
    "show_progress",
    "executor_on",
    "RECIPES",
    "nets",
    "Blocking",
    "Cells",
    "Ensemble",
    "IncmaskError",
    "Inconsistency",
    "Online",
    "Prediction",
    "Problem",
    "Recipe",
    "Result",
    "Vote",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("incmask")
    if name == "nets":
        return importlib.import_module("incmask.nets")
    if name not in _HOME:
        raise AttributeError(f"module 'incmask' has no attribute {name!r}")
    return getattr(importlib.import_module(f"incmask.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
