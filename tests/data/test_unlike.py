"""Unlabelled images that are unlike the labelled ones are told, and others are not."""

import numpy as np
import pytest
from trees import save, tree

from incmask.data.doctor.unlike import _are_apart, unlike
from incmask.data.folder.scan import load_dataset, scan
from incmask.data.images.sketch import FEATURES
from scenes import scene


def drawn(num: int, *, seed: int, **moved: float) -> np.ndarray:
    """Give features of images of one kind, some of them moved."""
    spread = np.array([15, 8, 6, 4, 4, 0.3, 0.1])
    centre = np.array([100, 40, 20, 5, 5, -1, 8.0])
    values = np.random.default_rng(seed).normal(centre, spread, (num, len(FEATURES)))
    for name, step in moved.items():
        values[:, FEATURES.index(name)] += step
    return values


@pytest.mark.parametrize("num", [4, 8, 12, 40])
def test_images_of_the_same_kind_are_seldom_unlike(num):
    alarms = [unlike(drawn(num, seed=seed), drawn(100, seed=1000 + seed)) is not None for seed in range(200)]
    assert np.mean(alarms) <= 0.02


@pytest.mark.parametrize(
    "moved", [{"brightness": 110}, {"contrast": 60}, {"colourfulness": 70}, {"sharpness": -3}, {"size": -2}]
)
def test_other_kinds_are_unlike_by_what_differs(moved):
    unlabelled = np.concatenate([drawn(60, seed=1), drawn(20, seed=2, **moved)])
    found = unlike(drawn(12, seed=0), unlabelled)
    assert set(range(60, 80)) - set(found.places.tolist()) == set()
    assert len(found.places) <= 24
    assert found.feature == next(iter(moved))


def test_a_part_that_lies_apart_as_a_whole_is_unlike_though_no_image_is_far():
    found = unlike(drawn(12, seed=0), drawn(100, seed=1, brightness=42))
    assert found.feature == "brightness"
    assert len(found.places) == 100
    assert found.medians == pytest.approx((100, 142), abs=8)


def test_parts_are_compared_as_all_pairs_of_their_images_are():
    generator = np.random.default_rng(0)
    for seed in range(50):
        # Whole numbers, so that many are equal, around where it turns.
        labelled = generator.integers(0, 6, (7, 2)) + seed % 6
        unlabelled = generator.integers(0, 6, (40, 2))
        shares = [
            np.mean([(a > b) + (a == b) / 2 for a in labelled[:, column] for b in unlabelled[:, column]])
            for column in range(2)
        ]
        error = np.sqrt(48 / (12 * 7 * 40))
        expected = [abs(share - 0.5) > max(0.4, 4 * error) for share in shares]
        assert _are_apart(labelled, unlabelled).tolist() == expected


def test_too_few_images_tell_nothing():
    assert unlike(drawn(1, seed=0), drawn(50, seed=1, brightness=99)) is None
    assert unlike(drawn(9, seed=0), drawn(2, seed=1, brightness=99)) is None


def folder(root, *, level: int):
    masks = {f"l{number}": 255 * (np.mgrid[:12, :16][1] > 2 + number).astype(np.uint8) for number in range(8)}
    tree(root, masks)
    for number in range(8):
        save(root / f"labelled/images/l{number}.png", scene(number)[:12, :16])
    for number in range(20):
        save(root / f"unlabelled/u{number}.png", scene(50 + number, level=level if number < 6 else 90)[:12, :16])
    return root


def test_check_names_the_unlike_images_and_a_run_says_it_before_training(tmp_path):
    root = folder(tmp_path, level=210)
    (finding,) = scan(root).findings
    assert finding.kind == "unlike_labelled"
    assert finding.severity == "warning"
    assert set(finding.files) == {f"unlabelled/u{number}" for number in range(6)}
    assert finding.amount == pytest.approx(0.3)
    assert "6 of 20 unlabelled images (30 %) are unlike the labelled ones, most by brightness" in finding.what
    assert str(finding) in load_dataset(root).notes


def test_nothing_is_said_of_like_images(tmp_path):
    assert scan(folder(tmp_path, level=90)).findings == ()


def test_few_labelled_images_are_noted(tmp_path):
    root = folder(tmp_path, level=90)
    for number in range(3, 8):
        (root / f"labelled/images/l{number}.png").unlink()
        (root / f"labelled/masks/l{number}.png").unlink()
    (finding,) = scan(root).findings
    assert (finding.kind, finding.severity, finding.amount) == ("few_labelled", "note", 3)
