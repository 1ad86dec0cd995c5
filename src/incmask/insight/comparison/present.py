"""A finished comparison as files for people: tables, significance, figures, picture sheets and one page."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incmask.base.intact import intact
from incmask.base.store import reopen
from incmask.base.tables import csv_text
from incmask.base.words import counted
from incmask.data.rounds import ENVIRONMENT
from incmask.insight.comparison.compare import Comparison
from incmask.insight.report.comparison_page.other_tables import cost_table, object_table
from incmask.insight.report.comparison_page.rows import OWN
from incmask.insight.report.comparison_page.sentences import BUDGET_NAMES, no_room_warnings, verdict_sentences
from incmask.insight.report.comparison_page.tables import (
    approach_name,
    best_table,
    mean_table,
    reported,
    split_of,
)
from incmask.insight.report.comparison_page.verdicts import Verdict, pairs_by_budget, verdict_table, verdicts
from incmask.insight.report.page import Fact, Table
from incmask.insight.report.pairs import PairRow
from incmask.insight.report.statistics import summarise

PAGE, TABLES, SIGNIFICANCE, FIGURES, SHEETS = "compare.html", "tables.md", "significance.csv", "figures", "sheets"


@dataclass(frozen=True)
class Findings:
    """What a comparison found, in tables and sentences.

    Attributes:
        tables: verdicts, means over repeats, best of repeats, objects, costs, EvalNets.
        pairs: all pairs, by budget.
        fair: the same of the means of all students.
        sentences: the gist.
        warnings: what a reader must not miss.
    """

    tables: tuple[Table, ...]
    pairs: dict[str, list[PairRow]]
    fair: dict[str, list[PairRow]]
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]


def find(comparison: Comparison) -> Findings:
    """Make the tables of a comparison and say what is in them."""
    models, totals, images = comparison.models, comparison.totals, comparison.images
    pairs = pairs_by_budget(models, totals, images)
    fair = pairs_by_budget(models, totals, images, of="all students")
    found = verdicts(models, totals, pairs, fair)
    made = (make(models, totals, scoring=comparison.scoring) for make in (mean_table, best_table))
    tables = [
        verdict_table(found, models, totals),
        *made,
        object_table(models, totals),
        cost_table(models, totals),
        _judges_table(comparison),
    ]
    return Findings(
        tables=tuple(table for table in tables if table is not None),
        pairs=pairs,
        fair=fair,
        sentences=tuple(verdict_sentences(found, pairs)),
        warnings=tuple(_warnings(comparison, found)),
    )


def write_findings(comparison: Comparison, findings: Findings) -> list[Path]:
    """Write ``tables.md`` and ``significance.csv`` into the comparison's folder."""
    parts = [*findings.warnings, *findings.sentences, *(table.to_markdown() for table in findings.tables)]
    texts = {TABLES: "\n\n".join(parts) + "\n", SIGNIFICANCE: _significance(findings)}
    return _write(comparison, {name: text.encode() for name, text in texts.items()})


def _write(comparison: Comparison, contents: Mapping[str, bytes]) -> list[Path]:
    """Write files into the comparison's folder, and enter them; give their paths."""
    with reopen(comparison.root) as store:
        store.write_all(found := {comparison.root / name: content for name, content in contents.items()})
    return [*found]


def _significance(findings: Findings) -> str:
    header = (
        *("budget", "of", "first", "second", "difference", "low", "high", "p", "adjusted_p", "significant"),
        *("repeats", "subjects", "overlap"),
    )
    lines = [
        (
            budget,
            of,
            pair.first,
            pair.second,
            pair.difference.mean,
            *map(_known, (pair.difference.low, pair.difference.high, pair.difference.p_value, pair.adjusted_p)),
            _known(pair.significant),
            pair.difference.num("repeat"),
            pair.difference.num("subject"),
            _known(pair.intervals_overlap),
        )
        for of, found in (("reported", findings.pairs), ("all students", findings.fair))
        for budget, pairs in found.items()
        for pair in pairs
    ]
    return csv_text(header, lines)


def _known(value: float | bool | None) -> float | bool | str:
    """Leave what cannot be told empty."""
    return "" if value is None or math.isnan(value) else value


def write_page(comparison: Comparison, findings: Findings, *, command: str | None = None) -> Path:
    """Draw ``figures/``, ``sheets/`` and ``compare.html``.

    Args:
        comparison: what came out.
        findings: its tables.
        command: that repeats it.

    Raises:
        IncmaskError: the packages for reports are not installed.
    """
    from incmask.insight.comparison.pictures import figure_groups, picture_sheets
    from incmask.insight.report.comparison_page.page import comparison_page, costs_table, pairs_table
    from incmask.insight.report.render import render

    groups, sheets = figure_groups(comparison), picture_sheets(comparison)
    pairs = [
        # The names alone do not tell the budget.
        pairs_table(each, title=f"Differences between all pairs, {BUDGET_NAMES[budget]}")
        for budget, each in findings.pairs.items()
        if each
    ]
    page = comparison_page(
        title=f"Approaches compared on {comparison.data_name}",
        facts=facts(comparison),
        warnings=findings.warnings,
        sentences=findings.sentences,
        tables=findings.tables,
        pairs=pairs,
        figures=groups,
        costs=costs_table(),
        sheets=sheets,
        how_to_repeat=_how_to_repeat(comparison, command),
    )
    drawn = {f"{FIGURES}/{each.name}.svg": each.svg.encode() for group in groups for each in group.pictures}
    shown = {f"{SHEETS}/{each.name}.png": each.png for each in sheets}
    return _write(comparison, drawn | shown | {PAGE: render(page)})[-1]


