"""Augmentation against NumPy's own flips and turns, a blur by SciPy and the ranges of the draws."""

from dataclasses import astuple
from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import correlate1d
from scipy.stats import chisquare

from incmask.base.errors import IncmaskError
from incmask.method.augment import Geometry, Strength, augment_pair, draw_geometry, flip_rotate, photometric, undo

GEOMETRIES = [Geometry(v, h, k) for v, h, k in product((False, True), (False, True), range(4))]
ALL = Strength(max_blur_px=3, max_noise=25, contrast=0.5, brightness=25, free_rotation=True)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def expected_move(array: np.ndarray, geometry: Geometry) -> np.ndarray:
    if geometry.flip_vertical:
        array = np.flip(array, 0)
    if geometry.flip_horizontal:
        array = np.flip(array, 1)
    return np.rot90(array, geometry.quarter_turns)


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("trailing", [(), (1,), (2,), (3,), (5,), (9,)])
def test_flip_rotate_and_undo_are_exact(dtype, trailing):
    array = generator().integers(0, 200, (6, 7, *trailing)).astype(dtype)
    for geometry in GEOMETRIES:
        moved = flip_rotate(array, geometry)
        np.testing.assert_array_equal(moved, expected_move(array, geometry))
        assert moved.dtype == dtype
        assert moved.flags.c_contiguous
        assert not np.shares_memory(moved, array)
        np.testing.assert_array_equal(undo(moved, geometry), array)


def test_flip_rotate_takes_views():
    array = generator().integers(0, 200, (10, 12, 6), dtype=np.uint8)[::2, ::-1, ::2]
    for geometry in GEOMETRIES:
        np.testing.assert_array_equal(flip_rotate(array, geometry), expected_move(array, geometry))


def test_flip_rotate_refuses_other_dimensions():
    for shape in ((4,), (2, 3, 4, 5), (0, 4), (4, 4, 0)):
        with pytest.raises(ValueError, match="expected an array"):
            flip_rotate(np.zeros(shape), Geometry())


def test_geometry_is_uniform_on_squares():
    rng = generator(1)
    drawn = [astuple(draw_geometry(ALL, (8, 8, 3), rng)) for _ in range(4000)]
    counts = [drawn.count(astuple(geometry)) for geometry in GEOMETRIES]
    assert sum(counts) == 4000
    assert chisquare(counts).pvalue > 1e-3


def test_geometry_keeps_the_shape_of_oblongs():
    rng = generator(2)
    turns = [draw_geometry(ALL, (8, 9), rng).quarter_turns for _ in range(1000)]
    assert set(turns) == {0, 2}
    assert chisquare([turns.count(0), turns.count(2)]).pvalue > 1e-3


def test_geometry_without_free_rotation_is_a_horizontal_flip():
    rng = generator(3)
    drawn = [draw_geometry(Strength(), (8, 8), rng) for _ in range(1000)]
    assert set(drawn) == {Geometry(), Geometry(flip_horizontal=True)}
    assert chisquare([drawn.count(Geometry()), drawn.count(Geometry(flip_horizontal=True))]).pvalue > 1e-3


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 130])
def test_no_strength_leaves_intensities(channels):
    image = generator().integers(0, 256, (6, 5, channels), dtype=np.uint8)
    for seed in range(8):
        out = photometric(image, strength=Strength(free_rotation=True), generator=generator(seed))
        np.testing.assert_array_equal(out, image)
        assert not np.shares_memory(out, image)


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 130])
def test_noise_spans_its_range_per_pixel_and_channel(channels):
    image = np.full((150, 151, channels), 128, np.uint8)
    out = photometric(image, strength=Strength(max_noise=5), generator=generator())
    assert out.shape == image.shape
    noise = out.astype(int) - 128
    values, counts = np.unique(noise, return_counts=True)
    assert values.tolist() == list(range(-5, 5))
    assert chisquare(counts).pvalue > 1e-3
    if channels > 1:
        assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.05


def test_noise_saturates():
    for intensity, expected in ((0, range(128)), (255, range(127, 256))):
        image = np.full((200, 200, 1), intensity, np.uint8)
        out = photometric(image, strength=Strength(max_noise=128), generator=generator())
        assert np.unique(out).tolist() == list(expected)


