"""The command that writes the report of a run."""

from pathlib import Path
from typing import Annotated

import typer

from incmask.commands.arguments import Json, Quiet
from incmask.commands.shell import listener, print_result


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a finished run")],
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write report.html into a run folder: scores, whether the unlabelled images helped, doubtful images."""
    from incmask.insight.report.run_page.write import write_report

    with listener(quiet or as_json) as progress:
        progress.doing("writing the report")
        page = write_report(run)
    print_result(f"report         {page}", {"report": str(page)}, as_json=as_json)
