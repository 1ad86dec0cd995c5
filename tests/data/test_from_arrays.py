import json
import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.choosing import read_config
from incmask.base.config import IGNORED
from incmask.base.errors import IncmaskError
from incmask.data.dataset import DataOptions
from incmask.data.folder.scan import load_dataset
from incmask.data.from_arrays import ArrayData, write_data
from incmask.data.images.readers import read_image, read_label
from incmask.experiment.checked import check_data

RANDOM = np.random.default_rng(0)


def picture(*shape, dtype=np.uint8):
    values = RANDOM.integers(0, 256, shape)
    return values.astype(dtype) if np.dtype(dtype).kind != "f" else (values / 3).astype(dtype)


def mask(task, size=(6, 8), *, num=3, ignored=False):
    """A label in which every class occurs."""
    shape = (*size, num) if task == "multilabel" else size
    values = RANDOM.integers(0, num if task == "multiclass" else 2, shape, dtype=np.uint8)
    values.flat[: max(2, num)] = range(max(2, num)) if task == "multiclass" else [0, 1, *[1] * (num - 2)]
    if ignored:
        values[-1, -1] = IGNORED
    return values


def written(data, folder):
    """Write and scan as a run would."""
    write_data(data, folder)
    assert check_data(folder).problems == ()
    return load_dataset(folder, DataOptions.model_validate(read_config(folder).data))


def in_order(items):
    assert [item.name for item in items] == sorted(item.name for item in items)
    return items


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_a_written_folder_is_read_as_the_arrays(tmp_path, task, ignored):
    sizes = [(6, 8), (9, 5), (7, 7)]
    data = ArrayData(
        images=[picture(*size) for size in sizes],
        masks=[mask(task, size, ignored=ignored) for size in sizes],
        unlabelled=[picture(5, 6) for _ in range(12)],
        val_images=[picture(4, 9)],
        val_masks=[mask(task, (4, 9))],
        test_images=[picture(9, 4)],
        test_masks=[mask(task, (9, 4))],
    )
    dataset = written(data, tmp_path / "data")
    assert dataset.task == task
    assert not [note for note in dataset.notes if "too good" in note]
    assert [info.name for info in dataset.classes] == {
        "binary": ["foreground"],
        "multiclass": ["background", "class_1", "class_2"],
        "multilabel": ["class_1", "class_2", "class_3"],
    }[task]
    for part, images, masks in (
        ("labelled", data.images, data.masks),
        ("unlabelled", data.unlabelled, None),
        ("val", data.val_images, data.val_masks),
        ("test", data.test_images, data.test_masks),
    ):
        items = in_order(getattr(dataset, part))
        assert len(items) == len(images)
        for index, (item, image) in enumerate(zip(items, images, strict=True)):
            np.testing.assert_array_equal(read_image(item.image)[..., 0], image)
            if masks is not None:
                np.testing.assert_array_equal(read_label(item, dataset), masks[index])


