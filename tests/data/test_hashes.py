"""Pictures that show the same are found among thousands, and nothing else is."""

from itertools import pairwise

import numpy as np
import pytest

from incmask.data.doctor import hashes as module
from incmask.data.doctor.hashes import MOST_NEAR, alike, hashes_of, near_pairs
from incmask.data.images.sketch import sketch_of
from scenes import COPIES, blots, empty_field, scene


def grey(image: np.ndarray) -> np.ndarray:
    return sketch_of(np.atleast_3d(np.ascontiguousarray(image))).grey


@pytest.mark.parametrize("change", COPIES)
def test_a_changed_copy_is_alike_to_its_original_and_to_no_other(change):
    pictures = [grey(scene(seed)) for seed in range(12)] + [grey(COPIES[change](scene(5)))]
    assert alike(pictures).keys() == {(5, 12)}
    assert 0.9 < alike(pictures)[5, 12] <= 1


def test_other_pictures_of_the_same_kind_are_not_alike():
    assert alike([grey(scene(seed)) for seed in range(60)]) == {}


def test_empty_fields_under_the_same_lamp_are_not_alike():
    assert alike([grey(empty_field(seed)) for seed in range(30)]) == {}
    assert alike([np.full((32, 32), 7, np.uint8)] * 3) == {}, "nothing to see, nothing to compare"


@pytest.mark.parametrize("num", [0, 1])
def test_none_and_one_are_alike_to_nothing(num):
    assert alike([grey(scene(0))] * num) == {}


def test_how_many_are_looked_at_at_once_changes_no_number(monkeypatch):
    pictures = [grey(scene(seed % 40)) + np.uint8(seed // 40) for seed in range(90)]
    found = alike(pictures)
    assert len(found) >= 50
    for at_once in (1, 7, 89):
        monkeypatch.setattr(module, "_AT_ONCE", at_once)
        assert alike(pictures) == found


def test_near_hashes_are_found_among_twenty_thousand():
    """Compare with what is planted, and with the distances of all pairs of a part of them."""
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 1 << 63, 20_000, dtype=np.uint64)
    planted = rng.choice(20_000, 200, replace=False)
    for one, other in zip(planted[:100], planted[100:], strict=True):
        flips = rng.choice(63, 3, replace=False).astype(np.uint64)
        hashes[other] = hashes[one] ^ np.bitwise_or.reduce(np.uint64(1) << flips)
    blocks = list(near_pairs(hashes, hashes))
    found = {tuple(pair) for block in blocks for pair in block.tolist() if pair[0] != pair[1]}
    assert {(one, other) for one, other in zip(planted[:100].tolist(), planted[100:].tolist(), strict=True)} <= found
    distances = np.bitwise_count(hashes[:2000, None] ^ hashes[None, :2000])
    near = {tuple(pair) for pair in np.argwhere(distances <= 12).tolist()}
    assert {pair for pair in found if max(pair) < 2000} <= near


def test_the_pairs_looked_at_grow_with_the_number_of_hashes(monkeypatch):
    looked_at = []
    for num in (2_500, 5_000, 10_000, 20_000):
        hashes, count = np.random.default_rng(num).integers(0, 1 << 63, num, dtype=np.uint64), 0

        def counted(values, counting=np.bitwise_count):
            nonlocal count
            count += len(values)
            return counting(values)

        monkeypatch.setattr("incmask.data.doctor.hashes.np.bitwise_count", counted)
        for _ in near_pairs(hashes, hashes):
            pass
        monkeypatch.undo()
        looked_at.append(count)
    # Twice as many hashes: about twice the pairs, where all pairs would be four times as many.
    assert all(more < 3 * less for less, more in pairwise(looked_at)), looked_at


def test_hashes_tell_pictures_apart():
    pictures = np.stack([grey(scene(0)), grey(COPIES["brighter"](scene(0))), grey(255 - blots(1))])
    same, bright, other = hashes_of(pictures)
    assert np.bitwise_count(same ^ bright) <= 4 < np.bitwise_count(same ^ other)


@pytest.mark.slow
def test_of_very_many_that_are_alike_each_is_found_in_each_part(monkeypatch):
    """Frames of one camera: once all pairs of them were compared, which neither time nor memory allowed."""
    rng = np.random.default_rng(4)
    still = scene(0).astype(int)
    frames = [grey(np.clip(still + rng.integers(-9, 10, still.shape), 0, 255).astype(np.uint8)) for _ in range(600)]
    parts = [*["labelled"] * 20, *["unlabelled"] * 560, *["test"] * 20]
    found = alike(frames, parts)
    assert all(0.9 <= likeness <= 1 for likeness in found.values())
    for part in ("labelled", "unlabelled", "test"):
        partners = {place for pair in found for place, other in (pair, pair[::-1]) if parts[other] == part}
        assert partners == {*range(600)}, part
    assert len(found) < 600 * 3 * 8 * MOST_NEAR
    monkeypatch.setattr("incmask.data.doctor.hashes.MOST_NEAR", 1)
    monkeypatch.setattr("incmask.data.doctor.hashes._MOST_IN_RUN", 16)
    assert {place for pair in alike(frames, parts) for place in pair} == {*range(600)}
    assert len(alike(frames, parts)) < len(found)


def test_the_nearest_are_the_nearest(monkeypatch):
    monkeypatch.setattr("incmask.data.doctor.hashes.MOST_NEAR", 2)
    rng = np.random.default_rng(5)
    base = rng.integers(0, 1 << 63, dtype=np.uint64)
    # All with the same first 8 bits; the others differ from the base in 1, 2, … 12 of the rest.
    flips = np.cumsum(np.uint64(1) << np.arange(8, 20, dtype=np.uint64))
    others = base ^ np.concatenate([[np.uint64(0)], flips])
    (first, *_) = near_pairs(others[:1], others)
    assert first.tolist() == [[0, 0], [0, 1], [0, 2]]
