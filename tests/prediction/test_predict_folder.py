import csv
import io
import json
import os
import shutil
import sys
from functools import partial

import cv2
import numpy as np
import pytest

from incmask.base.errors import IncmaskError, fail
from incmask.base.pool import HerePool
from incmask.commands import cli
from incmask.data.dataset import ClassInfo
from incmask.nets.spec import NetworkSpec, save_model
from incmask.prediction import folder as module
from incmask.prediction.ensemble import About
from incmask.prediction.files import PredictJob
from incmask.prediction.layers import ExtraOutputs
from incmask.prediction.model_folder import save_ensemble
from runs import HERE, Listener, draw, save

predict_folder = partial(module.predict_folder, open_pool=HerePool)
watch_folder = partial(module.watch_folder, open_pool=HerePool)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"), seeds=(0, 1))


def make_model(folder, *, seeds):
    spec = NetworkSpec(1, 1, 0.125)
    paths = [folder / f"{seed}.safetensors" for seed in seeds]
    for seed, path in zip(seeds, paths, strict=True):
        save_model(path, spec.build(seed=seed).state_dict(), spec)
    about = About("binary", (ClassInfo("cell", (255, 0, 0), 255),), 1, None, (32, 32), "resize", "float32")
    save_ensemble(folder / "model", paths, about, scores={})
    return folder / "model"


@pytest.fixture
def images(tmp_path):
    for index in range(3):
        save(tmp_path / "images" / f"{index}.png", draw(seed=index, size=(32, 40))[0])
    return tmp_path / "images"


def predict(model, images, out, **options):
    """Predict, and give what was done with the names of the images that were predicted now."""
    done = predict_folder(model, images, out, device="cpu", progress=Listener(), **options)
    return done, sorted(share.name for share in done.shares)


def rows(out):
    return list(csv.DictReader(io.StringIO((out / "summary.csv").read_text(encoding="utf-8"))))


def test_what_is_there_and_unchanged_is_not_predicted_again(model, images, tmp_path):
    out = tmp_path / "out"
    done, names = predict(model, images, out)
    assert (names, done.num_unchanged) == (["0", "1", "2"], 0)
    table = (out / "summary.csv").read_bytes()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    done, names = predict(model, images, out)
    assert (names, done.num_unchanged) == ([], 3)
    assert (out / "summary.csv").read_bytes() == table
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == before

    save(images / "1.png", draw(seed=9, size=(20, 20))[0])
    (out / "masks" / "2.png").unlink()
    save(images / "new.png", draw(seed=10, size=(32, 40))[0])
    done, names = predict(model, images, out)
    assert (names, done.num_unchanged) == (["1", "2", "new"], 1)
    assert [row["name"] for row in rows(out)] == ["0", "1", "2", "new"]
    assert [row["height"] for row in rows(out)] == ["32", "20", "32", "32"]


@pytest.mark.parametrize(("cores", "asked", "threads"), [(1, 0, 1), (4, 0, 4), (4, 2, 1)])
def test_a_few_images_are_predicted_on_all_cores(model, images, tmp_path, monkeypatch, cores, asked, threads):
    from incmask.prediction import folder as inference

    given, share_out = [], PredictJob.share_out

    def shared(job, num_jobs):
        given.append(job.num_threads)
        return share_out(job, num_jobs)

    monkeypatch.setattr(PredictJob, "share_out", shared)
    monkeypatch.setattr(inference, "num_cores", lambda: cores)
    done = predict_folder(model, images, tmp_path / "out", device="cpu", num_workers=asked, progress=Listener())
    # Three images are worth a single process.
    assert (len(done.shares), {*given}) == (3, {threads})


def test_other_options_and_another_model_predict_anew(model, images, tmp_path):
    out = tmp_path / "out"
    predict(model, images, out, pictures=ExtraOutputs(probabilities=True))
    assert len(list(out.glob("probabilities/*.png"))) == 3
    _, names = predict(model, images, out)
    assert names == ["0", "1", "2"]
    assert not list(out.glob("probabilities/*.png"))  # they would be of other options, or of another model
    other = make_model(tmp_path / "other", seeds=(2, 3))
    _, names = predict(other, images / "0.png", out)
    assert names == ["0"]
    assert [row["name"] for row in rows(out)] == ["0"]
    _, names = predict(other, images, out)
    assert names == ["1", "2"]


