from pathlib import Path

import numpy as np
import pytest
from owners import encoded, names_of, unpacked, zipped

from incmask.base.choosing import resolve_settings
from incmask.base.errors import IncmaskError
from incmask.data.dataset import DataOptions
from incmask.data.folder.scan import scan
from incmask.data.images.readers import read_image, read_label
from incmask.data.images.tiles import Window, cut
from incmask.data.images.writers import write_label
from incmask.exchange.prepare.hela import Frame, arrange, plan, read_foreground, redraw_points
from incmask.exchange.prepare.plan import Count, Destination, PrepareOptions, Work
from incmask.exchange.prepare.write import encode_image
from incmask.exchange.sources.archives import SourceFile
from incmask.exchange.sources.sources import SourceTree
from incmask.method.profiles import PROFILES

NUM_FRAMES = {"train_full": 3, "val": 1, "test": 1}
NUM_DISTRIBUTED = {"train_full": 17, "val": 3, "test": 3}
HEIGHT, WIDTH = 256, 300
# 256 / 102.4 is 2.5, thus 2 rows, at 0 both; 300 / 102.4 is 2.93, thus 3 columns, at 0, 44 (moved from 100) and 44.
CROPS = (Window(0, 0, 256, 256), Window(0, 44, 256, 256), Window(0, 44, 256, 256)) * 2


def masks() -> dict[str, np.ndarray]:
    alive, dead, position = (np.zeros((HEIGHT, WIDTH), np.uint8) for _ in range(3))
    alive[20:60, 30:80] = 255
    dead[100:140, 200:250] = 255
    position[40, 55] = position[120, 225] = 255
    return {"alive": alive, "dead": dead, "position": position}


def frame(name: str) -> np.ndarray:
    return np.random.default_rng([*name.encode()]).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)


def files(num_frames: dict[str, int] = NUM_FRAMES, *, position: str = "position") -> dict[str, bytes]:
    """Give the files by their paths."""
    content: dict[str, bytes] = {}
    for part, number in num_frames.items():
        for index in range(number):
            name = f"{part}_{index:02d}"
            content[f"{part}/brightfield/{name}.tif"] = encoded(frame(name), "TIFF")
            for channel, mask in masks().items():
                folder = position if channel == "position" else channel
                content[f"{part}/{folder}/{name}.png"] = encoded(mask)
    return content


def planned(root: Path, **options):
    return plan(SourceTree.open(root), PrepareOptions(**options))


def name_list(num_frames: dict[str, int] = NUM_DISTRIBUTED, *, height: int = 1040, width: int = 1388):
    nowhere = SourceFile(Path("nowhere"))
    return {
        part: tuple(
            Frame(f"{part}_{index:02d}", height, width, nowhere, (nowhere,) * 3, are_points=True)
            for index in range(number)
        )
        for part, number in num_frames.items()
    }


def found(made) -> dict[str, int]:
    return {count.name: count.found for count in made.counts}


def disc(*centres: tuple[int, int], radius: int) -> np.ndarray:
    rows, columns = np.indices((HEIGHT, WIDTH))
    inside = [(rows - y) ** 2 + (columns - x) ** 2 <= radius**2 for y, x in centres]
    return np.any(inside, axis=0).astype(np.uint8)


class TestCounts:
    def test_of_the_whole_set_split_by_frame(self):
        made = arrange(name_list(), PrepareOptions())
        assert made.counts == (
            Count("frames", 23, 23),
            Count("training crops", 2380, 2380),
            Count("labelled", 280, 238, "whole frames; 238 would be 10 % of the crops"),
            Count("unlabelled", 2100, 2142, "whole frames"),
            Count("val", 420, 420),
            Count("test", 420, 420),
        )
        parts = ("labelled", "unlabelled", "val", "test")
        assert [len(set(names_of(made, part))) for part in parts] == [280, 2100, 420, 420]
        assert [sum(place.part == part for place in made.sources) for part in parts] == [2, 15, 3, 3]

    @pytest.mark.parametrize("options", [PrepareOptions(paper=True), PrepareOptions(group_split=False)])
    def test_of_the_whole_set_shuffled(self, options):
        made = arrange(name_list(), options)
        assert made.counts == (
            Count("frames", 23, 23),
            Count("training crops", 2380, 2380),
            Count("labelled", 238, 238),
            Count("unlabelled", 2142, 2142),
            Count("val", 420, 420),
            Count("test", 420, 420),
        )
        assert len(set(names_of(made, "labelled"))) == 238
        assert len({name.rsplit("-", 1)[0] for name in names_of(made, "labelled")}) == 17
        assert len(made.sources) == 2380 + 3 + 3
        assert made.sources[0] == Destination("labelled", names_of(made, "labelled")[0])
        # Crops of one frame stand in both parts, and belong together all the same.
        assert made.groups == {
            name: f"train_full/{name.rsplit('-', 1)[0]}"
            for part in ("labelled", "unlabelled")
            for name in names_of(made, part)
        }

    def test_of_frames_as_the_text_has_them(self):
        made = arrange(name_list(width=1920), PrepareOptions(paper=True))
        why = "a frame of 1920×1040 gives 190 crops, the paper's table has 140 a frame"
        assert Count("training crops", 17 * 190, 2380, why) in made.counts
        assert Count("labelled", 323, 238, why) in made.counts
        assert Count("val", 570, 420, why) in made.counts

    def test_crops_that_coincide_are_told(self):
        notes = arrange(name_list(), PrepareOptions()).notes
        # 13·9 of 14·10 differ.
        assert notes[0].startswith(f"{23 * 140} crops, of which {23 * 117} differ")
        assert "is the download complete" not in " ".join(notes)

    def test_of_a_part_of_it_are_told(self):
        made = arrange(name_list({"train_full": 16, "val": 3, "test": 3}), PrepareOptions())
        assert made.notes[-3] == ("train_full: 16 frames; the paper's counts tell of 17: is the download complete?")


