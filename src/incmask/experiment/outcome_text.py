"""What a run came to, as text and as values for machines."""

from typing import Any

from incmask.experiment.paths import MODEL, SCORES
from incmask.experiment.run import Outcome
from incmask.experiment.scores import ScoreRow
from incmask.prediction.layers import INCONSISTENT, MASKS
from incmask.prediction.value_layers import PREDICTIONS


def outcome_table(outcome: Outcome) -> str:
    """Give a line a stage with its validation and test score, what that is, and where the files are."""
    has_test = any(row.split == "test" for row in outcome.scores)
    header = f"{'stage':<10}{'validation':>12}" + (f"{'test':>10}" if has_test else "")
    lines = [header]
    for stage in outcome.all_stages:
        line = f"{stage.name:<10}{stage.score:>12.4f}"
        if has_test:
            line += f"{ensemble_score(outcome, stage.name).score:>10.4f}"
        lines.append(line + ("   <- handed over" if stage is outcome.chosen else ""))
    root = outcome.root
    lines += [f"score          {line}" for line in (outcome.scoring.full_name, outcome.scoring.note) if line]
    lines += [f"collapse       {line}" for line in outcome.collapses]
    lines += [f"models         {root / MODEL}", f"all scores     {root / SCORES}"]
    if (root / MASKS).exists():
        lines += [f"masks          {root / MASKS}", f"disputed       {root / INCONSISTENT}"]
    if (root / PREDICTIONS).exists():
        lines += [f"predictions    {root / PREDICTIONS}", f"disputed       {root / INCONSISTENT}"]
    return "\n".join(lines)


def outcome_as_dict(outcome: Outcome) -> dict[str, Any]:
    """Give the same for machines."""
    return {
        "run": str(outcome.root),
        "recipe": outcome.recipe,
        "chosen": outcome.chosen.name,
        "score": outcome.scoring.full_name,
        "collapses": list(outcome.collapses),
        "seconds": round(outcome.seconds, 1),
        "validation": {stage.name: stage.score for stage in outcome.all_stages},
        "scores": [
            {"stage": row.stage, "model": row.model, "split": row.split, "score": row.score, **row.details}
            for row in outcome.scores
        ],
    }


def ensemble_score(outcome: Outcome, stage: str, *, split: str = "test") -> ScoreRow:
    """Give the scores of a stage's members together."""
    return next(row for row in outcome.scores if (row.stage, row.model, row.split) == (stage, "ensemble", split))
