"""Made-up data folders for the tests of the data package."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from incmask.data.dataset import DataOptions
from incmask.data.folder.scan import Scan, scan

HEIGHT, WIDTH = 12, 16


def picture(seed: int = 0, *, channels: int = 3, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Give random pixels, (H, W, C), or (H, W) for one channel; uint8."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return values[..., 0] if channels == 1 else values


def patches(*values: int, dtype: type = np.uint8) -> np.ndarray:
    """Give a mask with one row at least of each value, (H, W); the rest is the first."""
    mask = np.full((HEIGHT, WIDTH), values[0], dtype)
    for row, value in enumerate(values):
        mask[row] = value
    return mask


def save(path: Path, values: np.ndarray) -> Path:
    """Write an array with Pillow; with OpenCV where it has 16-bit colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if values.dtype == np.uint16 and values.ndim == 3:
        path.write_bytes(cv2.imencode(path.suffix, values[..., ::-1])[1].tobytes())
    else:
        Image.fromarray(values).save(path)
    return path


def save_indexed(path: Path, indices: np.ndarray, palette: list[tuple[int, int, int]]) -> Path:
    """Write an indexed PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(indices)
    image.putpalette([value for colour in palette for value in colour])
    image.save(path)
    return path


def tree(root: Path, masks: Mapping[str, np.ndarray], *, part: str = "labelled") -> Path:
    """Write images and masks of one part, names as given."""
    for seed, (name, mask) in enumerate(masks.items()):
        # The part decides the pixels, so that no image is in two parts.
        save(root / part / "images" / f"{name}.png", picture(seed + 100 * len(part)))
        save(root / part / "masks" / f"{name}.png", mask)
    return root


def options(**values: object) -> DataOptions:
    """Give options as they come out of a TOML file."""
    return DataOptions.model_validate(values)


def only_problem(found: Scan) -> str:
    """Give the text of the single problem."""
    assert len(found.problems) == 1, [str(problem) for problem in found.problems]
    text = str(found.problems[0])
    assert "\n" not in text
    return text


def scan_ok(root: Path, **values: object):
    """Scan a folder that must be in order."""
    found = scan(root, options(**values))
    assert found.problems == ()
    assert found.dataset is not None
    return found.dataset
