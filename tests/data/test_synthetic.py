"""Made-up fields: the same from the same seed, true to their own rules, and read back from their folder."""

import tomllib

import numpy as np
import pytest
from scipy import ndimage

from incmask.base.errors import IncmaskError
from incmask.data.dataset import DataOptions
from incmask.data.folder.scan import load_dataset
from incmask.data.images.readers import read_label, read_network_image
from incmask.data.synthetic import CLASS_NAMES, make_fields, write_dataset
from incmask.data.synthetic_field import draw_field, position_discs
from incmask.data.synthetic_leaves import draw_leaves

TASKS = tuple(CLASS_NAMES)


def test_shapes_types_and_values():
    for task, shape, values in (
        ("multilabel", (6, 48, 64, 3), [0, 1]),
        ("multiclass", (6, 48, 64), [0, 1, 2, 3]),
        ("binary", (6, 48, 64), [0, 1]),
    ):
        fields = make_fields(6, seed=0, size=(48, 64), task=task)
        assert fields.images.shape == (6, 48, 64, 1)
        assert fields.images.dtype == fields.labels.dtype == np.uint8
        assert fields.labels.shape == shape
        assert np.unique(fields.labels).tolist() == values


def test_fields_depend_on_seed_and_index_alone():
    few, many = make_fields(3, seed=5), make_fields(5, seed=5)
    np.testing.assert_array_equal(few.images, many.images[:3])
    np.testing.assert_array_equal(few.labels, many.labels[:3])
    assert (make_fields(3, seed=6).images != few.images).any((1, 2, 3)).all()
    assert len({image.tobytes() for image in many.images}) == 5


def test_tasks_tell_of_the_same_fields():
    multilabel, multiclass, binary = (make_fields(8, seed=1, task=task) for task in TASKS)
    for other in (multiclass, binary):
        np.testing.assert_array_equal(multilabel.images, other.images)
    alive, dead = multilabel.labels[..., 0] > 0, multilabel.labels[..., 1] > 0
    assert not (alive & dead).any()
    np.testing.assert_array_equal(multiclass.labels == 1, alive)
    np.testing.assert_array_equal(multiclass.labels == 2, dead)
    np.testing.assert_array_equal(binary.labels > 0, alive | dead)


def test_position_discs_by_hand():
    # 20 apart: radius 5; the third is 9 from the second: 2, raised to 3.
    discs = position_discs(np.array([[30.0, 10.0], [30.0, 30.0], [30.0, 39.0]]), (60, 60))
    rows, columns = np.ogrid[:60, :60]
    expected = np.zeros((60, 60), bool)
    for column, radius in ((10, 5), (30, 3), (39, 3)):
        expected |= (rows - 30) ** 2 + (columns - column) ** 2 <= radius**2
    np.testing.assert_array_equal(discs > 0, expected)
    lone = position_discs(np.array([[30.0, 30.0]]), (60, 60))
    np.testing.assert_array_equal(lone > 0, (rows - 30) ** 2 + (columns - 30) ** 2 <= 64)
    assert position_discs(np.empty((0, 2)), (8, 8)).sum() == 0


def test_each_disc_marks_a_cell():
    fields = make_fields(12, seed=2)
    marked = cells = 0
    for alive, dead, position in np.moveaxis(fields.labels, -1, 1):
        discs, num_discs = ndimage.label(position)
        centres = ndimage.center_of_mass(position, discs, range(1, num_discs + 1))
        marked += sum(int((alive | dead)[round(y), round(x)]) for y, x in centres)
        cells += num_discs
    assert cells > 50
    assert marked / cells > 0.95


def test_every_kind_is_common_enough():
    labels = make_fields(40, seed=3, task="multiclass").labels
    shares = [(labels == index).mean() for index in range(4)]
    assert 0.1 < shares[1] < 0.4
    assert 0.015 < shares[2] < 0.15
    assert 0.002 < shares[3] < 0.05
    assert ((labels == 2).any((1, 2))).mean() > 0.5


def test_no_threshold_finds_the_cells():
    fields = make_fields(40, seed=4, task="binary")
    cells, images = fields.labels > 0, fields.images[..., 0].astype(float)
    # The most favourable for a threshold: each image without its own level and contrast.
    levels = np.median(images, (1, 2), keepdims=True)
    images = (images - levels) / images.std((1, 2), keepdims=True)
    ious = []
    for threshold in np.linspace(0.2, 2, 19):
        for guess in (images > threshold, images < -threshold, np.abs(images) > threshold):
            ious.append((guess & cells).sum() / (guess | cells).sum())
    assert 0.2 < max(ious) < 0.6


