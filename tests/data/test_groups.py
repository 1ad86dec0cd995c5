"""Groups of a data folder: who tells them, what is said of them, and images that are equal."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from trees import only_problem, options, patches, picture, save, scan_ok, tree

from incmask.data.dataset import PARTS, Item
from incmask.data.folder.check import describe
from incmask.data.folder.copies import find_copies, joined
from incmask.data.folder.scan import scan
from incmask.data.images.readers import pixel_digest

CELLS = patches(0, 255)


def folder(root, **names):
    """Write a folder with images of these names in each part, all different."""
    for seed, (part, of_part) in enumerate(names.items()):
        for number, name in enumerate(of_part):
            save(root / part / "images" / f"{name}.png", picture(1000 * seed + number))
            if part != "unlabelled":
                save(root / part / "masks" / f"{name}.png", CELLS)
    return root


def slices(*patients, num=2):
    return [f"patient{patient}_slice_{number}" for patient in patients for number in range(num)]


def groups_of(dataset, part="labelled"):
    return {item.name: item.group for item in getattr(dataset, part)}


def notes_of(dataset, word):
    return [note for note in dataset.notes if word in note]


def test_plain_names_stand_for_themselves(tmp_path):
    dataset = scan_ok(folder(tmp_path, labelled=["img_1", "img_2", "img_3"], test=["img_4"]))
    assert {item.subject for _, items in dataset.parts() for item in items} == {None}
    assert groups_of(dataset) == {"img_1": "img_1", "img_2": "img_2", "img_3": "img_3"}
    assert "groups: each image for itself; group tells which show the same subject" in describe(dataset)


def test_names_tell_and_check_says_so(tmp_path):
    parts = {"labelled": slices(1, 2), "unlabelled": slices(1, 3, num=3), "val": slices(4), "test": slices(5, 3)}
    dataset = scan_ok(folder(tmp_path, **parts))
    assert groups_of(dataset) == {name: name[:8] for name in parts["labelled"]}
    assert groups_of(dataset, "test") == {name: name[:8] for name in parts["test"]}
    assert describe(dataset)[-2:] == [
        "note: groups by names: labelled 2, unlabelled 2, val 1, test 2, such as patient1 of patient1_slice_0 and "
        "patient1_slice_1; validation and folds keep them whole (group changes this)",
        "note: 1 groups are in unlabelled and in test, so scores say less about new ones: patient3",
    ]


def test_groups_across_parts_are_told(tmp_path):
    parts = {"labelled": slices(1, 2, 3, 4, num=1), "val": slices(2, 5), "test": slices(3, 4, 1, 2)}
    dataset = scan_ok(folder(tmp_path, **parts))
    assert notes_of(dataset, "say less") == [
        "1 groups are in labelled and in val, so scores say less about new ones: patient2",
        "4 groups are in labelled and in test, so scores say less about new ones: patient1, patient2, patient3, …",
        "1 groups are in val and in test, so scores say less about new ones: patient2",
    ]
    assert notes_of(dataset, "1 name is in labelled and in val; if their images show the same, scores are too good")


def test_names_of_unlabelled_images_may_tell_nothing(tmp_path):
    parts = {"labelled": slices(1, 2), "unlabelled": [f"download {letter}" for letter in "abcdefgh"]}
    dataset = scan_ok(folder(tmp_path, **parts))
    assert {*groups_of(dataset).values()} == {"patient1", "patient2"}
    assert {item.subject for item in dataset.unlabelled} == {None}


def test_none_takes_each_for_itself(tmp_path):
    dataset = scan_ok(folder(tmp_path, labelled=slices(1, 2)), group="none")
    assert groups_of(dataset) == {name: name for name in slices(1, 2)}
    assert not notes_of(dataset, "group")


def test_a_single_subject_is_told(tmp_path):
    dataset = scan_ok(folder(tmp_path, labelled=slices(1, num=4)))
    (note,) = notes_of(dataset, "one subject")
    assert note.startswith("all names begin with patient1")
    assert groups_of(dataset) == {name: name for name in slices(1, num=4)}
    dataset = scan_ok(tmp_path, group=r"patient\d")
    assert {*groups_of(dataset).values()} == {"patient1"}
    assert notes_of(dataset, "all labelled images are of one group, patient1")


@pytest.mark.parametrize("pattern", [r"day\d_(\w)", r"(?<=_)\w$", r"_(\w)|(x)"])
def test_a_pattern_tells(tmp_path, pattern):
    dataset = scan_ok(folder(tmp_path, labelled=["day1_a", "day2_a", "day1_b"], unlabelled=["odd"]), group=pattern)
    assert groups_of(dataset) == {"day1_a": "a", "day2_a": "a", "day1_b": "b"}
    assert dataset.unlabelled[0].subject is None


@pytest.mark.parametrize(
    ("group", "told"),
    [
        ("(", "group: '(' is no regular expression (missing ), unterminated subpattern at position 0); choose auto"),
        (
            "patinet",
            "group patinet: tells no group of 3 images: labelled/img_1, labelled/img_2, val/img_3; give one that",
        ),
        (
            "img_[12]",
            "group img_[12]: tells no group of 1 image: val/img_3; give one that fits all names, or choose auto",
        ),
        ("lost.csv", "group lost.csv: is not there; name a CSV file with the columns name and group"),
        ("other.csv", "other.csv: has no columns name and group, but file, slide; write a line name,group"),
        ("empty.csv", "empty.csv: has no columns name and group, but no row"),
        ("short.csv", "group short.csv: tells no group of 1 image: val/img_3; add a row name,group for each"),
        ("twice.csv", "twice.csv, row 3: puts img_1 into the group b, and row 2 into a; keep one"),
        ("bytes.csv", "bytes.csv: is no readable table"),
    ],
)
def test_wrong_groups_end_in_an_error_with_a_remedy(tmp_path, group, told):
    folder(tmp_path, labelled=["img_1", "img_2"], val=["img_3"])
    (tmp_path / "other.csv").write_text("file,slide\nimg_1,a\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "short.csv").write_text("name,group\nimg_1,a\nimg_2,a\n")
    (tmp_path / "twice.csv").write_text("name,group\nimg_1,a\nimg_1.png,b\nimg_2,a\nimg_3,c\n")
    (tmp_path / "bytes.csv").write_bytes(b"name,group\n\xff\xfe,\n")
    assert told in only_problem(scan(tmp_path, options(group=group)))


@pytest.mark.parametrize(
    "rows",
    [
        "name,group\nx/1,a\nx/2,b\n3,a\n",
        "group,name,why\na,x/1.png,\nb,x/2.png,\na,3.tif,\n",
        "\ufeffname,group\nlabelled/x/1,a\nlabelled\\x\\2.png,b\nval/3.png,a\n",
        "name,group\nlabelled/images/x/1.png,a\nlabelled/images/x/2.png,b\nval/images/3.png,a\n",
        "source,part,group\nx/1,labelled,a\nx/2,labelled,b\n3,val,a\n",
        "source,part,group\nx/1,labelled,a\nx/2,labelled,b\n3,val,a\n3,test,c\n",
        "source,part,group\nx,labelled,a\nx/2,unlabelled,b\nx/1,,a\n3,,a\n",
    ],
)
def test_a_table_tells(tmp_path, monkeypatch, rows):
    folder(tmp_path / "data", labelled=["x/1", "x/2"], val=["3"])
    (tmp_path / "groups.csv").write_text(rows, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    dataset = scan_ok(tmp_path / "data", group="groups.csv")
    assert groups_of(dataset) | groups_of(dataset, "val") == {"x/1": "a", "x/2": "b", "3": "a"}
    # One in the data folder comes first.
    (tmp_path / "data" / "groups.csv").write_text("name,group\nx/1,own\nx/2,own\n3,own\n")
    assert {*groups_of(scan_ok(tmp_path / "data", group="groups.csv")).values()} == {"own"}


def test_blank_groups_are_images_for_themselves(tmp_path):
    folder(tmp_path, labelled=["a", "b", "c"])
    (tmp_path / "split.csv").write_text("name,group\na,g\nb,g\nc,\n")
    for told in ({}, {"group": "split.csv"}):
        assert groups_of(scan_ok(tmp_path, **told)) == {"a": "g", "b": "g", "c": "c"}


def test_crops_belong_to_the_sources_of_split_csv(tmp_path):
    crops = {
        "labelled": ["f-7-000", "f-7-001", "g-000"],
        "unlabelled": ["h-000"],
        "val": ["f-000", "f-001"],
        "test": ["f-2"],
    }
    folder(tmp_path, **crops)
    sources = "source,part\nf-7,labelled\ng,labelled\nh,unlabelled\nf,val\nf,test\n"
    (tmp_path / "split.csv").write_text(sources)
    dataset = scan_ok(tmp_path)
    assert groups_of(dataset) == {"f-7-000": "f-7", "f-7-001": "f-7", "g-000": "g"}
    # Sources of one name in two parts are two.
    assert {*groups_of(dataset, "val").values()} == {"val/f"}
    assert groups_of(dataset, "test") == {"f-2": "test/f"}
    assert notes_of(dataset, "groups by split.csv: labelled 2, unlabelled 1, val 1, test 1, such as f-7 of f-7-000")


def test_split_csv_that_puts_nothing_together_leaves_it_to_the_names(tmp_path):
    folder(tmp_path, labelled=slices(1, 2))
    rows = "".join(f"{name},labelled\n" for name in slices(1, 2))
    (tmp_path / "split.csv").write_text(f"source,part\n{rows}")
    assert {*groups_of(scan_ok(tmp_path)).values()} == {"patient1", "patient2"}
    (tmp_path / "split.csv").write_text("file,fold\na,1\n")
    dataset = scan_ok(tmp_path)
    assert {*groups_of(dataset).values()} == {"patient1", "patient2"}
    assert notes_of(dataset, "split.csv tells no groups, since it has no columns name and group, but file, fold")


# Images that are equal


def same_pixels(root, seed=0):
    """Write one picture as several kinds of files, grey as RGB among them."""
    values = picture(seed, channels=1)
    save(root / "a.png", values)
    save(root / "b.bmp", values)
    save(root / "c.png", np.dstack([values] * 3))
    tifffile.imwrite(root / "d.tif", values)
    (root / "e.png").write_bytes(cv2.imencode(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, 0])[1].tobytes())
    image = Image.fromarray(values)
    image.convert("RGBA").save(root / "f.png")
    return sorted(root.iterdir())


def test_equal_pixels_are_in_one_group_whatever_the_file(tmp_path):
    for path in same_pixels(tmp_path / "labelled" / "images"):
        save(tmp_path / "labelled" / "masks" / f"{path.stem}.png", CELLS)
    tree(tmp_path, {"other": CELLS})
    dataset = scan_ok(tmp_path)
    assert groups_of(dataset) == dict.fromkeys("abcdef", "a") | {"other": "other"}
    (note,) = notes_of(dataset, "on one side of every split")
    assert note.startswith("5 images are in labelled twice, and on one side of every split: labelled/a = labelled/b, ")
    assert note in [line.removeprefix("note: ") for line in describe(dataset)]


def test_images_that_differ_little_are_not_equal(tmp_path):
    values = picture(channels=1)
    others = [values.copy(), values.T.copy().reshape(values.shape), values.astype(np.uint16), values[:-1]]
    others[0][3, 4] ^= 1
    coloured = np.dstack([values] * 3)
    coloured[0, 0, 2] ^= 1
    digests = [pixel_digest(np.atleast_3d(image)) for image in (values, *others, coloured)]
    assert len({*digests}) == len(digests)
    assert None not in digests


@pytest.mark.parametrize("colour", [0, 255, (3, 7, 9)])
def test_images_of_one_colour_are_no_copies(tmp_path, colour):
    flat = np.full((12, 16, 3), colour, np.uint8)
    tree(tmp_path, {"x": CELLS, "y": CELLS})
    tree(tmp_path, {"z": CELLS}, part="test")
    for part, name in (("labelled", "x"), ("labelled", "y"), ("test", "z")):
        save(tmp_path / part / "images" / f"{name}.png", flat)
    assert {item.subject for item in scan_ok(tmp_path).labelled} == {None}


@pytest.mark.parametrize(("first", "second"), [("labelled", "val"), ("labelled", "test"), ("val", "test")])
def test_an_image_in_two_scored_parts_is_a_problem(tmp_path, first, second):
    folder(tmp_path, labelled=["a", "b"], unlabelled=["c"], val=["d"], test=["e"])
    name = {"labelled": "b", "val": "d"}[first]
    save(
        tmp_path / second / "images" / "again.bmp", np.asarray(Image.open(tmp_path / first / "images" / f"{name}.png"))
    )
    save(tmp_path / second / "masks" / "again.png", CELLS)
    told = (
        f"1 image is in {first} and in {second}, so scores are too good: {first}/{name} = {second}/again; take it out"
    )
    assert told in only_problem(scan(tmp_path))
    assert told in only_problem(scan(tmp_path, options(group="none")))


def test_many_images_in_two_parts_are_told_in_a_line(tmp_path):
    names = [f"{number:02d}" for number in range(12)]
    folder(tmp_path, labelled=names)
    folder(tmp_path, test=names)
    save(tmp_path / "labelled" / "images" / "new.png", picture(99))
    save(tmp_path / "labelled" / "masks" / "new.png", CELLS)
    assert "12 images are in labelled and in test" in only_problem(scan(tmp_path))


def test_copies_among_the_unlabelled_are_notes(tmp_path):
    folder(tmp_path, labelled=["a", "b"], val=["d"], test=["e"])
    for part, name in (("labelled", "a"), ("val", "d"), ("test", "e")):
        save(
            tmp_path / "unlabelled" / f"{part}.png", np.asarray(Image.open(tmp_path / part / "images" / f"{name}.png"))
        )
    dataset = scan_ok(tmp_path)
    assert notes_of(dataset, "in unlabelled") == [
        "1 image is in labelled and in unlabelled: labelled/a = unlabelled/labelled",
        "1 image is in unlabelled and in val, so they are learnt from, if without labels: unlabelled/val = val/d",
        "1 image is in unlabelled and in test, so they are learnt from, if without labels: unlabelled/test = test/e",
    ]


def test_copies_join_the_groups_that_they_are_in(tmp_path):
    folder(tmp_path, labelled=[*slices(1, 2, 3), "patient4_slice_1"], test=slices(3, 5))
    again = np.asarray(Image.open(tmp_path / "labelled" / "images" / "patient1_slice_1.png"))
    save(tmp_path / "labelled" / "images" / "patient3_slice_0.png", again)
    dataset = scan_ok(tmp_path)
    labelled, test = groups_of(dataset), groups_of(dataset, "test")
    assert {labelled[name] for name in slices(1, 3)} == {"patient1"}
    assert {labelled[name] for name in slices(2)} == {"patient2"}
    # In other parts, too: what one of them shows, the other shows as well.
    assert [test[name] for name in slices(3, 5)] == ["patient1", "patient1", "patient5", "patient5"]


@given(st.data())
def test_joined_items_are_the_connected_ones(data):
    def draw(part):
        rows = data.draw(st.lists(st.tuples(st.sampled_from([None, "p", "q", "r"]), st.integers(0, 6)), max_size=8))
        return [(Item(str(n), tmp(part, n), None, 8, 8, subject), digest) for n, (subject, digest) in enumerate(rows)]

    def tmp(part, number):
        return Path(part, f"{number}.png")

    drawn = {part: draw(part) for part in PARTS}
    items = {part: [item for item, _ in drawn[part]] for part in PARTS}
    digests = {item.image: str(digest) if digest else None for part in PARTS for item, digest in drawn[part]}
    found = joined(items, find_copies(items, digests))
    places = [(part, item) for part in PARTS for item in items[part]]
    # Links, followed until nothing is added.
    linked = {
        (part, item.name): {
            (other_part, other.name)
            for other_part, other in places
            if (other_part, other.name) == (part, item.name)
            or (item.subject is not None and item.subject == other.subject)
            or (digests[item.image] is not None and digests[item.image] == digests[other.image])
        }
        for part, item in places
    }
    for _ in places:
        linked = {place: set().union(*(linked[other] for other in near)) for place, near in linked.items()}
    after = {(part, item.name): item for part in PARTS for item in found[part]}
    told = {(part, item.name): item.subject for part, item in places}
    for place, item in after.items():
        same_part = {other for other in linked[place] if other[0] == place[0]}
        assert same_part == {other for other in after if other[0] == place[0] and after[other].group == item.group}
        subjects = {told[other] for other in linked[place]} - {None}
        assert (item.subject in subjects) if subjects else (item.subject is None) == (len(same_part) == 1)
