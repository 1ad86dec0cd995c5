"""Jobs of a Slurm cluster come to what those of this machine come to, whatever is lost on the way."""

import os
import threading
import time
from collections import Counter
from pathlib import Path

import light_jobs
import pytest

from fake_slurm import FakeSlurm, Lost
from incmask.base import job_folder
from incmask.base.caller import on_command_line
from incmask.base.elsewhere import Sent, versions
from incmask.base.errors import IncmaskError
from incmask.base.job_folder import JobFolder
from incmask.base.progress import Silent, Throttled, ignore
from incmask.base.slurm_commands import options_of, spelled
from incmask.base.slurm_pool import SlurmPool
from incmask.experiment.executor import Executor, executor_on
from incmask.experiment.named import Choices
from incmask.experiment.run import run
from incmask.training.files import HISTORY, MODEL
from incmask.training.loop import fit
from runs import HERE, SETTINGS, make_data, results
from small import some_job


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return FakeSlurm(tmp_path / "slurm", monkeypatch)


@pytest.fixture
def by_hand(slurm, monkeypatch):
    """Let tasks run in a thread of this process, where everything is imported already."""
    slurm.say("by hand")
    monkeypatch.setattr(job_folder, "_REPORT_S", 0)
    ended = threading.Event()
    thread = threading.Thread(target=lambda: slurm.ever(iter(lambda: ended.wait(0.02), True)))
    thread.start()
    yield slurm
    ended.set()
    thread.join()


@pytest.mark.slow
def test_tasks_of_slurm_give_results_reports_and_errors_and_are_handed_in_again_when_lost(slurm, tmp_path):
    slurm.say("limit", "20")
    amounts = []
    with SlurmPool(networks=False, num_tasks=3, sbatch="--partition=short --time=1:00") as pool:
        assert pool.num_workers == 3
        assert dict(pool.run(light_jobs.square, [2, 3], amounts.append)) == {2: 4, 3: 9}
        assert sum(amounts) == 2 + 1 + 3 + 1
        assert dict(pool.run(light_jobs.kill_once, [tmp_path / "mark"], ignore)) == {tmp_path / "mark": "done"}
        first, *others = slurm.handed_in()
        assert "--array=0-1%3" in first
        assert first[-4:-2] == ["--partition=short", "--time=1:00"]
        # The one that was killed, and itself once more.
        assert [words[1] for words in others] == ["--array=0%3"] * 2
        with pytest.raises(IncmaskError, match=r"a\.png: is no image; remove it"):
            list(pool.run(light_jobs.refuse, ["a.png"], ignore))
    # Of what went wrong the logs are kept.
    assert len(list((tmp_path / "incmask-slurm").iterdir())) == 1


@pytest.mark.slow
def test_a_job_that_comes_no_further_ends_with_what_slurm_said(by_hand, tmp_path, monkeypatch):
    def die(self, place):
        log = self.root / "logs" / f"{len(by_hand.handed_in())}_{place}.txt"
        log.write_text("slurmstepd: error: *** JOB 7 CANCELLED DUE TO TIME LIMIT ***\n\n")
        raise Lost

    monkeypatch.setattr(JobFolder, "work", die)
    with on_command_line(), SlurmPool(networks=False) as pool:
        told = r"lost 5 times and came no further \(slurmstepd: .* TIME LIMIT \*\*\*\); give it .*--sbatch --time"
        with pytest.raises(IncmaskError, match=told):
            list(pool.run(light_jobs.square, [1], ignore))
    assert len(by_hand.handed_in()) == 5