def test_work_that_was_stopped_goes_on(model, images, tmp_path, monkeypatch):
    share_out = PredictJob.share_out
    monkeypatch.setattr(PredictJob, "share_out", lambda job, num_jobs: share_out(job, len(job.files)))
    with pytest.raises(KeyboardInterrupt):
        predict_folder(model, images, tmp_path / "out", device="cpu", progress=Listener(kill_at=5))
    done, names = predict(model, images, tmp_path / "out")
    assert done.num_unchanged == 2
    assert names == ["2"]
    assert len(rows(tmp_path / "out")) == 3


def test_a_broken_image_is_told_each_time_and_the_others_are_written(model, images, tmp_path):
    (images / "1.png").write_bytes(b"no image")
    for unchanged in (0, 2):
        done, _ = predict(model, images, tmp_path / "out")
        assert done.num_unchanged == unchanged
        assert [problem.where for problem in done.problems] == [str(images / "1.png")]
    assert [row["name"] for row in rows(tmp_path / "out")] == ["0", "2"]


def test_a_mistake_makes_no_folder(model, tmp_path):
    with pytest.raises(IncmaskError, match="is not there"):
        predict(model, tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(IncmaskError, match="is not there"):
        watch_folder(model, tmp_path / "nowhere", tmp_path / "out", progress=Listener())
    assert not (tmp_path / "out").exists()


def test_a_run_folder_is_not_written_into(model, images, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.jsonl").write_text("")
    for work in (predict_folder, watch_folder):
        with pytest.raises(IncmaskError, match="is a run folder; choose another folder, out="):
            work(model, images, tmp_path / "run", progress=Listener())
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["manifest.jsonl"]


class Clock:
    """Does something at each look, and ends the watch after the last."""

    def __init__(self, *steps):
        self.steps = list(steps)

    def __call__(self, seconds):
        if not self.steps:
            raise KeyboardInterrupt
        self.steps.pop(0)()


def nothing():
    pass


def test_watching_takes_files_once_they_are_whole(model, images, tmp_path):
    out = tmp_path / "out"
    content = (images / "0.png").read_bytes()
    late = images / "late.png"
    seen = []

    def names():
        seen.append(sorted(path.stem for path in out.glob("masks/*.png")))

    def grow(num_bytes):
        def step():
            names()
            late.write_bytes(content[:num_bytes])

        return step

    clock = Clock(grow(50), grow(100), grow(len(content)), names, names, names)
    listener = Listener()
    done = watch_folder(model, images, out, device="cpu", progress=listener, wait=clock)
    first = ["0", "1", "2"]
    assert seen == [[], first, first, first, [*first, "late"], [*first, "late"]]
    assert sorted(share.name for share in done.shares) == [*first, "late"]
    assert done.problems == ()
    assert [row["name"] for row in rows(out)] == [*first, "late"]
    assert listener.says("waiting for images")
    assert listener.says("1 image written, 4 in all")


def test_watching_tells_of_a_broken_file_once_and_tries_it_again_when_it_changes(model, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    file = images / "a.png"

    def mend():
        save(file, draw(seed=1, size=(32, 32))[0])

    listener = Listener()
    clock = Clock(lambda: file.write_bytes(b"no image"), nothing, nothing, nothing, mend, nothing, nothing)
    done = watch_folder(model, images, tmp_path / "out", device="cpu", progress=listener, wait=clock)
    assert sum("skipped" in line for line in listener.lines) == 1
    assert [share.name for share in done.shares] == ["a"]
    assert done.problems == ()
    file.write_bytes(b"broken again")
    done = watch_folder(model, images, tmp_path / "out", device="cpu", progress=Listener(), wait=Clock(nothing))
    assert [problem.where for problem in done.problems] == [str(file)]


def test_watching_goes_on_where_it_was_ended(model, images, tmp_path):
    out = tmp_path / "out"
    predict(model, images, out)
    done = watch_folder(model, images, out, device="cpu", progress=Listener(), wait=Clock(nothing, nothing))
    assert done.shares == ()


@pytest.fixture
def call(monkeypatch, capsys):
    def called(*words, stdin="", executor=HERE):
        monkeypatch.setattr(sys, "argv", ["incmask", "predict", *map(str, words), "--device", "cpu"])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = 0
        try:
            cli.main(executor)
        except SystemExit as end:
            code = end.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return called


@pytest.mark.slow
def test_the_command_takes_several_folders_patterns_and_a_list(call, model, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "more" / "0.png", draw(seed=7, size=(32, 32))[0])
    out = tmp_path / "out"
    code, told, err = call(model, images, "more", "-o", out, "--json", "--quiet", executor=None)
    assert (code, err) == (0, "")
    assert json.loads(told)["images"] == 4
    assert [row["name"] for row in rows(out)] == ["images/0", "images/1", "images/2", "more/0"]
    listed = f"{images / '0.png'}\n\nmore/0.png\n"
    code, told, _ = call(model, "-", "-o", out, "--json", stdin=listed)
    assert json.loads(told) == {"images": 2, "unchanged": 2, "out": str(out), "problems": [], "notes": []}
    code, told, _ = call(model, "*/0.png", "-o", out)
    assert told.startswith("2 images, 2 of them unchanged: masks in ")
    code, told, err = call(model, "-", "-o", out)
    assert (code, told) == (1, "")
    assert err.splitlines()[-1] == "incmask: standard input: names no images; give a path a line"


def test_the_command_hands_on_its_options(call, model, images, tmp_path):
    out = tmp_path / "out"
    code, _, _ = call(model, images, "-o", out, "--probabilities", "--overlay", "--instances")
    assert code == 0
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == [
        *("disagreement", "inconsistent", "instances", "masks", "overlays", "probabilities"),
    ]
    for folder in ("disagreement", "inconsistent", "instances", "masks", "overlays", "probabilities"):
        picture = cv2.imread(str(out / folder / "0.png"), cv2.IMREAD_UNCHANGED)
        assert picture.shape == ((32, 40, 3) if folder == "overlays" else (32, 40))
        assert picture.dtype == np.uint8
    summary = rows(out)[0]
    assert int(summary["area_px/cell"]) == round(float(summary["fraction/cell"]) * 32 * 40)


def test_objects_are_split_only_where_nothing_marks_their_centres(call, model, images, tmp_path, monkeypatch):
    assert call(model, images, "-o", tmp_path / "out", "--instances", "--split")[0] == 0
    about = json.loads((model / "model.json").read_text(encoding="utf-8"))
    about |= {"task": "multilabel", "position_class": "centre"}
    about["classes"] = [{"name": name, "colour": [9, 9, 9], "value": name} for name in ("body", "centre")]
    marked = shutil.copytree(model, tmp_path / "marked")
    (marked / "model.json").write_text(json.dumps(about), encoding="utf-8")
    code, _, told = call(marked, images, "-o", tmp_path / "other", "--split")
    assert code == 1
    assert "--split: is for models that mark no centres; by centre objects are told apart already" in told

    def missing():
        raise fail("splitting objects", "scikit-image is not installed", "pip install 'incmask[objects]'")

    monkeypatch.setattr(module, "check_can_grow", missing)
    code, _, told = call(marked, images, "-o", tmp_path / "other", "--instances")
    assert (code, (tmp_path / "other").exists()) == (1, False)
    assert "scikit-image is not installed; pip install 'incmask[objects]'" in told


def test_the_command_watches_until_ctrl_c(call, model, images, tmp_path, monkeypatch):
    defaults = module.watch_folder.__kwdefaults__
    monkeypatch.setattr(module.watch_folder, "__kwdefaults__", defaults | {"wait": Clock(nothing)})
    code, told, _ = call(model, images, "-o", tmp_path / "out", "--watch")
    assert code == 0
    assert told.startswith("3 images: ")
    assert os.listdir(tmp_path / "out" / "masks")
