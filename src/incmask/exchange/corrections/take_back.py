"""Corrected pseudo-labels back into a data folder, as a round of their own; nothing that was there is touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from incmask.base.caller import command, option
from incmask.base.config import IGNORED
from incmask.base.errors import Problem, collected, fail, raise_problems
from incmask.base.files import whole_folder, write_bytes
from incmask.base.intact import hash_file
from incmask.base.progress import Progress, Silent
from incmask.base.validation import choose
from incmask.base.words import ShortRepr, counted
from incmask.data.dataset import Item
from incmask.data.folder.layout import part_folder
from incmask.data.folder.scan import scan
from incmask.data.images.readers import read_label
from incmask.data.images.writers import path_inside
from incmask.data.rounds import Round, current_round, data_folder, path_from, write_rounds
from incmask.exchange.corrections.added import ReceivingFolder, added_before, earlier, receiving_folder, same_round
from incmask.exchange.corrections.spelling import spelling_of, write_spelt
from incmask.exchange.corrections.unchanged import ExportedLabels
from incmask.exchange.formats.common import Files, Label
from incmask.exchange.formats.sheets import Corrected, Known
from incmask.exchange.formats.table import LABEL_FORMATS, LabelFormat
from incmask.exchange.sources.archives import SourceFile, is_archive
from incmask.exchange.sources.sources import SourceTree
from incmask.experiment.record.run import RunRecord, read_record
from incmask.experiment.volumes import refuse_volumes
from incmask.method.labels import check_classes

Unsure = Literal["ignore", "skip", "refuse"]
Unchanged = Literal["skip", "confirm"]


@dataclass(frozen=True, repr=False)
class Imported(ShortRepr):
    """What was added.

    Attributes:
        data: the data folder.
        round: the record of what was added.
        unsure_fraction: share of its pixels that have no label, as they were left unsure.
        skipped: images that were left out since they had unsure regions.
        notes: what a person should be told.
        unchanged: images that came back as they were exported.
        confirmed: whether these were taken as right; else they were left out.
        again: the same was added before, so that nothing was.
    """

    data: Path
    round: Round
    unsure_fraction: float
    skipped: tuple[str, ...]
    notes: tuple[str, ...]
    unchanged: tuple[str, ...] = ()
    confirmed: bool = False
    again: bool = False


@dataclass(frozen=True)
class Corrections:
    """What a tool gave back, read and found right.

    Attributes:
        run: the run folder whose pseudo-labels were corrected.
        source: what was read.
        target: its format, a name of ``TARGETS``.
        into: where it goes.
        items: the images, by name, sorted.
        read: how their labels are made, and what a person should be told.
        unsure_fractions: share of each image's pixels that is unsure.
        unchanged: images that came back as they were exported.
        added: those that a round holds with just these labels, with its number.
    """

    run: Path
    source: Path
    target: str
    into: ReceivingFolder
    items: tuple[Item, ...]
    read: Corrected
    unsure_fractions: Mapping[str, float]
    unchanged: tuple[str, ...]
    added: Mapping[str, int]


def import_labels(
    run: Path,
    source: Path,
    *,
    target: str,
    unsure: Unsure = "ignore",
    unchanged: Unchanged = "skip",
    data: Path | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Add corrected masks to the labelled images of a run's data folder: all of them or, where one is wrong, none.

    What a round holds already, all of it and no more, is found there and not added once more.

    Args:
        run: the run folder whose pseudo-labels were corrected.
        source: what the tool gave back: a folder, a zip archive or a file.
        target: its format, a name of ``TARGETS``.
        unsure: what becomes of regions that are still unsure: "ignore", they count as not labelled; "skip", their
            images are left out; "refuse", they are an error.
        unchanged: what becomes of images that came back as they were exported: "skip", they are left out, as nobody
            may have looked at them; "confirm", they are right.
        data: the data folder; None: the one that the run tells.
        progress: a listener.

    Raises:
        IncmaskError: with everything that is wrong: names and classes that the run does not know, sizes, images that
            were changed since or are labelled already.
    """
    found = read_corrections(run, source, target=target, data=data, progress=progress)
    return add_round(found, unsure=unsure, unchanged=unchanged, progress=progress)


def read_corrections(
    run: Path, source: Path, *, target: str, data: Path | None = None, progress: Progress | None = None
) -> Corrections:
    """Read corrected masks and check them; the arguments, and what is raised, are those of ``import_labels``."""
    form: LabelFormat = choose(LABEL_FORMATS, target, option=option("from"))
    progress = progress or Silent()
    refuse_volumes(run, command("import"))
    record = read_record(run)
    check_classes(record.task, "import of corrected labels")
    scheme = record.scheme
    progress.doing("reading the data folder")
    into = receiving_folder(data or data_folder(run), scheme)
    progress.doing("reading the corrections")
    corrected = form.read(_files(source), Known(scheme, record.part("unlabelled")))
    items = _items(corrected.labels, into, record)
    progress.expect(len(items))
    shares, unchanged = _look_at(items, corrected.labels, ExportedLabels(run), progress=progress)
    added = added_before(corrected.labels, into)
    return Corrections(run, source, target, into, tuple(items), corrected, shares, unchanged, added)


