"""A plan to a data folder: side by side, whole files only, and from where it was stopped."""

import io
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import tifffile

from incmask.base.choosing import CONFIG_NAME
from incmask.base.described import callable_by_job
from incmask.base.errors import IncmaskError, Problem, fail
from incmask.base.files import write_bytes
from incmask.base.intact import damage, read_manifest
from incmask.base.machine import num_cores
from incmask.base.pool import OpenPool, Pool
from incmask.base.progress import Progress, Report, ignore
from incmask.base.store import Store
from incmask.base.threads import side_by_side
from incmask.data.images.writers import TIFF, path_inside, write_label
from incmask.exchange.prepare.plan import Destination, Plan, Work
from incmask.method.labels import labels_of

MAX_BYTES, WORKER_BYTES = 1 << 30, 320 << 20
"""Memory that all may take together, and a worker: some for its libraries, and 290 MiB for a photo of 30 million pixels
with its mask, as measured."""

WriteMask = Callable[[Path, str, np.ndarray], Iterable[Path]]

_CHUNK_IMAGES = 16
_BLOCK_BYTES = 4096
_TOLD_AT_MOST = 10


@dataclass(frozen=True)
class Verified:
    """What a data folder holds of what was written to it.

    Attributes:
        whole: files, by their path below it, that are as they were written.
        edited: the configuration, where a person changed it, which is theirs to do.
        missing: files that were written and are gone.
    """

    whole: frozenset[str]
    edited: frozenset[str]
    missing: frozenset[str]


@dataclass(frozen=True)
class _Done:
    """Files that a chunk wrote, masks before their images, and what was wrong with the source."""

    paths: tuple[Path, ...]
    problems: tuple[Problem, ...]


def check_places(plan: Plan, root: Path) -> None:
    """Check that every image goes to a place of its own inside ``root``.

    Raises:
        IncmaskError: a name leads out, or two are the same, perhaps but for capitals, which some disks do not tell.
    """
    known: dict[tuple[str, str], Destination] = {}
    for place in (place for work in plan.works for place in work.places):
        path_inside(root / place.part / "images", place.name)
        other = known.setdefault((place.part, unicodedata.normalize("NFC", place.name).casefold()), place)
        if other is not place:
            what = f"would overwrite {other.name} in {place.part}"
            raise fail(place.name, what, "rename one of the two images in the source")
    for info in plan.classes if labels_of(plan.task).is_layered else ():
        path_inside(root, str(info.value))


def verify(root: Path) -> Verified:
    """Compare all files of a data folder with what the manifest says of them.

    Raises:
        IncmaskError: some were changed.
    """
    entries = read_manifest(root)

    def state(path: str) -> str:
        if not (root / path).is_file():
            return "missing"
        return "changed" if damage(root / path, entries[path], whole=True) else "whole"

    found: dict[str, set[str]] = {"whole": set(), "changed": set(), "missing": set()}
    for path, how in zip(entries, side_by_side(state, [*entries], num_threads=num_cores()), strict=True):
        found[how].add(path)
    if broken := sorted(found["changed"] - {CONFIG_NAME}):
        remedy = "delete it and prepare again, which makes it anew"
        problems = [Problem(str(root / path), "was changed since it was written", remedy) for path in broken]
        raise IncmaskError(_some(problems, root))
    return Verified(*map(frozenset, found.values()))


