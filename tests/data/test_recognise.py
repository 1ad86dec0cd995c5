import tomllib

import numpy as np
import pytest
import tifffile
from trees import HEIGHT, WIDTH, only_problem, options, patches, picture, save, save_indexed, scan_ok, tree

from incmask.data.folder.scan import scan
from incmask.data.images.readers import read_label

CLASSES_LINE = 'classes = [{name = "background"}, {name = "class_1"}, {name = "class_2"}]'
RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)


def rows(*ids):
    """The label that ``patches`` of as many values must give."""
    return patches(*ids)


def coloured(*colours):
    return np.array(colours, np.uint8)[patches(*range(len(colours)))]


def values_of(dataset):
    return [info.value for info in dataset.classes]


@pytest.mark.parametrize(
    ("mask", "task", "values", "ignore", "label"),
    [
        (patches(0, 1), "binary", [1], None, rows(0, 1)),
        (patches(0, 255), "binary", [255], None, rows(0, 1)),
        (patches(255, 255), "binary", [255], None, rows(1, 1)),
        (patches(0, 1, 255), "binary", [1], 255, rows(0, 1, 255)),
        (patches(0, 65535, dtype=np.uint16), "binary", [65535], None, rows(0, 1)),
        (patches(0, 1, 2, 3), "multiclass", [0, 1, 2, 3], None, rows(0, 1, 2, 3)),
        (patches(0, 1, 2, 255), "multiclass", [0, 1, 2], 255, rows(0, 1, 2, 255)),
        (patches(1, 2), "multiclass", [1, 2], None, rows(0, 1)),
        (patches(2, 1), "multiclass", [2, 1], None, rows(0, 1)),
        (patches(1, 2, 3), "multiclass", [0, 1, 2, 3], None, rows(1, 2, 3)),
        (patches(0, 7, 8, 11), "multiclass", [0, 7, 8, 11], None, rows(0, 1, 2, 3)),
        (patches(0, 300, 301, dtype=np.uint16), "multiclass", [0, 300, 301], None, rows(0, 1, 2)),
    ],
)
def test_grey_masks(tmp_path, mask, task, values, ignore, label):
    dataset = scan_ok(tree(tmp_path, {"a": mask}))
    assert (dataset.task, values_of(dataset), dataset.encoding.ignore) == (task, values, ignore)
    assert dataset.encoding.kind == "grey"
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), label)


def test_one_bit_masks(tmp_path):
    dataset = scan_ok(tree(tmp_path, {"a": patches(0, 1).astype(bool)}))
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), rows(0, 1))


def test_grey_stored_as_rgb(tmp_path):
    dataset = scan_ok(tree(tmp_path, {"a": np.stack([patches(0, 1, 2)] * 3, axis=2)}))
    assert (dataset.encoding.kind, values_of(dataset)) == ("grey", [0, 1, 2])
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), rows(0, 1, 2))


def test_alpha_of_masks_is_dropped(tmp_path):
    mask = np.dstack([patches(0, 255)] * 3 + [np.full((HEIGHT, WIDTH), 128, np.uint8)])
    dataset = scan_ok(tree(tmp_path, {"a": mask}))
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), rows(0, 1))


@pytest.mark.parametrize(
    ("mask", "readings"),
    [
        (
            patches(0, 2),
            ('task = "binary"', CLASSES_LINE),
        ),
        (patches(0, 128), ('task = "binary"', "ignore = 128")),
        (patches(0, 64, 128, 255), ('ignore = "none"', "ignore = 255")),
        (patches(0, 127, 255), ('ignore = "none"', "ignore = 127")),
    ],
)
def test_ambiguous_masks_show_both_readings_and_each_line_settles_it(tmp_path, mask, readings):
    tree(tmp_path, {"a": mask})
    text = only_problem(scan(tmp_path))
    for line in readings:
        assert line in text
        assert "under [data] in incmask.toml" in text
        left = scan(tmp_path, options(**tomllib.loads(line))).problems
        assert all("nothing is drawn" in problem.what for problem in left)  # where all that is drawn has no label


