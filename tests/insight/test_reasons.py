from dataclasses import replace

import pytest

from incmask.insight.ranking.reasons import RegionFacts, percent, reason

FACTS = RegionFacts(
    inconsistent_px=42,
    object_px=100,
    inconsistent_px_by_class=(20,),
    expected_quality=None,
    is_novel=True,
    novelty=0.7,
    like="b",
    like_labelled=True,
)


def said(task="binary", names=("lesion",), **changes):
    return reason(replace(FACTS, **changes), task=task, class_names=names)


def test_the_example_of_the_guide():
    assert said() == "42 % of the predicted lesion is disputed; unlike anything labelled"


def test_ratings_and_likeness_are_told():
    assert said(expected_quality=0.413, is_novel=False, novelty=0.1) == (
        "42 % of the predicted lesion is disputed; expected IoU 0.41; much like the labelled b"
    )
    assert said(is_novel=False, novelty=0.1, like_labelled=False).endswith("disputed; much like b, ranked before")
    assert said(is_novel=False, num_alike=1).endswith("disputed; 1 more is like it")
    assert said(is_novel=False, num_alike=37).endswith("disputed; 37 more are like it")


def test_the_most_disputed_class_is_named():
    names = ("background", "alive", "dead")
    assert said("multiclass", names, inconsistent_px_by_class=(1, 30, 11), is_novel=False) == (
        "42 % of the foreground is disputed, most of it predicted as alive"
    )
    assert "most" not in said("multilabel", names[1:], inconsistent_px_by_class=(20, 21))
    assert "expected mIoU 0.50" in said("multilabel", names[1:], inconsistent_px_by_class=(1, 1), expected_quality=0.5)


def test_what_is_no_ground_goes_by_the_name_that_the_data_give_it():
    told = said("multiclass", ("sky", "bird", "plane"), inconsistent_px_by_class=(1, 30, 11), is_novel=False)
    assert told == "42 % of what is not sky is disputed, most of it predicted as bird"


def test_agreement_is_told():
    assert said(inconsistent_px=0, is_novel=False) == "the models agree"
    assert said(inconsistent_px=0, object_px=0, is_novel=False) == "nothing is found, and the models agree"


def test_a_single_model_says_nothing_of_agreement():
    assert said(inconsistent_px=None) == "unlike anything labelled"
    assert said(inconsistent_px=None, is_novel=False) == "like others"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.004, "less than 1 %"), (0.424, "42 %"), (0.999, "99 %"), (1, "100 %"), (0.01, "1 %")],
)
def test_percent_never_rounds_to_none_or_all(share, text):
    assert percent(share) == text
