"""How often ``incmask check`` finds what is there, and what is not: real images, as they are and changed on purpose.

``python -m benchmarks.doctor --data ../shared/data --sets cats nuclei-44`` prints, for each set of the study, the share
of changed copies that are found, of random splits in which unlabelled images are called unlike, of random choices of
masks, as they are and moved by 4 and 3 pixels, that are called shifted, and of such choices, as they are and with two
masks turned inside out, those in which masks are called swapped; several classes count as one there.
"""

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.study.sets import SETS, arrange
from incmask.data.dataset import Dataset
from incmask.data.doctor.crops import cut_copies
from incmask.data.doctor.hashes import alike
from incmask.data.doctor.inverted import find_inverted, ground_of
from incmask.data.doctor.shifts import find_shift, fit_of
from incmask.data.doctor.unlike import unlike
from incmask.data.folder.scan import load_dataset
from incmask.data.images.readers import read_label, read_network_image
from incmask.data.images.sketch import sketch_of, small_grey

NUM_COPIED, NUM_DRAWS, NUM_LABELLED, NUM_MASKS, NUM_SWAP_MASKS = 60, 100, 20, 20, 30
STEP_PX = (4, 3)

CHANGES = {
    "as JPEG": lambda image: cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], -1),
    "half": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "brighter": lambda image: np.clip(image * 1.1 + 20, 0, 255).astype(np.uint8),
    "cut by 2 %": lambda image: image[max(1, len(image) // 50) :, max(1, image.shape[1] // 50) :],
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "turned": lambda image: np.ascontiguousarray(np.rot90(image)),
}

CUTS = {
    "4 % of two sides": (0.04, 0.0, 0.04, 0.0),
    "10 % around": (0.05, 0.05, 0.05, 0.05),
    "10 % of two sides": (0.1, 0.0, 0.0, 0.1),
    "20 % of a side": (0.0, 0.0, 0.2, 0.0),
    "20 % of two sides": (0.2, 0.0, 0.0, 0.2),
}
"""What is cut above, below, on the left and on the right."""


def copies_found(images: list[np.ndarray]) -> Iterator[str]:
    """Tell how many copies of each kind are found, and how many other pairs."""
    originals = [sketch_of(image).grey for image in images]
    for name, change in CHANGES.items():
        pairs = alike([*originals, *(sketch_of(np.atleast_3d(change(image))).grey for image in images)])
        num = sum(other - one == len(images) for one, other in pairs)
        yield f"{name} {num}/{len(images)} (+{len(pairs) - num})"


def cuts_found(images: list[np.ndarray]) -> Iterator[str]:
    """Tell how many copies are found that are cut by several shares, and how many other pairs than by ``alike``."""
    known = {*alike([sketch_of(image).grey for image in images])}
    for share, (top, bottom, left, right) in CUTS.items():
        cut = [image[round(top * len(image)) : round((1 - bottom) * len(image)),
                     round(left * image.shape[1]) : round((1 - right) * image.shape[1])]
               for image in images[:NUM_COPIED]]  # fmt: skip
        everything = [*images, *cut]
        pictures = np.stack([sketch_of(image).grey for image in everything])
        pairs = cut_copies(pictures, ["test"] * len(everything), {("test", "test")}, partial(_fine, everything))
        num = sum(other - one == len(images) for one, other in pairs)
        others = {(one, other) for one, other in pairs if other < len(images)} - known
        yield f"{share} {num}/{len(cut)} (+{len(others)})"


def _fine(images: list[np.ndarray], place: int) -> np.ndarray:
    return small_grey(images[place])


def splits_unlike(features: np.ndarray, rng: np.random.Generator) -> float:
    """Give the share of random splits in which the rest is called unlike the labelled images."""
    draws = (rng.permutation(len(features)) for _ in range(NUM_DRAWS))
    alarms = [unlike(features[draw[:NUM_LABELLED]], features[draw[NUM_LABELLED:]]) is not None for draw in draws]
    return float(np.mean(alarms))


def shifts_found(dataset: Dataset, rng: np.random.Generator) -> tuple[float, float]:
    """Give the share of random choices called shifted: of masks as they are, and of moved ones with the right step."""
    pairs = [
        (read_network_image(item.image, channels=dataset.channels), read_label(item, dataset)) for item in dataset.test
    ][:80]
    as_is = [fit_of(*pair) for pair in pairs]
    moved = [fit_of(image, np.roll(label, STEP_PX, (0, 1))) for image, label in pairs]
    draws = [rng.choice(len(pairs), NUM_MASKS, replace=False) for _ in range(NUM_DRAWS)]
    alarms = [find_shift([as_is[place] for place in draw]) is not None for draw in draws]
    found = [find_shift([moved[place] for place in draw]) for draw in draws]
    right = [shift is not None and np.abs(np.add(shift.step_px, STEP_PX)).max() <= 1 for shift in found]
    return float(np.mean(alarms)), float(np.mean(right))


def swaps_found(dataset: Dataset, rng: np.random.Generator) -> tuple[float, float]:
    """Give the share of random choices with a mask called swapped, and of two swapped masks those that are found."""
    pairs = [
        (read_network_image(item.image, channels=dataset.channels), foreground_of(read_label(item, dataset)))
        for item in dataset.test
    ]
    as_is, swapped = (
        [ground_of(image, way(label)) for image, label in pairs] for way in (lambda x: x, lambda x: 1 - x)
    )
    known = [place for place, each in enumerate(as_is) if each is not None]
    alarms, found = [], []
    for _ in range(NUM_DRAWS):
        draw = rng.choice(known, NUM_SWAP_MASKS, replace=False)
        alarms.append(bool(find_inverted([as_is[place] for place in draw])))
        among = find_inverted([*(swapped[place] for place in draw[:2]), *(as_is[place] for place in draw[2:])])
        found.append(len({0, 1} & {*among}) / 2 if not {*among} - {0, 1} else 0)
    return float(np.mean(alarms)), float(np.mean(found))


def foreground_of(label: np.ndarray) -> np.ndarray:
    """Give 1 where any class is that can be foreground."""
    plane = label if label.ndim == 2 else label[..., 0]
    return ((plane > 0) & (plane != 255)).astype(np.uint8)


def main() -> None:
    """Read the command line and print a line a set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["cats", "nuclei-44", "hippocampus", "aerial"])
    arguments = parser.parse_args()
    for name in arguments.sets:
        with tempfile.TemporaryDirectory() as folder:
            arrange(SETS[name], arguments.data, Path(folder) / name, draw=0)
            dataset = load_dataset(Path(folder) / name)
            items = [item for _, part in dataset.parts() for item in part]
            images = [read_network_image(item.image, channels=dataset.channels) for item in items]
            rng = np.random.default_rng(0)
            features = np.array([sketch_of(image).features for image in images])
            alarms, right = shifts_found(dataset, rng)
            swap_alarms, swapped = swaps_found(dataset, rng)
            print(f"{name}: {', '.join(copies_found(images[:NUM_COPIED]))}")
            print(f"{name}: cut by {', '.join(cuts_found(images))}", flush=True)
            print(
                f"{name}: unlike {splits_unlike(features, rng):.2f}, shifted {alarms:.2f}, moved {right:.2f}, "
                f"swapped {swap_alarms:.2f}, found {swapped:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
