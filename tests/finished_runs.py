"""Finished runs for the tests of what is made of them."""

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TextIO

import pytest
from filelock import FileLock
from matplotlib.figure import Figure

from incmask.base.store import reopen
from incmask.data.rounds import run_folder
from incmask.experiment import train as training
from incmask.training.loop import fit
from runs import PARTS, make_data, run_tiny
from small import fit_nothing, fit_nothing_together

EVIL = "<script>alert(1)<!-- &\"'"
"""A name that a page must not take for anything but text."""


def leave_untrained(patch: pytest.MonkeyPatch) -> None:
    """Let runs save their networks as they begin."""
    patch.setattr(training, "fit", fit_nothing)
    patch.setattr(training, "fit_group", fit_nothing_together)


def leave_undrawn(patch: pytest.MonkeyPatch) -> None:
    """Let figures be made and not rendered."""

    def save_empty(figure: Figure, file: TextIO | str, **options: object) -> None:
        with open(file, "w") if isinstance(file, str) else nullcontext(file) as opened:
            opened.write("<svg ></svg>")

    patch.setattr(Figure, "savefig", save_empty)


def finish(
    folder: Path, task: str = "binary", recipe: str = "ldt", *, parts: Mapping[str, int] = PARTS, **settings: object
) -> Path:
    """Make data and run; give the run folder, beside which ``data`` lies."""
    run_tiny(make_data(folder / "data", task, parts, truth=False), folder / "run", recipe, **settings)
    return folder / "run"


def _growing(folder: Path) -> Path:
    """Binary, with val/ and test/, two generations of growing networks, and an unlabelled image named ``EVIL``."""
    images = make_data(folder / "data", "binary", truth=False) / "unlabelled" / "images"
    (images / "unlabelled 0.png").rename(images / f"{EVIL}.png")
    run_tiny(folder / "data", folder / "run", "im+", num_generations=2)
    return folder / "run"


def _rated(folder: Path) -> Path:
    """Binary, with EvalNets that are said to be good."""
    run, name = finish(folder, recipe="im++"), "evalnets/quality.json"
    write_to(run, name, json.dumps(json.loads((run / name).read_text()) | {"mae": 0.1, "mean_mae": 0.2}))
    return run


def _first_round(folder: Path) -> Path:
    """Binary, where a run without a name goes, so that rounds may follow."""
    data = make_data(folder / "data", "binary", truth=False)
    run_tiny(data, run_folder(data))
    return run_folder(data)


def _of_the_pages(folder: Path) -> Path:
    """The folder with data, a run and more that the documentation speaks of."""
    from docs_folder import make_folder

    return make_folder(folder)


RUNS: dict[str, Callable[[Path], Path]] = {
    "binary": lambda folder: finish(folder, "binary", num_base=3, num_members=3),
    "multilabel": lambda folder: finish(folder, "multilabel", num_base=3, num_members=3),
    "multiclass": lambda folder: finish(folder, "multiclass", num_base=3, num_members=3),
    "growing": _growing,
    "rated": _rated,
    # Of four labelled images alone, of which two models miss one each.
    "folds": lambda folder: finish(
        folder, "multilabel", "im", parts={"labelled": 4, "unlabelled": 5}, num_base=2, num_students=3
    ),
    # A fifth of thirty labelled images is set aside.
    "tiles": lambda folder: finish(
        folder, "multiclass", "im", parts={"labelled": 30, "unlabelled": 4}, fit="tile", size=[16, 32]
    ),
    # Body, border and centre.
    "objects": lambda folder: finish(folder, "instances", "im"),
    "first round": _first_round,
    "of the pages": _of_the_pages,
}
"""By the task alone: of the labelled images alone, three models."""


def finished_run(root: Path, name: str) -> Path:
    """Give the run folder of one of ``RUNS`` below ``root``, which the first process that asks for it makes."""
    folder, note = root / "finished runs" / name, root / "finished runs" / f"{name}.path"
    folder.parent.mkdir(exist_ok=True)
    with FileLock(note.with_suffix(".lock")), pytest.MonkeyPatch.context() as patch:
        # Whatever trains in the test that asks for it.
        patch.setattr(training, "fit", fit)
        if not note.exists():
            note.write_text(str(RUNS[name](folder)))
    return Path(note.read_text())


def write_to(run: Path, name: str, text: str) -> None:
    """Let a file of a run be another, as if the run had written it so."""
    with reopen(run) as store:
        store.write(run / name, text)


def remove_from(run: Path, *names: str) -> None:
    """Let files and folders of a run be gone, as if it had never written them."""
    with reopen(run) as store:
        store.remove(*(run / name for name in names))


def copy_of(run: Path, folder: Path) -> Path:
    """Give a copy of a run that a test may change."""
    return Path(shutil.copytree(run, folder / "run"))
