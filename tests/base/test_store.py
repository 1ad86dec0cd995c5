import errno
import json
import subprocess
import sys
import tomllib

import pytest

from incmask.base.errors import IncmaskError
from incmask.base.files import cannot_write
from incmask.base.intact import hash_file, read_manifest
from incmask.base.records import differences
from incmask.base.store import Store, reopen

RUN = {"recipe": "im", "settings": {"epochs": 2, "size": None}}
DATA = {"task": "binary", "intensity": None, "parts": {"labelled": {"a": {"size": [4, 5]}}}}


def opened(root, run=RUN, data=DATA):
    return Store(root, run=run, data=data)


def test_a_new_folder_says_what_it_is_about(tmp_path):
    with opened(tmp_path / "deep" / "run") as store:
        assert store.root == tmp_path / "deep" / "run"
    assert tomllib.loads((tmp_path / "deep" / "run" / "run.toml").read_text()) == {
        "recipe": "im",
        "settings": {"epochs": 2},
    }
    assert json.loads((tmp_path / "deep" / "run" / "data.json").read_text()) == DATA


def test_an_artefact_exists_once_it_is_entered(tmp_path):
    path = tmp_path / "scores.csv"
    with opened(tmp_path) as store:
        path.write_text("1")
        assert not store.has(path)
        store.record(path)
        assert store.has(path)
        assert not store.has(path, tmp_path / "other")
        store.write(tmp_path / "sub" / "x", "text")
    with opened(tmp_path) as store:
        assert store.has(path, tmp_path / "sub" / "x")
        path.write_text("2")
        assert not store.has(path), "of the same size"
        assert not path.exists()
        assert (tmp_path / "damaged" / "scores.csv").read_text() == "2"
        assert not store.has(path)


def test_the_manifest_has_sizes_and_digests(tmp_path):
    with opened(tmp_path) as store:
        store.write(tmp_path / "x", "abc")
    entry = json.loads((tmp_path / "manifest.jsonl").read_text().splitlines()[-1])
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # the standard's example
    assert entry == {"path": "x", "bytes": 3, "sha256": digest}
    assert hash_file(tmp_path / "x") == digest


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_last_line_is_dropped(tmp_path, cut):
    with opened(tmp_path) as store:
        store.write(tmp_path / "first", "1")
        store.write(tmp_path / "second", "2")
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-cut])
    (tmp_path / "manifest.end").unlink()  # which a killed process did not come to write
    with opened(tmp_path) as store:
        assert store.has(tmp_path / "first")
        assert not store.has(tmp_path / "second")
        store.record(tmp_path / "second")
    lines = [json.loads(line)["path"] for line in manifest.read_text().splitlines()]
    assert lines == ["run.toml", "data.json", "first", "second"]


@pytest.mark.parametrize("line", ["no json", '{"path": "x"}', "[1]"])
def test_a_damaged_manifest_is_told(tmp_path, line):
    opened(tmp_path).close()
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(f"{line}\n{manifest.read_text()}")
    with pytest.raises(IncmaskError, match=r"manifest\.jsonl: is damaged"):
        opened(tmp_path)


@pytest.mark.parametrize("num_lines", [0, 1])
def test_killed_before_the_beginning_was_written(tmp_path, num_lines):
    """Whatever a run had not entered is begun afresh, with other choices, too."""
    opened(tmp_path).close()
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:num_lines]))
    (tmp_path / "manifest.end").unlink()
    other = RUN if num_lines else {"recipe": "me"}
    opened(tmp_path, run=other, data={"task": "multiclass"}).close()
    assert json.loads((tmp_path / "data.json").read_text()) == {"task": "multiclass"}


def test_other_choices_are_refused_with_the_difference(tmp_path):
    opened(tmp_path).close()
    with pytest.raises(IncmaskError) as error:
        opened(tmp_path, run={"recipe": "me", "settings": {"epochs": 3, "size": None}})
    assert [problem.what for problem in error.value.problems] == [
        "recipe was 'im' when the run began and is 'me' now",
        "settings.epochs was 2 when the run began and is 3 now",
    ]
    assert "out=" in error.value.problems[0].remedy
    opened(tmp_path).close()  # the lock was let go


