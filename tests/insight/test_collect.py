import json
import shutil
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from tiny import NUM_GENERATIONS, NUM_TEST, NUM_UNLABELLED, finished, lines_of
from torch import nn

from finished_runs import write_to
from incmask.base.records import DATA
from incmask.base.tables import read_rows
from incmask.experiment.deliver import Stage
from incmask.experiment.scores import ScoreRow
from incmask.experiment.student import Student
from incmask.insight.comparison.collect import collect, merit
from incmask.insight.report.comparison_page.rows import (
    OWN,
    FrequencyRow,
    ImageScoreRow,
    ModelRow,
    PseudoRow,
    RunRow,
)
from incmask.nets.spec import load_model
from incmask.training.files import HISTORY
from runs import SETTINGS

GENERATIONS = {"ldt": [0], "aldt": [0], "fdt": [0], "cl": [1], "evalnet": [1, 2], "im": [1, 2], "im++": [1, 2]}
"""Of which there are rows; base models stand with their own recipe."""
REPEATS = (1, 2)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return finished(tmp_path_factory.getbasetemp())


@pytest.fixture
def run_of(made):
    def find(recipe, repeat=1):
        return next(r for r in made.found.runs if (r.cell.variant.recipe, r.cell.variant.repeat) == (recipe, repeat))

    return find


@cache
def counted_flops(model, *shapes):
    """Operations of a forward pass by the shapes of what comes out of each layer: 2 a multiply-add."""
    network, total = load_model(model).eval(), []

    def count(layer, _inputs, output):
        if isinstance(layer, nn.Conv2d):
            total.append(2 * output.numel() * layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1])
        else:
            total.append(2 * output.numel() * layer.in_features)

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network(*(torch.zeros(1, *shape) for shape in shapes))
    return sum(total)


def seconds_of(folder):
    return sum(float(line["seconds"]) for line in lines_of(folder / HISTORY))


def test_a_row_for_every_model_and_split(made):
    counted = Counter((row.recipe, row.repeat, row.generation, row.student, row.split) for row in made.found.models)
    assert counted == {
        (recipe, repeat, generation, student, split): 1
        for recipe, generations in GENERATIONS.items()
        for repeat in REPEATS
        for generation in generations
        for student in ("1", "2", "ensemble")
        for split in ("val", "test")
    }
    assert {(row.setting, row.budget) for row in made.found.models} == {("", OWN)}
    assert [(row.recipe, row.repeat) for row in made.found.totals] == [
        (recipe, repeat) for repeat in REPEATS for recipe in GENERATIONS
    ]


def test_tables_on_disk_hold_the_same(made):
    for name, kind, rows in (
        ("results", ModelRow, made.found.models),
        ("runs", RunRow, made.found.totals),
        ("image_scores", ImageScoreRow, made.found.images),
        ("pseudo_labels", PseudoRow, made.found.pseudo),
        ("class_frequencies", FrequencyRow, made.found.frequencies),
    ):
        assert tuple(read_rows(made.out / f"{name}.csv", kind)) == rows
        assert rows


def test_scores_are_those_of_the_run(made, run_of):
    for recipe, generations in GENERATIONS.items():
        for repeat in REPEATS:
            lines = lines_of(run_of(recipe, repeat).outcome.root / "scores.csv")
            scores = {(line["stage"], line["model"], line["split"]): float(line["score"]) for line in lines}
            for row in made.found.models:
                if (row.recipe, row.repeat) == (recipe, repeat):
                    stage = f"gen-{row.generation}" if row.generation else "base"
                    assert row.generation in generations
                    assert row.score == scores[stage, row.student, row.split]
                    assert row.details["iou"] == pytest.approx(row.score)


def test_the_best_on_validation_is_chosen(made, run_of):
    """By the score of training, over all pixels; that of the rows is a mean over images, and may order two anew."""
    by_stage = {}
    for row in made.found.models:
        by_stage.setdefault((row.recipe, row.repeat, row.generation), []).append(row)
    for rows in by_stage.values():
        recipe, repeat, generation = rows[0].recipe, rows[0].repeat, rows[0].generation
        students = run_of(recipe, repeat).outcome.stages[generation].students
        best = str(max(students, key=lambda student: (student.score, -student.number)).number)
        assert {row.student for row in rows if row.chosen} == {best}
        assert sorted(row.split for row in rows if row.chosen) == ["test", "val"]


