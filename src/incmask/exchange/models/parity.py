"""Whether an exported model says the same as the one that it was made from."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from incmask.base.errors import fail
from incmask.base.intact import GONE, cannot_read, intact
from incmask.data.stack import Stack
from incmask.data.volumes.grid import Grid
from incmask.exchange.models.pipeline import AnyPipeline
from incmask.experiment.paths import stack_folder
from incmask.method.sheets import folded, unfolded
from incmask.prediction.ensemble import Ensemble

MAX_PROBABILITY_DIFFERENCE = 1e-4
MAX_DIFFERING_FRACTION = 1e-3
"""Of labels and disagreements: where two answers are equally likely, rounding decides."""

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Label, disagreement and probability, as ``Pipeline`` gives them."""

_NUM_IMAGES = 4
_STACKS = ("test", "val", "labelled")
_PACKAGES = ("incmask", "torch", "numpy", "onnx", "onnxruntime")


@dataclass(frozen=True)
class ParityImages:
    """Images to compare on.

    Attributes:
        source: images of the run that the model comes from, or made up where these are not there.
        batches: uint8, (N, H, W, C) or (N, D, H, W, C) each, of several sizes.
    """

    source: Literal["run", "synthetic"]
    batches: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Parity:
    """How an exported model differs from the networks in PyTorch.

    Attributes:
        max_probability_difference: greatest absolute difference of a probability.
        differing_label_fraction: share of the pixels whose label differs, 0 to 1.
        differing_disagreement_fraction: the same of the disagreement.
        differing_from_predict_fraction: share of the pixels whose label is another than that of ``incmask predict``,
            which rounds scaled images otherwise and stitches large ones from tiles; for information.
        images: "run" or "synthetic".
        shapes: of the batches compared, (N, H, W, C) or (N, D, H, W, C).
        versions: of the packages.
    """

    max_probability_difference: float
    differing_label_fraction: float
    differing_disagreement_fraction: float
    differing_from_predict_fraction: float
    images: Literal["run", "synthetic"]
    shapes: tuple[tuple[int, ...], ...]
    versions: dict[str, str]

    def to_json(self) -> str:
        """Give the content of the file that lies beside an exported model."""
        limits = {
            "max_probability_difference": MAX_PROBABILITY_DIFFERENCE,
            "differing_label_fraction": MAX_DIFFERING_FRACTION,
            "differing_disagreement_fraction": MAX_DIFFERING_FRACTION,
        }
        return json.dumps({**asdict(self), "limits": limits}, indent=1)


def find_examples(model: Path, *, channels: int, size: tuple[int, int], depth: int | None = None) -> ParityImages:
    """Take images of the run that a model belongs to, or make some up.

    Args:
        model: run folder or model folder.
        channels: of the images.
        size: of made-up images, height and width.
        depth: slices of volumes whose sheets these are; None: images.
    """
    for root in (model, model.parent):
        for part in _STACKS:
            images = _some_images(Stack(stack_folder(root, part), ()).images, channels)
            if images is not None:
                return ParityImages("run", _of_several_sizes(_with_slices(images, depth)))
    made_up = made_up_images(channels=channels, size=size)
    return ParityImages("synthetic", _of_several_sizes(_with_slices(made_up, depth)))


