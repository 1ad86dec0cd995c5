"""What a scan reads of all files whatever their masks mean: facts, channels and sizes."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

from incmask.base.errors import IncmaskError, Problem
from incmask.base.machine import num_cores
from incmask.base.packed import ByPath
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
Asked = TypeVar("Asked")

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
) -> tuple[ByPath[ImageFacts], dict[Path, Kind]]:
    """Read all images and masks of a folder, and tell of those that cannot be read; facts by path.

    Args:
        layout: where they lie.
        read_mask: gives the facts of a mask.
        problems: gets one for each file that cannot be read.
        on_file: told of the progress.
    """

    def paths() -> Iterator[Path]:
        return (pair.image for part in layout.parts.values() for pair in part)

    masks = [path for part in layout.parts.values() for pair in part for path in pair.masks.values()]
    num_images, num_others = sum(map(len, layout.parts.values())), len(layout.parts["unlabelled"])
    num = min(num_others, MOST_COMPARED)
    compared = {place * num_others // num for place in range(num)}
    done = 0
    try:
        # What is not installed is told once, and before what would follow from it.
        check_installed(chain(paths(), masks))
    except IncmaskError as error:
        problems += error.problems
        return ByPath(ImageFacts), {}

    def tell() -> None:
        nonlocal done
        done += 1
        if on_file is not None:
            on_file(done, num_images + len(masks))

    def are_compared() -> Iterator[bool]:
        for name, part in layout.parts.items():
            yield from (name != "unlabelled" or place in compared for place in range(len(part)))

    def read_image(asked: tuple[Path, bool]) -> ImageFacts:
        path, is_compared = asked
        fact = image_facts(path)
        return fact if is_compared else replace(fact, sketch=replace(fact.sketch, grey=None))

    asked = zip(paths(), are_compared(), strict=True)
    images = ByPath(ImageFacts, ((path, fact) for (path, _), fact in _read(asked, read_image, problems, tell)))
    return images, dict(_read(masks, read_mask, problems, tell))


def _read(
    asked: Iterable[Asked], read: Callable[[Asked], Kind], problems: list[Problem], tell: Callable[[], None]
) -> Iterator[tuple[Asked, Kind]]:
    """Give what is asked for with what is read of it, where that can be read."""

    def attempt(each: Asked) -> tuple[Asked, Kind | IncmaskError]:
        try:
            return each, read(each)
        except IncmaskError as error:
            return each, error

    for each, result in side_by_side(attempt, asked, num_threads=min(_MAX_THREADS, num_cores())):
        if isinstance(result, IncmaskError):
            problems += result.problems
        else:
            yield each, result
        tell()


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
