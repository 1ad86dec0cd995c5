"""What a scan reads of all files whatever their masks mean: facts, channels and sizes."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from incmask.base.errors import IncmaskError, Problem
from incmask.base.machine import num_cores
from incmask.base.threads import side_by_side
from incmask.base.words import does
from incmask.data.dataset import DataOptions, Dataset
from incmask.data.doctor.finding import Finding
from incmask.data.folder.layout import Layout
from incmask.data.images.masks import MaskFacts
from incmask.data.images.readers import ImageFacts, image_facts
from incmask.data.images.targets import TargetFacts
from incmask.data.volumes.packages import check_installed

OnFile = Callable[[int, int], None]
"""Called with the number of files read and of all files."""

Kind = TypeVar("Kind")

_MAX_THREADS = 8

MOST_COMPARED = 20_000
"""So many unlabelled images are compared with all others, evenly chosen where there are more: comparing takes more time
and memory than all else as their number grows."""


@dataclass(frozen=True)
class Scan:
    """What a folder holds.

    Attributes:
        dataset: the part of it that can be used; None where nothing can.
        problems: what is wrong; a data set with problems is only good to be described.
        findings: what else is worth a look, as far as the images alone tell it.
        images: what is known of each image that could be read.
    """

    dataset: Dataset | None
    problems: tuple[Problem, ...]
    findings: tuple[Finding, ...] = ()
    images: Mapping[Path, ImageFacts] = field(default_factory=dict)


def read_facts(
    layout: Layout,
    read_mask: Callable[[Path], Kind],
    problems: list[Problem],
    on_file: OnFile | None,
) -> tuple[dict[Path, ImageFacts], dict[Path, Kind]]:
    """Read all images and masks of a folder, and tell of those that cannot be read; facts by path.

    Args:
        layout: where they lie.
        read_mask: gives the facts of a mask.
        problems: gets one for each file that cannot be read.
        on_file: told of the progress.
    """
    pairs = [pair for part in layout.parts.values() for pair in part]
    images = [pair.image for pair in pairs]
    masks = [path for pair in pairs for path in pair.masks.values()]
    others = layout.parts["unlabelled"]
    num = min(len(others), MOST_COMPARED)
    left_out = {pair.image for pair in others} - {others[place * len(others) // num].image for place in range(num)}
    done = 0
    try:
        # What is not installed is told once, and before what would follow from it.
        check_installed([*images, *masks])
    except IncmaskError as error:
        problems += error.problems
        return {}, {}

    def tell() -> None:
        nonlocal done
        done += 1
        if on_file is not None:
            on_file(done, len(images) + len(masks))

    def read_image(path: Path) -> ImageFacts:
        fact = image_facts(path)
        return replace(fact, sketch=replace(fact.sketch, grey=None)) if path in left_out else fact

    return _read(images, read_image, problems, tell), _read(masks, read_mask, problems, tell)


def _read(
    paths: Sequence[Path], read: Callable[[Path], Kind], problems: list[Problem], tell: Callable[[], None]
) -> dict[Path, Kind]:
    found = {}
    results = side_by_side(partial(_attempt, read), paths, num_threads=min(_MAX_THREADS, num_cores()))
    for path, result in zip(paths, results, strict=True):
        if isinstance(result, IncmaskError):
            problems += result.problems
        else:
            found[path] = result
        tell()
    return found


def _attempt(read: Callable[[Path], Kind], path: Path) -> Kind | IncmaskError:
    try:
        return read(path)
    except IncmaskError as error:
        return error


def channels_of(images: Mapping[Path, ImageFacts], options: DataOptions, problems: list[Problem]) -> int | None:
    """Settle how many channels the network sees, and tell of images that do not fit; None: there are no images."""
    counts = Counter(fact.channels for fact in images.values())
    if not counts:
        return None
    wanted = options.channels or (3 if set(counts) == {1, 3} else max(counts, key=lambda c: (counts[c], c)))
    if options.channels is None and wanted == 1 and 3 in counts:
        wanted = 3
    fitting = {wanted} | ({1} if wanted == 3 else {3} if wanted == 1 and options.channels else set())
    for path, fact in images.items():
        if fact.channels not in fitting and not (fact.extra and fact.channels + 1 == options.channels):
            why = "channels in incmask.toml is" if options.channels else does(counts[wanted], "image", "have")
            remedy = "convert it, or take it out of the folder"
            problems.append(Problem(str(path), f"has a channel count of {fact.channels}, while {why} {wanted}", remedy))
    return wanted


def size_problem(path: Path, mask: MaskFacts | TargetFacts, image_path: Path, image: ImageFacts) -> Problem:
    """Tell of a mask of another size than its image."""
    what = f"has {mask.width}×{mask.height} pixels, but its image {image_path.name} {image.width}×{image.height}"
    if image.turned and (mask.height, mask.width) == (image.width, image.height):
        what += ", which its EXIF orientation turns by 90°"
        return Problem(str(path), what, "turn the mask as the image is displayed, or remove its orientation")
    return Problem(str(path), what, "export the mask in the size of its image")
