"""GeoJSON as QuPath writes it: holes, classes with colours, and what is wrong with it."""

from pathlib import Path
from typing import Any

import pytest

from incmask.base.errors import IncmaskError
from own_data import labels_of, parts_of, plan_of, write_image, write_json

WHOLE = [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]
HOLE = [[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]]
RIGHT = [[6, 0], [8, 0], [8, 2], [6, 2], [6, 0]]


def feature(name: str | None, kind: str, coordinates: Any, **more: Any) -> dict[str, Any]:
    properties = {"objectType": "annotation"}
    if name is not None:
        properties |= {"classification": {"name": name, **more}}
    return {
        "type": "Feature",
        "id": f"id-{name}",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": properties,
    }


def test_holes_stay_open_and_a_collection_is_as_good_as_a_list(tmp_path: Path) -> None:
    features = [
        feature("Tumor: a/b", "Polygon", [WHOLE, HOLE], color=[200, 0, 0]),
        feature("Stroma", "MultiPolygon", [[RIGHT], [HOLE]], colorRGB=-16711936),
        feature("Ignore*", "Polygon", [[[4, 5], [8, 5], [8, 6], [4, 6], [4, 5]]]),
        feature("Stroma", "Point", [1, 1]),
    ]
    for number, content in enumerate((features, {"type": "FeatureCollection", "features": features})):
        root = tmp_path / str(number)
        write_image(root / "images" / "slide.png")
        write_json(root / "annotations" / "slide.geojson", content)
        made = plan_of(root)
        assert (made.task, made.ignored) == ("multiclass", True)
        assert [(info.name, info.colour) for info in made.classes[1:]] == [
            ("Stroma", (0, 255, 0)),
            ("Tumor: a/b", (200, 0, 0)),
        ]
        assert labels_of(made)["slide"] == [
            [2, 2, 2, 2, 0, 0, 1, 1],
            [2, 1, 1, 2, 0, 0, 1, 1],
            [2, 1, 1, 2, 0, 0, 0, 0],
            [2, 2, 2, 2, 0, 0, 0, 0],
            [0] * 8,
            [0] * 4 + [255] * 4,
        ]


def test_overlapping_classes_get_folders_that_any_file_system_takes(tmp_path: Path) -> None:
    write_image(tmp_path / "x.png")
    both = [feature(name, "Polygon", [WHOLE]) for name in ("Tumor: a/b", "tumor_ a_b")]
    write_json(tmp_path / "x.geojson", both)
    made = plan_of(tmp_path)
    assert made.task == "multilabel"
    assert [(info.name, info.value) for info in made.classes] == [
        ("Tumor: a/b", "Tumor_ a_b"),
        ("tumor_ a_b", "tumor_ a_b_2"),
    ]


def test_without_any_class_all_is_foreground_and_an_empty_file_tells_of_background(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_image(tmp_path / f"{name}.png")
    write_json(tmp_path / "a.geojson", [feature(None, "Polygon", [RIGHT])])
    write_json(tmp_path / "b.png.geojson", [])
    made = plan_of(tmp_path)
    assert (made.task, made.classes[0].name) == ("binary", "foreground")
    assert parts_of(made) == {"a": "labelled", "b": "labelled", "c": "unlabelled"}
    assert labels_of(made)["a"][0] == [0] * 6 + [1] * 2
    assert labels_of(made)["b"] == [[0] * 8] * 6


def told_of(root: Path, *features: Any) -> str:
    write_image(root / "x.png")
    write_json(root / "x.geojson", list(features))
    with pytest.raises(IncmaskError) as caught:
        plan_of(root)
    return str(caught.value)


def test_all_broken_features_are_told(tmp_path: Path) -> None:
    told = told_of(
        tmp_path,
        feature("a", "Polygon", [[[0, 0], [1, 1]]]),
        feature("b", "Polygon", [[[0, 0], [1, "x"], [2, 2]]]),
        feature("c", "Circle", []),
        feature("d", "Polygon", [WHOLE], color=[300, 0, 0, 0]),
    )
    assert "x.geojson: feature id-a: has a ring of fewer than three corners" in told
    assert "x.geojson: feature id-b: has wrong coordinates" in told
    assert "x.geojson: feature id-c: has the geometry Circle; Polygon or MultiPolygon is expected" in told
    assert "x.geojson: feature id-d: has a wrong properties.classification.color" in told


def test_a_feature_without_class_beside_others_is_told(tmp_path: Path) -> None:
    told = told_of(tmp_path, feature("a", "Polygon", [WHOLE]), feature(None, "Polygon", [WHOLE]))
    assert "feature id-None: has no properties.classification.name, as others have" in told


def test_a_file_that_is_none_or_has_no_image_is_told(tmp_path: Path) -> None:
    write_json(tmp_path / "y.geojson", [feature("a", "Polygon", [WHOLE])])
    write_json(tmp_path / "z.geojson", {"type": "Topology"})
    told = told_of(tmp_path, feature("a", "Polygon", [WHOLE]))
    assert "y.geojson: names the image y, which is not there" in told
    assert "z.geojson: is no GeoJSON" in told
