"""Students that learn at each step what averaged copies say, against steps taken by hand."""

from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest
import torch
from torch import nn

from incmask.base.errors import IncmaskError
from incmask.experiment import jobs as experiment
from incmask.method.agreement import agreement
from incmask.method.augment import Strength
from incmask.method.labels import labels_of
from incmask.method.profiles import PROFILES
from incmask.method.recipe import Blocking, Online
from incmask.method.recipes import RECIPES
from incmask.training import gpu_group
from incmask.training.files import CHECKPOINT, HISTORY, MODEL, SCORES
from incmask.training.jobs import teams_of
from incmask.training.loop import fit_group
from incmask.training.on_gpu.batches import OnDevice, on_device
from incmask.training.on_gpu.views import DeviceViews
from incmask.training.online import Teams, batch_parts
from incmask.training.schedule import Schedule
from incmask.training.trainer import GroupTrainer
from small import TASKS, Stopped, some_settings, some_setup, stop_after, student_jobs

CPU = torch.device("cpu")
ONLINE = [name for name, recipe in RECIPES.items() if recipe.is_online]
LEFT_OUT = Blocking(in_loss=False)
FLIPS = Strength()


def team(folder, recipe="im-online", *, task="binary", strength=None, **settings):
    """The students of a generation, two in all: a team, or two that are alone."""
    given = {"batch_size": 4, "precision": "float32", "num_members": 2, "epochs": 3, "steps_per_epoch": 2}
    jobs = student_jobs(some_setup(folder, recipe=recipe, task=task, **(given | settings)), folder, generation=1)
    if strength is None:
        return jobs
    return [replace(job, objective=_changed(job.objective, strength=strength)) for job in jobs]


def _changed(objective, **values):
    return replace(objective, team=replace(objective.team, **values))


def opened(jobs):
    return [job.objective.open(job.settings, seed=job.seed) for job in jobs]


class Pixelwise(nn.Module):
    """Logits of each pixel from its grey alone; remembers what it was shown."""

    def __init__(self, num_channels, seed):
        super().__init__()
        # Alike enough to agree on most pixels.
        alike = [3.0] if num_channels == 1 else np.linspace(-4, 4, num_channels)
        weight, bias = np.random.default_rng(seed).normal(0, [[0.5], [1.0]], (2, num_channels))
        self.weight, self.bias = (
            nn.Parameter(torch.from_numpy(each.astype(np.float32))) for each in (alike + weight, bias)
        )
        self.shown = []

    def forward(self, images):
        self.shown.append(images.detach().clone())
        return (images[:, :1] / 128 - 1) * self.weight[:, None, None] + self.bias[:, None, None]

    def says(self, images):
        """Probabilities of bytes (N, H, W, 1), in NumPy: (N, C, H, W), channels as they come."""
        grey = np.moveaxis(images, -1, 1).astype(np.float64) / 128 - 1
        weight, bias = (each.detach().numpy()[:, None, None] for each in (self.weight, self.bias))
        return grey * weight + bias


def copies_of(jobs):
    """Give an averaged copy for each student."""
    return [Pixelwise(job.network.out_channels, seed).eval() for seed, job in enumerate(jobs)]


def probability(logits, task):
    if task == "multiclass":
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)
    return 1 / (1 + np.exp(-logits))


def cross_entropy(logits, label, counts, task):
    """Mean over the pixels (and classes) that count, of labels with real ids."""
    says = probability(logits, task)
    if task == "multiclass":
        likely = np.take_along_axis(says, label[:, None].astype(int) + 1, 1)[:, 0]
    else:
        label = np.moveaxis(label, -1, 1) if task == "multilabel" else label[:, None]
        counts = np.broadcast_to(counts if counts.ndim == 4 else counts[:, None], label.shape)
        likely = np.where(label == 1, says, 1 - says)
    return -np.log(likely[counts]).mean() if counts.any() else 0.0


def hard(says, task):
    """The label of one copy, and how probable it is, (N, H, W) or (N, H, W, K)."""
    if task == "multiclass":
        return says[:, 1:].argmax(1), says[:, 1:].max(1)
    label, certainty = says > 0.5, np.maximum(says, 1 - says)
    return (
        (label[:, 0], certainty[:, 0])
        if task == "binary"
        else (np.moveaxis(label, 1, -1), np.moveaxis(certainty, 1, -1))
    )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("recipe", ONLINE)
