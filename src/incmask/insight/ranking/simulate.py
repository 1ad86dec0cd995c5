"""Does labelling in one order beat labelling at random? Tried on labels that are there already, in rounds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from incmask.base.caller import option
from incmask.base.choosing import resolve_again
from incmask.base.errors import fail
from incmask.base.pool import Pool
from incmask.base.progress import Joint, Progress, Silent
from incmask.base.store import Store
from incmask.base.tables import csv_text, parse_rows, rows_text
from incmask.base.validation import choose
from incmask.base.words import counted
from incmask.data.dataset import Dataset
from incmask.experiment.choices import Resolved, resolve
from incmask.experiment.executor import Clock, Executor
from incmask.experiment.named import Choices
from incmask.experiment.paths import RUNS
from incmask.experiment.pretrained import encoder_again
from incmask.experiment.record.run import open_run, read_record
from incmask.experiment.record.stages import ENSEMBLE
from incmask.experiment.run import Outcome, num_workers_of, run_resolved
from incmask.experiment.volumes import refuse_volumes
from incmask.experiment.workload import planned_work
from incmask.insight.ranking.hidden import Hidden, HiddenPart, hide, with_validation
from incmask.insight.ranking.orders import ENTROPY, ORDERS, RANDOM, RANKED
from incmask.insight.ranking.rank import rank_finished
from incmask.insight.ranking.simulation import START, Bought, Simulation, SimulationRow
from incmask.method.labels import check_classes

USUAL_ORDERS = (RANKED, RANDOM, ENTROPY)

SIMULATION, BOUGHT = "simulation.csv", "bought.csv"


def simulate(
    chosen: Resolved,
    out: Path,
    *,
    executor: Executor,
    pool: HiddenPart = "labelled",
    orders: Sequence[str] = USUAL_ORDERS,
    num_rounds: int = 1,
    num_seeds: int = 5,
    num_start: int | None = None,
    budget: int | None = None,
    progress: Progress | None = None,
) -> Simulation:
    """Hide labels, buy some back in several orders, and train; goes on where it was stopped.

    Each seed draws who starts and trains on them. For each order these models order the rest; the first of it get their
    labels, all is trained anew, and with several rounds the new models order what is left. All orders have as many
    labels, the same validation images, seeds and settings. Validation chooses within a training, as always; test is
    only told.

    Args:
        chosen: what is trained each time, on which data.
        out: folder of the simulation; gets a run folder for each training.
        executor: where the work is done.
        pool, num_start, budget: as for ``hide``.
        orders: names of ``ORDERS``.
        num_rounds: in how many shares the budget is spent.
        num_seeds: how often all is repeated.
        progress: a listener.

    Raises:
        IncmaskError: something about the data, the choices or a folder is wrong; nothing was lost.
    """
    progress = progress or Silent()
    if num_seeds < 1:
        raise fail(option("seeds"), f"got {num_seeds}, expected 1 or more", f"use {option('seeds', 5)}")
    for order in orders:
        choose(dict.fromkeys(ORDERS), order, option=option("order"))
    if chosen.dataset.volumes is not None:
        raise fail(chosen.dataset.root, "holds volumes, and simulations are of images", "simulate with their slices")
    if chosen.recipe.needs_truth:
        _refuse_truth(chosen.names["recipe"])
    dataset = with_validation(chosen.dataset, seed=chosen.settings.seed)
    notes = _notes(chosen, dataset)
    plans = [
        hide(dataset, pool=pool, num_start=num_start, budget=budget, seed=[chosen.settings.seed, index])
        for index in range(num_seeds)
    ]
    first = plans[0]
    if not 1 <= num_rounds <= first.budget:
        what = f"{num_rounds} rounds for {counted(first.budget, 'label')}"
        raise fail(option("rounds"), what, f"use 1 to {first.budget}")
    in_rounds = f" in {num_rounds} rounds" if num_rounds > 1 else ""
    notes.append(
        f"{len(first.start)} labelled images to start with, {first.budget} of {len(first.waiting)} more bought"
        f"{in_rounds} in each order, {counted(num_seeds, 'seed')}"
    )
    for note in notes:
        progress.say(note)
    about = {"simulation": True, "pool": pool, "start": len(first.start), "budget": first.budget}
    about |= {"rounds": num_rounds} if num_rounds > 1 else {}
    joint = Joint(progress)
    with (
        Store(out, run={**about, **chosen.describe_run()}, data=chosen.describe_data()) as store,
        executor.open_pool(
            num_workers_of(chosen, joint.begin()), devices_a_job=chosen.settings.devices_per_network
        ) as workers,
    ):
        shares = shares_of(first.budget, num_rounds)
        progress.expect(sum(_work(chosen, plan, orders, shares) for plan in plans))
        rows: list[SimulationRow] = []
        bought: list[Bought] = []
        for index, plan in enumerate(plans):
            changed = resolve_again(chosen.settings, {"seed": chosen.settings.seed + index}, where="setting seed")
            seed = _Seed(
                replace(chosen, settings=changed),
                plan,
                out / RUNS / f"seed-{index + 1}",
                store=store,
                pool=workers,
                clock=executor.seconds_per_step,
                joint=joint,
            )
            found = seed.run(orders, shares)
            rows += found.rows
            bought += found.bought
            told = ", ".join(f"{row.order} {row.num_labelled}: {row.validation:.3f}" for row in found.rows)
            progress.say(f"seed {index + 1} of {num_seeds}: {told}")
        store.write(out / BOUGHT, rows_text(bought, Bought))
        store.write(out / SIMULATION, rows_text(rows, SimulationRow))
    return Simulation(out, chosen.scoring, tuple(rows), tuple(bought), tuple(notes))


def _refuse_truth(recipe: str) -> NoReturn:
    raise fail(option("recipe"), f"{recipe} reads all true masks", "use another one, such as ldt or im")


def shares_of(budget: int, num_rounds: int) -> list[int]:
    """Part a budget into rounds that differ by 1 at most, the larger ones first."""
    return [budget // num_rounds + (index < budget % num_rounds) for index in range(num_rounds)]


@dataclass(frozen=True)
class _Found:
    """What came of a seed."""

    rows: list[SimulationRow]
    bought: list[Bought]


@dataclass(frozen=True)
class _Seed:
    """A seed of a simulation.

    Attributes:
        chosen: what is trained.
        plan: who starts and who waits.
        folder: of its runs.
        store: of the simulation.
        pool, clock, joint: as for ``run_resolved``.
    """

    chosen: Resolved
    plan: Hidden
    folder: Path
    store: Store
    pool: Pool
    clock: Clock
    joint: Joint

    def run(self, orders: Sequence[str], shares: Sequence[int]) -> _Found:
        """Train at the start; then buy and train again, in each order and round."""
        found = _Found([self._train(START, (), folder=START, deliver=True)], [])
        for order in orders:
            names: list[str] = []
            models = self.folder / START
            for index, share in enumerate(shares, 1):
                num_labelled = len(self.plan.start) + len(names) + share
                folder = f"{order}-{num_labelled}"
                names += self._choose(models, order, share, names, folder)
                # The models of the last round order nothing any more.
                found.rows.append(self._train(order, names, folder=folder, deliver=index < len(shares)))
                models = self.folder / folder
            found.bought.extend(
                Bought(self.chosen.settings.seed, order, place, name) for place, name in enumerate(names, 1)
            )
        return found

    def _choose(self, models: Path, order: str, num: int, before: Sequence[str], folder: str) -> list[str]:
        """Name the images that are bought next; what was chosen once stays, whatever computes it again."""
        path = self.folder / f"{folder}.csv"
        if not self.store.has(path):
            among = [item.name for item in self.plan.waiting if item.name not in before]
            ranking = rank_finished(
                open_run(models), top=num, order=order, among=among, pool=self.pool, progress=Silent()
            )
            self.store.write(path, csv_text(("name",), [(row.name,) for row in ranking.rows]))
        return [row["name"] for row in parse_rows(path.read_text(encoding="utf-8"), dict[str, str])]

    def _train(self, order: str, names: Sequence[str], *, folder: str, deliver: bool) -> SimulationRow:
        now = replace(self.chosen, dataset=self.plan.bought(names))
        outcome = run_resolved(
            now,
            self.folder / folder,
            data=now.describe_data(),
            pool=self.pool,
            clock=self.clock,
            progress=self.joint.begin(f"{self.folder.name}, {folder}"),
            deliver=deliver,
        )
        return _row(outcome, self.chosen.settings.seed, order, len(self.plan.start) + len(names))


def _row(outcome: Outcome, seed: int, order: str, num_labelled: int) -> SimulationRow:
    stage = outcome.chosen
    wanted = (stage.name, ENSEMBLE, "test")
    test = next((row.score for row in outcome.scores if (row.stage, row.model, row.split) == wanted), None)
    return SimulationRow(seed, order, num_labelled, stage.name, stage.score, test)


def choices_of_run(run: Path, data: Path, *, recipe: str | None, settings: dict[str, object]) -> Resolved:
    """Give the choices of a run, others laid over them.

    Args:
        run: its folder.
        data: its data folder.
        recipe, settings: other choices than the run's, to be quicker.

    Raises:
        IncmaskError: as ``resolve`` does.
    """
    refuse_volumes(run, "a simulation")
    record = read_record(run)
    check_classes(record.task, "simulated labelling")
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
    # Rounds are of the user's own labelling, whose models have seen what is hidden here.
    return replace(chosen, rounds=())


def _notes(chosen: Resolved, dataset: Dataset) -> list[str]:
    if chosen.dataset.val:
        return []
    return [f"no val/: {len(dataset.val)} of the {len(chosen.dataset.labelled)} labelled images validate all orders"]


def _work(chosen: Resolved, plan: Hidden, orders: Sequence[str], shares: Sequence[int]) -> float:
    num_start = len(plan.start)
    num_all = num_start + len(plan.bought(()).unlabelled)
    levels = [num_start + num for num in np.cumsum(shares).tolist()]
    return sum(
        planned_work(chosen.recipe, chosen.settings, num_labelled=num, num_unlabelled=num_all - num)
        for num in (num_start, *levels * len(orders))
    )
