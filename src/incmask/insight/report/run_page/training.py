"""What the pseudo-labels of each generation were like, and whether a class is about to vanish from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.base.config import Task
from incmask.base.intact import intact
from incmask.base.npy_rows import Rows
from incmask.experiment.paths import INCONSISTENT, INDEX, LABEL, PSEUDO
from incmask.experiment.pseudo_labels import read_pseudo_labels
from incmask.experiment.record.run import RunRecord
from incmask.insight.report.page import percent
from incmask.method.labels import labels_of

_CHUNK = 32
_VANISHED = 0.05
"""Below this part of its share in the labels a class has all but vanished."""
_EVERYTHING, _MOST = 0.95, 0.85
"""Above this share a class is everything, unless it is most of the labels, too."""
_MOSTLY_DISPUTED = 0.5


@dataclass(frozen=True)
class GenerationFacts:
    """The pseudo-labels that a generation was trained on.

    Attributes:
        generation: from 1.
        num_images, num_used: unlabelled ones, and those whose pseudo-label was used.
        inconsistent_fraction: share of disputed pixels in all pixels of all images, used or not, 0 to 1.
        class_fractions: share of each class in those that are not blocked, 0 to 1.
        is_blocked: disputed pixels are blocked, and therefore of no class.
        left_out: the images that were not used, counted by reason; "" without any.
    """

    generation: int
    num_images: int
    num_used: int
    inconsistent_fraction: float
    class_fractions: tuple[float, ...]
    is_blocked: bool = True
    left_out: str = ""

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of each class in all pixels of all images, used or not, 0 to 1."""
        counted = 1 - self.inconsistent_fraction if self.is_blocked else 1.0
        return tuple(counted * share for share in self.class_fractions)


def generation_facts(record: RunRecord) -> list[GenerationFacts]:
    """Read what the generations were trained on; those without pseudo-labels, or whose files are gone, are left out."""
    recipe = record.recipe
    blocked = recipe is None or recipe.blocking is not None
    found = []
    for stage in record.stages[1:]:
        folder = record.root / stage.name / PSEUDO
        if not all(intact(folder / name).exists() for name in (INDEX, LABEL, INCONSISTENT)):
            continue
        known = read_pseudo_labels(folder / INDEX)
        found.append(
            GenerationFacts(
                generation=stage.generation,
                num_images=len(known.admitted),
                num_used=int(known.admitted.sum()),
                inconsistent_fraction=known.disputed_share,
                class_fractions=class_fractions(
                    folder / LABEL,
                    masks=folder / INCONSISTENT if blocked else None,
                    task=record.task,
                    num_classes=len(record.class_names),
                ),
                is_blocked=blocked,
                left_out=known.why_left_out,
            )
        )
    return found


def class_fractions(labels: Path, *, masks: Path | None, task: Task, num_classes: int) -> tuple[float, ...]:
    """Count each class's share of the pixels that are neither masked nor without a label; a part at a time.

    Args:
        labels: ``.npy``, uint8, (N, H, W) ids or (N, H, W, K); 255: no label.
        masks: ``.npy``, bool, (N, H, W): pixels that do not count; None: all count.
        task, num_classes: what the labels mean.
    """
    stack, masked = Rows(labels), None if masks is None else Rows(masks)
    pixels, totals = np.zeros(num_classes), np.zeros(num_classes)
    for first in range(0, len(stack), _CHUNK):
        rows = slice(first, first + _CHUNK)
        label = stack[rows]
        label = label[np.ones(label.shape[:3], bool) if masked is None else ~masked[rows]]
        pixels += [labels_of(task).class_pixels(label, number).sum() for number in range(num_classes)]
        totals += (~labels_of(task).is_missing(label)).sum(0)
    return tuple((pixels / np.maximum(totals, 1)).tolist())


def collapse_warnings(
    generations: Sequence[GenerationFacts],
    *,
    class_names: Sequence[str],
    labelled_fractions: Sequence[float],
) -> list[str]:
    """Warn where a class all but vanishes or swallows everything, where nothing was used or most is disputed.

    Args:
        generations: in order; of each warning the first generation counts.
        class_names: of the classes.
        labelled_fractions: share of each class in the labels, 0 to 1.
    """
    told: list[str] = []
    for index, name in enumerate(class_names):
        usual = labelled_fractions[index]
        for facts in generations:
            share = facts.class_fractions[index]
            if usual > 0 and share < _VANISHED * usual:
                told.append(
                    f"“{name}” has all but vanished from the pseudo-labels of generation {facts.generation}: "
                    f"{percent(share)} of the undisputed pixels, {percent(usual)} in your labels. The students unlearn "
                    "it, unless the unlabelled images really hold so little of it."
                )
                break
            if share > _EVERYTHING and usual < _MOST:
                told.append(
                    f"“{name}” fills {percent(share)} of the undisputed pixels of generation {facts.generation} and "
                    f"{percent(usual)} of your labels: the teachers may have collapsed."
                )
                break
    for facts in generations:
        if facts.num_used == 0:
            told.append(
                f"None of the {facts.num_images} pseudo-labels of generation {facts.generation} was certain enough "
                f"to be used ({facts.left_out or 'for reasons not written down'}); its students learnt from the "
                "labelled images alone."
            )
        elif facts.inconsistent_fraction > _MOSTLY_DISPUTED:
            told.append(
                f"The teachers of generation {facts.generation} disagree on {percent(facts.inconsistent_fraction)} "
                "of all pixels: little is left to learn from."
            )
    return told
