import os
import signal
import subprocess
import sys
from pathlib import Path

import jobs
import light_jobs
import pytest

from incmask.base.errors import IncmaskError
from incmask.base.local_pool import LocalPool
from incmask.base.pool import HerePool
from incmask.base.progress import ignore

ONE_THREAD = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "KMP_BLOCKTIME"}
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}


@pytest.fixture(scope="module")
def pool():
    with LocalPool(2) as pool:
        yield pool


@pytest.mark.slow
def test_every_job_comes_back_with_its_result_and_its_reports(pool):
    amounts = []
    results = dict(pool.run(light_jobs.square, [1, 2, 3, 4, 5], amounts.append))
    assert results == {1: 1, 2: 4, 3: 9, 4: 16, 5: 25}
    # All of them, by the time that the last result is there; none is left for the next call.
    assert sorted(amounts) == [1, 1, 1, 1, 1, 1, 2, 3, 4, 5]
    assert dict(pool.run(light_jobs.square, [7], lambda amount: None)) == {7: 49}
    assert dict(pool.run(light_jobs.square, [], amounts.append)) == {}
    assert len(amounts) == 10


def test_jobs_run_in_other_processes_on_one_thread(pool):
    facts = [fact for _, fact in pool.run(jobs.facts, [0, 1, 2, 3], lambda amount: None)]
    assert {fact["process"] for fact in facts}.isdisjoint({os.getpid()})
    for fact in facts:
        assert fact["torch_threads"] == 1
        assert fact["environment"] == dict.fromkeys(ONE_THREAD, "1") | PASSIVE


def test_each_worker_sees_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-uuid,7")
    with LocalPool(9, networks=False, devices=(2, 0)) as pool:
        assert (pool.num_workers, pool.num_devices) == (2, 2)
        found = {result for _, result in pool.run(light_jobs.say_device, [0.3, 0.3, 0, 0, 0], ignore)}
    assert {device for _, device in found} == {"7", "4"}
    assert len(found) == 2
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,GPU-uuid,7"


def test_gpus_that_would_be_left_over_are_told():
    with pytest.raises(IncmaskError, match=r"devices: 3 GPUs cannot be shared out to networks of 2 each; give another"):
        LocalPool(1, devices=(0, 1, 2), devices_a_job=2)


def test_here_and_now_jobs_run_in_turn_on_one_thread(monkeypatch):
    import torch

    before, amounts = torch.get_num_threads(), []
    with HerePool(2) as pool:
        assert pool.num_workers == 2
        running = pool.run(light_jobs.square, [3, 1, 2], amounts.append)
        # Each only when it is asked for.
        assert next(running) == (3, 9)
        assert amounts == [3, 1]
        assert list(running) == [(1, 1), (2, 4)]
        ((_, fact),) = pool.run(jobs.facts, [0], ignore)
    assert (fact["process"], fact["torch_threads"]) == (os.getpid(), 1)
    assert torch.get_num_threads() == before


@pytest.mark.slow
def test_nothing_is_left_of_a_pool(monkeypatch):
    """Its workers have ended; the environment and the main module are as before."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    main = sys.modules["__main__"]
    before = dict(os.environ), main.__spec__, getattr(main, "__file__", None)
    with LocalPool(1) as pool:
        ((_, fact),) = pool.run(jobs.facts, [0], lambda amount: None)
        assert is_running(fact["process"])
    assert not is_running(fact["process"])
    assert (dict(os.environ), main.__spec__, getattr(main, "__file__", None)) == before


def test_what_workers_log_is_said_here(pool, caplog):
    amounts, lines = [], []
    assert len(list(pool.run(light_jobs.log, [5], amounts.append))) == 1
    assert (amounts, caplog.messages) == ([5], ["5% are done"])
    with LocalPool(1, networks=False, say=lines.append) as other:
        assert len(list(other.run(light_jobs.log, [7, 8], amounts.append))) == 2
    assert (amounts, lines) == ([5, 7, 8], ["7% are done", "8% are done"])
    assert caplog.messages == ["5% are done"]


def test_a_users_mistake_comes_back_as_it_was(pool):
    with pytest.raises(IncmaskError) as error:
        list(pool.run(jobs.mistake, ["x.png"], lambda amount: None))
    assert str(error.value) == "x.png: is no image; remove it"
    assert list(pool.run(light_jobs.square, [2], lambda amount: None)) == [(2, 4)]  # the pool lives on


@pytest.mark.parametrize("job", ["python", "torch"])
def test_want_of_memory_is_a_line_with_advice(pool, job):
    with pytest.raises(IncmaskError, match=r'ran out of memory.*num_workers": 1.*batch_size'):
        list(pool.run(jobs.take_memory, [job], lambda amount: None))


def test_a_defect_of_the_program_stays_one(pool):
    with pytest.raises(ZeroDivisionError):
        list(pool.run(jobs.divide, [0], lambda amount: None))


@pytest.mark.slow
def test_a_killed_worker_is_a_line_with_advice():
    with LocalPool(1, networks=False) as pool:
        with pytest.raises(IncmaskError, match=r'was killed.*memory.*num_workers": 1'):
            list(pool.run(light_jobs.kill_itself, [0], lambda amount: None))
        # Before the jobs are handed over, too.
        with pytest.raises(IncmaskError, match="was killed"):
            list(pool.run(light_jobs.square, [1], lambda amount: None))


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # Where nobody waits for it, a process that has ended is still in the list, as a zombie.
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def script(folder, body):
    """A user's script: no guard, a folder of its own."""
    path = folder / "my script.py"
    path.write_text(
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        f"import light_jobs\nfrom incmask.base.local_pool import LocalPool\n{body}"
    )
    return path


def test_a_script_needs_no_guard(tmp_path):
    path = script(
        tmp_path,
        "print('top')\nwith LocalPool(1, networks=False) as pool:\n"
        "    print(list(pool.run(light_jobs.square, [3], lambda amount: None)))\nprint(__file__)\n",
    )
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == (f"top\n[(3, 9)]\n{path}\n", "")


@pytest.mark.slow
def test_workers_end_when_their_parent_is_killed(tmp_path):
    path = script(
        tmp_path,
        "with LocalPool(2, networks=False) as pool:\n    list(pool.run(light_jobs.tell_and_wait, [0, 1], print))\n",
    )
    with subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE) as parent:
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(map(is_running, workers))
        parent.send_signal(signal.SIGKILL)
        # It ends with the last process that may write into it.
        assert parent.stdout.read() == b""


@pytest.mark.slow
def test_workers_without_networks_do_not_load_torch():
    with LocalPool(1, networks=False) as pool:
        assert [result for _, result in pool.run(light_jobs.has_torch, [None], ignore)] == [False]
    with LocalPool(1) as pool:
        assert [result for _, result in pool.run(light_jobs.has_torch, [None], ignore)] == [True]