def test_conditions_differ_between_fields():
    images = make_fields(40, seed=5).images[..., 0].astype(float)
    levels = np.median(images, (1, 2))
    noise = [np.median(np.abs(ndimage.laplace(image))) for image in images]
    assert np.ptp(levels) > 40
    assert max(noise) > 2.5 * min(noise)


def test_larger_fields_hold_more_cells():
    small, large = ([draw_field((side, side), np.random.default_rng([0, i])) for i in range(6)] for side in (64, 192))
    counts = [sum(ndimage.label(field.position)[1] for field in fields) for fields in (small, large)]
    assert 5 < counts[1] / counts[0] < 14


@pytest.mark.parametrize("task", TASKS)
def test_folder_reads_back_as_the_fields(tmp_path, task):
    numbers = {"labelled": 3, "unlabelled": 4, "val": 2, "test": 2}
    write_dataset(tmp_path, **{f"num_{part}": num for part, num in numbers.items()}, seed=9, size=(48, 64), task=task)
    fields = make_fields(sum(numbers.values()), seed=9, size=(48, 64), task=task)
    options = DataOptions.model_validate(tomllib.loads((tmp_path / "incmask.toml").read_text())["data"])
    dataset = load_dataset(tmp_path, options)
    assert dataset.task == task
    assert tuple(info.name for info in dataset.classes) == CLASS_NAMES[task]
    index = 0
    for part, items in dataset.parts():
        assert len(items) == numbers[part]
        for item in items:
            np.testing.assert_array_equal(read_network_image(item.image, channels=1), fields.images[index])
            np.testing.assert_array_equal(read_label(item, dataset), fields.labels[index])
            index += 1
    assert index == sum(numbers.values())


def test_parts_may_be_empty(tmp_path):
    write_dataset(tmp_path, num_labelled=1, num_unlabelled=0, num_val=0, num_test=0, seed=0, size=(32, 32))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["incmask.toml", "labelled"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_labelled": 0}, "labelled"),
        ({"num_test": -1}, "below 0"),
        ({"seed": -1}, "seed"),
        ({"size": (31, 96)}, "size"),
        ({"task": "panoptic"}, "multilabel, multiclass, binary"),
    ],
)
def test_arguments_outside_their_range_are_refused(tmp_path, change, message):
    arguments = {"num_labelled": 1, "num_unlabelled": 1, "num_val": 1, "num_test": 1, "seed": 0, "size": (32, 32)}
    with pytest.raises(IncmaskError, match=message):
        write_dataset(tmp_path, **(arguments | change))
    assert not list(tmp_path.iterdir())
    with pytest.raises(IncmaskError):
        make_fields(0, seed=0)


def test_a_folder_of_leaves_reads_back_as_they_are_drawn(tmp_path):
    numbers = {"labelled": 2, "unlabelled": 2, "val": 1, "test": 0}
    write_dataset(tmp_path, **{f"num_{part}": num for part, num in numbers.items()}, seed=9, size=(48, 64), of="leaves")
    options = DataOptions.model_validate(tomllib.loads((tmp_path / "incmask.toml").read_text())["data"])
    dataset = load_dataset(tmp_path, options)
    assert (dataset.task, [info.name for info in dataset.classes]) == ("binary", ["leaf"])
    for index, item in enumerate(item for _, items in dataset.parts() for item in items):
        image, label = draw_leaves((48, 64), np.random.default_rng([9, index]))
        np.testing.assert_array_equal(read_network_image(item.image, channels=3), image)
        np.testing.assert_array_equal(read_label(item, dataset), label)


def test_leaves_differ_and_few_are_told_by_colour_alone():
    drawn = [draw_leaves((64, 64), np.random.default_rng([1, index])) for index in range(30)]
    shares = [label.mean() for _, label in drawn]
    assert 0.05 < np.mean(shares) < 0.4
    assert min(shares) > 0
    # Red minus green: the best threshold of all images together errs far from seldom.
    redness = np.concatenate([(image[..., 0].astype(int) - image[..., 1]).ravel() for image, _ in drawn])
    truth = np.concatenate([label.ravel() == 1 for _, label in drawn])
    ious = [((redness > at) & truth).sum() / ((redness > at) | truth).sum() for at in range(-60, 60, 5)]
    assert 0.3 < max(ious) < 0.75
