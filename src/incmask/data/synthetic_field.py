"""Draw one made-up microscope field of touching, unevenly lit cells, with its truth."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from incmask.data.synthetic_shapes import Blob, Floats, distance_from, ring, smooth_noise

Masks = NDArray[np.uint8]

_AREA_PX = 96 * 96
"""Area for which the numbers of objects below are meant."""

_MARGIN = 1.5
"""Reach of a cell's halo, in radii."""

_GREY = 45
"""Intensity that a signal of 1 stands for at full contrast."""


@dataclass(frozen=True)
class Field:
    """One field and what is in it.

    Attributes:
        image: ``(H, W)`` uint8.
        alive, dead, debris: ``(H, W)`` uint8 of 0 and 1, no two of them 1 at the same pixel.
        position: ``(H, W)`` uint8 of 0 and 1, a disc at the centre of each cell.
    """

    image: Masks
    alive: Masks
    dead: Masks
    debris: Masks
    position: Masks


@dataclass(frozen=True)
class _Cell(Blob):
    dead: bool
    vigour: float


@dataclass
class _Canvas:
    """What has been drawn so far; ``nearest`` holds each pixel's distance from a centre, in radii."""

    size: tuple[int, int]
    signal: Floats = field(init=False)
    height: Floats = field(init=False)
    nearest: Floats = field(init=False)
    kind: Masks = field(init=False)

    def __post_init__(self) -> None:
        self.signal, self.height = np.zeros(self.size), np.zeros(self.size)
        self.nearest, self.kind = np.full(self.size, np.inf), np.zeros(self.size, np.uint8)


_ALIVE, _DEAD, _DEBRIS = 1, 2, 3


def draw_field(size: tuple[int, int], generator: np.random.Generator) -> Field:
    """Draw a field of ``size`` (H, W): cells, distractors, light, focus and noise of its own."""
    canvas = _Canvas(size)
    density = size[0] * size[1] / _AREA_PX
    cells = _place_cells(size, density, generator)
    tone = generator.uniform(-1.1, 0.1)
    for cell in cells:
        _draw_cell(canvas, cell, tone, generator)
    for _ in range(generator.poisson(3 * density)):
        _draw_debris(canvas, generator)
    return Field(
        image=_photograph(canvas, density, generator),
        alive=(canvas.kind == _ALIVE).astype(np.uint8),
        dead=(canvas.kind == _DEAD).astype(np.uint8),
        debris=(canvas.kind == _DEBRIS).astype(np.uint8),
        position=position_discs(np.array([(cell.y, cell.x) for cell in cells]).reshape(-1, 2), size),
    )


def position_discs(centres: Floats, size: tuple[int, int]) -> Masks:
    """Draw a disc at each centre (row, column) with a radius of a quarter of the way to the next one.

    The radius is ``clip(distance // 4, 3, 8)`` pixels; a lone cell gets 8 (paper section 2.2, HeLa).

    Returns:
        ``(H, W)`` uint8 of 0 and 1.
    """
    discs = np.zeros(size, np.uint8)
    rows, columns = np.ogrid[: size[0], : size[1]]
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    for centre, others in zip(centres, distances, strict=True):
        radius_px = np.clip(np.floor(others.min() / 4), 3, 8)
        discs[(rows - round(centre[0])) ** 2 + (columns - round(centre[1])) ** 2 <= radius_px**2] = 1
    return discs


def _place_cells(size: tuple[int, int], density: float, generator: np.random.Generator) -> list[_Cell]:
    """Place cells that may touch but hardly overlap; alive ones tend to sit beside each other."""
    cells: list[_Cell] = []
    share_dead = generator.beta(1.5, 3)
    wanted = generator.poisson(generator.uniform(6, 14) * density)
    for _ in range(8 * wanted):
        if len(cells) == wanted:
            break
        dead = bool(generator.random() < share_dead)
        rounded = not dead and generator.random() < 0.2
        radius_px = generator.uniform(4.5, 8) if dead or rounded else generator.uniform(7.5, 13)
        y, x = generator.uniform(0, size[0] - 1), generator.uniform(0, size[1] - 1)
        if cells and generator.random() < 0.6:
            beside = cells[generator.integers(len(cells))]
            turn, way = generator.uniform(0, 2 * np.pi), beside.radius_px + radius_px
            y, x = beside.y + way * np.sin(turn), beside.x + way * np.cos(turn)
        inside = 0 <= y <= size[0] - 1 and 0 <= x <= size[1] - 1
        if not inside or any(np.hypot(y - c.y, x - c.x) < 0.85 * (radius_px + c.radius_px) for c in cells):
            continue
        roughness = 0.05 if dead else 0.08 if rounded else 0.18
        cells.append(
            _Cell(
                y,
                x,
                radius_px,
                stretch=generator.uniform(1, 1.25 if dead or rounded else 1.9),
                angle=generator.uniform(0, np.pi),
                waves=generator.normal(0, roughness, 4) / np.arange(1, 5),
                phases=generator.uniform(0, 2 * np.pi, 4),
                dead=dead,
                vigour=generator.uniform(0.5, 1.2),
            )
        )
    return cells


