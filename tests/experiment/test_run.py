import csv
import json
import tomllib
from collections import Counter

import cv2
import numpy as np
import pytest
import torch

import incmask
from incmask.base.errors import IncmaskError
from incmask.base.intact import hash_file
from incmask.data.dataset import DataOptions
from incmask.data.folder.scan import scan
from incmask.data.images.readers import read_label, read_network_image
from incmask.experiment import deliver
from incmask.experiment import run as experiment
from incmask.experiment import train as training
from incmask.experiment.choices import resolve
from incmask.experiment.executor import Executor
from incmask.experiment.named import Choices
from incmask.experiment.record.run import read_record
from incmask.experiment.run import num_workers_of
from incmask.method.recipes import RECIPES
from nightly import NIGHTLY
from runs import FOLDERS, HERE, PARTS, SETTINGS, SIZES, Listener, draw, make_data, results, run_tiny, save, save_masks

OPTIONS = {
    "binary": {"task": "binary", "classes": [{"name": "foreground", "value": 255}]},
    "multilabel": {"task": "multilabel", "classes": [{"name": name, "value": name} for name in FOLDERS]},
    "multiclass": {"task": "multiclass", "classes": [{"name": f"class {i}", "value": i} for i in range(3)]},
}


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


CASES = [("im+", "binary"), ("im++", "binary"), ("me", "multilabel"), ("im-online", "multiclass")]
SLOW = [("fdt", "binary"), ("evalnet", "binary"), ("fixmatch+im", "multilabel")]
NIGHTLY_CASES = [(recipe, "binary") for recipe in ("ldt", "me", "cl", "mt")] + [("im+", "multiclass")]


@pytest.mark.parametrize(
    ("recipe", "task"),
    [
        *CASES,
        *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW),
        *(pytest.param(*case, marks=NIGHTLY) for case in NIGHTLY_CASES),
    ],
)
def test_every_recipe_leaves_a_whole_run_folder(recipe, task, tmp_path):
    data, out = make_data(tmp_path / "data", task, truth=recipe == "fdt"), tmp_path / "run"
    outcome, said = run_tiny(data, out, recipe, num_generations=2 if recipe == "im+" else 1)
    num_generations = 0 if recipe in ("ldt", "fdt") else 2 if recipe == "im+" else 1
    stages = ["base", *(f"gen-{number}" for number in range(1, num_generations + 1))]

    assert [stage.name for stage in outcome.stages] == stages
    assert outcome.chosen.score == max(stage.score for stage in outcome.stages)
    assert said.done == pytest.approx(said.expected)
    assert said.says("with them" if num_generations else "validation score")
    check_records(out, recipe, stages)
    check_scores(out, outcome, stages)
    check_masks(data, out, task)


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_students_that_begin_with_teachers_make_a_whole_run(tmp_path):
    data, out = make_data(tmp_path / "data", "binary"), tmp_path / "run"
    outcome, said = run_tiny(data, out, "im+", num_generations=2, start="teacher")
    assert [stage.name for stage in outcome.stages] == ["base", "gen-1", "gen-2"]
    assert said.says("networks of generation 2 are wider than their teachers'")
    _, fresh = run_tiny(data, tmp_path / "fresh", "im+", num_generations=2)
    assert not fresh.says("wider than")
    trained = [hash_file(root / "gen-1" / "students" / "1" / "model.safetensors") for root in (out, tmp_path / "fresh")]
    assert trained[0] != trained[1]


