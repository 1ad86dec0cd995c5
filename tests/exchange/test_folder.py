"""A person's own folder as a whole: layouts, archives, intensities, and what is written from it."""

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from incmask.base.choosing import CONFIG_NAME
from incmask.base.errors import IncmaskError
from incmask.data.dataset import DataOptions
from incmask.data.folder.scan import load_dataset
from incmask.data.images.readers import read_label, to_network_range
from incmask.data.images.writers import path_inside, write_label, write_png
from incmask.exchange.prepare.plan import Plan
from own_data import examples_of, labels_of, parts_of, plan_of, write_image, write_json


def write(made: Plan, root: Path) -> DataOptions:
    """Write a plan as the library does, and give the options that tell of its classes."""
    for example in examples_of(made).values():
        write_png(path_inside(root / example.place.part / "images", example.place.name), example.image[..., 0])
        if example.label is not None:
            folder = root / example.place.part / "masks"
            name = example.place.name
            write_label(folder, name, example.label, task=made.task, classes=made.classes, ignored=made.ignored)
    classes = [{"name": info.name, "value": info.value, "colour": info.colour} for info in made.classes]
    return DataOptions.model_validate({"task": made.task, "classes": classes, "position_class": made.position_class})


@pytest.mark.parametrize("layout", ["labelme", "overlapping", "instances", "binary"])
def test_a_scan_reads_back_what_was_planned(tmp_path: Path, layout: str) -> None:
    source = tmp_path / "source"
    generator = np.random.default_rng(3)
    for number in range(6):
        write_image(source / "images" / f"x{number}.png", generator.integers(0, 256, (20, 24), dtype=np.uint8))
        left = 2 + number
        boxes = {"cell": (left, 2, left + 8, 10), "dirt: b/c": (1, 12, 9, 19)}
        if layout == "overlapping":
            boxes["dirt: b/c"] = boxes["cell"]
        if layout == "binary":
            del boxes["dirt: b/c"]
        shapes = [
            {"label": name, "shape_type": "rectangle", "points": [[x0, y0], [x1, y1]]}
            for name, (x0, y0, x1, y1) in boxes.items()
        ]
        if layout == "instances":
            mask = np.kron(np.arange(120, dtype=np.uint16).reshape(10, 12), np.ones((2, 2), np.uint16))
            (source / "labels").mkdir(exist_ok=True)
            tifffile.imwrite(source / "labels" / f"x{number}.tif", mask)
        else:
            write_json(source / "images" / f"x{number}.json", {"imagePath": f"x{number}.png", "shapes": shapes})
    made = plan_of(source, val_fraction=0.2, test_fraction=0.2, labelled_fraction=0.5)
    assert [(count.name, count.found) for count in made.counts] == [("images found", 6), ("images with a label", 6)]
    parts = [*parts_of(made).values()]
    assert [parts.count(part) for part in ("labelled", "unlabelled", "val", "test")] == [2, 2, 1, 1]
    root = tmp_path / "written"
    options = write(made, root)
    data = load_dataset(root, options)
    assert (data.task, data.classes, data.position_class) == (made.task, made.classes, made.position_class)
    expected = labels_of(made)
    items = [*data.labelled, *data.val, *data.test, *data.unlabelled]
    assert len(items) == 6
    for item in items:
        assert read_label(item, data).tolist() == expected[item.name]


def test_an_archive_is_as_good_as_a_folder_and_works_go_to_other_processes(tmp_path: Path) -> None:
    write_image(tmp_path / "one" / "images" / "x.png", size=(1, 2))
    write_image(tmp_path / "one" / "masks" / "x.png", np.array([[0, 255]], np.uint8))
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        for path in sorted((tmp_path / "one").rglob("*.png")):
            archive.write(path, f"data/{path.relative_to(tmp_path / 'one')}")
    unpacked, zipped = plan_of(tmp_path / "one"), plan_of(tmp_path / "two.zip")
    assert (unpacked.title, zipped.title) == ("one", "two")
    assert parts_of(unpacked) == parts_of(zipped) == {"x": "labelled"}
    (example,) = pickle.loads(pickle.dumps(zipped.works[0])).make()  # noqa: S301
    assert example.label.tolist() == [[0, 1]]
    assert example.place == zipped.works[0].places[0]