def test_steps_and_images(made):
    num_steps = SETTINGS["epochs"] * SETTINGS["steps_per_epoch"]
    for row in made.found.models:
        # Half of the steps of the consistency loss are two views of each image.
        num_images = num_steps * SETTINGS["batch_size"] * (1.5 if row.recipe == "cl" else 1)
        num_models = 2 if row.student == "ensemble" else 1
        assert (row.steps, row.images) == (num_models * num_steps, num_models * num_images)


def test_flops_are_those_of_the_networks_that_were_trained(made, run_of):
    widths = {}
    for row in made.found.models:
        if row.repeat > 1 or row.split == "test":
            continue
        stage = run_of(row.recipe).outcome.stages[row.generation]
        an_image = counted_flops(stage.students[0].model, (1, 32, 32))
        widths.setdefault(row.recipe, []).append(an_image)
        assert row.flops == an_image * row.images
    # im++ alone grows in its second generation.
    assert {recipe for recipe, each in widths.items() if len(set(each)) > 1} == {"im++"}


@pytest.mark.slow
def test_what_a_run_cost(made, run_of):
    for total in made.found.totals:
        outcome = run_of(total.recipe, total.repeat).outcome
        base, *later = outcome.stages
        students = [student for stage in (base, *later) for student in stage.students]
        students += outcome.trained.others
        assert len(outcome.trained.others) == (2 if total.recipe == "evalnet" else 0)
        assert total.total_flops == sum(counted_flops(each.model, (1, 32, 32)) * each.num_images for each in students)
        judges = outcome.trained.judges.students if outcome.trained.judges else ()
        assert len(judges) == (2 if total.recipe in ("evalnet", "im++") else 0)
        assert total.total_steps == sum(each.num_steps for each in students)
        assert total.evalnet_flops == sum(
            counted_flops(each.model, (1, 32, 32), (1, 32, 32)) * each.num_images for each in judges
        )
        assert total.seconds == pytest.approx(sum(seconds_of(each.folder) for each in (*students, *judges)))
        best = outcome.stages[total.best_generation].students[0]
        assert total.flops_an_image == counted_flops(best.model, (1, 32, 32))
        assert total.student_flops == total.flops_an_image * best.num_images
        network = load_model(best.model)
        numbers = [*network.parameters(), *(b for b in network.buffers() if b.is_floating_point())]
        assert total.num_parameters == sum(each.numel() for each in numbers)


def test_seconds_of_models(made, run_of):
    for row in made.found.models:
        stage = run_of(row.recipe, row.repeat).outcome.stages[row.generation]
        folders = [each.folder for each in stage.students if row.student in (str(each.number), "ensemble")]
        assert row.seconds == pytest.approx(sum(seconds_of(folder) for folder in folders))


def test_the_best_generation_is_that_of_the_best_student_on_validation(made):
    for total in made.found.totals:
        scores = {
            row.generation: row.score
            for row in made.found.models
            if (row.recipe, row.repeat) == (total.recipe, total.repeat) and row.chosen and row.split == "val"
        }
        assert total.best_generation == max(scores, key=lambda generation: (scores[generation], -generation))
        assert total.validation == pytest.approx(scores[total.best_generation])


def with_scores(outcome, first, second):
    """Give the generations other validation scores; the base models' stay above them all."""
    reached = dict(zip((stage.name for stage in outcome.stages), (0.99, first, second), strict=True))
    rows = (replace(row, score=reached[row.stage]) if row.split == "val" else row for row in outcome.scores)
    return replace(outcome, scores=tuple(rows))


@pytest.mark.parametrize(("scores", "best"), [((0.1, 0.9), 2), ((0.9, 0.1), 1), ((0.5, 0.5), 1)])
def test_test_scores_choose_nothing(run_of, scores, best):
    run = run_of("im++")
    outcome = with_scores(run.outcome, *scores)
    # On test, the generation that is worse on validation is perfect.
    flattering = tuple(
        replace(row, score=float(row.stage != f"gen-{best}")) if row.split == "test" else row for row in outcome.scores
    )
    found = collect(run.cell, replace(outcome, scores=flattering)).run
    assert (found.best_generation, found.validation) == (best, max(scores))
    chosen = load_model(outcome.stages[best].students[0].model)
    assert found.flops_an_image == counted_flops(outcome.stages[best].students[0].model, (1, 32, 32))
    assert found.num_parameters > sum(each.numel() for each in chosen.parameters())


