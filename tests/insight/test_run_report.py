import base64
import hashlib
import json
import math
import re
import sys
from dataclasses import replace
from urllib.parse import unquote

import pytest
import typer
from test_comparison_page import Page
from typer.testing import CliRunner

from finished_runs import EVIL, copy_of, remove_from, write_to
from incmask.base.errors import IncmaskError
from incmask.base.tables import csv_text
from incmask.commands.looking import report
from incmask.experiment.paths import PAGE
from incmask.experiment.record.images import ShareRow
from incmask.experiment.record.run import RunRecord, read_run
from incmask.insight.report import render as rendering
from incmask.insight.report.page import Gallery
from incmask.insight.report.render import MAX_PAGE_BYTES, render
from incmask.insight.report.run_page.unlabelled import unsure_blocks
from incmask.insight.report.run_page.unlabelled_pictures import UnlabelledPictures
from incmask.insight.report.run_page.write import run_page, write_report

HEADINGS = [
    "How good is the model?",
    "Did the unlabelled images help?",
    "Where is it unsure?",
    "What to label next?",
    "How did training go?",
    "What was run?",
]


@pytest.fixture
def run(finished_run, tmp_path):
    return copy_of(finished_run("growing"), tmp_path)


def with_shares(record, shares):
    """Give the record as if ``masks.csv`` had held these."""
    changed = replace(record)
    vars(changed)["shares"] = shares
    return changed


def read(path):
    return Page(path.read_text(encoding="utf-8"))


@pytest.mark.usefixtures("undrawn")
def test_the_page_answers_the_questions_in_order(run):
    page = read(write_report(run))
    place = 0
    for heading in [*HEADINGS, *HEADINGS]:  # the list of sections comes first
        place = page.text.index(heading, place) + 1
    assert [tag for tag, _ in page.elements if tag in ("h1", "h2")] == ["h1"] + ["h2"] * 6
    assert "On the 3 test images, which no choice has seen, the models' outlines overlap with yours by" in page.text
    assert "3 images are too few to tell this from chance" in page.text
    assert "single models, test" in page.text
    assert "members together, test" in page.text
    # Two models in each of three stages.
    told = "same number of steps, 4 a model. In all it took 8 steps without the unlabelled images, 24 with them."
    assert told in page.text
    assert "The models disagree on" in page.text
    assert "incmask rank" in page.text
    assert "4 labelled, 5 unlabelled, 3 val, 3 test" in page.text
    assert "im+ (inconsistency masks, growing)" in page.text
    assert re.search(r"torch \d", page.text)


