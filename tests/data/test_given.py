import numpy as np
import pytest
import torch
from PIL import Image

from incmask.base.errors import IncmaskError
from incmask.data.from_arrays import ArrayData, write_data
from incmask.data.images.given import check_several, image_array, mask_array

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)
RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
LABEL = GREY % 3


def indexed():
    image = Image.fromarray(LABEL)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    return image


def turned():
    image = Image.fromarray(GREY[::-1])
    image.getexif()[274] = 4
    return image


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (GREY, GREY),
        (GREY.tolist(), GREY),
        (Image.fromarray(GREY), GREY),
        (Image.fromarray(RGB), RGB),
        (Image.fromarray(np.dstack([RGB, GREY])), RGB),
        (turned(), GREY),
        (indexed(), np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0)])[LABEL]),
        (torch.from_numpy(GREY), GREY),
        (torch.from_numpy(RGB), RGB),
        (torch.from_numpy(RGB).permute(2, 0, 1), RGB),
        (torch.from_numpy(GREY)[None], GREY[..., None]),
        (torch.from_numpy(RGB / 255).permute(2, 0, 1).requires_grad_(), (RGB / 255).astype(np.float32)),
        (torch.from_numpy(GREY).bfloat16(), GREY),
    ],
)
def test_images_in_any_form_are_the_same_array(given, expected):
    np.testing.assert_array_equal(image_array(given, "x"), expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (indexed(), LABEL),
        (Image.fromarray(LABEL > 0), LABEL > 0),
        (torch.from_numpy(LABEL)[None], LABEL),
        (torch.from_numpy(LABEL).long(), LABEL),
        (torch.from_numpy(RGB > 99).permute(2, 0, 1), RGB > 99),
    ],
)
def test_masks_in_any_form_are_the_same_array(given, expected):
    np.testing.assert_array_equal(mask_array(given, "x"), expected)


@pytest.mark.parametrize(
    ("make", "given", "told"),
    [
        (image_array, "a.png", "is a path where an image is expected; open it"),
        (image_array, [[1, 2], [3]], "expected"),
        (image_array, None, "expected (H, W) or (H, W, C) numbers, got object ()"),
        (mask_array, Image.fromarray(RGB), "is in colours (RGB), where a number for each class is expected"),
        (mask_array, GREY / 3, "expected (H, W) or (H, W, K) integers, got float64 (6, 8); convert it"),
    ],
)
def test_what_is_no_image_is_told(make, given, told):
    with pytest.raises(IncmaskError) as caught:
        make(given, "images[3]")
    assert str(caught.value).startswith("images[3]: ")
    assert told in str(caught.value)


@pytest.mark.parametrize("one", [GREY, RGB, torch.from_numpy(RGB).permute(2, 0, 1), Image.fromarray(RGB), "a.png"])
def test_a_single_image_is_no_list_of_its_rows(one):
    with pytest.raises(IncmaskError, match=r"images: is a single one, where several are expected; give it in a list"):
        check_several(one, "images")
    check_several([one], "images")
    check_several(np.zeros((3, 60, 60)), "images")


def test_all_that_is_no_array_is_told_at_once(tmp_path):
    data = ArrayData(
        ["a.png", GREY], [LABEL, "b.png"], unlabelled=[None], val_images=[RGB.transpose(2, 0, 1)], val_masks=[LABEL]
    )
    with pytest.raises(IncmaskError) as caught:
        write_data(data, tmp_path / "data")
    assert [problem.where for problem in caught.value.problems] == ["images[0]", "masks[1]", "unlabelled[0]"]
    data = ArrayData([RGB.transpose(2, 0, 1)], [LABEL])
    with pytest.raises(IncmaskError, match=r"np.moveaxis\(image, 0, -1\), as channels come last"):
        write_data(data, tmp_path / "data")
