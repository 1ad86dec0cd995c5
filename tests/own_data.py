"""Small made-up folders of a person's own data."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from incmask.exchange.prepare.folder import plan
from incmask.exchange.prepare.plan import Example, Plan, PrepareOptions
from incmask.exchange.sources.sources import SourceTree


def write_image(path: Path, values: np.ndarray | int = 7, *, size: tuple[int, int] = (6, 8)) -> None:
    """Write an image: its values, RGB where it has three channels, or a number for all pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.full(size, values, np.uint8) if isinstance(values, int) else values
    cv2.imwrite(str(path), array[..., ::-1] if array.ndim == 3 else array)


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def plan_of(root: Path, **options: Any) -> Plan:
    """Plan with all images in training, unless told otherwise."""
    return plan(SourceTree.open(root), PrepareOptions(**{"val_fraction": 0.0, "test_fraction": 0.0} | options))


def examples_of(made: Plan) -> dict[str, Example]:
    """Make all examples, by name."""
    return {example.place.name: example for work in made.works for example in work.make()}


def labels_of(made: Plan) -> dict[str, Any]:
    """Give all labels by name; lists, None where there is none."""
    return {
        name: None if example.label is None else example.label.tolist() for name, example in examples_of(made).items()
    }


def parts_of(made: Plan) -> dict[str, str]:
    """Give the part of each source image."""
    return {place.name: place.part for place in made.sources}
