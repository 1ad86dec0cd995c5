"""The method's arrays have the shapes that its signatures give: checked in every test by ``shapes``."""

import importlib
import inspect
import pkgutil
from typing import Annotated, get_origin, get_type_hints

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import shapes
from incmask import method
from incmask.base.errors import IncmaskError
from incmask.method.exact import Array
from incmask.method.metrics import Counts, count, iou

MODULES = [importlib.import_module(f"incmask.method.{module.name}") for module in pkgutil.iter_modules(method.__path__)]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_signatures_give_the_shapes_of_arrays(module):
    for owner, name, function in shapes.public_functions(module):
        assert inspect.unwrap(function) is not function, "it is not checked"
        for argument, hint in shapes.hints_of(owner, name).items():
            for option in shapes.options(hint):
                bare = option in (Array, torch.Tensor) or (get_origin(option) or option) is np.ndarray
                assert not bare, f"{name}: {argument} has no axes"


def wrapped(function):
    return shapes.checked(function, get_type_hints(function, include_extras=True))


def test_what_differs_from_its_axes_is_told():
    @wrapped
    def middle(image: Annotated[NDArray[np.uint8], "h w c"]) -> Annotated[NDArray[np.uint8], "h w"]:
        return image[:, 0]

    middle(np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(AssertionError, match=r"middle: return is uint8 \(4, 3\), expected .*'h w'"):
        middle(np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(AssertionError, match=r"middle: image is float64 \(4, 4, 4\)"):
        middle(np.zeros((4, 4, 4)))


def test_what_was_right_once_is_looked_at_again_where_types_or_shapes_differ():
    @wrapped
    def scale(image: Annotated[NDArray[np.uint8], "h w"], factor: Annotated[NDArray, "h"] | float) -> None: ...

    image = np.zeros((4, 5), np.uint8)
    scale(image, 1.0)
    scale(image, np.zeros(4))
    for wrong in (np.zeros(5), np.zeros((4, 4)), None, "4"):
        with pytest.raises(AssertionError, match="scale: factor is"):
            scale(image, wrong)
    with pytest.raises(AssertionError, match="scale: image is int64"):
        scale(image.astype(int), 1.0)


def test_a_mask_settles_how_a_label_is_read():
    @wrapped
    def block(
        label: Annotated[NDArray, "*pixels"] | Annotated[NDArray, "*pixels k"], mask: Annotated[NDArray, "*pixels"]
    ) -> None: ...

    block(np.zeros((4, 5)), np.zeros((4, 5)))
    block(np.zeros((4, 5, 3)), np.zeros((4, 5)))
    with pytest.raises(AssertionError, match="label is"):
        block(np.zeros((4, 3)), np.zeros((4, 5)))


def test_records_are_checked_with_the_call():
    one, two = np.zeros((1, 2), np.int64), np.zeros(1, np.int64)
    iou(Counts(one, one, one, two, two))
    with pytest.raises(AssertionError, match=r"iou: counts\.valid is int64 \(2,\)"):
        iou(Counts(one, one, one, two, np.zeros(2, np.int64)))


def test_what_is_refused_is_refused_as_to_a_user():
    with pytest.raises(IncmaskError, match="give two stacks of labels of one shape"):
        count(np.zeros((1, 2), int), np.zeros((1, 3), int), task="binary", num_classes=1)
