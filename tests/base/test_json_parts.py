import json
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from incmask.base.records import as_written, json_parts

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=12
)


class Made(Mapping):
    """A mapping that is no dict."""

    def __init__(self, values):
        self._values = values

    def __getitem__(self, name):
        return self._values[name]

    def __iter__(self):
        return iter(self._values)

    def __len__(self):
        return len(self._values)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_the_text_is_that_of_json(values):
    assert "".join(json_parts(values)) == json.dumps(values, indent=1)


@given(st.dictionaries(st.text(), st.dictionaries(st.text(), VALUES, max_size=3), max_size=3))
def test_mappings_of_any_kind_are_told_as_dicts(values):
    made = Made({name: Made(inner) for name, inner in values.items()})
    assert "".join(json_parts(made)) == json.dumps(values, indent=1)
    assert as_written(made) == as_written(values)
