import numpy as np
import pytest
from benchmarks import image_quality
from benchmarks.image_quality import compared, spearman


def ranks(values):
    return np.argsort(np.argsort(values))


def test_ranks_are_correlated():
    generator = np.random.default_rng(0)
    first, second = generator.random(30), generator.random(30)
    # Without ties: one less six times the sum of squared differences of ranks, over n (n² - 1).
    expected = 1 - 6 * np.square(ranks(first) - ranks(second)).sum() / (30 * (30**2 - 1))
    assert spearman(first, second) == pytest.approx(expected)
    assert spearman(np.ones(30), second) == 0


def test_signs_are_turned_the_same_way_and_measured_by_the_disputed_share(monkeypatch):
    monkeypatch.setattr(image_quality, "NUM_BOOTSTRAPS", 200)
    true = np.random.default_rng(1).random(40)
    found = {
        "disputed": (1 - true).tolist(),
        "disputed of object": true.tolist(),
        "rating": (true**2).tolist(),
        "true": true.tolist(),
    }
    disputed, of_object, rating = compared(found)
    assert disputed[1:] == ["+1.00 (+1.00 to +1.00)", ""]
    assert of_object[1:] == ["-1.00 (-1.00 to -1.00)", "-2.00 (-2.00 to -2.00)"]
    assert rating[1:] == ["+1.00 (+1.00 to +1.00)", ""]
    found["rating"] = np.random.default_rng(2).random(40).tolist()
    value, low, high = (
        float(part) for part in compared(found)[2][1].replace("(", "").replace(")", "").replace("to", "").split()
    )
    assert low < value < high
    assert value == pytest.approx(spearman(np.array(found["rating"]), true), abs=0.006)
