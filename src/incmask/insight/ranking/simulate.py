"""Does labelling in the order of the ranking beat labelling at random? Tried on labels that are there already."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from incmask.base.caller import option
from incmask.base.config import resolve_again
from incmask.base.errors import fail
from incmask.base.pool import Pool
from incmask.base.progress import Joint, Progress, Silent
from incmask.base.store import Store
from incmask.base.tables import rows_text
from incmask.data.dataset import Dataset
from incmask.experiment.choices import Choices, Resolved, resolve
from incmask.experiment.executor import Clock, Executor
from incmask.experiment.paths import RUNS
from incmask.experiment.pretrained import encoder_again
from incmask.experiment.record.run import open_run, read_record
from incmask.experiment.record.stages import ENSEMBLE
from incmask.experiment.run import Outcome, num_workers_of, run_resolved
from incmask.experiment.workload import planned_work
from incmask.insight.ranking.entropy import entropy_order
from incmask.insight.ranking.hidden import Hidden, HiddenPart, hide, with_validation
from incmask.insight.ranking.rank import rank_finished
from incmask.insight.report.statistics import DIFFERENCE_BOUNDS, Summary, summarise
from incmask.method.scoring import Scoring

START, RANKED, RANDOM, ENTROPY = "start", "ranked", "random", "entropy"
ORDERS = (RANKED, RANDOM, ENTROPY)

SIMULATION, BOUGHT = "simulation.csv", "bought.csv"

_RANDOM_STREAM = 4000
"""Beside a run's seed, so that the order has a draw of its own."""


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

    def scores(self, order: str, *, split: str = "validation") -> list[float]:
        """Scores of an order, one a seed; "validation" or "test", none without test images."""
        found = [getattr(row, split) for row in self.rows if row.order == order]
        return [score for score in found if score is not None]

    def difference(self, first: str, second: str, *, split: str = "validation") -> Summary | None:
        """First minus second order, each seed with itself; None without scores."""
        pairs = zip(self.scores(first, split=split), self.scores(second, split=split), strict=True)
        values = [a - b for a, b in pairs]
        return summarise(values, bounds=DIFFERENCE_BOUNDS) if values else None


def simulate(
    run: Path,
    data: Path,
    out: Path,
    *,
    executor: Executor,
    pool: HiddenPart = "labelled",
    num_seeds: int = 5,
    num_start: int | None = None,
    budget: int | None = None,
    recipe: str | None = None,
    settings: dict[str, object] | None = None,
    progress: Progress | None = None,
) -> Simulation:
    """Hide labels, buy some back in ranked, random and entropy order, and train; goes on where it was stopped.

    Each seed draws who starts, trains on them, lets these models order the rest, and trains once for each order with
    as many labels, the same validation images, seeds and settings. Validation chooses within a training, as always;
    test is only told.

    Args:
        run: a run folder whose choices are taken.
        data: its data folder.
        out: folder of the simulation; gets a run folder for each training.
        executor: where the work is done.
        pool, num_start, budget: as for ``hide``.
        num_seeds: how often all is repeated.
        recipe, settings: other choices than the run's, to be quicker.
        progress: a listener.

    Raises:
        IncmaskError: something about the data, the choices or a folder is wrong; nothing was lost.
    """
    progress = progress or Silent()
    if num_seeds < 1:
        raise fail(option("seeds"), f"got {num_seeds}, expected 1 or more", f"use {option('seeds', 5)}")
    chosen = _resolved(run, data, recipe=recipe, settings=settings or {})
    dataset = with_validation(chosen.dataset, seed=chosen.settings.seed)
    notes = _notes(chosen, dataset)
    plans = [
        hide(dataset, pool=pool, num_start=num_start, budget=budget, seed=[chosen.settings.seed, index])
        for index in range(num_seeds)
    ]
    first = plans[0]
    notes.append(
        f"{len(first.start)} labelled images to start with, {first.budget} of {len(first.waiting)} more bought in "
        f"each order, {num_seeds} seed{'s' if num_seeds > 1 else ''}"
    )
    for note in notes:
        progress.say(note)
    about = {"simulation": True, "pool": pool, "start": len(first.start), "budget": first.budget}
    joint = Joint(progress)
    with (
        Store(out, run={**about, **chosen.describe_run()}, data=chosen.describe_data()) as store,
        executor.open_pool(num_workers_of(chosen, joint)) as workers,
    ):
        progress.expect(sum(_work(chosen, plan) for plan in plans))
        rows: list[SimulationRow] = []
        bought: list[Bought] = []
        for index, plan in enumerate(plans):
            changed = resolve_again(chosen.settings, {"seed": chosen.settings.seed + index}, where="setting seed")
            now = replace(chosen, settings=changed)
            found = _one_seed(
                now, plan, out / RUNS / f"seed-{index + 1}", pool=workers, clock=executor.seconds_per_step, joint=joint
            )
            rows += found.rows
            bought += found.bought
            told = ", ".join(f"{row.order} {row.validation:.3f}" for row in found.rows)
            progress.say(f"seed {index + 1} of {num_seeds}: {told}")
        store.write(out / BOUGHT, rows_text(bought, Bought))
        store.write(out / SIMULATION, rows_text(rows, SimulationRow))
    return Simulation(out, chosen.scoring, tuple(rows), tuple(bought), tuple(notes))


