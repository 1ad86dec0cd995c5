"""Data sets in the layouts of their owners, made up."""

import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from incmask.data.dataset import DataOptions
from incmask.data.folder.scan import scan
from incmask.data.images.readers import read_image, read_label
from incmask.data.images.writers import path_inside, write_label
from incmask.exchange.prepare.plan import Plan
from incmask.exchange.sources.archives import SourceFile


def encoded(values: np.ndarray, kind: str = "PNG") -> bytes:
    """Give an array as the content of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind)
    return buffer.getvalue()


def unpacked(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below ``root``."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into an archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


class NameList:
    """Stands in for a ``Source`` of which only the names of the files are known."""

    def __init__(self, folders: Mapping[str, Iterable[str]]):
        self.folders = folders

    def require(self, *names: str, page: str, archive: str) -> dict[str, SourceFile]:
        folder = "/".join(names)
        return {name: SourceFile(Path(folder, name)) for name in self.folders[folder]}


def names_of(plan: Plan, part: str) -> list[str]:
    """Give the names of the places of a part."""
    return [place.name for work in plan.works for place in work.places if place.part == part]


def written_and_scanned(plan: Plan, root: Path):
    """Write the examples of a plan, and read the folder as ``incmask check`` does; give the data set.

    What is read back must be what was written.
    """
    examples = [example for work in plan.works for example in work.make()]
    for example in examples:
        folder = root / example.place.part
        path = path_inside(folder / "images", example.place.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(example.image).save(path)
        write_label(
            folder / "masks",
            example.place.name,
            example.label,
            task=plan.task,
            classes=plan.classes,
            ignored=plan.ignored,
        )
    classes = [{"name": info.name, "value": info.value, "colour": info.colour} for info in plan.classes]
    choices: dict[str, object] = {"task": plan.task, "classes": classes}
    if plan.ignored:
        choices["ignore"] = 255
    found = scan(root, DataOptions.model_validate(choices))
    assert found.problems == ()
    dataset = found.dataset
    items = {(part, item.name): item for part, items in dataset.parts() for item in items}
    for example in examples:
        item = items[example.place.part, example.place.name]
        np.testing.assert_array_equal(read_image(item.image), example.image)
        if example.place.part != "unlabelled":
            np.testing.assert_array_equal(read_label(item, dataset), example.label)
    return dataset
