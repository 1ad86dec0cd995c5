import math
from dataclasses import replace
from pathlib import Path

import pytest

from incmask.experiment.record.stages import StageRecord
from incmask.experiment.student import Student
from incmask.insight.report.run_page.verdict import WithAndWithout, answer, fairness, handed_over, headline
from incmask.insight.report.statistics import Difference


def stage(name, *, steps=(100, 100), width=0.5):
    students = tuple(
        Student(Path(name), number, 0, epoch=1, loss=0.5, score=0.6, num_steps=num_steps, num_images=800)
        for number, num_steps in enumerate(steps, 1)
    )
    return StageRecord(name, students, ((),) * len(steps), num_members=2, width=width)


def comparison(low, high, **changes):
    values = WithAndWithout(
        base=stage("base"),
        best=stage("gen-2"),
        base_score=0.55,
        best_score=0.55 + (low + high) / 2,
        difference=Difference((low + high) / 2, low, high, 0.01),
        num_images=20,
        num_generations=3,
        kind="val",
        chosen="gen-2",
    )
    return replace(values, **changes)


def test_a_gain_beyond_chance_is_a_yes():
    found = comparison(0.03, 0.11)
    assert headline(found) == "Yes, the unlabelled images helped."
    assert answer(found) == (
        "Yes, the unlabelled images helped: on the 20 validation images, the outlines of the models trained with the "
        "unlabelled images overlap with yours by 0.620 (1 would be perfect), those of the models trained without them "
        "by 0.550; the gain of 0.070 (95 % interval +0.030 to +0.110) is more than chance."
    )


def test_a_loss_beyond_chance_is_a_no():
    found = comparison(-0.11, -0.03, chosen="base")
    assert headline(found) == "No, the unlabelled images did harm."
    assert answer(found).endswith("the loss of 0.070 (95 % interval −0.110 to −0.030) is more than chance.")


@pytest.mark.parametrize(("low", "high"), [(-0.02, 0.04), (0.0, 0.04), (-0.04, 0.0)])
def test_an_interval_with_zero_shows_nothing(low, high):
    found = comparison(low, high)
    assert headline(found) == "It is not shown that the unlabelled images helped."
    assert answer(found).endswith("may be chance.")


def test_few_images_show_nothing_however_clear_they_look():
    # Of n images all may differ the same way by chance with probability 2 / 2**n, which is above 5 % up to n = 5.
    enough = next(num for num in range(1, 20) if 2 / 2**num < 0.05)
    assert headline(comparison(0.1, 0.2, num_images=enough)).startswith("Yes")
    few = comparison(0.1, 0.2, num_images=enough - 1)
    assert headline(few).startswith("It is not shown")
    assert answer(few).endswith("; 5 images are too few to tell the difference of +0.150 from chance.")


def test_where_the_images_come_from_is_said():
    assert "on the 20 labelled images that were set aside" in answer(comparison(0, 0.1, kind="split"))
    told = answer(comparison(0, 0.1, kind="folds"))
    assert "on your 20 labelled images, each scored by models that were trained without it" in told
    same = comparison(0.1, 0.1, kind="same", num_images=1)
    assert headline(same) == "Whether the unlabelled images helped cannot be told."
    assert answer(same).endswith("but that image was trained on, so neither number means much.")


def test_what_was_handed_over_follows_the_run_and_not_the_interval():
    assert handed_over(comparison(-0.1, 0.2)) == (
        "Handed over are therefore the models trained with the unlabelled images, those of generation 2."
    )
    assert handed_over(comparison(-0.1, 0.2, chosen="base")).endswith("trained on the labelled images alone.")


@pytest.mark.parametrize(("kind", "each"), [("folds", "fold"), ("val", "tile")])
def test_a_choice_by_another_mean_than_the_one_shown_is_told(kind, each):
    # The mean over images speaks for the unlabelled images, the one that chose against them.
    found = comparison(0.01, 0.03, kind=kind, chosen="base", chosen_by=(0.61, 0.604))
    assert handed_over(found) == (
        f"Handed over are the models trained on the labelled images alone: what counts is the mean over {each}s, "
        "0.604 with them and 0.610 without."
    )


def test_a_run_that_hands_nothing_over_does_not_say_so():
    assert handed_over(comparison(0.01, 0.03, delivered=False)) == (
        "Best by validation are therefore the models trained with the unlabelled images, those of generation 2."
    )


def test_equal_steps_are_said_plainly_and_so_are_others():
    assert fairness(comparison(0, 1))[0] == "Both sides were trained for the same number of steps, 100 a model."
    told = fairness(comparison(0, 1, best=stage("gen-2", steps=(1200, 1500))))[0]
    assert told.startswith("The steps were not equal: 100 a model without the unlabelled images, 1,200 or 1,500 with")
    assert "`incmask compare DATA --equal-steps`" in told


def test_wider_networks_and_the_choice_among_generations_are_said():
    told = " ".join(fairness(comparison(0, 1, best=stage("gen-2", width=0.75))))
    assert "The networks of generation 2 are wider (width factor 0.75 instead of 0.5)" in told
    assert "The best of 3 generations was chosen on these same images" in told
    assert "another seed" in told
    alone = " ".join(fairness(comparison(0, 1, num_generations=1)))
    assert "wider" not in alone
    assert "was chosen on these same" not in alone


def test_the_base_models_are_the_generation_without_number():
    assert (stage("base").title, stage("base").generation) == ("base models", 0)
    assert (stage("gen-12").title, stage("gen-12").generation) == ("generation 12", 12)
    assert math.isclose(stage("base").seconds, 0)