@dataclass(frozen=True)
class _Found:
    """What came of a seed."""

    rows: list[SimulationRow]
    bought: list[Bought]


def _one_seed(chosen: Resolved, plan: Hidden, folder: Path, *, pool: Pool, clock: Clock, joint: Joint) -> _Found:
    """Train at the start, buy in each order, train again."""

    def train(order: str, names: Sequence[str]) -> SimulationRow:
        joint.begin(f"{folder.name}, {order}")
        now = replace(chosen, dataset=plan.bought(names))
        outcome = run_resolved(
            now,
            folder / order,
            data=now.describe_data(),
            pool=pool,
            clock=clock,
            progress=joint,
            # The models of the start give masks and order the rest.
            deliver=order == START,
        )
        return _row(outcome, chosen.settings.seed, order, len(plan.start) + len(names))

    rows = [train(START, ())]
    finished = open_run(folder / START)
    waiting = [item.name for item in plan.waiting]
    ranking = rank_finished(finished, top=plan.budget, among=waiting, pool=pool, progress=Silent())
    drawn = np.random.default_rng([chosen.settings.seed, _RANDOM_STREAM]).permutation(len(waiting))
    orders = {
        RANKED: [row.name for row in ranking.rows],
        RANDOM: [waiting[index] for index in drawn[: plan.budget]],
        ENTROPY: entropy_order(finished, among=waiting, pool=pool)[: plan.budget],
    }
    rows += [train(order, names) for order, names in orders.items()]
    bought = [
        Bought(chosen.settings.seed, order, place, name)
        for order, names in orders.items()
        for place, name in enumerate(names, 1)
    ]
    return _Found(rows, bought)


def _row(outcome: Outcome, seed: int, order: str, num_labelled: int) -> SimulationRow:
    stage = outcome.chosen
    wanted = (stage.name, ENSEMBLE, "test")
    test = next((row.score for row in outcome.scores if (row.stage, row.model, row.split) == wanted), None)
    return SimulationRow(seed, order, num_labelled, stage.name, stage.score, test)


def _resolved(run: Path, data: Path, *, recipe: str | None, settings: dict[str, object]) -> Resolved:
    """Give the choices of a run, others laid over them."""
    record = read_record(run)
    names, theirs = record.names, record.records.run
    choices = Choices(
        recipe=recipe or names["recipe"],
        preset=names["preset"],
        effort=names["effort"],
        profile=names["profile"],
        group=names.get("group"),
        settings={**theirs["settings"], **encoder_again(run, record.settings), "size": theirs["size"], **settings},
    )
    chosen = resolve(data, choices)
    if chosen.recipe.needs_truth:
        raise fail(
            option("recipe"), f"{chosen.names['recipe']} reads all true masks", "use another one, such as ldt or im"
        )
    # Rounds are of the user's own labelling, whose models have seen what is hidden here.
    return replace(chosen, rounds=())


def _notes(chosen: Resolved, dataset: Dataset) -> list[str]:
    if chosen.dataset.val:
        return []
    return [f"no val/: {len(dataset.val)} of the {len(chosen.dataset.labelled)} labelled images validate all orders"]


def _work(chosen: Resolved, plan: Hidden) -> float:
    num_all = len(plan.start) + len(plan.bought(()).unlabelled)
    return sum(
        planned_work(chosen.recipe, chosen.settings, num_labelled=num, num_unlabelled=num_all - num)
        for num in (len(plan.start), *[len(plan.start) + plan.budget] * len(ORDERS))
    )
