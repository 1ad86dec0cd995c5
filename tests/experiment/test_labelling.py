from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import incmask.experiment.labelling as module
from incmask.base.pool import HerePool
from incmask.base.presets import PRESETS
from incmask.base.progress import Silent
from incmask.base.store import Store
from incmask.experiment.jobs import label_jobs
from incmask.experiment.labelling import LabelJob, label_range
from incmask.experiment.setup import RunContext
from incmask.method.agreement import combine
from incmask.method.augment import Strength, draw_geometry, flip_rotate, photometric
from incmask.method.cap import capped
from incmask.method.detail import without_details
from incmask.method.labelling import Unlabelled, best_candidates, label_by_vote
from incmask.method.labels import labels_of
from incmask.method.mixture import TrainingStacks
from incmask.method.recipe import Blocking, Recipe, Vote
from incmask.method.recipes import RECIPES
from incmask.nets.forward import predict_probabilities
from incmask.nets.spec import NetworkSpec, load_model, save_model
from small import NUM_CLASSES, TASKS, blocks, save_source, some_settings, some_setup

HARD, SOFT = Vote(), Vote(soft=True)


def random_members(task, *, num=3, seed=0):
    """Probabilities that mostly agree, (n, 2, C, 6, 5)."""
    generator = np.random.default_rng(seed)
    channels = labels_of(task).num_outputs(NUM_CLASSES[task])
    logits = generator.normal(0, 2, (2, channels, 6, 5)) + generator.normal(0, 1, (num, 2, channels, 6, 5))
    exponentials = np.exp(logits)
    values = exponentials / exponentials.sum(2, keepdims=True) if task == "multiclass" else 1 / (1 + np.exp(-logits))
    return values.astype(np.float32)


def slow(members, task, *, soft):
    """Pixel by pixel, without morphology."""
    num, num_images, channels, height, width = members.shape
    label = np.zeros((num_images, height, width, channels), np.uint8)
    disputed = np.zeros((num_images, height, width), bool)
    for image, row, column in np.ndindex(num_images, height, width):
        pixel = members[:, image, :, row, column]
        mean = [sum(float(pixel[m, c]) for m in range(num)) / num for c in range(channels)]
        if task == "multiclass":
            votes = [max(range(channels), key=lambda c, m=m: pixel[m, c]) for m in range(num)]
            likeliest = max(range(1, channels), key=lambda c: mean[c]) - 1
            # Masked is no answer, though all give it.
            agree = len(Counter(votes)) == 1 and votes[0] != 0
            disputed[image, row, column] = not agree
            label[image, row, column, 0] = votes[0] - 1 if agree and not soft else likeliest
            continue
        for channel in range(channels):
            votes = [pixel[m, channel] > 0.5 for m in range(num)]
            agree = all(votes) or not any(votes)
            disputed[image, row, column] |= not agree
            label[image, row, column, channel] = all(votes) if task == "binary" else mean[channel] > 0.5
    return (label if task == "multilabel" else label[..., 0]), disputed


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_combine_is_what_a_slow_loop_says(task, soft):
    for seed in range(5):
        members = random_members(task, num=2 + seed % 3, seed=seed)
        voted = combine(members, task=task, soft=soft)
        label, disputed = slow(members, task, soft=soft)
        assert 0.05 < disputed.mean() < 0.95
        assert np.array_equal(voted.inconsistent, disputed)
        assert np.array_equal(voted.label, label)
        assert (voted.label.dtype, voted.inconsistent.dtype) == (np.uint8, np.bool_)


@pytest.mark.parametrize("task", TASKS)
def test_combine_leaves_the_probabilities_alone(task):
    members = random_members(task)
    before = members.copy()
    combine(members, task=task, erode_px=3, dilate_px=3)
    assert np.array_equal(members, before)


def pixels(*members):
    """Probabilities of one image of one row from lists (member, pixel, class)."""
    return np.array(members, np.float32).transpose(0, 2, 1)[:, None, :, None]


