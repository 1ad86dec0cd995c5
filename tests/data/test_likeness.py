"""Names that go together, against pairs that were made to."""

from pathlib import PurePosixPath

import hypothesis.strategies as st
import pytest
from hypothesis import given

from incmask.data.folder.likeness import find_alike, told_part
from incmask.data.folder.names import part_in


def by_words(*words):
    """Files are masks that have one of the words in their path."""

    def tells(pairs):
        first, second = (all(any(word in str(pair[place]) for word in words) for pair in pairs) for place in (0, 1))
        return int(second) - int(first)

    return tells


def paths(template, names):
    return [PurePosixPath(template.format(name)) for name in names]


def pairs_of(alike):
    return {str(image): str(mask) for each in alike for image, mask in each.mask_of.items()}


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("sat/{}.png", "karte/{}.png"),
        ("{}.png", "karte/{}.png"),
        ("a/{}_rgb.png", "a/{}_karte.png"),
        ("x/sat/y/{}.jpg", "x/karte/y/{}.png"),
        ("sat/img_{}.jpg", "karte/karte_{}.png"),
        ("sat/{}_left.png", "karte/{}_gt_karte.png"),
        ("sat/{}.png", "sat/karte {}.png"),
        ("images/10k/{}.jpg", "labels/sem/karte/{}.png"),
        ("{}/t1.png", "{}/karte.png"),
        ("{}.jpg", "{}.karte"),
    ],
)
def test_what_goes_together_is_found(image, mask):
    names = ("01", "02", "b7", "Nord-3")
    files = [*paths(image, names), *paths(mask, names[:3])]
    alike = find_alike(files, by_words("karte"))
    assert pairs_of(alike) == dict(zip(map(str, paths(image, names[:3])), map(str, paths(mask, names)), strict=False))
    assert [str(path) for each in alike for path in each.bare] == [image.format("Nord-3")]


@given(
    st.sets(st.from_regex(r"[a-z]{0,3}[0-9]{1,4}", fullmatch=True), min_size=2, max_size=12),
    st.sampled_from(["sat", "rot.blau", "x y"]),
    st.sampled_from(["", "_L", " von hand"]),
    st.sampled_from(["train", "north/train", ""]),
)
def test_any_names_are_paired(names, folder, behind, above):
    image, mask = f"{above}/{folder}/{{}}.jpg".lstrip("/"), f"{above}/karte/{{}}{behind}.png".lstrip("/")
    found = pairs_of(find_alike([*paths(image, names), *paths(mask, names)], by_words("karte")))
    assert found == {image.format(name): mask.format(name) for name in names}


def test_parts_with_folders_of_their_own_are_found_one_by_one():
    files = [
        path
        for part, names in (("Training", "123"), ("Test", "45"))
        for template in (f"{part}_In/{{}}.jpg", f"{part}_karte/{{}}.png")
        for path in paths(template, names)
    ]
    alike = find_alike(files, by_words("karte"))
    assert [len(each.mask_of) for each in alike] == [3, 2]
    assert {told_part(image) for each in alike for image in each.mask_of} == {"labelled", "test"}


def test_of_several_that_may_be_the_masks_none_is_taken_unless_the_others_are_derived():
    files = [*paths("i/{}.jpg", "123"), *paths("karte/{}_anna.png", "123"), *paths("karte/{}_bob.png", "123")]
    assert find_alike(files, by_words("karte")) == ()
    (alike,) = find_alike([*files[:6], *paths("karte/{}_color.png", "123")], by_words("karte"))
    assert pairs_of([alike]) == {f"i/{name}.jpg": f"karte/{name}_anna.png" for name in "123"}
    assert str(alike).endswith(
        "masks: karte/*_anna (and not karte/*_color); where that is wrong, call the folders images and masks"
    )


def test_masks_of_a_part_are_not_taken_for_images_of_another_that_have_their_names():
    files = [
        *(path for part in ("training", "testing") for path in paths(f"{part}/image_2/{{}}.png", "123")),
        *(path for word in ("karte", "karte_rgb") for path in paths(f"training/{word}/{{}}.png", "123")),
    ]
    (alike,) = find_alike(files, by_words("karte"))
    assert pairs_of([alike]) == {f"training/image_2/{name}.png": f"training/karte/{name}.png" for name in "123"}
    assert alike.bare == tuple(paths("testing/image_2/{}.png", "123"))


def test_sequences_that_have_each_others_names_are_one():
    files = [path for number in "12" for word in ("a", "karte") for path in paths(f"{number}/{word}/{{}}.png", "123")]
    (alike,) = find_alike(files, by_words("karte"))
    assert len(alike.mask_of) == 6
    assert all(image.parts[0] == mask.parts[0] for image, mask in alike.mask_of.items())


@pytest.mark.parametrize(
    "files",
    [
        [],
        paths("a/{}.png", "123"),
        [*paths("train/{}.png", "123"), *paths("val/{}.png", "123")],
        [*paths("a/{}.png", "123"), *paths("karte/{}.png", "456")],
        [*paths("a/{}.png", "1"), *paths("karte/{}.png", "1")],
        [*paths("a/{}.png", "12"), *paths("karte/{}.png", "1234567")],
    ],
    ids=["nothing", "images alone", "parts of one name", "other names", "one file", "masks without images"],
)
def test_what_does_not_go_together_is_left(files):
    assert find_alike(files, by_words("karte")) == ()


def test_of_very_many_files_all_are_paired():
    names = [f"{number:06}" for number in range(30_000)]
    (alike,) = find_alike([*paths("a/{}.png", names), *paths("karte/{}_L.png", names)], by_words("karte"))
    assert len(alike.mask_of) == len(names)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("stage1_train", "labelled"),
        ("TestDataset", "test"),
        ("ISIC2018_Task1-2_Validation_Input", "val"),
        ("VALID", "val"),
        ("contest", None),
        ("trainer", None),
        ("valley", None),
    ],
)
def test_a_part_is_told_by_a_whole_word(name, part):
    assert part_in(name) == part
