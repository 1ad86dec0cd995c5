"""The nearest of several colours, for masks whose edges are soft."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from incmask.base.errors import fail
from incmask.data.images.masks import unpack_colour

APART_DISTANCE = 48.0
"""Colours farther apart are surely two."""

_STRANGE_SHARE = 0.05
"""Of a mask's pixels, what may lie far from every colour: edges between areas are a mixture of both."""

REMEDY = "export the masks as PNG, or name the classes with their colours under [data] in incmask.toml"


@dataclass(frozen=True)
class NearestColour:
    """For each of several colours, the nearest that was drawn, packed, and how far it is."""

    colours: np.ndarray
    distances: np.ndarray


def nearest_colours(packed: np.ndarray, colours: Sequence[int]) -> NearestColour:
    """Give for each of the packed colours (n,) the nearest of ``colours``; of two as near, the first."""
    targets = np.array([unpack_colour(colour) for colour in colours], np.float64)
    nearest = np.empty(len(packed), np.uint32)
    distances = np.empty(len(packed))
    for start in range(0, len(packed), 4096):  # a blurred mask may hold very many colours
        part = packed[start : start + 4096].astype(np.uint32)
        rgb = np.stack([part >> 16, part >> 8 & 255, part & 255], axis=1).astype(np.float64)
        ways = np.linalg.norm(rgb[:, None] - targets, axis=2)
        nearest[start : start + len(part)] = np.array(colours, np.uint32)[ways.argmin(axis=1)]
        distances[start : start + len(part)] = ways.min(axis=1)
    return NearestColour(nearest, distances)


def snap(packed: np.ndarray, colours: Sequence[int], *, where: object) -> np.ndarray:
    """Replace each of the packed colours (H, W) by the nearest of ``colours``.

    Raises:
        IncmaskError: much of the mask has none of the colours.
    """
    found, place, counts = np.unique(packed, return_inverse=True, return_counts=True)
    nearest = nearest_colours(found, colours)
    strange = nearest.distances >= APART_DISTANCE
    num_strange = int(counts[strange].sum())
    if num_strange > _STRANGE_SHARE * packed.size:
        example = unpack_colour(int(found[strange][counts[strange].argmax()]))
        what = f"has {num_strange} pixels far from every class's colour, most of them near {example}"
        raise fail(where, what, REMEDY)
    return nearest.colours[place.reshape(packed.shape)]
