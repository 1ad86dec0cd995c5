import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from alone import Trainer
from torch import nn

from incmask.method.augment import Geometry, Strength, undo
from incmask.method.labels import labels_of
from incmask.method.losses import loss_of, selects_by_loss
from incmask.method.mixture import TrainingSet
from incmask.method.scoring import Scoring
from incmask.nets.spec import save_model
from incmask.training.files import HISTORY, SCORES
from incmask.training.loop import fit
from incmask.training.segmentation import ConsistencyImages, Segmentation
from incmask.training.validation import Validation
from small import NUM_CLASSES, TASKS, blocks, rows_of, save_source, some_job, some_settings, truth

STRENGTH = Strength(max_blur_px=1, max_noise=10, contrast=0.3, brightness=20, free_rotation=True)
TURNS = Strength(free_rotation=True)


def lessons(folder, *, task="binary", strength=STRENGTH, num=4, num_unlabelled=7, seed=3, images=None, **settings):
    """Lessons with and without labels; the unlabelled images are ``images`` or blocks."""
    labelled = blocks(num)
    source = save_source(folder, labelled, truth(labelled, task))
    unlabelled = blocks(num_unlabelled, seed=9) if images is None else images
    hidden = save_source(folder, unlabelled, truth(unlabelled, task), name="hidden")
    objective = Segmentation(
        TrainingSet((source,), (), rows_of(num), task),
        Validation(source.images, source.labels),
        NUM_CLASSES[task],
        Scoring(task),
        ConsistencyImages(hidden.images, strength),
    )
    return objective.open(some_settings(**({"precision": "float32"} | settings)), seed=seed)


class Pixelwise(nn.Module):
    """Logits of each pixel from its grey alone; remembers what it was shown."""

    def __init__(self, num_channels):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.5, 1.5, num_channels))
        self.bias = nn.Parameter(torch.linspace(-0.5, 0.5, num_channels))
        self.shown = []

    def forward(self, images):
        self.shown.append(images.detach().clone())
        grey = images[:, :1] / 128 - 1
        return grey * self.weight[:, None, None] + self.bias[:, None, None]


@pytest.mark.parametrize(
    ("steps_per_epoch", "batch_size", "phases", "batch_sizes"),
    [
        # One pass over 4 labelled images, and one over 7 unlabelled ones, each of which is shown twice.
        (0, 2, (2, 3), (2, 4)),
        (0, 3, (1, 2), (3, 6)),
        (0, 5, (1, 1), (4, 10)),
        (0, 16, (1, 1), (4, 14)),
        # Of a fixed number each takes half, the labelled ones the odd one.
        (6, 2, (3, 3), (2, 4)),
        (7, 2, (4, 3), (2, 4)),
        (1, 2, (1, 1), (2, 4)),
        (2, 16, (1, 1), (16, 32)),
    ],
)
def test_an_epoch_has_two_parts(tmp_path, steps_per_epoch, batch_size, phases, batch_sizes):
    taught = lessons(tmp_path, steps_per_epoch=steps_per_epoch, batch_size=batch_size)
    assert (taught.phases, taught.batch_sizes) == (phases, batch_sizes)


def test_without_unlabelled_images_there_is_one_part(tmp_path):
    taught = some_job(tmp_path).objective.open(some_settings(steps_per_epoch=0, batch_size=3), seed=1)
    assert (taught.phases, taught.batch_sizes) == ((1,), (3,))


