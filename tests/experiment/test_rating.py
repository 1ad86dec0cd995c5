from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import incmask.experiment.rating as module
from incmask.experiment.rating import CandidateJob, RateJob, choose_range, rate_range
from incmask.method.quality import quality
from incmask.training.rating import judge
from small import NUM_CLASSES, TASKS, blocks, some_settings, truth

NUM = 7


def stacks(folder, task):
    """Images, pseudo-labels that others' images give, disputed blocks, the truth."""
    generator = np.random.default_rng(4)
    labels = truth(blocks(NUM, seed=1), task)
    labels[:, 8:24] = truth(blocks(NUM), task)[:, 8:24]
    values = {
        "images": blocks(NUM),
        "label": labels,
        "inconsistent": generator.random((NUM, 4, 4)).repeat(8, 1).repeat(8, 2) < 0.3,
        "truth": truth(blocks(NUM), task),
    }
    values["truth"][1, :3] = 255
    for name, stack in values.items():
        np.save(folder / f"{name}.npy", stack)
    return values


def rate_job(folder, task, *, judges=(), by_truth=False, first=0, last=NUM):
    return RateJob(
        judges=tuple(Path(name) for name in judges),
        images=folder / "images.npy",
        label=folder / "label.npy",
        inconsistent=folder / "inconsistent.npy",
        truth=folder / "truth.npy" if by_truth else None,
        first=first,
        last=last,
        task=task,
        num_classes=NUM_CLASSES[task],
        settings=some_settings(precision="float32"),
    )


class Stub(nn.Module):
    """In place of the network of a file; an EvalNet that rates by the share of the first plane, or a teacher."""

    def __init__(self, path):
        super().__init__()
        self.name = path.name
        self.anything = nn.Parameter(torch.zeros(1))

    def forward(self, image, planes):
        share = planes.mean((2, 3)) * float(self.name) + image.mean((1, 2, 3))[:, None] / 512
        return share[:, :1] if share.shape[1] == 1 else torch.cat([share, 1 - share], 1)


@pytest.fixture
def stubs(monkeypatch):
    monkeypatch.setattr(module, "load_model", Stub)


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_evalnets_rate_blocked_pairs_together(tmp_path, stubs, monkeypatch, task):
    monkeypatch.setattr("incmask.nets.forward.CHUNK", 3)
    values = stacks(tmp_path, task)
    reports = []
    rated = rate_range(rate_job(tmp_path, task, judges=["0.5", "0.9"]), reports.append)
    assert reports == [3, 3, 1]
    expected = []
    for image, label, mask in zip(values["images"], values["label"], values["inconsistent"], strict=True):
        grey = np.where(mask, 0, image[..., 0]).mean()
        planes = np.where(mask[..., None], 0, label.reshape(32, 32, -1)).mean((0, 1))
        ious = planes * 0.7 + grey / 512
        found = [iou for iou in ious if 1 - iou >= 0.5]
        expected.append(ious[0] if task == "binary" else np.mean(found) if found else 0)
    np.testing.assert_allclose(rated.quality, expected, rtol=1e-5)
    assert len(set(rated.quality.tolist())) > 3
    part = rate_range(rate_job(tmp_path, task, judges=["0.5", "0.9"], first=2, last=5))
    assert part.first == 2
    np.testing.assert_array_equal(part.quality, rated.quality[2:5])


@pytest.mark.parametrize("task", TASKS)
def test_the_truth_rates_in_place_of_evalnets(tmp_path, task):
    """The IoU of each class by sums over pixels, averaged over those that an EvalNet could see."""
    values = stacks(tmp_path, task)
    rated = rate_range(rate_job(tmp_path, task, by_truth=True))
    for row in range(NUM):
        label, true = values["label"][row].astype(int), values["truth"][row].astype(int)
        mask = values["inconsistent"][row]
        ious, detected = [], []
        for class_id in range(NUM_CLASSES[task]):
            if task == "multiclass":
                said, there, known = label == class_id, true == class_id, true != 255
            elif task == "multilabel":
                said, there, known = label[..., class_id] == 1, true[..., class_id] == 1, true[..., class_id] != 255
            else:
                said, there, known = label == 1, true == 1, true != 255
            said = said & ~mask & known
            kept = (there & ~mask).sum()
            ious.append((said & there).sum() / (said | there).sum() if (said | there).any() else 1)
            detected.append(there.any() and (kept >= 0.3 * there.sum() or kept >= 0.1 * 32 * 32))
        seen = [iou for iou, found in zip(ious, detected, strict=True) if found]
        expected = ious[0] if task == "binary" else np.mean(seen) if seen else 0
        assert rated.quality[row] == pytest.approx(expected, abs=1e-6)
    assert len(set(rated.quality.round(4).tolist())) == NUM


