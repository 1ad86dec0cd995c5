"""How well objects are counted, and how many shapes a person gets to correct, on nuclei whose objects are known.

    python -m benchmarks.objects NUCLEI [--every 9]

NUCLEI has ``labels/`` with a number for each nucleus. Nothing is trained: the true masks become body, border and centre
as ``incmask prepare --layout instances`` makes them, and objects are found in these again; once as they are, and once
with edges as uncertain as those of a model, made by a random field on the distance to each edge. Four such masks of the
foreground stand for four members, whose majority and disputed pixels are exported.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from incmask.base.tables import markdown_table
from incmask.data.dataset import ClassInfo, Scheme
from incmask.data.images.decode import decode, read_bytes
from incmask.exchange.corrections.specks import SpeckMerger
from incmask.exchange.formats.masks.instances import layers_of
from incmask.exchange.formats.sheets import LabelSheet
from incmask.exchange.names import LEAST_PX
from incmask.method.instances import ObjectChannels, find_objects, split_objects
from incmask.method.object_scores import match_objects, object_scores

_CHANNELS = ObjectChannels(bodies=(0,), centre=2, border=1)
_FIELDS = ((0.8, 1.0), (2.0, 4.0), (6.0, 18.0))
"""Widths of the random field's blobs and how far each moves an edge, both in pixels, before blobs average out."""
_MEMBERS = 4


@dataclass(frozen=True)
class Nuclei:
    """The true objects of an image, and layers of them as they are and as a model might see them."""

    name: str
    ids: np.ndarray
    exact: np.ndarray
    uncertain: np.ndarray

    @property
    def has_touching(self) -> bool:
        """Tell whether objects touch."""
        return hang_together(self.exact).max() < len(np.unique(self.ids)) - 1


def moved(mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Move the edges of a mask by a random field."""
    inside = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    fields = (
        strength * ndimage.gaussian_filter(random.standard_normal(mask.shape), width) for width, strength in _FIELDS
    )
    return inside + sum(fields) > 0


def read(path: Path, index: int) -> Nuclei:
    """Read the objects of an image."""
    ids = decode(path, read_bytes(path)).values
    exact = layers_of(ids)
    random = np.random.default_rng(index)
    return Nuclei(path.stem, ids, exact, np.stack([moved(each > 0, random) for each in np.moveaxis(exact, -1, 0)], -1))


def hang_together(layers: np.ndarray) -> np.ndarray:
    """Give what hangs together in the body, as before there was anything else."""
    return ndimage.label(layers[..., 0], np.ones((3, 3)))[0]


WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "what hangs together": hang_together,
    "body, split at waists": lambda layers: split_objects(layers[..., 0] > 0).ids,
    "body, border and centre": lambda layers: find_objects(layers, _CHANNELS).ids,
}


def counts(images: Sequence[Nuclei], *, layers: Callable[[Nuclei], np.ndarray]) -> str:
    """Write a table of how objects are counted each way."""
    rows = []
    for way, find in WAYS.items():
        scores = object_scores(match_objects(find(layers(each)), each.ids) for each in images)
        numbers = (scores.absolute_error, scores.relative_error, scores.pq, scores.ap50)
        rows.append((way, f"{scores.num_found} / {scores.num_true}", *(f"{value:.3f}" for value in numbers)))
    return markdown_table(("objects by", "found / true", "off an image", "relative", "PQ", "AP50"), rows)


def shapes(images: Sequence[Nuclei]) -> str:
    """Write a table of the shapes that are exported for an image."""
    scheme = Scheme("binary", (ClassInfo("nucleus", (255, 255, 255), 255),))
    rows = []
    for least_px in (LEAST_PX // 2, LEAST_PX, 2 * LEAST_PX):
        merger = SpeckMerger(scheme, least_px)
        for index, each in enumerate(images):
            random = np.random.default_rng(index)
            votes = sum(moved(each.ids > 0, random).astype(int) for _ in range(_MEMBERS))
            label, unsure = (votes >= _MEMBERS / 2).astype(np.uint8), (votes > 0) & (votes < _MEMBERS)
            merger.merge(LabelSheet(each.name, "", label, unsure))
        found = merger.merged()
        assert found is not None, "there are images"
        numbers = (f"{found.shapes_before:.0f}", f"{found.shapes_after:.0f}", f"{found.changed_fraction:.1%}")
        rows.append((f"--least-px {least_px}", *numbers))
    return markdown_table(("", "shapes with --exact", "shapes", "pixels with another label"), rows)


def main() -> None:
    """Count."""
    parser = argparse.ArgumentParser(description="Count nuclei, and the shapes that are exported of them.")
    parser.add_argument("nuclei", type=Path)
    parser.add_argument("--every", type=int, default=9, help="take one image of so many")
    options = parser.parse_args()
    started = time.monotonic()
    paths = sorted((options.nuclei / "labels").glob("*.png"))[:: options.every]
    images = [read(path, index) for index, path in enumerate(paths)]
    touching = [each for each in images if each.has_touching]
    for what, chosen in (("images", images), ("images with touching nuclei", touching)):
        print(f"{len(chosen)} {what}, true layers\n\n{counts(chosen, layers=lambda each: each.exact)}\n")
        print(f"{len(chosen)} {what}, uncertain edges\n\n{counts(chosen, layers=lambda each: each.uncertain)}\n")
    print("| image | true | hang together | body, border and centre |\n|---|---|---|---|")
    for each in touching[:8]:
        found = [int(WAYS[way](each.exact).max()) for way in ("what hangs together", "body, border and centre")]
        print(f"| {each.name} | {len(np.unique(each.ids)) - 1} | {found[0]} | {found[1]} |")
    print(f"\nshapes an image\n\n{shapes(images)}\n\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