def check_records(out, recipe, stages):
    chosen = tomllib.loads((out / "run.toml").read_text())
    assert (chosen["recipe"], chosen["preset"], chosen["size"]) == (recipe, "default", [32, 32])
    assert chosen["settings"]["epochs"] == 2
    assert chosen["settings"]["batch_norm_momentum"] == 0.9  # those that nobody named, too
    about = json.loads((out / "data.json").read_text())
    assert {part: len(items) for part, items in about["parts"].items()} == PARTS
    first = about["parts"]["labelled"]["labelled 1"]
    assert first["size"] == list(SIZES[1])
    assert len(first["files"]["labelled/images/labelled 1.png"]) == 64
    assert "torch" in json.loads((out / "environment.json").read_text())["packages"]

    entries = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    last = {entry["path"]: entry for entry in entries}
    for name, entry in last.items():
        assert (entry["bytes"], entry["sha256"]) == ((out / name).stat().st_size, hash_file(out / name))
    expected = {f"{stage}/students/{i}/{name}" for stage in stages for i in (1, 2) for name in STUDENT_FILES}
    labelled = stages[1:] if RECIPES[recipe].labeller else []
    expected |= {f"{stage}/pseudo/{name}" for stage in labelled for name in PSEUDO_FILES}
    if recipe in ("evalnet", "im++", "aim++"):
        expected |= {f"evalnets/students/{i}/{name}" for i in (1, 2) for name in STUDENT_FILES}
        expected |= {"evalnets/quality.json", "evalnets/ratings.csv"}
    others = [f"base-aldt/students/{i}/{name}" for i in (1, 2) for name in STUDENT_FILES]
    assert {other in last for other in others} == {recipe == "evalnet"}
    expected |= {"run.toml", "data.json", "scores.csv", "masks.csv", "model/model.json", "model/member-2.safetensors"}
    assert expected <= set(last)
    left = [path for path in out.rglob("*") if path.suffix == ".part" or path.name == "checkpoint.safetensors"]
    assert left == []
    for stage in labelled:
        index = rows_of(out / stage / "pseudo" / "index.csv")
        assert [row["name"] for row in index] == [f"unlabelled {i}" for i in range(PARTS["unlabelled"])]
        disputed = np.load(out / stage / "pseudo" / "inconsistent.npy")
        assert [f"{share:.6f}" for share in disputed.mean((1, 2))] == [row["inconsistent_fraction"] for row in index]


STUDENT_FILES = ("model.safetensors", "history.csv", "scores.json")
PSEUDO_FILES = ("index.csv", "label.npy", "inconsistent.npy")


def check_scores(out, outcome, stages):
    rows = rows_of(out / "scores.csv")
    expected = [(s, m, split) for s in stages for split in ("val", "test") for m in ("1", "2", "ensemble")]
    assert Counter((row["stage"], row["model"], row["split"]) for row in rows) == Counter(expected)
    assert all(0 <= float(row["score"]) <= 1 for row in rows)
    for row in rows:
        if row["split"] == "val" and row["model"] != "ensemble":
            reached = json.loads((out / row["stage"] / "students" / row["model"] / "scores.json").read_text())
            assert reached["steps"] == 4
    ensembles = {
        row["stage"]: float(row["score"]) for row in rows if (row["model"], row["split"]) == ("ensemble", "val")
    }
    assert ensembles == {stage.name: stage.score for stage in outcome.stages}
    about = json.loads((out / "model" / "model.json").read_text())
    assert about["validation"]["stage"] == outcome.chosen.name
    for number, member in enumerate(outcome.chosen.members, 1):
        assert (out / "model" / f"member-{number}.safetensors").read_bytes() == member.model.read_bytes()