def add_round(
    found: Corrections, *, unsure: Unsure = "ignore", unchanged: Unchanged = "skip", progress: Progress | None = None
) -> Imported:
    """Add corrections to the data folder; the arguments, and what is raised, are those of ``import_labels``."""
    choose(dict.fromkeys(get_args(Unsure)), unsure, option=option("unsure"))
    choose(dict.fromkeys(get_args(Unchanged)), unchanged, option=option("unchanged"))
    progress = progress or Silent()
    into, labels, shares = found.into, found.read.labels, found.unsure_fractions
    left_out = found.unchanged if unchanged == "skip" else ()
    items = [item for item in found.items if item.name not in left_out]
    if not items:
        what = f"came back as it was exported: {counted(len(left_out), 'image')}, and nothing was corrected"
        raise fail(found.source, what, f"correct some or, where all are right, use {option('unchanged', 'confirm')}")
    if unsure == "refuse":
        _refuse_unsure({item.name: shares[item.name] for item in items})
    skipped = tuple(item.name for item in items if shares[item.name] and unsure == "skip")
    items = [item for item in items if item.name not in skipped]
    if not items:
        raise fail(
            found.source, "holds no image without unsure regions", f"settle them, or use {option('unsure', 'ignore')}"
        )
    fraction = float(np.mean([shares[item.name] for item in items]))
    notes, confirmed = found.read.notes, unchanged == "confirm"
    if there := same_round(into, found.added, [item.name for item in items]):
        return Imported(into.dataset.root, there, fraction, skipped, notes, found.unchanged, confirmed, again=True)
    spelling = spelling_of(into.dataset, ignored=fraction > 0)
    root = into.dataset.root
    folder, number = _next_round(root)
    added = Round(
        number=number,
        folder=folder.relative_to(root).as_posix(),
        names=tuple(item.name for item in items),
        run=path_from(root, found.run),
        source=found.target,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        ignore=spelling.ignore,
    )
    progress.expect(len(items))
    with whole_folder(folder) as temporary:
        for item in items:
            write_bytes(path_inside(temporary / "images", item.name, item.image.suffix), item.image.read_bytes())
            write_spelt(temporary / "masks", item.name, labels[item.name].make(item.height, item.width), spelling)
            progress.advance(1)
        hidden = added.model_copy(update={"folder": temporary.relative_to(root).as_posix()})
        _verify(into, hidden, labels)
        # A round counts once its folder is there, so that the rename which follows decides.
        write_rounds(root, [*into.rounds, added])
    return Imported(root, added, fraction, skipped, notes, found.unchanged, confirmed)


def _next_round(root: Path) -> tuple[Path, int]:
    """Give the folder of the next round, and its number."""
    part, number = part_folder(root, "labelled"), current_round(root) + 1
    while (part / f"round-{number}").exists():
        number += 1
    return part / f"round-{number}", number


def _files(source: Path) -> Files:
    """Give the files that came back, by their path."""
    if source.is_file() and not is_archive(source):
        return {source.name: SourceFile(source)}
    files = SourceTree.open(source).folder()
    if not files:
        raise fail(source, "is empty", "give what the tool exported")
    return files


def _items(labels: Mapping[str, Label], into: ReceivingFolder, record: RunRecord) -> list[Item]:
    """Find the images of the corrections among the unlabelled ones and those of rounds, unchanged since the run."""
    by_name = earlier(into) | {item.name: item for item in into.dataset.unlabelled}
    hashes = record.part("unlabelled")
    problems: list[Problem] = []
    for name in labels:
        item = by_name.get(name)
        if item is None:
            problems.append(Problem(name, "is no longer among the unlabelled images", "bring it back, or take it out"))
        elif hash_file(item.image) not in hashes[name]["files"].values():
            problems.append(Problem(str(item.image), "was changed since the run", "bring the old image back"))
    raise_problems(problems)
    return [by_name[name] for name in sorted(labels)]


def _look_at(
    items: Sequence[Item], labels: Mapping[str, Label], exported: ExportedLabels, *, progress: Progress
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Make every label once, so that all that is wrong is told before anything is written.

    Gives the share of each image's pixels that is unsure, and the images whose labels are as they were exported.
    """
    problems: list[Problem] = []
    shares: dict[str, float] = {}
    unchanged = []
    for item in items:
        progress.advance(1)
        with collected(problems):
            label = labels[item.name].make(item.height, item.width)
            shares[item.name] = float((label == IGNORED).mean())
            unchanged += [item.name] if exported.has(item.name, label) else []
    raise_problems(problems)
    return shares, tuple(unchanged)


def _refuse_unsure(shares: Mapping[str, float]) -> None:
    remedy = f"settle and remove these regions, or use {option('unsure', 'ignore')}"
    raise_problems(
        [Problem(name, f"is unsure at {share:.1%} of its pixels", remedy) for name, share in shares.items() if share]
    )


def _verify(into: ReceivingFolder, added: Round, labels: Mapping[str, Label]) -> None:
    """Read the folder as it will be, and refuse corrections that would not be understood as they are meant."""
    before = into.dataset
    found = scan(before.root, into.options, rounds=[*into.rounds, added])
    problems = list(found.problems)
    if found.dataset is not None and not problems:
        after = found.dataset
        if (after.task, after.classes) != (before.task, before.classes):
            what = "would be read with other classes than before"
            problems.append(Problem(str(before.root), what, "name task and classes under [data] in incmask.toml"))
        for item in (each for each in after.labelled if each.name.startswith(added.prefix)):
            name = item.name.removeprefix(added.prefix)
            if not np.array_equal(read_label(item, after), labels[name].make(item.height, item.width)):
                what = "would be read otherwise than it was drawn"
                problems.append(Problem(name, what, "name task and classes under [data] in incmask.toml"))
    if problems:
        # The folder has a hidden name as yet, and is gone when the message is read.
        hidden = Path(added.folder).name
        raise_problems([replace(each, where=each.where.replace(hidden, f"round-{added.number}")) for each in problems])
