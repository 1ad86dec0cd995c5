"""A run once more, with the choices that it recorded: what differs before, and which files differ after."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from incmask.base.caller import another_folder, option
from incmask.base.errors import fail
from incmask.base.intact import intact, read_manifest
from incmask.base.records import as_records, differences
from incmask.data.rounds import ENVIRONMENT
from incmask.experiment.choices import Resolved, resolve
from incmask.experiment.collapse import ended_early
from incmask.experiment.environment import environment_of
from incmask.experiment.named import OWN_RECIPE, Choices
from incmask.experiment.paths import CARD, MODEL, PAGE, USAGE
from incmask.experiment.record.run import RunRecord
from incmask.training.files import HISTORY

_OF_TIME = (ENVIRONMENT, USAGE, PAGE, f"{MODEL}/{CARD}")
"""Files that say where and when a run took place, or how long it took; the card names its folder."""

_TOLD_AT_MOST = 20


@dataclass(frozen=True)
class Reproduced:
    """What a run that was repeated came to.

    Attributes:
        source: the run folder that was reproduced.
        changed: what differs between then and now, a line each.
        different: files with other content, as paths from the run folder.
        missing: files that the new run has not.
        num_same: files with the same bytes.
    """

    source: Path
    changed: tuple[str, ...]
    different: tuple[str, ...]
    missing: tuple[str, ...]
    num_same: int

    @property
    def is_same(self) -> bool:
        """Whether all files have the same bytes, but for those that tell of time and machine."""
        return not self.different and not self.missing

    def lines(self) -> list[str]:
        """Tell what a person should know."""
        told = [*(f"{name}: differs" for name in self.different), *(f"{name}: is not there" for name in self.missing)]
        if len(told) > _TOLD_AT_MOST:
            told = [*told[:_TOLD_AT_MOST], f"and {len(told) - _TOLD_AT_MOST} more"]
        num = self.num_same + len(self.different) + len(self.missing)
        if self.is_same:
            return [f"reproduced: all {num} files have the same bytes as in {self.source}"]
        why = "; ".join(self.changed) or "no difference of versions, machine or data is known"
        return [
            *told,
            f"not reproduced: {self.num_same} of {num} files have the same bytes as in {self.source} ({why})",
        ]

    def as_dict(self) -> dict[str, Any]:
        """Give the same for machines."""
        return {
            "source": str(self.source),
            "same": self.is_same,
            "changed": list(self.changed),
            "different": list(self.different),
            "missing": list(self.missing),
            "num_same": self.num_same,
        }


def choices_of(record: RunRecord, data: Path) -> Resolved:
    """Give what a run recorded that it chose, as it would be chosen for these data now.

    Raises:
        IncmaskError: it began with what it does not hold, or the data do not allow it.
    """
    names = record.records.run
    if names["recipe"] == OWN_RECIPE or "own_recipe" in names:
        raise fail(
            record.root,
            "has a recipe of someone's own, which it does not hold",
            "run that recipe with the same settings",
        )
    if "start" in names:
        raise fail(
            record.root,
            "began with the models of an earlier round, which it does not hold",
            f"let {option('reproduce')} name a run that began anew",
        )
    chosen = resolve(
        data,
        Choices(
            recipe=names["recipe"],
            preset=names["preset"],
            effort=names["effort"],
            profile=names["profile"],
            group=names.get("group"),
            time=None,
            settings=dict(names["settings"]) | _begun_with(record),
        ),
    )
    known: dict[str, str] = {
        name: str(names[name]) for name in ("recipe", "preset", "effort", "profile", "group", "time") if name in names
    }
    return replace(chosen, names=known, size=record.size)


def _begun_with(record: RunRecord) -> dict[str, object]:
    """Give the settings that are not recorded among the others and make a difference."""
    return {"on_collapse": "keep-best" if ended_early(record.root) else "ignore"}


def changes(record: RunRecord, chosen: Resolved, data: dict[str, Any], *, packages: tuple[str, ...] = ()) -> list[str]:
    """Say in a line each what differs between a run and now: versions, machine, data and choices."""
    there = {name: value for name, value in record.environment.items() if name not in ("data", "url")}
    ours = as_records(run=chosen.describe_run(), data=data)
    return [
        *differences(there, environment_of(packages=packages)),
        *differences(record.records.data, ours.data),
        *differences(record.records.run, ours.run),
    ]


def compare(source: Path, out: Path, changed: tuple[str, ...]) -> Reproduced:
    """Compare the files of two run folders by their digests.

    Raises:
        IncmaskError: a manifest is damaged.
    """
    theirs, ours = read_manifest(source), read_manifest(out)
    num, missing, different = 0, [], []
    for name, entry in theirs.told():
        if name in _OF_TIME:
            continue
        num += 1
        if name not in ours:
            missing.append(name)
        elif entry != ours[name] and not _differs_by_time(source, out, name):
            different.append(name)
    return Reproduced(source, changed, tuple(different), tuple(missing), num - len(missing) - len(different))


def _differs_by_time(source: Path, out: Path, name: str) -> bool:
    """Tell whether two tables of a training are the same but for the last column, which has seconds."""
    if Path(name).name != HISTORY:
        return False
    theirs, ours = (list(_without_last(intact(root / name))) for root in (source, out))
    return theirs == ours


def _without_last(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield line.rpartition(",")[0]


def check_folder(source: Path, out: Path) -> None:
    """Refuse to reproduce a run in its own folder, where it would be found finished.

    Raises:
        IncmaskError: it is the same.
    """
    if source.resolve() == out.resolve():
        raise fail(out, "is the run that is to be reproduced", another_folder())
