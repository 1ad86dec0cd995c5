"""The functions do what the commands do, which call them."""

import json
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import incmask
from finished_runs import copy_of
from incmask.base.config import Effort, Preset
from incmask.base.errors import IncmaskError
from incmask.base.presets import EFFORTS, PRESETS
from incmask.method.profiles import PROFILES, ProfileName
from incmask.method.recipes import RECIPES, RecipeName
from runs import HERE, SIZES, draw, make_data, save


@pytest.fixture(scope="module")
def run(finished_run):
    return finished_run("binary")


@pytest.mark.parametrize(
    ("names", "known"), [(RecipeName, RECIPES), (ProfileName, PROFILES), (Preset, PRESETS), (Effort, EFFORTS)]
)
def test_editors_offer_what_there_is(names, known):
    assert get_args(names) == tuple(known)


def test_the_check_tells_in_fields_what_the_command_tells_as_json(call, tmp_path):
    data = make_data(tmp_path / "data", "multilabel", {"labelled": 3, "unlabelled": 2})
    found = incmask.check(data)
    assert found.is_ready
    assert (found.facts.task, found.facts.channels) == ("multilabel", 1)
    labelled = found.facts.parts["labelled"]
    # Of 40×28, 32×32 and 25×47, by their pixels.
    assert labelled.num_images == 3
    assert (labelled.smallest, labelled.median, labelled.largest) == ((32, 32), (40, 28), (25, 47))
    assert found.facts.parts["val"].num_images == 0
    masks = np.concatenate([draw(seed=index, size=size)[1].ravel() for index, size in enumerate(SIZES)])
    for class_id, name in enumerate(("bright", "dark"), 1):
        assert found.facts.classes[name] == pytest.approx((masks == class_id).mean())
    code, told, _ = call("check", data, "--json")
    assert code == 0
    # What it says to people is worded for who asked.
    expected = json.loads(json.dumps(found.as_dict())) | {"description": json.loads(told)["description"]}
    assert json.loads(told) == expected
    assert expected["ready"] is True


def test_a_check_of_a_broken_folder_has_its_problems(call, tmp_path):
    data = make_data(tmp_path / "data", "binary")
    (data / "labelled" / "images" / "labelled 0.png").write_bytes(b"no image")
    found = incmask.check(data)
    assert not found.is_ready
    assert any("labelled 0.png" in problem.where and problem.remedy for problem in found.problems)
    code, told, _ = call("check", data, "--json")
    assert code == 1
    assert json.loads(told)["problems"][0].keys() == {"where", "what", "remedy"}


def test_masks_of_files_and_what_cannot_be_read(run, tmp_path):
    for index in range(2):
        save(tmp_path / "new" / f"{index}.png", draw(seed=index, size=(32, 32))[0])
    (tmp_path / "new" / "broken.png").write_bytes(b"x")
    done = incmask.predict(run, tmp_path / "new", tmp_path / "out", overlays=True, device="cpu", executor=HERE)
    assert sorted(share.name for share in done.shares) == ["0", "1"]
    assert [problem.where for problem in done.problems] == [str(tmp_path / "new" / "broken.png")]
    assert (tmp_path / "out" / "overlays" / "0.png").exists()
    assert not (tmp_path / "out" / "instances").exists()
    again = incmask.predict(str(run), [str(tmp_path / "new" / "0.png")], str(tmp_path / "one"), executor=HERE)
    assert len(again.shares) == 1


@pytest.mark.parametrize("classes", ["ground=0,cell=255", {"ground": 0, "cell": 255}], ids=["text", "mapping"])
def test_masks_of_other_models(tmp_path, classes):
    label = np.zeros((8, 8), np.uint8)
    label[2:6, 2:6] = 255
    for shift_px, name in enumerate("ab"):
        save(tmp_path / name / "x.png", np.roll(label, shift_px, 1))
    done = incmask.mask([tmp_path / "a", tmp_path / "b"], tmp_path / "out", task="multiclass", classes=classes)
    assert (done.task, done.class_names) == ("multiclass", ("inconsistent", "ground", "cell"))
    assert done.inconsistent_fraction == 8 / 64


def test_ranking_report_and_corrections(finished_run, tmp_path):
    theirs = finished_run("first round")
    run = Path(shutil.copytree(theirs.parent, tmp_path / "there")) / theirs.name
    top = incmask.rank(run, top=2, executor=HERE)
    assert [row.rank for row in top.rows] == [1, 2]
    assert not (run / "ranking.csv").exists()
    whole = incmask.rank(run, executor=HERE)
    assert whole.rows[:2] == top.rows
    assert (run / "ranking.csv").exists()
    exported = incmask.export(run, tmp_path / "fix", format="png", top=2)
    assert exported.names == tuple(row.name for row in top.rows)
    with pytest.raises(IncmaskError, match="top: is for labels, and torch exports the model"):
        incmask.export(run, tmp_path / "x.pt2", format="torch", top=2)
    with pytest.raises(IncmaskError, match="format: unknown name 'labelmee'; did you mean 'labelme'"):
        incmask.export(run, tmp_path / "x", format="labelmee")
    with pytest.raises(IncmaskError, match="format: unknown name 'pngs'; did you mean 'png'"):
        incmask.import_labels(run, tmp_path / "fix", format="pngs")
    added = incmask.import_labels(run, tmp_path / "fix", format="png", unchanged="confirm")
    assert (added.round.number, sorted(added.round.names)) == (2, sorted(exported.names))


@pytest.mark.usefixtures("undrawn")
def test_the_report_of_a_run(finished_run, tmp_path):
    run = copy_of(finished_run("binary"), tmp_path)
    assert incmask.report(run) == run / "report.html"
    assert (run / "report.html").stat().st_size > 1000
