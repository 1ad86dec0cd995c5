"""The batched augmentation against the one of pairs on the CPU."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from incmask.method.augment import Geometry, Strength, augment_pair, draw_geometry, flip_rotate
from incmask.training.on_gpu.augment import Change, batch_change, draw_change, photometric_batch, take_pixels

GEOMETRIES = [Geometry(v, h, turns) for v in (False, True) for h in (False, True) for turns in range(4)]
STRONG = Strength(max_blur_px=3, max_noise=0, contrast=0.4, brightness=40, free_rotation=True)


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def moved_batch(pixels, geometries):
    """The images of a stack in their order, flipped and turned."""
    changes = [Change(geometry) for geometry in geometries]
    change = batch_change(changes, np.arange(len(changes)), pixels.shape[1:3])
    return take_pixels(pixels, change.pixels())


def changed_batch(images, changes):
    """Images with other intensities."""
    return photometric_batch(images, batch_change(changes, np.arange(len(changes)), images.shape[1:3]))


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 3), (8, 8, 7)])
def test_flips_and_turns_are_exact(shape):
    pixels = noise((len(GEOMETRIES), *shape))
    moved = moved_batch(torch.from_numpy(pixels), GEOMETRIES).numpy()
    for image, geometry, ours in zip(pixels, GEOMETRIES, moved, strict=True):
        assert np.array_equal(ours, flip_rotate(image, geometry))


def test_images_are_taken_from_anywhere_in_a_stack():
    """And more than once; rows of a size whose pixels are beyond 32 bits stay whole numbers."""
    pixels, rows, turned = noise((5, 6, 6, 3)), np.array([4, 0, 4, 2], np.int32), Geometry(True, False, 3)
    change = batch_change([Change(), Change(turned), Change(turned), Change()], rows, (6, 6))
    expected = [pixels[4], flip_rotate(pixels[0], turned), flip_rotate(pixels[4], turned), pixels[2]]
    assert np.array_equal(take_pixels(torch.from_numpy(pixels), change.pixels()).numpy(), np.stack(expected))
    far = batch_change([Change()], np.array([3_000_000], np.int32), (1024, 1024))
    assert int(far.pixels()[0, -1, -1]) == 3_000_001 * 1024**2 - 1


def test_flips_of_images_that_are_not_square():
    geometries = [geometry for geometry in GEOMETRIES if geometry.quarter_turns % 2 == 0]
    pixels = noise((len(geometries), 5, 9, 2)) > 128
    moved = moved_batch(torch.from_numpy(pixels), geometries).numpy()
    for image, geometry, ours in zip(pixels, geometries, moved, strict=True):
        assert np.array_equal(ours, flip_rotate(image, geometry))


@given(seed=st.integers(0, 2**32), free=st.booleans(), side=st.sampled_from([(8, 8), (8, 12)]))
def test_draws_are_those_of_pairs(seed, free, side):
    """The same generator gives the same geometry, contrast and brightness, to the bit."""
    strength = Strength(contrast=0.5, brightness=60, free_rotation=free)
    image = noise((*side, 3))
    pair = augment_pair(image, strength=strength, generator=np.random.default_rng(seed))
    change = draw_change(strength, image.shape, np.random.default_rng(seed))
    assert change.geometry == draw_geometry(strength, image.shape, np.random.default_rng(seed))
    moved = moved_batch(torch.from_numpy(image)[None], [change.geometry])
    assert np.array_equal(changed_batch(moved, [change])[0].numpy(), pair.image)


@pytest.mark.parametrize("channels", [1, 3, 6])
@pytest.mark.parametrize("side", [(8, 8), (24, 24), (3, 17)])
def test_a_blur_is_exact(channels, side):
    strength = Strength(max_blur_px=9)
    pixels = noise((40, *side, channels))
    changes, expected = [], []
    for seed, image in enumerate(pixels):
        changes.append(draw_change(strength, image.shape, np.random.default_rng(seed)))
        expected.append(augment_pair(image, strength=strength, generator=np.random.default_rng(seed)).image)
    assert {change.blur_px for change in changes} >= {0, 1, 2, 5, 9}
    moved = moved_batch(torch.from_numpy(pixels), [change.geometry for change in changes])
    assert np.array_equal(changed_batch(moved, changes).numpy(), np.stack(expected))


@pytest.mark.parametrize("radius_px", [*range(1, 12), 20, 50, 100, 127])
def test_kernels_of_all_sides_are_opencv_s(radius_px):
    image = noise((20, 30, 2), seed=radius_px)
    ours = changed_batch(torch.from_numpy(image)[None], [Change(blur_px=radius_px)])[0].numpy()
    assert np.array_equal(ours, cv2.GaussianBlur(image, (2 * radius_px + 1,) * 2, 0))


def test_everything_but_noise_together():
    pixels = noise((32, 16, 16, 3), seed=3)
    changes, expected = [], []
    for seed, image in enumerate(pixels):
        changes.append(draw_change(STRONG, image.shape, np.random.default_rng(seed)))
        expected.append(augment_pair(image, strength=STRONG, generator=np.random.default_rng(seed)).image)
    moved = moved_batch(torch.from_numpy(pixels), [change.geometry for change in changes])
    assert np.array_equal(changed_batch(moved, changes).numpy(), np.stack(expected))


@pytest.mark.parametrize("highest", [1, 10, 128])
def test_noise_is_as_even_as_on_the_cpu(highest):
    grey = torch.full((2, 64, 64, 3), 127, dtype=torch.uint8)
    change = Change(max_noise=highest, noise_seed=5)
    noisy = changed_batch(grey, [change, Change()]).numpy().astype(int) - 127
    assert not noisy[1].any()
    assert noisy[0].min() == max(-highest, -127)
    assert noisy[0].max() == highest - 1
    if highest < 128:
        counts = np.bincount((noisy[0] + highest).ravel(), minlength=2 * highest)
        assert stats.chisquare(counts).pvalue > 1e-4


def test_noise_is_of_its_seed_alone():
    """Not of the other images of a batch."""
    grey = torch.full((3, 8, 8, 1), 100, dtype=torch.uint8)
    changes = [Change(max_noise=50, noise_seed=seed) for seed in (1, 2, 1)]
    first, second, third = changed_batch(grey, changes)
    assert torch.equal(first, third)
    assert not torch.equal(first, second)
    assert torch.equal(changed_batch(grey[:1], changes[1:2])[0], second)


def test_noise_saturates():
    dark_and_bright = torch.tensor([0, 255], dtype=torch.uint8).repeat(1, 8, 8, 1)
    noisy = changed_batch(dark_and_bright, [Change(max_noise=20, noise_seed=1)])
    assert int(noisy[..., 0].max()) < 20
    assert int(noisy[..., 1].min()) >= 235


def test_noise_has_a_seed_of_its_own_for_each_draw():
    strength = Strength(max_noise=5)
    seeds = {draw_change(strength, (8, 8), np.random.default_rng(seed)).noise_seed for seed in range(50)}
    assert len(seeds) == 50
    assert draw_change(strength, (8, 8), np.random.default_rng(3)) == draw_change(
        strength, (8, 8), np.random.default_rng(3)
    )


def test_images_of_all_radii_keep_their_order():
    """Those that are blurred alike are blurred together, wherever in the batch they are."""
    pixels = noise((7, 12, 12, 3), seed=1)
    changes = [Change(blur_px=radius_px) for radius_px in (3, 0, 1, 3, 0, 2, 1)]
    for image, change, ours in zip(pixels, changes, changed_batch(torch.from_numpy(pixels), changes), strict=True):
        side_px = 2 * change.blur_px + 1
        assert np.array_equal(ours, cv2.GaussianBlur(image, (side_px, side_px), 0) if change.blur_px else image)


def test_the_images_given_stay_as_they_are():
    pixels = torch.from_numpy(noise((2, 8, 8, 3)))
    before = pixels.clone()
    change = Change(Geometry(True, False, 1), np.arange(255, -1, -1, dtype=np.uint8), 2, 9, 4)
    moved_batch(pixels, [change.geometry] * 2)
    changed_batch(pixels, [change] * 2)
    assert torch.equal(pixels, before)