def test_multiclass_by_hand():
    masked, one, two, unsure = [0.8, 0.0, 0.05, 0.15], [0.1, 0.8, 0.1, 0], [0, 0.1, 0.9, 0], [0.4, 0, 0.3, 0.3]
    members = pixels([masked, one, one, two, unsure, masked], [masked, one, two, two, masked, two])
    voted = combine(members, task="multiclass")
    assert voted.inconsistent.tolist() == [[[True, False, True, False, True, True]]]
    assert voted.label.tolist() == [[[2, 0, 1, 1, 2, 1]]]


def test_all_members_masked_is_disputed_everywhere():
    members = np.zeros((2, 1, 4, 4, 4), np.float32)
    members[:, :, 0], members[:, :, 3] = 0.9, 0.1
    for erode_px in (0, 3):
        voted = combine(members, task="multiclass", erode_px=erode_px)
        assert voted.inconsistent.all()
        assert (voted.label == 2).all()


def test_the_soft_vote_may_overrule_the_majority():
    """One member is sure, two are half-hearted; a binary label needs all."""
    sure, faint = 0.99, 0.4
    multilabel = pixels([[sure, sure]], [[faint, faint]], [[faint, 0.1]])
    assert combine(multilabel, task="multilabel", soft=True).label.tolist() == [[[[1, 0]]]]
    multiclass = pixels([[0, 0.95, 0.05]], [[0, 0.4, 0.6]], [[0, 0.4, 0.6]])
    assert combine(multiclass, task="multiclass", soft=True).label.tolist() == [[[0]]]
    binary = pixels([[sure]], [[faint]], [[sure]])
    for soft in (False, True):
        voted = combine(binary, task="binary", soft=soft)
        assert (voted.label.tolist(), voted.inconsistent.tolist()) == ([[[0]]], [[[True]]])


def line_of(values):
    """Two members on an image of nine equal rows: 0.9 for "+", 0.1 for "-", and for "?" 0.9 against 0.2."""
    values = [{"+": (0.9, 0.9), "-": (0.1, 0.1), "?": (0.9, 0.2)}[value] for value in values]
    return np.array(values, np.float32).T[:, None, None, None].repeat(9, axis=3)


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_erosion_frees_thin_disputes_and_dilation_widens_the_others(task):
    members = line_of("--?++???---")
    voted = combine(members, task=task, erode_px=3)
    assert voted.inconsistent[0].tolist() == [[False] * 6 + [True] + [False] * 4] * 9
    # Freed pixels take the foreground that lies within the square; the disputed one is the likeliest or background.
    disputed = 1 if task == "multilabel" else 0
    assert voted.label.reshape(9, 11).tolist() == [[0, 0, 1, 1, 1, 1, disputed, 0, 0, 0, 0]] * 9
    wide = combine(members, task=task, dilate_px=3).inconsistent[0, 4].tolist()
    assert wide == [False, True, True, True, True, True, True, True, True, False, False]


def test_multiclass_freed_pixels_take_a_real_class():
    one, two, masked = [0.0, 0.9, 0.1], [0, 0.2, 0.8], [1.0, 0, 0]
    members = pixels([one, one, two, two, two], [one, two, two, two, two]).repeat(5, axis=3)
    voted = combine(members, task="multiclass", erode_px=3)
    assert not voted.inconsistent.any()
    assert voted.label[0, 2].tolist() == [0, 0, 1, 1, 1]
    members = pixels([two, masked, two, two, two], [two, masked, two, two, two]).repeat(5, axis=3)
    voted = combine(members, task="multiclass", erode_px=3)
    assert not voted.inconsistent.any()
    assert (voted.label == 1).all()


def voting(vote):
    return Recipe("votes", labeller=vote, blocking=Blocking())