def test_a_step_by_hand(tmp_path, recipe, task):
    """Flips alone, no rectangles, cross-entropy: each number of a step without the training's own code."""
    jobs = team(tmp_path, recipe, task=task, strength=FLIPS, loss="cross_entropy", pseudo_weight=2.0, ramp_fraction=0.5)
    online = replace(jobs[0].objective.team.online, cutmix=0.0)
    if online.confidence:
        # Of these networks some pixels' label is as certain.
        online = replace(online, confidence=0.8)
    jobs = [replace(job, objective=_changed(job.objective, online=online)) for job in jobs]
    size, blocked = (2 if RECIPES[recipe].has_teams else 1), RECIPES[recipe].blocking is not None
    assert [len(each) for each in teams_of(jobs)] == [size] * (2 // size)
    channels = jobs[0].network.out_channels
    lessons, copies = opened(jobs[:size]), copies_of(jobs[:size])
    for step in (0, 2, 5):
        taught = Teams(lessons, copies).taught(step, num_parts=1)
        for place, (each, lesson) in enumerate(zip(lessons, taught, strict=True)):
            network = Pixelwise(channels, 10 + place)
            found = lesson.loss(network, phase=0, step=step).item()

            weak = each.views.weak(step).numpy()
            votes = [hard(probability(copy.says(weak), task), task) for copy in copies]
            labeller = {"team": 0, "own": place, "other": (place + 1) % size}[online.voters]
            label, certainty = votes[labeller]
            disputed = np.zeros(weak.shape[:3], bool)
            for copy in copies[1:]:
                both = [probability(member.says(weak), task) for member in (copies[0], copy)]
                calls = [says.argmax(1)[:, None] if task == "multiclass" else says > 0.5 for says in both]
                disputed |= (calls[0] != calls[1]).any(1)
            if task == "multiclass" and size > 1:
                # Where all take a pixel for masked, nobody says what it is.
                disputed |= np.all([probability(copy.says(weak), task).argmax(1) == 0 for copy in copies], axis=0)
            counts = certainty >= online.confidence
            images = weak.copy()
            if blocked:
                counts = counts & ~(disputed[..., None] if task == "multilabel" else disputed)
                images[disputed] = 0
                assert disputed.any()
                assert not disputed.all()
            if online.confidence:
                assert 0 < counts.mean() < 1
            if task == "multilabel":
                counts = np.moveaxis(counts, -1, 1)
            pseudo = cross_entropy(network.says(images), label, counts, task)

            batch = each.batches.draw(step)
            pictures = np.moveaxis(batch.image.numpy(), 1, -1)
            target = batch.target.numpy() - (task == "multiclass")
            target = np.moveaxis(target, 1, -1) if task == "multilabel" else target
            labelled = cross_entropy(network.says(pictures), target, np.ones(pictures.shape[:3], bool), task)
            # The weight rises to 2 in the first half of six steps.
            weight = 2 * min(1, (step + 1) / 3)
            assert found == pytest.approx((labelled + weight * pseudo) / (1 + weight), rel=1e-4)
            (shown,) = network.shown
            assert np.array_equal(np.moveaxis(shown.numpy(), 1, -1), np.concatenate([pictures, images]))


@pytest.mark.parametrize("task", TASKS)
def test_a_team_votes_as_teachers_do(tmp_path, task):
    """By the very function that labels between generations."""
    jobs = team(tmp_path, task=task, num_members=3, num_students=3, erode_px=3, dilate_px=5)
    lessons = opened(jobs)
    copies = copies_of(jobs)
    look = lessons[0].ask(copies, 1)
    with torch.inference_mode():
        images = look.images.permute(0, 3, 1, 2).float()
        says = np.stack([labels_of(task).probabilities(copy(images)).numpy() for copy in copies])
    expected = agreement(labels_of(task).votes(says), task=task, erode_px=3, dilate_px=5)
    assert expected.inconsistent.any()
    agreed = ~labels_of(task).over_layers(expected.inconsistent)
    for said in look.labels:
        assert np.array_equal(said.inconsistent.numpy(), expected.inconsistent)
        assert np.array_equal(said.label.numpy() * agreed, expected.label * agreed)
    # In parts, where memory is scarce, they say the same.
    again = lessons[0].ask(copies, 1, num_parts=2)
    assert torch.equal(again.images, look.images)
    assert all(torch.equal(one.label, other.label) for one, other in zip(again.labels, look.labels, strict=True))


@pytest.mark.parametrize("task", TASKS)
def test_what_is_disputed_is_neither_seen_nor_counted(tmp_path, task):
    """Black in the image; other labels and predictions there change nothing, whatever is cut and changed."""
    (job, _) = team(tmp_path, task=task)
    (lessons,) = opened([job])
    look = lessons.ask(copies_of([job, job]), 0)
    said, disputed = look.labels[0], look.labels[0].inconsistent
    batch = lessons._shown(look, 0)
    left_out = ~batch.weight if task != "multilabel" else ~batch.weight.any(1)
    assert 0 < left_out.float().mean() < 1
    assert not batch.image[left_out[:, None]].any()

    class Shouting(nn.Module):
        """Says something else of pixels of the unlabelled images, which come last."""

        def __init__(self, where):
            super().__init__()
            self.network, self.where = Pixelwise(job.network.out_channels, 3), torch.cat([where & False, where])

        def forward(self, images):
            return (
                self.network(images)
                + 50 * self.where[:, None] * torch.linspace(-1, 1, 1 + job.network.out_channels)[1:, None, None]
            )

    mask = disputed[..., None] if task == "multilabel" else disputed
    other = replace(said, label=torch.where(mask, 1 - said.label.clamp(max=1), said.label))
    looks = [look, replace(look, labels=(other, other))]
    losses = {
        lessons.loss_with(each, Shouting(where), 0).item() for each in looks for where in (left_out, left_out & False)
    }
    assert len(losses) == 1
    assert lessons.loss_with(look, Shouting(~left_out), 0).item() not in losses


def test_rectangles_bring_their_labels_and_disputed_pixels_along(tmp_path):
    (job, _) = team(tmp_path, strength=FLIPS)
    online = Online("team", cutmix=1.0)
    (lessons,) = opened([replace(job, objective=_changed(job.objective, online=online))])
    look = lessons.ask(copies_of([job, job]), 0)
    said = look.labels[0]
    batch = lessons._shown(look, 0)
    ways = []
    for image in range(2):
        shown, counts = batch.image[image, 0].numpy(), batch.weight[image].numpy()
        for source in (image, 1 - image):
            grey = look.images[source, ..., 0].numpy() * ~said.inconsistent[source].numpy()
            same = (shown == grey) & (counts == ~said.inconsistent[source].numpy())
            ways.append(same & ((batch.target[image].numpy() == said.label[source].numpy()) | ~counts))
        assert (ways[-1] | ways[-2]).all()
        # A tenth to a half, rounded down, come from the other one.
        assert 0.05 < (~ways[-2]).mean() <= 0.5


def test_students_see_the_same_images_each_changed_in_its_own_way(tmp_path):
    lessons = opened(team(tmp_path, strength=replace(PROFILES["generic"].strongest, max_noise=0)))
    weak = [each.views.weak(3) for each in lessons]
    assert torch.equal(*weak)
    strong = [each.views.strong(weak[0], 3, seed=each._seed) for each in lessons]
    assert not torch.equal(*strong)
    assert not torch.equal(weak[0], lessons[0].views.weak(4))
    batches = [each.batches.draw(3).image for each in lessons]
    assert not torch.equal(*batches)


@pytest.mark.parametrize(
    ("settings", "parts"),
    [({"batch_size": 4}, (2, 2)), ({"batch_size": 5}, (2, 3)), ({"batch_size": 8, "labelled_share": 0.25}, (2, 6))],
)
def test_half_of_a_batch_or_the_share_that_was_asked_for_is_labelled(tmp_path, settings, parts):
    (job, _) = team(tmp_path, **settings)
    (lessons,) = opened([job])
    assert batch_parts(job.settings) == parts
    assert (len(lessons.batches.draw(0).image), len(lessons.views.weak(0))) == parts
    assert (lessons.phases, lessons.batch_sizes) == ((2,), (sum(parts),))


def test_an_epoch_is_one_pass_over_the_unlabelled_images_unless_it_has_a_number_of_steps(tmp_path):
    (job, _) = team(tmp_path, steps_per_epoch=0)
    (lessons,) = opened([job])
    assert (lessons.phases, job.num_steps) == ((2,), 6)  # of five images in twos


def test_a_batch_of_one_image_cannot_be_shared():
    with pytest.raises(IncmaskError, match="setting batch_size: 1 image a step"):
        batch_parts(some_settings(batch_size=1))


# Trainings


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "task"), [*zip(ONLINE, cycle(TASKS), strict=False)])
def test_stopped_anywhere_a_training_comes_to_the_same(tmp_path, recipe, task):
    whole, stopped = (team(tmp_path / name, recipe, task=task) for name in ("whole", "stopped"))
    for each in teams_of(whole):
        fit_group(each)
    for num_steps in (1, 5):
        for each in teams_of(stopped):
            with pytest.raises(Stopped):
                fit_group(each, stop_after(num_steps * len(each)))
            # One for all, after the first of three validations.
            assert [(job.folder / CHECKPOINT).exists() for job in each] == [num_steps > 1] + [False] * (len(each) - 1)
    for each in teams_of(stopped):
        fit_group(each)
    for one, other in zip(whole, stopped, strict=True):
        for name in (MODEL, SCORES):
            assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes()
        # But for the time that it took.
        lines = [(job.folder / HISTORY).read_text().splitlines() for job in (one, other)]
        assert [line.rpartition(",")[0] for line in lines[0]] == [line.rpartition(",")[0] for line in lines[1]]


