"""The only training loop."""

import json
import math
import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from incmask.base.caller import settings
from incmask.base.described import callable_by_job
from incmask.base.device import device_of
from incmask.base.errors import IncmaskError, fail
from incmask.base.files import write_text
from incmask.base.progress import Report, ignore
from incmask.base.tables import csv_text
from incmask.nets.spec import load_tensors, save_model, save_tensors
from incmask.training.across_devices.processes import on_all_devices
from incmask.training.across_devices.share import share
from incmask.training.files import CHECKPOINT, HISTORY, MODEL, SCORES
from incmask.training.jobs import FitJob, teams_of
from incmask.training.schedule import Schedule
from incmask.training.trainer import GroupTrainer

_STEPS_A_LOOK = 50
"""Steps after which losses are looked at on a device that would else have to stop for it at each."""


@callable_by_job
def fit(job: FitJob, report: Report = ignore) -> None:
    """Train a student: ``fit_group`` of one."""
    fit_group([job], report)


@callable_by_job
def fit_group(jobs: Sequence[FitJob], report: Report = ignore) -> None:
    """Train students and write ``model.safetensors`` (its best epoch), ``history.csv``, ``scores.json`` for each.

    They take each step together, in one program. After each validation everything needed to go on is in their
    ``checkpoint.safetensors``, that of a team in its first student's; a later call continues there and ends with the
    same numbers.

    Args:
        jobs: what to train: networks of one shape, with the same settings and the same schedule; all of each team.
        report: called with the number of steps done since the last call, those of all students together.

    Raises:
        IncmaskError: a loss is no finite number, a checkpoint is damaged or another training's, a file cannot be
            written, or the device's memory does not suffice for a single image.
        ValueError: the schedules differ.
    """
    on_all_devices(_fit_group, jobs, report)


def _fit_group(jobs: Sequence[FitJob], report: Report) -> None:
    # A training stopped between two of its checkpoints left students of different progress.
    by_progress: dict[int, list[_Team]] = defaultdict(list)
    for team in teams_of(jobs):
        records = _read(team)
        by_progress[len(records[0].history)].append(records)
    for _, teams in sorted(by_progress.items(), reverse=True):
        _train(teams, report)


@dataclass
class _Record:
    """What is known of a student that trains.

    Attributes:
        job: it.
        history: its validations, oldest first.
        best: the weights of the best of them.
        checkpoint: the tensors that it begins with; none for a new one.
    """

    job: FitJob
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    checkpoint: dict[str, Tensor] = field(default_factory=dict)


_Team = Sequence[_Record]
"""Students that need each other, or one that needs nobody; their progress is the same."""


def _read(team: Sequence[FitJob]) -> _Team:
    path = team[0].folder / CHECKPOINT
    if not path.exists():
        return [_Record(job) for job in team]
    tensors, about = load_tensors(path)
    records = []
    try:
        histories = about["histories"] if len(team) > 1 else [about["history"]]
        for place, (job, history) in enumerate(zip(team, histories, strict=True)):
            prefix = _prefix(place, team)
            own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            records.append(_Record(job, history, checkpoint=own))
    except (KeyError, ValueError) as error:
        raise _foreign(*team) from error
    return records


def _save(team: _Team, states: Sequence[Mapping[str, Tensor]]) -> None:
    """Write a team's checkpoint: one file, since nobody can go on without the others' state at the same step."""
    tensors = {
        _prefix(place, team) + name: tensor for place, state in enumerate(states) for name, tensor in state.items()
    }
    histories = [record.history for record in team]
    about = {"histories": histories} if len(team) > 1 else {"history": histories[0]}
    save_tensors(team[0].job.folder / CHECKPOINT, tensors, about)


def _prefix(place: int, team: Sequence[object]) -> str:
    """Give what the names of a student's tensors begin with in the checkpoint of its team."""
    return f"{place}." if len(team) > 1 else ""


