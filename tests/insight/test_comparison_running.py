"""Runs of a comparison side by side come to what they come to one after the other."""

import json
import signal
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny import make, tables_without_time

from fake_slurm import FakeSlurm
from finished_runs import leave_untrained
from incmask.base.errors import IncmaskError, fail
from incmask.base.pool import HerePool
from incmask.base.run_log import LOG
from incmask.base.slurm_pool import SlurmPool
from incmask.experiment.executor import Executor
from incmask.experiment.named import Choices
from incmask.experiment.paths import SCORES
from incmask.insight.comparison.compare import compare
from nightly import AT_NIGHT
from runs import HERE, SETTINGS, Listener, make_data, results

RECIPES, NUM_REPEATS = ("im",), 2
"""LDT comes by itself."""
ALONE = threading.RLock()
"""Of the random numbers of this process: jobs elsewhere have a process each."""


class ThreeRuns(HerePool):
    """Serves three runs at a time, job by job.

    Args:
        before: called with a run's folder before each of its jobs; gives whether it has to wait.
    """

    num_runs = 3

    def __init__(self, *args, before=lambda folder: False, **options):
        super().__init__(*args, **options)
        self._before = before

    def run(self, function, jobs, report):
        for job in jobs:
            while (folder := run_of(job)) and self._before(folder):
                time.sleep(0.005)
                report(0)
            report(0)
            with ALONE:
                done = list(super().run(function, [job], report))
            yield from done


def run_of(job):
    """Name the run that a job trains for, such as "repeat-1/im"; "": it trains nothing."""
    folder = getattr(job, "folder", Path())
    return "/".join(folder.parts[-5:-3]) if "students" in folder.parts else ""


def side_by_side(before=lambda folder: False):
    return Executor(partial(ThreeRuns, before=before), HERE.seconds_per_step)


@pytest.fixture(autouse=True)
def _random_numbers_of_one_thread_at_a_time(monkeypatch):
    fork = torch.random.fork_rng

    @contextmanager
    def alone(*args, **options):
        with ALONE, fork(*args, **options):
            yield

    monkeypatch.setattr(torch.random, "fork_rng", alone)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("of runs side by side") / "data", "binary")


@pytest.fixture(scope="module")
def untrained_one_by_one(data):
    with pytest.MonkeyPatch.context() as patch:
        leave_untrained(patch)
        return make(data, data.parent / "untrained", RECIPES, num_repeats=NUM_REPEATS)


