"""The search for settings: what is tried, who goes on, what is chosen, and where it was stopped."""

import json
import tomllib
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import incmask
import incmask.insight.tuning.tune as module
from incmask.base.config import Settings
from incmask.base.errors import IncmaskError, fail
from incmask.base.tables import read_rows
from incmask.experiment.choices import resolve
from incmask.experiment.named import AUTO_TIME, Choices, with_config
from incmask.insight.tuning.plan import Rung, draw_trials, networks_of, num_possible, promoted, rungs, space_of
from incmask.insight.tuning.tune import TrialRow, best_of
from incmask.method.recipes import RECIPES
from runs import HERE, SETTINGS, Listener, make_data

FEW = {name: value for name, value in SETTINGS.items() if name not in ("epochs", "steps_per_epoch")}
FEW |= {"erode_px": 0, "dilate_px": 0}
PARTS = {"labelled": 2, "unlabelled": 2, "val": 2}


@pytest.mark.parametrize(
    ("num", "sizes", "lengths"),
    [
        # By hand: 9 + 3 · 3 = 18 times 40 steps of 4 networks, and a rest too small for ten steps more of each.
        (9, [9, 3], [40, 120]),
        # 27 + 9 · 3 + 3 · 9 = 81, 10 + 4 · 3 + 2 · 9 = 40, and 4 + 2 · 3 = 10.
        (27, [27, 9, 3], None),
        (10, [10, 4, 2], None),
        (4, [4, 2], [70, 210]),
        (3, [3], [240]),
        (2, [2], [370]),
    ],
)
def test_a_budget_is_shared_out(num, sizes, lengths):
    budget = 2_999 if lengths else 50_000
    found = rungs(budget, num_networks=4, num_trials=num, most=100)
    assert [rung.num_trials for rung in found] == sizes
    if lengths:
        assert [rung.num_steps for rung in found] == lengths
    assert all(rung.amounts["epochs"] * rung.amounts["steps_per_epoch"] == rung.num_steps for rung in found)


@given(budget=st.integers(200, 10**6), num_networks=st.integers(1, 20), most=st.integers(2, 40))
def test_no_budget_is_exceeded_and_little_is_left(budget, num_networks, most):
    try:
        found = rungs(budget, num_networks=num_networks, num_trials=None, most=most)
    except IncmaskError:
        assert budget < 20 * 2 * num_networks
        return
    taken = num_networks * sum(rung.num_trials * rung.num_steps for rung in found)
    weight = taken // found[0].num_steps
    assert budget - 10 * weight < taken <= budget
    assert found[0].num_trials <= min(27, most)
    # Fewer would each have more than enough; more would not have enough.
    assert found[0].num_steps >= (100 if found[0].num_trials > 2 else 20)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(IncmaskError, match="num_trials: one trial has nothing"):
        rungs(10**6, num_networks=1, num_trials=None, most=1)
    with pytest.raises(
        IncmaskError, match=r"num_steps: 700 steps are too few for 9 trials .* use 1440 or more, or fewer"
    ):
        rungs(700, num_networks=4, num_trials=9, most=100)
    assert rungs(1440, num_networks=4, num_trials=9, most=100)[0] == Rung(9, 20)


def test_draws_are_all_different_and_come_again():
    space = {"batch_size": [8, 16, 32], "strong": [0.0, 1.0], "width": [0.5, 0.75]}
    settings = Settings()
    draws = draw_trials(space, settings, num=100, seed=1)
    # Batches of 16, nothing strong and width .5 are as they are: 3 · 2 · 2 combinations.
    assert len(draws) == num_possible(space, settings) == 12
    assert draws[0] == {}
    assert {json.dumps(each) for each in draws} == {
        json.dumps({name: value for name, value in each.items() if value != getattr(settings, name)})
        for each in (
            {"batch_size": size, "strong": strong, "width": width}
            for size in (8, 16, 32)
            for strong in (0.0, 1.0)
            for width in (0.5, 0.75)
        )
    }
    assert draw_trials(space, settings, num=5, seed=1) == draws[:5]
    assert draw_trials(space, settings, num=5, seed=2) != draws[:5]
    many = {name: [*range(100)] for name in ("seed", "num_kept", "num_views", "num_base")}
    assert len(draw_trials(many, settings, num=20, seed=1)) == 20


