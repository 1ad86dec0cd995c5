"""Arrange a set of nuclei with instance ids as incmask reads it: parts as folders, masks binary or multilabel.

    python examples/arrange_nuclei.py ../shared/data/nuclei data/nuclei --multilabel

SRC holds ``images/*.png``, ``labels/*.png`` (an id for each nucleus, 0 = background) and ``split.json``
with the file names of "labelled", "unlabelled", "val" and "test".
"""

import argparse
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
from scipy.ndimage import center_of_mass
from scipy.spatial import KDTree

from incmask.data.dataset import ClassInfo
from incmask.data.images.decode import decode, read_bytes
from incmask.data.images.writers import write_label

FOREGROUND = (ClassInfo("foreground", (255, 255, 255), 255),)
LAYERS = tuple(
    ClassInfo(name, colour, name)
    for name, colour in (("body", (0, 160, 255)), ("border", (255, 160, 0)), ("centre", (255, 255, 255)))
)
LONE_RADIUS_PX = 8


def border_of(instances: np.ndarray) -> np.ndarray:
    """Mark the pixels of nuclei that touch another id, in any of 8 directions: (H, W) bool."""
    ids = instances.astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    return (cv2.dilate(ids, kernel) != cv2.erode(ids, kernel)) & (instances > 0)


def centres_of(instances: np.ndarray) -> np.ndarray:
    """Draw a disc at the centroid of each nucleus, smaller where nuclei are close: (H, W) bool.

    Its radius is a quarter of the distance to the nearest other nucleus, from 3 to 8 pixels; 8 for a lone one.
    """
    discs = np.zeros(instances.shape, np.uint8)
    ids = np.unique(instances[instances > 0])
    if not len(ids):
        return discs > 0
    centroids = np.array(center_of_mass(instances > 0, instances, ids))
    radii = np.full(len(ids), LONE_RADIUS_PX)
    if len(ids) > 1:
        nearest = KDTree(centroids).query(centroids, k=2)[0][:, 1]
        radii = np.clip(nearest // 4, 3, LONE_RADIUS_PX).astype(int)
    for (row, column), radius in zip(centroids, radii, strict=True):
        cv2.circle(discs, (round(column), round(row)), int(radius), 1, cv2.FILLED)
    return discs > 0


def label_of(instances: np.ndarray, *, multilabel: bool) -> np.ndarray:
    """Turn instance ids into a label: (H, W) foreground, or (H, W, 3) body, border and centre; uint8 0 or 1."""
    body = instances > 0
    layers = (body, border_of(instances), centres_of(instances)) if multilabel else (body,)
    label = np.stack(layers, axis=2).astype(np.uint8)
    return label if multilabel else label[..., 0]


def arrange(
    source: Path, target: Path, *, multilabel: bool = False, with_truth: bool = False, num_labelled: int | None = None
) -> None:
    """Copy the images of ``source`` into the parts of ``target`` and derive their masks.

    Args:
        source: folder with images, labels and split.json.
        target: folder to make.
        multilabel: body, border and centre instead of the foreground.
        with_truth: give the unlabelled images masks too, for fully supervised comparisons.
        num_labelled: keep only the first so many labelled images, the others become unlabelled.
    """
    split = json.loads((source / "split.json").read_text(encoding="utf-8"))
    if num_labelled is not None:
        split["unlabelled"] += split["labelled"][num_labelled:]
        del split["labelled"][num_labelled:]
    for part, file_names in split.items():
        images = target / part / "images"
        images.mkdir(parents=True, exist_ok=True)
        for file_name in file_names:
            shutil.copyfile(source / "images" / file_name, images / file_name)
            if part == "unlabelled" and not with_truth:
                continue
            path = source / "labels" / file_name
            label = label_of(decode(path, read_bytes(path)).values, multilabel=multilabel)
            write_label(
                target / part / "masks",
                Path(file_name).stem,
                label,
                task="multilabel" if multilabel else "binary",
                classes=LAYERS if multilabel else FOREGROUND,
            )


def main() -> None:
    """Read the command line and arrange."""
    parser = argparse.ArgumentParser(description="Arrange a set of nuclei as incmask reads it.")
    parser.add_argument("source", type=Path, metavar="SRC")
    parser.add_argument("target", type=Path, metavar="DST")
    parser.add_argument("--multilabel", action="store_true", help="body, border and centre instead of foreground")
    parser.add_argument("--with-truth", action="store_true", help="give the unlabelled images masks too")
    parser.add_argument("--num-labelled", type=int, metavar="N", help="keep the masks of the first N labelled images")
    options = parser.parse_args()
    arrange(
        options.source,
        options.target,
        multilabel=options.multilabel,
        with_truth=options.with_truth,
        num_labelled=options.num_labelled,
    )


if __name__ == "__main__":
    main()
