"""What a scan asks of volumes beside what it asks of images."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from incmask.base.errors import Problem
from incmask.data.dataset import DataOptions, Item
from incmask.data.images.masks import MaskFacts
from incmask.data.images.readers import ImageFacts
from incmask.data.images.targets import TargetFacts
from incmask.data.volumes.grid import Grid, VolumeFormat, format_of

_SAME = 0.01
"""Spacings that differ by no more are one."""

_UNITS = (1.0, 1e3, 1e-3)
"""Of a mask's spacing to its image's: one of NIfTI is in millimetres, one of a microscope in micrometres."""


def volumes_of(labelled: Sequence[Item], options: DataOptions) -> VolumeFormat | None:
    """Choose how networks see the volumes of a data set; None: it has images."""
    grids = [item.grid for item in labelled if item.grid is not None]
    return format_of(grids, spacing=options.spacing, patch=options.patch) if grids else None


def volume_notes(volumes: VolumeFormat | None) -> list[str]:
    """Tell how networks see volumes."""
    if volumes is None:
        return []
    patch = Grid(volumes.patch, volumes.spacing).told()
    return [f"volumes: networks see {patch} at a time, to which spacing all are brought"]


def mixed_problem(images: Iterable[ImageFacts], root: Path) -> list[Problem]:
    """Tell of a folder that has images and volumes."""
    if len({image.grid is None for image in images}) < 2:
        return []
    return [Problem(str(root), "has images and volumes", "make a folder of each kind")]


def grid_problem(path: Path, mask: MaskFacts | TargetFacts, image_path: Path, image: ImageFacts) -> Problem | None:
    """Tell of a mask whose voxels are not those of its image."""
    if mask.grid is None or image.grid is None:
        if mask.grid is image.grid:
            return None
        kinds = ["an image" if grid is None else "a volume" for grid in (mask.grid, image.grid)]
        what = f"is {kinds[0]}, but {image_path.name} {kinds[1]}"
        return Problem(str(path), what, "export the mask on the grid of its image")
    ratios = [one / other for one, other in zip(mask.grid.spacing, image.grid.spacing, strict=True)]
    is_same = any(all(abs(ratio / unit - 1) <= _SAME for ratio in ratios) for unit in _UNITS)
    if mask.grid.shape == image.grid.shape and is_same:
        return None
    what = f"has {mask.grid.told()}, but its image {image_path.name} {image.grid.told()}"
    return Problem(str(path), what, "export the mask on the grid of its image")
