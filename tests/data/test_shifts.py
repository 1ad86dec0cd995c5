"""Masks that lie beside what they show are found, with the step; others are not."""

import numpy as np
import pytest

from incmask.data.doctor.shifts import Fit, find_shift, fit_of
from incmask.experiment.checked import check_data
from scenes import blots, scene, write_pair, write_scenes


def moved(mask: np.ndarray, step: tuple[int, int]) -> np.ndarray:
    return np.roll(mask, step, (0, 1))


def fits(num: int, step: tuple[int, int] = (0, 0), *, first: int = 0) -> list[Fit | None]:
    return [fit_of(scene(seed), moved(blots(seed) // 255, step)) for seed in range(first, first + num)]


def test_masks_in_their_place_are_not_shifted():
    assert find_shift(fits(20)) is None
    assert find_shift(fits(20, (1, 0))) is None, "outlines are drawn a pixel inside or outside"


@pytest.mark.parametrize("step", [(0, 3), (-5, 4), (2, -2)])
def test_the_step_back_is_found(step):
    shift = find_shift(fits(6, step))
    assert shift.step_px == (-step[0], -step[1])
    assert shift.places == tuple(range(6))
    assert all(gain > 0.1 for gain in shift.gains)


def test_some_shifted_masks_are_told_from_the_others():
    shift = find_shift([*fits(12), *fits(5, (4, 3), first=12)])
    assert (shift.step_px, shift.places) == ((-4, -3), tuple(range(12, 17)))


def test_steps_that_do_not_agree_are_no_shift():
    steps = [(3, 0), (0, 4), (-5, 2), (4, -4), (-3, -3), (0, -6), (6, 1), (-2, 5)]
    assert find_shift([fits(1, step, first=seed)[0] for seed, step in enumerate(steps)]) is None


def test_masks_that_no_edge_tells_of_are_no_shift():
    noise = np.random.default_rng(0).integers(0, 256, (40, 96, 96, 1), dtype=np.uint8)
    assert find_shift([fit_of(image, blots(seed) // 255) for seed, image in enumerate(noise)]) is None


def test_nothing_outlined_and_too_small_images_tell_nothing():
    assert fit_of(scene(0), np.zeros((96, 96), np.uint8)) is None
    assert fit_of(scene(0)[:12, :12], blots(0)[:12, :12]) is None
    assert fit_of(np.zeros((96, 96, 3), np.uint8), blots(0)) is None
    assert find_shift([]) is None
    assert find_shift([None] * 9) is None


def test_large_images_are_compared_small_and_told_in_their_own_pixels():
    large = [
        fit_of(scene(seed).repeat(8, 0).repeat(8, 1), moved((blots(seed) // 255).repeat(8, 0).repeat(8, 1), (24, -16)))
        for seed in range(5)
    ]
    down, right = find_shift(large).step_px
    assert abs(down + 24) <= 3
    assert abs(right - 16) <= 3


def test_layers_of_several_classes_are_outlined_together():
    layers = np.stack([blots(0), blots(1)], axis=2) // 255
    assert fit_of(scene(0), moved(layers, (0, 3))).at((0, -3)) > fit_of(scene(0), moved(layers, (0, 3))).at((0, 0))


@pytest.mark.parametrize("step", [(0, 0), (3, -4)])
def test_check_tells_of_shifted_masks(tmp_path, step):
    for seed in range(8):
        write_pair(tmp_path / "labelled", f"{seed}", scene(seed), moved(blots(seed), step))
    found = [each for each in check_data(tmp_path).findings if each.kind == "shifted_masks"]
    if step == (0, 0):
        assert found == []
    else:
        (finding,) = found
        assert (finding.severity, finding.amount, len(finding.files)) == ("warning", 4, 8)
        assert "8 masks of 8 looked at" in finding.what
        assert "moved 3 pixels up and 4 pixels right" in finding.what


def test_a_few_shifted_labelled_masks_are_found_beside_many_others(tmp_path):
    for seed in range(5):
        write_pair(tmp_path / "labelled", f"{seed}", scene(seed), moved(blots(seed), (-4, 4)))
    write_scenes(tmp_path, range(10, 80), part="test")
    (finding,) = [each for each in check_data(tmp_path).findings if each.kind == "shifted_masks"]
    assert {*finding.files} == {f"labelled/{seed}" for seed in range(5)}
    assert "5 masks of 5 looked at" in finding.what
