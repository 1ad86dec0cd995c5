"""COCO files: polygons, both run-length codes, categories, and what is wrong with them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.errors import IncmaskError
from incmask.exchange.formats.coco_records import decode_counts
from own_data import examples_of, labels_of, parts_of, plan_of, write_image, write_json


def annotation(number: int, image: int, category: int, segmentation: Any, **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "segmentation": segmentation, **more}


def box(left: float, top: float, right: float, bottom: float) -> list[float]:
    return [left, top, right, top, right, bottom, left, bottom]


def write_set(root: Path, annotations: list[dict[str, Any]], *, categories: tuple[str, ...] = ("cell", "dirt")) -> None:
    """Three images of 3×4 in a folder of their own, and a file of annotations elsewhere."""
    for name in ("a", "b", "c"):
        write_image(root / "pictures" / f"{name}.png", size=(3, 4))
    images = [
        {"id": number, "file_name": f"{name}.png", "height": 3, "width": 4}
        for number, name in enumerate(("a", "b"), start=1)
    ]
    listed = [{"id": number, "name": name} for number, name in enumerate(categories, start=1)]
    content = {"images": images, "annotations": annotations, "categories": listed}
    write_json(root / "annotations" / "instances.json", content)


def slow_decode(text: str) -> list[int]:
    """The published decoder's arithmetic, spelt out digit by digit."""
    found: list[int] = []
    at = 0
    while at < len(text):
        groups = []
        while True:
            groups.append(ord(text[at]) - 48)
            at += 1
            if groups[-1] < 32:
                break
        value = sum((group % 32) * 32**place for place, group in enumerate(groups))
        if groups[-1] % 32 >= 16:
            value -= 32 ** len(groups)
        found.append(value + (found[len(found) - 2] if len(found) > 2 else 0))
    return found


def encode(lengths: list[int]) -> str:
    """Write run lengths as COCO's text, two's complement in groups of 5 bits."""
    text = ""
    for place, length in enumerate(lengths):
        value = length - (lengths[place - 2] if place > 2 else 0)
        while True:
            group, value = value & 31, value >> 5
            done = value == (-1 if group & 16 else 0)
            text += chr(48 + group + (0 if done else 32))
            if done:
                break
    return text


def test_a_text_of_run_lengths_worked_by_hand() -> None:
    # "6" is 6; "2" is 2; "Q1": 33 = 32 + 1 goes on with 1, then 1: 1 + 32 = 33; "O": 31 is -1, so 2 - 1 = 1.
    assert decode_counts("62Q1O").tolist() == [6, 2, 33, 1]


@given(st.lists(st.integers(0, 100_000), max_size=12))
def test_run_lengths_come_back_and_agree_with_a_slow_loop(lengths: list[int]) -> None:
    text = encode(lengths)
    assert decode_counts(text).tolist() == slow_decode(text) == lengths


@pytest.mark.parametrize("text", ["P", "\x10", "é", "O", "PPPPPPPPPPPP1"])
def test_a_broken_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="run"):
        decode_counts(text)


def test_polygons_and_run_lengths_become_ids_and_bare_images_are_unlabelled(tmp_path: Path) -> None:
    lengths = [3, 2, 7]  # down the columns of 3: the two upper pixels of the second
    for number, counts in enumerate((lengths, encode(lengths))):
        root = tmp_path / str(number)
        write_set(
            root,
            [
                annotation(1, 1, 1, [box(0, 0, 1, 2), box(3, 1, 4, 3)]),
                annotation(2, 1, 2, {"size": [3, 4], "counts": counts}, iscrowd=1),
            ],
        )
        made = plan_of(root)
        assert made.task == "multiclass"
        assert [(info.name, info.value) for info in made.classes] == [("background", 0), ("cell", 1), ("dirt", 2)]
        assert labels_of(made) == {"a": [[1, 2, 0, 0], [1, 2, 0, 1], [0, 0, 0, 1]], "b": None, "c": None}
        assert parts_of(made) == {"a": "labelled", "b": "unlabelled", "c": "unlabelled"}
        assert any(note.startswith("2 images are without annotation") for note in made.notes)
        assert any(note.startswith("1 crowds are areas") for note in made.notes)


def test_overlapping_categories_are_multilabel_and_one_category_is_binary(tmp_path: Path) -> None:
    write_set(tmp_path / "both", [annotation(1, 1, 1, [box(0, 0, 4, 3)]), annotation(2, 1, 2, [box(1, 0, 4, 3)])])
    made = plan_of(tmp_path / "both")
    assert made.task == "multilabel"
    assert [info.value for info in made.classes] == ["cell", "dirt"]
    label = examples_of(made)["a"].label
    assert label is not None
    assert label[0].tolist() == [[1, 0], [1, 1], [1, 1], [1, 1]]

    write_set(tmp_path / "one", [annotation(1, 1, 2, [box(0, 0, 4, 1)])])
    made = plan_of(tmp_path / "one")
    assert (made.task, made.classes[0].name, made.classes[0].value) == ("binary", "dirt", 255)
    assert labels_of(made)["a"] == [[1] * 4, [0] * 4, [0] * 4]
    assert any("no shape has them: the classes cell" in note for note in made.notes)


