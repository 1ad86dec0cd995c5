import numpy as np
import pytest
from owners import NameList, encoded, names_of, unpacked, written_and_scanned, zipped

from incmask.base.choosing import resolve_settings
from incmask.base.errors import IncmaskError
from incmask.exchange.prepare.isic2018 import plan
from incmask.exchange.prepare.plan import Count, PrepareOptions
from incmask.exchange.sources.sources import SourceTree
from incmask.method.profiles import PROFILES

NUM_IMAGES = {"Training": 20, "Validation": 2, "Test": 3}
NUM_DISTRIBUTED = {"Training": 2594, "Validation": 100, "Test": 1000}


def files(num_images: dict[str, int] = NUM_IMAGES, *, pixels: bool = True) -> dict[str, dict[str, bytes]]:
    """Give the files of each folder; the lesion is the lower right quarter."""
    mask = np.zeros((6, 8), np.uint8)
    mask[3:, 4:] = 255
    content: dict[str, dict[str, bytes]] = {}
    first = 0
    for part, number in num_images.items():
        names = [f"ISIC_{index:07d}" for index in range(first, first + number)]
        first += number
        images = content[f"ISIC2018_Task1-2_{part}_Input"] = {"ATTRIBUTION.txt": b"", "LICENSE.txt": b""}
        masks = content[f"ISIC2018_Task1_{part}_GroundTruth"] = {"LICENSE.txt": b""}
        for index, name in enumerate(names):
            pattern = np.random.default_rng(first * 1000 + index).integers(0, 256, (6, 8, 3), dtype=np.uint8)
            images[f"{name}.jpg"] = encoded(pattern, "JPEG") if pixels else b""
            masks[f"{name}_segmentation.png"] = encoded(mask) if pixels else b""
    return content


def flat(folders: dict[str, dict[str, bytes]]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for folder, held in folders.items() for name, content in held.items()}


def planned(root, **options):
    return plan(SourceTree.open(root), PrepareOptions(**options))


class TestCounts:
    def test_of_the_whole_set(self):
        made = plan(NameList(files(NUM_DISTRIBUTED, pixels=False)), PrepareOptions())
        contradiction = "2594 − 259 = 2335: the paper's table contradicts itself"
        assert made.counts == (
            Count("training images", 2594, 2594),
            Count("labelled", 259, 259),
            Count("unlabelled", 2335, 2332, contradiction),
            Count("val", 100, 100),
            Count("test", 1000, 1000),
        )
        assert [len(names_of(made, part)) for part in ("labelled", "unlabelled", "val", "test")] == [
            259,
            2335,
            100,
            1000,
        ]
        assert len(set(made.sources)) == 3694
        assert len(made.notes) == 1

    def test_of_a_part_of_it_are_told(self):
        made = plan(NameList(files(pixels=False)), PrepareOptions())
        assert Count("labelled", 2, 259) in made.counts
        assert Count("unlabelled", 18, 2332) in made.counts
        assert made.notes[1] == "Training: 20 images, where the owner distributes 2594: is the download complete?"
        assert len(made.notes) == 4


