"""Pseudo-labels that are made anew at each step of a training, from what averaged copies of its networks say."""

from typing import Annotated

from array_api_compat import array_namespace

from incmask.base.config import IGNORED, Task
from incmask.method.agreement import Inconsistency, combine
from incmask.method.exact import Array, mean_of_members
from incmask.method.labels import labels_of
from incmask.method.recipe import Online


def online_labels(
    members: Annotated[Array, "m n c h w"],
    online: Online,
    *,
    task: Task,
    erode_px: int = 0,
    dilate_px: int = 0,
    depth: int | None = None,
) -> tuple[Inconsistency, ...]:
    """Give the pseudo-labels of a team's students, one after the other.

    A pixel is disputed where the copies do not say the same, as in ``agreement``, whosoever label it is. So where
    nothing is disputed, the label is the same for all ``voters``. A student that is alone disputes nothing.

    Args:
        members: what the copies say, float, (m, N, C, H, W): one for each student of the team.
        online: whose label is taken, and how certain it has to be.
        task: what the channels mean.
        erode_px, dilate_px: sides of the squares that change the mask, as for ``inconsistency``.
        depth: slices of each sheet, over which the squares are cubes; None: images.

    Returns:
        For each student label uint8 (N, H, W) or (N, H, W, K), 255 where it is less probable than ``confidence``, and
        inconsistent bool (N, H, W).

    Examples:
        >>> says = np.array([[0.9, 0.7, 0.1], [0.8, 0.4, 0.3]]).reshape(2, 1, 1, 1, 3)  # two copies, three pixels
        >>> [found.label.tolist() for found in online_labels(says, Online("own"), task="binary")]
        [[[[1, 1, 0]]], [[[1, 0, 0]]]]
        >>> found, _ = online_labels(says, Online("team", confidence=0.8), task="binary")
        >>> found.label.tolist(), found.inconsistent.tolist()
        ([[[1, 255, 0]]], [[[False, True, False]]])
    """
    num_members, kind = members.shape[0], labels_of(task)
    voted = combine(members, task=task, erode_px=erode_px, dilate_px=dilate_px, depth=depth)

    def labelled(label: Array, says: Array) -> Inconsistency:
        if online.confidence:
            xp = array_namespace(label)
            certain = kind.certainty(label, says) >= online.confidence
            label = xp.where(certain, label, xp.full_like(label, IGNORED))
        return Inconsistency(label, voted.inconsistent)

    if online.voters == "team":
        of_all = labelled(voted.label, mean_of_members(members))
        return tuple(of_all for _ in range(num_members))
    labellers = (members[(student + (online.voters == "other")) % num_members, ...] for student in range(num_members))
    return tuple(labelled(kind.decode(says), says) for says in labellers)
