"""The table of all situations and entry points, also as Markdown."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import of_downloads
import of_files
import of_formats
import of_labelme
import of_leftovers
import of_masks
import of_numbers
import of_objects
import of_public
import of_shapes
import of_tools
import of_trees
import of_unnamed
import of_values
import of_walks
from situations import ENTRIES, LACKING, SITUATIONS, Outcome, Right, Situation

from incmask.base.tables import markdown_table

CHAPTERS = {
    "Folders": (of_walks, of_trees, of_public, of_downloads, of_unnamed),
    "Annotations and tools": (of_formats, of_shapes, of_labelme, of_tools, of_leftovers),
    "Masks": (of_masks, of_objects),
    "Intensities and orientation": (of_values, of_numbers),
    "Files": (of_files,),
}
"""What enters situations, by the heading under which they stand."""

TITLES = {"check": "`check`", "stack": "`run`", "prepare": "`prepare`", "predict": "`predict`", "python": "arrays"}

TABLE = [(name, entry) for name, each in SITUATIONS.items() for entry in each.entries]


def cell_of(outcome: Outcome | None) -> str:
    """Say in a word or two what an entry point makes of a situation."""
    if outcome is None:
        return "–"
    if isinstance(outcome, Right):
        return "read"
    if outcome.then is not None:
        return "asks"
    return "says how" if any("prepare" in words for words in outcome.words) else "refuses"


def rows_of(chapter: str) -> Iterator[tuple[str, ...]]:
    """Give the rows of a chapter: the situation, and a cell for each entry point."""
    names = {module.__name__ for module in CHAPTERS[chapter]}
    for each in SITUATIONS.values():
        if each.write.__module__ in names:
            with tempfile.TemporaryDirectory() as folder:
                (root := Path(folder) / "data").mkdir()
                outcomes = each.outcomes(root)
            yield (_line(each), *(cell_of(outcomes.get(entry)) for entry in ENTRIES))


def _line(each: Situation) -> str:
    return f"{each.about} `{each.name}`"


def page() -> str:
    """Make the page: a table for each chapter."""
    parts = [
        "# What is read, and what is asked",
        f"{len(SITUATIONS)} situations as people have them. Each of the {len(TABLE)} cells is tested with the values\n"
        "that are right. `python docs/make_inputs.py` writes this page from `tests/corpus`.",
        "- **read**: with the right values; where a choice was made, it is told\n"
        "- **asks**: the message has the line for `incmask.toml`, or the argument in Python, that answers\n"
        "- **says how**: the message names the call of `prepare` that reads it\n"
        "- **refuses**: the message says what is wrong, where, and how to mend it\n"
        "- **–**: not there, for one of these reasons:\n"
        + "\n".join(f"  - {reason}" for reason in LACKING.values() if reason),
        "`arrays` are the same pixels given in Python, as tifffile and Pillow read them.",
    ]
    for chapter in CHAPTERS:
        header = ("situation", *(TITLES[entry] for entry in ENTRIES))
        parts += [f"## {chapter}", markdown_table(header, [*rows_of(chapter)])]
    return "\n\n".join(parts) + "\n"
