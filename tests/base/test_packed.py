"""Sequences that hold what others hold as objects: the same values, whatever these are."""

import copy
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base import packed_texts, spilled
from incmask.base.packed import Beside, ByPath, Packed
from incmask.base.packed_texts import Paths, Texts, in_order, repeated, sorted_places
from incmask.base.spilled import Numbers
from incmask.data.dataset import Item
from incmask.data.stack import StackRow


@dataclass(frozen=True, slots=True)
class Inner:
    numbers: tuple[float, ...]
    anything: object


@dataclass(frozen=True)
class Record:
    name: str
    path: Path
    number: int
    share: float
    ids: tuple[int, ...]
    inner: Inner
    subject: str | None = None
    limits: tuple[float, float] | None = None
    flag: bool = False


@dataclass(frozen=True)
class Number:
    number: int


TEXTS = st.text(st.characters(exclude_categories=()), max_size=5)
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=()), min_size=1, max_size=4)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: Path(*names)).filter(lambda path: path.name)
NUMBERS = st.floats(allow_nan=False)
RECORDS = st.builds(
    Record,
    name=TEXTS,
    path=PATHS,
    number=st.integers(-(2**63), 2**63 - 1),
    share=NUMBERS,
    ids=st.lists(st.integers(0, 9), max_size=3).map(tuple),
    inner=st.builds(Inner, st.lists(NUMBERS, max_size=2).map(tuple), st.sampled_from([None, {"a": 1}, ("b",), True])),
    subject=st.none() | TEXTS | st.binary(min_size=32, max_size=32).map(bytes.hex),
    limits=st.none() | st.tuples(NUMBERS, NUMBERS),
    flag=st.booleans(),
)


@given(st.lists(RECORDS, max_size=6), st.slices(6))
def test_records_come_back_as_they_were(records, part):
    packed = Packed(Record, records)
    assert packed == tuple(records) == tuple(copy.deepcopy(packed))
    assert len(packed) == len(records)
    assert packed[part] == tuple(records[part])
    assert [packed[-1 - place] for place in range(len(records))] == records[::-1]
    assert [*packed.column("name")] == [record.name for record in records]
    assert repr(packed) == repr(tuple(records))
    assert hash(Packed(Number, [Number(1)])) == hash((Number(1),))
    with pytest.raises(IndexError):
        packed[len(records)]


@given(st.lists(RECORDS, max_size=6))
def test_a_field_takes_other_values(records):
    others = [record.name[::-1] for record in records]
    changed = Packed(Record, records).with_values("name", others)
    assert [record.name for record in changed] == others
    assert [record.path for record in changed] == [record.path for record in records]


@pytest.mark.parametrize("make", [Texts, Paths])
@given(st.data())
def test_values_are_found_where_they_are_first_of_those_that_follow_each_other(make, data):
    some = data.draw(st.lists(TEXTS if make is Texts else PATHS, max_size=11, unique=True))
    times = data.draw(st.lists(st.integers(1, 3), min_size=len(some), max_size=len(some)))
    each = [value for value, num in zip(some, times, strict=True) for _ in range(num)]
    values, others = each[:8], [value for value in each[8:] if value not in each[:8]]
    found = make(values)
    for value in (*values, *others):
        assert found.place(value) == (values.index(value) if value in values else None)
        assert (value in found) == (value in values)
    # What is added later is found, too, and in a copy, as another process gets.
    for value in others:
        found.append(value)
    again = copy.deepcopy(found)
    assert [again.place(value) for value in others] == [[*values, *others].index(value) for value in others]
    assert [*again] == [*values, *others]


@given(st.dictionaries(PATHS, RECORDS, max_size=6))
def test_records_by_path_are_a_mapping(records):
    found = ByPath(Record, records.items())
    assert dict(found) == dict(found.items()) == records
    assert [*found.values()] == [*records.values()]
    assert len(found) == len(records)
    assert dict(found.column("number")) == {path: record.number for path, record in records.items()}
    with pytest.raises(KeyError):
        found[Path("not/there/at/all/of/them")]


@given(st.lists(st.sampled_from("abcdef")))
def test_what_comes_twice_is_told(texts):
    assert repeated(lambda: texts) == {text for text in texts if texts.count(text) > 1}


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        (Item, lambda number: Item(f"{number:07d}", Path("data", "unlabelled", f"{number:07d}.png"), None, 16, 16)),
        (StackRow, lambda number: StackRow(f"{number:07d}", 0, 0, 16, 16)),
    ],
)
def test_records_take_little_memory_however_many_there_are(monkeypatch, kind, make):
    monkeypatch.setattr(spilled, "_BLOCK_BYTES", 1024)
    Packed(kind, map(make, range(9)))

    def taken(num):
        tracemalloc.start()
        packed = Packed(kind, map(make, range(num)))
        assert sum(1 for _ in packed) == num
        found = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return found

    # As objects 500 and 180 bytes each; on disk 96 for a block of 1,024.
    # What another thread does meanwhile counts, too, but not each time.
    assert min(taken(4_000) for _ in range(3)) - taken(1_000) < 12 * 3_000


@given(st.lists(TEXTS, max_size=30))
def test_texts_come_sorted_however_many_are_held_at_once(values):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(packed_texts, "_SORTED_AT_ONCE", 4)
        assert [*in_order(values)] == sorted(values)
        assert [*in_order(values, len)] == sorted(values, key=len)
        several = Texts(dict.fromkeys(values))
        assert [several[place] for place in sorted_places(several)] == sorted({*values})


@given(st.dictionaries(TEXTS, st.integers(0, 9), max_size=8), TEXTS)
def test_two_columns_are_a_mapping(values, other):
    found = Beside(Texts(values), Numbers("q", values.values()))
    assert found == values
    assert found.get(other) == values.get(other)
    assert [*found.items()] == [*values.items()]