def write_plan(plan: Plan, store: Store, *, verified: Verified, open_pool: OpenPool, progress: Progress) -> int:
    """Write the images and masks of a plan that are not there yet, on all cores.

    Each image goes to ``<part>/images``, as ``encode_image`` encodes it, its label to ``<part>/masks`` as
    ``write_label`` spells it.

    Args:
        plan: whose places were checked.
        store: the data folder.
        verified: what is there.
        open_pool: gives workers.
        progress: told of each image.

    Returns:
        The number of images that were written now.

    Raises:
        IncmaskError: files of the source are damaged (the others are written first), or the disk has no room.
    """
    todo = [work for work in plan.works if not _is_done(plan, work, verified)]
    num_all, num_todo = _num_images(plan.works), _num_images(todo)
    if not todo:
        return 0
    if num_todo < num_all:
        progress.say(f"{num_all - num_todo} of {num_all} images are there already")
    progress.expect(num_todo)
    progress.doing("writing images")
    chunks = [*_in_chunks(todo)]
    write_mask = partial(write_label, task=plan.task, classes=plan.classes, ignored=plan.ignored)
    write_chunk = partial(_write_chunk, root=store.root, write_mask=write_mask)
    problems: list[Problem] = []
    num_workers = max(1, min(num_cores(), len(chunks), MAX_BYTES // WORKER_BYTES))
    with open_pool(num_workers, networks=False, less_memory="close other programs and prepare again") as pool:
        _check_space(todo, store.root, pool)
        for _, done in pool.run(write_chunk, chunks, progress.advance):
            store.record(*done.paths)
            problems += done.problems
    if problems:
        raise IncmaskError(_some(problems, store.root))
    return num_todo


ENDINGS = (".png", ".tif")
"""What images are written as: of 1 or 3 channels, and of others."""


def ending_of(image: np.ndarray) -> str:
    """Give the ending of the file of an image, (H, W, C)."""
    return ENDINGS[image.shape[2] not in (1, 3)]


def encode_image(image: np.ndarray) -> bytes:
    """Encode an image, (H, W, C) uint8, three channels in RGB, as PNG, or as TIFF where PNG has no such channels."""
    if image.dtype != np.uint8 or image.ndim != 3:
        raise ValueError(f"expected (H, W, C) uint8, got {image.shape} {image.dtype}")
    if ending_of(image) == ".tif":
        tifffile.imwrite(buffer := io.BytesIO(), image, **TIFF, photometric="minisblack")
        return buffer.getvalue()
    encoded, content = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
    assert encoded, "any picture of this kind can be"
    return content.tobytes()


def _some(problems: list[Problem], root: Path) -> list[Problem]:
    if len(problems) <= _TOLD_AT_MOST:
        return problems
    more = Problem(str(root), f"{len(problems) - _TOLD_AT_MOST} more files are so", "mend all of them")
    return [*problems[:_TOLD_AT_MOST], more]


def _num_images(works: Iterable[Work]) -> int:
    return sum(len(work.places) for work in works)


def _in_chunks(works: Iterable[Work]) -> Iterator[tuple[Work, ...]]:
    chunk: list[Work] = []
    for work in works:
        chunk.append(work)
        if _num_images(chunk) >= _CHUNK_IMAGES:
            yield tuple(chunk)
            chunk = []
    if chunk:
        yield tuple(chunk)


def _is_done(plan: Plan, work: Work, verified: Verified) -> bool:
    """Tell whether an example is there.

    A mask is entered before its image; that it was not even begun says that the image has none.
    """

    folders = [f"{info.value}/" for info in plan.classes] if labels_of(plan.task).is_layered else [""]
    return all(
        any(f"{place.part}/images/{place.name}{ending}" in verified.whole for ending in ENDINGS)
        and not verified.missing & {f"{place.part}/masks/{folder}{place.name}.png" for folder in folders}
        for place in work.places
    )


def _check_space(works: list[Work], root: Path, pool: Pool) -> None:
    """Refuse what has no room, from a few images made for nothing but their size."""
    samples = [works[index] for index in sorted({0, len(works) // 2, len(works) - 1})]
    sizes = [size_bytes for _, size_bytes in pool.run(_sample_bytes, samples, ignore) if size_bytes]
    if not sizes:
        return
    needed = 1.2 * _num_images(works) * sum(sizes) / len(sizes)
    free = shutil.disk_usage(root).free
    if needed > free:
        what = f"has {free / 1e9:.2g} GB free, about {needed / 1e9:.2g} GB are needed"
        raise fail(root, what, "free some space, or name a folder on another disk")


@callable_by_job
def _sample_bytes(work: Work, report: Report) -> int:
    """Tell how much an image with its masks takes on the disk; 0 where it is damaged, of which its own job tells."""
    try:
        example = next(work.make(), None)
    except IncmaskError:
        return 0
    if example is None:
        return 0
    # Masks are flat, and deflate well.
    mask_bytes = 0 if example.label is None else example.label.nbytes // 16
    num_files = 1 if example.label is None else 1 + (example.label.shape[2] if example.label.ndim == 3 else 1)
    return len(encode_image(example.image)) + mask_bytes + num_files * _BLOCK_BYTES // 2


@callable_by_job
def _write_chunk(works: Sequence[Work], report: Report, *, root: Path, write_mask: WriteMask) -> _Done:
    """Write some works, enough to be worth sending to a worker."""
    paths: list[Path] = []
    problems: list[Problem] = []
    for work in works:
        expected = iter(work.places)
        examples = work.make()
        while True:
            # What is wrong with the source ends this work alone; a full disk ends all.
            try:
                example = next(examples, None)
            except IncmaskError as error:
                problems += error.problems
                break
            place = next(expected, None)
            if (example and example.place) != place:
                raise ValueError(f"{work} promised {place} and made {example and example.place}")
            if example is None:
                break
            part, name = root / example.place.part, example.place.name
            if example.label is not None:
                paths += write_mask(part / "masks", name, example.label)
            image = path_inside(part / "images", name, ending_of(example.image))
            write_bytes(image, encode_image(example.image))
            paths.append(image)
            report(1)
    return _Done(tuple(paths), tuple(problems))
