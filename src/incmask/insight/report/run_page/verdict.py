"""Whether the unlabelled images helped, in sentences for people who do not train networks; pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from incmask.base.words import counted
from incmask.experiment.record.stages import StageRecord
from incmask.insight.report.differences import LEAST_SUBJECTS, Estimate, can_tell
from incmask.insight.report.page import signed
from incmask.insight.report.run_page.scoring import Kind, part_name
from incmask.insight.report.statistics import SIGNIFICANCE, interval_within

_IMAGES: dict[Kind, str] = {
    "test": "{images}",
    "val": "{images}",
    "split": "{images}, set aside for this",
    "folds": "{images}, each by the models that were trained without it",
    "same": "the single labelled image",
}


@dataclass(frozen=True)
class WithAndWithout:
    """Models without and with the unlabelled images.

    What is compared are single models, each trained with a seed of its own: the mean of all of a stage.

    Attributes:
        base, best: the stages: base models, and the best generation by validation.
        score_name: such as "IoU" or "mIoU".
        base_score, best_score: means over models and subjects, 0 to 1.
        difference: best minus base.
        num_images, num_subjects: that they were scored on.
        num_unlabelled: images.
        num_generations: that the best was chosen from.
        kind: how these images were come by.
        chosen: name of the stage that was handed over.
        chosen_by: the scores of both sides by which it was chosen.
        steps_in_all: of all models that either side needs: the base models; these and all generations.
        together: scores of both sides' members together, on the same images; None where none could be taken.
        of_these: difference of these, for other images alone: what chance had in training them it does not know.
        delivered: whether models were handed over; a run of a comparison hands over none.
        is_warm: the base models began with those of an earlier round.
        is_of_classes: not of numbers.
        is_taught: students learnt from pseudo-labels, of which teachers of all folds made some.
    """

    base: StageRecord
    best: StageRecord
    score_name: str
    base_score: float
    best_score: float
    difference: Estimate
    num_images: int
    num_subjects: int
    num_unlabelled: int
    num_generations: int
    kind: Kind
    chosen: str
    chosen_by: tuple[float, float]
    steps_in_all: tuple[int, int]
    together: tuple[float, float] | None = None
    of_these: Estimate | None = None
    delivered: bool = True
    is_warm: bool = False
    is_of_classes: bool = True
    is_taught: bool = True

    @property
    def reach(self) -> float:
        """Half the width of the difference's 95 % interval; nan where something lacks that would carry one.

        The best generation of several, chosen on the same images, may miss as often as any of them (Bonferroni).
        """
        return math.nan if self.lacks else self.difference.reach(self._level)

    @property
    def _level(self) -> float:
        return SIGNIFICANCE / (1 if self.kind == "test" else self.num_generations)

    @property
    def ends_of_these(self) -> tuple[float, float]:
        """Ends of the interval of ``of_these``, made in the same way; nan where there is none."""
        if self.of_these is None or self.unfairness or self.num_subjects < LEAST_SUBJECTS:
            return math.nan, math.nan
        return self.of_these.ends(self._level)

    @property
    def low(self) -> float:
        """Lower end of that interval."""
        return interval_within(self.difference.bounds, self.difference.mean, self.reach)[0]

    @property
    def high(self) -> float:
        """Upper end of it."""
        return interval_within(self.difference.bounds, self.difference.mean, self.reach)[1]

    @property
    def unfairness(self) -> str:
        """Why the two sides cannot be compared; "" where they can."""
        if self.kind == "same":
            return "that image was trained on, so neither number means much"
        if self.kind == "folds" and self.is_taught:
            return (
                "the models with them learnt from pseudo-labels of teachers that had been trained on these images; "
                f"{LEAST_SUBJECTS} others or more in val/ or test/ can tell it"
            )
        if self.is_warm and not any(self.best.num_inherited):
            return (
                f"the models without them began with those of an earlier round{_inherited(self.base)}, the models with "
                "them did not; in a run with `--fresh` both begin alike"
            )
        if any(self.best.num_inherited) and self.best.total_steps > self.base.total_steps:
            return (
                f"the models with them were trained for longer, {self.best.total_steps:,} steps with those in the "
                f"weights that they began with, and not {self.base.total_steps:,}"
            )
        return ""

    @property
    def lacks(self) -> str:
        """What lacks for an answer; "" where nothing does."""
        if self.unfairness:
            return self.unfairness
        if self.num_subjects < LEAST_SUBJECTS:
            return f"{counted(self.num_subjects, _unit(self))} are too few to tell this from chance"
        if not can_tell(self.difference):
            return (
                "of one training on a side it is unknown how much another seed would move it; with "
                "`--set num_base=3 --set num_students=3` or more it can be told"
            )
        return ""


def headline(found: WithAndWithout) -> str:
    """Answer in a few words: of any such training, or else of the models that this run trained."""
    if found.low > 0:
        return "Yes, the unlabelled images helped."
    if found.high < 0:
        return "No, the unlabelled images did harm."
    low, high = found.ends_of_these
    if low > 0 or high < 0:
        which = "better" if low > 0 else "worse"
        return f"These models are {which} with the unlabelled images; whether others would be is not shown."
    if found.lacks:
        return "Whether the unlabelled images helped cannot be told."
    return "It is not shown that the unlabelled images helped."


def answer(found: WithAndWithout) -> str:
    """Answer with the numbers."""
    images = _IMAGES[found.kind].format(images=counted(found.num_images, f"{part_name(found.kind)} image"))
    if found.num_subjects < found.num_images:
        images += f" from {counted(found.num_subjects, 'subject')}"
    if not math.isnan(found.reach):
        images = f"95 % interval {signed(found.low)} to {signed(found.high)}; {images}"
    trainings = f"{counted(len(found.best.students), 'training')} with them, {len(found.base.students)} without"
    numbers = (
        f"{signed(found.difference.mean)} {found.score_name} from {counted(found.num_unlabelled, 'unlabelled image')} "
        f"({images}; {trainings})"
    )
    return f"{headline(found)[:-1]}: {numbers}{_rest(found)}.{_of_these(found)}"


def _of_these(found: WithAndWithout) -> str:
    """Say what is known of the models that are there, whatever others would have come to."""
    low, high = found.ends_of_these
    if found.of_these is None or math.isnan(low):
        return ""
    return (
        f" The models of this run, the members together: {signed(found.of_these.mean)} {found.score_name} "
        f"(95 % interval {signed(low)} to {signed(high)} for other images of the kind, with these very models)."
    )


def means(found: WithAndWithout) -> str:
    """Say what the numbers are."""
    if not found.is_of_classes:
        return (
            f"{found.score_name} of a model that was trained with them is {found.best_score:.3f} on the mean (1 would "
            f"be perfect), that of one that was trained without them {found.base_score:.3f}."
        )
    return (
        f"The outlines of a model that was trained with them overlap with yours by {found.best_score:.3f} on the mean "
        f"(1 would be perfect), those of one that was trained without them by {found.base_score:.3f}."
    )


def _rest(found: WithAndWithout) -> str:
    if found.lacks:
        return f"; {found.lacks}"
    if found.low > 0 or found.high < 0:
        return ", which is more than chance"
    what = f"less than about {found.reach:.3f} cannot" if found.reach < 1 else "no difference can"
    return f", which may be chance; {what} be seen with so few trainings and images"


def handed_over(found: WithAndWithout) -> str:
    """Say which models were handed over, and by which scores."""
    is_base = not found.chosen.startswith("gen-")
    models = (
        "the models trained on the labelled images alone"
        if is_base
        else f"the models trained with the unlabelled images, those of {found.best.title}"
    )
    does = "Handed over are" if found.delivered else "Best by validation are"
    if not found.lacks and (found.low > 0 if is_base else found.high < 0):
        does = f"All the same, {does[0].lower()}{does[1:]}"
    base, best = found.chosen_by
    what = "the mean over folds" if found.kind == "folds" else "the members together on validation"
    text = f"{does} {models}. What counts is {what}: {best:.3f} with the unlabelled images, {base:.3f} without."
    if found.together and found.kind == "test":
        text += f" On the test images these members reach {found.together[1]:.3f} and {found.together[0]:.3f}."
    return text


def fairness(found: WithAndWithout) -> list[str]:
    """Say what else differs between the two sides, and what the interval does not know."""
    base, best = found.base, found.best
    told = [_steps_taken(found)]
    if base.width and best.width and base.width != best.width:
        told.append(
            f"The networks of {best.title} are {'wider' if best.width > base.width else 'narrower'} "
            f"(width factor {best.width:g} instead of {base.width:g}), which may be part of the difference."
        )
    if found.num_generations > 1 and found.kind not in ("same", "test"):
        told.append(
            f"The best of {found.num_generations} generations was chosen on these same images; the interval is wider "
            "for that."
        )
    told.append(
        f"The interval knows of other subjects, and of other seeds of each training. All models of {best.title} learnt "
        "from the same pseudo-labels, though: what other base models and their pseudo-labels would change, only "
        "`incmask compare DATA --repeats 3` tells."
    )
    return told


def _steps_taken(found: WithAndWithout) -> str:
    without, with_them = found.steps_in_all
    in_all = f"In all it took {without:,} steps without the unlabelled images, {with_them:,} with them."
    steps = found.base.total_steps
    if steps == found.best.total_steps and any(found.best.num_inherited):
        return f"Both sides took {steps:,} steps a model, with those in the weights that they began with. {in_all}"
    base, best = (f"{_listed(stage.num_steps)} a model{_inherited(stage)}" for stage in (found.base, found.best))
    if base == best:
        return f"Both sides were trained for the same number of steps, {base}. {in_all}"
    return (
        f"The steps were not equal: {base} without the unlabelled images, {best} with them. Part of the difference may "
        f"come from that alone; `incmask compare DATA --equal-steps` tells the two apart. {in_all}"
    )


def _inherited(stage: StageRecord) -> str:
    """Say how many steps were in the weights that the models of a stage began with; nothing of new weights."""
    return (
        f", after {_listed(stage.num_inherited)} steps in the weights that it began with"
        if any(stage.num_inherited)
        else ""
    )


def _unit(found: WithAndWithout) -> str:
    return "image" if found.num_subjects == found.num_images else "subject"


def _listed(numbers: Sequence[int]) -> str:
    return " or ".join(f"{number:,}" for number in numbers)
