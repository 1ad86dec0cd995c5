"""Folders as people really have them: each situation through each entry point."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from entry_points import Seen, look_of
from situations import SITUATIONS, Right, Told
from table import TABLE, page

from incmask.base.errors import IncmaskError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "inputs.md"


@pytest.fixture(autouse=True)
def _unflushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files not wait for the disk, which is most of what so many take."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.parametrize(("name", "entry"), TABLE, ids=["-".join(row) for row in TABLE])
def test_what_is_right_is_seen_or_told(name: str, entry: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    expected = SITUATIONS[name].outcomes(root)[entry]
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


def test_the_page_has_all_situations() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python docs/make_inputs.py`"


def _of_class(label: np.ndarray, index: int) -> np.ndarray:
    return label[..., index] == 1 if label.ndim == 3 else label == index


def _percents(labels: Sequence[np.ndarray], num_classes: int) -> list[float]:
    """Give how many of the pixels that have a label are of each class."""
    ids = [1] if num_classes == 1 else range(num_classes)
    num_all = sum(label[..., 0].size if label.ndim == 3 else label.size for label in labels)
    num_ignored = sum((label == 255).sum() / max(1, label.ndim > 2 and label.shape[2]) for label in labels)
    found = (sum(_of_class(label, index).sum() for label in labels) for index in ids)
    return [100 * num / (num_all - num_ignored) for num in found]


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
    if seen.class_percents is not None:
        assert seen.class_percents == pytest.approx(_percents(labelled, right.num_classes), rel=0.006)
    if seen.parts is not None:
        assert {name: seen.parts.get(name) for name in right.parts} == dict(right.parts)
    if seen.said:
        assert [words for words in right.said if words not in seen.said] == [], seen.said
        assert [words for words in right.unsaid if words in seen.said] == [], seen.said