RATINGS = {
    # What each teacher's masks of the seven images are rated.
    "1": [0.1, 0.9, 0.5, 0.0, 0.7, 0.2, 0.3],
    "2": [0.8, 0.1, 0.5, 0.0, 0.1, 0.2, 0.625],
    "3": [0.3, 0.2, 0.4, 0.0, 0.8, 0.2, 0.1],
}
BEFORE = [-1, -1, 0.5, -1, 0.75, 0.9, 0.625]
BEST = [0.8, 0.9, 0.5, 0.0, 0.8, 0.9, 0.625]
WHOSE = [2, 1, 9, 1, 3, 9, 9]
"""9: the mask of before stays, also against another of the same rating. Of equal teachers the better one's."""


@pytest.fixture
def scripted(stubs, monkeypatch):
    """Teacher k says class k for all pixels of every image; ratings by ``RATINGS``."""

    def say(networks, images, *, task, precision):
        (network,) = networks
        probability = np.full((1, len(images), 4, 32, 32), 0.1, np.float32)
        probability[:, :, 1 + int(network.name) % 3] = 0.7
        return probability

    def rate(judges, images, labels, inconsistent, *, task, num_classes, settings):
        assert [each.name for each in judges] == ["a", "b"]
        assert inconsistent is None
        # Class 0 is teacher 3's.
        teachers = [str(label.flat[0] or 3) for label in labels]
        # The grey of an image is its number.
        scores = [RATINGS[teacher][image.flat[0]] for teacher, image in zip(teachers, images, strict=True)]
        # Another class that is not detected counts in no rating.
        return np.array([[score, 1, 0, 1, 0, 0] for score in scores], np.float32)

    monkeypatch.setattr(module, "predict_probabilities", say)
    monkeypatch.setattr(module, "judge", rate)


def candidate_job(folder, *, before, first=0, last=NUM):
    return CandidateJob(
        teachers=(Path("1"), Path("2"), Path("3")),
        judges=(Path("a"), Path("b")),
        images=folder / "images.npy",
        label=folder / "label.npy",
        quality=np.array(before[first:last]),
        first=first,
        last=last,
        task="multiclass",
        num_classes=3,
        settings=some_settings(),
    )


@pytest.mark.parametrize("chunk", [2, 32])
@pytest.mark.parametrize("ranges", [((0, NUM),), ((4, NUM), (0, 4))])
def test_the_best_candidate_wins(tmp_path, scripted, monkeypatch, ranges, chunk):
    monkeypatch.setattr("incmask.nets.forward.CHUNK", chunk)
    np.save(tmp_path / "images.npy", np.arange(NUM, dtype=np.uint8)[:, None, None, None].repeat(32, 1).repeat(32, 2))
    np.save(tmp_path / "label.npy", np.full((NUM, 32, 32), 9, np.uint8))
    ratings = np.zeros(NUM)
    for first, last in ranges:
        rated = choose_range(candidate_job(tmp_path, before=BEFORE, first=first, last=last))
        assert rated.first == first
        ratings[first:last] = rated.quality
    np.testing.assert_allclose(ratings, BEST, rtol=1e-6)
    labels = np.load(tmp_path / "label.npy")
    assert [int(label.flat[0]) or 3 for label in labels] == WHOSE
    assert (labels == labels[:, :1, :1]).all()


def test_ratings_are_those_of_the_same_networks(tmp_path, stubs):
    """A rating of a range is the rating of what ``judge`` says."""
    values = stacks(tmp_path, "multilabel")
    expected = judge(
        [Stub(Path("0.3"))],
        values["images"],
        values["label"],
        values["inconsistent"],
        task="multilabel",
        num_classes=2,
        settings=some_settings(precision="float32"),
    )
    rated = rate_range(rate_job(tmp_path, "multilabel", judges=["0.3"]))
    np.testing.assert_array_equal(rated.quality, quality(expected, "multilabel"))