def label_job(folder, task, *, num=7, first=0, last=7, admit="all", **values):
    """Two members and stacks to fill."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = NetworkSpec(1, labels_of(task).num_outputs(NUM_CLASSES[task]), 0.125)
    paths = [folder / f"member-{seed}.safetensors" for seed in (1, 2)]
    for seed, path in enumerate(paths):
        save_model(path, spec.build(seed=seed).state_dict(), spec)
    images = blocks(num)
    label = np.full((num, 32, 32, 2) if task == "multilabel" else (num, 32, 32), 77, np.uint8)
    source = save_source(folder, images, label, np.zeros((num, 32, 32), bool))
    return LabelJob(
        recipe=voting(HARD),
        teachers=tuple(paths),
        judges=(),
        images=source.images,
        truth=None,
        label=source.labels,
        inconsistent=source.inconsistent,
        first=first,
        last=last,
        task=task,
        num_classes=NUM_CLASSES[task],
        settings=some_settings(precision="float32", admit=admit, **values),
        strength=Strength(),
        seed=6,
        before=None,
        quality=np.full(num, -1.0),
    )


@pytest.mark.parametrize("task", TASKS)
def test_ranges_give_the_same_as_one_go(tmp_path, monkeypatch, task):
    monkeypatch.setattr("incmask.nets.forward.CHUNK", 2)
    whole, reports = label_job(tmp_path / "whole", task, erode_px=3, dilate_px=3), []
    facts = label_range(whole, reports.append)
    assert reports == [2, 2, 2, 1]
    parts = [label_range(label_job(tmp_path / "parts", task, erode_px=3, dilate_px=3, last=4))]
    first_rows = np.load(tmp_path / "parts" / "set-labels.npy")
    assert (first_rows[4:] == 77).all()
    assert not (first_rows[:4] == 77).any()
    job = label_job(tmp_path / "other", task, erode_px=3, dilate_px=3, first=4)
    parts.append(label_range(job))
    assert np.array_equal(np.load(whole.label), np.concatenate([first_rows[:4], np.load(job.label)[4:]]))
    assert np.load(whole.inconsistent).any()
    assert np.array_equal(np.load(whole.inconsistent)[4:], np.load(job.inconsistent)[4:])
    assert [part.first for part in parts] == [0, 4]
    for name in ("admitted", "inconsistent_fraction", "foreground_fraction"):
        joined = np.concatenate([getattr(part.known, name) for part in parts])
        assert np.array_equal(joined, getattr(facts.known, name))


@pytest.mark.parametrize("task", TASKS)
def test_the_facts_of_a_range_are_those_of_its_labels(tmp_path, task):
    job = label_job(tmp_path, task, admit="label_exceeds_mask")
    facts = label_range(job)
    label, masks = np.load(job.label), np.load(job.inconsistent)
    if task == "multilabel":
        label = label.max(-1)
    for row in range(7):
        disputed, foreground = masks[row].sum(), ((label[row] > 0) & ~masks[row]).sum()
        assert facts.known.inconsistent_fraction[row] == pytest.approx(disputed / 1024)
        assert facts.known.foreground_fraction[row] == pytest.approx(foreground / 1024)
        assert facts.known.admitted[row] == (task != "binary" or foreground > disputed)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("erode_px", [0, 3])
def test_a_capped_mask_is_written_and_admission_looks_at_the_votes(tmp_path, task, erode_px):
    values = {"erode_px": erode_px, "dilate_px": 3, "admit": "confident_all_tasks"}
    free = label_job(tmp_path / "free", task, **values)
    job = label_job(tmp_path / "capped", task, max_blocked_share=0.0, **values)
    facts, before = label_range(job), label_range(free)
    models = [load_model(path).eval() for path in job.teachers]
    members = np.stack([*predict_probabilities(models, np.load(job.images), task=task, precision="float32")])
    sides_px = {"erode_px": erode_px, "dilate_px": 3}
    expected = capped(combine(members, task=task, **sides_px), members.mean(0), task=task, max_share=0.0)
    label, mask = np.load(job.label), np.load(job.inconsistent)
    assert np.array_equal(label, expected.label)
    assert np.array_equal(mask, expected.inconsistent)
    assert mask.sum() < np.load(free.inconsistent).sum()
    votes = combine(members, task=task)
    agreed = labels_of(task).foreground(votes.label) & ~votes.inconsistent
    outnumbered = agreed.sum((1, 2)) > votes.inconsistent.sum((1, 2))
    nothing = ~agreed.any((1, 2)) & ~votes.inconsistent.any((1, 2))
    assert facts.known.admitted.tolist() == before.known.admitted.tolist() == (outnumbered | nothing).tolist()


def test_without_blocking_nothing_is_capped(tmp_path):
    jobs = [label_job(tmp_path / str(share), "multilabel", max_blocked_share=share) for share in (1.0, 0.0)]
    for job in jobs:
        label_range(replace(job, recipe=Recipe("votes", labeller=SOFT)))
    for name in ("label", "inconsistent"):
        assert np.array_equal(*(np.load(getattr(job, name)) for job in jobs))


def speckled(networks, images, *, task, precision):
    """Two members' probabilities of specks of 2 by 2 pixels, about which they differ at one place in ten."""
    generator = np.random.default_rng(images.shape[0])
    num = labels_of(task).num_outputs(NUM_CLASSES[task])
    one = generator.random((len(images), num, 16, 16))
    other = np.where(generator.random(one.shape) < 0.1, generator.random(one.shape), one)
    return np.stack([one, other]).repeat(2, 3).repeat(2, 4).astype(np.float32)


