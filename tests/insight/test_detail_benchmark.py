"""The measurement of labels without details, by labels made by hand."""

import numpy as np
import pytest
from benchmarks.detail import measured
from PIL import Image

from finished_runs import leave_untrained
from runs import make_data, run_tiny


@pytest.mark.usefixtures("undrawn")
def test_labels_are_compared_with_true_masks(tmp_path, monkeypatch):
    leave_untrained(monkeypatch)
    data = make_data(tmp_path / "data", "binary", {"labelled": 2, "unlabelled": 1, "val": 1})
    outcome, _ = run_tiny(data, tmp_path / "run", "im", admit="all")
    truth = np.asarray(Image.open(next((data / "unlabelled" / "masks").iterdir()))) > 0
    assert truth.shape == (32, 32)
    assert truth.sum() == 120
    label, mask = truth.astype(np.uint8)[None], np.zeros((1, 32, 32), bool)
    # A line of a pixel's width through the image: 32 pixels, but for those in the rectangle of 12 by 10.
    label[0, :, np.flatnonzero(truth.any(0))[4]] = 1
    for name, values in (("label", label), ("inconsistent", mask)):
        np.save(outcome.root / f"gen-1/pseudo/{name}.npy", values)
    (line,) = measured(outcome.root, data, [0, 3, 19])
    assert line == "run gen-1, 1 labels: 0: 0.8571, 3: 1.0000, 19: 0.0000 (1 better 0 worse, 0 better 1 worse)"
