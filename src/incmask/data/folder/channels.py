"""Images that have a file for each channel, as nnU-Net's: which files belong together, by their names."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from incmask.base.errors import Problem

_CHANNEL = re.compile(r"_(\d{4})$")


def by_channel(names: Iterable[str]) -> dict[str, dict[int, str]]:
    """Give the files of each image by their number, and the image by the name before it.

    Args:
        names: of files, without ending; those without a number are left out.

    Examples:
        >>> by_channel(["a_0000", "a_0001", "b"])
        {'a': {0: 'a_0000', 1: 'a_0001'}}
    """
    found: dict[str, dict[int, str]] = defaultdict(dict)
    for name in names:
        if number := _CHANNEL.search(name):
            found[name[: number.start()]][int(number[1])] = name
    return dict(found)


def problems_of_channels(present: Collection[int], num: int, *, where: object) -> Iterator[Problem]:
    """Name the first file that an image of ``num`` channels lacks.

    Examples:
        >>> [problem.what for problem in problems_of_channels({0, 2}, 3, where="a_0000.png")]
        ['lacks channel 0001 beside it']
    """
    for lack in sorted({*range(num)} - {*present})[:1]:
        yield Problem(str(where), f"lacks channel {lack:04d} beside it", "add its file")
