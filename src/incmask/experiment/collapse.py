"""Generations that have collapsed: looked for before and after their training, said, and ended as was chosen."""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from incmask.base.caller import option, size_option
from incmask.base.errors import fail
from incmask.base.intact import read_json
from incmask.base.npy_rows import Rows
from incmask.base.progress import ignore
from incmask.experiment.deliver import Stage, jobs_that_choose
from incmask.experiment.paths import COLLAPSE, INDEX, LABEL, MADE_AT_THE_END, PSEUDO, SCORES, STUDENTS
from incmask.experiment.pseudo_labels import read_pseudo_labels
from incmask.experiment.scores import evaluate_models
from incmask.experiment.setup import CONTROL, RunContext
from incmask.method.collapse import CHANCE, chance_of_loss, chance_of_none, has_fallen

_CHUNK = 64
"""Labels that are looked at at once."""


@dataclass(frozen=True)
class Look:
    """What a look at a generation found.

    Attributes:
        reasons: why it has collapsed; none: it has not.
        with_class: images with each class, by number; none where no labels were looked at.
        went_on: the run went on all the same.
        unlearnt: classes that labels have and the models have not learnt yet, so that no label of theirs can lose them.
    """

    reasons: tuple[str, ...] = ()
    with_class: tuple[int, ...] = ()
    went_on: bool = False
    unlearnt: tuple[str, ...] = ()


def ends_with_labels(run: RunContext, generation: int) -> bool:
    """Tell whether the run ends with the pseudo-labels of a generation, before anything learns from them.

    Raises:
        IncmaskError: they have collapsed, and the run is to stop there.
    """
    folder = run.folder(generation)
    path, look_anew = folder / PSEUDO / COLLAPSE, partial(_look_at_labels, run, generation)
    look = _looked(run, path, look_anew, went_on=(folder / STUDENTS).exists())
    ends = _ends(run, generation, path, look)
    if look.unlearnt:
        size = size_option(volumes=run.setup.dataset.volumes is not None)
        run.progress.say(
            f"no pseudo-label of generation {generation} has {', '.join(look.unlearnt)}: the models have not learnt "
            f"what few pixels show; {size} or {option('time')} with more, or more labels, help these classes"
        )
    return ends


def ends_with_stage(run: RunContext, generation: int, stages: Sequence[Stage]) -> bool:
    """Tell whether the run ends with the last of these stages, since its validation fell.

    Raises:
        IncmaskError: it fell, and the run is to stop there.
    """
    path, look_anew = run.folder(generation) / COLLAPSE, partial(_look_at_scores, run, stages)
    look = _looked(run, path, look_anew, went_on=run.folder(generation + 1).exists())
    return _ends(run, generation, path, look)


def collapses(root: Path) -> list[str]:
    """Say in a sentence each which generations of a run collapsed and what became of it."""
    return [_sentence(number, look) for number, look in _collapsed(root)]


def ended_early(root: Path) -> bool:
    """Tell whether a run ended with a generation that collapsed."""
    return any(not look.went_on for _, look in _collapsed(root))


def _collapsed(root: Path) -> Iterator[tuple[str, Look]]:
    folders = sorted(root.glob("gen-*"), key=lambda folder: int(folder.name.removeprefix("gen-")))
    for folder in folders:
        for path in (folder / PSEUDO / COLLAPSE, folder / COLLAPSE):
            if (look := _read(path)) and look.reasons:
                yield folder.name.removeprefix("gen-"), look


def _looked(run: RunContext, path: Path, look_anew: Callable[[], Look], *, went_on: bool) -> Look:
    """Give what was found and noted before, or else look and note it."""
    store = run.store
    if store.has(path):
        return _read(path) or Look()
    if store.has(store.root / SCORES) and not store.lost(path):
        # An earlier version came to its end without.
        return Look()
    look = replace(look_anew(), went_on=went_on or run.on_collapse == "ignore")
    store.write(path, json.dumps(asdict(look)))
    return look


