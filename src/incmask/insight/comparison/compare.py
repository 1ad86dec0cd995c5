"""Many approaches on one data set under the same conditions (paper section 2)."""

import time
from bisect import insort
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from incmask.base.caller import command, option
from incmask.base.caller import settings as settings_of
from incmask.base.choosing import resolve_again
from incmask.base.errors import fail
from incmask.base.pool import Pool
from incmask.base.progress import Joint, Progress, Silent, ignore
from incmask.base.run_log import RunLog
from incmask.base.store import Store
from incmask.base.tables import rows_text
from incmask.base.words import ShortRepr
from incmask.data.rounds import ENVIRONMENT
from incmask.data.stack import Stack
from incmask.experiment.choices import Resolved, resolve
from incmask.experiment.consent import Agreed, nobody
from incmask.experiment.environment import environment
from incmask.experiment.executor import Executor
from incmask.experiment.named import Choices
from incmask.experiment.run import num_workers_of
from incmask.experiment.stacks import build_stacks
from incmask.experiment.tracked import Track
from incmask.insight.comparison.amount import begun, equal_budget, work_of
from incmask.insight.comparison.best_of import BestOf
from incmask.insight.comparison.collect import Collected, collect
from incmask.insight.comparison.plan import ALL, plan, recipes_of
from incmask.insight.comparison.pseudo import PseudoFacts, TruthJob, count_classes
from incmask.insight.comparison.running import ComparedRun, Done, Running
from incmask.insight.report.comparison_page import rows
from incmask.insight.report.comparison_page.rows import (
    DataFrequencyRow,
    FrequencyRow,
    ImageScoreRow,
    ModelRow,
    PseudoRow,
    RunRow,
)
from incmask.method.labels import check_classes
from incmask.method.recipe import Recipe
from incmask.method.scoring import Scoring


@dataclass(frozen=True, repr=False)
class Comparison(ShortRepr):
    """What a comparison came to.

    Attributes:
        root: its folder.
        data_name: of the data folder.
        runs: all runs: by budget and repeat, and in the order of ``RECIPES``.
        models, totals, images, pseudo, frequencies, data_frequencies: the rows of its tables.
        chosen: the choices that all runs share.
        equal_steps: steps an epoch of the second budget; None: there is none.
        best_of: where erosion and dilation come from; None: from the choices.
        notes: what a reader should know.
        seconds: this call took.
    """

    root: Path
    data_name: str
    runs: tuple[ComparedRun, ...]
    models: tuple[ModelRow, ...]
    totals: tuple[RunRow, ...]
    images: tuple[ImageScoreRow, ...]
    pseudo: tuple[PseudoRow, ...]
    frequencies: tuple[FrequencyRow, ...]
    data_frequencies: tuple[DataFrequencyRow, ...]
    chosen: Resolved
    equal_steps: int | None
    best_of: BestOf | None
    notes: tuple[str, ...]
    seconds: float

    @property
    def scoring(self) -> Scoring:
        """What the main score of all runs is."""
        return self.chosen.scoring


