"""ISIC 2018, lesion segmentation: skin lesions seen through a dermatoscope (paper, section A.4.1 and table 2)."""

from incmask.base.errors import fail
from incmask.data.dataset import ClassInfo
from incmask.exchange.prepare.images import (
    REFUSED,
    PairWork,
    SourcePair,
    Wanted,
    by_stem,
    incomplete,
    pair_up,
    pick,
    require_all,
)
from incmask.exchange.prepare.options import PrepareOptions
from incmask.exchange.prepare.plan import Count, Destination, Origin, PartName, Plan
from incmask.exchange.sources.sources import SourceTree

SIZE = (256, 256)
LABELLED_FRACTION = 0.1

ORIGIN = Origin(
    page="https://challenge.isic-archive.com/data/#2018",
    citation=(
        "N. Codella, V. Rotemberg, P. Tschandl, M. E. Celebi, S. Dusza, D. Gutman, B. Helba, A. Kalloo, K. Liopyris, "
        "M. Marchetti, H. Kittler, A. Halpern: Skin Lesion Analysis Toward Melanoma Detection 2018: A Challenge Hosted "
        "by the International Skin Imaging Collaboration (ISIC). arXiv:1902.03368. "
        "P. Tschandl, C. Rosendahl, H. Kittler: The HAM10000 dataset, a large collection of multi-source dermatoscopic "
        "images of common pigmented skin lesions. Scientific Data 5, 180161, 2018."
    ),
    licence=(
        "Creative Commons; the LICENSE.txt in each archive decides: CC-0 is free for any use, CC BY-NC 4.0 asks for "
        "attribution and forbids commercial use"
    ),
)

_IMAGES, _MASKS = "ISIC2018_Task1-2_{}_Input", "ISIC2018_Task1_{}_GroundTruth"
_DISTRIBUTED = {"Training": 2594, "Validation": 100, "Test": 1000}

# 0 is skin and 255 lesion. Greys, from a mask that somebody resized, go to the nearer; but masks of 0 and 1 would
# all come out empty.
_IDS = bytes([0, REFUSED, *[0] * 126, *[1] * 128])


def plan(source: SourceTree, options: PrepareOptions) -> Plan:
    """Plan the data folder: 259 labelled and 2335 unlabelled images, 100 for validation, 1000 for the test.

    Images and masks are resized to 256×256. A tenth of the training images, rounded down, is labelled.

    Raises:
        IncmaskError: a folder lacks, images or masks have no counterpart, or there are too few.
    """
    folders = [folder.format(part) for part in _DISTRIBUTED for folder in (_IMAGES, _MASKS)]
    found = require_all(source, [Wanted((name,), f"{name}.zip") for name in folders], page=ORIGIN.page)
    pairs = [
        pair_up(by_stem(images, (".jpg", ".jpeg")), by_stem(masks, ("_segmentation.png",)), where=name)
        for images, masks, name in zip(found[::2], found[1::2], folders[::2], strict=True)
    ]
    training, val, test = pairs
    picked = pick(training, LABELLED_FRACTION, seed=options.seed, rounding="floor")
    if not picked.chosen:
        raise fail(folders[0], f"holds {len(training)} images; of fewer than 10 none is labelled", "download it again")

    def work(part: PartName, name: str, pair: SourcePair) -> PairWork:
        return PairWork(Destination(part, name), pair, size=SIZE, area=not options.paper, ids=_IDS)

    works = (
        *(work("labelled", name, training[name]) for name in picked.chosen),
        *(work("unlabelled", name, training[name]) for name in picked.rest),
        *(work("val", name, pair) for name, pair in val.items()),
        *(work("test", name, pair) for name, pair in test.items()),
    )
    contradiction = "" if len(training) != 2594 else "2594 − 259 = 2335: the paper's table contradicts itself"
    return Plan(
        title="ISIC 2018",
        task="binary",
        classes=(ClassInfo("lesion", (255, 255, 255), 255),),
        works=works,
        sources=tuple(work.place for work in works),
        profile="isic2018",
        settings={
            "size": list(SIZE),
            "width": 0.5,
            "width_step": 0.25,
            "erode_px": 0,
            "dilate_px": 0,
            "quality_band": [0.72, 0.75],
            "evalnet_width": 1.0,
        },
        counts=(
            Count("training images", len(training), 2594),
            Count("labelled", len(picked.chosen), 259),
            Count("unlabelled", len(picked.rest), 2332, contradiction),
            Count("val", len(val), 100),
            Count("test", len(test), 1000),
        ),
        origin=ORIGIN,
        notes=(
            f"resized to 256×256: images {'bilinearly' if options.paper else 'by area'}, masks to the nearest pixel",
            *incomplete(_DISTRIBUTED, pairs),
        ),
    )
