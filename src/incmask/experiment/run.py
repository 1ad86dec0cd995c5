"""The main job: a data set and a recipe in; models, masks, disputed pixels and scores out."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from incmask.base.caller import setting
from incmask.base.device import resolve_device
from incmask.base.machine import num_cores
from incmask.base.pool import Pool
from incmask.base.progress import Progress, Silent
from incmask.base.run_log import RunLog
from incmask.base.store import Store
from incmask.data.rounds import ENVIRONMENT, ROUNDS, path_from
from incmask.data.split import describe_folds
from incmask.data.storage import copied_from
from incmask.experiment.budget import least, planned
from incmask.experiment.choices import Resolved, resolve
from incmask.experiment.collapse import collapses
from incmask.experiment.consent import Agreed, check_run, nobody
from incmask.experiment.deliver import Stage, evaluate_all, hand_over, write_masks
from incmask.experiment.environment import environment
from incmask.experiment.executor import Clock, Executor, measured_once
from incmask.experiment.named import Choices
from incmask.experiment.needs import check_room, largest_networks
from incmask.experiment.pretrained import write_pretrained
from incmask.experiment.scores import ScoreRow
from incmask.experiment.setup import RunContext, folds_of
from incmask.experiment.stacks import build_stacks
from incmask.experiment.stages import Trained, train_all
from incmask.experiment.student import total_steps
from incmask.experiment.taken_over import check_source
from incmask.experiment.tracked import Track, tracked
from incmask.experiment.warm_start import check_is_new, score_rounds, scores_text, with_start
from incmask.method.growth import num_students_of, team_size
from incmask.method.scoring import Scoring
from incmask.training.across_devices.share import Share
from incmask.training.capacity import fitting_workers


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        root: the run folder.
        recipe: its name.
        trained: all models.
        chosen: the stage whose models were handed over.
        scores: of every model on validation and, where there is one, on test.
        scoring: what their main score is.
        seconds: this call took.
        collapses: generations that have collapsed, and what became of it, in a sentence each.
    """

    root: Path
    recipe: str
    trained: Trained
    chosen: Stage
    scores: tuple[ScoreRow, ...]
    scoring: Scoring
    seconds: float
    collapses: tuple[str, ...] = ()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Base and generations."""
        return self.trained.stages

    @property
    def all_stages(self) -> tuple[Stage, ...]:
        """Those that may be handed over: also what was trained on without unlabelled images."""
        return self.trained.all_stages


def run(
    data: Path,
    out: Path,
    *,
    choices: Choices,
    executor: Executor,
    progress: Progress | None = None,
    bases: Mapping[str, Path] | None = None,
    warm: bool = True,
    agreed: Agreed = nobody,
    track: Track | None = None,
) -> Outcome:
    """Train, label, train again, and write everything to a run folder; goes on where it was stopped.

    Where corrected labels were added to the data (``labels.importing``), base models begin with those of the run whose
    pseudo-labels were corrected.

    Args:
        data: folder with ``labelled/`` and ``unlabelled/``.
        out: run folder.
        choices: what to run.
        executor: where the work is done.
        progress: a listener.
        bases: run folders of base recipes on the same data with the same settings, by recipe: their models are
            taken over instead of being trained once more.
        warm: False: base models begin anew, whatever was added.
        agreed: asks whether to begin what takes longer than a day.
        track: opens what shows curves elsewhere.

    Raises:
        IncmaskError: something about the data, the choices or the folder is wrong; nothing was lost.
    """
    chosen = resolve(data, choices)
    record = chosen.describe_data()
    return run_chosen(
        chosen, record, out, executor, progress or Silent(), bases=bases, warm=warm, agreed=agreed, track=track
    )


def run_chosen(
    chosen: Resolved,
    record: Mapping[str, Any],
    out: Path,
    executor: Executor,
    progress: Progress,
    *,
    bases: Mapping[str, Path] | None = None,
    warm: bool = True,
    agreed: Agreed = nobody,
    track: Track | None = None,
    is_planned: bool = False,
) -> Outcome:
    """Do what ``run`` does, with choices that are resolved already.

    Args:
        chosen: what to run.
        record: description of the data, for which every file was read.
        out, executor, progress, bases, warm, agreed, track: as for ``run``.
        is_planned: how much is trained in the time that was given is settled, too.
    """
    for note in chosen.notes:
        progress.say(note)
    check_is_new(chosen, out)
    # Before the folder is begun with choices that do not fit this machine or the models to be taken over.
    num_workers = num_workers_of(chosen if is_planned else least(chosen), progress)
    for source in (bases or {}).values():
        check_source(source, chosen, record)
    if warm and chosen.rounds and not bases:
        chosen = with_start(chosen, out, record, progress)
    clock = measured_once(executor.seconds_per_step)
    with executor.open_pool(num_workers, devices_a_job=chosen.settings.devices_per_network) as pool:
        plan = chosen if is_planned else planned(chosen, out, pool=pool, clock=clock, progress=progress)
        check_room(plan, out, num_workers=pool.num_workers)
        check_run(plan, out, pool=pool, clock=clock, agreed=agreed)
        return run_resolved(
            plan,
            out,
            data=record,
            pool=pool,
            clock=clock,
            progress=progress,
            bases=bases,
            track=track,
            deliver=True,
        )


def run_resolved(
    chosen: Resolved,
    out: Path,
    *,
    data: Mapping[str, Any],
    pool: Pool,
    clock: Clock,
    progress: Progress,
    bases: Mapping[str, Path] | None = None,
    stacks_from: Path | None = None,
    track: Track | None = None,
    deliver: bool,
) -> Outcome:
    """Do what ``run`` does, with choices that are resolved already and workers that are there already.

    Args:
        chosen: what to run.
        out: run folder.
        data: description of the data.
        pool: workers.
        clock: tells how long a training step takes in them.
        progress: a listener.
        bases: as for ``run``.
        stacks_from: folder of a finished preparation of the same data; None: the bases' stacks are taken.
        track: as for ``run``.
        deliver: hand over a model and write masks for all unlabelled images.
    """
    started = time.monotonic()
    bases = {name: folder for name, folder in (bases or {}).items() if name in chosen.recipe.bases}
    with (
        Store(out, run=chosen.describe_run(), data=data, say=progress.say) as store,
        tracked(out, track) as shown,
        RunLog(out, progress, shown) as progress,
    ):
        packages = chosen.pretrained.packages if chosen.pretrained else ()
        root = chosen.dataset.root
        where = environment(path_from(out, root), url=copied_from(root), packages=packages)
        store.write(out / ENVIRONMENT, where)
        sources = tuple(bases.values()) if stacks_from is None else (stacks_from,)
        encoder = write_pretrained(chosen.pretrained, store, sources=(*bases.values(), *sources))
        stacks = build_stacks(
            chosen,
            store,
            num_threads=pool.num_workers,
            # Otherwise true masks are none of the recipe's business.
            with_truth=chosen.recipe.needs_truth,
            sources=sources,
        )
        names, groups = stacks["labelled"].names, chosen.dataset.groups()
        folds = folds_of(names, groups=groups, has_val="val" in stacks, settings=chosen.settings)
        if told := describe_folds(folds, names, groups):
            progress.say(told)
        setup = replace(chosen.setup(stacks, folds), encoder=encoder)
        # A comparison follows all approaches to their end.
        on_collapse = chosen.settings.on_collapse if deliver else "ignore"
        run = RunContext(setup, store, pool, progress, stamps=chosen.stamps, on_collapse=on_collapse)
        trained = train_all(run, clock=clock, bases=bases, start=chosen.start, control=deliver and not bases)
        stages = trained.all_stages
        best = max(stages, key=lambda stage: stage.score)
        progress.say(_verdict(trained, best))
        model = hand_over(run, best) if deliver else None
        progress.doing("scoring all models")
        scores = evaluate_all(run, stages)
        if model:
            progress.doing("masks for all unlabelled images")
            write_masks(run, model)
            if chosen.rounds:
                scores_of_rounds = score_rounds(
                    chosen, out, data, score=best.score, stage=best.name, total_steps=total_steps(best.students)
                )
                store.write(out / ROUNDS, scores_text(scores_of_rounds, score_name=run.setup.scoring.full_name))
    return Outcome(
        out,
        chosen.names["recipe"],
        trained,
        best,
        tuple(scores),
        run.setup.scoring,
        time.monotonic() - started,
        tuple(collapses(out)),
    )


def num_workers_of(chosen: Resolved, progress: Progress) -> int:
    """Tell how many networks train side by side: one a core, as many as memory has room for."""
    settings = chosen.settings
    device = resolve_device(settings.device).type
    # Several processes on one GPU only wait for each other.
    together = settings.devices_per_network
    Share(num=together).sizes(settings.batch_size)
    wanted = settings.num_workers or (max(1, num_cores() // together) if device == "cpu" else 1)
    setup = chosen.setup({}, ())
    # Other devices share the memory of the machine.
    num_students = num_students_of(chosen.recipe, settings)
    on_gpu = max(settings.num_base, num_students, settings.num_evalnets) if device == "cuda" else 0
    room = min(
        fitting_workers(
            network,
            size=chosen.size,
            batch_size=settings.batch_size,
            num_workers=wanted,
            num_together=team_size(chosen.recipe, settings),
            num_on_gpu=on_gpu,
            num_processes=together,
        )
        for network in largest_networks(setup)
    )
    if room < wanted:
        progress.say(f"memory for {room} of {wanted} workers; a smaller {setting('batch_size')} takes less")
    return room


def _verdict(trained: Trained, chosen: Stage) -> str:
    """Tell what was handed over, in a sentence: whether it is better by more than chance, the report says."""
    base, *generations = trained.stages
    best = max(generations, key=lambda stage: stage.score, default=None)
    without = trained.control or base
    if best is None:
        return f"validation score {base.score:.3f}"
    difference = f"{without.score:.3f} without them, {best.score:.3f} with them ({best.name})"
    which = "with" if chosen in generations else "without"
    return f"validation score {difference}; the models {which} the unlabelled images are handed over"
