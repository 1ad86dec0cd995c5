"""Archives written whole or not at all: under a hidden name beside the target, then renamed."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from incmask.base.errors import fail
from incmask.base.files import scratch_folder, whole_file

_STORED = (".png", ".jpg", ".jpeg")
"""Packed already."""


@contextmanager
def whole_archive(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a folder to write to; on success its files become the zip archive ``path``.

    Args:
        path: of the archive.
        replace: take the place of what is there.

    Raises:
        IncmaskError: something is at ``path`` already, or it cannot be written.
    """
    if path.exists() and not replace:
        raise fail(path, "is there already", "remove it, or choose another name")
    # Beside the archive, as the disk of temporary files may be small.
    with whole_file(path) as temporary, scratch_folder(path) as folder:
        yield folder
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(each for each in folder.rglob("*") if each.is_file()):
                kind = zipfile.ZIP_STORED if file.suffix.casefold() in _STORED else zipfile.ZIP_DEFLATED
                archive.write(file, file.relative_to(folder).as_posix(), compress_type=kind)
