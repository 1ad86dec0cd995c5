"""A data folder whose names are none that are known, as what goes together in it."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath

from incmask.base.packed import Packed
from incmask.base.words import counted
from incmask.data.dataset import PARTS
from incmask.data.folder.likeness import Alike, by_look, find_alike, is_drawn, told_part
from incmask.data.folder.names import first_of, part_in
from incmask.data.folder.pairing import Files, ImageWithMasks
from incmask.data.images.masks import MaskFacts, mask_facts

Parts = dict[str, Sequence[ImageWithMasks]]

_LOOKED_AT = 4
"""Files of a folder that are opened to tell whether it holds images."""

_NAMES_COMPARED = 1_000
"""Of more names as many tell."""


def parts_by_likeness(root: Path, files: Files) -> tuple[Parts, tuple[str, ...]] | None:
    """Find images and masks by names that go together, and by a look at a few.

    Args:
        root: the data folder.
        files: the pictures below it, by their paths there.

    Returns:
        The pairs of each part, and what a person is told of them; None where nothing goes together for sure.
    """

    def facts_at(path: PurePosixPath) -> MaskFacts:
        return mask_facts(root / path)

    alike = find_alike(files, by_look(facts_at))
    parts = {part: Packed(ImageWithMasks) for part in PARTS}
    for each in alike:
        for image, mask in each.pairs():
            masks = {"": root / mask} if mask else {}
            pair = ImageWithMasks(each.name_of(image), root / image, masks)
            parts[each.part_of(image) or "labelled"].append(pair)
    alone, others = folders_beside(alike, files, facts_at)
    for path in chain.from_iterable(alone.values()):
        parts["unlabelled"].append(ImageWithMasks(alike[0].name_of(path), root / path, {}))
    if not parts["labelled"] or any(len({each.name for each in pairs}) < len(pairs) for pairs in parts.values()):
        return None
    notes = [*map(str, alike)]
    if bare := len(parts["unlabelled"]):
        where = f", also all in {first_of([*map(str, alone)], 4)}" if alone else ""
        notes.append(f"taken as unlabelled, as without a mask: {counted(bare, 'image')}{where}")
    if others:
        notes.append(f"left alone, as neither these images nor these masks: {first_of(others, 4)}")
    return dict(parts.items()), tuple(notes)


def folders_beside(
    alike: Sequence[Alike], files: Collection[PurePosixPath], facts_at: Callable[[PurePosixPath], MaskFacts]
) -> tuple[dict[PurePosixPath, list[PurePosixPath]], list[str]]:
    """Find folders of images alone beside what goes together.

    Args:
        alike: what goes together.
        files: all pictures, by their paths.
        facts_at: as for ``by_look``.

    Returns:
        The images of each of these folders, sorted, and the other folders in which pictures are left.
    """
    known = {path for each in alike for path in (*each.mask_of, *each.mask_of.values(), *each.bare)}
    left: dict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
    for path in files:
        if path not in known:
            left[path.parent].append(path)
    names = {path.stem for each in alike for path in each.mask_of}
    alone: dict[PurePosixPath, list[PurePosixPath]] = {}
    for folder in sorted(left) if alike else ():
        inside = sorted(left[folder])
        may_be = told_part(inside[0]) or (len(inside) > 1 and _are_others(inside, names))
        if may_be and not any(is_drawn(facts_at, path) for path in inside[:_LOOKED_AT]):
            alone[folder] = inside
    return alone, sorted({*map(str, left.keys() - alone.keys())} - {"."})


def _are_others(pictures: Sequence[PurePosixPath], names: Collection[str]) -> bool:
    """Tell whether pictures are none of labelled images, as overlays are: by their names, or as they say themselves."""
    if all(part_in(path.stem) == "unlabelled" for path in pictures[:_LOOKED_AT]):
        return True
    some = "|".join(map(re.escape, sorted(names)[:_NAMES_COMPARED]))
    of_these = re.compile(rf"(?<![^\W_])(?:{some})(?![^\W_])")
    return not any(of_these.search(path.stem) for path in pictures[:_NAMES_COMPARED])
