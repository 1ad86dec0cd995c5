"""The images of a run as labelling tools and browsers show them."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from incmask.base.errors import Problem, fail, raise_problems
from incmask.data.images.decode import Raster, decode, read_bytes
from incmask.data.images.intensity import to_network_range
from incmask.data.images.orientation import UPRIGHT
from incmask.data.images.readers import image_of
from incmask.data.rounds import data_folder
from incmask.experiment.paths import RANKING
from incmask.experiment.record.run import RunRecord

_SHOWN = {b"\x89PNG": ".png", b"\xff\xd8": ".jpg", b"BM": ".bmp"}
"""Beginnings of files that every tool shows, browsers included."""


def find_images(run: RunRecord, names: Sequence[str]) -> dict[str, Path]:
    """Find the image of each name in the data folder.

    Raises:
        IncmaskError: some are gone; or the run does not tell where they were.
    """
    root = data_folder(run.root)
    parts = run.part("unlabelled")
    found = {name: root / next(iter(parts[name]["files"])) for name in names if name in parts}
    problems = [Problem(str(path), "is gone", "bring it back") for path in found.values() if not path.is_file()]
    problems += [
        Problem(name, "is no image of the run", f"write {RANKING} anew") for name in names if name not in found
    ]
    raise_problems(problems)
    return found


def shown_image(path: Path, *, size: tuple[int, ...]) -> tuple[bytes, str]:
    """Give the content and the ending of a file that every tool shows as the image is meant.

    What a browser shows is taken as it is; anything else becomes a PNG of 8 bits, upright.

    Args:
        path: the image.
        size: height and width of its mask.

    Raises:
        IncmaskError: the image cannot be read, or has another size.
    """
    content = read_bytes(path)
    raster = decode(path, content)
    image = _checked(path, raster, size=size)
    ending = next((ending for start, ending in _SHOWN.items() if content.startswith(start)), None)
    if ending is not None and image.dtype == np.uint8 and raster.orientation == UPRIGHT:
        return content, ending
    num_shown = 3 if image.shape[2] >= 3 else 1
    shown = to_network_range(np.ascontiguousarray(image[..., :num_shown]), num_shown, where=path)
    _, png_bytes = cv2.imencode(".png", shown[..., ::-1])
    return png_bytes.tobytes(), ".png"


def upright_image(path: Path, *, size: tuple[int, ...]) -> np.ndarray:
    """Give the pixels of an image as they are, upright and without alpha: (H, W, channels), of the file's own type.

    Args, and what is raised: as for ``shown_image``.
    """
    return _checked(path, decode(path, read_bytes(path)), size=size)


def _checked(path: Path, raster: Raster, *, size: tuple[int, ...]) -> np.ndarray:
    image = image_of(path, raster)
    if image.shape[:2] != size:
        raise fail(path, "has another size than its mask", "the image was changed since; run again")
    return image
