"""Small volumes with two classes, as NIfTI in several orientations and spacings, for tests."""

from pathlib import Path

import nibabel
import numpy as np

TINY = {
    "num_base": 2,
    "num_students": 2,
    "num_generations": 1,
    "epochs": 1,
    "steps_per_epoch": 2,
    "batch_size": 2,
    "width": 0.125,
    "num_workers": 1,
    "dilate_px": 3,
}
"""Settings of a run on volumes that trains hardly at all."""


PARTS = {"labelled": 3, "unlabelled": 3, "val": 2, "test": 1}


def write_nifti(path: Path, volume: np.ndarray, affine: np.ndarray) -> None:
    """Write an array (X, Y, Z)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(volume, affine), path)


def scene(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give image, label and affine of a volume, (X, Y, Z): a box with another one in its corner."""
    rng = np.random.default_rng(seed)
    label = np.zeros((16 + seed % 3, 18, 8), np.uint8)
    x, y = rng.integers(2, 6, 2)
    label[x : x + 8, y : y + 9, 2:6] = 1
    label[x : x + 4, y : y + 4, 2:6] = 2
    image = rng.random(label.shape) * 40 + np.array([0, 100, 180])[label]
    affine = np.diag([1.0, 1.0, 2.0 if seed % 2 else 2.2, 1.0])
    if seed % 3 == 1:
        affine[0, 0], affine[0, 3] = -1, 15
    # Scanners differ by orders of magnitude.
    return (image * 10.0 ** (seed % 4)).astype(np.float32), label, affine


def write_volumes(root: Path) -> Path:
    """Make a data folder of volumes."""
    seed = 0
    for part, num in PARTS.items():
        for number in range(num):
            image, label, affine = scene(seed)
            write_nifti(root / part / "images" / f"{part}_{number}.nii.gz", image, affine)
            if part != "unlabelled":
                write_nifti(root / part / "masks" / f"{part}_{number}.nii.gz", label, affine)
            seed += 1
    return root