@pytest.mark.parametrize("task", TASKS)
def test_labels_lack_details_and_admission_looks_at_the_votes(tmp_path, monkeypatch, task):
    monkeypatch.setattr(module, "predict_probabilities", speckled)
    fine = label_job(tmp_path / "fine", task, admit="confident_all_tasks")
    coarse = replace(label_job(tmp_path / "coarse", task, admit="confident_all_tasks"), detail_px=3)
    facts = [label_range(job) for job in (fine, coarse)]
    labels, masks = ([np.load(getattr(job, each)) for job in (fine, coarse)] for each in ("label", "inconsistent"))
    assert np.array_equal(*masks)
    assert np.array_equal(labels[1], without_details(labels[0], masks[0], task=task, side_px=3))
    assert not np.array_equal(*labels)
    assert facts[0].known.admitted.tolist() == facts[1].known.admitted.tolist()
    foreground = labels_of(task).foreground(labels[1]) & ~masks[1]
    assert facts[1].known.foreground_fraction == pytest.approx(foreground.mean((1, 2)), abs=1e-9)
    # Without blocking, disputed pixels are labels like others.
    label_range(replace(coarse, recipe=Recipe("votes", labeller=HARD)))
    expected = without_details(labels[0], np.zeros_like(masks[0]), task=task, side_px=3)
    assert np.array_equal(np.load(coarse.label), expected)
    assert not np.array_equal(expected, labels[1])


def test_places_of_cells_that_were_drawn_anew_are_no_details(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "predict_probabilities", speckled)
    jobs = [replace(label_job(tmp_path / str(side), "multilabel"), position=1, detail_px=side) for side in (0, 9)]
    for job in jobs:
        label_range(job)
    fine, coarse = (np.load(job.label) for job in jobs)
    assert np.array_equal(fine[..., 1], coarse[..., 1])
    assert fine[..., 1].any()
    assert not np.array_equal(fine[..., 0], coarse[..., 0])


class Pixelwise(nn.Module):
    """Logits of each pixel from its grey alone, so that it is the same to turn an image or its prediction."""

    def __init__(self, path):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([4.0, -2.0, 1.0, 0.5]))
        self.member = float(path.stem[-1])

    def forward(self, images):
        grey = images[:, :1] / 128 - self.member / 2
        return grey * self.weight[: self.channels, None, None] + 0.1

    channels = 1


