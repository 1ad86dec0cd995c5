"""Downloaded data sets to data folders: the whole way, and what is said of it."""

import importlib
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from incmask.base.choosing import CONFIG_NAME
from incmask.base.errors import IncmaskError, Problem, fail
from incmask.base.manifest import MANIFEST
from incmask.base.pool import OpenPool
from incmask.base.progress import Progress, Silent
from incmask.base.records import DATA, RUN, as_written, differences, read_written
from incmask.base.store import LOCK, Store
from incmask.base.validation import choose
from incmask.base.words import counted
from incmask.data.folder.group_table import SPLIT_FILE
from incmask.exchange.prepare.plan import Count, Origin, Plan, PrepareOptions
from incmask.exchange.prepare.texts import config_text, count_line, part_counts, source_text, split_text
from incmask.exchange.prepare.write import Verified, check_places, verify, write_plan
from incmask.exchange.sources.sources import SourceTree

SOURCE_NAME = "SOURCE.md"

Planner = Callable[[SourceTree, PrepareOptions], Plan]


def _plan(name: str, source: SourceTree, options: PrepareOptions) -> Plan:
    """Do what ``incmask.exchange.prepare.<name>.plan`` does, imported when it is asked for."""
    return importlib.import_module(f"incmask.exchange.prepare.{name}").plan(source, options)


PREPARERS: dict[str, Planner] = {
    name: partial(_plan, name) for name in ("isic2018", "hela", "suim", "cityscapes", "folder")
}
"""What plans each kind of data set; "folder" is for people's own."""


@dataclass(frozen=True)
class Prepared:
    """A data folder that is complete.

    Attributes:
        kind: a name of ``PREPARERS``.
        title: of the data set.
        root: the folder.
        parts: number of images of each part.
        num_made: images that were written now; 0: all were there and as they were written.
        counts: against the paper's.
        notes: what a person should be told.
        origin: what the data's owner asks for; None: a person's own.
    """

    kind: str
    title: str
    root: Path
    parts: dict[str, int]
    num_made: int
    counts: tuple[Count, ...]
    notes: tuple[str, ...]
    origin: Origin | None


