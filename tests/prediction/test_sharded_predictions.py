"""Predictions of very many images, whose pictures lie in archives."""

import csv
import io
import zipfile

import pytest

from incmask.base import shards
from incmask.base.errors import IncmaskError
from incmask.base.pool import HerePool
from incmask.base.shards import ShardWriter
from incmask.data.dataset import ClassInfo
from incmask.nets.spec import NetworkSpec, save_model
from incmask.prediction import folder as module
from incmask.prediction.ensemble import About
from incmask.prediction.model_folder import save_ensemble
from runs import Listener, draw, save

LAYERS = ("masks", "inconsistent", "disagreement")


@pytest.fixture(autouse=True)
def _in_shards(monkeypatch):
    monkeypatch.setattr(module, "SHARDED_FROM", 4)
    monkeypatch.setattr(shards, "IMAGES_A_SHARD", 2)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder, spec = tmp_path_factory.mktemp("model"), NetworkSpec(1, 1, 0.125)
    for seed in (0, 1):
        save_model(folder / f"{seed}.safetensors", spec.build(seed=seed).state_dict(), spec)
    about = About("binary", (ClassInfo("cell", (255, 0, 0), 255),), 1, None, (32, 32), "resize", "float32")
    save_ensemble(folder / "model", [folder / "0.safetensors", folder / "1.safetensors"], about, scores={})
    return folder / "model"


@pytest.fixture
def images(tmp_path):
    for index in range(5):
        _draw(tmp_path / "images", index)
    return tmp_path / "images"


def _draw(folder, index, *, seed=None):
    save(folder / f"{index}.png", draw(seed=index if seed is None else seed, size=(32, 40))[0])


def predict(model, images, out):
    done = module.predict_folder(model, images, out, device="cpu", progress=Listener(), open_pool=HerePool)
    return sorted(share.name for share in done.shares)


def held(out, layer="disagreement"):
    """Give what the archives of a layer hold, by shard."""
    found = {}
    for path in sorted((out / layer).iterdir()):
        with zipfile.ZipFile(path) as archive:
            found[path.stem] = {name: archive.read(name) for name in archive.namelist()}
    return found


def names(out):
    return [row["name"] for row in csv.DictReader(io.StringIO((out / "summary.csv").read_text(encoding="utf-8")))]


def test_archives_hold_what_would_lie_there_for_itself(model, images, tmp_path, monkeypatch):
    assert predict(model, images, tmp_path / "out") == list("01234")
    monkeypatch.setattr(module, "SHARDED_FROM", 5)
    predict(model, images, tmp_path / "plain")
    for layer in LAYERS:
        found = held(tmp_path / "out", layer)
        assert list(found) == ["00000", "00001", "00002"]
        together = {name: content for each in found.values() for name, content in each.items()}
        assert together == {path.name: path.read_bytes() for path in (tmp_path / "plain" / layer).iterdir()}
    assert (tmp_path / "out" / "summary.csv").read_bytes() == (tmp_path / "plain" / "summary.csv").read_bytes()


def test_what_is_there_and_unchanged_is_not_predicted_again(model, images, tmp_path):
    out = tmp_path / "out"
    predict(model, images, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.zip")}
    assert predict(model, images, out) == []
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.zip")} == before


def test_a_changed_image_changes_its_archive_alone(model, images, tmp_path):
    out = tmp_path / "out"
    predict(model, images, out)
    before = held(out)
    _draw(images, 2, seed=99)
    assert predict(model, images, out) == ["2"]
    after = held(out)
    assert after["00001"].pop("2.png") != before["00001"].pop("2.png")
    assert after == before
    assert names(out) == list("01234")
    assert predict(model, images, out) == []


def test_few_new_images_lie_for_themselves_and_many_in_archives_of_their_own(model, images, tmp_path):
    out = tmp_path / "out"
    predict(model, images, out)
    before = held(out)
    _draw(images, 5)
    assert predict(model, images, out) == ["5"]
    assert (out / "masks" / "5.png").is_file()
    (out / "masks" / "5.png").unlink()
    for index in range(6, 10):
        _draw(images, index)
    assert predict(model, images, out) == list("56789")
    for layer in LAYERS:
        (out / layer / "5.png").unlink(missing_ok=True)
    after = held(out)
    assert {shard: after[shard] for shard in before} == before
    assert {shard: [*files] for shard, files in after.items() if shard not in before} == {
        "00003": ["5.png", "6.png"],
        "00004": ["7.png", "8.png"],
        "00005": ["9.png"],
    }
    assert names(out) == list("0123456789")
    assert predict(model, images, out) == []


def test_images_of_a_lost_archive_come_anew(model, images, tmp_path):
    out = tmp_path / "out"
    predict(model, images, out)
    before = held(out)
    (out / "disagreement" / "00000.zip").unlink()
    assert predict(model, images, out) == ["0", "1"]
    assert held(out) == before


def test_an_archive_that_is_damaged_is_not_amended(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "00000.zip").write_bytes(b"none")
    writer = ShardWriter(tmp_path, "00000", amends=True)
    writer.keep(tmp_path / "masks" / "a.png", b"a")
    with pytest.raises(IncmaskError, match=r"00000\.zip: is damaged .*; remove it, and call the same again"):
        writer.__exit__(None, None, None)
    assert [path.read_bytes() for path in (tmp_path / "masks").iterdir()] == [b"none"]
