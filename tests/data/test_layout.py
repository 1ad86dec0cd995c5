import os
import shutil

import pytest
from trees import HEIGHT, WIDTH, only_problem, options, patches, picture, save, scan_ok, tree

from incmask.base.errors import IncmaskError
from incmask.data.folder.scan import load_dataset, scan

CELLS = patches(0, 255)


def names(items):
    return [item.name for item in items]


@pytest.mark.parametrize(
    ("labelled", "unlabelled", "val", "test"),
    [
        ("labelled", "unlabelled", "val", "test"),
        ("Labeled", "UNLABELED", "validation", "Testing"),
        ("train", "unlabelled", "valid", "TEST"),
    ],
)
def test_spellings_of_parts(tmp_path, labelled, unlabelled, val, test):
    for seed, part in enumerate((labelled, val, test)):
        save(tmp_path / part / "images" / f"i{seed}.png", picture(seed))
        save(tmp_path / part / "masks" / f"i{seed}.png", CELLS)
    save(tmp_path / unlabelled / "u.png", picture(9))
    dataset = scan_ok(tmp_path)
    assert {part: names(items) for part, items in dataset.parts()} == {
        "labelled": ["i0"],
        "unlabelled": ["u"],
        "val": ["i1"],
        "test": ["i2"],
    }
    item = dataset.labelled[0]
    assert (item.height, item.width) == (HEIGHT, WIDTH)
    assert dataset.unlabelled[0].masks is None


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ("zzz", "has lists of which none names an image to train with: train.txt, val.txt; mend train.txt"),
        ("bare", "holds no labelled images; add images with masks"),
    ],
)
def test_lists_that_leave_nothing_to_train_with(tmp_path, train, said):
    for seed, name in enumerate(("a", "b", "bare")):
        save(tmp_path / "images" / f"{name}.png", picture(seed))
    for name in "ab":
        save(tmp_path / "masks" / f"{name}.png", CELLS)
    (tmp_path / "train.txt").write_text(train)
    (tmp_path / "val.txt").write_text("a")
    assert said in only_problem(scan(tmp_path))
    with pytest.raises(IncmaskError, match=said[:20]):
        load_dataset(tmp_path)


@pytest.mark.parametrize("folder", ["Masks", "labels", "annotations", "GroundTruth", "ground_truth"])
def test_names_of_mask_folders(tmp_path, folder):
    save(tmp_path / "labelled" / "Images" / "a.png", picture())
    mask = save(tmp_path / "labelled" / folder / "a.png", CELLS)
    assert scan_ok(tmp_path).labelled[0].masks == (mask,)


def test_images_beside_masks_without_parts_takes_bare_images_as_unlabelled(tmp_path):
    for seed, name in enumerate("abc"):
        save(tmp_path / "images" / f"{name}.png", picture(seed))
    save(tmp_path / "masks" / "b.png", CELLS)
    dataset = scan_ok(tmp_path)
    assert names(dataset.labelled) == ["b"]
    assert names(dataset.unlabelled) == ["a", "c"]
    assert any("taken as unlabelled, as without a mask: 2 images" in note for note in dataset.notes)


def test_bare_images_are_a_problem_where_unlabelled_ones_have_a_folder(tmp_path):
    for seed, name in enumerate("ab"):
        save(tmp_path / "images" / f"{name}.png", picture(seed))
    save(tmp_path / "masks" / "b.png", CELLS)
    save(tmp_path / "unlabelled" / "c.png", picture(3))
    assert "a.png: has no mask; add one" in only_problem(scan(tmp_path))


def test_one_folder_told_apart_by_suffix(tmp_path):
    for seed, name in enumerate("ab"):
        save(tmp_path / "labelled" / f"{name}.png", picture(seed))
        save(tmp_path / "labelled" / f"{name}_mask.png", CELLS)
    dataset = scan_ok(tmp_path)
    assert names(dataset.labelled) == ["a", "b"]
    assert [item.masks[0].name for item in dataset.labelled] == ["a_mask.png", "b_mask.png"]


