"""Warm starts: base models begin with those of an earlier round that have not seen what chooses between them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from incmask.base.caller import either
from incmask.base.errors import IncmaskError, fail
from incmask.base.intact import GONE, DamagedError, read_json
from incmask.base.progress import Progress
from incmask.base.records import as_records
from incmask.base.words import counted
from incmask.data.rounds import FIRST, ROUNDS, Round
from incmask.data.split import units_of
from incmask.experiment.choices import Resolved
from incmask.experiment.paths import student_folder
from incmask.experiment.record.run import RunRecord, read_record
from incmask.experiment.setup import Start, base_folders
from incmask.experiment.student import Student, read_student
from incmask.method.growth import training_settings
from incmask.method.recipes import RECIPES
from incmask.nets.spec import Spec, read_spec


def find_start(
    run: Path, new: RunRecord, *, recipes: Mapping[str, str], specs: Mapping[str, Spec], num_models: int
) -> Start | None:
    """Choose for each base model one of an earlier round, the one of its own number where that is possible.

    A model may begin with another that has the same network and was trained on none of the images that validate it,
    nor on others of their groups.

    Args:
        run: the earlier round's run folder.
        new: what the new run says of itself.
        recipes: names of the new run's base recipes, by the folder that they are kept in.
        specs: their networks, by the same.
        num_models: base models of each.

    Returns:
        None where no model can be taken.
    """
    try:
        theirs = read_record(run)
        recipe = theirs.names["recipe"]
        kept = {name: folder for folder, name in base_folders(RECIPES[recipe], recipe).items()}
        validation = list(_validation(new, with_groups=True))
        models = {}
        for folder, name in recipes.items():
            if name not in kept:
                continue
            usable = list(_usable(theirs, kept[name], spec=specs[folder], full=RECIPES[name].labelled == "full"))
            chosen = [_choose(usable, index, validation[index % len(validation)]) for index in range(num_models)]
            if any(chosen):
                models[folder] = tuple(chosen)
    except DamagedError:
        raise
    except (IncmaskError, KeyError, TypeError, ValueError, *GONE):
        # The earlier run is gone or of another version, which is no reason not to begin anew.
        return None
    return Start(run, models) if models else None


def validation_images(run: RunRecord) -> frozenset[str]:
    """Give the hashes of all images that choose between the models of a run."""
    return frozenset().union(*_validation(run, with_groups=False))


@dataclass(frozen=True)
class _Model:
    """A trained model, and the marks of the images that it has seen."""

    student: Student
    seen: frozenset[str]


def _usable(run: RunRecord, folder: str, *, spec: Spec, full: bool) -> Iterator[_Model]:
    training = list(_training(run, full=full))
    for number in range(1, run.settings.num_base + 1):
        student = read_student(student_folder(run.root / folder, number), number=number, num_folds=len(training))
        if read_spec(student.model) == spec:
            yield _Model(student, training[student.fold])


def _choose(models: Sequence[_Model], index: int, validation: frozenset[str]) -> Path | None:
    # Each its own, since members that begin alike would disagree less.
    fitting = [model for model in models if not model.seen & validation]
    ordered = sorted(fitting, key=lambda model: (model.student.number != index + 1, -model.student.score))
    return ordered[0].student.model if ordered else None


def _validation(run: RunRecord, *, with_groups: bool) -> Iterator[frozenset[str]]:
    """Give the images that validate the models of each fold and, if asked for, the groups that folds keep whole."""
    labelled, apart = run.part("labelled"), run.part("val")
    units = units_of(tuple(labelled), run.groups("labelled"))
    marks = [
        _marks(item) if with_groups and units[name] == item.get("group") else _hash_of(item)
        for name, item in labelled.items()
    ]
    for fold in run.image_folds:
        chosen = map(_hash_of, apart.values()) if fold.validation is None else (marks[row] for row in fold.validation)
        yield frozenset().union(*chosen)


def _training(run: RunRecord, *, full: bool) -> Iterator[frozenset[str]]:
    """Give the images that the base models of each fold were trained on, and their groups."""
    marks = list(map(_marks, run.part("labelled").values()))
    others = frozenset().union(*map(_marks, run.part("unlabelled").values())) if full else frozenset()
    for fold in run.image_folds:
        yield others.union(*(marks[row] for row in fold.training))


def _hash_of(item: Mapping[str, Any]) -> frozenset[str]:
    """Give the hash of an image, which is listed before its masks."""
    return frozenset({str(next(iter(item["files"].values())))})


def _marks(item: Mapping[str, Any]) -> frozenset[str]:
    """Give the hash of an image and, where it is told, its group."""
    return _hash_of(item) | ({f"group {item['group']}"} if "group" in item else frozenset())


@dataclass(frozen=True)
class RoundScore:
    """A round and what the models of its run reached.

    Attributes:
        number: 1 for the labels that were there at first.
        run: name of the run folder.
        num_labelled: labelled images in all.
        num_added: of these, images that the round added.
        source: the format that they came in; "" for the first round.
        date: when they were added; "" for the first round.
        score: on validation, of the models that were handed over.
        stage: which these are.
        total_steps: behind each of these models, with those of the models that it began with; the most of them. None:
            an earlier version did not write them down.
        comparable: whether it is the same score, taken on the same validation images, as the last round's.
    """

    number: int
    run: str
    num_labelled: int
    num_added: int
    source: str
    date: str
    score: float
    stage: str
    total_steps: int | None = None
    comparable: bool = True


def check_is_new(chosen: Resolved, out: Path) -> None:
    """Refuse the folder of a run whose masks were corrected since: its images are no longer those that it began with.

    Args:
        chosen: what to run.
        out: run folder.

    Raises:
        IncmaskError: a round of ``chosen`` corrects the masks of the run in ``out``.
    """
    for each in chosen.rounds:
        if _run_of(each, chosen) == out.resolve():
            raise fail(
                out,
                f"its masks were corrected and added as round {each.number}, {counted(len(each.names), 'image')}: "
                "the next run is one of its own, which begins with the models of this one",
                either("choose another folder with -o, or leave it out", "choose another folder, out=..."),
            )


def with_start(chosen: Resolved, out: Path, data: Mapping[str, Any], progress: Progress) -> Resolved:
    """Let base models begin with those of the latest round's run, where they fit.

    Args:
        chosen: what to run, on data with rounds.
        out: run folder.
        data: description of the data.
        progress: is told.
    """
    run, settings = _earlier_run(chosen), chosen.settings
    recipes = base_folders(chosen.recipe, chosen.names["recipe"])
    known = {**RECIPES, chosen.names["recipe"]: chosen.recipe}
    setup = chosen.setup({}, ())
    specs = {}
    for folder, name in recipes.items():
        used = training_settings(known[name], settings, num_pairs=1, num_full=1)
        of_base = replace(setup, recipe=known[name])
        specs[folder] = of_base.network(0, momentum=used.batch_norm_momentum)
    new = _record(chosen, out, data)
    start = find_start(run, new, recipes=recipes, specs=specs, num_models=settings.num_base)
    if start:
        progress.say(f"base models begin with those of {run.name}")
    else:
        progress.say(f"base models begin anew: {run.name} has none that fit and have not seen what validates them")
    return replace(chosen, start=start)


def score_rounds(
    chosen: Resolved, out: Path, data: Mapping[str, Any], *, score: float, stage: str, total_steps: int
) -> tuple[RoundScore, ...]:
    """Give what every round until this one reached; earlier ones as their runs tell.

    Args:
        chosen: what was run, on data with rounds.
        out: run folder.
        data: description of the data.
        score: on validation, of the models that are handed over.
        stage: which these are.
        total_steps: behind each of them.
    """
    run = _record(chosen, out, data)
    reached = _score_of_run(run, rounds=chosen.rounds, score=score, stage=stage)
    return (*_earlier_scores(_earlier_run(chosen), run), replace(reached, total_steps=total_steps))


def round_scores(run: RunRecord) -> tuple[RoundScore, ...]:
    """Give what every round until that of a finished run reached, as the run tells.

    Raises:
        IncmaskError, OSError, ValueError, KeyError, TypeError: it did not end, or is damaged.
    """
    if (content := read_json(run.root / ROUNDS)) is not None:
        return tuple(RoundScore(**each) for each in content["rounds"])
    reached = dict((run.about or {})["validation"])
    stage = reached.pop("stage")
    (score,) = reached.values()
    found = _score_of_run(run, rounds=(), score=score, stage=stage)
    return (replace(found, total_steps=run.handed_over.total_steps),)


def scores_text(scores: Sequence[RoundScore], *, score_name: str) -> str:
    """Write the scores of all rounds as JSON."""
    content = {"score": score_name, "rounds": [asdict(each) for each in scores]}
    return json.dumps(content, indent=1, ensure_ascii=False)


def _earlier_run(chosen: Resolved) -> Path:
    """Give the run whose pseudo-labels were corrected for the latest round."""
    return _run_of(chosen.rounds[-1], chosen)


def _run_of(given: Round, chosen: Resolved) -> Path:
    """Give the run whose pseudo-labels were corrected for a round."""
    return (chosen.dataset.root / given.run).resolve()


def _record(chosen: Resolved, out: Path, data: Mapping[str, Any]) -> RunRecord:
    """Give what the present run says of itself."""
    return RunRecord(out, as_records(run=chosen.describe_run(), data=data))


def _score_of_run(run: RunRecord, *, rounds: Sequence[Round], score: float, stage: str) -> RoundScore:
    """Give what the run of the latest of ``rounds`` reached; of the first round, where there are none."""
    num_labelled, name = len(run.part("labelled")), run.root.name
    if not rounds:
        return RoundScore(FIRST, name, num_labelled, num_labelled, "", "", score, stage)
    last = rounds[-1]
    return RoundScore(last.number, name, num_labelled, len(last.names), last.source, last.date, score, stage)


def _earlier_scores(run: Path, present: RunRecord) -> tuple[RoundScore, ...]:
    """Give what the rounds until an earlier run reached; none where that run is gone or did not end.

    Args:
        run: the earlier run's folder.
        present: what the present run says of itself.
    """
    try:
        theirs = read_record(run)
        scores = round_scores(theirs)
        same = (validation_images(theirs), theirs.scoring) == (validation_images(present), present.scoring)
    except DamagedError:
        raise
    except (IncmaskError, *GONE, ValueError, KeyError, TypeError):
        return ()
    return tuple(replace(each, comparable=each.comparable and same) for each in scores)
