import numpy as np
import pytest

from incmask.base.config import Settings
from incmask.experiment.scores import (
    EvaluateJob,
    ImageScores,
    ScoreRow,
    evaluate_models,
    from_csv,
    image_scores_csv,
    image_scores_from_csv,
    to_csv,
)
from incmask.method.cells import CellChannels
from incmask.method.labels import labels_of
from incmask.method.scoring import scoring_of
from incmask.nets.spec import NetworkSpec, load_model, save_model
from incmask.training.validation import Validation, evaluate
from small import NUM_CLASSES, TASKS, blocks, save_source, some_settings, truth

NAMES = {"binary": ("cell",), "multilabel": ("alive", "position"), "multiclass": ("nothing", "alive", "dead")}


@pytest.mark.parametrize("task", TASKS)
def test_models_are_scored_together(tmp_path, task):
    spec = NetworkSpec(1, labels_of(task).num_outputs(NUM_CLASSES[task]), 0.125)
    paths = tuple(tmp_path / f"{seed}.safetensors" for seed in (1, 2))
    for seed, path in enumerate(paths):
        save_model(path, spec.build(seed=seed).state_dict(), spec)
    images = blocks(3)
    source = save_source(tmp_path, images, truth(images, task))
    validation = Validation(source.images, source.labels, (2, 0))
    settings = some_settings("paper")
    position = "position" if task == "multilabel" else None
    scoring = scoring_of(settings, task, class_names=NAMES[task], position_class=position)
    job = EvaluateJob(
        stage="gen-2",
        model="ensemble",
        split="val",
        members=paths,
        images=validation,
        scoring=scoring,
        class_names=NAMES[task],
        position_class=position,
        settings=settings,
    )
    reports = []
    row = evaluate_models(job, reports.append)
    assert reports == [1]
    assert (row.stage, row.model, row.split) == ("gen-2", "ensemble", "val")
    expected = evaluate(
        [load_model(path) for path in paths],
        validation,
        scoring=scoring,
        num_classes=NUM_CLASSES[task],
        settings=settings,
        loss="cross_entropy" if task == "multiclass" else "mse",
        cells=CellChannels(1, (0,)) if task == "multilabel" else None,
    )
    main = {"binary": "iou", "multilabel": "miou_ad", "multiclass": "miou"}[task]
    assert row.score == row.details[main] == expected.score
    assert row.details["loss"] == expected.loss
    assert ("miou_ad" in row.details) == (task == "multilabel")
    assert row.details.get("mcce") == expected.cell_count_error
    assert len(row.image_scores) == 2
    assert sum(row.image_scores) / 2 == pytest.approx(row.score, rel=1e-12)
    assert scoring.table(expected.counts, NAMES[task]).items() <= row.details.items()
    # Results are kept by their jobs.
    assert hash(job) == hash(EvaluateJob(**vars(job)))


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
        ScoreRow("base", "1", "val", 0.5, {}, (0.5,)),
        ScoreRow("base", "1", "test", 0.45, {}, (0.1 + 0.2, 0.6)),
        ScoreRow("gen-1", "ensemble", "test", 0.5, {}, (1 / 3, 2 / 3)),
    ]
    text = image_scores_csv(["plate 1/a, b", "c"], rows)
    assert text.splitlines()[0] == "name,base/1,gen-1/ensemble"
    scores_by_model = {"base/1": (0.1 + 0.2, 0.6), "gen-1/ensemble": (1 / 3, 2 / 3)}
    assert image_scores_from_csv(text) == ImageScores(("plate 1/a, b", "c"), scores_by_model)
    in_turn = [
        ScoreRow("base", "1", "val", 0.5, {}, (0.25, 0.75), (2, 0)),
        ScoreRow("base", "2", "val", 0.5, {}, (0.5,), (1,)),
    ]
    found = image_scores_from_csv(image_scores_csv(["a", "b", "c", "trains alone"], in_turn, split="val"))
    assert found.names == ("a", "b", "c")
    np.testing.assert_array_equal(found.scores["base/1"], (0.75, np.nan, 0.25))
    np.testing.assert_array_equal(found.scores["base/2"], (np.nan, 0.5, np.nan))
    assert image_scores_from_csv(image_scores_csv([], [])) == ImageScores((), {})
    assert from_csv(to_csv(rows))[1] == ScoreRow("base", "1", "test", 0.45, {})


@pytest.mark.parametrize("text", ["", "name,base/1\na,high\n", "name,base/1\na\n"])
def test_what_holds_no_image_scores_is_refused(text):
    with pytest.raises((ValueError, IndexError)):
        image_scores_from_csv(text)


def test_settings_can_stand_in_a_dictionary_s_key():
    assert len({Settings(), Settings(), Settings(size=(16, 32))}) == 2
