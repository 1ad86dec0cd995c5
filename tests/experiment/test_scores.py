from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from incmask.base.config import Settings
from incmask.data.dataset import Item
from incmask.data.folder.scan import load_dataset
from incmask.exchange.formats.masks.instances import LAYERS, layers_of
from incmask.experiment import scores
from incmask.experiment.scores import (
    EvaluateJob,
    ImageScores,
    ScoreRow,
    about_of,
    evaluate_models,
    from_csv,
    image_counts_csv,
    image_counts_from_csv,
    image_scores_csv,
    image_scores_from_csv,
    to_csv,
)
from incmask.method.instances import object_channels
from incmask.method.labels import labels_of
from incmask.method.metrics import Counts
from incmask.method.object_scores import object_details
from incmask.method.scoring import scoring_of
from incmask.nets.spec import NetworkSpec, load_model, save_model
from incmask.prediction.ensemble import Ensemble
from runs import FOLDERS, make_data
from small import TASKS, some_settings


@pytest.mark.parametrize("fit", ["resize", "tile"])
@pytest.mark.parametrize("task", TASKS)
def test_models_are_scored_together_on_whole_images_at_their_own_size(tmp_path, monkeypatch, task, fit):
    data = load_dataset(make_data(tmp_path / "data", task, {"labelled": 1, "unlabelled": 1, "test": 3}))
    num_classes = len(data.classes)
    paths = save_models(tmp_path, task, num_classes)
    settings = some_settings(fit=fit)
    job = EvaluateJob(
        stage="gen-2",
        model="ensemble",
        split="test",
        members=paths,
        items=(data.test[2], data.test[0]),
        dataset=replace(data, labelled=(), unlabelled=(), val=(), test=()),
        size=(16, 32),
        scoring=scoring_of(settings, task),
        settings=settings,
    )
    reports = []
    row = evaluate_models(job, reports.append)
    assert reports == [1]
    assert (row.stage, row.model, row.split, row.names) == ("gen-2", "ensemble", "test", ("test 2", "test 0"))
    labels = []
    for name in row.names:
        image = np.asarray(Image.open(data.root / "test" / "images" / f"{name}.png"))
        ensemble = Ensemble([load_model(path) for path in paths], about_of(data, (16, 32), settings), device="cpu")
        (prediction,) = ensemble.predict([image[..., None]])
        folders = [data.root / "test" / "masks" / each for each in (FOLDERS if task == "multilabel" else [""])]
        planes = [np.asarray(Image.open(folder / f"{name}.png")) for folder in folders]
        true = planes[0] if task == "multiclass" else np.stack(planes, -1) // 255
        labels.append((prediction.label, true[..., 0] if task == "binary" else true))
    shares = []
    for predicted, true in labels:
        assert predicted.shape == true.shape
        of_classes = range(num_classes) if task == "multiclass" else [1]
        layers = (
            [(predicted == each, true == each) for each in of_classes]
            if task != "multilabel"
            else [(predicted[..., each] > 0, true[..., each] > 0) for each in range(num_classes)]
        )
        found = [(ours & theirs).sum() / (ours | theirs).sum() for ours, theirs in layers if (ours | theirs).any()]
        shares.append(np.mean(found))
    assert row.image_scores == pytest.approx(shares)
    assert row.score == pytest.approx(np.mean(shares))
    assert row.counts.valid.sum() == sum(true.size for _, true in labels)
    # Results are kept by their jobs.
    assert hash(job) == hash(EvaluateJob(**vars(job)))
    # Images so large that they are predicted some rows at a time.
    monkeypatch.setattr(scores, "ROWS_PIXELS", 1)
    by_rows = evaluate_models(job)
    assert by_rows.names == row.names
    assert by_rows.score == pytest.approx(row.score, abs=0.01)


def save_models(folder, task, num_classes):
    spec = NetworkSpec(1, labels_of(task).num_outputs(num_classes), 0.125)
    paths = tuple(folder / f"{seed}.safetensors" for seed in (1, 2))
    for seed, path in enumerate(paths):
        save_model(path, spec.build(seed=seed).state_dict(), spec)
    return paths


def test_cells_are_counted_where_a_class_marks_them(tmp_path, monkeypatch):
    root = make_data(tmp_path / "data", "multilabel", {"labelled": 1, "unlabelled": 1, "test": 2})
    data, settings = replace(load_dataset(root), position_class="dark"), some_settings()
    errors = iter((3.0, 0.5))
    monkeypatch.setattr(scores, "mean_cell_count_error", lambda *labels, **channels: next(errors))
    job = EvaluateJob(
        stage="base",
        model="1",
        split="test",
        members=save_models(tmp_path, "multilabel", 2)[:1],
        items=data.test,
        dataset=data,
        size=(32, 32),
        scoring=scoring_of(settings, "multilabel", class_names=FOLDERS, position_class="dark"),
        settings=settings,
    )
    row = evaluate_models(job)
    details = row.details
    assert [each.num_true > 0 for each in row.objects] == [True, True]
    assert details["mcce"] == pytest.approx(1.75)
    assert object_details(row.objects).items() <= details.items()
    assert {"count_error", "pq", "ap50"} <= {*details}
    assert details["miou_ad"] == pytest.approx(details["iou/bright"])


