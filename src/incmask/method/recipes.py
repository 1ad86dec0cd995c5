"""The approaches as values, no logic (paper sections 2.3 and 2.4)."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Vote:
    """Pseudo-labels from votes.

    Attributes:
        teachers: the best ``num_members`` models vote, or the best one alone.
        views: each teacher votes once, or on ``num_views`` changed versions of the image (section 2.4.2).
        soft: mean probability where more than one class can be meant (multilabel, multiclass);
            a binary task always takes unanimity (paper section 2.2). False: unanimity for all.
    """

    teachers: Literal["several", "best"] = "several"
    views: Literal["one", "several"] = "one"
    soft: bool = False


@dataclass(frozen=True)
class BestCandidate:
    """The best of all teachers' masks, by the EvalNets' rating, if that is high enough (section 2.4.5).

    Attributes:
        least_steps: an epoch has at least this share of the steps that all images with true masks would take.
    """

    least_steps: float = 1 / 3


@dataclass(frozen=True)
class EvalNets:
    """Networks that rate a mask without knowing the true one (section 2.4.5).

    Attributes:
        examples_from: base recipes whose models' masks they learn from.
        blocked: learn from pairs with inconsistency masks, as they are to rate.
    """

    examples_from: tuple[str, ...]
    blocked: bool = False


@dataclass(frozen=True)
class Blocking:
    """What happens to pixels on which the members disagree (paper section 2.4.6).

    Attributes:
        image: they turn 0 in the image.
        label: they turn 0 in the label: background, or for multiclass the masked class.
        in_loss: they count in the loss; False leaves them out of it.
    """

    image: bool = True
    label: bool = True
    in_loss: bool = True


@dataclass(frozen=True)
class Recipe:
    """One approach.

    Attributes:
        title: its name for people.
        labelled: the labelled part: as it is; as it is plus 9 augmented copies; or, for a benchmark, the
            unlabelled images too with their true masks. "strong" is the baseline to beat: augmented anew at each
            step, trained as the default preset trains and for as many steps as with all true masks.
        teachers: the recipe whose models label first; None: this is a base recipe without pseudo-labels.
        objective: students learn from labels, or from labels and from predicting the same for two views of an
            unlabelled image, beginning with the best teacher's weights (section 2.4.3).
        labeller: how teachers make pseudo-labels.
        blocking: what is done to disputed pixels; None: nothing.
        augment: pseudo-labelled images are augmented not at all or more strongly each generation.
        keep_plain: beside an augmented pseudo-labelled image, it is used as it is, too.
        width: networks keep their width or get wider each generation.
        copies: a pseudo-labelled pair is used once, or up to 5 times by its quality: as the EvalNets rate it, or
            as it is (section 3.8).
        evalnets: how they are trained where ``labeller`` or ``copies`` asks for them.
    """

    title: str
    labelled: Literal["plain", "augmented", "full", "strong"] = "plain"
    teachers: str | None = None
    objective: Literal["labels", "consistency"] = "labels"
    labeller: Vote | BestCandidate | None = None
    blocking: Blocking | None = None
    augment: Literal["none", "growing"] = "none"
    keep_plain: bool = False
    width: Literal["fixed", "growing"] = "fixed"
    copies: Literal["one", "by_quality", "by_true_quality"] = "one"
    evalnets: EvalNets | None = None

    @property
    def needs_truth(self) -> bool:
        """Whether it takes the true masks of the unlabelled images."""
        return self.labelled == "full" or self.copies == "by_true_quality"

    @property
    def bases(self) -> tuple[str, ...]:
        """Base recipes whose models it starts from, teachers first; none for a base recipe."""
        others = self.evalnets.examples_from if self.evalnets else ()
        return tuple(dict.fromkeys((self.teachers, *others))) if self.teachers else ()


_MODEL_ENSEMBLE = Recipe("model ensemble", teachers="ldt", labeller=Vote(soft=True))
_NOISY_STUDENT = Recipe(
    "noisy student", teachers="ldt", labeller=Vote(teachers="best"), augment="growing", width="growing"
)
_IM = Recipe("inconsistency masks", teachers="ldt", labeller=Vote(), blocking=Blocking())
_IM_PLUS = replace(_IM, title="inconsistency masks, growing", augment="growing", width="growing")
_IM_PLUS_PLUS = replace(
    _IM_PLUS,
    title="inconsistency masks, growing, weighted by quality",
    copies="by_quality",
    evalnets=EvalNets(("ldt",), blocked=True),
)
_AIM_PLUS = replace(
    _IM_PLUS,
    title="augmented inconsistency masks, growing",
    teachers="aldt",
    labelled="augmented",
    keep_plain=True,
)

RECIPES: dict[str, Recipe] = {
    "ldt": Recipe("labelled images alone"),
    "strong-ldt": Recipe("labelled images alone, trained as well as we can", labelled="strong"),
    "aldt": Recipe("labelled images with augmented copies", labelled="augmented"),
    "fdt": Recipe("all images with their true masks", labelled="full"),
    "me": _MODEL_ENSEMBLE,
    "ie": Recipe("input ensemble", teachers="ldt", labeller=Vote(teachers="best", views="several", soft=True)),
    "cl": Recipe("consistency loss", teachers="ldt", objective="consistency"),
    "ns": _NOISY_STUDENT,
    "evalnet": Recipe(
        "best candidate by EvalNets", teachers="ldt", labeller=BestCandidate(), evalnets=EvalNets(("ldt", "aldt"))
    ),
    "im": _IM,
    "im+": _IM_PLUS,
    "im++": _IM_PLUS_PLUS,
    "aim+": _AIM_PLUS,
    "aim++": replace(
        _AIM_PLUS,
        title="augmented inconsistency masks, growing, weighted by quality",
        copies="by_quality",
        evalnets=EvalNets(("aldt",), blocked=True),
    ),
    "gt-im++": replace(
        _IM_PLUS_PLUS,
        title="inconsistency masks, growing, weighted by true quality",
        copies="by_true_quality",
        evalnets=None,
    ),
}
"""The approaches by name."""
