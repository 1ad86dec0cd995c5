"""The approaches as values, no logic (paper sections 2.3 and 2.4)."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Vote:
    """Pseudo-labels from the votes of the best ``num_members`` teachers.

    Attributes:
        soft: mean probability where more than one class can be meant (multilabel, multiclass);
            a binary task always takes unanimity (paper section 2.2). False: unanimity for all.
    """

    soft: bool = False


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
        labelled: the labelled part: as it is, as it is plus 9 augmented copies, or, for a benchmark,
            the unlabelled images too with their true masks.
        teachers: the recipe whose models label first; None: this is a base recipe without pseudo-labels.
        labeller: how teachers make pseudo-labels.
        blocking: what is done to disputed pixels; None: nothing.
        augment: pseudo-labelled images are augmented not at all or more strongly each generation.
        width: networks keep their width or get wider each generation.
    """

    title: str
    labelled: Literal["plain", "augmented", "full"] = "plain"
    teachers: str | None = None
    labeller: Vote | None = None
    blocking: Blocking | None = None
    augment: Literal["none", "growing"] = "none"
    width: Literal["fixed", "growing"] = "fixed"


_MODEL_ENSEMBLE = Recipe("model ensemble", teachers="ldt", labeller=Vote(soft=True))
_IM = Recipe("inconsistency masks", teachers="ldt", labeller=Vote(), blocking=Blocking())

RECIPES: dict[str, Recipe] = {
    "ldt": Recipe("labelled images alone"),
    "aldt": Recipe("labelled images with augmented copies", labelled="augmented"),
    "fdt": Recipe("all images with their true masks", labelled="full"),
    "me": _MODEL_ENSEMBLE,
    "im": _IM,
    "im+": replace(_IM, title="inconsistency masks, growing", augment="growing", width="growing"),
}
"""The approaches by name."""
