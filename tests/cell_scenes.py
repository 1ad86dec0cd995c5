"""Made-up labels of cells whose numbers are known, with what networks get wrong, and two older rules to count them.

``python tests/cell_scenes.py 200`` prints how often each rule counts right, and the mean error.
"""

import sys
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from incmask.method.cells import count_cells

SIDE_PX = 128
Label = NDArray[np.uint8]
"""Alive, dead and position of one image: 0/1, (128, 128, 3)."""
Counts = list[int]
"""Alive and dead."""
Disc = tuple[int, int, int]
"""y, x and radius."""


class Scene:
    """Discs of radius 3 to 8 as the truth has them, in areas of their types.

    Attributes:
        rng: draws.
        label: as it is counted.
        counts: the truth.
        discs: of the cells.
    """

    def __init__(self, rng: np.random.Generator, discs: Sequence[Disc]):
        self.rng, self.discs = rng, discs
        self.label = np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8)
        types = rng.integers(0, 2, len(discs))
        for (y, x, radius), kind in zip(discs, types, strict=True):
            self.label[_inside(y, x, radius), 2] = 1
            self.label[_inside(y, x, radius + 4), kind] = 1
        self.counts: Counts = np.bincount(types, minlength=2).tolist()


def apart(rng: np.random.Generator, num: int = 10, *, gap_px: int = 6, border_px: int = 10) -> list[Disc]:
    """Draw discs with a gap between them."""
    discs: list[Disc] = []
    while len(discs) < num:
        y, x = rng.integers(border_px, SIDE_PX - border_px, 2).tolist()
        radius = int(rng.integers(3, 9))
        if all(np.hypot(y - b, x - a) >= radius + other + gap_px for b, a, other in discs):
            discs.append((y, x, radius))
    return discs


def clean(rng: np.random.Generator) -> Scene:
    """As the truth has them."""
    return Scene(rng, apart(rng))


def border(rng: np.random.Generator) -> Scene:
    """Discs that the edge of the image cuts."""
    return Scene(rng, apart(rng, 12, border_px=0))


def specks(rng: np.random.Generator) -> Scene:
    """Specks of 2 to 4 pixels in height and width beside the discs."""
    return _with_specks(clean(rng))


def rings(rng: np.random.Generator) -> Scene:
    """Discs with a hole; walls are 2 pixels and more."""
    return _with_holes(clean(rng))


def thick_rings(rng: np.random.Generator) -> Scene:
    """Discs with a hole in the middle; walls are 4 pixels."""
    scene = clean(rng)
    for y, x, radius in scene.discs:
        if radius >= 5:
            scene.label[_inside(y, x, radius - 4), 2] = 0
    return scene


def touching(rng: np.random.Generator) -> Scene:
    """Pairs of discs that just touch, or nearly."""
    discs = []
    for y, x, radius in apart(rng, 5, gap_px=22, border_px=24):
        other, angle = int(rng.integers(3, 9)), rng.uniform(0, 2 * np.pi)
        discs += [(y, x, radius), (*_at(y, x, radius + other + int(rng.integers(0, 2)), angle), other)]
    return Scene(rng, discs)


def circles_of_cells(rng: np.random.Generator) -> Scene:
    """Three or four discs that touch each other about a gap."""
    discs = []
    for y, x, _ in apart(rng, 3, gap_px=20, border_px=28):
        radius, num, turn = int(rng.integers(3, 8)), int(rng.integers(3, 5)), rng.uniform(0, 2 * np.pi)
        away = (2 * radius + int(rng.integers(0, 2))) / (2 * np.sin(np.pi / num))
        discs += [(*_at(y, x, away, turn + 2 * np.pi * place / num), radius) for place in range(num)]
    return Scene(rng, discs)


def noise(rng: np.random.Generator) -> Scene:
    """Single pixels that say the opposite."""
    return _with_noise(clean(rng))


def everything(rng: np.random.Generator) -> Scene:
    """Specks, rings and noise."""
    return _with_noise(_with_specks(_with_holes(clean(rng))))


