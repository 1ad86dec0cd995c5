"""What students of labelled and pseudo-labelled images learn from, step by step."""

from dataclasses import replace
from itertools import cycle, product

import numpy as np
import pytest
import torch
from torch import nn

from incmask.method.losses import segmentation_loss
from incmask.method.mixture import PLAIN
from incmask.training.batches import Batch
from incmask.training.files import MODEL
from incmask.training.loop import fit
from incmask.training.on_gpu.batches import batches_on
from small import TASKS, Stopped, stop_after, student_of_pairs

CPU = torch.device("cpu")

WAYS = [
    {"streams": "two", "batch_size": 5},
    {"streams": "two", "batch_size": 4, "labelled_share": 0.25},
    {"blocking": "ignore", "batch_size": 4},
    {"blocking": "labelled", "batch_size": 4},
    {"blocking": "certain", "batch_size": 4},
    {"strong": 0.5, "cutmix": 0.5, "strong_from": 0.4, "batch_size": 4},
    {"finetune_fraction": 0.5, "batch_size": 4},
    {"curriculum": 0.6, "batch_size": 4, "epochs": 5},
    {"streams": "two", "blocking": "labelled", "cutmix": 0.9, "finetune_fraction": 0.4, "batch_size": 5},
]
"""Settings that change how students learn, each alone."""


class Pixelwise(nn.Module):
    """Logits of each pixel from its grey alone."""

    def __init__(self, num_channels):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.5, 1.5, num_channels))

    def forward(self, images):
        return (images[:, :1] / 128 - 1) * self.weight[:, None, None]


def opened(job):
    return job.objective.open(job.settings, seed=job.seed)


def rows(batch, which):
    return Batch(*(None if each is None else each[which] for each in (batch.image, batch.target, batch.weight)))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", ["mse", "cross_entropy_dice"])
def test_two_streams_are_averaged_apart(tmp_path, task, kind):
    """Half of five images, rounded to two, are labelled; the weight rises to 3 in the first half of 6 steps."""
    job = student_of_pairs(
        tmp_path,
        task=task,
        streams="two",
        batch_size=5,
        pseudo_weight=3.0,
        ramp_fraction=0.5,
        epochs=3,
        steps_per_epoch=2,
        loss=kind,
        precision="float32",
    )
    lessons, network = opened(job), Pixelwise(job.network.out_channels)
    for step, weight in enumerate((1.0, 2.0, 3.0, 3.0)):
        batch = lessons.batches.draw(step)
        means = []
        for part in (rows(batch, slice(2)), rows(batch, slice(2, 5))):
            logits = network(part.image)
            means.append(segmentation_loss(logits, part.target, task=task, kind=kind, weight=part.weight).item())
        expected = (means[0] + weight * means[1]) / (1 + weight)
        assert lessons.loss(network, phase=0, step=step).item() == pytest.approx(expected, rel=1e-5)


def test_the_first_images_of_a_batch_are_the_labelled_ones(tmp_path):
    job = student_of_pairs(tmp_path, streams="two", batch_size=5)
    labelled = np.load(job.objective.training.sources[0].images)
    for step in range(6):
        images = opened(job).batches.draw(step).image.numpy().transpose(0, 2, 3, 1)
        known = [any(np.array_equal(image, each) for each in labelled) for image in images]
        assert known == [True, True, False, False, False]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("fill", ["labelled", "certain"])
def test_disputed_pixels_are_those_of_another_image(tmp_path, task, fill):
    """Pixel by pixel from the files; images that are not augmented."""
    job = student_of_pairs(tmp_path, task=task, blocking=fill, batch_size=9, steps_per_epoch=0)
    labelled, pairs = job.objective.training.sources
    images, labels, masks = (np.load(path) for path in (pairs.images, pairs.labels, pairs.inconsistent))
    donors = range(3, 5) if fill == "certain" else range(4)
    theirs = (
        (images, labels, masks) if fill == "certain" else (np.load(labelled.images), np.load(labelled.labels), None)
    )
    seen = set()
    for step in range(8):
        batch = opened(job).batches.draw(step)
        order = [place.example for place in opened(job).batches.order.draw(step)]
        shown = batch.image.numpy().transpose(0, 2, 3, 1).astype(np.uint8)
        for place, example in enumerate(order):
            if example < 4:
                continue
            pair, mask = example - 4, masks[example - 4]
            assert np.array_equal(shown[place][~mask], images[pair][~mask])
            blank = [np.zeros_like(mask) if theirs[2] is None else mask & theirs[2][donor] for donor in donors]
            expected = [
                np.where(none[..., None], 0, theirs[0][donor]) for donor, none in zip(donors, blank, strict=True)
            ]
            (number,) = (i for i, each in enumerate(expected) if np.array_equal(each[mask], shown[place][mask]))
            donor, unknown = donors[number], blank[number]
            seen.add((pair, donor))
            over = mask[..., None] if task == "multilabel" else mask
            label = np.where(over, theirs[1][donor], labels[pair])
            counts = (label != 255) & ~(unknown[..., None] if task == "multilabel" else unknown)
            target, weight = batch.target[place].numpy(), batch.weight[place].numpy()
            if task == "multilabel":
                target, weight = np.moveaxis(target, 0, -1), np.moveaxis(weight, 0, -1)
            assert np.array_equal(weight, counts)
            assert np.array_equal(target[counts], (label + (task == "multiclass"))[counts])
    # Drawn anew in every pass: 8 passes over 5 pairs.
    assert len(seen) > len(donors) * 3


