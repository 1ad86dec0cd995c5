"""Masks of very many unlabelled images, an archive of a thousand after the other; what is whole stays after a kill."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, chain
from pathlib import Path

from incmask.base.made import MadeBy
from incmask.base.packed_texts import Texts, sorted_places
from incmask.base.shards import SHARDS, Shard, is_archive, shards_of
from incmask.base.store import Store
from incmask.base.tables import csv_lines, csv_parts, rows_text
from incmask.experiment.setup import RunContext, Setup
from incmask.prediction.files import ImageFile, Predicted, PredictJob
from incmask.prediction.shares import MaskShares, tables

SHARD_TABLES = "shard-tables"
"""The folder in a run folder of what the tables will say of each archive, until all are written."""

Predict = Callable[[Sequence[PredictJob]], Iterator[tuple[PredictJob, Predicted]]]
"""Gives what came of jobs; raises ``IncmaskError`` in the end where images could not be read."""


def write_in_shards(
    run: RunContext, job: PredictJob, lost: Sequence[Path], *, predicted: Predict, is_told: bool
) -> None:
    """Write archives of all unlabelled images, and the tables; of what was written before, what is damaged.

    Args:
        run: the run.
        job: without its files.
        lost: of the pictures and tables that were written.
        predicted: predicts.
        is_told: all was written once.
    """
    setup, store, items = run.setup, run.store, run.setup.dataset.unlabelled
    names = Texts(item.name for item in items)
    shards, order = shards_of(names), sorted_places(names)
    begins = dict(zip(shards, accumulate((each.images for each in shards), initial=0), strict=False))
    files = [*tables_of(setup, ())]
    # Pictures that lie for themselves do not tell which archives are with them.
    are_archives, damaged = all(map(is_archive, lost)), {path.stem for path in lost}
    keeps_tables = is_told and are_archives

    def table(file: str, shard: str) -> Path:
        return store.root / SHARD_TABLES / Path(file).stem / f"{shard}.csv"

    def is_whole(shard: str) -> bool:
        tables = (table(file, shard) for file in files)
        return are_archives and shard not in damaged and (is_told or store.has(*tables))

    def job_of(shard: Shard) -> PredictJob:
        places = order[begins[shard] : begins[shard] + shard.images]
        its_files = (ImageFile(item.name, item.image) for item in map(items.__getitem__, places))
        return replace(job, files=tuple(its_files), shard=shard.shard)

    for done_job, done in predicted(MadeBy(job_of, [each for each in shards if not is_whole(each.shard)])):
        found = {} if keeps_tables or done.problems else tables_of(setup, done.shares)
        texts = {table(file, done_job.shard): text.encode() for file, text in found.items()}
        # At once, the tables last: where these are known, the archives are.
        store.write_all(texts, beside=files_of(store.root, done))
    if keeps_tables:
        return
    store.write(store.root / SHARDS, rows_text(shards, Shard))
    for file in files:
        store.write_parts(store.root / file, _joined([table(file, each.shard) for each in shards]))
    remove_tables(store)


def remove_tables(store: Store) -> None:
    """Remove the tables of single archives, since those of all are written."""
    if (folder := store.root / SHARD_TABLES).exists():
        store.remove(folder)


def files_of(root: Path, done: Predicted) -> list[Path]:
    """Give all files that came of images."""
    return [root / file for file in (*(file for share in done.shares for file in share.files), *done.archives)]


def tables_of(setup: Setup, shares: Sequence[MaskShares]) -> dict[str, str]:
    """Give the tables of images by file name, the one that tells that all is there last."""
    names = [] if setup.labels.is_continuous else [each.name for each in setup.dataset.classes]
    return tables(shares, class_names=names, position_class=setup.dataset.position_class)


def _joined(paths: Sequence[Path]) -> Iterator[str]:
    """Give tables of one header below each other."""
    (header, *_) = csv_lines(paths[0].read_text(encoding="utf-8"))
    rows = (csv_lines(path.read_text(encoding="utf-8"))[1:] for path in paths)
    return csv_parts(header, chain.from_iterable(rows))
