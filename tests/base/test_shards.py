import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base import shards
from incmask.base.errors import IncmaskError
from incmask.base.intact import entry_of
from incmask.base.manifest import MANIFEST
from incmask.base.shards import SHARDS, Shard, ShardWriter, archive_of, is_file, path_in_shard, shards_of
from incmask.base.tables import rows_text
from incmask.data.images.decode import read_bytes

ENDINGS = (".png", ".tif")
NAMES = ["b/1", "a", "ä", "b", "b/0"]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Give a folder with the files of NAMES, two a shard, in masks/thing/ and disputed/."""
    monkeypatch.setattr(shards, "IMAGES_A_SHARD", 2)
    told, names = shards_of(NAMES), sorted(NAMES)
    for number, each in enumerate(told):
        with ShardWriter(tmp_path, each.shard) as writer:
            for name in names[2 * number : 2 * number + each.images]:
                writer.keep(tmp_path / "masks" / "thing" / f"{name}.png", b"mask of " + name.encode())
                writer.keep(tmp_path / "disputed" / f"{name}.tif", b"disputed of " + name.encode())
    (tmp_path / SHARDS).write_text(rows_text(told, Shard))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    lines = [entry_of(path).line(path.relative_to(tmp_path).as_posix()) for path in files]
    (tmp_path / MANIFEST).write_text("".join(lines))
    return tmp_path


def test_images_are_shared_out_by_their_names(monkeypatch):
    monkeypatch.setattr(shards, "IMAGES_A_SHARD", 2)
    assert shards_of(NAMES) == [
        Shard("00000", "a", "b", 2),
        Shard("00001", "b/0", "b/1", 2),
        Shard("00002", "ä", "ä", 1),
    ]
    assert shards_of([]) == []


def test_any_program_reads_the_archives(root):
    with zipfile.ZipFile(root / "masks" / "00001.zip") as archive:
        assert archive.namelist() == ["thing/b/0.png", "thing/b/1.png"]
        assert archive.read("thing/b/1.png") == b"mask of b/1"
        assert archive.testzip() is None


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_found_in_its_archive(root, name):
    mask = path_in_shard(root / "masks" / "thing", name, ENDINGS)
    disputed = path_in_shard(root / "disputed", name, ENDINGS)
    assert (mask.name, disputed.name) == (f"{name[-1]}.png", f"{name[-1]}.tif")
    assert read_bytes(mask) == b"mask of " + name.encode()
    assert read_bytes(disputed) == b"disputed of " + name.encode()
    assert is_file(mask)
    assert archive_of(mask).parent == root / "masks"
    assert archive_of(mask).name == archive_of(disputed).name


@pytest.mark.parametrize("name", ["", "B", "a0", "b/2", "c", "ö", "a/../a"])
def test_what_is_in_none_is_not_found(root, name):
    assert path_in_shard(root / "masks" / "thing", name, ENDINGS) is None
    assert path_in_shard(root / "masks", name, ENDINGS) is None
    assert path_in_shard(root / "others", name, ENDINGS) is None


def test_paths_are_named_as_the_folder_was(root, monkeypatch):
    monkeypatch.chdir(root)
    folder = root.relative_to(root) / "masks" / "thing"
    assert path_in_shard(folder, "a", ENDINGS).as_posix() == "masks/00000.zip/thing/a.png"


def test_folders_without_shards_have_none(tmp_path):
    (tmp_path / MANIFEST).write_text("")
    assert path_in_shard(tmp_path / "masks", "a", ENDINGS) is None
    assert path_in_shard(tmp_path / "nowhere" / "masks", "a", ENDINGS) is None
    (tmp_path / "a.zip").mkdir()
    assert archive_of(tmp_path / "a.zip" / "a.png") is None
    assert not is_file(tmp_path / ("a" * 300))


def test_equal_files_make_equal_archives(root, tmp_path):
    before = (root / "masks" / "00000.zip").read_bytes()
    with ShardWriter(tmp_path / "again", "00000") as writer:
        for name in ("a", "b"):
            writer.keep(tmp_path / "again" / "masks" / "thing" / f"{name}.png", b"mask of " + name.encode())
    assert (tmp_path / "again" / "masks" / "00000.zip").read_bytes() == before
    assert writer.paths == [tmp_path / "again" / "masks" / "00000.zip"]


def test_a_shard_is_whole_or_not_there(root):
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    writer = ShardWriter(root, "00000")
    writer.keep(root / "masks" / "thing" / "a.png", b"another")
    writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_damaged_archives_are_told(root):
    path, archive = path_in_shard(root / "masks" / "thing", "b/1", ENDINGS), root / "masks" / "00001.zip"
    content = archive.read_bytes()
    archive.write_bytes(content[:-1])
    with pytest.raises(IncmaskError, match=r"00001\.zip: holds .* bytes, .* were written; let the same"):
        path_in_shard(root / "masks" / "thing", "b/1", ENDINGS)
    with pytest.raises(IncmaskError, match=r"00001\.zip: is damaged \(File is not a zip file\)"):
        read_bytes(path)
    archive.write_bytes(content.replace(b"thing/b/1.png", b"thing/b/2.png"))
    with pytest.raises(IncmaskError, match=r"00001\.zip: does not hold thing/b/1\.png; let the same"):
        read_bytes(path)


def test_files_that_begin_too_late_are_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", b"x" * 50)
    content = (tmp_path / "a.zip").read_bytes()
    place = content.index(b"PK\1\2") + 42
    (tmp_path / "a.zip").write_bytes(content[:place] + (len(content) - 10).to_bytes(4, "little") + content[place + 4 :])
    with pytest.raises(IncmaskError, match=r"a\.zip: is cut short"):
        read_bytes(tmp_path / "a.zip" / "a.png")


@given(st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1), st.integers(1, 9))
def test_every_name_lies_between_the_first_and_the_last_of_one_shard(names, num):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "IMAGES_A_SHARD", num)
        told = shards_of([*names])
    assert sum(each.images for each in told) == len(names)
    assert [each.shard for each in told] == sorted(each.shard for each in told)
    for name in names:
        assert sum(each.first <= name <= each.last for each in told) == 1
