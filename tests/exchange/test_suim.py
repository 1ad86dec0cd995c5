from pathlib import Path

import numpy as np
import pytest
from owners import NameList, encoded, names_of, unpacked, written_and_scanned, zipped

from incmask.base.choosing import resolve_settings
from incmask.base.errors import IncmaskError
from incmask.data.images.tiles import cut
from incmask.exchange.prepare.images import SourcePair, resize_image
from incmask.exchange.prepare.plan import Count, Destination, PrepareOptions
from incmask.exchange.prepare.suim import CLASSES, crops, fitted, label_of, num_other_sizes, plan, random_crops
from incmask.exchange.sources.archives import SourceFile
from incmask.exchange.sources.sources import SourceTree
from incmask.method.profiles import PROFILES

NUM_IMAGES = {"train_val": 20, "TEST": 2}
NUM_DISTRIBUTED = {"train_val": 1525, "TEST": 110}
HEIGHT, WIDTH = 6, 8
COLOURS = np.array([info.colour for info in CLASSES], np.uint8)
# One column for each class.
MASK = np.tile(COLOURS, (HEIGHT, 1, 1))


def files(num_images: dict[str, int] = NUM_IMAGES, *, pixels: bool = True) -> dict[str, dict[str, bytes]]:
    """Give the files of each folder."""
    content: dict[str, dict[str, bytes]] = {}
    for part, number in num_images.items():
        images, masks = content[f"{part}/images"], content[f"{part}/masks"] = {}, {}
        for index in range(number):
            pattern = np.random.default_rng(index).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            images[f"d_r_{index}_.jpg"] = encoded(pattern, "JPEG") if pixels else b""
            masks[f"d_r_{index}_.bmp"] = encoded(MASK, "BMP") if pixels else b""
    # The owner's test has masks of each class as well.
    for name in ("FV", "HD"):
        content["TEST/masks"][f"{name}/d_r_0_.bmp"] = b"not to be read"
    return content


def flat(folders: dict[str, dict[str, bytes]]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for folder, held in folders.items() for name, content in held.items()}


def planned(root: Path, **options):
    return plan(SourceTree.open(root), PrepareOptions(**options))


def names_only(num_images: dict[str, int] = NUM_DISTRIBUTED) -> NameList:
    return NameList(files(num_images, pixels=False))


class TestCounts:
    def test_of_the_whole_set(self):
        made = plan(names_only(), PrepareOptions())
        why = "{} images × 2 crops: the paper's table contradicts its procedure"
        assert made.counts == (
            Count("images for training and validation", 1525, 1525),
            Count("training crops", 2744, 2744),
            Count("labelled", 276, 276),
            Count("unlabelled", 2468, 2468),
            Count("val", 306, 250, why.format(153)),
            Count("test", 220, 250, why.format(110)),
        )
        parts = ("labelled", "unlabelled", "val", "test")
        assert [len(set(names_of(made, part))) for part in parts] == [276, 2468, 306, 220]
        assert [sum(place.part == part for place in made.sources) for part in parts] == [138, 1234, 153, 110]
        assert len(made.notes) == 1

    def test_of_a_part_of_it_are_told(self):
        made = plan(names_only(NUM_IMAGES), PrepareOptions())
        # A tenth of 20 is 2; of the other 18 two, rounded up.
        assert [count.found for count in made.counts] == [20, 36, 4, 32, 4, 4]
        assert all(count.note == "" for count in made.counts)
        assert made.notes[1:] == (
            "train_val: 20 images, where the owner distributes 1525: is the download complete?",
            "TEST: 2 images, where the owner distributes 110: is the download complete?",
        )


