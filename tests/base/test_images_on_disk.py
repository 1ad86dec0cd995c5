"""What is said of images, looked up in the file: the same as if all of it were read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.errors import IncmaskError
from incmask.base.images_on_disk import ImagesOnDisk, read_data
from incmask.base.records import DATA, json_parts, read_written

LEAVES = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
OF_IMAGES = st.dictionaries(st.text(max_size=3), LEAVES | st.dictionaries(st.text(max_size=3), LEAVES, max_size=2))
PARTS = st.dictionaries(
    st.sampled_from(["labelled", "unlabelled", "val"]), st.dictionaries(st.text(max_size=4), OF_IMAGES, max_size=3)
)
DATAS = st.fixed_dictionaries(
    {"task": st.text(max_size=3), "classes": st.lists(OF_IMAGES, max_size=2), "encoding": OF_IMAGES},
    optional={"parts": PARTS, "volumes": OF_IMAGES},
)


@given(values=DATAS, how=st.sampled_from(["written", "by hand", "in a line"]))
def test_it_says_what_is_written(tmp_path_factory, values, how):
    root = tmp_path_factory.mktemp("run")
    indents = {"by hand": 3, "in a line": None}
    text = "".join(json_parts(values)) if how == "written" else json.dumps(values, indent=indents[how])
    (root / DATA).write_text(text)
    found, whole = read_data(root), read_written(root / DATA)
    assert found == whole
    # An image of which nothing is said is written otherwise.
    looked_up = how == "written" and all(all(images.values()) for images in whole.get("parts", {}).values())
    for part, images in whole.get("parts", {}).items():
        assert dict(found["parts"][part].items()) == images
        assert all(found["parts"][part][name] == told for name, told in images.items())
        assert "nowhere at all" not in found["parts"][part]
        if looked_up and images:
            assert isinstance(found["parts"][part], ImagesOnDisk)


@pytest.mark.parametrize("text", ["", "{", '{\n "parts": {\n  "val": {\n   "a": {\n', "[]"])
def test_what_is_no_such_file_is_told(tmp_path, text):
    (tmp_path / DATA).write_text(text)
    with pytest.raises(IncmaskError, match="cannot be read"):
        read_data(tmp_path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(IncmaskError, match="cannot be read"):
        read_data(tmp_path)
