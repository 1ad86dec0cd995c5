"""The folder that pages and docstrings speak of, and the ways in which their examples are quick."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import incmask
from finished_runs import leave_undrawn
from incmask.api import folders, images, training
from incmask.base.presets import EFFORTS
from incmask.data.synthetic import make_fields, write_dataset
from incmask.experiment import budget
from incmask.experiment import train as experiment_training
from incmask.experiment.ladder import Rung
from runs import HERE, SETTINGS
from small import fit_nothing

OF_TESTS = ("validation_share", "size", "precision", "device", "num_workers")
TINY = {name: value for name, value in SETTINGS.items() if name not in OF_TESTS} | {"epochs": 1}
"""What each effort is here, so that the lines of the pages can be run as they stand."""


def make_folder(root: Path) -> Path:
    """Fill a folder with data, a finished run and what else the pages speak of."""
    root.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        tiny_and_here(patch)
        leave_undrawn(patch)
        patch.chdir(root)
        write_dataset(
            root / "mydata",
            num_labelled=8,
            num_unlabelled=4,
            num_val=3,
            num_test=3,
            seed=7,
            size=(48, 48),
            task="binary",
        )
        incmask.run("mydata", out="myrun")
    fields = make_fields(9, seed=8, size=(48, 48), task="binary")
    for index, (image, label) in enumerate(zip(fields.images[..., 0], fields.labels, strict=True)):
        folder, name = ("newimages", f"new_{index}.png") if index < 3 else ("theirs/images", f"patient{index}_a.png")
        save(root / folder / name, image)
        if index >= 3:
            save(root / "theirs" / "masks" / name, np.uint8(255) * label)
        else:
            save(root / "images" / name, image)
            # Models that are off by some pixels each.
            for shift_px, model in enumerate(("modelA", "modelB", "modelC")):
                save(root / model / name, np.uint8(255) * np.roll(label, shift_px, axis=1))
    return root


def tiny_and_here(patch: pytest.MonkeyPatch) -> None:
    """Let the lines of pages work in this process, and save networks as they begin: all else is as in a long run."""
    for module in (training, images, folders):
        patch.setattr(module, "Executor", lambda: HERE)
    patch.setattr(experiment_training, "fit", fit_nothing)
    for effort in EFFORTS:
        patch.setitem(EFFORTS, effort, TINY)
    patch.setattr(budget, "LADDER", (Rung(32, 2, 1, 10), Rung(48, 2, 1, 10)))


def save(path: Path, values: np.ndarray) -> None:
    """Write a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
