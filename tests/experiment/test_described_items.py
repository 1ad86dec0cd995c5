import hashlib
from dataclasses import replace
from pathlib import Path

from incmask.base.records import json_parts
from incmask.data.dataset import Item
from incmask.experiment.described_items import DescribedItems


def _items(root: Path, outside: Path) -> list[Item]:
    names = ["a/one.png", "two.png", "two_x.png", "two_y.png"]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    outside.write_bytes(b"far")
    one = Item("one", root / names[0], None, 3, 4)
    two = Item("two", root / names[1], (root / names[2], None, root / names[3]), 5, 6, subject="cat")
    return [two, one, replace(one, name="far", masks=(outside,))]


def test_each_image_is_described_by_name_and_in_order(tmp_path):
    found = DescribedItems(_items(tmp_path / "data", tmp_path / "far.png"), tmp_path / "data")

    def digest(name: str) -> str:
        return hashlib.sha256(name.encode()).hexdigest()

    two = {name: digest(name) for name in ("two.png", "two_x.png", "two_y.png")}
    one = {"a/one.png": digest("a/one.png")}
    expected = {
        "two": {"size": [5, 6], "group": "cat", "files": two},
        "one": {"size": [3, 4], "files": one},
        "far": {"size": [3, 4], "files": one | {"../far.png": digest("far")}},
    }
    assert dict(found) == dict(found.items()) == expected
    assert list(found) == ["two", "one", "far"]
    assert len(found) == 3
    assert found == expected
    assert "".join(json_parts({"parts": {"val": found}})) == "".join(json_parts({"parts": {"val": expected}}))


def test_a_part_without_images_is_empty(tmp_path):
    found = DescribedItems([], tmp_path)
    assert not found
    assert dict(found.items()) == {}
    assert "".join(json_parts({"val": found})) == '{\n "val": {}\n}'