KINDS: dict[str, Callable[[np.random.Generator], Scene]] = {
    make.__name__: make
    for make in (clean, border, specks, rings, thick_rings, touching, circles_of_cells, noise, everything)
}


def scenes(kind: str, num: int) -> list[Scene]:
    """Make scenes of a kind, always the same."""
    return [KINDS[kind](np.random.default_rng([number, *kind.encode()])) for number in range(num)]


def by_ours(label: Label) -> Counts:
    """Count by the rule of the package."""
    return count_cells(label, position=2, cell_classes=[0, 1]).counts.tolist()


def by_every_part(label: Label) -> Counts:
    """Count what an erosion leaves, however small it is: our rule before."""
    eroded = ndimage.binary_erosion(label[..., 2], structure=np.ones((3, 3)), border_value=1)
    parts, num = ndimage.label(eroded)
    return _by_type(label, ndimage.center_of_mass(eroded, parts, range(1, num + 1)))


def by_outlines(label: Label) -> Counts:
    """Count outlines that enclose an area after an erosion, those of holes, too: the rule of the published code."""
    eroded = cv2.erode(np.ascontiguousarray(label[..., 2]), np.ones((3, 3), np.uint8))
    outlines, _ = cv2.findContours(eroded, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    moments = [found for outline in outlines if (found := cv2.moments(outline))["m00"] > 0]
    # Its centres are cut to whole pixels, and one is added.
    return _by_type(label, [(each["m01"] // each["m00"] + 1, each["m10"] // each["m00"] + 1) for each in moments])


RULES = {"every part": by_every_part, "outlines": by_outlines, "ours": by_ours}


def errors(rule: Callable[[Label], Counts], made: Sequence[Scene]) -> NDArray[np.int64]:
    """Give the summed error over types of each scene."""
    return np.array([np.abs(np.subtract(rule(scene.label), scene.counts)).sum() for scene in made])


def _by_type(label: Label, centres: Sequence[tuple[float, float]]) -> Counts:
    counts = [0, 0]
    for y, x in np.floor(np.reshape(centres, (-1, 2)) + 0.5).astype(int):
        alive, dead = label[max(y - 3, 0) : y + 3, max(x - 3, 0) : x + 3, :2].sum((0, 1)).tolist()
        if alive != dead:
            counts[int(dead > alive)] += 1
    return counts


def _inside(y: int, x: int, radius: int) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[:SIDE_PX, :SIDE_PX]
    inside: NDArray[np.bool_] = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    return inside


def _at(y: int, x: int, distance_px: float, angle: float) -> tuple[int, int]:
    return round(y + distance_px * np.sin(angle)), round(x + distance_px * np.cos(angle))


def _with_specks(scene: Scene) -> Scene:
    rng, position = scene.rng, scene.label[..., 2]
    for _ in range(int(rng.integers(5, 13))):
        (y, x), (height, width) = rng.integers(2, SIDE_PX - 6, 2), rng.integers(2, 5, 2)
        if not position[y - 2 : y + height + 2, x - 2 : x + width + 2].any():
            position[y : y + height, x : x + width] = 1
            scene.label[y - 2 : y + height + 2, x - 2 : x + width + 2, rng.integers(0, 2)] = 1
    return scene


def _with_holes(scene: Scene) -> Scene:
    for y, x, radius in scene.discs:
        if radius >= 5:
            scene.label[_inside(y, x, int(scene.rng.integers(1, radius - 2))), 2] = 0
    return scene


def _with_noise(scene: Scene) -> Scene:
    scene.label[..., 2] ^= scene.rng.random((SIDE_PX, SIDE_PX)) < scene.rng.uniform(0.002, 0.02)
    return scene


if __name__ == "__main__":
    number = int(sys.argv[1])
    for name in KINDS:
        found = {rule: errors(count, scenes(name, number)) for rule, count in RULES.items()}
        told = (f"{rule}: {(each == 0).mean():.0%} right, off by {each.mean():.2f}" for rule, each in found.items())
        print(f"{name:<18}", *told, sep="  ")