def check_masks(data, out, task):
    """Every mask has its own image's size, is what the model says, and is read back as such."""
    again = data.parent / "again" / "labelled"
    again.mkdir(parents=True)
    (again / "images").symlink_to(data / "unlabelled" / "images")
    (again / "masks").symlink_to(out / "masks")
    # A model of two steps may draw nothing at all, which is a problem of a person's masks alone.
    dataset = scan(again.parent, DataOptions.model_validate(OPTIONS[task])).dataset
    assert dataset is not None
    assert len(dataset.labelled) == PARTS["unlabelled"]
    model = incmask.load(out)
    shares = rows_of(out / "masks.csv")
    assert [row["name"] for row in shares] == [item.name for item in dataset.labelled]
    for item, row in zip(dataset.labelled, shares, strict=True):
        (prediction,) = model.predict([read_network_image(item.image, channels=1)])
        label = read_label(item, dataset)
        assert label.shape[:2] == SIZES[int(item.name[-1]) % len(SIZES)]
        np.testing.assert_array_equal(label, prediction.label)
        disputed = cv2.imread(str(out / "inconsistent" / f"{item.name}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(disputed, prediction.inconsistent * np.uint8(255))
        shares_of_members = cv2.imread(str(out / "disagreement" / f"{item.name}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(shares_of_members, np.rint(prediction.disagreement * 255).astype(np.uint8))
        assert row["inconsistent_fraction"] == f"{prediction.inconsistent.mean():.6f}"
        columns = [value for name, value in row.items() if name.startswith("fraction/")]
        planes = {"binary": label[None], "multilabel": np.moveaxis(label, -1, 0)}
        planes["multiclass"] = np.stack([label == class_id for class_id in range(3)])
        assert columns == [f"{plane.mean():.6f}" for plane in planes[task]]


@pytest.mark.slow
def test_workers_come_to_the_same_as_this_process(tmp_path):
    """Base models, which train alone, and students in teams."""
    data = make_data(tmp_path / "data", "multilabel", truth=False)
    run_tiny(data, tmp_path / "here", "im-online", num_students=4)
    outcome, said = run_tiny(
        data, tmp_path / "workers", "im-online", num_students=4, num_workers=2, executor=Executor()
    )
    assert dict(results(tmp_path / "workers")) == dict(results(tmp_path / "here"))
    assert said.says("2 base models, then 1 generation of 4 students: about ")
    assert said.done == pytest.approx(said.expected)
    assert len(outcome.scores) == 16


@pytest.mark.slow
def test_threads_of_whoever_calls_change_no_number(tmp_path):
    data, before = make_data(tmp_path / "data", "binary", truth=False), torch.get_num_threads()
    try:
        for num in (1, 3):
            torch.set_num_threads(num)
            run_tiny(data, tmp_path / str(num))
            assert torch.get_num_threads() == num
    finally:
        torch.set_num_threads(before)
    assert dict(results(tmp_path / "1")) == dict(results(tmp_path / "3"))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.usefixtures("untrained")
def test_the_papers_preset(task, tmp_path):
    data = make_data(tmp_path / "data", task, truth=False)
    outcome, _ = run_tiny(data, tmp_path / "run", "im+", preset="paper", steps_per_epoch=0, redraw=False)
    chosen = tomllib.loads((tmp_path / "run" / "run.toml").read_text())
    assert (chosen["preset"], chosen["effort"]) == ("paper", "paper")
    assert (chosen["settings"]["loss"], chosen["settings"]["schedule"]) == ("auto", "constant")
    # One pass over 4 images in batches of 2, twice; later with those pseudo-labels that were admitted.
    assert [student.num_steps for student in outcome.stages[0].students] == [4, 4]
    used = [row["admitted"] for row in rows_of(tmp_path / "run" / "gen-1" / "pseudo" / "index.csv")].count("True")
    assert outcome.stages[1].students[0].num_steps == 2 * ((4 + used) // 2)


@pytest.fixture
def scored(monkeypatch):
    """What was scored, in order: stage, model and split."""
    jobs = []
    evaluate = deliver.evaluate_models

    def noted(job, report):
        jobs.append((job.stage, job.model, job.split))
        return evaluate(job, report)

    monkeypatch.setattr(deliver, "evaluate_models", noted)
    return jobs


@pytest.mark.usefixtures("untrained")
def test_three_labelled_images_are_cross_validated(tmp_path, scored):
    data = make_data(tmp_path / "data", "binary", {"labelled": 3, "unlabelled": 3, "test": 2})
    outcome, said = run_tiny(data, tmp_path / "run", "im", num_base=3, num_students=3)
    assert said.says("no val/: models take turns to be trained without some of the 3 labelled images")
    for stage in outcome.stages:
        assert {student.fold for student in stage.students} == {0, 1, 2}
        # Of every fold, not of the members alone, whose folds may be the easy ones.
        reached = [row.score for row in outcome.scores if (row.stage, row.split) == (stage.name, "val")]
        assert (len(reached), stage.score) == (3, pytest.approx(np.mean(reached)))
    counted = Counter((row.stage, row.split, row.model == "ensemble") for row in outcome.scores)
    # Together, members have seen all labelled images: no honest validation score can be told.
    assert counted == {
        (stage, *which): num
        for stage in ("base", "gen-1")
        for which, num in ((("val", False), 3), (("test", False), 3), (("test", True), 1))
    }
    assert len(scored) == len(set(scored)) == len(outcome.scores), "nothing is scored twice"


@pytest.mark.usefixtures("untrained")
def test_a_fifth_of_thirty_labelled_images_is_set_aside(tmp_path, scored):
    data = make_data(tmp_path / "data", "binary", {"labelled": 30, "unlabelled": 2}, truth=False)
    outcome, said = run_tiny(data, tmp_path / "run", "ldt")
    assert said.says("no val/: 6 of the 30 labelled images are set aside")
    assert Counter(row.split for row in outcome.scores) == {"val": 3}
    assert len(scored) == len(set(scored)) == 3, "what was scored of a stage is not scored again"
    assert len(list((tmp_path / "run" / "masks").iterdir())) == 2


@pytest.mark.usefixtures("untrained")
def test_one_labelled_image_alone(tmp_path):
    data = make_data(tmp_path / "data", "multilabel", {"labelled": 1})
    outcome, said = run_tiny(data, tmp_path / "run", "im+")
    assert said.says("a single labelled image: it trains and validates, so the scores are too good")
    assert said.says("no unlabelled images: im+ is ldt alone")
    assert (outcome.recipe, [stage.name for stage in outcome.stages]) == ("ldt", ["base"])
    assert not (tmp_path / "run" / "masks").exists()


@pytest.mark.usefixtures("untrained")
def test_full_training_without_unlabelled_images_says_so(tmp_path):
    data = make_data(tmp_path / "data", "binary", {"labelled": 2, "val": 1})
    outcome, said = run_tiny(data, tmp_path / "run", "fdt")
    assert said.says("no unlabelled images: fdt is ldt alone")
    assert outcome.recipe == "ldt"


def test_full_training_needs_the_truth(tmp_path):
    data = make_data(tmp_path / "data", "binary", truth=False)
    with pytest.raises(IncmaskError, match="needs the true masks of all unlabelled images"):
        run_tiny(data, tmp_path / "run", "fdt")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_empty_masks_and_a_class_that_nothing_is_labelled_with(tmp_path):
    data = make_data(tmp_path / "data", "multilabel", truth=False)
    for path in (data / "labelled" / "masks" / "dark").iterdir():
        save(path, np.zeros_like(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)))
    image, label = draw(seed=999, size=(32, 32))
    save(data / "labelled" / "images" / "nothing.png", image)
    save_masks(data / "labelled" / "masks", "nothing.png", label * 0, "multilabel")
    outcome, said = run_tiny(data, tmp_path / "run", "im")
    assert said.says("the class dark does not occur on any labelled image")
    assert all(np.isfinite(row.score) for row in outcome.scores)


def test_masks_of_which_all_are_empty(tmp_path):
    data = make_data(tmp_path / "data", "binary", truth=False)
    for path in data.glob("*/masks/*.png"):
        save(path, np.zeros_like(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)))
    (data / "incmask.toml").write_text('[data]\ntask = "binary"\n')
    with pytest.raises(IncmaskError, match="nothing is drawn in any of their masks: all pixels are background"):
        run_tiny(data, tmp_path / "run", "im")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_partly_labelled_masks(tmp_path):
    """Pixels without a label change nothing, whatever stands below them in the image."""
    data = make_data(tmp_path / "data", "multiclass", truth=False)
    for path in data.glob("*/masks/*.png"):
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        mask[:6] = 255
        save(path, mask)
    outcome, said = run_tiny(data, tmp_path / "run", "im")
    assert said.says("255 is ignored")
    assert all(np.isfinite(row.score) for row in outcome.scores)
    assert max(np.load(tmp_path / "run" / "stacks" / "labelled" / "labels.npy").ravel()) == 255


@pytest.mark.slow
def test_tiles_are_cut_and_stitched(tmp_path):
    data = make_data(tmp_path / "data", "binary", truth=False)
    run_tiny(data, tmp_path / "run", "im", fit="tile", size=[16, 32])
    index = rows_of(tmp_path / "run" / "stacks" / "unlabelled" / "index.csv")
    tiles = Counter(row["name"] for row in index)
    # Images of 32×32, 40×28 and 25×47 pixels, tiles of 16×32.
    assert tiles == {"unlabelled 0": 2, "unlabelled 1": 3, "unlabelled 2": 4, "unlabelled 3": 2, "unlabelled 4": 3}
    assert np.load(tmp_path / "run" / "stacks" / "unlabelled" / "images.npy").shape == (14, 16, 32, 1)
    check_masks(data, tmp_path / "run", "binary")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "task", "stride"),
    # Growing networks with EvalNets, and teams.
    [("im++", "binary", 4), ("im-online", "multilabel", 1)],
)
def test_killed_again_and_again_a_run_comes_to_the_same(recipe, task, stride, tmp_path):
    data = make_data(tmp_path / "data", task, truth=False)
    _, whole = run_tiny(data, tmp_path / "whole", recipe)
    choices = Choices(recipe=recipe, settings=dict(SETTINGS))
    num_kills, ended = 0, False
    while not ended:
        # Each time some events further, so that there is progress in the end.
        listener = Listener(kill_at=9 + stride * num_kills)
        try:
            experiment.run(data, tmp_path / "killed", choices=choices, executor=HERE, progress=listener)
            ended = True
        except KeyboardInterrupt:
            num_kills += 1
    assert num_kills >= 5
    assert whole.num_calls >= 20
    assert dict(results(tmp_path / "killed")) == dict(results(tmp_path / "whole"))
    assert listener.done == pytest.approx(listener.expected)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that has ended; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("finished")
    run_tiny(make_data(folder / "data", "binary"), folder / "ldt", "ldt")
    return folder


def test_a_finished_run_is_not_done_again(finished, monkeypatch):
    before = dict(results(finished / "ldt"))
    monkeypatch.setattr(training, "fit", None)
    monkeypatch.setattr("incmask.experiment.stacks.stack_of", None)
    outcome, said = run_tiny(finished / "data", finished / "ldt", "ldt", num_workers=2)
    assert dict(results(finished / "ldt")) == before
    assert len(outcome.scores) == 6
    assert said.done == pytest.approx(said.expected)


def test_other_choices_and_data_are_refused_with_the_difference(finished, tmp_path):
    before = dict(results(finished / "ldt"))
    for recipe, values, told in (
        ("aldt", {}, "recipe was 'ldt' when the run began and is 'aldt' now"),
        ("ldt", {"epochs": 3}, "settings.epochs was 2 when the run began and is 3 now"),
        ("ldt", {"size": [32, 48]}, "size was [32, 32] when the run began and is [32, 48] now"),
    ):
        with pytest.raises(IncmaskError) as error:
            run_tiny(finished / "data", finished / "ldt", recipe, **values)
        assert [problem.what for problem in error.value.problems] == [told]
    other = make_data(tmp_path / "data", "binary")
    save(other / "labelled" / "images" / "labelled 0.png", np.full(SIZES[0], 7, np.uint8))
    with pytest.raises(IncmaskError, match=r"parts\.labelled\.labelled 0\.files\.labelled/images/labelled 0\.png was"):
        run_tiny(other, finished / "ldt", "ldt")
    assert dict(results(finished / "ldt")) == before


def test_base_models_are_taken_over(finished, tmp_path, monkeypatch):
    fitted = []
    fit = training.fit
    monkeypatch.setattr(training, "fit", lambda job, report: (fitted.append(job.folder), fit(job, report)))
    outcome, said = run_tiny(finished / "data", tmp_path / "im", "im", bases={"ldt": finished / "ldt"})
    assert [folder.parts[-3] for folder in fitted] == ["gen-1", "gen-1"]
    assert said.done == pytest.approx(said.expected)
    theirs = {name: content for name, content in results(finished / "ldt") if name.startswith("base/")}
    ours = {name: content for name, content in results(tmp_path / "im") if name.startswith("base/")}
    assert ours == theirs
    assert len(outcome.stages) == 2


@pytest.mark.slow
def test_base_models_of_another_run_are_refused(finished, tmp_path):
    with pytest.raises(IncmaskError, match=r"run\.toml: cannot be read"):
        run_tiny(finished / "data", tmp_path / "im", "im", bases={"ldt": tmp_path / "nothing"})
    with pytest.raises(IncmaskError, match=r"settings\.seed was 1 .* is 2 now"):
        run_tiny(finished / "data", tmp_path / "seed", "im", bases={"ldt": finished / "ldt"}, seed=2)
    other = make_data(tmp_path / "data", "binary", PARTS | {"unlabelled": 4})
    with pytest.raises(IncmaskError, match="unlabelled 4 is gone"):
        run_tiny(other, tmp_path / "other", "im", bases={"ldt": finished / "ldt"})
    # More base models than there are.
    with pytest.raises(IncmaskError, match=r"3/model\.safetensors: is not there; finish that run first"):
        run_tiny(finished / "data", tmp_path / "more", "im", bases={"ldt": finished / "ldt"}, num_base=3)
    # What only students depend on may differ.
    run_tiny(finished / "data", tmp_path / "dilated", "im", bases={"ldt": finished / "ldt"}, dilate_px=3)


@pytest.mark.slow
def test_base_models_of_other_folds_are_refused(tmp_path):
    """Without val/, so few labelled images have as many folds as the smallest stage has models."""
    data = make_data(tmp_path / "data", "binary", {"labelled": 3, "unlabelled": 2}, truth=False)
    few = {"num_base": 3, "num_students": 3, "epochs": 1}
    run_tiny(data, tmp_path / "ldt", "ldt", **few)
    with pytest.raises(IncmaskError, match=r"models of the smallest stage was 3 .* is 2 now"):
        run_tiny(data, tmp_path / "two", "im", bases={"ldt": tmp_path / "ldt"}, **(few | {"num_students": 2}))
    outcome, _ = run_tiny(data, tmp_path / "three", "im", bases={"ldt": tmp_path / "ldt"}, **few)
    assert [student.fold for student in sorted(outcome.stages[0].students, key=lambda each: each.number)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"num_members": 3}, "3 voting members, but only 2 models.*use settings=..num_members.: 2., or more"),
        ({"num_students": 1}, "2 voting members, but only 1 models.*use more of"),
        ({"batch_size": 10**8}, "memory: training at 32×32 with batches of 100000000.*batch_size.: [1-9]"),
    ],
)
def test_what_cannot_be_trained_is_told_in_a_line(values, told, finished, tmp_path):
    with pytest.raises(IncmaskError, match=told) as error:
        run_tiny(finished / "data", tmp_path / "run", "im", **values)
    assert "\n" not in str(error.value)