class TestSplit:
    def test_keeps_frames_together(self):
        made = arrange(name_list(), PrepareOptions())
        for work in made.works:
            assert len({place.part for place in work.places}) == 1
        assert {
            Destination(place.part, place.name.rsplit("-", 1)[0]) for work in made.works for place in work.places
        } == {*made.sources}

    @pytest.mark.parametrize("paper", [True, False])
    def test_the_seed_decides(self, paper):
        first, again, other = (arrange(name_list(), PrepareOptions(paper=paper, seed=seed)) for seed in (42, 42, 44))
        assert names_of(first, "labelled") == names_of(again, "labelled") != names_of(other, "labelled")
        assert names_of(first, "test") == names_of(other, "test")

    @pytest.mark.parametrize(
        "parts",
        [
            name_list({"train_full": 1, "val": 1, "test": 1}),
            name_list({"train_full": 2, "val": 1, "test": 1}, height=256, width=256),
        ],
    )
    def test_too_few_are_refused(self, parts):
        with pytest.raises(IncmaskError, match="2 with 10 are the fewest to be split"):
            arrange(parts, PrepareOptions())


class TestPlan:
    def test_is_what_the_paper_has(self, tmp_path):
        made = planned(unpacked(tmp_path, files()))
        settings = resolve_settings(from_file=made.settings)
        assert (settings.size, settings.width, settings.width_step) == ((256, 256), 1, 0.25)
        assert (settings.erode_px, settings.dilate_px, settings.evalnet_width) == (0, 0, 2)
        assert settings.quality_band == PROFILES[made.profile].quality_band == (0.59, 0.62)
        assert (made.task, made.ignored, made.position_class) == ("multilabel", False, "position")
        assert [info.name for info in made.classes] == ["alive", "dead", "position"]
        assert found(made) == {
            "frames": 5, "training crops": 18, "labelled": 6, "unlabelled": 12, "val": 6, "test": 6,
        }  # fmt: skip

    def test_zips_and_folders_give_the_same(self, tmp_path):
        zipped(tmp_path / "zips" / "HeLa.zip", {f"original_data/{name}": data for name, data in files().items()})
        capitals = {name.replace("train_full", "Train_Full"): data for name, data in files().items()}
        unpacked(tmp_path / "folders", capitals)
        one, other = planned(tmp_path / "zips"), planned(tmp_path / "folders")
        for left, right in zip(one.works, other.works, strict=True):
            for a, b in zip(left.make(), right.make(), strict=True):
                assert a.place.part == b.place.part
                np.testing.assert_array_equal(a.image, b.image)
                np.testing.assert_array_equal(a.label, b.label)

    def test_every_missing_folder_is_named(self, tmp_path):
        content = {name: data for name, data in files().items() if not name.startswith(("val/dead", "val/position"))}
        with pytest.raises(IncmaskError) as error:
            planned(unpacked(tmp_path, content))
        lines = [str(problem) for problem in error.value.problems]
        assert len(lines) == 2
        for line, folder in zip(lines, ("val/dead", "val/position"), strict=True):
            assert f"holds no folder {folder}" in line
            assert "download the HeLa zip file from https://github.com/MichaelVorndran/InconsistencyMasks" in line

    @pytest.mark.parametrize("channel", ["alive", "dead", "position"])
    def test_a_frame_without_one_of_its_masks_is_named(self, tmp_path, channel):
        content = files()
        del content[f"train_full/{channel}/train_full_01.png"]
        with pytest.raises(IncmaskError, match=rf"train_full_01\.tif: has no mask in train_full/{channel}; "):
            planned(unpacked(tmp_path, content))

    def test_small_frames_are_refused(self, tmp_path):
        content = files()
        content["test/brightfield/test_00.tif"] = encoded(frame("test_00")[:255], "TIFF")
        with pytest.raises(IncmaskError, match=r"test_00\.tif: has 300×255 pixels, fewer than a crop"):
            planned(unpacked(tmp_path, content))


def work(root: Path, content: dict[str, bytes]) -> Work:
    """Plan ``content`` and give the work of the frame for the test."""
    return planned(unpacked(root, content)).works[-1]


