"""Labels that are classes: of one class, of classes that overlap, of exclusive ones."""

import operator
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Annotated

from array_api_compat import array_namespace, device

from incmask.base.config import MaskedAnswers
from incmask.method.exact import Array
from incmask.method.labels.base import Label, Labels, Layers, Mask, Pixels, Probability, Spatial, Votes
from incmask.method.morphology import nearest_ids

if TYPE_CHECKING:  # data are prepared without torch
    from torch import Tensor


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