def test_borders_are_no_type_of_cells():
    ids = np.zeros((40, 60), np.int32)
    ids[5:12, 5:12], ids[20:32, 30:42] = 1, 2
    truth = layers_of(ids)
    thick = truth.copy()
    thick[..., 1] = thick[..., 0]  # as much border as body around the centres
    without = thick.copy()
    without[:15] = 0
    dataset = SimpleNamespace(task="multilabel", classes=LAYERS)
    job = SimpleNamespace(dataset=dataset, scoring=scoring_of(some_settings(), "multilabel"))
    channels = object_channels([each.name for each in LAYERS], "centre")

    def error_of(label):
        return scores._count(label, truth, job, channels, depth=None)[1]

    assert [error_of(label) for label in (truth, thick, without)] == [0, 0, 1]


def test_images_are_predicted_together_up_to_the_pixels_of_a_large_one(monkeypatch):
    monkeypatch.setattr(scores, "ROWS_PIXELS", 100)
    items = [Item(str(index), Path(), None, height, 10) for index, height in enumerate((4, 5, 1, 30, 2, 2))]
    batches = [[item.height for item in batch] for batch in scores._batches(items)]
    assert batches == [[4, 5], [1], [30], [2, 2]]
    assert list(scores._batches([])) == []


def test_a_table_of_scores_is_read_as_it_was_written():
    rows = [
        ScoreRow("base", "1", "val", 0.1 + 0.2, {"miou": 1 / 3, "iou/a, b": 1e-17, "loss": 2.0}),
        ScoreRow("gen-1", "ensemble", "test", 1.0, {"miou": 0.0, 'iou/"c"': 0.5}),
    ]
    text = to_csv(rows)
    assert text.splitlines()[0] == 'stage,model,split,score,miou,"iou/a, b",loss,"iou/""c"""'
    assert from_csv(text) == rows
    assert from_csv(to_csv([])) == []


def test_image_scores_are_read_as_they_were_written():
    rows = [
        ScoreRow("base", "1", "val", 0.5, {}, (0.5,), ("d",)),
        ScoreRow("base", "1", "test", 0.45, {}, (0.1 + 0.2, 0.6), ("plate 1/a, b", "c")),
        ScoreRow("gen-1", "ensemble", "test", 0.5, {}, (1 / 3, 2 / 3), ("plate 1/a, b", "c")),
    ]
    text = image_scores_csv(rows)
    assert text.splitlines()[0] == "name,base/1,gen-1/ensemble"
    scores_by_model = {"base/1": (0.1 + 0.2, 0.6), "gen-1/ensemble": (1 / 3, 2 / 3)}
    assert image_scores_from_csv(text) == ImageScores(("plate 1/a, b", "c"), scores_by_model)
    in_turn = [
        ScoreRow("base", "1", "val", 0.5, {}, (0.25, 0.75), ("c", "a")),
        ScoreRow("base", "2", "val", 0.5, {}, (0.5,), ("b",)),
    ]
    found = image_scores_from_csv(image_scores_csv(in_turn, split="val"))
    assert found.names == ("c", "a", "b")
    np.testing.assert_array_equal(found.scores["base/1"], (0.25, 0.75, np.nan))
    np.testing.assert_array_equal(found.scores["base/2"], (np.nan, np.nan, 0.5))
    assert image_scores_from_csv(image_scores_csv([])) == ImageScores((), {})
    assert from_csv(to_csv(rows))[1] == ScoreRow("base", "1", "test", 0.45, {})


def test_counts_are_read_as_they_were_written():
    generator = np.random.default_rng(0)
    numbers = generator.integers(0, 2**40, (3, 2, 2))
    first, second = (Counts(*numbers[:, rows], *generator.integers(0, 9, (2, 2))[:, rows]) for rows in ([0, 1], [1]))
    rows = [
        ScoreRow("base", "1", "val", 0.5, {}, (0.5, 0.5), ("a, b", "c"), first),
        ScoreRow("base", "1", "test", 0.5, {}, (0.5,), ("c",), second),
    ]
    text = image_counts_csv(rows, ["ground", "cell"])
    assert text.splitlines()[0].startswith("stage,model,split,name,correct,valid,intersection/ground,intersection/cell")
    for row in rows:
        found = image_counts_from_csv(text, stage="base", model="1", split=row.split)
        assert found.names == row.names
        for name, values in vars(row.counts).items():
            np.testing.assert_array_equal(getattr(found.counts, name), values)
    nothing = image_counts_from_csv(text, stage="gen-1", model="1", split="val")
    assert nothing.names == ()


@pytest.mark.parametrize("text", ["", "name,base/1\na,high\n", "name,base/1\na\n"])
def test_what_holds_no_image_scores_is_refused(text):
    with pytest.raises((ValueError, IndexError)):
        image_scores_from_csv(text)


def test_settings_can_stand_in_a_dictionary_s_key():
    assert len({Settings(), Settings(), Settings(size=(16, 32))}) == 2