class TestExamples:
    def test_image_and_label_are_cut_alike(self, tmp_path):
        expected = np.stack([masks()["alive"] // 255, masks()["dead"] // 255, disc((40, 55), (120, 225), radius=8)], 2)
        made = work(tmp_path, files())
        assert [place.name for place in made.places] == [f"test_00-{index:03d}" for index in range(6)]
        for example, place, crop in zip(made.make(), made.places, CROPS, strict=True):
            assert example.place == place
            assert example.image.shape == (256, 256, 1)
            np.testing.assert_array_equal(example.image[..., 0], cut(frame("test_00"), crop))
            np.testing.assert_array_equal(example.label, cut(expected, crop))

    def test_discs_of_the_owner_are_taken_as_they_are(self, tmp_path):
        content = files(position="mod_position")
        made = planned(unpacked(tmp_path, content))
        assert "test: positions are taken from mod_position" in made.notes
        example = next(made.works[-1].make())
        np.testing.assert_array_equal(example.label[..., 2], cut(masks()["position"], CROPS[0]) // 255)

    def test_discs_of_the_owner_are_preferred(self, tmp_path):
        content = files() | files(position="mod_position")
        content = {name: encoded(masks()["alive"]) if "/position/" in name else data for name, data in content.items()}
        example = next(work(tmp_path, content).make())
        assert example.label[..., 2].sum() == 2

    def test_a_mask_of_another_size_is_refused(self, tmp_path):
        content = files()
        content["test/dead/test_00.png"] = encoded(masks()["dead"][:, :299])
        with pytest.raises(IncmaskError, match=r"test_00\.png: has 299×256 pixels for a frame of 300×256"):
            next(work(tmp_path, content).make())

    def test_fill_a_folder_that_is_read_back(self, tmp_path):
        made = planned(unpacked(tmp_path / "src", files()))
        root = tmp_path / "dst"
        examples = [example for each in made.works for example in each.make()]
        for example in examples:
            folder = root / example.place.part
            write_label(folder / "masks", example.place.name, example.label, task=made.task, classes=made.classes)
            path = folder / "images" / f"{example.place.name}.png"
            unpacked(path.parent, {path.name: encode_image(example.image)})
        options = {"task": made.task, "position_class": "position", "encoding": "folders"}
        classes = [{"name": info.name, "value": info.value} for info in made.classes]
        seen = scan(root, DataOptions.model_validate({**options, "classes": classes}))
        assert seen.problems == ()
        dataset = seen.dataset
        assert (dataset.task, dataset.channels, dataset.position_class) == ("multilabel", 1, "position")
        items = {(part, item.name): item for part, items in dataset.parts() for item in items}
        assert len(items) == len(examples) == 30
        for example in examples:
            item = items[example.place.part, example.place.name]
            np.testing.assert_array_equal(read_image(item.image), example.image)
            if example.place.part != "unlabelled":
                np.testing.assert_array_equal(read_label(item, dataset), example.label)
        # No crop is in two parts.
        assert not any("scores are too good" in note for note in dataset.notes)


class TestRedrawPoints:
    def test_blobs_and_pixels_become_discs(self):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[50, 60] = 1
        mask[49:52, 79:82] = 1  # its middle is 20 away: radius 5
        np.testing.assert_array_equal(redraw_points(mask), disc((50, 60), (50, 80), radius=5))

    def test_corners_hold_a_blob_together(self):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[100, 100] = mask[101, 101] = mask[102, 102] = 1
        np.testing.assert_array_equal(redraw_points(mask), disc((101, 101), radius=8))

    def test_nothing_stays_nothing(self):
        assert redraw_points(np.zeros((9, 7), np.uint8)).sum() == 0
        assert redraw_points(np.zeros((9, 7), np.uint8)).shape == (9, 7)


class TestReadForeground:
    def read(self, root: Path, values: np.ndarray) -> np.ndarray:
        unpacked(root, {"m.png": encoded(values)})
        return read_foreground(SourceFile(root / "m.png"))

    def test_begins_above_10(self, tmp_path):
        values = np.array([[0, 10, 11, 255]], np.uint8)
        np.testing.assert_array_equal(self.read(tmp_path, values), [[0, 0, 1, 1]])

    def test_of_colours_the_brightest_channel_counts(self, tmp_path):
        values = np.array([[[0, 0, 255], [9, 9, 9], [0, 11, 0]]], np.uint8)
        np.testing.assert_array_equal(self.read(tmp_path, values), [[1, 0, 1]])

    def test_of_one_bit_is_read(self, tmp_path):
        np.testing.assert_array_equal(self.read(tmp_path, np.array([[True, False]])), [[1, 0]])

    def test_without_any_is_empty(self, tmp_path):
        assert self.read(tmp_path, np.zeros((2, 3), np.uint8)).sum() == 0

    def test_masks_of_0_and_1_are_refused(self, tmp_path):
        with pytest.raises(IncmaskError, match=r"m\.png: is nowhere brighter than 1"):
            self.read(tmp_path, np.eye(3, dtype=np.uint8))

    def test_16_bits_are_refused(self, tmp_path):
        with pytest.raises(IncmaskError, match=r"m\.png: has uint16 values where 8 bits"):
            self.read(tmp_path, np.eye(3, dtype=np.uint16))
