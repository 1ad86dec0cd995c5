"""Runs whose pictures lie in archives, beside the same run whose pictures lie for themselves."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import incmask
from damages import DAMAGES
from finished_runs import copy_of, leave_undrawn, leave_untrained
from incmask.base import shards
from incmask.base.errors import IncmaskError
from incmask.base.intact import DamagedError
from incmask.base.shards import SHARDS
from incmask.experiment import deliver
from incmask.experiment.record.images import picture_path, read_mask
from incmask.experiment.record.run import read_run
from incmask.insight.ranking.rank import rank_run
from incmask.insight.report.run_page.write import write_report
from incmask.prediction import pictures
from runs import HERE, make_data, results, run_tiny

NAMES = [f"unlabelled {number}" for number in range(5)]
LAYERS = ("masks", "inconsistent", "disagreement")


def _in_shards(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deliver, "SHARDED_FROM", 4)
    patch.setattr(shards, "IMAGES_A_SHARD", 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Hold data, a run of them in "plain", and one in "run" whose pictures lie in three shards."""
    folder = tmp_path_factory.mktemp("sharded")
    data = make_data(folder / "data", "multilabel", truth=False)
    with pytest.MonkeyPatch.context() as patch:
        leave_untrained(patch)
        run_tiny(data, folder / "plain", "ldt")
        _in_shards(patch)
        run_tiny(data, folder / "run", "ldt")
    return folder


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    """Give a copy of the sharded run, which goes on in shards."""
    leave_untrained(monkeypatch)
    leave_undrawn(monkeypatch)
    _in_shards(monkeypatch)
    return copy_of(folder / "run", tmp_path)


def test_archives_hold_what_would_lie_there_for_itself(folder):
    for layer in LAYERS:
        archives = sorted((folder / "run" / layer).iterdir())
        assert [path.name for path in archives] == ["00000.zip", "00001.zip", "00002.zip"]
        held = {}
        for path in archives:
            with zipfile.ZipFile(path) as archive:
                held |= {name: archive.read(name) for name in archive.namelist()}
        plain = folder / "plain" / layer
        there = {path.relative_to(plain).as_posix(): path.read_bytes() for path in plain.rglob("*.png")}
        assert held == there
        assert layer != "disagreement" or len({*held.values()}) > 3
        assert len(held) == len(NAMES) * (2 if layer == "masks" else 1)


def test_all_else_is_the_same_to_the_byte(folder):
    ours, theirs = (
        {name: content for name, content in results(folder / run) if name.partition("/")[0] not in LAYERS}
        for run in ("run", "plain")
    )
    assert ours.pop(SHARDS).decode().splitlines() == [
        "shard,first,last,images",
        "00000,unlabelled 0,unlabelled 1,2",
        "00001,unlabelled 2,unlabelled 3,2",
        "00002,unlabelled 4,unlabelled 4,1",
    ]
    assert ours == theirs


def test_masks_are_read_back_equal(folder):
    scheme = read_run(folder / "run").scheme
    for name in NAMES:
        ours, theirs = (read_mask(folder / run, name, scheme) for run in ("run", "plain"))
        assert (ours.label == theirs.label).all()
        assert (ours.inconsistent == theirs.inconsistent).all()


