from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.errors import IncmaskError
from incmask.data.images.tiles import Window, cut
from incmask.exchange.prepare.hela import overlapping_crops
from incmask.exchange.prepare.owners import choose_sources
from incmask.exchange.prepare.suim import random_crops


def test_a_crop_is_a_part_of_an_image():
    image = np.arange(24).reshape(4, 6)
    np.testing.assert_array_equal(cut(image, Window(1, 2, 2, 3)), [[8, 9, 10], [14, 15, 16]])
    assert cut(np.zeros((4, 6, 3)), Window(1, 2, 2, 3)).shape == (2, 3, 3)


class TestOverlappingCrops:
    @pytest.mark.parametrize(
        ("height", "width", "rows", "columns"), [(1040, 1388, 10, 14), (1040, 1920, 10, 19), (256, 256, 2, 2)]
    )
    def test_count_follows_the_step(self, height, width, rows, columns):
        crops = overlapping_crops(height, width, side_px=256, step=0.4)
        assert len(crops) == rows * columns
        assert {(crop.height, crop.width) for crop in crops} == {(256, 256)}

    def test_starts_are_spread_floored_and_moved_back(self):
        crops = overlapping_crops(1040, 1388, side_px=256, step=0.4)
        # 1388 / 14 = 99.14…; 12 and 13 times that would be 1189 and 1288, but 1388 − 256 = 1132.
        lefts = [0, 99, 198, 297, 396, 495, 594, 694, 793, 892, 991, 1090, 1132, 1132]
        assert [crop.left for crop in crops[:14]] == lefts
        # 1040 / 10 = 104; 8 and 9 times that would be 832 and 936, but 1040 − 256 = 784.
        assert [crop.top for crop in crops[::14]] == [0, 104, 208, 312, 416, 520, 624, 728, 784, 784]
        assert len(set(crops)) == 13 * 9

    def test_halves_are_rounded_to_even(self):
        # 256 / (256·0.4) and 5 / (5·0.4) are exactly 2.5, 7 / (5·0.4) is 3.5.
        assert len(overlapping_crops(256, 1024, side_px=256, step=0.4)) == 2 * 10
        assert len(overlapping_crops(5, 5, side_px=5, step=0.4)) == 2 * 2
        assert len(overlapping_crops(7, 7, side_px=5, step=0.4)) == 4 * 4

    def test_a_step_of_a_whole_crop_tiles(self):
        assert overlapping_crops(4, 6, side_px=2, step=1.0) == tuple(
            Window(top, left, 2, 2) for top in (0, 2) for left in (0, 2, 4)
        )

    @given(
        height=st.integers(8, 200), width=st.integers(8, 200), step=st.sampled_from([0.1, 0.25, 0.4, 0.5, 0.75, 1.0])
    )
    def test_crops_lie_inside(self, height, width, step):
        for crop in overlapping_crops(height, width, side_px=8, step=step):
            assert 0 <= crop.top <= height - 8
            assert 0 <= crop.left <= width - 8

    def test_an_image_smaller_than_a_crop_is_refused(self):
        with pytest.raises(IncmaskError, match="255 pixels are fewer than the 256 of a crop"):
            overlapping_crops(300, 255, side_px=256, step=0.4)


class TestChooseSources:
    @pytest.mark.parametrize(
        ("number", "crops", "chosen"),
        [
            (17, 140, 2),  # 280 is nearer to 238 than 140
            (2, 140, 1),  # one at least
            (10, 100, 1),
            (14, 100, 1),  # 140: 100 is nearer
            (16, 100, 2),  # 160: 200 is nearer
        ],
    )
    def test_as_many_as_come_nearest(self, number, crops, chosen):
        names = [f"f{index:02d}" for index in range(number)]
        picked = choose_sources(dict.fromkeys(names, crops), 0.1, seed=42)
        assert len(picked.chosen) == chosen
        assert sorted(picked.chosen + picked.rest) == names

    def test_one_is_left_even_where_all_are_wanted(self):
        picked = choose_sources({"a": 5, "b": 5}, 1.0, seed=0)
        assert (len(picked.chosen), len(picked.rest)) == (1, 1)

    def test_counts_of_their_own_are_heeded(self):
        # Wanted are 10 of 100 crops. The big one first: 90 alone is all that may be; else one small one is exact.
        num_crops = {"big": 90, "small": 10}
        assert {choose_sources(num_crops, 0.1, seed=seed).chosen for seed in range(8)} == {("big",), ("small",)}

    def test_the_order_of_the_names_does_not_matter(self):
        num_crops = {f"f{index}": 10 for index in range(20)}
        backwards = dict(reversed(num_crops.items()))
        assert choose_sources(num_crops, 0.1, seed=7) == choose_sources(backwards, 0.1, seed=7)
        assert len({choose_sources(num_crops, 0.1, seed=seed).chosen for seed in range(10)}) > 1


class TestRandomCrops:
    @given(name=st.text(max_size=8), height=st.integers(1, 900), width=st.integers(1, 900), seed=st.integers(0, 2**40))
    def test_are_squares_inside_or_the_whole(self, name, height, width, seed):
        for crop in random_crops(name, height, width, count=3, seed=seed):
            assert crop.top >= 0
            assert crop.left >= 0
            assert crop.top + crop.height <= height
            assert crop.left + crop.width <= width
            is_square = crop.height == crop.width and 256 <= crop.height < min(512, max(height, width))
            assert is_square or crop == Window(0, 0, height, width)

    def test_images_without_a_larger_side_are_taken_whole(self):
        assert random_crops("a", 256, 256, count=2, seed=42) == (Window(0, 0, 256, 256),) * 2
        assert random_crops("a", 100, 200, count=1, seed=42) == (Window(0, 0, 100, 200),)

    def test_a_side_beyond_the_shorter_one_gives_the_whole(self):
        # Sides from 256 to 511 are equally likely; those beyond 383 do not fit: 128 of 256.
        crops = [random_crops(f"i{index}", 383, 700, count=1, seed=0)[0] for index in range(800)]
        num_whole = crops.count(Window(0, 0, 383, 700))
        assert 340 < num_whole < 460

    def test_sides_and_places_reach_all_values(self):
        # Sides are 256 or 257; of 258 pixels a side of 256 leaves the starts 0, 1 and 2.
        drawn = Counter(random_crops(f"i{index}", 258, 258, count=1, seed=0)[0] for index in range(600))
        assert {crop.height for crop in drawn} == {256, 257}
        assert {(crop.top, crop.left) for crop in drawn if crop.height == 256} == {
            (top, left) for top in range(3) for left in range(3)
        }
        assert {(crop.top, crop.left) for crop in drawn if crop.height == 257} == {
            (top, left) for top in range(2) for left in range(2)
        }

    def test_name_and_seed_decide(self):
        first = random_crops("d_r_1_", 480, 640, count=2, seed=42)
        assert first[0] != first[1]
        assert first == random_crops("d_r_1_", 480, 640, count=2, seed=42)
        assert first != random_crops("d_r_2_", 480, 640, count=2, seed=42)
        assert first != random_crops("d_r_1_", 480, 640, count=2, seed=43)

    def test_stay_what_they_were(self):
        # A folder that was prepared with an earlier version must be the same.
        assert random_crops("d_r_1_", 480, 640, count=2, seed=42) == (
            Window(7, 98, 441, 441),
            Window(32, 294, 342, 342),
        )
