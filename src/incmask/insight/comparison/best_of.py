"""The erosion and dilation that served IM best in a sweep, for all approaches with its masks (paper section 3.6.1)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from incmask.base.caller import command, either, option, setting
from incmask.base.caller import settings as settings_of
from incmask.base.config import Settings
from incmask.base.errors import fail
from incmask.base.images_on_disk import read_records
from incmask.base.intact import intact
from incmask.base.records import RUN, differences
from incmask.base.tables import read_rows
from incmask.experiment.choices import Resolved, resolve
from incmask.experiment.named import Choices
from incmask.experiment.record.run import read_record
from incmask.insight.comparison.plan import folder_of
from incmask.insight.report.comparison_page.rows import OWN, RESULTS, ModelRow, Variant
from incmask.insight.report.comparison_page.tables import best_settings, reached, series

SWEPT_RECIPE = "im"
TAKEN = ("erode_px", "dilate_px")


def _go_on() -> str:
    return f"let the same {command('compare')} go on to its end first"


def _how_to_sweep() -> str:
    how = either(
        "incmask compare DATA -o SWEEP --recipes im --set erode_px=0,3,5 --set dilate_px=0,3,5",
        'compare(DATA, out=SWEEP, recipes="im", grid={"erode_px": [0, 3, 5], "dilate_px": [0, 3, 5]})',
    )
    return f"sweep first: {how}"


@dataclass(frozen=True)
class BestOf:
    """Erosion and dilation from a sweep.

    Attributes:
        sweep: folder of the comparison.
        settings: what to take: ``erode_px`` and ``dilate_px``.
        score: on validation there, of the best generation, the mean over repeats.
        num_settings: of which they are the best.
        num_repeats: of each.
    """

    sweep: Path
    settings: dict[str, object]
    score: float
    num_settings: int
    num_repeats: int

    @property
    def told(self) -> str:
        """Say what was taken, and from where."""
        taken = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        repeats = f", mean of {self.num_repeats} repeats" if self.num_repeats > 1 else ""
        return (
            f"{taken}: the best of {self.num_settings} settings of {SWEPT_RECIPE} by validation in {self.sweep} "
            f"({self.score:.3f}{repeats})"
        )

    def as_dict(self) -> dict[str, Any]:
        """Give the same for machines."""
        return {"sweep": str(self.sweep), **self.settings, "score": self.score, "num_settings": self.num_settings}

    def over(self, choices: Choices) -> Choices:
        """Lay the settings over others."""
        return replace(choices, settings=(choices.settings or {}) | self.settings)


def best_of(sweep: Path, data: Path, choices: Choices, *, grid: Collection[str] = ()) -> BestOf:
    """Find the erosion and dilation with which IM was best on validation in a sweep on the same data.

    What else was swept must be as it is chosen now: only those settings are compared that agree in it.

    Args:
        sweep: folder of a comparison with ``im`` and several values of ``erode_px`` or ``dilate_px``.
        data: the data folder.
        choices: what is to be run.
        grid: settings that are to be swept now.

    Raises:
        IncmaskError: the folder holds no such sweep, or an unfinished one; its data, task or size are others; or
            erosion or dilation was chosen already.
    """
    for name in TAKEN:
        if name in {*(choices.settings or {}), *grid}:
            raise fail(setting(name), f"is what {option('best-of')} chooses", "leave out one of the two")
    chosen = resolve(data, replace(choices, recipe=SWEPT_RECIPE))
    _check_records(sweep, chosen)
    models = [
        row
        for row in read_rows(intact(sweep / RESULTS, mend=_go_on()), ModelRow, mend=_go_on())
        if (row.recipe, row.budget) == (SWEPT_RECIPE, OWN)
    ]
    tried = _comparable(sweep, _settings_of(sweep, models), chosen.settings)
    rows = [row for row in models if row.setting in tried and row.split == "val"]
    num_repeats = _num_repeats(sweep, rows)
    best = best_settings(rows)[SWEPT_RECIPE]
    scores = {one.setting: reached(summaries, "score") for one, summaries in series(rows).items()}
    return BestOf(
        sweep=sweep,
        settings={name: getattr(tried[best], name) for name in TAKEN},
        score=scores[best],
        num_settings=len(tried),
        num_repeats=num_repeats,
    )


def _check_records(sweep: Path, chosen: Resolved) -> None:
    if not (sweep / RUN).exists() or "comparison" not in (records := read_records(sweep)).run:
        raise fail(sweep, "is no folder of a comparison", _how_to_sweep())
    task, size = chosen.dataset.task, list(chosen.size)
    if (theirs := records.data["task"]) != task:
        raise fail(sweep, f"is about a {theirs} task, and these data are {task}", _how_to_sweep())
    if different := differences(records.data, chosen.describe_data()):
        more = f", and {len(different) - 1} more differences" if len(different) > 1 else ""
        raise fail(
            sweep,
            f"was made with other data: {different[0]}{more}",
            f"{_how_to_sweep()}; or choose with {option('set')} by hand",
        )
    if (theirs := records.run["size"]) != size:
        raise fail(
            sweep,
            f"was made at {theirs[0]}×{theirs[1]} pixels, where a square of some pixels covers another part than at "
            f"{size[0]}×{size[1]}",
            f"use {option('size', theirs)}, or {_how_to_sweep()}",
        )


def _settings_of(sweep: Path, models: Sequence[ModelRow]) -> dict[str, Settings]:
    """Read what each setting of the sweep stands for, from its first run."""
    found: dict[str, Settings] = {}
    for row in models:
        if row.setting not in found:
            run = folder_of(Variant(row.recipe, row.setting, row.budget, row.repeat))
            found[row.setting] = read_record(sweep / run).settings
    return found


def _comparable(sweep: Path, tried: Mapping[str, Settings], chosen: Settings) -> dict[str, Settings]:
    """Keep the settings that differ from what is chosen in nothing that was swept but erosion and dilation."""
    values = {
        name: list(dict.fromkeys(getattr(settings, name) for settings in tried.values()))
        for name in Settings.model_fields
        if name != "seed"
    }
    others = {name: several for name, several in values.items() if len(several) > 1 and name not in TAKEN}
    for name, several in others.items():
        if (now := getattr(chosen, name)) not in several:
            told = " or ".join(settings_of(**{name: value}) for value in several)
            raise fail(sweep, f"was swept over {name}, but not at {now}, which it is now", f"use {told}")
    held = {
        setting: settings
        for setting, settings in tried.items()
        if all(getattr(settings, name) == getattr(chosen, name) for name in others)
    }
    if len(held) < 2:
        there = "".join(f" at {name}={getattr(chosen, name)}" for name in others)
        raise fail(sweep, f"holds no sweep of {SWEPT_RECIPE} over erode_px and dilate_px{there}", _how_to_sweep())
    return held


def _num_repeats(sweep: Path, rows: Sequence[ModelRow]) -> int:
    """Count the repeats, which every setting of a finished sweep has."""
    repeats: dict[str, set[int]] = {}
    for row in rows:
        repeats.setdefault(row.setting, set()).add(row.repeat)
    most = max(map(len, repeats.values()))
    for tried, of_it in repeats.items():
        if len(of_it) < most:
            raise fail(
                sweep,
                f"is not finished: {SWEPT_RECIPE} {tried} has {len(of_it)} of {most} repeats",
                _go_on(),
            )
    return most
