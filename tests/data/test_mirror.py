"""Results on a URL: which of two sides counts, what is brought when, and what a dead or another machine leaves."""

import pytest

from incmask.base.errors import IncmaskError
from incmask.base.progress import Silent

pytest.importorskip("fsspec")
from incmask.data.mirror import Mirror
from storages import memory

URL = "memory://bucket/run"


@pytest.fixture
def there(monkeypatch):
    with memory(monkeypatch) as (system, _):
        yield system


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Goes to the machine of a name: what it has in its cache counts."""
    return lambda name: monkeypatch.setenv("INCMASK_CACHE", str(tmp_path / name))


def mirror(**options):
    return Mirror(URL, Silent(), **options)


def write(folder, **contents):
    for name, content in contents.items():
        path = folder / name.replace("_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def of(system):
    return {path.split("/run/", 1)[1]: system.cat_file(path).decode() for path in system.find("/bucket/run")}


def test_what_is_new_changed_and_gone_is_brought_and_no_lock(there, machine):
    machine("one")
    with mirror() as one:
        write(one.folder, a="1", deep_b="2", c="3")
        (one.folder / ".lock").touch()
        (one.folder / "d.1-2.part").touch()
        one.bring()
        assert of(there) == {"a": "1", "deep/b": "2", "c": "3"}
        write(one.folder, a="changed", new="4")
        (one.folder / "c").unlink()
    assert of(there) == {"a": "changed", "deep/b": "2", "new": "4"}
    machine("two")
    with mirror() as two:
        assert content(two.folder) == of(there)


def test_only_what_differs_goes_over_the_network(there, machine, monkeypatch):
    machine("one")
    moved = []
    for name in ("put_file", "get_file"):
        before = getattr(type(there), name)

        def told(self, path, target, *rest, before=before, name=name, **options):
            moved.append((target if name == "put_file" else path).rpartition("/")[2])
            return before(self, path, target, *rest, **options)

        monkeypatch.setattr(type(there), name, told)
    with mirror() as one:
        write(one.folder, a="1", b="2")
    assert sorted(moved) == [".lock", ".unfinished", "a", "b"]
    moved.clear()
    with mirror() as one:
        write(one.folder, b="changed")
    assert moved == [".lock", "b"]
    machine("two")
    with mirror() as two:
        write(two.folder, a="by two")
    moved.clear()
    machine("one")
    with mirror(writes=False) as one:
        assert content(one.folder) == {"a": "by two", "b": "changed"}
    assert moved == ["a"]


def test_manifests_come_last(there, machine, monkeypatch):
    machine("one")
    order, put = [], type(there).put_file

    def told(self, path, target, **options):
        order.append(target.split("/run/")[1])
        return put(self, path, target, **options)

    monkeypatch.setattr(type(there), "put_file", told)
    with mirror() as one:
        write(one.folder, **{"manifest.end": "", "manifest.jsonl": "", "predicted.jsonl": "", "zz": "", "progress": ""})
    assert order[:2] == [".lock", ".unfinished"]
    assert {*order[2:4]} == {"zz", "progress"}
    assert order[4:] == ["predicted.jsonl", "manifest.jsonl", "manifest.end"]


def test_a_copy_that_is_ahead_stays_and_one_that_was_left_behind_goes(there, machine):
    machine("one")
    with mirror() as one:
        write(one.folder, a="1", b="2")
    with mirror(writes=False) as one:
        write(one.folder, a="not brought", more="nor this")
    with mirror() as one:
        assert content(one.folder) == {"a": "not brought", "more": "nor this", "b": "2"}
    assert of(there) == {"a": "not brought", "more": "nor this", "b": "2"}
    with mirror(writes=False) as one:
        write(one.folder, a="left behind", mine="left behind")
    machine("two")
    with mirror() as two:
        write(two.folder, b="by two")
    machine("one")
    with mirror() as one:
        assert content(one.folder) == {"a": "not brought", "more": "nor this", "b": "by two"}


@pytest.mark.parametrize("num", [1, 2, 3])
def test_what_a_killed_process_brought_is_not_taken_for_somebody_elses(there, machine, monkeypatch, num):
    machine("one")
    with mirror() as one:
        write(one.folder, a="1", b="2", **{"manifest.jsonl": "x"})
    put, done = type(there).put_file, []

    class Killed(BaseException):
        pass

    def dying(self, path, target, **options):
        done.append(path)
        if len(done) > num:
            raise Killed
        return put(self, path, target, **options)

    monkeypatch.setattr(type(there), "put_file", dying)
    new = {"a": "new a", "b": "new b", "manifest.jsonl": "new"}
    with pytest.raises(Killed), mirror() as one:
        write(one.folder, **new)
    monkeypatch.setattr(type(there), "put_file", put)
    with mirror() as one:
        assert content(one.folder) == new
    assert of(there) == new


def test_what_was_never_whole_there_counts_for_nothing_and_what_others_put_there_stays(there, machine, monkeypatch):
    machine("one")
    put = type(there).put_file

    def dying(self, path, target, **options):
        if target.endswith("manifest.jsonl"):
            raise KeyboardInterrupt
        return put(self, path, target, **options)

    monkeypatch.setattr(type(there), "put_file", dying)
    with pytest.raises(KeyboardInterrupt), mirror() as one:
        write(one.folder, **{"a": "1", "manifest.jsonl": "x"})
    monkeypatch.setattr(type(there), "put_file", put)
    assert of(there) == {"a": "1", ".unfinished": ""}
    machine("two")
    with mirror() as two:
        assert not two.folder.exists()
    assert of(there) == {}
    there.pipe("/bucket/run/thesis.doc", b"years")
    machine("three")
    with mirror() as three:
        assert content(three.folder) == {"thesis.doc": "years"}
    assert of(there) == {"thesis.doc": "years"}
    machine("one")  # where it is newer than nothing, and older than what others put there
    with mirror() as one:
        assert content(one.folder) == {"thesis.doc": "years"}


def test_two_machines_at_once_are_told(there, machine):
    machine("one")
    with mirror() as one:
        write(one.folder, **{"manifest.jsonl": "x"})

    def both():
        with mirror() as one:
            machine("two")
            with mirror() as two:
                write(two.folder, **{"manifest.jsonl": "xyz", "a": "by two"})
            write(one.folder, **{"manifest.jsonl": "xx", "a": "by one"})

    with pytest.raises(IncmaskError, match=r"memory://bucket/run: was written meanwhile by somebody else"):
        both()
    assert of(there) == {"manifest.jsonl": "xyz", "a": "by two"}


def test_a_second_process_of_the_machine_is_locked_out(there, machine):
    machine("one")
    with mirror(), pytest.raises(IncmaskError, match="is worked on by another process of this machine"):
        mirror().__enter__()
    mirror().__enter__().__exit__(None, None, None)


def test_a_failure_between_stages_is_told_and_tried_again(there, machine, monkeypatch):
    machine("one")
    said = []
    listener = Silent()
    listener.say = said.append
    put = type(there).put_file
    with Mirror(URL, listener) as one:
        write(one.folder, a="1")

        def broken(self, path, target, **options):
            raise ConnectionError("line is down")

        monkeypatch.setattr(type(there), "put_file", broken)
        one.try_to_bring()
        assert "line is down" in said[-1]
        assert of(there) == {}
        with pytest.raises(IncmaskError, match="line is down"):
            one.bring()
        monkeypatch.setattr(type(there), "put_file", put)
        one.try_to_bring()
        assert of(there) == {"a": "1"}


def test_names_that_lead_out_are_refused(there, machine):
    machine("one")
    there.store["/bucket/run/../../evil"] = there.open("/bucket/x", "wb")
    with pytest.raises(IncmaskError), mirror():
        pass
