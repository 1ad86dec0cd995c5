"""The page in a real browser: opened from a file, sorted and toggled by mouse and keyboard, small, dark and printed.

With ``INCMASK_REPORT`` naming a page and ``INCMASK_PICTURES`` a folder, the pictures of the documentation are taken.
"""

import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser import chromium, find_chromium
from finished_runs import EVIL, copy_of
from incmask.insight.report.run_page.write import write_report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed: apt-get install chromium"),
]

ORDER = "[...document.querySelectorAll('#shares tbody tr')].map((row) => row.cells[{column}].textContent)"
HEAD = "document.querySelectorAll('#shares thead th')[{column}]"
SEEN = "getComputedStyle(document.querySelector('#most-disputed .layer')).visibility"


@pytest.fixture(scope="module")
def report(tmp_path_factory, finished_run):
    run = copy_of(finished_run("growing"), tmp_path_factory.mktemp("browser"))
    return write_report(run)


@pytest.fixture(scope="module")
def browser():
    with chromium() as page:
        yield page


@pytest.fixture
def page(browser, report):
    browser.show(width=1100)
    browser.problems.clear()
    browser.open(report)
    yield browser
    assert browser.problems == []


def test_a_table_is_sorted_by_mouse_in_both_directions(page):
    disputed = page.run(ORDER.format(column=1))
    assert disputed == sorted(disputed, key=lambda text: -float(text.split()[0]))
    assert page.run(f"{HEAD.format(column=1)}.getAttribute('aria-sort')") == "descending"
    page.run(f"{HEAD.format(column=1)}.querySelector('button').click()")
    assert page.run(ORDER.format(column=1)) == disputed[::-1]
    assert page.run(f"{HEAD.format(column=1)}.getAttribute('aria-sort')") == "ascending"
    assert page.run("document.querySelectorAll('#shares [aria-sort]').length") == 1


def test_a_table_is_sorted_by_keyboard_and_names_sort_as_text(page):
    page.run(f"{HEAD.format(column=0)}.querySelector('button').focus()")
    page.press("Enter")
    names = page.run(ORDER.format(column=0))
    assert names[0] == EVIL
    assert names[1:] == [f"unlabelled {number}" for number in range(1, 5)]
    assert page.run(f"{HEAD.format(column=0)}.getAttribute('aria-sort')") == "ascending"
    page.press(" ")
    assert page.run(ORDER.format(column=0)) == names[::-1]


def test_every_table_can_be_sorted_by_every_column(page):
    page.run("document.querySelectorAll('table.sortable th button').forEach((button) => button.click())")
    page.run("document.querySelectorAll('table.sortable th button').forEach((button) => button.click())")
    assert page.run("document.querySelectorAll('th[aria-sort]').length") == page.run(
        "document.querySelectorAll('table.sortable').length"
    )


def test_numbers_sort_by_value_and_dashes_stay_last(page):
    page.run(
        "document.querySelector('#shares tbody').innerHTML = "
        "['10', '9', '–', '-1'].map((text) => `<tr><th>${text}</th><td>x</td><td></td><td></td></tr>`).join('')"
    )
    click = f"{HEAD.format(column=0)}.querySelector('button').click()"
    page.run(click)
    assert page.run(ORDER.format(column=0)) == ["-1", "9", "10", "–"]
    page.run(click)
    assert page.run(ORDER.format(column=0)) == ["10", "9", "-1", "–"]


def test_what_lies_over_the_pictures_is_switched_off_and_on(page):
    switch = "document.querySelector('#most-disputed .switch')"
    assert page.run(f"{switch}.textContent") == "Show disputed pixels"
    assert (page.run(SEEN), page.run(f"{switch}.getAttribute('aria-pressed')")) == ("visible", "true")
    with_layer = page.picture(whole=True)
    page.run(f"{switch}.click()")
    assert (page.run(SEEN), page.run(f"{switch}.getAttribute('aria-pressed')")) == ("hidden", "false")
    assert page.picture(whole=True) != with_layer
    page.run(f"{switch}.focus()")
    page.press("Enter")
    assert page.run(SEEN) == "visible"


VIEWER = "document.querySelector('dialog.viewer')"
BIG = f"getComputedStyle({VIEWER}.querySelector('.layer')).visibility"


def test_a_picture_is_enlarged_leafed_through_and_left_by_keyboard(page):
    covers = "[...document.querySelectorAll('#most-disputed .cover')]"
    labels = page.run(f"{covers}.map((each) => each.getAttribute('aria-label'))")
    names = page.run(ORDER.format(column=0))
    assert labels == [f"Enlarge {name}" for name in names[: len(labels)]]
    small = page.run(f"{covers}[0].parentElement.clientWidth")
    page.run(f"{covers}[0].focus()")
    page.press("Enter")
    assert page.run(f"{VIEWER}.open")
    assert page.run(f"{VIEWER}.getAttribute('aria-label')") == f"{names[0]}, 1 of {len(labels)}"
    assert page.run(f"{VIEWER}.querySelector('.layers').clientWidth") > 2 * small
    assert page.run(f"{VIEWER}.querySelector('img').alt") != ""
    assert page.run("document.activeElement.textContent") == "Close"
    page.press("ArrowRight")
    assert page.run(f"{VIEWER}.getAttribute('aria-label')") == f"{names[1]}, 2 of {len(labels)}"
    page.press("ArrowLeft")
    page.press("ArrowLeft")
    assert (
        page.run(f"{VIEWER}.getAttribute('aria-label')") == f"{names[len(labels) - 1]}, {len(labels)} of {len(labels)}"
    )
    switch = f"[...{VIEWER}.querySelectorAll('button')].at(-1)"
    page.run(f"{switch}.click()")
    assert (page.run(BIG), page.run(f"{switch}.getAttribute('aria-pressed')")) == ("hidden", "false")
    assert page.run(SEEN) == "visible"
    page.press("Escape")
    assert not page.run(f"{VIEWER}.open")
    assert page.run(f"document.activeElement === {covers}[0]")


