"""SUIM: what lives and lies under water (paper, section A.4.2 and table 2)."""

import io
import warnings
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
from PIL import Image

from incmask.base.described import callable_by_job
from incmask.base.errors import IncmaskError, fail
from incmask.base.words import are
from incmask.data.dataset import ClassInfo, PartName
from incmask.data.images.tiles import Window, cut
from incmask.exchange.prepare import owners
from incmask.exchange.prepare.images import SourcePair, read_rgb, resize_image, resize_label
from incmask.exchange.prepare.plan import Count, Destination, Example, Origin, Plan, PrepareOptions, Work
from incmask.exchange.sources.archives import SourceFile
from incmask.exchange.sources.sources import SourceTree

SIZE = (256, 256)
CROPS_PER_IMAGE = 2
_LEAST_SIDE_PX, _MOST_SIDE_PX = 256, 512
VAL_FRACTION = LABELLED_FRACTION = 0.1

ORIGIN = Origin(
    page="https://irvlab.cs.umn.edu/resources/suim-dataset",
    citation=(
        "M. J. Islam, C. Edge, Y. Xiao, P. Luo, M. Mehtaz, C. Morse, S. S. Enan, J. Sattar: Semantic Segmentation of "
        "Underwater Imagery: Dataset and Benchmark. IEEE/RSJ International Conference on Intelligent Robots and "
        "Systems (IROS), 2020."
    ),
    licence=(
        "the owner's page decides; the repository that belongs to the paper (https://github.com/xahidbuffon/SUIM) is "
        "under the MIT licence, which asks to keep its notice"
    ),
)

_NAMES = ("water", "diver", "plants", "wrecks", "robots", "reefs", "fish", "sea-floor")

