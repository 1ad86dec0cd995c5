"""Data sets, labels and models of others, for Python."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, overload

from incmask.api.listening import AnyPath, file_at, folder_of, listening, model_at, run_at
from incmask.base.caller import option
from incmask.base.errors import fail
from incmask.base.progress import Progress
from incmask.base.validation import choose
from incmask.data.bringing import bring
from incmask.data.rounds import ROUNDS
from incmask.data.storage import copied_from, shown
from incmask.exchange.corrections.export import Exported, export_labels
from incmask.exchange.corrections.take_back import (
    Corrections,
    Imported,
    Unchanged,
    Unsure,
    add_round,
    read_corrections,
)
from incmask.exchange.models.model import ExportedModel, export_model
from incmask.exchange.names import MODEL_TARGETS, TARGETS, LabelTarget, ModelTarget
from incmask.exchange.prepare.plan import PrepareOptions
from incmask.exchange.prepare.prepare import Prepared
from incmask.exchange.prepare.prepare import prepare as run_prepare
from incmask.experiment.executor import Executor


def prepare(
    kind: Literal["folder", "isic2018", "hela", "suim", "cityscapes"],
    source: AnyPath,
    target: AnyPath,
    *,
    paper: bool = False,
    ids: Literal["all", "train"] = "all",
    group_split: bool = True,
    layout: str | None = None,
    group: str | None = None,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    labelled_fraction: float = 1.0,
    seed: int = 42,
    progress: Progress | bool = False,
    executor: Executor | None = None,
) -> Prepared:
    """Make a data folder of files in other forms, or of a public data set, as ``incmask prepare`` does.

    Args:
        kind: "folder" for your own files, or a data set.
        source: archives or unpacked folders, or their URL.
        target: the data folder to make, or its URL; an unfinished one goes on.
        paper: do as the paper did, even where that is worse.
        ids: of Cityscapes: all 34 ids, or the usual 19 to train on.
        group_split: of HeLa: all crops of a frame stay together.
        layout: of your own files: how they lie, such as "coco"; None: recognised.
        group: of your own files: regular expression for the part of a name that stays together, or "none"; None: as
            names tell.
        val_fraction: of your own files: share to validate, 0 to 1.
        test_fraction: of your own files: share to test, 0 to 1.
        labelled_fraction: of your own files: share of the rest that keeps its masks, 0 to 1.
        seed: of every split and crop.
        progress: True shows lines and a bar, here or in the notebook; or a listener.
        executor: where the work is done; default: in processes of this machine.

    Returns:
        What was written: the folder, its parts, and what a person should be told.

    Raises:
        IncmaskError: the source is incomplete or damaged, or the target holds other things.

    Examples:
        >>> incmask.prepare("folder", "theirs", "mydata2", val_fraction=0.25).parts["val"]
        2
    """
    options = PrepareOptions(
        paper=paper,
        ids=ids,
        group_split=group_split,
        seed=seed,
        layout=layout,
        group=group,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        labelled_fraction=labelled_fraction,
    )
    with listening(progress) as listener:
        open_pool = (executor or Executor()).open_pool
        with run_at(target, listener) as (folder, heard):
            found = folder_of(source, heard)
            return run_prepare(kind, found, folder, open_pool=open_pool, options=options, progress=heard)


@overload
def export(run: AnyPath, out: AnyPath, *, format: ModelTarget, progress: Progress | bool = False) -> ExportedModel: ...
@overload
def export(
    run: AnyPath,
    out: AnyPath,
    *,
    format: LabelTarget,
    top: int | None = None,
    least_px: int | None = None,
    split: bool = False,
    progress: Progress | bool = False,
) -> Exported: ...
def export(
    run: AnyPath,
    out: AnyPath,
    *,
    format: ModelTarget | LabelTarget,
    top: int | None = None,
    least_px: int | None = None,
    split: bool = False,
    progress: Progress | bool = False,
) -> ExportedModel | Exported:
    """Write the model for other programs, or pseudo-labels for a tool that corrects them, as ``incmask export`` does.

    Args:
        run: run folder, or its URL; for a model, also a model folder.
        out: for a model the file, which ends in .onnx, .pt2 or (bioimageio) .zip; for labels a folder, or .zip; or a
            URL of these.
        format: of a model "onnx", "torch" or "bioimageio"; of labels "coco", "cvat", "label-studio", "labelme",
            "napari" or "png".
        top: labels of as many images that are to be labelled first; None: of all.
        least_px: labels: where shapes are written, smaller regions and holes are merged into what surrounds them, and
            unsure ones up to 4 times as large; None: as is usual; 1: every pixel as the models have it.
        split: labels: objects that touch are shapes of their own, by their centres or else at their waists.
        progress: True shows lines and a bar, here or in the notebook; or a listener.

    Returns:
        Of a model its path, card and how far it is from PyTorch's; of labels the names of their images.

    Raises:
        IncmaskError: there is no run or model, the format is unknown, a package lacks, or the file cannot be written.

    Examples:
        >>> len(incmask.export("myrun", "fix", format="labelme", top=2).names)
        2
    """
    is_model = choose(dict.fromkeys(MODEL_TARGETS, True) | dict.fromkeys(TARGETS, False), format, option=option("to"))
    for name, value in (("top", top), ("least-px", least_px), ("split", split or None)):
        if is_model and value is not None:
            raise fail(option(name), f"is for labels, and {format} exports the model", "leave it out")
    with listening(progress) as listener:
        if is_model:
            with file_at(out, listener) as path:
                return export_model(model_at(run, listener), path, target=format, progress=listener)
        # The run remembers what was given away.
        with run_at(run, listener) as (folder, heard), _labels_at(out, heard) as path:
            return export_labels(folder, path, target=format, top=top, least_px=least_px, split=split, progress=heard)


@contextmanager
def _labels_at(out: AnyPath, progress: Progress) -> Iterator[Path]:
    """Give the archive or folder that exported labels go to, here or on a URL."""
    if Path(out).suffix.casefold() == ".zip":
        with file_at(out, progress) as path:
            yield path
        return
    with run_at(out, progress) as (folder, _):
        yield folder


def import_labels(
    run: AnyPath,
    corrected: AnyPath,
    *,
    format: LabelTarget,
    unsure: Unsure = "ignore",
    unchanged: Unchanged = "skip",
    data: AnyPath | None = None,
    progress: Progress | bool = False,
) -> Imported:
    """Add corrected masks to the labelled images as a new round, as ``incmask import`` does.

    Args:
        run: the run folder whose pseudo-labels were exported and corrected, or its URL.
        corrected: what the tool gave back: an archive, a folder or a file, or a URL of these.
        format: that it was exported in.
        unsure: regions that are still unsure: "ignore", they count as not labelled; "skip" their images; "refuse" them.
        unchanged: images that came back as they were exported: "skip" them, as nobody may have looked at them, or
            "confirm" that they are right.
        data: data folder to add to, or its URL, where the round is brought; None: the one that the run tells.
        progress: True shows lines and a bar, here or in the notebook; or a listener.

    Returns:
        The round that was added; the next ``run`` starts from this run's models.

    Raises:
        IncmaskError: with everything that is wrong; then nothing is added.

    Examples:
        >>> _ = incmask.export("myrun", "fix2", format="png", top=2)
        >>> incmask.import_labels("myrun", "fix2", format="png", unchanged="confirm").round.number
        2
    """
    with listening(progress) as listener:
        found = read_back(run, corrected, target=format, data=data, progress=listener)
        return add_back(found, unsure=unsure, unchanged=unchanged, progress=listener)


def read_back(
    run: AnyPath, corrected: AnyPath, *, target: str, data: AnyPath | None, progress: Progress
) -> Corrections:
    """Read corrected masks and check them; the arguments are those of ``import_labels``."""
    with run_at(run, progress, writes=False) as (folder, heard):
        received = folder_of(corrected, heard)
        into = folder_of(data, heard) if data else None
        return read_corrections(folder, received, target=target, data=into, progress=heard)


def add_back(found: Corrections, *, unsure: Unsure, unchanged: Unchanged, progress: Progress) -> Imported:
    """Add what ``read_back`` gave to the data, and bring it to the URL that these are a copy of."""
    done = add_round(found, unsure=unsure, unchanged=unchanged, progress=progress)
    if url := copied_from(done.data):
        files = sorted(path for path in (done.data / done.round.folder).rglob("*") if path.is_file())
        # A round counts once its folder is there and it is told of.
        bring(url, done.data, [path.relative_to(done.data).as_posix() for path in (*files, done.data / ROUNDS)])
        progress.say(f"brought to {shown(url)}")
    return done
