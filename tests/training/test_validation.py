import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from incmask.base.config import IGNORED
from incmask.method.labels import labels_of
from incmask.method.scoring import Scoring
from incmask.nets.forward import chunk_images, forward
from incmask.nets.spec import NetworkSpec
from incmask.training.validation import Validation, evaluate
from small import NUM_CLASSES, TASKS, blocks, save_source, some_settings, truth


def networks(num, out_channels):
    return [NetworkSpec(1, out_channels, 0.125).build(seed=seed).eval() for seed in range(num)]


def test_probabilities_of_the_tasks():
    logits = torch.tensor([0.0, 1.0, -2.0]).reshape(1, 3, 1, 1)
    one = [1 / (1 + np.exp(-value)) for value in (0.0, 1.0, -2.0)]
    assert labels_of("multilabel").probabilities(logits).flatten().tolist() == pytest.approx(one)
    exponentials = np.exp([0.0, 1.0, -2.0])
    assert labels_of("multiclass").probabilities(logits).flatten().tolist() == pytest.approx(
        exponentials / exponentials.sum()
    )


def test_labels_of_the_tasks():
    binary = np.array([0.2, 0.5, 0.500001, 1.0]).reshape(1, 1, 2, 2)
    assert labels_of("binary").decode(binary).tolist() == [[[0, 0], [1, 1]]]
    multilabel = np.array([[0.9, 0.1], [0.6, 0.7]]).reshape(1, 2, 1, 2)
    assert labels_of("multilabel").decode(multilabel).tolist() == [[[[1, 1], [0, 1]]]]
    # The masked class, channel 0, is never an answer, however likely.
    multiclass = np.array([[0.8, 0.1], [0.05, 0.3], [0.15, 0.3], [0, 0.3]]).reshape(1, 4, 1, 2)
    assert labels_of("multiclass").decode(multiclass).tolist() == [[[1, 0]]]
    assert {labels_of(task).decode(multiclass).dtype for task in TASKS} == {np.dtype(np.uint8)}


def test_forward_gives_each_network_s_logits():
    images = blocks(3)
    members = networks(2, 2)
    logits = forward(members, images, precision="float32")
    assert (logits.shape, logits.dtype) == ((2, 3, 2, 32, 32), torch.float32)
    for member, given in zip(members, logits, strict=True):
        with torch.no_grad():
            expected = member(torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32)))
        torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(logits[0], logits[1])


def test_forward_in_half_precision_gives_float32_near_the_full_one():
    images, members = blocks(2), networks(1, 1)
    full, half = (forward(members, images, precision=precision) for precision in ("float32", "bfloat16"))
    assert half.dtype == torch.float32
    assert not torch.equal(full, half)
    assert (full - half).abs().mean() < 0.05 * full.abs().mean()


def test_validation_comes_in_chunks_of_the_chosen_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("incmask.nets.forward.CHUNK", 2)
    images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
    source = save_source(tmp_path, images, images[..., 0] + 10)
    for rows, expected in ((None, [[0, 1], [2, 3], [4, 5]]), ((5, 1, 2), [[5, 1], [2]])):
        chunks = list(Validation(source.images, source.labels, rows).chunks(1))
        assert [chunk[0].flatten().tolist() for chunk in chunks] == expected
        assert all(np.array_equal(chunk[0][..., 0] + 10, chunk[1]) for chunk in chunks)


@pytest.mark.parametrize("task", TASKS)
def test_evaluate_scores_the_mean_of_the_members(tmp_path, task):
    images = blocks(3)
    labels = truth(images, task)
    labels[0, :4] = IGNORED
    source = save_source(tmp_path, images, labels)
    num_classes = NUM_CLASSES[task]
    members = networks(2, num_classes + (task == "multiclass"))
    reached = evaluate(
        members,
        Validation(source.images, source.labels),
        scoring=Scoring(task),
        num_classes=num_classes,
        settings=some_settings(precision="float32"),
        loss="cross_entropy",
    )

    known = torch.from_numpy(labels != IGNORED)
    target = torch.from_numpy(np.where(known, labels, 0))
    with torch.no_grad():
        logits = torch.stack([member(torch.from_numpy(images[:, None, ..., 0]).float()) for member in members])
    if task == "multiclass":
        each = functional.cross_entropy(logits.mean(0), target.long() + 1, reduction="none")
        predicted = logits.softmax(2).mean(0)[:, 1:].argmax(1)
        classes = [(predicted == k, target == k) for k in range(3)]
    else:
        aligned = logits.mean(0).permute(0, 2, 3, 1).reshape(labels.shape)
        each = functional.binary_cross_entropy_with_logits(aligned, target.float(), reduction="none")
        predicted = (logits.sigmoid().mean(0) > 0.5).permute(0, 2, 3, 1).reshape(*labels.shape[:3], -1)
        classes = [(predicted[..., k], target.reshape(predicted.shape)[..., k] == 1) for k in range(num_classes)]
    assert reached.loss == pytest.approx(each[known].mean().item(), rel=1e-5)
    pixels = known if task != "multilabel" else known[..., 0]
    scores = []
    for image in range(3):
        of_image = [(one[image] & pixels[image], other[image] & pixels[image]) for one, other in classes]
        ious = [float((one & other).sum() / (one | other).sum()) for one, other in of_image if (one | other).any()]
        scores.append(sum(ious) / len(ious))
    assert reached.score == pytest.approx(np.mean(scores))
    assert reached.counts.valid.tolist() == known.flatten(1).sum(1).tolist()


def test_an_evaluation_does_not_depend_on_the_chunks(tmp_path, monkeypatch):
    images = blocks(5)
    source = save_source(tmp_path, images, truth(images, "multilabel"))
    members, reached = networks(1, 2), []
    for chunk in (1, 2, 32):
        monkeypatch.setattr("incmask.nets.forward.CHUNK", chunk)
        reached.append(
            evaluate(
                members,
                Validation(source.images, source.labels),
                scoring=Scoring("multilabel"),
                num_classes=2,
                settings=some_settings(precision="float32"),
                loss="mse",
            )
        )
    assert len({each.score for each in reached}) == 1
    assert [each.loss for each in reached] == pytest.approx([reached[0].loss] * 3, rel=1e-5)


class Constant(nn.Module):
    """Says no everywhere."""

    def __init__(self):
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(-3.0))

    def forward(self, image):
        return self.logit.expand(len(image), 1, *image.shape[2:])


@pytest.mark.parametrize(("empty_iou", "score"), [(1, 0.5), (0, 0.0)])
def test_an_image_empty_in_truth_and_prediction_scores_as_set(tmp_path, empty_iou, score):
    images = blocks(2)
    labels = np.zeros((2, 32, 32), np.uint8)
    labels[1] = 1
    source = save_source(tmp_path, images, labels)
    reached = evaluate(
        [Constant()],
        Validation(source.images, source.labels),
        scoring=Scoring("binary", empty=empty_iou),
        num_classes=1,
        settings=some_settings(),
        loss="mse",
    )
    assert reached.score == score


@pytest.mark.parametrize(
    ("num_outputs", "shape", "num"),
    [
        (1, (9, 256, 256, 3), 32),  # 0.25 MiB an image
        (9, (9, 256, 256, 3), 28),  # SUIM: 2.25 MiB
        (35, (9, 208, 416, 3), 5),  # Cityscapes: 11.6 MiB
        (256, (9, 1024, 1024, 3), 1),  # one takes more than all may
    ],
)
def test_a_pass_takes_fewer_images_where_they_are_large(num_outputs, shape, num):
    assert chunk_images(num_outputs, shape) == num
