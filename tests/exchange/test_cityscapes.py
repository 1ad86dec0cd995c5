import numpy as np
import pytest
from owners import NameList, encoded, names_of, unpacked, written_and_scanned, zipped

from incmask.base.choosing import resolve_settings
from incmask.base.errors import IncmaskError
from incmask.exchange.prepare.cityscapes import SIZE, STREET_CLASSES, coding, plan, scaled_size
from incmask.exchange.prepare.images import REFUSED
from incmask.exchange.prepare.plan import Count, PrepareOptions
from incmask.exchange.sources.sources import SourceTree
from incmask.method.profiles import PROFILES

CITIES = {"train": ("aachen", "bochum"), "val": ("frankfurt", "lindau")}
# 34 columns of one pixel each hold all ids; those of the last column are licence plates.
MASK = np.tile(np.array([*range(33), 255], np.uint8), (17, 1))


def files(*, train: int = 10, val: int = 4, pixels: bool = True) -> dict[str, dict[str, bytes]]:
    """Give the files of each folder, in the owner's cities, with all kinds of files that the owner has there."""
    mask = encoded(MASK) if pixels else b""
    content: dict[str, dict[str, bytes]] = {}
    for part, number in (("train", train), ("val", val)):
        images = content[f"leftImg8bit/{part}"] = {}
        labels = content[f"gtFine/{part}"] = {}
        for index in range(number):
            city = CITIES[part][index % 2]
            name = f"{city}/{city}_{index:06d}_000019"
            pattern = np.random.default_rng(index + 1000 * len(part)).integers(0, 256, (17, 34, 3), dtype=np.uint8)
            images[f"{name}_leftImg8bit.png"] = encoded(pattern) if pixels else b""
            labels[f"{name}_gtFine_labelIds.png"] = mask
            for other in ("color.png", "instanceIds.png", "labelTrainIds.png", "polygons.json"):
                labels[f"{name}_gtFine_{other}"] = b""
    return content


def flat(folders: dict[str, dict[str, bytes]]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for folder, held in folders.items() for name, content in held.items()}


def planned(root, **options):
    return plan(SourceTree.open(root), PrepareOptions(**options))