def _ends(run: RunContext, generation: int, path: Path, look: Look) -> bool:
    """Tell whether the run ends with what was found, as was chosen."""
    store = run.store
    if not look.reasons:
        return False
    if run.on_collapse == "ignore" and not look.went_on:
        look = replace(look, went_on=True)
        # What follows is made anew; the control goes on for as long as students do.
        store.remove(*(store.root / name for name in (*MADE_AT_THE_END, CONTROL)))
        store.write(path, json.dumps(asdict(look)))
    if run.on_collapse == "stop" and not look.went_on:
        raise fail(
            store.root,
            f"generation {generation} has collapsed: {'; '.join(look.reasons)}; all that was trained is kept",
            f"look at its pseudo-labels; {option('on-collapse', 'keep-best')} ends with the best so far, "
            f"{option('on-collapse', 'ignore')} goes on from here",
        )
    run.progress.say(_sentence(str(generation), look))
    return not look.went_on


def _sentence(number: str, look: Look) -> str:
    then = "the run went on, as was chosen" if look.went_on else "the run ends there, and the best so far is kept"
    return f"generation {number} has collapsed: {'; '.join(look.reasons)}; {then}"


def _look_at_labels(run: RunContext, generation: int) -> Look:
    setup, folder = run.setup, run.folder(generation) / PSEUDO
    known = read_pseudo_labels(folder / INDEX)
    with_class = _count(run, folder / LABEL)
    labelled = setup.stacks["labelled"]
    given, num, num_others = _count(run, labelled.labels), len(labelled), len(known.admitted)
    if any(given) and not known.foreground_fraction.any():
        ground = setup.labels.ground_name([each.name for each in setup.dataset.classes])
        return Look((f"all of its {num_others} pseudo-labels are {ground}, or disputed",), with_class)
    before = _read(run.folder(generation - 1) / PSEUDO / COLLAPSE) if generation > 1 else None
    reasons, unlearnt = [], []
    for number in setup.labels.object_classes(setup.num_classes):
        if with_class[number]:
            continue
        name = setup.dataset.classes[number].name
        num_before = before.with_class[number] if before and before.with_class else 0
        if chance_of_loss(num_before) < CHANCE:
            reasons.append(f"no pseudo-label has {name}, which {num_before} of the generation before had")
        elif chance_of_none(given[number], num, num_others) < CHANCE:
            unlearnt.append(name)
    return Look(tuple(reasons), with_class, unlearnt=tuple(unlearnt))


def _count(run: RunContext, path: Path) -> tuple[int, ...]:
    """Count the images with each class in a stack of labels."""
    labels, rows = run.setup.labels, Rows(path)
    counts = np.zeros(run.setup.num_classes, int)
    for first in range(0, len(rows), _CHUNK):
        chunk = rows[first : first + _CHUNK]
        for number in range(len(counts)):
            counts[number] += labels.class_pixels(chunk, number).any(axis=(1, 2)).sum()
    return tuple(counts.tolist())


def _look_at_scores(run: RunContext, stages: Sequence[Stage]) -> Look:
    *earlier, now = stages
    best = max(earlier, key=lambda stage: stage.score)
    if now.score >= best.score:
        return Look()
    before, after = (_by_subject(run, stage) for stage in (best, now))
    subjects = sorted(before.keys() & after.keys())
    if not has_fallen(*(np.array([scores[each] for each in subjects]) for scores in (before, after))):
        return Look()
    what = f"{run.setup.scoring.full_name} on validation fell from {best.score:.3f} ({best.name}) to {now.score:.3f}"
    return Look((f"{what}, by more than chance",))


def _by_subject(run: RunContext, stage: Stage) -> dict[str, float]:
    """Give the mean score of each subject's images, as the stage's own models see those that they did not train on."""
    jobs = jobs_that_choose(run.setup, stage.name, stage.students, stage.members)
    rows = dict(stage.rows) or dict(run.pool.run(evaluate_models, jobs, ignore))
    groups, found = run.setup.dataset.groups(), defaultdict(list)
    for job in jobs:
        for name, score in zip(rows[job].names, rows[job].image_scores, strict=True):
            # An image without any class that counts has none.
            if not math.isnan(score):
                found[groups.get(name, name)].append(score)
    return {subject: float(np.mean(scores)) for subject, scores in found.items()}


def _read(path: Path) -> Look | None:
    if (found := read_json(path)) is None:
        return None
    # An earlier version ended runs for classes that were not learnt.
    unlearnt = tuple(found.get("unlearnt", ()))
    return Look(tuple(found["reasons"]), tuple(found["with_class"]), found["went_on"], unlearnt)