def test_merit(tmp_path):
    def student(number, fold, score):
        return Student(tmp_path, number, fold, epoch=1, loss=1.0, score=score, num_steps=1, num_images=1)

    # The best is first; by loss that may be another than the one with the highest score.
    one_fold = (student(2, 0, 0.4), student(1, 0, 0.6))
    rows = [ScoreRow("base", name, "val", score, {}) for name, score in (("1", 0.65), ("2", 0.45), ("ensemble", 0.7))]
    rows += [ScoreRow("gen-1", "2", "val", 0.9, {}), ScoreRow("base", "2", "test", 0.8, {})]
    assert merit(Stage("base", one_fold, one_fold, 0.7), rows) == 0.45
    # Of several folds one may be easy: their mean counts.
    folds = (student(1, 0, 0.9), student(2, 1, 0.1))
    assert merit(Stage("base", folds, folds, 0.5), ()) == 0.5


def test_image_scores_are_the_chosen_students(made, run_of):
    found = {}
    for row in made.found.images:
        found.setdefault((row.recipe, row.repeat, row.generation), {})[row.name] = (row.score, row.all_students)
    assert set(found) == {
        (recipe, repeat, generation)
        for recipe, generations in GENERATIONS.items()
        for repeat in REPEATS
        for generation in generations
    }
    for (recipe, repeat, generation), scores in found.items():
        outcome = run_of(recipe, repeat).outcome
        stage = outcome.stages[generation]
        number = stage.students[0].number
        columns = [f"{stage.name}/{student.number}" for student in stage.students]
        lines = lines_of(outcome.root / "image_scores.csv")
        assert {name: score for name, (score, _) in scores.items()} == {
            line["name"]: float(line[columns[0]]) for line in lines
        }
        for line in lines:
            expected = np.mean([float(line[column]) for column in columns])
            assert scores[line["name"]][1] == pytest.approx(expected)
        assert len(scores) == NUM_TEST
        (row,) = [
            row
            for row in made.found.models
            if (row.recipe, row.repeat, row.generation, row.split, row.student)
            == (recipe, repeat, generation, "test", str(number))
        ]
        assert np.mean([score for score, _ in scores.values()]) == pytest.approx(row.score)
    assert all(row.group == row.name for row in made.found.images)


def test_image_scores_stand_with_the_group_that_the_run_knows(made, run_of, tmp_path):
    cell, outcome = run_of("im", REPEATS[0]).cell, run_of("im", REPEATS[0]).outcome
    root = shutil.copytree(outcome.root, tmp_path / "run")
    record = json.loads((root / DATA).read_text())
    tested = record["parts"]["test"]
    for number, item in enumerate(tested.values()):
        item["group"] = f"slide {number // 2}"
    write_to(root, DATA, json.dumps(record))
    expected = {name: item["group"] for name, item in tested.items()}
    assert len(set(expected.values())) < len(expected)
    rows = collect(cell, replace(outcome, root=root)).images
    assert {row.name: row.group for row in rows} == expected


def test_pseudo_labels_of_every_generation(made, run_of):
    counted = Counter((row.recipe, row.repeat, row.generation) for row in made.found.pseudo)
    assert counted == {
        (recipe, repeat, generation): NUM_UNLABELLED
        for recipe in ("evalnet", "im", "im++")
        for repeat in REPEATS
        for generation in range(1, NUM_GENERATIONS + 1)
    }
    assert {row.recipe for row in made.found.pseudo if row.quality is not None} == {"evalnet", "im++"}
    # Every candidate was accepted, and none is masked.
    assert all(row.used and row.copies == 1 for row in made.found.pseudo if row.recipe == "evalnet")
    assert {row.recipe for row in made.found.pseudo if row.inconsistent_fraction > 0} <= {"im", "im++"}
    for row in made.found.pseudo:
        lines = lines_of(run_of(row.recipe, row.repeat).outcome.root / f"gen-{row.generation}" / "pseudo" / "index.csv")
        (line,) = [line for line in lines if line["name"] == row.name]
        assert (str(row.used), row.copies) == (line["admitted"], int(line["copies"]) if row.used else 0)
    classes = Counter((row.recipe, row.repeat, row.generation, row.class_name) for row in made.found.frequencies)
    assert set(classes.values()) == {1}
    masks = {recipe for recipe, _, _, name in classes if name == "inconsistency mask"}
    assert masks == {"im", "im++"}
    assert {name for *_, name in classes} == {"inconsistency mask", "foreground"}
    true = {row.true_fraction for row in made.found.frequencies if row.class_name == "foreground"}
    assert len(true) == 1
    assert true.pop() == np.load(made.out / "stacks" / "unlabelled" / "labels.npy").mean()
