"""What the study found: means over draws and seeds, and what each is worth beside the labelled images alone."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.study.train import Trial, read

BASELINE, CEILING = "ldt", "fdt"


def table(out: Path, trials: Sequence[Trial]) -> str:
    """Give a table for each number of steps: a row an approach, and for each set its mean and its share of the room."""
    wanted = {trial.key for trial in trials}
    by_steps: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for line in read(out):
        if line["key"] in wanted:
            by_steps[line["steps"]].append(line)
    return "\n\n".join(_table(steps, lines) for steps, lines in sorted(by_steps.items()))


def _table(steps: int, lines: Sequence[dict[str, Any]]) -> str:
    sets = list(dict.fromkeys(line["set"] for line in lines))
    approaches = list(dict.fromkeys(line["approach"] for line in lines))
    found: dict[tuple[str, str], dict[tuple[int, int], float]] = defaultdict(dict)
    for line in lines:
        found[line["set"], line["approach"]][line["draw"], line["seed"]] = line["ensemble"]
    rows = [["approach", *sets]]
    rows += [[approach, *(_cell(found, name, approach) for name in sets)] for approach in approaches]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    text = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return f"{steps} steps\n" + "\n".join([text[0], "-" * len(text[0]), *text[1:]])


def _cell(found: dict[tuple[str, str], dict[tuple[int, int], float]], name: str, approach: str) -> str:
    own, base = found[name, approach], found[name, BASELINE]
    if not own:
        return ""
    told = f"{np.mean(list(own.values())):.3f} ({len(own)})"
    pairs = sorted(own.keys() & base.keys())
    if approach != BASELINE and pairs:
        told += f" {np.mean([own[pair] - base[pair] for pair in pairs]):+.3f}"
        full = found[name, CEILING]
        both = [pair for pair in pairs if pair in full]
        if approach != CEILING and both:
            room = np.mean([full[pair] - base[pair] for pair in both])
            told += f" {np.mean([own[pair] - base[pair] for pair in both]) / room:.0%}"
    return told
