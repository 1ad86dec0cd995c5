"""The ensemble as one network: uint8 images of any size in; label, disagreement and probability out."""

import copy
import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Literal, cast

import torch
from torch import Tensor, nn

from incmask.base.bounds import STEP_PX
from incmask.base.config import Task
from incmask.method.agreement import disagreement
from incmask.method.labels import labels_of
from incmask.method.values import ValueRange
from incmask.nets.sheets import RowUNet, SheetUNet
from incmask.nets.unet import UNet
from incmask.prediction.ensemble import About, Ensemble

INPUT, OUTPUTS = "image", ("label", "disagreement", "probability")
"""Names of what goes in and what comes out, in this order."""


class Pipeline(nn.Module):
    """All that ``Ensemble.predict`` does to images, as operations that can be exported.

    Args:
        networks: the members; computed in float32, whatever the ensemble's precision.
        task: what the outputs mean.
        size: height and width of the networks' input.
        fit: "resize": images are scaled to ``size`` and the probabilities back. "tile": images keep their resolution
            and are mirrored at the lower and right rim up to multiples of 16, or 32; they are not cut into tiles,
            which is up to the caller where they are large.
        target: the range of targets that are numbers; None: there are classes.

    ``forward`` takes uint8 (N, H, W, C) with sides of 1 or more, and returns

    - label: uint8, (N, H, W) class ids, for binary 0/1; (N, H, W, K) 0/1 for multilabel;
    - disagreement: float32, (N, H, W), share of the members that are off the majority;
    - probability: float32, (N, K, H, W), mean over the members; for multiclass it sums to 1 at most, the rest
      being the masked class.

    Of numbers the label is float32, (N, H, W), in the targets' unit, the disagreement its members' standard deviation
    in that unit, and the "probability" (N, 1, H, W) their mean, scaled so that the targets lie in 0 to 1.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        *,
        task: Task,
        size: tuple[int, int],
        fit: Literal["resize", "tile"],
        target: ValueRange | None = None,
    ):
        super().__init__()
        self.members = nn.ModuleList(networks)
        self.task: Task = task
        self.size, self.fit, self.target = size, fit, target
        self._step_px = max(getattr(each, "step_px", STEP_PX) for each in networks)
        self._has_rows = isinstance(networks[0], RowUNet)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        height, width = image.shape[1], image.shape[2]
        planes = image.permute(0, 3, 1, 2).float()
        if self._has_rows and self.fit == "tile":
            planes = mirrored(planes, self._step_px, axis=3)
        else:
            planes = scale(planes, self.size) if self.fit == "resize" else pad(planes, self._step_px)
        members = torch.stack([labels_of(self.task).probabilities(member(planes)) for member in self.members])
        members = torch.stack([self._to_image(each, (height, width)) for each in members.unbind()])
        labels, mean = labels_of(self.task), members.mean(0)
        if self.target is not None:
            spread = (members - mean).square().mean(0).sqrt()[:, 0] * self.target.span
            return mean[:, 0] * self.target.span + self.target.low, spread, mean
        share = disagreement(labels.votes(members), task=self.task)
        return labels.decode(mean), share, labels.of_classes(mean, axis=1)

    def _to_image(self, probability: Tensor, size: tuple[int, int]) -> Tensor:
        if self.fit == "tile":
            # A slice would be a special case where nothing is cut off, and a traced program has none.
            for axis, side in ((2, size[0]), (3, size[1])):
                probability = probability.index_select(axis, torch.arange(side))
            return probability
        return nn.functional.interpolate(probability, size=size, mode="bilinear", align_corners=False)


class VolumePipeline(nn.Module):
    """All that ``Ensemble.predict`` does to volumes at the spacing of the training, in one piece.

    Volumes keep their resolution, are mirrored behind their ends up to what networks can take, and are not cut into
    patches, which is up to the caller where they are large.

    Args:
        networks: the members; computed in float32, whatever the ensemble's precision.
        task: what the outputs mean.

    ``forward`` takes uint8 (N, D, H, W, C) with sides of 1 or more, and returns what ``Pipeline`` does, with an axis of
    slices before that of rows.
    """

    def __init__(self, networks: Sequence[SheetUNet], *, task: Task):
        super().__init__()
        self.members = nn.ModuleList(networks)
        self.task: Task = task
        self._steps = networks[0].steps

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        sides = image.shape[1], image.shape[2], image.shape[3]
        planes = image.permute(0, 4, 1, 2, 3).float()
        for axis, step in enumerate(self._steps, 2):
            planes = mirrored(planes, step, axis=axis)
        # Sheets travel with a fixed number of slices, the network itself takes any.
        members = torch.stack([self._sheet(UNet.forward(cast(UNet, member), planes), sides) for member in self.members])
        labels = labels_of(self.task)
        members = torch.stack([labels.probabilities(each) for each in members.unbind()])
        mean = members.mean(0)
        label, share = labels.decode(mean), disagreement(labels.votes(members), task=self.task)
        probability = labels.of_classes(mean, axis=1)
        return (
            label.reshape(label.shape[0], *sides, *label.shape[3:]),
            share.reshape(share.shape[0], *sides),
            probability.reshape(*probability.shape[:2], *sides),
        )

    def _sheet(self, logits: Tensor, sides: tuple[int, int, int]) -> Tensor:
        """Cut off what was added, and lay slices below each other: (N, C, D·H, W)."""
        for axis, side in enumerate(sides, 2):
            logits = logits.index_select(axis, torch.arange(side))
        return logits.reshape(*logits.shape[:2], sides[0] * sides[1], sides[2])


AnyPipeline = Pipeline | VolumePipeline


def pipeline_of(ensemble: Ensemble) -> AnyPipeline:
    """Give the pipeline of an ensemble: of copies of its networks, on the CPU, that only predict."""
    about = ensemble.about
    networks = [copy.deepcopy(network) for network in ensemble.networks]
    pipeline: AnyPipeline
    if about.volumes is not None:
        pipeline = VolumePipeline([each for each in networks if isinstance(each, SheetUNet)], task=about.task)
    else:
        target = about.values.target if about.values else None
        pipeline = Pipeline(networks, task=about.task, size=about.size, fit=about.fit, target=target)
    return pipeline.cpu().eval().requires_grad_(False)


def describe(about: About) -> dict[str, str]:
    """Tell what a user of an exported model has to know, as texts by name, for the model's metadata."""
    if about.volumes is None:
        seen = {"fit": about.fit, "size": json.dumps(about.size)}
    else:
        seen = {"spacing": json.dumps(about.volumes.spacing), "patch": json.dumps(about.volumes.patch)}
    return {
        "incmask_version": version("incmask"),
        "task": about.task,
        "classes": json.dumps([each.name for each in about.classes], ensure_ascii=False),
        "colours": json.dumps([each.colour for each in about.classes]),
        "channels": json.dumps(about.channels),
        **seen,
        "intensity": json.dumps(about.intensity),
    }