def facts(comparison: Comparison) -> list[Fact]:
    """Tell what was compared, as names and values."""
    chosen, dataset = comparison.chosen, comparison.chosen.dataset
    settings = chosen.settings
    repeats = max(run.cell.variant.repeat for run in comparison.runs)
    counts = ", ".join(f"{len(items)} {part}" for part, items in dataset.parts() if items)
    return [
        Fact("data", f"{comparison.data_name}: {counts}"),
        Fact("task", f"{dataset.task}: {', '.join(each.name for each in dataset.classes)}"),
        Fact("networks", f"{chosen.size[0]}×{chosen.size[1]}×{dataset.channels}, {settings.networks}"),
        Fact("approaches", ", ".join(dict.fromkeys(run.cell.variant.recipe for run in comparison.runs))),
        Fact("repeats", f"{repeats}, with seeds from {settings.seed}"),
        Fact(
            "models",
            f"{counted(settings.num_base, 'base model')}, {counted(settings.num_students, 'student')} a generation, "
            f"{counted(settings.num_generations, 'generation')}, {counted(settings.num_members, 'member')}",
        ),
        Fact(
            "training",
            f"preset {chosen.names['preset']}, {counted(settings.epochs, 'epoch')}, batches of {settings.batch_size}",
        ),
        Fact("score", f"{comparison.scoring.full_name}, a mean over images. {comparison.scoring.note}".rstrip()),
        Fact("steps", " ".join(comparison.notes)),
        *([Fact("inconsistency masks", comparison.best_of.told)] if comparison.best_of else []),
    ]


def _how_to_repeat(comparison: Comparison, command: str | None) -> list[Fact]:
    environment = json.loads(intact(comparison.root / ENVIRONMENT).read_text(encoding="utf-8"))
    packages = " ".join(f"{name}=={version}" for name, version in environment["packages"].items())
    found = {"python": environment["python"], "machine": environment["platform"], "packages": packages}
    return [Fact(name, value) for name, value in (({"command": command} if command else {}) | found).items()]


def _warnings(comparison: Comparison, found: Sequence[Verdict]) -> list[str]:
    warnings = no_room_warnings(found)
    for run in comparison.runs:
        judges = run.outcome.trained.judges
        if judges and not judges.report.useful:
            variant = run.cell.variant
            warnings.append(
                f"{approach_name(variant)}, repeat {variant.repeat}: the EvalNets are no better than predicting "
                f"the mean (off by {judges.report.mae:.3f}, the mean by {judges.report.mean_mae:.3f})."
            )
    return warnings


def _judges_table(comparison: Comparison) -> Table | None:
    """Tell how well EvalNets rate, a line a run that has them."""
    lines = []
    for run in comparison.runs:
        if (judges := run.outcome.trained.judges) is None:
            continue
        variant, report = run.cell.variant, judges.report
        numbers = [
            "–" if value is None else f"{value:.3f}"
            for value in (report.mae, report.mean_mae, report.pearson, report.spearman)
        ]
        lines.append((approach_name(variant), variant.budget, str(variant.repeat), str(report.num_judges), *numbers))
    if not lines:
        return None
    return Table(
        title="How well the EvalNets rate",
        header=("approach", "budget", "repeat", "judges", "MAE", "MAE of the mean", "Pearson", "Spearman"),
        rows=tuple(lines),
        note="Predicted against true quality of the validation pairs, by the judges together. MAE of the mean: that of "
        "always predicting the mean quality of the training pairs.",
    )


def comparison_text(comparison: Comparison, findings: Findings) -> str:
    """Give the gist for a terminal: a line an approach, sentences, and where the files are."""
    lines = []
    groups = reported(comparison.models, comparison.totals)
    split = split_of(comparison.models)
    lines.append(f"{'approach':<28}{'generation':>11}{split + ' score':>14}{'± error':>9}{'FLOPs':>11}")
    for approach, values in groups.items():
        summary = summarise([value.student.score for value in values])
        generations = "/".join(str(value.run.best_generation) for value in values)
        error = "" if summary.num < 2 else f"{summary.standard_error:.4f}"
        cost = sum(value.run.total_flops + value.run.evalnet_flops for value in values) / len(values)
        budget = "" if approach.budget == OWN else " (equal steps)"
        lines.append(
            f"{approach_name(approach) + budget:<28}{generations:>11}{summary.mean:>14.4f}{error:>9}{cost:>11.2e}"
        )
    lines.append(f"score: {comparison.scoring.full_name}, a mean over images")
    files = [name for name in (PAGE, TABLES, "results.csv", SIGNIFICANCE) if (comparison.root / name).exists()]
    return "\n".join(
        [*lines, *findings.warnings, *findings.sentences, *(f"  {comparison.root / name}" for name in files)]
    )


def comparison_as_dict(comparison: Comparison, findings: Findings) -> dict[str, Any]:
    """Give the same for machines."""
    return {
        "out": str(comparison.root),
        "score": comparison.scoring.full_name,
        "approaches": [
            {
                "recipe": approach.recipe,
                "setting": approach.setting,
                "budget": approach.budget,
                "generations": [value.run.best_generation for value in values],
                "scores": [value.student.score for value in values],
                "total_flops": [value.run.total_flops for value in values],
                "evalnet_flops": [value.run.evalnet_flops for value in values],
                "seconds": [value.run.seconds for value in values],
            }
            for approach, values in reported(comparison.models, comparison.totals).items()
        ],
        **({"best_of": comparison.best_of.as_dict()} if comparison.best_of else {}),
        "warnings": list(findings.warnings),
        "sentences": list(findings.sentences),
    }
