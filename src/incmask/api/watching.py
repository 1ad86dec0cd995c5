"""What looks at the files of a run, whoever works on it: loads no network, so that it answers at once."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from incmask.api.listening import AnyPath, listening, run_at
from incmask.base.caller import command
from incmask.base.errors import fail
from incmask.base.manifest import MANIFEST
from incmask.base.progress import Progress
from incmask.base.run_log import LOG
from incmask.data.storage import glance, shown, url_of
from incmask.experiment.record.status import Status, read_status
from incmask.experiment.record.verify import Verified, verify_run


def verify(run: AnyPath, *, progress: Progress | bool = False) -> Verified:
    """Find damaged, missing and unknown files of a run, comparison or search: all of each is read.

    As ``incmask verify`` does.

    Args:
        run: its folder, or its URL; it is not touched.
        progress: True shows lines and a bar, here or in the notebook; or a listener.

    Returns:
        ``problems``, a damaged or missing file each, and the ``unknown`` ones.

    Raises:
        IncmaskError: it is no run folder.

    Examples:
        >>> incmask.verify("myrun").problems
        ()
    """
    with listening(progress) as listener, run_at(run, listener, writes=False) as (folder, heard):
        return verify_run(folder, heard)


def status(run: AnyPath) -> Status:
    """Tell how far a run, comparison or search is, as ``incmask status`` does: from its files, also on another machine.

    Args:
        run: its folder, or its URL; it is not touched.

    Returns:
        ``state``, ``stage``, how much is ``done`` of what is ``expected``, ``seen``, its last sign of life, and more.

    Raises:
        IncmaskError: it is no run folder, or one of a version that kept no log.

    Examples:
        >>> incmask.status("myrun").state
        'ended'
    """
    if (url := url_of(run)) is None:
        return read_status(Path(run))
    with TemporaryDirectory() as folder:
        glance(url, (MANIFEST, LOG), Path(folder))
        if not Path(folder, MANIFEST).exists():
            raise fail(shown(url), "holds no run", f"name what {command('run')} wrote to")
        found = read_status(Path(folder))
        return replace(found, root=Path(shown(url)))
