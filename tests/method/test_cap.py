import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.method.agreement import Inconsistency, combine
from incmask.method.cap import capped
from incmask.method.labels import labels_of

TASKS = ("binary", "multilabel", "multiclass")


def some_votes(task, *, seed, num_classes=3, size=(6, 7)):
    """Probabilities of three members that often disagree, on two images."""
    generator = np.random.default_rng(seed)
    channels = labels_of(task).num_outputs(1 if task == "binary" else num_classes)
    members = generator.random((3, 2, channels, *size)).astype(np.float32)
    return members / members.sum(2, keepdims=True) if task == "multiclass" else members


def slow(voted, mean, task, share):
    """Pixel by pixel: of each class the least sure ones stay, as many as the share has."""
    label, inconsistent = voted.label.copy(), voted.inconsistent.copy()
    for image in range(len(mean)):
        channels = range(1, mean.shape[1]) if task == "multiclass" else range(mean.shape[1])
        soft = {}
        for pixel in np.ndindex(inconsistent.shape[1:]):
            says = {channel: float(mean[image, channel][pixel]) for channel in channels}
            soft[pixel] = {max(says, key=says.get)} if task == "multiclass" else {c for c in says if says[c] > 0.5}
        freed = set()
        for channel in channels:
            own = [pixel for pixel in soft if channel in soft[pixel]]
            disputed = [pixel for pixel in own if voted.inconsistent[image][pixel]]
            disputed.sort(key=lambda pixel, channel=channel: -float(mean[image, channel][pixel]))
            freed |= set(disputed[: max(0, len(disputed) - math.floor(share * len(own) + 1e-9))])
        for pixel in freed:
            inconsistent[image][pixel] = False
            if task == "multiclass":
                label[image][pixel] = min(soft[pixel]) - 1
            elif task == "binary":
                label[image][pixel] = len(soft[pixel])
            else:
                label[image][pixel] = [channel in soft[pixel] for channel in channels]
    return label, inconsistent


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("share", [0.0, 0.25, 0.6, 0.9, 1.0])
def test_a_cap_is_what_a_slow_loop_says(task, share):
    for seed in range(4):
        members = some_votes(task, seed=seed)
        voted, mean = combine(members, task=task, dilate_px=3 if seed % 2 else 0), members.mean(0)
        found = capped(voted, mean, task=task, max_share=share)
        label, inconsistent = slow(voted, mean, task, share)
        assert np.array_equal(found.label, label)
        assert np.array_equal(found.inconsistent, inconsistent)
        assert (found.label.dtype, found.inconsistent.dtype) == (np.uint8, np.bool_)


@given(task=st.sampled_from(TASKS), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_no_class_loses_more_than_its_share_and_nothing_else_changes(task, share, seed):
    members, kind = some_votes(task, seed=seed), labels_of(task)
    voted, mean = combine(members, task=task), members.mean(0)
    before = voted.label.copy(), voted.inconsistent.copy()
    found = capped(voted, mean, task=task, max_share=share)
    assert not (found.inconsistent & ~voted.inconsistent).any()
    soft, freed = kind.decode(mean), voted.inconsistent & ~found.inconsistent
    assert np.array_equal(found.label[freed], soft[freed])
    assert np.array_equal(found.label[~freed], voted.label[~freed])
    for number in range(1 if task == "binary" else 3):
        pixels = kind.class_pixels(soft, number)
        kept = np.count_nonzero(pixels & found.inconsistent, axis=(1, 2))
        assert (kept <= share * np.count_nonzero(pixels, axis=(1, 2)) + 1e-6).all()
    assert np.array_equal(voted.label, before[0])
    assert np.array_equal(voted.inconsistent, before[1])


def test_of_equally_sure_pixels_the_first_are_kept():
    voted = Inconsistency(np.zeros((1, 1, 4), np.uint8), np.ones((1, 1, 4), bool))
    found = capped(voted, np.full((1, 1, 1, 4), 0.75), task="binary", max_share=0.5)
    assert found.inconsistent.tolist() == [[[False, False, True, True]]]
    assert found.label.tolist() == [[[1, 1, 0, 0]]]
