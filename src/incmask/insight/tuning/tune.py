"""Try settings on validation images, and write those that were best as choices for a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from incmask.base.caller import settings as settings_of
from incmask.base.choosing import resolve_again
from incmask.base.config import Settings
from incmask.base.errors import IncmaskError, fail
from incmask.base.pool import Pool
from incmask.base.progress import Joint, Progress
from incmask.base.run_log import RunLog
from incmask.base.store import Store
from incmask.base.tables import rows_text
from incmask.base.words import ShortRepr, counted
from incmask.experiment.choices import Resolved, resolve
from incmask.experiment.executor import Clock, Executor
from incmask.experiment.named import AMOUNTS, Choices
from incmask.experiment.paths import RUNS
from incmask.experiment.run import num_workers_of, run_resolved
from incmask.experiment.workload import planned_work
from incmask.insight.tuning.plan import (
    TRIED,
    Rung,
    draw_trials,
    networks_of,
    num_possible,
    promoted,
    rungs,
    space_of,
)
from incmask.training.loop import has_diverged

TRIALS, TUNED = "trials.csv", "tuned.toml"

_MEMORY = ("width", "batch_size")
"""Settings of which more takes more memory."""

AS_THEY_ARE = "as they are"
"""What the trial is called that changes no setting."""


@dataclass(frozen=True)
class TrialRow:
    """A trial in a rung.

    Attributes:
        rung, trial: from 1, and from 0, which is the settings as they are.
        num_steps: of each of its networks.
        setting: what is changed, such as "batch_size=8 width=0.75".
        validation: score of the stage that was best, as a run would choose it; None: the training diverged.
        stage: that one.
    """

    rung: int
    trial: int
    num_steps: int
    setting: str
    validation: float | None
    stage: str


@dataclass(frozen=True, repr=False)
class Tuning(ShortRepr):
    """What a search came to.

    Attributes:
        root: its folder.
        rows: a line a trial and rung.
        settings: those that were chosen, as far as they differ from what they were; none: nothing was better.
        score_name: of the validation scores.
        num_steps: that all networks took together.
        config: file of choices for a run.
        space: which values were tried.
    """

    root: Path
    rows: tuple[TrialRow, ...]
    settings: dict[str, object]
    score_name: str
    num_steps: int
    config: Path
    space: dict[str, list[object]]

    @property
    def best(self) -> TrialRow:
        """The trial that was chosen, in the last rung."""
        return best_of(self.rows)

    @property
    def difference(self) -> float | None:
        """Its validation score minus that of the settings as they are, in the last rung; None: the latter diverged."""
        before = next(row for row in reversed(self.rows) if row.trial == 0).validation
        assert self.best.validation is not None
        return None if before is None else self.best.validation - before


def best_of(rows: Sequence[TrialRow]) -> TrialRow:
    """Choose among the trials of the last rung: the best, and the settings as they are where nothing is better."""
    last = [row for row in rows if row.rung == rows[-1].rung and row.validation is not None]
    return max(last, key=lambda row: (row.validation, row.trial == 0, -row.trial))


def tune(
    data: Path,
    out: Path,
    *,
    choices: Choices,
    budget: int,
    num_trials: int | None,
    given: Mapping[str, Sequence[object]],
    executor: Executor,
    progress: Progress,
) -> Tuning:
    """Try settings in rungs of ever fewer and longer trials; goes on where it was stopped.

    Test images are scored as in every run, and choose nothing.

    Args:
        data: folder with ``labelled/`` and ``unlabelled/``.
        out: folder of the search; gets a run folder for each trial and rung.
        choices: what is trained, and which settings are not tried.
        budget: steps of all networks together, at most.
        num_trials: in the first rung; None: as the budget allows.
        given: values of settings to try, in place of the standard ones.
        executor: where the work is done.
        progress: a listener.

    Raises:
        IncmaskError: something about the data, the choices or the folder is wrong, or all trials diverged.
    """
    chosen = resolve(data, replace(choices, settings={**TRIED, **(choices.settings or {})}))
    for note in chosen.notes:
        progress.say(note)
    space = space_of(chosen.recipe, chosen.settings, given, fixed=choices.settings or ())
    most = num_possible(space, chosen.settings)
    num_networks = networks_of(chosen.recipe, chosen.settings)
    plan = rungs(budget, num_networks=num_networks, num_trials=num_trials, most=most)
    trials = draw_trials(space, chosen.settings, num=plan[0].num_trials, seed=chosen.settings.seed)
    # All are refused before the first one trains.
    settled = [resolve_again(chosen.settings, changes, where="setting") for changes in trials]
    told = ", then ".join(f"{rung.num_trials} of {rung.num_steps} steps a network" for rung in plan)
    progress.say(f"tries {told}; {counted(num_networks, 'network')} each")
    about = {"tuning": True, "budget": budget, "trials": len(trials), "space": space}
    record = chosen.describe_data()
    widest = {name: max(getattr(each, name) for each in settled) for name in _MEMORY}
    largest = replace(chosen, settings=resolve_again(chosen.settings, widest, where="setting"))
    with (
        Store(out, run={**about, **chosen.describe_run()}, data=record, say=progress.say) as store,
        RunLog(out, progress) as progress,
    ):
        joint = Joint(progress)
        num_workers, devices_a_job = num_workers_of(largest, joint.begin()), chosen.settings.devices_per_network
        with executor.open_pool(num_workers, devices_a_job=devices_a_job) as pool:
            rows = _Search(chosen, settled, trials, store, record, pool, executor.seconds_per_step, joint).run(plan)
        best = best_of(rows)
        changes = trials[best.trial]
        store.write(out / TUNED, tuned_text(chosen, choices, changes, rows))
    num_steps = sum(row.num_steps for row in rows) * num_networks
    return Tuning(out, tuple(rows), changes, chosen.scoring.full_name, num_steps, out / TUNED, space)


@dataclass(frozen=True)
class _Search:
    """What stays the same over a search."""

    chosen: Resolved
    settled: Sequence[Settings]
    trials: Sequence[Mapping[str, object]]
    store: Store
    record: Mapping[str, Any]
    pool: Pool
    clock: Clock
    joint: Joint

    def run(self, plan: Sequence[Rung]) -> list[TrialRow]:
        """Train rung after rung."""
        self.joint.progress.expect(sum(self._work(rung) for rung in plan))
        rows: list[TrialRow] = []
        scores: dict[int, float | None] = {}
        for number, rung in enumerate(plan, 1):
            going_on = promoted(scores, num=rung.num_trials) if scores else range(len(self.trials))
            scores = {}
            for trial in going_on:
                rows.append(self._train(number, rung, trial))
                scores[trial] = rows[-1].validation
                self.store.write(self.store.root / TRIALS, rows_text(rows, TrialRow))
            if not any(score is not None for score in scores.values()):
                raise fail(
                    self.store.root,
                    f"all trainings of rung {number} diverged",
                    f"try lower rates, such as {settings_of(learning_rate=0.001)}",
                )
        return rows

    def _train(self, number: int, rung: Rung, trial: int) -> TrialRow:
        folder = self.store.root / RUNS / f"rung-{number}" / f"trial-{trial}"
        first = self.store.root / RUNS / "rung-1" / "trial-0"
        setting = " ".join(f"{name}={value}" for name, value in self.trials[trial].items()) or AS_THEY_ARE
        settings = resolve_again(self.settled[trial], rung.amounts, where="setting")
        stage, score = "", None
        try:
            outcome = run_resolved(
                replace(self.chosen, settings=settings),
                folder,
                data=self.record,
                pool=self.pool,
                clock=self.clock,
                progress=_Working(self.joint.begin(f"rung {number}, trial {trial}")),
                stacks_from=None if folder == first else first,
                deliver=False,
            )
            stage, score = outcome.chosen.name, outcome.chosen.score
        except IncmaskError as error:
            if not has_diverged(error):
                raise
        told = "diverged" if score is None else f"{score:.3f}"
        self.joint.say(f"rung {number}, {rung.num_steps} steps a network, {setting}: {told}")
        return TrialRow(number, trial, rung.num_steps, setting, score, stage)

    def _work(self, rung: Rung) -> float:
        settings = resolve_again(self.chosen.settings, rung.amounts, where="setting")
        dataset = self.chosen.dataset
        return rung.num_trials * planned_work(
            self.chosen.recipe,
            settings,
            num_labelled=len(dataset.labelled),
            num_unlabelled=len(dataset.unlabelled),
        )


@dataclass(frozen=True)
class _Working:
    """Listens to a trial: how far it is; what it says is of no use to who waits for the best of many."""

    progress: Progress

    def say(self, line: str) -> None:
        """Nothing."""

    def expect(self, amount: float) -> None:
        """See ``Progress``."""
        self.progress.expect(amount)

    def doing(self, what: str) -> None:
        """See ``Progress``."""
        self.progress.doing(what)

    def advance(self, amount: float) -> None:
        """See ``Progress``."""
        self.progress.advance(amount)


def tuned_text(chosen: Resolved, choices: Choices, changes: Mapping[str, object], rows: Sequence[TrialRow]) -> str:
    """Give a file of choices for a run: what was chosen, and what somebody fixed; not how little a trial trains."""
    fixed = {name: value for name, value in (choices.settings or {}).items() if name not in {*AMOUNTS, *TRIED}}
    names = {name: chosen.names[name] for name in ("recipe", "preset", "profile")}
    best = best_of(rows)
    told = (
        f"# By incmask tune: the best of {len({row.trial for row in rows})} on validation images, with "
        f"{best.num_steps} steps a network: {best.validation:.4f}.\n"
        "# Chosen by that score, which is therefore too good; compare on other images before you report it.\n"
    )
    return told + tomli_w.dumps({**names, "settings": {**fixed, **changes}})