@pytest.mark.parametrize("width", [390, 1280])
def test_an_enlarged_picture_fits_the_window(page, width):
    page.show(width=width)
    page.run("document.querySelector('#predictions .cover').click()")
    assert page.run(f"{VIEWER}.scrollWidth <= {VIEWER}.clientWidth")
    assert page.run(f"{VIEWER}.querySelector('.layers').getBoundingClientRect().right") <= width
    page.run(f"{VIEWER}.close()")


def test_everything_can_be_reached_by_keyboard(page):
    reached = set()
    for _ in range(200):
        page.press("Tab")
        if page.run("document.activeElement === document.body"):
            break
        page.run("document.activeElement.dataset.reached = 'yes'")
        reached.add(page.run("document.activeElement.tagName"))
    assert {"A", "BUTTON", "SUMMARY", "DIV", "PRE"} <= reached
    missed = "[...document.querySelectorAll('button, a, summary')].filter((each) => !each.dataset.reached"
    assert page.run(f"{missed} && each.checkVisibility()).map((each) => each.outerHTML)") == []


@pytest.mark.parametrize("width", [390, 768, 1100])
def test_the_page_is_as_wide_as_the_window(page, width):
    page.show(width=width)
    assert page.run("document.documentElement.scrollWidth") == width


def test_figures_are_whole_on_a_phone_and_tables_that_go_on_have_a_shadow(page):
    page.show(width=390)
    assert page.run("[...document.querySelectorAll('figure svg')].every((each) => each.clientWidth <= 358)")
    wide = "[...document.querySelectorAll('.wide')].filter((each) => each.scrollWidth > each.clientWidth)"
    assert page.run(f"{wide}.length") > 0
    table = f"{wide}[0]"
    page.run(f"{table}.scrollIntoView()")
    right = page.run(f"{table}.getBoundingClientRect().right")
    bottom = page.run(f"{table}.getBoundingClientRect().bottom")

    def edge():
        # The last row's lower part, which holds no letters.
        shown = np.asarray(Image.open(io.BytesIO(page.picture())).convert("L"), int)
        return shown[int(bottom) - 3, int(right) - 2]

    assert edge() < 220
    page.run(f"{table}.scrollTo(9999, 0)")
    assert edge() > 235
    assert page.run("[...document.querySelectorAll('.long')].every((each) => each.clientWidth >= 170)")


@pytest.mark.parametrize("dark", [False, True])
def test_letters_stand_out_from_the_page_in_light_and_in_dark(page, dark):
    page.show(width=1100, dark=dark)
    colours = page.run(
        "[...document.querySelectorAll('p, td, th, dd, dt, a, figcaption, h2, .switch')].map((each) => {"
        "  let behind = each; while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)')"
        "    behind = behind.parentElement;"
        "  return [getComputedStyle(each).color, getComputedStyle(behind).backgroundColor]; })"
    )
    assert len(colours) > 100
    assert min(contrast(*pair) for pair in map(tuple, colours)) >= 4.5
    background = np.asarray(Image.open(io.BytesIO(page.picture())).convert("RGB"))[-1, 5]
    assert (background.mean() < 60) == dark


def contrast(first, second):
    """Ratio of luminances as WCAG defines it."""
    light, dark = sorted((luminance(colour) for colour in (first, second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    shares = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_it_prints_on_a_few_pages(page):
    content = page.print()
    assert content.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 12


def test_the_browser_tells_of_errors_and_of_what_is_loaded(browser, tmp_path):
    (tmp_path / "bad.html").write_text(
        "<img src='missing.png'><script>console.error('told'); unknown();</script>", encoding="utf-8"
    )
    browser.problems.clear()
    browser.open(tmp_path / "bad.html")
    told = " ".join(browser.problems)
    assert "told" in told
    assert "unknown is not defined" in told
    assert f"loads {(tmp_path / 'missing.png').as_uri()}" in told


@pytest.mark.skipif("INCMASK_PICTURES" not in os.environ, reason="takes pictures for the documentation when asked to")
def test_pictures_of_the_documentation(browser, report):
    folder = Path(os.environ["INCMASK_PICTURES"])
    browser.open(Path(os.environ.get("INCMASK_REPORT", report)))
    for name, width, height, dark in (
        ("report", 1100, 1400, False),
        ("report-dark", 1100, 1400, True),
        ("report-phone", 390, 1400, False),
    ):
        browser.show(width=width, height=height, dark=dark)
        image = Image.open(io.BytesIO(browser.picture())).convert("RGB")
        image.quantize(256).save(folder / f"{name}.png", optimize=True)
    browser.show(width=1100, height=1000)
    browser.run("document.querySelector('#unsure').scrollIntoView()")
    Image.open(io.BytesIO(browser.picture())).convert("RGB").quantize(256).save(
        folder / "report-unsure.png", optimize=True
    )
