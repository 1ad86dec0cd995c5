"""What was run: data, settings, versions, time and memory; rounds of labelling."""

import json
from collections.abc import Sequence
from pathlib import Path

from incmask.base.errors import fail
from incmask.base.intact import GONE, read_text
from incmask.base.words import counted
from incmask.data.rounds import ROUNDS
from incmask.experiment.paths import USAGE
from incmask.experiment.record.run import RunRecord
from incmask.insight.report.page import Block, Command, Fact, FactList, Table, TableCell, Text, plain_cell

_MAX_ROUNDS = 100
_ROUND_COLUMNS = {
    "number": "round",
    "num_labelled": "labelled images",
    "num_added": "added",
    "source": "came as",
    "date": "added at",
    "stage": "models",
    "total_steps": "steps in all",
}


def about_blocks(record: RunRecord, *, command: str) -> list[Block]:
    """Write what was run, and how to run it again.

    Args:
        record: of the run.
        command: that writes this page.
    """
    return [
        FactList(tuple(_facts(record))),
        FactList(
            tuple(
                Fact(name, _setting(value))
                for name, value in record.settings.model_dump(mode="json", exclude=record.settings.unsaid).items()
            ),
            "All settings",
        ),
        FactList(
            tuple(Fact(name, str(value)) for name, value in record.environment.get("packages", {}).items()), "Versions"
        ),
        Command("This page is written anew by", command),
        Text(
            "Other files of the run: run.toml (every choice), data.json (files and hashes), scores.csv, masks.csv.",
            "note",
        ),
    ]


def rounds_blocks(record: RunRecord) -> list[Block]:
    """Write the rounds of labelling so far, where they are recorded.

    Raises:
        IncmaskError: the record is damaged.
    """
    rounds = _read_rounds(record.root / ROUNDS)
    names = list(dict.fromkeys(name for each in rounds for name, value in each.items() if _is_plain(value)))
    if not names:
        return []
    rows = tuple(tuple(_round_cell(name, each.get(name)) for name in names) for each in rounds[:_MAX_ROUNDS])
    header = tuple(_ROUND_COLUMNS.get(name, name.removeprefix("num_").replace("_", " ")) for name in names)
    return [Table("Rounds", header, rows, _rounds_note(rounds), name="rounds-table")]


def _setting(value: object) -> str:
    """Write a value as `--set` takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def _round_cell(name: str, value: object) -> TableCell:
    if isinstance(value, bool):
        return TableCell("yes" if value else "no")
    if name == "date" and value:
        return TableCell(str(value)[:16].replace("T", " "))
    return plain_cell(value)


def _rounds_note(rounds: Sequence[dict[str, object]]) -> str:
    note = "Comparable: the same score on the same images as the last round's."
    steps = [each.get("total_steps") for each in rounds]
    if len(set(steps)) == 1 and None not in steps:
        return note
    return (
        f"{note} Steps in all count those of the models that a round's models began with. Where they differ or "
        "are not known, the labels are not all that a score rose by; `incmask run DATA --fresh` tells what they bring."
    )


def _facts(record: RunRecord) -> list[Fact]:
    data, names, settings = record.data, record.names, record.settings
    counts = ", ".join(f"{len(items):,} {part}" for part, items in data["parts"].items() if items)
    recipe = record.recipe
    environment = record.environment
    return [
        Fact("run", str(record.root)),
        Fact("images", counts),
        Fact("task", f"{record.task}: {', '.join(record.class_names)}"),
        Fact("sizes", _sizes(record)),
        Fact("approach", names["recipe"] + (f" ({recipe.title})" if recipe else "")),
        Fact("preset, effort, profile", f"{names['preset']}, {names['effort']}, {names['profile']}"),
        Fact("networks", f"{record.size_told}×{data['channels']}, {settings.networks}"),
        *([Fact("encoder's weights", "; licence: ".join(record.encoder))] if record.encoder else []),
        Fact(
            "models",
            f"{counted(len(record.base.students), 'base model')}"
            + "".join(f", {len(stage.students)} in {stage.title}" for stage in record.stages[1:])
            + f"; {settings.num_members} predict together",
        ),
        Fact(
            "training", f"{counted(settings.epochs, 'epoch')}, batches of {settings.batch_size}, seed {settings.seed}"
        ),
        Fact(
            "time",
            f"{counted(round(sum(each.seconds for each in record.all_stages)), 'second')} of training, one after the "
            "other",
        ),
        Fact("memory", _memory(record.root / USAGE)),
        Fact("machine", f"{environment.get('platform', 'not recorded')}, Python {environment.get('python', '–')}"),
    ]


def _sizes(record: RunRecord) -> str:
    items = (item for part in record.data["parts"].values() for item in part.values())
    sizes = {tuple(item["grid"]["shape"] if "grid" in item else item["size"]) for item in items}
    low, high = ("×".join(map(str, size)) for size in (min(sizes), max(sizes)))
    how = f"{record.settings.fit}d to the networks' size"
    if record.volumes is not None:
        how = f"in patches at a spacing of {'×'.join(f'{each:g}' for each in record.volumes.spacing)}"
    return f"{low if low == high else f'{low} to {high}'}, {how}"


def _memory(path: Path) -> str:
    """Give the largest memory that a process of the run took, where a run wrote it down."""
    try:
        peak = json.loads(read_text(path))["peak_memory_bytes"]
        return f"{peak / 2**20:,.0f} MiB at most in one process"
    except (*GONE, ValueError, KeyError, TypeError):
        return "not recorded"


def _read_rounds(path: Path) -> list[dict[str, object]]:
    try:
        content = json.loads(read_text(path))
        rounds = content["rounds"] if isinstance(content, dict) else content
        return [dict(each) for each in rounds]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise fail(path, f"is no record of rounds ({error})", "restore it, or remove it") from error


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)
