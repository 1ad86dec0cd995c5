"""What takes longer than a day is asked about before anything is written."""

import pytest

import incmask
from incmask.base.errors import IncmaskError
from incmask.base.pool import HerePool
from incmask.commands import shell
from incmask.experiment import consent
from incmask.experiment.executor import Executor
from runs import SETTINGS, make_data

SLOW = Executor(HerePool, lambda job, pool: 40_000.0)
"""A machine that takes half a day for a step."""


@pytest.fixture
def data(tmp_path):
    return make_data(tmp_path / "data", "binary", truth=False)


@pytest.fixture
def ldt(untrained, monkeypatch):
    """A run of two networks of four steps each."""
    monkeypatch.setattr(consent, "LONGEST_STEP_SECONDS", 40_000)
    return {"recipe": "ldt", "settings": SETTINGS, "report": False, "executor": SLOW}


def test_a_run_beyond_a_day_takes_a_yes(data, ldt, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(IncmaskError) as error:
        incmask.run(data, out=out, **ldt)
    (problem,) = error.value.problems
    assert problem.where == str(out)
    assert problem.what.startswith("takes about ")
    assert problem.what.endswith(" hours on this machine, more than a day")
    assert problem.remedy == 'use yes=True if that is meant, or time="8h" or effort="quick"'
    assert not out.exists()
    assert incmask.run(data, out=out, yes=True, **ldt).chosen == "base"
    # What has begun was agreed to.
    assert incmask.run(data, out=out, **ldt).chosen == "base"


def test_what_cannot_take_a_day_is_not_even_timed(data, ldt, tmp_path, monkeypatch):
    monkeypatch.setattr(consent, "LONGEST_STEP_SECONDS", 60)
    monkeypatch.setattr(consent, "time_step", None)
    incmask.run(data, out=tmp_path / "run", **ldt)


def test_a_day_to_the_second_is_no_more_than_a_day(tmp_path):
    def asked(told):
        pytest.fail("nobody is to be asked")

    consent.check(86_400, tmp_path, agreed=asked, shorter="")
    with pytest.raises(IncmaskError, match=r"takes about 24\.0 hours on this machine, more than a day"):
        consent.check(86_401, tmp_path, agreed=consent.nobody, shorter="")
    consent.check(86_401, tmp_path, agreed=consent.everybody, shorter="")


@pytest.mark.slow
def test_a_comparison_beyond_a_day_takes_a_yes(data, untrained, undrawn, tmp_path):
    about = {"out": tmp_path / "out", "recipes": "ldt", "num_repeats": 1, "settings": SETTINGS, "executor": SLOW}
    with pytest.raises(IncmaskError, match=r"more than a day; use yes=True .*, or effort=\"quick\" or num_repeats=1$"):
        incmask.compare(data, **about)
    assert not (tmp_path / "out").exists()
    assert incmask.compare(data, yes=True, **about).runs


@pytest.mark.parametrize(
    ("there", "answer", "agreed"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_who_sits_at_a_terminal_is_asked(monkeypatch, there, answer, agreed):
    asked = []

    def confirm(question, **options):
        asked.append(question)
        return answer

    monkeypatch.setattr(shell, "at_terminal", lambda: there)
    monkeypatch.setattr(shell.typer, "confirm", confirm)
    with shell.listener(quiet=False) as progress:
        assert shell.agreement(False, progress)("run takes about 30 hours") == agreed
        assert asked == ["run takes about 30 hours; begin?"] * there
        assert shell.agreement(True, progress)("it takes long")
    with shell.listener(quiet=True) as silent:
        assert not shell.agreement(False, silent)("it takes long")
    assert len(asked) == there
