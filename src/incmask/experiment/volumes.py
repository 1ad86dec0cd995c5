"""What a run can do with volumes, and what it refuses by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from incmask.base.bounds import UNET
from incmask.base.caller import command, option, setting
from incmask.base.config import IGNORED, Settings, Task
from incmask.base.errors import IncmaskError, fail
from incmask.base.intact import read_json
from incmask.data.volumes.grid import Grid
from incmask.method.labels import labels_of
from incmask.method.sheets import unfolded
from incmask.method.surface import SurfaceDistance, surface_distance
from incmask.prediction.model_folder import ABOUT, MODEL

_NO_VOLUMES = "knows images alone, and the data are volumes"


def check_volumes(settings: Settings) -> None:
    """Refuse what a run cannot do with volumes.

    Raises:
        IncmaskError: networks on an encoder, or a size in two numbers.
    """
    if settings.net != UNET:
        raise fail(option("net"), f"{settings.net} {_NO_VOLUMES}", f"leave it out: {UNET} has three dimensions there")
    if settings.size is not None:
        what = "has height and width alone, and the data are volumes"
        raise fail(option("size"), what, "name patch = [slices, rows, columns] under [data] in incmask.toml")
    if settings.redraw_positions:
        raise fail(setting("redraw_positions"), _NO_VOLUMES, "leave it out")


def refuse_volumes(folder: Path, what: str) -> None:
    """Refuse to do with models of volumes, or the run that made them, what is done with images alone.

    Args:
        folder: run folder or model folder.
        what: cannot be done, such as "export to coco".

    Raises:
        IncmaskError: they are of volumes.
    """
    about = next((found for path in (folder / MODEL / ABOUT, folder / ABOUT) if (found := _read(path))), {})
    if about.get("volumes"):
        remedy = (
            f"masks of volumes are files of their own format, in masks/ and of {command('predict')}: correct them in "
            "ITK-SNAP or 3D Slicer, and put them into labelled/masks"
        )
        raise fail(folder, f"is of volumes, and {what} is for images", remedy)


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(read_json(path) or {})
    except (IncmaskError, OSError, ValueError, TypeError):
        # Whoever reads the model in earnest tells what is wrong with it.
        return {}


def distances_of(
    label: np.ndarray, truth: np.ndarray, grid: Grid, *, task: Task, class_names: Sequence[str]
) -> dict[str, SurfaceDistance]:
    """Measure how far the surfaces of each class are from the true ones, in the unit of the volume's spacing.

    Args:
        label, truth: sheets (D·H, W) or (D·H, W, K) in the volume's own grid; where the truth is 255, nothing counts.
        grid: of the volume.
        task: what they mean.
        class_names: of all classes; the ground has no surface.

    Returns:
        By the names of the classes that both have.
    """
    kind, depth, found = labels_of(task), grid.shape[0], {}
    for number in kind.object_classes(len(class_names)):
        counts = (truth[..., number] if kind.is_layered else truth) != IGNORED
        masks = [unfolded(kind.class_pixels(each, number) & counts, depth) for each in (label, truth)]
        if all(mask.any() for mask in masks):
            found[class_names[number]] = surface_distance(*masks, spacing=grid.spacing)
    return found


def mean_distances(volumes: Sequence[dict[str, SurfaceDistance]]) -> dict[str, float]:
    """Average distances over the volumes that have them: ``hd95/<class>`` and ``surface_distance/<class>``."""
    table: dict[str, float] = {}
    for name in dict.fromkeys(name for volume in volumes for name in volume):
        known = [volume[name] for volume in volumes if name in volume]
        table[f"hd95/{name}"] = float(np.mean([each.hd95 for each in known]))
        table[f"surface_distance/{name}"] = float(np.mean([each.mean for each in known]))
    return table
