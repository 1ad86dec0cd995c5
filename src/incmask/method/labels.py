"""What the labels of a task are: channels, votes, decoding, ids and layers; a new task is one class here.

Every rule takes NumPy arrays and torch tensors alike, unless it names one of them. Class 0 of what networks learn for
exclusive classes is the masked class, "no label here" (paper section 2.4.6): the real ids are one higher there, and
this module alone knows that.
"""

import math
import operator
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Annotated, ClassVar, get_args

from array_api_compat import array_namespace, device

from incmask.base.config import IGNORED, MaskedAnswers, MeanOver, Task
from incmask.base.errors import fail
from incmask.method.exact import Array
from incmask.method.morphology import dilate, nearest_ids

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


class Binary(Labels):
    """One class and its ground: 0/1, (..., H, W); one sigmoid channel.

    Examples:
        >>> votes = Binary().votes(np.array([[[0.2, 0.7]], [[0.9, 0.6]]])[:, None])  # two members
        >>> [found.tolist() for found in Binary().compare(votes)]
        [[[0, 1]], [[True, False]]]
    """

    task = "binary"
    is_one_class = True
    always_unanimous = True
    score_name = "IoU"

    def num_outputs(self, num_classes: int) -> int:
        """See ``Labels.num_outputs``: one, whatever else is counted as a class."""
        return 1


class Multilabel(Labels):
    """Classes that may overlap, as HeLa's: 0/1, (..., H, W, K); a sigmoid channel each.

    Examples:
        >>> Multilabel().decode(np.array([0.2, 0.7, 0.9, 0.6]).reshape(2, 1, 2)).tolist()  # two classes, two pixels
        [[[0, 1], [1, 1]]]
    """

    task = "multilabel"
    is_layered = True
    paper_selects_by_loss = True
    paper_miou_classes = "all"

    def votes(self, probability: Probability) -> Label:
        """See ``Labels.votes``."""
        return array_namespace(probability).moveaxis(self._cut(probability), -3, -1)

    def foreground(self, label: Pixels) -> Spatial:
        """See ``Labels.foreground``."""
        return array_namespace(label).any(label > 0, axis=-1)

    def class_pixels(self, label: Pixels, number: int) -> Spatial:
        """See ``Labels.class_pixels``."""
        return label[..., number] == 1

    def off_majority(self, votes: Votes) -> Mask:
        """Look at classes one by one; the most disputed one counts, since a mean tells less the more there are."""
        return array_namespace(votes).max(super().off_majority(votes), axis=-1)


class Multiclass(Labels):
    """Exclusive classes: ids 0 to K-1, (..., H, W); a softmax channel each, after that of the masked class.

    Examples:
        >>> probability = np.array([0.6, 0.1, 0.1, 0.2, 0.3, 0.7]).reshape(3, 1, 2)  # masked, 0, 1; two pixels
        >>> Multiclass().votes(probability).tolist(), Multiclass().decode(probability).tolist()
        ([[0, 2]], [[1, 1]])
        >>> Multiclass().decode(probability, masked="wrong").tolist()
        [[255, 1]]
    """

    task = "multiclass"
    is_exclusive = True
    paper_loss = "cross_entropy"

    def num_outputs(self, num_classes: int) -> int:
        """See ``Labels.num_outputs``: one more, for the masked class."""
        return num_classes + 1

    def probabilities(self, logits: Annotated["Tensor", "n c h w"]) -> Annotated["Tensor", "n c h w"]:
        """See ``Labels.probabilities``."""
        return logits.softmax(1)

    def votes(self, probability: Probability) -> Label:
        """See ``Labels.votes``."""
        xp = array_namespace(probability)
        return xp.astype(xp.argmax(probability, axis=-3), xp.uint8)

    def decode(self, probability: Probability, *, masked: MaskedAnswers = "next_best") -> Label:
        """See ``Labels.decode``."""
        if masked == "wrong":
            return self.votes(probability) - 1  # 0, the masked class, becomes 255
        return self.votes(probability[..., 1:, :, :])

    def certainty(self, label: Label, probability: Probability) -> Label:
        """See ``Labels.certainty``."""
        xp = array_namespace(probability)
        classes = xp.arange(probability.shape[-3] - 1, device=device(probability))[:, None, None]
        return xp.sum(probability[..., 1:, :, :] * (label[..., None, :, :] == classes), axis=-3)

    def of_classes(self, probability: Annotated[Array, "..."], *, axis: int = 0) -> Annotated[Array, "..."]:
        """See ``Labels.of_classes``."""
        return probability[1:] if axis == 0 else probability[:, 1:]

    def with_masked(self, label: Annotated[Array, "*any"]) -> Annotated[Array, "*any"]:
        """See ``Labels.with_masked``."""
        return label + 1

    def without_masked(self, label: Annotated[Array, "*any"]) -> Annotated[Array, "*any"]:
        """See ``Labels.without_masked``."""
        xp = array_namespace(label)
        return xp.maximum(label, xp.ones_like(label)) - 1

    def class_pixels(self, label: Pixels, number: int) -> Spatial:
        """See ``Labels.class_pixels``."""
        return label == number

    def object_classes(self, num_classes: int) -> range:
        """See ``Labels.object_classes``."""
        return range(1, num_classes)

    def ground_name(self, class_names: Sequence[str]) -> str:
        """See ``Labels.ground_name``."""
        return class_names[0]

    def compare(self, votes: Annotated[Array, "n *spatial"]) -> tuple[Array, Array]:
        """See ``Labels.compare``."""
        first = votes[0, ...]
        differs = reduce(operator.or_, (member != first for member in votes[1:, ...]))
        xp = array_namespace(votes)
        return xp.where(differs, xp.zeros_like(first), first), differs

    def fill(self, label: Layers, freed: Spatial, differs: Layers, *, side_px: int, axes: range) -> Layers:
        """Take the nearest class in chessboard distance, of equally near ones the lower id."""
        near = nearest_ids(label, differs, side_px=side_px, axes=axes)
        return array_namespace(label).where(freed, near, label)

    def off_majority(self, votes: Votes) -> Mask:
        """Count the members that are off the most named class; a vote for the masked class is for none."""
        xp, num_members = array_namespace(votes), votes.shape[0]
        # By members and not by classes, of which there may be many more.
        supporters = [xp.sum(votes == vote, axis=0, dtype=xp.int32) * (vote > 0) for vote in votes]
        return num_members - reduce(xp.maximum, supporters)