def test_own_suffix(tmp_path):
    save(tmp_path / "labelled" / "a.png", picture())
    save(tmp_path / "labelled" / "a-drawn.png", CELLS)
    assert scan_ok(tmp_path, mask_suffix="-drawn").labelled[0].masks[0].name == "a-drawn.png"


def test_nested_folders_unicode_and_spaces(tmp_path):
    save(tmp_path / "labelled" / "images" / "Tag 1" / "größe β.PNG", picture())
    save(tmp_path / "labelled" / "masks" / "Tag 1" / "größe β.bmp", CELLS)
    assert names(scan_ok(tmp_path).labelled) == ["Tag 1/größe β"]


def test_unicode_forms_of_macos_match(tmp_path):
    save(tmp_path / "labelled" / "images" / "gro\u0308\u00dfe.png", picture())
    save(tmp_path / "labelled" / "masks" / "gr\u00f6\u00dfe.png", CELLS)
    assert names(scan_ok(tmp_path).labelled) == ["gr\u00f6\u00dfe"]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("x.jpg", "x_mask.png"),
        ("x.png", "x_segmentation.png"),
        ("x.png", "x_Seg.tif"),
        ("x.png", "x_labels.png"),
        ("x.bmp", "x-gt.png"),
        ("x_leftImg8bit.png", "x_gtFine_labelIds.png"),
        ("855_sat.jpg", "855_mask.png"),
        ("x_mask.png", "x_mask.png"),
    ],
)
def test_common_suffixes(tmp_path, image, mask):
    save(tmp_path / "labelled" / "images" / image, picture())
    save(tmp_path / "labelled" / "masks" / mask, CELLS)
    assert names(scan_ok(tmp_path).labelled) == [image.rpartition(".")[0]]


def test_hidden_files_are_silent_and_others_are_noted(tmp_path):
    tree(tmp_path, {"a": CELLS})
    for name in (".DS_Store", "Thumbs.db", "._a.png", "notes.txt", "b.heic"):
        (tmp_path / "labelled" / "images" / name).write_bytes(b"x")
    (tmp_path / "incmask.toml").write_text("")
    notes = [note for note in scan_ok(tmp_path).notes if "left alone" in note]
    assert notes == ["labelled/images: left alone, as they are no images that are read: 1 .heic, 1 .txt"]


def test_hidden_truth_of_unlabelled_images(tmp_path):
    tree(tmp_path, {"a": CELLS})
    save(tmp_path / "unlabelled" / "images" / "u.png", picture(1))
    save(tmp_path / "unlabelled" / "images" / "v.png", picture(2))
    truth = save(tmp_path / "unlabelled" / "masks" / "u.png", CELLS)
    dataset = scan_ok(tmp_path)
    assert [item.masks for item in dataset.unlabelled] == [(truth,), None]
    assert any("hidden truth" in note for note in dataset.notes)


def test_class_folders_with_nested_images(tmp_path):
    save(tmp_path / "labelled" / "images" / "day1" / "a.png", picture())
    alive = save(tmp_path / "labelled" / "masks" / "alive" / "day1" / "a.png", CELLS)
    (tmp_path / "labelled" / "masks" / "dead").mkdir()
    dataset = scan_ok(tmp_path)
    assert [info.name for info in dataset.classes] == ["alive", "dead"]
    assert dataset.labelled[0].masks == (alive, None)


def test_results_of_a_run_are_left_alone(tmp_path):
    tree(tmp_path, {"a": CELLS})
    save(tmp_path / "run" / "images" / "z.png", picture(5))
    dataset = scan_ok(tmp_path)
    assert names(dataset.labelled) == ["a"]
    assert any("folders left alone: run" in note for note in dataset.notes)


def test_links_in_a_circle_end(tmp_path):
    tree(tmp_path, {"a": CELLS})
    (tmp_path / "labelled" / "images" / "again").symlink_to(tmp_path / "labelled" / "images")
    assert names(scan_ok(tmp_path).labelled) == ["a"]


def test_folder_that_is_not_there(tmp_path):
    found = scan(tmp_path / "none")
    assert found.dataset is None
    assert "none: is not there; give the folder" in only_problem(found)