def views_job(folder, task, strength, monkeypatch, *, num=3, side=(32, 32)):
    """A job of views of the first member, on images without symmetry."""
    monkeypatch.setattr(module, "load_model", Pixelwise)
    monkeypatch.setattr(Pixelwise, "channels", labels_of(task).num_outputs(NUM_CLASSES[task]))
    job = label_job(folder, task, num_views=num)
    images = np.random.default_rng(5).integers(0, 256, (7, *side, 1), dtype=np.uint8)
    for path, values in ((job.images, images), (job.label, np.load(job.label)), (job.inconsistent, None)):
        if path == job.label:
            values = np.full((7, *side, *values.shape[3:]), 77, np.uint8)
        np.save(path, np.zeros((7, *side), bool) if values is None else values)
    return replace(job, recipe=voting(Vote(views="several")), teachers=job.teachers[:1], strength=strength), images


@pytest.mark.parametrize("side", [(32, 32), (16, 32)])
@pytest.mark.parametrize("task", TASKS)
def test_views_that_are_only_turned_give_the_plain_prediction(tmp_path, monkeypatch, task, side):
    """Every flip and turn is undone before the vote, exactly: nothing is disputed."""
    job, _ = views_job(tmp_path, task, Strength(free_rotation=True), monkeypatch, num=5, side=side)
    label_range(job)
    label, masks = np.load(job.label), np.load(job.inconsistent)
    label_range(replace(job, recipe=voting(HARD)))
    plain = np.load(job.label)
    assert np.array_equal(label, plain)
    # Where the masked class is likeliest, all say so.
    assert task == "multiclass" or not masks.any()
    assert len(np.unique(label)) > 1


@pytest.mark.parametrize("free_rotation", [True, False])
def test_views_against_a_loop(tmp_path, monkeypatch, free_rotation):
    """Each view of each image has draws of its own; a binary label needs all of them."""
    strength = Strength(max_blur_px=1, max_noise=20, contrast=0.3, brightness=20, free_rotation=free_rotation)
    job, images = views_job(tmp_path, "binary", strength, monkeypatch, num=4)
    facts = label_range(job)
    (network,) = (Pixelwise(path) for path in job.teachers)
    votes = np.zeros((4, 7, 32, 32), bool)
    for row, view in np.ndindex(7, 4):
        generator = np.random.default_rng([6, row, view])
        geometry = draw_geometry(strength, (32, 32, 1), generator)
        assert free_rotation or not (geometry.flip_vertical or geometry.quarter_turns)
        seen = photometric(flip_rotate(images[row], geometry), strength=strength, generator=generator)
        with torch.inference_mode():
            logits = network(torch.from_numpy(seen).permute(2, 0, 1)[None].float())[0, 0].numpy()
        # Back by hand: the turn first, then the flips.
        back = np.rot90(logits > 0, -geometry.quarter_turns)
        back = back[:, ::-1] if geometry.flip_horizontal else back
        votes[view, row] = back[::-1] if geometry.flip_vertical else back
    assert np.array_equal(np.load(job.label), votes.all(0))
    disputed = votes.any(0) & ~votes.all(0)
    assert np.array_equal(np.load(job.inconsistent), disputed)
    assert facts.known.inconsistent_fraction == pytest.approx(disputed.mean((1, 2)))
    assert 0.01 < disputed.mean() < 0.9
    # It is the row that draws, wherever a range begins.
    whole = np.load(job.label)
    np.save(job.label, np.full_like(whole, 77))
    label_range(replace(job, first=3, last=5))
    assert np.array_equal(np.load(job.label)[3:5], whole[3:5])


