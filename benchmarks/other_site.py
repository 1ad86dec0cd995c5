"""Is it noticed that unlabelled images come from elsewhere? Real images, changed as another stain or weather would.

    python -m benchmarks.other_site [--data ../shared/data]
    python -m benchmarks.other_site --sets nuclei-44 --run RUN

The first prints, for each change, its strength and the share of the unlabelled images that are changed, in how many of
100 random splits with 20 labelled images ``check`` and the report say that some are unlike, and how many of those that
they name are changed ones. With a run of the same set it prints in how far its models dispute changed test images, and
what they score there.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

import incmask
from benchmarks.study.sets import SETS, arrange
from incmask.base.tables import markdown_table
from incmask.data.dataset import Dataset
from incmask.data.doctor.unlike import unlike
from incmask.data.folder.scan import load_dataset
from incmask.data.images.readers import read_label, read_network_image
from incmask.data.images.sketch import sketch_of

NUM_DRAWS, NUM_LABELLED = 100, 20
STRENGTHS, SHARES = (0.25, 0.5, 1.0), (0.2, 1.0)

Change = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def stain(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Mix the colours towards another stain: what was red turns blue, and all becomes a little darker."""
    other = image @ np.array([[0.2, 0.1, 0.9], [0.3, 0.6, 0.1], [0.6, 0.2, 0.1]]) * 0.85
    return (1 - strength) * image + strength * other


def dim(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Lower the contrast to as little as a third, and add the noise of a weak lamp, up to 20 grey levels."""
    middle = image.mean((0, 1))
    return middle + (image - middle) * (1 - strength * 2 / 3) + rng.normal(0, 20 * strength, image.shape)


def fog(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Put a light grey over the image, up to two thirds of it."""
    return image + (205 - image) * strength * 2 / 3


def evening(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Darken to as little as a half, blue more than red."""
    return image * (1 - strength * np.array([0.3, 0.5, 0.65]))


CHANGES: dict[str, dict[str, Change]] = {
    "nuclei-44": {"another stain": stain, "less contrast, noise": dim},
    "aerial": {"fog": fog, "evening": evening},
}


def changed(images: list[np.ndarray], change: Change, strength: float) -> list[np.ndarray]:
    """Change images, each with noise of its own; uint8 as before."""
    rng = np.random.default_rng(0)
    return [change(image.astype(np.float64), strength, rng).round().clip(0, 255).astype(np.uint8) for image in images]


def features_of(images: list[np.ndarray]) -> np.ndarray:
    """Give what an image looks like to ``check``: (N, F)."""
    return np.array([sketch_of(image).features for image in images])


def noticed(as_is: np.ndarray, other: np.ndarray, share: float) -> tuple[float, float]:
    """Give in which share of splits something is said, and which share of the images named is changed.

    Args:
        as_is, other: (N, F), features of the images as they are, and changed.
        share: of the unlabelled images that are changed, the first of a random order.
    """
    rng, said, right = np.random.default_rng(0), [], []
    for _ in range(NUM_DRAWS):
        order = rng.permutation(len(as_is))
        labelled, rest = order[:NUM_LABELLED], order[NUM_LABELLED:]
        num = round(share * len(rest))
        found = unlike(as_is[labelled], np.concatenate([other[rest[:num]], as_is[rest[num:]]]))
        said.append(found is not None)
        right += [] if found is None else [float((found.places < num).mean())]
    return float(np.mean(said)), float(np.mean(right)) if right else float("nan")


def disputed(dataset: Dataset, run: Path, change: Change | None, strength: float) -> tuple[float, float]:
    """Give the mean disputed share of the foreground and the mean IoU of its classes, over test images."""
    items = dataset.test
    images = [read_network_image(item.image, channels=dataset.channels) for item in items]
    images = images if change is None else changed(images, change, strength)
    shares, scores = [], []
    for item, found in zip(items, incmask.load(run).predict(images), strict=True):
        truth = read_label(item, dataset) > 0
        seen = found.label > 0
        of_objects = (found.inconsistent | seen).sum()
        shares.append(found.inconsistent.sum() / max(of_objects, 1))
        scores.append((truth & seen).sum() / max((truth | seen).sum(), 1))
    return float(np.mean(shares)), float(np.mean(scores))


def table(name: str, dataset: Dataset) -> str:
    """Give the table of what ``check`` says of a set."""
    images = [read_network_image(item.image, channels=dataset.channels) for _, part in dataset.parts() for item in part]
    as_is = features_of(images)
    lines = [[name, "none", "", "", f"{noticed(as_is, as_is, 0)[0]:.0%}", ""]]
    for title, change in CHANGES[name].items():
        for strength in STRENGTHS:
            other = features_of(changed(images, change, strength))
            for share in SHARES:
                said, right = noticed(as_is, other, share)
                lines.append([name, title, f"{strength}", f"{share:.0%}", f"{said:.0%}", f"{right:.0%}"])
    return markdown_table(("set", "change", "strength", "changed", "said", "of those named, changed"), lines)


def table_of_run(name: str, dataset: Dataset, run: Path) -> str:
    """Give the table of what a run's models make of changed test images."""
    lines = [("none", "", *(f"{value:.3f}" for value in disputed(dataset, run, None, 0)))]
    for title, change in CHANGES[name].items():
        for strength in STRENGTHS:
            found = disputed(dataset, run, change, strength)
            lines.append((title, f"{strength}", *(f"{value:.3f}" for value in found)))
    return markdown_table(("change", "strength", "disputed of the foreground", "IoU of the foreground"), lines)


def main() -> None:
    """Read the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", choices=CHANGES, default=list(CHANGES))
    parser.add_argument("--run", type=Path, help="a run of the one set that is named")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for name in options.sets:
        with tempfile.TemporaryDirectory() as folder:
            arrange(SETS[name], options.data, Path(folder) / name, draw=0)
            dataset = load_dataset(Path(folder) / name)
            print(table_of_run(name, dataset, options.run) if options.run else table(name, dataset))


if __name__ == "__main__":
    main()
