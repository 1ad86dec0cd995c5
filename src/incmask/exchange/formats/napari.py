"""napari: label images as TIFF of 32 bits, which napari opens as labels without a plugin."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tifffile

from incmask.base.files import whole_file
from incmask.data.dataset import Scheme
from incmask.exchange.formats.common import Files
from incmask.exchange.formats.rasters import UNSURE_FOLDER, read_rasters, write_rasters
from incmask.exchange.formats.sheets import Corrected, Known, LabelSheet

LABELS = "labels"

HOW_TO = f"""\
Open an image with its labels, such as: napari images/x.png {LABELS}/x.tif {UNSURE_FOLDER}/x.tif
(both open as labels layers; ids.txt tells the ids). Correct {LABELS}, erase in {UNSURE_FOLDER} what is settled, and
save each layer over its file. An image without a file in {LABELS}/ is not taken back.
"""


def write(sheets: Iterable[LabelSheet], folder: Path, scheme: Scheme) -> None:
    """Write label images of the ids, and of the unsure pixels."""
    write_rasters(sheets, folder, scheme, masks=LABELS, ending=".tif", write=_write, write_unsure=_write)


def read(files: Files, known: Known) -> Corrected:
    """Read label images."""
    return read_rasters(files, known, masks=LABELS)


def _write(path: Path, values: np.ndarray) -> None:
    with whole_file(path) as temporary:
        tifffile.imwrite(temporary, values.astype(np.uint32), compression="zlib", photometric="minisblack")
