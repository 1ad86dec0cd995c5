"""Single objects of a label: found by their marked centres and borders, or split where they are thinnest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects as find_windows

from incmask.base.errors import fail

BORDER_NAMES = ("border", "boundary", "edge", "contour", "outline")
"""Names by which the class that marks the borders of objects is recognised."""

_LEAST_PX = 10
_LEAST_SHARE = 0.25
"""What has no centre is an object from so many pixels on, and so much of the mean of its body's with one."""
_LEAST_RISE_PX = 0.75
"""How much deeper than the way between them two halves of an object must be to count as two."""

Mask = Annotated[NDArray[np.bool_], "h w"]
Ids = Annotated[NDArray[np.int32], "h w"]


@dataclass(frozen=True)
class ObjectChannels:
    """Which channels of a multilabel label tell of objects.

    Attributes:
        bodies: what objects are made of: one channel, or one a type (of cells, the T cell types).
        centre: marks their centres.
        border: marks the pixels along their edge; None: nothing does.
    """

    bodies: tuple[int, ...]
    centre: int
    border: int | None = None


@dataclass(frozen=True)
class Objects:
    """The objects of one image, N of them.

    Attributes:
        ids: int32 (H, W): 1 to N by the first pixel of each, rows first; 0 where there is none.
        types: int64 (N,): the place in ``ObjectChannels.bodies`` of the channel that has most of an object's seed.
    """

    ids: Ids
    types: Annotated[NDArray[np.int64], "n"]


def object_channels(class_names: Sequence[str], position_class: str | None) -> ObjectChannels | None:
    """Find the channels that tell of objects; None where no class marks centres, or no other is what they are made of.

    A class that marks borders is no type of objects.

    Raises:
        IncmaskError: no class is named ``position_class``.

    Examples:
        >>> object_channels(["body", "border", "centre"], "centre")
        ObjectChannels(bodies=(0,), centre=2, border=1)
        >>> object_channels(["alive", "dead", "position"], "position")
        ObjectChannels(bodies=(0, 1), centre=2, border=None)
    """
    centre = position_channel(class_names, position_class)
    if centre is None:
        return None
    others = [index for index in range(len(class_names)) if index != centre]
    border = next((index for index in others if class_names[index].casefold() in BORDER_NAMES), None)
    bodies = tuple(index for index in others if index != border)
    return ObjectChannels(bodies, centre, border) if bodies else None


def position_channel(class_names: Sequence[str], position_class: str | None) -> int | None:
    """Find the channel that marks centres; None where none does.

    Raises:
        IncmaskError: no class is named ``position_class``.

    Examples:
        >>> position_channel(["alive", "dead", "position"], "position")
        2
    """
    if position_class is None:
        return None
    if position_class not in class_names:
        raise fail("position class", f"no class is named {position_class!r}", f"choose one of {', '.join(class_names)}")
    return list(class_names).index(position_class)


def can_grow() -> bool:
    """Tell whether the package is there that finds where objects end that touch each other.

    Examples:
        >>> can_grow()
        True
    """
    try:
        import skimage.segmentation  # noqa: F401
    except ImportError:
        return False
    return True


def check_can_grow() -> None:
    """Refuse to go on without that package.

    Raises:
        IncmaskError: scikit-image is not installed.

    Examples:
        >>> check_can_grow()  # goes on
    """
    if not can_grow():
        raise fail("splitting objects", "scikit-image is not installed", "pip install 'incmask[objects]'")


def find_objects(label: Annotated[np.ndarray, "h w k"], channels: ObjectChannels, *, grow: bool = True) -> Objects:
    """Find the objects of a label that marks centres, those that touch each other included.

    What is inside of all borders falls apart into the insides of objects. An inside with a centre is one object, with
    several centres as many; without one it is an object if it is no speck: of 10 pixels or more, and of a quarter of
    the mean of those with a centre that its body has. A body without any of these is one object from 10 pixels on. From
    these seeds objects grow by a watershed, from what lies deepest inside, to all of the body.

    What becomes of a part of the body that hangs together, corner to corner, does not depend on what else there is.

    Args:
        label: 0/1 (H, W, K).
        channels: of the label.
        grow: else ids are those of the seeds alone, which is enough to count and needs no further package.

    Raises:
        IncmaskError: objects are to grow, and scikit-image is not installed.

    Examples:
        >>> label = np.zeros((7, 13, 3), np.uint8)  # two squares side by side
        >>> label[1:6, 1:12, 0] = label[1:6, 1:12, 1] = 1
        >>> label[2:5, 2:6, 1] = label[2:5, 7:11, 1] = 0
        >>> label[3, 4, 2] = label[3, 8, 2] = 1
        >>> find_objects(label, ObjectChannels((0,), 2, 1)).ids[3].tolist()
        [0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 0]
        >>> find_objects(label, ObjectChannels((0,), 2, 1), grow=False).ids[3].tolist()
        [0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0]
    """
    planes = label == 1
    of_types = planes[..., list(channels.bodies)]
    body = of_types.any(-1)
    inside = body if channels.border is None else body & ~planes[..., channels.border]
    seeds = _seeds(body, inside, planes[..., channels.centre] & body)
    ids = _grown(seeds, body, inside) if grow else seeds
    order = _order(ids)
    ids, seeds = order[ids], order[seeds]
    num_objects = int(ids.max(initial=0))
    votes = [np.bincount(seeds[plane], minlength=num_objects + 1)[1:] for plane in np.moveaxis(of_types, -1, 0)]
    return Objects(ids, np.argmax(votes, axis=0))