@pytest.mark.slow
def test_training_goes_on_from_its_checkpoint_when_its_time_is_over(by_hand, tmp_path, monkeypatch):
    here, there = (some_job(tmp_path / name) for name in ("here", "there"))
    fit(here)
    told = Throttled.__call__
    kills = [1, 2, 5]

    def report(self, amount):
        told(self, amount)
        # The second comes with the first checkpoint: what was done before is told at once.
        if kills and self._sum >= kills[0]:
            kills.pop(0)
            raise Lost

    monkeypatch.setattr(Throttled, "__call__", report)
    amounts = []
    with SlurmPool() as pool:
        assert [job.folder for job, _ in pool.run(fit, [there], amounts.append)] == [there.folder]
    assert not kills
    assert len(by_hand.handed_in()) == 4
    assert sum(amounts) == here.num_steps
    assert (there.folder / MODEL).read_bytes() == (here.folder / MODEL).read_bytes()
    assert not [*(tmp_path / "incmask-slurm").iterdir()]


@pytest.mark.slow
def test_a_run_on_slurm_is_that_of_this_machine_to_the_byte(by_hand, tmp_path, monkeypatch):
    data, work, lost = make_data(tmp_path / "data", "binary"), JobFolder.work, []

    def lose_some(self, place):
        if len(lost) < 3 and place:
            lost.append(place)
            raise Lost
        work(self, place)

    monkeypatch.setattr(JobFolder, "work", lose_some)
    slurm = Executor(SlurmPool, HERE.seconds_per_step)
    for name, executor in (("here", HERE), ("there", slurm)):
        choices = Choices("im++", settings=SETTINGS)
        run(data, tmp_path / name, choices=choices, executor=executor, progress=Silent())
    assert len(lost) == 3
    here, there = (dict(results(tmp_path / name)) for name in ("here", "there"))
    assert any(name.endswith(HISTORY) for name in here)
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []


def test_ctrl_c_takes_back_what_was_handed_in_and_a_dead_driver_s_is_taken_back_by_the_next(slurm, tmp_path):
    slurm.say("by hand")

    def stop(root, batch):
        raise KeyboardInterrupt

    with SlurmPool(networks=False) as pool:
        pool._look_after = stop
        with pytest.raises(KeyboardInterrupt):
            list(pool.run(light_jobs.square, [1, 2], ignore))
    assert slurm.cancelled() == {"1"}
    dead, alive = tmp_path / "incmask-slurm" / "node-1-1", SlurmPool(networks=False)
    dead.mkdir()
    for folder, array in ((dead, "77"), (alive._root, "78")):
        (folder / "submitted.txt").write_text(f"{array}\n")
    with SlurmPool(networks=False):
        assert slurm.cancelled() == {"1", "77"}
        assert not dead.exists()
    alive.close()


def test_a_controller_that_is_away_loses_nothing_and_a_refusal_is_told(by_hand, tmp_path, monkeypatch):
    by_hand.say("is away")
    with SlurmPool(networks=False) as pool:
        assert dict(pool.run(light_jobs.square, [3], ignore)) == {3: 9}
        by_hand.say("refuses")
        with pytest.raises(
            IncmaskError, match=r"sbatch: sbatch: error: invalid partition specified: gpus; mend sbatch"
        ):
            list(pool.run(light_jobs.square, [3], ignore))
    assert len(by_hand.handed_in()) == 1


def test_many_jobs_are_several_arrays_and_keep_their_places(by_hand, monkeypatch):
    monkeypatch.setattr("incmask.base.slurm_pool._ARRAY", 3)
    with SlurmPool(networks=False) as pool:
        assert dict(pool.run(light_jobs.square, range(7), ignore)) == {job: job * job for job in range(7)}
    assert [(words[1], words[-1]) for words in by_hand.handed_in()] == [
        ("--array=0-2%16", "0"),
        ("--array=0-2%13", "3"),
        ("--array=0%10", "6"),
    ]
    assert spelled([9, 4, 5]) == "4-5,9"


