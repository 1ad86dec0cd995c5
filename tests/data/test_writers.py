import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from trees import options, picture, save, scan_ok

from incmask.base.errors import IncmaskError
from incmask.data.dataset import ClassInfo, default_colour
from incmask.data.folder.scan import scan
from incmask.data.images import writers
from incmask.data.images.readers import read_label
from incmask.data.images.writers import path_inside, write_label, write_png

BINARY = [ClassInfo("foreground", (255, 255, 255), 255)]


def classes_of(task, num_classes):
    if task == "binary":
        return BINARY
    return [
        ClassInfo(f"class_{index}", default_colour(index), f"class_{index}" if task == "multilabel" else index)
        for index in range(num_classes)
    ]


@st.composite
def cases(draw):
    task = draw(st.sampled_from(["binary", "multiclass", "multilabel"]))
    num_classes = {"binary": 1}.get(task) or draw(st.integers(2, 6))
    ignored = draw(st.booleans())
    values = list(range(num_classes if task == "multiclass" else 2))
    size = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    shape = (*size, num_classes) if task == "multilabel" else size
    label = draw(arrays.arrays(np.uint8, shape, elements=st.sampled_from(values + [255] * ignored)))
    return task, num_classes, ignored, label


@given(cases())
def test_labels_come_back_as_they_were(case):
    task, num_classes, ignored, label = case
    classes = classes_of(task, num_classes)
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "labelled"
        save(part / "images" / "sub" / "a.png", picture(height=label.shape[0], width=label.shape[1]))
        write_label(part / "masks", "sub/a", label, task=task, classes=classes, ignored=ignored)
        # One tiny file may lack the values by which a scan tells tasks and ignored pixels apart.
        found = scan(Path(folder), options(task=task, ignore=255 if ignored else "none"))
        # Nothing may be drawn in so small a file, which is told.
        assert all("nothing is drawn" in str(problem) for problem in found.problems)
        dataset = found.dataset
        assert dataset.task == task
        assert len(dataset.classes) == num_classes
        np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), label)


def test_files_as_people_see_them(tmp_path):
    (path,) = write_label(tmp_path, "a", np.array([[0, 1]], np.uint8), task="binary", classes=BINARY)
    with Image.open(path) as image:
        assert (image.mode, np.asarray(image).tolist()) == ("L", [[0, 255]])
    classes = classes_of("multiclass", 3)
    (path,) = write_label(tmp_path, "b", np.array([[0, 2]], np.uint8), task="multiclass", classes=classes)
    with Image.open(path) as image:
        assert image.mode == "P"
        assert np.asarray(image).tolist() == [[0, 2]]
        assert tuple(np.asarray(image.convert("RGB"))[0, 1]) == classes[2].colour
    classes = classes_of("multilabel", 2)
    written = write_label(tmp_path, "c/d", np.array([[[1, 0]]], np.uint8), task="multilabel", classes=classes)
    assert written == (tmp_path / "class_0" / "c" / "d.png", tmp_path / "class_1" / "c" / "d.png")


def test_multiclass_needs_no_options_to_come_back(tmp_path):
    label = np.array([[0, 1, 255, 1]], np.uint8)
    save(tmp_path / "labelled" / "images" / "a.png", picture(height=1, width=4))
    classes = classes_of("multiclass", 4)
    write_label(tmp_path / "labelled" / "masks", "a", label, task="multiclass", classes=classes, ignored=True)
    dataset = scan_ok(tmp_path)
    assert (dataset.task, len(dataset.classes), dataset.encoding.ignore) == ("multiclass", 4, 255)
    assert [info.colour for info in dataset.classes] == [info.colour for info in classes]
    np.testing.assert_array_equal(read_label(dataset.labelled[0], dataset), label)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "", "a//b", ".", "a\0b"])
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, name):
    with pytest.raises(IncmaskError, match="is no name for a file inside"):
        path_inside(tmp_path, name)


@pytest.mark.parametrize("name", ["C:x", "a\\..\\x"])
def test_names_that_lead_out_on_windows(tmp_path, name, monkeypatch):
    monkeypatch.setattr(writers, "_FORBIDDEN", "\0\\:")
    with pytest.raises(IncmaskError, match="is no name for a file inside"):
        path_inside(tmp_path, name)


def test_names_with_dots_keep_them(tmp_path):
    assert path_inside(tmp_path, "day 1/a.b") == tmp_path / "day 1" / "a.b.png"


def test_class_names_that_lead_out_are_refused(tmp_path):
    classes = [ClassInfo("../up", (0, 0, 0), 1), ClassInfo("b", (0, 0, 0), 2)]
    with pytest.raises(IncmaskError, match="rename the image or class"):
        write_label(tmp_path / "m", "a", np.zeros((2, 2, 2), np.uint8), task="multilabel", classes=classes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("label", "task"),
    [
        (np.full((2, 2), 2, np.uint8), "binary"),
        (np.full((2, 2), 255, np.uint8), "binary"),
        (np.zeros((2, 2, 1), np.uint8), "binary"),
        (np.zeros((2, 2), np.int64), "binary"),
        (np.zeros((2, 2, 2), np.uint8), "multilabel"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, label, task):
    with pytest.raises(ValueError, match=r"expected|the label holds"):
        write_label(tmp_path, "a", label, task=task, classes=BINARY)


@pytest.mark.parametrize("channels", [1, 3])
def test_png(tmp_path, channels):
    image = picture(channels=channels)
    write_png(tmp_path / "sub" / "a.png", image)
    with Image.open(tmp_path / "sub" / "a.png") as found:
        np.testing.assert_array_equal(np.asarray(found), image)
    with pytest.raises(ValueError, match="expected"):
        write_png(tmp_path / "b.png", picture(channels=2))


def test_name_of_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "masks").write_text("a file")
    with pytest.raises(IncmaskError, match="cannot be written"):
        write_png(tmp_path / "masks" / "a.png", picture(channels=1))