def test_a_checkpoint_of_other_students_is_refused(tmp_path):
    jobs = team(tmp_path)
    with pytest.raises(Stopped):
        fit_group(jobs, stop_after(5))
    (alone,) = team(tmp_path / "alone", "mt", num_students=1)
    with pytest.raises(Stopped):
        fit_group([alone], stop_after(3))
    (jobs[0].folder / CHECKPOINT).write_bytes((alone.folder / CHECKPOINT).read_bytes())
    with pytest.raises(IncmaskError, match="belongs to another training"):
        fit_group(jobs)


def test_copies_label_while_they_follow_what_is_learnt(tmp_path):
    """The labels of a step are those of the running means before it, not of the networks that learn."""
    jobs = team(tmp_path, average_decay=0.5)
    trainer = GroupTrainer(jobs, CPU)
    states = [{name: value.clone() for name, value in copy.state_dict().items()} for copy in trainer.averaged]
    twins = [job.network.build(seed=0).eval() for job in jobs]
    for step in range(2):
        for twin, state in zip(twins, states, strict=True):
            twin.load_state_dict(state)
        expected = trainer.lessons[0].ask(twins, step)
        (first, second) = trainer._teams.taught(step, num_parts=1)
        assert first.look is second.look
        assert torch.equal(first.look.labels[0].inconsistent, expected.labels[0].inconsistent)
        assert not any(copy.training for copy in trainer.averaged)
        trainer.step(step)
        moved = [{name: value.clone() for name, value in copy.state_dict().items()} for copy in trainer.averaged]
        assert any(not torch.equal(moved[0][name], states[0][name]) for name in moved[0])
        states = moved