def test_too_little_memory_leaves_no_run_folder_behind(finished, tmp_path):
    """Else the smaller batch that is advised would be refused there as another choice."""
    with pytest.raises(IncmaskError):
        run_tiny(finished / "data", tmp_path / "run", "im", batch_size=10**8)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("device", "memory", "workers"),
    [
        # One process drives a GPU, and what it computes lies there.
        ("cuda", "there", 1),
        # A Mac's GPU shares the memory of the machine.
        ("mps", "here", 1),
        ("cpu", "here", 2),
        # Both of its cores train one network.
        ("cpu", "here, two a network", 1),
    ],
)
def test_workers_and_memory_follow_the_device(tmp_path, monkeypatch, device, memory, workers):
    asked = []

    def room(network, *, num_workers, num_on_gpu, **others):
        asked.append(num_on_gpu)
        return num_workers

    monkeypatch.setattr(experiment, "resolve_device", lambda name: torch.device(device))
    monkeypatch.setattr(experiment, "num_cores", lambda: 2)
    monkeypatch.setattr(experiment, "fitting_workers", room)
    settings = {name: value for name, value in SETTINGS.items() if name != "num_workers"} | {"num_students": 5}
    settings["devices_per_network"] = 2 if "two" in memory else 1
    chosen = resolve(make_data(tmp_path, "binary"), Choices(recipe="im++", settings=settings))
    assert num_workers_of(chosen, Listener()) == workers
    # U-Nets and EvalNets are asked for.
    assert asked == 2 * [5 if memory == "there" else 0]


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(("num_labelled", "num_folds"), [(6, 2), (60, 1)])
def test_a_run_keeps_groups_whole_and_remembers_them(tmp_path, num_labelled, num_folds):
    data, out = (
        make_data(tmp_path / "data", "binary", {"labelled": num_labelled, "unlabelled": 2, "test": 4}),
        tmp_path / "run",
    )
    groups = {
        part: {f"{part} {n}": f"{part[0]}{n // 2}" for n in range(num)}
        for part, num in (("labelled", num_labelled), ("test", 4))
    }
    rows = "".join(f"{name},{group}\n" for part in groups for name, group in groups[part].items())
    (data / "groups.csv").write_text(f"name,group\n{rows}")
    (data / "incmask.toml").write_text('[data]\ngroup = "groups.csv"\n')
    _, said = run_tiny(data, out, fit="tile")
    assert said.says(f"of {num_labelled // 2} groups")
    assert tomllib.loads((out / "run.toml").read_text())["group"] == "groups.csv"
    record = read_record(out)
    assert {part: record.groups(part) for part in groups} == groups
    assert record.groups("unlabelled") == {"unlabelled 0": "unlabelled 0", "unlabelled 1": "unlabelled 1"}
    names, of = record.stack("labelled").names, record.groups("labelled")
    assert len(names) > num_labelled
    assert len(record.folds) == len(record.image_folds) == num_folds
    for fold in record.folds:
        training, validation = ({of[names[row]] for row in rows} for rows in (fold.training, fold.validation))
        assert training
        assert validation
        assert not training & validation
    run_tiny(data, out, fit="tile")
    (data / "incmask.toml").write_text("")
    with pytest.raises(IncmaskError, match="group is gone; take it back"):
        run_tiny(data, out, fit="tile")


