import threading

import pytest

from incmask.base import progress
from incmask.base.progress import Joint, Throttled
from runs import Listener


def test_work_of_all_runs_is_passed_on_under_their_names():
    listener, told = Listener(), []
    listener.doing = told.append
    joint = Joint(listener)
    for name, amounts in (("ldt", (1.0, 2.0)), ("im", (3.0,))):
        one = joint.begin(name)
        one.expect(99.0)
        one.doing("training")
        for amount in amounts:
            one.advance(amount)
    assert told == ["ldt: training", "im: training"]
    assert listener.done == 6.0
    # The bar counts all runs together, which only the caller knows.
    assert listener.expected == 0.0


@pytest.mark.parametrize("num_runs", [2, 3])
def test_what_is_said_of_the_data_is_passed_on_once(num_runs):
    listener = Listener()
    joint = Joint(listener)
    for number in range(num_runs):
        one = joint.begin(f"run {number}")
        one.say("no val/: 2 of the 10 labelled images are set aside")
        one.say(f"run {number} takes long")
        one.expect(1.0)
        one.say("no pseudo-label is used")
        one.say("no pseudo-label is used")
    before, during = "  no val/: 2 of the 10 labelled images are set aside", "  no pseudo-label is used"
    assert listener.lines.count(before) == 1
    assert listener.lines[0] == before
    # What a run has come to is said of each, even in the same words.
    assert listener.lines.count(during) == 2 * num_runs
    assert [line for line in listener.lines if "takes long" in line] == [
        f"  run {number} takes long" for number in range(num_runs)
    ]


def test_of_runs_side_by_side_every_line_names_its_own_and_nothing_is_lost():
    listener = Listener()
    joint = Joint(listener, named=True)
    runs = [joint.begin(f"run {number}") for number in range(4)]
    start = threading.Barrier(len(runs))

    def work(one):
        start.wait(60)
        one.say("of the data")
        one.expect(1.0)
        for _ in range(2000):
            one.advance(1.0)
        one.say("base models: 0.5")

    threads = [threading.Thread(target=work, args=(one,)) for one in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    joint.say("all are done")
    assert listener.done == 8000.0
    assert sum(line.endswith("of the data") for line in listener.lines) == 1
    assert {f"  run {number}: base models: 0.5" for number in range(4)} < {*listener.lines}
    assert listener.lines[-1] == "all are done"


def test_what_a_job_reports_is_passed_on_now_and_then_in_sum(monkeypatch):
    now, told = [0.0], []
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    report = Throttled(told.append, pause_s=5)
    for seconds in (1, 4, 6, 7, 12):
        now[0] = seconds
        report(10)
    assert told == [30, 50]
    report.tell()
    assert told == [30, 50, 50]
