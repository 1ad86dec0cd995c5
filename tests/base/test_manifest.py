import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from incmask.base import manifest as module
from incmask.base.intact import read_manifest
from incmask.base.manifest import END, MANIFEST, REMOVED, Entries, Entry, check_end, end_of
from incmask.base.store import Store

NAMES = ["run.toml", "masks/a.png", 'masks/ü "x".png', "masks2/a.png", "mask", "masks/b/c.png", "masks", "[", "a\\b"]


def slow(content: bytes) -> dict[str, Entry]:
    """The same by a dictionary of all lines, as every version before had it."""
    found = {}
    for line in content[: content.rfind(b"\n") + 1].splitlines():
        told = json.loads(line)
        found[told["path"]] = Entry(told["bytes"], told["sha256"], told.get("blocks", ""))
    return {name: entry for name, entry in found.items() if entry.num_bytes >= 0}


def written(root: Path, lines: list[str]) -> Path:
    (root / MANIFEST).write_text("".join(lines), encoding="utf-8")
    return root


@pytest.mark.slow
@pytest.mark.parametrize("collide", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_what_is_looked_up_is_what_a_dictionary_of_all_lines_has(tmp_path, monkeypatch, seed, collide):
    """Paths that come again, are removed and come back; lines of another writing; hashes that are the same, too."""
    if collide:
        monkeypatch.setattr(module, "hash", lambda name: len(name) % 2, raising=False)
    draw = np.random.default_rng(seed)
    lines = []
    for number in range(60):
        entry = REMOVED if draw.random() < 0.3 else Entry(number, f"{number:064}", "b" if draw.random() < 0.2 else "")
        line = entry.line(NAMES[draw.integers(len(NAMES))])
        if draw.random() < 0.2:
            told = json.loads(line)
            line = json.dumps({key: told[key] for key in reversed(told)}, ensure_ascii=False) + "\n"
        lines.append(line)
    written(tmp_path, lines[:20])
    entries = Entries(tmp_path)
    for end in (20, 45, 60):
        written(tmp_path, [*lines[:end], '{"path": "half'])
        entries.read_on()
        known = slow((tmp_path / MANIFEST).read_bytes())
        assert dict(entries.told()) == dict(entries) == known
        assert [*entries] == [*known]
        assert len(entries) == len(known)
        assert [name in entries for name in NAMES] == [name in known for name in NAMES]
        for below in (["masks"], ["masks/b", "mask"], [], ["a\\b", "["], ["nothing"]):
            expected = [name for name in known if any(name == each or name.startswith(f"{each}/") for each in below)]
            assert [name for name, _ in entries.told(below)] == expected
    assert entries.num_bytes == len("".join(lines).encode())


def test_without_a_manifest_nothing_is_known(tmp_path):
    assert dict(Entries(tmp_path)) == {}
    assert dict(read_manifest(tmp_path)) == {}
    with pytest.raises(KeyError):
        Entries(tmp_path)["a"]


@pytest.mark.slow
def test_ten_times_as_many_lines_take_sixteen_bytes_each(tmp_path):
    def held(num: int) -> int:
        root = tmp_path / str(num)
        root.mkdir()
        written(root, [Entry(1, "0" * 64).line(f"masks/{number:09}.png") for number in range(num)])
        tracemalloc.start()
        entries = Entries(root)
        assert "masks/000000007.png" in entries
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size

    assert (held(50_000) - held(5_000)) / 45_000 == pytest.approx(16, abs=1)


def test_the_end_tells_a_manifest_from_another(tmp_path):
    written(tmp_path, [Entry(1, "0" * 64).line("a")])
    told = end_of(tmp_path / MANIFEST, 20)
    (tmp_path / END).write_text(told)
    check_end(tmp_path)
    assert json.loads(told)["bytes"] == 20
    assert json.loads(end_of(tmp_path / MANIFEST, 10**6))["bytes"] == (tmp_path / MANIFEST).stat().st_size
    content = (tmp_path / MANIFEST).read_bytes()
    (tmp_path / MANIFEST).write_bytes(content + b"more\n")
    check_end(tmp_path)
    for wrong in (content[:19], b"x" + content[1:]):
        (tmp_path / MANIFEST).write_bytes(wrong)
        with pytest.raises(ValueError, match=r"is not what manifest\.end tells"):
            check_end(tmp_path)


def test_a_store_knows_what_it_enters_in_several_turns(tmp_path):
    with Store(tmp_path, run={}, data={}) as store:
        for number in range(5):
            store.write(tmp_path / "deep" / f"{number}", str(number))
        store.remove(tmp_path / "deep" / "3")
        paths = [tmp_path / "deep" / str(number) for number in range(6)]
        assert [store.has(path) for path in paths] == [True, True, True, False, True, False]
        store.write(paths[3], "again")
        assert store.has(*paths[:5])
    assert [*read_manifest(tmp_path)] == ["run.toml", "data.json", *(f"deep/{number}" for number in range(5))]
