"""What the study found: means, what each is worth beside the labelled images alone, and differences with intervals."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.study.sets import SETS
from benchmarks.study.train import Trial, read
from incmask.insight.report.differences import Estimate, by_subject, paired_difference

BASELINE, CEILING = "ldt", "fdt"

Line = dict[str, Any]
Found = dict[tuple[str, str], dict[tuple[int, int], Line]]
"""Lines by set and approach, and by draw and seed."""


def table(out: Path, trials: Sequence[Trial], *, of: str) -> str:
    """Give a table for each number of steps: a row an approach, and for each set its mean and its share of the room.

    Args:
        out: folder of the study.
        trials: that are asked for.
        of: the approach whose differences from the others are told, with 95 % intervals.
    """
    wanted = {trial.key for trial in trials}
    by_steps: dict[int, list[Line]] = defaultdict(list)
    for line in read(out):
        if line["key"] in wanted:
            by_steps[line["steps"]].append(line)
    return "\n\n".join(_table(steps, lines, of=of) for steps, lines in sorted(by_steps.items()))


def difference(found: Found, name: str, first: str, second: str) -> Estimate | None:
    """Compare two approaches on a set, by the draws and seeds that both have; None: there are none.

    Draws of the labels are repeats, over whose seeds scores are averaged; the other draw is that of the test images'
    subjects.
    """
    a, b = found[name, first], found[name, second]
    pairs = sorted(a.keys() & b.keys())
    if not pairs:
        return None
    draws = sorted({draw for draw, _ in pairs})
    images = sorted(a[pairs[0]]["by_image"])
    subjects = [SETS[name].subject(image) for image in images]
    rows = [
        [
            np.mean([[side[pair]["by_image"][image] for image in images] for pair in pairs if pair[0] == draw], axis=0)
            for draw in draws
        ]
        for side in (a, b)
    ]
    return paired_difference(*(by_subject(each, subjects) for each in rows))


def _table(steps: int, lines: Sequence[Line], *, of: str) -> str:
    sets = list(dict.fromkeys(line["set"] for line in lines))
    approaches = list(dict.fromkeys(line["approach"] for line in lines))
    found: Found = defaultdict(dict)
    for line in lines:
        found[line["set"], line["approach"]][line["draw"], line["seed"]] = line
    rows = [["approach", *sets]]
    rows += [[approach, *(_cell(found, name, approach) for name in sets)] for approach in approaches]
    told = [laid_out(rows)]
    if of in approaches:
        others = [each for each in approaches if each != of]
        rows = [[f"{of} minus", *sets, "all"], *([each, *_differences(found, sets, of, each)] for each in others)]
        told.append(laid_out(rows))
    return f"{steps} steps\n" + "\n\n".join(told)


def laid_out(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of cells below a heading, columns below each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    text = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([text[0], "-" * len(text[0]), *text[1:]])


def _differences(found: Found, sets: Sequence[str], first: str, second: str) -> Iterator[str]:
    estimates = [difference(found, name, first, second) for name in sets]
    for each in estimates:
        yield "" if each is None else with_interval(each.mean, each.reach())
    known = [each for each in estimates if each is not None]
    # Of these very sets: their errors have nothing to do with each other.
    mean = float(np.mean([each.mean for each in known])) if known else math.nan
    reach = math.hypot(*(each.reach() for each in known)) / len(known) if known else math.nan
    yield with_interval(mean, reach)


def with_interval(mean: float, reach: float) -> str:
    """Write a difference, and its interval where there is one."""
    return f"{mean:+.3f}" + ("" if math.isnan(reach) else f" ({mean - reach:+.3f} to {mean + reach:+.3f})")


def _cell(found: Found, name: str, approach: str) -> str:
    own, base, full = (
        {pair: line["ensemble"] for pair, line in found[name, each].items()} for each in (approach, BASELINE, CEILING)
    )
    if not own:
        return ""
    told = f"{np.mean(list(own.values())):.3f} ({len(own)})"
    pairs = sorted(own.keys() & base.keys())
    if approach != BASELINE and pairs:
        told += f" {np.mean([own[pair] - base[pair] for pair in pairs]):+.3f}"
        both = [pair for pair in pairs if pair in full]
        if approach != CEILING and both:
            room = np.mean([full[pair] - base[pair] for pair in both])
            told += f" {np.mean([own[pair] - base[pair] for pair in both]) / room:.0%}"
    return told
