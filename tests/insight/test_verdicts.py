import dataclasses

import numpy as np
import pytest

from incmask.insight.report.comparison_page.rows import EQUAL, OWN, ImageScoreRow, ModelRow, RunRow
from incmask.insight.report.comparison_page.sentences import verdict_sentences
from incmask.insight.report.comparison_page.verdicts import pairs_by_budget, verdict_table, verdicts
from incmask.insight.report.differences import paired_difference
from incmask.insight.report.page import signed

BASE = np.random.default_rng(0).uniform(0.3, 0.7, 40)
NOISE = {
    recipe: np.random.default_rng(seed).uniform(-0.01, 0.01, 40)
    for seed, recipe in enumerate(("ldt", "strong-ldt", "aldt", "me", "cl", "im+"))
}
GAINS = (("aldt", -0.05), ("ldt", 0.0))
GAIN = 0.1 + NOISE["im+"].mean() - NOISE["ldt"].mean()
"""Of im+ over ldt where it is set to 0.1."""

COSTS = {
    "seconds": 1.0,
    "student_flops": 1e12,
    "total_flops": 1e13,
    "total_steps": 5_000,
    "evalnet_flops": 0.0,
    "num_parameters": 1,
    "flops_an_image": 1.0,
}


@dataclasses.dataclass
class Comparison:
    models: list
    runs: list
    images: list

    def pairs(self):
        data = (self.models, self.runs, self.images)
        return pairs_by_budget(*data), pairs_by_budget(*data, of="all students")

    def sentences(self):
        return verdict_sentences(list(self.verdicts().values()), self.pairs()[0])

    def verdicts(self):
        found = verdicts(self.models, self.runs, *self.pairs())
        return {(verdict.recipe, verdict.setting, verdict.budget, verdict.baseline): verdict for verdict in found}


def compare(gains, *, repeats=3, images=True, budget=OWN, setting="", luck=None):
    """Approaches by what they gain over the same 40 images; repeats differ by 0.01, and by luck; students half gain."""
    made = Comparison([], [], [])
    for recipe, gain in gains.items():
        for repeat in range(1, repeats + 1):
            of = {"recipe": recipe, "setting": setting, "budget": budget, "repeat": repeat}
            generation = 0 if "ldt" in recipe else repeat
            common = BASE + 0.01 * repeat + (luck or {}).get((recipe, repeat), 0)
            scores, half = common + gain + NOISE[recipe], common + (gain + NOISE[recipe]) / 2
            made.models.append(
                ModelRow(
                    **of,
                    generation=generation,
                    student="1",
                    chosen=True,
                    split="test" if images else "val",
                    score=float(scores.mean()),
                    steps=400,
                    images=259,
                    seconds=1.0,
                    flops=1e12,
                    details={"iou": 0.5},
                )
            )
            made.runs.append(RunRow(**of, best_generation=generation, validation=0.5, **COSTS))
            for index in range(len(scores) if images else 0):
                # Another generation's images, scored high, are not those that the run reports.
                name = f"{index}.png"
                for row_of, score, mean in ((generation, scores[index], half[index]), (generation + 1, 1.0, 1.0)):
                    row = ImageScoreRow(
                        **of, generation=row_of, name=name, group=name, score=float(score), all_students=float(mean)
                    )
                    made.images.append(row)
    return made


def test_better_worse_and_neither():
    found = compare({"ldt": 0, "strong-ldt": 0.2, "me": 0.001, "im+": 0.1, "cl": -0.1}).verdicts()
    assert len(found) == 4 + 4

    better = found["im+", "", OWN, "ldt"]
    difference = better.difference
    assert difference.mean == pytest.approx(GAIN)
    assert better.significant
    assert better.answer == f"yes: {signed(GAIN)} ({signed(difference.low)} to {signed(difference.high)})"
    # Every student gained half of that.
    assert better.fair.startswith(f"yes: {GAIN / 2:+.3f} (")

    worse = found["im+", "", OWN, "strong-ldt"]
    assert worse.difference.mean < 0
    assert worse.answer.startswith(f"no, worse: {signed(worse.difference.mean)} (")

    neither = found["me", "", OWN, "ldt"]
    assert neither.significant is False
    assert neither.answer.startswith(f"not shown: {signed(neither.difference.mean)} (")


