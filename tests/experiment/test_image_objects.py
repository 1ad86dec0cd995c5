import numpy as np
import pytest

from incmask.exchange.formats.masks.instances import layers_of
from incmask.experiment import image_objects
from incmask.experiment.image_objects import count_objects, image_objects_csv, image_objects_from_csv
from incmask.method.instances import ObjectChannels
from incmask.method.object_scores import ObjectMatch

CHANNELS = ObjectChannels((0,), 2, 1)


def layers(*boxes):
    ids = np.zeros((20, 40), np.int32)
    for number, (top, left, height, width) in enumerate(boxes, start=1):
        ids[top : top + height, left : left + width] = number
    return layers_of(ids)


def test_objects_are_compared_where_there_is_a_label(monkeypatch):
    truth = layers((2, 2, 10, 10), (2, 12, 10, 10))  # side by side
    label = layers((2, 2, 10, 10), (2, 12, 10, 8), (2, 28, 10, 10))
    assert count_objects(label, truth, CHANNELS) == ObjectMatch(2, 3, 2, 1.0 + 0.8)
    truth[:, 26:] = 255
    assert count_objects(label, truth, CHANNELS) == ObjectMatch(2, 2, 2, 1.0 + 0.8)
    monkeypatch.setattr(image_objects, "can_grow", lambda: False)
    assert count_objects(label, truth, CHANNELS) == ObjectMatch(2, 2)


def test_the_table_is_read_as_it_was_written():
    rows = [
        ("base", "1", "val", "a, b", ObjectMatch(2, 3, 2, 1.7)),
        ("base", "1", "test", "a", ObjectMatch(1, 1)),
        ("base", "1", "val", "c", ObjectMatch(0, 0, 0, 0.0)),
        ("gen-1", "ensemble", "val", "c", ObjectMatch(5, 4, 1, 1 / 3)),
    ]
    text = image_objects_csv(rows)
    assert text.splitlines()[:3] == [
        "stage,model,split,name,true,found,pairs,iou_sum",
        'base,1,val,"a, b",2,3,2,1.7',
        "base,1,test,a,1,1,,0.0",
    ]
    for stage, model, split in {row[:3] for row in rows}:
        found = image_objects_from_csv(text, stage=stage, model=model, split=split)
        assert found == tuple(row[4] for row in rows if row[:3] == (stage, model, split))
    with pytest.raises(ValueError, match="invalid literal"):
        image_objects_from_csv("x\nbase,1,val,a,many,1,1,1\n", stage="base", model="1", split="val")
