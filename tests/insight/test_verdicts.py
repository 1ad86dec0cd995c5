import dataclasses

import numpy as np
import pytest

from incmask.insight.report.comparison_page.rows import EQUAL, OWN, ImageScoreRow, ModelRow, RunRow
from incmask.insight.report.comparison_page.verdicts import pairs_by_budget, verdict_table, verdicts
from incmask.insight.report.statistics import paired_bootstrap

BASE = np.random.default_rng(0).uniform(0.3, 0.7, 40)
NOISE = {
    recipe: np.random.default_rng(seed).uniform(-0.01, 0.01, 40)
    for seed, recipe in enumerate(("ldt", "strong-ldt", "aldt", "me", "cl", "im+"))
}
GAIN = 0.1 + NOISE["im+"].mean() - NOISE["ldt"].mean()
"""Of im+ over ldt where it is set to 0.1."""

COSTS = {
    "seconds": 1.0,
    "student_flops": 1e12,
    "total_flops": 1e13,
    "evalnet_flops": 0.0,
    "num_parameters": 1,
    "flops_an_image": 1.0,
}


@dataclasses.dataclass
class Comparison:
    models: list
    runs: list
    images: list

    def verdicts(self):
        pairs = pairs_by_budget(self.models, self.runs, self.images, num_resamples=999)
        found = verdicts(self.models, self.runs, pairs)
        return {(verdict.recipe, verdict.setting, verdict.budget, verdict.baseline): verdict for verdict in found}


def compare(gains, *, repeats=3, images=True, budget=OWN, setting=""):
    """Approaches by what they gain over the same 40 images; repeats differ by 0.01."""
    made = Comparison([], [], [])
    for recipe, gain in gains.items():
        for repeat in range(1, repeats + 1):
            of = {"recipe": recipe, "setting": setting, "budget": budget, "repeat": repeat}
            generation = 0 if "ldt" in recipe else repeat
            scores = BASE + gain + 0.01 * repeat + NOISE[recipe]
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
            for index, score in enumerate(scores if images else []):
                # Another generation's images, scored high, are not those that the run reports.
                name = f"{index}.png"
                made.images += [
                    ImageScoreRow(**of, generation=generation, name=name, group=name, score=float(score)),
                    ImageScoreRow(**of, generation=generation + 1, name=name, group=name, score=1.0),
                ]
    return made


def test_better_worse_and_neither_by_images_and_by_repeats():
    found = compare({"ldt": 0, "strong-ldt": 0.2, "me": 0.001, "im+": 0.1, "cl": -0.1}).verdicts()
    assert len(found) == 4 + 4

    better = found["im+", "", OWN, "ldt"]
    assert better.by_images == (
        f"yes: {better.difference.mean:+.3f} ({better.difference.low:.3f} to {better.difference.high:.3f})"
    )
    assert better.difference.mean == pytest.approx(GAIN)
    assert (better.significant, better.intervals_overlap) == (True, False)
    assert better.by_repeats == f"yes: {GAIN:+.3f} (intervals apart)"

    worse = found["im+", "", OWN, "strong-ldt"]
    assert worse.difference.mean < 0
    assert worse.by_images == (
        f"no: worse by {-worse.difference.mean:.3f} ({-worse.difference.high:.3f} to {-worse.difference.low:.3f})"
    )
    assert worse.by_repeats == f"no: worse by {-worse.difference.mean:.3f} (intervals apart)"

    neither = found["me", "", OWN, "ldt"]
    assert (neither.significant, neither.intervals_overlap) == (False, True)
    assert neither.by_images.startswith("not significantly: ")
    assert neither.by_repeats.startswith("not significantly: ")
    assert neither.by_repeats.endswith("(intervals overlap)")


def test_images_are_averaged_over_repeats_and_the_sign_is_ours():
    made = compare({"ldt": 0, "aldt": -0.05})
    verdict = made.verdicts()["aldt", "", OWN, "ldt"]
    alone = paired_bootstrap(BASE - 0.05 + NOISE["aldt"], BASE + NOISE["ldt"], num_resamples=999, seed=0)
    assert verdict.difference.mean == pytest.approx(alone.mean)
    assert verdict.difference.p_value == alone.p_value
    # The images are drawn in the order of their names.
    assert (verdict.difference.low, verdict.difference.high) == pytest.approx((alone.low, alone.high), abs=1e-3)


def test_the_baselines_are_judged_by_one_another_alone():
    found = compare({"ldt": 0, "strong-ldt": 0.1}).verdicts()
    assert set(found) == {("ldt", "", OWN, "strong-ldt"), ("strong-ldt", "", OWN, "ldt")}
    assert found["ldt", "", OWN, "strong-ldt"].by_images.startswith("no: worse by ")
    assert found["strong-ldt", "", OWN, "ldt"].by_images.startswith("yes: ")


def test_a_single_repeat_has_no_interval_but_images():
    verdict = compare({"ldt": 0, "im+": 0.1}, repeats=1).verdicts()["im+", "", OWN, "ldt"]
    assert verdict.by_repeats == "a single repeat, hence no interval"
    assert verdict.intervals_overlap is None
    assert verdict.significant


def test_without_test_images_there_is_no_bootstrap_and_the_text_says_so():
    verdict = compare({"ldt": 0, "im+": 0.1}, images=False).verdicts()["im+", "", OWN, "ldt"]
    assert (verdict.difference, verdict.significant) == (None, None)
    assert verdict.by_images == "no test images of both, hence no bootstrap"
    assert verdict.by_repeats == f"yes: {GAIN:+.3f} (intervals apart)"


def test_a_baseline_that_lacks_is_said_to():
    verdict = compare({"ldt": 0, "im+": 0.1}).verdicts()["im+", "", OWN, "strong-ldt"]
    assert verdict.by_images == verdict.by_repeats == "strong-ldt is not in the comparison"
    assert verdicts([], [], pairs_by_budget([], [], [])) == []


def test_budgets_are_compared_apart_but_the_strong_baseline_serves_both():
    own, equal = compare({"ldt": 0, "strong-ldt": 0.2, "im+": 0.1}), compare({"im+": 0.3}, budget=EQUAL)
    both = Comparison(own.models + equal.models, own.runs + equal.runs, own.images + equal.images)
    found = both.verdicts()
    assert found["im+", "", EQUAL, "ldt"].by_images == "ldt is not in the comparison"
    assert found["im+", "", EQUAL, "strong-ldt"].by_images.startswith("yes: ")
    assert found["im+", "", OWN, "strong-ldt"].by_images.startswith("no: worse by ")
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
    pairs = pairs_by_budget(own.models, own.runs, own.images)
    table = verdict_table(verdicts(own.models, own.runs, pairs))
    assert [row[:2] for row in table.rows] == [("ldt", "own"), ("im+", "own")]
    assert {len(row) for row in table.rows} == {len(table.header)} == {6}
    assert table.rows[0][2:4] == ("–", "–")
    assert table.rows[1][2].startswith(f"yes: {GAIN:+.3f} (")
    assert table.rows[1][3] == f"yes: {GAIN:+.3f} (intervals apart)"
    assert table.rows[1][4] == "strong-ldt is not in the comparison"
