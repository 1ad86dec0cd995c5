"""What is shown of students whose pseudo-labels were made at each step and are in no file."""

import pytest
from tiny import lines_of, make

from incmask.base.pool import HerePool
from incmask.experiment.record.run import read_run
from incmask.insight.comparison import present
from incmask.insight.finish import finish
from incmask.insight.report.run_page.training import generation_facts
from runs import make_data, run_tiny


@pytest.mark.slow
@pytest.mark.usefixtures("untrained", "undrawn")
def test_a_comparison_of_approaches_without_pseudo_labels(tmp_path):
    made = make(make_data(tmp_path / "data", "multiclass"), tmp_path / "out", ("im-online", "mt"))
    findings = present.find(made.found)
    present.write_findings(made.found, findings)
    page = present.write_page(made.found, findings).read_text()
    assert "IM online" in page
    assert "MT" in page
    rows = lines_of(made.out / "results.csv")
    chosen = {row["recipe"]: row for row in rows if (row["chosen"], row["split"]) == ("True", "test")}
    assert list(chosen) == ["ldt", "im-online", "mt"]
    # As many images as LDT's students are shown, half of them labelled ones.
    assert len({(row["steps"], row["images"]) for row in chosen.values()}) == 1
    assert lines_of(made.out / "pseudo_labels.csv") == lines_of(made.out / "class_frequencies.csv") == []


@pytest.mark.slow
@pytest.mark.usefixtures("untrained", "undrawn")
def test_a_run_without_pseudo_labels_is_reported_and_ranked(tmp_path):
    outcome, _ = run_tiny(make_data(tmp_path / "data", "binary", truth=False), tmp_path / "run", "fixmatch+im")
    finished = finish(outcome, open_pool=HerePool)
    assert (finished.problems, finished.report is not None, finished.ranking is not None) == ((), True, True)
    assert generation_facts(read_run(outcome.root)) == []
    assert (outcome.root / "masks").is_dir()
