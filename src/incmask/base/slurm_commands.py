"""What Slurm is asked, by its own commands: to run a script for each task, what waits, and to take it back."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from incmask.base.caller import option
from incmask.base.errors import fail
from incmask.base.job_folder import LOGS
from incmask.base.local_pool import ONE_THREAD

FOLDER = Path("incmask-slurm")
NUM_TASKS = 16
SCRIPT = "script.sh"


def options_of(sbatch: str) -> list[str]:
    """Split options for ``sbatch``.

    Raises:
        IncmaskError: a quote is left open, or they are of what is settled here.

    Examples:
        >>> options_of("--partition=gpu --comment='two words'")
        ['--partition=gpu', '--comment=two words']
    """
    try:
        options = shlex.split(sbatch)
    except ValueError as error:
        raise fail(option("sbatch", sbatch), f"cannot be split ({error})", "close the quotes") from error
    for word in options:
        if re.match(r"--(array|parsable|output|error|wrap|wait)\b|-[aoeW]", word):
            raise fail(option("sbatch", sbatch), f"{word} is settled by incmask", "leave it out")
    return options


def own_options(root: Path, num_cores: int = 1) -> list[str]:
    """Give what is asked of ``sbatch`` before a person's own options, which win."""
    logs = root / LOGS / "%A_%a.txt"
    return ["--job-name=incmask", f"--output={logs}", "--open-mode=append", "--requeue", f"--cpus-per-task={num_cores}"]


def script(root: Path, modules: Collection[str] = ()) -> str:
    """Write the script that each task runs; its argument is the place of the array's first job.

    Examples:
        >>> script(Path("/shared/jobs")).splitlines()[-1].endswith(
        ...     "-m incmask work /shared/jobs --job $(($1 + SLURM_ARRAY_TASK_ID))")
        True
    """
    words = [sys.executable, "-m", "incmask", "work", str(root), *(f"--module={name}" for name in modules)]
    exported = [f"export {name}={value}" for name, value in {**ONE_THREAD, "PYTHONHASHSEED": "0"}.items()]
    return "\n".join(["#!/bin/sh", *exported, f"exec {shlex.join(words)} --job $(($1 + SLURM_ARRAY_TASK_ID))", ""])


def dry_run(sbatch: str = "", *, num_tasks: int = NUM_TASKS, folder: Path = FOLDER) -> str:
    """Tell how jobs would be handed in: the command, and the script; nothing is written."""
    root = folder.absolute() / "1"
    words = ["sbatch", "--parsable", f"--array=0-9%{num_tasks}", *own_options(root), *options_of(sbatch)]
    return f"{shlex.join([*words, str(root / SCRIPT), '0'])}\n\n{script(root)}"


def spelled(places: Sequence[int]) -> str:
    """Spell places as Slurm does.

    Examples:
        >>> spelled([0, 1, 2, 5, 7, 8])
        '0-2,5,7-8'
    """
    parts: list[list[int]] = []
    for place in sorted(places):
        if parts and place == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], place]
        else:
            parts.append([place])
    return ",".join("-".join(map(str, part)) for part in parts)


def queued() -> set[tuple[str, int]] | None:
    """Give the arrays and indices of this person's tasks that wait or run; None: Slurm does not answer."""
    told = called(["squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%F %K"])
    if told.returncode:
        return None
    rows = [line.split() for line in told.stdout.splitlines()]
    return {(row[0], int(row[1])) for row in rows if len(row) == 2 and row[1].isdecimal()}


def cancel(arrays: Collection[str]) -> None:
    """Take back what was handed in."""
    if arrays := sorted({*arrays} - {""}):
        called(["scancel", *arrays])


def called(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Call a command of Slurm's; what it says is not shown."""
    # Ctrl-C reaches the whole process group, and is for this process alone.
    return subprocess.run(words, capture_output=True, text=True, check=False, start_new_session=True)  # noqa: S603 - no shell
