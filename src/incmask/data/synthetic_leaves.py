"""Made-up photographs of fallen leaves, in colour, with their true masks, drawn one by one."""

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from incmask.data.synthetic_shapes import Blob, Floats, distance_from, ring, smooth_noise

Drawn = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""An image and its label."""

_AREA_PX = 64 * 64
"""Area for which the number of leaves is meant."""

_GROUND, _LEAF = (0.33, 0.09), (0.08, 0.07)
"""Hues, 0 to 1: mean and deviation. They overlap: not every leaf is told from its ground by its colour."""


def draw_leaves(size: tuple[int, int], generator: np.random.Generator) -> Drawn:
    """Draw leaves on a ground: each image has grounds, colours, grain, light and focus of its own.

    Returns:
        The image, ``(H, W, 3)`` uint8, red first, and where leaves are, ``(H, W)`` uint8 of 0 and 1.

    Examples:
        >>> image, label = draw_leaves((32, 48), np.random.default_rng(0))
        >>> image.shape, label.shape, label.max()
        ((32, 48, 3), (32, 48), np.uint8(1))
    """
    ground, tone = (_colour(hue, generator) for hue in (_GROUND, _LEAF))
    picture = _textured(size, ground, generator) + 0.08 * smooth_noise(size, 24, generator)[..., None]
    label = np.zeros(size, np.uint8)
    for _ in range(1 + generator.poisson(1.2 * size[0] * size[1] / _AREA_PX)):
        picture, inside = _with_leaf(picture, tone, generator)
        label[inside] = 1
    picture *= 1 + generator.uniform(0, 0.2) * smooth_noise(size, 40, generator)[..., None]
    blurred: Floats = cv2.GaussianBlur(picture, (0, 0), generator.uniform(0.4, 1)).astype(float)
    picture = blurred + generator.normal(0, generator.uniform(0.01, 0.05), picture.shape)
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8), label


def _with_leaf(picture: Floats, tone: Floats, generator: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """Lay a leaf with a darker rim and a shadow on the picture, and tell where."""
    size = picture.shape[:2]
    leaf = _outline(size, generator)
    rows, columns = (axis.astype(float) for axis in np.mgrid[: size[0], : size[1]])
    distance = distance_from(leaf, rows, columns)
    inside = distance < 1
    colour = np.clip(tone * generator.uniform(0.85, 1.15) + generator.normal(0, 0.03, 3), 0.02, 0.98)
    light = generator.uniform(0, 2 * np.pi)
    slope = ((rows - leaf.y) * np.sin(light) + (columns - leaf.x) * np.cos(light)) / leaf.radius_px
    drawn = _textured(size, colour, generator) + 0.12 * slope[..., None]
    drawn -= generator.uniform(0, 0.5) * ring(distance, 0.97, 0.1)[..., None]
    shadow = 0.35 * generator.random() * np.clip(1.25 - distance, 0, 0.25) / 0.25
    return np.where(inside[..., None], drawn, picture * (1 - shadow[..., None])), inside


def _outline(size: tuple[int, ...], generator: np.random.Generator) -> Blob:
    return Blob(
        y=generator.uniform(4, size[0] - 5),
        x=generator.uniform(4, size[1] - 5),
        radius_px=generator.uniform(6, 13),
        stretch=generator.uniform(1, 2.6),
        angle=generator.uniform(0, np.pi),
        waves=generator.normal(0, 0.15, 4) / np.arange(1, 5),
        phases=generator.uniform(0, 2 * np.pi, 4),
    )


def _colour(hue: tuple[float, float], generator: np.random.Generator) -> Floats:
    return np.array(
        colorsys.hsv_to_rgb(generator.normal(*hue) % 1, generator.uniform(0.15, 0.7), generator.uniform(0.25, 0.8))
    )


def _textured(size: tuple[int, ...], colour: Floats, generator: np.random.Generator) -> Floats:
    """Give a surface of a colour, with grain and waves in shares that differ: (H, W, 3), about 0 to 1."""
    turn = generator.uniform(0, np.pi)
    grain = smooth_noise(size, np.exp(generator.uniform(np.log(1.2), np.log(8))), generator)
    rows, columns = np.mgrid[: size[0], : size[1]]
    way = (rows * np.sin(turn) + columns * np.cos(turn)) * 2 * np.pi / generator.uniform(3, 16)
    waves = np.sin(way + generator.uniform(0, 2 * np.pi)) * generator.uniform(0.2, 1)
    share = generator.uniform(0, 1)
    tint = generator.normal(size=3)
    strength = generator.uniform(0.05, 0.15) * (0.5 + tint / np.linalg.norm(tint))
    surface: Floats = colour + (0.6 * share * grain + (1 - share) * waves)[..., None] * strength
    return surface
