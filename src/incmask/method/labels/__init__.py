"""What the labels of a task are: channels, votes, decoding, ids and layers; a new task is one class here.

Every rule takes NumPy arrays and torch tensors alike, unless it names one of them. Class 0 of what networks learn for
exclusive classes is the masked class, "no label here" (paper section 2.4.6): the real ids are one higher there, and
this package alone knows that.
"""

from typing import get_args

from incmask.base.config import Task
from incmask.base.errors import fail
from incmask.method.labels.base import Labels
from incmask.method.labels.classes import Binary, Multiclass, Multilabel
from incmask.method.labels.numbers import Denoise, Depth

_LABELS: dict[Task, Labels] = {each.task: each for each in (Binary(), Multilabel(), Multiclass(), Denoise(), Depth())}


def labels_of(task: Task, where: str = "task") -> Labels:
    """Give the labels of a task by its name.

    Raises:
        IncmaskError: the task is unknown.

    Examples:
        >>> labels_of("multiclass").num_outputs(3), labels_of("binary").score_name
        (4, 'IoU')
    """
    if task not in _LABELS:
        raise fail(where, f"unknown task {task!r}", f"choose one of {', '.join(get_args(Task))}")
    return _LABELS[task]


def check_classes(task: Task, what: str) -> None:
    """Refuse what is for classes alone where a task's labels are numbers.

    Args:
        task: of the labels.
        what: is refused, such as "ranking".

    Raises:
        IncmaskError: they are numbers.

    Examples:
        >>> check_classes("binary", "ranking")  # goes on
    """
    if labels_of(task).is_continuous:
        raise fail(what, f"is for classes, and the targets of {task} are numbers", "leave it out")
