import json
import threading

import pytest

from incmask.base import run_log
from incmask.base.errors import fail
from incmask.base.run_log import LOG, RunLog
from runs import Listener


def events(folder):
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def test_what_is_heard_is_written_down_and_passed_on(tmp_path):
    listener, lines = Listener(), []
    with RunLog(tmp_path, listener, lines.append) as log:
        log.say("a line")
        log.expect(10)
        log.advance(3)
        log.advance(1.5)
        log.doing("training")
    assert [event["event"] for event in events(tmp_path)] == ["begin", "say", "expect", "doing", "end"]
    assert events(tmp_path)[3]["done"] == 4.5
    assert (listener.lines, listener.expected, listener.done) == (["a line"], 10, 4.5)
    assert lines == events(tmp_path)
    # It goes on behind what is there.
    with RunLog(tmp_path, listener):
        pass
    assert len(events(tmp_path)) == 7


def test_a_thread_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(run_log, "SIGN_S", 0.01)
    told = threading.Event()
    with RunLog(tmp_path, Listener(), lambda line: told.set() if line["event"] == "done" else None) as log:
        log.advance(2)
        assert told.wait(20)
    assert any(event["event"] == "done" for event in events(tmp_path))


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (
            fail("a.png", "is broken", "save it again"),
            {"event": "failed", "problems": ["a.png: is broken; save it again"]},
        ),
        (KeyboardInterrupt(), {"event": "stopped"}),
        (ValueError("no"), {"event": "failed", "problems": ["ValueError: no"]}),
    ],
)
def test_how_it_ended_is_the_last_line(tmp_path, error, last):
    with pytest.raises(type(error)), RunLog(tmp_path, Listener()):
        raise error
    assert {name: value for name, value in events(tmp_path)[-1].items() if name != "time"} == last


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path):
    with RunLog(tmp_path / "gone", listener := Listener()) as log:
        log.advance(1)
    assert listener.done == 1
