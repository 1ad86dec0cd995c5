"""Look at members' predictions as people give them, before they are compared."""

from collections.abc import Sequence
from typing import Annotated

from array_api_compat import array_namespace, device

from incmask.base.errors import fail
from incmask.method.exact import Array
from incmask.method.labels.base import Labels

_PROBABILITY_SLACK = 1e-3  # averaged or half-precision probabilities may stray this far out of 0..1


def stacked(members: Annotated[Array, "..."] | Sequence[Array], where: str, *, least: int) -> Annotated[Array, "..."]:
    """Give the members as one array (n, ...) with at least ``least`` of them on axis 0.

    Raises:
        IncmaskError: fewer members, or members that are no arrays of one kind, shape and device.

    Examples:
        >>> stacked([np.zeros(3), np.ones(3)], "here", least=2).shape
        (2, 3)
    """
    listed = list(members) if isinstance(members, list | tuple) else None
    if listed is not None and len(listed) < least:
        raise fail(where, f"{len(listed)} members, expected {least} or more", "give the predictions of more models")
    try:
        xp = array_namespace(*(listed or [members]))
    except TypeError as error:
        raise fail(where, "expected NumPy arrays or torch tensors, all of one kind", "convert them first") from error
    if listed is not None and len(shapes := {tuple(member.shape) for member in listed}) > 1:
        raise fail(where, f"members of different shapes {sorted(shapes)}", "give all members the same shape")
    if listed is not None and len(devices := {str(device(member)) for member in listed}) > 1:
        raise fail(where, f"members on different devices {sorted(devices)}", "move them to one device")
    stack: Array = xp.stack(listed) if listed is not None else members
    if stack.ndim < 2:
        raise fail(where, f"{stack.ndim} axes, expected members and one or more axes each", "stack them on axis 0")
    if stack.shape[0] < least:
        raise fail(where, f"{stack.shape[0]} members, expected {least} or more", "stack the members on axis 0")
    return stack


def checked_labels(labels: Annotated[Array, "..."], kind: Labels, where: str) -> Annotated[Array, "..."]:
    """Give hard labels (n, *spatial), or (n, K, *spatial) of layers, in a dtype to compute with.

    Raises:
        IncmaskError: other types or values than the task's.

    Examples:
        >>> from incmask.method.labels import labels_of
        >>> checked_labels(np.ones((2, 3), np.uint16), labels_of("multiclass"), "here").dtype
        dtype('int64')
    """
    xp = array_namespace(labels)
    if not xp.isdtype(labels.dtype, "integral" if kind.is_exclusive else ("bool", "integral")):
        expected = "integer ids" if kind.is_exclusive else "integers 0/1 or bool"
        raise fail(where, f"labels are {labels.dtype}, expected {expected}", "vote first, with hard_labels(...)")
    if kind.is_layered and labels.ndim < 3:
        raise fail(where, f"{labels.ndim} axes, expected (members, channels, *spatial)", "add the axis that lacks")
    if xp.isdtype(labels.dtype, "bool") or 0 in labels.shape:
        return labels
    if xp.isdtype(labels.dtype, "unsigned integer") and labels.dtype != xp.uint8:
        labels = xp.astype(labels, xp.int64)  # torch can do next to nothing with the wide unsigned integers
    if labels.dtype != xp.uint8 and (least := int(xp.min(labels))) < 0:
        raise fail(where, f"labels hold {least}, expected 0 or more", "give unlabelled pixels an id of their own")
    if not kind.is_exclusive and (most := int(xp.max(labels))) > 1:
        raise fail(where, f"{kind.task} labels hold {most}, expected 0 and 1 only", "convert them, e.g. labels > 0")
    return labels


def spatial_axes(available: int, spatial_ndim: int | None, where: str) -> range:
    """Give the trailing axes of an image, counted from the end; None: all that are available.

    Raises:
        IncmaskError: more axes than there are, or none.

    Examples:
        >>> spatial_axes(3, 2, "here")
        range(-2, 0)
    """
    if spatial_ndim is None:
        spatial_ndim = available
    if not 1 <= spatial_ndim <= available:
        raise fail(where, f"spatial_ndim is {spatial_ndim}, the labels allow 1 to {available}", "give one of these")
    return range(-spatial_ndim, 0)


def floating(values: Annotated[Array, "..."], where: str) -> Annotated[Array, "..."]:
    """Give values as float64 where they are, else as float32, which half precision and integers are summed in.

    Raises:
        IncmaskError: complex numbers.

    Examples:
        >>> floating(np.arange(2), "here").tolist()
        [0.0, 1.0]
    """
    xp = array_namespace(values)
    if xp.isdtype(values.dtype, "complex floating"):
        raise fail(where, f"values are {values.dtype}, expected real numbers", "give real numbers")
    return values if values.dtype == xp.float64 else xp.astype(values, xp.float32)


def checked_probabilities(probabilities: Annotated[Array, "..."], kind: Labels, where: str) -> Annotated[Array, "..."]:
    """Give probabilities (n, C, *spatial), floating, 0 to 1 within a thousandth.

    Raises:
        IncmaskError: no probabilities, or a number of channels that the task does not have.

    Examples:
        >>> from incmask.method.labels import labels_of
        >>> checked_probabilities(np.full((2, 1, 3), 0.5), labels_of("binary"), "here").shape
        (2, 1, 3)
    """
    try:
        xp = array_namespace(probabilities)
    except TypeError as error:
        raise fail(where, "expected a NumPy array or a torch tensor", "convert it first") from error
    if probabilities.ndim < 3:
        raise fail(where, f"{probabilities.ndim} axes, expected (n, channels, *spatial)", "add the axis that lacks")
    if not xp.isdtype(probabilities.dtype, "real floating"):
        raise fail(where, f"values are {probabilities.dtype}, expected floating probabilities", "do not round them")
    channels = probabilities.shape[1]
    if not kind.is_layered and kind.is_exclusive == (channels == 1):
        expected = "2 or more" if kind.is_exclusive else "1"
        raise fail(where, f"{channels} channels on axis 1, {kind.task} has {expected}", "check the task and the axes")
    # Asked this way round since a NaN fails every comparison, and must not pass.
    if 0 not in probabilities.shape and not (
        (xp.min(probabilities) >= -_PROBABILITY_SLACK) & (xp.max(probabilities) <= 1 + _PROBABILITY_SLACK)
    ):
        raise fail(where, "values outside 0..1 or not a number", "apply the sigmoid or softmax first")
    return floating(probabilities, where)
