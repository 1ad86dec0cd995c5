"""Data on a URL come as a copy that is whole, or as one line that says why not and gives no secret away."""

import errno
import sys
from collections import namedtuple

import pytest
from trees import picture, save

from incmask.base.errors import IncmaskError
from incmask.base.progress import Silent
from incmask.data import remote, storage
from incmask.data.remote import local_copy
from incmask.data.storage import refuse_url

fsspec = pytest.importorskip("fsspec")
URL = "memory://bucket/my data"
FILES = {
    "incmask.toml": b"[data]\n",
    "labelled/images/a.png": b"image a",
    "labelled/masks/a.png": b"mask a",
    "unlabelled/b c.png": b"image b",
    "unlabelled/empty.txt": b"",
}


class Heard(Silent):
    """Keeps what is said."""

    def __init__(self):
        self.lines, self.num_files = [], 0

    def say(self, line):
        self.lines.append(line)

    def advance(self, amount):
        self.num_files += amount


@pytest.fixture
def there(tmp_path, monkeypatch):
    """The storage, with FILES at URL, and an empty cache."""
    monkeypatch.setenv("INCMASK_CACHE", str(tmp_path / "cache"))
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pipe({f"/bucket/my data/{name}": content for name, content in FILES.items()})
    yield system
    system.store.clear()


@pytest.fixture
def fetched(there, monkeypatch):
    """The paths that are fetched, in any order."""
    paths, get_file = [], type(there).get_file

    def told(system, path, *args, **options):
        paths.append(path.removeprefix("/bucket/my data/"))
        return get_file(system, path, *args, **options)

    monkeypatch.setattr(type(there), "get_file", told)
    return paths


def content_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(url=URL) -> str:
    with pytest.raises(IncmaskError) as caught:
        local_copy(url, Silent())
    assert caught.value.__cause__ is None or "secret" not in str(caught.value.__cause__)
    (problem,) = caught.value.problems
    assert "\n" not in str(problem)
    return str(problem)


def test_a_copy_is_the_same_and_what_is_hidden_or_a_result_stays_there(there, fetched, tmp_path):
    there.pipe({f"/bucket/my data/{name}": b"no" for name in (".git/x", "labelled/Thumbs.db")})
    there.pipe({f"/bucket/my data/run/{name}": b"no" for name in ("manifest.jsonl", "run.toml", "masks/b.png")})
    heard = Heard()
    folder = local_copy(URL, heard)
    assert folder.name == "my data"
    assert folder.is_relative_to(tmp_path / "cache")
    assert content_of(folder) == FILES
    assert heard.lines == [f"5 files of {URL}, 0 MB, to {folder}"]
    assert heard.num_files == len(fetched) == 5
    assert local_copy(f"{URL}/", heard) == folder
    assert len(fetched) == 5, "what is here is not fetched again"


def test_what_changes_there_changes_here_and_what_a_person_adds_stays(there, fetched):
    folder = local_copy(URL, Silent())
    (folder / "rounds.json").write_text("{}")
    there.pipe("/bucket/my data/labelled/images/a.png", b"image A")
    there.rm("/bucket/my data/unlabelled/b c.png")
    there.rm("/bucket/my data/labelled/masks/a.png")
    fetched.clear()
    assert local_copy(URL, Silent()) == folder
    left = {"incmask.toml", "unlabelled/empty.txt"}
    expected = {name: FILES[name] for name in left} | {"labelled/images/a.png": b"image A", "rounds.json": b"{}"}
    assert content_of(folder) == expected
    assert fetched == ["labelled/images/a.png"]
    assert not (folder / "labelled/masks").exists(), "an empty folder of masks would be read as one"


def test_a_file_that_was_damaged_here_comes_again(there, fetched):
    folder = local_copy(URL, Silent())
    (folder / "labelled/masks/a.png").write_bytes(b"")
    fetched.clear()
    local_copy(URL, Silent())
    assert content_of(folder) == FILES
    assert fetched == ["labelled/masks/a.png"]


def test_a_single_file_comes_alone(there):
    path = local_copy(f"{URL}/unlabelled/b c.png", Silent())
    assert (path.name, path.read_bytes()) == ("b c.png", b"image b")


@pytest.mark.parametrize("error", [ConnectionError, ValueError, PermissionError, TimeoutError])
def test_a_network_that_fails_midway_is_one_line_without_secrets_and_the_copy_goes_on(there, monkeypatch, error):
    monkeypatch.setattr(remote, "NUM_THREADS", 1)
    get_file, done = type(there).get_file, []

    def failing(system, path, *args, **options):
        if len(done) == 2:
            raise error("403 for https://me:secret@host/b%20c.png?signature=secret and more\nof it: secret")
        done.append(path)
        return get_file(system, path, *args, **options)

    monkeypatch.setattr(type(there), "get_file", failing)
    told = refused()
    assert told.startswith(f"{URL}: cannot be read ({error.__name__}: 403 for https://host/b%20c.png and more); ")
    assert "what has come is kept" in told
    assert "secret" not in told
    done.clear()
    with pytest.raises(IncmaskError):
        local_copy(URL, Silent())
    assert len(done) == 2, "two more"
    done.clear()
    assert content_of(local_copy(URL, Silent())) == FILES
    assert len(done) == 1


