"""A single training, step by step."""

from incmask.training.trainer import GroupTrainer


class Trainer:
    """A single training.

    Args:
        job: what to train.
        device: where.

    Attributes:
        lessons: what is learnt.
        averaged: the network that is scored and kept: a running mean of the trained one.
    """

    def __init__(self, job, device):
        self._group = GroupTrainer([job], device)
        (self.lessons,), (self.averaged,) = self._group.lessons, self._group.averaged

    def step(self, step):
        """Take ``step``, counted from 0; return its loss."""
        return float(self._group.step(step))
