"""Masks for images, with the models of a run."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import pydantic

from incmask.base.caller import another_folder, option
from incmask.base.device import resolve_device
from incmask.base.errors import Problem, fail
from incmask.base.files import check_folder_name, write_text
from incmask.base.machine import num_cores
from incmask.base.manifest import MANIFEST
from incmask.base.pool import OpenPool, Pool
from incmask.base.progress import Progress
from incmask.base.shards import SHARDED_FROM, shards_of
from incmask.base.words import counted
from incmask.method.instances import check_can_grow
from incmask.nets.forward import CHUNK
from incmask.prediction.channels import image_files
from incmask.prediction.ensemble import About, Ensemble
from incmask.prediction.files import NOTHING_MORE, ImageFile, Predicted, PredictJob, predict_files
from incmask.prediction.layers import ExtraOutputs
from incmask.prediction.ledger import Ledger, LedgerEntry, Stamp, stamp_of
from incmask.prediction.listing import Listing, find_images
from incmask.prediction.model_folder import ABOUT, model_folder
from incmask.prediction.shares import MaskShares, tables
from incmask.prediction.value_layers import check_pictures

SUMMARY = "summary.csv"

_FORMAT = 2
"""Of the pictures: raised when they change, so that those of an earlier version are written anew."""

_FILES_A_JOB = 64
"""At most, so that little is lost when the work is stopped."""

_LESS_MEMORY = "close other programs, or name fewer images; what is done stays"

_SHARES = pydantic.TypeAdapter(MaskShares)


def _list_images(given: Path | Sequence[str | Path], out: Path, about: About, *, may_be_empty: bool = False) -> Listing:
    paths, with_arrays = [given] if isinstance(given, Path) else given, about.values is not None
    return find_images(paths, out=out, may_be_empty=may_be_empty, with_arrays=with_arrays)


def _stamps(listing: Listing, about: About) -> dict[ImageFile, Stamp | None]:
    """Give the images with what tells that their files have changed."""
    return {file: _stamp(file) for file in image_files(listing, about.channels)}


def _stamp(file: ImageFile) -> Stamp | None:
    """Give what tells that one of an image's files has changed; None: one is not there."""
    stamps = [stamp for path in file.paths if (stamp := stamp_of(path)) is not None]
    if len(stamps) < len(file.paths):
        return None
    return Stamp(sum(each.num_bytes for each in stamps), max(each.written_ns for each in stamps))