def test_what_is_tried_matters_to_the_recipe():
    everywhere = ["learning_rate", "batch_size", "width", "augment"]
    settings = Settings()
    assert list(space_of(RECIPES["ldt"], settings, {})) == everywhere
    assert list(space_of(RECIPES["me"], settings, {})) == [*everywhere, "strong", "cutmix"]
    assert list(space_of(RECIPES["im"], settings, {}, fixed={"augment", "width"})) == [
        *("learning_rate", "batch_size", "strong", "cutmix", "erode_px", "dilate_px")
    ]
    named = space_of(RECIPES["im"], settings, {"detail_px": [0, 3], "strong": [0.25]})
    assert (named["detail_px"], named["strong"]) == ([0, 3], [0.25])
    # An encoder is as wide as it is.
    assert "width" not in space_of(RECIPES["im"], Settings(net="timm:resnet18"), {})


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("epochs", [5, 6], "says how much a trial trains"),
        ("empty_iou", [0, 1], "says what the score is"),
        ("seed", [1, 2], "is no part of the method"),
        ("net", ["unet", "unet"], "says what images and networks are"),
        ("erode_px", [0, 3], "makes no difference to the recipe"),
        ("batch_size", [0, 8], "greater than or equal to 1"),
        ("batch", [8, 16], "did you mean batch_size"),
        ("detail_px", [2], "must be odd or 0"),
    ],
)
def test_what_cannot_be_tried_is_refused(name, values, why):
    with pytest.raises(IncmaskError, match=f"^grid: .*{why}" if name != "detail_px" else why):
        space_of(RECIPES["ldt"], Settings(), {name: values})


def test_who_goes_on_by_scores_made_by_hand():
    scores = {0: 0.2, 1: 0.7, 2: None, 3: 0.9, 4: 0.7}
    assert promoted(scores, num=2) == [0, 3]
    assert promoted(scores, num=4) == [0, 3, 1, 4]
    # Where the rest was lost, fewer go on.
    assert promoted({0: None, 1: None, 2: 0.0}, num=3) == [0, 2]


def row(rung, trial, score):
    return TrialRow(rung, trial, 20, str(trial), score, "base")


def test_the_best_of_the_last_rung_is_chosen_and_nothing_where_it_is_no_better():
    first = [row(1, 0, 0.5), row(1, 1, 0.9), row(1, 2, 0.6)]
    assert best_of([*first, row(2, 0, 0.6), row(2, 2, 0.7)]).trial == 2
    assert best_of([*first, row(2, 0, 0.7), row(2, 2, 0.7), row(2, 1, 0.7)]).trial == 0
    assert best_of([*first, row(2, 0, None), row(2, 2, 0.1), row(2, 1, 0.1)]).trial == 1


def test_networks_are_counted():
    settings = Settings(num_base=2, num_students=2, num_generations=1, num_evalnets=2)
    found = {name: networks_of(RECIPES[name], settings) for name in ("ldt", "cl", "im", "im++", "evalnet", "im-online")}
    # Of the last, students come in whole teams; that before needs two kinds of base models.
    assert found == {"ldt": 2, "cl": 4, "im": 4, "im++": 6, "evalnet": 8, "im-online": 4}


@dataclass
class Scripted:
    """In place of a training: a score that follows from the settings; stops at a call, counted from 1."""

    stop_at: int = 0
    diverges_above: float = 1.0

    def __post_init__(self):
        self.asked = []

    def run(self, chosen, out, **others):
        settings = chosen.settings
        steps = settings.epochs * settings.steps_per_epoch
        self.asked.append((out.name, steps, others["stacks_from"]))
        if len(self.asked) == self.stop_at:
            raise KeyboardInterrupt
        if settings.learning_rate > self.diverges_above:
            raise fail(out, "the loss turned nan at step 3", "lower the learning rate")
        score = 0.5 + settings.width / 10 - abs(settings.learning_rate - 0.002) * 10 + steps / 10_000
        return SimpleNamespace(chosen=SimpleNamespace(name="gen-1", score=score))


GRID = {"learning_rate": [0.002, 0.003, 0.01], "width": [0.125, 0.25]}


def search(data, out, **options):
    given = {"num_steps": 3_200, "num_trials": 6, "settings": FEW, "grid": GRID, "executor": HERE}
    return incmask.tune(data, out=out, **(given | options))


@pytest.fixture
def data(tmp_path):
    return make_data(tmp_path / "data", "binary", PARTS, truth=False)


