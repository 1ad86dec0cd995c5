"""Images and masks that a person gives in Python: arrays, Pillow images, tensors and whatever becomes an array."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from incmask.base.caller import command
from incmask.base.errors import IncmaskError, Problem, fail
from incmask.data.images.decode import from_pillow

_AS_ARRAY = "give NumPy arrays, Pillow images or tensors"


def image_array(given: Any, where: str) -> np.ndarray:
    """Give an image as an array.

    Args:
        given: (H, W) or (H, W, C); of tensors also (C, H, W), which is how torch has them. Pillow images are turned as
            they say, palettes become colours.
        where: for messages.

    Raises:
        IncmaskError: it is something else.
    """
    if isinstance(given, Image.Image):
        array = from_pillow(Path(where), ImageOps.exif_transpose(given)).to_colour()
    else:
        array = _array(given, where)
    if array.ndim not in (2, 3) or array.size == 0 or array.dtype.kind not in "buif":
        raise fail(where, f"expected (H, W) or (H, W, C) numbers, got {array.dtype} {array.shape}", _AS_ARRAY)
    return array


def mask_array(given: Any, where: str) -> np.ndarray:
    """Give a mask as an array; as ``image_array``, but palettes stay ids, and a single channel in front is none.

    Raises:
        IncmaskError: it is something else, or its values are no whole numbers.
    """
    if isinstance(given, Image.Image):
        array = np.asarray(ImageOps.exif_transpose(given))
        if array.ndim > 2:
            remedy = "give ids, or save it into a data folder, whose masks may be in colours"
            raise fail(where, f"is in colours ({given.mode}), where a number for each class is expected", remedy)
    else:
        array = _array(given, where)
        if array.ndim == 3 and array.shape[2] == 1 and _is_tensor(given):
            array = array[..., 0]
    if array.ndim not in (2, 3) or array.size == 0 or array.dtype.kind not in "bui":
        what = f"expected (H, W) or (H, W, K) integers, got {array.dtype} {array.shape}"
        raise fail(where, what, "convert it, such as by mask.astype(np.uint8)")
    return array


def arrays_of(given: Sequence[Any], where: str, *, masks: bool, problems: list[Problem]) -> list[np.ndarray]:
    """Give several images or masks as arrays; of those that are none, a problem each, and an array without pixels."""
    check_several(given, where)
    to_array = mask_array if masks else image_array
    arrays: list[np.ndarray] = []
    for index, each in enumerate(given):
        try:
            arrays.append(to_array(each, f"{where}[{index}]"))
        except IncmaskError as error:
            problems += error.problems
            arrays.append(np.zeros((0, 0), np.uint8))
    return arrays


def check_several(given: Any, where: str) -> None:
    """Check that several are given, and not a single one, whose rows would be taken for images.

    Raises:
        IncmaskError: it is one image, or the path of one.
    """
    if _is_one(given):
        raise fail(where, "is a single one, where several are expected", "give it in a list")


def listed(given: Any, *, channels: int) -> list[Any]:
    """Give images as a list, whatever they come in: a list, a stack, a generator, or a single one.

    Args:
        given: images in any form that ``image_array`` takes; of three axes, an array whose last one has 1 to 4 entries
            or ``channels``, and a tensor whose first one has 1, 3 or ``channels``, are a single image.
        channels: of the images that are expected.

    Examples:
        >>> len(listed(np.zeros((8, 8)), channels=3)), len(listed(np.zeros((5, 8, 8)), channels=3))
        (1, 5)
        >>> len(listed([[0, 1], [1, 0]], channels=1))
        1
    """
    if _is_one(given, channels):
        return [given]
    images = list(given)
    return [given] if images and _is_row(images[0]) else images


def _is_one(given: Any, channels: int = 1) -> bool:
    if isinstance(given, Image.Image | str | os.PathLike):
        return True
    shape = tuple(getattr(given, "shape", ()))
    if len(shape) != 3:
        return len(shape) == 2
    first = _is_tensor(given) and shape[0] in (1, 3, channels)
    return first or shape[2] <= 4 or shape[2] == channels


def _is_row(given: Any) -> bool:
    """Tell a row of numbers, of an image that is a list of them, from an image."""
    return isinstance(given, list | tuple) and bool(given) and isinstance(given[0], int | float)


def _is_tensor(given: Any) -> bool:
    return hasattr(given, "detach") and hasattr(given, "cpu")


def _array(given: Any, where: str) -> np.ndarray:
    if isinstance(given, str | os.PathLike):
        raise fail(where, "is a path where an image is expected", f"open it; {command('predict')} takes paths")
    if not _is_tensor(given):
        try:
            return np.asarray(given)
        except ValueError:  # lists of different lengths
            return np.asarray(None)
    tensor = given.detach().cpu()
    array = (tensor.float() if "float" in str(tensor.dtype) else tensor).numpy()
    is_last = array.ndim == 3 and array.shape[2] < min(array.shape[:2])
    return np.moveaxis(array, 0, -1) if array.ndim == 3 and not is_last else array


def channels_first_hint(shape: tuple[int, ...]) -> str:
    """Say what to do with an array whose channels seem to come first; "" where they do not."""
    is_first = len(shape) == 3 and shape[0] <= 4 < shape[2] and shape[0] < shape[1]
    return "give np.moveaxis(image, 0, -1), as channels come last" if is_first else ""