@pytest.mark.slow
def test_nothing_is_loaded_and_no_script_but_its_own_may_run(run):
    text = write_report(run).read_text(encoding="utf-8")
    page = Page(text)
    for tag, attributes in page.elements:
        for name in ("src", "xlink:href", "srcset", "data", "action", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/"))
        assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
        assert not [name for name in attributes if name.startswith("on")]
    assert "@import" not in text
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


@pytest.mark.usefixtures("undrawn")
def test_names_are_text_whatever_they_hold(run):
    page = read(write_report(run))
    assert len(page.all("script")) == 1
    assert page.text.count(EVIL) > 2
    # In three galleries: by foreground, by area, and with its mask.
    evil = [one for one in page.all("img") if EVIL in one["alt"]]
    assert len(evil) == 3


@pytest.mark.usefixtures("undrawn")
def test_links_are_relative_and_lead_to_files(run):
    page = read(write_report(run))
    links = [one["href"] for one in page.all("a") if not one["href"].startswith("#")]
    assert len(links) >= 2 * 5 * 2  # mask and disagreement, in gallery and table
    assert all((run / unquote(link)).is_file() for link in links)


def test_ids_are_unique_pictures_have_texts_and_tables_captions(run):
    page = read(write_report(run))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    labels = [attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes]
    anchors = [one["href"][1:] for one in page.all("a") if one["href"].startswith("#")]
    assert set(labels + anchors) <= set(ids)
    pictures = page.all("img")
    assert all(one["alt"] for one in pictures if one.get("class") != "layer")
    assert all(one["alt"] == "" for one in pictures if one.get("class") == "layer")
    drawings = [one for one in page.all("svg") if one.get("role") == "img"]
    assert len(drawings) == 4
    assert all(one["aria-label"] for one in drawings)
    assert len(page.all("caption")) == len(page.all("table")) >= 5
    assert {one["scope"] for one in page.all("th")} == {"col", "row"}


@pytest.mark.slow
def test_the_same_run_gives_the_same_page(run):
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


@pytest.mark.slow
@pytest.mark.parametrize("name", ["folds", "tiles", "binary"])
def test_every_kind_of_run_has_a_page(finished_run, tmp_path, name):
    page = read(write_report(copy_of(finished_run(name), tmp_path)))
    texts = {
        "folds": "On 2 labelled images, each by the best model that was trained without it,",
        "tiles": "The curves are of tiles, as training sees them; every score in a table is of whole images.",
        "binary": "was not asked: the approach ldt trains on true masks alone.",
    }
    assert texts[name] in page.text
    assert [tag for tag, _ in page.elements if tag == "h2"] == ["h2"] * 6


@pytest.mark.usefixtures("undrawn")
def test_without_stacks_the_page_says_what_it_lacks(run):
    remove_from(run, "stacks")
    page = read(write_report(run))
    assert "The images at the networks' size (stacks/) are gone, so there are no pictures here." in page.text
    assert "On the 3 test images, which no choice has seen, the models' outlines overlap with yours by" in page.text
    # What the test images tell was written down.
    assert "3 images are too few to tell this from chance" in page.text
    assert page.all("img") == []


@pytest.mark.usefixtures("undrawn")
def test_without_stacks_and_test_images_nothing_can_be_told(finished_run, tmp_path):
    run = copy_of(finished_run("folds"), tmp_path)
    remove_from(run, "stacks")
    assert "single models, labelled images" in read(write_report(run)).text
    # As an earlier version left it.
    remove_from(run, "verdict.json", "validation_image_scores.csv")
    page = read(write_report(run))
    assert not (run / "verdict.json").exists()
    assert "Whether the unlabelled images helped cannot be told. On validation, mIoU (classes" in page.text


@pytest.mark.usefixtures("undrawn")
def test_disagreement_files_that_are_gone_cost_their_layer_and_link_alone(run):
    remove_from(run, *(f"{folder}/unlabelled 1.png" for folder in ("inconsistent", "disagreement", "masks")))
    page = read(write_report(run))
    assert "unlabelled 1" in page.text
    assert not [one for one in page.all("a") if "unlabelled%201" in one["href"]]


def shares_of(record, values):
    """Give the record as if of its unlabelled images these shares were disputed: of all pixels, and of foreground."""
    rows = (
        ShareRow(name, area, (0.1,), own) for name, (area, own) in zip(record.part("unlabelled"), values, strict=True)
    )
    return with_shares(record, tuple(sorted(rows, key=lambda row: (-row.inconsistent_fraction, row.name))))


def gallery(blocks, name):
    (found,) = [block for block in blocks if isinstance(block, Gallery) and block.name == name]
    return [each.title for each in found.thumbnails]


def test_masks_are_shown_by_the_disputed_share_of_their_own_foreground_and_by_area(finished_run):
    record = read_run(finished_run("growing"))
    names = list(record.part("unlabelled"))
    # The third is the worst of all, though little of its image is disputed; the fourth is a speck.
    record = shares_of(record, [(0.30, 0.42), (0.20, 0.75), (0.02, 0.99), (0.001, 1.0), (0.05, 0.0)])
    blocks = unsure_blocks(record, UnlabelledPictures(record))
    assert gallery(blocks, "disputed-foreground") == [names[place] for place in (2, 3, 1, 0, 4)]
    assert gallery(blocks, "most-disputed") == [names[place] for place in (0, 1, 4, 2, 3)]
    # From the least disputed to the most.
    assert gallery(blocks, "predictions") == [names[place] for place in (3, 2, 4, 1, 0)]
    older = with_shares(record, tuple(replace(row, disputed_of_foreground=math.nan) for row in record.shares))
    told = [block.name for block in unsure_blocks(older, UnlabelledPictures(older)) if isinstance(block, Gallery)]
    assert told == ["most-disputed", "predictions"]


def test_predictions_are_spread_over_all_images_however_many(finished_run, monkeypatch):
    record = read_run(finished_run("growing"))
    monkeypatch.setattr("incmask.insight.report.run_page.unlabelled._NUM_NEXT", 3)
    record = shares_of(record, [(0.1, 0.1), (0.2, 0.1), (0.3, 0.1), (0.4, 0.1), (0.5, 0.1)])
    names = list(record.part("unlabelled"))
    assert gallery(unsure_blocks(record, UnlabelledPictures(record)), "predictions") == [names[at] for at in (0, 2, 4)]


def test_masks_of_several_classes_are_outlined_in_their_colours_with_a_legend(finished_run, tmp_path):
    page = read(write_report(copy_of(finished_run("multiclass"), tmp_path)))
    styles = [one.get("style", "") for one in page.all("path")]
    classes = read_run(finished_run("multiclass")).scheme.foreground
    for info in classes:
        colour = "#{:02x}{:02x}{:02x}".format(*info.colour)
        assert f"stroke: {colour}" in styles
        assert f"background: {colour}" in [one.get("style") for one in page.all("span")]
        assert page.text.count(f"{info.name} ") > 3


@pytest.mark.usefixtures("undrawn")
def test_the_ranking_is_shown_with_its_reasons_and_crops(run):
    rows = [
        (1, "unlabelled 3", 0.9, "42 % of the predicted lesion is disputed", 4, 2, 16, 16),
        (2, EVIL, 0.5, "unlike anything labelled <b>", 0, 0, 16, 16),
        (3, "gone", 0.4, "no such image", 0, 0, 16, 16),
    ]
    header = ("rank", "name", "score", "reason", "x", "y", "width", "height")
    (run / "ranking.csv").write_text(csv_text(header, rows), encoding="utf-8")
    page = read(write_report(run))
    assert f"Label these first: unlabelled 3, {EVIL}, gone." in page.text
    assert "1. 42 % of the predicted lesion is disputed" in page.text
    assert "16×16 at x 4, y 2" in page.text
    assert "unlike anything labelled <b>" in page.text
    assert "The image is gone." in page.text
    assert len([one for one in page.all("path") if one.get("class") == "crop"]) == 2
    assert "ranking.csv lacks 3 of the run's images, which come last" in page.text


def test_a_damaged_ranking_is_named(run):
    (run / "ranking.csv").write_text("rank,name\n1,a\n", encoding="utf-8")
    with pytest.raises(IncmaskError, match=r"ranking\.csv: has no columns rank, name, score and reason"):
        write_report(run)
    (run / "ranking.csv").write_text("rank,name,score,reason\nfirst,a,0.5,b\n", encoding="utf-8")
    with pytest.raises(IncmaskError, match=r"ranking\.csv: is no readable ranking"):
        write_report(run)
    assert not (run / PAGE).exists()


@pytest.mark.usefixtures("undrawn")
def test_errors_by_disagreement_are_shown_where_they_were_measured(run):
    header = ("split", "class", "disagreement", "num_pixels", "num_wrong", "error_rate", "low", "high", "num_images")
    rows = [("val", "(all)", 0, 9000, 90, 0.01, 0.008, 0.012, 3), ("val", "(all)", 0.5, 100, 40, 0.4, 0.3, "nan", 3)]
    (run / "error_vs_disagreement.csv").write_text(csv_text(header, rows), encoding="utf-8")
    (run / "reliability.json").write_text(json.dumps({"sentence": "on test images 40 % are wrong"}), encoding="utf-8")
    page = read(write_report(run))
    assert "Does disagreement tell where it is wrong?" in page.text
    assert "On test images 40 % are wrong." in page.text
    # In words and percent.
    assert "images predicted as disagreement pixels wrong pixels share wrong from to number of images" in page.text
    assert "validation (all) 0.0 % 9,000 90 1.0 % 0.80 % 1.2 % 3" in page.text
    assert "validation (all) 50.0 % 100 40 40.0 % 30.0 % – 3" in page.text
    assert len([one for one in page.all("svg") if one.get("role") == "img"]) == 5
    (run / "error_vs_disagreement.csv").write_text("bin,wrong\n0.5,0.25\n", encoding="utf-8")
    page = read(write_report(run))
    assert len([one for one in page.all("svg") if one.get("role") == "img"]) == 4
    assert "0.25" in page.text


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_rounds_are_shown_where_they_are_recorded(run):
    rounds = [{"round": 1, "num_images": 4, "score": 0.51}, {"round": 2, "num_images": 9, "score": 0.62, "names": []}]
    for content in (rounds, {"rounds": rounds}):
        (run / "rounds.json").write_text(json.dumps(content), encoding="utf-8")
        page = read(write_report(run))
        assert "What did each round of labelling bring?" in page.text
        assert "round images score" in page.text
        assert "0.62" in page.text
    told = {"number": 2, "num_labelled": 9, "date": "2026-11-29T04:51:05+00:00", "total_steps": 8, "comparable": True}
    (run / "rounds.json").write_text(json.dumps([told | {"total_steps": 4}, told]), encoding="utf-8")
    page = read(write_report(run))
    assert "round labelled images added at steps in all comparable" in page.text
    assert "2026-11-29 04:51 8 yes" in page.text
    assert "the labels are not all that a score rose by" in page.text
    (run / "rounds.json").write_text(json.dumps([told, told]), encoding="utf-8")
    assert "the labels are not all" not in read(write_report(run)).text
    (run / "rounds.json").write_text("7", encoding="utf-8")
    with pytest.raises(IncmaskError, match=r"rounds\.json: is no record of rounds"):
        write_report(run)


@pytest.mark.usefixtures("undrawn")
def test_recorded_memory_is_told(run):
    assert "memory not recorded" in read(write_report(run)).text
    (run / "usage.json").write_text(json.dumps({"peak_memory_bytes": 700 * 2**20}), encoding="utf-8")
    assert "memory 700 MiB at most in one process" in read(write_report(run)).text


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_five_thousand_images_stay_below_the_limit(finished_run):
    record = read_run(finished_run("growing"))
    name = "a folder of a long name/" * 8
    shares = tuple(ShareRow(f"{name}{index}<&>", index / 5000, (0.25,)) for index in range(5000, 0, -1))
    page = render(run_page(with_shares(record, shares)))
    assert len(page) < MAX_PAGE_BYTES
    parsed = Page(page.decode())
    assert "Shown are 1,000 of 5,000 lines; all are in masks.csv ." in parsed.text


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_page_that_would_be_too_large_is_cut_short(finished_run, monkeypatch):
    record = read_run(finished_run("growing"))
    shares = tuple(ShareRow(f"image {index} " + 500 * "<", index / 5000, (0.25,)) for index in range(5000, 0, -1))
    monkeypatch.setattr(rendering, "MAX_PAGE_BYTES", 1_500_000)
    page = render(run_page(with_shares(record, shares)))
    assert len(page) <= 1_500_000
    assert "Shown are 300 of 5,000 lines" in Page(page.decode()).text


@pytest.mark.usefixtures("undrawn")
def test_what_is_no_finished_run_is_refused_with_a_remedy(run, tmp_path):
    with pytest.raises(IncmaskError, match=r"is no run folder; name the folder that `incmask\.run` wrote"):
        write_report(tmp_path / "nothing")
    write_to(run, "base/students/1/scores.json", "{")
    with pytest.raises(IncmaskError, match="a file of the run cannot be read"):
        write_report(run)
    remove_from(run, "scores.csv")
    with pytest.raises(IncmaskError, match=r"holds no finished run; let the same `incmask\.run` go on"):
        write_report(run)
    assert not (run / PAGE).exists()


@pytest.mark.usefixtures("undrawn")
def test_the_run_of_a_comparison_has_a_page_without_models_and_masks(run, tmp_path):
    with_model = read_run(run)
    remove_from(run, "model", "masks", "inconsistent", "disagreement", "masks.csv")
    record = read_run(run)
    assert (record.chosen, record.delivered) == (with_model.chosen, None)
    page = read(write_report(run))
    assert "Best by validation are" in page.text
    assert "anded over" not in page.text
    (tmp_path / "comparison" / "runs").mkdir(parents=True)
    with pytest.raises(IncmaskError, match=r"its page is compare\.html; name one of the folders in its runs/"):
        write_report(tmp_path / "comparison")


@pytest.mark.usefixtures("undrawn")
def test_scores_that_chose_are_told(finished_run, monkeypatch):
    record = read_run(finished_run("folds"))
    # As folds of different sizes would have it.
    monkeypatch.setattr(RunRecord, "stage_score", lambda self, stage: 0.456 if stage.name == "base" else 0.345)
    page = Page(render(run_page(record)).decode())
    assert "What counts is the mean over folds: 0.345 with the unlabelled images, 0.456 without." in page.text


def test_an_old_page_stays_where_a_new_one_cannot_be_written(run):
    (run / PAGE).write_text("old", encoding="utf-8")
    (run / "ranking.csv").write_text("rank,name\n1,a\n", encoding="utf-8")
    with pytest.raises(IncmaskError):
        write_report(run)
    assert (run / PAGE).read_text(encoding="utf-8") == "old"


@pytest.mark.slow
@pytest.mark.parametrize("package", ["jinja2", "matplotlib.figure"])
def test_without_the_packages_a_user_hears_what_to_install(run, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(IncmaskError, match=r"is not installed; pip install 'incmask\[report\]'$"):
        write_report(run)


def test_the_command_writes_the_page_and_tells_where(run):
    app = typer.Typer()
    app.command()(report)
    done = CliRunner().invoke(app, [str(run), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"report": str(run / PAGE)}
    assert (run / PAGE).stat().st_size > 50_000
