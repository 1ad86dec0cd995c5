"""Blank the inconsistent pixels of a pseudo-labelled pair, and decide whether the pair is admitted (section 2.4.6)."""

from typing import Annotated, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from incmask.base.config import Settings, Task
from incmask.base.errors import fail
from incmask.method.labels import labels_of
from incmask.method.recipe import Blocking, Recipe

Label = Annotated[np.ndarray, "*pixels"] | Annotated[np.ndarray, "*pixels k"]
Mask = Annotated[NDArray[np.bool_], "*pixels"]

_LEAST_DISPUTED = 0.25
"""Share of the pseudo-labelled images that others are filled from."""

AdmissionRule = Literal["label_exceeds_mask", "confident_empty_too", "confident_all_tasks", "all"]
"""label_exceeds_mask: the paper's; confident_empty_too: images agreed to be empty as well; confident_all_tasks: the
same for every task and not the binary one alone; all: every pair."""


def block_image(image: Annotated[np.ndarray, "*pixels c"], inconsistent: Mask) -> Annotated[np.ndarray, "*pixels c"]:
    """Set the inconsistent pixels to 0 in all channels (paper, section 2.4.6).

    Args:
        image: (..., H, W, C), channels last.
        inconsistent: bool (..., H, W).

    Returns:
        A new array of the image's shape and dtype.

    Raises:
        IncmaskError: the mask is not bool or does not fit the image.

    Examples:
        >>> block_image(np.array([[[7, 8], [9, 5]]]), np.array([[True, False]])).tolist()
        [[[0, 0], [9, 5]]]
    """
    _check_mask(image.shape[:-1], inconsistent, "block_image(image)")
    return _zeroed(image, inconsistent[..., None])


def block_label(label: Label, inconsistent: Mask, *, task: Task) -> Label:
    """Set the inconsistent pixels to 0 in the label (paper, section 2.4.6).

    Args:
        label: binary 0/1 or multiclass ids (..., H, W), in which 0 then means what the caller keeps it for; multilabel
            0/1 (..., H, W, K), all channels of a pixel being blocked.
        inconsistent: bool (..., H, W).
        task: how to read ``label``.

    Returns:
        A new array of the label's shape and dtype.

    Raises:
        IncmaskError: the mask is not bool or does not fit the label.

    Examples:
        >>> block_label(np.array([[1, 1, 0]]), np.array([[True, False, False]]), task="binary").tolist()
        [[0, 1, 0]]
    """
    where = "block_label(label)"
    labels = labels_of(task, where)
    _check_mask(labels.pixels(label.shape), inconsistent, where)
    return _zeroed(label, labels.over_layers(inconsistent))


def blocking_of(recipe: Recipe, settings: Settings) -> Blocking | None:
    """Give what is done to disputed pixels: what the setting ``blocking`` says, where the recipe blocks at all.

    Examples:
        >>> from incmask.method.recipes import RECIPES
        >>> blocking_of(RECIPES["im"], Settings(blocking="ignore"))
        Blocking(image=False, label=False, in_loss=False, fill='zero')
        >>> blocking_of(RECIPES["me"], Settings(blocking="ignore")) is None
        True
    """
    of_settings = {
        "zero": Blocking(),
        "zero_ignore": Blocking(in_loss=False),
        "ignore": Blocking(image=False, label=False, in_loss=False),
        "labelled": Blocking(in_loss=False, fill="labelled"),
        "certain": Blocking(in_loss=False, fill="certain"),
    }
    return recipe.blocking and of_settings.get(settings.blocking, recipe.blocking)


def filled(
    pair: tuple[Annotated[np.ndarray, "*pixels c"], Label, Mask],
    other: tuple[Annotated[np.ndarray, "*pixels c"], Label, Mask],
    *,
    task: Task,
) -> tuple[Annotated[np.ndarray, "*pixels c"], Label, Mask]:
    """Put what another pair has there in place of the inconsistent pixels.

    Args:
        pair: image (..., H, W, C), label as for ``block_label``, and where it is inconsistent, bool (..., H, W).
        other: the same of another image, of the same shapes.
        task: how to read the labels.

    Returns:
        Image and label, and where both are inconsistent; new arrays.

    Examples:
        >>> image, label, inconsistent = np.array([[[7], [8]]]), np.array([[1, 1]]), np.array([[True, False]])
        >>> other = np.array([[[3], [4]]]), np.array([[0, 0]]), np.array([[False, True]])
        >>> [each.tolist() for each in filled((image, label, inconsistent), other, task="binary")]
        [[[[3], [8]]], [[0, 1]], [[False, False]]]
    """
    (image, label, inconsistent), (other_image, other_label, others) = pair, other
    over_layers = labels_of(task).over_layers(inconsistent)
    return (
        np.where(inconsistent[..., None], other_image, image),
        np.where(over_layers, other_label, label),
        inconsistent & others,
    )


