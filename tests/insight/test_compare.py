import json
import shutil

import pytest
from tiny import (
    NUM_GENERATIONS,
    NUM_LABELLED,
    NUM_UNLABELLED,
    RECIPES,
    finished,
    lines_of,
    make,
    tables_without_time,
)

from incmask.base.errors import IncmaskError
from incmask.base.tables import rows_text
from incmask.experiment import deliver
from incmask.experiment import train as training
from incmask.insight.comparison import compare as module
from incmask.insight.report.comparison_page.rows import EQUAL, OWN, PseudoRow
from runs import make_data, results


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return finished(tmp_path_factory.getbasetemp())


def tables_of(out):
    return {path.name: path.read_bytes() for path in out.glob("*.csv")}


def files_of(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def students_of(run, generation, *, num=2):
    return {f"runs/own/{run}/{generation}/students/{number}" for number in range(1, num + 1)}


@pytest.mark.slow
def test_every_network_is_trained_once(made):
    expected = set()
    for repeat in (1, 2):
        for recipe in ("ldt", "aldt", "fdt"):
            expected |= students_of(f"repeat-{repeat}/{recipe}", "base")
        expected |= students_of(f"repeat-{repeat}/cl", "gen-1")
        for recipe in ("evalnet", "im", "im++"):
            for generation in range(1, NUM_GENERATIONS + 1):
                expected |= students_of(f"repeat-{repeat}/{recipe}", f"gen-{generation}")
        for recipe in ("evalnet", "im++"):
            expected |= students_of(f"repeat-{repeat}/{recipe}", "evalnets")
    assert sorted(made.fitted) == sorted(expected)
    assert made.said.done == pytest.approx(made.said.expected)
    assert made.said.says("14 runs: ldt, aldt, fdt, cl, evalnet, im, im++; 2 repeats")
    assert made.said.says("run 12 of 14: evalnet, repeat 2: best candidate by EvalNets")


@pytest.mark.slow
def test_runs_of_a_repeat_share_their_base_models(made):
    models = set()
    for repeat in (1, 2):
        runs = made.out / "runs" / "own" / f"repeat-{repeat}"
        for number in ("1", "2"):
            for recipe, folders in {
                "ldt": ("cl/base", "evalnet/base", "im/base", "im++/base"),
                "aldt": ("evalnet/base-aldt",),
            }.items():
                model = (runs / recipe / "base" / "students" / number / "model.safetensors").read_bytes()
                models.add(model)
                for folder in folders:
                    assert (runs / folder / "students" / number / "model.safetensors").read_bytes() == model
    # Another repeat, another student and another recipe have others.
    assert len(models) == 2 * 2 * 2


@pytest.mark.slow
def test_a_finished_comparison_trains_nothing(made):
    before = tables_of(made.out), dict(results(made.out))
    again = make(made.data, made.out, RECIPES, num_repeats=2, num_generations=NUM_GENERATIONS, quality_threshold=0.0)
    assert again.fitted == ()
    assert (tables_of(made.out), dict(results(made.out))) == before
    assert again.said.done == pytest.approx(again.said.expected)
    for name in ("models", "totals", "images", "pseudo", "frequencies"):
        assert getattr(again.found, name) == getattr(made.found, name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"epochs": 3}, "settings.epochs was 2 when the run began and is 3 now"),
        ({"seed": 2}, "settings.seed was 1 when the run began and is 2 now"),
        ({"erode_px": 3}, "settings.erode_px was 0 when the run began and is 3 now"),
    ],
)
def test_other_settings_are_refused(made, settings, told):
    before = files_of(made.out)
    with pytest.raises(IncmaskError) as error:
        make(
            made.data,
            made.out,
            RECIPES,
            **{"num_generations": NUM_GENERATIONS, "quality_threshold": 0.0, **settings},
        )
    assert [problem.what for problem in error.value.problems] == [told]
    after = files_of(made.out)
    assert {path for path in after if after[path] != before.get(path)} <= {made.out, made.out / ".lock"}
    assert len(after) == len(before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "told"),
    [("data", "is there already and is no run folder"), ("out/runs/own/repeat-1/ldt", "comparison was not there")],
)
def test_a_folder_of_other_things_is_refused_and_left_as_it_is(made, place, told):
    folder = made.data.parent / place
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    with pytest.raises(IncmaskError, match=told):
        make(made.data, folder, ("im",), num_generations=NUM_GENERATIONS, quality_threshold=0.0)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == before


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with ``data`` and a finished comparison of ldt and im, ``out``."""
    root = tmp_path_factory.mktemp("whole")
    return make(make_data(root / "data", "binary"), root / "out", ("im",))


@pytest.mark.slow
def test_killed_again_and_again_it_comes_to_the_same(whole, tmp_path):
    num_kills, fitted, again = 0, [], None
    while again is None:
        try:
            # Each time some events further, so that there is progress in the end.
            again = make(whole.data, tmp_path / "out", ("im",), kill_at=12 + 4 * num_kills)
        except KeyboardInterrupt:
            num_kills += 1
            # What is there so far is whole.
            if (tmp_path / "out" / "results.csv").exists():
                fitted = lines_of(tmp_path / "out" / "results.csv")
                assert len(fitted) in (6, 12)
    assert num_kills >= 4
    assert fitted
    assert tables_without_time(again.out) == tables_without_time(whole.out)
    ours, theirs = (
        {name: content for name, content in results(each.out) if not name.endswith(".csv")} for each in (again, whole)
    )
    assert ours == theirs
    assert again.said.done == pytest.approx(again.said.expected)


@pytest.mark.slow
def test_an_approach_or_a_repeat_that_comes_later_is_all_that_is_trained(whole, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(whole.out, out)
    before = lines_of(out / "results.csv")
    more = make(whole.data, out, ("im", "me"))
    assert set(more.fitted) == students_of("repeat-1/me", "gen-1")
    assert [line for line in lines_of(out / "results.csv") if line["recipe"] != "me"] == before
    assert {row.recipe for row in more.found.totals} == {"ldt", "im", "me"}

    again = make(whole.data, out, ("im",), num_repeats=2)
    assert set(again.fitted) == students_of("repeat-2/ldt", "base") | students_of("repeat-2/im", "gen-1")
    lines = lines_of(out / "results.csv")
    assert [line for line in lines if line["repeat"] == "1"] == before
    scores = [
        [line["score"] for line in lines if line["repeat"] == repeat and line["split"] == "val"] for repeat in "12"
    ]
    assert scores[0] != scores[1]


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_equal_steps_are_those_of_full_training(tmp_path):
    data = make_data(tmp_path / "data", "multiclass")
    made = make(data, tmp_path / "out", ("fdt", "im"), preset="paper", equal_steps=True, steps_per_epoch=0, admit="all")
    # An epoch is one pass over the images in batches of 2; im has as many as fdt, where every pair is used.
    own, full = 2 * (NUM_LABELLED // 2), 2 * ((NUM_LABELLED + NUM_UNLABELLED) // 2)
    steps = {(row.budget, row.recipe): row.steps for row in made.found.models if row.student != "ensemble"}
    assert steps == {
        (OWN, "ldt"): own,
        (OWN, "fdt"): full,
        (OWN, "im"): full,
        (EQUAL, "ldt"): full,
        (EQUAL, "im"): full,
    }
    assert made.found.equal_steps == full // 2
    assert made.said.done == pytest.approx(made.said.expected)
    assert made.said.says(f"two budgets: each approach's own steps, and {full} for every model")
    # Base models are shared within a budget, not across.
    assert [folder for folder in made.fitted if "base" in folder] == [
        f"runs/{budget}/repeat-1/{recipe}/base/students/{number}"
        for budget, recipe in ((OWN, "ldt"), (OWN, "fdt"), (EQUAL, "ldt"))
        for number in (1, 2)
    ]
    assert {row.class_name for row in made.found.frequencies if row.budget == EQUAL} == {
        row.class_name for row in made.found.frequencies if row.budget == OWN
    }
    assert len({row.class_name for row in made.found.frequencies}) == 4


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_equal_steps_count_tiles_and_leave_out_what_validates(tmp_path):
    data = make_data(tmp_path / "data", "binary", {"labelled": 30, "unlabelled": 3})
    made = make(
        data,
        tmp_path / "out",
        ("fdt",),
        preset="paper",
        equal_steps=True,
        steps_per_epoch=0,
        epochs=1,
        fit="tile",
        size=[32, 32],
        batch_size=1,
    )
    steps = {(row.budget, row.recipe): row.steps for row in made.found.models if row.student == "1"}
    assert steps[EQUAL, "ldt"] == steps[OWN, "fdt"]
    # Of 30 images of 1 or 2 tiles six validate; all 3 unlabelled ones together have 5.
    assert steps[OWN, "ldt"] + 5 == steps[OWN, "fdt"]


@pytest.mark.usefixtures("untrained")
def test_without_the_flag_or_with_fixed_steps_there_is_one_budget(whole, tmp_path):
    assert {row.budget for row in whole.found.models} == {OWN}
    assert whole.found.equal_steps is None
    assert whole.said.says("equal steps: every model takes 4 steps, whatever the approach")
    made = make(whole.data, tmp_path / "out", ("ldt",), preset="paper", steps_per_epoch=0, epochs=1, num_base=2)
    assert {row.budget for row in made.found.models} == {OWN}
    assert made.said.says("equal_steps=True adds a comparison at as many steps for all")


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_a_sweep_without_true_masks(tmp_path, monkeypatch):
    """The test images are not read before all networks of a run are trained."""
    data = make_data(tmp_path / "data", "multilabel", truth=False)
    events, evaluate = [], deliver.evaluate_models

    def evaluating(job, report):
        if any(item.image.parts[-3] == "test" for item in job.items):
            events.append(("test", job.members[0].parts[-5]))
        return evaluate(job, report)

    def fitting(job, report):
        events.append(("fit", job.folder.parts[-4]))
        return fit(job, report)

    fit = training.fit
    monkeypatch.setattr(deliver, "evaluate_models", evaluating)
    monkeypatch.setattr(training, "fit", fitting)
    made = make(data, tmp_path / "out", ("im",), grid={"erode_px": [0, 3]})
    for run in ("ldt", "im erode_px=0", "im erode_px=3"):
        kinds = [kind for kind, folder in events if folder == run]
        num_fits = kinds.count("fit")
        assert num_fits == 2
        assert kinds[num_fits:] == ["test"] * (len(kinds) - num_fits)
        assert len(kinds) > num_fits
    assert {folder for _, folder in events} == {"ldt", "im erode_px=0", "im erode_px=3"}
    assert [(row.recipe, row.setting) for row in made.found.totals] == [
        ("ldt", ""),
        ("im", "erode_px=0"),
        ("im", "erode_px=3"),
    ]
    assert set(made.fitted) == (
        students_of("repeat-1/ldt", "base")
        | students_of("repeat-1/im erode_px=0", "gen-1")
        | students_of("repeat-1/im erode_px=3", "gen-1")
    )
    assert (made.found.pseudo, made.found.frequencies) == ((), ())
    assert (made.out / "pseudo_labels.csv").read_text() == rows_text([], PseudoRow)
    assert not (made.out / "stacks" / "unlabelled" / "labels.npy").exists()
    about = json.loads((made.out / "environment.json").read_text())
    assert "torch" in about["packages"]


def test_what_there_is_nothing_to_compare_with(tmp_path):
    data = make_data(tmp_path / "data", "binary", {"labelled": 2, "val": 1})
    with pytest.raises(IncmaskError, match="holds no unlabelled images to compare approaches with"):
        make(data, tmp_path / "out", ("im",))
    with pytest.raises(IncmaskError, match="num_repeats: got 0, expected 1 or more"):
        make(data, tmp_path / "out", ("im",), num_repeats=0)
    assert not (tmp_path / "out").exists()


def test_mistakes_leave_no_folder_behind(whole, tmp_path):
    for recipes, grid in ((("imm",), None), (("im",), {"erode_px": [0, 2]}), (("im",), {"seed": [1, 2]})):
        with pytest.raises(IncmaskError):
            make(whole.data, tmp_path / "out", recipes, grid=grid)
    assert not (tmp_path / "out").exists()


def test_what_memory_has_room_for_is_said_once(whole, tmp_path, monkeypatch):
    def room(chosen, progress):
        progress.say("memory for 1 of 2 workers")
        return 1

    monkeypatch.setattr(module, "num_workers_of", room)
    made = make(whole.data, whole.out, ("im",))
    assert sum("memory for" in line for line in made.said.lines) == 1
