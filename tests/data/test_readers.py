from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from trees import patches, picture, save, scan_ok, tree

from incmask.base.errors import IncmaskError
from incmask.data.images.readers import read_label, read_network_image, to_network_range


def test_8_bit_images_stay_as_they_are():
    image = picture()
    np.testing.assert_array_equal(to_network_range(image, 3), image)


def test_grey_is_repeated_and_rgb_becomes_luma():
    grey = picture(channels=1)[..., None]
    np.testing.assert_array_equal(to_network_range(grey, 3), np.concatenate([grey] * 3, axis=2))
    image = picture()
    luma = image @ [0.299, 0.587, 0.114]  # ITU-R BT.601
    assert np.abs(to_network_range(image, 1)[..., 0] - luma).max() <= 1


def test_16_bits_are_scaled_by_percentiles_of_the_image():
    image = np.arange(10_000, dtype=np.uint16).reshape(100, 100, 1) * 6 + 500
    low, high = np.quantile(image, [0.001, 0.999])
    expected = np.clip((image - low) / (high - low) * 255, 0, 255)
    found = to_network_range(image, 1)
    assert found.dtype == np.uint8
    assert (found.min(), found.max()) == (0, 255)
    assert np.abs(found - expected).max() <= 0.5 + 1e-6


def test_rgb_is_scaled_jointly_and_more_bands_each_alone():
    bands = np.stack([np.arange(100).reshape(10, 10) * scale for scale in (1, 1, 1, 600)], axis=2).astype(np.uint16)
    found = to_network_range(bands, 4)
    np.testing.assert_array_equal(found[..., 3], found[..., 0])
    colours = bands[..., 1:]
    assert to_network_range(colours, 3)[..., 0].max() == 0
    assert to_network_range(colours, 3)[..., 2].max() == 255


def test_given_intensities():
    image = np.array([[[-5.0], [0.0], [20.0], [100.0], [1e30]]], np.float32)
    assert to_network_range(image, 1, intensity=(0, 100)).ravel().tolist() == [0, 0, 51, 255, 255]


@given(arrays.arrays(np.float32, (3, 4, 1), elements=st.floats(-(2.0**99), 2.0**99, width=32)))
def test_scaling_keeps_the_order_of_intensities(image):
    order = np.argsort(image, axis=None, kind="stable")
    scaled = to_network_range(image, 1).ravel()[order].astype(int)
    assert (np.diff(scaled) >= 0).all()


def test_constant_images_are_black():
    assert to_network_range(np.full((3, 4, 1), 7.5, np.float32), 1).max() == 0


def test_channels_that_do_not_fit_name_the_file(tmp_path):
    path = save(tmp_path / "a.png", picture())
    with pytest.raises(IncmaskError, match=r"a\.png: has 3 channels where 5 are expected; convert it"):
        read_network_image(path, channels=5)


def test_label_of_an_unlabelled_image(tmp_path):
    tree(tmp_path, {"a": patches(0, 255)})
    save(tmp_path / "unlabelled" / "u.png", picture(1))
    dataset = scan_ok(tmp_path)
    with pytest.raises(IncmaskError, match=r"u\.png: has no mask; give it one"):
        read_label(dataset.unlabelled[0], dataset)


def test_masks_changed_after_the_scan(tmp_path):
    dataset = scan_ok(tree(tmp_path, {"a": patches(0, 255)}))
    save(dataset.labelled[0].masks[0], patches(0, 77))
    with pytest.raises(IncmaskError, match=r"a\.png: has pixels outside the classes"):
        read_label(dataset.labelled[0], dataset)
    save(dataset.labelled[0].masks[0], patches(0, 255)[:5])
    with pytest.raises(IncmaskError, match=r"a\.png: has a mask of 16×5 pixels for an image of 16×12"):
        read_label(dataset.labelled[0], dataset)


def test_values_beyond_16_bits_are_outside(tmp_path):
    import tifffile

    dataset = scan_ok(tree(tmp_path, {"a": patches(0, 1)}))
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, patches(0, 65537, dtype=np.int32))
    with pytest.raises(IncmaskError, match="outside the classes"):
        read_label(replace(dataset.labelled[0], masks=(path,)), dataset)
