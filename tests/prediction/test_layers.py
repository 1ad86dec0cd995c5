import numpy as np
import pytest

from incmask.base.errors import IncmaskError
from incmask.data.dataset import ClassInfo
from incmask.method.labels import labels_of
from incmask.prediction.ensemble import Prediction
from incmask.prediction.layers import ExtraOutputs, LayersWriter, to_bytes

CELL = ClassInfo("cell", (255, 255, 255), 255)


def rows_of(label, inconsistent, disagreement):
    label = np.array(label, np.uint8)
    image = np.zeros((*label.shape[:2], 1), np.uint8)
    probability = np.zeros((1, *label.shape[:2]), np.float32)
    rows = Prediction(label, np.array(inconsistent, bool), probability, np.array(disagreement, np.float32))
    return image, rows


def test_counts_by_hand_over_two_parts(tmp_path):
    with LayersWriter(tmp_path, "a", (3, 4), task="binary", classes=[CELL], pictures=ExtraOutputs()) as writer:
        writer.add(*rows_of([[1, 0, 0, 1], [1, 0, 0, 0]], [[1, 0, 0, 0], [0, 0, 0, 0]], [[0.5, 0, 0, 0], [0] * 4]))
        writer.add(*rows_of([[0, 1, 0, 1]], [[0, 0, 1, 1]], [[0, 0, 0.25, 0.25]]))
        layers = writer.finish()
    assert layers.inconsistent_fraction == 3 / 12
    assert layers.disagreement == 1 / 12
    assert layers.class_pixels == (5,)
    # Corners hold together: the first object goes on in the second part, the other two stand alone.
    assert layers.num_objects == (3,)
    assert layers.files == ("inconsistent/a.png", "disagreement/a.png", "masks/a.png")
    assert all((tmp_path / file).is_file() for file in layers.files)


def test_nothing_is_written_before_the_end(tmp_path):
    with LayersWriter(tmp_path, "a", (2, 2), task="binary", classes=[CELL], pictures=ExtraOutputs()) as writer:
        writer.add(*rows_of([[1, 0]], [[0, 0]], [[0, 0]]))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", ""])
def test_names_stay_inside(tmp_path, name):
    with (
        LayersWriter(tmp_path / "out", name, (1, 2), task="binary", classes=[CELL], pictures=ExtraOutputs()) as writer,
        pytest.raises(IncmaskError, match="is no name for a file inside"),
    ):
        writer.add(*rows_of([[1, 0]], [[0, 0]], [[0, 0]]))


def test_the_ground_of_exclusive_classes_has_no_objects():
    assert list(labels_of("binary").object_classes(1)) == [0]
    assert list(labels_of("multilabel").object_classes(2)) == [0, 1]
    assert list(labels_of("multiclass").object_classes(3)) == [1, 2]


def test_shares_become_bytes():
    assert to_bytes(np.array([0, 0.25, 0.5, 1, 1.0001, -0.1], np.float32)).tolist() == [0, 64, 128, 255, 255, 0]
