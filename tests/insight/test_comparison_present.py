import json
import re
import sys
from dataclasses import replace

import pytest
from PIL import Image
from tiny import elsewhere, finished, lines_of

from incmask.base.errors import IncmaskError
from incmask.insight.comparison.present import (
    comparison_as_dict,
    comparison_text,
    facts,
    find,
    write_findings,
    write_page,
)
from incmask.insight.report.comparison_page.rows import OWN
from incmask.method.scoring import scoring_of

APPROACHES = ("ldt", "aldt", "fdt", "cl", "evalnet", "im", "im++")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return finished(tmp_path_factory.getbasetemp()).found


@pytest.fixture(scope="module")
def findings(comparison):
    return find(comparison)


def with_images(comparison, gains):
    """Let the image scores of all be alike, but for what full training gains over them."""
    scores = {name: 0.4 + index / 50 for index, name in enumerate(f"image {index}" for index in range(12))}
    best = {(run.recipe, run.repeat): run.best_generation for run in comparison.totals}
    template = comparison.images[0]
    images = tuple(
        replace(
            template,
            recipe=recipe,
            repeat=repeat,
            generation=generation,
            name=name,
            group=name,
            score=score + (gains[index % len(gains)] * (1 + index / 100 + repeat / 10_000) if recipe == "fdt" else 0.0),
        )
        for (recipe, repeat), generation in best.items()
        for index, (name, score) in enumerate(scores.items())
    )
    return replace(comparison, images=images)


def with_judges(comparison, mae, mean_mae):
    runs = []
    for run in comparison.runs:
        judges = run.outcome.trained.judges
        if judges:
            judges = replace(judges, report=replace(judges.report, mae=mae, mean_mae=mean_mae))
        runs.append(replace(run, outcome=replace(run.outcome, trained=replace(run.outcome.trained, judges=judges))))
    return replace(comparison, runs=tuple(runs))


def test_tables_hold_every_approach(findings):
    verdicts, means, best, costs, judges = findings.tables
    for table in (means, best, costs):
        assert [row[0] for row in table.rows] == list(APPROACHES)
    assert {row[0] for row in verdicts.rows} >= set(APPROACHES) - {"ldt"}
    assert [(row[0], row[2]) for row in judges.rows] == [
        (recipe, repeat) for repeat in "12" for recipe in ("evalnet", "im++")
    ]
    # Of 7 approaches.
    for pairs in (findings.pairs, findings.fair):
        assert {budget: len(each) for budget, each in pairs.items()} == {OWN: 21}


def test_objects_have_a_table_where_they_were_counted(comparison):
    counted = tuple(replace(row, details=row.details | {"count_error": 0.25, "pq": 0.5}) for row in comparison.models)
    tables = {table.title: table for table in find(replace(comparison, models=counted)).tables}
    assert [row[0] for row in tables["Objects counted"].rows] == list(APPROACHES)
    assert {row[3:] for row in tables["Objects counted"].rows} == {
        ("0.250", "0.250 to 0.250", "0.500", "0.500 to 0.500")
    }


def test_tables_and_significance_are_written(comparison, findings, tmp_path):
    tables, significance = write_findings(elsewhere(comparison, tmp_path), findings)
    assert (tables.name, significance.name) == ("tables.md", "significance.csv")
    text = tables.read_text(encoding="utf-8")
    for table in findings.tables:
        assert f"**{table.title}**" in text
    for name in APPROACHES:
        assert f"| {name} |" in text
    lines = lines_of(significance)
    assert [line["of"] for line in lines] == ["reported"] * 21 + ["all students"] * 21
    assert {frozenset((line["first"], line["second"])) for line in lines} == {
        frozenset((one, other)) for one in APPROACHES for other in APPROACHES if one != other
    }
    for line, pair in zip(lines, findings.pairs[OWN] + findings.fair[OWN], strict=True):
        assert float(line["difference"]) == pair.difference.mean
        assert float(line["low"]) <= float(line["difference"]) <= float(line["high"])
        assert 0 < float(line["p"]) <= 1
        # Three test images are too few for verdicts.
        assert (line["budget"], line["significant"], line["adjusted_p"]) == (OWN, "", "")
        assert (line["repeats"], line["subjects"]) == ("2", "3")
        assert line["overlap"] in ("True", "False")


@pytest.mark.slow
def test_the_page_with_figures_and_sheets(comparison, findings, tmp_path, monkeypatch):
    # Counting the networks of table 3 takes seconds, and has tests of its own.
    monkeypatch.setattr("incmask.insight.report.comparison_page.page.paper_costs", list)
    path = write_page(elsewhere(comparison, tmp_path), findings, command="incmask compare 'my data'")
    page = path.read_text(encoding="utf-8")
    assert path == tmp_path / "compare.html"
    for name in APPROACHES:
        assert name in page
    for text in ("incmask compare &#39;my data&#39;", "torch==", "Approaches compared on data", "binary: foreground"):
        assert text in page
    assert re.search(r"(?:src|href)=\"https?:", page) is None
    figures = {figure.stem: figure.read_text(encoding="utf-8") for figure in (tmp_path / "figures").iterdir()}
    assert all(svg.lstrip().startswith("<svg") for svg in figures.values())
    # Scores with and without error, cost, frequencies, size of masks, masks against errors, EvalNets of two recipes.
    assert len(figures) >= 8
    assert any("im++" in svg for svg in figures.values())
    sheets = list((tmp_path / "sheets").iterdir())
    assert sheets
    for sheet in sheets:
        with Image.open(sheet) as picture:
            assert min(picture.size) > 32


