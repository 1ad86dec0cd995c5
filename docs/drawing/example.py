"""The made-up field that the drawings explain, and two members that see it differently."""

from dataclasses import dataclass

import cv2
import numpy as np

from incmask.data.synthetic import make_fields
from incmask.method.agreement import Inconsistency, inconsistency
from incmask.method.blocking import block_image, block_label

SIDE_PX = 96
_SEED = 3


@dataclass(frozen=True)
class Example:
    """A field and what the vote makes of it.

    Attributes:
        image: uint8, (H, W, 1).
        truth: uint8 of 0 and 1, (H, W).
        members: uint8 of 0 and 1, (n, H, W).
        vote: of the members.
    """

    image: np.ndarray
    truth: np.ndarray
    members: np.ndarray
    vote: Inconsistency

    @property
    def blocked_image(self) -> np.ndarray:
        """The student's input: uint8, (H, W, 1)."""
        return block_image(self.image, self.vote.inconsistent)

    @property
    def blocked_label(self) -> np.ndarray:
        """The student's target: uint8 of 0 and 1, (H, W)."""
        return block_label(self.vote.label, self.vote.inconsistent, task="binary")


def example(num_members: int = 2) -> Example:
    """Make the field, and members' masks by changing the true one: no network is trained for the drawings."""
    fields = make_fields(1, seed=_SEED, size=(SIDE_PX, SIDE_PX), task="binary")
    truth = fields.labels[0]
    members = np.stack([_member(truth, seed) for seed in range(num_members)])
    return Example(fields.images[0], truth, members, inconsistency(members, task="binary"))


def _member(truth: np.ndarray, seed: int) -> np.ndarray:
    """Shift the outlines by a smooth error, and forget, merge or invent what the error is large at."""
    generator = np.random.default_rng([_SEED, seed])
    coarse = generator.normal(size=(7, 7))
    error = cv2.resize(coarse, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    near = cv2.GaussianBlur(truth.astype(np.float64), (0, 0), 2.0)
    return (near + 0.28 * error > 0.5).astype(np.uint8)