def test_several_calls_share_the_tasks_and_keep_apart(slurm):
    slurm.say("by hand")
    found, at_work = {}, []

    def call(pool, jobs):
        found[jobs] = dict(pool.run(light_jobs.square, jobs, ignore))

    def look():
        limits = [int(words[1].rpartition("%")[2]) for words in slurm.handed_in()]
        waiting = Counter(int(path.name.partition("_")[0]) for path in (slurm.state / "queue").iterdir())
        at_work.append(sum(min(limits[array - 1], num) for array, num in waiting.items()))

    with SlurmPool(networks=False, num_tasks=3) as pool:
        assert pool.num_runs == 3
        threads = [threading.Thread(target=call, args=(pool, range(first, first + 5))) for first in (0, 10, 20)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 60
        while any(thread.is_alive() for thread in threads) and time.monotonic() < until:
            look()
            slurm.work_by_hand()
            time.sleep(0.02)
        for thread in threads:
            thread.join()
    assert found == {jobs: {job: job * job for job in jobs} for jobs in (range(5), range(10, 15), range(20, 25))}
    assert max(at_work) == 3
    # Whoever came first handed in all that it had.
    assert slurm.handed_in()[0][1] == "--array=0-4%3"


def test_other_versions_and_other_paths_are_told_by_the_task(tmp_path, monkeypatch):
    monkeypatch.setattr("incmask.base.elsewhere._PATIENCE_S", 0)
    folder = JobFolder(tmp_path, modules=["light_jobs"])
    for sent, told in (
        (Sent(versions() | {"incmask": "0.4"}, (), False), r"has incmask .*, and 0\.4 is here; install incmask==0\.4"),
        (Sent(versions(), (Path("/gone/data"),), False), "does not see /gone/data; put data and run folder on"),
    ):
        monkeypatch.setattr("incmask.base.job_folder.sent_with", lambda function, job, sent=sent: sent)
        assert folder.write(light_jobs.square, [2], networks=False) == ["light_jobs"]
        folder.work(0)
        with pytest.raises(IncmaskError, match=told):
            folder.result(0)


def test_a_full_disk_and_a_mistake_of_ours_are_told(tmp_path, monkeypatch):
    folder = JobFolder(tmp_path, modules=["light_jobs"])
    folder.write(light_jobs.divide, [0], networks=False)
    folder.work(0)
    with pytest.raises(RuntimeError, match="ZeroDivisionError: division by zero"):
        folder.result(0)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("incmask.base.files.os.replace", full)
    with pytest.raises(
        IncmaskError, match=r"0\.json: cannot be written \(No space left on device\); check .* free disk"
    ):
        folder.work(0)


def test_options_are_checked_and_a_dry_run_prints_the_script(call, slurm, tmp_path):
    code, out, _ = call("run", tmp_path, "--on", "slurm", "--sbatch", "-p gpu --comment='a b'", "--dry-run")
    assert code == 0
    command, script = out.split("\n\n", 1)
    assert command.startswith("sbatch --parsable --array=0-9%16 --job-name=incmask")
    assert "-p gpu '--comment=a b'" in command
    assert script.startswith("#!/bin/sh\nexport OMP_NUM_THREADS=1\n")
    assert script.rstrip().endswith("--job $(($1 + SLURM_ARRAY_TASK_ID))")
    assert not [*tmp_path.glob("incmask-slurm*")]
    code, _, err = call("run", tmp_path, "--dry-run")
    assert (code, err) == (1, "incmask: --dry-run: is for Slurm alone; add --on slurm, or leave it out\n")
    code, _, err = call("run", tmp_path, "--sbatch", "-p gpu")
    assert (code, err) == (1, "incmask: --sbatch -p gpu: is of no use on local; add --on slurm\n")
    with pytest.raises(IncmaskError, match="--array=1 is settled by incmask; leave it out"):
        executor_on("slurm", sbatch="--array=1")
    with pytest.raises(IncmaskError, match=r"cannot be split \(No closing quotation\); close the quotes"):
        options_of("--comment='a")


def test_a_machine_without_slurm_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", os.defpath)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IncmaskError, match="there is no sbatch here; work where jobs are submitted"):
        SlurmPool()
    assert not [*tmp_path.iterdir()]
