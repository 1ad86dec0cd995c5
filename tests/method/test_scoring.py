import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score
from torchmetrics.classification import MulticlassJaccardIndex

from incmask.base.config import Settings
from incmask.base.errors import IncmaskError
from incmask.base.presets import PRESETS
from incmask.method.metrics import count, dice
from incmask.method.scoring import Scoring, scoring_of

NAMES = ["alive", "dead", "position"]
HELA = {"class_names": NAMES, "position_class": "position"}
PAPER = Settings(**PRESETS["paper"])


def cells(*, alive=False, dead=False, position=True):
    """One image (1, 4, 4, 3) with a quarter of each class that it holds."""
    label = np.zeros((1, 4, 4, 3), np.uint8)
    for channel, held in enumerate((alive, dead, position)):
        label[0, :2, 2 * (channel % 2) : 2 * (channel % 2) + 2, channel] = held
    return label


def score(prediction, truth, scoring):
    return scoring.mean(count(prediction, truth, task=scoring.task, num_classes=3))


@pytest.mark.parametrize(
    ("prediction", "ours", "papers", "before"),
    [
        (cells(alive=True), 1, 0.5, 1),  # perfect
        (cells(alive=True, dead=True), 0.5, 0.5, 1),  # a dead cell is invented
        (cells(dead=True), 0, 0, 0),
        (cells(alive=True, position=False), 1, 0.5, 1),  # positions are not segmented for their own sake
    ],
)
def test_an_image_with_alive_cells_alone(prediction, ours, papers, before):
    truth = cells(alive=True)
    assert score(prediction, truth, scoring_of(Settings(), "multilabel", **HELA)) == ours
    assert score(prediction, truth, scoring_of(PAPER, "multilabel", **HELA)) == papers
    assert score(prediction, truth, scoring_of(Settings(miou_classes="true"), "multilabel", **HELA)) == before


def test_an_image_without_cells():
    nothing, scoring = cells(position=False), scoring_of(Settings(), "multilabel", **HELA)
    assert (score(nothing, nothing, scoring), score(cells(dead=True), nothing, scoring)) == (1, 0)
    assert score(nothing, nothing, scoring_of(PAPER, "multilabel", **HELA)) == 0


def random_layers(seed, *, num=6):
    """Predictions and truths (N, 6, 7, 3) in which a class is often absent."""
    rng = np.random.default_rng(seed)
    truth, prediction = (rng.random((num, 6, 7, 3)) < 0.4 for _ in range(2))
    for label in (truth, prediction):
        label &= rng.random((num, 1, 1, 3)) < 0.5
    return prediction.astype(np.uint8), truth.astype(np.uint8)


def random_ids(seed, *, num=6):
    """Predictions and truths (N, 6, 7) of three ids, of which an image holds some; predictions may be none, 255."""
    rng = np.random.default_rng(seed)
    truth, prediction = (
        np.stack([rng.choice(rng.choice(3, rng.integers(1, 4), replace=False), (6, 7)) for _ in range(num)])
        for _ in range(2)
    )
    prediction = np.where(rng.random(prediction.shape) < 0.2, truth, prediction)
    prediction[rng.random(prediction.shape) < 0.1] = 255
    return prediction.astype(np.uint8), truth.astype(np.uint8)


def slow_score(prediction, truth, *, classes, empty, left_out=None):
    """The mean IoU of one image, class by class."""
    scores = []
    for number in range(3):
        if number == left_out:
            continue
        if truth.ndim == 3:
            true, predicted = truth[..., number] == 1, prediction[..., number] == 1
        else:
            true, predicted = truth == number, prediction == number
        if classes == "all" or true.any() or (classes == "found" and predicted.any()):
            union = (true | predicted).sum()
            scores.append((true & predicted).sum() / union if union else empty)
    if scores:
        return np.mean(scores)
    predicted_anything = prediction[..., [each for each in range(3) if each != left_out]].any()
    return 0 if predicted_anything else empty


@given(
    seed=st.integers(0, 10**6),
    classes=st.sampled_from(["found", "true", "all"]),
    empty=st.sampled_from([0.0, 1.0]),
    position=st.sampled_from([None, 0, 2]),
)
def test_images_equal_the_loop(seed, classes, empty, position):
    prediction, truth = random_layers(seed)
    scoring = Scoring("multilabel", classes, empty, position)
    found = scoring.by_image(count(prediction, truth, task="multilabel", num_classes=3))
    expected = [
        slow_score(*each, classes=classes, empty=empty, left_out=position)
        for each in zip(prediction, truth, strict=True)
    ]
    np.testing.assert_allclose(found, expected)
    ids, true_ids = random_ids(seed)
    found = Scoring("multiclass", classes, empty).by_image(count(ids, true_ids, task="multiclass", num_classes=3))
    expected = [slow_score(*each, classes=classes, empty=empty) for each in zip(ids, true_ids, strict=True)]
    np.testing.assert_allclose(found, expected)


