import os
import stat
import subprocess
import sys

import pytest

from incmask.base.errors import IncmaskError
from incmask.base.files import check_folder_name, remove_dead, whole_file, whole_folder, write_bytes, write_text
from incmask.base.tables import csv_text


def test_writes_content_and_makes_folders(tmp_path):
    write_text(tmp_path / "a" / "b" / "ä ö.txt", "grün\n")
    assert (tmp_path / "a" / "b" / "ä ö.txt").read_bytes() == "grün\n".encode()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["ä ö.txt"]


def test_nothing_is_at_the_target_before_the_end(tmp_path):
    with whole_file(tmp_path / "x") as temporary:
        temporary.write_bytes(b"half")
        assert not (tmp_path / "x").exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".part"
    assert (tmp_path / "x").read_bytes() == b"half"


def test_a_failure_leaves_the_old_content_and_no_temporary(tmp_path):
    write_bytes(tmp_path / "x", b"old")

    def fail_half_way():
        with whole_file(tmp_path / "x") as temporary:
            temporary.write_bytes(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert (tmp_path / "x").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_a_folder_is_there_whole_in_place_of_an_empty_one(tmp_path):
    (tmp_path / "out").mkdir()
    with whole_folder(tmp_path / "out") as folder:
        write_text(folder / "a" / "b", "text")
        assert [*(tmp_path / "out").iterdir()] == []
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "a" / "b").read_text() == "text"
    with pytest.raises(IncmaskError, match="is there already"), whole_folder(tmp_path / "out"):
        pass


def test_a_folder_that_was_made_before_stays_if_it_comes_to_the_same(tmp_path):
    def make(**files):
        with whole_folder(tmp_path / "out", mark="mark") as folder:
            for name, text in files.items():
                write_text(folder / "a" / name, text)
            write_text(folder / "mark", "")

    make(b="text")
    written = (tmp_path / "out" / "a" / "b").stat().st_mtime_ns
    make(b="text")
    assert (tmp_path / "out" / "a" / "b").stat().st_mtime_ns == written
    for other in ({"b": "TEXT"}, {"b": "text", "c": ""}, {}):
        with pytest.raises(IncmaskError, match="is there already and holds something else; remove it"):
            make(**other)
    (tmp_path / "out" / "mark").unlink()
    with pytest.raises(IncmaskError, match="is there already; remove it"):
        make(b="text")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a", "b"]


def test_a_folder_that_fails_or_is_given_up_leaves_nothing(tmp_path):
    def fail_half_way():
        with whole_folder(tmp_path / ("x" * 255)) as folder:
            write_text(folder / "a", "text")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with whole_folder(tmp_path / "out") as folder:
        folder.rmdir()
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder(tmp_path):
    write_text(tmp_path / "file", "")
    with pytest.raises(IncmaskError, match="cannot be written"):
        write_text(tmp_path / "file" / "x", "text")


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IncmaskError, match=r"No space left on device.*free disk space"):
        write_text(tmp_path / "x", "text")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(IncmaskError, match="permissions"):
            write_text(tmp_path / "x", "text")
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_csv_quotes_what_needs_it():
    assert csv_text(("name", "n"), [("a,b", 1), ('c"d', 0.1)]) == 'name,n\n"a,b",1\n"c""d",0.1\n'


def test_a_name_of_255_bytes_can_be_written_and_a_longer_one_says_so(tmp_path):
    write_text(tmp_path / f"{'x' * 251}.txt", "whole")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]
    with pytest.raises(IncmaskError, match=r"cannot be written .*; give the image or the folder a shorter name"):
        write_text(tmp_path / f"{'x' * 252}.txt", "whole")


KILLED = """
import os, sys
from pathlib import Path
from incmask.base import files
root = Path(sys.argv[1])
os.replace = Path.rename = lambda *paths: os._exit(9)
with files.whole_folder(root / "folder") as folder:
    files.write_text(folder / "a", "half") if sys.argv[2] == "folder" else files.write_text(root / "file", "half")
"""


def test_what_killed_processes_left_beside_goes_with_the_next_file(tmp_path):
    for what in ("folder", "file"):
        assert subprocess.run([sys.executable, "-c", KILLED, tmp_path, what]).returncode == 9
    # What the first left, the second removed.
    left = sorted(tmp_path.iterdir())
    assert [path.name.partition(".part")[0].rstrip("-0123456789") for path in left] == [".folder.", "file."]
    # Of a process that runs, of another machine, and a person's own.
    parts = left[0].name.split(".")
    machine = parts[2].partition("-")[0]
    kept = [f"x.{machine}-{os.getpid()}.part", f"x.{int(machine) ^ 1}-99999999.part", "x.part", f"x.{machine}-.part"]
    for name in kept:
        (tmp_path / name).write_text("theirs")
    remove_dead.cache_clear()
    write_text(tmp_path / "other", "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "other"])


@pytest.mark.parametrize("name", ["coco.json", "annotations.XML", "masks.png", "model.onnx"])
def test_a_folder_has_no_file_s_name(tmp_path, name):
    with pytest.raises(IncmaskError) as caught:
        check_folder_name(tmp_path / name, "an export")
    stem = name.partition(".")[0]
    assert str(caught.value).endswith(f"looks like a file, but an export is a folder of several files; name it {stem}")
    (tmp_path / name).mkdir()
    check_folder_name(tmp_path / name, "an export")
    # A dot alone makes no file.
    check_folder_name(tmp_path / "export.v2", "an export")
