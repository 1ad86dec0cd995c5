"""Tiny data folders and settings for the tests of whole runs."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from incmask.base.config import Settings
from incmask.base.pool import HerePool
from incmask.base.presets import PRESETS
from incmask.exchange.formats.masks.instances import LAYERS, layers_of
from incmask.experiment.executor import Executor
from incmask.experiment.named import Choices
from incmask.experiment.run import Outcome, run
from incmask.method.recipe import Recipe

HERE = Executor(HerePool, lambda job, pool: 0.01)
"""This process; what a step takes is not measured, which would take as long as the rest of a tiny run."""

SETTINGS: dict[str, object] = {
    "epochs": 2,
    "steps_per_epoch": 2,
    "validation_share": 1.0,
    "batch_size": 2,
    "num_base": 2,
    "num_students": 2,
    "num_kept": 2,
    "num_generations": 1,
    "num_evalnets": 2,
    "num_judges": 1,
    "width": 0.125,
    "width_step": 0.0625,
    "size": [32, 32],
    "precision": "float32",
    "device": "cpu",
    "num_workers": 1,
    **{name: Settings.model_fields[name].default for name in PRESETS["default"]},
}
"""A run of a second or two, of recipes as they stand."""

SIZES = ((32, 32), (40, 28), (25, 47))
"""Height and width of the images, in turn."""

PARTS = {"labelled": 4, "unlabelled": 5, "val": 3, "test": 3}

FOLDERS = ("bright", "dark")
"""The classes of the multilabel task."""


def make_data(root: Path, task: str, parts: Mapping[str, int] = PARTS, *, truth: bool = True) -> Path:
    """Write fields with a bright and a dark rectangle; ``truth``: the unlabelled images have masks, too."""
    for place, (part, num) in enumerate(parts.items()):
        for index in range(num):
            image, label = draw(seed=100 * place + index, size=SIZES[index % len(SIZES)])
            save(root / part / "images" / f"{part} {index}.png", image)
            if part != "unlabelled" or truth:
                save_masks(root / part / "masks", f"{part} {index}.png", label, task)
    return root


def draw(*, seed: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Give a grey field and its ids: 0 the ground, 1 a bright rectangle, 2 a dark one; uint8, (H, W)."""
    generator = np.random.default_rng(seed)
    label = np.zeros(size, np.uint8)
    for class_id in (1, 2):
        top, left = (int(generator.integers(0, side - 12)) for side in size)
        label[top : top + 12, left : left + 10] = class_id
    noise = generator.integers(-20, 21, size)
    return (np.choose(label, (110, 220, 30)) + noise).astype(np.uint8), label


def save_masks(folder: Path, name: str, label: np.ndarray, task: str) -> None:
    """Write ids as the masks of a task: binary, of the bright rectangle alone; "instances", of both as objects."""
    if task == "binary":
        save(folder / name, np.uint8(255) * (label == 1))
    elif task == "multiclass":
        save(folder / name, label)
    elif task == "instances":
        for info, layer in zip(LAYERS, np.moveaxis(layers_of(label), -1, 0), strict=True):
            save(folder / info.name / name, np.uint8(255) * layer)
    else:
        for class_id, class_name in enumerate(FOLDERS, 1):
            save(folder / class_name / name, np.uint8(255) * (label == class_id))


def save(path: Path, values: np.ndarray) -> None:
    """Write a grey picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def run_tiny(data: Path, out: Path, recipe: str | Recipe = "im", **values: object) -> tuple[Outcome, "Listener"]:
    """Run with ``SETTINGS`` and others on top; give what came of it and what was said."""
    listener = Listener()
    preset = values.pop("preset", None)
    bases = values.pop("bases", None)
    executor = values.pop("executor", HERE)
    choices = Choices(recipe=recipe, preset=preset, settings=SETTINGS | values)
    return run(data, out, choices=choices, executor=executor, progress=listener, bases=bases), listener


class Listener:
    """Remembers what it was told; raises ``KeyboardInterrupt`` at call ``kill_at``, counted from 1."""

    def __init__(self, *, kill_at: int = 0):
        self.lines: list[str] = []
        self.expected = 0.0
        self.done = 0.0
        self.num_calls = 0
        self._kill_at = kill_at

    def say(self, line: str) -> None:
        self.lines.append(line)
        self._count()

    def expect(self, amount: float) -> None:
        self.expected = amount
        self._count()

    def doing(self, what: str) -> None:
        self._count()

    def advance(self, amount: float) -> None:
        self.done += amount
        self._count()

    def says(self, text: str) -> bool:
        """Whether a line holds the text."""
        return any(text in line for line in self.lines)

    def _count(self) -> None:
        self.num_calls += 1
        if self.num_calls == self._kill_at:
            raise KeyboardInterrupt


def results(root: Path) -> Iterator[tuple[str, bytes]]:
    """Give everything of a run that must come out the same each time, by its path."""
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix in (".safetensors", ".npy", ".png", ".csv") and path.name != "history.csv":
            yield name, path.read_bytes()
        elif path.name == "history.csv":
            # The last column is the time that it took.
            yield name, b"\n".join(line.rpartition(b",")[0] for line in path.read_bytes().splitlines())
        elif path.name in ("scores.json", "model.json"):
            yield name, json.dumps(json.loads(path.read_bytes())).encode()
