from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from owners import encoded, zipped
from PIL import Image

from incmask.base.errors import IncmaskError, fail
from incmask.exchange.prepare.images import (
    REFUSED,
    SourcePair,
    read_grey,
    read_rgb,
    read_values,
    resize_image,
    resize_label,
    resized_pairs,
)
from incmask.exchange.prepare.owners import by_stem, pair_up, pick, require_all
from incmask.exchange.prepare.plan import Destination, Work
from incmask.exchange.sources.archives import SourceFile


def saved(path: Path, values: np.ndarray) -> SourceFile:
    Image.fromarray(values).save(path)
    return SourceFile(path)


def message(error: pytest.ExceptionInfo) -> str:
    assert len(error.value.problems) == 1
    return str(error.value)


RGB = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]], [[7, 7, 7], [0, 0, 0]]], np.uint8)
GREY = np.array([[0, 7, 255], [3, 2, 1]], np.uint8)


class TestReading:
    def test_colours_stay_and_alpha_goes(self, tmp_path):
        np.testing.assert_array_equal(read_rgb(saved(tmp_path / "a.png", RGB)), RGB)
        with_alpha = np.dstack([RGB, np.full((3, 2), 9, np.uint8)])
        np.testing.assert_array_equal(read_rgb(saved(tmp_path / "b.png", with_alpha)), RGB)

    def test_grey_becomes_colours_and_colours_grey(self, tmp_path):
        np.testing.assert_array_equal(read_rgb(saved(tmp_path / "a.png", GREY)), np.dstack([GREY] * 3))
        # Luma: 0.299, 0.587 and 0.114 of 255, and of (10, 20, 30): 2.99 + 11.74 + 3.42 = 18.15.
        grey = read_grey(saved(tmp_path / "b.png", RGB))
        np.testing.assert_array_equal(grey, [[76, 150], [29, 18], [7, 0]])

    def test_grey_stays_as_it_is(self, tmp_path):
        np.testing.assert_array_equal(read_grey(saved(tmp_path / "a.bmp", GREY)), GREY)

    def test_more_bits_are_scaled(self, tmp_path):
        deep = np.array([[1000, 1500], [3000, 1000]], np.uint16)
        grey = read_grey(saved(tmp_path / "a.png", deep))
        assert grey.dtype == np.uint8
        # The 99.9 percentile, between the two highest, is 2995.5: 500 of 1995.5 is 64 of 255.
        np.testing.assert_array_equal(grey, [[0, 64], [255, 0]])

    def test_reads_a_member_of_an_archive(self, tmp_path):
        path = zipped(tmp_path / "a.zip", {"in/b.png": encoded(RGB)})
        np.testing.assert_array_equal(read_rgb(SourceFile(path, "in/b.png")), RGB)

    def test_a_broken_member_is_told_with_its_archive(self, tmp_path):
        path = zipped(tmp_path / "a.zip", {"in/b.png": encoded(RGB)[:45]})
        with pytest.raises(IncmaskError, match=r"a\.zip.in.b\.png: is broken or truncated"):
            read_rgb(SourceFile(path, "in/b.png"))

    def test_values_of_a_mask_are_exact(self, tmp_path):
        np.testing.assert_array_equal(read_values(saved(tmp_path / "a.png", GREY)), GREY)
        np.testing.assert_array_equal(read_values(saved(tmp_path / "b.png", GREY.astype(np.uint16))), GREY)
        np.testing.assert_array_equal(read_values(saved(tmp_path / "c.png", np.dstack([GREY] * 3))), GREY)

    def test_indices_of_a_mask_stay_indices(self, tmp_path):
        image = Image.fromarray(GREY)
        image.putpalette([9, 9, 9] * 256)
        image.save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_values(SourceFile(tmp_path / "a.png")), GREY)

    def test_refuses_masks_in_colours_or_beyond_a_byte(self, tmp_path):
        with pytest.raises(IncmaskError, match="in colours where a mask of grey values is expected"):
            read_values(saved(tmp_path / "a.png", RGB))
        with pytest.raises(IncmaskError, match="has values from 2 to 256 where 0 to 255"):
            read_values(saved(tmp_path / "b.png", np.array([[2, 256]], np.uint16)))


