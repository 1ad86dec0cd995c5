"""Runs that are repeated from their record: the same bytes, or what differs."""

import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

import incmask
from finished_runs import copy_of, write_to
from incmask.base.errors import IncmaskError
from incmask.experiment.environment import environment_of
from incmask.experiment.record.run import read_run
from incmask.experiment.reproduce import Reproduced, changes, choices_of, compare
from incmask.experiment.run import run_chosen
from runs import HERE, SETTINGS, Listener


@pytest.fixture
def source(finished_run, tmp_path):
    """A finished run beside its data."""
    found = finished_run("growing")
    shutil.copytree(found.parent / "data", tmp_path / "data")
    return copy_of(found, tmp_path)


def test_a_record_gives_the_same_choices(source):
    record = read_run(source)
    chosen = choices_of(record, source.parent / "data")
    assert changes(record, chosen, chosen.describe_data()) == []


def test_what_differs_is_told(source, monkeypatch):
    environment = environment_of("../data")
    environment["packages"] = environment["packages"] | {"torch": "2.0.1"}
    write_to(source, "environment.json", json.dumps(environment | {"cores": 999}))
    image = next((source.parent / "data" / "labelled" / "images").glob("*"))
    Image.fromarray(255 - np.array(Image.open(image))).save(image)
    record = read_run(source)
    chosen = choices_of(record, source.parent / "data")
    other = replace(chosen, settings=chosen.settings.model_copy(update={"seed": 9}))
    told = changes(record, other, chosen.describe_data())
    assert [line.split(" was ")[0] for line in told] == [
        "cores",
        "packages.torch",
        f"parts.labelled.{image.stem}.files.labelled/images/{image.name}",
        "settings.seed",
    ]


@pytest.mark.slow
def test_the_same_choices_make_the_same_bytes(source, tmp_path):
    """One that was planned for a time is not planned anew."""
    listener = Listener()
    chosen = choices_of(read_run(source), tmp_path / "data")
    run_chosen(chosen, chosen.describe_data(), tmp_path / "again", HERE, listener, warm=False, is_planned=True)
    found = compare(source, tmp_path / "again", ())
    assert found.is_same
    assert found.lines() == [f"reproduced: all {found.num_same} files have the same bytes as in {source}"]
    assert found.num_same > 50


def test_files_that_differ_are_named(source, tmp_path):
    other = shutil.copytree(source, tmp_path / "other")
    history = "base/students/1/history.csv"
    lines = (other / history).read_text().splitlines()
    write_to(other, history, "\n".join([lines[0], *(f"{line.rpartition(',')[0]},9.9" for line in lines[1:])]) + "\n")
    write_to(other, "environment.json", "{}")
    num = compare(source, other, ()).num_same
    assert compare(source, other, ()) == Reproduced(source, (), (), (), num)
    write_to(other, "scores.csv", "stage\n")
    found = compare(source, other, ("cores was 2 when the run began and is 4 now",))
    assert found == Reproduced(source, found.changed, ("scores.csv",), (), num - 1)
    assert found.lines() == [
        "scores.csv: differs",
        f"not reproduced: {num - 1} of {num} files have the same bytes as in {source} ({found.changed[0]})",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_from_python(source, tmp_path):
    # A ranking may end in other digits in a process that has trained before.
    run = partial(incmask.run, report=False, executor=HERE)
    whole = run(tmp_path / "data", out=tmp_path / "whole", recipe="ldt", settings=SETTINGS)
    assert whole.reproduced is None
    result = run(reproduce=whole.folder)
    assert result.folder == tmp_path / "whole-reproduced"
    assert result.reproduced.is_same, result.reproduced


@pytest.mark.slow
def test_from_the_command_line(source, tmp_path, call):
    words = ("--reproduce", source, "-o", tmp_path / "again", "--no-report")
    code, told, problems = call("run", *words, "--json")
    assert (code, json.loads(told)["reproduced"]["source"]) == (0, str(source)), problems
    for choice in (("--set", "seed=2"), ("--time", "5m")):
        code, _, problems = call("run", *words, *choice)
        assert (code, "leave them out" in problems) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "name the folder with the images"),
        ({"reproduce": "run", "recipe": "im"}, "leave them out"),
        ({"reproduce": "run", "settings": {"seed": 2}}, "leave them out"),
        ({"reproduce": "run", "time": "2h"}, "leave them out"),
        ({"reproduce": "run", "time": None}, "leave them out"),
        ({"reproduce": "run", "out": "run"}, "choose another folder"),
    ],
)
def test_what_does_not_go_together_is_refused(source, monkeypatch, arguments, told):
    monkeypatch.chdir(source.parent)
    with pytest.raises(IncmaskError, match=told):
        incmask.run(**arguments)
