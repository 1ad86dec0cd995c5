"""Numbers that grow beyond what is held: the same as those of an array, wherever they lie."""

import copy
import errno
import os
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base import spilled
from incmask.base.packed_texts import Paths, Texts
from incmask.base.spilled import Numbers


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(spilled, "_BLOCK_BYTES", 16)
        yield


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch) -> spilled._File:
    """Give a file in which nothing lies yet."""
    monkeypatch.setattr(spilled._File, "_of_process", None)
    return spilled._File.of_process()


@given(st.lists(st.integers(0, 2**40), max_size=40), st.lists(st.integers(0, 60), max_size=8))
def test_numbers_are_those_of_an_array(values: list[int], places: list[int]) -> None:
    numbers = Numbers("q", values)
    assert numbers == tuple(values) == tuple(numbers)
    assert len(numbers) == len(values)
    np.testing.assert_array_equal(np.array(numbers, np.int64), np.array(values, np.int64))
    for place in places:
        if place < len(values):
            assert numbers[place] == values[place]
            assert numbers.between(place, len(values)) == array("q", values[place:]).tobytes()
    assert copy.deepcopy(numbers) == numbers


@given(st.lists(st.text(max_size=12), max_size=30), st.data())
def test_texts_that_span_blocks_come_back(values: list[str], data: st.DataObject) -> None:
    texts = Texts(values)
    assert texts == tuple(values) == tuple(texts)
    for value in data.draw(st.lists(st.sampled_from(values), max_size=8)) if values else []:
        place = texts.place(value)
        assert place is not None
        assert values[place] == value
    assert texts.place("longer than any of those texts") is None


def test_blocks_lie_on_disk_and_their_room_is_used_again(file: spilled._File) -> None:
    numbers = Numbers("B")
    numbers.extend_bytes(bytes(range(40)))
    assert (len(numbers), file._num_blocks) == (40, 2)
    del numbers
    again = Numbers("B")
    again.extend_bytes(bytes(range(100, 132)))
    assert file._num_blocks == 2
    assert again == tuple(range(100, 132))


def test_a_block_that_is_given_back_while_another_is_written_is_no_others(file: spilled._File) -> None:
    held = [spilled._Block(bytes([number] * 16)) for number in range(3)]
    held.pop()
    handle = file._handle
    assert handle is not None

    class Freeing:
        """Gives a block back in the middle, as a collection of garbage may."""

        def write(self, content: bytes) -> int:
            held.pop()
            return handle.write(content)

        def __getattr__(self, name: str) -> Any:
            return getattr(handle, name)

    file._handle = Freeing()  # type: ignore[assignment]
    written = spilled._Block(b"w" * 16)
    file._handle = handle
    others = [spilled._Block(bytes([number] * 16)) for number in range(20, 23)]
    assert written.read() == b"w" * 16
    assert held[0].read() == bytes(16)
    assert [block.read()[0] for block in others] == [20, 21, 22]


def test_a_full_disk_costs_memory_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spilled._File, "write", full)
    numbers = Numbers("q", range(20))
    assert numbers == tuple(range(20))
    del numbers


@pytest.mark.usefixtures("file")
def test_a_disk_that_takes_a_part_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    class Half:
        def seek(self, place: int) -> None: ...

        def write(self, content: bytes) -> int:
            return len(content) // 2

        def close(self) -> None: ...

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Half())
    assert Numbers("q", range(20)) == tuple(range(20))


def test_without_reads_at_a_place_the_file_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pread", raising=False)
    assert Numbers("q", range(20)) == tuple(range(20))


def _grown(numbers: Sequence[Any], queue: Any) -> None:
    numbers.extend(range(100, 120))  # type: ignore[attr-defined]
    queue.put(tuple(numbers))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no processes")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_what_a_forked_process_adds_changes_nothing_here() -> None:
    numbers, context = Numbers("q", range(20)), get_context("fork")
    process = context.Process(target=_grown, args=(numbers, queue := context.SimpleQueue()))
    process.start()
    assert queue.get() == (*range(20), *range(100, 120))
    process.join()
    numbers.extend(range(20, 40))
    assert numbers == tuple(range(40))


def test_it_lies_where_one_tells_or_else_on_a_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(spilled, "_ON_DISK", str(tmp_path))
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert spilled._folder() is None
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    assert spilled._folder() == str(tmp_path)
    monkeypatch.setattr(spilled, "_ON_DISK", str(tmp_path / "gone"))
    assert spilled._folder() is None


def test_paths_that_are_asked_for_in_their_order_need_no_index() -> None:
    paths = Paths(Path("a") / f"{number}.png" for number in range(9))
    assert [paths.place(path) for path in paths] == [*range(9)]
    assert paths._index is None
    assert paths.place(Path("a/3.png")) == 3
    assert paths._index is not None