def prepare(
    kind: str,
    src: Path,
    dst: Path,
    *,
    open_pool: OpenPool,
    options: PrepareOptions | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Make a data folder of a data set as its owner distributes it.

    The same call goes on where it was stopped; on a folder that is complete it compares every file with what was
    written, makes anew what is missing, and touches nothing else.

    Args:
        kind: a name of ``PREPARERS``.
        src: the download: archives or unpacked folders, as for ``SourceTree.open``.
        dst: the data folder; made where it is not there.
        open_pool: gives workers.
        options: what a person may choose.
        progress: told of each image.

    Raises:
        IncmaskError: the source is incomplete or damaged, ``dst`` holds other things, files of another data set or
            of other choices, or files that were changed since; or the disk is full.
    """
    options, progress = options or PrepareOptions(), progress or Silent()
    planner: Planner = choose(PREPARERS, kind, option="kind of data set")
    dst = dst.absolute()
    _check_folder(src.absolute(), dst)
    progress.doing("reading the source")
    source = SourceTree.open(src)
    plan = planner(source, options)
    check_places(plan, dst)
    _check_outside(source, dst)
    choices = {"prepare": kind, "options": asdict(options)}
    listing = {each.folder: [each.num_files, each.num_bytes, each.digest] for each in source.used}
    _check_same(dst, choices, listing)
    with Store(dst, run=choices, data={"title": plan.title, "folders": listing}) as store:
        progress.doing("comparing what is there")
        verified = verify(dst)
        num_made = write_plan(plan, store, verified=verified, open_pool=open_pool, progress=progress)
        notes = [
            *source.notes,
            *plan.notes,
            *(f"{name} was changed by hand and stays so" for name in sorted(verified.edited)),
        ]
        _finish(plan, store, verified, source=source, choices=choices, progress=progress)
    return Prepared(
        kind=kind,
        title=plan.title,
        root=dst,
        parts=part_counts(plan),
        num_made=num_made,
        counts=plan.counts,
        notes=tuple(notes),
        origin=plan.origin,
    )


def prepared_text(prepared: Prepared) -> str:
    """Say what was prepared, in lines for people."""
    done = f"{counted(prepared.num_made, 'image')} written" if prepared.num_made else "all is there, as it was written"
    lines = [f"{prepared.title}: {done}, in {prepared.root}"]
    lines += [", ".join(f"{part} {num}" for part, num in prepared.parts.items())]
    lines += [f"count: {count_line(count)}" for count in prepared.counts]
    lines += [f"note: {note}" for note in prepared.notes]
    if prepared.origin is not None:
        lines += [f"licence: {prepared.origin.licence}", f"please cite: {prepared.origin.citation}"]
    folder = shlex.quote(str(prepared.root))
    return "\n".join([*lines, f"next: incmask check {folder}, then incmask run {folder}"])


def prepared_as_dict(prepared: Prepared) -> dict[str, Any]:
    """Give the same as values that JSON knows."""
    return asdict(prepared) | {"root": str(prepared.root)}


def _check_folder(src: Path, dst: Path) -> None:
    """Refuse a folder that cannot become the data folder, before anything is read."""
    src, dst = src.resolve(), dst.resolve()
    if dst == src:
        raise fail(dst, "is source and destination at once", "name a new folder for the prepared data")
    if dst in src.parents:
        raise fail(dst, "holds the source", "name a new folder for the prepared data, beside or inside the source")
    if dst.exists() and not dst.is_dir():
        raise fail(dst, "is a file", "name a new folder for the prepared data")
    if not dst.is_dir() or not any(dst.iterdir()):
        return
    if not any((dst / name).exists() for name in (LOCK, MANIFEST)):
        raise fail(dst, "is there already and holds other things", "name a new or an empty folder")
    if (dst / RUN).exists() and (dst / DATA).exists() and "prepare" not in read_written(dst / RUN):
        raise fail(dst, "holds the results of another command", "name a new or an empty folder")


def _check_outside(source: SourceTree, dst: Path) -> None:
    """Refuse a folder among the source's images; in the download's own folder it may lie."""
    inside = {folder for used in source.used for folder in used.unpacked} - {source.root}
    found = next((folder for folder in (dst.resolve(), *dst.resolve().parents) if folder in inside), None)
    if found is not None:
        raise fail(dst, f"lies among the images of the source, in {found}", "name a folder outside of it")


def _check_same(dst: Path, choices: dict[str, Any], listing: dict[str, Any]) -> None:
    """Refuse a folder that was begun otherwise, saying how."""
    if not ((dst / RUN).exists() and (dst / DATA).exists()):
        return
    there, now = read_written(dst / RUN), as_written(choices)
    new = "name a new folder"
    problems = [Problem(str(dst), line, f"take it back, or {new}") for line in differences(there, now)]
    old, folders = read_written(dst / DATA).get("folders", {}), as_written(listing)
    for name in sorted({*old, *folders}) if not problems else ():
        if old.get(name) != folders.get(name):
            what = f"the source's folder {name} had {_size(old.get(name))} when this was begun"
            problems.append(
                Problem(str(dst), f"{what} and has {_size(folders.get(name))} now", f"restore it, or {new}")
            )
    if problems:
        raise IncmaskError(problems)


def _size(listed: list[Any] | None) -> str:
    return (
        "nothing"
        if listed is None
        else f"{counted(listed[0], 'file')} of {counted(listed[1], 'byte')} (list {listed[2][:8]})"
    )


def _finish(
    plan: Plan, store: Store, verified: Verified, *, source: SourceTree, choices: dict[str, Any], progress: Progress
) -> None:
    """Write the texts that are not there, the source's last, which says that all is done."""
    there = verified.whole | verified.edited
    for name, text_of in ((SPLIT_FILE, split_text), (CONFIG_NAME, config_text)):
        if name not in there:
            store.write(store.root / name, text_of(plan))
    if SOURCE_NAME in there:
        return
    progress.doing("checksums of the source")
    command = f"incmask prepare {choices['prepare']} SRC DST{' --paper' if choices['options']['paper'] else ''}"
    # The seed, and what a person chose otherwise than it is without a choice.
    defaults = asdict(PrepareOptions())
    chosen = {name: value for name, value in choices["options"].items() if name == "seed" or value != defaults[name]}
    store.write(store.root / SOURCE_NAME, source_text(plan, source, command=command, choices=chosen))