def test_ranking_and_export_are_the_same(folder, tmp_path, call):
    ours, theirs = (rank_run(folder / run, open_pool=HERE.open_pool, num_workers=1) for run in ("run", "plain"))
    assert ours == theirs
    for name in ("run", "plain"):
        run = copy_of(folder / name, tmp_path / name)
        shutil.copytree(folder / "data", tmp_path / name / "data")
        code, _, told = call("export", run, "--to", "coco", "-o", tmp_path / f"{name} exported")
        assert code == 0, told
    ours, theirs = (
        {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.json")}
        for out in (tmp_path / "run exported", tmp_path / "plain exported")
    )
    assert ours == theirs
    assert ours


def test_the_report_shows_pictures_and_names_their_archives(run, folder, tmp_path):
    plain = copy_of(folder / "plain", tmp_path / "other")
    ours, theirs = (write_report(each).read_text(encoding="utf-8") for each in (run, plain))
    assert 'href="masks/00000.zip"' in ours
    assert "disagreement (in 00002.zip)" in ours
    assert ours.count("data:image/png") == theirs.count("data:image/png") > 0


def test_a_run_in_shards_is_whole_until_one_is_damaged(run):
    assert incmask.verify(run).is_whole
    assert not incmask.verify(run).unknown
    DAMAGES["flipped"](run / "masks" / "00001.zip")
    (problem,) = incmask.verify(run).problems
    assert problem.where == str(run / "masks" / "00001.zip")
    with pytest.raises(DamagedError, match=r"masks.00001\.zip: holds other bytes"):
        read_mask(run, "unlabelled 2", read_run(run).scheme)
    # Others are read all the same.
    assert picture_path(run / "disagreement", "unlabelled 2").parent.name == "00001.zip"
    read_mask(run, "unlabelled 0", read_run(run).scheme)


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_a_damaged_shard_alone_is_made_anew(run, folder, monkeypatch, damage):
    before = dict(results(run)) | {path.name: path.read_bytes() for path in (run / "masks").iterdir()}
    path = run / "masks" / "00001.zip"
    path.unlink() if damage == "gone" else DAMAGES[damage](path)
    predicted = []
    real = deliver.predict_files

    def counting(job, report):
        predicted.append([file.name for file in job.files])
        return real(job, report)

    monkeypatch.setattr(deliver, "predict_files", counting)
    _, said = run_tiny(folder / "data", run, "ldt")
    assert said.says("masks/00001.zip ")
    assert predicted == [NAMES[2:4]]
    again = {name: content for name, content in results(run) if not name.startswith("damaged")}
    assert again | {path.name: path.read_bytes() for path in (run / "masks").iterdir()} == before
    assert incmask.verify(run).is_whole


def test_without_its_table_nothing_is_found_and_all_is_made_anew(run, folder):
    before = dict(results(run))
    (run / SHARDS).unlink()
    assert picture_path(run / "inconsistent", NAMES[0]) == run / "inconsistent" / f"{NAMES[0]}.png"
    _, said = run_tiny(folder / "data", run, "ldt")
    assert said.says("shards.csv is gone")
    assert dict(results(run)) == before


def test_a_killed_run_comes_to_the_same_bytes(folder, tmp_path, monkeypatch):
    leave_untrained(monkeypatch)
    _in_shards(monkeypatch)
    out, real = tmp_path / "run", deliver.predict_files

    def killed(job, report):
        if job.shard == "00001":
            raise KeyboardInterrupt
        return real(job, report)

    monkeypatch.setattr(deliver, "predict_files", killed)
    with pytest.raises(KeyboardInterrupt):
        run_tiny(folder / "data", out, "ldt")
    assert [path.name for path in (out / "masks").iterdir()] == ["00000.zip"]
    predicted = []

    def counting(job, report):
        predicted.append(job.shard)
        return real(job, report)

    monkeypatch.setattr(deliver, "predict_files", counting)
    run_tiny(folder / "data", out, "ldt")
    # What was whole stayed.
    assert predicted == ["00001", "00002"]
    assert dict(results(out)) == dict(results(folder / "run"))
    for layer in LAYERS:
        for path in (folder / "run" / layer).iterdir():
            assert (out / layer / path.name).read_bytes() == path.read_bytes()
    lines = [json.loads(line)["path"] for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert "masks/00002.zip" in lines
    assert not [name for name in lines if name.endswith(".png") and name.startswith(LAYERS)]


@pytest.mark.parametrize(
    "spoiled", ["masks/00000.zip", "shard-tables/masks/00000.csv", "inconsistent/unlabelled 1.tif"]
)
def test_what_is_damaged_of_a_killed_run_is_predicted_again(folder, tmp_path, monkeypatch, spoiled):
    leave_untrained(monkeypatch)
    leave_undrawn(monkeypatch)
    _in_shards(monkeypatch)
    if spoiled.endswith(".tif"):
        monkeypatch.setattr(pictures, "BIG_PIXELS", 1100)
    whole, out, real, predicted = tmp_path / "whole", tmp_path / "run", deliver.predict_files, []
    run_tiny(folder / "data", whole, "ldt")

    def killed(job, report):
        if job.shard == "00002":
            raise KeyboardInterrupt
        return real(job, report)

    def counting(job, report):
        predicted.append(job.shard)
        return real(job, report)

    monkeypatch.setattr(deliver, "predict_files", killed)
    with pytest.raises(KeyboardInterrupt):
        run_tiny(folder / "data", out, "ldt")
    DAMAGES["flipped"](out / spoiled)
    monkeypatch.setattr(deliver, "predict_files", counting)
    run_tiny(folder / "data", out, "ldt")
    # A picture that lies for itself does not tell which others are with it.
    assert predicted == (["00000", "00001", "00002"] if spoiled.endswith(".tif") else ["00000", "00002"])
    shutil.rmtree(out / "damaged")
    assert dict(results(out)) == dict(results(whole))
    assert incmask.verify(out).is_whole
    assert not incmask.verify(out).unknown


def test_large_pictures_lie_for_themselves(folder, tmp_path, monkeypatch):
    leave_untrained(monkeypatch)
    _in_shards(monkeypatch)
    monkeypatch.setattr(pictures, "BIG_PIXELS", 1100)
    out = tmp_path / "run"
    run_tiny(folder / "data", out, "ldt")
    alone = {path.name for path in (out / "inconsistent").iterdir()}
    # Of 25×47 and 40×28 pixels; the third shard would be empty.
    assert alone == {"00000.zip", "00001.zip", "unlabelled 1.tif", "unlabelled 2.tif", "unlabelled 4.tif"}
    scheme = read_run(out).scheme
    for name in NAMES:
        ours, theirs = (read_mask(run, name, scheme) for run in (out, folder / "plain"))
        assert np.array_equal(ours.label, theirs.label)
    assert incmask.verify(out).is_whole
    assert not incmask.verify(out).unknown


def test_unreadable_images_are_told_and_no_table_is_written(folder, tmp_path, monkeypatch):
    leave_untrained(monkeypatch)
    _in_shards(monkeypatch)
    data = make_data(tmp_path / "data", "multilabel", truth=False)
    real = deliver.predict_files

    def spoiled(job, report):
        for file in job.files:
            file.path.write_bytes(b"none")
        return real(job, report)

    monkeypatch.setattr(deliver, "predict_files", spoiled)
    with pytest.raises(IncmaskError, match=r"unlabelled 3\.png: is no PNG"):
        run_tiny(data, tmp_path / "run", "ldt")
    assert not (tmp_path / "run" / SHARDS).exists()
    assert not (tmp_path / "run" / "masks.csv").exists()
