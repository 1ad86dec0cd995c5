"""Rounds: their record, the folds that stay, and runs that begin with the models of the round before."""

import json
import shutil
import tomllib

import numpy as np
import pytest
import torch

import incmask
from incmask.base.errors import IncmaskError, fail
from incmask.base.records import Records
from incmask.data.folder.scan import load_dataset, scan
from incmask.data.rounds import Round, current_round, data_folder, read_rounds, run_folder, write_rounds
from incmask.data.split import describe_folds, make_folds
from incmask.exchange.corrections.export import export_labels
from incmask.exchange.corrections.take_back import import_labels
from incmask.experiment import run as experiment
from incmask.experiment import stages
from incmask.experiment import warm_start as starts
from incmask.experiment.named import Choices
from incmask.experiment.record.run import RunRecord, read_record
from incmask.experiment.run import run
from incmask.experiment.warm_start import find_start, validation_images
from incmask.insight.report.run_page.helped import find_verdict
from incmask.nets.spec import NetworkSpec, load_model
from runs import HERE, SETTINGS, Listener, make_data, results, run_tiny

pytestmark = pytest.mark.usefixtures("undrawn")

ROUND = Round(
    number=2, folder="labelled/round-2", names=("u",), run="../run", source="coco", date="2026-01-01T00:00:00+00:00"
)


def test_a_record_comes_back_and_counts_while_its_folder_is_there(tmp_path):
    write_rounds(tmp_path, [ROUND, ROUND.model_copy(update={"number": 3, "folder": "labelled/round-3"})])
    assert read_rounds(tmp_path) == ()
    (tmp_path / ROUND.folder).mkdir(parents=True)
    assert read_rounds(tmp_path) == (ROUND,)
    assert current_round(tmp_path) == 2
    assert run_folder(tmp_path).name == f"{tmp_path.name}-run-2"
    assert run_folder(tmp_path, ending="compare").name == f"{tmp_path.name}-compare"
    shutil.rmtree(tmp_path / ROUND.folder)
    assert run_folder(tmp_path).name == f"{tmp_path.name}-run"


@pytest.mark.parametrize("way", ["command", "Python"])
def test_a_run_of_a_later_round_goes_to_a_folder_of_its_own_by_itself(tmp_path, monkeypatch, call, way):
    write_rounds(tmp_path, [ROUND])
    (tmp_path / ROUND.folder).mkdir(parents=True)
    folders = []

    def begun(data, out, **options):
        folders.append(out)
        raise fail(out, "was begun", "look at it")

    monkeypatch.setattr(experiment, "run", begun)
    if way == "command":
        assert call("run", tmp_path)[0] == 1
    else:
        with pytest.raises(IncmaskError, match="was begun"):
            incmask.run(tmp_path)
    assert folders == [tmp_path.with_name(f"{tmp_path.name}-run-2")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "rounds.json: cannot be read"),
        ('{"rounds": [{"number": 1}]}', "rounds.json: cannot be read"),
        ("[]", "rounds.json: cannot be read"),
        (json.dumps({"rounds": [ROUND.model_dump() | {"folder": "../x"}]}), "names the folder ../x, outside the data"),
        (json.dumps({"rounds": [ROUND.model_dump() | {"folder": "/x"}]}), "names the folder /x, outside the data"),
    ],
)
def test_a_damaged_record_is_told(text, message, tmp_path):
    (tmp_path / "rounds.json").write_text(text)
    with pytest.raises(IncmaskError, match=message):
        read_rounds(tmp_path)
    (problem,) = scan(tmp_path).problems
    assert "\n" not in str(problem)


