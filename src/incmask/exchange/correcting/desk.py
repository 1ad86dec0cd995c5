"""What lies on the desk: the images of a run in the order of their worth, their masks, and what was saved of them."""

import hashlib
import re
import shlex
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np

from incmask.base.caller import command, either, option
from incmask.base.config import IGNORED
from incmask.base.errors import fail
from incmask.base.files import check_folder_name, write_text
from incmask.base.store import EXPORTED
from incmask.base.words import ShortRepr, counted
from incmask.data.rounds import FIRST, current_round, data_folder, read_rounds
from incmask.exchange.correcting.planes import Planes
from incmask.exchange.corrections.archives import whole_archive
from incmask.exchange.corrections.shown import find_images, shown_image, upright_image
from incmask.exchange.formats import png
from incmask.exchange.formats.rasters import RasterLabel
from incmask.exchange.formats.sheets import Known, LabelSheet
from incmask.exchange.sources.archives import SourceFile
from incmask.experiment.paths import RANKING
from incmask.experiment.record.images import PredictedMask, read_mask
from incmask.experiment.record.order import correction_order
from incmask.experiment.record.run import RunRecord, read_record
from incmask.experiment.volumes import refuse_volumes
from incmask.method.labels import check_classes

MOST_BYTES = 1 << 28
"""Of an image's planes: larger ones are too slow to paint in a page."""

FORMAT = "png"
"""What is saved is in this format, a name of ``TARGETS``."""

_MOST_BESIDE = 1 << 20
"""Bytes of an archive beside the pixels."""

_NO_FILE_NAME = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class DeskImage:
    """An image to correct.

    Attributes:
        name: of the image.
        path: its file.
        size: height and width.
        reason: why it is worth a look; "" where no ranking tells.
    """

    name: str
    path: Path
    size: tuple[int, int]
    reason: str


@dataclass(frozen=True, repr=False)
class Corrected(ShortRepr):
    """What was corrected.

    Attributes:
        run: the run folder whose masks were corrected.
        out: the folder with what was saved.
        names: of the images that are saved there.
        notes: what a person should be told.
    """

    run: Path
    out: Path
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def next_step(self) -> str:
        """Give the line that takes the corrections up; "" where nothing is saved."""
        words = ("incmask", "import", str(self.run), str(self.out))
        choices = f"{option('from', FORMAT)} {option('unchanged', 'confirm')}"
        call = f'incmask.import_labels({str(self.run)!r}, {str(self.out)!r}, format="{FORMAT}", unchanged="confirm")'
        return either(f"{shlex.join(words)} {choices}", call) if self.names else ""


class Desk:
    """The images of a run that a person corrects; use ``open_desk``.

    Args:
        record: the run.
        out: the folder of what is saved.
        images: in their order.
        notes: what a person should be told.

    Attributes:
        run: the run folder.
        scheme: what labels mean.
        planes: how labels are painted, and lie in bytes.
        images: in their order.
    """

    def __init__(self, record: RunRecord, out: Path, images: tuple[DeskImage, ...], notes: tuple[str, ...]):
        self.scheme, self.planes, self.images = record.scheme, Planes(record.scheme), images
        self.run, self._out, self._notes, self._lock = record.root, out, notes, Lock()

    def is_saved(self, index: int) -> bool:
        """Tell whether somebody saved the image of this place before."""
        return self._path(index).is_file()

    def picture(self, index: int) -> tuple[bytes, str]:
        """Give the content of an image as browsers show it, and the ending of such a file."""
        image = self.images[index]
        return shown_image(image.path, size=image.size)

    def pixels(self, index: int) -> np.ndarray:
        """Give an image as it is, upright: (H, W, channels); raises as ``upright_image`` does."""
        image = self.images[index]
        return upright_image(image.path, size=image.size)

    def models_mask(self, index: int) -> PredictedMask:
        """Give what the models say of an image; raises as ``read_mask`` does."""
        image = self.images[index]
        return read_mask(self.run, image.name, self.scheme, size=image.size)

    def mask(self, index: int) -> PredictedMask:
        """Give what was saved of an image, or else what the models say; unsure pixels are the inconsistent ones.

        Raises:
            IncmaskError: a file is damaged.
        """
        if not self.is_saved(index):
            return self.models_mask(index)
        image, path = self.images[index], self._path(index)
        with tempfile.TemporaryDirectory() as folder:
            found = _unpacked(path, Path(folder), Known(self.scheme, [image.name]), self.planes.num_bytes(image.size))
            unsure = (found.make(*image.size) == IGNORED).reshape(*image.size, -1).all(-1)
            label = replace(found, unsure=None).make(*image.size)
        return PredictedMask(label, unsure)

    def save(self, index: int, mask: PredictedMask) -> None:
        """Write the mask of an image, whole or not at all.

        Args:
            index: its place.
            mask: one that ``planes.join`` or ``planes.unpack`` gave for this image.

        Raises:
            IncmaskError: it cannot be written.
        """
        sheet = LabelSheet(self.images[index].name, "", mask.label, mask.inconsistent)
        with self._lock:
            self._begin()
            with whole_archive(self._path(index), replace=True) as folder:
                png.write([sheet], folder, self.scheme)

    def corrected(self) -> Corrected:
        """Tell what is saved, when all that is being written is there."""
        with self._lock:
            names = tuple(image.name for index, image in enumerate(self.images) if self.is_saved(index))
        return Corrected(self.run, self._out, names, self._notes)

    def _path(self, index: int) -> Path:
        """Name the archive of an image: all of its masks are one file, which is there as a whole or not at all."""
        name = self.images[index].name
        readable = _NO_FILE_NAME.sub("_", name)[:80]
        return self._out / f"{readable}.{hashlib.sha256(name.encode()).hexdigest()[:16]}.zip"

    def _begin(self) -> None:
        if not (self._out / EXPORTED).exists():
            write_text(self._out / "README.txt", f"What was corrected of a run, an archive an image. {png.HOW_TO}")
            write_text(self._out / EXPORTED, "masks of a run that were corrected\n")


