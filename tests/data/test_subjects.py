"""What names tell: many ways to name images, those that tell subjects and those that do not."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.data.folder.subjects import NameGroups, find_groups, subjects_of


def product(pattern, *counts):
    """Give a name for each combination of numbers from 1."""
    return [pattern.format(*numbers) for numbers in itertools.product(*(range(1, count + 1) for count in counts))]


GROUPED = {
    "patient and slice": (product("patient{:02d}_slice_{:03d}", 3, 5), "patient01"),
    "frame and crop": (product("frame{}_crop_{}", 3, 9), "frame1"),
    "case and depth": (product("case{}-z{:03d}", 2, 12), "case1"),
    "film and frame": (product("video_{:04d}_frame_{:04d}", 2, 6), "video_0001"),
    "well and site": (product("A{:02d}_s{}", 3, 2), "A01"),
    "well and site together": (product("B{:02d}s{}", 3, 2), "B01"),
    "plate, well, site and channel": (product("plate{}_C{:02d}_s{}_w2", 2, 2, 2), "plate1_C01"),
    "well and site spelt out": (product("Well_D{:02d}_Site_{}", 3, 2), "Well_D01"),
    "row, column and field": (product("r{:02d}c{:02d}f{:02d}p01-ch1sk1", 2, 2, 3), "r01c01"),
    "well and picture": (product("A172_Phase_A{}_1_00d{:02d}h00m_1", 4, 3), "A172_Phase_A1"),
    "folders of patients": (product("patient{}/{:03d}", 2, 4), "patient1"),
    "folders of volumes": (product("scans/volume-{}/slice_{}", 2, 4), "scans/volume-1"),
    "brain imaging": (product("sub-{:02d}_ses-{:02d}_slice-{:03d}", 2, 2, 3), "sub-01"),
    "patient, frame and slice": (product("patient{:03d}_frame{:02d}_slice_{}", 2, 2, 3), "patient001"),
    "patient before a bare number": (product("Patient {} ({})", 2, 4), "Patient 1"),
    "patients with letters": ([f"patient_{letter}_{number}" for letter in "ABC" for number in "12"], "patient_A"),
    "slides with letters": ([f"slide{letter}_tile_{number}" for letter in "AB" for number in "12"], "slideA"),
    "day before the animal": (product("day{}_mouse{}_img{}", 2, 3, 2), "mouse1"),
    "unknown with depth": (product("liver_{}_z{}", 2, 5), "liver_1"),
    "unknown with place": (product("tumor_{:03d}_x{}_y{}", 2, 3, 3), "tumor_001"),
    "sequence folders": (product("{:02d}/t{:03d}", 2, 6), "01"),
    "unknown names with tiles": (
        [f"{name}_tile_{number}" for name in ("anna", "bob", "cleo") for number in "12"],
        "anna",
    ),
    "picture and crop": (product("img{}_crop{}", 4, 3), "img1"),
    "cancer atlas": (product("TCGA-18-{:04d}-01Z-00-DX1_{:03d}", 2, 3), "TCGA-18-0001"),
    "changed copies": ([*product("img_{:03d}", 4), *product("img_{:03d}_rot{}", 4, 3)], "img_001"),
    "changed copies by Roboflow": (
        [f"img_{number}_jpg.rf.{digit * 32}" for number in "123" for digit in "ab"],
        "img_1_jpg",
    ),
    "left and right eye": ([f"Image_{number:02d}{side}" for number in range(1, 9) for side in "LR"], "Image_01"),
    "left and right, numbers alone": ([f"{n:02d}_{side}" for n in range(1, 9) for side in ("left", "right")], "01"),
    "two numbers": (product("{:06d}_{:03d}", 5, 7), "000001"),
    "number and part": (product("HeLa{}-{:03d}", 3, 4), "HeLa1"),
    "hash and part": (
        [f"{name}_{number:03d}" for name in ("3f2a9c", "77ab01", "c0ffee1") for number in range(4)],
        "3f2a9c",
    ),
    "drives with few frames alone": (product("hamburg_{:06d}_{:06d}_leftImg8bit", 5, 4), "hamburg_000001"),
}

NOT_GROUPED = {
    "plain numbers": product("img_{:03d}", 200),
    "numbers alone": product("{}", 40),
    "films, one picture each": product("video_{:04d}", 40),
    "patients, one picture each": product("patient{:02d}", 40),
    "one prefix": [f"ISIC_{number:07d}" for number in range(24306, 24346)],
    "kinds of tumours": [f"{kind} ({number})" for kind in ("benign", "malignant", "normal") for number in range(9)],
    "classes": [f"{kind}_{number}" for kind in ("cat", "dog", "cow") for number in range(9)],
    "folders of classes": [f"{kind}/{number}" for kind in ("cat", "dog", "cow") for number in range(9)],
    "parts": [f"{part}_{number}" for part in ("train", "val", "test") for number in range(9)],
    "parts with letters": [f"test{letter}_{number}" for letter in "ABC" for number in range(9)],
    "folds": product("fold{}_{}", 3, 9),
    "years": [f"COCO_train{year}_{number:012d}" for year in (2014, 2015, 2017) for number in range(9)],
    "magnifications": [f"{zoom}x_{number}" for zoom in (10, 20, 40) for number in range(9)],
    "days": [f"202001{day:02d}_{number:06d}" for day in range(1, 5) for number in range(120000, 120009)],
    "days and times": [f"2023-05-01_{hour:02d}-{minute:02d}-00" for hour in range(9, 13) for minute in range(9)],
    "camera": [f"IMG_20200{month}01_12{minute:02d}00" for month in range(1, 5) for minute in range(9)],
    "hashes": [f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" for number in range(1, 40)],
    "long identifiers": [f"550e{n:04x}-e29b-41d4-a716-{n:012d}" for n in range(1, 40)],
    "scans and their kind": [f"BraTS20_Training_{number:03d}_flair" for number in range(20)],
    "kinds of scans": [f"{kind}_{number:03d}" for kind in ("t1", "t2", "flair") for number in range(9)],
    "drives": [f"aachen_{number:06d}_000019_leftImg8bit" for number in range(40)],
    "two groups of numbers": product("{}_{:03d}", 2, 40),
    "time and depth of one film": product("t{:03d}_z{:02d}", 4, 5),
    "places of one slide": product("x{}_y{}", 4, 5),
    "frames of one film": product("frame_{:04d}", 40),
    "fields of one sample": product("field_{:05d}", 40),
    "half is told": [*product("patient{}_{}", 3, 4), *(f"other {letter}" for letter in "abcdefghij")],
}


@pytest.mark.parametrize(("names", "example"), GROUPED.values(), ids=GROUPED)
def test_names_that_tell_subjects(names, example):
    found = find_groups(names).subjects
    assert found.keys() == {*names}
    assert found[names[0]] == example
    assert 2 <= len({*found.values()}) <= len(names) / 2
    # All groups are alike: one larger than the rest would be two that are taken for one.
    sizes = [list(found.values()).count(subject) for subject in {*found.values()}]
    assert len({*sizes}) == 1
    assert find_groups(names[::-1]).subjects == found


@pytest.mark.parametrize("names", NOT_GROUPED.values(), ids=NOT_GROUPED)
def test_names_that_tell_none(names):
    assert find_groups(names) == NameGroups({})


@pytest.mark.parametrize("names", [product("vol1_slice_{:03d}", 20), product("patient3/frame{}_crop{}", 1, 9)])
def test_a_single_subject_tells_none_apart_but_is_told(names):
    assert find_groups(names) == NameGroups({}, only=names[0].replace("/", "_").split("_")[0])


def test_of_several_readings_the_coarsest_that_tells_apart_counts():
    keys = ["patient1", "patient1_slide2"]
    assert [subject.key for subject in subjects_of("patient1_slide2_tile3")] == keys
    assert {*find_groups(product("patient{}_slide{}_tile{}", 2, 2, 3)).subjects.values()} == {"patient1", "patient2"}
    of_one = find_groups(product("patient1_slide{}_tile{}", 2, 3)).subjects
    assert {*of_one.values()} == {"patient1_slide1", "patient1_slide2"}


def test_most_patients_have_one_picture_and_one_has_two():
    names = [*product("patient{:02d}_slice_1", 20), "patient07_slice_2"]
    found = find_groups(names).subjects
    assert [name for name in names if found[name] == "patient07"] == ["patient07_slice_1", "patient07_slice_2"]


WORDS = st.sampled_from(["patient", "case-", "vol_", "mouse", "Slide "])
MEMBERS = st.sampled_from(["_slice_", "/z", "-frame", "_crop", "_t", " page "])


@given(
    WORDS, MEMBERS, st.lists(st.tuples(st.integers(0, 30), st.integers(0, 99)), min_size=2, max_size=40, unique=True)
)
def test_subjects_are_found_whatever_their_numbers(word, member, pairs):
    names = {f"{word}{subject:02d}{member}{number:03d}": subject for subject, number in pairs}
    subjects = {*names.values()}
    found = find_groups(list(names)).subjects
    if len(subjects) < 2 or len(subjects) == len(names):
        assert not found
        return
    assert {(a, b) for a in names for b in names if found[a] == found[b]} == {
        (a, b) for a in names for b in names if names[a] == names[b]
    }


@pytest.mark.slow
@given(st.lists(st.text(max_size=30), unique=True))
def test_any_names_are_read(names):
    found = find_groups(names).subjects
    assert found.keys() <= {*names}
    assert not found or 2 <= len({*found.values()}) < len(found)
