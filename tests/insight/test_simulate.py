import csv
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy import stats

from finished_runs import finish
from incmask.base.errors import IncmaskError
from incmask.base.images_on_disk import read_records
from incmask.base.pool import HerePool
from incmask.base.progress import Silent
from incmask.experiment.record.run import open_run
from incmask.insight.ranking import simulate as module
from incmask.insight.ranking.present import simulation_picture, simulation_text, verdict
from incmask.insight.ranking.rank import rank_finished, rank_run
from incmask.insight.ranking.simulate import USUAL_ORDERS as ORDERS
from incmask.insight.ranking.simulate import choices_of_run, shares_of
from incmask.insight.ranking.simulation import Simulation, SimulationRow
from incmask.method.scoring import Scoring
from runs import HERE, Listener, results

PARTS = {"labelled": 8, "unlabelled": 2, "val": 2, "test": 2}


def simulate(run, data, out, *, recipe=None, **options):
    chosen = choices_of_run(run, data, recipe=recipe, settings={})
    return module.simulate(chosen, out, executor=HERE, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finish(tmp_path_factory.mktemp("simulate"), parts=PARTS, epochs=1, steps_per_epoch=1)


@pytest.fixture(scope="module")
def simulated(finished):
    return simulate(finished, finished.parent / "data", finished.parent / "simulation", num_seeds=2)


@pytest.fixture
def call(call):
    """Call ``incmask rank``; give exit code, standard output and standard error."""
    return partial(call, "rank")


@pytest.mark.slow
def test_each_order_buys_as_many_labels_and_trains_as_long(finished, simulated):
    assert [(row.order, row.num_labelled) for row in simulated.rows] == [
        ("start", 2),
        *((order, 4) for order in ORDERS),
    ] * 2
    steps = set()
    for number in (1, 2):
        for order in ORDERS:
            folder = simulated.root / "runs" / f"seed-{number}" / f"{order}-4"
            data = read_records(folder).data["parts"]
            bought = [each.name for each in simulated.bought if (each.seed, each.order) == (number, order)]
            assert sorted(name for name in data["labelled"] if name.startswith("pool/")) == sorted(bought)
            assert len(data["labelled"]) == 4
            # Four labels are still hidden.
            assert len(data["unlabelled"]) == 6
            assert all(len(item["files"]) == 1 for item in data["unlabelled"].values())
            steps |= {json.loads(path.read_text())["steps"] for path in folder.glob("base/students/*/scores.json")}
    assert len(steps) == 1


@pytest.mark.slow
def test_rounds_buy_in_shares_and_each_asks_the_models_before_it(finished, tmp_path):
    options = {"num_seeds": 1, "num_rounds": 2, "budget": 3, "orders": ("core-set", "random")}
    found = simulate(finished, finished.parent / "data", tmp_path / "out", **options)
    assert [(row.order, row.num_labelled) for row in found.rows] == [
        ("start", 2),
        *((order, num) for order in ("core-set", "random") for num in (4, 5)),
    ]
    bought = [each.name for each in found.bought if each.order == "core-set"]
    assert len(set(bought)) == 3
    first = tmp_path / "out/runs/seed-1/core-set-4"
    assert (first / "masks").is_dir()
    assert not (first.with_name("core-set-5") / "masks").exists()
    with open(first.with_name("core-set-5.csv"), newline="") as handle:
        assert [line["name"] for line in csv.DictReader(handle)] == bought[2:]
    ranked = rank_finished(
        open_run(first), order="core-set", top=1, among={*_waiting(first)}, pool=HerePool(1), progress=Silent()
    )
    assert [row.name for row in ranked.rows] == bought[2:]
    # What was bought stays, even where it would be chosen otherwise now.
    again = simulate(finished, finished.parent / "data", tmp_path / "out", **options)
    assert (again.rows, again.bought) == (found.rows, found.bought)
    assert [len(found.scores("random", num_labelled=num)) for num in (4, 5)] == [1, 1]
    of_both = [found.scores("random", num_labelled=num)[0] for num in (4, 5)]
    assert found.scores("random") == [pytest.approx(np.mean(of_both))]
    assert "IoU on validation, mean of 2 rounds" in simulation_text(found)
    assert ">labelled images<" in simulation_picture(found).svg


def _waiting(run):
    return [name for name in read_records(run).data["parts"]["unlabelled"] if name.startswith("pool/")]


def test_shares_differ_by_one_at_most():
    assert shares_of(50, 5) == [10] * 5
    assert shares_of(11, 3) == [4, 4, 3]


@pytest.mark.slow
def test_the_ranked_order_is_that_of_rank(simulated):
    start = simulated.root / "runs/seed-1/start"
    ranked = [each.name for each in simulated.bought if (each.seed, each.order) == (1, "ranked")]
    names = [row.name for row in rank_run(start, open_pool=HerePool).rows if row.name.startswith("pool/")]
    # Images that cannot be bought change what is new, but not what comes first among two.
    assert len(ranked) == 2
    assert ranked[0] in names


@pytest.mark.slow
def test_tables_hold_all(simulated):
    with open(simulated.root / "simulation.csv", newline="") as handle:
        lines = list(csv.DictReader(handle))
    assert [float(line["validation"]) for line in lines] == [row.validation for row in simulated.rows]
    assert [float(line["test"]) for line in lines] == [row.test for row in simulated.rows]
    with open(simulated.root / "bought.csv", newline="") as handle:
        assert len(list(csv.DictReader(handle))) == 2 * 3 * 2


@pytest.mark.slow
def test_it_goes_on_where_it_was_killed_and_takes_more_seeds(finished, simulated, tmp_path):
    options = (finished, finished.parent / "data", tmp_path / "simulation")
    with pytest.raises(KeyboardInterrupt):
        simulate(*options, num_seeds=1, progress=Listener(kill_at=25))
    assert (options[2] / "runs/seed-1").exists()
    assert not (options[2] / "simulation.csv").exists()
    simulate(*options, num_seeds=1)
    listener = Listener()
    assert simulate(*options, num_seeds=2, progress=listener).rows == simulated.rows
    assert dict(results(simulated.root)) == dict(results(options[2]))
    assert listener.says("2 labelled images to start with, 2 of 6 more bought in each order, 2 seeds")
    assert listener.done == pytest.approx(listener.expected)


@pytest.mark.slow
def test_other_choices_need_another_folder(finished, simulated):
    with pytest.raises(IncmaskError, match="budget was 2 when the run began and is 1 now"):
        simulate(finished, finished.parent / "data", simulated.root, num_seeds=2, budget=1)


def test_recipes_that_know_the_truth_are_refused(finished, tmp_path):
    with pytest.raises(IncmaskError, match="needs the true masks"):
        simulate(finished, finished.parent / "data", tmp_path / "out", recipe="fdt")
    with pytest.raises(IncmaskError, match="num_seeds: got 0"):
        simulate(finished, finished.parent / "data", tmp_path / "out", num_seeds=0)
    with pytest.raises(IncmaskError, match="num_rounds: 3 rounds for 2 labels; use 1 to 2"):
        simulate(finished, finished.parent / "data", tmp_path / "out", num_rounds=3)
    with pytest.raises(IncmaskError, match="unknown name 'best'"):
        simulate(finished, finished.parent / "data", tmp_path / "out", orders=("best",))
    assert not (tmp_path / "out").exists()


def made_up(first, second, test=None):
    rows = []
    for seed, (a, b) in enumerate(zip(first, second, strict=True)):
        for order, score in (("start", 0.1), ("ranked", a), ("random", b), ("entropy", b)):
            rows.append(SimulationRow(seed, order, 4, "base", score, test))
    return Simulation(None, Scoring("binary"), tuple(rows), (), ())


def test_the_interval_is_that_of_a_paired_t_test():
    first, second = [0.52, 0.61, 0.55, 0.58, 0.60], [0.50, 0.55, 0.54, 0.55, 0.58]
    found = made_up(first, second).difference("ranked", "random")
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert made_up(first, second).difference("ranked", "random", split="test") is None


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ([0.6, 0.71, 0.65], [0.5, 0.6, 0.55], "ranking beats random by 0.103 IoU on validation (95 % interval +0."),
        ([0.5, 0.6, 0.55], [0.6, 0.71, 0.65], "ranking is worse than random by 0.103 IoU"),
        ([0.5, 0.6, 0.55], [0.6, 0.5, 0.56], "no difference between ranking and random is shown: -0.003 IoU"),
        ([0.5], [0.4], "ranked minus random: +0.100 IoU on validation; more seeds are needed"),
    ],
)
def test_the_verdict_says_no_more_than_is_known(first, second, told):
    assert verdict(made_up(first, second), "ranked", split="validation").startswith(told)