CLASSES = tuple(
    ClassInfo(name, (class_id // 4 * 255, class_id // 2 % 2 * 255, class_id % 2 * 255), class_id)
    for class_id, name in enumerate(_NAMES)
)
"""The bits of an id are red, green and blue."""

_PARTS = (
    owners.OwnersPart("train_val", 1525, "train_val/images", "train_val/masks", ("train_val.zip",) * 2, "train_val"),
    owners.OwnersPart("TEST", 110, "TEST/images", "TEST/masks", ("TEST.zip",) * 2, "TEST"),
)
_ENDINGS = (".jpg", ".jpeg"), (".bmp",)

# Some of the owner's masks were drawn on a copy of the image with other proportions, such as 590×430 for 590×375.
# Beyond this factor it is taken to be the mask of another image.
_MOST_STRETCHED = 1.25


def random_crops(name: str, height: int, width: int, *, count: int, seed: int) -> tuple[Window, ...]:
    """Draw square crops of an image (method: data sets, SUIM), always the same for a name, a size and a seed.

    The side is uniform in [256, min(512, longest side)). Where the image is not as high and wide as that, or has no
    side beyond 256 pixels, the crop is the whole image.

    Args:
        name: of the image; each draws for itself, so that the order of the work does not matter.
        height: rows of the image.
        width: its columns.
        count: of the crops.
        seed: 0 or more.
    """
    random = np.random.default_rng([seed, *name.encode()])
    return tuple(_random_crop(random, height, width) for _ in range(count))


def _random_crop(random: np.random.Generator, height: int, width: int) -> Window:
    limit_px = min(_MOST_SIDE_PX, max(height, width))
    if limit_px <= _LEAST_SIDE_PX:
        return Window(0, 0, height, width)
    side_px = int(random.integers(_LEAST_SIDE_PX, limit_px))
    if side_px > min(height, width):
        return Window(0, 0, height, width)
    top, left = (int(random.integers(0, length - side_px, endpoint=True)) for length in (height, width))
    return Window(top, left, side_px, side_px)


@callable_by_job
def crops(name: str, places: tuple[Destination, ...], pair: SourcePair, *, area: bool, seed: int) -> Iterator[Example]:
    """Make random crops of an image and its mask.

    Args:
        name: of the image, from which its crops follow.
        places: where they go.
        pair: the files.
        area: as in ``resize_image``.
        seed: of the crops.

    Raises:
        IncmaskError: a file is damaged, or the mask has other proportions than the image.
    """
    image = read_rgb(pair.image)
    label = fitted(label_of(read_rgb(pair.mask)), image, pair)
    drawn = random_crops(name, *image.shape[:2], count=len(places), seed=seed)
    for place, crop in zip(places, drawn, strict=True):
        yield Example(place, resize_image(cut(image, crop), SIZE, area=area), resize_label(cut(label, crop), SIZE))


def label_of(colours: np.ndarray) -> np.ndarray:
    """Give the ids of a mask in the owner's colours, each channel taken as 0 below 128 and as 255 from there on.

    Args:
        colours: (H, W, 3) uint8, RGB, perhaps with noise from compression.

    Returns:
        (H, W) uint8, 0 to 7.
    """
    red, green, blue = (colours[..., channel] >> 7 for channel in range(3))
    return red << 2 | green << 1 | blue


def fitted(label: np.ndarray, image: np.ndarray, pair: SourcePair) -> np.ndarray:
    """Bring a label to the size of its image, to the nearest pixel.

    Raises:
        IncmaskError: their proportions differ too much.
    """
    height, width = image.shape[:2]
    stretched = label.shape[0] * width / (label.shape[1] * height)
    if not 1 / _MOST_STRETCHED <= stretched <= _MOST_STRETCHED:
        what = f"has {label.shape[1]}×{label.shape[0]} pixels for an image of {width}×{height}: other proportions"
        raise fail(pair.mask.where, what, "put the image's own mask there, or take both away")
    return resize_label(label, (height, width))


def num_other_sizes(pairs: Iterable[SourcePair]) -> int:
    """Count the masks that have another size than their image, from the files' heads; turned ones are the same."""
    sizes = ((_sides(pair.image), _sides(pair.mask)) for pair in pairs)
    return sum(None not in both and both[0] != both[1] for both in sizes)


def _sides(entry: SourceFile) -> tuple[int, ...] | None:
    """Give the two sides of a picture, sorted; None where it is damaged, which is told when it is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return tuple(sorted(Image.open(io.BytesIO(entry.read())).size))
        except (IncmaskError, OSError, Image.DecompressionBombError):
            return None


def plan(source: SourceTree, options: PrepareOptions) -> Plan:
    """Plan the data folder: two random crops an image, 276 labelled, 2468 unlabelled, 306 for val and 220 for the test.

    Of the owner's images for training and validation a tenth is for validation, and a tenth of the others is
    labelled, both rounded up. Crops are resized to 256×256.

    Raises:
        IncmaskError: a folder lacks, images or masks have no counterpart, or there are too few.
    """
    # The owner's TEST/masks holds a folder for each class below, with the same names.
    both, test = pairs = owners.find_pairs(source, _PARTS, _ENDINGS, page=ORIGIN.page, below=False)
    val, rest = owners.divide(both, VAL_FRACTION, seed=options.seed, rounding="ceil")
    labelled, unlabelled = owners.divide(rest, LABELLED_FRACTION, seed=options.seed, rounding="ceil")
    if not unlabelled:
        what = f"holds {len(both)} images; 3 are the fewest that can be split"
        raise fail("train_val/images", what, "download again")
    parts: dict[PartName, dict[str, SourcePair]] = {
        "labelled": labelled,
        "unlabelled": unlabelled,
        "val": val,
        "test": test,
    }
    works: list[Work] = []
    for part, of_part in parts.items():
        for name, pair in of_part.items():
            places = tuple(Destination(part, f"{name}-{index}") for index in range(CROPS_PER_IMAGE))
            make = partial(crops, name, places, pair, area=not options.paper, seed=options.seed)
            works.append(Work(places, make))

    def count(part: PartName, paper: int) -> Count:
        num_images = len(parts[part])
        num_crops = num_images * CROPS_PER_IMAGE
        why = f"{num_images} images × {CROPS_PER_IMAGE} crops: the paper's table contradicts its procedure"
        is_whole = not [*owners.incomplete(_PARTS, pairs)]
        return Count(part, num_crops, paper, why if is_whole and num_crops != paper else "")

    num_resized = num_other_sizes(pair for part in pairs for pair in part.values())
    return Plan(
        title="SUIM",
        task="multiclass",
        classes=CLASSES,
        works=tuple(works),
        sources=tuple(Destination(part, name) for part, of_part in parts.items() for name in of_part),
        profile="suim",
        settings=owners.paper_settings(SIZE, quality_band=(0.43, 0.51)),
        counts=(
            Count("images for training and validation", len(both), 1525),
            Count("training crops", CROPS_PER_IMAGE * len(rest), 2744),
            count("labelled", 276),
            count("unlabelled", 2468),
            count("val", 250),
            count("test", 250),
        ),
        origin=ORIGIN,
        notes=(
            "two random square crops an image, resized to 256×256: images "
            f"{'bilinearly' if options.paper else 'by area'}, masks to the nearest pixel; small images as a whole",
            *(
                [f"{are(num_resized, 'mask')} of another size than the image, and brought to it, to the nearest pixel"]
                if num_resized
                else []
            ),
            *owners.incomplete(_PARTS, pairs),
        ),
    )
