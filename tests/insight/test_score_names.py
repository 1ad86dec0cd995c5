"""Wherever a score stands, it says which classes it averages."""

from dataclasses import replace

import numpy as np
import pytest

from incmask.base.pool import HerePool
from incmask.experiment.outcome_text import outcome_as_dict, outcome_table
from incmask.experiment.record.run import open_run, read_run
from incmask.insight.card import model_card
from incmask.insight.reliability.measure import measure_reliability
from incmask.insight.report.render import render
from incmask.insight.report.run_page.write import run_page
from runs import make_data, run_tiny

pytestmark = pytest.mark.usefixtures("undrawn")

FOUND, MASKED = "mIoU (classes in truth or prediction)", "their next best class counts"
POSITIONS = "mIoU_ad (classes but position in truth or prediction)"


def pages(run):
    """What a person sees of a run: its page and the model's card."""
    return render(run_page(read_run(run))).decode(), model_card(run / "model")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "called", "note"), [("binary", "IoU", None), ("multilabel", FOUND, None), ("multiclass", FOUND, MASKED)]
)
def test_pages_of_a_run_name_its_score(finished_run, name, called, note):
    for page in pages(finished_run(name)):
        assert f"{called}, 1 being perfect" in page or f"{called} of the members together" in page
        assert (note is None) == ("next best class" not in page)
        assert note is None or note in page


def positions(folder):
    """Data whose second class marks positions."""
    data = make_data(folder, "multilabel")
    for part in data.glob("*/masks/dark"):
        part.rename(part.with_name("position"))
    return data


@pytest.mark.slow
def test_a_class_that_marks_positions_is_no_part_of_what_chooses(tmp_path):
    outcome, said = run_tiny(positions(tmp_path / "data"), tmp_path / "run", "ldt", steps_per_epoch=8, width=0.25)
    assert said.says(f"base models: {POSITIONS} ")
    assert POSITIONS in outcome_table(outcome)
    assert outcome_as_dict(outcome)["score"] == POSITIONS
    assert read_run(tmp_path / "run").scoring == outcome.scoring
    assert all(POSITIONS in page for page in pages(tmp_path / "run"))
    for row in outcome.scores:
        assert row.score == row.details["miou_ad"] == row.details.get("iou/bright")
    assert any(row.details["miou"] != row.score > 0 for row in outcome.scores)
    together = next(row for row in outcome.scores if (row.model, row.split) == ("ensemble", "val"))
    assert outcome.chosen.score == together.score


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_masked_answers_are_scored_as_set(tmp_path):
    data = make_data(tmp_path / "data", "multiclass")
    ours, _ = run_tiny(data, tmp_path / "ours", "ldt")
    papers, _ = run_tiny(data, tmp_path / "papers", "ldt", masked_answers="wrong")
    # Networks that have learnt nothing answer everything.
    pairs = list(zip(ours.scores, papers.scores, strict=True))
    assert all(papers.details["mpa"] < ours.details["mpa"] for ours, papers in pairs)
    # What people get is the same, and never without a class.
    masks = [sorted((outcome.root / "masks").rglob("*.png")) for outcome in (ours, papers)]
    assert [path.read_bytes() for path in masks[0]] == [path.read_bytes() for path in masks[1]]
    # A pixel without an answer is scored the same wherever it is.
    (_, together) = (row.score for row in papers.scores if row.model == "ensemble")
    images = [row.score for row in measure_reliability(open_run(papers.root), HerePool()).images if row.split == "test"]
    assert np.mean(images) == pytest.approx(together)
    assert all("masked”, as learnt from disputed pixels, they are wrong" in page for page in pages(papers.root))


def test_a_run_of_before_is_named_as_it_was_scored(finished_run):
    record = read_run(finished_run("multiclass"))
    run = dict(record.records.run)
    run["settings"] = {name: value for name, value in run["settings"].items() if name != "miou_classes"}
    before = replace(record, records=replace(record.records, run=run))
    assert before.scoring.full_name == "mIoU (classes in truth)"
