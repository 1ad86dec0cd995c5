"""PNG: an indexed mask an image, and beside it the unsure pixels."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from incmask.data.dataset import Scheme
from incmask.data.images.writers import write_indexed, write_png
from incmask.exchange.formats.common import Files
from incmask.exchange.formats.rasters import MASKS, UNSURE_FOLDER, read_rasters, write_rasters
from incmask.exchange.formats.sheets import Corrected, Known, LabelSheet
from incmask.method.labels import labels_of

HOW_TO = f"""\
{MASKS}/ holds a mask for each image of images/, {UNSURE_FOLDER}/ the pixels that are unsure in white. Correct both
without soft edges; where {UNSURE_FOLDER}/ is black, or has no file, the mask counts. An image without a mask is not
taken back.
"""


def write(sheets: Iterable[LabelSheet], folder: Path, scheme: Scheme) -> None:
    """Write the masks in the colours of the classes."""
    is_exclusive = labels_of(scheme.task).is_exclusive
    colours = [info.colour for info in scheme.classes] if is_exclusive else [(0, 0, 0), (255, 255, 255)]
    write_rasters(
        sheets,
        folder,
        scheme,
        masks=MASKS,
        ending=".png",
        write=lambda path, ids: write_indexed(path, ids, colours),
        write_unsure=lambda path, unsure: write_png(path, unsure.astype(np.uint8) * np.uint8(255)),
    )


def read(files: Files, known: Known) -> Corrected:
    """Read masks of ids, or of the colours of the classes."""
    return read_rasters(files, known, masks=MASKS)
