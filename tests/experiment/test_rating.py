from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import incmask.experiment.labelling as module
from incmask.experiment.labelling import LabelJob, label_range
from incmask.method.augment import Strength
from incmask.method.labelling import Labelled
from incmask.method.quality import quality
from incmask.method.recipe import Blocking, Labeller, Recipe
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


@dataclass(frozen=True)
class Given(Labeller):
    """Gives the labels and masks of a folder."""

    folder: Path

    def label(self, unlabelled):
        rows = slice(unlabelled.first, unlabelled.first + len(unlabelled.images))
        return Labelled(*(np.load(self.folder / f"{name}.npy")[rows] for name in ("label", "inconsistent")))


def rate_job(folder, task, *, judges=(), by_truth=False, first=0, last=NUM):
    for name in ("label", "inconsistent"):
        np.save(folder / f"new-{name}.npy", np.zeros_like(np.load(folder / f"{name}.npy")))
    copies = "by_true_quality" if by_truth else "by_quality"
    return LabelJob(
        recipe=Recipe("given labels", labeller=Given(folder), blocking=Blocking(), copies=copies),
        teachers=(),
        judges=tuple(Path(name) for name in judges),
        images=folder / "images.npy",
        truth=folder / "truth.npy" if by_truth else None,
        label=folder / "new-label.npy",
        inconsistent=folder / "new-inconsistent.npy",
        first=first,
        last=last,
        task=task,
        num_classes=NUM_CLASSES[task],
        settings=some_settings(precision="float32"),
        strength=Strength(),
        seed=0,
        before=None,
        quality=np.full(last - first, -1.0),
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
    rated = label_range(rate_job(tmp_path, task, judges=["0.5", "0.9"]), reports.append)
    assert reports == [3, 3, 1]
    expected = []
    for image, label, mask in zip(values["images"], values["label"], values["inconsistent"], strict=True):
        grey = np.where(mask, 0, image[..., 0]).mean()
        planes = np.where(mask[..., None], 0, label.reshape(32, 32, -1)).mean((0, 1))
        ious = planes * 0.7 + grey / 512
        found = [iou for iou in ious if 1 - iou >= 0.5]
        expected.append(ious[0] if task == "binary" else np.mean(found) if found else 0)
    np.testing.assert_allclose(rated.known.quality, expected, rtol=1e-5)
    assert len(set(rated.known.quality.tolist())) > 3
    part = label_range(rate_job(tmp_path, task, judges=["0.5", "0.9"], first=2, last=5))
    assert part.first == 2
    np.testing.assert_array_equal(part.known.quality, rated.known.quality[2:5])


@pytest.mark.parametrize("task", TASKS)
def test_the_truth_rates_in_place_of_evalnets(tmp_path, task):
    """The IoU of each class by sums over pixels, averaged over those that an EvalNet could see."""
    values = stacks(tmp_path, task)
    rated = label_range(rate_job(tmp_path, task, by_truth=True))
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
        assert rated.known.quality[row] == pytest.approx(expected, abs=1e-6)
    assert len(set(rated.known.quality.round(4).tolist())) == NUM


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
    rated = label_range(rate_job(tmp_path, "multilabel", judges=["0.3"]))
    np.testing.assert_array_equal(rated.known.quality, quality(expected, "multilabel"))
