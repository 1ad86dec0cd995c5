"""A data set of made-up pictures, for the tests of what is the same for all data sets."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.base.config import Task
from incmask.data.dataset import ClassInfo
from incmask.exchange.prepare import prepare
from incmask.exchange.prepare.plan import Count, Destination, Example, Origin, Plan, PrepareOptions
from incmask.exchange.sources.archives import SourceFile
from incmask.exchange.sources.sources import SourceTree

SIDE = 16
CLASSES = {
    "binary": (ClassInfo("cell", (255, 255, 255), 255),),
    "multiclass": (ClassInfo("sky", (0, 0, 0), 0), ClassInfo("tree", (0, 200, 0), 1), ClassInfo("car", (9, 8, 7), 2)),
    "multilabel": (ClassInfo("alive", (0, 255, 0), "alive"), ClassInfo("dead", (255, 0, 0), "dead")),
}
PART_OF = {"l": "labelled", "u": "unlabelled", "v": "val", "t": "test"}


@dataclass(frozen=True)
class ToyWork:
    """Makes two crops of a file; its bytes are the pictures' first pixels. "b" beside "u" has no label."""

    entry: SourceFile
    name: str
    task: Task
    ignored: bool
    channels: int

    @property
    def places(self) -> tuple[Destination, ...]:
        return tuple(Destination(PART_OF[self.name[0]], f"{self.name}_{crop}") for crop in range(2))

    def make(self) -> Iterator[Example]:
        content = self.entry.read()
        for crop, place in enumerate(self.places):
            yield Example(place, picture(content, crop, self.channels), label_of(content, self.task, self.ignored))


def picture(content: bytes, crop: int, channels: int) -> np.ndarray:
    """Give an image whose colours differ, so that red and blue cannot be swapped unseen."""
    image = np.zeros((SIDE, SIDE, channels), np.uint8)
    image.reshape(-1)[: len(content)] = np.frombuffer(content, np.uint8)
    image[-1] = 10 + crop
    image[-1, ..., 0] = 200
    return image


def label_of(content: bytes, task: Task, ignored: bool) -> np.ndarray | None:
    """Give a label that holds every class."""
    if b"bare" in content:
        return None
    label = np.zeros((SIDE, SIDE, len(CLASSES[task])) if task == "multilabel" else (SIDE, SIDE), np.uint8)
    label[:4] = 1
    label[2:6, 3:] = {"binary": 1, "multiclass": 2, "multilabel": [0, 1]}[task]
    if ignored:
        label[8:10] = 255
    return label


def toy_plan(source: SourceTree, options: PrepareOptions) -> Plan:
    """Plan all .txt files of the folder "toy"; the task is the name of a file beside it."""
    files = source.require("toy", page="https://example.org/toy", archive="toy.zip")
    (task,) = {*(name.split(".")[0] for name in files if name.endswith(".task"))} or {"binary"}
    ignored = "ignored.flag" in files
    works = tuple(
        ToyWork(entry, name.removesuffix(".txt"), task, ignored, 1 if task == "multilabel" else 3)
        for name, entry in files.items()
        if name.endswith(".txt")
    )
    return Plan(
        title="Toys",
        task=task,
        classes=CLASSES[task],
        works=works,
        sources=tuple(Destination(work.places[0].part, work.name) for work in works),
        profile="upright",
        settings={"size": [16, 16], "width": 1.0},
        counts=(Count("toys", len(works), 9, "some | were lost"), Count("crops", 2 * len(works))),
        origin=Origin("https://example.org/toy", "A. Toymaker: Toys. 2020.", "CC BY 4.0: name the author"),
        ignored=ignored,
        position_class="dead" if task == "multilabel" else None,
        notes=(f"paper: {options.paper}",),
    )


def toys(root: Path, names: str = "l1 l2 u1 v1 t1", *, task: Task = "binary", ignored: bool = False) -> Path:
    """Write the data set as it would be downloaded and unpacked."""
    folder = root / "toy"
    folder.mkdir(parents=True)
    for name in names.split():
        (folder / f"{name}.txt").write_text(f"toy {name}{' bare' if name == 'u2' else ''}")
    (folder / f"{task}.task").write_text(task)
    if ignored:
        (folder / "ignored.flag").write_text("yes")
    return root


def install(patch) -> None:
    """Let ``prepare`` know the toys."""
    patch.setitem(prepare.PREPARERS, "toy", toy_plan)


def contents(root: Path) -> dict[str, bytes]:
    """Read all files below a folder; the manifest's lines have no order that matters, and its end tells of it."""
    found = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name not in (".lock", "manifest.end")
    }
    found["manifest.jsonl"] = b"\n".join(sorted({*found["manifest.jsonl"].splitlines()}))
    return found
