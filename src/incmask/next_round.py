"""What a run does after corrected labels were added: it begins with earlier models, and tells every round's score."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from incmask.choices import Resolved
from incmask.errors import IncmaskError
from incmask.progress import Progress
from incmask.recipes import RECIPES
from incmask.rounds import FIRST, ROUNDS, Round
from incmask.starts import base_folders, find_start, validation_images
from incmask.store import Records, as_records, read_records
from incmask.students import Setup, training_settings


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
        comparable: whether it was taken on the same validation images as the last round's.
    """

    number: int
    run: str
    num_labelled: int
    num_added: int
    source: str
    date: str
    score: float
    stage: str
    comparable: bool = True


def with_start(chosen: Resolved, out: Path, data: Mapping[str, Any], progress: Progress) -> Resolved:
    """Let base models begin with those of the latest round's run, where they fit.

    Args:
        chosen: what to run, on data with rounds.
        out: run folder.
        data: description of the data.
        progress: is told.
    """
    run, settings = _earlier_run(chosen), chosen.settings
    if run == out.resolve():
        # It is refused for its data, which says more than that it cannot begin with itself.
        return chosen
    recipes = base_folders(chosen.names["recipe"])
    setup = Setup(chosen.dataset, chosen.recipe, chosen.profile, settings, chosen.size, stacks={}, folds=())
    specs = {}
    for folder, name in recipes.items():
        used = training_settings(RECIPES[name], settings, num_pairs=1, num_full=1)
        of_base = replace(setup, recipe=RECIPES[name])
        specs[folder] = of_base.network(0, momentum=used.batch_norm_momentum)
    records = as_records(run=chosen.describe_run(), data=data)
    start = find_start(run, records, recipes=recipes, specs=specs, num_models=settings.num_base)
    if start:
        progress.say(f"base models begin with those of {run.name}")
    else:
        progress.say(f"base models begin anew: {run.name} has none that fit and have not seen what validates them")
    return replace(chosen, start=start)


def score_rounds(
    chosen: Resolved, out: Path, data: Mapping[str, Any], *, score: float, stage: str
) -> tuple[RoundScore, ...]:
    """Give what every round until this one reached; earlier ones as their runs tell.

    Args:
        chosen: what was run, on data with rounds.
        out: run folder.
        data: description of the data.
        score: on validation, of the models that are handed over.
        stage: which these are.
    """
    records = as_records(run=chosen.describe_run(), data=data)
    reached = _score_of_run(out, records, rounds=chosen.rounds, score=score, stage=stage)
    return (*_earlier_scores(_earlier_run(chosen), records), reached)


def scores_text(scores: Sequence[RoundScore], *, score_name: str) -> str:
    """Write the scores of all rounds as JSON."""
    content = {"score": score_name, "rounds": [asdict(each) for each in scores]}
    return json.dumps(content, indent=1, ensure_ascii=False)


def _earlier_run(chosen: Resolved) -> Path:
    """Give the run whose pseudo-labels were corrected for the latest round."""
    return (chosen.dataset.root / chosen.rounds[-1].run).resolve()


def _score_of_run(run: Path, records: Records, *, rounds: Sequence[Round], score: float, stage: str) -> RoundScore:
    """Give what the run of the latest of ``rounds`` reached; of the first round, where there are none."""
    num_labelled = len(records.data["parts"]["labelled"])
    if not rounds:
        return RoundScore(FIRST, run.name, num_labelled, num_labelled, "", "", score, stage)
    last = rounds[-1]
    return RoundScore(last.number, run.name, num_labelled, len(last.names), last.source, last.date, score, stage)


def _earlier_scores(run: Path, records: Records) -> tuple[RoundScore, ...]:
    """Give what the rounds until an earlier run reached; none where that run is gone or did not end.

    Args:
        run: the earlier run's folder.
        records: what the present run says of itself.
    """
    try:
        theirs = read_records(run)
        path = run / ROUNDS
        if path.exists():
            content = json.loads(path.read_text(encoding="utf-8"))
            scores = tuple(RoundScore(**each) for each in content["rounds"])
        else:
            reached = json.loads((run / "model" / "model.json").read_text(encoding="utf-8"))["validation"]
            stage = reached.pop("stage")
            (score,) = reached.values()
            scores = (_score_of_run(run, theirs, rounds=(), score=score, stage=stage),)
        same = validation_images(theirs) == validation_images(records)
    except (IncmaskError, OSError, ValueError, KeyError, TypeError):
        return ()
    return tuple(replace(each, comparable=each.comparable and same) for each in scores)
