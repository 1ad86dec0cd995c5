"""Masks from elsewhere for the unlabelled images of a data set: what somebody would draw who was asked."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

from incmask.base.errors import Problem, collected, fail, raise_problems
from incmask.data.dataset import Dataset, Item
from incmask.data.folder.names import is_image
from incmask.data.folder.pairing import ImageWithMasks, pair
from incmask.data.folder.walk import walk
from incmask.data.images.readers import read_label


def with_oracle(dataset: Dataset, folder: Path) -> Dataset:
    """Lay the masks of a folder beside the unlabelled images of their names; an image without one stays without.

    Args:
        dataset: whose classes and spelling the masks have.
        folder: of masks as they lie in the masks folder of the labelled images.

    Raises:
        IncmaskError: there is no mask of any of these images, or one cannot be read as the labelled ones are.
    """
    images = {PurePosixPath(f"{item.name}{item.image.suffix}"): item.image for item in dataset.unlabelled}
    files = (path for path in walk(folder).files if is_image(path) or path.is_dir())
    masks = {PurePosixPath(path.relative_to(folder)): path for path in files}
    is_folders = dataset.encoding.kind == "folders"
    found = {each.name: each for each in pair(images, masks, mask_suffix=None, class_folders=is_folders).pairs}
    items = tuple(_with_masks(item, found.get(item.name), dataset) for item in dataset.unlabelled)
    given = [item for item in items if item.masks is not None]
    if not given:
        what = f"holds no mask of any of the {len(items)} unlabelled images"
        raise fail(folder, what, "give the folder of their true masks, which bear the names of the images")
    problems: list[Problem] = []
    for item in given:
        with collected(problems):
            read_label(item, dataset)
    raise_problems(problems)
    return replace(dataset, unlabelled=items)


def _with_masks(item: Item, found: ImageWithMasks | None, dataset: Dataset) -> Item:
    if found is None or not found.masks:
        return replace(item, masks=None)
    keys = [str(info.value) for info in dataset.classes] if dataset.encoding.kind == "folders" else [""]
    return replace(item, masks=tuple(found.masks.get(key) for key in keys))
