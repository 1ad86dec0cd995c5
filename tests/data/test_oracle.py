import shutil

import numpy as np
import pytest
from PIL import Image

from incmask.base.errors import IncmaskError
from incmask.data.folder.oracle import with_oracle
from incmask.data.folder.scan import load_dataset
from incmask.data.images.readers import read_label
from runs import make_data

PARTS = {"labelled": 2, "unlabelled": 3}


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_masks_from_elsewhere_are_those_that_lay_beside(task, tmp_path):
    data = make_data(tmp_path / "data", task, PARTS)
    with_truth = load_dataset(data)
    truth = [read_label(item, with_truth) for item in with_truth.unlabelled]
    shutil.move(data / "unlabelled" / "masks", tmp_path / "labels")
    bare = load_dataset(data)
    assert all(item.masks is None for item in bare.unlabelled)
    found = with_oracle(bare, tmp_path / "labels")
    for item, wanted in zip(found.unlabelled, truth, strict=True):
        np.testing.assert_array_equal(read_label(item, found), wanted)


def test_an_image_without_a_mask_stays_without(tmp_path):
    data = make_data(tmp_path / "data", "binary", PARTS)
    (data / "unlabelled" / "masks" / "unlabelled 1.png").unlink()
    shutil.move(data / "unlabelled" / "masks", tmp_path / "labels")
    found = with_oracle(load_dataset(data), tmp_path / "labels")
    assert [item.masks is None for item in found.unlabelled] == [False, True, False]


def test_masks_that_do_not_fit_are_told_all_at_once(tmp_path):
    data = make_data(tmp_path / "data", "binary", PARTS, truth=False)
    labels = tmp_path / "labels"
    labels.mkdir()
    with pytest.raises(IncmaskError, match="holds no mask of any of the 3 unlabelled images"):
        with_oracle(load_dataset(data), labels)
    for index in range(2):
        Image.fromarray(np.zeros((5, 6), np.uint8)).save(labels / f"unlabelled {index}.png")
    with pytest.raises(IncmaskError) as caught:
        with_oracle(load_dataset(data), labels)
    assert [problem.what.startswith("has a mask of 6×5 pixels") for problem in caught.value.problems] == [True, True]
