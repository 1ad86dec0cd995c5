import csv
import hashlib
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from functools import partial
from pathlib import Path

import pytest
import toy
from toy import contents, toys

from incmask.base.choosing import read_config, resolve_settings
from incmask.base.errors import IncmaskError
from incmask.base.intact import hash_file
from incmask.base.local_pool import LocalPool
from incmask.base.pool import HerePool
from incmask.base.store import Store
from incmask.data.dataset import DataOptions
from incmask.data.folder.scan import scan
from incmask.exchange.prepare import prepare as prepare_module
from incmask.exchange.prepare.plan import PrepareOptions
from incmask.exchange.prepare.prepare import PREPARERS, prepared_as_dict, prepared_text
from incmask.exchange.sources.archives import SourceFile
from nightly import NIGHTLY

prepare = partial(prepare_module.prepare, open_pool=HerePool)

PAPER = PrepareOptions(paper=True)


@pytest.fixture(autouse=True)
def _toys(monkeypatch):
    toy.install(monkeypatch)


def message(*args, **kwargs):
    with pytest.raises(IncmaskError) as caught:
        prepare(*args, **kwargs)
    return str(caught.value)


def state(root):
    return {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.name != ".lock"}


def test_a_prepared_folder_is_ready_and_says_what_it_is(tmp_path):
    prepared = prepare("toy", toys(tmp_path / "src"), tmp_path / "dst")
    assert (prepared.num_made, prepared.parts) == (10, {"labelled": 4, "unlabelled": 2, "val": 2, "test": 2})
    config = read_config(tmp_path / "dst")
    assert config.profile == "upright"
    assert resolve_settings(from_file=config.settings).size == (16, 16)
    found = scan(tmp_path / "dst", DataOptions(**config.data))
    assert found.problems == ()
    assert [(part, len(items)) for part, items in found.dataset.parts()] == list(prepared.parts.items())
    with open(tmp_path / "dst" / "split.csv", newline="") as handle:
        assert list(csv.reader(handle)) == [
            ["source", "part"],
            ["l1", "labelled"],
            ["l2", "labelled"],
            ["t1", "test"],
            ["u1", "unlabelled"],
            ["v1", "val"],
        ]
    groups = {part: sorted(item.group for item in items) for part, items in found.dataset.parts()}
    assert groups == {
        "labelled": ["l1", "l1", "l2", "l2"],
        "unlabelled": ["u1"] * 2,
        "val": ["v1"] * 2,
        "test": ["t1"] * 2,
    }


def test_the_origin_is_told_with_counts_checksums_and_what_the_owner_asks_for(tmp_path):
    src = toys(tmp_path / "src")
    prepare("toy", src, tmp_path / "dst", options=PAPER)
    text = (tmp_path / "dst" / "SOURCE.md").read_text()
    assert text.startswith("# Toys\n\nMade by `incmask prepare toy SRC DST --paper`.\n")
    assert "- Citation: A. Toymaker: Toys. 2020.\n- Licence: CC BY 4.0: name the author\n" in text
    assert "| toys | 5 | 9 | some \\| were lost |\n| crops | 10 |  |  |\n" in text
    assert "| unlabelled | 2 |" in text
    assert "- paper: True\n" in text
    assert "| paper | `True` |\n| seed | `42` |\n" in text
    names = sorted(path.name for path in (src / "toy").iterdir())
    listing = "".join(f"{name}\t{(src / 'toy' / name).stat().st_size}\n" for name in names)
    assert f"| `toy` | 6 | 36 | `{hashlib.sha256(listing.encode()).hexdigest()}` |" in text


def test_of_archives_the_checksum_is_the_files(tmp_path):
    toys(tmp_path / "plain")
    path = tmp_path / "src" / "Download.ZIP"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for each in (tmp_path / "plain" / "toy").iterdir():
            archive.write(each, f"Outer/TOY/{each.name}")
    prepare("toy", path, tmp_path / "dst")
    prepare("toy", tmp_path / "plain", tmp_path / "other")
    text = (tmp_path / "dst" / "SOURCE.md").read_text()
    assert f"| `Download.ZIP` | archive | {path.stat().st_size} | `{hash_file(path)}` |" in text
    zipped, plain = contents(tmp_path / "dst"), contents(tmp_path / "other")
    del zipped["SOURCE.md"], plain["SOURCE.md"], zipped["manifest.jsonl"], plain["manifest.jsonl"]
    assert zipped == plain


def test_the_same_download_unpacked_meanwhile_is_still_the_same(tmp_path):
    src = toys(tmp_path / "src")
    with zipfile.ZipFile(tmp_path / "toy.zip", "w") as archive:
        for each in (src / "toy").iterdir():
            archive.write(each, f"toy/{each.name}")
    prepare("toy", src, tmp_path / "dst")
    assert prepare("toy", tmp_path / "toy.zip", tmp_path / "dst").num_made == 0


