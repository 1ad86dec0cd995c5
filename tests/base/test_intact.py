import json
import os

import numpy as np
import pytest

from damages import DAMAGES, failing_disk
from incmask.base import intact as module
from incmask.base.caller import on_command_line
from incmask.base.errors import IncmaskError
from incmask.base.intact import (
    LARGE_BYTES,
    DamagedError,
    damage,
    entry_of,
    files_below,
    hash_file,
    intact,
    read_json,
    read_manifest,
)
from incmask.base.manifest import REMOVED, Entries
from incmask.base.npy_rows import Rows
from incmask.base.store import Store, reopen
from incmask.base.tables import read_rows
from incmask.data.images.decode import read_bytes


@pytest.fixture
def run(tmp_path):
    with Store(tmp_path / "run", run={}, data={}) as store:
        store.write(tmp_path / "run" / "deep" / "table.csv", "name,score\na,0.5\n")
    return tmp_path / "run"


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_told_with_cause_and_mend(run, name):
    path = run / "deep" / "table.csv"
    assert intact(path) == path
    DAMAGES[name](path)
    causes = {
        "truncated": "holds 8 bytes, 17 were written",
        "emptied": "is empty",
        "zeroed": "holds other bytes than were written",
        "flipped": "holds other bytes than were written",
        "deleted": "is gone",
    }
    with pytest.raises(DamagedError) as error, on_command_line():
        intact(path)
    assert str(error.value) == f"{path}: {causes[name]}; let the same `incmask run` go on: it makes it anew"
    with pytest.raises(DamagedError, match=r"; write it$"):
        intact(path, mend="write it")


def test_a_file_that_comes_back_is_whole_again(run):
    path = run / "deep" / "table.csv"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"5", b"6"))
    with pytest.raises(DamagedError):
        intact(path)
    path.write_bytes(content)
    assert intact(path) == path


def test_what_nobody_entered_is_taken_as_it_is(run, tmp_path):
    for path in (run / "mine.txt", tmp_path / "elsewhere.csv", run / "model" / "nowhere"):
        assert intact(path) == path
    assert read_json(run / "nothing.json") is None
    with reopen(run) as store:
        store.remove(run / "deep")
    assert intact(run / "deep" / "table.csv") == run / "deep" / "table.csv"
    assert not (run / "deep").exists()


def test_paths_from_anywhere_are_known(run, monkeypatch):
    (run / "deep" / "table.csv").write_text("")
    monkeypatch.chdir(run / "deep")
    for path in ("table.csv", "../deep/table.csv", os.path.relpath(run / "deep" / "table.csv")):
        with pytest.raises(DamagedError, match="is empty"):
            intact(type(run)(path))


def test_rows_are_read_of_whole_files_alone(run):
    path = run / "rows.npy"
    np.save(path, np.arange(12).reshape(4, 3))
    with reopen(run) as store:
        store.record(path)
    assert Rows(path)[2].tolist() == [6, 7, 8]
    DAMAGES["flipped"](path)
    with pytest.raises(IncmaskError, match="holds other bytes"):
        Rows(path)


def test_of_large_files_blocks_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGE_BYTES", 2_000)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 10)
    path, content = tmp_path / "large", np.random.default_rng(0).bytes(5_000)
    path.write_bytes(content)
    entry = entry_of(path)
    assert (entry.num_bytes, entry.sha256) == (5_000, hash_file(path))
    # From the first block to the last, 4990 / 63 bytes apart.
    places = [4_990 * number // 63 for number in range(64)]
    between = next(place for place in range(5_000) if not any(each <= place < each + 10 for each in places))
    for place, is_seen in ((0, True), (4_999, True), (places[7] + 3, True), (between, False)):
        changed = bytearray(content)
        changed[place] ^= 128
        path.write_bytes(changed)
        assert bool(damage(path, entry)) == is_seen
        assert damage(path, entry, whole=True) == "holds other bytes than were written"
    path.write_bytes(content[:-1])
    assert damage(path, entry) == "holds 4,999 bytes, 5,000 were written"


READERS = {"a.npy": Rows, "a.csv": lambda path: read_rows(path, dict), "a.json": read_json, "a.png": read_bytes}


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_the_disk_does_not_give_is_not_taken_for_one_that_is_gone(tmp_path, name):
    (path := tmp_path / name).write_text("{}")
    told = rf"{name}: cannot be read \(Input/output error\); look after the disk"
    with failing_disk(0, name), pytest.raises(DamagedError, match=told):
        READERS[name](path)


def test_an_older_manifest_tells_no_blocks(tmp_path):
    line = json.dumps({"path": "a", "bytes": LARGE_BYTES + 1, "sha256": "0" * 64})
    (tmp_path / "manifest.jsonl").write_text(f"{line}\n")
    (entry,) = Entries(tmp_path).values()
    assert entry.blocks == ""
    with open(tmp_path / "a", "wb") as handle:
        handle.truncate(LARGE_BYTES + 1)
    assert damage(tmp_path / "a", entry) == ""
    assert damage(tmp_path / "a", entry, whole=True)


def test_the_last_line_of_a_file_counts_and_removed_ones_are_gone(tmp_path):
    path = tmp_path / "a"
    path.write_text("one")
    first = entry_of(path)
    path.write_text("two")
    second = entry_of(path)
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(first.line("a") + second.line("a"))
    assert Entries(tmp_path) == {"a": second}
    manifest.write_text(first.line("a") + REMOVED.line("a"))
    assert Entries(tmp_path) == {}


def test_a_manifest_that_was_cut_is_told(run):
    """At a line's end, too, where nothing in it tells; what a killed process added at its end counts."""
    path = run / "manifest.jsonl"
    content = path.read_bytes()
    path.write_bytes(content + entry_of(path).line("more").encode() + b'{"path": "half')
    assert [*read_manifest(run)] == ["run.toml", "data.json", "deep/table.csv", "more"]
    for wrong in (content[: content.rfind(b"\n", 0, -1) + 1], content[:-1], b"", content.replace(b"9", b"8")):
        path.write_bytes(wrong)
        with pytest.raises(DamagedError, match=r"is damaged \(it is not what manifest\.end tells\)"):
            read_manifest(run)
        with pytest.raises(IncmaskError, match=r"is damaged \(it is not what manifest\.end tells\); restore it, or"):
            reopen(run)
        assert path.read_bytes() == wrong
    path.write_bytes(content)
    reopen(run).close()


def test_a_damaged_manifest_is_told_to_readers(run):
    (run / "manifest.jsonl").write_text("no json\n")
    with pytest.raises(DamagedError, match=r"manifest\.jsonl: is damaged .*; restore it, or run in another folder"):
        intact(run / "run.toml")


def test_files_of_a_run_in_a_comparison_are_its_own(run):
    with Store(run / "runs" / "one", run={}, data={}) as store:
        store.write(run / "runs" / "one" / "a", "1")
    assert [path.relative_to(run).as_posix() for path in files_below(run)] == [
        *(".lock", "data.json", "manifest.end", "manifest.jsonl", "run.toml"),
        "deep/table.csv",
    ]
    (run / "runs" / "one" / "a").unlink()
    with pytest.raises(DamagedError, match=r"is gone; let the same `incmask\.compare` go on: it makes it anew"):
        intact(run / "runs" / "one" / "a")
