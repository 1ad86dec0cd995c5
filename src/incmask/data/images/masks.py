"""Mask files as they are: which values occur in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from incmask.base.config import IGNORED
from incmask.base.errors import fail
from incmask.data.dataset import Colour
from incmask.data.images.decode import Raster, decode
from incmask.data.images.files import read_raster
from incmask.data.images.sketch import SIDE_PX
from incmask.data.volumes.grid import Grid

MAX_COLOURS = 64
"""A mask with more colours is no drawing of classes."""

_NEAR, _NEAR_SHARE = 28, 0.95
"""Of the 256 steps from black to white, those that compression may take; and of the pixels those that have no more."""


def _no_sketch() -> np.ndarray:
    return np.zeros((SIDE_PX, SIDE_PX), np.uint8)


@dataclass(frozen=True)
class MaskFacts:
    """What occurs in a mask file.

    Attributes:
        path: the file.
        height: rows.
        width: columns.
        is_colour: the file is no single channel and its channels differ.
        counts: pixels of each value; of an indexed file, of each index; of a file in colours, of each
            colour packed into one number.
        palette: colour of each index; None where the file is not indexed.
        is_lossy: the file is a JPEG or the like, whose values are not the ones that were drawn.
        ramps: how many of the pixels of each value lie on a way from darker to brighter neighbours, as soft edges do.
        alpha: "drawn": its values are those of its alpha channel; "opaque": all pixels are of one colour and have an
            alpha channel; "": neither.
        sketch: (SIDE_PX, SIDE_PX): values of pixels that are evenly spread over the mask.
        grid: of a volume; None: it is an image.
    """

    path: Path
    height: int
    width: int
    is_colour: bool
    counts: Mapping[int, int]
    palette: tuple[Colour, ...] | None
    is_lossy: bool
    ramps: Mapping[int, int] = field(default_factory=dict)
    alpha: str = ""
    sketch: np.ndarray = field(default_factory=_no_sketch, compare=False, repr=False)
    grid: Grid | None = None


def decode_mask(path: Path, content: bytes) -> Raster:
    """Decode the ``content`` of a mask: the alpha channel where the mask was drawn there, without it elsewhere.

    Raises:
        IncmaskError: as ``decode`` does; of other channels than grey, indexed or RGB; drawn in its colours and in its
            alpha; or of values for which 0 stands for white, other than black and white.
    """
    return _as_mask(path, decode(path, content))


def _as_mask(path: Path, raster: Raster) -> Raster:
    values = raster.values
    if values.ndim == 3 and values.shape[2] != 3:
        raise fail(path, f"has {values.shape[2]} channels; a mask is grey, indexed or RGB", "export it as a grey PNG")
    is_two = values.dtype.kind != "f" and bool(np.isin(values, (0, np.iinfo(values.dtype).max)).all())
    if raster.inverted and not is_two:
        what = "is a file in which 0 is white (MINISWHITE), and has more values than black and white: ids may be meant "
        raise fail(path, what + "as they are stored, or as they are shown", "export the mask as a grey PNG")
    raster = _without_no_data(raster)
    return _of_one_channel(raster if raster.alpha is None else _of_alpha(path, raster, raster.alpha))


def _of_one_channel(raster: Raster) -> Raster:
    """Give small numbers that stand in one channel of three, the others being 0, as grey."""
    values = raster.values
    used = values.reshape(-1, 3).any(0) if values.ndim == 3 and raster.palette is None else np.zeros(3, np.bool_)
    if used.sum() != 1 or values.max() >= MAX_COLOURS:
        return raster
    return replace(raster, values=np.ascontiguousarray(values[..., used.argmax()]))


def _without_no_data(raster: Raster) -> Raster:
    """Give pixels without a number, or of a value that the file names as no data and no mask can have, no label."""
    no_data, values = raster.no_data, raster.values
    is_empty = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, np.bool_)
    if no_data is not None and not 0 <= no_data <= np.iinfo(np.uint16).max:
        is_empty |= values == no_data
    if not is_empty.any() or (values == IGNORED).any():
        return raster
    return replace(raster, values=np.where(is_empty, IGNORED, values).astype(values.dtype))


def _of_alpha(path: Path, raster: Raster, alpha: np.ndarray) -> Raster:
    """Give the values of a mask that has an alpha channel, which is kept where the colour tells nothing."""
    if (raster.values == raster.values[0, 0]).all():
        if alpha.max() == 0:  # nothing at all is seen
            return replace(raster, values=alpha, palette=None, alpha=None)
        drawn = (alpha.astype(np.float64) * (255 / alpha.max())).round().astype(np.uint8)
        return replace(raster, values=drawn, palette=None) if raster.has_drawn_alpha else raster
    if raster.has_drawn_alpha:
        raster = replace(raster, values=_cut_out(path, raster, alpha))
    return replace(raster, alpha=None)


def _cut_out(path: Path, raster: Raster, alpha: np.ndarray) -> np.ndarray:
    """Give pixels that are hardly seen the value of those that are not seen."""
    keys = pack_colours(raster.values) if raster.values.ndim == 3 else raster.values
    is_seen = alpha >= (int(alpha.max()) + 1) // 2
    hidden, num_hidden = np.unique(keys[alpha == 0], return_counts=True)
    if (both := np.intersect1d(hidden, keys[is_seen])).size and both.tolist() != [0]:
        what = "is transparent at pixels that have the colour of others that are seen, so that alpha and colour differ"
        raise fail(path, what, "save it without transparency, as it is seen on a black background")
    values = raster.values.copy()
    if hidden.size:
        values[~is_seen] = raster.values[keys == hidden[num_hidden.argmax()]][0]
    return values


def mask_facts(path: Path) -> MaskFacts:
    """Read a mask file and count its values; raises as ``decode_mask`` and ``facts_of`` do."""
    return facts_of(path, mask_raster(path))


def mask_raster(path: Path) -> Raster:
    """Read a mask file, that of a volume as a sheet; raises as ``decode_mask`` does."""
    return _as_mask(path, read_raster(path))


def facts_of(path: Path, raster: Raster, *, most: int = 65535) -> MaskFacts:
    """Count the values of a mask of ``decode_mask``; whole numbers up to ``most``.

    Raises:
        IncmaskError: it has values that no mask can have.
    """
    values = raster.values
    is_colour = values.ndim == 3 and bool((values != values[..., :1]).any())
    if is_colour:
        keys = pack_colours(values)
    else:
        values = grey_values(raster)
        with np.errstate(invalid="ignore"):
            keys = values if values.dtype.kind in "ui" else values.astype(np.int64)
        if (keys != values).any() or keys.min() < 0 or keys.max() > most:
            what = f"has values from {np.nanmin(values):g} to {np.nanmax(values):g} that are no whole numbers"
            raise fail(path, f"{what} from 0 to {most}", "export the mask with a whole number for each class")
    counts = _count(keys)
    palette = None if raster.palette is None else tuple(_colour(row) for row in raster.palette)
    alpha = "" if raster.alpha is None else "drawn" if raster.has_drawn_alpha else "opaque"
    shown = raster.to_colour() if palette is not None else values
    height, width = keys.shape
    return MaskFacts(
        path,
        height,
        width,
        is_colour,
        counts,
        palette,
        raster.is_lossy,
        ramps=_count(keys[_is_ramp(shown)]) if len(counts) > 2 else {},
        alpha=alpha,
        sketch=_sketch(keys),
        grid=raster.grid,
    )


def _sketch(keys: np.ndarray) -> np.ndarray:
    rows, columns = (((np.arange(SIDE_PX) + 0.5) * side / SIDE_PX).astype(int) for side in keys.shape)
    sampled = keys[np.ix_(rows, columns)]
    return sampled.astype(np.min_scalar_type(int(sampled.max())))


def is_soft(fact: MaskFacts) -> bool:
    """Tell whether a mask of black and white has soft edges: greys that lie along edges, nearly all."""
    if fact.is_colour or fact.palette is not None or len(fact.counts) < 4 or max(fact.counts) not in (255, 65535):
        return False
    greys = [value for value in fact.counts if 0 < value < max(fact.counts)]
    return sum(fact.ramps.get(grey, 0) for grey in greys) > 0.5 * sum(fact.counts[grey] for grey in greys)


def is_shaded(fact: MaskFacts) -> bool:
    """Tell whether values go up and down from pixel to pixel, as in pictures and probabilities, and not in areas."""
    drawn = [value for value in fact.counts if value]
    return sum(fact.ramps.get(value, 0) for value in drawn) > 0.5 * sum(fact.counts[value] for value in drawn)


def is_black_and_white(fact: MaskFacts) -> bool:
    """Tell whether nearly all pixels are near black or near white, as where compression blurred a mask of both."""
    if fact.palette is not None or max(fact.counts) > (0xFFFFFF if fact.is_colour else 255):
        return False
    channels = {key: unpack_colour(key) if fact.is_colour else (key,) * 3 for key in fact.counts}
    near = [key for key, each in channels.items() if max(each) < _NEAR or min(each) > 255 - _NEAR]
    is_both = {min(channels[key]) > 127 for key in near} == {False, True}
    return is_both and sum(fact.counts[key] for key in near) >= _NEAR_SHARE * sum(fact.counts.values())


def foreground_of(values: np.ndarray, *, is_blurred: bool) -> np.ndarray:
    """Tell where a mask of one class, (H, W), is foreground: where it is not 0, or where blurred nearer to white."""
    white = 65535 if values.dtype == np.uint16 else 255
    return np.asarray(values > white // 2 if is_blurred else values > 0)


def hardened(fact: MaskFacts) -> MaskFacts:
    """Count the greys of soft edges as black or white, of which each is the nearer."""
    if not is_soft(fact):
        return fact
    white = sum(count for value, count in fact.counts.items() if 2 * value > max(fact.counts))
    return replace(fact, counts={0: sum(fact.counts.values()) - white, 255: white}, ramps={})


def _is_ramp(shown: np.ndarray) -> np.ndarray:
    """Tell of each pixel whether it has darker and brighter neighbours, in one channel at least; (H, W)."""
    image = shown.astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    is_between = np.atleast_3d((cv2.erode(image, kernel) < image) & (image < cv2.dilate(image, kernel)))
    return np.asarray(is_between.any(axis=2))


def _colour(row: np.ndarray) -> Colour:
    red, green, blue = row.tolist()
    return (red, green, blue)


def _count(values: np.ndarray) -> dict[int, int]:
    # Masks are flat areas: sorting the runs of equal values is far quicker than sorting the pixels.
    flat = values.ravel()
    if not flat.size:
        return {}
    starts = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1])))
    lengths = np.diff(np.append(starts, len(flat)))
    found, place = np.unique(flat[starts], return_inverse=True)
    return dict(zip(found.tolist(), np.bincount(place, weights=lengths).astype(int).tolist(), strict=True))


def unpack_colour(packed: int) -> Colour:
    """Give the RGB colour of a number of ``pack_colours``."""
    return (packed >> 16, packed >> 8 & 255, packed & 255)


def grey_values(raster: Raster) -> np.ndarray:
    """Give the (H, W) values of a mask that is grey, whether stored with one channel or several."""
    return raster.values if raster.values.ndim == 2 else raster.values.max(axis=2)


def pack_colours(colours: np.ndarray) -> np.ndarray:
    """Pack (..., 3) uint8 colours, or (H, W) grey values, into one uint32 each: red·65536 + green·256 + blue."""
    if colours.dtype == np.uint16 and (colours.ndim == 3 or colours.max(initial=0) > 255):
        colours = colours >> 8
    if colours.ndim == 2:
        return colours.astype(np.uint32) * np.uint32(0x010101)
    wide = colours.astype(np.uint32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def pack_colour(colour: Colour) -> int:
    """Give one colour as ``pack_colours`` does."""
    red, green, blue = colour
    return red << 16 | green << 8 | blue