def test_images_of_later_rounds_always_train():
    first = [f"a {index}" for index in range(30)]
    added = ["round-2/b", "round-2/b", "round-3/c/d"]
    (before,) = make_folds(first, has_val=False, seed=1)
    (after,) = make_folds([*first, *added], has_val=False, seed=1)
    assert after.validation == before.validation
    assert after.training == (*before.training, 30, 31, 32)
    assert describe_folds((after,), [*first, *added]) == (
        "no val/: 6 of the 30 labelled images are set aside to choose epochs and members; the 2 of later rounds "
        "always train"
    )
    few, more = (make_folds(names, has_val=False, seed=1) for names in (first[:4], [*first[:4], *added]))
    for fold, old in zip(more, few, strict=True):
        assert (fold.validation, fold.training) == (old.validation, (*old.training, 4, 5, 6))
    (single,) = make_folds(["a", *added], has_val=False, seed=1)
    assert (single.training, single.validation) == ((0, 1, 2, 3), (0,))
    # Folders of a person's own that happen to have such names are no rounds where there is nothing else.
    assert make_folds(added, has_val=False, seed=1) == make_folds(["b", "b", "d"], has_val=False, seed=1)


def corrected(run, out, *, top):
    """Take the pseudo-labels of some images back as they are."""
    export_labels(run, out, target="png", top=top)
    return import_labels(run, out, target="png", unchanged="confirm")


def first_round(finished_run, folder):
    """Give data and a run of it that a test may change."""
    run = finished_run("first round")
    shutil.copytree(run.parent, folder, dirs_exist_ok=True)
    return folder / "data", folder / run.name


def network_of(path):
    return torch.cat([value.flatten().float() for value in load_model(path).state_dict().values()])


@pytest.fixture
def watched(monkeypatch):
    """The jobs that were trained, in order."""
    jobs = []
    train = stages.train
    monkeypatch.setattr(stages, "train", lambda given, **rest: jobs.extend(given) or train(given, **rest))
    return jobs


@pytest.mark.slow
def test_a_run_begins_with_the_models_of_the_round_before(finished_run, tmp_path, watched):
    data, first = first_round(finished_run, tmp_path)
    assert first == run_folder(data)
    assert json.loads((first / "environment.json").read_text())["data"] == "../data"
    assert data_folder(first).resolve() == data
    assert not (first / "rounds.json").exists()
    assert "start" not in tomllib.loads((first / "run.toml").read_text())
    added = corrected(first, tmp_path / "out", top=2)

    # The folder of the first round is of the data before.
    with pytest.raises(
        IncmaskError,
        match=r"added as round 2, 2 images: .* of its own.*another folder",
    ):
        run_tiny(data, first)
    second = run_folder(data)
    assert second.name == "data-run-2"
    watched.clear()
    outcome, said = run_tiny(data, second)
    assert said.says("round 2 added 2 labelled images")
    assert said.says("base models begin with those of data-run")
    assert said.done == pytest.approx(said.expected)
    starts = [job.start for job in watched if job.folder.parts[-3] == "base"]
    assert starts == [first / "base" / "students" / str(number) / "model.safetensors" for number in (1, 2)]
    about = tomllib.loads((second / "run.toml").read_text())
    assert (about["start"]["run"], about["start"]["num_models"]) == ("data-run", 2)
    assert set(json.loads((second / "data.json").read_text())["parts"]["unlabelled"]).isdisjoint(added.round.names)
    assert not {path.stem for path in (second / "masks").iterdir()} & {*added.round.names}

    record = json.loads((second / "rounds.json").read_text())
    assert record["score"] == "IoU"
    keys = ("number", "run", "num_labelled", "num_added", "source")
    told = [tuple(each[key] for key in keys) for each in record["rounds"]]
    assert told == [(1, "data-run", 4, 4, ""), (2, "data-run-2", 6, 2, "png")]
    reached = json.loads((first / "model" / "model.json").read_text())["validation"]
    assert record["rounds"][0]["score"] == reached["IoU"]
    assert record["rounds"][1]["score"] == outcome.chosen.score
    assert all(each["comparable"] for each in record["rounds"])
    assert record["rounds"][1]["date"] == added.round.date

    # What the base models had learnt before counts, and they are compared with no models that began anew.
    steps = [read_record(run).handed_over.students[0].num_steps for run in (first, second)]
    inherited = 4 if outcome.chosen.name == "base" else 0
    assert [each["total_steps"] for each in record["rounds"]] == [steps[0], steps[1] + inherited]
    assert [student.num_inherited for student in read_record(second).base.students] == [4, 4]
    verdict = find_verdict(read_record(second))
    assert verdict.headline == "Whether the unlabelled images helped cannot be told."
    assert "began with those of an earlier round, after 4 steps in the weights that it began with" in verdict.answer
    assert verdict.pairs[0].low is None

    # The same command goes on, and so does one that was killed.
    before = dict(results(second))
    run_tiny(data, second)
    assert dict(results(second)) == before
    shutil.rmtree(second)
    listener = Listener(kill_at=8)
    with pytest.raises(KeyboardInterrupt):
        _run(data, second, listener)
    _run(data, second, Listener())
    assert dict(results(second)) == before

    corrected(second, tmp_path / "out 2", top=1)
    third = run_folder(data)
    outcome, said = run_tiny(data, third)
    assert said.says("base models begin with those of data-run-2")
    record = json.loads((third / "rounds.json").read_text())
    assert [each["number"] for each in record["rounds"]] == [1, 2, 3]


