"""Images whose masks hold a number for each object: to foreground, or to body, border and centre."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import center_of_mass
from scipy.spatial import KDTree

from incmask.base.errors import fail
from incmask.data.dataset import ClassInfo, DataOptions
from incmask.data.images.masks import grey_values, pack_colours
from incmask.exchange.formats.common import Files, FoundImages, read_mask
from incmask.exchange.formats.masks.pairs import check_size
from incmask.exchange.formats.naming import Sorted, sort_files
from incmask.exchange.sources.archives import SourceFile

FOREGROUND = (ClassInfo("foreground", (255, 255, 255), 255),)
LAYERS = tuple(
    ClassInfo(name, colour, name)
    for name, colour in (("body", (0, 160, 255)), ("border", (255, 160, 0)), ("centre", (255, 255, 255)))
)

_SMALLEST_RADIUS_PX, _LARGEST_RADIUS_PX = 3, 8


@dataclass(frozen=True)
class InstanceLabel:
    """A label from a mask with a number for each object.

    Attributes:
        mask: the file, of numbers or of colours; 0, or black, is background.
        is_multilabel: body, border and centre; else the foreground alone.
    """

    mask: SourceFile
    is_multilabel: bool

    def make(self, height: int, width: int) -> np.ndarray:
        """Make the label: uint8 of 0 and 1, (height, width, 3) or (height, width).

        Raises:
            IncmaskError: the mask is damaged, of another size, or holds no whole numbers from 0 on.
        """
        path = self.mask.where
        raster = read_mask(self.mask)
        check_size(path, raster, (height, width))
        is_colour = raster.values.ndim == 3 and (raster.values != raster.values[..., :1]).any()
        values = pack_colours(raster.values) if is_colour else grey_values(raster)
        if values.min() < 0 or (values.dtype.kind == "f" and (values != np.rint(values)).any()):
            raise fail(path, "holds values that are no whole numbers from 0 on", "export a number for each object")
        return layers_of(values) if self.is_multilabel else (values > 0).astype(np.uint8)


def layers_of(instances: np.ndarray) -> np.ndarray:
    """Turn objects into layers that a network can learn.

    The border is the pixels of an object that touch, in any of 8 directions, another object or background. The
    centre is a disc at each object's centroid, of a quarter of the distance to the nearest other centroid, from 3 to
    8 pixels, and of 8 for a lone object (paper, section 2.2, HeLa).

    Args:
        instances: (H, W) whole numbers, 0 for background.

    Returns:
        (H, W, 3) uint8 of 0 and 1: body, border, centre.
    """
    # Numbers side by side fit a float32 however large those of the file are; background stays 0.
    found, places = np.unique(instances, return_inverse=True)
    numbers = (places.reshape(instances.shape) + (found[0] != 0)).astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    body = numbers > 0
    border = body & (cv2.dilate(numbers, kernel) != cv2.erode(numbers, kernel))
    return np.stack([body, border, _centres(numbers)], axis=2).astype(np.uint8)


def _centres(numbers: np.ndarray) -> np.ndarray:
    discs = np.zeros(numbers.shape, np.uint8)
    objects = np.arange(1, int(numbers.max()) + 1)
    if not len(objects):
        return discs
    centroids = np.array(center_of_mass(numbers > 0, numbers, objects))
    radii = np.full(len(objects), _LARGEST_RADIUS_PX)
    if len(objects) > 1:
        distances = KDTree(centroids).query(centroids, k=2)[0][:, 1]
        radii = np.clip(distances // 4, _SMALLEST_RADIUS_PX, _LARGEST_RADIUS_PX).astype(int)
    for (row, column), radius in zip(centroids, radii, strict=True):
        cv2.circle(discs, (round(column), round(row)), int(radius), 1, cv2.FILLED)
    return discs


def read_instances(files: Files, data: DataOptions, *, where: object, is_multilabel: bool) -> FoundImages:
    """Read images with one mask each that holds a number for each object, 0 for background.

    Raises:
        IncmaskError: the files do not fit together.
    """
    found = sort_files(files, mask_suffix=data.mask_suffix, where=where)
    if found.class_folders:
        what = "holds a folder of masks for each class where one mask with a number for each object is expected"
        raise fail(where, what, "choose the layout class-folders")
    return instances_of(found, is_multilabel=is_multilabel)


def instances_of(found: Sorted, *, is_multilabel: bool) -> FoundImages:
    """Do what ``read_instances`` does, once files are sorted."""
    pictures = found.pictures(lambda item: InstanceLabel(item.masks[""], is_multilabel))
    return FoundImages("multilabel" if is_multilabel else "binary", LAYERS if is_multilabel else FOREGROUND, pictures)
