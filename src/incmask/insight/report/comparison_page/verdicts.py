"""Which approaches beat the baselines, as far as their repeats and the test images can tell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from incmask.base.words import counted
from incmask.insight.report.comparison_page.rows import ImageScoreRow, ModelRow, RunRow
from incmask.insight.report.comparison_page.tables import (
    Approach,
    Reported,
    Table,
    approach_name,
    approach_of,
    reported,
)
from incmask.insight.report.differences import LEAST_SUBJECTS, Estimate, by_subject, can_tell
from incmask.insight.report.page import signed
from incmask.insight.report.pairs import PairRow, compare_pairs
from incmask.insight.report.statistics import SCORE_BOUNDS, SIGNIFICANCE, Summary, summarise

BASELINE, STRONG_BASELINE = "ldt", "strong-ldt"
"""What an approach is to beat: the paper's baseline, and supervised training that is as good as we can make it."""

Of = Literal["reported", "all students"]
"""Whose scores count: those of the student that a run reports, or the means of all students of its generation, which
owe nothing to their number."""

Pairs = Mapping[str, Sequence[PairRow]]
"""By budget."""

_ABSENT = "{} is not in the comparison"


@dataclass(frozen=True)
class Verdict(Approach):
    """An approach against one baseline.

    Attributes:
        baseline: its recipe.
        difference: approach minus baseline; None where that is not in the comparison.
        significant: after Holm; None where nothing can be told.
        answer: in words.
        fair: the answer for the means of all students.
    """

    baseline: str
    difference: Estimate | None
    significant: bool | None
    answer: str
    fair: str


def verdicts(models: Sequence[ModelRow], runs: Sequence[RunRow], pairs: Pairs, fair: Pairs) -> list[Verdict]:
    """Say of each approach whether it beats ``BASELINE`` and ``STRONG_BASELINE`` within its budget.

    The strong baseline takes the same steps under either budget, so it serves both where it was run in one. A baseline
    of the same setting goes before one without setting.

    Args:
        models: of the comparison.
        runs: of the comparison.
        pairs: of the comparison, as ``pairs_by_budget`` gives them.
        fair: those of the means of all students.
    """
    summaries = _summaries(models, runs)
    found = []
    for budget, of_budget in pairs.items():
        family = _family(summaries, budget)
        for approach in (approach for approach in family if approach.budget == budget):
            found += [
                _verdict(approach, name, _baseline(name, family, approach), of_budget, fair[budget])
                for name in (BASELINE, STRONG_BASELINE)
                if name != approach.recipe
            ]
    return found


def pairs_by_budget(
    models: Sequence[ModelRow], runs: Sequence[RunRow], images: Sequence[ImageScoreRow], *, of: Of = "reported"
) -> dict[str, list[PairRow]]:
    """Compare all pairs of approaches within each budget over repeats and, where there are any, test images.

    Repeats and subjects are both draws; Holm over all pairs of the budget. Without test images only the repeats are
    drawn, on the images that chose.

    Args:
        models: of the comparison.
        runs: of the comparison.
        images: of the comparison; none without a test split.
        of: whose scores.
    """
    summaries, by_image = _summaries(models, runs), _image_scores(runs, images, of)
    subjects = {row.name: row.group for row in images}
    found = {}
    for budget in dict.fromkeys(approach.budget for approach in summaries):
        family = _family(summaries, budget)
        if all(each in by_image for each in family):
            scores = _over_subjects({each: by_image[each] for each in family}, subjects)
        else:
            scores = _over_repeats(models, runs, family, of)
        found[budget] = compare_pairs(
            {approach_name(each): values for each, values in scores.items()},
            summaries={approach_name(each): summaries[each] for each in family},
        )
    return found


def verdict_table(found: Sequence[Verdict], models: Sequence[ModelRow], runs: Sequence[RunRow]) -> Table:
    """Make a line an approach of what ``verdicts`` found, with what its models were chosen from and cost."""
    values = reported(models, runs)
    lines: dict[Approach, dict[str, Verdict]] = {}
    for verdict in found:
        lines.setdefault(Approach(verdict.recipe, verdict.setting, verdict.budget), {})[verdict.baseline] = verdict
    names = (BASELINE, STRONG_BASELINE)
    rows = []
    for approach, against in lines.items():
        cells = [approach_name(approach), approach.budget, *_means(values[approach])]
        for name in names:
            cells += [against[name].answer, against[name].fair] if name in against else ["–", "–"]
        rows.append(tuple(cells))
    answers = (
        text for name in names for text in (f"better than {name}?", f"better than {name} by the mean of all students?")
    )
    return Table(
        title="Who beats the baselines?",
        header=("approach", "budget", "best of", "steps", *answers),
        rows=tuple(rows),
        note=f"{STRONG_BASELINE} is the supervised baseline that any use of unlabelled images must beat. Differences "
        "of the reported students, with 95 % intervals that know of other trainings and of other subjects; images of "
        "one subject go together, and each subject counts alike. Yes and no: the p-value, adjusted for all pairs of "
        f"the budget (Holm), is below {SIGNIFICANCE}. Best of: the generations and their students from which "
        "validation chose the reported one. The best of more is better by that alone: the mean of all is fairer.",
    )


