"""napari: label images as TIFF of 32 bits, which napari opens as labels without a plugin."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tifffile

from incmask.base.files import whole_file, write_text
from incmask.data.dataset import Scheme
from incmask.data.images.writers import path_inside
from incmask.exchange.formats.common import Files
from incmask.exchange.formats.rasters import UNSURE_FOLDER, ids_text, layers_of, read_rasters
from incmask.exchange.formats.sheets import Corrected, Known, LabelSheet

LABELS = "labels"

HOW_TO = f"""\
Open an image with its labels, such as: napari images/x.png {LABELS}/x.tif {UNSURE_FOLDER}/x.tif
(both open as labels layers; ids.txt tells the ids). Correct {LABELS}, erase in {UNSURE_FOLDER} what is settled, and
save each layer over its file. An image without a file in {LABELS}/ is not taken back.
"""


def write(sheets: Iterable[LabelSheet], folder: Path, scheme: Scheme) -> None:
    """Write label images of the ids, and of the unsure pixels."""
    write_text(folder / "ids.txt", ids_text(scheme))
    for sheet in sheets:
        for in_class, values in layers_of(sheet, scheme).items():
            _write(path_inside(folder / LABELS / in_class, sheet.name, ".tif"), values)
        _write(path_inside(folder / UNSURE_FOLDER, sheet.name, ".tif"), sheet.unsure)


def read(files: Files, known: Known) -> Corrected:
    """Read label images."""
    return read_rasters(files, known, masks=LABELS)


def _write(path: Path, values: np.ndarray) -> None:
    with whole_file(path) as temporary:
        tifffile.imwrite(temporary, values.astype(np.uint32), compression="zlib", photometric="minisblack")