class TestPlan:
    def test_is_what_the_paper_has(self, tmp_path):
        made = planned(unpacked(tmp_path, flat(files())))
        settings = resolve_settings(from_file=made.settings)
        assert (settings.size, settings.width, settings.width_step) == ((256, 256), 1, 0.25)
        assert (settings.erode_px, settings.dilate_px, settings.evalnet_width) == (0, 0, 2)
        assert settings.quality_band == PROFILES[made.profile].quality_band == (0.43, 0.51)
        assert (made.task, made.ignored, made.position_class) == ("multiclass", False, None)
        assert [(info.name, info.colour) for info in made.classes] == [
            ("water", (0, 0, 0)),
            ("diver", (0, 0, 255)),
            ("plants", (0, 255, 0)),
            ("wrecks", (0, 255, 255)),
            ("robots", (255, 0, 0)),
            ("reefs", (255, 0, 255)),
            ("fish", (255, 255, 0)),
            ("sea-floor", (255, 255, 255)),
        ]

    def test_both_crops_of_an_image_are_in_one_part(self):
        made = plan(names_only(), PrepareOptions())
        for place, work in zip(made.sources, made.works, strict=True):
            assert [(made_place.part, made_place.name) for made_place in work.places] == [
                (place.part, f"{place.name}-0"),
                (place.part, f"{place.name}-1"),
            ]

    def test_the_seed_decides_the_split(self):
        first, again, other = (plan(names_only(), PrepareOptions(seed=seed)) for seed in (42, 42, 43))
        for part in ("labelled", "val"):
            assert names_of(first, part) == names_of(again, part) != names_of(other, part)
        assert names_of(first, "test") == names_of(other, "test")

    def test_zips_and_folders_give_the_same(self, tmp_path):
        content = files({"train_val": 4, "TEST": 1})
        for part in NUM_IMAGES:
            held = {name: data for name, data in flat(content).items() if name.startswith(part)}
            zipped(tmp_path / "zips" / f"{part}.zip", held)
        unpacked(tmp_path / "folders" / "SUIM", flat(content))
        one, other = planned(tmp_path / "zips"), planned(tmp_path / "folders")
        assert one.sources == other.sources
        assert one.notes == other.notes
        for left, right in zip(one.works, other.works, strict=True):
            for a, b in zip(left.make(), right.make(), strict=True):
                assert a.place == b.place
                np.testing.assert_array_equal(a.image, b.image)
                np.testing.assert_array_equal(a.label, b.label)

    def test_every_missing_archive_is_named(self, tmp_path):
        content = {name: held for name, held in files().items() if name.startswith("train_val")}
        with pytest.raises(IncmaskError) as error:
            planned(unpacked(tmp_path, flat(content)))
        lines = [str(problem) for problem in error.value.problems]
        assert [("TEST/images" in line, "TEST/masks" in line) for line in lines] == [(True, False), (False, True)]
        assert all("TEST.zip from https://irvlab.cs.umn.edu/resources/suim-dataset" in line for line in lines)

    def test_an_image_without_mask_is_named(self, tmp_path):
        content = files()
        del content["train_val/masks"]["d_r_3_.bmp"]
        with pytest.raises(IncmaskError, match=r"d_r_3_\.jpg: has no mask"):
            planned(unpacked(tmp_path, flat(content)))

    @pytest.mark.parametrize(("number", "is_enough"), [(2, False), (3, True)])
    def test_too_few_images_are_refused(self, number, is_enough):
        source = names_only({"train_val": number, "TEST": 1})
        if is_enough:
            made = plan(source, PrepareOptions())
            assert [count.found for count in made.counts] == [3, 4, 2, 2, 2, 2]
        else:
            with pytest.raises(IncmaskError, match="holds 2 images; 3 are the fewest"):
                plan(source, PrepareOptions())


class TestLabelOf:
    def test_bits_are_red_green_blue(self):
        np.testing.assert_array_equal(label_of(COLOURS[None]), [range(8)])

    @pytest.mark.parametrize(
        ("colour", "expected"), [((127, 127, 127), 0), ((128, 128, 128), 7), ((255, 127, 128), 5), ((3, 200, 90), 2)]
    )
    def test_noise_goes_to_the_nearer(self, colour, expected):
        label = label_of(np.full((2, 3, 3), colour, np.uint8))
        assert label.dtype == np.uint8
        np.testing.assert_array_equal(label, np.full((2, 3), expected))

    def test_masks_that_were_jpegs_are_read(self):
        # Blocks of 16×16, as JPEG has them, of a colour each.
        clean = np.repeat(np.repeat(COLOURS[None], 16, axis=0), 16, axis=1)
        noise = np.random.default_rng(0).integers(-100, 101, clean.shape)
        noisy = np.clip(clean + noise, 0, 255).astype(np.uint8)
        assert (noisy != clean).mean() > 0.4
        np.testing.assert_array_equal(label_of(noisy), np.tile(np.repeat(range(8), 16), (16, 1)))