def test_the_best_by_hand_made_scores_is_chosen(tmp_path, monkeypatch, data):
    """6 combinations of 100 steps a network, then 2 of 300: 6 · 4 · 100 + 2 · 4 · 300 = 4800 steps."""
    played = Scripted()
    monkeypatch.setattr(module, "run_resolved", played.run)
    listener = Listener()
    settings = FEW | {"learning_rate": 0.003}
    found = search(data, tmp_path / "out", num_steps=4_800, settings=settings, progress=listener)
    assert [(each.rung, each.num_steps) for each in found.rows] == [(1, 100)] * 6 + [(2, 300)] * 2
    assert [each.trial for each in found.rows[-2:]] == [0, found.best.trial]
    assert found.settings == {"learning_rate": 0.002, "width": 0.25}
    assert found.difference == pytest.approx(0.0125 + 0.01)
    assert found.num_steps == 4_800
    assert read_rows(tmp_path / "out" / "trials.csv", TrialRow) == list(found.rows)
    # Images are brought to size once.
    first = tmp_path / "out/runs/rung-1/trial-0"
    assert [stacks for _, _, stacks in played.asked] == [None, *[first] * 7]
    tuned = tomllib.loads(found.config.read_text())
    assert (tuned["recipe"], tuned["preset"], tuned["profile"]) == ("im", "default", "generic")
    # What was fixed is there, too; how little a trial trains is not.
    assert tuned["settings"] == {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in (settings | found.settings).items()
        if name not in ("num_base", "num_students", "num_generations", "num_evalnets")
    }
    assert any("rung 2, 300 steps a network, learning_rate=0.002 width=0.25: 0.555" in line for line in listener.lines)
    # What the file says is what a run does.
    chosen = resolve(data, with_config(Choices(time=AUTO_TIME), found.config))
    assert (chosen.settings.learning_rate, chosen.settings.width) == (0.002, 0.25)


def test_where_nothing_is_better_nothing_is_changed(tmp_path, monkeypatch, data):
    monkeypatch.setattr(module, "run_resolved", Scripted().run)
    found = search(
        data, tmp_path / "out", grid={"learning_rate": [0.002, 0.003, 0.01]}, settings=FEW | {"learning_rate": 0.002}
    )
    assert (found.settings, found.difference, found.best.setting) == ({}, 0, "as they are")


def test_a_search_goes_on_where_it_was_stopped(tmp_path, monkeypatch, data):
    monkeypatch.setattr(module, "run_resolved", Scripted().run)
    whole = search(data, tmp_path / "whole")
    for stop_at in (3, 7):
        monkeypatch.setattr(module, "run_resolved", Scripted(stop_at).run)
        with pytest.raises(KeyboardInterrupt):
            search(data, tmp_path / "out")
        assert len(read_rows(tmp_path / "out" / "trials.csv", TrialRow)) == stop_at - 1
        assert not (tmp_path / "out" / "tuned.toml").exists()
    monkeypatch.setattr(module, "run_resolved", Scripted().run)
    assert search(data, tmp_path / "out").rows == whole.rows
    assert (tmp_path / "out" / "tuned.toml").read_bytes() == (tmp_path / "whole" / "tuned.toml").read_bytes()
    with pytest.raises(IncmaskError, match="budget was 3200 when the run began and is 4000 now"):
        search(data, tmp_path / "out", num_steps=4_000)


def test_trials_that_diverge_are_lost_and_others_go_on(tmp_path, monkeypatch, data):
    monkeypatch.setattr(module, "run_resolved", Scripted(diverges_above=0.0025).run)
    found = search(data, tmp_path / "out")
    lost = [each for each in found.rows if each.validation is None]
    assert {each.setting for each in found.rows if each.rung == 1 and each.validation is None} >= {"as they are"}
    assert all("learning_rate=0.002" not in each.setting for each in lost)
    # The settings as they are diverge, too, so that there is no difference to tell.
    assert (found.difference, found.settings["learning_rate"]) == (None, 0.002)
    monkeypatch.setattr(module, "run_resolved", Scripted(diverges_above=0.0).run)
    with pytest.raises(IncmaskError, match="all trainings of rung 1 diverged"):
        search(data, tmp_path / "lost")


def test_other_errors_end_a_search(tmp_path, monkeypatch, data):
    def full(chosen, out, **others):
        raise fail(out, "cannot be written (no space left on device)", "make room")

    monkeypatch.setattr(module, "run_resolved", full)
    with pytest.raises(IncmaskError, match="no space left"):
        search(data, tmp_path / "out")