def compare(
    data: Path,
    out: Path,
    *,
    choices: Choices,
    executor: Executor,
    recipes: Sequence[str | Recipe] = (ALL,),
    num_repeats: int = 3,
    grid: Mapping[str, Sequence[object]] | None = None,
    equal_steps: bool = False,
    best_of: BestOf | None = None,
    agreed: Agreed = nobody,
    track: Track | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Train every approach on the same images with the same seeds, and tell what came of it; goes on where it stopped.

    Base models are trained once per repeat and shared; runs are done side by side where the executor's workers serve
    several. Leaves in ``out`` a run folder for each run below ``runs/``, and the tables ``results.csv`` (a line a model
    and split), ``runs.csv``, ``image_scores.csv``, ``pseudo_labels.csv``, ``class_frequencies.csv`` and
    ``true_class_frequencies.csv``.

    Args:
        data: folder with ``labelled/`` and ``unlabelled/``, and for the fully supervised comparison
            ``unlabelled/masks``.
        out: the comparison's folder.
        choices: what all runs share; its recipe plays no part.
        executor: where the work is done.
        recipes: names of approaches or recipes of your own, or ``("all",)``; LDT and the base recipes that are
            needed come by themselves.
        num_repeats: how often everything is repeated with another seed.
        grid: settings with several values; every recipe is trained with all combinations of those that matter to it.
        equal_steps: beside each approach's own number of steps, also train all with as many as FDT takes.
        best_of: erosion and dilation of all approaches with inconsistency masks, from a sweep; None: as chosen.
        agreed: asks whether to begin what takes longer than a day.
        track: opens what shows the curves of each run elsewhere.
        progress: a listener.

    Raises:
        IncmaskError: something about the data, the choices or the folder is wrong; nothing was lost.
    """
    started = time.monotonic()
    progress = progress or Silent()
    if num_repeats < 1:
        raise fail(option("repeats"), f"got {num_repeats}, expected 1 or more", f"use {option('repeats', 3)}")
    chosen, alike = _alike(data, replace(best_of.over(choices) if best_of else choices, recipe="ldt"))
    check_classes(chosen.dataset.task, "comparison of approaches")
    if not chosen.dataset.unlabelled:
        raise fail(data, "holds no unlabelled images to compare approaches with", "put some into unlabelled/")
    if not (chosen.dataset.val or chosen.dataset.test):
        progress.say(
            "no images in val/ and test/: approaches are compared by labelled images that choose their models, and "
            f"whether one is better cannot be told; {command('compare')} answers with 6 or more images with masks in "
            "test/"
        )
    names = recipes_of(recipes, chosen)
    steps, notes = equal_budget(chosen, wanted=equal_steps)
    cells = plan(chosen, names, num_repeats=num_repeats, grid=grid or {}, equal_steps=steps)
    for note in (*chosen.dataset.notes, *alike, *notes, *([best_of.told] if best_of else [])):
        progress.say(note)
    progress.say(f"{len(cells)} runs: {', '.join(names)}; {num_repeats} repeat{'s' if num_repeats > 1 else ''}")
    told = Joint(progress).begin()
    num_workers = min(num_workers_of(cell.chosen, told) for cell in cells)
    record = chosen.describe_data()
    shared = chosen.describe_run()
    # What the recipes and repeats are may grow later.
    del shared["recipe"]
    begin = partial(Store, out, run={"comparison": True, **shared}, data=record, say=progress.say)
    with (
        executor.open_pool(num_workers, devices_a_job=chosen.settings.devices_per_network) as pool,
        begun(begin, out, cells, pool, clock=executor.seconds_per_step, agreed=agreed, progress=progress) as store,
        RunLog(out, progress) as progress,
    ):
        store.write(out / ENVIRONMENT, environment())
        has_truth = all(item.masks is not None for item in chosen.dataset.unlabelled)
        stacks = build_stacks(chosen, store, num_threads=num_workers, with_truth=has_truth, sources=())
        progress.expect(sum(work_of(cell) for cell in cells))
        true_classes = _count_classes(chosen, stacks, pool) if has_truth else ()
        store.write(out / rows.DATA_FREQUENCIES, rows_text(true_classes, rows.DataFrequencyRow))
        running = Running(
            out=out,
            cells=cells,
            data=record,
            clock=executor.seconds_per_step,
            track=track,
            truth=stacks["unlabelled"] if has_truth else None,
        )
        done: list[tuple[Done, Collected]] = []
        with closing(running.all(pool, progress)) as ends:
            for ended in ends:
                # Whichever ends first, tables are in the order of the cells.
                insort(done, (ended, collect(ended.run.cell, ended.run.outcome)), key=lambda each: each[0].place)
                if ended.is_new or len(done) == len(cells):
                    # After each run, so that a comparison that is stopped has its tables; not while reading old ones.
                    _write(store, [each for _, each in done], [fact for each, _ in done for fact in each.facts])
    collected = [each for _, each in done]
    facts = [fact for each, _ in done for fact in each.facts]
    return Comparison(
        root=out,
        data_name=data.resolve().name,
        runs=tuple(each.run for each, _ in done),
        models=tuple(row for each in collected for row in each.models),
        totals=tuple(each.run for each in collected),
        images=tuple(row for each in collected for row in each.images),
        pseudo=tuple(row for each in facts for row in each.pairs),
        frequencies=tuple(row for each in facts for row in each.frequencies),
        data_frequencies=true_classes,
        chosen=chosen,
        equal_steps=steps,
        best_of=best_of,
        notes=notes,
        seconds=time.monotonic() - started,
    )


def _alike(data: Path, choices: Choices) -> tuple[Resolved, tuple[str, ...]]:
    """Settle every choice so that no approach has others' steps in its weights; and what is to be said of it."""
    chosen = resolve(data, choices)
    if chosen.settings.start == "fresh" or "start" in chosen.given:
        return chosen, ()
    settings = resolve_again(chosen.settings, {"start": "fresh"}, where=option("set"))
    return replace(chosen, settings=settings), (
        "students begin with new weights, so that all approaches train for as long; with "
        f"{settings_of(start='teacher')} they go on from their teachers', as in {command('run')}, which is more "
        "training than ldt's",
    )


def _count_classes(chosen: Resolved, stacks: Mapping[str, Stack], pool: Pool) -> tuple[DataFrequencyRow, ...]:
    class_names = tuple(each.name for each in chosen.dataset.classes)
    job = TruthJob(stacks["labelled"].labels, stacks["unlabelled"].labels, chosen.dataset.task, class_names)
    ((_, found),) = pool.run(count_classes, [job], ignore)
    return found


def _write(store: Store, collected: Sequence[Collected], facts: Sequence[PseudoFacts]) -> None:
    tables = {
        rows.RESULTS: rows_text((row for each in collected for row in each.models), rows.ModelRow),
        rows.RUNS: rows_text((each.run for each in collected), rows.RunRow),
        rows.IMAGES: rows_text((row for each in collected for row in each.images), rows.ImageScoreRow),
        rows.PSEUDO: rows_text((row for each in facts for row in each.pairs), rows.PseudoRow),
        rows.FREQUENCIES: rows_text((row for each in facts for row in each.frequencies), rows.FrequencyRow),
    }
    for name, text in tables.items():
        store.write(store.root / name, text)
