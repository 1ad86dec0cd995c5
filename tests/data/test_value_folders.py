"""Targets that are numbers, read from files and folders."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from incmask.base.choosing import read_config
from incmask.base.errors import IncmaskError
from incmask.data.array_masks import meaning_of
from incmask.data.dataset import DataOptions
from incmask.data.folder.scan import load_dataset, scan
from incmask.data.images.readers import read_image, read_label
from incmask.data.images.targets import read_target, target_facts
from incmask.data.images.tiles import scale_values
from incmask.data.stack import build_stack
from incmask.experiment.checked import check_data
from incmask.experiment.choices import data_options
from value_data import draw, make_values, save, tell


def options_of(root):
    return data_options(root, read_config(root), None)


def found(root):
    return scan(root, options_of(root))


@pytest.fixture(scope="module")
def depths(tmp_path_factory):
    return make_values(tmp_path_factory.mktemp("depths"), "depth")


def test_a_folder_of_depths_is_understood(depths):
    dataset = load_dataset(depths, options_of(depths))
    truths = [read_label(item, dataset) for item in dataset.labelled]
    assert (dataset.target.low, dataset.target.high) == (
        min(np.nanmin(each) for each in truths),
        max(np.nanmax(each) for each in truths),
    )
    assert np.isnan(truths[0][:3, :3]).all()
    assert dataset.statistics.ignored_pixels == 9 * len(truths)
    assert dataset.notes[0].startswith("3 labelled targets of numbers (float32), read as depth: networks learn 1 as 0")


def test_check_says_what_it_found(depths):
    checked = check_data(depths)
    assert checked.is_ready
    assert any(line.startswith("task: depth, numbers from 1 to") for line in checked.description)


def test_stacks_hold_scaled_numbers(depths, tmp_path):
    dataset = load_dataset(depths, options_of(depths))
    stack = build_stack(dataset.labelled, dataset, size=(32, 32), fit="resize", folder=tmp_path)
    labels = np.load(stack.labels)
    assert labels.dtype == np.float32
    np.testing.assert_array_equal(labels[0], dataset.target.scaled(read_label(dataset.labelled[0], dataset)))
    tiles = build_stack(dataset.labelled[2:], dataset, size=(48, 48), fit="tile", folder=tmp_path / "tiles")
    assert np.isnan(np.load(tiles.labels)[0, 25:]).all()  # beyond the image


@pytest.mark.parametrize("kind", ["png", "float tif", "npy", "uint8"])
def test_targets_of_any_kind_are_read(tmp_path, kind):
    values = np.arange(1, 13, dtype=np.float64).reshape(3, 4) * (20 if kind == "uint8" else 1000)
    path = tmp_path / ("a.png" if kind in ("png", "uint8") else "a.tif" if kind == "float tif" else "a.npy")
    if kind == "png":
        Image.fromarray(values.astype(np.uint16)).save(path)
    elif kind == "uint8":
        Image.fromarray(values.astype(np.uint8)).save(path)
    elif kind == "npy":
        np.save(path, np.asfortranarray(values))
    else:
        tifffile.imwrite(path, values.astype(np.float32))
    np.testing.assert_array_equal(read_target(path, "denoise"), values.astype(np.float32))
    assert target_facts(path, "denoise").high == values.max()


def test_nought_is_no_depth_but_a_shade(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0.0, -1.0, 2.0, np.nan, np.inf]]))
    np.testing.assert_array_equal(
        read_target(tmp_path / "a.npy", "depth"), np.float32([[np.nan] * 2 + [2] + [np.nan] * 2])
    )
    np.testing.assert_array_equal(read_target(tmp_path / "a.npy", "denoise"), np.float32([[0, -1, 2, np.nan, np.nan]]))


def test_a_target_without_a_number_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 2)))
    with pytest.raises(IncmaskError, match="no number at any pixel"):
        read_target(tmp_path / "a.npy", "depth")


def test_a_target_in_colours_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(12.0).reshape(2, 2, 3))
    with pytest.raises(IncmaskError, match="one number a pixel"):
        read_target(tmp_path / "a.npy", "denoise")


def test_a_signal_is_an_image_of_one_row(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(5, dtype=">f4"))
    assert read_image(tmp_path / "a.npy").shape == (1, 5, 1)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.array([1 + 2j]), "save real numbers"),
        (np.zeros((2, 2, 2, 2)), "has the shape"),
        (np.zeros((0, 3)), "has the shape"),
        (np.array(["a"]), "save real numbers"),
    ],
)
def test_arrays_of_other_kinds_are_refused(tmp_path, values, told):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(IncmaskError, match=told):
        read_image(tmp_path / "a.npy")


def test_an_array_is_as_long_as_it_says(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 4)))
    content = (tmp_path / "a.npy").read_bytes()
    for broken in (
        content[:-3],
        content.replace(b"(4, 4)", b"(9, 9)"),
        content[:20],
        content[:6] + bytes([9, 9]) + content[8:],
    ):
        (tmp_path / "a.npy").write_bytes(broken)
        with pytest.raises(IncmaskError, match="broken or truncated"):
            read_image(tmp_path / "a.npy")


def test_objects_in_an_array_are_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(IncmaskError, match="save real numbers"):
        read_image(tmp_path / "a.npy")


def test_signals_are_found_and_share_a_scale(tmp_path):
    for part, scale in (("labelled", 1.0), ("unlabelled", 0.5)):
        for index in range(2):
            clean = scale * np.sin(np.linspace(0, 6, 64)).astype(np.float32)
            (tmp_path / part / "images").mkdir(parents=True, exist_ok=True)
            np.save(tmp_path / part / "images" / f"{index}.npy", clean + index * 0.1)
            if part == "labelled":
                (tmp_path / part / "targets").mkdir(exist_ok=True)
                np.save(tmp_path / part / "targets" / f"{index}.npy", clean)
    dataset = load_dataset(tell(tmp_path, "denoise"), options_of(tmp_path))
    assert [len(items) for _, items in dataset.parts()] == [2, 2, 0, 0]
    assert (dataset.labelled[0].height, dataset.labelled[0].width) == (1, 64)
    assert dataset.intensity == pytest.approx((-1, 1.1), abs=0.01)


def test_a_target_of_another_size_is_told(tmp_path):
    root = make_values(tmp_path, "depth")
    tifffile.imwrite(root / "labelled" / "masks" / "labelled 0.tif", np.ones((5, 6), np.float32))
    assert "has 6×5 pixels, but its image labelled 0.png 32×32" in str(found(root).problems[0])


def test_targets_of_one_number_teach_nothing(tmp_path):
    for index in range(2):
        save(tmp_path / "labelled" / "images" / f"{index}.png", draw("depth", seed=index, size=(20, 20))[0])
        (tmp_path / "labelled" / "masks").mkdir(exist_ok=True)
        np.save(tmp_path / "labelled" / "masks" / f"{index}.npy", np.full((20, 20), 7.0))
    assert "a single number, 7" in str(found(tell(tmp_path, "denoise")).problems[0])


def test_the_range_can_be_said(tmp_path):
    root = tell(make_values(tmp_path, "denoise"), "denoise", "target_range = [0, 255]\n")
    dataset = load_dataset(root, options_of(root))
    assert (dataset.target.low, dataset.target.high) == (0, 255)
    with pytest.raises(ValueError, match="must be the lower one"):
        DataOptions(target_range=(3, 3))


def test_what_is_of_classes_is_refused(tmp_path):
    root = tell(make_values(tmp_path, "depth"), "depth", "ignore = 0\n")
    assert "names ignore, which are of classes" in str(found(root).problems[0])
    with pytest.raises(IncmaskError, match="for numbers, write a data folder"):
        meaning_of([np.zeros((2, 2), np.uint8)], "depth", None)


def test_numbers_are_scaled_over_those_that_are_known():
    values = np.float32([[1, 3, np.nan, np.nan], [1, 3, np.nan, 8]])
    np.testing.assert_array_equal(scale_values(values, (1, 2)), np.float32([[2, np.nan]]))
    np.testing.assert_array_equal(scale_values(values[:, :2], (2, 2)), values[:, :2])
