"""How far a run is, told by its files alone: values by hand."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from incmask.base.errors import IncmaskError
from incmask.base.run_log import LOG
from incmask.experiment.record.status import read_status

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def write_log(root, *events):
    """Write lines of a number of seconds, a kind and values each."""
    lines = [
        json.dumps({"time": (START + timedelta(seconds=seconds)).isoformat(), "event": kind, **values})
        for seconds, kind, values in events
    ]
    (root / LOG).write_text("\n".join(lines) + "\n")


@pytest.fixture
def root(tmp_path):
    names = ["run.toml", "base/students/1/model.safetensors", "base/students/2/model.safetensors", "gone.csv"]
    entries = [{"path": name, "bytes": 1, "sha256": ""} for name in names]
    entries.append({"path": "gone.csv", "bytes": -1, "sha256": ""})
    text = "".join(json.dumps(entry) + "\n" for entry in entries) + '{"path": "half'
    (tmp_path / "manifest.jsonl").write_text(text)
    return tmp_path


BEGUN = (0, "begin", {"node": "node7", "process": 31, "incmask": "1"})


def test_a_run_at_work_tells_its_share_and_the_time_left(root):
    write_log(
        root,
        (-900, "begin", {"node": "old", "process": 1, "incmask": "1"}),
        (-800, "failed", {"problems": ["disk: is full"]}),
        BEGUN,
        (1, "expect", {"amount": 100.0}),
        (2, "say", {"line": "base models: IoU 0.712"}),
        # Of which 40 were done before.
        (10, "done", {"done": 40.0}),
        (12, "doing", {"what": "generation 1: training 3 students", "done": 40.5}),
        (40, "done", {"done": 50.0}),
    )
    (root / LOG).write_text((root / LOG).read_text() + '{"time": "2026')
    status = read_status(root, START + timedelta(seconds=45))
    # 10 in 30 seconds, and 50 are left.
    assert (status.state, status.share, status.seconds_left) == ("at work", 0.5, 150)
    assert (status.node, status.process, status.problems) == ("node7", 31, ())
    assert (status.num_models, status.num_files) == (2, 3)
    assert status.stage == "generation 1: training 3 students"
    lines = "\n".join(status.lines(START + timedelta(seconds=45)))
    assert "5 seconds ago" in lines
    assert "50%, about 2 minutes left, until " in lines
    assert "base models: IoU 0.712" in lines
    values = json.loads(json.dumps(status.as_dict()))
    assert (values["share"], values["seen"]) == (0.5, (START + timedelta(seconds=40)).isoformat())


def test_a_clock_that_was_set_back_tells_no_time_that_is_left(root):
    done = [(40, "done", {"done": 40.0}), (10, "done", {"done": 50.0})]
    write_log(root, BEGUN, (1, "expect", {"amount": 100.0}), *done)
    status = read_status(root, START + timedelta(seconds=12))
    assert (status.state, status.share, status.seconds_left) == ("at work", 0.5, None)
    assert not [line for line in status.lines() if "left" in line]


@pytest.mark.parametrize(
    ("last", "state"),
    [
        (("done", {"done": 9.0}), "silent"),
        (("stopped", {}), "stopped"),
        (("end", {"done": 9.0}), "ended"),
        (("failed", {"problems": ["disk: is full; make room"]}), "failed"),
    ],
)
def test_how_a_run_ended_is_told_and_what_was_wrong(root, last, state):
    write_log(root, BEGUN, (1, "expect", {"amount": 9.0}), (60, *last))
    status = read_status(root, START + timedelta(seconds=60 + 121))
    assert status.state == state
    assert status.seconds_left is None
    assert status.problems == tuple(last[1].get("problems", ()))
    # Clocks that are ahead make nobody silent.
    assert read_status(root, START).state == (state if state != "silent" else "at work")


def test_what_is_no_run_or_tells_nothing_is_named(tmp_path, root):
    with pytest.raises(IncmaskError, match="is no run folder; name the folder that"):
        read_status(tmp_path / "other")
    with pytest.raises(IncmaskError, match=r"progress\.jsonl: tells of no work; let"):
        read_status(root)
    (root / LOG).write_text('[]\n{"event": 1}\n\xff')
    with pytest.raises(IncmaskError, match="tells of no work"):
        read_status(root)
