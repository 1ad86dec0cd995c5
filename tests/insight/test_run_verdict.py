import math
from dataclasses import replace
from pathlib import Path

import pytest

from incmask.experiment.record.stages import StageRecord
from incmask.experiment.student import Student
from incmask.insight.report.differences import LEAST_SUBJECTS, Estimate, Source
from incmask.insight.report.run_page.scoring import part_name
from incmask.insight.report.run_page.verdict import WithAndWithout, answer, fairness, handed_over, headline, means


def stage(name, *, steps=(100, 100), width=0.5, inherited=0):
    students = tuple(
        Student(
            Path(name),
            number,
            0,
            epoch=1,
            loss=0.5,
            score=0.6,
            num_steps=num_steps,
            num_images=800,
            num_inherited=inherited,
        )
        for number, num_steps in enumerate(steps, 1)
    )
    return StageRecord(name, students, ((),) * len(steps), num_members=2, width=width)


def estimate(mean, reach, *, models=3, subjects=20):
    """With a 95 % interval of that reach, all of it from the trainings with the unlabelled images."""
    without = Source("model without", models, 0 if models > 1 else math.nan)
    return Estimate(mean, (Source("model with", 3, (reach / 4.302653) ** 2), without, Source("subject", subjects, 0)))


def comparison(low, high, *, subjects=20, models=3, **changes):
    values = WithAndWithout(
        base=stage("base", steps=(100,) * models),
        best=stage("gen-2", steps=(100, 100, 100)),
        score_name="IoU",
        base_score=0.55,
        best_score=0.55 + (low + high) / 2,
        difference=estimate((low + high) / 2, (high - low) / 2, models=models, subjects=subjects),
        num_images=20,
        num_subjects=subjects,
        num_unlabelled=108,
        num_generations=1,
        kind="val",
        chosen="gen-2",
        chosen_by=(0.61, 0.63),
        steps_in_all=(300, 1_200),
    )
    return replace(values, **changes)


def test_a_gain_beyond_chance_is_a_yes():
    found = comparison(0.03, 0.11)
    assert headline(found) == "Yes, the unlabelled images helped."
    assert answer(found) == (
        "Yes, the unlabelled images helped: +0.070 IoU from 108 unlabelled images (95 % interval +0.030 to +0.110; 20 "
        "validation images; 3 trainings with them, 3 without), which is more than chance."
    )
    assert means(found) == (
        "The outlines of a model that was trained with them overlap with yours by 0.620 on the mean (1 would be "
        "perfect), those of one that was trained without them by 0.550."
    )


def test_a_loss_beyond_chance_is_a_no():
    found = comparison(-0.11, -0.03, chosen="base")
    assert headline(found) == "No, the unlabelled images did harm."
    assert "−0.070 IoU from 108 unlabelled images (95 % interval −0.110 to −0.030;" in answer(found)


@pytest.mark.parametrize(("low", "high"), [(-0.02, 0.04), (-1e-5, 0.04), (-0.04, 1e-5)])
def test_an_interval_with_zero_shows_nothing(low, high):
    found = comparison(low, high)
    assert headline(found) == "It is not shown that the unlabelled images helped."
    assert f"which may be chance; less than about {(high - low) / 2:.3f} cannot be seen" in answer(found)


def test_no_interval_reaches_beyond_what_a_difference_can_be():
    told = answer(comparison(-1.2, 1.6))
    assert "95 % interval −1.000 to +1.000" in told
    assert "no difference can be seen" in told


def test_few_subjects_tell_nothing_however_clear_they_look():
    assert headline(comparison(0.1, 0.2, subjects=LEAST_SUBJECTS)).startswith("Yes")
    few = comparison(0.1, 0.2, subjects=5)
    assert headline(few) == "Whether the unlabelled images helped cannot be told."
    assert "20 validation images from 5 subjects; " in answer(few)
    assert "; 5 subjects are too few to tell this from chance." in answer(few)
    assert "; 5 images are too few to tell" in answer(comparison(0.1, 0.2, subjects=5, num_images=5))


def test_one_training_on_a_side_tells_nothing():
    alone = comparison(0.1, 0.2, models=1)
    assert headline(alone) == "Whether the unlabelled images helped cannot be told."
    assert "(20 validation images; 3 trainings with them, 1 without); of one training on a side" in answer(alone)
    assert "--set num_base=3" in answer(alone)


