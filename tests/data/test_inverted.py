"""Masks with foreground and background swapped among others are told, and those that are as they should be are not."""

import numpy as np
import pytest

from incmask.data.doctor.inverted import find_inverted, ground_of
from incmask.experiment.checked import check_data
from scenes import SIDE, blots, scene, write_pair


def grounds(*, swapped=(), num: int = 16, image=scene, mask=blots):
    masks = [255 - mask(seed) if seed in swapped else mask(seed) for seed in range(num)]
    return [ground_of(np.atleast_3d(image(seed)), each // 255) for seed, each in enumerate(masks)]


@pytest.mark.parametrize("image", [scene, lambda seed: 255 - scene(seed), lambda seed: scene(seed, channels=1)])
def test_swapped_masks_are_found(image):
    found = find_inverted(grounds(swapped=(3, 11), image=image))
    assert [*found] == [3, 11]
    assert all(0.5 <= clear <= 1 for clear in found.values())


def test_none_is_found_where_none_is_swapped():
    assert find_inverted(grounds()) == {}


@pytest.mark.parametrize("swapped", [range(16), range(8)])
def test_where_many_are_none_can_be_told(swapped):
    assert find_inverted(grounds(swapped=tuple(swapped))) == {}


def test_of_few_masks_none_can_be_told():
    assert find_inverted(grounds(swapped=(3,), num=7)) == {}


def full_of_things(seed: int) -> np.ndarray:
    """Give the mask of an image that things fill but for a few gaps: inside out it would look like the others."""
    return 255 - blots(seed) if seed == 3 else blots(seed)


def test_a_full_image_is_not_swapped():
    def image(seed: int) -> np.ndarray:
        bright = full_of_things(seed)[..., None] / 255.0 * 80
        return np.clip(90 + bright + np.random.default_rng(seed).normal(0, 4, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)

    assert find_inverted(grounds(mask=full_of_things, image=image)) == {}


def test_masks_of_one_value_everywhere_are_not_compared():
    assert ground_of(scene(0), np.zeros((SIDE, SIDE), np.uint8)) is None
    assert ground_of(scene(0), np.ones((SIDE, SIDE), np.uint8)) is None


def test_check_names_the_swapped_mask(tmp_path):
    for seed in range(12):
        write_pair(tmp_path / "labelled", str(seed), scene(seed), 255 - blots(seed) if seed == 5 else blots(seed))
    (finding,) = [each for each in check_data(tmp_path).findings if each.kind == "inverted_masks"]
    assert (finding.severity, finding.files) == ("warning", ("labelled/5",))
    assert finding.what.startswith("1 mask of 12 looked at seem")