class TestResizing:
    @pytest.mark.parametrize(("area", "expected"), [(True, 40), (False, 160)])
    def test_area_is_the_mean_of_all_and_bilinear_of_the_nearest_four(self, area, expected):
        image = np.zeros((4, 4), np.uint8)
        image[1:3, 1:3] = 160
        np.testing.assert_array_equal(resize_image(image, (1, 1), area=area), [[expected]])

    @pytest.mark.parametrize(("area", "expected"), [(True, 80), (False, 160)])
    def test_area_holds_for_the_side_that_shrinks_where_the_other_grows(self, area, expected):
        image = np.array([[0], [160], [160], [0]], np.uint8)
        np.testing.assert_array_equal(resize_image(image, (1, 2), area=area), [[expected, expected]])

    @pytest.mark.parametrize("area", [True, False])
    def test_enlarging_is_bilinear(self, area):
        # Centres of the new pixels lie at -0.25, 0.25, 0.75 and 1.25 of the old ones.
        image = np.array([[0, 100]], np.uint8)
        np.testing.assert_array_equal(resize_image(image, (1, 4), area=area), [[0, 25, 75, 100]])

    @pytest.mark.parametrize("area", [True, False])
    @pytest.mark.parametrize("channels", [(), (1,), (3,)])
    @pytest.mark.parametrize("size", [(6, 10), (3, 4), (9, 20), (3, 20)])
    def test_keeps_dimensions_and_constant_channels(self, area, channels, size):
        colour = np.array([200, 30, 5], np.uint8)[: channels[0]] if channels else 200
        image = np.full((6, 10, *channels), colour, np.uint8)
        np.testing.assert_array_equal(resize_image(image, size, area=area), np.full((*size, *channels), colour))

    def test_a_label_takes_the_pixel_at_its_centre(self):
        label = np.arange(36, dtype=np.uint8).reshape(6, 6)
        np.testing.assert_array_equal(resize_label(label, (2, 2)), [[7, 10], [25, 28]])
        np.testing.assert_array_equal(resize_label(label[:1, :2], (2, 4)), [[0, 0, 1, 1], [0, 0, 1, 1]])

    def test_a_label_may_have_many_channels(self):
        label = np.random.default_rng(0).integers(0, 2, (6, 9, 7), dtype=np.uint8)
        np.testing.assert_array_equal(resize_label(label, (2, 3)), label[1::3, 1::3])

    @given(st.integers(1, 255), st.integers(1, 300))
    def test_no_pixel_of_a_label_comes_from_further_than_half_a_pixel(self, have, want):
        row = np.arange(have, dtype=np.uint8)[None]
        taken = resize_label(row, (1, want))[0]
        centres = (np.arange(want) + 0.5) * have / want
        assert (np.abs(taken + 0.5 - centres) <= 0.5 + 1e-3).all()


class TestPicking:
    def test_the_split_of_a_seed_never_changes(self):
        # The permutation of ten by seed 42 is 5 6 0 7 3 2 4 9 1 8.
        picked = pick("jihgfedcba", 0.3, seed=42, rounding="floor")
        assert picked.chosen == ("a", "f", "g")
        assert picked.rest == ("b", "c", "d", "e", "h", "i", "j")

    @pytest.mark.parametrize(
        ("num_names", "fraction", "rounding", "expected"),
        [
            (2594, 0.1, "floor", 259),
            (2594, 0.9, "ceil", 2335),
            (30, 0.1, "ceil", 3),
            (100, 0.29, "floor", 29),
            (1525, 0.1, "ceil", 153),
            (1372, 0.1, "ceil", 138),
            (500, 0.5, "floor", 250),
            (9, 0.1, "floor", 0),
            (0, 0.5, "ceil", 0),
            (7, 1.0, "floor", 7),
        ],
    )
    def test_rounds_what_the_decimal_fraction_says(self, num_names, fraction, rounding, expected):
        picked = pick(map(str, range(num_names)), fraction, seed=1, rounding=rounding)
        assert (len(picked.chosen), len(picked.rest)) == (expected, num_names - expected)

    @given(st.sets(st.text(max_size=3), max_size=30), st.floats(0, 1), st.integers(0, 99), st.randoms())
    def test_order_does_not_matter_and_nothing_is_lost(self, names, fraction, seed, random):
        shuffled = list(names)
        random.shuffle(shuffled)
        picked = pick(shuffled, fraction, seed=seed, rounding="floor")
        assert sorted(picked.chosen + picked.rest) == sorted(names)
        assert picked == pick(names, fraction, seed=seed, rounding="floor")

    def test_another_seed_picks_others(self):
        names = [str(index) for index in range(100)]
        assert pick(names, 0.5, seed=1, rounding="floor") != pick(names, 0.5, seed=2, rounding="floor")


def entries(*names: str) -> dict[str, SourceFile]:
    return {name: SourceFile(Path("in", name)) for name in names}


