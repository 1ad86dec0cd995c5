"""Images each in a folder of its own, beside a folder with a mask file for each object, as in DSB 2018."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from incmask.base.errors import fail
from incmask.data.dataset import DataOptions
from incmask.data.folder.names import kind_of_folder
from incmask.data.images.masks import grey_values
from incmask.exchange.formats.common import Files, FoundImages, SourceImage, images_of, read_mask
from incmask.exchange.formats.masks.instances import FOREGROUND, LAYERS, layers_of
from incmask.exchange.formats.masks.pairs import check_size
from incmask.exchange.sources.archives import SourceFile


@dataclass(frozen=True)
class ObjectsLabel:
    """A label from masks of single objects.

    Attributes:
        masks: a file for each object, which is what is not 0; a later one lies over an earlier one.
        is_multilabel: body, border and centre; else the foreground alone.
    """

    masks: tuple[SourceFile, ...]
    is_multilabel: bool

    def make(self, height: int, width: int) -> np.ndarray:
        """Make the label as ``InstanceLabel`` does.

        Raises:
            IncmaskError: a mask is damaged, or of another size.
        """
        objects = np.zeros((height, width), np.int32)
        for number, mask in enumerate(self.masks, start=1):
            raster = read_mask(mask)
            check_size(mask.where, raster, (height, width))
            objects[grey_values(raster) != 0] = number
        return layers_of(objects) if self.is_multilabel else (objects > 0).astype(np.uint8)


def read_objects(files: Files, data: DataOptions, *, where: object, is_multilabel: bool) -> FoundImages:
    """Read images with a folder of masks each, a file an object.

    An image is called by its file. Without masks it is unlabelled.

    Raises:
        IncmaskError: a folder holds several images beside its masks, or two images have the same name.
    """
    images: dict[str, list[str]] = defaultdict(list)
    masks: dict[str, list[str]] = defaultdict(list)
    pictures = images_of(files)
    for path in sorted(pictures):
        folder = PurePosixPath(path).parent
        of_kind = {"image": images, "mask": masks}.get(kind_of_folder(folder.name, foreign=True) or "")
        if of_kind is not None:
            of_kind[str(folder.parent)].append(path)
    found: dict[str, SourceImage] = {}
    for folder_name, paths in images.items():
        if len(paths) > 1:
            raise fail(where, f"holds {len(paths)} images in {folder_name}, where one is expected", "part them")
        (path,) = paths
        label = ObjectsLabel(tuple(pictures[mask] for mask in masks[folder_name]), is_multilabel)
        name = f"{PurePosixPath(folder_name).parent}/{PurePosixPath(path).stem}".removeprefix("./")
        if name in found:
            raise fail(pictures[path].where, f"has the same name as {found[name].path}", "rename one of the two")
        found[name] = SourceImage(name, path, pictures[path], label if label.masks else None)
    if not any(picture.label for picture in found.values()):
        raise fail(where, "holds no folder images beside a folder masks", "arrange x/images/x.png and x/masks/*.png")
    ordered = tuple(found[name] for name in sorted(found))
    return FoundImages("multilabel" if is_multilabel else "binary", LAYERS if is_multilabel else FOREGROUND, ordered)
