import io
import stat
import struct
import zipfile

import pytest

from incmask.base.errors import IncmaskError
from incmask.exchange.sources import archives
from incmask.exchange.sources.archives import SourceFile
from incmask.exchange.sources.sources import SourceTree

PAGE = "https://example.org/set"


def put(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def packed(path, *members, content=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            archive.writestr(member, member if content is None else content)
    return path


def require(root, *names, archive="gtFine.zip"):
    return SourceTree.open(root).require(*names, page=PAGE, archive=archive)


def message(call, *args, **kwargs):
    with pytest.raises(IncmaskError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize("below", ["", "gtFine", "gtFine/train", "gtFine/train/aachen"])
def test_a_folder_is_found_from_above_and_from_below(tmp_path, below):
    root = tmp_path / "deep" / "cityscapes"
    put(root, "gtFine/train/aachen/a.png", "gtFine/train/b.png", "gtFine/val/c.png")
    if below == "gtFine/train/aachen":
        # Two folders above at most: what else lies on a person's disk is not searched.
        assert SourceTree.open(root / below).folder("gtFine", "train") is None
        return
    assert list(require(root / below, "gtFine", "train")) == ["aachen/a.png", "b.png"]
    assert list(require(tmp_path, "gtFine", "val")) == ["c.png"]
    assert list(require(root / below, "gtFine", "val")) == ["c.png"]


def test_capitals_do_not_matter_and_names_stay_as_spelt(tmp_path):
    put(tmp_path, "GTFINE/Train/Aachen/A.PNG")
    found = require(tmp_path, "gtFine", "train")
    assert list(found) == ["Aachen/A.PNG"]
    assert found["Aachen/A.PNG"].read() == b"GTFINE/Train/Aachen/A.PNG"


def test_only_whole_names_count_and_files_are_no_folders(tmp_path):
    put(tmp_path, "train_full/x.png", "mytrain/x.png", "other/train")
    assert SourceTree.open(tmp_path).folder("train") is None


def test_archives_are_listed_and_read_without_unpacking(tmp_path):
    path = packed(tmp_path / "gtFine_trainvaltest.zip", "gtFine/train/a/x.png", "license.txt", "gtFine/val/y.png")
    source = SourceTree.open(tmp_path)
    assert source.archives == (path,)
    assert source.folder("gtfine", "TRAIN") == {"a/x.png": SourceFile(path, "gtFine/train/a/x.png")}
    assert SourceFile(path, "gtFine/train/a/x.png").read() == b"gtFine/train/a/x.png"
    assert [*tmp_path.iterdir()] == [path]


def test_an_archive_may_be_named_itself_and_its_neighbours_are_seen(tmp_path):
    images = packed(tmp_path / "images.zip", "leftImg8bit/train/x.png")
    masks = packed(tmp_path / "masks.zip", "gtFine/train/x.png")
    source = SourceTree.open(images)
    assert [*source.folder("leftImg8bit", "train").values()] == [SourceFile(images, "leftImg8bit/train/x.png")]
    assert [*source.folder("gtFine", "train").values()] == [SourceFile(masks, "gtFine/train/x.png")]
    assert source.archives == (images, masks)


def test_an_archive_without_a_folder_is_one_of_its_name(tmp_path):
    packed(tmp_path / "Masks.zip", "a.png", "b/c.png")
    assert list(require(tmp_path, "masks")) == ["a.png", "b/c.png"]
    assert list(require(tmp_path / "Masks.zip", "masks")) == ["a.png", "b/c.png"]


@pytest.mark.parametrize("is_zipped", [False, True])
def test_a_folder_in_one_of_the_same_name_is_meant(tmp_path, is_zipped):
    paths = ["Set/Set/a.png", "Set/Set/b.png", "Set/LICENSE.txt"]
    if is_zipped:
        packed(tmp_path / "x" / "Set.zip", "Set/a.png", "Set/b.png", "LICENSE.txt")
    else:
        put(tmp_path, *paths)
    assert list(require(tmp_path, "set")) == ["a.png", "b.png"]


def test_the_folder_with_the_most_files_wins_then_the_unpacked_one(tmp_path):
    path = packed(tmp_path / "gtFine.zip", "gtFine/a.png", "gtFine/b.png")
    put(tmp_path, "unpacked/gtFine/a.png")  # whose unpacking was stopped
    assert {entry.path for entry in require(tmp_path, "gtFine").values()} == {path}
    put(tmp_path, "unpacked/gtFine/b.png")
    assert {entry.member for entry in require(tmp_path, "gtFine").values()} == {None}


def test_archives_split_for_the_download_count_as_one(tmp_path):
    first = packed(tmp_path / "SUIM-20240102T030405Z-001.zip", "SUIM/TEST/images/a.jpg")
    second = packed(tmp_path / "SUIM-20240102T030405Z-002.zip", "SUIM/TEST/images/b.jpg")
    found = require(tmp_path, "test", "images")
    assert {name: entry.path for name, entry in found.items()} == {"a.jpg": first, "b.jpg": second}


def test_what_systems_leave_behind_is_left_out(tmp_path):
    put(tmp_path, "m/a.png", "m/.DS_Store", "m/Thumbs.db", "m/.git/b.png")
    packed(tmp_path / "n.zip", "n/a.png", "__MACOSX/n/._a.png", "n/.DS_Store", "n/empty/")
    assert list(require(tmp_path, "m")) == ["a.png"]
    assert list(require(tmp_path, "n")) == ["a.png"]


def test_links_that_lead_in_circles_are_walked_once(tmp_path):
    put(tmp_path, "m/a.png")
    (tmp_path / "m" / "again").symlink_to(tmp_path)
    assert list(require(tmp_path, "m")) == ["a.png"]


def test_what_was_prepared_before_is_no_source(tmp_path):
    put(tmp_path, "test/images/a.png", "out/test/images/a.png", "out/test/images/b.png")
    put(tmp_path, "out/manifest.jsonl", "out/run.toml")
    assert list(require(tmp_path, "test", "images")) == ["a.png"]
    assert list(SourceTree.open(tmp_path).folder()) == ["test/images/a.png"]


def test_everything_can_be_asked_for(tmp_path):
    put(tmp_path, "b.png", "a/x.png")
    packed(tmp_path / "z.zip", "c.png")
    source = SourceTree.open(tmp_path)
    assert list(source.folder()) == ["a/x.png", "b.png", "z/c.png"]
    assert [used.folder for used in source.used] == ["."]


def test_a_folder_is_known_again_whether_zipped_or_not(tmp_path):
    put(tmp_path / "one", "m/a.png", "m/b/c.png")
    path = packed(tmp_path / "two" / "x.zip", "m/a.png", "m/b/c.png")
    sources = [SourceTree.open(tmp_path / name) for name in ("one", "two")]
    for source in sources:
        source.folder("m")
    (plain,), (zipped,) = (source.used for source in sources)
    assert (plain.num_files, plain.num_bytes, plain.digest) == (2, 16, zipped.digest)
    # sha256 of "a.png\t7\nb/c.png\t9\n", by sha256sum
    assert plain.digest == "20d5fe5cb47b525cafdc66bd725b042c1e331bf26254572a861edaeedb821d92"
    assert (plain.archives, zipped.archives) == ((), (path,))
    assert (plain.unpacked, zipped.unpacked) == ((tmp_path / "one" / "m", tmp_path / "one" / "m" / "b"), ())


def test_what_lacks_is_named_with_page_and_archive(tmp_path):
    put(tmp_path, "other/a.png")
    assert message(require, tmp_path, "gtFine", "train") == (
        f"{tmp_path}: holds no folder gtFine/train, neither unpacked nor in a zip archive; "
        f"download gtFine.zip from {PAGE} into this folder"
    )


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("gtFine.zip", "half", "is truncated: its download did not end"),
        ("GTFINE (1).ZIP", "half", "is truncated: its download did not end"),
        ("gtFine.zip", b"", "is empty (0 bytes)"),
        ("gtFine.zip.part", "half", "is the beginning of a download that did not end"),
        ("gtFine.zip.crdownload", "half", "is the beginning of a download that did not end"),
        ("gtFine.zip", b"\n<!DOCTYPE html><html>log in</html>", "is a web page instead of an archive"),
        ("gtFine.zip", b"\x1f\x8b\x08 something else", "is no zip archive"),
    ],
)
def test_a_broken_download_is_told_from_a_missing_one(tmp_path, name, content, what):
    if content == "half":
        whole = packed(tmp_path / "whole", "gtFine/a.png", "gtFine/b.png").read_bytes()
        content = whole[: len(whole) // 2]
        (tmp_path / "whole").unlink()
    (tmp_path / name).write_bytes(content)
    told = message(require, tmp_path, "gtFine")
    assert told.startswith(f"{tmp_path / name}: {what}")
    assert "again" in told
    assert "\n" not in told
    assert SourceTree.open(tmp_path).archives == ()
    if name.endswith("zip"):
        assert what in message(SourceTree.open, tmp_path / name)


def test_broken_archives_of_other_names_are_told_beside_what_lacks(tmp_path):
    (tmp_path / "dataset.zip").write_bytes(b"PK")
    lacks, broken = message(require, tmp_path, "gtFine").splitlines()
    assert "holds no folder gtFine" in lacks
    assert broken.startswith(f"{tmp_path / 'dataset.zip'}: is truncated")


def test_a_broken_archive_is_no_matter_where_it_is_not_needed(tmp_path):
    (tmp_path / "other.zip").write_bytes(b"PK")
    put(tmp_path, "gtFine/a.png")
    assert list(require(tmp_path, "gtFine")) == ["a.png"]


@pytest.mark.parametrize("evil", ["../evil.png", "gtFine/../../evil.png", "/etc/evil", "..\\evil.png", "C:\\evil.png"])
def test_an_archive_with_members_that_lead_out_is_refused(tmp_path, evil):
    path = packed(tmp_path / "gtFine.zip", "gtFine/a.png", evil)
    for call in (lambda: SourceTree.open(path), lambda: require(tmp_path, "gtFine")):
        told = message(call)
        assert told.startswith(f"{path}: holds {evil!r}")
        assert "would land outside" in told


def test_links_in_an_archive_are_not_followed(tmp_path):
    path = packed(tmp_path / "m.zip", "m/a.png")
    link = zipfile.ZipInfo("m/link.png")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert list(require(tmp_path, "m")) == ["a.png"]


def test_separators_of_windows_are_separators(tmp_path):
    path = packed(tmp_path / "m.zip", "set\\m\\a.png")
    assert require(tmp_path, "set", "m") == {"a.png": SourceFile(path, "set\\m\\a.png")}
    assert SourceFile(path, "set\\m\\a.png").read() == b"set\\m\\a.png"


def test_an_encrypted_archive_is_refused(tmp_path):
    path = packed(tmp_path / "m.zip", "m/a.png")
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    path.write_bytes(content)
    assert "is encrypted; unpack it with its password" in message(require, tmp_path, "m", archive="m.zip")


def test_a_damaged_member_is_told_with_its_archive(tmp_path):
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/a.png", b"picture")
        archive.writestr("m/b.png", b"another")
    path.write_bytes(path.read_bytes().replace(b"picture", b"pixture"))
    found = require(tmp_path, "m")
    told = message(found["a.png"].read)
    assert told.startswith(f"{path}/m/a.png: is damaged (")
    assert told.endswith("; download it again: m.zip")
    assert found["b.png"].read() == b"another"


@pytest.mark.parametrize("name", ["m/a.png", "m/gone.png"])
def test_an_archive_that_goes_away_is_told(tmp_path, name):
    path = packed(tmp_path / "m.zip", "m/a.png")
    if name == "m/a.png":
        path.unlink()
    assert str(path) in message(SourceFile(path, name).read)


def test_members_of_no_bytes_and_files_of_none_are_told(tmp_path):
    path = packed(tmp_path / "m.zip", "a.png", content=b"")
    (tmp_path / "b.png").write_bytes(b"")
    assert "is empty (0 bytes)" in message(SourceFile(path, "a.png").read)
    assert "is empty (0 bytes)" in message(SourceFile(tmp_path / "b.png").read)


def test_members_that_would_fill_the_memory_are_refused_unread(tmp_path, monkeypatch):
    path = packed(tmp_path / "m.zip", "a.bmp", content=bytes(2_000_000))
    assert len(SourceFile(path, "a.bmp").read()) == 2_000_000  # an empty mask, 1000 times smaller
    monkeypatch.setattr(archives, "_RATIO_FROM_BYTES", 1_500_000)
    assert "which no picture has" in message(SourceFile(path, "a.bmp").read)
    monkeypatch.undo()
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 1_999_999)
    assert "has 1 MiB unpacked" in message(SourceFile(path, "a.bmp").read)


def test_a_member_that_is_longer_than_it_says_is_damaged(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bmp", bytes(1_000_000))
    content = bytearray(buffer.getvalue())
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", content, content.index(mark) + offset, 100)
    path = tmp_path / "m.zip"
    path.write_bytes(content)
    assert "is damaged" in message(SourceFile(path, "a.bmp").read)


@pytest.mark.parametrize(("name", "what"), [("nowhere", "is not there"), ("a.txt", "is neither a folder nor a zip")])
def test_a_root_that_is_none_is_refused(tmp_path, name, what):
    put(tmp_path, "a.txt")
    assert what in message(SourceTree.open, tmp_path / name)
