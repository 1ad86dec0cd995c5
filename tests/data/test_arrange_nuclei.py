import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from trees import picture, save, scan_ok

from incmask.data.images.readers import read_label

ROOT = Path(__file__).parents[2]
NUCLEI = ROOT.parent / "shared" / "data" / "nuclei"


@pytest.fixture(scope="module")
def arranging():
    spec = importlib.util.spec_from_file_location("arrange_nuclei", ROOT / "examples" / "arrange_nuclei.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_layers_of_touching_and_lone_nuclei(arranging):
    instances = np.zeros((40, 60), np.uint16)
    instances[5:15, 5:15] = 1
    instances[5:15, 15:25] = 300
    label = arranging.label_of(instances, multilabel=True)
    np.testing.assert_array_equal(label[..., 0], instances > 0)
    assert label[10, 14:16, 1].tolist() == [1, 1]  # the seam between both
    assert label[10, 10, 1] == 0
    assert label[10, 4, 1] == 0  # outside the body
    # Centroids (9.5, 9.5) and (9.5, 19.5) are 10 pixels apart: the radius is clipped to 3.
    assert label[:, 5:15, 2].any(axis=0).sum() == 7
    instances[instances == 300] = 0
    lone = arranging.label_of(instances, multilabel=True)[..., 2]
    assert lone.any(axis=1).sum() == 17  # twice the radius of 8, and the middle


def test_no_nuclei_give_empty_layers(arranging):
    assert arranging.label_of(np.zeros((4, 5), np.uint16), multilabel=True).max() == 0


def test_arranges_made_up_nuclei(arranging, tmp_path):
    ids = np.zeros((20, 20), np.uint16)
    ids[4:9, 4:9] = 700
    split = {part: [f"{part}.png"] for part in ("labelled", "unlabelled", "val", "test")}
    for seed, part in enumerate(split):
        save(tmp_path / "src" / "images" / f"{part}.png", picture(seed, height=20, width=20))
        save(tmp_path / "src" / "labels" / f"{part}.png", ids)
    (tmp_path / "src" / "split.json").write_text(json.dumps(split))
    arranging.arrange(tmp_path / "src", tmp_path / "plain")
    dataset = scan_ok(tmp_path / "plain")
    assert [len(items) for _, items in dataset.parts()] == [1, 1, 1, 1]
    assert dataset.unlabelled[0].masks is None
    np.testing.assert_array_equal(read_label(dataset.val[0], dataset), ids > 0)
    arranging.arrange(tmp_path / "src", tmp_path / "layers", multilabel=True, with_truth=True)
    dataset = scan_ok(tmp_path / "layers")
    assert {info.name for info in dataset.classes} == {"body", "border", "centre"}
    assert dataset.position_class == "centre"
    assert dataset.unlabelled[0].masks is not None


@pytest.mark.skipif(not NUCLEI.is_dir(), reason="the nuclei are not there")
def test_arranges_a_handful_of_nuclei(arranging, tmp_path):
    split = {part: names[:3] for part, names in json.loads((NUCLEI / "split.json").read_text()).items()}
    for part in ("images", "labels"):
        (tmp_path / "src" / part).mkdir(parents=True)
        for name in (name for names in split.values() for name in names):
            shutil.copyfile(NUCLEI / part / name, tmp_path / "src" / part / name)
    (tmp_path / "src" / "split.json").write_text(json.dumps(split))
    arranging.arrange(tmp_path / "src", tmp_path / "dst")
    dataset = scan_ok(tmp_path / "dst")
    assert (dataset.task, [len(items) for _, items in dataset.parts()]) == ("binary", [3, 3, 3, 3])
    assert 0 < dataset.statistics.class_pixels[0] < dataset.statistics.total_pixels
