"""What looks at data, at a run, and at corrections: nothing here trains."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from incmask.api.listening import AnyPath, file_at, folder_of, listening, run_at
from incmask.base.caller import option
from incmask.base.errors import IncmaskError, fail
from incmask.base.progress import Progress
from incmask.data.doctor.fix import Change, fix_folder
from incmask.experiment.checked import Checked, check_data
from incmask.experiment.executor import Executor
from incmask.experiment.volumes import refuse_volumes
from incmask.insight.finish import report_anew
from incmask.insight.ranking.orders import OrderName
from incmask.insight.ranking.rank import write_ranking
from incmask.insight.ranking.rows import Ranking
from incmask.insight.report.folder_page import write_folder_page
from incmask.method.labels import check_classes


def check(
    data: AnyPath,
    *,
    group: str | None = None,
    show: AnyPath | None = None,
    fix: AnyPath | None = None,
    progress: Progress | bool = False,
) -> Checked:
    """Find out what is in a data folder, what is wrong with it and how to mend it, as ``incmask check`` does.

    Args:
        data: the folder, or its URL; it is not touched.
        group: as for ``run``.
        show: page to write, or its URL, ending in .html: pictures with the masks drawn on them; None: none.
        fix: folder to make, or its URL: a corrected copy of what can be mended without asking; None: none. It must not
            hold anything, and is not made where nothing is to be mended.
        progress: True shows lines and a bar, here or in the notebook; or a listener.

    Returns:
        ``facts`` (task, classes, images, sizes), ``problems``, which hinder a run, ``findings``, which may spoil it,
        a ``description`` in lines, and the ``changes`` of a corrected copy, a file each.

    Raises:
        IncmaskError: the page or the copy cannot be written.

    Examples:
        >>> found = incmask.check("mydata")
        >>> found.problems, found.facts.task, found.facts.parts["labelled"].num_images
        ((), 'binary', 8)
    """
    with listening(progress) as listener:
        folder = folder_of(data, listener)
        found = check_data(folder, group=group)
        if found.dataset is not None and (show is not None or fix is not None):
            check_classes(found.dataset.task, option("show" if fix is None else "fix"))
        if show is not None:
            with file_at(show, listener) as page:
                write_folder_page(page, found, name=folder.resolve().name)
        if fix is None:
            return found
        with run_at(fix, listener) as (out, _):
            return replace(found, changes=_fix(found, out))


def _fix(found: Checked, out: Path) -> tuple[Change, ...]:
    if found.dataset is None:
        raise IncmaskError(found.problems)
    if found.dataset.volumes is not None:
        raise fail(found.dataset.root, f"holds volumes, and {option('fix')} mends images", "mend what is told by hand")
    return fix_folder(found.dataset, found.images, out)


def rank(
    run: AnyPath,
    *,
    out: AnyPath | None = None,
    crop_px: int | None = None,
    top: int | None = None,
    order: OrderName = "ranked",
    progress: Progress | bool = False,
    executor: Executor | None = None,
) -> Ranking:
    """Say which unlabelled images to label next, and why, as ``incmask rank`` does.

    Args:
        run: folder of a run that has ended, or its URL.
        out: CSV file to write, or its URL; default: ``ranking.csv`` in the run folder, and nothing with ``top`` or
            ``crop_px``.
        crop_px: rank square crops with this side; None: whole images.
        top: so many rows; None: all.
        order: by what: "ranked", the expected error of all that an image stands for; "diverse", how much it stands for,
            whatever the models make of it; "core-set", how far it is from all that is known; "typical", the most
            typical of each cluster without a label; "entropy", how doubtful it is by itself; or "random".
        progress: True shows lines and a bar, here or in the notebook; or a listener.
        executor: where the work is done; default: in processes of this machine.

    Returns:
        The ``rows``, best first, each with its ``name``, ``score`` and ``reason``.

    Raises:
        IncmaskError: the folder holds no finished run, the run has no unlabelled images, or a file is missing.

    Examples:
        >>> [row.rank for row in incmask.rank("myrun", top=2).rows]
        [1, 2]
    """
    with listening(progress) as listener, run_at(run, listener) as (folder, heard), _file_or_none(out, heard) as table:
        if crop_px is not None:
            refuse_volumes(folder, option("crops"))
        return write_ranking(
            folder,
            open_pool=(executor or Executor()).open_pool,
            out=table,
            crop_px=crop_px,
            top=top,
            order=order,
            progress=heard,
        )


def _file_or_none(out: AnyPath | None, progress: Progress) -> AbstractContextManager[Path | None]:
    return file_at(out, progress) if out else nullcontext()


def report(run: AnyPath, *, progress: Progress | bool = False, executor: Executor | None = None) -> Path:
    """Write ``report.html`` into a run folder, as ``incmask report`` does.

    Args:
        run: folder of a finished run, or its URL.
        progress: True shows lines and a bar, here or in the notebook; or a listener.
        executor: where the work is done that the page needs anew; default: in processes of this machine.

    Returns:
        The page; of a URL its copy on this machine.

    Raises:
        IncmaskError: it is no finished run, a file is damaged, or the packages for reports are not installed.

    Examples:
        >>> incmask.report("myrun").name
        'report.html'
    """
    with listening(progress) as listener, run_at(run, listener) as (folder, heard):
        return report_anew(folder, open_pool=(executor or Executor()).open_pool, progress=heard)