@pytest.mark.usefixtures("untrained")
def test_without_groups_nothing_of_them_is_written(tmp_path):
    data, out = make_data(tmp_path / "data", "binary"), tmp_path / "run"
    run_tiny(data, out)
    assert "group" not in (out / "data.json").read_text() + (out / "run.toml").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_teams_are_whole(tmp_path):
    data = make_data(tmp_path / "data", "binary", truth=False)
    outcome, said = run_tiny(data, tmp_path / "run", "im-online", num_members=2, num_students=3)
    assert said.says("4 students instead of 3: they train in teams of 2")
    assert [len(stage.students) for stage in outcome.stages] == [2, 4]
    assert said.done == pytest.approx(said.expected)
    outcome, said = run_tiny(data, tmp_path / "alone", "mt", num_students=3)
    assert not said.says("instead of")
    assert [len(stage.students) for stage in outcome.stages] == [2, 3]


@pytest.mark.slow
def test_a_team_goes_on_as_one_where_a_student_s_files_are_gone(tmp_path):
    """As after a stop between what is recorded of one and of the next: all of the team train, to the same."""
    data = make_data(tmp_path / "data", "binary", truth=False)
    run_tiny(data, tmp_path / "run", "im-online")
    before = dict(results(tmp_path / "run"))
    students = tmp_path / "run" / "gen-1" / "students"
    manifest = tmp_path / "run" / "manifest.jsonl"
    lines = manifest.read_text().splitlines(keepends=True)
    gone = next(number for number, line in enumerate(lines) if "gen-1/students/2/" in line)
    manifest.write_text("".join(lines[:gone]))
    (manifest.parent / "manifest.end").unlink()
    (students / "2" / "model.safetensors").unlink()
    run_tiny(data, tmp_path / "run", "im-online")
    assert dict(results(tmp_path / "run")) == before


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"batch_size": 1}, "setting batch_size: 1 image a step"),
        ({"blocking": "labelled"}, "setting blocking: 'labelled' takes images whose masks are known before"),
    ],
)
def test_what_labels_of_each_step_do_not_allow_is_told_before_anything_is_trained(values, told, tmp_path):
    data = make_data(tmp_path / "data", "binary", truth=False)
    with pytest.raises(IncmaskError) as error:
        run_tiny(data, tmp_path / "run", "im-online", **values)
    assert str(error.value).startswith(told)
    assert not (tmp_path / "run").exists()


def test_networks_that_grow_beyond_what_is_possible_are_refused_before_anything_is_written(tmp_path):
    data = make_data(tmp_path / "data", "binary", truth=False)
    with pytest.raises(IncmaskError, match=r"the last generation would be 10\.125 wide, more than 8"):
        run_tiny(data, tmp_path / "run", "im+", num_generations=3, width_step=5.0)
    assert not (tmp_path / "run").exists()
