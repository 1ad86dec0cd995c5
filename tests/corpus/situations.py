"""What a situation of the corpus is: a function that writes a folder and says what is right for it.

A new one: ``@situation()`` above a function of a folder, in a module that ``table.py`` imports. Name and entry points
make a row of the table; it returns a ``Right`` or a ``Told``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ENTRIES = ("check", "stack", "prepare", "predict", "python")
FILES = ("check", "stack", "prepare", "predict")
MASKS = ("check", "stack", "prepare")
LACKING = {
    ENTRIES: "",
    FILES: "Python is given arrays, not files",
    MASKS: "`predict` reads no masks, and Python is given arrays",
    (*MASKS, "python"): "`predict` reads no masks",
    ("prepare",): "`prepare` alone writes or divides",
    ("check",): "`check` alone tells it",
    ("python",): "arrays alone are so",
}
"""The entry points that a situation may have, and why the others have none."""


@dataclass(frozen=True)
class Right:
    """What a folder holds, by the names of its images without folder and ending, which are unique.

    Attributes:
        labels: of each image with a mask, as ``read_label`` gives it.
        images: what the network sees, (64, 64, C) uint8; those that are not named may be anything.
        num_classes: as many as ``Dataset.classes``; background counts among several.
        parts: of the images, where it matters.
        within: of the pixels of images, by so much they may differ.
        said: words that must be among what a person is told.
        unsaid: words that must not.
        arrays: the images as a person who reads the files has them in Python, for the entry ``python``.
        options: what else a person gives there.
    """

    labels: Mapping[str, np.ndarray] = field(default_factory=dict)
    images: Mapping[str, np.ndarray] = field(default_factory=dict)
    num_classes: int = 1
    parts: Mapping[str, str] = field(default_factory=dict)
    within: int = 1
    said: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """A folder that is refused, or of which something is asked.

    Attributes:
        words: that the message must have.
        line: for ``[data]`` of ``incmask.toml``, in Python an argument; it must be in the message, too.
        then: what is right once the line is written.
    """

    words: tuple[str, ...]
    line: str = ""
    then: Right | None = None


Outcome = Right | Told
Write = Callable[[Path], "Outcome | Mapping[str, Outcome]"]
"""Writes the folder; where entry points differ, gives the outcome of each by its name."""


@dataclass(frozen=True)
class Situation:
    """A row of the table: its name, what writes it, the entry points for which it is there, and its lines.

    Attributes:
        python: what is right in Python, where that is another thing than for files.
    """

    name: str
    write: Write
    entries: tuple[str, ...]
    about: str
    python: Outcome | None = None

    def outcomes(self, root: Path) -> dict[str, Outcome]:
        """Write the folder, and give what is right at each entry point."""
        written = self.write(root)
        alike = written if isinstance(written, Right | Told) else None
        outcomes = dict.fromkeys(self.entries, alike) if alike else dict(written)
        return outcomes | ({"python": self.python} if self.python else {})


SITUATIONS: dict[str, Situation] = {}


def situation(*entries: str, python: Outcome | None = None, about: str = "") -> Callable[[Write], Write]:
    """Enter a function into the table for the entry points; none: for all but ``python``, which has no files.

    Args:
        entries: of ``ENTRIES``, in their order.
        python: what is right in Python, where that is another thing than for files.
        about: the situation in a line; by default the function's docstring.
    """

    def enter(write: Write) -> Write:
        assert write.__name__ not in SITUATIONS, "each has a name of its own"
        there = (entries or FILES) + (("python",) if python else ())
        assert there in LACKING, "or say why the others have none"
        line = about or " ".join((write.__doc__ or "").split())
        assert line, "each says what it is"
        SITUATIONS[write.__name__] = Situation(write.__name__, write, there, line, python)
        return write

    return enter


IN_COLOURS = Told(("are in colours, where numbers or layers of 0 and 1 are expected",))
WHITE = Told(("hold 255, which means no label, and nowhere 1; give masks > 0 if 255 is the foreground",))
"""What Python says of arrays that hold what such files do."""
