"""Volumes in the method: sheets, cubes, augmentation, surface distances."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.distance import cdist

from incmask.method.agreement import combine
from incmask.method.augment import Geometry, Strength
from incmask.method.augment_volumes import VolumeGeometry, augment_sheet, blur_volume, move
from incmask.method.cutmix import draw_cuts
from incmask.method.sheets import folded, unfolded
from incmask.method.surface import surface_distance


def test_folding_is_undone():
    volume = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    for axis in (0, 1, 2):
        sheet = folded(volume, axis=axis)
        assert np.array_equal(unfolded(sheet, volume.shape[axis], axis=axis), volume)
        assert torch.equal(folded(torch.from_numpy(volume), axis=axis), torch.from_numpy(sheet))
    assert np.array_equal(folded(volume)[3:6], volume[1])
    with pytest.raises(ValueError, match="slices"):
        unfolded(np.zeros((5, 2)), 2)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_morphology_is_of_cubes(kind):
    rng = np.random.default_rng(0)
    volumes = ndimage.gaussian_filter(rng.random((2, 2, 5, 6, 7)), (0, 0, 1, 1, 1)) + rng.random((2, 2, 5, 6, 7)) / 20
    members = np.repeat(volumes[:, :, None], 1, axis=2)
    members = members - np.median(members) + 0.5
    votes = members[:, :, 0] > 0.5
    disputed = votes[0] != votes[1]
    cube = np.ones((3, 3, 3))
    found = combine(kind(folded(members, axis=3)), task="binary", erode_px=3, dilate_px=5, depth=5)
    for number in range(2):
        kept = ndimage.binary_erosion(disputed[number], cube, border_value=1)
        expected = ndimage.binary_dilation(kept, np.ones((5, 5, 5)))
        assert np.array_equal(np.asarray(found.inconsistent)[number], folded(expected))
    assert disputed.any()


def test_cut_boxes_are_boxes():
    cuts = draw_cuts(3, (4 * 6, 8), share=1, generator=np.random.default_rng(1), depth=4)
    assert cuts.inside.shape == (3, 24, 8)
    for inside in cuts.inside:
        volume = unfolded(inside, 4)
        places = np.argwhere(volume)
        assert volume.sum() == np.prod(np.ptp(places, axis=0) + 1)
        assert 0 < volume.mean() <= 0.5


def test_labels_follow_their_volume():
    rng = np.random.default_rng(0)
    label = (ndimage.gaussian_filter(rng.random((6, 8, 8)), 1) > 0.5).astype(np.uint8)
    strength, seen = Strength(free_rotation=True), set()
    for seed in range(12):
        made = augment_sheet(
            folded(label)[..., None] * np.uint8(200),
            folded(label),
            folded(label > 0),
            depth=6,
            strength=strength,
            generator=np.random.default_rng(seed),
        )
        known = made.label != 255
        assert np.array_equal(made.label[known] > 0, made.inconsistent[known])
        is_moved = not np.array_equal(made.label, folded(label))
        seen.add((bool(known.all()), is_moved))
        # Halves of edges may fall on either side where values between voxels are mixed.
        assert ((made.image[..., 0] > 100) == (made.label == 1))[known].mean() > 0.9
    assert {(True, True), (False, True)} <= seen


def test_flips_and_turns_are_exact():
    volume = np.arange(2 * 3 * 3 * 2).reshape(2, 3, 3, 2)
    moved = move(volume, VolumeGeometry(True, Geometry(flip_vertical=True, quarter_turns=1)))
    assert np.array_equal(moved, np.stack([np.rot90(each[::-1]) for each in volume[::-1]]))


def test_changes_may_be_exact():
    """Each voxel stays one: of many draws none is turned or scaled by less than a right angle."""
    rng = np.random.default_rng(0)
    label = rng.permutation(np.arange(1, 4 * 5 * 5 + 1, dtype=np.uint8)).reshape(4, 5, 5)
    image = folded(np.stack([label, label], axis=-1))
    strength, seen = Strength(free_rotation=True), set()
    for seed in range(60):
        generator = np.random.default_rng(seed)
        found = augment_sheet(image, folded(label), depth=4, strength=strength, generator=generator, is_exact=True)
        assert found.inconsistent is None
        assert np.array_equal(found.image, np.stack([found.label, found.label], axis=-1))
        moved = unfolded(found.label, 4)
        ways = [
            (flipped, turns)
            for flipped in (False, True)
            for mirrored in (False, True)
            for turns in range(4)
            if np.array_equal(
                moved, np.rot90(label[:: -1 if flipped else 1, :, :: -1 if mirrored else 1], turns, (1, 2))
            )
        ]
        assert ways
        seen |= {*ways}
    assert len(seen) == 8


def test_an_affine_change_moves_as_its_matrix_says():
    volume = np.zeros((7, 9, 9), np.uint8)
    volume[3, 4, 7] = 1
    turn = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    moved = move(volume, VolumeGeometry(matrix=turn))
    ((depth, row, column),) = np.argwhere(moved == 1)
    # The new place p shows the old place turn · (p - middle) + middle.
    assert np.allclose(turn @ (np.array([depth, row, column]) - [3, 4, 4]) + [3, 4, 4], [3, 4, 7])
    grown = move(np.ones((5, 5, 5), np.uint8), VolumeGeometry(matrix=np.eye(3) * 2))
    assert grown[2, 2, 2] == 1
    assert grown[0, 0, 0] == 255


def test_blur_is_the_same_along_all_axes():
    rng = np.random.default_rng(0)
    volume = rng.integers(0, 256, (8, 8, 8, 1), dtype=np.uint8)
    turned = blur_volume(volume.transpose(2, 0, 1, 3), 2)
    assert np.array_equal(turned, blur_volume(volume, 2).transpose(2, 0, 1, 3))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 0.7, 1.2)])
def test_surface_distances_point_by_point(spacing):
    rng = np.random.default_rng(3)
    prediction, truth = (ndimage.gaussian_filter(rng.random((8, 9, 10)), 1) > 0.5 for _ in range(2))

    def surface(mask):
        padded = np.pad(mask, 1)
        beside = [np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1] for axis in range(3) for step in (1, -1)]
        return np.argwhere(mask & ~np.all(beside, axis=0)) * spacing

    apart = cdist(surface(prediction), surface(truth))
    there, back = apart.min(1), apart.min(0)
    found = surface_distance(prediction, truth, spacing=spacing)
    assert np.isclose(found.hd95, max(np.percentile(there, 95), np.percentile(back, 95)))
    assert np.isclose(found.mean, np.concatenate([there, back]).mean())


def test_empty_surfaces():
    full, empty = np.ones((2, 2, 2), bool), np.zeros((2, 2, 2), bool)
    assert surface_distance(empty, empty).hd95 == 0
    assert surface_distance(full, empty).mean == float("inf")
    with pytest.raises(ValueError, match="spacing"):
        surface_distance(full, empty, spacing=[1.0])
