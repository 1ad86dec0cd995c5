"""A Slurm of small programs on PATH: ``sbatch`` runs the tasks of an array one after the other, in the background.

Under ``by_hand`` nothing runs by itself: a test takes what was handed in from ``waiting`` and does it, in its own
process.
"""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from incmask.base import slurm_pool
from incmask.base.job_folder import JobFolder

_COMMON = """#!{python} -SE
import os, pathlib, signal, subprocess, sys
state = pathlib.Path({state!r})
queue = state / "queue"
"""

_SBATCH = """
if (state / "refuses").exists():
    sys.exit("sbatch: error: invalid partition specified: gpus")
words = dict(word.partition("=")[::2] for word in sys.argv[1:] if word.startswith("--"))
script, first = sys.argv[-2:]
array = str(len(list(state.glob("array-*"))) + 1)
places = []
for part in words["--array"].partition("%")[0].split(","):
    low, _, high = part.partition("-")
    places += range(int(low), int(high or low) + 1)
(state / f"array-{array}").write_text(" ".join(sys.argv[1:]))
for place in places:
    # Whole as soon as it is seen.
    (state / "new").write_text(f"{script}\\n{first}\\n{place}")
    (state / "new").rename(queue / f"{array}_{place}")
print(array + ";cluster")
if (state / "by hand").exists() or os.fork():
    sys.exit()
os.setsid()
(state / f"runner-{array}").write_text(str(os.getpid()))
null = os.open(os.devnull, os.O_RDWR)
for handle in (0, 1, 2):
    os.dup2(null, handle)
limit = float((state / "limit").read_text()) if (state / "limit").exists() else None
for place in places:
    log = words["--output"].replace("%A", array).replace("%a", str(place))
    with open(log, "a") as output:
        environment = {**os.environ, "SLURM_ARRAY_TASK_ID": str(place)}
        task = subprocess.Popen(["sh", script, first], stdout=output, stderr=output, env=environment)
        try:
            task.wait(limit)
        except subprocess.TimeoutExpired:
            task.kill()
            output.write("slurmstepd: error: *** JOB CANCELLED DUE TO TIME LIMIT ***\\n")
    (queue / f"{array}_{place}").unlink(missing_ok=True)
"""

_SQUEUE = """
if (state / "is away").exists():
    sys.exit("slurm_load_jobs error: Unable to contact slurm controller")
for path in queue.iterdir():
    print(*path.name.split("_"))
"""

_SCANCEL = """
for array in sys.argv[1:]:
    (state / f"cancelled-{array}").write_text("")
    for path in queue.glob(f"{array}_*"):
        path.unlink()
    runner = state / f"runner-{array}"
    if runner.exists():
        try:
            os.killpg(int(runner.read_text()), signal.SIGKILL)
        except OSError:
            pass
"""


class FakeSlurm:
    """The state of one, in a folder.

    Attributes:
        state: files that say what was handed in, and what is to go wrong.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch):
        self.state, programs = folder / "state", folder / "bin"
        for made in (self.state / "queue", programs):
            made.mkdir(parents=True)
        for name, text in (("sbatch", _SBATCH), ("squeue", _SQUEUE), ("scancel", _SCANCEL)):
            (programs / name).write_text(_COMMON.format(python=sys.executable, state=str(self.state)) + text)
            (programs / name).chmod(0o755)
        patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        # Tasks find this program and the tests where this process does.
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        for name, seconds in (("_LOOK_S", 0.02), ("_ASK_S", 0.1), ("_PATIENCE_S", 0.2)):
            patch.setattr(slurm_pool, name, seconds)

    def say(self, name: str, text: str = "") -> None:
        """Let something be so: "by hand", "refuses", "is away", or the "limit" of a task in seconds."""
        (self.state / name).write_text(text)

    def handed_in(self) -> list[list[str]]:
        """Give the words of each call of ``sbatch``, oldest first."""
        paths = sorted(self.state.glob("array-*"), key=lambda path: int(path.name.partition("-")[2]))
        return [path.read_text().split() for path in paths]

    def cancelled(self) -> set[str]:
        """Give the arrays that were taken back."""
        return {path.name.partition("-")[2] for path in self.state.glob("cancelled-*")}

    def work_by_hand(self) -> int:
        """Do, in this process, all tasks that wait; one that raises is lost. Give how many there were."""
        num = 0
        for path in sorted((self.state / "queue").iterdir()):
            script, first, place = path.read_text().split("\n")
            words = shlex.split(Path(script).read_text().splitlines()[-1])
            modules = [word.partition("=")[2] for word in words if word.startswith("--module=")]
            with suppress(Lost):
                JobFolder(Path(words[words.index("work") + 1]), modules=modules).work(int(first) + int(place))
            path.unlink(missing_ok=True)
            num += 1
        return num

    def ever(self, stopped: Iterator[bool]) -> None:
        """Do what waits again and again, until there is something to stop at."""
        for _ in stopped:
            self.work_by_hand()


class Lost(BaseException):
    """What ends a task by hand as a kill does: nothing answers it."""
