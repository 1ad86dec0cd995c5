import math

import numpy as np
import pytest
from benchmarks.volumes import CLASSES, scores_of, table
from scipy import stats

from incmask.method.metrics import count


def line(approach, draw, values):
    return {
        "approach": approach,
        "draw": draw,
        "by_image": dict(zip(("brain_a", "brain_b", "brain_c"), values, strict=True)),
        "dice": dict.fromkeys(CLASSES, float(np.mean(values))),
        **{f"hd95/{name}": 2.5 for name in CLASSES},
        "seconds": 60.0,
    }


def test_dice_is_of_each_class_and_of_each_volume():
    truth = np.array([[[0, 1, 1, 2]], [[1, 0, 0, 2]]], np.uint8)
    said = np.array([[[0, 1, 2, 2]], [[1, 1, 0, 0]]], np.uint8)
    found = scores_of(
        ("a", "b"), count(said, truth, task="multiclass", num_classes=3), {"hd95/anterior": 1.0, "iou": 0.5}
    )
    # (2 · both + 1) / (said + true + 1): of the first volume both classes 3 / 4, of the second 3 / 4 and 1 / 2.
    assert found["dice"] == {"anterior": 0.75, "posterior": 0.625}
    assert found["by_image"] == {"a": 0.75, "b": 0.625}
    assert found["hd95/anterior"] == 1.0
    assert "iou" not in found


def test_differences_are_over_draws_and_volumes():
    generator = np.random.default_rng(1)
    values = {name: generator.random((2, 3)) for name in ("ldt", "im default")}
    lines = [line(name, draw, each[draw]) for name, each in values.items() for draw in range(2)]
    rows = [row.split(" | ") for row in table(lines).splitlines()]
    cells = {row[0].strip(): dict(zip(map(str.strip, rows[0]), map(str.strip, row), strict=True)) for row in rows[2:]}
    moved = values["im default"] - values["ldt"]
    reach = math.hypot(
        *(stats.t.ppf(0.975, moved.shape[axis] - 1) * stats.sem(moved.mean(1 - axis)) for axis in (0, 1))
    )
    told = cells["im default (2)"]["minus ldt"]
    mean, low, high = (float(part) for part in told.replace("(", "").replace(")", "").replace(" to ", " ").split())
    assert (mean, low, high) == pytest.approx((moved.mean(), moved.mean() - reach, moved.mean() + reach), abs=6e-4)
    assert cells["ldt (2)"]["im default minus it"] == told
    assert cells["ldt (2)"]["minus ldt"] == cells["im default (2)"]["im default minus it"] == ""


def test_a_class_that_is_found_nowhere_has_no_distance():
    told = line("ldt", 0, [0.5, 0.5, 0.5])
    del told["hd95/anterior"]
    heading, _, row = (text.split(" | ") for text in table([told]).splitlines())
    cells = dict(zip(map(str.strip, heading), map(str.strip, row), strict=True))
    assert (cells["hd95 anterior"], cells["hd95 posterior"]) == ("", "2.50")
