"""HeLa: cells in bright-field microscopy, alive or dead, each with its position (paper, section 2.5.1 and table 2)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import product
from math import floor

import numpy as np
from scipy import ndimage

from incmask.base.described import callable_by_job
from incmask.base.errors import fail
from incmask.data.dataset import ClassInfo, PartName
from incmask.data.images.tiles import Window, cut
from incmask.exchange.formats.common import read_raster
from incmask.exchange.prepare import owners
from incmask.exchange.prepare.images import read_grey
from incmask.exchange.prepare.plan import Count, Destination, Example, Origin, Plan, PrepareOptions, Work
from incmask.exchange.sources.archives import SourceFile
from incmask.exchange.sources.sources import SourceTree
from incmask.method.cells import redraw_positions

SIDE_PX = 256
STEP = 0.4
LABELLED_FRACTION = 0.1

ORIGIN = Origin(
    page="https://github.com/MichaelVorndran/InconsistencyMasks/tree/main/HeLa",
    citation=(
        "M. R. H. Vorndran, B. F. Roeck: Inconsistency Masks: Removing the Uncertainty from Input-Pseudo-Label Pairs. "
        "arXiv:2401.14387."
    ),
    licence="Open Data Commons Attribution (ODC-BY): free for any use that names its source",
)

CLASSES = (
    ClassInfo("alive", (0, 0, 255), "alive"),
    ClassInfo("dead", (255, 0, 255), "dead"),
    ClassInfo("position", (255, 255, 255), "position"),
)

_ARCHIVE = "the HeLa zip file"
_DISTRIBUTED = {"train_full": 17, "val": 3, "test": 3}
_PARTS: dict[str, PartName | None] = {"train_full": None, "val": "val", "test": "test"}
_PAPERS_CROPS = 140
_ENDINGS = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")

# Of 255, as in the published preparation: what a brush's soft edge leaves below is none of the cell.
_BACKGROUND_UP_TO = 10


@dataclass(frozen=True)
class Frame:
    """An image as it came from the microscope.

    Attributes:
        name: without ending.
        height: rows.
        width: columns.
        brightfield: the image.
        masks: of the living cells, of the dead ones, and of all cells' places.
        are_points: the places are points of any shape, not yet discs of the right size.
    """

    name: str
    height: int
    width: int
    brightfield: SourceFile
    masks: tuple[SourceFile, SourceFile, SourceFile]
    are_points: bool

    def crops(self) -> dict[str, Window]:
        """Give its crops by their names."""
        crops = overlapping_crops(self.height, self.width, side_px=SIDE_PX, step=STEP)
        return {f"{self.name}-{index:03d}": crop for index, crop in enumerate(crops)}


def overlapping_crops(height: int, width: int, *, side_px: int, step: float) -> tuple[Window, ...]:
    """Lay square crops over an image, row by row (method: data sets, HeLa).

    Along an axis of n pixels there are round(n / (side·step)) crops, which begin at ⌊i·n/count⌋, moved back where they
    would reach beyond the image: the last ones may coincide.

    Args:
        height: rows of the image.
        width: its columns.
        side_px: rows and columns of a crop, 1 or more.
        step: between neighbours, as a share of the side, above 0 and up to 1; taken as its decimal digits say.

    Raises:
        IncmaskError: the image is smaller than a crop.
    """
    tops = _starts(height, side_px, step)
    lefts = _starts(width, side_px, step)
    return tuple(Window(top, left, side_px, side_px) for top, left in product(tops, lefts))


def _starts(length_px: int, side_px: int, step: float) -> list[int]:
    if length_px < side_px:
        raise fail("crops", f"{length_px} pixels are fewer than the {side_px} of a crop", "give larger images")
    # Halves go to the even number, as Python and NumPy round.
    count = max(1, round(length_px / (side_px * Fraction(str(step)))))
    return [min(index * length_px // count, length_px - side_px) for index in range(count)]


@callable_by_job
def examples_of(frame: Frame, places: tuple[Destination, ...]) -> Iterator[Example]:
    """Make an example of each crop of a frame, which is read once.

    Raises:
        IncmaskError: a file is damaged, their sizes differ, or a mask holds nothing bright enough to be one.
    """
    image = read_grey(frame.brightfield)
    masks = [read_foreground(entry) for entry in frame.masks]
    masks[-1] = redraw_points(masks[-1]) if frame.are_points else masks[-1]
    for mask, entry in zip(masks, frame.masks, strict=True):
        if mask.shape != image.shape:
            what = f"has {_size(*mask.shape)} pixels for a frame of {_size(*image.shape)}"
            raise fail(entry.where, what, "download frame and mask again from their owner")
    label = np.stack(masks, axis=2)
    for place, crop in zip(places, frame.crops().values(), strict=True):
        yield Example(place, cut(image, crop)[..., None].copy(), cut(label, crop).copy())


def read_foreground(entry: SourceFile) -> np.ndarray:
    """Read a mask of one class; what is brighter than 10 of 255 is foreground.

    Returns:
        (H, W) uint8 of 0 and 1.

    Raises:
        IncmaskError: no image, broken, not of 8 bits, or with values from 1 to 10 alone.
    """
    path = entry.where
    values = read_raster(entry).to_colour()
    if values.dtype != np.uint8:
        raise fail(path, f"has {values.dtype} values where 8 bits are expected", "save it as an 8-bit PNG")
    brightness = values if values.ndim == 2 else values.max(axis=2)
    foreground = (brightness > _BACKGROUND_UP_TO).astype(np.uint8)
    if brightness.any() and not foreground.any():
        what = f"is nowhere brighter than {brightness.max()}, where cells are expected to be 255"
        raise fail(path, what, "save its foreground as 255")
    return foreground


def redraw_points(mask: np.ndarray) -> np.ndarray:
    """Draw a disc as ``redraw_positions`` does in place of each patch of foreground, which may touch at corners.

    Args:
        mask: (H, W) of 0 and 1.

    Returns:
        uint8 of 0 and 1, (H, W).
    """
    patches, num_patches = ndimage.label(mask, structure=np.ones((3, 3)))
    centres = ndimage.center_of_mass(mask, patches, range(1, num_patches + 1))
    return redraw_positions(np.array(centres, np.float64).reshape(num_patches, 2), mask.shape)


def plan(source: SourceTree, options: PrepareOptions) -> Plan:
    """Plan the data folder: overlapping crops of 256×256 pixels, 140 from a frame of 1388×1040.

    A tenth of the crops for training is labelled: by default those of whole frames, as many as come nearest to it;
    with ``paper``, or without ``group_split``, a tenth of all crops, so that labelled and unlabelled ones overlap.

    Raises:
        IncmaskError: a folder or file lacks, frames are too small or too few, or one is damaged.
    """
    return arrange({folder: read_frames(source, folder) for folder in _PARTS}, options)


def read_frames(source: SourceTree, folder: str) -> tuple[Frame, ...]:
    """Find the frames of "train_full", "val" or "test", and read their sizes.

    Positions are taken from ``mod_position``, where they are discs, or else from ``position``.

    Raises:
        IncmaskError: a folder or file lacks, or a frame is damaged.
    """
    are_points = source.folder(folder, "mod_position") is None
    channels = ("brightfield", "alive", "dead", "position" if are_points else "mod_position")
    wanted = {f"{folder}/{channel}": _ARCHIVE for channel in channels}
    images, *masks = (owners.by_stem(files, _ENDINGS) for files in owners.require_all(source, wanted, page=ORIGIN.page))
    # An image has three masks; which of them lacks must be told.
    paired = [
        owners.pair_up(images, mask, where=f"{folder}/{channel}", suffix=f" in {folder}/{channel}")
        for mask, channel in zip(masks, channels[1:], strict=True)
    ]
    frames = []
    for name, image in images.items():
        height, width = read_grey(image).shape
        if min(height, width) < SIDE_PX:
            what = f"has {_size(height, width)} pixels, fewer than a crop of {SIDE_PX}×{SIDE_PX}"
            raise fail(image.where, what, "use the frames as their owner distributes them")
        alive, dead, position = (pairs[name].mask for pairs in paired)
        frames.append(Frame(name, height, width, image, (alive, dead, position), are_points))
    return tuple(frames)


def arrange(parts: Mapping[str, Sequence[Frame]], options: PrepareOptions) -> Plan:
    """Plan what is made of the frames of "train_full", "val" and "test"; reads nothing.

    Raises:
        IncmaskError: there are too few to be split.
    """
    training = parts["train_full"]
    by_frame = options.group_split and not options.paper
    num_crops = {frame.name: len(frame.crops()) for frame in training}
    if len(training) < 2 or sum(num_crops.values()) < 10:
        what = f"has {len(training)} frames with {sum(num_crops.values())} crops; 2 with 10 are the fewest to be split"
        raise fail("train_full/brightfield", what, "download the set again")
    groups: dict[str, str] = {}
    if by_frame:
        picked = owners.choose_sources(num_crops, LABELLED_FRACTION, seed=options.seed)
        labelled = {name for frame in training if frame.name in picked.chosen for name in frame.crops()}
    else:
        crops = [name for frame in training for name in frame.crops()]
        picked = owners.pick(crops, LABELLED_FRACTION, seed=options.seed, rounding="floor")
        labelled = {*picked.chosen}
        # Its folder, since a frame of val or test may have the same name.
        groups = {name: f"train_full/{frame.name}" for frame in training for name in frame.crops()}

    def work(frame: Frame, part: PartName | None) -> Work:
        places = tuple(
            Destination(part or ("labelled" if name in labelled else "unlabelled"), name) for name in frame.crops()
        )
        return Work(places, partial(examples_of, frame, places))

    return Plan(
        title="HeLa",
        task="multilabel",
        classes=CLASSES,
        works=tuple(work(frame, part) for folder, part in _PARTS.items() for frame in parts[folder]),
        sources=(
            *(Destination("labelled", name) for name in picked.chosen),
            *(Destination("unlabelled", name) for name in picked.rest),
            *(Destination(part, frame.name) for folder, part in _PARTS.items() if part for frame in parts[folder]),
        ),
        groups=groups,
        profile="hela",
        settings=owners.paper_settings((SIDE_PX, SIDE_PX), quality_band=(0.59, 0.62)),
        counts=_counts(parts, num_labelled=len(labelled), by_frame=by_frame),
        origin=ORIGIN,
        position_class="position",
        notes=tuple(_notes(parts, by_frame=by_frame)),
    )


def _counts(parts: Mapping[str, Sequence[Frame]], *, num_labelled: int, by_frame: bool) -> tuple[Count, ...]:
    totals = {folder: sum(len(frame.crops()) for frame in frames) for folder, frames in parts.items()}
    num_training = totals["train_full"]
    sizes = {_size(frame.height, frame.width): len(frame.crops()) for frames in parts.values() for frame in frames}
    other = "; ".join(
        f"a frame of {size} gives {number} crops, the paper's table has {_PAPERS_CROPS} a frame"
        for size, number in sizes.items()
        if number != _PAPERS_CROPS
    )
    tenth = floor(Fraction(str(LABELLED_FRACTION)) * num_training)
    split = f"whole frames; {tenth} would be 10 % of the crops" if by_frame else other
    return (
        Count("frames", sum(map(len, parts.values())), sum(_DISTRIBUTED.values())),
        Count("training crops", num_training, 2380, other),
        Count("labelled", num_labelled, 238, split),
        Count("unlabelled", num_training - num_labelled, 2142, "whole frames" if by_frame else other),
        Count("val", totals["val"], 420, other),
        Count("test", totals["test"], 420, other),
    )


def _notes(parts: Mapping[str, Sequence[Frame]], *, by_frame: bool) -> Iterator[str]:
    crops = [frame.crops().values() for frames in parts.values() for frame in frames]
    num_crops, num_different = sum(map(len, crops)), sum(len({*each}) for each in crops)
    if num_different < num_crops:
        yield (
            f"{num_crops} crops, of which {num_different} differ: the paper's procedure moves the last of each row "
            "and column back into the frame, where they coincide"
        )
    how = "crops are split one by one, as in the paper: labelled and unlabelled ones overlap"
    yield "split by frame: no labelled crop overlaps an unlabelled one" if by_frame else how
    for folder, whole in _DISTRIBUTED.items():
        frames = parts[folder]
        if frames:
            drawn = "discs drawn around its points" if frames[0].are_points else "taken from mod_position"
            yield f"{folder}: positions are {drawn}"
        if len(frames) != whole:
            yield f"{folder}: {len(frames)} frames; the paper's counts tell of {whole}: is the download complete?"


def _size(height: int, width: int) -> str:
    return f"{width}×{height}"
