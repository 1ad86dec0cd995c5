"""Cityscapes, fine labels: streets seen from a car (paper, section A.4.3 and table 2)."""

from dataclasses import dataclass
from math import ceil
from typing import Literal

from incmask.base.config import IGNORED
from incmask.base.errors import fail
from incmask.data.dataset import ClassInfo, Colour
from incmask.exchange.prepare import owners
from incmask.exchange.prepare.images import REFUSED, resized_note, resized_pairs
from incmask.exchange.prepare.plan import Count, Origin, Plan, PrepareOptions
from incmask.exchange.sources.sources import SourceTree

LABELLED_FRACTION = 0.1

ORIGIN = Origin(
    page="https://www.cityscapes-dataset.com/downloads/",
    citation=(
        "M. Cordts, M. Omran, S. Ramos, T. Rehfeld, M. Enzweiler, R. Benenson, U. Franke, S. Roth, B. Schiele: "
        "The Cityscapes Dataset for Semantic Urban Scene Understanding. CVPR 2016."
    ),
    licence=(
        "the owner's own (https://www.cityscapes-dataset.com/license/): after registration, for non-commercial "
        "purposes such as research and teaching; neither the data nor changed versions, such as this folder, may be "
        "passed on"
    ),
)

_ARCHIVES = "leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip"
_PARTS = (
    owners.OwnersPart("train", 2975, "leftImg8bit/train", "gtFine/train", _ARCHIVES, where="train"),
    owners.OwnersPart("val", 500, "leftImg8bit/val", "gtFine/val", _ARCHIVES, where="val"),
)
_ENDINGS = ("_leftImg8bit.png",), ("_gtFine_labelIds.png",)


@dataclass(frozen=True)
class StreetClass:
    """A class as its owner defines it; its id is its place in ``STREET_CLASSES``.

    Attributes:
        name: the owner's.
        colour: the owner's, RGB.
        is_trained: it is one of the 19 that the owner's benchmark scores; their ids count these alone.
    """

    name: str
    colour: Colour
    is_trained: bool = True


STREET_CLASSES = (
    StreetClass("unlabeled", (0, 0, 0), False),
    StreetClass("ego vehicle", (0, 0, 0), False),
    StreetClass("rectification border", (0, 0, 0), False),
    StreetClass("out of roi", (0, 0, 0), False),
    StreetClass("static", (0, 0, 0), False),
    StreetClass("dynamic", (111, 74, 0), False),
    StreetClass("ground", (81, 0, 81), False),
    StreetClass("road", (128, 64, 128)),
    StreetClass("sidewalk", (244, 35, 232)),
    StreetClass("parking", (250, 170, 160), False),
    StreetClass("rail track", (230, 150, 140), False),
    StreetClass("building", (70, 70, 70)),
    StreetClass("wall", (102, 102, 156)),
    StreetClass("fence", (190, 153, 153)),
    StreetClass("guard rail", (180, 165, 180), False),
    StreetClass("bridge", (150, 100, 100), False),
    StreetClass("tunnel", (150, 120, 90), False),
    StreetClass("pole", (153, 153, 153)),
    StreetClass("polegroup", (153, 153, 153), False),
    StreetClass("traffic light", (250, 170, 30)),
    StreetClass("traffic sign", (220, 220, 0)),
    StreetClass("vegetation", (107, 142, 35)),
    StreetClass("terrain", (152, 251, 152)),
    StreetClass("sky", (70, 130, 180)),
    StreetClass("person", (220, 20, 60)),
    StreetClass("rider", (255, 0, 0)),
    StreetClass("car", (0, 0, 142)),
    StreetClass("truck", (0, 0, 70)),
    StreetClass("bus", (0, 60, 100)),
    StreetClass("caravan", (0, 0, 90), False),
    StreetClass("trailer", (0, 0, 110), False),
    StreetClass("train", (0, 80, 100)),
    StreetClass("motorcycle", (0, 0, 230)),
    StreetClass("bicycle", (119, 11, 32)),
)
"""By id, 0 to 33."""


def scaled_size(height: int, width: int) -> tuple[int, int]:
    """Give a fifth of a size, cut to whole pixels, then raised to the next multiple of 16 (method: data sets)."""
    return ceil(height // 5 / 16) * 16, ceil(width // 5 / 16) * 16


SIZE = scaled_size(1024, 2048)
"""All images have 1024×2048 pixels; copies that somebody made smaller come to the same size."""


@dataclass(frozen=True)
class Coding:
    """What the values of the masks become.

    Attributes:
        classes: with the ids that are written.
        ids: as those of ``images.resized``.
    """

    classes: tuple[ClassInfo, ...]
    ids: bytes


def coding(which: Literal["all", "train"]) -> Coding:
    """Give all 34 ids, or the 19 of the owner's benchmark with everything else ignored.

    Licence plates have the id −1, which a byte holds as 255: without a label, as id 0 is.
    """
    kept = [value for value, info in enumerate(STREET_CLASSES) if which == "all" or info.is_trained]
    ids = [IGNORED] * len(STREET_CLASSES) + [REFUSED] * (256 - len(STREET_CLASSES))
    ids[255] = 0 if which == "all" else IGNORED
    for class_id, value in enumerate(kept):
        ids[value] = class_id
    return Coding(
        tuple(ClassInfo(STREET_CLASSES[value].name, STREET_CLASSES[value].colour, ids[value]) for value in kept),
        bytes(ids),
    )


def plan(source: SourceTree, options: PrepareOptions) -> Plan:
    """Plan the data folder: of the training images 297 labelled and 2678 unlabelled; of val 250 each for val and test.

    Images and masks are resized to 208×416. A tenth of the training images, rounded down, is labelled. The owner's
    own test part is not read, since its labels are not public.

    Raises:
        IncmaskError: a folder lacks, images or masks have no counterpart, or there are too few.
    """
    training, held_out = pairs = owners.find_pairs(source, _PARTS, _ENDINGS, page=ORIGIN.page)
    labelled, unlabelled = owners.divide(training, LABELLED_FRACTION, seed=options.seed, rounding="floor")
    val, test = owners.divide(held_out, 0.5, seed=options.seed, rounding="floor")
    if not labelled or not val:
        what = f"{len(training)} images in train and {len(held_out)} in val; 10 and 2 are the fewest that can be split"
        raise fail("leftImg8bit", what, "unpack or download the set again")
    coded = coding(options.ids)
    works = resized_pairs(
        {"labelled": labelled, "unlabelled": unlabelled, "val": val, "test": test},
        size=SIZE,
        paper=options.paper,
        ids=coded.ids,
    )
    other_classes = "" if options.ids == "all" else "the paper learns all 34 ids"
    return Plan(
        title="Cityscapes",
        task="multiclass",
        classes=coded.classes,
        works=works,
        sources=tuple(place for work in works for place in work.places),
        profile="cityscapes",
        settings=owners.paper_settings(SIZE, quality_band=(0.372, 0.453)),
        counts=(
            Count("training images", len(training), 2975),
            Count("labelled", len(labelled), 297),
            Count("unlabelled", len(unlabelled), 2678),
            Count("val", len(val), 250),
            Count("test", len(test), 250),
            Count("classes", len(coded.classes), 34, other_classes),
        ),
        origin=ORIGIN,
        ignored=options.ids == "train",
        notes=(
            resized_note(SIZE, paper=options.paper),
            "val and test are halves of the owner's val, since the labels of the owner's test are not public",
            *owners.incomplete(_PARTS, pairs),
        ),
    )
