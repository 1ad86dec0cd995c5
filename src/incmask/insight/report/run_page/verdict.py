"""Whether the unlabelled images helped, in sentences for people who do not train networks; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from incmask.experiment.record.stages import StageRecord
from incmask.insight.report.page import signed
from incmask.insight.report.run_page.scoring import Kind
from incmask.insight.report.statistics import Difference

_WHERE: dict[Kind, str] = {
    "val": "on the {num} validation images",
    "split": "on the {num} labelled images that were set aside",
    "folds": "on your {num} labelled images, each scored by models that were trained without it",
    "same": "on the single labelled image",
}

_LEAST_IMAGES = 6
"""Of fewer images even a difference that all of them share is chance more often than one time in 20 (2 of 2^5)."""


@dataclass(frozen=True)
class WithAndWithout:
    """Models without and with the unlabelled images, on the images that chose.

    Attributes:
        base, best: the stages: base models, and the best generation by validation.
        base_score, best_score: means over the same images, 0 to 1.
        difference: best minus base, with its interval over images.
        num_images: that both were scored on.
        num_generations: that the best was chosen from.
        kind: how these images were come by.
        chosen: name of the stage that was handed over.
        chosen_by: the scores of both sides by which it was chosen, where these are other means of the same scores.
        delivered: whether models were handed over; a run of a comparison hands over none.
    """

    base: StageRecord
    best: StageRecord
    base_score: float
    best_score: float
    difference: Difference
    num_images: int
    num_generations: int
    kind: Kind
    chosen: str
    chosen_by: tuple[float, float] | None = None
    delivered: bool = True


def headline(found: WithAndWithout) -> str:
    """Answer in a few words."""
    if found.kind == "same":
        return "Whether the unlabelled images helped cannot be told."
    if _is_enough(found) and found.difference.low > 0:
        return "Yes, the unlabelled images helped."
    if _is_enough(found) and found.difference.high < 0:
        return "No, the unlabelled images did harm."
    return "It is not shown that the unlabelled images helped."


def answer(found: WithAndWithout) -> str:
    """Answer in a sentence, with the numbers."""
    where = _WHERE[found.kind].format(num=found.num_images)
    start = (
        f"{headline(found)[:-1]}: {where}, the outlines of the models trained with the unlabelled images overlap with "
        f"yours by {found.best_score:.3f} (1 would be perfect), those of the models trained without them by "
        f"{found.base_score:.3f}"
    )
    if found.kind == "same":
        return f"{start}, but that image was trained on, so neither number means much."
    change = found.difference
    interval = f"95 % interval {signed(change.low)} to {signed(change.high)}"
    if not _is_enough(found):
        return (
            f"{start}; {found.num_images} images are too few to tell the difference of {signed(change.mean)} "
            "from chance."
        )
    if change.low > 0:
        return f"{start}; the gain of {change.mean:.3f} ({interval}) is more than chance."
    if change.high < 0:
        return f"{start}; the loss of {-change.mean:.3f} ({interval}) is more than chance."
    return f"{start}; the difference of {signed(change.mean)} ({interval}) may be chance."


def _is_enough(found: WithAndWithout) -> bool:
    return found.num_images >= _LEAST_IMAGES


def handed_over(found: WithAndWithout) -> str:
    """Say which models were handed over, and by which scores."""
    if found.chosen == found.base.name:
        models = "the models trained on the labelled images alone"
    else:
        models = f"the models trained with the unlabelled images, those of {found.best.title}"
    does = "Handed over are" if found.delivered else "Best by validation are"
    if found.chosen_by is None:
        return f"{does} therefore {models}."
    base, best = found.chosen_by
    each = "fold" if found.kind == "folds" else "tile"
    return f"{does} {models}: what counts is the mean over {each}s, {best:.3f} with them and {base:.3f} without."


def fairness(found: WithAndWithout) -> list[str]:
    """Say what else differs between the two sides, and what the interval does not know."""
    base, best = found.base, found.best
    told = []
    if base.num_steps == best.num_steps:
        told.append(f"Both sides were trained for the same number of steps, {_listed(base.num_steps)} a model.")
    else:
        told.append(
            f"The steps were not equal: {_listed(base.num_steps)} a model without the unlabelled images, "
            f"{_listed(best.num_steps)} with them. Part of the difference may come from that alone; "
            "`incmask compare DATA --equal-steps` tells the two apart."
        )
    if base.width != best.width:
        told.append(
            f"The networks of {best.title} are {'wider' if best.width > base.width else 'narrower'} "
            f"(width factor {best.width:g} instead of {base.width:g}), which may be part of the difference."
        )
    if found.num_generations > 1 and found.kind != "same":
        told.append(
            f"The best of {found.num_generations} generations was chosen on these same images, which flatters the "
            "side with the unlabelled images a little."
        )
    told.append("The interval comes from drawing the images anew; another seed of the training moves the scores, too.")
    return told


def _listed(numbers: Sequence[int]) -> str:
    return " or ".join(f"{number:,}" for number in numbers)
