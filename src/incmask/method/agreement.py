"""From the predictions of several members to one label and the mask of pixels on which they disagree.

One implementation serves NumPy arrays and torch tensors on any device. It only uses operations that are exact or
correctly rounded, one element at a time and in a fixed order, so all of them agree bit for bit.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Literal, get_args

from array_api_compat import array_namespace, device

from incmask.base.config import Task
from incmask.base.errors import fail
from incmask.base.words import ShortRepr
from incmask.method.exact import Array, mean_of_image, mean_of_members, square_root
from incmask.method.labels import labels_of
from incmask.method.labels.base import Labels, Mask, Votes
from incmask.method.members import checked_labels, checked_probabilities, floating, spatial_axes, stacked
from incmask.method.morphology import check_side, dilate, erode
from incmask.method.sheets import folded, unfolded

Statistic = Literal["standard_deviation", "standard_error"]


@dataclass(frozen=True, repr=False)
class Inconsistency(ShortRepr):
    """What the members agree on, and where they do not.

    Attributes:
        label: the agreed label. Binary: uint8 0/1 (*spatial). Multilabel: uint8 0/1 (K, *spatial). Multiclass: ids in
            the members' dtype (*spatial), 0 where they disagree. Continuous: the mean, floating (*spatial).
        inconsistent: bool (*spatial), True where the members disagree.

    Examples:
        >>> import numpy as np
        >>> Inconsistency(np.zeros((4, 4), np.uint8), np.ones((4, 4), bool))
        Inconsistency(label=uint8 (4, 4), inconsistent=bool (4, 4))
    """

    label: Annotated[Array, "*spatial"] | Annotated[Array, "k *spatial"] | Annotated[Array, "*spatial k"]
    inconsistent: Annotated[Array, "*spatial"]


def inconsistency(
    labels: Annotated[Array, "n *spatial"] | Annotated[Array, "n k *spatial"] | Sequence[Array],
    *,
    task: Task,
    erode_px: int = 0,
    dilate_px: int = 0,
    spatial_ndim: int | None = None,
) -> Inconsistency:
    """Compare the members' hard labels (paper, section 2.4.6, algorithms 1 and 2).

    The mask is first eroded, then dilated, both by squares (cubes in 3D); the border of the image does neither
    (section 2.4.6; Fig. 2). Pixels that the erosion frees get a class, as Fig. 3 shows, from the agreed pixels within
    the erosion's own square:

    - multiclass: the nearest class in chessboard distance, of equally near ones the lower id;
    - binary and multilabel: foreground if an agreed foreground pixel of that channel lies within the square, else
      background. A channel on which the members agree at that pixel keeps its label.

    A label that the members agree on never changes, and the dilation leaves ``label`` alone: blocking zeroes it.

    Args:
        labels: the members stacked on axis 0, n >= 2, or a sequence of n arrays of one shape. Integers or bool:
            binary 0/1 (n, *spatial); multilabel 0/1 (n, K, *spatial), channels right after the members; multiclass
            ids >= 0 (n, *spatial).
        task: how ``labels`` is to be read.
        erode_px: side of the square that erodes the mask: odd; 0 and 1 leave it as it is.
        dilate_px: side of the square that then dilates it: odd; 0 and 1 leave it as it is.
        spatial_ndim: how many trailing axes the squares span; the axes before are a batch. None: all after the members
            (and channels).

    Returns:
        What they agree on, and where they do not: ``label`` and ``inconsistent``.

    Raises:
        IncmaskError: fewer than two members, labels that are no hard labels of the task, or a side that is even or
            negative.

    Examples:
        >>> import numpy as np
        >>> members = np.array([[0, 1, 1, 1, 0], [0, 0, 1, 1, 0], [0, 1, 1, 1, 0]])
        >>> found = inconsistency(members, task="binary")
        >>> found.label.tolist(), found.inconsistent.tolist()
        ([0, 0, 1, 1, 0], [False, True, False, False, False])
        >>> inconsistency(members, task="binary", dilate_px=3).inconsistent.tolist()
        [True, True, True, False, False]
    """
    where = "inconsistency(labels)"
    kind = labels_of(task, where)
    _check_classes(kind, where)
    check_side(erode_px, "erode_px")
    check_side(dilate_px, "dilate_px")
    votes = stacked(labels, where, least=2)
    xp = array_namespace(votes)
    dtype = votes.dtype if kind.is_exclusive else xp.uint8
    votes = checked_labels(votes, kind, where)
    axes = spatial_axes(votes.ndim - (2 if kind.is_layered else 1), spatial_ndim, where)

    label, differs = kind.compare(votes)
    inconsistent = xp.any(differs, axis=0) if kind.is_layered else differs
    if erode_px > 1:
        kept = erode(inconsistent, side_px=erode_px, axes=axes)
        label = kind.fill(label, inconsistent & ~kept, differs, side_px=erode_px, axes=axes)
        inconsistent = kept
    if dilate_px > 1:
        inconsistent = dilate(inconsistent, side_px=dilate_px, axes=axes)
    return Inconsistency(xp.astype(label, dtype, copy=False), inconsistent)


def continuous_inconsistency(
    predictions: Annotated[Array, "n *spatial"] | Sequence[Array],
    *,
    threshold: float,
    relative: bool = False,
    statistic: Statistic = "standard_deviation",
    spatial_ndim: int | None = None,
) -> Inconsistency:
    """Compare continuous predictions, such as depth or a denoised signal (paper, section 4).

    Args:
        predictions: the members stacked on axis 0, n >= 2, or a sequence of n arrays of one shape: (n, *any). Computed
            in float64 where they are float64, else in float32.
        threshold: >= 0, in the predictions' unit; ``inconsistent`` is where the statistic is greater.
        relative: take ``threshold`` as a multiple of the statistic's mean over the image.
        statistic: the population standard deviation over the members (division by n), or the standard error, which is
            this divided by sqrt(n).
        spatial_ndim: how many trailing axes make an image, for ``relative``; None: all after the members.

    Returns:
        Their mean, and where they differ too much: ``label`` and ``inconsistent``.

    Raises:
        IncmaskError: fewer than two members, complex numbers, or a threshold below 0.

    Examples:
        >>> import numpy as np
        >>> found = continuous_inconsistency(np.array([[1.0, 4.0], [1.0, 6.0]]), threshold=0.5)
        >>> found.label.tolist(), found.inconsistent.tolist()
        ([1.0, 5.0], [False, True])
    """
    where = "continuous_inconsistency(predictions)"
    if not threshold >= 0:
        raise fail(where, f"threshold is {threshold}, expected 0 or more", "give a threshold of 0 or more")
    if statistic not in get_args(Statistic):
        raise fail(where, f"unknown statistic {statistic!r}", f"choose one of {', '.join(get_args(Statistic))}")
    predictions = floating(stacked(predictions, where, least=2), where)
    axes = spatial_axes(predictions.ndim - 1, spatial_ndim, where)
    xp = array_namespace(predictions)

    num_members = predictions.shape[0]
    mean = mean_of_members(predictions)
    spread = square_root(reduce(operator.add, ((member - mean) ** 2 for member in predictions)) / num_members)
    if statistic == "standard_error":
        spread = spread / num_members**0.5
    limit = xp.asarray(threshold, dtype=spread.dtype, device=device(spread))
    return Inconsistency(mean, spread > (limit * mean_of_image(spread, len(axes)) if relative else limit))


def hard_labels(
    probabilities: Annotated[Array, "n c *spatial"], *, task: Task
) -> Annotated[Array, "n *spatial"] | Annotated[Array, "n c *spatial"]:
    """Turn probabilities into votes: > 0.5, or the likeliest class, the lowest of equals (paper, section 2.4.6).

    Args:
        probabilities: (n, C, *spatial) in 0..1; n members, or a batch of one member. Binary: C = 1.
        task: how to read the channels.

    Returns:
        Binary: uint8 0/1 (n, *spatial). Multilabel: uint8 0/1 (n, C, *spatial). Multiclass: ids 0..C-1 (n, *spatial),
        uint8 up to 256 classes, else int32.

    Raises:
        IncmaskError: no probabilities, or a number of channels that the task does not have.

    Examples:
        >>> hard_labels(np.array([[[0.2, 0.6], [0.8, 0.4]]]), task="multiclass").tolist()
        [[1, 0]]
    """
    kind = labels_of(task, "hard_labels(probabilities)")
    _check_classes(kind, "hard_labels(probabilities)")
    probabilities = checked_probabilities(probabilities, kind, "hard_labels(probabilities)")
    xp = array_namespace(probabilities)
    if kind.is_exclusive:
        ids = xp.uint8 if probabilities.shape[1] <= 256 else xp.int32
        return xp.astype(xp.argmax(probabilities, axis=1), ids)
    votes = xp.astype(probabilities > 0.5, xp.uint8)
    return votes if kind.is_layered else votes[:, 0, ...]


def disagreement(votes: Votes, *, task: Task) -> Mask:
    """Give the share of members that are off the majority at each pixel.

    It is above 0 exactly where ``Prediction.inconsistent`` is True. A vote for the masked class is for no class and
    therefore always off. Classes that may overlap are looked at one by one, and the most disputed one counts.

    Args:
        votes: uint8, (n, ..., H, W) or (n, ..., H, W, K), as ``Labels.votes`` gives them.
        task: how to read them.

    Returns:
        float32, (..., H, W), 0 to 1 (binary and multilabel: to 0.5); 0 for a single member.

    Examples:
        >>> votes = np.array([[[0, 1, 1]], [[0, 1, 1]], [[0, 1, 0]], [[0, 1, 0]]], np.uint8)
        >>> disagreement(votes, task="binary").tolist()
        [[0.0, 0.0, 0.5]]
    """
    xp, kind, num_members = array_namespace(votes), labels_of(task), votes.shape[0]
    # A single member agrees with itself, whatever it says.
    off = kind.off_majority(votes) if num_members > 1 else xp.zeros_like(kind.foreground(votes[0, ...]))
    return xp.astype(off, xp.float32) / num_members


def combine(
    members: Annotated[Array, "m n c h w"],
    *,
    task: Task,
    soft: bool = False,
    erode_px: int = 0,
    dilate_px: int = 0,
    depth: int | None = None,
) -> Inconsistency:
    """Turn members' probabilities into a pseudo-label and the mask of disputed pixels.

    Args:
        members: float, (n, N, C, H, W) as the networks give them, NumPy or torch; multiclass channel 0 is the masked
            class. A single one answers alone, and nothing is disputed.
        task: what the channels mean.
        soft: the mean probability decides for multilabel and multiclass (paper section 2.2); else unanimity.
        erode_px, dilate_px: sides of the squares, as for ``inconsistency``.
        depth: as for ``agreement``.

    Returns:
        label uint8 (N, H, W) or (N, H, W, K), the likeliest class also where disputed, except that a
        disputed binary pixel is background (algorithm 1); inconsistent bool (N, H, W).

    Examples:
        >>> members = np.array([0.9, 0.6, 0.1, 0.9, 0.3, 0.2]).reshape(2, 1, 1, 1, 3)
        >>> found = combine(members, task="binary")
        >>> found.label.tolist(), found.inconsistent.tolist()
        ([[[1, 0, 0]]], [[[False, True, False]]])
    """
    xp, kind = array_namespace(members), labels_of(task)
    mean = mean_of_members(members)
    if members.shape[0] == 1:
        nowhere = xp.zeros((mean.shape[0], *mean.shape[2:]), dtype=xp.bool, device=device(mean))
        return Inconsistency(kind.decode(mean), nowhere)
    agreed = agreement(kind.votes(members), task=task, erode_px=erode_px, dilate_px=dilate_px, depth=depth)
    if kind.always_unanimous:
        return agreed
    likeliest: Array = kind.decode(mean)
    if soft:
        return Inconsistency(likeliest, agreed.inconsistent)
    label = xp.where(kind.over_layers(agreed.inconsistent), likeliest, agreed.label)
    return Inconsistency(xp.astype(label, xp.uint8), agreed.inconsistent)


def agreement(
    votes: Votes, *, task: Task, erode_px: int = 0, dilate_px: int = 0, depth: int | None = None
) -> Inconsistency:
    """Compare votes (n, N, H, W) or (n, N, H, W, K), as ``Labels.votes`` gives them, n >= 2.

    Args:
        votes: of members.
        task: what they say.
        erode_px, dilate_px: sides of the squares, as for ``inconsistency``.
        depth: slices of each sheet, over which the squares are cubes; None: images.

    Returns:
        label uint8 (N, H, W) or (N, H, W, K), real ids, 0 where disputed; inconsistent bool (N, H, W), True also
        where all take a pixel for masked.

    Examples:
        >>> votes = np.array([[[[0, 1, 2]]], [[[0, 1, 1]]]], np.uint8)
        >>> found = agreement(votes, task="multiclass")  # 0 is masked, so class 0 is 1 here
        >>> found.label.tolist(), found.inconsistent.tolist()
        ([[[0, 0, 0]]], [[[True, False, True]]])
    """
    xp, kind = array_namespace(votes), labels_of(task)
    if kind.is_exclusive:
        # Where all take a pixel for masked, the first one is made to dissent.
        nobody = xp.all(votes == 0, axis=0, keepdims=True)
        votes = xp.concat([votes[:1, ...] + xp.astype(nobody, votes.dtype), votes[1:, ...]])
    else:
        # As such they are not looked through for other numbers.
        votes = xp.astype(votes, xp.bool)
    if depth is not None:
        votes = unfolded(votes, depth, axis=2)
    layers_second, ndim = xp.moveaxis(votes, -1, 1) if kind.is_layered else votes, 2 if depth is None else 3
    record = inconsistency(layers_second, task=task, erode_px=erode_px, dilate_px=dilate_px, spatial_ndim=ndim)
    label = xp.moveaxis(record.label, 0, -1) if kind.is_layered else record.label
    inconsistent = record.inconsistent
    if depth is not None:
        label, inconsistent = (folded(each, axis=1) for each in (label, inconsistent))
    return Inconsistency(kind.without_masked(label), inconsistent)


def _check_classes(kind: Labels, where: str) -> None:
    if kind.is_continuous:
        raise fail(where, f"is for classes, and {kind.task} has numbers", "use continuous_inconsistency")