def scale(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale intensities (N, C, H, W) to ``size`` and round them, as ``scale_image`` does within one grey level.

    Area means where both sides shrink, else bilinear. Rows and columns are each multiplied by a matrix, which can be
    exported for sides that are not known beforehand.
    """
    sides = planes.shape[2], planes.shape[3]
    # As tensors, since a branch would fix what the graph does for all images.
    height, width = (torch.full((), side) for side in sides)
    shrinks = (height >= size[0]) & (width >= size[1])
    rows, columns = (_weights(old, new, shrinks) for old, new in zip(sides, size, strict=True))
    scaled = rows @ planes @ columns.T
    # OpenCV rounds halves to even numbers, but for means of two by two pixels.
    halves = (height == 2 * size[0]) & (width == 2 * size[1])
    return torch.where(halves, (scaled + 0.5).floor(), scaled.round())


def pad(planes: Tensor, divisor: int) -> Tensor:
    """Mirror (N, C, H, W) at the lower and right rim, the rim included, to multiples of ``divisor``, at least two."""
    return mirrored(mirrored(planes, divisor, axis=2), divisor, axis=3)


def mirrored(planes: Tensor, divisor: int, *, axis: int) -> Tensor:
    """Mirror behind an axis' end, the end included, to a multiple of ``divisor``, at least two."""
    side = planes.shape[axis]
    # Two at least: the graph could not be the same for a network's lowest level of one pixel and of several.
    place = torch.arange(divisor * torch.sym_max(2, (side + divisor - 1) // divisor)) % torch.full((), 2 * side)
    return planes.index_select(axis, torch.minimum(place, torch.full((), 2 * side - 1) - place))


def _weights(old: int, new: int, shrinks: Tensor) -> Tensor:
    """Tell what each old pixel counts for each new one along an axis: float32, (new, old), rows that sum to 1."""
    step = old / new
    there, here = torch.arange(old, dtype=torch.float32)[None], torch.arange(new, dtype=torch.float32)[:, None]
    overlap = torch.minimum((here + 1) * step, there + 1) - torch.maximum(here * step, there)
    centre = ((here + 0.5) * step - 0.5).clamp(min=0, max=old - 1)
    return torch.where(shrinks, overlap.clamp(min=0) / step, (1 - (there - centre).abs()).clamp(min=0))
