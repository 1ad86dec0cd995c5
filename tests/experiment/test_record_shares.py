"""The shares of all masks, the most disputed first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.tables import csv_text
from incmask.experiment.record.images import read_shares
from incmask.prediction.shares import MASK_SHARES

ROWS = st.dictionaries(st.text("ab/é1", min_size=1, max_size=3), st.sampled_from([0.0, 0.25, 0.5]), max_size=8)


@pytest.mark.parametrize("is_sorted", [True, False])
@given(rows=ROWS)
def test_equally_disputed_ones_come_by_name(tmp_path_factory, rows, is_sorted):
    root = tmp_path_factory.mktemp("run")
    lines = sorted(rows.items()) if is_sorted else [*rows.items()]
    header = ("name", "inconsistent_fraction", "fraction/cell")
    (root / MASK_SHARES).write_text(csv_text(header, [(*line, 1) for line in lines]), encoding="utf-8")
    found = [(row.name, row.inconsistent_fraction, row.class_fractions) for row in read_shares(root)]
    assert found == [(name, share, (1.0,)) for name, share in sorted(rows.items(), key=lambda row: (-row[1], row[0]))]
