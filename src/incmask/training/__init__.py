"""Training: what is trained, the state and the step of it, and the only training loop."""

from incmask.training.jobs import FitJob, Lessons, Objective, Scored
from incmask.training.loop import CHECKPOINT, HISTORY, MODEL, SCORES, fit, fit_group
from incmask.training.schedule import Schedule, learning_rate, validated_parts
from incmask.training.together.quick import has_kernels
from incmask.training.trainer import GroupTrainer, Trainer

__all__ = [
    "CHECKPOINT",
    "HISTORY",
    "MODEL",
    "SCORES",
    "FitJob",
    "GroupTrainer",
    "Lessons",
    "Objective",
    "Schedule",
    "Scored",
    "Trainer",
    "fit",
    "fit_group",
    "has_kernels",
    "learning_rate",
    "validated_parts",
]