def test_readings_of_a_lone_value(tmp_path):
    tree(tmp_path, {"a": patches(0, 128)})
    dataset = scan_ok(tmp_path, task="binary")
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), rows(0, 1))
    found = scan(tmp_path, options(ignore=128))
    assert "nothing is drawn in any of their masks" in only_problem(found)
    assert found.dataset is not None
    np.testing.assert_array_equal(read_label(found.dataset.labelled[0], found.dataset), rows(0, 255))


def test_ignore_none_makes_255_a_class(tmp_path):
    dataset = scan_ok(tree(tmp_path, {"a": patches(0, 127, 255)}), ignore="none")
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), rows(0, 1, 2))


def test_palette_keeps_indices_and_gives_colours(tmp_path):
    tree(tmp_path, {"a": patches(0, 0)})
    save_indexed(tmp_path / "labelled" / "masks" / "a.png", patches(0, 2), [BLACK, RED, GREEN])
    dataset = scan_ok(tmp_path)
    assert [(info.value, info.colour) for info in dataset.classes] == [(0, BLACK), (1, RED), (2, GREEN)]
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), rows(0, 2))
    assert "the class class_1 does not occur on any labelled image" in dataset.notes


def test_palettes_that_differ_are_read_by_colour(tmp_path):
    tree(tmp_path, {"a": patches(0, 0), "b": patches(0, 0)})
    save_indexed(tmp_path / "labelled" / "masks" / "a.png", patches(0, 1), [BLACK, RED])
    save_indexed(tmp_path / "labelled" / "masks" / "b.png", patches(1, 0, 2), [BLUE, BLACK, RED])
    dataset = scan_ok(tmp_path)
    assert values_of(dataset) == [BLACK, BLUE, RED]
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), rows(0, 2))
    np.testing.assert_array_equal(read_label(dataset.labelled[1], dataset), rows(0, 1, 2))


def test_black_and_white_palette_beside_grey(tmp_path):
    tree(tmp_path, {"a": patches(0, 0), "b": patches(0, 255)})
    save_indexed(tmp_path / "labelled" / "masks" / "a.png", patches(0, 1), [BLACK, (255, 255, 255)])
    dataset = scan_ok(tmp_path)
    assert dataset.task == "binary"
    for item in dataset.labelled:
        np.testing.assert_array_equal(read_label(item, dataset), rows(0, 1))


def test_colours(tmp_path):
    dataset = scan_ok(tree(tmp_path, {"a": coloured(BLACK, RED, BLUE), "b": coloured(BLACK, BLACK)}))
    assert (dataset.task, dataset.encoding.kind) == ("multiclass", "colour")
    assert values_of(dataset) == [BLACK, BLUE, RED]
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), rows(0, 2, 1))
    np.testing.assert_array_equal(read_label(dataset.labelled[1], dataset), rows(0, 0))


def test_black_and_one_colour_are_binary(tmp_path):
    dataset = scan_ok(tree(tmp_path, {"a": coloured(BLACK, RED)}))
    assert (dataset.task, values_of(dataset)) == ("binary", [RED])
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), rows(0, 1))


def test_colours_without_black_say_which_is_background(tmp_path):
    dataset = scan_ok(tree(tmp_path, {"a": coloured(GREEN, RED)}))
    assert (dataset.task, values_of(dataset)) == ("multiclass", [GREEN, RED])
    assert any("commonest colour (0, 255, 0) is taken as background" in note for note in dataset.notes)


def test_named_colours_and_ignored_colour(tmp_path):
    tree(tmp_path, {"a": coloured(BLACK, RED, BLUE)})
    classes = [{"name": "sea", "value": list(BLUE)}, {"name": "fish", "colour": list(RED)}]
    dataset = scan_ok(tmp_path, classes=classes, ignore=list(BLACK))
    assert [info.name for info in dataset.classes] == ["sea", "fish"]
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), rows(255, 1, 0))


