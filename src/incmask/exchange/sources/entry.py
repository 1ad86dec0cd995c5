"""Where a file of somebody's own data lies: by itself, or inside an archive."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SourceFile:
    """A file of the source.

    Attributes:
        path: of the file, or of the archive that holds it.
        member: its name inside the archive; None: a file of its own.
    """

    path: Path
    member: str | None = None


def entry_path(entry: SourceFile) -> Path:
    """Give the path by which messages name an entry; that of a member goes on inside its archive."""
    return entry.path / entry.member if entry.member else entry.path
