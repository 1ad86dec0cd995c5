"""ISIC 2018, lesion segmentation: skin lesions seen through a dermatoscope (paper, section A.4.1 and table 2)."""

from incmask.base.errors import fail
from incmask.data.dataset import ClassInfo
from incmask.exchange.prepare import owners
from incmask.exchange.prepare.images import REFUSED, resized_note, resized_pairs
from incmask.exchange.prepare.plan import Count, Origin, Plan, PrepareOptions
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


def _part(name: str, num_images: int) -> owners.OwnersPart:
    images, masks = f"ISIC2018_Task1-2_{name}_Input", f"ISIC2018_Task1_{name}_GroundTruth"
    return owners.OwnersPart(name, num_images, images, masks, (f"{images}.zip", f"{masks}.zip"), where=images)


_PARTS = (_part("Training", 2594), _part("Validation", 100), _part("Test", 1000))
_ENDINGS = (".jpg", ".jpeg"), ("_segmentation.png",)

# 0 is skin and 255 lesion. Greys, from a mask that somebody resized, go to the nearer; but masks of 0 and 1 would
# all come out empty.
_IDS = bytes([0, REFUSED, *[0] * 126, *[1] * 128])


def plan(source: SourceTree, options: PrepareOptions) -> Plan:
    """Plan the data folder: 259 labelled and 2335 unlabelled images, 100 for validation, 1000 for the test.

    Images and masks are resized to 256×256. A tenth of the training images, rounded down, is labelled.

    Raises:
        IncmaskError: a folder lacks, images or masks have no counterpart, or there are too few.
    """
    training, val, test = pairs = owners.find_pairs(source, _PARTS, _ENDINGS, page=ORIGIN.page)
    labelled, unlabelled = owners.divide(training, LABELLED_FRACTION, seed=options.seed, rounding="floor")
    if not labelled:
        what = f"holds {len(training)} images; of fewer than 10 none is labelled"
        raise fail(_PARTS[0].where, what, "download it again")
    works = resized_pairs(
        {"labelled": labelled, "unlabelled": unlabelled, "val": val, "test": test},
        size=SIZE,
        paper=options.paper,
        ids=_IDS,
    )
    contradiction = "" if len(training) != 2594 else "2594 − 259 = 2335: the paper's table contradicts itself"
    return Plan(
        title="ISIC 2018",
        task="binary",
        classes=(ClassInfo("lesion", (255, 255, 255), 255),),
        works=works,
        sources=tuple(place for work in works for place in work.places),
        profile="isic2018",
        settings=owners.paper_settings(SIZE, width=0.5, quality_band=(0.72, 0.75), evalnet_width=1.0),
        counts=(
            Count("training images", len(training), 2594),
            Count("labelled", len(labelled), 259),
            Count("unlabelled", len(unlabelled), 2332, contradiction),
            Count("val", len(val), 100),
            Count("test", len(test), 1000),
        ),
        origin=ORIGIN,
        notes=(resized_note(SIZE, paper=options.paper), *owners.incomplete(_PARTS, pairs)),
    )
