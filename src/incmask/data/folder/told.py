"""Names of classes that programs write beside masks: nnU-Net's, CVAT's, Roboflow's, and tables of colours."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from incmask.base.parse import parse_json
from incmask.data.dataset import DataOptions

Read = Callable[[str], bytes | None]
"""Give the content of the file of that name; None: there is none."""

NNUNET = "dataset.json"
_BACKGROUND = "background"


def beside(root: Path) -> Read:
    """Read files of a data folder, or of the folders in it."""

    def read(name: str) -> bytes | None:
        found = next((path for path in (root / name, *sorted(root.glob(f"*/{name}"))) if path.is_file()), None)
        return None if found is None else found.read_bytes()

    return read


def with_told_classes(options: DataOptions, read: Read) -> tuple[DataOptions, tuple[str, ...]]:
    """Add the classes that such a file names to options that name none, and say so.

    A file that cannot be understood names none.
    """
    if options.classes:
        return options, ()
    for name, classes_in in _TABLES.items():
        content = read(name)
        if content is None:
            continue
        with suppress(ValueError, KeyError, TypeError, AttributeError, ValidationError):
            if found := classes_in(content.decode("utf-8-sig")):
                added = DataOptions.model_validate({**found, **options.model_dump(exclude_unset=True)})
                return added, (f"{name} names the classes: {', '.join(each.name for each in added.classes)}",)
    return options, ()


def num_channels(content: bytes) -> int:
    """Give how many files nnU-Net has for an image, as its ``dataset.json`` tells; 1 where it does not."""
    with suppress(ValueError, AttributeError):
        told = parse_json(content.decode("utf-8-sig"))
        return max(1, len(told.get("channel_names") or told.get("modality") or ()))
    return 1


def has_channel_files(root: Path) -> bool:
    """Tell whether images of a data folder have a file for each channel, as those of nnU-Net."""
    return any(root.glob("imagesTr/*_0001.*")) and num_channels(beside(root)(NNUNET) or b"{}") > 1


def _of_nnunet(text: str) -> dict[str, Any]:
    told = parse_json(text)["labels"]
    # Version 1 has names by numbers, version 2 numbers by names; regions, which overlap, are lists of numbers.
    pairs = [(int(key), name) if key.isdigit() else (name, key) for key, name in told.items()]
    ignore = [value for value, name in pairs if name == "ignore"]
    pairs = sorted((value, name) for value, name in pairs if name != "ignore" and isinstance(value, int))
    if len(pairs) + len(ignore) < len(told):
        return {}
    return _named(pairs) | ({"ignore": ignore[0]} if ignore else {})


def _of_cvat(text: str) -> dict[str, Any]:
    """Read lines such as ``cell:250,50,83::``; the background is called so."""
    lines = [line.split(":") for line in text.splitlines() if line.strip() and not line.startswith("#")]
    pairs = [(tuple(map(int, colour.split(","))), name) for name, colour, *_ in lines if colour]
    return _named(sorted(pairs, key=lambda pair: pair[1].casefold() != _BACKGROUND))


def _of_roboflow(text: str) -> dict[str, Any]:
    """Read lines such as ``1, cell`` below a header."""
    lines = [line.split(",") for line in text.splitlines()[1:] if line.strip()]
    return _named([(int(value), name.strip()) for value, name in lines])


def _of_colour_table(text: str) -> dict[str, Any]:
    """Read lines such as ``cell,128,64,128`` below a header, as DeepGlobe and CamVid have them."""
    lines = [line.split(",") for line in text.splitlines()[1:] if line.strip()]
    return _named(sorted([(_colour(rgb), name.strip()) for name, *rgb in lines], key=_is_not_black))


def _of_colour_list(text: str) -> dict[str, Any]:
    """Read lines such as ``128 64 128 cell``, as CamVid and CVAT's export of its kind have them."""
    lines = [line.split(None, 3) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return _named(sorted([(_colour(rgb), name.strip()) for *rgb, name in lines], key=_is_not_black))


def _colour(given: Sequence[str]) -> tuple[int, ...]:
    red, green, blue = given
    return int(red), int(green), int(blue)


def _is_not_black(pair: tuple[tuple[int, ...], str]) -> bool:
    return any(pair[0])


def _named(pairs: Sequence[tuple[Any, str]]) -> dict[str, Any]:
    return {"classes": [{"name": name, "value": value} for value, name in pairs]} if len(pairs) > 1 else {}


_TABLES: dict[str, Callable[[str], dict[str, Any]]] = {
    NNUNET: _of_nnunet,
    "labelmap.txt": _of_cvat,
    "_classes.csv": _of_roboflow,
    "class_dict.csv": _of_colour_table,
    "label_colors.txt": _of_colour_list,
}
"""What files name classes, and how they are read."""