def test_views_of_several_members_all_vote(tmp_path, monkeypatch):
    job, images = views_job(tmp_path, "binary", Strength(free_rotation=True), monkeypatch, num=2)
    teachers = label_job(tmp_path / "both", "binary").teachers
    label_range(replace(job, teachers=teachers))
    # Member k says foreground where 4 · (grey / 128 - k / 2) + 0.1 > 0.
    grey = images[..., 0].astype(float)
    votes = [4 * (grey / 128 - number / 2) + 0.1 > 0 for number in (1, 2)]
    assert np.array_equal(np.load(job.label), votes[0] & votes[1])
    assert np.array_equal(np.load(job.inconsistent), votes[0] ^ votes[1])


@pytest.mark.parametrize("task", TASKS)
def test_one_voter_decides_alone(tmp_path, task):
    """Noisy student: hard labels of a single model; nothing is disputed, and the masked class is no answer."""
    job = label_job(tmp_path, task)
    job = replace(job, teachers=job.teachers[:1])
    facts = label_range(job)
    (network,) = (load_model(path) for path in job.teachers)
    tensor = torch.from_numpy(np.load(job.images)).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        logits = network(tensor).numpy()
    expected = logits[:, 1:].argmax(1) if task == "multiclass" else np.moveaxis(logits > 0, 1, -1)
    assert np.array_equal(np.load(job.label), expected[..., 0] if task == "binary" else expected)
    assert not np.load(job.inconsistent).any()
    assert facts.known.inconsistent_fraction.tolist() == [0] * 7