def predict_folder(
    model: Path,
    images: Path | Sequence[str | Path],
    out: Path,
    *,
    open_pool: OpenPool,
    pictures: ExtraOutputs = NOTHING_MORE,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    num_workers: int = 0,
    progress: Progress,
) -> Predicted:
    """Write masks, disputed pixels, disagreement and tables for images; what is there and unchanged stays.

    Args:
        model: run folder or model folder.
        images: an image, a folder, or several of them and patterns.
        out: gets ``masks/``, ``inconsistent/``, ``disagreement/``, further pictures, ``summary.csv`` and, where a
            class marks positions, ``counts.csv``.
        pictures: what is written beside these.
        device: where the networks run.
        num_workers: processes; 0: one a core, as many as are worth starting.
        progress: a listener.

    Returns:
        What was found in each image, and a problem for each that could not be read; the others are written.

    Raises:
        IncmaskError: there is no model, no image, or the folder cannot be written.
    """
    about = _about(model, pictures)
    _check_pictures(about, pictures)
    listing = _list_images(images, out, about)
    _check_out(out)
    stamps = _stamps(listing, about)
    with Ledger(out, _key(model, pictures)) as ledger:
        new = [file for file, stamp in stamps.items() if stamp is None or not ledger.has(file.name, stamp)]
        progress.expect(len(new))
        progress.doing(f"predicting {counted(len(new), 'image')}")
        done = Predicted((), ())
        if new:
            num_processes = _num_workers(num_workers, len(new))
            # A few large images leave cores to spare.
            alone = num_workers > 0 or resolve_device(device).type != "cpu"
            num_threads = 1 if alone else max(1, num_cores() // num_processes)
            job = PredictJob(model, tuple(new), out, pictures, device, num_threads)
            with open_pool(num_processes, less_memory=_LESS_MEMORY) as pool:
                done = _predict(job, stamps, ledger, pool=pool, progress=progress)
        write_tables(out, ledger, about)
    problems = (*listing.problems, *done.problems)
    return replace(done, problems=problems, num_unchanged=len(stamps) - len(new), notes=listing.notes)


def _check_pictures(about: About, pictures: ExtraOutputs) -> None:
    """Refuse pictures that there are of images alone."""
    for name, wanted in (("overlays", pictures.overlays), ("split", pictures.split)):
        if wanted and about.volumes is not None:
            raise fail(option(name), "is of images, and the models are of volumes", "leave it out")


def watch_folder(
    model: Path,
    images: Path | Sequence[str | Path],
    out: Path,
    *,
    open_pool: OpenPool,
    pictures: ExtraOutputs = NOTHING_MORE,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    num_workers: int = 0,
    progress: Progress,
    seconds: float = 2.0,
    wait: Callable[[float], None] = time.sleep,
) -> Predicted:
    """Predict images as they come, until Ctrl-C between two looks; else as ``predict_folder``.

    An image is taken up when two looks, ``seconds`` apart, find its file unchanged, and one that cannot be read is
    tried again when its file changes.

    Args:
        model, images, out, open_pool, pictures, device, num_workers, progress: as for ``predict_folder``.
        seconds: between two looks.
        wait: what passes the time.
    """
    about = _about(model, pictures)
    _check_pictures(about, pictures)
    listing = _list_images(images, out, about, may_be_empty=True)
    _check_out(out)
    shares: list[MaskShares] = []
    refused: dict[Path, tuple[Stamp | None, tuple[Problem, ...]]] = {}
    before: Mapping[ImageFile, Stamp | None] = {}
    num_workers = num_workers or num_cores()
    with Ledger(out, _key(model, pictures)) as ledger, open_pool(num_workers, less_memory=_LESS_MEMORY) as pool:
        progress.say("waiting for images; Ctrl-C ends it")
        while True:
            listing = _list_images(images, out, about, may_be_empty=True)
            stamps = _stamps(listing, about)
            new = [
                file
                for file, stamp in stamps.items()
                if stamp is not None
                and before.get(file) == stamp
                and refused.get(file.path, (None,))[0] != stamp
                and not ledger.has(file.name, stamp)
            ]
            if new:
                progress.expect(len(new))
                job = PredictJob(model, tuple(new), out, pictures, device)
                done = _predict(job, stamps, ledger, pool=pool, progress=progress)
                shares += done.shares
                for file in new:
                    refused.pop(file.path, None)
                    if mine := tuple(each for each in done.problems if each.where in map(str, file.paths)):
                        refused[file.path] = stamps[file], mine
                write_tables(out, ledger, about)
                progress.say(f"{counted(len(done.shares), 'image')} written, {len(shares)} in all")
                for problem in done.problems:
                    progress.say(f"skipped: {problem}")
            before = stamps
            try:
                wait(seconds)
            except KeyboardInterrupt:
                break
    unread = [problem for _, problems in refused.values() for problem in problems]
    return Predicted(tuple(shares), (*listing.problems, *unread), notes=listing.notes)


def _predict(
    job: PredictJob,
    stamps: Mapping[ImageFile, Stamp | None],
    ledger: Ledger,
    *,
    pool: Pool,
    progress: Progress,
) -> Predicted:
    """Predict the files of a job and enter each that has not changed meanwhile."""
    shares: list[MaskShares] = []
    problems: list[Problem] = []
    by_name = {file.name: file for file in job.files}
    jobs = _share_out(job, ledger, num_workers=pool.num_workers)
    for _, done in pool.run(predict_files, jobs, progress.advance):
        problems += done.problems
        shares += done.shares
        entries = []
        for share in done.shares:
            file = by_name[share.name]
            stamp = stamps[file]
            if stamp is not None and _stamp(file) == stamp:
                entries.append(LedgerEntry(share.name, stamp, "", (*share.files, *done.archives), asdict(share)))
        ledger.record_all(entries)
    return Predicted(tuple(shares), tuple(problems))


def _share_out(job: PredictJob, ledger: Ledger, *, num_workers: int) -> list[PredictJob]:
    """Share files out over jobs: those of an archive of earlier; of the others archives where these are very many."""
    shards: dict[str, list[ImageFile]] = {}
    for file in job.files:
        shards.setdefault(ledger.shard_of(file.name), []).append(file)
    rest = replace(job, files=tuple(shards.pop("", ())))
    again = [replace(job, shard=shard, amends=True, files=tuple(files)) for shard, files in sorted(shards.items())]
    if len(rest.files) > SHARDED_FROM:
        found = shards_of([file.name for file in rest.files], number=ledger.next_shard())
        return [*again, *rest.in_shards(found)]
    num_jobs = max(4 * num_workers, -(-len(rest.files) // _FILES_A_JOB))
    return [*again, *rest.share_out(num_jobs)]


def write_tables(out: Path, ledger: Ledger, about: About) -> None:
    """Write the tables of all images that lie in the folder."""
    shares = [_SHARES.validate_python(facts) for facts in ledger.facts()]
    names = [each.name for each in about.classes] if about.values is None else []
    written = tables(shares, class_names=names, position_class=about.position_class, table_name=SUMMARY)
    for file, text in written.items():
        write_text(out / file, text)


def _about(model: Path, pictures: ExtraOutputs) -> About:
    """Tell of a model; what it marks, and what is installed, has to do for what is to be written."""
    about = Ensemble.load(model, device="cpu").about
    if about.values is not None:
        check_pictures(pictures, about.task)
    if pictures.split and about.position_class is not None:
        what = f"is for models that mark no centres; by {about.position_class} objects are told apart already"
        raise fail(option("split"), what, "leave it out")
    if pictures.split or (pictures.instances and about.position_class is not None):
        check_can_grow()
    return about


def _check_out(out: Path) -> None:
    if (out / MANIFEST).exists():
        raise fail(out, "is a run folder", another_folder())
    check_folder_name(out, "what is predicted")


def _num_workers(asked: int, num_files: int) -> int:
    worth_starting = -(-num_files // CHUNK)
    return min(asked or num_cores(), worth_starting)


def _key(model: Path, pictures: ExtraOutputs) -> str:
    """Tell what stands for the weights, their description and the options."""
    digest = hashlib.sha256(json.dumps([_FORMAT, asdict(pictures)]).encode())
    folder = model_folder(model)
    for path in sorted([folder / ABOUT, *folder.glob("*.safetensors")]):
        with open(path, "rb") as handle:
            digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()
