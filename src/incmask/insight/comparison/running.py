"""The runs of a comparison: as many at a time as workers serve, each once those are done that it takes models from."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incmask.base.pool import Endable, Pool
from incmask.base.progress import Joint, Progress, ignore
from incmask.base.threads import as_they_end
from incmask.data.stack import Stack
from incmask.experiment.executor import Clock
from incmask.experiment.paths import PSEUDO, SCORES
from incmask.experiment.run import Outcome, run_resolved
from incmask.experiment.setup import stage_name
from incmask.experiment.tracked import Track
from incmask.insight.comparison.plan import PlannedRun
from incmask.insight.comparison.pseudo import PseudoFacts, PseudoJob, compare_with_truth
from incmask.insight.report.comparison_page import rows


@dataclass(frozen=True)
class ComparedRun:
    """A run of a comparison that is done."""

    cell: PlannedRun
    outcome: Outcome


@dataclass(frozen=True)
class Done:
    """What came of a run.

    Attributes:
        place: of it among the cells.
        run: it.
        facts: of its pseudo-labels, where these can be compared with the truth.
        is_new: it was not done before.
    """

    place: int
    run: ComparedRun
    facts: tuple[PseudoFacts, ...]
    is_new: bool


@dataclass(frozen=True)
class Running:
    """What the runs of a comparison have in common.

    Attributes:
        out: the comparison's folder.
        cells: the runs, each after those that it takes models from.
        data: description of the data.
        clock, track: as for ``run_resolved``.
        truth: the stack of unlabelled images, where these have true masks.
    """

    out: Path
    cells: Sequence[PlannedRun]
    data: Mapping[str, Any]
    clock: Clock
    track: Track | None
    truth: Stack | None

    def all(self, pool: Pool, progress: Progress) -> Generator[Done, None, None]:
        """Yield each run as it ends.

        Raises:
            IncmaskError: from one of them; the others that are at work end when they next hear of their jobs.
        """
        workers, joint = Endable(pool), Joint(progress, named=pool.num_runs > 1)
        places = {cell.folder: place for place, cell in enumerate(self.cells)}
        with closing(
            as_they_end(
                lambda place: self._one(place, workers, joint),
                [{places[folder] for folder in cell.bases.values()} for cell in self.cells],
                num_threads=pool.num_runs,
                end=workers.end,
            )
        ) as ends:
            yield from (ended for _, ended in ends)

    def _one(self, place: int, pool: Pool, joint: Joint) -> Done:
        cell, variant = self.cells[place], self.cells[place].variant
        number, folder = f"{place + 1} of {len(self.cells)}", self.out / cell.folder
        is_new = not (folder / SCORES).exists()
        joint.say(f"run {number}: {_title(cell)}")
        outcome = run_resolved(
            cell.chosen,
            folder,
            data=self.data,
            pool=pool,
            clock=self.clock,
            progress=joint.begin(f"{number}, {variant.recipe}, repeat {variant.repeat}"),
            bases={name: self.out / theirs for name, theirs in cell.bases.items()},
            stacks_from=self.out,
            track=self.track,
            deliver=False,
        )
        run = ComparedRun(cell, outcome)
        return Done(place, run, _against_truth(run, self.truth, pool) if self.truth else (), is_new)


def _title(cell: PlannedRun) -> str:
    variant = cell.variant
    setting = f" ({variant.setting})" if variant.setting else ""
    budget = " at equal steps" if variant.budget == rows.EQUAL else ""
    return f"{variant.recipe}{setting}{budget}, repeat {variant.repeat}: {cell.chosen.recipe.title}"


def _against_truth(run: ComparedRun, unlabelled: Stack, pool: Pool) -> tuple[PseudoFacts, ...]:
    chosen = run.cell.chosen
    if chosen.recipe.labeller is None:
        return ()
    jobs = [
        PseudoJob(
            variant=run.cell.variant,
            generation=generation,
            folder=run.outcome.root / stage_name(generation) / PSEUDO,
            names=tuple(unlabelled.names),
            truth=unlabelled.labels,
            scoring=chosen.scoring,
            class_names=tuple(each.name for each in chosen.dataset.classes),
            blocked=chosen.recipe.blocking is not None,
            num_plain=int(chosen.recipe.keep_plain),
        )
        for generation in range(1, len(run.outcome.stages))
    ]
    found = dict(pool.run(compare_with_truth, jobs, ignore))
    return tuple(found[job] for job in jobs)
