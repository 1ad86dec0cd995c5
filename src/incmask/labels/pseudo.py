"""The pseudo-labels of a run folder: of which images there are some, and which are most worth correcting."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from incmask.config import Task
from incmask.data.dataset import ClassInfo, Colour
from incmask.data.decode import decode, read_bytes
from incmask.data.layers import DISAGREEMENT, INCONSISTENT, MASKS
from incmask.data.masks import grey_values
from incmask.data.writers import path_inside
from incmask.errors import fail
from incmask.labels.sheets import Scheme
from incmask.outputs import MASK_SHARES
from incmask.store import Records

RANKING = "ranking.csv"


@dataclass(frozen=True)
class PseudoLabel:
    """What a run says of an image: its label as ``Sheet.label``, and bool (H, W), where it is unsure."""

    label: np.ndarray
    unsure: np.ndarray


@dataclass(frozen=True)
class Order:
    """Images of a run.

    Attributes:
        names: those that are most worth correcting first.
        source: the file of the run that tells.
    """

    names: tuple[str, ...]
    source: str


def scheme_of(records: Records) -> Scheme:
    """Give what the labels of a run mean.

    Raises:
        IncmaskError: the record of the run is damaged.
    """
    try:
        task: Task = records.data["task"]
        return Scheme(task, tuple(_class_info(each) for each in records.data["classes"]))
    except (KeyError, TypeError, ValueError) as error:
        raise fail("data.json", f"does not tell the classes ({error!r})", "restore it, or run again") from error


def order_of(run: Path) -> Order:
    """Give the images in the order of the run's ranking, or else the most disputed first.

    Raises:
        IncmaskError: there are no masks, or a table is damaged.
    """
    shares = _rows(run / MASK_SHARES)
    if not shares:
        raise fail(run, "holds no masks of unlabelled images", "name a finished run of a folder with unlabelled images")
    known = {row.get("name") for row in shares}
    ranking = _rows(run / RANKING)
    try:
        if ranking:
            ordered = sorted(ranking, key=lambda row: int(row["rank"]))
            # Of an image that is ranked in crops, the first counts.
            names = tuple(dict.fromkeys(row["name"] for row in ordered if row["name"] in known))
            return Order(names, RANKING)
        ordered = sorted(shares, key=lambda row: -float(row["inconsistent_fraction"]))
        return Order(tuple(row["name"] for row in ordered), MASK_SHARES)
    except (KeyError, ValueError, TypeError) as error:
        raise fail(run / (RANKING if ranking else MASK_SHARES), f"is damaged ({error!r})", "write it anew") from error


def read_pseudo_label(run: Path, name: str, scheme: Scheme) -> PseudoLabel:
    """Read the mask of an image and its disputed pixels.

    Raises:
        IncmaskError: a file is not there, or is damaged.
    """
    if scheme.task == "multilabel":
        folders = [each.value if isinstance(each.value, str) else each.name for each in scheme.classes]
        label = np.stack([_picture(path_inside(run / MASKS, each, ""), name) > 0 for each in folders], axis=2)
    else:
        label = _picture(run / MASKS, name)
    if scheme.task == "binary":
        label = label > 0
    folder = INCONSISTENT if (run / INCONSISTENT).is_dir() else DISAGREEMENT
    unsure = _picture(run / folder, name) > 0
    if label.shape[:2] != unsure.shape:
        raise fail(run / MASKS / name, "has another size than its disputed pixels", "run again in another folder")
    return PseudoLabel(label.astype(np.uint8), unsure)


def _picture(folder: Path, name: str) -> np.ndarray:
    paths = [path_inside(folder, name, ending) for ending in (".png", ".tif")]
    path = next((path for path in paths if path.is_file()), paths[0])
    return grey_values(decode(path, read_bytes(path)))


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            return list(csv.DictReader(handle))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise fail(path, f"cannot be read ({error})", "write it anew") from error


def _class_info(given: dict[str, Any]) -> ClassInfo:
    value = given["value"]
    return ClassInfo(given["name"], _colour(given["colour"]), _colour(value) if isinstance(value, list) else value)


def _colour(given: list[int]) -> Colour:
    red, green, blue = given
    return (red, green, blue)
