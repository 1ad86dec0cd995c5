"""What a comparison found, in sentences: who beats the baselines, what the repeats can show at all, and warnings."""

from collections.abc import Mapping, Sequence
from statistics import median

from incmask.insight.report.comparison_page.rows import EQUAL, OWN
from incmask.insight.report.comparison_page.tables import approach_name
from incmask.insight.report.comparison_page.verdicts import BASELINE, STRONG_BASELINE, Verdict, why_untold
from incmask.insight.report.differences import Estimate, can_tell
from incmask.insight.report.pairs import PairRow
from incmask.insight.report.statistics import SIGNIFICANCE
from incmask.method.recipes import RECIPES

BUDGET_NAMES = {OWN: "each approach's own steps", EQUAL: "equal steps"}

_MORE_REPEATS = 5


def verdict_sentences(found: Sequence[Verdict], pairs: Mapping[str, Sequence[PairRow]]) -> list[str]:
    """Say who beats the baselines, and what could be seen at all.

    Args:
        found: all verdicts.
        pairs: that they come from, by budget.
    """
    sentences = []
    for budget in dict.fromkeys(verdict.budget for verdict in found):
        for name in (BASELINE, STRONG_BASELINE):
            against = [
                (verdict, verdict.difference)
                for verdict in found
                if verdict.difference
                and (verdict.budget, verdict.baseline) == (budget, name)
                and _is_approach(verdict.recipe)
            ]
            if against:
                sentences.append(f"With {BUDGET_NAMES[budget]}, {_against(name, against)}")
        if told := least_difference(pairs[budget]):
            sentences.append(told)
    return sentences


def least_difference(pairs: Sequence[PairRow]) -> str:
    """Say which differences the repeats could show at all; "" where nothing can be told."""
    known = [pair.difference for pair in pairs if can_tell(pair.difference)]
    if not known:
        return ""
    repeats = known[0].num("repeat")
    more = max(_MORE_REPEATS, 2 * repeats)
    now, then = (_least(known, num) for num in (repeats, more))
    of = f"one of {len(known)} pairs" if len(known) > 1 else "the two"
    can = f"can only show differences above about {now}" if now else "cannot show any difference"
    return f"{repeats} repeats {can} between {of}; {more} repeats that scatter as these do would show {then or 'none'}."


def no_room_warnings(found: Sequence[Verdict]) -> list[str]:
    """Warn where even all true masks are not shown to be worth anything."""
    return [
        f"It is not shown that there is room ({BUDGET_NAMES[verdict.budget]}). Is the score with all true masks (fdt) "
        f"better than {BASELINE}'s? {verdict.answer}. Unless it is, nothing can be seen of what unlabelled images are "
        "worth. Take fewer labelled images, more steps or more repeats."
        for verdict in found
        if (verdict.recipe, verdict.baseline) == ("fdt", BASELINE)
        and verdict.difference
        and verdict.significant is not None
        and not (verdict.significant and verdict.difference.mean > 0)
    ]


def _is_approach(recipe: str) -> bool:
    return recipe not in RECIPES or RECIPES[recipe].teachers is not None


def _against(name: str, against: Sequence[tuple[Verdict, Estimate]]) -> str:
    judged = [(verdict, difference) for verdict, difference in against if verdict.significant is not None]
    if not judged:
        return f"whether any use of unlabelled images is better than {name} cannot be told: {_lacks(against[0][1])}"
    better = [verdict for verdict, difference in judged if verdict.significant and difference.mean > 0]
    worse = [verdict for verdict, difference in judged if verdict.significant and difference.mean < 0]
    are = "is" if len(better) == 1 else "are"
    where = "" if judged[0][1].num("subject") else ", on the images that chose, for want of test images"
    return (
        f"{len(better)} of {len(judged)} uses of unlabelled images {are} shown to be better than {name}"
        f"{_listed(better)}, and {len(worse)} worse{_listed(worse)}{where}."
    )


def _lacks(difference: Estimate) -> str:
    if difference.num("repeat") < 2:
        return (
            "one training each; how much another seed would move the scores is unknown. Run with --repeats 3, better "
            "5; what is trained is kept."
        )
    return f"{why_untold(difference)}. Add test images of other subjects."


def _listed(some: Sequence[Verdict]) -> str:
    names = [approach_name(verdict) for verdict in some]
    return f" ({', '.join(names)})" if names else ""


def _least(known: Sequence[Estimate], num_repeats: int) -> str:
    """Give the reach of the median pair at Holm's strictest level; "" for one that no difference has."""
    level = SIGNIFICANCE / len(known)
    value = median(each.with_num("repeat", num_repeats).reach(level) for each in known)
    if value >= 1:
        return ""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
