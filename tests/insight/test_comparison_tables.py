import dataclasses
import math
from functools import partial

import pytest
from scipy import stats

from incmask.insight.report.comparison_page import tables
from incmask.insight.report.comparison_page.other_tables import cost_table, object_table
from incmask.insight.report.comparison_page.rows import EQUAL, OWN, ModelRow, RunRow
from incmask.insight.report.comparison_page.tables import (
    Approach,
    approach_name,
    reported,
    series,
)
from incmask.insight.report.page import Table
from incmask.method.recipes import RECIPES
from incmask.method.scoring import Scoring


def model(recipe="im", *, generation=1, student="1", score=0.7, split="test", chosen=True, **changes):
    row = ModelRow(
        recipe=recipe,
        setting="",
        budget=OWN,
        repeat=1,
        generation=generation,
        student=student,
        chosen=chosen and student != "ensemble",
        split=split,
        score=score,
        steps=400,
        images=259,
        seconds=12.0,
        flops=2e12,
        details={"iou": score, "dice": score + 0.1, "loss": 0.2, "mcce": 10 * (1 - score)},
    )
    return dataclasses.replace(row, **changes)


def run(recipe="im", *, best_generation=1, **changes):
    row = RunRow(
        recipe=recipe,
        setting="",
        budget=OWN,
        repeat=1,
        best_generation=best_generation,
        validation=0.7,
        seconds=100.0,
        student_flops=2e12,
        total_flops=3e13,
        total_steps=9_000,
        evalnet_flops=1e13,
        num_parameters=171_561,
        flops_an_image=6e8,
    )
    return dataclasses.replace(row, **changes)


best_table, mean_table = (partial(make, scoring=Scoring("binary")) for make in (tables.best_table, tables.mean_table))


def column(table, name):
    return [row[table.header.index(name)] for row in table.rows]


# Three repeats of im, each best in another generation, and one of ldt.
BEST = {1: (2, 0.72), 2: (3, 0.70), 3: (2, 0.74)}
MODELS = [
    model("im", repeat=repeat, generation=generation, student=student, split=split, chosen=chosen, score=value)
    for repeat, (best, score) in BEST.items()
    for generation in (1, 2, 3)
    for split in ("val", "test")
    for student, chosen, value in (
        # Neither a better student, nor a better generation on test, nor validation's own score is what counts.
        ("1", True, (score if generation == best else 0.9) if split == "test" else 0.99),
        ("2", False, score + 0.04),
        ("ensemble", False, score + 0.02),
    )
] + [model("ldt", generation=0, score=0.6)]
RUNS = [run("im", repeat=repeat, best_generation=best) for repeat, (best, _) in BEST.items()]
RUNS.append(run("ldt", best_generation=0, total_flops=2e12, evalnet_flops=0.0))


def test_a_runs_value_is_the_chosen_students_on_test_in_the_generation_best_on_validation():
    found = reported(MODELS, RUNS)
    im = found[Approach("im", "", OWN)]
    assert [(value.run.repeat, value.student.generation) for value in im] == [(1, 2), (2, 3), (3, 2)]
    assert [value.student.score for value in im] == [0.72, 0.70, 0.74]
    assert [value.all_students for value in im] == pytest.approx([0.74, 0.72, 0.76])
    assert [value.together for value in im] == pytest.approx([0.74, 0.72, 0.76])
    assert math.isnan(found[Approach("ldt", "", OWN)][0].together)


def test_the_best_of_all_repeats_each_column_for_itself():
    table = best_table(MODELS, RUNS)
    assert table.header[:5] == ("approach", "budget", "repeats", "generation", "IoU, test")
    assert table.rows == (
        ("ldt", "own", "1", "0", "0.600", "0.700", "4.000"),
        ("im", "own", "3", "2", "0.740", "0.840", "2.600"),
    )
    assert "MCCE (lower is better)" in table.header
    assert "scored on test." in table.note


def test_means_with_their_errors():
    table = mean_table(MODELS, RUNS)
    assert column(table, "generation") == ["0", "2, 3, 2"]
    assert column(table, "IoU, test") == ["0.600", "0.720"]
    error = stats.sem([0.72, 0.70, 0.74])
    reach = error * 4.302653
    assert column(table, "standard error") == ["–", f"{error:.3f}"]
    assert column(table, "95 % interval") == ["–", f"{0.72 - reach:.3f} to {0.72 + reach:.3f}"]
    assert column(table, "Dice") == ["0.700", f"0.820 ± {error:.3f}"]
    # Of the two students of each of three generations.
    assert column(table, "best of") == ["1", "3 × 2"]
    assert column(table, "all students") == ["0.600", "0.740"]
    assert column(table, "members together") == ["–", "0.740"]
    assert not {"steps a model", "seconds"} & {*table.header}


def test_no_interval_of_scores_reaches_beyond_them():
    models = [model(repeat=repeat, score=score) for repeat, score in ((1, 0.99), (2, 0.9))]
    table = mean_table(models, [run(repeat=1), run(repeat=2)])
    assert column(table, "95 % interval") == [f"{0.945 - 12.7062 * 0.045:.3f} to 1.000"]


