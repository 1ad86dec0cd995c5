"""Pseudo-labels of a step, against votes counted pixel by pixel."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from incmask.base.errors import IncmaskError
from incmask.method.agreement import agreement
from incmask.method.labels import labels_of
from incmask.method.online import online_labels
from incmask.method.recipe import Online
from small import TASKS

NUM_OUTPUTS = {"binary": 1, "multilabel": 2, "multiclass": 4}


@st.composite
def teams(draw, task):
    """What up to three copies say of an image or two, of which some agree: float32, (m, N, C, H, W)."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 2)), NUM_OUTPUTS[task], 2, 3)
    says = draw(hnp.arrays(np.float32, shape, elements=st.sampled_from([0.02, 0.3, 0.45, 0.6, 0.9, 0.97])))
    return says / says.sum(2, keepdims=True) if task == "multiclass" else says


def slow(says, task, place):
    """What one copy calls a pixel: its label, and how probable that is."""
    values = says[place[0], :, place[1], place[2]].tolist()
    if task == "multiclass":
        likeliest = max(range(1, len(values)), key=lambda k: (values[k], -k))
        return [(likeliest - 1, values[likeliest])]
    return [(int(value > 0.5), value if value > 0.5 else 1 - value) for value in values]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("voters", ["own", "other"])
@given(data=st.data(), confidence=st.sampled_from([0.0, 0.5, 0.8]))
def test_a_student_learns_its_own_copy_s_label_or_the_next_one_s(task, voters, data, confidence):
    says = data.draw(teams(task))
    found = online_labels(says, Online(voters, confidence), task=task)
    assert len(found) == len(says)
    for student, each in enumerate(found):
        labeller = says[(student + 1) % len(says) if voters == "other" else student]
        for place in np.ndindex(each.inconsistent.shape):
            expected = slow(labeller, task, place)
            got = np.atleast_1d(each.label[place]).tolist()
            for (label, probability), value in zip(expected, got, strict=True):
                if abs(probability - confidence) > 1e-6:
                    assert value == (label if probability > confidence else 255)


@pytest.mark.parametrize("task", TASKS)
@given(data=st.data(), erode_px=st.sampled_from([0, 3]), dilate_px=st.sampled_from([0, 3]))
def test_a_team_votes_as_teachers_do(task, data, erode_px, dilate_px):
    says = data.draw(teams(task).filter(lambda says: len(says) > 1))
    sides_px = {"erode_px": erode_px, "dilate_px": dilate_px}
    expected = agreement(labels_of(task).votes(says), task=task, **sides_px)
    agreed = ~labels_of(task).over_layers(expected.inconsistent)
    for each in online_labels(says, Online("team"), task=task, **sides_px):
        assert np.array_equal(each.inconsistent, expected.inconsistent)
        assert np.array_equal(each.label * agreed, expected.label * agreed)
        assert each.label.max() < 255


@pytest.mark.parametrize("task", TASKS)
@given(data=st.data())
def test_where_all_agree_the_label_is_the_same_whoever_gives_it(task, data):
    """So mean teachers and cross pseudo supervision with an inconsistency mask are one and the same."""
    says = data.draw(teams(task))
    found = [each for voters in ("team", "own", "other") for each in online_labels(says, Online(voters), task=task)]
    agreed = ~labels_of(task).over_layers(found[0].inconsistent)
    for each in found[1:]:
        assert np.array_equal(each.inconsistent, found[0].inconsistent)
        assert np.array_equal(each.label * agreed, found[0].label * agreed)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("voters", ["team", "own", "other"])
@given(data=st.data(), confidence=st.sampled_from([0.0, 0.6]))
def test_tensors_come_to_the_same_as_arrays(task, voters, data, confidence):
    says = data.draw(teams(task))
    online = Online(voters, confidence)
    arrays, tensors = (online_labels(each, online, task=task) for each in (says, torch.from_numpy(says)))
    for array, tensor in zip(arrays, tensors, strict=True):
        assert (tensor.label.dtype, tensor.inconsistent.dtype) == (torch.uint8, torch.bool)
        assert np.array_equal(array.label, tensor.label.numpy())
        assert np.array_equal(array.inconsistent, tensor.inconsistent.numpy())


def test_a_certain_label_of_two_copies_by_hand():
    """Of exclusive classes the first channel is the masked one; the team's certainty is that of the mean."""
    says = np.array(
        [[[0.1, 0.7, 0.2], [0.0, 0.9, 0.1], [0.6, 0.3, 0.1]], [[0.1, 0.9, 0.0], [0.0, 0.2, 0.8], [0.8, 0.1, 0.1]]]
    )
    says = np.moveaxis(says, 1, 2)[:, None, :, None, :]  # copies, image, channels, row, three pixels
    team, _ = online_labels(says, Online("team", confidence=0.75), task="multiclass")
    assert team.label.tolist() == [[[0, 255, 255]]]
    # Where both take a pixel for masked, it is disputed.
    assert team.inconsistent.tolist() == [[[False, True, True]]]
    first, second = online_labels(says, Online("own", confidence=0.75), task="multiclass")
    assert (first.label.tolist(), second.label.tolist()) == ([[[255, 0, 255]]], [[[0, 1, 255]]])


@pytest.mark.parametrize("values", [{"confidence": 1.5}, {"cutmix": -0.1}])
def test_shares_are_between_0_and_1(values):
    with pytest.raises(IncmaskError, match="is outside 0 to 1"):
        Online(**values)