def _run(data, out, listener):
    return run(data, out, choices=Choices(recipe="im", settings=SETTINGS), executor=HERE, progress=listener)


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_a_run_begins_anew_where_it_must(finished_run, tmp_path, watched):
    data, first = first_round(finished_run, tmp_path)
    corrected(first, tmp_path / "out", top=2)
    anew = "base models begin anew: data-run has none that fit"
    # Other networks.
    _, said = run_tiny(data, tmp_path / "wide", width=0.1875)
    assert said.says(anew)
    # Images that choose now have trained then.
    for folder in ("images", "masks"):
        shutil.move(data / "labelled" / folder / "labelled 0.png", data / "val" / folder / "again.png")
    watched.clear()
    _, said = run_tiny(data, tmp_path / "leak")
    assert said.says(anew)
    assert all(job.start is None for job in watched)
    assert "start" not in tomllib.loads((tmp_path / "leak" / "run.toml").read_text())
    record = json.loads((tmp_path / "leak" / "rounds.json").read_text())
    assert [each["comparable"] for each in record["rounds"]] == [False, True]
    # What is scored is another thing.
    run_tiny(data, tmp_path / "scored", empty_iou=0)
    record = json.loads((tmp_path / "scored" / "rounds.json").read_text())
    assert [each["comparable"] for each in record["rounds"]] == [False, True]
    # The earlier run is gone.
    first.rename(tmp_path / "elsewhere")
    _, said = run_tiny(data, tmp_path / "gone")
    assert said.says(anew)
    record = json.loads((tmp_path / "gone" / "rounds.json").read_text())
    assert [each["number"] for each in record["rounds"]] == [2]


@pytest.mark.usefixtures("untrained")
def test_cross_validated_models_begin_with_those_of_their_fold(tmp_path, watched):
    data = make_data(tmp_path / "data", "binary", {"labelled": 4, "unlabelled": 3}, truth=False)
    first = run_folder(data)
    run_tiny(data, first)
    corrected(first, tmp_path / "out", top=1)
    watched.clear()
    run_tiny(data, second := run_folder(data))
    starts = [job.start for job in watched if job.folder.parts[-3] == "base"]
    assert starts == [first / "base" / "students" / str(number) / "model.safetensors" for number in (1, 2)]
    before, after = read_record(first), read_record(second)
    assert validation_images(before) == validation_images(after)


def record(root, labelled, *, val=(), num_base=2, seed=1, groups=None):
    """Give what a run says of itself; each image is its own hash."""
    told = {name: {"group": group} for name, group in (groups or {}).items()}
    parts = {
        "labelled": {
            name: {"files": {f"{name}.png": name, f"{name}-mask.png": ""}, **told.get(name, {})} for name in labelled
        },
        "unlabelled": {},
        "val": {name: {"files": {f"{name}.png": name}} for name in val},
    }
    settings = {"num_base": num_base, "num_students": num_base, "seed": seed}
    return RunRecord(root, Records({"recipe": "im", "settings": settings}, {"parts": parts}))


