"""All files of all models, read once before anything is written: their values and sizes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from incmask.base.errors import IncmaskError, Problem
from incmask.base.machine import num_cores
from incmask.base.progress import Progress
from incmask.base.threads import side_by_side
from incmask.data.images.masks import MaskFacts
from incmask.data.images.readers import ImageFacts, image_facts
from incmask.prediction.other_models.find import FoundMembers
from incmask.prediction.other_models.read import prediction_facts

_MAX_THREADS = 8

Given = TypeVar("Given")
Result = TypeVar("Result")
Fact = TypeVar("Fact", MaskFacts, ImageFacts)


@dataclass(frozen=True)
class Looked:
    """What occurs in the files.

    Attributes:
        facts: of each model, by class folder.
        sizes: height and width by image name.
    """

    facts: tuple[Mapping[str, Sequence[MaskFacts]], ...]
    sizes: Mapping[str, tuple[int, int]]


def in_threads(function: Callable[[Given], Result], items: Sequence[Given], progress: Progress) -> list[Result]:
    """Call a function with each item on several cores; results come in the order of the items."""
    results: list[Result] = []
    for result in side_by_side(function, items, num_threads=min(_MAX_THREADS, num_cores())):
        results.append(result)
        progress.advance(1)
    return results


def look_through(found: FoundMembers, *, threshold: float | None, progress: Progress) -> Looked:
    """Count the values of all labels, and compare the sizes of all files of an image.

    Raises:
        IncmaskError: with a problem for each file that is broken or of another size.
    """
    sizes: dict[str, tuple[int, int]] = {}
    first: dict[str, Path] = {}
    problems: list[Problem] = []

    def enter(files: Mapping[str, Path], read: Callable[[Path], Fact]) -> list[Fact]:
        def attempt(path: Path) -> Fact | IncmaskError:
            try:
                return read(path)
            except IncmaskError as error:
                return error

        good: list[Fact] = []
        tried = in_threads(attempt, list(files.values()), progress)
        for (name, path), fact in zip(files.items(), tried, strict=True):
            if isinstance(fact, IncmaskError):
                problems.extend(fact.problems)
                continue
            good.append(fact)
            size = (fact.height, fact.width)
            other = first.setdefault(name, path)
            if sizes.setdefault(name, size) != size:
                what = f"has {size[1]}×{size[0]} pixels, but {other} {sizes[name][1]}×{sizes[name][0]}"
                problems.append(Problem(str(path), what, "save all predictions in the size of the image"))
        return good

    of_labels = partial(prediction_facts, threshold=threshold)
    facts = [{folder: enter(below, of_labels) for folder, below in member.files.items()} for member in found.members]
    if found.images is not None:
        enter({name: found.images[name] for name in found.names}, image_facts)
    if problems:
        raise IncmaskError(problems)
    return Looked(tuple(facts), sizes)
