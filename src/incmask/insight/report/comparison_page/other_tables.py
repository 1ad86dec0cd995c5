"""The tables of a comparison beside those of its scores: how well objects are counted, and what it costs."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean

from incmask.insight.report.comparison_page.rows import ModelRow, RunRow
from incmask.insight.report.comparison_page.tables import (
    NOTHING,
    Column,
    Reported,
    interval_text,
    make_table,
    score_text,
    summary_of,
)
from incmask.insight.report.page import Table
from incmask.insight.report.run_page.counting import WHAT_PQ_IS

_OBJECT_SCORES = {"count_error": "off by, of all objects", "pq": "PQ", "ap50": "AP50"}


def object_table(models: Sequence[ModelRow], runs: Sequence[RunRow]) -> Table | None:
    """Make the table of how well objects are counted, on the mean over repeats; None where none were looked for.

    Args:
        models, runs: of the comparison.
    """
    held = {name for row in models for name in row.details}
    columns: dict[str, Column] = {}
    for metric, name in _OBJECT_SCORES.items():
        if metric in held:
            columns[name] = partial(_mean, metric=metric)
            columns[f"{name}: 95 % interval"] = partial(_interval, metric=metric)
    note = (
        "Means over repeats, of the same students as above. Off by: the sum over images of the difference between "
        f"found and true objects, by all true ones (lower is better). {WHAT_PQ_IS}"
    )
    return make_table("Objects counted", columns, models, runs, note) if columns else None


def cost_table(models: Sequence[ModelRow], runs: Sequence[RunRow]) -> Table:
    """Make the table of what the approaches cost, on the mean over repeats.

    Args:
        models, runs: of the comparison.
    """
    costs: dict[str, Callable[[Reported], float]] = {
        "steps a model": lambda value: value.student.steps,
        "steps in all": lambda value: value.run.total_steps,
        "TFLOPs a student": lambda value: value.run.student_flops / 1e12,
        "TFLOPs in all": lambda value: value.run.total_flops / 1e12,
        "with EvalNets": lambda value: (value.run.total_flops + value.run.evalnet_flops) / 1e12,
        "seconds": lambda value: value.run.seconds,
    }
    columns = {name: partial(_amount, cost=cost) for name, cost in costs.items()}
    note = "Means over repeats. FLOPs count forward passes alone (equation 1); seconds are of training."
    return make_table("What it costs", columns, models, runs, note)


def _mean(values: Sequence[Reported], *, metric: str) -> str:
    summary = summary_of(values, metric)
    return NOTHING if summary is None else score_text(summary.mean)


def _interval(values: Sequence[Reported], *, metric: str) -> str:
    summary = summary_of(values, metric)
    return NOTHING if summary is None else interval_text(summary)


def _amount(values: Sequence[Reported], *, cost: Callable[[Reported], float]) -> str:
    mean = fmean(cost(value) for value in values)
    return f"{mean:,.0f}" if mean >= 100 else f"{mean:.3g}"