def test_file_instead_of_folder(tmp_path):
    assert "is a file; a folder is expected" in only_problem(scan(save(tmp_path / "a.png", picture())))


def test_folder_of_images_alone(tmp_path):
    save(tmp_path / "images" / "a.png", picture())
    assert "looks like the folder of the images alone; give the folder above" in only_problem(scan(tmp_path / "images"))


def test_empty_folder_and_folder_without_labelled_images(tmp_path):
    assert "holds no labelled images; expected are" in only_problem(scan(tmp_path))
    save(tmp_path / "unlabelled" / "a.png", picture())
    assert "holds no labelled images; expected are" in only_problem(scan(tmp_path))
    (tmp_path / "labelled").mkdir()
    assert "labelled: holds no images; put them into" in only_problem(scan(tmp_path))


def test_labelled_without_any_mask(tmp_path):
    save(tmp_path / "labelled" / "images" / "a.png", picture())
    assert "labelled: holds images but no masks; put them into" in only_problem(scan(tmp_path))


def test_two_spellings_at_once(tmp_path):
    tree(tmp_path, {"a": CELLS})
    (tmp_path / "labeled").mkdir()
    text = str(scan(tmp_path).problems[0])
    assert "holds labeled and labelled, which stand for the same; the first was taken; keep one of them" in text


def test_mask_without_image_and_image_without_mask(tmp_path):
    tree(tmp_path, {"a": CELLS, "b": CELLS})
    (tmp_path / "labelled" / "images" / "a.png").rename(tmp_path / "labelled" / "images" / "c.png")
    texts = [str(problem) for problem in scan(tmp_path).problems]
    assert len(texts) == 2
    assert "a.png: is a mask without an image; add the image" in texts[0]
    assert "c.png: has no mask; add one with the same name" in texts[1]


def test_two_masks_of_one_image(tmp_path):
    save(tmp_path / "labelled" / "images" / "x_leftImg8bit.png", picture())
    for suffix in ("labelIds", "color"):
        save(tmp_path / "labelled" / "masks" / f"x_gtFine_{suffix}.png", CELLS)
    assert "is a second mask, beside x_gtFine_color.png" in only_problem(scan(tmp_path))
    assert scan_ok(tmp_path, mask_suffix="_gtFine_labelIds").labelled[0].masks[0].name == "x_gtFine_labelIds.png"


def test_duplicate_names(tmp_path):
    tree(tmp_path, {"a": CELLS})
    save(tmp_path / "labelled" / "images" / "a.bmp", picture(4))
    text = only_problem(scan(tmp_path))
    assert "a.png: has the same name as a.bmp" in text
    assert "rename or remove one" in text


def test_mask_outside_class_folders(tmp_path):
    tree(tmp_path, {"a": CELLS})
    save(tmp_path / "labelled" / "masks" / "alive" / "a.png", CELLS)
    found = scan(tmp_path, options(encoding="folders"))
    assert "a.png: lies outside the folders of the classes; move it" in only_problem(found)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("IMG_1.png", "img_1.png"),
        ("IMG_1.JPG", "img_1_Mask.png"),
        ("image_1.png", "mask_1.png"),
        ("img1.png", "label1.png"),
        ("7.png", "seg_7.png"),
        ("img_cat.png", "gt-cat.png"),
        ("x_img.png", "X_cp_masks.png"),
    ],
)
def test_names_that_differ_in_capitals_or_begin_with_what_they_are(tmp_path, image, mask):
    tree(tmp_path, {"other": CELLS})
    save(tmp_path / "labelled" / "images" / image, picture())
    save(tmp_path / "labelled" / "masks" / mask, CELLS)
    assert image.rpartition(".")[0] in names(scan_ok(tmp_path).labelled)


def test_prefixes_tell_masks_apart_in_one_folder(tmp_path):
    for number in "12":
        save(tmp_path / "labelled" / f"image_{number}.png", picture(int(number)))
        save(tmp_path / "labelled" / f"mask_{number}.png", CELLS)
    assert names(scan_ok(tmp_path).labelled) == ["image_1", "image_2"]