@given(seed=st.integers(0, 10**6))
def test_the_default_equals_scikit_learn_and_torchmetrics(seed):
    """Both average the classes that the truth or the prediction of an image holds."""
    prediction, truth = random_ids(seed)
    prediction[prediction == 255] = 0
    scoring = scoring_of(Settings(), "multiclass")
    found = scoring.by_image(count(prediction, truth, task="multiclass", num_classes=3))
    oracle = MulticlassJaccardIndex(num_classes=3, average="macro")
    for index, score in enumerate(found):
        assert score == pytest.approx(jaccard_score(truth[index].ravel(), prediction[index].ravel(), average="macro"))
        expected = oracle(torch.from_numpy(prediction[index]).long(), torch.from_numpy(truth[index]).long())
        assert score == pytest.approx(expected.item(), abs=1e-6)


@given(seed=st.integers(0, 10**6))
def test_the_papers_hela_score_is_the_mean_of_two_binary_ones(seed):
    """As its authors compute it: a tiny number in the denominator gives 0 where there is nothing to find."""
    prediction, truth = random_layers(seed)
    scoring = scoring_of(PAPER, "multilabel", **HELA)
    counts = count(prediction, truth, task="multilabel", num_classes=3)
    both, either = (prediction & truth).sum((1, 2)), (prediction | truth).sum((1, 2))
    by_class = both / (either + 1e-7)
    np.testing.assert_allclose(scoring.by_image(counts), by_class[:, :2].mean(1), atol=1e-6)
    table = scoring.table(counts, NAMES)
    assert table["miou_ad"] == pytest.approx(by_class[:, :2].mean(), abs=1e-6)
    assert table["miou"] == pytest.approx(by_class.mean(), abs=1e-6)


def test_the_table_of_a_binary_task_by_hand():
    """Four images of 4 pixels: half right, empty in both, predicted only, ignored as a whole."""
    prediction = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]], dtype=np.uint8)
    truth = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [255] * 4], dtype=np.uint8)
    counts = count(prediction, truth, task="binary", num_classes=1)
    assert Scoring("binary").table(counts, ["lesion"]) == {
        "iou": 2.5 / 4,
        "dice": 3.25 / 4,
        "mpa": 3.5 / 4,
        "dataset_iou": 1 / 3,
        "num_empty": 2,
    }
    assert Scoring("binary", empty=0.0).table(counts, ["lesion"])["iou"] == 0.5 / 4


def layers_by_hand():
    """Image 0 has alive and position, image 1 nothing, image 2 nothing but a dead pixel that is predicted."""
    truth = np.zeros((3, 1, 4, 3), dtype=np.uint8)
    prediction = np.zeros_like(truth)
    truth[0, 0, :2, 0] = 1
    prediction[0, 0, 0, 0] = 1
    truth[0, 0, 0, 2] = prediction[0, 0, 0, 2] = 1
    prediction[2, 0, 0, 1] = 1
    return count(prediction, truth, task="multilabel", num_classes=3)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ("found", {"miou": (0.75 + 1 + 0) / 3, "miou_ad": (0.5 + 1 + 0) / 3, "iou/alive": 0.5, "iou/dead": 0}),
        ("true", {"miou": (0.75 + 1 + 0) / 3, "miou_ad": (0.5 + 1 + 0) / 3, "iou/alive": 0.5}),
        (
            "all",
            {
                "miou": ((0.5 + 1 + 1) / 3 + 1 + 2 / 3) / 3,
                "miou_ad": ((0.5 + 1) / 2 + 1 + 1 / 2) / 3,
                "iou/alive": 2.5 / 3,
                "iou/dead": 2 / 3,
            },
        ),
    ],
)
def test_the_table_of_overlapping_classes_by_hand(classes, expected):
    counts = layers_by_hand()
    table = Scoring("multilabel", classes, position=2).table(counts, NAMES)
    of_dice = dice(counts)
    means = {
        "found": [(3 / 4 + 3 / 3) / 2, 1, 1 / 2],
        "true": [(3 / 4 + 3 / 3) / 2, 1, of_dice[2].mean()],
        "all": of_dice.mean(1),
    }
    expected |= {
        "iou/position": 1,
        "dice": np.mean(means[classes]),
        "mpa": (11 / 12 + 1 + 11 / 12) / 3,
        "dataset_miou": (1 / 2 + 0 + 1) / 3,
    }
    assert table == {name: pytest.approx(value) for name, value in expected.items()}
    assert "miou_ad" not in Scoring("multilabel", classes).table(counts, NAMES)