class TestCoding:
    def test_all_has_the_owners_34_ids(self):
        coded = coding("all")
        assert coded.ids[:34] == bytes(range(34))
        assert set(coded.ids[34:255]) == {REFUSED}
        assert coded.ids[255] == 0
        assert [info.value for info in coded.classes] == list(range(34))
        assert {value: coded.classes[value].name for value in (0, 7, 18, 26, 33)} == {
            0: "unlabeled",
            7: "road",
            18: "polegroup",
            26: "car",
            33: "bicycle",
        }
        assert coded.classes[26].colour == (0, 0, 142)

    def test_train_has_the_usual_19(self):
        coded = coding("train")
        # As the owner's table of labels gives them, ids beside train ids.
        pairs = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11}
        pairs |= {25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
        assert [coded.ids[value] for value in range(34)] == [pairs.get(value, 255) for value in range(34)]
        assert coded.ids[255] == 255
        assert set(coded.ids[34:255]) == {REFUSED}
        assert [info.name for info in coded.classes] == [STREET_CLASSES[value].name for value in pairs]
        assert [info.value for info in coded.classes] == list(range(19))

    def test_no_name_is_there_twice(self):
        assert len({info.name for info in STREET_CLASSES}) == 34


def test_sizes_are_a_fifth_raised_to_multiples_of_16():
    assert SIZE == (208, 416)
    # 1049 / 5 is cut to 209, which needs 14 times 16; 1044 / 5 to 208, which is 13 times 16 already.
    assert scaled_size(1049, 1044) == (224, 208)
    assert scaled_size(5, 84) == (16, 16)


class TestCounts:
    def test_of_the_whole_set(self):
        made = plan(NameList(files(train=2975, val=500, pixels=False)), PrepareOptions())
        assert made.counts == (
            Count("training images", 2975, 2975),
            Count("labelled", 297, 297),
            Count("unlabelled", 2678, 2678),
            Count("val", 250, 250),
            Count("test", 250, 250),
            Count("classes", 34, 34),
        )
        assert [len(names_of(made, part)) for part in ("labelled", "unlabelled", "val", "test")] == [
            297,
            2678,
            250,
            250,
        ]
        assert len({place.name for place in made.sources}) == 3475
        assert len(made.notes) == 2

    def test_of_a_part_of_it_are_told(self):
        made = plan(NameList(files(pixels=False)), PrepareOptions(ids="train"))
        assert made.notes[2] == "train: 10 images, where the owner distributes 2975: is the download complete?"
        assert Count("classes", 19, 34, "the paper learns all 34 ids") in made.counts


class TestPlan:
    def test_is_what_the_paper_has(self, tmp_path):
        made = planned(unpacked(tmp_path, flat(files())))
        settings = resolve_settings(from_file=made.settings)
        assert (settings.size, settings.width, settings.width_step) == ((208, 416), 1, 0.25)
        assert (settings.erode_px, settings.dilate_px, settings.evalnet_width) == (0, 0, 2)
        assert settings.quality_band == PROFILES[made.profile].quality_band
        assert (made.task, made.ignored) == ("multiclass", False)

    def test_val_and_test_are_halves_of_the_owners_val(self, tmp_path):
        made = planned(unpacked(tmp_path, flat(files())))
        val, test = names_of(made, "val"), names_of(made, "test")
        assert len(val) == len(test) == 2
        assert sorted(val + test) == [
            "frankfurt_000000_000019",
            "frankfurt_000002_000019",
            "lindau_000001_000019",
            "lindau_000003_000019",
        ]

    def test_the_two_archives_give_the_same_as_folders(self, tmp_path):
        everything = flat(files())
        for name in ("leftImg8bit", "gtFine"):
            held = {path: data for path, data in everything.items() if path.startswith(name)}
            zipped(tmp_path / "zips" / f"{name}_trainvaltest.zip", {"license.txt": b"", "README": b"", **held})
        unpacked(tmp_path / "folders", everything)
        one, other = planned(tmp_path / "zips"), planned(tmp_path / "folders")
        assert one.sources == other.sources
        (a,), (b,) = one.works[0].make(), other.works[0].make()
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.label, b.label)

    def test_missing_labels_name_their_archive(self, tmp_path):
        images = {name: held for name, held in files().items() if name.startswith("leftImg8bit")}
        with pytest.raises(IncmaskError) as error:
            planned(unpacked(tmp_path, flat(images)))
        assert "gtFine_trainvaltest.zip" in str(error.value)
        assert "leftImg8bit_trainvaltest.zip" not in str(error.value)
        assert "cityscapes-dataset.com" in str(error.value)

    def test_too_few_images_are_refused(self):
        with pytest.raises(IncmaskError, match="9 images in train and 4 in val; 10 and 2 are the fewest"):
            plan(NameList(files(train=9, pixels=False)), PrepareOptions())
        with pytest.raises(IncmaskError, match="10 images in train and 1 in val"):
            plan(NameList(files(val=1, pixels=False)), PrepareOptions())

    @pytest.mark.parametrize("paper", [True, False])
    def test_area_is_ours_and_bilinear_the_papers(self, paper):
        made = plan(NameList(files(pixels=False)), PrepareOptions(paper=paper))
        assert {work.make.keywords["area"] for work in made.works} == {not paper}
        assert ("bilinearly" in made.notes[0]) is paper


class TestExamples:
    @pytest.mark.slow
    @pytest.mark.parametrize("ids", ["all", "train"])
    def test_fill_a_folder_that_is_read_back(self, tmp_path, ids):
        made = planned(unpacked(tmp_path / "src", flat(files(val=2))), ids=ids)
        dataset = written_and_scanned(made, tmp_path / "dst")
        assert dataset.classes == made.classes
        assert dataset.encoding.ignore == (255 if ids == "train" else None)
        assert [len(items) for _, items in dataset.parts()] == [1, 9, 1, 1]
        statistics = dataset.statistics
        assert statistics.total_pixels == 208 * 416
        # Every column becomes 12 or 13 of the 416; 255 in the mask is id 0 among all, and no label among train.
        by_name = {
            info.name: count // 208 for info, count in zip(dataset.classes, statistics.class_pixels, strict=True)
        }
        assert by_name["road"] in (12, 13)
        if ids == "all":
            assert by_name["unlabeled"] in (24, 25)
            assert (by_name["bicycle"], statistics.ignored_pixels) == (0, 0)
        else:
            assert sum(by_name.values()) * 208 + statistics.ignored_pixels == 208 * 416
            assert 16 * 12 <= statistics.ignored_pixels // 208 <= 16 * 13

    def test_unknown_ids_are_refused(self, tmp_path):
        content = files()
        mask = MASK.copy()
        mask[3, 5] = 34
        content["gtFine/train"]["aachen/aachen_000000_000019_gtFine_labelIds.png"] = encoded(mask)
        made = planned(unpacked(tmp_path, flat(content)))
        work = next(work for work in made.works if work.places[0].name == "aachen_000000_000019")
        with pytest.raises(IncmaskError, match=r"_labelIds\.png: holds the values 34, which its owner's masks do not"):
            next(work.make())