def test_where_everybody_agrees_it_makes_no_difference_whose_label_it_is(tmp_path):
    """Mean teachers, and cross pseudo supervision, with an inconsistency mask: the same weights, to the bit."""
    jobs, states = team(tmp_path, task="multiclass"), []
    for voters in ("team", "own", "other"):
        online = Online(voters)
        trainer = GroupTrainer([replace(job, objective=_changed(job.objective, online=online)) for job in jobs], CPU)
        for step in range(3):
            trainer.step(step)
        states.append([copy.state_dict() for copy in trainer.averaged])
    for state in states[1:]:
        for copy, other in zip(states[0], state, strict=True):
            assert all(torch.equal(value, other[name]) for name, value in copy.items())


def test_teams_of_a_group_come_to_what_each_comes_to_alone(tmp_path):
    jobs = team(tmp_path, num_students=4)
    assert [[job.folder.name for job in each] for each in teams_of(jobs)] == [["1", "2"], ["3", "4"]]
    together, apart = GroupTrainer(jobs, CPU), [GroupTrainer(each, CPU) for each in teams_of(jobs)]
    for step in range(3):
        losses = together.step(step).tolist()
        assert losses == pytest.approx([loss for each in apart for loss in each.step(step).tolist()], rel=1e-2)
    assert len(set(losses)) == 4


