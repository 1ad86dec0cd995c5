import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.experiment.pseudo_labels import REASON, PseudoLabels, describe_pseudo_labels, index_csv, read_pseudo_labels

shares = st.floats(0, 1)
lines = st.lists(
    st.tuples(st.text(st.characters(exclude_categories=["C"]), max_size=9), *[st.booleans()], *[shares] * 3)
    | st.tuples(st.sampled_from(['a, "b"', "@"]), *[st.booleans()], *[shares] * 3),
    min_size=1,
    max_size=6,
)


def known(admitted, disputed, foreground, quality=None, copies=None, left_out=None):
    return PseudoLabels(
        admitted=np.array(admitted, bool),
        inconsistent_fraction=np.array(disputed, float),
        foreground_fraction=np.array(foreground, float),
        quality=None if quality is None else np.array(quality, float),
        copies=np.ones(len(admitted), int) if copies is None else np.array(copies),
        left_out=np.array(left_out or ["" if used else "disputed" for used in admitted], REASON),
    )


@given(lines=lines, rated=st.booleans(), data=st.data())
def test_a_table_comes_back(tmp_path_factory, lines, rated, data):
    names, admitted, disputed, foreground, quality = zip(*lines, strict=True)
    copies = data.draw(st.lists(st.integers(1, 5), min_size=len(lines), max_size=len(lines)))
    written = known(admitted, disputed, foreground, quality if rated else None, copies)
    path = tmp_path_factory.getbasetemp() / "index.csv"
    path.write_text("".join(index_csv(names, written)), encoding="utf-8")
    read = read_pseudo_labels(path)
    assert read.admitted.tolist() == list(admitted)
    assert read.copies.tolist() == copies
    assert read.left_out.tolist() == written.left_out.tolist()
    # Ratings in full, since a later generation compares its own with them; shares to six places.
    assert (None if read.quality is None else read.quality.tolist()) == (list(quality) if rated else None)
    np.testing.assert_allclose(read.inconsistent_fraction, disputed, atol=5.1e-7)
    np.testing.assert_allclose(read.foreground_fraction, foreground, atol=5.1e-7)
    with open(path, newline="", encoding="utf-8") as handle:
        table = list(csv.DictReader(handle))
    # A name that a spreadsheet would run as a formula has a ' before it.
    assert [(line["row"], line["name"].removeprefix("'")) for line in table] == [
        (str(row), name.removeprefix("'")) for row, name in enumerate(names)
    ]


def test_ratings_of_float32_come_back_in_full(tmp_path):
    rating = float(np.float32(1) / np.float32(3))
    (tmp_path / "index.csv").write_text("".join(index_csv(["a"], known([True], [0], [0], [rating]))))
    assert read_pseudo_labels(tmp_path / "index.csv").quality.tolist() == [rating]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (
            known([True, False, True], [0.1, 0.9, 0.3], [0.2, 0.9, 0.4]),
            "2 of 3 pseudo-labels used, the others left out (1 too much disputed); 43.3% of all pixels are "
            "disputed, 50.0% foreground",
        ),
        (
            known([True, False, True], [0, 0, 0], [0.5, 0, 0.5], [0.1, 0.2, 0.3], [4, 5, 1]),
            "2 of 3 pseudo-labels used, the others left out (1 too much disputed); 2.5 copies each; 0.0% of "
            "all pixels are disputed, 33.3% foreground",
        ),
        (
            known([True, True], [0.5, 0], [0, 0]),
            "2 of 2 pseudo-labels used; 25.0% of all pixels are disputed; those used hold no "
            "foreground at all: the teachers have collapsed to background",
        ),
        (
            known([False, False, False], [0.5, 0, 0], [0.5, 0, 1], left_out=["disputed", "empty", "rating"]),
            "none of the 3 pseudo-labels is used (1 too much disputed, 1 empty, 1 rated too low); the labelled images "
            "train alone",
        ),
    ],
)
def test_what_is_told_of_them(tmp_path, found, told):
    path = tmp_path / "index.csv"
    path.write_text("".join(index_csv([str(row) for row in range(len(found.admitted))], found)))
    assert describe_pseudo_labels(path) == told


def test_an_earlier_table_tells_no_reasons(tmp_path):
    text = "".join(index_csv(["a", "b"], known([True, False], [0, 1], [0, 0])))
    lines = [line.rpartition(",")[0] for line in text.splitlines()]
    assert lines[0].endswith("copies")
    (tmp_path / "index.csv").write_text("\n".join(lines))
    read = read_pseudo_labels(tmp_path / "index.csv")
    assert (read.left_out.tolist(), read.why_left_out) == ([b"", b""], "")