def test_from_a_step_on_pairs_are_changed_most_strongly(tmp_path):
    """Of 40 steps the first 10 show all as it is; then 60 % of the pairs change, and no labelled image."""
    job = student_of_pairs(tmp_path, strong=0.6, strong_from=0.25, batch_size=9, steps_per_epoch=4, epochs=10)
    job = replace(job, objective=replace(job.objective, training=replace(job.objective.training, blocking=None)))
    labelled, pairs = (np.load(source.images) for source in job.objective.training.sources)
    batches, changed = opened(job).batches, 0
    for step in range(40):
        shown = batches.draw(step).image.numpy().transpose(0, 2, 3, 1)
        for place, image in zip(batches.order.draw(step), shown, strict=True):
            number = place.example
            same = np.array_equal(image, labelled[number] if number < 4 else pairs[number - 4])
            assert same or (number >= 4 and step >= 10)
            changed += not same
    num_pairs = sum(place.example >= 4 for step in range(10, 40) for place in batches.order.draw(step))
    assert num_pairs * 0.45 < changed < num_pairs * 0.75


@pytest.mark.slow
@pytest.mark.parametrize("redraw", [False, True])
def test_augmented_copies_come_in_gradually(tmp_path, redraw):
    """Of 40 steps the first 12 show all as it is; in the next 12 more and more copies come in; then all are there."""
    values = {"recipe": "aim+", "redraw": redraw, "batch_size": 10, "steps_per_epoch": 4, "epochs": 10}
    ours, without = (
        replace(job, objective=replace(job.objective, training=replace(job.objective.training, blocking=None)))
        for job in (
            student_of_pairs(tmp_path / "with", curriculum=0.6, **values),
            student_of_pairs(tmp_path / "without", **values),
        )
    )
    rows = ours.objective.training.rows
    # Four images with nine copies each, five pairs with a copy each.
    assert [len(rows), np.count_nonzero(rows["strength"] != PLAIN)] == [50, 36 + 5]
    originals = [np.load(source.images) for source in ours.objective.training.sources]
    batches, always = opened(ours).batches, opened(without).batches
    assert always.are_fixed != redraw
    assert not batches.are_fixed
    copies, since = {}, {}
    for step in range(40):
        shown, augmented = (each.draw(step).image.numpy().transpose(0, 2, 3, 1) for each in (batches, always))
        for place, image, copy in zip(batches.order.draw(step), shown, augmented, strict=True):
            row = rows[place.example]
            original = originals[row["source"]][row["index"]]
            if row["strength"] == PLAIN:
                assert np.array_equal(image, original)
                continue
            is_in = np.array_equal(image, copy)
            assert is_in != np.array_equal(image, original)
            copies.setdefault(step, []).append(is_in)
            since.setdefault(place.example, []).append(is_in)
    assert not any(any(copies[step]) for step in range(12))
    few, many = (
        np.mean([is_in for step in steps for is_in in copies[step]]) for steps in (range(12, 17), range(17, 23))
    )
    assert 0.05 < few < 0.4 < many < 0.95
    assert all(all(copies[step]) for step in range(23, 40))
    if not redraw:
        # What has come in stays.
        assert all(seen == sorted(seen) for seen in since.values())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("streams", ["mixed", "two"])
