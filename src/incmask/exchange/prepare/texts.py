"""What is written beside prepared images: their source, split and settings, and how each is told."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tomli_w

from incmask.base.config import IGNORED
from incmask.base.intact import hash_file
from incmask.base.machine import num_cores
from incmask.base.tables import csv_text, markdown_table
from incmask.base.threads import side_by_side
from incmask.data.dataset import PARTS
from incmask.exchange.prepare.plan import Count, Plan
from incmask.exchange.sources.sources import SourceTree
from incmask.method.labels import labels_of


def part_counts(plan: Plan) -> dict[str, int]:
    """Count the images of each part."""
    places = [place for work in plan.works for place in work.places]
    return {part: sum(place.part == part for place in places) for part in PARTS}


def config_text(plan: Plan) -> str:
    """Write ``incmask.toml``, from which a scan takes exactly the plan's task and classes."""
    # Beside ignored pixels the foreground of a binary mask is written as 1: 255 alone could not be told from them.
    labels = labels_of(plan.task)
    is_one = labels.is_one_class and plan.ignored
    data: dict[str, Any] = {
        "task": plan.task,
        "encoding": "folders" if labels.is_layered else "grey",
        "ignore": IGNORED if plan.ignored else "none",
    }
    if plan.position_class is not None:
        data["position_class"] = plan.position_class
    data["classes"] = [
        {"name": info.name, "value": 1 if is_one else info.value, "colour": list(info.colour)} for info in plan.classes
    ]
    return tomli_w.dumps({"profile": plan.profile, "settings": plan.settings, "data": data})


def split_text(plan: Plan) -> str:
    """Write ``split.csv``: each image of the source with its part, and its group where any has one."""
    rows = sorted((place.name, place.part) for place in plan.sources)
    if not plan.groups:
        return csv_text(("source", "part"), rows)
    return csv_text(("source", "part", "group"), [(name, part, plan.groups.get(name, name)) for name, part in rows])


def count_line(count: Count) -> str:
    """Say a count in a line, with the paper's and the reason where they differ."""
    paper = "" if count.paper is None else f", the paper has {count.paper}"
    same = count.paper is None or count.paper == count.found
    return f"{count.name}: {count.found}{'' if same else paper}{f' ({count.note})' if count.note else ''}"


def source_text(plan: Plan, source: SourceTree, *, command: str, choices: Mapping[str, Any]) -> str:
    """Write ``SOURCE.md``: what this folder was made of and how, its counts, and what the data's owner asks for."""
    origin = plan.origin
    sections = [f"# {plan.title}", f"Made by `{command}`."]
    if origin is not None:
        sections += [
            "## What the owner asks for",
            f"- Page: {origin.page}\n- Citation: {origin.citation}\n- Licence: {origin.licence}",
        ]
    sections += ["## Images", _table(("part", "images"), [[part, num] for part, num in part_counts(plan).items()])]
    if plan.counts:
        sections += [
            "Counts here and in the paper's table 2:",
            _table(
                ("", "here", "paper", "why they differ"),
                [[each.name, each.found, "" if each.paper is None else each.paper, each.note] for each in plan.counts],
            ),
        ]
    classes = [[info.name, "#{:02x}{:02x}{:02x}".format(*info.colour)] for info in plan.classes]
    sections += ["## Classes", f"Task: {plan.task}.", _table(("class", "colour"), classes)]
    if plan.notes:
        sections += ["## Notes", "\n".join(f"- {_flat(note)}" for note in plan.notes)]
    sections += [
        "## Files it was made of",
        "The SHA-256 of an archive is that of the file, of an unpacked folder that of the list of its files "
        "(path, tab, size in bytes, newline; sorted).",
        _table(("file or folder", "files", "bytes", "SHA-256"), [*_archives(source), *_folders(source)]),
        "## Choices",
        _table(("choice", "value"), [[name, f"`{value}`"] for name, value in choices.items() if value is not None]),
    ]
    return "\n\n".join(sections) + "\n"


def _archives(source: SourceTree) -> Iterator[list[object]]:
    paths = sorted({path for used in source.used for path in used.archives})
    for path, digest in zip(paths, side_by_side(hash_file, paths, num_threads=num_cores()), strict=True):
        yield [f"`{path.name}`", "archive", path.stat().st_size, f"`{digest}`"]


def _folders(source: SourceTree) -> Iterator[list[object]]:
    for used in source.used:
        if not used.archives:
            yield [f"`{used.folder}`", used.num_files or "archive", used.num_bytes, f"`{used.digest}`"]


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return markdown_table(header, [[_flat(str(cell)).replace("|", "\\|") for cell in line] for line in rows])


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