class TestPlan:
    def test_is_what_the_paper_has(self, tmp_path):
        made = planned(unpacked(tmp_path, flat(files())))
        settings = resolve_settings(from_file=made.settings)
        assert (settings.size, settings.width, settings.width_step) == ((256, 256), 0.5, 0.25)
        assert (settings.erode_px, settings.dilate_px, settings.evalnet_width) == (0, 0, 1)
        assert settings.quality_band == PROFILES[made.profile].quality_band
        assert (made.task, made.ignored, made.position_class) == ("binary", False, None)

    def test_parts_are_the_owners(self, tmp_path):
        made = planned(unpacked(tmp_path, flat(files())))
        assert names_of(made, "val") == ["ISIC_0000020", "ISIC_0000021"]
        assert names_of(made, "test") == ["ISIC_0000022", "ISIC_0000023", "ISIC_0000024"]
        training = {f"ISIC_{index:07d}" for index in range(20)}
        assert {*names_of(made, "labelled"), *names_of(made, "unlabelled")} == training
        assert made.sources == tuple(place for work in made.works for place in work.places)

    def test_the_seed_decides_what_is_labelled(self):
        source = NameList(files(NUM_DISTRIBUTED, pixels=False))
        first, again, other = (names_of(plan(source, PrepareOptions(seed=seed)), "labelled") for seed in (42, 42, 43))
        assert first == again != other
        assert names_of(plan(source, PrepareOptions()), "labelled") == first

    def test_zips_and_folders_give_the_same(self, tmp_path):
        content = files()
        for name, held in content.items():
            zipped(tmp_path / "zips" / f"{name}.zip", {f"{name}/{file}": data for file, data in held.items()})
        unpacked(tmp_path / "folders", flat(content))
        one, other = planned(tmp_path / "zips"), planned(tmp_path / "folders")
        assert one.sources == other.sources
        for left, right in zip(one.works, other.works, strict=True):
            (a,), (b,) = left.make(), right.make()
            np.testing.assert_array_equal(a.image, b.image)
            np.testing.assert_array_equal(a.label, b.label)

    def test_folder_names_may_have_other_capitals(self, tmp_path):
        content = {name.lower(): held for name, held in files().items()}
        assert planned(unpacked(tmp_path, flat(content))).counts[0].found == 20

    def test_every_missing_archive_is_named(self, tmp_path):
        content = files()
        del content["ISIC2018_Task1_Validation_GroundTruth"], content["ISIC2018_Task1_Test_GroundTruth"]
        with pytest.raises(IncmaskError) as error:
            planned(unpacked(tmp_path, flat(content)))
        lines = [str(problem) for problem in error.value.problems]
        assert len(lines) == 2
        for line, part in zip(lines, ("Validation", "Test"), strict=True):
            assert f"ISIC2018_Task1_{part}_GroundTruth.zip" in line
            assert "challenge.isic-archive.com" in line

    def test_an_image_without_mask_is_named(self, tmp_path):
        content = files()
        del content["ISIC2018_Task1_Training_GroundTruth"]["ISIC_0000003_segmentation.png"]
        with pytest.raises(IncmaskError, match=r"ISIC_0000003\.jpg: has no mask"):
            planned(unpacked(tmp_path, flat(content)))

    def test_too_few_images_are_refused(self):
        with pytest.raises(IncmaskError, match="holds 9 images; of fewer than 10 none is labelled"):
            plan(NameList(files({"Training": 9, "Validation": 1, "Test": 1}, pixels=False)), PrepareOptions())


class TestExamples:
    def test_fill_a_folder_that_is_read_back(self, tmp_path):
        made = planned(unpacked(tmp_path / "src", flat(files({"Training": 10, "Validation": 1, "Test": 1}))))
        dataset = written_and_scanned(made, tmp_path / "dst")
        assert (dataset.task, dataset.channels) == ("binary", 3)
        assert [len(items) for _, items in dataset.parts()] == [1, 9, 1, 1]
        # A quarter of 256×256 is lesion.
        assert dataset.statistics.class_pixels == (128 * 128,)

    @pytest.mark.parametrize("paper", [True, False])
    def test_area_is_ours_and_bilinear_the_papers(self, paper):
        made = plan(NameList(files(pixels=False)), PrepareOptions(paper=paper))
        assert {work.make.keywords["area"] for work in made.works} == {not paper}
        assert ("bilinearly" in made.notes[0]) is paper

    @pytest.mark.parametrize(
        ("values", "expected"), [([0, 255], [0, 1]), ([127, 128], [0, 1]), ([2, 254], [0, 1]), ([0, 0], [0, 0])]
    )
    def test_greys_go_to_the_nearer(self, tmp_path, values, expected):
        content = files()
        mask = np.tile(np.repeat(np.array(values, np.uint8), 4), (6, 1))
        content["ISIC2018_Task1_Validation_GroundTruth"]["ISIC_0000020_segmentation.png"] = encoded(mask)
        made = planned(unpacked(tmp_path, flat(content)))
        (example,) = next(work for work in made.works if work.places[0].name == "ISIC_0000020").make()
        np.testing.assert_array_equal(example.label, np.tile(np.repeat(np.array(expected, np.uint8), 128), (256, 1)))

    def test_masks_of_0_and_1_are_refused(self, tmp_path):
        content = files()
        mask = np.eye(6, 8, dtype=np.uint8)
        content["ISIC2018_Task1_Validation_GroundTruth"]["ISIC_0000020_segmentation.png"] = encoded(mask)
        made = planned(unpacked(tmp_path, flat(content)))
        work = next(work for work in made.works if work.places[0].name == "ISIC_0000020")
        with pytest.raises(IncmaskError, match=r"ISIC_0000020_segmentation\.png: holds the values 1, which"):
            next(work.make())
