"""What is written after a run: all of it, once, and a run is whole without."""

import json
import re

import pytest

import incmask
from finished_runs import write_to
from incmask.api.training import train
from incmask.base.errors import fail
from incmask.base.machine import peak_memory_bytes
from incmask.base.progress import Silent
from incmask.base.tables import read_rows
from incmask.experiment import run as experiment
from incmask.experiment.named import Choices
from incmask.insight import finish
from runs import HERE, SETTINGS, make_data

pytestmark = pytest.mark.usefixtures("undrawn")

WRITTEN = (
    *("usage.json", "error_vs_disagreement.csv", "image_reliability.csv", "reliability.json"),
    *("verdict.json", "ranking.csv", "model/README.md", "report.html"),
)
SET = [f"--set={name}={json.dumps(value)}" for name, value in SETTINGS.items() if name != "num_workers"]


@pytest.mark.slow
def test_a_run_ends_with_a_report_and_writes_it_once(call, tmp_path):
    words = ("run", make_data(tmp_path / "data", "binary"), "-o", tmp_path / "run", "--recipe", "im", *SET)
    code, told, _ = call(*words)
    assert code == 0
    run = tmp_path / "run"
    lines = told.splitlines()
    assert f"report         {run / 'report.html'}" in lines
    assert f"to label next  {run / 'ranking.csv'}" in lines
    assert json.loads((run / "reliability.json").read_text())["sentence"] in lines
    known = {json.loads(line)["path"] for line in (run / "manifest.jsonl").read_text().splitlines()}
    assert {*WRITTEN} <= known
    verdict = json.loads((run / "verdict.json").read_text())
    assert verdict["answer"] in lines
    for quoted in (run / "report.html", run / "model" / "README.md"):
        assert verdict["answer"] in quoted.read_text(encoding="utf-8").replace("\\", "")
    ranked = read_rows(run / "ranking.csv", dict[str, str])
    assert {row["name"] for row in ranked} == {f"unlabelled {index}" for index in range(5)}
    page = (run / "report.html").read_text(encoding="utf-8")
    assert ranked[0]["reason"].split(";")[0] in page
    assert re.search(r"[\d,]+ MiB at most in one process", page)
    assert "Does disagreement tell where it is wrong?" in page

    # Somebody's own ranking is kept aside; what was lost comes back.
    right = (run / "ranking.csv").read_text()
    (run / "ranking.csv").write_text("mine")
    (run / "report.html").unlink()
    # One verdict, once: it is quoted, and not found again.
    write_to(run, "verdict.json", json.dumps(verdict | {"answer": "It is told otherwise."}))
    before = {name: (run / name).stat().st_mtime_ns for name in WRITTEN if name not in ("report.html", "ranking.csv")}
    code, told, _ = call(*words, "--json")
    assert code == 0
    assert {name: (run / name).stat().st_mtime_ns for name in before} == before
    assert (run / "ranking.csv").read_text() == right
    assert (run / "damaged" / "ranking.csv").read_text() == "mine"
    assert "It is told otherwise." in (run / "report.html").read_text()
    values = json.loads(told)
    assert values["verdict"]["answer"] == "It is told otherwise."
    assert (values["report"], values["problems"]) == (str(run / "report.html"), [])


def test_what_cannot_be_written_is_told_and_the_rest_is_there(tmp_path, monkeypatch):
    def lacks(root):
        raise fail("report", "needs matplotlib", "pip install 'incmask[report]'")

    monkeypatch.setattr(finish, "write_report", lacks)
    data = make_data(tmp_path / "data", "multiclass", {"labelled": 4, "val": 3})
    result = incmask.run(data, out=tmp_path / "run", recipe="ldt", settings=SETTINGS, executor=HERE)
    assert not (result.folder / "report.html").exists()
    assert not (result.folder / "ranking.csv").exists(), "nothing is unlabelled"
    (problem,) = result.problems
    assert problem.startswith("the report is not there: report: needs matplotlib")
    assert "pip install 'incmask[report]'" in problem
    assert (tmp_path / "run" / "model" / "README.md").read_text().startswith("# Model card: run")
    assert (tmp_path / "run" / "reliability.json").exists()


def test_usage_tells_seconds_and_memory_of_this_process(tmp_path):
    data = make_data(tmp_path / "data", "binary", {"labelled": 2, "val": 2})
    choices = Choices(recipe="ldt", settings=SETTINGS)
    done = train(
        data,
        tmp_path / "run",
        choices=choices,
        best_of=None,
        fresh=False,
        report=True,
        executor=HERE,
        progress=Silent(),
    )
    usage = json.loads((tmp_path / "run" / "usage.json").read_text())
    assert usage["seconds"] == pytest.approx(done.outcome.seconds, abs=0.06)
    # PyTorch alone takes 100 MiB.
    assert 100 * 2**20 < usage["peak_memory_bytes"] <= peak_memory_bytes()


@pytest.mark.parametrize(("words", "warm"), [((), True), (("--fresh",), False)])
def test_a_fresh_run_does_not_begin_with_earlier_models(call, tmp_path, monkeypatch, words, warm):
    given = []

    def begun(data, out, **options):
        given.append(options["warm"])
        raise fail(out, "was begun", "look at it")

    monkeypatch.setattr(experiment, "run", begun)
    call("run", tmp_path, *words)
    with pytest.raises(incmask.IncmaskError):
        incmask.run(tmp_path, fresh=not warm)
    assert given == [warm, warm]