def test_facts_are_those_of_the_comparison(comparison):
    told = {fact.name: fact.value for fact in facts(comparison)}
    assert told["data"] == "data: 4 labelled, 5 unlabelled, 3 val, 3 test"
    assert told["approaches"] == ", ".join(APPROACHES)
    assert told["repeats"] == "2, with seeds from 1"
    assert told["networks"] == "32×32×1, width 0.125"
    assert "2 base models, 2 students a generation, 2 generations" in told["models"]
    assert told["steps"] == "equal steps: every model takes 4 steps, whatever the approach"


@pytest.mark.parametrize(
    ("gains", "warned"),
    # The last is more on the mean, but by no more than chance.
    [((0.2,), False), ((0.0,), True), ((-0.2,), True), ((0.3, -0.25), True)],
)
def test_no_room_is_warned_of(comparison, gains, warned):
    found = find(with_images(comparison, gains))
    warnings = [text for text in found.warnings if "not shown that there is room (each approach's own steps)" in text]
    assert len(warnings) == int(warned)
    assert all("Take fewer labelled images, more steps or more repeats" in text for text in warnings)
    # The others are all alike.
    assert (
        "With each approach's own steps, 0 of 4 uses of unlabelled images are shown to be better than ldt"
        in (found.sentences[0])
    )


def test_three_test_images_warn_of_no_room_as_little_as_they_show_some(findings):
    assert not [text for text in findings.warnings if "room" in text]
    assert "cannot be told: 3 subjects, fewer than 6" in findings.sentences[0]


@pytest.mark.parametrize(("mae", "mean_mae", "warned"), [(0.2, 0.1, True), (0.1, 0.1, True), (0.05, 0.1, False)])
def test_useless_evalnets_are_warned_of(comparison, mae, mean_mae, warned):
    found = find(with_judges(comparison, mae, mean_mae))
    told = [text for text in found.warnings if "the EvalNets are no better than predicting the mean" in text]
    expected = [f"{recipe}, repeat {repeat}: " for repeat in (1, 2) for recipe in ("evalnet", "im++")]
    assert [text.partition("the EvalNets")[0] for text in told] == (expected if warned else [])
    assert all(f"off by {mae:.3f}, the mean by {mean_mae:.3f}" in text for text in told)


def test_text_and_values(comparison, findings, tmp_path):
    there = elsewhere(comparison, tmp_path)
    write_findings(there, findings)
    lines = comparison_text(there, findings).splitlines()
    assert lines[0].split() == ["approach", "generation", "test", "score", "±", "error", "FLOPs"]
    assert [line.split()[0] for line in lines[1 : 1 + len(APPROACHES)]] == list(APPROACHES)
    assert f"  {tmp_path / 'tables.md'}" in lines
    assert "compare.html" not in "".join(lines)  # which was not written
    values = json.loads(json.dumps(comparison_as_dict(there, findings), allow_nan=False))
    assert [each["recipe"] for each in values["approaches"]] == list(APPROACHES)
    for each in values["approaches"]:
        rows = [row for row in comparison.models if row.recipe == each["recipe"] and row.split == "test" and row.chosen]
        for repeat, (generation, score) in enumerate(zip(each["generations"], each["scores"], strict=True), 1):
            (row,) = [row for row in rows if (row.repeat, row.generation) == (repeat, generation)]
            assert row.score == score
    judged = [each["recipe"] for each in values["approaches"] if min(each["evalnet_flops"]) > 0]
    assert judged == ["evalnet", "im++"]


@pytest.mark.parametrize("module", ["matplotlib.figure", "jinja2"])
def test_without_the_packages_for_reports(comparison, findings, tmp_path, monkeypatch, module):
    monkeypatch.setattr("incmask.insight.report.comparison_page.page.paper_costs", list)
    monkeypatch.setattr(
        "incmask.insight.comparison.pictures.figure_groups", fake_groups if module == "jinja2" else real_groups
    )
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(IncmaskError, match=rf"{module.partition('.')[0]} is not installed; pip install 'incmask\[rep"):
        write_page(elsewhere(comparison, tmp_path), findings)
    assert not (tmp_path / "compare.html").exists()


def fake_groups(comparison):
    return []


def real_groups(comparison):
    from incmask.insight.report.comparison_page import figures

    return [figures.score_by_generation(comparison.models, budget=OWN)]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_score_is_named_with_what_it_averages(comparison, task):
    chosen = replace(comparison.chosen, dataset=replace(comparison.chosen.dataset, task=task))
    comparison, scoring = replace(comparison, chosen=chosen), scoring_of(chosen.settings, task)
    findings = find(comparison)
    for table in findings.tables[1:3]:
        assert f"{scoring.full_name}, test" in table.header
    assert scoring.note in findings.tables[1].note
    (fact,) = (fact.value for fact in facts(comparison) if fact.name == "score")
    assert fact == f"{scoring.full_name}, a mean over images. {scoring.note}".rstrip()
    assert f"score: {scoring.full_name}," in comparison_text(comparison, findings)
    assert comparison_as_dict(comparison, findings)["score"] == scoring.full_name