def of_these(mean, reach, *, subjects=20):
    """With a 95 % interval of that reach: 2.0930 is t of 19 degrees."""
    return Estimate(mean, (Source("subject", subjects, (reach / 2.093024) ** 2),))


@pytest.mark.parametrize(("sign", "which"), [(1, "better"), (-1, "worse")])
def test_what_holds_for_these_models_alone_is_told_as_such(sign, which):
    found = comparison(-0.2, 0.3, of_these=of_these(sign * 0.046, 0.024))
    assert headline(found) == (
        f"These models are {which} with the unlabelled images; whether others would be is not shown."
    )
    told = answer(found)
    assert "+0.050 IoU from 108 unlabelled images (95 % interval −0.200 to +0.300;" in told
    ends = "+0.046 IoU (95 % interval +0.022 to +0.070" if sign > 0 else "−0.046 IoU (95 % interval −0.070 to −0.022"
    assert told.endswith(
        f" The models of this run, the members together: {ends} for other images of the kind, with these very models)."
    )
    # One training on a side says nothing of others, and as much of itself.
    assert headline(replace(found, difference=estimate(0.05, 0.2, models=1))) == headline(found)


def test_these_models_say_nothing_where_sides_or_images_do_not_allow_it():
    unsure = comparison(-0.2, 0.3, of_these=of_these(0.02, 0.024))
    assert headline(unsure) == "It is not shown that the unlabelled images helped."
    assert "+0.020 IoU (95 % interval −0.004 to +0.044" in answer(unsure)
    # What holds for any training is said first.
    assert headline(comparison(0.03, 0.11, of_these=of_these(-0.1, 0.01))).startswith("Yes")
    for changes in ({"subjects": 5}, {"kind": "folds"}, {"best": stage("gen-2", inherited=200)}, {"kind": "same"}):
        found = comparison(-0.2, 0.3, **changes, of_these=of_these(0.1, 0.01))
        assert headline(found) == "Whether the unlabelled images helped cannot be told."
        assert "The models of this run" not in answer(found)
    # The best of three generations on the images that chose it: t of 19 degrees at .05 / 3 is 2.6251.
    chosen = comparison(-0.2, 0.3, num_generations=3, of_these=of_these(0.046, 0.024))
    assert chosen.ends_of_these[0] == pytest.approx(0.046 - 0.024 * 2.6251 / 2.0930, abs=1e-4)


def test_the_choice_among_generations_widens_the_interval_on_the_images_that_chose():
    alone, three = comparison(0.03, 0.11), comparison(0.03, 0.11, num_generations=3)
    # Bonferroni: t of 2 degrees at .05 / 3, 7.649, for 4.303.
    assert three.reach == pytest.approx(0.04 * 7.6488 / 4.302653, abs=1e-4)
    assert headline(three).startswith("It is not shown")
    tested = comparison(0.03, 0.11, num_generations=3, kind="test")
    assert (tested.low, tested.high) == (alone.low, alone.high)
    assert headline(tested).startswith("Yes")


def test_where_the_images_come_from_is_said():
    assert part_name("split") == part_name("folds") == part_name("same") == "labelled"
    assert "20 labelled images, set aside for this;" in answer(comparison(0, 0.1, kind="split"))
    assert "20 test images;" in answer(comparison(0, 0.1, kind="test"))
    told = answer(comparison(0, 0.1, kind="folds"))
    assert "(20 labelled images, each by the models that were trained without it;" in told
    same = comparison(0.1, 0.1, kind="same", num_images=1, subjects=1)
    assert headline(same) == "Whether the unlabelled images helped cannot be told."
    assert "; that image was trained on, so neither number means much." in answer(same)


def test_models_of_other_folds_have_taught_what_is_scored_on_their_images():
    taught = comparison(0.1, 0.2, kind="folds")
    assert headline(taught) == "Whether the unlabelled images helped cannot be told."
    assert "; the models with them learnt from pseudo-labels of teachers that had been" in answer(taught)
    # Students of the consistency loss go on from the model of their own fold.
    assert headline(comparison(0.1, 0.2, kind="folds", is_taught=False)).startswith("Yes")


def test_what_was_handed_over_follows_the_run_and_not_the_interval():
    assert handed_over(comparison(-0.1, 0.2)) == (
        "Handed over are the models trained with the unlabelled images, those of generation 2. What counts is the "
        "members together on validation: 0.630 with the unlabelled images, 0.610 without."
    )
    base = comparison(-0.1, 0.2, chosen="base", kind="folds")
    assert handed_over(base).startswith(
        "Handed over are the models trained on the labelled images alone. What counts is "
    )
    assert "the mean over folds:" in handed_over(base)


