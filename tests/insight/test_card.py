import json
import shutil

import numpy as np
import pytest
import tomli_w
from scipy import stats

from export_models import make_model
from incmask.base.errors import IncmaskError
from incmask.experiment.scores import ScoreRow, image_scores_csv, to_csv
from incmask.insight.card import model_card
from runs import make_data, run_tiny

SCORES = (0.2, 0.4, 0.5, 0.7, 0.9, 0.6, 0.3, 0.8, 0.1, 0.7, 0.6, 0.8)


def make_run(folder, task="multiclass", *, parts=(4, 40, 3, 12), stage="gen-1", scores=SCORES):
    """The records of a run, made up; its models are of no stage that was trained."""
    model = make_model(folder, task)
    about = json.loads((model / "model.json").read_text(encoding="utf-8"))
    about["validation"] = {"stage": stage, "mIoU (classes in truth)": 0.75}
    (model / "model.json").write_text(json.dumps(about), encoding="utf-8")
    sizes = ([30, 20], [40, 50], [35, 60])
    data = {
        "task": task,
        "parts": {
            part: {f"{part} {index}": {"size": sizes[index % 3], "files": {}} for index in range(num)}
            for part, num in zip(("labelled", "unlabelled", "val", "test"), parts, strict=True)
        },
    }
    run = {"recipe": "im+", "preset": "default", "effort": "quick", "profile": "generic"}
    run |= {"size": [32, 48], "settings": {"width": 0.5, "seed": 3}}
    (folder / "run.toml").write_text(tomli_w.dumps(run), encoding="utf-8")
    (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
    (folder / "environment.json").write_text(
        json.dumps({"packages": {"incmask": "1.2", "torch": "3.4", "numpy": "5.6"}}), encoding="utf-8"
    )
    names = tuple(f"test {index}" for index in range(len(scores)))
    rows = [
        ScoreRow("base", "ensemble", "val", 0.5, {"miou": 0.5}),
        ScoreRow("base", "ensemble", "test", 0.25, {"miou": 0.25}, tuple(0.25 for _ in scores), names),
        ScoreRow("gen-1", "1", "test", 0.99, {"miou": 0.99}, scores, names),
        ScoreRow("gen-1", "ensemble", "val", 0.75, {"miou": 0.75}),
        ScoreRow(
            "gen-1",
            "ensemble",
            "test",
            float(np.mean(scores)),
            {"iou/a | <b>": 0.125, "iou/Zelle ä": 0.5},
            scores,
            names,
        ),
    ]
    (folder / "scores.csv").write_text(to_csv(rows), encoding="utf-8")
    (folder / "image_scores.csv").write_text(image_scores_csv(rows), encoding="utf-8")
    return folder


def test_images_of_one_subject_go_together_in_the_interval(tmp_path):
    run = make_run(tmp_path / "run")
    data = json.loads((run / "data.json").read_text())
    for index, item in enumerate(data["parts"]["test"].values()):
        item["group"] = f"patient {index // 2}"
    (run / "data.json").write_text(json.dumps(data), encoding="utf-8")
    (handed_over,) = lines_of(model_card(run), start="| gen-1, **handed over** |")
    patients = np.array(SCORES).reshape(-1, 2).mean(1)
    found = np.clip(stats.ttest_1samp(patients, 0).confidence_interval(0.95), 0, 1)
    assert handed_over.endswith(f"| {found[0]:.3f} to {found[1]:.3f} |")


def test_few_images_carry_no_interval(tmp_path):
    card = model_card(make_run(tmp_path, scores=SCORES[:5], parts=(4, 40, 3, 5)))
    (handed_over,) = lines_of(card, start="| gen-1, **handed over** |")
    assert handed_over.endswith("|  |")
    assert "Fewer than 6 images or subjects carry none." in card


def lines_of(card, *, start):
    return [line for line in card.splitlines() if line.startswith(start)]


def test_scores_stand_with_their_interval(tmp_path):
    card = model_card(make_run(tmp_path / "cells_1"))
    found = stats.ttest_1samp(SCORES, 0).confidence_interval(0.95)
    (handed_over,) = lines_of(card, start="| gen-1, **handed over** |")
    _, _, validation, test, interval, _ = (cell.strip() for cell in handed_over.split("|"))
    assert (validation, test) == ("0.750", "0.550")
    low, high = map(float, interval.split(" to "))
    assert (low, high) == pytest.approx(tuple(found), abs=0.0006)
    (base,) = lines_of(card, start="| base |")
    assert base == "| base | 0.500 | 0.250 | 0.250 to 0.250 |"
    assert lines_of(card, start="| a \\| \\<b\\> | 0.125 |")
    assert lines_of(card, start="| Zelle ä | 0.500 |")


def test_data_recipe_and_versions_stand_in_it(tmp_path):
    card = model_card(make_run(tmp_path / "cells_1"))
    assert card.startswith("# Model card: cells\\_1\n")
    assert "| labelled | 4 | 20×30 to 60×40 | trained on, with masks |" in card
    assert "| unlabelled | 40 | 20×30 to 60×40 | trained on, without masks |" in card
    assert "| a \\| \\<b\\> | 1 | 255 80 0 |" in card
    assert "Recipe `im+` (inconsistency masks, growing)" in card
    assert "made with incmask 1.2, torch 3.4, numpy 5.6" in card
    assert "scaled to 48×32 pixels" in card
    assert "**Not stated.**" in card
    assert "Only 4 images had masks" in card
    assert "Only 12 images to test on" in card


def test_images_that_the_handed_over_models_have_not_learnt_from_are_told_so(tmp_path):
    card = model_card(make_run(tmp_path, stage="base"))
    assert "| unlabelled | 40 | 20×30 to 60×40 | labelled by the models, not trained on |" in card
    assert "| labelled | 4 | 20×30 to 60×40 | trained on, with masks |" in card


def test_what_lacks_is_said(tmp_path):
    card = model_card(make_run(tmp_path, parts=(40, 0, 0, 0)))
    assert "no test images" in card
    assert "no validation images apart" in card
    assert "had masks to learn from" not in card
    assert "| unlabelled |" not in card


def test_a_cross_validated_run_has_the_score_that_chose(tmp_path):
    run = make_run(tmp_path)
    rows = [ScoreRow("gen-1", "1", "val", 0.1, {}), ScoreRow("gen-1", "2", "val", 0.2, {})]
    (run / "scores.csv").write_text(to_csv(rows), encoding="utf-8")
    (run / "image_scores.csv").unlink()
    assert lines_of(model_card(run), start="| gen-1, **handed over** | 0.750 |  |  |")


def test_a_model_without_its_run_says_less(tmp_path):
    model = shutil.move(make_run(tmp_path / "run") / "model", tmp_path / "carried")
    card = model_card(tmp_path / "carried")
    assert model == tmp_path / "carried"
    assert card.startswith("# Model card: carried\n")
    assert "| gen-1, **handed over** | 0.750 |  |  |" in card
    assert "## Data" not in card
    assert "## Training" not in card


def test_the_model_folder_of_a_run_says_the_same(tmp_path):
    run = make_run(tmp_path / "run")
    assert model_card(run / "model") == model_card(run)


def test_a_single_member_is_said_to_be_one(tmp_path):
    assert "single member" in model_card(make_model(tmp_path, "binary", num_members=1))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model/model.json", "{}", "damaged record"),
        ("model/model.json", "no json", "damaged record"),
        ("image_scores.csv", "name,gen-1/ensemble\na,high\n", "damaged record"),
        ("environment.json", "[]", "damaged record"),
        ("data.json", "{", "cannot be read"),
    ],
)
def test_damaged_records_are_told(tmp_path, name, content, message):
    run = make_run(tmp_path)
    (run / name).write_text(content, encoding="utf-8")
    with pytest.raises(IncmaskError, match=message):
        model_card(run)


def test_a_folder_without_a_model_is_told(tmp_path):
    for folder in (tmp_path, tmp_path / "not there"):
        with pytest.raises(IncmaskError, match="holds no model; name a run folder"):
            model_card(folder)


def test_a_real_run_has_a_card(tmp_path):
    outcome, _ = run_tiny(make_data(tmp_path / "data", "multilabel"), tmp_path / "run", num_generations=1)
    card = model_card(outcome.root)
    row = next(
        row for row in outcome.scores if (row.stage, row.model, row.split) == (outcome.chosen.name, "ensemble", "test")
    )
    assert f"| {outcome.chosen.name}, **handed over** | {outcome.chosen.score:.3f} | {row.score:.3f} |" in card
    assert "| labelled | 4 |" in card
    assert "| bright | bright |" in card