@pytest.mark.slow
def test_the_command_searches_and_a_run_takes_what_it_found(tmp_path, call, data):
    """In earnest: 2 trials of 2 networks, 20 steps each."""
    words = [f"--set={name}={json.dumps(value)}" for name, value in FEW.items()]
    given = ["tune", data, "-o", tmp_path / "out", "--steps", "80", "--trials", "2", "--recipe", "ldt"]
    given += [*words, "--set=learning_rate=0.003,0.01"]
    code, out, err = call(*given, "-q")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["validation", "with", "20", "steps", "a", "network"]
    assert {lines[1].split(maxsplit=1)[1], lines[2].split(maxsplit=1)[1]} == {"as they are", "learning_rate=0.01"}
    assert lines[3] == "tried           2 of learning_rate; 80 steps in all"
    out = tmp_path / "out"
    assert lines[-1] == f"next: incmask run {data} --config {out / 'tuned.toml'} -o {out}-run"
    models = sorted((tmp_path / "out").rglob("model.safetensors"))
    times = [path.stat().st_mtime_ns for path in models]
    assert len(models) == 4
    code, again, _ = call(*given, "-q", "--json")
    values = json.loads(again)
    assert [path.stat().st_mtime_ns for path in models] == times
    scores = {each["setting"]: each["validation"] for each in values["rows"]}
    assert max(scores.values()) == values["validation"]
    assert values["difference"] == pytest.approx(max(scores.values()) - scores["as they are"])
    # With its own amounts, a run takes what was chosen.
    few = ["--set=epochs=1", "--set=steps_per_epoch=1", "--set=num_base=2", "--no-report", "-q"]
    code, _, err = call("run", data, "-o", tmp_path / "run", "--config", tmp_path / "out" / "tuned.toml", *few)
    assert (code, err) == (0, "")
    ran = tomllib.loads((tmp_path / "run" / "run.toml").read_text())
    assert ran["recipe"] == "ldt"
    assert ran["settings"]["learning_rate"] == values["settings"].get("learning_rate", 0.003)
    assert ran["settings"]["width"] == FEW["width"]


def test_choices_in_a_file_lie_between_those_of_the_data_and_the_options(tmp_path, data):
    (data / "incmask.toml").write_text('recipe = "me"\npreset = "paper"\n[settings]\nepochs = 3\nseed = 4\n')
    config = tmp_path / "chosen.toml"
    config.write_text('recipe = "ldt"\ntime = "30m"\n[settings]\nepochs = 5\nwidth = 0.25\n')
    laid = with_config(Choices(settings={"width": 0.75}), config)
    assert laid == Choices("ldt", settings={"epochs": 5, "width": 0.75})
    assert with_config(Choices(time=AUTO_TIME), config).time == "30m"
    assert with_config(Choices("im", time="1h"), config).time == "1h"
    chosen = resolve(data, laid)
    assert (chosen.names["recipe"], chosen.names["preset"]) == ("ldt", "paper")
    assert (chosen.settings.epochs, chosen.settings.seed, chosen.settings.width) == (5, 4, 0.75)
    assert with_config(laid, None) == laid


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[data]\ntask = "binary"',
            "chosen.toml: has .data., which belongs to the data's own incmask.toml; move it there",
        ),
        ("[settings]\nepoch = 3", "chosen.toml: unknown name 'epoch'; did you mean epochs"),
        ("epochs = 3", "chosen.toml: unknown name 'epochs'"),
        ("recipe im", "chosen.toml: is no readable TOML file"),
        (None, "chosen.toml: is no readable TOML file"),
    ],
)
def test_files_that_are_no_choices_are_refused(tmp_path, text, told):
    config = tmp_path / "chosen.toml"
    if text is not None:
        config.write_text(text)
    with pytest.raises(IncmaskError, match=told):
        with_config(Choices(), config)


def test_its_folder_tells_how_far_it_is_and_that_it_is_no_run(tmp_path, monkeypatch, data):
    monkeypatch.setattr(module, "run_resolved", Scripted().run)
    search(data, tmp_path / "out")
    assert incmask.status(tmp_path / "out").state == "ended"
    for read in (incmask.report, incmask.rank):
        with pytest.raises(IncmaskError, match=r"holds a search for settings; its table is trials\.csv"):
            read(tmp_path / "out")
