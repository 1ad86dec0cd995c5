from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.errors import IncmaskError
from incmask.data.dataset import ClassInfo, Dataset, Item, LabelStatistics, MaskEncoding
from incmask.insight.ranking.hidden import hide, with_validation


def items(part, num, *, masks=True):
    return tuple(
        Item(str(index), Path(part, f"{index}.png"), (Path(part, f"m{index}.png"),) if masks else None, 8, 8)
        for index in range(num)
    )


def dataset(labelled=12, unlabelled=5, val=2, *, truth=False):
    return Dataset(
        root=Path("data"),
        task="binary",
        classes=(ClassInfo("foreground", (255, 255, 255), 255),),
        encoding=MaskEncoding("grey"),
        channels=1,
        labelled=items("labelled", labelled),
        unlabelled=items("unlabelled", unlabelled, masks=truth),
        val=items("val", val),
        test=(),
        notes=(),
        statistics=LabelStatistics((), 0, 0, 0),
    )


def files(chosen):
    return [item.image for item in chosen]


@given(st.integers(4, 40), st.integers(0, 9))
def test_labels_are_hidden_and_bought_without_loss(num, seed):
    data = dataset(num)
    plan = hide(data, pool="labelled", num_start=None, budget=None, seed=[seed])
    assert sorted(files((*plan.start, *plan.waiting))) == sorted(files(data.labelled))
    assert len(plan.start) == max(2, round(num / 4))
    names = {item.name for item in plan.waiting[: plan.budget]}
    after = plan.bought(names)
    assert len(after.labelled) == len(plan.start) + plan.budget
    assert sorted(files((*after.labelled, *after.unlabelled))) == sorted(files((*data.labelled, *data.unlabelled)))
    # What is not bought keeps its secret; what is called alike stays apart.
    assert all(item.masks is None for item in after.unlabelled)
    assert all(item.masks for item in after.labelled)
    assert len({item.name for item in after.unlabelled}) == len(after.unlabelled)
    assert after.val == data.val


def test_another_seed_starts_with_others():
    plans = [hide(dataset(), pool="labelled", num_start=4, budget=4, seed=[1, index]) for index in range(5)]
    assert len({plan.start for plan in plans}) > 1
    assert hide(dataset(), pool="labelled", num_start=4, budget=4, seed=[1, 0]) == plans[0]


def test_hidden_truth_of_unlabelled_images_can_be_bought():
    data = dataset(4, 20, truth=True)
    plan = hide(data, pool="unlabelled", num_start=None, budget=None, seed=[0])
    assert (files(plan.start), plan.budget) == (files(data.labelled), 4)
    after = plan.bought({plan.waiting[3].name})
    assert files(after.labelled)[-1] == Path("unlabelled/3.png")
    assert len(after.unlabelled) == 19
    assert all(item.masks is None for item in after.unlabelled)


@pytest.mark.parametrize(
    ("data", "options", "told"),
    [
        (dataset(), {"pool": "unlabelled"}, 'has no masks beside its unlabelled images; use pool="labelled"'),
        (dataset(), {"num_start": 13}, "num_start: 13 of 12 labelled images"),
        (dataset(), {"num_start": 11}, "budget: 1 of 1 images that could be labelled leaves nothing to choose"),
        (dataset(), {"budget": 9}, "budget: 9 of 9 images"),
        (dataset(2), {}, "budget: 1 of 0 images"),
    ],
)
def test_too_few_images_are_told(data, options, told):
    given_options = {"pool": "labelled", "num_start": None, "budget": None} | options
    with pytest.raises(IncmaskError, match=told):
        hide(data, **given_options, seed=[0])


def test_without_val_a_fifth_validates_all_orders():
    data = dataset(10, val=0)
    with_val = with_validation(data, seed=3)
    assert len(with_val.val) == 2
    assert sorted(files((*with_val.labelled, *with_val.val))) == sorted(files(data.labelled))
    assert with_validation(data, seed=3) == with_val
    assert with_validation(dataset(), seed=3) == dataset()
    with pytest.raises(IncmaskError, match="has 3 labelled images and no val/"):
        with_validation(dataset(3, val=0), seed=3)


@given(st.lists(st.integers(0, 9), min_size=8, max_size=40), st.integers(0, 99))
def test_no_group_learns_and_validates(subjects, seed):
    data = dataset(len(subjects), val=0)
    labelled = [replace(item, subject=f"g{subject}") for item, subject in zip(data.labelled, subjects, strict=True)]
    data = replace(data, labelled=tuple(labelled))
    if len({*subjects}) > 1 and len(subjects) - min(map(subjects.count, subjects)) < 3:
        return
    with_val = with_validation(data, seed=seed)
    learnt, validated = ({item.group for item in part} for part in (with_val.labelled, with_val.val))
    assert learnt
    assert validated
    assert sorted(files((*with_val.labelled, *with_val.val))) == sorted(files(data.labelled))
    assert bool(learnt & validated) == (len({*subjects}) == 1)
    alone = with_validation(replace(data, labelled=tuple(replace(item, subject=None) for item in labelled)), seed=seed)
    if len({*subjects}) == 1:
        assert files(with_val.val) == files(alone.val)