@pytest.mark.slow
def test_text_and_figure_hold_both_splits(simulated):
    text = simulation_text(simulated)
    assert text.splitlines()[0].split() == ["order", "labelled", "validation", "test"]
    assert text.count(" on test") == 2
    picture = simulation_picture(simulated)
    assert "IoU by the number of labelled images" in picture.alt
    # A panel each.
    assert picture.svg.count(">validation<") == picture.svg.count(">test<") == 1
    without = replace(simulated, rows=tuple(replace(row, test=None) for row in simulated.rows))
    assert " on test" not in simulation_text(without)
    assert ">test<" not in simulation_picture(without).svg


@pytest.mark.slow
def test_the_command_ranks(call, finished, tmp_path):
    code, out, _ = call(finished, "-o", tmp_path / "ranking.csv", "--top", "1", "--crops", "16")
    assert code == 0
    assert out.splitlines()[0].lstrip().startswith("1  0.")
    assert f"1 row in {tmp_path / 'ranking.csv'}" in out
    code, out, _ = call(finished, "--top", "1")
    assert (code, "1 row looked at, none written; -o FILE keeps them" in out) == (0, True)
    code, out, _ = call(finished, "--top", "1", "--json")
    assert (code, json.loads(out)["ranking"]) == (0, None)
    code, out, err = call(finished, "--json", "-o", tmp_path / "ranking.csv")
    values = json.loads(out)
    assert (code, err) == (0, "")
    assert [row["rank"] for row in values["rows"]] == [1, 2]
    assert {"name", "score", "reason"} <= values["rows"][0].keys()


@pytest.mark.slow
def test_the_command_simulates(call, finished, simulated):
    # The run tells where its data lie.
    words = (finished, "--simulate", "-o", simulated.root, "--seeds", "2")
    code, out, _ = call(*words, "-q")
    assert code == 0
    assert out.splitlines()[0].split() == ["order", "labelled", "validation", "test"]
    assert (simulated.root / "simulation.svg").read_text().startswith("<svg ")
    code, out, _ = call(*words, "--json")
    values = json.loads(out)
    assert len(values["rows"]) == 8
    assert values["differences"]["test"]["ranked"]["num"] == 2
    assert np.isfinite(values["differences"]["validation"]["entropy"]["mean"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--simulate", "--top", "3"], "--top: is not for --simulate"),
        (["--budget", "3"], "--budget: is for --simulate alone"),
        (["--set", "epochs=3"], "--set: is for --simulate alone"),
    ],
)
def test_options_that_do_not_go_together_are_told(call, finished, words, told):
    code, out, err = call(finished, *words)
    assert (code, out) == (1, "")
    assert told in err


def test_a_folder_that_is_no_run_is_told(call, tmp_path):
    code, _, err = call(tmp_path)
    assert code == 1
    assert "is no run folder" in err