def open_desk(run: Path, *, out: Path | None = None, top: int | None = None, most_bytes: int | None = None) -> Desk:
    """Find the images of a run that are worth correcting, those that are most worth it first.

    Args:
        run: a finished run folder.
        out: folder of what is saved, which may hold what was saved before; None: beside the run.
        top: as many of the first images; None: all.
        most_bytes: of an image's planes; larger ones are left out, with a note; None: none is too large.

    Raises:
        IncmaskError: the run or its images are not there, or none is left to correct.
    """
    if top is not None and top < 1:
        raise fail(option("top"), f"is {top}; at least one image is expected", "give a number such as 20")
    refuse_volumes(run, command("correct"))
    record, data = read_record(run), data_folder(run)
    check_classes(record.task, "correcting in the browser")
    out = out or _beside(run, data)
    check_folder_name(out, "what is corrected")
    order = correction_order(record)
    labelled = {name for each in read_rounds(data) for name in each.names}
    names = [name for name in order.names if name not in labelled][:top]
    paths = find_images(record, names)
    sizes = {name: _size(record, name) for name in names}
    planes = Planes(record.scheme)
    small = [name for name in names if most_bytes is None or planes.num_bytes(sizes[name]) <= most_bytes]
    if not small:
        raise fail(run, f"has no image left to correct here{_labelled(labelled)}", "run again, with what is labelled")
    reasons = _reasons(record)
    images = tuple(DeskImage(name, paths[name], sizes[name], reasons.get(name, "")) for name in small)
    return Desk(record, out, images, tuple(filter(None, (order.note, _too_large(len(names) - len(small))))))


def _beside(run: Path, data: Path) -> Path:
    """Name the folder of the next round's corrections."""
    number = current_round(data)
    named = run if run.name not in ("", "..") else run.resolve()
    return named.with_name(f"{named.name}-corrections" + (f"-{number}" if number > FIRST else ""))


def _size(record: RunRecord, name: str) -> tuple[int, int]:
    height, width = record.part("unlabelled")[name]["size"]
    return int(height), int(width)


def _reasons(record: RunRecord) -> Mapping[str, str]:
    return {row["name"]: row.get("reason", "") for row in reversed(record.table(RANKING))}


def _labelled(names: set[str]) -> str:
    return f": {counted(len(names), 'image')} are labelled by now" if names else ""


def _too_large(num: int) -> str:
    if not num:
        return ""
    how = either("`incmask export` --to napari", 'incmask.export(..., format="napari")')
    return f"{counted(num, 'image')} too large to paint in a page left out; {how} writes all"


def _unpacked(path: Path, folder: Path, known: Known, num_bytes: int) -> RasterLabel:
    """Give the label in an archive of an image, unpacked into a folder; its planes have so many bytes."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > 2 * num_bytes + _MOST_BESIDE:
                raise ValueError("it holds more than masks of this image")
            archive.extractall(folder)
        files = {each.relative_to(folder).as_posix(): SourceFile(each) for each in folder.rglob("*.png")}
        (label,) = png.read(files, known).labels.values()
    except (OSError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise fail(path, f"is damaged ({error})", "remove it, and correct the image again") from error
    assert isinstance(label, RasterLabel)
    return label