def test_contrast_and_brightness_are_a_rounded_saturated_line():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    gains, offsets, unchanged = [], [], 0
    rng = generator(4)
    for _ in range(400):
        out = photometric(ramp, strength=Strength(contrast=0.5, brightness=25), generator=rng).ravel()
        if (out == ramp.ravel()).all():
            unchanged += 1
            continue
        inner = (out > 0) & (out < 255)
        gain, offset = np.polyfit(np.arange(256)[inner], out[inner], 1)
        gains.append(gain)
        offsets.append(offset)
        line = gain * np.arange(256) + offset
        assert np.abs(np.clip(line, 0, 255) - out).max() < 0.7
    assert 150 < unchanged < 250
    assert 0.49 < min(gains) < 0.55
    assert 1.45 < max(gains) < 1.51
    assert -26 < min(offsets) < -22
    assert 22 < max(offsets) < 26


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 130])
def test_blur_is_one_of_the_kernels(channels):
    image = generator().integers(0, 256, (20, 21, channels), dtype=np.uint8)
    expected = []
    for radius in range(4):
        kernel = cv2.getGaussianKernel(2 * radius + 1, 0).ravel()
        blurred = correlate1d(correlate1d(image.astype(float), kernel, 0, mode="mirror"), kernel, 1, mode="mirror")
        expected.append(blurred)
    seen = set()
    for seed in range(25):
        out = photometric(image, strength=Strength(max_blur_px=3), generator=generator(seed))
        assert out.shape == image.shape
        assert out.flags.c_contiguous
        differences = [np.abs(out - blurred).max() for blurred in expected]
        assert min(differences) <= 1.01
        seen.add(int(np.argmin(differences)))
    assert seen == {0, 1, 2, 3}


@given(
    seed=st.integers(0, 2**32),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.integers(1, 6),
    num_classes=st.integers(0, 5),
)
def test_label_and_mask_follow_the_image(seed, height, width, channels, num_classes):
    rng = generator(seed)
    label = rng.integers(0, 256, (height, width, num_classes) if num_classes else (height, width), dtype=np.uint8)
    inconsistent = rng.integers(0, 2, (height, width)) > 0
    image = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
    pair = augment_pair(image, label, inconsistent, strength=Strength(free_rotation=True), generator=generator(seed))
    geometry = draw_geometry(ALL, image.shape, generator(seed))
    for moved, array in ((pair.image, image), (pair.label, label), (pair.inconsistent, inconsistent)):
        np.testing.assert_array_equal(moved, expected_move(array, geometry))
        assert moved.shape == array.shape
        assert moved.dtype == array.dtype
        assert moved.flags.c_contiguous


def test_same_seed_same_pair_and_inputs_stay():
    image = generator().integers(0, 256, (16, 16, 3), dtype=np.uint8)
    before = image.copy()
    outs = [augment_pair(image, strength=ALL, generator=generator(seed)) for seed in (5, 5, 6)]
    assert outs[0].label is None
    assert outs[0].inconsistent is None
    np.testing.assert_array_equal(outs[0].image, outs[1].image)
    assert (outs[0].image != outs[2].image).any()
    np.testing.assert_array_equal(image, before)


def test_pair_of_unequal_sizes_is_refused():
    image = np.zeros((4, 4, 1), np.uint8)
    with pytest.raises(ValueError, match="label"):
        augment_pair(image, np.zeros((4, 5), np.uint8), strength=ALL, generator=generator())
    with pytest.raises(ValueError, match="inconsistent"):
        augment_pair(image, None, np.zeros((5, 4), bool), strength=ALL, generator=generator())
    for wrong in (image[..., 0], image.astype(np.int16)):
        with pytest.raises(ValueError, match="uint8"):
            augment_pair(wrong, strength=ALL, generator=generator())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_blur_px", -1),
        ("max_blur_px", 128),
        ("max_blur_px", 1.5),
        ("max_noise", 129),
        ("contrast", 1.01),
        ("contrast", float("nan")),
        ("brightness", -0.1),
    ],
)
def test_strength_outside_its_range_is_refused(name, value):
    with pytest.raises(IncmaskError, match=name):
        Strength(**{name: value})
