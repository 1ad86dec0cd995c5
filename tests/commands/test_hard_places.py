"""Where commands have it hard: they come to the right result, or say in a line what, where and how to mend it, and the
same command then comes to what it would have come to."""

import functools
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from incmask.base import run_log
from incmask.base.errors import IncmaskError
from incmask.experiment.choices import Choices
from incmask.experiment.record.status import read_status
from incmask.experiment.run import run
from nightly import AT_NIGHT, NIGHTLY
from runs import HERE, SETTINGS, Listener, make_data, results

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits and streams of POSIX")

FEW = SETTINGS | {"epochs": 1, "num_workers": 2}
NAMES = "unlabelled Zürich 細胞"


def ended(root, prelude, *words, **env):
    """Call the command line in a shell that first does something; gives how it ended."""
    command = ("sh", "-c", f'{prelude}\nexec "$@"', "sh", sys.executable, "-m", "incmask", *words)
    given = {"cwd": root, "env": os.environ | env, "capture_output": True}
    return subprocess.run(command, **given, text=True, encoding="utf-8", errors="replace", check=False)


def told(end):
    """Give the lines of a command that failed, as a person wants them: without a traceback, with what and mend."""
    lines = [line for line in end.stderr.splitlines() if line]
    assert end.returncode == 1, end.stderr
    assert lines
    assert all(line.startswith("incmask: ") and "; " in line for line in lines), end.stderr
    return [line.removeprefix("incmask: ") for line in lines]


def begun_in(setup):
    """Let a command begin where file systems can be mounted, after what is mounted."""
    return f"""exec unshare -rm sh -c '{setup} && exec "$@"' sh "$@" """


@functools.cache
def can(*words):
    """Tell whether this machine lets anybody do so."""
    return bool(shutil.which(words[0])) and subprocess.run(words, capture_output=True, check=False).returncode == 0


# Cheap ones: nothing heavy is loaded.


def test_a_full_disk_behind_standard_output_is_a_line(tmp_path):
    assert told(ended(tmp_path, "exec > /dev/full", "settings")) == [
        "disk: is full; make room; the same command goes on from here"
    ]


def test_a_reader_that_has_seen_enough_ends_a_command_without_a_word(tmp_path):
    # The shell waits until the other end of the pipe is closed.
    prelude = "exec 3>&1; mkfifo pipe; (exec 4<pipe) & exec >pipe; wait"
    end = ended(tmp_path, prelude, "settings")
    assert (end.returncode, end.stderr) == (1, "")


def test_no_file_gets_the_number_of_a_stream_that_is_closed(tmp_path):
    code = """
import sys
from incmask.commands import cli
sys.argv = ["incmask", "--version"]
try:
    cli.main()
except SystemExit:
    file = open("file.txt", "w")
    file.write(str(file.fileno()))
"""
    command = ["sh", "-c", 'exec <&- >&- 2>&-; exec "$@"', "sh", sys.executable, "-c", code]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert int((tmp_path / "file.txt").read_text()) > 2


def test_too_few_addresses_are_told_before_a_library_ends_the_process(tmp_path):
    (line,) = told(ended(tmp_path, "ulimit -v 600000", "status", "here"))
    assert line.startswith("memory: ulimit -v leaves 0.")
    assert line.endswith(" GB to each process, and its programs alone take 1.2; raise the limit: ulimit -v unlimited")


@pytest.fixture
def nowhere(tmp_path):
    """Work in a folder that is removed."""
    before = os.getcwd()
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    os.rmdir(tmp_path / "gone")
    yield tmp_path
    os.chdir(before)


@pytest.mark.parametrize("words", ["check data", "run data", "status run", "predict run images -o out"])
def test_a_working_folder_that_was_removed_is_told(nowhere, call, words):
    code, _, lines = call(*words.split())
    assert code == 1
    assert all("; " in line for line in lines.strip().splitlines())
    assert "Traceback" not in lines


# What changes while a run works.


class Meddler(Listener):
    """Does something when it is told something for the ``at``-th time."""

    def __init__(self, at, do):
        super().__init__()
        self._at, self._do = at, do

    def _count(self):
        super()._count()
        if self.num_calls == self._at:
            self._do()


def repainted(path):
    with Image.open(path) as image:
        Image.new(image.mode, image.size, 77).save(path)


def removed(path):
    # A run may not have begun by then.
    shutil.rmtree(path, ignore_errors=True)


CHANGES = {
    f"{part} image {change.__name__}": (f"data/{part}/images/{part} 0.png", change)
    for part in ("labelled", "unlabelled", "test")
    for change in (repainted, Path.unlink)
} | {"run removed": ("run", removed), "data removed": ("data", removed)}
AT_DAY = ("labelled image repainted", 0.2), ("unlabelled image unlink", 0.9), ("run removed", 0.5)
SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.97)
LATER = [pytest.param(name, at, marks=NIGHTLY) for name in CHANGES for at in SHARES if (name, at) not in AT_DAY]


def run_here(root, listener=None):
    listener = listener or Listener()
    run(root / "data", root / "run", choices=Choices(recipe="im", settings=SETTINGS), executor=HERE, progress=listener)
    return dict(results(root / "run")), listener.num_calls


