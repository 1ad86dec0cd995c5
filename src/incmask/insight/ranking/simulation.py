"""What a simulation of labelling came to: scores by order and number of labels, and what was labelled."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.insight.report.statistics import DIFFERENCE_BOUNDS, Summary, summarise
from incmask.method.scoring import Scoring

START = "start"


@dataclass(frozen=True)
class SimulationRow:
    """What a training came to.

    Attributes:
        seed: of everything random.
        order: in which labels were bought, or "start" before that.
        num_labelled: images that trained with labels.
        stage: whose models validation chose.
        validation, test: their scores together, 0 to 1; ``test`` is None without such images.
    """

    seed: int
    order: str
    num_labelled: int
    stage: str
    validation: float
    test: float | None


@dataclass(frozen=True)
class Bought:
    """An image whose label was bought: at which place of which order."""

    seed: int
    order: str
    place: int
    name: str


@dataclass(frozen=True)
class Simulation:
    """What came of all seeds.

    Attributes:
        root: its folder.
        scoring: what was scored.
        rows: a line a training.
        bought: which images were labelled.
        notes: what a reader should know.
    """

    root: Path
    scoring: Scoring
    rows: tuple[SimulationRow, ...]
    bought: tuple[Bought, ...]
    notes: tuple[str, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        """What was scored on: "validation" and, where there are such images, "test"."""
        return ("validation", "test") if self.scores(START, split="test") else ("validation",)

    @property
    def orders(self) -> tuple[str, ...]:
        """Give the orders in which labels were bought."""
        return tuple(dict.fromkeys(row.order for row in self.rows if row.order != START))

    def levels(self, order: str) -> tuple[int, ...]:
        """Give the numbers of labelled images at which an order was scored; one a round."""
        return tuple(dict.fromkeys(row.num_labelled for row in self.rows if row.order == order))

    def scores(self, order: str, *, split: str = "validation", num_labelled: int | None = None) -> list[float]:
        """Scores of an order, one a seed; "validation" or "test", none without test images.

        Args:
            order: one that was simulated, or "start".
            split: what was scored on.
            num_labelled: with so many labels; None: the mean over all rounds.
        """
        found: dict[int, list[float]] = {}
        for row in self.rows:
            score = getattr(row, split)
            if row.order == order and num_labelled in (None, row.num_labelled) and score is not None:
                found.setdefault(row.seed, []).append(score)
        return [float(np.mean(scores)) for scores in found.values()]

    def difference(
        self, first: str, second: str, *, split: str = "validation", num_labelled: int | None = None
    ) -> Summary | None:
        """First minus second order, each seed with itself, as ``scores`` gives them; None without scores."""
        of_both = (self.scores(order, split=split, num_labelled=num_labelled) for order in (first, second))
        values = [a - b for a, b in zip(*of_both, strict=True)]
        return summarise(values, bounds=DIFFERENCE_BOUNDS) if values else None
