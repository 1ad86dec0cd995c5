"""Tiny data folders whose targets are numbers."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

PARTS = {"labelled": 3, "unlabelled": 3, "val": 2, "test": 2}
SIZES = ((32, 32), (40, 28), (25, 47))


def make_values(root: Path, task: str, parts: Mapping[str, int] = PARTS, *, truth: bool = False) -> Path:
    """Write slopes with a step: as photographs with depths, or as noisy images with clean ones."""
    for place, (part, num) in enumerate(parts.items()):
        for index in range(num):
            seed = 100 * place + index
            image, target = draw(task, seed=seed, size=SIZES[index % len(SIZES)])
            name = f"{part} {index}"
            save(root / part / "images" / f"{name}.png", image)
            if part != "unlabelled" or truth:
                (root / part / "masks").mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(root / part / "masks" / f"{name}.tif", target)
    return tell(root, task)


def tell(root: Path, task: str, more: str = "") -> Path:
    """Write the line that says that targets are numbers."""
    (root / "incmask.toml").write_text(f'[data]\ntask = "{task}"\n{more}')
    return root


def draw(task: str, *, seed: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Give a grey image, uint8, and its target, float32; of depth a corner was not measured."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1]]
    left = int(generator.integers(2, 15))
    depth = 2 + 0.1 * rows - ((columns > left) & (columns < left + 10))
    clean = 250 - 35 * depth
    noisy = np.clip(clean + generator.normal(0, 8, size), 0, 255).astype(np.uint8)
    if task == "denoise":
        return noisy, clean.astype(np.float32)
    depth[:3, :3] = 0
    return noisy, depth.astype(np.float32)


def save(path: Path, values: np.ndarray) -> None:
    """Write a grey picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