def least_disputed(inconsistent_fraction: Annotated[NDArray[np.floating], "n"]) -> Annotated[NDArray[np.intp], "m"]:
    """Give the images that others are filled from: the quarter with the smallest masks, at least one, in order.

    Examples:
        >>> least_disputed(np.array([0.3, 0.1, 0.2, 0.1, 0.4, 0.0])).tolist()
        [1, 5]
    """
    num = -(-len(inconsistent_fraction) * _LEAST_DISPUTED // 1)
    return np.sort(np.argsort(inconsistent_fraction, kind="stable")[: int(num)])


def admitted(
    label: Annotated[np.ndarray, "*n h w"] | Annotated[np.ndarray, "*n h w k"],
    inconsistent: Annotated[NDArray[np.bool_], "*n h w"],
    *,
    task: Task,
    rule: AdmissionRule,
) -> Annotated[NDArray[np.bool_], "*n"]:
    """Decide which pairs enter the combined data (paper, sections 2.4.6 and 3.11).

    ``label_exceeds_mask``: the foreground pixels outside the mask must outnumber the mask's pixels; where a task has
    several classes, pixels of any but the ground. ``confident_empty_too`` admits besides the images without foreground
    and with an empty mask: that there is nothing to find is something to learn. Both turn binary pairs away alone;
    ``confident_all_tasks`` is the second one for all tasks.

    Give label and mask as algorithm 1 makes them, before the mask is eroded and dilated: the rule asks on how much of
    an object the members agree. A rim of some pixels that a dilation adds says nothing of that, and an erosion takes
    away what they disagree on.

    Args:
        label: (..., H, W), or (..., H, W, K) for multilabel; blocked or not, the answer is the same.
        inconsistent: bool (..., H, W).
        task: how to read ``label``.
        rule: which pairs to admit.

    Returns:
        bool over the leading axes; without any, an array of no axes.

    Raises:
        IncmaskError: an unknown rule, a mask that is not bool or does not fit, or a binary label that is not 0/1.

    Examples:
        >>> labels = np.array([[[0, 1, 1]], [[0, 0, 1]]])
        >>> inconsistent = np.array([[[True, False, False]], [[True, False, False]]])
        >>> admitted(labels, inconsistent, task="binary", rule="label_exceeds_mask").tolist()
        [True, False]
    """
    where = "admitted(label)"
    labels = labels_of(task, where)
    if rule not in get_args(AdmissionRule):
        raise fail(where, f"unknown rule {rule!r}", f"choose one of {', '.join(get_args(AdmissionRule))}")
    _check_mask(labels.pixels(label.shape), inconsistent, where)
    if rule == "all" or (rule != "confident_all_tasks" and not labels.is_one_class):
        return np.ones(inconsistent.shape[:-2], dtype=bool)
    if labels.is_one_class and label.max(initial=0) > 1:
        raise fail(where, f"binary labels hold {label.max()}, expected 0 and 1 only", "convert them, e.g. labels > 0")
    foreground_px = np.count_nonzero(labels.foreground(label) & ~inconsistent, axis=(-2, -1))
    inconsistent_px = np.count_nonzero(inconsistent, axis=(-2, -1))
    exceeds = np.asarray(foreground_px > inconsistent_px)
    if rule == "label_exceeds_mask":
        return exceeds
    return np.asarray(exceeds | ((foreground_px == 0) & (inconsistent_px == 0)))


def why_left_out(
    label: Annotated[np.ndarray, "*n h w"] | Annotated[np.ndarray, "*n h w k"],
    inconsistent: Annotated[NDArray[np.bool_], "*n h w"],
    *,
    task: Task,
) -> Annotated[np.ndarray, "*n"]:
    """Tell why ``admitted`` turns pairs away: "empty", nothing is found and nothing disputed, or else "disputed".

    Args:
        label, inconsistent: as for ``admitted``, which took none of them.
        task: how to read ``label``.

    Examples:
        >>> labels, inconsistent = np.array([[[0, 0]], [[1, 0]]]), np.array([[[False, False]], [[False, True]]])
        >>> why_left_out(labels, inconsistent, task="binary").tolist()
        ['empty', 'disputed']
    """
    seen = labels_of(task).foreground(label) | inconsistent
    return np.where(seen.any((-2, -1)), "disputed", "empty")


def _check_mask(shape: tuple[int, ...], inconsistent: NDArray[np.bool_], where: str) -> None:
    if inconsistent.dtype != np.bool_:
        raise fail(where, f"the mask is {inconsistent.dtype}, expected bool", "convert it with .astype(bool)")
    if inconsistent.shape != shape or len(shape) < 2:
        raise fail(where, f"the mask is {inconsistent.shape}, expected (..., H, W) {shape}", "check axes and task")


def _zeroed(values: np.ndarray, mask: NDArray[np.bool_]) -> np.ndarray:
    if np.issubdtype(values.dtype, np.floating):
        return np.where(mask, values.dtype.type(0), values)  # 0 times infinity or NaN is no 0
    return values * ~mask  # twice as fast


def foreground_fraction(
    label: Annotated[np.ndarray, "n h w"] | Annotated[np.ndarray, "n h w k"],
    inconsistent: Annotated[NDArray[np.bool_], "n h w"] | None,
    *,
    task: Task,
) -> Annotated[NDArray[np.floating], "n"]:
    """Give the share of each image's pixels with a class other than background, disputed ones left out: (N,), 0 to 1.

    Examples:
        >>> inconsistent = np.array([[[True, False, False, False]]])
        >>> foreground_fraction(np.array([[[1, 1, 0, 0]]]), inconsistent, task="binary").tolist()
        [0.25]
    """
    foreground = labels_of(task).foreground(label)
    share: np.ndarray = (foreground if inconsistent is None else foreground & ~inconsistent).mean((1, 2))
    return share