def test_more_may_be_asked_of_a_class_in_training_and_validation(tmp_path):
    """Of sigmoids that are one half everywhere: 1/4 where a class is not, and (1/2 - value)² where it is."""
    images = blocks(4)
    labels = truth(images, "multilabel")
    source = save_source(tmp_path, images, labels)
    objective = Segmentation(
        TrainingSet((source,), (), rows_of(4), "multilabel"),
        Validation(source.images, source.labels),
        2,
        Scoring("multilabel"),
    )
    network = nn.Conv2d(1, 2, 1)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    share = labels[..., 1].mean()
    for values, expected in ((None, 0.25), ((1.0, 3.0), 0.25 + share * (6.25 - 0.25) / 2)):
        taught = replace(objective, target_values=values).open(
            some_settings("paper", batch_size=4, steps_per_epoch=0), seed=1
        )
        assert taught.loss(network, phase=0, step=0).item() == pytest.approx(expected, rel=1e-5)
        assert taught.validate(network).loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_the_loss_is_the_mean_squared_difference_of_two_predictions(tmp_path, task):
    """Value by value, with the sums of the standard library."""
    taught = lessons(tmp_path, task=task, batch_size=2)
    channels = labels_of(task).num_outputs(NUM_CLASSES[task])
    network = Pixelwise(channels)
    loss = taught.loss(network, phase=1, step=0)
    first, second = (view.numpy() for view in network.shown)
    assert first.shape == second.shape == (2, 1, 32, 32)
    total = 0.0
    weights, biases = network.weight.tolist(), network.bias.tolist()
    for one, other in zip(first.ravel().tolist(), second.ravel().tolist(), strict=True):
        predictions = []
        for grey in (one, other):
            logits = [(grey / 128 - 1) * weight + bias for weight, bias in zip(weights, biases, strict=True)]
            if task == "multiclass":
                powers = [math.exp(logit) for logit in logits]
                predictions.append([power / sum(powers) for power in powers])
            else:
                predictions.append([1 / (1 + math.exp(-logit)) for logit in logits])
        total += sum((p - q) ** 2 for p, q in zip(*predictions, strict=True))
    assert loss.item() == pytest.approx(total / (first.size * channels), rel=1e-4)
    assert loss.item() > 1e-4


def test_the_gradient_goes_through_both_views(tmp_path):
    """With one view held fixed, as a teacher's prediction would be, it is another."""
    taught = lessons(tmp_path, batch_size=2)
    network = Pixelwise(1)
    taught.loss(network, phase=1, step=0).backward()
    first, second = network.shown
    weight, bias = (value.detach().clone().requires_grad_() for value in (network.weight, network.bias))

    def predicted(view):
        return ((view / 128 - 1) * weight + bias).sigmoid()

    both = (predicted(first) - predicted(second)).square().mean()
    expected = torch.autograd.grad(both, (weight, bias))
    torch.testing.assert_close(network.weight.grad, expected[0])
    torch.testing.assert_close(network.bias.grad, expected[1])
    halves = [
        torch.autograd.grad((predicted(one) - predicted(other).detach()).square().mean(), weight)[0]
        for one, other in ((first, second), (second, first))
    ]
    torch.testing.assert_close(sum(halves), network.weight.grad)
    assert all(not torch.allclose(half, network.weight.grad, rtol=1e-2) for half in halves)


def gradients(num, *, side=32):
    """Images that rise from corner to corner, each by another amount, so that a turn shows and which image it is."""
    rows, columns = np.mgrid[:side, :side]
    slopes = [(2 * rows + columns + 20 * number + 40).astype(np.uint8) for number in range(num)]
    return np.stack(slopes)[..., None]


def shown_by(taught, num_steps):
    network = Pixelwise(1)
    for step in range(num_steps):
        taught.loss(network, phase=1, step=step)
    views = [np.moveaxis(shown.numpy().astype(np.uint8), 1, -1) for shown in network.shown]
    return np.concatenate(views[0::2]), np.concatenate(views[1::2])


ALL_GEOMETRIES = [Geometry(vertical, False, turns) for vertical in (False, True) for turns in range(4)]


def test_views_share_the_geometry(tmp_path):
    """Without photometric changes both are the same; all eight orientations occur."""
    images = gradients(6)
    taught = lessons(tmp_path, strength=TURNS, images=images, batch_size=6, steps_per_epoch=0)
    first, second = shown_by(taught, 20)
    assert np.array_equal(first, second)
    found = set()
    for view in first:
        matches = [
            (number, place)
            for place, geometry in enumerate(ALL_GEOMETRIES)
            for number, image in enumerate(images)
            if np.array_equal(undo(view, geometry), image)
        ]
        (match,) = matches
        found.add(match)
    # 120 draws of 48 combinations.
    assert len({place for _, place in found}) == 8
    assert len({number for number, _ in found}) == 6
    assert len(found) > 30


def test_views_differ_in_intensity_alone(tmp_path):
    """Brightness moves all pixels of a view alike, so what is left is the geometry, the same in both."""
    brighter = Strength(brightness=25, free_rotation=True)
    taught = lessons(tmp_path, strength=brighter, images=gradients(6), batch_size=6, steps_per_epoch=0)
    first, second = (views.astype(int) for views in shown_by(taught, 5))
    difference = first - second
    assert (np.ptp(difference.reshape(30, -1), axis=1) == 0).all()
    shifts = difference[:, 0, 0, 0]
    # Each is changed with probability one half: both as they are in a quarter.
    assert 10 < np.count_nonzero(shifts) < 30
    assert abs(shifts).max() <= 50


