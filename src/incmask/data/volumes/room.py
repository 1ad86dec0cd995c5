"""Whether a volume can be read, told by what its header says of its size."""

import math
from collections.abc import Sequence

from incmask.base.errors import fail
from incmask.base.machine import available_bytes
from incmask.data.images.decode import MAX_PIXELS, MAX_VALUES

_READ_BYTES = 16
"""Of each number, once it is read, scaled and brought to 8 bits."""


def check_room(where: object, shape: Sequence[int], *, num_bytes: int) -> None:
    """Check that a volume is neither too large nor without voxels, before memory is taken for it.

    Args:
        where: the file or folder, for messages.
        shape: its three sides and, where there are several, channels.
        num_bytes: of each number in the file.

    Raises:
        IncmaskError: it is.
    """
    voxels, values = math.prod(shape[:3]), math.prod(shape)
    if voxels > MAX_PIXELS or values > MAX_VALUES:
        what = f"has {'×'.join(map(str, shape))} voxels, more than the {MAX_PIXELS // 10**6} million that are read"
        raise fail(where, what, "crop it, or resample it to a larger spacing")
    if voxels == 0:
        raise fail(where, "has no voxels", "export the file again, or take it out of the folder")
    needed, available = values * (num_bytes + _READ_BYTES), available_bytes()
    if available is not None and needed > available:
        what = f"takes {needed / 2**30:.1f} GiB of memory to read, {available / 2**30:.1f} are free"
        raise fail(where, what, "crop it, resample it to a larger spacing, or close other programs")