def test_named_grey_classes(tmp_path):
    tree(tmp_path, {"a": patches(0, 5, 9, 255)})
    dataset = scan_ok(tmp_path, classes=[{"name": "alive", "value": 9}, {"name": "dead", "value": 5}])
    assert [info.name for info in dataset.classes] == ["background", "alive", "dead"]
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), rows(0, 2, 1, 255))


@pytest.mark.parametrize(
    "classes",
    [[{"name": "nucleus"}], [{"name": "background"}, {"name": "nucleus"}], [{"name": "nucleus", "value": 255}]],
)
def test_naming_the_foreground_alone(tmp_path, classes):
    dataset = scan_ok(tree(tmp_path, {"a": patches(0, 255)}), classes=classes)
    assert (dataset.task, [info.name for info in dataset.classes]) == ("binary", ["nucleus"])
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), rows(0, 1))


def folders(root, **masks):
    save(root / "labelled" / "images" / "a.png", picture())
    for name, mask in masks.items():
        save(root / "labelled" / "masks" / name / "a.png", mask)
    return root


def test_class_folders_may_overlap(tmp_path):
    dataset = scan_ok(folders(tmp_path, body=patches(0, 255, 255), centre=patches(0, 0, 1)))
    assert (dataset.task, values_of(dataset)) == ("multilabel", ["body", "centre"])
    assert dataset.position_class == "centre"
    expected = np.stack([rows(0, 1, 1), rows(0, 0, 1)], axis=2)
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), expected)


def test_class_folders_in_the_order_of_the_options(tmp_path):
    folders(tmp_path, x1=patches(0, 255), x2=patches(0, 0, 255))
    classes = [{"name": "dead", "value": "x2"}, {"name": "alive", "value": "x1"}, {"name": "gone"}]
    dataset = scan_ok(tmp_path, classes=classes, position_class="alive")
    assert dataset.labelled[0].masks[2] is None
    expected = np.stack([rows(0, 0, 1), rows(0, 1, 0), rows(0, 0, 0)], axis=2)
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), expected)
    assert dataset.position_class == "alive"


def test_class_folders_with_ignored_pixels(tmp_path):
    dataset = scan_ok(folders(tmp_path, a=patches(0, 1, 255), b=patches(0, 0)))
    assert read_label(dataset.labelled[0], dataset)[2, 0].tolist() == [255, 0]


def test_class_folder_of_255_beside_one_with_ignored_pixels_is_ambiguous(tmp_path):
    folders(tmp_path, a=patches(0, 1, 255), b=patches(0, 255))
    text = only_problem(scan(tmp_path))
    assert "masks of b hold 0 and 255" in text
    assert 'ignore = "none"' in text
    dataset = scan_ok(tmp_path, ignore=255)
    assert read_label(dataset.labelled[0], dataset)[1:3, 0].tolist() == [[1, 255], [255, 0]]
    dataset = scan_ok(tmp_path, ignore="none")
    assert read_label(dataset.labelled[0], dataset)[1:3, 0].tolist() == [[1, 1], [1, 0]]


def test_masks_of_1_beside_masks_of_255_are_ambiguous(tmp_path):
    tree(tmp_path, {"a": patches(0, 1), "b": patches(0, 255)})
    text = only_problem(scan(tmp_path))
    assert "some masks hold 0 and 1, others 0 and 255" in text
    assert "ignore = 255" in text
    dataset = scan_ok(tmp_path, ignore=255)
    np.testing.assert_array_equal(read_label(dataset.labelled[1], dataset), rows(0, 255))