def test_other_data_are_refused_with_the_difference(tmp_path):
    opened(tmp_path).close()
    with pytest.raises(IncmaskError, match=r"parts\.labelled\.a\.size was \[4, 5\] .* is \[4, 6\] now"):
        opened(tmp_path, data={**DATA, "parts": {"labelled": {"a": {"size": [4, 6]}}}})
    with pytest.raises(IncmaskError, match=r"parts\.labelled\.b was not there when the run began; take it back"):
        opened(tmp_path, data={**DATA, "parts": {"labelled": {**DATA["parts"]["labelled"], "b": 1}}})
    with pytest.raises(IncmaskError, match=r"parts\.labelled\.a is gone"):
        opened(tmp_path, data={**DATA, "parts": {"labelled": {}}})


def test_many_differences_are_cut_short(tmp_path):
    lines = differences({str(number): 0 for number in range(30)}, {str(number): 1 for number in range(30)})
    assert len(lines) == 10
    assert lines[-1] == "and 21 more differences"
    assert differences({"a": {"b": 1}}, {"a": {"b": 1}}) == []


@pytest.mark.parametrize("name", ["run.toml", "data.json"])
def test_records_that_are_damaged_are_mended_where_the_same_is_told_again(tmp_path, name):
    opened(tmp_path).close()
    content = (tmp_path / name).read_text()
    for damaged in (content + "\n", "", None):
        (tmp_path / name).unlink() if damaged is None else (tmp_path / name).write_text(damaged)
        with pytest.raises(IncmaskError, match=rf"{name}: (holds|is empty|is gone).*; restore it, or choose another"):
            opened(tmp_path, **({"run": {"recipe": "me"}} if name == "run.toml" else {"data": {"task": "other"}}))
        said = []
        Store(tmp_path, run=RUN, data=DATA, say=said.append).close()
        assert (tmp_path / name).read_text() == content
        assert len(said) == 1
    assert (tmp_path / "damaged" / name).read_text() == content + "\n"


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.doc").write_text("years")
    with pytest.raises(IncmaskError, match="is there already and is no run folder"):
        opened(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_an_empty_folder_and_one_without_its_lock_are_taken(tmp_path):
    opened(tmp_path).close()
    (tmp_path / ".lock").unlink(missing_ok=True)
    opened(tmp_path).close()


@pytest.mark.parametrize("below", ["", "sub"])
def test_a_file_in_place_of_the_folder(tmp_path, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(IncmaskError, match=r"is no run folder|cannot be written"):
        opened(tmp_path / "file" / below)


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    def refused(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "iterdir", refused)
    with pytest.raises(IncmaskError, match=r"cannot be written \(Permission denied\)"):
        opened(tmp_path)


def test_left_overs_are_removed(tmp_path):
    opened(tmp_path).close()
    folder = tmp_path / "gen-1" / "students" / "1"
    folder.mkdir(parents=True)
    (folder / "model.safetensors.123.part").write_bytes(b"half")
    (folder / "model.safetensors").write_bytes(b"whole")
    # A user's images may lie in a folder of such a name.
    (tmp_path / "masks" / "first.part").mkdir(parents=True)
    opened(tmp_path).close()
    assert [path.name for path in folder.iterdir()] == ["model.safetensors"]
    assert (tmp_path / "masks" / "first.part").is_dir()


def test_a_second_process_is_locked_out(tmp_path):
    script = (
        "import sys, pathlib\n"
        "from incmask.base.errors import IncmaskError\n"
        "from incmask.base.store import Store\n"
        "try:\n"
        f"    Store(pathlib.Path(sys.argv[1]), run={RUN!r}, data={DATA!r})\n"
        "except IncmaskError as error:\n"
        "    print(error)\n"
        "else:\n"
        "    print('opened')\n"
    )

    def second():
        return subprocess.run(
            [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
        ).stdout

    with opened(tmp_path):
        assert "another process is working on this run" in second()
    assert second() == "opened\n"


def test_two_processes_that_no_lock_keeps_apart_are_told(tmp_path, monkeypatch):
    """As on a network's disk whose locks hold on one machine alone; what both wrote is there."""

    class NoLock:
        def __init__(self, path):
            """Keep nobody out."""

        acquire = release = lambda self, timeout=0: None

    monkeypatch.setattr("incmask.base.store.filelock.FileLock", NoLock)
    first = opened(tmp_path)
    first.write(tmp_path / "a", "1")
    second = opened(tmp_path)
    second.write(tmp_path / "b", "2")
    second.write(tmp_path / "c", "3")
    with pytest.raises(IncmaskError, match=r"another process wrote to this run meanwhile.*; end all of them but one"):
        first.write(tmp_path / "d", "4")
    for store in (first, second):
        store.close()
    with opened(tmp_path) as store:
        assert store.has(*(tmp_path / name for name in "abc"))
        assert not store.has(tmp_path / "d")


def test_half_a_line_of_a_full_disk_is_taken_back(tmp_path, monkeypatch):
    def half(path, text):
        path.write_bytes(path.read_bytes() + text.encode()[:9])
        raise cannot_write(path, OSError(errno.ENOSPC, "No space left on device"))

    with opened(tmp_path) as store:
        with monkeypatch.context() as patch:
            patch.setattr("incmask.base.store.append_text", half)
            with pytest.raises(IncmaskError, match="No space left"):
                store.write(tmp_path / "a", "1")
        store.write(tmp_path / "b", "2")
    assert [*read_manifest(tmp_path)] == ["run.toml", "data.json", "b"]


def test_numbers_survive_the_comparison(tmp_path):
    """Floats and nested lists in run.toml come back as they were, so that a run can go on."""
    run = {"settings": {"rate": 1e-7, "tiny": 0.1 + 0.2, "size": [16, 32], "big": 2**60, "text": 'ä"\\\n'}}
    opened(tmp_path, run=run).close()
    opened(tmp_path, run=run).close()


def theirs_of(folder):
    """Files of a finished run beside this one."""
    folder.mkdir()
    paths = [folder / name for name in ("a.bin", "b.bin")]
    for path in paths:
        path.write_bytes(path.name.encode() * 3)
    return paths


def test_a_run_is_opened_again_whatever_it_was_begun_with(tmp_path):
    opened(tmp_path).close()
    content = {path.name: path.read_bytes() for path in tmp_path.glob("[dmr]*")}
    with reopen(tmp_path) as store:
        assert store.has(tmp_path / "run.toml", tmp_path / "data.json")
    assert {path.name: path.read_bytes() for path in tmp_path.glob("[dmr]*")} == content
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(manifest.read_text().splitlines(keepends=True)[0])
    (tmp_path / "manifest.end").unlink()
    reopen(tmp_path).close()  # killed before data.json was entered
    assert [*read_manifest(tmp_path)] == ["run.toml", "data.json"]
    (tmp_path / "data.json").write_text("{}")
    with pytest.raises(IncmaskError, match=r"data\.json: holds .* bytes, .* were written"):
        reopen(tmp_path)
    (tmp_path / "data.json").unlink()
    with pytest.raises(IncmaskError, match=r"data\.json: "):
        reopen(tmp_path)
    with pytest.raises(IncmaskError, match=r"run\.toml: cannot be read"):
        reopen(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("linked", [True, False])
def test_files_of_another_run_are_taken_over(tmp_path, monkeypatch, linked):
    first, second = theirs_of(tmp_path / "theirs")
    if not linked:

        def refused(*_args, **_options):
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr("incmask.base.store.os.link", refused)
    root = tmp_path / "ours"
    files = {first: root / "deep" / "a.bin", second: root / "c.bin"}
    with opened(root) as store:
        store.adopt(files)
        for theirs, ours in files.items():
            assert store.has(ours)
            assert ours.read_bytes() == theirs.read_bytes()
            assert ours.samefile(theirs) == linked
    lines = [json.loads(line) for line in (root / "manifest.jsonl").read_text().splitlines()[2:]]
    assert [(line["path"], line["sha256"]) for line in lines] == [
        ("deep/a.bin", hash_file(first)),
        ("c.bin", hash_file(second)),
    ]
    # What is here already is not fetched again, though the other run may be gone by now.
    for theirs in files:
        theirs.unlink()
    with opened(root) as store:
        store.adopt(files)
        assert store.has(*files.values())
    assert len((root / "manifest.jsonl").read_text().splitlines()) == 4


def test_a_file_that_another_run_lacks_is_told(tmp_path):
    first, second = theirs_of(tmp_path / "theirs")
    second.unlink()
    root = tmp_path / "ours"
    files = {first: root / "a.bin", second: root / "b.bin"}
    with opened(root) as store:
        with pytest.raises(IncmaskError, match=r"b\.bin: is not there; finish that run first"):
            store.adopt(files)
        assert not store.has(root / "a.bin")
        second.write_bytes(b"now")
        store.adopt(files)
        assert store.has(*files.values())
        # One that was changed here is taken anew, and theirs stays as it is.
        (root / "b.bin").unlink()
        (root / "b.bin").write_bytes(b"else")
        store.adopt(files)
        assert (root / "b.bin").read_bytes() == second.read_bytes() == b"now"
