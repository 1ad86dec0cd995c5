"""The command that a cluster's own programs call: one job of a folder of jobs."""

from pathlib import Path
from typing import Annotated

import typer


def work(
    folder: Annotated[Path, typer.Argument(help="folder of jobs, as `--on slurm` makes it")],
    job: Annotated[int, typer.Option("--job", min=0, help="which of them, counted from 0")],
    modules: Annotated[
        list[str], typer.Option("--module", metavar="NAME", help="package beside this one that jobs may name")
    ] = [],  # noqa: B006 - typer copies it
) -> None:
    """Do one job of a folder of jobs; Slurm calls it for each."""
    from incmask.base.job_folder import JobFolder

    JobFolder(folder, modules=modules).work(job)