def pair(root: Path, *, image: tuple[int, int], mask: tuple[int, int]) -> SourcePair:
    """Write an image and a mask of these heights and widths; the mask's upper half is fish."""
    colours = np.zeros((*mask, 3), np.uint8)
    colours[: mask[0] // 2] = (255, 255, 0)
    pixels = np.random.default_rng(0).integers(0, 256, (*image, 3), dtype=np.uint8)
    unpacked(root, {"a.jpg": encoded(pixels, "JPEG"), "a.bmp": encoded(colours, "BMP")})
    return SourcePair(SourceFile(root / "a.jpg"), SourceFile(root / "a.bmp"))


PLACES = (Destination("val", "a-0"), Destination("val", "a-1"))


class TestOtherSizes:
    def test_are_brought_to_the_image(self, tmp_path):
        both = pair(tmp_path, image=(375, 590), mask=(430, 590))
        (example, _) = crops("a", PLACES, both, area=True, seed=1)
        label = fitted(np.arange(430).repeat(590).reshape(430, 590).astype(np.uint8), np.zeros((375, 590, 3)), both)
        assert label.shape == (375, 590)
        assert (label[0, 0], label[374, 0]) == (0, 429 % 256)
        assert set(np.unique(example.label)) <= {0, 6}

    @pytest.mark.parametrize(
        ("mask", "is_refused"), [((80, 100), False), ((125, 100), False), ((126, 100), True), ((79, 100), True)]
    )
    def test_beyond_a_quarter_are_refused(self, tmp_path, mask, is_refused):
        both = pair(tmp_path, image=(100, 100), mask=mask)
        made = crops("a", PLACES, both, area=True, seed=1)
        if is_refused:
            with pytest.raises(IncmaskError, match=rf"a\.bmp: has 100×{mask[0]} pixels for an image of 100×100"):
                next(made)
        else:
            label = next(made).label
            np.testing.assert_array_equal(label, np.repeat([6, 0], 128)[:, None].repeat(256, axis=1))

    def test_smaller_masks_of_the_same_proportions_are_taken(self, tmp_path):
        both = pair(tmp_path, image=(100, 120), mask=(50, 60))
        label = next(crops("a", PLACES, both, area=True, seed=1)).label
        np.testing.assert_array_equal(label, np.repeat([6, 0], 128)[:, None].repeat(256, axis=1))

    def test_are_counted(self, tmp_path):
        same = pair(tmp_path / "same", image=(10, 20), mask=(10, 20))
        other = pair(tmp_path / "other", image=(10, 20), mask=(11, 20))
        missing = SourcePair(same.image, SourceFile(tmp_path / "nowhere.bmp"))
        (tmp_path / "broken.bmp").write_bytes(b"BM")
        broken = SourcePair(same.image, SourceFile(tmp_path / "broken.bmp"))
        assert num_other_sizes([same, other, other, missing, broken]) == 2

    def test_are_told(self, tmp_path):
        content = files()
        content["train_val/masks"]["d_r_5_.bmp"] = encoded(MASK[:5], "BMP")
        made = planned(unpacked(tmp_path, flat(content)))
        assert "1 mask is of another size than the image" in made.notes[1]
        assert "another size" not in " ".join(planned(unpacked(tmp_path / "b", flat(files()))).notes)


class TestExamples:
    def test_fill_a_folder_that_is_read_back(self, tmp_path):
        made = planned(unpacked(tmp_path / "src", flat(files({"train_val": 3, "TEST": 1}))))
        dataset = written_and_scanned(made, tmp_path / "dst")
        assert (dataset.task, dataset.channels, len(dataset.classes)) == ("multiclass", 3, 8)
        assert [len(items) for _, items in dataset.parts()] == [2, 2, 2, 2]
        # Small images are taken whole: of each the eight columns become 32 wide.
        assert dataset.statistics.class_pixels == (2 * 32 * 256,) * 8

    def test_image_and_label_are_cut_alike(self, tmp_path):
        # Rows and columns tell where they are; the mask is a chessboard of 32×32.
        rows, columns = np.indices((480, 640))
        colours = COLOURS[(rows // 32 + columns // 32) % 8]
        unpacked(tmp_path, {"a.png": encoded(colours), "a.bmp": encoded(colours, "BMP")})
        # The image has the mask's colours here, without JPEG's losses.
        both = SourcePair(SourceFile(tmp_path / "a.png"), SourceFile(tmp_path / "a.bmp"))
        made = crops("a", PLACES, both, area=True, seed=42)
        for example, crop in zip(made, random_crops("a", 480, 640, count=2, seed=42), strict=True):
            assert crop.height < 480
            assert (example.image.shape, example.label.shape) == ((256, 256, 3), (256, 256))
            np.testing.assert_array_equal(example.image, resize_image(cut(colours, crop), (256, 256), area=True))
            unmixed = ((example.image == 0) | (example.image == 255)).all(axis=2)
            assert unmixed.mean() > 0.7
            np.testing.assert_array_equal(example.label[unmixed], label_of(example.image)[unmixed])

    @pytest.mark.parametrize("paper", [True, False])
    def test_area_is_ours_and_bilinear_the_papers(self, paper):
        made = plan(names_only(NUM_IMAGES), PrepareOptions(paper=paper))
        assert {work.make.keywords["area"] for work in made.works} == {not paper}
        assert ("bilinearly" in made.notes[0]) is paper

    def test_do_not_depend_on_the_order_of_work(self, tmp_path):
        made = planned(unpacked(tmp_path, flat(files({"train_val": 3, "TEST": 1}))))
        forwards = {example.place: example for work in made.works for example in work.make()}
        for work in reversed(made.works):
            for example in work.make():
                np.testing.assert_array_equal(example.image, forwards[example.place].image)
