"""The report of a finished run: ``RUN/report.html``, one page that needs no other file and no network."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from incmask.base.store import reopen
from incmask.experiment.paths import PAGE
from incmask.experiment.record.run import RunRecord, read_run
from incmask.insight.report.page import Page, PageSection, Text
from incmask.insight.report.render import render
from incmask.insight.report.run_page.about import about_blocks, rounds_blocks
from incmask.insight.report.run_page.course import course_blocks
from incmask.insight.report.run_page.helped import helped_blocks, verdict_of, write_verdict
from incmask.insight.report.run_page.quality import judge, quality_blocks
from incmask.insight.report.run_page.reliability import reliability_blocks
from incmask.insight.report.run_page.unlabelled import MAX_ROWS, MAX_THUMBNAILS, next_blocks, unsure_blocks
from incmask.insight.report.run_page.unlabelled_pictures import UnlabelledPictures
from incmask.insight.report.run_page.values import value_quality_blocks, value_unsure_blocks
from incmask.method.values import ValueRange

_LIMITS = ((MAX_ROWS, MAX_THUMBNAILS), (300, 24), (100, 6), (20, 0))


def write_report(root: Path) -> Path:
    """Write ``report.html`` into a finished run folder, whole or not at all.

    Args:
        root: the run folder; what is gone from it, such as ``stacks/``, is left out of the page with a note.

    Returns:
        The page.

    Raises:
        IncmaskError: it is no finished run folder, another process works there, a file is damaged, or the packages for
            reports are not installed.
    """
    record = read_run(root)
    write_verdict(record)
    with reopen(root) as store:
        page = run_page(record) if record.scoring.target is None else values_page(record, record.scoring.target)
        store.write(root / PAGE, render(page).decode())
    return root / PAGE


def run_page(record: RunRecord) -> Page:
    """Find out everything that the page says.

    Raises:
        IncmaskError: a file is damaged, or matplotlib is not installed.
    """
    verdict = verdict_of(record)
    images = UnlabelledPictures(record)
    command = shlex.join(["incmask", "report", str(record.root)])
    sections = (
        PageSection("quality", "How good is the model?", quality_blocks(record, judge(record))),
        PageSection("helped", "Did the unlabelled images help?", helped_blocks(verdict)),
        PageSection("unsure", "Where is it unsure?", unsure_blocks(record, images)),
        PageSection("reliability", "Does disagreement tell where it is wrong?", reliability_blocks(record)),
        PageSection("next", "What to label next?", next_blocks(record, images)),
        PageSection("course", "How did training go?", course_blocks(record)),
        PageSection("rounds", "What did each round of labelling bring?", rounds_blocks(record)),
        PageSection("about", "What was run?", about_blocks(record, command=command)),
    )
    return _page(record, sections, verdict.gist)


def values_page(record: RunRecord, target: ValueRange) -> Page:
    """Find out everything that the page of a run says whose targets are numbers.

    Raises:
        IncmaskError: a file is damaged, or matplotlib is not installed.
    """
    verdict = verdict_of(record)
    command = shlex.join(["incmask", "report", str(record.root)])
    sections = (
        PageSection("quality", "How good is the model?", value_quality_blocks(record, target)),
        PageSection("helped", "Did the unlabelled images help?", helped_blocks(verdict)),
        PageSection("unsure", "Where is it unsure?", value_unsure_blocks(record, target)),
        PageSection("course", "How did training go?", course_blocks(record)),
        PageSection("about", "What was run?", about_blocks(record, command=command)),
    )
    return _page(record, sections, verdict.gist)


def _page(record: RunRecord, sections: tuple[PageSection, ...], gist: str) -> Page:
    return Page(
        title=f"Report of {record.root.resolve().name}",
        summary=tuple(_summary(sections, gist)),
        sections=sections,
        is_live=True,
        limits=_LIMITS,
    )


def _summary(sections: Sequence[PageSection], gist: str) -> Iterator[str]:
    texts = [block for section in sections for block in section.blocks if isinstance(block, Text)]
    quality = next((block.text for block in sections[0].blocks if isinstance(block, Text)), "")
    yield from (quality, gist)
    if num_warnings := sum(text.tone == "warning" for text in texts):
        yield f"Read the {num_warnings} warnings below." if num_warnings > 1 else "Read the warning below."
