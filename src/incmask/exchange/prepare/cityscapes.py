"""Cityscapes, fine labels: streets seen from a car (paper, section A.4.3 and table 2)."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

from incmask.base.config import IGNORED
from incmask.base.errors import fail
from incmask.data.dataset import ClassInfo
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


STREET_CLASSES = (
    ClassInfo("unlabeled", (0, 0, 0), 0),
    ClassInfo("ego vehicle", (0, 0, 0), 1),
    ClassInfo("rectification border", (0, 0, 0), 2),
    ClassInfo("out of roi", (0, 0, 0), 3),
    ClassInfo("static", (0, 0, 0), 4),
    ClassInfo("dynamic", (111, 74, 0), 5),
    ClassInfo("ground", (81, 0, 81), 6),
    ClassInfo("road", (128, 64, 128), 7),
    ClassInfo("sidewalk", (244, 35, 232), 8),
    ClassInfo("parking", (250, 170, 160), 9),
    ClassInfo("rail track", (230, 150, 140), 10),
    ClassInfo("building", (70, 70, 70), 11),
    ClassInfo("wall", (102, 102, 156), 12),
    ClassInfo("fence", (190, 153, 153), 13),
    ClassInfo("guard rail", (180, 165, 180), 14),
    ClassInfo("bridge", (150, 100, 100), 15),
    ClassInfo("tunnel", (150, 120, 90), 16),
    ClassInfo("pole", (153, 153, 153), 17),
    ClassInfo("polegroup", (153, 153, 153), 18),
    ClassInfo("traffic light", (250, 170, 30), 19),
    ClassInfo("traffic sign", (220, 220, 0), 20),
    ClassInfo("vegetation", (107, 142, 35), 21),
    ClassInfo("terrain", (152, 251, 152), 22),
    ClassInfo("sky", (70, 130, 180), 23),
    ClassInfo("person", (220, 20, 60), 24),
    ClassInfo("rider", (255, 0, 0), 25),
    ClassInfo("car", (0, 0, 142), 26),
    ClassInfo("truck", (0, 0, 70), 27),
    ClassInfo("bus", (0, 60, 100), 28),
    ClassInfo("caravan", (0, 0, 90), 29),
    ClassInfo("trailer", (0, 0, 110), 30),
    ClassInfo("train", (0, 80, 100), 31),
    ClassInfo("motorcycle", (0, 0, 230), 32),
    ClassInfo("bicycle", (119, 11, 32), 33),
)
"""With the owner's names, colours and ids."""

TRAINED_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Of the 19 classes that the owner's benchmark scores; their own ids count these alone."""


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
    kept = range(len(STREET_CLASSES)) if which == "all" else TRAINED_IDS
    ids = [IGNORED] * len(STREET_CLASSES) + [REFUSED] * (256 - len(STREET_CLASSES))
    ids[255] = 0 if which == "all" else IGNORED
    for class_id, value in enumerate(kept):
        ids[value] = class_id
    return Coding(tuple(replace(STREET_CLASSES[value], value=ids[value]) for value in kept), bytes(ids))


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