def tried(root, listener):
    """Run; give the result, or else what was wrong."""
    try:
        return run_here(root, listener)[0], ()
    except IncmaskError as error:
        return None, error.problems


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Data, and what a run makes of it that nobody meddles with."""
    from finished_runs import leave_untrained

    root = tmp_path_factory.mktemp("whole")
    make_data(root / "data", "binary", truth=False)
    with pytest.MonkeyPatch.context() as patch:
        leave_untrained(patch)
        return root / "data", *run_here(root)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "share"), [*AT_DAY, *LATER])
def test_what_changes_while_a_run_works(tmp_path, whole, untrained, name, share):
    data, expected, num = whole
    shutil.copytree(data, tmp_path / "data")
    path, change = CHANGES[name]
    found, problems = tried(tmp_path, Meddler(1 + round(share * (num - 1)), lambda: change(tmp_path / path)))
    assert found == expected or problems
    assert all(each.where and each.what and each.remedy for each in problems)
    if name == "run removed" and problems:
        assert problems[0].what == "was removed while it was worked on"
        removed(tmp_path / "run")
    removed(tmp_path / "data")
    shutil.copytree(data, tmp_path / "data")
    assert run_here(tmp_path)[0] == expected


def test_a_clock_that_goes_back_and_files_of_the_future_change_nothing(tmp_path, whole, untrained, monkeypatch):
    """Files are from the next century; each time that is asked for is an hour before the last."""

    class Backwards(datetime):
        num = 0

        @classmethod
        def now(cls, tz=None):
            cls.num += 1
            return datetime(2026, 1, 2, tzinfo=UTC) - timedelta(hours=cls.num)

    data, expected, num = whole
    shutil.copytree(data, tmp_path / "data")
    monkeypatch.setattr(run_log, "datetime", Backwards)
    for listener, ends in ((Listener(kill_at=num // 2), pytest.raises(KeyboardInterrupt)), (None, None)):
        for path in tmp_path.rglob("*"):
            os.utime(path, (4_200_000_000, 4_200_000_000))
        if ends:
            with ends:
                run_here(tmp_path, listener)
        else:
            assert run_here(tmp_path)[0] == expected
        assert Backwards.num > 2
        status = read_status(tmp_path / "run")
        assert status.seconds_left is None
        assert status.lines()


# Whole commands with worker processes.


def words_of_run(root):
    settings = [f"--set={name}={str(value).replace(' ', '')}" for name, value in FEW.items()]
    return "run", str(root / "data"), "-o", str(root / "run"), "--recipe", "im", "--quiet", *settings


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Data whose names are not ASCII, and what a run makes of it; trained in workers as the command line does."""
    root = tmp_path_factory.mktemp("undisturbed")
    make_data(root / "data", "multilabel", truth=False)
    for path in sorted((root / "data").rglob("*.png")):
        path.rename(path.with_name(path.name.replace("unlabelled", NAMES)))
    for folder in sorted((root / "data").rglob("dark")):
        folder.rename(folder.with_name("größer 暗"))
    end = ended(root, "", *words_of_run(root))
    assert end.returncode == 0, end.stderr
    return root / "data", dict(results(root / "run"))


@pytest.fixture
def place(tmp_path, undisturbed):
    shutil.copytree(undisturbed[0], tmp_path / "data")
    return tmp_path


RIGHT = {
    "no HOME": "unset HOME",
    "a HOME that is none, of nobody": 'exec unshare --map-user=12345 env HOME=/proc/nothing "$@"',
    "LC_ALL=C": "export LC_ALL=C",
    "64 open files": "ulimit -n 64",
    "64 KiB of /dev/shm": begun_in("mount -t tmpfs -o size=64k tmpfs /dev/shm"),
    "data that are read only": begun_in("mount --bind data data && mount -o remount,ro,bind data"),
    "no stdin": "exec <&-",
    "no stderr": "exec 2>&-",
    "no streams": "exec <&- >&- 2>&-",
}
REFUSED = {
    "ASCII alone": ("export LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0", "set PYTHONUTF8=1 first"),
    "16 open files": ("ulimit -n 16", "open files: as many are open as are allowed; raise the limit first"),
    "no room in /dev/shm": (begun_in("mount -t tmpfs -o ro tmpfs /dev/shm"), "/dev/shm: has no room for worker "),
    "a working folder that was removed": ("mkdir gone; cd gone; rmdir ../gone", "working folder: was removed; "),
    **{
        f"{num} MB of addresses": (f"ulimit -v {num}000", "memory")
        for num in (1300, 1400, 1500, 1600, 1700, 1800, 1900)
    },
}


def needs_unshare(prelude):
    word = ("unshare", "--map-user=12345", "true") if "map-user" in prelude else ("unshare", "-rm", "true")
    if "unshare" in prelude and not can(*word):
        pytest.skip(f"{' '.join(word)} is not allowed here")


@AT_NIGHT
@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_runs_that_come_to_the_right_result(place, undisturbed, name):
    needs_unshare(RIGHT[name])
    end = ended(place, RIGHT[name], *words_of_run(place))
    assert end.returncode == 0, end.stderr
    assert "Traceback" not in end.stderr
    assert dict(results(place / "run")) == undisturbed[1]


@AT_NIGHT
@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_runs_that_say_what_is_wrong_and_go_on_later(place, undisturbed, name):
    prelude, line = REFUSED[name]
    needs_unshare(prelude)
    end = ended(place, prelude, *words_of_run(place))
    if not (line == "memory" and end.returncode == 0):
        assert line in told(end)[0]
    if end.returncode:
        assert ended(place, "", *words_of_run(place)).returncode == 0
    assert dict(results(place / "run")) == undisturbed[1]
