import json

import pytest

from incmask.base.errors import IncmaskError
from incmask.base.store import LEDGER, LOCK
from incmask.prediction.ledger import Ledger, Stamp, stamp_of

STAMP = Stamp(3, 12345)


def write(out, *names):
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("x")


def test_what_was_entered_is_there_as_long_as_all_files_are(tmp_path):
    with Ledger(tmp_path / "out", "key") as ledger:
        assert not ledger.has("a", STAMP)
        write(tmp_path / "out", "masks/a.png", "disagreement/a.png")
        ledger.record("a", STAMP, files=["masks/a.png", "disagreement/a.png"], facts={"name": "ä", "number": 3})
        assert ledger.has("a", STAMP)
    with Ledger(tmp_path / "out", "key") as ledger:
        assert ledger.has("a", STAMP)
        assert ledger.facts() == [{"name": "ä", "number": 3}]
        assert not ledger.has("a", Stamp(4, 12345))
        assert not ledger.has("a", Stamp(3, 12346))
        assert not ledger.has("b", STAMP)
        (tmp_path / "out" / "masks/a.png").unlink()
        assert not ledger.has("a", STAMP)
        assert ledger.facts() == []
    write(tmp_path / "out", "masks/a.png")
    with Ledger(tmp_path / "out", "another") as ledger:
        assert not ledger.has("a", STAMP)
        assert ledger.facts() == []


def test_what_is_not_written_any_more_is_removed(tmp_path):
    with Ledger(tmp_path, "with instances") as ledger:
        write(tmp_path, "masks/a.png", "instances/a.tif")
        ledger.record("a", STAMP, files=["masks/a.png", "instances/a.tif"], facts={})
    with Ledger(tmp_path, "without") as ledger:
        ledger.record("a", STAMP, files=["masks/a.png"], facts={})
    assert (tmp_path / "masks/a.png").exists()
    assert not (tmp_path / "instances/a.tif").exists()


@pytest.mark.parametrize(
    "line",
    [b'["a", 3, 1234', b"{}", b"\xff", b"null", b'["a", 3, 12345, "key", ["../x"], {}]', b'["a", 3, 1, 2, 3, 4]'],
)
def test_damaged_lines_count_for_nothing(tmp_path, line):
    write(tmp_path, "masks/a.png", "masks/b.png")
    with Ledger(tmp_path, "key") as ledger:
        ledger.record("b", STAMP, files=["masks/b.png"], facts={})
    with open(tmp_path / LEDGER, "ab") as handle:
        handle.write(line)
    with Ledger(tmp_path, "key") as ledger:
        assert ledger.has("b", STAMP)
        assert not ledger.has("a", STAMP)
        ledger.record("a", STAMP, files=["masks/a.png"], facts={})
    with Ledger(tmp_path, "key") as ledger:
        assert ledger.has("a", STAMP)


def test_one_process_at_a_time(tmp_path):
    with Ledger(tmp_path, "key"), pytest.raises(IncmaskError, match="another process is writing there"):
        Ledger(tmp_path, "key")
    with Ledger(tmp_path, "key"):
        pass


def test_a_line_is_plain_json(tmp_path):
    with Ledger(tmp_path, "key") as ledger:
        ledger.record("a", STAMP, files=(), facts={"x": (1, 2)})
    assert json.loads((tmp_path / LEDGER).read_text()) == ["a", 3, 12345, "key", [], {"x": [1, 2]}]


def test_a_file_has_a_stamp_and_nothing_has_none(tmp_path):
    write(tmp_path, "a")
    assert stamp_of(tmp_path / "a") == Stamp(1, (tmp_path / "a").stat().st_mtime_ns)
    assert stamp_of(tmp_path / "b") is None


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    (tmp_path / "masks" / "a.1.part").mkdir(parents=True)
    kept = ["masks/a.1.part/b.png", "masks/notes.part", "masks/a.png", "part", ".part"]
    for name in (*kept, "masks/a.png.4711.part", "masks/two\nlines.png.1.part", "scores.csv.22.part"):
        (tmp_path / name).write_text("x")
    with Ledger(tmp_path, "key"):
        found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found - set(kept) <= {LEDGER, LOCK}
    assert set(kept) <= found
