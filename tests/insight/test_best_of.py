"""Erosion and dilation from a sweep of IM, for the approaches that build on it."""

import json
import shutil
import tomllib
from dataclasses import replace

import pytest
import tomli_w
from tiny import make

import incmask
from finished_runs import write_to
from incmask.base.errors import IncmaskError
from incmask.base.tables import read_rows, rows_text
from incmask.experiment import train as training
from incmask.experiment.named import Choices
from incmask.insight.comparison.best_of import BestOf, best_of
from incmask.insight.report.comparison_page.rows import EQUAL, ModelRow
from runs import HERE, SETTINGS, Listener, draw, make_data, save
from small import fit_nothing

PARTS = {"labelled": 2, "unlabelled": 2, "val": 1}
SET = [f"--set={name}={json.dumps(value)}" for name, value in (SETTINGS | {"epochs": 1}).items()]
CHOICES = Choices(settings=SETTINGS)
VALIDATION = {"0 0": (0.5, 0.5), "0 5": (0.3, 0.75), "3 0": (0.6, 0.6), "3 5": (0.7, 0.7)}
"""Of the settings, erosion and dilation, in two generations."""
LAST = "erode_px=3 dilate_px=5"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder with ``data`` and ``sweep``: im with two erosions and dilations, in two repeats."""
    folder = tmp_path_factory.mktemp("swept")
    data = make_data(folder / "data", "binary", PARTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "fit", fit_nothing)
        grid = {"erode_px": [0, 3], "dilate_px": [0, 5]}
        make(data, folder / "sweep", ("im",), grid=grid, epochs=1, steps_per_epoch=1)
    found = read_rows(folder / "sweep" / "results.csv", ModelRow)
    rows = [row for row in found if (row.recipe, row.student) == ("im", "1")]
    write_to(folder / "sweep", "results.csv", rows_text([each for row in rows for each in by_hand(row)], ModelRow))
    return folder


def by_hand(row):
    """Of two repeats and generations; what must not be asked says the contrary of what must."""
    scores = VALIDATION[" ".join(part.partition("=")[2] for part in row.setting.split())]
    for repeat in (1, 2):
        for generation, score in enumerate(scores, 1):
            # Each repeat is off its mean as much as the other.
            asked = replace(row, repeat=repeat, generation=generation, chosen=True)
            score += (0.05, -0.05)[repeat - 1]
            yield replace(asked, score=score)
            yield replace(asked, score=1 - score, split="test")
            yield replace(asked, score=1 - score, chosen=False, student="2")
            yield replace(asked, score=1 - score, chosen=False, student="ensemble")
            yield replace(asked, score=1 - score, budget=EQUAL)


@pytest.fixture
def sweep(swept, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(swept / "sweep", tmp_path / "sweep")


def change(sweep, keep):
    """Change or drop lines of a sweep's results."""
    rows = [row for line in read_rows(sweep / "results.csv", ModelRow) if (row := keep(line))]
    write_to(sweep, "results.csv", rows_text(rows, ModelRow))


@pytest.mark.slow
def test_the_best_by_validation_is_found(swept):
    found = best_of(swept / "sweep", swept / "data", CHOICES)
    # On the mean of its best generation.
    assert found == BestOf(swept / "sweep", {"erode_px": 0, "dilate_px": 5}, pytest.approx(0.75), 4, 2)
    assert found.told == (
        f"erode_px=0, dilate_px=5: the best of 4 settings of im by validation in {swept / 'sweep'} "
        "(0.750, mean of 2 repeats)"
    )
    laid = found.over(Choices(recipe="aim+", settings={"epochs": 3}))
    assert laid == Choices(recipe="aim+", settings={"epochs": 3, "erode_px": 0, "dilate_px": 5})
    assert found.over(Choices()).settings == {"erode_px": 0, "dilate_px": 5}


def test_another_is_best_where_that_one_was_not_tried(swept, sweep):
    change(sweep, lambda row: None if "dilate_px=5" in row.setting and "erode_px=0" in row.setting else row)
    found = best_of(sweep, swept / "data", CHOICES)
    assert (found.settings, found.num_settings) == ({"erode_px": 3, "dilate_px": 5}, 3)