def _window(canvas: _Canvas, blob: Blob) -> tuple[slice, slice]:
    reach_px = _MARGIN * blob.radius_px * blob.stretch**0.5 * 1.3
    top, left = (max(0, int(centre - reach_px)) for centre in (blob.y, blob.x))
    return slice(top, int(blob.y + reach_px) + 2), slice(left, int(blob.x + reach_px) + 2)


def _draw_cell(canvas: _Canvas, cell: _Cell, tone: float, generator: np.random.Generator) -> None:
    window = _window(canvas, cell)
    rows, columns = np.mgrid[: canvas.size[0], : canvas.size[1]][(slice(None), *window)].astype(float)
    distance = distance_from(cell, rows, columns)
    edge = np.clip((1 - distance) / 0.25, 0, 1)
    if cell.dead:
        body = 1.5 * (1 - distance**2) * cell.vigour - 0.9 * ring(distance, 0.88, 0.13)
        halo = 0.5 * ring(distance, 1.12, 0.1)
    else:
        texture = smooth_noise(distance.shape, 2.5, generator)
        nucleus = np.exp(-((_distance_to_nucleus(cell, rows, columns, generator) / 0.42) ** 2))
        body = (tone * 0.8 + 0.45 * texture) * cell.vigour * edge
        body += generator.uniform(-0.5, 0.9) * nucleus * edge + 0.5 * ring(distance, 0.95, 0.09)
        if cell.radius_px < 7.5:
            body += 0.8 * (1 - distance**2)
        halo = 0.25 * ring(distance, 1.1, 0.12)
    mine = (distance < 1) & (distance < canvas.nearest[window])
    canvas.signal[window] = np.where(mine, body, canvas.signal[window] + halo * (distance >= 1))
    canvas.height[window] = np.maximum(canvas.height[window], np.clip(1 - distance**2, 0, 1))
    canvas.kind[window][mine] = _DEAD if cell.dead else _ALIVE
    canvas.nearest[window] = np.minimum(canvas.nearest[window], distance)


def _distance_to_nucleus(cell: Blob, rows: Floats, columns: Floats, generator: np.random.Generator) -> Floats:
    y, x = (centre + generator.uniform(-0.2, 0.2) * cell.radius_px for centre in (cell.y, cell.x))
    distance: Floats = np.hypot(rows - y, columns - x) / cell.radius_px
    return distance


def _draw_debris(canvas: _Canvas, generator: np.random.Generator) -> None:
    """Draw a bright or dark fragment; it is debris where no cell is."""
    speck = Blob(
        y=generator.uniform(0, canvas.size[0]),
        x=generator.uniform(0, canvas.size[1]),
        radius_px=generator.uniform(1.5, 4),
        stretch=generator.uniform(1, 2.5),
        angle=generator.uniform(0, np.pi),
        waves=generator.normal(0, 0.2, 4),
        phases=generator.uniform(0, 2 * np.pi, 4),
    )
    window = _window(canvas, speck)
    rows, columns = np.mgrid[: canvas.size[0], : canvas.size[1]][(slice(None), *window)].astype(float)
    distance = distance_from(speck, rows, columns)
    strength = generator.uniform(0.6, 1.6) * (1 if generator.random() < 0.6 else -1)
    mine = (distance < 1) & (canvas.kind[window] == 0)
    canvas.signal[window] += np.where(mine, strength * (1 - 0.5 * distance**2), 0)
    canvas.height[window] = np.maximum(canvas.height[window], 0.7 * mine * (1 - distance**2))
    canvas.kind[window][mine] = _DEBRIS


def _photograph(canvas: _Canvas, density: float, generator: np.random.Generator) -> Masks:
    """Turn the drawing into intensities under conditions drawn for this image."""
    rows, columns = np.mgrid[: canvas.size[0], : canvas.size[1]].astype(float)
    signal = canvas.signal.copy()
    for _ in range(generator.poisson(2 * density)):  # things out of focus, which are no cells
        y, x = generator.uniform(0, canvas.size[0]), generator.uniform(0, canvas.size[1])
        spread_px = generator.uniform(3, 10)
        squared = ((rows - y) ** 2 + (columns - x) ** 2) / spread_px**2
        signal += generator.uniform(-0.6, 0.6) * np.exp(-squared) * (1 + generator.uniform(-1, 0.5) * squared)
    turn = generator.uniform(0.2, 1.4)
    slope_y, slope_x = np.gradient(canvas.height)
    signal += generator.uniform(0, 4) * (np.sin(turn) * slope_y + np.cos(turn) * slope_x)
    signal += generator.uniform(0, 0.12) * smooth_noise(canvas.size, 3, generator)
    contrast = np.exp(generator.uniform(np.log(0.8), np.log(1.8)))
    light = 1 + generator.uniform(0, 0.22) * smooth_noise(canvas.size, 60, generator)
    image = (generator.uniform(80, 150) + _GREY * contrast * signal) * np.clip(light, 0.3, 1.8)
    image = cv2.GaussianBlur(image, (0, 0), generator.uniform(0.4, 1.2))
    image += generator.normal(0, 1.5 + contrast * generator.uniform(0, 5), canvas.size)
    grey: Masks = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return grey