def test_a_second_call_compares_and_touches_nothing(tmp_path):
    src = toys(tmp_path / "src")
    first = prepare("toy", src, tmp_path / "dst")
    before = state(tmp_path / "dst")
    second = prepare("toy", src, tmp_path / "dst")
    assert (first.num_made, second.num_made) == (10, 0)
    assert state(tmp_path / "dst") == before


@pytest.mark.parametrize("is_same_size", [False, True])
@pytest.mark.parametrize("name", ["labelled/images/l1_0.png", "val/masks/v1_1.png", "split.csv", "SOURCE.md"])
def test_a_changed_file_is_found_and_mended_as_told(tmp_path, name, is_same_size):
    src, path = toys(tmp_path / "src"), tmp_path / "dst" / name
    prepare("toy", src, tmp_path / "dst")
    before = contents(tmp_path / "dst")
    path.write_bytes(before[name][:-1] + (b"X" if is_same_size else b""))
    assert message("toy", src, tmp_path / "dst") == (
        f"{path}: was changed since it was written; delete it and prepare again, which makes it anew"
    )
    path.unlink()
    prepare("toy", src, tmp_path / "dst")
    assert contents(tmp_path / "dst") == before


def test_the_configuration_may_be_edited(tmp_path):
    src, path = toys(tmp_path / "src"), tmp_path / "dst" / "incmask.toml"
    prepare("toy", src, tmp_path / "dst")
    path.write_text(path.read_text().replace("16", "32"))
    edited = path.read_text()
    assert "incmask.toml was changed by hand and stays so" in prepare("toy", src, tmp_path / "dst").notes
    assert path.read_text() == edited


KILLED = """
import os, sys
from pathlib import Path
import pytest, toy
from incmask.base import files, store
from incmask.base.pool import HerePool
from incmask.exchange.prepare import write
from incmask.exchange.prepare.prepare import prepare

where, times = sys.argv[3], int(sys.argv[4])
patch = pytest.MonkeyPatch()
toy.install(patch)
patch.setattr(write, "_CHUNK_IMAGES", 2)
left = [times]

def killing(function, torn):
    def call(*args, **kwargs):
        left[0] -= 1
        if left[0]:
            return function(*args, **kwargs)
        torn(*args)
        os._exit(9)
    return call

def torn_lines(self, *paths):
    path = self.root / "manifest.jsonl"
    before = path.read_bytes()
    record(self, *paths)
    added = path.read_bytes()[len(before):]
    path.write_bytes(before + added[: len(added) - 30])

record = store.Store.record
if where == "replace":
    patch.setattr(files.os, "replace", killing(os.replace, lambda *paths: None))
elif where == "before":
    patch.setattr(store.Store, "record", killing(record, lambda *paths: None))
else:
    patch.setattr(store.Store, "record", killing(record, torn_lines))
prepare("toy", Path(sys.argv[1]), Path(sys.argv[2]), open_pool=HerePool)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "times"),
    [
        ("replace", 1),
        ("torn", 5),
        ("replace", -1),
        *(pytest.param(*each, marks=NIGHTLY) for each in (("replace", 6), ("before", 4))),
    ],
)
def test_a_killed_call_goes_on_to_the_same_bytes(tmp_path, where, times):
    src = toys(tmp_path / "src", task="multilabel")
    prepare("toy", src, tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    if times < 0:
        # The last file: run.toml, data.json, three for each of ten images, split.csv, incmask.toml, SOURCE.md
        times = 2 + 3 * 10 + 3
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent)])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(src), str(tmp_path / "dst"), where, str(times)],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert killed.returncode == 9, killed.stderr
    assert not (tmp_path / "dst" / "SOURCE.md").exists()
    prepare("toy", src, tmp_path / "dst")
    assert contents(tmp_path / "dst") == whole
    assert prepare("toy", src, tmp_path / "dst").num_made == 0


def test_a_folder_with_other_things_stays_as_it_is(tmp_path):
    src, dst = toys(tmp_path / "src"), tmp_path / "dst"
    dst.mkdir()
    (dst / "mine.txt").write_text("mine")
    assert message("toy", src, dst) == (
        f"{dst}: is there already and holds other things; name a new or an empty folder"
    )
    assert [path.name for path in dst.iterdir()] == ["mine.txt"]
    assert "is a file" in message("toy", src, dst / "mine.txt")
    with Store(tmp_path / "run", run={"recipe": "im"}, data={}):
        pass
    assert "holds the results of another command" in message("toy", src, tmp_path / "run")


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "dst").mkdir()
    assert prepare("toy", toys(tmp_path / "src"), tmp_path / "dst").num_made == 10


def test_other_choices_are_refused_with_the_difference(tmp_path, monkeypatch):
    src, dst = toys(tmp_path / "src"), tmp_path / "dst"
    prepare("toy", src, dst)
    before = state(dst)
    told = message("toy", src, dst, options=PAPER)
    assert told == (
        f"{dst}: options.paper was False when the run began and is True now; take it back, or name a new folder"
    )
    monkeypatch.setitem(PREPARERS, "games", toy.toy_plan)
    assert "prepare was 'toy' when the run began and is 'games' now" in message("games", src, dst)
    assert state(dst) == before


def test_another_source_is_refused_with_the_difference(tmp_path):
    src, dst = toys(tmp_path / "src"), tmp_path / "dst"
    prepare("toy", src, dst)
    (src / "toy" / "l3.txt").write_text("new")
    assert "the source's folder toy had 6 files of 36 bytes" in message("toy", src, dst)
    assert "and has 7 files of 39 bytes" in message("toy", src, dst)
    (src / "toy" / "l3.txt").unlink()
    assert prepare("toy", src, dst).num_made == 0


def test_source_and_destination_may_not_lie_in_each_other_badly(tmp_path):
    src = toys(tmp_path / "src")
    assert "is source and destination at once" in message("toy", src, src)
    assert "holds the source" in message("toy", src / "toy", src)
    (tmp_path / "link").symlink_to(src)
    assert "is source and destination at once" in message("toy", src, tmp_path / "link")
    for inside in (src / "toy" / "dst", src / "toy" / "a" / "b"):
        assert f"lies among the images of the source, in {src / 'toy'}" in message("toy", src, inside)
    assert sorted(path.name for path in src.rglob("*") if path.is_dir()) == ["toy"]


def test_the_data_folder_may_lie_in_the_download_folder(tmp_path):
    src = toys(tmp_path / "src")
    (src / "prepared").mkdir()
    assert prepare("toy", src, src / "prepared").num_made == 10
    # Nothing of it is taken for the source.
    assert prepare("toy", src, src / "prepared").num_made == 0


def test_what_is_wrong_with_the_source_leaves_nothing_behind(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "toy.zip").write_bytes(b"PK\x03\x04 the beginning")
    assert "is truncated" in message("toy", tmp_path / "src", tmp_path / "dst")
    assert "is not there" in message("toy", tmp_path / "nowhere", tmp_path / "dst")
    assert not (tmp_path / "dst").exists()


def test_an_unknown_kind_is_told_the_known_ones(tmp_path):
    assert "did you mean 'isic2018'?" in message("isic2017", tmp_path, tmp_path / "dst")
    assert "isic2018, hela, suim, cityscapes, folder" in message("xyz", tmp_path, tmp_path / "dst")


def test_two_calls_at_once_are_told_apart(tmp_path):
    src = toys(tmp_path / "src")
    prepare("toy", src, tmp_path / "dst")
    records = [json.loads((tmp_path / "dst" / "data.json").read_text())]
    run = tomllib.loads((tmp_path / "dst" / "run.toml").read_text())
    with Store(tmp_path / "dst", run=run, data=records[0]):
        assert "another process is working" in message("toy", src, tmp_path / "dst")


def test_the_result_in_words_and_as_values(tmp_path):
    src = toys(tmp_path / "src")
    prepared = prepare("toy", src, tmp_path / "a b")
    assert (
        prepared_text(prepared)
        == f"""\
