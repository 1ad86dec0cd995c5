"""A data folder whose names are none that are known, as what goes together in it."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from incmask.base.packed import Packed
from incmask.base.words import counted
from incmask.data.dataset import PARTS
from incmask.data.folder.likeness import by_look, find_alike, is_drawn, told_part
from incmask.data.folder.names import first_of
from incmask.data.folder.pairing import Files, ImageWithMasks
from incmask.data.images.masks import MaskFacts, mask_facts

Parts = dict[str, Sequence[ImageWithMasks]]

_LOOKED_AT = 4
"""Files of a folder that are opened to tell whether it holds images."""


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
    known = {path for each in alike for path in (*each.mask_of, *each.mask_of.values(), *each.bare)}
    left: dict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
    for path in files:
        if path not in known:
            left[path.parent].append(path)
    for folder in sorted(left) if alike else ():
        inside = sorted(left[folder])
        if told_part(inside[0]) and not any(is_drawn(facts_at, path) for path in inside[:_LOOKED_AT]):
            del left[folder]
            for path in inside:
                parts["unlabelled"].append(ImageWithMasks(alike[0].name_of(path), root / path, {}))
    if not parts["labelled"] or any(len({each.name for each in pairs}) < len(pairs) for pairs in parts.values()):
        return None
    notes = [*map(str, alike)]
    if bare := len(parts["unlabelled"]):
        notes.append(f"taken as unlabelled, as without a mask: {counted(bare, 'image')}")
    folders = sorted({*map(str, left)} - {"."})
    if folders:
        notes.append(f"left alone, as neither these images nor these masks: {first_of(folders, 4)}")
    return dict(parts.items()), tuple(notes)
