"""What masks that come as arrays mean: task and classes; asks where they may mean something else."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import get_args

import numpy as np

from incmask.base.config import IGNORED, ClassTask, Task
from incmask.base.errors import IncmaskError, fail
from incmask.data.dataset import MAX_CLASSES, ClassInfo, DataOptions, default_colour
from incmask.data.folder.drawn import drawn_of
from incmask.data.folder.numbered import may_number
from incmask.data.images.decode import Raster
from incmask.data.images.masks import facts_of
from incmask.method.labels import labels_of

WHERE = "ArrayData.masks"
_COLOURS = (3, 4)


@dataclass(frozen=True)
class Meaning:
    """What the masks of a data set mean.

    Attributes:
        task: what their values are.
        classes: as ``Dataset.classes``.
        ignored: whether any pixel has no label.
    """

    task: Task
    classes: tuple[ClassInfo, ...]
    ignored: bool


def meaning_of(masks: Sequence[np.ndarray], task: Task | None, class_names: Sequence[str] | None) -> Meaning:
    """Find out what masks mean.

    Args:
        masks: (H, W) or (H, W, K) integers each.
        task: None: as the masks tell.
        class_names: None: there are none.

    Raises:
        IncmaskError: they are of different classes, hold values that the task does not have, or may be colours, numbers
            of objects or soft edges, where nobody says that they are classes.
    """
    channels = {mask.shape[2:] for mask in masks}
    if len(channels) > 1:
        raise fail(WHERE, "have different numbers of axes or channels", "give all the same classes")
    values = set(chain.from_iterable(np.unique(mask).tolist() for mask in masks))
    (channel_shape,) = channels
    if channel_shape and channel_shape[0] in _COLOURS:
        _refuse_colours(masks, values, is_told=bool(task or class_names))
    if not task and not class_names and not channel_shape:
        _ask_about_ids(masks, values - {0, IGNORED})
    task = task or _task(channel_shape, values - {IGNORED})
    _check_values(task, channel_shape, values)
    ignored = IGNORED in values
    num_ids = max(values - {IGNORED}, default=0) + 1
    num_classes = {"binary": 1, "multilabel": sum(channel_shape), "multiclass": max(2, num_ids)}[task]
    return Meaning(task, _classes(task, num_classes, class_names, ignored=ignored), ignored)


def _refuse_colours(masks: Sequence[np.ndarray], values: set[int], *, is_told: bool) -> None:
    """Refuse what files of masks become that hold colours."""
    remedy = "give ids (H, W), or a layer of 0 and 1 for each class, (H, W, K)"
    if values - {0, 1, IGNORED} or (IGNORED in values and 1 not in values):
        raise fail(WHERE, "are in colours, where numbers or layers of 0 and 1 are expected", remedy)
    if not is_told and all((mask == mask[..., :1]).all() for mask in masks):
        raise fail(WHERE, "have the same values in all channels", f"give a single one, masks[..., 0], or {remedy}")


def _ask_about_ids(masks: Sequence[np.ndarray], ids: set[int]) -> None:
    """Ask where ids may be numbers of objects, soft edges, or a foreground that is not 1."""
    if may_number([{*np.unique(mask).tolist()} & ids for mask in masks], lambda index: masks[index]):
        what = "hold values that are mostly one piece each, and not the same number in each: objects, or classes"
        remedy = 'give masks > 0 where they number objects (their foreground), or task="multiclass" for classes'
        raise fail(WHERE, what, remedy)
    if len(ids) > 1 and _have_soft_edges(masks):
        half = max(ids | {IGNORED}) // 2
        raise fail(WHERE, "have soft edges", f'give masks > {half} (the foreground), or task="multiclass" for classes')
    if len(ids) == 1 and (value := min(ids)) > 1:
        what = f"hold no values but 0 and {value}: {value} may be the foreground, or an id of which others do not occur"
        raise fail(WHERE, what, 'give masks > 0 (the foreground), or task="multiclass" (an id)')


def _have_soft_edges(masks: Sequence[np.ndarray]) -> bool:
    try:
        facts = [facts_of(Path(WHERE), Raster(mask)) for mask in masks]
        return drawn_of(facts, "grey", DataOptions(), WHERE).snaps
    except IncmaskError:  # values that are told of elsewhere
        return False


def _task(channel_shape: tuple[int, ...], values: set[int]) -> Task:
    if channel_shape:
        return "multilabel"
    return "binary" if values <= {0, 1} else "multiclass"


def _check_values(task: Task, channel_shape: tuple[int, ...], values: set[int]) -> None:
    if task not in get_args(ClassTask):
        told = "; for numbers, write a data folder" if task in get_args(Task) else ""
        raise fail("ArrayData.task", f"is {task!r}", f"choose one of {', '.join(get_args(ClassTask))}{told}")
    labels = labels_of(task)
    if bool(channel_shape) != labels.is_layered:
        expected = "(H, W, K)" if labels.is_layered else "(H, W)"
        raise fail(WHERE, f"{task} masks have {2 + len(channel_shape)} axes, expected {expected}", "change their shape")
    most = MAX_CLASSES - 1 if labels.is_exclusive else 1
    if outside := sorted(value for value in values if not (0 <= value <= most or value == IGNORED)):
        raise fail(WHERE, f"hold {outside[:5]}, {task} masks 0 to {most}", "renumber the classes")
    if not labels.is_exclusive and IGNORED in values and 1 not in values:
        raise fail(WHERE, "hold 255, which means no label, and nowhere 1", "give masks > 0 if 255 is the foreground")


def _classes(task: Task, num: int, names: Sequence[str] | None, *, ignored: bool) -> tuple[ClassInfo, ...]:
    labels = labels_of(task)
    default = [f"class_{index}" for index in range(1, num + 1)]
    default = {"binary": ["foreground"], "multilabel": default, "multiclass": ["background", *default[:-1]]}[task]
    names = default if names is None else list(names)
    if labels.is_exclusive and names is not default:
        num = max(num, len(names))
    if len(names) != num or len(set(names)) < num or not all(names):
        raise fail("ArrayData.class_names", f"are {names}", f"give {num} different names")
    if labels.is_one_class:
        return (ClassInfo(names[0], (255, 255, 255), 1 if ignored else 255),)
    if labels.is_layered:
        # The folders have names of their own, since those of the classes may be none for a folder.
        return tuple(ClassInfo(name, default_colour(i), f"class_{i}") for i, name in enumerate(names, 1))
    return tuple(ClassInfo(name, default_colour(i), i) for i, name in enumerate(names))
