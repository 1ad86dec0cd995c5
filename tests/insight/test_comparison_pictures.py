"""Every figure and table of the paper that ``docs/paper.md`` calls ours is on a page made of all recipes."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import elsewhere, make

from docs_blocks import ROOT
from incmask.experiment import train as training
from incmask.insight.comparison import pictures
from incmask.insight.comparison.pictures import figure_groups, other_vote, picture_sheets
from incmask.insight.comparison.present import find, write_page
from incmask.insight.report.comparison_page import figures, plots_frequencies, plots_pseudo
from incmask.insight.report.comparison_page import page as pages
from incmask.insight.report.comparison_page.rows import EQUAL, OWN
from incmask.insight.report.picture import Drawing, slug
from incmask.method.recipes import RECIPES
from incmask.nets.spec import load_model
from runs import make_data
from small import fit_nothing

pytestmark = pytest.mark.slow

SCORES = dict.fromkeys(RECIPES, 0.7) | {"ldt": 0.5, "fdt": 0.9, "cl": 0.4, "ie": 0.5}
"""By hand: CL and IE are above LDT nowhere."""

KINDS = {
    "binary": ("binary", ("iou", "dice", "mpa")),
    "exclusive": ("multiclass", ("miou", "dice", "mpa")),
    "overlapping": ("multilabel", ("miou", "dice", "mpa")),
    "cells": ("multilabel", ("miou", "miou_ad", "dice", "mpa", "mcce")),
}
"""Kinds of data: the task, and what is scored. ISIC 2018 is binary, SUIM and Cityscapes exclusive, HeLa cells."""

SWEPT = {"6": "im", "A.8": "cl", "A.9": "ie", "A.10": "me", "A.11": "evalnet"}
SHEETS = {"7": "truth-against-pseudo-im-plus-plus", "11": "masks-against-votes-im-me", "12": "over-generations-im-plus"}
"""Beginnings of names."""


def drawn(kind):
    """The names of what each figure of the paper is here."""
    found = {
        "5": ["score-by-generation-own-above-ldt"],
        "A.6": ["score-by-generation-own"],
        "A.7": ["score-by-generation-own-above-ldt-error"],
        "8": ["score-by-cost-own"],
        "9": ["class-frequencies-own"],
        "10": ["predicted-against-true-own"],
        "section 3.11": ["mask-size-by-generation-own", "mask-size-against-error-im-own"],
    }
    if kind == "cells":
        return found | {"A.5": ["mcce-by-generation-own"]}
    return found | {"A.4": [f"{'mpa' if kind == 'exclusive' else 'dice'}-by-generation-own-above-ldt"]}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A comparison of all recipes on binary data, whose networks are as they began."""
    folder = tmp_path_factory.mktemp("everything")
    data = make_data(folder / "data", "binary", {"labelled": 2, "unlabelled": 4, "val": 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "fit", fit_nothing)
        few = {"epochs": 1, "steps_per_epoch": 1, "num_evalnets": 1, "quality_threshold": 0.0}
        return make(data, folder / "out", ("all",), **few).found


@pytest.fixture
def unmade(monkeypatch):
    """Let figures have names and titles alone."""
    for module in (figures, plots_frequencies, plots_pseudo):
        monkeypatch.setattr(
            module, "to_picture", lambda draw, *, name, title, alt: Drawing(slug(name), title, alt, "<svg >")
        )


def scored(comparison, kind="binary", settings=("",)):
    """The comparison with ``SCORES``, as of another kind of data and of several settings."""
    task, names = KINDS[kind]
    models = [replace(row, score=SCORES[row.recipe], setting=each) for row in comparison.models for each in settings]
    models = tuple(replace(row, details=dict.fromkeys(names, row.score)) for row in models)
    chosen = replace(comparison.chosen, dataset=replace(comparison.chosen.dataset, task=task))
    return replace(comparison, models=models, chosen=chosen)


def names_of(comparison):
    return {drawing.name for group in figure_groups(comparison) for drawing in group.pictures}


def told():
    """The numbers beside which ``docs/paper.md`` names something of the page of a comparison."""
    text = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    for line in text[text.index("## Tables") : text.index("## Approaches")].splitlines():
        what = line.strip("| ").partition("|")[0].partition(":")[0]
        if ".comparison_page." in line:
            spans = re.findall(r"A\.(\d+) to A\.(\d+)", what)
            yield from (f"A.{number}" for low, high in spans for number in range(int(low), int(high) + 1))
            yield from re.findall(r"section 3\.11|table.*\S|(?<![.\d] )(?<![.\w])\d+(?![.\d])", what)


def test_all_that_the_documentation_claims_is_looked_for():
    claimed = {figure for kind in KINDS for figure in drawn(kind)} | {*SWEPT, *SHEETS}
    assert set(told()) == claimed | {"table 3", "tables A.1 and A.2"}


@pytest.mark.usefixtures("unmade")
@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_is_drawn_of_each_kind_of_data(everything, kind):
    names, expected = names_of(scored(everything, kind)), drawn(kind)
    for figure, of_it in expected.items():
        assert set(of_it) <= names, figure
    # With the class that marks positions it is another score.
    assert ("miou-by-generation-own" in names) == (kind == "cells")
    # And none that the paper has for other kinds.
    others = {name for other in KINDS for of_it in drawn(other).values() for name in of_it if "above-ldt" in name}
    assert others & names == {name for of_it in expected.values() for name in of_it if "above-ldt" in name}
    swept = names_of(scored(everything, kind, settings=("a=1", "a=2")))
    assert {f"sweep-{recipe}-score-own" for recipe in SWEPT.values()} <= swept


@pytest.mark.usefixtures("unmade")
def test_the_page_holds_every_figure_sheet_and_table(everything, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "paper_costs", list)  # which takes seconds, and has tests of its own
    comparison = elsewhere(scored(everything), tmp_path)
    findings = find(comparison)
    page = write_page(comparison, findings).read_text(encoding="utf-8")
    files = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert {name for of_it in drawn("binary").values() for name in of_it} <= files
    files = {path.stem for path in (tmp_path / "sheets").iterdir()}
    for figure, beginning in SHEETS.items():
        assert any(name.startswith(beginning) for name in files), figure
    assert page.count("<svg ") == len(names_of(comparison))
    assert page.count("<img ") == len(files)
    assert "IoU by generation, approaches above LDT (left out: IE, CL)" in page
    for title in ("The best of all repeats", "The network&#39;s cost by width (the paper&#39;s table 3)"):
        assert title in page
    best = next(table for table in findings.tables if table.title == "The best of all repeats")
    assert {row[0] for row in best.rows} == set(RECIPES)
    # Table A.1 has the first of them, A.2 the others; there are no test images here.
    assert {"IoU, validation", "Dice", "mPA"} <= set(best.header)


@pytest.mark.usefixtures("unmade")
def test_all_approaches_are_drawn_again_only_where_some_were_left_out(everything):
    comparison = scored(everything)
    above = tuple(row for row in comparison.models if row.recipe not in ("cl", "ie"))
    assert "score-by-generation-own" in names_of(comparison)
    assert "score-by-generation-own" not in names_of(replace(comparison, models=above))


@pytest.mark.usefixtures("unmade")
def test_with_two_budgets_each_figure_is_drawn_of_both(everything):
    """Names are ids of the page and names of files: what has the name of another would be lost."""
    comparison, both = scored(everything), {}
    for name in ("models", "totals", "pseudo", "frequencies"):
        rows = getattr(comparison, name)
        both[name] = (*rows, *(replace(row, budget=EQUAL) for row in rows))
    own = {name for name in names_of(comparison) if not name.startswith("quality-")}  # of runs, not of rows
    assert len(own) > 10
    assert own | {re.sub(rf"\b{OWN}\b", EQUAL, name) for name in own} <= names_of(replace(comparison, **both))


def run_of(comparison, recipe):
    return next(run for run in comparison.runs if run.cell.variant.recipe == recipe)


@pytest.mark.usefixtures("untrained")
def test_sheets_show_the_best_setting_of_a_sweep_by_validation(tmp_path, monkeypatch):
    """Each setting in turn is best on validation, and the other one on test."""
    data = make_data(tmp_path / "data", "binary", {"labelled": 2, "unlabelled": 3, "val": 1, "test": 1})
    found = make(data, tmp_path / "out", ("im+",), grid={"dilate_px": [0, 5]}, epochs=1).found
    shown = []
    for name in ("over_generations", "truth_against_pseudo"):
        monkeypatch.setattr(pictures, name, lambda source, **_: shown.append(source))
    for best in ("dilate_px=0", "dilate_px=5"):
        models = tuple(
            replace(row, score=0.9 if (row.setting == best) == (row.split == "val") else 0.1) for row in found.models
        )
        picture_sheets(replace(found, models=models))
        folder = tmp_path / "out" / "runs" / OWN / "repeat-1" / f"im+ {best}" / "gen-1" / "pseudo"
        assert [source.generations for source in shown] == [(folder,)] * 3
        assert {source.full_title for source in shown} == {f"im+ ({best}, the best of 2 settings by validation)"}
        shown.clear()


def test_without_a_sweep_no_setting_is_told(everything):
    assert not [sheet.title for sheet in picture_sheets(everything) if "(" in sheet.title]


def probabilities_of(run, stack, rows):
    """What the teachers of generation 1 say, by torch alone."""
    images = torch.from_numpy(np.load(stack / "images.npy")[list(rows)]).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        members = [load_model(each.model)(images) for each in run.outcome.stages[0].members]
    return torch.stack(members)


def test_members_of_a_binary_task_vote_softly_for_comparison(everything):
    run, rows, stack = run_of(everything, "me"), (3, 0), everything.root / "stacks" / "unlabelled"
    logits = probabilities_of(run, stack, rows)[:, :, 0]
    found = other_vote(run, stack / "images.npy", rows)
    np.testing.assert_array_equal(found, (logits.sigmoid().mean(0) > 0.5).numpy())
    # What its students learn from is the hard vote, and another one.
    hard = np.load(run.outcome.root / "gen-1" / "pseudo" / "label.npy")[list(rows)]
    np.testing.assert_array_equal(hard, (logits > 0).all(0).numpy())
    assert (hard != found).any()


@pytest.mark.usefixtures("untrained")
def test_members_of_an_exclusive_task_vote_hard_for_comparison(tmp_path):
    data = make_data(tmp_path / "data", "multiclass", {"labelled": 2, "unlabelled": 3, "val": 1})
    made = make(data, tmp_path / "out", ("me",), epochs=1, num_base=3, num_students=3, num_kept=3, num_members=3)
    run, rows, stack = run_of(made.found, "me"), (2, 1), tmp_path / "out" / "stacks" / "unlabelled"
    probabilities = probabilities_of(run, stack, rows).softmax(2)
    votes, soft = probabilities.argmax(2), probabilities.mean(0)[:, 1:].argmax(1)
    agreed = (votes == votes[0]).all(0) & (votes[0] > 0)
    # Where members differ, or see no class, none of them wins.
    expected = torch.where(agreed, votes[0] - 1, soft)
    np.testing.assert_array_equal(other_vote(run, stack / "images.npy", rows), expected.numpy())
    label = np.load(run.outcome.root / "gen-1" / "pseudo" / "label.npy")[list(rows)]
    np.testing.assert_array_equal(label, soft.numpy())