def test_an_exact_name_comes_before_one_that_differs_in_capitals(tmp_path):
    tree(tmp_path, {"B": CELLS, "image_a": CELLS, "a": CELLS})
    dataset = scan_ok(tmp_path)
    assert [item.masks[0].stem for item in dataset.labelled] == names(dataset.labelled) == ["B", "a", "image_a"]


def test_images_whose_names_differ_in_capitals_are_a_problem(tmp_path):
    tree(tmp_path, {"a1": CELLS, "A1": CELLS})
    text = str(scan(tmp_path).problems[0])
    assert "a1.png: has the same name as A1.png but for capitals, which some disks do not tell" in text


def test_what_is_hidden_or_made_by_a_command_is_passed_over_and_told(tmp_path):
    tree(tmp_path, {"a": CELLS})
    for service in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
        for folder in ("images", "masks"):
            save(tmp_path / "labelled" / folder / service / "a.png", picture(5))
    save(tmp_path / "test" / "masks" / "a.png", picture(6))
    (tmp_path / "test" / "predicted.jsonl").touch()
    dataset = scan_ok(tmp_path)
    assert names(dataset.labelled) == ["a"]
    assert dataset.test == ()
    assert {
        "passed over, as they are hidden or of the system: 2 × .ipynb_checkpoints, 2 × @eaDir, 2 × __MACOSX",
        "passed over, as they hold results of incmask: test",
    } <= {*dataset.notes}


def test_a_name_that_is_no_text_is_one_problem(tmp_path):
    tree(tmp_path, {"a": CELLS})
    for name in (b"caf\xe9.png", b"na\xefve.png"):
        (tmp_path / "unlabelled").mkdir(exist_ok=True)
        with open(os.fsencode(tmp_path / "unlabelled") + b"/" + name, "wb"):
            pass
    text = only_problem(scan(tmp_path))
    assert r"unlabelled: holds 2 files with a name that is no UTF-8 text, such as caf\xe9.png; rename them" in text


def test_a_class_whose_folder_is_no_text_is_told_as_such(tmp_path):
    tree(tmp_path, {"a": CELLS})
    masks = tmp_path / "labelled" / "masks"
    for name in (b"small", b"gr\xf6\xdfer"):
        folder = masks / os.fsdecode(name)
        folder.mkdir()
        shutil.copy(masks / "a.png", folder / "a.png")
    (masks / "a.png").unlink()
    text = only_problem(scan(tmp_path))
    assert r"gr\xf6\xdfer" in text
    assert "no UTF-8 text" in text


def test_a_link_to_an_image_that_was_not_fetched_is_a_problem(tmp_path):
    tree(tmp_path, {"a": CELLS})
    (tmp_path / "labelled" / "images" / "b.png").symlink_to(tmp_path / ".git" / "annex" / "b.png")
    assert "b.png: is a link to what is not there; get the file (git annex get, dvc pull)" in only_problem(
        scan(tmp_path)
    )


def test_a_data_folder_whose_path_is_no_text_is_a_problem(tmp_path):
    root = tmp_path / os.fsdecode(b"caf\xe9")
    text = only_problem(scan(tree(root, {"a": CELLS})))
    assert r"caf\xe9: has a path that is no UTF-8 text; rename the folder" in text


def test_a_folder_for_each_subject_in_which_files_have_the_same_names(tmp_path):
    for seed in range(5):
        save(tmp_path / f"patient{seed}" / "t1.png", picture(seed))
        if seed < 3:
            save(tmp_path / f"patient{seed}" / "tumour.png", CELLS)
    dataset = scan_ok(tmp_path)
    assert names(dataset.labelled) == ["patient0/t1", "patient1/t1", "patient2/t1"]
    assert [item.masks[0].parent.name for item in dataset.labelled] == ["patient0", "patient1", "patient2"]
    assert names(dataset.unlabelled) == ["patient3/t1", "patient4/t1"]
    assert any("images: t1*, masks: tumour*" in note for note in dataset.notes)