def made_up_images(*, channels: int, size: tuple[int, int]) -> np.ndarray:
    """Make images up, the same each time: uint8, (N, height, width, channels)."""
    # Blocks, so that there is something to see at every level of the networks.
    generator = np.random.default_rng(0)
    height, width = size
    blocks = generator.integers(0, 256, (_NUM_IMAGES, -(-height // 8), -(-width // 8), channels), dtype=np.uint8)
    return blocks.repeat(8, 1).repeat(8, 2)[:, :height, :width]


def _differs(theirs: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """Tell where labels differ; numbers by more than a share of the greatest of them."""
    if ours.dtype.kind != "f":
        return np.asarray(theirs != ours)
    return np.asarray(~(np.abs(theirs - ours) <= MAX_PROBABILITY_DIFFERENCE * np.abs(ours).max()))


def check_parity(
    where: Path,
    run: Callable[[np.ndarray], Arrays],
    *,
    pipeline: AnyPipeline,
    ensemble: Ensemble,
    examples: ParityImages,
) -> Parity:
    """Compare an exported model with the networks.

    Args:
        where: the file, for the message.
        run: the exported model.
        pipeline: what it was made from.
        ensemble: what ``incmask predict`` uses.
        examples: images.

    Raises:
        IncmaskError: it says something else.
    """
    differences = []
    for batch in examples.batches:
        theirs = run(batch)
        with torch.inference_mode():
            ours = [each.numpy() for each in pipeline(torch.from_numpy(batch))]
        if [each.shape for each in theirs] != [each.shape for each in ours]:
            raise fail(where, "gives outputs of other shapes than PyTorch", _REMEDY)
        predicted = _predicted(ensemble, batch)
        differences.append(
            (
                np.abs(theirs[2] - ours[2]).max(),
                _differs(theirs[0], ours[0]).mean(),
                (np.abs(theirs[1] - ours[1]) > MAX_PROBABILITY_DIFFERENCE).mean(),
                _differs(theirs[0], predicted).mean(),
            )
        )
    probability, label, disagreement, from_predict = np.max(differences, axis=0).tolist()
    # Asked this way round since a NaN fails every comparison, and must not pass.
    if not (
        probability <= MAX_PROBABILITY_DIFFERENCE
        and label <= MAX_DIFFERING_FRACTION
        and disagreement <= MAX_DIFFERING_FRACTION
    ):
        raise fail(
            where,
            f"says something else than PyTorch: probabilities differ by up to {probability:.2g}, "
            f"{label:.2%} of the labels and {disagreement:.2%} of the disagreements are others",
            _REMEDY,
        )
    return Parity(
        probability,
        label,
        disagreement,
        from_predict,
        examples.source,
        tuple(batch.shape for batch in examples.batches),
        {name: version(name) for name in _PACKAGES if find_spec(name)},
    )


_REMEDY = "nothing was written; install the versions of torch, onnx and onnxruntime that are tested together"


def _some_images(path: Path, channels: int) -> np.ndarray | None:
    """Give the first images of a stack, None where there is no such stack of ``channels``."""
    try:
        images = np.load(intact(path), mmap_mode="r")
    except (*GONE, ValueError, EOFError):
        return None
    except OSError as error:
        raise cannot_read(path, error) from error
    if images.ndim != 4 or images.shape[3] != channels or images.dtype != np.uint8 or not images.size:
        return None
    return np.array(images[:_NUM_IMAGES])


def _with_slices(images: np.ndarray, depth: int | None) -> np.ndarray:
    return images if depth is None else unfolded(images, depth, axis=1)


def _predicted(ensemble: Ensemble, batch: np.ndarray) -> np.ndarray:
    """Give the labels of images or volumes as ``incmask predict`` makes them."""
    shown = ensemble.about.volumes
    if shown is None:
        return np.stack([each.label for each in ensemble.predict_each(list(batch))])
    depth, height, width = batch.shape[1:4]
    grid = Grid((depth, height, width), shown.spacing)
    return np.stack([unfolded(ensemble.predict_sheet(folded(each), grid).label, depth) for each in batch])


def _of_several_sizes(images: np.ndarray) -> tuple[np.ndarray, ...]:
    """Give the images as they are, one with an odd size less and one about twice as large, of volumes in slices."""
    first = images[:1]
    if images.ndim == 5:
        return images, first[:, :-1, :-3, :-5].copy(), first.repeat(2, 1)[:, 3:, 1:, 1:].copy()
    if images.shape[1] == 1:
        return images, first[:, :, :-5].copy(), first.repeat(2, 2)[:, :, 1:].copy()
    return images, first[:, :-7, :-5].copy(), first.repeat(2, 1).repeat(2, 2)[:, 3:, 1:].copy()