Toys: 10 images written, in {tmp_path / "a b"}
labelled 4, unlabelled 2, val 2, test 2
count: toys: 5, the paper has 9 (some | were lost)
count: crops: 10
note: paper: False
licence: CC BY 4.0: name the author
please cite: A. Toymaker: Toys. 2020.
next: incmask check '{tmp_path / "a b"}', then incmask run '{tmp_path / "a b"}'"""
    )
    again = prepare("toy", src, tmp_path / "a b")
    assert prepared_text(again).startswith("Toys: all is there, as it was written, in ")
    values = json.loads(json.dumps(prepared_as_dict(prepared)))
    assert values["root"] == str(tmp_path / "a b")
    assert values["counts"][0] == {"name": "toys", "found": 5, "paper": 9, "note": "some | were lost"}


@pytest.mark.slow
def test_workers_write_the_same_as_this_process(tmp_path, monkeypatch):
    from incmask.exchange.prepare import write

    src = toys(tmp_path / "src", " ".join(f"l{index}" for index in range(20)))
    prepare("toy", src, tmp_path / "here")
    monkeypatch.setattr(write, "num_cores", lambda: 1)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parents[1]))))
    prepare("toy", src, tmp_path / "there", open_pool=LocalPool)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_hundreds_of_files_are_read_once_each(tmp_path, monkeypatch):
    names = [f"{'lu'[index % 2]}{index}" for index in range(300)]
    src, read, read_file = toys(tmp_path / "src", " ".join(names)), [], SourceFile.read
    monkeypatch.setattr(SourceFile, "read", lambda file: read.append(file) or read_file(file))
    assert prepare("toy", src, tmp_path / "dst").num_made == 600
    # A few are read again for the picture of what was made.
    assert len(set(read)) == 300
    assert len(read) < 310
    assert prepare("toy", src, tmp_path / "dst").num_made == 0
    assert len(read) < 320
    assert len([*(tmp_path / "dst").glob("*/*/*.png")]) == 1200