def test_what_else_was_swept_must_be_as_it_is_now(swept, sweep):
    """Settings with three members, all of them better, and those with two are told apart."""
    for run in list((sweep / "runs" / "own" / "repeat-1").glob("im *")):
        others = shutil.copytree(run, run.with_name(f"{run.name} num_members=3"))
        record = tomllib.loads((others / "run.toml").read_text())
        record["settings"] |= {"num_members": 3, "num_base": 3, "num_students": 3, "num_kept": 3}
        write_to(others, "run.toml", tomli_w.dumps(record))
    rows = read_rows(sweep / "results.csv", ModelRow)
    more = [
        replace(row, setting=f"{row.setting} num_members=3", score=0.95 if row.setting == LAST else row.score / 4 + 0.7)
        for row in rows
    ]
    write_to(sweep, "results.csv", rows_text([*rows, *more], ModelRow))
    three = dict.fromkeys(("num_members", "num_base", "num_students", "num_kept"), 3)
    assert best_of(sweep, swept / "data", CHOICES).settings == {"erode_px": 0, "dilate_px": 5}
    found = best_of(sweep, swept / "data", Choices(settings=SETTINGS | three))
    assert (found.settings, found.num_settings) == ({"erode_px": 3, "dilate_px": 5}, 4)
    with pytest.raises(IncmaskError) as error:
        best_of(sweep, swept / "data", Choices(settings=SETTINGS | dict.fromkeys(three, 4)))
    told = 'not at 4, which it is now; use settings={"num_base": 2} or settings={"num_base": 3}'
    assert told in str(error.value)
    # Of those with three members one is left.
    change(sweep, lambda row: row if "num_members" not in row.setting or row.setting.startswith(LAST) else None)
    told = told_of(sweep, swept / "data", Choices(settings=SETTINGS | three))
    assert told.what.startswith("holds no sweep of im over erode_px and dilate_px at num_base=3 ")
    assert "num_members=3" in told.what


def told_of(sweep, data, choices=CHOICES, **options):
    with pytest.raises(IncmaskError) as error:
        best_of(sweep, data, choices, **options)
    (problem,) = error.value.problems
    return problem


def test_a_folder_without_a_sweep(swept, sweep):
    assert told_of(swept / "nowhere", swept / "data").what == "is no folder of a comparison"
    run = swept / "sweep" / "runs" / "own" / "repeat-1" / "ldt"
    told = told_of(run, swept / "data")
    assert (told.where, told.what) == (str(run), "is no folder of a comparison")
    how = 'compare(DATA, out=SWEEP, recipes="im", grid={"erode_px": [0, 3, 5], "dilate_px": [0, 3, 5]})'
    assert told.remedy == f"sweep first: {how}"
    change(sweep, lambda row: row if row.setting == LAST else None)
    told = told_of(sweep, swept / "data")
    assert (told.what, told.remedy) == ("holds no sweep of im over erode_px and dilate_px", f"sweep first: {how}")
    write_to(sweep, "results.csv", "")
    assert told_of(sweep, swept / "data") == told


def test_an_unfinished_sweep(swept, sweep):
    change(sweep, lambda row: None if row.setting == LAST and row.repeat == 2 else row)
    told = told_of(sweep, swept / "data")
    assert told.what == "is not finished: im erode_px=3 dilate_px=5 has 1 of 2 repeats"
    assert told.remedy == "let the same `incmask.compare` go on to its end first"
    (sweep / "results.csv").unlink()
    assert told_of(sweep, swept / "data").remedy == "let the same `incmask.compare` go on to its end first"


