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
    found = find_images(given)
    assert list(found) == sorted(names)
    assert {name: path.resolve() for name, path in found.items()} == {
        name: (tree / path).resolve() for name, path in names.items()
    }


def test_a_folder_named_like_a_pattern_is_a_folder(tree):
    (tree / "b").rename(tree / "b[1]")
    assert set(find_images(["b[1]"])) == {"1", "3.v2"}


def test_the_output_folder_holds_no_images(tree):
    assert set(find_images(["."], out=tree / "a")) == {"b/1", "b/3.v2", "c/x/1"}


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
    assert find_images(["empty", "empty/*.png"], may_be_empty=True) == {}
    with pytest.raises(IncmaskError, match="is not there"):
        find_images(["nowhere"], may_be_empty=True)


def test_hidden_folders_are_passed_over_and_links_followed_once(tree):
    for name in ("a/.ipynb_checkpoints/1-checkpoint.png", "a/__MACOSX/1.png", "elsewhere/4.png"):
        path = tree / name
        path.parent.mkdir()
        path.write_bytes(b"")
    (tree / "a" / "linked").symlink_to(tree / "elsewhere", target_is_directory=True)
    (tree / "a" / "circle").symlink_to(tree / "a", target_is_directory=True)
    assert set(find_images(["a"])) == {"1", "sub/2", "linked/4"}
