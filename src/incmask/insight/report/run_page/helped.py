"""The section that tells whether the unlabelled images helped."""

from collections.abc import Mapping
from dataclasses import dataclass

from incmask.experiment.record.run import RunRecord
from incmask.experiment.record.stages import ENSEMBLE, StageRecord
from incmask.insight.report.page import Block, Table, TableRow, Text, number, signed, whole
from incmask.insight.report.run_page.scoring import by_image, difference_of, held_out, validation_scores
from incmask.insight.report.run_page.verdict import WithAndWithout, answer, fairness, handed_over, headline
from incmask.insight.report.statistics import Difference


@dataclass(frozen=True)
class Helped:
    """What the section says, and its gist in a few words."""

    blocks: tuple[Block, ...]
    gist: str


def helped(record: RunRecord, *, with_images: bool) -> Helped:
    """Compare models without and with the unlabelled images.

    Args:
        record: of the run.
        with_images: the images at the networks' size are there.

    Raises:
        IncmaskError: a model is missing or damaged.
    """
    if len(record.stages) < 2:
        recipe = record.names["recipe"]
        gist = f"Whether unlabelled images help was not asked: the approach {recipe} trains on true masks alone."
        text = f"{gist} `incmask run DATA --recipe im+` asks."
        return Helped((Text(text, "answer"),), gist)
    best = max(record.stages[1:], key=record.stage_score)
    if not with_images:
        return _without_images(record, best)
    held = held_out(record)
    without, with_them = (validation_scores(record, stage, held) for stage in (record.base, best))
    found = WithAndWithout(
        base=record.base,
        best=best,
        base_score=_mean(without),
        best_score=_mean(with_them),
        difference=difference_of(with_them, without),
        num_images=held.num_images,
        num_generations=len(record.stages) - 1,
        kind=held.kind,
        chosen=record.chosen,
        chosen_by=_chosen_by(record, best, (_mean(without), _mean(with_them))),
        delivered=record.delivered is not None,
    )
    name = "validation" if held.kind in ("val", "split") else "labelled images"
    blocks: list[Block] = [
        Text(answer(found), "answer"),
        Text(handed_over(found)),
        *(Text(line, "note") for line in fairness(found)),
        _difference_table(record, best, _difference_row(name, without, with_them, found.difference)),
    ]
    return Helped(tuple(blocks), f"{headline(found)} {handed_over(found)}")


def _chosen_by(record: RunRecord, best: StageRecord, shown: tuple[float, float]) -> tuple[float, float] | None:
    """Give the scores that chose, where they are not those that are shown."""
    scores = (record.stage_score(record.base), record.stage_score(best))
    same = all(f"{one:.3f}" == f"{other:.3f}" for one, other in zip(scores, shown, strict=True))
    return None if same else scores


def _difference_table(record: RunRecord, best: StageRecord, on_validation: TableRow) -> Table:
    rows, note = [on_validation], ""
    if stored := record.image_scores:
        without, with_them = (
            by_image(stored.names, stored.scores[f"{stage.name}/{ENSEMBLE}"]) for stage in (record.base, best)
        )
        rows.append(_difference_row("test", without, with_them, difference_of(with_them, without)))
        note = "Validation chose; test images, where there are any, chose nothing and are the fairer comparison."
    return Table(
        title=f"{record.scoring.full_name} without and with the unlabelled images",
        header=("images", "number", "without", f"with ({best.title})", "difference", "95 % interval"),
        rows=tuple(rows),
        note=note,
        name="difference",
    )


def _difference_row(
    name: str, without: Mapping[str, float], with_them: Mapping[str, float], change: Difference
) -> TableRow:
    return (
        name,
        whole(len(without)),
        number(_mean(without)),
        number(_mean(with_them)),
        number(change.mean, signed(change.mean)),
        number(change.low, f"{signed(change.low)} to {signed(change.high)}"),
    )


def _without_images(record: RunRecord, best: StageRecord) -> Helped:
    base_score, best_score = record.stage_score(record.base), record.stage_score(best)
    did = "helped" if best_score > base_score else "did not help"
    gist = f"On validation the unlabelled images {did}."
    text = (
        f"On validation the unlabelled images {did}: {record.scoring.full_name} {base_score:.3f} without them, "
        f"{best_score:.3f} with them ({best.title}). Whether that is more than chance cannot be told, since the "
        "folder stacks/ is gone."
    )
    return Helped((Text(text, "answer"),), gist)


def _mean(scores: Mapping[str, float]) -> float:
    return sum(scores.values()) / len(scores)