def test_classes_that_the_options_name_are_kept_in_their_order(tmp_path: Path) -> None:
    write_set(
        tmp_path,
        [annotation(number, 1, number, [box(number - 1, 0, number, 3)]) for number in (1, 2, 3)],
        categories=("cell", "dirt", "hair"),
    )
    (tmp_path / "incmask.toml").write_text('[data]\nclasses = [{name = "hair", colour = [9, 8, 7]}, {name = "cell"}]\n')
    made = plan_of(tmp_path)
    assert [info.name for info in made.classes] == ["background", "hair", "cell"]
    assert made.classes[1].colour == (9, 8, 7)
    assert labels_of(made)["a"] == [[2, 0, 1, 0]] * 3
    assert any("dirt" in note and "incmask.toml" in note for note in made.notes)


def test_images_told_to_be_labelled_without_annotation_show_background(tmp_path: Path) -> None:
    write_set(tmp_path, [annotation(1, 1, 1, [box(0, 0, 1, 1)])])
    (tmp_path / "split.csv").write_text("source,part\na,labelled\npictures/b.png,val\n")
    made = plan_of(tmp_path)
    assert parts_of(made) == {"a": "labelled", "b": "val", "c": "unlabelled"}
    assert labels_of(made)["b"] == [[0] * 4] * 3


def test_files_of_several_folders_are_joined_and_tell_the_parts(tmp_path: Path) -> None:
    for part, category in (("train", "cell"), ("valid", "dirt")):
        write_image(tmp_path / part / "x.jpg", size=(3, 4))
        content = {
            "images": [{"id": 5, "file_name": "x.jpg", "height": 3, "width": 4}],
            "annotations": [annotation(1, 5, 0, [box(0, 0, 1, 1)])],
            "categories": [{"id": 0, "name": category}],
        }
        write_json(tmp_path / part / "_annotations.coco.json", content)
    made = plan_of(tmp_path, val_fraction=0.5)
    assert {(place.part, place.name) for place in made.sources} == {("labelled", "train/x"), ("val", "valid/x")}
    made_labels = labels_of(made)
    assert made_labels["train/x"][0] == [1, 0, 0, 0]
    assert made_labels["valid/x"][0] == [2, 0, 0, 0]


def problem_of(root: Path) -> str:
    with pytest.raises(IncmaskError) as caught:
        plan_of(root)
    return str(caught.value)


def test_all_broken_annotations_are_told_by_their_id(tmp_path: Path) -> None:
    write_set(
        tmp_path,
        [
            annotation(11, 1, 1, [[0, 0, 1, 1, 2]]),
            annotation(12, 1, 9, [box(0, 0, 1, 1)]),
            annotation(13, 7, 1, [box(0, 0, 1, 1)]),
            annotation(14, 1, 1, {"size": [3, 4], "counts": [3, 2]}),
            annotation(15, 1, 1, {"size": [30000, 40000], "counts": [1_200_000_000]}),
            annotation(16, 1, 1, []),
            annotation(17, 1, 1, [[0, 0, 1, 1, 2, "x"]]),
            annotation(18, 1, 1, {"size": [3, 4], "counts": "~~"}),
            annotation(19, 1, 1, [box(50, 50, 60, 60)]),
            annotation(20, 1, 1, {"size": [6, 2], "counts": [12]}),
        ],
    )
    told = problem_of(tmp_path)
    for number, what in {
        11: "polygon of 5 numbers",
        12: "category_id 9, which the file does not list",
        13: "image_id 7, which the file does not list",
        14: "run lengths for 5 pixels where its image has 12",
        15: "wrong segmentation",
        16: "has no segmentation",
        17: "wrong segmentation",
        18: "broken run lengths",
        19: "outside its image of 4×3",
        20: "run lengths for 2×6 pixels in an image of 4×3",
    }.items():
        (line,) = [line for line in told.splitlines() if f"annotation {number}:" in line]
        assert what in line


def test_an_image_that_lacks_and_one_of_another_size_are_told(tmp_path: Path) -> None:
    write_set(tmp_path, [annotation(1, 1, 1, [box(0, 0, 1, 1)])])
    write_image(tmp_path / "pictures" / "a.png", size=(5, 5))
    with pytest.raises(IncmaskError, match=r"image 1: tells of an image of 4×3 pixels where it has 5×5"):
        examples_of(plan_of(tmp_path))
    (tmp_path / "pictures" / "b.png").unlink()
    assert "image 2: names the image b.png, which is not there" in problem_of(tmp_path)


def test_a_name_that_two_images_have_is_told(tmp_path: Path) -> None:
    write_set(tmp_path, [annotation(1, 1, 1, [box(0, 0, 1, 1)])])
    write_image(tmp_path / "copies" / "a.png", size=(3, 4))
    assert "may be any of copies/a.png, pictures/a.png" in problem_of(tmp_path)


def test_many_problems_are_told_in_part(tmp_path: Path) -> None:
    write_set(tmp_path, [annotation(number, 1, 1, []) for number in range(100)])
    lines = problem_of(tmp_path).splitlines()
    assert len(lines) == 31
    assert lines[-1].startswith("70 more like these")


def test_the_task_can_be_told(tmp_path: Path) -> None:
    write_set(tmp_path, [annotation(1, 1, 1, [box(0, 0, 4, 3)]), annotation(2, 1, 2, [box(1, 0, 4, 3)])])
    (tmp_path / "incmask.toml").write_text('[data]\ntask = "multiclass"\n')
    assert labels_of(plan_of(tmp_path))["a"] == [[1, 2, 2, 2]] * 3
    assert np.array(labels_of(plan_of(tmp_path, layout="coco"))["a"]).shape == (3, 4)
