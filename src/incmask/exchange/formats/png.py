"""PNG: an indexed mask an image, and beside it the unsure pixels."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from incmask.base.files import write_text
from incmask.data.dataset import Scheme
from incmask.data.images.writers import path_inside, write_grey, write_indexed
from incmask.exchange.formats.common import Files
from incmask.exchange.formats.rasters import MASKS, UNSURE_FOLDER, ids_text, layers_of, read_rasters
from incmask.exchange.formats.sheets import Corrected, Known, LabelSheet

HOW_TO = f"""\
{MASKS}/ holds a mask for each image of images/, {UNSURE_FOLDER}/ the pixels that are unsure in white. Correct both
without soft edges; where {UNSURE_FOLDER}/ is black, or has no file, the mask counts. An image without a mask is not
taken back.
"""


def write(sheets: Iterable[LabelSheet], folder: Path, scheme: Scheme) -> None:
    """Write the masks in the colours of the classes."""
    write_text(folder / "ids.txt", ids_text(scheme))
    colours = [info.colour for info in scheme.classes]
    if scheme.task != "multiclass":
        colours = [(0, 0, 0), (255, 255, 255)]
    for sheet in sheets:
        for in_class, values in layers_of(sheet, scheme).items():
            write_indexed(path_inside(folder / MASKS / in_class, sheet.name), values, colours)
        write_grey(path_inside(folder / UNSURE_FOLDER, sheet.name), sheet.unsure.astype(np.uint8) * np.uint8(255))


def read(files: Files, known: Known) -> Corrected:
    """Read masks of ids, or of the colours of the classes."""
    return read_rasters(files, known, masks=MASKS)
