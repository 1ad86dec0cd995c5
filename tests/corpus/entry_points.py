"""The ways into the program, each as a function of a folder that gives what it made of it."""

import re
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import tifffile
from PIL import Image
from situations import Right

from incmask.base.caller import on_command_line
from incmask.base.errors import IncmaskError
from incmask.base.pool import HerePool
from incmask.data.dataset import Dataset
from incmask.data.from_arrays import ArrayData, write_data
from incmask.data.images.big_images import NetworkRows, open_big_image
from incmask.data.images.readers import read_label
from incmask.data.stack import build_stack
from incmask.exchange.formats.naming import is_mask
from incmask.exchange.prepare.plan import PrepareOptions
from incmask.exchange.prepare.prepare import prepare
from incmask.experiment.checked import check_data
from incmask.experiment.choices import resolve
from incmask.experiment.named import Choices
from incmask.prediction import files
from incmask.prediction.channels import image_files
from incmask.prediction.given import network_images
from incmask.prediction.listing import find_images


@dataclass(frozen=True)
class Seen:
    """What an entry point made of a folder, by the names of images as in ``Right``; None: it does not tell."""

    said: str = ""
    images: Mapping[str, np.ndarray] = field(default_factory=dict)
    labels: Mapping[str, np.ndarray] | None = None
    parts: Mapping[str, str] | None = None
    num_classes: int | None = None
    class_percents: tuple[float, ...] | None = None


_CLASS = re.compile(r"class .*: (\S+) % of the labelled pixels")


def _check(root: Path, _: Right | None) -> Seen:
    checked = check_data(root)
    if checked.problems:
        raise IncmaskError(checked.problems)
    shares = [_CLASS.match(line) for line in checked.description]
    percents = tuple(float(found[1]) for found in shares if found)
    said = "\n".join([*checked.description, *map(str, checked.findings)])
    return Seen(said, num_classes=len(percents), class_percents=percents)


def _dataset(root: Path) -> Dataset:
    """Read a folder as a run does, without a look at copies among its images, which takes the longest by far."""
    with mock.patch("incmask.data.folder.scan.findings_of_images", return_value=()):
        return resolve(root, Choices()).dataset


def _stack(root: Path, _: Right | None) -> Seen:
    return _seen(_dataset(root), root.with_name(f"{root.name}-stack"))


def _seen(dataset: Dataset, folder: Path, said: str = "") -> Seen:
    """Read all of a data set as a run does, at its own size."""
    images, labels, parts = {}, {}, {}
    for part, items in dataset.parts():
        if not items:
            continue
        size = (items[0].height, items[0].width)
        stack = build_stack(items, dataset, size=size, fit="resize", folder=folder / part)
        for index, item in enumerate(items):
            name = item.name.split("/")[-1]
            parts[name] = part
            images[name] = np.load(stack.images, mmap_mode="r")[index]
            if item.masks is not None:
                labels[name] = read_label(item, dataset)
                if part != "unlabelled":
                    assert (np.load(stack.labels, mmap_mode="r")[index] == labels[name]).all()
    return Seen("\n".join([said, *dataset.notes]), images, labels, parts, len(dataset.classes))


def _prepare(root: Path, _: Right | None) -> Seen:
    # Once its question is answered the source is another one.
    to = next(path for num in range(9) if not (path := root.with_name(f"{root.name}-prepared-{num}")).exists())
    options = PrepareOptions(val_fraction=0.0, test_fraction=0.0)
    done = prepare("folder", root, to, open_pool=HerePool, options=options)
    return _seen(_dataset(to), root.with_name(f"{root.name}-stack"), "\n".join(done.notes))


def _predict(root: Path, right: Right | None) -> Seen:
    about = SimpleNamespace(channels=_num_channels(right), intensity=None, is_of_signals=False)
    found = find_images([root])
    images = image_files(found, about.channels)
    assert not [each.name for each in images if is_mask(f"{each.name}.png")], "masks are no images"
    if found.problems:
        raise IncmaskError(found.problems)
    seen = {each.name.split("/")[-1]: files._open(each, about) for each in images}
    assert len(seen) == len(images), "each image once"
    for each in images:
        if not each.more:
            _compare_rows(each.path, about, seen[each.name.split("/")[-1]])
    return Seen("\n".join(found.notes), seen)


def _compare_rows(path: Path, about: SimpleNamespace, whole: np.ndarray) -> None:
    """Read an image by rows, as a large one is, and compare it with what was read whole."""
    big = open_big_image(path, at_least=1, channels=about.channels)
    if big is None:
        return
    with closing(big):
        try:
            rows = NetworkRows(big, channels=about.channels, intensity=None, where=path)
        except IncmaskError as error:
            if "is too large to find the range" not in str(error):  # of floating numbers, which is told
                raise
            return
        np.testing.assert_array_equal(np.concatenate([rows.read(0, 30), rows.read(30, 64)]), whole)


def _num_channels(right: Right | None) -> int:
    shapes = [image.shape[2] for image in right.images.values()] if right else []
    return max(shapes, default=3)


def opened(path: Path) -> np.ndarray:
    """Read a file as a person does who knows tifffile and Pillow."""
    if path.suffix == ".tif":
        return tifffile.imread(path)
    with Image.open(path) as image:
        return np.asarray(image)


def _python(root: Path, right: Right | None) -> Seen:
    """Give arrays to Python's two ways in, which have to see the same."""
    right = right or Right()
    arrays, masks = dict(right.arrays), dict(right.labels)
    if not arrays:
        arrays, masks = (
            {path.stem: opened(path) for path in (root / "labelled" / kind).iterdir()} for kind in ("images", "masks")
        )
    names = sorted(masks)
    rest = sorted({*arrays} - {*names})
    data = ArrayData(
        [arrays[name] for name in names],
        [masks[name] for name in names],
        unlabelled=[arrays[name] for name in rest],
        **right.options,
    )
    write_data(data, folder := root.with_name(f"{root.name}-arrays"))
    seen = _seen(_dataset(folder), root.with_name(f"{root.name}-stack"))
    num_channels = max(image.shape[2] for image in seen.images.values())
    of_part = {f"labelled-{index:06d}": name for index, name in enumerate(names)}
    of_part |= {f"unlabelled-{index:06d}": name for index, name in enumerate(rest)}
    images = {of_part[name]: image for name, image in seen.images.items()}
    predicted = network_images([arrays[name] for name in images], channels=num_channels, intensity=None)
    for image, same in zip(images.values(), predicted, strict=True):
        np.testing.assert_array_equal(image, same)
    labels = {of_part[name]: label for name, label in seen.labels.items()}
    return Seen(seen.said, images, labels, None, seen.num_classes)


Look = Callable[[Path, Right | None], Seen]
LOOKS: dict[str, Look] = {
    "check": _check,
    "stack": _stack,
    "prepare": _prepare,
    "predict": _predict,
    "python": _python,
}


def look_of(entry: str, right: Right | None) -> Callable[[Path], Seen]:
    """Give what an entry point does; ``right`` tells what a person would have to: channels, and arrays."""

    def look(root: Path) -> Seen:
        with nullcontext() if entry == "python" else on_command_line():
            return LOOKS[entry](root, right)

    return look