def test_rectangles_come_from_other_pairs_with_their_labels_and_masks(tmp_path, task, streams):
    values = {"blocking": "ignore", "batch_size": 6, "steps_per_epoch": 4, "streams": streams, "task": task}
    job = student_of_pairs(tmp_path / "cut", cutmix=1.0, **values)
    whole = opened(student_of_pairs(tmp_path / "whole", **values)).batches
    batches = opened(job).batches
    for step in range(6):
        places = [place.example for place in batches.order.draw(step)]
        pseudo = [number for number, example in enumerate(places) if example >= 4]
        ours, theirs = batches.draw(step), whole.draw(step)
        weights = [torch.ones_like(each.target) if each.weight is None else each.weight for each in (ours, theirs)]
        cut = [(ours.image, theirs.image), (ours.target, theirs.target), tuple(weights)]
        for number in range(6):
            if number not in pseudo or len(pseudo) < 2:
                assert all(torch.equal(one[number], other[number]) for one, other in cut)
                continue
            # From the pair before it in the batch, the first one's from the last.
            source = pseudo[pseudo.index(number) - 1]
            differs = (ours.image[number] != theirs.image[number]).any(0)
            if places[source] == places[number]:
                assert not differs.any()
                continue
            # Blocks of 8 pixels are never alike, so that the rectangle shows.
            rows, columns = differs.any(1), differs.any(0)
            assert torch.equal(differs, rows[:, None] & columns)
            assert 0.08 < differs.float().mean() <= 0.5
            for one, other in cut:
                assert torch.equal(one[number], torch.where(differs, other[source], other[number]))


def test_at_the_end_labelled_images_train_alone(tmp_path):
    values = {"streams": "two", "batch_size": 5, "steps_per_epoch": 2, "epochs": 5, "precision": "float32"}
    job = student_of_pairs(tmp_path, finetune_fraction=0.2, pseudo_weight=3.0, **values)
    lessons, network = opened(job), Pixelwise(1)
    for step in range(10):
        examples = [place.example for place in lessons.batches.order.draw(step)]
        assert (max(examples) < 4) == (step >= 8)
    batch = lessons.batches.draw(9)
    kind = {"task": "binary", "kind": "cross_entropy_dice", "weight": batch.weight}
    expected = segmentation_loss(network(batch.image), batch.target, **kind)
    assert lessons.loss(network, phase=0, step=9).item() == pytest.approx(expected.item(), rel=1e-6)


def test_without_pairs_a_student_learns_as_before(tmp_path):
    jobs = []
    for name, settings in (
        ("one", {}),
        ("other", {"streams": "two", "pseudo_weight": 5.0, "cutmix": 1.0, "strong": 1.0, "finetune_fraction": 0.5}),
    ):
        job = student_of_pairs(tmp_path / name, **settings)
        training = job.objective.training
        alone = replace(training, rows=training.rows[:4], num_pseudo=0)
        jobs.append(replace(job, objective=replace(job.objective, training=alone)))
        fit(jobs[-1])
    assert (jobs[0].folder / MODEL).read_bytes() == (jobs[1].folder / MODEL).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_an_interrupted_student_ends_with_the_same_bits(tmp_path, way):
    job = student_of_pairs(tmp_path, recipe="im+", **{"epochs": 3, "steps_per_epoch": 2} | way)
    fit(job)
    other = replace(job, folder=tmp_path / "interrupted")
    for num_steps in (3, 5):
        with pytest.raises(Stopped):
            fit(other, stop_after(num_steps))
    fit(other)
    assert (other.folder / MODEL).read_bytes() == (job.folder / MODEL).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "redraw", "recipe", "task"),
    # Each way for every task.
    [(*each, task) for each, task in zip(product(WAYS, [False, True], ["im", "im+"]), cycle(TASKS), strict=False)],
)
def test_batches_on_a_device_are_those_from_files(tmp_path, task, recipe, redraw, way):
    job = student_of_pairs(tmp_path, recipe=recipe, task=task, redraw=redraw, **way)
    # Noise is drawn by the device.
    training = job.objective.training
    quiet = tuple(replace(each, max_noise=0) for each in training.strengths)
    job = replace(job, objective=replace(job.objective, training=replace(training, strengths=quiet)))
    files = opened(job).batches
    device = batches_on(files, CPU)
    for step in (0, 1, 7, 2, 40):
        ours, theirs = device.draw(step), files.draw(step)
        assert torch.equal(ours.image, theirs.image)
        assert torch.equal(ours.target, theirs.target)
        everything = torch.ones_like(theirs.target, dtype=torch.bool)
        weights = [everything if each.weight is None else each.weight for each in (ours, theirs)]
        assert torch.equal(*weights)