def check_equal(one, other):
    """Compare all files that do not tell the time."""
    ours, theirs = (
        {name: content for name, content in results(out) if not name.endswith(".csv")}
        | {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.toml")}
        | {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("data.json")}
        for out in (one, other)
    )
    assert ours.keys() == theirs.keys()
    assert any(name.endswith("repeat-2/im/run.toml") for name in ours)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert tables_without_time(one) == tables_without_time(other)
    assert {path.relative_to(one) for path in one.rglob("*")} == {path.relative_to(other) for path in other.rglob("*")}


def last_of(out, run):
    return json.loads((out / "runs" / "own" / run / LOG).read_text().splitlines()[-1])


@pytest.mark.slow
def test_they_come_to_the_same_bytes_and_rows_whichever_ends_first(data, tmp_path):
    one_by_one = make(data, tmp_path / "one by one", RECIPES, num_repeats=NUM_REPEATS)
    out, begun = tmp_path / "side by side", []

    def first_of_all_is_last(folder):
        if folder not in begun:
            begun.append(folder)
        return folder == "repeat-1/ldt" and not (out / "runs/own/repeat-2/im" / SCORES).exists()

    made = make(data, out, RECIPES, num_repeats=NUM_REPEATS, executor=side_by_side(first_of_all_is_last))
    check_equal(one_by_one.out, made.out)
    assert {*begun[:2]} == {"repeat-1/ldt", "repeat-2/ldt"}
    assert begun[2:] == ["repeat-2/im", "repeat-1/im"]
    assert [run.cell for run in made.found.runs] == [run.cell for run in one_by_one.found.runs]
    order = [(row.repeat, row.recipe) for row in made.found.totals]
    assert order == [(repeat, recipe) for repeat in (1, 2) for recipe in ("ldt", "im")]
    assert made.said.done == pytest.approx(made.said.expected)
    assert made.said.says("run 4 of 4: im, repeat 2: ")
    assert made.said.says("  4 of 4, im, repeat 2: generation 1: IoU ")
    assert one_by_one.said.says("  generation 1: IoU ")


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_where_one_fails_the_others_end_and_the_same_call_goes_on(data, untrained_one_by_one, tmp_path):
    out, waiting = tmp_path / "out", threading.Event()

    def fail_beside_another(folder):
        if folder == "repeat-2/ldt":
            assert waiting.wait(60)
            raise fail("worker process", "was killed", "try again")
        waiting.set()
        return True

    with pytest.raises(IncmaskError, match="worker process: was killed; try again"):
        make(data, out, RECIPES, num_repeats=NUM_REPEATS, executor=side_by_side(fail_beside_another))
    assert last_of(out, "repeat-1/ldt")["event"] == "stopped"
    assert last_of(out, "repeat-2/ldt")["problems"] == ["worker process: was killed; try again"]
    assert json.loads((out / LOG).read_text().splitlines()[-1])["event"] == "failed"
    assert not (out / "runs/own/repeat-1/im").exists()
    again = make(data, out, RECIPES, num_repeats=NUM_REPEATS, executor=side_by_side())
    check_equal(untrained_one_by_one.out, again.out)


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_killed_again_and_again_they_come_to_the_same(data, untrained_one_by_one, tmp_path):
    num_kills, again = 0, None
    while again is None:
        try:
            again = make(
                data,
                tmp_path / "out",
                RECIPES,
                num_repeats=NUM_REPEATS,
                executor=side_by_side(),
                kill_at=15 + 20 * num_kills,
            )
        except KeyboardInterrupt:
            num_kills += 1
    assert num_kills >= 3
    check_equal(untrained_one_by_one.out, again.out)
    assert again.said.done == pytest.approx(again.said.expected)


@pytest.mark.usefixtures("untrained")
def test_ctrl_c_ends_all_of_them(data, tmp_path):
    out, begun = tmp_path / "out", set()

    def interrupt(folder):
        begun.add(folder)
        if len(begun) == 2 and "stopped" not in begun:
            begun.add("stopped")
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return True

    with pytest.raises(KeyboardInterrupt):
        make(data, out, RECIPES, num_repeats=NUM_REPEATS, executor=side_by_side(interrupt))
    for run in ("repeat-1/ldt", "repeat-2/ldt"):
        assert last_of(out, run)["event"] == "stopped"
    assert begun == {"repeat-1/ldt", "repeat-2/ldt", "stopped"}


@pytest.mark.slow
@AT_NIGHT
def test_on_slurm_they_come_to_the_same(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    slurm, ended = FakeSlurm(tmp_path / "slurm", monkeypatch), threading.Event()
    slurm.say("by hand")
    worker = threading.Thread(target=lambda: slurm.ever(iter(lambda: ended.wait(0.02), True)), daemon=True)
    worker.start()
    there = Executor(partial(SlurmPool, num_tasks=3), HERE.seconds_per_step)
    for name, executor in (("here", HERE), ("there", there)):
        said = Listener()
        compare(
            data,
            tmp_path / name,
            choices=Choices(settings=SETTINGS),
            executor=executor,
            recipes=RECIPES,
            num_repeats=NUM_REPEATS,
            progress=said,
        )
        assert said.says("  4 of 4, im, repeat 2: generation 1: IoU ") == (name == "there")
    ended.set()
    worker.join()
    check_equal(tmp_path / "here", tmp_path / "there")
