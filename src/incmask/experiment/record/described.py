"""What ``run.toml``, ``data.json`` and ``environment.json`` say of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from incmask.base.config import Settings, Task
from incmask.base.errors import fail
from incmask.base.intact import read_json
from incmask.base.records import RUN, Records
from incmask.base.validation import validated
from incmask.data.dataset import ClassInfo, Colour, Scheme
from incmask.data.rounds import ENVIRONMENT
from incmask.data.volumes.grid import Grid, VolumeFormat
from incmask.method.recipe import Recipe
from incmask.method.recipes import RECIPES
from incmask.method.scoring import Scoring, scoring_of
from incmask.method.values import ValueRange

_BEFORE = {"miou_classes": "true"}
"""How runs were scored that do not name it."""

Known = TypeVar("Known")
_FORMAT, _GRID = pydantic.TypeAdapter(VolumeFormat), pydantic.TypeAdapter(Grid)


@dataclass(frozen=True)
class Described:
    """What a run was given: its choices and its data.

    Attributes:
        root: the run folder.
        records: content of ``run.toml`` and ``data.json``.
    """

    root: Path
    records: Records

    # What was chosen

    @property
    def names(self) -> dict[str, str]:
        """Of recipe, preset, effort and profile, by these words."""
        return {
            name: str(value) for name, value in self.records.run.items() if name not in ("settings", "size", "encoder")
        }

    @cached_property
    def settings(self) -> Settings:
        """Resolved; raises ``IncmaskError`` where one is wrong."""
        return validated(Settings, _BEFORE | self.records.run["settings"], where=str(self.root / RUN))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the networks' input."""
        height, width = self.records.run["size"]
        return height, width

    @property
    def size_told(self) -> str:
        """The same for a person; of volumes the patch that networks see."""
        return "×".join(map(str, self.size if self.volumes is None else self.volumes.patch))

    @property
    def encoder(self) -> tuple[str, str] | None:
        """Origin and licence of the weights that encoders began with; None: there are none."""
        found = self.records.run.get("encoder", {})
        return (found["origin"], found["licence"]) if found.get("licence") else None

    @property
    def recipe(self) -> Recipe | None:
        """What the recipe's name stands for; None for one of someone's own that is not known here."""
        return RECIPES.get(self.names["recipe"])

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Content of ``environment.json``; empty where it lacks."""
        return read_json(self.root / ENVIRONMENT) or {}

    @property
    def versions(self) -> Mapping[str, str]:
        """Of the packages that the run used; empty where that is not known."""
        return self.environment["packages"] if (self.root / ENVIRONMENT).exists() else {}

    # What it is about

    @property
    def data(self) -> dict[str, Any]:
        """Content of ``data.json``."""
        return self.records.data

    def part(self, name: str) -> Mapping[str, Any]:
        """Give the images of "labelled", "unlabelled", "val" or "test" by name, with their sizes and files."""
        items: Mapping[str, Any] = self.data["parts"].get(name) or {}
        return items

    def groups(self, part: str) -> dict[str, str]:
        """Give the group of each image of a part by name: the subject that it shows, or else its own name."""
        return {name: str(item.get("group", name)) for name, item in self.part(part).items()}

    @cached_property
    def volumes(self) -> VolumeFormat | None:
        """How networks see volumes; None: the data are images."""
        found = self.data.get("volumes")
        return None if found is None else _of_volumes(_FORMAT, found)

    def grid(self, part: str, name: str) -> Grid | None:
        """Give the grid of a volume of a part; None: it is an image, or not known."""
        found = (self.part(part).get(name) or {}).get("grid")
        return None if found is None else _of_volumes(_GRID, found)

    @cached_property
    def scheme(self) -> Scheme:
        """Tell what the labels mean; raises ``IncmaskError`` where ``data.json`` does not tell."""
        try:
            classes = tuple(_class_info(each) for each in self.data["classes"])
            return Scheme(self.data["task"], classes)
        except (KeyError, TypeError, ValueError) as error:
            raise fail("data.json", f"does not tell the classes ({error!r})", "restore it, or run again") from error

    @property
    def task(self) -> Task:
        """What the labels mean."""
        return self.scheme.task

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the classes."""
        return tuple(each.name for each in self.scheme.classes)

    @cached_property
    def scoring(self) -> Scoring:
        """How its models were scored."""
        position = self.data.get("position_class")
        target = ValueRange(**self.data["target"]) if "target" in self.data else None
        return scoring_of(
            self.settings, self.task, class_names=self.class_names, position_class=position, target=target
        )


def _of_volumes(kind: pydantic.TypeAdapter[Known], found: object) -> Known:
    try:
        return kind.validate_python(found)
    except pydantic.ValidationError as error:
        raise fail("data.json", "does not tell the grids of volumes", "restore it, or run again") from error


def _class_info(given: dict[str, Any]) -> ClassInfo:
    value = given["value"]
    return ClassInfo(given["name"], _colour(given["colour"]), _colour(value) if isinstance(value, list) else value)


def _colour(given: list[int]) -> Colour:
    red, green, blue = given
    return (red, green, blue)