def cells_of(*centres_yx, side=11):
    """A square for each cell on 60×60 pixels."""
    mask = np.zeros((60, 60), bool)
    for y, x in centres_yx:
        mask[y - side // 2 : y + side // 2 + 1, x - side // 2 : x + side // 2 + 1] = True
    return mask


def disc(y, x, radius):
    rows, columns = np.ogrid[:60, :60]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def unlabelled_cells(*members, position, **more):
    """One image on which each member marks cells in the second of two channels, and the left half in the first."""
    probability = np.full((len(members), 1, 2, 60, 60), 0.1, np.float32)
    probability[:, 0, 0, :, :30] = 0.9
    for member, (sure, marked) in zip(probability, members, strict=True):
        member[0, 1][marked] = sure
    values = {"erode_px": 0, "dilate_px": 0, "label": np.zeros((1, 60, 60, 2), np.uint8), "quality": np.array([-1.0])}
    images = np.zeros((1, 60, 60, 1), np.uint8)
    of_run = {"first": 0, "task": "multilabel", "settings": some_settings(), "strength": Strength(), "seed": 1}
    return Unlabelled(
        images=images,
        predict=lambda _: iter(probability),
        position=position,
        **of_run,
        **({"rate": lambda _: np.zeros(1)} | values | more),
    )


LEFT = np.arange(60) < 30


@pytest.mark.parametrize("position", [None, 1])
def test_positions_on_which_all_agree_are_drawn_anew_as_discs(position):
    """One cell that both mark, and one that the surer of the two marks: alone it is drawn with a radius of 8."""
    first, second = cells_of((20, 20), (20, 48)), cells_of((20, 20))
    asked = unlabelled_cells((0.95, first), (0.9, second), position=position)
    found = label_by_vote(asked)
    assert np.array_equal(found.label[0, ..., 0], np.broadcast_to(LEFT, (60, 60)))
    assert np.array_equal(found.inconsistent[0], first ^ second)
    # Without it, a disputed pixel has the likelier class: .525.
    assert np.array_equal(found.label[0, ..., 1], first if position is None else disc(20, 20, 8))


def test_positions_of_a_soft_vote_are_what_it_says():
    """The mean of .95 and .1 is above one half: two cells, 28 apart."""
    asked = unlabelled_cells(
        (0.95, cells_of((20, 20), (20, 48))), (0.9, cells_of((20, 20))), position=1, erode_px=0, dilate_px=0
    )
    assert np.array_equal(label_by_vote(asked, soft=True).label[0, ..., 1], disc(20, 20, 7) | disc(20, 48, 7))


def test_positions_of_a_single_teacher_are_its_own():
    asked = unlabelled_cells((0.95, cells_of((20, 20), (32, 20), side=5)), position=1)
    assert np.array_equal(label_by_vote(asked).label[0, ..., 1], disc(20, 20, 3) | disc(32, 20, 3))


def test_candidates_are_rated_as_they_are_drawn_anew():
    rated = []

    def rate(label):
        rated.append(label)
        return np.array([0.5])

    best = best_candidates(unlabelled_cells((0.95, cells_of((20, 20))), position=1, rate=rate))
    assert np.array_equal(best.label, rated[0])
    assert np.array_equal(best.label[0, ..., 1], disc(20, 20, 8))
    assert np.array_equal(best.label[0, ..., 0], np.broadcast_to(LEFT, (60, 60)))


@pytest.mark.parametrize(
    ("preset", "marks", "position"), [("paper", "1", 1), ("paper", None, None), ("default", "1", None)]
)
def test_who_draws_positions_anew(tmp_path, preset, marks, position):
    this = some_setup(tmp_path, task="multilabel", **PRESETS[preset])
    this = replace(this, dataset=replace(this.dataset, position_class=marks))
    run = RunContext(this, Store(tmp_path / "run", run={}, data={}), HerePool(1), Silent())
    pairs = TrainingStacks(Path("images"), Path("labels"), Path("masks"))
    (job,) = label_jobs(run, [], 1, pairs)
    assert job.position == position


NUM_IMAGES = 7


class Named(nn.Module):
    """In place of the network of a file."""

    def __init__(self, path):
        super().__init__()
        self.name = path.name


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
def scripted(monkeypatch):
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

    monkeypatch.setattr(module, "load_model", Named)
    monkeypatch.setattr(module, "predict_probabilities", say)
    monkeypatch.setattr(module, "judge", rate)


def candidate_job(folder, *, before, first=0, last=NUM_IMAGES):
    return LabelJob(
        recipe=RECIPES["evalnet"],
        teachers=(Path("1"), Path("2"), Path("3")),
        judges=(Path("a"), Path("b")),
        images=folder / "images.npy",
        truth=None,
        label=folder / "label.npy",
        inconsistent=folder / "inconsistent.npy",
        first=first,
        last=last,
        task="multiclass",
        num_classes=3,
        settings=some_settings(),
        strength=Strength(),
        seed=6,
        before=folder / "before.npy",
        quality=np.array(before[first:last]),
    )


@pytest.mark.parametrize("chunk", [2, 32])
@pytest.mark.parametrize("ranges", [((0, NUM_IMAGES),), ((4, NUM_IMAGES), (0, 4))])
def test_the_best_candidate_wins(tmp_path, scripted, monkeypatch, ranges, chunk):
    monkeypatch.setattr("incmask.nets.forward.CHUNK", chunk)
    np.save(
        tmp_path / "images.npy", np.arange(NUM_IMAGES, dtype=np.uint8)[:, None, None, None].repeat(32, 1).repeat(32, 2)
    )
    np.save(tmp_path / "label.npy", np.full((NUM_IMAGES, 32, 32), 9, np.uint8))
    ratings = np.zeros(NUM_IMAGES)
    np.save(tmp_path / "before.npy", np.load(tmp_path / "label.npy"))
    np.save(tmp_path / "inconsistent.npy", np.ones((NUM_IMAGES, 32, 32), bool))
    for first, last in ranges:
        rated = label_range(candidate_job(tmp_path, before=BEFORE, first=first, last=last))
        assert rated.first == first
        ratings[first:last] = rated.known.quality
    np.testing.assert_allclose(ratings, BEST, rtol=1e-6)
    labels = np.load(tmp_path / "label.npy")
    assert [int(label.flat[0]) or 3 for label in labels] == WHOSE
    assert (labels == labels[:, :1, :1]).all()
    assert not np.load(tmp_path / "inconsistent.npy").any()
