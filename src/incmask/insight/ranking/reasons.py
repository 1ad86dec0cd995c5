"""Why an image is worth labelling, or is not, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from incmask.base.config import Task
from incmask.method.labels import labels_of

ALIKE = 0.2
"""Below this novelty one is told what the image is like: its distance is a quarter of the typical one, or less."""


@dataclass(frozen=True)
class RegionFacts:
    """What is known of an image or crop.

    Attributes:
        inconsistent_px: pixels on which the members disagree; None: there is only one.
        object_px: pixels that are foreground or disputed.
        inconsistent_px_by_class: disputed pixels by predicted class.
        expected_quality: of its mask, 0 to 1; None: nothing rates.
        is_novel: farther from everything labelled than labelled things usually are from each other.
        novelty: beside what is labelled and ranked before it, 0 to 1.
        like: what it is most like, and whether that is labelled.
        like_labelled: ``like`` is labelled already; else it is ranked before this one.
        num_alike: others that are like it, and like nothing labelled or ranked before.
    """

    inconsistent_px: int | None
    object_px: int
    inconsistent_px_by_class: tuple[int, ...]
    expected_quality: float | None
    is_novel: bool
    novelty: float
    like: str
    like_labelled: bool
    num_alike: int = 0


def reason(facts: RegionFacts, *, task: Task, class_names: Sequence[str]) -> str:
    """Say it in a line, such as "42 % of the predicted lesion is disputed; unlike anything labelled"."""
    parts = []
    if facts.inconsistent_px is not None:
        parts.append(_of_inconsistent(facts, facts.inconsistent_px, task=task, class_names=class_names))
    if facts.expected_quality is not None:
        parts.append(f"expected {labels_of(task).score_name} {facts.expected_quality:.2f}")
    if facts.is_novel:
        parts.append("unlike anything labelled")
    if facts.novelty < ALIKE:
        parts.append(
            f"much like the labelled {facts.like}" if facts.like_labelled else f"much like {facts.like}, ranked before"
        )
    if facts.num_alike:
        parts.append(f"{facts.num_alike} more {'are' if facts.num_alike > 1 else 'is'} like it")
    return "; ".join(parts) or "like others"


def percent(share: float) -> str:
    """Give a share for people: "42 %", and never 0 or 100 % of what is not."""
    if share <= 0:
        return "0 %"
    if share < 0.01:
        return "less than 1 %"
    return f"{100 if share >= 1 else min(99, round(100 * share))} %"


def _of_inconsistent(facts: RegionFacts, inconsistent_px: int, *, task: Task, class_names: Sequence[str]) -> str:
    if facts.object_px == 0:
        return "nothing is found, and the models agree"
    if inconsistent_px == 0:
        return "the models agree"
    share = percent(inconsistent_px / facts.object_px)
    text = (
        f"{share} of {_what(labels_of(task).ground_name(class_names), task=task, class_names=class_names)} is disputed"
    )
    most = max(range(len(class_names)), key=lambda index: facts.inconsistent_px_by_class[index])
    if not labels_of(task).is_one_class and facts.inconsistent_px_by_class[most] > inconsistent_px / 2:
        text += f", most of it predicted as {class_names[most]}"
    return text


def _what(ground: str, *, task: Task, class_names: Sequence[str]) -> str:
    """Name what is not the ground."""
    if labels_of(task).is_one_class:
        return f"the predicted {class_names[0]}"
    return "the foreground" if ground.casefold() == "background" else f"what is not {ground}"
