"""Views of volumes where they are learnt from: of pseudo-labels at each step, of consistency and of votes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from test_online_lessons import copies_of, opened, team
from test_segmentation import TURNS, lessons, shown_by

from incmask.method.augment import Strength
from incmask.method.augment_volumes import photometric_volume
from incmask.method.labelling import Unlabelled, label_by_vote
from incmask.method.sheets import folded, unfolded
from incmask.method.views import draw_view, turned
from incmask.training.on_gpu.batches import on_device
from incmask.training.on_gpu.views import DeviceViews
from small import some_settings

DEPTH = 4
FREE = Strength(max_blur_px=1, max_noise=9, contrast=0.3, brightness=20, free_rotation=True)


def noise(num, *, seed=1):
    """Sheets of four slices of 8 by 8 voxels, in which no two voxels are mixed up."""
    return np.random.default_rng(seed).integers(0, 256, (num, DEPTH * 8, 8, 1), np.uint8)


def as_volumes(jobs, folder, **settings):
    """Let the students of a team see sheets."""
    np.save(folder / "sheets.npy", noise(6))
    shared = {"images": folder / "sheets.npy", "depth": DEPTH, "strength": FREE}
    return [
        replace(
            job,
            objective=replace(job.objective, team=replace(job.objective.team, **shared)),
            settings=job.settings.model_copy(update=settings),
        )
        for job in jobs
    ]


def ways(volume):
    """All that flips and quarter turns within slices make of a volume, as bytes."""
    found = {}
    for flipped in (False, True):
        for mirrored in (False, True):
            for turns in range(4):
                moved = np.rot90(volume[:: -1 if flipped else 1, :, :: -1 if mirrored else 1], turns, (1, 2))
                found[np.ascontiguousarray(moved).tobytes()] = flipped, mirrored, turns
    return found


def test_copies_look_at_volumes_that_are_turned_and_students_at_others_intensities(tmp_path):
    first, second = opened(as_volumes(team(tmp_path), tmp_path))
    volumes, seen = [unfolded(each, DEPTH) for each in noise(6)], set()
    for step in range(40):
        weak = first.views.weak(step)
        assert torch.equal(weak, second.views.weak(step))
        places = [*first.views.order.draw(step)]
        for image, place in zip(weak.numpy(), places, strict=True):
            seen.add(ways(volumes[place.example])[unfolded(image, DEPTH).tobytes()])
        strong = first.views.strong(weak, step, seed=7).numpy()
        for image, changed, place in zip(weak.numpy(), strong, places, strict=True):
            generator = np.random.default_rng([7, place.number_of_pass, place.example])
            expected = photometric_volume(unfolded(image, DEPTH), strength=FREE, generator=generator)
            assert np.array_equal(changed, folded(expected))
    assert len(seen) == 16


def test_what_copies_dispute_grows_by_cubes(tmp_path):
    jobs = as_volumes(team(tmp_path, "im-online"), tmp_path, dilate_px=3, erode_px=0)
    first, _ = opened(jobs)
    copies = copies_of(jobs)
    look = first.ask(copies, 0)
    said = [copy.says(look.images.numpy())[:, 0] > 0 for copy in copies]
    disputed = unfolded(said[0] != said[1], DEPTH, axis=1)
    assert 0.02 < disputed.mean() < 0.9
    grown = np.stack([ndimage.binary_dilation(each, np.ones((3, 3, 3))) for each in disputed])
    for label in look.labels:
        assert np.array_equal(label.inconsistent.numpy(), folded(grown, axis=1))


def test_volumes_take_boxes_of_each_other(tmp_path):
    (job, _) = as_volumes(team(tmp_path, "mt"), tmp_path)
    online = replace(job.objective.team.online, cutmix=1.0)
    job = replace(job, objective=replace(job.objective, team=replace(job.objective.team, online=online)))
    (student,) = opened([job])
    look = student.ask(copies_of([job]), 0)
    shown = student._shown(look, 0).image[:, 0].numpy()
    strong = student.views.strong(look.images, 0, seed=student._seed).numpy()[..., 0]
    for place, (seen, own) in enumerate(zip(shown, strong, strict=True)):
        differs = own != strong[place - 1]
        from_other, from_own = (unfolded(differs & (seen == each), DEPTH) for each in (strong[place - 1], own))
        (box,) = ndimage.find_objects(from_other.astype(int))
        assert not from_own[box].any()
        assert (from_other | from_own).sum() == differs.sum()
        # Not through all slices, rows and columns.
        assert from_other.shape != from_other[box].shape


def test_volumes_stay_off_the_device(tmp_path):
    (job, _) = as_volumes(team(tmp_path), tmp_path)
    there = on_device(job).objective.open(job.settings, seed=job.seed)
    assert not isinstance(there.views, DeviceViews)


def test_two_views_of_a_volume_are_turned_alike(tmp_path):
    taught = lessons(tmp_path, strength=TURNS, images=noise(6), batch_size=6, steps_per_epoch=0)
    unlabelled = replace(taught._objective.unlabelled, depth=DEPTH)
    settings = some_settings(precision="float32", batch_size=6, steps_per_epoch=0)
    taught = replace(taught._objective, unlabelled=unlabelled).open(settings, seed=3)
    first, second = shown_by(taught, 10)
    assert np.array_equal(first, second)
    known = [ways(unfolded(each, DEPTH)) for each in noise(6)]
    shown = [unfolded(each, DEPTH).tobytes() for each in first]
    found = {next(way[image] for way in known if image in way) for image in shown}
    assert len(found) == 16


@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
def test_votes_on_views_of_volumes_against_a_loop(task):
    """Each view is turned as a volume, changed along all axes, and turned back before the vote, which is in cubes."""
    images, channels = noise(3), {"binary": 1, "multilabel": 2, "multiclass": 3}[task]

    def says(pictures):
        """What depends on a voxel and the one in the slice after it."""
        volumes = unfolded(pictures[..., 0].astype(np.float32) / 255, DEPTH, axis=1)
        values = (volumes + 0.2 * np.roll(volumes, -1, axis=1)) / 1.2
        layers = np.stack([values, 1 - values, values**2][:channels], axis=1)
        return folded(layers / (layers.sum(1, keepdims=True) if task == "multiclass" else 1), axis=2)

    asked = Unlabelled(
        images=images,
        first=5,
        task=task,
        settings=some_settings(num_views=3),
        predict=lambda pictures: iter([says(pictures)]),
        rate=lambda label: np.zeros(len(label)),
        label=np.zeros(0),
        quality=np.zeros(0),
        erode_px=0,
        dilate_px=3,
        strength=FREE,
        seed=6,
        depth=DEPTH,
    )
    found = label_by_vote(asked, with_views=True)
    for row, image in enumerate(images):
        votes = []
        for view in range(3):
            generator = np.random.default_rng([6, 5 + row, view])
            geometry = draw_view(FREE, image.shape, generator, depth=DEPTH)
            seen = photometric_volume(
                unfolded(turned(image, geometry, depth=DEPTH), DEPTH), strength=FREE, generator=generator
            )
            back = unfolded(says(folded(seen)[None])[0], DEPTH, axis=1)
            plane = geometry.in_plane
            back = np.rot90(back, -plane.quarter_turns, (2, 3))
            back = back[:, :, :, ::-1] if plane.flip_horizontal else back
            back = back[:, :, ::-1] if plane.flip_vertical else back
            back = back[:, ::-1] if geometry.flip_depth else back
            votes.append(back.argmax(0) if task == "multiclass" else back > 0.5)
        votes = np.stack(votes)
        differ = (votes != votes[0]).any(0)
        # Where the masked class is what all say, nobody knows.
        disputed = differ | (votes[0] == 0) if task == "multiclass" else differ.any(0)
        grown = ndimage.binary_dilation(disputed, np.ones((3, 3, 3)))
        assert np.array_equal(found.inconsistent[row], folded(grown))
        assert 0.02 < disputed.mean() < 0.9