def _train(teams: Sequence[_Team], report: Report) -> None:
    """Train students of equal progress to the end."""
    records = [record for team in teams for record in team]
    jobs = [record.job for record in records]
    settings, num_done = jobs[0].settings, len(records[0].history)
    trainer = GroupTrainer(jobs, device_of(settings))
    schedule = trainer.schedule
    if num_done:
        _restore(trainer, records)
        report(schedule.ends[num_done - 1] * len(records))
    for validation in range(num_done, len(schedule.ends)):
        started = time.monotonic()
        first = schedule.ends[validation - 1] if validation else 0
        losses = _take_steps(trainer, jobs, range(first, schedule.ends[validation]), report)
        if not share().is_first:
            continue
        for place, record in enumerate(records):
            averaged, lessons = trainer.averaged[place], trainer.lessons[place]
            scored = lessons.validate(averaged)
            if not math.isfinite(scored.loss):
                raise _not_finite(record.job, scored.loss, what="the validation loss", step=schedule.ends[validation])
            record.history.append(
                {
                    "epoch": schedule.epoch(validation),
                    "step": schedule.ends[validation],
                    "training_loss": losses[place],
                    "validation_loss": scored.loss,
                    "validation_score": scored.score,
                    "seconds": round(time.monotonic() - started, 3),
                }
            )
            if _best(record.history, by_loss=lessons.by_loss) is record.history[-1]:
                record.best = {name: tensor.clone() for name, tensor in averaged.state_dict().items()}
        states = iter(trainer.state([record.best for record in records]))
        for team in teams:
            _save(team, list(islice(states, len(team))))
    if share().is_first:
        for record, lessons in zip(records, trainer.lessons, strict=True):
            _write(record, schedule, by_loss=lessons.by_loss)


def _restore(trainer: GroupTrainer, records: Sequence[_Record]) -> None:
    try:
        best = trainer.restore([record.checkpoint for record in records])
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise _foreign(*(record.job for record in records)) from error
    for record, tensors in zip(records, best, strict=True):
        record.best, record.checkpoint = tensors, {}


def _take_steps(trainer: GroupTrainer, jobs: Sequence[FitJob], steps: range, report: Report) -> list[float]:
    """Take steps; return the mean loss of each student."""
    totals, unseen = [0.0] * len(jobs), []
    for step in steps:
        unseen.append(trainer.step(step))
        report(len(jobs))
        if unseen[0].device.type == "cpu" or len(unseen) == _STEPS_A_LOOK or step == steps[-1]:
            first = step + 1 - len(unseen)
            for number, losses in enumerate(torch.stack(unseen).tolist(), first + 1):
                for place, loss in enumerate(losses):
                    if not math.isfinite(loss):
                        raise _not_finite(jobs[place], loss, what="the loss", step=number)
                    totals[place] += loss
            unseen = []
    return [total / len(steps) for total in totals]


def _write(record: _Record, schedule: Schedule, *, by_loss: bool) -> None:
    job, chosen = record.job, _best(record.history, by_loss=by_loss)
    save_model(job.folder / MODEL, record.best, job.network)
    write_text(job.folder / HISTORY, csv_text(list(chosen), [list(row.values()) for row in record.history]))
    kept = ("epoch", "validation_loss", "validation_score")
    inherited = _steps_behind(job.start)
    counts = {"steps": schedule.num_steps, "inherited_steps": inherited, "images": schedule.num_images}
    write_text(job.folder / SCORES, json.dumps({name: chosen[name] for name in kept} | counts, indent=1))


def _steps_behind(start: Path | None) -> int:
    """Count the steps in the weights that a training begins with: those of its model, and what that began with."""
    if start is None or not (start.parent / SCORES).exists():
        return 0
    reached = json.loads((start.parent / SCORES).read_text(encoding="utf-8"))
    return int(reached["steps"] + reached.get("inherited_steps", 0))


def _best(history: list[dict[str, float]], *, by_loss: bool) -> dict[str, float]:
    """Give the validation whose weights are kept, the first of equals (paper section 2.6.2)."""
    return max(history, key=lambda row: -row["validation_loss"] if by_loss else row["validation_score"])


def has_diverged(error: IncmaskError) -> bool:
    """Tell whether a training ended since its loss turned no finite number; from another process comes text alone."""
    return all(_DIVERGED.search(problem.what) for problem in error.problems)


_DIVERGED = re.compile("loss turned (nan|inf|-inf) at step")


def _not_finite(job: FitJob, loss: float, *, what: str, step: int) -> Exception:
    lower = float(f"{job.settings.learning_rate / 3:.1g}")
    return fail(
        job.folder,
        f"{what} turned {loss} at step {step}",
        f"lower the learning rate, for example {settings(learning_rate=lower)}, "
        f"or use {settings(precision='float32')}, in a new run folder",
    )


def _foreign(*jobs: FitJob) -> Exception:
    where = " or ".join(str(job.folder / CHECKPOINT) for job in jobs)
    return fail(where, "belongs to another training", "remove it and run again")