def test_students_of_a_team_keep_time_whatever_their_folds(tmp_path):
    """Folds of other sizes have other numbers of labelled images and of validation images."""
    from incmask.data.split import Fold

    folds = (Fold((0, 1), (2, 3)), Fold((2, 3, 0), (1,)))
    setup = some_setup(tmp_path, recipe="im-online", folds=folds, batch_size=4, steps_per_epoch=0, validation_share=0.1)
    jobs = student_jobs(setup, tmp_path, generation=1)
    assert [len(job.objective.validation) for job in jobs] == [2, 1]
    schedules = {Schedule.of(lessons, job.settings) for lessons, job in zip(opened(jobs), jobs, strict=True)}
    assert len(schedules) == 1
    fit_group(jobs)
    assert all((job.folder / MODEL).exists() for job in jobs)


@pytest.mark.parametrize(("room", "sizes"), [(5, [4, 2]), (3, [2, 2, 2]), (1, [2, 2, 2]), (6, [6])])
def test_a_gpu_trains_whole_teams_at_a_time(tmp_path, monkeypatch, room, sizes):
    jobs, trained = team(tmp_path, num_students=5), []
    assert len(jobs) == 6
    monkeypatch.setattr(gpu_group, "students_at_a_time", lambda job, device: room)
    monkeypatch.setattr(gpu_group, "fit_group", lambda given, report: trained.append(given))
    (group,) = gpu_group.group_jobs(jobs)
    gpu_group.fit_students(group, print)
    assert [len(given) for given in trained] == sizes
    assert all(isinstance(job.objective, OnDevice) for given in trained for job in given)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("recipe", ["im-online", "fixmatch"])
def test_images_on_a_device_teach_the_same(tmp_path, recipe, task):
    """But for noise, which the device draws."""
    strength = replace(PROFILES["generic"].strongest, max_noise=0)
    jobs = team(tmp_path, recipe, task=task, strength=strength)
    plain = [
        replace(job, objective=replace(job.objective, training=replace(job.objective.training, strengths=(FLIPS,) * 3)))
        for job in jobs
    ]
    here, there = GroupTrainer(plain, CPU), GroupTrainer([on_device(job) for job in plain], CPU)
    assert all(isinstance(each.views, DeviceViews) for each in there.lessons)
    for step in range(4):
        for one, other in zip(here.lessons, there.lessons, strict=True):
            weak = one.views.weak(step)
            assert torch.equal(weak, other.views.weak(step))
            strong = (each.views.strong(weak, step, seed=each._seed) for each in (one, other))
            assert torch.equal(*strong)
        assert torch.equal(here.step(step), there.step(step))


def test_without_room_on_the_device_images_are_read_from_their_file(tmp_path, monkeypatch):
    from incmask.training.on_gpu import batches

    (job, _) = team(tmp_path)
    monkeypatch.setattr(batches, "free_bytes", lambda device: 0)
    lessons = on_device(job).objective.open(job.settings, seed=job.seed)
    assert not isinstance(lessons.views, DeviceViews)
    assert len(lessons.views.weak(0)) == 2


def test_jobs_say_who_is_in_a_team(tmp_path):
    jobs = team(tmp_path, num_students=3)
    assert [(job.team, job.objective.place) for job in jobs] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    seeds = [job.objective.team.seed for job in jobs]
    assert seeds[0] == seeds[1] != seeds[2] == seeds[3]
    assert len({job.seed for job in jobs}) == 4
    alone = team(tmp_path / "alone", "mt", num_students=3)
    assert [(job.team, job.objective.place) for job in alone] == [(None, 0)] * 3
    assert len({job.objective.team.seed for job in alone}) == 3
    # Base models are as ever.
    setup = some_setup(tmp_path / "base", recipe="im-online")
    base = experiment.fit_jobs(setup, 0, experiment.mix_folds(setup, 0, None), folder=tmp_path)
    assert {job.team for job in base} == {None}
    assert not any(hasattr(job.objective, "team") for job in base)
