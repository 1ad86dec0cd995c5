"""What a person may choose when a downloaded data set is prepared."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PrepareOptions:
    """The choices, for all kinds of data sets; a kind ignores those it does not know.

    Attributes:
        paper: do what the paper did, even where that is worse.
        ids: of Cityscapes: "all" 34 ids, or the 19 that are usually "train"ed, the rest ignored.
        group_split: of HeLa: crops of one frame stay together.
        seed: of everything random.
        layout: of a person's own folder: how images and masks lie in it; None: find out.
        group: of a person's own folder: a regular expression whose first group, or else whole match, in an image's
            name tells what must stay together (a patient, slide or movie); None: each image for itself.
        val_fraction: of a person's own folder: share of the groups for validation, 0 to 1.
        test_fraction: of a person's own folder: share of the groups for the test, 0 to 1.
        labelled_fraction: of a person's own folder: share of the rest whose masks are learnt from, 0 to 1.
    """

    paper: bool = False
    ids: Literal["all", "train"] = "all"
    group_split: bool = True
    seed: int = 42
    layout: str | None = None
    group: str | None = None
    val_fraction: float = 0.1
    test_fraction: float = 0.1
    labelled_fraction: float = 1.0