def test_other_data_another_task_and_another_size(swept, tmp_path):
    other = make_data(tmp_path / "other", "binary", PARTS)
    image, _ = draw(seed=77, size=(32, 32))
    save(other / "labelled" / "images" / "labelled 0.png", image)
    told = told_of(swept / "sweep", other)
    assert told.what.startswith("was made with other data: parts.labelled.labelled 0.files.")
    assert "choose with settings by hand" in told.remedy
    assert (
        "and 3 more differences"
        in told_of(swept / "sweep", make_data(tmp_path / "few", "binary", {**PARTS, "val": 5})).what
    )
    told = told_of(swept / "sweep", make_data(tmp_path / "classes", "multiclass", PARTS))
    assert told.what == "is about a binary task, and these data are multiclass"
    told = told_of(swept / "sweep", swept / "data", Choices(settings=SETTINGS | {"size": [48, 32]}))
    assert told.what.startswith("was made at 32×32 pixels, ")
    assert told.remedy.startswith('use settings={"size": [32, 32]}, or sweep first: ')


def test_what_is_chosen_already(swept):
    chosen = Choices(settings=SETTINGS | {"dilate_px": 3})
    assert told_of(swept / "sweep", swept / "data", chosen).where == 'settings["dilate_px"]'
    told = told_of(swept / "sweep", swept / "data", grid=["erode_px"])
    assert (told.where, told.what) == ('settings["erode_px"]', "is what best_of chooses")


@pytest.mark.slow
@pytest.mark.usefixtures("untrained", "undrawn")
def test_compare_takes_them_for_all_approaches_with_masks(swept, call, tmp_path, monkeypatch):
    monkeypatch.setattr("incmask.insight.report.comparison_page.page.paper_costs", list)
    options = ("--recipes", "im+", "--repeats", "1", "--best-of", swept / "sweep", *SET)
    code, out, err = call("compare", swept / "data", "-o", tmp_path / "out", *options)
    assert (code, out.splitlines()[0].split()[0]) == (0, "approach")
    told = best_of(swept / "sweep", swept / "data", CHOICES).told
    assert told in err
    settings = tomllib.loads((tmp_path / "out/runs/own/repeat-1/im+/run.toml").read_text())["settings"]
    assert (settings["erode_px"], settings["dilate_px"]) == (0, 5)
    assert told in (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")
    code, out, err = call("compare", swept / "data", "-o", tmp_path / "out", *options, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["best_of"] == {
        "sweep": str(swept / "sweep"), "erode_px": 0, "dilate_px": 5, "score": 0.75, "num_settings": 4
    }  # fmt: skip
    code, out, err = call("compare", swept / "data", "-o", tmp_path / "out", *options, "--set=erode_px=0,3")
    assert (code, out) == (1, "")
    assert "--set erode_px: is what --best-of chooses; leave out one of the two" in err


@pytest.mark.usefixtures("untrained")
def test_run_takes_them(swept, call, tmp_path):
    options = ("--no-report", "--best-of", swept / "sweep", *SET)
    code, out, err = call("run", swept / "data", "-o", tmp_path / "out", "--recipe", "im", *options)
    assert code == 0
    assert best_of(swept / "sweep", swept / "data", CHOICES).told in err
    settings = tomllib.loads((tmp_path / "out" / "run.toml").read_text())["settings"]
    assert (settings["erode_px"], settings["dilate_px"]) == (0, 5)
    code, out, _ = call("run", swept / "data", "-o", tmp_path / "out", "--recipe", "im", *options, "--json")
    assert json.loads(out)["best_of"]["dilate_px"] == 5


@pytest.mark.usefixtures("untrained", "undrawn")
def test_the_same_from_python(swept, tmp_path, monkeypatch):
    monkeypatch.setattr("incmask.insight.report.comparison_page.page.paper_costs", list)
    said, given = Listener(), {"settings": SETTINGS | {"epochs": 1}, "best_of": swept / "sweep", "executor": HERE}
    result = incmask.run(swept / "data", out=tmp_path / "run", recipe="im", report=False, progress=said, **given)
    told = best_of(swept / "sweep", swept / "data", CHOICES).told
    assert told in said.lines
    chosen = tomllib.loads((result.folder / "run.toml").read_text())["settings"]
    assert (chosen["erode_px"], chosen["dilate_px"]) == (0, 5)
    found = incmask.compare(swept / "data", out=tmp_path / "out", recipes=("ldt",), num_repeats=1, **given)
    assert found.best_of.told == told
