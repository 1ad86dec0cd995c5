"""Objects of single labelled images as models find them, and the table of them."""

from collections.abc import Iterable

import numpy as np

from incmask.base.config import IGNORED
from incmask.base.tables import csv_lines, csv_text
from incmask.method.instances import ObjectChannels, can_grow, find_objects
from incmask.method.object_scores import ObjectMatch, match_objects

_HEADER = ("stage", "model", "split", "name", "true", "found", "pairs", "iou_sum")


def count_objects(label: np.ndarray, truth: np.ndarray, channels: ObjectChannels) -> ObjectMatch:
    """Compare the objects of a predicted label with those of the true one, which are found in the same way.

    Args:
        label: 0/1 (H, W, K).
        truth: the same, and ``IGNORED`` where neither is to have anything.
        channels: of both.

    Returns:
        Without pairs where scikit-image is not installed.
    """
    grow = can_grow()
    label = np.where(truth == IGNORED, 0, label)
    found, true = (find_objects(each, channels, grow=grow).ids for each in (label, truth))
    return match_objects(found, true) if grow else ObjectMatch(int(true.max()), int(found.max()))


def image_objects_csv(rows: Iterable[tuple[str, str, str, str, ObjectMatch]]) -> str:
    """Write a line a model and image, from stage, model, split, the image's name, and what was found."""
    return csv_text(_HEADER, ((*names, *_numbers(match)) for *names, match in rows))


def _numbers(match: ObjectMatch) -> tuple[object, ...]:
    pairs = "" if match.num_pairs is None else match.num_pairs
    return match.num_true, match.num_found, pairs, repr(match.iou_sum)


def image_objects_from_csv(text: str, *, stage: str, model: str, split: str) -> tuple[ObjectMatch, ...]:
    """Read of what ``image_objects_csv`` wrote the lines of one model, or of several together.

    Raises:
        ValueError, IndexError: it holds something else.
    """
    _, *lines = csv_lines(text)
    return tuple(
        ObjectMatch(int(line[4]), int(line[5]), int(line[6]) if line[6] else None, float(line[7]))
        for line in lines
        if line[:3] == [stage, model, split]
    )