def why_untold(difference: Estimate) -> str:
    """Say what lacks for a verdict; "" where nothing does."""
    if can_tell(difference):
        return ""
    if difference.num("repeat") < 2:
        return "one training each"
    return f"{counted(difference.num('subject'), 'subject')}, fewer than {LEAST_SUBJECTS}"


def _verdict(
    approach: Approach, name: str, baseline: Approach | None, pairs: Sequence[PairRow], fair: Sequence[PairRow]
) -> Verdict:
    one = None if baseline is None else _find(pairs, approach, baseline)
    other = None if baseline is None else _find(fair, approach, baseline)
    return Verdict(
        recipe=approach.recipe,
        setting=approach.setting,
        budget=approach.budget,
        baseline=name,
        difference=one.difference if one else None,
        significant=one.significant if one else None,
        answer=_answer(one) if one else _ABSENT.format(name),
        fair=_answer(other) if other else _ABSENT.format(name),
    )


def _find(pairs: Sequence[PairRow], first: Approach, second: Approach) -> PairRow | None:
    names = (approach_name(first), approach_name(second))
    for pair in pairs:
        if (pair.first, pair.second) == names:
            return pair
        if (pair.second, pair.first) == names:
            return pair.turned
    return None


def _answer(pair: PairRow) -> str:
    difference = pair.difference
    mean, low, high = (signed(each) for each in (difference.mean, *difference.interval))
    told = [f"{low} to {high}"] if can_tell(difference) else []
    if pair.significant is None:
        return f"cannot be told: {mean} ({'; '.join([*told, why_untold(difference)])})"
    if pair.significant:
        return f"{'yes' if difference.mean > 0 else 'no, worse'}: {mean} ({told[0]})"
    if not difference.low <= 0 <= difference.high:
        told.append(f"adjusted p {pair.adjusted_p:.2f}")
    return f"not shown: {mean} ({'; '.join(told)})"


def _image_scores(
    runs: Sequence[RunRow], images: Sequence[ImageScoreRow], of: Of
) -> dict[Approach, dict[int, dict[str, float]]]:
    """Give each image's score by repeat, of the generation that the run reports; of tiles their mean."""
    best = {(approach_of(run), run.repeat): run.best_generation for run in runs}
    scores: dict[Approach, dict[int, dict[str, list[float]]]] = {}
    for row in images:
        approach = approach_of(row)
        if best.get((approach, row.repeat)) == row.generation:
            score = row.score if of == "reported" else row.all_students
            scores.setdefault(approach, {}).setdefault(row.repeat, {}).setdefault(row.name, []).append(score)
    return {
        approach: {
            repeat: {name: fmean(tiles) for name, tiles in of_repeat.items()} for repeat, of_repeat in each.items()
        }
        for approach, each in scores.items()
    }


def _over_subjects(
    held: Mapping[Approach, Mapping[int, Mapping[str, float]]], subjects: Mapping[str, str]
) -> dict[Approach, dict[int, ArrayLike]]:
    """Average the images that all have over their subjects."""
    common = sorted(set.intersection(*({*by_name} for each in held.values() for by_name in each.values())))
    names = [subjects[name] for name in common]
    return {
        approach: {
            repeat: by_subject([by_name[name] for name in common], names) for repeat, by_name in by_repeat.items()
        }
        for approach, by_repeat in held.items()
    }


def _over_repeats(
    models: Sequence[ModelRow], runs: Sequence[RunRow], family: Sequence[Approach], of: Of
) -> dict[Approach, dict[int, ArrayLike]]:
    values = reported(models, runs)
    return {
        approach: {
            value.run.repeat: np.float64(value.student.score if of == "reported" else value.all_students)
            for value in values[approach]
        }
        for approach in family
    }


def _summaries(models: Sequence[ModelRow], runs: Sequence[RunRow]) -> dict[Approach, Summary]:
    found = reported(models, runs)
    return {
        approach: summarise([value.student.score for value in values], bounds=SCORE_BOUNDS)
        for approach, values in found.items()
    }


def _family(values: Iterable[Approach], budget: str) -> list[Approach]:
    """Give the approaches of a budget; the strong baseline takes the same steps in both."""
    approaches = list(values)
    family = [approach for approach in approaches if approach.budget == budget]
    if all(approach.recipe != STRONG_BASELINE for approach in family):
        family += [approach for approach in approaches if approach.recipe == STRONG_BASELINE]
    return family


def _baseline(name: str, family: Sequence[Approach], approach: Approach) -> Approach | None:
    for setting in (approach.setting, ""):
        for other in family:
            if (other.recipe, other.setting) == (name, setting):
                return other
    return None


def _means(values: Sequence[Reported]) -> tuple[str, str]:
    candidates, steps = (dict.fromkeys(each) for each in zip(*((v.candidates, v.steps) for v in values), strict=True))
    return ", ".join(candidates), "; ".join(steps)