def test_trainings_that_scatter_show_nothing_however_many_images_agree():
    # Of three repeats im+ gains .3, .0 and .0 on every single one of 40 images.
    made = compare({"ldt": 0, "im+": 0}, luck={("im+", 1): 0.3})
    verdict = made.verdicts()["im+", "", OWN, "ldt"]
    differences = np.array([0.3, 0, 0]) + NOISE["im+"].mean() - NOISE["ldt"].mean()
    assert verdict.difference.sources[0].variance == pytest.approx(differences.var(ddof=1) / 3)
    assert verdict.significant is False
    assert verdict.answer.startswith("not shown: +0.")
    told = made.sentences()[0]
    assert "0 of 1 uses of unlabelled images are shown to be better than ldt, and 0 worse." in told


def test_what_only_many_pairs_leave_unshown_is_told_with_its_p_value():
    luck = {("im+", 1): 0.02, ("me", 2): -0.03}
    found = compare({"ldt": 0, "strong-ldt": 0.02, "me": 0.001, "im+": 0.1}, luck=luck).verdicts()
    assert found["im+", "", OWN, "ldt"].fair == "not shown: +0.056 (+0.027 to +0.085; adjusted p 0.07)"


def test_the_difference_is_that_of_the_reported_generation_and_its_sign_is_ours():
    made = compare({"ldt": 0, "aldt": -0.05})
    verdict = made.verdicts()["aldt", "", OWN, "ldt"]
    rows = [BASE + 0.01 * repeat for repeat in (1, 2, 3)]
    expected = paired_difference(*([row + gain + NOISE[name] for row in rows] for name, gain in GAINS))
    assert verdict.difference.mean == pytest.approx(expected.mean)
    assert (verdict.difference.low, verdict.difference.high) == pytest.approx((expected.low, expected.high))
    assert verdict.difference.p_value == pytest.approx(expected.p_value)


def test_the_baselines_are_judged_by_one_another_alone():
    found = compare({"ldt": 0, "strong-ldt": 0.1}).verdicts()
    assert set(found) == {("ldt", "", OWN, "strong-ldt"), ("strong-ldt", "", OWN, "ldt")}
    assert found["ldt", "", OWN, "strong-ldt"].answer.startswith("no, worse: ")
    assert found["strong-ldt", "", OWN, "ldt"].answer.startswith("yes: ")


def test_a_single_repeat_has_no_verdict_whatever_the_images_say():
    made = compare({"ldt": 0, "im+": 0.3}, repeats=1)
    verdict = made.verdicts()["im+", "", OWN, "ldt"]
    assert verdict.significant is None
    assert verdict.answer == f"cannot be told: {GAIN + 0.2:+.3f} (one training each)"
    (sentence,) = made.sentences()
    assert sentence == (
        "With each approach's own steps, whether any use of unlabelled images is better than ldt cannot be told: one "
        "training each; how much another seed would move the scores is unknown. Run with --repeats 3, better 5; "
        "what is trained is kept."
    )


def test_few_subjects_have_no_verdict():
    made = compare({"ldt": 0, "im+": 0.3})
    made.images = [row for row in made.images if int(row.name.removesuffix(".png")) < 5]
    verdict = made.verdicts()["im+", "", OWN, "ldt"]
    assert verdict.significant is None
    assert verdict.answer.startswith("cannot be told: +0.3")
    assert verdict.answer.endswith(" (5 subjects, fewer than 6)")
    assert made.sentences()[0].endswith("cannot be told: 5 subjects, fewer than 6. Add test images of other subjects.")


@pytest.mark.parametrize("size", [5, 10])
def test_images_of_one_subject_are_no_independent_ones(size):
    made = compare({"ldt": 0, "im+": 0.1})
    images = [int(row.name.removesuffix(".png")) for row in made.images]
    made.images = [
        dataclasses.replace(row, group=f"frame {index // size}") for row, index in zip(made.images, images, strict=True)
    ]
    verdict = made.verdicts()["im+", "", OWN, "ldt"]
    by_frame = (0.1 + NOISE["im+"] - NOISE["ldt"]).reshape(-1, size).mean(1)
    subject = verdict.difference.sources[1]
    assert subject.num == 40 // size
    assert subject.variance == pytest.approx(by_frame.var(ddof=1) / subject.num)
    assert verdict.significant is (True if size == 5 else None)


def test_without_test_images_repeats_alone_are_compared_and_the_text_says_so():
    made = compare({"ldt": 0, "im+": 0.1}, images=False)
    verdict = made.verdicts()["im+", "", OWN, "ldt"]
    assert verdict.difference.num("subject") == 0
    assert verdict.difference.mean == pytest.approx(GAIN)
    assert made.sentences()[0].endswith(", on the images that chose, for want of test images.")


