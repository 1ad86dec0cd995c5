"""Folders as people really have them: each situation through each entry point."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import of_formats  # noqa: F401 - the same
import of_masks  # noqa: F401 - the same
import of_objects  # noqa: F401 - the same
import of_trees  # noqa: F401 - the same
import of_values  # noqa: F401 - enters its situations
import of_walks  # noqa: F401 - the same
import pytest
from entry_points import Seen, look_of
from situations import SITUATIONS, Right, Told, outcome_of

from incmask.base.errors import IncmaskError

TABLE = [(name, entry) for name, each in SITUATIONS.items() for entry in each.entries]


@pytest.mark.parametrize(("name", "entry"), TABLE, ids=["-".join(row) for row in TABLE])
def test_what_is_right_is_seen_or_told(name: str, entry: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    expected = outcome_of(SITUATIONS[name].write(root), entry)
    if isinstance(expected, Told):
        with pytest.raises(IncmaskError) as caught:
            look_of(entry, expected.then and replace(expected.then, options={}))(root)
        message = str(caught.value)
        missing = [words for words in (*expected.words, expected.line) if words not in message]
        assert not missing, message
        if expected.then is None:
            return
        with (root / "incmask.toml").open("a") as file:
            file.write(f"[data]\n{expected.line}\n")
        expected = expected.then
    check_seen(look_of(entry, expected)(root), expected)


def _of_class(label: np.ndarray, index: int) -> np.ndarray:
    return label[..., index] == 1 if label.ndim == 3 else label == index


def check_seen(seen: Seen, right: Right) -> None:
    """Compare what was seen with what is right, as far as the entry point tells."""
    for name, image in right.images.items():
        if seen.images:
            assert seen.images[name].shape == image.shape
            np.testing.assert_allclose(seen.images[name].astype(int), image.astype(int), atol=right.within)
    if seen.labels is not None:
        assert sorted(seen.labels) == sorted(right.labels)
        for name, label in right.labels.items():
            np.testing.assert_array_equal(seen.labels[name], label, err_msg=name)
    if seen.num_classes is not None:
        assert seen.num_classes == right.num_classes, seen.said
    labelled = [label for name, label in right.labels.items() if right.parts.get(name, "labelled") == "labelled"]
    if seen.class_pixels is not None and right.num_classes > 1:
        assert seen.class_pixels == tuple(
            sum(int(_of_class(label, index).sum()) for label in labelled) for index in range(right.num_classes)
        )
    if seen.class_pixels is not None and right.num_classes == 1:
        assert seen.class_pixels == (sum(int((label == 1).sum()) for label in labelled),)
    if seen.parts is not None:
        assert {name: seen.parts.get(name) for name in right.parts} == dict(right.parts)
    if seen.said:
        assert [words for words in right.said if words not in seen.said] == [], seen.said
        assert [words for words in right.unsaid if words in seen.said] == [], seen.said