def test_a_class_that_is_in_no_score_has_no_line():
    counts = count(np.array([[0, 0, 2, 2]]), np.array([[0, 0, 0, 1]]), task="multiclass", num_classes=4)
    names = ["water", "fish", "reef", "wreck"]
    found, true = (Scoring("multiclass", classes).table(counts, names) for classes in ("found", "true"))
    assert {name for name in found if name.startswith("iou/")} == {"iou/water", "iou/fish", "iou/reef"}
    assert {name for name in true if name.startswith("iou/")} == {"iou/water", "iou/fish"}
    assert found["dice"] == pytest.approx((5 / 6 + 1 / 2 + 1 / 3) / 3)
    assert true["dice"] == pytest.approx((5 / 6 + 1 / 2) / 2)


@pytest.mark.parametrize(
    ("task", "options", "ours", "papers"),
    [
        ("binary", {}, "IoU", "IoU"),
        ("multiclass", {}, "mIoU (classes in truth or prediction)", "mIoU (classes in truth)"),
        ("multilabel", {}, "mIoU (classes in truth or prediction)", "mIoU (all classes)"),
        (
            "multilabel",
            HELA,
            "mIoU_ad (classes but position in truth or prediction)",
            "mIoU_ad (all classes but position)",
        ),
        # Ids cannot overlap, so that none of them marks positions.
        ("multiclass", HELA, "mIoU (classes in truth or prediction)", "mIoU (classes in truth)"),
    ],
)
def test_the_name_says_what_is_averaged(task, options, ours, papers):
    assert scoring_of(Settings(), task, **options).full_name == ours
    assert scoring_of(PAPER, task, **options).full_name == papers


def test_a_lone_class_is_scored_though_it_marks_positions():
    scoring = scoring_of(Settings(), "multilabel", class_names=["position"], position_class="position")
    assert (scoring.name, scoring.position) == ("mIoU", None)


MASKED_THEN_0_THEN_1 = np.array([[0.5, 0.1, 0.4], [0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7]], np.float32)


@pytest.mark.parametrize(("preset", "labels", "score"), [(Settings(), [1, 0, 0, 1], 1), (PAPER, [255, 0, 255, 1], 0.5)])
def test_masked_answers_are_wrong_as_published_or_the_next_best_class_counts(preset, labels, score):
    scoring = scoring_of(preset, "multiclass")
    probability = MASKED_THEN_0_THEN_1.T.reshape(1, 3, 1, 4)
    decoded = scoring.decode(probability)
    assert decoded.tolist() == [[labels]]
    np.testing.assert_array_equal(scoring.decode(torch.from_numpy(probability)).numpy(), decoded)
    counts = count(decoded, np.array([[[1, 0, 0, 1]]]), task="multiclass", num_classes=2)
    assert scoring.mean(counts) == score
    assert scoring.note


@given(seed=st.integers(0, 10**6))
def test_masked_answers_equal_the_published_argmax_over_one_class_more(seed):
    """True ids are one higher there, and id 0 counts for no class."""
    rng = np.random.default_rng(seed)
    probability, truth = rng.dirichlet(np.ones(4), (2, 5, 6)).transpose(0, 3, 1, 2), rng.integers(0, 3, (2, 5, 6))
    scoring = scoring_of(PAPER, "multiclass")
    found = scoring.by_image(count(scoring.decode(probability), truth, task="multiclass", num_classes=3))
    for image, score in enumerate(found):
        answered, true = probability[image].argmax(0), truth[image] + 1
        ious = [((answered == k) & (true == k)).sum() / ((answered == k) | (true == k)).sum() for k in np.unique(true)]
        assert score == pytest.approx(np.mean(ious))


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_other_tasks_have_no_masked_answers(task):
    probability = np.random.default_rng(0).random((2, 3 if task == "multilabel" else 1, 4, 5))
    ours, papers = (scoring_of(settings, task) for settings in (Settings(), PAPER))
    np.testing.assert_array_equal(ours.decode(probability), papers.decode(probability))
    assert ours.note == papers.note == ""


COUNTS = count(np.zeros((1, 4, 4), np.uint8), np.zeros((1, 4, 4), np.uint8), task="binary", num_classes=1)
NO_COUNTS = count(np.zeros((0, 4, 4), np.uint8), np.zeros((0, 4, 4), np.uint8), task="binary", num_classes=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Scoring("binary").table(COUNTS, ["a", "b"]), "2 class names for 1 classes"),
        (lambda: Scoring("binary").table(NO_COUNTS, ["a"]), "no images"),
        (lambda: scoring_of(Settings(), "multilabel", class_names=["a"], position_class="b"), "no class is named 'b'"),
        (lambda: scoring_of(Settings(), "tracks"), "unknown task"),
    ],
)
def test_scoring_refuses(call, message):
    with pytest.raises(IncmaskError, match=message):
        call()