@pytest.mark.parametrize("num_each", [None, 1, 2, 3])
def test_no_model_begins_with_one_that_saw_what_validates_it(tmp_path, monkeypatch, num_each):
    """With other folds than before, each model takes one that was trained without its validation images' groups."""
    names = [f"a {index}" for index in range(5 * (num_each or 1))]
    groups = {name: f"g{index // num_each}" for index, name in enumerate(names)} if num_each else {}
    later = groups | ({"round-2/b": "g0"} if num_each else {})
    group_of = {name: name for name in [*names, "round-2/b"]} | later
    spec = NetworkSpec(1, 1, 0.125)
    for number in range(1, 6):
        folder = tmp_path / "base" / "students" / str(number)
        folder.mkdir(parents=True)
        reached = {"epoch": 1, "validation_loss": 1.0, "validation_score": number / 10, "steps": 1, "images": 1}
        (folder / "scores.json").write_text(json.dumps(reached))
    theirs = record(tmp_path, names, num_base=5, groups=groups)
    monkeypatch.setattr(starts, "read_record", lambda run: theirs)
    monkeypatch.setattr(starts, "read_spec", lambda path: spec)
    for seed in range(1, 8):
        ours = record(tmp_path, [*names, "round-2/b"], num_base=5, seed=seed, groups=later)
        found = find_start(tmp_path, ours, recipes={"base": "ldt"}, specs={"base": spec}, num_models=5)
        assert found is not None
        old = make_folds(names, has_val=False, seed=1, num_models=5, groups=groups)
        new = make_folds([*names, "round-2/b"], has_val=False, seed=seed, num_models=5, groups=later)
        for index, path in enumerate(found.models["base"]):
            assert path is not None
            taken = int(path.parent.name) - 1
            validated, seen = (
                {group_of[names[row]] for row in rows} for rows in (new[index].validation or (), old[taken].training)
            )
            assert not validated & seen
            assert taken == index or seed != 1
    other = NetworkSpec(1, 1, 0.25)
    assert find_start(tmp_path, theirs, recipes={"base": "ldt"}, specs={"base": other}, num_models=5) is None
    assert find_start(tmp_path, theirs, recipes={"base": "aldt"}, specs={"base": spec}, num_models=5) is None


def test_weights_are_those_that_were_taken(finished_run, tmp_path, watched):
    data, first = first_round(finished_run, tmp_path)
    corrected(first, tmp_path / "out", top=2)
    # With no rate to speak of, networks stay what they begin with.
    run_tiny(data, second := run_folder(data), learning_rate=1e-9, weight_decay=0.0, num_generations=1)
    for number in (1, 2):
        here, there = (network_of(run / f"base/students/{number}/model.safetensors") for run in (second, first))
        other = network_of(first / f"base/students/{3 - number}/model.safetensors")
        assert torch.dist(here, there) < 0.5 * torch.dist(here, other)


def test_notes_of_a_scan_tell_of_rounds(tmp_path):
    data = make_data(tmp_path / "data", "binary", {"labelled": 2, "unlabelled": 2}, truth=True)
    for part in ("images", "masks"):
        target = data / "labelled" / "round-2" / part
        target.mkdir(parents=True)
        shutil.copy(data / "unlabelled" / part / "unlabelled 0.png", target)
    assert len(load_dataset(data).unlabelled) == 2
    write_rounds(data, [ROUND.model_copy(update={"names": ("unlabelled 0",)})])
    dataset = load_dataset(data)
    assert [item.name for item in dataset.labelled] == ["labelled 0", "labelled 1", "round-2/unlabelled 0"]
    assert [item.name for item in dataset.unlabelled] == ["unlabelled 1"]
    assert "round 2 added 1 labelled image, unlabelled no more" in dataset.notes
    (data / "labelled" / "round-2" / "masks" / "unlabelled 0.png").unlink()
    (problem,) = scan(data).problems
    assert "has no mask; remove the folder labelled/round-2, and import the round again" in str(problem)
    assert np.isfinite(dataset.statistics.total_pixels)