def test_deep_images_are_scaled_and_alpha_is_dropped(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 4000, (5, 6), dtype=np.uint16)
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "x.tif", deep)
    write_image(tmp_path / "masks" / "x.png", 255, size=(5, 6))
    (example,) = examples_of(plan_of(tmp_path)).values()
    assert np.array_equal(example.image, to_network_range(deep[..., None], 1))
    (tmp_path / CONFIG_NAME).write_text("[data]\nintensity = [0.0, 4000.0]\n")
    (example,) = examples_of(plan_of(tmp_path)).values()
    assert np.array_equal(example.image[..., 0], np.rint(deep * (255 / 4000)).astype(np.uint8))
    bands = np.arange(150, dtype=np.uint8).reshape(5, 6, 5)
    tifffile.imwrite(tmp_path / "images" / "x.tif", bands, planarconfig="contig")
    (example,) = examples_of(plan_of(tmp_path)).values()
    assert np.array_equal(example.image, bands)


def test_an_unknown_layout_and_a_broken_options_file_are_told(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "x.png")
    write_image(tmp_path / "masks" / "x.png", 255)
    with pytest.raises(IncmaskError, match="'voc' is not known; use one of pairs, class-folders"):
        plan_of(tmp_path, layout="voc")
    (tmp_path / CONFIG_NAME).write_text("[data]\ntask = 7\n")
    with pytest.raises(IncmaskError, match=r"incmask.toml \[data\]"):
        plan_of(tmp_path)
    (tmp_path / CONFIG_NAME).write_text("[data")
    with pytest.raises(IncmaskError, match="is no readable TOML file"):
        plan_of(tmp_path)


def test_a_position_class_must_be_there(tmp_path: Path) -> None:
    for name in ("alive", "dead"):
        write_image(tmp_path / "masks" / name / "x.png", 255)
    write_image(tmp_path / "images" / "x.png")
    (tmp_path / CONFIG_NAME).write_text('[data]\nposition_class = "dead"\n')
    assert plan_of(tmp_path).position_class == "dead"
    (tmp_path / CONFIG_NAME).write_text('[data]\nposition_class = "seed"\n')
    with pytest.raises(IncmaskError, match="there are alive, dead"):
        plan_of(tmp_path)


def test_other_json_files_do_not_matter(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "x.png")
    write_image(tmp_path / "masks" / "x.png", 255)
    (tmp_path / "a.json").write_text("{")
    write_json(tmp_path / "package.json", {"name": "x"})
    write_json(tmp_path / "list.json", [1, 2])
    assert json.loads((tmp_path / "list.json").read_text()) == [1, 2]
    assert plan_of(tmp_path).task == "binary"


def test_nothing_annotated_is_told(tmp_path: Path) -> None:
    write_image(tmp_path / "x.png")
    write_json(tmp_path / "x.geojson", [])
    with pytest.raises(IncmaskError, match="holds no annotated areas"):
        plan_of(tmp_path)


def test_names_in_folders_of_parts_stay_apart(tmp_path: Path) -> None:
    for part in ("train", "val"):
        for name in ("a", "b"):
            write_image(tmp_path / part / "images" / f"{name}.png")
            write_image(tmp_path / part / "masks" / f"{name}.png", 255)
    found = {(place.part, place.name) for place in plan_of(tmp_path).sources}
    assert found == {("labelled", "train/a"), ("labelled", "train/b"), ("val", "val/a"), ("val", "val/b")}


def test_masks_beside_annotations_are_no_images(tmp_path: Path) -> None:
    for name in ("train/images/a", "test/images/b", "train/masks/a"):
        write_image(tmp_path / f"{name}.png")
    for part, name in (("train", "a"), ("test", "b")):
        shape = {"label": "cell", "shape_type": "rectangle", "points": [[0, 0], [1, 1]]}
        write_json(tmp_path / part / "images" / f"{name}.json", {"imagePath": f"{name}.png", "shapes": [shape]})
    made = plan_of(tmp_path)
    assert parts_of(made) == {"a": "labelled", "b": "test"}
    assert any("1 image is left out, in folders for masks" in note for note in made.notes)
