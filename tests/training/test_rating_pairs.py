from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from incmask.method.agreement import agreement
from incmask.method.augment import Strength
from incmask.method.labels import labels_of
from incmask.method.quality import network_targets, targets
from incmask.nets.forward import predict_probabilities
from incmask.nets.spec import NetworkSpec, load_model, save_model
from incmask.training.rating_pairs import PairJob, PairSet, make_pairs
from small import NUM_CLASSES, TASKS, blocks, save_source, some_settings, truth

ROWS = (0, 2, 3, 5)
NUM_MEMBERS = 5


def pair_job(folder, task, *, num_passes=6, blocked=True, seed=3):
    """Five members, six images of which four are used, one of them with pixels without label."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = NetworkSpec(1, labels_of(task).num_outputs(NUM_CLASSES[task]), 0.125)
    members = [folder / f"{number}.safetensors" for number in range(NUM_MEMBERS)]
    # Relatives, so that they agree on part of the pixels.
    weights, generator = spec.build(seed=0).state_dict(), torch.Generator().manual_seed(1)
    for path in members:
        state = {
            name: value + 0.05 * value.float().std() * torch.randn(value.shape, generator=generator)
            if name.endswith("weight") and value.ndim == 4
            else value
            for name, value in weights.items()
        }
        save_model(path, state, spec)
    images = blocks(6)
    labels = truth(images, task)
    labels[2, :5] = 255
    source = save_source(folder, images, labels)
    num_pairs = (num_passes if blocked else NUM_MEMBERS + 1) * len(ROWS)
    np.save(folder / "made.npy", np.full((num_pairs, *labels.shape[1:]), 77, np.uint8))
    np.save(folder / "disputed.npy", np.zeros((num_pairs, 32, 32), bool))
    return PairJob(
        members=tuple(members),
        images=source.images,
        truth=source.labels,
        rows=ROWS,
        labels=folder / "made.npy",
        inconsistent=folder / "disputed.npy" if blocked else None,
        num_passes=num_passes,
        first=0,
        last=len(ROWS),
        task=task,
        num_classes=NUM_CLASSES[task],
        settings=some_settings(seed=seed, precision="float32"),
    )


def members_votes(job, row):
    """Hard votes of each member on one image, an array each."""
    image = np.load(job.images)[[row]]
    for path in job.members:
        (probability,) = predict_probabilities([load_model(path)], image, task=job.task, precision="float32")
        if job.task == "multiclass":
            yield probability[0].argmax(0)
        else:
            votes = probability[0] > 0.5
            yield votes[0] if job.task == "binary" else np.moveaxis(votes, 0, -1)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_blocked_pairs_against_a_loop_over_pairs(tmp_path, task):
    """Which members voted, and how the mask was changed, follows from the seed, the pass and the image."""
    job = pair_job(tmp_path, task)
    made = make_pairs(job)
    labels, masks, truths = np.load(job.labels), np.load(job.inconsistent), np.load(job.truth)
    assert made.targets.shape[:2] == (6, 4)
    seen = set()
    for place, row in enumerate(ROWS):
        votes = np.stack(list(members_votes(job, row))).astype(np.uint8)
        for number in range(6):
            generator = np.random.default_rng([3, number, row])
            voters = generator.choice(NUM_MEMBERS, int(generator.integers(2, 5)), replace=False)
            erode_px, dilate_px = generator.choice([0, 3, 5], 2).tolist()
            assert len(voters) == len(set(voters.tolist()))
            seen |= {("voters", len(voters)), ("erode", erode_px), ("dilate", dilate_px)}
            expected = agreement(votes[voters][:, None], task=task, erode_px=erode_px, dilate_px=dilate_px)
            pair = number * len(ROWS) + place
            assert np.array_equal(labels[pair], expected.label[0])
            assert np.array_equal(masks[pair], expected.inconsistent[0])
            known = targets(labels[[pair]], truths[[row]], masks[[pair]], task=task, num_classes=NUM_CLASSES[task])
            assert np.array_equal(made.targets[number, place], network_targets(known, task)[0])
    # All that can be drawn was.
    sides = {(what, side) for what in ("erode", "dilate") for side in (0, 3, 5)}
    assert seen == {("voters", 2), ("voters", 3), ("voters", 4)} | sides
    assert 0.02 < masks.mean() < 0.7
    assert len(np.unique(made.targets)) > 8


def test_the_binary_target_is_the_iou_of_what_is_not_blocked(tmp_path):
    """By sums over pixels; pixels without label do not count."""
    job = pair_job(tmp_path, "binary")
    made = make_pairs(job)
    labels, masks, truths = np.load(job.labels), np.load(job.inconsistent), np.load(job.truth)
    for place, row in enumerate(ROWS):
        known = truths[row] != 255
        for number in range(6):
            pair = number * len(ROWS) + place
            said, true = (labels[pair] == 1) & ~masks[pair] & known, truths[row] == 1
            assert (said | true).any()
            iou = (said & true).sum() / (said | true).sum()
            assert made.targets[number, place].tolist() == pytest.approx([iou], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_plain_pairs_are_the_members_masks_and_then_the_truth(tmp_path, task):
    job = pair_job(tmp_path, task, blocked=False)
    assert job.pairs_an_image == NUM_MEMBERS + 1
    made = make_pairs(job)
    labels, truths = np.load(job.labels), np.load(job.truth)
    num_classes = NUM_CLASSES[task]
    for place, row in enumerate(ROWS):
        image = np.load(job.images)[[row]]
        for number, path in enumerate(job.members):
            (probability,) = predict_probabilities([load_model(path)], image, task=task, precision="float32")
            pair = labels[number * len(ROWS) + place]
            if task == "multiclass":
                # The masked class, 0 of the outputs, is never an answer.
                assert np.array_equal(pair, probability[0, 1:].argmax(0))
            else:
                assert np.array_equal(np.moveaxis(pair.reshape(32, 32, -1), -1, 0), probability[0] > 0.5)
            known = targets(pair[None], truths[[row]], None, task=task, num_classes=num_classes)
            assert np.array_equal(made.targets[number, place], network_targets(known, task)[0])
        last = labels[NUM_MEMBERS * len(ROWS) + place]
        assert np.array_equal(last, np.where(truths[row] == 255, 0, truths[row]))
        assert (made.targets[NUM_MEMBERS, place, :num_classes] == 1).all()
    assert (made.targets[:NUM_MEMBERS, :, 0] < 1).all()


@pytest.mark.parametrize("blocked", [True, False])
def test_ranges_and_chunks_give_the_same_as_one_go(tmp_path, monkeypatch, blocked):
    whole, parts = (pair_job(tmp_path / name, "multilabel", blocked=blocked) for name in ("whole", "parts"))
    expected = make_pairs(whole).targets
    monkeypatch.setattr("incmask.nets.forward.CHUNK", 2)
    reports = []
    found = [make_pairs(replace(parts, first=first, last=last), reports.append) for first, last in ((3, 4), (0, 3))]
    assert reports == [1, 2, 1]
    assert [each.first for each in found] == [3, 0]
    assert np.array_equal(np.concatenate([each.targets for each in found[::-1]], 1), expected)
    assert np.array_equal(np.load(parts.labels), np.load(whole.labels))
    if blocked:
        assert np.array_equal(np.load(parts.inconsistent), np.load(whole.inconsistent))


def test_other_seeds_draw_other_voters(tmp_path):
    one, same, other = (pair_job(tmp_path / str(place), "binary", seed=seed) for place, seed in enumerate((1, 1, 2)))
    masks = []
    for job in (one, same, other):
        make_pairs(job)
        masks.append(np.load(job.inconsistent))
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])


def test_with_two_members_both_always_vote(tmp_path):
    job = pair_job(tmp_path, "binary")
    job = replace(job, members=job.members[:2])
    make_pairs(job)
    labels = np.load(job.labels)
    votes = np.stack(list(members_votes(job, ROWS[0]))).astype(np.uint8)
    for number in range(6):
        generator = np.random.default_rng([3, number, ROWS[0]])
        assert generator.integers(2, 2, endpoint=True) == 2
        generator.choice(2, 2, replace=False)
        erode_px, dilate_px = generator.choice([0, 3, 5], 2).tolist()
        expected = agreement(votes[:, None], task="binary", erode_px=erode_px, dilate_px=dilate_px)
        assert np.array_equal(labels[number * len(ROWS)], expected.label[0])


def pair_set(num_rows, strength):
    nowhere = Path("nowhere")
    return PairSet(nowhere, tuple(range(num_rows)), nowhere, None, nowhere, strength)


@pytest.mark.parametrize("num_rows", [1, 2, 3, 4, 7, 8])
def test_half_of_each_image_s_pairs_are_augmented(num_rows):
    """Whether the number of images is even or odd; in each of the ten passes half of the images, too."""
    pairs = pair_set(num_rows, Strength())
    augmented = np.array([pairs.is_augmented(pair) for pair in range(10 * num_rows)]).reshape(10, num_rows)
    assert augmented.sum(0).tolist() == [5] * num_rows
    assert set(augmented.sum(1).tolist()) <= {num_rows // 2, (num_rows + 1) // 2}


def test_without_a_strength_none_is_augmented():
    assert not any(pair_set(4, None).is_augmented(pair) for pair in range(40))


def test_files_of_a_set():
    pairs = replace(pair_set(2, None), labels=Path("a"), targets=Path("c"))
    assert pairs.files == (Path("a"), Path("c"))
    assert replace(pairs, inconsistent=Path("b")).files == (Path("a"), Path("b"), Path("c"))
