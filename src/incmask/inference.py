"""Masks for a folder of images, with the models of a run."""

import os
from pathlib import Path
from typing import Literal

from incmask.data.layout import IMAGE_SUFFIXES
from incmask.ensemble import Ensemble
from incmask.errors import Problem, fail
from incmask.execute.local import LocalPool
from incmask.execute.machine import num_cores
from incmask.files import write_text
from incmask.outputs import ImageFile, MaskShares, Predicted, predict_files, share_jobs, tables
from incmask.predict import CHUNK
from incmask.progress import Progress


def list_images(path: Path, *, out: Path | None = None) -> list[ImageFile]:
    """Find the images below a folder, or take a single file; names keep subfolders and lose endings.

    Args:
        path: the folder or file.
        out: left out where it lies below ``path``: masks of an earlier call are no images.

    Raises:
        IncmaskError: nothing is there, no image is found, or two images would write the same mask.
    """
    if not path.exists():
        raise fail(path, "is not there", "check the path")
    if path.is_file():
        return [ImageFile(path.stem, path)]
    found: dict[str, Path] = {}
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if out is None or (Path(folder) / name).resolve() != out.resolve()]
        for name in sorted(names):
            file = Path(folder) / name
            if file.suffix.casefold() not in IMAGE_SUFFIXES or name.startswith("."):
                continue
            key = file.relative_to(path).with_suffix("").as_posix()
            if key in found:
                raise fail(file, f"has the same name as {found[key]} but for the ending", "rename one of the two")
            found[key] = file
    if not found:
        raise fail(path, f"holds no images ({', '.join(IMAGE_SUFFIXES)})", "name the folder that holds them")
    return [ImageFile(name, file) for name, file in sorted(found.items())]


def predict_folder(
    model: Path,
    images: Path,
    out: Path,
    *,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    num_workers: int = 0,
    progress: Progress,
) -> Predicted:
    """Write masks, disputed pixels, ``masks.csv`` and, where a class marks positions, ``counts.csv`` for images.

    Args:
        model: run folder or model folder.
        images: an image or a folder of images.
        out: gets ``masks/``, ``disagreement/`` and the tables.
        device: where the networks run.
        num_workers: processes; 0: one a core, as many as are worth starting.
        progress: a listener.

    Returns:
        What was found in each image, and a problem for each that could not be read; the others are written.

    Raises:
        IncmaskError: there is no model, no image, or the folder cannot be written.
    """
    ensemble = Ensemble.load(model, device="cpu")
    files = list_images(images, out=out)
    worth_starting = -(-len(files) // CHUNK)
    num_workers = min(num_workers or num_cores(), worth_starting)
    progress.expect(len(files))
    progress.doing(f"predicting {len(files)} images")
    shares: list[MaskShares] = []
    problems: list[Problem] = []
    with LocalPool(num_workers) as pool:
        jobs = share_jobs(files, model, out=out, device=device, num_jobs=4 * num_workers)
        for _, done in pool.run(predict_files, jobs, progress.advance):
            shares += done.shares
            problems += done.problems
    names = [each.name for each in ensemble.about.classes]
    for file, text in tables(shares, class_names=names, position_class=ensemble.about.position_class).items():
        write_text(out / file, text)
    return Predicted(tuple(shares), tuple(problems))