def test_a_choice_against_the_answer_is_told():
    assert handed_over(comparison(0.03, 0.11, chosen="base")).startswith("All the same, handed over are the models")
    assert handed_over(comparison(-0.11, -0.03)).startswith("All the same, handed over are the models")
    assert handed_over(comparison(-0.11, -0.03, chosen="base")).startswith("Handed over are the models")


def test_what_the_members_reach_on_test_images_is_told():
    told = handed_over(comparison(0.03, 0.11, kind="test", together=(0.58, 0.6)))
    assert told.endswith("On the test images these members reach 0.600 and 0.580.")


def test_a_run_that_hands_nothing_over_does_not_say_so():
    assert handed_over(comparison(0.01, 0.03, delivered=False)).startswith(
        "Best by validation are the models trained with the unlabelled images, those of generation 2."
    )


def test_equal_steps_are_said_plainly_and_so_are_others():
    assert fairness(comparison(0, 1))[0] == (
        "Both sides were trained for the same number of steps, 100 a model. In all it took 300 steps without the "
        "unlabelled images, 1,200 with them."
    )
    told = fairness(comparison(0, 1, best=stage("gen-2", steps=(1200, 1500))))[0]
    assert told.startswith("The steps were not equal: 100 a model without the unlabelled images, 1,200 or 1,500 a ")
    assert "`incmask compare DATA --equal-steps`" in told


def test_models_that_began_with_those_of_an_earlier_round_are_not_compared_with_new_ones():
    """As after `incmask import`: one side has twice the training of the other."""
    base = stage("base", steps=(100,) * 3, inherited=100)
    found = comparison(-0.11, -0.03, base=base, is_warm=True)
    assert headline(found) == "Whether the unlabelled images helped cannot be told."
    assert "95 % interval" not in answer(found)
    assert answer(found).endswith(
        "; the models without them began with those of an earlier round, after 100 steps in the weights that it began "
        "with, the models with them did not; in a run with `--fresh` both begin alike."
    )
    assert math.isnan(found.reach)
    assert fairness(found)[0].startswith("The steps were not equal: 100 a model, after 100 steps in the weights")
    # Students that go on with the weights of their teachers have all of these steps, too, and so has the control.
    control = stage("control", steps=(200, 200), inherited=100)
    both = comparison(0.03, 0.11, base=control, is_warm=True, best=stage("gen-2", inherited=200))
    assert headline(both).startswith("Yes")
    assert fairness(both)[0].startswith(
        "Both sides took 300 steps a model, with those in the weights that they began with. "
    )
    # Of an earlier version, which did not count them.
    unknown = comparison(-0.11, -0.03, is_warm=True)
    assert "began with those of an earlier round, the models with them did not" in answer(unknown)


def test_models_that_were_trained_for_longer_are_not_compared_with_those_that_were_not():
    """As where students go on from their teachers, and nobody goes on without unlabelled images."""
    found = comparison(0.03, 0.11, best=stage("gen-2", inherited=200))
    assert headline(found) == "Whether the unlabelled images helped cannot be told."
    assert answer(found).endswith(
        "; the models with them were trained for longer, 300 steps with those in the weights that they began with, and "
        "not 100."
    )
    # More on the other side is no advantage.
    assert headline(comparison(0.03, 0.11, base=stage("control", steps=(400, 400)), best=found.best)).startswith("Yes")


def test_wider_networks_and_the_choice_among_generations_are_said():
    told = " ".join(fairness(comparison(0, 1, best=stage("gen-2", width=0.75), num_generations=3)))
    assert "The networks of generation 2 are wider (width factor 0.75 instead of 0.5)" in told
    assert "The best of 3 generations was chosen on these same images; the interval is wider for that." in told
    assert "All models of generation 2 learnt from the same pseudo-labels" in told
    alone = " ".join(fairness(comparison(0, 1, num_generations=3, kind="test")))
    assert "wider" not in alone
    assert "was chosen on these same" not in alone


def test_the_base_models_are_the_generation_without_number():
    assert (stage("base").title, stage("base").generation) == ("base models", 0)
    assert (stage("gen-12").title, stage("gen-12").generation) == ("generation 12", 12)
    assert math.isclose(stage("base").seconds, 0)