def test_views_are_drawn_anew_in_each_pass_and_follow_from_the_seed(tmp_path):
    images = gradients(4)
    one, same, other = (
        shown_by(lessons(tmp_path, images=images, batch_size=4, steps_per_epoch=0, seed=seed), 2) for seed in (5, 5, 6)
    )
    assert np.array_equal(one[0], same[0])
    assert np.array_equal(one[1], same[1])
    assert not np.array_equal(one[0], other[0])
    assert not np.array_equal(one[0], one[1])
    first_pass, second_pass = one[0][:4], one[0][4:]
    assert not any(np.array_equal(view, again) for view in first_pass for again in second_pass)


def test_a_step_of_the_first_part_is_one_with_labels(tmp_path):
    taught = lessons(tmp_path, batch_size=4, steps_per_epoch=0, loss="mse")
    network = Pixelwise(1)
    loss = taught.loss(network, phase=0, step=0)
    (shown,) = network.shown
    labelled = blocks(4)[..., 0]
    order = [next(i for i in range(4) if np.array_equal(view[0].numpy(), labelled[i])) for view in shown]
    assert sorted(order) == [0, 1, 2, 3]
    predicted = 1 / (1 + np.exp(-((labelled / 128 - 1) * network.weight.item() + network.bias.item())))
    expected = np.square(predicted - truth(blocks(4), "binary")).mean()
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_a_training_of_two_parts_begins_with_given_weights_and_validates_after_each(tmp_path):
    job = some_job(tmp_path, settings=some_settings(steps_per_epoch=0, epochs=2, precision="float32"))
    hidden = save_source(tmp_path, blocks(6, seed=9), truth(blocks(6, seed=9), "binary"), name="hidden")
    start = job.network.build(seed=4)
    save_model(tmp_path / "start.safetensors", start.state_dict(), job.network)
    objective = replace(job.objective, unlabelled=ConsistencyImages(hidden.images, STRENGTH))
    job = replace(job, objective=objective, start=tmp_path / "start.safetensors")
    assert job.num_steps == 2 * (2 + 3)
    taught = objective.open(job.settings, seed=job.seed)
    expected = taught.loss(start.train(), phase=0, step=0).item()
    assert Trainer(job, torch.device("cpu")).step(0) == pytest.approx(expected, rel=1e-6)
    assert Trainer(replace(job, start=None), torch.device("cpu")).step(0) != pytest.approx(expected, rel=1e-3)
    fit(job)
    lines = [line.split(",") for line in (job.folder / HISTORY).read_text().splitlines()[1:]]
    assert [line[:2] for line in lines] == [["1", "2"], ["1", "5"], ["2", "7"], ["2", "10"]]
    reached = json.loads((job.folder / SCORES).read_text())
    assert (reached["steps"], reached["images"]) == (10, 2 * (2 * 2 + 3 * 2 * 2))


def test_each_part_counts_its_own_steps_over_the_epochs(tmp_path, monkeypatch):
    job = some_job(tmp_path, settings=some_settings(steps_per_epoch=5, epochs=2))
    hidden = save_source(tmp_path, blocks(6, seed=9), truth(blocks(6, seed=9), "binary"), name="hidden")
    job = replace(job, objective=replace(job.objective, unlabelled=ConsistencyImages(hidden.images, STRENGTH)))
    trainer = Trainer(job, torch.device("cpu"))
    asked = []
    loss = trainer.lessons.loss

    def noted(network, *, phase, step):
        asked.append((phase, step))
        return loss(network, phase=phase, step=step)

    monkeypatch.setattr(trainer.lessons, "loss", noted)
    for step in range(10):
        trainer.step(step)
    assert asked == [
        *[(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)],
        *[(0, 3), (0, 4), (0, 5), (1, 2), (1, 3)],
    ]


def test_losses_and_choices_of_the_presets():
    assert [loss_of(some_settings("paper"), task) for task in TASKS] == ["mse", "mse", "cross_entropy"]
    assert {loss_of(some_settings(), task) for task in TASKS} == {"cross_entropy_dice"}
    assert [selects_by_loss(some_settings("paper"), task) for task in TASKS] == [False, True, False]
    assert {selects_by_loss(some_settings(select_by="loss"), task) for task in TASKS} == {True}
    assert loss_of(some_settings("paper", loss="cross_entropy"), "binary") == "cross_entropy"
