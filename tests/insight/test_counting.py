import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from incmask.insight.reliability.counting import by_image, count_errors, join, scopes
from incmask.method.agreement import disagreement
from incmask.method.metrics import Counts

NUM_CLASSES = {"binary": 1, "multilabel": 2, "multiclass": 3}


def test_a_case_worked_by_hand():
    # Four members; of five pixels one has no label.
    predicted = np.array([[[1, 1, 0, 0, 1]]], np.uint8)
    truth = np.array([[[1, 0, 0, 1, 255]]], np.uint8)
    share = np.array([[[0, 0.5, 0.25, 0.25, 0.5]]])
    found = count_errors(predicted, truth, share, task="binary", num_classes=1, num_members=4)
    assert scopes("binary", ["cell"]) == ["(all)", "background", "cell"]
    assert found.total.tolist() == [[[1, 2, 1, 0, 0], [0, 2, 0, 0, 0], [1, 0, 1, 0, 0]]]
    assert found.wrong.tolist() == [[[0, 1, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0]]]
    # Foreground or disputed, and labelled.
    assert found.object_px.tolist() == [4]
    assert found.counts.intersection.tolist() == [[1]]


def slowly(predicted, truth, share, task, num_members):
    """The same, pixel by pixel."""
    names = scopes(task, [str(index) for index in range(NUM_CLASSES[task])])
    total = np.zeros((len(predicted), len(names), num_members + 1), int)
    wrong = np.zeros_like(total)
    for image, row, column in np.ndindex(share.shape):
        place = (image, row, column)
        level = round(float(share[place]) * num_members)
        said, true = np.atleast_1d(predicted[place]), np.atleast_1d(truth[place])
        if 255 not in true:
            in_scopes = {0} | ({1} if task != "multiclass" and not said.any() else set())
            if task != "multilabel":
                in_scopes.add({"binary": 1, "multiclass": 1}[task] + int(said[0]))
            for scope in in_scopes:
                total[image, scope, level] += 1
                wrong[image, scope, level] += (said != true).any()
        if task == "multilabel":
            for k in range(2):
                if said[k] and true[k] != 255:
                    total[image, 2 + k, level] += 1
                    wrong[image, 2 + k, level] += said[k] != true[k]
    return total, wrong


@given(st.sampled_from(["binary", "multilabel", "multiclass"]), st.integers(2, 5), st.integers(0, 10_000))
def test_counts_are_those_of_a_slow_loop(task, num_members, seed):
    generator = np.random.default_rng(seed)
    shape = (2, 4, 3, 2) if task == "multilabel" else (2, 4, 3)
    highest = 2 if task == "multiclass" else 1
    votes = generator.integers(0, highest + 1, (num_members, *shape), dtype=np.uint8)
    votes = votes + 1 if task == "multiclass" else votes
    share = np.stack([disagreement(votes[:, index], task=task) for index in range(2)])
    predicted = generator.integers(0, highest + 1, shape, dtype=np.uint8)
    truth = generator.choice([*range(highest + 1), 255], shape).astype(np.uint8)
    found = count_errors(predicted, truth, share, task=task, num_classes=NUM_CLASSES[task], num_members=num_members)
    total, wrong = slowly(predicted, truth, share, task, num_members)
    np.testing.assert_array_equal(found.total, total)
    np.testing.assert_array_equal(found.wrong, wrong)


def test_tiles_of_an_image_are_added_up():
    generator = np.random.default_rng(0)
    predicted, truth = generator.integers(0, 2, (2, 3, 4, 4), dtype=np.uint8)
    share = generator.integers(0, 2, (3, 4, 4)) / 2
    each = [
        count_errors(predicted[[index]], truth[[index]], share[[index]], task="binary", num_classes=1, num_members=2)
        for index in range(3)
    ]
    found = by_image(join(each), ["b", "a", "b"])
    np.testing.assert_array_equal(found.total, [each[0].total[0] + each[2].total[0], each[1].total[0]])
    np.testing.assert_array_equal(found.wrong[1], each[1].wrong[0])
    assert found.object_px[0] == each[0].object_px[0] + each[2].object_px[0]
    assert isinstance(found.counts, Counts)
    assert found.counts.valid.tolist() == [32, 16]
