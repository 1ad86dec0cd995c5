import numpy as np
import pytest
import tifffile
from PIL import Image
from pydantic import ValidationError
from trees import HEIGHT, WIDTH, only_problem, options, patches, picture, save, scan_ok, tree

from incmask.base.errors import IncmaskError
from incmask.data.dataset import MAX_CLASSES, default_colour
from incmask.data.folder.check import describe
from incmask.data.folder.scan import load_dataset, scan

CELLS = patches(0, 255)


def test_all_problems_are_collected_one_line_each(tmp_path):
    tree(tmp_path, dict.fromkeys("abcde", CELLS))
    images, masks = tmp_path / "labelled" / "images", tmp_path / "labelled" / "masks"
    (images / "a.png").write_bytes((images / "a.png").read_bytes()[:60])
    save(masks / "b.png", CELLS[:5])
    (masks / "c.png").unlink()
    save(masks / "d.png", picture())
    found = scan(tmp_path)
    texts = sorted(str(problem) for problem in found.problems)
    assert len(texts) == 4
    assert "images/a.png: is broken or truncated" in texts[0]
    assert "images/c.png: has no mask" in texts[1]
    assert "masks/b.png: has 16×5 pixels, but its image b.png 16×12; export the mask in the size" in texts[2]
    assert "masks/d.png: has 192 colours" in texts[3]
    assert [item.name for item in found.dataset.labelled] == ["e"]
    with pytest.raises(IncmaskError) as caught:
        load_dataset(tmp_path)
    assert caught.value.problems == found.problems


def test_load_dataset_gives_what_scan_finds(tmp_path):
    tree(tmp_path, {"a": CELLS})
    assert load_dataset(tmp_path) == scan(tmp_path).dataset


def test_broken_mask(tmp_path):
    tree(tmp_path, {"a": CELLS, "b": CELLS})
    path = tmp_path / "labelled" / "masks" / "b.png"
    path.write_bytes(path.read_bytes()[:50])
    assert "masks/b.png: is broken or truncated" in only_problem(scan(tmp_path))


def test_broken_unlabelled_image(tmp_path):
    tree(tmp_path, {"a": CELLS})
    (tmp_path / "unlabelled").mkdir()
    (tmp_path / "unlabelled" / "u.png").touch()
    assert "u.png: is empty" in only_problem(scan(tmp_path))


def test_nothing_but_broken_masks(tmp_path):
    tree(tmp_path, {"a": CELLS})
    (tmp_path / "labelled" / "masks" / "a.png").write_bytes(b"x")
    found = scan(tmp_path)
    assert found.dataset is None
    assert "masks/a.png: is no PNG" in only_problem(found)