def test_objects_are_told_where_they_were_counted():
    details = [{"count_error": 0.2, "pq": 0.8}, {"count_error": 0.3, "pq": 0.7}, {"count_error": 0.1, "pq": 0.9}]
    models = [model(repeat=repeat, details=each) for repeat, each in enumerate(details, 1)]
    models += [model("ldt", generation=0, details={"count_error": 1.5}), model("fdt", generation=0, details={})]
    runs = [*(run(repeat=repeat) for repeat in (1, 2, 3)), run("ldt", best_generation=0), run("fdt", best_generation=0)]
    table = object_table(models, runs)
    assert column(table, "approach") == ["ldt", "fdt", "im"]
    reach = 4.302653 * 0.1 / math.sqrt(3)
    assert column(table, "off by, of all objects") == ["1.500", "–", "0.200"]
    assert column(table, "off by, of all objects: 95 % interval") == ["–", "–", f"0.000 to {0.2 + reach:.3f}"]
    assert column(table, "PQ") == ["–", "–", "0.800"]
    assert column(table, "PQ: 95 % interval") == ["–", "–", f"{0.8 - reach:.3f} to 1.000"]
    assert "AP50" not in table.header
    assert object_table(MODELS, RUNS) is None


def test_costs_are_means_too():
    table = cost_table(MODELS, RUNS)
    assert column(table, "approach") == ["ldt", "im"]
    assert column(table, "steps a model") == ["400", "400"]
    assert column(table, "steps in all") == ["9,000", "9,000"]
    assert column(table, "TFLOPs in all") == ["2", "30"]
    assert column(table, "with EvalNets") == ["2", "40"]
    assert column(table, "seconds") == ["100", "100"]


def test_without_test_images_validation_is_scored_and_the_note_says_so():
    table = best_table([model("ldt", generation=0, split="val")], [run("ldt", best_generation=0)])
    assert column(table, "IoU, validation") == ["0.700"]
    assert "for want of test images" in table.note


def test_lines_stand_by_budget_then_as_the_recipes_do_and_strangers_last():
    names = ["mine", *reversed(RECIPES)]
    models = [model(name, budget=budget, generation=1) for name in names for budget in (EQUAL, OWN)]
    runs = [run(name, budget=budget) for name in names for budget in (EQUAL, OWN)]
    table = mean_table(models, runs)
    assert column(table, "approach") == [*RECIPES, "mine"] * 2
    assert column(table, "budget") == ["own"] * len(names) + ["equal"] * len(names)
    assert table.note.endswith("With the true masks of the unlabelled images: fdt, gt-im++.")
    assert [(one.recipe, one.budget) for one in series(models)] == [(row[0], row[1]) for row in table.rows]


def test_settings_are_lines_of_their_own():
    settings = ["", "erode_px=3 dilate_px=5"]
    models = [model(setting=setting) for setting in settings]
    table = best_table(models, [run(setting=setting) for setting in settings])
    assert column(table, "approach") == ["im", "im erode_px=3 dilate_px=5"]
    assert [approach_name(row) for row in models] == ["im", "im erode_px=3 dilate_px=5"]


def test_a_run_without_scores_is_left_out_and_no_runs_make_an_empty_table():
    assert column(best_table(MODELS, [*RUNS, run("me")]), "approach") == ["ldt", "im"]
    assert mean_table([], []).rows == ()


def test_a_score_that_nobody_or_one_repeat_lacks():
    models = [
        model(repeat=1, score=0.5),
        model(repeat=2, details={"miou": 0.7}),
        model("ldt", generation=0, details={}),
    ]
    runs = [run(repeat=1), run(repeat=2), run("ldt", best_generation=0)]
    table = mean_table(models, runs)
    assert column(table, "Dice") == ["–", "0.600"]
    assert "mPA" not in table.header
    assert "loss" not in table.header


def test_small_and_large_amounts_stay_readable():
    table = cost_table([model(steps=12_345)], [run(total_flops=1.23e9, student_flops=4.5678e15, seconds=12.34)])
    assert column(table, "TFLOPs in all") == ["0.00123"]
    assert column(table, "TFLOPs a student") == ["4,568"]
    assert column(table, "steps a model") == ["12,345"]
    assert column(table, "seconds") == ["12.3"]


def test_series_follow_the_chosen_student_over_generations():
    found = series(MODELS)
    assert list(found) == [Approach("ldt", "", OWN), Approach("im", "", OWN)]
    ldt, im = found.values()
    assert {generation: summary.mean for generation, summary in ldt.items()} == {0: 0.6}
    assert list(im) == [1, 2, 3]
    assert [summary.mean for summary in im.values()] == pytest.approx(
        [0.9, (0.72 + 0.9 + 0.74) / 3, (0.9 + 0.7 + 0.9) / 3]
    )
    assert [summary.num for summary in im.values()] == [3, 3, 3]
    assert im[2].standard_error == pytest.approx(stats.sem([0.72, 0.9, 0.74]))


def test_series_of_another_score_take_the_lowest_error_as_best_and_leave_out_who_lacks_it():
    models = [model(repeat=1, score=0.5), model(repeat=2, score=0.8), model("me", details={})]
    im = Approach("im", "", OWN)
    found = series(models, metric="mcce")
    assert list(found) == [im]
    assert found[im][1].best == pytest.approx(2.0)
    assert series(models, metric="dice")[im][1].best == pytest.approx(0.9)


def test_a_table_in_markdown():
    table = Table("Scores", ("approach", "IoU"), (("im", "0.700"), ("a|b", "–")), "Of one repeat.")
    assert table.to_markdown() == (
        "**Scores**\n\n| approach | IoU |\n| --- | --- |\n| im | 0.700 |\n| a\\|b | – |\n\nOf one repeat.\n"
    )
    assert dataclasses.replace(table, note="").to_markdown().endswith("| a\\|b | – |\n")