def split_objects(mask: Mask, *, grow: bool = True) -> Objects:
    """Find the objects of a mask that marks nothing else: what hangs together, split at its waists.

    Two parts are two objects where each is deeper, as its inscribed circle tells, than the way between them by 3/4 of
    a pixel or more. Where objects overlap so far that there is no waist, they stay one.

    Args:
        mask: bool (H, W).
        grow: as for ``find_objects``.

    Raises:
        IncmaskError: scikit-image is not installed.

    Examples:
        >>> mask = np.zeros((9, 15), bool)
        >>> mask[1:8, 1:7] = mask[4, 7] = mask[1:8, 8:14] = True  # two squares and a bridge
        >>> split_objects(mask).ids[4].tolist()
        [0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0]
    """
    check_can_grow()
    from skimage.morphology import local_maxima, reconstruction

    depth = _depth(mask)
    # What rises less over its surroundings is levelled.
    levelled = reconstruction(depth - _LEAST_RISE_PX, depth)
    seeds = _components(local_maxima(levelled) & mask)
    ids = _grown(seeds, mask, mask) if grow else seeds
    ids = _order(ids)[ids]
    return Objects(ids, np.zeros(int(ids.max(initial=0)), np.int64))


def _seeds(body: Mask, inside: Mask, centre: Mask) -> Ids:
    """Give each object a part of it: its centre or, where that lacks, its inside or, where that lacks, its body."""
    bodies, parts, centres = _components(body), _components(inside, connectivity=4), _components(centre)
    homes = _homes(centres, parts)
    seeds = np.where((homes[centres] == parts) | (homes[centres] == 0), centres, 0)
    is_lone = _are_lone(parts, bodies, with_centre=np.unique(homes[homes > 0]))
    seeds = np.where((seeds == 0) & is_lone[parts], parts + centres.max(), seeds)
    is_bare = np.bincount(bodies.ravel()) >= _LEAST_PX
    is_bare[np.unique(bodies[seeds > 0])], is_bare[0] = False, False
    return np.where(is_bare[bodies], bodies + seeds.max(), seeds).astype(np.int32)


def _homes(centres: Ids, parts: Ids) -> NDArray[np.int64]:
    """Give for each centre, from 0 on, the part that has most of it, of equal ones the first; 0 where none has any."""
    both = (centres > 0) & (parts > 0)
    num_parts = int(parts.max()) + 1
    pairs, areas_px = np.unique(centres[both].astype(np.int64) * num_parts + parts[both], return_counts=True)
    homes = np.zeros(int(centres.max()) + 1, np.int64)
    for place in np.lexsort((-pairs, areas_px)):
        homes[pairs[place] // num_parts] = pairs[place] % num_parts
    return homes


def _are_lone(parts: Ids, bodies: Ids, *, with_centre: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell for each part, from 0 on, whether it is an object without a centre."""
    areas_px, body_of = np.bincount(parts.ravel()), np.zeros(int(parts.max()) + 1, np.int32)
    body_of[parts] = bodies
    body_of[0], size = 0, int(bodies.max()) + 1
    num = np.bincount(body_of[with_centre], minlength=size)
    mean_px = np.bincount(body_of[with_centre], areas_px[with_centre], minlength=size) / np.maximum(num, 1)
    is_lone = areas_px >= np.maximum(_LEAST_PX, _LEAST_SHARE * mean_px)[body_of]
    is_lone[with_centre], is_lone[0] = False, False
    return np.asarray(is_lone)


def _grown(seeds: Ids, body: Mask, inside: Mask) -> Ids:
    """Give each part of the body that hangs together to its seed, or share it among its seeds."""
    check_can_grow()
    from skimage.segmentation import watershed

    parts = _components(body)
    places, seeds_of = np.unique(np.stack([parts[seeds > 0], seeds[seeds > 0]]), axis=1)
    owner = np.zeros(int(parts.max()) + 1, np.int32)
    owner[places] = seeds_of
    ids = owner[parts]
    windows = find_windows(parts)
    # Each by itself, so that equal ways are shared out alike whatever else the image holds.
    for place in np.flatnonzero(np.bincount(places) > 1):
        window = windows[place - 1]
        mask = parts[window] == place
        shared = watershed(-_depth(inside[window] & mask), np.where(mask, seeds[window], 0), mask=mask, connectivity=2)
        ids[window][mask] = shared[mask]
    return ids


def _depth(mask: Mask) -> Annotated[NDArray[np.float32], "h w"]:
    """Give each pixel's distance to the nearest one that is not set, or lies beyond the image's edge."""
    padded = np.pad(mask, 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    # OpenCV's roots differ in their last digit by where in a row they are taken: equal depths have to be equal.
    return np.sqrt(np.rint(np.square(depth, dtype=np.float32)))


def _components(mask: Mask, *, connectivity: int = 8) -> Ids:
    _, ids = cv2.connectedComponents(np.ascontiguousarray(mask).view(np.uint8), connectivity=connectivity)
    return np.asarray(ids, np.int32)


def _order(ids: Ids) -> NDArray[np.int32]:
    """Give for each id, from 0 on, its number by its first pixel; 0 for 0, and for those that do not occur."""
    found, first = np.unique(ids, return_index=True)
    found = found[np.argsort(first)]
    order = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
    order[found[found > 0]] = np.arange(1, 1 + np.count_nonzero(found))
    return order
