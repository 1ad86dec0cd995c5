"""Whether the values of masks may be numbers of objects: each is one piece, and how many there are differs."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from scipy.ndimage import find_objects

from incmask.base.errors import Problem, fail
from incmask.data.dataset import DataOptions, MaskKind
from incmask.data.folder.classes import SETTLE, declares_classes, key_of
from incmask.data.folder.hints import prepare_words
from incmask.data.folder.recognise import Recognised, view
from incmask.data.images.decode import Raster
from incmask.data.images.masks import MaskFacts, grey_values, is_shaded, pack_colours
from incmask.method.labels import labels_of

_ONE_PIECE_SHARE = 0.95
"""Of the values, since what lies over an object may part it."""

_APART_SHARE = 0.25
"""Of the masks with several values: classes, such as layers of tissue, touch in all of them."""

_MANY = 16
"""More values that are counted from the first on are numbers, however they lie."""

_FEW, _RECURRING = 4, 1.25
"""Values of which hardly any is in two masks are numbers of a larger image's objects, of which these are pieces."""

_LOOKED_AT = 100
"""Masks are so many at most."""

_AS_OBJECTS = "{} makes body, border and centre of them (instances-binary: foreground alone)"

Read = Callable[[Path], Raster]
"""Read a mask again."""

_BACKGROUND_AND_ONE = 2


@dataclass
class _Pieces:
    """Counts of values, of values that are one piece, of masks with several values, and of those with one apart."""

    values: int = 0
    single: int = 0
    several: int = 0
    apart: int = 0

    def add(self, other: "_Pieces") -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def ask_if_objects(
    facts: Sequence[MaskFacts], found: Recognised, options: DataOptions, *, read: Read, where: object
) -> None:
    """Ask where the classes that masks seem to hold may be objects; nothing is asked of those that a person names.

    Raises:
        IncmaskError: the values may number objects.
    """
    kind = found.encoding.kind
    is_told = options.task is not None or options.classes or found.encoding.nearest
    is_declared = kind == "grey" and any(declares_classes(fact.palette or ()) for fact in facts)
    if is_told or is_declared or not labels_of(found.task).is_exclusive:
        return
    known = sorted(key_of(info.value) for info in found.classes[1:])

    values = [{*view(fact, kind)} & {*known} for fact in facts]
    if may_number(values, lambda index: keys_of(read(facts[index].path), kind)):
        num = [len(each) for each in values if each]
        listed = f"{min(num)} to {max(num)} in a mask"
        what = f"the masks hold values that are mostly one piece each, {listed}: numbers of objects, or classes"
        remedy = (
            f'{_AS_OBJECTS.format(prepare_words("instances"))}; where they are classes, {SETTLE} task = "multiclass"'
        )
        raise fail(where, what, f"where they number objects, {remedy}")


def keys_of(raster: Raster, kind: MaskKind) -> np.ndarray:
    """Give the (H, W) values of a mask, or its packed colours."""
    return pack_colours(raster.to_colour()) if kind == "colour" else grey_values(raster)


def objects_problem(facts: Sequence[MaskFacts], *, read: Read, where: object) -> Problem | None:
    """Tell of masks of too many values for classes that these number objects; None: they are noise.

    Args:
        facts: of masks that have too many values.
        read: reads some of them again.
        where: for the message.
    """
    plain = [fact for fact in facts if not fact.is_colour and fact.palette is None and not fact.is_lossy]
    grey = [fact for fact in plain if not is_shaded(fact)]
    some = [grey[index] for index in _some(range(len(grey)), _FEW)]
    seen = _Pieces()
    for fact in some:
        seen.add(_pieces_of(grey_values(read(fact.path)), sorted({*fact.counts} - {0})))
    if not seen.values or seen.single < _ONE_PIECE_SHARE * seen.values:
        return None
    what = f"the masks hold a number for each object, such as {len(some[0].counts) - 1} in {some[0].path.name}"
    return Problem(str(where), what, _AS_OBJECTS.format(prepare_words("instances")))


def may_number(values: Sequence[Collection[int]], keys: Callable[[int], np.ndarray]) -> bool:
    """Tell whether the values of masks may be numbers of objects.

    Args:
        values: of each mask, those that may be.
        keys: gives the (H, W) values of a mask by its place; it is only asked where the sets of values look like it.
    """
    sets = [{*each} for each in values if each]
    if _are_counted(sets) and max(map(len, sets)) > _MANY:
        return True
    if not (_are_counted(sets) or _hardly_recur(sets)):
        return False
    seen = _Pieces()
    for index in _some([place for place, each in enumerate(values) if each], _LOOKED_AT):
        seen.add(_pieces_of(keys(index), sorted(values[index])))
    return seen.single >= _ONE_PIECE_SHARE * seen.values and seen.apart >= max(1, _APART_SHARE * seen.several)


def _are_counted(sets: Sequence[set[int]]) -> bool:
    """Tell whether each set goes on where a smaller one ends, as 1, 2 and 1, 2, 3 do, and they are of several sizes."""
    ordered = sorted(sets, key=len)
    sizes = [*map(len, ordered)]
    return bool(sizes) and sizes[0] < sizes[-1] and all(less <= more for less, more in pairwise(ordered))


def _hardly_recur(sets: Sequence[set[int]]) -> bool:
    """Tell whether hardly a value is in two of the sets."""
    different = len(set().union(*sets))
    return len(sets) > 1 and different >= _FEW and sum(map(len, sets)) <= _RECURRING * different


def _some(places: Sequence[int], most: int) -> Iterator[int]:
    """Give some of the places, spread over all."""
    picked = np.linspace(0, len(places) - 1, min(len(places), most)).round().astype(int)
    return (places[index] for index in dict.fromkeys(picked.tolist()))


def _pieces_of(keys: np.ndarray, values: Sequence[int]) -> _Pieces:
    """Count of the values of a mask, (H, W), those that are one piece, and whether one touches no other."""
    places = np.searchsorted(values, keys).clip(max=len(values) - 1)
    numbers = np.where(np.asarray(values)[places] == keys, places + 1, 0).astype(np.int32)
    pieces = [_piece(numbers, number, box) for number, box in enumerate(find_objects(numbers), start=1) if box]
    is_several = len(pieces) > 1
    return _Pieces(
        len(pieces),
        sum(is_single for is_single, _ in pieces),
        int(is_several),
        int(is_several and any(is_apart for _, is_apart in pieces)),
    )


def _piece(numbers: np.ndarray, number: int, box: tuple[slice, ...]) -> tuple[bool, bool]:
    """Tell whether a number is one piece, diagonals counted, and whether it touches no other."""
    part = numbers[tuple(slice(max(each.start - 1, 0), each.stop + 1) for each in box)]
    own = (part == number).astype(np.uint8)
    near = part[cv2.dilate(own, np.ones((3, 3), np.uint8)) > 0]
    return cv2.connectedComponents(own)[0] == _BACKGROUND_AND_ONE, not ((near > 0) & (near != number)).any()