def test_one_class_folder_is_binary(tmp_path):
    dataset = scan_ok(folders(tmp_path, nucleus=patches(0, 255)))
    assert (dataset.task, values_of(dataset)) == ("binary", ["nucleus"])
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), rows(0, 1))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": "multilabel"}, "needs a folder of masks for each class; arrange masks/<class>/<name>.png"),
        ({"task": "binary"}, 'task = "binary" but the masks hold the values 0, 1, 2; write under [data]'),
        ({"classes": [{"name": "a", "value": 1}, {"name": "b", "value": 1}]}, "two classes have the same value; write"),
        ({"classes": [{"name": "a", "value": 1}], "ignore": 1}, "ignore is the value of the class a; change one"),
        ({"classes": [{"name": "a", "value": 1}, {"name": "b", "value": 3}]}, "has the values 2 outside the classes"),
        ({"classes": [{"name": "a", "value": 1}]}, "has the values 2 outside the classes, at 16 pixels; repaint them"),
        ({"ignore": [255, 0, 0]}, "ignore = [255, 0, 0] is a colour, but the masks are grey; give its value"),
        ({"position_class": "x"}, 'position_class = "x" is no class of a multilabel task; there are background'),
        (
            {"encoding": "colour", "classes": [{"name": "a"}]},
            "the class a has no value that stands in these masks;",
        ),
    ],
)
def test_options_that_do_not_fit(tmp_path, given, message):
    tree(tmp_path, {"a": patches(0, 1, 2)})
    assert message in only_problem(scan(tmp_path, options(**given)))


def test_folders_that_do_not_fit(tmp_path):
    folders(tmp_path, a=patches(0, 1), b=patches(0, 1))
    assert 'task = "multilabel", or make one mask' in only_problem(scan(tmp_path, options(task="multiclass")))
    text = only_problem(scan(tmp_path, options(classes=[{"name": "c", "value": "a"}])))
    assert "the folders of masks b are no classes that incmask.toml names" in text


def test_colours_of_val_that_no_labelled_mask_has(tmp_path):
    tree(tmp_path, {"a": coloured(BLACK, RED, GREEN)})
    tree(tmp_path, {"b": coloured(BLACK, BLUE)}, part="val")
    text = only_problem(scan(tmp_path))
    assert "b.png: has the colours (0, 0, 255) that no labelled mask has" in text
    assert "ignore = [0, 0, 255]" in text


def test_grey_classes_of_val_count_and_their_absence_is_noted(tmp_path):
    tree(tmp_path, {"a": patches(0, 1)})
    tree(tmp_path, {"b": patches(0, 2)}, part="val")
    dataset = scan_ok(tmp_path)
    assert values_of(dataset) == [0, 1, 2]
    assert "the class class_2 does not occur on any labelled image" in dataset.notes


def test_photo_as_mask(tmp_path):
    tree(tmp_path, {"a": patches(0, 255), "b": picture(1)})
    text = only_problem(scan(tmp_path))
    assert "b.png: has 192 colours, which looks like JPEG noise or a photo; export a mask" in text


def test_ids_of_instances_as_mask(tmp_path):
    mask = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH)
    text = only_problem(scan(tree(tmp_path, {"a": patches(0, 255), "b": mask})))
    assert "or like a number for each object; export a mask with one value for each class" in text


def test_jpeg_mask(tmp_path):
    tree(tmp_path, {"a": patches(0, 255), "b": patches(0, 255)})
    (tmp_path / "labelled" / "masks" / "b.png").unlink()
    save(tmp_path / "labelled" / "masks" / "b.jpg", picture(1, channels=1))
    text = only_problem(scan(tmp_path))
    assert "b.jpg: is a JPEG with" in text
    assert "export the mask as PNG" in text


def test_fractions_as_mask(tmp_path):
    tree(tmp_path, {"a": patches(0, 255), "b": patches(0, 255)})
    (tmp_path / "labelled" / "masks" / "b.png").unlink()
    path = tmp_path / "labelled" / "masks" / "b.tif"
    tifffile.imwrite(path, patches(0, 1).astype(np.float32) / 2)
    assert "b.tif: has values from 0 to 0.5 that are no whole numbers" in only_problem(scan(tmp_path))
    tifffile.imwrite(path, patches(0, 255).astype(np.float32))
    dataset = scan_ok(tmp_path)
    np.testing.assert_array_equal(read_label(dataset.labelled[1], dataset), rows(0, 1))