@given(
    channels=st.sampled_from([None, 1, 2, 3, 4, 5, 7]),
    dtype=st.sampled_from(["uint8", "uint16", "float32", "float64", "int32", "bool"]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_images_of_any_type_and_channels_come_back(tmp_path_factory, channels, dtype, size):
    folder = tmp_path_factory.mktemp("arrays")
    image = picture(*size, *([] if channels is None else [channels]), dtype=np.dtype(dtype))
    label = np.zeros(size, bool)
    write_data(ArrayData([image], [label]), folder)
    again = read_image(folder / "labelled" / "images" / "labelled-000000.tif")
    expected = np.atleast_3d(image.astype(np.uint8) * 255 if dtype == "bool" else image.astype(np.float32))
    np.testing.assert_array_equal(again, expected)
    assert again.dtype == {"bool": np.uint8, "uint8": np.uint8, "uint16": np.uint16}.get(dtype, np.float32)


def test_a_stack_of_one_array_will_do(tmp_path):
    stack = picture(3, 8, 8, 3)
    dataset = written(ArrayData(stack, stack[..., 0] > 128, unlabelled=stack), tmp_path / "data")
    assert (dataset.task, dataset.channels, len(dataset.labelled), len(dataset.unlabelled)) == ("binary", 3, 3, 3)


def test_names_of_classes_may_be_no_names_for_folders(tmp_path):
    names = ["../a", "b/c", "ü 1"]
    data = ArrayData([picture(6, 8)], [mask("multilabel")], class_names=names)
    assert [info.name for info in written(data, tmp_path / "data").classes] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_groups_come_along(tmp_path):
    images, masks = [picture(6, 8) for _ in range(4)], [mask("binary") for _ in range(4)]
    data = ArrayData(images[:2], masks[:2], val_images=images[2:], val_masks=masks[2:], groups=["eve", "eve"])
    dataset = written(data, tmp_path / "data")
    assert [item.group for item in in_order(dataset.labelled)] == ["eve", "eve"]
    assert [item.group for item in in_order(dataset.val)] == ["val-000000", "val-000001"]
    data = ArrayData(images[:2], masks[:2], val_images=images[2:], val_masks=masks[2:], val_groups=["eve"])
    with pytest.raises(IncmaskError, match="val_groups: 1 group for 2 images; give one for each"):
        write_data(data, tmp_path / "other")


def test_classes_that_do_not_occur_are_there_all_the_same(tmp_path):
    data = ArrayData(
        [picture(6, 8)], [mask("binary") * np.int64(1)], task="multiclass", class_names=["ground", "a", "b", "c"]
    )
    dataset = written(data, tmp_path / "data")
    assert (dataset.task, len(dataset.classes)) == ("multiclass", 4)


def test_the_same_arrays_give_the_same_files(tmp_path):
    data = ArrayData([picture(6, 8, 3), picture(6, 8, 5, dtype=np.uint16)], [mask("binary")] * 2)
    for name in ("a", "b"):
        write_data(data, tmp_path / name)
    a, b = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("a", "b")
    )
    assert a == b
    assert len(a) == 5


IMAGE, LABEL = picture(6, 8), mask("binary")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (ArrayData([], []), r"ArrayData\.masks: holds no masks; give some"),
        (ArrayData([IMAGE], []), r"masks: 0 masks for 1 image"),
        (ArrayData([IMAGE[0]], [LABEL]), r"images\[0\]: expected \(H, W\) or \(H, W, C\) numbers, got uint8 \(8,\)"),
        (ArrayData([IMAGE], [LABEL], val_images=[IMAGE]), r"val_masks: 0 masks for 1"),
        (ArrayData([IMAGE], [LABEL[:, :5]]), r"masks\[0\]: has shape \(6, 5\) for an image of \(6, 8\)"),
        (ArrayData([IMAGE], [LABEL * 0.5]), r"masks\[0\]: expected .* integers, got float64"),
        (ArrayData([IMAGE], [LABEL], unlabelled=[np.full((3, 3), np.nan)]), r"unlabelled\[0\]: has no data"),
        (ArrayData([IMAGE, IMAGE], [LABEL, mask("multilabel")]), r"different numbers of axes"),
        (ArrayData([IMAGE], [LABEL * 255]), r"hold 255, which means no label, and nowhere 1; give masks > 0"),
        (ArrayData([IMAGE], [LABEL + 1], task="binary"), r"hold \[2\], binary masks 0 to 1"),
        (ArrayData([IMAGE], [LABEL * np.int16(-1)]), r"hold \[-1\], multiclass masks 0 to 253"),
        (ArrayData([IMAGE], [LABEL], task="multilabel"), r"multilabel masks have 2 axes, expected \(H, W, K\)"),
        (ArrayData([IMAGE], [LABEL], task="regression"), r"ArrayData\.task: is 'regression'; choose one of binary"),
        (ArrayData([IMAGE], [LABEL], class_names=["a", "b"]), r"are \['a', 'b'\]; give 1 different names"),
        (ArrayData([IMAGE], [LABEL * 2], class_names=["a", "b"]), r"give 3 different names"),
        (ArrayData([IMAGE], [mask("multilabel")], class_names=["a", "a", "b"]), r"give 3 different names"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_before_anything_is_written(tmp_path, data, told):
    with pytest.raises(IncmaskError, match=told) as caught:
        write_data(data, tmp_path / "data")
    assert all(len(str(problem).splitlines()) == 1 for problem in caught.value.problems)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_refused_and_stays(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(IncmaskError, match="is there already; remove it, or choose another folder"):
        write_data(ArrayData([IMAGE], [LABEL]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_same_data_may_be_written_again(tmp_path):
    write_data(ArrayData([IMAGE], [LABEL]), tmp_path / "data")
    write_data(ArrayData([IMAGE], [LABEL]), tmp_path / "data")
    with pytest.raises(IncmaskError, match="is there already and holds something else"):
        write_data(ArrayData([IMAGE] * 2, [LABEL] * 2), tmp_path / "data")


def test_nothing_is_left_of_a_folder_that_could_not_be_written(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("incmask.data.images.writers.tifffile.imwrite", full)
    with pytest.raises(IncmaskError, match="No space left"):
        write_data(ArrayData([IMAGE], [LABEL]), tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_the_configuration_says_what_the_masks_mean(tmp_path):
    write_data(ArrayData([IMAGE], [mask("binary", ignored=True)], class_names=["cell"]), tmp_path / "data")
    values = tomllib.loads((tmp_path / "data" / "incmask.toml").read_text(encoding="utf-8"))["data"]
    expected = {"task": "binary", "encoding": "grey", "ignore": 255}
    assert json.dumps({name: values[name] for name in expected}) == json.dumps(expected)
    assert values["classes"] == [{"name": "cell", "value": 1, "colour": [255, 255, 255]}]