def test_mask_of_a_turned_photo(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = tmp_path / "labelled" / "images" / "a.jpg"
    image.parent.mkdir(parents=True)
    Image.fromarray(picture()).save(image, exif=exif)
    save(tmp_path / "labelled" / "masks" / "a.png", CELLS)
    text = only_problem(scan(tmp_path))
    assert "a.png: has 16×12 pixels, but its image a.jpg 12×16, which its EXIF orientation turns by 90°" in text
    assert "turn the mask as the image is displayed" in text
    save(tmp_path / "labelled" / "masks" / "a.png", CELLS.T)
    item = scan_ok(tmp_path).labelled[0]
    assert (item.height, item.width) == (WIDTH, HEIGHT)


def images_of(root, *channels):
    for index, count in enumerate(channels):
        path = root / "labelled" / "images" / f"{index}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        photometric = "rgb" if count == 3 else "minisblack"
        tifffile.imwrite(path, picture(index, channels=count), photometric=photometric, planarconfig="contig")
        save(root / "labelled" / "masks" / f"{index}.png", CELLS)
    return root


@pytest.mark.parametrize(
    ("channels", "expected"), [((1, 1), 1), ((3, 3), 3), ((1, 3), 3), ((1, 1, 3), 3), ((5, 5), 5), ((2,), 2)]
)
def test_channels(tmp_path, channels, expected):
    dataset = scan_ok(images_of(tmp_path, *channels))
    assert dataset.channels == expected
    assert any("grey is repeated" in note for note in dataset.notes) == (set(channels) == {1, 3})


def test_channels_as_asked_for(tmp_path):
    images_of(tmp_path, 1, 3)
    dataset = scan_ok(tmp_path, channels=1)
    assert dataset.channels == 1
    assert any("1 RGB image is turned to grey" in note for note in dataset.notes)


def test_channels_that_disagree(tmp_path):
    images_of(tmp_path, 3, 3, 1, 5)
    text = only_problem(scan(tmp_path))
    assert "3.tif: has a channel count of 5, while 2 images have 3; convert it" in text
    assert len(scan(tmp_path, options(channels=4)).problems) == 4


def test_nan_is_found(tmp_path):
    tree(tmp_path, {"a": CELLS})
    path = tmp_path / "unlabelled" / "n.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, np.full((3, 4), np.nan, np.float32))
    assert "n.tif: has no data at any pixel" in only_problem(scan(tmp_path))


def test_deep_images_are_noted(tmp_path):
    tree(tmp_path, {"a": CELLS})
    save(tmp_path / "labelled" / "images" / "a.png", picture(channels=1).astype(np.uint16))
    dataset = scan_ok(tmp_path)
    assert "1 image has more than 8 bits (uint16): scaled image by image to 8 bits" in dataset.notes
    dataset = scan_ok(tmp_path, intensity=[0, 4095])
    assert dataset.intensity == (0, 4095)
    assert "1 image has more than 8 bits (uint16): scaled from 0 … 4095 to 8 bits" in dataset.notes


def test_one_name_in_two_parts_is_noted(tmp_path):
    tree(tmp_path, {"a": CELLS, "b": CELLS})
    tree(tmp_path, {"a": CELLS}, part="val")
    save(tmp_path / "unlabelled" / "a.png", picture(7))
    leaks = [note for note in scan_ok(tmp_path).notes if "scores are too good" in note]
    assert leaks == ["1 name is in labelled and in val; if their images show the same, scores are too good: a"]


def test_few_labels_scan_without_a_problem(tmp_path):
    dataset = scan_ok(tree(tmp_path, {"a": patches(0, 0), "b": patches(0, 255)}))
    assert dataset.statistics.empty_masks == 1
    assert {f"there are no {part} images" for part in ("unlabelled", "val", "test")} <= set(dataset.notes)


def test_nothing_drawn_in_any_labelled_mask_is_a_problem(tmp_path):
    found = scan(tree(tmp_path, {"a": patches(0, 0)}))
    assert "nothing is drawn in any of their masks: all pixels are background; draw" in only_problem(found)
    assert found.dataset is not None
    assert "the class foreground does not occur on any labelled image" in found.dataset.notes
    found = scan(tmp_path, options(task="multiclass"))
    assert found.dataset is not None
    assert any("one class only" in note for note in found.dataset.notes)


def test_of_very_many_classes_the_most_and_least_seen_are_described(tmp_path):
    """Hundreds of lines were."""
    counts = {place: place if place < 19 else place // 6 for place in range(1, 25)}
    mask = np.repeat(np.array([*counts], np.uint8), [*counts.values()])
    mask = np.append(mask, np.full(HEIGHT * WIDTH - len(mask), 18, np.uint8)).reshape(HEIGHT, WIDTH)
    tree(tmp_path, {"b": np.append(mask[1:], mask[:1], axis=0) + np.uint8(3)}, part="val")
    lines = describe(scan_ok(tree(tmp_path, {"a": mask})))
    values, found = np.unique(mask, return_counts=True)
    order = np.argsort(-found, kind="stable")
    shares = [f"class_{values[each]} {float(f'{100 * found[each] / mask.size:.3g}'):g} %" for each in order]
    assert f"of the labelled pixels most show {', '.join(shares[:10])}" in lines
    assert f"of the labelled pixels fewest show {', '.join(shares[-10:])}" in lines
    told = "note: 4 of 28 classes do not occur on any labelled image: background, class_25, class_26, class_27"
    assert told in lines
    assert len(lines) < 20


def test_statistics_and_description_of_a_multiclass_set(tmp_path):
    dataset = scan_ok(tree(tmp_path, {"a": patches(0, 1, 2, 255), "b": patches(0, 0)}))
    assert dataset.statistics.class_pixels == ((2 * HEIGHT - 3) * WIDTH, WIDTH, WIDTH)
    assert dataset.statistics.ignored_pixels == WIDTH
    assert dataset.statistics.total_pixels == 2 * HEIGHT * WIDTH
    lines = describe(dataset)
    assert "labelled: 2 images of 16×12 pixels" in lines
    assert "val: 0 images" in lines
    assert "the network sees 3 channels" in lines
    assert "task: multiclass, 3 classes" in lines
    assert "class class_2: 4.35 % of the labelled pixels" in lines  # 16 of 368
    assert "1 of 2 labelled images show background only" in lines
    assert "ignored: 4.17 % of the pixels" in lines  # 16 of 384
    assert (
        "note: masks in values, read as multiclass: background = 0, class_1 = 1, class_2 = 2; 255 is ignored" in lines
    )


def test_statistics_of_folders_and_colours(tmp_path):
    save(tmp_path / "f" / "labelled" / "images" / "a.png", picture())
    for name, mask in {"body": patches(0, 1, 1, 255), "centre": patches(0, 0, 1)}.items():
        save(tmp_path / "f" / "labelled" / "masks" / name / "a.png", mask)
    dataset = scan_ok(tmp_path / "f")
    assert dataset.statistics.class_pixels == (2 * WIDTH, WIDTH)
    assert dataset.statistics.ignored_pixels == WIDTH // 2
    assert "class centre marks centres, so that objects are counted" in describe(dataset)
    colours = np.array([(0, 0, 0), (255, 0, 0)], np.uint8)[patches(0, 1)]
    dataset = scan_ok(tree(tmp_path / "c", {"a": colours}))
    assert dataset.statistics.class_pixels == (WIDTH,)
    assert dataset.statistics.ignored_pixels == 0


def test_sizes_of_different_images(tmp_path):
    tree(tmp_path, {"a": CELLS})
    for side in (4, 6, 9):
        save(tmp_path / "unlabelled" / f"{side}.png", picture(side, height=side, width=side + 1))
    assert "unlabelled: 3 images of 5×4 to 10×9 pixels, the median 7×6" in describe(scan_ok(tmp_path))


def test_progress_counts_all_files(tmp_path):
    tree(tmp_path, {"a": CELLS, "b": CELLS})
    told = []
    scan(tmp_path, on_file=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_scan_changes_nothing(tmp_path):
    tree(tmp_path, {"a": CELLS})
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    scan(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    "values",
    [
        {"tsk": "binary"},
        {"classes": [{"name": "a"}, {"name": "a"}]},
        {"classes": [{"name": "a", "value": [1, 2, 300]}]},
        {"intensity": [5, 5]},
        {"ignore": "any"},
        {"channels": 0},
        {"classes": [{"name": str(index)} for index in range(MAX_CLASSES + 1)]},
    ],
)
def test_options_that_are_refused(values):
    with pytest.raises(ValidationError):
        options(**values)


def test_default_colours_differ():
    assert len({default_colour(index) for index in range(MAX_CLASSES)}) == MAX_CLASSES
