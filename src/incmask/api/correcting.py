"""Masks corrected in the browser."""

from collections.abc import Callable
from pathlib import Path

from incmask.api.listening import AnyPath, run_at
from incmask.base.limits import refusals_told
from incmask.base.progress import Silent
from incmask.data.storage import refuse_url
from incmask.exchange.correcting.desk import MOST_BYTES, Corrected, open_desk
from incmask.exchange.correcting.server import serve


def correct(
    run: AnyPath,
    *,
    out: AnyPath | None = None,
    top: int | None = None,
    port: int = 0,
    browser: bool = True,
    say: Callable[[str], None] = print,
) -> Corrected:
    """Let a person correct masks in the browser, as ``incmask correct`` does, until they finish or interrupt it.

    Args:
        run: folder of a finished run, or its URL.
        out: folder for what is saved, an image at once and whole; one that holds some goes on. None: beside the run,
            and of a URL beside its copy on this machine.
        top: as many of the images that are to be labelled first; None: all.
        port: where the page is served, on this machine alone; 0: any that is free.
        browser: open the page.
        say: is told the address of the page.

    Returns:
        Which images were saved, and the ``next_step``, which adds them to the data.

    Raises:
        IncmaskError: it is no finished run, images are gone or all are labelled, or the port is taken.

    Examples:
        >>> done = incmask.correct("myrun", top=20)  # doctest: +SKIP
        >>> incmask.import_labels("myrun", done.out, format="png", unchanged="confirm")  # doctest: +SKIP
    """
    if out:
        refuse_url(out, "what a person paints is saved")
    with refusals_told(), run_at(run, Silent(), writes=False) as (folder, _):
        desk = open_desk(folder, out=Path(out) if out else None, top=top, most_bytes=MOST_BYTES)
        return serve(desk, port=port, open_browser=browser, say=say)
