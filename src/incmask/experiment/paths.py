"""Where everything lies in a run folder: every name of a file or folder once.

What other folders write is named by them: ``run.toml``, ``data.json`` and the manifest in ``base.store``,
``environment.json`` and ``rounds.json`` in ``data.rounds``, the files of a stack in ``data.stack``, those of a student
in ``training.loop``, the models, the masks and their table in ``prediction``.
"""

from pathlib import Path

from incmask.prediction.model_folder import MODEL as MODEL
from incmask.prediction.shares import MASK_SHARES

STACKS = "stacks"
"""A stack a part: the images at the networks' size."""

ENCODER = "encoder.safetensors"
"""The weights that networks on an encoder begin with."""

STUDENTS = "students"
"""In the folder of a stage, and of the EvalNets: a folder a student, by number."""
TOGETHER = "together.json"
"""In the folder of a stage: its score on the images that choose, of its members together or over folds."""

PSEUDO = "pseudo"
LABEL, INCONSISTENT, INDEX = "label.npy", "inconsistent.npy", "index.csv"
"""The folder of a generation's pseudo-labels, and its files."""
COLLAPSE = "collapse.json"
"""There, and in the folder of a generation: whether it has collapsed."""

EVALNETS = "evalnets"
EVALNETS_REPORT, RATINGS = "quality.json", "ratings.csv"

SCORES, IMAGE_SCORES, VALIDATION_SCORES = "scores.csv", "image_scores.csv", "validation_image_scores.csv"
"""Of all models; by test image, and by image that chose."""
IMAGE_COUNTS = "image_counts.csv"
"""What these scores are computed from: the pixels of each image and class that each model sees."""
IMAGE_OBJECTS = "image_objects.csv"
"""The objects that each model finds in each image, where a class marks centres."""

RANKING = "ranking.csv"
"""What to label next."""
EXPORTED_LABELS = "exported_labels.csv"
"""What each image's label was when it was exported to be corrected."""
ERRORS, IMAGE_RELIABILITY = "error_vs_disagreement.csv", "image_reliability.csv"
RELIABILITY, ERRORS_FIGURE = "reliability.json", "error_vs_disagreement.svg"
"""What the disagreement is worth."""
VERDICT = "verdict.json"
"""Whether the unlabelled images helped."""
CARD = "README.md"
"""Beside the models that are handed over."""
PAGE, USAGE = "report.html", "usage.json"

MADE_AT_THE_END = (
    SCORES,
    IMAGE_COUNTS,
    IMAGE_OBJECTS,
    IMAGE_SCORES,
    VALIDATION_SCORES,
    VERDICT,
    MASK_SHARES,
    RELIABILITY,
    RANKING,
    USAGE,
    f"{MODEL}/{CARD}",
    PAGE,
)
"""What is made anew where a run that has ended goes on."""

RUNS = "runs"
"""In the folder of a comparison or simulation: its run folders."""


def stack_folder(root: Path, part: str) -> Path:
    """Give the stack of "labelled", "unlabelled", "val" or "test"."""
    return root / STACKS / part


def student_folder(stage: Path, number: int) -> Path:
    """Give the folder of a student of a stage, or of an EvalNet; they are numbered from 1."""
    return stage / STUDENTS / str(number)