def test_a_baseline_that_lacks_is_said_to():
    verdict = compare({"ldt": 0, "im+": 0.1}).verdicts()["im+", "", OWN, "strong-ldt"]
    assert verdict.answer == verdict.fair == "strong-ldt is not in the comparison"
    none = pairs_by_budget([], [], [])
    assert verdicts([], [], none, none) == []


def test_what_repeats_can_show_is_said_in_numbers():
    luck = {("im+", repeat): 0.02 * repeat for repeat in (1, 2, 3)}
    made = compare({"ldt": 0, "im+": 0}, luck=luck)
    # The differences of the repeats are .02, .04 and .06, so that an error of .02 / sqrt(3) counts 4.3027 times.
    assert made.sentences()[1] == (
        "3 repeats can only show differences above about 0.050 between the two; 6 repeats that scatter as these do "
        "would show 0.021."
    )


def test_repeats_that_scatter_beyond_all_scores_show_nothing():
    luck = {("im+", repeat): 0.45 * repeat for repeat in (1, 2, 3)}
    assert compare({"ldt": 0, "im+": 0}, luck=luck).sentences()[1] == (
        "3 repeats cannot show any difference between the two; 6 repeats that scatter as these do would show 0.47."
    )


def test_budgets_are_compared_apart_but_the_strong_baseline_serves_both():
    own, equal = compare({"ldt": 0, "strong-ldt": 0.2, "im+": 0.1}), compare({"im+": 0.3}, budget=EQUAL)
    both = Comparison(own.models + equal.models, own.runs + equal.runs, own.images + equal.images)
    found = both.verdicts()
    assert found["im+", "", EQUAL, "ldt"].answer == "ldt is not in the comparison"
    assert found["im+", "", EQUAL, "strong-ldt"].answer.startswith("yes: ")
    assert found["im+", "", OWN, "strong-ldt"].answer.startswith("no, worse: ")
    assert ("strong-ldt", "", EQUAL, "ldt") not in found


def test_a_setting_is_compared_with_the_baseline_of_the_same_setting_or_of_none():
    plain = compare({"ldt": 0, "strong-ldt": 0.3})
    swept = compare({"ldt": 0.2, "im+": 0.1}, setting="num_members=3")
    both = Comparison(plain.models + swept.models, plain.runs + swept.runs, plain.images + swept.images)
    found = both.verdicts()
    for baseline, gain in (("ldt", -0.1), ("strong-ldt", -0.2)):
        expected = gain + NOISE["im+"].mean() - NOISE[baseline].mean()
        assert found["im+", "num_members=3", OWN, baseline].difference.mean == pytest.approx(expected)


def test_images_that_one_approach_lacks_are_left_out_for_all():
    made = compare({"ldt": 0, "im+": 0.1})
    made.images = [row for row in made.images if row.recipe == "ldt" or row.name != "0.png"]
    kept = made.verdicts()["im+", "", OWN, "ldt"]
    assert kept.difference.mean == pytest.approx(0.1 + np.mean((NOISE["im+"] - NOISE["ldt"])[1:]))


def test_one_line_an_approach():
    own = compare({"ldt": 0, "im+": 0.1})
    pairs, fair = own.pairs()
    table = verdict_table(verdicts(own.models, own.runs, pairs, fair), own.models, own.runs)
    assert [row[:2] for row in table.rows] == [("ldt", "own"), ("im+", "own")]
    assert {len(row) for row in table.rows} == {len(table.header)} == {8}
    assert table.rows[0][4:6] == ("–", "–")
    assert table.rows[1][4].startswith(f"yes: {GAIN:+.3f} (")
    assert table.rows[1][5].startswith(f"yes: {GAIN / 2:+.3f} (")
    assert table.rows[1][6] == "strong-ldt is not in the comparison"


def test_unequal_candidates_and_steps_stand_beside_the_verdict():
    made = compare({"ldt": 0, "im+": 0.1})
    more = [dataclasses.replace(row, student="2", chosen=False) for row in made.models]
    # Each repeat of im+ has another best generation, of which it had two.
    more += [dataclasses.replace(row, generation=row.generation + 1) for row in made.models if row.recipe == "im+"]
    models = [*made.models, *more]
    pairs, fair = made.pairs()
    table = verdict_table(verdicts(models, made.runs, pairs, fair), models, made.runs)
    assert [row[2:4] for row in table.rows] == [
        ("2", "400 a model, 5,000 in all"),
        ("2 × 2", "400 a model, 5,000 in all"),
    ]
