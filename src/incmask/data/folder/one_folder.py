"""A folder of masks that holds but one folder: a class, or one more on the way to masks of all classes."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import PurePosixPath

from incmask.base.errors import IncmaskError
from incmask.data.dataset import DataOptions
from incmask.data.folder.part_files import PartFiles
from incmask.data.images.masks import MAX_COLOURS, mask_facts

_LOOKED_AT = 8


def is_no_class(folders: Sequence[str], parts: Iterable[PartFiles], options: DataOptions) -> bool:
    """Tell whether the only folder of masks is none of a class: they hold several values, of which none is 0.

    Where a class is drawn, or objects are numbered, the rest is 0. Nothing is asked of what a person tells.
    """
    if len(folders) != 1 or options.classes or options.task is not None or options.encoding is not None:
        return False
    paths = [path for part in parts for path in islice(part.masks.values(), _LOOKED_AT)]
    try:
        values = [{*mask_facts(path).counts} for path in paths]
    except IncmaskError:
        return False  # which is told where all are read
    return bool(values) and all(_tells_all(each) for each in values) and max(map(len, values)) > 1


def _tells_all(values: Collection[int]) -> bool:
    return 0 not in values and max(values) < MAX_COLOURS


def without_folder(part: PartFiles) -> PartFiles:
    """Give the masks of a part by their paths below the folder in that of the masks."""
    masks = {PurePosixPath(*below.parts[1:]): path for below, path in part.masks.items() if len(below.parts) > 1}
    return replace(part, masks=masks)
