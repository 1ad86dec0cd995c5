import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from finished_runs import copy_of, finish, remove_from, write_to
from incmask.base.config import Settings
from incmask.base.errors import IncmaskError
from incmask.base.pool import HerePool
from incmask.data.images.readers import read_network_image
from incmask.data.images.tiles import scale_label
from incmask.experiment.paths import RANKING
from incmask.experiment.record.images import read_mask
from incmask.experiment.record.run import open_run
from incmask.insight.ranking.rank import rank_run, write_ranking
from incmask.insight.ranking.rows import to_csv
from incmask.method.quality import quality
from incmask.nets.spec import load_model
from incmask.prediction.ensemble import Ensemble
from incmask.training.rating import judge
from runs import PARTS, draw, make_data, run_tiny, save

TASKS = ("binary", "multilabel", "multiclass")


@pytest.fixture(scope="module")
def rated(finished_run):
    return finished_run("rated")


def foreground(label):
    return label.any(-1) if label.ndim == 3 else label > 0


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_every_unlabelled_image_has_a_row_with_what_the_models_dispute(finished_run, task):
    found = rank_run(finished_run(task), open_pool=HerePool)
    assert [row.rank for row in found.rows] == [1, 2, 3, 4, 5]
    assert sorted(row.name for row in found.rows) == [f"unlabelled {index}" for index in range(5)]
    ensemble = Ensemble.load(finished_run(task))
    for row in found.rows:
        image = read_network_image(finished_run(task).parent / "data/unlabelled/images" / f"{row.name}.png", channels=1)
        (prediction,) = ensemble.predict([image])
        inconsistent, objects = prediction.inconsistent, foreground(prediction.label) | prediction.inconsistent
        assert row.inconsistent_fraction == pytest.approx(inconsistent.mean())
        assert row.disputed_of_foreground == pytest.approx(inconsistent.sum() / max(1, objects.sum()))
        assert row.expected_quality is None
        assert row.reason


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_crops_lie_in_their_images_and_add_up_to_them(finished_run, task):
    whole = {row.name: row for row in rank_run(finished_run(task), open_pool=HerePool).rows}
    crops = rank_run(finished_run(task), crop_px=16, open_pool=HerePool).rows
    run = open_run(finished_run(task))
    for image in run.images("unlabelled"):
        name, height, width = image.name, image.height, image.width
        votes = read_mask(run.root, image.name, run.scheme)
        assert votes.inconsistent.mean() == pytest.approx(whole[name].inconsistent_fraction)
        seen = np.zeros((height, width), bool)
        for row in crops:
            if row.name == name:
                assert (row.crop.width, row.crop.height) == (16, 16)
                inside = np.s_[row.crop.top : row.crop.top + 16, row.crop.left : row.crop.left + 16]
                seen[inside] = True
                assert row.inconsistent_fraction == pytest.approx(votes.inconsistent[inside].mean())
        assert seen.all()


def test_the_order_is_the_same_each_time_and_scores_never_rise(finished_run):
    first = rank_run(finished_run("binary"), crop_px=16, open_pool=HerePool)
    assert to_csv(first.rows) == to_csv(rank_run(finished_run("binary"), crop_px=16, open_pool=HerePool).rows)
    assert (np.diff([row.score for row in first.rows]) <= 1e-12).all()
    assert rank_run(finished_run("binary"), crop_px=16, top=3, open_pool=HerePool).rows == first.rows[:3]


@pytest.mark.slow
def test_the_first_twenty_are_no_near_duplicates(tmp_path):
    parts = PARTS | {"unlabelled": 0}
    data = make_data(tmp_path / "data", "binary", parts)
    noise = np.random.default_rng(0)
    for index in range(24):
        image, _ = draw(seed=1000 + index, size=(32, 32))
        for copy in range(3):
            changed = np.clip(image + noise.integers(-1, 2, image.shape), 0, 255).astype(np.uint8)
            save(data / "unlabelled" / f"{index}-{copy}.png", changed)
    run_tiny(data, tmp_path / "run", "ldt", epochs=4, steps_per_epoch=10)
    rows = rank_run(tmp_path / "run", open_pool=HerePool).rows
    originals = [row.name.split("-")[0] for row in rows]
    assert len(set(originals[:20])) == 20
    late = [row for row in rows[24:] if row.novelty < 0.2]
    assert late
    for row in late:
        assert f"much like {row.name.split('-')[0]}-" in row.reason


@pytest.mark.slow
def test_a_copy_of_a_labelled_image_comes_last(tmp_path):
    data = make_data(tmp_path / "data", "binary")
    shutil.copy(data / "labelled/images/labelled 1.png", data / "unlabelled/images/copy.png")
    shutil.rmtree(data / "unlabelled/masks")
    run_tiny(data, tmp_path / "run", "ldt")
    last = rank_run(tmp_path / "run", open_pool=HerePool).rows[-1]
    # The same but for rounding: batches differ.
    assert (last.name, last.score, last.novelty) == ("copy", pytest.approx(0, abs=1e-3), pytest.approx(0, abs=1e-3))
    assert last.reason.endswith("much like the labelled labelled 1")


@pytest.mark.slow
def test_tiled_images_are_ranked_whole_and_in_crops(tmp_path):
    run = finish(tmp_path, "multiclass", fit="tile", size=[16, 16])
    assert len(rank_run(run, open_pool=HerePool).rows) == 5
    # Crops across tiles, and images smaller than a crop.
    rows = rank_run(run, crop_px=30, open_pool=HerePool).rows
    assert {(row.crop.width, row.crop.height) for row in rows} == {(30, 30), (28, 30), (30, 25)}


