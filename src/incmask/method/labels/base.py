"""What every kind of label is asked, answered for 0/1 labels of one class."""

import operator
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Annotated, ClassVar

from array_api_compat import array_namespace

from incmask.base.config import IGNORED, MaskedAnswers, MeanOver, Task
from incmask.method.exact import Array
from incmask.method.morphology import dilate

if TYPE_CHECKING:  # data are prepared without torch
    from torch import Tensor

Spatial = Annotated[Array, "*spatial"]
Layers = Spatial | Annotated[Array, "k *spatial"]
Pixels = Spatial | Annotated[Array, "*spatial k"]
Mask = Annotated[Array, "*n h w"]
Label = Annotated[Array, "*n h w"] | Annotated[Array, "*n h w k"]
Votes = Annotated[Array, "m *n h w"] | Annotated[Array, "m *n h w k"]
Probability = Annotated[Array, "*n c h w"]


class Labels:
    """The labels of one task; what is here holds for 0/1 labels of one class.

    Attributes:
        task: its name in settings and files.
        is_layered: classes may overlap: labels are (..., H, W, K) of 0/1, a layer a class.
        is_exclusive: labels are ids (..., H, W) of classes, 0 the ground.
        is_one_class: there is one class beside the ground.
        score_name: of the main score; ``Scoring.full_name`` says what it averages.
        always_unanimous: a pixel has the class only where all members say so, soft votes or not (section 2.2).
        paper_loss: with which the paper trains (section 2.6.2).
        paper_selects_by_loss: whether the paper keeps the epoch of the least validation loss; else of the best score.
        paper_miou_classes: that the paper's published scores average of an image.
        is_continuous: labels are numbers, such as distances, and no classes.
        dtype: of labels on disk.
        no_label: what a label holds where there is none.
        has_ground: 0 stands for no class, as which blocked pixels can be learnt; without, they leave the loss.
        follows_intensity: a label changes with the intensities of its image.
    """

    task: ClassVar[Task]
    is_layered: ClassVar[bool] = False
    is_exclusive: ClassVar[bool] = False
    is_one_class: ClassVar[bool] = False
    always_unanimous: ClassVar[bool] = False
    score_name: ClassVar[str] = "mIoU"
    paper_loss: ClassVar[str] = "mse"
    paper_selects_by_loss: ClassVar[bool] = False
    paper_miou_classes: ClassVar[MeanOver] = "true"
    is_continuous: ClassVar[bool] = False
    dtype: ClassVar[str] = "uint8"
    no_label: ClassVar[float] = IGNORED
    has_ground: ClassVar[bool] = True
    follows_intensity: ClassVar[bool] = False

    # Shapes

    def num_outputs(self, num_classes: int) -> int:
        """Count a network's logits a pixel."""
        return num_classes

    def shape(self, pixels: tuple[int, ...], num_classes: int) -> tuple[int, ...]:
        """Give the shape of a label of ``pixels``, such as (H, W)."""
        return (*pixels, num_classes) if self.is_layered else pixels

    def pixels(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give the pixels of a label's shape: without its layers."""
        return shape[:-1] if self.is_layered else shape

    def over_layers(self, mask: Mask) -> Mask | Annotated[Array, "*n h w 1"]:
        """Give a mask of pixels (..., H, W) the axes that it needs to be laid over a label."""
        return mask[..., None] if self.is_layered else mask

    def channels_first(
        self, label: Annotated[Array, "n h w"] | Annotated[Array, "n h w k"]
    ) -> Annotated[Array, "n h w"] | Annotated[Array, "n k h w"]:
        """Bring the layers of a batch (N, H, W, K) to axis 1, as networks have them."""
        return array_namespace(label).moveaxis(label, -1, 1) if self.is_layered else label

    # From networks to labels

    def probabilities(self, logits: Annotated["Tensor", "n c h w"]) -> Annotated["Tensor", "n c h w"]:
        """Turn logits (N, C, H, W) into probabilities of the same shape: by sigmoid, for exclusive classes softmax."""
        return logits.sigmoid()

    def votes(self, probability: Probability) -> Label:
        """Give what each member says of each pixel: uint8, (..., H, W), or (..., H, W, K) of layers.

        Args:
            probability: floating, (..., C, H, W) as the networks give them. Exclusive classes: the likeliest channel,
                0 being the masked class; else > 0.5.
        """
        return self._cut(probability)[..., 0, :, :]

    def decode(self, probability: Probability, *, masked: MaskedAnswers = "next_best") -> Label:
        """Give the likeliest real classes: uint8, (..., H, W), or (..., H, W, K) of layers; 0 the ground.

        Args:
            probability: floating, (..., C, H, W) as the networks give them.
            masked: what stands where the masked class of exclusive ones is the likeliest: the "next_best" class, as
                in all that a person gets, or, for scores as published, 255, which is none and therefore "wrong".
        """
        return self.votes(probability)

    def certainty(self, label: Label, probability: Probability) -> Label:
        """Give how probable each label is, floating, of its shape; probability as the networks give it."""
        xp = array_namespace(probability)
        of_layers = xp.moveaxis(probability, -3, -1) if self.is_layered else probability[..., 0, :, :]
        return xp.where(label > 0, of_layers, 1 - of_layers)

    def of_classes(self, probability: Annotated[Array, "..."], *, axis: int = 0) -> Annotated[Array, "..."]:
        """Leave out the masked class: (C, ...) to (K, ...), or along another ``axis``, 0 or 1."""
        return probability

    def with_masked(self, label: Annotated[Array, "*any"]) -> Annotated[Array, "*any"]:
        """Give the ids that networks learn, in which 0 can stand for masked: those of exclusive classes, one higher."""
        return label

    def without_masked(self, label: Annotated[Array, "*any"]) -> Annotated[Array, "*any"]:
        """Undo ``with_masked``; what is masked becomes 0."""
        return label

    # What a label says

    def is_missing(self, label: Annotated[Array, "*any"]) -> Annotated[Array, "*any"]:
        """Tell where there is no label: bool, of the label's shape."""
        return label == IGNORED

    def foreground(self, label: Pixels) -> Spatial:
        """Tell where there is a class other than the ground: bool, (..., H, W)."""
        return label > 0

    def class_pixels(self, label: Pixels, number: int) -> Spatial:
        """Tell where a label has the class of this number, from 0: bool, (..., H, W)."""
        return label == 1

    def object_classes(self, num_classes: int) -> range:
        """Number the classes in which objects are told apart: all but the ground."""
        return range(num_classes)

    def ground_name(self, class_names: Sequence[str]) -> str:
        """Give what the ground is called: of exclusive classes as the data name it, such as "sky"."""
        return "background"

    # Agreement of members (paper section 2.4.6)

    def compare(self, votes: Annotated[Array, "n *spatial"]) -> tuple[Array, Array]:
        """Give the agreed label, 0 elsewhere, and where members differ: both without the members' axis 0.

        Args:
            votes: integers or bool, (n, *spatial), or (n, K, *spatial) of layers. Algorithm 1: 0 < sum < n is
                inconsistent; algorithm 2 for ids.
        """
        everyone, anyone = reduce(operator.and_, votes), reduce(operator.or_, votes)
        return everyone, everyone != anyone

    def fill(self, label: Layers, freed: Spatial, differs: Layers, *, side_px: int, axes: range) -> Layers:
        """Give pixels that an erosion freed the label of agreed ones within its square (figure 3)."""
        near = dilate(label, side_px=side_px, axes=axes)
        return array_namespace(label).where(freed & differs, near, label)

    def off_majority(self, votes: Votes) -> Mask:
        """Count the members that are off the majority, integers (...,); votes as ``votes`` gives them, n on axis 0."""
        xp, num_members = array_namespace(votes), votes.shape[0]
        # Small numbers: this is done for every pixel of every image.
        foreground = xp.sum(votes, axis=0, dtype=xp.int32)
        return xp.minimum(foreground, num_members - foreground)

    def _cut(self, probability: Array) -> Array:
        xp = array_namespace(probability)
        return xp.astype(probability > 0.5, xp.uint8)