class TestPairing:
    def test_names_lose_folder_and_ending(self):
        files = entries("a/X_1_mask.png", "X_2_MASK.PNG", "LICENSE.txt", "X_3.png")
        assert by_stem(files, ("_mask.png",)) == {
            "X_1": SourceFile(Path("in/a/X_1_mask.png")),
            "X_2": SourceFile(Path("in/X_2_MASK.PNG")),
        }

    def test_a_name_that_is_there_twice_is_told(self):
        with pytest.raises(IncmaskError) as error:
            by_stem(entries("a/x.png", "b/x.png"), (".png",))
        assert message(error) == "in/b/x.png: is there a second time as in/a/x.png; remove one of the two"

    def test_pairs_take_the_spelling_of_the_image(self):
        image, mask = SourceFile(Path("a.zip"), "X_1.jpg"), SourceFile(Path("b/x_1.png"))
        assert pair_up({"X_1": image}, {"x_1": mask}, where="here") == {"X_1": SourcePair(image, mask)}

    def test_both_kinds_of_loners_are_told(self):
        with pytest.raises(IncmaskError) as error:
            pair_up(entries("a", "b"), entries("b", "c"), where="here")
        assert [str(problem) for problem in error.value.problems] == [
            "in/a: has no mask; unpack or download the set again",
            "in/c: has no image; unpack or download the set again",
        ]

    def test_many_loners_are_counted(self):
        with pytest.raises(IncmaskError) as error:
            pair_up(entries(*map(str, range(13))), {}, where="here")
        assert len(error.value.problems) == 11
        assert str(error.value.problems[-1]).startswith("here: 3 more have no counterpart")

    def test_nothing_at_all_is_told(self):
        with pytest.raises(IncmaskError) as error:
            pair_up({}, {}, where="here")
        assert message(error).startswith("here: holds no images with masks")

    def test_all_missing_folders_are_told_and_none_twice(self):
        class Empty:
            def require(self, *names, page, archive):
                if names == ("good",):
                    return entries("x")
                raise fail(archive, "is missing", page)

        wanted = {"a": "one.zip", "b": "one.zip", "good": "", "c": "two.zip"}
        with pytest.raises(IncmaskError) as error:
            require_all(Empty(), wanted, page="page")
        told = [str(problem) for problem in error.value.problems]
        assert told == ["one.zip: is missing; page", "two.zip: is missing; page"]
        assert require_all(Empty(), {"good": ""}, page="page") == [entries("x")]


class TestResized:
    def work(self, root: Path, image: np.ndarray, mask: np.ndarray, *, area: bool = True) -> Work:
        pair = SourcePair(saved(root / "image.png", image), saved(root / "mask.png", mask))
        ids = bytes([5, 255, *[REFUSED] * 253, 7])
        (work,) = resized_pairs({"val": {"x": pair}}, size=(1, 2), paper=not area, ids=ids)
        return work

    def test_makes_one_example_with_the_ids_of_the_values(self, tmp_path):
        image = np.zeros((2, 4, 3), np.uint8)
        image[:, :2] = 100
        mask = np.array([[0, 1, 1, 1], [1, 255, 0, 0]], np.uint8)
        work = self.work(tmp_path, image, mask)
        (example,) = work.make()
        assert work.places == (example.place,) == (Destination("val", "x"),)
        np.testing.assert_array_equal(example.image, [[[100] * 3, [0] * 3]])
        # Of two pixels, the centre lies between them: the lower right one is taken.
        np.testing.assert_array_equal(example.label, [[7, 5]])
        assert example.label.dtype == np.uint8

    def test_refused_values_are_told(self, tmp_path):
        work = self.work(tmp_path, np.zeros((1, 3, 3), np.uint8), np.array([[0, 200, 3]], np.uint8))
        with pytest.raises(IncmaskError, match=r"mask\.png: holds the values 3, 200, which"):
            next(work.make())

    def test_other_sizes_are_told(self, tmp_path):
        work = self.work(tmp_path, np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2), np.uint8))
        with pytest.raises(IncmaskError, match=r"mask\.png: has 2×3 pixels for an image of 3×2"):
            next(work.make())

    def test_bilinear_is_passed_on(self, tmp_path):
        image = np.zeros((4, 8, 3), np.uint8)
        image[1:3] = 160
        work = self.work(tmp_path, image, np.zeros((4, 8), np.uint8))
        assert next(work.make()).image.max() == 80
        work = self.work(tmp_path, image, np.zeros((4, 8), np.uint8), area=False)
        assert next(work.make()).image.min() == 160
