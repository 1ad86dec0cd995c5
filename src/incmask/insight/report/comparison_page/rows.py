"""The tables of a comparison as records, and their files: what every figure and statement is made from."""

from dataclasses import dataclass
from typing import TypeVar

RESULTS, RUNS, IMAGES, PSEUDO, FREQUENCIES, DATA_FREQUENCIES = (
    f"{name}.csv"
    for name in ("results", "runs", "image_scores", "pseudo_labels", "class_frequencies", "true_class_frequencies")
)

MASK_CLASS = "inconsistency mask"
"""The name under which masked pixels stand among the classes."""

OWN, EQUAL = "own", "equal"
"""Budgets: as many steps as the preset gives each recipe, or for all as many as FDT takes."""


@dataclass(frozen=True)
class Variant:
    """What is compared; the first columns of every table.

    Attributes:
        recipe: its name.
        setting: what a sweep changed, such as "erode_px=3 dilate_px=5"; empty without a sweep.
        budget: ``OWN`` or ``EQUAL``.
        repeat: from 1.
    """

    recipe: str
    setting: str
    budget: str
    repeat: int


AnyVariant = TypeVar("AnyVariant", bound=Variant)


@dataclass(frozen=True)
class ModelRow(Variant):
    """One model's scores on one split, or those of members voting together.

    Attributes:
        generation: 0 for the base models.
        student: its number from 1, or "ensemble".
        chosen: the best student of its generation by validation.
        split: "val" or "test".
        score: the main score of the runs' ``Scoring``, 0 to 1.
        steps, images, seconds: its training took.
        flops: of its training by equation 1: a forward pass of a step times the steps.
        details: every score by name: "iou" | "miou", "miou_ad", "dice", "mpa", "mcce", "pq", "dataset_miou" and so on.
    """

    generation: int
    student: str
    chosen: bool
    split: str
    score: float
    steps: int
    images: int
    seconds: float
    flops: float
    details: dict[str, float]


@dataclass(frozen=True)
class RunRow(Variant):
    """One recipe in one repeat.

    Attributes:
        best_generation: by validation, among those with pseudo-labels; 0 where there are none.
        validation: score of its chosen student on validation.
        seconds: of all trainings, base models and EvalNets included.
        student_flops: of one student of the best generation (equation 1).
        total_flops: of all students and base models.
        total_steps: of them, too.
        evalnet_flops: of the EvalNets, 0 without.
        num_parameters: of a network of the best generation.
        flops_an_image: of its forward pass.
    """

    best_generation: int
    validation: float
    seconds: float
    student_flops: float
    total_flops: float
    total_steps: int
    evalnet_flops: float
    num_parameters: int
    flops_an_image: float


@dataclass(frozen=True)
class ImageScoreRow(Variant):
    """The main score of a test image by the chosen student of a generation.

    Attributes:
        generation: 0 for the base models.
        name: of the image; of tiles, that of the image that they are cut from.
        group: of images that show the same subject; of others the image's own name.
        score: 0 to 1.
        all_students: the mean score by all students of the generation.
    """

    generation: int
    name: str
    group: str
    score: float
    all_students: float


@dataclass(frozen=True)
class PseudoRow(Variant):
    """One pseudo-label against the truth.

    Attributes:
        generation: that was trained on it, from 1.
        name: of the image.
        used: whether the pair was admitted.
        copies: how often it stands in the combined data, 0 if it is not used.
        inconsistent_fraction: share of masked pixels, 0 to 1.
        error_fraction: share of wrong pixels among those not masked.
        iou: main score of the blocked label against the truth, 0 to 1.
        quality: as an EvalNet or the truth rated it; None without.
    """

    generation: int
    name: str
    used: bool
    copies: int
    inconsistent_fraction: float
    error_fraction: float
    iou: float
    quality: float | None


@dataclass(frozen=True)
class FrequencyRow(Variant):
    """Pixels of one class over all pseudo-labels of a generation.

    Attributes:
        generation: from 1.
        class_name: of a class; "inconsistency mask" for the masked pixels, whose true share is 0.
        pseudo_fraction: share of all pixels in the pseudo-labels, 0 to 1.
        true_fraction: share in the true masks.
    """

    generation: int
    class_name: str
    pseudo_fraction: float
    true_fraction: float


@dataclass(frozen=True)
class DataFrequencyRow:
    """Pixels of one class in the true masks.

    Attributes:
        class_name: of the class.
        labelled_fraction: share of all pixels of the labelled images, 0 to 1.
        full_fraction: of the labelled and the unlabelled images together.
    """

    class_name: str
    labelled_fraction: float
    full_fraction: float
