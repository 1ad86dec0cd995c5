import numpy as np

from incmask.insight.ranking.measure import InconsistentPixels
from incmask.insight.ranking.scores import LEAST_WORTH, expected_error, inconsistent_share, smoothed_share, worth
from incmask.method.metrics import count, iou


def inconsistent(area, px, objects):
    return InconsistentPixels(*(np.array([each]) for each in (area, px, objects)), by_class=np.zeros((1, 1), int))


def test_of_two_members_the_share_is_1_minus_their_iou():
    first, second = np.random.default_rng(0).integers(0, 2, (2, 1, 9, 9))
    found = inconsistent(81, int((first != second).sum()), int((first | second).sum()))
    members_iou = iou(count(first, second, task="binary", num_classes=1))[0, 0]
    np.testing.assert_allclose(inconsistent_share(found), 1 - members_iou)


def test_a_few_disputed_pixels_on_an_empty_image_are_no_object():
    speck, half = inconsistent(10_000, 5, 5), inconsistent(10_000, 500, 1000)
    assert inconsistent_share(speck) == 1
    np.testing.assert_allclose(smoothed_share(speck), 5 / 105)
    np.testing.assert_allclose(smoothed_share(half), 500 / 1100)
    assert inconsistent_share(inconsistent(100, 0, 0)) == 0


def test_error_is_the_mean_of_what_is_known():
    share, quality = np.array([0.4]), np.array([0.8], np.float32)
    np.testing.assert_allclose(expected_error(share, quality), [0.3], rtol=1e-6)
    np.testing.assert_allclose(expected_error(share, None), [0.4])
    np.testing.assert_allclose(expected_error(None, quality), [0.2], rtol=1e-6)
    assert expected_error(None, None) is None


def test_worth_leaves_something_where_all_agree():
    np.testing.assert_allclose(worth(np.array([0.0, 1.0]), num=2), [LEAST_WORTH, 1])
    assert worth(None, num=2).tolist() == [1, 1]
