"""Which approaches beat the baselines: by their repeats, and by test images."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from incmask.insight.report.comparison_page.rows import ImageScoreRow, ModelRow, RunRow
from incmask.insight.report.comparison_page.tables import (
    Approach,
    Table,
    approach_name,
    approach_of,
    reported,
)
from incmask.insight.report.statistics import Difference, PairRow, Summary, compare_pairs, intervals_overlap, summarise

BASELINE, STRONG_BASELINE = "ldt", "strong-ldt"
"""What an approach is to beat: the paper's baseline, and supervised training that is as good as we can make it."""


@dataclass(frozen=True)
class Verdict(Approach):
    """An approach against one baseline.

    Attributes:
        baseline: its recipe.
        difference: approach minus baseline over test images; None without test images of both.
        significant: by the bootstrap, after Holm; None as above.
        intervals_overlap: of the means over repeats; None without several repeats of both.
        by_images: the answer over test images, in words.
        by_repeats: the answer over repeats, in words: the paper's rule.
    """

    baseline: str
    difference: Difference | None
    significant: bool | None
    intervals_overlap: bool | None
    by_images: str
    by_repeats: str


def verdicts(
    models: Sequence[ModelRow], runs: Sequence[RunRow], pairs: Mapping[str, Sequence[PairRow]]
) -> list[Verdict]:
    """Say of each approach whether it beats ``BASELINE`` and ``STRONG_BASELINE`` within its budget.

    Repeats are compared by the paper's rule (appendix A.5), test images as ``pairs`` tell. The strong baseline takes
    the same steps under either budget, so it serves both where it was run in one. A baseline of the same setting goes
    before one without setting.

    Args:
        models: of the comparison.
        runs: of the comparison.
        pairs: of the comparison, by budget, as ``pairs_by_budget`` gives them.
    """
    summaries = _summaries(models, runs)
    found = []
    for budget, of_budget in pairs.items():
        family = _family(summaries, budget)
        for approach in (approach for approach in family if approach.budget == budget):
            found += [
                _verdict(approach, name, _baseline(name, family, approach), summaries=summaries, pairs=of_budget)
                for name in (BASELINE, STRONG_BASELINE)
                if name != approach.recipe
            ]
    return found


def pairs_by_budget(
    models: Sequence[ModelRow],
    runs: Sequence[RunRow],
    images: Sequence[ImageScoreRow],
    *,
    num_resamples: int | None = None,
    seed: int = 0,
) -> dict[str, list[PairRow]]:
    """Compare all pairs of approaches within each budget over test images.

    An image counts with its mean score over repeats; by a paired bootstrap, and Holm over all pairs of the budget.

    Args:
        models: of the comparison.
        runs: of the comparison.
        images: of the comparison; none without a test split.
        num_resamples: of ``compare_pairs``.
        seed: of ``compare_pairs``.
    """
    summaries, scores = _summaries(models, runs), _image_scores(runs, images)
    found: dict[str, list[PairRow]] = {}
    for budget in dict.fromkeys(approach.budget for approach in summaries):
        held = [approach for approach in _family(summaries, budget) if approach in scores]
        common = sorted(set.intersection(*(set(scores[approach]) for approach in held))) if held else []
        found[budget] = (
            compare_pairs(
                {approach_name(each): [scores[each][image] for image in common] for each in held},
                summaries={approach_name(each): summaries[each] for each in held},
                num_resamples=num_resamples,
                seed=seed,
            )
            if common
            else []
        )
    return found


def verdict_table(found: Sequence[Verdict]) -> Table:
    """Make a line an approach of what ``verdicts`` found."""
    lines: dict[Approach, dict[str, Verdict]] = {}
    for verdict in found:
        lines.setdefault(Approach(verdict.recipe, verdict.setting, verdict.budget), {})[verdict.baseline] = verdict
    names = (BASELINE, STRONG_BASELINE)
    rows = []
    for approach, against in lines.items():
        cells = [approach_name(approach), approach.budget]
        for name in names:
            cells += [against[name].by_images, against[name].by_repeats] if name in against else ["–", "–"]
        rows.append(tuple(cells))
    answers = (f"better than {name}, by {what}" for name in names for what in ("images", "repeats"))
    return Table(
        title="Who beats the baselines?",
        header=("approach", "budget", *answers),
        rows=tuple(rows),
        note=f"{STRONG_BASELINE} is the supervised baseline that any use of unlabelled images must beat. By images: "
        "the mean difference over test images with its 95 % interval, significant if a paired bootstrap's p-value, "
        "adjusted for all pairs of the budget (Holm), is below 0.05. By repeats: whether the 95 % intervals of the "
        "means overlap.",
    )


def _image_scores(runs: Sequence[RunRow], images: Sequence[ImageScoreRow]) -> dict[Approach, dict[str, float]]:
    """Give each image's mean over repeats, of the generation that each run reports."""
    best = {(approach_of(run), run.repeat): run.best_generation for run in runs}
    scores: dict[Approach, dict[str, list[float]]] = {}
    for row in images:
        approach = approach_of(row)
        if best.get((approach, row.repeat)) == row.generation:
            scores.setdefault(approach, {}).setdefault(row.name, []).append(row.score)
    return {approach: {name: fmean(of) for name, of in by_name.items()} for approach, by_name in scores.items()}


def _summaries(models: Sequence[ModelRow], runs: Sequence[RunRow]) -> dict[Approach, Summary]:
    found = reported(models, runs)
    return {approach: summarise([value.student.score for value in values]) for approach, values in found.items()}


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


def _verdict(
    approach: Approach,
    name: str,
    baseline: Approach | None,
    *,
    summaries: Mapping[Approach, Summary],
    pairs: Sequence[PairRow],
) -> Verdict:
    by_images = by_repeats = f"{name} is not in the comparison"
    difference, significant, overlap = None, None, None
    if baseline is not None:
        ours, theirs = summaries[approach], summaries[baseline]
        overlap = intervals_overlap(ours, theirs)
        by_images, by_repeats = "no test images of both, hence no bootstrap", "a single repeat, hence no interval"
        if overlap is not None:
            told = "intervals overlap" if overlap else "intervals apart"
            by_repeats = _answer(ours.mean - theirs.mean, told, not overlap)
        names = (approach_name(approach), approach_name(baseline))
        for pair in pairs:
            if {pair.first, pair.second} == {*names}:
                difference = pair.difference if pair.first == names[0] else -pair.difference
                significant = pair.significant
                by_images = _of_images(difference, significant)
    return Verdict(
        recipe=approach.recipe,
        setting=approach.setting,
        budget=approach.budget,
        baseline=name,
        difference=difference,
        significant=significant,
        intervals_overlap=overlap,
        by_images=by_images,
        by_repeats=by_repeats,
    )


def _of_images(difference: Difference, significant: bool) -> str:
    # Said as "worse by", the interval turns round with the sign.
    shown = -difference if significant and difference.mean < 0 else difference
    return _answer(difference.mean, f"{shown.low:.3f} to {shown.high:.3f}", significant)


def _answer(mean: float, detail: str, significant: bool) -> str:
    if not significant:
        return f"not significantly: {mean:+.3f} ({detail})"
    return f"yes: {mean:+.3f} ({detail})" if mean > 0 else f"no: worse by {-mean:.3f} ({detail})"
