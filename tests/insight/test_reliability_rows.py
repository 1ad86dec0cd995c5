import math

import numpy as np
import pytest
from scipy import stats

from incmask.base.tables import read_rows
from incmask.insight.reliability.counting import Tally
from incmask.insight.reliability.rows import (
    ErrorRow,
    ImageReliability,
    Reliability,
    error_rows,
    errors_csv,
    image_rows,
    images_csv,
)
from incmask.method.metrics import Counts


def some_counts(num_images=40):
    generator = np.random.default_rng(0)
    total = generator.integers(20, 90, (num_images, 1, 2))
    # Images differ in how easy they are.
    wrong = generator.binomial(total, generator.beta(2, 6, (num_images, 1, 1)))
    return total, wrong


def each_its_own(total):
    return [str(index) for index in range(len(total))]


def test_rates_and_levels():
    # Three images of each kind.
    total = np.array(3 * [[[8, 0, 4]], [[2, 0, 0]]])
    wrong = np.array(3 * [[[1, 0, 3]], [[1, 0, 0]]])
    agreed, inconsistent = error_rows("val", ["(all)"], total, wrong, subjects=each_its_own(total))
    assert (agreed.disagreement, agreed.num_pixels, agreed.num_wrong, agreed.num_images) == (0, 30, 6, 6)
    assert agreed.error_rate == 0.2
    # Of 6 of 30 wrong pixels, three images have .6 too few and three as many too many, of 5 on the mean; t is 2.5706.
    reach = 2.570582 * math.sqrt(6 * 0.6**2 / 5 / 6) / 5
    assert (agreed.low, agreed.high) == pytest.approx((0.2 - reach, 0.2 + reach))
    # Three subjects carry no interval.
    assert (inconsistent.disagreement, inconsistent.error_rate, inconsistent.num_images) == (1, 0.75, 3)
    assert np.isnan([inconsistent.low, inconsistent.high]).all()


def test_the_interval_is_nearly_that_of_drawing_images_anew():
    total, wrong = some_counts()
    row = error_rows("val", ["(all)"], total, wrong, subjects=each_its_own(total))[0]
    reference = stats.bootstrap(
        (wrong[:, 0, 0], total[:, 0, 0]),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        paired=True,
        method="percentile",
        n_resamples=9999,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert (row.low, row.high) == pytest.approx((reference.low, reference.high), abs=0.006)


def test_images_of_a_subject_go_together():
    total, wrong = some_counts()
    subjects = [f"frame {index // 4}" for index in range(40)]
    alone, together = (
        error_rows("val", ["(all)"], total, wrong, subjects=names)[0] for names in (each_its_own(total), subjects)
    )
    assert together.error_rate == alone.error_rate
    # As if the images of a subject were one.
    joined = (each.reshape(10, 4, *each.shape[1:]).sum(1) for each in (total, wrong))
    (expected, *_) = error_rows("val", ["(all)"], *joined, subjects=list("abcdefghij"))
    assert (together.low, together.high) == pytest.approx((expected.low, expected.high))
    assert (together.low, together.high) != pytest.approx((alone.low, alone.high), abs=0.001)
    assert together.num_images == 40


def test_images_that_are_all_alike_have_no_spread():
    (row,) = error_rows("test", ["(all)"], np.full((6, 1, 2), [10, 0]), np.full((6, 1, 2), [3, 0]), subjects="abcdef")
    assert (row.low, row.error_rate, row.high) == pytest.approx((0.3, 0.3, 0.3))


def test_an_image_is_told_by_its_own_pixels():
    counts = Counts(*(np.array(each) for each in ([[2], [0]], [[3], [0]], [[4], [0]], [15, 9], [18, 9])))
    total = np.array([[[12, 6]], [[9, 0]]])
    found = Tally(total, total, np.array([8, 0]), counts)
    first, empty = image_rows("val", ["a", "b"], found, scores=[0.4, 1.0])
    assert (first.score, first.inconsistent_fraction, first.disputed_of_foreground) == (0.4, 6 / 18, 6 / 8)
    assert (empty.score, empty.inconsistent_fraction, empty.disputed_of_foreground) == (1, 0, 0)


def errors(split="val", rates=(0.01, 0.4)):
    return tuple(
        ErrorRow(split, "(all)", level / 2, 100, round(100 * rate), rate, rate, rate, 3)
        for level, rate in enumerate(rates)
    )


def test_tables_can_be_read_again(tmp_path):
    rows = [*errors(), ErrorRow("test", "a, b", 1 / 3, 7, 2, 2 / 7, np.nan, np.nan, 1)]
    (tmp_path / "errors.csv").write_text(errors_csv(rows))
    for old, new in zip(rows, read_rows(tmp_path / "errors.csv", ErrorRow), strict=True):
        assert vars(new) == pytest.approx(vars(old), abs=1e-6, nan_ok=True)
    images = [ImageReliability("val", "sub/a", 0.5, 0.25, 2 / 3)]
    (tmp_path / "images.csv").write_text(images_csv(images))
    assert vars(read_rows(tmp_path / "images.csv", ImageReliability)[0]) == pytest.approx(vars(images[0]), abs=1e-6)
    assert errors_csv(rows).splitlines()[0].startswith("split,class,disagreement,num_pixels,num_wrong,error_rate")


def test_the_sentence_prefers_test_images():
    enough = {"val": 6, "test": 6}
    assert Reliability(errors(), (), {"val": 6}).sentence() == (
        "on validation images 40% of the disputed pixels are wrong, 1.0% of those on which the models agree"
    )
    assert (
        Reliability((*errors(), *errors("test", (0.02, 0.5))), (), enough).sentence().startswith("on test images 50%")
    )
    assert Reliability(errors()[:1], (), enough).sentence().startswith("nothing was disputed")


@pytest.mark.parametrize(
    ("num_subjects", "missing"),
    [({"val": 2}, "4 more images"), ({"val": 1, "test": 5}, "1 more image"), ({}, "6 more images")],
)
def test_few_images_tell_no_rate(num_subjects, missing):
    found = Reliability((*errors(), *errors("test", (0.02, 0.5))), (), num_subjects)
    assert (
        found.sentence()
        == f"how often disputed pixels are wrong takes {missing} with true masks in val/ or test/ to tell"
    )
    assert Reliability((*errors(), *errors("test")), (), {"val": 6, "test": 5}).sentence().startswith("on validation ")


def test_correlations_leave_splits_apart_and_json_knows_no_nan():
    generator = np.random.default_rng(0)
    shares, scores = generator.random((2, 10))
    images = [ImageReliability("val", "x", score, 0.1, share) for score, share in zip(scores, shares, strict=True)]
    found = Reliability((), (*images, ImageReliability("test", "y", 0.4, 0.2, 0.3)), {})
    known = found.correlations()
    assert known["val"]["disputed_of_foreground"].pearson == pytest.approx(stats.pearsonr(shares, scores).statistic)
    assert known["val"]["disputed_of_foreground"].spearman == pytest.approx(stats.spearmanr(shares, scores).statistic)
    values = found.as_dict()["correlation_with_score"]
    assert values["test"]["inconsistent_fraction"] == {"pearson": None, "spearman": None, "num": 1}
    # One that is constant.
    assert values["val"]["inconsistent_fraction"]["pearson"] is None
