"""Sequences that hold what others hold as objects: the same values, whatever these are."""

import copy
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.packed import ByPath, Packed
from incmask.base.packed_texts import Paths, Texts, repeated
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
def test_values_are_found_where_they_are_first(make, data):
    values = data.draw(st.lists(TEXTS if make is Texts else PATHS, max_size=8))
    others = data.draw(st.lists(TEXTS if make is Texts else PATHS, max_size=3))
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


def test_records_take_what_their_values_take():
    kinds = {Item: lambda number: Item(f"{number:07d}", Path("data", "unlabelled", f"{number:07d}.png"), None, 16, 16)}
    kinds[StackRow] = lambda number: StackRow(f"{number:07d}", 0, 0, 16, 16)
    for kind, make in kinds.items():
        Packed(kind, map(make, range(9)))
        tracemalloc.start()
        packed = Packed(kind, map(make, range(4_000)))
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        # Of as many objects it is 500 and 180.
        assert taken < 100 * len(packed)