def test_ratings_of_the_evalnets_count(rated):
    run = open_run(rated)
    judges = [load_model(path) for path in run.judges]
    stack = np.load(run.stack("unlabelled").images)
    found = rank_run(rated, open_pool=HerePool)
    for row in found.rows:
        (image,) = (image for image in run.images("unlabelled") if image.name == row.name)
        mask = np.asarray(Image.open(rated / "masks" / f"{row.name}.png"))
        inconsistent = np.asarray(Image.open(rated / "disagreement" / f"{row.name}.png"))
        label, blocked = (scale_label((values > 0).astype(np.uint8), (32, 32)) for values in (mask, inconsistent))
        outputs = judge(
            judges,
            stack[list(image.rows)],
            label[None],
            blocked[None] > 0,
            task="binary",
            num_classes=1,
            settings=Settings(precision="float32"),
        )
        assert row.expected_quality == pytest.approx(quality(outputs, "binary")[0], abs=1e-5)
        assert f"expected IoU {row.expected_quality:.2f}" in row.reason
    assert "expected_quality" in to_csv(found.rows).splitlines()[0]
    assert all(row.expected_quality is not None for row in rank_run(rated, crop_px=16, open_pool=HerePool).rows)


def test_ratings_that_know_nothing_are_left_out(rated, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(rated, run)
    name = "evalnets/quality.json"
    write_to(run, name, json.dumps(json.loads((run / name).read_text()) | {"mae": 0.3}))
    found = rank_run(run, open_pool=HerePool)
    assert found.notes == ("the EvalNets know no more than the mean, so their ratings are left out",)
    assert found.rows[0].expected_quality is None


def test_the_best_judges_are_asked(rated):
    students = rated / "evalnets" / "students"
    scores = [json.loads((students / str(n) / "scores.json").read_text())["validation_score"] for n in (1, 2)]
    assert open_run(rated).judges == (students / str(1 + int(np.argmax(scores))) / "model.safetensors",)
    assert open_run(rated).recipe.evalnets.blocked


def test_a_single_model_ranks_by_what_each_image_stands_for(tmp_path):
    run = finish(tmp_path, num_base=1, width=0.25)
    found = rank_run(run, open_pool=HerePool)
    assert found.notes == ("a single model disputes nothing: ranked by how many others each stands for",)
    assert found.rows[0].disputed_of_foreground is None
    assert found.rows[0].score > 0
    assert to_csv(found.rows).splitlines()[1].split(",")[3:5] == ["", ""]


def test_it_is_written_into_the_run_or_elsewhere(finished_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run("binary"), run)
    ranking = write_ranking(run, open_pool=HerePool)
    assert (run / RANKING).read_text() == to_csv(ranking.rows)
    assert RANKING in (run / "manifest.jsonl").read_text()
    before = (run / "manifest.jsonl").read_text()
    write_ranking(run, out=tmp_path / "here.csv", crop_px=16, top=2, open_pool=HerePool)
    assert (run / "manifest.jsonl").read_text() == before
    with open(tmp_path / "here.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == [
        *("rank", "name", "x", "y", "width", "height", "score", "disputed_of_foreground", "inconsistent_fraction"),
        *("novelty", "reason"),
    ]
    assert len(rows) == 2


@pytest.mark.slow
@pytest.mark.parametrize("view", [{"top": 2}, {"crop_px": 16}, {"crop_px": 16, "top": 3}])
def test_a_view_never_changes_the_record_of_the_run(finished_run, tmp_path, view):
    run = copy_of(finished_run("binary"), tmp_path)
    write_ranking(run, open_pool=HerePool)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    seen = write_ranking(run, open_pool=HerePool, **view)
    assert len(seen.rows) == view.get("top", len(seen.rows))
    with pytest.raises(IncmaskError, match="is the run's ranking of all its images as wholes"):
        write_ranking(run, out=run / "model" / ".." / RANKING, open_pool=HerePool, **view)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def save_mask(run, label):
    """Let a mask be another, as if the run had written it so."""
    remove_from(run, "masks/unlabelled 2.png")
    save(run / "masks" / "unlabelled 2.png", label)


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda run: remove_from(run, "model"), "holds no model"),
        (lambda run: remove_from(run, "masks.csv"), "has not ended"),
        (lambda run: remove_from(run, "masks/unlabelled 2.png"), "unlabelled 2.png: cannot be opened"),
        (lambda run: save_mask(run, np.zeros((3, 4), np.uint8)), "is 4×3, not the image"),
        (lambda run: shutil.rmtree(run / "model"), r"model\.json: is gone"),
        (lambda run: (run / "masks.csv").unlink(), r"masks\.csv: is gone"),
        (lambda run: (run / "masks" / "unlabelled 2.png").unlink(), r"unlabelled 2\.png: is gone"),
        (lambda run: (run / "run.toml").unlink(), r"run\.toml: is gone"),
    ],
)
def test_a_folder_that_lacks_something_is_told(finished_run, tmp_path, break_it, told):
    run = tmp_path / "run"
    shutil.copytree(finished_run("binary"), run)
    break_it(run)
    with pytest.raises(IncmaskError, match=told):
        rank_run(run, open_pool=HerePool)


def test_a_run_without_unlabelled_images_has_nothing_to_rank(tmp_path):
    run = finish(tmp_path, parts=PARTS | {"unlabelled": 0})
    with pytest.raises(IncmaskError, match="has no unlabelled images to rank"):
        rank_run(run, open_pool=HerePool)


def test_wrong_numbers_are_told(finished_run):
    with pytest.raises(IncmaskError, match="top: got 0"):
        rank_run(finished_run("binary"), top=0, open_pool=HerePool)
    with pytest.raises(IncmaskError, match="crop_px: got 3"):
        rank_run(finished_run("binary"), crop_px=3, open_pool=HerePool)