def test_a_damaged_transfer_leaves_nothing(there, monkeypatch):
    def cut(system, path, target, **options):
        with open(target, "wb") as handle:
            handle.write(there.cat_file(path)[:4])

    monkeypatch.setattr(type(there), "get_file", cut)
    told = refused(f"{URL}/labelled/images")
    assert told.startswith(f"{URL}/labelled/images: a.png: came as 4 bytes of 7; call it again")
    monkeypatch.undo()


def test_a_transfer_that_was_cut_is_no_file(there, monkeypatch, tmp_path):
    monkeypatch.setattr(type(there), "get_file", lambda system, path, target, **options: open(target, "wb").close())
    refused()
    left = {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix}
    assert left <= {"files.jsonl", "incmask-url.txt", "empty.txt"}


def test_a_full_disk_is_told_as_one(there, monkeypatch):
    def full(system, path, target, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(there), "get_file", full)
    assert "cannot be written (No space left on device)" in refused()


def test_what_does_not_fit_is_not_begun(there, fetched, monkeypatch, tmp_path):
    free = namedtuple("Usage", "total used free")(100, 90, 10)
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: free)
    assert refused() == (
        f"{URL}: takes 0.00 GB in {tmp_path / 'cache'}, 0.00 GB are free; "
        "make room, or let INCMASK_CACHE name a folder on another disk"
    )
    assert fetched == []


@pytest.mark.parametrize(
    "name", ["../evil.png", "labelled/../../evil.png", "labelled/../../../../evil.png", "./evil.png"]
)
def test_a_name_that_leads_out_of_the_folder_is_refused_before_anything_is_written(there, fetched, tmp_path, name):
    there.store[f"/bucket/my data/{name}"] = there.store["/bucket/my data/incmask.toml"]
    assert f"{name}: is no name for a file inside" in refused()
    assert [*tmp_path.rglob("evil.png")] == []
    assert fetched == []


def test_names_that_some_disks_take_for_one_are_refused(there):
    there.pipe("/bucket/my data/unlabelled/B C.png", b"other")
    two = "unlabelled/B C.png and unlabelled/b c.png"
    assert refused() == f"{URL}: holds {two}, which are one file to some disks; rename one of the two"


def test_a_file_of_unknown_size_is_refused(there, monkeypatch):
    find = type(there).find

    def without_sizes(system, *args, **options):
        return {path: about | {"size": None} for path, about in find(system, *args, **options).items()}

    monkeypatch.setattr(type(there), "find", without_sizes)
    assert "does not tell its size; copy the data to a folder, and name that" in refused()


@pytest.mark.parametrize(
    "url",
    ["https://me:secret@host/data", "s3://key:secret@bucket/data", "https://host/data?sig=secret", f"{URL}/*?.png"],
)
def test_urls_with_secrets_and_patterns_are_refused_and_not_told(url):
    told = refused(url)
    assert "comes with a password, a query or a pattern" in told
    assert "secret" not in told


def test_what_is_not_there_or_not_known_is_one_line(there, monkeypatch):
    assert refused("memory://bucket/nothing") == (
        "memory://bucket/nothing: holds no files, or is not there; check the URL"
    )
    assert "cannot be read (ValueError: Protocol not known: nosuch)" in refused("nosuch://bucket/data")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    assert refused("s3a://bucket/data") == (
        "s3a://bucket/data: is read by a package that is not installed (s3a://); pip install 'incmask[remote]' s3fs"
    )
    monkeypatch.setitem(sys.modules, "fsspec", None)
    assert refused("memory://bucket/x").endswith("; pip install 'incmask[remote]'")


def test_another_process_that_copies_is_waited_for(there):
    folder = local_copy(URL, Silent())
    with remote.filelock.FileLock(folder.parent / ".lock"):
        assert "is being copied to this machine by another process" in refused()


def test_what_is_for_folders_alone_is_told(tmp_path):
    with pytest.raises(IncmaskError) as caught:
        refuse_url("s3:/bucket/run", "it is painted")  # as a path has it
    assert str(caught.value) == (
        "s3://bucket/run: is a URL, and it is painted in folders alone; "
        "name a folder of this machine, and copy it, by rclone or the tool of the storage"
    )
    for path in (tmp_path, "C:/run", "run", r"C:\run"):
        refuse_url(path, "it is painted")


def test_a_link_of_the_storage_is_copied_as_what_it_shows(there, tmp_path):
    save(tmp_path / "theirs/labelled/a.png", picture())
    (tmp_path / "theirs/labelled/b.png").symlink_to(tmp_path / "theirs/labelled/a.png")
    folder = local_copy(f"file://{tmp_path / 'theirs'}", Silent())
    assert content_of(folder) == content_of(tmp_path / "theirs")
    assert not (folder / "labelled/b.png").is_symlink()
