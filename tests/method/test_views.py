"""Views of images and of volumes: flips and turns by hand, and back."""

import numpy as np
import pytest

from incmask.method.augment import Geometry, Strength, draw_geometry, flip_rotate, photometric
from incmask.method.augment_volumes import photometric_volume
from incmask.method.sheets import folded, unfolded
from incmask.method.views import draw_view, relit, turned, turned_back

FREE = Strength(max_blur_px=2, max_noise=9, contrast=0.3, brightness=20, free_rotation=True)


@pytest.mark.parametrize("shape", [(3, 5, 5), (3, 4, 6)], ids=["square", "oblong"])
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.bool_])
def test_volumes_are_turned_slice_by_slice_and_back(shape, kind):
    volume = np.random.default_rng(0).integers(0, 200, (*shape, 2)).astype(kind)
    seen = set()
    for seed in range(300):
        geometry = draw_view(FREE, folded(volume).shape, np.random.default_rng(seed), depth=3)
        plane = geometry.in_plane
        expected = volume[::-1] if geometry.flip_depth else volume
        expected = expected[:, ::-1] if plane.flip_vertical else expected
        expected = expected[:, :, ::-1] if plane.flip_horizontal else expected
        expected = np.stack([np.rot90(each, plane.quarter_turns) for each in expected])
        found = turned(folded(volume), geometry, depth=3)
        assert found.dtype == volume.dtype
        assert np.array_equal(unfolded(found, 3), expected)
        assert np.array_equal(turned_back(found, geometry, depth=3), folded(volume))
        one = turned(folded(volume[..., 0]), geometry, depth=3)
        assert np.array_equal(one, found[..., 0])
        seen.add((geometry.flip_depth, plane))
    turns = 4 if shape[1] == shape[2] else 2
    assert len(seen) == 2 * 2 * 2 * turns


def test_what_has_a_top_keeps_it():
    drawn = [draw_view(Strength(), (6, 4, 1), np.random.default_rng(seed), depth=3) for seed in range(40)]
    assert not any(each.flip_depth for each in drawn)
    assert {each.in_plane for each in drawn} == {Geometry(), Geometry(flip_horizontal=True)}


def test_images_are_changed_as_they_were():
    image = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    for seed in range(10):
        one, other = np.random.default_rng(seed), np.random.default_rng(seed)
        geometry = draw_view(FREE, image.shape, one)
        assert geometry == draw_geometry(FREE, image.shape, other)
        assert np.array_equal(turned(image, geometry), flip_rotate(image, geometry))
        assert np.array_equal(turned_back(turned(image, geometry), geometry), image)
        assert np.array_equal(
            relit(image, strength=FREE, generator=one), photometric(image, strength=FREE, generator=other)
        )


def test_intensities_of_volumes_are_changed_along_all_axes():
    sheet = np.random.default_rng(0).integers(0, 256, (6, 5, 1), np.uint8)
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    expected = photometric_volume(sheet.reshape(2, 3, 5, 1), strength=FREE, generator=other)
    assert np.array_equal(relit(sheet, strength=FREE, generator=one, depth=2), expected.reshape(6, 5, 1))
