"""Archives written whole or not at all: under a hidden name beside the target, then renamed."""

import filecmp
import shutil
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

    Of the same files it has the same bytes, whenever they are packed.

    Args:
        path: of the archive.
        replace: take the place of what is there.

    Raises:
        IncmaskError: another file or a folder is at ``path`` already, or it cannot be written.
    """
    if path.exists() and not replace and not zipfile.is_zipfile(path):
        raise fail(path, "is there already", "remove it, or choose another name")
    # Beside the archive, as the disk of temporary files may be small.
    with whole_file(path) as temporary, scratch_folder(path) as folder:
        yield folder
        with zipfile.ZipFile(temporary, "w") as archive:
            for file in sorted(each for each in folder.rglob("*") if each.is_file()):
                _pack(file, file.relative_to(folder).as_posix(), archive)
        if path.exists() and not replace and not filecmp.cmp(temporary, path, shallow=False):
            raise fail(path, "is there already and holds something else", "remove it, or choose another name")


def _pack(file: Path, name: str, archive: zipfile.ZipFile) -> None:
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_STORED if file.suffix.casefold() in _STORED else zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    with open(file, "rb") as source, archive.open(member, "w") as target:
        shutil.copyfileobj(source, target)