class Continuous(Labels):
    """Numbers instead of classes: floating, (..., H, W), NaN where there is none; one output, without an activation.

    What networks learn is scaled so that the labelled targets lie in 0 to 1 (``ValueRange``).

    Attributes:
        zero_is_missing: a target of 0 or less is none.
    """

    is_continuous = True
    dtype = "float32"
    no_label = math.nan
    has_ground = False
    zero_is_missing: ClassVar[bool] = False

    def probabilities(self, logits: Annotated["Tensor", "n c h w"]) -> Annotated["Tensor", "n c h w"]:
        """See ``Labels.probabilities``: the numbers themselves."""
        return logits

    def votes(self, probability: Probability) -> Label:
        """See ``Labels.votes``: the numbers, floating, (..., H, W)."""
        return probability[..., 0, :, :]

    def is_missing(self, label: Annotated[Array, "*any"]) -> Annotated[Array, "*any"]:
        """See ``Labels.is_missing``."""
        return array_namespace(label).isnan(label)

    def foreground(self, label: Pixels) -> Spatial:
        """See ``Labels.foreground``: wherever there is a number."""
        return ~self.is_missing(label)

    def class_pixels(self, label: Pixels, number: int) -> Spatial:
        """See ``Labels.class_pixels``: wherever there is a number."""
        return ~self.is_missing(label)

    def object_classes(self, num_classes: int) -> range:
        """See ``Labels.object_classes``: none."""
        return range(0)

    def ground_name(self, class_names: Sequence[str]) -> str:
        """See ``Labels.ground_name``: there is none."""
        return ""


class Denoise(Continuous):
    """What an image or a signal is without its noise.

    Examples:
        >>> Denoise().votes(np.array([[[0.2, 0.7]]])).tolist()
        [[0.2, 0.7]]
    """

    task = "denoise"
    score_name = "SSIM"
    follows_intensity = True


class Depth(Continuous):
    """How far away each pixel is; 0 or less: not measured.

    Examples:
        >>> Depth().is_missing(np.array([1.5, np.nan])).tolist()
        [False, True]
    """

    task = "depth"
    score_name = "δ<1.25"
    zero_is_missing = True


_LABELS: dict[Task, Labels] = {each.task: each for each in (Binary(), Multilabel(), Multiclass(), Denoise(), Depth())}


def labels_of(task: Task, where: str = "task") -> Labels:
    """Give the labels of a task by its name.

    Raises:
        IncmaskError: the task is unknown.

    Examples:
        >>> labels_of("multiclass").num_outputs(3), labels_of("binary").score_name
        (4, 'IoU')
    """
    if task not in _LABELS:
        raise fail(where, f"unknown task {task!r}", f"choose one of {', '.join(get_args(Task))}")
    return _LABELS[task]


def check_classes(task: Task, what: str) -> None:
    """Refuse what is for classes alone where a task's labels are numbers.

    Args:
        task: of the labels.
        what: is refused, such as "ranking".

    Raises:
        IncmaskError: they are numbers.

    Examples:
        >>> check_classes("binary", "ranking")  # goes on
    """
    if labels_of(task).is_continuous:
        raise fail(what, f"is for classes, and the targets of {task} are numbers", "leave it out")
