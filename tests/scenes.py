"""Made-up pictures with something to see: blots on uneven light, and what people do to copies of them."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SIDE = 96


def blots(seed: int, *, side: int = SIDE, num: int = 14) -> np.ndarray:
    """Give the mask of round blots, (side, side) 0/255, the same for a seed."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((side, side), np.uint8)
    for _ in range(num):
        centre, radius = rng.integers(8, side - 8, 2).tolist(), int(rng.integers(3, 9))
        cv2.circle(mask, centre, radius, 255, -1)
    return mask


def scene(seed: int, *, side: int = SIDE, level: int = 90, channels: int = 3) -> np.ndarray:
    """Give a picture of the blots of ``blots``, (side, side, C) uint8, or (side, side) for one channel."""
    noise = np.random.default_rng(1000 + seed).normal(0, 4, (side, side, channels))
    light = np.linspace(-15, 15, side)[:, None, None]
    bright = cv2.GaussianBlur(blots(seed, side=side), (0, 0), 0.8)[..., None] / 255.0
    values = np.clip(level + light + 80 * bright + noise, 0, 255).astype(np.uint8)
    return values[..., 0] if channels == 1 else values


def empty_field(seed: int, *, side: int = SIDE) -> np.ndarray:
    """Give a dark picture without anything in it but noise and the light of the lamp, (side, side) uint8."""
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    lamp = 14 * np.exp(-(rows**2 + columns**2))
    return np.clip(lamp + np.random.default_rng(seed).normal(6, 3, (side, side)), 0, 255).astype(np.uint8)


def _jpeg(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_UNCHANGED)


COPIES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "saved anew": _jpeg,
    "half as large": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "brighter": lambda image: np.clip(image * 1.1 + 20, 0, 255).astype(np.uint8),
    "darker": lambda image: (image * 0.6).astype(np.uint8),
    "grey": lambda image: np.repeat(image.mean(2, keepdims=True), 3, 2).astype(np.uint8),
    "noisy": lambda image: np.clip(image + np.random.default_rng(9).normal(0, 8, image.shape), 0, 255).astype(np.uint8),
    "cut": lambda image: image[2:, 1:],
    "mirrored": lambda image: image[:, ::-1],
    "upside down": lambda image: image[::-1],
    "turned": lambda image: np.rot90(image),
    "turned and mirrored": lambda image: np.swapaxes(image, 0, 1),
}
"""What makes of an image one that shows the same."""


def write_pair(part: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    """Write an image and its mask as PNG into a part of a data folder."""
    for folder, values in (("images", image), ("masks", mask)):
        path = part / folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(values)).save(path)


def write_scenes(root: Path, seeds: Iterable[int], *, part: str = "labelled", name: str = "{}") -> Path:
    """Write scenes and their masks into a part of a data folder."""
    for seed in seeds:
        write_pair(root / part, name.format(seed), scene(seed), blots(seed))
    return root
