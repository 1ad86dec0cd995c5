"""Situations of shapes as tools write them."""

import json
from pathlib import Path

from of_formats import SQUARE, _areas, _coco, _json, foreign, square
from of_values import grey, save
from situations import MASKS, Outcome, Right, Told, situation


@foreign()
def coco_with_two_corners(root: Path) -> Outcome:
    """A polygon of two corners beside one that has an area: it has no pixels, and that is told."""
    areas = _areas()
    areas[1]["segmentation"] = [*areas[1]["segmentation"], [3.0, 3.0, 60.0, 60.0]]
    _json(root, _coco(areas))
    said = "left out, as it takes three corners to have an area: 1 polygon"
    return Right({"a0": square(), "a1": square()}, said=(said,))


@foreign()
def coco_with_two_corners_alone(root: Path) -> Outcome:
    """An annotation of nothing else: its image is as one without annotations."""
    areas = _areas()
    areas[1]["segmentation"] = [[3.0, 3.0, 60.0, 60.0]]
    _json(root, _coco(areas))
    told = "left out, as it takes three corners to have an area: 1 polygon"
    return Right({"a0": square()}, said=(told, "without annotation and taken as unlabelled"))


@situation(*MASKS)
def napari_shapes(root: Path) -> Outcome:
    """napari's layer of shapes, as CSV: told how it becomes labels."""
    corners = "".join(f"0,polygon,{place},{y},{x}\n" for place, (x, y) in enumerate(SQUARE))
    for number in range(2):
        save(root / f"a{number}.tif", grey(number))
        (root / f"a{number}_shapes.csv").write_text(f"index,shape-type,vertex-index,axis-0,axis-1\n{corners}")
    return Told(("it holds shapes of napari: turn them into labels there",))


@situation(*MASKS)
def via_table(root: Path) -> Outcome:
    """VIA's annotations as CSV: told to export JSON."""
    shape = json.dumps({"name": "polygon", "all_points_x": [8, 40, 40], "all_points_y": [8, 8, 40]})
    quoted = shape.replace('"', '""')
    save(root / "a0.png", grey(0))
    header = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    (root / "via_export_csv.csv").write_text(f'{header}\na0.png,1,"{{}}",1,0,"{quoted}","{{}}"\n')
    return Told(("it holds a table of VIA: export its annotations as JSON",))


@foreign()
def geojson_in_degrees(root: Path) -> Outcome:
    """Buildings on a map, in degrees: all lie within a pixel, and would be drawn as nothing."""
    for number in range(2):
        save(root / f"a{number}.png", grey(number))
        ring = [[12.3, 46.1], [12.301, 46.1], [12.301, 46.102], [12.3, 46.1]]
        shape = {"type": "Polygon", "coordinates": [ring]}
        features = [{"type": "Feature", "properties": {"building": "yes"}, "geometry": shape}]
        (root / f"a{number}.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return Told(("has shapes that are all smaller than a pixel", "gdal_rasterize"))
