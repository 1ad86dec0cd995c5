"""The labelling loop: with a person in the middle, and simulated with masks that are known."""

import json
import shutil

import pytest

import incmask
from finished_runs import leave_undrawn, leave_untrained
from incmask.base.errors import IncmaskError
from incmask.data.rounds import read_rounds
from incmask.exchange.correcting.desk import open_desk
from incmask.exchange.corrections.take_back import import_labels
from runs import HERE, SETTINGS, make_data

PARTS = {"labelled": 2, "unlabelled": 4, "val": 1}


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    leave_untrained(monkeypatch)
    leave_undrawn(monkeypatch)


def go_on(data, **options):
    given = {"budget": 3, "num_rounds": 2, "recipe": "ldt", "settings": SETTINGS, "executor": HERE}
    return incmask.loop(data, **(given | options))


def save(desk, *indices):
    for index in indices:
        desk.save(index, desk.models_mask(index))


@pytest.mark.slow
def test_a_person_labels_in_the_middle(tmp_path):
    data = make_data(tmp_path / "data", "binary", PARTS, truth=False)
    first = go_on(data)
    ranked = [row["name"] for row in incmask.load(first.run).record.table("ranking.csv")]
    assert (first.names, first.num_left) == (tuple(ranked[:2]), 3)
    assert [(each.number, each.num_labelled) for each in first.scores] == [(1, 2)]
    assert "top=2" in first.next_steps[1]
    # Called again, it says the same, and how far the person is.
    save(open_desk(first.run, top=2), 0)
    again = go_on(data)
    assert (again.names, again.num_corrected) == (first.names, 1)
    assert "(1 corrected so far)" in again.next_steps[0]
    assert read_rounds(data) == ()
    save(open_desk(first.run, top=2), 1)
    second = go_on(data, order="random")
    assert [each.names for each in read_rounds(data)] == [tuple(sorted(first.names))]
    assert (second.run.name, len(second.names), second.num_left) == ("data-run-2", 1, 1)
    assert not set(second.names) & set(first.names)
    assert [(each.number, each.num_labelled) for each in second.scores] == [(1, 2), (2, 4)]
    # With another tool it is imported by hand.
    desk = open_desk(second.run, out=tmp_path / "mine", top=1)
    save(desk, 0)
    import_labels(second.run, tmp_path / "mine", target="png", unchanged="confirm")
    last = go_on(data)
    assert (last.names, last.num_left, last.next_steps) == ((), 0, ("the budget is spent",))
    assert [each.num_labelled for each in last.scores] == [2, 4, 5]


@pytest.mark.slow
def test_rounds_may_end_before_the_budget(tmp_path):
    data = make_data(tmp_path / "data", "binary", PARTS, truth=False)
    first = go_on(data, num_rounds=1)
    assert len(first.names) == 3
    save(open_desk(first.run, out=tmp_path / "mine"), 0)
    import_labels(first.run, tmp_path / "mine", target="png", unchanged="confirm")
    last = go_on(data, num_rounds=1)
    assert (last.names, last.num_left, last.next_steps) == ((), 2, ("all rounds are done",))


def test_the_command_tells_it(call, tmp_path):
    data = make_data(tmp_path / "data", "binary", PARTS, truth=False)
    words = ["loop", data, "--budget", "2", "--rounds", "2", "--recipe", "ldt"]
    words += [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    code, out, _ = call(*words, "-q")
    lines = out.splitlines()
    assert (code, lines[0].split()) == (0, ["round", "labelled", "added", "validation"])
    assert lines[1].split()[:3] == ["1", "2", "2"]
    assert lines[-3] == f"next: label the first 1 image of {data}-run/ranking.csv"
    assert f"`incmask correct {data}-run --top 1`" in lines[-2]
    code, out, _ = call(*words, "--json")
    values = json.loads(out)
    assert (code, values["budget_left"], len(values["images"]), values["corrected"]) == (0, 2, 1, 0)


@pytest.mark.slow
def test_the_whole_loop_is_simulated(call, tmp_path):
    data = make_data(tmp_path / "data", "binary", PARTS)
    shutil.move(data / "unlabelled" / "masks", tmp_path / "labels")
    options = {"oracle": tmp_path / "labels", "budget": 2, "num_rounds": 2, "num_seeds": 1}
    found = go_on(data, **options)
    assert [(row.order, row.num_labelled) for row in found.rows] == [
        ("start", 2),
        *((order, num) for order in ("ranked", "random") for num in (3, 4)),
    ]
    assert found.root == tmp_path / "data-loop"
    # Nothing was added to the data, and the same goes on.
    assert read_rounds(data) == ()
    words = ["loop", data, "--oracle", tmp_path / "labels", "--budget", "2", "--rounds", "2", "--seeds", "1"]
    words += ["--recipe", "ldt", "--json"]
    words += [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    code, out, err = call(*words)
    values = json.loads(out)
    assert (code, err) == (0, "")
    assert [row["validation"] for row in values["rows"]] == [row.validation for row in found.rows]
    assert [each["labelled"] for each in values["differences"]["validation"]["ranked"]["by_round"]] == [3, 4]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"budget": 0}, "budget: got 0"),
        ({"num_rounds": 0}, "num_rounds: got 0"),
        ({"num_seeds": 2}, "num_seeds: is for a simulation with oracle alone"),
        ({"num_start": 2}, "num_start: is for a simulation"),
        ({"order": ("ranked", "random")}, "order: names several, of which a person labels in one"),
        ({"order": "best"}, "unknown name 'best'"),
        ({"oracle": "labels", "time": "5m"}, 'time="5m": is for labelling by people'),
    ],
)
def test_what_does_not_go_together_is_told(options, told, tmp_path):
    with pytest.raises(IncmaskError, match=told):
        go_on(tmp_path, **options)
