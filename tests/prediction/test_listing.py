import os

import pytest

from incmask.base.errors import IncmaskError
from incmask.prediction.listing import find_images


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in ("a/1.png", "a/sub/2.TIF", "a/notes.txt", "a/.hidden.png", "b/1.png", "b/3.v2.jpg", "c/x/1.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["a"], {"1": "a/1.png", "sub/2": "a/sub/2.TIF"}),
        (["a/"], {"1": "a/1.png", "sub/2": "a/sub/2.TIF"}),
        (["a", "b"], {"a/1": "a/1.png", "a/sub/2": "a/sub/2.TIF", "b/1": "b/1.png", "b/3.v2": "b/3.v2.jpg"}),
        (["a/1.png"], {"1": "a/1.png"}),
        (["a/1.png", "a/sub/2.TIF"], {"1": "a/1.png", "sub/2": "a/sub/2.TIF"}),
        (["a/1.png", "b/1.png"], {"a/1": "a/1.png", "b/1": "b/1.png"}),
        (["*/1.png"], {"a/1": "a/1.png", "b/1": "b/1.png"}),
        (["**/1.png"], {"a/1": "a/1.png", "b/1": "b/1.png", "c/x/1": "c/x/1.png"}),
        (["a/*"], {"1": "a/1.png"}),
        (["b", "a/sub/2.TIF"], {"1": "b/1.png", "2": "a/sub/2.TIF", "3.v2": "b/3.v2.jpg"}),
        (["a/1.png", "a/../a/1.png"], {"1": "a/1.png"}),
        (["a/notes.txt"], {"notes": "a/notes.txt"}),
    ],
)
def test_names_by_hand(tree, given, names):
    found = find_images(given).images
    assert list(found) == sorted(names)
    assert {name: path.resolve() for name, path in found.items()} == {
        name: (tree / path).resolve() for name, path in names.items()
    }


def test_a_folder_named_like_a_pattern_is_a_folder(tree):
    (tree / "b").rename(tree / "b[1]")
    assert set(find_images(["b[1]"]).images) == {"1", "3.v2"}


def test_the_output_folder_holds_no_images(tree):
    assert set(find_images(["."], out=tree / "a").images) == {"b/1", "b/3.v2", "c/x/1"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["nowhere"], "nowhere: is not there; check the path"),
        (["a", "z*.png"], r"z\*.png: matches no images; check the pattern, and put it in quotes"),
        (["a", "b/1.png"], None),
        (["c", "a/1.png", "b/x/../1.png"], "is not there"),
    ],
)
def test_mistakes_are_told(tree, given, told):
    if told is None:
        with pytest.raises(IncmaskError, match="has the same name as"):
            find_images(given)
        return
    with pytest.raises(IncmaskError, match=told):
        find_images(given)


def test_a_folder_of_images_is_no_output_folder(tree):
    with pytest.raises(IncmaskError, match="holds the images themselves; choose another folder"):
        find_images(["b", "a"], out=tree / "b" / ".." / "a")


def test_a_folder_without_images_is_told_unless_it_may_be_empty(tree):
    (tree / "empty").mkdir()
    with pytest.raises(IncmaskError, match="holds no images"):
        find_images(["empty"])
    assert find_images(["empty", "empty/*.png"], may_be_empty=True).images == {}
    with pytest.raises(IncmaskError, match="is not there"):
        find_images(["nowhere"], may_be_empty=True)


def test_hidden_folders_are_passed_over_and_links_followed_once(tree):
    for name in ("a/.ipynb_checkpoints/1-checkpoint.png", "a/__MACOSX/1.png", "elsewhere/4.png"):
        path = tree / name
        path.parent.mkdir()
        path.write_bytes(b"")
    (tree / "a" / "linked").symlink_to(tree / "elsewhere", target_is_directory=True)
    (tree / "a" / "circle").symlink_to(tree / "a", target_is_directory=True)
    assert set(find_images(["a"]).images) == {"1", "sub/2", "linked/4"}


@pytest.mark.parametrize("given", [["a"], ["a/*.png", "a/**/*.*"], ["a/1.png", "a/sub", "a/made"]])
@pytest.mark.parametrize(
    "record",
    [("predicted.jsonl",), ("manifest.jsonl", "run.toml"), ("mask.json", "inconsistent/1.png"), (".incmask-export",)],
)
def test_results_of_a_command_are_no_images_however_they_are_named(tree, given, record):
    for name in (*record, "masks/1.png"):
        path = tree / "a" / "made" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    found = find_images(given)
    assert sorted(path.name for path in found.images.values()) == ["1.png", "2.TIF"]
    assert found.notes == ("passed over, as they hold results of incmask: made",)


def test_results_are_images_where_they_alone_are_named(tree):
    (tree / "a" / "predicted.jsonl").touch()
    assert set(find_images(["a"]).images) == {"1", "sub/2"}


def test_a_folder_is_named_by_its_own_path_and_not_by_a_link_that_comes_first(tree):
    (tree / "a" / "first").symlink_to(tree / "a" / "sub")
    assert set(find_images(["a"]).images) == {"1", "sub/2"}
    assert set(find_images(["a/**/*.TIF"]).images) == {"2"}


def test_a_name_that_is_no_text_is_told_and_the_others_are_found(tree):
    with open(os.fsencode(tree / "a") + b"/caf\xe9.png", "wb"):
        pass
    for given in (["a"], ["a/*.png", "a/sub/2.TIF"]):
        found = find_images(given)
        assert set(found.images) == {"1", "sub/2"}
        (problem,) = found.problems
        assert r"holds 1 file with a name that is no UTF-8 text, such as caf\xe9.png; rename them" in str(problem)


@pytest.mark.parametrize("other", ["X1.jpg", "gro\u0308.png"])
def test_names_that_are_one_to_some_disks_are_refused(tree, other):
    for name in ("x1.png", "gr\u00f6.jpg", other):
        (tree / "c" / name).touch()
    with pytest.raises(IncmaskError, match="perhaps but for capitals or accents; rename one"):
        find_images(["c"])
