"""Images with one mask each, in values, palette indices or colours."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from incmask.base.config import IGNORED
from incmask.base.errors import fail, raise_problems
from incmask.data.dataset import DataOptions, MaskKind
from incmask.data.folder.classes import key_of
from incmask.data.folder.drawn import alpha_problems, drawn_of, snapped
from incmask.data.folder.numbered import ask_if_objects
from incmask.data.folder.recognise import NOTHING_DRAWN, kind_of, noise_problem, outside_problem, recognise, view
from incmask.data.images.decode import Raster
from incmask.data.images.masks import (
    MAX_COLOURS,
    MaskFacts,
    facts_of,
    grey_values,
    is_shaded,
    is_soft,
    pack_colours,
    unpack_colour,
)
from incmask.data.images.nearest import snap
from incmask.exchange.formats.common import Files, FoundImages, look_at, read_mask
from incmask.exchange.formats.masks.colours import dominant_colours, flat_colours
from incmask.exchange.formats.naming import Sorted, sort_files
from incmask.exchange.sources.archives import SourceFile
from incmask.method.labels import labels_of

_MANY_VALUES = 8
_MOST_OBJECTS = 1 << 31


@dataclass(frozen=True)
class Look:
    """What a mask holds.

    Attributes:
        facts: its values; of a blurred mask, the colours of its flat areas.
        is_blurred: compression or scaling mixed its colours.
        numbers_objects: it looks like a number for each object.
    """

    facts: MaskFacts
    is_blurred: bool
    numbers_objects: bool


@dataclass(frozen=True)
class MaskLabel:
    """A label from a mask in one file.

    Attributes:
        mask: the file.
        kind: "grey" or "colour".
        keys: values, or packed colours, that may occur.
        ids: for each of them, its id, or 255.
        is_blurred: colours become the nearest of ``keys``.
    """

    mask: SourceFile
    kind: MaskKind
    keys: tuple[int, ...]
    ids: tuple[int, ...]
    is_blurred: bool

    def make(self, height: int, width: int) -> np.ndarray:
        """Read the label: (height, width) uint8 of ids.

        Raises:
            IncmaskError: the mask is damaged, of another size, or holds other values.
        """
        path = self.mask.where
        raster = read_mask(self.mask)
        check_size(path, raster, (height, width))
        values = pack_colours(_rgb(raster)) if self.kind == "colour" else grey_values(raster)
        if self.is_blurred:
            values = snap(values, self.keys, where=path)
        order = np.argsort(self.keys)
        keys, ids = np.array(self.keys)[order], np.array(self.ids, np.uint8)[order]
        place = np.searchsorted(keys, values).clip(max=len(keys) - 1)
        if (keys[place] != values).any():
            raise fail(path, "has changed since the folder was read", "start again")
        return ids[place]


def check_size(path: Path, raster: Raster, size: tuple[int, int]) -> None:
    """Check that a mask has the (height, width) of its image.

    Raises:
        IncmaskError: it has not.
    """
    have = raster.values.shape[:2]
    if have != size:
        what = f"has {have[1]}×{have[0]} pixels for an image of {size[1]}×{size[0]}"
        raise fail(path, what, "export the mask in the size of its image")


def look_at_mask(mask: SourceFile) -> Look:
    """Read a mask and count what occurs in it.

    Raises:
        IncmaskError: it is damaged, or no mask.
    """
    path = mask.where
    raster = read_mask(mask)
    facts = facts_of(path, raster, most=_MOST_OBJECTS)
    num, is_plain = len(facts.counts), not facts.is_colour and raster.palette is None
    is_blurred = (facts.is_lossy and num > 3) or (facts.is_colour and num > MAX_COLOURS)
    is_deep = raster.values.dtype != np.uint8
    is_many = num > (_MANY_VALUES if is_deep else MAX_COLOURS)
    numbers = is_many and is_plain and not is_blurred and not is_soft(facts) and not is_shaded(facts)
    facts = replace(facts, is_lossy=False)
    if is_blurred:
        tally = dict(flat_colours(_rgb(raster)).most_common(4 * MAX_COLOURS))
        facts = replace(facts, is_colour=True, counts=tally, ramps={})
    return Look(facts, is_blurred, numbers)


def _rgb(raster: Raster) -> np.ndarray:
    colours = raster.to_colour()
    if colours.dtype != np.uint8:
        colours = (colours.astype(np.int64) >> 8).astype(np.uint8)
    return colours if colours.ndim == 3 else np.repeat(colours[..., None], 3, axis=2)


def read_pairs(files: Files, data: DataOptions, *, where: object) -> FoundImages:
    """Read images with one mask each: grey values, palette indices, 0 and 255, or colours.

    Colours that compression or scaling blurred become the nearest of those that fill areas.

    Raises:
        IncmaskError: the files do not fit together, or what the values mean is uncertain.
    """
    found = sort_files(files, mask_suffix=data.mask_suffix, where=where)
    if found.class_folders:
        raise fail(where, "holds a folder of masks for each class", "choose the layout class-folders")
    looks = look_at([item.masks[""] for item in found.items if item.masks], look_at_mask)
    return pairs_of(found, looks, data, where, is_sure=True)


def pairs_of(
    found: Sorted, looks: Sequence[Look], data: DataOptions, where: object, *, is_sure: bool = False
) -> FoundImages:
    """Do what ``read_pairs`` does, once files are sorted and masks were looked at; raises as that.

    Unless the values are classes for sure, it is asked whether they number objects where they look so.
    """
    facts = [look.facts for look in looks]
    is_blurred = any(look.is_blurred for look in looks)
    kind: MaskKind = "colour" if is_blurred else kind_of(facts, data)
    notes: list[str] = []
    centres: tuple[int, ...] = ()
    if is_blurred:
        centres = _centres(facts, data, where)
        facts = [snapped(fact, centres) for fact in facts]
        listed = ", ".join(str(unpack_colour(colour)) for colour in centres)
        notes.append(f"the masks are blurred, by JPEG or scaling; each pixel takes the nearest of {listed}")
    else:
        raise_problems(alpha_problems(facts))
        drawn = drawn_of(facts, kind, data, where)
        facts, is_blurred, kind = [*drawn.facts], drawn.snaps, "colour" if drawn.snaps else kind
        centres = tuple({key: None for fact in facts for key in fact.counts}) if drawn.snaps else ()
        notes += drawn.notes
    raise_problems([problem for fact in facts if (problem := noise_problem(fact, kind, data))])
    recognised = recognise(facts, (), kind=kind, options=data, where=where)
    if not is_sure and not is_blurred:
        masks = {item.masks[""].where: item.masks[""] for item in found.items if item.masks}
        ask_if_objects(facts, recognised, data, read=lambda path: read_mask(masks[path]), where=where)
    raise_problems(
        [problem for fact in facts if (problem := outside_problem(fact, recognised, declared=bool(data.classes)))]
    )
    if not any({*view(fact, recognised.encoding.kind)} - {0} for fact in facts):
        raise fail(where, *NOTHING_DRAWN)
    ids = recognised.ids()
    if recognised.encoding.ignore is not None:
        ids[key_of(recognised.encoding.ignore)] = IGNORED
    if is_blurred:  # what no class has cannot be the nearest
        ids = {key: class_id for key, class_id in ids.items() if key in centres}
    values = [255] if labels_of(recognised.task).is_one_class else range(len(recognised.classes))
    classes = tuple(replace(info, value=value) for info, value in zip(recognised.classes, values, strict=True))

    pictures = found.pictures(lambda item: MaskLabel(item.masks[""], kind, tuple(ids), tuple(ids.values()), is_blurred))
    is_ignored = recognised.encoding.ignore is not None
    return FoundImages(recognised.task, classes, pictures, is_ignored, notes=(*found.notes, *notes, *recognised.notes))


def _centres(facts: Sequence[MaskFacts], data: DataOptions, where: object) -> tuple[int, ...]:
    named = [option.value if isinstance(option.value, tuple) else option.colour for option in data.classes]
    if named and all(named):
        ignored = [data.ignore] if isinstance(data.ignore, tuple) else []
        return tuple({key_of(colour): None for colour in (*named, *ignored, (0, 0, 0)) if colour is not None})
    counts: Counter[int] = Counter()
    for fact in facts:
        counts.update(view(fact, "colour"))
    return dominant_colours(counts, where)
